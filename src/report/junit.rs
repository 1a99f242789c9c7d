//! `junit.xml`: a suite for each job, a case for each step, for each test of the finished image, and for each phase but those
//! of the steps and the tests. One file for each job in its folder, and one for all in the output folder.
//!
//! The form is that of Jenkins' schema (`junit-10.xsd`), and of what GitLab reads beyond it: `file` on a case. A failure has
//! a text besides its message, for GitLab shows nothing but the text.

use std::io;

use camino::Utf8PathBuf;

use super::ci::Setting;
use super::run::{Job, Part, Run, Trouble, What};
use super::sinks::Sink;
use super::{failure, file, text, verdict};
use crate::event::{self, Body, Event, Failure, Outcome, Phase, Tested};

/// The file's name, in a job's folder and in that of all.
const FILE: &str = "junit.xml";

/// The case of a job as a whole, for what belongs to no part of it.
const WHOLE: &str = "job";

/// Lines of an excerpt, and bytes of each: GitLab refuses texts of 10 MB.
const EXCERPT: usize = 200;
const LONGEST_LINE: usize = 2000;

/// Collects a run and writes its results.
pub(super) struct JUnit {
    out: Utf8PathBuf,
    setting: Setting,
    /// Whether each job gets a file of its own too.
    is_per_job: bool,
    run: Run,
    result: io::Result<()>,
}

impl JUnit {
    /// `out` is the folder of all jobs' folders.
    pub(super) fn new(out: Utf8PathBuf, setting: Setting) -> Self {
        Self { out, setting, is_per_job: true, run: Run::default(), result: Ok(()) }
    }

    /// Only the file of all jobs: those of each are there already.
    pub(super) fn of_all(out: Utf8PathBuf, setting: Setting) -> Self {
        Self { is_per_job: false, ..Self::new(out, setting) }
    }

    /// Removes what an earlier run left, which must not be taken for this one's if it is killed.
    fn clear(&self) -> io::Result<()> {
        file::remove(&self.out.join(FILE))?;
        let jobs = if self.is_per_job { self.run.jobs.as_slice() } else { &[] };
        jobs.iter().try_for_each(|job| file::remove(&self.out.join(&job.id.0).join(FILE)))
    }

    fn write(&self, job: &Job) -> io::Result<()> {
        let xml = document(&[Suite::new(job, &self.setting)]);
        file::replace(&self.out.join(&job.id.0).join(FILE), xml.as_bytes())
    }

    fn keep(&mut self, result: io::Result<()>) {
        if self.result.is_ok() {
            self.result = result;
        }
    }
}

impl Sink for JUnit {
    fn on_event(&mut self, event: &Event) {
        self.run.take(event);
        let result = match (&event.event, &event.job) {
            (Body::RunStarted { .. }, _) => self.clear(),
            (Body::JobFinished(_), Some(id)) if self.is_per_job => {
                let job = self.run.jobs.iter().find(|job| job.id == *id);
                job.map_or(Ok(()), |job| self.write(job))
            }
            _ => Ok(()),
        };
        self.keep(result);
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let suites: Vec<Suite> = self.run.jobs.iter().map(|job| Suite::new(job, &self.setting)).collect();
        let result = file::replace(&self.out.join(FILE), document(&suites).as_bytes());
        self.keep(result);
        self.result
    }
}

/// A job's results.
struct Suite {
    name: String,
    timestamp: Option<String>,
    seconds: f64,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    class: String,
    seconds: f64,
    result: Verdict,
    /// File and line of a failure.
    place: Option<(String, u32)>,
    /// How often a step was tried, where that was more than once.
    attempts: Option<u32>,
    /// Paths of what was kept of a failure.
    attachments: Vec<String>,
}

enum Verdict {
    Passed,
    /// What went wrong all the same.
    PassedWith(String),
    /// It failed before.
    Flaky {
        message: String,
        text: String,
    },
    Failed {
        message: String,
        text: String,
    },
    Skipped(String),
}

