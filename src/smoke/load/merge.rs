//! `goss render`: all files as one.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{LoadError, Loaded, imports};

/// goss's order of types in what it prints.
const TYPES: &[&str] = &[
    "file",
    "package",
    "addr",
    "port",
    "service",
    "user",
    "group",
    "command",
    "dns",
    "process",
    "kernel-param",
    "mount",
    "interface",
    "http",
    "matching",
];

/// The merged specification, as a map without imports: types in goss's order, ids sorted, of each id the last file's
/// attributes as they are written there. What goss adds (defaults of attributes that nobody wrote) is not added.
///
/// # Errors
///
/// None that [`super::load`] has not met already.
pub fn merge(loaded: &Loaded) -> Result<Value, LoadError> {
    let mut merged: Map<String, Value> = TYPES.iter().map(|kind| ((*kind).to_owned(), Value::Null)).collect();
    for file in &loaded.files {
        let parsed = imports::parse(&file.text).map_err(|broken| LoadError::Yaml {
            file: file.file.clone().into(),
            line: file.source_line(broken.line),
            message: broken.message,
        })?;
        let Value::Object(kinds) = parsed else { continue };
        for (kind, resources) in kinds {
            let Value::Object(resources) = resources else { continue };
            if kind == "gossfile" || resources.is_empty() {
                continue;
            }
            let known = merged.entry(kind).or_insert(Value::Null);
            if known.is_null() {
                *known = Value::Object(Map::new());
            }
            if let Value::Object(known) = known {
                known.extend(resources);
            }
        }
    }
    merged.retain(|_, resources| !resources.is_null());
    for resources in merged.values_mut() {
        if let Value::Object(resources) = resources {
            resources.sort_keys();
        }
    }
    Ok(Value::Object(merged))
}

impl Loaded {
    /// What `goss render --debug` prints before the rest: every file as its template made it.
    #[must_use]
    pub fn debug(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "DEBUG: file after text/template render\n{}", file.text);
        }
        text
    }

    /// What `goss render` prints: YAML, or JSON where the file's name ends so.
    ///
    /// # Errors
    ///
    /// As [`merge`].
    pub fn render(&self) -> Result<String, LoadError> {
        let merged = merge(self)?;
        let name = self.files.first().map_or("", |file| file.file.as_str());
        let is_json = std::path::Path::new(name).extension().is_some_and(|extension| extension == "json");
        let failed = |message: String| LoadError::Yaml { file: name.into(), line: 1, message };
        if is_json {
            let mut text = Vec::new();
            let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
            serde::Serialize::serialize(&merged, &mut serializer).map_err(|error| failed(error.to_string()))?;
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        serde_yaml::to_string(&merged).map_err(|error| failed(error.to_string()))
    }
}
