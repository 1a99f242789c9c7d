//! Tokens into a tree, by recursive descent; from the loosest operator to the tightest: `||`, `&&`, `== !=`,
//! `> >= < <=`, `!`, index.

use std::ops::Range;

use super::ast::{Binary, CallNode, Expr, Logical, Node, Subscript};
use super::functions;
use super::lexer::{self, Kind, Token};
use super::value::Value;

/// A text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    pub message: String,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// GitHub's limits: levels of the tree, and UTF-16 units of the text.
const MAX_DEPTH: usize = 50;
const MAX_LENGTH: usize = 21_000;

/// The depth that the wire form may have: `Expr::and` adds a level to expressions within GitHub's limits.
const MAX_CANONICAL_DEPTH: usize = 100;

/// Parses an expression. An empty one is null, as on GitHub.
///
/// # Errors
/// The text does not follow the grammar, calls a function that does not exist or with a wrong number of arguments, or
/// exceeds GitHub's limits.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    parse_from(text, 0)
}

/// Parses the expression that a text is from an offset to its end. Spans are those of the whole text.
pub(super) fn parse_from(text: &str, start: usize) -> Result<Expr, SyntaxError> {
    let source = text.get(start..).unwrap_or_default().trim();
    // The second count is dear and seldom needed.
    if source.len() > MAX_LENGTH && source.encode_utf16().count() > MAX_LENGTH {
        let message = format!("exceeded max expression length {MAX_LENGTH}");
        return Err(SyntaxError { message, span: start..text.len() });
    }
    parse_within(text, start, MAX_DEPTH)
}

/// Parses what `Display` wrote, where folding may have put in values of any length.
pub(super) fn parse_canonical(text: &str) -> Result<Expr, SyntaxError> {
    parse_within(text, 0, MAX_CANONICAL_DEPTH).map(Expr::revive)
}

fn parse_within(text: &str, start: usize, max_depth: usize) -> Result<Expr, SyntaxError> {
    let tokens = lexer::lex(text, start)?;
    if tokens.is_empty() {
        return Ok(Expr::new(Node::Literal(Value::Null), start..text.len()));
    }
    let mut parser = Parser { text, start, tokens: &tokens, position: 0, nesting: 0, max_depth };
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(tree.expr),
        Some(_) => Err(parser.unexpected()),
    }
}

/// An expression and the levels of its tree.
struct Tree {
    expr: Expr,
    depth: usize,
}

