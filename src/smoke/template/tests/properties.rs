//! Nothing that a template can say makes us panic or run on.

use proptest::prelude::*;

use super::super::functions::TOPICS;
use super::render;

/// Pieces that templates are made of, so that chance makes more than syntax errors.
fn piece() -> impl Strategy<Value = String> {
    let names: Vec<String> =
        TOPICS.iter().flat_map(|(_, functions)| functions.iter()).map(|function| function.name.to_owned()).collect();
    let words = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        " ",
        " ",
        "(",
        ")",
        "|",
        ".",
        ".Vars",
        ".Vars.list",
        ".Vars.map",
        ".Env",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "if",
        "else",
        "end",
        "{{end}}",
        "{{range ",
        "{{if ",
        "{{else}}",
        "{{with ",
        "break",
        "continue",
        "define",
        "\"t\"",
        "template",
        "block",
        "nil",
        "true",
        "0",
        "1",
        "-1",
        "1.5",
        "9223372036854775807",
        "\"a\"",
        "\"%v%5d\"",
        "`é`",
        "'x'",
        "\n",
        "text",
        "/*",
        "*/",
        "\\",
        "☺",
    ];
    prop_oneof![prop::sample::select(words.map(str::to_owned).to_vec()), prop::sample::select(names), "\\PC{0,4}",]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_text_is_rendered_or_refused(source in "\\PC{0,60}") {
        let _ = render(&source);
    }

    #[test]
    fn any_pieces_are_rendered_or_refused(pieces in prop::collection::vec(piece(), 0..30)) {
        let _ = render(&pieces.concat());
    }

    #[test]
    fn any_function_takes_any_arguments(
        name in prop::sample::select(
            TOPICS.iter().flat_map(|(_, all)| all.iter()).map(|one| one.name).collect::<Vec<_>>(),
        ),
        arguments in prop::collection::vec(prop::sample::select(vec![
            "0", "1", "-1", "3", "1.5", "-9223372036854775808", "9223372036854775807", "\"\"", "\"aé☺\"",
            "\"a,b\"", "\"%s%d\"",
            "\"1.2.3\"", "\"(\"", "nil", "true", "(list)", "(list 1 \"a\" nil)", "(dict)", "(dict \"a\" 1)", ".", ".Vars",
            ".Env", "now",
        ]), 0..5),
    ) {
        let _ = render(&format!("{{{{{name} {}}}}}", arguments.join(" ")));
    }

    #[test]
    fn text_without_actions_is_unchanged_and_its_lines_are_its_own(text in "[a-z \n}]{0,80}") {
        let rendered = render(&text).unwrap();
        prop_assert_eq!(&rendered.text, &text);
        let expected: Vec<u32> = (1..).take(text.matches('\n').count() + 1).collect();
        prop_assert_eq!(rendered.lines, expected);
    }
}
