//! What several attempts and the waivers make of results. Pure.

use chrono::NaiveDate;

use crate::event::{Level, Suite, Tested, TestsFinished, Verdict};
use crate::plan::job::Waiver;
use crate::smoke::checks::Check;

/// Whether a fresh copy may pass what this one failed: not what is waived, or fails for its waiver.
pub(super) fn may_pass_another_time(results: &[Tested], waivers: &[Waiver]) -> bool {
    results.iter().any(|result| result.verdict == Verdict::Failed && waiver_of(result, waivers).is_none())
}

fn waiver_of<'a>(result: &Tested, waivers: &'a [Waiver]) -> Option<&'a Waiver> {
    let check = (result.suite == Suite::Checks).then(|| Check::named(&result.id)).flatten()?;
    waivers.iter().find(|waiver| waiver.check == check)
}

/// The results of the second attempt; what does not fail any more is flaky, and what nobody could look at fails still.
pub(super) fn once_more(first: &[Tested], second: Vec<Tested>) -> Vec<Tested> {
    let mut results = second;
    for result in &mut results {
        let failed = first.iter().find(|failed| failed.verdict == Verdict::Failed && is_same(failed, result));
        let Some(failed) = failed else { continue };
        match result.verdict {
            Verdict::Passed => {
                let message = format!("passed with a second copy of the image; at first: {}", failed.message);
                *result = Tested { verdict: Verdict::Flaky, message, seconds: result.seconds, ..failed.clone() };
            }
            Verdict::Warned => {
                let (now, then) = (&result.message, &failed.message);
                let message = format!("only a warning with a second copy of the image ({now}); at first: {then}");
                *result = Tested { verdict: Verdict::Flaky, message, seconds: result.seconds, ..failed.clone() };
            }
            Verdict::Skipped => *result = failed.clone(),
            _ => {}
        }
    }
    // Such as a connection that broke under the first attempt: nothing in the second one is its counterpart.
    let lost = first
        .iter()
        .filter(|failed| failed.verdict == Verdict::Failed && !results.iter().any(|result| is_same(failed, result)));
    let well = results.iter().all(|result| result.verdict != Verdict::Failed);
    let lost: Vec<Tested> = lost.map(|failed| if well { unrepeated(failed) } else { failed.clone() }).collect();
    results.extend(lost);
    results
}

fn unrepeated(failed: &Tested) -> Tested {
    let message = format!("it did not happen again with a second copy of the image; at first: {}", failed.message);
    Tested { verdict: Verdict::Flaky, message, ..failed.clone() }
}

fn is_same(one: &Tested, other: &Tested) -> bool {
    (one.suite, &one.kind, &one.id, &one.property) == (other.suite, &other.kind, &other.id, &other.property)
}

/// The final results: waivers applied, checks first and in their order, then goss's assertions in theirs.
pub(super) fn finished(results: Vec<Tested>, waivers: &[Waiver], today: NaiveDate) -> Vec<Tested> {
    let mut results = results;
    for waiver in waivers {
        waive(&mut results, waiver, today);
    }
    let order = |result: &Tested| match result.suite {
        Suite::Checks => Check::ALL.iter().position(|check| check.as_str() == result.id).unwrap_or(Check::ALL.len()),
        Suite::Goss => usize::MAX,
    };
    results.sort_by_key(order);
    results
}

fn waive(results: &mut Vec<Tested>, waiver: &Waiver, today: NaiveDate) {
    let place = results.iter().position(|result| result.suite == Suite::Checks && result.id == waiver.check.as_str());
    if today > waiver.until {
        let result = place.map(|place| results.remove(place));
        results.push(expired(result, waiver));
        return;
    }
    let Some(result) = place.map(|place| &mut results[place]) else { return };
    if matches!(result.verdict, Verdict::Failed | Verdict::Warned | Verdict::Flaky) {
        result.verdict = Verdict::Waived;
        let until = match waiver.until {
            // Of the command line.
            NaiveDate::MAX => String::new(),
            until => format!(" until {until}"),
        };
        result.message = format!("{} (waived{until}: {})", result.message, waiver.reason);
        result.place = Some(waiver.place.clone());
    }
}

/// It fails in any case: what is accepted for a time must be looked at when the time is over.
fn expired(result: Option<Tested>, waiver: &Waiver) -> Tested {
    let until = waiver.until;
    let (message, hint) = match result.as_ref().map(|result| result.verdict) {
        Some(Verdict::Failed | Verdict::Warned | Verdict::Flaky) => {
            let found = result.as_ref().map_or("", |result| result.message.as_str());
            (format!("{found} (the waiver of this check expired on {until})"), "mend it, or renew the waiver")
        }
        Some(Verdict::Passed) => {
            (format!("the waiver of this check, which passes, expired on {until}: remove it"), "remove the waiver")
        }
        _ => (format!("the waiver of this check, which was not looked at, expired on {until}"), "renew or remove it"),
    };
    let failed = |result: Tested| {
        let hint = result.hint.unwrap_or_else(|| hint.to_owned());
        Tested {
            verdict: Verdict::Failed,
            message: message.clone(),
            hint: Some(hint),
            place: Some(waiver.place.clone()),
            ..result
        }
    };
    failed(result.unwrap_or_else(|| Tested {
        suite: Suite::Checks,
        kind: "check".to_owned(),
        id: waiver.check.as_str().to_owned(),
        property: None,
        title: None,
        verdict: Verdict::Skipped,
        message: String::new(),
        place: None,
        hint: None,
        excerpt: Vec::new(),
        seconds: 0.0,
    }))
}

