//! `--vars` and `--vars-inline`.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};
use thiserror::Error;

use super::super::template;
use super::{Files, imports};

/// How deep variables may nest.
const DEEPEST: usize = 60;

/// Why variables cannot be had.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum VarsError {
    #[error("cannot read the variables of `{file}`: {reason}")]
    Unreadable { file: Utf8PathBuf, reason: String },
    #[error("{source_name}:{line}: {message}")]
    Malformed { source_name: String, line: u32, message: String },
}

/// The variables of files and of a text on top.
///
/// goss's rules: maps of files are merged, deep, and a later file's value counts unless it is empty (null, false, 0,
/// a text,
/// list or map with nothing in it); the text replaces whole top-level variables, be it empty or not. JSON numbers are
/// floating-point, as JSON's are in Go.
///
/// # Errors
///
/// When a file cannot be read, or when it or the text is no map in YAML or JSON.
pub fn vars(
    paths: &[Utf8PathBuf],
    inline: &str,
    files: &dyn Files,
) -> Result<BTreeMap<String, template::Value>, VarsError> {
    let mut merged = Map::new();
    for path in paths {
        let unreadable = |reason| VarsError::Unreadable { file: path.clone(), reason };
        let text = files.read(Utf8Path::new(path)).map_err(unreadable)?;
        merge(&mut merged, map(path.as_str(), &text)?, 0);
    }
    for (name, value) in map("--vars-inline", inline)? {
        merged.insert(name, value);
    }
    Ok(merged.iter().map(|(name, value)| (name.clone(), template::Value::from_yaml(value))).collect())
}

/// The map that a text is; nothing is a map without entries.
fn map(source_name: &str, text: &str) -> Result<Map<String, Value>, VarsError> {
    let malformed = |line, message| VarsError::Malformed { source_name: source_name.to_owned(), line, message };
    let value = match serde_json::from_str::<Value>(text) {
        Ok(json) => floating(json),
        Err(_) => imports::parse(text).map_err(|broken| malformed(broken.line, broken.message))?,
    };
    if depth(&value) > DEEPEST {
        return Err(malformed(1, format!("the variables nest deeper than {DEEPEST} levels")));
    }
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(entries) => Ok(entries),
        other => {
            let kind = if other.is_array() { "a list" } else { "one value" };
            Err(malformed(1, format!("variables are a map of names and values, and this is {kind}")))
        }
    }
}

fn depth(value: &Value) -> usize {
    let children = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(entries) => entries.values().map(depth).max(),
        _ => None,
    };
    children.map_or(0, |depth| depth + 1)
}

/// Makes whole numbers what they are in Go's JSON.
fn floating(json: Value) -> Value {
    match json {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(floating).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, floating(value))).collect(),
        other => other,
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, depth: usize) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if depth < DEEPEST => merge(old, new, depth + 1),
            (Some(old), new) if is_empty(&new) && !old.is_null() => {}
            (_, new) => {
                into.insert(name, new);
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(bool) => !bool,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}
