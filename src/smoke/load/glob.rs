//! Go's `filepath.Glob`: `*`, `?`, `[a-z]`, `[^a-z]` and `\`, none of which matches a `/`.

use camino::{Utf8Path, Utf8PathBuf};

use super::Files;

/// More matches than anyone means.
const MOST: usize = 10_000;

/// The files that a pattern matches, sorted. A pattern without wildcards is taken as it is: whether it can be read
/// is seen
/// when it is.
pub(super) fn expand(pattern: &Utf8Path, files: &dyn Files) -> Result<Vec<Utf8PathBuf>, String> {
    if !is_wild(pattern.as_str()) {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut found = vec![Utf8PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_str();
        if !is_wild(part) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let tokens = parse(part).ok_or_else(|| format!("syntax error in pattern `{pattern}`"))?;
        let mut next = Vec::new();
        for folder in &found {
            let mut names = files.names(if folder.as_str().is_empty() { Utf8Path::new(".") } else { folder });
            names.sort();
            next.extend(names.into_iter().filter(|name| matches(&tokens, name)).map(|name| folder.join(name)));
            if next.len() > MOST {
                return Err(format!("`{pattern}` matches more than {MOST} files"));
            }
        }
        found = next;
    }
    if found.is_empty() { Err(format!("no matched files were found: \"{pattern}\"")) } else { Ok(found) }
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

#[derive(Debug)]
enum Token {
    Char(char),
    Any,
    Many,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// `None` where the pattern is malformed.
fn parse(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        tokens.push(match char {
            '*' => Token::Many,
            '?' => Token::Any,
            '\\' => Token::Char(chars.next()?),
            '[' => class(&mut chars)?,
            _ => Token::Char(char),
        });
    }
    Some(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |chars: &mut std::iter::Peekable<std::str::Chars>| match chars.next()? {
        '\\' => chars.next(),
        '-' => None,
        char => Some(char),
    };
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Token::Class { negated, ranges });
        }
        if chars.peek() == Some(&']') {
            return None;
        }
        let from = one(chars)?;
        let to = if chars.next_if_eq(&'-').is_some() { one(chars)? } else { from };
        ranges.push((from, to));
    }
}

/// Whether a name matches, in time that grows with both lengths multiplied and no more.
fn matches(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Which lengths of the name the tokens so far can have matched.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for token in tokens {
        let mut next = vec![false; name.len() + 1];
        let mut many = false;
        for at in 0..=name.len() {
            if let Token::Many = token {
                many |= reached[at];
                next[at] = many;
            } else if at > 0 && reached[at - 1] {
                next[at] = is_one(token, name[at - 1]);
            }
        }
        reached = next;
    }
    reached[name.len()]
}

fn is_one(token: &Token, char: char) -> bool {
    match token {
        Token::Char(wanted) => *wanted == char,
        Token::Any | Token::Many => true,
        Token::Class { negated, ranges } => ranges.iter().any(|(from, to)| (*from..=*to).contains(&char)) != *negated,
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, parse};

    /// From the table of Go's `path/filepath` tests.
    #[test]
    fn patterns_match_as_gos_filepath_match() {
        let cases = [
            ("abc", "abc", Some(true)),
            ("*", "abc", Some(true)),
            ("*c", "abc", Some(true)),
            ("a*", "a", Some(true)),
            ("a*b*c*d*e*", "axbxcxdxexxx", Some(true)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Some(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Some(false)),
            ("ab[c]", "abc", Some(true)),
            ("ab[b-d]", "abc", Some(true)),
            ("ab[e-g]", "abc", Some(false)),
            ("ab[^c]", "abc", Some(false)),
            ("ab[^e-g]", "abc", Some(true)),
            ("a\\*b", "a*b", Some(true)),
            ("a\\*b", "ab", Some(false)),
            ("a?b", "a☺b", Some(true)),
            ("[a-ζ]*", "α", Some(true)),
            ("[\\]a]", "]", Some(true)),
            ("[\\-x]", "-", Some(true)),
            ("[x\\-]", "z", Some(false)),
            ("[]a]", "]", None),
            ("[-]", "-", None),
            ("[x-]", "x", None),
            ("[a-b-c]", "a", None),
            ("[", "a", None),
            ("[^", "a", None),
            ("a[", "ab", None),
            ("*x", "xxx", Some(true)),
        ];
        for (pattern, name, expected) in cases {
            let found = parse(pattern).map(|tokens| matches(&tokens, name));
            assert_eq!(found, expected, "{pattern:?} on {name:?}");
        }
    }
}
