//! `ovenbird collect`: puts the records of jobs together that a CI service built on machines of their own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::ci;
use super::exit::Exit;
use super::load::{self, Loaded};
use crate::context::Explained;
use crate::event::{
    Body, Event, Failure, JobFinished, JobId, Outcome, Phase, StepFinished, Suite, Tested, Verdict, WIRE_VERSION, WORDS,
};
use crate::image::collect::{self, Collected, Found};
use crate::image::manifest::{Manifest, StepRecord, TestRemark, Tests};
use crate::plan::job::Job;
use crate::report::{self, Annotations, Ci, ReplayOptions};
use crate::secret::Redactor;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Records (manifest.json), or folders to search for them; otherwise the output folder
    #[arg(value_name = "RECORD")]
    records: Vec<Utf8PathBuf>,
    #[command(flatten)]
    load: load::Planning,
    /// Only this job was to be built; may be given again
    #[arg(long = "job", value_name = "JOB")]
    jobs: Vec<String>,
    /// Where images.json and the reports go
    #[arg(long, value_name = "DIR", default_value = "ovenbird-out")]
    pub(super) out: Utf8PathBuf,
    /// Take what was built when some jobs have no record
    #[arg(long)]
    partial: bool,
}

pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let checked = load::check(&args.load)?;
    let Some(loaded) = checked.accept(&args.load, &args.jobs, colour)? else { return Ok(Exit::Wrong) };
    fs::create_dir_all(&args.out).with_context(|| format!("failed to create the folder `{}`", args.out))?;
    // That of an earlier run would be taken for this one's.
    let images = args.out.join("images.json");
    match fs::remove_file(&images) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to remove `{images}`"));
        }
        _ => {}
    }
    let places = if args.records.is_empty() { std::slice::from_ref(&args.out) } else { &args.records };
    let collected = collect::collect(collect::find(places), &loaded.jobs);
    tell_older(&collected.older);
    let is_whole = collected.missing.is_empty() || args.partial && !collected.records.is_empty();
    let is_right = is_whole && collected.troubles.is_empty();
    let written = if is_right { write(args, &loaded, &collected) } else { Ok(()) };
    let reported = tell(args, colour, &loaded, &collected, is_right);
    if !is_right {
        bail!(refusal(&loaded.jobs, &collected, args));
    }
    written?;
    reported?;
    Ok(if collected.records.iter().any(|found| has_red_tests(&found.manifest)) {
        Exit::TestsFailed
    } else {
        Exit::Done
    })
}

/// Whether the image was built, and its tests failed.
fn has_red_tests(manifest: &Manifest) -> bool {
    manifest.tests.as_ref().is_some_and(|tests| tests.finished.verdict == Verdict::Failed)
}

/// `images.json`, and each record where `build` would have put it.
fn write(args: &Args, loaded: &Loaded, collected: &Collected) -> anyhow::Result<()> {
    for Found { manifest, .. } in &collected.records {
        let folder = args.out.join(&manifest.job.0);
        fs::create_dir_all(&folder).with_context(|| format!("failed to create `{folder}`"))?;
        // An artifact may bring one along, and what it leads to is not ours to write.
        anyhow::ensure!(!folder.is_symlink(), "`{folder}` is a link: remove it, or give another folder with --out");
        manifest.write(&folder.join("manifest.json"))?;
    }
    collected.images(&loaded.plan.name).write(&args.out.join("images.json"))
}

fn tell_older(older: &[Found]) {
    for Found { path, manifest } in older {
        let text = format!("`{path}` is of an earlier attempt at the job `{}`: the later one counts", manifest.job);
        load::tell(&format!("notice: {}\n", report::one_line(&text)));
    }
}

/// The table, `report.html` and `junit.xml` of all jobs, and what the CI service shows.
fn tell(args: &Args, colour: bool, loaded: &Loaded, collected: &Collected, is_right: bool) -> anyhow::Result<()> {
    let environment = load::environment();
    let root = load::root_of(&args.load.file)?;
    let out = args.out.canonicalize_utf8().with_context(|| format!("failed to find the folder `{}`", args.out))?;
    let real = ci::Real { root: &root, repository: load::repository_of(&root), out: &out };
    let mut secrets = loaded.secrets.clone();
    secrets.register_environment(&environment);
    let given = ci::Given { planning: &args.load, out: &args.out, secrets: &secrets };
    // The legs annotated what failed in them.
    let mut service = ci::service(&environment, &secrets, Annotations::None)?;
    if let (Some(Ci::GitHub(github)), false) = (&mut service, is_right) {
        // Outputs would name an `images.json` that there is not.
        github.output = None;
    }
    let scratch = tempfile::tempdir().context("failed to create a temporary folder")?;
    let scratch = Utf8Path::from_path(scratch.path()).context("the temporary folder's name is no UTF-8")?;
    let redactor = secrets.redactor();
    let mut paths = Vec::with_capacity(loaded.jobs.len());
    for job in &loaded.jobs {
        let path = story(job, collected, args.partial, scratch)?;
        paths.push(redacted(&path, job, &redactor, scratch)?);
    }
    let setting = ci::setting(&environment, &real, &given);
    report::replay(&paths, ReplayOptions { out: args.out.clone(), setting, ci: service, table: true, colour })
}

