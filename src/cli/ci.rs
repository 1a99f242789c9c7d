//! Which CI service runs us, and how it names what belongs to this run. All of it comes from the environment; what is made
//! of it is a plain value for the reports.

use std::collections::BTreeMap;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};

use super::exit::Wrong;
use super::load::{MatrixArgs, Planning};
use crate::forge;
use crate::report::{Annotations, Ci, GitHub, GitLab, Setting};
use crate::secret::Secrets;

/// Folders of a run as they really are: absolute, without links.
pub(super) struct Real<'a> {
    /// Where the definition is.
    pub root: &'a Utf8Path,
    /// The root of the repository around it.
    pub repository: &'a Utf8Path,
    pub out: &'a Utf8Path,
}

/// The service, by the variables that it sets; none on anybody's own machine.
pub(super) fn service(
    environment: &BTreeMap<String, String>,
    secrets: &Secrets,
    annotations: Annotations,
) -> anyhow::Result<Option<Ci>> {
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let path = |name: &str| given(name).map(Utf8PathBuf::from);
    Ok(match forge::Ci::from_environment(environment).name.as_deref() {
        Some("github") => Some(Ci::GitHub(GitHub {
            summary: path("GITHUB_STEP_SUMMARY"),
            output: path("GITHUB_OUTPUT"),
            token: token()?,
            masks: secrets.masks(),
            annotations,
        })),
        Some("gitlab") => Some(Ci::GitLab(GitLab { job_url: given("CI_JOB_URL").cloned() })),
        _ => None,
    })
}

/// How files and commands are named to the service and to people.
pub(super) fn setting(environment: &BTreeMap<String, String>, real: &Real<'_>, given: &Given<'_>) -> Setting {
    let checkout = checkout(environment);
    let folder = folder(checkout.as_deref(), real.root, real.repository);
    let below = checkout.as_ref().and_then(|checkout| real.out.strip_prefix(checkout).ok());
    let out = below.map_or_else(|| given.out.to_owned(), Utf8Path::to_owned);
    Setting { command: command(&folder, given), folder, out }
}

/// The folder that the CI service checks out into, as it really is.
fn checkout(environment: &BTreeMap<String, String>) -> Option<Utf8PathBuf> {
    let folder = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"].iter().find_map(|name| environment.get(*name))?;
    let folder = Utf8Path::new(folder);
    Some(folder.canonicalize_utf8().unwrap_or_else(|_| folder.to_owned()))
}

/// The definition's folder, from the root of the repository.
fn folder(checkout: Option<&Utf8Path>, root: &Utf8Path, repository: &Utf8Path) -> Utf8PathBuf {
    // Without `.git` (a checkout of files alone) the definition seems to be in no repository.
    let repository = match checkout {
        Some(checkout) if repository == root && root.starts_with(checkout) => {
            if root.join(".git").exists() {
                repository
            } else {
                checkout
            }
        }
        _ => repository,
    };
    root.strip_prefix(repository).unwrap_or(Utf8Path::new("")).to_owned()
}

