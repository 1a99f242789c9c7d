//! The nodes of a YAML file and where they stand, from granit-parser's events.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::scalar::{Map, Style};
use super::{FileId, Place, Route, Segment};
use crate::diagnostic::{Diagnostic, Label};

/// As deep as the YAML decoder itself goes.
const DEEPEST: usize = 128;

/// How many mappings a chain of merge keys may lead through before looking stops: a cycle has no end.
const LONGEST_MERGE: usize = 16;

/// Every node of a file. An alias shares the node that it names, so the index never grows beyond the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    file: FileId,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    /// Bytes of the scalar or of the opening of the collection.
    span: Range<usize>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Scalar { style: Style, text: String },
    Sequence(Vec<usize>),
    Mapping(Vec<Pair>),
}

#[derive(Clone, Debug)]
struct Pair {
    key: String,
    key_span: Range<usize>,
    value: usize,
}

/// A node that a route leads to, or the nearest one above it.
pub(super) struct Found<'a> {
    node: Option<&'a Node>,
    /// The innermost key that was passed.
    key: Option<&'a Range<usize>>,
    /// Whether the key is the node's own, not that of a list which it is an item of.
    own_key: bool,
    /// Whether the whole route was there.
    exact: bool,
}

impl<'a> Found<'a> {
    pub(super) fn key_range(&self) -> Range<usize> {
        match self.key {
            Some(key) if self.own_key => key.clone(),
            _ => self.node_range(),
        }
    }

    pub(super) fn value_range(&self) -> Range<usize> {
        match self.node {
            // An empty value has nothing to show, and a collection is known by its key.
            Some(node) if self.own_key && (node.span.is_empty() || !node.is_scalar()) => self.key_range(),
            _ => self.node_range(),
        }
    }

    pub(super) fn scalar(&self, file: &str) -> Option<Map<'a>> {
        match self.node {
            Some(Node { span, content: Content::Scalar { style, text } }) if self.exact => {
                Some(Map::new(file, span.clone(), *style, text))
            }
            _ => None,
        }
    }

    /// Whether the whole route was there.
    #[cfg(test)]
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    fn node_range(&self) -> Range<usize> {
        match self.node {
            Some(Node { span, content: Content::Mapping(pairs) }) if span.is_empty() => {
                pairs.first().map_or_else(|| span.clone(), |pair| pair.key_span.clone())
            }
            Some(node) => node.span.clone(),
            None => 0..0,
        }
    }
}

impl Node {
    fn is_scalar(&self) -> bool {
        matches!(self.content, Content::Scalar { .. })
    }
}

impl Index {
    /// Reads the events of a file.
    pub(super) fn build(file: FileId, text: &str) -> Result<Self, Diagnostic> {
        let mut builder = Builder { file, ..Builder::default() };
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| syntax_error(file, &error))?;
            builder.event(event, &span)?;
        }
        Ok(Self { file, nodes: builder.nodes })
    }

    /// The node at a route, or the nearest one above it.
    pub(super) fn find(&self, route: &Route) -> Found<'_> {
        let mut found = Found { node: self.nodes.first(), key: None, own_key: false, exact: true };
        for segment in route.segments() {
            let step = match (found.node.map(|node| &node.content), segment) {
                (Some(Content::Mapping(pairs)), Segment::Key(key)) => {
                    self.pair(pairs, key, 0).map(|pair| (pair.value, Some(&pair.key_span)))
                }
                (Some(Content::Sequence(items)), Segment::Index(index)) => items.get(*index).map(|item| (*item, None)),
                _ => None,
            };
            let Some((node, key)) = step else {
                found.exact = false;
                break;
            };
            found = Found { node: self.nodes.get(node), key: key.or(found.key), own_key: key.is_some(), exact: true };
        }
        found
    }

    /// A mapping's own pair, else one that it merges.
    fn pair<'a>(&'a self, pairs: &'a [Pair], key: &str, depth: usize) -> Option<&'a Pair> {
        if let Some(pair) = pairs.iter().find(|pair| pair.key == key) {
            return Some(pair);
        }
        if depth == LONGEST_MERGE {
            return None;
        }
        let merge = pairs.iter().find(|pair| pair.key == "<<")?;
        let merged = match &self.nodes.get(merge.value)?.content {
            Content::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(&merge.value),
        };
        merged.iter().find_map(|node| match &self.nodes.get(*node)?.content {
            Content::Mapping(pairs) => self.pair(pairs, key, depth + 1),
            _ => None,
        })
    }

    /// An error for every key that a mapping has twice, pointing at both.
    pub(super) fn duplicates(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for node in &self.nodes {
            let Content::Mapping(pairs) = &node.content else { continue };
            let mut seen: HashMap<&str, &Range<usize>> = HashMap::new();
            for pair in pairs {
                match seen.get(pair.key.as_str()) {
                    None => drop(seen.insert(&pair.key, &pair.key_span)),
                    Some(first) => diagnostics.push(duplicate(self.file, &pair.key, first, &pair.key_span)),
                }
            }
        }
        diagnostics
    }
}

