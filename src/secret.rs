//! The values that must never appear, and the writer that redacts them.
//!
//! Only this room can show a secret. Everything else holds names ([`Text`](crate::plan::job::Text) names a secret, it
//! never holds one) or a [`Secrets`] that it can't print. This room knows nothing of the others.

mod encodings;
mod environment;
mod redactor;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use redactor::{Lines, Redactor, Stream};

/// What is shown where a secret would stand, as on GitHub.
pub const MASK: &str = "***";

/// Lines shorter than this are not masked on their own: masking every `a` would make a log unreadable and tell more
/// than it hides. The whole value is always masked.
const SHORTEST_MASKED_LINE: usize = 4;

/// A CI runner is not told of shorter values: masking `no` everywhere would make its log unreadable and tell more than it
/// hides.
const SHORTEST_MASK: usize = 3;

/// Sensitive values by the name of their variable, and those that are to be hidden without being anyone's variable.
#[derive(Clone, Default)]
pub struct Secrets {
    values: BTreeMap<String, SecretString>,
    registered: Vec<SecretString>,
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
    registered: Vec<String>,
}

impl Secrets {
    /// Adds a value; an empty one has nothing to hide and is kept only to be resolved.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), SecretString::from(value.into()));
    }

    /// Adds a value that is hidden and masked as those of variables are, and that nothing can be given: it has no name.
    pub fn register(&mut self, value: impl Into<String>) {
        self.registered.push(SecretString::from(value.into()));
    }

    /// Registers the secrets of an environment, by the names of its variables and by the passwords of its URLs.
    pub fn register_environment(&mut self, environment: &BTreeMap<String, String>) {
        environment::secrets(environment).into_iter().for_each(|value| self.register(value));
    }

    /// Whether the name of an environment variable says that it holds a secret.
    #[must_use]
    pub fn is_named_by(variable: &str) -> bool {
        environment::is_sensitive(variable)
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

    /// The values that `names` lists, as a job process needs them, and all that are only to be hidden.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Self {
        let values = self.values.iter().filter(|(name, _)| names.contains(name));
        let values = values.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { values, registered: self.registered.clone() }
    }

    /// One line of JSON for a job process's standard input. The caller writes it to a pipe and nowhere else.
    ///
    /// # Errors
    /// Never in practice: strings always serialize.
    pub fn to_wire(&self) -> serde_json::Result<String> {
        let secrets = self.values.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let registered = self.registered.iter().map(|value| value.expose_secret().to_owned());
        serde_json::to_string(&Wire { secrets: secrets.collect(), registered: registered.collect() })
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
        wire.registered.into_iter().for_each(|value| secrets.register(value));
        Ok(secrets)
    }

    /// What a CI runner should hide of these values.
    ///
    /// A value of several lines is told by its lines: GitHub's runner would mask each of them alone, the short ones too.
    #[must_use]
    pub fn masks(&self) -> Masks {
        let mut masks = Masks::default();
        let mut told = std::collections::BTreeSet::new();
        let named = self.values.iter().map(|(name, value)| (Some(name), value));
        for (name, value) in named.chain(self.registered.iter().map(|value| (None, value))) {
            let lines: Vec<&str> = value.expose_secret().split(['\n', '\r']).map(str::trim).collect();
            let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            let shortest = if lines.len() == 1 { SHORTEST_MASK } else { SHORTEST_MASKED_LINE };
            let (long, short): (Vec<&str>, Vec<&str>) =
                lines.into_iter().partition(|line| line.chars().count() >= shortest);
            if !short.is_empty() {
                masks.unmasked.extend(name.cloned());
            }
            let new = long.into_iter().filter(|line| told.insert((*line).to_owned()));
            masks.lines.extend(new.map(|line| SecretString::from(line.to_owned())));
        }
        masks
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
