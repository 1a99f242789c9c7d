//! The lines of the files that a diagnostic points at, as far as people have to see them.
//!
//! What is handed to the renderer is cut here: it looks at every byte of it, and a file may have one line of ten mebibytes.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Origin, Snippet, normalize_untrusted_str};

use super::{Diagnostic, range, shown};
use crate::source::{FileId, Source, Sources};

/// Labels farther apart, in bytes, are shown apart, because the lines between them explain nothing; and a mark farther
/// from the beginning of its line is told by its place alone.
const FARTHEST: usize = 4096;

/// How much is shown of what is marked, and of the line after the last mark, in bytes.
const WIDEST: usize = 200;

/// What no excerpt may show.
pub(super) enum Secrets {
    At(Vec<(FileId, Range<usize>)>),
    /// There are more than are known.
    Everything,
}

/// A label's number, what it marks, and its text.
type Mark<'a> = (usize, Range<usize>, &'a str);

/// What each part of a file that labels are in looks like, in the order of the labels.
pub(super) fn excerpts<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources, secrets: &Secrets) -> Vec<Element<'a>> {
    let mut parts: Vec<(&Source, Vec<Mark<'_>>)> = Vec::new();
    for (index, label) in diagnostic.labels.iter().enumerate() {
        let (source, range) = range(&label.place, sources);
        let range = range.start..source.text().floor_char_boundary(range.end.min(range.start + WIDEST));
        let is_near = |mark: &Mark<'_>| mark.1.start.abs_diff(range.start) <= FARTHEST;
        let mark = (index, range.clone(), label.text.as_str());
        match parts.iter_mut().find(|(other, marks)| other.id() == source.id() && marks.iter().any(is_near)) {
            Some((_, marks)) => marks.push(mark),
            None => parts.push((source, vec![mark])),
        }
    }
    parts.into_iter().map(|(source, marks)| excerpt(source, marks, secrets)).collect()
}

/// The lines from the first to the last mark; of a mark far to the right its place alone.
fn excerpt<'a>(source: &'a Source, marks: Vec<Mark<'a>>, secrets: &Secrets) -> Element<'a> {
    let text = source.text();
    let first = marks.iter().map(|(_, range, _)| range.start).min().unwrap_or_default();
    let last = marks.iter().map(|(_, range, _)| range.end).max().unwrap_or_default();
    let position = source.position(first);
    let Some(begin) = line_start(text, first) else {
        let origin = Origin::path(normalize_untrusted_str(source.name()));
        return origin.line(position.line as usize).char_column(position.column as usize).into();
    };
    let to = text.floor_char_boundary(last.saturating_add(WIDEST));
    let newline = text.get(last..to).unwrap_or_default().find('\n').map(|newline| last + newline);
    let is_cut = newline.is_none() && to < text.len();
    let mut lines = mask(source, &(begin..newline.unwrap_or(to)), secrets);
    if is_cut {
        lines.to_mut().push('…');
    }
    let mut snippet =
        Snippet::source(lines).line_start(position.line as usize).path(normalize_untrusted_str(source.name()));
    for (index, range, label) in marks {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = Some(label).filter(|label| !label.is_empty()).map(shown);
        snippet = snippet.annotation(kind.span(range.start - begin..range.end - begin).label(label));
    }
    snippet.into()
}

/// Where the line of a byte begins, which the renderer counts columns from. None: too far before it.
fn line_start(text: &str, offset: usize) -> Option<usize> {
    let from = text.floor_char_boundary(offset.saturating_sub(FARTHEST));
    let newline = text.get(from..offset)?.rfind('\n');
    newline.map(|newline| from + newline + 1).or((from == 0).then_some(0))
}

/// The text between two bytes of a file, each byte of a secret an asterisk.
fn mask<'a>(source: &'a Source, bytes: &Range<usize>, secrets: &Secrets) -> Cow<'a, str> {
    let text = source.text().get(bytes.clone()).unwrap_or_default();
    let secrets = match secrets {
        Secrets::At(secrets) => secrets,
        Secrets::Everything => {
            // As long as it was, so that the marks still fit.
            let hide = |byte: u8| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' };
            return Cow::Owned(text.bytes().map(hide).collect());
        }
    };
    let here = secrets
        .iter()
        .filter(|(file, secret)| *file == source.id() && secret.start < bytes.end && bytes.start < secret.end);
    let mut masked = Cow::Borrowed(text);
    for (_, secret) in here {
        let start = secret.start.max(bytes.start) - bytes.start;
        let end = secret.end.min(bytes.end) - bytes.start;
        let (before, after) = (masked.get(..start).unwrap_or_default(), masked.get(end..).unwrap_or_default());
        masked = Cow::Owned(format!("{before}{}{after}", "*".repeat(end - start)));
    }
    masked
}
