//! The real goss, to be compared with. `real-goss.sh` fetches it.

use std::fs::File;
use std::process::Command;

use camino::Utf8PathBuf;
use sha2::{Digest, Sha256};

use super::tiny_guest::cache;

const SCRIPT: &str = include_str!("real-goss.sh");

/// goss 0.4.9 as Debian builds it, a program for this machine and any other with glibc; fetched on first use and kept
/// outside the checkout.
///
/// # Panics
/// It can't be had; the message has what the script said.
pub fn real_goss() -> Utf8PathBuf {
    let cache = cache();
    std::fs::create_dir_all(&cache).expect("the tests' cache can be made");
    let program = cache.join(format!("goss-{:.16}", format!("{:x}", Sha256::digest(SCRIPT))));
    let lock = File::create(cache.join("goss.lock")).expect("the tests' cache can be written");
    lock.lock().expect("the tests' cache can be locked");
    if !program.exists() {
        let work = tempfile::tempdir_in(&cache).expect("the tests' cache can be written");
        let build = work.path().join("build");
        std::fs::create_dir(&build).expect("the tests' cache can be written");
        let part = work.path().join("goss");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/real-goss.sh");
        let fetched = Command::new("sh").arg(script).args([&build, &part]).output().expect("sh runs");
        assert!(fetched.status.success(), "no goss: {}", String::from_utf8_lossy(&fetched.stderr));
        std::fs::rename(part, &program).expect("the tests' cache can be written");
    }
    program
}
