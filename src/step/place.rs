//! Which line of the repository a file of a machine is.
//!
//! A guest's file is one of ours when an `upload:` put it there; for a `local:` step, when it is in the folder of the
//! definition. A guest may have changed the file since: where the tool says what stands in the line, the repository
//! must have the same there.

use std::sync::{Mutex, PoisonError};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::event::Place;
use crate::step::recognize::Spot;

/// A larger file is no script.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// What steps have put in the guest: where it is in the repository, and where in the guest.
#[derive(Default)]
pub(super) struct Uploads(Mutex<Vec<(Utf8PathBuf, Utf8PathBuf)>>);

impl Uploads {
    pub(super) fn add(&self, from: &Utf8Path, to: &Utf8Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((from.to_owned(), to.to_owned()));
    }

    /// The latest first: it lies over those before.
    fn all(&self) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

/// How paths of the machine where a script ran lead into the repository.
pub(super) struct Map<'a> {
    /// The folder of the definition.
    pub(super) root: &'a Utf8Path,
    /// None on this machine.
    pub(super) uploads: Option<&'a Uploads>,
    /// The folder that the script began in.
    pub(super) directory: Utf8PathBuf,
}

impl Map<'_> {
    /// The first of the spots that is a line of the repository.
    pub(super) fn place(&self, spots: &[Spot]) -> Option<Place> {
        let root = self.root.canonicalize_utf8().ok()?;
        spots.iter().find_map(|spot| {
            let file = self.files(&root, spot).into_iter().find(|file| has_line(&root.join(file), spot))?;
            Some(Place { file, line: spot.line, column: spot.column, exact: true })
        })
    }

    /// Files of the repository that the spot's may be, below the root.
    fn files(&self, root: &Utf8Path, spot: &Spot) -> Vec<Utf8PathBuf> {
        let named = Utf8Path::new(&spot.file);
        let Some(path) = plain(&self.directory.join(named)) else { return Vec::new() };
        let Some(uploads) = self.uploads else {
            return below(root, &path).into_iter().collect();
        };
        let uploads = uploads.all();
        let uploaded = uploads.iter().find_map(|(from, to)| Some(below_of(from, path.strip_prefix(to).ok()?)));
        if let Some(file) = uploaded {
            return below(root, &file).into_iter().collect();
        }
        if named.is_absolute() || spot.text.is_none() {
            return Vec::new();
        }
        // The script may have gone to a folder that was uploaded. Of two that have such a file, either may be it.
        let all = uploads.iter().filter_map(|(from, _)| below(root, &plain(&from.join(named))?));
        let all: Vec<_> = all.filter(|file| root.join(file).is_file()).collect();
        if all.iter().all(|file| file == &all[0]) { all } else { Vec::new() }
    }
}

/// A file that was uploaded alone is the whole path.
fn below_of(from: &Utf8Path, rest: &Utf8Path) -> Utf8PathBuf {
    if rest.as_str().is_empty() { from.to_owned() } else { from.join(rest) }
}

/// The real path of a file, below the root.
fn below(root: &Utf8Path, file: &Utf8Path) -> Option<Utf8PathBuf> {
    Some(file.canonicalize_utf8().ok()?.strip_prefix(root).ok()?.to_owned())
}

/// An absolute path without `.` and `..`.
fn plain(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut plain = Utf8PathBuf::from("/");
    for component in path.components() {
        match component {
            Utf8Component::Normal(name) => plain.push(name),
            Utf8Component::ParentDir => {
                plain.pop();
            }
            Utf8Component::RootDir | Utf8Component::CurDir => {}
            Utf8Component::Prefix(_) => return None,
        }
    }
    path.is_absolute().then_some(plain)
}

