//! What is known of a run, collected from its events: the form that reports at a run's end are made of. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{text, verdict};
use crate::event::{
    Artifact, Body, Cell, Event, Failure, JobFinished, JobId, Kept, Outcome, Phase, StepFinished, Tested,
    TestsFinished, Verdict,
};

/// A run, as far as it came.
#[derive(Default)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) version: String,
    /// In plan order.
    pub(super) jobs: Vec<Job>,
    pub(super) begin: Option<DateTime<Utc>>,
    pub(super) end: Option<(Outcome, f64)>,
}

/// A job of it.
pub(super) struct Job {
    pub(super) id: JobId,
    /// Its values of the matrix; empty without one.
    pub(super) cell: Cell,
    /// The definition's name, and the platform; empty before it begins.
    pub(super) name: String,
    pub(super) platform: String,
    /// Nothing was built, only tested.
    pub(super) tests_only: bool,
    pub(super) begin: Option<DateTime<Utc>>,
    /// In the order in which they began.
    pub(super) parts: Vec<Part>,
    /// Failures and warnings, as they came.
    pub(super) troubles: Vec<Trouble>,
    pub(super) artifacts: Vec<Artifact>,
    /// What was kept of a failure and of the boots of tests; a picture, which says most at a glance, first.
    pub(super) kept: Vec<Kept>,
    /// What runs the machine, and why.
    pub(super) accelerator: Option<(String, String)>,
    /// What was tested of the finished image, in order.
    pub(super) tests: Vec<Tested>,
    /// What all of that came to.
    pub(super) tested: Option<TestsFinished>,
    /// Seconds from the job's start to the verdict.
    pub(super) verdict_after: Option<f64>,
    pub(super) end: Option<JobFinished>,
}

/// A stretch of a job's time.
pub(super) struct Part {
    pub(super) what: What,
    pub(super) begin: DateTime<Utc>,
    /// None while it lasts, and for what never came to its end.
    pub(super) seconds: Option<f64>,
    /// How a step ended.
    pub(super) step: Option<StepFinished>,
}

/// Which stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Phase(Phase),
    /// Counted from 0, and its name.
    Step(usize, String),
}

impl What {
    /// For people: `boot`, `2. Install nginx`.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Phase(phase) => phase.as_str().to_owned(),
            Self::Step(step, name) => format!("{}. {name}", step + 1),
        }
    }
}

/// Something wrong, and where in the job's life.
pub(super) struct Trouble {
    pub(super) severity: Severity,
    pub(super) failure: Failure,
    /// The step it names, else what was going on; none between two parts.
    pub(super) during: Option<What>,
    /// Whether a test of the finished image found it.
    pub(super) is_test: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Error,
    Warning,
}

impl Run {
    /// Takes an event; those of one job in order.
    pub(super) fn take(&mut self, event: &Event) {
        let Some(id) = &event.job else {
            match &event.event {
                Body::RunStarted { run, version, jobs, cells } => {
                    (self.id, self.version, self.begin) = (run.clone(), version.clone(), Some(event.time));
                    let cell = |id| cells.get(id).cloned().unwrap_or_default();
                    self.jobs = jobs.iter().map(|id| Job { cell: cell(id), ..Job::new(id.clone()) }).collect();
                }
                Body::RunFinished { outcome, seconds } => self.end = Some((*outcome, *seconds)),
                _ => {}
            }
            return;
        };
        // Most events, and nothing that a report at the end needs.
        if matches!(event.event, Body::Output { .. } | Body::Progress { .. } | Body::Note { .. }) {
            return;
        }
        match self.jobs.iter_mut().find(|job| job.id == *id) {
            Some(job) => job.take(event),
            None => {
                let mut job = Job::new(id.clone());
                job.take(event);
                self.jobs.push(job);
            }
        }
    }

    /// How many jobs ended so; `None`: have not ended.
    pub(super) fn count(&self, outcome: Option<Outcome>) -> usize {
        self.jobs.iter().filter(|job| job.outcome() == outcome).count()
    }

    /// Nothing is built in this run: what is there already is tested.
    pub(super) fn is_test(&self) -> bool {
        self.jobs.iter().any(|job| job.tests_only)
    }

