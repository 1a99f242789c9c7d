//! What is done to a value before it is compared (goss `matchers/type_conversion.go`).

use serde_json::{Number, Value, json};

use super::golang;

#[derive(Clone, Debug)]
pub(super) enum Transform {
    ToNumeric,
    ToString,
    ToArray,
    Gjson(String),
}

impl Transform {
    pub(super) fn apply(&self, value: &Value) -> Result<Value, String> {
        match self {
            Self::ToNumeric => numeric(value),
            Self::ToString => Ok(Value::String(text(value))),
            Self::ToArray => Ok(match value {
                Value::String(text) => text.split('\n').map(Value::from).collect(),
                other => other.clone(),
            }),
            Self::Gjson(path) => look_up(path, value),
        }
    }

    /// What goss goes on with when it fails: nothing, of its type.
    pub(super) fn nothing(&self) -> Value {
        match self {
            Self::ToNumeric => json!(0),
            Self::ToString | Self::ToArray | Self::Gjson(_) => Value::Null,
        }
    }

    /// The transform in "the transform chain was".
    pub(super) fn json(&self) -> String {
        let value = match self {
            Self::ToNumeric => json!({ "to-numeric": {} }),
            Self::ToString => json!({ "to-string": {} }),
            Self::ToArray => json!({ "to-array": {} }),
            Self::Gjson(path) => json!({ "gjson": { "Path": path } }),
        };
        golang::json(&value, true)
    }

    /// The transform as Go prints it (`%#v`) in front of its error.
    pub(super) fn go_name(&self) -> String {
        match self {
            Self::ToNumeric => "matchers.ToNumeric{}".to_owned(),
            Self::ToString => "matchers.ToString{}".to_owned(),
            Self::ToArray => "matchers.ToArray{}".to_owned(),
            Self::Gjson(path) => format!("matchers.Gjson{{Path:{path:?}}}"),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(golang::plain).collect::<Vec<_>>().join("\n"),
        other => golang::plain(other),
    }
}

fn numeric(value: &Value) -> Result<Value, String> {
    match value {
        Value::Number(_) => Ok(value.clone()),
        Value::String(_) | Value::Array(_) => {
            let text = text(value);
            let text = text.trim();
            let invalid = || format!("strconv.ParseFloat: parsing {text:?}: invalid syntax");
            let number: f64 = text.parse().map_err(|_| invalid())?;
            // Infinity and "not a number" are none that JSON could carry, or anything be compared with.
            Number::from_f64(number).map(Value::Number).ok_or_else(invalid)
        }
        other => Err(format!("Expected numeric, Got:{}", golang::object(other))),
    }
}

fn look_up(path: &str, value: &Value) -> Result<Value, String> {
    let text = value.as_str().ok_or_else(|| format!("Expected string, Got:{}", golang::object(value)))?;
    // The library is fast and trusting: what it is given is checked first, and what it found is read by another.
    serde_json::from_str::<Value>(text).map_err(|_| "Invalid json".to_owned())?;
    let found = gjson::get(text, path);
    if !found.exists() {
        return Err(format!("Path not found: {path}"));
    }
    let found: Value = serde_json::from_str(found.json()).map_err(|error| format!("Path {path}: {error}"))?;
    Ok(with_floats(found))
}

/// Go reads each number of a JSON text as a float.
fn with_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            number.as_f64().and_then(Number::from_f64).map_or(Value::Number(number), Value::Number)
        }
        Value::Array(items) => items.into_iter().map(with_floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_floats(value))).collect(),
        other => other,
    }
}
