//! The machine that `ovenbird goss` looks at: this one.

use anyhow::Context;
use camino::Utf8Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::context::{Events, JobCtx};
use crate::event::JobId;
use crate::guest::local::Local;
use crate::journal::Journal;
use crate::smoke::evaluate::is_satisfied;
use crate::smoke::finding::Findings;
use crate::smoke::probe::probe_until;
use crate::smoke::spec::Spec;

/// What came of a look at the machine.
pub(super) enum Probed {
    Found(Findings),
    /// By the signal of this number; the commands of the tests have ended.
    Cancelled(i32),
}

/// Looks at everything that a spec asks.
pub(super) async fn probe(spec: &Spec) -> anyhow::Result<Probed> {
    let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
    let folder = Utf8Path::from_path(folder.path()).context("the temporary folder's name is no UTF-8")?;
    let here = std::env::current_dir().context("failed to find the current folder")?;
    let here = Utf8Path::from_path(&here).context("the current folder's name is no UTF-8")?;
    let ctx = JobCtx {
        id: JobId("goss".to_owned()),
        out: folder.to_owned(),
        work: folder.to_owned(),
        cache: folder.to_owned(),
        events: Events::channel().0,
        journal: Journal::create(&folder.join("journal.jsonl"), "goss")?,
        cancel: CancellationToken::new(),
    };
    // Commands of tests see what goss's do: all variables.
    let environment = super::environment().into_iter().collect();
    let local = Local::new(&ctx, here, environment);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let probing = probe_until(&local, spec, &is_satisfied, &ctx.cancel);
    tokio::pin!(probing);
    let received = tokio::select! {
        found = &mut probing => return found.map(Probed::Found).context("failed to look at this machine"),
        _ = interrupt.recv() => SignalKind::interrupt(),
        _ = terminate.recv() => SignalKind::terminate(),
    };
    ctx.cancel.cancel();
    // It ends the commands that run; what it found is of no use.
    let _ = probing.await;
    Ok(Probed::Cancelled(received.as_raw_value()))
}
