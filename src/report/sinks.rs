//! The interface of a report, and the set of reports that a run has.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use indicatif::ProgressDrawTarget;

use super::ci::{Ci, Setting};
use super::console::groups::{Groups, Marks};
use super::console::live::Live;
use super::console::plain::{Detail, Plain};
use super::github::sink::Actions;
use super::html::Html;
use super::jsonl::JsonLines;
use super::junit::JUnit;
use super::log::Logs;
use super::spool::Spool;
use super::table::Table;
use super::text::Paint;
use super::{gitlab, spool};
use crate::event::Event;
use crate::forge::github::Checks;

/// Turns events into what someone reads.
///
/// A sink owns its writer and writes as events come, so that a run that is killed leaves what it got so far. It never
/// stops a build: what went wrong with writing is told once, by [`Sink::finish`].
pub trait Sink: Send {
    /// Takes an event. Events of one job come in order; those of different jobs are mixed.
    fn on_event(&mut self, event: &Event);

    /// Writes what is left, after the last event.
    ///
    /// # Errors
    /// Something could not be written, now or before. A closed pipe on standard output or error is none.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// How the run is shown while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleMode {
    /// One live line a job, for a terminal. Where standard error is none, [`ConsoleMode::Plain`] is used; under a CI
    /// service, groups that it can fold.
    Live,
    /// Lines with the job in front, no escape codes.
    Plain,
    /// [`ConsoleMode::Plain`] with nothing but warnings and failures.
    Quiet,
}

/// What is reported, and where.
#[derive(Clone, Debug)]
pub struct Options {
    pub console: ConsoleMode,
    /// Whether colour may be used; only terminals ever get it.
    pub colour: bool,
    /// The folder of all jobs' folders, as people should read it.
    pub out: Utf8PathBuf,
    /// The file that gets every event as JSON Lines.
    pub events: Option<Utf8PathBuf>,
    /// Shows every line of output, serial consoles included.
    pub verbose: bool,
    /// How files are named to CI services, and in reports that they read.
    pub setting: Setting,
    /// The CI service that runs us, if any does.
    pub ci: Option<Ci>,
}

/// Every report of a run.
pub struct Reports {
    sinks: Vec<Box<dyn Sink>>,
}

impl Reports {
    /// Sets up the console, the closing table, the jobs' logs, events and test results, the run's page, what the CI service is
    /// told, and the events' file if one is asked for. GitHub is told here what to hide.
    ///
    /// # Errors
    /// The events' file can't be created, or GitHub's runner not be told what to hide.
    pub fn new(options: Options) -> anyhow::Result<Self> {
        Self::with_checks(options, None)
    }

    /// [`Reports::new`], with check runs where GitHub runs us.
    ///
    /// # Errors
    /// As of [`Reports::new`].
    pub fn with_checks(options: Options, checks: Option<Checks>) -> anyhow::Result<Self> {
        let Options { console, colour, out, events, verbose, setting, ci } = options;
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        let marks = ci.as_ref().map(|ci| match ci {
            Ci::GitHub(_) => Marks::GitHub,
            Ci::GitLab(_) => Marks::GitLab,
        });
        let service = ci.map(|ci| service(ci, &out, &setting, checks)).transpose()?;
        if let Some(path) = events {
            let file = File::create(&path).with_context(|| format!("failed to create the events file `{path}`"))?;
            sinks.push(Box::new(JsonLines::new(file)));
        }
        sinks.push(Box::new(Logs::new(out.clone())));
        sinks.push(Box::new(JUnit::new(out.clone(), setting.clone())));
        // The page is made of the events that the sink before it wrote.
        sinks.push(Box::new(Spool::new(out.clone())));
        let folder = out.clone();
        sinks.push(Box::new(Html::new(out.clone(), setting, move |job| spool::path(&folder, job))));
        let live = console == ConsoleMode::Live && io::stderr().is_terminal();
        let detail = match (console, verbose) {
            (ConsoleMode::Quiet, _) => Detail::Failures,
            (_, false) => Detail::Steps,
            (_, true) => Detail::Everything,
        };
        sinks.push(match (marks, live) {
            (Some(marks), _) => Box::new(Groups::new(io::stderr(), marks, detail)),
            (None, true) => Box::new(Live::new(ProgressDrawTarget::stderr(), out.clone(), detail, Paint { colour })),
            (None, false) => Box::new(Plain::new(io::stderr(), detail)),
        });
        // After the console, which ends its last group first.
        sinks.extend(service);
        let paint = Paint { colour: colour && io::stdout().is_terminal() };
        sinks.push(Box::new(Table::new(io::stdout(), out, paint)));
        Ok(Self { sinks })
    }

