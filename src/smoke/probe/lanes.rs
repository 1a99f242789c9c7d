//! Commands in few round trips: some lanes side by side, each of them one shell that runs one command after the other.
//!
//! A command that does not end in time is ended with its lane, and what had to come after it goes on in a new one. What a
//! lane can't tell for sure is left to who runs it alone: a shell does not know a signal from a status above 128, nor how a
//! command ended that took the lane's shell with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ask::{boundary, escaped};
use super::command::{BEGIN, Ended, late, timeout};
use super::frames::{Frame, Frames};
use crate::event::Stream;
use crate::guest::{Chunk, Command, Guest, GuestError};
use crate::smoke::spec::Resource;

const SCRIPT: &str = include_str!("lane.sh");
/// Beside the script that is asked for all else: an SSH connection takes eight commands, and one ends another.
const LANES: usize = 5;
/// Commands that a lane takes at a time: one that hangs keeps so many others waiting at the most.
const LOAD: usize = 12;

/// How a command ended, and its time.
pub(super) struct Ran {
    pub(super) ended: Result<Ended, String>,
    pub(super) started: DateTime<Utc>,
    pub(super) took: Duration,
}

/// A command and its number.
type Task<'a> = (usize, &'a Resource);

/// Runs `command` resources, by their numbers. What is missing in the answer has to be run alone.
///
/// # Errors
/// The connection failed, or `cancel` fired.
pub(super) async fn run(
    guest: &dyn Guest,
    commands: Vec<Task<'_>>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<usize, Ran>, GuestError> {
    let lanes = LANES.min(commands.len());
    let load = commands.len().div_ceil(lanes.max(1)).min(LOAD);
    let waiting = Mutex::new(VecDeque::from(commands));
    let ran = try_join_all((0..lanes).map(|_| lane(guest, &waiting, load, cancel))).await?;
    Ok(ran.into_iter().flatten().collect())
}

/// Takes commands as long as there are any.
async fn lane(
    guest: &dyn Guest,
    waiting: &Mutex<VecDeque<Task<'_>>>,
    load: usize,
    cancel: &CancellationToken,
) -> Result<Vec<(usize, Ran)>, GuestError> {
    let mut all = Vec::new();
    loop {
        let taken: Vec<Task<'_>> = {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = load.min(waiting.len());
            waiting.drain(..count).collect()
        };
        if taken.is_empty() {
            return Ok(all);
        }
        let ran = pass(guest, &taken, cancel).await?;
        // The one that its lane ended at, for whatever reason, is not run in a lane again.
        let rest = taken.iter().skip(ran.len().max(1)).copied();
        waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(rest);
        let known = ran.into_iter().zip(&taken).filter_map(|(ran, (number, _))| Some((*number, ran?)));
        all.extend(known);
    }
}

/// One shell, up to the first command that does not answer: for each that was begun, what is known of it.
async fn pass(
    guest: &dyn Guest,
    tasks: &[Task<'_>],
    cancel: &CancellationToken,
) -> Result<Vec<Option<Ran>>, GuestError> {
    let boundary = boundary()?;
    let lines = tasks.iter().map(|(_, resource)| escaped(resource.object()) + "\n");
    let input: String = std::iter::once(format!("{boundary}\n")).chain(lines).collect();
    let command = Command::new(SCRIPT).stdin(input);
    let child = cancel.child_token();
    let (sender, receiver) = mpsc::channel(64);
    let mut listener = Listener::new(&boundary, tasks);
    let (ended, ()) = tokio::join!(guest.exec(&command, sender, &child), listener.listen(receiver, &child));
    match ended {
        Err(GuestError::Cancelled) if listener.is_late && !cancel.is_cancelled() => {}
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    Ok(listener.finish())
}

/// What a lane's shell has said.
struct Listener<'a> {
    tasks: &'a [Task<'a>],
    stdout: Frames,
    stderr: Frames,
    /// Of the command that runs: output, errors, status.
    open: BTreeMap<String, Frame>,
    /// That both streams have ended: which frames closed it.
    closed: [usize; 2],
    has_begun: bool,
    is_late: bool,
    since: Instant,
    started: DateTime<Utc>,
    ran: Vec<Option<Ran>>,
}

impl<'a> Listener<'a> {
    fn new(boundary: &str, tasks: &'a [Task<'a>]) -> Self {
        Self {
            tasks,
            stdout: Frames::new(boundary),
            stderr: Frames::new(boundary),
            open: BTreeMap::new(),
            closed: [0; 2],
            has_begun: false,
            is_late: false,
            since: Instant::now(),
            started: Utc::now(),
            ran: Vec::new(),
        }
    }

    async fn listen(&mut self, mut receiver: mpsc::Receiver<Chunk>, child: &CancellationToken) {
        loop {
            let chunk = tokio::select! {
                chunk = receiver.recv() => chunk,
                () = tokio::time::sleep_until(self.deadline()), if !self.is_late => {
                    self.is_late = true;
                    child.cancel();
                    continue;
                }
            };
            let Some(chunk) = chunk else { return };
            if !self.is_late {
                self.take(&chunk);
            }
        }
    }

    /// Until when the next answer has to be there.
    fn deadline(&self) -> Instant {
        let next = self.tasks.get(self.ran.len()).filter(|_| self.has_begun);
        self.since + next.map_or(BEGIN, |(_, resource)| timeout(resource))
    }

    fn take(&mut self, chunk: &Chunk) {
        let is_error = chunk.stream == Stream::Stderr;
        let frames = if is_error { &mut self.stderr } else { &mut self.stdout };
        for frame in frames.push(&chunk.bytes) {
            // Answers come in order; the first is that the shell is there.
            let now = if is_error || self.has_begun { self.ran.len() + 1 } else { 0 };
            if frame.request != now {
                continue;
            }
            if frame.name != "end" {
                let name = frame.name.split('-').next().unwrap_or_default().to_owned();
                self.open.insert(name, frame);
            } else if now == 0 {
                self.has_begun = true;
                self.begin();
            } else {
                self.closed[usize::from(is_error)] = now;
                if self.closed == [now; 2] {
                    self.close();
                }
            }
        }
    }

    fn begin(&mut self) {
        (self.since, self.started) = (Instant::now(), Utc::now());
    }

    fn close(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        let mut bytes = |name| open.remove(name).map(|frame| frame.body).unwrap_or_default();
        let (stdout, stderr) = (bytes("out"), bytes("err"));
        let status = open.remove("status").and_then(|frame| frame.name.strip_prefix("status-")?.parse().ok());
        // From 129 to 192 it may have been a signal.
        let status = status.filter(|status: &u32| !(129..193).contains(status));
        let ended = status.map(|status| Ok(Ended::of(status, &stdout, &stderr)));
        self.push(ended);
    }

    fn push(&mut self, ended: Option<Result<Ended, String>>) {
        let (started, took) = (self.started, self.since.elapsed());
        self.ran.push(ended.map(|ended| Ran { ended, started, took }));
        self.begin();
    }

    /// The command that was running is late when the lane was ended for it.
    fn finish(mut self) -> Vec<Option<Ran>> {
        if self.is_late
            && self.has_begun
            && let Some((_, resource)) = self.tasks.get(self.ran.len())
        {
            self.push(Some(Err(late(timeout(resource)))));
        }
        self.ran
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::process::Command;

    #[test]
    fn the_script_is_clean_to_shellcheck() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/smoke/probe/lane.sh");
        let output = Command::new("shellcheck").args(["--shell=sh", "--severity=style", file]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
