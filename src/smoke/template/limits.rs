//! How much a template may do. Each is far more than a goss file needs, and little enough for a CI job to bear.

use std::cell::Cell;

/// The longest text, in bytes, that a template, a value of it, or its output may be.
pub const LARGEST_TEXT: usize = 4 * 1024 * 1024;

/// The longest list.
pub const LONGEST_LIST: usize = 100_000;

/// Steps of work: an action, a call, an element that is looked at, or 64 bytes of text that are read or written.
pub const MOST_STEPS: u64 = 2_000_000;

/// How deep templates and blocks may nest while they run.
pub const DEEPEST: usize = 100;

/// How deep lists and maps may nest where they are written as text.
pub const DEEPEST_VALUE: usize = 60;

/// What is left of [`MOST_STEPS`].
#[derive(Debug)]
pub(super) struct Budget(Cell<u64>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(MOST_STEPS))
    }

    /// Takes steps from what is left.
    pub(super) fn spend(&self, steps: usize) -> Result<(), String> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| format!("the template does more than {MOST_STEPS} steps of work"))
    }
}

/// A text that stops growing at [`LARGEST_TEXT`].
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn push(&mut self, more: &str) -> Result<(), String> {
        if self.0.len() + more.len() > LARGEST_TEXT {
            return Err(format!("the text is longer than {LARGEST_TEXT} bytes"));
        }
        self.0.push_str(more);
        Ok(())
    }

    /// The same text, many times.
    pub(super) fn fill(&mut self, more: &str, times: usize) -> Result<(), String> {
        if more.len().saturating_mul(times) > LARGEST_TEXT {
            return Err(format!("the text is longer than {LARGEST_TEXT} bytes"));
        }
        self.push(&more.repeat(times))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}
