//! Whether the files that jobs need are there, can be read, and are of the repository.

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};

use super::load::siblings;
use crate::diagnostic::Diagnostic;
use crate::plan::{self, FileKind, FileTrouble, NeededFile};

/// What is wrong with each file that can't be used. `repository` is the folder that scripts, uploads and goss files must be
/// in.
pub(super) fn check(files: &[NeededFile], repository: &Utf8Path) -> Vec<Diagnostic> {
    files.iter().filter_map(|file| check_one(file, repository)).collect()
}

/// Whether a file can be used.
pub(super) fn is_usable(file: &NeededFile, repository: &Utf8Path) -> bool {
    check_one(file, repository).is_none()
}

fn check_one(file: &NeededFile, repository: &Utf8Path) -> Option<Diagnostic> {
    let real = match file.path.canonicalize_utf8() {
        Ok(real) => real,
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Some(plan::missing_file(file, &siblings(&file.path)));
        }
        Err(error) => return Some(plan::unusable_file(file, &FileTrouble::Unreadable(error.to_string()))),
    };
    trouble(file, real, repository).map(|trouble| plan::unusable_file(file, &trouble))
}

fn trouble(file: &NeededFile, real: Utf8PathBuf, repository: &Utf8Path) -> Option<FileTrouble> {
    let of_repository = matches!(file.kind, FileKind::Script | FileKind::Upload | FileKind::Goss);
    if of_repository && !real.starts_with(repository) {
        return Some(FileTrouble::Outside(real));
    }
    let is_folder = real.is_dir();
    let opened = match file.kind {
        FileKind::Upload if is_folder => real.read_dir_utf8().map(drop),
        _ if is_folder => return Some(FileTrouble::Folder),
        // Opening a pipe would wait for whoever writes it.
        _ if !real.is_file() => return Some(FileTrouble::Unreadable("it is no regular file".to_owned())),
        _ => std::fs::File::open(&real).map(drop),
    };
    opened.err().map(|error| FileTrouble::Unreadable(error.to_string()))
}
