//! The language as tables: what a text is worth in which contexts, or why it is refused.

#![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// Contexts given as a JSON object, and the status functions of a job that is going well.
struct Contexts(Object);

impl Contexts {
    fn of(json: &Json) -> Self {
        Self(Object::from(json.as_object().unwrap()))
    }

    fn none() -> Self {
        Self(Object::new())
    }
}

impl Environment for Contexts {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "success" | "always" => Some(Ok(Value::Bool(true))),
            "failure" => Some(Ok(Value::Bool(false))),
            "hashFiles" => Some(match args {
                [Value::String(pattern)] => Ok(Value::String(format!("digest of {pattern}"))),
                _ => Err("one pattern is needed".to_owned()),
            }),
            _ => None,
        }
    }
}

/// The value as JSON that tells NaN, the infinities and -0 apart.
fn shown(value: &Value) -> Json {
    match value {
        Value::Number(number) if !number.is_finite() => json!(value.to_string()),
        value => Json::from(value),
    }
}

fn evaluated(text: &str, contexts: &Json) -> Result<Json, String> {
    let expr = parse(text).map_err(|error| error.to_string())?;
    evaluate(&expr, &Contexts::of(contexts)).map(|value| shown(&value)).map_err(|error| error.to_string())
}

#[track_caller]
fn check(contexts: &Json, cases: &[(&str, Json)]) {
    for (text, expected) in cases {
        assert_eq!(evaluated(text, contexts).as_ref(), Ok(expected), "{text}");
    }
}

#[track_caller]
fn check_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = evaluated(text, &json!({ "github": { "ref": "main" } })).unwrap_err();
        assert_eq!(&error, expected, "{text}");
    }
}

#[test]
fn operators_bind_as_on_github() {
    check(
        &json!({}),
        &[
            ("", json!(null)),
            ("true || false && false", json!(true)),
            ("(true || false) && false", json!(false)),
            ("!false == true", json!(true)),
            ("1 < 2 == true", json!(true)),
            ("3 > 2 > 1", json!(false)),
            ("1 == 1 != false", json!(true)),
            ("!!'x'", json!(true)),
        ],
    );
}

#[test]
fn and_and_or_give_the_operand_that_decides() {
    check(
        &json!({}),
        &[
            ("'a' && 'b'", json!("b")),
            ("'' && 'b'", json!("")),
            ("0 || null || 'c' || 'd'", json!("c")),
            ("null || ''", json!("")),
            ("true && 'yes' || 'no'", json!("yes")),
            ("false && fromJSON('')", json!(false)),
            ("1 || fromJSON('')", json!(1)),
        ],
    );
}

#[test]
fn equality_is_loose() {
    let contexts = json!({ "a": { "x": [1] }, "b": { "x": [1] }, "n": null });
    check(
        &contexts,
        &[
            ("'ABC' == 'abc'", json!(true)),
            ("'ÄÖÜ' == 'äöü'", json!(true)),
            ("'ı' == 'I'", json!(false)),
            ("1 == '1'", json!(true)),
            ("1 == ' 0x1 '", json!(true)),
            ("0 == ''", json!(true)),
            ("null == 0", json!(true)),
            ("null == ''", json!(true)),
            ("null == false", json!(true)),
            ("true == '1'", json!(true)),
            ("true == 'true'", json!(false)),
            ("NaN == NaN", json!(false)),
            ("NaN != NaN", json!(true)),
            ("a == a", json!(true)),
            ("a.x == a.x", json!(true)),
            ("a == b", json!(false)),
            ("a.x == b.x", json!(false)),
            ("a == 'Object'", json!(false)),
            ("n == n.anything", json!(true)),
        ],
    );
}

#[test]
fn comparison_of_mixed_types_is_by_number() {
    check(
        &json!({ "o": {} }),
        &[
            ("'10' > '9'", json!(false)),
            ("'10' > 9", json!(true)),
            ("'a' < 'B'", json!(true)),
            ("'a' < 1", json!(false)),
            ("'a' >= 1", json!(false)),
            ("true > false", json!(true)),
            ("null >= null", json!(true)),
            ("null < 1", json!(true)),
            ("o >= o", json!(true)),
            ("o > 0", json!(false)),
            ("NaN <= NaN", json!(false)),
        ],
    );
}

