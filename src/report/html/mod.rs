//! `report.html`: the whole run in one page that needs nothing else, neither a server nor a network.
//!
//! The page is markup that reads well without its script: the matrix ([`grid`]), the failures, the [`timeline`], and for each
//! [`job`] its facts, files and log ([`lines`]). `page.css` and `page.js` go into it as they are; the script adds filters,
//! zoom, search and copying to what is there, and makes no markup of text.
//!
//! Everything that a machine said is hostile. It goes through [`text`](super::text), then maud escapes it. Should that ever
//! fail, the page's content security policy names the one script and the one style sheet by their digests, so that nothing
//! else runs or loads. Scripts and styles in attributes do not work either, ours included.
//!
//! Memory is bounded: what is known of jobs is a [`Run`], logs are read from [`spool`] one at a time when the run is over.

mod grid;
mod job;
mod kept;
mod lines;
mod page;
mod parts;
mod results;
mod tested;
mod timeline;

use std::io::{self, Write};

use camino::Utf8PathBuf;

use super::ci::Setting;
use super::run::{Job, Run};
use super::sinks::Sink;
use super::{file, spool};
use crate::event::{Body, Event, JobId};

/// The file's name in the output folder.
pub(super) const FILE: &str = "report.html";

/// Bytes of a page, whatever a run says: it still opens at once and can be sent to someone.
const PAGE: usize = 20 << 20;

/// Bytes of one job's log; it may get less.
const LOG: usize = 2 << 20;

/// Bytes of all pictures in a page. They are not part of a job's share, for few jobs have one.
const PICTURES: usize = 3 << 20;

/// Collects a run and writes its page.
pub(super) struct Html {
    out: Utf8PathBuf,
    setting: Setting,
    run: Run,
    /// Where a job's events are, by its id.
    events: Box<dyn Fn(&JobId) -> Utf8PathBuf + Send>,
    result: io::Result<()>,
}

impl Html {
    /// The page goes to `<out>/report.html`. The events of each job are spooled to a file while the run goes on; `events`
    /// names it.
    pub(super) fn new(
        out: Utf8PathBuf,
        setting: Setting,
        events: impl Fn(&JobId) -> Utf8PathBuf + Send + 'static,
    ) -> Self {
        Self { out, setting, run: Run::default(), events: Box::new(events), result: Ok(()) }
    }

    fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        let jobs = &self.run.jobs;
        let opened = jobs.iter().position(|job| job.failures().next().is_some());
        let before = page::before_jobs(&self.run, &self.setting);
        let (mut left_out, most) = (0, page::after_jobs(&self.run, usize::MAX).len());
        let (mut left, mut pictures) = (PAGE.saturating_sub(before.len() + most + PICTURES), PICTURES);
        writer.write_all(before.as_bytes())?;
        for (index, job) in jobs.iter().enumerate() {
            let is_open = jobs.len() == 1 || opened == Some(index);
            let kept = kept::Evidence::of(job, &self.files(job), &mut pictures);
            // What a job leaves is for those after it.
            match self.job(job, &kept, left / (jobs.len() - index), is_open) {
                Some(section) => {
                    left = left.saturating_sub(section.len() - kept.bytes());
                    writer.write_all(section.as_bytes())?;
                }
                None => left_out += 1,
            }
        }
        writer.write_all(page::after_jobs(&self.run, left_out).as_bytes())
    }

    /// The job's section, within the room that it has: with less than all, or not at all.
    fn job(&self, job: &Job, kept: &kept::Evidence, room: usize, is_open: bool) -> Option<String> {
        let (log_room, troubles, tests) = (LOG.min(room / 2), room / 4, room / 8);
        let log = lines::Log::collect(spool::read(&(self.events)(&job.id)), &lines::Marks::of(job), log_room);
        let link = self.files(job).link(super::log::FILE);
        let whole = job::section(job, &self.setting, kept, &job::Story { log: &log, link, troubles, tests }, is_open);
        let fits = |section: &String| section.len() - kept.bytes() <= room;
        Some(whole.into_string())
            .filter(fits)
            .or_else(|| Some(job::brief(job, kept, is_open).into_string()).filter(fits))
    }

    fn files(&self, job: &Job) -> kept::Files {
        kept::Files::of(job, &self.out, &(self.events)(&job.id))
    }
}

