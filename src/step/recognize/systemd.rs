//! `systemctl` on units that don't start, as `bus-wait-for-jobs.c` and `systemctl-start-unit.c` of systemd word it. Why
//! is in the journal: it is told where the step printed that too.

use super::{Finding, Said};

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let mut lines = said.tail.iter().rev().filter(|line| !line.is_empty());
    let mut last = *lines.next()?;
    if last.starts_with("See \"systemctl status ") || last.starts_with("See \"journalctl ") {
        last = lines.next()?;
    }
    if let Some((unit, why)) = last.strip_prefix("Job for ").and_then(|rest| rest.split_once(" failed because ")) {
        let why = why.trim_end_matches('.');
        let journal = journal(said.all, unit);
        let message = match journal {
            Some(words) => format!("systemd: {unit} did not start: {words}"),
            None => format!("systemd: {unit} did not start: {why}"),
        };
        let hint = journal.map_or(Some(READ_THE_JOURNAL), |_| None);
        return Some(Finding { message, hint, ..Finding::default() });
    }
    if let Some(unit) = last.strip_prefix("A dependency job for ").and_then(|rest| rest.split_once(" failed.")) {
        let message = format!("systemd: {} did not start: a unit that it needs failed", unit.0);
        return Some(Finding { message, hint: Some(READ_THE_JOURNAL), ..Finding::default() });
    }
    let did = ["start", "restart", "reload", "enable", "stop"];
    let (_, why) = last
        .strip_prefix("Failed to ")?
        .split_once(": ")
        .filter(|(what, _)| did.iter().any(|verb| what.starts_with(verb)))?;
    let hint = if why.ends_with("not found.") || why.ends_with("does not exist.") {
        Some(
            "is the package installed that brings the unit, and was `systemctl daemon-reload` run after a unit file came?",
        )
    } else if why.ends_with("is masked.") {
        Some("`systemctl unmask` it first")
    } else {
        None
    };
    Some(Finding { message: format!("systemd: {}", super::fragment(why)), hint, ..Finding::default() })
}

const READ_THE_JOURNAL: &str = "the reason is in the guest's journal: let the step print it, \
    with `systemctl … || { journalctl --no-pager -u UNIT; exit 1; }`";

/// The first line of the journal that says why a unit failed.
fn journal<'a>(lines: &[&'a str], unit: &str) -> Option<&'a str> {
    let prefix = format!(": {unit}: ");
    lines.iter().find_map(|line| {
        let (_, words) = line.split_once(&prefix)?;
        ["Failed at step", "Failed to", "Main process exited"].iter().any(|why| words.starts_with(why)).then_some(words)
    })
}
