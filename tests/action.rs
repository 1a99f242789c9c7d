//! The action: its parts with a double of Docker's program, and the whole from workflows that act runs, with a real
//! engine and real guests.
//!
//! act runs the workflows on this machine itself, as GitHub's hosted runners do: they are machines, not containers.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells what it did")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use support::act::{self, Log};
use support::docker::{Docker, Target};
use support::tiny_guest::tiny_guest;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_action_asks_of_docker_what_it_should() {
    // By its file: Node's versions take folders differently.
    let output = Command::new("node").args(["--test", "action/test/action.test.js"]).current_dir(ROOT).output();
    let output = output.unwrap_or_else(|error| panic!("node does not start ({error}): apt-get install nodejs"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_documentation_lists_every_input_and_output_with_its_default() {
    let action: serde_yaml::Value = serde_yaml::from_str(&read("action.yml")).unwrap();
    let documentation = read("docs/action.md");
    let inputs = named(&action["inputs"]).map(|(name, input)| {
        let default = input["default"].as_str().unwrap_or_default();
        (name, if default.is_empty() { String::new() } else { format!("`{default}`") })
    });
    assert_eq!(table(&documentation, "## Inputs"), inputs.collect());
    let outputs = named(&action["outputs"]).map(|(name, _)| name);
    assert_eq!(table(&documentation, "## Outputs").into_keys().collect::<Vec<_>>(), outputs.collect::<Vec<_>>());
}

/// The entries of a mapping, by name.
fn named(mapping: &serde_yaml::Value) -> impl Iterator<Item = (String, &serde_yaml::Value)> {
    let entries = mapping.as_mapping().unwrap().iter();
    entries.map(|(name, value)| (name.as_str().unwrap().to_owned(), value)).collect::<BTreeMap<_, _>>().into_iter()
}

/// The first two columns of the first table below a heading; the first without its backticks.
fn table(text: &str, heading: &str) -> BTreeMap<String, String> {
    let (_, section) = text.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    rows.skip(2).map(cells).map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].clone())).collect()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("`{file}`: {error}"))
}

/// A repository with a definition, the action, and a disk image of the tiny guest.
struct Repository {
    folder: tempfile::TempDir,
    docker: Docker,
    image: String,
}

/// The usual platform of these tests.
const HEAD: &str = "\
name: tiny
platforms:
  qemu:
    builder: qemu
    source: { image: tiny.qcow2 }
    memory: 256MiB
    cpus: 1
    accelerator: tcg
";

impl Repository {
    fn new(definition: &str) -> Self {
        let docker = Docker::start();
        let image = docker.image(Target::Action);
        let folder = tempfile::Builder::new().prefix("ovenbird-action-").tempdir().unwrap();
        let repository = Self { folder, docker, image };
        repository.write("ovenbird.yml", &format!("{HEAD}{definition}"));
        std::fs::copy(tiny_guest(), repository.path("tiny.qcow2")).unwrap();
        // As a checkout has it: other folders, and the tests, are no part of the action.
        for file in [
            "action.yml",
            "action/main.js",
            "action/post.js",
            "action/inputs.js",
            "action/docker.js",
            "action/runner.js",
        ] {
            repository.write(file, &read(file));
        }
        for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "Begin"]] {
            let mut git = Command::new("git");
            git.args(["-c", "user.name=a", "-c", "user.email=a@b.test"]).args(arguments);
            assert!(git.current_dir(repository.root()).status().unwrap().success());
        }
        repository
    }

    fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join("repository")
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs a workflow with act. `IMAGE` in it stands for the container image.
    fn workflow(&self, jobs: &str) -> Log {
        self.write(".github/workflows/test.yml", &format!("on: push\njobs:\n{}", jobs.replace("IMAGE", &self.image)));
        let home = self.folder.path().join("home");
        // Where nobody answers: no test asks GitHub itself.
        let nowhere = ["--github-instance", "127.0.0.1:9"];
        act::run(self.root().as_std_path(), &home, &self.docker.environment(), &nowhere)
    }

    /// Nothing of a run is left: no container, no journal, no work folder.
    #[track_caller]
    fn assert_nothing_left(&self) {
        let containers = self.docker.run(&["ps", "--all", "--quiet", "--filter", &format!("ancestor={}", self.image)]);
        let mounted = containers.split_whitespace().filter(|id| {
            let mounts = self.docker.command(&["inspect", "--format", "{{json .Mounts}}", id]).output().unwrap().stdout;
            String::from_utf8_lossy(&mounts).contains(self.folder.path().to_str().unwrap())
        });
        assert_eq!(mounted.collect::<Vec<_>>(), Vec::<&str>::new(), "containers are left");
        for name in ["ovenbird-out/.journal", "ovenbird-out/.work"] {
            assert!(!self.path(name).exists(), "`{name}` is left");
        }
    }
}

