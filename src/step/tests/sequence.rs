//! Order, conditions, retries, time limits, cancelling. Order is proved through a log that the steps write.

use std::time::{Duration, Instant};

use super::machine::{Bench, Told, run};
use crate::event::{Body, Outcome};
use crate::expression::parse;
use crate::guest::Exit;
use crate::plan::job::{Condition, Retry, Shell, Step};

/// A step that writes `name` into the log, and then does `then`.
fn log(name: &str, then: &str) -> Step {
    let mut step = run(Shell::Sh, &format!("echo {name} >>\"$LOG\"; {then}"));
    step.name = name.to_owned();
    step
}

fn when(condition: &str, mut step: Step) -> Step {
    step.condition = Condition::When(parse(condition).unwrap());
    step
}

fn bench(steps: Vec<Step>) -> Bench {
    let mut bench = Bench::new(steps);
    let log = bench.ctx.work.join("log");
    bench.job.env.push(super::machine::env("LOG", log.as_str()));
    bench
}

/// What the steps wrote.
fn written(bench: &Bench) -> String {
    std::fs::read_to_string(bench.ctx.work.join("log"))
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Events without their details.
fn kinds(told: &Told) -> String {
    let kinds = told.events.iter().filter_map(|event| match event {
        Body::StepStarted { name, .. } => Some(format!("start({name})")),
        Body::StepFinished(step) => Some(format!("end({})", step.name)),
        Body::Failure(_) => Some("failure".to_owned()),
        Body::Warning(_) => Some("warning".to_owned()),
        Body::Note { .. } => Some("note".to_owned()),
        _ => None,
    });
    kinds.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn steps_run_in_order_and_the_first_failure_is_the_jobs() {
    let mut bench = bench(vec![
        log("a", "true"),
        log("b", "exit 3"),
        log("c", "true"),
        when("failure()", log("d", "exit 4")),
        when("always()", log("e", "true")),
        when("cancelled()", log("f", "true")),
    ]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "a b d e");
    assert_eq!(told.outcomes(), ["Success", "Failure", "Skipped", "Failure", "Success", "Skipped"]);
    assert_eq!(told.summary.outcome, Outcome::Failure);
    let failure = told.summary.failure.as_ref().unwrap();
    assert_eq!((failure.message.as_str(), failure.step), ("`b` failed with exit status 3", Some(1)));
    assert_eq!(
        kinds(&told),
        "start(a) end(a) start(b) failure end(b) end(c) start(d) failure end(d) start(e) end(e) end(f)"
    );
}

#[tokio::test]
async fn a_step_that_continues_on_error_fails_alone() {
    let mut tolerated = log("a", "exit 3");
    tolerated.continue_on_error = true;
    tolerated.id = Some("first".to_owned());
    let mut bench = bench(vec![
        tolerated,
        log("b", "true"),
        when("failure()", log("c", "true")),
        when("success() && steps.first.outcome == 'failure' && steps.first.conclusion == 'success'", log("d", "true")),
    ]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "a b d");
    assert_eq!(told.outcomes(), ["Failure but Success", "Success", "Skipped", "Success"]);
    assert_eq!((told.summary.outcome, told.summary.failure.is_none()), (Outcome::Success, true));
    assert!(kinds(&told).starts_with("start(a) warning end(a)"));
}

#[tokio::test]
async fn a_step_that_plan_time_decided_against_is_skipped() {
    let mut never = log("a", "true");
    never.condition = Condition::Never;
    let mut bench = bench(vec![never, log("b", "true")]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "b");
    assert_eq!(
        (told.outcomes(), kinds(&told).as_str()),
        (vec!["Skipped".into(), "Success".into()], "end(a) start(b) end(b)")
    );
}

#[tokio::test]
async fn a_condition_without_a_value_fails_the_step() {
    let mut bench = bench(vec![when("fromJSON('{') == 1", log("a", "true"))]);
    let told = bench.run().await;
    assert_eq!((written(&bench).as_str(), told.outcomes()), ("", vec!["Failure".to_owned()]));
    assert!(told.summary.failure.unwrap().message.starts_with("the condition of `a` has no value: "));
}

#[tokio::test]
async fn a_step_is_tried_again_until_it_succeeds() {
    let mut step = log("a", "[ $(wc -l <\"$LOG\") -ge 3 ]");
    step.retry = Retry { attempts: 5, delay: 0 };
    let mut bench = bench(vec![step]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "a a a");
    assert_eq!((told.summary.outcome, told.summary.steps[0].attempts), (Outcome::Success, 3));
    assert_eq!(kinds(&told), "start(a) note note end(a)");
    let Some(Body::Note { text }) = told.events.iter().find(|event| matches!(event, Body::Note { .. })) else {
        panic!()
    };
    assert_eq!(text, "attempt 1 of 5: `a` failed with exit status 1; trying again now");
}

#[tokio::test]
async fn the_last_attempts_failure_is_the_steps() {
    let mut step = log("a", "exit $(wc -l <\"$LOG\")");
    step.retry = Retry { attempts: 2, delay: 0 };
    let told = bench(vec![step]).run().await;
    assert_eq!(told.summary.steps[0].attempts, 2);
    assert_eq!(told.summary.failure.unwrap().message, "`a` failed with exit status 2 (attempt 2 of 2)");
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_ended_with_its_children() {
    let mut step = log("a", "echo before; sleep 1000 & echo $! >>\"$LOG\"; wait");
    step.timeout = Some(1);
    let mut bench = bench(vec![step, when("failure()", log("b", "true"))]);
    let begin = Instant::now();
    let told = bench.run().await;
    assert!(begin.elapsed() < Duration::from_secs(8));
    let failure = told.summary.failure.unwrap();
    assert_eq!((failure.message.as_str(), failure.excerpt), ("`a` timed out after 1 s", vec!["before".to_owned()]));
    let log = written(&bench);
    let [_, pid, after] = log.split(' ').collect::<Vec<_>>()[..] else { panic!("{log}") };
    assert_eq!(after, "b");
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[tokio::test]
async fn each_attempt_has_the_whole_time_limit() {
    let mut step = log("a", "[ $(wc -l <\"$LOG\") -ge 2 ] || sleep 1000");
    (step.timeout, step.retry) = (Some(1), Retry { attempts: 2, delay: 0 });
    let mut bench = bench(vec![step]);
    assert_eq!(bench.run().await.outcomes(), ["Success"]);
    assert_eq!(written(&bench), "a a");
}

/// Cancels the job when the first step has written its name.
async fn run_and_cancel(bench: &mut Bench) -> (Told, Duration) {
    let (cancel, log) = (bench.ctx.cancel.clone(), bench.ctx.work.join("log"));
    let begin = tokio::spawn(async move {
        while std::fs::read_to_string(&log).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
        Instant::now()
    });
    let told = bench.run().await;
    (told, begin.await.unwrap().elapsed())
}

#[tokio::test]
async fn a_cancelled_job_ends_its_step_and_runs_what_always_runs() {
    let mut bench = bench(vec![
        log("a", "sleep 1000"),
        log("b", "true"),
        when("failure()", log("c", "true")),
        when("always()", log("d", "true")),
        when("cancelled()", log("e", "true")),
    ]);
    let (told, seconds) = run_and_cancel(&mut bench).await;
    assert_eq!(written(&bench), "a d e");
    assert_eq!(told.outcomes(), ["Cancelled", "Skipped", "Skipped", "Success", "Success"]);
    assert_eq!((told.summary.outcome, told.summary.failure), (Outcome::Cancelled, None));
    assert!(seconds < Duration::from_secs(3), "{seconds:?}");
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[tokio::test]
async fn steps_that_always_run_share_three_seconds_when_the_job_is_cancelled() {
    let mut bench = bench(vec![
        when("always()", log("a", "sleep 1; echo done >>\"$LOG\"")),
        when("always()", log("b", "sleep 1000")),
        when("always()", log("c", "true")),
    ]);
    let (told, seconds) = run_and_cancel(&mut bench).await;
    assert_eq!(written(&bench), "a done b");
    assert_eq!(told.outcomes(), ["Success", "Cancelled", "Skipped"]);
    assert!(seconds < Duration::from_millis(5500), "{seconds:?}");
}

#[tokio::test]
async fn cancelling_ends_the_wait_for_the_next_attempt() {
    let mut step = log("a", "false");
    step.retry = Retry { attempts: 2, delay: 1000 };
    let mut bench = bench(vec![step]);
    let (told, seconds) = run_and_cancel(&mut bench).await;
    assert_eq!((written(&bench).as_str(), told.summary.outcome), ("a", Outcome::Cancelled));
    assert!(seconds < Duration::from_secs(3), "{seconds:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_fails_the_step() {
    let mut bench = bench(vec![log("a", "true")]);
    bench.guest.answers.lock().unwrap().extend([Exit::Code(0), Exit::Missing]);
    let failure = bench.run().await.summary.failure.unwrap();
    assert_eq!(failure.message, "the connection closed before `a` ended");
    assert!(failure.hint.unwrap().contains("`reboot:`"));
}
