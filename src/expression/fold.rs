//! Deciding ahead of time what can be: an expression and what is known already make a smaller expression.

use std::ops::Range;

use super::ast::{CallNode, Expr, Logical, Node, Subscript};
use super::evaluate::{Environment, EvalError, Evaluator, not_a_predicate};
use super::functions::{self, Body};
use super::value::{Array, Value};

/// Whether a part of an expression is evaluated whatever the unknown parts turn out to be.
///
/// An error in one that may never be reached is not an error yet: it stays in the expression.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Always,
    Perhaps,
}

impl Expr {
    /// Replaces every part that needs nothing but what `known` has by its value, and leaves the rest.
    ///
    /// # Errors
    /// A part that would be evaluated in any case fails.
    pub fn fold(self, known: &dyn Environment) -> Result<Self, EvalError> {
        Evaluator::new(known).fold(self, Reach::Always)
    }

    /// Makes the values again that folding had left behind and the canonical text can only say as `fromJSON('…')`.
    pub(super) fn revive(self) -> Self {
        let Self { node, span } = self;
        let node = match node {
            Node::Index { target, subscript } => match (target.revive().node, subscript.map(Self::revive)) {
                (Node::Literal(Value::Array(items)), Subscript::Wildcard) => {
                    Node::Literal(Value::Array(Array::filtered(items.to_vec())))
                }
                (target, subscript) => Node::Index { target: Box::new(Self::new(target, span.clone())), subscript },
            },
            Node::Call(call) => call.revive(),
            Node::Not(operand) => Node::Not(Box::new(operand.revive())),
            Node::Binary { operator, left, right } => {
                Node::Binary { operator, left: Box::new(left.revive()), right: Box::new(right.revive()) }
            }
            Node::Logical { operator, operands } => {
                Node::Logical { operator, operands: operands.into_iter().map(Self::revive).collect() }
            }
            node @ (Node::Literal(_) | Node::Context(_)) => node,
        };
        Self::new(node, span)
    }
}

impl CallNode {
    fn revive(self) -> Node {
        if let ("fromJSON", [Expr { node: Node::Literal(Value::String(json)), .. }]) =
            (self.name.as_str(), self.arguments.as_slice())
            && let Ok(value @ (serde_json::Value::Array(_) | serde_json::Value::Object(_))) = serde_json::from_str(json)
        {
            return Node::Literal(Value::from(value));
        }
        Node::Call(Self { arguments: self.arguments.into_iter().map(Expr::revive).collect(), ..self })
    }
}

impl Subscript {
    fn map(self, change: impl FnOnce(Expr) -> Expr) -> Self {
        match self {
            Self::Wildcard => Self::Wildcard,
            Self::Value(index) => Self::Value(Box::new(change(*index))),
        }
    }
}

