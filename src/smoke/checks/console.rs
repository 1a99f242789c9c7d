//! What a console and a kernel's log say that no healthy boot says.
//!
//! The patterns are of the kernel's and systemd's own sentences (kola's list, without what is about one distribution), as
//! narrow as they can be: a boot that works must never match. Each is tested against true consoles.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::{Check, CheckResult, CheckVerdict};
use crate::context::clean_line;

/// The checks of this file, in the order of reports.
pub(super) const CHECKS: [Check; 6] = [
    Check::KernelPanic,
    Check::KernelOops,
    Check::EmergencyShell,
    Check::OrderingCycle,
    Check::OutOfMemory,
    Check::FileSystemErrors,
];

/// A sentence, and whom it is about.
struct Pattern {
    check: Check,
    verdict: CheckVerdict,
    regex: &'static str,
}

const fn failed(check: Check, regex: &'static str) -> Pattern {
    Pattern { check, verdict: CheckVerdict::Failed, regex }
}

const fn warned(check: Check, regex: &'static str) -> Pattern {
    Pattern { check, verdict: CheckVerdict::Warned, regex }
}

/// The first that a line matches is what it says.
const PATTERNS: &[Pattern] = &[
    failed(Check::KernelPanic, r"Kernel panic - not syncing"),
    // A guest that is emulated or starved of processors says so of itself: no fault of the image.
    warned(Check::KernelOops, r"BUG: (soft|hard|workqueue) lockup|watchdog: .*hard LOCKUP|self-detected stall on CPU"),
    failed(
        Check::KernelOops,
        r"\bOops: |\bOops - |Internal error: Oops|\bBUG: (unable to handle|kernel NULL|scheduling while atomic|sleeping function|Bad |using |KASAN|KFENCE|non-zero|stack guard)|kernel BUG at |Unable to handle kernel ",
    ),
    // User processes are told of as `traps: name[1] general protection fault ip:…`.
    failed(Check::KernelOops, r"^[^:]*general protection fault(, probably|, maybe|: [0-9a-f]{4} \[#)"),
    warned(Check::KernelOops, r"WARNING: CPU: \d+ PID: \d+"),
    failed(
        Check::EmergencyShell,
        r"You are in (emergency|rescue) mode|Entering emergency mode|Reached target .*(emergency|rescue)\.target|Reached target (Emergency|Rescue) Mode|Started (emergency|rescue)\.service|Press Enter for (emergency|maintenance)|Give root password for maintenance|root account is locked\b|^\s*\(initramfs\)|^\s*dracut:/ ?#|Dropping to a shell!|Generating .*rdsosreport\.txt|dracut: Refusing to continue|can't access tty; job control turned off",
    ),
    failed(Check::OrderingCycle, r"[Ff]ound ordering cycle\b|to break ordering cycle\b|[Oo]rdering cycle found"),
    failed(
        Check::OutOfMemory,
        r"\binvoked oom-killer\b|Out of memory: Kill|Memory cgroup out of memory: Kill|\boom-kill:constraint=",
    ),
    // Drives without a medium in them.
    failed(Check::FileSystemErrors, r"(critical (medium|target)|I/O) error, dev (vd|sd|xvd|nvme|hd|mmcblk|dm-|md)"),
    failed(
        Check::FileSystemErrors,
        r"Buffer I/O error on dev(ice)? (vd|sd|xvd|nvme|hd|mmcblk|dm-|md)|rejecting I/O to offline device",
    ),
    failed(
        Check::FileSystemErrors,
        r"EXT[234]-fs error|EXT[234]-fs \([^)]*\): (error count since last fsck|warning: mounting fs with errors|Remounting filesystem read-only|Delayed block allocation failed|[^:]*I/O error|get root inode failed|VFS: Can't find)|JBD2: (Detected IO errors|Error)|Aborting journal on device",
    ),
    failed(
        Check::FileSystemErrors,
        r"XFS \([^)]*\): (Corruption|Metadata (corruption|CRC error|I/O)|Internal error|metadata I/O error|log I/O error|Unmount and run xfs_repair|.*(xfs_do_force_shutdown|shutting down filesystem|Filesystem has been shut down))|BTRFS:? (error|critical)|UNEXPECTED INCONSISTENCY",
    ),
];

