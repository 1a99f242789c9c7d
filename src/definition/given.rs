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
    Some(matrix::read_given(decoder.sources.get(file).value(), &Route::of(file)))
}

/// Chooses the cell that is given. Without a matrix, or with one that only the CI knows, it stands alone.
pub(super) fn cell(decoder: &mut Decoder<'_>, found: Option<Outcome>, strategy: &mut Strategy) -> Option<Outcome> {
    let Some(file) = decoder.given.cell else { return found };
    let (value, route) = (decoder.sources.get(file).value(), Route::of(file));
    // What a job without a matrix passes as `${{ toJSON(matrix) }}`.
    if value.is_null() && found.is_none() {
        return None;
    }
    let cell = match matrix::read_cell(value, &route) {
        Ok(cell) => cell,
        Err(errors) => {
            errors.into_iter().for_each(|error| decoder.push(error));
            return found;
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
    let shared = |other: &Cell| cell.iter().filter(|(key, value)| has(&other.values, key, value)).count();
    // Of several the first: cells are in the order that a person wrote them in.
    let nearest = cells.iter().rev().max_by_key(|other| shared(other));
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