impl Suite {
    fn new(job: &Job, setting: &Setting) -> Self {
        let has_steps = job.parts.iter().any(|part| matches!(part.what, What::Step(..)));
        // The steps stand for their phase, and so do the tests.
        let has_tests = !job.tests.is_empty() && !fails(job, &What::Phase(Phase::Test));
        let is_case = |part: &&Part| match part.what {
            What::Phase(Phase::Steps) => !has_steps,
            What::Phase(Phase::Test) => !has_tests,
            _ => true,
        };
        let parts: Vec<&Part> = job.parts.iter().filter(is_case).collect();
        let mut cases: Vec<Case> = parts.iter().map(|part| Case::of(job, part, setting)).collect();
        cases.extend(job.tests.iter().map(|test| Case::of_test(job, test, setting)));
        let is_told = |what: &What| parts.iter().any(|part| part.what == *what);
        let untold: Vec<&Trouble> =
            own_failures(job).filter(|trouble| !trouble.during.as_ref().is_some_and(is_told)).collect();
        let failed = cases.iter().any(|case| matches!(case.result, Verdict::Failed { .. }));
        let seconds = job.end.as_ref().map_or(0.0, |end| end.seconds);
        let reason = || job.end.as_ref().and_then(|end| end.reason.clone());
        let whole = match job.outcome() {
            Some(Outcome::Failure) if !failed || !untold.is_empty() => {
                Some(Verdict::failed(&untold, &reason().unwrap_or_default(), setting))
            }
            Some(Outcome::Cancelled | Outcome::Skipped) => {
                Some(Verdict::Skipped(reason().unwrap_or_else(|| "not run".to_owned())))
            }
            None => Some(Verdict::Skipped("did not end".to_owned())),
            Some(Outcome::Success) if cases.is_empty() => Some(Verdict::Passed),
            Some(Outcome::Success | Outcome::Failure) => None,
        };
        let place = untold.first().and_then(|trouble| place_of(trouble, setting));
        let (name, class, attachments) = (WHOLE.to_owned(), job.id.0.clone(), Vec::new());
        cases.extend(whole.map(|result| Case {
            name,
            class,
            seconds: 0.0,
            result,
            place,
            attempts: None,
            attachments,
        }));
        // GitLab shows what a failed case names, and in each the first file only.
        if let Some(failed) = cases.iter_mut().find(|case| matches!(case.result, Verdict::Failed { .. })) {
            let path = |file: &String| setting.output(camino::Utf8Path::new(&job.id.0).join(file));
            failed.attachments = job.kept.iter().map(|kept| path(&kept.file)).collect();
        }
        let timestamp = job.begin.map(|begin| begin.format("%Y-%m-%dT%H:%M:%S").to_string());
        Self { name: job.id.0.clone(), timestamp, seconds, cases }
    }

    fn count(&self, is_it: impl Fn(&Verdict) -> bool) -> usize {
        self.cases.iter().filter(|case| is_it(&case.result)).count()
    }

    fn failures(&self) -> usize {
        self.count(|result| matches!(result, Verdict::Failed { .. }))
    }
}

/// What made the job fail besides tests, which are cases of their own.
fn own_failures(job: &Job) -> impl Iterator<Item = &Trouble> {
    job.failures().filter(|trouble| !trouble.is_test)
}

fn fails(job: &Job, what: &What) -> bool {
    own_failures(job).any(|trouble| trouble.during.as_ref() == Some(what))
}

impl Case {
    fn of(job: &Job, part: &Part, setting: &Setting) -> Self {
        let troubles: Vec<&Trouble> =
            own_failures(job).filter(|trouble| trouble.during.as_ref() == Some(&part.what)).collect();
        let place = troubles.first().and_then(|trouble| place_of(trouble, setting));
        let result = match job.was_cancelled_in(part) {
            true => Verdict::Skipped("cancelled".to_owned()),
            false => Verdict::of(part, &troubles, setting),
        };
        let attempts = part.step.as_ref().map(|step| step.attempts).filter(|attempts| *attempts > 1);
        let (name, seconds) = (part.what.title(), part.seconds.unwrap_or(0.0));
        Self { name, class: job.id.0.clone(), seconds, result, place, attempts, attachments: Vec::new() }
    }

