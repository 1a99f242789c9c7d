//! The JSON Schema of the language, for editors and other programs.
//!
//! Draft 7: the newest that SchemaStore takes, and the one that every YAML editor understands. Small schemas stand where
//! they are used and the mappings are `definitions`, so that an editor finds a key's documentation beside its type.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::language::{self, Mapping};

/// The schema of `ovenbird.yml`.
#[must_use]
pub fn schema() -> Value {
    document::<language::Definition>()
}

/// The schema of a file of steps.
#[must_use]
pub fn steps_schema() -> Value {
    document::<language::StepFile>()
}

/// The schema of a whole file. What the file is comes first: people read schemas too.
fn document<T: JsonSchema>() -> Value {
    let mut schema = generate::<T>();
    tidy(&mut schema);
    let Value::Object(schema) = schema else { return schema };
    let first = ["$schema", "title", "description"].into_iter();
    let first: Vec<_> = first.filter_map(|key| Some((key.to_owned(), schema.get(key)?.clone()))).collect();
    // A key that is there already keeps its place.
    Value::Object(first.into_iter().chain(schema).collect::<Map<_, _>>())
}

fn generate<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}

/// The keys of a mapping, in the order of its type.
pub(super) fn keys<T: Mapping>() -> Vec<String> {
    let schema = generate::<T>();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.map(|(key, _)| key.clone()).collect()
}

/// Makes one `anyOf` of those inside each other, and one line of a description: the lines of a doc comment end where the
/// source's do.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
            if let Some(Value::Array(kinds)) = map.get_mut("anyOf") {
                *kinds = std::mem::take(kinds).into_iter().flat_map(kinds_of).collect();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The kinds that a schema in an `anyOf` stands for.
fn kinds_of(schema: Value) -> Vec<Value> {
    match schema.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("anyOf")) {
        Some(Value::Array(kinds)) => kinds.clone(),
        _ => vec![schema],
    }
}
