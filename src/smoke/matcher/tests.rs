//! Each matcher: what it lets through, what it says, what it refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn matcher(expected: &Value) -> Matcher {
    Matcher::compile(expected).unwrap_or_else(|error| panic!("{expected}: {}", error.message))
}

#[track_caller]
fn matches(expected: Value, actual: Value) {
    assert_eq!(matcher(&expected).test(&actual), Ok(true), "{expected} of {actual}");
    let negated = json!({ "not": expected });
    assert_eq!(matcher(&negated).test(&actual), Ok(false), "{negated} of {actual}");
}

#[track_caller]
fn differs(expected: Value, actual: Value, message: &str) {
    let compiled = matcher(&expected);
    assert_eq!(compiled.test(&actual), Ok(false), "{expected} of {actual}");
    assert_eq!(compiled.failure(&actual, false).message, message);
    assert_eq!(compiled.failure(&actual, true).message, format!("not {message}"));
    assert_eq!(matcher(&json!({ "not": expected })).test(&actual), Ok(true));
}

#[track_caller]
fn fails(expected: Value, actual: Value, error: &str) {
    assert_eq!(matcher(&expected).test(&actual), Err(error.to_owned()), "{expected} of {actual}");
    assert_eq!(matcher(&json!({ "not": expected })).test(&actual), Err(error.to_owned()));
}

#[track_caller]
fn refused(expected: Value, message: &str) {
    assert_eq!(Matcher::compile(&expected).unwrap_err().message, message, "{expected}");
}

#[test]
fn a_text_is_compared_with_what_the_value_is_as_text() {
    matches(json!("a"), json!("a"));
    matches(json!("128"), json!(128));
    matches(json!("a\nb"), json!(["a", "b"]));
    differs(json!("a"), json!("b"), "to equal");
}

#[test]
fn a_number_is_compared_with_what_the_value_is_as_number() {
    matches(json!(128), json!(" 128\n"));
    matches(json!(128), json!(128.0));
    matches(json!(5), json!(["5"]));
    differs(json!(43), json!(42), "to be numerically eq");
    fails(json!(5), json!("x"), "matchers.ToNumeric{}: strconv.ParseFloat: parsing \"x\": invalid syntax");
    fails(json!(5), json!(true), "matchers.ToNumeric{}: Expected numeric, Got:    <bool>: true");
}

#[test]
fn a_truth_and_equal_take_no_other_type() {
    matches(json!(true), json!(true));
    differs(json!(true), json!("true"), "to equal");
    matches(json!({ "equal": "15" }), json!("15"));
    differs(json!({ "equal": 15 }), json!("15"), "to equal");
    matches(json!({ "equal": { "a": [1, 2.0] } }), json!({ "a": [1.0, 2] }));
}

#[test]
fn texts_are_matched_by_their_parts() {
    for (name, yes, no, words) in [
        ("have-prefix", "f", "g", "to have prefix"),
        ("have-suffix", "oo", "x", "to have suffix"),
        ("contain-substring", "o", "x", "to contain substring"),
        ("match-regexp", "^fo+$", "^x", "to match regular expression"),
    ] {
        matches(json!({ name: yes }), json!("foo"));
        differs(json!({ name: no }), json!("foo"), words);
        refused(
            json!({ name: 5 }),
            &format!("Syntax Error: Invalid '{name}' argument. Expected string value, but received: int: %!q(int=5)"),
        );
    }
}

#[test]
fn lengths_are_of_texts_lists_and_mappings() {
    matches(json!({ "have-len": 3 }), json!("ä1"));
    matches(json!({ "have-len": 2 }), json!([1, 2]));
    matches(json!({ "have-len": 1 }), json!({ "a": 1 }));
    differs(json!({ "have-len": 2 }), json!("123"), "to have length");
    fails(
        json!({ "have-len": 2 }),
        json!(42),
        "HaveLen matcher expects a string/array/map/channel/slice.  Got:\n    <int>: 42",
    );
}

#[test]
fn each_expected_element_needs_one_of_its_own() {
    matches(json!(["a", { "have-prefix": "a" }]), json!(["ab", "a"]));
    differs(json!(["a", "a"]), json!(["a", "b"]), "to contain elements matching");
    let failure = matcher(&json!(["a", "a", "c"])).failure(&json!(["a", "b"]), false);
    assert_eq!(failure.missing_elements, [json!("a"), json!("c")]);
    fails(json!(["a"]), json!("a"), "ContainElements matcher expects an array/slice/map.  Got:\n    <string>: a");
    matches(json!({ "contain-elements": ["a"] }), json!("a\nb"));
    // Which element answers to which matcher is found, not given by the order.
    matches(json!({ "consist-of": [{ "have-prefix": "a" }, "a"] }), json!(["a", "ab"]));
}

