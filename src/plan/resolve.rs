//! Definition × matrix → jobs.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value as Json};

use super::inputs::Inputs;
use super::job::{DiskFormat, Job, Output, Platform, Step, WIRE_VERSION};
use super::machine::machine;
use super::model::{NeededFile, Plan};
use super::scope::{Gaps, Resolver, Scope};
use super::steps::steps;
use crate::definition::{self, Definition, Unknown};
use crate::diagnostic::{self, Diagnostic};
use crate::event::JobId;
use crate::expression::{Object, Value};
use crate::matrix::{self, Cell};
use crate::source::{Place, Route, Sources};

/// One platform's build of one matrix cell, before it is resolved.
pub(super) struct Target<'a> {
    pub(super) id: JobId,
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
    /// Everything that an expression's value makes wrong.
    pub diagnostics: Vec<Diagnostic>,
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
    let vars: Object = inputs.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let gaps = Gaps { vars: inputs.unknown.clone(), ..Gaps::default() };
    let scope = Scope { vars, gaps, ..Scope::default() };
    let mut resolver = Resolver::new(definition, sources, None);
    let fail_fast = resolver.optional(definition.strategy.fail_fast.as_ref(), &scope).unwrap_or(true);
    let max_parallel = resolver.optional(definition.strategy.max_parallel.as_ref(), &scope);
    let mut diagnostics = resolver.diagnostics;
    let (mut jobs, mut steps, mut platforms, mut files) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
    let matrix_known = is_matrix_known(definition);
    for target in targets(definition, matrix_known) {
        let named = matrix_known.then(|| target.id.clone());
        let mut resolver = Resolver::new(definition, sources, named);
        match job(&mut resolver, &target, &scope, root, &mut files) {
            Ok(job) => jobs.push(job),
            Err(partial) => steps.push(partial),
        }
        diagnostics.append(&mut resolver.diagnostics);
        platforms.extend(target.platform.map(|platform| (target.id, platform.name.clone())));
    }
    let plan = Plan { name: definition.name.clone(), jobs, platforms, fail_fast, max_parallel, files };
    Attempt { plan, steps, diagnostics }
}

/// Whether the cells of the matrix are those that were meant.
fn is_matrix_known(definition: &Definition) -> bool {
    let beside = ["fail-fast", "max-parallel"];
    match definition.broken.names(&Route::root().key("strategy")) {
        Unknown::None => true,
        Unknown::Some(names) => names.iter().all(|name| beside.contains(&name.as_str())),
        Unknown::All => false,
    }
}

pub(super) fn targets(definition: &Definition, matrix_known: bool) -> Vec<Target<'_>> {
    let cells = definition.strategy.cells.as_ref().filter(|_| matrix_known);
    let Some(cells) = cells else {
        let one = |platform: &'_ definition::Platform| JobId(platform.name.clone());
        let platforms = definition.platforms.iter();
        let targets: Vec<Target<'_>> = platforms
            .map(|platform| Target { id: one(platform), platform: Some(platform), cell: Map::new() })
            .collect();
        // Without any platform there is still what the steps need.
        let none = targets.is_empty().then(|| Target { id: JobId(String::new()), platform: None, cell: Map::new() });
        return targets.into_iter().chain(none).collect();
    };
    let platform = |cell: &Cell| match definition::platform_of(cell).and_then(Json::as_str) {
        Some(name) => definition.platforms.iter().find(|platform| platform.name == name),
        None => definition.platforms.first(),
    };
    // Ids are those of the whole matrix, so that a cell alone has the same one.
    let ids = matrix::job_ids(cells).into_iter().zip(cells).enumerate();
    ids.filter(|(index, _)| definition.strategy.cell.is_none_or(|cell| cell == *index))
        .map(|(_, (id, cell))| Target { id: JobId(id), platform: platform(cell), cell: cell.values.clone() })
        .collect()
}

/// A job, or its steps as far as they are right.
fn job(
    resolver: &mut Resolver<'_>,
    target: &Target<'_>,
    vars: &Scope,
    root: &Utf8Path,
    files: &mut Vec<NeededFile>,
) -> Result<Job, Vec<Step>> {
    let (definition, source) = (resolver.definition, resolver.sources.main());
    let gaps = Gaps { matrix: !is_matrix_known(definition), ..vars.gaps.clone() };
    let scope = Scope { matrix: Some(Object::from(&target.cell)), gaps, ..vars.clone() };
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
    for file in machine_files.into_iter().flatten().chain(step_files) {
        if !files.iter().any(|other: &NeededFile| other.path == file.path && other.place == file.place) {
            files.push(file);
        }
    }
    let Some(platform) = platform else { return Err(steps) };
    Ok(Job {
        version: WIRE_VERSION,
        id: target.id.clone(),
        name: definition.name.clone(),
        definition: Utf8Path::new(source.name()).file_name().map(Utf8PathBuf::from).unwrap_or_default(),
        definition_digest: source.digest().to_owned(),
        root: root.to_owned(),
        matrix: target.cell.clone(),
        platform,
        env: env.0,
        steps,
        outputs,
        secrets: resolver.secrets.iter().cloned().collect(),
    })
}

/// What `${{ platform.… }}` reads.
pub(super) fn platform_context(name: &str, platform: &Platform) -> Object {
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