fn duplicate(file: FileId, key: &str, first: &Range<usize>, second: &Range<usize>) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("the key `{key}` is there twice"))
        .label(Label::new(Place::Bytes(file, second.clone())).text("here again"))
        .label(Label::new(Place::Bytes(file, first.clone())).text("first here"))
        .help("keep one of them")
}

fn syntax_error(file: FileId, error: &ScanError) -> Diagnostic {
    let offset = error.marker().byte_offset().unwrap_or_default();
    Diagnostic::error("yaml", format!("not valid YAML: {}", error.info()))
        .label(Label::new(Place::Bytes(file, offset..offset)))
}

/// A collection whose end is still to come.
struct Frame {
    node: usize,
    /// The key that waits for its value, in a mapping. The outer option: a key was read; the inner: it is a scalar.
    key: Option<Option<(String, Range<usize>)>>,
}

#[derive(Default)]
struct Builder {
    file: FileId,
    nodes: Vec<Node>,
    open: Vec<Frame>,
    anchors: HashMap<usize, usize>,
    documents: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Diagnostic> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::error("yaml", "the file has more than one YAML document")
                        .label(Label::new(Place::Bytes(self.file, range)).text("the second begins here"))
                        .help("one file is one document: move the second to a file of its own"));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    ScalarStyle::Plain => Style::Plain,
                };
                let node = self.add(range, Content::Scalar { style, text: text.into_owned() }, anchor);
                self.place(node);
            }
            Event::SequenceStart(_, anchor, _) => self.begin(range, Content::Sequence(Vec::new()), anchor)?,
            Event::MappingStart(_, anchor, _) => self.begin(range, Content::Mapping(Vec::new()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            Event::Alias(anchor) => {
                if let Some(node) = self.anchors.get(&anchor) {
                    self.place(*node);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, span: Range<usize>, content: Content, anchor: usize) -> usize {
        self.nodes.push(Node { span, content });
        let node = self.nodes.len() - 1;
        // Zero stands for no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, node);
        }
        node
    }

    fn begin(&mut self, span: Range<usize>, content: Content, anchor: usize) -> Result<(), Diagnostic> {
        if self.open.len() == DEEPEST {
            let label = Label::new(Place::Bytes(self.file, span));
            return Err(Diagnostic::error("yaml", format!("nested deeper than {DEEPEST} levels")).label(label));
        }
        let node = self.add(span, content, anchor);
        self.place(node);
        self.open.push(Frame { node, key: None });
        Ok(())
    }

    /// Puts a node where the innermost open collection expects one.
    fn place(&mut self, node: usize) {
        let Some(frame) = self.open.last_mut() else { return };
        let key = match self.nodes.get(node) {
            Some(Node { span, content: Content::Scalar { text, .. } }) => Some((text.clone(), span.clone())),
            _ => None,
        };
        match self.nodes.get_mut(frame.node).map(|node| &mut node.content) {
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(pairs)) => match frame.key.take() {
                None => frame.key = Some(key),
                Some(Some((key, key_span))) => pairs.push(Pair { key, key_span, value: node }),
                // A key that is a collection has no route.
                Some(None) => {}
            },
            _ => {}
        }
    }
}
