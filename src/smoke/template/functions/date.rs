//! Dates: of Sprig's `date.go` what formats a moment, always in UTC.

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::super::limits::Text;
use super::super::value::Value;
use super::{Answer, Call, Fault, Function, function, text, text_at};

pub(super) const FUNCTIONS: &[Function] = &[
    function("now", 0, 0, |call, _| Ok(Value::Time(call.host.now()))),
    function("date", 2, 2, date),
    function("unixEpoch", 1, 1, |_, arguments| match &arguments[0] {
        Value::Time(time) => text(&time.timestamp().to_string()),
        other => Err(super::wrong(0, "time.Time", other)),
    }),
];

/// `date LAYOUT TIME`, where a number is seconds since 1970.
fn date(call: &Call, arguments: &[Value]) -> Answer {
    let time = match &arguments[1] {
        Value::Time(time) => *time,
        Value::Int(seconds) => DateTime::from_timestamp(*seconds, 0).ok_or_else(|| Fault::from("no such date"))?,
        _ => call.host.now(),
    };
    text(&layout(text_at(arguments, 0)?, time)?)
}

type Part = (&'static str, fn(DateTime<Utc>) -> String);

/// What Go's layouts write, of equal beginnings the longest first.
const PARTS: &[Part] = &[
    ("January", |time| time.format("%B").to_string()),
    ("Jan", |time| time.format("%b").to_string()),
    ("Monday", |time| time.format("%A").to_string()),
    ("Mon", |time| time.format("%a").to_string()),
    ("MST", |_| "UTC".to_owned()),
    ("2006", |time| format!("{:04}", time.year())),
    ("01", |time| format!("{:02}", time.month())),
    ("02", |time| format!("{:02}", time.day())),
    ("03", |time| format!("{:02}", time.hour12().1)),
    ("04", |time| format!("{:02}", time.minute())),
    ("05", |time| format!("{:02}", time.second())),
    ("06", |time| format!("{:02}", time.year().rem_euclid(100))),
    ("002", |time| format!("{:03}", time.ordinal())),
    (".000000000", |time| format!(".{:09}", time.nanosecond())),
    (".000000", |time| format!(".{:06}", time.nanosecond() / 1000)),
    (".000", |time| format!(".{:03}", time.nanosecond() / 1_000_000)),
    ("-0700", |_| "+0000".to_owned()),
    ("-07:00", |_| "+00:00".to_owned()),
    ("-07", |_| "+00".to_owned()),
    ("Z0700", |_| "Z".to_owned()),
    ("Z07:00", |_| "Z".to_owned()),
    ("15", |time| format!("{:02}", time.hour())),
    ("PM", |time| if time.hour12().0 { "PM" } else { "AM" }.to_owned()),
    ("pm", |time| if time.hour12().0 { "pm" } else { "am" }.to_owned()),
    ("_2", |time| format!("{:>2}", time.day())),
    ("1", |time| time.month().to_string()),
    ("2", |time| time.day().to_string()),
    ("3", |time| time.hour12().1.to_string()),
    ("4", |time| time.minute().to_string()),
    ("5", |time| time.second().to_string()),
];

/// Writes a time as the moment Monday, 2 January 2006, 15:04:05 is written in a layout.
fn layout(layout: &str, time: DateTime<Utc>) -> Result<String, String> {
    let mut written = Text::default();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        match PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            Some((part, write)) => {
                written.push(&write(time))?;
                rest = &rest[part.len()..];
            }
            None => {
                written.push(&rest[..first.len_utf8()])?;
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    Ok(written.into_string())
}
