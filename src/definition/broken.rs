//! What a definition with mistakes leaves unknown, so that planning it as far as it goes makes no mistake up.
//!
//! A place is unknown when an error points at it, at something inside it, or at a misspelt key beside it that was probably
//! meant. What can't be known has no value: whatever uses it is left out silently, because its cause was told.

use std::collections::BTreeSet;

use crate::diagnostic::{self, Diagnostic, Severity};
use crate::source::{Route, Segment};

/// The places of a definition's errors.
#[derive(Clone, Debug, Default)]
pub struct Broken {
    routes: BTreeSet<Route>,
    /// Keys that are missing where a misspelt one stands.
    misspelt: BTreeSet<Route>,
}

/// Names of a context whose values are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    #[default]
    None,
    /// By their lowercase names.
    Some(BTreeSet<String>),
    All,
}

impl Unknown {
    /// Whether the value of a name is unknown; of the whole context, without a name.
    #[must_use]
    pub fn has(&self, name: Option<&str>) -> bool {
        match (self, name) {
            (Self::None, _) => false,
            (Self::Some(names), Some(name)) => names.contains(&name.to_lowercase()),
            (Self::Some(_), None) | (Self::All, _) => true,
        }
    }

    /// Adds the names of another.
    pub fn extend(&mut self, other: &Self) {
        match other {
            Self::None => {}
            Self::Some(names) => names.iter().for_each(|name| self.insert(name)),
            Self::All => *self = Self::All,
        }
    }

    /// Adds a name.
    pub fn insert(&mut self, name: &str) {
        match self {
            Self::None => *self = Self::Some(BTreeSet::from([name.to_lowercase()])),
            Self::Some(names) => drop(names.insert(name.to_lowercase())),
            Self::All => {}
        }
    }
}

impl Broken {
    /// Where the errors among diagnostics are.
    pub(super) fn of(diagnostics: &[Diagnostic]) -> Self {
        let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
        // Only the first place of each is where it is wrong: the others explain it.
        let places = errors.clone().filter_map(|one| one.labels.first()?.place.route());
        let routes = places.cloned().collect();
        let unknown = errors.filter(|one| one.rule == "unknown-key");
        let keys = unknown.filter_map(|one| one.labels.first()?.place.route());
        let misspelt = keys.filter_map(meant).collect();
        Self { routes, misspelt }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Whether a value is not as it was meant: something in it is wrong, or its key is.
    #[must_use]
    pub fn has(&self, route: &Route) -> bool {
        // Planning asks for every value of every job, and mostly nothing is wrong.
        if self.is_empty() {
            return false;
        }
        self.misspelt.contains(route) || self.routes.range(route.clone()..).next().is_some_and(|next| next.is_in(route))
    }

    /// The keys of a mapping whose values are unknown.
    #[must_use]
    pub fn names(&self, route: &Route) -> Unknown {
        if self.is_empty() {
            return Unknown::None;
        }
        if self.routes.contains(route) || self.misspelt.contains(route) {
            return Unknown::All;
        }
        let mut names = Unknown::None;
        for inside in self.routes.range(route.clone()..).take_while(|next| next.is_in(route)) {
            match inside.segments().get(route.segments().len()) {
                Some(Segment::Key(name)) => names.insert(name),
                _ => return Unknown::All,
            }
        }
        names
    }
}

/// The key that a misspelt one was probably meant to be, where planning would miss what it holds.
fn meant(route: &Route) -> Option<Route> {
    let (Segment::Key(written), parent) = route.split_last()? else { return None };
    let known = match parent.segments().len() {
        0 => ["variables", "strategy", "platforms", "env"].as_slice(),
        1 => &["matrix"],
        _ => &["env"],
    };
    diagnostic::nearest(written, known.iter().copied()).map(|key| parent.key(key))
}
