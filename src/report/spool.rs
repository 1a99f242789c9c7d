//! A job's `events.jsonl`: its events on disk, for reports that need all of them when the run is over, here
//! ([`html`](super::html)) or on another machine ([`replay`](super::replay)).
//!
//! The first line is the start of the run, cut down to this job, so that a file says by itself what it is part of. Then
//! come the job's own events, without progress.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use camino::{Utf8Path, Utf8PathBuf};
use chrono::{NaiveDate, NaiveTime};

use super::jsonl::JsonLines;
use super::sinks::Sink;
use super::{file, text};
use crate::event::{Body, Event, JobId, WIRE_VERSION};

/// The file's name in a job's folder.
const FILE: &str = "events.jsonl";

/// Longer lines are none of ours: a job's process is held to less.
const LONGEST_LINE: u64 = 16 << 20;

/// Nothing takes more than a year.
const LONGEST_SECONDS: f64 = 365.0 * 86_400.0;

/// No definition has so many steps.
const LAST_STEP: usize = 1_000_000;

/// Where a job's events are.
pub(super) fn path(out: &Utf8Path, job: &JobId) -> Utf8PathBuf {
    out.join(&job.0).join(FILE)
}

/// Writes a file of events for each job.
pub(super) struct Spool {
    out: Utf8PathBuf,
    /// The start of the run.
    start: Option<Event>,
    open: BTreeMap<JobId, Box<JsonLines<File>>>,
    result: io::Result<()>,
}

impl Spool {
    /// Events go to `<out>/<job>/events.jsonl`.
    pub(super) fn new(out: Utf8PathBuf) -> Self {
        Self { out, start: None, open: BTreeMap::new(), result: Ok(()) }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        if let Body::RunStarted { jobs, .. } = &event.event {
            self.start = Some(event.clone());
            return jobs.iter().try_for_each(|job| file::remove(&path(&self.out, job)));
        }
        let Some(job) = &event.job else { return Ok(()) };
        if matches!(event.event, Body::Progress { .. }) {
            return Ok(());
        }
        let lines = match self.open.get_mut(job) {
            Some(lines) => lines,
            None => {
                let lines = self.create(job)?;
                self.open.entry(job.clone()).or_insert(Box::new(lines))
            }
        };
        lines.on_event(event);
        Ok(())
    }

    fn create(&self, job: &JobId) -> io::Result<JsonLines<File>> {
        let mut lines = JsonLines::new(file::create(&path(&self.out, job))?);
        if let Some(start) = &self.start {
            lines.on_event(&of_job(start, job));
        }
        Ok(lines)
    }
}

/// The start of a run, as if it had but one job.
fn of_job(start: &Event, job: &JobId) -> Event {
    let mut start = start.clone();
    if let Body::RunStarted { jobs, cells, .. } = &mut start.event {
        jobs.retain(|other| other == job);
        cells.retain(|other, _| other == job);
    }
    start
}

impl Sink for Spool {
    fn on_event(&mut self, event: &Event) {
        let result = self.write(event);
        if self.result.is_ok() {
            self.result = result;
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let results: Vec<_> = self.open.into_values().map(Sink::finish).collect();
        self.result.and(results.into_iter().collect())
    }
}

/// The events of a file, one after the other. After an error there is no other.
///
/// # Errors
/// The file can't be opened or read, a line is no event, or it is one of another version; the error names file and line.
pub(super) fn read(path: &Utf8Path) -> io::Result<impl Iterator<Item = io::Result<Event>> + use<>> {
    let file = File::open(path).map_err(|error| named(&error, &format!("failed to open `{path}`")))?;
    let path = path.to_owned();
    let mut reader = BufReader::new(file);
    let mut number = 0;
    let mut next = move || -> io::Result<Option<Event>> {
        number += 1;
        let mut line = String::new();
        let failed = |error: &io::Error| named(error, &format!("failed to read `{path}`, line {number}"));
        // One more, so that a line that is too long is seen to be.
        let taken =
            io::Read::take(&mut reader, LONGEST_LINE + 1).read_line(&mut line).map_err(|error| failed(&error))?;
        if taken == 0 {
            return Ok(None);
        }
        parse(&line).map(Some).map_err(|error| failed(&error))
    };
    let mut is_over = false;
    Ok(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let event = next().transpose();
        is_over = !matches!(event, Some(Ok(_)));
        event
    }))
}

