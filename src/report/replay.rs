//! Reports of jobs that ran elsewhere: the legs of a fan-out, each on a machine of its own, as one run.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};

use super::ci::{Ci, Setting};
use super::html::Html;
use super::junit::JUnit;
use super::sinks::{self, Reports, Sink};
use super::spool;
use super::table::Table;
use super::text::Paint;
use crate::event::{Body, Cell, Event, JobId, Outcome, WIRE_VERSION};

/// Where the reports of a replay go.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The folder that gets `report.html` and `junit.xml`.
    pub out: Utf8PathBuf,
    /// How files are named to CI services, and in reports that they read.
    pub setting: Setting,
    /// The CI service that runs us, if any does.
    pub ci: Option<Ci>,
    /// Whether standard output gets the closing table.
    pub table: bool,
    /// Whether colour may be used; only terminals ever get it.
    pub colour: bool,
}

/// Whether a file is the whole `events.jsonl` of this job.
#[must_use]
pub fn is_story(path: &Utf8Path, job: &JobId) -> bool {
    Whole::read(&[path.to_owned()]).is_ok_and(|whole| whole.jobs == [job.clone()])
}

/// Makes the reports that a run has at its end (page, test results, what the CI service shows) of the `events.jsonl` of jobs,
/// in the given order. The jobs' own folders are left as they are.
///
/// # Errors
/// A file can't be read, is of another version, or tells of a job that another tells of too; a report can't be written.
pub fn replay(paths: &[Utf8PathBuf], options: ReplayOptions) -> anyhow::Result<()> {
    let whole = Whole::read(paths)?;
    let ReplayOptions { out, setting, ci, table, colour } = options;
    let places: BTreeMap<JobId, Utf8PathBuf> = whole.jobs.iter().cloned().zip(paths.iter().cloned()).collect();
    let place = move |job: &JobId| places.get(job).cloned().unwrap_or_default();
    let mut sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(JUnit::of_all(out.clone(), setting.clone())),
        Box::new(Html::new(out.clone(), setting.clone(), place)),
    ];
    sinks.extend(ci.map(|ci| sinks::service(ci, &out, &setting, None)).transpose()?);
    if table {
        let paint = Paint { colour: colour && io::stdout().is_terminal() };
        sinks.push(Box::new(Table::new(io::stdout(), out, paint)));
    }
    let mut reports = Reports::of(sinks);
    reports.on_event(&whole.start());
    for (path, job) in paths.iter().zip(&whole.jobs) {
        for event in spool::read(path)? {
            let event = event?;
            if event.job.as_ref() == Some(job) {
                reports.on_event(&event);
            }
        }
    }
    reports.on_event(&whole.end());
    reports.finish().context("failed to write a report")
}

/// The run that the files are of together.
struct Whole {
    run: String,
    version: String,
    jobs: Vec<JobId>,
    cells: BTreeMap<JobId, Cell>,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
    outcome: Outcome,
}

impl Whole {
    fn read(paths: &[Utf8PathBuf]) -> anyhow::Result<Self> {
        let (jobs, cells) = (Vec::new(), BTreeMap::new());
        let (begin, end) = (DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC);
        let (run, version, outcome) = (String::new(), String::new(), Outcome::Success);
        let mut whole = Self { run, version, jobs, cells, begin, end, outcome };
        paths.iter().try_for_each(|path| whole.add(path))?;
        anyhow::ensure!(!whole.jobs.is_empty(), "there is no job to report");
        Ok(whole)
    }

    fn add(&mut self, path: &Utf8Path) -> anyhow::Result<()> {
        let mut events = spool::read(path)?;
        let start = events.next().transpose()?;
        let Some(Body::RunStarted { run, version, jobs, cells }) = start.map(|start| start.event) else {
            anyhow::bail!("`{path}` does not begin with the start of a run");
        };
        let [job] = jobs.as_slice() else { anyhow::bail!("`{path}` is not of one job: it has {}", jobs.len()) };
        anyhow::ensure!(!self.jobs.contains(job), "`{path}` is of the job `{job}`, and so is a file before it");
        let mut outcome = Outcome::Cancelled;
        for event in events {
            let event = event?;
            (self.begin, self.end) = (self.begin.min(event.time), self.end.max(event.time));
            if let Body::JobFinished(end) = &event.event {
                outcome = end.outcome;
            }
        }
        self.outcome = worst(self.outcome, outcome);
        if self.jobs.is_empty() {
            (self.run, self.version) = (run, version);
        }
        self.jobs.push(job.clone());
        self.cells.extend(cells.into_iter().filter(|(of, _)| of == job));
        Ok(())
    }

