//! What the reports' tests share: a buffer to write into, and a scripted run with every kind of end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::event::{
    Artifact, Body, Event, Failure, JobFinished, JobId, Kept, KeptKind, Level, Outcome, Phase, Place, StepFinished,
    Stream, Suite, Tested, TestsFinished, Unit, Verdict, WIRE_VERSION,
};

/// Bytes that a sink wrote, readable while the sink still has its clone.
#[derive(Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event that happened `seconds` after noon.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds of a test")]
pub(super) fn at(seconds: f64, job: Option<&str>, event: Body) -> Event {
    let noon = DateTime::<Utc>::from_timestamp(1_795_262_400, 0).unwrap_or_default();
    let time = noon + TimeDelta::milliseconds((seconds * 1000.0) as i64);
    Event { v: WIRE_VERSION, time, job: job.map(|job| JobId(job.to_owned())), event }
}

fn output(step: Option<usize>, stream: Stream, line: &str) -> Body {
    Body::Output { step, stream, line: line.to_owned() }
}

fn progress(what: &str, done: u64, total: u64) -> Body {
    Body::Progress { what: what.to_owned(), done, total: Some(total), unit: Unit::Bytes }
}

pub(super) fn finished(outcome: Outcome, seconds: f64, reason: Option<&str>) -> Body {
    Body::JobFinished(Box::new(JobFinished {
        outcome,
        seconds,
        reason: reason.map(str::to_owned),
        manifest: None,
        verdict: None,
    }))
}

fn step_finished(step: usize, name: &str, outcome: Outcome, conclusion: Outcome, seconds: f64) -> Body {
    Body::StepFinished(StepFinished { step, name: name.to_owned(), outcome, conclusion, seconds, attempts: 1 })
}

fn artifact(file: &str, format: &str, size: u64, digit: char) -> Body {
    Body::Artifact(Artifact {
        file: file.to_owned(),
        format: format.to_owned(),
        compression: None,
        size,
        virtual_size: 4 << 30,
        sha256: digit.to_string().repeat(64),
    })
}

fn kept(file: &str, kind: KeptKind) -> Body {
    Body::Kept(Kept { file: file.to_owned(), kind })
}

/// A run of five jobs: one is built, one has a failing step, one's process crashes, one is cancelled while it works, and
/// one before it began.
pub(super) fn scripted_run() -> Vec<Event> {
    let ids = ["web-bookworm", "web-trixie", "crash", "late", "never"];
    let jobs = ids.map(|id| JobId(id.to_owned())).to_vec();
    let started =
        |name: &str| Body::JobStarted { name: name.to_owned(), platform: "qemu".to_owned(), tests_only: false };
    let cells = BTreeMap::new();
    let begun = Body::RunStarted { run: "r-7f3a".into(), version: "0.1.0".into(), jobs, cells };
    let mut events = vec![at(0.0, None, begun)];
    events.extend(built_job(started("web")));
    events.extend(failing_job(started("web")));
    let crashed = Failure {
        message: "the job's process was killed by SIGKILL".into(),
        hint: Some("the machine may have run out of memory".into()),
        ..Failure::default()
    };
    events.extend([
        at(60.0, Some("crash"), started("web")),
        at(61.0, Some("crash"), Body::Failure(crashed)),
        at(61.0, Some("crash"), finished(Outcome::Failure, 1.0, Some("the job's process was killed by SIGKILL"))),
        at(70.0, Some("late"), started("web")),
        at(70.5, Some("late"), Body::PhaseStarted { phase: Phase::Source }),
        at(75.0, Some("late"), finished(Outcome::Cancelled, 5.0, Some("cancelled"))),
        at(75.0, Some("never"), finished(Outcome::Cancelled, 0.0, Some("cancelled before it began"))),
        at(75.2, None, Body::RunFinished { outcome: Outcome::Failure, seconds: 75.2 }),
    ]);
    events
}

