//! `command`: what it prints, how it ends, and that it ends; and `dns`, by the machine's own resolver or a `server`.
//!
//! Each runs on its own: a command that hangs, floods or kills its shell takes no other check with it.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::ask::LONGEST_FILE;
use super::facts::{Property, unknown, value};
use super::{dns, settings};
use crate::event::Stream;
use crate::guest::{Chunk, Command, Exit, Guest, GuestError};
use crate::smoke::finding::Actual;
use crate::smoke::spec::Resource;

/// What is printed before a command begins: what a login shell says is not the command's, and the time until then is not
/// the command's either. An emulated machine under load needs seconds to start a shell.
const MARK: &str = "\novenbird-begins-5b0c4f1e\n";
/// The longest that a command may take to begin.
pub(super) const BEGIN: Duration = Duration::from_secs(30);
/// How often a command is started that the machine does not begin.
const ATTEMPTS: usize = 3;
const RESOLVE: &str = include_str!("resolve.sh");

/// How a command ended.
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    has_begun: bool,
}

#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    cut: bool,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) {
        let room = LONGEST_FILE - self.bytes.len();
        self.cut |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Drops everything up to the end of a mark; false when there is none.
    fn begin(&mut self, mark: &str) -> bool {
        // What a login shell says is not longer.
        let Some(at) = self.bytes[..self.bytes.len().min(64 * 1024)]
            .windows(mark.len())
            .position(|window| window == mark.as_bytes())
        else {
            return false;
        };
        self.bytes.drain(..at + mark.len());
        true
    }

    fn read(&self, name: &str) -> Property {
        if self.cut {
            return Err(format!(
                "{name} is larger than {} MiB, which is the most that is read",
                LONGEST_FILE / 1024 / 1024
            ));
        }
        Ok(Actual::Reader(String::from_utf8_lossy(&self.bytes).into_owned()))
    }
}

