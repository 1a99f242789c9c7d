//! Writing a journal: intent before, fact after, done at the end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::process::Identity;

/// The version of the journal's lines.
pub const VERSION: u32 = 1;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// The first line. `token` marks every process of the journal's owner.
    Start { version: u32, run: String, token: String, owner: Identity },
    /// Something is about to be created.
    Intent { id: u64, resource: Resource },
    /// A program was started.
    Started { id: u64, process: Identity },
    /// It is gone again.
    Done { id: u64 },
}

/// Something outside the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resource {
    /// A program, by name. It and all its children carry the journal's token in their environment.
    Program(String),
    /// A temporary file or folder, absolute; removed with all that is in it.
    Path(Utf8PathBuf),
}

/// An open journal. Clones write to the same file.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    path: Utf8PathBuf,
    token: String,
    state: Mutex<State>,
}

struct State {
    file: File,
    next: u64,
    open: usize,
}

/// A resource that is in the journal and not yet done.
#[must_use = "a resource stays in the journal until `done` is called"]
#[derive(Debug)]
pub struct Pending {
    id: u64,
}

impl Journal {
    /// Creates and locks the journal at `path`.
    ///
    /// # Errors
    /// The file can't be created, or another process holds it.
    pub fn create(path: &Utf8Path, run: &str) -> anyhow::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("failed to create `{parent}`"))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("failed to create the journal `{path}`"))?;
        file.try_lock().with_context(|| format!("failed to lock the journal `{path}`"))?;
        let token = token()?;
        let owner = Identity::of(std::process::id()).context("failed to read this process's identity in /proc")?;
        let state = Mutex::new(State { file, next: 0, open: 0 });
        let journal = Self { inner: Arc::new(Inner { path: path.to_owned(), token: token.clone(), state }) };
        journal.append(&Entry::Start { version: VERSION, run: run.to_owned(), token, owner })?;
        Ok(journal)
    }

    /// The value of [`super::process::TOKEN_VARIABLE`] for every program that is started.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.inner.token
    }

    /// Records that `resource` is about to be created. Create it only after this returned.
    ///
    /// # Errors
    /// The journal can't be written: then nothing may be created.
    pub fn intent(&self, resource: Resource) -> anyhow::Result<Pending> {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let id = state.next;
        state.next += 1;
        state.open += 1;
        write_line(&mut state.file, &Entry::Intent { id, resource })
            .with_context(|| format!("failed to write the journal `{}`", self.inner.path))?;
        Ok(Pending { id })
    }

    /// Records the process that a [`Resource::Program`] became.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn started(&self, pending: &Pending, process: Identity) -> anyhow::Result<()> {
        self.append(&Entry::Started { id: pending.id, process })
    }

    /// Records that the resource is gone.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn done(&self, pending: Pending) -> anyhow::Result<()> {
        self.append(&Entry::Done { id: pending.id })?;
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
        Ok(())
    }

    /// Removes the journal when nothing in it is open; else leaves it for `cleanup`.
    ///
    /// # Errors
    /// The file can't be removed.
    pub fn close(self) -> io::Result<()> {
        let open = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner).open;
        if open == 0 {
            std::fs::remove_file(&self.inner.path)?;
            if let Some(parent) = self.inner.path.parent() {
                // The folder goes with its last journal; it is not empty while others of the run are there.
                let _ = std::fs::remove_dir(parent);
            }
        }
        Ok(())
    }

    fn append(&self, entry: &Entry) -> anyhow::Result<()> {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        write_line(&mut state.file, entry).with_context(|| format!("failed to write the journal `{}`", self.inner.path))
    }
}

/// One `write` a line, so that a kill leaves whole lines, or a last one without its end.
fn write_line(file: &mut File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let before = file.metadata()?.len();
    if let Err(error) = file.write_all(&line) {
        // A full disk may take half a line, and the next one must not be joined to it: then nothing could be read.
        file.set_len(before)?;
        return Err(error);
    }
    file.sync_data()
}

/// Reads all whole lines of a journal. A last line without its end was being written when its owner was killed: what it
/// announced had not begun.
///
/// # Errors
/// The file can't be read, or a whole line is not of this version.
pub fn read(file: &mut File) -> anyhow::Result<Vec<Entry>> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_string(&mut text)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).context("a line is not a journal entry")).collect()
}

/// A random value of 128 bits.
fn token() -> anyhow::Result<String> {
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("failed to read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
