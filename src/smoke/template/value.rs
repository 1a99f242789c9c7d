//! What templates compute with: the part of Go's values that YAML, JSON and the functions can make.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde_json::Number;

/// A value. Lists and maps are shared, as in Go: `set` changes the map that its argument is.
#[derive(Clone, Debug)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
    Time(DateTime<Utc>),
}

/// The elements of a list.
#[derive(Debug, Default)]
pub struct List(pub(super) Vec<Value>);

/// The entries of a map, which Go's templates visit in the order of the keys.
#[derive(Debug)]
pub struct Map {
    pub(super) holds: Holds,
    pub(super) entries: RefCell<BTreeMap<String, Value>>,
}

/// What Go's type of a map would be: what a missing key is depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// `map[string]interface {}`
    Anything,
    /// `map[string]string`, such as `.Env`.
    Text,
    /// The data of a goss file, a Go struct: `.Vars` and `.Env` are all that it has.
    Root,
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(Rc::from(text))
    }

    /// A list.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(List(items)))
    }

    /// A map.
    #[must_use]
    pub fn map(holds: Holds, entries: BTreeMap<String, Self>) -> Self {
        Self::Map(Rc::new(Map { holds, entries: RefCell::new(entries) }))
    }

    /// What Go's templates take for true: all that is not nil, zero or empty.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(bool) => *bool,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.0.is_empty(),
            Self::Map(map) => map.holds == Holds::Root || !map.entries.borrow().is_empty(),
            Self::Time(_) => true,
        }
    }

    /// The name of Go's type, as `%T` and error messages have it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(map) => match map.holds {
                Holds::Anything => "map[string]interface {}",
                Holds::Text => "map[string]string",
                Holds::Root => "*goss.TmplVars",
            },
            Self::Time(_) => "time.Time",
        }
    }

    /// The name of Go's kind, as Sprig's `kindOf` has it.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(map) if map.holds == Holds::Root => "ptr",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            _ => self.type_name(),
        }
    }

    /// How much there is to do for whoever reads all of it, one level deep.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len() / 64,
            Self::List(list) => list.0.len(),
            Self::Map(map) => map.entries.borrow().len(),
            _ => 0,
        }
    }

    /// What a JSON value is in Go: all numbers are `float64`.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        Self::build(json, &|number| Self::Float(number.as_f64().unwrap_or_default()))
    }

    /// What a YAML value is in Go: whole numbers are `int`.
    #[must_use]
    pub fn from_yaml(yaml: &serde_json::Value) -> Self {
        Self::build(yaml, &|number| {
            number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or_default()), Self::Int)
        })
    }

    fn build(json: &serde_json::Value, number: &dyn Fn(&Number) -> Self) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(bool) => Self::Bool(*bool),
            serde_json::Value::Number(json) => number(json),
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(items) => Self::list(items.iter().map(|item| Self::build(item, number)).collect()),
            serde_json::Value::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), Self::build(value, number)));
                Self::map(Holds::Anything, entries.collect())
            }
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        bury(mem::take(&mut self.0));
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        bury(mem::take(self.entries.get_mut()).into_values().collect());
    }
}

/// Drops values one by one: a hostile template nests them deeper than the stack is.
fn bury(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    pending.append(&mut list.0);
                }
            }
            Value::Map(map) => {
                if let Some(mut map) = Rc::into_inner(map) {
                    pending.extend(mem::take(map.entries.get_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

/// Deep equality, as `reflect.DeepEqual`. `None` when there is too much to compare.
pub(super) fn same(left: &Value, right: &Value) -> Option<bool> {
    // Shared parts make a small structure exponentially large to walk, so pairs are counted, not levels.
    let mut fuel = 100_000_u32;
    let mut pending = vec![(left.clone(), right.clone())];
    while let Some((left, right)) = pending.pop() {
        fuel = fuel.checked_sub(1)?;
        let equal = match (&left, &right) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Int(left), Value::Int(right)) => left == right,
            (Value::Float(left), Value::Float(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::Time(left), Value::Time(right)) => left == right,
            (Value::List(left), Value::List(right)) => {
                if left.0.len() == right.0.len() {
                    pending.extend(left.0.iter().cloned().zip(right.0.iter().cloned()));
                }
                left.0.len() == right.0.len()
            }
            (Value::Map(left), Value::Map(right)) => {
                let (left, right) = (left.entries.borrow(), right.entries.borrow());
                let equal = left.keys().eq(right.keys());
                if equal {
                    pending.extend(left.values().cloned().zip(right.values().cloned()));
                }
                equal
            }
            _ => false,
        };
        if !equal {
            return Some(false);
        }
    }
    Some(true)
}
