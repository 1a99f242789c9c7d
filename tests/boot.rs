//! `ovenbird boot`: a throw-away copy of the tests' tiny guest, for a person to look around in.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::expect_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::journal::process::with_token;

mod support;

use support::tiny_guest::tiny_guest;

/// A copy that runs, and the folders that are its own.
struct Booted {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What logs in, as it was printed.
    command: String,
    /// The journal's, which every process of it carries.
    token: String,
    folder: tempfile::TempDir,
}

impl Booted {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(folder.path()).unwrap().join("cache");
        let mut boot = ovenbird();
        boot.args(["boot", tiny_guest().as_str(), "--cache-dir", cache.as_str(), "--no-shell", "--console"]);
        boot.args(["--accelerator", "tcg", "--memory", "256MiB", "--cpus", "1"]).args(options);
        let mut child = boot.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut command = String::new();
        // It ends at the line, or with the process, whose own deadline is that of the login.
        stdout.read_line(&mut command).unwrap();
        if command.is_empty() {
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            panic!("it does not boot: {told}");
        }
        let journal = std::fs::read_dir(cache.join("boot/.journal")).unwrap().next().unwrap().unwrap().path();
        let journal = std::fs::read_to_string(journal.join("run.jsonl")).unwrap();
        let first: serde_json::Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
        let token = first["token"].as_str().unwrap().to_owned();
        assert!(with_token(&token).len() == 1, "QEMU carries the journal's token");
        Self { child, stdout, command: command.trim_end().to_owned(), token, folder }
    }

    fn cache(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join("cache")
    }

    /// What a command in the guest prints, by the very command that was printed.
    fn say(&self, script: &str) -> String {
        let output = Command::new("sh").args(["-c", &format!("{} {script}", self.command)]).output().unwrap();
        assert!(output.status.success(), "{}: {}", self.command, String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; returns the exit status and what it told.
    fn wait(&mut self) -> (Option<i32>, String) {
        let (mut told, mut more) = (String::new(), String::new());
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        self.stdout.read_to_string(&mut more).unwrap();
        assert_eq!(more, "", "nothing but the command is on standard output");
        (self.child.wait().unwrap().code(), told)
    }

    #[track_caller]
    fn left_nothing(&self) {
        assert_eq!(with_token(&self.token), [], "no process is left");
        let left = std::fs::read_dir(self.cache().join("boot"));
        let left: Vec<_> = left.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        assert_eq!(left, Vec::<std::path::PathBuf>::new(), "no folder is left");
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // A test that failed leaves no machine: asked to stop, it ends its own.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ovenbird() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ovenbird"))
}

#[test]
fn the_command_that_is_printed_logs_in_and_sigterm_ends_everything() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut booted = Booted::start(&["--forward", &format!("{port}:22"), "--grow", "+64MiB"]);
    assert!(booted.say("hostname").starts_with("ovenbird-copy-of-tiny-guest"));
    assert_eq!(booted.say("cat /sys/block/vda/size"), "655360", "the copy's disk is 64 MiB larger");
    let mut greeting = [0; 4];
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-");
    booted.signal("-TERM");
    let (status, told) = booted.wait();
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("| tiny: up"), "the console is shown: {told}");
    booted.left_nothing();
}

#[test]
fn a_guest_that_switches_itself_off_ends_it() {
    let mut booted = Booted::start(&[]);
    booted.say("poweroff");
    let (status, told) = booted.wait();
    assert_eq!(status, Some(0), "{told}");
    assert!(told.ends_with("the guest switched itself off\n"), "{told}");
    booted.left_nothing();
}

#[test]
fn what_a_killed_one_left_is_cleaned_up() {
    let mut booted = Booted::start(&[]);
    booted.signal("-KILL");
    booted.child.wait().unwrap();
    let mut cleanup = ovenbird();
    cleanup.args(["cleanup", "--cache-dir", booted.cache().as_str()]).current_dir(booted.folder.path());
    let output = cleanup.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("Removed "), "{told}");
    booted.left_nothing();
}

#[test]
fn what_can_not_be_booted_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.qcow2"), "these are no sectors").unwrap();
    let told = |arguments: &[&str]| {
        let output = ovenbird().arg("boot").args(arguments).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    insta::assert_snapshot!(told(&["notes.qcow"]), @"
    error: there is no image of a job `notes.qcow` in `ovenbird-out`, and no such file
    hint: did you mean `notes.qcow2`?
    ");
    insta::assert_snapshot!(told(&["web"]), @"
    error: there is no image of a job `web` in `ovenbird-out`, and no such file
    hint: nothing was built there: `ovenbird build` does, and `ovenbird plan` lists the jobs
    ");
    insta::assert_snapshot!(told(&["notes.qcow2", "--forward", "80"]), @"
    error: invalid value '80' for '--forward <PORT:PORT>': `80` is no pair of ports: write this machine's port and the guest's, such as `8080:80`

    For more information, try '--help'.
    ");
}
