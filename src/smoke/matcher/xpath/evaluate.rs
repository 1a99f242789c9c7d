//! The value of an expression in a document (XPath 1.0, 2 and 3).

use std::cell::Cell;

use roxmltree::Document;

use super::Value;
use super::ast::{Expr, Operator, Start, Step};
use super::functions;
use super::nodes::Item;

/// The most nodes that are looked at.
const MOST_STEPS: usize = 5_000_000;

/// The node that an expression is evaluated at, and its place among those that are.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) item: Item<'a>,
    pub(super) position: usize,
    pub(super) size: usize,
}

pub(super) struct Evaluator<'a> {
    document: &'a Document<'a>,
    left: Cell<usize>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(document: &'a Document<'a>) -> Self {
        Self { document, left: Cell::new(MOST_STEPS) }
    }

    pub(super) fn evaluate(&self, expr: &Expr) -> Result<Value<'a>, String> {
        let context = Context { item: Item::of(self.document.root()), position: 1, size: 1 };
        self.value(expr, context)
    }

    /// Notes that so many nodes were looked at, or as much was done.
    pub(super) fn spend(&self, steps: usize) -> Result<(), String> {
        let left = self.left.get().checked_sub(steps.max(1));
        self.left.set(left.ok_or_else(|| format!("it takes more than {MOST_STEPS} steps"))?);
        Ok(())
    }

    pub(super) fn value(&self, expr: &Expr, context: Context<'a>) -> Result<Value<'a>, String> {
        self.spend(1)?;
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Literal(text) => Value::Text(text.clone()),
            Expr::Negated(inner) => Value::Number(-self.number(&self.value(inner, context)?)?),
            Expr::Call(function, arguments) => functions::call(self, function.name, arguments, context)?,
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, context)?,
            Expr::Path(start, steps) => Value::Nodes(self.path(start, steps, context)?),
        })
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr, context: Context<'a>) -> Result<Value<'a>, String> {
        let left = self.value(left, context)?;
        match operator {
            Operator::Or if self.truth(&left) => return Ok(Value::Truth(true)),
            Operator::And if !self.truth(&left) => return Ok(Value::Truth(false)),
            _ => {}
        }
        let right = self.value(right, context)?;
        Ok(match operator {
            Operator::Or | Operator::And => Value::Truth(self.truth(&right)),
            Operator::Union => {
                let mut nodes = self.nodes(left);
                nodes.extend(self.nodes(right));
                Value::Nodes(ordered(nodes))
            }
            Operator::Plus | Operator::Minus | Operator::Times | Operator::Divided | Operator::Modulo => {
                Value::Number(calculate(operator, self.number(&left)?, self.number(&right)?))
            }
            comparison => Value::Truth(self.compares(comparison, &left, &right)?),
        })
    }

    fn path(&self, start: &Start, steps: &[Step], context: Context<'a>) -> Result<Vec<Item<'a>>, String> {
        let mut items = match start {
            Start::Context => vec![context.item],
            Start::Root => vec![Item::of(self.document.root())],
            Start::Of(expr, predicates) => {
                let nodes = self.nodes(self.value(expr, context)?);
                self.filtered(nodes, predicates)?
            }
        };
        for step in steps {
            let mut found = Vec::new();
            for item in items {
                let mut candidates = Vec::new();
                for candidate in item.along(step.axis) {
                    self.spend(1)?;
                    if candidate.passes(step.axis, &step.test) {
                        candidates.push(candidate);
                    }
                }
                found.extend(self.filtered(candidates, &step.predicates)?);
            }
            items = ordered(found);
        }
        Ok(items)
    }

    fn filtered(&self, mut items: Vec<Item<'a>>, predicates: &[Expr]) -> Result<Vec<Item<'a>>, String> {
        for predicate in predicates {
            let size = items.len();
            let mut kept = Vec::new();
            for (index, item) in items.into_iter().enumerate() {
                let position = index + 1;
                let is_kept = match self.value(predicate, Context { item, position, size })? {
                    Value::Number(number) => number == position as f64,
                    value => self.truth(&value),
                };
                if is_kept {
                    kept.push(item);
                }
            }
            items = kept;
        }
        Ok(items)
    }

    /// The nodes of a value that the parser saw to be some.
    pub(super) fn nodes(&self, value: Value<'a>) -> Vec<Item<'a>> {
        match value {
            Value::Nodes(nodes) => nodes,
            Value::Number(_) | Value::Text(_) | Value::Truth(_) => Vec::new(),
        }
    }

    pub(super) fn truth(&self, value: &Value<'a>) -> bool {
        match value {
            Value::Nodes(nodes) => !nodes.is_empty(),
            Value::Number(number) => *number != 0.0 && !number.is_nan(),
            Value::Text(text) => !text.is_empty(),
            Value::Truth(truth) => *truth,
        }
    }

    pub(super) fn text(&self, value: &Value<'a>) -> Result<String, String> {
        Ok(match value {
            Value::Nodes(nodes) => match nodes.first() {
                Some(item) => self.text_of(*item)?,
                None => String::new(),
            },
            Value::Number(number) => number_text(*number),
            Value::Text(text) => text.clone(),
            Value::Truth(truth) => truth.to_string(),
        })
    }

    pub(super) fn number(&self, value: &Value<'a>) -> Result<f64, String> {
        Ok(match value {
            Value::Number(number) => *number,
            Value::Truth(truth) => f64::from(u8::from(*truth)),
            Value::Nodes(_) | Value::Text(_) => text_number(&self.text(value)?),
        })
    }

    pub(super) fn text_of(&self, item: Item<'a>) -> Result<String, String> {
        let (text, steps) = item.text();
        // Of long texts, copying is what takes the time.
        self.spend(steps + text.len() / 64)?;
        Ok(text)
    }

    /// Of nodes, any will do.
    fn compares(&self, operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Result<bool, String> {
        match (left, right) {
            (Value::Nodes(_), Value::Truth(_)) | (Value::Truth(_), Value::Nodes(_)) => {
                let truths = (Value::Truth(self.truth(left)), Value::Truth(self.truth(right)));
                self.compares_values(operator, &truths.0, &truths.1)
            }
            (Value::Nodes(nodes), other) => {
                for item in nodes {
                    let text = Value::Text(self.text_of(*item)?);
                    if self.compares(operator, &text, other)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (other, Value::Nodes(nodes)) => {
                for item in nodes {
                    let text = Value::Text(self.text_of(*item)?);
                    if self.compares_values(operator, other, &text)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => self.compares_values(operator, left, right),
        }
    }

    fn compares_values(&self, operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Result<bool, String> {
        let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        let is_equal = match (left, right) {
            (Value::Truth(_), _) | (_, Value::Truth(_)) if is_equality => self.truth(left) == self.truth(right),
            (Value::Text(left), Value::Text(right)) if is_equality => left == right,
            _ => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                return Ok(match operator {
                    Operator::Equal => left == right,
                    Operator::NotEqual => left != right,
                    Operator::Less => left < right,
                    Operator::LessOrEqual => left <= right,
                    Operator::Greater => left > right,
                    _ => left >= right,
                });
            }
        };
        Ok(is_equal == (operator == Operator::Equal))
    }
}

fn calculate(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Divided => left / right,
        _ => left % right,
    }
}

/// In the order of the document, each once.
fn ordered(mut items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    items.sort_by_key(Item::key);
    items.dedup_by_key(|item| item.key());
    items
}

fn number_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // Without the sign of zero.
    (number + 0.0).to_string()
}

fn text_number(text: &str) -> f64 {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}
