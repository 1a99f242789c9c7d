//! The console in a CI service whose log can fold: every step, and every phase but that of the steps, is one group.
//!
//! Groups never nest and never hold lines of two jobs. So a group is shown as it grows only while its job runs alone;
//! else it is kept and shown whole when it ends. What must be seen (results, failures) stands outside of groups.
//!
//! ```text
//!            open()                      close()
//!   job ──▶ alone? ──yes──▶ live ──────────────────▶ end mark, result
//!              │no          │  ▲
//!              │   someone  │  │ the other jobs
//!              │   else has ▼  │ have ended
//!              └─────────▶ kept ──────────────────▶ the whole group (or its rest), result
//!                                close()
//! ```
//!
//! Nothing ever waits for a live group: it is broken off, and what follows of it is a group of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::super::sinks::{Sink, write_unless_closed};
use super::super::{failure, text, verdict};
use super::plain::{Detail, Pace, RUN, label, quiet_test, sentence};
use crate::event::{Body, Event, Failure, JobId, Phase, Stream, Tested};

/// Lines of a kept group that are shown from its beginning and from its end. `log.txt` has those between.
const HEAD: usize = 500;
const TAIL: usize = 1500;

/// Characters of a line that are kept. Together with the lines it bounds what a chatty guest makes us hold.
const LONGEST_LINE: usize = 4096;

/// How a service folds lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Marks {
    /// `::group::` and `::endgroup::`.
    GitHub,
    /// `section_start` and `section_end`, folded from the start.
    GitLab,
}

impl Marks {
    fn begin(self, group: &Group) -> String {
        match self {
            Self::GitHub => format!("::group::{}\n", super::super::github::command::data(&group.title())),
            Self::GitLab => {
                let (time, name, title) = (group.begin.timestamp(), group.name(), group.title());
                format!("\u{1b}[0Ksection_start:{time}:{name}[collapsed=true]\r\u{1b}[0K{title}\n")
            }
        }
    }

    fn end(self, group: &Group, time: DateTime<Utc>) -> String {
        match self {
            Self::GitHub => "::endgroup::\n".to_owned(),
            Self::GitLab => {
                format!("\u{1b}[0Ksection_end:{}:{}\r\u{1b}[0K\n", time.timestamp(), group.name())
            }
        }
    }
}

/// Writes groups.
pub(in crate::report) struct Groups<W> {
    writer: W,
    marks: Marks,
    detail: Detail,
    pace: Pace,
    running: BTreeSet<JobId>,
    groups: BTreeMap<JobId, Group>,
    /// The job whose group is open in the log.
    live: Option<JobId>,
}

/// A stretch of one job.
struct Group {
    title: String,
    /// What GitLab tells sections apart by: letters, digits, `_`, `.`, `-`.
    name: String,
    begin: DateTime<Utc>,
    /// How often it was broken off.
    parts: usize,
    kept: Kept,
    /// What went wrong, said after its end, outside.
    after: Vec<String>,
}

impl Group {
    fn title(&self) -> String {
        if self.parts == 0 { self.title.clone() } else { format!("{} (continued)", self.title) }
    }

    fn name(&self) -> String {
        if self.parts == 0 { self.name.clone() } else { format!("{}.{}", self.name, self.parts + 1) }
    }
}

/// The first and last lines of something of any length.
#[derive(Default)]
struct Kept {
    head: Vec<String>,
    tail: VecDeque<String>,
    dropped: usize,
}

impl Kept {
    fn push(&mut self, line: String) {
        let line = if line.len() > LONGEST_LINE { text::cut(&line, LONGEST_LINE) } else { line };
        if self.head.len() < HEAD {
            self.head.push(line);
            return;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
            self.dropped += 1;
        }
        self.tail.push_back(line);
    }

