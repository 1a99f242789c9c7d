//! What a guest with a shell has in common with any other: a running command as channels, and its end.

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Chunk, Command, Exit, Guest, GuestError};

/// How long a command that has ended may keep its output open without writing to it: a background child holds the pipe.
pub(super) const IDLE_AFTER_EXIT: std::time::Duration = std::time::Duration::from_secs(2);
/// How long in all, for a background child that keeps writing.
pub(super) const OPEN_AFTER_EXIT: std::time::Duration = std::time::Duration::from_secs(5);
/// How long the ending of a command may take: a cancelled job has about seven seconds.
const END_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

/// A guest that starts commands of a shell. [`exec`] and the transfers are made of this.
#[async_trait]
pub(super) trait Shell: Guest {
    /// Starts `script`, marked by `mark`.
    async fn start(&self, script: &str, mark: &str) -> Result<Process, GuestError>;

    /// Ends everything that the command marked by `mark` started. Best effort.
    async fn end(&self, mark: &str);
}

/// A running command. Whoever drops it gives it up.
pub(super) struct Process {
    /// What it reads; dropped, its input ends.
    pub(super) stdin: mpsc::Sender<Vec<u8>>,
    /// What it prints; closed when it has printed all.
    pub(super) output: mpsc::Receiver<Chunk>,
    /// How it ended.
    pub(super) exit: oneshot::Receiver<Result<Exit, GuestError>>,
}

/// The other end of a [`Process`], for who runs it.
pub(super) struct Ends {
    pub(super) stdin: mpsc::Receiver<Vec<u8>>,
    pub(super) output: mpsc::Sender<Chunk>,
    pub(super) exit: oneshot::Sender<Result<Exit, GuestError>>,
}

impl Process {
    /// A process, and what moves its data.
    pub(super) fn channels() -> (Self, Ends) {
        // Pieces are 64 KiB at the most, mostly 32: two mebibytes either way, about an SSH window.
        let (stdin_in, stdin_out) = mpsc::channel(32);
        let (output_in, output_out) = mpsc::channel(64);
        let (exit_in, exit_out) = oneshot::channel();
        let process = Self { stdin: stdin_in, output: output_out, exit: exit_out };
        (process, Ends { stdin: stdin_out, output: output_in, exit: exit_in })
    }
}

/// How the command ended, once its output is read.
pub(super) async fn exit_of(exit: oneshot::Receiver<Result<Exit, GuestError>>) -> Result<Exit, GuestError> {
    exit.await.unwrap_or_else(|_| Err(GuestError::Connection("the command was given up".to_owned())))
}

/// Starts a command; when `cancel` fires meanwhile, ends what may have been started.
pub(super) async fn start(
    shell: &dyn Shell,
    script: &str,
    mark: &str,
    cancel: &CancellationToken,
) -> Result<Process, GuestError> {
    if cancel.is_cancelled() {
        return Err(GuestError::Cancelled);
    }
    tokio::select! {
        process = shell.start(script, mark) => process,
        () = cancel.cancelled() => {
            end(shell, mark).await;
            Err(GuestError::Cancelled)
        }
    }
}

/// Ends what a command started, within a bounded time.
pub(super) async fn end(shell: &dyn Shell, mark: &str) {
    let _ = tokio::time::timeout(END_DEADLINE, shell.end(mark)).await;
}

/// Ends a command that nobody waits for any more. Its output is read meanwhile, so that it can't hold up the connection.
pub(super) async fn give_up(shell: &dyn Shell, mark: &str, mut output: mpsc::Receiver<Chunk>) {
    let drain = async { while output.recv().await.is_some() {} };
    let end = async { tokio::join!(shell.end(mark), drain) };
    let _ = tokio::time::timeout(END_DEADLINE, end).await;
}

/// [`Guest::exec`] of every guest with a shell.
pub(super) async fn exec(
    shell: &dyn Shell,
    command: &Command,
    sink: mpsc::Sender<Chunk>,
    cancel: &CancellationToken,
) -> Result<Exit, GuestError> {
    let mark = super::script::mark()?;
    let Process { stdin, mut output, exit } = start(shell, &command.script, &mark, cancel).await?;
    let feed = async move {
        for piece in command.stdin.chunks(32 * 1024) {
            if stdin.send(piece.to_vec()).await.is_err() {
                break;
            }
        }
    };
    let forward = async {
        while let Some(chunk) = output.recv().await {
            // Nobody reads it: the command still runs to its end.
            let _ = sink.send(chunk).await;
        }
    };
    tokio::select! {
        _ = async { tokio::join!(forward, feed) } => exit_of(exit).await,
        () = cancel.cancelled() => {
            give_up(shell, &mark, output).await;
            Err(GuestError::Cancelled)
        }
    }
}

/// What a program said on standard error, short and harmless, to stand in an error.
#[derive(Default)]
pub(super) struct Complaint(Vec<u8>);

impl Complaint {
    /// Keeps the end of what was said.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        const KEPT: usize = 4096;
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * KEPT {
            self.0.drain(..self.0.len() - KEPT);
        }
    }

    /// The last few lines as one text, or else how it ended.
    pub(super) fn text(&self, exit: &Exit) -> String {
        let lines: Vec<String> = self.0.split(|byte| *byte == b'\n').map(crate::context::clean_line).collect();
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(3)..];
        if last.is_empty() { exit.to_string() } else { last.join("; ") }
    }
}