fn parse(line: &str) -> io::Result<Event> {
    let event: Event = serde_json::from_str(line).map_err(|error| io::Error::other(text::line(&error.to_string())))?;
    match event.v {
        WIRE_VERSION => Ok(sane(event)),
        other => Err(io::Error::other(format!("events of version {other}; this is a program for {WIRE_VERSION}"))),
    }
}

/// The event with numbers that a run can have: another machine wrote the file, and a time beyond the calendar would end
/// whoever adds to it.
fn sane(mut event: Event) -> Event {
    let year_of = |year| NaiveDate::from_ymd_opt(year, 1, 1).map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let (first, last) = (year_of(1970).unwrap_or_default(), year_of(9999).unwrap_or_default());
    event.time = event.time.clamp(first, last);
    let (seconds, step) = match &mut event.event {
        Body::PhaseFinished { seconds, .. } | Body::RunFinished { seconds, .. } => (Some(seconds), None),
        Body::JobFinished(end) => (Some(&mut end.seconds), None),
        Body::StepFinished(end) => (Some(&mut end.seconds), Some(&mut end.step)),
        Body::Tested(test) => (Some(&mut test.seconds), None),
        Body::TestsFinished(end) => {
            end.boot_seconds = end.boot_seconds.map(|seconds| seconds.clamp(0.0, LONGEST_SECONDS));
            (Some(&mut end.seconds), None)
        }
        Body::StepStarted { step, .. } => (None, Some(step)),
        Body::Output { step, .. } => (None, step.as_mut()),
        Body::Warning(failure) | Body::Failure(failure) => (None, failure.step.as_mut()),
        _ => (None, None),
    };
    if let Some(seconds) = seconds {
        *seconds = seconds.clamp(0.0, LONGEST_SECONDS);
    }
    if let Some(step) = step {
        *step = (*step).min(LAST_STEP);
    }
    event
}

fn named(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::report::testing::scripted_run;

    fn spooled(events: &[Event]) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let mut sink = Box::new(Spool::new(out.clone()));
        events.iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        (folder, out)
    }

    fn events_of(out: &Utf8Path, job: &str) -> io::Result<Vec<Event>> {
        read(&path(out, &JobId(job.to_owned())))?.collect()
    }

    #[test]
    fn a_job_has_its_own_events_after_the_start_of_its_run() {
        let (_folder, out) = spooled(&scripted_run());
        let events = events_of(&out, "web-trixie").unwrap();
        let Body::RunStarted { run, jobs, .. } = &events[0].event else { panic!("{:?}", events[0]) };
        assert_eq!((run.as_str(), jobs.as_slice()), ("r-7f3a", [JobId("web-trixie".to_owned())].as_slice()));
        let is_own = |event: &&Event| event.job.as_ref().is_some_and(|job| job.0 == "web-trixie");
        let own: Vec<Event> = scripted_run().iter().filter(is_own).cloned().collect();
        assert_eq!(events[1..], own);
    }

    #[test]
    fn progress_is_left_out() {
        let (_folder, out) = spooled(&scripted_run());
        let events = events_of(&out, "web-bookworm").unwrap();
        assert!(events.iter().all(|event| !matches!(event.event, Body::Progress { .. })));
    }

    #[test]
    fn what_an_earlier_run_left_is_gone_when_the_next_begins() {
        let (_folder, out) = spooled(&scripted_run());
        let mut sink = Spool::new(out.clone());
        sink.on_event(&scripted_run()[0]);
        assert_eq!(events_of(&out, "web-trixie").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_line_that_is_no_event_is_named_and_ends_the_file() {
        let (_folder, out) = spooled(&scripted_run());
        let path = path(&out, &JobId("late".to_owned()));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen('\n', "\nnonsense\n", 1)).unwrap();
        let error = events_of(&out, "late").unwrap_err().to_string();
        assert!(error.starts_with(&format!("failed to read `{path}`, line 2: ")), "{error}");
        assert_eq!(read(&path).unwrap().count(), 2, "the start, and the error");
        std::fs::write(&path, text.replace("\"v\":1", "\"v\":2")).unwrap();
        let error = events_of(&out, "late").unwrap_err().to_string();
        assert!(error.ends_with("line 1: events of version 2; this is a program for 1"), "{error}");
    }
}
