//! The matrix, or one cell of it, from the command line: `--matrix` and `--cell`.
//!
//! Both are read as files of the definition are, so what is wrong with them is shown where it stands.

use serde_json::{Map, Value as Json};

use super::decode::Decoder;
use super::model::Strategy;
use super::strategy::Outcome;
use crate::diagnostic::{Diagnostic, Label};
use crate::expression::Value;
use crate::matrix::{self, Cell, Found, NEEDS_CONTEXTS};
use crate::source::{FileId, Place, Route, Sources};

/// What is given from outside instead of a matrix, or of one.
#[derive(Clone, Debug, Default)]
pub enum GivenMatrix {
    /// The definition's own matrix counts.
    #[default]
    None,
    /// Replaces the matrix: one as in a workflow, or a list of cells.
    Matrix(GivenText),
    /// One cell: its job alone is planned.
    Cell(GivenText),
}

/// JSON or YAML from outside.
#[derive(Clone, Debug)]
pub struct GivenText {
    /// What people should see as its name: the flag, or a file's path.
    pub name: String,
    pub text: String,
}

/// Where among the sources a given matrix or cell is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GivenFile {
    pub(super) matrix: Option<FileId>,
    pub(super) cell: Option<FileId>,
}

/// Puts what is given among the sources.
pub(super) fn add(sources: &mut Sources, given: &GivenMatrix, diagnostics: &mut Vec<Diagnostic>) -> GivenFile {
    let mut add = |given: &GivenText| {
        let (id, mut wrong) = sources.add(&given.name, &given.text);
        diagnostics.append(&mut wrong);
        Some(id)
    };
    match given {
        GivenMatrix::None => GivenFile::default(),
        GivenMatrix::Matrix(text) => GivenFile { matrix: add(text), cell: None },
        GivenMatrix::Cell(text) => GivenFile { matrix: None, cell: add(text) },
    }
}

/// The matrix that is given.
pub(super) fn matrix(decoder: &Decoder<'_>) -> Option<Outcome> {
    let file = decoder.given.matrix?;
    // One that could not be parsed was reported, and still takes the place of the definition's.
    if decoder.broken.contains(&file) {
        return Some(Err(Vec::new()));
    }
    Some(matrix::read_given(decoder.sources.get(file).value(), &Route::of(file)))
}

/// Chooses the cell that is given. Without a matrix, or with one that only the CI knows, it stands alone.
pub(super) fn cell(decoder: &mut Decoder<'_>, found: Option<Outcome>, strategy: &mut Strategy) -> Option<Outcome> {
    let Some(file) = decoder.given.cell else { return found };
    // What could not be read would have been the only job, or one of those that there are.
    let unread = |found: Option<Outcome>| found.or_else(|| Some(Err(Vec::new())));
    if decoder.broken.contains(&file) {
        return unread(found);
    }
    let (value, route) = (decoder.sources.get(file).value(), Route::of(file));
    // What a job without a matrix passes as `${{ toJSON(matrix) }}`.
    if value.is_null() && found.is_none() {
        return None;
    }
    let cell = match matrix::read_cell(value, &route) {
        Ok(cell) => cell,
        Err(errors) => {
            let help = "`null` is what `toJSON(matrix)` gives in a job without a matrix, and here is one";
            let point = |error: Diagnostic| if value.is_null() { error.help(help) } else { error };
            errors.into_iter().for_each(|error| decoder.push(point(error)));
            return unread(found);
        }
    };
    match found {
        Some(Ok(found)) => {
            strategy.cell = found.cells.iter().position(|other| same_cell(&other.values, &cell));
            if strategy.cell.is_none() {
                decoder.push(no_such_cell(&found.cells, &cell, &route));
            }
            Some(Ok(found))
        }
        Some(Err(errors)) if errors.iter().any(|error| error.rule != NEEDS_CONTEXTS) || errors.is_empty() => {
            Some(Err(errors))
        }
        Some(Err(_)) | None => {
            let values = cell.iter().map(|(key, value)| (key.clone(), value.clone(), route.key(key))).collect();
            Some(Ok(Found { cells: vec![Cell::of_originals(cell)], values }))
        }
    }
}

