//! Every form with every option, byte for byte but for times: `goss validate` and `ovenbird goss validate` on this machine.

use std::path::Path;
use std::process::Command;

use regex::Regex;

use crate::support::real_goss::real_goss;

const FAILING: &str = include_str!("forms.yaml");

const PASSING: &str = "matching:\n  a: { content: [x, 1.5], matches: [x] }\n  b: { skip: true, content: 1, matches: 2 }\n\
                       user:\n  root: { title: The first, exists: true, uid: 0, gid: { lt: 1 } }\n";

const FORMS: &[&str] =
    &["rspecish", "documentation", "json", "junit", "nagios", "prometheus", "structured", "tap", "silent"];

/// All with `sort`: goss runs resources in any order. Its verbose Nagios stays unsorted all the same, and is told below.
const OPTIONS: &[&str] = &["pretty", "verbose", "perfdata", "exclude_raw"];

/// What was printed, without times, and the exit status.
fn run(program: &mut Command, folder: &Path, form: &str, option: &str) -> (String, Option<i32>) {
    program.args(["-g", "goss.yaml", "validate", "-f", form, "-o", "sort", "-o", option]).current_dir(folder);
    let output = program.output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    for (pattern, with) in [
        (r"\d+\.\d{3}s?", "T"),
        (r#""(start-time|end-time)":( ?)"[^"]*""#, "\"$1\":T"),
        (r#""((?:total-)?duration)":( ?)\d+"#, "\"$1\":T"),
        (r#"timestamp="[^"]*""#, "timestamp=T"),
        (r"(duration_milliseconds\{[^}]*\}) .*", "$1 T"),
        // Of a run that passed and skipped something, goss says now the one and now the other.
        (r#"(goss_tests_run_\w+\{outcome=)"(pass|skip)""#, "$1passed"),
        // The golden files know no such types.
        (r"/iter\.Seq/iter\.Seq2", ""),
        // goss leaves it false in `structured`.
        (r#""successful":( ?)(true|false)"#, "\"successful\":T"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    if form == "nagios" && option == "verbose" {
        let numbered = Regex::new(r"(?m)^Fail \d+").unwrap().replace_all(&text, "Fail").into_owned();
        let mut lines: Vec<&str> = numbered.lines().collect();
        lines.sort_unstable();
        text = lines.join("\n");
    }
    (text, output.status.code())
}

/// The first lines that differ, goss's before ours.
fn difference(theirs: &str, ours: &str) -> String {
    const SHOWN: usize = 4;
    let pairs = theirs.lines().map(Some).chain(std::iter::repeat(None)).zip(ours.lines().map(Some).chain([None]));
    let differing = pairs.filter(|(theirs, ours)| theirs != ours).take(SHOWN);
    differing
        .map(|(theirs, ours)| format!("\n  goss {:?}\n  ours {:?}", theirs.unwrap_or(""), ours.unwrap_or("")))
        .collect()
}

#[test]
fn every_form_is_that_of_goss() {
    let folder = tempfile::tempdir().unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for spec in [FAILING, PASSING] {
        std::fs::write(folder.path().join("goss.yaml"), spec).unwrap();
        for form in FORMS {
            for option in OPTIONS {
                let mut ours = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
                ours.arg("goss");
                let theirs = run(&mut Command::new(real_goss()), folder.path(), form, option);
                let ours = run(&mut ours, folder.path(), form, option);
                count += 1;
                if theirs != ours {
                    wrong.push(format!(
                        "{form} {option}: {:?} {:?}{}",
                        theirs.1,
                        ours.1,
                        difference(&theirs.0, &ours.0)
                    ));
                }
            }
        }
    }
    println!("{count} outputs compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
