//! What several commands need first: the definition, the values of its variables, the plan, and the folders of a run.
//!
//! All I/O of planning is here; what it finds goes to `plan` as plain values.

use std::collections::BTreeMap;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};

use super::exit::Wrong;
use crate::definition::{self, Base, Unreadable, Wanted};
use crate::diagnostic::{self, Diagnostic};
use crate::plan::job::Job;
use crate::plan::{self, FileKind, Given, NeededFile, Plan};
use crate::secret::Secrets;

/// What a definition is called unless it is named.
pub(super) const DEFINITION: &str = "ovenbird.yml";

/// The definition and the values of its variables.
#[derive(Debug, clap::Args)]
pub(super) struct Planning {
    /// The definition
    #[arg(short, long, value_name = "FILE", default_value = DEFINITION)]
    pub file: Utf8PathBuf,
    /// Give a variable a value; the last one wins
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// A YAML file of variables; --var wins over it
    #[arg(long, value_name = "FILE")]
    pub var_file: Vec<Utf8PathBuf>,
    /// Only the jobs for which this expression is true, such as "matrix.suite == 'trixie'"
    #[arg(long, value_name = "EXPR")]
    pub only: Option<String>,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Where runs write.
#[derive(Clone, Debug)]
pub(super) struct Folders {
    /// Absolute, real, and there.
    pub out: Utf8PathBuf,
    /// Absolute, real, and there.
    pub cache: Utf8PathBuf,
}

impl Folders {
    /// Makes the folders.
    pub(super) fn create(out: &Utf8Path, cache: Option<&Utf8Path>) -> anyhow::Result<Self> {
        let cache = cache.map_or_else(default_cache, |cache| Ok(cache.to_owned()))?;
        for folder in [out, &cache] {
            std::fs::create_dir_all(folder).with_context(|| format!("failed to create the folder `{folder}`"))?;
        }
        Self::existing(out, Some(&cache))?.with_context(|| format!("the folder `{out}` is gone"))
    }

    /// The folders of earlier runs; none when there is no output folder.
    pub(super) fn existing(out: &Utf8Path, cache: Option<&Utf8Path>) -> anyhow::Result<Option<Self>> {
        let cache = cache.map_or_else(default_cache, |cache| Ok(cache.to_owned()))?;
        let real = |folder: &Utf8Path| match folder.canonicalize_utf8() {
            Ok(real) => Ok(Some(real)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to find the folder `{folder}`")),
        };
        let Some(out) = real(out)? else { return Ok(None) };
        // Without a cache folder nothing in it is left to remove.
        let cache = real(&cache)?.unwrap_or(cache);
        Ok(Some(Self { out, cache }))
    }
}

/// The user's cache folder, by the XDG base directory specification.
fn default_cache() -> anyhow::Result<Utf8PathBuf> {
    let variable = |name| std::env::var(name).ok().filter(|value| value.starts_with('/'));
    let base = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| format!("{home}/.cache")));
    let base = base
        .ok_or_else(|| Wrong::new("neither XDG_CACHE_HOME nor HOME is set").hint("name a folder with --cache-dir"))?;
    Ok(Utf8PathBuf::from(base).join("ovenbird"))
}

/// What the environment gives, for variables that ask for it. Values that are no UTF-8 are left out, as if unset.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A plan, the jobs of it that were chosen, and the values that they may not hold.
pub(super) struct Loaded {
    pub plan: Plan,
    pub jobs: Vec<Job>,
    pub secrets: Secrets,
    /// Environment variables that hold sensitive values.
    pub hidden: Vec<String>,
}

/// Loads the definition, plans it, and looks for the files that its steps need. None: what is wrong was told.
pub(super) fn load(args: &Planning, jobs: &[String], colour: bool) -> anyhow::Result<Option<Loaded>> {
    let text = read(&args.file)?;
    let name = args.file.as_str();
    let root = root_of(&args.file)?;
    let (definition, sources) = match definition::load(name, &text, &|wanted| read_named(&root, wanted)) {
        Ok(loaded) => loaded,
        Err(report) => return tell(&report.render(colour)),
    };
    let given = Given { environment: environment(), files: read_var_files(&args.var_file)?, flags: args.vars.clone() };
    let planned = plan::resolve_variables(&definition, &given)
        .and_then(|(inputs, secrets)| Ok((plan::plan(&sources, &definition, &inputs, &root)?, secrets)));
    let (plan, secrets) = match planned {
        Ok(planned) => planned,
        Err(diagnostics) => return tell(&diagnostic::render(&diagnostics, &sources, colour)),
    };
    let missing = missing_files(&plan);
    if !missing.is_empty() {
        return tell(&diagnostic::render(&missing, &sources, colour));
    }
    let jobs = plan::select(&plan, jobs, args.only.as_deref())
        .map_err(|error| Wrong::new(error.to_string()).hint(error.hint()))?;
    let sensitive = definition.variables.iter().filter(|variable| variable.sensitive);
    let hidden = sensitive.filter_map(|variable| variable.env.clone()).collect();
    Ok(Some(Loaded { plan, jobs, secrets, hidden }))
}

