//! The reusable workflow, called from a user's repository and run by act, with real guests.
//!
//! Doubled are the three actions of GitHub's that can't be had here (`doubles/`), each by what matters to the flow.

use std::fs;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use serde_yaml::Value as Yaml;
use sha2::{Digest, Sha256};

use super::support::act::{self, Log};
use super::support::docker::{Docker, Target};
use super::support::tiny_guest::tiny_guest;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The user's workflow: that of the documentation, as far as act can run it.
const CALLER: &str = "\
on: push
jobs:
  images:
    uses: ./.github/workflows/image.yml
    with:
      ovenbird-repository: bakery/ovenbird
      ovenbird-ref: 0123456789abcdef0123456789abcdef01234567
      vars: greeting=good morning
    secrets:
      vars: word=${{ secrets.WORD }}
  after:
    needs: images
    if: always()
    runs-on: ubuntu-24.04
    steps:
      - env:
          IMAGES: ${{ needs.images.outputs.images }}
          JOBS: ${{ needs.images.outputs.jobs }}
        run: printf '%s' \"$IMAGES\" > \"$TEST_STORE/images\"; printf '%s' \"$JOBS\" > \"$TEST_STORE/jobs\"
";

/// A run of the workflow, and what it left with the service.
struct Run {
    folder: tempfile::TempDir,
    log: Log,
}

impl Run {
    /// Of a definition with two jobs, `one` and `two`.
    fn new(rest: &str) -> Self {
        let docker = Docker::start();
        let folder = tempfile::Builder::new().prefix("ovenbird-flows-").tempdir().unwrap();
        let (repository, store) = (folder.path().join("repository"), folder.path().join("store"));
        ovenbird(&store.join("ovenbird"), &docker.image(Target::Action));
        fs::create_dir_all(repository.join(".github/workflows")).unwrap();
        let definition = format!(
            "name: tiny
variables: {{ greeting: {{ required: true }}, word: {{ required: true, sensitive: true }} }}
strategy: {{ matrix: {{ suite: [one, two] }} }}
platforms:
  qemu: {{ builder: qemu, source: {{ image: tiny.qcow2 }}, memory: 256MiB, cpus: 1, accelerator: tcg }}
outputs: [qcow2]
{rest}"
        );
        fs::write(repository.join("ovenbird.yml"), definition).unwrap();
        fs::copy(tiny_guest(), repository.join("tiny.qcow2")).unwrap();
        fs::write(repository.join(".github/workflows/call.yml"), CALLER).unwrap();
        let workflow = ".github/workflows/image.yml";
        fs::copy(Path::new(ROOT).join(workflow), repository.join(workflow)).unwrap();
        super::commit(&repository);
        let doubles = doubles();
        let mut arguments: Vec<&str> = doubles.iter().flat_map(|double| ["--local-repository", double]).collect();
        let variable = format!("TEST_STORE={}", store.display());
        arguments.extend([
            "--workflows",
            ".github/workflows/call.yml",
            "--env",
            &variable,
            "--secret",
            "WORD=pumpernickel",
        ]);
        let log = act::run(&repository, &folder.path().join("home"), &docker.environment(), &arguments);
        Self { folder, log }
    }

    fn stored(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join("store").join(name)
    }

    #[track_caller]
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.stored(name)).unwrap_or_else(|error| panic!("`{name}`: {error}\n{}", self.log.told()))
    }

    /// The names of the artifacts.
    fn artifacts(&self) -> Vec<String> {
        names(&self.stored("artifacts"))
    }
}

/// What a folder holds, sorted.
fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().unwrap_or_else(|error| panic!("`{folder}`: {error}"));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}

/// Our own repository, as a release has it, whose container image is known.
fn ovenbird(folder: &Path, image: &str) {
    fs::create_dir_all(folder.join("action")).unwrap();
    fs::copy(Path::new(ROOT).join("action.yml"), folder.join("action.yml")).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("action")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "js") {
            fs::copy(entry.path(), folder.join("action").join(entry.file_name())).unwrap();
        }
    }
    fs::write(folder.join("action/image"), image).unwrap();
}

