//! What is there: the answers of a machine to what a [`Spec`](super::spec::Spec) asks.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// What one property of one resource is.
#[derive(Clone, Debug, PartialEq)]
pub enum Actual {
    Value(Value),
    /// Text that goss reads as a stream of lines: `file.contents`, `command.stdout`, `http.body`, `http.headers`. A list that
    /// is expected of it means patterns.
    Reader(String),
}

/// An answer, and when and for how long it was looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The error is goss's `err`: why it could not be known.
    pub actual: Result<Actual, String>,
    pub started: DateTime<Utc>,
    pub took: Duration,
}

/// All answers, by index of the resource in the spec and property. A property that a gate makes pointless may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    pub found: BTreeMap<(usize, &'static str), Found>,
}
