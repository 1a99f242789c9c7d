//! Definition × matrix → jobs.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::{Map, Value as Json};

use super::inputs::{Facts, Inputs};
use super::job::{CiRun, DefinitionFile, DiskFormat, Job, Origin, Output, Platform, Step, WIRE_VERSION};
use super::machine::machine;
use super::model::{NeededFile, Plan};
use super::scope::{Gaps, Resolver, Scope};
use super::steps::steps;
use super::testing::{Goss, tests};
use crate::definition::{self, Definition, Unknown};
use crate::diagnostic::{self, Diagnostic};
use crate::event::JobId;
use crate::expression::{Object, Value};
use crate::matrix::{self, Cell};
use crate::source::{Place, Route, Sources};

/// Characters of a commit's name in a version, where git does not say them: as many as `git.short-sha` has.
const SHORT_COMMIT: usize = 8;

/// The most that all jobs' definitions may be together, in bytes: 256 jobs of 512 KiB.
const MOST_PLANNED: usize = 128 * 1024 * 1024;

/// One platform's build of one matrix cell, before it is resolved.
pub(super) struct Target<'a> {
    pub(super) id: JobId,
    /// Its position in the whole matrix.
    pub(super) index: usize,
    /// None: it could not be read.
    pub(super) platform: Option<&'a definition::Platform>,
    pub(super) cell: Map<String, Json>,
}

/// A plan as far as the definition could be read.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Only without errors is it what would be built.
    pub plan: Plan,
    /// The steps that are right of each job that is not.
    pub steps: Vec<Vec<Step>>,
    /// The goss files of each job that is tested, right or not.
    pub goss: Vec<Goss>,
    /// Everything that an expression's value makes wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// What all jobs have in common.
pub(super) struct Common {
    version: Option<String>,
    fail_fast: bool,
    max_parallel: Option<u32>,
    jobs: usize,
    scope: Scope,
}

/// Resolves every job of a definition. `root` is the definition's folder, absolute.
///
/// # Errors
/// Everything that an expression's value makes wrong, in the order of the file.
pub fn plan(
    sources: &Sources,
    definition: &Definition,
    inputs: &Inputs,
    root: &Utf8Path,
) -> Result<Plan, Vec<Diagnostic>> {
    let Attempt { plan, mut diagnostics, .. } = attempt(sources, definition, inputs, root);
    if diagnostics.is_empty() {
        return Ok(plan);
    }
    diagnostic::sort(&mut diagnostics, sources);
    Err(diagnostics)
}

/// Resolves what can be resolved of a definition that may have mistakes. What needs something unknown is left out: only
/// mistakes are found that are there whatever it would have been.
#[must_use]
pub fn attempt(sources: &Sources, definition: &Definition, inputs: &Inputs, root: &Utf8Path) -> Attempt {
    let matrix_known = is_matrix_known(definition);
    let mut targets = targets(definition, matrix_known);
    let mut resolver = Resolver::new(definition, sources, None);
    let common = common(&mut resolver, inputs);
    let mut diagnostics = resolver.diagnostics;
    if let Some(too_large) = too_large(sources, definition, targets.len()) {
        diagnostics.push(too_large);
        targets.clear();
    }
    let (mut jobs, mut steps, mut platforms, mut found) = (Vec::new(), Vec::new(), BTreeMap::new(), Found::default());
    for target in targets {
        let named = matrix_known.then(|| target.id.clone());
        let mut resolver = Resolver::new(definition, sources, named);
        match job(&mut resolver, &target, &common, root, &mut found) {
            Ok(job) => jobs.push(job),
            Err(partial) => steps.push(partial),
        }
        diagnostics.append(&mut resolver.diagnostics);
        platforms.extend(target.platform.map(|platform| (target.id, platform.name.clone())));
    }
    let Common { version, fail_fast, max_parallel, .. } = common;
    let Found { files, goss } = found;
    let (git, ci, name) = (inputs.facts.git.clone(), inputs.facts.ci.clone(), definition.name.clone());
    let plan = Plan { name, version, jobs, platforms, fail_fast, max_parallel, git, ci, files };
    Attempt { plan, steps, goss, diagnostics }
}

/// Files of this machine that jobs need.
#[derive(Default)]
struct Found {
    /// Those that several jobs use are listed once.
    files: Vec<NeededFile>,
    goss: Vec<Goss>,
}

impl Found {
    fn extend(&mut self, files: impl IntoIterator<Item = NeededFile>) {
        for file in files {
            if !self.files.iter().any(|other| other.path == file.path && other.place == file.place) {
                self.files.push(file);
            }
        }
    }
}

/// Each job has its own copy of the steps, so many jobs of large steps could fill the memory.
fn too_large(sources: &Sources, definition: &Definition, jobs: usize) -> Option<Diagnostic> {
    let files = definition.files.iter().map(|file| sources.get(file.id)).chain([sources.main()]);
    let bytes: usize = files.map(|source| source.text().len()).sum();
    let message = format!("{jobs} jobs of a definition of {bytes} bytes are more than a plan can hold");
    let help = "upload what is large as a file, or split the definition";
    let diagnostic = Diagnostic::error(diagnostic::TOO_MANY, message).help(help);
    (bytes.saturating_mul(jobs) > MOST_PLANNED).then_some(diagnostic)
}

