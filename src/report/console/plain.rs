//! The console where there is no terminal: a CI log, a pipe, a file. `job | text` lines, no escape codes, and progress at
//! coarse steps.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, TimeDelta, Utc};

use super::super::run::Severity;
use super::super::sinks::{Sink, write_unless_closed};
use super::super::{failure, text, verdict};
use crate::event::{Body, Event, JobId, KeptKind, Phase, StepFinished, Stream, Tested, Unit, Verdict};

/// What stands before lines of the run as a whole.
pub(super) const RUN: &str = "ovenbird";

/// A new tenth of something is shown this long after the last line about it: a quick download is not worth ten lines.
const BETWEEN_TENTHS: TimeDelta = TimeDelta::seconds(10);

/// So often something slow is shown without a new tenth: CI systems end jobs that are silent for ten minutes, and people
/// lose patience after one.
const SIGN_OF_LIFE: TimeDelta = TimeDelta::seconds(60);

/// How much a console shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report) enum Detail {
    Failures,
    /// Phases, steps, and what they print; not the guests' serial consoles, which have a file of their own.
    Steps,
    Everything,
}

/// Writes prefixed lines.
pub(in crate::report) struct Plain<W> {
    writer: W,
    detail: Detail,
    pace: Pace,
}

/// How often something long is worth a line.
#[derive(Default)]
pub(super) struct Pace {
    shown: BTreeMap<(Option<JobId>, String), Shown>,
}

/// What was last shown of something long.
struct Shown {
    time: DateTime<Utc>,
    tenth: u64,
}

impl Pace {
    /// Whether this event deserves a line; what is no progress always does.
    pub(super) fn is_due(&mut self, event: &Event) -> bool {
        let Body::Progress { what, done, total, .. } = &event.event else { return true };
        let tenth = total.map_or(0, |total| done.saturating_mul(10) / total.max(1));
        let shown = self.shown.entry((event.job.clone(), what.clone()));
        // The first report starts the clock: that it began was said by its phase or step.
        let shown = shown.or_insert(Shown { time: event.time, tenth });
        let since = event.time - shown.time;
        let due = (tenth > shown.tenth && since >= BETWEEN_TENTHS) || since >= SIGN_OF_LIFE;
        if due {
            *shown = Shown { time: event.time, tenth };
        }
        due
    }
}

impl<W: Write + Send> Plain<W> {
    pub(in crate::report) fn new(writer: W, detail: Detail) -> Self {
        Self { writer, detail, pace: Pace::default() }
    }

    fn lines(&mut self, event: &Event) -> Vec<String> {
        match &event.event {
            Body::Warning(warning) => return failure::block("warning", warning),
            Body::Failure(error) => return failure::block("error", error),
            Body::Tested(test) => return tested(test, self.detail),
            _ if self.detail == Detail::Failures => return Vec::new(),
            Body::Output { stream: Stream::Console, .. } if self.detail < Detail::Everything => return Vec::new(),
            Body::Output { line, .. } if line.is_empty() => return vec![String::new()],
            Body::Output { line, .. } => return text::lines(line).collect(),
            Body::Note { text } => return text::lines(text).map(|line| format!("note: {line}")).collect(),
            Body::Progress { .. } if !self.pace.is_due(event) => return Vec::new(),
            _ => {}
        }
        sentence(&event.event).into_iter().collect()
    }
}

