//! Annotations: what went wrong, on the lines where it did. Pure.

use std::collections::BTreeSet;

use super::command;
use crate::event::{JobId, Place};
use crate::forge::github::{Annotation, Level};
use crate::report::ci::Setting;
use crate::report::failure;
use crate::report::run::{Merged, Run, Severity};
use crate::report::text;

/// The runner keeps so many of each kind for a step and drops the rest (`ExecutionContext.cs`).
const KEPT: usize = 10;

/// The runner cuts messages at 4096 characters; cut here, the mark of it is ours.
const LONGEST_MESSAGE: usize = 4000;

/// A check's annotation has a title of at most 255 characters.
const LONGEST_TITLE: usize = 200;

/// Where GitHub itself shows what its runner tells without a file: a check's annotation must have a line.
const NOWHERE: (&str, u32, Option<u32>) = (".github", 1, None);

/// Lines of an excerpt that an annotation shows. The log has all of them.
const EXCERPT: usize = 10;

/// The annotations as commands, the most useful first, and how many errors and warnings found no room. What only befell jobs
/// that are `carried` is left out: their check runs show it. `own` are warnings that concern the reports themselves; others
/// make room for them.
pub(super) fn commands(
    run: &Run,
    setting: &Setting,
    unmasked: &[String],
    carried: &BTreeSet<JobId>,
    own: &[String],
) -> (String, usize) {
    let mut merged = run.merged();
    merged.retain(|one| one.jobs.iter().any(|job| !carried.contains(job)));
    let of = |severity| merged.iter().filter(move |one| one.trouble.severity == severity);
    let mut lines: Vec<String> = Vec::new();
    let own = &own[..own.len().min(KEPT)];
    for (name, severity, room) in [("error", Severity::Error, KEPT), ("warning", Severity::Warning, KEPT - own.len())] {
        lines.extend(of(severity).take(room).map(|one| annotation(name, one, setting)));
    }
    let left = merged.len() - lines.len();
    lines.extend(own.iter().map(|text| command::line("warning", &[], &text::line(text))));
    let notices = unmasked.iter().map(|variable| short_secret(variable)).chain(without_kvm(run));
    lines.extend(notices.take(KEPT));
    (lines.concat(), left)
}

/// All annotations, as check runs take them.
pub(super) fn all(run: &Run, setting: &Setting) -> Vec<Annotation> {
    let annotation = |merged: &Merged<'_>| {
        let place = place(merged, setting);
        let (path, line, column) = match &place {
            Some((file, place)) => (file.as_str(), place.line.max(1), place.column),
            None => NOWHERE,
        };
        Annotation {
            path: path.to_owned(),
            start_line: line,
            end_line: line,
            start_column: column,
            end_column: column,
            annotation_level: match merged.trouble.severity {
                Severity::Error => Level::Failure,
                Severity::Warning => Level::Warning,
            },
            message: message(merged, place.is_some()),
            title: title(merged),
        }
    };
    run.merged().iter().map(annotation).collect()
}

/// A notice without a place.
pub(super) fn notice(title: &str, text: &str) -> String {
    command::line("notice", &[("title", title.to_owned())], &text::cut(&text::line(text), LONGEST_MESSAGE))
}

fn annotation(name: &str, merged: &Merged<'_>, setting: &Setting) -> String {
    let place = place(merged, setting);
    let mut properties = place.as_ref().map(|(file, place)| position(file, place)).unwrap_or_default();
    properties.push(("title", title(merged)));
    command::line(name, &properties, &message(merged, place.is_some()))
}

fn place<'a>(merged: &Merged<'a>, setting: &Setting) -> Option<(String, &'a Place)> {
    let place = merged.trouble.failure.place.as_ref()?;
    Some((setting.file_of(place)?, place))
}

fn title(merged: &Merged<'_>) -> String {
    let what = merged.trouble.during.as_ref().map(|what| format!("{}: ", what.title())).unwrap_or_default();
    text::cut(&text::line(&format!("{what}{}", merged.jobs_title())), LONGEST_TITLE)
}

/// The runner drops a column without a line, and both lines when the end comes before the start.
fn position(file: &str, place: &Place) -> Vec<(&'static str, String)> {
    let line = place.line.to_string();
    let column = place.column.map(|column| column.to_string()).unwrap_or_default();
    vec![("file", file.to_owned()), ("line", line.clone()), ("endLine", line), ("col", column)]
}

fn message(merged: &Merged<'_>, has_place: bool) -> String {
    let failure = &merged.trouble.failure;
    let mut lines: Vec<String> = text::lines(&failure.message).collect();
    if merged.jobs.len() > 1 {
        let jobs: Vec<String> = merged.jobs.iter().map(|job| text::line(&job.0)).collect();
        lines.push(text::cut(&format!("in {} jobs: {}", jobs.len(), jobs.join(", ")), LONGEST_MESSAGE / 4));
    }
    match &failure.place {
        Some(place) if !has_place => lines.push(format!("at {}", failure::place_of(place))),
        Some(place) if !place.exact => {
            lines.push("(this is the step's first line; the line that failed is not known)".to_owned());
        }
        _ => {}
    }
    if let Some(command) = &failure.command {
        lines.extend(text::lines(command).map(|line| format!("$ {line}")));
    }
    lines.extend(failure.hint.iter().flat_map(|hint| text::lines(hint)).map(|line| format!("hint: {line}")));
    let excerpt = failure.excerpt.iter().skip(failure.excerpt.len().saturating_sub(EXCERPT));
    lines.extend(excerpt.flat_map(|line| text::lines(line)).map(|line| format!("| {line}")));
    text::cut(&lines.join("\n"), LONGEST_MESSAGE)
}

