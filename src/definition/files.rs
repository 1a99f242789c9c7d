//! The files that a definition names: step files (`uses:`), and the CI configuration that its matrix is read from.
//!
//! They are read before anything is decoded, so that decoding borrows from a finished set of files.

use std::collections::{BTreeSet, VecDeque};

use camino::{Utf8Path, Utf8PathBuf};
use serde_yaml::Value as Yaml;

use super::uses;
use crate::diagnostic::Diagnostic;
use crate::matrix::{self, Include, System};
use crate::source::{FileId, Place, Route, Sources};

/// Reads a file that a definition names. Handed in, because this room does no I/O.
pub type ReadFile<'a> = &'a dyn Fn(&Wanted<'_>) -> Result<String, Unreadable>;

/// A file that a definition names.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Relative to `base`, without `.` and `..`.
    pub path: &'a Utf8Path,
    pub base: Base,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The definition's folder.
    Definition,
    /// The root of the repository, which CI configuration counts from.
    Repository,
    /// No file but a pattern of files from the root of the repository ([`crate::matrix::matches`]): what is read is the
    /// list of their paths, a line each.
    Matching,
}

/// Why a file can't be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// A lowercase fragment, such as ``the file `x` is not there``.
    pub message: String,
    pub help: Option<String>,
}

/// The most files that a definition may name, directly and through others: GitLab takes 150 from one configuration.
const MOST_FILES: usize = 500;

/// The most bytes that they may have together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A file still to read, and where it is named.
#[derive(Clone)]
struct Named {
    path: String,
    base: Base,
    route: Route,
    kind: Kind,
}

/// What a named file is, which decides what it names in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Steps,
    /// Configuration of a CI, which GitLab's may include more of.
    Ci,
}

/// Adds every file that the definition names, and that those name in turn, in the order in which people wrote them.
pub(super) fn gather(sources: &mut Sources, read: ReadFile<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut queue = VecDeque::from(named(sources, FileId::default()));
    let mut patterns = BTreeSet::new();
    let (mut files, mut bytes) = (0, 0);
    while let Some(file) = queue.pop_front() {
        let is_included = file.kind == Kind::Ci && file.route.file() != FileId::default();
        let Some(path) = normal(&file.path).filter(|path| !is_included || *path == file.path) else {
            if is_included {
                diagnostics.push(not_from_the_root(file));
            }
            continue;
        };
        let is_known = match file.base {
            Base::Matching => !patterns.insert(path.clone()),
            Base::Definition | Base::Repository => sources.find(path.as_str()).is_some(),
        };
        if is_known {
            continue;
        }
        match read(&Wanted { path: &path, base: file.base }) {
            Ok(paths) if file.base == Base::Matching => {
                let named = |path: &str| Named { path: path.to_owned(), base: Base::Repository, ..file.clone() };
                queue.extend(paths.lines().map(named));
            }
            Ok(text) => {
                (files, bytes) = (files + 1, bytes + text.len());
                if files > MOST_FILES || bytes > MOST_BYTES {
                    diagnostics.push(too_many(file));
                    return;
                }
                let (id, mut wrong) = sources.add(path.as_str(), &text);
                diagnostics.append(&mut wrong);
                queue.extend(match file.kind {
                    Kind::Steps => named(sources, id),
                    Kind::Ci => included(sources, id),
                });
            }
            Err(unreadable) => {
                let diagnostic = Diagnostic::error("missing-file", unreadable.message).at(Place::Value(file.route));
                diagnostics.push(match unreadable.help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                });
            }
        }
    }
}

/// Files that name files may be any number of them.
fn too_many(file: Named) -> Diagnostic {
    let most = MOST_BYTES >> 20;
    let message = format!("the definition names more than {MOST_FILES} files, or {most} MiB of them");
    let help = "look for a pattern that fits more files than it should: this one was not read, and none after it";
    Diagnostic::error("file-size", message).at(Place::Value(file.route)).help(help)
}

