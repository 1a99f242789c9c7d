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
    Artifact, Body, Cell, Event, Failure, JobFinished, JobId, Kept, KeptKind, Level, Outcome, Phase, Place,
    StepFinished, Stream, Suite, Tested, TestsFinished, Verdict, WIRE_VERSION,
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
        self.at(begin, Body::JobStarted { name: name.to_owned(), platform: "qemu".to_owned(), tests_only: false });
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
        self.at(
            end,
            Body::JobFinished(Box::new(JobFinished { outcome, seconds, reason, manifest: None, verdict: None })),
        );
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

/// One whose image is tested, with every verdict that does not fail it.
fn tested(job: &str, os: &str, arch: &str, begin: f64) -> Script {
    let mut script = built(job, os, arch, begin);
    // The last line is the job's end.
    let kept = script.lines.lines().count() - 1;
    script.lines = script.lines.lines().take(kept).map(|line| format!("{line}\n")).collect();
    script.at(begin + 91.0, Body::PhaseStarted { phase: Phase::Test });
    let verdicts = [Verdict::Passed, Verdict::Skipped, Verdict::Waived, Verdict::Warned, Verdict::Flaky];
    for verdict in verdicts {
        let found = if verdict == Verdict::Passed { "" } else { "expected true, found false" };
        script.at(begin + 120.0, test("service", &format!("{}.service", verdict.as_str()), verdict, found));
    }
    let image = Some(format!("web-{os}-{arch}.qcow2"));
    script.at(begin + 120.0, Body::TestsFinished(tests_finished(image)));
    script.at(begin + 120.0, Body::PhaseFinished { phase: Phase::Test, seconds: 29.0 });
    script.end(begin + 120.2, begin, Outcome::Success, None);
    script
}

fn test(kind: &str, id: &str, verdict: Verdict, message: &str) -> Body {
    Body::Tested(Box::new(Tested {
        suite: Suite::Goss,
        kind: kind.to_owned(),
        id: id.to_owned(),
        property: Some("running".to_owned()),
        title: Some(format!("{id} runs")),
        verdict,
        message: message.to_owned(),
        place: Some(Place { file: "goss.yaml".into(), line: 4, column: None, exact: true }),
        hint: None,
        excerpt: Vec::new(),
        seconds: 0.2,
    }))
}

fn tests_finished(image: Option<String>) -> TestsFinished {
    TestsFinished {
        verdict: Verdict::Flaky,
        level: Level::Standard,
        passed: 2,
        failed: 0,
        warned: 1,
        waived: 1,
        skipped: 1,
        attempts: 2,
        boot_seconds: Some(12.0),
        seconds: 29.0,
        image,
    }
}

fn failed(job: &str, os: &str, arch: &str, begin: f64) -> Script {
    let mut script = Script::new(job, &[("os", os), ("arch", arch)]);
    script.begin("web", begin);
    script.step(0, "Install nginx", begin + 40.0, 12.0, Outcome::Failure);
    script.at(begin + 52.0, Body::PhaseFinished { phase: Phase::Steps, seconds: 12.0 });
    let kept = |file: &str, kind| Body::Kept(Kept { file: file.to_owned(), kind });
    script.at(begin + 52.5, kept("screenshot.png", KeptKind::Screenshot));
    script.at(begin + 52.5, kept("console.txt", KeptKind::Console));
    script.end(begin + 53.0, begin, Outcome::Failure, Some("step `Install nginx` failed (exit status 100)"));
    script
}

/// Three fields of a matrix of two by two.
fn small() -> Vec<Script> {
    vec![
        built("bookworm-amd64", "bookworm", "amd64", 0.0),
        failed("trixie-amd64", "trixie", "amd64", 1.0),
        tested("bookworm-arm64", "bookworm", "arm64", 20.0),
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
        script.at(43.0, hostile_test(text));
        script.at(43.0, Body::TestsFinished(tests_finished(Some(text.clone()))));
        script.end(44.0, 0.0, Outcome::Failure, Some(text));
        script
    };
    corpus.iter().enumerate().map(script).collect()
}

fn hostile_test(text: &str) -> Body {
    let mut test = test(text, text, Verdict::Failed, text);
    if let Body::Tested(test) = &mut test {
        (test.property, test.title, test.hint) = (Some(text.to_owned()), Some(text.to_owned()), Some(text.to_owned()));
        test.excerpt = vec![text.to_owned()];
        test.place = saying(text).place;
    }
    test
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

/// Where the pages of a kind are made.
fn page(folder: &Utf8Path, scripts: &[Script], put: impl Fn(&Utf8Path)) -> Utf8PathBuf {
    std::fs::create_dir(folder).unwrap();
    let paths: Vec<Utf8PathBuf> = scripts.iter().map(|script| script.save(folder)).collect();
    put(folder);
    let setting = Setting { out: "ovenbird-out".into(), command: "ovenbird build".to_owned(), ..Setting::default() };
    replay(&paths, ReplayOptions { out: folder.join("out"), setting, ci: None, table: false, colour: false }).unwrap();
    folder.join("out/report.html")
}

/// What a build leaves beside the page of a job that failed.
fn put_evidence(folder: &Utf8Path) {
    let job = folder.join("out/trixie-amd64");
    std::fs::create_dir_all(&job).unwrap();
    std::fs::write(folder.join("screenshot.png"), include_bytes!("html/screenshot.png")).unwrap();
    std::fs::write(job.join("screenshot.png"), include_bytes!("html/screenshot.png")).unwrap();
    for name in ["console.txt", "log.txt"] {
        std::fs::write(job.join(name), "of the machine\n").unwrap();
    }
}

/// Has a browser do all checks of `browser.mjs` on pages of these kinds.
///
/// # Panics
/// Chromium, node or the packages are missing.
#[track_caller]
fn browse(pages: &serde_json::Value) -> std::process::Output {
    let packages = PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/ovenbird/test/html");
    for path in [Path::new("/usr/bin/chromium"), &packages.join("node_modules/puppeteer-core")] {
        let path_shown = path.display();
        assert!(path.exists(), "`{path_shown}` is not there: run `scripts/setup.sh test`, which installs it");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/html/browser.mjs");
    Command::new("node").arg(script).arg(&packages).arg(pages.to_string()).output().unwrap()
}

/// One browser does all checks: starting one takes longer than most of them. Each that fails is told by its name.
#[test]
fn people_see_and_do_in_a_browser_what_the_page_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let nothing = |_: &Utf8Path| {};
    let pages = std::thread::scope(|scope| {
        let large = scope.spawn(|| page(&root.join("large"), &large(), nothing));
        let hostile = page(&root.join("hostile"), &hostile(), nothing);
        let small = page(&root.join("small"), &small(), put_evidence);
        json!({ "small": small, "hostile": hostile, "large": large.join().unwrap() })
    });
    // For people who look at the page while they change it.
    if let Some(into) = std::env::var_os("OVENBIRD_TEST_KEEP_PAGES") {
        for (kind, page) in pages.as_object().unwrap() {
            std::fs::copy(page.as_str().unwrap(), Path::new(&into).join(format!("{kind}.html"))).unwrap();
        }
    }
    let output = browse(&pages);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let done = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(done, 18, "{told}");
}
