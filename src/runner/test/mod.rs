//! Testing a finished image: throw-away copies of it are booted, and looked at from inside and outside.
//!
//! ```text
//! subject ─▶ attempt: boot ─▶ look, goss ─┬──────────────────────────▶ results ─▶ (failed) once more, with fresh copies
//!                                         └▶ reboot, other copy (full) ▶──┘            └▶ verdicts: flaky, waived ─▶ events
//! ```
//!
//! `attempt` runs everything once, each machine a `boot` with a folder of its own in the job's; `goss` looks at what the user
//! asks, `checks` at what is always tested. `verdicts` is pure: what several attempts and the waivers make of the results.
//! A `deadline` ends it all. What goes wrong with the machine is a result; only what can't be tested at all is an error.

mod attempt;
mod boot;
mod checks;
mod deadline;
mod goss;
mod verdicts;

use std::time::Instant;

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use chrono::Utc;

use self::attempt::{Attempt, Lab};
use self::deadline::Deadline;
use crate::context::{Cancelled, JobCtx, is_cancelled};
use crate::event::{Artifact, Body, Failure, Level, TestsFinished, Verdict};
use crate::image::fetch;
use crate::image::manifest::{TestRemark, Tests as Record};
use crate::plan::job::{Host, Job, Platform, Tests};
use crate::smoke::checks::{Check, CheckResult, CheckVerdict};

/// The folders of all boots: two attempts, each with two machines at the most.
const FOLDERS: u32 = 4;

/// Names of failed tests that a sentence has room for.
const NAMED: usize = 5;

/// What is tested.
pub(super) enum Subject {
    Image(Image),
    Host(Host),
}

/// An image's file.
pub(super) struct Image {
    path: Utf8PathBuf,
    /// Inside the job's folder, or as it was named.
    name: String,
    /// Digest, where it is known.
    sha256: Option<String>,
}

impl Subject {
    /// The artifact of a build that QEMU boots as it is; all hold the same disk.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn built(out: &Utf8Path, artifacts: &[Artifact]) -> anyhow::Result<Self> {
        let plain = artifacts.iter().find(|artifact| artifact.compression.is_none());
        let artifact = plain.or(artifacts.first()).context("nothing was built that could be tested")?;
        Ok(Self::Image(Image {
            path: out.join(&artifact.file),
            name: artifact.file.clone(),
            sha256: Some(artifact.sha256.clone()),
        }))
    }

    /// What a job without a build is to test.
    ///
    /// # Errors
    /// The job names no image, and its machine would be one that we boot.
    pub(super) fn of(job: &Job, image: Option<&Utf8Path>) -> anyhow::Result<Self> {
        match (image, &job.platform) {
            (Some(path), _) => Ok(Self::Image(Image { path: path.to_owned(), name: path.to_string(), sha256: None })),
            (None, Platform::Host(host)) => Ok(Self::Host(host.clone())),
            (None, _) => bail!("no image was given to test"),
        }
    }
}

