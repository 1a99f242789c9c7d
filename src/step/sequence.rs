//! The loop over a job's steps: conditions, `continue-on-error`, retries, time limits, cancelling.
//!
//! ```text
//! condition ─false─▶ skipped
//!     │true                    ┌── delay ◀─ attempts left ─┐
//!     ▼                        ▼                           │
//!  started ──────────────▶ attempt ──ok──▶ success         │
//!                              ├──failed, timed out────────┴─▶ failure (continue-on-error: concluded as success)
//!                              └──cancelled──▶ cancelled
//! ```
//!
//! When the job is cancelled, the running step is ended unless its condition still holds (`always()`, `cancelled()`);
//! such steps, running or later, share [`GRACE`].

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::context::JobCtx;
use crate::event::{Body, Failure, Outcome, Place, StepFinished};
use crate::guest::{Guest, GuestError};
use crate::plan::job::{Action, Job, Step};
use crate::secret::{Redactor, Secrets};
use crate::step::condition::Situation;
use crate::step::script::Stale;
use crate::step::{download, reboot, run, upload};

/// What steps that run although the job is cancelled have together: all of the job has to end within 7 seconds.
const GRACE: Duration = Duration::from_secs(3);

/// How long a guest may take to confirm that a command was ended, before it is given up.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// The same when the job is cancelled.
const HURRIED_KILL_LIMIT: Duration = Duration::from_secs(2);

/// When the job is cancelled, how long after [`GRACE`] private folders may still be removed: the machine goes anyway.
const TIDY: Duration = Duration::from_secs(2);

/// What is tried for them even when that time is over.
const LEAST_TIDY: Duration = Duration::from_millis(500);

/// How all steps went.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub outcome: Outcome,
    pub steps: Vec<StepFinished>,
    /// The first failure that made the job fail.
    pub failure: Option<Failure>,
}

/// What an action is handed.
pub(super) struct Scene<'a> {
    pub(super) ctx: &'a JobCtx,
    pub(super) job: &'a Job,
    pub(super) step: &'a Step,
    pub(super) secrets: &'a Secrets,
    pub(super) guest: &'a dyn Guest,
    pub(super) local: &'a dyn Guest,
    pub(super) stale: &'a Stale,
}

impl Scene<'_> {
    /// The step itself, for what has no better place. Only a script has lines of its own that would be one.
    pub(super) fn place(&self) -> Place {
        let exact = !matches!(self.step.action, Action::Run(_) | Action::Script(_) | Action::Local(_));
        Place { file: self.job.definition.clone(), line: self.step.line, column: None, exact }
    }

    /// A failure of the step as a whole.
    pub(super) fn failed(&self, message: impl Into<String>) -> Stop {
        Stop::Failed(Box::new(Failure { place: Some(self.place()), ..Failure::new(message) }))
    }

    /// What a failed operation of the guest means for the step.
    pub(super) fn stopped(&self, what: &str, error: GuestError) -> Stop {
        match error {
            GuestError::Cancelled => Stop::Cancelled { excerpt: Vec::new() },
            error => self.failed(format!("{what}: {error}")),
        }
    }
}

/// Why an attempt did not succeed.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Box<Failure>),
    /// Its token fired; the last lines until then.
    Cancelled {
        excerpt: Vec<String>,
    },
}

impl Stop {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure::new(message)))
    }
}

