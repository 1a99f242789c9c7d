//! What is wrong with a file: made symbolic, where it is found; made concrete at the end, where it is shown.
//!
//! A [`Diagnostic`] points by [`Place`], so whoever makes one needs no positions. Mistakes are values that are collected:
//! all errors of a file are reported at once. [`render`] is for people; `json`, `github` and `sarif` are for programs;
//! `rules` explains each rule. Pure.

mod excerpt;
mod github;
mod json;
pub mod rules;
mod sarif;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{Level, Renderer, normalize_untrusted_str};
use serde::Serialize;

use crate::source::{FileId, Place, Source, Sources};

use excerpt::{Secrets, excerpts};
pub use github::github;
pub use json::{DiagnosticV1, PlaceV1, ReportV1, json};
pub use sarif::sarif;

/// The rule of a diagnostic whose first place holds a secret: no excerpt shows it.
pub const LITERAL_SECRET: &str = "literal-secret";

/// The rule of what there is too much of, and of the note that not all mistakes are told.
pub const TOO_MANY: &str = "too-many";

/// How many errors are told of a definition, and how many other diagnostics: nobody reads more, and a machine should not
/// work on them for minutes.
pub(crate) const MOST_TOLD: usize = 1000;

/// How many of them people see with the lines of the files.
const MOST_RENDERED: usize = 100;

/// How many names a list of known ones may have, and among how many a near one is looked for.
const MOST_LISTED: usize = 50;
const MOST_COMPARED: usize = 1000;

/// How many characters of a text from a file are shown in a message.
const LONGEST_MESSAGE: usize = 2000;

/// How many characters of a name are shown in a list.
const LONGEST_NAME: usize = 100;

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
        diagnostic.help(format!("{kind}: {}", list(&names)))
    }

    /// Whether it says that secrets are anywhere, so that no excerpt may be shown.
    fn hides_all(&self) -> bool {
        self.rule == LITERAL_SECRET && self.labels.is_empty()
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

/// Names in backticks, not all of them when there are many.
fn list(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_LISTED).map(|name| format!("`{}`", cut(name, LONGEST_NAME)));
    let list = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_LISTED) {
        0 => list,
        more => format!("{list}, and {more} more"),
    }
}

/// The beginning of a text that is longer than so many characters.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// A text from a file as a terminal may show it.
fn shown(text: &str) -> String {
    normalize_untrusted_str(&cut(text, LONGEST_MESSAGE))
}

/// The name that was probably meant, if one is near enough.
#[must_use]
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    // One mistake in three letters is a slip, more is another word; of one or two letters nothing would be left.
    let length = written.chars().count();
    let farthest = length / 3;
    // So many letters more or less are so many mistakes already: nothing long is compared with something short.
    let may_be_near = |name: &&str| name.chars().take(2 * length + 1).count().abs_diff(length) <= farthest;
    names
        .into_iter()
        .take(if length > LONGEST_NAME { 0 } else { MOST_COMPARED })
        .filter(may_be_near)
        .map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn range<'a>(place: &Place, sources: &'a Sources) -> (&'a Source, Range<usize>) {
    let source = sources.get(place.file());
    (source, source.range(place))
}

/// Sorts diagnostics into the order of the files. Those that differ in their note only are one mistake, kept once. Of
/// very many, not all are kept, and the last one says so.
pub fn sort(diagnostics: &mut Vec<Diagnostic>, sources: &Sources) {
    let notes = limit(diagnostics);
    // Compared by place, not by route: an alias is another route to the same text.
    type Places = Vec<(FileId, usize, usize)>;
    let place = |label: &Label| {
        let (source, range) = range(&label.place, sources);
        (source.id(), range.start, range.end)
    };
    let mut placed: Vec<(Places, Diagnostic)> =
        diagnostics.drain(..).map(|diagnostic| (diagnostic.labels.iter().map(place).collect(), diagnostic)).collect();
    placed.sort_by_key(|(places, _)| places.first().map(|(file, start, _)| (*file, *start)).unwrap_or_default());
    let mut seen: HashSet<(Places, String)> = HashSet::new();
    let unique = placed.into_iter().filter_map(|(places, diagnostic)| {
        let is_new = seen.insert((places, diagnostic.message.clone()));
        is_new.then_some(diagnostic)
    });
    diagnostics.extend(unique.chain(notes));
}

