//! Choosing among a plan's jobs: `ovenbird build JOB…` and `--only EXPR`.

use std::collections::BTreeSet;

use super::job::Job;
use super::model::Plan;
use super::resolve::{image_context, job_context, strategy_context};
use crate::diagnostic::nearest;
use crate::event::JobId;
use crate::expression::{self, Environment, Expr, Object, Segment, SyntaxError, Value};

/// Why no job was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A name that no job has.
    #[error("there is no job `{name}`")]
    UnknownJob { name: String, hint: String },
    /// `--only` is no expression, or can't be evaluated.
    #[error("`--only {expression}`: {message}")]
    Expression { expression: String, message: String },
    /// `--only` names a key that no job has.
    #[error("`--only {expression}`: `{context}` has no key `{key}`")]
    UnknownKey { expression: String, context: String, key: String, hint: String },
    /// No job is left.
    #[error("`--only {expression}` chooses none of the {jobs} jobs")]
    Nothing { expression: String, jobs: usize },
}

impl SelectError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownJob { hint, .. } | Self::UnknownKey { hint, .. } => hint.clone(),
            Self::Expression { .. } => {
                "write an expression such as `matrix.suite == 'bookworm'`; it can use `matrix`, `platform`, \
                 `job`, `strategy`, `image`, `git` and `ci`"
                    .to_owned()
            }
            Self::Nothing { .. } => "`ovenbird plan` lists the jobs".to_owned(),
        }
    }
}

/// Takes out of a plan the jobs that have one of these names (all, without names) and for which the expression holds, in
/// plan order.
///
/// # Errors
/// A name or a key that no job has, a wrong expression, or one that no job fits.
pub fn select(plan: &mut Plan, jobs: &[String], only: Option<&str>) -> Result<Vec<Job>, SelectError> {
    for name in jobs {
        if !plan.jobs.iter().any(|job| job.id.0 == *name) {
            return Err(unknown(plan, name));
        }
    }
    let fits = only.map(|only| fitting(plan, only)).transpose()?;
    let is_chosen = |job: &Job| {
        (jobs.is_empty() || jobs.contains(&job.id.0)) && fits.as_ref().is_none_or(|fits| fits.contains(&job.id))
    };
    let all = plan.jobs.len();
    let selected: Vec<Job> = std::mem::take(&mut plan.jobs).into_iter().filter(is_chosen).collect();
    match only {
        Some(expression) if selected.is_empty() => {
            Err(SelectError::Nothing { expression: expression.to_owned(), jobs: all })
        }
        _ => Ok(selected),
    }
}

/// The jobs for which an expression holds.
fn fitting(plan: &Plan, expression: &str) -> Result<BTreeSet<JobId>, SelectError> {
    let error = |message: String| SelectError::Expression { expression: expression.to_owned(), message };
    let text = expression.trim();
    let inner = text.strip_prefix("${{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text);
    let expr = expression::parse(inner).map_err(|SyntaxError { message, .. }| error(message))?;
    if let Some(unknown) = unknown_key(plan, expression, &expr) {
        return Err(unknown);
    }
    let mut fitting = BTreeSet::new();
    for job in &plan.jobs {
        let scope = JobScope { plan, job };
        let value = expression::evaluate(&expr, &scope).map_err(|failed| error(failed.message))?;
        if value.is_truthy() {
            fitting.insert(job.id.clone());
        }
    }
    Ok(fitting)
}

fn unknown(plan: &Plan, name: &str) -> SelectError {
    let ids: Vec<&str> = plan.jobs.iter().map(|job| job.id.0.as_str()).collect();
    SelectError::UnknownJob { name: name.to_owned(), hint: did_you_mean(name, "jobs", &ids) }
}

/// What the nearest name is, else all of them.
fn did_you_mean(written: &str, kind: &str, names: &[&str]) -> String {
    match nearest(written, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("there are no {kind}"),
        None => {
            format!("the {kind} are {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A key that the expression asks for and no job of the plan has: it would be null, and quietly choose nothing.
fn unknown_key(plan: &Plan, expression: &str, expr: &Expr) -> Option<SelectError> {
    expr.references().into_iter().find_map(|reference| {
        let Some(Segment::Key(key)) = reference.path.first() else { return None };
        let context = reference.context.to_lowercase();
        let keys: Vec<String> = match context.as_str() {
            "matrix" => plan
                .jobs
                .iter()
                .flat_map(|job| job.matrix.keys())
                .cloned()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            // All others have the same keys in every job. Evaluating tells that there is no such context.
            name => {
                plan.jobs.first().and_then(|job| fixed_context(plan, job, name))?.keys().map(str::to_owned).collect()
            }
        };
        if keys.iter().any(|known| known.to_lowercase() == key.to_lowercase()) {
            return None;
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let hint = did_you_mean(key, &format!("keys of `{context}`"), &keys);
        Some(SelectError::UnknownKey { expression: expression.to_owned(), context, key: key.clone(), hint })
    })
}

/// What `--only` sees of a job.
struct JobScope<'a> {
    plan: &'a Plan,
    job: &'a Job,
}

/// A context whose keys are the same in every job, by its name in lowercase.
fn fixed_context(plan: &Plan, job: &Job, name: &str) -> Option<Object> {
    Some(match name {
        "platform" => {
            let platform = plan.platforms.get(&job.id).map_or("", String::as_str);
            [("name", platform), ("builder", job.platform.builder())]
                .map(|(key, value)| (key, Value::from(value)))
                .into_iter()
                .collect()
        }
        "job" => job_context(&job.id),
        "strategy" => {
            let index = plan.jobs.iter().position(|other| other.id == job.id).unwrap_or_default();
            strategy_context(plan.fail_fast, plan.max_parallel, index, plan.jobs.len())
        }
        "image" => image_context(&plan.name, plan.version.as_deref()),
        "git" => plan.git.clone(),
        "ci" => plan.ci.clone(),
        _ => return None,
    })
}

impl Environment for JobScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name.to_lowercase().as_str() {
            "matrix" => Some(Value::Object(Object::from(&self.job.matrix))),
            name => fixed_context(self.plan, self.job, name).map(Value::Object),
        }
    }

    fn call(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
