//! The user's own SSH client and the copy: files of the one-boot key and the pinned host key, and the command that takes them.
//!
//! The client works with the user's terminal, so it is started here, and not in a group of its own as other programs are.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::Command;

use super::super::ci::quoted;
use crate::context::{Cancelled, JobCtx};
use crate::guest::ssh::known_as;
use crate::journal::Resource;
use crate::journal::process::{Identity, TOKEN_VARIABLE};
use crate::platform::Login;

const SSH: &str = "ssh";

/// How to log in.
pub(super) struct Way {
    arguments: Vec<String>,
}

impl Way {
    /// Writes what the client needs into a private folder.
    ///
    /// # Errors
    /// The files can't be written.
    pub(super) fn prepare(login: &Login, folder: &Utf8Path) -> anyhow::Result<Self> {
        let (key, known_hosts) = (folder.join("key"), folder.join("known_hosts"));
        private(&key, &login.key)?;
        private(&known_hosts, &format!("{} {}\n", known_as(&login.host, login.port), login.host_key))?;
        Ok(Self { arguments: arguments(login, &key, &known_hosts) })
    }

    /// The command, quoted for a shell.
    pub(super) fn command(&self) -> String {
        let words = self.arguments.iter().map(|word| quoted(word));
        std::iter::once(SSH.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Hands the terminal to a shell in the guest. How that ends says nothing about the machine.
    ///
    /// # Errors
    /// The client can't be started, or the journal not be written.
    pub(super) async fn shell(&self, ctx: &JobCtx) -> anyhow::Result<()> {
        let pending = ctx.journal.intent(Resource::Program(SSH.to_owned()))?;
        let mut command = Command::new(SSH);
        command.args(&self.arguments).env(TOKEN_VARIABLE, ctx.journal.token()).kill_on_drop(true);
        let mut child = command.spawn().context("failed to start `ssh`")?;
        if let Some(identity) = child.id().and_then(Identity::of) {
            ctx.journal.started(&pending, identity)?;
        }
        let ended = tokio::select! {
            _ = child.wait() => Ok(()),
            () = ctx.cancel.cancelled() => {
                let _ = child.kill().await;
                Err(Cancelled.into())
            }
        };
        ctx.journal.done(pending)?;
        ended
    }
}

/// The user's own configuration may lead elsewhere, so none is read.
fn arguments(login: &Login, key: &Utf8Path, known_hosts: &Utf8Path) -> Vec<String> {
    let options = [
        format!("UserKnownHostsFile={known_hosts}"),
        "GlobalKnownHostsFile=none".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "IdentityAgent=none".to_owned(),
    ];
    let port = login.port.to_string();
    let first = ["-F", "none", "-i", key.as_str(), "-p", &port, "-l", &login.user].map(str::to_owned);
    let options = options.into_iter().flat_map(|option| ["-o".to_owned(), option]);
    first.into_iter().chain(options).chain(["--".to_owned(), login.host.clone()]).collect()
}

fn private(path: &Utf8PathBuf, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("failed to write `{path}`"))
}

/// Whether there is a client.
pub(super) fn has_ssh() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(SSH).is_file())
}

/// The command goes to standard output, for a person or a script to take.
pub(super) fn print(command: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{command}").context("failed to write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_knows_the_key_and_the_host_and_nothing_of_the_users_configuration() {
        let login = Login {
            host: "127.0.0.1".to_owned(),
            port: 4022,
            user: "root".to_owned(),
            key: String::new(),
            host_key: String::new(),
        };
        let way = Way { arguments: arguments(&login, "/a b/key".into(), "/a b/known_hosts".into()) };
        insta::assert_snapshot!(way.command(), @"ssh -F none -i '/a b/key' -p 4022 -l root -o 'UserKnownHostsFile=/a b/known_hosts' -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o IdentityAgent=none -- 127.0.0.1");
    }
}
