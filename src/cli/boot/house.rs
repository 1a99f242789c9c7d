//! Where a copy lives while it runs: private folders and a journal in the cache, from which `ovenbird cleanup` removes what a
//! killed process left; and who asks us to stop.

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::load::Folders;
use super::super::run::run_id;
use crate::context::{Events, JobCtx};
use crate::event::{Body, JobId};
use crate::journal::cleanup::{self, Places};
use crate::journal::record::Pending;
use crate::journal::{Journal, Resource};
use crate::secret::Redactor;

/// The folder of all copies in the cache.
pub(in crate::cli) fn folder(cache: &Utf8Path) -> Utf8PathBuf {
    cache.join("boot")
}

/// The folders and the journal of one copy.
pub(super) struct House {
    pub ctx: JobCtx,
    work: Utf8PathBuf,
    pending: Pending,
    places: Places,
}

impl House {
    /// Makes them. What happens comes out of the receiver.
    pub(super) fn open(
        id: &JobId,
        cache: Option<&Utf8Path>,
        cancel: CancellationToken,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Body>)> {
        let cache = Folders::create(Utf8Path::new("."), cache)?.cache;
        let (places, run) = (Places::new(&folder(&cache), &cache), run_id()?);
        let journal = Journal::create(&places.run_journal(&run), &run)?;
        let work = places.job_work(&run, &id.0);
        let pending = journal.intent(Resource::Path(work.clone()))?;
        // The copy's host name is made of the name of its output folder.
        let (out, inner) = (work.join(format!("copy-of-{id}")), work.join("work"));
        for folder in [&inner, &out] {
            // Keys are in it.
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| format!("failed to create `{folder}`"))?;
        }
        let (events, bodies) = Events::channel();
        let events = events.hiding(Redactor::default());
        let ctx = JobCtx { id: id.clone(), out, work: inner, cache, events, journal, cancel };
        Ok((Self { ctx, work, pending, places }, bodies))
    }

    /// Removes them.
    pub(super) fn close(self) -> anyhow::Result<()> {
        cleanup::remove(&self.work).with_context(|| format!("failed to remove `{}`", self.work))?;
        self.ctx.journal.done(self.pending)?;
        self.ctx.journal.close().context("failed to remove the journal")?;
        // The folders of the run and of all runs stay while another is at work.
        let run = self.work.parent().unwrap_or(&self.work);
        for folder in [run, &self.places.work, &self.places.journals] {
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// Signals that ask us to stop. The first one cancels; it stands for all.
pub(super) struct Stop {
    /// The number of the first; 0: none came.
    first: Arc<AtomicI32>,
    /// Ctrl-C is somebody else's: a shell runs in the foreground.
    leaves_interrupts: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn listen(cancel: &CancellationToken) -> anyhow::Result<Self> {
        let stop = Self { first: Arc::default(), leaves_interrupts: Arc::default() };
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = signal(kind).context("failed to install a signal handler")?;
            let (first, leaves, cancel) =
                (Arc::clone(&stop.first), Arc::clone(&stop.leaves_interrupts), cancel.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    if kind == SignalKind::interrupt() && leaves.load(Ordering::Relaxed) {
                        continue;
                    }
                    let _ = first.compare_exchange(0, kind.as_raw_value(), Ordering::Relaxed, Ordering::Relaxed);
                    cancel.cancel();
                }
            });
        }
        Ok(stop)
    }

    /// The number of the first signal, if one came.
    pub(super) fn signal(&self) -> Option<i32> {
        Some(self.first.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Takes no notice of Ctrl-C until the value is dropped.
    pub(super) fn leave_interrupts(&self) -> Left {
        self.leaves_interrupts.store(true, Ordering::Relaxed);
        Left(Arc::clone(&self.leaves_interrupts))
    }
}

/// See [`Stop::leave_interrupts`].
pub(super) struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
