//! Diagnostics as a document for programs of other people: `ovenbird validate --format json`.

use serde::Serialize;

use super::{Diagnostic, PathOf, Severity, has_errors, range};
use crate::source::{Place, Sources};

/// The version of [`ReportV1`].
const VERSION: u32 = 1;

/// What is wrong with a definition. A later version may have more fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReportV1 {
    pub version: u32,
    /// Whether it can be built: there may be warnings.
    pub valid: bool,
    /// In the order of the files.
    pub diagnostics: Vec<DiagnosticV1>,
}

/// One diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiagnosticV1 {
    pub rule: &'static str,
    pub severity: Severity,
    pub message: String,
    /// None: it is not about a file, but about a flag or a file of variables.
    pub place: Option<PlaceV1>,
    /// Other places that explain it.
    pub related: Vec<PlaceV1>,
    pub help: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A part of one line of a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlaceV1 {
    /// From the root of the repository where the file is in one.
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    /// The column after the last marked character.
    pub end_column: u32,
    /// Where in the document, as in `steps[1].run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What stands under the mark; empty: the mark alone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl PlaceV1 {
    pub(super) fn of(place: &Place, text: &str, sources: &Sources, path_of: PathOf<'_>) -> Self {
        let (source, range) = range(place, sources);
        let (start, end) = (source.position(range.start), source.position(range.end));
        Self {
            file: path_of(source),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            route: place.route().map(ToString::to_string),
            text: text.to_owned(),
        }
    }
}

impl DiagnosticV1 {
    pub(super) fn of(diagnostic: &Diagnostic, sources: &Sources, path_of: PathOf<'_>) -> Self {
        let mut places = diagnostic.labels.iter().map(|label| PlaceV1::of(&label.place, &label.text, sources, path_of));
        Self {
            rule: diagnostic.rule,
            severity: diagnostic.severity,
            message: diagnostic.message.clone(),
            place: places.next(),
            related: places.collect(),
            help: diagnostic.help.clone(),
            note: diagnostic.note.clone(),
        }
    }
}

/// The document, in the order given.
///
/// # Errors
/// None that is known: the types have nothing that JSON has not.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources, path_of: PathOf<'_>) -> serde_json::Result<String> {
    let of = |diagnostic: &Diagnostic| DiagnosticV1::of(diagnostic, sources, path_of);
    let diagnostics_v1 = diagnostics.iter().map(of).collect();
    let report = ReportV1 { version: VERSION, valid: !has_errors(diagnostics), diagnostics: diagnostics_v1 };
    serde_json::to_string_pretty(&report).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::diagnostic::Label;
    use crate::source::{Route, Source};

    #[test]
    fn other_programs_read_places_as_numbers() {
        let (sources, _) = Sources::parse("ovenbird.yml", "steps:\n  - run: é ${{ x }}\n");
        let run = Route::root().key("steps").index(0).key("run");
        let diagnostics = [
            Diagnostic::error("x", "wrong")
                .at(Place::Inside(run, 7..8))
                .label(Label::new(Place::Key(Route::root().key("steps"))).text("one of these"))
                .help("write it right"),
            Diagnostic::warning("y", "a flag"),
        ];
        let path_of = |source: &Source| format!("images/{}", source.name());
        assert_snapshot!(json(&diagnostics, &sources, &path_of).unwrap_or_default(), @r#"
        {
          "version": 1,
          "valid": false,
          "diagnostics": [
            {
              "rule": "x",
              "severity": "error",
              "message": "wrong",
              "place": {
                "file": "images/ovenbird.yml",
                "line": 2,
                "column": 16,
                "end-line": 2,
                "end-column": 17,
                "route": "steps[0].run"
              },
              "related": [
                {
                  "file": "images/ovenbird.yml",
                  "line": 1,
                  "column": 1,
                  "end-line": 1,
                  "end-column": 6,
                  "route": "steps",
                  "text": "one of these"
                }
              ],
              "help": [
                "write it right"
              ]
            },
            {
              "rule": "y",
              "severity": "warning",
              "message": "a flag",
              "place": null,
              "related": [],
              "help": []
            }
          ]
        }
        "#);
    }
}
