//! What only the run can know: whether a step runs (`if:` and the status functions), and the values of expressions that
//! name `steps`, `job`, `runner`, or an `env` or `inputs` that do.

use crate::event::Outcome;
use crate::expression::{Environment, Object, Value, evaluate};
use crate::plan::job::{Condition, EnvVar, Named, Text, Unresolved};

/// What the steps before have left: those of the definition, or those of the step file that a step stands in.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    /// A step failed and did not continue on error.
    pub(super) failed: bool,
    /// The job is cancelled.
    pub(super) cancelled: bool,
    /// The step that uses the step file runs although the job is cancelled, so those of the file do.
    pub(super) shielded: bool,
    /// In a step file: how the job stood when the first file was entered, whose steps do not count until it ends.
    pub(super) job_failed: Option<bool>,
    /// Steps with an `id:` that have ended.
    pub(super) steps: Vec<Ended>,
    /// In a step file: what `inputs` holds.
    pub(super) inputs: Option<Object>,
    /// What `runner` holds.
    pub(super) runner: Object,
}

/// What `steps.ID` holds.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) outcome: Outcome,
    pub(super) conclusion: Outcome,
    pub(super) outputs: Object,
}

impl Situation {
    /// Whether a step with this condition runs now. `env`: what it sees.
    pub(super) fn allows(&self, condition: &Condition, env: &[EnvVar]) -> Result<bool, String> {
        match condition {
            Condition::Success => Ok(self.status() == "success"),
            Condition::Never => Ok(false),
            Condition::When(expr) => match evaluate(expr, &Run { situation: self, env }) {
                Ok(value) => Ok(value.is_truthy()),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// A text with what only the run can know put in.
    pub(super) fn settle(&self, text: &Text, env: &[EnvVar]) -> Result<Text, Unresolved> {
        text.settle(&Run { situation: self, env })
    }

    /// The same of the variables of a step.
    pub(super) fn settle_env(&self, own: &[EnvVar], env: &[EnvVar]) -> Result<Vec<EnvVar>, Unresolved> {
        own.iter().map(|var| Ok(EnvVar { name: var.name.clone(), value: self.settle(&var.value, env)? })).collect()
    }

    /// The same of inputs or outputs.
    pub(super) fn settle_named(&self, list: &[Named], env: &[EnvVar]) -> Result<Object, Unresolved> {
        let settle = |named: &Named| Ok((named.name.clone(), readable(&self.settle(&named.value, env)?)));
        list.iter().map(settle).collect::<Result<_, _>>()
    }

    /// How the steps before have ended, as `success()` and its siblings see it. In a step file these are its own, as in
    /// a composite action. A cancelled job is cancelled whatever failed before.
    fn status(&self) -> &'static str {
        status(self.cancelled && !self.shielded, self.failed)
    }

    fn is(&self, name: &str) -> Option<bool> {
        match name {
            "always" => Some(true),
            "cancelled" => Some(self.cancelled),
            "success" | "failure" => Some(name == self.status()),
            _ => None,
        }
    }
}

fn status(cancelled: bool, failed: bool) -> &'static str {
    match (cancelled, failed) {
        (true, _) => "cancelled",
        (false, true) => "failure",
        (false, false) => "success",
    }
}

/// What an expression sees while the job runs.
struct Run<'a> {
    situation: &'a Situation,
    env: &'a [EnvVar],
}

impl Environment for Run<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        let situation = self.situation;
        Some(Value::Object(match name.to_ascii_lowercase().as_str() {
            "job" => {
                let failed = situation.job_failed.unwrap_or(situation.failed);
                [("status", Value::from(status(situation.cancelled, failed)))].into_iter().collect()
            }
            "runner" => situation.runner.clone(),
            "steps" => situation.steps.iter().map(|step| (step.id.clone(), step.value())).collect(),
            "inputs" => situation.inputs.clone()?,
            "env" => self.env.iter().map(|var| (var.name.clone(), readable(&var.value))).collect(),
            _ => return None,
        }))
    }

    fn call(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        self.situation.is(name).map(|holds| Ok(Value::Bool(holds)))
    }
}

/// A value as an expression may read it: `validate` refuses to read a sensitive one, and this keeps it so.
fn readable(text: &Text) -> Value {
    match text.secrets().next() {
        Some(_) => Value::Null,
        None => Value::from(text.to_string()),
    }
}

impl Ended {
    fn value(&self) -> Value {
        let word = |outcome| Value::from(word(outcome));
        let fields = [
            ("outcome", word(self.outcome)),
            ("conclusion", word(self.conclusion)),
            ("outputs", Value::Object(self.outputs.clone())),
        ];
        Value::Object(fields.into_iter().collect())
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Cancelled => "cancelled",
        Outcome::Skipped => "skipped",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use crate::expression::parse;

    fn allows(situation: &Situation, text: &str) -> bool {
        situation.allows(&Condition::When(parse(text).unwrap()), &[]).unwrap()
    }

    #[test]
    fn status_functions_answer_as_in_actions() {
        let at = |failed, cancelled| Situation { failed, cancelled, ..Situation::default() };
        let table = [
            // failed, cancelled: success() failure() always() cancelled()
            (at(false, false), [true, false, true, false]),
            (at(true, false), [false, true, true, false]),
            (at(false, true), [false, false, true, true]),
            (at(true, true), [false, false, true, true]),
        ];
        for (situation, expected) in table {
            let functions = ["success()", "failure()", "always()", "cancelled()"];
            assert_eq!(functions.map(|text| allows(&situation, text)), expected, "{situation:?}");
            assert_eq!(situation.allows(&Condition::Success, &[]), Ok(expected[0]));
            assert_eq!(situation.allows(&Condition::Never, &[]), Ok(false));
        }
    }

    #[test]
    fn earlier_steps_and_the_status_can_be_asked_for() {
        let outputs = [("Port", Value::from("8080"))].into_iter().collect();
        let first = Ended { id: "first".into(), outcome: Outcome::Failure, conclusion: Outcome::Success, outputs };
        let situation = Situation { steps: vec![first], ..Situation::default() };
        assert!(allows(&situation, "steps.first.outcome == 'failure' && steps.first.conclusion == 'success'"));
        assert!(allows(&situation, "steps.first.outputs.port == 8080 && steps.first.outputs.none == null"));
        assert!(allows(&situation, "steps.later.outcome == null"));
        assert!(allows(&situation, "job.status == 'success'"));
    }

    #[test]
    fn in_a_step_file_its_own_steps_count_and_the_job_is_as_it_was() {
        let inside = |failed, job_failed| Situation { failed, job_failed: Some(job_failed), ..Situation::default() };
        assert!(allows(&inside(false, true), "success() && !failure() && job.status == 'failure'"));
        assert!(allows(&inside(true, false), "failure() && job.status == 'success'"));
        let shielded = Situation { cancelled: true, shielded: true, ..Situation::default() };
        assert!(allows(&shielded, "success() && cancelled()"));
    }

    #[test]
    fn a_sensitive_variable_of_the_environment_is_null_for_an_expression() {
        let var = |name: &str, value| EnvVar { name: name.to_owned(), value };
        let env = [
            var("PLAIN", Text::literal("x")),
            var("TOKEN", Text(vec![crate::plan::job::Part::Secret("token".to_owned())])),
        ];
        let condition = Condition::When(parse("env.plain == 'x' && env.token == null").unwrap());
        assert_eq!(Situation::default().allows(&condition, &env), Ok(true));
    }
}
