//! What is expected of a machine: goss files, read.

use serde_json::{Map, Value};

use crate::event::Place;

/// Everything that one run asks, with all imported files, in the order in which goss runs it: by type, then by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    pub resources: Vec<Resource>,
}

/// Something of the machine that is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub kind: Kind,
    /// The key in the file, as results name it.
    pub id: String,
    /// The real object where the overriding attribute (`path`, `name`, `exec` …) says another than the key.
    pub name: Option<String>,
    pub title: Option<String>,
    pub meta: Map<String, Value>,
    pub skip: bool,
    /// What is not an assertion: `timeout`, `server`, `allow-insecure`, `content`, `as-reader` …, as written.
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
}

/// One attribute that is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// As goss prints it (`linkedto`, `Body`, `version`).
    pub property: &'static str,
    /// What is expected, as written: a value or a matcher.
    pub expected: Value,
    pub place: Place,
}

/// The types of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
