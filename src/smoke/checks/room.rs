//! Whether the root file system has room, and took that of a larger disk.

use super::facts::{Device, DeviceKind, Facts, Room};
use super::{Check, CheckResult};

/// Below, logs and package lists fill the disk within days.
const LEAST_FREE: u64 = 16 * MEBIBYTE;
const LEAST_PERCENT: u64 = 5;
/// What a file system must take of its device: ext4 needs up to 8 % for itself.
const FILLED_PERCENT: u64 = 90;
/// What may lie between and behind partitions: alignment, GPT's copy, a boot loader's gap.
const LEFT_OVER: u64 = 128 * MEBIBYTE;
const MEBIBYTE: u64 = 1024 * 1024;

pub(super) fn disk_full(facts: &Facts) -> CheckResult {
    const CHECK: Check = Check::DiskFull;
    if is_read_only_by_nature(&facts.root_type) {
        return CheckResult::skipped(CHECK, format!("`{}` is always full", facts.root_type));
    }
    let Some(room) = facts.room else {
        return CheckResult::skipped(CHECK, "the guest did not tell how full its root file system is");
    };
    let free = format!("{} of {}", size(room.free), size(room.total));
    if room.free < LEAST_FREE || percent(room.free, room.total) < LEAST_PERCENT {
        return CheckResult::failed(CHECK, format!("the root file system is full: {free} are free"))
            .hint("raise `disk-size:`, or remove in a step what is large: `du -x -d 2 /` tells");
    }
    if room.inodes == Some(0) {
        return CheckResult::failed(CHECK, format!("the root file system has no inodes left, though {free} are free"))
            .hint("some folder has very many small files: remove them in a step");
    }
    CheckResult::passed(CHECK)
}

/// Whether the root file system grew with its disk: it fills its device, and partitions fill the disk.
pub(super) fn root_grown(facts: &Facts, disk_bytes: u64) -> CheckResult {
    const CHECK: Check = Check::RootGrown;
    if is_read_only_by_nature(&facts.root_type) {
        return CheckResult::skipped(CHECK, format!("`{}` does not grow", facts.root_type));
    }
    let Some((room, device)) = facts.room.zip(facts.devices.first()) else {
        return CheckResult::skipped(CHECK, "the guest did not tell which disk its root file system is on");
    };
    if facts.devices.iter().any(|device| device.kind == DeviceKind::Several) {
        return CheckResult::skipped(CHECK, "the root file system is on several disks");
    }
    match short(&room, device, &facts.devices, disk_bytes) {
        None => CheckResult::passed(CHECK),
        Some(message) => CheckResult::failed(CHECK, message).hint(
            "let the image grow at boot: cloud-init with `cloud-guest-utils`, `systemd-growfs` with `systemd-repart`, or a \
             unit that runs `growpart` and `resize2fs`",
        ),
    }
}

/// What stayed too small, from the disk up.
fn short(room: &Room, first: &Device, devices: &[Device], disk_bytes: u64) -> Option<String> {
    if percent(room.total, disk_bytes) >= FILLED_PERCENT && unpartitioned(devices, disk_bytes) <= LEFT_OVER {
        return None;
    }
    let left = unpartitioned(devices, disk_bytes);
    if left > LEFT_OVER {
        return Some(format!("{} of the {} disk are in no partition", size(left), size(disk_bytes)));
    }
    let pairs = devices.windows(2).filter(|pair| pair[0].kind == DeviceKind::Mapped);
    let mut volumes = pairs.filter(|pair| percent(pair[0].bytes, pair[1].bytes) < FILLED_PERCENT);
    if let Some([volume, below]) = volumes.next() {
        let sizes = (size(volume.bytes), size(below.bytes));
        return Some(format!("`{}` takes {} of the {} of `{}`", volume.name, sizes.0, sizes.1, below.name));
    }
    let filled = percent(room.total, first.bytes) >= FILLED_PERCENT;
    let sizes = (size(room.total), size(first.bytes));
    (!filled).then(|| format!("the root file system takes {} of the {} of `{}`", sizes.0, sizes.1, first.name))
}

/// What of the disk no partition has; a disk without any has none to have it.
fn unpartitioned(devices: &[Device], disk_bytes: u64) -> u64 {
    let of = |kind| devices.iter().find(|device| device.kind == kind).map(|device| device.bytes);
    of(DeviceKind::Partitions).or(of(DeviceKind::Disk)).map_or(0, |taken| disk_bytes.saturating_sub(taken))
}

fn is_read_only_by_nature(kind: &str) -> bool {
    matches!(kind, "squashfs" | "erofs" | "iso9660" | "cramfs" | "romfs")
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

/// A size for people, in whole mebibytes or tenths of a gibibyte.
fn size(bytes: u64) -> String {
    match bytes / MEBIBYTE {
        small @ ..1024 => format!("{small} MiB"),
        large => format!("{}.{} GiB", large / 1024, large % 1024 * 10 / 1024),
    }
}
