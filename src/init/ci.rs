//! The text of a CI file that validates the definition and bakes the images.
//!
//! The file uses neither the action nor the container image, which work from a release on: it compiles the program from
//! its repository, unless the runner has it already. Where the repository is, is said in one place: the variable
//! `OVENBIRD_REPOSITORY`.

use camino::Utf8PathBuf;

use super::survey::Survey;
use super::yaml::scalar;

/// What `ovenbird build` drives, as packages of Debian and Ubuntu, and what compiling Ovenbird takes: the groups `build`
/// and `run` of `scripts/setup.sh`.
pub(super) const PACKAGES: &[&str] = &[
    "ca-certificates",
    "curl",
    "debian-archive-keyring",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "gcc",
    "libc6-dev",
    "make",
    "mmdebstrap",
    "mtools",
    "ovmf",
    "qemu-system-x86",
    "qemu-utils",
    "uidmap",
];

/// A CI whose file can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    Github,
    Gitlab,
}

/// A file to write, relative to the repository's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: Utf8PathBuf,
    pub text: String,
}

/// The files of a CI. `program` is the address of Ovenbird's own repository, if it is known. A file that the CI begins
/// with is written only where there is none.
#[must_use]
pub fn ci_files(survey: &Survey, ci: Ci, program: Option<&str>) -> Vec<File> {
    let file = |path: &str, text: String| File { path: path.into(), text };
    match ci {
        Ci::Github => vec![file(".github/workflows/images.yml", github(survey, program))],
        Ci::Gitlab => {
            let job = file(GITLAB_JOB, gitlab(survey, program));
            let first = file(".gitlab-ci.yml", format!("include:\n  - local: {GITLAB_JOB}\n"));
            if survey.has_gitlab { vec![job] } else { vec![job, first] }
        }
    }
}

const GITLAB_JOB: &str = ".gitlab/images.yml";

/// What the repository's own GitLab file needs to begin with the job; none when that file is written too.
#[must_use]
pub fn include_hint(survey: &Survey) -> Option<String> {
    survey.has_gitlab.then(|| format!("include:\n  - local: {GITLAB_JOB}"))
}

/// Installs the program where the runner does not have it. `toolchain`: what has to be run for a Rust that is new enough.
fn install(indent: usize, toolchain: &[&str]) -> String {
    let before = [
        "if ! command -v ovenbird; then",
        "  if [ -z \"$OVENBIRD_REPOSITORY\" ]; then",
        "    echo 'error: set the variable OVENBIRD_REPOSITORY to the address of the git repository of Ovenbird' >&2",
        "    exit 1",
        "  fi",
    ];
    let after = ["  cargo install --locked --git \"$OVENBIRD_REPOSITORY\" ovenbird", "fi"];
    let lines = before.iter().chain(toolchain).chain(&after);
    lines.map(|line| format!("{}{line}\n", " ".repeat(indent))).collect()
}

/// The packages, a few a line, as the end of a command.
fn packages(indent: usize) -> String {
    let rows = PACKAGES.chunks(6).map(|row| format!("{}{}", " ".repeat(indent), row.join(" ")));
    rows.collect::<Vec<_>>().join(" \\\n")
}

fn github(survey: &Survey, program: Option<&str>) -> String {
    let (folder, branch) = (survey.folder.as_str(), scalar(&survey.branch));
    let repository = program.map_or_else(|| "${{ vars.OVENBIRD_REPOSITORY }}".to_owned(), scalar);
    let whose = if program.is_some() {
        ""
    } else {
        "  # Set the variable in the settings of this repository: Secrets and variables, Actions, Variables.\n"
    };
    let defaults = if folder.is_empty() {
        String::new()
    } else {
        format!("\ndefaults:\n  run:\n    working-directory: {}\n", scalar(folder))
    };
    let out = if folder.is_empty() { "ovenbird-out/".to_owned() } else { format!("{folder}/ovenbird-out/") };
    let install = install(10, &["  rustup toolchain install stable --profile minimal", "  rustup default stable"]);
    let packages = packages(12);
    let out = scalar(&out);
    format!(
        "\
# Validates ovenbird.yml and bakes its images. Written by `ovenbird init`, and yours to change. Needs no secret.
name: images

on:
  pull_request:
  push:
    branches: [{branch}]
  workflow_dispatch:

permissions:
  contents: read

concurrency:
  group: images-${{{{ github.ref }}}}
  cancel-in-progress: true

env:
  # Where the program comes from: the address of the git repository of Ovenbird.
{whose}  OVENBIRD_REPOSITORY: {repository}
{defaults}
jobs:
  images:
    runs-on: ubuntu-24.04
    timeout-minutes: 180
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - name: Install what Ovenbird drives
        run: |
          sudo apt-get update
          sudo apt-get install -y --no-install-recommends \\
{packages}
      - name: Let this user open /dev/kvm
        # Without it the machines are emulated, only slower.
        run: |
          if [ -e /dev/kvm ]; then sudo chmod 0666 /dev/kvm; fi
      - name: Install Ovenbird
        run: |
{install}      - name: Validate the definition
        run: ovenbird validate
      - name: Bake the images
        run: ovenbird build
      - name: Keep the images and logs
        if: ${{{{ !cancelled() }}}}
        uses: actions/upload-artifact@v4
        with:
          name: images
          path: {out}
          if-no-files-found: ignore
"
    )
}

fn gitlab(survey: &Survey, program: Option<&str>) -> String {
    let stages = survey.gitlab_stages.as_deref().unwrap_or_default();
    // Without a stage a job is in `test`, which a file with stages of its own may not have.
    let stage = match stages.last() {
        Some(last) if !stages.iter().any(|stage| stage == "test") => format!("  stage: {}\n", scalar(last)),
        _ => String::new(),
    };
    let variables = program.map_or_else(
        || "  # Set the CI/CD variable OVENBIRD_REPOSITORY in the settings of this project, or here under `variables:`.\n".to_owned(),
        |program| format!("  variables:\n    OVENBIRD_REPOSITORY: {}\n", scalar(program)),
    );
    let folder = survey.folder.as_str();
    let (enter, out) = if folder.is_empty() {
        (String::new(), "ovenbird-out/".to_owned())
    } else {
        (
            format!("    - {}\n", scalar(&format!("cd '{}'", folder.replace('\'', "'\\''")))),
            format!("{folder}/ovenbird-out/"),
        )
    };
    let install = install(6, &[]);
    let packages = packages(8);
    let out = scalar(&out);
    format!(
        "\
# Validates ovenbird.yml and bakes its images. Written by `ovenbird init`, and yours to change. Needs no secret.
images:
{stage}  image: rust:1-trixie
  timeout: 3 hours
  # Where the program comes from: the address of the git repository of Ovenbird.
{variables}  before_script:
    - apt-get update
    - |
      apt-get install -y --no-install-recommends \\
{packages}
    - |
{install}  script:
{enter}    # Without /dev/kvm in the container the machines are emulated, only slower.
    - ovenbird validate
    - ovenbird build
  artifacts:
    when: always
    paths:
      - {out}
"
    )
}
