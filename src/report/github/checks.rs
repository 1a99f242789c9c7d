//! Check runs: what a job's own says. The forge writes them; nothing here waits for it but the end of a run.

use std::collections::BTreeMap;

use super::{annotations, summary};
use crate::event::{Body, Event, JobId, Outcome, Verdict};
use crate::forge::github::{Checks, Conclusion, Ended, Settled, Update};
use crate::report::ci::Setting;
use crate::report::run::{Job, Run};
use crate::report::{text, verdict};

/// GitHub takes 65,535 characters. Bytes are never fewer, however it counts.
const LONGEST_SUMMARY: usize = 65_535;

/// A title is shown on one line.
const LONGEST_TITLE: usize = 200;

/// Turns events into updates of check runs.
pub(super) struct CheckRuns {
    checks: Checks,
    setting: Setting,
    /// Jobs that have not ended, each as a run of its own.
    jobs: BTreeMap<JobId, Run>,
}

impl CheckRuns {
    pub(super) fn new(checks: Checks, setting: Setting) -> Self {
        Self { checks, setting, jobs: BTreeMap::new() }
    }

    pub(super) fn on_event(&mut self, event: &Event) {
        let Some(job) = &event.job else { return };
        self.jobs.entry(job.clone()).or_default().take(event);
        match &event.event {
            Body::JobStarted { .. } => self.checks.tell(Update::Started(job.clone())),
            Body::JobFinished(_) => {
                if let Some(run) = self.jobs.remove(job) {
                    self.checks.tell(Update::Ended(job.clone(), Box::new(ended(&run, &self.setting))));
                }
            }
            _ => {}
        }
    }

    /// Waits for what is under way.
    pub(super) fn settle(self, run: &Run) -> Settled {
        self.checks.settle(matches!(run.end, Some((Outcome::Cancelled, _))))
    }
}

/// The end of the one job that the run has.
fn ended(run: &Run, setting: &Setting) -> Ended {
    let outcome = run.jobs.first().and_then(|job| job.outcome());
    Ended {
        conclusion: match outcome {
            Some(Outcome::Success) => Conclusion::Success,
            Some(Outcome::Cancelled) => Conclusion::Cancelled,
            Some(Outcome::Skipped) => Conclusion::Skipped,
            Some(Outcome::Failure) | None => Conclusion::Failure,
        },
        title: text::cut(&text::line(&title(run)), LONGEST_TITLE),
        summary: summary::render(run, setting, LONGEST_SUMMARY),
        annotations: annotations::all(run, setting),
    }
}

/// What failed, else how it ended.
fn title(run: &Run) -> String {
    let Some((job, end)) = run.jobs.first().and_then(|job| Some((job, job.end.as_ref()?))) else {
        return "did not end".to_owned();
    };
    let took = text::duration(end.seconds);
    match (end.outcome, job.failures().next(), &end.reason) {
        (Outcome::Success, ..) => format!("built in {took}{}", tests(job)),
        (Outcome::Failure, Some(first), _) if first.is_test => format!("{}: {}", failed(job), first.failure.message),
        (Outcome::Failure, Some(first), _) => first.failure.message.clone(),
        (outcome, _, Some(reason)) => format!("{}: {reason}", text::outcome(outcome)),
        (outcome, _, None) => text::outcome(outcome).to_owned(),
    }
}

/// What the tests of an image came to that was built and may be used.
fn tests(job: &Job) -> String {
    match &job.tested {
        Some(end) if end.verdict == Verdict::Passed => format!(", tests: {}", verdict::counts(end)),
        Some(end) => format!(", tests {}", verdict::word(end)),
        None => String::new(),
    }
}