#[test]
fn numbers_have_all_their_spellings() {
    check(
        &json!({}),
        &[
            ("0xFf", json!(255)),
            ("0o17", json!(15)),
            ("1.5e3", json!(1500)),
            ("-1E-1", json!(-0.1)),
            (".5", json!(0.5)),
            ("+2", json!(2)),
            ("Infinity", json!("Infinity")),
            ("-Infinity", json!("-Infinity")),
            ("NaN", json!("NaN")),
            ("0.1", json!(0.1)),
        ],
    );
    check_refused(&[
        ("0xg", "unexpected symbol `0xg`"),
        ("-0x1", "unexpected symbol `-0x1`"),
        ("1a", "unexpected symbol `1a`"),
        ("1.2.3", "unexpected symbol `1.2.3`"),
        ("-NaN", "unexpected symbol `-NaN`"),
    ]);
}

#[test]
fn strings_double_their_quotes() {
    check(&json!({}), &[("'it''s ''fine'''", json!("it's 'fine'")), ("''", json!("")), ("''''", json!("'"))]);
    check_refused(&[("'open", "unexpected symbol `'open`: the string is not closed")]);
}

#[test]
fn keys_and_indices_are_found_whatever_their_case_or_type() {
    let contexts = json!({ "Foo": { "Bar": { "5": "five", "": "empty" }, "true": "t" }, "list": ["zero", "one"] });
    check(
        &contexts,
        &[
            ("foo.BAR['5']", json!("five")),
            ("FOO['bar'][5]", json!("five")),
            ("foo.bar[null]", json!("empty")),
            ("foo.true", json!("t")),
            ("foo.nothing.at.all", json!(null)),
            ("list[1]", json!("one")),
            ("list['1']", json!("one")),
            ("list[true]", json!("one")),
            ("list[1.9]", json!("one")),
            ("list[2]", json!(null)),
            ("list[-1]", json!(null)),
            ("list[NaN]", json!(null)),
            ("list['x']", json!(null)),
            ("foo[list]", json!(null)),
            ("'text'", json!("text")),
            ("('text').length", json!(null)),
            ("fromJSON('[1, [2]]')[1][0]", json!(2)),
        ],
    );
}

#[test]
fn a_star_applies_what_follows_to_each_item() {
    let contexts = json!({
        "jobs": [{ "n": 1, "tags": ["a", "b"] }, { "N": 2, "tags": ["c"] }, { "other": 3 }, 4],
        "map": { "x": { "v": 1 }, "y": { "v": 2 } },
    });
    check(
        &contexts,
        &[
            ("jobs.*.n", json!([1, 2])),
            ("jobs[*]['n']", json!([1, 2])),
            ("jobs.*.tags", json!([["a", "b"], ["c"]])),
            ("jobs.*.tags.*", json!(["a", "b", "c"])),
            ("jobs.*.tags[0]", json!(["a", "c"])),
            ("(jobs.*)[0]", json!([])),
            ("map.*.v", json!([1, 2])),
            ("map['*']", json!(null)),
            ("jobs[0].n.*", json!([])),
            ("contains(map.*.v, '2')", json!(true)),
            ("join(map.*.v, '+')", json!("1+2")),
        ],
    );
    check_refused(&[("'x'.y", "unexpected symbol `.y`"), ("'x'[0]", "unexpected symbol `[`")]);
}

