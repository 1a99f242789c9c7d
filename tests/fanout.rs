//! A fan-out: `plan --format github` and `--format gitlab`, the legs that they name, and `collect`, which puts their records
//! together. All by the real binary.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const DEFINITION: &str = "
name: web
variables: { port: 8080, token: { env: TOKEN, sensitive: true, default: '' } }
strategy: { matrix: { suite: [bookworm, trixie], disk: [small, large], exclude: [{ suite: bookworm, disk: large }] } }
platforms: { qemu: { builder: qemu, source: { debian: '${{ matrix.suite }}' } } }
steps: [{ run: 'true' }]
";

/// What a command did.
struct Ran {
    stdout: String,
    stderr: String,
    status: i32,
}

/// A checkout, and the environment that commands in it see.
struct Checkout {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Checkout {
    fn new() -> Self {
        Self::of(DEFINITION)
    }

    fn of(definition: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ovenbird.yml"), definition).unwrap();
        Self { folder, environment: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        self.environment.insert(name.to_owned(), value.as_ref().to_str().unwrap().to_owned());
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("ovenbird"));
        let command = command.current_dir(&self.folder).env_clear().envs(&self.environment);
        let output = command.args(arguments).output().unwrap();
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(self.folder.path().to_str().unwrap(), "▮");
        Ran { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status.code().unwrap() }
    }

