//! A job's log in the page: the lines of its `log.txt`, those that explain a failure marked. Pure.
//!
//! The beginning and the end are kept when there is no room for all, for the end says why and the beginning what of.

use std::collections::{BTreeSet, VecDeque};
use std::io;

use maud::html;

use crate::event::{Body, Event, Failure, Verdict};
use crate::report::run::Job;
use crate::report::{log, text};

/// Bytes of a line; `log.txt` has all of it.
const LONGEST_LINE: usize = 2000;

/// Lines of `log.txt` before the first event.
const HEADER: usize = 1;

/// A log, ready to be put into the page.
#[derive(Default)]
pub(super) struct Log {
    first: Vec<String>,
    /// How many lines are left out after the first.
    left_out: usize,
    last: VecDeque<String>,
    /// Why it ends early.
    broken: Option<String>,
}

/// Lines of output that explain a failure.
pub(super) struct Marks(BTreeSet<(Option<usize>, String)>);

impl Marks {
    pub(super) fn of(job: &Job) -> Self {
        let lines = |failure: &Failure| -> Vec<_> {
            let lines = failure.excerpt.iter().map(|line| text::line(line));
            lines.filter(|line| !line.trim().is_empty()).map(|line| (failure.step, line)).collect()
        };
        Self(job.failures().flat_map(|trouble| lines(&trouble.failure)).collect())
    }

    /// How an event's lines are marked: as a failure, as its excerpt, or not.
    fn mark(&self, body: &Body) -> Option<Mark> {
        match body {
            Body::Failure(_) => Some(Mark::Failure),
            Body::Tested(test) if test.verdict == Verdict::Failed => Some(Mark::Failure),
            Body::Output { step, line, .. } if self.0.contains(&(*step, text::line(line))) => Some(Mark::Excerpt),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Mark {
    Failure,
    Excerpt,
}

impl Log {
    /// As much of the log as there is room for. A job that said nothing has no file.
    pub(super) fn collect(
        events: io::Result<impl Iterator<Item = io::Result<Event>>>,
        marks: &Marks,
        room: usize,
    ) -> Self {
        let mut log = Self::default();
        let events = match events {
            Ok(events) => events,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return log,
            Err(error) => return Self { broken: Some(error.to_string()), ..log },
        };
        let mut filler = Filler { first: room / 4, last: room / 4 * 3, is_past_first: false };
        for event in events {
            match event {
                Ok(event) => {
                    let mark = marks.mark(&event.event);
                    let entry = log::entry(&event);
                    entry.lines().for_each(|line| filler.add(&mut log, shown(line, mark)));
                }
                Err(error) => log.broken = Some(error.to_string()),
            }
        }
        log
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.last.is_empty()
    }

    /// How many lines `log.txt` has of the job.
    pub(super) fn count(&self) -> usize {
        self.first.len() + self.left_out + self.last.len()
    }

    /// The number of the first line in `log.txt`.
    pub(super) fn begin() -> usize {
        HEADER + 1
    }

    /// The lines as markup, each with its end.
    pub(super) fn markup(&self) -> maud::PreEscaped<String> {
        let mut markup: String = self.first.iter().map(String::as_str).collect();
        if self.left_out > 0 {
            let count = self.left_out;
            let note = html! { i data-lines=(count) { (count) " lines are left out here: log.txt has all" } "\n" };
            markup.push_str(&note.into_string());
        }
        self.last.iter().for_each(|line| markup.push_str(line));
        if let Some(error) = &self.broken {
            let note = format!("the rest can't be shown: {}", text::line(error));
            markup.push_str(&html! { i { (note) } "\n" }.into_string());
        }
        maud::PreEscaped(markup)
    }
}

fn shown(line: &str, mark: Option<Mark>) -> String {
    let line = text::cut(line, LONGEST_LINE);
    let markup = match mark {
        None => html! { (line) "\n" },
        Some(Mark::Excerpt) => html! { mark { (line) } "\n" },
        Some(Mark::Failure) => html! { mark.error { (line) } "\n" },
    };
    markup.into_string()
}

/// Room in a log, in bytes.
struct Filler {
    first: usize,
    last: usize,
    is_past_first: bool,
}

impl Filler {
    fn add(&mut self, log: &mut Log, line: String) {
        if !self.is_past_first && line.len() <= self.first {
            self.first -= line.len();
            log.first.push(line);
            return;
        }
        self.is_past_first = true;
        while line.len() > self.last {
            let Some(oldest) = log.last.pop_front() else {
                log.left_out += 1;
                return;
            };
            log.left_out += 1;
            self.last += oldest.len();
        }
        self.last -= line.len();
        log.last.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stream;
    use crate::report::testing::at;

    fn log(lines: usize, room: usize) -> Log {
        let line = |number| Body::Output { step: None, stream: Stream::Stdout, line: format!("line {number:04}") };
        let events = (0..lines).map(|number| Ok(at(0.0, Some("web"), line(number))));
        Log::collect(Ok(events), &Marks(BTreeSet::new()), room)
    }

    #[test]
    fn a_log_keeps_its_beginning_and_its_end_and_says_how_much_is_missing() {
        let whole = "12:00:00.000     out | line 0000\n".len();
        let log = log(1000, whole * 40);
        assert_eq!((log.first.len(), log.left_out, log.last.len(), log.count()), (10, 960, 30, 1000));
        let markup = log.markup().into_string();
        assert!(markup.starts_with("12:00:00.000     out | line 0000\n"));
        assert!(
            markup.contains("line 0009\n<i data-lines=\"960\">960 lines are left out here: log.txt has all</i>\n12")
        );
        assert!(markup.ends_with("line 0999\n"));
    }

    #[test]
    fn a_log_that_fits_is_whole() {
        let log = log(10, 10_000);
        assert_eq!((log.count(), log.left_out), (10, 0));
        assert!(!log.markup().into_string().contains("left out"));
    }

    #[test]
    fn a_log_that_breaks_off_says_so() {
        let events = [Ok(at(0.0, Some("web"), Body::Note { text: "hello".into() })), Err(io::Error::other("<line 2>"))];
        let log = Log::collect(Ok(events.into_iter()), &Marks(BTreeSet::new()), 1000);
        assert!(log.markup().into_string().ends_with("hello\n<i>the rest can't be shown: &lt;line 2&gt;</i>\n"));
    }
}