    /// Those, and no other.
    pub(super) fn of(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { sinks }
    }

    /// Hands an event to every report.
    pub fn on_event(&mut self, event: &Event) {
        for sink in &mut self.sinks {
            sink.on_event(event);
        }
    }

    /// Ends every report; the closing table comes last.
    ///
    /// # Errors
    /// The first that a report met. The others are complete all the same.
    pub fn finish(self) -> io::Result<()> {
        let results: Vec<_> = self.sinks.into_iter().map(Sink::finish).collect();
        results.into_iter().collect()
    }
}

/// What the CI service around us is told.
pub(super) fn service(
    ci: Ci,
    out: &Utf8Path,
    setting: &Setting,
    checks: Option<Checks>,
) -> anyhow::Result<Box<dyn Sink>> {
    Ok(match ci {
        Ci::GitHub(github) => {
            let actions = Actions::new(io::stderr(), setting.clone(), github);
            Box::new(actions.context("failed to tell GitHub's runner what to hide")?.with(checks))
        }
        Ci::GitLab(gitlab) => Box::new(gitlab::sink::Reports::new(out.to_owned(), setting.clone(), gitlab)),
    })
}

/// Writes to a stream that may have been closed at the other end (`ovenbird build | head`): that ends the talk, not the
/// build.
pub(super) fn write_unless_closed(mut writer: impl Write, bytes: &[u8]) -> io::Result<()> {
    match write_patiently(&mut writer, bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// How soon a stream is tried again that takes nothing now.
const PAUSE: Duration = Duration::from_millis(5);

/// Writes all. A stream that is shared with others may have been made non-blocking by one of them, as node does with the
/// pipes that it is given: then it is waited for, as it would be otherwise.
fn write_patiently(writer: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) => wait_out(error)?,
        }
    }
    loop {
        match writer.flush() {
            Ok(()) => return Ok(()),
            Err(error) => wait_out(error)?,
        }
    }
}

/// Waits if the stream only asks for it.
fn wait_out(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            std::thread::sleep(PAUSE);
            Ok(())
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::Body;
    use crate::report::testing::{at, scripted_run};

    #[test]
    fn a_closed_pipe_ends_the_talk_and_fails_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut console = Box::new(Plain::new(writer.try_clone().unwrap(), Detail::Everything));
        let mut table = Box::new(Table::new(writer, "ovenbird-out".into(), Paint { colour: false }));
        for event in scripted_run() {
            console.on_event(&event);
            table.on_event(&event);
        }
        console.finish().unwrap();
        table.finish().unwrap();
    }

    #[test]
    fn a_stream_that_another_program_made_non_blocking_is_waited_for() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
        rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
        let text = vec![b'x'; 1 << 20];
        let sent = text.clone();
        let written = std::thread::spawn(move || write_unless_closed(&mut writer, &sent));
        let mut read = Vec::new();
        io::Read::read_to_end(&mut reader, &mut read).unwrap();
        written.join().unwrap().unwrap();
        assert!(read == text, "{} bytes came", read.len());
    }

    #[test]
    fn a_full_disk_under_the_table_is_told() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut table = Box::new(Table::new(full, "ovenbird-out".into(), Paint { colour: false }));
        scripted_run().iter().for_each(|event| table.on_event(event));
        assert_eq!(table.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn the_events_file_and_the_logs_are_written_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let events = out.join("events.jsonl");
        let console = ConsoleMode::Quiet;
        let options = Options {
            console,
            colour: false,
            out: out.clone(),
            events: Some(events.clone()),
            verbose: false,
            setting: Setting::default(),
            ci: None,
        };
        let mut reports = Reports::new(options).unwrap();
        reports.on_event(&at(0.0, Some("web"), Body::Note { text: "hello".into() }));
        assert_eq!(std::fs::read_to_string(&events).unwrap().lines().count(), 1, "written before the end of the run");
        reports.finish().unwrap();
        assert!(std::fs::read_to_string(out.join("web/log.txt")).unwrap().contains("hello"));
    }

    #[test]
    fn an_events_file_that_cannot_be_made_is_refused_before_the_run() {
        let (console, events) = (ConsoleMode::Quiet, Some("/nowhere/events.jsonl".into()));
        let (out, setting) = ("ovenbird-out".into(), Setting::default());
        let options = Options { console, colour: false, out, events, verbose: false, setting, ci: None };
        let error = Reports::new(options).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "failed to create the events file `/nowhere/events.jsonl`");
    }
}
