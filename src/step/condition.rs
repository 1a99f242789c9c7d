//! Whether a step runs: `if:` and the status functions.

use crate::event::Outcome;
use crate::expression::{Environment, Object, Value, evaluate};
use crate::plan::job::Condition;

/// What the steps before have left.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    /// A step failed and did not continue on error.
    pub(super) failed: bool,
    pub(super) cancelled: bool,
    /// Steps with an `id:` that have ended: outcome and conclusion.
    pub(super) steps: Vec<(String, Outcome, Outcome)>,
}

impl Situation {
    /// Whether a step with this condition runs now.
    pub(super) fn allows(&self, condition: &Condition) -> Result<bool, String> {
        match condition {
            Condition::Success => Ok(self.status() == "success"),
            Condition::Never => Ok(false),
            Condition::When(expr) => match evaluate(expr, self) {
                Ok(value) => Ok(value.is_truthy()),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// `job.status`. A cancelled job is cancelled whatever failed before, as in Actions.
    fn status(&self) -> &'static str {
        match (self.cancelled, self.failed) {
            (true, _) => "cancelled",
            (false, true) => "failure",
            (false, false) => "success",
        }
    }
}

impl Environment for Situation {
    fn context(&self, name: &str) -> Option<Value> {
        if name.eq_ignore_ascii_case("job") {
            return Some(Value::Object([("status", Value::String(self.status().to_owned()))].into_iter().collect()));
        }
        if !name.eq_ignore_ascii_case("steps") {
            return None;
        }
        let step = |(id, outcome, conclusion): &(String, Outcome, Outcome)| {
            let word = |outcome| Value::String(word(outcome).to_owned());
            let fields: Object = [("outcome", word(*outcome)), ("conclusion", word(*conclusion))].into_iter().collect();
            (id.clone(), Value::Object(fields))
        };
        Some(Value::Object(self.steps.iter().map(step).collect()))
    }

    fn call(&self, name: &str, _: &[Value]) -> Option<Result<Value, String>> {
        let holds = match name {
            "always" => true,
            "success" | "failure" | "cancelled" => {
                let status = self.status();
                name == status
            }
            _ => return None,
        };
        Some(Ok(Value::Bool(holds)))
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
        situation.allows(&Condition::When(parse(text).unwrap())).unwrap()
    }

    #[test]
    fn status_functions_answer_as_in_actions() {
        let at = |failed, cancelled| Situation { failed, cancelled, steps: Vec::new() };
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
            assert_eq!(situation.allows(&Condition::Success), Ok(expected[0]));
            assert_eq!(situation.allows(&Condition::Never), Ok(false));
        }
    }

    #[test]
    fn earlier_steps_and_the_status_can_be_asked_for() {
        let steps = vec![("first".to_owned(), Outcome::Failure, Outcome::Success)];
        let situation = Situation { failed: false, cancelled: false, steps };
        assert!(allows(&situation, "steps.first.outcome == 'failure' && steps.first.conclusion == 'success'"));
        assert!(allows(&situation, "steps.later.outcome == null"));
        assert!(allows(&situation, "job.status == 'success'"));
    }
}
