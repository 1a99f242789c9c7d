//! Numbers that lose their spelling: a version `3.10` without quotes is the number 3.1, as on GitHub.

use serde_yaml::Value as Yaml;

use crate::diagnostic::Diagnostic;
use crate::expression::Value;
use crate::source::{FileId, Place, Route, Sources};

/// A warning for each number that is read differently than it is written, where a version or a name may be meant: in the
/// matrix, in variables, in `env`, in `args` and in `with`.
pub(super) fn check(sources: &Sources) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for source in sources.iter() {
        let (value, root) = (source.value(), Route::of(source.id()));
        let mut look = |value: Option<&Yaml>, route: Route| walk(value, route, sources, &mut warnings);
        if source.id() == FileId::default() {
            let matrix = value.get("strategy").and_then(|strategy| strategy.get("matrix"));
            look(matrix, root.key("strategy").key("matrix"));
            for key in ["variables", "env"] {
                look(value.get(key), root.key(key));
            }
        }
        let steps = value.get("steps").and_then(Yaml::as_sequence).into_iter().flatten();
        for (index, step) in steps.enumerate() {
            for key in ["env", "args", "with"] {
                look(step.get(key), root.key("steps").index(index).key(key));
            }
        }
    }
    warnings
}

fn walk(value: Option<&Yaml>, route: Route, sources: &Sources, warnings: &mut Vec<Diagnostic>) {
    match value {
        Some(Yaml::Number(number)) => warnings.extend(warning(number, route, sources)),
        Some(Yaml::Sequence(items)) => {
            for (index, item) in items.iter().enumerate() {
                walk(Some(item), route.index(index), sources, warnings);
            }
        }
        Some(Yaml::Mapping(mapping)) => {
            for (key, item) in mapping {
                if let Some(key) = key.as_str() {
                    walk(Some(item), route.key(key), sources, warnings);
                }
            }
        }
        _ => {}
    }
}

fn warning(number: &serde_yaml::Number, route: Route, sources: &Sources) -> Option<Diagnostic> {
    let written = sources.text_of(&route)?;
    let read = Value::from(number.as_f64().filter(|number| number.is_finite())?).to_string();
    if read == written {
        return None;
    }
    let diagnostic = Diagnostic::warning("number-text", format!("`{written}` is read as the number {read}"));
    Some(
        diagnostic
            .at(Place::Value(route))
            .help(format!("if it is meant as it is written, put it in quotes: \"{written}\"")),
    )
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::diagnostic::render;

    fn warnings(text: &str) -> String {
        let (sources, diagnostics) = Sources::parse("ovenbird.yml", text);
        assert_eq!(diagnostics, []);
        render(&check(&sources), &sources, false)
    }

    #[test]
    fn a_version_without_quotes_is_warned_of() {
        let text = "strategy:\n  matrix:\n    python: [3.9, 3.10, '3.10', 3.11]\n    include:\n      - python: 3.20\n";
        assert_snapshot!(warnings(text), @r#"
        warning[number-text]: `3.10` is read as the number 3.1
         --> ovenbird.yml:3:19
          |
        3 |     python: [3.9, 3.10, '3.10', 3.11]
          |                   ^^^^
          |
          = help: if it is meant as it is written, put it in quotes: "3.10"

        warning[number-text]: `3.20` is read as the number 3.2
         --> ovenbird.yml:5:17
          |
        5 |       - python: 3.20
          |                 ^^^^
          |
          = help: if it is meant as it is written, put it in quotes: "3.20"
        "#);
        assert_snapshot!(warnings("variables:\n  release: { default: 010 }\nenv: { MODE: 0755 }\n"), @r#"
        warning[number-text]: `010` is read as the number 10
         --> ovenbird.yml:2:23
          |
        2 |   release: { default: 010 }
          |                       ^^^
          |
          = help: if it is meant as it is written, put it in quotes: "010"

        warning[number-text]: `0755` is read as the number 755
         --> ovenbird.yml:3:14
          |
        3 | env: { MODE: 0755 }
          |              ^^^^
          |
          = help: if it is meant as it is written, put it in quotes: "0755"
        "#);
        assert_snapshot!(warnings("steps:\n  - run: x\n    env: { A: 1e3 }\n    args: [1.0]\n"), @r#"
        warning[number-text]: `1e3` is read as the number 1000
         --> ovenbird.yml:3:15
          |
        3 |     env: { A: 1e3 }
          |               ^^^
          |
          = help: if it is meant as it is written, put it in quotes: "1e3"

        warning[number-text]: `1.0` is read as the number 1
         --> ovenbird.yml:4:12
          |
        4 |     args: [1.0]
          |            ^^^
          |
          = help: if it is meant as it is written, put it in quotes: "1.0"
        "#);
    }

    #[test]
    fn numbers_that_stay_what_they_are_and_settings_are_left_alone() {
        let text = "strategy: { max-parallel: 0x2, matrix: { n: [1, 0, -3, 3.5, 1000000, '1.0', 2026-11-22] } }\n\
                    steps: [{ run: x, timeout-minutes: 1.50 }]\n";
        assert_eq!(warnings(text).trim(), "");
    }
}