    /// The legs of the matrix for GitHub.
    fn legs(&self, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(&[&["plan", "--format", "github"], arguments].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert_eq!(ran.stdout.lines().count(), 1, "one line: {}", ran.stdout);
        let matrix: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(matrix.as_object().unwrap().keys().collect::<Vec<_>>(), ["include"]);
        matrix["include"].as_array().unwrap().clone()
    }

    /// The names of the jobs that are planned.
    fn planned(&self, arguments: &[&str]) -> Vec<String> {
        let ran = self.run(&[&["plan", "--format", "json"], arguments].concat());
        let plan: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        plan["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn names(legs: &[Value]) -> Vec<String> {
    legs.iter().map(|leg| leg["job"].as_str().unwrap().to_owned()).collect()
}

/// The outputs in a file of GitHub's, by the rules of `docs/ci.md`: `NAME<<DELIMITER`, lines, `DELIMITER`.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").unwrap_or_else(|| panic!("not an output: {line}"));
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}

#[test]
fn a_leg_has_its_job_and_the_runner_for_its_architecture() {
    let checkout = Checkout::new();
    assert_snapshot!(checkout.run(&["plan", "--format", "github"]).stdout, @"");
}

#[test]
fn a_runner_is_one_label_or_a_list_of_labels() {
    let checkout = Checkout::new();
    let legs = checkout.legs(&["--runner", "amd64=self-hosted,kvm"]);
    let labels: Vec<_> = legs.iter().map(|leg| leg["runs-on"].clone()).collect();
    assert_eq!(labels, vec![json!(["self-hosted", "kvm"]); 3]);
    assert_eq!(checkout.legs(&["--runner", "amd64=big"])[0]["runs-on"], json!("big"));
}

#[test]
fn a_runner_that_is_written_wrong_is_refused() {
    let checkout = Checkout::new();
    for runner in ["riscv64=big", "amd64", "amd64=", "amd64=a,,b"] {
        let ran = checkout.run(&["plan", "--format", "github", "--runner", runner]);
        assert_eq!(ran.status, 2, "{runner}: {}", ran.stdout);
    }
    let ran = checkout.run(&["plan", "--runner", "amd64=big"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (2, "error: `--runner` goes with `--format github`\n"));
}

#[test]
fn the_matrix_and_the_number_of_jobs_are_outputs_of_the_step() {
    let mut checkout = Checkout::new();
    checkout.set("GITHUB_OUTPUT", checkout.path("output"));
    let ran = checkout.run(&["plan", "--format", "github"]);
    let outputs = outputs(&checkout.read("output"));
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["jobs", "matrix"]);
    assert_eq!((outputs["jobs"].as_str(), outputs["matrix"].as_str()), ("3", ran.stdout.trim_end()));
}

#[test]
fn what_chooses_among_the_jobs_narrows_the_fan_out_down_to_nothing() {
    let mut checkout = Checkout::new();
    checkout.set("GITHUB_OUTPUT", checkout.path("output"));
    assert_eq!(names(&checkout.legs(&["--only", "matrix.disk == 'large'"])), ["trixie-large"]);
    assert_eq!(names(&checkout.legs(&["bookworm-small"])), ["bookworm-small"]);
    fs::remove_file(checkout.path("output")).unwrap();
    let ran = checkout.run(&["plan", "--format", "github", "--only", "matrix.suite == 'sid'"]);
    assert_eq!((ran.stdout.as_str(), ran.status), ("{\"include\":[]}\n", 0));
    assert_snapshot!(ran.stderr, @"");
    let outputs = outputs(&checkout.read("output"));
    assert_eq!((outputs["jobs"].as_str(), outputs["matrix"].as_str()), ("0", r#"{"include":[]}"#));
    // Without a fan-out there is nobody who would take nothing for an answer.
    assert_eq!(checkout.run(&["plan", "--only", "matrix.suite == 'sid'"]).status, 2);
}

#[test]
fn a_definition_that_can_plan_no_job_is_refused_in_every_form() {
    let none = DEFINITION.replace("exclude: [", "exclude: [{ suite: bookworm }, { suite: trixie }, ");
    let ran = Checkout::of(&none).run(&["plan", "--format", "github"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("`exclude` leaves no cell of the matrix"), "{}", ran.stderr);
}

#[test]
fn a_cell_that_happens_to_hold_a_secret_does_not_show_it() {
    let mut checkout = Checkout::of(
        &DEFINITION.replace("exclude:", "include: [{ suite: bookworm, note: 'it is hunter2', pin: 4711 }], exclude:"),
    );
    checkout.set("TOKEN", "hunter2");
    let ran = checkout.run(&["plan", "--format", "github"]);
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(r#""cell":{"suite":"bookworm","disk":"small","note":"***","pin":4711}"#),
        "{}",
        ran.stdout
    );
    checkout.set("TOKEN", "4711");
    let ran = checkout.run(&["plan", "--format", "github"]);
    assert!(ran.stdout.contains(r#""note":"it is hunter2","pin":"***""#), "{}", ran.stdout);
    assert_snapshot!(ran.stderr, @"");
}

#[test]
fn cells_that_are_more_than_an_output_takes_are_left_out() {
    let suites: Vec<String> = (0..250).map(|number| format!("s{number}")).collect();
    let include = json!([{ "note": "x".repeat(3000) }]);
    let definition = json!({
        "name": "web",
        "strategy": { "matrix": { "suite": suites, "include": include } },
        "platforms": { "qemu": { "builder": "qemu", "source": { "debian": "bookworm" } } },
        "steps": [{ "run": "true" }],
    });
    let checkout = Checkout::of(&definition.to_string());
    let legs = checkout.legs(&[]);
    assert_eq!(legs.len(), 250);
    assert!(legs.iter().all(|leg| leg.get("cell").is_none()));
    assert!(checkout.run(&["plan", "--format", "github"]).stderr.contains("`cell` is left out of the matrix"));
}

#[test]
fn more_jobs_than_a_workflow_runs_are_refused_before_github_does() {
    let platforms: BTreeMap<String, Value> = (0..257)
        .map(|number| (format!("q{number}"), json!({ "builder": "qemu", "source": { "debian": "bookworm" } })))
        .collect();
    let definition = json!({ "name": "web", "platforms": platforms, "steps": [{ "run": "true" }] });
    let ran = Checkout::of(&definition.to_string()).run(&["plan", "--format", "github"]);
    assert_eq!(ran.status, 2);
    assert_snapshot!(ran.stderr, @"");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_leg_builds_exactly_its_job_and_all_together_build_the_plan(
        suites in proptest::collection::btree_set("[a-zA-Z0-9 ${}'\"._:-]{1,12}", 1..4),
        numbers in proptest::collection::btree_set(-9i64..9, 1..3),
    ) {
        let definition = json!({
            "name": "web",
            "strategy": { "matrix": { "suite": suites, "n": numbers } },
            "platforms": { "qemu": { "builder": "qemu", "source": { "debian": "bookworm" } } },
            "steps": [{ "run": "true" }],
        });
        // A value that holds an expression is refused, in every form alike.
        prop_assume!(!definition.to_string().contains("${{"));
        let checkout = Checkout::of(&definition.to_string());
        let legs = names(&checkout.legs(&[]));
        prop_assert_eq!(&legs, &checkout.planned(&[]));
        for leg in &legs {
            prop_assert_eq!(&checkout.planned(&[leg]), &[leg.clone()]);
        }
    }
}