/// Whether GitHub's runner reads what we print.
pub(super) fn is_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The options that make another job of the same pipeline plan the same, from the root of its checkout: each after a blank,
/// quoted for a shell.
///
/// # Errors
/// A value that may not be written into a pipeline, or a file that other jobs would not have.
pub(super) fn shared_options(
    environment: &BTreeMap<String, String>,
    planning: &Planning,
    secrets: &Secrets,
) -> anyhow::Result<String> {
    let root = super::load::root_of(&planning.file)?;
    let base = checkout(environment).unwrap_or_else(|| super::load::repository_of(&root).to_owned());
    let named = |file: &Utf8Path| -> anyhow::Result<String> {
        let real = file.canonicalize_utf8().with_context(|| format!("failed to find `{file}`"))?;
        let below = real.strip_prefix(&base).map(|below| quoted(below.as_str())).map_err(|_| {
            Wrong::new(format!("`{file}` is outside of the checkout, so the jobs of the pipeline would not have it"))
                .hint(format!("put it below `{base}`, and into the repository"))
        })?;
        Ok(below)
    };
    let mut words = Vec::new();
    let file = named(&planning.file)?;
    if file != super::load::DEFINITION {
        words.extend(["--file".to_owned(), file]);
    }
    for file in &planning.var_file {
        words.extend(["--var-file".to_owned(), named(file)?]);
    }
    let redactor = secrets.redactor();
    for (name, value) in &planning.vars {
        if secrets.names().any(|secret| secret == name) || redactor.redact(value) != *value {
            return Err(in_the_open(name).into());
        }
        words.extend(["--var".to_owned(), quoted(&format!("{name}={value}"))]);
    }
    let MatrixArgs { matrix, cell } = &planning.matrix;
    for (flag, value) in [("--matrix", matrix), ("--cell", cell)] {
        let Some(value) = value else { continue };
        if redactor.redact(value) != *value {
            return Err(in_the_open(flag).into());
        }
        let is_file = flag == "--matrix" && !value.trim_start().starts_with(['{', '[']);
        words.extend([flag.to_owned(), if is_file { named(Utf8Path::new(value))? } else { quoted(value) }]);
    }
    Ok(words.iter().map(|word| format!(" {word}")).collect())
}

/// Whoever may see a project may read its pipelines' configuration.
fn in_the_open(name: &str) -> Wrong {
    Wrong::new(format!("`{name}` holds a sensitive value, which the child pipeline would show"))
        .hint("give the variable an `env: NAME` in the definition, and set NAME among the project's CI/CD variables")
}

/// What was given on the command line.
pub(super) struct Given<'a> {
    pub planning: &'a Planning,
    pub out: &'a Utf8Path,
    pub secrets: &'a Secrets,
}

/// The command that builds the same on one's own machine. A sensitive value is asked for in a variable of the shell.
fn command(folder: &Utf8Path, given: &Given<'_>) -> String {
    let mut words = vec!["ovenbird".to_owned(), "build".to_owned()];
    let file = folder.join(given.planning.file.file_name().unwrap_or_default());
    if file != super::load::DEFINITION {
        words.extend(["--file".to_owned(), quoted(file.as_str())]);
    }
    let mut vars = Vec::new();
    for file in &given.planning.var_file {
        match spelled_out(file) {
            Some(values) => vars.extend(values),
            None => words.extend(["--var-file".to_owned(), quoted(file.as_str())]),
        }
    }
    vars.extend(given.planning.vars.iter().cloned());
    let redactor = given.secrets.redactor();
    for (name, value) in &vars {
        let is_secret = given.secrets.names().any(|secret| secret == name);
        let value = if is_secret { format!("\"${}\"", name.to_uppercase()) } else { quoted(&redactor.redact(value)) };
        words.extend(["--var".to_owned(), format!("{name}={value}")]);
    }
    for (flag, value) in [("--matrix", &given.planning.matrix.matrix), ("--cell", &given.planning.matrix.cell)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
    }
    words.join(" ")
}

/// The variables of a file that only this machine has, such as that of the action's container: one with an absolute path.
/// None of other files, or where a value is no text.
fn spelled_out(file: &Utf8Path) -> Option<Vec<(String, String)>> {
    let text = file.is_absolute().then(|| std::fs::read_to_string(file).ok())??;
    let values: BTreeMap<String, String> = serde_yaml::from_str(&text).ok()?;
    Some(values.into_iter().collect())
}

