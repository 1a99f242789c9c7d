//! The patterns of `hashFiles`, as GitHub's `@actions/glob` reads them: `*`, `?`, `[…]` and `\` inside of a segment, `**` as
//! a whole segment, nothing else.

/// One pattern, relative to the root of the search.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    /// Begins with `!`: takes away what the patterns before have matched.
    pub(super) negate: bool,
    segments: Vec<Segment>,
    /// The segments before the first that has a wildcard.
    prefix: Vec<String>,
    /// Whether it means folders only: it ends in a `/`.
    folders: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    /// `**`: any number of segments.
    Globstar,
    Glob(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[…]`: ranges of characters, or all others.
    Class {
        negate: bool,
        ranges: Vec<(char, char)>,
    },
}

/// The patterns of one call, each with what it implies: what names a folder means all that is in it.
///
/// # Errors
/// A pattern that is absolute, or has a `..`.
pub(super) fn parse(lines: &[String]) -> Result<Vec<Pattern>, String> {
    let mut patterns = Vec::new();
    // As on GitHub, one argument may hold several lines.
    for line in lines.iter().flat_map(|text| text.split('\n')).map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pattern = Pattern::parse(line)?;
        if pattern.segments.last() != Some(&Segment::Globstar) {
            let mut inside = Pattern { folders: false, ..pattern.clone() };
            inside.segments.extend([Segment::Glob(vec![Token::Many]), Segment::Globstar]);
            patterns.push(pattern);
            patterns.push(inside);
        } else {
            patterns.push(pattern);
        }
    }
    Ok(patterns)
}

/// Whether a file is chosen: the last pattern that has something to say decides.
pub(super) fn matches(patterns: &[Pattern], path: &[String]) -> bool {
    let mut decisive = patterns.iter().rev().filter(|pattern| !pattern.folders && matches_all(&pattern.segments, path));
    decisive.next().is_some_and(|pattern| !pattern.negate)
}

/// Whether something inside of a folder may be chosen.
pub(super) fn may_match_inside(patterns: &[Pattern], folder: &[String]) -> bool {
    patterns.iter().any(|pattern| !pattern.negate && may_match(&pattern.segments, folder))
}

/// Where the search begins: the part of each pattern before its first wildcard, without those inside of others.
pub(super) fn search_paths(patterns: &[Pattern]) -> Vec<Vec<String>> {
    let all: Vec<Vec<String>> =
        patterns.iter().filter(|pattern| !pattern.negate).map(|pattern| pattern.prefix.clone()).collect();
    let mut paths: Vec<Vec<String>> = Vec::new();
    for path in &all {
        let inside = all.iter().any(|other| other.len() < path.len() && path.starts_with(other));
        if !inside && !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    paths
}

impl Pattern {
    fn parse(line: &str) -> Result<Self, String> {
        let (mut negate, mut text) = (false, line);
        while let Some(rest) = text.strip_prefix('!') {
            negate = !negate;
            text = rest.trim();
        }
        if text.starts_with('/') || text == "~" || text.starts_with("~/") {
            return Err(format!("the pattern `{line}` is absolute: patterns begin at the definition's folder"));
        }
        let (mut segments, mut prefix) = (Vec::new(), Vec::new());
        for (index, segment) in text.split('/').filter(|segment| !segment.is_empty()).enumerate() {
            match segment {
                "." if index == 0 => {}
                "." | ".." => return Err(format!("the pattern `{line}` has a `{segment}`, which can't be in one")),
                "**" => segments.push(Segment::Globstar),
                _ => {
                    if prefix.len() == segments.len() {
                        prefix.extend(literal(segment));
                    }
                    segments.push(Segment::Glob(tokens(segment)));
                }
            }
        }
        if text.is_empty() {
            return Err(format!("the pattern `{line}` is empty"));
        }
        Ok(Self { negate, segments, prefix, folders: text.ends_with('/') })
    }
}

/// Matches a whole path. When it fails, only the last `**` tries again with one segment more: an earlier one can't help.
fn matches_all(segments: &[Segment], path: &[String]) -> bool {
    let (mut segment, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(name) = path.get(at) {
        match segments.get(segment) {
            Some(Segment::Globstar) => {
                retry = Some((segment + 1, at));
                segment += 1;
            }
            Some(Segment::Glob(tokens)) if matches_name(tokens, &name.chars().collect::<Vec<_>>()) => {
                segment += 1;
                at += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (segment, at) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    segments.get(segment..).unwrap_or_default().iter().all(|segment| *segment == Segment::Globstar)
}

/// Whether a path that begins with `folder` may match.
fn may_match(segments: &[Segment], folder: &[String]) -> bool {
    match (segments.split_first(), folder.split_first()) {
        (_, None) | (Some((Segment::Globstar, _)), _) => true,
        (None, Some(_)) => false,
        (Some((Segment::Glob(tokens), rest)), Some((name, inside))) => {
            matches_name(tokens, &name.chars().collect::<Vec<_>>()) && may_match(rest, inside)
        }
    }
}

/// Matches one segment. When it fails, only the last `*` tries again with one character more: an earlier one can't help.
fn matches_name(tokens: &[Token], name: &[char]) -> bool {
    let (mut token, mut char) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while char < name.len() {
        let here = name.get(char).copied().unwrap_or_default();
        match tokens.get(token) {
            Some(Token::Many) => {
                retry = Some((token + 1, char));
                token += 1;
            }
            Some(one) if one.matches(here) => {
                token += 1;
                char += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (token, char) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    tokens.get(token..).unwrap_or_default().iter().all(|token| *token == Token::Many)
}

impl Token {
    fn matches(&self, char: char) -> bool {
        match self {
            Self::Char(own) => *own == char,
            Self::One => true,
            Self::Many => false,
            Self::Class { negate, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&char)) != *negate
            }
        }
    }
}

/// The name that a segment without wildcards means; none for one that has some. A class of one character is none.
///
/// As GitHub does it, which is not quite as its patterns are matched: `[]]` and `[z-a]` are told apart otherwise.
fn literal(segment: &str) -> Option<String> {
    let chars: Vec<char> = segment.chars().collect();
    let (mut literal, mut at) = (String::new(), 0);
    while let Some(char) = chars.get(at).copied() {
        at += 1;
        let rest = chars.get(at..).unwrap_or_default();
        match char {
            '*' | '?' => return None,
            '\\' if !rest.is_empty() => {
                literal.extend(rest.first());
                at += 1;
            }
            '[' => match closed(rest) {
                Some((members, _)) if members.len() > 1 => return None,
                Some((members, length)) if members.len() == 1 => {
                    literal.extend(members);
                    at += length;
                }
                _ => literal.push('['),
            },
            _ => literal.push(char),
        }
    }
    Some(literal)
}

/// The characters from after a `[` up to the first `]`, and how long they are with it. None: there is no `]`.
fn closed(chars: &[char]) -> Option<(Vec<char>, usize)> {
    let (mut members, mut at) = (Vec::new(), 0);
    loop {
        match *chars.get(at)? {
            ']' => return Some((members, at + 1)),
            '\\' if at + 1 < chars.len() => {
                members.extend(chars.get(at + 1));
                at += 2;
            }
            char => {
                members.push(char);
                at += 1;
            }
        }
    }
}

fn tokens(segment: &str) -> Vec<Token> {
    let chars: Vec<char> = segment.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(char) = chars.get(at).copied() {
        at += 1;
        tokens.push(match char {
            '*' => Token::Many,
            '?' => Token::One,
            '\\' => {
                let escaped = chars.get(at).copied();
                at += usize::from(escaped.is_some());
                Token::Char(escaped.unwrap_or('\\'))
            }
            '[' => match class(chars.get(at..).unwrap_or_default()) {
                Some((class, length)) => {
                    at += length;
                    class
                }
                // Not closed: it stands for itself.
                None => Token::Char('['),
            },
            _ => Token::Char(char),
        });
    }
    tokens
}

/// A class of characters from after its `[`, and how long it is with its `]`. None: it is none.
fn class(chars: &[char]) -> Option<(Token, usize)> {
    let negate = matches!(chars.first(), Some('!' | '^'));
    let begin = usize::from(negate);
    let mut members = Vec::new();
    let mut at = begin;
    loop {
        match *chars.get(at)? {
            // First in the list it is a member.
            ']' if at > 0 => break,
            '\\' => {
                at += 1;
                members.push((*chars.get(at)?, true));
            }
            char => members.push((char, false)),
        }
        at += 1;
    }
    let (mut ranges, mut rest) = (Vec::new(), members.as_slice());
    while let [(first, _), after @ ..] = rest {
        rest = match after {
            [('-', false), (last, _), after @ ..] => {
                // `[z-a]` is no class.
                if first > last {
                    return None;
                }
                ranges.push((*first, *last));
                after
            }
            _ => {
                ranges.push((*first, *first));
                after
            }
        };
    }
    Some((Token::Class { negate, ranges }, at + 1))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn chosen(lines: &[&str], path: &str) -> bool {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        matches(&parse(&lines).unwrap(), &path)
    }

    #[test]
    fn patterns_choose_what_they_do_on_github() {
        for (pattern, path, expected) in [
            ("a.lock", "a.lock", true),
            ("a.lock", "sub/a.lock", false),
            ("**/a.lock", "a.lock", true),
            ("**/a.lock", "x/y/a.lock", true),
            ("./a.lock", "a.lock", true),
            ("src", "src/deep/file", true),
            ("src/", "src/file", true),
            ("file/", "file", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/sub/a.rs", false),
            ("src/**/*.rs", "src/a.rs", true),
            ("*", ".hidden", true),
            ("**", "any/thing", true),
            ("a**b", "axxb", true),
            ("a**b", "a/b", false),
            ("?.txt", "ä.txt", true),
            ("?.txt", "ab.txt", false),
            ("[a-c]", "b", true),
            ("[!a-c]", "b", false),
            ("[^a-c]", "x", true),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("[z-a]", "[z-a]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
            ("+(a)", "aa", false),
            ("A", "a", false),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbx", false),
        ] {
            assert_eq!(chosen(&[pattern], path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn the_last_pattern_that_fits_decides() {
        assert!(!chosen(&["src/**", "!src/gen"], "src/gen/a"));
        assert!(chosen(&["src/**", "!src/gen", "src/gen/keep"], "src/gen/keep"));
        assert!(chosen(&["!a", "a"], "a"));
        assert!(chosen(&["!!a"], "a"));
        assert!(chosen(&["# a comment\n\n  a  \n!b"], "a"));
    }

    #[test]
    fn a_search_begins_where_the_first_wildcard_stands() {
        let paths = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            search_paths(&parse(&lines).unwrap()).iter().map(|path| path.join("/")).collect::<Vec<_>>()
        };
        assert_eq!(paths(&["b/x", "a/[y]/*.rs", "!c"]), ["b/x", "a/y"]);
        assert_eq!(paths(&["a/b/c", "a/b", "a/bc"]), ["a/b", "a/bc"]);
        assert_eq!(paths(&["a/b", "**/c"]), [""]);
        assert_eq!(paths(&["!a"]), [""; 0]);
    }

    #[test]
    fn what_leaves_the_folder_is_refused() {
        for line in ["/etc/passwd", "~/x", "../x", "a/../x", "a/./x", "!"] {
            assert!(parse(&[line.to_owned()]).is_err(), "{line}");
        }
    }

    #[test]
    fn many_wildcards_take_no_longer_than_few() {
        let name = "a".repeat(200);
        assert!(!chosen(&[&format!("{}b", "*a".repeat(50))], &name));
        let path = vec!["a"; 60].join("/");
        assert!(!chosen(&[&format!("{}b", "**/a/".repeat(30))], &path));
    }
}
