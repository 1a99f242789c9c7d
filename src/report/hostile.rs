//! What a guest, a script or a tool may print to be obeyed, through every report: zero get through.
//!
//! Each report is made twice, of the same run with harmless words and with hostile ones. What a CI service would do must be
//! the same: as many commands, sections, table rows, cases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use pulldown_cmark::{Event as Mark, Parser, Tag};

use super::ci::{GitHub, GitLab, Setting};
use super::console::groups::{Groups, Marks};
use super::console::plain::{Detail, Plain};
use super::github::runner::{Runner, entries, parse};
use super::github::sink::Actions;
use super::jsonl::JsonLines;
use super::junit::JUnit;
use super::log::Logs;
use super::sinks::Sink;
use super::table::Table;
use super::testing::{Buffer, at};
use super::text::Paint;
use super::{gitlab, testing};
use crate::event::{
    Artifact, Body, Event, Failure, JobFinished, JobId, Kept, KeptKind, Outcome, Phase, Place, StepFinished, Stream,
    Unit,
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
        Body::JobFinished(Box::new(JobFinished { outcome, seconds: 1.0, reason: Some(text()), manifest: None }))
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
    let jobs = ["a", "b"].map(|job| JobId(job.to_owned())).to_vec();
    let mut events = vec![at(0.0, None, Body::RunStarted { run: text(), version: text(), jobs })];
    for (job, outcome) in [("a", Outcome::Failure), ("b", Outcome::Success)] {
        let bodies = [
            Body::JobStarted { name: text(), platform: text() },
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
            finished(outcome),
        ];
        events.extend(bodies.map(|body| at(1.0, Some(job), body)));
    }
    events.push(at(60.0, Some("b"), Body::Progress { what: text(), done: 1, total: Some(2), unit: Unit::Bytes }));
    events.push(at(120.0, Some("b"), Body::Progress { what: text(), done: 2, total: Some(2), unit: Unit::Bytes }));
    events.push(at(121.0, None, Body::RunFinished { outcome: Outcome::Failure, seconds: 121.0 }));
    events
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
    let sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(Groups::new(github.clone(), Marks::GitHub, Detail::Everything)),
        Box::new(Actions::new(github.clone(), setting.clone(), ci).unwrap()),
        Box::new(Groups::new(gitlab_log.clone(), Marks::GitLab, Detail::Everything)),
        Box::new(gitlab::sink::Reports::new(out.clone(), setting.clone(), GitLab { job_url })),
        Box::new(JUnit::new(out.clone(), setting)),
        Box::new(Logs::new(out.clone())),
        Box::new(Plain::new(plain.clone(), Detail::Everything)),
        Box::new(Table::new(table.clone(), "ovenbird-out".into(), Paint { colour: false })),
        Box::new(JsonLines::new(json.clone())),
    ];
    let mut sinks = sinks;
    events.iter().for_each(|event| sinks.iter_mut().for_each(|sink| sink.on_event(event)));
    sinks.into_iter().for_each(|sink| sink.finish().unwrap());
    let names = ["summary.md", "output", "gl-code-quality.json", "gl-annotations.json", "ovenbird.env", "junit.xml"];
    let names = names.into_iter().chain(["a/junit.xml", "b/junit.xml", "a/log.txt", "b/log.txt"]);
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
    let name = r#"(boot|\d+\.[^:;,#%&{}\[\]<>()"'`|\\=\pC]*)"#;
    let task = format!("^  {name} :(done|crit|active), {time}, {time}$");
    let task = regex::Regex::new(&task).unwrap();
    for line in chart.lines().skip(3) {
        assert!(task.is_match(line) || ["  section a", "  section b"].contains(&line), "{line:?}");
    }
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
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["images", "job-id", "manifest"]);
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
    let quality: serde_json::Value = serde_json::from_str(hostile.file("gl-code-quality.json")).unwrap();
    let paths: Vec<_> =
        quality.as_array().unwrap().iter().map(|one| one["location"]["path"].as_str().unwrap()).collect();
    let is_inside = |path: &&str| path.split('/').all(|part| !["", ".", ".."].contains(&part));
    assert!(paths.iter().all(is_inside), "{paths:?}");
    serde_json::from_str::<serde_json::Value>(hostile.file("gl-annotations.json")).unwrap();
    let keys: Vec<_> = hostile.file("ovenbird.env").lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert!(keys.iter().all(|key| key.starts_with("OVENBIRD_")), "{keys:?}");
}

