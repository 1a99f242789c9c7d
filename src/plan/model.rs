//! The plan as data.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::job::Job;
use crate::diagnostic::{Diagnostic, Label};
use crate::event::JobId;
use crate::expression::Object;
use crate::source::Place;

/// Everything that will be built. Never serialized itself: [`PlanV1`](super::PlanV1) is its wire form.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The definition's name.
    pub name: String,
    /// Of the image; none where neither the definition nor a tag or commit says one.
    pub version: Option<String>,
    /// In the order of the matrix.
    pub jobs: Vec<Job>,
    /// The name in the definition of each job's platform.
    pub platforms: BTreeMap<JobId, String>,
    /// Whether a failed job cancels the others; true unless the definition says otherwise, as in Actions.
    pub fail_fast: bool,
    /// None: as many as there are.
    pub max_parallel: Option<u32>,
    /// The contexts `git` and `ci`, for choosing among the jobs.
    pub git: Object,
    pub ci: Object,
    /// Files that must be there for the jobs to run. Those that several jobs use are listed once.
    pub files: Vec<NeededFile>,
}

/// A file of this machine that a job needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededFile {
    /// The first job that needs it.
    pub job: JobId,
    /// Index of the step that needs it; none: the platform does, or the tests do.
    pub step: Option<usize>,
    pub kind: FileKind,
    /// Absolute.
    pub path: Utf8PathBuf,
    /// As the definition has it.
    pub written: String,
    pub place: Place,
    /// Where the step file is used first that needs it; none: the definition itself does.
    pub used: Option<Place>,
}

/// What a file is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file to run: not a folder.
    Script,
    /// A file or a folder.
    Upload,
    /// A disk image.
    Image,
    /// A list of checksums.
    Checksums,
    /// A goss file.
    Goss,
}

impl NeededFile {
    /// What it is, for messages.
    fn what(&self) -> &'static str {
        match self.kind {
            FileKind::Script => "the script",
            FileKind::Upload => "the file or folder",
            FileKind::Image => "the disk image",
            FileKind::Checksums => "the list of checksums",
            FileKind::Goss => "the goss file",
        }
    }
}

/// The diagnostic for a file that is not there. `siblings` are the names in its folder, for a suggestion.
#[must_use]
pub fn missing_file(file: &NeededFile, siblings: &[String]) -> Diagnostic {
    let message = format!("{} `{}` is not there", file.what(), file.written);
    let diagnostic = Diagnostic::error("missing-file", message).at(file.place.clone());
    let diagnostic = match &file.used {
        Some(used) => diagnostic.label(Label::new(used.clone()).text("used here")),
        None => diagnostic,
    };
    let name = file.path.file_name().unwrap_or_default();
    let file_alone = name.split(' ').next().filter(|alone| siblings.iter().any(|sibling| sibling == alone));
    match crate::diagnostic::nearest(name, siblings.iter().map(String::as_str)) {
        _ if file_alone.is_some() => {
            diagnostic.help("there is the file without what follows the space: that goes into `args`")
        }
        Some(near) => diagnostic.help(format!("there is `{near}` in the same folder")),
        None => diagnostic.help(format!("it was looked for at `{}`", file.path)),
    }
}

/// Why a file that is there can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileTrouble {
    /// A folder, where a file is needed.
    Folder,
    /// The operating system's word for it.
    Unreadable(String),
    /// A link leads to this place, which is not in the repository.
    Outside(Utf8PathBuf),
}

/// The diagnostic for a file that is there and can't be used.
#[must_use]
pub fn unusable_file(file: &NeededFile, trouble: &FileTrouble) -> Diagnostic {
    let (what, written) = (file.what(), &file.written);
    let (message, help) = match trouble {
        FileTrouble::Folder => (format!("{what} `{written}` is a folder"), "name a file in it".to_owned()),
        FileTrouble::Unreadable(error) => (
            format!("{what} `{written}` can't be read: {error}"),
            format!("look at the permissions of `{}`", file.path),
        ),
        FileTrouble::Outside(target) => (
            format!("{what} `{written}` is outside of the repository"),
            format!("a link leads to `{target}`: copy what is needed into the repository"),
        ),
    };
    Diagnostic::error("unreadable-file", message).at(file.place.clone()).help(help)
}
