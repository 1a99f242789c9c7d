//! What a guest, a script or a tool may print to be obeyed, through every report: zero get through.
//!
//! Each report is made twice, of the same run with harmless words and with hostile ones. What a CI service would do must be
//! the same: as many commands, sections, table rows, cases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use pulldown_cmark::{Event as Mark, Parser, Tag};

use self::corpus::corpus;
use super::ci::{GitHub, GitLab, Setting};
use super::console::groups::{Groups, Marks};
use super::console::plain::{Detail, Plain};
use super::github::runner::{Runner, entries, parse};
use super::github::sink::Actions;
use super::html::Html;
use super::jsonl::JsonLines;
use super::junit::JUnit;
use super::log::Logs;
use super::sinks::Sink;
use super::spool::Spool;
use super::table::Table;
use super::testing::{Buffer, at};
use super::text::Paint;
use super::{gitlab, spool, testing};
use crate::event::{
    Artifact, Body, Cell, Event, Failure, JobFinished, JobId, Kept, KeptKind, Level, Outcome, Phase, Place,
    StepFinished, Stream, Suite, Tested, TestsFinished, Unit, Verdict,
};

/// Whatever comes from outside of this program, in every place where an event can hold it.
fn run_saying(text: &str) -> Vec<Event> {
    let text = || text.to_owned();
    let failure = |step| Failure {
        message: text(),
        step,
        place: Some(Place { file: "ovenbird.yml".into(), line: 3, column: Some(5), exact: true }),
        command: Some(text()),
        hint: Some(text()),
        excerpt: vec![text(), "and".to_owned(), text()],
    };
    let elsewhere =
        Failure { place: Some(Place { file: text().into(), line: 1, column: None, exact: false }), ..failure(None) };
    let artifact = Artifact {
        file: text(),
        format: "qcow2".to_owned(),
        compression: None,
        size: 1,
        virtual_size: 2,
        sha256: text(),
    };
    let finished = |outcome| {
        Body::JobFinished(Box::new(JobFinished {
            outcome,
            seconds: 1.0,
            reason: Some(text()),
            manifest: None,
            verdict: None,
        }))
    };
    let step = |outcome| {
        Body::StepFinished(StepFinished {
            step: 0,
            name: text(),
            outcome,
            conclusion: outcome,
            seconds: 1.0,
            attempts: 2,
        })
    };
    let test = |suite, verdict| Tested {
        suite,
        kind: text(),
        id: text(),
        property: Some(text()),
        title: Some(text()),
        verdict,
        message: text(),
        place: failure(None).place,
        hint: Some(text()),
        excerpt: vec![text(), text()],
        seconds: 1.0,
    };
    let tested = |test: Tested| Body::Tested(Box::new(test));
    let jobs = ["a", "b"].map(|job| JobId(job.to_owned())).to_vec();
    let cell = |value: serde_json::Value| Cell::from_iter([(text(), value.clone()), ("os".to_owned(), value)]);
    let cells = [("a", serde_json::json!(text())), ("b", serde_json::json!({ "x": text() }))];
    let cells = cells.map(|(job, value)| (JobId(job.to_owned()), cell(value))).into();
    let mut events = vec![at(0.0, None, Body::RunStarted { run: text(), version: text(), jobs, cells })];
    for (job, outcome) in [("a", Outcome::Failure), ("b", Outcome::Success)] {
        let bodies = [
            Body::JobStarted { name: text(), platform: text(), tests_only: false },
            Body::Note { text: text() },
            Body::PhaseStarted { phase: Phase::Boot },
            Body::Accelerator { accelerator: text(), reason: text() },
            Body::Output { step: None, stream: Stream::Tool, line: text() },
            Body::Progress { what: text(), done: 0, total: Some(2), unit: Unit::Bytes },
            Body::PhaseFinished { phase: Phase::Boot, seconds: 1.0 },
            Body::StepStarted { step: 0, name: text() },
            Body::Output { step: Some(0), stream: Stream::Stdout, line: text() },
            Body::Output { step: Some(0), stream: Stream::Stderr, line: text() },
            Body::Output { step: Some(0), stream: Stream::Console, line: text() },
            Body::Warning(failure(Some(0))),
            Body::Failure(failure(Some(0))),
            Body::Failure(elsewhere.clone()),
            step(outcome),
            Body::Artifact(artifact.clone()),
            Body::Kept(Kept { file: text(), kind: KeptKind::Journal }),
            Body::PhaseStarted { phase: Phase::Test },
            tested(test(Suite::Checks, Verdict::Passed)),
            tested(test(Suite::Goss, Verdict::Skipped)),
            tested(test(Suite::Goss, Verdict::Waived)),
            tested(test(Suite::Goss, Verdict::Warned)),
            tested(test(Suite::Goss, Verdict::Flaky)),
            tested(test(Suite::Goss, Verdict::Failed)),
            tested(Tested { place: elsewhere.place.clone(), ..test(Suite::Checks, Verdict::Failed) }),
            Body::TestsFinished(tests_of(text())),
            Body::PhaseFinished { phase: Phase::Test, seconds: 1.0 },
            finished(outcome),
        ];
        events.extend(bodies.map(|body| at(1.0, Some(job), body)));
    }
    events.push(at(60.0, Some("b"), Body::Progress { what: text(), done: 1, total: Some(2), unit: Unit::Bytes }));
    events.push(at(120.0, Some("b"), Body::Progress { what: text(), done: 2, total: Some(2), unit: Unit::Bytes }));
    events.push(at(121.0, None, Body::RunFinished { outcome: Outcome::Failure, seconds: 121.0 }));
    events
}

