//! The closing table: each job with its outcome, times, and files, then why the failed ones failed. Readable without
//! colour, in a terminal and in a log.

use std::collections::BTreeMap;
use std::io::{self, Write};

use camino::Utf8PathBuf;

use super::ci::Setting;
use super::run::{Job, Run, What};
use super::sinks::{Sink, write_unless_closed};
use super::text::{self, Paint};
use super::{failure, log, verdict};
use crate::event::{Event, Failure, Outcome, Phase, StepFinished};

/// Digits of a digest that tell two files apart at a glance; `SHA256SUMS` has all of them.
const SHORT_DIGEST: usize = 12;

/// Steps that are listed when there are more than fit a screen: the slowest are what one looks for.
const MOST_STEPS: usize = 20;

/// Failures of a job that are told again: one cause may fail hundreds of tests.
const MOST_FAILURES: usize = 20;

/// Collects a run and writes the table at its end.
pub(super) struct Table<W> {
    writer: W,
    out: Utf8PathBuf,
    paint: Paint,
    run: Run,
}

impl<W: Write + Send> Table<W> {
    pub(super) fn new(writer: W, out: Utf8PathBuf, paint: Paint) -> Self {
        Self { writer, out, paint, run: Run::default() }
    }

    fn text(&self) -> String {
        let parts = [self.results(), self.times(), self.steps(), self.failures(), self.verdict()];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n")
    }

    fn results(&self) -> String {
        let has_tests = self.run.is_test() || self.run.jobs.iter().any(|job| job.tested.is_some());
        let mut grid = match has_tests {
            _ if self.run.is_test() => Grid::new(&["job", "result", "time", "tests"], &[2]),
            true => Grid::new(&["job", "result", "time", "tests", "artifact", "size", "sha256"], &[2, 5]),
            false => Grid::new(&["job", "result", "time", "artifact", "size", "sha256"], &[2, 4]),
        };
        for job in &self.run.jobs {
            let seconds = job.end.as_ref().map(|end| text::duration(end.seconds)).unwrap_or_default();
            let outcome = job.outcome().map_or("not run", text::outcome).to_owned();
            let mut first = vec![text::line(&job.id.0), outcome, seconds];
            if has_tests {
                first.push(job.tested.as_ref().map(verdict::short).unwrap_or_default());
            }
            let blank = vec![String::new(); first.len()];
            for artifact in &job.artifacts {
                let digest = text::line(&artifact.sha256).chars().take(SHORT_DIGEST).collect();
                first.extend([text::line(&artifact.file), text::bytes(artifact.size), digest]);
                grid.rows.push(std::mem::replace(&mut first, blank.clone()));
            }
            if !first[0].is_empty() {
                grid.rows.push(first);
            }
        }
        grid.text(self.paint, |column, cell| match (column, cell) {
            (1, "success") => Some(Outcome::Success),
            (1, "failure") => Some(Outcome::Failure),
            (1, "cancelled") => Some(Outcome::Cancelled),
            (1, "skipped" | "not run") => Some(Outcome::Skipped),
            _ => None,
        })
    }

    /// Where the time went, a column a phase.
    fn times(&self) -> String {
        let times: Vec<_> = self.run.jobs.iter().map(|job| (job, phases_of(job))).collect();
        let mut phases: Vec<Phase> = times.iter().flat_map(|(_, phases)| phases.keys().copied()).collect();
        phases.sort_unstable();
        phases.dedup();
        let mut titles = vec!["time by phase"];
        titles.extend(phases.iter().map(|phase| phase.as_str()));
        let right: Vec<usize> = (1..titles.len()).collect();
        let mut grid = Grid::new(&titles, &right);
        for (job, times) in times.iter().filter(|(_, times)| !times.is_empty()) {
            let mut row = vec![text::line(&job.id.0)];
            let cell = |phase| times.get(phase).copied().map(text::duration).unwrap_or_else(|| "-".to_owned());
            row.extend(phases.iter().map(cell));
            grid.rows.push(row);
        }
        grid.text(self.paint, |_, _| None)
    }