/// The file that tells what happened in a job: its own, where it was uploaded; else one that tells what its record says, or
/// that there is none.
fn story(job: &Job, collected: &Collected, partial: bool, scratch: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let found = collected.records.iter().find(|found| found.manifest.job == job.id);
    let beside = found.and_then(|found| collected.stories.iter().find(|path| path.parent() == found.path.parent()));
    let mut left = collected.stories.iter().filter(|_| found.is_none() && collected.missing.contains(&job.id));
    let own = beside.into_iter().find(|path| report::is_story(path, &job.id));
    if let Some(own) = own.or_else(|| left.find(|path| report::is_story(path, &job.id))) {
        return Ok(own.clone());
    }
    let begin = found.map_or_else(Utc::now, |found| found.manifest.started);
    let event = |job: Option<&JobId>, event| Event { v: WIRE_VERSION, time: begin, job: job.cloned(), event };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let (jobs, cells) = (vec![job.id.clone()], [(job.id.clone(), job.matrix.clone())].into());
    let mut events = vec![event(None, Body::RunStarted { run: "collect".to_owned(), version, jobs, cells })];
    match found {
        Some(found) => events.extend(events_of(&found.manifest)),
        None => {
            let outcome = if partial { Outcome::Skipped } else { Outcome::Failure };
            let reason = Some("there is no record that can be taken for this job".to_owned());
            let finished = JobFinished { outcome, seconds: 0.0, reason, manifest: None, verdict: None };
            events.push(event(Some(&job.id), Body::JobFinished(Box::new(finished))));
        }
    }
    let lines = events.iter().map(|event| serde_json::to_string(event).map(|line| line + "\n"));
    let text: String = lines.collect::<Result<_, _>>().context("failed to write JSON")?;
    let path = scratch.join(format!("{}.own.jsonl", job.id));
    fs::write(&path, text).with_context(|| format!("failed to write `{path}`"))?;
    Ok(path)
}

/// A copy of a story without this run's secrets. Its job hid those that it knew; who wrote the file may be someone else.
fn redacted(story: &Utf8Path, job: &Job, redactor: &Redactor, scratch: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let path = scratch.join(format!("{}.jsonl", job.id));
    let copy = || -> std::io::Result<()> {
        let mut copy = BufWriter::new(File::create_new(&path)?);
        for line in BufReader::new(File::open(story)?).lines() {
            let mut event: Value = serde_json::from_str(&line?)?;
            // The start of a run has names of jobs alone, which are known here.
            if event.get("job").is_some() {
                redactor.redact_json(&mut event["event"], &WORDS);
            }
            writeln!(copy, "{event}")?;
        }
        copy.flush()
    };
    copy().with_context(|| format!("failed to copy `{story}`"))?;
    Ok(path)
}

fn seconds(duration: Duration) -> f64 {
    duration.to_std().unwrap_or_default().as_secs_f64()
}

/// What a record says of its job, in the order in which it happened.
fn events_of(manifest: &Manifest) -> Vec<Event> {
    let mut time = manifest.started;
    let event = |time: DateTime<Utc>, event| Event { v: WIRE_VERSION, time, job: Some(manifest.job.clone()), event };
    let (name, platform) = (manifest.name.clone(), manifest.platform.clone());
    let mut events = vec![event(time, Body::JobStarted { name, platform, tests_only: false })];
    for phase in &manifest.phases {
        events.push(event(time, Body::PhaseStarted { phase: phase.name }));
        if phase.name == Phase::Steps {
            let mut time = time;
            for (index, step) in manifest.steps.iter().enumerate() {
                events.push(event(time, Body::StepStarted { step: index, name: step.name.clone() }));
                time = later(time, step.seconds);
                events.push(event(time, Body::StepFinished(step_of(index, step))));
            }
        }
        time = later(time, phase.seconds);
        events.push(event(time, Body::PhaseFinished { phase: phase.name, seconds: phase.seconds }));
    }
    events.extend(manifest.artifacts.iter().map(|artifact| event(time, Body::Artifact(artifact.clone()))));
    events.extend(manifest.tests.iter().flat_map(tests_of).map(|body| event(time, body)));
    events.push(event(manifest.finished, Body::JobFinished(Box::new(end_of(manifest)))));
    events
}

