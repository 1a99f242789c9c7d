//! Images that are broken on purpose, each in the way that images really break, and each caught by name: booted and tested
//! by the binary as a user would. And the one that is whole, which nothing is said of.
//!
//! Faults that leave one another alone share an image, because every boot takes a minute without KVM. With
//! `OVENBIRD_BROKEN_IMAGES=each` (`make test-full`) each has one of its own.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod shared;

mod faults;
mod input;
mod project;

use faults::{FAULTS, Fault};
use ovenbird::event::Verdict;
use project::Project;

/// What failed, by name: `check failed-units`, `service cron: running`.
fn caught(faults: &[&Fault]) {
    let project = Project::broken(faults);
    let ran = project.test(&["--no-rerun", "--connect-timeout-minutes", "10"]);
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

/// Tests all faults of an image at once, or one after the other.
fn broken(image: &str) {
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.image == image).collect();
    assert!(!faults.is_empty());
    if std::env::var("OVENBIRD_BROKEN_IMAGES").is_ok_and(|value| value == "each") {
        faults.chunks(1).for_each(caught);
    } else {
        caught(&faults);
    }
}

#[test]
fn every_fault_of_a_machine_that_boots_is_caught_by_name_and_nothing_else_is_said_to_be_broken() {
    broken("many");
}

#[test]
fn a_machine_that_panics_as_it_boots_is_caught() {
    broken("panic");
}

#[test]
fn a_machine_whose_initial_file_system_lacks_a_driver_is_caught() {
    broken("initrd");
}

#[test]
fn an_image_that_is_whole_passes_everything_at_the_full_level() {
    let project = Project::broken(&[]);
    let ran = project.test(&["--level", "full", "--connect-timeout-minutes", "10"]);
    assert_eq!(ran.status, Some(0), "{}", ran.told);
    assert_eq!(ran.named(Verdict::Failed), Vec::<String>::new(), "{}", ran.told);
    let skipped = ran.named(Verdict::Skipped);
    assert!(skipped.is_empty(), "not looked at: {skipped:?}\n{}", ran.told);
    let warned = ran.named(Verdict::Warned);
    assert!(warned.is_empty(), "warned: {warned:?}\n{}", ran.told);
    project.assert_nothing_left();
}
