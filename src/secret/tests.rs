//! What is hidden, in every form, over lines and over pieces.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn secrets(values: &[(&str, &str)]) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in values {
        secrets.insert(*name, *value);
    }
    secrets
}

#[test]
fn every_occurrence_is_masked_the_longest_value_first() {
    let redactor = secrets(&[("a", "hunter2"), ("b", "hunter2-long")]).redactor();
    assert_eq!(redactor.redact("x hunter2-long y hunter2 z"), "x *** y *** z");
}

#[test]
fn each_line_of_a_multi_line_value_is_masked() {
    let redactor = secrets(&[("key", "-----BEGIN\n  c2VjcmV0\n-----END\nab")]).redactor();
    assert_eq!(redactor.redact("got c2VjcmV0 and -----END and ab"), "got *** and *** and ab");
}

#[test]
fn an_empty_value_masks_nothing() {
    assert_eq!(secrets(&[("empty", "")]).redactor().redact("abc"), "abc");
}

fn masks(values: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let masks = secrets(values).masks();
    let mut lines = Vec::new();
    let Ok(()) = masks.announce(|line| {
        lines.push(line.to_owned());
        Ok::<(), std::convert::Infallible>(())
    });
    (lines, masks.unmasked().to_vec())
}

#[test]
fn a_runner_is_told_each_line_once_and_what_it_is_not_told() {
    let (lines, unmasked) = masks(&[
        ("again", " hunter2\r\n"),
        ("key", "-----BEGIN\n  c2VjcmV0\rx}\n"),
        ("none", ""),
        ("password", "hunter2"),
        ("short", "no"),
    ]);
    assert_eq!(lines, ["hunter2", "-----BEGIN", "c2VjcmV0"]);
    assert_eq!(unmasked, ["key", "short"]);
}

