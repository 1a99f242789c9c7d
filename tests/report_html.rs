//! `report.html` in a real browser: headless Chromium opens pages that `report::replay` makes of events, and looks at them as
//! people do. `tests/html/browser.mjs` says what is looked at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../src/report/hostile/corpus.rs"]
mod corpus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, TimeDelta, Utc};
use ovenbird::event::{
    Artifact, Body, Cell, Event, Failure, JobFinished, JobId, Outcome, Phase, Place, StepFinished, Stream, WIRE_VERSION,
};
use ovenbird::report::{ReplayOptions, Setting, replay};
use serde_json::json;

/// A job's events as `events.jsonl` holds them.
struct Script {
    job: JobId,
    clock: f64,
    lines: String,
}

impl Script {
    fn new(job: &str, cell: &[(&str, &str)]) -> Self {
        let id = JobId(job.to_owned());
        let cell: Cell = cell.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let cells = if cell.is_empty() { BTreeMap::new() } else { [(id.clone(), cell)].into() };
        let mut script = Self { job: id.clone(), clock: 0.0, lines: String::new() };
        script.write(None, Body::RunStarted { run: "r-7f3a".into(), version: "0.1.0".into(), jobs: vec![id], cells });
        script
    }

    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a test")]
    fn write(&mut self, job: Option<JobId>, event: Body) {
        let noon = DateTime::<Utc>::from_timestamp(1_795_262_400, 0).unwrap();
        let time = noon + TimeDelta::milliseconds((self.clock * 1000.0) as i64);
        let event = Event { v: WIRE_VERSION, time, job, event };
        self.lines.push_str(&format!("{}\n", serde_json::to_string(&event).unwrap()));
    }

    fn at(&mut self, seconds: f64, event: Body) {
        self.clock = seconds;
        self.write(Some(self.job.clone()), event);
    }

    /// From the job's start to its steps.
    fn begin(&mut self, name: &str, begin: f64) {
        self.at(begin, Body::JobStarted { name: name.to_owned(), platform: "qemu".to_owned() });
        for (phase, begin, seconds) in [(Phase::Source, begin, 14.0), (Phase::Boot, begin + 14.0, 26.0)] {
            self.at(begin, Body::PhaseStarted { phase });
            self.at(begin + seconds / 2.0, output(None, Stream::Console, "[  OK  ] Reached target network.target"));
            self.at(begin + seconds, Body::PhaseFinished { phase, seconds });
        }
        let (accelerator, reason) = ("kvm".to_owned(), "/dev/kvm works".to_owned());
        self.at(begin + 40.0, Body::Accelerator { accelerator, reason });
        self.at(begin + 40.0, Body::PhaseStarted { phase: Phase::Steps });
    }

    fn step(&mut self, step: usize, name: &str, begin: f64, seconds: f64, outcome: Outcome) {
        self.at(begin, Body::StepStarted { step, name: name.to_owned() });
        self.at(begin + 0.1, output(Some(step), Stream::Stdout, "Reading package lists..."));
        if outcome == Outcome::Failure {
            self.at(begin + seconds - 0.2, output(Some(step), Stream::Stderr, "E: Unable to locate package ngnix"));
            self.at(begin + seconds - 0.1, Body::Failure(no_such_package(step)));
        }
        let name = name.to_owned();
        let end = StepFinished { step, name, outcome, conclusion: outcome, seconds, attempts: 1 };
        self.at(begin + seconds, Body::StepFinished(end));
    }

    fn end(&mut self, end: f64, begin: f64, outcome: Outcome, reason: Option<&str>) {
        let seconds = end - begin;
        let reason = reason.map(str::to_owned);
        self.at(end, Body::JobFinished(Box::new(JobFinished { outcome, seconds, reason, manifest: None })));
    }

    fn save(&self, folder: &Utf8Path) -> Utf8PathBuf {
        let path = folder.join(format!("{}.jsonl", self.job));
        std::fs::write(&path, &self.lines).unwrap();
        path
    }
}

fn output(step: Option<usize>, stream: Stream, line: &str) -> Body {
    Body::Output { step, stream, line: line.to_owned() }
}

fn no_such_package(step: usize) -> Failure {
    Failure {
        message: "step `Install nginx` failed (exit status 100)".into(),
        step: Some(step),
        place: Some(Place { file: "ovenbird.yml".into(), line: 21, column: Some(7), exact: true }),
        command: Some("apt-get install -y ngnix".into()),
        hint: Some("is the package's name right?".into()),
        excerpt: vec!["E: Unable to locate package ngnix".into()],
    }
}

