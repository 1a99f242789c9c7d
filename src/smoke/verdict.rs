//! What came of an assertion. The same value becomes goss's formats, events, and test results in reports.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::spec::Kind;
use crate::event::Place;

/// The result of one assertion.
#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    pub kind: Kind,
    /// The resource's id; `key: real` where an attribute names another object than the key.
    pub id: String,
    pub property: String,
    pub title: Option<String>,
    pub meta: Map<String, Value>,
    pub outcome: Outcome,
    /// What the matcher says.
    pub matched: Option<MatcherResult>,
    /// Why the property could not be known.
    pub error: Option<String>,
    pub started: DateTime<Utc>,
    pub took: Duration,
    /// The line of the goss file.
    pub place: Place,
}

/// How an assertion ended. The numbers are those of goss's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success = 0,
    Failure = 1,
    Skipped = 2,
}

/// What a matcher compared, and its words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatcherResult {
    pub actual: Value,
    pub message: String,
    pub expected: Value,
    /// Whether `expected` and `missing_elements` are matchers, in which Go escapes `<`, `>` and `&`.
    pub of_matchers: bool,
    pub missing_elements: Vec<Value>,
    /// None where the matcher does not say; JSON tells that from an empty list.
    pub found_elements: Option<Vec<Value>>,
    pub extra_elements: Vec<Value>,
    /// The transforms that changed the value, each as JSON: its name, with its arguments.
    pub transform_chain: Vec<String>,
    /// The value before the transforms, when there were any.
    pub untransformed: Option<Value>,
}
