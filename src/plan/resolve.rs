//! Definition × matrix → jobs.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::{Map, Value as Json};

use super::inputs::Inputs;
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
use crate::source::{Place, Sources};

/// One platform's build of one matrix cell, before it is resolved.
struct Target<'a> {
    id: JobId,
    platform: &'a definition::Platform,
    cell: Map<String, Json>,
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
    let vars: Object = inputs.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let scope = Scope { vars, ..Scope::default() };
    let mut resolver = Resolver::new(definition, sources, None);
    let fail_fast = resolver.optional(definition.strategy.fail_fast.as_ref(), &scope).unwrap_or(true);
    let max_parallel = resolver.optional(definition.strategy.max_parallel.as_ref(), &scope);
    let mut diagnostics = resolver.diagnostics;
    let (mut jobs, mut platforms, mut files) = (Vec::new(), BTreeMap::new(), Vec::new());
    for target in targets(definition) {
        let mut resolver = Resolver::new(definition, sources, Some(target.id.clone()));
        let job = job(&mut resolver, &target, &scope, root, &mut files);
        diagnostics.append(&mut resolver.diagnostics);
        platforms.insert(target.id, target.platform.name.clone());
        jobs.extend(job);
    }
    if diagnostics.is_empty() {
        return Ok(Plan { name: definition.name.clone(), jobs, platforms, fail_fast, max_parallel, files });
    }
    diagnostic::sort(&mut diagnostics, sources);
    Err(diagnostics)
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
    vars: &Scope,
    root: &Utf8Path,
    files: &mut Vec<NeededFile>,
) -> Option<Job> {
    let (definition, source) = (resolver.definition, resolver.sources.main());
    let scope = Scope { matrix: Some(Object::from(&target.cell)), ..vars.clone() };
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
