//! Values as text: Go's `fmt`, and its JSON.

use std::fmt::Write as _;

use super::limits::{DEEPEST_VALUE, Text};
use super::value::Value;

/// What an action writes of a value.
pub(super) fn plain(value: &Value) -> Result<String, String> {
    verb_v(value)
}

/// `%v`.
pub(super) fn verb_v(value: &Value) -> Result<String, String> {
    let mut out = Text::default();
    write_v(&mut out, value, 0)?;
    Ok(out.into_string())
}

fn write_v(out: &mut Text, value: &Value, depth: usize) -> Result<(), String> {
    if depth > DEEPEST_VALUE {
        return Err(format!("the value nests deeper than {DEEPEST_VALUE} levels"));
    }
    match value {
        Value::Nil => out.push("<nil>"),
        Value::Bool(bool) => out.push(if *bool { "true" } else { "false" }),
        Value::Int(int) => out.push(&int.to_string()),
        Value::Float(float) => out.push(&float_g(*float, None)),
        Value::Text(text) => out.push(text),
        Value::Time(time) => out.push(&time.format("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string()),
        Value::List(list) => {
            out.push("[")?;
            for (index, item) in list.0.iter().enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                write_v(out, item, depth + 1)?;
            }
            out.push("]")
        }
        Value::Map(map) => {
            out.push("map[")?;
            for (index, (key, item)) in map.entries.borrow().iter().enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                out.push(key)?;
                out.push(":")?;
                write_v(out, item, depth + 1)?;
            }
            out.push("]")
        }
    }
}

/// `fmt.Sprint`: a space between two of which neither is a text.
pub(super) fn print(values: &[Value]) -> Result<String, String> {
    let mut out = Text::default();
    for (index, value) in values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        if index > 0 && !is_text(value) && !is_text(&values[index - 1]) {
            out.push(" ")?;
        }
        out.push(&verb_v(value)?)?;
    }
    Ok(out.into_string())
}

/// `fmt.Sprintln`.
pub(super) fn println(values: &[Value]) -> Result<String, String> {
    let mut out = Text::default();
    for (index, value) in values.iter().enumerate() {
        out.push(if index > 0 { " " } else { "" })?;
        out.push(&verb_v(value)?)?;
    }
    out.push("\n")?;
    Ok(out.into_string())
}

/// Flags, width and precision of a verb.
#[derive(Clone, Debug, Default)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `fmt.Sprintf`, without explicit argument indexes.
pub(super) fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = Text::default();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        out.push(&rest[..percent])?;
        let (spec, verb, after) = spec_of(&rest[percent + 1..], &mut values);
        rest = after;
        match verb {
            None => out.push("%!(NOVERB)")?,
            Some('%') => out.push("%")?,
            Some(verb) => match values.next() {
                None => out.push(&format!("%!{verb}(MISSING)"))?,
                Some(value) => write_verb(&mut out, &spec, verb, value, 0)?,
            },
        }
    }
    out.push(rest)?;
    let extra: Vec<&Value> = values.collect();
    if !extra.is_empty() {
        let named = extra.into_iter().map(|value| match value {
            Value::Nil => Ok("<nil>".to_owned()),
            value => Ok(format!("{}={}", value.type_name(), verb_v(value)?)),
        });
        let named: Vec<String> = named.collect::<Result<_, String>>()?;
        out.push(&format!("%!(EXTRA {})", named.join(", ")))?;
    }
    Ok(out.into_string())
}

/// What follows a `%`: the flags, the verb if there is one, and the rest.
fn spec_of<'a>(text: &'a str, values: &mut std::slice::Iter<Value>) -> (Spec, Option<char>, &'a str) {
    let mut spec = Spec::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next().filter(|char| "+-# 0".contains(*char)) {
        match flag {
            '+' => spec.plus = true,
            '-' => spec.minus = true,
            '#' => spec.sharp = true,
            ' ' => spec.space = true,
            _ => spec.zero = true,
        }
        rest = &rest[1..];
    }
    (spec.width, rest) = number_of(rest, values);
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number_of(after, values);
        spec.precision = Some(precision.unwrap_or(0));
        rest = after;
    }
    // Zeros are never to the right.
    spec.zero &= !spec.minus;
    let verb = rest.chars().next();
    (spec, verb, verb.map_or(rest, |verb| &rest[verb.len_utf8()..]))
}

/// Digits, or `*` for the next value.
fn number_of<'a>(text: &'a str, values: &mut std::slice::Iter<Value>) -> (Option<usize>, &'a str) {
    if let Some(rest) = text.strip_prefix('*') {
        let width = match values.next() {
            Some(Value::Int(int)) => usize::try_from(*int).ok(),
            _ => None,
        };
        return (width, rest);
    }
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().ok(), &text[end..])
}