static COMPILED: LazyLock<Vec<(Regex, &'static Pattern)>> = LazyLock::new(|| {
    let compile = |pattern: &'static Pattern| Some((Regex::new(pattern.regex).ok()?, pattern));
    PATTERNS.iter().filter_map(compile).collect()
});

/// The checks that need nothing but the console: of a machine that did not let us in.
#[must_use]
pub fn judge_console(console: &str) -> Vec<CheckResult> {
    judge_logs(&[console], &[])
}

/// The same of several logs, which may tell one thing twice. Of systemd's `cycles` it is known what they are.
pub(super) fn judge_logs(logs: &[&str], cycles: &[String]) -> Vec<CheckResult> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<(&Pattern, String)> = Vec::new();
    for line in logs.iter().flat_map(|log| log.lines()).chain(cycles.iter().map(String::as_str)) {
        let line = clean_line(line.as_bytes());
        let Some(pattern) = pattern_of(&line) else { continue };
        if found.len() < MOST_FOUND && seen.insert(without_time(&line).to_owned()) {
            found.push((pattern, line.trim().to_owned()));
        }
    }
    let nothing_said = logs.iter().all(|log| log.trim().is_empty());
    let judged = CHECKS.into_iter().map(|check| match result(check, &found) {
        CheckResult { verdict: CheckVerdict::Passed, .. } if nothing_said => {
            CheckResult::skipped(check, "neither the console nor the kernel's log said anything")
        }
        result => result,
    });
    judged.collect()
}

/// A guest that repeats itself with other numbers must not fill our memory.
const MOST_FOUND: usize = 10_000;

fn pattern_of(line: &str) -> Option<&'static Pattern> {
    let line = without_time(line);
    COMPILED.iter().find(|(regex, _)| regex.is_match(line)).map(|(_, pattern)| *pattern)
}

/// A line of the kernel's without `[   12.345678] ` or journalctl's `[   12.345678] host kernel: `.
fn without_time(line: &str) -> &str {
    static TIME: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\s*(<\d+>)?\[\s*\d+\.\d+\](\[\s*[TC]\d+\])? (\S+ kernel: )?").ok());
    let time = TIME.as_ref().and_then(|time| time.find(line));
    time.map_or(line, |time| &line[time.end()..]).trim_end()
}

fn result(check: Check, found: &[(&Pattern, String)]) -> CheckResult {
    let of_check: Vec<_> = found.iter().filter(|(pattern, _)| pattern.check == check).collect();
    let bad = of_check.iter().any(|(pattern, _)| pattern.verdict == CheckVerdict::Failed);
    let verdict = if bad { CheckVerdict::Failed } else { CheckVerdict::Warned };
    let told: Vec<&String> =
        of_check.iter().filter(|(pattern, _)| pattern.verdict == verdict).map(|(_, line)| line).collect();
    let Some(first) = told.first() else { return CheckResult::passed(check) };
    let message = format!("{}: {}", what(check, verdict), without_time(first));
    CheckResult::new(check, verdict, message).hint(hint(check)).quote(told.into_iter().map(String::as_str))
}

fn what(check: Check, verdict: CheckVerdict) -> &'static str {
    match (check, verdict) {
        (Check::KernelPanic, _) => "the kernel panicked",
        (Check::KernelOops, CheckVerdict::Warned) => "the kernel warned of itself",
        (Check::KernelOops, _) => "the kernel ran into a fault of its own",
        (Check::EmergencyShell, _) => "the boot ended in an emergency shell",
        (Check::OrderingCycle, _) => "units wait for each other in a circle, and systemd left one out",
        (Check::OutOfMemory, _) => "memory ran out, and the kernel killed a process",
        _ => "a file system or its disk reported errors",
    }
}

fn hint(check: Check) -> &'static str {
    match check {
        Check::KernelPanic => "`console.txt` has what came before; does the initrd have the driver of the disk?",
        Check::KernelOops => "`console.txt` has the trace: look for the module that it names",
        Check::EmergencyShell => {
            "look for `FAILED` and `DEPEND` in `console.txt`: a mount or a unit that the boot needs"
        }
        Check::OrderingCycle => {
            "remove one `After=` or `Before=` of the circle; which unit is left out differs from boot to boot"
        }
        Check::OutOfMemory => "give the machine more `memory:`, or start less",
        _ => "was the machine of the build shut down cleanly? `fsck` tells more of the image's file systems",
    }
}

#[cfg(test)]
mod tests;