#[test]
fn a_workflow_of_one_step_builds_an_image_and_reads_its_outputs_though_no_check_run_can_be_made() {
    let repository = Repository::new(
        "variables: { greeting: { default: none }, place: { env: PLACE } }
steps: [{ run: 'echo ${{ vars.greeting }} ${{ vars.place }}' }]
outputs: [qcow2]
",
    );
    let log = repository.workflow(
        r#"  bake:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - id: bake
        uses: ./
        env: { PLACE: from the oven }
        with: { image: 'IMAGE', cache: .cache, vars: 'greeting=warm greetings', annotations: checks, token: wrong }
      - run: |
          test "$(sha256sum < "$FILE" | cut -d' ' -f1)" = "$SHA256"
          test ! -e ovenbird-out/.journal
          test "$(stat -c %u ovenbird-out)" = "$(stat -c %u .)"
          echo "manifest=$MANIFEST of=$JOB"
        env:
          FILE: ${{ fromJSON(steps.bake.outputs.images)[0].path }}
          SHA256: ${{ fromJSON(steps.bake.outputs.images)[0].sha256 }}
          MANIFEST: ${{ steps.bake.outputs.manifest }}
          JOB: ${{ steps.bake.outputs.job-id }}
"#,
    );
    let log = log.expect_success(true);
    let told = log.told();
    assert!(told.contains("warm greetings from the oven"), "{told}");
    assert!(told.contains("manifest=ovenbird-out/qemu/manifest.json of=qemu"), "{told}");
    let notices = log.annotations("notice");
    let of_checks = notices.iter().filter(|(_, _, message)| message.contains("check run"));
    assert_eq!(of_checks.count(), 1, "{notices:?}");
    let summary = log.summary();
    assert!(summary.contains("tiny.qcow2"), "{summary}\n{}", log.text);
    repository.assert_nothing_left();
}

#[test]
fn a_script_that_fails_is_an_annotation_on_its_line_and_the_step_fails() {
    let repository = Repository::new(
        "steps:
  - name: Sometimes
    run: |
      echo before
      test 1 = 2
outputs: [qcow2]
",
    );
    let log = repository.workflow(
        "  bake:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - { id: bake, uses: ./, with: { image: 'IMAGE', cache: .cache } }
      - if: always()
        run: echo \"images=${{ steps.bake.outputs.images }} outcome=${{ steps.bake.outcome }}\"
",
    );
    let log = log.expect_success(false);
    let errors = log.annotations("error");
    let [(file, line, message)] = errors.as_slice() else { panic!("{errors:?}\n{}", log.told()) };
    assert_eq!((file.as_str(), line.as_str()), ("ovenbird.yml", "13"), "{message}");
    assert!(message.contains("test 1 = 2"), "{message}");
    assert!(log.told().contains("images=[] outcome=failure"), "{}", log.told());
    repository.assert_nothing_left();
}

