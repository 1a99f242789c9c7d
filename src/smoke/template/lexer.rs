//! Source to tokens: text, and what stands between `{{` and `}}`.

use super::value::Value;

/// A token and where it is.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text(String),
    Open,
    Close,
    Space,
    /// `.`
    Dot,
    /// `.name`
    Field(String),
    /// `$` or `$name`, with the `$`.
    Variable(String),
    /// A function or keyword.
    Word(String),
    Literal(Value),
    Pipe,
    Comma,
    Declare,
    Assign,
    LeftParen,
    RightParen,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) message: String,
}

pub(super) fn broken<T>(at: usize, message: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { at, message: message.into() })
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Takes a template apart.
pub(super) fn lex(source: &str) -> Result<Vec<Token>, Broken> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new() };
    let mut trim = false;
    loop {
        let start = lexer.at;
        let open = lexer.rest().find("{{").map(|offset| start + offset);
        let mut text = &source[start..open.unwrap_or(source.len())];
        let mut at = start;
        if trim {
            let trimmed = text.trim_start_matches(BLANK);
            at += text.len() - trimmed.len();
            text = trimmed;
        }
        if open.is_some_and(|open| has_left_trim(&source[open + 2..])) {
            text = text.trim_end_matches(BLANK);
        }
        if !text.is_empty() {
            lexer.push(at, at + text.len(), Kind::Text(text.to_owned()));
        }
        let Some(open) = open else { return Ok(lexer.tokens) };
        lexer.at = open + 2 + if has_left_trim(&source[open + 2..]) { 2 } else { 0 };
        trim = if lexer.rest().starts_with("/*") { lexer.comment()? } else { lexer.action(open)? };
    }
}

fn has_left_trim(inside: &str) -> bool {
    inside.strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANK))
}