fn tests_of(image: String) -> TestsFinished {
    TestsFinished {
        verdict: Verdict::Failed,
        level: Level::Full,
        passed: 1,
        failed: 2,
        warned: 1,
        waived: 1,
        skipped: 1,
        attempts: 2,
        boot_seconds: Some(1.0),
        seconds: 2.0,
        image: Some(image),
    }
}

/// Everything that all reports write of a run.
struct Written {
    github: String,
    gitlab: String,
    /// Logs and tables: text that any service may show.
    texts: Vec<String>,
    /// Files that someone may print.
    files: Vec<(Utf8PathBuf, String)>,
    _folder: tempfile::TempDir,
}

impl Written {
    fn file(&self, name: &str) -> &str {
        let found = self.files.iter().find(|(path, _)| path == name);
        found.map(|(_, text)| text.as_str()).unwrap_or_else(|| panic!("{name} was not written"))
    }
}

fn written(events: &[Event]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let out = Utf8Path::from_path(folder.path()).unwrap().to_owned();
    let setting = Setting { folder: "".into(), out: "ovenbird-out".into(), command: "ovenbird build".to_owned() };
    let buffers: [Buffer; 5] = Default::default();
    let [github, gitlab_log, plain, table, json] = &buffers;
    let ci = GitHub {
        summary: Some(out.join("summary.md")),
        output: Some(out.join("output")),
        token: "0123456789abcdef".to_owned(),
        ..GitHub::default()
    };
    let job_url = Some("https://gitlab.test/-/jobs/1".to_owned());
    let spooled = out.clone();
    let sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(Groups::new(github.clone(), Marks::GitHub, Detail::Everything)),
        Box::new(Actions::new(github.clone(), setting.clone(), ci).unwrap()),
        Box::new(Groups::new(gitlab_log.clone(), Marks::GitLab, Detail::Everything)),
        Box::new(gitlab::sink::Reports::new(out.clone(), setting.clone(), GitLab { job_url })),
        Box::new(JUnit::new(out.clone(), setting.clone())),
        Box::new(Logs::new(out.clone())),
        Box::new(Plain::new(plain.clone(), Detail::Everything)),
        Box::new(Table::new(table.clone(), "ovenbird-out".into(), Paint { colour: false })),
        Box::new(JsonLines::new(json.clone())),
        Box::new(Spool::new(out.clone())),
        Box::new(Html::new(out.clone(), setting, move |job| spool::path(&spooled, job))),
    ];
    let mut sinks = sinks;
    events.iter().for_each(|event| sinks.iter_mut().for_each(|sink| sink.on_event(event)));
    sinks.into_iter().for_each(|sink| sink.finish().unwrap());
    let names = ["summary.md", "output", "gl-code-quality.json", "gl-annotations.json", "ovenbird.env", "junit.xml"];
    let names = names.into_iter().chain(["a/junit.xml", "b/junit.xml", "a/log.txt", "b/log.txt"]);
    let names = names.chain(["a/events.jsonl", "b/events.jsonl", "report.html"]);
    let files = names.map(|name| (name.into(), std::fs::read_to_string(out.join(name)).unwrap())).collect();
    Written {
        github: github.text(),
        gitlab: gitlab_log.text(),
        texts: [plain, table, json].map(Buffer::text).to_vec(),
        files,
        _folder: folder,
    }
}