struct Parser<'a> {
    text: &'a str,
    /// Where the expression starts in the text.
    start: usize,
    tokens: &'a [Token],
    position: usize,
    /// Expressions within expressions, so that the descent is bounded before there is a tree to measure.
    nesting: usize,
    max_depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.position).map(|token| &token.kind)
    }

    /// Takes the next token if it is of a kind that `choose` wants.
    fn take<T>(&mut self, choose: impl FnOnce(&Kind) -> Option<T>) -> Option<T> {
        let chosen = choose(self.peek()?)?;
        self.position += 1;
        Some(chosen)
    }

    fn take_kind(&mut self, kind: &Kind) -> bool {
        self.take(|next| (next == kind).then_some(())).is_some()
    }

    fn expect(&mut self, kind: &Kind) -> Result<(), SyntaxError> {
        if self.take_kind(kind) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The span of the token that was taken last.
    fn last_span(&self) -> Range<usize> {
        let last = self.position.checked_sub(1).and_then(|position| self.tokens.get(position));
        last.map_or(0..0, |token| token.span.clone())
    }

    fn unexpected(&self) -> SyntaxError {
        let (message, span) = match self.tokens.get(self.position) {
            Some(token) => ("unexpected symbol", token.span.clone()),
            None => ("unexpected end of expression after", self.last_span()),
        };
        SyntaxError { message: format!("{message} `{}`", self.text.get(span.clone()).unwrap_or_default()), span }
    }

    fn too_deep(&self) -> SyntaxError {
        SyntaxError {
            message: format!("exceeded max expression depth {}", self.max_depth),
            span: self.start..self.text.len(),
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, SyntaxError>) -> Result<T, SyntaxError> {
        self.nesting += 1;
        if self.nesting > self.max_depth {
            return Err(self.too_deep());
        }
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    /// A tree whose deepest child has `depth` levels.
    fn tree(&self, node: Node, span: Range<usize>, depth: usize) -> Result<Tree, SyntaxError> {
        let depth = depth + 1;
        if depth > self.max_depth { Err(self.too_deep()) } else { Ok(Tree { expr: Expr::new(node, span), depth }) }
    }

    fn expression(&mut self) -> Result<Tree, SyntaxError> {
        self.nested(|parser| parser.logical(Logical::Or))
    }

    fn logical(&mut self, operator: Logical) -> Result<Tree, SyntaxError> {
        let operand = |parser: &mut Self| match operator {
            Logical::Or => parser.logical(Logical::And),
            Logical::And => parser.equality(),
        };
        let first = operand(self)?;
        let kind = if operator == Logical::Or { Kind::Or } else { Kind::And };
        if self.peek() != Some(&kind) {
            return Ok(first);
        }
        let (mut operands, mut depth) = (vec![], 0);
        let mut next = first;
        loop {
            // Those of the same operator are flattened: they are one level less.
            let same = matches!(&next.expr.node, Node::Logical { operator: inner, .. } if *inner == operator);
            depth = depth.max(next.depth - usize::from(same));
            operands.push(next.expr);
            if !self.take_kind(&kind) {
                break;
            }
            next = operand(self)?;
        }
        let span = cover(operands.first(), operands.last());
        self.tree(Node::logical(operator, operands), span, depth)
    }

    fn equality(&mut self) -> Result<Tree, SyntaxError> {
        let operator = |kind: &Kind| match kind {
            Kind::Equal => Some(Binary::Equal),
            Kind::NotEqual => Some(Binary::NotEqual),
            _ => None,
        };
        self.binary(operator, Self::comparison)
    }

    fn comparison(&mut self) -> Result<Tree, SyntaxError> {
        let operator = |kind: &Kind| match kind {
            Kind::Greater => Some(Binary::Greater),
            Kind::GreaterOrEqual => Some(Binary::GreaterOrEqual),
            Kind::Less => Some(Binary::Less),
            Kind::LessOrEqual => Some(Binary::LessOrEqual),
            _ => None,
        };
        self.binary(operator, Self::unary)
    }

    fn binary(
        &mut self,
        operator: impl Fn(&Kind) -> Option<Binary>,
        operand: impl Fn(&mut Self) -> Result<Tree, SyntaxError>,
    ) -> Result<Tree, SyntaxError> {
        let mut left = operand(self)?;
        while let Some(operator) = self.take(&operator) {
            let right = operand(self)?;
            let (span, depth) = (cover(Some(&left.expr), Some(&right.expr)), left.depth.max(right.depth));
            let node = Node::Binary { operator, left: Box::new(left.expr), right: Box::new(right.expr) };
            left = self.tree(node, span, depth)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Tree, SyntaxError> {
        if !self.take_kind(&Kind::Not) {
            return self.indexed();
        }
        let start = self.last_span().start;
        let operand = self.nested(Self::unary)?;
        let span = start..operand.expr.span.end;
        self.tree(Node::Not(Box::new(operand.expr)), span, operand.depth)
    }

    fn indexed(&mut self) -> Result<Tree, SyntaxError> {
        let (tree, may_be_indexed) = self.primary()?;
        if may_be_indexed { self.indices(tree) } else { Ok(tree) }
    }

    fn indices(&mut self, mut tree: Tree) -> Result<Tree, SyntaxError> {
        loop {
            let (subscript, depth) = if self.take_kind(&Kind::Dot) {
                self.key()?
            } else if self.take_kind(&Kind::OpenBracket) {
                self.index()?
            } else {
                return Ok(tree);
            };
            let (span, depth) = (tree.expr.span.start..self.last_span().end, depth.max(tree.depth));
            tree = self.tree(Node::Index { target: Box::new(tree.expr), subscript }, span, depth)?;
        }
    }

    /// What follows a dot, and its depth.
    fn key(&mut self) -> Result<(Subscript, usize), SyntaxError> {
        if self.take_kind(&Kind::Star) {
            return Ok((Subscript::Wildcard, 1));
        }
        let key = self.take(|next| match next {
            Kind::Identifier(key) => Some(key.clone()),
            _ => None,
        });
        let key = key.ok_or_else(|| self.unexpected())?;
        Ok((Subscript::Value(Box::new(Expr::new(Node::Literal(Value::String(key)), self.last_span()))), 1))
    }

    /// What follows an opening bracket, and its depth.
    fn index(&mut self) -> Result<(Subscript, usize), SyntaxError> {
        let subscript = if self.take_kind(&Kind::Star) {
            (Subscript::Wildcard, 1)
        } else {
            let tree = self.expression()?;
            (Subscript::Value(Box::new(tree.expr)), tree.depth)
        };
        self.expect(&Kind::CloseBracket)?;
        Ok(subscript)
    }

    /// The tightest part, and whether an index may follow it.
    fn primary(&mut self) -> Result<(Tree, bool), SyntaxError> {
        if self.take_kind(&Kind::OpenParenthesis) {
            let start = self.last_span().start;
            let mut tree = self.expression()?;
            self.expect(&Kind::CloseParenthesis)?;
            tree.expr.span = start..self.last_span().end;
            return Ok((tree, true));
        }
        let name = self.take(|next| match next {
            Kind::Identifier(name) => Some(name.clone()),
            _ => None,
        });
        if let Some(name) = name {
            let span = self.last_span();
            let is_call = self.take_kind(&Kind::OpenParenthesis);
            let tree = if is_call { self.call(&name, span) } else { self.tree(Node::Context(name), span, 0) };
            return Ok((tree?, true));
        }
        let literal = self.take(|next| match next {
            Kind::Null => Some(Value::Null),
            Kind::Bool(value) => Some(Value::Bool(*value)),
            Kind::Number(number) => Some(Value::Number(*number)),
            Kind::String(text) => Some(Value::String(text.clone())),
            _ => None,
        });
        let literal = literal.ok_or_else(|| self.unexpected())?;
        Ok((self.tree(Node::Literal(literal), self.last_span(), 0)?, false))
    }

    /// The rest of a call, from after its opening parenthesis.
    fn call(&mut self, name: &str, name_span: Range<usize>) -> Result<Tree, SyntaxError> {
        let (mut arguments, mut depth) = (vec![], 0);
        if !self.take_kind(&Kind::CloseParenthesis) {
            loop {
                let argument = self.expression()?;
                depth = depth.max(argument.depth);
                arguments.push(argument.expr);
                if self.take_kind(&Kind::CloseParenthesis) {
                    break;
                }
                self.expect(&Kind::Comma)?;
            }
        }
        let function = functions::find(name).ok_or_else(|| SyntaxError {
            message: format!("unrecognized function `{name}`"),
            span: name_span.clone(),
        })?;
        function
            .check_arity(arguments.len())
            .map_err(|message| SyntaxError { message, span: name_span.start..self.last_span().end })?;
        let span = name_span.start..self.last_span().end;
        self.tree(Node::Call(CallNode { name: function.name.to_owned(), name_span, arguments }), span, depth)
    }
}

fn cover(first: Option<&Expr>, last: Option<&Expr>) -> Range<usize> {
    first.map_or(0, |expr| expr.span.start)..last.map_or(0, |expr| expr.span.end)
}
