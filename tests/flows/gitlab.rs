//! GitLab's flow: the component, or the example of the long form, plans; the child pipeline that the plan becomes builds each
//! image in a container and collects. Run by gitlab-ci-local, with a real engine, our image and real guests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use serde_json::Value;

use super::support::docker::{Docker, Target};
use super::support::tiny_guest::tiny_guest;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The longest that a pipeline may take: two guests without KVM, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);

/// With this gitlab-ci-local copies artifacts; its own image of the kind is on Docker Hub.
const HELPER: &str = "ovenbird-test-rsync:1";

/// A project, and what a pipeline said and left.
struct Pipeline {
    folder: tempfile::TempDir,
    success: bool,
    told: String,
}

impl Pipeline {
    /// Runs a `.gitlab-ci.yml`, in which `image: IMAGE` stands for the container image, for a definition with the jobs `one` and
    /// `two`.
    fn new(pipeline: &str, steps: &str) -> Self {
        let docker = Docker::start();
        let image = docker.image(Target::Ci);
        let folder = tempfile::Builder::new().prefix("ovenbird-flows-").tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir_all(project.join("templates")).unwrap();
        let definition = format!(
            "name: tiny
strategy: {{ fail-fast: false, matrix: {{ suite: [one, two] }} }}
platforms:
  qemu: {{ builder: qemu, source: {{ image: tiny.qcow2 }}, memory: 256MiB, cpus: 1, accelerator: tcg }}
outputs: [qcow2]
{steps}"
        );
        fs::write(project.join("ovenbird.yml"), definition).unwrap();
        fs::copy(tiny_guest(), project.join("tiny.qcow2")).unwrap();
        fs::copy(Path::new(ROOT).join("templates/image.yml"), project.join("templates/image.yml")).unwrap();
        // gitlab-ci-local says `false`, so that pipelines can tell it from GitLab.
        let pipeline =
            pipeline.replace("image: IMAGE", &format!("image: {image}")) + "variables: { GITLAB_CI: 'true' }\n";
        fs::write(project.join(".gitlab-ci.yml"), pipeline).unwrap();
        super::commit(&project);
        let mut git = Command::new("git");
        git.args(["remote", "add", "origin", "https://gitlab.test/bakery/images.git"]);
        assert!(git.current_dir(&project).status().unwrap().success());

        helper(&docker);
        let client = client(folder.path());
        let begin = Instant::now();
        let mut command = Command::new("timeout");
        command.args(["--kill-after=20", &PATIENCE.as_secs().to_string(), "node"]);
        command.arg(super::installed("test/flows/node_modules/gitlab-ci-local/src/index.js"));
        command.args(["--no-color", "--helper-image", HELPER, "--container-executable"]).arg(client);
        command.arg("--home").arg(folder.path().join("home"));
        command.args(["--variable", &format!("OVENBIRD_IMAGE={image}")]);
        // GitLab itself takes an empty list, which is the component's default; only its editor does not.
        command.args(["--ignore-schema-paths", "#/definitions/tags/minItems"]);
        command.current_dir(&project).envs(docker.environment()).stdin(Stdio::null());
        let output = command.output().unwrap();
        println!("a pipeline took {:.1?}", begin.elapsed());
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Self { folder, success: output.status.success(), told }
    }

    #[track_caller]
    fn expect_success(self, success: bool) -> Self {
        assert_eq!(self.success, success, "{}", self.told);
        self
    }

    /// A file of a job's artifact.
    fn artifact(&self, job: &str, path: &str) -> PathBuf {
        self.folder.path().join("project/.gitlab-ci-local/artifacts").join(job).join(path)
    }

    #[track_caller]
    fn read(&self, job: &str, path: &str) -> String {
        let file = self.artifact(job, path);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}\n{}", file.display(), self.told))
    }
}

/// Docker's program, for an engine without a bridge.
fn client(folder: &Path) -> PathBuf {
    let client = folder.join("docker-client");
    let script = "#!/bin/sh
case $1 in
    create | run) verb=$1; shift; exec docker \"$verb\" --network host \"$@\" ;;