/// Runs a command for at most `timeout`; what it leaves behind is ended with it. None when it took longer.
pub(super) async fn run(
    guest: &dyn Guest,
    command: &Command,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Option<Ended>, GuestError> {
    run_from(guest, command, "", timeout, cancel).await
}

/// [`run`], of which time and output count from a mark in the output. An empty one is there at once: such a command may be
/// run twice. A server under load may close a channel that it has just opened; then it is tried again.
async fn run_from(
    guest: &dyn Guest,
    command: &Command,
    mark: &str,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Option<Ended>, GuestError> {
    for _ in 1..ATTEMPTS {
        let ended = run_once(guest, command, mark, timeout, cancel).await?;
        let is_lost = |ended: &Ended| ended.exit == Exit::Missing && (mark.is_empty() || !ended.has_begun);
        if !ended.as_ref().is_some_and(is_lost) {
            return Ok(ended);
        }
    }
    run_once(guest, command, mark, timeout, cancel).await
}

async fn run_once(
    guest: &dyn Guest,
    command: &Command,
    mark: &str,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Option<Ended>, GuestError> {
    let begins = Notify::new();
    let child = cancel.child_token();
    let (sender, mut receiver) = mpsc::channel::<Chunk>(64);
    let collect = async {
        let (mut stdout, mut stderr) = (Output::default(), Output::default());
        let mut has_begun = mark.is_empty();
        while let Some(chunk) = receiver.recv().await {
            let sink = if chunk.stream == Stream::Stderr { &mut stderr } else { &mut stdout };
            sink.add(&chunk.bytes);
            if !has_begun && stdout.begin(mark) {
                has_begun = true;
                begins.notify_one();
            }
        }
        (stdout, stderr, has_begun)
    };
    let both = async { tokio::join!(guest.exec(command, sender, &child), collect) };
    tokio::pin!(both);
    let patience = async {
        if !mark.is_empty() {
            let _ = tokio::time::timeout(BEGIN, begins.notified()).await;
        }
        tokio::time::sleep(timeout).await;
    };
    let (exit, (stdout, stderr, has_begun)) = tokio::select! {
        ended = &mut both => ended,
        () = patience => {
            child.cancel();
            return match both.await.0 {
                Ok(_) => Ok(None),
                Err(GuestError::Cancelled) if !cancel.is_cancelled() => Ok(None),
                Err(error) => Err(error),
            };
        }
    };
    Ok(Some(Ended { exit: exit?, stdout, stderr, has_begun }))
}

/// Runs what a `command` resource asks, alone.
pub(super) async fn command(
    guest: &dyn Guest,
    resource: &Resource,
    cancel: &CancellationToken,
) -> Result<Result<Ended, String>, GuestError> {
    let timeout = timeout(resource);
    let text = resource.object().replace('\'', r"'\''");
    let script = format!("printf '{}'; exec sh -c '{text}' </dev/null", MARK.replace('\n', r"\n"));
    let ended = run_from(guest, &Command::new(script), MARK, timeout, cancel).await?;
    Ok(ended.ok_or_else(|| late(timeout)))
}

pub(super) fn timeout(resource: &Resource) -> Duration {
    settings::milliseconds(resource, "timeout", 10_000)
}

/// What is said of a command that did not end in time.
pub(super) fn late(timeout: Duration) -> String {
    format!("Command execution timed out ({})", settings::go(timeout))
}

impl Ended {
    /// One that ended by itself.
    pub(super) fn of(status: u32, stdout: &[u8], stderr: &[u8]) -> Self {
        let output = |bytes| {
            let mut output = Output::default();
            output.add(bytes);
            output
        };
        Self { exit: Exit::Code(status), stdout: output(stdout), stderr: output(stderr), has_begun: true }
    }

    pub(super) fn property(&self, property: &str) -> Property {
        match (property, &self.exit) {
            (_, Exit::Missing) => Err(self.exit.to_string()),
            ("exit-status", Exit::Code(code)) => value(*code),
            // As Go has it.
            ("exit-status", Exit::Signal(_)) => value(-1),
            ("stdout", _) => self.stdout.read("stdout"),
            ("stderr", _) => self.stderr.read("stderr"),
            (other, _) => unknown(other),
        }
    }
}

/// Addresses of a name, sorted; none when it has none.
pub(super) async fn resolve(
    guest: &dyn Guest,
    resource: &Resource,
    cancel: &CancellationToken,
) -> Result<Result<Vec<String>, String>, GuestError> {
    // `A:name` without a server: goss looks up the name, whatever the type.
    let object = resource.object();
    let typed = object.split_once(':').filter(|(of, _)| !of.is_empty() && of.bytes().all(|b| b.is_ascii_uppercase()));
    let name = typed.map_or(object, |(_, name)| name);
    let timeout = settings::milliseconds(resource, "timeout", 500);
    match settings::text(resource, "server") {
        Some(server) => dns::look_up(guest, (typed.map(|(of, _)| of), name), server, timeout, cancel).await,
        None => names(guest, name, timeout, cancel).await,
    }
}

/// Addresses of a name by the machine's own resolver.
pub(super) async fn names(
    guest: &dyn Guest,
    name: &str,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Result<Vec<String>, String>, GuestError> {
    if name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace) {
        return Ok(Ok(Vec::new()));
    }
    if let Ok(address) = name.parse::<std::net::IpAddr>() {
        return Ok(Ok(vec![address.to_string()]));
    }
    let command = Command::new(RESOLVE).stdin(format!("{}\n", name.to_lowercase()));
    let Some(ended) = run(guest, &command, timeout + START, cancel).await? else {
        return Ok(Err(format!("DNS lookup timed out ({})", settings::go(timeout))));
    };
    if ended.exit == Exit::Code(3) {
        return Ok(Err("the machine has no `getent` and no `nslookup`, and the name is not in /etc/hosts".to_owned()));
    }
    if ended.exit == Exit::Missing {
        return Ok(Err(ended.exit.to_string()));
    }
    Ok(Ok(addresses(&String::from_utf8_lossy(&ended.stdout.bytes))))
}

/// A shell's own start is not the lookup's time: an emulated machine takes longer for it than goss grants.
pub(super) const START: Duration = Duration::from_secs(2);

/// One address a line; those of version 4 in the clothes of version 6 are `getent`'s invention.
fn addresses(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim().parse::<std::net::IpAddr>().ok());
    let real = lines.filter(|address| matches!(address.to_canonical(), same if same == *address));
    let unique: std::collections::BTreeSet<String> = real.map(|address| address.to_string()).collect();
    unique.into_iter().collect()
}

pub(super) fn resolved(addresses: &Result<Vec<String>, String>, property: &str) -> Property {
    let addresses = addresses.as_ref().map_err(Clone::clone)?;
    match property {
        "resolvable" | "resolveable" => value(!addresses.is_empty()),
        "addrs" => value(addresses.iter().cloned().map(Value::from).collect::<Vec<_>>()),
        other => unknown(other),
    }
}
