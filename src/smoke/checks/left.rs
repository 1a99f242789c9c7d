//! What was in the image and should not have been: identity, and what a build leaves.
//!
//! Something was in the image when it was last changed before the machine was first powered on, by the machine's own
//! clock: what is made at boot is younger. What lies in the machine's future was not made by it either, unless it was made
//! while the clock was still right.

use std::ops::RangeInclusive;

use super::facts::Facts;
use super::{Check, CheckResult, Outside, some};

/// Clocks of a machine show whole seconds when it starts, and are set right a little later.
const TOLERANCE: i64 = 5;
const NOT_OURS: &str = "the machine was not booted from the image for the test, so it may have this of its own";

/// From power-on to now: in the guest's seconds, and in true ones, which are others when the guest's clock is wrong.
struct Span {
    guests: RangeInclusive<i64>,
    real: RangeInclusive<i64>,
}

impl Span {
    fn of(facts: &Facts, outside: &Outside<'_>) -> Option<Self> {
        let now = facts.now?;
        let (power_on, real_now) = (outside.power_on.timestamp(), outside.now.timestamp());
        let ago = now.saturating_sub(real_now.saturating_sub(power_on));
        // After a reboot, the kernel's own time is later than what we ask for.
        let since = facts.btime.map_or(ago, |btime| btime.min(ago));
        let about = |from: i64, to: i64| from.saturating_sub(TOLERANCE)..=to.saturating_add(TOLERANCE);
        Some(Self { guests: about(since, now), real: about(power_on, real_now) })
    }

    fn lacks(&self, time: i64) -> bool {
        !self.guests.contains(&time) && !self.real.contains(&time)
    }
}

pub(super) fn baked_host_keys(facts: &Facts, outside: &Outside<'_>) -> CheckResult {
    const CHECK: Check = Check::BakedHostKeys;
    let span = match span(CHECK, facts, outside) {
        Ok(span) => span,
        Err(skipped) => return skipped,
    };
    let keys = facts.host_key_times.iter().filter(|(_, time)| span.lacks(**time));
    let keys: Vec<String> = keys.map(|(path, _)| path.clone()).collect();
    if keys.is_empty() {
        return CheckResult::passed(CHECK);
    }
    let message = format!("SSH host keys were in the image: {}", some(&keys));
    CheckResult::failed(CHECK, message)
        .hint("remove them at the end of the build, and let the first boot make new ones (cloud-init, or a unit with `ssh-keygen -A`)")
        .quote(keys)
}

pub(super) fn baked_machine_id(facts: &Facts, outside: &Outside<'_>) -> CheckResult {
    const CHECK: Check = Check::BakedMachineId;
    let span = match span(CHECK, facts, outside) {
        Ok(span) => span,
        Err(skipped) => return skipped,
    };
    let is_set = !facts.machine_id.is_empty() && facts.machine_id != "uninitialized";
    if is_set && facts.machine_id_time.is_some_and(|time| span.lacks(time)) {
        return CheckResult::failed(CHECK, format!("the machine id `{}` was in the image", facts.machine_id))
            .hint("empty `/etc/machine-id` at the end of the build: `: >/etc/machine-id`");
    }
    if facts.dbus_id_time.is_some_and(|time| span.lacks(time)) {
        return CheckResult::failed(CHECK, "D-Bus's copy of the machine id was in the image")
            .hint("make `/var/lib/dbus/machine-id` a link to `/etc/machine-id`");
    }
    CheckResult::passed(CHECK)
}

pub(super) fn residue(facts: &Facts, outside: &Outside<'_>) -> CheckResult {
    const CHECK: Check = Check::Residue;
    let span = match span(CHECK, facts, outside) {
        Ok(span) => span,
        Err(skipped) => return skipped,
    };
    if !facts.has_find {
        return CheckResult::skipped(CHECK, "the guest has no `find`");
    }
    let left: Vec<_> = facts.residue.iter().filter(|left| span.lacks(left.time)).collect();
    if left.is_empty() {
        return CheckResult::passed(CHECK);
    }
    let mut kinds: Vec<String> = left.iter().map(|left| left.id.clone()).collect();
    kinds.dedup();
    // One of each kind before a second of any.
    let mut rank = std::collections::BTreeMap::new();
    let mut lines: Vec<(usize, String)> = Vec::new();
    for file in left {
        let seen: &mut usize = rank.entry(&file.id).or_default();
        lines.push((*seen, format!("{}: {}", file.id, file.path)));
        *seen += 1;
    }
    lines.sort_by_key(|(rank, _)| *rank);
    let files = if lines.len() == 1 { "1 file".to_owned() } else { format!("{} files", lines.len()) };
    CheckResult::failed(CHECK, format!("the build left {files} in the image: {}", some(&kinds)))
        .hint(
            "`ovenbird build` removes them before it captures a disk; a step or another tool put them there afterwards",
        )
        .quote(lines.into_iter().map(|(_, line)| line))
}

fn span(check: Check, facts: &Facts, outside: &Outside<'_>) -> Result<Span, CheckResult> {
    if outside.our_key.is_none() {
        return Err(CheckResult::skipped(check, NOT_OURS));
    }
    if !facts.has_stat {
        return Err(CheckResult::skipped(check, "the guest has no `stat` that tells when files were changed"));
    }
    Span::of(facts, outside).ok_or_else(|| CheckResult::skipped(check, "the guest did not tell its time"))
}
