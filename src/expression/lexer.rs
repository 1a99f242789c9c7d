//! Text into tokens, by GitHub's rules: what ends a token is a boundary character, whatever the token turns out to be.

use std::ops::Range;

use super::number;
use super::parser::SyntaxError;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Bytes of the text.
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
    Star,
    Not,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    And,
    Or,
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    /// A name: of a context, a function or, after a dot, a key.
    Identifier(String),
}

/// The tokens of a text from an offset on.
pub(super) fn lex(text: &str, start: usize) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { text, offset: start, tokens: Vec::new() };
    while let Some(next) = lexer.peek() {
        if next.is_whitespace() {
            lexer.offset += next.len_utf8();
        } else {
            let start = lexer.offset;
            let kind = lexer.token(next)?;
            lexer.tokens.push(Token { kind, span: start..lexer.offset });
        }
    }
    Ok(lexer.tokens)
}

/// Whether a text may be a name or a key after a dot.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn is_boundary(c: char) -> bool {
    matches!(c, '(' | '[' | ')' | ']' | ',' | '.' | '!' | '>' | '<' | '=' | '&' | '|') || c.is_whitespace()
}

struct Lexer<'a> {
    text: &'a str,
    offset: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn token(&mut self, first: char) -> Result<Kind, SyntaxError> {
        match first {
            '\'' => self.string(),
            '.' if self.follows_operand() => Ok(self.take(1, Kind::Dot)),
            '.' | '-' | '+' | '0'..='9' => self.number(),
            _ => match self.punctuation() {
                Some((length, kind)) => Ok(self.take(length, kind)),
                None => self.word(),
            },
        }
    }

    fn take(&mut self, length: usize, kind: Kind) -> Kind {
        self.offset += length;
        kind
    }

    fn punctuation(&self) -> Option<(usize, Kind)> {
        let rest = self.rest().as_bytes();
        let double = match rest.get(..2) {
            Some(b"==") => Some(Kind::Equal),
            Some(b"!=") => Some(Kind::NotEqual),
            Some(b">=") => Some(Kind::GreaterOrEqual),
            Some(b"<=") => Some(Kind::LessOrEqual),
            Some(b"&&") => Some(Kind::And),
            Some(b"||") => Some(Kind::Or),
            _ => None,
        };
        let single = || match rest.first()? {
            b'(' => Some(Kind::OpenParenthesis),
            b')' => Some(Kind::CloseParenthesis),
            b'[' => Some(Kind::OpenBracket),
            b']' => Some(Kind::CloseBracket),
            b',' => Some(Kind::Comma),
            b'*' => Some(Kind::Star),
            b'!' => Some(Kind::Not),
            b'>' => Some(Kind::Greater),
            b'<' => Some(Kind::Less),
            _ => None,
        };
        double.map(|kind| (2, kind)).or_else(|| single().map(|kind| (1, kind)))
    }

    /// Whether a dot here would be the one before a key, not that of a number.
    fn follows_operand(&self) -> bool {
        matches!(
            self.tokens.last().map(|token| &token.kind),
            Some(Kind::Identifier(_) | Kind::CloseBracket | Kind::CloseParenthesis | Kind::Star)
        )
    }

    /// Takes the first character and everything up to a boundary.
    fn lexeme(&mut self, is_end: impl Fn(char) -> bool) -> Range<usize> {
        let start = self.offset;
        let rest = self.rest();
        let end = rest.char_indices().skip(1).find(|(_, c)| is_end(*c)).map_or(rest.len(), |(index, _)| index);
        self.offset += end;
        start..self.offset
    }

    fn unexpected(&self, span: Range<usize>) -> SyntaxError {
        let lexeme = self.text.get(span.clone()).unwrap_or_default();
        SyntaxError { message: format!("unexpected symbol `{lexeme}`"), span }
    }

    fn number(&mut self) -> Result<Kind, SyntaxError> {
        let span = self.lexeme(|c| c != '.' && is_boundary(c));
        let value = number::from_text(self.text.get(span.clone()).unwrap_or_default());
        if value.is_nan() { Err(self.unexpected(span)) } else { Ok(Kind::Number(value)) }
    }

    fn word(&mut self) -> Result<Kind, SyntaxError> {
        let is_key = self.tokens.last().is_some_and(|token| token.kind == Kind::Dot);
        let span = self.lexeme(is_boundary);
        let word = self.text.get(span.clone()).unwrap_or_default();
        match word {
            _ if !is_identifier(word) => Err(self.unexpected(span)),
            _ if is_key => Ok(Kind::Identifier(word.to_owned())),
            "null" => Ok(Kind::Null),
            "true" => Ok(Kind::Bool(true)),
            "false" => Ok(Kind::Bool(false)),
            "NaN" => Ok(Kind::Number(f64::NAN)),
            "Infinity" => Ok(Kind::Number(f64::INFINITY)),
            _ => Ok(Kind::Identifier(word.to_owned())),
        }
    }

    fn string(&mut self) -> Result<Kind, SyntaxError> {
        let start = self.offset;
        let rest = self.rest();
        let mut text = String::new();
        let mut quoted = rest.char_indices().skip(1).peekable();
        while let Some((index, c)) = quoted.next() {
            let is_quote = c == '\'';
            if is_quote && quoted.next_if(|(_, next)| *next == '\'').is_none() {
                self.offset += index + 1;
                return Ok(Kind::String(text));
            }
            text.push(c);
        }
        let mut error = self.unexpected(start..self.text.len());
        error.message.push_str(": the string is not closed");
        Err(error)
    }
}
