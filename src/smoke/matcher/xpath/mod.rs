//! XPath 1.0, as far as one document and no variables need it.
//!
//! Without the `namespace` axis, `id()` and `lang()`. A prefix in a name is the one that the document writes, whatever it
//! stands for, as in the library that goss uses; a name without one is that of an element or attribute written without.
//! Documents come from a guest: the nesting of expressions, the nodes of a document and the steps of an evaluation are bounded.

mod ast;
mod evaluate;
mod functions;
mod lexer;
mod nodes;
mod parser;
mod print;
#[cfg(test)]
mod tests;

use roxmltree::{Document, ParsingOptions};

use evaluate::Evaluator;
use nodes::Item;

/// The most nodes of a document.
const MOST_NODES: u32 = 500_000;

/// The most elements around each other, in a document.
const DEEPEST: usize = 256;

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct XPath(ast::Expr);

/// What is wrong with an expression, and where: counted in characters, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) message: String,
}

/// What an expression comes to.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Nodes(Vec<Item<'a>>),
    Number(f64),
    Text(String),
    Truth(bool),
}

impl XPath {
    /// # Errors
    /// It is none, or asks for what is not there.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        parser::parse(text).map(Self)
    }

    /// The value in a document.
    ///
    /// # Errors
    /// It takes too many steps.
    pub(super) fn evaluate<'a>(&self, document: &'a Document<'a>) -> Result<Value<'a>, String> {
        Evaluator::new(document).evaluate(&self.0)
    }
}

/// A document of a guest.
///
/// # Errors
/// It is not well formed, too large or too deep, or declares entities.
pub(super) fn document(text: &str) -> Result<Document<'_>, String> {
    // A type is in many files, and harmless; entities of one's own are how a small text becomes a large one.
    if text.contains("<!ENTITY") {
        return Err("it declares entities".to_owned());
    }
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    if is_too_deep(&document) {
        return Err(format!("its elements nest deeper than {DEEPEST} levels"));
    }
    Ok(document)
}

/// Walks in the order of the document, without a stack.
fn is_too_deep(document: &Document) -> bool {
    let (mut node, mut depth) = (document.root(), 0_usize);
    loop {
        if let Some(child) = node.first_child() {
            (node, depth) = (child, depth + 1);
            if depth > DEEPEST {
                return true;
            }
            continue;
        }
        loop {
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            match node.parent() {
                Some(parent) => (node, depth) = (parent, depth - 1),
                None => return false,
            }
        }
    }
}

/// Nodes as the library that goss uses writes them, one after the other.
pub(super) fn printed(nodes: &[Item<'_>]) -> String {
    nodes.iter().map(|item| print::item(*item)).collect()
}

/// A number as Go's `strconv` writes it with `'G'` and as many digits as it needs.
pub(super) fn go_number(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:E}");
    let (digits, exponent) = scientific.split_once('E').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}E{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}
