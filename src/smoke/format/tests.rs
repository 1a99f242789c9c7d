//! Each form of output, and its exit status. `tests/goss.rs` compares them with goss's own.

use std::time::Duration;

use chrono::DateTime;
use insta::assert_snapshot;
use serde_json::{Map, Value, json};

use super::*;
use crate::event::Place;
use crate::smoke::spec::Kind;
use crate::smoke::verdict::MatcherResult;

/// Three results of two resources: one passes, one fails, one is skipped.
fn results() -> Vec<TestResult> {
    let base = TestResult {
        kind: Kind::User,
        id: "root".to_owned(),
        property: "exists".to_owned(),
        title: None,
        meta: Map::new(),
        outcome: Outcome::Success,
        matched: Some(matched(json!(true), "matches expectation", json!(true))),
        error: None,
        started: DateTime::UNIX_EPOCH,
        took: Duration::from_millis(15),
        place: Place { file: "goss.yaml".into(), line: 1, column: None, exact: true },
    };
    let file = TestResult { kind: Kind::File, id: "\"/a<b\"".to_owned(), ..base.clone() };
    vec![
        base,
        TestResult {
            property: "mode".to_owned(),
            title: Some("Ours".to_owned()),
            meta: json!({ "severity": "warn" }).as_object().cloned().unwrap_or_default(),
            outcome: Outcome::Failure,
            matched: Some(matched(json!("0600"), "to equal", json!("0644"))),
            ..file.clone()
        },
        TestResult { property: "owner".to_owned(), outcome: Outcome::Skipped, matched: None, ..file },
    ]
}

fn matched(actual: Value, message: &str, expected: Value) -> MatcherResult {
    MatcherResult { actual, message: message.to_owned(), expected, ..MatcherResult::default() }
}

fn rendered(format: Format, options: Options) -> (String, u8) {
    let output = render(&results(), format, options, DateTime::UNIX_EPOCH);
    (output.text, output.status)
}

