//! The functions of the language: their names, how many arguments they take, and those that need nothing but these.

use std::fmt;

use super::evaluate::{MAX_MEMORY, OUT_OF_MEMORY};
use super::value::{Value, upper_case};

pub(super) struct Function {
    /// In its canonical spelling; calls may spell it in any case.
    pub(super) name: &'static str,
    min: usize,
    max: usize,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// Its value depends on the arguments alone.
    Pure(fn(&[Value]) -> Result<Value, String>),
    /// Evaluates only the arguments that it needs: the evaluator knows how.
    Case,
    /// Supplied by the environment.
    Environment,
}

/// The most arguments that GitHub lets a function have that takes any number of them.
const ANY: usize = 255;

const FUNCTIONS: &[Function] = &[
    Function { name: "contains", min: 2, max: 2, body: Body::Pure(contains) },
    Function { name: "startsWith", min: 2, max: 2, body: Body::Pure(starts_with) },
    Function { name: "endsWith", min: 2, max: 2, body: Body::Pure(ends_with) },
    Function { name: "format", min: 1, max: ANY, body: Body::Pure(format) },
    Function { name: "join", min: 1, max: 2, body: Body::Pure(join) },
    Function { name: "toJSON", min: 1, max: 1, body: Body::Pure(to_json) },
    Function { name: "fromJSON", min: 1, max: 1, body: Body::Pure(from_json) },
    Function { name: "case", min: 3, max: ANY, body: Body::Case },
    Function { name: "hashFiles", min: 1, max: ANY, body: Body::Environment },
    Function { name: "success", min: 0, max: 0, body: Body::Environment },
    Function { name: "failure", min: 0, max: 0, body: Body::Environment },
    Function { name: "always", min: 0, max: 0, body: Body::Environment },
    Function { name: "cancelled", min: 0, max: 0, body: Body::Environment },
];

/// The function of a name, whatever its case.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// The names of all functions.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

impl Function {
    /// Whether it can be called with so many arguments; else why not.
    pub(super) fn check_arity(&self, count: usize) -> Result<(), String> {
        let Self { name, min, max, .. } = self;
        if count < *min {
            Err(format!("too few parameters for `{name}`: {count} given, at least {min} needed"))
        } else if count > *max {
            Err(format!("too many parameters for `{name}`: {count} given, at most {max} allowed"))
        } else if matches!(self.body, Body::Case) && count.is_multiple_of(2) {
            Err(format!(
                "even number of parameters for `{name}`: pairs of condition and value, then a default, are needed"
            ))
        } else {
            Ok(())
        }
    }
}

fn contains(arguments: &[Value]) -> Result<Value, String> {
    let found = match arguments {
        [Value::Array(items), item] => items.iter().any(|candidate| item.loosely_equals(candidate)),
        [text, part] if text.is_primitive() && part.is_primitive() => {
            text.to_string().to_lowercase().contains(&part.to_string().to_lowercase())
        }
        _ => false,
    };
    Ok(Value::Bool(found))
}

fn starts_with(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(compare_ends(arguments, |text, part| text.starts_with(part))))
}

fn ends_with(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(compare_ends(arguments, |text, part| text.ends_with(part))))
}

fn compare_ends(arguments: &[Value], compare: impl Fn(&str, &str) -> bool) -> bool {
    match arguments {
        [text, part] if text.is_primitive() && part.is_primitive() => {
            compare(&upper_case(&text.to_string()), &upper_case(&part.to_string()))
        }
        _ => false,
    }
}

fn join(arguments: &[Value]) -> Result<Value, String> {
    let separator = match arguments.get(1) {
        Some(separator) if separator.is_primitive() => separator.to_string(),
        _ => ",".to_owned(),
    };
    let mut joined = Bounded::default();
    match arguments.first() {
        Some(Value::Array(items)) => {
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    joined.push(&separator)?;
                }
                joined.push(&item.to_string())?;
            }
        }
        Some(value) if value.is_primitive() => joined.push(&value.to_string())?,
        _ => {}
    }
    Ok(Value::String(joined.0))
}

/// A text that stops growing where the evaluator would refuse it anyway: a few characters can ask for gigabytes.
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    fn push(&mut self, text: &str) -> Result<(), String> {
        /// What counts as two bytes takes at most three here.
        const MAX_BYTES: usize = MAX_MEMORY / 2 * 3;
        if self.0.len() + text.len() > MAX_BYTES {
            return Err(OUT_OF_MEMORY.to_owned());
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Only growing too large makes it fail.
impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text).map_err(|_| fmt::Error)
    }
}

fn to_json(arguments: &[Value]) -> Result<Value, String> {
    let mut json = Bounded::default();
    let written = arguments.first().unwrap_or(&Value::Null).write_json(&mut json, 0);
    written.map_err(|_| OUT_OF_MEMORY.to_owned())?;
    Ok(Value::String(json.0))
}

fn from_json(arguments: &[Value]) -> Result<Value, String> {
    let text = arguments.first().unwrap_or(&Value::Null).to_string();
    if text.trim().is_empty() {
        return Err("`fromJSON` was given an empty text".to_owned());
    }
    // The message of the parser says where, never what: the text may hold a secret.
    let json: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| format!("`fromJSON` was given a text that is not JSON: {error}"))?;
    Ok(Value::from(json))
}

fn format(arguments: &[Value]) -> Result<Value, String> {
    let template = arguments.first().unwrap_or(&Value::Null).to_string();
    let values = arguments.get(1..).unwrap_or_default();
    let invalid = || format!("the format string is invalid: `{template}`");
    let mut text = Bounded::default();
    let mut rest = template.as_str();
    while let Some(index) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(index);
        text.push(before)?;
        // A doubled brace stands for itself.
        if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
            text.push(brace.get(..1).unwrap_or_default())?;
            rest = after;
            continue;
        }
        let (position, after) = brace.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(invalid)?;
        if position.is_empty() || !position.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let value = position
            .parse::<usize>()
            .ok()
            .and_then(|position| values.get(position))
            .ok_or_else(|| format!("the format string refers to more arguments than were given: `{template}`"))?;
        text.push(&value.to_string())?;
        rest = after;
    }
    text.push(rest)?;
    Ok(Value::String(text.0))
}
