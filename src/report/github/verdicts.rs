//! The part of a summary that tells what the tests of the images came to. Pure.
//!
//! Pieces, as of the [`summary`](super::summary): tests that failed stand with the other failures.

use std::collections::BTreeMap;

use super::markdown::{block, code};
use crate::event::{JobId, Verdict};
use crate::report::ci::Setting;
use crate::report::run::{Job, Run, jobs_title};
use crate::report::{text, verdict};

/// Accepted failures that are told by name, and commands to boot images.
const WAIVED: usize = 50;
const COMMANDS: usize = 10;

/// Bytes of a waived test's line.
const LONGEST_LINE: usize = 500;

/// Nothing without tests.
pub(super) fn pieces(run: &Run, setting: &Setting) -> Vec<String> {
    let mut rows: Vec<String> = run.jobs.iter().filter_map(row).collect();
    let Some(last) = rows.last_mut() else { return rows };
    last.push('\n');
    let columns = "| Job | Tests | Counts | Level | Login after power-on | From start to verdict |";
    rows.insert(0, format!("### Tests of the images\n\n{columns}\n| --- | --- | --- | --- | ---: | ---: |\n"));
    rows.extend(waived(run));
    rows.extend(look_around(run, setting));
    rows
}

fn row(job: &Job) -> Option<String> {
    let end = job.tested.as_ref()?;
    let sign = match end.verdict {
        Verdict::Failed => "❌",
        Verdict::Flaky => "⚠️",
        _ => "✅",
    };
    let login = end.boot_seconds.map(text::duration).unwrap_or_default();
    let after = text::duration(job.verdict_after.unwrap_or(end.seconds));
    let (id, word, counts, level) = (code(&job.id.0), verdict::word(end), verdict::counts(end), end.level.as_str());
    Some(format!("| {id} | {sign} {word} | {counts} | {level} | {login} | {after} |\n"))
}

/// Who reads a green run must see what was let through. A waiver is for all jobs, as a rule.
fn waived(run: &Run) -> Vec<String> {
    let mut jobs_of: BTreeMap<String, Vec<&JobId>> = BTreeMap::new();
    for job in &run.jobs {
        for test in job.tests_that(Verdict::Waived) {
            jobs_of.entry(text::cut(&verdict::line(test), LONGEST_LINE)).or_default().push(&job.id);
        }
    }
    let piece = |(line, jobs): (&String, &Vec<&JobId>)| format!("- {} in {}\n", code(line), code(&jobs_title(jobs)));
    let mut pieces: Vec<String> = jobs_of.iter().map(piece).collect();
    let left = pieces.len().saturating_sub(WAIVED);
    pieces.truncate(WAIVED);
    if left > 0 {
        pieces.push(format!("- {left} more are waived: the logs tell\n"));
    }
    if let Some(last) = pieces.last_mut() {
        last.push('\n');
    }
    pieces
}

/// How to see for oneself.
fn look_around(run: &Run, setting: &Setting) -> Option<String> {
    let mut commands: Vec<String> = run.jobs.iter().filter_map(|job| verdict::boot_command(job, setting)).collect();
    let left = commands.len().saturating_sub(COMMANDS);
    commands.truncate(COMMANDS);
    if commands.is_empty() {
        return None;
    }
    if left > 0 {
        commands.push(format!("# and {left} more"));
    }
    let how = "Look around in a throw-away copy of an image, once its artifact is downloaded to this path:";
    Some(format!("{how}\n\n{}\n", block("sh", &commands)))
}