impl Sink for Html {
    fn on_event(&mut self, event: &Event) {
        self.run.take(event);
        // A run that is killed must not leave the page of another.
        if matches!(event.event, Body::RunStarted { .. }) {
            self.result = file::remove(&self.out.join(FILE));
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let written = file::replace_with(&self.out.join(FILE), |writer| self.write(writer));
        self.result.and(written)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8Path;

    use super::*;
    use crate::event::{Failure, Outcome, Stream};
    use crate::report::spool::Spool;
    use crate::report::testing::{at, finished, scripted_run, tested_run};

    /// The page of a run, and its folder.
    fn page_of(events: &[Event]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let (mut spool, mut html) = (Box::new(Spool::new(out.clone())), Box::new(html(&out)));
        for event in events {
            spool.on_event(event);
            html.on_event(event);
        }
        spool.finish().unwrap();
        html.finish().unwrap();
        let page = std::fs::read_to_string(out.join(FILE)).unwrap();
        (folder, page)
    }

    fn html(out: &Utf8Path) -> Html {
        let command = "ovenbird build --file images/ovenbird.yml".to_owned();
        let setting = Setting { folder: "images".into(), out: "ovenbird-out".into(), command };
        let folder = out.to_owned();
        Html::new(out.to_owned(), setting, move |job| spool::path(&folder, job))
    }

    #[test]
    fn a_page_is_there_whole_or_not_at_all() {
        let (folder, page) = page_of(&scripted_run());
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
        let out = Utf8Path::from_path(folder.path()).unwrap();
        let mut next = html(out);
        next.on_event(&scripted_run()[0]);
        assert!(!out.join(FILE).exists(), "the page of an earlier run is gone when the next begins");
        let left: Vec<_> = out.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
        assert!(left.iter().all(|name| !name.starts_with(".report")), "{left:?}");
    }

    #[test]
    fn a_page_says_what_failed_where_and_how_to_build_it_again() {
        let (_folder, page) = page_of(&scripted_run());
        for text in [
            "images/ovenbird.yml:21:7",
            "apt-get install -y ngnix",
            "ovenbird build --file images/ovenbird.yml web-trixie",
            "the machine may have run out of memory",
            "ovenbird-out/web-bookworm/web.qcow2",
        ] {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn the_log_is_that_of_log_txt_with_the_lines_that_failed_marked() {
        let (_folder, page) = page_of(&scripted_run());
        assert!(page.contains("12:00:01.000     out | Reading package lists...\n"));
        assert!(
            page.contains("<mark>12:00:02.000     err | E: Unable to locate package ngnix</mark>\n"),
            "its excerpt"
        );
        assert!(
            page.contains("<mark class=\"error\">12:00:02.300 !! error: step `Install nginx` failed"),
            "the failure"
        );
    }

    #[test]
    fn a_page_of_talkative_jobs_stays_below_its_limit() {
        let jobs: Vec<JobId> = (0..64).map(|job| JobId(format!("job-{job}"))).collect();
        let cells = [].into();
        let mut events = vec![at(0.0, None, Body::RunStarted { run: "r".into(), version: "1".into(), jobs, cells })];
        let excerpt: Vec<String> = (0..40).map(|line| format!("{line} {}", "<&>".repeat(200))).collect();
        for job in 0..64 {
            let id = format!("job-{job}");
            let line = |line| Body::Output { step: None, stream: Stream::Stdout, line };
            let lines = (0..800).map(|number| line(format!("{number} {}", "<&".repeat(100))));
            events.extend(lines.map(|body| at(1.0, Some(&id), body)));
            let failures = (0..8).map(|number| Failure {
                excerpt: excerpt.clone(),
                ..Failure::new(format!("failure {number} of {job}"))
            });
            events.extend(failures.map(|failure| at(2.0, Some(&id), Body::Failure(failure))));
            events.push(at(3.0, Some(&id), finished(Outcome::Failure, 3.0, None)));
        }
        let (_folder, page) = page_of(&events);
        assert!(page.len() < 20 << 20, "{}", page.len());
        assert!(page.contains("lines are left out here"));
        assert!(page.contains("more are in the log"));
    }

    #[test]
    fn a_page_keeps_to_its_limit_whatever_a_run_says() {
        let jobs: Vec<JobId> = (0..300).map(|job| JobId(format!("job-{job}"))).collect();
        let quotes = "\"".repeat(600);
        let mut events = vec![at(
            0.0,
            None,
            Body::RunStarted { run: quotes.clone(), version: quotes.clone(), jobs: jobs.clone(), cells: [].into() },
        )];
        let failure = Failure { excerpt: vec![quotes.clone(); 40], ..Failure::new(quotes.repeat(4)) };
        for JobId(id) in &jobs {
            let step = |step| Body::StepStarted { step, name: quotes.clone() };
            events.extend((0..10).map(|number| at(1.0, Some(id), step(number))));
            events.push(at(2.0, Some(id), Body::Failure(failure.clone())));
            events.push(at(3.0, Some(id), finished(Outcome::Failure, 3.0, None)));
        }
        let (_folder, page) = page_of(&events);
        assert!(page.len() <= 20 << 20, "{}", page.len());
        assert!(page.contains("The timeline of so many steps has no room here."));
        assert!(page.contains("There is no room here for more: `log.txt`") || page.contains("are in the log"));
        assert!(page.contains("id=\"job/job-299\"") && page.ends_with("</html>"), "all jobs are there");
    }

    #[test]
    fn a_page_shows_every_test_the_failed_ones_first() {
        let (_folder, page) = page_of(&tested_run());
        for text in [
            "tests: 2 failed of 3",
            "flaky, passed at attempt 2 only",
            "at images/tests/goss.yaml:4:5",
            "the disk is filled on purpose",
            "ovenbird boot ovenbird-out/red/red.qcow2",
            "Kept of the tests",
        ] {
            assert!(page.contains(text), "{text}");
        }
        let (_, red) = page.split_once("id=\"job/red\"").unwrap();
        let verdicts: Vec<&str> = red.split("data-verdict=\"").skip(1).take(3).map(|rest| &rest[..6]).collect();
        assert_eq!(verdicts, ["failed", "failed", "passed"]);
        assert!(page.contains("<mark class=\"error\">12:00:44.000 !! test failed: check failed-units"), "in the log");
    }
}
