//! `ovenbird eval`, as people and scripts see it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::fs;

use assert_cmd::Command;
use insta::assert_snapshot;

const DEFINITION: &str = "
name: web
variables: { port: 8080, token: { env: TOKEN, sensitive: true } }
strategy: { matrix: { suite: [bookworm, trixie] } }
platforms: { qemu: { builder: qemu, source: { debian: '${{ matrix.suite }}' } } }
env: { URL: 'http://${{ matrix.suite }}:${{ vars.port }}' }
steps: [{ run: 'true' }]
";

/// What `ovenbird eval` says in a folder with these files: its output, its words, its exit status when it is not 0.
fn eval_with(files: &[(&str, &str)], arguments: &[&str], input: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file can be written");
    }
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ovenbird"));
    let output = command
        .current_dir(&folder)
        .env_clear()
        .arg("eval")
        .args(arguments)
        .write_stdin(input)
        .output()
        .expect("it can be started");
    let mut shown = String::from_utf8_lossy(&output.stdout).into_owned();
    shown.push_str(&String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        writeln!(shown, "exit status {:?}", output.status.code()).expect("a string takes it");
    }
    shown
}

fn eval(arguments: &[&str]) -> String {
    eval_with(&[("ovenbird.yml", DEFINITION)], arguments, "")
}