    /// How long steps took: all of them in order, or the slowest.
    fn steps(&self) -> String {
        let all = self.run.jobs.iter().flat_map(|job| steps_of(job).into_iter().map(|step| (&job.id, step)));
        let mut steps: Vec<_> = all.filter(|(_, step)| step.outcome != Outcome::Skipped).collect();
        let title = if steps.len() > MOST_STEPS { "slowest steps" } else { "steps" };
        if steps.len() > MOST_STEPS {
            steps.sort_by(|(_, a), (_, b)| b.seconds.total_cmp(&a.seconds));
            steps.truncate(MOST_STEPS);
        }
        let mut grid = Grid::new(&[title, "time", "step"], &[1]);
        for (id, step) in steps {
            let outcome = match (step.outcome, step.conclusion) {
                (Outcome::Success, _) => String::new(),
                (outcome, conclusion) if outcome == conclusion => format!(" ({})", text::outcome(outcome)),
                (outcome, _) => format!(" ({}, continue-on-error)", text::outcome(outcome)),
            };
            let name = format!("{}. {}{outcome}", step.step + 1, text::line(&step.name));
            grid.rows.push(vec![text::line(&id.0), text::duration(step.seconds), name]);
        }
        grid.text(self.paint, |_, _| None)
    }

    /// Why the failed jobs failed, and where to read on.
    fn failures(&self) -> String {
        let mut lines = Vec::new();
        for job in &self.run.jobs {
            let Some(end) = job.end.as_ref().filter(|end| end.outcome == Outcome::Failure) else { continue };
            let failures = job.failures().map(|trouble| &trouble.failure);
            let mut failures: Vec<Failure> = failures.filter(|failure| ended_for(job, failure)).cloned().collect();
            if failures.is_empty() {
                failures.push(Failure::new(end.reason.clone().unwrap_or_else(|| "failed".to_owned())));
            }
            let left = failures.len().saturating_sub(MOST_FAILURES);
            for error in failures.into_iter().take(MOST_FAILURES) {
                // The excerpt was shown when it happened, and is in the log.
                let short = Failure { excerpt: Vec::new(), ..error };
                lines.extend(failure::block(&text::line(&job.id.0), &short));
            }
            if left > 0 {
                lines.push(format!("  {left} more are in the log"));
            }
            lines.push(format!("  log: {}", log::path(&self.out, &job.id)));
            let setting = Setting { out: self.out.clone(), ..Setting::default() };
            let command = verdict::boot_command(job, &setting).filter(|_| job.is_red());
            lines.extend(command.map(|command| format!("  look around: {command}")));
        }
        if lines.is_empty() {
            return String::new();
        }
        format!("{}\n{}\n", self.paint.heading("failures"), lines.join("\n"))
    }

    fn verdict(&self) -> String {
        let run = &self.run;
        let time = run.end.map(|(_, seconds)| format!(" in {}", text::duration(seconds))).unwrap_or_default();
        let (jobs, number) = (if run.jobs.len() == 1 { "job" } else { "jobs" }, run.jobs.len());
        let (green, red) = (run.count(Some(Outcome::Success)), run.red());
        if run.is_test() {
            let kept = format!("Logs, consoles and journals are in {}/<job>/.", self.out);
            return format!("The tests of {green} of {number} {jobs} passed{time}. {kept}\n");
        }
        let files = match green + red {
            0 => String::new(),
            _ => format!(" Files and full digests (SHA256SUMS) are in {}/<job>/.", self.out),
        };
        let tests = match red {
            0 => String::new(),
            1 => ", and the tests of 1 image failed".to_owned(),
            red => format!(", and the tests of {red} images failed"),
        };
        format!("Built {} of {number} {jobs}{time}{tests}.{files}\n", green + red)
    }
}

/// A phase that comes again, as after a retry, took all of it.
fn phases_of(job: &Job) -> BTreeMap<Phase, f64> {
    let mut phases = BTreeMap::new();
    for part in &job.parts {
        if let (What::Phase(phase), Some(seconds)) = (&part.what, part.seconds) {
            *phases.entry(*phase).or_default() += seconds;
        }
    }
    phases
}

/// A step that uses a file ends after the steps of the file, and is listed before them.
fn steps_of(job: &Job) -> Vec<&StepFinished> {
    let mut steps: Vec<_> = job.parts.iter().filter_map(|part| part.step.as_ref()).collect();
    steps.sort_by_key(|step| step.step);
    steps
}

/// Whether the failure made the job fail: that of a step with `continue-on-error` did not.
fn ended_for(job: &Job, failure: &Failure) -> bool {
    let forgiven = |step| steps_of(job).iter().any(|end| end.step == step && end.conclusion == Outcome::Success);
    !failure.step.is_some_and(forgiven)
}

impl<W: Write + Send> Sink for Table<W> {
    fn on_event(&mut self, event: &Event) {
        self.run.take(event);
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        // A run that never began has nothing to show.
        if self.run.jobs.is_empty() {
            return Ok(());
        }
        let table = format!("\n{}", self.text());
        write_unless_closed(&mut self.writer, table.as_bytes())
    }
}