#[expect(clippy::print_stderr, reason = "diagnostics are talk")]
fn tell(diagnostics: &str) -> anyhow::Result<Option<Loaded>> {
    eprintln!("{diagnostics}");
    Ok(None)
}

fn read(file: &Utf8Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).map_err(|error| {
        let wrong = Wrong::new(format!("failed to read the definition `{file}`: {error}"));
        let hint = "run it in the folder of the definition, or name the file with --file";
        if error.kind() == std::io::ErrorKind::NotFound { wrong.hint(hint) } else { wrong }
    })?;
    Ok(utf8(file, bytes)?)
}

/// A file that the definition names. `root` is the definition's folder.
fn read_named(root: &Utf8Path, wanted: &Wanted<'_>) -> Result<String, Unreadable> {
    let base = match wanted.base {
        Base::Definition => root,
        Base::Repository => repository_of(root),
    };
    let path = base.join(wanted.path);
    let unreadable = |message: String, help: Option<String>| Unreadable { message, help };
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let near = siblings(&path);
            let name = path.file_name().unwrap_or_default();
            let near = diagnostic::nearest(name, near.iter().map(String::as_str));
            let help = near.map_or_else(
                || format!("it was looked for at `{path}`"),
                |near| format!("there is `{near}` in the same folder"),
            );
            unreadable(format!("the file `{}` is not there", wanted.path), Some(help))
        }
        _ => unreadable(format!("failed to read the file `{}`: {error}", wanted.path), None),
    })?;
    utf8(&path, bytes).map_err(|wrong| unreadable(wrong.message, wrong.hint))
}

/// The names in a file's folder.
fn siblings(path: &Utf8Path) -> Vec<String> {
    let entries = path.parent().and_then(|folder| folder.read_dir_utf8().ok());
    entries.into_iter().flatten().flatten().map(|entry| entry.file_name().to_owned()).collect()
}

/// The root of the repository that a folder is in; the folder itself when it is in none.
pub(super) fn repository_of(folder: &Utf8Path) -> &Utf8Path {
    folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder)
}

/// A definition's text. What is no text can't be shown, so its line is told.
fn utf8(file: &Utf8Path, bytes: Vec<u8>) -> Result<String, Wrong> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Wrong::new(format!("the definition is not UTF-8: {file}:{line}")).hint("save the file with the encoding UTF-8")
    })
}

fn read_var_files(files: &[Utf8PathBuf]) -> anyhow::Result<Vec<(String, serde_yaml::Value)>> {
    let read = |file: &Utf8PathBuf| {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Wrong::new(format!("failed to read the file of variables `{file}`: {error}")))?;
        let value = serde_yaml::from_str(&text)
            .map_err(|error| Wrong::new(format!("the file of variables `{file}` is not YAML: {error}")))?;
        Ok((file.to_string(), value))
    };
    files.iter().map(read).collect()
}

/// The folder of the definition, where relative paths begin.
pub(super) fn root_of(file: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let real = file.canonicalize_utf8().with_context(|| format!("failed to find `{file}`"))?;
    Ok(real.parent().map_or_else(|| real.clone(), Utf8Path::to_owned))
}

fn missing_files(plan: &Plan) -> Vec<Diagnostic> {
    let is_there = |file: &NeededFile| match file.kind {
        FileKind::Upload => file.path.exists(),
        FileKind::Script | FileKind::Image | FileKind::Checksums => file.path.is_file(),
    };
    let missing = plan.files.iter().filter(|file| !is_there(file));
    missing.map(|file| plan::missing_file(file, &siblings(&file.path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_that_is_not_utf_8_is_reported_with_its_line() {
        let text = |bytes: &[u8]| utf8(Utf8Path::new("web.yml"), bytes.to_vec()).map_err(|wrong| wrong.message);
        assert_eq!(text("name: müsli\n".as_bytes()), Ok("name: müsli\n".to_owned()));
        let latin = text(b"name: web\n\n# f\xfcr\nsteps: []\n");
        assert_eq!(latin, Err("the definition is not UTF-8: web.yml:3".to_owned()));
    }
}
