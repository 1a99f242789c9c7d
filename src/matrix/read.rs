//! `strategy.matrix` as a workflow writes it: from YAML to a [`Matrix`], its expressions evaluated as GitHub does.
//!
//! Which jobs there are is decided before anything runs, so an expression may call functions on literals, but name no
//! context: what only GitHub knows when it runs is refused with the way out, `--matrix`.

use serde_json::{Map, Value as Json};
use serde_yaml::Value as Yaml;

use super::expand::{self, Cell, Matrix, MatrixError};
use crate::diagnostic::Diagnostic;
use crate::expression::template::{self, Part};
use crate::expression::{Environment, Template, Value};
use crate::source::{Place, Route};

/// The rule of a matrix that can't be read before a run; `--cell` does without it.
pub const NEEDS_CONTEXTS: &str = "matrix-context";

/// When what a CI decides has its value.
pub(super) const IN_CI: &str = "is known only when the CI runs";

/// A matrix that was read: its cells, and where each value stands that a cell may have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    pub cells: Vec<Cell>,
    pub values: Vec<(String, Json, Route)>,
}

/// Reads a matrix and expands it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(value: &Yaml, route: &Route) -> Result<Found, Vec<Diagnostic>> {
    read_by(Reader::new("the matrix"), value, route)
}

/// [`read`] for a matrix of CI configuration.
pub(super) fn read_in_ci(value: &Yaml, route: &Route) -> Result<Found, Vec<Diagnostic>> {
    read_by(Reader::of_ci("the matrix"), value, route)
}

fn read_by(mut reader: Reader, value: &Yaml, route: &Route) -> Result<Found, Vec<Diagnostic>> {
    let matrix = reader.matrix(value, route);
    found(reader.all_right(matrix)?, route, &route.key("include"))
}

/// Reads a matrix from the command line: one as in a workflow, or a list of cells.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_given(value: &Yaml, route: &Route) -> Result<Found, Vec<Diagnostic>> {
    if !value.is_sequence() {
        return read(value, route);
    }
    let mut reader = Reader::new("the matrix");
    let cells = reader.value(value, route);
    let include = cells.map(|cells| reader.entries("cells", cells, route));
    let matrix = include.map(|include| Matrix { include, ..Matrix::default() });
    found(reader.all_right(matrix)?, route, route)
}

/// Reads one cell.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_cell(value: &Yaml, route: &Route) -> Result<Map<String, Json>, Vec<Diagnostic>> {
    let mut reader = Reader::new("the cell");
    let cell = match reader.value(value, route) {
        Some(Json::Object(cell)) => {
            reader.diagnostics.extend(cell.keys().filter_map(|key| bad_key(key, &route.key(key))));
            Some(cell)
        }
        Some(other) => {
            reader.wrong("a cell, a mapping of keys to values", &other, route);
            None
        }
        None => None,
    };
    reader.all_right(cell)
}

/// Expands a matrix. `include` is where the list of its `include` stands.
fn found(matrix: Matrix, route: &Route, include: &Route) -> Result<Found, Vec<Diagnostic>> {
    match expand::expand(&matrix) {
        Ok(cells) if cells.is_empty() => {
            let diagnostic = Diagnostic::error("matrix", "`exclude` leaves no cell of the matrix");
            let place = Place::Key(route.key("exclude"));
            Err(vec![diagnostic.at(place).help("so there would be no job at all")])
        }
        Ok(cells) => Ok(Found { cells, values: values(&matrix, route, include) }),
        Err(errors) => Err(errors.iter().map(|error| matrix_error(error, route, include)).collect()),
    }
}

fn values(matrix: &Matrix, route: &Route, include: &Route) -> Vec<(String, Json, Route)> {
    let mut values = Vec::new();
    for (key, vector) in &matrix.vectors {
        let route = route.key(key);
        values.extend(vector.iter().enumerate().map(|(index, value)| (key.clone(), value.clone(), route.index(index))));
    }
    for (index, entry) in matrix.include.iter().enumerate() {
        let route = include.index(index);
        values.extend(entry.iter().map(|(key, value)| (key.clone(), value.clone(), route.key(key))));
    }
    values
}

/// The value of a setting beside the matrix, such as `fail-fast`.
///
/// # Errors
/// An expression in it needs a context or has no value.
pub(super) fn setting(value: &Yaml, route: &Route) -> Result<Json, Vec<Diagnostic>> {
    let mut reader = Reader::of_ci("this");
    let value = reader.value(value, route);
    reader.all_right(value)
}

