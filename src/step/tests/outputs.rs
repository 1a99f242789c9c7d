//! What a step hands to the steps after it.

use super::machine::{Bench, Told, run, step};
use crate::event::Outcome;
use crate::expression::parse;
use crate::plan::job::{Action, Condition, EnvVar, Local, Part, Retry, Shell, Step, Text};

fn named(id: &str, mut step: Step) -> Step {
    step.id = Some(id.to_owned());
    step
}

fn late(name: &str, expr: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Text(vec![Part::Expr(parse(expr).unwrap())]) }
}

/// Prints an expression's value.
fn show(expr: &str) -> Step {
    let mut step = run(Shell::Sh, "printf '%s\\n' \"[$VALUE]\"");
    step.env.push(late("VALUE", expr));
    step
}

fn always(mut step: Step) -> Step {
    step.condition = Condition::When(parse("always()").unwrap());
    step
}

fn message(told: &Told) -> String {
    let failure = told.summary.failure.as_ref().unwrap();
    format!("{}\n{}", failure.message, failure.hint.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn outputs_reach_the_steps_after_from_every_shell() {
    for (shell, script) in [
        (Shell::Bash, "echo port=8080 >>\"$OVENBIRD_OUTPUT\""),
        (Shell::Sh, "echo port=8080 >>\"$OVENBIRD_OUTPUT\""),
        (Shell::Python, "import os; open(os.environ['OVENBIRD_OUTPUT'], 'a').write('port=8080\\n')"),
    ] {
        let mut bench = Bench::new(vec![named("find", run(shell, script)), show("steps.FIND.outputs.Port")]);
        let told = bench.run().await;
        assert_eq!((told.lines(), told.summary.outcome), (vec!["[8080]"], Outcome::Success));
        assert_eq!(bench.leftovers(), [""; 0]);
    }
}

#[tokio::test]
async fn a_value_is_never_read_by_a_shell() {
    let script = "printf 'v<<E\\n%s\\n%s\\nE\\n' '$(id) `id` \"; exit 3' \"it's\" >>\"$OVENBIRD_OUTPUT\"";
    let mut bench = Bench::new(vec![named("a", run(Shell::Default, script)), show("steps.a.outputs.v")]);
    assert_eq!(bench.run().await.lines(), ["[$(id) `id` \"; exit 3", "it's]"]);
}

#[tokio::test]
async fn a_step_on_this_machine_has_outputs_too() {
    let script = Text::literal("echo v=1 >>\"$OVENBIRD_OUTPUT\"");
    let local = Local { script, lines: vec![1], shell: Shell::Default, working_directory: None };
    let mut bench = Bench::new(vec![named("a", step(Action::Local(local))), show("steps.a.outputs.v")]);
    assert_eq!(bench.run().await.lines(), ["[1]"]);
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_failed_step_has_the_outputs_that_it_wrote() {
    let script = "echo v=1 >>\"$OVENBIRD_OUTPUT\"; false";
    let mut bench = Bench::new(vec![named("a", run(Shell::Default, script)), always(show("steps.a.outputs.v"))]);
    let told = bench.run().await;
    assert_eq!(told.lines(), ["[1]"]);
    let failure = told.summary.failure.unwrap();
    assert_eq!(failure.place.unwrap().line, 101, "the records of the trap are still read");
}

#[tokio::test]
async fn each_step_and_each_attempt_has_a_file_of_its_own() {
    let script = "echo \"n$(wc -c <\"$OVENBIRD_OUTPUT\")=1\" >>\"$OVENBIRD_OUTPUT\"; \
                  echo \"late$(wc -l <\"$LOG\")=1\" >>\"$OVENBIRD_OUTPUT\"; echo x >>\"$LOG\"; [ $(wc -l <\"$LOG\") -ge 2 ]";
    let mut first = named("a", run(Shell::Sh, script));
    first.retry = Retry { attempts: 2, delay: 0 };
    let seen = show("join(fromJSON(format('[{0},{1}]', toJSON(steps.a.outputs.n0), toJSON(steps.a.outputs.late1))))");
    let lost = show("format('{0}{1}', steps.a.outputs.late0, steps.b.outputs.n0)");
    let mut bench = Bench::new(vec![first, named("b", run(Shell::Sh, "true")), seen, lost]);
    let log = bench.ctx.work.join("log");
    std::fs::write(&log, "").unwrap();
    bench.job.env.push(super::machine::env("LOG", log.as_str()));
    assert_eq!(bench.run().await.lines(), ["[1,1]", "[]"]);
}

#[tokio::test]
async fn a_malformed_file_fails_the_step_and_says_which_line() {
    let mut bench = Bench::new(vec![named("a", run(Shell::Sh, "printf 'a=1\\nnonsense\\n' >>\"$OVENBIRD_OUTPUT\""))]);
    insta::assert_snapshot!(message(&bench.run().await), @"
    `the step` failed: line 2 of the file `$OVENBIRD_OUTPUT` is no output: `nonsense`
    write `NAME=VALUE`; a value of several lines needs `NAME<<DELIMITER`, the lines, and `DELIMITER`
    ");
}

#[tokio::test]
async fn more_than_a_mebibyte_is_refused() {
    let script = "{ printf a=; head -c 1048576 /dev/zero | tr '\\0' x; } >>\"$OVENBIRD_OUTPUT\"";
    let mut bench = Bench::new(vec![named("a", run(Shell::Sh, script))]);
    insta::assert_snapshot!(message(&bench.run().await), @"
    `the step` failed: the step wrote more than 1 MiB of outputs
    keep large data in a file of the guest, and fetch it with `download:`
    ");
}

#[tokio::test]
async fn an_output_that_no_text_can_hold_fails_the_step_that_wants_it() {
    let mut bench = Bench::new(vec![named("a", run(Shell::Sh, "true")), show("steps.a.outputs")]);
    insta::assert_snapshot!(message(&bench.run().await), @"the `env` of `the step` has no value: `steps.a.outputs` is a list or a mapping, which can't be put into a text: use `join` or `toJSON`");
    let mut bench = Bench::new(vec![named("a", run(Shell::Sh, "true")), show("fromJSON(steps.a.outputs.x).y")]);
    insta::assert_snapshot!(message(&bench.run().await), @"the `env` of `the step` has no value: `fromJSON` was given an empty text");
}

#[tokio::test]
async fn what_the_guest_wrote_is_harmless_and_short_in_a_message() {
    let script = "{ printf 'v<<E\\n\\033[31m{hun\\033[mter2-hunter2\\n::error::x\\n'; \
                  head -c 100000 /dev/zero | tr '\\0' x; printf '\\nE\\n'; } >>\"$OVENBIRD_OUTPUT\"";
    let conditional = |mut step: Step| {
        step.condition = Condition::When(parse("format(steps.a.outputs.v) == ''").unwrap());
        step
    };
    for reader in [show("format(steps.a.outputs.v)"), conditional(run(Shell::Sh, "true"))] {
        let mut bench = Bench::new(vec![named("a", run(Shell::Sh, script)), reader]);
        bench.secrets.insert("token", "hunter2-hunter2");
        let told = message(&bench.run().await);
        assert!(told.contains("the format string is invalid: `{***::error::xxx"), "{told}");
        assert!(told.len() < 600, "{}", told.len());
    }
}

#[tokio::test]
async fn only_a_step_with_an_id_costs_a_round_trip_more() {
    let asked = async |step| {
        let mut bench = Bench::new(vec![step, run(Shell::Sh, "true")]);
        bench.run().await;
        bench.guest.asked.lock().unwrap().len()
    };
    let script = || run(Shell::Sh, "echo v=1 >>\"$OVENBIRD_OUTPUT\"");
    // Two scripts, and the removal of the last folder.
    assert_eq!(asked(script()).await, 3);
    assert_eq!(asked(named("a", script())).await, 4);
}

#[tokio::test]
async fn secrets_in_outputs_are_masked_where_they_are_shown() {
    let script = "printf 'hunter2-hunter2\\n' >>\"$OVENBIRD_OUTPUT\"";
    let mut bench = Bench::new(vec![named("a", run(Shell::Sh, script))]);
    bench.secrets.insert("token", "hunter2-hunter2");
    assert!(!message(&bench.run().await).contains("hunter2"));
}

#[tokio::test]
async fn conditions_and_variables_see_the_machine_and_the_job() {
    let mut bench = Bench::new(vec![
        show("format('{0} {1} {2}', runner.os, runner.arch, runner.temp)"),
        show("job.status"),
        named("a", run(Shell::Sh, "echo go=yes >>\"$OVENBIRD_OUTPUT\"")),
        {
            let mut step = run(Shell::Sh, "echo went");
            step.condition = Condition::When(parse("success() && steps.a.outputs.go == env.wanted").unwrap());
            step.env.push(super::machine::env("WANTED", "yes"));
            step
        },
    ]);
    let told = bench.run().await;
    let lines = [format!("[Linux X64 {}]", bench.ctx.work), "[success]".to_owned(), "went".to_owned()];
    assert_eq!(told.lines(), lines);
}

#[tokio::test]
async fn an_output_that_no_environment_can_hold_fails_the_step_with_the_reason() {
    let script = "{ printf v=; head -c 300000 /dev/zero | tr '\\0' x; } >>\"$OVENBIRD_OUTPUT\"";
    let mut bench = Bench::new(vec![named("a", run(Shell::Sh, script)), show("steps.a.outputs.v")]);
    insta::assert_snapshot!(message(&bench.run().await), @"
    `the step` failed with exit status 126
    Linux takes at most 128 KiB in one environment variable: hand large data over in a file
    ");
}
