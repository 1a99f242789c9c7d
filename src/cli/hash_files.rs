//! `hashFiles`: a digest of files, as GitHub's runner makes it.
//!
//! The rules are those of the runner's `hashFiles` program and of `@actions/glob`: files in the order of a search that goes
//! into folders as it meets them, names sorted by their bytes; the SHA-256 of each file's SHA-256, one after the other. Other
//! than there nothing outside of the definition's folder is read: a link that leads out is an error.

mod pattern;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use sha2::{Digest, Sha256};

use pattern::Pattern;

const FOLLOW: &str = "--follow-symbolic-links";

/// As long as GitHub's runner gives it.
const DEADLINE: Duration = Duration::from_secs(120);

/// What `hashFiles` gives for the files of one folder. The same patterns are looked for once: each job may ask.
pub(super) struct HashFiles {
    /// Absolute and real.
    root: PathBuf,
    known: RefCell<HashMap<Vec<String>, Result<String, String>>>,
}

/// One search.
struct Search<'a> {
    root: &'a Path,
    patterns: &'a [Pattern],
    follow: bool,
    end: Instant,
    hash: Sha256,
    found: bool,
}

impl HashFiles {
    pub(super) fn new(root: &Utf8Path) -> Self {
        Self { root: root.as_std_path().to_owned(), known: RefCell::default() }
    }

    /// The digest in lowercase hexadecimal; empty when no file is chosen.
    ///
    /// # Errors
    /// A wrong pattern, a file that can't be read, a link that leads nowhere or out of the folder.
    pub(super) fn hash(&self, arguments: &[String]) -> Result<String, String> {
        if let Some(known) = self.known.borrow().get(arguments) {
            return known.clone();
        }
        let result = self.search(arguments);
        self.known.borrow_mut().insert(arguments.to_vec(), result.clone());
        result
    }

    fn search(&self, arguments: &[String]) -> Result<String, String> {
        let (follow, lines) = match arguments {
            [first, rest @ ..] if first.eq_ignore_ascii_case(FOLLOW) => (true, rest),
            [first, ..] if first.starts_with("--") => {
                return Err(format!("`{first}` is no option of `hashFiles`: there is `{FOLLOW}` only"));
            }
            lines => (false, lines),
        };
        let patterns = pattern::parse(lines)?;
        let mut search = Search {
            root: &self.root,
            patterns: &patterns,
            follow,
            end: Instant::now() + DEADLINE,
            hash: Sha256::new(),
            found: false,
        };
        for start in pattern::search_paths(&patterns) {
            search.visit(&start, &mut Vec::new())?;
        }
        Ok(if search.found { format!("{:x}", search.hash.finalize()) } else { String::new() })
    }
}