/// The closing marker at the start of a text, with or without its trim marker.
fn right_delimiter(rest: &str) -> Option<(usize, bool)> {
    if rest.starts_with("}}") {
        return Some((2, false));
    }
    (rest.starts_with(BLANK) && rest[1..].starts_with("-}}")).then_some((4, true))
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, at: usize, end: usize, kind: Kind) {
        self.tokens.push(Token { at, end, kind });
    }

    /// A comment, which is an action of its own. Whether it trims what follows.
    fn comment(&mut self) -> Result<bool, Broken> {
        let at = self.at;
        let Some(length) = self.rest().find("*/") else { return broken(at, "unclosed comment") };
        self.at += length + 2;
        let Some((length, trims)) = right_delimiter(self.rest()) else {
            return broken(at, "comment ends before closing delimiter");
        };
        self.at += length;
        Ok(trims)
    }

    /// The tokens up to the closing marker. Whether it trims what follows.
    fn action(&mut self, open: usize) -> Result<bool, Broken> {
        self.push(open, self.at, Kind::Open);
        let mut depth = 0_usize;
        loop {
            if let Some((length, trims)) = right_delimiter(self.rest()) {
                if depth > 0 {
                    return broken(self.at, "unclosed left paren");
                }
                self.push(self.at, self.at + length, Kind::Close);
                self.at += length;
                return Ok(trims);
            }
            let at = self.at;
            let Some(first) = self.rest().chars().next() else { return broken(open, "unclosed action") };
            let kind = match first {
                _ if BLANK.contains(&first) => self.space(),
                '"' => self.quoted()?,
                '`' => self.raw()?,
                '\'' => self.character()?,
                '$' => Kind::Variable(format!("${}", self.name(1))),
                '.' => self.dot()?,
                '0'..='9' => self.number()?,
                '+' | '-' if self.rest()[1..].starts_with(|next: char| next.is_ascii_digit() || next == '.') => {
                    self.number()?
                }
                _ if first == '_' || first.is_alphabetic() => self.word(),
                _ => self.symbol(first, &mut depth)?,
            };
            self.push(at, self.at, kind);
        }
    }

    fn symbol(&mut self, first: char, depth: &mut usize) -> Result<Kind, Broken> {
        let at = self.at;
        self.at += first.len_utf8();
        Ok(match first {
            '|' => Kind::Pipe,
            ',' => Kind::Comma,
            '=' => Kind::Assign,
            ':' if self.rest().starts_with('=') => {
                self.at += 1;
                Kind::Declare
            }
            ':' => return broken(at, "expected :="),
            '(' => {
                *depth += 1;
                Kind::LeftParen
            }
            ')' if *depth == 0 => return broken(at, "unexpected right paren"),
            ')' => {
                *depth -= 1;
                Kind::RightParen
            }
            _ => return broken(at, format!("unexpected {first:?} in command")),
        })
    }

    /// Blanks, up to a closing marker that begins with one.
    fn space(&mut self) -> Kind {
        while right_delimiter(self.rest()).is_none() && self.rest().starts_with(BLANK) {
            self.at += 1;
        }
        Kind::Space
    }

    /// The name that begins after `skip` bytes.
    fn name(&mut self, skip: usize) -> &'a str {
        let rest = &self.rest()[skip..];
        let end = rest.find(|char: char| char != '_' && !char.is_alphanumeric()).unwrap_or(rest.len());
        self.at += skip + end;
        &rest[..end]
    }

    fn word(&mut self) -> Kind {
        match self.name(0) {
            "true" => Kind::Literal(Value::Bool(true)),
            "false" => Kind::Literal(Value::Bool(false)),
            word => Kind::Word(word.to_owned()),
        }
    }

    fn dot(&mut self) -> Result<Kind, Broken> {
        match self.rest()[1..].chars().next() {
            Some('0'..='9') => self.number(),
            Some(next) if next == '_' || next.is_alphabetic() => Ok(Kind::Field(self.name(1).to_owned())),
            Some(next) if !BLANK.contains(&next) && !"|,()}=:.".contains(next) => {
                broken(self.at, format!("bad character {next:?}"))
            }
            _ => {
                self.at += 1;
                Ok(Kind::Dot)
            }
        }
    }

    fn raw(&mut self) -> Result<Kind, Broken> {
        let Some(length) = self.rest()[1..].find('`') else { return broken(self.at, "unterminated raw quoted string") };
        let text = &self.rest()[1..=length];
        self.at += length + 2;
        // As in Go's raw strings, carriage returns are no part of the value.
        Ok(Kind::Literal(Value::text(&text.replace('\r', ""))))
    }

    fn quoted(&mut self) -> Result<Kind, Broken> {
        let at = self.at;
        match self.escaped('"') {
            Some(Some(text)) => Ok(Kind::Literal(Value::text(&text))),
            Some(None) => broken(at, "invalid escape in string"),
            None => broken(at, "unterminated quoted string"),
        }
    }

    fn character(&mut self) -> Result<Kind, Broken> {
        let at = self.at;
        let Some(text) = self.escaped('\'') else { return broken(at, "unterminated character constant") };
        let text = text.unwrap_or_default();
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(Kind::Literal(Value::Int(i64::from(u32::from(char))))),
            _ => broken(at, "malformed character constant"),
        }
    }

    /// A text in quotes on one line. `None` where it does not end, `Some(None)` where an escape is none of Go's.
    fn escaped(&mut self, quote: char) -> Option<Option<String>> {
        let rest = &self.rest()[1..];
        let mut escaped = false;
        let end = rest.char_indices().find_map(|(offset, char)| {
            if char == '\n' {
                return Some(None);
            }
            let ends = char == quote && !escaped;
            escaped = char == '\\' && !escaped;
            ends.then_some(Some(offset))
        })??;
        self.at += end + 2;
        Some(unescape(&rest[..end]))
    }

    fn number(&mut self) -> Result<Kind, Broken> {
        let at = self.at;
        let rest = self.rest();
        let mut previous = ' ';
        let unsigned = rest.trim_start_matches(['+', '-']);
        let is_hex = unsigned.starts_with("0x") || unsigned.starts_with("0X");
        let end = rest.find(|char: char| {
            let is_sign = matches!(char, '+' | '-');
            let goes_on = char.is_alphanumeric()
                || char == '.'
                || char == '_'
                || is_sign && (previous == ' ' || !is_hex && matches!(previous, 'e' | 'E'));
            previous = char;
            !goes_on
        });
        let end = end.unwrap_or(rest.len());
        self.at += end;
        let Some(value) = number(&rest[..end]) else {
            return broken(at, format!("bad number syntax: {:?}", &rest[..end]));
        };
        Ok(Kind::Literal(value))
    }
}

/// The value of a Go number, as an untyped constant becomes it.
pub(super) fn number(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(int) = whole(digits) {
        let int = if negative { -int } else { int };
        return i64::try_from(int).ok().map(Value::Int);
    }
    let plain = digits.replace('_', "");
    if !plain.starts_with(|char: char| char.is_ascii_digit() || char == '.') || !plain.contains(['.', 'e', 'E']) {
        return None;
    }
    let float: f64 = plain.parse().ok()?;
    float.is_finite().then_some(Value::Float(if negative { -float } else { float }))
}

/// A whole number in one of Go's bases.
fn whole(digits: &str) -> Option<i128> {
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let body = body.replace('_', "");
    if body.is_empty() || !body.chars().all(|char| char.is_ascii_alphanumeric()) {
        return None;
    }
    i128::from_str_radix(&body, radix).ok()
}

/// Resolves the escapes of Go's interpreted strings.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let mut code = |digits: usize, radix: u32, first: Option<char>| -> Option<u32> {
            let mut text: String = first.into_iter().collect();
            while text.len() < digits {
                text.push(chars.next()?);
            }
            u32::from_str_radix(&text, radix).ok()
        };
        let char = match escape {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' => escape,
            'x' => {
                bytes.push(u8::try_from(code(2, 16, None)?).ok()?);
                continue;
            }
            '0'..='7' => {
                bytes.push(u8::try_from(code(3, 8, Some(escape))?).ok()?);
                continue;
            }
            'u' => char::from_u32(code(4, 16, None)?)?,
            'U' => char::from_u32(code(8, 16, None)?)?,
            _ => return None,
        };
        bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
