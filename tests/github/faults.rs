//! Whatever goes wrong on the way to GitHub, nothing is there twice, and what is not there is told.

use std::time::{Duration, Instant};

use ovenbird::event::JobId;
use ovenbird::forge::github::{Annotation, Checks, Conclusion, Ended, Level, Settled, Update};
use serde_json::{Value, json};

use crate::double::GitHub;

fn job(number: usize) -> JobId {
    JobId(format!("job-{number}"))
}

fn ended(annotations: u32) -> Box<Ended> {
    let annotation = |line: u32| Annotation {
        path: "images/ovenbird.yml".to_owned(),
        start_line: line,
        end_line: line,
        start_column: Some(3),
        end_column: Some(3),
        annotation_level: Level::Failure,
        message: format!("failure {line}"),
        title: "web".to_owned(),
    };
    Box::new(Ended {
        conclusion: Conclusion::Failure,
        title: "it failed".to_owned(),
        summary: "x".repeat(65_535),
        annotations: (1..=annotations).map(annotation).collect(),
    })
}

/// Jobs begin and end at once, the way that a run's reports tell it: from a thread.
fn settle(github: &GitHub, jobs: usize, annotations: u32, hurry: bool) -> Settled {
    let environment = github.environment();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let checks = runtime.block_on(async { Checks::start(&environment, "web", jobs) });
    for number in 0..jobs {
        checks.tell(Update::Started(job(number)));
    }
    for number in 0..jobs {
        checks.tell(Update::Ended(job(number), ended(annotations)));
    }
    checks.settle(hurry)
}

/// That the job is there once, with each of its annotations once, in order.
fn assert_complete(github: &GitHub, job: &JobId, annotations: u32) {
    let runs = github.check_runs();
    let mut named = runs.iter().filter(|run| run["name"] == format!("web / {job}"));
    let run = named.next().unwrap();
    assert!(named.next().is_none(), "{job} is there twice: {:?}", github.requests());
    assert_eq!((&run["status"], &run["conclusion"]), (&json!("completed"), &json!("failure")));
    let lines: Vec<&Value> = run["annotations"].as_array().unwrap().iter().map(|one| &one["start_line"]).collect();
    assert_eq!(lines, (1..=annotations).collect::<Vec<_>>());
}

#[test]
fn all_annotations_arrive_in_batches() {
    let github = GitHub::start(&json!({}));
    let settled = settle(&github, 20, 120, false);
    assert_eq!(settled, Settled { carried: (0..20).map(job).collect(), notice: None });
    (0..20).for_each(|number| assert_complete(&github, &job(number), 120));
    assert_eq!(github.requests().len(), 20 * 4, "one request to create, and one for each 50 annotations");
}

#[test]
fn what_was_written_before_the_answer_was_lost_is_not_written_again() {
    for kind in ["500-after", "reset-after"] {
        for (method, nth) in [("POST", 1), ("PATCH", 1), ("PATCH", 2), ("PATCH", 3)] {
            let github = GitHub::start(&json!({ "faults": [{ "method": method, "nth": nth, "kind": kind }] }));
            let settled = settle(&github, 1, 120, false);
            assert_eq!((settled.carried.len(), settled.notice), (1, None), "{kind} {method} {nth}");
            assert_complete(&github, &job(0), 120);
        }
    }
}

#[test]
fn what_was_not_written_is_tried_again_when_github_says_so() {
    for (kind, least) in [("500", 0), ("reset", 0), ("429", 1), ("429-reset", 1)] {
        for method in ["POST", "PATCH"] {
            let faults =
                json!([{ "method": method, "nth": 1, "kind": kind }, { "method": "GET", "nth": 1, "kind": "500" }]);
            let github = GitHub::start(&json!({ "faults": faults }));
            let begin = Instant::now();
            let settled = settle(&github, 1, 60, false);
            assert_eq!((settled.carried.len(), settled.notice), (1, None), "{kind} {method}");
            assert!(begin.elapsed() >= Duration::from_secs(least), "{kind}: did not wait");
            assert_complete(&github, &job(0), 60);
        }
    }
}

#[test]
fn a_request_that_github_does_not_take_is_told_once_and_the_other_jobs_go_on() {
    let github = GitHub::start(&json!({ "faults": [{ "method": "PATCH", "nth": 1, "kind": "422" }] }));
    let settled = settle(&github, 3, 1, false);
    assert_eq!(settled.carried.len(), 2);
    let notice = settled.notice.unwrap();
    assert!(notice.contains("GitHub answered 422 No commit found for SHA"), "{notice}");
}

#[test]
fn a_token_that_may_not_write_is_tried_once_for_all_jobs() {
    for status in [401, 403, 404] {
        let github = GitHub::start(&json!({ "refuse": status }));
        let settled = settle(&github, 20, 1, false);
        assert_eq!((settled.carried.len(), github.writes()), (0, 1), "{status}");
        assert!(settled.notice.unwrap().contains(&format!("status {status}")));
        assert!(github.check_runs().is_empty());
    }
}

#[test]
fn a_cancelled_run_waits_two_seconds_for_github_and_no_longer() {
    let github = GitHub::start(&json!({ "delay": 700 }));
    let begin = Instant::now();
    let settled = settle(&github, 20, 1, true);
    let took = begin.elapsed();
    assert!(took < Duration::from_millis(2900), "{took:?}");
    assert!(settled.carried.len() < 20, "so slow a server can't have all of them");
}

#[test]
fn a_job_that_never_began_has_a_check_run_too() {
    let github = GitHub::start(&json!({}));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let checks = runtime.block_on(async { Checks::start(&github.environment(), "web", 1) });
    checks.tell(Update::Ended(job(0), ended(1)));
    assert_eq!(checks.settle(false).carried.len(), 1);
    assert_complete(&github, &job(0), 1);
}
