//! Ranges of semantic versions as blang/semver reads them: `>=1.0.0 <2.0.0 || >3.0.0 !=3.1.0`, `1.x`, `>1.2.x`.

use semver::Version;
use serde_json::Value;

use super::golang;

/// Any of which all conditions hold.
#[derive(Clone, Debug)]
pub(super) struct Range(Vec<Vec<Condition>>);

/// From one version up to another, or outside of that.
#[derive(Clone, Debug)]
struct Condition {
    inverse: bool,
    from: Option<Bound>,
    to: Option<Bound>,
}

#[derive(Clone, Debug)]
struct Bound {
    version: Version,
    inclusive: bool,
}

impl Range {
    /// None for what is no range.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let any: Option<Vec<_>> = text.split("||").map(all).collect();
        any.map(Self)
    }

    /// Whether a version, or each of a list, is in the range.
    pub(super) fn holds(&self, actual: &Value) -> Result<bool, String> {
        let refused =
            || format!("Expected a single or list of semver valid version(s).  Got:\n{}", golang::object(actual));
        let items = match actual {
            Value::Array(items) if !items.is_empty() => items.as_slice(),
            Value::Array(_) => return Err(refused()),
            one => std::slice::from_ref(one),
        };
        let parse = |value: &Value| value.as_str().and_then(|text| Version::parse(text).ok()).ok_or_else(refused);
        let versions = items.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(versions.iter().all(|version| self.contains(version)))
    }

    fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|condition| condition.holds(version)))
    }
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        let above = self.from.as_ref().is_none_or(|bound| {
            let order = version.cmp_precedence(&bound.version);
            order.is_gt() || bound.inclusive && order.is_eq()
        });
        let below = self.to.as_ref().is_none_or(|bound| {
            let order = version.cmp_precedence(&bound.version);
            order.is_lt() || bound.inclusive && order.is_eq()
        });
        (above && below) != self.inverse
    }
}

/// What goss says of a text that is no range.
pub(super) fn refused(constraint: &str) -> String {
    format!("Expected a valid semver constraint.  Got:\n{}", golang::object(&Value::from(constraint)))
}

/// Conditions, with blanks between them, and perhaps between an operator and its version.
fn all(text: &str) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    let mut operator = String::new();
    for word in text.split_whitespace() {
        let start = word.find(|char| !"<>=!".contains(char));
        let (sign, version) = word.split_at(start.unwrap_or(word.len()));
        operator.push_str(sign);
        if !version.is_empty() {
            conditions.push(condition(&operator, version)?);
            operator.clear();
        }
    }
    (operator.is_empty() && !conditions.is_empty()).then_some(conditions)
}

fn condition(operator: &str, text: &str) -> Option<Condition> {
    let (first, after) = versions(text)?;
    let bound = |version: &Version, inclusive| Some(Bound { version: version.clone(), inclusive });
    // The end of what is meant: a version itself, or the first one that a wildcard no longer covers.
    let end = |covered: bool| match &after {
        Some(after) => bound(after, !covered),
        None => bound(&first, covered),
    };
    let (from, to, inverse) = match operator {
        "" | "=" | "==" => (bound(&first, true), end(true), false),
        "!" | "!=" => (bound(&first, true), end(true), true),
        ">" => (end(false), None, false),
        ">=" => (bound(&first, true), None, false),
        "<" => (None, bound(&first, false), false),
        "<=" => (None, end(true), false),
        _ => return None,
    };
    Some(Condition { inverse, from, to })
}

/// The first version that is meant; with a wildcard, also the first that is no longer.
fn versions(text: &str) -> Option<(Version, Option<Version>)> {
    if !text.contains('x') {
        return Version::parse(text).ok().map(|version| (version, None));
    }
    let parts: Vec<&str> = text.split('.').collect();
    let number = |part: &str| part.parse::<u64>().ok();
    match parts.as_slice() {
        [major, "x"] | [major, "x", "x"] => {
            let major = number(major)?;
            Some((Version::new(major, 0, 0), Some(Version::new(major.checked_add(1)?, 0, 0))))
        }
        [major, minor, "x"] => {
            let (major, minor) = (number(major)?, number(minor)?);
            Some((Version::new(major, minor, 0), Some(Version::new(major, minor.checked_add(1)?, 0))))
        }
        // A pre-release may have an `x` in its name.
        _ => Version::parse(text).ok().map(|version| (version, None)),
    }
}
