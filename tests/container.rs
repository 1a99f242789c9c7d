//! The container image, run as CI runs it: root, no `--privileged`, no `/dev/kvm`, no `--init`, somebody else's workspace.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process};
use support::docker::{Docker, Target};
use support::tiny_guest::tiny_guest;

/// Whom the workspace belongs to: nobody of this machine.
const OWNER: u32 = 12_345;

/// GitHub's runner sends SIGINT, after 7.5 s SIGTERM, and kills after another 2.5 s (docs/ci.md).
const FIRST_RUNG: Duration = Duration::from_millis(7500);

/// A checkout as a runner has it.
struct Workspace {
    docker: Docker,
    image: String,
    folder: tempfile::TempDir,
}

impl Workspace {
    fn new(definition: &str) -> Self {
        let docker = Docker::start();
        let image = docker.image(Target::Action);
        let workspace = Self { docker, image, folder: tempfile::tempdir().unwrap() };
        std::fs::write(workspace.path("ovenbird.yml"), definition).unwrap();
        std::os::unix::fs::chown(workspace.root(), Some(OWNER), Some(OWNER)).unwrap();
        std::os::unix::fs::chown(workspace.path("ovenbird.yml"), Some(OWNER), Some(OWNER)).unwrap();
        workspace
    }

    /// With a guest that boots in seconds.
    fn tiny(rest: &str) -> Self {
        let head = "name: tiny\nplatforms:\n  qemu:\n    builder: qemu\n    source: { image: guest.qcow2 }\n    \
                    memory: 256MiB\n    cpus: 1\n    accelerator: tcg\n";
        let workspace = Self::new(&format!("{head}{rest}"));
        std::fs::copy(tiny_guest(), workspace.path("guest.qcow2")).unwrap();
        std::os::unix::fs::chown(workspace.path("guest.qcow2"), Some(OWNER), Some(OWNER)).unwrap();
        workspace
    }

    fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().to_owned()
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        self.root().join(name)
    }

    fn name(&self) -> String {
        format!("ovenbird-test-{}", self.root().file_name().unwrap().trim_start_matches('.'))
    }

    /// `docker run` with more of its options, and arguments of `ovenbird`.
    fn command(&self, options: &[&str], arguments: &[&str]) -> Command {
        let mount = format!("{}:/github/workspace", self.root());
        let name = self.name();
        let run = ["run", "--rm", "--network", "host", "--name", &name, "-v", &mount, "-w", "/github/workspace"];
        self.docker.command(&[&run[..], options, &[self.image.as_str()], arguments].concat())
    }

    #[track_caller]
    fn run(&self, options: &[&str], arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(options, arguments).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    }

    /// Files of the workspace that do not belong to its owner.
    fn strangers(&self) -> Vec<String> {
        let mut found = Vec::new();
        strangers(&self.root(), &mut found);
        found
    }
}

fn strangers(folder: &Utf8Path, found: &mut Vec<String>) {
    for entry in folder.read_dir_utf8().unwrap().flatten() {
        let status = entry.path().symlink_metadata().unwrap();
        if (status.uid(), status.gid()) != (OWNER, OWNER) {
            found.push(entry.path().to_string());
        }
        if status.is_dir() {
            strangers(entry.path(), found);
        }
    }
}

#[test]
fn the_action_tag_is_ovenbird_and_the_gitlab_tag_is_a_shell_with_it() {
    let docker = Docker::start();
    let inspect = |image: &str| -> serde_json::Value {
        serde_json::from_str(&docker.run(&["image", "inspect", "--format", "{{json .Config}}", image])).unwrap()
    };
    let (action, ci) = (docker.image(Target::Action), docker.image(Target::Ci));
    assert_eq!(inspect(&action)["Entrypoint"], serde_json::json!(["/usr/local/bin/ovenbird"]));
    assert_eq!(inspect(&ci)["Entrypoint"], serde_json::Value::Null);
    for image in [&action, &ci] {
        let config = inspect(image);
        assert_eq!(config["User"], "");
        assert_eq!(config["Labels"]["org.opencontainers.image.version"], "0.0.0-test");
        assert_eq!(config["Labels"]["org.opencontainers.image.licenses"], "Apache-2.0");
        assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["NONE"]));
    }
    // GitLab hands its script to a shell that it finds itself.
    let script = "ovenbird --version; echo $OVENBIRD_IMAGE";
    let told = docker.run(&["run", "--rm", "--network", "none", &ci, "sh", "-c", script]);
    let version = concat!("ovenbird ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(told, format!("{version}registry.test/ovenbird:test-gitlab\n"));
    assert_eq!(docker.run(&["run", "--rm", "--network", "none", &action, "--version"]), version);
}

