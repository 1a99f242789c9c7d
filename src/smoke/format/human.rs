//! The forms for people, and those made of their lines: rspecish, documentation, TAP, Nagios.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Run, diff, seconds};
use crate::smoke::golang;
use crate::smoke::verdict::{MatcherResult, Outcome, TestResult};

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";

pub(super) fn rspecish(run: &Run) -> String {
    let mut text = String::new();
    for result in &run.results {
        let (mark, colour) = match result.outcome {
            Outcome::Success => (".", GREEN),
            Outcome::Skipped => ("S", YELLOW),
            Outcome::Failure => ("F", RED),
        };
        text.push_str(&paint(run, mark, colour));
    }
    text.push_str("\n\n");
    failures(&mut text, run);
    summary(&mut text, run);
    text
}

pub(super) fn documentation(run: &Run) -> String {
    let mut text = String::new();
    for group in run.groups() {
        text.push_str(&header(group));
        for result in group {
            text.push_str(&coloured(run, result));
            text.push('\n');
        }
    }
    text.push_str("\n\n");
    failures(&mut text, run);
    summary(&mut text, run);
    text
}

pub(super) fn tap(run: &Run) -> String {
    let mut text = format!("1..{}\n", run.counts.total);
    for (index, result) in run.results.iter().enumerate() {
        let words = match result.outcome {
            Outcome::Success => ("ok", ""),
            Outcome::Failure => ("not ok", ""),
            Outcome::Skipped => ("ok", "# SKIP "),
        };
        let line = line(result, true, run.options.exclude_raw);
        push(&mut text, format_args!("{} {} - {}{line}\n", words.0, index + 1, words.1));
    }
    text
}

pub(super) fn nagios(run: &Run) -> String {
    let counts = &run.counts;
    let word = if counts.failed > 0 { "CRITICAL" } else { "OK" };
    let mut text = format!("GOSS {word} - {}, Duration: {}", counts.line(), seconds(counts.took));
    if run.options.perfdata {
        let took = seconds(counts.took);
        let (total, failed, skipped) = (counts.total, counts.failed, counts.skipped);
        push(&mut text, format_args!("|total={total} failed={failed} skipped={skipped} duration={took}"));
    }
    text.push('\n');
    if run.options.verbose {
        let failed = run.results.iter().filter(|result| result.outcome == Outcome::Failure);
        for (index, result) in failed.enumerate() {
            push(&mut text, format_args!("Fail {} - {}\n", index + 1, line(result, true, run.options.exclude_raw)));
        }
    }
    text
}

/// A result in one line, or in several where a failure explains itself.
pub(super) fn line(result: &TestResult, compact: bool, exclude_raw: bool) -> String {
    let name = format!("{}: {}: {}:", result.kind.type_name(), result.id, result.property);
    match result.outcome {
        Outcome::Success => {
            let matched = result.matched.clone().unwrap_or_default();
            format!("{name} {}: {}", matched.message, golang::json(&matched.expected, false))
        }
        Outcome::Skipped => format!("{name} skipped"),
        Outcome::Failure => {
            let separator = if compact { " " } else { "\n" };
            let parts = explanation(result, compact, exclude_raw);
            format!("{name}{separator}{}", parts.join(separator))
        }
    }
}

/// What [`line`] says behind the name of a failure.
pub(super) fn reason(result: &TestResult) -> String {
    match result.outcome {
        Outcome::Failure => explanation(result, true, true).join(" "),
        Outcome::Success | Outcome::Skipped => String::new(),
    }
}