#[test]
fn functions_do_what_github_documents() {
    let contexts = json!({ "list": ["push", 1, null, [1]], "o": { "b": 1, "a": [], "c": {} } });
    check(
        &contexts,
        &[
            ("contains('Hello world', 'LLO')", json!(true)),
            ("contains(list, 'PUSH')", json!(true)),
            ("contains(list, '1')", json!(true)),
            ("contains(list, list)", json!(false)),
            ("contains(o, 'b')", json!(false)),
            ("contains(123, 2)", json!(true)),
            ("STARTSWITH('Hello', 'he')", json!(true)),
            ("startsWith(list, '')", json!(false)),
            ("endsWith('Hello', 'LO')", json!(true)),
            ("join(list)", json!("push,1,,Array")),
            ("join(list, ' | ')", json!("push | 1 |  | Array")),
            ("join('text', 'x')", json!("text")),
            ("join(o)", json!("")),
            ("toJSON(list)", json!("[\n  \"push\",\n  1,\n  null,\n  [\n    1\n  ]\n]")),
            ("toJSON(o)", json!("{\n  \"b\": 1,\n  \"a\": [],\n  \"c\": {}\n}")),
            ("toJSON('a\"\u{1}\n')", json!("\"a\\\"\\u0001\\n\"")),
            ("toJSON(NaN)", json!("null")),
            ("fromJSON('{\"A\": 1, \"a\": 2}').a", json!(1)),
            ("fromJSON(' 0.1 ')", json!(0.1)),
            ("case(false, 'a', true, 'b', 'c')", json!("b")),
            ("case(false, fromJSON(''), 'c')", json!("c")),
            ("hashFiles('*.rs')", json!("digest of *.rs")),
            ("success() && !failure()", json!(true)),
        ],
    );
    check_refused(&[
        ("fromJSON('')", "`fromJSON` was given an empty text"),
        ("case(1, 'a', 'b')", "`case` predicate must evaluate to a boolean value"),
        ("hashFiles(1)", "one pattern is needed"),
        ("cancelled()", "the function `cancelled` is not available here"),
        ("contains('a')", "too few parameters for `contains`: 1 given, at least 2 needed"),
        ("toJson(1, 2)", "too many parameters for `toJSON`: 2 given, at most 1 allowed"),
        ("success(1)", "too many parameters for `success`: 1 given, at most 0 allowed"),
        (
            "case(1, 2, 3, 4)",
            "even number of parameters for `case`: pairs of condition and value, then a default, are needed",
        ),
        ("nope()", "unrecognized function `nope`"),
        ("false && nope()", "unrecognized function `nope`"),
    ]);
}

#[test]
fn format_fills_in_and_unescapes() {
    check(
        &json!({}),
        &[
            ("format('{1}-{0}-{1}', 'a', true)", json!("true-a-true")),
            ("format('{{0}} {{{0}}}', 'a')", json!("{0} {a}")),
            ("format('{0}{1}{2}', null, fromJSON('[]'), fromJSON('{}'))", json!("ArrayObject")),
            ("format('{0}', 1e21)", json!("1e+21")),
            ("format(5)", json!("5")),
            ("format('ü{0}ü', 'é')", json!("üéü")),
        ],
    );
    for text in ["{", "}", "{0", "{}", "{a}", "{0 }", "{0:x}", "{0}}", "{-1}"] {
        let error = evaluated(&format!("format('{text}', 1)"), &json!({})).unwrap_err();
        assert_eq!(error, format!("the format string is invalid: `{text}`"));
    }
    check_refused(&[
        ("format('{0}')", "the format string refers to more arguments than were given: `{0}`"),
        (
            "format('{99999999999999999999}', 1)",
            "the format string refers to more arguments than were given: `{99999999999999999999}`",
        ),
    ]);
}

#[test]
fn syntax_errors_point_at_what_is_wrong() {
    for (text, message, place) in [
        ("1 <", "unexpected end of expression after `<`", "<"),
        ("1 2", "unexpected symbol `2`", "2"),
        ("(1,", "unexpected symbol `,`", ","),
        ("format('a',)", "unexpected symbol `)`", ")"),
        ("format(1", "unexpected end of expression after `1`", "1"),
        ("a.", "unexpected end of expression after `.`", "."),
        ("ü", "unexpected symbol `ü`", "ü"),
        ("a && \"b\"", "unexpected symbol `\"b\"`", "\"b\""),
        ("a = b", "unexpected symbol `=`", "="),
        ("a & b", "unexpected symbol `&`", "&"),
        ("true(1)", "unexpected symbol `(`", "("),
        ("x || toJSON()", "too few parameters for `toJSON`: 0 given, at least 1 needed", "toJSON()"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.message.as_str(), &text[error.span]), (message, place), "{text}");
    }
}

#[test]
fn evaluation_errors_point_at_what_fails() {
    for (text, message, place) in [
        ("1 == nope.x", "unrecognized named-value `nope`", "nope"),
        ("'a' && fromJSON('')", "`fromJSON` was given an empty text", "fromJSON('')"),
        ("case(1, 2, 3)", "`case` predicate must evaluate to a boolean value", "1"),
    ] {
        let error = evaluate(&parse(text).unwrap(), &Contexts::none()).unwrap_err();
        assert_eq!((error.message.as_str(), &text[error.span]), (message, place), "{text}");
    }
}