#[test]
fn everything_that_a_build_starts_is_in_the_image() {
    let docker = Docker::start();
    let programs = "qemu-system-x86_64 qemu-system-aarch64 qemu-img mmdebstrap mke2fs debugfs sfdisk mkfs.vfat mmd mcopy \
                    git bash dash python3 ansible-playbook newuidmap";
    let files = "/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/AAVMF/AAVMF_CODE.fd /usr/share/seabios/bios-256k.bin \
                 /usr/share/keyrings/debian-archive-keyring.gpg /etc/ssl/certs/ca-certificates.crt";
    let script = format!(
        "for name in {programs}; do command -v $name >/dev/null || echo $name; done
         for file in {files}; do test -e $file || echo $file; done
         ls -A /var/lib/apt/lists"
    );
    let told = docker.run(&["run", "--rm", "--network", "none", &docker.image(Target::Ci), "sh", "-c", &script]);
    assert_eq!(told, "", "missing, or left");
}

#[test]
fn a_build_hands_all_that_it_made_to_the_workspaces_owner_and_leaves_no_zombie() {
    let workspace = Workspace::tiny(
        "steps:
  - run: echo baked > /etc/baked
  - download: /etc/baked
    to: kept/baked
  - name: Orphans
    local: |
      # Their parent ends before them, so that they become children of process 1.
      for i in 1 2 3; do setsid sh -c 'sleep 0.2' & done
      sleep 1
      cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z ' > zombies.txt || true
      tr '\\0' ' ' < /proc/1/cmdline > first.txt
outputs: [qcow2]
",
    );
    // What a hostile repository may bring along, and what was root's before.
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = Utf8Path::from_path(elsewhere.path()).unwrap();
    std::fs::write(elsewhere.join("secret"), "").unwrap();
    std::fs::create_dir_all(workspace.path("ovenbird-out")).unwrap();
    std::os::unix::fs::symlink("/elsewhere", workspace.path("ovenbird-out/folder")).unwrap();
    std::os::unix::fs::symlink("/elsewhere/secret", workspace.path("ovenbird-out/file")).unwrap();
    std::fs::hard_link(workspace.path("ovenbird.yml"), workspace.path("another-name")).unwrap();
    std::fs::write(workspace.path("roots-own"), "").unwrap();
    std::thread::sleep(Duration::from_millis(100));

    let mount = format!("{elsewhere}:/elsewhere");
    let options = ["-v", &mount, "-e", "OVENBIRD_CACHE_DIR=/github/workspace/.cache/ovenbird"];
    let (status, told) = workspace.run(&options, &["build"]);
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(std::fs::read_to_string(workspace.path("kept/baked")).unwrap(), "baked\n");
    assert_eq!(std::fs::read_to_string(workspace.path("zombies.txt")).unwrap(), "0\n");
    assert_eq!(std::fs::read_to_string(workspace.path("first.txt")).unwrap(), "/usr/local/bin/ovenbird build ");
    assert!(workspace.path("ovenbird-out/qemu/tiny.qcow2").exists());
    assert_eq!(workspace.strangers(), [workspace.path("roots-own").to_string()]);
    for path in [elsewhere.to_owned(), elsewhere.join("secret")] {
        assert_eq!(path.metadata().unwrap().uid(), 0, "{path}");
    }
}

#[test]
fn exit_statuses_come_through_and_a_failed_build_hands_over_too() {
    let workspace = Workspace::tiny("steps:\n  - run: exit 3\noutputs: [qcow2]\n");
    let (status, told) = workspace.run(&[], &["validate", "--no-such-option"]);
    assert_eq!(status, Some(2), "{told}");
    let (status, told) = workspace.run(&[], &["build"]);
    assert_eq!(status, Some(1), "{told}");
    assert!(workspace.path("ovenbird-out").exists());
    assert_eq!(workspace.strangers(), Vec::<String>::new());
}

