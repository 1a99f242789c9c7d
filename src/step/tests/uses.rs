//! Steps of a file: what they see, how they end together, and where their failures are put.

use std::time::{Duration, Instant};

use super::machine::{Bench, Told, run};
use crate::event::{Body, Outcome};
use crate::expression::parse;
use crate::plan::job::{Action, Condition, EnvVar, Named, Part, Shell, Step, Text, Uses};

fn expr(text: &str) -> Text {
    Text(vec![Part::Expr(parse(text).unwrap())])
}

fn named(name: &str, value: Text) -> Named {
    Named { name: name.to_owned(), value }
}

/// A step of a file that writes its name into the log, and then does `then`.
fn log(name: &str, then: &str) -> Step {
    let mut step = run(Shell::Default, &format!("echo {name} >>\"$LOG\"\n{then}"));
    (step.name, step.file) = (name.to_owned(), "steps/part.yml".into());
    step
}

fn when(condition: &str, mut step: Step) -> Step {
    step.condition = Condition::When(parse(condition).unwrap());
    step
}

fn id(id: &str, mut step: Step) -> Step {
    step.id = Some(id.to_owned());
    step
}

/// A step that uses a file with these steps.
fn uses(name: &str, steps: Vec<Step>) -> Step {
    let uses = Uses { file: "steps/part.yml".into(), inputs: Vec::new(), steps, outputs: Vec::new() };
    let mut step = super::machine::step(Action::Uses(uses));
    step.name = name.to_owned();
    step
}

fn bench(steps: Vec<Step>) -> Bench {
    let mut bench = Bench::new(steps);
    let log = bench.ctx.work.join("log");
    bench.job.env.push(super::machine::env("LOG", log.as_str()));
    bench
}