/// For each action of GitHub's that the workflow uses, at the commit that it names: the folder of its double.
fn doubles() -> Vec<String> {
    let workflow = super::parsed(&Path::new(ROOT).join(".github/workflows/image.yml"));
    let mut found = Vec::new();
    super::uses(&workflow, &mut found);
    let names =
        found.iter().filter_map(|step: &Yaml| step["uses"].as_str()).filter(|name| name.starts_with("actions/"));
    let mut doubles: Vec<String> = names
        .map(|name| {
            let (action, _) = name.trim_start_matches("actions/").split_once('@').unwrap();
            let folder = Path::new(ROOT).join("tests/flows/doubles").join(action);
            assert!(folder.is_dir(), "`{name}` has no double");
            format!("{name}={}", folder.display())
        })
        .collect();
    doubles.sort();
    doubles.dedup();
    doubles
}

#[test]
fn the_short_form_plans_builds_each_image_and_hands_out_the_list_of_all() {
    let run = Run::new("steps: [{ run: 'echo ${{ vars.greeting }} ${{ matrix.suite }} ${{ vars.word }}' }]\n");
    assert!(run.log.success, "{}", run.log.told());
    let expected =
        ["ovenbird-image-one", "ovenbird-image-two", "ovenbird-images", "ovenbird-record-one", "ovenbird-record-two"];
    assert_eq!(run.artifacts(), expected);
    assert_eq!(names(&run.stored("artifacts/ovenbird-images")), ["images.json", "junit.xml", "report.html"]);
    assert_eq!(names(&run.stored("artifacts/ovenbird-record-one")), ["one", "report.html"]);
    let records = names(&run.stored("artifacts/ovenbird-record-one/one"));
    for name in ["SHA256SUMS", "events.jsonl", "junit.xml", "log.txt", "manifest.json"] {
        assert!(records.iter().any(|record| record == name), "no {name} in {records:?}");
    }
    assert!(!records.iter().any(|record| record.ends_with("qcow2")), "{records:?}");

    // The outputs, the list and the files say the same.
    let images: Value = serde_json::from_str(&run.read("images")).unwrap();
    let list: Value = serde_json::from_str(&run.read("artifacts/ovenbird-images/images.json")).unwrap();
    assert_eq!(run.read("jobs"), "2");
    assert_eq!((images.as_array().unwrap().len(), list["jobs"].as_array().unwrap().len()), (2, 2));
    for (index, job) in ["one", "two"].into_iter().enumerate() {
        assert_eq!((&images[index]["job"], &list["jobs"][index]["job"]), (&Value::from(job), &Value::from(job)));
        let path = Utf8Path::new(images[index]["path"].as_str().unwrap());
        let file = run.stored(&format!("artifacts/ovenbird-image-{job}")).join(path.file_name().unwrap());
        let digest = format!("{:x}", Sha256::digest(fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"))));
        assert_eq!(images[index]["sha256"], digest.as_str());
        assert_eq!(list["jobs"][index]["artifacts"][0]["sha256"], digest.as_str());
    }
    let page = run.read("artifacts/ovenbird-images/report.html");
    assert!(page.contains("good morning one") && page.contains("good morning two"), "the page has not all logs");
    assert!(!page.contains("pumpernickel") && !run.log.told().contains("pumpernickel"), "the secret is told");
}

#[test]
fn a_failed_leg_leaves_its_log_on_the_page_of_the_others_and_no_list_of_images() {
    let run = Run::new("steps: [{ run: 'echo ${{ matrix.suite }} $((40 + 2)); test ${{ matrix.suite }} = one' }]\n");
    assert!(!run.log.success, "{}", run.log.told());
    let expected = ["ovenbird-image-one", "ovenbird-images", "ovenbird-record-one", "ovenbird-record-two"];
    assert_eq!(run.artifacts(), expected);
    assert_eq!(names(&run.stored("artifacts/ovenbird-images")), ["junit.xml", "report.html"]);
    let told = run.log.told();
    assert!(told.contains("1 of 2 jobs have no record") && told.contains("missing: two"), "{told}");
    let page = run.read("artifacts/ovenbird-images/report.html");
    assert!(page.contains("test two = one"), "the page does not tell what failed");
    assert!(page.contains("one 42") && page.contains("two 42"), "the page has not the log of both jobs");
    let summary = run.log.summary();
    let again = "ovenbird build --var greeting='good morning' --var word=\"$WORD\" two";
    assert!(summary.contains(again), "no `{again}` in {summary}");
    assert!(summary.contains("test two = one") && summary.contains("`ovenbird-out/one/tiny.qcow2`"), "{summary}");
}
