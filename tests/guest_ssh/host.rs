//! `ovenbird goss --ssh`: a machine that runs already, reached as its owner reaches it.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use insta::assert_snapshot;
use ovenbird::guest::ssh::{HostKey, KeyPair};

use super::server::Server;

/// A user's home, and an agent of the user's if one was started.
struct User {
    server: Server,
    home: tempfile::TempDir,
    agent: Option<Child>,
}

impl User {
    /// Someone who has no key, and knows no host.
    fn new() -> Self {
        let user = Self { server: Server::debian(), home: tempfile::tempdir().unwrap(), agent: None };
        std::fs::create_dir(user.path(".ssh")).unwrap();
        std::fs::write(user.path("goss.yaml"), "file:\n  /etc/passwd:\n    exists: true\n    filetype: file\n")
            .unwrap();
        user
    }

    /// Someone who knows the server.
    fn who_knows() -> Self {
        let user = Self::new();
        user.knows(&user.host_line(&user.server_key()));
        user
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.home.path()).unwrap().join(name)
    }

    fn server_key(&self) -> String {
        let HostKey::Known(line) = &self.server.config.host_key else { panic!("the server's key is known") };
        line.clone()
    }

    fn host_line(&self, key: &str) -> String {
        format!("[127.0.0.1]:{} {key}\n", self.server.config.port)
    }

    fn knows(&self, lines: &str) {
        std::fs::write(self.path(".ssh/known_hosts"), lines).unwrap();
    }

    fn has_key(&self, name: &str) -> Utf8PathBuf {
        let path = self.path(name);
        std::fs::copy(self.server.path("user"), &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn has_agent_with(&mut self, key: &Utf8Path) {
        let socket = self.path("agent");
        let agent = Command::new("ssh-agent").args(["-D", "-a", socket.as_str()]).stdout(Stdio::null()).spawn();
        self.agent = Some(agent.expect("`ssh-agent` is installed (openssh-client)"));
        let end = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < end, "the agent does not start");
            std::thread::yield_now();
        }
        let added = Command::new("ssh-add").arg(key).env("SSH_AUTH_SOCK", &socket).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }

    /// Exit status, standard output and standard error, without what differs each time.
    fn goss(&self, options: &[&str], validate: &[&str]) -> (i32, String, String) {
        let mut command = assert_cmd::Command::cargo_bin("ovenbird").unwrap();
        let port = self.server.config.port;
        command.args(["goss", "--ssh", &format!("127.0.0.1:{port}"), "-g", self.path("goss.yaml").as_str()]);
        command.args(options).arg("validate").args(validate).timeout(Duration::from_secs(120));
        command.env("HOME", self.home.path()).env_remove("SSH_AUTH_SOCK").env_remove("GITHUB_ACTIONS");
        if self.agent.is_some() {
            command.env("SSH_AUTH_SOCK", self.path("agent"));
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).replace(self.path("").as_str(), "~/");
            let text = text.replace(&port.to_string(), "[port]");
            regex::Regex::new("SHA256:[A-Za-z0-9+/]+").unwrap().replace_all(&text, "[fingerprint]").into_owned()
        };
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    fn is_let_in(&self, options: &[&str]) {
        let (status, results, told) = self.goss(options, &[]);
        assert_eq!(status, 0, "{results}{told}");
        assert!(results.contains("Count: 2, Failed: 0"), "{results}");
    }

    #[track_caller]
    fn is_told(&self, options: &[&str]) -> String {
        let begin = Instant::now();
        let (status, results, told) = self.goss(options, &[]);
        assert_eq!((status, results.as_str()), (1, ""), "{told}");
        assert!(begin.elapsed() < Duration::from_secs(20), "it is told at once, not after the time for a login");
        told
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

#[test]
fn a_host_is_tested_with_a_key_that_is_named_and_results_come_in_every_form() {
    let user = User::who_knows();
    let key = user.has_key("key");
    user.is_let_in(&["--identity", key.as_str()]);
    for form in ["documentation", "json", "junit", "nagios", "prometheus", "rspecish", "structured", "tap"] {
        let (status, results, told) = user.goss(&["--identity", key.as_str()], &["-f", form]);
        assert_eq!(status, 0, "{form}: {told}");
        assert!(results.contains("/etc/passwd") || results.contains('2'), "{form}: {results}");
    }
    assert_eq!(user.goss(&["--identity", key.as_str()], &["-f", "silent"]), (0, String::new(), String::new()));
    std::fs::write(user.path("goss.yaml"), "file:\n  /no/such/file:\n    exists: true\n").unwrap();
    let (status, results, _) = user.goss(&["--identity", key.as_str()], &[]);
    assert!(status == 1 && results.contains("Failed: 1"), "{results}");
}

#[test]
fn a_host_is_tested_with_the_keys_of_the_agent() {
    let mut user = User::who_knows();
    let key = user.has_key("key");
    user.has_agent_with(&key);
    user.is_let_in(&[]);
}

#[test]
fn a_host_is_tested_with_a_key_that_lies_where_keys_usually_do() {
    let user = User::who_knows();
    user.has_key(".ssh/id_ed25519");
    user.is_let_in(&[]);
}

#[test]
fn a_host_may_be_known_by_a_hashed_name() {
    let user = User::who_knows();
    let key = user.has_key("key");
    let known = user.path(".ssh/known_hosts");
    let hashed = Command::new("ssh-keygen").args(["-H", "-f", known.as_str()]).output().unwrap();
    assert!(hashed.status.success());
    assert!(!std::fs::read_to_string(&known).unwrap().contains("127.0.0.1"));
    user.is_let_in(&["--identity", key.as_str()]);
}

#[test]
fn a_host_that_is_not_known_is_not_trusted() {
    let user = User::new();
    let key = user.has_key("key");
    assert_snapshot!(user.is_told(&["--identity", key.as_str()]), @"
    error: the host key of `[127.0.0.1]:[port]` is not known: it is not in `~/.ssh/known_hosts` or `/etc/ssh/ssh_known_hosts`
    hint: add its key, and compare the key's fingerprint with the machine's own (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there): `ssh-keyscan -p [port] 127.0.0.1 >> ~/.ssh/known_hosts`
    ");
    assert!(!user.path(".ssh/known_hosts").exists());
}

#[test]
fn a_host_that_shows_another_key_is_not_trusted() {
    let user = User::new();
    user.knows(&user.host_line(&KeyPair::generate().unwrap().public_line));
    let key = user.has_key("key");
    assert_snapshot!(user.is_told(&["--identity", key.as_str()]), @"
    error: the guest's host key is not the expected one: got ssh-ed25519 [fingerprint], expected ssh-ed25519 [fingerprint]
    hint: either the machine got a new key (then `ssh-keygen -R '[127.0.0.1]:[port]'`, and add the new one), or someone answers in its place
    ");
}

#[test]
fn a_host_whose_key_is_revoked_is_not_trusted() {
    let user = User::new();
    let line = user.host_line(&user.server_key());
    user.knows(&format!("{line}@revoked * {}\n", user.server_key()));
    let key = user.has_key("key");
    assert_snapshot!(user.is_told(&["--identity", key.as_str()]), @"
    error: every known host key of `[127.0.0.1]:[port]` is revoked
    hint: give it a new key, and write that into `~/.ssh/known_hosts` or `/etc/ssh/ssh_known_hosts`
    ");
}

#[test]
fn an_encrypted_key_is_for_an_agent() {
    let user = User::who_knows();
    let key = user.has_key("key");
    let locked = Command::new("ssh-keygen").args(["-q", "-p", "-N", "hunter2", "-f", key.as_str()]).output().unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    assert_snapshot!(user.is_told(&["--identity", key.as_str()]), @"
    error: the key `~/key` is encrypted
    hint: give it to an agent, and name no --identity: `eval $(ssh-agent); ssh-add ~/key`
    ");
}

#[test]
fn a_key_that_the_host_does_not_take_is_told_at_once() {
    let user = User::who_knows();
    std::fs::write(user.path("key"), KeyPair::generate().unwrap().private_text().unwrap()).unwrap();
    assert_snapshot!(user.is_told(&["--identity", user.path("key").as_str()]), @"
    error: no key of `root` was accepted (offered: `~/key`)
    hint: `ssh -p [port] root@127.0.0.1` must work without a question
    ");
}

#[test]
fn someone_without_a_key_is_told_how_to_have_one() {
    let user = User::who_knows();
    assert_snapshot!(user.is_told(&[]), @"
    error: there is no key to log in with at `127.0.0.1`
    hint: start an agent (`eval $(ssh-agent); ssh-add`), or name a key with --identity
    ");
    std::fs::write(user.path("key"), "this is no key").unwrap();
    assert_snapshot!(user.is_told(&["--identity", user.path("key").as_str()]), @"
    error: `~/key` is no private key that can be used: Could not read key
    hint: it takes the private half, as `ssh-keygen -t ed25519` writes it
    ");
}
