//! Matchers of lists, mappings and lengths (gomega `matchers/`).

use serde_json::Value;

use super::{Matcher, Node, golang};

/// gomega's `Equal`, but that numbers are equal by value.
pub(super) fn equal(actual: &Value, expected: &Value) -> Result<bool, String> {
    if actual.is_null() && expected.is_null() {
        return Err(
            "Refusing to compare <nil> to <nil>.\nBe explicit and use BeNil() instead.  This is to avoid mistakes \
                    where both sides of an assertion are erroneously uninitialized."
                .to_owned(),
        );
    }
    Ok(same(actual, expected))
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}

pub(super) fn length(actual: &Value) -> Result<usize, String> {
    match actual {
        // Bytes, as Go counts.
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(map) => Ok(map.len()),
        other => {
            Err(format!("HaveLen matcher expects a string/array/map/channel/slice.  Got:\n{}", golang::object(other)))
        }
    }
}

pub(super) fn has_key(key: &Matcher, actual: &Value) -> Result<bool, String> {
    let Value::Object(map) = actual else {
        return Err(format!("HaveKey matcher expects a map.  Got:{}", golang::object(actual)));
    };
    for name in map.keys() {
        let matches = key.test(&Value::from(name.as_str()));
        if matches.map_err(|error| format!("HaveKey's key matcher failed with:\n    {error}"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether any element matches. An error counts only when none does.
pub(super) fn any(inner: &Matcher, actual: &Value) -> Result<bool, String> {
    let mut last = Ok(false);
    for element in members(actual, "ContainElement")? {
        match inner.test(element) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => last = Err(error),
        }
    }
    last
}

/// What came of giving each matcher an element of its own.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// Matchers that got one.
    pub(super) found: Vec<Value>,
    /// Matchers that no element was left for.
    pub(super) missing: Vec<Value>,
    /// Elements that are left.
    pub(super) extra: Vec<Value>,
}

impl Assigned {
    /// Of what has no elements: goss calls found what it does not know to be missing.
    pub(super) fn without_elements(all: &[Matcher]) -> Self {
        Self { found: all.iter().map(wanted).collect(), ..Self::default() }
    }
}

/// Which matchers find an element.
pub(super) fn contains(all: &[Matcher], actual: &Value) -> Result<Assigned, String> {
    assign(all, &members(actual, "ContainElements")?)
}

/// The same, for all elements.
pub(super) fn consists(all: &[Matcher], actual: &Value) -> Result<Assigned, String> {
    assign(all, &members(actual, "ConsistOf")?)
}

fn members<'a>(actual: &'a Value, matcher: &str) -> Result<Vec<&'a Value>, String> {
    match actual {
        Value::Array(items) => Ok(items.iter().collect()),
        Value::Object(map) => Ok(map.values().collect()),
        other => Err(format!("{matcher} matcher expects an array/slice/map.  Got:\n{}", golang::object(other))),
    }
}

/// The largest assignment of elements to matchers, by augmenting paths (Kuhn's algorithm).
fn assign(all: &[Matcher], elements: &[&Value]) -> Result<Assigned, String> {
    let fits = |matcher: &Matcher| -> Vec<usize> {
        // An element that can't be compared does not match.
        (0..elements.len()).filter(|&index| matcher.test(elements[index]) == Ok(true)).collect()
    };
    let edges: Vec<Vec<usize>> = all.iter().map(fits).collect();
    let mut taken: Vec<Option<usize>> = vec![None; elements.len()];
    let mut assigned = Assigned::default();
    for (index, matcher) in all.iter().enumerate() {
        if augment(index, &edges, &mut taken, &mut vec![false; elements.len()]) {
            assigned.found.push(wanted(matcher));
        } else {
            assigned.missing.push(wanted(matcher));
        }
    }
    let free = taken.iter().zip(elements).filter(|(taken, _)| taken.is_none());
    assigned.extra = free.map(|(_, element)| (*element).clone()).collect();
    Ok(assigned)
}

fn augment(matcher: usize, edges: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &element in &edges[matcher] {
        if std::mem::replace(&mut seen[element], true) {
            continue;
        }
        if taken[element].is_none_or(|other| augment(other, edges, taken, seen)) {
            taken[element] = Some(matcher);
            return true;
        }
    }
    false
}

fn wanted(matcher: &Matcher) -> Value {
    match &matcher.0 {
        Node::Equal(expected) => expected.clone(),
        _ => matcher.value(),
    }
}
