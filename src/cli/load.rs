//! What several commands need first: the definition, the values of its variables, the plan, and the folders of a run.
//!
//! All I/O of planning is here; what it finds goes to `plan` as plain values.

use std::collections::BTreeMap;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};

use super::exit::Wrong;
use super::goss::named::{self, Surroundings};
use super::hash_files::HashFiles;
use super::{ci, files, repository, scripts};
use crate::definition::{self, Base, Definition, GivenMatrix, GivenText, Unreadable, Wanted};
use crate::diagnostic::{self, Diagnostic, PathOf};
use crate::expression::Object;
use crate::forge::{Ci, Git};
use crate::plan::job::Job;
use crate::plan::{self, Attempt, Facts, Given, Plan, SelectError};
use crate::report;
use crate::secret::Secrets;
use crate::source::{Source, Sources};

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
    #[command(flatten)]
    pub matrix: MatrixArgs,
}

/// A matrix from outside.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct MatrixArgs {
    /// A matrix in the place of the definition's: JSON as in a workflow, a list of cells, or a file of either
    #[arg(long, value_name = "JSON|FILE", conflicts_with = "cell")]
    pub matrix: Option<String>,
    /// Only the job of this cell of the matrix, as in a workflow: --cell '${{ toJSON(matrix) }}'
    #[arg(long, value_name = "JSON")]
    pub cell: Option<String>,
}

impl MatrixArgs {
    /// Whether there is any.
    pub(super) fn is_given(&self) -> bool {
        self.matrix.is_some() || self.cell.is_some()
    }

