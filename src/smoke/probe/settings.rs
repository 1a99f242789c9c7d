//! Settings of a resource, as written: times, texts and switches.

use std::time::Duration;

use serde_json::Value;

use crate::smoke::spec::Resource;

/// A number of milliseconds; `otherwise` when it is not there or zero.
pub(super) fn milliseconds(resource: &Resource, name: &str, otherwise: u64) -> Duration {
    let given = resource.settings.get(name).and_then(Value::as_u64).filter(|given| *given > 0);
    Duration::from_millis(given.unwrap_or(otherwise))
}

pub(super) fn text<'a>(resource: &'a Resource, name: &str) -> Option<&'a str> {
    resource.settings.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(super) fn switch(resource: &Resource, name: &str) -> bool {
    resource.settings.get(name).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn list<'a>(resource: &'a Resource, name: &str) -> Vec<&'a str> {
    let list = resource.settings.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// How many attempts follow the first, and after what delay each. A bare number is milliseconds, a text a duration as Go
/// writes it, or milliseconds too; none, or one that is no time, a second.
pub(super) fn retries(resource: &Resource) -> (u64, Duration) {
    let count = resource.settings.get("retry_count").and_then(Value::as_u64).unwrap_or(0);
    let delay = match resource.settings.get("retry_delay") {
        Some(Value::Number(number)) => number.as_f64().and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()),
        Some(Value::String(text)) => parse(text.trim()),
        _ => None,
    };
    (count, delay.filter(|delay| !delay.is_zero()).unwrap_or(Duration::from_secs(1)))
}

/// `1m30s`, `1.5h`, `500ms`, or a number of milliseconds.
fn parse(text: &str) -> Option<Duration> {
    if let Ok(milliseconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// A time as Go prints it: `500ms`, `1.5s`, `1m0s`, `1h0m0s`.
pub(super) fn go(time: Duration) -> String {
    let (seconds, milliseconds) = (time.as_secs(), time.subsec_millis());
    if seconds == 0 {
        return if milliseconds == 0 { "0s".to_owned() } else { format!("{milliseconds}ms") };
    }
    let fraction = format!(".{milliseconds:03}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = format!("{}{fraction}s", seconds % 60);
    match (hours, minutes) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{go, parse};

    #[test]
    fn times_are_written_as_go_does() {
        for (milliseconds, text) in
            [(0, "0s"), (500, "500ms"), (1500, "1.5s"), (10_000, "10s"), (60_000, "1m0s"), (3_661_050, "1h1m1.05s")]
        {
            assert_eq!(go(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn times_are_read_as_go_does() {
        for (text, milliseconds) in [("250", 250), ("500ms", 500), ("2s", 2000), ("1m30s", 90_000), ("1.5s", 1500)] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["s", "1x", "-1", "é", "1s2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
