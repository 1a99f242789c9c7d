//! Everything that goes wrong ends with one clear message, the right exit status, and nothing left behind.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::Project;

#[test]
fn a_step_that_fails_is_shown_with_the_line_of_its_script_and_the_other_job_is_kept() {
    let project = Project::tiny(
        "strategy: { fail-fast: false, matrix: { n: [1, 2] } }
steps:
  - name: Sometimes
    run: |
      echo before
      if true; then
        test ${{ matrix.n }} = 2
      fi
outputs: [qcow2]
",
    );
    let ran = project.run(&["build"]).expect_status(1);
    ran.expect_told("ovenbird.yml:15").expect_told("test 1 = 2").expect_told("Sometimes");
    assert!(project.path("ovenbird-out/2/tiny.qcow2").exists());
    assert!(!project.path("ovenbird-out/1/tiny.qcow2").exists());
    assert!(!project.path("ovenbird-out/1/manifest.json").exists());
    assert!(project.path("ovenbird-out/1/log.txt").exists());
    project.assert_nothing_left();
}

#[test]
fn a_step_that_takes_too_long_is_ended_and_failure_steps_run_after_it() {
    let project = Project::tiny(
        "steps:
  - name: Slow
    run: sleep 600
    timeout-minutes: 0.05
  - run: echo never
  - if: failure()
    download: /etc/hostname
    to: kept/
outputs: [raw]
",
    );
    let ran = project.run(&["build"]).expect_status(1).expect_told("timed out").expect_told("Slow");
    assert!(!ran.stdout.contains("never") && !ran.stderr.contains("| never"));
    assert!(project.path("kept/hostname").exists());
    project.assert_nothing_left();
}

#[test]
fn without_qemu_the_error_names_the_package() {
    let empty = tempfile::tempdir().unwrap();
    // Everything but QEMU is there.
    for program in ["sh", "qemu-img", "mkfs.vfat", "mcopy", "mmd"] {
        let path = std::env::var_os("PATH").unwrap();
        let mut found = std::env::split_paths(&path).map(|folder| folder.join(program));
        let found = found.find(|path| path.exists()).unwrap_or_else(|| panic!("{program} is missing"));
        std::os::unix::fs::symlink(found, empty.path().join(program)).unwrap();
    }
    let project = Project::tiny("outputs: [raw]\n").search_path(empty.path());
    project
        .run(&["build"])
        .expect_status(1)
        .expect_told("`qemu-system-x86_64` is not installed")
        .expect_told("apt-get install qemu-system-x86");
    project.assert_nothing_left();
}

