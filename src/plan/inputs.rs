//! What planning is given, and the values of variables: `default`, then `env`, then `--var-file`, then `--var`; the last one wins.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::definition::{Definition, Unknown, Variable};
use crate::diagnostic::Diagnostic;
use crate::expression::{Object, Value};
use crate::secret::Secrets;
use crate::source::{Place, Route};

/// What is given to a definition from outside. `cli` gathers it.
#[derive(Clone, Default)]
pub struct Given {
    /// The environment, of which only [`Definition::environment_names`] are looked at. An empty value counts as not
    /// set: that is how CI systems hand over a secret that does not exist.
    pub environment: BTreeMap<String, String>,
    /// Each `--var-file`: its name and its decoded content, in the order of the command line.
    pub files: Vec<(String, serde_yaml::Value)>,
    /// Each `--var`: name and value, in the order of the command line.
    pub flags: Vec<(String, String)>,
    pub facts: Facts,
}

/// What planning reads: values of variables. A sensitive variable is known by name; its value is in [`Secrets`] alone.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Variables that are not sensitive; null: optional, and nothing was given.
    pub variables: BTreeMap<String, Value>,
    /// Variables whose declaration or value is wrong, which was reported.
    pub unknown: Unknown,
    pub facts: Facts,
}

/// What is so, whatever the command line says. Copies share it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The context `git`.
    pub git: Object,
    /// The context `ci`.
    pub ci: Object,
    pub hash_files: HashFiles,
}

/// The function `hashFiles`, which reads files and so comes from `cli`. It gives the digest, empty when no file is chosen.
#[derive(Clone, Default)]
pub struct HashFiles(Option<Rc<Hash>>);

type Hash = dyn Fn(&[String]) -> Result<String, String>;

impl HashFiles {
    pub fn new(hash: impl Fn(&[String]) -> Result<String, String> + 'static) -> Self {
        Self(Some(Rc::new(hash)))
    }

    /// Calls it; none: there is none here.
    pub(super) fn call(&self, patterns: &[Value]) -> Option<Result<Value, String>> {
        let patterns: Vec<String> = patterns.iter().map(Value::to_string).collect();
        self.0.as_ref().map(|hash| hash(&patterns).map(Value::String))
    }
}

impl std::fmt::Debug for HashFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashFiles")
    }
}

