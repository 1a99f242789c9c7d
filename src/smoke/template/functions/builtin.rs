//! The functions that are predefined in Go's templates.

use std::cmp::Ordering;

use super::super::format;
use super::super::limits::Text;
use super::super::value::{Holds, Value, same};
use super::{Answer, Call, Fault, Function, count, function, text, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "and", least: 1, most: None, short_circuit: Some(false), run: |_, _| Ok(Value::Nil) },
    Function { name: "or", least: 1, most: None, short_circuit: Some(true), run: |_, _| Ok(Value::Nil) },
    function("not", 1, 1, |_, arguments| Ok(Value::Bool(!arguments[0].is_true()))),
    variadic("eq", 1, eq),
    function("ne", 2, 2, |_, arguments| equal(&arguments[0], &arguments[1]).map(|equal| Value::Bool(!equal))),
    function("lt", 2, 2, |_, arguments| order(arguments, Ordering::is_lt)),
    function("le", 2, 2, |_, arguments| order(arguments, Ordering::is_le)),
    function("gt", 2, 2, |_, arguments| order(arguments, Ordering::is_gt)),
    function("ge", 2, 2, |_, arguments| order(arguments, Ordering::is_ge)),
    function("len", 1, 1, |_, arguments| len(&arguments[0])),
    variadic("index", 1, |_, arguments| index(arguments)),
    variadic("call", 1, |_, arguments| match &arguments[0] {
        Value::Nil => Err("call of nil".into()),
        other => Err(format!("non-function of type {}", other.type_name()).into()),
    }),
    variadic("print", 0, |_, arguments| text(&format::print(arguments)?)),
    variadic("println", 0, |_, arguments| text(&format::println(arguments)?)),
    variadic("printf", 1, |_, arguments| {
        text(&format::printf(super::text_at(arguments, 0)?, arguments.get(1..).unwrap_or_default())?)
    }),
    variadic("html", 0, |_, arguments| escape(arguments, html)),
    variadic("js", 0, |_, arguments| escape(arguments, js)),
    variadic("urlquery", 0, |_, arguments| escape(arguments, urlquery)),
];

/// Whether the first equals any of the others.
fn eq(_: &Call, arguments: &[Value]) -> Answer {
    let (first, others) = arguments.split_first().unwrap_or((&Value::Nil, &[]));
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    match (left, right) {
        (Value::Nil, other) | (other, Value::Nil) => Ok(matches!(other, Value::Nil)),
        (Value::List(_) | Value::Map(_), _) => {
            Err(format!("non-comparable type {}: {}", short(left), left.type_name()).into())
        }
        (_, Value::List(_) | Value::Map(_)) => {
            Err(format!("non-comparable type {}: {}", short(right), right.type_name()).into())
        }
        _ if std::mem::discriminant(left) != std::mem::discriminant(right) => {
            Err("incompatible types for comparison".into())
        }
        _ => same(left, right).ok_or_else(|| "the values are too large to be compared".into()),
    }
}

/// A value for a message.
fn short(value: &Value) -> String {
    format::verb_v(value).unwrap_or_default().chars().take(80).collect()
}

fn order(arguments: &[Value], holds: fn(Ordering) -> bool) -> Answer {
    let ordering = match (&arguments[0], &arguments[1]) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Int(_) | Value::Float(_) | Value::Text(_), Value::Int(_) | Value::Float(_) | Value::Text(_)) => {
            return Err("incompatible types for comparison".into());
        }
        _ => return Err("invalid type for comparison".into()),
    };
    Ok(Value::Bool(ordering.is_some_and(holds)))
}

fn len(value: &Value) -> Answer {
    match value {
        Value::Text(text) => Ok(count(text.len())),
        Value::List(list) => Ok(count(list.0.len())),
        Value::Map(map) if map.holds != Holds::Root => Ok(count(map.entries.borrow().len())),
        Value::Nil => Err("len of nil pointer".into()),
        other => Err(format!("len of type {}", other.type_name()).into()),
    }
}

/// `index x 1 "a"` is Go's `x[1]["a"]`; a key that isn't there gives the zero value.
fn index(arguments: &[Value]) -> Answer {
    let mut value = arguments[0].clone();
    if matches!(value, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for key in &arguments[1..] {
        value = match &value {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => list.0[position(key, list.0.len())?].clone(),
            Value::Text(text) => {
                let byte = text.as_bytes()[position(key, text.len())?];
                Value::Int(i64::from(byte))
            }
            Value::Map(map) if map.holds != Holds::Root => {
                let key = match key {
                    Value::Text(key) => key.to_string(),
                    // A YAML map with numbers for keys is `map[interface {}]interface {}` there.
                    Value::Int(int) => int.to_string(),
                    Value::Nil => return Err("value is nil; should be of type string".into()),
                    other => {
                        return Err(format!("value has type {}; should be string", other.type_name()).into());
                    }
                };
                let missing = if map.holds == Holds::Text { Value::text("") } else { Value::Nil };
                map.entries.borrow().get(&key).cloned().unwrap_or(missing)
            }
            other => return Err(format!("can't index item of type {}", other.type_name()).into()),
        };
    }
    Ok(value)
}

fn position(key: &Value, length: usize) -> Result<usize, Fault> {
    match key {
        Value::Int(int) => {
            let position = usize::try_from(*int).ok().filter(|position| *position < length);
            position.ok_or_else(|| format!("index out of range: {int}").into())
        }
        Value::Nil => Err("cannot index slice/array with nil".into()),
        other => Err(format!("cannot index slice/array with type {}", other.type_name()).into()),
    }
}

fn escape(arguments: &[Value], replacement: fn(char) -> Option<String>) -> Answer {
    let plain = match arguments {
        [Value::Text(text)] => text.to_string(),
        _ => format::print(arguments)?,
    };
    let mut escaped = Text::default();
    for char in plain.chars() {
        match replacement(char) {
            Some(replaced) => escaped.push(&replaced)?,
            None => escaped.push(char.encode_utf8(&mut [0; 4]))?,
        }
    }
    text(&escaped.into_string())
}

fn html(char: char) -> Option<String> {
    let replacement = match char {
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\0' => "\u{fffd}",
        _ => return None,
    };
    Some(replacement.to_owned())
}

fn js(char: char) -> Option<String> {
    match char {
        '\\' => Some("\\\\".to_owned()),
        '\'' => Some("\\'".to_owned()),
        '"' => Some("\\\"".to_owned()),
        '<' | '>' | '&' | '=' => Some(format!("\\u{:04X}", u32::from(char))),
        _ if char < ' ' => Some(format!("\\u{:04X}", u32::from(char))),
        _ => None,
    }
}

fn urlquery(char: char) -> Option<String> {
    if char.is_ascii_alphanumeric() || "-_.~".contains(char) {
        return None;
    }
    if char == ' ' {
        return Some("+".to_owned());
    }
    Some(char.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect())
}