    fn read(&self) -> anyhow::Result<GivenMatrix> {
        if let Some(cell) = &self.cell {
            return Ok(GivenMatrix::Cell(GivenText { name: "--cell".to_owned(), text: cell.clone() }));
        }
        let Some(matrix) = &self.matrix else { return Ok(GivenMatrix::None) };
        let (name, text) = if matrix.trim_start().starts_with(['{', '[']) {
            ("--matrix".to_owned(), matrix.clone())
        } else {
            let file = Utf8Path::new(matrix);
            let bytes = repository::read_start(file.as_std_path()).map_err(|error| {
                Wrong::new(format!("failed to read the matrix `{file}`: {error}"))
                    .hint("`--matrix` takes a file, or JSON that begins with `{` or `[`")
            })?;
            (matrix.clone(), utf8(file, bytes)?)
        };
        Ok(GivenMatrix::Matrix(GivenText { name, text }))
    }
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
            std::fs::create_dir_all(folder).map_err(|error| not_ours("create", folder, &error))?;
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

/// A folder that we can't write to, and what to do about it.
pub(super) fn not_ours(what: &str, folder: &Utf8Path, error: &std::io::Error) -> Wrong {
    Wrong::new(format!("failed to {what} the folder `{folder}`: {error}")).hint(
        "ovenbird writes images and reports to --out and downloads to --cache-dir: name folders that are writable, or mount \
         the workspace without `ro` (a container's user must own it)",
    )
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

/// What planning needs from outside. `root` is the definition's folder.
fn given(args: &Planning, root: &Utf8Path) -> anyhow::Result<Given> {
    let environment = environment();
    let facts = facts(&environment, root);
    Ok(Given { environment, files: read_var_files(&args.var_file)?, flags: args.vars.clone(), facts })
}

/// What the repository and the CI say, and how files are digested. `root` is the definition's folder.
pub(super) fn facts(environment: &BTreeMap<String, String>, root: &Utf8Path) -> Facts {
    let files = HashFiles::new(root);
    Facts {
        git: Git::of(root.as_std_path()).context(),
        ci: Ci::from_environment(environment).context(),
        hash_files: plan::HashFiles::new(move |patterns| files.hash(patterns)),
    }
}

/// A plan, the jobs of it that were chosen, and the values that they may not hold.
pub(super) struct Loaded {
    /// The plan, without its jobs.
    pub plan: Plan,
    pub jobs: Vec<Job>,
    pub secrets: Secrets,
    /// Environment variables that hold sensitive values.
    pub hidden: Vec<String>,
}

/// A definition as far as it could be read and planned, and everything that was found.
pub(super) struct Checked {
    pub sources: Sources,
    /// In the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// None: there was nothing to plan.
    pub attempt: Option<Attempt>,
    /// The definition's folder: absolute and real.
    pub root: Utf8PathBuf,
    definition: Option<Definition>,
    secrets: Secrets,
    hidden: Vec<String>,
}

/// Reads the definition, plans it, and looks for the files that its steps need. Each goes as far as what is wrong allows.
pub(super) fn check(args: &Planning) -> anyhow::Result<Checked> {
    let text = read(&args.file)?;
    let root = root_of(&args.file)?;
    let given = given(args, &root)?;
    let matrix = args.matrix.read()?;
    let loaded = definition::read(args.file.as_str(), &text, &|wanted| read_named(&root, wanted), &matrix);
    let definition::Loaded { definition, mut sources, mut diagnostics } = loaded;
    let mut secrets = Secrets::default();
    let attempt = definition.as_ref().map(|definition| {
        let (inputs, values, wrong) = plan::read_variables(definition, &given);
        secrets = values;
        diagnostics.extend(wrong);
        let mut attempt = plan::attempt(&sources, definition, &inputs, &root);
        diagnostics.append(&mut attempt.diagnostics);
        diagnostics.extend(files::check(&attempt.plan.files, repository_of(&root)));
        let environment = shown_environment(&given.environment, definition);
        let surroundings = Surroundings { root: &root, repository: repository_of(&root), environment: &environment };
        diagnostics.extend(named::load(&mut attempt, &surroundings, &mut sources));
        if !diagnostic::has_errors(&diagnostics) {
            diagnostics.extend(plan::lint(&sources, definition, &attempt.plan));
        }
        attempt
    });
    diagnostic::sort(&mut diagnostics, &sources);
    let hidden = definition.iter().flat_map(hidden).collect();
    Ok(Checked { sources, diagnostics, attempt, root, definition, secrets, hidden })
}

/// Environment variables that hold sensitive values.
fn hidden(definition: &Definition) -> impl Iterator<Item = String> {
    let sensitive = definition.variables.iter().filter(|variable| variable.sensitive);
    sensitive.filter_map(|variable| variable.env.clone())
}

/// What the templates of goss files see of the environment: what they make of it is shown in plans and reports.
fn shown_environment(environment: &BTreeMap<String, String>, definition: &Definition) -> BTreeMap<String, String> {
    let hidden: Vec<String> = hidden(definition).collect();
    let is_shown = |name: &String| !hidden.contains(name) && !Secrets::is_named_by(name);
    let shown = environment.iter().filter(|(name, _)| is_shown(name));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl Checked {
    /// Parses the scripts of its steps too, without running them.
    pub(super) async fn with_scripts(mut self) -> Self {
        if let (Some(attempt), Some(definition)) = (&self.attempt, &self.definition) {
            let repository = repository_of(&self.root);
            let found = scripts::check(attempt, &self.root, repository, &mut self.sources).await.into_iter();
            self.diagnostics.extend(found.map(|one| definition::name_both_files(one, definition)));
            diagnostic::sort(&mut self.diagnostics, &self.sources);
        }
        self
    }

    /// The jobs that were asked for. None: there are errors, and they were told.
    pub(super) fn accept(self, args: &Planning, jobs: &[String], colour: bool) -> anyhow::Result<Option<Loaded>> {
        let Some((loaded, none)) = self.accept_any(args, jobs, colour)? else { return Ok(None) };
        match none {
            Some(none) => Err(wrong_choice(&none).into()),
            None => Ok(Some(loaded)),
        }
    }

    /// The same; that there is no job that fits `--only` goes beside it.
    pub(super) fn accept_any(
        self,
        args: &Planning,
        jobs: &[String],
        colour: bool,
    ) -> anyhow::Result<Option<(Loaded, Option<SelectError>)>> {
        let Self { sources, diagnostics, attempt, root, secrets, hidden, .. } = self;
        let mut plan = match attempt {
            Some(attempt) if !diagnostic::has_errors(&diagnostics) => attempt.plan,
            _ => {
                tell_all(&diagnostics, &sources, &|source| path_of(source, &args.file, &root), colour);
                return Ok(None);
            }
        };
        tell(&diagnostic::brief(&diagnostics, &sources));
        let (jobs, none) = match plan::select(&mut plan, jobs, args.only.as_deref()) {
            Ok(jobs) => (jobs, None),
            Err(none @ SelectError::Nothing { .. }) => (Vec::new(), Some(none)),
            Err(error) => return Err(wrong_choice(&error).into()),
        };
        Ok(Some((Loaded { plan, jobs, secrets, hidden }, none)))
    }
}

fn wrong_choice(error: &SelectError) -> Wrong {
    Wrong::new(error.to_string()).hint(error.hint())
}

/// The contexts of a job, for `eval`. None: what is wrong was told.
pub(super) fn contexts(args: &Planning, job: Option<&str>, colour: bool) -> anyhow::Result<Option<Object>> {
    let text = read(&args.file)?;
    let root = root_of(&args.file)?;
    let matrix = args.matrix.read()?;
    let loaded = definition::read(args.file.as_str(), &text, &|wanted| read_named(&root, wanted), &matrix);
    let (definition, sources) = match loaded.whole() {
        Ok(loaded) => loaded,
        Err(report) => {
            tell(&report.render(colour));
            annotate(&report.diagnostics, &report.sources, &|source| path_of(source, &args.file, &root));
            return Ok(None);
        }
    };
    let given = given(args, &root)?;
    let contexts = plan::resolve_variables(&definition, &given)
        .and_then(|(inputs, _)| plan::contexts(&sources, &definition, &inputs, &root, job));
    match contexts {
        Ok(contexts) => Ok(Some(contexts)),
        Err(diagnostics) => {
            tell_all(&diagnostics, &sources, &|source| path_of(source, &args.file, &root), colour);
            Ok(None)
        }
    }
}

/// Tells people what is wrong with a definition, and GitHub too where it runs us.
pub(super) fn tell_all(diagnostics: &[Diagnostic], sources: &Sources, path_of: PathOf<'_>, colour: bool) {
    tell(&diagnostic::report(diagnostics, sources, colour));
    annotate(diagnostics, sources, path_of);
}

fn annotate(diagnostics: &[Diagnostic], sources: &Sources, path_of: PathOf<'_>) {
    if ci::is_github() {
        talk(&diagnostic::github(diagnostics, sources, path_of));
    }
}

/// Text for people. It may quote what others wrote.
pub(super) fn tell(text: &str) {
    talk(&report::disarmed(text));
}

#[expect(clippy::print_stderr, reason = "diagnostics are talk")]
fn talk(text: &str) {
    eprint!("{text}");
}

/// A file's path from the root of the repository, as GitHub asks for it; as it is known where it is in none.
pub(super) fn path_of(source: &Source, definition: &Utf8Path, root: &Utf8Path) -> String {
    let repository = repository_of(root);
    let name = Utf8Path::new(source.name());
    let candidates = if name == definition {
        vec![root.join(name.file_name().unwrap_or_default())]
    } else {
        // Step files begin at the definition's folder, CI configuration at the repository's root.
        vec![root.join(name), repository.join(name)]
    };
    let found = candidates.into_iter().find(|path| path.exists());
    let inside = found.as_deref().and_then(|path| path.strip_prefix(repository).ok());
    inside.unwrap_or(name).to_string()
}

fn read(file: &Utf8Path) -> anyhow::Result<String> {
    let bytes = repository::read_start(file.as_std_path()).map_err(|error| {
        let wrong = Wrong::new(format!("failed to read the definition `{file}`: {error}"));
        let hint = "run it in the folder of the definition, or name the file with --file";
        if error.kind() == std::io::ErrorKind::NotFound { wrong.hint(hint) } else { wrong }
    })?;
    Ok(utf8(file, bytes)?)
}

/// A file that the definition names. `root` is the definition's folder.
fn read_named(root: &Utf8Path, wanted: &Wanted<'_>) -> Result<String, Unreadable> {
    let repository = repository_of(root);
    let base = match wanted.base {
        Base::Definition => root,
        Base::Repository => repository,
        Base::Matching => return Ok(repository::matching(repository, wanted.path.as_str()).join("\n")),
    };
    let path = base.join(wanted.path);
    let unreadable = |message: String, help: Option<String>| Unreadable { message, help };
    let bytes = repository::read(repository, &path).map_err(|error| match error.kind() {
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
pub(super) fn siblings(path: &Utf8Path) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_ci_have_the_keys_that_the_check_knows_of() {
        let facts = facts(&BTreeMap::new(), Utf8Path::new("/"));
        assert_eq!(facts.git.keys().collect::<Vec<_>>(), definition::GIT_KEYS);
        assert_eq!(facts.ci.keys().collect::<Vec<_>>(), definition::CI_KEYS);
    }

    #[test]
    fn a_definition_that_is_not_utf_8_is_reported_with_its_line() {
        let text = |bytes: &[u8]| utf8(Utf8Path::new("web.yml"), bytes.to_vec()).map_err(|wrong| wrong.message);
        assert_eq!(text("name: müsli\n".as_bytes()), Ok("name: müsli\n".to_owned()));
        let latin = text(b"name: web\n\n# f\xfcr\nsteps: []\n");
        assert_eq!(latin, Err("the definition is not UTF-8: web.yml:3".to_owned()));
    }

    #[test]
    fn a_matrix_is_json_itself_or_a_file_and_excludes_a_cell() {
        #[derive(Debug, clap::Parser)]
        struct Command {
            #[command(flatten)]
            args: MatrixArgs,
        }
        let file = tempfile::NamedTempFile::new().map(|file| file.path().display().to_string());
        let file = file.unwrap_or_default();
        let read = |arguments: &[&str]| -> Result<String, String> {
            let command = <Command as clap::Parser>::try_parse_from([&["plan"], arguments].concat());
            let args = command.map_err(|error| error.kind().to_string())?.args;
            Ok(match args.read().map_err(|error| error.to_string())? {
                GivenMatrix::None => "none".to_owned(),
                GivenMatrix::Matrix(given) | GivenMatrix::Cell(given) => format!("{}: {}", given.name, given.text),
            })
        };
        assert_eq!(read(&[]), Ok("none".to_owned()));
        assert_eq!(read(&["--matrix", r#" {"a":[1]}"#]), Ok(r#"--matrix:  {"a":[1]}"#.to_owned()));
        assert_eq!(read(&["--matrix", "[]"]), Ok("--matrix: []".to_owned()));
        assert_eq!(read(&["--cell", r#"{"a":1}"#]), Ok(r#"--cell: {"a":1}"#.to_owned()));
        assert_eq!(
            read(&["--matrix", &file]),
            Err(format!("failed to read the matrix `{file}`: No such file or directory (os error 2)"))
        );
        assert_eq!(
            read(&["--matrix", "[]", "--cell", "{}"]),
            Err(clap::error::ErrorKind::ArgumentConflict.to_string())
        );
    }
}
