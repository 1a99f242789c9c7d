//! The syntax tree: what refers to what, its canonical text, its wire form (which is that text).

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::Value;
use super::{functions, number, parser};

/// A parsed expression.
///
/// Compared without its places in the source. On the wire it is its canonical text; the places of one that was read
/// from the wire are places in that text.
#[derive(Clone, Debug)]
pub struct Expr {
    pub(super) node: Node,
    pub(super) span: Range<usize>,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(Value),
    /// A named value, such as `matrix`.
    Context(String),
    Index {
        target: Box<Expr>,
        subscript: Subscript,
    },
    Call(CallNode),
    Not(Box<Expr>),
    Binary {
        operator: Binary,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// At least two operands; never one of the same operator among them.
    Logical {
        operator: Logical,
        operands: Vec<Expr>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subscript {
    Value(Box<Expr>),
    Wildcard,
}

#[derive(Clone, Debug)]
pub(super) struct CallNode {
    /// In its canonical spelling.
    pub(super) name: String,
    pub(super) name_span: Range<usize>,
    pub(super) arguments: Vec<Expr>,
}

impl PartialEq for CallNode {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    And,
    Or,
}

/// An access to a context: the longest chain of keys and indices that starts at its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The context's name, as written.
    pub context: String,
    pub path: Vec<Segment>,
    pub span: Range<usize>,
}

/// One step of a [`Reference`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// `.key` or `['key']`.
    Key(String),
    /// Any other index.
    Index,
    /// `.*` or `[*]`.
    Wildcard,
}

/// A function that an expression calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Lowercase.
    pub name: String,
    /// Where the name is.
    pub span: Range<usize>,
}

impl Expr {
    pub(super) fn new(node: Node, span: Range<usize>) -> Self {
        Self { node, span }
    }

    /// An expression that is a value.
    #[must_use]
    pub fn literal(value: Value) -> Self {
        Self::new(Node::Literal(value), 0..0)
    }

    /// A call without arguments, such as `success()`.
    #[must_use]
    pub fn function(name: &str) -> Self {
        let name = functions::find(name).map_or_else(|| name.to_owned(), |function| function.name.to_owned());
        Self::new(Node::Call(CallNode { name, name_span: 0..0, arguments: Vec::new() }), 0..0)
    }

    /// `self && other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let span = self.span.start.min(other.span.start)..self.span.end.max(other.span.end);
        Self::new(Node::logical(Logical::And, vec![self, other]), span)
    }

    /// Where the expression is in the text it was parsed from.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value, where the expression is nothing but one.
    #[must_use]
    pub fn as_literal(&self) -> Option<Value> {
        match &self.node {
            Node::Literal(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// Every access to a context, in the order of the text.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        self.collect_references(&mut references);
        references
    }

    fn collect_references(&self, references: &mut Vec<Reference>) {
        let (mut base, mut path, mut subscripts) = (self, Vec::new(), Vec::new());
        while let Node::Index { target, subscript } = &base.node {
            path.push(subscript.segment());
            subscripts.extend(subscript.value());
            base = target;
        }
        path.reverse();
        match &base.node {
            Node::Context(name) => {
                references.push(Reference { context: name.clone(), path, span: self.span.clone() });
            }
            _ => base.children().for_each(|child| child.collect_references(references)),
        }
        for subscript in subscripts.into_iter().rev() {
            subscript.collect_references(references);
        }
    }

    /// The context and the key that it reads and nothing else, as `vars.NAME` does.
    #[must_use]
    pub fn as_key(&self) -> Option<(&str, &str)> {
        let Node::Index { target, subscript } = &self.node else { return None };
        match (&target.node, subscript.value().map(|index| &index.node)) {
            (Node::Context(name), Some(Node::Literal(Value::String(key)))) => Some((name, key)),
            _ => None,
        }
    }

    /// Whether it reads a context of which that is true.
    #[must_use]
    pub fn reads(&self, is_one: &dyn Fn(&str) -> bool) -> bool {
        match &self.node {
            Node::Context(name) => is_one(name),
            _ => self.children().any(|child| child.reads(is_one)),
        }
    }

    /// The accesses to contexts that its value may be made of, which those in conditions are not.
    #[must_use]
    pub fn ingredients(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        self.collect_ingredients(&mut references);
        references
    }

    fn collect_ingredients(&self, references: &mut Vec<Reference>) {
        let mut base = self;
        while let Node::Index { target, .. } = &base.node {
            base = target;
        }
        match &base.node {
            Node::Context(_) => references.extend(self.references().into_iter().next()),
            Node::Call(call) => call.results().for_each(|result| result.collect_ingredients(references)),
            // What is not the last operand of `&&` is the value only where it is empty, zero or false.
            Node::Logical { operator: Logical::And, operands } => {
                operands.last().into_iter().for_each(|operand| operand.collect_ingredients(references));
            }
            Node::Logical { operator: Logical::Or, operands } => {
                operands.iter().for_each(|operand| operand.collect_ingredients(references));
            }
            Node::Literal(_) | Node::Index { .. } | Node::Not(_) | Node::Binary { .. } => {}
        }
    }

    /// Every function that it calls, in the order of the text.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        self.collect_calls(&mut calls);
        calls
    }

    fn collect_calls(&self, calls: &mut Vec<Call>) {
        if let Node::Call(call) = &self.node {
            calls.push(Call { name: call.name.to_ascii_lowercase(), span: call.name_span.clone() });
        }
        self.children().for_each(|child| child.collect_calls(calls));
    }

    fn children(&self) -> impl Iterator<Item = &Self> {
        let (boxed, listed): (Vec<&Self>, &[Self]) = match &self.node {
            Node::Literal(_) | Node::Context(_) => (vec![], &[]),
            Node::Index { target, subscript } => (std::iter::once(&**target).chain(subscript.value()).collect(), &[]),
            Node::Call(call) => (vec![], &call.arguments),
            Node::Not(operand) => (vec![operand], &[]),
            Node::Binary { left, right, .. } => (vec![left, right], &[]),
            Node::Logical { operands, .. } => (vec![], operands),
        };
        boxed.into_iter().chain(listed)
    }
}

