//! Values as Go prints them: goss's output is full of `encoding/json`, `%v` and gomega's `format.Object`.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

/// What a level of gomega's objects is indented by.
const INDENT: &str = "    ";

/// Objects that are longer than this are printed on several lines (gomega `format.longFormThreshold`).
const LONG: usize = 20;

/// JSON as `encoding/json` writes it: keys sorted. With `html`, also `<`, `>` and `&` escaped, its default.
#[must_use]
pub(crate) fn json(value: &Value, html: bool) -> String {
    let mut text = String::new();
    write_json(&mut text, value, html);
    text
}

fn write_json(out: &mut String, value: &Value, html: bool) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&json_number(number)),
        Value::String(text) => write_string(out, text, html),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(out, item, html);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, item)) in sorted(map).into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key, html);
                out.push(':');
                write_json(out, item, html);
            }
            out.push('}');
        }
    }
}

/// A value with the keys of all its mappings in Go's order.
#[must_use]
pub(crate) fn with_sorted_keys(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(with_sorted_keys).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            entries.into_iter().map(|(key, value)| (key, with_sorted_keys(value))).collect()
        }
        other => other,
    }
}

/// The same for what is in a mapping, whose own keys stay in the order of a Go type's fields.
#[must_use]
pub(crate) fn with_inner_sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_sorted_keys(value))).collect(),
        other => other,
    }
}

fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn write_string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{2028}' | '\u{2029}' => push_escape(out, char),
            '<' | '>' | '&' if html => push_escape(out, char),
            char if char < ' ' => push_escape(out, char),
            char => out.push(char),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, char: char) {
    // Writing into a string can't fail.
    let _ = write!(out, "\\u{:04x}", u32::from(char));
}

fn json_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let size = float.abs();
            let scientific = size != 0.0 && !(1e-6..1e21).contains(&size);
            if scientific { exponent(float, 1) } else { format!("{float}") }
        }
        _ => number.to_string(),
    }
}

/// Scientific notation with a sign, and at least so many digits, in its exponent.
fn exponent(float: f64, digits: usize) -> String {
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>digits$}")
}

/// `fmt.Sprintf("%v")`.
#[must_use]
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => plain_number(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries = sorted(map).into_iter().map(|(key, value)| format!("{key}:{}", plain(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
    }
}

/// `%v` of a number: whole ones in full, others as `%g`, which turns to an exponent at a million.
fn plain_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let size = float.abs();
            let scientific = size != 0.0 && !(1e-4..1e6).contains(&size);
            if scientific { exponent(float, 2) } else { format!("{float}") }
        }
        _ => number.to_string(),
    }
}

/// `fmt.Sprintf("%q")`.
#[must_use]
pub(crate) fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "%!q(<nil>)".to_owned(),
        Value::Bool(value) => format!("%!q(bool={value})"),
        Value::Number(number) => format!("%!q({}={})", type_name(value), plain_number(number)),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries = sorted(map).into_iter().map(|(key, value)| format!("{key:?}:{}", quoted(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
    }
}

/// `fmt.Sprintf("%T")`.
#[must_use]
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// gomega's `format.Object(value, 1)`: its type and value, indented once.
#[must_use]
pub(crate) fn object(value: &Value) -> String {
    match value {
        Value::Null => format!("{INDENT}<nil>: nil"),
        // Text stands as it is, each line of it indented.
        Value::String(text) => format!("{INDENT}<string>: {}", text.replace('\n', "\n    ")),
        value => format!("{INDENT}<{}>: {}", sized_type(value), nested(value, 1)),
    }
}

fn sized_type(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("{} | len:{}, cap:{}", type_name(value), items.len(), items.len()),
        Value::Object(map) => format!("{} | len:{}", type_name(value), map.len()),
        _ => type_name(value).to_owned(),
    }
}

fn nested(value: &Value, level: usize) -> String {
    let typed = |value: &Value| match value {
        Value::Null => "nil".to_owned(),
        value => format!("<{}>{}", sized_type(value), nested(value, level + 1)),
    };
    match value {
        Value::Null => "nil".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => spread('[', items.iter().map(typed).collect(), ']', level),
        Value::Object(map) => {
            let entries = sorted(map).into_iter().map(|(key, value)| format!("{key:?}: {}", typed(value)));
            spread('{', entries.collect(), '}', level)
        }
        value => plain(value),
    }
}

/// Items on one line, or on one each when they are long.
fn spread(open: char, items: Vec<String>, close: char, level: usize) -> String {
    if items.iter().map(String::len).sum::<usize>() <= LONG {
        return format!("{open}{}{close}", items.join(", "));
    }
    let indent = INDENT.repeat(level);
    format!("{open}\n{indent}{INDENT}{},\n{indent}{close}", items.join(&format!(",\n{indent}{INDENT}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_sorted_and_escapes_markup_only_when_go_would() {
        let value = json!({"b": [1, 2.0, 1e21, 1e-7, null], "a": "<\"\u{7}\n\u{2028}>&"});
        assert_eq!(json(&value, false), "{\"a\":\"<\\\"\\u0007\\n\\u2028>&\",\"b\":[1,2,1e+21,1e-7,null]}");
        assert_eq!(json(&json!("<&>"), true), "\"\\u003c\\u0026\\u003e\"");
    }

    #[test]
    fn values_print_as_go_prints_them() {
        assert_eq!(plain(&json!([1, "a", {"k": [true, null]}])), "[1 a map[k:[true <nil>]]]");
        assert_eq!(quoted(&json!(["a", 5, true, null])), "[\"a\" %!q(int=5) %!q(bool=true) %!q(<nil>)]");
        assert_eq!(plain(&json!(128.5)), "128.5");
        assert_eq!(plain(&json!(128.0)), "128");
        assert_eq!(plain(&json!(123_456_789.0)), "1.23456789e+08");
        assert_eq!(plain(&json!(123_456_789)), "123456789");
    }

    #[test]
    fn objects_print_as_gomega_prints_them() {
        assert_eq!(object(&json!("one\ntwo\n")), "    <string>: one\n    two\n    ");
        assert_eq!(object(&json!(5)), "    <int>: 5");
        assert_eq!(object(&json!(null)), "    <nil>: nil");
        assert_eq!(object(&json!(["a"])), "    <[]interface {} | len:1, cap:1>: [<string>\"a\"]");
        assert_eq!(
            object(&json!({"key": "a longer text"})),
            "    <map[string]interface {} | len:1>: {\n        \"key\": <string>\"a longer text\",\n    }"
        );
    }
}
