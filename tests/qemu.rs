//! Machines in QEMU, for real: the tests' tiny guest under whatever accelerator works here.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::expect_used, reason = "tests")]

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::context::{failure_of, is_cancelled};
use ovenbird::event::{Body, Failure, JobId, Stream};
use ovenbird::guest::{Command, Guest};
use ovenbird::plan::job::{self, Job};
use ovenbird::platform::{Copy, Machine, prepare, prepare_copy};
use tokio_util::sync::CancellationToken;

mod support;

use support::room::Room;
use support::tiny_guest::{tiny_guest, tiny_guest_with};

/// A job whose machine starts from a local image.
fn job(image: &Utf8Path) -> Job {
    Job {
        version: job::WIRE_VERSION,
        id: JobId("test".to_owned()),
        name: "test".to_owned(),
        definition: "ovenbird.yml".into(),
        image_version: None,
        definition_digest: String::new(),
        origin: job::Origin::default(),
        definition_files: Vec::new(),
        root: "/".into(),
        matrix: serde_json::Map::new(),
        platform: job::Platform::Qemu(spec(image)),
        env: Vec::new(),
        steps: Vec::new(),
        outputs: Vec::new(),
        tests: None,
        secrets: Vec::new(),
    }
}

fn spec(image: &Utf8Path) -> job::Qemu {
    job::Qemu {
        source: job::Source::Image(job::Image { image: image.to_string(), checksum: None }),
        arch: job::Arch::Amd64,
        disk_size: None,
        memory: 256 * 1024 * 1024,
        cpus: 1,
        firmware: job::Firmware::Bios,
        // The probe of KVM has tests of its own, and costs seconds where KVM hangs.
        accelerator: job::Accelerator::Tcg,
        connect: job::Connect { user: "root".to_owned(), timeout: 120 },
    }
}

fn with(image: &Utf8Path, change: impl FnOnce(&mut job::Qemu)) -> Job {
    let mut job = job(image);
    let job::Platform::Qemu(spec) = &mut job.platform else { panic!("it is built in QEMU") };
    change(spec);
    job
}

async fn launch(room: &Room, job: &Job) -> anyhow::Result<Box<dyn Machine>> {
    prepare(&room.ctx, job).await?.launch(&room.ctx).await
}

/// What a command prints; it must succeed.
async fn say(guest: &dyn Guest, script: &str) -> String {
    let captured = guest.capture(&Command::new(script), &CancellationToken::new()).await.unwrap();
    assert!(captured.exit.is_success(), "{script}: {} {}", captured.exit, String::from_utf8_lossy(&captured.stderr));
    String::from_utf8(captured.stdout).unwrap().trim().to_owned()
}