    /// Classes as Jenkins makes a tree of: job, suite, type of resource.
    fn of_test(job: &Job, test: &Tested, setting: &Setting) -> Self {
        let class = match test.suite {
            event::Suite::Goss => format!("{}.goss.{}", job.id, test.kind),
            event::Suite::Checks => format!("{}.checks", job.id),
        };
        let property = test.property.as_ref().map(|property| format!(": {property}")).unwrap_or_default();
        let place = test.place.as_ref().and_then(|place| Some((setting.file_of(place)?, place.line)));
        Self {
            name: format!("{}{property}", test.id),
            class,
            seconds: test.seconds,
            result: Verdict::of_test(test, setting),
            place,
            attempts: None,
            attachments: Vec::new(),
        }
    }
}

impl Verdict {
    fn of(part: &Part, troubles: &[&Trouble], setting: &Setting) -> Self {
        match part.step.as_ref().map(|step| (step.outcome, step.conclusion)) {
            _ if !troubles.is_empty() => Self::failed(troubles, "", setting),
            Some((_, Outcome::Failure)) => Self::failed(troubles, "the step failed", setting),
            Some((_, Outcome::Cancelled)) => Self::Skipped("cancelled".to_owned()),
            Some((_, Outcome::Skipped)) => Self::Skipped("its condition was not met".to_owned()),
            Some((Outcome::Failure, Outcome::Success)) => {
                Self::PassedWith("It failed, and the job went on (continue-on-error).".to_owned())
            }
            Some((_, Outcome::Success)) => Self::Passed,
            None if part.seconds.is_none() => Self::Skipped("did not end".to_owned()),
            None => Self::Passed,
        }
    }

    /// Readers take a `failure` for what fails a run: nothing else may have one.
    fn of_test(test: &Tested, setting: &Setting) -> Self {
        let failure = test.failure();
        let message = text::cut(&text::line(&failure.message), LONGEST_LINE);
        let label = test.verdict.as_str();
        let text = || block(label, &failure, setting).join("\n");
        match test.verdict {
            event::Verdict::Passed => Self::Passed,
            event::Verdict::Skipped => Self::Skipped(if test.message.is_empty() { label.to_owned() } else { message }),
            event::Verdict::Waived => Self::PassedWith(verdict::line(test)),
            event::Verdict::Warned => Self::PassedWith(text()),
            event::Verdict::Flaky => Self::Flaky { text: text(), message },
            event::Verdict::Failed => Self::Failed { text: text(), message },
        }
    }

    fn failed(troubles: &[&Trouble], otherwise: &str, setting: &Setting) -> Self {
        let message = troubles.first().map_or(otherwise, |trouble| &trouble.failure.message);
        let message = text::cut(&text::line(message), LONGEST_LINE);
        let lines: Vec<String> =
            troubles.iter().flat_map(|trouble| block("error", &trouble.failure, setting)).collect();
        let text = if lines.is_empty() { message.clone() } else { lines.join("\n") };
        Self::Failed { message, text }
    }
}

fn block(label: &str, failure: &Failure, setting: &Setting) -> Vec<String> {
    let mut failure = failure.clone();
    if let Some(place) = &mut failure.place
        && let Some(file) = setting.file_of(place)
    {
        place.file = file.into();
    }
    let excerpt = failure.excerpt.iter().skip(failure.excerpt.len().saturating_sub(EXCERPT));
    failure.excerpt = excerpt.map(|line| text::cut(line, LONGEST_LINE)).collect();
    failure::block(label, &failure)
}

fn place_of(trouble: &Trouble, setting: &Setting) -> Option<(String, u32)> {
    let place = trouble.failure.place.as_ref()?;
    Some((setting.file_of(place)?, place.line))
}

