//! Our expressions beside GitHub's own npm package, on expressions made by a generator.
//!
//! `OVENBIRD_EXPRESSION_SEED` and `OVENBIRD_EXPRESSION_CASES` choose other cases and more of them; what was run is printed.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod generator;
mod package;

use generator::{Case, Generator};
use ovenbird::expression::{Environment, Object, Value, evaluate, parse};
use package::Package;
use serde_json::{Map, Value as Json, json};

/// Contexts given as JSON, and the status functions of a job that is going well.
struct Contexts(Object);

impl Environment for Contexts {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn call(&self, name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "success" | "always" => Some(Ok(Value::Bool(true))),
            "failure" | "cancelled" => Some(Ok(Value::Bool(false))),
            _ => None,
        }
    }
}

/// What we make of a case.
fn ours(case: &Case) -> Result<Value, String> {
    let expr = parse(&case.text).map_err(|error| error.to_string())?;
    let environment = Contexts(Object::from(&case.contexts));
    // GitHub refuses unknown names while it parses, also where they would not be evaluated. We do so in `check`.
    let unknown = expr.references().into_iter().find(|reference| environment.context(&reference.context).is_none());
    if let Some(unknown) = unknown {
        return Err(format!("unrecognized named-value `{}`", unknown.context));
    }
    evaluate(&expr, &environment).map_err(|error| error.to_string())
}

/// Whether a value is the one that `evaluate.mjs` encoded.
fn is_same(value: &Value, encoded: &Json) -> bool {
    match value {
        Value::Null => encoded.is_null(),
        Value::Bool(value) => encoded.as_bool() == Some(*value),
        Value::String(text) => encoded.as_str() == Some(text),
        Value::Number(number) => {
            let theirs = encoded["number"].as_str().and_then(|text| text.parse::<f64>().ok());
            theirs.is_some_and(|theirs| theirs.to_bits() == number.to_bits() || theirs.is_nan() && number.is_nan())
        }
        Value::Array(items) => encoded.as_array().is_some_and(|theirs| {
            items.len() == theirs.len() && items.iter().zip(theirs).all(|(item, theirs)| is_same(item, theirs))
        }),
        Value::Object(object) => encoded["object"].as_array().is_some_and(|theirs| {
            object.len() == theirs.len()
                && object.iter().zip(theirs).all(|((key, value), pair)| key == pair[0] && is_same(value, &pair[1]))
        }),
    }
}

/// Takes a case, what we make of it, and what the package does.
type Explains = fn(&Case, &Result<Value, String>, &Result<Json, String>) -> bool;

/// A place where we differ on purpose.
struct Difference {
    why: &'static str,
    /// A case that shows it, the value that it has here (none: an error), and the one of the package, encoded.
    case: (String, Option<Json>, Option<Json>),
    /// Whether it explains why a case's outcomes differ.
    explains: Explains,
}

fn differences() -> Vec<Difference> {
    vec![
        Difference {
            why: "the package takes a comma after the last argument; the runner does not",
            case: ("format('a',)".to_owned(), None, Some(json!("a"))),
            explains: |case, ours, theirs| {
                let text: String = case.text.split_whitespace().collect();
                ours.is_err() && theirs.is_ok() && text.contains(",)")
            },
        },
        Difference {
            why: "the package unescapes the first doubled quote of a string only; the runner all",
            case: ("'a''b''c'".to_owned(), Some(json!("a'b'c")), Some(json!("a'b''c"))),
            explains: |case, _, _| has_two_escaped_quotes(&case.text),
        },
        Difference {
            why: "the package ignores what follows the number in the braces of `format`; the runner refuses it",
            case: ("format('{0x}', 1)".to_owned(), None, Some(json!("1"))),
            explains: |_, ours, theirs| {
                theirs.is_ok() && ours.as_ref().is_err_and(|error| error.starts_with("the format string is invalid"))
            },
        },
        Difference {
            why: "the package evaluates all arguments of `case`; the runner those that it needs",
            case: ("case(true, 1, fromJSON(''))".to_owned(), Some(json!(1)), None),
            explains: |case, ours, theirs| ours.is_ok() && theirs.is_err() && case.text.to_lowercase().contains("case"),
        },
        Difference {
            why: "the package knows four characters as white space between tokens; the runner all of Unicode's",
            case: ("1\u{a0}== 1".to_owned(), Some(json!(true)), None),
            explains: |case, ours, theirs| {
                let is_other = |c: char| c.is_whitespace() && !matches!(c, ' ' | '\t' | '\r' | '\n');
                ours.is_ok() && theirs.is_err() && case.text.contains(is_other)
            },
        },
        Difference {
            why: "the package does not count operators as levels of the tree; the runner does",
            case: (format!("1{} == 2", " == 1".repeat(50)), None, Some(json!(false))),
            explains: |_, _, _| false,
        },
        Difference {
            why: "the package moves keys that are whole numbers to the front, as JavaScript's objects do; the runner keeps the order",
            case: (
                "toJSON(fromJSON('{\"b\":1,\"0\":2}'))".to_owned(),
                Some(json!("{\n  \"b\": 1,\n  \"0\": 2\n}")),
                Some(json!("{\n  \"0\": 2,\n  \"b\": 1\n}")),
            ),
            explains: |_, _, _| false,
        },
        Difference {
            why: "the package loses keys that every JavaScript object has",
            case: ("fromJSON('{\"constructor\":1}').constructor".to_owned(), Some(json!(1)), Some(Json::Null)),
            explains: |_, _, _| false,
        },
        Difference {
            why: "JSON beyond the range of a double is infinite in the package; serde_json refuses it",
            case: ("fromJSON('1e400')".to_owned(), None, Some(json!({ "number": "Infinity" }))),
            explains: |_, _, _| false,
        },
        Difference {
            why: "our strings are Unicode: JSON with half of a surrogate pair is refused",
            case: ("fromJSON('\"\\ud800\"') == ''".to_owned(), None, Some(json!(false))),
            explains: |_, _, _| false,
        },
        Difference {
            why: "the package lets expressions make values of any size; the runner and we one mebibyte",
            case: (format!("{} != ''", repeated(4)), None, Some(json!(true))),
            explains: |_, _, _| false,
        },
    ]
}

