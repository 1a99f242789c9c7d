//! What is wrong with a matcher, and where in it.

use serde_json::Value;

use super::golang;
use crate::source::Segment;

/// A matcher that can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syntax {
    /// In goss's words where it has some.
    pub message: String,
    /// The way from the expected value to the mistake.
    pub path: Vec<Segment>,
    /// The name that no matcher has.
    pub unknown: Option<String>,
}

impl Syntax {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: Vec::new(), unknown: None }
    }

    pub(super) fn unknown(name: &str) -> Self {
        Self { unknown: Some(name.to_owned()), ..Self::new(format!("Syntax Error: Unknown matcher: {name}")) }
    }

    pub(super) fn argument(name: &str, expected: &str, value: &Value) -> Self {
        Self::new(format!(
            "Syntax Error: Invalid '{name}' argument. Expected {expected} value, but received: {}: {}",
            golang::type_name(value),
            golang::quoted(value)
        ))
    }

    pub(super) fn regexp(pattern: &str, error: &regex::Error) -> Self {
        // The library draws the pattern with a caret below; its last line says what is wrong.
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Self::new(format!("no regular expression: `{pattern}`: {reason}"))
    }

    /// The same, in the value of a key.
    #[must_use]
    pub(super) fn inside(self, key: &str) -> Self {
        self.at(Segment::Key(key.to_owned()))
    }

    #[must_use]
    pub(super) fn at(mut self, segment: Segment) -> Self {
        self.path.insert(0, segment);
        self
    }
}
