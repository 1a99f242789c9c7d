//! What a job learns of itself on the way, for its manifest.

use std::time::Instant;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};

use crate::context::JobCtx;
use crate::event::{Artifact, Phase, StepFinished};
use crate::image::inspect::Inspection;
use crate::image::manifest::{
    Accelerator, Ci, Definition, Machine, Manifest, PhaseTime, Source, StepRecord, Tests, Tool,
    VERSION as MANIFEST_VERSION,
};
use crate::plan::job::Job;
use crate::platform::Facts;

/// A manifest in the making.
pub(super) struct Record {
    started: DateTime<Utc>,
    phases: Vec<PhaseTime>,
    pub(super) facts: Facts,
    pub(super) steps: Vec<StepFinished>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { started: Utc::now(), phases: Vec::new(), facts: Facts::default(), steps: Vec::new() }
    }

    /// Runs `work` as a phase: told as it begins and ends, and timed.
    pub(super) async fn phase<T>(
        &mut self,
        ctx: &JobCtx,
        phase: Phase,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let begin = Instant::now();
        let result = ctx.events.phase(phase, work).await;
        self.phases.push(PhaseTime { name: phase, seconds: begin.elapsed().as_secs_f64() });
        result
    }

    /// Writes `manifest.json` into the job's folder; returns its path.
    pub(super) fn write(
        self,
        job: &Job,
        out: &Utf8Path,
        inspection: Inspection,
        artifacts: Vec<Artifact>,
        tests: Option<Tests>,
    ) -> anyhow::Result<Utf8PathBuf> {
        let qemu = job.platform.qemu().context("only a machine in QEMU can be built")?;
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            job: job.id.clone(),
            name: job.name.clone(),
            image_version: job.image_version.clone(),
            definition: Definition::of(job),
            commit: job.origin.commit.clone(),
            ci: job.origin.ci.as_ref().map(Ci::of),
            platform: job.platform.builder().to_owned(),
            arch: qemu.arch.debian().to_owned(),
            matrix: job.matrix.clone(),
            source: Source { description: self.facts.source, digest: self.facts.source_digest },
            accelerator: Accelerator { name: self.facts.accelerator, reason: self.facts.accelerator_reason },
            hypervisor: self.facts.hypervisor,
            started: self.started,
            finished: Utc::now(),
            phases: self.phases,
            steps: self.steps.into_iter().map(step).collect(),
            artifacts,
            machine: Some(Machine {
                firmware: qemu.firmware,
                memory: qemu.memory,
                cpus: qemu.cpus,
                user: qemu.connect.user.clone(),
            }),
            tests,
            inspection,
            tool: Tool::this(),
        };
        let path = out.join("manifest.json");
        manifest.write(&path)?;
        Ok(path)
    }
}

fn step(step: StepFinished) -> StepRecord {
    StepRecord { name: step.name, outcome: step.outcome, seconds: step.seconds, attempts: step.attempts }
}