/// Collects what is wrong while a matrix is read.
struct Reader {
    /// What needs the value, for messages.
    what: &'static str,
    /// When a context has its value, which is too late.
    when: &'static str,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    /// Reads what is Ovenbird's own.
    fn new(what: &'static str) -> Self {
        Self { what, when: "has no value yet when the jobs are decided", diagnostics: Vec::new() }
    }

    /// Reads what is a CI's.
    fn of_ci(what: &'static str) -> Self {
        Self { when: IN_CI, ..Self::new(what) }
    }
}

impl Reader {
    /// What was read, if nothing was wrong with it.
    fn all_right<T>(self, read: Option<T>) -> Result<T, Vec<Diagnostic>> {
        match read {
            Some(read) if self.diagnostics.is_empty() => Ok(read),
            _ => Err(self.diagnostics),
        }
    }

    fn matrix(&mut self, value: &Yaml, route: &Route) -> Option<Matrix> {
        let value = self.value(value, route)?;
        let Json::Object(map) = value else {
            self.wrong("a matrix, a mapping", &value, route);
            return None;
        };
        let mut matrix = Matrix::default();
        for (key, value) in map {
            let route = route.key(&key);
            match key.as_str() {
                "include" => matrix.include = self.entries("include", value, &route),
                "exclude" => matrix.exclude = self.entries("exclude", value, &route),
                _ => {
                    self.diagnostics.extend(bad_key(&key, &route));
                    let vector = self.vector(&key, value, &route);
                    matrix.vectors.push((key, vector));
                }
            }
        }
        Some(matrix)
    }

    fn vector(&mut self, key: &str, value: Json, route: &Route) -> Vec<Json> {
        if let Json::Array(items) = value {
            return items;
        }
        let message = format!("expected a list of values, found {}", kind(&value));
        let mut diagnostic = Diagnostic::error("bad-value", message).at(Place::Value(route.clone()));
        if !value.is_object() && !value.is_null() {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            diagnostic = diagnostic.help(format!("write `{key}: [{shown}]`"));
        }
        self.diagnostics.push(diagnostic);
        Vec::new()
    }

    fn entries(&mut self, key: &str, value: Json, route: &Route) -> Vec<Map<String, Json>> {
        let Json::Array(items) = value else {
            // `include:` with nothing after it is as good as none.
            if !value.is_null() {
                self.wrong(&format!("`{key}`, a list"), &value, route);
            }
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let route = route.index(index);
            let Json::Object(entry) = item else {
                self.wrong("a combination, a mapping", &item, &route);
                continue;
            };
            self.diagnostics.extend(entry.keys().filter_map(|key| bad_key(key, &route.key(key))));
            entries.push(entry);
        }
        entries
    }

    fn wrong(&mut self, expected: &str, found: &Json, route: &Route) {
        let message = format!("expected {expected}, found {}", kind(found));
        self.diagnostics.push(Diagnostic::error("wrong-type", message).at(Place::Value(route.clone())));
    }

    /// A value with every expression in it evaluated.
    fn value(&mut self, value: &Yaml, route: &Route) -> Option<Json> {
        match value {
            Yaml::Null => Some(Json::Null),
            Yaml::Bool(value) => Some(Json::Bool(*value)),
            Yaml::Number(number) => self.number(number, route),
            Yaml::String(text) => self.text(text, route),
            Yaml::Sequence(items) => {
                let items: Vec<Option<Json>> =
                    items.iter().enumerate().map(|(index, item)| self.value(item, &route.index(index))).collect();
                items.into_iter().collect::<Option<_>>().map(Json::Array)
            }
            Yaml::Mapping(mapping) => {
                let pairs: Vec<Option<(String, Json)>> =
                    mapping.iter().map(|(key, value)| self.pair(key, value, route)).collect();
                pairs.into_iter().collect::<Option<_>>().map(Json::Object)
            }
            Yaml::Tagged(_) => {
                let diagnostic = Diagnostic::error("bad-value", "YAML tags have no meaning here");
                let help = "a value that begins with `!` is a tag in YAML: put it in quotes if it is meant as text";
                self.diagnostics.push(diagnostic.at(Place::Value(route.clone())).help(help));
                None
            }
        }
    }

    fn pair(&mut self, key: &Yaml, value: &Yaml, route: &Route) -> Option<(String, Json)> {
        let Some(name) = key.as_str() else {
            let name = serde_yaml::to_string(key).unwrap_or_default();
            let name = name.trim_end();
            let diagnostic = Diagnostic::error("wrong-type", format!("the key `{name}` is not a text"));
            self.diagnostics.push(diagnostic.at(Place::Key(route.key(name))).help("put it in quotes"));
            return None;
        };
        Some((name.to_owned(), self.value(value, &route.key(name))?))
    }