/// An expression whose text is 32 letters, 32 times repeated `times` times.
fn repeated(times: usize) -> String {
    let letters = format!("'{}'", "x".repeat(32));
    (0..times).fold(letters, |text, _| format!("format('{}', {text})", "{0}".repeat(32)))
}

fn has_two_escaped_quotes(text: &str) -> bool {
    let (mut in_string, mut escaped) = (false, 0);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' if in_string && characters.next_if_eq(&'\'').is_some() => escaped += 1,
            '\'' => (in_string, escaped) = (!in_string, 0),
            _ => {}
        }
        if escaped > 1 {
            return true;
        }
    }
    false
}

/// How the outcomes of a case differ, unless it is on purpose.
fn mismatch(case: &Case, package: &mut Package) -> Option<String> {
    let (ours, theirs) = (ours(case), package.evaluate(case));
    let is_agreed = match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => is_same(ours, theirs),
        (ours, theirs) => ours.is_err() && theirs.is_err(),
    };
    if is_agreed || differences().iter().any(|difference| (difference.explains)(case, &ours, &theirs)) {
        return None;
    }
    Some(format!("ours:   {ours:?}\ntheirs: {theirs:?}"))
}

/// The case with everything left out that the mismatch does not need.
fn reduced(mut case: Case, package: &mut Package) -> Case {
    let mut length = case.text.chars().count();
    while length > 0 {
        let characters: Vec<char> = case.text.chars().collect();
        let shorter = (0..(characters.len() + 1).saturating_sub(length)).find_map(|start| {
            let text = characters.iter().take(start).chain(characters.iter().skip(start + length)).collect();
            let shorter = Case { text, contexts: case.contexts.clone() };
            mismatch(&shorter, package).map(|_| shorter)
        });
        match shorter {
            Some(shorter) => case = shorter,
            None => length /= 2,
        }
        length = length.min(case.text.chars().count());
    }
    for name in case.contexts.keys().cloned().collect::<Vec<_>>() {
        let mut smaller = case.clone();
        smaller.contexts.shift_remove(&name);
        if mismatch(&smaller, package).is_some() {
            case = smaller;
        }
    }
    case
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("the variable is a whole number"))
}

#[test]
fn generated_expressions_have_the_value_that_github_gives_them() {
    let seed = setting("OVENBIRD_EXPRESSION_SEED", 20_261_122);
    let count = setting("OVENBIRD_EXPRESSION_CASES", 10_000);
    let (mut generator, mut package) = (Generator::new(seed), Package::start());
    let mut values = 0;
    for number in 0..count {
        let case = generator.case();
        if mismatch(&case, &mut package).is_some() {
            let case = reduced(case, &mut package);
            let outcomes = mismatch(&case, &mut package).unwrap_or_default();
            let contexts = Json::Object(case.contexts.clone());
            panic!("case {number} of seed {seed}, reduced:\n{}\ncontexts: {contexts}\n{outcomes}", case.text);
        }
        values += u64::from(ours(&case).is_ok());
    }
    // A generator that makes nothing but errors, or none, would prove little.
    assert!(values > count / 3 && values < count * 19 / 20, "{values} of {count} cases have a value");
    #[expect(clippy::print_stdout, reason = "what was run is what a run reports")]
    {
        println!("{count} generated expressions agree with @actions/expressions, {values} with a value (seed {seed})");
    }
}

#[test]
fn our_own_vectors_are_true_of_github() {
    let mut package = Package::start();
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/expression/vectors")).expect("they are there")
    {
        let text = std::fs::read_to_string(entry.expect("it is readable").path()).expect("it is a file");
        let groups: Map<String, Json> = serde_json::from_str(&text).expect("it is JSON");
        for vector in groups.values().filter_map(Json::as_array).flatten() {
            let text = vector["expr"].as_str().expect("it is a text").to_owned();
            let case = Case { text, contexts: vector["contexts"].as_object().cloned().unwrap_or_default() };
            assert_eq!(mismatch(&case, &mut package), None, "{}", case.text);
        }
    }
}

#[test]
fn differences_on_purpose_are_still_there() {
    let mut package = Package::start();
    for Difference { why, case: (text, expected, theirs), .. } in differences() {
        let case = Case { text, contexts: Map::new() };
        let value = ours(&case).ok().map(|value| Json::from(&value));
        assert_eq!(value, expected, "ours: {why}");
        let value = package.evaluate(&case).ok().map(|value| match value["number"].as_str() {
            Some(text) if text.parse::<i32>().is_ok() => json!(text.parse::<i32>().ok()),
            _ => value,
        });
        assert_eq!(value, theirs, "theirs: {why}");
    }
}