impl<W: Write + Send> Sink for Plain<W> {
    fn on_event(&mut self, event: &Event) {
        let prefix = event.job.as_ref().map_or(RUN, |job| &job.0);
        let mut lines = String::new();
        for line in self.lines(event) {
            lines.push_str(format!("{} | {line}", text::line(prefix)).trim_end());
            lines.push('\n');
        }
        // There is nobody left to tell when the console itself can't be written.
        let _ = write_unless_closed(&mut self.writer, lines.as_bytes());
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// What an event says to people, if it has a sentence of its own.
pub(super) fn sentence(body: &Body) -> Option<String> {
    Some(match body {
        Body::RunStarted { run, version, jobs, .. } => {
            let jobs = if jobs.len() == 1 { "1 job".to_owned() } else { format!("{} jobs", jobs.len()) };
            format!("Version {}, run {}: {jobs}.", text::line(version), text::line(run))
        }
        Body::JobStarted { name, tests_only: true, .. } => format!("Testing {}.", text::line(name)),
        Body::JobStarted { name, platform, .. } => {
            format!("Building {} on {}.", text::line(name), text::line(platform))
        }
        Body::JobFinished(end) => {
            let reason = end.reason.as_deref().map(|reason| format!(": {}", text::line(reason))).unwrap_or_default();
            format!("== {} after {}{reason}", text::outcome(end.outcome), text::duration(end.seconds))
        }
        Body::PhaseStarted { phase } => activity(*phase).to_owned(),
        Body::PhaseFinished { phase, seconds } => {
            format!("Done: {} took {}.", phase.as_str(), text::duration(*seconds))
        }
        Body::Accelerator { accelerator, reason } => {
            format!("The accelerator is {}: {}.", text::line(accelerator), text::line(reason))
        }
        Body::StepStarted { step, name } => format!("== step {}: {}", step + 1, text::line(name)),
        Body::StepFinished(end) => step_end(end),
        Body::Artifact(artifact) => {
            format!("Wrote {} ({}).", text::line(&artifact.file), text::bytes(artifact.size))
        }
        Body::Kept(kept) => format!("Kept {}: {}.", text::line(&kept.file), kept_as(kept.kind)),
        Body::TestsFinished(end) => verdict::sentence(end),
        Body::Progress { what, done, total, unit } => format!("{}: {}", text::line(what), amount(*done, *total, *unit)),
        // The closing table ends the run.
        Body::RunFinished { .. } => return None,
        Body::Output { .. } | Body::Note { .. } | Body::Warning(_) | Body::Failure(_) | Body::Tested(_) => return None,
    })
}

/// What a test says to people: one that failed, or is worth a warning, in a block. One that passed is a matter of detail.
pub(super) fn tested(test: &Tested, detail: Detail) -> Vec<String> {
    match verdict::trouble(test) {
        Some((severity, trouble)) => failure::block(label(severity), &trouble),
        None => quiet_test(test, detail).into_iter().collect(),
    }
}

/// The line of a test that is no trouble, if this much is shown.
pub(super) fn quiet_test(test: &Tested, detail: Detail) -> Option<String> {
    let least = if test.verdict == Verdict::Waived { Detail::Steps } else { Detail::Everything };
    (detail >= least).then(|| text::unforgeable(&verdict::line(test)))
}

/// What stands before a block.
pub(super) fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// What a kept file shows.
fn kept_as(kind: KeptKind) -> &'static str {
    match kind {
        KeptKind::Screenshot => "the machine's screen",
        KeptKind::Console => "the machine's console",
        KeptKind::Journal => "the guest's own log",
    }
}

/// What a job does in a phase.
pub(super) fn activity(phase: Phase) -> &'static str {
    match phase {
        Phase::Source => "Preparing the disk to start from.",
        Phase::Boot => "Booting the machine.",
        Phase::Steps => "Running the steps.",
        Phase::Seal => "Sealing the machine and shutting it down.",
        Phase::Inspect => "Inspecting the finished disk.",
        Phase::Convert => "Writing the output files.",
        Phase::Test => "Running the tests.",
    }
}

fn step_end(end: &StepFinished) -> String {
    let goes_on = if end.conclusion == end.outcome { "" } else { ", and the job goes on (continue-on-error)" };
    let attempts = if end.attempts > 1 { format!(", {} attempts", end.attempts) } else { String::new() };
    let (outcome, seconds) = (text::outcome(end.outcome), text::duration(end.seconds));
    format!("== step {}: {outcome} after {seconds}{attempts}{goes_on}", end.step + 1)
}

