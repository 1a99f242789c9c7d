//! The tests' tiny guest: a real one that boots in a few seconds without KVM. `tiny-guest.sh` makes it.

use std::fs::File;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

const SCRIPTS: [&str; 2] = [include_str!("tiny-guest.sh"), include_str!("tiny-guest-init.sh")];

/// The tiny guest's disk (qcow2, 256 MiB, only to be read), made on first use and kept outside the checkout. Another
/// script makes another disk; tests that ask at the same time wait for the one that makes it.
///
/// # Panics
/// It can't be made; the message says which program is missing.
pub fn tiny_guest() -> Utf8PathBuf {
    let cache = cache();
    std::fs::create_dir_all(&cache).expect("the tests' cache can be made");
    let digest = SCRIPTS.iter().fold(Sha256::new(), |digest, script| digest.chain_update(script)).finalize();
    let disk = cache.join(format!("tiny-guest-{:.16}.qcow2", format!("{digest:x}")));
    let lock = File::create(cache.join("tiny-guest.lock")).expect("the tests' cache can be written");
    lock.lock().expect("the tests' cache can be locked");
    if !disk.exists() {
        let work = tempfile::tempdir_in(&cache).expect("the tests' cache can be written");
        let part = work.path().join("part.qcow2");
        let build = work.path().join("build");
        std::fs::create_dir(&build).expect("the tests' cache can be written");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tiny-guest.sh");
        let made = Command::new("sh").arg(script).args([&build, &part]).output().expect("sh runs");
        assert!(made.status.success(), "no tiny guest: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(part, &disk).expect("the tests' cache can be written");
    }
    disk
}

/// A raw copy of the tiny guest in `folder`, with files written into it (path, content, octal mode).
///
/// # Panics
/// `qemu-img` or `debugfs` is missing or fails.
pub fn tiny_guest_with(folder: &Utf8Path, files: &[(&str, &str, &str)]) -> Utf8PathBuf {
    let disk = folder.join("changed.raw");
    run(Command::new("qemu-img").args(["convert", "-q", "-O", "raw", tiny_guest().as_str(), disk.as_str()]));
    for (path, content, mode) in files {
        let local = folder.join("content");
        std::fs::write(&local, content).expect("the folder can be written");
        let commands = folder.join("commands");
        let text = format!("rm {path}\nwrite {local} {path}\nset_inode_field {path} mode 010{mode}\n");
        std::fs::write(&commands, text).expect("the folder can be written");
        // The partition starts at 1 MiB.
        run(Command::new("debugfs").args(["-w", "-f", commands.as_str(), &format!("{disk}?offset=1048576")]));
    }
    disk
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (see scripts/setup.sh)"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Where tests keep what is slow to make, outside the checkout.
pub fn cache() -> Utf8PathBuf {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Utf8PathBuf::from);
    variable("OVENBIRD_TEST_CACHE").unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        cache.expect("HOME or XDG_CACHE_HOME is set").join("ovenbird/test")
    })
}