/// Launches a machine that must not come up, and returns why, with the machine's evidence.
async fn why_not(room: &Room, job: &Job) -> (Failure, ovenbird::platform::Evidence) {
    let mut machine = launch(room, job).await.unwrap();
    let error = machine.connect(&room.ctx).await.map(|_| ()).unwrap_err();
    let evidence = machine.evidence(&room.ctx).await;
    machine.destroy(&room.ctx).await;
    assert_eq!(room.processes(), [], "no process is left");
    (failure_of(&error), evidence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_booted_changed_rebooted_shut_down_and_captured() {
    let room = Room::new();
    let job = with(&tiny_guest(), |spec| spec.accelerator = job::Accelerator::Auto);
    let mut machine = launch(&room, &job).await.unwrap();
    let guest = machine.connect(&room.ctx).await.unwrap();
    assert!(say(&*guest, "bash --version").await.starts_with("GNU bash"));
    say(&*guest, "echo kept >/root/kept; sync").await;
    let before = say(&*guest, "cat /proc/sys/kernel/random/boot_id").await;
    guest.reboot(Duration::from_secs(120), &room.ctx.cancel).await.unwrap();
    assert_ne!(say(&*guest, "cat /proc/sys/kernel/random/boot_id").await, before);
    assert_eq!(say(&*guest, "cat /root/kept").await, "kept");
    machine.shutdown(&room.ctx).await.unwrap();
    let disk = machine.capture(&room.ctx).await.unwrap();
    assert_eq!(disk.virtual_size, 256 * 1024 * 1024);
    let facts = machine.facts();
    machine.destroy(&room.ctx).await;
    machine.destroy(&room.ctx).await;
    assert_eq!(room.processes(), [], "no process is left");

    let chosen = room.events().into_iter().find_map(|event| match event {
        Body::Accelerator { accelerator, reason } => Some((accelerator, reason)),
        _ => None,
    });
    assert_eq!(chosen, facts.accelerator.zip(facts.accelerator_reason));
    assert!(facts.source_digest.unwrap().starts_with("sha256:"));
    let console = std::fs::read_to_string(room.ctx.out.join("console.txt")).unwrap();
    assert!(console.contains("tiny: up"), "{console}");
    let heard = |body: &Body| matches!(body, Body::Output { stream: Stream::Console, line, .. } if line == "tiny: up");
    assert_eq!(room.events().iter().filter(|body| heard(body)).count(), 2, "one line a boot");

    // The captured disk is a source again: with its content, and larger when that is asked for.
    let again = Room::new();
    let job = with(&disk.path, |spec| spec.disk_size = Some(512 * 1024 * 1024));
    let mut machine = launch(&again, &job).await.unwrap();
    let guest = machine.connect(&again.ctx).await.unwrap();
    assert_eq!(say(&*guest, "cat /root/kept; cat /sys/block/vda/size").await, "kept\n1048576");
    machine.destroy(&again.ctx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrapped_debian_takes_its_keys_from_systemd_and_runs_on_the_disk_itself() {
    let room = Room::new();
    let job = with(Utf8Path::new("/"), |spec| {
        spec.source = job::Source::Debian(job::Debian {
            suite: "bookworm".to_owned(),
            packages: Vec::new(),
            kernel: job::Kernel::Cloud,
            cloud_init: false,
            mirror: None,
            apt_sources: None,
        });
        spec.memory = 1024 * 1024 * 1024;
        spec.cpus = 2;
        spec.connect.timeout = 400;
    });
    let mut machine = launch(&room, &job).await.unwrap();
    let guest = machine.connect(&room.ctx).await.unwrap();
    let modes = "stat -c '%a %U' /etc/ssh/ssh_host_ed25519_key /root/.ssh/authorized_keys";
    assert_eq!(say(&*guest, modes).await, "600 root\n600 root");
    assert_eq!(say(&*guest, "lsblk -dno NAME | grep -c ^vd").await, "1", "no seed disk");
    machine.shutdown(&room.ctx).await.unwrap();
    let disk = machine.capture(&room.ctx).await.unwrap();
    assert_eq!(disk.path, room.ctx.work.join("debian.raw"), "captured without a copy");
    assert_eq!(machine.facts().source, "debian bookworm");
    machine.destroy(&room.ctx).await;
    assert!(disk.path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_size_below_the_sources_is_refused() {
    let room = Room::new();
    let job = with(&tiny_guest(), |spec| spec.disk_size = Some(100 * 1024 * 1024));
    let failure = failure_of(&launch(&room, &job).await.map(|_| ()).unwrap_err());
    insta::assert_snapshot!(failure.message, @"`disk-size` is smaller than the source's disk: 100MiB is less than 256MiB");
    insta::assert_snapshot!(failure.hint.unwrap(), @"set `disk-size: 256MiB` or more, or leave it out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_panics_is_told_by_its_own_line_with_a_picture() {
    let room = Room::new();
    let panics = "#!/bin/sh\necho c >/proc/sysrq-trigger\n";
    let image = tiny_guest_with(&room.root, &[("/etc/rc.local", panics, "0755")]);
    let begin = Instant::now();
    let (failure, evidence) = why_not(&room, &job(&image)).await;
    assert!(begin.elapsed() < Duration::from_secs(100), "nobody waits for the deadline");
    let message = &failure.message;
    assert!(message.contains("the guest's kernel panicked"), "{failure:?}");
    assert!(message.contains("Kernel panic - not syncing: sysrq triggered crash"), "{failure:?}");
    assert_eq!(names(&evidence), ["console.txt", "screenshot.png"]);
    let picture = std::fs::read(room.ctx.out.join("screenshot.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_offers_no_way_in_is_told_what_to_add() {
    let room = Room::new();
    let deaf = include_str!("support/tiny-guest-init.sh").replace("\ntake_seed\n", "\n");
    let image = tiny_guest_with(&room.root, &[("/etc/rc", &deaf, "0755")]);
    let job = with(&image, |spec| spec.connect.timeout = 75);
    let copy = Copy { image, grow: 0 };
    let mut machine = prepare_copy(&room.ctx, &job, &copy).await.unwrap().launch(&room.ctx).await.unwrap();
    let failure = failure_of(&machine.connect(&room.ctx).await.map(|_| ()).unwrap_err());
    machine.destroy(&room.ctx).await;
    assert!(failure.message.contains("the guest refused the key"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("cloud-init or systemd 252 or later"));
    assert_eq!(machine.login_seconds(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_a_boot_loader_is_told_by_the_firmware_bios() {
    let room = Room::new();
    let (failure, evidence) = why_not(&room, &job(&empty_disk(&room))).await;
    insta::assert_snapshot!(failure.message, @"the guest did not come up: the firmware found nothing to boot on the disk: `No bootable device.`");
    let hint = failure.hint.unwrap();
    assert!(hint.starts_with("does the image boot with BIOS? Set `firmware: uefi` for one that needs UEFI"), "{hint}");
    assert_eq!(
        evidence.diagnosis.as_ref().unwrap().message,
        "the firmware found nothing to boot on the disk: `No bootable device.`"
    );
    assert_eq!(names(&evidence), ["console.txt", "screenshot.png"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_a_boot_loader_is_told_by_the_firmware_uefi() {
    let room = Room::new();
    let job = with(&empty_disk(&room), |spec| spec.firmware = job::Firmware::Uefi);
    let (failure, _) = why_not(&room, &job).await;
    assert!(failure.message.contains("the UEFI firmware found nothing to boot"), "{failure:?}");
}

fn names(evidence: &ovenbird::platform::Evidence) -> Vec<&str> {
    evidence.files.iter().map(|kept| kept.file.as_str()).collect()
}

fn empty_disk(room: &Room) -> Utf8PathBuf {
    let path = room.root.join("empty.raw");
    std::fs::File::create(&path).unwrap().set_len(8 * 1024 * 1024).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_a_network_is_told_when_its_time_is_over() {
    let room = Room::new();
    // Without its drivers it finds neither seed nor network card.
    let image = tiny_guest_with(&room.root, &[("/lib/ovenbird-modules/order", "", "0644")]);
    let job = with(&image, |spec| spec.connect.timeout = 20);
    let (failure, evidence) = why_not(&room, &job).await;
    assert!(failure.message.starts_with("the guest's network did not come up: `tiny: no network`; "), "{failure:?}");
    assert!(failure.hint.unwrap().contains("by DHCP"));
    assert_eq!(names(&evidence), ["console.txt", "screenshot.png"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_switches_itself_off_is_not_waited_for() {
    let room = Room::new();
    let image = tiny_guest_with(&room.root, &[("/etc/rc.local", "#!/bin/sh\npoweroff -f\n", "0755")]);
    let (failure, _) = why_not(&room, &job(&image)).await;
    insta::assert_snapshot!(failure.message, @"the guest did not come up: the guest switched itself off");
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_killed_while_booting_ends_the_wait_at_once() {
    let room = Room::new();
    let mut machine = launch(&room, &job(&tiny_guest())).await.unwrap();
    kill_qemu(&room);
    let begin = Instant::now();
    let failure = failure_of(&machine.connect(&room.ctx).await.map(|_| ()).unwrap_err());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    insta::assert_snapshot!(failure.message, @"the guest did not come up: QEMU ended by itself (signal: 9 (SIGKILL))");
    machine.destroy(&room.ctx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_killed_under_a_running_command_ends_the_command_and_is_the_diagnosis() {
    let room = Room::new();
    let mut machine = launch(&room, &job(&tiny_guest())).await.unwrap();
    let guest = machine.connect(&room.ctx).await.unwrap();
    let long = Command::new("echo started; sleep 600");
    let (sender, mut output) = tokio::sync::mpsc::channel(8);
    let kill = async {
        output.recv().await.unwrap();
        kill_qemu(&room);
        Instant::now()
    };
    let (exit, killed) = tokio::join!(guest.exec(&long, sender, &room.ctx.cancel), kill);
    assert!(!exit.is_ok_and(|exit| exit.is_success()));
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    let end = guest.post_mortem().await.unwrap();
    assert_eq!(end.message, "QEMU ended by itself (signal: 9 (SIGKILL))", "known to whoever lost the connection");
    let diagnosis = machine.evidence(&room.ctx).await.diagnosis.unwrap();
    assert_eq!(diagnosis.message, end.message);
    machine.destroy(&room.ctx).await;
}

/// Ends the room's QEMU as the kernel would that has no memory left.
fn kill_qemu(room: &Room) {
    let processes = room.processes();
    assert_eq!(processes.len(), 1, "{processes:?}");
    let pid = processes[0].pid.to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn qemus_own_words_are_in_the_error_when_it_refuses_to_start() {
    let room = Room::new();
    let job = with(&tiny_guest(), |spec| spec.memory = 1 << 60);
    let failure = failure_of(&launch(&room, &job).await.map(|_| ()).unwrap_err());
    insta::assert_snapshot!(failure.message, @"QEMU ended by itself (exit status: 1)");
    assert!(failure.excerpt.iter().any(|line| line.starts_with("qemu-system-x86_64: ")), "{failure:?}");
    assert_eq!(room.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_is_cancelled_at_once() {
    let room = Room::new();
    let mut machine = launch(&room, &job(&tiny_guest())).await.unwrap();
    room.ctx.cancel.cancel();
    let begin = Instant::now();
    let error = machine.connect(&room.ctx).await.map(|_| ()).unwrap_err();
    assert!(is_cancelled(&error), "{error:#}");
    machine.destroy(&room.ctx).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(room.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_dropped_ends() {
    let room = Room::new();
    drop(launch(&room, &job(&tiny_guest())).await.unwrap());
    let begin = Instant::now();
    while !room.processes().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_missing_qemu_names_the_package_to_install() {
    let empty = tempfile::tempdir().unwrap();
    as_child("child_without_qemu", empty.path().to_str().unwrap());
}

/// The other half of [`a_missing_qemu_names_the_package_to_install`].
#[tokio::test]
async fn child_without_qemu() {
    if !is_child() {
        return;
    }
    let room = Room::new();
    let failure = failure_of(&launch(&room, &job(Utf8Path::new("/image"))).await.map(|_| ()).unwrap_err());
    assert_eq!(failure.message, "`qemu-system-x86_64` is not installed");
    assert_eq!(failure.hint.unwrap(), "install it: `apt-get install qemu-system-x86`");
}

#[test]
fn a_full_disk_of_this_machine_is_told_as_such() {
    // QEMU itself plays the full disk: the real one, with a fault injected under the guest's disk.
    let programs = tempfile::tempdir().unwrap();
    let wrapper = programs.path().join("qemu-system-x86_64");
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        r#"#!/bin/bash
PATH={path}
arguments=()
for argument in "$@"; do
    case $argument in
    *overlay.qcow2*)
        file='"file":{{"driver":"file"'
        fault='"file":{{"driver":"blkdebug","inject-error":[{{"event":"write_aio","errno":28,"once":false}}],"image":{{"driver":"file"'
        argument=${{argument/"$file"/"$fault"}}}} ;;
    esac
    arguments+=("$argument")
done
exec qemu-system-x86_64 "${{arguments[@]}}"
"#
    );
    std::fs::write(&wrapper, script).unwrap();
    std::process::Command::new("chmod").arg("755").arg(&wrapper).status().unwrap();
    as_child("child_on_a_full_disk", &format!("{}:{path}", programs.path().display()));
}

/// The other half of [`a_full_disk_of_this_machine_is_told_as_such`].
#[tokio::test(flavor = "multi_thread")]
async fn child_on_a_full_disk() {
    if !is_child() {
        return;
    }
    let room = Room::new();
    let (failure, _) = why_not(&room, &job(&tiny_guest())).await;
    assert!(
        failure.message.ends_with("the disk of this machine is full: what the guest wrote could not be kept"),
        "{failure:?}"
    );
}

const CHILD: &str = "OVENBIRD_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs one test of this binary again, in a process whose `PATH` is another: this process can't change its own safely.
fn as_child(test: &str, path: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("PATH", path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