/// Runs all steps of a job in order, as Actions would, and reports them. `local` is this machine, for `local:` steps.
///
/// Cancelling `ctx` ends the running step; what is left of the steps then is skipped, but for those whose condition asks
/// to run all the same, within three seconds.
pub async fn run_all(ctx: &JobCtx, job: &Job, secrets: &Secrets, guest: &dyn Guest, local: &dyn Guest) -> Summary {
    let mut sequence = Sequence {
        situation: Situation::default(),
        redactor: secrets.redactor(),
        grace: None,
        summary: Summary { outcome: Outcome::Success, steps: Vec::new(), failure: None },
    };
    let stale = Stale::default();
    for step in &job.steps {
        sequence.step(&Scene { ctx, job, step, secrets, guest, local, stale: &stale }).await;
    }
    sequence.notice_cancel(ctx);
    let left = sequence.grace.map(|grace| (grace + TIDY).saturating_duration_since(tokio::time::Instant::now()));
    stale.remove(guest, left.map(|left| left.max(LEAST_TIDY))).await;
    sequence.summary.outcome = match (sequence.situation.cancelled, sequence.situation.failed) {
        (true, _) => Outcome::Cancelled,
        (false, true) => Outcome::Failure,
        (false, false) => Outcome::Success,
    };
    sequence.summary
}

struct Sequence {
    situation: Situation,
    redactor: Redactor,
    /// When the time of steps that run in a cancelled job is over.
    grace: Option<tokio::time::Instant>,
    summary: Summary,
}

impl Sequence {
    async fn step(&mut self, scene: &Scene<'_>) {
        self.notice_cancel(scene.ctx);
        let too_late = self.grace.is_some_and(|grace| grace <= tokio::time::Instant::now());
        match self.situation.allows(&scene.step.condition) {
            Ok(true) if !too_late => self.perform(scene).await,
            Ok(_) => self.finish(scene, Outcome::Skipped, 0.0, 0).await,
            Err(message) => {
                let what = format!("the condition of `{}` has no value: {message}", scene.step.name);
                self.started(scene).await;
                self.report(scene, Failure { place: Some(scene.place()), ..Failure::new(what) }).await;
                self.finish(scene, Outcome::Failure, 0.0, 0).await;
            }
        }
    }

    fn notice_cancel(&mut self, ctx: &JobCtx) {
        if ctx.cancel.is_cancelled() {
            self.situation.cancelled = true;
            self.grace.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
        }
    }

    async fn started(&self, scene: &Scene<'_>) {
        let (step, name) = (scene.step.index, scene.step.name.clone());
        scene.ctx.events.emit(Body::StepStarted { step, name }).await;
    }

    async fn perform(&mut self, scene: &Scene<'_>) {
        self.started(scene).await;
        let begin = Instant::now();
        let retry = scene.step.retry;
        let mut attempt = 1;
        let outcome = loop {
            match self.attempt(scene).await {
                Ok(()) => break Outcome::Success,
                Err(Stop::Cancelled { .. }) => break Outcome::Cancelled,
                Err(Stop::Failed(failure)) if attempt < retry.attempts && !scene.ctx.cancel.is_cancelled() => {
                    self.tell_of_retry(scene, &failure, attempt).await;
                    let delay = tokio::time::sleep(Duration::from_secs(retry.delay));
                    tokio::select! {
                        () = delay => attempt += 1,
                        () = scene.ctx.cancel.cancelled() => break Outcome::Cancelled,
                    }
                }
                Err(Stop::Failed(mut failure)) => {
                    if attempt > 1 {
                        failure.message = format!("{} (attempt {attempt} of {})", failure.message, retry.attempts);
                    }
                    self.report(scene, *failure).await;
                    break Outcome::Failure;
                }
            }
        };
        self.finish(scene, outcome, begin.elapsed().as_secs_f64(), attempt).await;
    }

    async fn tell_of_retry(&self, scene: &Scene<'_>, failure: &Failure, attempt: u32) {
        let retry = scene.step.retry;
        let message = self.redactor.redact(&failure.message);
        let when = if retry.delay == 0 { "now".to_owned() } else { format!("in {} s", retry.delay) };
        let text = format!("attempt {attempt} of {}: {message}; trying again {when}", retry.attempts);
        scene.ctx.events.note(text).await;
    }

