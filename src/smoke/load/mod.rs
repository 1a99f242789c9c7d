//! Reads goss files: renders them, follows `gossfile:`, and says what comes after what.
//!
//! ```text
//! file ──render──▶ text, YAML ──▶ its `gossfile:` imports, sorted ──▶ the same for each file that they match
//! ```
//!
//! The order of [`Loaded::files`] is that of goss's merge: of two files with a resource of one type and id, the
//! later one's counts, and counts whole. So an imported file wins over the one that imports it. Disk and clock are the caller's
//! ([`Files`]).

mod glob;
mod imports;
mod merge;
#[cfg(test)]
mod tests;
mod vars;

use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};
use thiserror::Error;

use super::template::{self, Data, Host, Rendered, TemplateError};
pub use merge::merge;
pub use vars::{VarsError, vars};

/// Imports in imports: goss's own bound.
const DEEPEST: usize = 50;

/// So many files, each as often as it is imported: more is a glob gone wrong, or files that import each other in
/// circles.
const MOST_FILES: usize = 1000;

/// All rendered texts together, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// The files and the clock, as the caller has them.
pub trait Files {
    /// The text of a file. The error is what is said of it, such as "no such file or directory".
    ///
    /// # Errors
    ///
    /// When it cannot be read, or may not be.
    fn read(&self, path: &Utf8Path) -> Result<String, String>;

    /// The names in a folder; none if it is no folder or cannot be read, as goss's globs have it.
    fn names(&self, folder: &Utf8Path) -> Vec<String>;

    /// The time that a template's `now` has.
    fn now(&self) -> DateTime<Utc>;
}

/// All files of a specification.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// In the order of the merge: the later one's resources win.
    pub files: Vec<Rendered>,
}

/// Why a specification cannot be loaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LoadError {
    #[error("cannot read `{file}`: {reason}")]
    Unreadable { file: Utf8PathBuf, reason: String },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("{file}:{line}: {message}")]
    Yaml { file: Utf8PathBuf, line: u32, message: String },
    /// What a `gossfile` asks for cannot be had.
    #[error("{file}:{line}: {message}")]
    Import { file: Utf8PathBuf, line: u32, message: String },
}

impl LoadError {
    /// The file and the line that is to blame.
    #[must_use]
    pub fn place(&self) -> (&str, u32) {
        match self {
            Self::Unreadable { file, .. } => (file.as_str(), 1),
            Self::Template(error) => (&error.file, error.line),
            Self::Yaml { file, line, .. } | Self::Import { file, line, .. } => (file.as_str(), *line),
        }
    }
}

/// Loads a goss file and all that it imports.
///
/// # Errors
///
/// The first thing that is wrong, as goss does: what follows from it is not worth reading.
pub fn load(main: &Utf8Path, data: &Data, files: &dyn Files) -> Result<Loaded, LoadError> {
    let text = files.read(main).map_err(|reason| LoadError::Unreadable { file: main.to_owned(), reason })?;
    load_text(main, &text, data, files)
}

/// [`load`] for text that is no file's, such as what comes on standard input; `name` is what it is called, and
/// imports are relative to its folder.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(name: &Utf8Path, text: &str, data: &Data, files: &dyn Files) -> Result<Loaded, LoadError> {
    let mut loader = Loader { data, files, loaded: Vec::new(), bytes: 0, open: Vec::new() };
    loader.load(name, text)?;
    Ok(Loaded { files: loader.loaded })
}

struct Loader<'a> {
    data: &'a Data,
    files: &'a dyn Files,
    loaded: Vec<Rendered>,
    bytes: usize,
    /// The files that import the current one, outermost first, and itself.
    open: Vec<Utf8PathBuf>,
}

/// What a template asks of the world, asked of the files.
struct Asked<'a>(&'a dyn Files);

impl Host for Asked<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.read(Utf8Path::new(path))
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

impl Loader<'_> {
    fn load(&mut self, file: &Utf8Path, text: &str) -> Result<(), LoadError> {
        let rendered = template::render(file.as_str(), text, self.data, &Asked(self.files))?;
        self.bytes += rendered.text.len();
        let imports = imports::of(file, &rendered)?;
        self.loaded.push(rendered);
        self.open.push(file.to_owned());
        for import in imports {
            let refused = |message: String| LoadError::Import { file: file.to_owned(), line: import.line, message };
            let matches = glob::expand(&beside(file, &import.pattern), self.files).map_err(refused)?;
            for path in matches {
                self.follow(&path).map_err(|error| match error {
                    Follow::Refused(message) => refused(message),
                    Follow::Failed(error) => error,
                })?;
            }
        }
        self.open.pop();
        Ok(())
    }

    /// Loads an imported file.
    fn follow(&mut self, path: &Utf8Path) -> Result<(), Follow> {
        if let Some(start) = self.open.iter().position(|open| open == path) {
            let circle: Vec<&str> = self.open[start..].iter().map(|open| open.as_str()).collect();
            return refuse(format!("`{path}` imports itself ({} → {path})", circle.join(" → ")));
        }
        // goss counts the first file too, and stops at the number itself.
        if self.open.len() + 1 >= DEEPEST {
            return refuse(format!("max depth of {DEEPEST} reached, possibly due to dependency loop in goss file"));
        }
        if self.loaded.len() >= MOST_FILES {
            return refuse(format!("more than {MOST_FILES} files are imported"));
        }
        if self.bytes > LARGEST {
            return refuse(format!("the files have more than {LARGEST} bytes together"));
        }
        let text = self.files.read(path).or_else(|reason| refuse(format!("cannot read `{path}`: {reason}")))?;
        self.load(path, &text).map_err(Follow::Failed)
    }
}

/// Why an import was not followed.
enum Follow {
    /// The import is at fault.
    Refused(String),
    /// Something in the imported file is.
    Failed(LoadError),
}

fn refuse<T>(message: String) -> Result<T, Follow> {
    Err(Follow::Refused(message))
}

/// A path relative to the folder of a file, without `.` and `..` where they can be resolved.
fn beside(file: &Utf8Path, path: &str) -> Utf8PathBuf {
    let joined = match file.parent() {
        Some(folder) => folder.join(path),
        None => Utf8PathBuf::from(path),
    };
    template::functions::clean(joined.as_str()).into()
}