/// Whether the cells of the matrix are those that were meant.
fn is_matrix_known(definition: &Definition) -> bool {
    let beside = ["fail-fast", "max-parallel"];
    if definition.strategy.is_unknown {
        return false;
    }
    match definition.broken.names(&Route::root().key("strategy")) {
        Unknown::None => true,
        Unknown::Some(names) => names.iter().all(|name| beside.contains(&name.as_str())),
        Unknown::All => false,
    }
}

pub(super) fn common(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Common {
    let definition = resolver.definition;
    let (scope, before) = (Scope::new(inputs), resolver.missing());
    let fail_fast = resolver.optional(definition.strategy.fail_fast.as_ref(), &scope).unwrap_or(true);
    let max_parallel = resolver.optional(definition.strategy.max_parallel.as_ref(), &scope);
    let strategy = resolver.missing() > before || definition.broken.has(&Route::root().key("strategy"));
    let before = resolver.missing();
    let version = resolver.optional(definition.version.as_ref(), &scope).or_else(|| default_version(&inputs.facts));
    let unknown = |key: &str| definition.broken.has(&Route::root().key(key));
    let image = resolver.missing() > before || unknown("version") || unknown("name");
    let matrix = !is_matrix_known(definition);
    let gaps = Gaps { matrix, strategy, image, ..scope.gaps.clone() };
    let image = image_context(&definition.name, version.as_deref());
    let jobs = definition.strategy.cells.as_ref().map_or(definition.platforms.len(), Vec::len);
    Common { version, fail_fast, max_parallel, jobs, scope: Scope { image: Some(image), gaps, ..scope } }
}

/// The tag that CI runs for, else a tag of the commit, else the commit. A changed checkout is neither of the latter two.
fn default_version(facts: &Facts) -> Option<String> {
    let text = |context: &Object, key: &str| context.get(key).filter(|value| value.is_truthy()).map(Value::to_string);
    let (git, ci) = (&facts.git, &facts.ci);
    let commit = || text(git, "short-sha").or_else(|| Some(text(ci, "sha")?.chars().take(SHORT_COMMIT).collect()));
    if let Some(tag) = text(ci, "tag") {
        return definition::as_version(&tag, "");
    }
    let changed = git.get("dirty").is_some_and(Value::is_truthy);
    definition::as_version(&text(git, "tag").or_else(commit)?, if changed { "-dirty" } else { "" })
}

pub(super) fn targets(definition: &Definition, matrix_known: bool) -> Vec<Target<'_>> {
    let cells = definition.strategy.cells.as_ref().filter(|_| matrix_known);
    let Some(cells) = cells else {
        let one = |platform: &'_ definition::Platform| JobId(platform.name.clone());
        let platforms = definition.platforms.iter().enumerate();
        let targets: Vec<Target<'_>> = platforms
            .map(|(index, platform)| Target { id: one(platform), index, platform: Some(platform), cell: Map::new() })
            .collect();
        // Without any platform there is still what the steps need.
        let none = Target { id: JobId(String::new()), index: 0, platform: None, cell: Map::new() };
        let none = targets.is_empty().then_some(none);
        return targets.into_iter().chain(none).collect();
    };
    let platform = |cell: &Cell| match definition::platform_of(cell).and_then(Json::as_str) {
        Some(name) => definition.platforms.iter().find(|platform| platform.name == name),
        None => definition.platforms.first(),
    };
    // Ids are those of the whole matrix, so that a cell alone has the same one.
    let ids = matrix::job_ids(cells).into_iter().zip(cells).enumerate();
    ids.filter(|(index, _)| definition.strategy.cell.is_none_or(|cell| cell == *index))
        .map(|(index, (id, cell))| Target { id: JobId(id), index, platform: platform(cell), cell: cell.values.clone() })
        .collect()
}

