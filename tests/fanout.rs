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
variables: { note: none, token: { env: TOKEN, sensitive: true, default: '' } }
strategy: { matrix: { suite: [bookworm, trixie], disk: [small, large], exclude: [{ suite: bookworm, disk: large }] } }
platforms: { qemu: { builder: qemu, source: { debian: '${{ matrix.suite }}' } } }
steps: [{ run: 'true', env: { NOTE: '${{ vars.note }}', TOKEN: '${{ vars.token }}' } }]
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
    assert_snapshot!(checkout.run(&["plan", "--format", "github"]).stdout, @r#"{"include":[{"job":"bookworm-small","runs-on":"ubuntu-24.04","platform":"qemu","arch":"amd64","cell":{"suite":"bookworm","disk":"small"}},{"job":"trixie-small","runs-on":"ubuntu-24.04","platform":"qemu","arch":"amd64","cell":{"suite":"trixie","disk":"small"}},{"job":"trixie-large","runs-on":"ubuntu-24.04","platform":"qemu","arch":"amd64","cell":{"suite":"trixie","disk":"large"}}]}"#);
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
    assert_snapshot!(ran.stderr, @"notice: `--only matrix.suite == 'sid'` chooses none of the 3 jobs: there is nothing to build");
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
    assert_snapshot!(ran.stderr, @"
    notice: `pin` of a cell holds the value of a sensitive variable and is shown as ***
    ");
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
    assert_snapshot!(ran.stderr, @"
    error: 257 jobs are more than a workflow of GitHub's runs at once: it takes 256
    hint: choose among the jobs with `--only`, in one workflow for each part
    ");
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
            prop_assert_eq!(&checkout.planned(&[leg]), std::slice::from_ref(leg));
        }
    }
}

/// What `plan --format gitlab` is given everywhere here.
const IMAGE: [&str; 2] = ["--image", "registry.example/ovenbird:1-gitlab"];

