//! One job's process, seen from the supervisor: started, fed, listened to, signalled. It only carries messages.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::supervisor::Config;
use super::wire::{self, Line, Start};
use crate::event::JobId;
use crate::journal::process::{Identity, TOKEN_VARIABLE};
use crate::journal::record::{Journal, Resource};
use crate::plan::job::Job;
use crate::secret::Secrets;

/// How long the pipes of a process that has ended may stay open: whoever holds them then is a stray child.
const LEAK: Duration = Duration::from_secs(2);

/// Lines of standard error that are kept.
const STDERR_LINES: usize = 20;

/// What a job's process tells the supervisor.
pub(super) enum Message {
    Line {
        job: JobId,
        line: Line,
    },
    /// It wrote something that is no message.
    Broken {
        job: JobId,
        text: String,
    },
    Ended {
        job: JobId,
        ended: Ended,
    },
}

/// What the supervisor tells a job's process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Control {
    /// Stop, and clean up.
    Interrupt,
    /// End at once.
    Kill,
}

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    NotStarted,
    /// It can't be waited for.
    Lost(std::io::Error),
    Status {
        status: ExitStatus,
        stderr: Vec<String>,
    },
}

impl Ended {
    /// It exited by itself: what it said of its end counts.
    pub(super) fn is_orderly(&self) -> bool {
        matches!(self, Self::Status { status, .. } if status.code().is_some())
    }

    pub(super) fn stderr(&self) -> Vec<String> {
        match self {
            Self::Status { stderr, .. } => stderr.clone(),
            Self::NotStarted | Self::Lost(_) => Vec::new(),
        }
    }

    /// In words, for an end that the job itself did not announce.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::NotStarted => "its process could not be started".to_owned(),
            Self::Lost(error) => format!("its process was lost: {error}"),
            Self::Status { status, .. } => match (status.signal(), status.code()) {
                (Some(9), _) => {
                    "its process was killed by SIGKILL (by hand, or by the kernel for want of memory)".to_owned()
                }
                (Some(signal), _) => format!("its process was killed by signal {signal}"),
                (None, Some(code)) => format!("its process ended with status {code} without saying why"),
                (None, None) => "its process ended without saying why".to_owned(),
            },
        }
    }
}

/// A running job process.
pub(super) struct Handle {
    control: mpsc::Sender<Control>,
}

impl Handle {
    /// Starts the process of `job`, recorded in the run's journal.
    pub(super) fn start(
        config: &Config,
        job: Job,
        journal: &Journal,
        messages: mpsc::Sender<Message>,
    ) -> anyhow::Result<Self> {
        let pending = journal.intent(Resource::Program(format!("ovenbird job {}", job.id)))?;
        let mut command = Command::new(&config.program);
        // The arguments tell people what the process is; the job itself comes on standard input.
        command.args(["job", "--run", &config.run, &job.id.0]);
        for name in &config.hidden {
            command.env_remove(name);
        }
        command.env(TOKEN_VARIABLE, journal.token()).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                journal.done(pending)?;
                return Err(error).with_context(|| format!("`{}`", config.program.display()));
            }
        };
        if let Some(identity) = child.id().and_then(Identity::of) {
            journal.started(&pending, identity)?;
        }
        let (control, controls) = mpsc::channel(4);
        let secrets = config.secrets.only(&job.secrets);
        let id = job.id.clone();
        let start = Start {
            version: wire::VERSION,
            run: config.run.clone(),
            out: config.out.clone(),
            cache: config.cache.clone(),
            task: config.tasks.get(&job.id).cloned().unwrap_or_default(),
            job,
        };
        let journal = journal.clone();
        tokio::spawn(async move {
            let ended = Box::pin(carry(child, &id, secrets, start, controls, &messages)).await;
            // An entry that can't be closed is found done by the next cleanup.
            let _ = journal.done(pending);
            let _ = messages.send(Message::Ended { job: id, ended }).await;
        });
        Ok(Self { control })
    }

    /// Tells the process; one that has ended needs no telling.
    pub(super) async fn send(&self, control: Control) {
        let _ = self.control.send(control).await;
    }
}