#[test]
fn consist_of_names_what_is_missing_and_what_is_left() {
    differs(json!({ "consist-of": ["a", "b"] }), json!(["a"]), "to consist of");
    let failure = matcher(&json!({ "consist-of": ["a", { "lt": 2 }] })).failure(&json!(["x", "a"]), false);
    assert_eq!((failure.missing_elements, failure.extra_elements), (vec![json!({ "lt": 2 })], vec![json!("x")]));
    fails(json!({ "consist-of": [] }), json!(1), "ConsistOf matcher expects an array/slice/map.  Got:\n    <int>: 1");
}

#[test]
fn contain_element_tells_an_error_only_when_nothing_matches() {
    matches(json!({ "contain-element": { "lt": 20 } }), json!(["x", "15"]));
    fails(
        json!({ "contain-element": { "lt": 20 } }),
        json!(["x"]),
        "matchers.ToNumeric{}: strconv.ParseFloat: parsing \"x\": invalid syntax",
    );
    differs(json!({ "contain-element": "b" }), json!(["a"]), "to contain element matching");
    refused(
        json!({ "contain-element": ["a"] }),
        "Syntax Error: Invalid 'contain-element' argument. Expected matcher, string or numeric value, \
         but received: []interface {}: [\"a\"]",
    );
}

#[test]
fn keys_are_matched() {
    matches(json!({ "have-key": { "have-prefix": "n" } }), json!({ "name": 1 }));
    differs(json!({ "have-key": "x" }), json!({ "name": 1 }), "to have key matching");
    fails(
        json!({ "have-key": "x" }),
        json!([]),
        "HaveKey matcher expects a map.  Got:    <[]interface {} | len:0, cap:0>: []",
    );
}

#[test]
fn comparisons_are_of_numbers() {
    for (name, yes, no) in [("gt", 4, 5), ("ge", 5, 6), ("lt", 6, 5), ("le", 5, 4)] {
        matches(json!({ name: yes }), json!("5"));
        differs(json!({ name: no }), json!(5), &format!("to be numerically {name}"));
    }
    fails(json!({ "gt": "4" }), json!(5), "Expected a number.  Got:\n    <string>: 4");
}

#[test]
fn and_says_what_failed_first_or_says_all_that_it_wanted() {
    let both = json!({ "and": ["a", { "have-prefix": "b" }] });
    assert_eq!(matcher(&both).failure(&json!("a"), false).message, "to have prefix");
    matches(json!({ "and": [] }), json!(1));
    let any = matcher(&json!({ "or": ["a", "b"] }));
    assert_eq!(any.failure(&json!("c"), false).message, "to satisfy at least one of these matchers");
    assert_eq!(any.failure(&json!("b"), true).message, "not to equal");
    matches(json!({ "or": [1, 2] }), json!("2"));
    assert_eq!(
        matcher(&json!({ "not": both })).failure(&json!("a"), false).message,
        "not to satisfy all of these matchers"
    );
}

#[test]
fn versions_are_in_ranges() {
    for (range, inside, outside) in [
        (">=1.2.0", "1.2.0", "1.1.9"),
        (">1.0.0 <2.0.0 !=1.5.0", "1.9.9", "1.5.0"),
        ("> 1.0.0 <= 2.0.0", "2.0.0", "1.0.0"),
        ("<1.0.0 || >=2.0.0", "2.1.0", "1.0.0"),
        ("1.x", "1.9.9", "2.0.0"),
        (">1.2.x", "1.3.0", "1.2.9"),
        ("<=1.2.x", "1.2.9", "1.3.0"),
        ("!1.2.x", "1.3.0", "1.2.0"),
        ("=1.0.0", "1.0.0+build", "1.0.0-rc1"),
    ] {
        matches(json!({ "semver-constraint": range }), json!(inside));
        matches(json!({ "semver-constraint": range }), json!([inside, inside]));
        differs(json!({ "semver-constraint": range }), json!([inside, outside]), "to satisfy semver constraint");
    }
    refused(
        json!({ "semver-constraint": "about 1" }),
        "Expected a valid semver constraint.  Got:\n    <string>: about 1",
    );
    fails(
        json!({ "semver-constraint": ">1.0.0" }),
        json!("1.2"),
        "Expected a single or list of semver valid version(s).  Got:\n    <string>: 1.2",
    );
}

