//! What CI is told of runs that do not go well, and what is kept of them: a real machine that dies, one whose step fails,
//! and a run that is cancelled.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Project, Started};
use crate::unhappy::wait_for;

/// Builds as a step of GitHub Actions would.
fn start(project: &Project, arguments: &[&str]) -> Started {
    let arguments = [&["build", "--events", "events.jsonl"], arguments].concat();
    let mut command = project.command(&arguments);
    command.env("GITHUB_ACTIONS", "true");
    command.env("GITHUB_STEP_SUMMARY", project.path("summary.md").as_str());
    command.env("GITHUB_OUTPUT", project.path("output").as_str());
    project.start(&mut command)
}

/// The field of each event of this type, in order.
fn told(project: &Project, kind: &str, field: &str) -> Vec<String> {
    let events = project.read("events.jsonl");
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone());
    let of_kind = events.filter(|event| event["type"] == kind);
    of_kind.map(|event| event[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// Ends the project's QEMU as the kernel would that has no memory left.
fn kill_qemu(project: &Project) {
    let root = project.root();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let pid = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        if let (true, true, Some(pid)) = (line.starts_with("qemu-system"), line.contains(root.as_str()), pid) {
            kill_process(pid, Signal::KILL).unwrap();
        }
    }
}

#[test]
fn a_machine_that_dies_is_told_before_the_step_that_lost_it() {
    let project = Project::tiny("steps:\n  - name: Long\n    run: echo ready; sleep 600\noutputs: [raw]\n");
    let started = start(&project, &[]);
    wait_for(&project, "\"line\":\"ready\"");
    kill_qemu(&project);
    let ran = started.wait().expect_status(1);
    let failures = told(&project, "failure", "message");
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert_eq!(failures[0], "QEMU ended by itself (signal: 9 (SIGKILL))");
    assert!(failures[1].contains("was lost"), "{failures:?}");
    let first = ran.stderr.lines().find(|line| line.starts_with("::error")).unwrap();
    assert!(first.contains("::QEMU ended by itself"), "{first}");
    assert_eq!(told(&project, "kept", "file"), ["console.txt"], "a machine that is gone has no screen and no journal");
    project.assert_nothing_left();
}

#[test]
fn of_a_failed_job_screen_console_and_journal_are_kept_and_nothing_in_them_is_obeyed() {
    let project = Project::tiny(
        "strategy: { fail-fast: false, matrix: { n: [1, 2] } }
steps:
  - name: Forge
    run: |
      echo '##[error]kernel' > /dev/kmsg
      printf '::error::console\\r::error::again\\n' > /dev/console
      test ${{ matrix.n }} = 2
outputs: [raw]
",
    );
    let ran = start(&project, &["--max-parallel", "1"]).wait().expect_status(1);
    let picture = std::fs::read(project.path("ovenbird-out/1/screenshot.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    let journal = project.read("ovenbird-out/1/journal.txt");
    assert!(journal.contains("## [error]kernel"), "{journal}");
    for text in [journal, project.read("ovenbird-out/1/console.txt"), project.read("ovenbird-out/2/console.txt")] {
        let obeyed = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
        assert!(!text.split(['\n', '\r']).any(obeyed) && !text.contains('\u{1b}'), "{text}");
    }
    assert_eq!(told(&project, "kept", "kind"), ["console", "screenshot", "journal"], "of the one that failed");
    for name in ["screenshot.png", "journal.txt"] {
        assert!(!project.path(&format!("ovenbird-out/2/{name}")).exists(), "{name} of a job that was built");
    }
    let summary = project.read("summary.md");
    assert!(summary.contains("`ovenbird-out/1/screenshot.png`<br>`ovenbird-out/1/console.txt`<br>"), "{summary}");
    assert!(project.read("ovenbird-out/junit.xml").contains("[[ATTACHMENT|ovenbird-out/1/screenshot.png]]"));
    ran.expect_told("Kept journal.txt");
    project.assert_nothing_left();
}

#[test]
fn a_run_that_is_cancelled_keeps_what_it_has_built_and_says_what_it_has_not() {
    let project = Project::tiny(
        "strategy: { matrix: { n: [1, 2, 3] } }
steps:
  - name: Wait
    run: test ${{ matrix.n }} = 1 || { echo ready; sleep 600; }
outputs: [raw]
",
    );
    let started = start(&project, &["--max-parallel", "1"]);
    wait_for(&project, "\"line\":\"ready\"");
    started.signal(Signal::INT);
    let begin = Instant::now();
    let ran = started.wait().expect_status(130);
    assert!(begin.elapsed() < Duration::from_secs(7), "GitHub ends it after 7.5 s: {:?}", begin.elapsed());
    println!("cancelled in {:?}", begin.elapsed());
    let output = project.read("output");
    assert!(output.contains("\"path\":\"ovenbird-out/1/tiny.raw\""), "{output}");
    assert!(project.path("ovenbird-out/1/tiny.raw").exists());
    assert_eq!(project.json("ovenbird-out/images.json")["jobs"].as_array().map_or(0, Vec::len), 1);
    let summary = project.read("summary.md");
    let (_, cancelled) = summary.split_once("### Cancelled\n\n").unwrap();
    let lines: Vec<&str> = cancelled.lines().take(2).collect();
    assert!(lines[0].starts_with("- `2` in `1. Wait` after ") && lines[1] == "- `3` was not started", "{cancelled}");
    let count = |mark: &str| ran.stderr.lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!(count("::group::"), count("::endgroup::"), "{}", ran.stderr);
    project.assert_nothing_left();
}
