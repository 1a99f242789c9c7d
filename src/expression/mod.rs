//! GitHub's expression language: lexer, parser, evaluator, functions. Pure; knows of nothing else.

use serde::{Deserialize, Serialize};

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expr;
