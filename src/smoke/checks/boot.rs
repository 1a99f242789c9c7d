//! Whether the system came up: its target, its units, its clock.

use super::facts::{Facts, Manager};
use super::{Check, CheckResult, Outside, some};

/// A clock that is wrong by more breaks certificates; one that is wrong by less is NTP's to mend.
const CLOCK_MAY_DIFFER: i64 = 5 * 60;

pub(super) fn target_reached(facts: &Facts) -> CheckResult {
    const CHECK: Check = Check::TargetReached;
    let target = if facts.target.is_empty() { "its target" } else { &facts.target };
    match (facts.manager, facts.state.as_str()) {
        (Manager::None, _) => CheckResult::skipped(CHECK, "neither systemd nor OpenRC runs in the guest"),
        (_, "starting" | "initializing") => {
            CheckResult::failed(CHECK, format!("the system was still starting after 90 s, on the way to `{target}`"))
                .hint("a job below waits for something that does not come")
                .quote(facts.jobs.iter().map(String::as_str))
        }
        (Manager::Systemd, "maintenance") => CheckResult::failed(CHECK, "the system is in rescue or emergency mode")
            .hint("look for `FAILED` and `DEPEND` in `console.txt`: a mount or a unit that the boot needs"),
        (Manager::Systemd, "stopping") => CheckResult::failed(CHECK, "the system goes down again")
            .hint("a unit or a script of the boot powers it off or reboots it"),
        (Manager::Systemd, "running" | "degraded") if facts.target_active => CheckResult::passed(CHECK),
        (Manager::Systemd, "running" | "degraded") => {
            CheckResult::failed(CHECK, format!("the system is up, but did not reach its default target `{target}`"))
                .hint(
                    "a unit that the target needs failed: `systemctl list-dependencies` in `ovenbird boot` shows which",
                )
        }
        (Manager::Systemd, state) => {
            CheckResult::skipped(CHECK, format!("systemd did not tell how far the boot is (`{state}`)"))
        }
        (Manager::OpenRc, _) if facts.target.is_empty() => {
            CheckResult::failed(CHECK, "OpenRC reached no run level").hint("`rc-status` in `ovenbird boot` shows why")
        }
        (Manager::OpenRc, _) => CheckResult::passed(CHECK),
    }
}

pub(super) fn failed_units(facts: &Facts) -> CheckResult {
    const CHECK: Check = Check::FailedUnits;
    if facts.manager == Manager::None {
        return CheckResult::skipped(CHECK, "neither systemd nor OpenRC runs in the guest");
    }
    let Some(failed) = &facts.failed else {
        return CheckResult::skipped(CHECK, "the service manager did not tell in time which units failed");
    };
    if failed.is_empty() {
        return CheckResult::passed(CHECK);
    }
    let what = match (facts.manager, failed.len()) {
        (Manager::OpenRc, 1) => "a service failed or crashed",
        (Manager::OpenRc, _) => "services failed or crashed",
        (_, 1) => "a unit failed",
        (_, _) => "units failed",
    };
    let logs = failed.iter().flat_map(|unit| {
        let lines = facts.unit_logs.get(unit).into_iter().flatten();
        lines.map(move |line| format!("{unit}: {line}"))
    });
    CheckResult::failed(CHECK, format!("{what}: {}", some(failed)))
        .hint("mend what fails; disable in a step what this machine does not need")
        .quote(logs)
}

pub(super) fn clock(facts: &Facts, outside: &Outside<'_>) -> CheckResult {
    const CHECK: Check = Check::Clock;
    let Some(now) = facts.now else { return CheckResult::skipped(CHECK, "the guest did not tell its time") };
    let ahead = now.saturating_sub(outside.now.timestamp());
    if ahead.saturating_abs() <= CLOCK_MAY_DIFFER {
        return CheckResult::passed(CHECK);
    }
    let shown = chrono::DateTime::from_timestamp(now, 0).map_or_else(|| now.to_string(), |time| time.to_rfc3339());
    let how = if ahead > 0 { "ahead" } else { "behind" };
    let message = format!("the guest's clock is {} {how}: it shows {shown}", span(ahead));
    CheckResult::failed(CHECK, message).hint(
        "what sets the clock at boot? `/etc/adjtime` with `LOCAL`, a `fake-hwclock` file or a script of the image can",
    )
}

/// A time span in its largest unit.
fn span(seconds: i64) -> String {
    match seconds.saturating_abs() {
        minutes @ ..7_200 => format!("{} minutes", minutes / 60),
        hours @ ..172_800 => format!("{} hours", hours / 3600),
        days => format!("{} days", days / 86_400),
    }
}
