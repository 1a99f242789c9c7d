//! GitHub workflows, run by act on this machine itself, as GitHub's hosted runners do: they are machines, not containers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a workflow may take: a few guests without KVM, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs the workflows of a repository that begin with a push. `home` is where act keeps its copies of the repository, which
/// it makes for each job: beside the repository.
///
/// # Panics
/// act can't be started, or says nothing.
pub fn run(repository: &Path, home: &Path, environment: &[(&str, String)], arguments: &[&str]) -> Log {
    let begin = Instant::now();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=20", &PATIENCE.as_secs().to_string()]).arg(act()).args(["push", "--json"]);
    for label in ["ubuntu-latest", "ubuntu-24.04"] {
        command.args(["-P", &format!("{label}=-self-hosted")]);
    }
    command.args(["--env", "RUNNER_TOOL_CACHE="]).args(arguments);
    command.current_dir(repository).env("HOME", home).envs(environment.iter().cloned());
    let output = command.stdin(Stdio::null()).output().expect("`timeout` is installed (coreutils)");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("a workflow took {:.1?}", begin.elapsed());
    let lines = stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::from(line)));
    let log = Log { success: output.status.success(), lines: lines.collect(), text: format!("{stdout}{stderr}") };
    assert!(!log.lines.is_empty(), "act does not start: scripts/setup.sh test\n{}", log.text);
    log
}

/// `act`, where `scripts/setup.sh test` puts it, or on PATH.
fn act() -> PathBuf {
    let installed = super::tiny_guest::cache().parent().expect("the cache lies in a folder").join("act/bin/act");
    if installed.is_file() { installed.into() } else { PathBuf::from("act") }
}

/// What act says of a workflow: a JSON object each line.
pub struct Log {
    pub success: bool,
    pub lines: Vec<Value>,
    pub text: String,
}

impl Log {
    #[track_caller]
    pub fn expect_success(self, success: bool) -> Self {
        assert_eq!(self.success, success, "{}", self.told());
        self
    }

    /// What people would read.
    pub fn told(&self) -> String {
        let told = self.lines.iter().filter_map(|line| line["msg"].as_str());
        told.map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// The annotations of a level: file, line and message.
    pub fn annotations(&self, level: &str) -> Vec<(String, String, String)> {
        let of_level = self.lines.iter().filter(|line| line["command"] == level);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        of_level.map(|one| (text(&one["kvPairs"]["file"]), text(&one["kvPairs"]["line"]), text(&one["arg"]))).collect()
    }

    /// The page of the run: what all jobs wrote to it.
    pub fn summary(&self) -> String {
        let summaries = self.lines.iter().filter(|line| line["command"] == "summary");
        summaries.filter_map(|line| line["content"].as_str()).collect()
    }
}
