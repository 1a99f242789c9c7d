//! Puppet: `Error: ` and why, with `(file: /x/y.pp, line: 3, column: 5)` at the end.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finding, Said, Spot, fragment};

static PLACE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\(file: ([^,()]+), line: ([0-9]{1,9})(?:, column: ([0-9]{1,9}))?\)").ok());

/// Lines that may follow the last error: what it goes on with, and what was skipped because of it.
const MOST_AFTER: usize = 12;

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let last = said.tail.iter().rposition(|line| line.starts_with("Error: "))?;
    if said.tail.len() - last > MOST_AFTER {
        return None;
    }
    let errors = said.tail[..=last].iter().filter_map(|line| line.strip_prefix("Error: "));
    let errors: Vec<_> = errors.filter(|words| !words.starts_with("Facter: ")).collect();
    let is_ours = |words: &&&str| {
        ["Evaluation Error: ", "Could not ", "/Stage[", "no parameter named "]
            .iter()
            .any(|start| words.starts_with(start))
            || words.contains("(file: ")
    };
    // What failed first may have made the rest fail.
    let words = *errors.iter().find(is_ours)?;
    let spot = PLACE.as_ref().and_then(|place| place.captures(words)).and_then(|found| {
        let column = found.get(3).and_then(|column| column.as_str().parse().ok());
        Some(Spot { file: found[1].to_owned(), line: found[2].parse().ok()?, column, text: None })
    });
    Some(Finding {
        message: format!("puppet: {}", sentence(words)),
        spots: spot.into_iter().collect(),
        ..Finding::default()
    })
}

/// Without what is in the place anyway, or stands in every sentence.
fn sentence(words: &str) -> String {
    let words = words.split(" (file: ").next().unwrap_or(words);
    let words = words.strip_prefix("Evaluation Error: ").unwrap_or(words);
    let words = words.strip_prefix("Error while evaluating a Function Call, ").unwrap_or(words);
    if let Some((resource, why)) = words
        .strip_prefix("/Stage[")
        .and_then(|rest| rest.split_once("/ensure: ").or_else(|| rest.split_once("/returns: ")))
    {
        let resource = resource.split_once("]/").map_or(resource, |(_, resource)| resource);
        let resource = resource.strip_prefix("Main/").unwrap_or(resource);
        let why = why.split_once(" failed: ").map_or(why, |(_, why)| why);
        return format!("{resource}: {why}");
    }
    fragment(words)
}