#[test]
fn rspecish_marks_each_result_and_explains_what_failed() {
    let (text, status) = rendered(Format::Rspecish, Options::default());
    assert_eq!(status, 1);
    assert_snapshot!(text, @r#"
    .FS

    Failures/Skipped:

    Title: Ours
    Meta:
        severity: warn
    File: "/a<b": mode:
    Expected
        "0600"
    to equal
        "0644"
    diff
        --- test
        +++ actual
        @@ -1 +1 @@
        -0644
        +0600
    File: "/a<b": owner: skipped

    Total Duration: 0.015s
    Count: 3, Failed: 1, Skipped: 1
    "#);
}

#[test]
fn colours_are_there_only_when_asked_for() {
    let (text, _) = rendered(Format::Rspecish, Options { colour: true, ..Options::default() });
    assert!(text.starts_with("\u{1b}[32m.\u{1b}[0m\u{1b}[31mF\u{1b}[0m\u{1b}[33mS\u{1b}[0m"), "{text:?}");
    assert!(!rendered(Format::Documentation, Options::default()).0.contains('\u{1b}'));
}

#[test]
fn sorted_results_come_by_type_and_name() {
    let (text, _) = rendered(Format::Tap, Options { sort: true, ..Options::default() });
    assert_snapshot!(text, @r#"
    1..3
    not ok 1 - File: "/a<b": mode: Expected "0600" to equal "0644"
    ok 2 - # SKIP File: "/a<b": owner: skipped
    ok 3 - User: root: exists: matches expectation: true
    "#);
}

#[test]
fn nagios_ends_with_2_and_counts() {
    let (text, status) = rendered(Format::Nagios, Options { perfdata: true, verbose: true, ..Options::default() });
    assert_eq!(status, 2);
    assert_snapshot!(text, @r#"
    GOSS CRITICAL - Count: 3, Failed: 1, Skipped: 1, Duration: 0.015s|total=3 failed=1 skipped=1 duration=0.015s
    Fail 1 - File: "/a<b": mode: Expected "0600" to equal "0644"
    "#);
    let passed: Vec<TestResult> = results().into_iter().take(1).collect();
    let output = render(&passed, Format::Nagios, Options::default(), DateTime::UNIX_EPOCH);
    assert_eq!(
        (output.text.as_str(), output.status),
        ("GOSS OK - Count: 1, Failed: 0, Skipped: 0, Duration: 0.015s\n", 0)
    );
}

#[test]
fn json_has_goss_keys_in_order_and_escapes_markup() {
    let (text, status) = rendered(Format::Json, Options { pretty: true, ..Options::default() });
    assert_eq!(status, 1);
    assert_snapshot!(text, @r#"
    {
        "results": [
            {
                "duration": 15000000,
                "end-time": "1970-01-01T00:00:00.015Z",
                "err": null,
                "matcher-result": {
                    "actual": true,
                    "expected": true,
                    "extra-elements": null,
                    "found-elements": null,
                    "message": "matches expectation",
                    "missing-elements": null,
                    "transform-chain": null,
                    "untransformed-value": null
                },
                "meta": null,
                "property": "exists",
                "resource-id": "root",
                "resource-type": "User",
                "result": 0,
                "skipped": false,
                "start-time": "1970-01-01T00:00:00Z",
                "successful": true,
                "summary-line": "User: root: exists: matches expectation: true",
                "summary-line-compact": "User: root: exists: matches expectation: true",
                "title": ""
            },
            {
                "duration": 15000000,
                "end-time": "1970-01-01T00:00:00.015Z",
                "err": null,
                "matcher-result": {
                    "actual": "0600",
                    "expected": "0644",
                    "extra-elements": null,
                    "found-elements": null,
                    "message": "to equal",
                    "missing-elements": null,
                    "transform-chain": null,
                    "untransformed-value": null
                },
                "meta": {
                    "severity": "warn"
                },
                "property": "mode",
                "resource-id": "\"/a\u003cb\"",
                "resource-type": "File",
                "result": 1,
                "skipped": false,
                "start-time": "1970-01-01T00:00:00Z",
                "successful": false,
                "summary-line": "File: \"/a\u003cb\": mode:\nExpected\n    \"0600\"\nto equal\n    \"0644\"\ndiff\n    --- test\n    +++ actual\n    @@ -1 +1 @@\n    -0644\n    +0600",
                "summary-line-compact": "File: \"/a\u003cb\": mode: Expected \"0600\" to equal \"0644\"",
                "title": "Ours"
            },
            {
                "duration": 15000000,
                "end-time": "1970-01-01T00:00:00.015Z",
                "err": null,
                "matcher-result": {
                    "actual": null,
                    "expected": null,
                    "extra-elements": null,
                    "found-elements": null,
                    "message": "",
                    "missing-elements": null,
                    "transform-chain": null,
                    "untransformed-value": null
                },
                "meta": null,
                "property": "owner",
                "resource-id": "\"/a\u003cb\"",
                "resource-type": "File",
                "result": 2,
                "skipped": true,
                "start-time": "1970-01-01T00:00:00Z",
                "successful": true,
                "summary-line": "File: \"/a\u003cb\": owner: skipped",
                "summary-line-compact": "File: \"/a\u003cb\": owner: skipped",
                "title": ""
            }
        ],
        "summary": {
            "failed-count": 1,
            "skipped-count": 1,
            "summary-line": "Count: 3, Failed: 1, Skipped: 1, Duration: 0.015s",
            "test-count": 3,
            "total-duration": 15000000
        }
    }
    "#);
    let (line, _) = rendered(Format::Json, Options::default());
    let [pretty, plain] = [&text, &line].map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
    assert_eq!((pretty, line.lines().count()), (plain, 1));
}

#[test]
fn structured_keeps_the_order_of_goss_and_ends_with_0() {
    let (text, status) = rendered(Format::Structured, Options::default());
    assert_eq!(status, 0);
    assert!(text.starts_with(r#"{"results":[{"successful":true,"skipped":false,"resource-id":"root""#), "{text}");
    assert!(text.ends_with("\"summary-line\":\"Count: 3, Failed: 1, Duration: 0.015s\"}\n"), "{text}");
}

#[test]
fn junit_is_xml_with_a_case_for_each_property() {
    let (text, status) = rendered(Format::Junit, Options::default());
    assert_eq!(status, 1);
    assert!(roxmltree::Document::parse(&text).is_ok(), "{text}");
    assert_snapshot!(text, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuite name="goss" errors="0" tests="3" failures="1" skipped="1" time="0.015" timestamp="1970-01-01T00:00:00Z">
    <testcase name="User root exists" time="0.015">
    <system-out>User: root: exists: matches expectation: true</system-out>
    </testcase>
    <testcase name="File &#34;/a&lt;b&#34; mode" time="0.015">
    <system-err>File: &#34;/a&lt;b&#34;: mode: Expected &#34;0600&#34; to equal &#34;0644&#34;</system-err>
    <failure>File: &#34;/a&lt;b&#34;: mode: Expected &#34;0600&#34; to equal &#34;0644&#34;</failure>
    </testcase>
    <testcase name="File &#34;/a&lt;b&#34; owner" time="0.015">
    <skipped/><system-out>File: &#34;/a&lt;b&#34;: owner: skipped</system-out>
    </testcase>
    </testsuite>
    "#);
}

#[test]
fn prometheus_counts_by_type_and_outcome() {
    let (text, status) = rendered(Format::Prometheus, Options::default());
    assert_eq!(status, 0);
    assert_snapshot!(text, @r#"
    # HELP goss_tests_outcomes_duration_milliseconds The duration of tests from this run. Note; tests run concurrently.
    # TYPE goss_tests_outcomes_duration_milliseconds counter
    goss_tests_outcomes_duration_milliseconds{outcome="fail",type="file"} 15
    goss_tests_outcomes_duration_milliseconds{outcome="pass",type="user"} 15
    goss_tests_outcomes_duration_milliseconds{outcome="skip",type="file"} 15
    # HELP goss_tests_outcomes_total The number of test-outcomes from this run.
    # TYPE goss_tests_outcomes_total counter
    goss_tests_outcomes_total{outcome="fail",type="file"} 1
    goss_tests_outcomes_total{outcome="pass",type="user"} 1
    goss_tests_outcomes_total{outcome="skip",type="file"} 1
    # HELP goss_tests_run_duration_milliseconds The end-to-end duration of this run.
    # TYPE goss_tests_run_duration_milliseconds counter
    goss_tests_run_duration_milliseconds{outcome="fail"} 15
    # HELP goss_tests_run_outcomes_total The outcomes of this run as a whole.
    # TYPE goss_tests_run_outcomes_total counter
    goss_tests_run_outcomes_total{outcome="fail"} 1
    "#);
    let (text, _) = rendered(Format::Prometheus, Options { verbose: true, ..Options::default() });
    assert!(
        text.contains("goss_tests_outcomes_total{outcome=\"fail\",resource_id=\"\\\"/a<b\\\"\",type=\"file\"} 1\n")
    );
}

#[test]
fn silent_says_nothing_but_its_status() {
    assert_eq!(rendered(Format::Silent, Options::default()), (String::new(), 1));
}

#[test]
fn a_diff_has_one_line_of_context_around_each_change() {
    assert_eq!(diff::unified("a\n", "a\n"), None);
    assert_snapshot!(diff::unified("1\n2\n3\n4\n5\n6\n7\n8\n", "1\nx\n3\n4\n5\n6\n8\n9\n").unwrap_or_default(), @"
    --- test
    +++ actual
    @@ -1,3 +1,3 @@
     1
    -2
    +x
     3
    @@ -6,4 +6,4 @@
     6
    -7
     8
    +9
    ");
}
