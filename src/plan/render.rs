//! A plan as people and other programs read it.

use std::io::Write;

use serde::Serialize;

use super::job::{Firmware, Job, Platform, Source};
use super::model::Plan;
use crate::definition::show_size;

/// The version of [`PlanV1`].
const VERSION: u32 = 1;

/// A plan's wire form. Sensitive values are in it by name only: a text is a list of literal and secret parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanV1<'a> {
    pub version: u32,
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_version: Option<&'a str>,
    pub fail_fast: bool,
    pub max_parallel: Option<u32>,
    pub jobs: &'a [Job],
}

/// Writes the plan as JSON, of the jobs that were selected: piece by piece, because the whole text is as large as the plan.
///
/// # Errors
/// Those of the writer; a plan holds nothing that JSON can't.
pub fn json(plan: &Plan, jobs: &[Job], writer: &mut dyn Write) -> std::io::Result<()> {
    let Plan { name, fail_fast, max_parallel, .. } = plan;
    let image_version = plan.version.as_deref();
    let wire =
        PlanV1 { version: VERSION, name, image_version, fail_fast: *fail_fast, max_parallel: *max_parallel, jobs };
    serde_json::to_writer_pretty(&mut *writer, &wire)?;
    writeln!(writer)
}

/// The jobs as a table, with a line below that says how they run.
#[must_use]
pub fn table(plan: &Plan, jobs: &[Job]) -> String {
    let mut rows =
        vec![["JOB", "PLATFORM", "SOURCE", "ARCH", "FIRMWARE", "MACHINE", "OUTPUTS", "STEPS"].map(str::to_owned)];
    rows.extend(jobs.iter().map(|job| row(plan, job)));
    let mut widths = [0; 8];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table.push_str(&format!("\n{}\n", summary(plan, jobs)));
    table
}

fn row(plan: &Plan, job: &Job) -> [String; 8] {
    let id = job.id.to_string();
    let platform = plan.platforms.get(&job.id).cloned().unwrap_or_default();
    let steps = steps_of(job);
    let qemu = match &job.platform {
        Platform::Qemu(qemu) => qemu,
        Platform::Host(host) => {
            let nothing = String::new;
            return [id, platform, host.host.clone(), nothing(), nothing(), nothing(), nothing(), steps];
        }
    };
    let source = match &qemu.source {
        Source::Debian(debian) => format!("debian {}", debian.suite),
        Source::Image(image) => image.image.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let firmware = match qemu.firmware {
        Firmware::Bios => "bios",
        Firmware::Uefi => "uefi",
    };
    let outputs = job.outputs.iter().map(|output| match output.compress {
        None => output.format.as_str().to_owned(),
        Some(compression) => format!("{}.{}", output.format.as_str(), compression.extension()),
    });
    [
        id,
        platform,
        source,
        qemu.arch.debian().to_owned(),
        firmware.to_owned(),
        format!("{} CPU, {}", qemu.cpus, show_size(qemu.memory)),
        outputs.collect::<Vec<_>>().join(" "),
        steps,
    ]
}

fn steps_of(job: &Job) -> String {
    match job.steps.iter().filter(|step| step.condition == super::job::Condition::Never).count() {
        0 => job.steps.len().to_string(),
        never => format!("{} ({never} skipped)", job.steps.len()),
    }
}

fn summary(plan: &Plan, jobs: &[Job]) -> String {
    let count = if jobs.len() == 1 { "1 job".to_owned() } else { format!("{} jobs", jobs.len()) };
    let count = match &plan.version {
        Some(version) => format!("{} {version}: {count}", plan.name),
        None => count,
    };
    let parallel = match plan.max_parallel {
        _ if jobs.len() < 2 => return format!("{count}."),
        None => "as many at once as the machine holds".to_owned(),
        Some(most) => format!("at most {most} at once"),
    };
    let failure =
        if plan.fail_fast { "a failed one stops the others" } else { "a failed one leaves the others running" };
    format!("{count}, {parallel}; {failure}.")
}
