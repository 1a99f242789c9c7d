//! GitHub's expression language: value model, lexer, parser, evaluator, functions, and `${{ }}` templates.
//!
//! Text becomes tokens (`lexer`), tokens become an [`Expr`] (`parser`), and an [`Expr`] becomes a [`Value`]
//! ([`evaluate()`]) or a smaller [`Expr`] ([`Expr::fold`]) in an [`Environment`] that the caller supplies.
//!
//! GitHub has two implementations, the runner and the npm package `@actions/expressions`. Where they differ, values are
//! those of the package (numbers as JavaScript writes them), but `case` evaluates only what it needs, as the runner
//! does, and what only the package takes is refused as by the runner: a comma after the last argument, anything but a
//! number in the braces of `format`.
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
pub use functions::function_names;
pub use parser::{SyntaxError, parse};
pub use template::Template;
pub use value::{Array, Object, Value};