    fn text(&self) -> String {
        let gap = (self.dropped > 0).then(|| format!("({} lines are left out here; log.txt has them)", self.dropped));
        let lines = self.head.iter().chain(&gap).chain(&self.tail);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

impl<W: Write + Send> Groups<W> {
    pub(in crate::report) fn new(writer: W, marks: Marks, detail: Detail) -> Self {
        Self {
            writer,
            marks,
            detail,
            pace: Pace::default(),
            running: BTreeSet::new(),
            groups: BTreeMap::new(),
            live: None,
        }
    }

    fn write(&mut self, text: &str) {
        // There is nobody left to tell when the console itself can't be written.
        let _ = write_unless_closed(&mut self.writer, text.as_bytes());
    }

    /// Says something outside of groups.
    fn say(&mut self, time: DateTime<Utc>, text: &str) {
        if !text.is_empty() {
            self.break_off(time);
            self.write(text);
        }
    }

    /// Ends the live group in the log; what its job still prints comes in another.
    fn break_off(&mut self, time: DateTime<Utc>) {
        let Some(group) = self.live.take().and_then(|job| self.groups.get_mut(&job)) else { return };
        let end = self.marks.end(group, time);
        group.parts += 1;
        group.begin = time;
        self.write(&end);
    }

    fn open(&mut self, job: &JobId, event: &Event, title: &str, name: &str) {
        let begin = event.time;
        self.close(job, begin);
        let safe = |char: char| if char.is_ascii_alphanumeric() || "_.-".contains(char) { char } else { '-' };
        let group = Group {
            title: text::line(&format!("{job}: {title}")),
            name: format!("{job}.{name}").chars().map(safe).collect(),
            begin,
            parts: 0,
            kept: Kept::default(),
            after: Vec::new(),
        };
        if self.running.iter().all(|other| other == job) {
            self.live = Some(job.clone());
            self.write(&self.marks.begin(&group));
        } else {
            // Its lines come later: so that one sees at least what goes on.
            self.tell(job, event);
        }
        self.groups.insert(job.clone(), group);
    }

    /// Adds to the job's group, or says it outside when there is none.
    fn add(&mut self, job: &JobId, time: DateTime<Utc>, lines: Vec<String>) {
        if self.live.as_ref() == Some(job) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            return self.write(&text);
        }
        match self.groups.get_mut(job) {
            Some(group) => lines.into_iter().for_each(|line| group.kept.push(line)),
            None => self.say(time, &prefixed(&job.0, &lines)),
        }
    }

    fn close(&mut self, job: &JobId, time: DateTime<Utc>) {
        let Some(group) = self.groups.remove(job) else { return };
        let end = self.marks.end(&group, time);
        let after = prefixed(&job.0, &group.after);
        if self.live.as_ref() == Some(job) {
            self.live = None;
            self.write(&format!("{end}{after}"));
        } else {
            let kept = group.kept.text();
            // Of what was broken off there may be nothing left to show.
            let rest = match group.parts > 0 && kept.is_empty() {
                true => String::new(),
                false => format!("{}{kept}{end}", self.marks.begin(&group)),
            };
            self.say(time, &format!("{rest}{after}"));
        }
    }

    /// A job that runs alone now is seen at once again.
    fn show_the_last(&mut self) {
        let mut running = self.running.iter();
        let (Some(job), None, None) = (running.next().cloned(), running.next(), &self.live) else { return };
        let Some(group) = self.groups.get_mut(&job) else { return };
        let kept = std::mem::take(&mut group.kept).text();
        let begin = self.marks.begin(group);
        self.live = Some(job);
        self.write(&format!("{begin}{kept}"));
    }

    fn job_event(&mut self, job: &JobId, event: &Event) {
        let time = event.time;
        match &event.event {
            Body::JobStarted { .. } => {
                self.running.insert(job.clone());
                self.tell(job, event);
            }
            Body::PhaseStarted { phase: Phase::Steps } | Body::PhaseFinished { phase: Phase::Steps, .. } => {}
            Body::PhaseStarted { phase } => self.open(job, event, phase.as_str(), phase.as_str()),
            Body::StepStarted { step, name } => {
                let (number, title) = (step + 1, format!("{}. {name}", step + 1));
                self.open(job, event, &title, &format!("step-{number}"));
            }
            Body::PhaseFinished { .. } | Body::StepFinished(_) => {
                let ended = self.groups.contains_key(job);
                self.close(job, time);
                if ended || matches!(event.event, Body::StepFinished(_)) {
                    self.tell(job, event);
                }
            }
            Body::JobFinished(_) => {
                self.close(job, time);
                self.running.remove(job);
                self.tell(job, event);
                self.show_the_last();
            }
            Body::Warning(warning) => self.trouble(job, time, "warning", warning),
            Body::Failure(error) => self.trouble(job, time, "error", error),
            Body::Tested(test) => self.tested(job, time, test),
            Body::TestsFinished(end) => self.result(job, time, vec![verdict::sentence(end)]),
            Body::Output { stream: Stream::Console, .. } if self.detail < Detail::Everything => {}
            Body::Output { line, .. } => self.add(job, time, output(line)),
            Body::Note { text } => {
                self.add(job, time, text::lines(text).map(|line| format!("note: {line}")).collect());
            }
            Body::Progress { .. } if !self.pace.is_due(event) => {}
            body => {
                let lines = sentence(body).map(|line| text::unforgeable(&line)).into_iter().collect();
                self.add(job, time, lines);
            }
        }
    }

    /// Says what an event says, outside of groups.
    fn tell(&mut self, job: &JobId, event: &Event) {
        let lines: Vec<String> = sentence(&event.event).into_iter().collect();
        self.say(event.time, &prefixed(&job.0, &lines));
    }

    fn trouble(&mut self, job: &JobId, time: DateTime<Utc>, label: &str, trouble: &Failure) {
        self.result(job, time, failure::block(label, trouble));
    }

    /// One that is no trouble stays in its group.
    fn tested(&mut self, job: &JobId, time: DateTime<Utc>, test: &Tested) {
        match verdict::trouble(test) {
            Some((severity, trouble)) => self.trouble(job, time, label(severity), &trouble),
            None => self.add(job, time, quiet_test(test, self.detail).into_iter().collect()),
        }
    }

    /// What must be seen, outside of groups.
    fn result(&mut self, job: &JobId, time: DateTime<Utc>, lines: Vec<String>) {
        match self.groups.get_mut(job) {
            Some(group) => group.after.extend(lines),
            None => self.say(time, &prefixed(&job.0, &lines)),
        }
    }
}

impl<W: Write + Send> Sink for Groups<W> {
    fn on_event(&mut self, event: &Event) {
        let time = event.time;
        match (&event.job, &event.event) {
            (Some(job), Body::Warning(warning)) if self.detail == Detail::Failures => {
                self.trouble(job, time, "warning", warning);
            }
            (Some(job), Body::Failure(error)) if self.detail == Detail::Failures => {
                self.trouble(job, time, "error", error);
            }
            (Some(job), Body::Tested(test)) if self.detail == Detail::Failures => self.tested(job, time, test),
            _ if self.detail == Detail::Failures => {}
            (Some(job), _) => self.job_event(job, event),
            (None, body) => {
                let lines: Vec<String> = sentence(body).into_iter().collect();
                self.say(time, &prefixed(RUN, &lines));
            }
        }
    }

