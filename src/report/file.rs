//! Files that reports write whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;

/// Writes a file anew, with its folder. What was there is removed first, so a link that a repository brought along is
/// not followed.
pub(super) fn replace(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    create(path)?.write_all(bytes).map_err(|error| named(&error, "write", path))
}

/// Makes a new file in place of what was there, with its folder.
pub(super) fn create(path: &Utf8Path) -> io::Result<File> {
    let create = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        remove(path)?;
        File::create_new(path)
    };
    create().map_err(|error| named(&error, "write", path))
}

/// Writes a large file in pieces. It is there when all of it is, and until then what was there before.
pub(super) fn replace_with(path: &Utf8Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let replace = || {
        let folder = path.parent().unwrap_or(Utf8Path::new("."));
        fs::create_dir_all(folder)?;
        // Readable for whom the umask lets read, as other files are.
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(".report-").permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
        let mut writer = BufWriter::new(file);
        write(&mut writer)?;
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    replace().map_err(|error| named(&error, "write", path))
}

/// Removes a file that an earlier run left; that there is none is fine.
pub(super) fn remove(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(&error, "remove", path)),
        _ => Ok(()),
    }
}

/// Adds to a file that the CI service made.
pub(super) fn append(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| named(&error, "write", path))
}

/// The same error, with what failed.
fn named(error: &io::Error, what: &str, path: &Utf8Path) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {what} `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_link_is_replaced_and_what_it_leads_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        fs::write(folder.join("precious"), "old").unwrap();
        std::os::unix::fs::symlink(folder.join("precious"), folder.join("junit.xml")).unwrap();
        replace(&folder.join("junit.xml"), b"new").unwrap();
        assert_eq!(fs::read_to_string(folder.join("precious")).unwrap(), "old");
        assert_eq!(fs::read_to_string(folder.join("junit.xml")).unwrap(), "new");
    }

    #[test]
    fn what_can_not_be_written_is_named() {
        let error = append("/nowhere/summary".into(), b"x").unwrap_err().to_string();
        assert!(error.starts_with("failed to write `/nowhere/summary`: "), "{error}");
    }
}