fn built_job(started: Body) -> Vec<Event> {
    let job = Some("web-bookworm");
    let (tcg, reason) = ("tcg".to_owned(), "KVM does not run a kernel here".to_owned());
    let warning = Failure { hint: Some("name a mirror".into()), ..Failure::new("the mirror is slow") };
    [
        (0.1, started),
        (0.1, Body::PhaseStarted { phase: Phase::Source }),
        (0.2, progress("download `base.qcow2`", 0, 200 << 20)),
        (5.0, progress("download `base.qcow2`", 90 << 20, 200 << 20)),
        (12.0, progress("download `base.qcow2`", 150 << 20, 200 << 20)),
        (13.0, progress("download `base.qcow2`", 200 << 20, 200 << 20)),
        (13.0, output(None, Stream::Tool, "I: extracting archives")),
        (14.0, Body::Warning(warning)),
        (14.1, Body::PhaseFinished { phase: Phase::Source, seconds: 14.0 }),
        (14.1, Body::PhaseStarted { phase: Phase::Boot }),
        (14.2, Body::Accelerator { accelerator: tcg, reason }),
        (20.0, output(None, Stream::Console, "Booting `Debian'")),
        (40.1, Body::PhaseFinished { phase: Phase::Boot, seconds: 26.0 }),
        (40.1, Body::PhaseStarted { phase: Phase::Steps }),
        (40.1, Body::StepStarted { step: 0, name: "Install nginx".into() }),
        (41.0, output(Some(0), Stream::Stdout, "Setting up nginx")),
        (42.0, output(Some(0), Stream::Stderr, "##[error]forged")),
        (42.0, output(Some(0), Stream::Stdout, "")),
        (71.3, step_finished(0, "Install nginx", Outcome::Success, Outcome::Success, 31.2)),
        (71.3, Body::StepStarted { step: 1, name: "Try something".into() }),
        (71.5, step_finished(1, "Try something", Outcome::Failure, Outcome::Success, 0.2)),
        (71.5, Body::PhaseFinished { phase: Phase::Steps, seconds: 31.4 }),
        (71.5, Body::PhaseStarted { phase: Phase::Convert }),
        (73.0, artifact("web.qcow2", "qcow2", 168_820_736, 'a')),
        (74.0, artifact("web.vmdk", "vmdk", 180_355_072, 'b')),
        (74.0, Body::PhaseFinished { phase: Phase::Convert, seconds: 2.5 }),
        (74.0, finished(Outcome::Success, 73.9, None)),
    ]
    .map(|(seconds, body)| at(seconds, job, body))
    .to_vec()
}

fn failing_job(started: Body) -> Vec<Event> {
    let job = Some("web-trixie");
    let failure = Failure {
        message: "step `Install nginx` failed (exit status 100)".into(),
        step: Some(0),
        place: Some(Place { file: "ovenbird.yml".into(), line: 21, column: Some(7), exact: true }),
        command: Some("apt-get install -y ngnix".into()),
        hint: None,
        excerpt: vec!["E: Unable to locate package ngnix".into()],
    };
    [
        (0.3, started),
        (0.3, Body::PhaseStarted { phase: Phase::Steps }),
        (0.3, Body::StepStarted { step: 0, name: "Install nginx".into() }),
        (1.0, output(Some(0), Stream::Stdout, "Reading package lists...")),
        (2.0, output(Some(0), Stream::Stderr, "E: Unable to locate package ngnix")),
        (2.3, Body::Failure(failure)),
        (2.3, step_finished(0, "Install nginx", Outcome::Failure, Outcome::Failure, 2.0)),
        (2.3, Body::PhaseFinished { phase: Phase::Steps, seconds: 2.0 }),
        (2.4, kept("console.txt", KeptKind::Console)),
        (2.4, kept("screenshot.png", KeptKind::Screenshot)),
        (2.5, kept("journal.txt", KeptKind::Journal)),
        (3.3, finished(Outcome::Failure, 3.0, Some("step `Install nginx` failed (exit status 100)"))),
    ]
    .map(|(seconds, body)| at(seconds, job, body))
    .to_vec()
}

/// A run of three jobs whose images are tested: one's tests pass, with all that does not fail an image, one's fail, and
/// one's pass only when they are tried again.
pub(super) fn tested_run() -> Vec<Event> {
    let ids = ["green", "red", "unsteady"];
    let jobs = ids.map(|id| JobId(id.to_owned())).to_vec();
    let begun = Body::RunStarted { run: "r-91bc".into(), version: "0.1.0".into(), jobs, cells: BTreeMap::new() };
    let mut events = vec![at(0.0, None, begun)];
    events.extend(tested_job("green", green_tests(), Verdict::Passed));
    events.extend(tested_job("red", red_tests(), Verdict::Failed));
    events.extend(tested_job("unsteady", unsteady_tests(), Verdict::Flaky));
    events.push(at(50.0, None, Body::RunFinished { outcome: Outcome::Failure, seconds: 50.0 }));
    events
}

