//! Images that are broken on purpose, each in the way that images really break, and each caught by name: booted and tested
//! by the binary as a user would. And the one that is whole, which nothing is said of.
//!
//! Faults that leave one another alone share an image, because every boot takes a minute without KVM. With
//! `OVENBIRD_BROKEN_IMAGES=each` (`make test-full`) each has one of its own.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod shared;

mod faults;
mod project;

use faults::{FAULTS, Fault};
use ovenbird::event::Verdict;
use project::Project;

/// What failed, by name: `check failed-units`, `service cron: running`.
fn caught(faults: &[&Fault]) {
    let project = Project::broken(faults);
    let ran = project.test(&["--no-rerun"]);
    let expected: Vec<&str> = faults.iter().flat_map(|fault| fault.caught).copied().collect();
    let failed = ran.named(Verdict::Failed);
    for name in &expected {
        assert!(failed.iter().any(|failed| failed == name), "`{name}` is not among {failed:?}\n{}", ran.told);
    }
    // What is not broken is not said to be.
    let others: Vec<_> = failed.iter().filter(|name| !expected.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "also failed: {others:?}\n{}", ran.told);
    assert_eq!(ran.status, Some(3), "{}", ran.told);
    for fault in faults {
        assert!(fault.told.iter().all(|text| ran.told.contains(text)), "{:?} is not in\n{}", fault.told, ran.told);
    }
    project.assert_nothing_left();
}

/// Faults in groups that share an image.
fn groups() -> Vec<Vec<&'static Fault>> {
    if std::env::var("OVENBIRD_BROKEN_IMAGES").is_ok_and(|value| value == "each") {
        return FAULTS.iter().map(|fault| vec![fault]).collect();
    }
    let mut groups: Vec<Vec<&Fault>> = Vec::new();
    for fault in FAULTS {
        match groups.iter_mut().find(|group| group[0].image == fault.image) {
            Some(group) => group.push(fault),
            None => groups.push(vec![fault]),
        }
    }
    groups
}

#[test]
fn every_fault_is_caught_by_name_and_nothing_else_is_said_to_be_broken() {
    for group in groups() {
        caught(&group);
    }
}

#[test]
fn an_image_that_is_whole_passes_everything_at_the_full_level() {
    let project = Project::broken(&[]);
    let ran = project.test(&["--level", "full"]);
    assert_eq!(ran.status, Some(0), "{}", ran.told);
    assert_eq!(ran.named(Verdict::Failed), Vec::<String>::new(), "{}", ran.told);
    let skipped = ran.named(Verdict::Skipped);
    assert!(skipped.is_empty(), "not looked at: {skipped:?}\n{}", ran.told);
    let warned = ran.named(Verdict::Warned);
    assert!(warned.is_empty(), "warned: {warned:?}\n{}", ran.told);
    project.assert_nothing_left();
}
