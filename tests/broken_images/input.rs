//! What people give by mistake, and guests that do not end: one clear verdict each, and nothing left running.

use std::fs::File;
use std::process::Command;

use camino::Utf8Path;
use ovenbird::event::Verdict;

use crate::project::{Project, Ran};
use crate::shared::tiny_guest::tiny_guest_with;

const INIT: &str = include_str!("../support/tiny-guest-init.sh");

/// The tiny guest with a file of its own, tested by a goss file.
fn tiny(file: (&str, &str, &str), goss: &str) -> Project {
    let project = Project::new("changed.raw", goss);
    tiny_guest_with(&project.root(), &[file]);
    project
}

fn test(project: &Project, options: &[&str]) -> Ran {
    let ran = project.test(&[&["--no-rerun", "--memory", "256MiB", "--cpus", "1"], options].concat());
    project.assert_nothing_left();
    ran
}

/// It does not boot, for this reason.
#[track_caller]
fn never_boots(ran: &Ran, reason: &[&str]) {
    assert_eq!((ran.status, ran.named(Verdict::Failed)), (Some(3), vec!["check boots".to_owned()]), "{}", ran.told);
    assert!(reason.iter().all(|text| ran.told.contains(text)), "{}", ran.told);
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A disk with an EFI system partition in which only a boot loader for ARM is.
fn arm_disk(folder: &Utf8Path) {
    let (disk, loader, table) = (folder.join("arm.raw"), folder.join("BOOTAA64.EFI"), folder.join("table"));
    File::create(&disk).unwrap().set_len(64 * 1024 * 1024).unwrap();
    std::fs::write(&loader, "a program for another processor").unwrap();
    std::fs::write(&table, "label: gpt\nstart=2048, size=100000, type=uefi\n").unwrap();
    run(Command::new("sfdisk").args(["-q", disk.as_str()]).stdin(File::open(table).unwrap()));
    run(Command::new("mkfs.vfat").args(["--offset", "2048", disk.as_str(), "50000"]));
    let partition = format!("{disk}@@1M");
    run(Command::new("mmd").args(["-i", &partition, "::EFI", "::EFI/BOOT"]));
    run(Command::new("mcopy").args(["-i", &partition, loader.as_str(), "::EFI/BOOT"]));
}

#[test]
fn a_file_in_an_unknown_format_is_wrong_before_anything_boots() {
    let project = Project::new("notes.qcow2", "");
    std::fs::write(project.root().join("notes.qcow2"), "no image\n".repeat(200_000)).unwrap();
    let ran = test(&project, &[]);
    assert_eq!(ran.status, Some(2), "{}", ran.told);
    let expected = ["notes.qcow2` is no disk image", "known formats: qcow2"];
    assert!(expected.iter().all(|text| ran.told.contains(text)), "{}", ran.told);
}

#[test]
fn an_image_of_another_architecture_does_not_boot_and_the_hint_says_why_that_may_be() {
    let project = Project::new("arm.raw", "");
    arm_disk(&project.root());
    let uefi = test(&project, &["--firmware", "uefi"]);
    never_boots(&uefi, &["found nothing to boot", "an EFI system partition, for this architecture?"]);
    let bios = test(&project, &["--connect-timeout-minutes", "1"]);
    never_boots(&bios, &["nothing came after the firmware", "one of another architecture boots with neither"]);
}

#[test]
fn an_image_that_takes_no_key_is_told_what_it_lacks() {
    let keyless = INIT.replace("\ntake_seed\n", "\n");
    assert_ne!(keyless, INIT);
    let ran = test(&tiny(("/etc/rc", &keyless, "0755"), ""), &["--connect-timeout-minutes", "3"]);
    never_boots(&ran, &["the guest refused the key", "cloud-init or systemd 252 or later to take the machine's key"]);
}

#[test]
fn a_command_that_hangs_fails_alone() {
    let goss = "command:\n  sleep 1000:\n    exit-status: 0\n    timeout: 2000\n  hostname:\n    exit-status: 0\n";
    let ran = test(&tiny(("/etc/other", "", "0644"), goss), &[]);
    assert_eq!(ran.named(Verdict::Failed), ["command sleep 1000: exit-status"], "{}", ran.told);
    assert!(ran.named(Verdict::Passed).contains(&"command hostname: exit-status".to_owned()));
    assert_eq!(ran.status, Some(3));
}

#[test]
fn tests_that_hang_end_with_their_time() {
    let goss = "command:\n  sleep 1000:\n    exit-status: 0\n    timeout: 1000000\n";
    let ran = test(&tiny(("/etc/other", "", "0644"), goss), &["--timeout-minutes", "1"]);
    assert_eq!(ran.status, Some(3), "{}", ran.told);
    let failed = ran.named(Verdict::Failed);
    assert!(failed.iter().all(|name| ran.message(name).contains("the tests did not end within 1 min")), "{}", ran.told);
    assert!(!failed.is_empty());
}

#[test]
fn a_guest_that_floods_its_console_is_tested_all_the_same() {
    let flood =
        "#!/bin/sh\n(while :; do echo flooding the console with lines that say nothing; done >/dev/console) &\n";
    let ran = test(&tiny(("/etc/rc.local", flood, "0755"), ""), &[]);
    assert_eq!((ran.status, ran.named(Verdict::Failed)), (Some(0), Vec::new()), "{}", ran.told);
}
