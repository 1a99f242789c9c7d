//! Semantic versions: Sprig's `semver` and `semverCompare`, whose constraints are those of `Masterminds/semver` 3.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::super::value::{Holds, Value};
use super::{Answer, Call, Fault, Function, function, text_at};

pub(super) const FUNCTIONS: &[Function] = &[function("semver", 1, 1, semver), function("semverCompare", 2, 2, compare)];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: String,
    build: String,
    /// How many of the numbers are written, and no `x` or `*`.
    given: usize,
}

/// A version, of which all but the first number may be missing.
fn version(text: &str, wild: bool) -> Option<Version> {
    let text = text.trim();
    let (text, build) = text.split_once('+').unwrap_or((text, ""));
    let text = text.strip_prefix('v').unwrap_or(text);
    let (core, pre) = text.split_once('-').unwrap_or((text, ""));
    let mut numbers = [0; 3];
    let mut given = 0;
    let mut is_wild = false;
    for (index, part) in core.split('.').enumerate() {
        let number = numbers.get_mut(index)?;
        if wild && matches!(part, "x" | "X" | "*") {
            is_wild = true;
        } else if is_wild || part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        } else {
            *number = part.parse().ok()?;
            given += 1;
        }
    }
    let is_plain = |text: &str| text.chars().all(|char| char.is_ascii_alphanumeric() || "-.".contains(char));
    (is_plain(pre) && is_plain(build)).then(|| Version { numbers, pre: pre.to_owned(), build: build.to_owned(), given })
}

impl Version {
    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => order_of_identifiers(&self.pre, &other.pre),
        })
    }

    /// The first version after all that agree with the first `count` numbers.
    fn after(&self, count: usize) -> Self {
        let mut numbers = [0; 3];
        numbers[..count].copy_from_slice(&self.numbers[..count]);
        if let Some(last) = count.checked_sub(1) {
            numbers[last] = numbers[last].saturating_add(1);
        }
        Self { numbers, pre: String::new(), build: String::new(), given: 3 }
    }
}

/// Semantic Versioning 2.0, 11.4.
fn order_of_identifiers(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn parse(arguments: &[Value], index: usize) -> Result<Version, Fault> {
    version(text_at(arguments, index)?, false).ok_or_else(|| "Invalid Semantic Version".into())
}

fn semver(_: &Call, arguments: &[Value]) -> Answer {
    let version = parse(arguments, 0)?;
    let number = |index: usize| Value::Int(i64::try_from(version.numbers[index]).unwrap_or(i64::MAX));
    let entries = [
        ("Major", number(0)),
        ("Minor", number(1)),
        ("Patch", number(2)),
        ("Prerelease", Value::text(&version.pre)),
        ("Metadata", Value::text(&version.build)),
        ("Original", Value::text(text_at(arguments, 0)?)),
    ];
    let entries: BTreeMap<_, _> = entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Value::map(Holds::Anything, entries))
}

fn compare(_: &Call, arguments: &[Value]) -> Answer {
    let constraints = text_at(arguments, 0)?;
    let improper = || Fault::Call(format!("improper constraint: {constraints}"));
    let alternatives = constraints.split("||").map(|text| all_of(text).ok_or_else(improper));
    let alternatives = alternatives.collect::<Result<Vec<_>, _>>()?;
    let version = parse(arguments, 1)?;
    Ok(Value::Bool(alternatives.iter().any(|all| all.iter().all(|(operator, bound)| holds(operator, bound, &version)))))
}

/// Constraints with commas or blanks between, and `1.2 - 1.4`.
fn all_of(text: &str) -> Option<Vec<(String, Version)>> {
    let text = match text.split_once(" - ") {
        Some((from, to)) => format!(">={} <={}", from.trim(), to.trim()),
        None => text.to_owned(),
    };
    let is_operator = |char: char| "=!<>~^".contains(char);
    let mut constraints = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let after = rest.trim_start_matches(is_operator);
        let operator = &rest[..rest.len() - after.len()];
        let after = after.trim_start();
        let end = after.find(|char: char| char == ',' || char.is_whitespace()).unwrap_or(after.len());
        if !matches!(operator, "" | "=" | "!=" | ">" | "<" | ">=" | "=>" | "<=" | "=<" | "~" | "~>" | "^") {
            return None;
        }
        constraints.push((operator.to_owned(), version(&after[..end], true)?));
        rest = after[end..].trim_start_matches(|char: char| char == ',' || char.is_whitespace());
    }
    Some(constraints)
}

fn holds(operator: &str, bound: &Version, version: &Version) -> bool {
    // A release candidate satisfies only what names one.
    if !version.pre.is_empty() && bound.pre.is_empty() {
        return false;
    }
    let order = version.order(bound);
    // The first version that is no longer what a partial bound means; none when nothing is given.
    let beyond = |count: usize| count > 0 && version.order(&bound.after(count)).is_ge();
    let partial = bound.given < 3;
    match operator {
        "!=" if partial => order.is_lt() || beyond(bound.given),
        "!=" => order.is_ne(),
        ">" if partial => beyond(bound.given),
        ">" => order.is_gt(),
        "<" => order.is_lt(),
        ">=" | "=>" => order.is_ge(),
        "<=" | "=<" if partial => !beyond(bound.given),
        "<=" | "=<" => order.is_le(),
        "~" | "~>" => order.is_ge() && !beyond(bound.given.min(2)),
        "^" => {
            // The leftmost number that is not zero stays.
            let fixed = bound.numbers.iter().take(bound.given).position(|number| *number > 0);
            order.is_ge() && !beyond(fixed.map_or(bound.given, |index| index + 1))
        }
        _ if partial => order.is_ge() && !beyond(bound.given),
        _ => order.is_eq(),
    }
}
