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
