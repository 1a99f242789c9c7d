//! An expression and an environment make a value.

use std::cell::{Cell, RefCell};
use std::ops::Range;

use super::ast::{Binary, CallNode, Expr, Logical, Node, Subscript};
use super::functions::{self, Body};
use super::value::{Array, Value};

/// What an expression can refer to.
pub trait Environment {
    /// A named context, whatever the case of its name; none: not known here.
    fn context(&self, name: &str) -> Option<Value>;

    /// Whether a context gets more keys later on: [`Expr::fold`] then takes those that are there and leaves the others.
    fn grows(&self, _name: &str) -> bool {
        false
    }

    /// Calls one of the functions that are not a function of their arguments: `hashFiles`, `success`, `failure`,
    /// `always`, `cancelled`, by its canonical name. None: not provided here.
    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>>;
}

/// An expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    pub message: String,
    /// Bytes of the text that the expression was parsed from.
    pub span: Range<usize>,
}

/// The most that functions and filters may produce in one evaluation, in bytes at two a character and eight an item: the
/// limit of GitHub's runner.
pub(super) const MAX_MEMORY: usize = 1024 * 1024;
pub(super) const OUT_OF_MEMORY: &str = "the maximum allowed memory size was exceeded";

/// The value of an expression.
///
/// # Errors
/// It refers to what the environment does not have, or a function fails.
pub fn evaluate(expr: &Expr, environment: &dyn Environment) -> Result<Value, EvalError> {
    Evaluator::new(environment).evaluate(expr)
}

pub(super) struct Evaluator<'a> {
    environment: &'a dyn Environment,
    /// Each context is asked for once, so that it is the same object wherever the expression names it.
    contexts: RefCell<Vec<(String, Option<Value>)>>,
    memory: Cell<usize>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(environment: &'a dyn Environment) -> Self {
        Self { environment, contexts: RefCell::default(), memory: Cell::new(0) }
    }

    pub(super) fn evaluate(&self, expr: &Expr) -> Result<Value, EvalError> {
        match &expr.node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Context(name) => self.context(name).ok_or_else(|| EvalError {
                message: format!("unrecognized named-value `{name}`"),
                span: expr.span.clone(),
            }),
            Node::Index { target, subscript } => {
                let target = self.evaluate(target)?;
                let value = match subscript {
                    Subscript::Wildcard => target.wildcard(),
                    Subscript::Value(index) => target.index(&self.evaluate(index)?),
                };
                self.charge_filter(&value, &expr.span)?;
                Ok(value)
            }
            Node::Call(call) => self.evaluate_call(expr, call),
            Node::Not(operand) => Ok(Value::Bool(!self.evaluate(operand)?.is_truthy())),
            Node::Binary { operator, left, right } => {
                Ok(Value::Bool(operator.apply(&self.evaluate(left)?, &self.evaluate(right)?)))
            }
            Node::Logical { operator, operands } => self.evaluate_logical(*operator, operands),
        }
    }

    pub(super) fn context(&self, name: &str) -> Option<Value> {
        let mut contexts = self.contexts.borrow_mut();
        // An expression names few of them.
        if let Some((_, context)) = contexts.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return context.clone();
        }
        let context = self.environment.context(name);
        contexts.push((name.to_owned(), context.clone()));
        context
    }

    pub(super) fn grows(&self, name: &str) -> bool {
        self.environment.grows(name)
    }

    fn evaluate_logical(&self, operator: Logical, operands: &[Expr]) -> Result<Value, EvalError> {
        let mut value = Value::Null;
        for operand in operands {
            value = self.evaluate(operand)?;
            if operator.is_decided_by(&value) {
                break;
            }
        }
        Ok(value)
    }

    fn evaluate_call(&self, expr: &Expr, call: &CallNode) -> Result<Value, EvalError> {
        if matches!(functions::find(&call.name).map(|function| &function.body), Some(Body::Case)) {
            return self.evaluate_case(&call.arguments);
        }
        let arguments = call.arguments.iter().map(|argument| self.evaluate(argument)).collect::<Result<Vec<_>, _>>()?;
        self.call(expr, call, &arguments)?.ok_or_else(|| EvalError {
            message: format!("the function `{}` is not available here", call.name),
            span: expr.span.clone(),
        })
    }

    fn evaluate_case(&self, arguments: &[Expr]) -> Result<Value, EvalError> {
        let mut pairs = arguments.chunks_exact(2);
        for pair in pairs.by_ref() {
            let [predicate, value] = pair else { continue };
            match self.evaluate(predicate)? {
                Value::Bool(true) => return self.evaluate(value),
                Value::Bool(false) => {}
                _ => return Err(not_a_predicate(predicate)),
            }
        }
        pairs.remainder().first().map_or(Ok(Value::Null), |default| self.evaluate(default))
    }

    /// Calls a function; none: the environment does not provide it.
    pub(super) fn call(&self, expr: &Expr, call: &CallNode, arguments: &[Value]) -> Result<Option<Value>, EvalError> {
        let result = match functions::find(&call.name).map(|function| &function.body) {
            Some(Body::Pure(function)) => Some(function(arguments)),
            _ => self.environment.call(&call.name, arguments),
        };
        let value = result.transpose().map_err(|message| EvalError { message, span: expr.span.clone() })?;
        if let Some(Value::String(text)) = &value {
            self.charge(text.encode_utf16().count() * 2, &expr.span)?;
        }
        Ok(value)
    }

    /// Counts what an index gives where it makes an array of its own.
    pub(super) fn charge_filter(&self, value: &Value, span: &Range<usize>) -> Result<(), EvalError> {
        match value {
            Value::Array(items) if items.is_filtered() => self.charge(items.len() * 8, span),
            _ => Ok(()),
        }
    }

    fn charge(&self, bytes: usize, span: &Range<usize>) -> Result<(), EvalError> {
        self.memory.set(self.memory.get().saturating_add(bytes));
        if self.memory.get() > MAX_MEMORY {
            return Err(EvalError { message: OUT_OF_MEMORY.to_owned(), span: span.clone() });
        }
        Ok(())
    }
}