fn document(suites: &[Suite]) -> String {
    let sum = |of: fn(&Suite) -> usize| suites.iter().map(of).sum::<usize>();
    // Jobs run side by side: their sum is no time that anybody waited, but it is what the form asks for.
    let seconds: f64 = suites.iter().map(|suite| suite.seconds).sum();
    let attributes = [
        ("name", "ovenbird".to_owned()),
        ("tests", sum(|suite| suite.cases.len()).to_string()),
        ("failures", sum(Suite::failures).to_string()),
        ("errors", "0".to_owned()),
        ("time", format!("{seconds:.3}")),
    ];
    let suites: String = suites.iter().map(suite).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}{suites}</testsuites>\n", open("testsuites", &attributes))
}

fn suite(suite: &Suite) -> String {
    let mut attributes = vec![
        ("name", suite.name.clone()),
        ("tests", suite.cases.len().to_string()),
        ("failures", suite.failures().to_string()),
        ("errors", "0".to_owned()),
        ("skipped", suite.count(|result| matches!(result, Verdict::Skipped(_))).to_string()),
        ("time", format!("{:.3}", suite.seconds)),
    ];
    attributes.extend(suite.timestamp.clone().map(|timestamp| ("timestamp", timestamp)));
    let cases: String = suite.cases.iter().map(case).collect();
    format!("  {}{cases}  </testsuite>\n", open("testsuite", &attributes))
}

fn case(case: &Case) -> String {
    let mut attributes =
        vec![("name", case.name.clone()), ("classname", case.class.clone()), ("time", format!("{:.3}", case.seconds))];
    if let Some((file, line)) = &case.place {
        attributes.extend([("file", file.clone()), ("line", line.to_string())]);
    }
    let begin = open("testcase", &attributes);
    let attempts = case.attempts.map(|attempts| properties(&[("attempts", attempts.to_string())]));
    let inner = match &case.result {
        Verdict::Passed => String::new(),
        Verdict::PassedWith(remark) => format!("      <system-out>{}</system-out>\n", escaped(remark)),
        Verdict::Skipped(reason) => element("skipped", &[("message", reason.clone())], reason),
        Verdict::Flaky { message, text } => {
            element("flakyFailure", &[("type", "flaky".to_owned()), ("message", message.clone())], text)
        }
        Verdict::Failed { message, text } => {
            element("failure", &[("type", "failure".to_owned()), ("message", message.clone())], text)
        }
    };
    // Not as text of others, which must not name files. One element for all: GitLab takes no list of them.
    let attachments: Vec<String> =
        case.attachments.iter().map(|path| format!("[[ATTACHMENT|{}]]", escaped(path))).collect();
    let attachments = match attachments.is_empty() {
        true => String::new(),
        false => format!("      <system-out>{}</system-out>\n", attachments.join("\n")),
    };
    format!("    {begin}{}{inner}{attachments}    </testcase>\n", attempts.unwrap_or_default())
}

/// What JUnit's form has no attribute for.
fn properties(pairs: &[(&str, String)]) -> String {
    let one = |(name, value): &(&str, String)| {
        let attributes = [("name", (*name).to_owned()), ("value", value.clone())];
        format!("        {}</property>\n", open("property", &attributes).trim_end())
    };
    format!("      <properties>\n{}      </properties>\n", pairs.iter().map(one).collect::<String>())
}

fn element(name: &str, attributes: &[(&str, String)], text: &str) -> String {
    format!("      {}{}</{name}>\n", open(name, attributes).trim_end(), escaped(text))
}

fn open(name: &str, attributes: &[(&str, String)]) -> String {
    let attributes: String = attributes
        .iter()
        .map(|(key, value)| format!(" {key}=\"{}\"", escaped(&text::line(value)).replace('\t', " ")))
        .collect();
    format!("<{name}{attributes}>\n")
}