/// The text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "_-./:=@%+,".contains(char);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// 128 random bits in hexadecimal.
pub(super) fn token() -> anyhow::Result<String> {
    let mut random = [0u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut random))
        .context("failed to read /dev/urandom")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn planning(file: &str, vars: &[(&str, &str)]) -> Planning {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Planning { file: file.into(), vars, var_file: Vec::new(), only: None, matrix: MatrixArgs::default() }
    }

    #[test]
    fn the_service_is_known_by_what_it_sets() {
        let secrets = Secrets::default();
        let github =
            environment(&[("GITHUB_ACTIONS", "true"), ("GITHUB_OUTPUT", "/f/output"), ("GITHUB_STEP_SUMMARY", "")]);
        let Some(Ci::GitHub(github)) = service(&github, &secrets, Annotations::Shown).unwrap() else {
            panic!("not GitHub")
        };
        assert_eq!((github.output, github.summary), (Some("/f/output".into()), None));
        assert_eq!(github.token.len(), 32);
        let gitlab = environment(&[("GITLAB_CI", "true"), ("CI_JOB_URL", "https://gitlab.test/a/-/jobs/7")]);
        let Some(Ci::GitLab(gitlab)) = service(&gitlab, &secrets, Annotations::Shown).unwrap() else {
            panic!("not GitLab")
        };
        assert_eq!(gitlab.job_url.as_deref(), Some("https://gitlab.test/a/-/jobs/7"));
        let other = environment(&[("GITHUB_ACTIONS", "false"), ("CI", "true")]);
        assert!(service(&other, &secrets, Annotations::Shown).unwrap().is_none());
    }

    #[test]
    fn files_are_named_from_the_repository_and_outputs_from_the_checkout() {
        let checkout = environment(&[("GITHUB_WORKSPACE", "/w")]);
        let named = |root: &str, repository: &str| {
            let real = Real { root: root.into(), repository: repository.into(), out: "/w/sub/ovenbird-out".into() };
            let (planning, secrets) = (planning("../images/web.yml", &[]), Secrets::default());
            let given = Given { planning: &planning, out: "ovenbird-out".into(), secrets: &secrets };
            let setting = setting(&checkout, &real, &given);
            (setting.folder.to_string(), setting.out.to_string(), setting.command)
        };
        let expected =
            |folder: &str, command: &str| (folder.to_owned(), "sub/ovenbird-out".to_owned(), command.to_owned());
        // Checked out below the workspace: GitHub names files from the repository.
        assert_eq!(named("/w/sub/images", "/w/sub"), expected("images", "ovenbird build --file images/web.yml"));
        // Checked out without git.
        assert_eq!(named("/w/images", "/w/images"), expected("images", "ovenbird build --file images/web.yml"));
    }

    #[test]
    fn the_command_holds_values_quoted_and_no_secret() {
        let mut secrets = Secrets::default();
        secrets.insert("token", "hunter2");
        let mut planning = planning("ovenbird.yml", &[("suite", "it's"), ("token", "hunter2"), ("url", "x?hunter2")]);
        planning.matrix.cell = Some(r#"{"os":"a"}"#.to_owned());
        let given = Given { planning: &planning, out: "ovenbird-out".into(), secrets: &secrets };
        assert_eq!(
            command(Utf8Path::new(""), &given),
            r#"ovenbird build --var suite='it'\''s' --var token="$TOKEN" --var url='x?***' --cell '{"os":"a"}'"#
        );
    }

    #[test]
    fn variables_of_a_file_that_only_this_machine_has_are_spelled_out_in_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::try_from(folder.path().join("vars")).unwrap();
        std::fs::write(&file, r#"{"greeting":"good morning","token":"hunter2"}"#).unwrap();
        let mut secrets = Secrets::default();
        secrets.insert("token", "hunter2");
        let mut planning = planning("ovenbird.yml", &[]);
        planning.var_file = vec!["site.yml".into(), file];
        let given = Given { planning: &planning, out: "ovenbird-out".into(), secrets: &secrets };
        assert_eq!(
            command(Utf8Path::new(""), &given),
            r#"ovenbird build --var-file site.yml --var greeting='good morning' --var token="$TOKEN""#
        );
    }
}
