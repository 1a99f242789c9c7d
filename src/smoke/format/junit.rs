//! goss's JUnit: a test case for each property.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Run, human};
use crate::smoke::verdict::Outcome;

pub(super) fn render(run: &Run, now: DateTime<Utc>) -> String {
    let counts = &run.counts;
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"goss\" errors=\"0\" tests=\"{}\" failures=\"{}\" \
         skipped=\"{}\" time=\"{:.3}\" timestamp=\"{}\">\n",
        counts.total,
        counts.failed,
        counts.skipped,
        counts.took.as_secs_f64(),
        now.to_rfc3339_opts(SecondsFormat::Secs, true)
    );
    for result in &run.results {
        let (kind, id, property) = (result.kind.type_name(), escaped(&result.id), &result.property);
        let took = result.took.as_secs_f64();
        text.push_str(&format!("<testcase name=\"{kind} {id} {property}\" time=\"{took:.3}\">\n"));
        let line = escaped(&human::line(result, true, run.options.exclude_raw));
        match result.outcome {
            Outcome::Failure => {
                text.push_str(&format!("<system-err>{line}</system-err>\n<failure>{line}</failure>\n"));
            }
            Outcome::Skipped => text.push_str(&format!("<skipped/><system-out>{line}</system-out>\n")),
            Outcome::Success => text.push_str(&format!("<system-out>{line}</system-out>\n")),
        }
        text.push_str("</testcase>\n");
    }
    text.push_str("</testsuite>\n");
    text
}

/// Go's `xml.EscapeText`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' => escaped.push_str("&#x9;"),
            '\n' => escaped.push_str("&#xA;"),
            '\r' => escaped.push_str("&#xD;"),
            // XML has no way to write these.
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}
