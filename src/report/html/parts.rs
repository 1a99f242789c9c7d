//! Pieces of markup that the page has in several places. Pure.

use maud::{Markup, html};

use crate::event::{Failure, Outcome, Phase};
use crate::report::ci::Setting;
use crate::report::run::{Job, Part, What};
use crate::report::{failure, text};

/// Bytes of a name where it is shown; some machine may have chosen it.
const LONGEST_NAME: usize = 200;

/// A text of others on one line.
pub(super) fn name(name: &str) -> String {
    text::cut(&text::line(name), LONGEST_NAME)
}

/// A piece of the page, or word that there is no room for it.
pub(super) fn fit(piece: Markup, room: usize, what: &str) -> Markup {
    if piece.0.len() <= room {
        piece
    } else {
        html! { p.dim { (what) " has no room here." } }
    }
}

/// The element of a job.
pub(super) fn anchor(job: &Job) -> String {
    format!("job/{}", text::line(&job.id.0))
}

/// The outcome as the page's style sheet and its filter know it.
pub(super) fn class(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("open", text::outcome)
}

/// The outcome for people.
pub(super) fn word(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Success) => "built",
        Some(Outcome::Failure) => "failed",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::Skipped) => "skipped",
        None => "did not end",
    }
}

/// A sign that says an outcome by its form, for colour alone says nothing to some.
pub(super) fn icon(outcome: Option<Outcome>) -> Markup {
    let disc = "M8 .5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15Z";
    let sign = match outcome {
        Some(Outcome::Success) => "M12.1 6l-5 5.1a.7.7 0 0 1-1 0L3.8 8.8l1-1 1.8 1.8L11.1 5z",
        Some(Outcome::Failure) => {
            "M11.4 10.3l-1.1 1.1L8 9.1l-2.3 2.3-1.1-1.1L6.9 8 4.6 5.7l1.1-1.1L8 6.9l2.3-2.3 1.1 1.1L9.1 8z"
        }
        Some(Outcome::Cancelled) => "M4.5 7.2h7v1.6h-7z",
        Some(Outcome::Skipped) => "M4.8 4.6 8.2 8l-3.4 3.4zm4 0h1.6v6.8H8.8z",
        None => "M7.2 4h1.6v5H7.2zm0 6.2h1.6v1.6H7.2z",
    };
    html! {
        svg class=(format!("icon {}", class(outcome))) viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
            path fill-rule="evenodd" d=(format!("{disc}{sign}")) {}
        }
    }
}

/// A button that copies a text; hidden where no script runs.
pub(super) fn copy(label: &str, text: &str) -> Markup {
    html! { button.copy type="button" hidden data-copy=(text) aria-label=(label) title=(label) { "Copy" } }
}

/// A failure with its place as the repository names it, as a block of text.
pub(super) fn block(label: &str, failure: &Failure, setting: &Setting) -> Vec<String> {
    let mut failure = failure.clone();
    if let Some(place) = &mut failure.place
        && let Some(file) = setting.file_of(place)
    {
        place.file = file.into();
    }
    const EXCERPT: usize = 40;
    const LONGEST_LINE: usize = 500;
    let excerpt = failure.excerpt.iter().skip(failure.excerpt.len().saturating_sub(EXCERPT));
    failure.excerpt = excerpt.map(|line| text::cut(line, LONGEST_LINE)).collect();
    failure.message = text::cut(&failure.message, LONGEST_LINE * 4);
    failure.command = failure.command.map(|command| text::cut(&command, LONGEST_LINE * 4));
    failure.hint = failure.hint.map(|hint| text::cut(&hint, LONGEST_LINE * 4));
    failure::block(label, &failure)
}

/// How a part ended, by its own account and by the failures during it.
pub(super) fn outcome_of(job: &Job, part: &Part) -> Option<Outcome> {
    if job.failures().any(|trouble| trouble.during.as_ref() == Some(&part.what)) {
        return Some(Outcome::Failure);
    }
    match &part.step {
        Some(step) => Some(step.conclusion),
        None if job.was_cancelled_in(part) => Some(Outcome::Cancelled),
        None if part.what == What::Phase(Phase::Steps) && has_failed_step(job) => Some(Outcome::Failure),
        None => part.seconds.map(|_| Outcome::Success),
    }
}

/// Whether a step made the job fail.
fn has_failed_step(job: &Job) -> bool {
    job.parts.iter().filter_map(|part| part.step.as_ref()).any(|step| step.conclusion == Outcome::Failure)
}