/// What to print to be obeyed.
fn corpus() -> Vec<String> {
    let commands = [
        "error",
        "warning",
        "notice",
        "add-mask",
        "set-output",
        "save-state",
        "set-env",
        "add-path",
        "add-matcher",
        "group",
        "endgroup",
        "debug",
        "echo",
        "stop-commands",
    ];
    let mut corpus = Vec::new();
    for name in commands {
        corpus.push(format!("::{name}::x"));
        corpus.push(format!("text ##[{name}]x"));
        corpus.push(format!("10 %\r::{name} file=a,line=1::x"));
        corpus.push(format!("a\n  ::{}::x\nb", name.to_uppercase()));
        corpus.push(format!("#\u{1b}#\u{0}[{name}]x"));
    }
    let others = [
        // Blanks that .NET trims, and characters that a careless filter takes out too late.
        "\u{a0}::error::x",
        "\u{2003}::error::x",
        "\u{3000}::error::x",
        "\u{85}::error::x",
        "\u{feff}::error::x",
        "\u{200b}::error::x",
        ":\u{200d}:error::x",
        ":\u{7f}:error::x",
        "\u{2028}::error::x",
        "\u{2029}::error::x",
        "\u{b}::error::x\u{c}::error::y",
        "##\u{2066}[error]x",
        "####[error]##[error]",
        "##[##[error]x",
        "\t::error::x",
        "%0A::error::x",
        "%250A::error::x",
        "x%0D%0A##[error]x",
        "::error::x\u{fffd}",
        "|::error::x",
        // Ends of our own.
        "::endgroup::\n::group::mine",
        "\r\n::endgroup::\r\n",
        "a,line=1::error::",
        "title=x,file=y",
        "images<<EOF\n[]\nEOF",
        "ovenbird_0123456789abcdef",
        "x\novenbird_0123456789abcdef\nevil=1\n",
        "evil=1",
        // GitLab.
        "\u{1b}[0Ksection_start:1:mine\r\u{1b}[0KHeader",
        "\u{1b}[0Ksection_end:1:a.step-1\r\u{1b}[0K",
        "section_start:1:mine\r\u{1b}[0K",
        "section_end:1:a.boot\r",
        "\r\u{1b}[0Ksection_start:1:x[collapsed=false]\r\u{1b}[0K",
        "2026-01-01T00:00:00.000000Z 01O section_start:1:x\r\u{1b}[0K",
        "[[ATTACHMENT|/etc/passwd]]",
        "A=1\nB=2",
        "$HOME `id` $(id)",
        // Terminals.
        "\u{1b}]0;title\u{7}",
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}]8;;https://evil.test\u{1b}\\click\u{1b}]8;;\u{1b}\\",
        "\u{9b}31mred",
        "\u{202e}txt.exe",
        "half \u{1b}[",
        "half \u{1b}",
        // HTML.
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</pre></code></td></table><h1>x</h1>",
        "</details></summary>",
        "<!-- -->",
        "<!--",
        "<![CDATA[",
        "]]>",
        "&lt;b&gt; &#x3c;script&#x3e;",
        "<a href=\"javascript:alert(1)\">x</a>",
        "\"><svg/onload=alert(1)>",
        "' onmouseover='x",
        // Markdown.
        "`",
        "``",
        "```",
        "a`b``c```d````e",
        "`<b>x</b>`",
        "`` [link](https://evil.test) ``",
        "````\n# heading\n````",
        "~~~\n# heading\n~~~",
        "# heading",
        "\n\n# heading\n\n",
        "- list\n- list",
        "> quote",
        "---",
        "===",
        "| a | b |\n| --- | --- |",
        "a | b",
        "a \\| b",
        "\\",
        "\\`",
        "[link](https://evil.test)",
        "![image](https://evil.test/pixel.png)",
        "<https://evil.test>",
        "https://evil.test www.evil.test",
        "[ref]: https://evil.test\n[ref]",
        "@someone #1 GH-1 :smile:",
        "**bold** _it_ ~~no~~",
        "$$\\href{x}{y}$$ $`x`$",
        "[^1]\n\n[^1]: note",
        "&nbsp;&copy;",
        // Mermaid.
        "```mermaid\ngraph TD; A-->B\n```",
        "%%{init: {\"theme\": \"x\"}}%%",
        "section mine\nclick a href \"https://evil.test\"",
        "a :crit, 2026-01-01, 1d",
        "a;b#c:d",
        "end\ntitle mine\ndateFormat X",
        // XML.
        "\u{0}\u{1}\u{8}\u{b}\u{c}\u{e}\u{1f}",
        "\u{fffe}\u{ffff}",
        "&entity; &#0; &#x1f;",
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
        "</failure></testcase></testsuite></testsuites>",
        "\u{10ffff}\u{e000}",
        // Paths.
        "../../../etc/passwd",
        "/etc/passwd",
        "",
        " ",
        "\n",
        "\r",
    ];
    corpus.extend(others.map(str::to_owned));
    // Half-written characters arrive as their replacement.
    let halves: [&[u8]; 4] = [b"\xc3::error::x", b"::error\xe2\x82::x", b"\xf0\x9f\x98\n::error::x", b"##\xff[error]x"];
    corpus.extend(halves.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
    corpus.push(format!("{}##[error]x", "x".repeat(10_000)));
    corpus
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