    fn number(&mut self, number: &serde_yaml::Number, route: &Route) -> Option<Json> {
        let json = number.as_i64().map(Json::from).or_else(|| number.as_u64().map(Json::from));
        // Through a value of the language, a number that is written as a fraction but is whole becomes whole.
        let fraction =
            || number.as_f64().filter(|number| number.is_finite()).map(|number| Json::from(&Value::Number(number)));
        let json = json.or_else(fraction);
        if json.is_none() {
            let diagnostic = Diagnostic::error("bad-value", "this number is not finite");
            self.diagnostics.push(diagnostic.at(Place::Value(route.clone())));
        }
        json
    }

    fn text(&mut self, text: &str, route: &Route) -> Option<Json> {
        if !text.contains("${{") {
            return Some(Json::String(text.to_owned()));
        }
        let at = |span: std::ops::Range<usize>| Place::Inside(route.clone(), span);
        let template = match template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                let message = format!("not a valid expression: {}", error.message);
                self.diagnostics.push(Diagnostic::error("expression", message).at(at(error.span)));
                return None;
            }
        };
        let needed = self.needed(text, &template, route);
        if !needed.is_empty() {
            self.diagnostics.extend(needed);
            return None;
        }
        match template.evaluate(&NoContexts) {
            Ok(value) => Some(Json::from(&value)),
            Err(error) => {
                self.diagnostics.push(Diagnostic::error("expression", error.message).at(at(error.span)));
                None
            }
        }
    }

    /// An error for everything in a text that only a run knows.
    fn needed(&self, text: &str, template: &Template, route: &Route) -> Vec<Diagnostic> {
        let expressions = template.parts.iter().filter_map(|part| match part {
            Part::Expression { expr, .. } => Some(expr),
            Part::Literal(_) => None,
        });
        let mut diagnostics = Vec::new();
        for expr in expressions {
            let contexts = expr.references().into_iter().map(|reference| (reference.context, reference.span));
            let functions = expr.calls().into_iter().filter(|call| is_of_a_run(&call.name));
            let functions = functions.map(|call| {
                let name = text.get(call.span.clone()).unwrap_or(&call.name);
                (format!("{name}()"), call.span)
            });
            diagnostics.extend(contexts.chain(functions).map(|(name, span)| {
                let message = format!("{} needs `{name}`, which {}", self.what, self.when);
                Diagnostic::error(NEEDS_CONTEXTS, message).at(Place::Inside(route.clone(), span))
            }));
        }
        diagnostics
    }
}

fn is_of_a_run(function: &str) -> bool {
    ["hashfiles", "success", "failure", "always", "cancelled"].contains(&function)
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a mapping",
    }
}

/// Keys are read as `matrix.KEY`, so they are made of what such a name may have.
pub(super) fn bad_key(key: &str, route: &Route) -> Option<Diagnostic> {
    let good = key.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && key.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char));
    let help = "a key begins with a letter or `_`, and has letters, digits, `_` and `-` only";
    let diagnostic = Diagnostic::error("bad-name", format!("`{key}` is no key of a matrix"));
    (!good).then(|| diagnostic.at(Place::Key(route.clone())).help(help))
}

fn matrix_error(error: &MatrixError, route: &Route, include: &Route) -> Diagnostic {
    let exclude = route.key("exclude");
    let (message, place) = match error {
        MatrixError::UnknownExcludeKey { index, key } => {
            (format!("`exclude` names `{key}`, which is no key of the matrix"), exclude.index(*index).key(key))
        }
        MatrixError::EmptyVector { key } => (format!("the matrix has no value for `{key}`"), route.key(key)),
        MatrixError::DuplicateKey { key } => {
            (format!("the matrix has the key `{key}` in two spellings"), route.key(key))
        }
        MatrixError::EmptyExclude { index } => ("an entry of `exclude` is empty".to_owned(), exclude.index(*index)),
        MatrixError::EmptyInclude { index } if include == route => {
            ("a cell is empty".to_owned(), include.index(*index))
        }
        MatrixError::EmptyInclude { index } => ("an entry of `include` is empty".to_owned(), include.index(*index)),
        MatrixError::NoVectors => ("the matrix has no key".to_owned(), route.clone()),
        MatrixError::TooManyCells { cells } => {
            let most = expand::MAX_CELLS;
            (format!("the matrix makes {cells} jobs, and {most} is the most, as on GitHub"), route.clone())
        }
        MatrixError::TooManyComparisons { .. } => (error.to_string(), route.clone()),
    };
    Diagnostic::error("matrix", message).at(Place::Key(place))
}

/// What an expression sees before anything runs: nothing.
struct NoContexts;

impl Environment for NoContexts {
    fn context(&self, _name: &str) -> Option<Value> {
        None
    }

    fn call(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