fn no_such_cell(cells: &[Cell], cell: &Map<String, Json>, route: &Route) -> Diagnostic {
    let near = |other: &Cell| cell.iter().map(|(key, value)| nearness(&other.values, key, value)).sum::<f64>();
    // Of several the first: cells are in the order that a person wrote them in.
    let nearest = cells.iter().rev().max_by(|left, right| near(left).total_cmp(&near(right)));
    let diagnostic = Diagnostic::error("matrix", "the matrix has no such cell");
    let Some(nearest) = nearest else { return diagnostic.at(Place::Value(route.clone())) };
    let different: Vec<_> = cell.iter().filter(|(key, value)| !has(&nearest.values, key, value)).collect();
    let mut diagnostic = different.iter().fold(diagnostic, |diagnostic, (key, _)| {
        let text = match nearest.values.iter().find(|(other, _)| same_key(other, key)) {
            Some((_, value)) => format!("{value} in the nearest cell"),
            None => "not in the nearest cell".to_owned(),
        };
        diagnostic.label(Label::new(Place::Value(route.key(key))).text(text))
    });
    if different.is_empty() {
        diagnostic = diagnostic.at(Place::Value(route.clone()));
    }
    diagnostic.help(format!("the nearest cell is `{}`", Json::Object(nearest.values.clone())))
}

/// From 0 to 1: how alike a value is to the one that is there under its key. What is equal counts most.
fn nearness(values: &Map<String, Json>, key: &str, value: &Json) -> f64 {
    match values.iter().find(|(other, _)| same_key(other, key)) {
        Some((_, there)) if same(there, value) => 1.0,
        Some((_, there)) => strsim::normalized_damerau_levenshtein(&there.to_string(), &value.to_string()) / 2.0,
        None => 0.0,
    }
}

