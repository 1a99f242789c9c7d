//! Tracebacks of Python, as `traceback.py` of CPython prints them for an exception that nothing caught.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finding, Said, Spot};

/// Python ends with this status, and no other, after an exception that nothing caught.
const UNCAUGHT: u32 = 1;

/// Lines that the message of an exception may span.
const LONGEST_WORDS: usize = 20;

static FRAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^  File "([^"]+)", line ([0-9]{1,9})(?:, in .*)?$"#).ok());

/// Exceptions that are raised before the line is run: their traceback has no header of its own.
const SYNTAX: [&str; 3] = ["SyntaxError", "IndentationError", "TabError"];

/// Introductions of tracebacks that end no process.
const HARMLESS: [&str; 3] = ["Exception ignored in", "Exception in thread", "--- Logging error ---"];

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    if said.status != UNCAUGHT {
        return None;
    }
    let last = said.tail.last()?;
    if last.starts_with(' ')
        && last.trim_start().strip_prefix('+').is_some_and(|rest| rest.trim_matches('-').is_empty())
    {
        return group(said.tail);
    }
    let traceback = Traceback::at_the_end_of(said.tail)?;
    Some(finding(traceback.words.to_owned(), traceback.spots))
}

fn finding(message: String, spots: Vec<Spot>) -> Finding {
    let hint = message
        .starts_with("ModuleNotFoundError: ")
        .then_some("a Python module is missing: install it in a step before, by its package or `pip`");
    Finding { message, hint, spots, ..Finding::default() }
}

/// A traceback: the words of its exception, and its frames, the innermost first.
struct Traceback<'a> {
    words: &'a str,
    spots: Vec<Spot>,
}

impl<'a> Traceback<'a> {
    /// The traceback that these lines end with.
    fn at_the_end_of(lines: &[&'a str]) -> Option<Self> {
        let end = exception(lines)?;
        let start = lines[..end].iter().rposition(|line| !line.starts_with("  ")).map_or(0, |index| index + 1);
        let header = start.checked_sub(1).map(|index| lines[index]);
        let introduction = start.checked_sub(2).map_or("", |index| lines[index]);
        let has_header = header == Some("Traceback (most recent call last):");
        let is_syntax = SYNTAX.iter().any(|name| lines[end].starts_with(name));
        if !has_header && !is_syntax || HARMLESS.iter().any(|harmless| introduction.starts_with(harmless)) {
            return None;
        }
        let spots = spots(&lines[start..end]);
        (!spots.is_empty()).then_some(Self { words: lines[end], spots })
    }
}

/// The line of the exception: the last, but for what its message goes on with.
fn exception(lines: &[&str]) -> Option<usize> {
    for index in (1..lines.len()).rev().take(LONGEST_WORDS) {
        let line = lines[index];
        if is_exception(line) && lines[index - 1].starts_with("  ") {
            return Some(index);
        }
        if !line.is_empty() && !line.starts_with([' ', '\t', '-', '*']) {
            return None;
        }
    }
    None
}

/// `Name: words` or `package.Name`.
fn is_exception(line: &str) -> bool {
    let name = line.split_once(':').map_or(line, |(name, _)| name);
    let class = name.rsplit('.').next().unwrap_or_default();
    class.starts_with(char::is_uppercase)
        && name.chars().all(|char| char.is_alphanumeric() || char == '_' || char == '.')
}

/// The frames of a traceback, the innermost first.
fn spots(lines: &[&str]) -> Vec<Spot> {
    let Some(frame) = FRAME.as_ref() else { return Vec::new() };
    let mut spots = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(found) = frame.captures(line) else { continue };
        let Ok(line) = found[2].parse() else { continue };
        let text = lines.get(index + 1).filter(|text| text.starts_with("    ")).map(|text| text.trim().to_owned());
        spots.push(Spot { file: found[1].to_owned(), line, column: None, text });
    }
    spots.reverse();
    spots
}

/// An exception group (PEP 654): a box of lines. Its only exception says more than the group itself.
fn group(lines: &[&str]) -> Option<Finding> {
    let start = lines.iter().rposition(|line| *line == "  + Exception Group Traceback (most recent call last):")?;
    let inside = |margin: &str| -> Vec<&str> {
        lines[start + 1..].iter().filter_map(|line| line.strip_prefix(margin)).collect()
    };
    let outer = inside("  | ");
    let words = outer.iter().find(|line| !line.starts_with(' '))?;
    let end = outer.iter().position(|line| line == words)?;
    let members = inside("    | ");
    let member = members.iter().find(|line| is_exception(line));
    let spots = match member.filter(|_| words.ends_with("(1 sub-exception)")) {
        Some(member) => spots(&members[..members.iter().position(|line| line == member)?]),
        None => spots(&outer[..end]),
    };
    let message = member.map_or_else(|| (*words).to_owned(), |member| format!("{words}: {member}"));
    Some(finding(message, spots))
}
