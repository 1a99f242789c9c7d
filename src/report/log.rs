//! A job's `log.txt`: everything that happened in it, with the time of day in UTC.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};

use super::sinks::Sink;
use super::{failure, text, verdict};
use crate::event::{Body, Event, JobId, Stream};

/// The log's name in a job's folder.
pub(super) const FILE: &str = "log.txt";

/// Where a job's log is.
pub(super) fn path(out: &Utf8Path, job: &JobId) -> Utf8PathBuf {
    out.join(&job.0).join(FILE)
}

/// Writes a log for each job.
pub(super) struct Logs {
    out: Utf8PathBuf,
    run: String,
    open: BTreeMap<JobId, File>,
    result: io::Result<()>,
}

impl Logs {
    /// Logs go to `<out>/<job>/log.txt`.
    pub(super) fn new(out: Utf8PathBuf) -> Self {
        Self { out, run: String::new(), open: BTreeMap::new(), result: Ok(()) }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        if let Body::RunStarted { run, version, .. } = &event.event {
            self.run = format!("ovenbird {}, run {}", text::line(version), text::line(run));
        }
        let Some(job) = &event.job else { return Ok(()) };
        let entry = entry(event);
        if entry.is_empty() {
            return Ok(());
        }
        // One call an event, so that a killed run leaves whole lines and whoever follows the file sees them at once.
        let file = match self.open.get_mut(job) {
            Some(file) => file,
            None => {
                let file = self.create(job, event.time)?;
                self.open.entry(job.clone()).or_insert(file)
            }
        };
        file.write_all(entry.as_bytes())
    }

    fn create(&self, job: &JobId, time: DateTime<Utc>) -> io::Result<File> {
        let path = path(&self.out, job);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| named(&error, folder))?;
        }
        let mut file = File::create(&path).map_err(|error| named(&error, &path))?;
        writeln!(file, "# {}, job {job}, {} (times are UTC)", self.run, time.format("%Y-%m-%d"))?;
        Ok(file)
    }
}

/// The same error, with the path that it is about.
fn named(error: &io::Error, path: &Utf8Path) -> io::Error {
    io::Error::new(error.kind(), format!("failed to create `{path}`: {error}"))
}

