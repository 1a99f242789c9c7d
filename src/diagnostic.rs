//! What is wrong with a file: made symbolic, where it is found; made concrete at the end, where it is shown.
//!
//! A [`Diagnostic`] points by [`Place`], so whoever makes one needs no positions. Mistakes are values that are collected:
//! all errors of a file are reported at once. [`render`] is for people; `json`, `github` and `sarif` are for programs;
//! `rules` explains each rule. Pure.

mod github;
mod json;
pub mod rules;
mod sarif;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};
use serde::Serialize;

use crate::source::{FileId, Place, Source, Sources};

pub use github::github;
pub use json::{DiagnosticV1, PlaceV1, ReportV1, json};
pub use sarif::sarif;

/// The rule of a diagnostic whose first place holds a secret: no excerpt shows it.
pub const LITERAL_SECRET: &str = "literal-secret";

/// How programs should know a file; from the root of the repository where it is in one.
pub type PathOf<'a> = &'a dyn Fn(&Source) -> String;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing, and nothing is wrong.
    Note,
}

impl Severity {
    /// The word that reports begin with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place that a diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub place: Place,
    /// What stands under the marked text; empty: the mark alone.
    pub text: String,
}

impl Label {
    /// Points at a place without a word.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, text: String::new() }
    }

    /// With a text under the mark.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }
}

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule's stable name, such as `unknown-key`.
    pub rule: &'static str,
    pub severity: Severity,
    /// What is wrong: a lowercase fragment without a final period.
    pub message: String,
    /// Where; the first is the place of the mistake, the others explain it. None: not in the file.
    pub labels: Vec<Label>,
    /// What to do about it, a line each.
    pub help: Vec<String>,
    /// What else there is to know, such as in which job it is wrong.
    pub note: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    #[must_use]
    pub fn error(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, rule, message)
    }

    /// A warning without a place yet.
    #[must_use]
    pub fn warning(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, rule, message)
    }

    /// A note without a place yet.
    #[must_use]
    pub fn remark(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, rule, message)
    }

    fn new(severity: Severity, rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, severity, message: message.into(), labels: Vec::new(), help: Vec::new(), note: None }
    }

    /// Adds a place; the first one added is the mistake's own.
    #[must_use]
    pub fn label(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// Adds the mistake's place, without a text.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        self.label(Label::new(place))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Says what else there is to know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Adds "did you mean …?" when one of `names` is near to `written`; else lists them as what `kind` of name is known.
    #[must_use]
    pub fn nearest<'a>(self, written: &str, kind: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let diagnostic = match nearest(written, names.iter().copied()) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        };
        if names.is_empty() {
            return diagnostic;
        }
        let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        diagnostic.help(format!("{kind}: {list}"))
    }

    /// The file and the bytes of the mistake's place; the start of the definition when it has none.
    #[must_use]
    pub fn range<'a>(&self, sources: &'a Sources) -> (&'a Source, Range<usize>) {
        match self.labels.first() {
            Some(label) => range(&label.place, sources),
            None => (sources.main(), 0..0),
        }
    }
}

/// Whether any of them is an error, so that nothing can be built.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|one| one.severity == Severity::Error)
}

/// The name that was probably meant, if one is near enough.
#[must_use]
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    // One mistake in three letters is a slip, more is another word; of one or two letters nothing would be left.
    let farthest = written.chars().count() / 3;
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn range<'a>(place: &Place, sources: &'a Sources) -> (&'a Source, Range<usize>) {
    let source = sources.get(place.file());
    (source, source.range(place))
}

/// Sorts diagnostics into the order of the files. Those that differ in their note only are one mistake, kept once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>, sources: &Sources) {
    // Compared by place, not by route: an alias is another route to the same text.
    type Places = Vec<(FileId, usize, usize)>;
    let place = |label: &Label| {
        let (source, range) = range(&label.place, sources);
        (source.id(), range.start, range.end)
    };
    let mut placed: Vec<(Places, Diagnostic)> =
        diagnostics.drain(..).map(|diagnostic| (diagnostic.labels.iter().map(place).collect(), diagnostic)).collect();
    let start = |places: &Places| places.first().map(|(file, start, _)| (*file, *start)).unwrap_or_default();
    placed.sort_by_key(|(places, _)| start(places));
    let mut unique: Vec<(Places, Diagnostic)> = Vec::new();
    for (places, diagnostic) in placed {
        let mut here = unique.iter().rev().take_while(|(others, _)| start(others) == start(&places));
        if !here.any(|(others, other)| *others == places && other.message == diagnostic.message) {
            unique.push((places, diagnostic));
        }
    }
    diagnostics.extend(unique.into_iter().map(|(_, diagnostic)| diagnostic));
}

