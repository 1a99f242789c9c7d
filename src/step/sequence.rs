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
//! such steps, running or later, share [`GRACE`]. A step that uses a file runs this loop again, over the steps of the
//! file in a [`Frame`] of their own (`uses`).

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::context::{JobCtx, clean_line};
use crate::event::{Body, Failure, Outcome, Place, StepFinished};
use crate::expression::{Object, Value};
use crate::guest::{Guest, GuestError};
use crate::plan::job::{Action, EnvVar, Job, Step};
use crate::secret::{Redactor, Secrets};
use crate::step::condition::{Ended, Situation};
use crate::step::place::Uploads;
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
    pub(super) uploads: &'a Uploads,
    /// The variables of the step: the definition's, those of the steps that use the file it stands in, and its own.
    pub(super) env: Vec<EnvVar>,
    /// The step's own variables alone.
    pub(super) own_env: Vec<EnvVar>,
    outputs: Mutex<Object>,
}

impl Scene<'_> {
    /// Sets what `steps.ID.outputs` will be.
    pub(super) fn keep_outputs(&self, outputs: Object) {
        *self.outputs.lock().unwrap_or_else(PoisonError::into_inner) = outputs;
    }

    fn outputs(&self) -> Object {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The step itself, for what has no better place. Only a script has lines of its own that would be one.
    pub(super) fn place(&self) -> Place {
        let exact = !matches!(self.step.action, Action::Run(_) | Action::Script(_) | Action::Local(_));
        Place { file: self.step.file.clone(), line: self.step.line, column: None, exact }
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

/// What all steps have in common.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    ctx: &'a JobCtx,
    job: &'a Job,
    secrets: &'a Secrets,
    guest: &'a dyn Guest,
    local: &'a dyn Guest,
    stale: &'a Stale,
    uploads: &'a Uploads,
}

/// What the steps of one list have in common: those of the definition, or those of a step file where it is used.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) situation: Situation,
    /// What every step of the list has in its environment; settled.
    pub(super) env: Vec<EnvVar>,
    /// When the time of a step is over that uses the file.
    pub(super) until: Option<tokio::time::Instant>,
    /// A failure inside is not the job's: a step that uses the file continues on error.
    pub(super) forgiven: bool,
    /// Since `until`, a step was ended or not begun; the last lines of the one that was ended.
    pub(super) expired: Option<Vec<String>>,
    /// A step was ended because the job is cancelled.
    pub(super) cut: bool,
}

/// Runs all steps of a job in order, as Actions would, and reports them. `local` is this machine, for `local:` steps.
///
/// Cancelling `ctx` ends the running step; what is left of the steps then is skipped, but for those whose condition asks
/// to run all the same, within three seconds.
pub async fn run_all(ctx: &JobCtx, job: &Job, secrets: &Secrets, guest: &dyn Guest, local: &dyn Guest) -> Summary {
    let (stale, uploads) = (Stale::default(), Uploads::default());
    let mut sequence = Sequence {
        stage: Stage { ctx, job, secrets, guest, local, stale: &stale, uploads: &uploads },
        redactor: ctx.events.redactor().clone(),
        grace: None,
        summary: Summary { outcome: Outcome::Success, steps: Vec::new(), failure: None },
    };
    let situation = Situation { runner: runner(ctx), ..Situation::default() };
    let mut frame = Frame { situation, env: job.env.clone(), ..Frame::default() };
    sequence.steps(&job.steps, &mut frame).await;
    sequence.notice_cancel(&mut frame);
    let left = sequence.grace.map(|grace| (grace + TIDY).saturating_duration_since(tokio::time::Instant::now()));
    stale.remove(guest, left.map(|left| left.max(LEAST_TIDY))).await;
    sequence.summary.outcome = match (frame.situation.cancelled, frame.situation.failed) {
        (true, _) => Outcome::Cancelled,
        (false, true) => Outcome::Failure,
        (false, false) => Outcome::Success,
    };
    // A step that uses a file ends after the steps of the file.
    sequence.summary.steps.sort_by_key(|step| step.step);
    sequence.summary
}

/// The context `runner`, in GitHub's words: the machine where the job runs, not the guest.
fn runner(ctx: &JobCtx) -> Object {
    let os = match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "X64",
        "x86" => "X86",
        "aarch64" => "ARM64",
        "arm" => "ARM",
        other => other,
    };
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let pairs = [("os", os), ("arch", arch), ("name", &name), ("temp", ctx.work.as_str())];
    pairs.into_iter().map(|(key, value)| (key, Value::from(value))).collect()
}

pub(super) struct Sequence<'a> {
    stage: Stage<'a>,
    redactor: Redactor,
    /// When the time of steps that run in a cancelled job is over.
    grace: Option<tokio::time::Instant>,
    summary: Summary,
}

