//! Where the engine meets the checks: what `smoke::checks` finds becomes test results.

use crate::event::{Suite, Tested, Verdict};
use crate::smoke::checks::{Check, CheckResult, CheckVerdict};

pub(super) use standin::{Facts, Outside, differ, grown, judge, judge_console, look, same_after_reboot};

/// What a machine that we did not boot can be judged by: its console is not ours, its keys are its owner's, and it is not
/// fresh.
const OF_HOSTS: [Check; 11] = [
    Check::TargetReached,
    Check::FailedUnits,
    Check::KernelPanic,
    Check::KernelOops,
    Check::OrderingCycle,
    Check::OutOfMemory,
    Check::FileSystemErrors,
    Check::DiskFull,
    Check::Clock,
    Check::RootPassword,
    Check::UndeclaredPorts,
];

/// Checks whose failure in the second boot fails that boot.
const OF_SECOND_BOOT: [Check; 8] = [
    Check::TargetReached,
    Check::FailedUnits,
    Check::KernelPanic,
    Check::KernelOops,
    Check::EmergencyShell,
    Check::OrderingCycle,
    Check::OutOfMemory,
    Check::FileSystemErrors,
];

/// Whether a check says something about a machine that runs already.
pub(super) fn is_of_hosts(result: &CheckResult) -> bool {
    OF_HOSTS.contains(&result.check)
}

/// What the checks of a second boot come to.
pub(super) fn second_boot(results: &[CheckResult]) -> CheckResult {
    let failed = results.iter().filter(|result| result.verdict == CheckVerdict::Failed);
    let failed: Vec<_> = failed.filter(|result| OF_SECOND_BOOT.contains(&result.check)).collect();
    let said = failed.iter().map(|result| format!("{}: {}", result.check.as_str(), result.message));
    CheckResult {
        check: Check::SecondBoot,
        verdict: if failed.is_empty() { CheckVerdict::Passed } else { CheckVerdict::Failed },
        message: said.collect::<Vec<_>>().join("; "),
        hint: failed.iter().find_map(|result| result.hint.clone()),
        excerpt: failed.iter().flat_map(|result| result.excerpt.clone()).collect(),
    }
}

/// A check's result as a test's.
pub(super) fn tested(result: CheckResult) -> Tested {
    Tested {
        suite: Suite::Checks,
        kind: "check".to_owned(),
        id: result.check.as_str().to_owned(),
        property: None,
        title: None,
        verdict: match result.verdict {
            CheckVerdict::Passed => Verdict::Passed,
            CheckVerdict::Skipped => Verdict::Skipped,
            CheckVerdict::Warned => Verdict::Warned,
            CheckVerdict::Failed => Verdict::Failed,
        },
        message: result.message,
        place: None,
        hint: result.hint,
        excerpt: result.excerpt,
        seconds: 0.0,
    }
}

/// STAND-IN until branch `checks` is merged: delete this module, and make the `use` above
/// `use crate::smoke::checks::{Facts, Outside, differ, grown, judge, judge_console, look, same_after_reboot};`.
mod standin {
    use std::collections::BTreeSet;

    use chrono::{DateTime, Utc};
    use tokio_util::sync::CancellationToken;

    use crate::guest::{Command, Guest, GuestError};
    use crate::smoke::checks::{Check, CheckResult, CheckVerdict};

    #[derive(Clone, Debug)]
    pub(crate) struct Facts {
        machine_id: String,
        hostname: String,
    }

    #[derive(Clone, Debug)]
    #[expect(dead_code, reason = "the contract with branch `checks`")]
    pub(crate) struct Outside<'a> {
        pub(crate) console: &'a str,
        pub(crate) our_key: Option<&'a str>,
        pub(crate) declared_ports: &'a BTreeSet<u16>,
        pub(crate) now: DateTime<Utc>,
        pub(crate) power_on: DateTime<Utc>,
    }

    pub(crate) async fn look(guest: &dyn Guest, cancel: &CancellationToken) -> Result<Facts, GuestError> {
        let told = guest.capture(&Command::new("cat /etc/machine-id; hostname"), cancel).await?;
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let mut lines = text.lines().map(str::to_owned);
        Ok(Facts { machine_id: lines.next().unwrap_or_default(), hostname: lines.next().unwrap_or_default() })
    }

    pub(crate) fn judge(_facts: &Facts, outside: &Outside<'_>) -> Vec<CheckResult> {
        std::iter::once(result(Check::TargetReached, true)).chain(judge_console(outside.console)).collect()
    }

    pub(crate) fn judge_console(console: &str) -> Vec<CheckResult> {
        vec![result(Check::KernelPanic, !console.contains("Kernel panic"))]
    }

    pub(crate) fn same_after_reboot(before: &Facts, after: &Facts) -> CheckResult {
        result(Check::IdentityKept, before.machine_id == after.machine_id)
    }

    pub(crate) fn differ(one: &Facts, other: &Facts) -> Vec<CheckResult> {
        vec![
            result(Check::UniqueMachineId, one.machine_id != other.machine_id),
            result(Check::UniqueHostname, one.hostname != other.hostname),
        ]
    }

    pub(crate) fn grown(_facts: &Facts, _disk_bytes: u64) -> CheckResult {
        CheckResult { verdict: CheckVerdict::Skipped, ..result(Check::RootGrown, true) }
    }

    fn result(check: Check, passed: bool) -> CheckResult {
        let (verdict, message) =
            if passed { (CheckVerdict::Passed, "") } else { (CheckVerdict::Failed, "it does not hold") };
        CheckResult { check, verdict, message: message.to_owned(), hint: None, excerpt: Vec::new() }
    }
}
