//! The `gossfile:` part of a rendered file.

use camino::Utf8Path;
use serde_json::Value;

use super::super::template::Rendered;
use super::LoadError;

/// An import that is to be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// A path, or a glob of paths.
    pub(super) pattern: String,
    /// Where it stands in the source.
    pub(super) line: u32,
}

/// What a file imports, in goss's order: sorted by key. Skipped ones are left out.
pub(super) fn of(file: &Utf8Path, rendered: &Rendered) -> Result<Vec<Import>, LoadError> {
    let parsed = parse(&rendered.text).map_err(|broken| LoadError::Yaml {
        file: file.to_owned(),
        line: rendered.source_line(broken.line),
        message: broken.message,
    })?;
    let gossfiles = match parsed.get("gossfile") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(gossfiles) => gossfiles,
    };
    let refused =
        |line: u32, message: &str| LoadError::Import { file: file.to_owned(), line, message: message.to_owned() };
    let Some(entries) = gossfiles.as_object() else {
        return Err(refused(line_of(rendered, None), "`gossfile` must be a map of files"));
    };
    let mut imports = Vec::new();
    for (key, attributes) in entries {
        let line = line_of(rendered, Some(key));
        let get = |name: &str| attributes.get(name).filter(|value| !value.is_null());
        if !(attributes.is_object() || attributes.is_null()) {
            return Err(refused(line, "the attributes of a `gossfile` must be a map"));
        }
        match get("skip").map(Value::as_bool) {
            Some(None) => return Err(refused(line, "`skip` must be true or false")),
            Some(Some(true)) => continue,
            _ => {}
        }
        let pattern = match get("file").map(Value::as_str) {
            Some(None) => return Err(refused(line, "`file` must be a text")),
            Some(Some(pattern)) if !pattern.is_empty() => pattern,
            _ => key,
        };
        imports.push((key.clone(), Import { pattern: pattern.to_owned(), line }));
    }
    imports.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(imports.into_iter().map(|(_, import)| import).collect())
}

/// What is wrong with YAML, and on which line of it.
pub(super) struct Broken {
    pub(super) line: u32,
    pub(super) message: String,
}

/// YAML, or JSON as a part of it. Keys become texts, and merge keys (`<<`) are resolved, as in goss.
pub(super) fn parse(text: &str) -> Result<Value, Broken> {
    let broken = |error: &serde_yaml::Error| Broken {
        line: error.location().and_then(|location| u32::try_from(location.line()).ok()).unwrap_or(1),
        message: error.to_string(),
    };
    let mut yaml: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| broken(&error))?;
    yaml.apply_merge().map_err(|error| broken(&error))?;
    Ok(plain(yaml))
}

fn plain(yaml: serde_yaml::Value) -> Value {
    match yaml {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(bool) => Value::Bool(bool),
        serde_yaml::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => int.into(),
            (_, Some(int), _) => int.into(),
            (_, _, float) => float.and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number),
        },
        serde_yaml::Value::String(text) => Value::String(text),
        serde_yaml::Value::Sequence(items) => items.into_iter().map(plain).collect(),
        serde_yaml::Value::Mapping(entries) => {
            Value::Object(entries.into_iter().map(|(key, value)| (key_of(&key), plain(value))).collect())
        }
        serde_yaml::Value::Tagged(tagged) => plain(tagged.value),
    }
}

/// A key as text: ports are written as numbers.
fn key_of(key: &serde_yaml::Value) -> String {
    match plain(key.clone()) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The source line of a key of `gossfile:`, or of `gossfile:` itself. Found by its text, so that of two keys that are
/// written alike the first is named: good enough to point with.
fn line_of(rendered: &Rendered, key: Option<&str>) -> u32 {
    let names = |line: &str, name: &str| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let lines: Vec<&str> = rendered.text.lines().collect();
    let top = lines.iter().position(|line| names(line, "gossfile")).unwrap_or(0);
    let found = key.and_then(|key| lines.iter().skip(top).position(|line| names(line, key))).unwrap_or(0);
    rendered.source_line(u32::try_from(top + found + 1).unwrap_or(u32::MAX))
}