#[test]
fn a_json_text_is_looked_into() {
    let text = json!(r#"{"a": {"b": [1, "x"]}, "n": 5, "t": true, "z": null}"#);
    matches(json!({ "gjson": { "a.b.1": "x", "n": { "lt": 6 }, "a.b.#": 2, "t": true } }), text.clone());
    matches(json!({ "gjson": { "@this": { "have-key": "a" }, "a.b": { "have-len": 2 } } }), text.clone());
    fails(json!({ "gjson": { "c": 1 } }), text.clone(), "matchers.Gjson{Path:\"c\"}: Path not found: c");
    fails(json!({ "gjson": { "c": 1 } }), json!("{"), "matchers.Gjson{Path:\"c\"}: Invalid json");
    let failure = matcher(&json!({ "gjson": { "n": { "gt": "6" } } })).failure(&text, false);
    assert_eq!(failure.transform_chain, [r#"{"gjson":{"Path":"n"}}"#]);
    assert_eq!(failure.untransformed, Some(text));
}

#[test]
fn transforms_are_told_when_they_change_the_value() {
    let failure = matcher(&json!({ "have-prefix": "2" })).failure(&json!(128), false);
    assert_eq!((failure.actual, failure.untransformed), (json!("128"), Some(json!(128))));
    assert_eq!(failure.transform_chain, [r#"{"to-string":{}}"#]);
    let failure = matcher(&json!({ "have-prefix": "2" })).failure(&json!("128"), false);
    assert!(failure.transform_chain.is_empty(), "{:?}", failure.transform_chain);
}

#[test]
fn patterns_are_of_lines() {
    let lines = json!("foo bar\nmoo cow\n!literal\n");
    let all = json!(["foo", "/^m.*w$/", "!ftw", "!/^ERROR:/", "\\!literal"]);
    assert_eq!(Matcher::patterns(&all).unwrap().test(&lines), Ok(true));
    matches(json!({ "have-patterns": ["foo", "!x"] }), lines.clone());
    differs(json!({ "have-patterns": ["bar\nmoo"] }), lines.clone(), "to have patterns");
    let failure = Matcher::patterns(&json!(["foo", "!moo", "x"])).unwrap().failure(&lines, false);
    assert_eq!(failure.missing_elements, [json!("!moo"), json!("x")]);
    assert_eq!(failure.found_elements, Some(vec![json!("foo")]));
    assert_eq!(Matcher::patterns(&json!([""])).unwrap().test(&json!("")), Ok(true));
    let long = json!("x".repeat(1024 * 1024));
    assert_eq!(Matcher::patterns(&json!(["y"])).unwrap().test(&long), Err("bufio.Scanner: token too long".to_owned()));
}

#[test]
fn found_elements_are_told_beside_those_that_are_missing() {
    for (expected, actual, found) in [
        (json!(["a", "b"]), json!(["b", "c"]), json!(["b"])),
        (json!(["a"]), json!(["b"]), json!([])),
        (json!(["a", "a", "a"]), json!(["a", "a"]), json!(["a", "a"])),
        (json!({ "consist-of": ["a", "x"] }), json!(["a", "c"]), json!(["a"])),
        (json!({ "contain-elements": ["x"] }), json!(1), json!(["x"])),
        (json!({ "have-patterns": ["x"] }), json!("a"), Value::Null),
        (json!({ "not": ["a"] }), json!(["a"]), Value::Null),
    ] {
        assert_eq!(json!(matcher(&expected).failure(&actual, false).found_elements), found, "{expected} of {actual}");
    }
}

/// After goss's own `testdata/matching_xml.yaml` and `matchers/xml_test.go`.
#[test]
fn xml_is_what_an_expression_finds_in_it() {
    let order = json!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<order date=\"2019-02-01\">\n  <items>\n    \
         <book isbn=\"97\"><title>Harry Potter</title><price>25</price></book>\n    \
         <book isbn=\"98\"><title>Le seigneur des anneaux</title><price>18</price></book>\n  </items>\n</order>\n"
    );
    for (xpath, result) in [
        ("//book[title='Le seigneur des anneaux']/price/text()", "18"),
        ("//book[@isbn='98']/title", "<title>Le seigneur des anneaux</title>"),
        ("//book[1]/@isbn", "<isbn>97</isbn>"),
        ("//items/book", ""),
        ("//items/book", "  "),
        ("count(//book)", "2"),
        ("sum(//price)", "43"),
        ("boolean(//book[title='Dune'])", "false"),
        ("//book[contains(title, 'anneaux')]/price", "<price>18</price>"),
    ] {
        matches(json!({ "xml": { "xpath": xpath, "result": result } }), order.clone());
    }
    matches(json!({ "xml": { "xpath": "count(//book)", "result": 2 } }), order.clone());
    let none = json!({ "xml": { "xpath": "//items/dvd" } });
    assert_eq!(matcher(&none).test(&order), Ok(false));
    matches(json!({ "not": none }), order.clone());
    let compiled = matcher(&json!({ "xml": { "xpath": "//dvd", "result": "x" } }));
    assert_eq!(compiled.failure(&order, false).message, "satisfied XPath match with intended result");
    assert_eq!(compiled.failure(&order, true).message, "cannot match xpath query with intended result");
    assert_eq!((compiled.failure(&order, false).expected, compiled.value()), (json!("x"), json!({ "xml": "//dvd" })));
    fails(
        json!({ "xml": { "xpath": "count(//book)", "result": "" } }),
        order,
        "Cannot match XPath query with attended result; result: \"2\"; expected: \"\"",
    );
    fails(json!({ "xml": { "xpath": "//a" } }), json!(42), "XML expect pattern to be a string: \n42");
    let error = matcher(&json!({ "xml": { "xpath": "//a" } })).test(&json!("no <<<")).unwrap_err();
    assert!(error.starts_with("Cannot parse XML string \"no <<<\": "), "{error}");
}

#[test]
fn xml_that_asks_for_nothing_or_wrongly_is_refused() {
    refused(json!({ "xml": {} }), "`xml` needs an `xpath`");
    refused(json!({ "xml": { "xpath": "/a", "results": "" } }), "`xml` has no `results`, only `xpath` and `result`");
    refused(
        json!({ "xml": "//a" }),
        "Syntax Error: Invalid 'xml' argument. Expected map value, but received: string: \"//a\"",
    );
    let error = Matcher::compile(&json!({ "xml": { "xpath": "count(//a" } })).unwrap_err();
    assert_eq!(error.message, "no XPath expression: `count(//a`: character 10: `,` or `)` is missing");
    assert_eq!(error.path, [Segment::Key("xml".into()), Segment::Key("xpath".into())]);
}

#[test]
fn what_is_no_matcher_is_refused_where_it_is() {
    let error = Matcher::compile(&json!({ "and": [1, { "have-prefx": "a" }] })).unwrap_err();
    assert_eq!(error.message, "Syntax Error: Unknown matcher: have-prefx");
    assert_eq!(error.unknown.as_deref(), Some("have-prefx"));
    let path = [Segment::Key("and".into()), Segment::Index(1), Segment::Key("have-prefx".into())];
    assert_eq!(error.path, path);
    refused(Value::Null, "Syntax Error: Missing required attribute");
    refused(
        json!({ "lt": 5, "gt": 1 }),
        "Syntax Error: Invalid matcher configuration. At a given nesting level, only one matcher is allowed. \
         Found multiple matchers: [\"gt\" \"lt\"]",
    );
    assert!(Matcher::compile(&json!({})).unwrap_err().message.contains("An empty map asserts nothing"));
    assert!(Matcher::compile(&json!({ "match-regexp": "(" })).unwrap_err().message.contains("unclosed group"));
    assert!(Matcher::patterns(&json!([5])).unwrap_err().message.contains("in quotes"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c0-9.!/\\n{}\"\\[\\]:, ]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_expected() -> impl Strategy<Value = Value> {
    any_json().prop_recursive(3, 24, 3, |inner| {
        let name = prop::sample::select(NAMES);
        prop_oneof![
            (name, inner.clone()).prop_map(|(name, value)| json!({ name: value })),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| json!({ "or": all })),
            ("[a-c@#.*|(){}!=<>%0-9\\[\\]:,\"\\\\]{0,10}", inner)
                .prop_map(|(path, value)| json!({ "gjson": { path: value } })),
        ]
    })
}

proptest! {
    #[test]
    fn a_matcher_and_its_negation_never_agree(expected in any_expected(), actual in any_json()) {
        if let Ok(compiled) = Matcher::compile(&expected) {
            let negated = matcher(&json!({ "not": expected }));
            match compiled.test(&actual) {
                Ok(matches) => prop_assert_eq!(negated.test(&actual), Ok(!matches)),
                Err(error) => prop_assert_eq!(negated.test(&actual), Err(error)),
            }
            let (first, second) = (compiled.failure(&actual, false), compiled.failure(&actual, true));
            let _ = (golang::json(&first.expected, true), golang::json(&second.actual, false));
        }
    }

    #[test]
    fn paths_into_json_never_panic(path in "\\PC{0,16}", document in any_json()) {
        let compiled = matcher(&json!({ "gjson": { path: { "have-len": 1 } } }));
        let _ = compiled.test(&document.to_string().into());
    }
}
