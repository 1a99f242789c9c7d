//! `strategy`: how many jobs there are, and how they run.
//!
//! The matrix is the definition's own, one of CI configuration (`from` and `job`), or given on the command line, which
//! wins; what is read beside it, such as `fail-fast`, stays where it is.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::decode::{Decoder, Keys, Node, Site, Table, bad_value};
use super::files;
use super::given;
use super::language;
use super::model::{Field, Platform, Read, Setting, Strategy};
use super::scalar;
use crate::diagnostic::{Diagnostic, Label};
use crate::expression::Value;
use crate::matrix::{self, Cell, Found, NEEDS_CONTEXTS, System};
use crate::source::{FileId, Place, Route, Source};

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Strategy>);

/// A strategy, and the values that its cells may have with their places.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) strategy: Strategy,
    pub(super) values: Vec<(String, Json, Route)>,
}

/// Decodes `strategy`, if it is there, and what the command line gives instead of its matrix.
pub(super) fn strategy(decoder: &mut Decoder<'_>, node: Option<&Node<'_>>) -> Decoded {
    let table = match node {
        Some(node) => match decoder.table(node, &KEYS) {
            Some(table) => Some(table),
            None => return Decoded::default(),
        },
        None => None,
    };
    let mut strategy = Strategy::default();
    let mut matrix = None;
    if let Some(table) = &table {
        strategy.fail_fast = decoder.optional(table, "fail-fast", Site::Strategy, scalar::boolean);
        strategy.max_parallel = decoder.optional(table, "max-parallel", Site::Strategy, scalar::max_parallel);
        matrix = written(decoder, table, &mut strategy);
    }
    let found = match given::matrix(decoder) {
        Some(given) => Some(given),
        None => matrix,
    };
    // A cell that stands alone may lack keys that the others have.
    let is_whole = !matches!(found, Some(Err(_)));
    match given::cell(decoder, found, &mut strategy) {
        Some(Ok(found)) => {
            strategy.keys = is_whole.then(|| keys_of(&found.cells));
            strategy.cells = Some(found.cells);
            Decoded { strategy, values: found.values }
        }
        Some(Err(diagnostics)) => {
            diagnostics.into_iter().for_each(|diagnostic| decoder.push(diagnostic));
            strategy.keys = table.and_then(|table| written_keys(&table.get("matrix")?));
            strategy.is_unknown = true;
            Decoded { strategy, values: Vec::new() }
        }
        None => Decoded { strategy, values: Vec::new() },
    }
}

/// A matrix, or what is wrong with it.
pub(super) type Outcome = Result<Found, Vec<Diagnostic>>;

/// The matrix that the file asks for. One that the command line replaces is not looked at.
fn written(decoder: &mut Decoder<'_>, table: &Table<'_>, strategy: &mut Strategy) -> Option<Outcome> {
    let wanted = decoder.given.matrix.is_none();
    let (own, from) = (table.get("matrix"), table.get("from"));
    if let (Some(_), Some(from)) = (&own, &from) {
        let diagnostic = Diagnostic::error("conflict", "`matrix` and `from` exclude each other");
        decoder.push(diagnostic.at(Place::Key(from.route.clone())).help("a matrix is here, or read from there"));
    }
    let outcome = match (own, from) {
        (Some(own), _) => wanted.then(|| matrix::read(own.value, &own.route)),
        (None, Some(from)) => from_ci(decoder, table, &from, strategy, wanted),
        (None, None) => {
            if let Some(job) = table.get("job") {
                let diagnostic = Diagnostic::error("missing-key", "`job` needs the key `from`: the file that it is in");
                decoder.push(diagnostic.at(Place::Key(job.route)));
            }
            None
        }
    };
    outcome.map(|outcome| outcome.map_err(|errors| errors.into_iter().map(with_way_out).collect()))
}

/// What the job of a CI configuration says. None: it was reported, or was not wanted.
fn from_ci(
    decoder: &mut Decoder<'_>,
    table: &Table<'_>,
    from: &Node<'_>,
    strategy: &mut Strategy,
    wanted: bool,
) -> Option<Outcome> {
    let path = decoder.literal(from, scalar::line)?;
    let Some(path) = files::normal(&path) else {
        let diagnostic = Diagnostic::error("bad-value", format!("`{path}` leads out of the repository"));
        let help = "write the path from the repository's root, such as `.github/workflows/images.yml`";
        decoder.push(diagnostic.at(Place::Value(from.route.clone())).help(help));
        return Some(Err(Vec::new()));
    };
    // A file that can't be read was reported when it was to be read.
    let sources = decoder.sources;
    let Some(file) = sources.find(path.as_str()) else { return Some(Err(Vec::new())) };
    // Nor is one followed that includes what can't be read: what is missing there would be made up.
    let includes = matrix::system(sources.get(file)) == System::GitLab;
    let is_of_it = |broken: &FileId| *broken == file || includes && *broken != FileId::default();
    if decoder.broken.iter().any(is_of_it) {
        return Some(Err(Vec::new()));
    }
    let Some(job) = table.get("job") else {
        decoder.push(which_job(sources.get(file), from));
        return Some(Err(Vec::new()));
    };
    let name = decoder.literal(&job, scalar::line)?;
    let named = Label::new(Place::Value(job.route)).text("asked for here");
    let read = match matrix::of_job(sources, file, &name, &named, wanted) {
        Ok(read) => read,
        Err(errors) => return Some(Err(errors)),
    };
    let point = |diagnostic: Diagnostic| match diagnostic.labels.contains(&named) {
        true => diagnostic,
        false => diagnostic.label(named.clone()),
    };
    if strategy.fail_fast.is_none() {
        strategy.fail_fast = read.fail_fast.and_then(|one| setting(decoder, one, "fail-fast", scalar::boolean, &point));
    }
    if strategy.max_parallel.is_none() {
        let read = read.max_parallel;
        strategy.max_parallel =
            read.and_then(|one| setting(decoder, one, "max-parallel", scalar::max_parallel, &point));
    }
    read.matrix.map(|matrix| matrix.map_err(|errors| errors.into_iter().map(point).collect()))
}

