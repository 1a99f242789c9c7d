//! The life of one job, inside its own process: from the messages on standard input to the last event.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::evidence::{self, CONSOLE, JOURNAL, SCREENSHOT, disarmed};
use super::record::Record;
use super::test;
use super::wire::{self, HEARTBEAT, HEARTBEAT_LINE, Start, Task};
use crate::context::{Cancelled, Events, JobCtx, clean_line, failure_of, is_cancelled};
use crate::event::{Artifact, Body, Event, Failure, JobFinished, JobId, Outcome, Phase, TestsFinished, Verdict, WORDS};
use crate::guest::Guest;
use crate::guest::local::Local;
use crate::image::inspect::Inspection;
use crate::image::manifest::Tests;
use crate::image::seal::Sealed;
use crate::image::{convert, inspect, manifest, seal};
use crate::journal::cleanup::Places;
use crate::journal::{Journal, Resource};
use crate::plan::job::{Compression, DiskFormat, Job, Output};
use crate::platform::{self, Machine};
use crate::secret::{Redactor, Secrets};
use crate::step;

/// How long a cancelled job may take to unwind by itself before it is cut short. The supervisor ends the process 6.3 s
/// after it asked.
const UNWIND: Duration = Duration::from_secs(4);

/// A console without line ends is cleaned in pieces of so many bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// Runs the job that standard input describes, and writes its events to `output`.
///
/// # Errors
/// The messages are malformed, or events can't be written. What happens to the job itself is told by events.
pub async fn run<R, W>(mut input: R, output: W) -> anyhow::Result<Outcome>
where
    R: AsyncBufRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (secrets, start) = read_messages(&mut input).await?;
    let cancel = CancellationToken::new();
    stop_on_signals(&cancel)?;
    stop_without_supervisor(input, &cancel);
    let redactor = secrets.redactor();
    let (events, bodies) = Events::channel();
    let events = events.hiding(redactor.clone());
    let writer = write_events(bodies, output, start.job.id.clone(), redactor, cancel.clone());
    let writer = tokio::spawn(writer);
    let outcome = live(start, &secrets, events, cancel).await;
    writer.await.context("the writer of events panicked")?.context("failed to write events")?;
    Ok(outcome)
}

async fn read_messages<R: AsyncBufRead + Unpin>(input: &mut R) -> anyhow::Result<(Secrets, Start)> {
    let mut line = String::new();
    input.read_line(&mut line).await.context("failed to read standard input")?;
    let secrets = Secrets::from_wire(&line)?;
    line.clear();
    input.read_line(&mut line).await.context("failed to read standard input")?;
    let start: Start = serde_json::from_str(&line).context("the second line on standard input is not a job")?;
    anyhow::ensure!(
        start.version == wire::VERSION && start.job.version == crate::plan::job::WIRE_VERSION,
        "the job was made by another version of ovenbird"
    );
    Ok((secrets, start))
}

fn stop_on_signals(cancel: &CancellationToken) -> anyhow::Result<()> {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind).context("failed to install a signal handler")?;
        let cancel = cancel.clone();
        tokio::spawn(async move {
            signals.recv().await;
            cancel.cancel();
        });
    }
    Ok(())
}

/// Standard input stays open while the supervisor lives.
fn stop_without_supervisor<R>(mut input: R, cancel: &CancellationToken)
where
    R: AsyncBufRead + Unpin + Send + 'static,
{
    let cancel = cancel.clone();
    tokio::spawn(async move {
        let mut rest = Vec::new();
        while let Ok(1..) = input.read_until(b'\n', &mut rest).await {
            rest.clear();
        }
        cancel.cancel();
    });
}

/// The one writer: numbers nothing, redacts everything, and gives a sign of life while there is nothing to say.
async fn write_events<W: AsyncWrite + Unpin>(
    mut bodies: mpsc::Receiver<Body>,
    mut output: W,
    job: JobId,
    redactor: Redactor,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let mut line = match tokio::time::timeout(HEARTBEAT, bodies.recv()).await {
            Err(_) => HEARTBEAT_LINE.to_owned(),
            Ok(None) => return Ok(()),
            Ok(Some(body)) => {
                let mut event = serde_json::to_value(Event::now(Some(job.clone()), body))?;
                redactor.redact_json(&mut event["event"], &WORDS);
                event.to_string()
            }
        };
        line.push('\n');
        let written = match output.write_all(line.as_bytes()).await {
            Ok(()) => output.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            // Nobody listens any more: the job stops, and what it still has to say is lost.
            cancel.cancel();
            while bodies.recv().await.is_some() {}
            return Err(error.into());
        }
    }
}

