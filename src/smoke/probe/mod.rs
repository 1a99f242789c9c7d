//! Looks at a machine: everything that a spec asks, agentless, in few round trips.
//!
//! ```text
//! facts     which requests a resource needs, and which property is which part of an answer
//! ask       one script, all requests on its input, framed answers (frames)       probe.sh, resolve.sh
//! files accounts packages services system network     the types that the script is asked for
//! lanes     `command`, one after the other in some shells side by side           lane.sh
//! command   `dns`, and the commands that a lane can't tell, each on its own      dns, dns.sh: with a `server`
//! http      `http` and `addr`, by connections of the guest                       tls; udp: by its routes
//! ```
//!
//! **Round trips.** One for all files, packages, services, accounts, ports, mounts and so on; at most five at a time for
//! all commands; one for each lookup and address. The script needs a POSIX shell, `cat`, `ls`, `grep` and `head`; the rest is read from
//! `/proc` and the package databases, or by tools of the system that is asked about. The machine is hostile: what it
//! sends is bounded, and what is malformed is that property's error.
//!
//! **Differences from goss 0.4.9.** What is neither a regular file nor a folder is not read (goss hangs on a pipe);
//! files, output and bodies of more than 10 MiB are errors; processes of the probe itself do not run; `http` sends no
//! `Accept-Encoding`; a command that a signal ends, or that ends the shell above it, is run twice; of a lookup with a `server`, an answer that was cut off is asked for again by TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use self::facts::{Facts, Property};
use super::finding::{Findings, Found};
use super::spec::{Kind, Resource, Spec};
use crate::guest::{Guest, GuestError};

mod accounts;
pub(super) mod ask;
mod command;
mod dns;
mod facts;
mod files;
pub(super) mod frames;
mod http;
mod lanes;
mod network;
mod packages;
mod services;
mod settings;
mod system;
mod tls;
mod udp;

/// Commands, lookups and connections at a time: an SSH connection takes eight commands, and one ends another.
const AT_A_TIME: usize = 6;

/// The answers to one resource, by property.
pub type Answers = BTreeMap<&'static str, Found>;

/// Whether a resource is as it should be: what is not is looked at again, where it says `retry_count`.
pub type Satisfied<'a> = &'a (dyn Fn(&Resource, &Answers) -> bool + Send + Sync);

/// Looks once, whatever `retry_count` says.
///
/// # Errors
/// The connection failed, or `cancel` fired. What can't be known of a resource is an error in the findings.
pub async fn probe(guest: &dyn Guest, spec: &Spec, cancel: &CancellationToken) -> Result<Findings, GuestError> {
    probe_until(guest, spec, &|_, _| true, cancel).await
}

/// Looks, and again at each resource with a `retry_count` until it is `satisfied` or its attempts are used up.
///
/// # Errors
/// As [`probe`].
pub async fn probe_until(
    guest: &dyn Guest,
    spec: &Spec,
    satisfied: Satisfied<'_>,
    cancel: &CancellationToken,
) -> Result<Findings, GuestError> {
    let wanted = |resource: &&Resource| !resource.skip && resource.kind != Kind::Matching;
    let asked: Vec<&Resource> = spec.resources.iter().filter(wanted).collect();
    let commands = spec.resources.iter().enumerate().filter(|(_, one)| wanted(one) && one.kind == Kind::Command);
    let commands = lanes::run(guest, commands.collect(), cancel);
    let (facts, mut ran) = tokio::try_join!(gather(guest, &asked, cancel), commands)?;
    let indexed = spec.resources.iter().enumerate().filter(|(_, resource)| wanted(resource));
    let looks = indexed.map(|(index, resource)| {
        let facts = &facts;
        let first = ran.remove(&index).map(|ran| command_answers(resource, &ran));
        async move { Ok((index, look_until(guest, resource, facts, first, satisfied, cancel).await?)) }
    });
    let found: Vec<(usize, Answers)> = stream::iter(looks).buffer_unordered(AT_A_TIME).try_collect().await?;
    let flat = found
        .into_iter()
        .flat_map(|(index, answers)| answers.into_iter().map(move |(property, found)| ((index, property), found)));
    Ok(Findings { found: flat.collect() })
}

