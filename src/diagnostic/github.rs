//! Diagnostics as GitHub's workflow commands, which become annotations of the lines that they are about.
//!
//! Escapes and limits are those of the runner's `ActionCommand.cs`: of a step, ten errors, ten warnings and ten notices
//! are kept, so the errors come first.

use std::fmt::Write as _;

use super::{Diagnostic, DiagnosticV1, PathOf, Severity};
use crate::source::Sources;

/// A command for each diagnostic, a line each, errors first.
#[must_use]
pub fn github(diagnostics: &[Diagnostic], sources: &Sources, path_of: PathOf<'_>) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| diagnostic.severity as u8);
    sorted.iter().map(|diagnostic| command(&DiagnosticV1::of(diagnostic, sources, path_of))).collect()
}

fn command(diagnostic: &DiagnosticV1) -> String {
    let name = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = String::new();
    if let Some(place) = &diagnostic.place {
        let (file, line, column) = (property(&place.file), place.line, place.column);
        let _ = write!(properties, "file={file},line={line},col={column},");
        let _ = write!(properties, "endLine={},endColumn={},", place.end_line, place.end_column);
    }
    let title = property(diagnostic.rule);
    format!("::{name} {properties}title={title}::{}\n", data(&message(diagnostic)))
}

fn message(diagnostic: &DiagnosticV1) -> String {
    let mut message = diagnostic.message.clone();
    for place in &diagnostic.related {
        let text = if place.text.is_empty() { "see" } else { &place.text };
        let _ = write!(message, "\n{text}: {}:{}:{}", place.file, place.line, place.column);
    }
    for help in &diagnostic.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    if let Some(note) = &diagnostic.note {
        let _ = write!(message, "\nnote: {note}");
    }
    let _ = write!(message, "\nmore: ovenbird explain {}", diagnostic.rule);
    message
}

/// The text of a command: it must not end its line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value: it must not end itself either.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::diagnostic::Label;
    use crate::source::{Place, Route, Source};

    #[test]
    fn a_command_is_one_line_whatever_its_texts_hold_and_errors_come_first() {
        let (sources, _) = Sources::parse("a,b:c.yml", "steps: 100%\n");
        let key = Place::Key(Route::root().key("steps"));
        let diagnostics = [
            Diagnostic::remark("z", "by the way"),
            Diagnostic::warning("x", "100%\r\n::error::more").at(key.clone()).help("a").help("b").note("n"),
            Diagnostic::error("y", "wrong").at(key.clone()).label(Label::new(key).text("first here")),
        ];
        assert_snapshot!(github(&diagnostics, &sources, &|source: &Source| source.name().to_owned()), @"
        ::error file=a%2Cb%3Ac.yml,line=1,col=1,endLine=1,endColumn=6,title=y::wrong%0Afirst here: a,b:c.yml:1:1%0Amore: ovenbird explain y
        ::warning file=a%2Cb%3Ac.yml,line=1,col=1,endLine=1,endColumn=6,title=x::100%25%0D%0A::error::more%0Ahelp: a%0Ahelp: b%0Anote: n%0Amore: ovenbird explain x
        ::notice title=z::by the way%0Amore: ovenbird explain z
        ");
    }
}