#[test]
fn debug_output_shows_names_only() {
    assert_eq!(format!("{:?}", secrets(&[("token", "hunter2")])), r#"{"token"}"#);
}

#[test]
fn a_malformed_message_is_refused_without_being_repeated() {
    let error = Secrets::from_wire("{\"secrets\": \"hunter2\"}").map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(error, Err("the first line on standard input is not a message of secrets".to_owned()));
}

fn hidden(value: &str, text: &str) -> String {
    secrets(&[("value", value)]).redactor().redact(text)
}

#[test]
fn a_value_over_lines_is_masked_in_each_of_them() {
    assert_eq!(hidden("hunter2-hunter2", "a hunt\r\ner2-hun\nter2 b"), "a ***\r\n***\n*** b");
    assert_eq!(hidden("no", "piano\nn\no"), "pia***\nn\no", "the halves of a short one stand in any text");
    assert_eq!(hidden("a\nb", "ab"), "ab");
}

#[test]
fn secrets_that_overlap_are_one() {
    let redactor = secrets(&[("a", "hunter2"), ("b", "ter2-and-more")]).redactor();
    assert_eq!(redactor.redact("x hunter2-and-more y"), "x *** y");
}

#[test]
fn a_value_that_came_later_is_hidden_from_then_on_by_all() {
    let redactor = secrets(&[]).redactor();
    let (clone, mut stream) = (redactor.clone(), redactor.stream());
    assert_eq!(stream.push(b"hunter2 "), b"hunter2 ");
    redactor.register("hunter2");
    assert_eq!(clone.redact("hunter2"), "***");
    assert_eq!(stream.push(b"hunter2 x"), b"*** x");
}

#[test]
fn a_registered_value_is_hidden_and_masked_and_nobodys_variable() {
    let mut secrets = secrets(&[("token", "hunter2")]);
    secrets.register("opensesame");
    let other = Secrets::from_wire(&secrets.only(&[]).to_wire().unwrap()).unwrap();
    assert_eq!((other.names().count(), other.redactor().redact("opensesame hunter2").as_str()), (0, "*** hunter2"));
    let mut told = Vec::new();
    let Ok(()) = secrets.masks().announce(|line| {
        told.push(line.to_owned());
        Ok::<(), std::convert::Infallible>(())
    });
    assert_eq!(told, ["hunter2", "opensesame"]);
}

#[test]
fn a_line_waits_only_when_a_secret_may_have_begun_in_it() {
    let mut lines = secrets(&[("value", "hunter2-hunter2")]).redactor().lines();
    assert_eq!(lines.push("over the hun"), ["over the hun"]);
    assert_eq!(lines.push("my hunter"), [""; 0]);
    assert!(lines.is_waiting());
    assert_eq!(lines.push("is here"), ["my hunter", "is here"]);
    assert_eq!(lines.push("a hunter2-"), [""; 0]);
    assert_eq!(lines.flush(), ["a ***"], "after a while");
    assert!(!lines.is_waiting());
    assert_eq!(lines.push("hunter2 b"), ["*** b"], "its rest is hidden too");
    assert_eq!(lines.push("a hunter2-"), [""; 0]);
    assert_eq!(lines.finish(), ["a ***"], "cut inside of it");
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut stream = secrets(&[("value", "hunter2-hunter2")]).redactor().stream();
    assert_eq!(stream.push(b"hunter2").len(), 0);
    let shown = stream.push(&[b'\n'; 100_000]).len();
    assert_eq!(shown, 100_007);
}

/// Pieces of 6 characters of what a program printed, without line ends: whoever sees none of them sees no secret.
fn leaks(printed: &str, shown: &str) -> Option<String> {
    let flat = |text: &str| text.chars().filter(|char| !char.is_control()).collect::<Vec<char>>();
    let (printed, shown) = (flat(printed), flat(shown).into_iter().collect::<String>());
    printed.windows(6).map(|piece| piece.iter().collect::<String>()).find(|piece| shown.contains(piece))
}

/// What programs make of a value, made by other code than the one that looks for it.
fn printed(value: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let hex = |between: &str| value.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between);
    let json = serde_json::to_string(value).unwrap();
    let query = reqwest::Url::parse_with_params("http://h", [("q", value)]).unwrap();
    let mut path = reqwest::Url::parse("http://h").unwrap();
    path.path_segments_mut().unwrap().push(value);
    let mut printed = vec![
        value.to_owned(),
        hex(""),
        hex("").to_uppercase(),
        hex(" "),
        hex(":"),
        serde_json::to_string(&json).unwrap(),
        json,
        format!("'{}'", value.replace('\'', "'\\''")),
        query.query().unwrap()[2..].to_owned(),
        path.path()[1..].to_owned(),
        maud::html! { (value) }.into_string(),
    ];
    for before in ["", "x", "xy"] {
        printed.push(STANDARD.encode(format!("{before}{value}z")));
        printed.push(URL_SAFE.encode(format!("{before}{value}z")));
    }
    printed
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_of_a_secret_is_shown_in_any_form_in_any_pieces(
        value in "[a-zA-Z0-9]{4}[ -~éü]{4,40}[a-zA-Z0-9]{4}",
        (before, after) in ("[ \u{4e00}-\u{4eff}\n]{0,20}", "[ \u{4e00}-\u{4eff}\n]{0,20}"),
        fold in 8_usize..90,
        cuts in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let redactor = secrets(&[("value", &value)]).redactor();
        for form in printed(&value) {
            let chars: Vec<char> = form.chars().collect();
            let folded: Vec<String> = chars.chunks(fold).map(|line| line.iter().collect()).collect();
            let text = format!("{before}{}{after}", folded.join("\n"));
            let shown = redactor.redact(&text);
            proptest::prop_assert_eq!(leaks(&form, &shown), None, "{}: {}", form, shown);
            let (mut stream, mut rest, mut streamed) = (redactor.stream(), text.as_bytes(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, others) = rest.split_at((*cut).min(rest.len()));
                streamed.extend(stream.push(piece));
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
            streamed.extend(stream.finish());
            let streamed = String::from_utf8(streamed).unwrap();
            proptest::prop_assert_eq!(leaks(&form, &streamed), None);
            // Around the secret nothing is changed.
            proptest::prop_assert!(streamed.starts_with(&before) && streamed.ends_with(&after), "{}", streamed);
            let mut lines = redactor.lines();
            let mut told: Vec<String> = text.split('\n').flat_map(|line| lines.push(line)).collect();
            told.extend(lines.finish());
            proptest::prop_assert_eq!(told.len(), text.split('\n').count());
            proptest::prop_assert_eq!(leaks(&form, &told.join("\n")), None);
        }
    }

    #[test]
    fn a_text_without_the_secret_is_not_changed(text in "(\\PC|\n|hunter|2-hunt){0,60}", cut in 0_usize..60) {
        proptest::prop_assume!(!text.replace('\n', "").contains("hunter2-hunter2-xyz"));
        let redactor = secrets(&[("value", "hunter2-hunter2-xyz")]).redactor();
        proptest::prop_assert_eq!(redactor.redact(&text), text.as_str());
        let mut stream = redactor.stream();
        let (first, second) = text.as_bytes().split_at(cut.min(text.len()));
        let mut shown = [stream.push(first), stream.push(second), stream.push(b"the end\n")].concat();
        shown.extend(stream.finish());
        proptest::prop_assert_eq!(String::from_utf8(shown).unwrap(), format!("{text}the end\n"));
    }
}
