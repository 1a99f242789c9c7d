//! What dash, busybox sh and bash say of a script that a step called: of the step's own script, `blame` knows more.

use super::{Finding, Said, Spot};

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let line = said.tail.last()?;
    let (file, number, words) = mention(line)?;
    let spot = Spot { file: file.to_owned(), line: number, ..Spot::default() };
    Some(Finding { message: words, spots: vec![spot], ..Finding::default() })
}

/// `FILE: 3: words` (dash), `FILE: line 3: words` (bash, busybox), `FILE: cd: line 3: words` (a builtin of busybox).
fn mention(text: &str) -> Option<(&str, u32, String)> {
    let (file, rest) = text.split_once(": ")?;
    if !file.contains('/') || file.contains(char::is_whitespace) {
        return None;
    }
    let (number, words, builtin) = match rest.split_once(": ")? {
        (builtin, rest) if rest.starts_with("line ") => {
            let (number, words) = rest.split_once(": ")?;
            (number, words, Some(builtin))
        }
        (number, words) => (number, words, None),
    };
    let number = number.strip_prefix("line ").unwrap_or(number).parse().ok()?;
    Some((file, number, builtin.map_or_else(|| words.to_owned(), |builtin| format!("{builtin}: {words}"))))
}
