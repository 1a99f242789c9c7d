//! A YAML file that remembers where everything stands: text, decoded value, and a [`Route`] to every node of it.
//!
//! Two parsers read the file: `serde_yaml` decodes it into a [`Value`], granit-parser's events locate. Where the two
//! disagree at YAML's edges the file is refused: a message must never point at another value than its own. Later rooms
//! never hold a position: they say *what* they mean ([`Place`]), and the place is looked up when a diagnostic is printed.
//! Pure.

mod core;
#[cfg(test)]
pub(crate) mod dedent;
mod hint;
mod index;
mod merge;
mod place;
mod scalar;
mod settle;

use std::ops::Range;

use serde_yaml::Value;
use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Label, TOO_MANY};
use index::Index;
pub use place::{FileId, Place, Position, Route, Segment};

/// Far more than a person writes; a larger file is a mistake, and reading it would only cost time.
const LARGEST_FILE: usize = 10 * 1024 * 1024;

/// Each is kept parsed, and its names are looked for among all that are known.
const MOST_EXPRESSIONS: usize = 20_000;

/// The files that a definition consists of: its own, and those that it names.
#[derive(Clone, Debug)]
pub struct Sources {
    main: Source,
    others: Vec<Source>,
}

impl Sources {
    /// Reads the definition's own file; see [`Source`].
    #[must_use]
    pub fn parse(name: &str, text: &str) -> (Self, Vec<Diagnostic>) {
        let (main, diagnostics) = Source::parse(FileId::default(), name, text);
        (Self { main, others: Vec::new() }, diagnostics)
    }

    /// Reads one more file. Each is read once: ask [`Sources::find`] first.
    pub fn add(&mut self, name: &str, text: &str) -> (FileId, Vec<Diagnostic>) {
        let id = FileId(self.others.len() + 1);
        let (source, diagnostics) = Source::parse(id, name, text);
        self.others.push(source);
        (id, diagnostics)
    }

    /// Adds a file that is no YAML, such as a script, so that diagnostics can point at its lines.
    pub fn add_text(&mut self, name: &str, text: &str) -> FileId {
        let id = FileId(self.others.len() + 1);
        self.others.push(Source::unread(id, name, text));
        id
    }

    /// The definition's own file.
    #[must_use]
    pub fn main(&self) -> &Source {
        &self.main
    }

    /// A file that was read under a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<FileId> {
        self.iter().find(|source| source.name == name).map(Source::id)
    }

    /// All files, the definition's own first.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.main).chain(&self.others)
    }

    /// A file of these.
    #[must_use]
    pub fn get(&self, file: FileId) -> &Source {
        file.0.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.main)
    }

    /// The line on which a place begins, in its file.
    #[must_use]
    pub fn line(&self, place: &Place) -> u32 {
        self.get(place.file()).line(place)
    }

    /// [`Source::lines_of`] in the route's file.
    #[must_use]
    pub fn lines_of(&self, route: &Route) -> Vec<u32> {
        self.get(route.file()).lines_of(route)
    }

    /// [`Source::text_of`] in the route's file.
    #[must_use]
    pub fn text_of(&self, route: &Route) -> Option<&str> {
        self.get(route.file()).text_of(route)
    }
}

/// A YAML file: its text, its decoded value, and where each part of it stands.
#[derive(Clone, Debug)]
pub struct Source {
    id: FileId,
    name: String,
    text: String,
    digest: String,
    value: Value,
    index: Index,
    /// Byte offset of the start of each line.
    lines: Vec<usize>,
}

impl Source {
    /// Reads a file's text. The source is there even when the text is no valid YAML, to show what is wrong with it: its
    /// value is then null, and the diagnostics say why.
    fn parse(id: FileId, name: &str, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut source = Self::unread(id, name, text);
        let diagnostics = source.read();
        (source, diagnostics)
    }

    /// The text alone, of which only lines are known.
    fn unread(id: FileId, name: &str, text: &str) -> Self {
        let digest = hex(&Sha256::digest(text.as_bytes()));
        // A byte-order mark is no part of the text; with it, columns of the first line would be off by one.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        let lines = std::iter::once(0).chain(newlines).collect();
        let name = name.to_owned();
        Self { id, name, text, digest, value: Value::Null, index: Index::default(), lines }
    }

