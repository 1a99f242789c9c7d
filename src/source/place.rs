//! Where something stands, symbolic: the file, the way through its document, and the part of a value.

use std::fmt;
use std::ops::Range;

/// One step of a [`Route`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// One file of a [`Sources`]; the definition itself is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(super) usize);

/// The way from the root of a file's document to one of its nodes, as in `steps[1].run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    file: FileId,
    segments: Vec<Segment>,
}

impl Route {
    /// The definition's document itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The document of a file.
    #[must_use]
    pub fn of(file: FileId) -> Self {
        Self { file, segments: Vec::new() }
    }

    /// The file that it leads through.
    #[must_use]
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The value of `key` in this mapping.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    /// Item `index` of this sequence.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The segments, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it leads to `other` or to something inside.
    #[must_use]
    pub fn is_in(&self, other: &Self) -> bool {
        self.file == other.file && self.segments.starts_with(&other.segments)
    }

    /// The last segment, and the way to what holds it; none for a document itself.
    #[must_use]
    pub fn split_last(&self) -> Option<(&Segment, Self)> {
        let (last, rest) = self.segments.split_last()?;
        Some((last, Self { file: self.file, segments: rest.to_vec() }))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.segments.clone();
        segments.push(segment);
        Self { file: self.file, segments }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Something in a file that a diagnostic can point at, symbolic until it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The key that leads to a value; the value itself where there is no key.
    Key(Route),
    /// A value. A mapping or a list is pointed at by its key.
    Value(Route),
    /// Bytes of a scalar's decoded text, such as an expression inside it.
    Inside(Route, Range<usize>),
    /// Bytes of the file: for what is no valid YAML and so has no route.
    Bytes(FileId, Range<usize>),
}

impl Place {
    /// The route, if the place has one.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        match self {
            Self::Key(route) | Self::Value(route) | Self::Inside(route, _) => Some(route),
            Self::Bytes(..) => None,
        }
    }

    /// The file that it is in.
    #[must_use]
    pub fn file(&self) -> FileId {
        match self {
            Self::Key(route) | Self::Value(route) | Self::Inside(route, _) => route.file(),
            Self::Bytes(file, _) => *file,
        }
    }
}

/// A position in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}