impl Sink for Logs {
    fn on_event(&mut self, event: &Event) {
        if let Err(error) = self.write(event)
            && self.result.is_ok()
        {
            // The other jobs' logs go on.
            self.result = Err(error);
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.result
    }
}

/// The event's lines, each with its time; empty for what a log does not need.
pub(super) fn entry(event: &Event) -> String {
    let time = event.time.format("%H:%M:%S%.3f");
    body(&event.event).iter().map(|line| format!("{time} {line}\n")).collect()
}

fn body(body: &Body) -> Vec<String> {
    let line = match body {
        Body::JobStarted { name, platform, .. } => format!("== job: {} on {}", text::line(name), text::line(platform)),
        Body::JobFinished(end) => {
            let reason = end.reason.as_deref().map(|reason| format!(": {}", text::line(reason))).unwrap_or_default();
            format!("== job: {} after {}{reason}", text::outcome(end.outcome), text::duration(end.seconds))
        }
        Body::PhaseStarted { phase } => format!("== phase {}", phase.as_str()),
        Body::PhaseFinished { phase, seconds } => {
            format!("-- phase {}: {}", phase.as_str(), text::duration(*seconds))
        }
        Body::Accelerator { accelerator, reason } => {
            format!("   accelerator {}: {}", text::line(accelerator), text::line(reason))
        }
        Body::StepStarted { step, name } => format!("== step {}: {}", step + 1, text::line(name)),
        Body::StepFinished(end) => {
            let goes_on = if end.conclusion == end.outcome { "" } else { " (continue-on-error)" };
            let attempts = if end.attempts > 1 { format!(", {} attempts", end.attempts) } else { String::new() };
            let outcome = text::outcome(end.outcome);
            format!("-- step {}: {outcome}{goes_on} after {}{attempts}", end.step + 1, text::duration(end.seconds))
        }
        Body::Output { stream, line, .. } => return lines(&format!("{:>7} | ", stream_name(*stream)), line),
        Body::Note { text } => return lines("   note: ", text),
        Body::Warning(warning) => return failure::block("!! warning", warning),
        Body::Failure(error) => return failure::block("!! error", error),
        Body::Artifact(artifact) => {
            let (file, size) = (text::line(&artifact.file), text::bytes(artifact.size));
            format!("   artifact {file}: {size}, sha256 {}", text::line(&artifact.sha256))
        }
        Body::Tested(test) if verdict::trouble(test).is_some() => {
            return failure::block(&format!("!! test {}", test.verdict.as_str()), &test.failure());
        }
        Body::Tested(test) => format!("   test {}", verdict::line(test)),
        Body::TestsFinished(end) => format!("-- {}", verdict::sentence(end)),
        Body::Kept(kept) => format!("   kept {}", text::line(&kept.file)),
        Body::Progress { .. } | Body::RunStarted { .. } | Body::RunFinished { .. } => return Vec::new(),
    };
    vec![line]
}

fn lines(prefix: &str, text: &str) -> Vec<String> {
    // An empty line of output is a line too.
    if text.is_empty() {
        return vec![prefix.trim_end().to_owned()];
    }
    text::lines(text).map(|line| format!("{prefix}{line}")).collect()
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "out",
        Stream::Stderr => "err",
        Stream::Console => "console",
        Stream::Tool => "tool",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::report::testing::{at, scripted_run, tested_run};

    fn logs_of(events: &[Event]) -> (tempfile::TempDir, io::Result<()>) {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap().join("ovenbird-out");
        let mut sink = Box::new(Logs::new(out));
        events.iter().for_each(|event| sink.on_event(event));
        let result = sink.finish();
        (folder, result)
    }

    fn log(folder: &tempfile::TempDir, job: &str) -> String {
        std::fs::read_to_string(folder.path().join("ovenbird-out").join(job).join("log.txt")).unwrap()
    }

    #[test]
    fn a_log_tells_the_whole_life_of_its_job() {
        let (folder, result) = logs_of(&scripted_run());
        result.unwrap();
        insta::assert_snapshot!(log(&folder, "web-bookworm"), @r"
        # ovenbird 0.1.0, run r-7f3a, job web-bookworm, 2026-11-21 (times are UTC)
        12:00:00.100 == job: web on qemu
        12:00:00.100 == phase source
        12:00:13.000    tool | I: extracting archives
        12:00:14.000 !! warning: the mirror is slow
        12:00:14.000   hint: name a mirror
        12:00:14.100 -- phase source: 14.0s
        12:00:14.100 == phase boot
        12:00:14.200    accelerator tcg: KVM does not run a kernel here
        12:00:20.000 console | Booting `Debian'
        12:00:40.100 -- phase boot: 26.0s
        12:00:40.100 == phase steps
        12:00:40.100 == step 1: Install nginx
        12:00:41.000     out | Setting up nginx
        12:00:42.000     err | ## [error]forged
        12:00:42.000     out |
        12:01:11.300 -- step 1: success after 31.2s
        12:01:11.300 == step 2: Try something
        12:01:11.500 -- step 2: failure (continue-on-error) after 0.2s
        12:01:11.500 -- phase steps: 31.4s
        12:01:11.500 == phase convert
        12:01:13.000    artifact web.qcow2: 161.0 MiB, sha256 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        12:01:14.000    artifact web.vmdk: 172.0 MiB, sha256 bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        12:01:14.000 -- phase convert: 2.5s
        12:01:14.000 == job: success after 1m14s
        ");
    }

    #[test]
    fn a_failed_jobs_log_holds_the_failure() {
        let (folder, result) = logs_of(&scripted_run());
        result.unwrap();
        insta::assert_snapshot!(log(&folder, "web-trixie"), @"
        # ovenbird 0.1.0, run r-7f3a, job web-trixie, 2026-11-21 (times are UTC)
        12:00:00.300 == job: web on qemu
        12:00:00.300 == phase steps
        12:00:00.300 == step 1: Install nginx
        12:00:01.000     out | Reading package lists...
        12:00:02.000     err | E: Unable to locate package ngnix
        12:00:02.300 !! error: step `Install nginx` failed (exit status 100)
        12:00:02.300   at ovenbird.yml:21:7
        12:00:02.300   command: apt-get install -y ngnix
        12:00:02.300   | E: Unable to locate package ngnix
        12:00:02.300 -- step 1: failure after 2.0s
        12:00:02.300 -- phase steps: 2.0s
        12:00:02.400    kept console.txt
        12:00:02.400    kept screenshot.png
        12:00:02.500    kept journal.txt
        12:00:03.300 == job: failure after 3.0s: step `Install nginx` failed (exit status 100)
        ");
    }

    #[test]
    fn a_log_that_cannot_be_made_is_told_and_the_others_are_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("web"), "a file where the folder should be").unwrap();
        let mut sink = Box::new(Logs::new(Utf8Path::from_path(folder.path()).unwrap().to_owned()));
        for job in ["web", "db"] {
            sink.on_event(&at(0.0, Some(job), Body::Note { text: "hello".into() }));
        }
        let error = sink.finish().unwrap_err().to_string();
        assert!(error.starts_with("failed to create `"), "{error}");
        assert!(std::fs::read_to_string(folder.path().join("db/log.txt")).unwrap().ends_with("   note: hello\n"));
    }

    #[test]
    fn a_log_holds_every_test() {
        let (folder, result) = logs_of(&tested_run());
        result.unwrap();
        insta::assert_snapshot!(["green", "red", "unsteady"].map(|job| log(&folder, job)).concat(), @"
        # ovenbird 0.1.0, run r-91bc, job green, 2026-11-21 (times are UTC)
        12:00:00.000 == job: web on qemu
        12:00:00.000 == phase convert
        12:00:10.000    artifact green.qcow2: 161.0 MiB, sha256 cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
        12:00:10.000 -- phase convert: 10.0s
        12:00:10.000 == phase test
        12:00:12.000    kept test-1/console.txt
        12:00:12.000    kept test-1/journal.txt
        12:00:44.000    test passed: check failed-units
        12:00:44.000    test waived: check grown: the disk is filled on purpose (until 2027-01-31)
        12:00:44.000 !! test warned: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        12:00:44.000    test passed: service nginx: running
        12:00:44.000    test skipped: file /etc/motd: contents
        12:00:44.000 -- Tests passed: 2 passed, 1 warned, 1 waived, 1 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        12:00:44.000 -- phase test: 34.0s
        12:00:45.000 == job: success after 45.0s
        # ovenbird 0.1.0, run r-91bc, job red, 2026-11-21 (times are UTC)
        12:00:00.000 == job: web on qemu
        12:00:00.000 == phase convert
        12:00:10.000    artifact red.qcow2: 161.0 MiB, sha256 cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
        12:00:10.000 -- phase convert: 10.0s
        12:00:10.000 == phase test
        12:00:12.000    kept test-1/console.txt
        12:00:12.000    kept test-1/journal.txt
        12:00:44.000 !! test failed: check failed-units: app.service has failed
        12:00:44.000   | app.service: Failed with result 'exit-code'.
        12:00:44.000   hint: `systemctl status app.service` in the image tells why
        12:00:44.000 !! test failed: service nginx: running: expected true, found false
        12:00:44.000   at tests/goss.yaml:4:5
        12:00:44.000    test passed: file /etc/motd: exists
        12:00:44.000 -- Tests failed: 2 failed, 1 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        12:00:44.000 -- phase test: 34.0s
        12:00:45.000 == job: failure after 45.0s: 2 of 3 tests failed
        # ovenbird 0.1.0, run r-91bc, job unsteady, 2026-11-21 (times are UTC)
        12:00:00.000 == job: web on qemu
        12:00:00.000 == phase convert
        12:00:10.000    artifact unsteady.qcow2: 161.0 MiB, sha256 cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
        12:00:10.000 -- phase convert: 10.0s
        12:00:10.000 == phase test
        12:00:12.000    kept test-1/console.txt
        12:00:12.000    kept test-1/journal.txt
        12:00:44.000 !! test flaky: http http://localhost/: status: expected 200, found 502
        12:00:44.000   at tests/goss.yaml:14:5
        12:00:44.000    test passed: service nginx: running
        12:00:44.000 -- Tests flaky, passed at attempt 2 only: 2 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        12:00:44.000 -- phase test: 34.0s
        12:00:45.000 == job: success after 45.0s
        ");
    }
}
