//! The always-on checks, looking at real machines: this one, busybox's shell, and the tests' tiny guest in QEMU.
#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8Path;
use chrono::{DateTime, Utc};
use ovenbird::event::JobId;
use ovenbird::guest::local::Local;
use ovenbird::guest::{Command, Guest};
use ovenbird::plan::job::{self, Job};
use ovenbird::platform::{Copy, Machine, prepare_copy};
use ovenbird::smoke::checks::{self, Check, CheckResult, CheckVerdict, Facts, Outside};

mod support;

use support::room::Room;
use support::tiny_guest::{tiny_guest, tiny_guest_with};

fn job(image: &Utf8Path) -> Job {
    let spec = job::Qemu {
        source: job::Source::Image(job::Image { image: image.to_string(), checksum: None }),
        arch: job::Arch::Amd64,
        disk_size: None,
        memory: 512 * 1024 * 1024,
        cpus: 1,
        firmware: job::Firmware::Bios,
        // The probe of KVM has tests of its own, and costs seconds where KVM hangs.
        accelerator: job::Accelerator::Tcg,
        connect: job::Connect { user: "root".to_owned(), timeout: 300 },
    };
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
        platform: job::Platform::Qemu(spec),
        env: Vec::new(),
        steps: Vec::new(),
        outputs: Vec::new(),
        tests: None,
        secrets: Vec::new(),
    }
}

/// A copy of an image that runs.
struct Booted {
    room: Room,
    machine: Box<dyn Machine>,
    guest: std::sync::Arc<dyn Guest>,
    our_key: String,
    power_on: DateTime<Utc>,
}

impl Booted {
    async fn boot(image: &Utf8Path, grow: u64) -> Self {
        let room = Room::new();
        let copy = Copy { image: image.to_owned(), grow };
        let prepared = prepare_copy(&room.ctx, &job(image), &copy).await.unwrap();
        let power_on = Utc::now();
        let mut machine = prepared.launch(&room.ctx).await.unwrap();
        let guest = machine.connect(&room.ctx).await.unwrap();
        // Whoever boots a copy knows its key; here the guest is asked for the one with ovenbird's comment.
        let script = "grep -h ovenbird /root/.ssh/authorized_keys | grep -o 'AAAA[^ ]*' | tail -n 1";
        let captured = guest.capture(&Command::new(script), &room.ctx.cancel).await.unwrap();
        let our_key = String::from_utf8(captured.stdout).unwrap().trim().to_owned();
        assert!(our_key.starts_with("AAAA"));
        Self { room, machine, guest, our_key, power_on }
    }

    async fn look(&self) -> Facts {
        checks::look(&*self.guest, &self.room.ctx.cancel).await.unwrap()
    }

    fn judge(&self, facts: &Facts) -> Vec<CheckResult> {
        let console = std::fs::read_to_string(self.room.ctx.out.join("console.txt")).unwrap();
        let ports = BTreeSet::new();
        checks::judge(
            facts,
            &Outside {
                console: &console,
                our_key: Some(&self.our_key),
                declared_ports: &ports,
                now: Utc::now(),
                power_on: self.power_on,
            },
        )
    }

    async fn destroy(mut self) {
        self.machine.destroy(&self.room.ctx).await;
    }
}

/// Everything but what passed, as a person reads it.
fn told(results: &[CheckResult]) -> String {
    let bad = results.iter().filter(|result| result.verdict != CheckVerdict::Passed);
    bad.map(|result| {
        let excerpt: String = result.excerpt.iter().map(|line| format!("\n    {line}")).collect();
        format!("{} {:?}: {}{excerpt}\n", result.check.as_str(), result.verdict, result.message)
    })
    .collect()
}

fn verdict(results: &[CheckResult], check: Check) -> CheckVerdict {
    results.iter().find(|result| result.check == check).unwrap().verdict
}