impl Evaluator<'_> {
    fn fold(&self, expr: Expr, reach: Reach) -> Result<Expr, EvalError> {
        let Expr { node, span } = expr;
        let node = match node {
            Node::Literal(_) => node,
            Node::Context(name) if self.grows(&name) => Node::Context(name),
            Node::Context(name) => self.context(&name).map_or(Node::Context(name), Node::Literal),
            Node::Index { target, subscript } => self.fold_index(*target, subscript, &span, reach)?,
            Node::Call(call) if is_case(&call) => return self.fold_case(call, span, reach),
            Node::Call(call) => self.fold_call(call, &span, reach)?,
            Node::Not(operand) => match self.fold(*operand, reach)? {
                Expr { node: Node::Literal(value), .. } => Node::Literal(Value::Bool(!value.is_truthy())),
                operand => Node::Not(Box::new(operand)),
            },
            Node::Binary { operator, left, right } => {
                let (left, right) = (self.fold(*left, reach)?, self.fold(*right, reach)?);
                match (&left.node, &right.node) {
                    (Node::Literal(left), Node::Literal(right)) => {
                        Node::Literal(Value::Bool(operator.apply(left, right)))
                    }
                    _ => Node::Binary { operator, left: Box::new(left), right: Box::new(right) },
                }
            }
            Node::Logical { operator, operands } => return self.fold_logical(operator, operands, span, reach),
        };
        Ok(Expr::new(node, span))
    }

    fn fold_index(
        &self,
        target: Expr,
        subscript: Subscript,
        span: &Range<usize>,
        reach: Reach,
    ) -> Result<Node, EvalError> {
        let target = self.fold(target, reach)?;
        let subscript = match subscript {
            Subscript::Wildcard => Subscript::Wildcard,
            Subscript::Value(index) => Subscript::Value(Box::new(self.fold(*index, reach)?)),
        };
        let value = match (&target.node, &subscript) {
            (Node::Literal(target), Subscript::Wildcard) => Some(target.wildcard()),
            (Node::Literal(target), Subscript::Value(index)) => match &index.node {
                Node::Literal(index) => Some(target.index(index)),
                _ => None,
            },
            _ => None,
        };
        match value.map(|value| self.charge_filter(&value, span).map(|()| value)) {
            Some(Ok(value)) => Ok(Node::Literal(value)),
            Some(Err(error)) if reach == Reach::Always => Err(error),
            Some(Err(_)) | None => Ok(match self.known_key(&target, &subscript) {
                Some(value) => Node::Literal(value),
                None => Node::Index { target: Box::new(target), subscript },
            }),
        }
    }

    /// The value of a key that is known already, of a context that others come to.
    fn known_key(&self, target: &Expr, subscript: &Subscript) -> Option<Value> {
        let (Node::Context(name), Subscript::Value(index)) = (&target.node, subscript) else { return None };
        match (self.context(name)?, &index.node) {
            (Value::Object(context), Node::Literal(Value::String(key))) => context.get(key).cloned(),
            _ => None,
        }
    }

    fn fold_call(&self, call: CallNode, span: &Range<usize>, reach: Reach) -> Result<Node, EvalError> {
        let CallNode { name, name_span, arguments } = call;
        let arguments =
            arguments.into_iter().map(|argument| self.fold(argument, reach)).collect::<Result<Vec<_>, _>>()?;
        let values: Option<Vec<Value>> = arguments.iter().map(Expr::as_literal).collect();
        let expr = Expr::new(Node::Call(CallNode { name, name_span, arguments }), span.clone());
        let (Some(values), Node::Call(call)) = (values, &expr.node) else { return Ok(expr.node) };
        match self.call(&expr, call, &values) {
            Ok(Some(value)) => Ok(Node::Literal(value)),
            Ok(None) => Ok(expr.node),
            Err(_) if reach == Reach::Perhaps => Ok(expr.node),
            Err(error) => Err(error),
        }
    }

    fn fold_logical(
        &self,
        operator: Logical,
        operands: Vec<Expr>,
        span: Range<usize>,
        mut reach: Reach,
    ) -> Result<Expr, EvalError> {
        let last = operands.len().saturating_sub(1);
        let mut kept = Vec::new();
        for (position, operand) in operands.into_iter().enumerate() {
            let operand = self.fold(operand, reach)?;
            match &operand.node {
                Node::Literal(value) if operator.is_decided_by(value) => {
                    kept.push(operand);
                    break;
                }
                // It only passes on to the next operand.
                Node::Literal(_) if position < last => {}
                Node::Literal(_) => kept.push(operand),
                _ => {
                    reach = Reach::Perhaps;
                    kept.push(operand);
                }
            }
        }
        match kept.pop() {
            Some(only) if kept.is_empty() => Ok(only),
            Some(operand) => {
                kept.push(operand);
                Ok(Expr::new(Node::logical(operator, kept), span))
            }
            None => Ok(Expr::new(Node::Literal(Value::Null), span)),
        }
    }

    fn fold_case(&self, call: CallNode, span: Range<usize>, mut reach: Reach) -> Result<Expr, EvalError> {
        let CallNode { name, name_span, arguments } = call;
        let mut kept = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let predicate = self.fold(argument, reach)?;
            let Some(value) = arguments.next() else {
                // The last argument is the default.
                kept.push(predicate);
                break;
            };
            match &predicate.node {
                Node::Literal(Value::Bool(false)) => {}
                Node::Literal(Value::Bool(true)) => {
                    kept.push(self.fold(value, reach)?);
                    break;
                }
                Node::Literal(_) if reach == Reach::Always => return Err(not_a_predicate(&predicate)),
                _ => {
                    reach = Reach::Perhaps;
                    kept.extend([predicate, self.fold(value, reach)?]);
                }
            }
        }
        match <[Expr; 1]>::try_from(kept) {
            Ok([value]) => Ok(value),
            Err(arguments) => Ok(Expr::new(Node::Call(CallNode { name, name_span, arguments }), span)),
        }
    }
}

fn is_case(call: &CallNode) -> bool {
    matches!(functions::find(&call.name).map(|function| &function.body), Some(Body::Case))
}