fn end_of(manifest: &Manifest) -> JobFinished {
    let (outcome, reason) = match has_red_tests(manifest) {
        true => (Outcome::Failure, Some("tests of the image failed".to_owned())),
        false => (Outcome::Success, None),
    };
    let seconds = seconds(manifest.finished - manifest.started);
    let verdict = manifest.tests.as_ref().map(|tests| tests.finished.verdict);
    JobFinished { outcome, seconds, reason, manifest: None, verdict }
}

/// What a record says of its tests: names of those that people must know of, and the verdict.
fn tests_of(tests: &Tests) -> Vec<Body> {
    let remarks = tests.remarks.iter().map(|remark| Body::Tested(Box::new(test_of(remark))));
    remarks.chain([Body::TestsFinished(tests.finished.clone())]).collect()
}

fn test_of(remark: &TestRemark) -> Tested {
    let (kind, id) = remark.name.split_once(' ').unwrap_or(("check", &remark.name));
    let suite = if kind == "check" { Suite::Checks } else { Suite::Goss };
    let (kind, id, message) = (kind.to_owned(), id.to_owned(), String::new());
    let (property, title, place, hint, excerpt) = (None, None, None, None, Vec::new());
    Tested { suite, kind, id, property, title, verdict: remark.verdict, message, place, hint, excerpt, seconds: 0.0 }
}

/// A record's number may be anything.
fn later(time: DateTime<Utc>, seconds: f64) -> DateTime<Utc> {
    let duration = std::time::Duration::try_from_secs_f64(seconds).ok().and_then(|took| Duration::from_std(took).ok());
    duration.and_then(|took| time.checked_add_signed(took)).unwrap_or(time)
}

fn step_of(index: usize, step: &StepRecord) -> StepFinished {
    // The job was built all the same, so the step was allowed to fail.
    let conclusion = if step.outcome == Outcome::Failure { Outcome::Success } else { step.outcome };
    let StepRecord { name, outcome, seconds, attempts } = step.clone();
    StepFinished { step: index, name, outcome, conclusion, seconds, attempts }
}

/// Everything that is wrong, in one message.
fn refusal(jobs: &[Job], collected: &Collected, args: &Args) -> Explained {
    let Collected { missing, troubles, records, .. } = collected;
    let count = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!("{} of {} no record", missing.len(), count(jobs.len(), "job has", "jobs have")));
    }
    if !troubles.is_empty() {
        said.push(format!("{} can't be taken", count(troubles.len(), "record", "records")));
    }
    let mut message = said.join(", ");
    let mut line = |text: &str| message.push_str(&format!("\n  {}", report::one_line(text)));
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|job| job.0.as_str()).collect();
        line(&format!("missing: {}", names.join(", ")));
    }
    troubles.iter().for_each(|trouble| line(&trouble.to_string()));
    let nothing = records.is_empty() && troubles.is_empty();
    let hint = match (missing.is_empty(), nothing) {
        (true, _) => None,
        (false, true) => Some(how_to_download(args)),
        (false, false) => {
            Some("these jobs failed, or their records were not uploaded; `--partial` takes the rest".to_owned())
        }
    };
    Explained(Failure { hint, ..Failure::new(message) })
}

/// No record at all: the step that brings them is missing.
fn how_to_download(args: &Args) -> String {
    let folder: &Utf8Path = args.records.first().map_or(&args.out, |record| record);
    let folder = report::one_line(folder.as_str());
    if load::environment().get("GITLAB_CI").is_some_and(|value| value == "true") {
        return format!(
            "the jobs that build need `artifacts: {{ when: always, paths: [{folder}] }}`, and this one no `dependencies`"
        );
    }
    format!(
        "upload the folder of each job and download them before this step:\n  \
         - uses: actions/upload-artifact@v4   # in the job that builds, with `if: always()`\n    \
           with: {{ name: 'ovenbird-${{{{ matrix.job }}}}', path: 'ovenbird-out/${{{{ matrix.job }}}}' }}\n  \
         - uses: actions/download-artifact@v4 # in this job\n    \
           with: {{ pattern: ovenbird-*, path: {folder} }}"
    )
}