    /// How many images were built whose tests failed.
    pub(super) fn red(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_red()).count()
    }

    /// What the run came to, in one line: `2 of 3 jobs built, 1 with failed tests, 1 cancelled`.
    pub(super) fn headline(&self) -> String {
        let jobs = if self.jobs.len() == 1 { "job" } else { "jobs" };
        let (green, red, failed) = (self.count(Some(Outcome::Success)), self.red(), self.count(Some(Outcome::Failure)));
        let counts = match self.is_test() {
            true => [(0, ""), (failed, "failed")],
            false => [(red, "with failed tests"), (failed.saturating_sub(red), "failed")],
        };
        let others = [
            (self.count(Some(Outcome::Cancelled)), "cancelled"),
            (self.count(Some(Outcome::Skipped)), "skipped"),
            (self.count(None), "did not end"),
        ];
        let counts = counts.into_iter().chain(others).filter(|(count, _)| *count > 0);
        let rest: String = counts.map(|(count, word)| format!(", {count} {word}")).collect();
        let (done, word) = if self.is_test() { (green, "passed") } else { (green + red, "built") };
        format!("{done} of {} {jobs} {word}{rest}", self.jobs.len())
    }
}

/// The same trouble in one job or several.
pub(super) struct Merged<'a> {
    pub(super) trouble: &'a Trouble,
    /// In plan order.
    pub(super) jobs: Vec<&'a JobId>,
    /// How many others of its kind the job had before; the least of all its jobs.
    rank: usize,
}

impl Merged<'_> {
    /// Its jobs for a headline.
    pub(super) fn jobs_title(&self) -> String {
        jobs_title(&self.jobs)
    }
}

/// All names, or the first and how many more.
pub(super) fn jobs_title(jobs: &[&JobId]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = jobs.iter().take(SHOWN).map(|job| text::line(&job.0)).collect();
    let more = jobs.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

impl Run {
    /// All troubles, the most useful first: errors before warnings, the first of each job before what followed from it,
    /// what hit many jobs before what hit one.
    pub(super) fn merged(&self) -> Vec<Merged<'_>> {
        let mut merged: Vec<Merged<'_>> = Vec::new();
        // Tests may fail by the hundred in each of many jobs.
        let mut known: BTreeMap<Cause<'_>, usize> = BTreeMap::new();
        for job in &self.jobs {
            let mut seen = [0, 0];
            for trouble in &job.troubles {
                let count = &mut seen[usize::from(trouble.severity == Severity::Warning)];
                let rank = std::mem::replace(count, *count + 1);
                let index = *known.entry(trouble.cause()).or_insert(merged.len());
                match merged.get_mut(index) {
                    Some(other) => {
                        other.rank = other.rank.min(rank);
                        if other.jobs.last() != Some(&&job.id) {
                            other.jobs.push(&job.id);
                        }
                    }
                    None => merged.push(Merged { trouble, jobs: vec![&job.id], rank }),
                }
            }
        }
        merged.sort_by_key(|one| (one.trouble.severity, one.rank, std::cmp::Reverse(one.jobs.len())));
        merged
    }
}

/// Severity, words, and place.
type Cause<'a> = (Severity, &'a str, Option<(&'a str, u32, Option<u32>, bool)>);

impl Trouble {
    /// What it is the same by in several jobs, as far as can be told: the same words about the same place.
    fn cause(&self) -> Cause<'_> {
        let place = self.failure.place.as_ref();
        let place = place.map(|place| (place.file.as_str(), place.line, place.column, place.exact));
        (self.severity, self.failure.message.as_str(), place)
    }
}

impl Job {
    fn new(id: JobId) -> Self {
        let (parts, troubles, artifacts, kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (cell, name, platform) = (Cell::new(), String::new(), String::new());
        let (tests, tested, verdict_after) = (Vec::new(), None, None);
        let (begin, accelerator, end) = (None, None, None);
        Self {
            id,
            cell,
            name,
            platform,
            tests_only: false,
            begin,
            parts,
            troubles,
            artifacts,
            kept,
            accelerator,
            tests,
            tested,
            verdict_after,
            end,
        }
    }

    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.end.as_ref().map(|end| end.outcome)
    }

