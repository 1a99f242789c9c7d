//! Who saw a machine's life, and tells why it can't go on, in words for a person.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::diagnose::{Finding, Kind};
use super::life::{Life, Trouble};
use super::qmp::{Qmp, QmpError};
use crate::event::Failure;
use crate::guest::{ByteStream, Chunk, Command, Exit, Get, Guest, GuestError, Progress, Put, Transfer};

/// From the end of QEMU's monitor to the end of its process.
const LAST_WORDS_DEADLINE: Duration = Duration::from_secs(3);
/// A QEMU that lives says so within milliseconds.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Lines of the console that an error shows.
const EXCERPT_LINES: usize = 15;

/// What is known of a machine. Clones look at the same one.
#[derive(Clone)]
pub(super) struct Witness {
    pub life: watch::Receiver<Life>,
    pub console: Console,
    pub qmp: Qmp,
    /// Fires when the machine is ended on purpose.
    pub kill: CancellationToken,
    /// The guest's disk on this machine.
    pub disk: Utf8PathBuf,
}

impl Witness {
    /// Waits a moment until the process of a closed monitor has ended too, for its last words.
    pub(super) async fn wait_for_end(&self) {
        let mut life = self.life.clone();
        let _ = timeout(LAST_WORDS_DEADLINE, life.wait_for(|life| life.end.is_some())).await;
    }

    /// Why the machine has ended, asked by someone who lost it: the connection breaks a moment before the end is known.
    pub(super) async fn end(&self) -> Option<Failure> {
        if self.life.borrow().end.is_none() && !self.kill.is_cancelled() {
            let answer = timeout(SIGN_OF_LIFE, self.qmp.execute("query-status", json!({}))).await;
            if !matches!(answer, Ok(Err(QmpError::Closed))) {
                return None;
            }
        }
        self.wait_for_end().await;
        // What a console says is no end: a step may print the words of a panic.
        if self.life.borrow().end.is_some() { self.reason() } else { None }
    }

    /// Why the machine can't go on; none when it can, or when we ended it.
    pub(super) fn reason(&self) -> Option<Failure> {
        let life = self.life.borrow().clone();
        if let Some(trouble) = life.trouble {
            return Some(self.trouble(&trouble));
        }
        let end = life.end?;
        if self.kill.is_cancelled() {
            return None;
        }
        if life.powered_off {
            return Some(Failure { excerpt: self.excerpt(), ..Failure::new("the guest switched itself off") });
        }
        let hint = (end.status.contains("SIGKILL")).then(|| {
            "someone ended it, or the kernel did because memory ran out: `memory:` must fit into this machine".into()
        });
        let excerpt = if end.stderr.is_empty() { self.excerpt() } else { end.stderr };
        Some(Failure { hint, excerpt, ..Failure::new(format!("QEMU ended by itself ({})", end.status)) })
    }

    fn trouble(&self, trouble: &Trouble) -> Failure {
        let excerpt = self.excerpt();
        match trouble {
            Trouble::Console(finding) => Failure { excerpt, ..explained(finding) },
            Trouble::Panicked => Failure {
                excerpt,
                hint: Some(Kind::KernelPanic.hint().to_owned()),
                ..Failure::new(Kind::KernelPanic.message())
            },
            Trouble::DiskFull => Failure {
                hint: Some(format!("the guest's disk is in `{}`: free some space there", self.disk)),
                ..Failure::new("the disk of this machine is full: what the guest wrote could not be kept")
            },
            Trouble::DiskFailed(reason) => {
                Failure::new(format!("QEMU can't write the guest's disk `{}`: {reason}", self.disk))
            }
            Trouble::Stopped(status) => Failure {
                hint: Some("try `accelerator: tcg`".to_owned()),
                ..Failure::new(format!("the accelerator gave up on the guest (`{status}`)"))
            },
        }
    }

    /// The last lines of the console.
    pub(super) fn excerpt(&self) -> Vec<String> {
        let tail = self.console.tail();
        tail[tail.len().saturating_sub(EXCERPT_LINES)..].to_vec()
    }
}

/// What a line of the console means.
pub(super) fn explained(finding: &Finding) -> Failure {
    Failure {
        hint: Some(finding.kind.hint().to_owned()),
        ..Failure::new(format!("{}: `{}`", finding.kind.message(), finding.line))
    }
}

/// The guest of a machine whose end is witnessed.
pub(super) struct Witnessed {
    pub guest: Arc<dyn Guest>,
    pub witness: Witness,
}

#[async_trait]
impl Guest for Witnessed {
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        self.guest.exec(command, output, cancel).await
    }

    async fn put(&self, put: &Put, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        self.guest.put(put, progress, cancel).await
    }

    async fn get(&self, get: &Get, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        self.guest.get(get, progress, cancel).await
    }

    async fn reboot(&self, deadline: Duration, cancel: &CancellationToken) -> Result<(), GuestError> {
        self.guest.reboot(deadline, cancel).await
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn ByteStream>, GuestError> {
        self.guest.dial(host, port).await
    }

    async fn post_mortem(&self) -> Option<Failure> {
        self.witness.end().await
    }
}
