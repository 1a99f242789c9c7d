//! `docs/rules.md` names every rule, each of its examples is checked, and `ovenbird explain` prints it.

use std::collections::BTreeSet;
use std::path::Path;

use ovenbird::diagnostic::rules::{self, Rule};
use ovenbird::diagnostic::{LITERAL_SECRET, TOO_MANY};
use regex::Regex;

use crate::project::Project;

/// Rules about the command line or about files too large for an example.
const WITHOUT_DEFINITION: [&str; 6] =
    ["file-size", "too-many", "unknown-variable", "variable-type", "unknown-job", "variables-file"];

/// A repository with what the examples name.
fn example(definition: &str) -> Project {
    let is_blank = definition.lines().all(|line| line.starts_with('#'));
    let project = if is_blank { Project::new(definition) } else { Project::with(definition) };
    let gitlab = "build: { parallel: { matrix: [{ SUITE: bookworm }] } }\ncircular: { extends: circular }\n";
    let project = project.file(".gitlab-ci.yml", gitlab);
    let project = project.file("tests/goss.yaml", "user: { root: { exists: true } }\n");
    let project = project.file("tests/circular.yaml", "gossfile: { circular.yaml: {} }\n");
    project.file("scripts/setup.sh", "#!/bin/sh\ntrue\n").file("site/index.html", "")
}

/// The wrong and the right definition of a rule.
fn examples(rule: &Rule) -> Option<(&'static str, &'static str)> {
    let mut blocks = rule.text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    Some((blocks.next()?, blocks.next()?))
}

#[test]
fn every_wrong_example_breaks_its_rule_and_every_right_one_is_valid() {
    let mut without = Vec::new();
    for rule in rules::all() {
        let Some((wrong, right)) = examples(&rule) else {
            without.push(rule.name);
            continue;
        };
        let told = example(wrong).validate();
        assert!(told.contains(&format!("[{}]", rule.name)), "{}:\n{told}", rule.name);
        let told = example(right).validate();
        assert_eq!(told, "`ovenbird.yml` is valid: ".to_owned() + told.rsplit(": ").next().unwrap(), "{}", rule.name);
    }
    assert_eq!(without, WITHOUT_DEFINITION);
}

#[test]
fn every_rule_that_the_code_names_is_documented_and_no_other() {
    let mut used = BTreeSet::from([LITERAL_SECRET, TOO_MANY, ovenbird::matrix::NEEDS_CONTEXTS].map(str::to_owned));
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    let documented: BTreeSet<String> = rules::all().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(used, documented);
}

/// Names of rules that diagnostics are made with, tests left out.
fn collect(folder: &Path, used: &mut BTreeSet<String>) {
    let made = Regex::new(r#"(?:[.:](?:error|warning|remark))\(\s*"([a-z-]+)","#).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, used);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            used.extend(made.captures_iter(code).map(|found| found[1].to_owned()));
        }
    }
}

#[test]
fn a_rule_is_explained_as_the_documentation_has_it() {
    let project = Project::new("");
    let ran = project.run(&["explain", "missing-file"]);
    assert_eq!(ran.status, 0);
    assert_eq!(ran.stdout, format!("# missing-file\n\n{}\n", rules::find("missing-file").unwrap().text));
    // As it is copied from a message, and several at once.
    let ran = project.run(&["explain", "[matrix]", "conflict"]);
    assert!(ran.stdout.starts_with("# matrix\n") && ran.stdout.contains("\n# conflict\n"), "{}", ran.stdout);
    let list = project.run(&["explain"]).stdout;
    assert_eq!(list.lines().count(), rules::all().count());
    assert!(list.contains("unknown-key        A key that the language does not have\n"), "{list}");
}

#[test]
fn a_rule_that_is_not_there_is_told_with_the_nearest() {
    let ran = Project::new("").run(&["explain", "mising-file"]);
    insta::assert_snapshot!(ran.stderr, @"
    error: there is no rule `mising-file`
    hint: did you mean `missing-file`?
    ");
    assert_eq!(ran.status, 2);
}
