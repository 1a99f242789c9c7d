//! dnf and yum: the last line on standard error is `Error: ` and why.

use super::{Finding, Said, cure, fragment};

const CURES: [(&str, &str); 4] = [
    ("Unable to find a match", "look for a spelling mistake, or a repository that is missing"),
    ("Failed to download metadata", "is the `baseurl` of the repository right, and can the guest reach it?"),
    ("no enabled repositories", "add a repository, or enable one with `--enablerepo`"),
    ("superuser privileges", "run it as root"),
];

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let words = said.tail.last()?.strip_prefix("Error: ")?;
    let subject = words.strip_prefix("Unable to find a match: ").and_then(|names| names.split_whitespace().next());
    Some(Finding {
        message: format!("dnf: {}", fragment(words)),
        hint: cure(words, &CURES),
        subject: subject.map(str::to_owned),
        ..Finding::default()
    })
}