/// A job, or its steps as far as they are right.
fn job(
    resolver: &mut Resolver<'_>,
    target: &Target<'_>,
    common: &Common,
    root: &Utf8Path,
    found: &mut Found,
) -> Result<Job, Vec<Step>> {
    let (definition, source) = (resolver.definition, resolver.sources.main());
    let scope = job_scope(target, common);
    let before = resolver.missing();
    let machine = target.platform.and_then(|platform| machine(resolver, platform, &scope, root, &target.id));
    let is_whole = |platform: &definition::Platform| !definition.broken.has(&platform.route);
    // A platform with a mistake may be another than it seems.
    let platform_known = resolver.missing() == before && target.platform.is_some_and(is_whole);
    let (platform, machine_files) = machine.unzip();
    let name = target.platform.map(|platform| platform.name.as_str()).unwrap_or_default();
    let context = platform.as_ref().map(|platform| platform_context(name, platform));
    let gaps = Gaps { platform: !platform_known, ..scope.gaps.clone() };
    let scope = Scope { platform: context, gaps, ..scope };
    let env = resolver.env(&definition.env, &Route::root().key("env"), &scope);
    let scope = scope.with_env(&env);
    let (steps, step_files) = steps(resolver, &scope, root, &target.id);
    let outputs = outputs(resolver, &scope);
    found.extend(machine_files.into_iter().flatten().chain(step_files));
    let (tests, goss) = tests(resolver, &scope, root, &target.id).unzip();
    found.extend(goss.iter().flat_map(|goss| goss.files.iter().cloned()));
    found.goss.extend(goss);
    let Some(platform) = platform else { return Err(steps) };
    Ok(Job {
        version: WIRE_VERSION,
        id: target.id.clone(),
        name: definition.name.clone(),
        definition: resolver.file_name(source.id()),
        image_version: common.version.clone(),
        definition_digest: source.digest().to_owned(),
        definition_files: named_files(resolver.sources),
        origin: origin(&common.scope.facts),
        root: root.to_owned(),
        matrix: target.cell.clone(),
        platform,
        env: env.0,
        steps,
        outputs,
        tests,
        secrets: resolver.secrets.iter().cloned().collect(),
    })
}

/// What the facts say of the build. Without git, the CI's commit is that of the checkout.
fn origin(facts: &Facts) -> Origin {
    let known = |object: &Object, key: &str| object.get(key).filter(|value| value.is_truthy()).map(Value::to_string);
    let ci = known(&facts.ci, "name").map(|name| CiRun {
        name,
        run_id: known(&facts.ci, "run-id"),
        run_attempt: known(&facts.ci, "run-attempt"),
        url: known(&facts.ci, "url"),
    });
    Origin { commit: known(&facts.git, "sha").or_else(|| known(&facts.ci, "sha")), ci }
}

/// What is known of a job before its machine is.
pub(super) fn job_scope(target: &Target<'_>, common: &Common) -> Scope {
    let Common { fail_fast, max_parallel, jobs, scope, .. } = common;
    Scope {
        matrix: Some(Object::from(&target.cell)),
        strategy: Some(strategy_context(*fail_fast, *max_parallel, target.index, *jobs)),
        job: Some(job_context(&target.id)),
        ..scope.clone()
    }
}

/// What `${{ strategy.… }}` reads. As on GitHub, all jobs may run at once unless the definition says otherwise.
pub(super) fn strategy_context(fail_fast: bool, max_parallel: Option<u32>, index: usize, jobs: usize) -> Object {
    // There are at most 256 jobs, or as many as a file of 10 MiB names platforms.
    let number = |count: usize| Value::from(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    let most = max_parallel.map_or_else(|| number(jobs), |most| Value::from(f64::from(most)));
    let pairs = [
        ("fail-fast", Value::from(fail_fast)),
        ("max-parallel", most),
        ("job-index", number(index)),
        ("job-total", number(jobs)),
    ];
    pairs.into_iter().collect()
}

/// What `${{ image.… }}` reads.
pub(super) fn image_context(name: &str, version: Option<&str>) -> Object {
    [("name", Value::from(name)), ("version", version.map_or(Value::Null, Value::from))].into_iter().collect()
}

/// What `${{ job.… }}` reads before the job runs.
pub(super) fn job_context(id: &JobId) -> Object {
    [("id", Value::from(id.0.as_str()))].into_iter().collect()
}

/// The files that the definition names. What the command line gives is none.
fn named_files(sources: &Sources) -> Vec<DefinitionFile> {
    let others = sources.iter().skip(1).filter(|source| !source.name().starts_with("--"));
    others.map(|source| DefinitionFile { path: source.name().into(), sha256: source.digest().to_owned() }).collect()
}

/// What `${{ platform.… }}` reads.
pub(super) fn platform_context(name: &str, platform: &Platform) -> Object {
    let arch = platform.arch().map(super::job::Arch::debian);
    let firmware = platform.qemu().map(|qemu| match qemu.firmware {
        super::job::Firmware::Bios => "bios",
        super::job::Firmware::Uefi => "uefi",
    });
    let pairs = [("name", Some(name)), ("builder", Some(platform.builder())), ("arch", arch), ("firmware", firmware)];
    pairs.into_iter().map(|(key, value)| (key, value.map_or(Value::Null, Value::from))).collect()
}

fn outputs(resolver: &mut Resolver<'_>, scope: &Scope) -> Vec<Output> {
    let definition = resolver.definition;
    if definition.outputs.is_empty() {
        return vec![Output { format: DiskFormat::Qcow2, compress: None }];
    }
    let mut outputs = Vec::new();
    for field in &definition.outputs {
        let Some(output) = resolver.field(field, scope) else { continue };
        if outputs.contains(&output) {
            let message = format!("the output `{}` is there twice", output.file_name("image"));
            let diagnostic = Diagnostic::error("conflict", message).at(Place::Value(field.route.clone()));
            resolver.push(diagnostic.help("both would be the same file"));
        }
        outputs.push(output);
    }
    outputs
}
