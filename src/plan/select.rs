//! Choosing among a plan's jobs: `ovenbird build JOB…` and `--only EXPR`.

use super::job::Job;
use super::model::Plan;
use crate::diagnostic::nearest;
use crate::expression::{self, Environment, Object, SyntaxError, Value};

/// Why no job was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A name that no job has.
    #[error("there is no job `{name}`")]
    UnknownJob { name: String, hint: String },
    /// `--only` is no expression, or can't be evaluated.
    #[error("`--only {expression}`: {message}")]
    Expression { expression: String, message: String },
    /// No job is left.
    #[error("`--only {expression}` chooses none of the {jobs} jobs")]
    Nothing { expression: String, jobs: usize },
}

impl SelectError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownJob { hint, .. } => hint.clone(),
            Self::Expression { .. } => {
                "write an expression such as `matrix.suite == 'bookworm'`; it can use `matrix`, `platform` and `job`"
                    .to_owned()
            }
            Self::Nothing { .. } => "`ovenbird plan` lists the jobs".to_owned(),
        }
    }
}

/// The jobs that have one of these names (all, without names) and for which the expression holds, in plan order.
///
/// # Errors
/// A name that no job has, a wrong expression, or one that no job fits.
pub fn select(plan: &Plan, jobs: &[String], only: Option<&str>) -> Result<Vec<Job>, SelectError> {
    for name in jobs {
        if !plan.jobs.iter().any(|job| job.id.0 == *name) {
            return Err(unknown(plan, name));
        }
    }
    let named = plan.jobs.iter().filter(|job| jobs.is_empty() || jobs.contains(&job.id.0));
    let Some(expression) = only else { return Ok(named.cloned().collect()) };
    let error = |message: String| SelectError::Expression { expression: expression.to_owned(), message };
    let text = expression.trim();
    let inner = text.strip_prefix("${{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text);
    let expr = expression::parse(inner).map_err(|SyntaxError { message, .. }| error(message))?;
    let mut selected = Vec::new();
    for job in named {
        let scope = JobScope { job, platform: plan.platforms.get(&job.id).map_or("", String::as_str) };
        let value = expression::evaluate(&expr, &scope).map_err(|failed| error(failed.message))?;
        if value.is_truthy() {
            selected.push(job.clone());
        }
    }
    if selected.is_empty() {
        return Err(SelectError::Nothing { expression: expression.to_owned(), jobs: plan.jobs.len() });
    }
    Ok(selected)
}

fn unknown(plan: &Plan, name: &str) -> SelectError {
    let ids: Vec<&str> = plan.jobs.iter().map(|job| job.id.0.as_str()).collect();
    let hint = match nearest(name, ids.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the jobs are {}", ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")),
    };
    SelectError::UnknownJob { name: name.to_owned(), hint }
}

/// What `--only` sees of a job.
struct JobScope<'a> {
    job: &'a Job,
    platform: &'a str,
}

impl Environment for JobScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        let pairs = |pairs: &[(&str, &str)]| -> Object {
            pairs.iter().map(|(key, value)| (*key, Value::from(*value))).collect()
        };
        match name.to_lowercase().as_str() {
            "matrix" => Some(Value::Object(Object::from(&self.job.matrix))),
            "platform" => {
                Some(Value::Object(pairs(&[("name", self.platform), ("builder", self.job.platform.builder())])))
            }
            "job" => Some(Value::Object(pairs(&[("id", &self.job.id.0)]))),
            _ => None,
        }
    }

    fn call(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
