//! A reachable machine: run a command, put and get files, reboot.
//!
//! [`Guest`] is one of the four traits of the house (`docs/architecture.md`); `ssh` reaches a machine over SSH, `local`
//! is this very machine (for `local:` steps and tests). This room knows nothing of platforms: whoever launches a machine
//! says where it is and which host key it has. The guest is hostile: its output is bytes to be cleaned, its paths are
//! never trusted.

use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::event::{Failure, Stream};

pub mod local;
mod script;
mod shell;
pub mod ssh;
mod transfer;

/// A machine that takes commands and files.
#[async_trait]
pub trait Guest: Send + Sync {
    /// Runs `command` as root by the guest's `sh -c`, sends what it prints as it comes, and says how it ended.
    ///
    /// Output is sent whole and in order per stream before this returns. When `cancel` fires, the remote process and its
    /// children are ended and [`GuestError::Cancelled`] is returned.
    ///
    /// # Errors
    /// The connection failed or was cancelled. A command that runs and fails is not an error but an [`Exit`].
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError>;

    /// Copies a local file or tree into the guest: modes, symbolic links and holes kept, streamed, never whole in memory.
    ///
    /// # Errors
    /// The local side can't be read, the guest refuses, or the connection fails.
    async fn put(&self, put: &Put, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError>;

    /// Copies a file or tree of the guest to a local path. The guest chooses names and links inside the tree, so nothing
    /// is ever written outside `to`.
    ///
    /// # Errors
    /// As [`Guest::put`], the other way round.
    async fn get(&self, get: &Get, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError>;

    /// Reboots and waits until the guest answers with another boot id.
    ///
    /// # Errors
    /// The guest does not come back within `deadline`, or comes back without having rebooted.
    async fn reboot(&self, deadline: Duration, cancel: &CancellationToken) -> Result<(), GuestError>;

    /// Why the machine has ended, where someone watches it: what broke a connection is not told by the connection.
    /// None while it runs.
    async fn post_mortem(&self) -> Option<Failure> {
        None
    }

    /// Opens a TCP connection to an address as the guest sees it: its own `localhost`, its names, its routes.
    ///
    /// # Errors
    /// [`GuestError::Unreachable`] when nobody answers there; anything else when the guest can't be asked.
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn ByteStream>, GuestError> {
        Err(GuestError::Refused(format!("this machine opens no connections for others ({host}:{port})")))
    }

    /// Runs a command and collects what it prints, at most [`CAPTURE_LIMIT`] bytes a stream.
    ///
    /// # Errors
    /// As [`Guest::exec`].
    async fn capture(&self, command: &Command, cancel: &CancellationToken) -> Result<Captured, GuestError> {
        let (sender, mut receiver) = mpsc::channel(64);
        let collect = async {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            while let Some(Chunk { stream, bytes }) = receiver.recv().await {
                let sink = if stream == Stream::Stderr { &mut stderr } else { &mut stdout };
                let room = CAPTURE_LIMIT.saturating_sub(sink.len());
                sink.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            (stdout, stderr)
        };
        let (exit, (stdout, stderr)) = tokio::join!(self.exec(command, sender, cancel), collect);
        Ok(Captured { exit: exit?, stdout, stderr })
    }
}

/// Bytes both ways: what [`Guest::dial`] opens.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What [`Guest::capture`] keeps of a stream at the most: a guest must not be able to fill our memory.
pub const CAPTURE_LIMIT: usize = 16 * 1024 * 1024;

/// Is told how many bytes went over, and how many will in all when that is known.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// A command for [`Guest::exec`].
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// Text for `sh -c`, run as root.
    pub script: String,
    /// What it reads; nothing when empty.
    pub stdin: Vec<u8>,
}

impl Command {
    /// A command that reads nothing.
    #[must_use]
    pub fn new(script: impl Into<String>) -> Self {
        Self { script: script.into(), stdin: Vec::new() }
    }

    /// The same command with something to read.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }
}

/// A piece of output, as it came.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub stream: Stream,
    pub bytes: Vec<u8>,
}

/// How a command ended. Only `Code(0)` is success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(u32),
    /// Killed by a signal, named without `SIG`.
    Signal(String),
    /// The channel closed without saying: the connection was lost, or the server is broken.
    Missing,
}

impl Exit {
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(name) => write!(f, "killed by SIG{name}"),
            Self::Missing => f.write_str("no exit status: the connection closed before the command ended"),
        }
    }
}

/// A command's end and output.
#[derive(Clone, Debug)]
pub struct Captured {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// What to copy into a guest.
#[derive(Clone, Debug)]
pub struct Put {
    pub from: Utf8PathBuf,
    /// Copy what is in the folder `from`, not the folder itself.
    pub contents: bool,
    /// Absolute. The path that `from` gets; with `contents`, the folder that receives them.
    pub to: String,
    /// For `chown`, applied to what was copied.
    pub owner: Option<String>,
    /// Permission bits for copied files; none: as they are.
    pub mode: Option<u32>,
}

/// What to copy out of a guest.
#[derive(Clone, Debug)]
pub struct Get {
    /// Absolute.
    pub from: String,
    /// The path that it gets here.
    pub to: Utf8PathBuf,
}

/// What a copy amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Files and links.
    pub files: u64,
    /// Of their contents.
    pub bytes: u64,
    /// What [`Guest::get`] left out: links that lead out of the tree, devices and pipes.
    pub skipped: u64,
}

/// Why a guest did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    #[error("cancelled")]
    Cancelled,
    /// The connection could not be made or broke; the text says at what.
    #[error("{0}")]
    Connection(String),
    /// The guest showed another host key than the one it was given or announced.
    #[error("the guest's host key is not the expected one: got {got}, expected {expected}")]
    HostKey { got: String, expected: String },
    /// The guest refused a file operation.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers at an address that the guest was asked to dial.
    #[error("{0}")]
    Unreachable(String),
    /// A file on this side.
    #[error("failed to {action} `{path}`: {error}")]
    Local { action: &'static str, path: Utf8PathBuf, error: std::io::Error },
    #[error("the guest did not {what} within {seconds} s")]
    Deadline { what: String, seconds: u64 },
}

impl GuestError {
    /// For `map_err` on a local file operation.
    pub fn local(action: &'static str, path: &Utf8Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Local { action, path, error }
    }
}
