//! A parsed template. Positions are byte offsets into the source.

use super::value::Value;

/// A part of a template that writes something.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text { at: usize, text: String },
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { at: usize, name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// `if`, `with` and `range`, which all have a pipeline, a body, and what is done instead.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) span: Span,
    /// Variables that get the value; those of a `range` get an element.
    pub(super) variables: Vec<String>,
    /// `:=`, and not `=`.
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// A function or value, and arguments.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) span: Span,
    pub(super) words: Vec<Operand>,
}

/// Something that has a value.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) span: Span,
    pub(super) term: Term,
    /// `.a.b` after it.
    pub(super) fields: Vec<String>,
}

/// What an operand begins with.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Dot,
    Nil,
    Literal(Value),
    Variable(String),
    Function(String),
    Pipe(Box<Pipe>),
}

/// Where something is written, and where Go says that it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Go places a chain of fields at its second one.
    pub(super) at: usize,
}
