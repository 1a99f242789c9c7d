//! One throw-away copy of an image, from power-on to its end, with a folder of its own for what is kept of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use anyhow::Context;
use camino::Utf8PathBuf;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::context::{JobCtx, clean_line, failure_of};
use crate::event::Failure;
use crate::guest::Guest;
use crate::plan::job::Job;
use crate::platform::{self, Copy, Machine};
use crate::runner::evidence::{self, CONSOLE};

/// Bytes of a console that are looked at.
const CONSOLE_LIMIT: u64 = 16 << 20;

/// The folder of a boot inside the job's.
pub(super) fn folder(number: u32) -> String {
    format!("test-{number}")
}

/// A machine that was booted for tests.
pub(super) struct Boot {
    /// That of the machine: with folders of its own.
    ctx: JobCtx,
    /// The job's: what is kept goes on while the tests' time is over.
    job: JobCtx,
    folder: String,
    machine: Box<dyn Machine>,
    guest: Option<Arc<dyn Guest>>,
    pub(super) power_on: DateTime<Utc>,
}

impl Boot {
    /// Starts a copy.
    ///
    /// # Errors
    /// It can't be prepared or started, which says nothing about the image.
    pub(super) async fn launch(
        job_ctx: &JobCtx,
        cancel: &CancellationToken,
        job: &Job,
        number: u32,
        copy: &Copy,
    ) -> anyhow::Result<Self> {
        let folder = folder(number);
        let (out, work) = (job_ctx.out.join(&folder), job_ctx.work.join(&folder));
        for path in [&out, &work] {
            std::fs::create_dir_all(path).with_context(|| format!("failed to create `{path}`"))?;
        }
        let ctx = JobCtx { out, work, cancel: cancel.clone(), ..job_ctx.clone() };
        let prepared = platform::prepare_copy(&ctx, job, copy).await?;
        let power_on = Utc::now();
        let machine = prepared.launch(&ctx).await?;
        Ok(Self { ctx, job: job_ctx.clone(), folder, machine, guest: None, power_on })
    }

    /// Waits for the login.
    ///
    /// # Errors
    /// The machine does not come up, or lets nobody in: the console says why.
    pub(super) async fn connect(&mut self) -> anyhow::Result<Arc<dyn Guest>> {
        let guest = self.machine.connect(&self.ctx).await?;
        self.guest = Some(Arc::clone(&guest));
        Ok(guest)
    }

    /// Seconds from power-on to the login.
    pub(super) fn login_seconds(&self) -> Option<f64> {
        self.machine.login_seconds()
    }

    /// The Base64 part of the key that this boot was given.
    pub(super) fn our_key(&self) -> Option<String> {
        self.machine.seal_plan().public_key.split_whitespace().nth(1).map(str::to_owned)
    }

    /// How long the console is so far.
    pub(super) fn console_length(&self) -> u64 {
        std::fs::metadata(self.console_path()).map_or(0, |file| file.len())
    }

    /// What the console said from there on, without control characters.
    pub(super) fn console(&self, from: u64) -> String {
        let mut bytes = Vec::new();
        // A console that can't be read tells nothing.
        let _ = File::open(self.console_path()).and_then(|mut file| {
            file.seek(SeekFrom::Start(from))?;
            file.take(CONSOLE_LIMIT).read_to_end(&mut bytes)
        });
        bytes.split(|byte| *byte == b'\n').map(clean_line).collect::<Vec<_>>().join("\n")
    }

    fn console_path(&self) -> Utf8PathBuf {
        self.ctx.out.join(CONSOLE)
    }

    /// What a person should read of an error, with the machine's own diagnosis where there is one. The screen is kept.
    pub(super) async fn explain(&mut self, error: &anyhow::Error) -> Failure {
        let mut failure = failure_of(error);
        let Some(diagnosis) = self.machine.evidence(&self.ctx).await.diagnosis else { return failure };
        if !failure.message.contains(&diagnosis.message) {
            failure.message = format!("{}: {}", failure.message, diagnosis.message);
        }
        failure.hint = failure.hint.or(diagnosis.hint);
        if failure.excerpt.is_empty() {
            failure.excerpt = diagnosis.excerpt;
        }
        failure
    }

    /// Keeps what there is to keep, and ends the machine.
    pub(super) async fn end(mut self) {
        if !self.job.cancel.is_cancelled()
            && let Some(guest) = self.guest.take()
        {
            let keeping = JobCtx { cancel: self.job.cancel.clone(), ..self.ctx.clone() };
            evidence::keep_journal(&keeping, guest.as_ref()).await;
        }
        self.machine.destroy(&self.ctx).await;
        evidence::tell_of_test(&self.job, &self.folder).await;
        // It goes with the job's work folder at the latest.
        let _ = crate::journal::cleanup::remove(&self.ctx.work);
    }
}