/// Drops what is beyond [`MOST_TOLD`], and gives what says so.
fn limit(diagnostics: &mut Vec<Diagnostic>) -> Vec<Diagnostic> {
    // Every job of a matrix has the same mistake.
    let mut seen = HashSet::new();
    diagnostics.retain(|one| seen.insert((one.message.clone(), one.labels.clone())));
    let is_too_many = |one: &Diagnostic| one.rule == TOO_MANY && one.severity == Severity::Note;
    let is_note = |one: &Diagnostic| is_too_many(one) || one.hides_all();
    let (mut notes, others): (Vec<_>, Vec<_>) = diagnostics.drain(..).partition(is_note);
    let (mut errors, mut others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|one| one.severity == Severity::Error);
    // What no excerpt may show has to be known.
    others.sort_by_key(|one| one.rule != LITERAL_SECRET);
    if others.get(MOST_TOLD).is_some_and(|one| one.rule == LITERAL_SECRET) && !notes.iter().any(Diagnostic::hides_all) {
        let message = "there are more secrets than can be told: no line of the files is shown";
        notes.push(Diagnostic::warning(LITERAL_SECRET, message));
    }
    if errors.len().max(others.len()) > MOST_TOLD && !notes.iter().any(is_too_many) {
        let message = format!("there are more mistakes: {MOST_TOLD} errors and {MOST_TOLD} warnings are told at most");
        notes.push(Diagnostic::remark(TOO_MANY, message));
    }
    errors.truncate(MOST_TOLD);
    others.truncate(MOST_TOLD);
    diagnostics.extend(errors.into_iter().chain(others));
    notes
}

/// The diagnostics as people read them, one after the other, with the source lines they point at: the errors of those
/// beyond [`MOST_RENDERED`] last, and then how many more there are.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let secrets = secrets(diagnostics, sources);
    let (shown, more) = most_important(diagnostics);
    let rendered: Vec<String> =
        shown.into_iter().map(|diagnostic| render_one(diagnostic, sources, &secrets, &renderer)).collect();
    let mut text = rendered.join("\n\n");
    text.push('\n');
    if more > 0 {
        let _ = write!(text, "\nand {more} more: `ovenbird validate --format json` lists them\n");
    }
    text
}

/// Those to be rendered, in their order, and how many others there are: errors before all else.
fn most_important(diagnostics: &[Diagnostic]) -> (Vec<&Diagnostic>, usize) {
    let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
    let errors = diagnostics.iter().filter(is_error).count().min(MOST_RENDERED);
    let (mut errors, mut others) = (errors, MOST_RENDERED - errors);
    let mut take = |one: &&Diagnostic| {
        let left = if is_error(one) { &mut errors } else { &mut others };
        let is_shown = *left > 0;
        *left = left.saturating_sub(1);
        is_shown
    };
    let shown: Vec<&Diagnostic> = diagnostics.iter().filter(|one| take(one)).collect();
    let more = diagnostics.len() - shown.len();
    (shown, more)
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

fn secrets(diagnostics: &[Diagnostic], sources: &Sources) -> Secrets {
    if diagnostics.iter().any(Diagnostic::hides_all) {
        return Secrets::Everything;
    }
    let secret = diagnostics.iter().filter(|diagnostic| diagnostic.rule == LITERAL_SECRET);
    let places = secret.map(|diagnostic| diagnostic.range(sources));
    Secrets::At(places.map(|(source, range)| (source.id(), range)).collect())
}

fn render_one(diagnostic: &Diagnostic, sources: &Sources, secrets: &Secrets, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(shown(&diagnostic.message)).id(diagnostic.rule);
    // Without a place it is not about the file, such as a wrong flag.
    let mut group = match diagnostic.labels.as_slice() {
        [] => annotate_snippets::Group::with_title(title),
        _ => title.elements(excerpts(diagnostic, sources, secrets)),
    };
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(shown(help)));
    }
    if let Some(note) = &diagnostic.note {
        group = group.element(Level::NOTE.message(shown(note)));
    }
    renderer.render(&[group])
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
