//! npm: its closing lines begin with `npm ERR! ` (up to version 9) or `npm error ` (since 10).

use super::{Finding, Said, cure};

const CURES: [(&str, &str); 7] = [
    ("E404", "look for a spelling mistake; a private package needs a token"),
    ("ETARGET", "the registry has no such version"),
    ("ERESOLVE", "the versions that are asked for exclude each other: change them, or use `--legacy-peer-deps`"),
    ("EJSONPARSE", "`package.json` is not valid JSON"),
    ("EACCES", "npm may not write there: use `--prefix`, or run it as root"),
    ("EBADENGINE", "the package needs another version of Node.js"),
    ("ENOTFOUND", "the guest can't find the registry: check its network"),
];

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let closing = said.tail.iter().rev().take_while(|line| line.is_empty() || words(line).is_some()).count();
    let lines: Vec<_> = said.tail[said.tail.len() - closing..].iter().filter_map(|line| words(line)).collect();
    let field = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let code = field("code ");
    let is_told = |line: &&&str| {
        !line.is_empty() && !["code ", "path ", "errno ", "syscall "].iter().any(|field| line.starts_with(field))
    };
    let told = lines.iter().find(is_told)?;
    // `404 Not Found - …`, `JSON.parse Unexpected …`: the code is repeated in front.
    let told = told.strip_prefix("JSON.parse ").unwrap_or(told);
    let missing = lines.iter().find_map(|line| {
        line.strip_prefix("404 ")?
            .trim()
            .strip_prefix("The requested resource ")
            .or_else(|| line.strip_prefix("404 ")?.trim().strip_suffix(" is not in this registry."))
    });
    let missing = missing.and_then(|words| words.split('\'').find(|word| word.len() > 1));
    let message = match (code, missing) {
        (Some(code), Some(package)) => format!("npm: {code}: `{package}` is not in the registry"),
        (Some(code), None) => format!("npm: {code}: {told}"),
        (None, _) => format!("npm: {}", super::fragment(told)),
    };
    let subject = missing.and_then(|package| package.rsplit_once('@')).map(|(name, _)| name.to_owned());
    Some(Finding { message, hint: code.and_then(|code| cure(code, &CURES)), subject, ..Finding::default() })
}

fn words<'a>(line: &&'a str) -> Option<&'a str> {
    ["npm ERR!", "npm error"].iter().find_map(|prefix| line.strip_prefix(prefix)).map(str::trim)
}