fn explanation(result: &TestResult, compact: bool, exclude_raw: bool) -> Vec<String> {
    let printed = |text: String| if compact { text } else { indented(&text) };
    let matched = result.matched.clone().unwrap_or_default();
    let mut parts = Vec::new();
    match &result.error {
        Some(error) => {
            parts.push("Error".to_owned());
            parts.push(if compact { one_line(error) } else { indented(error) });
        }
        None => {
            parts.push("Expected".to_owned());
            parts.push(printed(golang::json(&matched.actual, false)));
            parts.push(matched.message.clone());
            parts.push(printed(of_matchers(&matched, &matched.expected)));
            if let (false, Value::String(actual), Value::String(expected)) =
                (compact, &matched.actual, &matched.expected)
                && let Some(diff) = diff::unified(expected, actual)
            {
                parts.push("diff".to_owned());
                parts.push(indented(&diff));
            }
        }
    }
    let mut add = |words: &str, text: String| parts.extend([words.to_owned(), printed(text)]);
    if !matched.missing_elements.is_empty() {
        add("the missing elements were", of_matchers(&matched, &Value::from(matched.missing_elements.clone())));
    }
    if !matched.extra_elements.is_empty() {
        add("the extra elements were", golang::json(&Value::from(matched.extra_elements.clone()), false));
    }
    if !matched.transform_chain.is_empty() {
        add("the transform chain was", format!("[{}]", matched.transform_chain.join(",")));
        if let (false, Some(raw)) = (exclude_raw, &matched.untransformed) {
            add("the raw value was", golang::json(raw, false));
        }
    }
    parts
}

/// A value as JSON. Matchers escape `<`, `>` and `&` in themselves, but for one that constrains versions.
fn of_matchers(matched: &MatcherResult, value: &Value) -> String {
    let escaped = |value: &Value| {
        let is_constraint = value.as_object().is_some_and(|map| map.contains_key("semver-constraint"));
        golang::json(value, !is_constraint)
    };
    match value {
        value if !matched.of_matchers => golang::json(value, false),
        Value::Array(items) => format!("[{}]", items.iter().map(escaped).collect::<Vec<_>>().join(",")),
        value => escaped(value),
    }
}

/// Runs of blanks and line ends as one blank each.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            ' ' | '\t' | '\n' | '\r' | '\u{c}' if line.ends_with(' ') => {}
            ' ' | '\t' | '\n' | '\r' | '\u{c}' => line.push(' '),
            char => line.push(char),
        }
    }
    line
}

fn indented(text: &str) -> String {
    let lines = text.trim_end_matches('\n').split('\n').map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a person wrote about a resource.
fn header(group: &[&TestResult]) -> String {
    let mut text = String::new();
    let Some(first) = group.first() else { return text };
    if let Some(title) = first.title.as_deref().filter(|title| !title.is_empty()) {
        push(&mut text, format_args!("Title: {title}\n"));
    }
    if !first.meta.is_empty() {
        text.push_str("Meta:\n");
        let mut entries: Vec<_> = first.meta.iter().collect();
        entries.sort_by_key(|(key, _)| *key);
        for (key, value) in entries {
            push(&mut text, format_args!("    {key}: {}\n", golang::plain(value)));
        }
    }
    text
}

fn failures(text: &mut String, run: &Run) {
    let noted = |result: &&&TestResult| result.outcome != Outcome::Success;
    let mut groups = run.groups().filter(|group| group.iter().any(|result| noted(&result))).peekable();
    if groups.peek().is_some() {
        text.push_str("Failures/Skipped:\n\n");
    }
    for group in groups {
        text.push_str(&header(group));
        for result in group.iter().filter(noted) {
            text.push_str(&coloured(run, result));
            text.push('\n');
        }
        text.push('\n');
    }
}

fn summary(text: &mut String, run: &Run) {
    push(text, format_args!("Total Duration: {}\n", seconds(run.counts.took)));
    let colour = if run.counts.failed > 0 { RED } else { GREEN };
    text.push_str(&paint(run, &format!("{}\n", run.counts.line()), colour));
}

fn coloured(run: &Run, result: &TestResult) -> String {
    let colour = match result.outcome {
        Outcome::Success => GREEN,
        Outcome::Failure => RED,
        Outcome::Skipped => YELLOW,
    };
    paint(run, &line(result, false, run.options.exclude_raw), colour)
}

fn paint(run: &Run, text: &str, colour: &str) -> String {
    if run.options.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn push(text: &mut String, line: std::fmt::Arguments) {
    // Writing into a string can't fail.
    let _ = text.write_fmt(line);
}
