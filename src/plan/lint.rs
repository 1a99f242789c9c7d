//! What is right by itself in a plan, and probably not what was meant.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::job::{Condition, DiskFormat, Kernel, Source, Step};
use super::model::Plan;
use super::scope;
use crate::definition::{self, Definition, Setting};
use crate::diagnostic::{self, Diagnostic};
use crate::source::{Place, Route, Sources};

const GIB: u64 = 1024 * 1024 * 1024;
/// The largest disk that a VHD describes ("Virtual Hard Disk Image Format Specification", Microsoft).
const LARGEST_VHD: u64 = 2040 * GIB;

/// What is wrong in jobs that could all be built, in the order of the file. Only of a plan without errors.
#[must_use]
pub fn lint(sources: &Sources, definition: &Definition, plan: &Plan) -> Vec<Diagnostic> {
    let mut diagnostics = unreachable(sources, definition, plan);
    diagnostics.extend(outputs(definition, plan));
    diagnostic::sort(&mut diagnostics, sources);
    diagnostics
}

/// Steps that no job runs, whatever the variables are.
fn unreachable(sources: &Sources, definition: &Definition, plan: &Plan) -> Vec<Diagnostic> {
    let planned = || plan.jobs.iter().flat_map(|job| &job.steps).flat_map(Step::with_inner);
    // A step of a file that is used twice is planned twice.
    let reachable: BTreeSet<(&Utf8Path, u32)> = planned()
        .filter(|step| step.condition != Condition::Never)
        .map(|step| (step.file.as_path(), step.line))
        .collect();
    let files = definition.files.iter().flat_map(|file| &file.steps);
    let steps = definition.steps.iter().chain(files);
    let conditions = steps.filter_map(|step| Some((step, step.condition.as_ref()?)));
    let decided = conditions.filter(|(_, condition)| is_decided_by_jobs(condition, definition));
    let never = decided.filter(|(step, _)| {
        let (file, line) =
            (scope::file_name(sources, step.route.file()), sources.line(&Place::Key(step.route.clone())));
        !reachable.contains(&(file.as_path(), line))
    });
    never.map(|(_, condition)| false_everywhere(condition)).collect()
}

/// Whether a condition depends on nothing that is given from outside.
fn is_decided_by_jobs(condition: &definition::Condition, definition: &Definition) -> bool {
    let firmware = definition.platforms.iter().filter_map(|platform| platform.firmware.as_ref());
    let is_platform_fixed = firmware.into_iter().all(|field| matches!(field.setting, Setting::Known(_)));
    condition.expr.references().iter().all(|reference| match reference.context.to_lowercase().as_str() {
        "matrix" => true,
        "platform" => is_platform_fixed,
        _ => false,
    })
}

fn false_everywhere(condition: &definition::Condition) -> Diagnostic {
    Diagnostic::warning("unreachable-step", "this is false in every job, so the step never runs")
        .at(Place::Value(condition.route.clone()))
        .help("change the condition, or remove the step")
}

/// Outputs that a platform's settings do not go with.
fn outputs(definition: &Definition, plan: &Plan) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for job in &plan.jobs {
        let Some(qemu) = job.platform.qemu() else { continue };
        let name = plan.platforms.get(&job.id).map(String::as_str).unwrap_or_default();
        let Some(platform) = definition.platforms.iter().find(|platform| platform.name == name) else { continue };
        let cloud = matches!(&qemu.source, Source::Debian(debian) if debian.kernel == Kernel::Cloud);
        for output in &job.outputs {
            let diagnostic = match output.format {
                DiskFormat::Vhd if qemu.disk_size > Some(LARGEST_VHD) => too_large(&platform.route),
                DiskFormat::Vmdk if cloud => no_drivers(&platform.route, "vmdk", "VMware"),
                DiskFormat::Vdi if cloud => no_drivers(&platform.route, "vdi", "VirtualBox"),
                _ => continue,
            };
            diagnostics.push(diagnostic.note(format!("in the job `{}`", job.id)));
        }
    }
    diagnostics
}

fn too_large(platform: &Route) -> Diagnostic {
    Diagnostic::error("platform-output", "the disk is larger than a `vhd` can be")
        .at(Place::Value(platform.key("disk-size")))
        .help("a `vhd` holds at most 2040GiB: make the disk smaller, or write `vhdx`")
}

fn no_drivers(platform: &Route, format: &str, product: &str) -> Diagnostic {
    let message = format!("the `cloud` kernel may not find its disk in {product}, which `{format}` is for");
    Diagnostic::warning("platform-output", message)
        .at(Place::Value(platform.key("source").key("kernel")))
        .help("it has drivers for virtio and the big clouds only: write `kernel: generic`")
}
