//! The nodes of a YAML file and where they stand, from granit-parser's events.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::hint;
use super::scalar::{Map, Piece, Style};
use super::{FileId, Place, Route, Segment, core, scalar};
use crate::diagnostic::{Diagnostic, Label, TOO_MANY};

/// As deep as the YAML decoder itself goes.
const DEEPEST: usize = 128;

/// How many mappings a chain of merge keys may lead through before looking stops: a cycle has no end.
const LONGEST_MERGE: usize = 16;

/// How many keys and values a file may have: far more than a person writes, and few enough to be held in memory twice.
const MOST_NODES: usize = 200_000;

/// What a node costs beside its text when an alias repeats it, in bytes.
const NODE_COST: usize = 32;

/// What an expression costs beside its text when an alias repeats it, in bytes.
const EXPRESSION_COST: usize = 1024;

/// How much aliases may repeat in all, in bytes: beyond what people write, and far below what fills a machine's memory.
const MOST_REPEATED: usize = 16 * 1024 * 1024;

/// Every node of a file. An alias shares the node that it names, so the index never grows beyond the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    file: FileId,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Bytes of the scalar or of the opening of the collection.
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// `tagged`: a tag says of which type it is, not its text. `pieces` are found when they are first asked for: one
    /// large text may have many places.
    Scalar {
        style: Style,
        text: String,
        tagged: bool,
        pieces: OnceLock<Vec<Piece>>,
    },
    Sequence(Vec<usize>),
    Mapping(Pairs),
}

/// The pairs of a mapping, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs {
    list: Vec<Pair>,
    /// Positions in `list` sorted by key, then as the file has them: mappings may be large, and are looked into often.
    by_key: Vec<u32>,
}

impl Pairs {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Pair> {
        self.list.iter()
    }

    /// The first pair with a key.
    fn get(&self, key: &str) -> Option<&Pair> {
        let at = self.by_key.partition_point(|position| self.key_at(*position) < key);
        let pair = self.list.get(*self.by_key.get(at)? as usize)?;
        (pair.key == key).then_some(pair)
    }

    fn key_at(&self, position: u32) -> &str {
        self.list.get(position as usize).map_or("", |pair| pair.key.as_str())
    }

    /// Makes [`Pairs::get`] find all of them.
    fn complete(&mut self) {
        // A file has fewer nodes than that.
        let mut by_key: Vec<u32> = (0..u32::try_from(self.list.len()).unwrap_or(u32::MAX)).collect();
        by_key.sort_by_key(|position| self.key_at(*position));
        self.by_key = by_key;
    }
}

