//! apt and dpkg. apt closes with lines that begin with `E: `; what they are about may stand above, on either stream.

use super::{Finding, Said, Spot, cure, fragment};

const CURES: [(&str, &str); 8] = [
    (
        "Unable to locate package",
        "run `apt-get update` before, and look for a spelling mistake, or a component or repository that is missing",
    ),
    (
        "has no installation candidate",
        "run `apt-get update` before; is the component (`contrib`, `non-free`) of the package enabled?",
    ),
    (
        "' was not found",
        "the mirror has no such version any more: ask for the package without one, or use a snapshot mirror",
    ),
    (
        "Hash Sum mismatch",
        "a mirror or a proxy served something else than its lists say: try again, for instance with `retry`",
    ),
    ("does not have a Release file", "is the address of the repository right, and does it have this suite?"),
    ("is not signed", "install the key of the repository and name it with `signed-by`"),
    ("apt --fix-broken install", "a step before left packages half installed: look at what it printed"),
    ("  404  ", "the package lists are older than the mirror: run `apt-get update` in the same step"),
];

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    apt(said).or_else(|| dpkg(said.tail))
}

fn apt(said: &Said<'_>) -> Option<Finding> {
    let closing = said.tail.iter().rev().take_while(|line| is_apt(line)).count();
    let closing = &said.tail[said.tail.len() - closing..];
    let errors: Vec<_> = closing.iter().filter_map(|line| line.strip_prefix("E: ")).collect();
    let first = *errors.first()?;
    if first.starts_with("Sub-process /usr/bin/dpkg returned an error code") {
        return dpkg(&said.tail[..said.tail.len() - closing.len()]).or_else(|| Some(finding(first)));
    }
    if let Some(package) = first.strip_prefix("Unable to locate package ") {
        let packages = errors.iter().filter_map(|line| line.strip_prefix("Unable to locate package "));
        let packages = packages.collect::<Vec<_>>().join(", ");
        return Some(
            Finding { subject: Some(package.to_owned()), ..finding(first) }.says("unable to locate package", &packages),
        );
    }
    let mut finding = finding(first);
    if first.contains("held broken packages") || first.starts_with("Unmet dependencies") {
        let all = said.all.iter().rposition(|line| *line == "The following packages have unmet dependencies:");
        if let Some(unmet) = all.and_then(|index| said.all.get(index + 1)).and_then(|line| line.split_once(" : ")) {
            let (package, why) = unmet;
            finding.message = format!("apt: {}: {}", package.trim(), fragment(why));
            finding.subject = Some(package.trim().to_owned());
        }
    }
    finding.spots.extend(malformed(first));
    Some(finding)
}

fn finding(words: &str) -> Finding {
    Finding { message: format!("apt: {}", fragment(words)), hint: cure(words, &CURES), ..Finding::default() }
}

impl Finding {
    fn says(self, what: &str, of: &str) -> Self {
        Self { message: format!("apt: {what} {of}"), ..self }
    }
}

/// A line of the closing words: a digest that differs is told in lines that are indented.
fn is_apt(line: &str) -> bool {
    line.is_empty() || line.starts_with("   ") || ["E: ", "W: ", "N: "].iter().any(|prefix| line.starts_with(prefix))
}

/// `Malformed entry 3 in list file /etc/apt/sources.list.d/x.list (Suite)`: apt counts lines.
fn malformed(words: &str) -> Option<Spot> {
    let (line, rest) = words.strip_prefix("Malformed ")?.split_once(" in ")?;
    let line = line.rsplit(' ').next()?.parse().ok()?;
    let file = rest.split_whitespace().find(|word| word.starts_with('/'))?;
    Some(Spot { file: file.to_owned(), line, ..Spot::default() })
}

fn dpkg(lines: &[&str]) -> Option<Finding> {
    let start = lines.iter().rposition(|line| line.starts_with("dpkg: error"))?;
    let (words, rest) = (lines[start].strip_prefix("dpkg: error")?, &lines[start + 1..]);
    let closes = |line: &&str| {
        line.is_empty()
            || line.starts_with([' ', 'N'])
            || line.starts_with("Errors were")
            || line.starts_with("and the")
    };
    if !rest.iter().all(closes) {
        return None;
    }
    let Some(package) = words.strip_prefix(" processing ").and_then(|words| words.split_whitespace().nth(1)) else {
        let words = words.trim_start_matches([':', ' ']);
        let message = format!("dpkg: {}", fragment(words));
        return Some(Finding { message, hint: cure(words, &CURES), ..Finding::default() });
    };
    let mut why = rest.first().map_or("", |line| line.trim());
    let mut hint = why.contains("script subprocess").then_some("what the script of the package printed stands above");
    if why.starts_with("dependency problems") {
        why = lines[..start].iter().rev().find_map(|line| line.strip_suffix("; however:")).map_or(why, str::trim);
        hint = Some("`dpkg` installs no dependencies: use `apt-get install ./FILE.deb`");
    }
    let why = why.strip_prefix(&format!("installed {package} package ")).unwrap_or(why);
    Some(Finding { message: format!("dpkg: {package}: {why}"), hint, ..Finding::default() })
}