#[test]
fn a_planned_matrix_fans_out_and_each_leg_builds_its_job() {
    let repository = Repository::new(
        "strategy: { matrix: { suite: [one, two] } }
steps: [{ run: 'echo ${{ matrix.suite }}' }]
outputs: [qcow2]
",
    );
    // In the place of actions/upload-artifact, which can't be had here.
    std::fs::create_dir(repository.folder.path().join("records")).unwrap();
    let records = repository.folder.path().join("records").display().to_string();
    let jobs = r#"  plan:
    runs-on: ubuntu-latest
    outputs:
      matrix: ${{ steps.plan.outputs.matrix }}
      jobs: ${{ steps.plan.outputs.jobs }}
    steps:
      - uses: actions/checkout@v5
      - { id: plan, uses: ./, with: { command: plan, image: 'IMAGE' } }
  build:
    needs: plan
    if: needs.plan.outputs.jobs != '0'
    strategy:
      fail-fast: false
      matrix: ${{ fromJSON(needs.plan.outputs.matrix) }}
    runs-on: ${{ matrix.runs-on }}
    steps:
      - uses: actions/checkout@v5
      - { uses: ./, with: { jobs: '${{ matrix.job }}', image: 'IMAGE', cache: .cache } }
      - run: mkdir "RECORDS/${{ matrix.job }}" && cp ovenbird-out/*/manifest.json "RECORDS/${{ matrix.job }}"
"#;
    let log = repository.workflow(&jobs.replace("RECORDS", &records)).expect_success(true);
    for suite in ["one", "two"] {
        let record = Path::new(&records).join(suite).join("manifest.json");
        let record: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        assert_eq!(record["job"], suite, "{record}");
        assert!(log.told().contains(&format!("| {suite}")), "{}", log.told());
    }
    repository.assert_nothing_left();
}

#[test]
fn wrong_inputs_end_each_with_one_message_and_no_container() {
    let repository = Repository::new("outputs: [qcow2]\n");
    let log = repository.workflow(
        "  command:
    runs-on: ubuntu-latest
    steps: [{ uses: actions/checkout@v5 }, { uses: ./, with: { command: bake, image: 'IMAGE' } }]
  cell:
    runs-on: ubuntu-latest
    steps: [{ uses: actions/checkout@v5 }, { uses: ./, with: { cell: 'suite=sid', image: 'IMAGE' } }]
  definition:
    runs-on: ubuntu-latest
    steps: [{ uses: actions/checkout@v5 }, { uses: ./, with: { definition: web.yml, image: 'IMAGE' } }]
  image:
    runs-on: ubuntu-latest
    steps: [{ uses: actions/checkout@v5 }, { uses: ./, with: { image: 'registry.invalid/ovenbird:1', cache: .cache } }]
",
    );
    let log = log.expect_success(false);
    let mut titles: Vec<&str> = log
        .lines
        .iter()
        .filter(|line| line["command"] == "error")
        .map(|line| line["kvPairs"]["title"].as_str().unwrap_or_default())
        .collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Input `cell`", "Input `command`", "Input `definition`", "Input `image`"], "{}", log.told());
    assert_eq!(log.told().matches("started nothing that is left").count(), 4, "{}", log.told());
    repository.assert_nothing_left();
}

/// One of the action's scripts, as the runner starts it.
struct Step {
    child: Child,
    /// Lines of both streams.
    lines: std::sync::mpsc::Receiver<String>,
}

impl Step {
    fn start(repository: &Repository, script: &str, state: &[(String, String)]) -> Self {
        let script = repository.path("action").join(script);
        let mut command = Command::new("sh");
        command.args(["-c", "exec node \"$0\" 2>&1", script.as_str()]).env_clear();
        command.envs(repository.docker.environment()).envs(state.iter().cloned());
        command.env("HOME", repository.root()).env("GITHUB_ACTIONS", "true");
        command.env("GITHUB_WORKSPACE", repository.root()).env("GITHUB_STATE", repository.path("state"));
        command.env("INPUT_IMAGE", &repository.image).env("INPUT_CACHE", ".cache");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(300);
        let mut told = String::new();
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(rest).unwrap_or_else(|error| panic!("no `{text}` ({error}):\n{told}"));
            if line.contains(text) {
                return;
            }
            told = format!("{told}{line}\n");
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    fn status(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

/// What the runner makes of the state that a step saved.
fn state(repository: &Repository) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(repository.path("state")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let entry = |lines: &[&str]| (format!("STATE_{}", lines[0].split_once("<<").unwrap().0), lines[1].to_owned());
    lines.chunks(3).map(entry).collect()
}

const SLEEPS: &str = "steps: [{ run: 'echo ready; sleep 600' }]\noutputs: [qcow2]\n";

#[test]
fn a_cancelled_step_ends_in_time_and_leaves_nothing() {
    let repository = Repository::new(SLEEPS);
    let step = Step::start(&repository, "main.js", &[]);
    step.wait_for("| ready");
    let begin = Instant::now();
    step.signal(Signal::INT);
    assert_eq!(step.status(), Some(130));
    println!("a cancelled step took {:.1?}", begin.elapsed());
    // The runner sends SIGTERM then.
    assert!(begin.elapsed() < Duration::from_millis(7500), "{:?}", begin.elapsed());
    repository.assert_nothing_left();
}

#[test]
fn the_post_step_removes_what_a_killed_step_left() {
    let repository = Repository::new(SLEEPS);
    let step = Step::start(&repository, "main.js", &[]);
    step.wait_for("| ready");
    step.signal(Signal::KILL);
    step.status();
    assert!(repository.path("ovenbird-out/.journal").exists(), "there is nothing to clean up");
    let begin = Instant::now();
    let post = Step::start(&repository, "post.js", &state(&repository));
    post.wait_for("Stopped the container ovenbird-");
    assert_eq!(post.status(), Some(0));
    println!("the post step took {:.1?}", begin.elapsed());
    repository.assert_nothing_left();
}
