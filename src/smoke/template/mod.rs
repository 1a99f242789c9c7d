//! Go's `text/template`, with the functions that goss has: its own seven, and those of Sprig that goss files use.
//!
//! ```text
//! source ──lexer──▶ tokens ──parser──▶ templates ──machine──▶ text, and whose line each line is
//! ```
//!
//! There is one engine for Rust, `gtmpl` 0.7.1: "passively maintained", without `break` and `continue`, with functions
//! that know nothing of their surroundings, and without bounds, Sprig, or the lines that a text came from.
//! So this is an implementation of the language as the documentation of Go 1.24's `text/template` has it, of which goss
//! files cannot reach complex numbers, methods, function values and channels. Rendered with `missingkey=error`, as goss
//! does.
//!
//! A template is a program of somebody else, so its work, nesting and output are bounded ([`limits`]). Pure but
//! for what a [`Host`] does.

mod ast;
mod format;
pub mod functions;
mod lexer;
pub mod limits;
mod machine;
mod parser;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use thiserror::Error;

pub use value::{Holds, Value};

/// What a template can ask of the world.
pub trait Host {
    /// The text of a file, for `readFile`. The error is what is said of it, such as "no such file or directory".
    ///
    /// # Errors
    ///
    /// When it cannot be read, or may not be.
    fn read(&self, path: &str) -> Result<String, String>;

    /// The time that `now` has.
    fn now(&self) -> DateTime<Utc>;
}

/// What `.Vars` and `.Env` are.
#[derive(Clone, Debug)]
pub struct Data {
    pub vars: BTreeMap<String, Value>,
    /// What `.Env`, `getEnv`, `env` and `expandenv` see; nothing else of the environment can be seen.
    pub env: BTreeMap<String, String>,
}

/// What came of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub file: String,
    pub text: String,
    /// For each line of `text` the line of the file, from 1, that wrote its first character that is no blank.
    pub lines: Vec<u32>,
}

impl Rendered {
    /// The line of the file that wrote a line of the text; both count from 1.
    #[must_use]
    pub fn source_line(&self, line: u32) -> u32 {
        let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        self.lines.get(index).or(self.lines.last()).copied().unwrap_or(1)
    }
}

/// Why a template could not be rendered, as Go words it, with the file's name for the template's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("template: {file}:{line}{}: {message}", column.map(|column| format!(":{column}")).unwrap_or_default())]
pub struct TemplateError {
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In bytes from 0, as Go counts. Mistakes of syntax have none.
    pub column: Option<u32>,
    pub message: String,
}

/// Renders the text of a file.
///
/// # Errors
///
/// When it is no template, or when something in it fails or is out of bounds.
pub fn render(file: &str, source: &str, data: &Data, host: &dyn Host) -> Result<Rendered, TemplateError> {
    if source.len() > limits::LARGEST_TEXT {
        let message = format!("the file has {} bytes, and {} is the most", source.len(), limits::LARGEST_TEXT);
        return Err(TemplateError { file: file.to_owned(), line: 1, column: None, message });
    }
    let templates = parser::parse(source, file).map_err(|broken| TemplateError {
        file: file.to_owned(),
        line: line_of(source, broken.at),
        column: None,
        message: broken.message,
    })?;
    machine::run(file, source, &templates, data, host)
}

/// The line, from 1, of a byte of a text.
fn line_of(source: &str, at: usize) -> u32 {
    let before = &source.as_bytes()[..at.min(source.len())];
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
}
