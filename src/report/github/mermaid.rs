//! The times of jobs as a Mermaid gantt chart, which GitHub draws. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::event::{Outcome, Phase};
use crate::report::run::{Job, Part, Run, What};
use crate::report::text;

/// Mermaid refuses diagrams beyond 50 000 characters.
const LONGEST: usize = 45_000;

/// Characters of a name in the chart; longer ones run over their bars.
const LONGEST_NAME: usize = 40;

/// The chart, and how many jobs found no room in it. None: nothing took any time.
pub(super) fn timeline(run: &Run) -> Option<(String, usize)> {
    let begun: Vec<&Job> = run.jobs.iter().filter(|job| job.begin.is_some() && !job.parts.is_empty()).collect();
    let mut chart = "gantt\n  dateFormat YYYY-MM-DDTHH:mm:ss.SSS\n  axisFormat %H:%M:%S\n".to_owned();
    let mut drawn = 0;
    for job in &begun {
        let section = section(job);
        if chart.len() + section.len() > LONGEST {
            break;
        }
        chart.push_str(&section);
        drawn += 1;
    }
    (drawn > 0).then(|| (format!("```mermaid\n{chart}```\n"), begun.len() - drawn))
}

fn section(job: &Job) -> String {
    // The steps stand for their phase.
    let has_steps = job.parts.iter().any(|part| matches!(part.what, What::Step(..)));
    let is_shown = |part: &&Part| part.what != What::Phase(Phase::Steps) || !has_steps;
    let skipped = |part: &&Part| part.step.as_ref().is_some_and(|step| step.outcome == Outcome::Skipped);
    let parts = job.parts.iter().filter(is_shown).filter(|part| !skipped(part));
    let end = job.end.as_ref().zip(job.begin).map(|(end, begin)| begin + seconds(end.seconds));
    let tasks: String = parts.map(|part| task(part, state(job, part), end)).collect();
    format!("  section {}\n{tasks}", name(&job.id.0))
}

/// What Mermaid colours a bar by: `crit` red, `active` light, `done` grey.
fn state(job: &Job, part: &Part) -> &'static str {
    let has_failed = job.failures().any(|trouble| trouble.during.as_ref() == Some(&part.what));
    match part.step.as_ref().map(|step| step.conclusion) {
        _ if has_failed => "crit",
        Some(Outcome::Failure) => "crit",
        Some(Outcome::Cancelled) => "active",
        None if job.was_cancelled_in(part) => "active",
        None if part.seconds.is_none() => "crit",
        _ => "done",
    }
}

/// `name :state, start, end`.
fn task(part: &Part, state: &str, job_end: Option<DateTime<Utc>>) -> String {
    let end = part.seconds.map(|took| part.begin + seconds(took)).or(job_end).unwrap_or(part.begin);
    // A bar of no width is not drawn.
    let end = end.max(part.begin + TimeDelta::seconds(1));
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
    format!("  {} :{state}, {}, {}\n", name(&part.what.title()), time(part.begin), time(end))
}

#[expect(clippy::cast_possible_truncation, reason = "a build takes less than millions of years")]
fn seconds(seconds: f64) -> TimeDelta {
    TimeDelta::milliseconds((seconds * 1000.0) as i64)
}

/// Letters, digits and little else: `:` `;` `#` `%` and brackets mean something to Mermaid. What we name begins with a digit
/// or is a word of ours or a job's id, so it is no keyword of a chart.
fn name(text: &str) -> String {
    let safe = |char: char| if char.is_alphanumeric() || "-._/".contains(char) { char } else { ' ' };
    let name: String = text::line(text).chars().map(safe).take(LONGEST_NAME).collect();
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_nothing_that_mermaid_obeys() {
        assert_eq!(name("2. a:b;c#d %%{init: {}}%% <script>"), "2. a b c d init script");
    }
}