/// What GitHub's runner obeys, without the words in it.
fn obeyed(stream: &str) -> Vec<(String, Vec<String>)> {
    let runner = Runner::read(stream.as_bytes());
    assert_eq!(runner.complaints, Vec::<String>::new(), "{stream}");
    let keys = |name: &str| if name == "error" { vec![] } else { vec![name.to_owned()] };
    runner.commands.into_iter().map(|command| (command.name.clone(), keys(&command.name))).collect()
}

/// GitLab's pattern of sections, anywhere in a log.
fn sections(log: &str) -> Vec<String> {
    let pattern = regex::Regex::new("section_(start|end):\\d+:([a-zA-Z0-9_.-]+)(\\[[^\\]]*\\])?\r\u{1b}\\[0K").unwrap();
    pattern.captures_iter(log).map(|found| format!("{} {}", &found[1], &found[2])).collect()
}

/// The Markdown's structure as a parser sees it; code is the only thing that may hold words of others.
fn structure(markdown: &str) -> Vec<String> {
    let options = pulldown_cmark::Options::ENABLE_TABLES | pulldown_cmark::Options::ENABLE_GFM;
    let marks = Parser::new_ext(markdown, options);
    marks
        .filter_map(|mark| match mark {
            Mark::Start(Tag::CodeBlock(_)) => Some("block".to_owned()),
            Mark::Start(tag) => Some(format!("{tag:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned()),
            Mark::Html(html) | Mark::InlineHtml(html) => Some(format!("HTML {html}")),
            _ => None,
        })
        .collect()
}

/// Lines of a chart are ours, or a name without signs of Mermaid's and its times.
#[track_caller]
fn check_chart(markdown: &str) {
    let (_, chart) = markdown.split_once("```mermaid\n").unwrap();
    let (chart, _) = chart.split_once("```\n").unwrap();
    let time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}";
    let name = r#"(boot|test|\d+\.[^:;,#%&{}\[\]<>()"'`|\\=\pC]*)"#;
    let task = format!("^  {name} :(done|crit|active), {time}, {time}$");
    let task = regex::Regex::new(&task).unwrap();
    for line in chart.lines().skip(3) {
        assert!(task.is_match(line) || ["  section a", "  section b"].contains(&line), "{line:?}");
    }
}

/// The tags of a page with the names of their attributes. A `<` that stands anywhere else is none of ours.
fn tags(page: &str) -> BTreeSet<String> {
    let (page, _) = page.split_once("<script>").unwrap();
    let attributes = regex::Regex::new(r#" ([^ "=>]+)(="[^"]*")?"#).unwrap();
    let tag = |tag: &str| {
        let name: String = tag.chars().take_while(|char| !" >\n".contains(*char)).collect();
        let end = quoted_end(tag);
        let names = attributes.captures_iter(tag.get(name.len()..end).unwrap_or_default());
        let names: Vec<String> = names.map(|found| found[1].to_owned()).collect();
        format!("{name} {}", names.join(" "))
    };
    page.split('<').skip(1).map(tag).collect()
}

/// Where a tag ends: at the first `>` outside of quotes.
fn quoted_end(tag: &str) -> usize {
    let mut is_quoted = false;
    let end = tag.char_indices().find(|(_, char)| {
        is_quoted ^= *char == '"';
        *char == '>' && !is_quoted
    });
    end.map_or(tag.len(), |(at, _)| at)
}

/// The elements of an XML document.
fn elements(xml: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(xml).unwrap();
    document.descendants().filter(|node| node.is_element()).map(|node| node.tag_name().name().to_owned()).collect()
}

#[track_caller]
fn check(text: &str) {
    static HARMLESS: LazyLock<Written> = LazyLock::new(|| written(&run_saying("harmless")));
    let (harmless, hostile) = (&*HARMLESS, written(&run_saying(text)));
    assert_eq!(obeyed(&hostile.github), obeyed(&harmless.github), "GitHub's log");
    assert_eq!(sections(&hostile.gitlab), sections(&harmless.gitlab), "GitLab's log");
    let ours = hostile.gitlab.matches('\u{1b}').count();
    assert_eq!(ours, sections(&hostile.gitlab).len() * 2, "escape sequences that are not ours");
    assert!(!hostile.github.contains(['\u{1b}', '\r']));
    for (name, text) in hostile.files.iter().filter(|(name, _)| name != "output") {
        let lines = text.split(['\n', '\r']);
        let obeyed: Vec<_> = lines.filter(|line| parse(line, None).is_some()).collect();
        assert!(obeyed.is_empty(), "printing {name} would be obeyed: {obeyed:?}");
        assert!(!text.contains('\u{1b}'), "{name} has an escape sequence");
    }
    for text in &hostile.texts {
        assert_eq!(Runner::read(text.as_bytes()).commands, [], "{text}");
        assert!(!text.contains('\u{1b}'));
    }
    let outputs = entries(hostile.file("output")).unwrap();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["artifact-id", "images", "job-id", "manifest", "report"]);
    assert_eq!((outputs["manifest"].as_str(), outputs["job-id"].as_str()), ("ovenbird-out/images.json", "b"));
    let images: serde_json::Value = serde_json::from_str(&outputs["images"]).unwrap();
    assert_eq!(images.as_array().unwrap().len(), 1);
    assert_eq!(
        structure(hostile.file("summary.md")),
        structure(harmless.file("summary.md")),
        "{}",
        hostile.file("summary.md")
    );
    check_chart(hostile.file("summary.md"));
    for name in ["junit.xml", "a/junit.xml", "b/junit.xml"] {
        assert_eq!(elements(hostile.file(name)), elements(harmless.file(name)), "{name}");
    }
    let (page, known) = (tags(hostile.file("report.html")), tags(harmless.file("report.html")));
    assert!(page.iter().all(|tag| known.contains(tag)), "{:?}", page.difference(&known).collect::<Vec<_>>());
    let quality: serde_json::Value = serde_json::from_str(hostile.file("gl-code-quality.json")).unwrap();
    let paths: Vec<_> =
        quality.as_array().unwrap().iter().map(|one| one["location"]["path"].as_str().unwrap()).collect();
    let is_inside = |path: &&str| path.split('/').all(|part| !["", ".", ".."].contains(&part));
    assert!(paths.iter().all(is_inside), "{paths:?}");
    serde_json::from_str::<serde_json::Value>(hostile.file("gl-annotations.json")).unwrap();
    let keys: Vec<_> = hostile.file("ovenbird.env").lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert!(keys.iter().all(|key| key.starts_with("OVENBIRD_")), "{keys:?}");
}

#[test]
fn nothing_that_a_machine_says_is_obeyed_anywhere() {
    let corpus = corpus();
    assert!(corpus.len() >= 150, "{}", corpus.len());
    for text in corpus {
        let shown = text.escape_debug().to_string();
        if let Err(panic) = std::panic::catch_unwind(|| check(&text)) {
            let _ = writeln!(std::io::stderr(), "got through: {shown}");
            std::panic::resume_unwind(panic);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_of_output_is_ever_a_command(text in "(::|##|\\[|\\]|error|group|endgroup| |\r|\n|\t|=|,|%0A|\u{1b}|`|\\PC|.){0,24}") {
        check(&text);
    }
}

#[test]
fn a_scripted_run_is_obeyed_as_meant() {
    let runs = written(&testing::scripted_run().into_iter().map(as_two_jobs).collect::<Vec<_>>());
    let runner = Runner::read(runs.github.as_bytes());
    assert_eq!(runner.complaints, Vec::<String>::new());
}

/// The jobs of the scripted run under the two names that [`written`] reads files of.
fn as_two_jobs(mut event: Event) -> Event {
    if let Some(job) = &mut event.job {
        job.0 = if job.0 == "web-trixie" { "a".to_owned() } else { "b".to_owned() };
    }
    event
}