fn artifact(file: &str, digit: char) -> Body {
    Body::Artifact(Artifact {
        file: file.to_owned(),
        format: "qcow2".to_owned(),
        compression: Some("zstd".to_owned()),
        size: 168_820_736,
        virtual_size: 4 << 30,
        sha256: digit.to_string().repeat(64),
    })
}

fn built(job: &str, os: &str, arch: &str, begin: f64) -> Script {
    let mut script = Script::new(job, &[("os", os), ("arch", arch)]);
    script.begin("web", begin);
    script.step(0, "Install nginx", begin + 40.0, 31.2, Outcome::Success);
    script.step(1, "Copy the site", begin + 71.2, 6.0, Outcome::Success);
    script.at(begin + 77.2, Body::PhaseFinished { phase: Phase::Steps, seconds: 37.2 });
    script.at(begin + 77.2, Body::PhaseStarted { phase: Phase::Seal });
    script
        .at(begin + 80.0, Body::Warning(Failure { hint: Some("name a mirror".into()), ..Failure::new("slow mirror") }));
    script.at(begin + 84.0, Body::PhaseFinished { phase: Phase::Seal, seconds: 6.8 });
    script.at(begin + 84.0, Body::PhaseStarted { phase: Phase::Convert });
    script.at(begin + 90.0, artifact(&format!("web-{os}-{arch}.qcow2"), 'a'));
    script.at(begin + 90.0, Body::PhaseFinished { phase: Phase::Convert, seconds: 6.0 });
    script.end(begin + 90.2, begin, Outcome::Success, None);
    script
}

fn failed(job: &str, os: &str, arch: &str, begin: f64) -> Script {
    let mut script = Script::new(job, &[("os", os), ("arch", arch)]);
    script.begin("web", begin);
    script.step(0, "Install nginx", begin + 40.0, 12.0, Outcome::Failure);
    script.at(begin + 52.0, Body::PhaseFinished { phase: Phase::Steps, seconds: 12.0 });
    script.end(begin + 53.0, begin, Outcome::Failure, Some("step `Install nginx` failed (exit status 100)"));
    script
}

/// Three fields of a matrix of two by two.
fn small() -> Vec<Script> {
    vec![
        built("bookworm-amd64", "bookworm", "amd64", 0.0),
        failed("trixie-amd64", "trixie", "amd64", 1.0),
        built("bookworm-arm64", "bookworm", "arm64", 20.0),
    ]
}

/// 64 jobs of 2000 lines each, two of which fail and one is cancelled.
fn large() -> Vec<Script> {
    let oses = ["bookworm", "trixie", "noble", "jammy", "fedora-42", "alma-9", "rocky-9", "leap-15"];
    let flavours = ["web", "db", "worker", "base"];
    let mut scripts = Vec::new();
    for (row, flavour) in flavours.iter().enumerate() {
        for arch in ["amd64", "arm64"] {
            for os in oses {
                let job = format!("{os}-{arch}-{flavour}");
                let cell = [("os", os), ("arch", arch), ("flavour", *flavour)];
                let begin = f64::from(u32::try_from(scripts.len()).unwrap()) * 7.0;
                scripts.push(talkative(&job, &cell, begin, row));
            }
        }
    }
    scripts
}

fn talkative(job: &str, cell: &[(&str, &str)], begin: f64, row: usize) -> Script {
    let mut script = Script::new(job, cell);
    let is_failing = job.starts_with("noble-arm64-") && row < 2;
    let is_cancelled = job == "leap-15-arm64-base";
    script.begin("fleet", begin);
    if is_cancelled {
        script.end(begin + 44.0, begin, Outcome::Cancelled, Some("cancelled"));
        return script;
    }
    script.at(begin + 40.0, Body::StepStarted { step: 0, name: "Compile the kernel modules".into() });
    for line in 0..1980 {
        let text = format!("line {line}: cc -O2 -Wall -c -o build/module-{line}.o module-{line}.c");
        script.at(begin + 40.0 + f64::from(line) / 100.0, output(Some(0), Stream::Stdout, &text));
    }
    let (name, outcome, seconds) = ("Compile the kernel modules".to_owned(), Outcome::Success, 20.0);
    let end = StepFinished { step: 0, name, outcome, conclusion: outcome, seconds, attempts: 1 };
    script.at(begin + 60.0, Body::StepFinished(end));
    let outcome = if is_failing { Outcome::Failure } else { Outcome::Success };
    script.step(1, "Install nginx", begin + 60.0, 20.0, outcome);
    script.at(begin + 80.0, Body::PhaseFinished { phase: Phase::Steps, seconds: 40.0 });
    let reason = is_failing.then_some("step `Install nginx` failed (exit status 100)");
    script.end(begin + 81.0, begin, outcome, reason);
    script
}

