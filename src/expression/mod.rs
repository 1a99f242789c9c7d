//! GitHub's expression language: value model, lexer, parser, evaluator, functions, and `${{ }}` templates.
//!
//! Text becomes tokens ([`lexer`]), tokens become an [`Expr`] ([`parser`]), and an [`Expr`] becomes a [`Value`]
//! ([`evaluate()`]) or a smaller [`Expr`] ([`Expr::fold`]) in an [`Environment`] that the caller supplies. Where GitHub's
//! two implementations differ (the runner and the npm package `@actions/expressions`), values are those of the package,
//! and whatever the runner refuses is refused: an expression that passes here passes there.
//!
//! Pure; knows of nothing else.

mod ast;
mod evaluate;
mod fold;
mod functions;
mod lexer;
mod number;
mod parser;
pub mod template;
#[cfg(test)]
mod tests;
mod value;

pub use ast::{Call, Expr, Reference, Segment};
pub use evaluate::{Environment, EvalError, evaluate};
pub use parser::{SyntaxError, parse};
pub use template::Template;
pub use value::{Array, Object, Value};