fn short_secret(variable: &str) -> String {
    let variable = text::line(variable);
    let text = format!(
        "the sensitive variable `{variable}` has a value, or a line of one, that is too short to be masked: it is hidden in \
         what ovenbird writes, and nowhere else in this workflow"
    );
    command::line("notice", &[("title", "A secret is not masked".to_owned())], &text)
}

/// Builds that are slow for a reason which a person may want to remove.
fn without_kvm(run: &Run) -> Option<String> {
    let slow = |job: &crate::report::run::Job| job.accelerator.clone().filter(|(accelerator, _)| accelerator == "tcg");
    let (_, reason) = run.jobs.iter().find_map(slow)?;
    let text = format!("machines run without hardware acceleration (tcg): {}", text::line(&reason));
    Some(command::line("notice", &[("title", "No hardware acceleration".to_owned())], &text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Event, Failure};
    use crate::report::github::runner::Runner;
    use crate::report::testing::{at, scripted_run};

    fn shown(events: &[Event], unmasked: &[String]) -> (Runner, usize) {
        let mut run = Run::default();
        events.iter().for_each(|event| run.take(event));
        let setting = Setting { folder: "images".into(), ..Setting::default() };
        let (lines, left) = commands(&run, &setting, unmasked, &BTreeSet::new(), &[]);
        (Runner::read(lines.as_bytes()), left)
    }

    #[test]
    fn github_shows_what_failed_where_and_why() {
        let (runner, left) = shown(&scripted_run(), &["pin".to_owned()]);
        assert_eq!((left, runner.dropped), (0, 0));
        insta::assert_debug_snapshot!(runner.annotations, @r#"
        [
            Annotation {
                level: "error",
                file: Some(
                    "images/ovenbird.yml",
                ),
                line: Some(
                    "21",
                ),
                end_line: Some(
                    "21",
                ),
                column: Some(
                    "7",
                ),
                title: Some(
                    "1. Install nginx: web-trixie",
                ),
                message: "step `Install nginx` failed (exit status 100)\n$ apt-get install -y ngnix\n| E: Unable to locate package ngnix",
            },
            Annotation {
                level: "error",
                file: None,
                line: None,
                end_line: None,
                column: None,
                title: Some(
                    "crash",
                ),
                message: "the job's process was killed by SIGKILL\nhint: the machine may have run out of memory",
            },
            Annotation {
                level: "warning",
                file: None,
                line: None,
                end_line: None,
                column: None,
                title: Some(
                    "source: web-bookworm",
                ),
                message: "the mirror is slow\nhint: name a mirror",
            },
            Annotation {
                level: "notice",
                file: None,
                line: None,
                end_line: None,
                column: None,
                title: Some(
                    "A secret is not masked",
                ),
                message: "the sensitive variable `pin` has a value, or a line of one, that is too short to be masked: it is hidden in what ovenbird writes, and nowhere else in this workflow",
            },
            Annotation {
                level: "notice",
                file: None,
                line: None,
                end_line: None,
                column: None,
                title: Some(
                    "No hardware acceleration",
                ),
                message: "machines run without hardware acceleration (tcg): KVM does not run a kernel here",
            },
        ]
        "#);
    }

    #[test]
    fn of_many_failures_the_first_of_each_job_are_kept() {
        let failure = |message: String| Body::Failure(Failure::new(message));
        let mut events: Vec<Event> = Vec::new();
        for repeat in 0..3 {
            for job in 0..6 {
                events.push(at(0.0, Some(&format!("job-{job}")), failure(format!("failure {repeat} of {job}"))));
            }
        }
        let (runner, left) = shown(&events, &[]);
        assert_eq!((left, runner.dropped), (8, 0), "we choose, not the runner");
        let messages: Vec<&str> = runner.annotations.iter().map(|one| one.message.as_str()).collect();
        let first: Vec<String> = (0..6).map(|job| format!("failure 0 of {job}")).collect();
        assert_eq!(messages[..6], first);
        assert!(messages[6..].iter().all(|message| message.starts_with("failure 1 of")));
    }

    #[test]
    fn one_cause_in_many_jobs_is_one_annotation() {
        let place = Some(Place { file: "ovenbird.yml".into(), line: 3, column: None, exact: false });
        let failure = || Failure { place: place.clone(), ..Failure::new("no such package") };
        let ids: Vec<String> = (0..64).map(|job| format!("job-{job}")).collect();
        let events: Vec<Event> = ids.iter().map(|id| at(0.0, Some(id), Body::Failure(failure()))).collect();
        let (runner, _) = shown(&events, &[]);
        let [one] = runner.annotations.as_slice() else { panic!("{:?}", runner.annotations) };
        assert_eq!(one.title.as_deref(), Some("job-0, job-1, job-2 and 61 more"));
        assert!(one.message.starts_with("no such package\nin 64 jobs: job-0, job-1"), "{}", one.message);
        assert!(one.message.ends_with("(this is the step's first line; the line that failed is not known)"));
    }

    #[test]
    fn a_long_failure_is_cut_by_us_and_its_message_kept() {
        let failure = Failure { excerpt: vec!["x".repeat(9000)], ..Failure::new("it broke") };
        let (runner, _) = shown(&[at(0.0, Some("a"), Body::Failure(failure))], &[]);
        let message = &runner.annotations[0].message;
        assert!(message.starts_with("it broke\n| xxx") && message.ends_with('…'), "{message}");
    }
}
