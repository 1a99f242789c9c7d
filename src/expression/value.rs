//! The values of the language, their coercions and comparisons.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::number;

/// A value of an expression.
///
/// `==` compares two values exactly (NaN equals itself); the language's own equality is [`Value::loosely_equals`].
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Array),
    Object(Object),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left == right || left.is_nan() && right.is_nan(),
            (Self::String(left), Self::String(right)) => left == right,
            (Self::Array(left), Self::Array(right)) => left == right,
            (Self::Object(left), Self::Object(right)) => left == right,
            _ => false,
        }
    }
}

impl Value {
    /// What the type is called: `null`, `boolean`, `number`, `string`, `array` or `object`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether it counts as true: everything but null, false, 0, NaN and the empty string.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// Neither an array nor an object.
    #[must_use]
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// The value as a number; NaN for what is none.
    #[must_use]
    pub fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Number(number) => *number,
            Self::String(text) => number::from_text(text),
            Self::Array(_) | Self::Object(_) => f64::NAN,
        }
    }

    /// The `==` of the language: strings ignore case, mixed types are compared as numbers, arrays and objects equal
    /// only themselves.
    #[must_use]
    pub fn loosely_equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::String(left), Self::String(right)) => upper_case(left) == upper_case(right),
            (Self::Array(left), Self::Array(right)) => Arc::ptr_eq(&left.items, &right.items),
            (Self::Object(left), Self::Object(right)) => Arc::ptr_eq(&left.0, &right.0),
            (left, right) if left.is_primitive() && right.is_primitive() => left.to_number() == right.to_number(),
            _ => false,
        }
    }

    /// How the language orders two values; none for those that have no order, such as objects or NaN.
    #[must_use]
    pub fn loosely_compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::String(left), Self::String(right)) => {
                Some(upper_case(left).encode_utf16().cmp(upper_case(right).encode_utf16()))
            }
            // GitHub has no order for null against null; it would be equal anyway.
            (Self::Null, Self::Null) => None,
            (left, right) if left.is_primitive() && right.is_primitive() => {
                left.to_number().partial_cmp(&right.to_number())
            }
            _ => None,
        }
    }

    /// The value as indented JSON, as `toJSON` gives it: NaN and the infinities are null.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        // A string takes whatever is written to it.
        let _ = self.write_json(&mut json, 0);
        json
    }

    /// Writes the value as indented JSON, as `toJSON` gives it. Fails only where the writer does.
    pub(super) fn write_json(&self, json: &mut impl fmt::Write, depth: usize) -> fmt::Result {
        match self {
            Self::Null => json.write_str("null"),
            Self::Bool(value) => write!(json, "{value}"),
            Self::Number(number) if number.is_finite() => json.write_str(&number::to_exact_text(*number)),
            Self::Number(_) => json.write_str("null"),
            Self::String(text) => write_json_string(json, text),
            Self::Array(array) => {
                write_json_items(json, ['[', ']'], depth, array.iter(), |json, item| item.write_json(json, depth + 1))
            }
            Self::Object(object) => write_json_items(json, ['{', '}'], depth, object.iter(), |json, (key, value)| {
                write_json_string(json, key)?;
                json.write_str(": ")?;
                value.write_json(json, depth + 1)
            }),
        }
    }
}

fn write_json_string(json: &mut impl fmt::Write, text: &str) -> fmt::Result {
    json.write_str(&serde_json::Value::from(text).to_string())
}

fn write_json_items<W: fmt::Write, T>(
    json: &mut W,
    [open, close]: [char; 2],
    depth: usize,
    items: impl ExactSizeIterator<Item = T>,
    write: impl Fn(&mut W, T) -> fmt::Result,
) -> fmt::Result {
    json.write_char(open)?;
    let some = items.len() > 0;
    for (position, item) in items.enumerate() {
        json.write_str(if position == 0 { "\n" } else { ",\n" })?;
        json.write_str(&"  ".repeat(depth + 1))?;
        write(json, item)?;
    }
    if some {
        json.write_char('\n')?;
        json.write_str(&"  ".repeat(depth))?;
    }
    json.write_char(close)
}

/// The value as a string, as `format` and templates show it: null is empty, arrays are `Array`, objects `Object`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(&number::to_text(*number)),
            Self::String(text) => f.write_str(text),
            Self::Array(_) => f.write_str("Array"),
            Self::Object(_) => f.write_str("Object"),
        }
    }
}

/// Upper case as GitHub compares strings by: the dotless i stays itself.
pub(super) fn upper_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.split('ı').map(str::to_uppercase).collect::<Vec<_>>().join("ı")
}

/// An array. A copy is the same array, as `==` of the language sees it.
#[derive(Clone, Debug, Default)]
pub struct Array {
    items: Arc<Vec<Value>>,
    /// Made by a `*`: an index applies to each item.
    filtered: bool,
}

impl Array {
    pub(super) fn filtered(items: Vec<Value>) -> Self {
        Self { items: Arc::new(items), filtered: true }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.filtered
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self { items: Arc::new(items.into_iter().collect()), filtered: false }
    }
}

/// An object: ordered, its keys found whatever their case. A copy is the same object, as `==` of the language sees it.
#[derive(Clone, Debug, Default)]
pub struct Object(Arc<Entries>);

#[derive(Clone, Debug, Default)]
struct Entries {
    pairs: Vec<(String, Value)>,
    /// Position in `pairs` by lowercase key.
    positions: HashMap<String, usize>,
}

impl Object {
    /// An empty object.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key, whatever its case.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let is_lowercase = key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let position = match is_lowercase {
            true => self.0.positions.get(key),
            false => self.0.positions.get(&key.to_lowercase()),
        }?;
        self.0.pairs.get(*position).map(|(_, value)| value)
    }

    /// Sets a key. One that is there already, in whatever case, keeps its place and spelling.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) {
        let (key, entries) = (key.into(), Arc::make_mut(&mut self.0));
        match entries.positions.get(&key.to_lowercase()).and_then(|position| entries.pairs.get_mut(*position)) {
            Some((_, old)) => *old = value,
            None => {
                entries.positions.insert(key.to_lowercase(), entries.pairs.len());
                entries.pairs.push((key, value));
            }
        }
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.pairs.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.pairs.iter().map(|(key, _)| key.as_str())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.pairs.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.pairs.is_empty()
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.0.pairs == other.0.pairs
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Self {
        let mut object = Self::new();
        for (key, value) in pairs {
            object.insert(key, value);
        }
        object
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            // A number of JSON always has a value as a double: the feature that keeps it as text is off.
            serde_json::Value::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::String(text.clone()),
            serde_json::Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => Self::Object(Object::from(map)),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        Self::from(&json)
    }
}

/// Of keys that differ only in case, the first counts.
impl From<&serde_json::Map<String, serde_json::Value>> for Object {
    fn from(map: &serde_json::Map<String, serde_json::Value>) -> Self {
        let mut object = Self::new();
        for (key, value) in map {
            if object.get(key).is_none() {
                object.insert(key, Value::from(value));
            }
        }
        object
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        /// Whole numbers up to here are exact in a double.
        const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
            Value::Number(number) if number.fract() == 0.0 && number.abs() <= MAX_SAFE => Self::from(*number as i64),
            // NaN and the infinities become null, as in JavaScript.
            Value::Number(number) => Self::from(*number),
            Value::String(text) => Self::from(text.as_str()),
            Value::Array(items) => items.iter().map(Self::from).collect(),
            Value::Object(object) => {
                Self::Object(object.iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
            }
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}
