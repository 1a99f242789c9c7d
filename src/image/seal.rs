//! Removing a build's residue inside the guest: one shell script, made from the table of [`residue`](super::residue).
//!
//! The script is the whole truth about *how* (`seal.sh`); this file hands it over and reads what it reports. The guest
//! is hostile: its report only becomes log lines and the list of paths that [`inspect`](super::inspect()) looks for.
//! Whether the residue is gone, and stays gone while the machine goes down, is decided on the finished disk.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, bail};

use super::residue::{Action, RESOLVER_MARKS, SHIELDED, Special, TABLE};
use crate::context::{Explained, JobCtx, clean_line};
use crate::event::{Failure, Stream};
use crate::guest::{Captured, Command, Guest};

/// Removing files and trimming a disk takes seconds, minutes without KVM.
const DEADLINE: Duration = Duration::from_mins(10);

/// The longest list of removed paths that is believed.
const MOST_PATHS: usize = 1000;

const SCRIPT: &str = include_str!("seal.sh");

/// What the build brought into the guest.
#[derive(Clone, Debug)]
pub struct SealPlan {
    /// The build's public key, as in `authorized_keys`: type, key and comment.
    pub public_key: String,
    /// The user that the build logged in as.
    pub user: String,
    /// Texts that no file below `/etc` may hold afterwards: the build's mirror and proxy, where they are not what the
    /// image itself is meant to use.
    pub traces: Vec<String>,
}

/// What was removed: what the finished disk must not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The key itself, without type and comment.
    pub key: String,
    pub traces: Vec<String>,
    /// Paths that the bootstrap put there for the build's sake.
    pub removed: Vec<String>,
}

/// Removes the residue, gives freed space back, and says what was removed. The machine must be shut down afterwards.
///
/// # Errors
/// The connection failed, the job is cancelled, or nothing would make new host keys.
pub async fn seal(ctx: &JobCtx, guest: &dyn Guest, plan: &SealPlan) -> anyhow::Result<Sealed> {
    let key = key(&plan.public_key)?;
    let command = Command::new(script(key, user(&plan.user)?));
    let captured = tokio::time::timeout(DEADLINE, guest.capture(&command, &ctx.cancel))
        .await
        .with_context(|| format!("the guest did not remove the build's residue within {} s", DEADLINE.as_secs()))?
        .context("failed to remove the build's residue")?;
    let report = Report::read(&captured.stdout);
    report.log(ctx).await;
    report.judge(&captured)?;
    Ok(Sealed { key: key.to_owned(), traces: plan.traces.clone(), removed: report.gone })
}

/// The base64 part of a public key.
fn key(public_key: &str) -> anyhow::Result<&str> {
    let key = public_key.split_ascii_whitespace().nth(1).unwrap_or_default();
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    // It goes into a shell script.
    if key.len() < 16 || !key.bytes().all(base64) {
        bail!("the build's public key is malformed");
    }
    Ok(key)
}

/// A user's name, which goes into a shell script too.
fn user(name: &str) -> anyhow::Result<&str> {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if name.is_empty() || !name.chars().all(plain) {
        bail!("`{}` is no name of a user", clean_line(name.as_bytes()));
    }
    Ok(name)
}

/// The script for the guest.
fn script(key: &str, user: &str) -> String {
    let mut table = String::new();
    for row in TABLE {
        let action = match row.action {
            Action::Delete => "delete",
            Action::Empty => "empty",
            Action::Truncate => "truncate",
            Action::Special(Special::BuildKey) => "build_key",
            Action::Special(Special::ResolvConf) => "resolver",
            Action::Special(Special::MachineId) => "machine_id",
            Action::Special(Special::DbusMachineId) => "dbus_machine_id",
        };
        // The key may be where no pattern looks, and an empty machine id has to be made where there is none.
        let patterns: Vec<_> = match row.action {
            Action::Special(Special::BuildKey | Special::MachineId) => vec!["'/'".to_owned()],
            _ => row.paths.iter().map(|path| format!("'{path}'")).collect(),
        };
        let condition = row.when.unwrap_or_default();
        let _ = writeln!(table, "residue {} {action} '{condition}' {}", row.id, patterns.join(" "));
    }
    let shields = format!("shield {}\n", SHIELDED.join(" "));
    let values = format!("key='{key}'\nuser='{user}'\nresolver_marks='{}'\n", RESOLVER_MARKS.join("\n"));
    values + &SCRIPT.replace("# TABLE\n", &table).replace("# SHIELDS\n", &shields)
}

/// What the script said.
#[derive(Debug, Default)]
struct Report {
    removed: Vec<(String, String)>,
    skipped: Vec<String>,
    gone: Vec<String>,
    failed: Vec<(String, String)>,
    untrimmed: bool,
    finished: bool,
}