/// The folders of earlier boots that are there.
pub(super) fn folders(out: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> {
    (1..=FOLDERS).map(|number| out.join(boot::folder(number))).filter(|folder| folder.is_dir())
}

/// Removes what earlier tests of this job left.
///
/// # Errors
/// The file system refuses.
pub(super) fn remove_old_outputs(out: &Utf8Path) -> anyhow::Result<()> {
    for number in 1..=FOLDERS {
        let path = out.join(boot::folder(number));
        crate::journal::cleanup::remove(&path).with_context(|| format!("failed to remove the old `{path}`"))?;
    }
    Ok(())
}

/// Why a job failed whose tests did.
pub(super) fn reason(tests: &TestsFinished) -> String {
    let total = tests.passed + tests.failed + tests.warned + tests.waived + tests.skipped;
    format!("{} of {total} tests failed", tests.failed)
}

/// Tests the subject, tells every result, and returns what goes into the record.
///
/// # Errors
/// It could not be tested at all, or the job is cancelled.
pub(super) async fn run(ctx: &JobCtx, job: &Job, subject: &Subject) -> anyhow::Result<Record> {
    let begin = Instant::now();
    let tests = job.tests.clone().unwrap_or_else(|| Tests::new(Level::Standard));
    // Before any boot: a file that is no image, or that is not there.
    let sha256 = match subject {
        Subject::Image(image) => {
            fetch::open(ctx, &image.path).await?;
            digest(ctx, image).await?
        }
        Subject::Host(_) => String::new(),
    };
    let deadline = Deadline::start(&ctx.cancel, tests.timeout);
    let lab = Lab { ctx, job, tests: &tests, subject, deadline: &deadline };
    let mut attempts = attempts(&lab).await?;
    let count = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    let boot_seconds = attempts.last().and_then(|attempt| attempt.boot_seconds);
    let last = attempts.pop().map(|attempt| attempt.results).unwrap_or_default();
    let mut results = match attempts.pop() {
        Some(first) => verdicts::once_more(&first.results, last),
        None => last,
    };
    if let Subject::Image(image) = subject {
        let after = match fetch::digest(ctx, &image.path).await {
            Err(error) if is_cancelled(&error) => return Err(error),
            after => after.map_err(|error| format!("{error:#}")),
        };
        results.push(checks::tested(unchanged(&sha256, after.as_deref())));
    }
    let results = verdicts::finished(results, &tests.waivers, Utc::now().date_naive());
    let finished = TestsFinished {
        level: tests.level,
        attempts: count,
        boot_seconds,
        seconds: begin.elapsed().as_secs_f64(),
        image: match subject {
            Subject::Image(image) => Some(image.name.clone()),
            Subject::Host(_) => None,
        },
        ..verdicts::counted(&results)
    };
    if finished.verdict == Verdict::Flaky {
        ctx.events.warn(flaky(&results)).await;
    }
    let remarks = results.iter().filter(|result| !matches!(result.verdict, Verdict::Passed | Verdict::Skipped));
    let remarks = remarks.map(|result| TestRemark { name: result.name(), verdict: result.verdict }).collect();
    for result in results {
        ctx.events.emit(Body::Tested(Box::new(result))).await;
    }
    ctx.events.emit(Body::TestsFinished(finished.clone())).await;
    Ok(Record { finished, sha256, time: Utc::now(), remarks })
}

async fn digest(ctx: &JobCtx, image: &Image) -> anyhow::Result<String> {
    match &image.sha256 {
        Some(sha256) => Ok(sha256.clone()),
        None => fetch::digest(ctx, &image.path).await,
    }
}

/// One attempt, and a second one where it may help.
async fn attempts(lab: &Lab<'_>) -> anyhow::Result<Vec<Attempt>> {
    let first = lab.attempt(0).await?;
    let may_help = lab.tests.rerun
        && matches!(lab.subject, Subject::Image(_))
        && !lab.deadline.is_over()
        && verdicts::may_pass_another_time(&first.results, &lab.tests.waivers);
    if !may_help {
        return Ok(vec![first]);
    }
    if lab.ctx.cancel.is_cancelled() {
        bail!(Cancelled);
    }
    lab.ctx.events.note("tests failed; trying once more with a fresh copy of the image").await;
    let second = lab.attempt(first.boots).await?;
    Ok(vec![first, second])
}

/// `after`: the digest of the file, or why there is none.
fn unchanged(before: &str, after: Result<&str, &String>) -> CheckResult {
    let is_same = after == Ok(before);
    CheckResult {
        check: Check::ImageUnchanged,
        verdict: if is_same { CheckVerdict::Passed } else { CheckVerdict::Failed },
        message: match after {
            Ok(_) if is_same => String::new(),
            Ok(after) => {
                format!("the image's file changed while it was tested: its SHA-256 was {before} and is {after}")
            }
            Err(error) => format!("the image's file can't be read any more: {error}"),
        },
        hint: (!is_same).then(|| "someone else writes to it: test a copy that nobody writes to".to_owned()),
        excerpt: Vec::new(),
    }
}

fn flaky(results: &[crate::event::Tested]) -> Failure {
    let names: Vec<String> =
        results.iter().filter(|result| result.verdict == Verdict::Flaky).map(crate::event::Tested::name).collect();
    let shown = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    Failure {
        hint: Some("what failed at first is in the results, and the first boot's console in `test-1`".to_owned()),
        ..Failure::new(format!("tests passed only with a second copy of the image: {shown}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_changed_or_went_away_meanwhile_fails_and_keeps_the_other_results() {
        let gone = "failed to open `web.qcow2`".to_owned();
        let told =
            [Ok("a"), Ok("b"), Err(&gone)].map(|after| unchanged("a", after)).map(|one| (one.verdict, one.message));
        assert_eq!(told[0], (CheckVerdict::Passed, String::new()));
        assert_eq!(told[1].0, CheckVerdict::Failed);
        assert!(told[1].1.ends_with("its SHA-256 was a and is b"), "{told:?}");
        assert_eq!(told[2].0, CheckVerdict::Failed);
        assert!(told[2].1.ends_with("can't be read any more: failed to open `web.qcow2`"), "{told:?}");
    }
}