/// The diagnostics as people read them, one after the other, with the source lines they point at.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let secrets = secrets(diagnostics, sources);
    let rendered: Vec<String> =
        diagnostics.iter().map(|diagnostic| render_one(diagnostic, sources, &secrets, &renderer)).collect();
    let mut text = rendered.join("\n\n");
    text.push('\n');
    text
}

/// [`render`], and where to read more about each rule, once.
#[must_use]
pub fn report(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let mut text = render(diagnostics, sources, colour);
    let mut rules: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let _ = write!(text, "\nto read more: ovenbird explain {}\n", rules.join(" "));
    text
}

/// A line for each diagnostic, for who came for something else.
#[must_use]
pub fn brief(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let line = |diagnostic: &Diagnostic| {
        let (source, range) = diagnostic.range(sources);
        let at = source.position(range.start);
        let (level, message, rule) = (diagnostic.severity.as_str(), &diagnostic.message, diagnostic.rule);
        let line = format!("{level}: {}:{}:{}: {message} [{rule}]\n", source.name(), at.line, at.column);
        // A name of the file may hold what steers a terminal.
        normalize_untrusted_str(line.trim_end()) + "\n"
    };
    diagnostics.iter().map(line).collect()
}

/// Bytes of files that no excerpt may show.
type Secrets = Vec<(FileId, Range<usize>)>;

fn secrets(diagnostics: &[Diagnostic], sources: &Sources) -> Secrets {
    let secret = diagnostics.iter().filter(|diagnostic| diagnostic.rule == LITERAL_SECRET);
    let places = secret.map(|diagnostic| diagnostic.range(sources));
    places.map(|(source, range)| (source.id(), range)).collect()
}

/// The text between two bytes of a file, each byte of a secret an asterisk.
fn excerpt<'a>(source: &'a Source, bytes: &Range<usize>, secrets: &Secrets) -> Cow<'a, str> {
    let text = source.text().get(bytes.clone()).unwrap_or_default();
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

fn render_one(diagnostic: &Diagnostic, sources: &Sources, secrets: &Secrets, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(normalize_untrusted_str(&diagnostic.message)).id(diagnostic.rule);
    // Without a place it is not about the file, such as a wrong flag.
    let mut group = match diagnostic.labels.as_slice() {
        [] => annotate_snippets::Group::with_title(title),
        _ => title.elements(snippets(diagnostic, sources, secrets)),
    };
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    if let Some(note) = &diagnostic.note {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
    }
    renderer.render(&[group])
}

/// One for each file that a label is in, in the order of the labels.
fn snippets<'a>(
    diagnostic: &Diagnostic,
    sources: &'a Sources,
    secrets: &Secrets,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut files: Vec<FileId> = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&label.place.file()) {
            files.push(label.place.file());
        }
    }
    files.into_iter().map(|file| snippet(diagnostic, sources.get(file), secrets)).collect()
}