impl Report {
    fn read(output: &[u8]) -> Self {
        let mut report = Self::default();
        for line in output.split(|byte| *byte == b'\n') {
            let line = clean_line(line);
            let mut fields = line.splitn(4, '\t');
            if fields.next() != Some("ovenbird-seal") {
                continue;
            }
            let (Some(kind), Some(id), Some(text)) = (fields.next(), fields.next(), fields.next()) else { continue };
            match kind {
                "removed" => report.removed.push((id.to_owned(), text.to_owned())),
                "skipped" => report.skipped.push(text.to_owned()),
                "gone" if report.gone.len() < MOST_PATHS => report.gone.push(text.to_owned()),
                "failed" => report.failed.push((id.to_owned(), text.to_owned())),
                "untrimmed" => report.untrimmed = true,
                "finished" => report.finished = true,
                _ => {}
            }
        }
        report
    }

    /// One line a kind of residue.
    async fn log(&self, ctx: &JobCtx) {
        for (id, count) in &self.removed {
            let what = TABLE.iter().find(|row| row.id == id).map_or("residue", |row| row.what);
            let line = format!("removed {what} ({count})");
            ctx.events.output(None, Stream::Tool, line.as_bytes()).await;
        }
        for path in &self.skipped {
            let line = format!("left alone, because a folder above is a symbolic link: {path}");
            ctx.events.output(None, Stream::Tool, line.as_bytes()).await;
        }
        if self.untrimmed {
            let line = "the guest can't give freed space back (no `fstrim`), so the image is larger than it could be";
            ctx.events.output(None, Stream::Tool, line.as_bytes()).await;
        }
    }

    /// Fails unless the script did all its work.
    fn judge(&self, captured: &Captured) -> anyhow::Result<()> {
        if let Some((_, path)) = self.failed.iter().find(|(id, _)| id == "host-keys") {
            bail!(no_new_host_keys(path));
        }
        if let Some((id, path)) = self.failed.first() {
            bail!("failed to remove the build's residue: {id} of `{path}`");
        }
        if !self.finished || !captured.exit.is_success() {
            let excerpt = captured.stderr.split(|byte| *byte == b'\n').map(clean_line);
            let mut excerpt: Vec<_> = excerpt.filter(|line| !line.is_empty()).collect();
            excerpt.drain(..excerpt.len().saturating_sub(20));
            let message = format!("the script that removes the build's residue failed: {}", captured.exit);
            bail!(Explained(Failure { excerpt, ..Failure::new(message) }));
        }
        Ok(())
    }
}

fn no_new_host_keys(path: &str) -> Explained {
    Explained(Failure {
        hint: Some(
            "keep cloud-init, or add a unit that runs `ssh-keygen -A` before the SSH server starts; without one, \
             machines of this image would either share a key or have no SSH server"
                .to_owned(),
        ),
        ..Failure::new(format!("nothing in the image makes new SSH host keys, so `{path}` can't be removed"))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::guest::Exit;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBuildKeyBuildKey build";

    #[test]
    fn the_script_is_sound_and_names_every_row_of_the_table() {
        let script = script(key(KEY).unwrap(), "root");
        for row in TABLE {
            assert!(script.contains(&format!("\nresidue {} ", row.id)), "{}", row.id);
        }
        assert!(!script.contains("# TABLE") && !script.contains("# SHIELDS"));
        let status = std::process::Command::new("sh").args(["-n", "-c", &script]).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn a_public_key_that_is_not_base64_never_reaches_the_script() {
        assert!(key("ssh-ed25519 AAAA';reboot;'AAAAAAAAAAAA").is_err());
        assert!(key("ssh-ed25519").is_err());
        assert!(user("root;reboot").is_err());
    }

    fn judged(stdout: &str, exit: Exit) -> String {
        let captured = Captured { exit, stdout: stdout.into(), stderr: b"sh: find: not found\n".to_vec() };
        let error = Report::read(&captured.stdout).judge(&captured).unwrap_err();
        crate::context::failure_of(&error).message
    }

    #[test]
    fn a_guest_that_would_lose_its_host_keys_is_refused() {
        assert_eq!(
            judged("ovenbird-seal\tfailed\thost-keys\t/etc/ssh/ssh_host_rsa_key\n", Exit::Code(1)),
            "nothing in the image makes new SSH host keys, so `/etc/ssh/ssh_host_rsa_key` can't be removed"
        );
    }

    #[test]
    fn a_script_that_ends_early_has_not_sealed() {
        assert_eq!(
            judged("ovenbird-seal\tremoved\tlogs\t3\n", Exit::Code(0)),
            "the script that removes the build's residue failed: exit status 0"
        );
    }
}