/// Whether the file has the line, with the text that the tool says.
fn has_line(file: &Utf8Path, spot: &Spot) -> bool {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST_FILE);
    let Some(content) = is_file.then(|| std::fs::read(file).ok()).flatten() else { return false };
    let content = String::from_utf8_lossy(&content);
    let line = (spot.line as usize).checked_sub(1).and_then(|index| content.lines().nth(index));
    line.is_some_and(|line| spot.text.as_ref().is_none_or(|text| line.trim() == text))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A repository with `site/app.py`, `a/setup.py` and `b/setup.py` of three lines, and its folders uploaded as
    /// `/srv/site`, `/opt/a`, `/opt/b`.
    struct Repository(tempfile::TempDir, Uploads);

    impl Repository {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(folder.path()).unwrap().canonicalize_utf8().unwrap();
            let uploads = Uploads::default();
            for (name, file, to) in
                [("site", "app.py", "/srv/site"), ("a", "setup.py", "/opt/a"), ("b", "setup.py", "/opt/b")]
            {
                std::fs::create_dir(root.join(name)).unwrap();
                std::fs::write(root.join(name).join(file), "one\n  two\nthree\n").unwrap();
                uploads.add(&root.join(name), to.into());
            }
            Self(folder, uploads)
        }

        fn find(&self, file: &str, line: u32, text: Option<&str>) -> Option<String> {
            let root = Utf8Path::from_path(self.0.path()).unwrap();
            let map = Map { root, uploads: Some(&self.1), directory: "/root".into() };
            let spot = Spot { file: file.to_owned(), line, column: None, text: text.map(str::to_owned) };
            map.place(&[spot]).map(|place| format!("{}:{}", place.file, place.line))
        }
    }

    #[test]
    fn a_file_that_was_uploaded_is_found_by_its_place_in_the_guest() {
        let repository = Repository::new();
        assert_eq!(repository.find("/srv/site/app.py", 2, None).unwrap(), "site/app.py:2");
        assert_eq!(repository.find("/srv/site/./x/../app.py", 2, Some("two")).unwrap(), "site/app.py:2");
        assert_eq!(repository.find("/srv/other/app.py", 2, None), None);
        assert_eq!(repository.find("/srv/site/app.py", 4, None), None, "it has three lines");
        assert_eq!(repository.find("/srv/site/../../etc/passwd", 1, None), None);
    }

    #[test]
    fn a_file_that_was_changed_in_the_guest_is_not_ours() {
        assert_eq!(Repository::new().find("/srv/site/app.py", 2, Some("TWO")), None);
    }

    #[test]
    fn a_relative_path_needs_its_text_and_only_one_folder_that_has_it() {
        let repository = Repository::new();
        assert_eq!(repository.find("app.py", 2, Some("two")).unwrap(), "site/app.py:2");
        assert_eq!(repository.find("app.py", 2, None), None);
        assert_eq!(repository.find("setup.py", 2, Some("two")), None, "a or b?");
        assert_eq!(repository.find("../srv/site/app.py", 2, None).unwrap(), "site/app.py:2");
    }

    #[test]
    fn a_later_upload_lies_over_an_earlier_one() {
        let repository = Repository::new();
        let root = Utf8Path::from_path(repository.0.path()).unwrap().canonicalize_utf8().unwrap();
        repository.1.add(&root.join("a/setup.py"), "/srv/site/app.py".into());
        assert_eq!(repository.find("/srv/site/app.py", 1, None).unwrap(), "a/setup.py:1");
    }

    #[test]
    fn on_this_machine_a_file_of_the_folder_is_itself() {
        let repository = Repository::new();
        let root = Utf8Path::from_path(repository.0.path()).unwrap();
        let map = Map { root, uploads: None, directory: root.join("site") };
        let spot = |file: &str| [Spot { file: file.to_owned(), line: 1, ..Spot::default() }];
        assert_eq!(map.place(&spot("app.py")).unwrap().file, "site/app.py");
        assert_eq!(map.place(&spot(root.join("a/setup.py").as_str())).unwrap().file, "a/setup.py");
        assert_eq!(map.place(&spot("/etc/passwd")), None);
    }
}
