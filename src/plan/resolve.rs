//! Definition × matrix → jobs.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::{Map, Value as Json};

use super::inputs::{Facts, Inputs};
use super::job::{DiskFormat, Job, Output, Platform, WIRE_VERSION};
use super::machine::machine;
use super::model::{NeededFile, Plan};
use super::scope::{Resolver, Scope};
use super::steps::steps;
use crate::definition::{self, Definition};
use crate::diagnostic::{self, Diagnostic};
use crate::event::JobId;
use crate::expression::{Object, Value};
use crate::matrix::{self, Cell};
use crate::secret::MASK;
use crate::source::{Place, Sources};

/// Characters of a commit's name in a version, where git does not say them: as many as `git.short-sha` has.
const SHORT_COMMIT: usize = 8;

/// One platform's build of one matrix cell, before it is resolved.
struct Target<'a> {
    id: JobId,
    platform: &'a definition::Platform,
    cell: Map<String, Json>,
}

/// What all jobs have in common.
struct Common {
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
    let targets = targets(definition);
    let mut resolver = Resolver::new(definition, sources, None);
    let common = common(&mut resolver, inputs, targets.len());
    let mut diagnostics = resolver.diagnostics;
    let (mut jobs, mut platforms, mut files) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (index, target) in targets.into_iter().enumerate() {
        let mut resolver = Resolver::new(definition, sources, Some(target.id.clone()));
        let job = job(&mut resolver, &target, index, &common, root, &mut files);
        diagnostics.append(&mut resolver.diagnostics);
        platforms.insert(target.id, target.platform.name.clone());
        jobs.extend(job);
    }
    if diagnostics.is_empty() {
        let Common { version, fail_fast, max_parallel, .. } = common;
        let (git, ci) = (inputs.facts.git.clone(), inputs.facts.ci.clone());
        let name = definition.name.clone();
        return Ok(Plan { name, version, jobs, platforms, fail_fast, max_parallel, git, ci, files });
    }
    diagnostic::sort(&mut diagnostics, sources);
    Err(diagnostics)
}

/// Every context that is known when a job is planned, for people to look at: of the first job, unless one is named.
/// Sensitive values are masked. What can't be resolved is left out: `plan` says why.
#[must_use]
pub fn contexts(sources: &Sources, definition: &Definition, inputs: &Inputs, job: Option<&JobId>) -> Object {
    let targets = targets(definition);
    let mut resolver = Resolver::new(definition, sources, None);
    let common = common(&mut resolver, inputs, targets.len());
    let mut scope = common.scope.clone();
    let wanted = |target: &Target<'_>| job.is_none_or(|job| target.id == *job);
    if let Some((index, target)) = targets.iter().enumerate().find(|(_, target)| wanted(target)) {
        scope = job_scope(target, index, &common);
        // Files that the platform names are of no interest here, so neither is the folder.
        if let Some((platform, _)) = machine(&mut resolver, target.platform, &scope, Utf8Path::new(""), &target.id) {
            scope.platform = Some(platform_context(&target.platform.name, &platform));
            let env = resolver.env(&definition.env, &scope);
            scope.env = Some(env.into_iter().map(|var| (var.name, Value::from(var.value.to_string()))).collect());
        }
    }
    for variable in definition.variables.iter().filter(|variable| variable.sensitive) {
        scope.vars.insert(&variable.name, Value::from(MASK));
    }
    scope.known().map(|(name, context)| (name, Value::Object(context.clone()))).collect()
}

fn common(resolver: &mut Resolver<'_>, inputs: &Inputs, jobs: usize) -> Common {
    let definition = resolver.definition;
    let scope = Scope::new(inputs);
    let fail_fast = resolver.optional(definition.strategy.fail_fast.as_ref(), &scope).unwrap_or(true);
    let max_parallel = resolver.optional(definition.strategy.max_parallel.as_ref(), &scope);
    let version = resolver.optional(definition.version.as_ref(), &scope).or_else(|| default_version(&inputs.facts));
    let image = image_context(&definition.name, version.as_deref());
    Common { version, fail_fast, max_parallel, jobs, scope: Scope { image: Some(image), ..scope } }
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

fn targets(definition: &Definition) -> Vec<Target<'_>> {
    let Some(cells) = &definition.strategy.cells else {
        let target = |platform: &'_ definition::Platform| JobId(platform.name.clone());
        return definition
            .platforms
            .iter()
            .map(|platform| Target { id: target(platform), platform, cell: Map::new() })
            .collect();
    };
    let platform = |cell: &Cell| match definition::platform_of(cell).and_then(Json::as_str) {
        Some(name) => definition.platforms.iter().find(|platform| platform.name == name),
        None => definition.platforms.first(),
    };
    // `load` refuses a cell whose platform is not there.
    let targets = matrix::job_ids(cells)
        .into_iter()
        .zip(cells)
        .filter_map(|(id, cell)| Some(Target { id: JobId(id), platform: platform(cell)?, cell: cell.values.clone() }));
    targets.collect()
}

fn job(
    resolver: &mut Resolver<'_>,
    target: &Target<'_>,
    index: usize,
    common: &Common,
    root: &Utf8Path,
    files: &mut Vec<NeededFile>,
) -> Option<Job> {
    let (definition, source) = (resolver.definition, resolver.sources.main());
    let scope = job_scope(target, index, common);
    let machine = machine(resolver, target.platform, &scope, root, &target.id);
    // Without a machine the contexts of the steps are not known, and their errors would be made up.
    let (platform, machine_files) = machine?;
    let scope = Scope { platform: Some(platform_context(&target.platform.name, &platform)), ..scope };
    let env = resolver.env(&definition.env, &scope);
    let scope = scope.with_env(&env);
    let (steps, step_files) = steps(resolver, &scope, root, &target.id);
    let outputs = outputs(resolver, &scope);
    for file in machine_files.into_iter().chain(step_files) {
        if !files.iter().any(|other: &NeededFile| other.path == file.path && other.place == file.place) {
            files.push(file);
        }
    }
    Some(Job {
        version: WIRE_VERSION,
        id: target.id.clone(),
        name: definition.name.clone(),
        definition: resolver.file_name(source.id()),
        image_version: common.version.clone(),
        definition_digest: source.digest().to_owned(),
        root: root.to_owned(),
        matrix: target.cell.clone(),
        platform,
        env,
        steps,
        outputs,
        secrets: resolver.secrets.iter().cloned().collect(),
    })
}

/// What is known of a job before its machine is.
fn job_scope(target: &Target<'_>, index: usize, common: &Common) -> Scope {
    let Common { fail_fast, max_parallel, jobs, scope, .. } = common;
    Scope {
        matrix: Some(Object::from(&target.cell)),
        strategy: Some(strategy_context(*fail_fast, *max_parallel, index, *jobs)),
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

/// What `${{ platform.… }}` reads.
fn platform_context(name: &str, platform: &Platform) -> Object {
    let Platform::Qemu(qemu) = platform;
    let firmware = match qemu.firmware {
        super::job::Firmware::Bios => "bios",
        super::job::Firmware::Uefi => "uefi",
    };
    let pairs = [("name", name), ("builder", platform.builder()), ("arch", qemu.arch.debian()), ("firmware", firmware)];
    pairs.into_iter().map(|(key, value)| (key, Value::from(value))).collect()
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
