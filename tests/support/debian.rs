//! The tests' Debian guest: a real one with systemd, OpenSSH and nginx, made by `ovenbird build` itself. It takes some
//! minutes without KVM, once.

use std::fs::File;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::tiny_guest::cache;

const DEFINITION: &str = "\
name: debian
platforms:
  qemu:
    builder: qemu
    source: { debian: bookworm, packages: [nginx-light, cron] }
    memory: 1GiB
    cpus: 2
    accelerator: tcg
steps:
  - name: A web server that is there and off, and a package that is held
    run: |
      systemctl disable --now nginx
      apt-mark hold nginx-light
outputs: [raw]
";

/// Counted up by whoever changes what `ovenbird build` makes of [`DEFINITION`] so that tests notice.
const GENERATION: u32 = 2;

/// As `debugfs` takes it: before any test.
const LONG_AGO: &str = "20240101000000";

/// A change to a file of an image.
pub enum Edit<'a> {
    /// Path, content, octal permissions. The folder above its folder is there.
    Write(&'a str, &'a str, &'a str),
    Remove(&'a str),
    /// Path and what it leads to.
    Link(&'a str, &'a str),
}

/// The Debian guest's disk (raw, sparse, 4 GiB, BIOS and UEFI; only to be read), made on first use and kept outside the
/// checkout. Another definition makes another disk; tests that ask at the same time wait for the one that makes it.
///
/// # Panics
/// It can't be made; the message has what `ovenbird build` said.
pub fn debian() -> Utf8PathBuf {
    built("debian", DEFINITION)
}

/// A disk that `ovenbird build` makes of a definition called `name`, as [`debian`] is.
///
/// # Panics
/// As [`debian`].
pub fn built(name: &str, definition: &str) -> Utf8PathBuf {
    let cache = cache();
    std::fs::create_dir_all(&cache).expect("the tests' cache can be made");
    let digest = Sha256::new().chain_update(definition).chain_update(GENERATION.to_le_bytes()).finalize();
    let disk = cache.join(format!("{name}-{:.16}.raw", format!("{digest:x}")));
    let lock = File::create(cache.join(format!("{name}.lock"))).expect("the tests' cache can be written");
    lock.lock().expect("the tests' cache can be locked");
    if !disk.exists() {
        let work = tempfile::tempdir_in(&cache).expect("the tests' cache can be written");
        std::fs::write(work.path().join("ovenbird.yml"), definition).expect("the tests' cache can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
        command.arg("build").current_dir(work.path()).env("OVENBIRD_CACHE_DIR", cache.join("ovenbird").as_str());
        run(&mut command);
        let made = work.path().join(format!("ovenbird-out/qemu/{name}.raw"));
        std::fs::rename(made, &disk).expect("the tests' cache can be written");
    }
    disk
}

/// A sparse raw copy of the Debian guest in `folder`, changed. What is written was changed last on [`LONG_AGO`].
///
/// # Panics
/// `cp`, `sfdisk` or `debugfs` is missing or fails.
pub fn debian_with(folder: &Utf8Path, edits: &[Edit<'_>]) -> Utf8PathBuf {
    let disk = folder.join("debian.raw");
    run(Command::new("cp").args(["--sparse=always", "--reflink=auto", debian().as_str(), disk.as_str()]));
    let mut commands = String::new();
    for (number, edit) in edits.iter().enumerate() {
        commands += &match edit {
            Edit::Write(path, content, mode) => {
                let local = folder.join(format!("content-{number}"));
                std::fs::write(&local, content).expect("the folder can be written");
                let parent = Utf8Path::new(path).parent().expect("a path begins at the root");
                // It says so and goes on where there is one already.
                let mut text = format!("mkdir \"{parent}\"\nrm \"{path}\"\nwrite {local} \"{path}\"\n");
                let (mode, mtime, ctime) =
                    (format!("mode 010{mode}"), format!("mtime {LONG_AGO}"), format!("ctime {LONG_AGO}"));
                for field in [mode, mtime, ctime] {
                    text += &format!("set_inode_field \"{path}\" {field}\n");
                }
                text
            }
            Edit::Remove(path) => format!("rm \"{path}\"\n"),
            Edit::Link(path, target) => format!("rm \"{path}\"\nsymlink \"{path}\" \"{target}\"\n"),
        };
    }
    let script = folder.join("commands");
    std::fs::write(&script, commands).expect("the folder can be written");
    run(Command::new("debugfs").args(["-w", "-f", script.as_str(), &partition(&disk)]));
    disk
}

/// What a command of `debugfs` prints about the root file system of a disk, which it may change.
///
/// # Panics
/// `sfdisk` or `debugfs` is missing or fails.
pub fn debugfs(disk: &Utf8Path, request: &str) -> String {
    run(Command::new("debugfs").args(["-w", "-R", request, &partition(disk)]))
}

/// The partition of the root file system, as `debugfs` takes it.
fn partition(disk: &Utf8Path) -> String {
    format!("{disk}?offset={}", root_offset(disk))
}

/// Where the partition of the root file system begins, in bytes.
fn root_offset(disk: &Utf8Path) -> u64 {
    let table: Value =
        serde_json::from_str(&run(Command::new("sfdisk").args(["-J", disk.as_str()]))).expect("sfdisk prints JSON");
    let partitions = table["partitiontable"]["partitions"].as_array().expect("there are partitions");
    let root = partitions.iter().find(|partition| partition["name"] == "root").expect("one is the root");
    root["start"].as_u64().expect("it begins somewhere") * 512
}

/// What a program prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (see scripts/setup.sh)"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {stdout}\n{stderr}");
    stdout.into_owned()
}
