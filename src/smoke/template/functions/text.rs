//! Texts: goss's functions, and Sprig's `strings.go`.

use std::collections::BTreeMap;

use super::super::limits::Text;
use super::super::value::{Holds, Value};
use super::{
    Answer, Call, Fault, Function, cut, function, int_at, list_of, pattern, string_of, text, text_at, variadic,
};

/// Those that goss adds itself.
pub(super) const GOSS: &[Function] = &[
    variadic("mkSlice", 0, |_, arguments| list_of(arguments.to_vec())),
    function("getEnv", 1, 2, get_env),
    function("readFile", 1, 1, read_file),
    function("regexMatch", 2, 2, pattern::is_match),
    function("findStringSubmatch", 2, 2, pattern::submatches),
    function("toLower", 1, 1, |_, arguments| text(&text_at(arguments, 0)?.to_lowercase())),
    function("toUpper", 1, 1, |_, arguments| text(&text_at(arguments, 0)?.to_uppercase())),
];

pub(super) const FUNCTIONS: &[Function] = &[
    function("trim", 1, 1, |_, arguments| text(text_at(arguments, 0)?.trim())),
    function("trimAll", 2, 2, trim_all),
    function("trimall", 2, 2, trim_all),
    function("trimSuffix", 2, 2, |_, arguments| {
        let (suffix, whole) = (text_at(arguments, 0)?, text_at(arguments, 1)?);
        text(whole.strip_suffix(suffix).unwrap_or(whole))
    }),
    function("trimPrefix", 2, 2, |_, arguments| {
        let (prefix, whole) = (text_at(arguments, 0)?, text_at(arguments, 1)?);
        text(whole.strip_prefix(prefix).unwrap_or(whole))
    }),
    function("upper", 1, 1, |_, arguments| text(&text_at(arguments, 0)?.to_uppercase())),
    function("lower", 1, 1, |_, arguments| text(&text_at(arguments, 0)?.to_lowercase())),
    function("title", 1, 1, |_, arguments| words(text_at(arguments, 0)?, |first| first.to_uppercase().collect())),
    function("untitle", 1, 1, |_, arguments| words(text_at(arguments, 0)?, |first| first.to_lowercase().collect())),
    function("repeat", 2, 2, repeat),
    function("substr", 3, 3, substr),
    function("trunc", 2, 2, trunc),
    function("nospace", 1, 1, |_, arguments| {
        text(&text_at(arguments, 0)?.chars().filter(|char| !char.is_whitespace()).collect::<String>())
    }),
    function("contains", 2, 2, |_, arguments| Ok(Value::Bool(text_at(arguments, 1)?.contains(text_at(arguments, 0)?)))),
    function("hasPrefix", 2, 2, |_, arguments| {
        Ok(Value::Bool(text_at(arguments, 1)?.starts_with(text_at(arguments, 0)?)))
    }),
    function("hasSuffix", 2, 2, |_, arguments| {
        Ok(Value::Bool(text_at(arguments, 1)?.ends_with(text_at(arguments, 0)?)))
    }),
    variadic("quote", 0, |_, arguments| spaced(arguments, |value| Ok(super::format::quote(&string_of(value)?)))),
    variadic("squote", 0, |_, arguments| spaced(arguments, |value| Ok(format!("'{}'", string_of(value)?)))),
    variadic("cat", 0, |_, arguments| spaced(arguments, string_of)),
    function("indent", 2, 2, |_, arguments| text(&indent(arguments)?)),
    function("nindent", 2, 2, |_, arguments| text(&format!("\n{}", indent(arguments)?))),
    function("replace", 3, 3, |_, arguments| {
        text(&replace(text_at(arguments, 2)?, text_at(arguments, 0)?, text_at(arguments, 1)?)?)
    }),
    function("plural", 3, 3, |_, arguments| text(text_at(arguments, usize::from(int_at(arguments, 2)? != 1))?)),
    function("split", 2, 2, split),
    function("splitList", 2, 2, |_, arguments| {
        let parts = pieces(text_at(arguments, 1)?, text_at(arguments, 0)?);
        list_of(parts.into_iter().map(Value::text).collect())
    }),
    function("join", 2, 2, join),
    function("sortAlpha", 1, 1, |_, arguments| {
        let mut texts = strings(&arguments[0])?;
        texts.sort_unstable();
        list_of(texts.iter().map(|item| Value::text(item)).collect())
    }),
    function("toStrings", 1, 1, |_, arguments| {
        list_of(strings(&arguments[0])?.iter().map(|item| Value::text(item)).collect())
    }),
    function("env", 1, 1, |call, arguments| text(call.env.get(text_at(arguments, 0)?).map_or("", String::as_str))),
    function("expandenv", 1, 1, expand_env),
    function("base", 1, 1, |_, arguments| text(base(text_at(arguments, 0)?))),
    function("dir", 1, 1, |_, arguments| {
        let path = text_at(arguments, 0)?;
        text(&clean(path.rfind('/').map_or("", |slash| &path[..=slash])))
    }),
    function("ext", 1, 1, |_, arguments| {
        let name = text_at(arguments, 0)?.rsplit('/').next().unwrap_or_default();
        text(name.rfind('.').map_or("", |dot| &name[dot..]))
    }),
    function("clean", 1, 1, |_, arguments| text(&clean(text_at(arguments, 0)?))),
    function("isAbs", 1, 1, |_, arguments| Ok(Value::Bool(text_at(arguments, 0)?.starts_with('/')))),
];