#[test]
fn limits_are_those_of_github() {
    let accepts = |text: &str| parse(text).map(|_| ()).map_err(|error| error.message);
    let too_deep = Err("exceeded max expression depth 50".to_owned());
    assert_eq!(accepts(&format!("{}a", "!".repeat(49))), Ok(()));
    assert_eq!(accepts(&format!("{}a", "!".repeat(50))), too_deep);
    assert_eq!(accepts(&format!("a{}", ".b".repeat(49))), Ok(()));
    assert_eq!(accepts(&format!("a{}", ".b".repeat(50))), too_deep);
    assert_eq!(accepts(&format!("1{}", " == 1".repeat(50))), too_deep);
    assert_eq!(accepts(&format!("1{}", " && 1".repeat(500))), Ok(()));
    assert_eq!(accepts(&"(".repeat(20_000)), too_deep);
    assert_eq!(accepts(&format!("'{}'", "ü".repeat(20_998))), Ok(()));
    assert_eq!(accepts(&format!("'{}'", "u".repeat(20_999))), Err("exceeded max expression length 21000".to_owned()));
    for text in ["u", "ü", "日", "😊"] {
        let long = json!({ "list": vec![""; 20_000], "part": text.repeat(100) });
        let error = Err("the maximum allowed memory size was exceeded".to_owned());
        assert_eq!(evaluated("join(list, part)", &long), error, "{text}");
        let times = "{0}".repeat(6_000);
        assert_eq!(evaluated(&format!("format('{times}', part)"), &long), error, "{text}");
    }
    let doubled = (0..18).fold("'ab'".to_owned(), |text, _| format!("format('{{0}}{{0}}', {text})"));
    assert_eq!(evaluated(&doubled, &json!({})), Err("the maximum allowed memory size was exceeded".to_owned()));
}

#[test]
fn what_an_expression_makes_of_a_large_context_is_bounded() {
    let memory = Err("the maximum allowed memory size was exceeded".to_owned());
    let large = |items: usize| json!({ "list": vec![json!([1]); items] });
    assert_eq!(evaluated("list.* && 1", &large(131_072)), Ok(json!(1)));
    assert_eq!(evaluated("list.* && 1", &large(131_073)), memory);
    assert_eq!(evaluated("list.* && list.* && 1", &large(70_000)), memory);
    assert_eq!(evaluated("list.*[0] && 1", &large(70_000)), memory);
    assert_eq!(evaluated("list && list[69999][0]", &large(70_000)), Ok(json!(1)));
    let folded = parse("list.*").unwrap().fold(&Contexts::of(&large(131_073))).unwrap_err();
    assert_eq!((folded.message.as_str(), folded.span), ("the maximum allowed memory size was exceeded", 0..6));
    // Little text that its indentation makes long.
    let deep = (0..120).fold(json!(vec![1; 10_000]), |inner, _| Json::Array(vec![inner]));
    assert_eq!(evaluated("toJSON(deep) == ''", &json!({ "deep": deep })), memory);
    let text = "${{ format('{0}{0}{0}', part) }}".repeat(400);
    let environment = Contexts::of(&json!({ "part": "x".repeat(10_000) }));
    let error = template::parse(&text).unwrap().evaluate(&environment).unwrap_err();
    assert_eq!(error.message, "the text grows beyond 10 MiB");
}

#[test]
fn references_are_the_longest_chains() {
    let text =
        "vars.port == 1 && contains(steps.*.outcome, matrix['a-b'].c[env.KEY][0]) || (github).sha || toJSON(git)";
    let shown: Vec<String> = parse(text)
        .unwrap()
        .references()
        .iter()
        .map(|reference| format!("{} {:?} {}", reference.context, reference.path, &text[reference.span.clone()]))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    vars [Key("port")] vars.port
    steps [Wildcard, Key("outcome")] steps.*.outcome
    matrix [Key("a-b"), Key("c"), Index, Index] matrix['a-b'].c[env.KEY][0]
    env [Key("KEY")] env.KEY
    github [Key("sha")] (github).sha
    git [] git
    "#);
}

#[test]
fn calls_are_found_everywhere() {
    let calls = parse("a[tojson(b)] && !Success() || case(always(), 1, 2)").unwrap().calls();
    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["tojson", "success", "case", "always"]);
    assert_eq!(calls[1].span, 17..24);
}

