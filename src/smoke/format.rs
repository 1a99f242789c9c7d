//! Results as goss prints them (goss `outputs/`).
//!
//! Text that came from the guest is in here as it is: whoever writes it to a terminal or a log passes it through
//! `report::text` first.

mod data;
mod diff;
mod human;
mod junit;
mod prometheus;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::verdict::{Outcome, TestResult};

/// The form of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Rspecish,
    Documentation,
    Json,
    Junit,
    Nagios,
    Prometheus,
    Tap,
    Silent,
    Structured,
}

/// goss's `--format-options`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// By type and id.
    pub sort: bool,
    /// JSON on several lines.
    pub pretty: bool,
    /// Nagios's performance data.
    pub perfdata: bool,
    /// Nagios: each failure; Prometheus: each resource.
    pub verbose: bool,
    /// Without the value from before the transforms.
    pub exclude_raw: bool,
    /// With ANSI colours, where the form has them.
    pub colour: bool,
}

/// What is printed, and the exit status that goss ends with after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub text: String,
    pub status: u8,
}

/// Renders results. `now` is the time at which JUnit says that it was written.
#[must_use]
pub fn render(results: &[TestResult], format: Format, options: Options, now: DateTime<Utc>) -> Output {
    let mut results: Vec<&TestResult> = results.iter().collect();
    // Nagios and Prometheus count only, but a verbose list is better in order.
    if options.sort {
        results.sort_by_cached_key(|result| format!("{}:{}", result.kind.type_name(), result.id));
    }
    let run = Run { counts: Counts::of(&results), results, options };
    let failed = u8::from(run.counts.failed > 0);
    let (text, status) = match format {
        Format::Rspecish => (human::rspecish(&run), failed),
        Format::Documentation => (human::documentation(&run), failed),
        Format::Tap => (human::tap(&run), failed),
        Format::Nagios => (human::nagios(&run), failed * 2),
        Format::Json => (data::json(&run), failed),
        // goss answers 0 whatever the results are: who reads these reads the counts.
        Format::Structured => (data::structured(&run), 0),
        Format::Prometheus => (prometheus::render(&run), 0),
        Format::Junit => (junit::render(&run, now), failed),
        Format::Silent => (String::new(), failed),
    };
    Output { text, status }
}

/// Why an assertion does not hold, in goss's words and in one line: `Expected false to equal true`. Empty for one that does.
#[must_use]
pub fn reason(result: &TestResult) -> String {
    human::reason(result)
}

/// All results of a run.
struct Run<'a> {
    results: Vec<&'a TestResult>,
    counts: Counts,
    options: Options,
}

impl<'a> Run<'a> {
    /// Results of one resource each.
    fn groups(&self) -> impl Iterator<Item = &[&'a TestResult]> {
        self.results.chunk_by(|left, right| left.kind == right.kind && left.id == right.id)
    }
}

struct Counts {
    total: usize,
    failed: usize,
    skipped: usize,
    /// From the start of the first test to the end of the last.
    took: Duration,
}

impl Counts {
    fn of(results: &[&TestResult]) -> Self {
        let count = |outcome| results.iter().filter(|result| result.outcome == outcome).count();
        let start = results.iter().map(|result| result.started).min();
        let end = results.iter().map(|result| ended(result)).max();
        let took = start.zip(end).and_then(|(start, end)| (end - start).to_std().ok()).unwrap_or_default();
        Self { total: results.len(), failed: count(Outcome::Failure), skipped: count(Outcome::Skipped), took }
    }

    /// `Count: 3, Failed: 1, Skipped: 0`.
    fn line(&self) -> String {
        format!("Count: {}, Failed: {}, Skipped: {}", self.total, self.failed, self.skipped)
    }
}

fn ended(result: &TestResult) -> DateTime<Utc> {
    let took = chrono::Duration::from_std(result.took).unwrap_or_default();
    result.started.checked_add_signed(took).unwrap_or(result.started)
}

/// Seconds with three digits, as in `0.002s`.
fn seconds(duration: Duration) -> String {
    format!("{:.3}s", duration.as_secs_f64())
}
