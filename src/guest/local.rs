//! This very machine as a guest: for `local:` steps, and for tests.
//!
//! Commands run as whoever runs Ovenbird, in a folder of the repository, with a small environment. Each is a journaled
//! process group that ends with it, its background children included. Transfers use the same scripts and the same `tar` as
//! over SSH, so both behave alike.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::shell::{self, Ends, IDLE_AFTER_EXIT, OPEN_AFTER_EXIT, Process, Shell};
use super::{ByteStream, Chunk, Command, Exit, Get, Guest, GuestError, Progress, Put, Transfer, script, transfer};
use crate::context::JobCtx;
use crate::event::Stream;
use crate::program::Running;

/// What a command has of our own environment: enough to find programs and a home, and nothing that may be a secret.
const KEPT: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "TZ"];

/// This machine.
pub struct Local {
    ctx: JobCtx,
    working_directory: Utf8PathBuf,
    environment: Vec<(String, String)>,
}

impl Local {
    /// Commands run in `working_directory`, with `environment` besides the few variables that every program needs.
    #[must_use]
    pub fn new(ctx: &JobCtx, working_directory: &Utf8Path, environment: Vec<(String, String)>) -> Self {
        Self { ctx: ctx.clone(), working_directory: working_directory.to_owned(), environment }
    }

    fn command(&self, mark: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", script::READ_AND_RUN, "sh"]).current_dir(&self.working_directory).env_clear();
        command.envs(KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).env(script::MARK_VARIABLE, mark);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

#[async_trait]
impl Shell for Local {
    async fn start(&self, text: &str, mark: &str) -> Result<Process, GuestError> {
        let failed =
            |error: crate::program::ProgramError| GuestError::Connection(format!("failed to run a command: {error}"));
        let mut running = Running::spawn(&self.ctx, self.command(mark)).map_err(failed)?;
        let (process, Ends { stdin, output, exit }) = Process::channels();
        let child = &mut running.child;
        let feed = child.stdin.take().map(|pipe| feed(pipe, script::line(text.as_bytes()), stdin));
        let ended = CancellationToken::new();
        let stdout = child.stdout.take().map(|pipe| listen(pipe, Stream::Stdout, output.clone(), ended.clone()));
        let stderr = child.stderr.take().map(|pipe| listen(pipe, Stream::Stderr, output.clone(), ended.clone()));
        tokio::spawn(async move {
            let feed = feed.map(|feed| AbortOnDropHandle::new(tokio::spawn(feed)));
            let wait = async {
                let status = tokio::select! {
                    status = running.wait() => status,
                    () = output.closed() => {
                        running.kill_group();
                        running.wait().await
                    }
                };
                ended.cancel();
                status
            };
            let listen = async {
                tokio::join!(if_any(stdout), if_any(stderr));
            };
            let (status, ()) = tokio::join!(wait, listen);
            drop((feed, output));
            // Nobody waits when the command was given up.
            let _ = exit.send(status.map(exit_of).map_err(failed));
        });
        Ok(process)
    }

    async fn end(&self, mark: &str) {
        let text = format!("set -- {}\n{}", script::quote(mark), script::END);
        let Ok(own) = script::mark() else { return };
        let Ok(process) = self.start(&text, &own).await else { return };
        drop(process.stdin);
        let mut output = process.output;
        while output.recv().await.is_some() {}
    }
}

async fn if_any(work: Option<impl Future<Output = ()>>) {
    if let Some(work) = work {
        work.await;
    }
}

async fn feed(mut pipe: ChildStdin, script: Vec<u8>, mut stdin: mpsc::Receiver<Vec<u8>>) {
    let mut next = Some(script);
    while let Some(piece) = next {
        // A command need not read its input.
        if pipe.write_all(&piece).await.is_err() {
            return;
        }
        next = stdin.recv().await;
    }
}

/// Sends what comes from a pipe until its end; once the command has `ended`, not for long.
async fn listen(
    mut pipe: impl AsyncRead + Unpin,
    stream: Stream,
    output: mpsc::Sender<Chunk>,
    ended: CancellationToken,
) {
    let mut buffer = vec![0; 32 * 1024];
    let mut left = OPEN_AFTER_EXIT;
    loop {
        let read = tokio::select! {
            read = pipe.read(&mut buffer) => read,
            () = async { ended.cancelled().await; tokio::time::sleep(IDLE_AFTER_EXIT.min(left)).await } => return,
        };
        if ended.is_cancelled() {
            // What was in the pipe is read in no time; this bounds who keeps on writing.
            left = left.saturating_sub(Duration::from_millis(1));
        }
        match read {
            Ok(0) | Err(_) => return,
            Ok(read) => {
                if output.send(Chunk { stream, bytes: buffer[..read].to_vec() }).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code.cast_unsigned()),
        (None, Some(signal)) => Exit::Signal(signal_name(signal)),
        (None, None) => Exit::Missing,
    }
}

/// A signal's name without `SIG`, or its number.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[async_trait]
impl Guest for Local {
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        shell::exec(self, command, output, cancel).await
    }

    async fn put(&self, put: &Put, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        transfer::put(self, put, progress, cancel).await
    }

    async fn get(&self, get: &Get, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        transfer::get(self, get, progress, cancel).await
    }

    async fn reboot(&self, _deadline: Duration, _cancel: &CancellationToken) -> Result<(), GuestError> {
        Err(GuestError::Refused("this is the machine that builds; it is not rebooted".to_owned()))
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn ByteStream>, GuestError> {
        let stream = tokio::net::TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|error| GuestError::Unreachable(format!("dial tcp {host}:{port}: {error}")))?;
        Ok(Box::new(stream))
    }
}
