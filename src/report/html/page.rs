//! The page around the jobs: what is at its top, and what comes last. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::parts::{anchor, block, fit, icon, name};
use super::{grid, results, timeline};
use crate::event::JobId;
use crate::report::ci::Setting;
use crate::report::run::{Merged, Run, Severity};
use crate::report::text;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Failures that are told at the top; each stands with its job besides.
const FAILURES: usize = 20;

/// Bytes of the parts before the jobs, each; together less than a page.
const GRID: usize = 3 << 20;
const TIMELINE: usize = 4 << 20;
const OTHER: usize = 1 << 20;

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
            title { (run.headline()) " – " (title) }
            style { (PreEscaped(STYLE)) }
        }
        (PreEscaped("<body>\n"))
        a.skip href="#main" { "Skip to the content" }
        (header(run, &title))
        (PreEscaped("<main id=\"main\">\n"))
        section #jobs aria-labelledby="jobs-title" {
            div.bar-of-title { h2 #jobs-title { "Jobs" } }
            (grid::filter(run))
            (fit(grid::jobs(run), GRID, "The overview of all jobs"))
        }
        (failures(run, setting))
        @if let Some(timeline) = timeline::timeline(run) { (fit(timeline, TIMELINE, "The timeline of so many steps")) }
        @if let Some(results) = results::results(run) { (fit(results, OTHER, "The results of so many steps")) }
        (PreEscaped("<section id=\"logs\" aria-labelledby=\"logs-title\">\n"))
        div.bar-of-title { h2 #logs-title { "Details and logs" } }
        (search())
    };
    html.into_string()
}

/// The page from its jobs to its end. For some jobs there may have been no room.
pub(super) fn after_jobs(run: &Run, left_out: usize) -> String {
    let html = html! {
        @if left_out > 0 { p.dim { (left_out) " more jobs have no room here: the output folder has their logs." } }
        (PreEscaped("</section>\n</main>\n"))
        footer {
            p { "Ovenbird " (name(&run.version)) ", run " code { (name(&run.id)) } ". Times are UTC." }
        }
        (keys())
        div #tip role="tooltip" hidden {}
        div #said role="status" class="unseen" {}
        script { (PreEscaped(SCRIPT)) }
        (PreEscaped("</body>\n</html>"))
    };
    html.into_string()
}

/// What the keys do, shown by one of them.
fn keys() -> Markup {
    let keys = [
        (&["/"][..], "search the logs"),
        (&["n", "N"], "next, previous match"),
        (&["e"], "next failing line"),
        (&["f"], "filter jobs"),
        (&["←", "→", "↑", "↓"], "move in the grid, in the timeline"),
        (&["Enter"], "go to the job"),
        (&["+", "-", "0"], "zoom the timeline in, out, to fit"),
        (&["t"], "light or dark"),
        (&["Esc"], "close, clear, leave"),
        (&["?"], "these keys"),
    ];
    html! {
        dialog #keys aria-labelledby="keys-title" {
            form method="dialog" {
                div.bar-of-title { h2 #keys-title { "Keys" } button { "Close" } }
                dl { @for (keys, what) in keys { div { dt { @for key in keys { kbd { (key) } " " } } dd { (what) } } } }
            }
        }
    }
}

/// Nothing loads, and nothing runs but what is in the page from the beginning. The script itself can make no markup and no
/// code of text.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; \
         img-src data:; require-trusted-types-for 'script'; trusted-types 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

/// The definition's name, as the jobs tell it.
fn title(run: &Run) -> String {
    let title = run.jobs.iter().map(|job| job.name.as_str()).find(|name| !name.is_empty());
    name(title.unwrap_or("Machine images"))
}

fn header(run: &Run, title: &str) -> Markup {
    let outcome = run.end.map(|(outcome, _)| outcome);
    html! {
        header {
            div.inner {
                div {
                    h1 { (icon(outcome)) (title) }
                    p { (run.headline())
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
                    @if results::results(run).is_some() { a href="#results" { "Results" } }
                    a href="#logs" { "Logs" }
                    button #help type="button" hidden aria-haspopup="dialog" title="What the keys do (?)" { "Keys" }
                    button #theme type="button" hidden title="Light or dark (t)" { "Dark" }
                }
            }
        }
        "\n"
    }
}

/// The first of all failures, as many as there is room for.
fn failures(run: &Run, setting: &Setting) -> Markup {
    let merged: Vec<_> = run.merged().into_iter().filter(|one| one.trouble.severity == Severity::Error).collect();
    let mut room = OTHER;
    let figures = merged.iter().take(FAILURES).map(|one| failure(run, one, setting));
    let shown: Vec<Markup> = figures
        .take_while(|figure| {
            let fits = figure.0.len() <= room;
            room = room.saturating_sub(figure.0.len());
            fits
        })
        .collect();
    html! {
        @if !merged.is_empty() {
            section #failures aria-labelledby="failures-title" {
                h2 #failures-title { "Failures" }
                @for figure in &shown { (figure) }
                @if merged.len() > shown.len() { p.dim { (merged.len() - shown.len()) " more stand with their jobs." } }
            }
            "\n"
        }
    }
}

fn failure(run: &Run, one: &Merged, setting: &Setting) -> Markup {
    let job = |id: &JobId| run.jobs.iter().find(|job| job.id == *id);
    html! {
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
}

fn search() -> Markup {
    html! {
        form #search role="search" aria-label="Search the logs" hidden {
            input #query type="search" placeholder="Search the logs" aria-label="Search the logs" autocomplete="off"
                spellcheck="false";
            button type="button" data-find="previous" aria-label="Previous match" title="Previous match (N)" { "↑" }
            button type="button" data-find="next" aria-label="Next match" title="Next match (n)" { "↓" }
            button type="button" data-find="failing" title="Next failing line (e)" { "Failing line" }
            output #found for="query" {}
        }
    }
}
