//! Judges what was found: every check of one boot, but those that the engine makes itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::facts::Facts;
use super::{CheckResult, access, boot, console, left, room};

/// What is known of a machine besides what it says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Outside<'a> {
    /// Everything on the console; empty for a machine that we did not boot.
    pub console: &'a str,
    /// The base64 part of the public key that we logged in with; none for a machine that we did not boot.
    pub our_key: Option<&'a str>,
    pub declared_ports: &'a BTreeSet<u16>,
    /// When [`super::look`] returned.
    pub now: DateTime<Utc>,
    /// When this copy of the image was powered on for the first time: not when it was rebooted.
    pub power_on: DateTime<Utc>,
}

/// Every check of one boot, passed ones too, in the order of reports; `Boots`, `BootTime` and `ImageUnchanged` are not
/// among them.
#[must_use]
pub fn judge(facts: &Facts, outside: &Outside<'_>) -> Vec<CheckResult> {
    let mut results = vec![boot::target_reached(facts), boot::failed_units(facts)];
    results.extend(console::judge_logs(&[outside.console, &facts.kernel], &facts.cycles));
    results.extend([
        room::disk_full(facts),
        boot::clock(facts, outside),
        left::baked_host_keys(facts, outside),
        left::baked_machine_id(facts, outside),
        access::leftover_keys(facts, outside),
        left::residue(facts, outside),
        access::root_password(facts),
        access::undeclared_ports(facts, outside),
    ]);
    results
}

#[cfg(test)]
mod tests;