/// A job for each string of the corpus, which says it wherever it can.
fn hostile() -> Vec<Script> {
    let mut corpus = corpus::corpus();
    let runs = [
        "<script>window.pwned = 1</script>",
        "<img src=x onerror=\"window.pwned = 2\">",
        "</script><svg onload=pwned=3>",
    ];
    corpus.extend(runs.map(str::to_owned));
    corpus.extend(
        ["\"><body onload=pwned=4>", "</pre><style>*{display:none}</style>", "</title><base href=x>"]
            .map(str::to_owned),
    );
    let script = |(index, text): (usize, &String)| {
        let mut script = Script::new(&format!("job-{index}"), &[("os", text), ("arch", &index.to_string())]);
        script.begin(text, 0.0);
        script.at(41.0, Body::StepStarted { step: 0, name: text.clone() });
        script.at(41.5, output(Some(0), Stream::Stdout, text));
        script.at(42.0, Body::Note { text: text.clone() });
        script.at(42.0, Body::Failure(saying(text)));
        script.at(43.0, artifact(text, 'b'));
        script.end(44.0, 0.0, Outcome::Failure, Some(text));
        script
    };
    corpus.iter().enumerate().map(script).collect()
}

fn saying(text: &str) -> Failure {
    Failure {
        message: text.to_owned(),
        step: Some(0),
        place: Some(Place { file: text.into(), line: 1, column: None, exact: true }),
        command: Some(text.to_owned()),
        hint: Some(text.to_owned()),
        excerpt: vec![text.to_owned()],
    }
}

/// Shows the page of these jobs to the browser.
///
/// # Panics
/// What is looked at is not as it should be; or Chromium, node or the packages are missing.
#[track_caller]
fn look(check: &str, scripts: &[Script]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let page = page(Utf8Path::from_path(folder.path()).unwrap(), scripts);
    browse(&[check, page.as_str()])
}

fn page(folder: &Utf8Path, scripts: &[Script]) -> Utf8PathBuf {
    let paths: Vec<Utf8PathBuf> = scripts.iter().map(|script| script.save(folder)).collect();
    let setting = Setting { out: "ovenbird-out".into(), command: "ovenbird build".to_owned(), ..Setting::default() };
    replay(&paths, ReplayOptions { out: folder.join("out"), setting, ci: None, colour: false }).unwrap();
    folder.join("out/report.html")
}

#[track_caller]
fn browse(arguments: &[&str]) -> String {
    let packages = PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/ovenbird/test/html");
    let needed = [Path::new("/usr/bin/chromium"), &packages.join("node_modules/puppeteer-core")];
    for path in needed {
        let path = path.display();
        assert!(
            Path::new(&path.to_string()).exists(),
            "`{path}` is not there: run `scripts/setup.sh test`, which installs it"
        );
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/html/browser.mjs");
    let output = Command::new("node").arg(script).arg(&packages).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_page_asks_for_nothing_and_complains_of_nothing() {
    look("alone", &small());
}

#[test]
fn the_page_is_readable_without_its_script() {
    look("readable_without_script", &small());
}

#[test]
fn the_matrix_is_a_grid_whose_fields_lead_to_their_jobs() {
    look("grid", &small());
}

#[test]
fn jobs_are_filtered_by_outcome_and_by_words() {
    look("filter", &small());
}

#[test]
fn logs_are_searched_by_keyboard() {
    look("search", &small());
}

#[test]
fn failing_lines_are_marked_and_have_links() {
    look("failing_lines", &small());
}

#[test]
fn the_timeline_is_zoomed_and_walked_by_keyboard() {
    look("timeline", &small());
}

#[test]
fn copy_buttons_copy() {
    look("copy", &small());
}

#[test]
fn the_page_is_light_or_dark_as_the_system_is_or_as_one_chooses() {
    look("theme", &small());
}

#[test]
fn the_page_fits_a_narrow_screen() {
    look("narrow", &small());
}

#[test]
fn axe_finds_nothing_that_keeps_anyone_out() {
    look("accessible", &small());
}

#[test]
fn nothing_that_a_machine_says_runs_or_becomes_markup() {
    look("hostile", &hostile());
}

#[test]
fn what_would_get_into_the_page_could_not_run() {
    look("policy", &small());
}

#[test]
fn a_run_of_64_jobs_opens_in_less_than_two_seconds() {
    look("quick", &large());
}
