//! An expression's tokens.

use super::Wrong;
use super::ast::Operator;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Literal(String),
    /// With a prefix, or `*` in place of what follows one.
    Name(String),
    Operator(Operator),
    /// `*` that stands for a name.
    Star,
    /// One of `( ) [ ] . .. @ , :: / // $`.
    Sign(&'static str),
}

/// A token, and the place of its first character, from 1.
pub(super) type Placed = (usize, Token);

const SIGNS: &[&str] = &["::", "//", "..", "(", ")", "[", "]", ".", "@", ",", "/", "$"];

const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("+", Operator::Plus),
    ("-", Operator::Minus),
    ("|", Operator::Union),
];

const WORDS: &[(&str, Operator)] =
    &[("and", Operator::And), ("or", Operator::Or), ("div", Operator::Divided), ("mod", Operator::Modulo)];

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Wrong> {
    let mut lexer = Lexer { rest: text, at: 1, tokens: Vec::new() };
    while lexer.token()? {}
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    rest: &'t str,
    at: usize,
    tokens: Vec<Placed>,
}

impl<'t> Lexer<'t> {
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.at += taken.chars().count();
        self.rest = rest;
        taken
    }

    /// Whether there was one.
    fn token(&mut self) -> Result<bool, Wrong> {
        self.take(self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
        let at = self.at;
        let Some(first) = self.rest.chars().next() else { return Ok(false) };
        let after = self.rest.chars().nth(1);
        let token = match first {
            '"' | '\'' => self.literal(first)?,
            '0'..='9' => self.number(),
            '.' if after.is_some_and(|after| after.is_ascii_digit()) => self.number(),
            '*' if self.is_after_operand() => self.operator(1, Operator::Times),
            '*' => {
                self.take(1);
                Token::Star
            }
            first if first.is_alphabetic() || first == '_' => self.name(),
            first => self.sign(first)?,
        };
        self.tokens.push((at, token));
        Ok(true)
    }

    /// Whether an operator may stand here (XPath 1.0, 3.7): after a token that is no operator and opens nothing.
    fn is_after_operand(&self) -> bool {
        match self.tokens.last() {
            None | Some((_, Token::Operator(_) | Token::Sign("@" | "::" | "(" | "[" | "," | "/" | "//" | "$"))) => {
                false
            }
            Some(_) => true,
        }
    }

    fn operator(&mut self, bytes: usize, operator: Operator) -> Token {
        self.take(bytes);
        Token::Operator(operator)
    }

    fn literal(&mut self, quote: char) -> Result<Token, Wrong> {
        let at = self.at;
        let end = self.rest[1..].find(quote).ok_or_else(|| Wrong { at, message: "this text has no end".to_owned() })?;
        let text = self.take(end + 2);
        Ok(Token::Literal(text[1..=end].to_owned()))
    }

    fn number(&mut self) -> Token {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(self.rest);
        if self.rest[end..].starts_with('.') {
            end += 1 + digits(&self.rest[end + 1..]);
        }
        Token::Number(self.take(end).parse().unwrap_or(f64::NAN))
    }

    fn name(&mut self) -> Token {
        let length = |text: &str| {
            let is_part = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '\u{b7}');
            text.find(|char| !is_part(char)).unwrap_or(text.len())
        };
        let mut end = length(self.rest);
        if let Some((_, operator)) = WORDS.iter().find(|(word, _)| *word == &self.rest[..end])
            && self.is_after_operand()
        {
            return self.operator(end, *operator);
        }
        if let Some(local) = self.rest[end..].strip_prefix(':').filter(|local| !local.starts_with(':')) {
            end += 1 + if local.starts_with('*') { 1 } else { length(local) };
        }
        Token::Name(self.take(end).to_owned())
    }

    fn sign(&mut self, first: char) -> Result<Token, Wrong> {
        if let Some((text, operator)) = OPERATORS.iter().find(|(text, _)| self.rest.starts_with(text)) {
            return Ok(self.operator(text.len(), *operator));
        }
        match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
            Some(sign) => {
                self.take(sign.len());
                Ok(Token::Sign(sign))
            }
            None => Err(Wrong { at: self.at, message: format!("`{first}` has no meaning here") }),
        }
    }
}