#[track_caller]
fn check_folded(known: &Json, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let folded = parse(text).unwrap().fold(&OnlyContexts(Contexts::of(known))).unwrap();
        assert_eq!(&folded.to_string(), expected, "{text}");
        let wire = serde_json::to_string(&folded).unwrap();
        assert_eq!(serde_json::from_str::<Expr>(&wire).unwrap(), folded, "{wire}");
    }
}

/// Contexts without any function.
struct OnlyContexts(Contexts);

impl Environment for OnlyContexts {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.context(name)
    }

    fn call(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

/// A context `job` of which only the id is known yet.
struct Growing;

impl Environment for Growing {
    fn context(&self, name: &str) -> Option<Value> {
        (name == "job").then(|| Value::from(json!({ "id": "a" })))
    }

    fn grows(&self, name: &str) -> bool {
        name == "job"
    }

    fn call(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

#[test]
fn folding_leaves_what_a_context_does_not_hold_yet() {
    for (text, expected) in [
        ("job.id == 'a'", "true"),
        ("job['ID']", "'a'"),
        ("job.status == 'success'", "job.status == 'success'"),
        ("job.id == 'b' || job.status", "job.status"),
        ("toJSON(job)", "toJSON(job)"),
        ("job.*", "job.*"),
    ] {
        let folded = parse(text).unwrap().fold(&Growing).unwrap();
        assert_eq!(folded.to_string(), expected, "{text}");
    }
}

#[test]
fn folding_decides_what_is_known_and_leaves_the_rest() {
    let known = json!({ "vars": { "port": 80, "list": ["a'b", "c"], "empty": "", "map": { "k": { "v": 1 } } } });
    check_folded(
        &known,
        &[
            ("vars.port == '80'", "true"),
            ("success() && vars.port == 80", "success() && true"),
            ("vars.port == 80 && success()", "success()"),
            ("vars.port == 81 && success()", "false"),
            ("success() && vars.port == 81 && steps.a.outcome", "success() && false"),
            ("vars.port || steps.a.outcome", "80"),
            ("vars.empty || steps.a.outcome || vars.empty || failure()", "steps.a.outcome || failure()"),
            ("!(steps.a.x == vars.port)", "!(steps.a.x == 80)"),
            ("format('{0}-{1}', vars.port, steps.a.x)", "format('{0}-{1}', 80, steps.a.x)"),
            ("join(vars.list, '-')", "'a''b-c'"),
            ("vars.list[job.index]", "fromJSON('[\"a''b\",\"c\"]')[job.index]"),
            ("vars.map.*[steps.a.x]", "fromJSON('[{\"v\":1}]').*[steps.a.x]"),
            ("case(vars.port == 80, steps.a.x, 2)", "steps.a.x"),
            ("case(failure(), fromJSON(vars.empty), false, 2, true, 3, 4)", "case(failure(), fromJSON(''), 3)"),
            ("steps.a.x && fromJSON(vars.empty)", "steps.a.x && fromJSON('')"),
            ("false && fromJSON('')", "false"),
            ("vars.list[9].x == steps[vars.port]", "null == steps[80]"),
        ],
    );
    let error = parse("fromJSON(vars.empty) && steps.x").unwrap().fold(&Contexts::of(&known)).unwrap_err();
    assert_eq!((error.message.as_str(), error.span), ("`fromJSON` was given an empty text", 0..20));
}

#[test]
fn what_folding_leaves_is_worth_the_same_later() {
    let known = json!({ "vars": { "list": [{ "k": 1 }, { "k": 2 }], "o": { "A": "x" } } });
    let later = json!({ "steps": { "i": 1, "k": "K", "a": "a" } });
    for (text, expected) in [
        ("vars.list[steps.i].k", json!(2)),
        ("join(vars.list.*[steps.k], '+')", json!("1+2")),
        ("vars.o[steps.a] && steps.i", json!(1)),
    ] {
        let folded = parse(text).unwrap().fold(&Contexts::of(&known)).unwrap();
        let wired: Expr = serde_json::from_value(serde_json::to_value(&folded).unwrap()).unwrap();
        for expr in [folded, wired] {
            assert_eq!(shown(&evaluate(&expr, &Contexts::of(&later)).unwrap()), expected, "{text}: {expr}");
        }
    }
}

#[test]
fn every_number_survives_the_wire() {
    for number in [0.0, -0.0, 0.1, 1e300, 5e-324, f64::MAX, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0 / 3.0] {
        let wire = serde_json::to_string(&Expr::literal(Value::Number(number))).unwrap();
        let Some(Value::Number(back)) = serde_json::from_str::<Expr>(&wire).unwrap().as_literal() else {
            panic!("{wire} is no number")
        };
        assert!(back.to_bits() == number.to_bits() || back.is_nan() && number.is_nan(), "{wire}");
    }
}

#[test]
fn the_wire_takes_what_is_built_on_the_deepest_expression_and_no_deeper() {
    let deepest = Expr::function("success").and(parse(&format!("{}a", "!".repeat(49))).unwrap());
    assert_eq!(serde_json::from_value::<Expr>(serde_json::to_value(&deepest).unwrap()).unwrap(), deepest);
    for text in ["(".repeat(100_000), "!".repeat(100_000), format!("a{}", ".b".repeat(100_000))] {
        let error = serde_json::from_value::<Expr>(json!(text)).unwrap_err();
        assert_eq!(error.to_string(), "exceeded max expression depth 100");
    }
}

#[test]
fn expressions_are_built_for_the_status_check() {
    let condition = Expr::function("SUCCESS").and(parse("matrix.a || github.b").unwrap());
    assert_eq!(condition.to_string(), "success() && (matrix.a || github.b)");
    assert_eq!(condition.and(parse("x && y").unwrap()).to_string(), "success() && (matrix.a || github.b) && x && y");
}

fn template_of(text: &str) -> String {
    match template::parse(text) {
        Ok(template) => {
            for part in &template.parts {
                if let template::Part::Expression { expr, span, .. } = part {
                    assert!(text[span.clone()].starts_with("${{") && text[span.clone()].ends_with("}}"));
                    assert_eq!(parse(&text[expr.span()]).as_ref(), Ok(expr), "spans are places in the text");
                }
            }
            format!(
                "{:?} whole={}",
                template.evaluate(&Contexts::of(&json!({"a": 5, "s": "}}"}))),
                template.whole().is_some()
            )
        }
        Err(error) => format!("{} at `{}`", error.message, &text[error.span]),
    }
}

#[test]
fn templates_find_their_expressions() {
    for (text, expected) in [
        ("", "Ok(String(\"\")) whole=false"),
        ("plain }} text", "Ok(String(\"plain }} text\")) whole=false"),
        ("${{ a }}", "Ok(Number(5.0)) whole=true"),
        (" ${{ a }}", "Ok(String(\" 5\")) whole=false"),
        ("ü${{ a }}-${{a}}ß", "Ok(String(\"ü5-5ß\")) whole=false"),
        ("${{ '}}' }}}", "Ok(String(\"}}}\")) whole=false"),
        ("${{ 'it''s }}' }}!", "Ok(String(\"it's }}!\")) whole=false"),
        ("${{ 'open }}", "the expression is not closed: `${{` was found, but not its `}}` at `${{`"),
        ("x ${{ }} y", "an expression was expected at `${{ }}`"),
        ("ü ${{ a b }}", "unexpected symbol `b` at `b`"),
        ("${{ a == }}", "unexpected end of expression after `==` at `==`"),
        ("$ {{ a }}", "Ok(String(\"$ {{ a }}\")) whole=false"),
    ] {
        assert_eq!(template_of(text), expected, "{text}");
    }
    assert!(template::parse("a }}").unwrap().is_literal());
    assert!(!template::parse("a ${{ 'b' }}").unwrap().is_literal());
}

/// One case of GitHub's vectors: `Err` says how it differs.
fn check_vector(case: &Json) -> Result<(), String> {
    let text = case["expr"].as_str().unwrap();
    let contexts = case.get("contexts").cloned().unwrap_or_else(|| json!({}));
    let environment = Contexts::of(&contexts);
    let outcome = parse(text).map_err(|error| (error.message, error.span)).and_then(|expr| {
        // GitHub refuses unknown contexts while parsing, even where they are not evaluated.
        let unknown = expr.references().into_iter().find(|reference| environment.context(&reference.context).is_none());
        match unknown {
            Some(unknown) => Err((format!("unrecognized named-value `{}`", unknown.context), unknown.span)),
            None => evaluate(&expr, &environment).map_err(|error| (error.message, error.span)),
        }
    });
    match (outcome, case.get("err")) {
        (Ok(value), None) => {
            let (kind, expected) = (case["result"]["kind"].as_str().unwrap(), Value::from(&case["result"]["value"]));
            let expected = match (&value, &expected) {
                (Value::Number(_), Value::String(text)) => Value::Number(Value::from(text.as_str()).to_number()),
                _ => expected,
            };
            if kind.to_lowercase() == value.kind() && value == expected {
                Ok(())
            } else {
                Err(format!("{value:?} instead of {kind} {expected:?}"))
            }
        }
        (Err((message, span)), Some(expected)) => {
            let position = text.get(..span.start).unwrap_or_default().encode_utf16().count() + 1;
            let expected = expected["value"].as_str().unwrap();
            if matches_message(expected, &message, position) {
                Ok(())
            } else {
                Err(format!("`{message}` at {position} instead of `{expected}`"))
            }
        }
        (outcome, expected) => Err(format!("{outcome:?} instead of {expected:?}")),
    }
}

/// Whether our message and position say what GitHub's message says.
fn matches_message(theirs: &str, ours: &str, position: usize) -> bool {
    let (what, place) = theirs.split_once(". Located at position ").unwrap_or((theirs, ""));
    let (kind, token) = what.split_once(": ").unwrap_or((what, ""));
    let kind = match kind {
        "The following format string is invalid" => "the format string is invalid",
        "The following format string references more arguments than were supplied" => {
            "the format string refers to more arguments than were given"
        }
        "Too few parameters supplied" => "too few parameters",
        "Too many parameters supplied" => "too many parameters",
        "Even number of parameters supplied, requires an odd number of parameters" => "even number of parameters",
        "case predicate must evaluate to a boolean value" => "`case` predicate must evaluate to a boolean value",
        // GitHub looks names up while it parses, so it meets an unknown one before what else is wrong.
        "Unrecognized named-value" if !ours.starts_with("unrecognized named-value") => return true,
        other => &other.to_lowercase(),
    };
    let token = token.strip_prefix('\'').and_then(|token| token.strip_suffix('\'')).unwrap_or(token);
    // Two of the vectors name no text that the position is in; it is that of another implementation.
    let their_position = place.split_once(" within").and_then(|(position, _)| position.parse::<usize>().ok());
    ours.starts_with(kind) && ours.contains(token) && their_position.is_none_or(|theirs| theirs == position)
}

/// GitHub's own vectors, from the folder that `OVENBIRD_EXPRESSION_VECTORS` names; without one, ours of the same form.
#[test]
fn vectors_of_github_pass() {
    let folder = std::env::var_os("OVENBIRD_EXPRESSION_VECTORS").map(PathBuf::from);
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/expression/vectors"));
    let (mut files, mut count, mut failures) = (0, 0, Vec::new());
    for folder in folder.into_iter().chain([own()]) {
        let before = count;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let groups: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            files += 1;
            for (title, cases) in groups.as_object().unwrap() {
                for case in cases.as_array().unwrap() {
                    count += 1;
                    if let Err(difference) = check_vector(case) {
                        failures.push(format!("{}, {title}: {}: {difference}", path.display(), case["expr"]));
                    }
                }
            }
        }
        assert!(count > before, "there are no vectors in `{}`", folder.display());
    }
    #[expect(clippy::print_stdout, reason = "the number is what a run of the vectors reports")]
    {
        println!("{count} expression vectors of {files} files run, {} failed", failures.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn any_literal() -> impl Strategy<Value = Expr> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Number),
        "[a-c'{}\\n ü😊$]{0,6}".prop_map(Value::String),
    ]
    .prop_map(Expr::literal)
}

/// Any tree that the parser could have made.
fn any_expr() -> impl Strategy<Value = Expr> {
    use super::ast::{Binary, CallNode, Logical, Node, Subscript};
    let context = "[ABC]".prop_map(|name| Expr::new(Node::Context(name), 0..0));
    let leaf = prop_oneof![any_literal(), context];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new).boxed();
        let operator = prop::sample::select(vec![
            Binary::Equal,
            Binary::NotEqual,
            Binary::Greater,
            Binary::GreaterOrEqual,
            Binary::Less,
            Binary::LessOrEqual,
        ]);
        let logical = prop::sample::select(vec![Logical::And, Logical::Or]);
        let subscript = prop_oneof![Just(Subscript::Wildcard), boxed.clone().prop_map(Subscript::Value)];
        let call = prop::sample::select(vec!["contains", "startsWith", "endsWith"]);
        let node = prop_oneof![
            boxed.clone().prop_map(Node::Not),
            (operator, boxed.clone(), boxed.clone()).prop_map(|(operator, left, right)| Node::Binary {
                operator,
                left,
                right
            }),
            (logical, prop::collection::vec(inner.clone(), 2..4))
                .prop_map(|(operator, operands)| Node::logical(operator, operands)),
            (boxed.clone(), subscript).prop_map(|(target, subscript)| Node::Index { target, subscript }),
            (call, [inner.clone(), inner.clone()]).prop_map(|(name, arguments)| Node::Call(CallNode {
                name: name.to_owned(),
                name_span: 0..0,
                arguments: arguments.to_vec(),
            })),
            [inner.clone(), inner.clone(), inner].prop_map(|arguments| Node::Call(CallNode {
                name: "case".to_owned(),
                name_span: 0..0,
                arguments: arguments.to_vec(),
            })),
        ];
        node.prop_map(|node| Expr::new(node, 0..0))
    })
}

