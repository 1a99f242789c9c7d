//! Secrets that are written literally: keys and tokens by their form, passwords by the name that they are given to.
//!
//! The forms are those that the services document. They are narrow on purpose: a warning that is wrong is soon ignored.

use std::ops::Range;

use serde_yaml::Value as Yaml;

use crate::diagnostic::{Diagnostic, LITERAL_SECRET, MOST_TOLD};
use crate::source::{Place, Route, Segment, Sources};

/// A token that begins with a fixed text.
struct Form {
    prefix: &'static str,
    what: &'static str,
    is_part: fn(char) -> bool,
    /// How many characters follow: at least, and at most.
    length: (usize, usize),
}

const UNLIMITED: usize = usize::MAX;

const FORMS: [Form; 12] = [
    Form { prefix: "AKIA", what: "an AWS access key", is_part: is_aws, length: (16, 16) },
    Form { prefix: "ASIA", what: "an AWS access key", is_part: is_aws, length: (16, 16) },
    Form { prefix: "ghp_", what: "a GitHub token", is_part: is_word, length: (36, UNLIMITED) },
    Form { prefix: "gho_", what: "a GitHub token", is_part: is_word, length: (36, UNLIMITED) },
    Form { prefix: "ghu_", what: "a GitHub token", is_part: is_word, length: (36, UNLIMITED) },
    Form { prefix: "ghs_", what: "a GitHub token", is_part: is_word, length: (36, UNLIMITED) },
    Form { prefix: "ghr_", what: "a GitHub token", is_part: is_word, length: (36, UNLIMITED) },
    Form { prefix: "github_pat_", what: "a GitHub token", is_part: is_word, length: (82, UNLIMITED) },
    Form { prefix: "glpat-", what: "a GitLab token", is_part: is_token, length: (20, UNLIMITED) },
    Form { prefix: "gldt-", what: "a GitLab deploy token", is_part: is_token, length: (20, UNLIMITED) },
    Form { prefix: "xoxb-", what: "a Slack token", is_part: is_token, length: (24, UNLIMITED) },
    Form { prefix: "xoxp-", what: "a Slack token", is_part: is_token, length: (24, UNLIMITED) },
];

/// Last words of a name that say that its value is secret.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "passphrase", "token", "secret", "apikey"];
/// The same, for names of two words.
const SECRET_PAIRS: [(&str, &str); 4] = [("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")];

fn is_aws(char: char) -> bool {
    char.is_ascii_uppercase() || ('2'..='7').contains(&char)
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn is_token(char: char) -> bool {
    is_word(char) || char == '-'
}

/// A warning for each secret in the files.
pub(super) fn literal(sources: &Sources) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for source in sources.iter() {
        match source.value() {
            // Its text may be shown all the same.
            Yaml::Null => found.extend(by_form(source.text(), |range| Place::Bytes(source.id(), range))),
            value => look(value, &Route::of(source.id()), false, &mut found),
        }
    }
    found
}

/// Looks at a value and into it. `sensitive`: the mapping that it is in declares a sensitive variable.
fn look(value: &Yaml, route: &Route, sensitive: bool, found: &mut Vec<Diagnostic>) {
    if found.len() > MOST_TOLD {
        return;
    }
    match value {
        Yaml::String(text) => found.extend(in_text(text, route, sensitive)),
        Yaml::Sequence(items) => {
            items.iter().enumerate().for_each(|(index, item)| look(item, &route.index(index), false, found));
        }
        Yaml::Mapping(entries) => {
            let sensitive = value.get("sensitive").and_then(Yaml::as_bool).unwrap_or_default();
            for (key, value) in entries {
                if let Some(key) = key.as_str() {
                    look(value, &route.key(key), sensitive, found);
                }
            }
        }
        Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::Tagged(_) => {}
    }
}

fn in_text(text: &str, route: &Route, sensitive: bool) -> Vec<Diagnostic> {
    let by_form = by_form(text, |range| Place::Inside(route.clone(), range));
    if !by_form.is_empty() {
        return by_form;
    }
    let Some(name) = given_to(route) else { return Vec::new() };
    let is_default = matches!(route.segments().last(), Some(Segment::Key(key)) if key == "default");
    let is_plain = !text.is_empty() && !text.contains("${{") && !text.starts_with(['/', '$']);
    if is_plain && (is_secret_name(name) || (sensitive && is_default)) {
        let message = format!("the value of `{name}` stands here as text");
        return vec![warning(name, &message, Place::Value(route.clone()))];
    }
    Vec::new()
}

/// Keys and tokens of a text.
fn by_form(text: &str, place: impl Fn(Range<usize>) -> Place) -> Vec<Diagnostic> {
    let keys = private_keys(text).map(|range| ("a private key", range));
    let tokens = FORMS.iter().flat_map(|form| tokens(form, text).map(|range| (form.what, range)));
    keys.chain(tokens)
        // One more than is told, so that it is told that there are more.
        .take(MOST_TOLD + 1)
        .map(|(what, range)| warning("secret", &format!("{what} stands here as text"), place(range)))
        .collect()
}