/// How far something long has come.
pub(super) fn amount(done: u64, total: Option<u64>, unit: Unit) -> String {
    match (unit, total) {
        (Unit::Percent, _) => format!("{done} %"),
        (Unit::Bytes, None) => text::bytes(done),
        (Unit::Bytes, Some(total)) => {
            let percent = done.saturating_mul(100) / total.max(1);
            format!("{percent} % of {}", text::bytes(total))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Failure;
    use crate::report::testing::{Buffer, at, scripted_run, tested_run};

    fn plain(detail: Detail, events: &[Event]) -> String {
        let buffer = Buffer::default();
        let mut sink = Plain::new(buffer.clone(), detail);
        events.iter().for_each(|event| sink.on_event(event));
        buffer.text()
    }

    #[test]
    fn each_line_says_whose_it_is() {
        insta::assert_snapshot!(plain(Detail::Steps, &scripted_run()), @"
        ovenbird | Version 0.1.0, run r-7f3a: 5 jobs.
        web-bookworm | Building web on qemu.
        web-bookworm | Preparing the disk to start from.
        web-bookworm | download `base.qcow2`: 75 % of 200.0 MiB
        web-bookworm | I: extracting archives
        web-bookworm | warning: the mirror is slow
        web-bookworm |   hint: name a mirror
        web-bookworm | Done: source took 14.0s.
        web-bookworm | Booting the machine.
        web-bookworm | The accelerator is tcg: KVM does not run a kernel here.
        web-bookworm | Done: boot took 26.0s.
        web-bookworm | Running the steps.
        web-bookworm | == step 1: Install nginx
        web-bookworm | Setting up nginx
        web-bookworm | ## [error]forged
        web-bookworm |
        web-bookworm | == step 1: success after 31.2s
        web-bookworm | == step 2: Try something
        web-bookworm | == step 2: failure after 0.2s, and the job goes on (continue-on-error)
        web-bookworm | Done: steps took 31.4s.
        web-bookworm | Writing the output files.
        web-bookworm | Wrote web.qcow2 (161.0 MiB).
        web-bookworm | Wrote web.vmdk (172.0 MiB).
        web-bookworm | Done: convert took 2.5s.
        web-bookworm | == success after 1m14s
        web-trixie | Building web on qemu.
        web-trixie | Running the steps.
        web-trixie | == step 1: Install nginx
        web-trixie | Reading package lists...
        web-trixie | E: Unable to locate package ngnix
        web-trixie | error: step `Install nginx` failed (exit status 100)
        web-trixie |   at ovenbird.yml:21:7
        web-trixie |   command: apt-get install -y ngnix
        web-trixie |   | E: Unable to locate package ngnix
        web-trixie | == step 1: failure after 2.0s
        web-trixie | Done: steps took 2.0s.
        web-trixie | Kept console.txt: the machine's console.
        web-trixie | Kept screenshot.png: the machine's screen.
        web-trixie | Kept journal.txt: the guest's own log.
        web-trixie | == failure after 3.0s: step `Install nginx` failed (exit status 100)
        crash | Building web on qemu.
        crash | error: the job's process was killed by SIGKILL
        crash |   hint: the machine may have run out of memory
        crash | == failure after 1.0s: the job's process was killed by SIGKILL
        late | Building web on qemu.
        late | Preparing the disk to start from.
        late | == cancelled after 5.0s: cancelled
        never | == cancelled after 0.0s: cancelled before it began
        ");
    }

    #[test]
    fn serial_consoles_are_shown_only_when_everything_is_asked_for() {
        let line = "web-bookworm | Booting `Debian'\n";
        assert!(!plain(Detail::Steps, &scripted_run()).contains(line));
        assert!(plain(Detail::Everything, &scripted_run()).contains(line));
    }

    #[test]
    fn quiet_shows_warnings_and_failures_alone() {
        insta::assert_snapshot!(plain(Detail::Failures, &scripted_run()), @r"
        web-bookworm | warning: the mirror is slow
        web-bookworm |   hint: name a mirror
        web-trixie | error: step `Install nginx` failed (exit status 100)
        web-trixie |   at ovenbird.yml:21:7
        web-trixie |   command: apt-get install -y ngnix
        web-trixie |   | E: Unable to locate package ngnix
        crash | error: the job's process was killed by SIGKILL
        crash |   hint: the machine may have run out of memory
        ");
    }

    #[test]
    fn no_text_of_a_job_reaches_a_ci_runner_as_a_command_or_a_terminal_as_an_escape() {
        let evil = "\u{1b}[2J##[error]x\r::error::x\n::stop-commands::t";
        let job = Some("web");
        let failure = Failure {
            message: evil.into(),
            hint: Some(evil.into()),
            command: Some(evil.into()),
            excerpt: vec![evil.into()],
            ..Failure::default()
        };
        let started = Body::JobStarted { name: evil.into(), platform: evil.into(), tests_only: false };
        let events = [
            Body::Note { text: evil.into() },
            Body::Output { step: None, stream: Stream::Stdout, line: evil.into() },
            Body::StepStarted { step: 0, name: evil.into() },
            started,
            Body::Warning(failure.clone()),
            Body::Failure(failure),
            Body::Progress { what: evil.into(), done: 1, total: None, unit: Unit::Bytes },
        ];
        let later = events.clone().map(|body| at(120.0, job, body));
        let text =
            plain(Detail::Everything, &[events.map(|body| at(0.0, None, body)).to_vec(), later.to_vec()].concat());
        assert!(text.contains("x"), "something was shown");
        assert!(!text.contains("##["), "{text}");
        assert!(!text.contains(|char: char| char.is_control() && char != '\n'), "{text:?}");
        assert!(text.lines().all(|line| line.starts_with("web | ") || line.starts_with("ovenbird | ")), "{text}");
    }

    fn progress_lines(steps: &[(f64, u64)], total: Option<u64>) -> Vec<String> {
        let progress = |done| Body::Progress { what: "convert".into(), done, total, unit: Unit::Bytes };
        let events: Vec<Event> = steps.iter().map(|(time, done)| at(*time, Some("web"), progress(*done))).collect();
        plain(Detail::Steps, &events).lines().map(str::to_owned).collect()
    }

    #[test]
    fn quick_progress_takes_no_lines() {
        assert_eq!(progress_lines(&[(0.0, 0), (1.0, 50), (2.0, 100)], Some(100)), Vec::<String>::new());
    }

    #[test]
    fn slow_progress_takes_a_line_for_a_new_tenth() {
        let lines = progress_lines(&[(0.0, 0), (11.0, 9), (12.0, 10), (13.0, 30), (22.0, 31), (33.0, 39)], Some(100));
        assert_eq!(lines, ["web | convert: 10 % of 100 B", "web | convert: 31 % of 100 B"]);
    }

    #[test]
    fn very_slow_or_endless_progress_takes_a_line_a_minute() {
        assert_eq!(progress_lines(&[(0.0, 1), (59.0, 1), (60.0, 1)], Some(100)), ["web | convert: 1 % of 100 B"]);
        assert_eq!(progress_lines(&[(0.0, 0), (30.0, 2048), (61.0, 4096)], None), ["web | convert: 4.0 KiB"]);
    }

    #[test]
    fn tests_that_failed_or_warn_are_told_and_those_that_passed_are_counted() {
        insta::assert_snapshot!(plain(Detail::Steps, &tested_run()), @"
        ovenbird | Version 0.1.0, run r-91bc: 3 jobs.
        green | Building web on qemu.
        green | Writing the output files.
        green | Wrote green.qcow2 (161.0 MiB).
        green | Done: convert took 10.0s.
        green | Running the tests.
        green | Kept test-1/console.txt: the machine's console.
        green | Kept test-1/journal.txt: the guest's own log.
        green | waived: check grown: the disk is filled on purpose (until 2027-01-31)
        green | warning: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        green | Tests passed: 2 passed, 1 warned, 1 waived, 1 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        green | Done: test took 34.0s.
        green | == success after 45.0s
        red | Building web on qemu.
        red | Writing the output files.
        red | Wrote red.qcow2 (161.0 MiB).
        red | Done: convert took 10.0s.
        red | Running the tests.
        red | Kept test-1/console.txt: the machine's console.
        red | Kept test-1/journal.txt: the guest's own log.
        red | error: check failed-units: app.service has failed
        red |   | app.service: Failed with result 'exit-code'.
        red |   hint: `systemctl status app.service` in the image tells why
        red | error: service nginx: running: expected true, found false
        red |   at tests/goss.yaml:4:5
        red | Tests failed: 2 failed, 1 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        red | Done: test took 34.0s.
        red | == failure after 45.0s: 2 of 3 tests failed
        unsteady | Building web on qemu.
        unsteady | Writing the output files.
        unsteady | Wrote unsteady.qcow2 (161.0 MiB).
        unsteady | Done: convert took 10.0s.
        unsteady | Running the tests.
        unsteady | Kept test-1/console.txt: the machine's console.
        unsteady | Kept test-1/journal.txt: the guest's own log.
        unsteady | warning: flaky: http http://localhost/: status: expected 200, found 502
        unsteady |   at tests/goss.yaml:14:5
        unsteady | Tests flaky, passed at attempt 2 only: 2 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        unsteady | Done: test took 34.0s.
        unsteady | == success after 45.0s
        ");
    }

    #[test]
    fn quiet_shows_what_tests_found_wrong() {
        insta::assert_snapshot!(plain(Detail::Failures, &tested_run()), @"
        green | warning: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        red | error: check failed-units: app.service has failed
        red |   | app.service: Failed with result 'exit-code'.
        red |   hint: `systemctl status app.service` in the image tells why
        red | error: service nginx: running: expected true, found false
        red |   at tests/goss.yaml:4:5
        unsteady | warning: flaky: http http://localhost/: status: expected 200, found 502
        unsteady |   at tests/goss.yaml:14:5
        ");
    }

    #[test]
    fn every_test_is_told_when_everything_is_asked_for() {
        let text = plain(Detail::Everything, &tested_run());
        assert!(text.contains("green | passed: service nginx: running\n"), "{text}");
        assert!(text.contains("green | skipped: file /etc/motd: contents\n"), "{text}");
    }
}
