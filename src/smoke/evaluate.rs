//! What is expected, compared with what was found (goss `resource/validate.go`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::finding::{Actual, Findings, Found};
use super::golang;
use super::matcher::Matcher;
use super::probe::Answers;
use super::spec::{Assertion, Kind, Resource, Spec};
use super::verdict::{MatcherResult, Outcome, TestResult};

/// A result for each assertion, in the order of the spec. What no probe looked for is an error of its assertion, but
/// that `matching` needs none. `now` stamps the results that took no time.
#[must_use]
pub fn evaluate(spec: &Spec, findings: &Findings, now: DateTime<Utc>) -> Vec<TestResult> {
    let resources = spec.resources.iter().enumerate();
    resources.flat_map(|(index, resource)| Evaluation { resource, index, findings, now }.results()).collect()
}

/// Whether all assertions of a resource hold: what its `retry_count` waits for.
#[must_use]
pub fn is_satisfied(resource: &Resource, answers: &Answers) -> bool {
    let found = answers.iter().map(|(property, found)| ((0, *property), found.clone())).collect();
    let spec = Spec { resources: vec![resource.clone()] };
    evaluate(&spec, &Findings { found }, Utc::now()).iter().all(|result| result.outcome != Outcome::Failure)
}

struct Evaluation<'a> {
    resource: &'a Resource,
    index: usize,
    findings: &'a Findings,
    now: DateTime<Utc>,
}

impl Evaluation<'_> {
    fn results(&self) -> Vec<TestResult> {
        let mut skip = self.resource.skip;
        let mut results = Vec::new();
        for (position, assertion) in self.resource.assertions.iter().enumerate() {
            let result = if skip { self.skipped(assertion) } else { self.tested(assertion) };
            // What is not there has no other properties.
            skip |= position == 0 && self.resource.kind.has_gate() && closes(&result);
            results.push(result);
        }
        results
    }

    fn skipped(&self, assertion: &Assertion) -> TestResult {
        self.result(assertion, Outcome::Skipped, self.now, Duration::ZERO)
    }

    fn tested(&self, assertion: &Assertion) -> TestResult {
        let found = self.found(assertion.property);
        let mut result = self.result(assertion, Outcome::Failure, found.started, found.took);
        match found.actual {
            Ok(actual) => compare(assertion, actual, &mut result),
            Err(error) => result.error = Some(error),
        }
        result
    }

    fn found(&self, property: &'static str) -> Found {
        let known = |property| self.findings.found.get(&(self.index, property)).cloned();
        let unknown = |actual| Found { actual, started: self.now, took: Duration::ZERO };
        match (self.resource.kind, property) {
            (Kind::Matching, _) => Some(unknown(Ok(content(self.resource)))),
            // The deprecated name of the same text.
            (Kind::File, "contains") => known("contains").or_else(|| known("contents")),
            _ => known(property),
        }
        .unwrap_or_else(|| unknown(Err("it was not looked for".to_owned())))
    }

    fn result(&self, assertion: &Assertion, outcome: Outcome, started: DateTime<Utc>, took: Duration) -> TestResult {
        TestResult {
            kind: self.resource.kind,
            id: self.resource.shown_id(),
            property: assertion.property.to_owned(),
            title: self.resource.title.clone(),
            meta: self.resource.meta.clone(),
            outcome,
            matched: None,
            error: None,
            started,
            took,
            place: assertion.place.clone(),
        }
    }
}

/// Whether the rest of a resource is pointless after the result of its gate.
fn closes(gate: &TestResult) -> bool {
    let is_false = gate.matched.as_ref().is_some_and(|matched| matched.actual == Value::Bool(false));
    gate.error.is_some() || gate.outcome != Outcome::Success || is_false
}

/// The value that a `matching` brings along.
fn content(resource: &Resource) -> Actual {
    let content = resource.settings.get("content").cloned().unwrap_or_default();
    if resource.settings.get("as-reader") == Some(&Value::Bool(true)) {
        return Actual::Reader(golang::plain(&content));
    }
    Actual::Value(content)
}

