//! pip: its closing lines begin with `ERROR: ` or, since version 22, with `error: ` and a box.

use super::{Finding, Said, Spot, cure, fragment};

const CURES: [(&str, &str); 5] = [
    (
        "(from versions: none)",
        "look for a spelling mistake; or no release fits this version of Python, or the index can't be reached",
    ),
    ("Could not find a version", "the index has other versions only: the message lists them"),
    (
        "externally-managed-environment",
        "make a virtual environment (`python3 -m venv`), or install the package of the distribution",
    ),
    (
        "subprocess-exited-with-error",
        "often a compiler or a `-dev` package is missing: what was printed above names it",
    ),
    ("conflicting dependencies", "loosen the versions that are asked for"),
];

/// How far above the end the first of the closing lines may stand.
const MOST_CLOSING: usize = 40;

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let from = said.tail.len().saturating_sub(MOST_CLOSING);
    let tail = &said.tail[from..];
    let is_error = |line: &&str| line.starts_with("ERROR: ");
    if tail.last().is_some_and(is_error) {
        let first = tail.iter().rposition(|line| !is_error(line)).map_or(0, |index| index + 1);
        return Some(plain(tail[first].strip_prefix("ERROR: ")?));
    }
    boxed(tail)
}

fn plain(words: &str) -> Finding {
    let subject = words.strip_prefix("Could not find a version that satisfies the requirement ");
    let subject = subject.and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
    // Hundreds of versions may follow.
    let said = words.split(" (from versions: ").next().unwrap_or(words);
    Finding {
        message: format!("pip: {}", fragment(said)),
        hint: cure(words, &CURES),
        spots: requirement(words).into_iter().collect(),
        subject,
    }
}

/// `Invalid requirement: 'x y' (from line 3 of requirements.txt)`.
fn requirement(words: &str) -> Option<Spot> {
    let (_, rest) = words.rsplit_once("(from line ")?;
    let (line, rest) = rest.split_once(" of ")?;
    let file = rest.split(')').next()?;
    Some(Spot { file: file.to_owned(), line: line.parse().ok()?, ..Spot::default() })
}

/// `error: KIND`, a box with what happened, and notes.
fn boxed(tail: &[&str]) -> Option<Finding> {
    let start = tail.iter().rposition(|line| line.starts_with("error: "))?;
    let happened = tail[start + 1..].iter().find_map(|line| line.strip_prefix("× "))?;
    let closes = |line: &&str| {
        line.is_empty()
            || line.starts_with([' ', '×', '╰', '│'])
            || line.starts_with("note: ")
            || line.starts_with("hint: ")
    };
    if !tail[start + 1..].iter().all(closes) {
        return None;
    }
    let kind = tail[start];
    // A build that failed is told twice: first by what ran it.
    let inner = tail[..start].iter().any(|line| line.trim() == "error: subprocess-exited-with-error");
    let why = tail[..start].iter().rposition(|line| inner && line.trim() == "[end of output]");
    let why = why.and_then(|index| tail[..index].iter().rev().find(|line| !line.trim().is_empty()));
    let message = match why {
        Some(why) => format!("pip: {}: {}", fragment(happened), why.trim()),
        None => format!("pip: {}", fragment(happened)),
    };
    let hint = cure(kind, &CURES).or_else(|| cure("subprocess-exited-with-error", &CURES).filter(|_| inner));
    Some(Finding { message, hint, ..Finding::default() })
}
