//! `ovenbird init`: a first definition and a CI file for this repository.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum;

use super::exit::{Exit, Wrong};
use super::load::DEFINITION;
use crate::definition::{self, Unreadable};
use crate::init::{self, Ci, File, Repository, Survey};

/// Far more than a person looks through; a folder with more is no repository of sources.
const MOST_FILES: usize = 20_000;

/// How deep below the current folder files are looked for.
const DEEPEST: usize = 6;

/// A larger file says nothing about how a machine is set up.
const LARGEST_FILE: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For which CI; otherwise the one that the repository uses
    #[arg(long, value_enum, value_name = "CI")]
    ci: Option<CiName>,
    /// The address of Ovenbird's git repository, from which CI compiles the program
    #[arg(long, value_name = "URL", env = "OVENBIRD_REPOSITORY")]
    program: Option<String>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Show the files, and write none
    #[arg(long, visible_alias = "dry-run")]
    print: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CiName {
    Github,
    Gitlab,
    None,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let here = std::env::current_dir().context("failed to find the current folder")?;
    let here = Utf8PathBuf::from_path_buf(here)
        .map_err(|here| Wrong::new(format!("the current folder's name is not UTF-8: {}", here.display())))?;
    let root = here.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&here).to_owned();
    let survey = survey(&here, &root);
    let (survey, left_out) = valid(survey);
    let ci = match args.ci {
        Some(CiName::None) => None,
        Some(CiName::Github) => Some(Ci::Github),
        Some(CiName::Gitlab) => Some(Ci::Gitlab),
        None if survey.is_gitlab() => Some(Ci::Gitlab),
        None => Some(Ci::Github),
    };
    let known = Some(env!("CARGO_PKG_REPOSITORY")).filter(|address| !address.is_empty());
    let program = args.program.as_deref().or(known);
    let definition = File { path: here.join(DEFINITION), text: init::definition(&survey) };
    let ci_files = ci.map(|ci| init::ci_files(&survey, ci, program)).unwrap_or_default();
    let rooted = ci_files.into_iter().map(|file| File { path: root.join(&file.path), ..file });
    let files: Vec<File> = std::iter::once(definition).chain(rooted).collect();
    if args.print {
        return print(&files, &here);
    }
    write(&files, &here, args.force)?;
    tell(&survey, &files, &here, ci, program.is_some(), left_out);
    Ok(Exit::Done)
}

fn survey(here: &Utf8Path, root: &Utf8Path) -> Survey {
    let mut paths = BTreeSet::new();
    list(here, Utf8Path::new(""), 0, &mut paths);
    // The CI's own files are at the repository's root.
    for path in [".gitlab-ci.yml", ".github"] {
        if root != here && root.join(path).exists() {
            paths.insert(path.into());
        }
    }
    let read = |path: &Utf8Path| {
        let path = if here.join(path).exists() { here.join(path) } else { root.join(path) };
        let small = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= LARGEST_FILE);
        small.then(|| std::fs::read_to_string(path).ok()).flatten()
    };
    Survey::of(&Repository {
        name: here.file_name().unwrap_or_default(),
        paths,
        folder: here.strip_prefix(root).map(Utf8Path::to_owned).unwrap_or_default(),
        branch: branch(root),
        read: &read,
    })
}

/// Lists the files of a folder. Links are not followed, and what can't be listed is not there.
fn list(here: &Utf8Path, folder: &Utf8Path, depth: usize, paths: &mut BTreeSet<Utf8PathBuf>) {
    let entries = here.join(folder).read_dir_utf8().ok().into_iter().flatten().flatten();
    for entry in entries {
        let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_file() && paths.len() < MOST_FILES {
            paths.insert(path);
        } else if kind.is_dir() && depth < DEEPEST && !is_foreign(name) {
            list(here, &path, depth + 1, paths);
        }
    }
}

/// Folders of version control, of other people's code, and of what was built.
fn is_foreign(name: &str) -> bool {
    (name.starts_with('.') && name != ".github")
        || ["node_modules", "target", "vendor", "ovenbird-out", "dist", "build"].contains(&name)
}

/// The branch that the repository's origin calls its main one, else the one that is checked out.
fn branch(root: &Utf8Path) -> Option<String> {
    let read = |path: &str| std::fs::read_to_string(root.join(".git").join(path)).ok();
    let origin = read("refs/remotes/origin/HEAD");
    let origin = origin.as_deref().and_then(|text| text.trim().strip_prefix("ref: refs/remotes/origin/"));
    let head = read("HEAD");
    let head = head.as_deref().and_then(|text| text.trim().strip_prefix("ref: refs/heads/"));
    origin.or(head).map(str::to_owned)
}

/// A survey whose definition is valid, and whether something was left out for that.
fn valid(survey: Survey) -> (Survey, bool) {
    let nothing = |_: &definition::Wanted<'_>| Err(Unreadable { message: String::new(), help: None });
    if definition::load(DEFINITION, &init::definition(&survey), &nothing).is_ok() {
        return (survey, false);
    }
    (survey.without_findings(), true)
}

