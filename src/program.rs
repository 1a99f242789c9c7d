//! Starting programs of this machine: journaled, in a process group of their own, ended with all their children, and with
//! their own words in the error when they fail.
//!
//! Every program that a job starts goes through here, so that none outlives it unrecorded. May know of `context`,
//! `event` and `journal`.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::context::JobCtx;
use crate::event::Stream;
use crate::journal::process::{Identity, TOKEN_VARIABLE};
use crate::journal::record::Pending;
use crate::journal::{Journal, Resource};

/// Lines of a program's output that an error shows.
const EXCERPT_LINES: usize = 20;

/// A line that is longer is shown in pieces: package scripts run under some programs, and may print without end.
const LONGEST_LINE: u64 = 64 * 1024;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("`{program}` is not installed")]
    NotFound { program: String },
    #[error("failed to start `{program}`: {error}")]
    Start { program: String, error: std::io::Error },
    #[error("cancelled")]
    Cancelled,
    /// It ran and failed. `excerpt`: its last lines.
    #[error("`{program}` failed ({status})")]
    Failed { program: String, status: ExitStatus, excerpt: Vec<String> },
    #[error("{0:#}")]
    Journal(anyhow::Error),
    #[error("lost the process of `{program}`: {error}")]
    Wait { program: String, error: std::io::Error },
}

impl ProgramError {
    /// What to do about it: the Debian package of a program that is missing.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let Self::NotFound { program } = self else { return None };
        let package = match program.as_str() {
            "qemu-system-x86_64" => "qemu-system-x86",
            "qemu-system-aarch64" => "qemu-system-arm",
            "qemu-img" => "qemu-utils",
            "mmdebstrap" => "mmdebstrap",
            "mke2fs" | "debugfs" | "e2fsck" | "resize2fs" => "e2fsprogs",
            "sfdisk" => "fdisk",
            "mcopy" | "mmd" => "mtools",
            "mkfs.vfat" => "dosfstools",
            _ => return None,
        };
        Some(format!("install it: `apt-get install {package}`"))
    }
}

/// A program that was started. Dropped, it is ended with its whole process group.
pub struct Running {
    pub child: Child,
    name: String,
    group: Option<rustix::process::Pid>,
    journal: Journal,
    pending: Option<Pending>,
}

impl Running {
    /// Starts `command`, journaled and in a process group of its own. Its streams are as the caller set them.
    ///
    /// # Errors
    /// The program is missing or can't be started, or the journal can't be written.
    pub fn spawn(ctx: &JobCtx, mut command: Command) -> Result<Self, ProgramError> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let pending = ctx.journal.intent(Resource::Program(name.clone())).map_err(ProgramError::Journal)?;
        command.env(TOKEN_VARIABLE, ctx.journal.token()).process_group(0).kill_on_drop(true);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                ctx.journal.done(pending).map_err(ProgramError::Journal)?;
                return Err(match error.kind() {
                    std::io::ErrorKind::NotFound => ProgramError::NotFound { program: name },
                    _ => ProgramError::Start { program: name, error },
                });
            }
        };
        let group = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        let running = Self { child, name, group, journal: ctx.journal.clone(), pending: Some(pending) };
        if let (Some(pid), Some(pending)) = (running.child.id(), &running.pending)
            && let Some(identity) = Identity::of(pid)
        {
            running.journal.started(pending, identity).map_err(ProgramError::Journal)?;
        }
        Ok(running)
    }

    /// Waits for its end, then ends what it left behind in its group.
    ///
    /// # Errors
    /// The process can't be waited for, or the journal can't be written.
    pub async fn wait(&mut self) -> Result<ExitStatus, ProgramError> {
        let status = self.child.wait().await;
        let status = status.map_err(|error| ProgramError::Wait { program: self.name.clone(), error })?;
        self.kill_group();
        if let Some(pending) = self.pending.take() {
            self.journal.done(pending).map_err(ProgramError::Journal)?;
        }
        Ok(status)
    }

    /// Sends SIGKILL to the program and its children that stayed in its group.
    pub fn kill_group(&self) {
        if let Some(group) = self.group {
            // Gone already is as good.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.pending.is_some() {
            self.kill_group();
            if let Some(pending) = self.pending.take() {
                // A journal that can't be written keeps the entry, which `cleanup` then finds done.
                let _ = self.journal.done(pending);
            }
        }
    }
}

/// Runs a program to its end. Its lines become [`Stream::Tool`] output as they come; standard output is returned too.
///
/// # Errors
/// As [`Running::spawn`]; it fails, or the job is cancelled (then it is ended first).
pub async fn run(ctx: &JobCtx, command: Command) -> Result<String, ProgramError> {
    run_with(ctx, command, |_| true).await
}

/// [`run`], with a look at each line of standard output: those for which `show` is false are not reported.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    ctx: &JobCtx,
    mut command: Command,
    mut show: impl FnMut(&str) -> bool + Send,
) -> Result<String, ProgramError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::spawn(ctx, command)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let mut output = String::new();
    let mut tail = VecDeque::new();
    let mut excerpt = VecDeque::new();
    // What is returned is data and stays as it is; what is shown is not cut before it is redacted.
    let (mut shown, mut complaints) = (ctx.events.redactor().lines(), ctx.events.redactor().lines());
    let ended = {
        let read = async {
            // Waited for meanwhile: a child that it leaves behind, and that holds its output open, is ended with it.
            let ((), (), status) = tokio::join!(
                each_line(stdout, async |line| {
                    if show(&line) {
                        tell(ctx, shown.push(&line), &mut tail).await;
                    }
                    output.push_str(&line);
                    output.push('\n');
                }),
                each_line(stderr, async |line| {
                    tell(ctx, complaints.push(&line), &mut excerpt).await;
                }),
                running.wait(),
            );
            status
        };
        tokio::select! {
            ended = read => Some(ended?),
            () = ctx.cancel.cancelled() => None,
        }
    };
    tell(ctx, shown.finish(), &mut tail).await;
    tell(ctx, complaints.finish(), &mut excerpt).await;
    match ended {
        None => {
            running.kill_group();
            running.wait().await?;
            Err(ProgramError::Cancelled)
        }
        Some(status) if status.success() => Ok(output),
        Some(status) => {
            let excerpt = if excerpt.is_empty() { tail } else { excerpt };
            Err(ProgramError::Failed { program: running.name.clone(), status, excerpt: excerpt.into() })
        }
    }
}

async fn each_line<R: AsyncRead + Unpin>(stream: Option<R>, mut on_line: impl AsyncFnMut(String)) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // A pipe that breaks ends the output; the exit status tells the rest.
    while let Ok(1..) = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
        on_line(crate::context::clean_line(&line)).await;
        line.clear();
    }
}

/// Reports lines, and keeps the last for an error.
async fn tell(ctx: &JobCtx, lines: Vec<String>, kept: &mut VecDeque<String>) {
    for line in lines {
        ctx.events.output(None, Stream::Tool, line.as_bytes()).await;
        keep(kept, line);
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == EXCERPT_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}
