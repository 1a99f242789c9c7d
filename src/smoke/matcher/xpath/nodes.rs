//! Nodes and attributes of a document, and the ways from one to others.

use roxmltree::{Attribute, Node, NodeType};

use super::ast::{Axis, Test};

/// A node, or the attribute of that number of one.
#[derive(Clone, Copy, Debug)]
pub(in crate::smoke::matcher) struct Item<'a> {
    pub(super) node: Node<'a, 'a>,
    pub(super) attribute: Option<(usize, Attribute<'a, 'a>)>,
}

impl<'a> Item<'a> {
    pub(super) fn of(node: Node<'a, 'a>) -> Self {
        Self { node, attribute: None }
    }

    /// Its place in the order of the document.
    pub(super) fn key(&self) -> (u32, usize) {
        (self.node.id().get(), self.attribute.map_or(0, |(index, _)| index + 1))
    }

    /// With its prefix, as the document writes it.
    pub(super) fn name(&self) -> &'a str {
        let text = self.node.document().input_text();
        match self.attribute {
            Some((_, attribute)) => text.get(attribute.range_qname()).unwrap_or_default(),
            None if self.node.is_element() => {
                let tag = text.get(self.node.range()).unwrap_or_default();
                let tag = tag.strip_prefix('<').unwrap_or(tag);
                tag.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap_or_default()
            }
            None => self.node.pi().map_or("", |instruction| instruction.target),
        }
    }

    pub(super) fn local_name(&self) -> &'a str {
        let name = self.name();
        name.split_once(':').map_or(name, |(_, local)| local)
    }

    pub(super) fn namespace(&self) -> &'a str {
        match self.attribute {
            Some((_, attribute)) => attribute.namespace().unwrap_or_default(),
            None => self.node.tag_name().namespace().unwrap_or_default(),
        }
    }

    /// Its text, and how many nodes were looked at for it.
    pub(super) fn text(&self) -> (String, usize) {
        if let Some((_, attribute)) = self.attribute {
            return (attribute.value().to_owned(), 1);
        }
        match self.node.node_type() {
            NodeType::Text | NodeType::Comment => (self.node.text().unwrap_or_default().to_owned(), 1),
            NodeType::PI => (self.node.pi().and_then(|pi| pi.value).unwrap_or_default().to_owned(), 1),
            NodeType::Root | NodeType::Element => {
                let (mut text, mut count) = (String::new(), 0);
                for node in self.node.descendants() {
                    count += 1;
                    if node.is_text() {
                        text.push_str(node.text().unwrap_or_default());
                    }
                }
                (text, count)
            }
        }
    }

    pub(super) fn parent(&self) -> Option<Self> {
        match self.attribute {
            Some(_) => Some(Self::of(self.node)),
            None => self.node.parent().map(Self::of),
        }
    }

    /// What lies along an axis, nearest first.
    pub(super) fn along(self, axis: Axis) -> Box<dyn Iterator<Item = Self> + 'a> {
        let node = self.node;
        let is_node = self.attribute.is_none();
        let own = std::iter::once(self);
        match axis {
            Axis::Own => Box::new(own),
            Axis::Parent => Box::new(self.parent().into_iter()),
            Axis::Ancestor => Box::new(std::iter::successors(self.parent(), Self::parent)),
            Axis::AncestorOrSelf => Box::new(std::iter::successors(Some(self), Self::parent)),
            Axis::Attribute if is_node => {
                let attributes = node.attributes().enumerate();
                Box::new(attributes.map(move |found| Self { node, attribute: Some(found) }))
            }
            Axis::Child if is_node => Box::new(node.children().map(Self::of)),
            Axis::Descendant if is_node => Box::new(node.descendants().skip(1).map(Self::of)),
            Axis::DescendantOrSelf if is_node => Box::new(node.descendants().map(Self::of)),
            Axis::DescendantOrSelf => Box::new(own),
            Axis::FollowingSibling if is_node => Box::new(node.next_siblings().skip(1).map(Self::of)),
            Axis::PrecedingSibling if is_node => Box::new(node.prev_siblings().skip(1).map(Self::of)),
            Axis::Following => {
                let inside = node.descendants().skip(1).filter(move |_| !is_node);
                let later = node.ancestors().flat_map(|node| node.next_siblings().skip(1));
                Box::new(inside.chain(later.flat_map(|node| node.descendants())).map(Self::of))
            }
            Axis::Preceding => {
                let earlier = node.ancestors().flat_map(|node| node.prev_siblings().skip(1));
                Box::new(earlier.flat_map(|node| node.descendants().rev()).map(Self::of))
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Whether a step along an axis that tests so takes it.
    pub(super) fn passes(&self, axis: Axis, test: &Test) -> bool {
        let is_principal = match axis {
            Axis::Attribute => self.attribute.is_some(),
            _ => self.attribute.is_none() && self.node.is_element(),
        };
        let is_node = self.attribute.is_none();
        match test {
            Test::Node => true,
            Test::Text => is_node && self.node.is_text(),
            Test::Comment => is_node && self.node.is_comment(),
            Test::Instruction(target) => {
                let found = self.node.pi().filter(|_| is_node).map(|instruction| instruction.target);
                found.is_some_and(|found| target.as_ref().is_none_or(|target| target == found))
            }
            Test::Every => is_principal,
            Test::Prefix(prefix) => {
                is_principal && self.name().split_once(':').is_some_and(|(found, _)| found == prefix)
            }
            Test::Name(name) => is_principal && self.name() == name,
        }
    }
}
