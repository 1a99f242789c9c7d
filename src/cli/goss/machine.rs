//! The machine that `ovenbird goss` looks at: this one, or a host.

use std::sync::Arc;

use anyhow::Context;
use camino::Utf8Path;
use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::context::{Events, JobCtx};
use crate::event::JobId;
use crate::guest::Guest;
use crate::guest::local::Local;
use crate::journal::Journal;
use crate::plan::job::Host;
use crate::platform;
use crate::smoke::evaluate::is_satisfied;
use crate::smoke::finding::Findings;
use crate::smoke::probe::probe_until;
use crate::smoke::spec::Spec;

/// A machine, as far as it can be looked at.
pub(super) struct Machine {
    ctx: JobCtx,
    guest: Arc<dyn Guest>,
    /// For people.
    name: String,
    signals: Signals,
    /// Goes away with it.
    _folder: TempDir,
}

/// What came of the way to a machine.
pub(super) enum Opened {
    Machine(Box<Machine>),
    /// By the signal of this number.
    Cancelled(i32),
}

/// What came of a look at the machine.
pub(super) enum Probed {
    Found(Findings),
    /// By the signal of this number; the commands of the tests have ended.
    Cancelled(i32),
}

impl Machine {
    /// Logs in on the host; without one it is this machine.
    ///
    /// # Errors
    /// The host can't be reached.
    pub(super) async fn open(host: Option<&Host>) -> anyhow::Result<Opened> {
        let folder = tempfile::tempdir().context("failed to create a temporary folder")?;
        let ctx = context(Utf8Path::from_path(folder.path()).context("the temporary folder's name is no UTF-8")?)?;
        let mut signals = Signals::listen()?;
        let (guest, name): (Arc<dyn Guest>, _) = match host {
            None => (Arc::new(local(&ctx)?), "this machine".to_owned()),
            Some(host) => tokio::select! {
                guest = platform::host::connect(&ctx, host) => (guest?, format!("`{}`", host.host)),
                signal = signals.next() => return Ok(Opened::Cancelled(signal)),
            },
        };
        Ok(Opened::Machine(Box::new(Self { ctx, guest, name, signals, _folder: folder })))
    }

    /// Looks at everything that a spec asks.
    ///
    /// # Errors
    /// The machine is lost.
    pub(super) async fn probe(&mut self, spec: &Spec) -> anyhow::Result<Probed> {
        let probing = probe_until(self.guest.as_ref(), spec, &is_satisfied, &self.ctx.cancel);
        tokio::pin!(probing);
        let signal = tokio::select! {
            found = &mut probing => {
                return found.map(Probed::Found).with_context(|| format!("failed to look at {}", self.name));
            }
            signal = self.signals.next() => signal,
        };
        self.ctx.cancel.cancel();
        // It ends the commands that run; what it found is of no use.
        let _ = probing.await;
        Ok(Probed::Cancelled(signal))
    }
}

fn context(folder: &Utf8Path) -> anyhow::Result<JobCtx> {
    Ok(JobCtx {
        id: JobId("goss".to_owned()),
        out: folder.to_owned(),
        work: folder.to_owned(),
        cache: folder.to_owned(),
        events: Events::channel().0,
        journal: Journal::create(&folder.join("journal.jsonl"), "goss")?,
        cancel: CancellationToken::new(),
    })
}

fn local(ctx: &JobCtx) -> anyhow::Result<Local> {
    let here = std::env::current_dir().context("failed to find the current folder")?;
    let here = Utf8Path::from_path(&here).context("the current folder's name is no UTF-8")?;
    // Commands of tests see what goss's do: all variables.
    Ok(Local::new(ctx, here, super::environment().into_iter().collect()))
}

/// What asks us to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to install a signal handler");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        kind.as_raw_value()
    }
}
