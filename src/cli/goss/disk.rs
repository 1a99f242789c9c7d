//! The files and the clock of goss files: this machine's.

use std::io::Read;

use camino::Utf8Path;
use chrono::{DateTime, Utc};

use crate::smoke::load::Files;

/// No goss file, and nothing that one reads, is larger.
const LARGEST: u64 = 16 * 1024 * 1024;

/// This machine's files, and one moment for all templates.
pub(super) struct Disk {
    now: DateTime<Utc>,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { now: Utc::now() }
    }
}

impl Files for Disk {
    fn read(&self, path: &Utf8Path) -> Result<String, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        text(file)
    }

    fn names(&self, folder: &Utf8Path) -> Vec<String> {
        let folder = if folder.as_str().is_empty() { Utf8Path::new(".") } else { folder };
        let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_owned()).collect()
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }
}

/// All of standard input.
pub(super) fn standard_input() -> Result<String, String> {
    text(std::io::stdin()).map_err(|error| format!("cannot read standard input: {error}"))
}

/// What can be read, if it is text and not too much.
pub(super) fn text(from: impl Read) -> Result<String, String> {
    let mut text = String::new();
    let read = from.take(LARGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > LARGEST { Err(format!("it has more than {LARGEST} bytes")) } else { Ok(text) }
}