impl Sequence<'_> {
    /// The loop. A future in a box, because a step that uses a file comes here again.
    pub(super) fn steps<'s>(
        &'s mut self,
        steps: &'s [Step],
        frame: &'s mut Frame,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 's>> {
        Box::pin(async move {
            for step in steps {
                self.step(step, frame).await;
            }
        })
    }

    async fn step(&mut self, step: &Step, frame: &mut Frame) {
        self.notice_cancel(frame);
        let now = tokio::time::Instant::now();
        if frame.until.is_some_and(|until| until <= now) {
            frame.expired.get_or_insert_default();
        }
        let too_late = frame.expired.is_some() || self.grace.is_some_and(|grace| grace <= now);
        let (own_env, wrong) = match frame.situation.settle_env(&step.env, &frame.env) {
            Ok(env) => (env, None),
            Err(error) => (Vec::new(), Some(format!("the `env` of `{}` has no value: {error}", step.name))),
        };
        let Stage { ctx, job, secrets, guest, local, stale, uploads } = self.stage;
        let env = frame.env.iter().chain(&own_env).cloned().collect();
        let outputs = Mutex::default();
        let scene = Scene { ctx, job, step, secrets, guest, local, stale, uploads, env, own_env, outputs };
        match frame.situation.allows(&step.condition, &scene.env) {
            Ok(true) if !too_late => match wrong {
                None => self.perform(&scene, frame).await,
                Some(wrong) => self.give_up(&scene, frame, wrong).await,
            },
            Ok(_) => self.finish(&scene, frame, Outcome::Skipped, 0.0, 0).await,
            Err(message) => {
                let what = format!("the condition of `{}` has no value: {message}", step.name);
                self.give_up(&scene, frame, what).await;
            }
        }
    }

    /// A step that fails before it begins.
    async fn give_up(&mut self, scene: &Scene<'_>, frame: &mut Frame, message: String) {
        self.started(scene).await;
        self.report(scene, frame, without_value(scene, &message)).await;
        self.finish(scene, frame, Outcome::Failure, 0.0, 0).await;
    }

    fn notice_cancel(&mut self, frame: &mut Frame) {
        if self.stage.ctx.cancel.is_cancelled() {
            frame.situation.cancelled = true;
            self.grace.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
        }
    }

    async fn started(&self, scene: &Scene<'_>) {
        let (step, name) = (scene.step.index, scene.step.name.clone());
        scene.ctx.events.emit(Body::StepStarted { step, name }).await;
    }

    async fn perform(&mut self, scene: &Scene<'_>, frame: &mut Frame) {
        self.started(scene).await;
        let begin = Instant::now();
        let (outcome, attempts) = match &scene.step.action {
            Action::Uses(uses) => (self.block(scene, uses, frame).await, 1),
            _ => self.attempts(scene, frame).await,
        };
        self.finish(scene, frame, outcome, begin.elapsed().as_secs_f64(), attempts).await;
    }

    /// Tries until it succeeds or nothing is left: how it ended, and how often it was tried.
    async fn attempts(&mut self, scene: &Scene<'_>, frame: &mut Frame) -> (Outcome, u32) {
        let retry = scene.step.retry;
        let mut attempt = 1;
        let outcome = loop {
            // Only the last attempt's count.
            scene.keep_outputs(Object::new());
            match self.attempt(scene, frame).await {
                Ok(()) => break Outcome::Success,
                Err(Stop::Cancelled { .. }) => break Outcome::Cancelled,
                Err(Stop::Failed(failure)) if attempt < retry.attempts && !scene.ctx.cancel.is_cancelled() => {
                    self.tell_of_retry(scene, &failure, attempt).await;
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(retry.delay)) => attempt += 1,
                        () = scene.ctx.cancel.cancelled() => break Outcome::Cancelled,
                        () = until(frame.until) => {
                            frame.expired.get_or_insert_default();
                            break Outcome::Cancelled;
                        }
                    }
                }
                Err(Stop::Failed(mut failure)) => {
                    if attempt > 1 {
                        failure.message = format!("{} (attempt {attempt} of {})", failure.message, retry.attempts);
                    }
                    self.report(scene, frame, *failure).await;
                    break Outcome::Failure;
                }
            }
        };
        (outcome, attempt)
    }

    async fn tell_of_retry(&self, scene: &Scene<'_>, failure: &Failure, attempt: u32) {
        let retry = scene.step.retry;
        let message = self.redactor.redact(&failure.message);
        let when = if retry.delay == 0 { "now".to_owned() } else { format!("in {} s", retry.delay) };
        let text = format!("attempt {attempt} of {}: {message}; trying again {when}", retry.attempts);
        scene.ctx.events.note(text).await;
    }

    /// Tells of a failure, which is the job's unless the step, or one that uses its file, continues on error.
    pub(super) async fn report(&mut self, scene: &Scene<'_>, frame: &Frame, mut failure: Failure) {
        failure.step = Some(scene.step.index);
        failure.message = self.redactor.redact(&failure.message);
        failure.command = failure.command.map(|command| self.redactor.redact(&command));
        failure.hint = failure.hint.map(|hint| self.redactor.redact(&hint));
        failure.excerpt = self.redactor.redact_lines(&failure.excerpt);
        if scene.step.continue_on_error || frame.forgiven {
            scene.ctx.events.warn(failure).await;
        } else {
            self.report_machine(scene).await;
            scene.ctx.events.emit(Body::Failure(failure.clone())).await;
            self.summary.failure.get_or_insert(failure);
        }
    }

    /// Tells first why the machine has ended, if it has: what the step says of it is only that it was left alone.
    async fn report_machine(&mut self, scene: &Scene<'_>) {
        if self.summary.failure.is_none()
            && let Some(reason) = scene.guest.post_mortem().await
        {
            let reason = Failure { step: Some(scene.step.index), ..reason };
            scene.ctx.events.emit(Body::Failure(reason.clone())).await;
            self.summary.failure = Some(reason);
        }
    }

    async fn finish(&mut self, scene: &Scene<'_>, frame: &mut Frame, outcome: Outcome, seconds: f64, attempts: u32) {
        let step = scene.step;
        let conclusion = match outcome {
            Outcome::Failure if step.continue_on_error => Outcome::Success,
            outcome => outcome,
        };
        frame.situation.failed |= conclusion == Outcome::Failure;
        frame.cut |= outcome == Outcome::Cancelled;
        if let Some(id) = step.id.clone() {
            frame.situation.steps.push(Ended { id, outcome, conclusion, outputs: scene.outputs() });
        }
        let name = step.name.clone();
        let finished = StepFinished { step: step.index, name, outcome, conclusion, seconds, attempts };
        scene.ctx.events.emit(Body::StepFinished(finished.clone())).await;
        self.summary.steps.push(finished);
    }

    /// One attempt, within its time limit and until the job is cancelled.
    async fn attempt(&mut self, scene: &Scene<'_>, frame: &mut Frame) -> Result<(), Stop> {
        // Not a child of the job's token: some steps go on when the job is cancelled.
        let token = CancellationToken::new();
        let work = act(scene, &token);
        tokio::pin!(work);
        let cut = tokio::select! {
            result = &mut work => return result,
            cut = self.cut(scene, frame) => cut,
        };
        token.cancel();
        let limit = if matches!(cut, Cut::Cancel) { HURRIED_KILL_LIMIT } else { KILL_LIMIT };
        let result = tokio::time::timeout(limit, work).await;
        let excerpt = match result {
            // It ended in the very moment.
            Ok(result @ (Ok(()) | Err(Stop::Failed(_)))) => return result,
            Ok(Err(Stop::Cancelled { excerpt })) => excerpt,
            Err(_) => Vec::new(),
        };
        match cut {
            Cut::Cancel => Err(Stop::Cancelled { excerpt }),
            Cut::Expired => {
                frame.expired = Some(excerpt);
                Err(Stop::Cancelled { excerpt: Vec::new() })
            }
            Cut::Timeout(seconds) => Err(Stop::Failed(Box::new(timed_out(scene, seconds, excerpt)))),
        }
    }

    /// Waits until the attempt has to stop.
    async fn cut(&mut self, scene: &Scene<'_>, frame: &mut Frame) -> Cut {
        let expired = until(frame.until);
        let timeout = async {
            match scene.step.timeout {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        let cancel = async {
            scene.ctx.cancel.cancelled().await;
            self.notice_cancel(frame);
            let goes_on = frame.situation.allows(&scene.step.condition, &scene.env);
            if let (Ok(true), Some(grace)) = (goes_on, self.grace) {
                tokio::time::sleep_until(grace).await;
            }
        };
        tokio::select! {
            () = timeout => Cut::Timeout(scene.step.timeout.unwrap_or_default()),
            () = expired => Cut::Expired,
            () = cancel => Cut::Cancel,
        }
    }
}

/// Why an attempt is stopped from outside.
enum Cut {
    /// Its seconds are over.
    Timeout(u64),
    /// The time of a step is over that uses the file.
    Expired,
    Cancel,
}

/// Waits for a moment; forever where there is none.
async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The failure of a step for which an expression has no value. Its error may repeat what the guest wrote: of any length,
/// and with what steers a terminal.
pub(super) fn without_value(scene: &Scene<'_>, message: &str) -> Failure {
    const LONGEST: usize = 500;
    // Redacted before it is cut: half a secret would not be known.
    let mut message = scene.ctx.events.redactor().redact(&clean_line(message.as_bytes()));
    if let Some((end, _)) = message.char_indices().nth(LONGEST) {
        message.truncate(end);
        message.push_str(" …");
    }
    Failure { place: Some(scene.place()), ..Failure::new(message) }
}

/// The failure of a step whose seconds are over.
pub(super) fn timed_out(scene: &Scene<'_>, seconds: u64, excerpt: Vec<String>) -> Failure {
    let message = format!("`{}` timed out after {}", scene.step.name, duration(seconds));
    Failure { place: Some(scene.place()), excerpt, ..Failure::new(message) }
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
        // It is no single attempt: the loop itself runs its steps.
        Action::Uses(_) => Ok(()),
    }
}