fn get_env(call: &Call, arguments: &[Value]) -> Answer {
    let found = call.env.get(text_at(arguments, 0)?).filter(|value| !value.is_empty());
    match found {
        Some(value) => text(value),
        None if arguments.len() > 1 => text(text_at(arguments, 1)?),
        None => text(""),
    }
}

fn read_file(call: &Call, arguments: &[Value]) -> Answer {
    let path = text_at(arguments, 0)?;
    // Reading is no step of ours, but it is work.
    call.budget.spend(1000)?;
    let contents = call.host.read(path).map_err(|error| Fault::Call(format!("open {path}: {error}")))?;
    text(contents.trim())
}

fn trim_all(_: &Call, arguments: &[Value]) -> Answer {
    let set = text_at(arguments, 0)?;
    text(text_at(arguments, 1)?.trim_matches(|char| set.contains(char)))
}

/// Changes the first letter of each word.
fn words(whole: &str, change: fn(char) -> String) -> Answer {
    let mut changed = Text::default();
    let mut in_word = false;
    for char in whole.chars() {
        if in_word {
            changed.push(char.encode_utf8(&mut [0; 4]))?;
        } else {
            changed.push(&change(char))?;
        }
        in_word = char.is_alphanumeric() || matches!(char, '_' | '\'');
    }
    text(&changed.into_string())
}

fn repeat(_: &Call, arguments: &[Value]) -> Answer {
    let times = usize::try_from(int_at(arguments, 0)?).map_err(|_| Fault::from("strings: negative Repeat count"))?;
    let mut repeated = Text::default();
    repeated.fill(text_at(arguments, 1)?, times)?;
    text(&repeated.into_string())
}

fn substr(_: &Call, arguments: &[Value]) -> Answer {
    let (start, end, whole) = (int_at(arguments, 0)?, int_at(arguments, 1)?, text_at(arguments, 2)?);
    let start = usize::try_from(start).unwrap_or(0);
    let end = usize::try_from(end).unwrap_or(whole.len()).min(whole.len());
    text(cut(whole, start, end))
}

fn trunc(_: &Call, arguments: &[Value]) -> Answer {
    let (length, whole) = (int_at(arguments, 0)?, text_at(arguments, 1)?);
    let bytes = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if length < 0 {
        return text(cut(whole, whole.len().saturating_sub(bytes), whole.len()));
    }
    text(cut(whole, 0, bytes))
}

