//! A job's context in a temporary folder, for the tests of `image`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::context::{Events, JobCtx};
use ovenbird::event::{Body, JobId};
use ovenbird::journal::Journal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A job that may do anything below its folder.
pub(crate) struct Job {
    pub(crate) ctx: JobCtx,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) events: mpsc::Receiver<Body>,
}

impl Job {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, "job")
    }

    /// A second job of the same folder, which shares its cache.
    pub(crate) fn in_folder(folder: tempfile::TempDir, name: &str) -> Self {
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let (sender, events) = Events::channel();
        let ctx = JobCtx {
            id: JobId(name.to_owned()),
            out: root.join("out").join(name),
            work: root.join("work").join(name),
            cache: root.join("cache"),
            events: sender,
            journal: Journal::create(&root.join("journal").join(format!("{name}.jsonl")), "run").unwrap(),
            cancel: CancellationToken::new(),
        };
        for path in [&ctx.out, &ctx.work, &ctx.cache] {
            std::fs::create_dir_all(path).unwrap();
        }
        Self { ctx, folder, events }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }
}

/// Runs a program that a test needs; missing, the test fails and names the package.
#[track_caller]
pub(crate) fn run(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = match std::process::Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("`{program}` of the package `{package}` can't be run: {error}"),
    };
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
