//! Which CI service runs us, and how it names what belongs to this run. All of it comes from the environment; what is made
//! of it is a plain value for the reports.

use std::collections::BTreeMap;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};

use super::load::Planning;
use crate::forge;
use crate::report::{Ci, GitHub, GitLab, Setting};
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
pub(super) fn service(environment: &BTreeMap<String, String>, secrets: &Secrets) -> anyhow::Result<Option<Ci>> {
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let path = |name: &str| given(name).map(Utf8PathBuf::from);
    Ok(match forge::Ci::from_environment(environment).name.as_deref() {
        Some("github") => Some(Ci::GitHub(GitHub {
            summary: path("GITHUB_STEP_SUMMARY"),
            output: path("GITHUB_OUTPUT"),
            token: token()?,
            masks: secrets.masks(),
        })),
        Some("gitlab") => Some(Ci::GitLab(GitLab { job_url: given("CI_JOB_URL").cloned() })),
        _ => None,
    })
}

/// How files and commands are named to the service and to people.
pub(super) fn setting(environment: &BTreeMap<String, String>, real: &Real<'_>, given: &Given<'_>) -> Setting {
    let checkout = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"].iter().find_map(|name| environment.get(*name));
    let checkout = checkout.map(|folder| {
        let folder = Utf8Path::new(folder);
        folder.canonicalize_utf8().unwrap_or_else(|_| folder.to_owned())
    });
    // Without `.git` (a checkout of files alone) the definition seems to be in no repository.
    let repository = match &checkout {
        Some(checkout) if real.repository == real.root && real.root.starts_with(checkout) => {
            if real.root.join(".git").exists() { real.repository } else { checkout }
        }
        _ => real.repository,
    };
    let folder = real.root.strip_prefix(repository).unwrap_or(Utf8Path::new("")).to_owned();
    let below = checkout.as_ref().and_then(|checkout| real.out.strip_prefix(checkout).ok());
    let out = below.map_or_else(|| given.out.to_owned(), Utf8Path::to_owned);
    Setting { command: command(&folder, given), folder, out }
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
    for file in &given.planning.var_file {
        words.extend(["--var-file".to_owned(), quoted(file.as_str())]);
    }
    let redactor = given.secrets.redactor();
    for (name, value) in &given.planning.vars {
        let is_secret = given.secrets.names().any(|secret| secret == name);
        let value = if is_secret { format!("\"${}\"", name.to_uppercase()) } else { quoted(&redactor.redact(value)) };
        words.extend(["--var".to_owned(), format!("{name}={value}")]);
    }
    for (flag, value) in [("--matrix", &given.planning.matrix.matrix), ("--cell", &given.planning.matrix.cell)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), quoted(value)]));
    }
    words.join(" ")
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
    use crate::cli::load::MatrixArgs;

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
        let Some(Ci::GitHub(github)) = service(&github, &secrets).unwrap() else { panic!("not GitHub") };
        assert_eq!((github.output, github.summary), (Some("/f/output".into()), None));
        assert_eq!(github.token.len(), 32);
        let gitlab = environment(&[("GITLAB_CI", "true"), ("CI_JOB_URL", "https://gitlab.test/a/-/jobs/7")]);
        let Some(Ci::GitLab(gitlab)) = service(&gitlab, &secrets).unwrap() else { panic!("not GitLab") };
        assert_eq!(gitlab.job_url.as_deref(), Some("https://gitlab.test/a/-/jobs/7"));
        assert!(service(&environment(&[("GITHUB_ACTIONS", "false"), ("CI", "true")]), &secrets).unwrap().is_none());
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
}