/// All that are not nil, with a space between.
fn spaced(arguments: &[Value], each: fn(&Value) -> Result<String, Fault>) -> Answer {
    let mut joined = Text::default();
    for (index, value) in arguments.iter().filter(|value| !matches!(value, Value::Nil)).enumerate() {
        joined.push(if index > 0 { " " } else { "" })?;
        joined.push(&each(value)?)?;
    }
    text(&joined.into_string())
}

fn indent(arguments: &[Value]) -> Result<String, Fault> {
    let Ok(spaces) = usize::try_from(int_at(arguments, 0)?) else {
        return Err("strings: negative Repeat count".into());
    };
    let mut padding = Text::default();
    padding.fill(" ", spaces)?;
    let padding = padding.into_string();
    let lines = replace(text_at(arguments, 1)?, "\n", &format!("\n{padding}"))?;
    Ok(format!("{padding}{lines}"))
}

fn replace(whole: &str, old: &str, new: &str) -> Result<String, Fault> {
    let mut replaced = Text::default();
    let mut rest = 0;
    for (at, found) in whole.match_indices(old) {
        replaced.push(&whole[rest..at])?;
        replaced.push(new)?;
        rest = at + found.len();
    }
    replaced.push(&whole[rest..])?;
    Ok(replaced.into_string())
}

/// Go's `strings.Split`: without a separator, the characters.
fn pieces<'a>(whole: &'a str, separator: &str) -> Vec<&'a str> {
    if separator.is_empty() {
        return whole.char_indices().map(|(at, char)| &whole[at..at + char.len_utf8()]).collect();
    }
    whole.split(separator).collect()
}

/// A map `_0`, `_1` …
fn split(_: &Call, arguments: &[Value]) -> Answer {
    let parts = pieces(text_at(arguments, 1)?, text_at(arguments, 0)?);
    if parts.len() > super::LONGEST_LIST {
        return Err(super::too_long());
    }
    let entries: BTreeMap<String, Value> =
        parts.into_iter().enumerate().map(|(index, part)| (format!("_{index}"), Value::text(part))).collect();
    Ok(Value::map(Holds::Text, entries))
}

fn join(_: &Call, arguments: &[Value]) -> Answer {
    let separator = text_at(arguments, 0)?;
    let mut joined = Text::default();
    for (index, item) in strings(&arguments[1])?.iter().enumerate() {
        joined.push(if index > 0 { separator } else { "" })?;
        joined.push(item)?;
    }
    text(&joined.into_string())
}

/// What Sprig's `strslice` makes of anything: texts of all elements but nil, or of the one value.
fn strings(value: &Value) -> Result<Vec<String>, Fault> {
    let items = match value {
        Value::List(list) => list.0.as_slice(),
        Value::Nil => &[],
        other => std::slice::from_ref(other),
    };
    let mut length = 0;
    let mut texts = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !matches!(item, Value::Nil)) {
        let item = string_of(item)?;
        length += item.len();
        if length > super::LARGEST_TEXT {
            return Err(format!("the text is longer than {} bytes", super::LARGEST_TEXT).into());
        }
        texts.push(item);
    }
    Ok(texts)
}

/// `$NAME` and `${NAME}`, as `os.ExpandEnv`.
fn expand_env(call: &Call, arguments: &[Value]) -> Answer {
    let whole = text_at(arguments, 0)?;
    let mut expanded = Text::default();
    let mut rest = whole;
    while let Some(dollar) = rest.find('$') {
        expanded.push(&rest[..dollar])?;
        rest = &rest[dollar + 1..];
        let (name, length) = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = rest.find(|char: char| char != '_' && !char.is_ascii_alphanumeric()).unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        if length == 0 {
            expanded.push("$")?;
        }
        expanded.push(call.env.get(name).map_or("", String::as_str))?;
        rest = &rest[length..];
    }
    expanded.push(rest)?;
    text(&expanded.into_string())
}

/// Go's `path.Base`.
fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

/// Go's `path.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