/// Rows of cells in columns as wide as their widest cell.
struct Grid {
    titles: Vec<String>,
    /// Columns that stand at the right edge: numbers.
    right: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn new(titles: &[&str], right: &[usize]) -> Self {
        Self { titles: titles.iter().map(|&title| title.to_owned()).collect(), right: right.to_vec(), rows: Vec::new() }
    }

    /// The rows under their titles, or nothing without rows. `outcome` says which cells have a colour.
    fn text(&self, paint: Paint, outcome: impl Fn(usize, &str) -> Option<Outcome>) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let all = || std::iter::once(&self.titles).chain(&self.rows);
        let widths: Vec<usize> = (0..self.titles.len())
            .map(|column| all().filter_map(|row| row.get(column)).map(|cell| text::width(cell)).max().unwrap_or(0))
            .collect();
        let pad = |column: usize, cell: &str| match self.right.contains(&column) {
            true => text::pad_left(cell, widths[column]),
            false => text::pad(cell, widths[column]),
        };
        let titles: Vec<String> = self.titles.iter().enumerate().map(|(column, title)| pad(column, title)).collect();
        let mut table = format!("{}\n", paint.heading(titles.join("  ").trim_end()));
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let padded = pad(column, cell);
                // Painted after padding: colour takes no columns.
                outcome(column, cell).map_or(padded.clone(), |outcome| paint.outcome(&padded, outcome))
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            table.push_str(&text::unforgeable(line.trim_end()));
            table.push('\n');
        }
        table
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::{Artifact, Body, JobId};
    use crate::report::testing::{Buffer, at, finished, scripted_run, tested_run};

    fn table(events: &[Event], colour: bool) -> String {
        let buffer = Buffer::default();
        let mut sink = Box::new(Table::new(buffer.clone(), "ovenbird-out".into(), Paint { colour }));
        events.iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        buffer.text()
    }

    #[test]
    fn the_table_shows_every_job_whatever_became_of_it() {
        insta::assert_snapshot!(table(&scripted_run(), false), @r"

        job           result      time  artifact        size  sha256
        web-bookworm  success    1m14s  web.qcow2  161.0 MiB  aaaaaaaaaaaa
                                        web.vmdk   172.0 MiB  bbbbbbbbbbbb
        web-trixie    failure     3.0s
        crash         failure     1.0s
        late          cancelled   5.0s
        never         cancelled   0.0s

        time by phase  source   boot  steps  convert
        web-bookworm    14.0s  26.0s  31.4s     2.5s
        web-trixie          -      -   2.0s        -

        steps          time  step
        web-bookworm  31.2s  1. Install nginx
        web-bookworm   0.2s  2. Try something (failure, continue-on-error)
        web-trixie     2.0s  1. Install nginx (failure)

        failures
        web-trixie: step `Install nginx` failed (exit status 100)
          at ovenbird.yml:21:7
          command: apt-get install -y ngnix
          log: ovenbird-out/web-trixie/log.txt
        crash: the job's process was killed by SIGKILL
          hint: the machine may have run out of memory
          log: ovenbird-out/crash/log.txt

        Built 1 of 5 jobs in 1m15s. Files and full digests (SHA256SUMS) are in ovenbird-out/<job>/.
        ");
    }

    #[test]
    fn colour_adds_nothing_that_the_words_do_not_say() {
        let coloured = table(&scripted_run(), true);
        assert!(coloured.contains("\u{1b}[1;31mfailure"), "{coloured}");
        let mut plain = String::new();
        for (index, part) in coloured.split("\u{1b}[").enumerate() {
            plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_eq!(plain, table(&scripted_run(), false));
    }

    #[test]
    fn a_run_that_ended_early_says_which_jobs_did_not_run() {
        let jobs = vec![JobId("web".into()), JobId("database".into())];
        let events = [
            at(0.0, None, Body::RunStarted { run: "r".into(), version: "0".into(), jobs, cells: [].into() }),
            at(1.0, Some("web"), finished(Outcome::Failure, 1.0, Some("the supervisor was stopped"))),
        ];
        insta::assert_snapshot!(table(&events, false), @r"

        job       result   time  artifact  size  sha256
        web       failure  1.0s
        database  not run

        failures
        web: the supervisor was stopped
          log: ovenbird-out/web/log.txt

        Built 0 of 2 jobs.
        ");
    }

    #[test]
    fn a_forgiven_failure_is_not_why_a_job_failed() {
        let forgiven = StepFinished {
            step: 0,
            name: "Try".into(),
            outcome: Outcome::Failure,
            conclusion: Outcome::Success,
            seconds: 1.0,
            attempts: 1,
        };
        let failure = |step, message: &str| Body::Failure(Failure { step: Some(step), ..Failure::new(message) });
        let events = [failure(0, "forgiven"), Body::StepFinished(forgiven), failure(1, "fatal")];
        let mut events = events.map(|body| at(0.0, Some("web"), body)).to_vec();
        events.push(at(1.0, Some("web"), finished(Outcome::Failure, 1.0, Some("fatal"))));
        let text = table(&events, false);
        assert!(text.contains("failures\nweb: fatal\n") && !text.contains("web: forgiven"), "{text}");
    }

    #[test]
    fn the_steps_of_a_file_are_listed_under_the_step_that_uses_it() {
        let end = |step, name: &str| {
            let (outcome, conclusion) = (Outcome::Success, Outcome::Success);
            Body::StepFinished(StepFinished { step, name: name.into(), outcome, conclusion, seconds: 1.0, attempts: 1 })
        };
        let events = [end(1, "Part / One"), end(2, "Part / Two"), end(0, "Part"), end(3, "Last")];
        let mut events = events.map(|body| at(0.0, Some("web"), body)).to_vec();
        events.push(at(1.0, Some("web"), finished(Outcome::Success, 1.0, None)));
        let text = table(&events, false);
        let listed: Vec<_> =
            text.lines().filter(|line| line.starts_with("web  ")).filter_map(|line| line.split_once(". ")).collect();
        let listed: Vec<_> = listed.into_iter().map(|(_, name)| name).collect();
        assert_eq!(listed, ["Part", "Part / One", "Part / Two", "Last"], "{text}");
    }

    #[test]
    fn only_the_slowest_of_many_steps_are_listed() {
        let step = |step: usize| StepFinished {
            step,
            name: format!("step {step}"),
            outcome: Outcome::Success,
            conclusion: Outcome::Success,
            seconds: f64::from(u32::try_from(step).unwrap()),
            attempts: 1,
        };
        let events: Vec<Event> = (0..30).map(|n| at(0.0, Some("web"), Body::StepFinished(step(n)))).collect();
        let text = table(&events, false);
        assert!(text.contains("slowest steps   time  step\nweb            29.0s  30. step 29\n"), "{text}");
        assert!(text.contains("11. step 10") && !text.contains("10. step 9"), "{text}");
    }

    #[test]
    fn a_file_name_cannot_become_a_command_of_the_ci_runner() {
        let artifact = |file: &str| {
            let (format, sha256) = ("raw".into(), "::error::x".into());
            Body::Artifact(Artifact { file: file.into(), format, compression: None, size: 0, virtual_size: 0, sha256 })
        };
        // The second file's row begins with blanks, which the runner trims.
        let text =
            table(&[at(0.0, Some("web"), artifact("a")), at(0.0, Some("web"), artifact("::error::##[x]"))], false);
        assert!(!text.contains("##["), "{text}");
        assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
    }

    #[test]
    fn a_run_that_only_tests_speaks_of_no_builds_and_shows_no_files() {
        let mut events = tested_run();
        events.retain(|event| !matches!(event.event, Body::Artifact(_)));
        for event in &mut events {
            if let Body::JobStarted { tests_only, .. } = &mut event.event {
                *tests_only = true;
            }
        }
        let text = table(&events, false);
        assert!(text.lines().any(|line| line.trim_end() == "job       result    time  tests"), "{text}");
        let last = "The tests of 2 of 3 jobs passed in 50.0s. Logs, consoles and journals are in ovenbird-out/<job>/.";
        assert_eq!(text.lines().last(), Some(last));
    }

    #[test]
    fn the_table_shows_what_tests_came_to() {
        insta::assert_snapshot!(table(&tested_run(), false), @"

        job       result    time  tests          artifact             size  sha256
        green     success  45.0s  2 passed       green.qcow2     161.0 MiB  cccccccccccc
        red       failure  45.0s  2 failed of 3  red.qcow2       161.0 MiB  cccccccccccc
        unsteady  success  45.0s  flaky          unsteady.qcow2  161.0 MiB  cccccccccccc

        time by phase  convert   test
        green            10.0s  34.0s
        red              10.0s  34.0s
        unsteady         10.0s  34.0s

        failures
        red: check failed-units: app.service has failed
          hint: `systemctl status app.service` in the image tells why
        red: service nginx: running: expected true, found false
          at tests/goss.yaml:4:5
          log: ovenbird-out/red/log.txt
          look around: ovenbird boot ovenbird-out/red/red.qcow2

        Built 3 of 3 jobs in 50.0s, and the tests of 1 image failed. Files and full digests (SHA256SUMS) are in ovenbird-out/<job>/.
        ");
    }
}
