//! One task owns the truth of a run: it starts job processes, reads what they say, and decides with [`Policy`].
//!
//! Each process has a small task (`process`) that only carries messages. A job that crashes, hangs or is killed is
//! reported as such with its last lines, its journal is cleaned, and the others go on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use anyhow::Context;
use camino::Utf8PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::policy::{Decision, Policy};
use super::process::{Control, Ended, Handle, Message};
use super::wire::{Line, Task};
use crate::event::{Body, Cell, Event, Failure, JobFinished, JobId, Outcome, Verdict};
use crate::journal::Journal;
use crate::journal::cleanup::{Places, clean_job};
use crate::plan::job::Job;
use crate::secret::{Redactor, Secrets};

/// How long a job may take to stop by itself. GitHub sends SIGTERM 7.5 s after SIGINT and kills 2.5 s later (ci.md), so
/// the whole run must be gone within 7 s.
const GRACE: Duration = Duration::from_millis(6_300);

/// Clocks are looked at ten times a second; a longer pause than this was none of the jobs' doing.
const AWAY: Duration = Duration::from_secs(1);

/// Lines of a job that are kept to explain how it died.
const LAST_LINES: usize = 20;

/// What to run, and where.
pub struct Config {
    /// This program, which is started again as `ovenbird job`.
    pub program: std::path::PathBuf,
    /// The run's id: unique, safe as a file name.
    pub run: String,
    /// Absolute, real, and there.
    pub out: Utf8PathBuf,
    /// Absolute, real, and there.
    pub cache: Utf8PathBuf,
    pub jobs: Vec<Job>,
    /// What is to be done with jobs that are not to be built.
    pub tasks: BTreeMap<JobId, Task>,
    pub max_parallel: usize,
    pub fail_fast: bool,
    pub secrets: Secrets,
    /// Environment variables that hold sensitive values: no job's process, and so no program of it, inherits them.
    pub hidden: Vec<String>,
    /// A job that is silent for so long hangs ([`super::wire::SILENCE`]).
    pub silence: Duration,
    /// Whether the reports keep up. While they don't, jobs are not listened to and so wait; signals and deadlines are
    /// served all the same.
    pub has_room: Box<dyn Fn() -> bool + Send + Sync>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Success,
    /// At least one job failed.
    Failure,
    /// At least one job failed, and those that did failed by the tests of their images alone.
    TestsFailed,
    /// By the signal of this number.
    Cancelled(i32),
}

/// Runs all jobs; every event goes through `report`, in one order.
///
/// # Errors
/// The journal can't be written or a signal handler not installed: nothing was started.
pub async fn run(config: Config, report: &mut dyn FnMut(&Event)) -> anyhow::Result<Ending> {
    let places = Places::new(&config.out, &config.cache);
    let journal = Journal::create(&places.run_journal(&config.run), &config.run)?;
    let (sender, messages) = mpsc::channel(256);
    let ids: Vec<JobId> = config.jobs.iter().map(|job| job.id.clone()).collect();
    let mut supervisor = Supervisor {
        policy: Policy::new(ids.clone(), config.max_parallel, config.fail_fast),
        handles: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        only_tests: BTreeSet::new(),
        cancelled: None,
        places,
        journal,
        sender,
        ticked: Instant::now(),
        redactor: config.secrets.redactor(),
        config,
        report,
    };
    let begin = Instant::now();
    let run = supervisor.config.run.clone();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let cells = cells(&supervisor.config.jobs, &supervisor.redactor);
    supervisor.tell(None, Body::RunStarted { run, version, jobs: ids, cells });
    supervisor.watch(messages).await?;
    supervisor.end(begin).await
}

/// The jobs' matrix cells for reports, as free of secrets as what the jobs say themselves.
fn cells(jobs: &[Job], redactor: &Redactor) -> BTreeMap<JobId, Cell> {
    let jobs = jobs.iter().filter(|job| !job.matrix.is_empty());
    let redacted = jobs.map(|job| {
        let mut cell = job.matrix.clone();
        cell.values_mut().for_each(|value| redactor.redact_json(value, &[]));
        (job.id.clone(), cell)
    });
    redacted.collect()
}

struct Supervisor<'a> {
    policy: Policy,
    handles: BTreeMap<JobId, Running>,
    outcomes: BTreeMap<JobId, Outcome>,
    /// Jobs that failed by their tests alone.
    only_tests: BTreeSet<JobId>,
    /// The first signal's number.
    cancelled: Option<i32>,
    places: Places,
    journal: Journal,
    sender: mpsc::Sender<Message>,
    /// When clocks were last looked at.
    ticked: Instant,
    /// For what a job's process says outside of events.
    redactor: Redactor,
    config: Config,
    report: &'a mut dyn FnMut(&Event),
}

