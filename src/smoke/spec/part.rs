//! Resources that are a part of another file, whose texts may hold expressions.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::{Mapping, Value as Yaml};

use super::Kind;
use crate::source::{Route, Source};

/// What stands where an expression begins, in files that have them.
const EXPRESSION: &str = "${{";

/// What the expression of a text at a place gives; none: it is not known.
pub type Fill<'f> = dyn FnMut(&str, &Route) -> Option<Yaml> + 'f;

/// The types of resources in a mapping of a file, with what its expressions give. It points at the file as it is written.
#[derive(Clone, Debug)]
pub struct Part<'s> {
    pub(super) source: &'s Source,
    pub(super) route: Route,
    pub(super) value: Yaml,
    pub(super) changes: Changes,
}

/// What expressions made of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// Keys as they are written, by their mapping and what they have become.
    keys: BTreeMap<(Route, String), String>,
    /// Values that are not as they are written.
    values: BTreeSet<Route>,
}

impl Changes {
    /// The way to a key's value.
    pub(super) fn route(&self, of: &Route, key: &str) -> Route {
        of.key(self.keys.get(&(of.clone(), key.to_owned())).map_or(key, String::as_str))
    }

    /// Whether a value is another than the file's text.
    pub(super) fn has(&self, route: &Route) -> bool {
        self.values.contains(route)
    }
}

impl<'s> Part<'s> {
    /// The types of resources in the mapping at `route`, which may have other keys too. Expressions may stand in the ids of
    /// resources and in all that is inside of them. An attribute in which one is not known is left out, and so is a
    /// resource whose id is not; every expression is asked for all the same.
    pub fn new(source: &'s Source, route: Route, value: &Yaml, fill: &mut Fill<'_>) -> Self {
        let mut filler = Filler { changes: Changes::default(), fill };
        let mut types = Mapping::new();
        for (key, value) in value.as_mapping().into_iter().flatten() {
            let kind = key.as_str().filter(|key| Kind::ALL.into_iter().any(|kind| kind.key() == *key));
            if let Some(kind) = kind {
                types.insert(key.clone(), filler.resources(value, &route.key(kind)));
            }
        }
        Self { source, route, value: Yaml::Mapping(types), changes: filler.changes }
    }
}

/// A value with what its expressions give; none where one is not known. Every expression is asked for all the same.
pub fn filled(value: &Yaml, route: &Route, fill: &mut Fill<'_>) -> Option<Yaml> {
    Filler { changes: Changes::default(), fill }.value(value, route)
}

struct Filler<'a, 'f> {
    changes: Changes,
    fill: &'a mut Fill<'f>,
}

impl Filler<'_, '_> {
    /// Resources by their ids. What is no mapping stays as it is: reading it says so.
    fn resources(&mut self, value: &Yaml, route: &Route) -> Yaml {
        let Yaml::Mapping(resources) = value else { return value.clone() };
        let mut filled = Mapping::new();
        for (id, resource) in resources {
            let inside = route.key(&written(id));
            let id = self.key(id, route);
            let resource = match resource {
                Yaml::Mapping(attributes) => self.attributes(attributes, &inside),
                other => other.clone(),
            };
            filled.extend(id.map(|id| (id, resource)));
        }
        Yaml::Mapping(filled)
    }

    fn attributes(&mut self, attributes: &Mapping, route: &Route) -> Yaml {
        let known = attributes.iter().filter_map(|(key, value)| {
            let value = self.value(value, &route.key(&written(key)))?;
            Some((key.clone(), value))
        });
        Yaml::Mapping(known.collect())
    }

    fn value(&mut self, value: &Yaml, route: &Route) -> Option<Yaml> {
        match value {
            Yaml::String(text) if text.contains(EXPRESSION) => {
                self.changes.values.insert(route.clone());
                (self.fill)(text, route)
            }
            Yaml::Sequence(items) => {
                let items = items.iter().enumerate().map(|(index, item)| self.value(item, &route.index(index)));
                // Collected before it is judged, so that all of them are asked for.
                items.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(Yaml::Sequence)
            }
            Yaml::Mapping(mapping) => {
                let entries = mapping.iter().map(|(key, value)| {
                    let inside = route.key(&written(key));
                    let (key, value) = (self.key(key, route), self.value(value, &inside));
                    Some((key?, value?))
                });
                entries.collect::<Vec<_>>().into_iter().collect::<Option<Mapping>>().map(Yaml::Mapping)
            }
            other => Some(other.clone()),
        }
    }

    fn key(&mut self, key: &Yaml, route: &Route) -> Option<Yaml> {
        let Some(text) = key.as_str().filter(|text| text.contains(EXPRESSION)) else { return Some(key.clone()) };
        let given = (self.fill)(text, &route.key(text))?;
        let name = written(&given);
        self.changes.keys.insert((route.clone(), name.clone()), text.to_owned());
        Some(Yaml::String(name))
    }
}

/// A key as text: ports are numbers in YAML.
fn written(key: &Yaml) -> String {
    super::parse::scalar(key).unwrap_or_default()
}
