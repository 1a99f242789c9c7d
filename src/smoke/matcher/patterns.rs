//! Patterns of a stream of lines: `foo`, `!foo`, `\!foo`, `/regexp/`, `!/regexp/` (goss `matchers/have_patterns.go`).

use regex::Regex;
use serde_json::Value;

use super::{Syntax, golang};
use crate::source::Segment;

/// What `bufio.Scanner` is allowed to hold.
const LONGEST_LINE: usize = 1024 * 1024;

/// What was looked for, by the patterns as they are written.
pub(super) struct Search {
    pub(super) found: Vec<Value>,
    pub(super) missing: Vec<Value>,
    wanted: usize,
}

impl Search {
    pub(super) fn is_complete(&self) -> bool {
        self.found.len() == self.wanted
    }
}

enum Test {
    Contains(String),
    Regexp(Regex),
}

struct Pattern<'a> {
    written: &'a str,
    inverse: bool,
    test: Test,
}

impl<'a> Pattern<'a> {
    fn parse(written: &'a str) -> Result<Self, Syntax> {
        let inverse = written.starts_with('!');
        let rest = written.strip_prefix('!').unwrap_or(written);
        let test = if rest.starts_with('/') && written.ends_with('/') {
            let inner = rest.strip_prefix('/').unwrap_or(rest);
            let inner = inner.strip_suffix('/').unwrap_or(inner);
            Test::Regexp(Regex::new(inner).map_err(|error| Syntax::regexp(inner, &error))?)
        } else {
            Test::Contains(written.trim_start_matches(['\\', '/', '!']).to_owned())
        };
        Ok(Self { written, inverse, test })
    }

    fn matches(&self, line: &str) -> bool {
        match &self.test {
            Test::Contains(part) => line.contains(part.as_str()),
            Test::Regexp(regexp) => regexp.is_match(line),
        }
    }
}

/// Refuses what is no list of patterns.
pub(super) fn check(expected: &Value) -> Result<(), Syntax> {
    let Value::Array(items) = expected else {
        let message = "HavePatterns matcher expects an array of matchers.  Got:\n";
        return Err(Syntax::new(format!("{message}{}", golang::object(expected))));
    };
    for (index, item) in items.iter().enumerate() {
        let checked = match item {
            Value::String(text) => Pattern::parse(text).map(|_| ()),
            Value::Object(_) | Value::Array(_) | Value::Null => {
                Err(Syntax::new("a pattern is a text; a matcher stands alone, not in a list of patterns"))
            }
            other => Err(Syntax::new(format!("a pattern is a text: write `\"{}\"`, in quotes", golang::plain(other)))),
        };
        checked.map_err(|error| error.at(Segment::Index(index)))?;
    }
    Ok(())
}

/// Looks for patterns among lines: each is to be found in one of them, inverse ones in none.
pub(super) fn search(patterns: &Value, text: &str) -> Result<Search, String> {
    let items = patterns.as_array().map(Vec::as_slice).unwrap_or_default();
    let parsed = items.iter().filter_map(Value::as_str).map(Pattern::parse);
    let mut open = parsed.collect::<Result<Vec<_>, _>>().map_err(|error| error.message)?;
    let mut search = Search { found: Vec::new(), missing: Vec::new(), wanted: items.len() };
    for line in text.lines() {
        if open.is_empty() {
            break;
        }
        if line.len() >= LONGEST_LINE {
            return Err("bufio.Scanner: token too long".to_owned());
        }
        let (hits, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|pattern| pattern.matches(line));
        search.found.extend(hits.iter().filter(|pattern| !pattern.inverse).map(|pattern| Value::from(pattern.written)));
        open = rest;
    }
    // An empty pattern is in an empty text too.
    let kept = open.iter().filter(|pattern| pattern.inverse || pattern.written.is_empty());
    search.found.extend(kept.map(|pattern| Value::from(pattern.written)));
    if !search.is_complete() {
        search.missing = items.iter().filter(|item| !search.found.contains(item)).cloned().collect();
    }
    Ok(search)
}