/// What the supervisor knows of a running job.
struct Running {
    handle: Handle,
    begin: Instant,
    heard: Instant,
    /// When it is ended by force: set once it was asked to stop.
    deadline: Option<Instant>,
    /// What it said of its own end.
    finished: Option<JobFinished>,
    hung: bool,
    broken: Option<String>,
    last_lines: VecDeque<String>,
}

impl Supervisor<'_> {
    async fn watch(&mut self, mut messages: mpsc::Receiver<Message>) -> anyhow::Result<()> {
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hangup = if hangups_are_ignored() { None } else { Some(listen(SignalKind::hangup())?) };
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let decisions = self.policy.start();
        self.decide(decisions).await;
        while !self.policy.is_over() {
            tokio::select! {
                // Signals and deadlines first: a flood of messages must not hold them up.
                biased;
                _ = interrupt.recv() => self.on_signal(SignalKind::interrupt()).await,
                _ = terminate.recv() => self.on_signal(SignalKind::terminate()).await,
                Some(()) = received(&mut hangup) => self.on_signal(SignalKind::hangup()).await,
                _ = tick.tick() => self.on_tick().await,
                Some(message) = messages.recv(), if self.listens() => self.on_message(message).await,
            }
        }
        Ok(())
    }

    async fn end(self, begin: Instant) -> anyhow::Result<Ending> {
        let ending = self.ending();
        let outcome = match ending {
            Ending::Success => Outcome::Success,
            Ending::Failure | Ending::TestsFailed => Outcome::Failure,
            Ending::Cancelled(_) => Outcome::Cancelled,
        };
        let seconds = begin.elapsed().as_secs_f64();
        (self.report)(&Event::now(None, Body::RunFinished { outcome, seconds }));
        let _ = std::fs::remove_dir(self.places.work.join(&self.config.run));
        let _ = std::fs::remove_dir(&self.places.work);
        self.journal.close().context("failed to remove the run's journal")?;
        let _ = std::fs::remove_dir(&self.places.journals);
        Ok(ending)
    }

    /// What a failed job made fail-fast cancel is no failure of its own.
    fn ending(&self) -> Ending {
        if let Some(signal) = self.cancelled {
            return Ending::Cancelled(signal);
        }
        if self.outcomes.values().all(|outcome| *outcome == Outcome::Success) {
            return Ending::Success;
        }
        let failed = self.outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Failure);
        let failed: Vec<&JobId> = failed.map(|(job, _)| job).collect();
        let tests_alone = !failed.is_empty() && failed.iter().all(|job| self.only_tests.contains(*job));
        if tests_alone { Ending::TestsFailed } else { Ending::Failure }
    }

    fn tell(&mut self, job: Option<&JobId>, body: Body) {
        (self.report)(&Event::now(job.cloned(), body));
    }

    async fn decide(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            match decision {
                Decision::Start(id) => self.start(&id).await,
                Decision::Cancel(id) => self.cancel(&id).await,
                Decision::Drop(id) => {
                    let reason = "not started: the run was stopped".to_owned();
                    self.finish(&id, Outcome::Cancelled, 0.0, Some(reason));
                }
            }
        }
    }

    async fn start(&mut self, id: &JobId) {
        let Some(job) = self.config.jobs.iter().find(|job| job.id == *id).cloned() else { return };
        let tests_only = matches!(self.config.tasks.get(id), Some(Task::Test { .. }));
        let (name, platform) = (job.name.clone(), job.platform.builder().to_owned());
        self.tell(Some(id), Body::JobStarted { name, platform, tests_only });
        match Handle::start(&self.config, job, &self.journal, self.sender.clone()) {
            Ok(handle) => {
                let now = Instant::now();
                self.handles.insert(
                    id.clone(),
                    Running {
                        handle,
                        begin: now,
                        heard: now,
                        deadline: None,
                        finished: None,
                        hung: false,
                        broken: None,
                        last_lines: VecDeque::new(),
                    },
                );
            }
            Err(error) => {
                let failure = Failure::new(format!("failed to start the job's process: {error:#}"));
                self.tell(Some(id), Body::Failure(failure));
                let ended = Message::Ended { job: id.clone(), ended: Ended::NotStarted };
                let _ = self.sender.send(ended).await;
            }
        }
    }

    async fn cancel(&mut self, id: &JobId) {
        if let Some(running) = self.handles.get_mut(id) {
            running.deadline = Some(Instant::now() + GRACE);
            running.handle.send(Control::Interrupt).await;
        }
    }

    /// The first signal asks, the second one ends everything at once.
    async fn on_signal(&mut self, kind: SignalKind) {
        if self.cancelled.is_none() {
            self.cancelled = Some(kind.as_raw_value());
            let decisions = self.policy.stop();
            self.decide(decisions).await;
        } else {
            for running in self.handles.values_mut() {
                running.handle.send(Control::Kill).await;
            }
        }
    }

    /// Once all is to end, the little that is still said is listened to in any case.
    fn listens(&self) -> bool {
        self.cancelled.is_some() || (self.config.has_room)()
    }

    async fn on_tick(&mut self) {
        let now = Instant::now();
        // Time in which we were stopped, or waited for whoever reads our console, is not the jobs' silence: what they
        // said meanwhile is still unread.
        let away = now.duration_since(self.ticked);
        let away = if away > AWAY || !self.listens() { away } else { Duration::ZERO };
        self.ticked = now;
        for running in self.handles.values_mut() {
            running.heard += away;
            if running.deadline.is_some_and(|deadline| now > deadline) {
                running.handle.send(Control::Kill).await;
                running.deadline = None;
            }
            if !running.hung && now.duration_since(running.heard) > self.config.silence {
                running.hung = true;
                running.handle.send(Control::Kill).await;
            }
        }
    }

    async fn on_message(&mut self, message: Message) {
        match message {
            Message::Line { job, line } => self.on_line(&job, line),
            Message::Broken { job, text } => {
                if let Some(running) = self.handles.get_mut(&job) {
                    running.broken.get_or_insert(text);
                    running.handle.send(Control::Kill).await;
                }
            }
            Message::Ended { job, ended } => {
                let outcome = self.on_ended(&job, ended).await;
                let decisions = self.policy.finished(&job, outcome);
                self.decide(decisions).await;
            }
        }
    }

    fn on_line(&mut self, id: &JobId, line: Line) {
        let Some(running) = self.handles.get_mut(id) else { return };
        running.heard = Instant::now();
        let Line::Event(event) = line else { return };
        match event.event {
            // Told when the process has really ended.
            Body::JobFinished(finished) => running.finished = Some(*finished),
            ref body => {
                if let Body::Output { line, .. } = body {
                    keep(&mut running.last_lines, line.clone());
                }
                (self.report)(&event);
            }
        }
    }

    async fn on_ended(&mut self, id: &JobId, ended: Ended) -> Outcome {
        let Some(mut running) = self.handles.remove(id) else {
            self.finish(id, Outcome::Failure, 0.0, Some("its process could not be started".to_owned()));
            return Outcome::Failure;
        };
        let seconds = running.begin.elapsed().as_secs_f64();
        self.clean(id).await;
        if let (Some(finished), true) = (running.finished.take(), ended.is_orderly()) {
            let outcome = finished.outcome;
            if outcome == Outcome::Failure && finished.verdict == Some(Verdict::Failed) {
                self.only_tests.insert(id.clone());
            }
            self.outcomes.insert(id.clone(), outcome);
            self.tell(Some(id), Body::JobFinished(Box::new(finished)));
            return outcome;
        }
        let stopped = running.deadline.is_some() || self.cancelled.is_some();
        let (outcome, reason) = match (running.hung, stopped) {
            (true, _) => (
                Outcome::Failure,
                format!("its process gave no sign of life for {} s and was ended", self.config.silence.as_secs()),
            ),
            (false, true) => (Outcome::Cancelled, "cancelled; it did not stop by itself and was ended".to_owned()),
            (false, false) => (Outcome::Failure, running.broken.take().unwrap_or_else(|| ended.describe())),
        };
        if outcome == Outcome::Failure {
            let mut excerpt = Vec::from(std::mem::take(&mut running.last_lines));
            // A panic's message may hold any text that the job handled.
            excerpt.extend(self.redactor.redact_lines(&ended.stderr()));
            let reason = self.redactor.redact(&reason);
            let failure = Failure {
                excerpt,
                hint: Some("what it left behind was removed; the lines below are its last".to_owned()),
                ..Failure::new(reason.clone())
            };
            self.tell(Some(id), Body::Failure(failure));
        }
        self.finish(id, outcome, seconds, Some(reason));
        outcome
    }

    fn finish(&mut self, id: &JobId, outcome: Outcome, seconds: f64, reason: Option<String>) {
        self.outcomes.insert(id.clone(), outcome);
        let finished = JobFinished { outcome, seconds, reason, manifest: None, verdict: None };
        self.tell(Some(id), Body::JobFinished(Box::new(finished)));
    }

    /// Removes what a job's process left behind. After an orderly end there is nothing.
    async fn clean(&mut self, id: &JobId) {
        let places = self.places.clone();
        let (run, job) = (self.config.run.clone(), id.0.clone());
        let cleaned = tokio::task::spawn_blocking(move || clean_job(&places, &run, &job)).await;
        let problem = match cleaned {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        };
        let failure = Failure {
            hint: Some(format!("run `ovenbird cleanup {}`", self.config.run)),
            ..Failure::new(format!("failed to remove what the job left behind: {problem}"))
        };
        self.tell(Some(id), Body::Warning(failure));
    }
}

fn listen(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("failed to install a signal handler")
}

/// Waits for a signal that may not be listened to; then it never comes.
async fn received(signals: &mut Option<Signal>) -> Option<()> {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether someone started us with `nohup`: the lowest bit of `SigIgn` (proc(5)) is SIGHUP. Otherwise a closed terminal
/// stops the run as SIGTERM does.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == LAST_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}