fn write_verb(out: &mut Text, spec: &Spec, verb: char, value: &Value, depth: usize) -> Result<(), String> {
    if depth > DEEPEST_VALUE {
        return Err(format!("the value nests deeper than {DEEPEST_VALUE} levels"));
    }
    if spec.width.max(spec.precision).is_some_and(|size| size > 1_000_000) {
        // fmt's own bound.
        return out.push("%!(BADWIDTH)");
    }
    match (verb, value) {
        ('T', value) => pad(out, spec, value.type_name(), false),
        ('v' | 's', Value::List(list)) | (_, Value::List(list)) if verb != 'p' => {
            out.push("[")?;
            for (index, item) in list.0.iter().enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                write_verb(out, spec, verb, item, depth + 1)?;
            }
            out.push("]")
        }
        (_, Value::Map(map)) if verb != 'p' => {
            out.push("map[")?;
            for (index, (key, item)) in map.entries.borrow().iter().enumerate() {
                out.push(if index > 0 { " " } else { "" })?;
                write_verb(out, spec, verb, &Value::text(key), depth + 1)?;
                out.push(":")?;
                write_verb(out, spec, verb, item, depth + 1)?;
            }
            out.push("]")
        }
        ('v', Value::Nil) => pad(out, spec, "<nil>", false),
        (_, Value::Nil) => out.push(&format!("%!{verb}(<nil>)")),
        ('t' | 'v', Value::Bool(bool)) => pad(out, spec, if *bool { "true" } else { "false" }, false),
        (_, Value::Int(int)) => match integer(spec, verb, *int) {
            Some(text) => pad(out, spec, &text, spec.precision.is_none() && verb != 'q' && verb != 'c' && verb != 'U'),
            None => bad(out, verb, value),
        },
        (_, Value::Float(float)) => match floating(spec, verb, *float) {
            Some(text) => pad(out, spec, &text, float.is_finite()),
            None => bad(out, verb, value),
        },
        (_, Value::Text(text)) => match string(spec, verb, text) {
            Some(text) => pad(out, spec, &text, true),
            None => bad(out, verb, value),
        },
        ('v' | 's', value @ Value::Time(_)) => pad(out, spec, &verb_v(value)?, false),
        _ => bad(out, verb, value),
    }
}

fn bad(out: &mut Text, verb: char, value: &Value) -> Result<(), String> {
    out.push(&format!("%!{verb}({}={})", value.type_name(), verb_v(value)?))
}

/// Fills up to the width, with zeros after the sign where they are asked for.
fn pad(out: &mut Text, spec: &Spec, text: &str, zeros: bool) -> Result<(), String> {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        out.push(text)?;
        return out.fill(" ", missing);
    }
    if spec.zero && zeros {
        let signed = text.starts_with(['+', '-', ' ']);
        let (sign, digits) = text.split_at(usize::from(signed));
        out.push(sign)?;
        out.fill("0", missing)?;
        return out.push(digits);
    }
    out.fill(" ", missing)?;
    out.push(text)
}

