//! The page around the jobs: what is at its top, and what comes last. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::parts::{anchor, block, icon, name, word};
use super::{grid, timeline};
use crate::event::{JobId, Outcome};
use crate::report::ci::Setting;
use crate::report::run::{Run, Severity};
use crate::report::text;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Failures that are told at the top; each stands with its job besides.
const FAILURES: usize = 20;

/// The page up to its jobs.
pub(super) fn before_jobs(run: &Run, setting: &Setting) -> String {
    let title = title(run);
    let html = html! {
        (DOCTYPE)
        (PreEscaped("<html lang=\"en\">\n"))
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (headline(run)) " – " (title) }
            style { (PreEscaped(STYLE)) }
        }
        (PreEscaped("<body>\n"))
        a.skip href="#main" { "Skip to the content" }
        (header(run, &title))
        (PreEscaped("<main id=\"main\">\n"))
        section #jobs aria-labelledby="jobs-title" {
            div.bar-of-title { h2 #jobs-title { "Jobs" } }
            (grid::filter(run))
            (grid::jobs(run))
        }
        (failures(run, setting))
        @if let Some(timeline) = timeline::timeline(run) { (timeline) }
        (PreEscaped("<section id=\"logs\" aria-labelledby=\"logs-title\">\n"))
        div.bar-of-title { h2 #logs-title { "Details and logs" } }
        (search())
    };
    html.into_string()
}

/// The page from its jobs to its end.
pub(super) fn after_jobs(run: &Run) -> String {
    let html = html! {
        (PreEscaped("</section>\n</main>\n"))
        footer {
            p { "Ovenbird " (name(&run.version)) ", run " code { (name(&run.id)) } ". Times are UTC." }
            p.keys hidden {
                kbd { "/" } " search the logs  " kbd { "n" } " " kbd { "N" } " next and previous match  "
                kbd { "e" } " next failing line  " kbd { "f" } " filter jobs  "
                kbd { "+" } " " kbd { "-" } " " kbd { "0" } " zoom, " kbd { "←" } kbd { "→" } kbd { "↑" } kbd { "↓" }
                " move in the timeline  " kbd { "t" } " light or dark"
            }
        }
        div #tip role="tooltip" hidden {}
        div #said role="status" class="unseen" {}
        script { (PreEscaped(SCRIPT)) }
        (PreEscaped("</body>\n</html>"))
    };
    html.into_string()
}

/// Nothing loads, and nothing runs but what is in the page from the beginning. The script itself can make no markup and no
/// code of text.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

/// The definition's name, as the jobs tell it.
fn title(run: &Run) -> String {
    let title = run.jobs.iter().map(|job| job.name.as_str()).find(|name| !name.is_empty());
    name(title.unwrap_or("Machine images"))
}

fn headline(run: &Run) -> String {
    let built = run.count(Some(Outcome::Success));
    let counts = [Some(Outcome::Failure), Some(Outcome::Cancelled), Some(Outcome::Skipped), None];
    let counts = counts.map(|outcome| (run.count(outcome), word(outcome)));
    let rest: String =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(", {count} {word}")).collect();
    let jobs = if run.jobs.len() == 1 { "job" } else { "jobs" };
    format!("{built} of {} {jobs} built{rest}", run.jobs.len())
}

fn header(run: &Run, title: &str) -> Markup {
    let outcome = run.end.map(|(outcome, _)| outcome);
    html! {
        header {
            div.inner {
                div {
                    h1 { (icon(outcome)) (title) }
                    p { (headline(run))
                        @if let Some((_, seconds)) = run.end { " in " (text::duration(seconds)) }
                        @if let Some(begin) = run.begin {
                            span.dim { ", " time datetime=(begin.to_rfc3339()) { (begin.format("%Y-%m-%d %H:%M UTC")) } }
                        }
                    }
                }
                nav aria-label="Sections" {
                    a href="#jobs" { "Jobs" }
                    @if run.jobs.iter().any(|job| job.failures().next().is_some()) { a href="#failures" { "Failures" } }
                    @if run.jobs.iter().any(|job| !job.parts.is_empty()) { a href="#timeline" { "Timeline" } }
                    a href="#logs" { "Logs" }
                    button #theme type="button" hidden title="Light or dark (t)" { "Dark" }
                }
            }
        }
        "\n"
    }
}

fn failures(run: &Run, setting: &Setting) -> Markup {
    let merged: Vec<_> = run.merged().into_iter().filter(|one| one.trouble.severity == Severity::Error).collect();
    let job = |id: &JobId| run.jobs.iter().find(|job| job.id == *id);
    html! {
        @if !merged.is_empty() {
            section #failures aria-labelledby="failures-title" {
                h2 #failures-title { "Failures" }
                @for one in merged.iter().take(FAILURES) {
                    figure.trouble.error {
                        figcaption {
                            @for job in one.jobs.iter().take(FAILURES).filter_map(|id| job(id)) {
                                a href=(format!("#{}", anchor(job))) { (name(&job.id.0)) } " "
                            }
                            @if one.jobs.len() > FAILURES { "and " (one.jobs.len() - FAILURES) " more " }
                            @if let Some(what) = &one.trouble.during { span.dim { "in " (name(&what.title())) } }
                        }
                        pre tabindex="0" { @for line in block("error", &one.trouble.failure, setting) {
                            @if line.starts_with("  | ") { mark { (line) } "\n" } @else { (line) "\n" }
                        } }
                    }
                }
                @if merged.len() > FAILURES { p.dim { (merged.len() - FAILURES) " more stand with their jobs." } }
            }
            "\n"
        }
    }
}

fn search() -> Markup {
    html! {
        form #search role="search" aria-label="Search the logs" hidden {
            input #query type="search" placeholder="Search the logs" aria-label="Search the logs" autocomplete="off"
                spellcheck="false";
            output #found for="query" {}
            button type="button" data-find="previous" aria-label="Previous match" title="Previous match (N)" { "↑" }
            button type="button" data-find="next" aria-label="Next match" title="Next match (n)" { "↓" }
            button type="button" data-find="failing" title="Next failing line (e)" { "Failing line" }
        }
    }
}
