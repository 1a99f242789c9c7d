//! The contexts of expressions, as one table: where each may stand, and which names it holds.

use super::decode::Site;
use crate::expression::{Reference, Segment};

/// What `git` holds.
pub(crate) const GIT_KEYS: &[&str] = &["sha", "short-sha", "branch", "tag", "dirty", "commit-time"];
/// What `ci` holds.
pub(crate) const CI_KEYS: &[&str] = &[
    "name",
    "run-id",
    "run-number",
    "run-attempt",
    "url",
    "repository",
    "sha",
    "ref",
    "branch",
    "tag",
    "event",
    "pull-request",
    "actor",
    "job",
    "server-url",
];
/// What `strategy` holds.
pub(crate) const STRATEGY_KEYS: &[&str] = &["fail-fast", "max-parallel", "job-index", "job-total"];
/// What `image` holds.
pub(crate) const IMAGE_KEYS: &[&str] = &["name", "version"];
/// What `job` holds when a job is planned.
#[cfg(test)]
pub(crate) const JOB_KEYS: &[&str] = &["id"];
/// What `platform` holds.
pub(crate) const PLATFORM_KEYS: &[&str] = &["name", "builder", "arch", "firmware"];
/// What `steps.ID` holds.
pub(super) const STEP_KEYS: &[&str] = &["outcome", "conclusion", "outputs"];
/// What `job` holds while the job runs.
const RUNNING_JOB_KEYS: &[&str] = &["id", "status"];
/// What `runner` holds.
const RUNNER_KEYS: &[&str] = &["os", "arch", "name", "temp"];

/// One context.
pub(super) struct Context {
    pub(super) name: &'static str,
    pub(super) sites: &'static [Site],
    pub(super) names: Names,
}

/// What can follow a context's name.
#[derive(Clone, Copy)]
pub(super) enum Names {
    /// The definition's variables.
    Variables,
    /// The keys of the matrix.
    Matrix,
    /// The environment variables that are known where the expression stands.
    Env,
    /// The inputs of the step file that the expression is in.
    Inputs,
    /// The ids of earlier steps, and then [`STEP_KEYS`].
    Steps,
    /// These.
    Keys(&'static [&'static str]),
    /// One of these, and never the context as a whole: it has more when the job runs.
    OneOf(&'static [&'static str]),
}

const EVERYWHERE: &[Site] = &[
    Site::Strategy,
    Site::Platform,
    Site::JobEnv,
    Site::StepEnv,
    Site::Script,
    Site::Local,
    Site::Plain,
    Site::Condition,
    Site::With,
    Site::StepFileOutput,
];
/// Where it is known which job it is.
const IN_JOBS: &[Site] = &[
    Site::Platform,
    Site::JobEnv,
    Site::StepEnv,
    Site::Script,
    Site::Local,
    Site::Plain,
    Site::Condition,
    Site::With,
    Site::StepFileOutput,
];
/// Where the machine is known too.
const ON_MACHINES: &[Site] = &[
    Site::JobEnv,
    Site::StepEnv,
    Site::Script,
    Site::Local,
    Site::Plain,
    Site::Condition,
    Site::With,
    Site::StepFileOutput,
];
/// Where the definition's `env` is known too.
const IN_STEPS: &[Site] = &[Site::StepEnv, Site::Script, Site::Local, Site::Plain, Site::Condition, Site::With];
/// Where a step file can know its inputs.
const IN_STEP_FILES: &[Site] =
    &[Site::StepEnv, Site::Script, Site::Local, Site::Plain, Site::Condition, Site::With, Site::StepFileOutput];
/// Where the steps before have ended. All else is decided before the first step runs.
pub(super) const BETWEEN_STEPS: &[Site] = &[Site::Condition, Site::StepEnv, Site::With, Site::StepFileOutput];

const CONTEXTS: &[Context] = &[
    Context { name: "vars", sites: EVERYWHERE, names: Names::Variables },
    Context { name: "git", sites: EVERYWHERE, names: Names::Keys(GIT_KEYS) },
    Context { name: "ci", sites: EVERYWHERE, names: Names::Keys(CI_KEYS) },
    Context { name: "matrix", sites: IN_JOBS, names: Names::Matrix },
    Context { name: "strategy", sites: IN_JOBS, names: Names::Keys(STRATEGY_KEYS) },
    Context { name: "image", sites: IN_JOBS, names: Names::Keys(IMAGE_KEYS) },
    Context { name: "job", sites: IN_JOBS, names: Names::OneOf(RUNNING_JOB_KEYS) },
    Context { name: "platform", sites: ON_MACHINES, names: Names::Keys(PLATFORM_KEYS) },
    Context { name: "env", sites: IN_STEPS, names: Names::Env },
    Context { name: "inputs", sites: IN_STEP_FILES, names: Names::Inputs },
    Context { name: "runner", sites: BETWEEN_STEPS, names: Names::Keys(RUNNER_KEYS) },
    Context { name: "steps", sites: BETWEEN_STEPS, names: Names::Steps },
];

/// The context of a name in lowercase.
pub(super) fn find(name: &str) -> Option<&'static Context> {
    CONTEXTS.iter().find(|context| context.name == name)
}

/// The names of the contexts that an expression may use where it stands.
pub(super) fn known_at(site: Site) -> impl Iterator<Item = &'static str> {
    CONTEXTS.iter().filter(move |context| context.sites.contains(&site)).map(|context| context.name)
}

/// Whether what an expression refers to is known only while the job runs.
pub(super) fn is_late(reference: &Reference) -> bool {
    match (reference.context.to_lowercase().as_str(), reference.path.first()) {
        ("steps" | "runner", _) => true,
        ("job", Some(Segment::Key(key))) => key.eq_ignore_ascii_case("status"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_and_each_of_its_keys_is_documented() {
        let documentation = include_str!("../../docs/definition.md");
        for Context { name, names, .. } in CONTEXTS {
            let heading = format!("\n### `{name}`\n");
            let section =
                documentation.split_once(&heading).map(|(_, rest)| rest.split("\n#").next().unwrap_or_default());
            let keys: Vec<&str> = section.into_iter().flat_map(str::lines).filter_map(key_of_row).collect();
            match names {
                Names::Keys(known) | Names::OneOf(known) => assert_eq!(keys, *known, "{name}"),
                Names::Steps => assert_eq!(keys, STEP_KEYS, "{name}"),
                _ => assert!(section.is_some(), "{name}"),
            }
        }
    }

    /// The key at the beginning of a table's row: of `ID.outputs.NAME` the `outputs`.
    fn key_of_row(row: &str) -> Option<&str> {
        let (key, _) = row.strip_prefix("| `")?.split_once('`')?;
        Some(key.strip_prefix("ID.").map_or(key, |key| key.split('.').next().unwrap_or_default()))
    }
}