/// `check-jsonschema`, where `scripts/setup.sh test` puts it, with the schema of GitLab's own editor.
fn assert_is_valid_for_gitlab(pipeline: &str) {
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    fs::write(file.path(), pipeline).unwrap();
    let home = std::env::var("HOME").unwrap();
    let program = format!("{home}/.cache/ovenbird/tools/check-jsonschema/bin/check-jsonschema");
    let mut command = std::process::Command::new(&program);
    let output =
        command.args(["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]).arg(file.path());
    let output = output.output().unwrap_or_else(|error| {
        panic!(
            "{program} does not start ({error}): it is the PyPI package check-jsonschema, from `scripts/setup.sh test`"
        )
    });
    assert!(output.status.success(), "{}\n{pipeline}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_child_pipeline_is_valid_for_gitlab_and_has_a_job_for_each_image() {
    let checkout = Checkout::new();
    let names = |arguments: &[&str]| -> Vec<String> {
        let ran = checkout.run(&[&["plan", "--format", "gitlab"], &IMAGE[..], arguments].concat());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        assert_is_valid_for_gitlab(&ran.stdout);
        let pipeline: serde_json::Map<String, Value> = serde_yaml::from_str(&ran.stdout).unwrap();
        pipeline.keys().filter(|key| !["workflow", "stages", "default"].contains(&key.as_str())).cloned().collect()
    };
    assert_eq!(names(&[]), ["bookworm-small", "trixie-small", "trixie-large", "collect"]);
    assert_eq!(names(&["trixie-large", "--tags", "amd64=kvm,big"]), ["trixie-large", "collect"]);
    assert_eq!(names(&["--only", "false"]), ["nothing-to-build"]);
}

#[test]
fn a_child_pipeline_plans_with_the_same_options_quoted_for_its_shell() {
    let checkout = Checkout::new();
    fs::create_dir(checkout.path("images")).unwrap();
    fs::rename(checkout.path("ovenbird.yml"), checkout.path("images/it's.yml")).unwrap();
    fs::create_dir(checkout.path(".git")).unwrap();
    let arguments = [
        "plan",
        "--format",
        "gitlab",
        "-f",
        "images/it's.yml",
        "--var",
        "note=1$HOME",
        "--only",
        "matrix.disk == 'small'",
    ];
    let ran = checkout.run(&[&arguments, &IMAGE[..]].concat());
    let lines: Vec<&str> =
        ran.stdout.lines().filter(|line| line.contains("ovenbird ") && line.contains("- ")).collect();
    assert_snapshot!(lines.join("\n") + &ran.stderr, @r"
    - ovenbird build bookworm-small --file 'images/it'\''s.yml' --var 'note=1$HOME'
    - ovenbird cleanup
    - ovenbird build trixie-small --file 'images/it'\''s.yml' --var 'note=1$HOME'
    - ovenbird cleanup
    - ovenbird collect ovenbird-out --file 'images/it'\''s.yml' --var 'note=1$HOME' --only 'matrix.disk == '\''small'\'''
    ");
}

#[test]
fn a_child_pipeline_never_holds_a_sensitive_value() {
    let mut checkout = Checkout::new();
    checkout.set("TOKEN", "8081");
    for value in ["token=8081", "note=8081"] {
        let ran = checkout.run(&[&["plan", "--format", "gitlab", "--var", value], &IMAGE[..]].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.contains("CI/CD variables") && !ran.stderr.contains("8081"), "{}", ran.stderr);
    }
}

#[test]
fn a_child_pipeline_without_an_image_is_refused_and_ours_names_itself() {
    let mut checkout = Checkout::new();
    let ran = checkout.run(&["plan", "--format", "gitlab"]);
    assert_eq!(ran.status, 2);
    assert_snapshot!(ran.stderr, @"
    error: no container image is known for the jobs of the pipeline
    hint: name it with `--image`; Ovenbird's own image sets OVENBIRD_IMAGE to its name for GitLab
    ");
    checkout.set("OVENBIRD_IMAGE", "registry.example/ovenbird:2-gitlab");
    assert!(
        checkout.run(&["plan", "--format", "gitlab"]).stdout.contains("image: registry.example/ovenbird:2-gitlab\n")
    );
}

/// What is made different of a record.
type Change = fn(&mut Value);

/// Records, as the legs of a checkout's plan would have uploaded them.
impl Checkout {
    fn in_github(attempt: &str) -> Self {
        let mut checkout = Self::new();
        checkout.attempt(attempt);
        checkout.set("GITHUB_OUTPUT", checkout.path("output"));
        checkout.set("GITHUB_STEP_SUMMARY", checkout.path("summary"));
        checkout
    }

    fn attempt(&mut self, attempt: &str) {
        let sha = "5".repeat(40);
        for (name, value) in
            [("GITHUB_ACTIONS", "true"), ("GITHUB_RUN_ID", "77"), ("GITHUB_RUN_ATTEMPT", attempt), ("GITHUB_SHA", &sha)]
        {
            self.set(name, value);
        }
    }

    /// The record of a job, with `change` made to it, written to `<folder>/manifest.json`.
    fn record(&self, job: &str, folder: &str, change: impl FnOnce(&mut Value)) {
        let plan: Value = serde_json::from_str(&self.run(&["plan", "--format", "json"]).stdout).unwrap();
        let job = plan["jobs"].as_array().unwrap().iter().find(|one| one["id"] == job).unwrap();
        let mut record = json!({
            "version": 1, "job": job["id"], "name": job["name"],
            "definition": { "path": job["definition"], "sha256": job["definition-digest"] },
            "commit": job["origin"]["commit"], "ci": job["origin"]["ci"],
            "platform": "qemu", "arch": "amd64", "matrix": job["matrix"],
            "source": { "description": "debian" }, "accelerator": {},
            "started": "2026-11-01T10:00:00Z", "finished": "2026-11-01T10:02:00Z",
            "phases": [{ "name": "boot", "seconds": 20.0 }, { "name": "steps", "seconds": 90.0 }],
            "steps": [{ "name": "true", "outcome": "success", "seconds": 80.0, "attempts": 1 }],
            "artifacts": [{ "file": "web.qcow2", "format": "qcow2", "size": 3, "virtual-size": 4096, "sha256": "a".repeat(64) }],
            "inspection": { "inspected": true }, "tool": { "name": "ovenbird", "version": "0.1.0" },
        });
        change(&mut record);
        fs::create_dir_all(self.path(folder)).unwrap();
        fs::write(self.path(folder).join("manifest.json"), record.to_string()).unwrap();
    }

    fn records_of_all(&self) {
        for job in ["bookworm-small", "trixie-small", "trixie-large"] {
            self.record(job, &format!("ovenbird-out/ovenbird-{job}"), |_| {});
        }
    }

    fn images(&self) -> Vec<String> {
        let images: Value = serde_json::from_str(&self.read("ovenbird-out/images.json")).unwrap();
        images["jobs"].as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_records_of_all_jobs_become_one_document_with_summary_and_outputs() {
    let checkout = Checkout::in_github("1");
    checkout.records_of_all();
    let ran = checkout.run(&["collect"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(checkout.images(), ["bookworm-small", "trixie-large", "trixie-small"]);
    assert!(checkout.read("summary").contains("3 of 3 jobs built"), "{}", checkout.read("summary"));
    let outputs = outputs(&checkout.read("output"));
    assert_eq!(outputs["manifest"], "ovenbird-out/images.json");
    assert_eq!(outputs["job-id"], "bookworm-small trixie-small trixie-large");
    let images: Value = serde_json::from_str(&outputs["images"]).unwrap();
    assert_eq!(images[0]["path"], "ovenbird-out/bookworm-small/web.qcow2");
    // What it wrote is what it reads.
    assert_eq!(checkout.run(&["collect"]).status, 0);
}

#[test]
fn an_image_whose_tests_failed_is_told_by_exit_status_3() {
    let checkout = Checkout::in_github("1");
    checkout.records_of_all();
    checkout.record("trixie-small", "ovenbird-out/ovenbird-trixie-small", |record| {
        record["tests"] = json!({
            "verdict": "failed", "level": "standard", "passed": 41, "failed": 1, "warned": 0, "waived": 0, "skipped": 0,
            "attempts": 2, "boot-seconds": 12.0, "seconds": 34.0, "image": "web.qcow2", "sha256": "a".repeat(64),
            "time": "2026-11-01T10:02:00Z", "remarks": [{ "name": "service nginx: running", "verdict": "failed" }],
        });
    });
    let ran = checkout.run(&["collect"]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    assert!(ran.stdout.contains("1 failed of 42") && ran.stdout.contains("trixie-small: service nginx: running"));
    let summary = checkout.read("summary");
    assert!(
        summary.contains("❌ tests failed") && summary.contains("3 of 3 jobs built, 1 with failed tests"),
        "{summary}"
    );
    assert!(summary.contains("ovenbird boot ovenbird-out/trixie-small/web.qcow2"), "{summary}");
    let outputs = outputs(&checkout.read("output"));
    assert_eq!(outputs["job-id"], "bookworm-small trixie-large", "no later step is handed it");
}

#[test]
fn a_job_without_a_record_is_named_and_the_summary_tells_of_it() {
    let checkout = Checkout::in_github("1");
    checkout.record("trixie-small", "ovenbird-out/a", |_| {});
    fs::write(checkout.path("ovenbird-out/images.json"), "old").unwrap();
    let ran = checkout.run(&["collect"]);
    assert_eq!(ran.status, 1);
    assert_snapshot!(ran.stderr, @"::error title=ovenbird::2 of 3 jobs have no record%0A  missing: bookworm-small, trixie-large%0Ahint: these jobs failed, or their records were not uploaded; `--partial` takes the rest");
    assert!(!checkout.path("ovenbird-out/images.json").exists());
    assert!(!checkout.path("output").exists(), "no output names a file that is not there");
    assert!(checkout.read("summary").contains("1 of 3 jobs built, 2 failed"), "{}", checkout.read("summary"));
    let ran = checkout.run(&["collect", "--partial"]);
    assert_eq!((ran.status, checkout.images()), (0, vec!["trixie-small".to_owned()]), "{}", ran.stderr);
    assert_eq!(checkout.run(&["collect", "--job", "trixie-small"]).status, 0);
}

#[test]
fn without_any_record_the_step_to_add_is_shown() {
    let checkout = Checkout::new();
    let ran = checkout.run(&["collect", "records"]);
    assert_eq!(ran.status, 1);
    assert_snapshot!(ran.stderr, @"
    error: 3 of 3 jobs have no record
      missing: bookworm-small, trixie-small, trixie-large
    hint: upload the folder of each job and download them before this step:
      - uses: actions/upload-artifact@v4   # in the job that builds, with `if: always()`
        with: { name: 'ovenbird-${{ matrix.job }}', path: 'ovenbird-out/${{ matrix.job }}' }
      - uses: actions/download-artifact@v4 # in this job
        with: { pattern: ovenbird-*, path: records }
    ");
    assert_eq!(checkout.run(&["collect", "--partial"]).status, 1, "nothing is not a part");
}

#[test]
fn a_record_of_another_build_is_refused_by_what_differs() {
    let checkout = Checkout::in_github("1");
    let cases: [(&str, Change); 9] = [
        ("it is of the image `db`", |record| record["name"] = json!("db")),
        ("there is no job `sid`", |record| record["job"] = json!("sid")),
        ("was built from another `ovenbird.yml`", |record| record["definition"]["sha256"] = json!("0")),
        ("was built from another set of step files", |record| {
            record["definition"]["files"] = json!([{ "path": "a.yml", "sha256": "0" }]);
        }),
        ("other values of the matrix", |record| record["matrix"]["disk"] = json!("huge")),
        ("is of the commit 777", |record| record["commit"] = json!("777")),
        ("is of no commit", |record| record["commit"] = Value::Null),
        ("is of the CI service gitlab", |record| record["ci"]["name"] = json!("gitlab")),
        ("is of the CI run 76, and this is 77", |record| record["ci"]["run-id"] = json!("76")),
    ];
    checkout.records_of_all();
    for (words, change) in cases {
        checkout.record("trixie-small", "ovenbird-out/ovenbird-trixie-small", change);
        let ran = checkout.run(&["collect"]);
        assert!(ran.status == 1 && ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!checkout.path("ovenbird-out/images.json").exists());
        assert_eq!(checkout.run(&["collect", "--partial"]).status, 1, "a foreign record is no missing one");
    }
}

#[test]
fn two_records_of_one_job_are_refused_unless_one_is_of_a_later_attempt_or_they_are_the_same() {
    let mut checkout = Checkout::in_github("1");
    checkout.records_of_all();
    checkout.record("trixie-small", "ovenbird-out/again", |_| {});
    assert_eq!(checkout.run(&["collect"]).status, 0, "the same artifact, downloaded twice");
    let other = |record: &mut Value| record["finished"] = json!("2026-11-01T10:03:00Z");
    checkout.record("trixie-small", "ovenbird-out/again", other);
    let ran =
        checkout.run(&["collect", "ovenbird-out/ovenbird-trixie-small", "ovenbird-out/again", "--job", "trixie-small"]);
    assert_eq!(ran.status, 1);
    assert_snapshot!(ran.stderr, @"::error title=ovenbird::1 record can't be taken%0A  twice: the job `trixie-small` in `ovenbird-out/ovenbird-trixie-small/manifest.json` and in `ovenbird-out/again/manifest.json`");
    checkout.attempt("2");
    checkout.record("trixie-small", "ovenbird-out/again", other);
    fs::remove_dir_all(checkout.path("ovenbird-out/trixie-small")).unwrap();
    let ran = checkout.run(&["collect"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("is of an earlier attempt at the job `trixie-small`"), "{}", ran.stderr);
    assert!(checkout.read("ovenbird-out/images.json").contains("10:03:00"));
}

#[test]
fn what_is_no_record_is_refused_whatever_it_holds() {
    let checkout = Checkout::in_github("1");
    checkout.records_of_all();
    let bad = checkout.path("ovenbird-out/bad");
    fs::create_dir(&bad).unwrap();
    let huge = format!("{}{}", " ".repeat(65 << 20), "{}");
    for (text, words) in [
        ("", "is not a record of ours"),
        ("{\"version\": 1, \"job\": ", "is not a record of ours"),
        ("{\"version\": 2}", "is of version 2, and this program reads version 1"),
        ("{\"version\": 1, \"job\": \"\\u001b[31m\\n::error::x\"}", "is not a record of ours"),
        (huge.as_str(), "it is larger than 64 MiB"),
    ] {
        fs::write(bad.join("manifest.json"), text).unwrap();
        let ran = checkout.run(&["collect"]);
        assert!(ran.status == 1 && ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    fs::remove_dir_all(&bad).unwrap();
    let name = "x\n::error::y##[error]z";
    checkout.record("trixie-small", "ovenbird-out/hostile", |record| record["job"] = json!(name));
    let ran = checkout.run(&["collect"]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr.lines().all(|line| !line.starts_with("::error::y")) && !ran.stderr.contains("##[error]"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_files_of_a_record_are_in_its_folder_and_have_its_size() {
    let checkout = Checkout::new();
    checkout.records_of_all();
    let folder = "ovenbird-out/ovenbird-trixie-small";
    let file = checkout.path(folder).join("web.qcow2");
    fs::write(&file, "123").unwrap();
    assert_eq!(checkout.run(&["collect"]).status, 0);
    fs::remove_dir_all(checkout.path("ovenbird-out/trixie-small")).unwrap();
    fs::write(&file, "12").unwrap();
    assert!(checkout.run(&["collect"]).stderr.contains("it has 2 bytes, and its record says 3"));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert!(checkout.run(&["collect"]).stderr.contains("it is not a file"));
    for name in ["../../x", "/etc/passwd", "..", ""] {
        checkout.record("trixie-small", folder, |record| record["artifacts"][0]["file"] = json!(name));
        let ran = checkout.run(&["collect"]);
        assert!(ran.status == 1 && ran.stderr.contains("is no name of a file in its folder"), "{name}: {}", ran.stderr);
    }
}

#[test]
fn links_are_not_followed_to_records_and_nothing_is_written_through_them() {
    let checkout = Checkout::new();
    checkout.records_of_all();
    let (out, elsewhere) = (checkout.path("ovenbird-out"), checkout.path("elsewhere"));
    fs::rename(out.join("ovenbird-trixie-small"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, out.join("linked")).unwrap();
    assert!(checkout.run(&["collect"]).stderr.contains("missing: trixie-small"));
    std::os::unix::fs::symlink(&elsewhere, out.join("trixie-small")).unwrap();
    let ran = checkout.run(&["collect", "ovenbird-out", "elsewhere"]);
    assert!(ran.status == 1 && ran.stderr.contains("is a link"), "{}", ran.stderr);
}

#[test]
fn on_gitlab_the_variables_for_later_jobs_are_those_of_all_jobs() {
    let mut checkout = Checkout::new();
    checkout.set("GITLAB_CI", "true");
    checkout.set("CI_PIPELINE_ID", "5001");
    checkout.set("CI_PROJECT_DIR", checkout.path(""));
    let ran = checkout.run(&["collect"]);
    assert!(ran.stderr.contains("artifacts: { when: always, paths: [ovenbird-out] }"), "{}", ran.stderr);
    checkout.records_of_all();
    assert_eq!(checkout.run(&["collect"]).status, 0);
    let variables = checkout.read("ovenbird-out/ovenbird.env");
    assert!(variables.contains("OVENBIRD_OUTCOME=success\nOVENBIRD_FILES=3\n"), "{variables}");
}
