//! All about one job: what it is, what was wrong, its phases and steps, its files, its log. Pure.

use camino::Utf8Path;
use maud::{Markup, html};

use super::grid;
use super::kept::Evidence;
use super::lines::Log;
use super::parts::{anchor, block, class, copy, icon, name, outcome_of, word};
use super::tested;
use super::timeline::ended;
use crate::report::ci::Setting;
use crate::report::run::{Job, Part, Severity, Trouble, What};
use crate::report::{text, verdict};

/// What a job said.
pub(super) struct Story<'a> {
    pub(super) log: &'a Log,
    /// Where its `log.txt` is, from the page.
    pub(super) link: Option<String>,
    /// Bytes that failures and warnings may take.
    pub(super) troubles: usize,
    /// Bytes that the table of tests may take.
    pub(super) tests: usize,
}

/// The job's section, folded unless it is what people open the page for.
pub(super) fn section(job: &Job, setting: &Setting, kept: &Evidence, story: &Story, is_open: bool) -> Markup {
    let body = html! {
        (facts(job))
        (troubles(job, setting, story.troubles))
        (tested::section(job, setting, story.tests))
        (kept.markup())
        (parts(job))
        (files(job, setting))
        (again(job, setting))
        (lines(job, story))
    };
    folded(job, &body, is_open)
}

/// The same without what may be long.
pub(super) fn brief(job: &Job, kept: &Evidence, is_open: bool) -> Markup {
    let body = html! {
        (facts(job))
        (kept.markup())
        p.reason { "There is no room here for more: `log.txt` in the job’s folder has all." }
    };
    folded(job, &body, is_open)
}

fn folded(job: &Job, body: &Markup, is_open: bool) -> Markup {
    let title = name(&job.id.0);
    html! {
        details class=(format!("job {}", class(job.outcome()))) id=(anchor(job)) data-job=(anchor(job))
            data-outcome=(class(job.outcome())) open[is_open] {
            summary {
                (icon(job.outcome())) h3 { (title) } span.word { (word(job.outcome())) }
                @if let Some(end) = &job.tested {
                    span class=(format!("verdict {}", end.verdict.as_str())) { "tests: " (verdict::short(end)) }
                }
                @if let Some(end) = &job.end { span.time { (text::duration(end.seconds)) } }
            }
            div.body { (body) }
        }
        "\n"
    }
}

fn facts(job: &Job) -> Markup {
    html! {
        dl.facts {
            @for (key, one) in &job.cell { div { dt { (name(key)) } dd { (grid::value(one)) } } }
            @if !job.platform.is_empty() { div { dt { "platform" } dd { (name(&job.platform)) } } }
            @if let Some((accelerator, reason)) = &job.accelerator {
                div { dt { "accelerator" } dd { (name(accelerator)) span.dim { " – " (name(reason)) } } }
            }
            @if let Some(begin) = job.begin {
                div { dt { "began" } dd { time datetime=(begin.to_rfc3339()) { (begin.format("%Y-%m-%d %H:%M:%S UTC")) } } }
            }
        }
    }
}

/// Failures and warnings, as many as there is room for.
fn troubles(job: &Job, setting: &Setting, room: usize) -> Markup {
    let mut shown = String::new();
    let mut count = 0;
    for trouble in &job.troubles {
        let one = trouble_of(trouble, setting).into_string();
        if shown.len() + one.len() > room {
            break;
        }
        shown.push_str(&one);
        count += 1;
    }
    let left = job.troubles.len() - count;
    let reason = job.end.as_ref().and_then(|end| end.reason.as_deref()).filter(|_| job.troubles.is_empty());
    html! {
        @if let Some(reason) = reason { p.reason { (name(reason)) } }
        (maud::PreEscaped(shown))
        @if left > 0 { p.dim { (left) " more are in the log." } }
    }
}

fn trouble_of(trouble: &Trouble, setting: &Setting) -> Markup {
    let (label, class) = match trouble.severity {
        Severity::Error => ("error", "trouble error"),
        Severity::Warning => ("warning", "trouble warning"),
    };
    let during = trouble.during.as_ref().map(|what| format!(" in {}", name(&what.title()))).unwrap_or_default();
    let block = block(label, &trouble.failure, setting);
    html! {
        figure class=(class) {
            figcaption { (if label == "error" { "Failure" } else { "Warning" }) (during) }
            pre tabindex="0" { @for line in block {
                @if line.starts_with("  | ") { mark { (line) } "\n" } @else { (line) "\n" }
            } }
        }
    }
}

fn parts(job: &Job) -> Markup {
    html! {
        @if !job.parts.is_empty() {
            h4 { "Phases and steps" }
            div.scroll tabindex="0" role="region" aria-label=(format!("Phases and steps of {}", name(&job.id.0))) {
                table.parts {
                    thead { tr { th scope="col" { "Part" } th scope="col" { "Result" } th.number scope="col" { "Time" } } }
                    tbody { @for part in &job.parts { (row(job, part)) } }
                }
            }
        }
    }
}

fn row(job: &Job, part: &Part) -> Markup {
    let outcome = outcome_of(job, part);
    let step = part.step.as_ref();
    let remark = step.filter(|step| step.outcome != step.conclusion).map(|_| "failed, and the job went on");
    let attempts = step.map_or(1, |step| step.attempts);
    html! {
        tr class=(if matches!(part.what, What::Step(..)) { "step" } else { "phase" }) {
            th scope="row" { (name(&part.what.title())) }
            td { span class=(format!("result {}", class(outcome))) { (icon(outcome)) (remark.unwrap_or(ended(outcome))) }
                @if attempts > 1 { span.dim { " (" (attempts) " attempts)" } } }
            td.number { (part.seconds.map(text::duration).unwrap_or_default()) }
        }
    }
}

fn files(job: &Job, setting: &Setting) -> Markup {
    html! {
        @if !job.artifacts.is_empty() {
            h4 { "Files" }
            ul.files { @for file in &job.artifacts {
                @let path = setting.output(Utf8Path::new(&job.id.0).join(&file.file));
                li {
                    div.path { code { (path) } (copy("Copy the path", &path)) }
                    div.dim {
                        (name(&file.format)) @if let Some(by) = &file.compression { ", " (name(by)) }
                        ", " (text::bytes(file.size)) ", disk of " (text::bytes(file.virtual_size))
                    }
                    div.digest { span.dim { "SHA-256" } " " code { (name(&file.sha256)) }
                        (copy("Copy the SHA-256 digest", &name(&file.sha256))) }
                }
            } }
        }
    }
}

fn again(job: &Job, setting: &Setting) -> Markup {
    let command = text::line(&format!("{} {}", setting.command, job.id.0));
    html! {
        h4 { "Build it again" }
        div.command { code { (command) } (copy("Copy the command", &command)) }
    }
}

fn lines(job: &Job, story: &Story) -> Markup {
    let (title, log) = (name(&job.id.0), story.log);
    html! {
        @if !log.is_empty() {
            details.log open[job.failures().next().is_some()] {
                summary { h4 { "Log" } span.dim { (log.count()) " lines" } }
                @if let Some(link) = &story.link { p.whole { a href=(link) { "log.txt" } } }
                pre tabindex="0" aria-label=(format!("Log of {title}")) data-first=(Log::begin()) { (log.markup()) }
            }
        }
    }
}
