//! Where each byte of a scalar's decoded text stands in the file.

use std::ops::Range;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// Decoded offset and file offset of the start of a piece of decoded text that stands in the file as it is.
pub(super) type Piece = (usize, usize);

/// The pieces, ascending by decoded offset, of a scalar whose decoded text is `text`, written in `file` at `span`.
pub(super) fn pieces(file: &str, span: Range<usize>, style: Style, text: &str) -> Vec<Piece> {
    let mut pieces = match style {
        Style::Plain | Style::Single | Style::Double => flow(file, span.clone(), style),
        Style::Literal => literal(file, span.start, text),
        Style::Folded => folded(file, span.start, text),
    };
    if pieces.first().is_none_or(|(decoded, _)| *decoded > 0) {
        pieces.insert(0, (0, span.start));
    }
    pieces
}

/// A scalar's decoded text, and its pieces.
#[derive(Debug)]
pub(super) struct Map<'a> {
    text: &'a str,
    pieces: &'a [Piece],
}

impl<'a> Map<'a> {
    pub(super) fn new(text: &'a str, pieces: &'a [Piece]) -> Self {
        Self { text, pieces }
    }

    /// The decoded text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The file offset of a byte of the decoded text; beyond its end, that of the end.
    pub(super) fn to_file(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let piece = self.pieces.partition_point(|(decoded, _)| *decoded <= offset).saturating_sub(1);
        self.pieces.get(piece).map_or(0, |(decoded, file)| file + (offset - decoded))
    }
}

/// The lines of the file from the first one of a block scalar on, each with its offset.
///
/// The parser's span begins at the first line with text; blank lines before it belong to the scalar too.
fn block_lines(file: &str, start: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut first = file.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    while let Some(before) = first.checked_sub(1).and_then(|end| file.get(..end)) {
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        if line == 0 || !before.get(line..).unwrap_or_default().trim().is_empty() {
            break;
        }
        first = line;
    }
    let mut offset = first;
    file.get(first..).unwrap_or_default().split_inclusive('\n').map(move |line| {
        let at = offset;
        offset += line.len();
        (at, line.trim_end_matches(['\n', '\r']))
    })
}

/// Literal blocks keep their lines: each is the file's without its indentation.
fn literal(file: &str, start: usize, text: &str) -> Vec<Piece> {
    let mut decoded = 0;
    let mut pieces = Vec::new();
    for ((at, raw), line) in block_lines(file, start).zip(text.split('\n')) {
        pieces.push((decoded, at + raw.len().saturating_sub(line.len())));
        decoded += line.len() + 1;
    }
    pieces
}

/// Folded blocks join lines: each line of the file is looked for where the one before ended.
fn folded(file: &str, start: usize, text: &str) -> Vec<Piece> {
    let mut decoded = 0;
    let mut pieces = Vec::new();
    for (at, raw) in block_lines(file, start) {
        let content = raw.trim_start_matches(' ').trim_end();
        let Some(rest) = text.get(decoded..).filter(|rest| !rest.trim().is_empty()) else { break };
        if content.is_empty() {
            continue;
        }
        let Some(found) = rest.find(content) else { break };
        pieces.push((decoded + found, at + raw.len() - raw.trim_start_matches(' ').len()));
        decoded += found + content.len();
    }
    pieces
}

/// Plain and quoted scalars: line breaks fold, quotes and escapes decode.
fn flow(file: &str, span: Range<usize>, style: Style) -> Vec<Piece> {
    let raw = file.get(span.clone()).unwrap_or_default();
    let quote = usize::from(style != Style::Plain);
    let mut pieces = vec![(0, span.start + quote)];
    let mut decoded = 0;
    let mut at = quote;
    let end = raw.len().saturating_sub(quote);
    while let Some(rest) = raw.get(at..end).filter(|rest| !rest.is_empty()) {
        let (consumed, produced) = next(rest, style);
        at += consumed;
        decoded += produced;
        if consumed != produced {
            pieces.push((decoded, span.start + at));
        }
    }
    pieces
}

/// How many bytes of the file make how many bytes of decoded text, at the start of `rest`.
fn next(rest: &str, style: Style) -> (usize, usize) {
    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let breaks = rest.get(..blank).unwrap_or_default().matches('\n').count();
    match rest.chars().next() {
        // One line break folds to a space; more are kept but for the first.
        _ if breaks > 0 => (blank, if breaks == 1 { 1 } else { breaks - 1 }),
        _ if blank > 0 => (blank, blank),
        Some('\'') if style == Style::Single => (2, 1),
        Some('\\') if style == Style::Double => escape(rest),
        Some(char) => (char.len_utf8(), char.len_utf8()),
        None => (1, 0),
    }
}

/// An escape sequence of a double-quoted scalar.
fn escape(rest: &str) -> (usize, usize) {
    let hex = |digits: usize| {
        let code = rest.get(2..2 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match rest.chars().nth(1) {
        Some('x') => hex(2),
        Some('u') => hex(4),
        Some('U') => hex(8),
        // An escaped line break is no text at all, nor is the next line's indentation.
        Some('\n' | '\r') => {
            let after = rest.get(1..).unwrap_or_default();
            let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).unwrap_or_default();
            (rest.len() - after.trim_start_matches([' ', '\t']).len(), 0)
        }
        Some('N' | '_') => (2, 2),
        Some('L' | 'P') => (2, 3),
        Some(char) => (1 + char.len_utf8(), 1),
        None => (1, 0),
    }
}
