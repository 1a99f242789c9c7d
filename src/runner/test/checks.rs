//! Where the engine meets the checks: what `smoke::checks` finds becomes test results.

use crate::event::{Suite, Tested, Verdict};
use crate::smoke::checks::{Check, CheckResult, CheckVerdict};

pub(super) use crate::smoke::checks::{Facts, Outside, differ, grown, judge, judge_console, look, same_after_reboot};

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
