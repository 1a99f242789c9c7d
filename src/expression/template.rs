//! Texts with `${{ }}` in them.

use std::ops::Range;

use super::ast::Expr;
use super::evaluate::{Environment, EvalError, evaluate};
use super::parser::{self, SyntaxError};
use super::value::Value;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// The most that a template may become, in bytes: what GitHub's runner allows when it evaluates one.
const MAX_TEXT: usize = 10 * 1024 * 1024;

/// A text with expressions in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub parts: Vec<Part>,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Literal(String),
    Expression {
        /// Its places are places in the template's text.
        expr: Expr,
        /// From `${{` to `}}`.
        span: Range<usize>,
        /// How many line breaks are in it.
        newlines: usize,
    },
}

/// Parses a text with `${{ }}`: an expression ends at the first `}}` that is not in one of its strings.
///
/// # Errors
/// An expression is not closed, is empty, or is not one.
pub fn parse(text: &str) -> Result<Template, SyntaxError> {
    let mut parts = Vec::new();
    let mut offset = 0;
    while let Some(found) = text.get(offset..).and_then(|rest| rest.find(OPEN)) {
        let start = offset + found;
        if found > 0 {
            parts.push(Part::Literal(text.get(offset..start).unwrap_or_default().to_owned()));
        }
        let inner = start + OPEN.len();
        let close = find_close(text, inner).ok_or_else(|| SyntaxError {
            message: format!("the expression is not closed: `{OPEN}` was found, but not its `{CLOSE}`"),
            span: start..inner,
        })?;
        offset = close + CLOSE.len();
        let source = text.get(..close).unwrap_or_default();
        if source.get(inner..).unwrap_or_default().trim().is_empty() {
            return Err(SyntaxError { message: "an expression was expected".to_owned(), span: start..offset });
        }
        let newlines = text.get(start..offset).unwrap_or_default().matches('\n').count();
        parts.push(Part::Expression { expr: parser::parse_from(source, inner)?, span: start..offset, newlines });
    }
    if let Some(rest) = text.get(offset..).filter(|rest| !rest.is_empty()) {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(Template { parts })
}

fn find_close(text: &str, start: usize) -> Option<usize> {
    let mut in_string = false;
    let bytes = text.as_bytes().get(start..)?;
    let close = bytes.windows(2).position(|pair| {
        // A doubled quote ends the string and begins it again.
        in_string ^= pair.first() == Some(&b'\'');
        !in_string && pair == CLOSE.as_bytes()
    })?;
    Some(start + close)
}

impl Template {
    /// The expression, where the text is nothing but one: its value keeps its type.
    #[must_use]
    pub fn whole(&self) -> Option<&Expr> {
        match self.parts.as_slice() {
            [Part::Expression { expr, .. }] => Some(expr),
            _ => None,
        }
    }

    /// Whether there is no expression in it.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.expressions().next().is_none()
    }

    /// The expressions in it, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Expression { expr, .. } => Some(expr),
        })
    }

    /// The value: that of the expression where the text is nothing but one, else a string.
    ///
    /// # Errors
    /// One of its expressions has no value.
    pub fn evaluate(&self, environment: &dyn Environment) -> Result<Value, EvalError> {
        if let Some(expr) = self.whole() {
            return evaluate(expr, environment);
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression { expr, .. } => {
                    text.push_str(&evaluate(expr, environment)?.to_string());
                    if text.len() > MAX_TEXT {
                        let message = format!("the text grows beyond {} MiB", MAX_TEXT / 1024 / 1024);
                        return Err(EvalError { message, span: expr.span() });
                    }
                }
            }
        }
        Ok(Value::String(text))
    }
}
