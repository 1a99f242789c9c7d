//! `variables`: what `${{ vars.NAME }}` reads.

use std::sync::LazyLock;

use super::decode::{Decoder, Keys, Node};
use super::language;
use super::model::{Problem, Variable};
use super::scalar;
use crate::diagnostic::Diagnostic;
use crate::expression::Value;
use crate::source::Place;

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Variable>);

pub(super) fn variables(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Variable> {
    let mut variables: Vec<Variable> = Vec::new();
    for (name, node) in decoder.entries(node, "`variables`").unwrap_or_default() {
        if !is_name(name) {
            let message = format!("`{name}` is no name of a variable");
            let help = "a name begins with a letter or `_`, and has letters, digits, `_` and `-` only";
            decoder.push(Diagnostic::error("bad-name", message).at(Place::Key(node.route.clone())).help(help));
        }
        // Contexts find their keys whatever the case, so two such names would be one.
        if let Some(same) = variables.iter().find(|variable| variable.name.to_lowercase() == name.to_lowercase()) {
            let message = format!("the variables `{}` and `{name}` differ in case only", same.name);
            let diagnostic = Diagnostic::error("bad-name", message).at(Place::Key(node.route.clone()));
            decoder.push(diagnostic.help("the case of a name makes no difference: call one of them otherwise"));
        }
        if let Some(variable) = variable(decoder, name, &node) {
            variables.push(variable);
        }
    }
    variables
}

fn variable(decoder: &mut Decoder<'_>, name: &str, node: &Node<'_>) -> Option<Variable> {
    let (name, route) = (name.to_owned(), node.route.clone());
    if !node.value.is_mapping() {
        let default = decoder.literal(node, default)?;
        return Some(Variable { name, route, env: None, default: Some(default), required: false, sensitive: false });
    }
    let table = decoder.table(node, &KEYS)?;
    let env = table.get("env").and_then(|node| decoder.literal(&node, environment_name));
    let default = table.get("default").and_then(|node| decoder.literal(&node, default));
    let required = table.get("required").and_then(|node| decoder.literal(&node, scalar::boolean)).unwrap_or_default();
    let sensitive = table.get("sensitive").and_then(|node| decoder.literal(&node, scalar::boolean)).unwrap_or_default();
    if required && default.is_some() {
        let message = format!("the variable `{name}` is required and has a default");
        let help = "with a default it never has to be given: leave out one of the two";
        decoder.push(Diagnostic::error("conflict", message).at(Place::Key(route.key("required"))).help(help));
    }
    Some(Variable { name, route, env, default, required, sensitive })
}

fn default(value: &Value) -> Result<Value, Problem> {
    match value {
        Value::Array(_) | Value::Object(_) | Value::Null => {
            let message = format!("a default is a text, a number or a boolean, not {}", scalar::describe(value));
            Err(Problem::new(message).help("write a list as a text in JSON, and read it by `fromJSON(vars.NAME)`"))
        }
        _ => Ok(value.clone()),
    }
}

fn environment_name(value: &Value) -> Result<String, Problem> {
    let name = scalar::line(value)?;
    if !is_environment_name(&name) {
        return Err(Problem::new(format!("`{name}` is no name of an environment variable"))
            .help("write the name alone, without `$`: it has letters, digits and `_` only"));
    }
    Ok(name)
}

pub(super) fn is_environment_name(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// What `vars.NAME` can name, which is also what an `id:` may be.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char))
}
