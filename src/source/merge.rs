//! Merge keys: `<<: *defaults` puts a mapping's keys into the one around it, where they are not there already.

use serde_yaml::{Mapping, Value};

use super::{Place, Route};
use crate::diagnostic::{Diagnostic, Label};

/// Resolves every `<<` in a document, innermost first so that a merged mapping may merge others itself.
///
/// The YAML library's own `apply_merge` leaves such chains unresolved and its errors have no place.
pub(super) fn merge(value: &mut Value, route: &Route, diagnostics: &mut Vec<Diagnostic>) {
    match value {
        Value::Mapping(mapping) => {
            for (key, item) in mapping.iter_mut() {
                let key = key.as_str().unwrap_or_default();
                merge(item, &route.key(key), diagnostics);
            }
            if mapping.contains_key("<<") {
                let written = std::mem::take(mapping);
                *mapping = merged_into(&written, &route.key("<<"), diagnostics);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                merge(item, &route.index(index), diagnostics);
            }
        }
        Value::Tagged(tagged) => merge(&mut tagged.value, route, diagnostics),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A mapping with what it merges in the place of its `<<`: the order of keys counts in a matrix, and that is where the
/// YAML library of GitLab has them.
fn merged_into(written: &Mapping, route: &Route, diagnostics: &mut Vec<Diagnostic>) -> Mapping {
    let mut mapping = Mapping::new();
    for (key, value) in written {
        if key.as_str() != Some("<<") {
            mapping.entry(key.clone()).or_insert_with(|| value.clone());
            continue;
        }
        let sources = match value {
            Value::Sequence(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        for source in sources {
            let Value::Mapping(source) = source else {
                let label = Label::new(Place::Key(route.clone()));
                let diagnostic = Diagnostic::error("yaml", "`<<` takes a mapping or a list of mappings").label(label);
                diagnostics.push(diagnostic.help("`<<: *name` merges the mapping that is marked with `&name`"));
                continue;
            };
            for (key, value) in source {
                // The mapping's own value wins, wherever it stands.
                mapping.entry(key.clone()).or_insert_with(|| written.get(key).unwrap_or(value).clone());
            }
        }
    }
    mapping
}