/// Texts that are more often nearly expressions than noise would be.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        ".",
        "[",
        "]",
        "(",
        ")",
        "*",
        "'",
        "''",
        "'x'",
        " ",
        "&&",
        "||",
        "!",
        "==",
        "!=",
        "<=",
        ">",
        "1",
        "-0x1",
        ".5",
        "1e400",
        "NaN",
        "Infinity",
        "null",
        "true",
        ",",
        "format(",
        "'{0}'",
        "join(",
        "fromJSON(",
        "toJSON(",
        "case(",
        "'[1,{\"a\":2}]'",
        "success()",
        "ü",
        "😊",
        "\n",
        "=",
        "&",
        "${{",
        "}}",
        "hashFiles(",
    ]);
    prop_oneof![prop::collection::vec(word, 0..24).prop_map(|words| words.concat()), any::<String>()]
}

proptest! {
    #[test]
    fn the_canonical_text_parses_to_the_same_expression(expr in any_expr()) {
        let text = expr.to_string();
        prop_assert_eq!(parse(&text)?, expr.clone(), "{}", text);
        let wire = serde_json::to_value(&expr)?;
        prop_assert_eq!(serde_json::from_value::<Expr>(wire)?, expr);
    }

    #[test]
    fn folding_with_everything_known_is_evaluation(expr in any_expr()) {
        let contexts = Contexts::of(&json!({ "a": { "a": [1, "b"] }, "b": "c", "c": [[0], { "a": null }] }));
        let value = evaluate(&expr, &contexts);
        let folded = expr.fold(&contexts).map(|folded| folded.as_literal());
        match (value, folded) {
            (Ok(value), Ok(Some(folded))) => prop_assert_eq!(value, folded),
            (Err(left), Err(right)) => prop_assert_eq!(left, right),
            (value, folded) => prop_assert!(false, "{value:?} but {folded:?}"),
        }
    }

    #[test]
    fn folding_in_two_steps_changes_no_value(expr in any_expr()) {
        let known = json!({ "a": { "a": [1, "b"] }, "b": "c" });
        let all = Contexts::of(&json!({ "a": { "a": [1, "b"] }, "b": "c", "c": [[0], { "a": null }] }));
        // Identity of arrays and objects is the one thing that folding ahead cannot keep; comparing them is left out.
        if let (Ok(value), Ok(folded)) = (evaluate(&expr, &all), expr.clone().fold(&Contexts::of(&known))) {
            let later = evaluate(&folded, &all)?;
            prop_assert_eq!(later, value, "{} became {}", expr, folded);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in any_text()) {
        let environment = Contexts::of(&json!({ "a": { "b": [1, null, "x"] }, "b": "text" }));
        match parse(&text) {
            Ok(expr) => {
                prop_assert_eq!(parse(&expr.to_string())?, expr.clone());
                let _ = (expr.references(), expr.calls(), evaluate(&expr, &environment));
                let _ = expr.fold(&Contexts::none());
            }
            Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}"),
        }
        match template::parse(&text) {
            Ok(template) => { let _ = template.evaluate(&environment); }
            Err(error) => prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}"),
        }
    }
}
