//! A repository with a definition, and `ovenbird` run in it with a scrubbed environment.

use std::ffi::OsString;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

/// What a definition has that is not about anything else.
const NAME: &str = "name: web\n";
const PLATFORMS: &str = "platforms: { qemu: { builder: qemu, source: { debian: bookworm } } }\n";

/// A repository of its own.
pub struct Project {
    folder: tempfile::TempDir,
    path: Option<OsString>,
}

/// How a command ended.
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    /// The repository's folder is `ROOT`.
    pub stderr: String,
}

impl Project {
    /// With a definition as it is.
    pub fn new(definition: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap(), path: std::env::var_os("PATH") };
        project.file(".git/HEAD", "ref: refs/heads/main\n").file("ovenbird.yml", definition)
    }

    /// With a definition to which a name and a platform are added where it has none.
    pub fn with(definition: &str) -> Self {
        let mut whole = definition.to_owned();
        for (key, text) in [("name:", NAME), ("platforms:", PLATFORMS)] {
            if !definition.lines().any(|line| line.starts_with(key)) {
                whole.push_str(text);
            }
        }
        Self::new(&whole)
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Programs are looked for here instead of the usual folders.
    pub fn search_path(mut self, path: impl Into<OsString>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().canonicalize_utf8().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    /// As a step of a workflow on GitHub.
    pub fn run_on_github(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[("GITHUB_ACTIONS", "true")])
    }

    /// With environment variables.
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
        command.args(arguments).current_dir(self.root()).env_clear().env("HOME", self.root().as_str());
        command.envs(environment.iter().copied());
        command.envs(self.path.as_ref().map(|path| ("PATH", path)));
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap().replace(self.root().as_str(), "ROOT");
        Ran { status: output.status.code().unwrap(), stdout: String::from_utf8(output.stdout).unwrap(), stderr }
    }

    /// What `ovenbird validate` tells people.
    pub fn validate(&self) -> String {
        self.run(&["validate"]).stderr
    }

    /// The heads of the diagnostics alone, with their places.
    pub fn heads(&self) -> Vec<String> {
        self.heads_with(&[])
    }

    /// The same, with arguments.
    pub fn heads_with(&self, arguments: &[&str]) -> Vec<String> {
        let told = self.run(&[&["validate"], arguments].concat()).stderr;
        let heads = told.lines().filter(|line| line.contains("]: ") || line.trim_start().starts_with("--> "));
        heads.map(|line| line.trim().to_owned()).collect()
    }
}