/// The whole life: folders and journal around, the build inside, and always the last word.
async fn live(start: Start, secrets: &Secrets, events: Events, cancel: CancellationToken) -> Outcome {
    let begin = Instant::now();
    let result = match House::open(&start, events.clone(), cancel.clone()) {
        Err(error) => Err(error),
        Ok(house) => {
            let done = within_time(&cancel, work(&house.ctx, &start, secrets)).await;
            let disarmed = disarm_consoles(&house.ctx.out);
            let closed = disarmed.and(house.close());
            done.and_then(|done| closed.map(|()| done))
        }
    };
    let mut finished = JobFinished {
        outcome: Outcome::Success,
        seconds: begin.elapsed().as_secs_f64(),
        reason: None,
        manifest: None,
        verdict: None,
    };
    match result {
        Ok(done) => {
            finished.manifest = done.manifest;
            finished.verdict = done.tests.as_ref().map(|tests| tests.verdict);
            let told = done.tests.filter(|tests| tests.verdict == Verdict::Failed).map(|tests| test::reason(&tests));
            finished.reason = done.untested.or(told);
            if finished.reason.is_some() {
                finished.outcome = Outcome::Failure;
            }
        }
        Err(error) if cancel.is_cancelled() && is_cancelled(&error) => {
            finished.outcome = Outcome::Cancelled;
            finished.reason = Some("cancelled".to_owned());
        }
        Err(error) => {
            finished.outcome = Outcome::Failure;
            finished.reason = Some(format!("{error:#}"));
            if !error.is::<Told>() {
                events.emit(Body::Failure(failure_of(&error))).await;
            }
        }
    }
    let outcome = finished.outcome;
    events.emit(Body::JobFinished(Box::new(finished))).await;
    outcome
}

/// What a job came to.
#[derive(Default)]
struct Done {
    /// What was built.
    manifest: Option<Utf8PathBuf>,
    tests: Option<TestsFinished>,
    /// Why what was built could not be tested; already reported.
    untested: Option<String>,
}

async fn work(ctx: &JobCtx, start: &Start, secrets: &Secrets) -> anyhow::Result<Done> {
    match &start.task {
        Task::Build => build(ctx, &start.job, secrets).await,
        Task::Test { image } => {
            let subject = test::Subject::of(&start.job, image.as_deref())?;
            let tested = ctx.events.phase(Phase::Test, test::run(ctx, &start.job, &subject)).await?;
            Ok(Done { tests: Some(tested.finished), ..Done::default() })
        }
    }
}

/// A failure that was already reported where it happened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

/// Cuts the work short when it does not unwind in time after a cancel. What it holds is ended as it is dropped.
async fn within_time<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let overdue = async {
        cancel.cancelled().await;
        tokio::time::sleep(UNWIND).await;
    };
    tokio::select! {
        result = work => result,
        () = overdue => Err(Cancelled.into()),
    }
}

/// The job's folders and journal, opened before and closed after everything else.
struct House {
    ctx: JobCtx,
    work: crate::journal::record::Pending,
}

impl House {
    fn open(start: &Start, events: Events, cancel: CancellationToken) -> anyhow::Result<Self> {
        let id = &start.job.id;
        let places = Places::new(&start.out, &start.cache);
        let out = start.out.join(&id.0);
        std::fs::create_dir_all(&out).with_context(|| format!("failed to create `{out}`"))?;
        if start.task == Task::Build {
            remove_old_outputs(&out, &start.job.name)?;
        }
        test::remove_old_outputs(&out)?;
        let journal = Journal::create(&places.job_journal(&start.run, &id.0), &start.run)?;
        let work = places.job_work(&start.run, &id.0);
        let pending = journal.intent(Resource::Path(work.clone()))?;
        std::fs::create_dir_all(&work).with_context(|| format!("failed to create `{work}`"))?;
        let cache = start.cache.clone();
        Ok(Self { ctx: JobCtx { id: id.clone(), out, work, cache, events, journal, cancel }, work: pending })
    }

