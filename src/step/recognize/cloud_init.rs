//! cloud-init: what `schema` says of a file, what `status` says of a boot, and modules that failed in `single`.

use super::{Finding, Said, Spot};

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    schema(said.tail).or_else(|| status(said.tail)).or_else(|| module(said.tail))
}

/// `Cloud config schema errors: format-l2.c1: File /x.yaml is not valid yaml. while …`, or `packages: 'x' is not …`.
fn schema(lines: &[&str]) -> Option<Finding> {
    let start = lines.iter().rposition(|line| line.contains("Cloud config schema errors: "))?;
    let (_, words) = lines[start].split_once("Cloud config schema errors: ")?;
    let closes = |line: &&str| {
        line.starts_with([' ', '\t'])
            || line.starts_with("expected ")
            || line.is_empty()
            || line.starts_with("Error: Invalid ")
    };
    if !lines[start + 1..].iter().all(closes) {
        return None;
    }
    let place = words.strip_prefix("format-l").and_then(|rest| rest.split_once(": "));
    let Some((place, words)) = place else {
        let first = words.split(", ").next().unwrap_or(words);
        return Some(Finding { message: format!("cloud-init: {first}"), ..Finding::default() });
    };
    let (line, column) = place.split_once(".c")?;
    let file = words.split_whitespace().find(|word| word.starts_with('/'))?;
    // The parser names the beginning of what it read first, and then where it stumbled.
    let stumbled =
        lines[start + 1..].iter().rev().find_map(|line| line.trim().strip_prefix("in \"<byte string>\", line "));
    let (line, column) =
        stumbled.and_then(|rest| rest.trim_end_matches(':').split_once(", column ")).unwrap_or((line, column));
    let spot = Spot { file: file.to_owned(), line: line.parse().ok()?, column: column.parse().ok(), text: None };
    let message = format!("cloud-init: {}", super::fragment(words.split(" while ").next().unwrap_or(words)));
    Some(Finding { message, spots: vec![spot], ..Finding::default() })
}

/// `status: error`, and the errors below `detail:` or `errors:`.
fn status(lines: &[&str]) -> Option<Finding> {
    let start = lines.iter().rposition(|line| *line == "status: error")?;
    let detail = lines[start..].iter().position(|line| *line == "detail:" || *line == "errors:")?;
    let why = lines.get(start + detail + 1)?.trim_start_matches([' ', '\t', '-']);
    let hint = Some("`/var/log/cloud-init.log` in the guest has the whole story");
    Some(Finding { message: format!("cloud-init: it ended with an error: {why}"), hint, ..Finding::default() })
}

/// `main.py[WARNING]: Ran NAME but it failed!` and the exception before it.
fn module(lines: &[&str]) -> Option<Finding> {
    let end = lines.iter().rposition(|line| line.contains(" - main.py[WARNING]: "))?;
    let is_log = |line: &&str| line.contains(".py[DEBUG]: ") || line.contains(".py[INFO]: ");
    if !lines[end + 1..].iter().all(is_log) {
        return None;
    }
    let (_, words) = lines[end].split_once(" - main.py[WARNING]: ")?;
    if let Some(name) = words.strip_prefix("Ran ").and_then(|rest| rest.strip_suffix(" but it failed!")) {
        let exception =
            lines[..end].iter().rev().take(10).find(|line| line.contains("Error: ") && !line.starts_with([' ', '2']));
        let message = match exception {
            Some(exception) => format!("cloud-init: the module `{name}` failed: {exception}"),
            None => format!("cloud-init: the module `{name}` failed"),
        };
        let hint = Some("`/var/log/cloud-init.log` in the guest has the whole story");
        return Some(Finding { message, hint, ..Finding::default() });
    }
    let name = words.strip_prefix("Did not run ")?.split(',').next()?;
    Some(Finding { message: format!("cloud-init: there is no module `{name}`"), ..Finding::default() })
}
