//! Test results: the phases and steps of all jobs as cases, each once for all jobs that have it. Pure.

use maud::{Markup, html};

use super::parts::{anchor, icon, name, outcome_of};
use crate::event::{Outcome, Phase};
use crate::report::run::{Job, Run, What};
use crate::report::text;

/// Jobs that are named where a case failed.
const JOBS: usize = 8;

/// How a phase or step ended, in all jobs.
struct Case<'a> {
    title: String,
    is_step: bool,
    /// By outcome: passed, failed, cancelled, skipped, did not end.
    counts: [usize; 5],
    failed: Vec<&'a Job>,
    longest: f64,
}

const OUTCOMES: [(Option<Outcome>, &str); 5] = [
    (Some(Outcome::Success), "passed"),
    (Some(Outcome::Failure), "failed"),
    (Some(Outcome::Cancelled), "cancelled"),
    (Some(Outcome::Skipped), "skipped"),
    (None, "did not end"),
];

/// The results of several jobs; those of one stand with it.
pub(super) fn results(run: &Run) -> Option<Markup> {
    let cases = cases(run);
    if cases.is_empty() || run.jobs.len() < 2 {
        return None;
    }
    let mut all = [0; 5];
    for case in &cases {
        all.iter_mut().zip(case.counts).for_each(|(sum, count)| *sum += count);
    }
    Some(html! {
        section #results aria-labelledby="results-title" {
            div.bar-of-title { h2 #results-title { "Test results" } (counts(&all)) }
            div.scroll.panel tabindex="0" role="region" aria-label="Phases and steps of all jobs" {
                table.parts.cases {
                    thead { tr { th scope="col" { "Phase or step" } th scope="col" { "Jobs" } th scope="col" { "Failed in" }
                        th.number scope="col" { "Longest" } } }
                    tbody { @for case in &cases { (row(case)) } }
                }
            }
        }
        "\n"
    })
}

/// In the order in which the first job that has them began them.
fn cases(run: &Run) -> Vec<Case<'_>> {
    let mut cases: Vec<Case> = Vec::new();
    for job in &run.jobs {
        for part in job.parts.iter().filter(|part| part.what != What::Phase(Phase::Steps)) {
            let (title, outcome) = (part.what.title(), outcome_of(job, part));
            let index = cases.iter().position(|case| case.title == title).unwrap_or_else(|| {
                let is_step = matches!(part.what, What::Step(..));
                cases.push(Case { title, is_step, counts: [0; 5], failed: Vec::new(), longest: 0.0 });
                cases.len() - 1
            });
            let case = &mut cases[index];
            let kind = OUTCOMES.iter().position(|(other, _)| *other == outcome).unwrap_or_default();
            case.counts[kind] += 1;
            case.longest = case.longest.max(part.seconds.unwrap_or_default());
            if outcome == Some(Outcome::Failure) {
                case.failed.push(job);
            }
        }
    }
    cases
}

fn counts(counts: &[usize; 5]) -> Markup {
    html! {
        span.counts {
            @for ((outcome, word), count) in OUTCOMES.iter().zip(counts).filter(|(_, count)| **count > 0) {
                span.result title=(word) { (icon(*outcome)) (count) span.unseen { " " (word) } " " }
            }
        }
    }
}

fn row(case: &Case) -> Markup {
    html! {
        tr class=(if case.is_step { "step" } else { "phase" }) {
            th scope="row" { (name(&case.title)) }
            td { (counts(&case.counts)) }
            td.failed-in {
                @for job in case.failed.iter().take(JOBS) { a href=(format!("#{}", anchor(job))) { (name(&job.id.0)) } " " }
                @if case.failed.len() > JOBS { "and " (case.failed.len() - JOBS) " more" }
            }
            td.number { @if case.longest > 0.0 { (text::duration(case.longest)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::report::testing::scripted_run;

    #[test]
    fn a_step_of_several_jobs_is_one_case_that_names_where_it_failed() {
        let mut run = Run::default();
        scripted_run().iter().for_each(|event| run.take(event));
        let cases = cases(&run);
        let case = cases.iter().find(|case| case.title == "1. Install nginx").unwrap();
        let failed: Vec<_> = case.failed.iter().map(|job| job.id.0.as_str()).collect();
        assert_eq!((case.counts[1], failed), (1, vec!["web-trixie"]));
        assert!(cases.iter().all(|case| case.title != "steps"), "its steps stand for it");
    }

    #[test]
    fn nothing_to_tell_is_no_section() {
        assert!(results(&Run::default()).is_none());
    }
}
