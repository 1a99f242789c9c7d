//! Definitions larger than people write: bounded, and told in a bounded number of lines.

use insta::assert_snapshot;

use super::{GivenMatrix, Loaded, among, read};
use crate::diagnostic::{self, TOO_MANY};

const HEAD: &str = "name: x\nplatforms: { q: { builder: qemu, source: { debian: trixie } } }\n";

/// A definition with a line for each number up to `count`.
fn large(before: &str, count: usize, line: impl Fn(usize) -> String) -> Loaded {
    let mut text = format!("{HEAD}{before}\n");
    (0..count).for_each(|index| text.push_str(&(line(index) + "\n")));
    read("ovenbird.yml", &text, &among(&[]), &GivenMatrix::None)
}

fn rendered(loaded: &Loaded) -> String {
    diagnostic::render(&loaded.diagnostics, &loaded.sources, false)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(4)..).unwrap_or_default().join("\n")
}

#[test]
fn of_very_many_mistakes_some_are_told_and_that_there_are_more() {
    let loaded = large("", 5000, |index| format!("key{index}: 1"));
    assert_eq!(loaded.diagnostics.len(), 1001);
    assert_eq!(loaded.diagnostics.iter().filter(|one| one.rule == TOO_MANY).count(), 1);
    let text = rendered(&loaded);
    assert_eq!(text.matches("error[unknown-key]").count(), 100);
    assert_snapshot!(tail(&text), @"
        |
        = help: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`

    and 901 more: `ovenbird validate --format json` lists them
    ");
}

#[test]
fn sorting_again_tells_only_once_that_there_are_more() {
    let mut loaded = large("", 5000, |index| format!("key{index}: 1"));
    let before = loaded.diagnostics.clone();
    diagnostic::sort(&mut loaded.diagnostics, &loaded.sources);
    assert_eq!(loaded.diagnostics, before);
}

#[test]
fn a_list_or_a_mapping_has_a_thousand_entries_at_most_and_nothing_is_made_up_of_the_others() {
    let uses = "steps: [{ run: \"${{ vars.a1001 }}\" }]\nvariables:";
    assert_snapshot!(rendered(&large(uses, 1002, |index| format!("  a{index}: 1"))), @"
    error[too-many]: `variables` has 1002 entries, and 1000 is the most
     --> ovenbird.yml:4:1
      |
    4 | variables:
      | ^^^^^^^^^
    ");
    assert_snapshot!(rendered(&large("steps:", 1001, |index| format!("  - run: echo {index}"))), @"
    error[too-many]: `steps` has 1001 entries, and 1000 is the most
     --> ovenbird.yml:3:1
      |
    3 | steps:
      | ^^^^^
    ");
    assert_eq!(rendered(&large("steps:", 1000, |index| format!("  - run: echo {index}"))).trim(), "");
}

#[test]
fn a_file_has_a_bounded_number_of_nodes_and_of_expressions() {
    assert_snapshot!(rendered(&large("x:", 200_000, |_| "- 1".to_owned())), @"
    error[too-many]: the file has more than 200000 keys and values
          --> ovenbird.yml:199989:3
           |
    199989 | - 1
           |   ^ so many are before this
           |
           = help: nobody writes so many by hand: what is large belongs into a file that a step uploads
    ");
    assert_snapshot!(rendered(&large("steps:\n  - run: |", 20_001, |_| "      ${{ 1 }}".to_owned())), @"
    error[too-many]: the file has more than 20000 expressions
         --> ovenbird.yml:20005:7
          |
    20005 |       ${{ 1 }}
          |       ^^^ so many are before this
    ");
}

#[test]
fn a_matrix_is_refused_that_would_take_long_to_expand() {
    let numbers = (0..200).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let vectors = format!("strategy:\n  matrix:\n    a: [{numbers}]\n    b: [{numbers}]\n    exclude:");
    assert_snapshot!(rendered(&large(&vectors, 1000, |index| format!("      - {{ a: {index} }}"))), @"
    error[matrix]: `include` and `exclude` have 1000 entries, too many for 40000 combinations
     --> ovenbird.yml:4:3
      |
    4 |   matrix:
      |   ^^^^^^
    ");
    assert_snapshot!(rendered(&large("strategy:\n  matrix:", 300, |index| format!("    k{index}: [1]"))), @"
    error[matrix]: the matrix has 300 keys, and 256 is the most
     --> ovenbird.yml:4:3
      |
    4 |   matrix:
      |   ^^^^^^
    ");
}

#[test]
fn of_a_long_line_only_what_is_around_the_mark_is_shown() {
    let long = "x".repeat(100_000);
    assert_snapshot!(rendered(&large("", 1, |_| format!("env: {{ B: [1], C: '{long}' }}"))), @"
    error[bad-value]: expected a text, found a list
     --> ovenbird.yml:4:8
      |
    4 | env: { B: [1], C: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
      |        ^
    ");
    assert_snapshot!(rendered(&large("", 1, |_| format!("env: {{ A: '{long}', B: [1] }}"))), @"
    error[bad-value]: expected a text, found a list
    --> ovenbird.yml:4:100015
    ");
    let text = rendered(&large("", 1, |_| format!("bad: '{long}'\n{long}: 1")));
    assert!(text.len() < 6000, "{}", text.len());
}

#[test]
fn more_secrets_than_are_told_hide_every_line() {
    let line = |index: usize| format!("  - {{ rnu: x, env: {{ PASSWORD: hunter{index} }} }}");
    let loaded = large("steps:", 1000, line);
    assert!(rendered(&loaded).contains("rnu: x") && !rendered(&loaded).contains("hunter"));
    let loaded = large("x:", 1001, line);
    let text = rendered(&loaded);
    assert!(!text.contains("hunter") && !text.contains("rnu: x"), "{text}");
}