/// Carries messages between the process and the supervisor until the process has ended.
async fn carry(
    mut child: Child,
    id: &JobId,
    secrets: Secrets,
    start: Start,
    mut controls: mpsc::Receiver<Control>,
    messages: &mpsc::Sender<Message>,
) -> Ended {
    let group = child.id();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let sender = messages.clone();
    let name = id.clone();
    let ended = CancellationToken::new();
    let gone = ended.clone();
    let reader = tokio::spawn(async move { read_lines(stdout, name, &sender, &gone).await });
    let errors = tokio::spawn(read_stderr(stderr));
    // A process that does not read its messages must still hear signals.
    let mut feeding = std::pin::pin!(feed(stdin, &secrets, &start));
    // Held until the end: its closing would tell the job that we are gone.
    let mut lifeline = None;
    let mut fed = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(control) = controls.recv() => signal(&child, control),
            stdin = &mut feeding, if !fed => (lifeline, fed) = (stdin, true),
        }
    };
    drop(lifeline);
    ended.cancel();
    // A stray child must not outlive the job, nor hold its pipes.
    if let Some(group) = group.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    // Not cut short: a supervisor that waits for its console must still get all that the job said.
    let _ = reader.await;
    let stderr = tokio::time::timeout(LEAK, errors).await.ok().and_then(Result::ok).unwrap_or_default();
    match status {
        Ok(status) => Ended::Status { status, stderr },
        Err(error) => Ended::Lost(error),
    }
}

/// Writes both messages. A process that is gone already tells why by its exit.
async fn feed(stdin: Option<ChildStdin>, secrets: &Secrets, start: &Start) -> Option<ChildStdin> {
    let mut stdin = stdin?;
    let mut text = secrets.to_wire().ok()?;
    text.push('\n');
    text.push_str(&serde_json::to_string(start).ok()?);
    text.push('\n');
    let _ = stdin.write_all(text.as_bytes()).await;
    let _ = stdin.flush().await;
    Some(stdin)
}

fn signal(child: &Child, control: Control) {
    // The id is known only while the process was not waited for, so it can't be another's.
    let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return };
    let _ = match control {
        Control::Interrupt => kill_process(pid, Signal::INT),
        Control::Kill => kill_process_group(pid, Signal::KILL),
    };
}

/// Carries lines until the pipe is closed, or until it is silent for [`LEAK`] after the process has `ended`.
async fn read_lines<R: AsyncRead + Unpin>(
    stream: Option<R>,
    job: JobId,
    messages: &mpsc::Sender<Message>,
    ended: &CancellationToken,
) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).lines();
    loop {
        let leaked = async {
            ended.cancelled().await;
            tokio::time::sleep(LEAK).await;
        };
        let line = tokio::select! {
            biased;
            line = lines.next_line() => line,
            () = leaked => return,
        };
        let message = match line {
            Ok(None) => return,
            Ok(Some(line)) => match wire::read_line(&line) {
                Ok(line) => Message::Line { job: job.clone(), line },
                Err(error) => {
                    let text = format!("its process wrote something that is no event ({error})");
                    Message::Broken { job: job.clone(), text }
                }
            },
            Err(error) => {
                Message::Broken { job: job.clone(), text: format!("its process's output can't be read: {error}") }
            }
        };
        let broken = matches!(message, Message::Broken { .. });
        if messages.send(message).await.is_err() || broken {
            return;
        }
    }
}

async fn read_stderr<R: AsyncRead + Unpin>(stream: Option<R>) -> Vec<String> {
    let Some(stream) = stream else { return Vec::new() };
    let mut reader = BufReader::new(stream);
    let mut last = VecDeque::new();
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        if last.len() == STDERR_LINES {
            last.pop_front();
        }
        last.push_back(crate::context::clean_line(&line));
        line.clear();
    }
    last.into()
}
