//! What is tested of every image, whatever its definition says.
//!
//! One look at a booted machine gives [`Facts`]; with what was seen from outside ([`Outside`]) they are judged here, purely.
//! Two looks are compared: before and after a reboot, or at two copies of one image.
//!
//! ```text
//! look (look.sh) ──▶ facts ──▶ judge: boot, room, access, left; console      two facts ──▶ compare
//! ```
//!
//! `docs/checks.md` says of each check what it looks at and when it fails.

mod access;
mod boot;
mod compare;
mod console;
mod facts;
mod judge;
mod left;
mod look;
mod room;

pub use compare::{differ, grown, same_after_reboot};
pub use console::judge_console;
pub use facts::Facts;
pub use judge::{Outside, judge};
pub use look::look;

use serde::{Deserialize, Serialize};

use crate::event::Level;

/// The checks, by the names that definitions waive them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The machine came up and let us in.
    Boots,
    /// It did so in time.
    BootTime,
    /// The system reached the state that it boots for.
    TargetReached,
    FailedUnits,
    KernelPanic,
    KernelOops,
    EmergencyShell,
    OrderingCycle,
    OutOfMemory,
    FileSystemErrors,
    /// The root file system has room.
    DiskFull,
    /// The guest's clock is right.
    Clock,
    /// No host key was in the image.
    BakedHostKeys,
    /// No machine id was in the image.
    BakedMachineId,
    /// Nobody but who boots the image can log in with a key.
    LeftoverKeys,
    /// Nothing of the build is left: seal's list.
    Residue,
    /// sshd takes no password for root.
    RootPassword,
    /// Nothing listens that no test declares. Only a warning.
    UndeclaredPorts,
    /// The image's file is as it was before it was booted.
    ImageUnchanged,
    /// Full: it comes up again after a reboot, and is well.
    SecondBoot,
    /// Full: its identity is the same after a reboot.
    IdentityKept,
    /// Full: two copies of the image differ.
    UniqueMachineId,
    UniqueHostKeys,
    UniqueHostname,
    UniqueRandomSeed,
    /// Full: the root file system takes the room of a larger disk.
    RootGrown,
}

impl Check {
    /// All, in the order of reports.
    pub const ALL: [Self; 26] = [
        Self::Boots,
        Self::BootTime,
        Self::TargetReached,
        Self::FailedUnits,
        Self::KernelPanic,
        Self::KernelOops,
        Self::EmergencyShell,
        Self::OrderingCycle,
        Self::OutOfMemory,
        Self::FileSystemErrors,
        Self::DiskFull,
        Self::Clock,
        Self::BakedHostKeys,
        Self::BakedMachineId,
        Self::LeftoverKeys,
        Self::Residue,
        Self::RootPassword,
        Self::UndeclaredPorts,
        Self::ImageUnchanged,
        Self::SecondBoot,
        Self::IdentityKept,
        Self::UniqueMachineId,
        Self::UniqueHostKeys,
        Self::UniqueHostname,
        Self::UniqueRandomSeed,
        Self::RootGrown,
    ];

    /// The name in definitions, events and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boots => "boots",
            Self::BootTime => "boot-time",
            Self::TargetReached => "target-reached",
            Self::FailedUnits => "failed-units",
            Self::KernelPanic => "kernel-panic",
            Self::KernelOops => "kernel-oops",
            Self::EmergencyShell => "emergency-shell",
            Self::OrderingCycle => "ordering-cycle",
            Self::OutOfMemory => "out-of-memory",
            Self::FileSystemErrors => "file-system-errors",
            Self::DiskFull => "disk-full",
            Self::Clock => "clock",
            Self::BakedHostKeys => "baked-host-keys",
            Self::BakedMachineId => "baked-machine-id",
            Self::LeftoverKeys => "leftover-keys",
            Self::Residue => "residue",
            Self::RootPassword => "root-password",
            Self::UndeclaredPorts => "undeclared-ports",
            Self::ImageUnchanged => "image-unchanged",
            Self::SecondBoot => "second-boot",
            Self::IdentityKept => "identity-kept",
            Self::UniqueMachineId => "unique-machine-id",
            Self::UniqueHostKeys => "unique-host-keys",
            Self::UniqueHostname => "unique-hostname",
            Self::UniqueRandomSeed => "unique-random-seed",
            Self::RootGrown => "root-grown",
        }
    }

    /// The least level that it belongs to.
    #[must_use]
    pub fn level(self) -> Level {
        if self < Self::SecondBoot { Level::Standard } else { Level::Full }
    }

    /// Whether its failure can be accepted: an image that does not boot can't be tested at all.
    #[must_use]
    pub fn can_be_waived(self) -> bool {
        self != Self::Boots
    }

    /// The check of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == name)
    }
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    pub check: Check,
    pub verdict: CheckVerdict,
    /// What was found; why it was skipped; empty for what passed.
    pub message: String,
    pub hint: Option<String>,
    /// Lines that tell: of the console, of the journal, names of units.
    pub excerpt: Vec<String>,
}

/// Lines of an excerpt: more is in the console's file.
const MOST_LINES: usize = 10;

impl CheckResult {
    fn new(check: Check, verdict: CheckVerdict, message: impl Into<String>) -> Self {
        Self { check, verdict, message: short(message.into()), hint: None, excerpt: Vec::new() }
    }

    fn passed(check: Check) -> Self {
        Self::new(check, CheckVerdict::Passed, "")
    }

    fn skipped(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, CheckVerdict::Skipped, why)
    }

    fn warned(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, CheckVerdict::Warned, message)
    }

    fn failed(check: Check, message: impl Into<String>) -> Self {
        Self::new(check, CheckVerdict::Failed, message)
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Quotes lines, the first ten.
    fn quote(self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let excerpt = lines.into_iter().map(|line| short(line.into())).take(MOST_LINES).collect();
        Self { excerpt, ..self }
    }
}

/// Characters of a quoted line.
const LONGEST_LINE: usize = 400;

/// A guest's line may be a megabyte.
fn short(line: String) -> String {
    if line.chars().nth(LONGEST_LINE).is_some() { line.chars().take(LONGEST_LINE).collect() } else { line }
}

/// Some names in one line: the first few, and how many more there are.
fn some(names: &[String]) -> String {
    const NAMED: usize = 3;
    let named = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// How a check ended. Waivers are applied by whoever runs the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckVerdict {
    Passed,
    /// It could not be looked at, such as units in a guest without systemd.
    Skipped,
    Warned,
    Failed,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn every_check_is_documented() {
        let page = include_str!("../../../docs/checks.md");
        for check in Check::ALL {
            assert!(
                page.contains(&format!("\n| `{}` | ", check.as_str())),
                "docs/checks.md lacks `{}`",
                check.as_str()
            );
        }
    }

    #[test]
    fn every_check_has_one_name() {
        for check in Check::ALL {
            assert_eq!(Check::named(check.as_str()), Some(check));
            assert_eq!(serde_json::to_value(check).unwrap(), check.as_str());
        }
    }
}
