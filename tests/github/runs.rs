//! `ovenbird build --annotations …` as a workflow runs it.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::double::{GitHub, SHA};

/// Two jobs that fail at once, each with the place of its image in the definition.
const DEFINITION: &str = "name: web
strategy: { fail-fast: false, matrix: { n: [one, two] } }
platforms:
  qemu:
    builder: qemu
    source:
      image: base.img
      checksum: sha256:0000000000000000000000000000000000000000000000000000000000000000
outputs: [raw]
";

struct Ran {
    folder: String,
    output: Output,
    summary: String,
}

impl Ran {
    fn told(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).replace(&self.folder, "FOLDER")
    }

    fn status(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Workflow commands of a name.
    fn commands(&self, name: &str) -> Vec<String> {
        let prefix = format!("::{name} ");
        self.told().lines().filter(|line| line.starts_with(&prefix)).map(str::to_owned).collect()
    }

    /// Notices about check runs. Whether there is one about KVM is up to the machine.
    fn notices(&self) -> Vec<String> {
        let mut notices = self.commands("notice");
        notices.retain(|notice| notice.contains("title=Check runs"));
        notices
    }
}

fn build(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ovenbird.yml"), DEFINITION).unwrap();
    std::fs::write(path("base.img"), vec![7; 1 << 20]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
    command.arg("build").args(arguments).current_dir(folder.path()).env_clear().envs(environment);
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder.path());
    command.env("GITHUB_STEP_SUMMARY", path("summary"));
    let output = command.output().unwrap();
    let summary = std::fs::read_to_string(path("summary")).unwrap_or_default();
    let ran = Ran { folder: folder.path().display().to_string(), output, summary };
    let token = environment.get("GITHUB_TOKEN").map_or("ghs_", String::as_str);
    assert!(
        !ran.told().lines().any(|line| line.contains(token) && !line.starts_with("::add-mask::")),
        "{}",
        ran.told()
    );
    ran
}

#[test]
fn each_job_is_a_check_run_that_says_what_failed_and_no_command_repeats_it() {
    let github = GitHub::start(&json!({}));
    let ran = build(&github.environment(), &["--annotations", "checks"]);
    assert_eq!(ran.status(), Some(1), "{}", ran.told());
    let runs = github.check_runs();
    assert_eq!(runs.len(), 2, "{}", ran.told());
    for (run, job) in runs.iter().zip(["one", "two"]) {
        let named = runs.iter().find(|run| run["name"] == format!("web / {job}"));
        assert!(named.is_some(), "{runs:?}");
        assert_eq!(run["head_sha"], SHA);
        assert_eq!((&run["status"], &run["conclusion"]), (&json!("completed"), &json!("failure")));
        assert_eq!(run["details_url"], "https://github.com/octo/web/actions/runs/1658821493");
        assert!(run["external_id"].as_str().unwrap().starts_with("1658821493/2/"));
        assert!(run["summary"].as_str().unwrap().contains("0 of 1 job built, 1 failed"), "{run}");
        let [annotation] = run["annotations"].as_array().unwrap().as_slice() else { panic!("{run}") };
        assert_eq!(annotation["annotation_level"], "failure");
        assert!(annotation["message"].as_str().unwrap().contains("checksum"), "{annotation}");
    }
    assert_eq!(ran.commands("error"), [""; 0]);
    assert!(ran.summary.contains("0 of 2 jobs built, 2 failed"));
}

#[test]
fn a_read_only_token_costs_one_attempt_and_one_notice_and_changes_nothing_else() {
    let github = GitHub::start(&json!({ "refuse": 403 }));
    let refused = build(&github.environment(), &["--annotations", "checks"]);
    assert_eq!(github.writes(), 1, "{:?}", github.requests());
    let mut without = github.environment();
    without.remove("GITHUB_TOKEN");
    let missing = build(&without, &["--annotations", "checks"]);
    let usual = build(&without, &[]);
    assert_eq!(github.writes(), 1, "without a token nothing is sent");
    for ran in [&refused, &missing] {
        assert_eq!((ran.status(), ran.commands("error")), (usual.status(), usual.commands("error")));
        assert_eq!(ran.notices().len(), 1, "{}", ran.told());
    }
    assert_eq!((usual.status(), usual.commands("error").len()), (Some(1), 1), "{}", usual.told());
    assert!(refused.notices()[0].contains("checks: write"), "{}", refused.told());
    assert!(missing.notices()[0].contains("`GITHUB_TOKEN` is not set"), "{}", missing.told());
    assert!(usual.notices().is_empty());
}

#[test]
fn a_pull_request_from_a_fork_is_told_that_its_token_cannot_write() {
    let github = GitHub::start(&json!({ "refuse": 403 }));
    let event = tempfile::NamedTempFile::new().unwrap();
    let side = |name: &str| json!({ "sha": SHA, "repo": { "full_name": name } });
    let text = json!({ "pull_request": { "head": side("eve/web"), "base": side("octo/web") } });
    std::fs::write(event.path(), text.to_string()).unwrap();
    let mut environment = github.environment();
    environment.insert("GITHUB_EVENT_NAME".to_owned(), "pull_request".to_owned());
    environment.insert("GITHUB_EVENT_PATH".to_owned(), event.path().display().to_string());
    let ran = build(&environment, &["--annotations", "checks"]);
    let notices = ran.notices();
    assert!(notices.len() == 1 && notices[0].contains("pull requests from forks get a read-only token"), "{notices:?}");
}

#[test]
fn without_annotations_the_summary_is_left() {
    let github = GitHub::start(&json!({}));
    let ran = build(&github.environment(), &["--annotations", "none"]);
    assert_eq!(github.requests(), [Value::Null; 0]);
    assert_eq!((ran.status(), ran.commands("error"), ran.commands("notice")), (Some(1), vec![], vec![]));
    assert!(ran.summary.contains("0 of 2 jobs built, 2 failed"));
    assert!(ran.told().contains("::group::"), "{}", ran.told());
}