    fn read(&mut self) -> Vec<Diagnostic> {
        if self.text.len() > LARGEST_FILE {
            let message = format!("the file has {} bytes, and 10 MiB is the most that one may have", self.text.len());
            return vec![Diagnostic::error("file-size", message).at(Place::Bytes(self.id, 0..0))];
        }
        if let Some((offset, _)) = self.text.match_indices("${{").nth(MOST_EXPRESSIONS) {
            let message = format!("the file has more than {MOST_EXPRESSIONS} expressions");
            let label = Label::new(Place::Bytes(self.id, offset..offset + 3)).text("so many are before this");
            return vec![Diagnostic::error(TOO_MANY, message).label(label)];
        }
        match Index::build(self.id, &self.text) {
            Ok(index) => self.index = index,
            Err(diagnostic) => return vec![diagnostic],
        }
        let mut wrong = self.index.duplicates();
        wrong.append(&mut self.index.large_numbers());
        if !wrong.is_empty() {
            return wrong;
        }
        match serde_yaml::from_str(&self.text) {
            Ok(value) => self.value = value,
            Err(error) => return vec![self.syntax_error(&error)],
        }
        if let Err(diagnostic) = settle::settle(&mut self.value, &self.index, self.id) {
            self.value = Value::Null;
            return vec![diagnostic];
        }
        let mut diagnostics = Vec::new();
        merge::merge(&mut self.value, &Route::of(self.id), &mut diagnostics);
        diagnostics
    }

    fn syntax_error(&self, error: &serde_yaml::Error) -> Diagnostic {
        let offset = error.location().map_or(0, |location| {
            let start = self.lines.get(location.line().saturating_sub(1)).copied().unwrap_or(self.text.len());
            let line = self.text.get(start..).unwrap_or_default();
            start + line.char_indices().nth(location.column().saturating_sub(1)).map_or(0, |(offset, _)| offset)
        });
        // The parser's own message ends with the place, which the rendering shows anyway.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Diagnostic::error("yaml", format!("not valid YAML: {message}"))
            .label(Label::new(Place::Bytes(self.id, offset..offset)))
    }

    /// Which file of its [`Sources`] it is.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// The file's name, as people should see it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text, without a byte-order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the file as it was read, lowercase hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The decoded document, aliases and merge keys resolved.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The bytes of a place: on character boundaries, inside the text, and on one line.
    #[must_use]
    pub fn range(&self, place: &Place) -> Range<usize> {
        let range = match place {
            Place::Bytes(_, range) => range.clone(),
            Place::Key(route) => self.index.find(route).key_range(),
            Place::Value(route) => self.index.find(route).value_range(),
            Place::Inside(route, range) => {
                let found = self.index.find(route);
                match found.scalar(&self.text) {
                    Some(map) => {
                        map.to_file(range.start)..map.to_file(range.end.saturating_sub(1).max(range.start)) + 1
                    }
                    None => found.value_range(),
                }
            }
        };
        self.clamp(range)
    }

