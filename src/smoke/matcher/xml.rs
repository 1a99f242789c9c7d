//! The matcher `xml`: what an XPath expression finds in a document (goss `matchers/xml.go`, newer than 0.4.9).

use serde_json::{Map, Value};

use super::{Syntax, golang, xpath};

/// What an expression is to find.
#[derive(Clone, Debug)]
pub(super) struct Xml {
    pub(super) expression: String,
    compiled: xpath::XPath,
    /// Of nodes, nothing but blanks means any.
    pub(super) result: String,
}

impl Xml {
    /// # Errors
    /// It is no mapping of `xpath` and `result`, or no expression.
    pub(super) fn compile(value: &Value) -> Result<Self, Syntax> {
        let Value::Object(map) = value else { return Err(Syntax::argument("xml", "map", value)) };
        if let Some(key) = map.keys().find(|key| !["xpath", "result"].contains(&key.as_str())) {
            return Err(Syntax::new(format!("`xml` has no `{key}`, only `xpath` and `result`")).inside(key));
        }
        let expression = text(map, "xpath")?.ok_or_else(|| Syntax::new("`xml` needs an `xpath`"))?;
        let result = text(map, "result")?.unwrap_or_default();
        let compiled = xpath::XPath::parse(&expression).map_err(|wrong| {
            let message = format!("no XPath expression: `{expression}`: character {}: {}", wrong.at, wrong.message);
            Syntax::new(message).inside("xpath")
        })?;
        Ok(Self { expression, compiled, result })
    }

    /// As in goss, another result than the intended one is an error, which `not` does not turn around; only nodes of which
    /// there are none are a plain "no".
    pub(super) fn test(&self, actual: &Value) -> Result<bool, String> {
        let Some(text) = actual.as_str() else {
            return Err(format!("XML expect pattern to be a string: \n{}", golang::plain(actual)));
        };
        let document = xpath::document(text)
            .map_err(|error| format!("Cannot parse XML string {}: {error}", golang::quoted(actual)))?;
        let found = self.compiled.evaluate(&document).map_err(|error| {
            format!("Invalid XPath query {}: {error}", golang::quoted(&self.expression.as_str().into()))
        })?;
        let found = match found {
            xpath::Value::Nodes(nodes) if self.result.trim().is_empty() => return Ok(!nodes.is_empty()),
            xpath::Value::Nodes(nodes) => xpath::printed(&nodes),
            xpath::Value::Number(number) => xpath::go_number(number),
            xpath::Value::Truth(truth) => truth.to_string(),
            xpath::Value::Text(text) => text,
        };
        if found == self.result {
            return Ok(true);
        }
        Err(format!(
            "Cannot match XPath query with attended result; result: {}; expected: {}",
            golang::quoted(&found.into()),
            golang::quoted(&self.result.as_str().into())
        ))
    }
}

/// A text; a number or truth as one, since it is compared with one.
fn text(map: &Map<String, Value>, key: &str) -> Result<Option<String>, Syntax> {
    match map.get(key) {
        None => Ok(None),
        Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => Ok(Some(golang::plain(value))),
        Some(value) => Err(Syntax::argument(key, "string", value).inside(key)),
    }
}
