//! `include`: other files, merged before the file that names them.

use serde_yaml::Value as Yaml;

use super::tree::{Content, Node};
use crate::diagnostic::{Diagnostic, Label};
use crate::source::{FileId, Place, Route, Sources};

/// GitLab's limit of included files.
const MOST_FILES: usize = 150;

/// An entry of `include`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Include {
    /// A file of the repository, or a pattern of such with `*`: its path from the repository's root.
    Local { path: String, route: Route },
    /// What can't be read offline: of a URL, another project, a template, a component, or by a variable.
    Elsewhere { what: String, route: Route },
}

/// A configuration with what it includes.
pub(super) struct Merged {
    pub(super) top: Node,
    /// What of it is not in the repository, and so not in `top`.
    pub(super) unread: Vec<(String, Route)>,
}

/// What a file includes.
#[must_use]
pub fn includes(value: &Yaml, file: FileId) -> Vec<Include> {
    let route = Route::of(file).key("include");
    match value.get("include") {
        Some(Yaml::Sequence(items)) => {
            let items = items.iter().enumerate().map(|(index, item)| (item, route.index(index)));
            items.flat_map(|(item, route)| include(item, &route)).collect()
        }
        Some(item) => include(item, &route),
        None => Vec::new(),
    }
}

fn include(item: &Yaml, route: &Route) -> Vec<Include> {
    let elsewhere = |what: String| vec![Include::Elsewhere { what, route: route.clone() }];
    match item {
        Yaml::String(path) if path.contains("://") => elsewhere(format!("remote: {path}")),
        Yaml::String(path) => vec![local(path, route.clone())],
        Yaml::Mapping(mapping) => {
            // One entry may name several kinds: each is an entry by itself.
            let kinds = mapping.iter().filter_map(|(key, value)| Some((key.as_str()?, value)));
            let named = kinds.filter_map(|(kind, value)| match (kind, value.as_str()) {
                ("local", Some(path)) => Some(local(path, route.key("local"))),
                ("remote" | "project" | "template" | "component" | "artifact", Some(name)) => {
                    Some(Include::Elsewhere { what: format!("{kind}: {name}"), route: route.key(kind) })
                }
                _ => None,
            });
            named.collect()
        }
        _ => Vec::new(),
    }
}

fn local(path: &str, route: Route) -> Include {
    if path.contains('$') {
        return Include::Elsewhere { what: format!("local: {path}"), route };
    }
    Include::Local { path: path.trim_start_matches('/').to_owned(), route }
}

/// Merges a file with all that it includes.
pub(super) fn merge(sources: &Sources, file: FileId) -> Result<Merged, Vec<Diagnostic>> {
    let mut merger = Merger { sources, open: Vec::new(), files: 0, unread: Vec::new() };
    let top = merger.file(file)?;
    Ok(Merged { top, unread: merger.unread })
}

struct Merger<'a> {
    sources: &'a Sources,
    /// The files that are being merged, outermost first.
    open: Vec<FileId>,
    files: usize,
    unread: Vec<(String, Route)>,
}

impl Merger<'_> {
    fn file(&mut self, file: FileId) -> Result<Node, Vec<Diagnostic>> {
        let value = self.sources.get(file).value();
        let route = Route::of(file);
        self.open.push(file);
        let mut merged = Node { route: route.clone(), content: Content::Mapping(Vec::new()) };
        for include in includes(value, file) {
            match include {
                Include::Local { path, route } => {
                    for included in self.files_of(&path) {
                        merged.overlay(self.included(included, &route)?);
                    }
                }
                Include::Elsewhere { what, route } => self.unread.push((what, route)),
            }
        }
        self.open.pop();
        if !value.is_null() {
            merged.overlay(Node::new(value, &route));
        }
        Ok(merged)
    }

    fn included(&mut self, file: FileId, route: &Route) -> Result<Node, Vec<Diagnostic>> {
        let name = self.sources.get(file).name();
        let place = Place::Value(route.clone());
        if self.open.contains(&file) {
            let message = format!("`{name}` includes itself");
            return Err(vec![Diagnostic::error("cycle", message).label(Label::new(place).text("here again"))]);
        }
        self.files += 1;
        if self.files > MOST_FILES {
            let message = format!("more than {MOST_FILES} files are included, which is GitLab's limit");
            return Err(vec![Diagnostic::error("matrix", message).at(place)]);
        }
        self.file(file)
    }

    /// The files of a path or a pattern, in the order of their names. One that is not there was reported when it was
    /// to be read.
    fn files_of(&self, path: &str) -> Vec<FileId> {
        if !path.contains('*') {
            return self.sources.find(path).into_iter().collect();
        }
        let mut files: Vec<_> = self.sources.iter().filter(|source| matches(path, source.name())).collect();
        files.sort_by(|a, b| a.name().cmp(b.name()));
        files.iter().map(|source| source.id()).collect()
    }
}

/// Whether a path fits a pattern: `*` is anything but `/`, `**` anything.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let Some(star) = pattern.find('*') else { return pattern == path };
    let (before, after) = pattern.split_at(star);
    let Some(rest) = path.strip_prefix(before) else { return false };
    let (deep, after) = match after.strip_prefix("**") {
        Some(after) => (true, after),
        None => (false, after.get(1..).unwrap_or_default()),
    };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    let reach = if deep { rest.len() } else { rest.find('/').unwrap_or(rest.len()) };
    let mut ends = ends.take_while(|end| *end <= reach);
    ends.any(|end| matches(after, rest.get(end..).unwrap_or_default()))
}
