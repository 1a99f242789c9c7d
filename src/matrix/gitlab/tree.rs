//! A configuration as a tree in which every value knows where it stands.

use serde_yaml::Value as Yaml;

use crate::source::Route;

/// A value of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) route: Route,
    pub(super) content: Content,
}

/// What a [`Node`] is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Yaml),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Node)>),
    /// `!reference [job, key, …]`.
    Reference(Vec<String>),
}

impl Node {
    /// The tree of a document. Keys that are no text have no meaning to GitLab, and are left out.
    pub(super) fn new(value: &Yaml, route: &Route) -> Self {
        let content = match value {
            Yaml::Sequence(items) => Content::Sequence(
                items.iter().enumerate().map(|(index, item)| Self::new(item, &route.index(index))).collect(),
            ),
            Yaml::Mapping(mapping) => {
                let pairs = mapping.iter().filter_map(|(key, value)| Some((key.as_str()?, value)));
                Content::Mapping(
                    pairs.map(|(key, value)| (key.to_owned(), Self::new(value, &route.key(key)))).collect(),
                )
            }
            Yaml::Tagged(tagged) if tagged.tag == "!reference" => {
                let path = tagged.value.as_sequence().into_iter().flatten().filter_map(Yaml::as_str);
                Content::Reference(path.map(str::to_owned).collect())
            }
            scalar => Content::Scalar(scalar.clone()),
        };
        Self { route: route.clone(), content }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Content::Mapping(pairs) = &self.content else { return None };
        pairs.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Yaml::Null))
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// How many values it is made of.
    pub(super) fn size(&self) -> usize {
        match &self.content {
            Content::Sequence(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Content::Mapping(pairs) => 1 + pairs.iter().map(|(_, node)| node.size()).sum::<usize>(),
            Content::Scalar(_) | Content::Reference(_) => 1,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(Yaml::Null) => "nothing",
            Content::Scalar(Yaml::Bool(_)) => "a boolean",
            Content::Scalar(Yaml::Number(_)) => "a number",
            Content::Scalar(Yaml::String(_)) => "a text",
            Content::Scalar(_) => "a value with a YAML tag",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Reference(_) => "a reference",
        }
    }

    /// Lays another value over this one: mappings are merged key by key and keep the order of what is below, all else
    /// is replaced.
    pub(super) fn overlay(&mut self, over: Self) {
        match (&mut self.content, over.content) {
            (Content::Mapping(below), Content::Mapping(above)) => {
                self.route = over.route;
                for (key, value) in above {
                    match below.iter_mut().find(|(name, _)| *name == key) {
                        Some((_, node)) => node.overlay(value),
                        None => below.push((key, value)),
                    }
                }
            }
            (content, above) => {
                self.route = over.route;
                *content = above;
            }
        }
    }
}
