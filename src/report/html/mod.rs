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
mod lines;
mod page;
mod parts;
mod timeline;

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::ci::Setting;
use super::run::{Job, Run};
use super::sinks::Sink;
use super::{file, spool};
use crate::event::{Body, Event, JobId};

/// The file's name in the output folder.
pub(super) const FILE: &str = "report.html";

/// Bytes of all logs in a page, and of one job's. A page of 20 MiB still opens at once and can be sent to someone; what is not
/// a log takes less than the rest.
const LOGS: usize = 12 << 20;
const LOG: usize = 2 << 20;

/// Bytes of all failures and warnings in a page.
const TROUBLES: usize = 3 << 20;

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
        let jobs = self.run.jobs.len().max(1);
        let room = job::Room { log: LOG.min(LOGS / jobs), troubles: TROUBLES / jobs };
        let opened = self.run.jobs.iter().position(|job| job.failures().next().is_some());
        writer.write_all(page::before_jobs(&self.run, &self.setting).as_bytes())?;
        for (index, job) in self.run.jobs.iter().enumerate() {
            let is_open = jobs == 1 || opened == Some(index);
            writer.write_all(self.job(job, &room, is_open).as_bytes())?;
        }
        writer.write_all(page::after_jobs(&self.run).as_bytes())
    }

    fn job(&self, job: &Job, room: &job::Room, is_open: bool) -> String {
        let events = spool::read(&(self.events)(&job.id));
        let log = lines::Log::collect(events, &lines::Marks::of(job), room.log);
        job::section(job, &self.setting, &log, room, is_open).into_string()
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

/// Where the log of a job is, from the page. Never taken for anything but a path, whatever the name.
fn log_of(job: &JobId) -> String {
    let path = Utf8Path::new(&job.0).join(super::log::FILE);
    format!("./{}", super::text::line(path.as_str()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::{Failure, Outcome, Stream};
    use crate::report::spool::Spool;
    use crate::report::testing::{at, finished, scripted_run};

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
}