esac
exec docker \"$@\"
";
    fs::write(&client, script).unwrap();
    fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).unwrap();
    client
}

fn helper(docker: &Docker) {
    if docker.command(&["image", "inspect", HELPER]).output().unwrap().status.success() {
        return;
    }
    let context = tempfile::tempdir().unwrap();
    let dockerfile = context.path().join("Dockerfile");
    let text =
        "FROM debian:bookworm-slim\nRUN apt-get -q update && apt-get -q install -y --no-install-recommends rsync\n";
    fs::write(&dockerfile, text).unwrap();
    let context = Utf8Path::from_path(context.path()).unwrap();
    docker.build(Utf8Path::from_path(&dockerfile).unwrap(), context, HELPER, &[]);
}

/// The component, as a project that has it includes it.
const COMPONENT: &str = "\
include:
  - component: $CI_SERVER_FQDN/bakery/images/image@$CI_COMMIT_SHA
    inputs:
      image: IMAGE
";

#[test]
fn the_component_plans_and_its_child_pipeline_builds_each_image_and_collects_all() {
    let pipeline =
        Pipeline::new(COMPONENT, "steps: [{ run: 'echo baking ${{ matrix.suite }}' }]\n").expect_success(true);
    let images: Value = serde_json::from_str(&pipeline.read("collect", "ovenbird-out/images.json")).unwrap();
    let jobs: Vec<&Value> = images["jobs"].as_array().unwrap().iter().collect();
    assert_eq!(jobs.iter().map(|job| &job["job"]).collect::<Vec<_>>(), ["one", "two"]);
    for record in jobs {
        let job = record["job"].as_str().unwrap();
        let file = format!("ovenbird-out/{job}/{}", record["artifacts"][0]["file"].as_str().unwrap());
        let size = fs::metadata(pipeline.artifact(job, &file)).unwrap_or_else(|error| panic!("{file}: {error}")).len();
        assert_eq!(record["artifacts"][0]["size"], size);
        assert!(pipeline.told.contains(&format!("| baking {job}")), "{}", pipeline.told);
        assert_eq!(record["ci"]["name"], "gitlab", "{record}");
    }
    // For jobs that come later.
    let variables = pipeline.read("collect", ".gitlab-ci-reports/dotenv/ovenbird-out/ovenbird.env");
    assert!(variables.contains("OVENBIRD_OUTCOME=success\nOVENBIRD_FILES=2\n"), "{variables}");
}

#[test]
fn a_failed_job_of_the_long_form_leaves_its_story_and_collect_names_it() {
    let example = fs::read_to_string(Path::new(ROOT).join("examples/ci/gitlab/child-pipeline.yml")).unwrap();
    let pipeline = Pipeline::new(&example, "steps: [{ run: 'test ${{ matrix.suite }} = one' }]\n");
    // gitlab-ci-local does not hand the child's result on to the job that triggers it.
    for said in [" PASS  [images] -> one", " FAIL  two", " FAIL  collect", "1 of 2 jobs have no record", "missing: two"]
    {
        assert!(pipeline.told.contains(said), "no `{said}` in {}", pipeline.told);
    }
    let page = pipeline.read("collect", "ovenbird-out/report.html");
    assert!(page.contains("failed with exit status 1"), "the page does not tell what failed");
    assert!(pipeline.read("two", "ovenbird-out/two/log.txt").contains("test two = one"));
    assert!(!pipeline.artifact("two", "ovenbird-out/two/manifest.json").exists());
    assert!(pipeline.artifact("one", "ovenbird-out/one/manifest.json").exists());
    assert!(!pipeline.artifact("collect", "ovenbird-out/images.json").exists());
}

#[test]
fn where_nothing_is_to_be_built_the_child_pipeline_does_nothing_and_succeeds() {
    let nothing = format!("{COMPONENT}      only: matrix.suite == 'three'\n");
    let pipeline = Pipeline::new(&nothing, "").expect_success(true);
    assert!(pipeline.told.contains("nothing-to-build"), "{}", pipeline.told);
}