/// How many of what, and what all of it comes to. What is flaky has passed in the end.
pub(super) fn counted(results: &[Tested]) -> TestsFinished {
    let count =
        |verdict| u32::try_from(results.iter().filter(|result| result.verdict == verdict).count()).unwrap_or(u32::MAX);
    let verdict = match (count(Verdict::Failed), count(Verdict::Flaky)) {
        (0, 0) => Verdict::Passed,
        (0, _) => Verdict::Flaky,
        _ => Verdict::Failed,
    };
    TestsFinished {
        verdict,
        level: Level::Standard,
        passed: count(Verdict::Passed).saturating_add(count(Verdict::Flaky)),
        failed: count(Verdict::Failed),
        warned: count(Verdict::Warned),
        waived: count(Verdict::Waived),
        skipped: count(Verdict::Skipped),
        attempts: 1,
        boot_seconds: None,
        seconds: 0.0,
        image: None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::Place;
    use crate::smoke::checks::{CheckResult, CheckVerdict};

    fn check(check: Check, verdict: CheckVerdict) -> Tested {
        let message = if verdict == CheckVerdict::Passed { "" } else { "it is wrong" }.to_owned();
        super::super::checks::tested(CheckResult { check, verdict, message, hint: None, excerpt: Vec::new() })
    }

    fn waiver(check: Check, until: &str) -> Waiver {
        let place = Place { file: "ovenbird.yml".into(), line: 7, column: None, exact: true };
        Waiver { check, reason: "known".to_owned(), until: until.parse().unwrap(), place }
    }

    fn today() -> NaiveDate {
        "2026-05-10".parse().unwrap()
    }

    fn told(results: &[Tested]) -> Vec<String> {
        let line = |one: &Tested| one.place.as_ref().map(|place| format!(" at {}", place.line)).unwrap_or_default();
        results.iter().map(|one| format!("{} {}{}: {}", one.id, one.verdict.as_str(), line(one), one.message)).collect()
    }

    #[test]
    fn a_waiver_holds_up_to_its_last_day() {
        let results = vec![check(Check::FailedUnits, CheckVerdict::Failed), check(Check::Boots, CheckVerdict::Passed)];
        let waivers = [waiver(Check::FailedUnits, "2026-05-10"), waiver(Check::Boots, "2026-12-31")];
        assert!(!may_pass_another_time(&results, &waivers), "it need not be tried again");
        let results = finished(results, &waivers, today());
        assert_eq!(
            told(&results),
            ["boots passed: ", "failed-units waived at 7: it is wrong (waived until 2026-05-10: known)"]
        );
        let counted = counted(&results);
        assert_eq!((counted.verdict, counted.passed, counted.waived), (Verdict::Passed, 1, 1));
    }

    #[test]
    fn an_expired_waiver_fails_whatever_the_check_says() {
        let results = vec![
            check(Check::FailedUnits, CheckVerdict::Failed),
            check(Check::Clock, CheckVerdict::Passed),
            check(Check::DiskFull, CheckVerdict::Skipped),
        ];
        let checks = [Check::FailedUnits, Check::Clock, Check::DiskFull, Check::RootGrown];
        let waivers = checks.map(|check| waiver(check, "2026-05-09"));
        assert!(!may_pass_another_time(&results, &waivers), "it would fail again");
        let results = finished(results, &waivers, today());
        assert_eq!(
            told(&results),
            [
                "failed-units failed at 7: it is wrong (the waiver of this check expired on 2026-05-09)",
                "disk-full failed at 7: the waiver of this check, which was not looked at, expired on 2026-05-09",
                "clock failed at 7: the waiver of this check, which passes, expired on 2026-05-09: remove it",
                "root-grown failed at 7: the waiver of this check, which was not looked at, expired on 2026-05-09",
            ]
        );
    }

    #[test]
    fn what_passes_only_the_second_time_is_flaky_and_what_fails_twice_is_not() {
        let first = [
            check(Check::FailedUnits, CheckVerdict::Failed),
            check(Check::OutOfMemory, CheckVerdict::Failed),
            check(Check::Clock, CheckVerdict::Warned),
        ];
        assert!(may_pass_another_time(&first, &[]));
        let second =
            vec![check(Check::FailedUnits, CheckVerdict::Passed), check(Check::OutOfMemory, CheckVerdict::Failed)];
        let results = once_more(&first, second);
        assert_eq!(
            told(&results),
            [
                "failed-units flaky: passed with a second copy of the image; at first: it is wrong",
                "out-of-memory failed: it is wrong",
            ]
        );
        assert_eq!(counted(&results).verdict, Verdict::Failed);
        let second = vec![check(Check::FailedUnits, CheckVerdict::Passed)];
        let results = once_more(&first, second);
        assert_eq!(
            told(&results)[1],
            "out-of-memory flaky: it did not happen again with a second copy of the image; at first: it is wrong"
        );
        let counted = counted(&results);
        assert_eq!((counted.verdict, counted.passed, counted.failed), (Verdict::Flaky, 2, 0));
    }

    #[test]
    fn what_failed_is_not_forgotten_where_the_second_copy_only_warns_or_can_t_be_looked_at() {
        let first = [check(Check::Clock, CheckVerdict::Failed), check(Check::KernelOops, CheckVerdict::Failed)];
        let warned = once_more(&first[1..], vec![check(Check::KernelOops, CheckVerdict::Warned)]);
        assert_eq!(
            told(&warned),
            ["kernel-oops flaky: only a warning with a second copy of the image (it is wrong); at first: it is wrong"]
        );
        let skipped = once_more(&first[..1], vec![check(Check::Clock, CheckVerdict::Skipped)]);
        assert_eq!(told(&skipped), ["clock failed: it is wrong"]);
    }
}
