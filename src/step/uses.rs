//! `uses:` the steps of a file, as a composite action.
//!
//! Whether it runs is decided once, on entry; there its inputs and its `env` get their values too. The steps of the file
//! know each other only: `success()` and `failure()` begin anew, as in a composite action of GitHub, where both ask for
//! the action's own status. When the last one has ended, also after a failure, the outputs are evaluated.

use std::time::Duration;

use crate::event::Outcome;
use crate::plan::job::{Condition, Uses};
use crate::step::condition::Situation;
use crate::step::sequence::{Frame, Scene, Sequence, timed_out, without_value};

impl Sequence<'_> {
    /// Runs the steps of a file.
    pub(super) async fn block(&mut self, scene: &Scene<'_>, uses: &Uses, frame: &mut Frame) -> Outcome {
        let limit = scene.step.timeout.map(|seconds| tokio::time::Instant::now() + Duration::from_secs(seconds));
        let mut inner = match enter(scene, uses, frame) {
            Ok(situation) => Frame {
                situation,
                env: scene.env.clone(),
                until: [limit, frame.until].into_iter().flatten().min(),
                forgiven: frame.forgiven || scene.step.continue_on_error,
                ..Frame::default()
            },
            Err(message) => return self.fail(scene, frame, message).await,
        };
        self.steps(&uses.steps, &mut inner).await;
        let outcome = self.outcome(scene, frame, &mut inner, limit).await;
        match inner.situation.settle_named(&uses.outputs, &scene.env) {
            Ok(outputs) => scene.keep_outputs(outputs),
            Err(error) if outcome == Outcome::Success => {
                let message = format!("an output of `{}` has no value: {error}", scene.step.name);
                return self.fail(scene, frame, message).await;
            }
            // That it has none matters less than why it failed.
            Err(_) => {}
        }
        outcome
    }

    /// How the steps of the file ended together.
    async fn outcome(
        &mut self,
        scene: &Scene<'_>,
        frame: &mut Frame,
        inner: &mut Frame,
        limit: Option<tokio::time::Instant>,
    ) -> Outcome {
        match inner.expired.take() {
            Some(excerpt) if limit.is_some() && inner.until == limit => {
                let failure = timed_out(scene, scene.step.timeout.unwrap_or_default(), excerpt);
                self.report(scene, frame, failure).await;
                return Outcome::Failure;
            }
            Some(excerpt) => {
                frame.expired = Some(excerpt);
                return Outcome::Cancelled;
            }
            None => {}
        }
        let stopped = inner.situation.cancelled && !inner.situation.shielded;
        match inner.situation.failed {
            _ if inner.cut || stopped => Outcome::Cancelled,
            true => Outcome::Failure,
            false => Outcome::Success,
        }
    }

    async fn fail(&mut self, scene: &Scene<'_>, frame: &Frame, message: String) -> Outcome {
        self.report(scene, frame, without_value(scene, &message)).await;
        Outcome::Failure
    }
}

/// What the first step of the file finds.
fn enter(scene: &Scene<'_>, uses: &Uses, frame: &Frame) -> Result<Situation, String> {
    let outer = &frame.situation;
    let inputs = outer.settle_named(&uses.inputs, &scene.env);
    let inputs = inputs.map_err(|error| format!("an input of `{}` has no value: {error}", scene.step.name))?;
    Ok(Situation {
        cancelled: outer.cancelled,
        shielded: outer.shielded || runs_when_cancelled(outer, &scene.step.condition, scene),
        job_failed: Some(outer.job_failed.unwrap_or(outer.failed)),
        inputs: Some(inputs),
        runner: outer.runner.clone(),
        ..Situation::default()
    })
}

fn runs_when_cancelled(outer: &Situation, condition: &Condition, scene: &Scene<'_>) -> bool {
    let cancelled = Situation { cancelled: true, ..outer.clone() };
    cancelled.allows(condition, &scene.env) == Ok(true)
}