/// Whoever looks at this machine did not boot it.
fn judge_foreign(facts: &Facts) -> Vec<CheckResult> {
    let ports = BTreeSet::new();
    let outside = Outside { console: "", our_key: None, declared_ports: &ports, now: Utc::now(), power_on: Utc::now() };
    checks::judge(facts, &outside)
}

#[tokio::test]
async fn this_machine_is_looked_at_without_systemd_or_a_console() {
    let room = Room::new();
    let local = Local::new(&room.ctx, &room.root, Vec::new());
    let facts = checks::look(&local, &room.ctx.cancel).await.unwrap();
    let results = judge_foreign(&facts);
    assert_eq!(verdict(&results, Check::Clock), CheckVerdict::Passed, "{}", told(&results));
    for check in [Check::BakedHostKeys, Check::BakedMachineId, Check::LeftoverKeys, Check::Residue] {
        assert_eq!(verdict(&results, check), CheckVerdict::Skipped, "{}", told(&results));
    }
    assert!(told(&[checks::same_after_reboot(&facts, &facts)]).contains("it did not reboot"));
}

#[tokio::test]
async fn a_look_that_is_cancelled_ends() {
    let room = Room::new();
    let local = Local::new(&room.ctx, &room.root, Vec::new());
    room.ctx.cancel.cancel();
    let error = checks::look(&local, &room.ctx.cancel).await.unwrap_err();
    assert!(matches!(error, ovenbird::guest::GuestError::Cancelled), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_busybox_guest_are_well_differ_and_stay_who_they_are() {
    let one = Booted::boot(&tiny_guest(), 0).await;
    let before = one.look().await;
    let results = one.judge(&before);
    let bad: Vec<Check> =
        results.iter().filter(|result| result.verdict == CheckVerdict::Failed).map(|r| r.check).collect();
    assert_eq!(bad, [], "{}", told(&results));
    one.guest.reboot(Duration::from_secs(180), &one.room.ctx.cancel).await.unwrap();
    let after = one.look().await;
    let kept = checks::same_after_reboot(&before, &after);
    assert_eq!(told(&[kept]), "");
    one.destroy().await;

    let grow = 512 * 1024 * 1024;
    let two = Booted::boot(&tiny_guest(), grow).await;
    let other = two.look().await;
    let differences = checks::differ(&before, &other);
    assert_eq!(verdict(&differences, Check::UniqueMachineId), CheckVerdict::Passed);
    assert_eq!(verdict(&differences, Check::UniqueHostKeys), CheckVerdict::Passed);
    // Nothing in the tiny guest makes its file system grow.
    let grown = checks::grown(&other, 256 * 1024 * 1024 + grow);
    assert_eq!(told(&[grown]), "root-grown Failed: 513 MiB of the 768 MiB disk are in no partition\n");
    two.destroy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_a_past_is_caught_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let image = tiny_guest_with(
        folder,
        &[(
            "/etc/rc.local",
            "#!/bin/sh\n\
                 echo 'ssh-ed25519 AAAAtheirs alice@laptop' >>/root/.ssh/authorized_keys\n\
                 echo 'EXT4-fs error (device vda1): ext4_lookup:1785: inode #2' >/dev/kmsg\n\
                 date -s @1577836800 # What is written now was in the image since 2020.\n\
                 echo old >/etc/dropbear/dropbear_old_host_key\n\
                 echo 0123456789abcdef0123456789abcdef >/etc/machine-id\n\
                 echo passwd >/root/.ash_history\n\
                 date -s @1000\n",
            "0755",
        )],
    );
    let booted = Booted::boot(&image, 0).await;
    let results = booted.judge(&booted.look().await);
    let bad = results.iter().filter(|result| result.verdict == CheckVerdict::Failed).map(|result| result.check);
    let expected = [
        Check::FileSystemErrors,
        Check::Clock,
        Check::BakedHostKeys,
        Check::BakedMachineId,
        Check::LeftoverKeys,
        Check::Residue,
    ];
    assert_eq!(bad.collect::<Vec<_>>(), expected, "{}", told(&results));
    booted.destroy().await;
}
