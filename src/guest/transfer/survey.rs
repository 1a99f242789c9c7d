//! What a local tree holds, looked at before anything is sent.

use std::fs::{FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};

use crate::guest::GuestError;

/// What is to be sent.
pub(super) struct Survey {
    pub(super) root: Utf8PathBuf,
    pub(super) is_directory: bool,
    /// Folders as paths inside the tree, parents first; the root is the empty one.
    pub(super) directories: Vec<Vec<u8>>,
    pub(super) bytes: u64,
}

/// Looks at `from`: a file or a folder (a link to one is followed).
pub(super) fn survey(from: &Utf8Path) -> Result<Survey, GuestError> {
    let metadata = std::fs::metadata(from).map_err(GuestError::local("read", from))?;
    let is_directory = metadata.is_dir();
    let mut survey = Survey { root: from.to_owned(), is_directory, directories: Vec::new(), bytes: 0 };
    if !is_directory {
        check_kind(from.as_std_path(), metadata.file_type())?;
        survey.bytes = metadata.len();
        return Ok(survey);
    }
    survey.directories.push(Vec::new());
    let (directories, bytes) = (&mut survey.directories, &mut survey.bytes);
    walk(from, &mut |inside, metadata| {
        if metadata.is_dir() {
            directories.push(inside.as_os_str().as_bytes().to_vec());
        } else if metadata.is_file() {
            *bytes += metadata.len();
        }
        Ok(())
    })?;
    Ok(survey)
}

/// Visits all that is in the folder `root`, sorted, parents first, without following links.
pub(super) fn walk(
    root: &Utf8Path,
    visit: &mut dyn FnMut(&Path, &Metadata) -> Result<(), GuestError>,
) -> Result<(), GuestError> {
    let mut open = vec![sorted(root.as_std_path(), Path::new(""))?];
    while let Some(folder) = open.last_mut() {
        let Some(inside) = folder.pop() else {
            open.pop();
            continue;
        };
        let path = root.as_std_path().join(&inside);
        let metadata = std::fs::symlink_metadata(&path).map_err(local("read", &path))?;
        check_kind(&path, metadata.file_type())?;
        visit(&inside, &metadata)?;
        if metadata.is_dir() {
            open.push(sorted(&path, &inside)?);
        }
    }
    Ok(())
}

/// The entries of a folder as paths inside the tree, last first.
fn sorted(path: &Path, inside: &Path) -> Result<Vec<PathBuf>, GuestError> {
    let entries = std::fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| inside.join(entry.file_name()))).collect::<io::Result<Vec<_>>>()
    });
    let mut entries = entries.map_err(local("read", path))?;
    entries.sort_unstable_by(|a, b| b.cmp(a));
    Ok(entries)
}

/// Refuses what is no file, folder or link.
fn check_kind(path: &Path, kind: FileType) -> Result<(), GuestError> {
    let what = match kind {
        kind if kind.is_socket() => "a socket",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => return Ok(()),
    };
    let error = io::Error::other(format!("it is {what}; only files, folders and symbolic links can be copied"));
    Err(local("copy", path)(error))
}

/// [`GuestError::local`] for paths that may be no UTF-8.
pub(super) fn local(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GuestError {
    let path = Utf8PathBuf::from(path.to_string_lossy().into_owned());
    move |error| GuestError::Local { action, path, error }
}
