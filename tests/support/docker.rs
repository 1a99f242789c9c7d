//! A Docker engine of the tests' own, with Ovenbird's image in it.
//!
//! ```text
//! let docker = Docker::start();                 one engine a test process, shared by its tests; ended with the last handle
//! let image = docker.image(Target::Action);     "ovenbird-test:action-0123456789abcdef": entry point `ovenbird`
//! let image = docker.image(Target::Ci);         the same without an entry point, for GitLab and `container:`
//! docker.run(&["image", "ls"]);                 runs `docker …`; its standard output; panics where it fails
//! docker.command(&["run", "--rm", …]);          a `Command` of it, for tests that signal it or expect a failure
//! docker.environment();                         (DOCKER_HOST, PATH): what another program (act) needs to find it
//! docker.build("Dockerfile.runner", &folder, "name:tag", &["--build-arg", "A=b"]);     any other image, with BuildKit
//! docker.base();                                imports `debian:bookworm-slim`, as `image` and `build` do by themselves
//! ```
//!
//! The engine runs as root, with its data below `~/.cache/ovenbird/docker` and everything else in a temporary folder. There
//! is no bridge network: give `--network host` (or `none`) to each `docker run`; builds get it here. Two test processes
//! never use the data at once: the second waits. The engine ends when the last handle is dropped, or with the test process,
//! however that ends.
//!
//! There is no Docker Hub here: `debian:bookworm-slim` is made by mmdebstrap from wherever this machine's apt gets its
//! packages, once. Images are made again only when the Dockerfile or the binary has changed; packages only when the
//! Dockerfile's part before the binary has.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

const BASE: &str = "debian:bookworm-slim";
const NAME: &str = "ovenbird-test";
/// Images of this many binaries are kept: those of other checkouts too.
const KEPT_IMAGES: usize = 6;
/// Another test process may be building images.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Starts the engine, and ends it when standard input ends: that also happens when the test process is killed.
/// Containers that still run are stopped by the engine.
const KEEPER: &str = r#"
dockerd "$@" >"$LOG" 2>&1 </dev/null &
engine=$!
read -r _
kill -TERM $engine 2>/dev/null
( sleep 20; kill -KILL $engine 2>/dev/null ) &
killer=$!
wait $engine
kill $killer 2>/dev/null
exit 0
"#;

/// The final stages of the Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `ovenbird` is the entry point.
    Action,
    /// No entry point.
    Ci,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Ci => "ci",
        }
    }
}

/// A running engine. A handle is cheap to clone.
#[derive(Clone)]
pub struct Docker(Arc<Engine>);

struct Engine {
    keeper: Mutex<Child>,
    folder: tempfile::TempDir,
}

static RUNNING: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
/// One image is made at a time.
static BUILDING: Mutex<()> = Mutex::new(());