#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    key_span: Range<usize>,
    pub(super) value: usize,
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
            Some(Node { span, content: Content::Scalar { style, text, pieces, .. } }) if self.exact => {
                let pieces = pieces.get_or_init(|| scalar::pieces(file, span.clone(), *style, text));
                Some(Map::new(text, pieces))
            }
            _ => None,
        }
    }

    /// The decoded text, if it is a scalar.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.node {
            Some(Node { content: Content::Scalar { text, .. }, .. }) if self.exact => Some(text),
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
                pairs.iter().next().map_or_else(|| span.clone(), |pair| pair.key_span.clone())
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
            let (event, span) = event.map_err(|error| syntax_error(file, &error, text))?;
            builder.event(event, &span)?;
        }
        Ok(Self { file, nodes: builder.nodes })
    }

    /// A node by its number; the document's own is the first.
    pub(super) fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
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
    fn pair<'a>(&'a self, pairs: &'a Pairs, key: &str, depth: usize) -> Option<&'a Pair> {
        if let Some(pair) = pairs.get(key) {
            return Some(pair);
        }
        if depth == LONGEST_MERGE {
            return None;
        }
        let merge = pairs.get("<<")?;
        let merged = match &self.nodes.get(merge.value)?.content {
            Content::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(&merge.value),
        };
        merged.iter().find_map(|node| match &self.nodes.get(*node)?.content {
            Content::Mapping(pairs) => self.pair(pairs, key, depth + 1),
            _ => None,
        })
    }

    /// An error for every whole number that is larger than what is read exactly.
    pub(super) fn large_numbers(&self) -> Vec<Diagnostic> {
        let is_large = |node: &&Node| matches!(&node.content, Content::Scalar { style: Style::Plain, text, tagged: false, .. } if core::is_large(text));
        let error = |node: &Node| {
            Diagnostic::error("yaml", "this whole number is larger than what can be read exactly")
                .at(Place::Bytes(self.file, node.span.clone()))
                .help("put it in quotes if it is meant as a text")
        };
        self.nodes.iter().filter(is_large).map(error).collect()
    }

    /// An error for every key that a mapping has twice, pointing at both.
    pub(super) fn duplicates(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for node in &self.nodes {
            let Content::Mapping(pairs) = &node.content else { continue };
            let mut seen: HashMap<&str, &Range<usize>> = HashMap::new();
            for pair in pairs.iter() {
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

fn syntax_error(file: FileId, error: &ScanError, text: &str) -> Diagnostic {
    let offset = error.marker().byte_offset().unwrap_or_default();
    let diagnostic = Diagnostic::error("yaml", format!("not valid YAML: {}", error.info()))
        .label(Label::new(Place::Bytes(file, offset..offset)));
    match hint::hint(&error.info(), text, offset) {
        Some(hint) => diagnostic.help(hint),
        None => diagnostic,
    }
}

/// A collection whose end is still to come.
struct Frame {
    node: usize,
    /// The key that waits for its value, in a mapping.
    key: Option<(String, Range<usize>)>,
}

#[derive(Default)]
struct Builder {
    file: FileId,
    nodes: Vec<Node>,
    open: Vec<Frame>,
    anchors: HashMap<usize, usize>,
    documents: usize,
    /// What each node costs with all that is in it, aliases followed, in bytes; none of those that are still open.
    costs: Vec<Option<usize>>,
    /// What aliases have repeated so far, in bytes.
    repeated: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Diagnostic> {
        let range = span.byte_range().unwrap_or(0..0);
        if self.nodes.len() >= MOST_NODES {
            return Err(Diagnostic::error(TOO_MANY, format!("the file has more than {MOST_NODES} keys and values"))
                .label(Label::new(Place::Bytes(self.file, range)).text("so many are before this"))
                .help("nobody writes so many by hand: what is large belongs into a file that a step uploads"));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::error("yaml", "the file has more than one YAML document")
                        .label(Label::new(Place::Bytes(self.file, range)).text("the second begins here"))
                        .help("one file is one document: move the second to a file of its own"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    ScalarStyle::Plain => Style::Plain,
                };
                let content =
                    Content::Scalar { style, text: text.into_owned(), tagged: tag.is_some(), pieces: OnceLock::new() };
                let node = self.add(range, content, anchor);
                self.close(node);
                self.place(node)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(range, Content::Sequence(Vec::new()), anchor)?,
            Event::MappingStart(_, anchor, _) => self.begin(range, Content::Mapping(Pairs::default()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.open.pop() {
                    self.close(frame.node);
                }
            }
            Event::Alias(anchor) => {
                if let Some(node) = self.anchors.get(&anchor).copied() {
                    self.repeat(node, range)?;
                    self.place(node)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, span: Range<usize>, content: Content, anchor: usize) -> usize {
        self.nodes.push(Node { span, content });
        self.costs.push(None);
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
        self.place(node)?;
        self.open.push(Frame { node, key: None });
        Ok(())
    }

    /// Sums up a node that is complete.
    fn close(&mut self, node: usize) {
        if let Some(Node { content: Content::Mapping(pairs), .. }) = self.nodes.get_mut(node) {
            pairs.complete();
        }
        let cost_of = |node: usize| self.costs.get(node).copied().flatten().unwrap_or_default();
        let inside = match self.nodes.get(node).map(|node| &node.content) {
            Some(Content::Scalar { text, .. }) => text.len() + text.matches("${{").count() * EXPRESSION_COST,
            Some(Content::Sequence(items)) => items.iter().map(|item| cost_of(*item)).fold(0, usize::saturating_add),
            Some(Content::Mapping(pairs)) => {
                let costs = pairs.iter().map(|pair| cost_of(pair.value).saturating_add(NODE_COST + pair.key.len()));
                costs.fold(0, usize::saturating_add)
            }
            None => 0,
        };
        if let Some(cost) = self.costs.get_mut(node) {
            *cost = Some(inside.saturating_add(NODE_COST));
        }
    }

    /// Refuses an alias that never ends, and one too many: a few lines of aliases can stand for more than any memory
    /// holds ("billion laughs").
    fn repeat(&mut self, node: usize, span: Range<usize>) -> Result<(), Diagnostic> {
        let wrong = |message: String| Diagnostic::error("yaml", message).at(Place::Bytes(self.file, span.clone()));
        let Some(cost) = self.costs.get(node).copied().flatten() else {
            return Err(wrong("this alias names what it stands in itself".to_owned())
                .help("an alias (`*name`) repeats a value that is complete before it"));
        };
        self.repeated = self.repeated.saturating_add(cost);
        if self.repeated > MOST_REPEATED {
            let mebibytes = MOST_REPEATED / 1024 / 1024;
            return Err(wrong(format!("up to here, aliases repeat more than {mebibytes} MiB"))
                .help("an alias (`*name`) counts as the whole value that it repeats, those inside it included"));
        }
        Ok(())
    }

    /// Puts a node where the innermost open collection expects one.
    fn place(&mut self, node: usize) -> Result<(), Diagnostic> {
        let Some(frame) = self.open.last_mut() else { return Ok(()) };
        let key = match self.nodes.get(node) {
            Some(Node { span, content: Content::Scalar { text, .. } }) => Ok((text, span)),
            Some(Node { span, .. }) => Err(span.clone()),
            None => return Ok(()),
        };
        let is_key = matches!(self.nodes.get(frame.node), Some(Node { content: Content::Mapping(_), .. }));
        if is_key && frame.key.is_none() {
            let (text, span) = key.map_err(|span| collection_as_key(self.file, span))?;
            frame.key = Some((text.clone(), span.clone()));
            return Ok(());
        }
        match self.nodes.get_mut(frame.node).map(|node| &mut node.content) {
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(pairs)) => {
                pairs.list.extend(frame.key.take().map(|(key, key_span)| Pair { key, key_span, value: node }));
            }
            _ => {}
        }
        Ok(())
    }
}

fn collection_as_key(file: FileId, span: Range<usize>) -> Diagnostic {
    Diagnostic::error("yaml", "a mapping or a list can't be the key of a mapping").at(Place::Bytes(file, span)).help(
        "a value that begins with `{` is a mapping in YAML, with `[` a list: put it in quotes if it is meant as text",
    )
}
