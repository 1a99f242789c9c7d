//! goss's matchers: what is expected, compiled once, and compared with what is there.
//!
//! Formats and semantics are those of goss (`resource/gomega.go`, `matchers/`) and of gomega below it, so that whoever reads
//! goss's output reads ours. Where a value has a type in Go that JSON does not know, numbers are compared by value.

mod elements;
mod error;
mod patterns;
mod range;
#[cfg(test)]
mod tests;
mod transform;
mod xml;
mod xpath;

use regex::Regex;
use serde_json::{Map, Value, json};

use elements::Assigned;
pub use error::Syntax;
use range::Range;
use transform::Transform;
use xml::Xml;

use super::golang;
use super::verdict::MatcherResult;
use crate::source::Segment;

/// Names of all matchers, as a mapping's one key.
pub const NAMES: &[&str] = &[
    "equal",
    "have-prefix",
    "have-suffix",
    "match-regexp",
    "contain-substring",
    "have-len",
    "have-patterns",
    "have-key",
    "contain-element",
    "contain-elements",
    "consist-of",
    "not",
    "and",
    "or",
    "gt",
    "ge",
    "lt",
    "le",
    "semver-constraint",
    "gjson",
    "xml",
];

/// What is expected of one value.
#[derive(Clone, Debug)]
pub struct Matcher(Node);