    fn close(self) -> anyhow::Result<()> {
        let work = &self.ctx.work;
        crate::journal::cleanup::remove(work).with_context(|| format!("failed to remove `{work}`"))?;
        self.ctx.journal.done(self.work)?;
        self.ctx.journal.close().context("failed to remove the job's journal")
    }
}

/// Removes what an earlier build of this job wrote, so that a failed build never looks like a finished one. Only names
/// that this program gives are touched; `log.txt` belongs to the supervisor.
fn remove_old_outputs(out: &Utf8Path, stem: &str) -> anyhow::Result<()> {
    let formats =
        [DiskFormat::Qcow2, DiskFormat::Raw, DiskFormat::Vmdk, DiskFormat::Vdi, DiskFormat::Vhd, DiskFormat::Vhdx];
    let plain = formats.map(|format| Output { format, compress: None });
    let compressed = [Compression::Zstd, Compression::Gzip, Compression::Xz]
        .map(|compression| Output { format: DiskFormat::Raw, compress: Some(compression) });
    let images = plain.into_iter().chain(compressed).map(|output| output.file_name(stem));
    let others = ["manifest.json", "SHA256SUMS", CONSOLE, SCREENSHOT, JOURNAL].map(str::to_owned);
    for name in images.chain(others) {
        let path = out.join(name);
        crate::journal::cleanup::remove(&path).with_context(|| format!("failed to remove the old `{path}`"))?;
    }
    Ok(())
}

/// Takes out of the consoles' files what a terminal or a CI runner would obey, for someone may print them. Secrets never
/// come into them.
fn disarm_consoles(out: &Utf8Path) -> anyhow::Result<()> {
    std::iter::once(out.to_owned()).chain(test::folders(out)).try_for_each(|folder| disarm_console(&folder))
}

fn disarm_console(folder: &Utf8Path) -> anyhow::Result<()> {
    let path = folder.join(CONSOLE);
    if !path.exists() {
        return Ok(());
    }
    let part = folder.join(".console.txt.part");
    let rewrite = || {
        let mut reader = BufReader::new(File::open(&path)?);
        let mut writer = BufWriter::new(manifest::part_file(&part)?);
        let mut line = Vec::new();
        while reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
            writeln!(writer, "{}", disarmed(&clean_line(&line)))?;
            line.clear();
        }
        writer.into_inner()?.sync_all()?;
        std::fs::rename(&part, &path)
    };
    rewrite().with_context(|| format!("failed to clean `{path}`"))
}