impl Docker {
    /// Starts the engine, or joins the one of this process.
    ///
    /// # Panics
    /// It is not installed (`scripts/setup.sh test`), this is not root, or it does not come up; its log is shown.
    pub fn start() -> Self {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = running.upgrade() {
            return Self(engine);
        }
        assert!(rustix::process::geteuid().is_root(), "an engine of its own needs root: run these tests as root");
        let cache = cache();
        std::fs::create_dir_all(&cache).expect("the cache can be made");
        let folder = tempfile::Builder::new().prefix("ovenbird-docker-").tempdir().expect("a folder can be made");
        let root = Utf8Path::from_path(folder.path()).expect("its path is UTF-8").to_owned();
        // `flock` holds the lock, and hands it on to nobody: what outlives the engine does not hold it.
        let mut keeper = Command::new("flock");
        keeper.args(["--close", cache.join("lock").as_str(), "sh", "-c", KEEPER, "sh"]);
        keeper.args(["--data-root", cache.join("data").as_str(), "--exec-root", root.join("exec").as_str()]);
        keeper.args(["--pidfile", root.join("pid").as_str(), "--host", &format!("unix://{root}/docker.sock")]);
        keeper.args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]);
        keeper.args(["--ip-masq=false", "--shutdown-timeout", "5"]);
        keeper.env("LOG", root.join("log")).env("PATH", path());
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let keeper = keeper.expect("`flock` is installed (util-linux)");
        let docker = Self(Arc::new(Engine { keeper: Mutex::new(keeper), folder }));
        docker.wait();
        *running = Arc::downgrade(&docker.0);
        docker
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.command(&["version"]).output().is_ok_and(|output| output.status.success()) {
                return;
            }
            let ended = self.0.keeper.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
            let failed = log.contains("failed to start daemon") || log.contains("not found");
            let up = !failed && matches!(ended, Ok(None)) && Instant::now() < deadline;
            assert!(up, "no Docker engine (apt-get install docker.io, or scripts/setup.sh test): {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn folder(&self) -> &Utf8Path {
        Utf8Path::from_path(self.0.folder.path()).expect("its path is UTF-8")
    }

    /// What a program needs in its environment to use this engine.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("DOCKER_HOST", format!("unix://{}/docker.sock", self.folder())), ("PATH", path())]
    }

    /// `docker` with arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(client());
        command.args(arguments).envs(self.environment()).env("DOCKER_BUILDKIT", "1").stdin(Stdio::null());
        // Somebody's own settings (contexts, credentials) have no part in this.
        command.env("DOCKER_CONFIG", self.folder().join("config"));
        command
    }

    /// Runs `docker` and returns what it prints.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("docker runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {}{stderr}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn has(&self, image: &str) -> bool {
        self.command(&["image", "inspect", image]).output().is_ok_and(|output| output.status.success())
    }

    /// Ovenbird's image with the binary of this test run; its name.
    ///
    /// # Panics
    /// It can't be built.
    pub fn image(&self, target: Target) -> String {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        self.import_base();
        let binary = std::fs::read(env!("CARGO_BIN_EXE_ovenbird")).expect("the binary can be read");
        let dockerfile = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile");
        let text = std::fs::read(&dockerfile).expect("the Dockerfile can be read");
        let digest = format!("{:x}", Sha256::new().chain_update(&text).chain_update(&binary).finalize());
        let image = format!("{NAME}:{}-{digest:.16}", target.name());
        if !self.has(&image) {
            let context = tempfile::tempdir().expect("a folder can be made");
            let context = Utf8Path::from_path(context.path()).expect("its path is UTF-8");
            let copy = context.join("ovenbird");
            std::fs::copy(env!("CARGO_BIN_EXE_ovenbird"), &copy).expect("the binary can be copied");
            // A debug build is three times as large with its symbols.
            let stripped = Command::new("strip").arg(&copy).status();
            assert!(stripped.is_ok_and(|status| status.success()), "`strip` is missing (apt-get install binutils)");
            let arguments = ["--target", target.name(), "--build-arg", "BINARY=prebuilt"];
            let labels =
                ["--build-arg", "VERSION=0.0.0-test", "--build-arg", "IMAGE=registry.test/ovenbird:test-gitlab"];
            self.build_unlocked(&dockerfile, context, &image, &[&arguments[..], &labels[..]].concat());
            self.forget_old();
        }
        image
    }

    /// Builds any other image from a Dockerfile, with BuildKit, the network and the base image.
    ///
    /// # Panics
    /// It can't be built; what it printed is shown.
    pub fn build(&self, dockerfile: impl AsRef<Utf8Path>, context: &Utf8Path, image: &str, arguments: &[&str]) {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        self.import_base();
        self.build_unlocked(dockerfile.as_ref(), context, image, arguments);
    }

    fn build_unlocked(&self, dockerfile: &Utf8Path, context: &Utf8Path, image: &str, arguments: &[&str]) {
        let start =
            ["build", "--progress", "plain", "--network", "host", "--file", dockerfile.as_str(), "--tag", image];
        self.run(&[&start[..], arguments, &[context.as_str()]].concat());
    }

    /// Imports the base image, once.
    ///
    /// # Panics
    /// mmdebstrap is missing or fails.
    pub fn base(&self) {
        let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
        self.import_base();
    }

    fn import_base(&self) {
        if self.has(BASE) {
            return;
        }
        let folder = tempfile::tempdir_in(cache()).expect("the cache can be written");
        let tarball = folder.path().join("base.tar");
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--include=ca-certificates", "bookworm"]).arg(&tarball);
        // As Debian's own image does it.
        for path in ["doc/*", "man/*", "info/*", "locale/*"] {
            command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}"));
        }
        command.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
        for option in apt_settings() {
            command.arg(format!("--aptopt={option}"));
        }
        command.args(apt_sources()).stdin(Stdio::null());
        let output = command.output().expect("mmdebstrap is installed (scripts/setup.sh)");
        assert!(output.status.success(), "no base image: {}", String::from_utf8_lossy(&output.stderr));
        let tarball = Utf8PathBuf::try_from(tarball).expect("its path is UTF-8");
        self.run(&["import", "--change", "CMD [\"bash\"]", tarball.as_str(), BASE]);
    }

    /// Removes images of binaries that are long gone, newest last.
    fn forget_old(&self) {
        let listed = self.run(&["image", "ls", NAME, "--format", "{{.Repository}}:{{.Tag}}"]);
        for image in listed.lines().skip(KEPT_IMAGES) {
            // One that another container still uses stays.
            let _ = self.command(&["image", "rm", image]).output();
        }
        self.run(&["builder", "prune", "--force", "--keep-storage", "4GB"]);
    }
}

impl Drop for Engine {
    /// Ends the engine and waits for it; the keeper kills it after 20 s.
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(keeper.stdin.take());
        let _ = keeper.wait();
    }
}

fn cache() -> Utf8PathBuf {
    super::tiny_guest::cache().parent().expect("the tests' cache lies in a folder").join("docker")
}

/// With the folders in which Debian has the engine and its programs.
fn path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned()))
}

/// Debian's client before any other: newer ones can't build without a plug-in, which may not be there.
fn client() -> &'static str {
    if Utf8Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" }
}

/// Where this machine's apt gets Debian's packages. Nothing where it does not know yet: mmdebstrap then asks Debian.
fn apt_sources() -> Vec<String> {
    let format = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)";
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", format, "Identifier: Packages", "Origin: Debian"]);
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    let lines: Vec<String> = String::from_utf8_lossy(&output).lines().map(str::to_owned).collect();
    let is_bookworm = lines.iter().any(|line| line.contains(" bookworm "));
    if is_bookworm { lines } else { Vec::new() }
}

/// How this machine's apt gets there: proxies and the like.
fn apt_settings() -> Vec<String> {
    let output = Command::new("apt-config").arg("dump").output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).into_owned();
    let wanted = ["Acquire::http", "Acquire::https", "Acquire::Check-"];
    let is_wanted = |line: &&str| wanted.iter().any(|start| line.starts_with(start)) && !line.ends_with("\"\";");
    text.lines().filter(is_wanted).map(|line| line.trim_end_matches(';').to_owned()).collect()
}