    /// The position of a byte of the text.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line_at(offset);
        let start = self.lines.get(line as usize - 1).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Position { line, column: number(column) }
    }

    /// The line of a byte of the text.
    fn line_at(&self, offset: usize) -> u32 {
        number(self.lines.partition_point(|start| *start <= offset).saturating_sub(1))
    }

    /// Where the line of a byte of the text ends.
    fn end_of_line(&self, offset: usize) -> usize {
        let next = self.lines.partition_point(|start| *start <= offset);
        self.lines.get(next).map_or(self.text.len(), |start| start - 1)
    }

    /// A line, counted from 1, without the blanks around it.
    #[must_use]
    pub fn whole_line(&self, line: u32) -> Place {
        let start = self.lines.get(line.saturating_sub(1) as usize).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.lines().next().unwrap_or_default();
        let indent = text.len() - text.trim_start().len();
        Place::Bytes(self.id, start + indent..start + text.trim_end().len().max(indent))
    }

    /// The line on which a place begins.
    #[must_use]
    pub fn line(&self, place: &Place) -> u32 {
        self.line_at(self.range(place).start)
    }

    /// The line of the file on which each line of a scalar's decoded text begins.
    #[must_use]
    pub fn lines_of(&self, route: &Route) -> Vec<u32> {
        let found = self.index.find(route);
        let Some(map) = found.scalar(&self.text) else { return vec![self.line(&Place::Value(route.clone()))] };
        let text = map.text();
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(offset, _)| offset + 1));
        starts
            .filter(|start| *start < text.len() || *start == 0)
            .map(|start| self.line_at(map.to_file(start)))
            .collect()
    }

    /// The decoded text of a scalar.
    #[must_use]
    pub fn text_of(&self, route: &Route) -> Option<&str> {
        self.index.find(route).text()
    }

    /// Cuts a range to one line and to character boundaries: a place is to be found, not to be quoted whole.
    fn clamp(&self, range: Range<usize>) -> Range<usize> {
        let start = floor(&self.text, range.start);
        let mut end = range.end.max(start);
        // Found among the lines and not in the text, whose one line may be long.
        let line_end = self.end_of_line(start);
        if end >= line_end {
            end = start + self.text.get(start..line_end).unwrap_or_default().trim_end().len();
        }
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }
}