    /// Tells of a failure, which is the job's unless the step continues on error.
    async fn report(&mut self, scene: &Scene<'_>, mut failure: Failure) {
        failure.step = Some(scene.step.index);
        failure.message = self.redactor.redact(&failure.message);
        failure.command = failure.command.map(|command| self.redactor.redact(&command));
        failure.excerpt = failure.excerpt.iter().map(|line| self.redactor.redact(line)).collect();
        if scene.step.continue_on_error {
            scene.ctx.events.warn(failure).await;
        } else {
            scene.ctx.events.emit(Body::Failure(failure.clone())).await;
            self.summary.failure.get_or_insert(failure);
        }
    }

    async fn finish(&mut self, scene: &Scene<'_>, outcome: Outcome, seconds: f64, attempts: u32) {
        let step = scene.step;
        let conclusion = match outcome {
            Outcome::Failure if step.continue_on_error => Outcome::Success,
            outcome => outcome,
        };
        self.situation.failed |= conclusion == Outcome::Failure;
        if let Some(id) = &step.id {
            self.situation.steps.push((id.clone(), outcome, conclusion));
        }
        let name = step.name.clone();
        let finished = StepFinished { step: step.index, name, outcome, conclusion, seconds, attempts };
        scene.ctx.events.emit(Body::StepFinished(finished.clone())).await;
        self.summary.steps.push(finished);
    }

    /// One attempt, within its time limit and until the job is cancelled.
    async fn attempt(&mut self, scene: &Scene<'_>) -> Result<(), Stop> {
        // Not a child of the job's token: some steps go on when the job is cancelled.
        let token = CancellationToken::new();
        let work = act(scene, &token);
        tokio::pin!(work);
        let cut = tokio::select! {
            result = &mut work => return result,
            cut = self.cut(scene) => cut,
        };
        token.cancel();
        let limit = if matches!(cut, Cut::Timeout(_)) { KILL_LIMIT } else { HURRIED_KILL_LIMIT };
        let result = tokio::time::timeout(limit, work).await;
        let excerpt = match result {
            // It ended in the very moment.
            Ok(result @ (Ok(()) | Err(Stop::Failed(_)))) => return result,
            Ok(Err(Stop::Cancelled { excerpt })) => excerpt,
            Err(_) => Vec::new(),
        };
        match cut {
            Cut::Cancel => Err(Stop::Cancelled { excerpt }),
            Cut::Timeout(seconds) => {
                let message = format!("`{}` timed out after {}", scene.step.name, duration(seconds));
                let place = Some(scene.place());
                Err(Stop::Failed(Box::new(Failure { place, excerpt, ..Failure::new(message) })))
            }
        }
    }

    /// Waits until the attempt has to stop.
    async fn cut(&mut self, scene: &Scene<'_>) -> Cut {
        let timeout = async {
            match scene.step.timeout {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        let cancel = async {
            scene.ctx.cancel.cancelled().await;
            self.notice_cancel(scene.ctx);
            if let (Ok(true), Some(grace)) = (self.situation.allows(&scene.step.condition), self.grace) {
                tokio::time::sleep_until(grace).await;
            }
        };
        tokio::select! {
            () = timeout => Cut::Timeout(scene.step.timeout.unwrap_or_default()),
            () = cancel => Cut::Cancel,
        }
    }
}

/// Why an attempt is stopped from outside.
enum Cut {
    /// Its seconds are over.
    Timeout(u64),
    Cancel,
}

fn duration(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (1, 0) => "1 minute".to_owned(),
        (minutes @ 1.., 0) => format!("{minutes} minutes"),
        _ => format!("{seconds} s"),
    }
}

async fn act(scene: &Scene<'_>, cancel: &CancellationToken) -> Result<(), Stop> {
    match &scene.step.action {
        Action::Run(action) => run::run(scene, action, cancel).await,
        Action::Script(action) => run::file(scene, action, cancel).await,
        Action::Upload(action) => upload::upload(scene, action, cancel).await,
        Action::Download(action) => download::download(scene, action, cancel).await,
        Action::Reboot(action) => reboot::reboot(scene, action, cancel).await,
        Action::Local(action) => run::local(scene, action, cancel).await,
    }
}