/// Compares, and notes in a result what came of it.
fn compare(assertion: &Assertion, actual: Actual, result: &mut TestResult) {
    let expected = &assertion.expected;
    let (matcher, actual) = match actual {
        // Of a stream of lines, a list means patterns.
        Actual::Reader(text) if expected.is_array() => (Matcher::patterns(expected), Value::String(text)),
        Actual::Reader(text) => (Matcher::compile(expected), Value::String(text)),
        Actual::Value(value) => (Matcher::compile(expected), value),
    };
    let matcher = match matcher {
        Ok(matcher) => matcher,
        Err(error) => {
            result.error = Some(error.message);
            return;
        }
    };
    match matcher.test(&actual) {
        Ok(true) => {
            let message = "matches expectation".to_owned();
            let expected = expected.clone();
            result.outcome = Outcome::Success;
            result.matched = Some(MatcherResult { actual, message, expected, ..MatcherResult::default() });
        }
        Ok(false) => result.matched = Some(matcher.failure(&actual, false)),
        Err(error) => {
            result.error = Some(error);
            result.matched = Some(matcher.failure(&actual, false));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;
    use crate::smoke::spec;

    /// Outcomes of the one resource of a file, by property, as goss's numbers; and its errors.
    fn outcomes(text: &str, found: &[(&'static str, Result<Value, &str>)]) -> Vec<(String, i32, Option<String>)> {
        let (file, sources, diagnostics) = spec::parse("goss.yaml", text);
        assert!(!crate::diagnostic::has_errors(&diagnostics), "{diagnostics:?} {}", sources.main().text());
        let now = DateTime::UNIX_EPOCH;
        let mut findings = Findings::default();
        for (property, actual) in found {
            let actual = actual.clone().map(Actual::Value).map_err(str::to_owned);
            findings.found.insert((0, property), Found { actual, started: now, took: Duration::ZERO });
        }
        let results = evaluate(&Spec::new(file.resources), &findings, now);
        results.into_iter().map(|result| (result.property, result.outcome as i32, result.error)).collect()
    }

    const FILE: &str = "file: { /etc/x: { exists: true, mode: '0644', owner: root } }";

    #[test]
    fn each_property_gets_a_result() {
        let found = [("exists", Ok(json!(true))), ("mode", Ok(json!("0600"))), ("owner", Ok(json!("root")))];
        let expected = [("exists", 0), ("mode", 1), ("owner", 0)];
        assert_eq!(outcomes(FILE, &found), expected.map(|(property, outcome)| (property.to_owned(), outcome, None)));
    }

    #[test]
    fn a_gate_that_fails_or_is_false_or_unknown_skips_the_rest() {
        let failed = outcomes(FILE, &[("exists", Ok(json!(false)))]);
        assert_eq!(failed.iter().map(|result| result.1).collect::<Vec<_>>(), [1, 2, 2]);
        let absent = FILE.replace("exists: true", "exists: false");
        let absent = outcomes(&absent, &[("exists", Ok(json!(false)))]);
        assert_eq!(absent.iter().map(|result| result.1).collect::<Vec<_>>(), [0, 2, 2]);
        let unknown = outcomes(FILE, &[("exists", Err("permission denied"))]);
        assert_eq!(unknown.iter().map(|result| result.1).collect::<Vec<_>>(), [1, 2, 2]);
        assert_eq!(unknown.first().unwrap().2.as_deref(), Some("permission denied"));
    }

    #[test]
    fn a_resource_without_a_gate_tests_everything() {
        let text = "service: { ssh: { enabled: true, running: true } }";
        let results = outcomes(text, &[("enabled", Ok(json!(false))), ("running", Ok(json!(true)))]);
        assert_eq!(results.iter().map(|result| result.1).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn skip_skips_all_of_a_resource() {
        let results = outcomes("user: { root: { exists: true, uid: 0, skip: true } }", &[]);
        assert_eq!(results.iter().map(|result| result.1).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn what_was_not_looked_for_is_an_error_and_a_required_attribute_too() {
        let results = outcomes("process: { sshd: { running: true } }", &[]);
        assert_eq!(results, [("running".to_owned(), 1, Some("it was not looked for".to_owned()))]);
        let results = outcomes("process: { sshd: {} }", &[("running", Ok(json!(true)))]);
        assert_eq!(results.first().unwrap().2.as_deref(), Some("Syntax Error: Missing required attribute"));
    }

    #[test]
    fn contains_is_the_same_text_as_contents() {
        let text = "file: { /x: { exists: true, contains: ['b'] } }";
        let (file, ..) = spec::parse("goss.yaml", text);
        let mut findings = Findings::default();
        let now = DateTime::UNIX_EPOCH;
        let mut put = |property, actual| {
            findings.found.insert((0, property), Found { actual: Ok(actual), started: now, took: Duration::ZERO });
        };
        put("exists", Actual::Value(json!(true)));
        put("contents", Actual::Reader("a\nb\n".to_owned()));
        let results = evaluate(&Spec::new(file.resources), &findings, now);
        assert!(results.iter().all(|result| result.outcome == Outcome::Success), "{results:?}");
    }
}