    /// Closes what a run that was cut short left open.
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let open: Vec<(JobId, DateTime<Utc>)> =
            self.groups.iter().map(|(job, group)| (job.clone(), group.begin)).collect();
        open.into_iter().for_each(|(job, begin)| self.close(&job, begin));
        Ok(())
    }
}

/// Lines that say whose they are, so that none begins as a workflow command.
fn prefixed(who: &str, lines: &[String]) -> String {
    let who = text::line(who);
    lines.iter().map(|line| format!("{}\n", format!("{who} | {line}").trim_end())).collect()
}

/// Lines that a machine or a tool wrote, marked as such.
fn output(line: &str) -> Vec<String> {
    if line.is_empty() {
        return vec!["|".to_owned()];
    }
    text::lines(line).map(|line| format!("| {line}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Outcome, StepFinished};
    use crate::report::github::runner::Runner;
    use crate::report::testing::{Buffer, at, finished, scripted_run, tested_run};

    fn log(marks: Marks, detail: Detail, events: &[Event]) -> String {
        let buffer = Buffer::default();
        let mut sink = Box::new(Groups::new(buffer.clone(), marks, detail));
        events.iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap_or_default();
        buffer.text()
    }

    /// Of the scripted run the job that is built and the one that fails, as their events come in time.
    fn two_jobs() -> Vec<Event> {
        let is_one = |event: &Event| event.job.as_ref().is_none_or(|job| job.0.starts_with("web-"));
        let mut events: Vec<Event> = scripted_run().into_iter().filter(is_one).collect();
        events.sort_by_key(|event| event.time);
        events
    }

    fn said(text: &str) -> Body {
        Body::Output { step: Some(0), stream: Stream::Stdout, line: text.to_owned() }
    }

    fn step(number: usize) -> Body {
        Body::StepStarted { step: number, name: format!("Step {number}") }
    }

    fn step_ended(step: usize) -> Body {
        let (name, outcome) = (format!("Step {step}"), Outcome::Success);
        Body::StepFinished(StepFinished { step, name, outcome, conclusion: outcome, seconds: 1.0, attempts: 1 })
    }

    fn started() -> Body {
        Body::JobStarted { name: "web".to_owned(), platform: "qemu".to_owned(), tests_only: false }
    }

    #[test]
    fn two_jobs_side_by_side_on_github() {
        insta::assert_snapshot!(log(Marks::GitHub, Detail::Steps, &two_jobs()), @"
        ovenbird | Version 0.1.0, run r-7f3a: 5 jobs.
        web-bookworm | Building web on qemu.
        ::group::web-bookworm: source
        ::endgroup::
        web-trixie | Building web on qemu.
        web-trixie | == step 1: Install nginx
        ::group::web-trixie: 1. Install nginx
        | Reading package lists...
        | E: Unable to locate package ngnix
        ::endgroup::
        web-trixie | error: step `Install nginx` failed (exit status 100)
        web-trixie |   at ovenbird.yml:21:7
        web-trixie |   command: apt-get install -y ngnix
        web-trixie |   | E: Unable to locate package ngnix
        web-trixie | == step 1: failure after 2.0s
        web-trixie | Kept console.txt: the machine's console.
        web-trixie | Kept screenshot.png: the machine's screen.
        web-trixie | Kept journal.txt: the guest's own log.
        web-trixie | == failure after 3.0s: step `Install nginx` failed (exit status 100)
        ::group::web-bookworm: source (continued)
        download `base.qcow2`: 75 % of 200.0 MiB
        | I: extracting archives
        ::endgroup::
        web-bookworm | warning: the mirror is slow
        web-bookworm |   hint: name a mirror
        web-bookworm | Done: source took 14.0s.
        ::group::web-bookworm: boot
        The accelerator is tcg: KVM does not run a kernel here.
        ::endgroup::
        web-bookworm | Done: boot took 26.0s.
        ::group::web-bookworm: 1. Install nginx
        | Setting up nginx
        | ## [error]forged
        |
        ::endgroup::
        web-bookworm | == step 1: success after 31.2s
        ::group::web-bookworm: 2. Try something
        ::endgroup::
        web-bookworm | == step 2: failure after 0.2s, and the job goes on (continue-on-error)
        ::group::web-bookworm: convert
        Wrote web.qcow2 (161.0 MiB).
        Wrote web.vmdk (172.0 MiB).
        ::endgroup::
        web-bookworm | Done: convert took 2.5s.
        web-bookworm | == success after 1m14s
        ");
    }

    #[test]
    fn the_same_on_gitlab() {
        let log = log(Marks::GitLab, Detail::Steps, &two_jobs()).replace('\u{1b}', "␛").replace('\r', "␍");
        insta::assert_snapshot!(log, @"
        ovenbird | Version 0.1.0, run r-7f3a: 5 jobs.
        web-bookworm | Building web on qemu.
        ␛[0Ksection_start:1795262400:web-bookworm.source[collapsed=true]␍␛[0Kweb-bookworm: source
        ␛[0Ksection_end:1795262400:web-bookworm.source␍␛[0K
        web-trixie | Building web on qemu.
        web-trixie | == step 1: Install nginx
        ␛[0Ksection_start:1795262400:web-trixie.step-1[collapsed=true]␍␛[0Kweb-trixie: 1. Install nginx
        | Reading package lists...
        | E: Unable to locate package ngnix
        ␛[0Ksection_end:1795262402:web-trixie.step-1␍␛[0K
        web-trixie | error: step `Install nginx` failed (exit status 100)
        web-trixie |   at ovenbird.yml:21:7
        web-trixie |   command: apt-get install -y ngnix
        web-trixie |   | E: Unable to locate package ngnix
        web-trixie | == step 1: failure after 2.0s
        web-trixie | Kept console.txt: the machine's console.
        web-trixie | Kept screenshot.png: the machine's screen.
        web-trixie | Kept journal.txt: the guest's own log.
        web-trixie | == failure after 3.0s: step `Install nginx` failed (exit status 100)
        ␛[0Ksection_start:1795262400:web-bookworm.source.2[collapsed=true]␍␛[0Kweb-bookworm: source (continued)
        download `base.qcow2`: 75 % of 200.0 MiB
        | I: extracting archives
        ␛[0Ksection_end:1795262414:web-bookworm.source.2␍␛[0K
        web-bookworm | warning: the mirror is slow
        web-bookworm |   hint: name a mirror
        web-bookworm | Done: source took 14.0s.
        ␛[0Ksection_start:1795262414:web-bookworm.boot[collapsed=true]␍␛[0Kweb-bookworm: boot
        The accelerator is tcg: KVM does not run a kernel here.
        ␛[0Ksection_end:1795262440:web-bookworm.boot␍␛[0K
        web-bookworm | Done: boot took 26.0s.
        ␛[0Ksection_start:1795262440:web-bookworm.step-1[collapsed=true]␍␛[0Kweb-bookworm: 1. Install nginx
        | Setting up nginx
        | ## [error]forged
        |
        ␛[0Ksection_end:1795262471:web-bookworm.step-1␍␛[0K
        web-bookworm | == step 1: success after 31.2s
        ␛[0Ksection_start:1795262471:web-bookworm.step-2[collapsed=true]␍␛[0Kweb-bookworm: 2. Try something
        ␛[0Ksection_end:1795262471:web-bookworm.step-2␍␛[0K
        web-bookworm | == step 2: failure after 0.2s, and the job goes on (continue-on-error)
        ␛[0Ksection_start:1795262471:web-bookworm.convert[collapsed=true]␍␛[0Kweb-bookworm: convert
        Wrote web.qcow2 (161.0 MiB).
        Wrote web.vmdk (172.0 MiB).
        ␛[0Ksection_end:1795262474:web-bookworm.convert␍␛[0K
        web-bookworm | Done: convert took 2.5s.
        web-bookworm | == success after 1m14s
        ");
    }

    #[test]
    fn a_quiet_log_has_what_went_wrong_and_no_groups() {
        insta::assert_snapshot!(log(Marks::GitHub, Detail::Failures, &two_jobs()), @"
        web-trixie | error: step `Install nginx` failed (exit status 100)
        web-trixie |   at ovenbird.yml:21:7
        web-trixie |   command: apt-get install -y ngnix
        web-trixie |   | E: Unable to locate package ngnix
        web-bookworm | warning: the mirror is slow
        web-bookworm |   hint: name a mirror
        ");
    }

    #[test]
    fn one_job_alone_is_seen_as_it_works() {
        let buffer = Buffer::default();
        let mut sink = Groups::new(buffer.clone(), Marks::GitHub, Detail::Steps);
        for body in [started(), step(0), said("one")] {
            sink.on_event(&at(0.0, Some("a"), body));
        }
        assert!(buffer.text().ends_with("::group::a: 1. Step 0\n| one\n"), "{}", buffer.text());
    }

    #[test]
    fn the_last_job_that_works_is_seen_at_once_again() {
        let buffer = Buffer::default();
        let mut sink = Groups::new(buffer.clone(), Marks::GitHub, Detail::Steps);
        for (job, body) in [("a", started()), ("b", started()), ("a", step(0)), ("a", said("one"))] {
            sink.on_event(&at(0.0, Some(job), body));
        }
        assert!(!buffer.text().contains("one"), "its lines could end up among those of the other job");
        sink.on_event(&at(1.0, Some("b"), finished(Outcome::Success, 1.0, None)));
        assert!(buffer.text().ends_with("::group::a: 1. Step 0\n| one\n"), "{}", buffer.text());
        sink.on_event(&at(1.0, Some("a"), said("two")));
        assert!(buffer.text().ends_with("| one\n| two\n"), "{}", buffer.text());
    }

    #[test]
    fn a_run_that_is_cut_short_leaves_no_group_open() {
        let events: Vec<Event> = [started(), step(0), said("one")].map(|body| at(0.0, Some("a"), body)).to_vec();
        assert!(log(Marks::GitHub, Detail::Steps, &events).ends_with("| one\n::endgroup::\n"));
    }

    #[test]
    fn of_a_flood_the_beginning_and_the_end_are_kept() {
        let mut events =
            vec![at(0.0, Some("a"), started()), at(0.0, Some("b"), started()), at(0.0, Some("a"), step(0))];
        events.extend((0..5000).map(|line| at(1.0, Some("a"), said(&format!("{line}{}", "x".repeat(9000))))));
        events.push(at(2.0, Some("a"), step_ended(0)));
        let log = log(Marks::GitHub, Detail::Steps, &events);
        assert!(log.contains("\n(3000 lines are left out here; log.txt has them)\n| 3500x"));
        assert!(log.len() < 9_000_000, "{}", log.len());
    }

    #[test]
    fn what_another_job_says_is_seen_while_a_long_step_goes_on() {
        let events = [
            ("a", started()),
            ("a", step(0)),
            ("a", said("one")),
            ("b", started()),
            ("a", said("two")),
            ("b", step(0)),
            ("b", Body::Failure(Failure::new("it broke"))),
            ("b", step_ended(0)),
            ("b", finished(Outcome::Failure, 1.0, None)),
            ("a", said("three")),
            ("a", step_ended(0)),
        ];
        let events = events.map(|(job, body)| at(0.0, Some(job), body));
        insta::assert_snapshot!(log(Marks::GitHub, Detail::Steps, &events), @"
        a | Building web on qemu.
        ::group::a: 1. Step 0
        | one
        ::endgroup::
        b | Building web on qemu.
        b | == step 1: Step 0
        ::group::b: 1. Step 0
        ::endgroup::
        b | error: it broke
        b | == step 1: success after 1.0s
        b | == failure after 1.0s
        ::group::a: 1. Step 0 (continued)
        | two
        | three
        ::endgroup::
        a | == step 1: success after 1.0s
        ");
        let sections = log(Marks::GitLab, Detail::Steps, &events).replace('\u{1b}', "").replace('\r', " ");
        let sections: Vec<&str> = sections.lines().filter(|line| line.contains("section_")).collect();
        insta::assert_snapshot!(sections.join("\n"), @"
        [0Ksection_start:1795262400:a.step-1[collapsed=true] [0Ka: 1. Step 0
        [0Ksection_end:1795262400:a.step-1 [0K
        [0Ksection_start:1795262400:b.step-1[collapsed=true] [0Kb: 1. Step 0
        [0Ksection_end:1795262400:b.step-1 [0K
        [0Ksection_start:1795262400:a.step-1.2[collapsed=true] [0Ka: 1. Step 0 (continued)
        [0Ksection_end:1795262400:a.step-1.2 [0K
        ");
    }

    /// What a job of the property test goes through, in its own order.
    fn script(job: &str) -> Vec<Body> {
        let failure = |text: &str| Failure::new(format!("{job} {text}"));
        let mut script = vec![started(), Body::PhaseStarted { phase: Phase::Boot }, said(&format!("{job} boot x"))];
        script.push(Body::PhaseFinished { phase: Phase::Boot, seconds: 1.0 });
        for number in 0..3 {
            script.extend([step(number), said(&format!("{job} {number} x"))]);
            script.push(Body::Warning(failure(&format!("warned in {number}"))));
            script.push(said(&format!("{job} {number} y")));
            script.push(Body::Failure(failure(&format!("failed in {number}"))));
            script.push(step_ended(number));
        }
        script.push(finished(Outcome::Success, 1.0, None));
        script
    }

    /// Lines of a log, each with the title of the group that it is in; marks of groups left out.
    fn grouped(log: &[String]) -> Vec<(String, &str)> {
        let (mut group, mut lines) = (String::new(), Vec::new());
        for line in log {
            match (line.strip_prefix("▸ "), line.strip_prefix("    ")) {
                (Some(title), _) => group = title.trim_end_matches(" (continued)").to_owned(),
                (None, Some(line)) => lines.push((group.clone(), line)),
                (None, None) => lines.push((String::new(), line.as_str())),
            }
        }
        lines
    }

    proptest! {
        #[test]
        fn groups_never_nest_nor_mix_jobs_nor_lose_a_line(turns in proptest::collection::vec(0..3usize, 0..80)) {
            let jobs = ["a", "b", "c"];
            let mut scripts = jobs.map(|job| script(job).into_iter());
            // A random interleaving, then what is left.
            let turns = turns.into_iter().chain((0..3).flat_map(|job| [job; 30]));
            let events: Vec<Event> =
                turns.filter_map(|turn| Some(at(0.0, Some(jobs[turn]), scripts[turn].next()?))).collect();
            let runner = Runner::read(log(Marks::GitHub, Detail::Steps, &events).as_bytes());
            prop_assert_eq!(&runner.complaints, &Vec::<String>::new());
            let lines = grouped(&runner.log);
            for job in jobs {
                let in_group = |title: &str| -> Vec<&str> {
                    let group = format!("{job}: {title}");
                    lines.iter().filter(|(of, _)| *of == group).map(|(_, line)| *line).collect()
                };
                prop_assert_eq!(in_group("boot"), [format!("| {job} boot x")]);
                for step in 0..3 {
                    let expected = ["x", "y"].map(|line| format!("| {job} {step} {line}"));
                    prop_assert_eq!(in_group(&format!("{}. Step {step}", step + 1)), expected);
                }
                // Results and what went wrong: all of it, in order, outside of groups.
                let of_job = format!("{job} | ");
                let outside = lines.iter().filter(|(group, _)| group.is_empty());
                let outside: Vec<&str> = outside.filter_map(|(_, line)| line.strip_prefix(&of_job)).collect();
                let told = outside.iter().filter(|line| line.starts_with("error") || line.starts_with("warning"));
                let expected = (0..3).flat_map(|step| {
                    [format!("warning: {job} warned in {step}"), format!("error: {job} failed in {step}")]
                });
                prop_assert_eq!(told.map(|line| (*line).to_owned()).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
                prop_assert_eq!(outside.last(), Some(&"== success after 1.0s"));
            }
            let all: usize = lines.len();
            let known = lines.iter().filter(|(group, line)| !group.is_empty() || line.get(1..4) == Some(" | ")).count();
            prop_assert_eq!(all, known, "a line belongs to nobody");
        }

        #[test]
        fn gitlabs_sections_are_balanced_too(turns in proptest::collection::vec(0..3usize, 0..80)) {
            let jobs = ["a", "b", "c"];
            let mut scripts = jobs.map(|job| script(job).into_iter());
            let events: Vec<Event> =
                turns.into_iter().filter_map(|turn| Some(at(0.0, Some(jobs[turn]), scripts[turn].next()?))).collect();
            let mut open: Option<String> = None;
            let mut seen = BTreeSet::new();
            for line in log(Marks::GitLab, Detail::Steps, &events).lines() {
                let mark = line.strip_prefix("\u{1b}[0Ksection_").and_then(|rest| rest.split_once('\r'));
                let Some((mark, _)) = mark else { continue };
                let mut parts = mark.split(':');
                let (what, name) = (parts.next(), parts.nth(1).unwrap_or_default().trim_end_matches("[collapsed=true]"));
                if what == Some("start") {
                    prop_assert_eq!(&open, &None, "sections nest");
                    prop_assert!(seen.insert(name.to_owned()), "{} begins twice", name);
                    open = Some(name.to_owned());
                } else {
                    prop_assert_eq!(open.take(), Some(name.to_owned()));
                }
            }
            prop_assert_eq!(open, None, "a section is left open");
        }
    }

    #[test]
    fn what_tests_found_stands_outside_of_their_group() {
        insta::assert_snapshot!(log(Marks::GitHub, Detail::Steps, &tested_run()), @"
        ovenbird | Version 0.1.0, run r-91bc: 3 jobs.
        green | Building web on qemu.
        ::group::green: convert
        Wrote green.qcow2 (161.0 MiB).
        ::endgroup::
        green | Done: convert took 10.0s.
        ::group::green: test
        Kept test-1/console.txt: the machine's console.
        Kept test-1/journal.txt: the guest's own log.
        waived: check grown: the disk is filled on purpose (until 2027-01-31)
        ::endgroup::
        green | warning: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        green | Tests passed: 2 passed, 1 warned, 1 waived, 1 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        green | Done: test took 34.0s.
        green | == success after 45.0s
        red | Building web on qemu.
        ::group::red: convert
        Wrote red.qcow2 (161.0 MiB).
        ::endgroup::
        red | Done: convert took 10.0s.
        ::group::red: test
        Kept test-1/console.txt: the machine's console.
        Kept test-1/journal.txt: the guest's own log.
        ::endgroup::
        red | error: check failed-units: app.service has failed
        red |   | app.service: Failed with result 'exit-code'.
        red |   hint: `systemctl status app.service` in the image tells why
        red | error: service nginx: running: expected true, found false
        red |   at tests/goss.yaml:4:5
        red | Tests failed: 2 failed, 1 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        red | Done: test took 34.0s.
        red | == failure after 45.0s: 2 of 3 tests failed
        unsteady | Building web on qemu.
        ::group::unsteady: convert
        Wrote unsteady.qcow2 (161.0 MiB).
        ::endgroup::
        unsteady | Done: convert took 10.0s.
        ::group::unsteady: test
        Kept test-1/console.txt: the machine's console.
        Kept test-1/journal.txt: the guest's own log.
        ::endgroup::
        unsteady | warning: flaky: http http://localhost/: status: expected 200, found 502
        unsteady |   at tests/goss.yaml:14:5
        unsteady | Tests flaky, passed at attempt 2 only: 2 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        unsteady | Done: test took 34.0s.
        unsteady | == success after 45.0s
        ");
    }
}
