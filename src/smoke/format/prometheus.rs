//! Prometheus's text format: how many results of each outcome, and how long they took.

use std::collections::BTreeMap;

use super::Run;
use crate::smoke::verdict::{Outcome, TestResult};

pub(super) fn render(run: &Run) -> String {
    let mut counts: BTreeMap<String, u128> = BTreeMap::new();
    let mut durations: BTreeMap<String, u128> = BTreeMap::new();
    for result in &run.results {
        let labels = labels(result, run.options.verbose);
        *counts.entry(labels.clone()).or_default() += 1;
        *durations.entry(labels).or_default() += result.took.as_millis();
    }
    let overall = format!("outcome=\"{}\"", overall(run));
    let took = run.counts.took.as_millis();
    // In the order of their names, as Prometheus's own library writes them.
    [
        family(
            "outcomes_duration_milliseconds",
            "The duration of tests from this run. Note; tests run concurrently.",
            &durations,
        ),
        family("outcomes_total", "The number of test-outcomes from this run.", &counts),
        family(
            "run_duration_milliseconds",
            "The end-to-end duration of this run.",
            &BTreeMap::from([(overall.clone(), took)]),
        ),
        family("run_outcomes_total", "The outcomes of this run as a whole.", &BTreeMap::from([(overall, 1)])),
    ]
    .concat()
}

fn family(name: &str, help: &str, samples: &BTreeMap<String, u128>) -> String {
    let name = format!("goss_tests_{name}");
    if samples.is_empty() {
        return String::new();
    }
    let mut text = format!("# HELP {name} {help}\n# TYPE {name} counter\n");
    samples.iter().for_each(|(labels, value)| text.push_str(&format!("{name}{{{labels}}} {value}\n")));
    text
}

fn labels(result: &TestResult, verbose: bool) -> String {
    let outcome = outcome(result.outcome);
    let kind = result.kind.type_name().to_lowercase();
    if !verbose {
        return format!("outcome=\"{outcome}\",type=\"{kind}\"");
    }
    let id = result.id.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    format!("outcome=\"{outcome}\",resource_id=\"{id}\",type=\"{kind}\"")
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "pass",
        Outcome::Failure => "fail",
        Outcome::Skipped => "skip",
    }
}

fn overall(run: &Run) -> &'static str {
    match (run.counts.total, run.counts.failed) {
        (0, _) => "unknown",
        (total, 0) if total == run.counts.skipped => "skip",
        (_, 0) => "pass",
        _ => "fail",
    }
}