impl CallNode {
    /// The arguments that the value may be made of.
    fn results(&self) -> impl Iterator<Item = &Expr> {
        let is_result: fn(usize, usize) -> bool = match self.name.as_str() {
            "format" | "join" | "toJSON" | "fromJSON" => |_, _| true,
            // Pairs of a condition and a value, then a default.
            "case" => |position, count| position % 2 == 1 || position + 1 == count,
            _ => |_, _| false,
        };
        let count = self.arguments.len();
        self.arguments.iter().enumerate().filter(move |(at, _)| is_result(*at, count)).map(|(_, argument)| argument)
    }
}

impl Node {
    /// `&&` or `||` of at least two operands; those that are the same operator are flattened into it.
    pub(super) fn logical(operator: Logical, operands: Vec<Expr>) -> Self {
        let mut flat = Vec::with_capacity(operands.len());
        for operand in operands {
            match operand.node {
                Self::Logical { operator: inner, operands } if inner == operator => flat.extend(operands),
                node => flat.push(Expr { node, span: operand.span }),
            }
        }
        Self::Logical { operator, operands: flat }
    }

    /// How tightly it binds; a child that binds less needs parentheses.
    fn precedence(&self) -> u8 {
        match self {
            Self::Logical { operator: Logical::Or, .. } => 0,
            Self::Logical { operator: Logical::And, .. } => 1,
            Self::Binary { operator: Binary::Equal | Binary::NotEqual, .. } => 2,
            Self::Binary { .. } => 3,
            Self::Not(_) => 4,
            Self::Literal(Value::Array(_) | Value::Object(_)) => PRIMARY,
            // The grammar has no index on a plain literal.
            Self::Literal(_) => 5,
            Self::Context(_) | Self::Index { .. } | Self::Call(_) => PRIMARY,
        }
    }
}

/// The precedence of what an index may follow.
const PRIMARY: u8 = 6;

impl Subscript {
    fn segment(&self) -> Segment {
        match self {
            Self::Wildcard => Segment::Wildcard,
            Self::Value(index) => match &index.node {
                Node::Literal(Value::String(key)) => Segment::Key(key.clone()),
                _ => Segment::Index,
            },
        }
    }

    fn value(&self) -> Option<&Expr> {
        match self {
            Self::Wildcard => None,
            Self::Value(index) => Some(index),
        }
    }
}

impl Binary {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

impl Logical {
    fn as_str(self) -> &'static str {
        match self {
            Self::And => " && ",
            Self::Or => " || ",
        }
    }
}

/// The canonical text: parsed again, it is the same expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Literal(value) => write_literal(f, value),
            Node::Context(name) => f.write_str(name),
            Node::Index { target, subscript } => {
                target.fmt_within(f, PRIMARY)?;
                match subscript {
                    Subscript::Wildcard => f.write_str(".*"),
                    Subscript::Value(index) => match &index.node {
                        Node::Literal(Value::String(key)) if super::lexer::is_identifier(key) => write!(f, ".{key}"),
                        _ => write!(f, "[{index}]"),
                    },
                }
            }
            Node::Call(call) => {
                write!(f, "{}(", call.name)?;
                write_separated(f, &call.arguments, ", ", 0)?;
                f.write_str(")")
            }
            Node::Not(operand) => {
                f.write_str("!")?;
                operand.fmt_within(f, self.node.precedence())
            }
            Node::Binary { operator, left, right } => {
                left.fmt_within(f, self.node.precedence())?;
                write!(f, " {} ", operator.as_str())?;
                right.fmt_within(f, self.node.precedence() + 1)
            }
            Node::Logical { operator, operands } => {
                write_separated(f, operands, operator.as_str(), self.node.precedence() + 1)
            }
        }
    }
}

impl Expr {
    /// Writes it, in parentheses where it binds less than `precedence`.
    fn fmt_within(&self, f: &mut fmt::Formatter<'_>, precedence: u8) -> fmt::Result {
        if self.node.precedence() < precedence { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

fn write_separated(f: &mut fmt::Formatter<'_>, items: &[Expr], separator: &str, precedence: u8) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(separator)?;
        }
        item.fmt_within(f, precedence)?;
    }
    Ok(())
}

fn write_literal(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Number(number) if *number == 0.0 && number.is_sign_negative() => f.write_str("-0"),
        Value::Number(number) => f.write_str(&number::to_exact_text(*number)),
        Value::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
        // The language has no literal for these; this is what folding leaves behind.
        Value::Array(array) => {
            let json = serde_json::Value::from(value).to_string().replace('\'', "''");
            write!(f, "fromJSON('{json}'){}", if array.is_filtered() { ".*" } else { "" })
        }
        Value::Object(_) => write!(f, "fromJSON('{}')", serde_json::Value::from(value).to_string().replace('\'', "''")),
    }
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parser::parse_canonical(&text).map_err(serde::de::Error::custom)
    }
}
