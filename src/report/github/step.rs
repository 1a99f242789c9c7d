//! What commands that run no job give to their step of a workflow.

use std::io;

use camino::Utf8Path;

use super::outputs;
use crate::report::file;

/// Adds outputs to the file that `GITHUB_OUTPUT` names. `token` is new in every run, so that no value can end itself.
///
/// # Errors
/// The file can't be written.
pub fn give_outputs(path: &Utf8Path, token: &str, values: &[(&str, &str)]) -> io::Result<()> {
    let entries: String = values.iter().map(|(name, value)| outputs::entry(name, value, token)).collect();
    file::append(path, entries.as_bytes())
}
