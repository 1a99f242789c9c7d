//! Which accelerator runs a machine, and why that one.
//!
//! `/dev/kvm` may exist and yet hang every guest: nested virtualization that only half works is common on CI runners. So an
//! accelerator *works* when a guest has run in it: a boot sector (`accelerator.s`) that enters 64-bit mode, uses SSE, takes
//! a timer interrupt and reports through a debug device. The verdict is kept for this boot and this QEMU.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

use super::arguments::Accelerator;
use super::program::Qemu;
use crate::context::{Cancelled, Explained, JobCtx, clean_line};
use crate::event::Failure;
use crate::journal::process::boot_id;
use crate::plan::job::{self, Arch};
use crate::program::Running;

/// The assembled `accelerator.s`.
const PROBE: &[u8; 512] = include_bytes!("accelerator.bin");
/// The firmware does not boot from a disk without a single cylinder.
const PROBE_DISK: u64 = 1024 * 1024;
/// Where it works the guest needs a tenth of a second; a busy machine gets fifty times that.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);
/// `isa-debug-exit` turns the value 0x10 that the guest writes into this: `value << 1 | 1`.
const PROBE_PASSED: i32 = 33;

/// The accelerator that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub accelerator: Accelerator,
    /// A sentence's part that follows `because`.
    pub reason: String,
}

/// What is known of KVM on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    works: bool,
    reason: String,
}

impl Verdict {
    fn no(reason: impl Into<String>) -> Self {
        Self { works: false, reason: reason.into() }
    }
}

/// Chooses.
///
/// # Errors
/// KVM was asked for by name and does not work; the probe can't be run; the job is cancelled.
pub(super) async fn choose(ctx: &JobCtx, wanted: job::Accelerator, arch: Arch, qemu: &Qemu) -> anyhow::Result<Choice> {
    if wanted == job::Accelerator::Tcg {
        return Ok(Choice { accelerator: Accelerator::Tcg, reason: "`accelerator: tcg` asks for it".to_owned() });
    }
    let verdict = verdict(ctx, arch, qemu).await?;
    if verdict.works {
        return Ok(Choice { accelerator: Accelerator::Kvm, reason: verdict.reason });
    }
    if wanted == job::Accelerator::Kvm {
        bail!(Explained(Failure {
            hint: Some("`accelerator: auto` builds without KVM, several times slower".to_owned()),
            ..Failure::new(format!("KVM does not work here: {}", verdict.reason))
        }));
    }
    Ok(Choice { accelerator: Accelerator::Tcg, reason: verdict.reason })
}

async fn verdict(ctx: &JobCtx, arch: Arch, qemu: &Qemu) -> anyhow::Result<Verdict> {
    let host = std::env::consts::ARCH;
    if !matches!((arch, host), (Arch::Amd64, "x86_64") | (Arch::Arm64, "aarch64")) {
        return Ok(Verdict::no(format!("KVM can't run `{}` guests on `{host}`", arch.debian())));
    }
    if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Ok(Verdict::no(match error.kind() {
            std::io::ErrorKind::NotFound => "there is no /dev/kvm".to_owned(),
            std::io::ErrorKind::PermissionDenied => {
                "this user may not open /dev/kvm: add it to the group `kvm`".to_owned()
            }
            _ => format!("/dev/kvm can't be opened: {error}"),
        }));
    }
    let memory = Memory::of(ctx, qemu);
    if let Some(verdict) = memory.recall() {
        return Ok(verdict);
    }
    let verdict = probe(ctx, qemu, Accelerator::Kvm).await?;
    memory.keep(&verdict);
    Ok(verdict)
}

/// Runs the probe. A guest that does not pass is a verdict, not an error.
async fn probe(ctx: &JobCtx, qemu: &Qemu, accelerator: Accelerator) -> anyhow::Result<Verdict> {
    let disk = ctx.work.join("accelerator-probe.img");
    let write = || {
        let file = std::fs::File::create(&disk)?;
        std::os::unix::fs::FileExt::write_all_at(&file, PROBE, 0)?;
        file.set_len(PROBE_DISK)
    };
    write().with_context(|| format!("failed to write `{disk}`"))?;
    let verdict = run_probe(ctx, qemu, accelerator, &disk).await;
    // It goes with the work folder at the latest.
    let _ = std::fs::remove_file(&disk);
    verdict
}

