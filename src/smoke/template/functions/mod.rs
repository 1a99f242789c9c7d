//! The functions of templates: Go's own, goss's, and those of Sprig that goss files use.
//!
//! Where two have one name goss's win over Sprig's, and Sprig's over Go's (`slice`), as in goss. What is left out of
//! Sprig: secrets and certificates, random values, UUIDs, durations, URLs, and the network; a test configuration that
//! answers differently each time, or asks elsewhere, proves nothing.

mod builtin;
mod convert;
mod date;
mod dict;
mod encoding;
mod list;
mod math;
mod pattern;
mod semver;
mod text;

pub(crate) use text::clean;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::limits::{Budget, LARGEST_TEXT, LONGEST_LIST};
use super::value::{Map, Value};
use super::{Host, format};

/// A function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    pub name: &'static str,
    /// How many arguments it takes; without a maximum, any number.
    pub least: usize,
    pub most: Option<usize>,
    /// Evaluates its arguments only up to the first of this truth.
    pub(super) short_circuit: Option<bool>,
    pub(super) run: fn(&Call, &[Value]) -> Result<Value, Fault>,
}

impl Function {
    /// Go's words for a wrong number of arguments.
    pub(super) fn wrong_count(&self, got: usize) -> Option<String> {
        let Self { name, least, most, .. } = self;
        if got >= *least && most.is_none_or(|most| got <= most) {
            return None;
        }
        let want = if *most == Some(*least) { least.to_string() } else { format!("at least {least}") };
        Some(format!("wrong number of args for {name}: want {want} got {got}"))
    }
}

/// What a function can reach.
pub(super) struct Call<'a> {
    pub(super) budget: &'a Budget,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) host: &'a dyn Host,
}

/// Why a function has no value.
#[derive(Debug)]
pub(super) enum Fault {
    /// An argument is of another type.
    Argument(usize, String),
    Call(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::Call(message)
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::Call(message.to_owned())
    }
}

type Answer = Result<Value, Fault>;

const fn function(name: &'static str, least: usize, most: usize, run: fn(&Call, &[Value]) -> Answer) -> Function {
    Function { name, least, most: Some(most), short_circuit: None, run }
}

const fn variadic(name: &'static str, least: usize, run: fn(&Call, &[Value]) -> Answer) -> Function {
    Function { name, least, most: None, short_circuit: None, run }
}

/// All functions by topic, as the documentation lists them.
pub const TOPICS: &[(&str, &[Function])] = &[
    ("Go", builtin::FUNCTIONS),
    ("goss", text::GOSS),
    ("Text", text::FUNCTIONS),
    ("Regular expressions", pattern::FUNCTIONS),
    ("Numbers", math::FUNCTIONS),
    ("Lists", list::FUNCTIONS),
    ("Maps", dict::FUNCTIONS),
    ("Defaults, conversions and types", convert::FUNCTIONS),
    ("Encodings and digests", encoding::FUNCTIONS),
    ("Versions", semver::FUNCTIONS),
    ("Dates", date::FUNCTIONS),
];

/// The function of a name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    let all = || TOPICS.iter().flat_map(|(_, functions)| functions.iter());
    all().find(|function| function.name == name)
}

/// What is said of a name that no function has.
pub(super) fn unknown(name: &str) -> String {
    let names = TOPICS.iter().flat_map(|(_, functions)| functions.iter()).map(|function| function.name);
    let mut near: Vec<(usize, &str)> =
        names.map(|known| (strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()), known)).collect();
    near.retain(|(distance, _)| *distance <= 2 && *distance < name.chars().count());
    near.sort_unstable();
    near.dedup();
    let near: Vec<String> = near.into_iter().take(3).map(|(_, known)| format!("`{known}`")).collect();
    let hint = if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(" or ")) };
    format!("function {name:?} not defined{hint}")
}

fn wrong(index: usize, want: &str, got: &Value) -> Fault {
    Fault::Argument(
        index,
        match got {
            Value::Nil => format!("invalid value; expected {want}"),
            other => format!("wrong type for value; expected {want}; got {}", other.type_name()),
        },
    )
}

/// An argument that must be a text.
fn text_at(arguments: &[Value], index: usize) -> Result<&str, Fault> {
    match arguments.get(index) {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(wrong(index, "string", other)),
        None => Err(wrong(index, "string", &Value::Nil)),
    }
}

/// An argument that must be a whole number.
fn int_at(arguments: &[Value], index: usize) -> Result<i64, Fault> {
    match arguments.get(index) {
        Some(Value::Int(int)) => Ok(*int),
        // As an untyped constant in Go: 3.0 is a whole number.
        Some(Value::Float(float)) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(math::truncate(*float)),
        Some(other) => Err(wrong(index, "int", other)),
        None => Err(wrong(index, "int", &Value::Nil)),
    }
}

/// An argument that must be a map.
fn map_at(arguments: &[Value], index: usize) -> Result<&Rc<Map>, Fault> {
    match arguments.get(index) {
        Some(Value::Map(map)) => Ok(map),
        Some(other) => Err(wrong(index, "map[string]interface {}", other)),
        None => Err(wrong(index, "map[string]interface {}", &Value::Nil)),
    }
}

/// An argument that must be a list; Sprig's own words for what is none.
fn list_at<'a>(name: &str, arguments: &'a [Value], index: usize) -> Result<&'a [Value], Fault> {
    match arguments.get(index) {
        Some(Value::List(list)) => Ok(&list.0),
        Some(other) => Err(format!("Cannot {name} on type {}", other.kind_name()).into()),
        None => Err(wrong(index, "list", &Value::Nil)),
    }
}

/// A text as Sprig's `strval` makes it of anything.
fn string_of(value: &Value) -> Result<String, Fault> {
    Ok(format::verb_v(value)?)
}

/// A text as an answer.
fn text(text: &str) -> Answer {
    if text.len() > LARGEST_TEXT {
        return Err(format!("the text is longer than {LARGEST_TEXT} bytes").into());
    }
    Ok(Value::text(text))
}

/// A list as an answer.
fn list_of(items: Vec<Value>) -> Answer {
    if items.len() > LONGEST_LIST {
        return Err(too_long());
    }
    Ok(Value::list(items))
}

fn too_long() -> Fault {
    format!("the list has more than {LONGEST_LIST} elements").into()
}

/// A length as Go counts it.
fn count(length: usize) -> Value {
    Value::Int(i64::try_from(length).unwrap_or(i64::MAX))
}

/// A text cut at bytes, as Go does, moved to where characters begin.
fn cut(text: &str, from: usize, to: usize) -> &str {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (from, to) = (floor(from), floor(to));
    &text[from..to.max(from)]
}
