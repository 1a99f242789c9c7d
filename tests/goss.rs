//! `ovenbird goss` prints what goss prints, and ends as goss ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use insta::assert_snapshot;
use ovenbird::diagnostic::{has_errors, render};
use ovenbird::smoke::spec::{self, Kind};
use regex::Regex;

/// `out_<spec>.<exit status>.<format>`: goss's own golden files, from the folder that `OVENBIRD_GOSS_VECTORS` names; without
/// one, ours of the same form.
#[test]
fn golden_files_of_goss_are_met() {
    let folder = std::env::var_os("OVENBIRD_GOSS_VECTORS").map(PathBuf::from);
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goss"));
    let (mut count, mut failures) = (0, Vec::new());
    for folder in folder.into_iter().chain([own]) {
        let before = count;
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            let Some((spec, status, format)) = golden(&name) else { continue };
            count += 1;
            let expected = std::fs::read_to_string(folder.join(&name)).unwrap();
            let (actual_status, actual) = run(&folder.join(format!("{spec}.yaml")), format, &["sort", "pretty"]);
            if normal(&expected) != normal(&actual) || actual_status != status {
                failures.push(format!("{name}: ended with {actual_status}\n{actual}"));
            }
        }
        assert!(count > before, "there are no golden files in `{}`", folder.display());
    }
    #[expect(clippy::print_stdout, reason = "the number is what a run of the golden files reports")]
    {
        println!("{count} golden files compared, {} differ", failures.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The spec, exit status and format in the name of a golden file.
fn golden(name: &str) -> Option<(&str, i32, &str)> {
    let mut parts = name.strip_prefix("out_")?.split('.');
    Some((parts.next()?, parts.next()?.parse().ok()?, parts.next()?))
}

/// goss's harness takes durations out, and blanks at the ends of lines.
fn normal(text: &str) -> String {
    let text = Regex::new(r"\d\.\d{3}s").unwrap().replace_all(text, "");
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn run(spec: &Path, format: &str, options: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("ovenbird").unwrap();
    command.args(["goss", "validate", "-f", format, "-g"]).arg(spec);
    options.iter().for_each(|option| {
        command.args(["-o", option]);
    });
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The exit status and standard error for a goss file on standard input.
fn told(text: &str) -> (i32, String) {
    let mut command = Command::cargo_bin("ovenbird").unwrap();
    let output = command.args(["goss", "validate", "-g", "-"]).write_stdin(text).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_that_is_wrong_ends_with_78_and_says_where() {
    let (status, message) = told("matching:\n  a:\n    content: 1\n    matchs: 1\n");
    assert_eq!(status, 78);
    assert_snapshot!(message, @"
    error[unknown-key]: a matching has no attribute `matchs`
     --> -:4:5
      |
    4 |     matchs: 1
      |     ^^^^^^
      |
      = help: did you mean `matches`?
      = help: attributes: `matches`, `content`, `as-reader`, `title`, `meta`, `skip`

    to read more: ovenbird explain unknown-key
    ");
}

#[test]
fn a_file_without_tests_ends_with_78() {
    assert_eq!(told("matching: {}\n"), (78, "error: -: found 0 tests\n".to_owned()));
}

/// goss's own file for its integration tests, with words where its templates are. Ours stands in for it where it is not.
#[test]
fn files_of_all_types_are_read() {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goss/all_types.yaml"));
    let shared = std::env::var_os("OVENBIRD_GOSS_VECTORS").map(|folder| Path::new(&folder).join("goss-shared.yaml"));
    let template = Regex::new(r"\{\{.*?\}\}").unwrap();
    for path in shared.into_iter().chain([own]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("{{") || line.contains("}}:"));
        let text: String = lines.map(|line| format!("{}\n", template.replace_all(line, "word"))).collect();
        let (file, sources, diagnostics) = spec::parse(path.to_str().unwrap(), &text);
        assert!(!has_errors(&diagnostics), "{}", render(&diagnostics, &sources, false));
        let missing: Vec<&str> = Kind::ALL
            .into_iter()
            .filter(|kind| file.resources.iter().all(|resource| resource.kind != *kind))
            .map(Kind::key)
            .collect();
        assert!(missing.is_empty(), "{} has no {missing:?}", path.display());
        assert_eq!(file.imports.len(), 2);
    }
}
