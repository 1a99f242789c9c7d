//! A matrix in CI configuration, whichever CI it is for.

use serde_yaml::Value as Yaml;

use super::github::{self, Setting};
use super::gitlab;
use super::read::Found;
use crate::diagnostic::{Diagnostic, Label};
use crate::source::{FileId, Source, Sources};

/// Whose configuration a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    GitHub,
    GitLab,
}

/// What a job of CI configuration says of how often it runs.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// None: it was not asked for.
    pub matrix: Option<Result<Found, Vec<Diagnostic>>>,
    /// GitLab has no such setting.
    pub fail_fast: Option<Setting>,
    pub max_parallel: Option<Setting>,
}

/// Whose configuration a file is: by the name that its CI wants, else by what a workflow must have.
#[must_use]
pub fn system(source: &Source) -> System {
    let name = source.name();
    if [".gitlab-ci.yml", ".gitlab-ci.yaml"].iter().any(|end| name.ends_with(end)) {
        return System::GitLab;
    }
    let value = source.value();
    let has_jobs = value.get("on").is_some() && value.get("jobs").is_some_and(Yaml::is_mapping);
    if name.contains(".github/workflows/") || has_jobs { System::GitHub } else { System::GitLab }
}

/// Reads what a job says. `named` is where the definition names the job; without `wants_matrix` its matrix is left alone.
///
/// # Errors
/// There is no such job, or it has no matrix.
pub fn of_job(
    sources: &Sources,
    file: FileId,
    job: &str,
    named: &Label,
    wants_matrix: bool,
) -> Result<Job, Vec<Diagnostic>> {
    let source = sources.get(file);
    match system(source) {
        System::GitHub => github::read(source, job, named, wants_matrix),
        System::GitLab => {
            let matrix = wants_matrix.then(|| gitlab::read(sources, file, job, named));
            Ok(Job { matrix, ..Job::default() })
        }
    }
}

/// The jobs of a file that have a matrix, for a person to choose from.
#[must_use]
pub fn jobs_with_matrix(source: &Source) -> Vec<&str> {
    match system(source) {
        System::GitHub => github::jobs_with_matrix(source),
        System::GitLab => gitlab::jobs_with_matrix(source.value()),
    }
}