async fn run_probe(ctx: &JobCtx, qemu: &Qemu, accelerator: Accelerator, disk: &Utf8PathBuf) -> anyhow::Result<Verdict> {
    let mut command = Command::new(qemu.program);
    command.args(["-nodefaults", "-no-user-config", "-machine", "q35", "-m", "64M", "-display", "none", "-no-reboot"]);
    command.args(["-accel", accelerator.as_str(), "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
    command.args(["-cpu", if accelerator == Accelerator::Kvm { "host" } else { "max" }]);
    let node = serde_json::json!({
        "node-name": "probe", "driver": "raw", "read-only": true,
        "file": { "driver": "file", "filename": disk, "read-only": true },
    });
    command.args(["-blockdev", &node.to_string(), "-device", "virtio-blk-pci,drive=probe,bootindex=0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running::spawn(ctx, command)?;
    let mut stderr = running.child.stderr.take().map(BufReader::new);
    let mut last = None;
    let verdict = tokio::select! {
        () = ctx.cancel.cancelled() => Err(Cancelled.into()),
        () = tokio::time::sleep(PROBE_DEADLINE) => {
            let seconds = PROBE_DEADLINE.as_secs();
            Ok(Verdict::no(format!("/dev/kvm exists, but a guest hung in it for {seconds} s without finishing 64-bit code")))
        }
        Some(line) = internal_error(&mut stderr, &mut last) => {
            Ok(Verdict::no(format!("/dev/kvm exists, but a guest can't run 64-bit code in it: `{line}`")))
        }
        status = running.wait() => {
            let status = status?;
            if status.code() == Some(PROBE_PASSED) {
                return Ok(Verdict { works: true, reason: "a guest ran 64-bit code in /dev/kvm".to_owned() });
            }
            // What it said last may not have been read yet; all that could still write has ended.
            internal_error(&mut stderr, &mut last).await;
            let words = last.map(|line| format!(": `{line}`")).unwrap_or_default();
            return Ok(Verdict::no(format!("/dev/kvm exists, but QEMU can't run a guest in it ({status}){words}")));
        }
    };
    running.kill_group();
    running.wait().await?;
    verdict
}

/// The line by which QEMU says that KVM gave up on the guest; QEMU then stays, with the guest stopped. None at the end of
/// what it says; `last` is the last line until then.
async fn internal_error(stderr: &mut Option<BufReader<ChildStderr>>, last: &mut Option<String>) -> Option<String> {
    let reader = stderr.as_mut()?;
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        let text = clean_line(&line);
        if text.contains("KVM internal error") {
            return Some(text);
        }
        *last = Some(text);
        line.clear();
    }
    None
}

/// The verdict that is kept between runs.
struct Memory {
    path: Utf8PathBuf,
    /// A reboot or another QEMU may change the verdict.
    key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    key: String,
    verdict: Verdict,
}

impl Memory {
    fn of(ctx: &JobCtx, qemu: &Qemu) -> Self {
        let key = format!("{} {} {}", boot_id().unwrap_or_default(), qemu.program, qemu.version);
        Self { path: ctx.cache.join("accelerator.json"), key }
    }

    /// None when there is no verdict, another one, or one half written: then the probe runs again.
    fn recall(&self) -> Option<Verdict> {
        let remembered: Remembered = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        (remembered.key == self.key).then_some(remembered.verdict)
    }

    /// A verdict that can't be kept costs the next run the probe, and nothing else.
    fn keep(&self, verdict: &Verdict) {
        let remembered = Remembered { key: self.key.clone(), verdict: verdict.clone() };
        if let Ok(text) = serde_json::to_vec(&remembered) {
            let _ = std::fs::create_dir_all(self.path.parent().unwrap_or(&self.path));
            let _ = std::fs::write(&self.path, text);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::platform::qemu::testing::Room;

    /// The committed bytes are what the committed source says.
    #[test]
    fn the_probe_is_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/qemu/accelerator.s");
        let (object, binary) = (folder.path().join("probe.o"), folder.path().join("probe.bin"));
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            std::process::Command::new(program).args(arguments).status()
        };
        let status = run("as", &["--64".as_ref(), "-o".as_ref(), object.as_ref(), source.as_ref()]);
        // `as` is in binutils.
        assert!(status.unwrap().success());
        let link = ["-Ttext", "0x7c00", "--oformat", "binary", "-o"].map(std::ffi::OsStr::new);
        let link: Vec<_> = link.into_iter().chain([binary.as_os_str(), object.as_os_str()]).collect();
        assert!(run("ld", &link).unwrap().success());
        assert_eq!(std::fs::read(binary).unwrap(), PROBE);
    }

    #[tokio::test]
    async fn the_probe_passes_where_a_guest_works() {
        let room = Room::new();
        let qemu = Qemu::find(&room.ctx, Arch::Amd64).await.unwrap();
        let verdict = probe(&room.ctx, &qemu, Accelerator::Tcg).await.unwrap();
        assert!(verdict.works, "{verdict:?}");
    }

    #[tokio::test]
    async fn a_verdict_holds_for_one_qemu_only() {
        let room = Room::new();
        let old = Qemu { program: "qemu-system-x86_64", version: "7.2".to_owned() };
        let new = Qemu { version: "9.0".to_owned(), ..old.clone() };
        let verdict = Verdict::no("it hung");
        Memory::of(&room.ctx, &old).keep(&verdict);
        assert_eq!(Memory::of(&room.ctx, &old).recall(), Some(verdict));
        assert_eq!(Memory::of(&room.ctx, &new).recall(), None);
        std::fs::write(room.ctx.cache.join("accelerator.json"), "{\"key").unwrap();
        assert_eq!(Memory::of(&room.ctx, &old).recall(), None);
    }

    #[tokio::test]
    async fn kvm_by_name_is_refused_with_the_reason_when_it_does_not_work() {
        let room = Room::new();
        let qemu = Qemu { program: "qemu-system-x86_64", version: "7.2".to_owned() };
        // A guest of the other architecture never runs in KVM, whatever this machine is.
        let foreign = if cfg!(target_arch = "aarch64") { Arch::Amd64 } else { Arch::Arm64 };
        let error = choose(&room.ctx, job::Accelerator::Kvm, foreign, &qemu).await.unwrap_err();
        assert!(error.to_string().starts_with("KVM does not work here: KVM can't run"), "{error}");
        let choice = choose(&room.ctx, job::Accelerator::Auto, foreign, &qemu).await.unwrap();
        assert_eq!(choice.accelerator, Accelerator::Tcg);
        assert!(choice.reason.starts_with("KVM can't run"), "{}", choice.reason);
    }

    /// A program that plays a QEMU in which guests do not run.
    fn broken_qemu(room: &Room, script: &str) -> Qemu {
        let path = room.ctx.work.join("qemu");
        std::fs::write(&path, script).unwrap();
        // Not written to and started by one process at once: another thread's child could still hold it open.
        let made = std::process::Command::new("chmod").args(["755", path.as_str()]).status().unwrap();
        assert!(made.success());
        Qemu { program: Box::leak(path.into_string().into_boxed_str()), version: "7.2".to_owned() }
    }

    #[tokio::test]
    async fn a_qemu_that_gives_up_is_quoted_in_the_verdict() {
        let room = Room::new();
        let aborts = broken_qemu(&room, "#!/bin/sh\necho 'kvm: failed to set MSR 0x10a' >&2\nexit 1\n");
        let verdict = probe(&room.ctx, &aborts, Accelerator::Kvm).await.unwrap();
        insta::assert_snapshot!(
            verdict.reason,
            @"/dev/kvm exists, but QEMU can't run a guest in it (exit status: 1): `kvm: failed to set MSR 0x10a`"
        );
    }

    #[tokio::test]
    async fn a_guest_that_kvm_gives_up_on_is_not_waited_for() {
        let room = Room::new();
        let stays = broken_qemu(&room, "#!/bin/sh\necho 'KVM internal error. Suberror: 1' >&2\nexec sleep 60\n");
        let begin = std::time::Instant::now();
        let verdict = probe(&room.ctx, &stays, Accelerator::Kvm).await.unwrap();
        assert!(begin.elapsed() < PROBE_DEADLINE);
        insta::assert_snapshot!(
            verdict.reason,
            @"/dev/kvm exists, but a guest can't run 64-bit code in it: `KVM internal error. Suberror: 1`"
        );
    }

    #[tokio::test]
    async fn a_guest_that_hangs_is_ended_after_the_deadline() {
        let room = Room::new();
        let hangs = broken_qemu(&room, "#!/bin/sh\nexec sleep 60\n");
        let verdict = probe(&room.ctx, &hangs, Accelerator::Kvm).await.unwrap();
        assert_eq!(verdict.reason, "/dev/kvm exists, but a guest hung in it for 5 s without finishing 64-bit code");
    }
}