/// The lines from the first to the last label in a file: handing over a whole file for each diagnostic would be slow.
fn snippet<'a>(
    diagnostic: &Diagnostic,
    source: &'a Source,
    secrets: &Secrets,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let labels = diagnostic.labels.iter().enumerate().filter(|(_, label)| label.place.file() == source.id());
    let labels: Vec<(usize, Range<usize>, &str)> =
        labels.map(|(index, label)| (index, source.range(&label.place), label.text.as_str())).collect();
    let text = source.text();
    let first = labels.iter().map(|(_, range, _)| range.start).min().unwrap_or_default();
    let last = labels.iter().map(|(_, range, _)| range.end).max().unwrap_or_default();
    let begin = text.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let end = text.get(last..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| last + newline);
    let line = usize::try_from(source.position(first).line).unwrap_or(1);
    let mut snippet = Snippet::source(excerpt(source, &(begin..end), secrets)).line_start(line);
    // A definition chooses the names of the files that it uses.
    snippet = snippet.path(normalize_untrusted_str(source.name()));
    for (index, range, label) in labels {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = Some(label).filter(|label| !label.is_empty()).map(normalize_untrusted_str);
        snippet = snippet.annotation(kind.span(range.start - begin..range.end - begin).label(label));
    }
    snippet
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::source::Route;

    fn source(text: &str) -> Sources {
        Sources::parse("ovenbird.yml", text).0
    }

    #[test]
    fn a_near_name_is_suggested_and_another_word_is_not() {
        assert_eq!(nearest("platfroms", ["platforms", "steps"]), Some("platforms"));
        assert_eq!(nearest("STEPS", ["platforms", "steps"]), Some("steps"));
        assert_eq!(nearest("builders", ["platforms", "steps"]), None);
        assert_eq!(nearest("b", ["a"]), None);
    }

    #[test]
    fn mistakes_are_sorted_as_the_file_has_them_and_kept_once() {
        let source = source("a: 1\nb: 2\n");
        let at = |key: &str, note: &str| Diagnostic::error("x", key).at(Place::Key(Route::root().key(key))).note(note);
        let mut diagnostics = vec![at("b", "one"), at("a", "one"), at("b", "two")];
        sort(&mut diagnostics, &source);
        let messages: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, ["a", "b"]);
    }

    #[test]
    fn a_mistake_may_point_into_several_files() {
        let mut sources = source("steps:\n  - uses: ./monitoring.yml\n");
        let (file, _) = sources.add("monitoring.yml", "steps:\n  - rnu: true\n");
        let diagnostic = Diagnostic::error("unknown-key", "a step has no key `rnu`")
            .at(Place::Key(Route::of(file).key("steps").index(0).key("rnu")))
            .label(Label::new(Place::Value(Route::root().key("steps").index(0).key("uses"))).text("used here"));
        assert_snapshot!(render(&[diagnostic], &sources, false), @"
        error[unknown-key]: a step has no key `rnu`
         --> monitoring.yml:2:5
          |
        2 |   - rnu: true
          |     ^^^
          |
         ::: ovenbird.yml:2:11
          |
        2 |   - uses: ./monitoring.yml
          |           ---------------- used here
        ");
    }

    #[test]
    fn a_foreign_text_can_not_steer_the_terminal() {
        let source = source("a: \u{202e}b\n");
        let place = Place::Value(Route::root().key("a"));
        let rendered = render(&[Diagnostic::error("x", "\u{1b}[31mred").at(place).help("\u{7}")], &source, false);
        assert!(!rendered.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{rendered}");
    }

    #[test]
    fn a_secret_is_in_no_excerpt() {
        let source = source("password: hunter2 # of the database\nb: 1\n");
        let place = Place::Value(Route::root().key("password"));
        let secret = Diagnostic::warning(LITERAL_SECRET, "a secret").at(place);
        let other = Diagnostic::error("x", "wrong").at(Place::Key(Route::root().key("password")));
        assert_snapshot!(render(&[other, secret], &source, false), @"
        error[x]: wrong
         --> ovenbird.yml:1:1
          |
        1 | password: ******* # of the database
          | ^^^^^^^^

        warning[literal-secret]: a secret
         --> ovenbird.yml:1:11
          |
        1 | password: ******* # of the database
          |           ^^^^^^^
        ");
    }

    #[test]
    fn a_report_says_once_where_to_read_on() {
        let source = source("a: 1\nb: 2\n");
        let at = |rule, key: &str| Diagnostic::error(rule, "wrong").at(Place::Key(Route::root().key(key)));
        let report = report(&[at("y", "a"), at("x", "a"), at("y", "b")], &source, false);
        assert_snapshot!(report.lines().last().unwrap_or_default(), @"to read more: ovenbird explain x y");
    }

    #[test]
    fn a_warning_takes_one_line_where_it_is_not_what_was_asked_for() {
        let source = source("a: 1\nb: 2\n");
        let warning = Diagnostic::warning("x", "never \u{1b}[31mused").at(Place::Key(Route::root().key("b")));
        assert_snapshot!(brief(&[warning.help("remove it")], &source), @"warning: ovenbird.yml:2:1: never ␛[31mused [x]");
    }

    #[test]
    fn the_name_of_a_file_steers_no_terminal() {
        let (sources, wrong) = Sources::parse("\u{1b}[31mx.yml", "a: 1\na: 2\n");
        assert!(!render(&wrong, &sources, false).contains('\u{1b}'));
    }

    #[test]
    fn colour_is_there_only_when_asked_for() {
        let source = source("a: 1\n");
        let diagnostics = [Diagnostic::error("x", "wrong").at(Place::Value(Route::root().key("a")))];
        assert!(render(&diagnostics, &source, true).contains('\u{1b}'));
        assert!(!render(&diagnostics, &source, false).contains('\u{1b}'));
    }
}
