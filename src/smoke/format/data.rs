//! The forms for programs that read JSON: `json` and `structured`.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{Run, ended, human, seconds};
use crate::smoke::golang;
use crate::smoke::verdict::{MatcherResult, Outcome, TestResult};

pub(super) fn json(run: &Run) -> String {
    let results: Vec<Value> = run.results.iter().map(|result| result_value(result, run.options.exclude_raw)).collect();
    let counts = &run.counts;
    let document = json!({
        "results": results,
        "summary": {
            "test-count": counts.total,
            "failed-count": counts.failed,
            "skipped-count": counts.skipped,
            "total-duration": nanoseconds(counts.took),
            "summary-line": format!("{}, Duration: {}", counts.line(), seconds(counts.took)),
        },
    });
    written(&golang::with_sorted_keys(document), run.options.pretty, b"    ")
}

pub(super) fn structured(run: &Run) -> String {
    let results: Vec<Value> = run.results.iter().map(|result| result_value(result, run.options.exclude_raw)).collect();
    let counts = &run.counts;
    let line = format!("Count: {}, Failed: {}, Duration: {}", counts.total, counts.failed, seconds(counts.took));
    let document = json!({
        "results": results,
        "summary": {
            "test-count": counts.total,
            "failed-count": counts.failed,
            "total-duration": nanoseconds(counts.took),
        },
        "summary-line": line,
    });
    written(&document, run.options.pretty, b"  ")
}

/// One result, its keys in the order of goss's type.
fn result_value(result: &TestResult, exclude_raw: bool) -> Value {
    let meta = if result.meta.is_empty() { Value::Null } else { result.meta.clone().into() };
    json!({
        // goss itself leaves it false in `structured`.
        "successful": result.outcome != Outcome::Failure,
        "skipped": result.outcome == Outcome::Skipped,
        "resource-id": result.id,
        "resource-type": result.kind.type_name(),
        "property": result.property,
        "title": result.title.clone().unwrap_or_default(),
        "meta": golang::with_sorted_keys(meta),
        "result": result.outcome as u8,
        "err": result.error,
        "matcher-result": matcher_value(&result.matched.clone().unwrap_or_default()),
        "start-time": result.started.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "end-time": ended(result).to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "duration": nanoseconds(result.took),
        "summary-line": human::line(result, false, exclude_raw),
        "summary-line-compact": human::line(result, true, exclude_raw),
    })
}

fn matcher_value(matched: &MatcherResult) -> Value {
    // Go's lists are null until something is in them.
    let list = |items: &[Value]| if items.is_empty() { Value::Null } else { items.to_vec().into() };
    let chain: Vec<Value> =
        matched.transform_chain.iter().filter_map(|transform| serde_json::from_str(transform).ok()).collect();
    let value = golang::with_inner_sorted(json!({
        "actual": matched.actual,
        "message": matched.message,
        "expected": matched.expected,
        "missing-elements": list(&matched.missing_elements),
        "found-elements": matched.found_elements,
        "extra-elements": list(&matched.extra_elements),
        "transform-chain": list(&chain),
        "untransformed-value": matched.untransformed,
    }));
    with_whole_numbers(value)
}

/// Go writes a float without a fraction as a whole number.
fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = golang::json(&Value::Number(number.clone()), false);
            text.parse::<i64>().map_or(Value::Number(number), Value::from)
        }
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_whole_numbers(value))).collect(),
        other => other,
    }
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// JSON with Go's escapes, and a line end.
fn written(value: &Value, pretty: bool, indent: &[u8]) -> String {
    let text = if pretty { pretty_json(value, indent) } else { serde_json::to_string(value).unwrap_or_default() };
    let mut escaped = String::with_capacity(text.len() + 1);
    for char in text.chars() {
        match char {
            // They stand only in texts, where an escape means the same.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => escaped.push(char),
        }
    }
    escaped.push('\n');
    escaped
}

fn pretty_json(value: &Value, indent: &[u8]) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Writing a value into memory can't fail.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    String::from_utf8(bytes).unwrap_or_default()
}