#[test]
fn outside_of_our_container_no_owner_is_changed() {
    let workspace = Workspace::tiny("steps:\n  - run: exit 3\noutputs: [qcow2]\n");
    workspace.run(&["-e", "OVENBIRD_CONTAINER="], &["build"]);
    assert!(workspace.strangers().contains(&workspace.path("ovenbird-out").to_string()));
}

#[test]
fn a_workspace_that_can_only_be_read_ends_with_one_message() {
    let workspace = Workspace::tiny("outputs: [qcow2]\n");
    let mount = format!("{}:/workspace:ro", workspace.root());
    let (status, told) = workspace.run(&["-v", &mount, "-w", "/workspace"], &["build"]);
    assert_eq!(status, Some(2), "{told}");
    insta::assert_snapshot!(told, @r"
    error: failed to create the folder `ovenbird-out`: Read-only file system (os error 30)
    hint: ovenbird writes images and reports to --out and downloads to --cache-dir: name folders that are writable, or mount the workspace without `ro` (a container's user must own it)
    ");
}

/// What became of a container that was sent up the runner's ladder.
struct Climbed {
    status: Option<i32>,
    after: Duration,
    told: String,
}

/// Cancels as the runner does once a line of the output holds `moment`.
fn cancel_at(workspace: &Workspace, moment: &str) -> Climbed {
    let mut client = workspace.command(&[], &["build"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stderr.take().unwrap()).lines();
    let mut told = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        told += &format!("{line}\n");
        if line.contains(moment) {
            break;
        }
    }
    assert!(told.contains(moment), "`{moment}` never came:\n{told}");
    let begin = Instant::now();
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    let rungs = [(Signal::INT, FIRST_RUNG), (Signal::TERM, Duration::from_millis(2500)), (Signal::KILL, FIRST_RUNG)];
    for (signal, patience) in rungs {
        let _ = kill_process(Pid::from_raw(client.id().cast_signed()).unwrap(), signal);
        if ends_within(&mut client, patience) {
            break;
        }
    }
    let (after, status) = (begin.elapsed(), client.wait().unwrap().code());
    told += &rest.join().unwrap();
    Climbed { status, after, told }
}

fn ends_within(client: &mut Child, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if client.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[track_caller]
fn assert_cancelled(workspace: &Workspace, climbed: &Climbed) {
    let Climbed { status, after, told } = climbed;
    assert!(*after < FIRST_RUNG, "it took {after:?}:\n{told}");
    assert_eq!(*status, Some(130), "{told}");
    // The container is gone, and with it every process; `--rm` takes a moment.
    let name = workspace.name();
    let there = || workspace.docker.run(&["ps", "--all", "--quiet", "--filter", &format!("name={name}")]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !there().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(there(), "");
    for name in [".journal", ".work"] {
        assert!(!workspace.path("ovenbird-out").join(name).exists(), "`{name}` is left:\n{told}");
    }
    assert!(told.contains("cancelled"), "{told}");
    assert_eq!(workspace.strangers(), Vec::<String>::new());
}

#[test]
fn cancelled_while_a_system_is_bootstrapped() {
    let workspace = Workspace::new(
        "name: base\nplatforms: { qemu: { builder: qemu, source: { debian: bookworm }, accelerator: tcg } }\n",
    );
    // By then mmdebstrap works in a tree of its own, with mounts and children.
    let climbed = cancel_at(&workspace, "extracting archives");
    assert_cancelled(&workspace, &climbed);
}

#[test]
fn cancelled_while_the_machine_boots() {
    let workspace = Workspace::tiny("outputs: [qcow2]\n");
    let climbed = cancel_at(&workspace, "Booting the machine");
    assert_cancelled(&workspace, &climbed);
}

#[test]
fn cancelled_in_a_step_what_was_made_before_is_kept() {
    let workspace = Workspace::tiny(
        "steps:
  - run: echo early > /etc/early
  - download: /etc/early
    to: kept/early
  - run: echo it has begun; sleep 600
outputs: [qcow2]
",
    );
    let climbed = cancel_at(&workspace, "it has begun");
    assert_cancelled(&workspace, &climbed);
    assert_eq!(std::fs::read_to_string(workspace.path("kept/early")).unwrap(), "early\n");
    let log = std::fs::read_to_string(workspace.path("ovenbird-out/qemu/log.txt")).unwrap();
    assert!(log.contains("it has begun"), "{log}");
}
