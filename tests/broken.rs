//! The documentation of our errors: definitions that people get wrong, and what they read then.
//!
//! A case is `tests/broken/NAME.yml`, or with other files a folder `tests/broken/NAME` that has an `ovenbird.yml`. What
//! `ovenbird validate` says of it is beside it, in `NAME.snap`. A case whose first line begins with `# $` says there how
//! the command is called instead.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a failed test is what it is for")]

#[expect(dead_code, reason = "the tests of `validate` use the rest")]
#[path = "validate/project.rs"]
mod project;

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::diagnostic::rules;

use crate::project::Project;

/// One more byte than a definition may have.
const TOO_LARGE: u64 = 10 * 1024 * 1024 + 1;

fn folder() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// The names of all cases, in order.
fn cases() -> BTreeSet<String> {
    let entries = folder().read_dir_utf8().unwrap().map(Result::unwrap);
    let cases = entries.filter(|entry| entry.path().extension() != Some("snap"));
    cases.map(|entry| entry.path().file_stem().unwrap().to_owned()).collect()
}

/// The repository of a case.
fn repository(case: &str) -> Project {
    let (folder, file) = (folder().join(case), folder().join(format!("{case}.yml")));
    if file.exists() {
        return Project::new(&fs::read_to_string(file).unwrap());
    }
    files(&folder, Project::new(""), &folder)
}

/// Adds the files below a folder.
fn files(root: &Utf8Path, project: Project, below: &Utf8Path) -> Project {
    below.read_dir_utf8().unwrap().fold(project, |project, entry| {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            return files(root, project, &path);
        }
        project.file(path.strip_prefix(root).unwrap().as_str(), &fs::read_to_string(&path).unwrap())
    })
}

/// The arguments that a case asks for.
fn arguments(definition: &str) -> Vec<String> {
    let command = definition.lines().next().and_then(|line| line.strip_prefix("# $ ovenbird ")).unwrap_or("validate");
    command.split_whitespace().map(|argument| argument.trim_matches('\'').to_owned()).collect()
}

/// What a person reads of a case.
fn told(case: &str) -> String {
    let project = repository(case);
    let definition = fs::read_to_string(project.root().join("ovenbird.yml")).unwrap();
    let arguments = arguments(&definition);
    if arguments.iter().any(|argument| argument == "disk.img") {
        fs::File::create(project.root().join("disk.img")).unwrap().set_len(TOO_LARGE).unwrap();
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = project.run(&arguments);
    assert_eq!(ran.stdout, "", "{case}");
    // Only a warning lets a build start.
    assert_eq!(ran.status, if ran.stderr.contains("error") { 2 } else { 0 }, "{case}:\n{}", ran.stderr);
    ran.stderr
}

#[test]
fn every_broken_definition_is_explained() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {cases:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(folder());
    for case in &cases {
        settings.bind(|| insta::assert_snapshot!(case.as_str(), told(case)));
    }
}

#[test]
fn every_rule_is_broken_by_a_case_and_no_snapshot_is_left_over() {
    let cases = cases();
    let mut broken = BTreeSet::new();
    for entry in folder().read_dir_utf8().unwrap().map(Result::unwrap) {
        if entry.path().extension() == Some("snap") {
            let case = entry.path().file_stem().unwrap();
            assert!(cases.contains(case), "`{case}.snap` has no case");
            let told = fs::read_to_string(entry.path()).unwrap();
            broken.extend(rules::all().map(|rule| rule.name).filter(|rule| told.contains(&format!("[{rule}]: "))));
        }
    }
    assert_eq!(broken, rules::all().map(|rule| rule.name).collect::<BTreeSet<_>>());
}
