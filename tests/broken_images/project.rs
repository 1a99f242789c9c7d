//! A folder with an image and a goss file, and `ovenbird test` run in it as a person would.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::event::{Body, Event, Tested, Verdict};

use crate::faults::{Change, Fault};
use crate::shared::debian::{Edit, debian_with, debugfs};
use crate::shared::tiny_guest::cache;

/// The longest that one image may take, three boots included, with other tests beside it on two cores.
const PATIENCE: &str = "1500";

/// What the image is meant to be.
const GOSS: &str = "\
service:
  cron:
    enabled: true
    running: true
file:
  /etc/app.conf:
    exists: true
    mode: '0640'
port:
  tcp:80:
    listening: true
";

/// What makes the Debian guest so.
const WHOLE: [Edit<'static>; 2] = [
    Edit::Write("/etc/app.conf", "token\n", "0640"),
    Edit::Link("/etc/systemd/system/multi-user.target.wants/nginx.service", "/lib/systemd/system/nginx.service"),
];

pub struct Project {
    folder: tempfile::TempDir,
    image: &'static str,
}

impl Project {
    /// The image as it is meant to be, with faults.
    pub fn broken(faults: &[&Fault]) -> Self {
        let project = Self::new("debian.raw", GOSS);
        let root = project.root();
        let host_key = host_key(&root);
        let mut edits = Vec::from(WHOLE);
        let changes = || faults.iter().flat_map(|fault| fault.changes);
        for change in changes() {
            match *change {
                Change::Write(path, content, mode) => edits.push(Edit::Write(path, content, mode)),
                Change::Link(path, target) => edits.push(Edit::Link(path, target)),
                Change::HostKey => edits.push(Edit::Write("/etc/ssh/ssh_host_ed25519_key", &host_key, "0600")),
                Change::NoVirtioBlock => {}
            }
        }
        let disk = debian_with(&root, &edits);
        if changes().any(|change| matches!(change, Change::NoVirtioBlock)) {
            remove_virtio_block(&root, &disk);
        }
        project
    }

    /// A folder for an image of this name.
    pub fn new(image: &'static str, goss: &str) -> Self {
        let project = Self { folder: tempfile::tempdir_in(cache()).unwrap(), image };
        std::fs::write(project.root().join("goss.yaml"), goss).unwrap();
        project
    }

    pub fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().canonicalize_utf8().unwrap()
    }

    /// Tests the image, within [`PATIENCE`].
    pub fn test(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", PATIENCE, env!("CARGO_BIN_EXE_ovenbird"), "test", self.image]);
        command.args(["--goss", "goss.yaml", "--accelerator", "tcg", "--events", "events.jsonl"]).args(arguments);
        command.current_dir(self.root()).env_clear().env("HOME", self.root());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("OVENBIRD_CACHE_DIR", cache().join("ovenbird"));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let events = std::fs::read_to_string(self.root().join("events.jsonl")).unwrap_or_default();
        let events = events.lines().map(|line| serde_json::from_str::<Event>(line).unwrap().event);
        let tested = events.filter_map(|body| if let Body::Tested(tested) = body { Some(*tested) } else { None });
        Ran {
            status: output.status.code(),
            told: text(&output.stdout) + &text(&output.stderr),
            tested: tested.collect(),
        }
    }

    /// Nothing runs, and nothing is left but reports.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let root = self.root();
        for name in [".work", ".journal"] {
            assert!(!root.join("ovenbird-test").join(name).exists(), "`{name}` is left");
        }
        let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
        });
        let commands: Vec<_> = commands.filter(|command| command.contains(root.as_str())).collect();
        assert!(commands.is_empty(), "processes are left: {commands:?}");
    }
}

/// What came of it.
pub struct Ran {
    pub status: Option<i32>,
    /// What a person sees.
    pub told: String,
    tested: Vec<Tested>,
}

impl Ran {
    /// The message of a test.
    pub fn message(&self, name: &str) -> &str {
        let tested = self.tested.iter().find(|tested| tested.name() == name);
        &tested.unwrap_or_else(|| panic!("there is no `{name}`\n{}", self.told)).message
    }

    /// The names of what has this verdict.
    pub fn named(&self, verdict: Verdict) -> Vec<String> {
        self.tested.iter().filter(|tested| tested.verdict == verdict).map(Tested::name).collect()
    }
}

/// A new host key's private part.
fn host_key(folder: &Utf8Path) -> String {
    let file = folder.join("host-key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", file.as_str()]).output();
    assert!(made.unwrap().status.success(), "ssh-keygen makes a key");
    std::fs::read_to_string(file).unwrap()
}

/// Takes the driver of virtio disks out of the disk's initial RAM file system: its file gets a name of the same length
/// that nobody looks for.
fn remove_virtio_block(folder: &Utf8Path, disk: &Utf8Path) {
    let boot = debugfs(disk, "ls /boot");
    let name = boot.split_whitespace().find(|word| word.starts_with("initrd.img-")).unwrap();
    let local = folder.join("initrd");
    debugfs(disk, &format!("dump /boot/{name} {local}"));
    let mut archive = zstd::decode_all(std::fs::File::open(&local).unwrap()).unwrap();
    // Indices name it as well, but below `kernel`.
    let kernel = name.trim_start_matches("initrd.img-");
    let driver = format!("{kernel}/kernel/drivers/block/virtio_blk.ko");
    let at = archive.windows(driver.len()).position(|window| window == driver.as_bytes()).unwrap();
    let hidden = driver.replace("virtio_blk.ko", "virtio_blk.no");
    archive[at..at + driver.len()].copy_from_slice(hidden.as_bytes());
    std::fs::write(&local, zstd::encode_all(archive.as_slice(), 1).unwrap()).unwrap();
    debugfs(disk, &format!("rm /boot/{name}"));
    debugfs(disk, &format!("write {local} /boot/{name}"));
}
