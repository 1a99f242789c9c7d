//! What was probably meant by a file that is no YAML: the parser says what it did not expect, this what to do about it.

use std::ops::Range;

/// What to do about an error of the parser at a byte of the text, if that can be told.
pub(super) fn hint(message: &str, text: &str, offset: usize) -> Option<String> {
    let line = Line::at(text, offset)?;
    let help = match message {
        _ if message.starts_with("tabs disallowed") => "indent with spaces: YAML takes no tabs for it".to_owned(),
        "mapping values are not allowed in this context" => return mapping_value(text, &line, offset),
        _ if message.contains("expected '-' indicator") || message.contains("while parsing a block mapping") => {
            "the line begins in another column than those that it belongs to: align it with them".to_owned()
        }
        _ if message.contains("unknown anchor") => {
            let name = line.rest(offset).split([' ', ',', '}', ']']).next()?;
            format!("no value before is marked with `&{}`; if `{name}` is a text, put it in quotes", name.get(1..)?)
        }
        _ if message.starts_with("unexpected character") => {
            "a text can't begin with this character: put the whole value in quotes".to_owned()
        }
        _ if message.contains("block scalar") => {
            "`|` and `>` begin a text of several lines: put the value in quotes if it is one line".to_owned()
        }
        _ if message.contains("invalid trailing content") => {
            "the text ended at its second quote: put other quotes around the whole value, or none".to_owned()
        }
        _ if message.contains("flow mapping") || message.contains("flow sequence") => inside_flow(&line),
        "illegal placement of ':' indicator" => "a `[` or `{` above is not closed".to_owned(),
        "unclosed quote" => "the quote that begins here has no second one".to_owned(),
        _ => return None,
    };
    Some(help)
}

/// A line of the text.
struct Line<'a> {
    text: &'a str,
    range: Range<usize>,
}

impl<'a> Line<'a> {
    /// The line with a byte in it.
    fn at(text: &'a str, offset: usize) -> Option<Self> {
        let start = text.get(..offset)?.rfind('\n').map_or(0, |end| end + 1);
        let line = text.get(start..)?.lines().next().unwrap_or_default();
        Some(Self { text: line, range: start..start + line.len() })
    }

    /// What follows a byte of the text on its line.
    fn rest(&self, offset: usize) -> &'a str {
        offset.checked_sub(self.range.start).and_then(|column| self.text.get(column..)).unwrap_or_default()
    }

    fn indentation(&self) -> usize {
        self.text.len() - self.text.trim_start_matches([' ', '-']).len()
    }

    /// Its text without indentation and dashes.
    fn content(&self) -> &'a str {
        self.text.trim_start_matches([' ', '-'])
    }
}

/// The last line before one that has something in it.
fn line_before<'a>(text: &'a str, line: &Line<'_>) -> Option<(usize, Line<'a>)> {
    let before: Vec<&str> = text.get(..line.range.start)?.lines().collect();
    let index = before.iter().rposition(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    Some((index + 1, Line { text: before.get(index)?, range: 0..0 }))
}

/// A `key:` where none can be: in a text, or after a line that is no `key: value`.
fn mapping_value(text: &str, line: &Line<'_>, offset: usize) -> Option<String> {
    let before_colon = line.text.get(..offset.checked_sub(line.range.start)?)?;
    if before_colon.contains(": ") {
        return Some(
            "a `: ` inside a text begins a mapping: put the whole text in quotes, or write it after `|`".to_owned(),
        );
    }
    let (number, before) = line_before(text, line)?;
    let content = before.content();
    let Some((key, value)) = content.split_once(':') else {
        return Some(format!("line {number} has no `: ` between a key and its value"));
    };
    if !value.is_empty() && !value.starts_with(' ') {
        return Some(format!("line {number} needs a space after its colon: `{key}: {value}`"));
    }
    let is_deeper = line.indentation() > before.indentation() && !value.trim().is_empty();
    is_deeper.then(|| format!("line {number} has a value already: align this line with its `{key}`"))
}

/// What is wrong between `{ }` or `[ ]`.
fn inside_flow(line: &Line<'_>) -> String {
    if line.text.contains("${{") {
        return "inside of `{ }` and `[ ]`, an expression needs quotes: `\"${{ … }}\"`".to_owned();
    }
    "a comma or the closing bracket is missing; a text with `,`, `[`, `]`, `{` or `}` needs quotes".to_owned()
}
