//! Two looks compared: at one machine before and after a reboot, and at two copies of one image. And a look at a copy with
//! a larger disk.

use super::facts::Facts;
use super::{Check, CheckResult, room, some};

/// Whether a machine kept over a reboot what others know it by.
#[must_use]
pub fn same_after_reboot(before: &Facts, after: &Facts) -> CheckResult {
    const CHECK: Check = Check::IdentityKept;
    if !before.boot_id.is_empty() && before.boot_id == after.boot_id {
        return CheckResult::failed(CHECK, "the machine has the boot id of before: it did not reboot")
            .hint("is `/proc/sys/kernel/random/boot_id` the kernel's own?");
    }
    let mut changed = Vec::new();
    if before.machine_id != after.machine_id {
        changed.push(("machine id", &before.machine_id, &after.machine_id));
    }
    let keys = |facts: &Facts| facts.host_keys.iter().cloned().collect::<Vec<_>>().join(", ");
    let (keys_before, keys_after) = (keys(before), keys(after));
    if !before.host_keys.is_subset(&after.host_keys) {
        changed.push(("SSH host keys", &keys_before, &keys_after));
    }
    if before.hostname != after.hostname {
        changed.push(("hostname", &before.hostname, &after.hostname));
    }
    if changed.is_empty() {
        return CheckResult::passed(CHECK);
    }
    let names = changed.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
    let lines = changed
        .iter()
        .flat_map(|(name, before, after)| [format!("{name} before: {before}"), format!("{name} after: {after}")]);
    CheckResult::failed(CHECK, format!("a reboot changed the machine's {names}"))
        .hint("what makes them at boot must do so once, and must write them to the disk")
        .quote(lines)
}

/// Whether two copies of one image are two machines.
#[must_use]
pub fn differ(one: &Facts, other: &Facts) -> Vec<CheckResult> {
    vec![machine_ids(one, other), host_keys(one, other), hostnames(one, other), seeds(one, other)]
}

/// Whether the root file system took the room of a disk of this size, which is larger than the image's.
#[must_use]
pub fn grown(facts: &Facts, disk_bytes: u64) -> CheckResult {
    room::root_grown(facts, disk_bytes)
}

fn machine_ids(one: &Facts, other: &Facts) -> CheckResult {
    const CHECK: Check = Check::UniqueMachineId;
    if one.machine_id.is_empty() && other.machine_id.is_empty() {
        return CheckResult::skipped(CHECK, "the image uses no machine id");
    }
    if one.machine_id != other.machine_id {
        return CheckResult::passed(CHECK);
    }
    CheckResult::failed(CHECK, format!("two copies of the image have the machine id `{}`", one.machine_id))
        .hint("empty `/etc/machine-id` at the end of the build: DHCP servers take machines with one id for one machine")
}

fn host_keys(one: &Facts, other: &Facts) -> CheckResult {
    const CHECK: Check = Check::UniqueHostKeys;
    if one.host_keys.is_empty() || other.host_keys.is_empty() {
        return CheckResult::skipped(CHECK, "the image keeps no SSH host key where one is looked for");
    }
    let same: Vec<String> = one.host_keys.intersection(&other.host_keys).cloned().collect();
    if same.is_empty() {
        return CheckResult::passed(CHECK);
    }
    CheckResult::failed(CHECK, "two copies of the image have the same SSH host keys")
        .hint("remove them at the end of the build: whoever has the image can pose as any machine of it")
        .quote(same)
}

/// Only a warning: a copy that nothing gives a name to keeps the image's, and nothing may have given it one.
fn hostnames(one: &Facts, other: &Facts) -> CheckResult {
    const CHECK: Check = Check::UniqueHostname;
    if one.hostname.is_empty() && other.hostname.is_empty() {
        return CheckResult::skipped(CHECK, "the guests did not tell their names");
    }
    if one.hostname != other.hostname {
        return CheckResult::passed(CHECK);
    }
    CheckResult::warned(CHECK, format!("two copies of the image are both called `{}`", one.hostname)).hint(
        "cloud-init or a DHCP client can set the name that the network gives; waive the check when one name for all is meant",
    )
}

fn seeds(one: &Facts, other: &Facts) -> CheckResult {
    const CHECK: Check = Check::UniqueRandomSeed;
    let shared: Vec<_> = one.seeds.iter().filter_map(|(file, sum)| Some((file, sum, other.seeds.get(file)?))).collect();
    if shared.is_empty() {
        return CheckResult::skipped(CHECK, "the image has no random seed file");
    }
    let same: Vec<String> = shared.iter().filter(|(_, a, b)| a == b).map(|(file, ..)| (*file).clone()).collect();
    if same.is_empty() {
        return CheckResult::passed(CHECK);
    }
    CheckResult::failed(CHECK, format!("two copies of the image have the same random seed: {}", some(&same)))
        .hint("remove it at the end of the build: machines that start with one seed may make one and the same key")
}