/// Asks the script for all that some resources need; the same thing is asked once.
async fn gather(guest: &dyn Guest, resources: &[&Resource], cancel: &CancellationToken) -> Result<Facts, GuestError> {
    let mut seen = BTreeSet::new();
    let requests = resources.iter().flat_map(|resource| facts::requests(resource));
    let requests: Vec<_> = requests.filter(|request| seen.insert(request.clone())).collect();
    let answers = ask::ask(guest, &requests, cancel).await?;
    Ok(Facts { answers: requests.into_iter().zip(answers).collect() })
}

async fn look_until(
    guest: &dyn Guest,
    resource: &Resource,
    facts: &Facts,
    first: Option<Answers>,
    satisfied: Satisfied<'_>,
    cancel: &CancellationToken,
) -> Result<Answers, GuestError> {
    let mut answers = match first {
        Some(answers) => answers,
        None => look(guest, resource, facts, cancel).await?,
    };
    let (count, delay) = settings::retries(resource);
    for _ in 0..count {
        if satisfied(resource, &answers) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = cancel.cancelled() => return Err(GuestError::Cancelled),
        }
        let facts = gather(guest, &[resource], cancel).await?;
        answers = look(guest, resource, &facts, cancel).await?;
    }
    Ok(answers)
}

/// What is asserted of a command that has run in a lane.
fn command_answers(resource: &Resource, ran: &lanes::Ran) -> Answers {
    let property = |name| ran.ended.as_ref().map_err(Clone::clone)?.property(name);
    stamp(resource, ran.started, ran.took, property)
}

/// Everything that a resource asserts.
async fn look(
    guest: &dyn Guest,
    resource: &Resource,
    facts: &Facts,
    cancel: &CancellationToken,
) -> Result<Answers, GuestError> {
    let clock = Clock { started: Utc::now(), since: Instant::now() };
    match resource.kind {
        Kind::Command => {
            let ended = command::command(guest, resource, cancel).await?;
            let property = |name| ended.as_ref().map_err(Clone::clone)?.property(name);
            Ok(clock.stamp(resource, property))
        }
        Kind::Dns => {
            let addresses = command::resolve(guest, resource, cancel).await?;
            Ok(clock.stamp(resource, |name| command::resolved(&addresses, name)))
        }
        Kind::Http => {
            let got = unless_cancelled(http::fetch(guest, resource, facts), cancel).await?;
            Ok(clock.stamp(resource, |name| got.as_ref().map_err(Clone::clone)?.property(name)))
        }
        Kind::Addr => {
            let reachable = http::reachable(guest, resource, cancel).await?;
            let property = |name: &str| match name {
                "reachable" => facts::value(reachable.clone()?),
                other => facts::unknown(other),
            };
            Ok(clock.stamp(resource, property))
        }
        _ => {
            let last = facts::requests(resource).pop().and_then(|request| facts.answers.get(&request));
            let (started, took) = last.map_or((clock.started, Duration::ZERO), |answer| (answer.started, answer.took));
            Ok(stamp(resource, started, took, |name| facts::property(resource, name, facts)))
        }
    }
}

async fn unless_cancelled<T>(work: impl Future<Output = T>, cancel: &CancellationToken) -> Result<T, GuestError> {
    tokio::select! {
        done = work => Ok(done),
        () = cancel.cancelled() => Err(GuestError::Cancelled),
    }
}

struct Clock {
    started: DateTime<Utc>,
    since: Instant,
}

impl Clock {
    fn stamp(&self, resource: &Resource, property: impl Fn(&'static str) -> Property) -> Answers {
        stamp(resource, self.started, self.since.elapsed(), property)
    }
}

fn stamp(
    resource: &Resource,
    started: DateTime<Utc>,
    took: Duration,
    property: impl Fn(&'static str) -> Property,
) -> Answers {
    let names = resource.assertions.iter().map(|assertion| assertion.property);
    names.map(|name| (name, Found { actual: property(name), started, took })).collect()
}