/// From a resolved job to files and a manifest, and what the tests of the image say.
async fn build(ctx: &JobCtx, job: &Job, secrets: &Secrets) -> anyhow::Result<Done> {
    let mut record = Record::new();
    let prepared = record.phase(ctx, Phase::Source, platform::prepare(ctx, job)).await?;
    let booted = async {
        let mut machine = prepared.launch(ctx).await?;
        // A machine that can't be reached is kept for now: it tells why.
        let guest = machine.connect(ctx).await;
        Ok((machine, guest))
    };
    let (mut machine, guest) = record.phase(ctx, Phase::Boot, booted).await?;
    record.facts = machine.facts();
    let reachable = guest.as_ref().ok().cloned();
    let provisioned = match guest {
        Ok(guest) => provision(ctx, job, secrets, machine.as_mut(), guest, &mut record).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &provisioned
        && !is_cancelled(error)
    {
        evidence::keep(ctx, machine.as_mut(), reachable.as_deref(), error).await;
    }
    let finished = match provisioned {
        Ok(sealed) => {
            let finished = finish(ctx, job, machine.as_mut(), &sealed, &mut record).await;
            if finished.as_ref().is_err_and(|error| !is_cancelled(error)) {
                evidence::keep_console(ctx).await;
            }
            finished
        }
        Err(error) => Err(error),
    };
    machine.destroy(ctx).await;
    drop(machine);
    let (inspection, artifacts) = finished?;
    let tested = test_artifacts(ctx, job, &artifacts, &mut record).await;
    if let Err(error) = &tested
        && !is_cancelled(error)
    {
        ctx.events.emit(Body::Failure(failure_of(error))).await;
    }
    // What was built stays, and its record with it, whatever the tests say.
    let (tests, untested) = match tested {
        Ok(tests) => (tests, None),
        Err(error) if is_cancelled(&error) => {
            record.write(job, &ctx.out, inspection, artifacts, None)?;
            return Err(error);
        }
        Err(error) => (None, Some(format!("the image could not be tested: {error:#}"))),
    };
    let finished = tests.as_ref().map(|tests| tests.finished.clone());
    let manifest = record.write(job, &ctx.out, inspection, artifacts, tests)?;
    Ok(Done { manifest: Some(manifest), tests: finished, untested })
}

/// Tests what was built, if the job has tests.
async fn test_artifacts(
    ctx: &JobCtx,
    job: &Job,
    artifacts: &[Artifact],
    record: &mut Record,
) -> anyhow::Result<Option<Tests>> {
    if job.tests.is_none() {
        return Ok(None);
    }
    let subject = test::Subject::built(&ctx.out, artifacts)?;
    record.phase(ctx, Phase::Test, test::run(ctx, job, &subject)).await.map(Some)
}

/// What needs the machine to run: the steps, and its clean end.
async fn provision(
    ctx: &JobCtx,
    job: &Job,
    secrets: &Secrets,
    machine: &mut dyn Machine,
    guest: Arc<dyn Guest>,
    record: &mut Record,
) -> anyhow::Result<Sealed> {
    let local = Local::new(ctx, &job.root, Vec::new());
    let steps = async { Ok(step::run_all(ctx, job, secrets, guest.as_ref(), &local).await) };
    let summary = record.phase(ctx, Phase::Steps, steps).await?;
    record.steps = summary.steps;
    match summary.outcome {
        Outcome::Success | Outcome::Skipped => {}
        Outcome::Cancelled => return Err(Cancelled.into()),
        Outcome::Failure => {
            let failure = summary.failure.unwrap_or_else(|| Failure::new("a step failed"));
            return Err(Told(failure.message).into());
        }
    }
    let seal_and_shut_down = async {
        let sealed = seal::seal(ctx, guest.as_ref(), &machine.seal_plan()).await?;
        machine.shutdown(ctx).await?;
        anyhow::Ok(sealed)
    };
    record.phase(ctx, Phase::Seal, seal_and_shut_down).await
}

/// From a machine that is off to files.
async fn finish(
    ctx: &JobCtx,
    job: &Job,
    machine: &mut dyn Machine,
    sealed: &Sealed,
    record: &mut Record,
) -> anyhow::Result<(Inspection, Vec<Artifact>)> {
    let inspected = async {
        let disk = machine.capture(ctx).await?;
        let inspection = inspect::inspect(ctx, &disk, sealed).await?;
        anyhow::Ok((disk, inspection))
    };
    let (disk, inspection) = record.phase(ctx, Phase::Inspect, inspected).await?;
    if let Some(reason) = &inspection.reason {
        ctx.events.warn(Failure::new(format!("the finished disk was not fully inspected: {reason}"))).await;
    }
    let converted = convert::convert(ctx, &disk, &job.outputs, &job.name);
    let artifacts = record.phase(ctx, Phase::Convert, converted).await?;
    Ok((inspection, artifacts))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::{StepFinished, Stream, Unit};

    #[tokio::test]
    async fn a_short_secret_masks_texts_and_leaves_events_readable() {
        let mut secrets = Secrets::default();
        secrets.insert("letter", "e");
        let (sender, bodies) = mpsc::channel(8);
        let step = StepFinished {
            step: 0,
            name: "one".to_owned(),
            outcome: Outcome::Failure,
            conclusion: Outcome::Success,
            seconds: 1.0,
            attempts: 1,
        };
        let finished = JobFinished {
            outcome: Outcome::Failure,
            seconds: 1.0,
            reason: Some("test".to_owned()),
            manifest: None,
            verdict: None,
        };
        for body in [
            Body::PhaseStarted { phase: Phase::Source },
            Body::Output { step: None, stream: Stream::Stderr, line: "he".to_owned() },
            Body::Progress { what: "be".to_owned(), done: 1, total: None, unit: Unit::Bytes },
            Body::StepFinished(step),
            Body::JobFinished(Box::new(finished)),
        ] {
            sender.send(body).await.unwrap();
        }
        drop(sender);
        let mut output = Vec::new();
        let id = JobId("web".to_owned());
        write_events(bodies, &mut output, id, secrets.redactor(), CancellationToken::new()).await.unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text.lines().filter(|line| wire::read_line(line).is_ok()).count(), 5, "{text}");
        for masked in ["h***", "b***", "on***", "t***st"] {
            assert!(text.contains(&format!("\"{masked}\"")), "{masked} is not in {text}");
        }
    }
}
