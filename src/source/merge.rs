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
            if let Some(merged) = mapping.shift_remove("<<") {
                merge_into(mapping, merged, &route.key("<<"), diagnostics);
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

fn merge_into(mapping: &mut Mapping, merged: Value, route: &Route, diagnostics: &mut Vec<Diagnostic>) {
    let sources = match merged {
        Value::Sequence(items) => items,
        other => vec![other],
    };
    for source in sources {
        if let Value::Mapping(source) = source {
            for (key, value) in source {
                mapping.entry(key).or_insert(value);
            }
        } else {
            let label = Label::new(Place::Key(route.clone()));
            diagnostics.push(Diagnostic::error("yaml", "`<<` takes a mapping or a list of mappings").label(label));
        }
    }
}