/// The text as XML 1.0 can hold it. Line ends stay; other control characters can't be written at all, not even as a
/// reference. `[[ATTACHMENT|path]]` is what GitLab makes a link of.
fn escaped(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(text::line).collect();
    let mut escaped = String::with_capacity(text.len());
    for char in lines.join("\n").replace("[[ATTACHMENT|", "[[ATTACHMENT ").chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8Path;

    use super::*;
    use crate::report::testing::{at, scripted_run, tested_run};

    /// Elements of Jenkins' `junit-10.xsd` as far as they are used here: attributes that are required, that are allowed
    /// besides, and children. GitLab and others read `file` and `line` of a case, which the schema does not know.
    type Rule = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);
    const SCHEMA: [Rule; 9] = [
        ("testsuites", &[], &["name", "tests", "failures", "errors", "time"], &["testsuite"]),
        ("testsuite", &["name", "tests", "failures", "errors"], &["skipped", "time", "timestamp"], &["testcase"]),
        (
            "testcase",
            &["name"],
            &["classname", "time", "file", "line"],
            &["properties", "skipped", "failure", "flakyFailure", "system-out"],
        ),
        ("failure", &[], &["type", "message"], &[]),
        ("flakyFailure", &["type"], &["message"], &[]),
        ("skipped", &[], &["type", "message"], &[]),
        ("system-out", &[], &[], &[]),
        ("properties", &[], &[], &["property"]),
        ("property", &["name", "value"], &[], &[]),
    ];

    #[track_caller]
    fn check_schema(xml: &str) {
        let document = roxmltree::Document::parse(xml).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "testsuites");
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            let (_, required, allowed, children) = SCHEMA.iter().find(|(element, ..)| *element == name).unwrap();
            assert!(required.iter().all(|key| node.has_attribute(*key)), "<{name}> lacks an attribute");
            for attribute in node.attributes().map(|attribute| attribute.name()) {
                assert!(required.contains(&attribute) || allowed.contains(&attribute), "<{name} {attribute}>");
            }
            for child in node.children().filter(roxmltree::Node::is_element) {
                assert!(children.contains(&child.tag_name().name()), "<{}> in <{name}>", child.tag_name().name());
            }
            let count = |key: &str| node.attribute(key).map(|count| count.parse::<usize>().unwrap());
            let found = |of: &str| node.descendants().filter(|inner| inner.tag_name().name() == of).count();
            if let Some(tests) = count("tests") {
                assert_eq!((tests, count("failures")), (found("testcase"), Some(found("failure"))), "<{name}>");
                assert!(count("skipped").is_none_or(|skipped| skipped == found("skipped")));
            }
        }
    }

    fn written(events: &[Event]) -> (tempfile::TempDir, impl Fn(&str) -> String + use<>) {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let mut sink = Box::new(JUnit::new(out.clone(), Setting { folder: "images".into(), ..Setting::default() }));
        events.iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        (folder, move |name| std::fs::read_to_string(out.join(name)).unwrap())
    }

    #[test]
    fn jobs_are_suites_and_steps_are_cases() {
        let (_folder, read) = written(&scripted_run());
        check_schema(&read(FILE));
        insta::assert_snapshot!(read(FILE), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="ovenbird" tests="10" failures="2" errors="0" time="82.900">
          <testsuite name="web-bookworm" tests="5" failures="0" errors="0" skipped="0" time="73.900" timestamp="2026-11-21T12:00:00">
            <testcase name="source" classname="web-bookworm" time="14.000">
            </testcase>
            <testcase name="boot" classname="web-bookworm" time="26.000">
            </testcase>
            <testcase name="1. Install nginx" classname="web-bookworm" time="31.200">
            </testcase>
            <testcase name="2. Try something" classname="web-bookworm" time="0.200">
              <system-out>It failed, and the job went on (continue-on-error).</system-out>
            </testcase>
            <testcase name="convert" classname="web-bookworm" time="2.500">
            </testcase>
          </testsuite>
          <testsuite name="web-trixie" tests="1" failures="1" errors="0" skipped="0" time="3.000" timestamp="2026-11-21T12:00:00">
            <testcase name="1. Install nginx" classname="web-trixie" time="2.000" file="images/ovenbird.yml" line="21">
              <failure type="failure" message="step `Install nginx` failed (exit status 100)">error: step `Install nginx` failed (exit status 100)
          at images/ovenbird.yml:21:7
          command: apt-get install -y ngnix
          | E: Unable to locate package ngnix</failure>
              <system-out>[[ATTACHMENT|web-trixie/screenshot.png]]
        [[ATTACHMENT|web-trixie/console.txt]]
        [[ATTACHMENT|web-trixie/journal.txt]]</system-out>
            </testcase>
          </testsuite>
          <testsuite name="crash" tests="1" failures="1" errors="0" skipped="0" time="1.000" timestamp="2026-11-21T12:01:00">
            <testcase name="job" classname="crash" time="0.000">
              <failure type="failure" message="the job&apos;s process was killed by SIGKILL">error: the job&apos;s process was killed by SIGKILL
          hint: the machine may have run out of memory</failure>
            </testcase>
          </testsuite>
          <testsuite name="late" tests="2" failures="0" errors="0" skipped="2" time="5.000" timestamp="2026-11-21T12:01:10">
            <testcase name="source" classname="late" time="0.000">
              <skipped message="cancelled">cancelled</skipped>
            </testcase>
            <testcase name="job" classname="late" time="0.000">
              <skipped message="cancelled">cancelled</skipped>
            </testcase>
          </testsuite>
          <testsuite name="never" tests="1" failures="0" errors="0" skipped="1" time="0.000">
            <testcase name="job" classname="never" time="0.000">
              <skipped message="cancelled before it began">cancelled before it began</skipped>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn a_phase_that_was_cancelled_has_not_passed() {
        let events = [
            Body::PhaseStarted { phase: Phase::Source },
            Body::PhaseFinished { phase: Phase::Source, seconds: 1.0 },
            Body::PhaseStarted { phase: Phase::Boot },
            Body::PhaseFinished { phase: Phase::Boot, seconds: 2.0 },
            crate::report::testing::finished(Outcome::Cancelled, 3.0, Some("cancelled")),
        ];
        let (_folder, read) = written(&events.map(|body| at(0.0, Some("a"), body)));
        let xml = read("a/junit.xml");
        let document = roxmltree::Document::parse(&xml).unwrap();
        let skipped = document.descendants().filter(|node| node.has_tag_name("skipped"));
        let names: Vec<_> = skipped.filter_map(|node| node.parent()?.attribute("name")).collect();
        assert_eq!(names, ["boot", "job"]);
    }

    #[test]
    fn each_job_has_a_file_of_its_own() {
        let (_folder, read) = written(&scripted_run());
        for job in ["web-bookworm", "web-trixie", "crash", "late", "never"] {
            let xml = read(&format!("{job}/junit.xml"));
            check_schema(&xml);
            assert!(read(FILE).contains(xml.lines().nth(2).unwrap()), "{job}");
        }
    }

    #[test]
    fn an_earlier_runs_results_are_gone_when_a_run_begins() {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        std::fs::create_dir(out.join("a")).unwrap();
        std::fs::write(out.join("a/junit.xml"), "old").unwrap();
        std::fs::write(out.join("junit.xml"), "old").unwrap();
        let jobs = vec![crate::event::JobId("a".to_owned())];
        JUnit::new(out.clone(), Setting::default()).on_event(&at(
            0.0,
            None,
            Body::RunStarted { run: "r".into(), version: "1".into(), jobs, cells: [].into() },
        ));
        assert!(!out.join("a/junit.xml").exists() && !out.join("junit.xml").exists());
    }

    #[test]
    fn a_case_holds_any_text() {
        let texts = ["]]>", "\u{0}\u{8}\u{b}", "\u{fffe}", "<&>\"'", "[[ATTACHMENT|/etc/passwd]]", "a\r\n::error::x"];
        for text in texts {
            let xml = document(&[Suite {
                name: text.to_owned(),
                timestamp: None,
                seconds: 0.0,
                cases: vec![Case {
                    name: text.to_owned(),
                    class: text.to_owned(),
                    seconds: 0.0,
                    result: Verdict::Failed { message: text.to_owned(), text: text.to_owned() },
                    place: Some((text.to_owned(), 1)),
                    attempts: Some(2),
                    attachments: Vec::new(),
                }],
            }]);
            check_schema(&xml);
            assert!(!xml.contains("[[ATTACHMENT|"), "GitLab would link to a file of the attacker's choice");
        }
    }

    #[test]
    fn a_test_is_a_case_and_only_one_that_failed_a_failure() {
        let (_folder, read) = written(&tested_run());
        check_schema(&read(FILE));
        insta::assert_snapshot!(read(FILE), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="ovenbird" tests="13" failures="2" errors="0" time="135.000">
          <testsuite name="green" tests="6" failures="0" errors="0" skipped="1" time="45.000" timestamp="2026-11-21T12:00:00">
            <testcase name="convert" classname="green" time="10.000">
            </testcase>
            <testcase name="failed-units" classname="green.checks" time="0.250">
            </testcase>
            <testcase name="grown" classname="green.checks" time="0.250" file="images/ovenbird.yml" line="31">
              <system-out>waived: check grown: the disk is filled on purpose (until 2027-01-31)</system-out>
            </testcase>
            <testcase name="listening-ports" classname="green.checks" time="0.250">
              <system-out>warned: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it</system-out>
            </testcase>
            <testcase name="nginx: running" classname="green.goss.service" time="0.250" file="images/tests/goss.yaml" line="4">
            </testcase>
            <testcase name="/etc/motd: contents" classname="green.goss.file" time="0.250" file="images/tests/goss.yaml" line="9">
              <skipped message="skipped">skipped</skipped>
            </testcase>
          </testsuite>
          <testsuite name="red" tests="4" failures="2" errors="0" skipped="0" time="45.000" timestamp="2026-11-21T12:00:00">
            <testcase name="convert" classname="red" time="10.000">
            </testcase>
            <testcase name="failed-units" classname="red.checks" time="0.250">
              <failure type="failure" message="check failed-units: app.service has failed">failed: check failed-units: app.service has failed
          | app.service: Failed with result &apos;exit-code&apos;.
          hint: `systemctl status app.service` in the image tells why</failure>
              <system-out>[[ATTACHMENT|red/test-1/console.txt]]
        [[ATTACHMENT|red/test-1/journal.txt]]</system-out>
            </testcase>
            <testcase name="nginx: running" classname="red.goss.service" time="0.250" file="images/tests/goss.yaml" line="4">
              <failure type="failure" message="service nginx: running: expected true, found false">failed: service nginx: running: expected true, found false
          at images/tests/goss.yaml:4:5</failure>
            </testcase>
            <testcase name="/etc/motd: exists" classname="red.goss.file" time="0.250" file="images/tests/goss.yaml" line="9">
            </testcase>
          </testsuite>
          <testsuite name="unsteady" tests="3" failures="0" errors="0" skipped="0" time="45.000" timestamp="2026-11-21T12:00:00">
            <testcase name="convert" classname="unsteady" time="10.000">
            </testcase>
            <testcase name="http://localhost/: status" classname="unsteady.goss.http" time="0.250" file="images/tests/goss.yaml" line="14">
              <flakyFailure type="flaky" message="http http://localhost/: status: expected 200, found 502">flaky: http http://localhost/: status: expected 200, found 502
          at images/tests/goss.yaml:14:5</flakyFailure>
            </testcase>
            <testcase name="nginx: running" classname="unsteady.goss.service" time="0.250" file="images/tests/goss.yaml" line="4">
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
