//! `strategy`: how many jobs there are, and how they run.

use serde_json::Map;

use std::sync::LazyLock;

use super::decode::{Decoder, Keys, Node, Site};
use super::language;
use super::model::{Platform, Problem, Strategy};
use super::{scalar, variable};
use crate::diagnostic::Diagnostic;
use crate::matrix::{self, Cell, MAX_CELLS, Matrix, MatrixError};
use crate::source::{Place, Route, Source};

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Strategy>);

pub(super) fn strategy(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Strategy {
    let Some(table) = decoder.table(node, &KEYS) else { return Strategy::default() };
    let fail_fast = decoder.optional(&table, "fail-fast", Site::Strategy, scalar::boolean);
    let max_parallel = decoder.optional(&table, "max-parallel", Site::Strategy, scalar::max_parallel);
    let Some(node) = table.get("matrix") else {
        return Strategy { fail_fast, max_parallel, ..Strategy::default() };
    };
    let cells = matrix(decoder, &node).and_then(|matrix| expand(decoder, &matrix, &node.route));
    let keys = match &cells {
        Some(cells) => cells.iter().flat_map(|cell| cell.values.keys().cloned()).collect(),
        None => written_keys(&node),
    };
    let mut unique: Vec<String> = Vec::new();
    for key in keys {
        if !unique.contains(&key) {
            unique.push(key);
        }
    }
    Strategy { fail_fast, max_parallel, cells, keys: Some(unique) }
}

fn expand(decoder: &mut Decoder<'_>, matrix: &Matrix, route: &Route) -> Option<Vec<Cell>> {
    match matrix::expand(matrix) {
        Ok(cells) if cells.is_empty() => {
            let diagnostic = Diagnostic::error("matrix", "`exclude` leaves no cell of the matrix");
            decoder.push(diagnostic.at(Place::Key(route.key("exclude"))).help("so there would be no job at all"));
            None
        }
        Ok(cells) => Some(cells),
        Err(errors) => {
            errors.iter().for_each(|error| decoder.push(matrix_error(error, route)));
            None
        }
    }
}

/// The keys of a matrix that could not be expanded, so that what refers to them is not reported as well.
fn written_keys(node: &Node<'_>) -> Vec<String> {
    let keys = |value: &serde_yaml::Value| -> Vec<String> {
        let mapping = value.as_mapping().into_iter().flatten();
        mapping.filter_map(|(key, _)| key.as_str()).map(str::to_owned).collect()
    };
    let include = node.value.get("include").and_then(serde_yaml::Value::as_sequence).into_iter().flatten();
    keys(node.value).into_iter().chain(include.flat_map(keys)).collect()
}

fn matrix(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Matrix> {
    let before = decoder.diagnostics.len();
    let mut matrix = Matrix::default();
    if node.expression_text().is_some() {
        decoder.push(no_expressions(&node.route));
        return None;
    }
    for (key, node) in decoder.entries(node, "`matrix`")? {
        match key {
            "include" => matrix.include = combinations(decoder, &node, "`include`"),
            "exclude" => matrix.exclude = combinations(decoder, &node, "`exclude`"),
            _ => {
                check_key(decoder, key, &node.route);
                let vector = vector(decoder, key, &node);
                matrix.vectors.push((key.to_owned(), vector));
            }
        }
    }
    (decoder.diagnostics.len() == before).then_some(matrix)
}

fn check_key(decoder: &mut Decoder<'_>, key: &str, route: &Route) {
    if !variable::is_name(key) {
        let message = format!("`{key}` is no key of a matrix");
        let help = "a key begins with a letter or `_`, and has letters, digits, `_` and `-` only";
        decoder.push(Diagnostic::error("bad-name", message).at(Place::Key(route.clone())).help(help));
    }
}

fn vector(decoder: &mut Decoder<'_>, key: &str, node: &Node<'_>) -> Vec<serde_json::Value> {
    if !node.value.is_sequence() && !node.value.is_mapping() && node.expression_text().is_none() {
        let shown = decoder.value(node).map(|value| value.to_string()).unwrap_or_default();
        let problem = Problem::new(format!("expected a list of values, found {}", node.kind()));
        decoder.problem(problem.help(format!("write `{key}: [{shown}]`")), &node.route);
        return Vec::new();
    }
    if node.expression_text().is_some() {
        decoder.push(no_expressions(&node.route));
        return Vec::new();
    }
    let items = decoder.items(node, &format!("`{key}`")).unwrap_or_default();
    items.iter().filter_map(|node| plain(decoder, node)).collect()
}

fn combinations(decoder: &mut Decoder<'_>, node: &Node<'_>, what: &str) -> Vec<Map<String, serde_json::Value>> {
    let mut combinations = Vec::new();
    for node in decoder.items(node, what).unwrap_or_default() {
        let mut combination = Map::new();
        for (key, node) in decoder.entries(&node, "a combination").unwrap_or_default() {
            check_key(decoder, key, &node.route);
            if let Some(value) = plain(decoder, &node) {
                combination.insert(key.to_owned(), value);
            }
        }
        combinations.push(combination);
    }
    combinations
}

/// A value without expressions: which jobs there are is known before anything is evaluated.
fn plain(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<serde_json::Value> {
    let value = serde_json::Value::from(decoder.value(node)?);
    if has_expression(&value) {
        decoder.push(no_expressions(&node.route));
        return None;
    }
    Some(value)
}

fn has_expression(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains("${{"),
        serde_json::Value::Array(items) => items.iter().any(has_expression),
        serde_json::Value::Object(map) => map.values().any(has_expression),
        _ => false,
    }
}

fn no_expressions(route: &Route) -> Diagnostic {
    let message = "this version of Ovenbird does not have expressions in a matrix yet";
    Diagnostic::error("not-yet", message).at(Place::Value(route.clone()))
}

fn matrix_error(error: &MatrixError, route: &Route) -> Diagnostic {
    let (message, place) = match error {
        MatrixError::UnknownExcludeKey { index, key } => (
            format!("`exclude` names `{key}`, which is no key of the matrix"),
            route.key("exclude").index(*index).key(key),
        ),
        MatrixError::EmptyVector { key } => (format!("the matrix has no value for `{key}`"), route.key(key)),
        MatrixError::DuplicateKey { key } => {
            (format!("the matrix has the key `{key}` in two spellings"), route.key(key))
        }
        MatrixError::EmptyExclude { index } => {
            ("an entry of `exclude` is empty".to_owned(), route.key("exclude").index(*index))
        }
        MatrixError::EmptyInclude { index } => {
            ("an entry of `include` is empty".to_owned(), route.key("include").index(*index))
        }
        MatrixError::NoVectors => ("the matrix has no key".to_owned(), route.clone()),
        MatrixError::TooManyCells { cells } => {
            (format!("the matrix makes {cells} jobs, and {MAX_CELLS} is the most, as on GitHub"), route.clone())
        }
    };
    Diagnostic::error("matrix", message).at(Place::Key(place))
}

/// The platform that a cell of the matrix names.
pub(crate) fn platform_of(cell: &Cell) -> Option<&serde_json::Value> {
    cell.values.iter().find(|(key, _)| is_platform(key)).map(|(_, value)| value)
}

/// Keys of a matrix ignore case.
fn is_platform(key: &str) -> bool {
    key.eq_ignore_ascii_case("platform")
}

/// Every cell must say which platform it is for, unless there is only one.
pub(super) fn check_platforms(decoder: &mut Decoder<'_>, source: &Source, strategy: &Strategy, platforms: &[Platform]) {
    let route = Route::root().key("strategy").key("matrix");
    let names: Vec<&str> = source
        .value()
        .get("platforms")
        .and_then(serde_yaml::Value::as_mapping)
        .map(|platforms| platforms.keys().filter_map(serde_yaml::Value::as_str).collect())
        .unwrap_or_default();
    let (Some(cells), false) = (&strategy.cells, platforms.is_empty()) else { return };
    if names.len() > 1 && cells.iter().any(|cell| platform_of(cell).is_none()) {
        let list: Vec<&str> = names.clone();
        let message = "with more than one platform, every cell of the matrix must name one";
        let help = format!("add `platform: [{}]` to the matrix", list.join(", "));
        decoder.push(Diagnostic::error("matrix", message).at(Place::Key(route.clone())).help(help));
    }
    let matrix = source.value().get("strategy").and_then(|strategy| strategy.get("matrix"));
    let entries = |value: &'_ serde_yaml::Value, route: &Route| -> Vec<(serde_yaml::Value, Route)> {
        let entries = value.as_mapping().into_iter().flatten();
        let named = entries.filter_map(|(key, value)| Some((key.as_str().filter(|key| is_platform(key))?, value)));
        named.map(|(key, value)| (value.clone(), route.key(key))).collect()
    };
    for (vector, route) in matrix.map(|matrix| entries(matrix, &route)).unwrap_or_default() {
        for (index, value) in vector.as_sequence().into_iter().flatten().enumerate() {
            check_platform(decoder, value, &route.index(index), &names);
        }
    }
    let include = matrix.and_then(|matrix| matrix.get("include")).and_then(serde_yaml::Value::as_sequence);
    for (index, combination) in include.into_iter().flatten().enumerate() {
        for (value, route) in entries(combination, &route.key("include").index(index)) {
            check_platform(decoder, &value, &route, &names);
        }
    }
}

fn check_platform(decoder: &mut Decoder<'_>, value: &serde_yaml::Value, route: &Route, names: &[&str]) {
    let place = Place::Value(route.clone());
    match value.as_str() {
        Some(name) if names.contains(&name) => {}
        Some(name) => {
            let diagnostic = Diagnostic::error("unknown-name", format!("there is no platform `{name}`")).at(place);
            decoder.push(diagnostic.nearest(name, "known platforms", names.iter().copied()));
        }
        None => decoder.push(Diagnostic::error("wrong-type", "expected the name of a platform").at(place)),
    }
}