#[derive(Clone, Debug)]
enum Node {
    Equal(Value),
    Prefix(String),
    Suffix(String),
    Regexp(String, Regex),
    Substring(String),
    Length(i64),
    Patterns(Value),
    Key(Box<Matcher>),
    Element(Box<Matcher>),
    Elements(Vec<Matcher>),
    ConsistOf(Vec<Matcher>),
    Not(Box<Matcher>),
    And(Vec<Matcher>),
    Or(Vec<Matcher>),
    Numeric(Comparison, Value),
    Semver(String, Range),
    Xml(Box<Xml>),
    Transformed(Transform, Box<Matcher>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn name(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }

    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

impl Matcher {
    /// Compiles what is expected: a value, whose type says how it is compared, or a mapping of one matcher.
    ///
    /// # Errors
    /// [`Syntax`], in goss's words, when there is no such matcher, or its argument is of the wrong type.
    pub fn compile(expected: &Value) -> Result<Self, Syntax> {
        match expected {
            Value::String(_) => Ok(Self::transformed(Transform::ToString, Node::Equal(expected.clone()))),
            Value::Number(_) => {
                Ok(Self::transformed(Transform::ToNumeric, Node::Numeric(Comparison::Equal, expected.clone())))
            }
            Value::Bool(_) => Ok(Self(Node::Equal(expected.clone()))),
            Value::Array(items) => Ok(Self(Node::Elements(compile_all(items)?))),
            Value::Null => Err(Syntax::new("Syntax Error: Missing required attribute")),
            Value::Object(map) => Self::named(map),
        }
    }

    /// The patterns of a stream of lines.
    ///
    /// # Errors
    /// When one is no text, or no regular expression.
    pub fn patterns(expected: &Value) -> Result<Self, Syntax> {
        patterns::check(expected)?;
        Ok(Self(Node::Patterns(expected.clone())))
    }

    fn named(map: &Map<String, Value>) -> Result<Self, Syntax> {
        let mut names: Vec<&String> = map.keys().collect();
        names.sort();
        match (names.as_slice(), map.iter().next()) {
            ([_], Some((name, value))) => Self::of_name(name, value).map_err(|error| error.inside(name)),
            ([], _) | (_, None) => Err(Syntax::new(
                "Syntax Error: Invalid matcher configuration. An empty map asserts nothing, exactly one matcher is required",
            )),
            _ => {
                let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
                Err(Syntax::new(format!(
                    "Syntax Error: Invalid matcher configuration. At a given nesting level, only one matcher is allowed. \
                     Found multiple matchers: [{}]",
                    quoted.join(" ")
                )))
            }
        }
    }

    fn of_name(name: &str, value: &Value) -> Result<Self, Syntax> {
        match name {
            "equal" => Ok(Self(Node::Equal(value.clone()))),
            "have-prefix" => Ok(Self::on_string(Node::Prefix(text(name, value)?))),
            "have-suffix" => Ok(Self::on_string(Node::Suffix(text(name, value)?))),
            "contain-substring" => Ok(Self::on_string(Node::Substring(text(name, value)?))),
            "match-regexp" => {
                let pattern = text(name, value)?;
                let regexp = Regex::new(&pattern).map_err(|error| Syntax::regexp(&pattern, &error))?;
                Ok(Self::on_string(Node::Regexp(pattern, regexp)))
            }
            "have-len" => match value.as_f64() {
                // Go's conversion cuts fractions off.
                Some(length) => Ok(Self(Node::Length(length as i64))),
                None => Err(Syntax::argument(name, "numeric", value)),
            },
            "have-patterns" => match value {
                Value::Array(_) => Ok(Self::transformed(Transform::ToString, Self::patterns(value)?.0)),
                _ => Err(Syntax::argument(name, "array", value)),
            },
            "have-key" => Ok(Self(Node::Key(Box::new(Self::compile(value)?)))),
            "contain-element" => match value {
                Value::Object(_) | Value::String(_) | Value::Number(_) => {
                    let inner = Box::new(Self::compile(value)?);
                    Ok(Self::transformed(Transform::ToArray, Node::Element(inner)))
                }
                _ => Err(Syntax::argument(name, "matcher, string or numeric", value)),
            },
            "contain-elements" => {
                let inner = list("contains-elements", value)?;
                Ok(Self::transformed(Transform::ToArray, Node::Elements(inner)))
            }
            "consist-of" => Ok(Self(Node::ConsistOf(list(name, value)?))),
            "not" => Ok(Self(Node::Not(Box::new(Self::compile(value)?)))),
            "and" => Ok(Self(Node::And(list(name, value)?))),
            "or" => Ok(Self(Node::Or(list(name, value)?))),
            "gt" => Ok(Self::numeric(Comparison::Greater, value)),
            "ge" => Ok(Self::numeric(Comparison::GreaterOrEqual, value)),
            "lt" => Ok(Self::numeric(Comparison::Less, value)),
            "le" => Ok(Self::numeric(Comparison::LessOrEqual, value)),
            "semver-constraint" => {
                let constraint = text(name, value)?;
                let range = Range::parse(&constraint).ok_or_else(|| Syntax::new(range::refused(&constraint)))?;
                Ok(Self(Node::Semver(constraint, range)))
            }
            "gjson" => Self::gjson(value),
            "xml" => Ok(Self(Node::Xml(Box::new(Xml::compile(value)?)))),
            _ => Err(Syntax::unknown(name)),
        }
    }

    fn gjson(value: &Value) -> Result<Self, Syntax> {
        let Value::Object(paths) = value else { return Err(Syntax::argument("gjson", "map", value)) };
        let mut paths: Vec<(&String, &Value)> = paths.iter().collect();
        // Go takes them in any order; a stable one makes the first failure the same each time.
        paths.sort_by_key(|(path, _)| *path);
        let inner = paths.into_iter().map(|(path, expected)| {
            let inner = Self::compile(expected).map_err(|error| error.inside(path))?;
            Ok(Self(Node::Transformed(Transform::Gjson(path.clone()), Box::new(inner))))
        });
        Ok(Self(Node::And(inner.collect::<Result<_, _>>()?)))
    }

    fn transformed(transform: Transform, node: Node) -> Self {
        Self(Node::Transformed(transform, Box::new(Self(node))))
    }

    fn on_string(node: Node) -> Self {
        Self::transformed(Transform::ToString, node)
    }

    fn numeric(comparison: Comparison, value: &Value) -> Self {
        Self::transformed(Transform::ToNumeric, Node::Numeric(comparison, value.clone()))
    }

    /// Whether a value is what is expected.
    ///
    /// # Errors
    /// Why it can't be compared, in goss's words.
    pub fn test(&self, actual: &Value) -> Result<bool, String> {
        match &self.0 {
            Node::Equal(expected) => elements::equal(actual, expected),
            Node::Prefix(prefix) => Ok(string(actual)?.starts_with(prefix.as_str())),
            Node::Suffix(suffix) => Ok(string(actual)?.ends_with(suffix.as_str())),
            Node::Substring(part) => Ok(string(actual)?.contains(part.as_str())),
            Node::Regexp(_, regexp) => Ok(regexp.is_match(string(actual)?)),
            Node::Length(length) => elements::length(actual).map(|actual| i64::try_from(actual) == Ok(*length)),
            Node::Patterns(patterns) => patterns::search(patterns, string(actual)?).map(|found| found.is_complete()),
            Node::Key(key) => elements::has_key(key, actual),
            Node::Element(inner) => elements::any(inner, actual),
            Node::Elements(all) => elements::contains(all, actual).map(|of| of.missing.is_empty()),
            Node::ConsistOf(all) => {
                elements::consists(all, actual).map(|of| of.missing.is_empty() && of.extra.is_empty())
            }
            Node::Not(inner) => inner.test(actual).map(|matches| !matches),
            Node::And(all) => {
                for one in all {
                    if !one.test(actual)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(all) => {
                for one in all {
                    if one.test(actual)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Numeric(comparison, to) => compare(*comparison, actual, to),
            Node::Semver(_, range) => range.holds(actual),
            Node::Xml(xml) => xml.test(actual),
            Node::Transformed(transform, inner) => {
                let value = transform.apply(actual).map_err(|error| format!("{}: {error}", transform.go_name()))?;
                inner.test(&value)
            }
        }
    }

    /// What there is to say when the value is not what is expected; with `negated`, when it is and should not be.
    #[must_use]
    pub fn failure(&self, actual: &Value, negated: bool) -> MatcherResult {
        match &self.0 {
            Node::Not(inner) => inner.failure(actual, !negated),
            Node::And(all) if !negated => match all.iter().find(|one| one.test(actual) != Ok(true)) {
                Some(failed) => failed.failure(actual, false),
                None => MatcherResult::default(),
            },
            Node::Or(all) if negated => match all.iter().find(|one| one.test(actual) == Ok(true)) {
                Some(succeeded) => succeeded.failure(actual, true),
                None => MatcherResult::default(),
            },
            Node::Transformed(..) => self.transformed_failure(actual, negated),
            node => node.failure(actual, negated),
        }
    }

    fn transformed_failure(&self, actual: &Value, negated: bool) -> MatcherResult {
        let (mut matcher, mut value, mut chain, mut failed) = (self, actual.clone(), Vec::new(), false);
        while let Node::Transformed(transform, inner) = &matcher.0 {
            matcher = inner;
            // After a transform that fails nothing is transformed any more.
            if failed {
                value = Value::Null;
                continue;
            }
            let next = transform.apply(&value);
            if next.as_ref() != Ok(&value) {
                chain.push(transform.json());
            }
            failed = next.is_err();
            value = next.unwrap_or_else(|_| transform.nothing());
        }
        let mut result = matcher.failure(&value, negated);
        result.transform_chain = chain;
        result.untransformed = Some(actual.clone());
        result
    }

    /// The matcher as goss writes it into its output (each `MarshalJSON`).
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.0 {
            Node::Equal(expected) => expected.clone(),
            Node::Prefix(text) => json!({ "have-prefix": text }),
            Node::Suffix(text) => json!({ "have-suffix": text }),
            Node::Regexp(text, _) => json!({ "match-regexp": text }),
            Node::Substring(text) => json!({ "contain-substring": text }),
            Node::Length(length) => json!({ "have-len": length }),
            Node::Patterns(patterns) => json!({ "have-patterns": patterns }),
            Node::Key(inner) => json!({ "have-key": inner.value() }),
            Node::Element(inner) => json!({ "contain-element": inner.value() }),
            Node::Elements(all) => json!({ "contain-elements": values(all) }),
            Node::ConsistOf(all) => json!({ "consist-of": values(all) }),
            Node::Not(inner) => json!({ "not": inner.value() }),
            Node::And(all) => json!({ "and": values(all) }),
            Node::Or(all) => json!({ "or": values(all) }),
            Node::Numeric(comparison, to) => json!({ comparison.name(): to }),
            Node::Semver(constraint, _) => json!({ "semver-constraint": constraint }),
            Node::Xml(xml) => json!({ "xml": xml.expression }),
            Node::Transformed(_, inner) => inner.value(),
        }
    }
}

impl Node {
    /// [`Matcher::failure`] of those that neither pass it on nor transform.
    fn failure(&self, actual: &Value, negated: bool) -> MatcherResult {
        let mut result = MatcherResult { actual: actual.clone(), ..MatcherResult::default() };
        let (message, expected) = self.words();
        result.message = match self {
            Self::Xml(_) if negated => "cannot match xpath query with intended result".to_owned(),
            _ if negated => format!("not {message}"),
            _ => message.to_owned(),
        };
        result.expected = expected;
        result.of_matchers = matches!(
            self,
            Self::Key(_) | Self::Element(_) | Self::Elements(_) | Self::ConsistOf(_) | Self::And(_) | Self::Or(_)
        );
        if negated {
            return result;
        }
        match self {
            Self::Elements(all) => {
                let of = elements::contains(all, actual).unwrap_or_else(|_| Assigned::without_elements(all));
                (result.missing_elements, result.found_elements) = (of.missing, Some(of.found));
            }
            Self::ConsistOf(all) => {
                let of = elements::consists(all, actual).unwrap_or_else(|_| Assigned::without_elements(all));
                (result.missing_elements, result.found_elements) = (of.missing, Some(of.found));
                result.extra_elements = of.extra;
            }
            Self::Patterns(patterns) => {
                if let Ok(found) = string(actual).and_then(|text| patterns::search(patterns, text)) {
                    result.found_elements = Some(found.found).filter(|found| !found.is_empty());
                    result.missing_elements = found.missing;
                }
            }
            _ => {}
        }
        result
    }

    /// What it asks of a value, and the value that the words are followed by.
    fn words(&self) -> (&'static str, Value) {
        match self {
            Self::Equal(expected) => ("to equal", expected.clone()),
            Self::Prefix(text) => ("to have prefix", text.as_str().into()),
            Self::Suffix(text) => ("to have suffix", text.as_str().into()),
            Self::Regexp(text, _) => ("to match regular expression", text.as_str().into()),
            Self::Substring(text) => ("to contain substring", text.as_str().into()),
            Self::Length(length) => ("to have length", (*length).into()),
            Self::Patterns(patterns) => ("to have patterns", patterns.clone()),
            Self::Key(inner) => ("to have key matching", inner.value()),
            Self::Element(inner) => ("to contain element matching", inner.value()),
            Self::Elements(all) => ("to contain elements matching", values(all)),
            // Go's empty list of them was never made.
            Self::ConsistOf(all) if all.is_empty() => ("to consist of", Value::Null),
            Self::ConsistOf(all) => ("to consist of", values(all)),
            Self::And(all) => ("to satisfy all of these matchers", values(all)),
            Self::Or(all) => ("to satisfy at least one of these matchers", values(all)),
            Self::Numeric(comparison, to) => {
                let message = match comparison {
                    Comparison::Equal => "to be numerically eq",
                    Comparison::Greater => "to be numerically gt",
                    Comparison::GreaterOrEqual => "to be numerically ge",
                    Comparison::Less => "to be numerically lt",
                    Comparison::LessOrEqual => "to be numerically le",
                };
                (message, to.clone())
            }
            Self::Semver(constraint, _) => ("to satisfy semver constraint", constraint.as_str().into()),
            Self::Xml(xml) => ("satisfied XPath match with intended result", xml.result.as_str().into()),
            Self::Not(_) | Self::Transformed(..) => ("", Value::Null),
        }
    }
}

fn values(matchers: &[Matcher]) -> Value {
    matchers.iter().map(Matcher::value).collect()
}

fn compile_all(items: &[Value]) -> Result<Vec<Matcher>, Syntax> {
    let inside = |(index, item)| Matcher::compile(item).map_err(|error| error.at(Segment::Index(index)));
    items.iter().enumerate().map(inside).collect()
}

fn list(name: &str, value: &Value) -> Result<Vec<Matcher>, Syntax> {
    match value {
        Value::Array(items) => compile_all(items),
        _ => Err(Syntax::argument(name, "array", value)),
    }
}

fn text(name: &str, value: &Value) -> Result<String, Syntax> {
    value.as_str().map(str::to_owned).ok_or_else(|| Syntax::argument(name, "string", value))
}

/// The text that a matcher of texts is given; a transform before it has seen to that.
fn string(actual: &Value) -> Result<&str, String> {
    actual.as_str().ok_or_else(|| format!("Expected string, Got:{}", golang::object(actual)))
}

fn compare(comparison: Comparison, actual: &Value, to: &Value) -> Result<bool, String> {
    let number =
        |value: &Value| value.as_f64().ok_or_else(|| format!("Expected a number.  Got:\n{}", golang::object(value)));
    Ok(comparison.holds(number(actual)?, number(to)?))
}