fn written(bench: &Bench) -> String {
    let log = std::fs::read_to_string(bench.ctx.work.join("log")).unwrap_or_default();
    log.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each step that ended or was skipped, in the order of the steps.
fn ends(told: &Told) -> Vec<String> {
    let steps = told.summary.steps.iter().zip(told.outcomes());
    steps.map(|(step, outcome)| format!("{} {} {outcome}", step.step, step.name)).collect()
}

fn order(told: &Told) -> String {
    let events = told.events.iter().filter_map(|event| match event {
        Body::StepStarted { step, .. } => Some(format!("+{step}")),
        Body::StepFinished(end) => Some(format!("-{}", end.step)),
        Body::Failure(failure) => Some(format!("failure({})", failure.step.unwrap())),
        Body::Warning(failure) => Some(format!("warning({})", failure.step.unwrap())),
        _ => None,
    });
    events.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_steps_of_a_file_run_in_the_place_of_the_step_that_uses_it() {
    let nested = uses("b", vec![log("b1", "true"), uses("b2", vec![log("b21", "true")])]);
    let mut bench = bench(vec![log("a", "true"), nested, log("c", "true")]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "a b1 b21 c");
    assert_eq!(order(&told), "+0 -0 +1 +2 -2 +3 +4 -4 -3 -1 +5 -5");
    let ends = ends(&told);
    assert_eq!(ends, ["0 a Success", "1 b Success", "2 b1 Success", "3 b2 Success", "4 b21 Success", "5 c Success"]);
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_failed_step_fails_the_one_that_uses_its_file_once() {
    let part = vec![log("b1", "false"), log("b2", "true"), when("failure()", log("b3", "true"))];
    let mut bench = bench(vec![uses("b", part), log("c", "true")]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "b1 b3");
    assert_eq!(ends(&told), ["0 b Failure", "1 b1 Failure", "2 b2 Skipped", "3 b3 Success", "4 c Skipped"]);
    assert_eq!(order(&told), "+0 +1 failure(1) -1 -2 +3 -3 -0 -4");
    let failure = told.summary.failure.unwrap();
    let place = failure.place.unwrap();
    assert_eq!((place.file.as_str(), place.line, place.exact), ("steps/part.yml", 102, true));
    assert_eq!(failure.command.as_deref(), Some("false"));
}

#[tokio::test]
async fn an_outer_continue_on_error_covers_what_fails_inside() {
    let mut outer = id("part", uses("b", vec![log("b1", "false"), log("b2", "true")]));
    outer.continue_on_error = true;
    let after =
        when("success() && steps.part.outcome == 'failure' && steps.part.conclusion == 'success'", log("c", "true"));
    let mut bench = bench(vec![outer, after]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "b1 c");
    assert_eq!((told.summary.outcome, told.summary.failure.is_none()), (Outcome::Success, true));
    assert_eq!(order(&told), "+0 +1 warning(1) -1 -2 -0 +3 -3");
}

#[tokio::test]
async fn inside_a_file_the_status_begins_anew_as_in_a_composite_action() {
    let rescue = when(
        "failure()",
        uses(
            "b",
            vec![
                log("b1", "true"),
                when("failure()", log("b2", "true")),
                when("job.status == 'failure'", log("b3", "true")),
            ],
        ),
    );
    let mut bench = bench(vec![log("a", "false"), rescue]);
    let told = bench.run().await;
    assert_eq!(written(&bench), "a b1 b3");
    assert_eq!(ends(&told), ["0 a Failure", "1 b Success", "2 b1 Success", "3 b2 Skipped", "4 b3 Success"]);
}

#[tokio::test]
async fn a_skipped_step_says_nothing_of_the_steps_of_its_file() {
    let mut bench = bench(vec![log("a", "false"), uses("b", vec![log("b1", "true")])]);
    assert_eq!(ends(&bench.run().await), ["0 a Failure", "1 b Skipped"]);
}

#[tokio::test]
async fn inputs_go_in_and_outputs_come_out() {
    let first = id("one", log("b1", "echo \"port=$GIVEN\" >>\"$OVENBIRD_OUTPUT\""));
    let first = Step { env: vec![EnvVar { name: "GIVEN".into(), value: expr("inputs.given") }], ..first };
    let part = Uses {
        file: "steps/part.yml".into(),
        inputs: vec![named("given", expr("steps.before.outputs.port"))],
        steps: vec![first],
        outputs: vec![named(
            "address",
            Text(vec![Part::Literal("http://x:".into()), Part::Expr(parse("steps.one.outputs.port").unwrap())]),
        )],
    };
    let mut show = run(Shell::Sh, "echo \"$VALUE $SCOPE\"");
    show.env = vec![
        EnvVar { name: "VALUE".into(), value: expr("steps.part.outputs.address") },
        EnvVar { name: "SCOPE".into(), value: expr("steps.one.outcome == null") },
    ];
    let part = id("part", super::machine::step(Action::Uses(part)));
    let mut bench = bench(vec![id("before", log("a", "echo port=80 >>\"$OVENBIRD_OUTPUT\"")), part, show]);
    assert_eq!(bench.run().await.lines(), ["http://x:80 true"]);
}

#[tokio::test]
async fn the_env_of_the_step_reaches_the_steps_of_its_file() {
    let mut inner = log("b1", "echo \"$A $B $C\"");
    inner.env.push(super::machine::env("C", "own"));
    let mut outer = uses("b", vec![inner]);
    outer.env = vec![super::machine::env("B", "outer"), super::machine::env("C", "outer")];
    let mut bench = bench(vec![outer, run(Shell::Sh, "echo \"after $A $B\"")]);
    bench.job.env.push(super::machine::env("A", "job"));
    assert_eq!(bench.run().await.lines(), ["job outer own", "after job "]);
}

#[tokio::test]
async fn the_time_limit_of_a_step_covers_its_file() {
    let inner = uses("b2", vec![log("b21", "echo before; sleep 1000"), when("always()", log("b22", "true"))]);
    let mut outer = uses("b", vec![log("b1", "true"), inner, when("always()", log("b3", "true"))]);
    outer.timeout = Some(1);
    let mut bench = bench(vec![outer, when("failure()", log("c", "true"))]);
    let begin = Instant::now();
    let told = bench.run().await;
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert_eq!(written(&bench), "b1 b21 c");
    assert_eq!(
        ends(&told),
        [
            "0 b Failure",
            "1 b1 Success",
            "2 b2 Cancelled",
            "3 b21 Cancelled",
            "4 b22 Skipped",
            "5 b3 Skipped",
            "6 c Success"
        ]
    );
    let failure = told.summary.failure.unwrap();
    assert_eq!((failure.message.as_str(), failure.step), ("`b` timed out after 1 s", Some(0)));
    assert_eq!(failure.excerpt, ["before"]);
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_time_limit_inside_ends_its_own_step_only() {
    let mut slow = log("b1", "sleep 1000");
    (slow.timeout, slow.continue_on_error) = (Some(1), true);
    let mut outer = uses("b", vec![slow, log("b2", "true")]);
    outer.timeout = Some(60);
    let mut bench = bench(vec![outer]);
    assert_eq!(ends(&bench.run().await), ["0 b Success", "1 b1 Failure but Success", "2 b2 Success"]);
}

async fn run_and_cancel(bench: &mut Bench) -> Told {
    let (cancel, log) = (bench.ctx.cancel.clone(), bench.ctx.work.join("log"));
    tokio::spawn(async move {
        while std::fs::read_to_string(&log).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    });
    bench.run().await
}

#[tokio::test]
async fn a_cancelled_job_ends_the_steps_of_a_file() {
    let part = vec![log("b1", "sleep 1000"), log("b2", "true"), when("always()", log("b3", "true"))];
    let mut bench = bench(vec![uses("b", part), when("cancelled()", uses("c", vec![log("c1", "true")]))]);
    let told = run_and_cancel(&mut bench).await;
    assert_eq!(written(&bench), "b1 b3 c1");
    assert_eq!(
        ends(&told),
        ["0 b Cancelled", "1 b1 Cancelled", "2 b2 Skipped", "3 b3 Success", "4 c Success", "5 c1 Success"]
    );
    assert_eq!(told.summary.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn an_input_or_output_without_a_value_fails_the_step() {
    let part =
        |inputs, outputs| Uses { file: "steps/part.yml".into(), inputs, steps: vec![log("b1", "true")], outputs };
    let wrong = || vec![named("x", expr("fromJSON(steps.none.outputs.x).y"))];
    for uses in [part(wrong(), Vec::new()), part(Vec::new(), wrong())] {
        let mut bench = bench(vec![super::machine::step(Action::Uses(uses))]);
        let failure = bench.run().await.summary.failure.unwrap();
        assert!(failure.message.contains("put of `the step` has no value: "), "{}", failure.message);
        assert_eq!(failure.step, Some(0));
    }
}