fn print(files: &[File], here: &Utf8Path) -> anyhow::Result<Exit> {
    let mut text = String::new();
    for file in files {
        text.push_str(&format!("# --- {}\n{}\n", shown(&file.path, here), file.text));
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("failed to write the files"),
        _ => Ok(Exit::Done),
    }
}

/// A path as people should see it: from where they are.
fn shown(path: &Utf8Path, here: &Utf8Path) -> String {
    path.strip_prefix(here).unwrap_or(path).to_string()
}

/// Writes all files or none.
fn write(files: &[File], here: &Utf8Path, force: bool) -> anyhow::Result<()> {
    let there = files.iter().filter(|file| file.path.symlink_metadata().is_ok());
    let there: Vec<String> = there.map(|file| format!("`{}`", shown(&file.path, here))).collect();
    if !there.is_empty() && !force {
        let (verb, them) = if there.len() == 1 { ("is", "it") } else { ("are", "them") };
        return Err(Wrong::new(format!("{} {verb} there already", there.join(" and ")))
            .hint(format!("--force replaces {them}; --print shows what would be written"))
            .into());
    }
    // Everything that can fail for want of room or rights happens before the first file has its name.
    let mut prepared = Vec::new();
    for file in files {
        prepared.push((prepare(file).with_context(|| format!("failed to write `{}`", file.path))?, &file.path));
    }
    let mut written: Vec<&Utf8PathBuf> = Vec::new();
    for (temporary, path) in prepared {
        let result = if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
        if let Err(error) = result {
            if !force {
                written.iter().for_each(|path| drop(std::fs::remove_file(path)));
            }
            return Err(error.error).with_context(|| format!("failed to write `{path}`"));
        }
        written.push(path);
    }
    Ok(())
}

fn prepare(file: &File) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = file.path.parent().unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
    temporary.write_all(file.text.as_bytes())?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

/// As an editor would make it; a temporary file is otherwise its owner's alone.
fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

#[expect(clippy::print_stderr, reason = "what was done is talk")]
fn tell(survey: &Survey, files: &[File], here: &Utf8Path, ci: Option<Ci>, has_program: bool, left_out: bool) {
    for finding in survey.findings() {
        eprintln!("Found {finding}.");
    }
    if left_out {
        eprintln!("What this repository sets machines up with could not be translated: the definition is an example.");
    }
    for file in files {
        eprintln!("Wrote {}", shown(&file.path, here));
    }
    if let Some(include) = init::include_hint(survey).filter(|_| ci == Some(Ci::Gitlab)) {
        eprintln!("Next: add these lines to .gitlab-ci.yml, which is left as it is.\n{include}");
    }
    if ci.is_some() && !has_program {
        eprintln!("Next: set the CI variable OVENBIRD_REPOSITORY to the address of Ovenbird's git repository.");
    }
    eprintln!("Next: ovenbird validate, then ovenbird build.");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn files(here: &Utf8Path) -> Vec<File> {
        ["ovenbird.yml", ".github/workflows/images.yml"]
            .map(|path| File { path: here.join(path), text: format!("new {path}\n") })
            .into()
    }

    #[test]
    fn a_file_that_is_there_is_named_and_kept_and_no_other_is_written() {
        let (_folder, here) = folder();
        std::fs::write(here.join("ovenbird.yml"), "mine\n").unwrap();
        let error = write(&files(&here), &here, false).unwrap_err();
        assert_eq!(error.to_string(), "`ovenbird.yml` is there already");
        assert_eq!(std::fs::read_to_string(here.join("ovenbird.yml")).unwrap(), "mine\n");
        assert!(!here.join(".github").exists());
        write(&files(&here), &here, true).unwrap();
        assert_eq!(std::fs::read_to_string(here.join("ovenbird.yml")).unwrap(), "new ovenbird.yml\n");
    }

    #[test]
    fn a_link_is_not_written_through() {
        let (_folder, here) = folder();
        std::fs::write(here.join("elsewhere"), "mine\n").unwrap();
        std::os::unix::fs::symlink("elsewhere", here.join("ovenbird.yml")).unwrap();
        assert!(write(&files(&here), &here, false).is_err());
        write(&files(&here), &here, true).unwrap();
        assert_eq!(std::fs::read_to_string(here.join("elsewhere")).unwrap(), "mine\n");
    }

    #[test]
    fn when_a_later_file_can_not_be_written_the_earlier_ones_are_not_there() {
        let (_folder, here) = folder();
        std::fs::write(here.join(".github"), "a file where a folder has to be\n").unwrap();
        assert!(write(&files(&here), &here, false).is_err());
        let left: Vec<_> = here.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
        assert_eq!(left, [".github"]);
    }

    #[test]
    fn the_main_branch_is_the_origins_else_the_one_that_is_checked_out() {
        let (_folder, here) = folder();
        assert_eq!(branch(&here), None);
        std::fs::create_dir_all(here.join(".git/refs/remotes/origin")).unwrap();
        std::fs::write(here.join(".git/HEAD"), "ref: refs/heads/topic/a\n").unwrap();
        assert_eq!(branch(&here).as_deref(), Some("topic/a"));
        std::fs::write(here.join(".git/refs/remotes/origin/HEAD"), "ref: refs/remotes/origin/trunk\n").unwrap();
        assert_eq!(branch(&here).as_deref(), Some("trunk"));
    }
}