pub(super) fn not_a_predicate(predicate: &Expr) -> EvalError {
    EvalError { message: "`case` predicate must evaluate to a boolean value".to_owned(), span: predicate.span.clone() }
}

impl Binary {
    pub(super) fn apply(self, left: &Value, right: &Value) -> bool {
        let is = |order: std::cmp::Ordering| left.loosely_compare(right) == Some(order);
        match self {
            Self::Equal => left.loosely_equals(right),
            Self::NotEqual => !left.loosely_equals(right),
            Self::Greater => is(std::cmp::Ordering::Greater),
            Self::GreaterOrEqual => left.loosely_equals(right) || is(std::cmp::Ordering::Greater),
            Self::Less => is(std::cmp::Ordering::Less),
            Self::LessOrEqual => left.loosely_equals(right) || is(std::cmp::Ordering::Less),
        }
    }
}

impl Logical {
    /// Whether an operand is the result, whatever follows it.
    pub(super) fn is_decided_by(self, operand: &Value) -> bool {
        operand.is_truthy() == (self == Self::Or)
    }
}

impl Value {
    /// `self[index]`: null where there is nothing.
    #[must_use]
    pub fn index(&self, index: &Self) -> Self {
        match self {
            Self::Array(items) if items.is_filtered() => {
                Self::Array(Array::filtered(items.iter().filter_map(|item| item.item(index).cloned()).collect()))
            }
            _ => self.item(index).cloned().unwrap_or_default(),
        }
    }

    /// `self.*`: the items of an array or the values of an object, to each of which the next index applies.
    pub(super) fn wildcard(&self) -> Self {
        let items = match self {
            Self::Array(items) if items.is_filtered() => items.iter().flat_map(Self::items).cloned().collect(),
            _ => self.items().cloned().collect(),
        };
        Self::Array(Array::filtered(items))
    }

    fn items(&self) -> impl Iterator<Item = &Self> {
        let (array, object) = match self {
            Self::Array(items) => (Some(items), None),
            Self::Object(object) => (None, Some(object)),
            _ => (None, None),
        };
        let values = object.into_iter().flat_map(|object| object.iter().map(|(_, value)| value));
        array.into_iter().flat_map(|items| items.iter()).chain(values)
    }

    fn item(&self, index: &Self) -> Option<&Self> {
        match self {
            Self::Object(object) if index.is_primitive() => object.get(&index.to_string()),
            Self::Array(items) => {
                let position = index.to_number().floor();
                // A position beyond what a `usize` holds saturates, and there is no such item.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
                (position >= 0.0).then_some(position as usize).and_then(|position| items.get(position))
            }
            _ => None,
        }
    }
}