fn failed(job: &Job) -> String {
    job.tested.as_ref().map_or_else(|| "tests failed".to_owned(), |end| format!("tests: {}", verdict::short(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Failure, Place};
    use crate::report::testing::{at, finished, scripted_run, tested_run};

    fn ends(events: &[Event]) -> BTreeMap<String, Ended> {
        let mut runs: BTreeMap<JobId, Run> = BTreeMap::new();
        for event in events {
            if let Some(job) = &event.job {
                runs.entry(job.clone()).or_default().take(event);
            }
        }
        let setting = Setting { folder: "images".into(), out: "ovenbird-out".into(), command: "ovenbird build".into() };
        runs.iter().map(|(job, run)| (job.0.clone(), ended(run, &setting))).collect()
    }

    #[test]
    fn a_jobs_check_tells_of_that_job_alone() {
        let ends = ends(&scripted_run());
        let failed = &ends["web-trixie"];
        assert_eq!(
            (failed.conclusion, failed.title.as_str()),
            (Conclusion::Failure, "step `Install nginx` failed (exit status 100)")
        );
        assert!(failed.summary.starts_with("## Machine images: 0 of 1 job built, 1 failed"), "{}", failed.summary);
        assert!(!failed.summary.contains("web-bookworm"), "{}", failed.summary);
        insta::assert_debug_snapshot!(failed.annotations, @r#"
        [
            Annotation {
                path: "images/ovenbird.yml",
                start_line: 21,
                end_line: 21,
                start_column: Some(
                    7,
                ),
                end_column: Some(
                    7,
                ),
                annotation_level: Failure,
                message: "step `Install nginx` failed (exit status 100)\n$ apt-get install -y ngnix\n| E: Unable to locate package ngnix",
                title: "1. Install nginx: web-trixie",
            },
        ]
        "#);
        let built = &ends["web-bookworm"];
        assert_eq!((built.conclusion, built.title.as_str()), (Conclusion::Success, "built in 1m14s"));
        assert_eq!(ends["never"].conclusion, Conclusion::Cancelled);
    }

    #[test]
    fn all_failures_are_annotated_within_githubs_limits() {
        let failure = |line: u32| Failure {
            place: Some(Place { file: "a.sh".into(), line, column: None, exact: true }),
            excerpt: vec!["ü".repeat(90_000)],
            ..Failure::new(format!("failure {line} {}", "ä".repeat(2000)))
        };
        let mut events: Vec<Event> =
            (0..120).map(|line| at(0.0, Some(&"j".repeat(300)), Body::Failure(failure(line)))).collect();
        events.push(at(0.0, Some(&"j".repeat(300)), finished(Outcome::Failure, 1.0, None)));
        let ended = ends(&events).remove(&"j".repeat(300)).unwrap_or_else(|| panic!("no end"));
        assert_eq!(ended.annotations.len(), 120);
        assert!(ended.annotations.iter().all(|one| one.message.len() <= 64 * 1024 && one.title.chars().count() <= 255));
        assert!(ended.annotations.iter().all(|one| one.start_line >= 1), "lines count from 1");
        assert!(ended.summary.chars().count() <= LONGEST_SUMMARY && ended.summary.contains("The rest is cut"));
        assert!(ended.title.chars().count() <= 255);
    }

    #[test]
    fn a_check_run_is_red_for_failed_tests_and_green_for_flaky_ones() {
        let ends = ends(&tested_run());
        let told = |job: &str| format!("{:?}: {}", ends[job].conclusion, ends[job].title);
        insta::assert_snapshot!(["green", "red", "unsteady"].map(told).join("\n"), @"
        Success: built in 45.0s, tests: 2 passed, 1 warned, 1 waived, 1 skipped
        Failure: tests: 2 failed of 3: check failed-units: app.service has failed
        Success: built in 45.0s, tests flaky, passed at attempt 2 only
        ");
        let lines = |job: &str| -> Vec<String> {
            let line = |one: &crate::forge::github::Annotation| {
                format!("{:?} {}:{} {}", one.annotation_level, one.path, one.start_line, one.message)
            };
            ends[job].annotations.iter().map(line).collect()
        };
        insta::assert_snapshot!(["green", "red", "unsteady"].map(lines).concat().join("\n"), @"
        Warning .github:1 check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        Failure .github:1 check failed-units: app.service has failed
        hint: `systemctl status app.service` in the image tells why
        | app.service: Failed with result 'exit-code'.
        Failure images/tests/goss.yaml:4 service nginx: running: expected true, found false
        Warning images/tests/goss.yaml:14 flaky: http http://localhost/: status: expected 200, found 502
        ");
    }
}