fn sign(spec: &Spec, negative: bool) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn integer(spec: &Spec, verb: char, int: i64) -> Option<String> {
    let size = int.unsigned_abs();
    let (prefix, mut digits) = match verb {
        'd' | 'v' => ("", size.to_string()),
        'x' => (if spec.sharp { "0x" } else { "" }, format!("{size:x}")),
        'X' => (if spec.sharp { "0X" } else { "" }, format!("{size:X}")),
        'o' => (if spec.sharp { "0" } else { "" }, format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'b' => (if spec.sharp { "0b" } else { "" }, format!("{size:b}")),
        'c' | 'q' | 'U' => return Some(character(verb, int)),
        _ => return None,
    };
    if let Some(precision) = spec.precision {
        if precision == 0 && size == 0 {
            digits.clear();
        }
        digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
    }
    Some(format!("{}{prefix}{digits}", sign(spec, int < 0)))
}

fn character(verb: char, int: i64) -> String {
    let char = u32::try_from(int).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    match verb {
        'c' => char.to_string(),
        'U' => format!("U+{int:04X}"),
        _ if char == '\'' => r"'\''".to_owned(),
        _ if char == '"' => "'\"'".to_owned(),
        _ => {
            let quoted = quote(char.encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

fn floating(spec: &Spec, verb: char, float: f64) -> Option<String> {
    let size = float.abs();
    let text = match verb {
        _ if !"vgGeEfF".contains(verb) => return None,
        _ if float.is_nan() => "NaN".to_owned(),
        _ if float.is_infinite() => "Inf".to_owned(),
        'f' | 'F' => format!("{size:.*}", spec.precision.unwrap_or(6)),
        'e' => exponent(size, spec.precision.or(Some(6))),
        'E' => exponent(size, spec.precision.or(Some(6))).to_uppercase(),
        'G' => float_g(size, spec.precision).to_uppercase(),
        _ => float_g(size, spec.precision),
    };
    let sign =
        if float.is_infinite() && float > 0.0 { "+" } else { sign(spec, float.is_sign_negative() && !float.is_nan()) };
    Some(format!("{sign}{text}"))
}

/// `%e`: at least two digits of exponent. Without a precision as many digits as it takes.
fn exponent(float: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{float:.precision$e}"),
        None => format!("{float:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: an exponent where it is below -4 or not below the precision (6 where the shortest text is asked for).
fn float_g(float: f64, precision: Option<usize>) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let precision = precision.map(|precision| precision.max(1));
    let text = exponent(float, precision.map(|precision| precision - 1));
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or_default();
    let digits = mantissa.trim_start_matches('-').replace('.', "");
    let digits = digits.trim_end_matches('0');
    let threshold = match precision {
        None => 6,
        Some(precision) if precision > digits.len() && i32::try_from(digits.len()).unwrap_or(i32::MAX) > power => {
            i32::try_from(digits.len()).unwrap_or(i32::MAX)
        }
        Some(precision) => i32::try_from(precision).unwrap_or(i32::MAX),
    };
    if power < -4 || power >= threshold {
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        let power = if power < 0 { format!("-{:02}", -power) } else { format!("+{power:02}") };
        return format!("{mantissa}e{power}");
    }
    match precision {
        None => format!("{float}"),
        Some(precision) => {
            let places = i32::try_from(precision).unwrap_or(i32::MAX) - 1 - power;
            let fixed = format!("{float:.*}", usize::try_from(places).unwrap_or(0));
            if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed }
        }
    }
}

fn string(spec: &Spec, verb: char, text: &str) -> Option<String> {
    let cut: String = match spec.precision {
        Some(precision) if verb != 'x' && verb != 'X' => text.chars().take(precision).collect(),
        _ => text.to_owned(),
    };
    let hex = |upper: bool| {
        let mut hex = String::with_capacity(text.len() * 2);
        for byte in text.bytes().take(spec.precision.unwrap_or(usize::MAX)) {
            // Writing to a string cannot fail.
            let _ = if upper { write!(hex, "{byte:02X}") } else { write!(hex, "{byte:02x}") };
        }
        hex
    };
    match verb {
        'v' if spec.sharp => Some(quote(&cut)),
        's' | 'v' => Some(cut),
        'q' if spec.sharp && !cut.contains(['`', '\n', '\r']) => Some(format!("`{cut}`")),
        'q' => Some(quote(&cut)),
        'x' => Some(hex(false)),
        'X' => Some(hex(true)),
        _ => None,
    }
}

/// `strconv.Quote`.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            _ if char.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(char))),
            _ if char.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// JSON as `encoding/json` writes it.
pub(super) fn json(value: &Value, pretty: bool, escapes_html: bool) -> Result<String, String> {
    let mut out = Text::default();
    write_json(&mut out, value, pretty, escapes_html, 0)?;
    Ok(out.into_string())
}

fn write_json(out: &mut Text, value: &Value, pretty: bool, html: bool, depth: usize) -> Result<(), String> {
    if depth > DEEPEST_VALUE {
        return Err(format!("the value nests deeper than {DEEPEST_VALUE} levels"));
    }
    let line = |out: &mut Text, depth: usize| {
        if pretty { out.push("\n").and_then(|()| out.fill("  ", depth)) } else { Ok(()) }
    };
    match value {
        Value::Nil => out.push("null"),
        Value::Float(float) if !float.is_finite() => Err(format!("json: unsupported value: {float}")),
        Value::Float(float) => out.push(&json_float(*float)),
        Value::Text(text) => out.push(&json_text(text, html)),
        Value::Time(time) => out.push(&format!("\"{}\"", time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))),
        Value::List(list) if list.0.is_empty() => out.push("[]"),
        Value::List(list) => {
            for (index, item) in list.0.iter().enumerate() {
                out.push(if index > 0 { "," } else { "[" })?;
                line(out, depth + 1)?;
                write_json(out, item, pretty, html, depth + 1)?;
            }
            line(out, depth)?;
            out.push("]")
        }
        Value::Map(map) if map.entries.borrow().is_empty() => out.push("{}"),
        Value::Map(map) => {
            for (index, (key, item)) in map.entries.borrow().iter().enumerate() {
                out.push(if index > 0 { "," } else { "{" })?;
                line(out, depth + 1)?;
                out.push(&json_text(key, html))?;
                out.push(if pretty { ": " } else { ":" })?;
                write_json(out, item, pretty, html, depth + 1)?;
            }
            line(out, depth)?;
            out.push("}")
        }
        scalar => out.push(&verb_v(scalar)?),
    }
}

/// Go's JSON writes an exponent below 1e-6 and from 1e21, with no zero before it.
fn json_float(float: f64) -> String {
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return exponent(float, None).replace("e-0", "e-");
    }
    format!("{float}")
}

fn json_text(text: &str, html: bool) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for char in text.chars() {
        match char {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '<' | '>' | '&' if html => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            '\u{2028}' | '\u{2029}' => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ if char < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => json.push(char),
        }
    }
    json.push('"');
    json
}