/// `name`: what a variable for it could be called.
fn warning(name: &str, message: &str, place: Place) -> Diagnostic {
    let (lower, upper) = (name.to_lowercase(), name.to_uppercase().replace('-', "_"));
    let variable = format!("`{lower}: {{ env: {upper}, sensitive: true }}`");
    Diagnostic::warning(LITERAL_SECRET, message)
        .at(place)
        .help(format!("declare {variable} in `variables`, and use `${{{{ vars.{lower} }}}}`"))
        .help("whoever can read the repository has it: replace the secret itself too")
}

/// The first lines of private keys in the PEM form.
fn private_keys(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let end = "PRIVATE KEY-----";
    text.match_indices("-----BEGIN ").filter_map(move |(start, _)| {
        let line = text.get(start..)?.lines().next()?;
        line.find(end).map(|at| start..start + at + end.len())
    })
}

/// Where a text has tokens of a form.
fn tokens<'a>(form: &'a Form, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let starts = text.match_indices(form.prefix).map(|(start, _)| start);
    // A word that goes on before or after is another one.
    let starts = starts.filter(|start| !text.get(..*start).unwrap_or_default().ends_with(is_word));
    starts.filter_map(|start| {
        let rest = text.get(start + form.prefix.len()..).unwrap_or_default();
        let length = rest.find(|char| !(form.is_part)(char)).unwrap_or(rest.len());
        let (least, most) = form.length;
        let goes_on = rest.get(length..).unwrap_or_default().starts_with(is_word);
        // What AWS's own documentation shows.
        let is_example = rest.get(..length).unwrap_or_default().ends_with("EXAMPLE");
        let fits = (least..=most).contains(&length) && !goes_on && !is_example;
        fits.then(|| start..start + form.prefix.len() + length)
    })
}

/// The environment variable, or the variable of the definition, that a value belongs to.
fn given_to(route: &Route) -> Option<&str> {
    match route.segments() {
        [.., Segment::Key(env), Segment::Key(name)] if env == "env" => Some(name),
        [Segment::Key(variables), Segment::Key(name)] if variables == "variables" => Some(name),
        [Segment::Key(variables), Segment::Key(name), Segment::Key(key)]
            if variables == "variables" && key == "default" =>
        {
            Some(name)
        }
        _ => None,
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split(['_', '-']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [.., first, last] if SECRET_PAIRS.contains(&(*first, *last)) => true,
        [.., last] => SECRET_WORDS.contains(last),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let (sources, _) = Sources::parse("ovenbird.yml", text);
        let show = |one: &Diagnostic| {
            let (source, range) = one.range(&sources);
            format!("{}: {}", source.position(range.start).line, one.message)
        };
        literal(&sources).iter().map(show).collect()
    }

    #[test]
    fn keys_and_tokens_are_known_by_their_form() {
        let token = "a".repeat(36);
        let words = [
            ("AKIAABCDEFGHIJKLMNOP", "an AWS access key"),
            (&format!("ghp_{token}"), "a GitHub token"),
            (&format!("github_pat_{}", "A1".repeat(41)), "a GitHub token"),
            ("glpat-abcdefghij0123456789", "a GitLab token"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        ];
        for (word, what) in words {
            let text = format!("steps:\n  - run: |\n      set -e\n      use {word} now\n");
            assert_eq!(found(&text), [format!("4: {what} stands here as text")], "{word}");
        }
    }

    #[test]
    fn what_only_looks_like_a_token_is_none() {
        for word in [
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAABCDEFGHIJKLMNOPQ",
            "XAKIAABCDEFGHIJKLMNOP",
            "ghp_short",
            "my_ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(found(&format!("run: {word}\n")), Vec::<String>::new(), "{word}");
        }
    }

    #[test]
    fn a_text_that_is_given_to_a_secret_s_name_is_one() {
        for name in ["PASSWORD", "DB_PASSWORD", "API_TOKEN", "AWS_SECRET_ACCESS_KEY", "CLIENT_SECRET", "API_KEY"] {
            assert_eq!(found(&format!("env: {{ {name}: abc }}\n")).len(), 1, "{name}");
        }
        for entry in [
            "TOKEN_URL: abc",
            "PASSWORD_FILE: abc",
            "TOKEN: \"\"",
            "TOKEN: /run/token",
            "TOKEN: $OTHER",
            "TOKEN: \"${{ vars.token }}\"",
            "USE_TOKEN: true",
            "KEYBOARD: de",
        ] {
            assert_eq!(found(&format!("env: {{ {entry} }}\n")), Vec::<String>::new(), "{entry}");
        }
    }

    #[test]
    fn a_default_of_a_sensitive_variable_is_one() {
        assert_eq!(found("variables: { license: { default: abc, sensitive: true } }\n").len(), 1);
        assert_eq!(found("variables: { db_password: abc }\n").len(), 1);
        assert_eq!(found("variables: { license: { default: abc } }\n"), Vec::<String>::new());
        assert_eq!(found("variables: { license: { env: LICENSE, sensitive: true } }\n"), Vec::<String>::new());
    }
}