/// Where a value comes from.
enum Origin<'a> {
    Environment(&'a str),
    File(&'a str),
    Flag,
}

/// The values of a definition's variables.
///
/// # Errors
/// Required ones that are missing, values of another type than the default's, unknown names. Those about a flag or a
/// file of variables have no place in the definition.
pub fn resolve_variables(definition: &Definition, given: &Given) -> Result<(Inputs, Secrets), Vec<Diagnostic>> {
    let (inputs, secrets, diagnostics) = read_variables(definition, given);
    if diagnostics.is_empty() { Ok((inputs, secrets)) } else { Err(diagnostics) }
}

/// The values of those variables that have one, and what is wrong with the others. A variable whose declaration could not
/// be read has no value, and nothing is said about what it is given.
#[must_use]
pub fn read_variables(definition: &Definition, given: &Given) -> (Inputs, Secrets, Vec<Diagnostic>) {
    let undeclared = definition.broken.names(&Route::root().key("variables"));
    let mut diagnostics = unknown_names(definition, &undeclared, given);
    let mut inputs = Inputs { unknown: undeclared.clone(), facts: given.facts.clone(), ..Inputs::default() };
    let mut secrets = Secrets::default();
    for variable in definition.variables.iter().filter(|variable| !undeclared.has(Some(&variable.name))) {
        match value(variable, given) {
            Ok(value) if variable.sensitive => secrets.insert(&variable.name, value.to_string()),
            Ok(value) => drop(inputs.variables.insert(variable.name.clone(), value)),
            Err(diagnostic) => {
                inputs.unknown.insert(&variable.name);
                diagnostics.push(diagnostic);
            }
        }
    }
    (inputs, secrets, diagnostics)
}

fn unknown_names(definition: &Definition, undeclared: &Unknown, given: &Given) -> Vec<Diagnostic> {
    let names: Vec<&str> = definition.variables.iter().map(|variable| variable.name.as_str()).collect();
    let unknown = |origin: String, name: &str| {
        let diagnostic = Diagnostic::error("unknown-variable", format!("{origin}: there is no variable `{name}`"));
        if names.is_empty() {
            return diagnostic.help("the definition has no variables");
        }
        diagnostic.nearest(name, "variables of the definition", names.iter().copied())
    };
    let is_known = |name: &str| names.contains(&name) || undeclared.has(Some(name));
    let mut diagnostics = Vec::new();
    for (file, content) in &given.files {
        let Some(mapping) = content.as_mapping() else {
            let message = format!("the file of variables `{file}` is not a mapping of names to values");
            let help = "write a line `NAME: value` for each, or JSON";
            diagnostics.push(Diagnostic::error("variables-file", message).help(help));
            continue;
        };
        let keys = mapping.keys().filter_map(serde_yaml::Value::as_str);
        diagnostics.extend(keys.filter(|key| !is_known(key)).map(|key| unknown(format!("`{file}`"), key)));
    }
    let flags = given.flags.iter().filter(|(name, _)| !is_known(name));
    diagnostics.extend(flags.map(|(name, _)| unknown("`--var`".to_owned(), name)));
    diagnostics
}

fn value(variable: &Variable, given: &Given) -> Result<Value, Diagnostic> {
    if let Some((_, text)) = given.flags.iter().rev().find(|(name, _)| *name == variable.name) {
        return typed(variable, Value::from(text.as_str()), &Origin::Flag);
    }
    for (file, content) in given.files.iter().rev() {
        if let Some(value) = content.get(variable.name.as_str()).filter(|value| !value.is_null()) {
            // What is no JSON, such as a value with a tag, has no type that a variable could have.
            let value = serde_json::to_value(value).map_or_else(|_| Value::from(Vec::new()), Value::from);
            return typed(variable, value, &Origin::File(file));
        }
    }
    if let Some(name) = &variable.env
        && let Some(text) = given.environment.get(name).filter(|text| !text.is_empty())
    {
        return typed(variable, Value::from(text.as_str()), &Origin::Environment(name));
    }
    match &variable.default {
        Some(default) => Ok(default.clone()),
        None if variable.required => Err(missing(variable)),
        None => Ok(Value::Null),
    }
}

/// The value as the type that the default has; without a default, as it is. The value is never part of a message: the
/// variable may be sensitive, or hold what a person took for something else.
fn typed(variable: &Variable, value: Value, origin: &Origin<'_>) -> Result<Value, Diagnostic> {
    if !value.is_primitive() {
        return Err(mismatch(variable, "a text, a number or a boolean", origin));
    }
    match &variable.default {
        Some(Value::Number(_)) => match &value {
            Value::String(text) if text.trim().is_empty() => Err(mismatch(variable, "a number", origin)),
            Value::Number(_) | Value::String(_) if !value.to_number().is_nan() => Ok(Value::Number(value.to_number())),
            _ => Err(mismatch(variable, "a number", origin)),
        },
        Some(Value::Bool(_)) => match value.to_string().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(mismatch(variable, "`true` or `false`", origin)),
        },
        Some(Value::String(_)) => Ok(Value::String(value.to_string())),
        _ => Ok(value),
    }
}

fn mismatch(variable: &Variable, expected: &str, origin: &Origin<'_>) -> Diagnostic {
    let name = &variable.name;
    let from = match origin {
        Origin::Environment(env) => format!("the environment variable `{env}`"),
        Origin::File(file) => format!("`{file}`"),
        Origin::Flag => format!("`--var {name}=…`"),
    };
    let message = format!("{from} gives `{name}` a value that is not {expected}");
    let diagnostic =
        Diagnostic::error("variable-type", message).help(format!("its default says of which type `{name}` is"));
    match origin {
        Origin::Environment(_) => diagnostic.at(Place::Key(variable.route.clone())),
        Origin::File(_) | Origin::Flag => diagnostic,
    }
}

fn missing(variable: &Variable) -> Diagnostic {
    let name = &variable.name;
    let place = Place::Key(variable.route.clone());
    let diagnostic =
        Diagnostic::error("missing-variable", format!("the required variable `{name}` has no value")).at(place);
    match &variable.env {
        Some(env) => diagnostic.help(format!("set the environment variable `{env}`, or give `--var {name}=…`")),
        None => diagnostic.help(format!("give it as `--var {name}=…` or in a `--var-file`")),
    }
}
