//! A job's context for tests, in folders that go away with it.

use std::sync::{Arc, Mutex, PoisonError};

use camino::Utf8PathBuf;
use ovenbird::context::{Events, JobCtx};
use ovenbird::event::{Body, JobId};
use ovenbird::journal::Journal;
use ovenbird::journal::process::{Identity, with_token};
use tokio_util::sync::CancellationToken;

/// Must be made inside a tokio runtime: a task collects the events.
pub struct Room {
    pub ctx: JobCtx,
    pub root: Utf8PathBuf,
    events: Arc<Mutex<Vec<Body>>>,
    _folder: tempfile::TempDir,
}

impl Room {
    /// # Panics
    /// The folders can't be made.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = Utf8PathBuf::try_from(folder.path().to_owned()).expect("its path is UTF-8");
        let (out, work, cache) = (root.join("out"), root.join("work"), root.join("cache"));
        for path in [&out, &work, &cache] {
            std::fs::create_dir(path).expect("a folder can be made");
        }
        let journal = Journal::create(&root.join("journal/job.jsonl"), "run").expect("a journal can be made");
        let (sender, mut receiver) = Events::channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some(event) = receiver.recv().await {
                collected.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        });
        let cancel = CancellationToken::new();
        let ctx = JobCtx { id: JobId("test".to_owned()), out, work, cache, events: sender, journal, cancel };
        Self { ctx, root, events, _folder: folder }
    }

    /// What was reported so far.
    pub fn events(&self) -> Vec<Body> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Processes of this room that still run.
    pub fn processes(&self) -> Vec<Identity> {
        with_token(self.ctx.journal.token()).into_iter().filter(Identity::is_alive).collect()
    }
}
