//! Files of the repository: read only inside it, and found by patterns.

use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};

use crate::matrix;

/// More than the largest file that a definition may name, so that one which is larger is told as that.
const MOST_BYTES: u64 = 11 * 1024 * 1024;

/// How many folders deep a pattern is looked for.
const DEEPEST: usize = 32;

/// Reads a file. What a link leads to counts, wherever the link is.
///
/// # Errors
/// It is not there, is no regular file, or lies outside of the repository.
pub(super) fn read(repository: &Utf8Path, path: &Utf8Path) -> Result<Vec<u8>> {
    let real = path.canonicalize_utf8()?;
    if !real.starts_with(repository.canonicalize_utf8()?) {
        return Err(Error::new(ErrorKind::PermissionDenied, "a link leads out of the repository"));
    }
    // A pipe would never end.
    if !real.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    read_start(real.as_std_path())
}

/// Reads a file that the user names, which may be a pipe, up to more than it may have: some devices never end.
///
/// # Errors
/// It can't be read.
pub(super) fn read_start(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files that fit a pattern, as paths from the repository's root, sorted. Links to folders are not followed.
pub(super) fn matching(repository: &Utf8Path, pattern: &str) -> Vec<String> {
    // Only what lies below the folders that the pattern spells out can fit.
    let plain = pattern.split('*').next().unwrap_or_default();
    let start = plain.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    // A link to `/` would have the whole machine searched.
    let is_inside = |folder: &Utf8Path| -> Result<bool> {
        Ok(folder.canonicalize_utf8()?.starts_with(repository.canonicalize_utf8()?))
    };
    if is_inside(&repository.join(start)).unwrap_or(false) {
        collect(repository, Utf8Path::new(start), pattern, 0, &mut found);
    }
    found.sort();
    found
}

fn collect(repository: &Utf8Path, folder: &Utf8Path, pattern: &str, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = repository.join(folder).read_dir_utf8() else { return };
    for entry in entries.flatten() {
        let path: Utf8PathBuf = folder.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEEPEST && entry.file_name() != ".git" => {
                collect(repository, &path, pattern, depth + 1, found);
            }
            Ok(kind) if !kind.is_dir() && matrix::matches(pattern, path.as_str()) => found.push(path.into_string()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

    use super::*;

    fn repository() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        for file in ["ci/a.yml", "ci/b.yaml", "ci/deep/c.yml", "top.yml", ".git/x.yml"] {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "a: 1\n").unwrap();
        }
        (folder, root)
    }

    #[test]
    fn one_star_stays_in_its_folder_and_two_do_not() {
        let (_folder, root) = repository();
        assert_eq!(matching(&root, "ci/*.yml"), ["ci/a.yml"]);
        assert_eq!(matching(&root, "ci/**.yml"), ["ci/a.yml", "ci/deep/c.yml"]);
        assert_eq!(matching(&root, "**/*.yml"), ["ci/a.yml", "ci/deep/c.yml"]);
        assert_eq!(matching(&root, "*.yml"), ["top.yml"]);
        assert!(matching(&root, "none/*.yml").is_empty());
    }

    #[test]
    fn a_file_without_end_is_read_until_it_is_too_large() {
        let length = read_start(Path::new("/dev/zero")).map(|bytes| u64::try_from(bytes.len()).unwrap());
        assert_eq!(length.unwrap(), MOST_BYTES);
    }

    #[test]
    fn a_file_outside_of_the_repository_is_not_read_even_through_a_link() {
        let (_folder, root) = repository();
        let (_other, outside) = repository();
        std::os::unix::fs::symlink(outside.join("top.yml"), root.join("link.yml")).unwrap();
        std::os::unix::fs::symlink(outside.join("ci"), root.join("linked")).unwrap();
        std::os::unix::fs::symlink("ci/a.yml", root.join("inside.yml")).unwrap();
        let told = |path: &str| read(&root, &root.join(path)).map_err(|error| error.to_string());
        assert_eq!(told("link.yml"), Err("a link leads out of the repository".to_owned()));
        assert_eq!(told("linked/a.yml"), Err("a link leads out of the repository".to_owned()));
        assert_eq!(told("inside.yml"), Ok(b"a: 1\n".to_vec()));
        assert_eq!(told("ci"), Err("it is no regular file".to_owned()));
        assert!(matching(&root, "linked/*.yml").is_empty());
    }
}
