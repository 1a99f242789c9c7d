//! Commands and lookups: what they print, how they end, and that they end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ovenbird::guest::GuestError;
use ovenbird::smoke::probe;
use ovenbird::smoke::spec::{Kind, Resource, Spec};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::machine::{Machine, resource, with};

fn command(text: &str) -> Resource {
    resource(Kind::Command, text, &["exit-status", "stdout", "stderr"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_told_by_status_and_both_streams() {
    let machine = Machine::new();
    let texts = [
        "printf 'a\\0b\\n\\n'; echo 'it'\\''s' >&2; exit 7",
        "kill -KILL $$",
        "cat",
        "no-such-program",
        "echo one\necho two\n",
        "yes | head -c 11000000",
    ];
    let found = machine.find(texts.iter().map(|text| command(text)).collect()).await;
    assert_eq!(found.value(texts[0], "exit-status"), 7);
    assert_eq!(found.text(texts[0], "stdout"), "a\0b\n\n");
    assert_eq!(found.text(texts[0], "stderr"), "it's\n");
    // As Go has it.
    assert_eq!(found.value(texts[1], "exit-status"), -1);
    // Standard input is empty, not a terminal that waits.
    assert_eq!((found.value(texts[2], "exit-status"), found.text(texts[2], "stdout")), (json!(0), String::new()));
    assert_eq!(found.value(texts[3], "exit-status"), 127);
    assert_eq!(found.text(texts[4], "stdout"), "one\ntwo\n");
    assert_eq!(found.error(texts[5], "stdout"), "stdout is larger than 10 MiB, which is the most that is read");
    assert_eq!(found.value(texts[5], "exit-status"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hangs_or_floods_is_ended_in_time_and_alone() {
    let machine = Machine::new();
    let marker = machine.path("marker");
    let hangs = format!("(sleep 3; touch {marker}) & sleep 60");
    let floods = "yes flood";
    let short = json!({ "timeout": 500 });
    let started = Instant::now();
    let found = machine
        .find(vec![with(command(&hangs), short.clone()), with(command(floods), short), command("echo fine")])
        .await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(found.error(&hangs, "exit-status"), "Command execution timed out (500ms)");
    assert_eq!(found.error(floods, "stdout"), "Command execution timed out (500ms)");
    assert_eq!(found.text("echo fine", "stdout"), "fine\n");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!marker.exists(), "what the command started has gone on");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_take_few_round_trips_and_do_not_mix() {
    let machine = Machine::new();
    let texts: Vec<String> =
        (0..40).map(|n| format!("echo out {n}; (sleep 0.1; echo err {n} >&2) & exit {n}")).collect();
    let found = machine.find(texts.iter().map(|text| command(text)).collect()).await;
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(found.value(text, "exit-status"), n);
        assert_eq!(found.text(text, "stdout"), format!("out {n}\n"));
        assert_eq!(found.text(text, "stderr"), format!("err {n}\n"));
    }
    let asked = machine.asked.load(Ordering::Relaxed);
    assert!(asked <= 5, "{asked} round trips");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_any_tools_gives_errors_and_no_wrong_verdict() {
    let machine = Machine::by("env PATH=/no /bin/sh");
    let found = machine
        .find(vec![
            resource(Kind::File, "/etc/passwd", &["exists", "mode"]),
            resource(Kind::User, "root", &["exists", "uid"]),
            resource(Kind::KernelParam, "kernel.ostype", &["value"]),
        ])
        .await;
    assert_eq!(found.error("/etc/passwd", "mode"), "the machine gave a malformed answer");
    assert_eq!(found.error("root", "exists"), "open /etc/passwd: it can't be read");
    assert!(found.actual("kernel.ostype", "value").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_shell_dies_says_so_at_each_check() {
    let machine = Machine::by("false");
    let user = |id| resource(Kind::User, id, &["exists"]);
    let found = machine.find(vec![user("root"), user("nobody"), command("true")]).await;
    assert_eq!(found.error("root", "exists"), "the machine's shell ended before it answered (exit status 1)");
    assert!(
        found.error("nobody", "exists").starts_with("the machine's shell ended"),
        "{}",
        found.error("nobody", "exists")
    );
    assert_eq!(found.value("true", "exit-status"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_repeated_until_it_is_satisfied() {
    let machine = Machine::new();
    let counter = machine.path("counter");
    let text = format!("echo x >>{counter}; wc -l <{counter}");
    let retried = with(command(&text), json!({ "retry_count": 5, "retry_delay": "20ms" }));
    let spec = Spec { resources: vec![retried] };
    let looked = AtomicUsize::new(0);
    let satisfied = |_: &Resource, _: &probe::Answers| looked.fetch_add(1, Ordering::Relaxed) == 2;
    probe::probe_until(&machine, &spec, &satisfied, &CancellationToken::new()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "x\nx\nx\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_probe_at_once() {
    let machine = Machine::new();
    let cancel = CancellationToken::new();
    let spec = Spec { resources: vec![command("sleep 60")] };
    let started = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    };
    let (result, ()) = tokio::join!(probe::probe(&machine, &spec, &cancel), stop);
    assert!(matches!(result, Err(GuestError::Cancelled)), "{result:?}");
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_up_by_the_machine() {
    let machine = Machine::new();
    let dns = |id| resource(Kind::Dns, id, &["resolvable", "addrs"]);
    let found = machine.find(vec![dns("localhost"), dns("192.0.2.7"), dns("$(id)"), dns("-s x")]).await;
    assert!(found.value("localhost", "addrs").as_array().unwrap().contains(&json!("127.0.0.1")));
    assert_eq!(found.value("192.0.2.7", "addrs"), json!(["192.0.2.7"]));
    assert_eq!(found.value("$(id)", "resolvable"), false);
    assert_eq!(found.value("-s x", "addrs"), json!([]));
}
