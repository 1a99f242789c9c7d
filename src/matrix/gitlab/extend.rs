//! `extends` and `!reference`: what a job takes from others.

use std::cell::Cell;

use super::KEYWORDS;
use super::include::Merged;
use super::tree::{Content, Node};
use crate::diagnostic::{Diagnostic, Label};
use crate::source::{Place, Route};

/// GitLab's limit of levels of `extends`.
const DEEPEST_EXTENDS: usize = 10;

/// GitLab's limit of references inside references.
const DEEPEST_REFERENCE: usize = 10;

/// How many values one job may be made of: references to lists of references multiply, and a person needs far fewer.
const MOST_VALUES: usize = 1_000_000;

/// The jobs of a configuration, templates among them.
pub(super) struct Jobs<'a> {
    top: &'a Node,
    /// See [`Merged`].
    unread: &'a [(String, Route)],
    /// How many more values may be copied.
    budget: Cell<usize>,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(merged: &'a Merged) -> Self {
        Self { top: &merged.top, unread: &merged.unread, budget: Cell::new(MOST_VALUES) }
    }

    /// Counts a copy of a value.
    fn pay(&self, node: &Node) -> Result<(), Diagnostic> {
        let size = node.size();
        let Some(left) = self.budget.get().checked_sub(size) else {
            let message = format!("`extends` and `!reference` make more than {MOST_VALUES} values of this");
            return Err(Diagnostic::error("matrix", message).at(Place::Value(node.route.clone())));
        };
        self.budget.set(left);
        Ok(())
    }

    /// The names of jobs that GitLab would run: those of templates begin with a dot.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let pairs: &[(String, Node)] = match &self.top.content {
            Content::Mapping(pairs) => pairs,
            _ => &[],
        };
        let is_job = |name: &&str| !KEYWORDS.contains(name) && !name.starts_with('.');
        pairs.iter().map(|(name, _)| name.as_str()).filter(is_job)
    }

    /// A job or a template.
    pub(super) fn find(&self, name: &str) -> Option<&'a Node> {
        let job = self.top.get(name).filter(|_| !KEYWORDS.contains(&name))?;
        matches!(job.content, Content::Mapping(_)).then_some(job)
    }

    /// Says what was not read, where what is missing could be in there.
    pub(super) fn with_unread(&self, diagnostic: Diagnostic) -> Diagnostic {
        let Some((first, _)) = self.unread.first() else { return diagnostic };
        let more = match self.unread.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let help = "if it is in there, pass the matrix as `--matrix JSON`";
        diagnostic.help(format!("what is included from elsewhere can't be read offline: `{first}`{more}")).help(help)
    }

    /// A job laid over the jobs that it extends.
    pub(super) fn extended(&self, name: &str, job: &Node) -> Result<Node, Diagnostic> {
        self.extend(name, job, &mut Vec::new())
    }

    fn extend(&self, name: &str, job: &Node, path: &mut Vec<String>) -> Result<Node, Diagnostic> {
        self.pay(job)?;
        let Some(extends) = job.get("extends") else { return Ok(job.clone()) };
        path.push(name.to_owned());
        let bases = match &extends.content {
            Content::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(extends),
        };
        let mut merged = Node { route: job.route.clone(), content: Content::Mapping(Vec::new()) };
        for base in bases {
            merged.overlay(self.base(base, path)?);
        }
        path.pop();
        merged.overlay(job.clone());
        Ok(merged)
    }

    fn base(&self, base: &Node, path: &mut Vec<String>) -> Result<Node, Diagnostic> {
        let error = |rule, message: String| Diagnostic::error(rule, message).at(Place::Value(base.route.clone()));
        let Some(name) = base.as_str() else {
            return Err(error("matrix", format!("`extends` takes names of jobs, and this is {}", base.kind())));
        };
        if path.iter().any(|open| open == name) {
            let chain = path.iter().map(String::as_str).chain([name]).map(|name| format!("`{name}`"));
            let chain = chain.collect::<Vec<_>>().join(" extends ");
            return Err(error("cycle", format!("a job extends itself: {chain}")));
        }
        if path.len() > DEEPEST_EXTENDS {
            let message = format!("`extends` goes through more than {DEEPEST_EXTENDS} levels, which is GitLab's limit");
            return Err(error("matrix", message));
        }
        match self.find(name) {
            Some(job) => self.extend(name, job, path),
            None => {
                let message = format!("`extends` names `{name}`, and there is no such job");
                let templates = self.templates();
                let diagnostic = error("unknown-name", message);
                Err(self.with_unread(diagnostic.nearest(name, "jobs", templates.into_iter().chain(self.names()))))
            }
        }
    }

    fn templates(&self) -> Vec<&'a str> {
        match &self.top.content {
            Content::Mapping(pairs) => {
                pairs.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with('.')).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A value with every `!reference` in it replaced by what it names.
    pub(super) fn resolve(&self, node: &Node) -> Result<Node, Diagnostic> {
        self.follow(node, &mut Vec::new())
    }

    fn follow(&self, node: &Node, path: &mut Vec<Vec<String>>) -> Result<Node, Diagnostic> {
        let content = match &node.content {
            Content::Scalar(value) => Content::Scalar(value.clone()),
            Content::Sequence(items) => {
                Content::Sequence(items.iter().map(|item| self.follow(item, path)).collect::<Result<_, _>>()?)
            }
            Content::Mapping(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| Ok((key.clone(), self.follow(value, path)?)));
                Content::Mapping(pairs.collect::<Result<_, Diagnostic>>()?)
            }
            Content::Reference(names) => return self.reference(node, names, path),
        };
        Ok(Node { route: node.route.clone(), content })
    }

    fn reference(&self, node: &Node, names: &[String], path: &mut Vec<Vec<String>>) -> Result<Node, Diagnostic> {
        let shown = format!("!reference [{}]", names.join(", "));
        let error = |rule, message: String| {
            Diagnostic::error(rule, message).label(Label::new(Place::Value(node.route.clone())))
        };
        if path.iter().any(|open| open == names) {
            return Err(error("cycle", format!("`{shown}` leads back to itself")));
        }
        if path.len() == DEEPEST_REFERENCE {
            let message = format!("references lead through more than {DEEPEST_REFERENCE} others, GitLab's limit");
            return Err(error("matrix", message));
        }
        let Some(target) = self.target(names)? else {
            return Err(self.with_unread(error("unknown-name", format!("`{shown}` names nothing that is there"))));
        };
        self.pay(&target)?;
        path.push(names.to_vec());
        let resolved = self.follow(&target, path)?;
        path.pop();
        Ok(resolved)
    }

    /// What a reference names. Its job is first laid over those that it extends.
    fn target(&self, names: &[String]) -> Result<Option<Node>, Diagnostic> {
        let Some((first, rest)) = names.split_first() else { return Ok(None) };
        let Some(top) = self.top.get(first) else { return Ok(None) };
        let top = self.extended(first, top)?;
        let target = rest.iter().try_fold(&top, |node, name| node.get(name));
        Ok(target.filter(|target| !target.is_null()).cloned())
    }
}
