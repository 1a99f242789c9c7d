//! What the unit tests of this folder share.
#![expect(clippy::unwrap_used, reason = "tests")]

use camino::Utf8PathBuf;
use tokio_util::sync::CancellationToken;

use crate::context::{Events, JobCtx};
use crate::event::JobId;
use crate::journal::Journal;

/// A job's context in folders that go away with it. Its events go nowhere.
pub(super) struct Room {
    pub ctx: JobCtx,
    _folder: tempfile::TempDir,
}

impl Room {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
        let (out, work, cache) = (root.join("out"), root.join("work"), root.join("cache"));
        for path in [&out, &work, &cache] {
            std::fs::create_dir(path).unwrap();
        }
        let journal = Journal::create(&root.join("journal/job.jsonl"), "run").unwrap();
        let (events, _) = Events::channel();
        let cancel = CancellationToken::new();
        let ctx = JobCtx { id: JobId("job".to_owned()), out, work, cache, events, journal, cancel };
        Self { ctx, _folder: folder }
    }
}
