//! The parts of an expression.

use super::functions::Function;

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Literal(String),
    Call(&'static Function, Vec<Expr>),
    Negated(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Path(Start, Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Modulo,
    Union,
}

/// Where a path begins.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Context,
    Root,
    /// At the nodes of an expression that its predicates let through.
    Of(Box<Expr>, Vec<Expr>),
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) axis: Axis,
    pub(super) test: Test,
    pub(super) predicates: Vec<Expr>,
}

impl Step {
    /// What `//` stands for.
    pub(super) fn anywhere() -> Self {
        Self { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    Preceding,
    PrecedingSibling,
    Own,
}

impl Axis {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "ancestor" => Self::Ancestor,
            "ancestor-or-self" => Self::AncestorOrSelf,
            "attribute" => Self::Attribute,
            "child" => Self::Child,
            "descendant" => Self::Descendant,
            "descendant-or-self" => Self::DescendantOrSelf,
            "following" => Self::Following,
            "following-sibling" => Self::FollowingSibling,
            "parent" => Self::Parent,
            "preceding" => Self::Preceding,
            "preceding-sibling" => Self::PrecedingSibling,
            "self" => Self::Own,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    Node,
    Text,
    Comment,
    Instruction(Option<String>),
    /// `*`.
    Every,
    /// `prefix:*`.
    Prefix(String),
    /// As the document writes it, with its prefix.
    Name(String),
}

/// What an expression comes to, in every document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Nodes,
    Number,
    Text,
    Truth,
}

impl Expr {
    pub(super) fn comes_to(&self) -> Type {
        match self {
            Self::Number(_) | Self::Negated(_) => Type::Number,
            Self::Literal(_) => Type::Text,
            Self::Call(function, _) => function.comes_to,
            Self::Path(..) => Type::Nodes,
            Self::Binary(operator, ..) => match operator {
                Operator::Union => Type::Nodes,
                Operator::Plus | Operator::Minus | Operator::Times | Operator::Divided | Operator::Modulo => {
                    Type::Number
                }
                _ => Type::Truth,
            },
        }
    }
}