/// GitLab takes paths as its repository has them.
fn not_from_the_root(file: Named) -> Diagnostic {
    let message = format!("GitLab finds no file at `{}`", file.path);
    let help = "write the path from the repository's root, without `.` and `..`";
    Diagnostic::error("missing-file", message).at(Place::Value(file.route)).help(help)
}

/// The files that one file names.
fn named(sources: &Sources, file: FileId) -> Vec<Named> {
    let (value, root) = (sources.get(file).value(), Route::of(file));
    let steps = value.get("steps").and_then(Yaml::as_sequence).into_iter().flatten().enumerate();
    let mut named: Vec<Named> = steps
        .filter_map(|(index, step)| {
            let route = root.key("steps").index(index).key("uses");
            // What is no path of a step file is reported when it is decoded.
            let path = uses::path(step.get("uses")?.as_str()?).ok()?;
            Some(Named { path: path.into_string(), base: Base::Definition, route, kind: Kind::Steps })
        })
        .collect();
    let from = value.get("strategy").and_then(|strategy| strategy.get("from")).and_then(Yaml::as_str);
    if let Some(path) = from.filter(|_| file == FileId::default()) {
        let route = root.key("strategy").key("from");
        named.push(Named { path: path.to_owned(), base: Base::Repository, route, kind: Kind::Ci });
    }
    named
}

/// The files of the repository that a GitLab configuration includes.
fn included(sources: &Sources, file: FileId) -> Vec<Named> {
    let source = sources.get(file);
    if matrix::system(source) != System::GitLab {
        return Vec::new();
    }
    let includes = matrix::includes(source.value(), file).into_iter();
    let local = includes.filter_map(|include| match include {
        Include::Local { path, route } => {
            let base = if path.contains('*') { Base::Matching } else { Base::Repository };
            Some(Named { path, base, route, kind: Kind::Ci })
        }
        Include::Elsewhere { .. } => None,
    });
    local.collect()
}

/// A relative path without `.` and `..`; none for one that leaves its base, which decoding reports.
pub(super) fn normal(path: &str) -> Option<Utf8PathBuf> {
    let mut normal = Utf8PathBuf::new();
    for component in Utf8Path::new(path).components() {
        match component {
            camino::Utf8Component::Normal(name) => normal.push(name),
            camino::Utf8Component::CurDir => {}
            camino::Utf8Component::ParentDir if normal.pop() => {}
            _ => return None,
        }
    }
    (!normal.as_str().is_empty()).then_some(normal)
}

/// Reads from what a test gives.
#[cfg(test)]
pub(crate) fn among<'a>(files: &'a [(&'a str, &'a str)]) -> impl Fn(&Wanted<'_>) -> Result<String, Unreadable> + 'a {
    |wanted| match files.iter().find(|(path, _)| wanted.path == *path) {
        Some((_, text)) => Ok((*text).to_owned()),
        None => Err(Unreadable { message: format!("the file `{}` is not there", wanted.path), help: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition;

    #[test]
    fn files_that_name_each_other_come_to_an_end() {
        // Each names all the others by a pattern, and there is always one more.
        let all: String = (0..=MOST_FILES).map(|number| format!("ci/{number}.yml\n")).collect();
        let read = |wanted: &Wanted<'_>| match wanted.base {
            Base::Matching => Ok(all.clone()),
            _ => Ok("include: 'ci/*.yml'\nbuild: { parallel: 2, script: x }\n".to_owned()),
        };
        let text = "name: web\nstrategy: { from: .gitlab-ci.yml, job: build }\n";
        let definition::Loaded { diagnostics, .. } =
            definition::read("ovenbird.yml", text, &read, &definition::GivenMatrix::None);
        let first = diagnostics.iter().find(|diagnostic| diagnostic.rule == "file-size");
        assert_eq!(
            first.map(|diagnostic| diagnostic.message.as_str()),
            Some("the definition names more than 500 files, or 64 MiB of them")
        );
    }
}
