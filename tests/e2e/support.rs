//! A project in a folder of its own, and `ovenbird` run in it as a person would, with a scrubbed environment.

use std::ffi::OsString;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::shared::tiny_guest::tiny_guest;

/// The longest that one build may take, a bootstrapped one included, with other builds beside it on two cores.
pub const PATIENCE: Duration = Duration::from_secs(1500);

/// A folder with an `ovenbird.yml`.
pub struct Project {
    folder: tempfile::TempDir,
    path: Option<OsString>,
}

impl Project {
    /// `TINY` in the definition stands for the disk image of the tiny guest.
    pub fn new(definition: &str) -> Self {
        let definition = if definition.contains("TINY") {
            definition.replace("TINY", tiny_guest().as_str())
        } else {
            definition.to_owned()
        };
        let project = Self { folder: tempfile::tempdir().unwrap(), path: None };
        project.file("ovenbird.yml", &definition)
    }

    /// A definition with the usual platform of these tests, and `rest`.
    pub fn tiny(rest: &str) -> Self {
        Self::new(&format!("{TINY_HEAD}{rest}"))
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        let path = self.path(name);
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

    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.root().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("`{path}`: {error}"))
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
        command.args(arguments).current_dir(self.root()).env_clear().stdin(Stdio::null());
        let path = self.path.clone().or_else(|| std::env::var_os("PATH"));
        command.envs(path.map(|path| ("PATH", path)));
        // Downloads and the verdict on KVM are shared: finding out again and again would be slow.
        command.env("OVENBIRD_CACHE_DIR", crate::shared::tiny_guest::cache().join("ovenbird").as_str());
        command.env("HOME", self.root().as_str());
        command
    }

    /// Runs to the end, or fails the test after [`PATIENCE`].
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.start(&mut self.command(arguments)).wait()
    }

    pub fn start(&self, command: &mut Command) -> Started {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Started { child, begin: Instant::now() }
    }

    /// Nothing of a run is left in the output folder but what it was made for.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        for name in ["ovenbird-out/.journal", "ovenbird-out/.work"] {
            assert!(!self.path(name).exists(), "`{name}` is left: {:?}", tree(&self.path(name)));
        }
        let processes = self.processes();
        assert!(processes.is_empty(), "processes are left: {processes:?}");
    }

    /// Command lines of all processes that name this project's folder.
    pub fn processes(&self) -> Vec<String> {
        let root = self.root();
        let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
        });
        commands.filter(|command| command.contains(root.as_str())).collect()
    }
}

/// The usual head of a definition: a tiny guest that boots in seconds.
pub const TINY_HEAD: &str = "\
name: tiny
platforms:
  qemu:
    builder: qemu
    source: { image: TINY }
    memory: 256MiB
    cpus: 1
    accelerator: tcg
";

pub struct Started {
    pub child: Child,
    begin: Instant,
}

impl Started {
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn wait(mut self) -> Ran {
        let (stdout, stderr) = (self.child.stdout.take().unwrap(), self.child.stderr.take().unwrap());
        let readers = [std::thread::spawn(move || text(stdout)), std::thread::spawn(move || text(stderr))];
        let deadline = self.begin + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                self.signal(rustix::process::Signal::INT);
                std::thread::sleep(Duration::from_secs(8));
                self.child.kill().unwrap();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = readers.map(|reader| reader.join().unwrap());
        Ran { status: status.code(), stdout, stderr, elapsed: self.begin.elapsed() }
    }
}

fn text(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

impl Ran {
    #[track_caller]
    pub fn expect_status(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// What it told people.
    #[track_caller]
    pub fn expect_told(self, text: &str) -> Self {
        let all = format!("{}\n{}", self.stdout, self.stderr);
        assert!(all.contains(text), "`{text}` is not in\n{all}");
        self
    }
}

/// Every file below a folder.
pub fn tree(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files.extend(tree(entry.path()));
        } else {
            files.push(entry.into_path());
        }
    }
    files.sort();
    files
}

/// Runs a program of this machine and returns what it prints.
#[track_caller]
pub fn tool(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}
