//! What the tests of a job's image came to: the verdict, and every test, what failed first. Pure.

use std::cmp::Reverse;

use maud::{Markup, PreEscaped, html};

use super::parts::{copy, name};
use crate::event::{Tested, TestsFinished, Verdict};
use crate::report::ci::Setting;
use crate::report::run::Job;
use crate::report::{failure, text, verdict};

/// Bytes of what a test found, where it is shown.
const LONGEST_MESSAGE: usize = 500;

/// Nothing for a job without tests. The table takes no more than `room` bytes.
pub(super) fn section(job: &Job, setting: &Setting, room: usize) -> Markup {
    let mut tests: Vec<&Tested> = job.tests.iter().collect();
    tests.sort_by_key(|test| Reverse(test.verdict));
    let rows = rows(&tests, setting, room);
    let is_open = tests.first().is_some_and(|worst| worst.verdict >= Verdict::Waived);
    html! {
        @if let Some(end) = &job.tested { h4 { "Tests" } (facts(job, end)) }
        @if !tests.is_empty() {
            details.tests open[is_open] {
                summary { h4 { "All tests" } span.dim { (tests.len()) } }
                div.scroll tabindex="0" role="region" aria-label=(format!("Tests of {}", name(&job.id.0))) {
                    table.parts {
                        thead { tr { th scope="col" { "Test" } th scope="col" { "Verdict" } th scope="col" { "What was found" }
                            th.number scope="col" { "Time" } } }
                        tbody { (PreEscaped(rows.concat())) }
                    }
                }
                @if rows.len() < tests.len() { p.dim { (tests.len() - rows.len()) " more are in the log." } }
            }
        }
        @if let Some(command) = verdict::boot_command(job, setting) {
            h4 { "Look around in a throw-away copy" }
            div.command { code { (command) } (copy("Copy the command", &command)) }
        }
    }
}

fn facts(job: &Job, end: &TestsFinished) -> Markup {
    let word = verdict::word(end);
    html! {
        dl.facts {
            div { dt { "verdict" } dd { span class=(format!("verdict {}", end.verdict.as_str())) { (word) } } }
            div { dt { "tests" } dd { (verdict::counts(end)) } }
            div { dt { "level" } dd { (end.level.as_str()) } }
            @if let Some(seconds) = end.boot_seconds {
                div { dt { "login after power-on" } dd { (text::duration(seconds)) } }
            }
            div { dt { "tests took" } dd { (text::duration(end.seconds)) } }
            @if let Some(seconds) = job.verdict_after {
                div { dt { "from start to verdict" } dd { (text::duration(seconds)) } }
            }
        }
    }
}

/// As many as there is room for.
fn rows(tests: &[&Tested], setting: &Setting, room: usize) -> Vec<String> {
    let mut left = room;
    let all = tests.iter().map(|test| row(test, setting).into_string());
    all.take_while(|row| {
        let fits = row.len() <= left;
        left = left.saturating_sub(row.len());
        fits
    })
    .collect()
}

fn row(test: &Tested, setting: &Setting) -> Markup {
    let place = test.place.as_ref().filter(|_| test.verdict >= Verdict::Waived).map(|place| {
        let file = setting.file_of(place).map_or_else(|| place.file.clone(), Into::into);
        failure::place_of(&crate::event::Place { file, ..place.clone() })
    });
    let found = text::cut(&text::line(&test.message), LONGEST_MESSAGE);
    let word = test.verdict.as_str();
    html! {
        tr.test data-verdict=(word) {
            th scope="row" { span.dim { (name(&test.kind)) } " " (name(&test.id))
                @if let Some(property) = &test.property { ": " (name(property)) }
                @if let Some(title) = &test.title { div.dim { (name(title)) } } }
            td { span class=(format!("verdict {word}")) { (word) } }
            td.found { (found) @if let Some(place) = place { div.dim { "at " (name(&place)) } } }
            td.number { (text::duration(test.seconds)) }
        }
    }
}
