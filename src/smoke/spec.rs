//! What is expected of a machine: goss files, read.

mod parse;
mod part;
mod table;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::Place;

pub use parse::{json, parse, parse_into, parse_part};
pub use part::{Fill, Part, filled};

/// One goss file, its templates already rendered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    pub resources: Vec<Resource>,
    /// What it imports, in the order in which goss merges it: by name.
    pub imports: Vec<Import>,
}

/// An entry of `gossfile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// A path, which may be a glob; relative to the folder of the file that imports it.
    pub path: String,
    /// Not to be imported, nor counted, and no matter whether it is there.
    pub skip: bool,
    pub place: Place,
}

/// Everything that one run asks, with all imported files, in the order in which goss runs it: by type, then by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    pub resources: Vec<Resource>,
}

impl Spec {
    /// Sorts what was read from files into the order in which it is run. Of resources of the same type and id, the last one
    /// counts, as in goss.
    #[must_use]
    pub fn new(resources: Vec<Resource>) -> Self {
        let mut last: BTreeMap<(Kind, String), Resource> = BTreeMap::new();
        for resource in resources {
            last.insert((resource.kind, resource.id.clone()), resource);
        }
        Self { resources: last.into_values().collect() }
    }
}

/// Something of the machine that is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Resource {
    pub kind: Kind,
    /// The key in the file, as results name it.
    pub id: String,
    /// The real object where the overriding attribute (`path`, `name`, `exec` …) says another than the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    /// What is not an assertion: `timeout`, `server`, `allow-insecure`, `content`, `as-reader` …, as written.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// In goss's order for the type; the first is the gate where the type has one.
    pub assertions: Vec<Assertion>,
    /// Where the resource stands.
    pub place: Place,
}

impl Resource {
    /// The real object's name.
    #[must_use]
    pub fn object(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// The id in results: `key: real` where an attribute names another object than the key. A command is its key alone.
    #[must_use]
    pub fn shown_id(&self) -> String {
        match self.name.as_deref().filter(|name| *name != self.id && self.kind != Kind::Command) {
            Some(name) => format!("{}: {name}", self.id),
            None => self.id.clone(),
        }
    }

    /// Whether its failures are to be warnings: our `meta: { severity: warn }`. goss's own formats and exit statuses know
    /// no warnings.
    #[must_use]
    pub fn only_warns(&self) -> bool {
        self.meta.get("severity").and_then(Value::as_str) == Some("warn")
    }
}

/// One attribute that is compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assertion {
    /// As goss prints it (`linkedto`, `Body`, `version`).
    pub property: &'static str,
    /// What is expected, as written: a value or a matcher.
    pub expected: Value,
    pub place: Place,
}

/// The types of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Addr,
    Command,
    Dns,
    File,
    Group,
    Http,
    Interface,
    KernelParam,
    Matching,
    Mount,
    Package,
    Port,
    Process,
    Service,
    User,
}

impl Kind {
    /// All types, in their order.
    pub const ALL: [Self; 15] = [
        Self::Addr,
        Self::Command,
        Self::Dns,
        Self::File,
        Self::Group,
        Self::Http,
        Self::Interface,
        Self::KernelParam,
        Self::Matching,
        Self::Mount,
        Self::Package,
        Self::Port,
        Self::Process,
        Self::Service,
        Self::User,
    ];

    /// The key in a goss file.
    #[must_use]
    pub fn key(self) -> &'static str {
        table::of(self).key
    }

    /// The keys of a resource of this type.
    pub fn attributes(self) -> impl Iterator<Item = &'static str> {
        table::of(self).keys()
    }

    /// The name in results, which is that of goss's Go type.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        table::of(self).type_name
    }

    /// Whether the first assertion decides if the others make sense.
    #[must_use]
    pub fn has_gate(self) -> bool {
        table::of(self).gate
    }
}