fn tested_job(id: &str, tests: Vec<Tested>, verdict: Verdict) -> Vec<Event> {
    let image = format!("{id}.qcow2");
    let count =
        |verdict| u32::try_from(tests.iter().filter(|test| test.verdict == verdict).count()).unwrap_or_default();
    let end = TestsFinished {
        verdict,
        level: Level::Standard,
        // What is flaky has passed in the end.
        passed: count(Verdict::Passed) + count(Verdict::Flaky),
        failed: count(Verdict::Failed),
        warned: count(Verdict::Warned),
        waived: count(Verdict::Waived),
        skipped: count(Verdict::Skipped),
        attempts: if verdict == Verdict::Passed { 1 } else { 2 },
        boot_seconds: Some(12.0),
        seconds: 34.0,
        image: Some(image.clone()),
    };
    let (outcome, reason) = match verdict {
        Verdict::Failed => (Outcome::Failure, Some("2 of 3 tests failed".to_owned())),
        _ => (Outcome::Success, None),
    };
    let finished = JobFinished { outcome, seconds: 45.0, reason, manifest: None, verdict: Some(verdict) };
    let mut bodies = vec![
        (0.0, Body::JobStarted { name: "web".into(), platform: "qemu".into(), tests_only: false }),
        (0.0, Body::PhaseStarted { phase: Phase::Convert }),
        (10.0, artifact(&image, "qcow2", 168_820_736, 'c')),
        (10.0, Body::PhaseFinished { phase: Phase::Convert, seconds: 10.0 }),
        (10.0, Body::PhaseStarted { phase: Phase::Test }),
        (12.0, kept("test-1/console.txt", KeptKind::Console)),
        (12.0, kept("test-1/journal.txt", KeptKind::Journal)),
    ];
    bodies.extend(tests.into_iter().map(|test| (44.0, Body::Tested(Box::new(test)))));
    bodies.extend([
        (44.0, Body::TestsFinished(end)),
        (44.0, Body::PhaseFinished { phase: Phase::Test, seconds: 34.0 }),
        (45.0, Body::JobFinished(Box::new(finished))),
    ]);
    bodies.into_iter().map(|(seconds, body)| at(seconds, Some(id), body)).collect()
}

/// An assertion on a line of the goss file.
fn goss(kind: &str, id: &str, property: &str, line: u32, verdict: Verdict, message: &str) -> Tested {
    Tested {
        suite: Suite::Goss,
        kind: kind.to_owned(),
        id: id.to_owned(),
        property: Some(property.to_owned()),
        title: None,
        verdict,
        message: message.to_owned(),
        place: Some(Place { file: "tests/goss.yaml".into(), line, column: Some(5), exact: true }),
        hint: None,
        excerpt: Vec::new(),
        seconds: 0.25,
    }
}

fn check(id: &str, verdict: Verdict, message: &str) -> Tested {
    let (kind, property, place) = ("check".to_owned(), None, None);
    Tested { suite: Suite::Checks, kind, property, place, ..goss("", id, "", 1, verdict, message) }
}

fn green_tests() -> Vec<Tested> {
    let waiver = Some(Place { file: "ovenbird.yml".into(), line: 31, column: None, exact: true });
    vec![
        check("failed-units", Verdict::Passed, ""),
        Tested { place: waiver, ..check("grown", Verdict::Waived, "the disk is filled on purpose (until 2027-01-31)") },
        check("listening-ports", Verdict::Warned, "tcp 0.0.0.0:8125 is open, and no test expects it"),
        goss("service", "nginx", "running", 4, Verdict::Passed, ""),
        goss("file", "/etc/motd", "contents", 9, Verdict::Skipped, ""),
    ]
}

fn red_tests() -> Vec<Tested> {
    let hint = Some("`systemctl status app.service` in the image tells why".to_owned());
    let excerpt = vec!["app.service: Failed with result 'exit-code'.".to_owned()];
    vec![
        Tested { hint, excerpt, ..check("failed-units", Verdict::Failed, "app.service has failed") },
        Tested {
            title: Some("the web server runs".into()),
            ..goss("service", "nginx", "running", 4, Verdict::Failed, "expected true, found false")
        },
        goss("file", "/etc/motd", "exists", 9, Verdict::Passed, ""),
    ]
}

fn unsteady_tests() -> Vec<Tested> {
    vec![
        goss("http", "http://localhost/", "status", 14, Verdict::Flaky, "expected 200, found 502"),
        goss("service", "nginx", "running", 4, Verdict::Passed, ""),
    ]
}