#[test]
fn a_wrong_checksum_says_what_was_expected_and_what_is_there() {
    let wrong = "0".repeat(64);
    let project = Project::new(&format!(
        "name: tiny
platforms:
  qemu: {{ builder: qemu, source: {{ image: TINY, checksum: \"sha256:{wrong}\" }}, accelerator: tcg }}
outputs: [raw]
"
    ));
    project.run(&["build"]).expect_status(1).expect_told(&wrong).expect_told("checksum");
    project.assert_nothing_left();
}

#[test]
fn wrong_keys_are_told_all_at_once_before_anything_starts() {
    let project = Project::new(
        "name: tiny
platfroms: {}
platforms:
  qemu: { builder: qemu, source: { debian: bookworm }, memroy: 1GiB }
steps:
  - upload: missing/
    to: /srv
outputs: [qcow3]
",
    );
    let ran = project.run(&["build"]).expect_status(2);
    ran.expect_told("platforms").expect_told("memory").expect_told("qcow2").expect_told("ovenbird.yml:2:1");
    assert!(!project.path("ovenbird-out").exists());
}

#[test]
fn a_missing_file_of_a_step_is_told_before_anything_starts() {
    let project = Project::tiny("steps:\n  - upload: missing/\n    to: /srv\noutputs: [raw]\n");
    project.run(&["build"]).expect_status(2).expect_told("missing/").expect_told("ovenbird.yml:10");
    assert!(!project.path("ovenbird-out").exists());
}

#[test]
fn a_full_disk_is_told_as_such() {
    let project = Project::tiny("steps:\n  - run: dd if=/dev/urandom of=/big bs=1M count=64\noutputs: [raw]\n");
    let script = format!(
        "mkdir -p ovenbird-out && mount -t tmpfs -o size=24m tmpfs ovenbird-out && \
         {} build; status=$?; find ovenbird-out -name '*.raw' -o -name .work -o -name .journal > left; exit $status",
        env!("CARGO_BIN_EXE_ovenbird")
    );
    // A mount namespace of its own: the small file system goes with it.
    let command = project.command(&[]);
    let variables: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", &script]).current_dir(project.root()).env_clear();
    unshare.envs(variables.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let ran = project.start(&mut unshare).wait().expect_status(1);
    assert_eq!(project.read("left"), "", "something is left");
    ran.expect_told("the disk of this machine is full");
}

#[test]
fn a_guest_that_never_comes_up_is_diagnosed_from_its_console() {
    let project = Project::new(
        "name: tiny
platforms:
  qemu: { builder: qemu, source: { image: disk.raw }, accelerator: tcg, memory: 256MiB, connect: { timeout-minutes: 1 } }
outputs: [raw]
",
    );
    std::fs::File::create(project.path("disk.raw")).unwrap().set_len(64 << 20).unwrap();
    let ran = project.run(&["build"]).expect_status(1);
    assert!(ran.elapsed < Duration::from_secs(60), "it was a bare time-out");
    ran.expect_told("ootable device");
    assert!(project.path("ovenbird-out/qemu/screenshot.png").exists());
    project.assert_nothing_left();
}

#[test]
fn an_interrupt_stops_a_build_within_seven_seconds_and_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let project = Project::tiny("steps:\n  - run: echo ready; sleep 600\noutputs: [raw]\n");
        let started = project.start(&mut project.command(&["build", "--events", "events.jsonl"]));
        wait_for(&project, "\"line\":\"ready\"");
        let begin = std::time::Instant::now();
        started.signal(signal);
        let ran = started.wait().expect_status(128 + signal.as_raw());
        assert!(begin.elapsed() < Duration::from_secs(7), "it took {:?}", begin.elapsed());
        ran.expect_told("cancelled");
        project.assert_nothing_left();
    }
}

#[test]
fn a_second_interrupt_stops_at_once() {
    // A step that does not care for signals takes its time to be ended.
    let project = Project::tiny("steps:\n  - run: echo ready; trap '' INT TERM; sleep 600\noutputs: [raw]\n");
    let started = project.start(&mut project.command(&["build", "--events", "events.jsonl"]));
    wait_for(&project, "\"line\":\"ready\"");
    started.signal(Signal::INT);
    let begin = std::time::Instant::now();
    started.signal(Signal::TERM);
    // The first one says how it ended.
    started.wait().expect_status(130);
    assert!(begin.elapsed() < Duration::from_secs(3), "it took {:?}", begin.elapsed());
    project.assert_nothing_left();
}

#[test]
fn a_terminal_that_stands_still_does_not_hold_up_an_interrupt() {
    let project = Project::tiny("steps:\n  - run: yes | head -c 2000000; sleep 600\noutputs: [raw]\n");
    // Nobody reads its output before `wait`; what a pipe holds is in the log too.
    let started = project.start(&mut project.command(&["build"]));
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    let log = project.path("ovenbird-out/qemu/log.txt");
    while !log.metadata().is_ok_and(|log| log.len() > 65_536) {
        assert!(std::time::Instant::now() < deadline, "the step did not run");
        std::thread::sleep(Duration::from_millis(50));
    }
    started.signal(Signal::INT);
    let begin = std::time::Instant::now();
    while project.path("ovenbird-out/.work").exists() || project.path("ovenbird-out/.journal").exists() {
        assert!(begin.elapsed() < Duration::from_secs(7), "the machine still runs");
        std::thread::sleep(Duration::from_millis(50));
    }
    started.wait().expect_status(130);
    project.assert_nothing_left();
}

/// Waits until the events of a run hold `text`.
pub fn wait_for(project: &Project, text: &str) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    let events = project.path("events.jsonl");
    while !std::fs::read_to_string(&events).is_ok_and(|events| events.contains(text)) {
        assert!(
            std::time::Instant::now() < deadline,
            "`{text}` was never told: {:?}",
            std::fs::read_to_string(&events)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