fn which_job(source: &Source, from: &Node<'_>) -> Diagnostic {
    let diagnostic = Diagnostic::error("missing-key", "`from` needs the key `job`: whose matrix is it?");
    let diagnostic = diagnostic.at(Place::Key(from.route.clone()));
    let jobs: Vec<String> = matrix::jobs_with_matrix(source).iter().map(|name| format!("`{name}`")).collect();
    if jobs.is_empty() { diagnostic } else { diagnostic.help(format!("jobs with a matrix: {}", jobs.join(", "))) }
}

/// A setting beside a workflow's matrix.
fn setting<T>(
    decoder: &mut Decoder<'_>,
    found: matrix::Setting,
    key: &str,
    read: Read<T>,
    point: &dyn Fn(Diagnostic) -> Diagnostic,
) -> Option<Field<T>> {
    let route = found.route;
    let errors = match found.value {
        Ok(value) => match read(&Value::from(&value)) {
            Ok(value) => return Some(Field { route, setting: Setting::Known(value) }),
            Err(problem) => vec![bad_value(problem, &route)],
        },
        Err(errors) => errors,
    };
    let help = format!("`{key}` in the definition's own `strategy` wins over this one");
    errors.into_iter().for_each(|error| decoder.push(point(error).help(help.clone())));
    None
}

/// Says what to do about a matrix that only a run of the CI knows.
fn with_way_out(diagnostic: Diagnostic) -> Diagnostic {
    if diagnostic.rule != NEEDS_CONTEXTS {
        return diagnostic;
    }
    diagnostic.help("give the matrix as `--matrix JSON`, or one cell of it as `--cell JSON`")
}

fn keys_of(cells: &[Cell]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in cells.iter().flat_map(|cell| cell.values.keys()) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    keys
}

/// The keys of a matrix that could not be expanded, so that what refers to them is not reported as well; none where an
/// expression would have given them.
fn written_keys(node: &Node<'_>) -> Option<Vec<String>> {
    let keys = |value: &serde_yaml::Value| -> Vec<String> {
        let mapping = value.as_mapping().into_iter().flatten();
        mapping.filter_map(|(key, _)| key.as_str()).map(str::to_owned).collect()
    };
    let include = node.value.get("include");
    let entries = include.and_then(serde_yaml::Value::as_sequence).into_iter().flatten();
    let mut written = keys(node.value.as_mapping().map(|_| node.value)?);
    for key in entries.flat_map(keys) {
        if !written.contains(&key) {
            written.push(key);
        }
    }
    Some(written)
}

/// The platform that a cell of the matrix names.
pub(crate) fn platform_of(cell: &Cell) -> Option<&Json> {
    cell.values.iter().find(|(key, _)| is_platform(key)).map(|(_, value)| value)
}

/// Keys of a matrix ignore case.
fn is_platform(key: &str) -> bool {
    key.eq_ignore_ascii_case("platform")
}

/// Every cell must say which platform it is for, unless there is only one.
pub(super) fn check_platforms(decoder: &mut Decoder<'_>, source: &Source, decoded: &Decoded, platforms: &[Platform]) {
    let names: Vec<&str> = source
        .value()
        .get("platforms")
        .and_then(serde_yaml::Value::as_mapping)
        .map(|platforms| platforms.keys().filter_map(serde_yaml::Value::as_str).collect())
        .unwrap_or_default();
    let (Some(cells), false) = (&decoded.strategy.cells, platforms.is_empty()) else { return };
    if names.len() > 1 && cells.iter().any(|cell| platform_of(cell).is_none()) {
        let message = "with more than one platform, every cell of the matrix must name one";
        let help = format!("add `platform: [{}]` to the matrix", names.join(", "));
        let place = Place::Key(place_of_matrix(decoder));
        decoder.push(Diagnostic::error("matrix", message).at(place).help(help));
    }
    for (_, value, route) in decoded.values.iter().filter(|(key, ..)| is_platform(key)) {
        check_platform(decoder, value, route, &names);
    }
}

/// Where the matrix is asked for: on the command line, in CI configuration, or in the definition.
fn place_of_matrix(decoder: &Decoder<'_>) -> Route {
    let strategy = Route::root().key("strategy");
    let given = decoder.given;
    let has_from =
        decoder.sources.main().value().get("strategy").is_some_and(|strategy| strategy.get("from").is_some());
    match given.matrix.or(given.cell) {
        Some(file) => Route::of(file),
        None if has_from => strategy.key("from"),
        None => strategy.key("matrix"),
    }
}

fn check_platform(decoder: &mut Decoder<'_>, value: &Json, route: &Route, names: &[&str]) {
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