    fn start(&self) -> Event {
        let (run, version) = (self.run.clone(), self.version.clone());
        let event = Body::RunStarted { run, version, jobs: self.jobs.clone(), cells: self.cells.clone() };
        Event { v: WIRE_VERSION, time: self.begin.min(self.end), job: None, event }
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    fn end(&self) -> Event {
        let seconds = (self.end - self.begin).num_milliseconds().max(0) as f64 / 1000.0;
        let event = Body::RunFinished { outcome: self.outcome, seconds };
        Event { v: WIRE_VERSION, time: self.end, job: None, event }
    }
}

/// A failure outweighs a cancellation; what was skipped takes nothing from a success.
fn worst(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Failure, _) | (_, Outcome::Failure) => Outcome::Failure,
        (Outcome::Cancelled, _) | (_, Outcome::Cancelled) => Outcome::Cancelled,
        _ => Outcome::Success,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::report::ci::{Annotations, GitHub};
    use crate::report::spool::Spool;
    use crate::report::testing::{scripted_run, tested_run};

    /// The spooled events of the jobs, each in a folder of its own, as legs of a fan-out leave them.
    fn legs(jobs: &[&str]) -> (tempfile::TempDir, Utf8PathBuf, Vec<Utf8PathBuf>) {
        legs_of(&scripted_run(), jobs)
    }

    fn legs_of(events: &[Event], jobs: &[&str]) -> (tempfile::TempDir, Utf8PathBuf, Vec<Utf8PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let mut sink = Box::new(Spool::new(root.join("legs")));
        events.iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        let paths = jobs.iter().map(|job| spool::path(&root.join("legs"), &JobId((*job).to_owned()))).collect();
        (folder, root.join("out"), paths)
    }

    fn options(out: &Utf8Path) -> ReplayOptions {
        ReplayOptions { out: out.to_owned(), setting: Setting::default(), ci: None, table: false, colour: false }
    }

    #[test]
    fn the_jobs_of_a_fan_out_are_one_page_and_one_result() {
        let (_folder, out, paths) = legs(&["web-trixie", "web-bookworm"]);
        replay(&paths, options(&out)).unwrap();
        let page = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.contains("1 of 2 jobs built, 1 failed"), "the headline");
        assert!(page.contains("Setting up nginx"), "the log of a job that lies elsewhere");
        let junit = std::fs::read_to_string(out.join("junit.xml")).unwrap();
        assert!(junit.find("web-trixie").unwrap() < junit.find("web-bookworm").unwrap(), "in the given order");
        let written: Vec<_> = out.read_dir_utf8().unwrap().map(|one| one.unwrap().file_name().to_owned()).collect();
        assert_eq!(written.len(), 2, "no folder of a job: {written:?}");
    }

    #[test]
    fn a_job_that_is_told_of_twice_is_refused_and_nothing_is_written() {
        let (_folder, out, paths) = legs(&["web-trixie", "web-trixie"]);
        let error = replay(&paths, options(&out)).unwrap_err().to_string();
        assert!(error.ends_with("is of the job `web-trixie`, and so is a file before it"), "{error}");
        assert!(!out.exists());
    }

    #[test]
    fn the_tests_of_a_leg_are_told_again() {
        let (_folder, out, paths) = legs_of(&tested_run(), &["unsteady", "red"]);
        replay(&paths, options(&out)).unwrap();
        let page = std::fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.contains("tests: 2 failed of 3") && page.contains("flaky, passed at attempt 2 only"));
        let junit = std::fs::read_to_string(out.join("junit.xml")).unwrap();
        assert_eq!((junit.matches("<failure").count(), junit.matches("<flakyFailure").count()), (2, 1));
    }

    #[test]
    fn numbers_that_no_run_has_end_in_a_report_all_the_same() {
        report_absurd_numbers(legs(&["web-trixie"]));
        report_absurd_numbers(legs_of(&tested_run(), &["red"]));
    }

    #[track_caller]
    fn report_absurd_numbers((_folder, out, paths): (tempfile::TempDir, Utf8PathBuf, Vec<Utf8PathBuf>)) {
        let text = std::fs::read_to_string(&paths[0]).unwrap();
        let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (index, line) in lines.iter_mut().enumerate() {
            line["time"] = ["+262142-12-31T23:59:59Z", "-262143-01-01T00:00:00Z"][index % 2].into();
            let event = line["event"].as_object_mut().unwrap();
            event.entry("seconds").and_modify(|seconds| *seconds = [1e300, -1e300][index % 2].into());
            event.entry("boot-seconds").and_modify(|seconds| *seconds = [-1e300, 1e300][index % 2].into());
            event.entry("step").and_modify(|step| *step = usize::MAX.into());
        }
        std::fs::write(&paths[0], lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let summary = out.with_file_name("summary");
        // What would be printed here would annotate the run of this test.
        let github = GitHub { annotations: Annotations::None, ..GitHub::default() };
        let ci = Some(Ci::GitHub(GitHub { summary: Some(summary.clone()), ..github }));
        replay(&paths, ReplayOptions { ci, ..options(&out) }).unwrap();
        assert!(std::fs::read_to_string(summary).unwrap().contains("gantt"));
    }

    #[test]
    fn no_job_at_all_is_an_error() {
        let (_folder, out, _) = legs(&[]);
        assert_eq!(replay(&[], options(&out)).unwrap_err().to_string(), "there is no job to report");
    }
}
