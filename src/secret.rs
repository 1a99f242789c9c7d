//! The values that must never appear, and the writer that redacts them.
//!
//! Only this room can show a secret. Everything else holds names ([`Text`](crate::plan::job::Text) names a secret, it
//! never holds one) or a [`Secrets`] that it can't print. This room knows nothing of the others.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// What is shown where a secret would stand, as on GitHub.
pub const MASK: &str = "***";

/// Lines shorter than this are not masked on their own: masking every `a` would make a log unreadable and tell more
/// than it hides. The whole value is always masked.
const SHORTEST_MASKED_LINE: usize = 4;

/// A CI runner is not told of shorter values: masking `no` everywhere would make its log unreadable and tell more than it
/// hides.
const SHORTEST_MASK: usize = 3;

/// Sensitive values by the name of their variable.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// The first message on a job process's standard input: the only place where values cross a process boundary.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    secrets: BTreeMap<String, String>,
}

impl Secrets {
    /// Adds a value; an empty one has nothing to hide and is kept only to be resolved.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), SecretString::from(value.into()));
    }

    /// The value of a sensitive variable, for the one place that hands it to a machine. Never for a message.
    #[must_use]
    pub fn expose(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret)
    }

    /// Names of all values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The values that `names` lists, as a job process needs them.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let values = self.values.iter().filter(|(name, _)| names.contains(name));
        Self { values: values.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// One line of JSON for a job process's standard input. The caller writes it to a pipe and nowhere else.
    ///
    /// # Errors
    /// Never in practice: strings always serialize.
    pub fn to_wire(&self) -> serde_json::Result<String> {
        let secrets = self.values.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        serde_json::to_string(&Wire { secrets: secrets.collect() })
    }

    /// Reads what [`Secrets::to_wire`] wrote.
    ///
    /// # Errors
    /// The line is not such a message. The error does not repeat the line.
    pub fn from_wire(line: &str) -> Result<Self, MalformedSecrets> {
        let wire: Wire = serde_json::from_str(line).map_err(|_| MalformedSecrets)?;
        let mut secrets = Self::default();
        for (name, value) in wire.secrets {
            secrets.insert(name, value);
        }
        Ok(secrets)
    }

    /// What a CI runner should hide of these values.
    ///
    /// A value of several lines is told by its lines: GitHub's runner would mask each of them alone, the short ones too.
    #[must_use]
    pub fn masks(&self) -> Masks {
        let mut masks = Masks::default();
        let mut told = std::collections::BTreeSet::new();
        for (name, value) in &self.values {
            let lines: Vec<&str> = value.expose_secret().split(['\n', '\r']).map(str::trim).collect();
            let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            let shortest = if lines.len() == 1 { SHORTEST_MASK } else { SHORTEST_MASKED_LINE };
            let (long, short): (Vec<&str>, Vec<&str>) =
                lines.into_iter().partition(|line| line.chars().count() >= shortest);
            if !short.is_empty() {
                masks.unmasked.push(name.clone());
            }
            let new = long.into_iter().filter(|line| told.insert((*line).to_owned()));
            masks.lines.extend(new.map(|line| SecretString::from(line.to_owned())));
        }
        masks
    }

    /// A redactor for these values.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let mut needles = Vec::new();
        for value in self.values.values() {
            let value = value.expose_secret();
            needles.push(value.to_owned());
            needles.push(value.trim().to_owned());
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_MASKED_LINE);
            needles.extend(lines.map(str::to_owned));
        }
        needles.retain(|needle| !needle.is_empty());
        // The longest first, so that a value is not left half shown by a shorter one inside it.
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Redactor { needles: needles.into_iter().map(SecretString::from).collect() }
    }
}

/// What a CI runner is told to hide in its own log, line by line as it reads it.
#[derive(Clone, Default)]
pub struct Masks {
    lines: Vec<SecretString>,
    unmasked: Vec<String>,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masks({} lines)", self.lines.len())
    }
}

impl Masks {
    /// Hands each line to hide, without line ends, to `tell`: for the one report that writes `::add-mask::`. Never for a
    /// message.
    ///
    /// # Errors
    /// The first of `tell`.
    pub fn announce<E>(&self, mut tell: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
        self.lines.iter().try_for_each(|line| tell(line.expose_secret()))
    }

    /// Names of the variables whose values are too short for it, in whole or in a line.
    #[must_use]
    pub fn unmasked(&self) -> &[String] {
        &self.unmasked
    }
}

/// The first message on standard input was not a set of secrets.
#[derive(Debug, thiserror::Error)]
#[error("the first line on standard input is not a message of secrets")]
pub struct MalformedSecrets;

/// Replaces every secret in a text by [`MASK`].
#[derive(Clone, Default)]
pub struct Redactor {
    needles: Vec<SecretString>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} values)", self.needles.len())
    }
}

impl Redactor {
    /// Nothing is to be hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// The text without secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for needle in &self.needles {
            if text.contains(needle.expose_secret()) {
                text = text.replace(needle.expose_secret(), MASK);
            }
        }
        text
    }

    /// Redacts every string inside a JSON value. Keys are left alone, and so are the values of the keys that `words` lists:
    /// they are our own vocabulary, which a short secret must not make unreadable.
    pub fn redact_json(&self, value: &mut serde_json::Value, words: &[&str]) {
        match value {
            serde_json::Value::String(text) => *text = self.redact(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item, words)),
            serde_json::Value::Object(map) => {
                let texts = map.iter_mut().filter(|(key, _)| !words.contains(&key.as_str()));
                texts.for_each(|(_, item)| self.redact_json(item, words));
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
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
}