/// The nearest character boundary at or before an offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// A zero-based count as a one-based number. Files are far smaller than `u32` holds.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Source {
        let (sources, diagnostics) = Sources::parse("ovenbird.yml", &dedent::dedent(text));
        assert_eq!(diagnostics, [], "{text}");
        sources.main
    }

    fn errors(text: &str) -> String {
        let (sources, diagnostics) = Sources::parse("ovenbird.yml", text);
        crate::diagnostic::render(&diagnostics, &sources, false)
    }

    fn route(segments: &[&str]) -> Route {
        let step = |route: Route, segment: &&str| match segment.parse() {
            Ok(index) => route.index(index),
            Err(_) => route.key(segment),
        };
        segments.iter().fold(Route::root(), step)
    }

    /// Every character of a scalar must be found where the same character stands in the file.
    #[track_caller]
    fn check_characters(text: &str) {
        let source = parse(text);
        let decoded = source.value()["a"].as_str().unwrap_or_default().to_owned();
        assert!(!decoded.is_empty());
        for (offset, char) in decoded.char_indices().filter(|(_, char)| char.is_alphanumeric()) {
            let range = source.range(&Place::Inside(route(&["a"]), offset..offset + char.len_utf8()));
            assert_eq!(
                source.text().get(range),
                Some(char.to_string().as_str()),
                "`{decoded}` at {offset} of {text:?}"
            );
        }
    }

    #[test]
    fn a_character_of_a_scalar_is_found_in_the_file_however_the_scalar_is_written() {
        check_characters("a: plain text\n");
        check_characters("a: plain\n  in two\n\n  or four lines\n");
        check_characters("a: 'it''s quoted'\n");
        check_characters("a: 'quoted\n\n  twice '\nb: 1\n");
        check_characters("a: \"é\\tb\\n c\\\\d\"\n");
        check_characters("a: \"folded  \n   twice\\\n   joined\"\n");
        check_characters("a: |\n  one\n    two\n\n  three\nb: 1\n");
        check_characters("b: 1\na: |2-\n\n    one\n  two\n");
        check_characters("\u{feff}a: |\r\n  one\r\n  two\r\n");
        check_characters("a: >\n  one\n  two\n\n  three\n    kept\n  four\n");
    }

    #[test]
    fn lines_of_a_block_are_those_of_the_file() {
        let source = parse(
            r"
                name: x
                steps:
                  - run: |

                      one

                      two
                  - run: one
                  - run: >
                      one
                      two

                      three
            ",
        );
        assert_eq!(source.lines_of(&route(&["steps", "0", "run"])), [4, 5, 6, 7]);
        assert_eq!(source.lines_of(&route(&["steps", "1", "run"])), [8]);
        assert_eq!(source.lines_of(&route(&["steps", "2", "run"])), [10, 13]);
    }

    #[test]
    fn keys_and_values_are_found_through_aliases_and_merge_keys() {
        let source = parse(
            r"
                base: &base { k: v }
                next: &next { <<: *base, m: w }
                last: { <<: [*next], n: x }
                alias: *base
            ",
        );
        assert_eq!(source.value()["last"]["k"].as_str(), Some("v"));
        for place in [route(&["last", "k"]), route(&["alias", "k"])] {
            assert_eq!(source.range(&Place::Key(place.clone())), 14..15);
            assert_eq!(source.range(&Place::Value(place)), 17..18);
        }
        assert_eq!(source.line(&Place::Key(route(&["last", "m"]))), 2);
    }

    #[test]
    fn a_collection_is_pointed_at_by_its_key_and_an_item_by_itself() {
        let source = parse("steps:\n  - name: a\n  - b\nenv:\n");
        let text = |place: Place| source.text().get(source.range(&place)).map(str::to_owned);
        assert_eq!(text(Place::Value(route(&["steps"]))).as_deref(), Some("steps"));
        assert_eq!(text(Place::Value(route(&["steps", "0"]))).as_deref(), Some("name"));
        assert_eq!(text(Place::Key(route(&["steps", "1"]))).as_deref(), Some("b"));
        assert_eq!(text(Place::Value(route(&["env"]))).as_deref(), Some("env"));
        assert_eq!(text(Place::Value(route(&["steps", "0", "missing"]))).as_deref(), Some("name"));
    }

    #[test]
    fn a_key_that_is_there_twice_is_shown_at_both_places() {
        assert_snapshot!(errors("name: a\nsteps: []\nname: b\n"), @r"
        error[duplicate-key]: the key `name` is there twice
         --> ovenbird.yml:3:1
          |
        1 | name: a
          | ---- first here
        2 | steps: []
        3 | name: b
          | ^^^^ here again
          |
          = help: keep one of them
        ");
    }

    #[test]
    fn a_second_document_is_refused() {
        assert_snapshot!(errors("name: a\n---\nname: b\n"), @"
        error[yaml]: the file has more than one YAML document
         --> ovenbird.yml:2:1
          |
        2 | ---
          | ^^^ the second begins here
          |
          = help: one file is one document: move the second to a file of its own
        ");
    }

    #[test]
    fn a_syntax_error_is_shown_where_it_is() {
        assert_snapshot!(errors("name: a\nsteps:\n  - run: x\n - run: y\n"), @"
        error[yaml]: not valid YAML: while parsing a block mapping, did not find expected key
         --> ovenbird.yml:4:2
          |
        4 |  - run: y
          |  ^
          |
          = help: the line begins in another column than those that it belongs to: align it with them
        ");
        assert_snapshot!(errors("name: a\nsteps:\n\t- run: x\n"), @"
        error[yaml]: not valid YAML: tabs disallowed within this context (block indentation)
         --> ovenbird.yml:3:2
          |
        3 |     - run: x
          |     ^
          |
          = help: indent with spaces: YAML takes no tabs for it
        ");
        assert_snapshot!(errors("name: [a\n"), @r"
        error[yaml]: not valid YAML: unclosed bracket '['
         --> ovenbird.yml:1:7
          |
        1 | name: [a
          |       ^
        ");
        assert_snapshot!(errors("name: *nowhere\n"), @"
        error[yaml]: not valid YAML: while parsing node, found unknown anchor
         --> ovenbird.yml:1:7
          |
        1 | name: *nowhere
          |       ^
          |
          = help: no value before is marked with `&nowhere`; if `*nowhere` is a text, put it in quotes
        ");
    }

    #[test]
    fn a_merge_key_takes_mappings_only() {
        assert_snapshot!(errors("env:\n  <<: text\n"), @"
        error[yaml]: `<<` takes a mapping or a list of mappings
         --> ovenbird.yml:2:3
          |
        2 |   <<: text
          |   ^^
          |
          = help: `<<: *name` merges the mapping that is marked with `&name`
        ");
    }

    #[test]
    fn a_file_without_content_is_null() {
        for text in ["", "\u{feff}", "# nothing\n", "---\n"] {
            assert_eq!(parse(text).value(), &Value::Null);
        }
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert_snapshot!(errors(&text), @"
        error[yaml]: up to here, aliases repeat more than 16 MiB
         --> ovenbird.yml:6:40
          |
        6 | a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
          |                                        ^^^
          |
          = help: an alias (`*name`) counts as the whole value that it repeats, those inside it included
        ");
        let (_, diagnostics) = Sources::parse("ovenbird.yml", "a: &a [*a]\n");
        assert_eq!(diagnostics.len(), 1);
    }

    #[test]
    fn an_alias_inside_what_it_names_is_refused() {
        assert_snapshot!(errors("a: &a [x, *a]\n"), @"
        error[yaml]: this alias names what it stands in itself
         --> ovenbird.yml:1:11
          |
        1 | a: &a [x, *a]
          |           ^^
          |
          = help: an alias (`*name`) repeats a value that is complete before it
        ");
    }

    #[test]
    fn aliases_repeat_a_bounded_number_of_bytes_however_long_the_file() {
        let many = |text: usize, aliases: usize| {
            let (_, diagnostics) =
                Sources::parse("x", &format!("a: &a {}\nb: [{}]\n", "x".repeat(text), vec!["*a"; aliases].join(", ")));
            diagnostics.len()
        };
        assert_eq!(many(1000, 1000), 0);
        assert_eq!(many(100_000, 1000), 1);
        let (_, diagnostics) =
            Sources::parse("x", &format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(9999), "*a,".repeat(999)));
        assert_eq!(diagnostics.len(), 1);
    }

    #[test]
    fn scalars_have_the_types_that_github_gives_them() {
        let value = |text: &str| parse(&format!("a: {text}\n")).value()["a"].clone();
        for text in
            ["on", "yes", "NO", "2026-11-22", "12:30:45", "0b11", "1_000", "v3.10", "'3.10'", "\"true\"", "!!str 7"]
        {
            assert!(value(text).is_string(), "{text}");
        }
        for (text, number) in
            [("3.10", 3.1), ("0755", 755.0), ("0o14", 12.0), ("0x1F", 31.0), ("1e3", 1000.0), ("!!float 2", 2.0)]
        {
            assert_eq!(value(text).as_f64(), Some(number), "{text}");
        }
        assert!(value("~").is_null() && value("").is_null() && value("|-").is_string());
        assert_eq!(value("&anchor True").as_bool(), Some(true));
        assert!(matches!(value("!Tag [1]"), Value::Tagged(_)));
    }

    #[test]
    fn a_whole_number_that_would_be_rounded_is_refused() {
        assert_snapshot!(errors("id: 123456789012345678901234567890\n"), @"
        error[yaml]: this whole number is larger than what can be read exactly
         --> ovenbird.yml:1:5
          |
        1 | id: 123456789012345678901234567890
          |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: put it in quotes if it is meant as a text
        ");
    }

    #[test]
    fn a_mapping_as_a_key_is_most_often_an_expression_without_its_dollar() {
        assert_snapshot!(errors("name: {{ vars.name }}\n"), @"
        error[yaml]: a mapping or a list can't be the key of a mapping
         --> ovenbird.yml:1:8
          |
        1 | name: {{ vars.name }}
          |        ^
          |
          = help: a value that begins with `{` is a mapping in YAML, with `[` a list: put it in quotes if it is meant as text
        ");
    }

    #[test]
    fn what_is_no_text_of_yaml_is_refused_where_it_is() {
        assert_snapshot!(errors("name: a\u{0}b\n"), @r"
        error[yaml]: not valid YAML: unexpected character: `\u{0}'
         --> ovenbird.yml:1:8
          |
        1 | name: a␀b
          |        ^
          |
          = help: a text can't begin with this character: put the whole value in quotes
        ");
        assert_snapshot!(errors("name: \"a\tb\"\nsteps: [a,\n\tb]\nenv: \u{7}\n"), @r"
        error[yaml]: not valid YAML: unexpected character: `\u{7}'
         --> ovenbird.yml:4:6
          |
        4 | env: ␇
          |      ^
          |
          = help: a text can't begin with this character: put the whole value in quotes
        ");
        assert_snapshot!(errors(&format!("a: {}1\n", "[\n".repeat(200))), @"
        error[yaml]: not valid YAML: unclosed bracket '['
           --> ovenbird.yml:200:1
            |
        200 | [
            | ^
        ");
        parse(&format!("a: {}{}\n", "[".repeat(127), "]".repeat(127)));
        assert_snapshot!(errors(&format!("a: {}{}\n", "[".repeat(128), "]".repeat(128))), @"
        error[yaml]: nested deeper than 128 levels
         --> ovenbird.yml:1:131
          |
        1 | ...[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]...
          |                                                                    ^
        ");
    }

    #[test]
    fn line_ends_of_windows_and_very_long_lines_are_read() {
        let source = parse("a: one\r\nb:\r\n  - |\r\n    x\r\n    y\r\nc: 3.10\r\n");
        assert_eq!(source.value()["b"][0].as_str(), Some("x\ny\n"));
        assert_eq!(source.value()["c"].as_f64(), Some(3.1));
        assert_eq!(source.line(&Place::Key(route(&["c"]))), 6);
        let source = parse(&format!("a: '{}'\nb: 1\n", "long ".repeat(200_000)));
        assert_eq!(source.line(&Place::Key(route(&["b"]))), 2);
    }

    #[test]
    fn a_file_of_more_than_ten_mebibytes_is_not_even_read() {
        let (_, diagnostics) = Sources::parse("x", &"# comment\n".repeat(LARGEST_FILE / 10 + 1));
        let messages: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, ["the file has 10485770 bytes, and 10 MiB is the most that one may have"]);
    }

    #[test]
    fn a_merged_key_gives_way_to_the_mappings_own_and_to_an_earlier_merge() {
        let source =
            parse("a: &a { x: 1, y: 1 }\nb: &b { x: 2, z: 2 }\nc: { x: 3, <<: [*a, *b] }\nd: { <<: [*b, *a] }\n");
        let of = |key: &str, inner: &str| source.value()[key][inner].as_i64();
        assert_eq!([of("c", "x"), of("c", "y"), of("c", "z"), of("d", "x")], [Some(3), Some(1), Some(2), Some(2)]);
    }

    /// All routes of a decoded value.
    fn routes(value: &Value, route: &Route, all: &mut Vec<Route>) {
        all.push(route.clone());
        match value {
            Value::Mapping(mapping) => {
                for (key, item) in mapping {
                    if let Some(key) = key.as_str() {
                        routes(item, &route.key(key), all);
                    }
                }
            }
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    routes(item, &route.index(index), all);
                }
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_read_or_refused_but_never_panics(text in "(\\PC|[ \n\t:\\-{}\\[\\],&*#|>'\"%@`\r]){0,80}") {
            let (sources, diagnostics) = Sources::parse("x", &text);
            let _ = crate::diagnostic::render(&diagnostics, &sources, false);
            let source = sources.main();
            let mut all = Vec::new();
            routes(source.value(), &Route::root(), &mut all);
            for route in all {
                let _ = (source.lines_of(&route), source.range(&Place::Inside(route.clone(), 0..usize::MAX)));
            }
        }

        #[test]
        fn the_index_covers_every_route_of_the_decoded_value(text in yaml(3)) {
            let (source, diagnostics) = Source::parse(FileId::default(), "x", &text);
            prop_assert_eq!(diagnostics, []);
            let mut all = Vec::new();
            routes(source.value(), &Route::root(), &mut all);
            for route in all {
                prop_assert!(source.index.find(&route).is_exact(), "{} in\n{}", route, text);
            }
        }
    }

    /// Documents in flow style, with anchors and merge keys where they may stand.
    fn yaml(depth: u32) -> impl Strategy<Value = String> {
        let leaf =
            prop_oneof!["[a-z]{1,6}", "'[a-z ]{0,6}'", "[0-9]{1,3}", Just("~".to_owned()), Just("true".to_owned())];
        let value = leaf.prop_recursive(depth, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| {
                    let pairs: Vec<String> = map.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                    format!("{{{}}}", pairs.join(", "))
                }),
            ]
        });
        prop::collection::btree_map("[a-z]{1,4}", value, 0..5).prop_map(|map| {
            let mut text = "base-: &base { p: 1, q: [2] }\nmerged-: { <<: *base, q: 3 }\n".to_owned();
            for (key, value) in map {
                text.push_str(&format!("\"{key}\":\n  {value}\n"));
            }
            text
        })
    }
}