impl Search<'_> {
    /// Looks at a file or folder. `above`: the real paths of the folders that led here.
    fn visit(&mut self, path: &[String], above: &mut Vec<PathBuf>) -> Result<(), String> {
        self.check_time()?;
        let chosen = pattern::matches(self.patterns, path);
        if !chosen && !pattern::may_match_inside(self.patterns, path) {
            return Ok(());
        }
        let file = self.root.join(path.join("/"));
        let Some(metadata) = self.metadata(&file)? else { return Ok(()) };
        if metadata.is_dir() {
            return self.visit_inside(path, &file, above);
        }
        if chosen { self.add(&file) } else { Ok(()) }
    }

    fn check_time(&self) -> Result<(), String> {
        if Instant::now() <= self.end {
            return Ok(());
        }
        Err(format!("`hashFiles` took longer than {} seconds", DEADLINE.as_secs()))
    }

    /// None: there is nothing, or with `--follow-symbolic-links` a link to nothing.
    fn metadata(&self, file: &Path) -> Result<Option<Metadata>, String> {
        let metadata = if self.follow { file.metadata() } else { file.symlink_metadata() };
        match metadata {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(self.unreadable(file, &error)),
        }
    }

    fn visit_inside(&mut self, path: &[String], folder: &Path, above: &mut Vec<PathBuf>) -> Result<(), String> {
        let real = self.real(folder)?;
        if above.contains(&real) {
            // A link to a folder that it is in.
            return Ok(());
        }
        above.push(real);
        let entries = folder.read_dir().and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<std::io::Result<Vec<OsString>>>()
        });
        let mut names = entries.map_err(|error| self.unreadable(folder, &error))?;
        names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            let Some(name) = name.to_str() else {
                return Err(format!("`{}` is no name in UTF-8", folder.join(&name).display()));
            };
            let inside: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
            self.visit(&inside, above)?;
        }
        above.pop();
        Ok(())
    }

    fn add(&mut self, file: &Path) -> Result<(), String> {
        let unreadable = |error: std::io::Error| self.unreadable(file, &error);
        let real = self.real(file)?;
        // A link to a folder is passed over, as on GitHub, and so is what has no content: reading a pipe never ends.
        if !real.metadata().map_err(unreadable)?.is_file() {
            return Ok(());
        }
        let mut content = File::open(&real).map_err(unreadable)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 128 * 1024]);
        loop {
            // A file with holes may be of any length.
            self.check_time()?;
            match content.read(&mut buffer).map_err(unreadable)? {
                0 => break,
                count => hash.update(buffer.get(..count).unwrap_or_default()),
            }
        }
        self.hash.update(hash.finalize());
        self.found = true;
        Ok(())
    }

    /// Where a path leads, which must be inside of the root.
    fn real(&self, path: &Path) -> Result<PathBuf, String> {
        let real = path.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("`{}` is a link to nothing", self.shown(path)),
            _ => self.unreadable(path, &error),
        })?;
        if real.starts_with(self.root) {
            return Ok(real);
        }
        Err(format!("`{}` leads out of the definition's folder", self.shown(path)))
    }

    fn unreadable(&self, path: &Path, error: &std::io::Error) -> String {
        format!("failed to read `{}`: {error}", self.shown(path))
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with files of these names, each with its name as its content.
    fn tree(files: &[&str]) -> (tempfile::TempDir, HashFiles) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, file).unwrap();
        }
        let root = folder.path().canonicalize().unwrap();
        let hash = HashFiles::new(Utf8Path::from_path(&root).unwrap());
        (folder, hash)
    }

    fn hash(files: &HashFiles, patterns: &[&str]) -> Result<String, String> {
        files.hash(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>())
    }

    /// The digest of these contents in this order.
    fn of(contents: &[&str]) -> String {
        let mut hash = Sha256::new();
        contents.iter().for_each(|content| hash.update(Sha256::digest(content)));
        format!("{:x}", hash.finalize())
    }

    #[test]
    fn the_digest_is_that_of_the_digests_in_the_order_of_the_search() {
        // `a-b` comes after `a` and all that is in it, though `-` comes before `/`.
        let (_folder, files) = tree(&["a/x", "a-b", "B", "z/deep/y"]);
        assert_eq!(hash(&files, &["**"]), Ok(of(&["B", "a/x", "a-b", "z/deep/y"])));
        assert_eq!(hash(&files, &["z", "a"]), Ok(of(&["z/deep/y", "a/x"])));
        assert_eq!(hash(&files, &["**", "!a"]), Ok(of(&["B", "a-b", "z/deep/y"])));
    }

    /// Made by the code of the runner's hashFiles with `@actions/glob` 0.7.0, on the tree of the test above.
    #[test]
    fn the_digest_is_the_one_that_github_makes() {
        let (_folder, files) = tree(&["a/x", "a-b", "B", "z/deep/y"]);
        let github = "ff7fb033f0f9dfe6f739b8a408d6788e55cc3cbfa4a8c336d8ab38c0b0336418";
        assert_eq!(hash(&files, &["**"]).as_deref(), Ok(github));
    }

    #[test]
    fn nothing_chosen_is_an_empty_text() {
        let (_folder, files) = tree(&["a"]);
        assert_eq!(hash(&files, &["b", "a/b", "!a"]), Ok(String::new()));
    }

    #[test]
    fn a_link_to_a_file_counts_as_the_file_and_one_to_a_folder_only_if_asked_for() {
        let (folder, files) = tree(&["real/a"]);
        symlink("real/a", folder.path().join("file")).unwrap();
        symlink("real", folder.path().join("folder")).unwrap();
        symlink("..", folder.path().join("real/loop")).unwrap();
        assert_eq!(hash(&files, &["file", "folder"]), Ok(of(&["real/a"])));
        assert_eq!(hash(&files, &["--follow-symbolic-links", "folder"]), Ok(of(&["real/a"; 2])));
        assert_eq!(
            hash(&files, &["--follow", "folder"]),
            Err("`--follow` is no option of `hashFiles`: there is `--follow-symbolic-links` only".to_owned())
        );
    }

    #[test]
    fn nothing_outside_of_the_folder_is_ever_read() {
        let (outside, _) = tree(&["secret", "inside/a"]);
        let (folder, files) = tree(&["a"]);
        symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
        symlink(outside.path(), folder.path().join("folder")).unwrap();
        let out = |name: &str| Err(format!("`{name}` leads out of the definition's folder"));
        assert_eq!(hash(&files, &["**"]), out("file"));
        assert_eq!(hash(&files, &["--follow-symbolic-links", "folder/**"]), out("folder"));
        assert_eq!(hash(&files, &["--follow-symbolic-links", "folder/inside/a"]), out("folder/inside/a"));
        assert_eq!(hash(&files, &["../a"]), Err("the pattern `../a` has a `..`, which can't be in one".to_owned()));
    }

    #[test]
    fn a_link_to_nothing_is_an_error_unless_links_are_followed() {
        let (folder, files) = tree(&["a"]);
        symlink("gone", folder.path().join("b")).unwrap();
        assert_eq!(hash(&files, &["*"]), Err("`b` is a link to nothing".to_owned()));
        assert_eq!(hash(&files, &["--follow-symbolic-links", "*"]), Ok(of(&["a"])));
    }

    #[test]
    fn a_pipe_is_passed_over() {
        let (folder, files) = tree(&["a"]);
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        assert_eq!(hash(&files, &["*"]), Ok(of(&["a"])));
    }
}