fn same_key(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

fn has(values: &Map<String, Json>, key: &str, value: &Json) -> bool {
    values.iter().any(|(other, there)| same_key(other, key) && same(there, value))
}

fn same_cell(left: &Map<String, Json>, right: &Map<String, Json>) -> bool {
    left.len() == right.len() && right.iter().all(|(key, value)| has(left, key, value))
}

/// The same value, however its numbers are written and its keys ordered.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (left, right) => Value::from(left) == Value::from(right),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::{among, read};
    use super::*;
    use crate::matrix::job_ids;

    const MATRIX: &str =
        "strategy: { matrix: { suite: [bookworm, trixie], v: [1, 2], include: [{ v: 2, x: { a: 1 } }] } }\n";
    const DYNAMIC: &str = "strategy: { from: .github/workflows/x.yml, job: build }\nenv: { X: \"${{ matrix.x }}\" }\n";

    fn matrix(text: &str) -> GivenMatrix {
        GivenMatrix::Matrix(GivenText { name: "--matrix".to_owned(), text: text.to_owned() })
    }

    fn cell(text: &str) -> GivenMatrix {
        GivenMatrix::Cell(GivenText { name: "--cell".to_owned(), text: text.to_owned() })
    }

    /// The ids of the jobs, or what is wrong.
    fn jobs(strategy: &str, given: &GivenMatrix) -> String {
        let platforms = "platforms: { qemu: { builder: qemu, source: { debian: bookworm } } }";
        let workflow = "on: push\njobs: { build: { strategy: { matrix: \"${{ fromJSON(needs.a.outputs.b) }}\" } } }\n";
        let files = [(".github/workflows/x.yml", workflow)];
        match read("ovenbird.yml", &format!("name: web\n{strategy}{platforms}\n"), &among(&files), given).whole() {
            Ok((definition, _)) => {
                let strategy = definition.strategy;
                let Some(cells) = strategy.cells else { return "no matrix".to_owned() };
                let ids = job_ids(&cells).into_iter().enumerate();
                let ids = ids.filter(|(index, _)| strategy.cell.is_none_or(|cell| cell == *index));
                ids.map(|(_, id)| id).collect::<Vec<_>>().join(" ")
            }
            Err(report) => report.render(false),
        }
    }

    #[test]
    fn a_given_matrix_takes_the_place_of_the_definitions() {
        assert_eq!(jobs(MATRIX, &matrix(r#"{ "suite": ["sid"], "v": [3, 4] }"#)), "sid-3 sid-4");
        assert_eq!(jobs(MATRIX, &matrix(r#"{ "include": [{ "suite": "sid" }, { "v": 1 }] }"#)), "sid 1");
        assert_eq!(jobs("", &matrix(r#"[{ "suite": "sid" }, { "suite": "forky", "v": 1 }]"#)), "sid forky-1");
        assert_eq!(jobs(DYNAMIC, &matrix(r#"{ "x": [1, 2] }"#)), "1 2");
        assert_eq!(jobs("", &matrix("suite:\n  - sid\n  - forky\n")), "sid forky");
    }

    #[test]
    fn a_given_matrix_is_checked_as_one_in_the_file() {
        assert_snapshot!(jobs(MATRIX, &matrix("suite: sid\nv: [1]\nexclude:\n  - { suit: sid }\n")), @"
        error[bad-value]: expected a list of values, found a text
         --> --matrix:1:8
          |
        1 | suite: sid
          |        ^^^
          |
          = help: write `suite: [sid]`
        ");
        assert_snapshot!(jobs(MATRIX, &matrix(r#"[{ "suite": "sid" }, {}]"#)), @r#"
        error[matrix]: a cell is empty
         --> --matrix:1:22
          |
        1 | [{ "suite": "sid" }, {}]
          |                      ^
        "#);
        assert_snapshot!(jobs(MATRIX, &matrix(r#"{ "suite": ["#)), @r#"
        error[yaml]: not valid YAML: unclosed bracket '['
         --> --matrix:1:12
          |
        1 | { "suite": [
          |            ^
        "#);
    }

    #[test]
    fn a_cell_is_found_by_its_values_and_keeps_its_id() {
        assert_eq!(jobs(MATRIX, &cell(r#"{ "suite": "trixie", "v": 1 }"#)), "trixie-1");
        assert_eq!(jobs(MATRIX, &cell(r#"{ "x": { "a": 1.0 }, "V": 2.0, "suite": "trixie" }"#)), "trixie-2");
        let alike = "strategy: { matrix: { v: [a b, a-b] } }\n";
        let (whole, alone) = (jobs(alike, &GivenMatrix::None), jobs(alike, &cell(r#"{ "v": "a-b" }"#)));
        assert_eq!(whole.split(' ').next_back(), Some(alone.as_str()));
    }

    #[test]
    fn a_cell_that_is_none_of_the_matrix_is_shown_the_nearest() {
        assert_snapshot!(jobs(MATRIX, &cell("{\n  \"suite\": \"trixy\",\n  \"v\": 1\n}")), @r#"
        error[matrix]: the matrix has no such cell
         --> --cell:2:12
          |
        2 |   "suite": "trixy",
          |            ^^^^^^^ "trixie" in the nearest cell
          |
          = help: the nearest cell is `{"suite":"trixie","v":1}`
        "#);
        assert_snapshot!(jobs(MATRIX, &cell(r#"{ "suite": "trixie", "v": "1" }"#)), @r#"
        error[matrix]: the matrix has no such cell
         --> --cell:1:27
          |
        1 | { "suite": "trixie", "v": "1" }
          |                           ^^^ 1 in the nearest cell
          |
          = help: the nearest cell is `{"suite":"trixie","v":1}`
        "#);
        assert_snapshot!(jobs(MATRIX, &cell(r#"{ "suite": "trixie" }"#)), @r#"
        error[matrix]: the matrix has no such cell
         --> --cell:1:1
          |
        1 | { "suite": "trixie" }
          | ^
          |
          = help: the nearest cell is `{"suite":"trixie","v":1}`
        "#);
        assert_snapshot!(jobs(MATRIX, &cell("null")), @r#"
        error[wrong-type]: expected a cell, a mapping of keys to values, found nothing
         --> --cell:1:1
          |
        1 | null
          | ^^^^
          |
          = help: write it as JSON, such as `'{"suite":"bookworm"}'`
          = help: `null` is what `toJSON(matrix)` gives in a job without a matrix, and here is one
        "#);
    }

    #[test]
    fn without_a_matrix_that_is_known_a_cell_stands_alone() {
        assert_eq!(jobs("", &cell(r#"{ "suite": "trixie", "v": 1 }"#)), "trixie-1");
        assert_eq!(jobs(DYNAMIC, &cell(r#"{ "suite": "trixie", "v": 1 }"#)), "trixie-1");
        assert_eq!(jobs("", &cell("null")), "no matrix");
    }

    #[test]
    fn a_cell_does_not_hide_what_is_wrong_with_the_matrix() {
        let wrong = "strategy: { matrix: { suite: bookworm } }\n";
        assert!(jobs(wrong, &cell(r#"{ "suite": "bookworm" }"#)).contains("expected a list of values"));
    }
}
