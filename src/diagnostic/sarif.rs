//! Diagnostics as SARIF 2.1.0 (OASIS), which code scanning services read.

use serde_json::{Value, json};

use super::rules::{self, Rule};
use super::{Diagnostic, DiagnosticV1, PathOf, PlaceV1};
use crate::source::{Place, Sources};

/// The log, in the order given.
#[must_use]
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources, path_of: PathOf<'_>) -> String {
    let rules: Vec<Rule> = rules::all().collect();
    let results: Vec<Value> =
        diagnostics.iter().map(|diagnostic| result(diagnostic, &rules, sources, path_of)).collect();
    let driver = json!({
        "name": "Ovenbird",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules.iter().map(descriptor).collect::<Vec<_>>(),
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    });
    format!("{log:#}\n")
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.title() },
        "fullDescription": { "text": rule.summary },
        "help": { "text": rule.text, "markdown": rule.text },
    })
}

fn result(diagnostic: &Diagnostic, rules: &[Rule], sources: &Sources, path_of: PathOf<'_>) -> Value {
    let shown = DiagnosticV1::of(diagnostic, sources, path_of);
    // A result without a place is not shown: what is about a flag stands at the definition's beginning.
    let start = || PlaceV1::of(&Place::Bytes(sources.main().id(), 0..0), "", sources, path_of);
    let place = shown.place.clone().unwrap_or_else(start);
    let mut result = json!({
        "ruleId": shown.rule,
        "level": shown.severity.as_str(),
        "message": { "text": message(&shown) },
        "locations": [location(&place)],
    });
    if let Some(index) = rules.iter().position(|rule| rule.name == shown.rule) {
        result["ruleIndex"] = json!(index);
    }
    if !shown.related.is_empty() {
        result["relatedLocations"] = shown.related.iter().enumerate().map(related).collect();
    }
    result
}

fn message(diagnostic: &DiagnosticV1) -> String {
    let lines = std::iter::once(&diagnostic.message).chain(&diagnostic.help).chain(&diagnostic.note);
    lines.map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn location(place: &PlaceV1) -> Value {
    let region = json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    });
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&place.file) }, "region": region } })
}

fn related((index, place): (usize, &PlaceV1)) -> Value {
    let mut location = location(place);
    location["id"] = json!(index);
    if !place.text.is_empty() {
        location["message"] = json!({ "text": place.text });
    }
    location
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::diagnostic::Label;
    use crate::source::{Route, Source};

    #[test]
    fn a_result_has_its_rule_its_place_and_what_explains_it() {
        let (sources, _) = Sources::parse("my images/ovenbird.yml", "steps: 1\n");
        let key = Place::Key(Route::root().key("steps"));
        let diagnostics = [
            Diagnostic::error("unknown-key", "wrong")
                .at(key.clone())
                .label(Label::new(key).text("first here"))
                .help("write it right"),
            Diagnostic::warning("unknown-variable", "a flag"),
        ];
        let log = sarif(&diagnostics, &sources, &|source: &Source| source.name().to_owned());
        let log: Value = serde_json::from_str(&log).unwrap_or_default();
        assert_snapshot!(format!("{:#}", log["runs"][0]["results"]), @r#"
        [
          {
            "ruleId": "unknown-key",
            "level": "error",
            "message": {
              "text": "wrong\nwrite it right"
            },
            "locations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "my%20images/ovenbird.yml"
                  },
                  "region": {
                    "startLine": 1,
                    "startColumn": 1,
                    "endLine": 1,
                    "endColumn": 6
                  }
                }
              }
            ],
            "ruleIndex": 4,
            "relatedLocations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "my%20images/ovenbird.yml"
                  },
                  "region": {
                    "startLine": 1,
                    "startColumn": 1,
                    "endLine": 1,
                    "endColumn": 6
                  }
                },
                "id": 0,
                "message": {
                  "text": "first here"
                }
              }
            ]
          },
          {
            "ruleId": "unknown-variable",
            "level": "warning",
            "message": {
              "text": "a flag"
            },
            "locations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "my%20images/ovenbird.yml"
                  },
                  "region": {
                    "startLine": 1,
                    "startColumn": 1,
                    "endLine": 1,
                    "endColumn": 1
                  }
                }
              }
            ],
            "ruleIndex": 19
          }
        ]
        "#);
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rule = rules.iter().find(|rule| rule["id"] == "unknown-key").cloned().unwrap_or_default();
        assert_snapshot!(rule["shortDescription"]["text"], @r#""A key that the language does not have""#);
    }
}
