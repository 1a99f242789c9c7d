//! Regular expressions. Go's and ours are both RE2's language.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use super::super::limits::Text;
use super::super::value::{Holds, Value};
use super::{Answer, Call, Fault, Function, function, int_at, list_of, text, text_at};

pub(super) const FUNCTIONS: &[Function] = &[
    function("mustRegexMatch", 2, 2, is_match),
    function("regexFind", 2, 2, find),
    function("mustRegexFind", 2, 2, find),
    function("regexFindAll", 3, 3, find_all),
    function("mustRegexFindAll", 3, 3, find_all),
    function("regexReplaceAll", 3, 3, |call, arguments| replace(call, arguments, true)),
    function("mustRegexReplaceAll", 3, 3, |call, arguments| replace(call, arguments, true)),
    function("regexReplaceAllLiteral", 3, 3, |call, arguments| replace(call, arguments, false)),
    function("mustRegexReplaceAllLiteral", 3, 3, |call, arguments| replace(call, arguments, false)),
    function("regexSplit", 3, 3, split),
    function("mustRegexSplit", 3, 3, split),
    function("regexQuoteMeta", 1, 1, |_, arguments| text(&quote_meta(text_at(arguments, 0)?))),
];

/// Compiling takes long compared with all else that a template does.
const COMPILING: usize = 5000;

fn compile(call: &Call, arguments: &[Value]) -> Result<Regex, Fault> {
    let pattern = text_at(arguments, 0)?;
    call.budget.spend(COMPILING + pattern.len())?;
    let compiled = RegexBuilder::new(pattern).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
    compiled.map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Fault::Call(format!("error parsing regexp: {reason}: `{pattern}`"))
    })
}

pub(super) fn is_match(call: &Call, arguments: &[Value]) -> Answer {
    Ok(Value::Bool(compile(call, arguments)?.is_match(text_at(arguments, 1)?)))
}

/// The groups of a match: by their names where the pattern names any, else by their numbers, `0` being the whole. No match:
/// nothing.
pub(super) fn submatches(call: &Call, arguments: &[Value]) -> Answer {
    let regex = compile(call, arguments)?;
    let Some(found) = regex.captures(text_at(arguments, 1)?) else {
        return Ok(Value::map(Holds::Anything, BTreeMap::new()));
    };
    let is_named = regex.capture_names().any(|name| name.is_some());
    let groups = regex.capture_names().zip(found.iter()).enumerate().filter_map(|(number, (name, group))| {
        let key = if is_named { name?.to_owned() } else { number.to_string() };
        Some((key, Value::text(group.map_or("", |group| group.as_str()))))
    });
    Ok(Value::map(Holds::Anything, groups.collect()))
}

fn find(call: &Call, arguments: &[Value]) -> Answer {
    let regex = compile(call, arguments)?;
    text(regex.find(text_at(arguments, 1)?).map_or("", |found| found.as_str()))
}

/// As many as a Go count says: all, if it is negative.
fn limit(arguments: &[Value], index: usize) -> Result<usize, Fault> {
    Ok(usize::try_from(int_at(arguments, index)?).unwrap_or(usize::MAX))
}

fn find_all(call: &Call, arguments: &[Value]) -> Answer {
    let regex = compile(call, arguments)?;
    let most = limit(arguments, 2)?.min(super::LONGEST_LIST + 1);
    list_of(regex.find_iter(text_at(arguments, 1)?).take(most).map(|found| Value::text(found.as_str())).collect())
}

fn replace(call: &Call, arguments: &[Value], expands: bool) -> Answer {
    let regex = compile(call, arguments)?;
    let (whole, replacement) = (text_at(arguments, 1)?, text_at(arguments, 2)?);
    let mut replaced = Text::default();
    let mut rest = 0;
    for captures in regex.captures_iter(whole) {
        let Some(found) = captures.get(0) else { continue };
        replaced.push(&whole[rest..found.start()])?;
        if expands {
            // What it expands to is at most the text once for each `$`.
            let most = replacement.matches('$').count().saturating_mul(found.len()).saturating_add(replacement.len());
            if most > super::LARGEST_TEXT {
                return Err(format!("the text is longer than {} bytes", super::LARGEST_TEXT).into());
            }
            let mut expanded = String::new();
            captures.expand(replacement, &mut expanded);
            replaced.push(&expanded)?;
        } else {
            replaced.push(replacement)?;
        }
        rest = found.end();
    }
    replaced.push(&whole[rest..])?;
    text(&replaced.into_string())
}

fn split(call: &Call, arguments: &[Value]) -> Answer {
    let regex = compile(call, arguments)?;
    let (whole, most) = (text_at(arguments, 1)?, limit(arguments, 2)?);
    let parts: Vec<Value> = match most {
        0 => Vec::new(),
        usize::MAX => regex.split(whole).take(super::LONGEST_LIST + 1).map(Value::text).collect(),
        most => regex.splitn(whole, most).take(super::LONGEST_LIST + 1).map(Value::text).collect(),
    };
    list_of(parts)
}

/// Go's `QuoteMeta`, which escapes less than ours.
fn quote_meta(whole: &str) -> String {
    let escape = |char: char| if r"\.+*?()|[]{}^$".contains(char) { format!("\\{char}") } else { char.to_string() };
    whole.chars().map(escape).collect()
}
