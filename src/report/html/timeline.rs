//! Every job's phases and steps over time. Bars are drawn in percent of the whole, so that zooming is nothing but a wider
//! drawing. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::parts::{anchor, class, icon, name, outcome_of, word};
use crate::report::run::{Job, Part, Run, What};
use crate::report::text;

/// Percent of the width below which a bar is not seen.
const NARROWEST: f64 = 0.12;

/// How many marks the axis has, at most.
const TICKS: f64 = 8.0;

/// The timeline; none when nothing took any time.
pub(super) fn timeline(run: &Run) -> Option<Markup> {
    let span = Span::of(run)?;
    Some(html! {
        section #timeline aria-labelledby="timeline-title" {
            div.bar-of-title {
                h2 #timeline-title { "Timeline" }
                div.zoom role="group" aria-label="Zoom" hidden {
                    button type="button" data-zoom="out" aria-label="Zoom out" title="Zoom out (-)" { "−" }
                    output #zoom { "100 %" }
                    button type="button" data-zoom="in" aria-label="Zoom in" title="Zoom in (+)" { "+" }
                    button type="button" data-zoom="reset" title="Show all (0)" { "Fit" }
                }
            }
            p.legend {
                span.key.phase { "phase" } span.key.step { "step" } span.key.failure { "failed" }
                span.key.cancelled { "cancelled" }
            }
            div.lanes data-seconds=(format!("{:.3}", span.seconds)) role="region" aria-label="Timeline of all jobs" tabindex="0" {
                div.lane.axis aria-hidden="true" { span.who { "from " (span.begin.format("%H:%M:%S")) " UTC" } (axis(&span)) }
                @for job in run.jobs.iter().filter(|job| !job.parts.is_empty()) { (lane(job, &span)) }
            }
        }
    })
}

/// The time that the drawing shows.
struct Span {
    begin: DateTime<Utc>,
    seconds: f64,
}

impl Span {
    fn of(run: &Run) -> Option<Self> {
        let parts = || run.jobs.iter().flat_map(|job| job.parts.iter().map(move |part| (job, part)));
        let first = parts().map(|(_, part)| part.begin).min()?;
        let begin = run.begin.map_or(first, |begin| begin.min(first));
        let end = parts().map(|(job, part)| end_of(job, part)).max()?;
        let seconds = seconds_between(begin, end);
        (seconds > 0.0).then_some(Self { begin, seconds })
    }

    fn percent(&self, time: DateTime<Utc>) -> f64 {
        (seconds_between(self.begin, time) / self.seconds * 100.0).clamp(0.0, 100.0)
    }
}

fn end_of(job: &Job, part: &Part) -> DateTime<Utc> {
    let job_end = || Some(job.begin? + delta(job.end.as_ref()?.seconds));
    part.seconds.map(|seconds| part.begin + delta(seconds)).or_else(job_end).unwrap_or(part.begin).max(part.begin)
}

/// Times come from events, which another machine may have written: none is beyond a year.
#[expect(clippy::cast_possible_truncation, reason = "less than a year in milliseconds")]
fn delta(seconds: f64) -> TimeDelta {
    const YEAR: f64 = 365.0 * 86_400.0;
    TimeDelta::milliseconds((seconds.clamp(0.0, YEAR) * 1000.0) as i64)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
fn seconds_between(begin: DateTime<Utc>, end: DateTime<Utc>) -> f64 {
    (end - begin).num_milliseconds() as f64 / 1000.0
}

fn axis(span: &Span) -> Markup {
    let step = tick(span.seconds);
    let ticks = (0..).map(|index| f64::from(index) * step).take_while(|at| *at <= span.seconds);
    html! {
        svg.track width="100%" height="22" {
            @for at in ticks {
                svg.tick x=(percent(at / span.seconds * 100.0)) overflow="visible" {
                    line y1="0" y2="22" {}
                    text x="4" y="14" { (label(at)) }
                }
            }
        }
    }
}

/// A round number of seconds between two marks.
fn tick(seconds: f64) -> f64 {
    let round = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0];
    let enough = round.into_iter().find(|step| seconds / step <= TICKS);
    enough.unwrap_or_else(|| (seconds / TICKS / 3600.0).ceil() * 3600.0)
}

/// The same words as in the script, which marks the axis anew when it is zoomed.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds, not below zero")]
fn label(seconds: f64) -> String {
    if seconds < 60.0 {
        return if seconds.fract() == 0.0 { format!("{seconds:.0}s") } else { format!("{seconds:.1}s") };
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

fn lane(job: &Job, span: &Span) -> Markup {
    let title = name(&job.id.0);
    html! {
        div.lane data-job=(anchor(job)) {
            a.who href=(format!("#{}", anchor(job))) title=(title) { (icon(job.outcome())) span { (title) } }
            svg.track width="100%" height="36" role="group" aria-label=(format!("{title}: {}", word(job.outcome()))) {
                @for part in &job.parts { (bar(job, part, span)) }
            }
        }
    }
}

fn bar(job: &Job, part: &Part, span: &Span) -> Markup {
    let (begin, end) = (span.percent(part.begin), span.percent(end_of(job, part)));
    let width = (end - begin).max(NARROWEST);
    let (kind, y, height) = match part.what {
        What::Phase(_) => ("phase", "2", "16"),
        What::Step(..) => ("step", "20", "14"),
    };
    let outcome = outcome_of(job, part);
    let title = name(&part.what.title());
    let took = part.seconds.map_or_else(|| "did not end".to_owned(), text::duration);
    let after = label(seconds_between(span.begin, part.begin).round());
    let how = if outcome.is_none() { String::new() } else { format!(", {}", ended(outcome)) };
    let about = format!("{title}: {took}{how}, after {after}");
    html! {
        svg class=(format!("bar {kind} {}", class(outcome))) x=(percent(begin.min(100.0 - width))) y=(y)
            width=(percent(width)) height=(height) role="img" tabindex="-1" aria-label=(about) {
            rect width="100%" height="100%" rx="3" {}
            text x="6" y=(if kind == "phase" { "12" } else { "11" }) aria-hidden="true" { (title) }
        }
    }
}

/// A part's outcome in a word.
pub(super) fn ended(outcome: Option<crate::event::Outcome>) -> &'static str {
    match outcome {
        Some(crate::event::Outcome::Success) => "done",
        other => word(other),
    }
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let label_of = |seconds| label(tick(seconds));
        let spans = [0.5, 7.0, 75.0, 100.0, 400.0, 3600.0, 90_000.0];
        assert_eq!(spans.map(label_of), ["0.1s", "1s", "10s", "15s", "1m", "10m", "4h00m"].map(str::to_owned));
    }

    #[test]
    fn a_duration_that_nothing_can_last_is_harmless() {
        for seconds in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert!(delta(seconds) <= TimeDelta::days(365), "{seconds}");
        }
    }
}