#[test]
fn a_value_is_printed_as_json() {
    assert_snapshot!(eval(&["--", "1.50"]), @"1.5");
    assert_snapshot!(eval(&["--", "'it''s' && null"]), @"null");
    assert_snapshot!(eval(&["--", "-1 < 0"]), @"true");
    assert_snapshot!(eval(&["--", "fromJSON('[\"ü\", {\"b\": []}]')"]), @r#"
    [
      "ü",
      {
        "b": []
      }
    ]
    "#);
    assert_snapshot!(eval(&["--", "success() && !failure()"]), @"true");
    assert_snapshot!(eval(&["--", ""]), @"null");
}

#[test]
fn what_json_has_no_number_for_is_null_as_in_tojson() {
    assert_snapshot!(eval(&["--", "NaN"]), @"null");
    assert_snapshot!(eval(&["--", "-Infinity"]), @"null");
    assert_snapshot!(eval(&["--", "format('{0}', -Infinity)"]), @r#""-Infinity""#);
}

#[test]
fn expressions_may_stand_in_braces_and_in_a_text() {
    assert_snapshot!(eval(&["--", "${{ 1 == 1 }}"]), @"true");
    assert_snapshot!(eval(&["--", "web-${{ matrix.suite }}-${{ 1 }}"]), @r#""web-bookworm-1""#);
}

#[test]
fn the_contexts_are_those_of_the_first_job_or_of_the_one_that_is_named() {
    assert_snapshot!(eval(&["--", "env.URL"]), @r#""http://bookworm:8080""#);
    assert_snapshot!(eval(&["--job", "trixie", "--var", "port=81", "--", "env.url"]), @r#""http://trixie:81""#);
    assert_snapshot!(eval(&["--", "platform"]), @r#"
    {
      "name": "qemu",
      "builder": "qemu",
      "arch": "amd64",
      "firmware": "bios"
    }
    "#);
    assert_snapshot!(eval(&["--", "vars"]), @r#"
    {
      "port": 8080,
      "token": "***"
    }
    "#);
    assert_snapshot!(eval(&["--job", "trixi", "--", "matrix"]), @"
    error[unknown-job]: there is no job `trixi`
     |
     = help: did you mean `trixie`?
     = help: jobs: `bookworm`, `trixie`

    to read more: ovenbird explain unknown-job
    exit status Some(2)
    ");
}

#[test]
fn contexts_that_only_a_running_job_has_are_known_when_they_are_given() {
    assert_snapshot!(eval(&["--", "steps.build.outcome"]), @"
    error[expression]: unrecognized named-value `steps`
     --> expression:1:1
      |
    1 | steps.build.outcome
      | ^^^^^
      |
      = help: it is known only while a job runs, or in a step file: give values for it by `--contexts`

    exit status Some(2)
    ");
    assert_snapshot!(eval(&["--contexts", r#"{"runner": {"os": "Linux"}}"#, "--", "runner.os"]), @r#""Linux""#);
}

#[test]
fn what_is_said_of_contexts_is_read_also_for_an_expression_without_any() {
    for said in [["--contexts", "["], ["--job", "trixi"], ["--var", "prot=1"], ["--cell", "3"]] {
        let told = eval(&[said[0], said[1], "--", "1"]);
        assert!(told.contains("error") && told.contains("exit status Some(2)"), "{said:?}\n{told}");
    }
}

#[test]
fn contexts_can_be_given() {
    assert_snapshot!(eval(&["--contexts", r#"{"A": {"list": [1, 2]}}"#, "--", "join(a.list, '+')"]), @r#""1+2""#);
    let files = [("contexts.json", r#"{"github": {"ref": "main"}}"#)];
    assert_snapshot!(eval_with(&files, &["--contexts", "@contexts.json", "--", "github.REF"], ""), @r#""main""#);
    assert_snapshot!(eval(&["--contexts", "[1]", "--", "a"]), @r#"
    error: `--contexts` is no JSON object
    hint: give names and values, such as {"matrix":{}}
    exit status Some(2)
    "#);
    assert_snapshot!(eval(&["--contexts", "{", "--", "a"]), @"
    error: `--contexts` is not JSON: EOF while parsing an object at line 1 column 1
    exit status Some(2)
    ");
    assert_snapshot!(eval(&["--contexts", "@nope.json", "--", "a"]), @"
    error: failed to read the contexts `nope.json`: No such file or directory (os error 2)
    exit status Some(2)
    ");
}

#[test]
fn a_key_that_is_not_there_is_null_and_a_context_that_is_not_there_an_error() {
    assert_snapshot!(eval(&["--", "matrix.nope.nope[0]"]), @"null");
    assert_snapshot!(eval(&["--", "true || matrx.suite"]), @"
    error[expression]: unrecognized named-value `matrx`
     --> expression:1:9
      |
    1 | true || matrx.suite
      |         ^^^^^
      |
      = help: did you mean `matrix`?
      = help: contexts: `vars`, `git`, `ci`, `matrix`, `strategy`, `image`, `job`, `platform`, `env`

    exit status Some(2)
    ");
}

#[test]
fn an_error_shows_its_place() {
    assert_snapshot!(eval(&["--", "'ü' == matrix.suite &&"]), @"
    error[expression]: unexpected end of expression after `&&`
     --> expression:1:21
      |
    1 | 'ü' == matrix.suite &&
      |                     ^^

    exit status Some(2)
    ");
    assert_snapshot!(eval(&["--", "a ${{ 1 == \"b\" }}"]), @r#"
    error[expression]: unexpected symbol `"b"`
     --> expression:1:12
      |
    1 | a ${{ 1 == "b" }}
      |            ^^^
      |
      = help: texts have single quotes: `'b'`

    exit status Some(2)
    "#);
    assert_snapshot!(eval(&["--", "true && fromJSON('[1')"]), @"
    error[expression]: `fromJSON` was given a text that is not JSON: EOF while parsing a list at line 1 column 2
     --> expression:1:9
      |
    1 | true && fromJSON('[1')
      |         ^^^^^^^^^^^^^^

    exit status Some(2)
    ");
    assert_snapshot!(eval(&["--", "format(\n  '{1}',\n  2)"]), @"
    error[expression]: the format string refers to more arguments than were given: `{1}`
     --> expression:1:1
      |
    1 | format(
      | ^^^^^^^

    exit status Some(2)
    ");
}

#[test]
fn without_a_definition_there_are_no_contexts() {
    assert_snapshot!(eval_with(&[], &["--", "contains('abc', 'B')"], ""), @"true");
    assert_snapshot!(eval_with(&[], &["--", "matrix"], ""), @"
    error[expression]: unrecognized named-value `matrix`
     --> expression:1:1
      |
    1 | matrix
      | ^^^^^^
      |
      = help: there are no contexts here: give `--contexts`, or run it beside `ovenbird.yml`

    exit status Some(2)
    ");
    assert_snapshot!(eval_with(&[], &["--file", "nope.yml", "--", "matrix"], ""), @"
    error: failed to read the definition `nope.yml`: No such file or directory (os error 2)
    hint: run it in the folder of the definition, or name the file with --file
    exit status Some(2)
    ");
}

#[test]
fn a_wrong_definition_is_told_where_its_contexts_are_needed() {
    let files = [("ovenbird.yml", "name: web\nplatfroms: {}\n")];
    assert_snapshot!(eval_with(&files, &["--", "1"], ""), @"1");
    assert_snapshot!(eval_with(&files, &["--", "matrix"], ""), @"
    error[unknown-key]: a definition has no key `platfroms`
     --> ovenbird.yml:2:1
      |
    2 | platfroms: {}
      | ^^^^^^^^^
      |
      = help: did you mean `platforms`?
      = help: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`
    exit status Some(2)
    ");
}

#[test]
fn each_line_of_standard_input_is_an_expression() {
    let files = [("ovenbird.yml", DEFINITION)];
    assert_snapshot!(eval_with(&files, &[], "vars.port + 1\n\nvars.port\nmatrix.suite"), @r#"
    8080
    "bookworm"
    error[expression]: unexpected symbol `+`
     --> expression:1:11
      |
    1 | vars.port + 1
      |           ^
      |
      = help: expressions do not calculate: do it in a script

    exit status Some(2)
    "#);
    assert_snapshot!(eval_with(&files, &[], "vars.port\n"), @"8080");
    assert_snapshot!(eval_with(&files, &[], ""), @"");
}

#[test]
fn files_are_digested_from_the_folder_of_the_definition_or_here() {
    let files = [("lock", "1")];
    assert_snapshot!(eval_with(&files, &["--", "hashFiles('lo*')"], ""), @r#""9c2e4d8fe97d881430de4e754b4205b9c27ce96715231cffc4337340cb110280""#);
    assert_snapshot!(eval_with(&files, &["--", "hashFiles('none') == ''"], ""), @"true");
    assert_snapshot!(eval_with(&files, &["--", "hashFiles('../lock')"], ""), @"
    error[expression]: the pattern `../lock` has a `..`, which can't be in one
     --> expression:1:1
      |
    1 | hashFiles('../lock')
      | ^^^^^^^^^^^^^^^^^^^^

    exit status Some(2)
    ");
}

#[test]
fn a_slip_and_a_habit_of_another_language_are_told() {
    assert_snapshot!(eval_with(&[], &["--", "contians('a', 'b')"], ""), @"
    error[expression]: unrecognized function `contians`
     --> expression:1:1
      |
    1 | contians('a', 'b')
      | ^^^^^^^^
      |
      = help: did you mean `contains`?

    exit status Some(2)
    ");
    assert_snapshot!(eval_with(&[], &["--", "'a' = 'b'"], ""), @"
    error[expression]: unexpected symbol `=`
     --> expression:1:5
      |
    1 | 'a' = 'b'
      |     ^
      |
      = help: to compare, write `==`

    exit status Some(2)
    ");
}
