//! The matrix of a job in a GitHub workflow: `jobs.NAME.strategy`.

use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

use super::origin::Job;
use super::read as reader;
use crate::diagnostic::{Diagnostic, Label};
use crate::source::{Place, Route, Source};

/// A value beside the matrix, and where it stands.
#[derive(Clone, Debug)]
pub struct Setting {
    pub route: Route,
    pub value: Result<Json, Vec<Diagnostic>>,
}

/// Reads a job's strategy. `named` is where the definition names the job; without `wants_matrix` the matrix is left alone.
///
/// # Errors
/// There is no such job, or it has no matrix.
pub(super) fn read(source: &Source, job: &str, named: &Label, wants_matrix: bool) -> Result<Job, Vec<Diagnostic>> {
    let (jobs, route) = jobs(source).map_err(|diagnostic| vec![diagnostic.label(named.clone())])?;
    let route = route.key(job);
    let Some(body) = jobs.get(job) else { return Err(vec![unknown(jobs, job, source, named)]) };
    let strategy = body.get("strategy").filter(|strategy| !strategy.is_null());
    let matrix = strategy.and_then(|strategy| strategy.get("matrix")).filter(|matrix| !matrix.is_null());
    let setting = |key: &str| {
        let value = strategy?.get(key).filter(|value| !value.is_null())?;
        let route = route.key("strategy").key(key);
        Some(Setting { value: reader::setting(value, &route), route })
    };
    let (fail_fast, max_parallel) = (setting("fail-fast"), setting("max-parallel"));
    let route = route.key("strategy");
    let matrix = match (matrix, wants_matrix) {
        (_, false) => None,
        (Some(matrix), true) => Some(reader::read_in_ci(matrix, &route.key("matrix"))),
        (None, true) => return Err(vec![no_matrix(body, source, job, named)]),
    };
    Ok(Job { matrix, fail_fast, max_parallel })
}

/// The jobs of a workflow that have a matrix.
#[must_use]
pub(super) fn jobs_with_matrix(source: &Source) -> Vec<&str> {
    let Ok((jobs, _)) = jobs(source) else { return Vec::new() };
    let with = jobs.iter().filter(|(_, job)| job.get("strategy").is_some_and(|one| one.get("matrix").is_some()));
    with.filter_map(|(name, _)| name.as_str()).collect()
}

fn jobs(source: &Source) -> Result<(&serde_yaml::Mapping, Route), Diagnostic> {
    let root = Route::of(source.id());
    let jobs = source.value().get("jobs").and_then(Yaml::as_mapping);
    jobs.map(|jobs| (jobs, root.key("jobs"))).ok_or_else(|| {
        let message = format!("`{}` is no workflow: it has no `jobs`", source.name());
        Diagnostic::error("matrix", message).at(Place::Key(root.key("jobs")))
    })
}

fn unknown(jobs: &serde_yaml::Mapping, job: &str, source: &Source, named: &Label) -> Diagnostic {
    let names = jobs.keys().filter_map(Yaml::as_str);
    let place = Place::Key(Route::of(source.id()).key("jobs"));
    Diagnostic::error("unknown-name", format!("`{}` has no job `{job}`", source.name()))
        .label(named.clone())
        .label(Label::new(place).text("its jobs"))
        .nearest(job, "jobs", names)
}

/// Why a job has no matrix, which depends on what it has instead.
fn no_matrix(body: &Yaml, source: &Source, job: &str, named: &Label) -> Diagnostic {
    let route = Route::of(source.id()).key("jobs").key(job);
    let others: Vec<String> = jobs_with_matrix(source).iter().map(|name| format!("`{name}`")).collect();
    let (message, place, help) = match (body.get("uses").and_then(Yaml::as_str), body.get("strategy")) {
        (Some(workflow), _) => (
            format!("the job `{job}` calls another workflow, and has no matrix of its own"),
            route.key("uses"),
            Some(match workflow.strip_prefix("./") {
                Some(file) => format!("if the matrix is in there, write `from: {file}` and the name of its job"),
                None => "that workflow is in another repository: pass its matrix as `--matrix JSON`".to_owned(),
            }),
        ),
        (None, Some(_)) => (format!("the `strategy` of the job `{job}` has no `matrix`"), route.key("strategy"), None),
        (None, None) => (format!("the job `{job}` has no `strategy`, so no matrix"), route, None),
    };
    let diagnostic = Diagnostic::error("matrix", message).at(Place::Key(place)).label(named.clone());
    let diagnostic = match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    };
    if others.is_empty() { diagnostic } else { diagnostic.help(format!("jobs with a matrix: {}", others.join(", "))) }
}
