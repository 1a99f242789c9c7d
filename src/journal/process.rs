//! Which process is meant: a process id alone is not enough, because ids are used again.

use serde::{Deserialize, Serialize};

/// The environment variable that marks every process of a run, its children included. Its value is random for each run
/// and job, so a stranger's process never has it.
pub const TOKEN_VARIABLE: &str = "OVENBIRD_JOURNAL_TOKEN";

/// A process of this boot: the id, and the start time that tells it from a later process of the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Identity {
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat` (proc(5)): clock ticks since boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl Identity {
    /// Reads a running process's identity; none when it is gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start_time: start_time(pid)?, boot_id: boot_id()? })
    }

    /// Whether this very process still runs. A zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }
}

/// This boot's id.
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// The start time of a process that is not a zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command's name in parentheses, and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    // `state` is field 3, so field 22 is the 19th after it.
    fields.nth(18)?.parse().ok()
}

/// Every process of this machine whose environment carries `token`.
#[must_use]
pub fn with_token(token: &str) -> Vec<Identity> {
    let needle = format!("{TOKEN_VARIABLE}={token}");
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == needle.as_bytes()))
    })
    .filter_map(Identity::of)
    .collect()
}