    /// What made the job, or a step of it, fail.
    /// The image was tested, and is not good.
    pub(super) fn is_red(&self) -> bool {
        self.tested.as_ref().is_some_and(|end| end.verdict == Verdict::Failed)
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = &Trouble> {
        self.troubles.iter().filter(|trouble| trouble.severity == Severity::Error)
    }

    /// The tests that came to this.
    pub(super) fn tests_that(&self, verdict: Verdict) -> impl Iterator<Item = &Tested> {
        self.tests.iter().filter(move |test| test.verdict == verdict)
    }

    fn take(&mut self, event: &Event) {
        match &event.event {
            Body::JobStarted { name, platform, tests_only } => {
                self.tests_only = *tests_only;
                (self.name, self.platform, self.begin) = (name.clone(), platform.clone(), Some(event.time));
            }
            Body::JobFinished(end) => self.finished(end),
            Body::PhaseStarted { phase } => self.start(What::Phase(*phase), event.time),
            Body::PhaseFinished { phase, seconds } => {
                if let Some(part) = self.open(|what| *what == What::Phase(*phase)) {
                    part.seconds = Some(*seconds);
                }
            }
            Body::StepStarted { step, name } => self.start(What::Step(*step, name.clone()), event.time),
            Body::StepFinished(end) => self.step_finished(end, event.time),
            Body::Accelerator { accelerator, reason } => {
                self.accelerator = Some((accelerator.clone(), reason.clone()));
            }
            Body::Warning(failure) => self.trouble(Severity::Warning, failure),
            Body::Failure(failure) => self.trouble(Severity::Error, failure),
            Body::Tested(test) => self.test(test),
            Body::TestsFinished(end) => self.tests_finished(end, event.time),
            Body::Artifact(artifact) => self.artifacts.push(artifact.clone()),
            Body::Kept(kept) => {
                let after = self.kept.partition_point(|other| other.kind <= kept.kind);
                self.kept.insert(after, kept.clone());
            }
            _ => {}
        }
    }

    /// Whether the job was cancelled in this part. A phase that is cut short ends like one that is done; no other follows.
    pub(super) fn was_cancelled_in(&self, part: &Part) -> bool {
        let mut phases = self.parts.iter().rev().filter(|part| matches!(part.what, What::Phase(_)));
        let is_last = phases.next().is_some_and(|last| last.what == part.what);
        self.outcome() == Some(Outcome::Cancelled) && (part.seconds.is_none() || is_last)
    }

    /// A job may fail with nothing but a reason.
    fn finished(&mut self, end: &JobFinished) {
        if end.outcome == Outcome::Failure && self.failures().next().is_none() {
            self.trouble(Severity::Error, &Failure::new(end.reason.as_deref().unwrap_or("the job failed")));
        }
        self.end = Some(end.clone());
    }

    fn start(&mut self, what: What, begin: DateTime<Utc>) {
        self.parts.push(Part { what, begin, seconds: None, step: None });
    }

    fn open(&mut self, is_it: impl Fn(&What) -> bool) -> Option<&mut Part> {
        self.parts.iter_mut().rev().find(|part| part.seconds.is_none() && is_it(&part.what))
    }

    /// A step that was skipped may end without having begun.
    fn step_finished(&mut self, end: &StepFinished, time: DateTime<Utc>) {
        if self.open(|what| matches!(what, What::Step(step, _) if *step == end.step)).is_none() {
            self.start(What::Step(end.step, end.name.clone()), time);
        }
        if let Some(part) = self.open(|what| matches!(what, What::Step(step, _) if *step == end.step)) {
            part.seconds = Some(end.seconds);
            part.step = Some(end.clone());
        }
    }

    fn trouble(&mut self, severity: Severity, failure: &Failure) {
        let named = self.parts.iter().rev().find(|part| match part.what {
            What::Step(step, _) => failure.step == Some(step),
            What::Phase(_) => false,
        });
        let open = || self.parts.iter().rev().find(|part| part.seconds.is_none());
        // The phase that has just ended was ended by it: a phase's end is told before its failure.
        let last = || self.parts.iter().rev().find(|part| matches!(part.what, What::Phase(_)));
        let during = named.or_else(open).or_else(last).map(|part| part.what.clone());
        self.troubles.push(Trouble { severity, failure: failure.clone(), during, is_test: false });
    }

    /// No other event tells of a test that failed.
    fn test(&mut self, test: &Tested) {
        if let Some((severity, failure)) = verdict::trouble(test) {
            self.troubles.push(Trouble { severity, failure, during: Some(What::Phase(Phase::Test)), is_test: true });
        }
        self.tests.push(test.clone());
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a job")]
    fn tests_finished(&mut self, end: &TestsFinished, time: DateTime<Utc>) {
        self.verdict_after = self.begin.map(|begin| (time - begin).num_milliseconds().max(0) as f64 / 1000.0);
        self.tested = Some(end.clone());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::report::testing::{at, scripted_run, tested_run};

    #[test]
    fn a_failure_belongs_to_its_step_or_to_the_phase_that_it_ended() {
        let mut run = Run::default();
        scripted_run().iter().for_each(|event| run.take(event));
        let failing = run.jobs.iter().find(|job| job.id.0 == "web-trixie").unwrap();
        assert_eq!(failing.troubles[0].during, Some(What::Step(0, "Install nginx".to_owned())));

        let mut run = Run::default();
        for event in [
            Body::PhaseStarted { phase: Phase::Boot },
            Body::PhaseFinished { phase: Phase::Boot, seconds: 1.0 },
            Body::Failure(Failure::new("the machine does not answer")),
        ] {
            run.take(&at(0.0, Some("web"), event));
        }
        assert_eq!(run.jobs[0].troubles[0].during, Some(What::Phase(Phase::Boot)));
    }

    #[test]
    fn the_first_failures_of_jobs_come_before_repeats_and_the_same_cause_is_one() {
        let mut run = Run::default();
        let failure = |message: &str| Body::Failure(Failure::new(message));
        for (job, event) in [
            ("a", failure("a failed")),
            ("a", failure("and so did the rest")),
            ("b", Body::Warning(Failure::new("slow"))),
            ("b", failure("no such package")),
            ("c", failure("no such package")),
            ("c", failure("no such package")),
        ] {
            run.take(&at(0.0, Some(job), event));
        }
        let merged = run.merged();
        let told: Vec<_> = merged.iter().map(|one| (one.trouble.failure.message.as_str(), one.jobs_title())).collect();
        let expected = [("no such package", "b, c"), ("a failed", "a"), ("and so did the rest", "a"), ("slow", "b")];
        assert_eq!(told, expected.map(|(message, jobs)| (message, jobs.to_owned())));
    }

    #[test]
    fn a_test_that_hundreds_of_others_fail_with_is_merged_all_the_same() {
        let mut run = Run::default();
        for job in 0..64 {
            let failure = |test| Body::Failure(Failure::new(format!("test {test}")));
            (0..500).for_each(|test| run.take(&at(0.0, Some(&format!("job-{job}")), failure(test))));
        }
        let merged = run.merged();
        assert!(merged.len() == 500 && merged.iter().all(|one| one.jobs.len() == 64));
    }

    #[test]
    fn a_job_that_failed_with_a_reason_only_has_a_failure() {
        let mut run = Run::default();
        let end = JobFinished {
            outcome: Outcome::Failure,
            seconds: 1.0,
            reason: Some("gone".into()),
            manifest: None,
            verdict: None,
        };
        run.take(&at(0.0, Some("a"), Body::JobFinished(Box::new(end))));
        assert_eq!(run.merged()[0].trouble.failure.message, "gone");
    }

    #[test]
    fn a_test_that_failed_is_a_failure_and_one_that_is_accepted_is_none() {
        let mut run = Run::default();
        tested_run().iter().for_each(|event| run.take(event));
        let told: Vec<_> =
            run.merged().iter().map(|one| (one.trouble.severity, one.trouble.failure.message.clone())).collect();
        let expected = [
            (Severity::Error, "check failed-units: app.service has failed"),
            (Severity::Error, "service nginx: running: expected true, found false"),
            (Severity::Warning, "check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it"),
            (Severity::Warning, "flaky: http http://localhost/: status: expected 200, found 502"),
        ];
        assert_eq!(told, expected.map(|(severity, message)| (severity, message.to_owned())));
        assert!(run.jobs.iter().flat_map(|job| &job.troubles).all(|one| one.during == Some(What::Phase(Phase::Test))));
        assert_eq!(run.jobs[0].verdict_after, Some(44.0));
    }

    #[test]
    fn a_test_that_fails_in_several_jobs_is_one_trouble() {
        let mut run = Run::default();
        let is_of_red = |event: &&Event| event.job.as_ref().is_some_and(|job| job.0 == "red");
        for job in ["a", "b"] {
            let events = tested_run();
            events.iter().filter(is_of_red).for_each(|event| run.take(&at(0.0, Some(job), event.event.clone())));
        }
        let jobs: Vec<String> = run.merged().iter().map(Merged::jobs_title).collect();
        assert_eq!(jobs, ["a, b", "a, b"]);
    }
}
