//! Judging, with facts made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use super::super::compare::{differ, grown, same_after_reboot};
use super::super::facts::{AuthorizedKey, Device, DeviceKind, Left, Listener, Manager, Password, Room};
use super::super::{Check, CheckVerdict};
use super::*;

const BOOT: i64 = 1_800_000_000;
const GIBIBYTE: u64 = 1024 * 1024 * 1024;

fn device(kind: DeviceKind, name: &str, bytes: u64) -> Device {
    Device { kind, name: name.to_owned(), bytes }
}

/// A machine of a clean image, a minute after its first power-on.
fn well() -> Facts {
    let text = str::to_owned;
    Facts {
        manager: Manager::Systemd,
        state: text("running"),
        target: text("graphical.target"),
        target_active: true,
        failed: Some(Vec::new()),
        kernel: text("[    0.000000] Linux version 6.12.0"),
        has_stat: true,
        has_find: true,
        boot_id: text("boot-1"),
        btime: Some(BOOT + 2),
        now: Some(BOOT + 60),
        machine_id: text("0a1b"),
        machine_id_time: Some(BOOT + 8),
        hostname: text("debian"),
        host_key_times: BTreeMap::from([(text("/etc/ssh/ssh_host_ed25519_key"), BOOT + 15)]),
        host_keys: BTreeSet::from([text("ssh-ed25519 AAAAhost")]),
        seeds: BTreeMap::from([(text("/var/lib/systemd/random-seed"), text("5eed"))]),
        keys: vec![AuthorizedKey {
            user: text("root"),
            file: text("/root/.ssh/authorized_keys"),
            key: text("AAAAours"),
            comment: text("ovenbird"),
        }],
        root_password: Some(Password::Locked),
        sshd: Some(BTreeMap::from([(text("permitrootlogin"), text("without-password"))])),
        listeners: vec![Listener { port: 22, process: Some(text("sshd")) }],
        ssh_port: Some(22),
        root_type: text("ext4"),
        room: Some(Room { total: 29 * GIBIBYTE / 10, free: GIBIBYTE, inodes: Some(100_000) }),
        devices: vec![
            device(DeviceKind::Partition, "vda1", 3 * GIBIBYTE - 70_000_000),
            device(DeviceKind::Partitions, "vda", 3 * GIBIBYTE - 2_000_000),
            device(DeviceKind::Disk, "vda", 3 * GIBIBYTE),
        ],
        residue: vec![Left { id: text("logs"), time: BOOT + 20, path: text("/var/log/cloud-init.log") }],
        ..Facts::default()
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Judges as one who booted the machine.
fn judged(facts: &Facts) -> Vec<CheckResult> {
    let declared_ports = BTreeSet::from([80]);
    judge(
        facts,
        &Outside {
            console: "",
            our_key: Some("AAAAours"),
            declared_ports: &declared_ports,
            now: at(BOOT + 60),
            power_on: at(BOOT),
        },
    )
}

/// What did not pass, each in a line.
fn told(results: &[CheckResult]) -> String {
    let bad = results.iter().filter(|result| result.verdict != CheckVerdict::Passed);
    let line = |result: &CheckResult| format!("{} {:?}: {}", result.check.as_str(), result.verdict, result.message);
    bad.map(line).collect::<Vec<_>>().join("\n")
}

/// What a change of a healthy machine makes of it.
fn with(change: impl FnOnce(&mut Facts)) -> String {
    let mut facts = well();
    change(&mut facts);
    told(&judged(&facts))
}

fn changed(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = well();
    change(&mut facts);
    facts
}

#[test]
fn a_clean_machine_passes_everything_in_the_order_of_reports() {
    let results = judged(&well());
    assert_eq!(told(&results), "");
    let engines = [Check::Boots, Check::BootTime, Check::ImageUnchanged];
    let standard = Check::ALL.into_iter().filter(|check| check.level() == crate::event::Level::Standard);
    let expected: Vec<Check> = standard.filter(|check| !engines.contains(check)).collect();
    assert_eq!(results.iter().map(|result| result.check).collect::<Vec<_>>(), expected);
}

#[test]
fn a_machine_of_somebody_else_keeps_its_keys_and_its_past() {
    let ports = BTreeSet::new();
    let facts = changed(|facts| {
        facts.machine_id_time = Some(BOOT - 90_000);
        facts.host_key_times.insert("/etc/ssh/ssh_host_rsa_key".to_owned(), BOOT - 90_000);
        facts.kernel = "[    5.1] EXT4-fs error (device vda1): ext4_lookup:1785: inode #2".to_owned();
    });
    let outside =
        Outside { console: "", our_key: None, declared_ports: &ports, now: at(BOOT + 60), power_on: at(BOOT + 60) };
    insta::assert_snapshot!(told(&judge(&facts, &outside)), @r"
    file-system-errors Failed: a file system or its disk reported errors: EXT4-fs error (device vda1): ext4_lookup:1785: inode #2
    baked-host-keys Skipped: the machine was not booted from the image for the test, so it may have this of its own
    baked-machine-id Skipped: the machine was not booted from the image for the test, so it may have this of its own
    leftover-keys Skipped: on a machine that was not booted for the test, keys are its owner's
    residue Skipped: the machine was not booted from the image for the test, so it may have this of its own
    ");
}

#[test]
fn a_system_that_does_not_arrive() {
    let starting = with(|facts| {
        facts.state = "starting".to_owned();
        facts.jobs = vec!["12 slow.service start running".to_owned()];
    });
    assert_eq!(
        starting,
        "target-reached Failed: the system was still starting after 90 s, on the way to `graphical.target`"
    );
    let inactive = "target-reached Failed: the system is up, but did not reach its default target `graphical.target`";
    assert_eq!(with(|facts| facts.target_active = false), inactive);
    let maintenance = "target-reached Failed: the system is in rescue or emergency mode";
    assert_eq!(with(|facts| facts.state = "maintenance".to_owned()), maintenance);
    insta::assert_snapshot!(with(|facts| facts.manager = Manager::None), @r"
    target-reached Skipped: neither systemd nor OpenRC runs in the guest
    failed-units Skipped: neither systemd nor OpenRC runs in the guest
    ");
}

#[test]
fn failed_units_are_named_with_their_last_words() {
    let facts = changed(|facts| {
        facts.state = "degraded".to_owned();
        facts.failed = Some(["a.service", "b.service", "c.mount", "d.timer"].map(str::to_owned).to_vec());
        facts.unit_logs.insert("a.service".to_owned(), vec!["no such file".to_owned()]);
    });
    let results = judged(&facts);
    assert_eq!(told(&results), "failed-units Failed: units failed: `a.service`, `b.service`, `c.mount` and 1 more");
    assert_eq!(results[1].excerpt, ["a.service: no such file"]);
}

#[test]
fn what_the_machine_could_not_tell_has_not_passed() {
    assert_eq!(
        with(|facts| facts.failed = None),
        "failed-units Skipped: the service manager did not tell in time which units failed"
    );
    assert_eq!(with(|facts| facts.has_find = false), "residue Skipped: the guest has no `find`");
    assert_eq!(
        with(|facts| facts.keys.clear()),
        "leftover-keys Skipped: no key is where sshd's settings say, not even the test's own"
    );
    insta::assert_snapshot!(with(|facts| facts.has_stat = false), @r"
    baked-host-keys Skipped: the guest has no `stat` that tells when files were changed
    baked-machine-id Skipped: the guest has no `stat` that tells when files were changed
    residue Skipped: the guest has no `stat` that tells when files were changed
    ");
    insta::assert_snapshot!(with(|facts| facts.kernel.clear()), @r"
    kernel-panic Skipped: neither the console nor the kernel's log said anything
    kernel-oops Skipped: neither the console nor the kernel's log said anything
    emergency-shell Skipped: neither the console nor the kernel's log said anything
    ordering-cycle Skipped: neither the console nor the kernel's log said anything
    out-of-memory Skipped: neither the console nor the kernel's log said anything
    file-system-errors Skipped: neither the console nor the kernel's log said anything
    ");
    let several = changed(|facts| facts.devices = vec![device(DeviceKind::Several, "dm-0", 3 * GIBIBYTE)]);
    assert_eq!(told(&[grown(&several, 4 * GIBIBYTE)]), "root-grown Skipped: the root file system is on several disks");
}

#[test]
fn a_cycle_that_only_the_journal_tells_of() {
    let told = with(|facts| facts.cycles = vec!["a.service: Found ordering cycle on b.service/start".to_owned()]);
    assert!(told.starts_with("ordering-cycle Failed: units wait for each other in a circle"), "{told}");
}

#[test]
fn a_disk_is_full_by_bytes_by_share_and_by_inodes() {
    let room = |total, free, inodes| with(|facts| facts.room = Some(Room { total, free, inodes }));
    assert_eq!(
        room(100 * GIBIBYTE, 4 * GIBIBYTE, None),
        "disk-full Failed: the root file system is full: 4.0 GiB of 100.0 GiB are free"
    );
    assert_eq!(
        room(200 << 20, 15 << 20, Some(9)),
        "disk-full Failed: the root file system is full: 15 MiB of 200 MiB are free"
    );
    assert_eq!(
        room(GIBIBYTE, GIBIBYTE / 2, Some(0)),
        "disk-full Failed: the root file system has no inodes left, though 512 MiB of 1.0 GiB are free"
    );
    assert_eq!(room(GIBIBYTE, GIBIBYTE / 2, None), "");
    let image = with(|facts| {
        facts.root_type = "squashfs".to_owned();
        facts.room = Some(Room::default());
    });
    assert_eq!(image, "disk-full Skipped: `squashfs` is always full");
}

#[test]
fn a_clock_of_1970_is_told_and_hides_nothing_that_was_in_the_image() {
    let told = with(|facts| {
        facts.now = Some(100);
        facts.btime = Some(42);
        facts.machine_id_time = Some(48);
        facts.residue.clear();
        facts.host_key_times = BTreeMap::from([("/etc/ssh/ssh_host_rsa_key".to_owned(), BOOT - 500)]);
    });
    insta::assert_snapshot!(told, @r"
    clock Failed: the guest's clock is 20833 days behind: it shows 1970-01-01T00:01:40+00:00
    baked-host-keys Failed: SSH host keys were in the image: `/etc/ssh/ssh_host_rsa_key`
    ");
    let set_back = with(|facts| {
        facts.now = Some(100);
        facts.btime = Some(42);
    });
    assert!(
        set_back.lines().count() == 1,
        "what was made before the clock was set back was made in this boot: {set_back}"
    );
    assert_eq!(with(|facts| facts.now = Some(BOOT + 60 + 290)), "");
}

#[test]
fn what_is_older_than_power_on_was_in_the_image() {
    let told = with(|facts| {
        facts.machine_id_time = Some(BOOT - 6);
        facts.host_key_times.insert("/etc/ssh/ssh_host_rsa_key".to_owned(), BOOT - 3600);
        facts.residue.push(Left {
            id: "histories".to_owned(),
            time: BOOT - 60,
            path: "/root/.bash_history".to_owned(),
        });
    });
    insta::assert_snapshot!(told, @r"
    baked-host-keys Failed: SSH host keys were in the image: `/etc/ssh/ssh_host_rsa_key`
    baked-machine-id Failed: the machine id `0a1b` was in the image
    residue Failed: the build left 1 file in the image: `histories`
    ");
    assert_eq!(with(|facts| facts.machine_id_time = Some(BOOT - 4)), "", "a clock of whole seconds");
    assert_eq!(with(|facts| facts.machine_id.clear()), "", "an empty one is for the next boot");
    assert_eq!(
        with(|facts| facts.dbus_id_time = Some(BOOT - 60)),
        "baked-machine-id Failed: D-Bus's copy of the machine id was in the image"
    );
}

#[test]
fn a_rebooted_machine_made_its_keys_in_its_first_boot() {
    let second = changed(|facts| {
        facts.btime = Some(BOOT + 100);
        facts.now = Some(BOOT + 160);
    });
    let ports = BTreeSet::new();
    let outside = Outside {
        console: "",
        our_key: Some("AAAAours"),
        declared_ports: &ports,
        now: at(BOOT + 160),
        power_on: at(BOOT),
    };
    assert_eq!(told(&judge(&second, &outside)), "");
}

#[test]
fn a_key_that_is_not_ours_lets_somebody_else_in() {
    let key = |comment: &str| AuthorizedKey {
        user: "debian".to_owned(),
        file: "/home/debian/.ssh/authorized_keys".to_owned(),
        key: "AAAAC3NzaC1lZDI1NTE5AAAAItheirs".to_owned(),
        comment: comment.to_owned(),
    };
    assert_eq!(
        with(|facts| facts.keys.push(key("alice@laptop"))),
        "leftover-keys Failed: `alice@laptop` can log in as `debian`"
    );
    let two = with(|facts| facts.keys.extend([key(""), key("bob")]));
    assert_eq!(
        two,
        "leftover-keys Failed: 2 keys of others can log in, the first is a key without a comment as `debian`"
    );
}

#[test]
fn root_and_its_password() {
    let sshd = |password, settings: &[(&str, &str)]| {
        with(|facts| {
            facts.root_password = password;
            facts.sshd = Some(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        })
    };
    let yes = [("permitrootlogin", "yes")];
    let usable = Some(Password::Usable);
    assert_eq!(sshd(usable, &yes), "root-password Failed: sshd lets root in by password, and root has a password");
    assert_eq!(sshd(Some(Password::Locked), &yes), "");
    assert_eq!(sshd(usable, &[]), "", "OpenSSH's default is keys only");
    let off = [("permitrootlogin", "yes"), ("passwordauthentication", "no"), ("kbdinteractiveauthentication", "no")];
    assert_eq!(sshd(usable, &off), "");
    assert_eq!(sshd(Some(Password::Empty), &yes), "");
    let empty = [("permitrootlogin", "yes"), ("permitemptypasswords", "yes")];
    assert!(sshd(Some(Password::Empty), &empty).ends_with("root's password is empty"));
    let dropbear = |arguments: &[&str]| {
        with(|facts| {
            facts.root_password = Some(Password::Usable);
            facts.sshd = None;
            facts.dropbear = Some(arguments.iter().map(|word| (*word).to_owned()).collect());
        })
    };
    let open = "root-password Failed: dropbear lets root in by password, and root has a password";
    assert_eq!(dropbear(&["dropbear", "-R", "-p", "2222"]), open);
    assert_eq!(dropbear(&["dropbear", "-r", "-s"]), open, "`-s` is a key's path here");
    for safe in [["dropbear", "-Rs"], ["dropbear", "-g"], ["dropbear", "-w"]] {
        assert_eq!(dropbear(&safe), "");
    }
    let none = with(|facts| facts.sshd = None);
    assert!(none.starts_with("root-password Skipped"), "{none}");
}

#[test]
fn ports_that_no_test_declares_are_a_warning() {
    let told = with(|facts| {
        facts.listeners.push(Listener { port: 80, process: Some("nginx".to_owned()) });
        facts.listeners.push(Listener { port: 631, process: Some("cupsd".to_owned()) });
        facts.listeners.push(Listener { port: 5000, process: None });
    });
    assert_eq!(
        told,
        "undeclared-ports Warned: ports that no test declares are open to the network: `631 (cupsd)`, `5000`"
    );
}

#[test]
fn a_reboot_keeps_who_a_machine_is() {
    let again = changed(|facts| {
        facts.boot_id = "boot-2".to_owned();
        facts.host_keys.insert("ssh-rsa AAAAmore".to_owned());
    });
    assert_eq!(told(&[same_after_reboot(&well(), &again)]), "");
    assert!(told(&[same_after_reboot(&well(), &well())]).contains("it did not reboot"));
    let other = changed(|facts| {
        facts.boot_id = "boot-2".to_owned();
        facts.machine_id = "ffff".to_owned();
        facts.host_keys = BTreeSet::from(["ssh-ed25519 AAAAnew".to_owned()]);
    });
    let result = same_after_reboot(&well(), &other);
    assert_eq!(told(&[result]), "identity-kept Failed: a reboot changed the machine's machine id, SSH host keys");
}

#[test]
fn copies_of_one_image_differ() {
    let other = changed(|facts| {
        facts.machine_id = "ffff".to_owned();
        facts.hostname = "other".to_owned();
        facts.host_keys = BTreeSet::from(["ssh-ed25519 AAAAnew".to_owned()]);
        facts.seeds.values_mut().for_each(|sum| sum.push('1'));
    });
    assert_eq!(told(&differ(&well(), &other)), "");
    insta::assert_snapshot!(told(&differ(&well(), &well())), @r"
    unique-machine-id Failed: two copies of the image have the machine id `0a1b`
    unique-host-keys Failed: two copies of the image have the same SSH host keys
    unique-hostname Warned: two copies of the image are both called `debian`
    unique-random-seed Failed: two copies of the image have the same random seed: `/var/lib/systemd/random-seed`
    ");
    let bare = Facts::default();
    assert_eq!(differ(&bare, &bare).len(), 4);
    assert!(differ(&bare, &bare).iter().all(|result| result.verdict == CheckVerdict::Skipped));
}

#[test]
fn a_root_file_system_grows_with_its_disk() {
    let grow = |change: fn(&mut Facts), disk| told(&[grown(&changed(change), disk)]);
    assert_eq!(grow(|_| {}, 3 * GIBIBYTE), "");
    assert_eq!(grow(|_| {}, 4 * GIBIBYTE), "root-grown Failed: 1.0 GiB of the 4.0 GiB disk are in no partition");
    let partition_only = grow(
        |facts| {
            facts.devices[0].bytes = 5 * GIBIBYTE;
            facts.devices[1].bytes = 5 * GIBIBYTE;
        },
        5 * GIBIBYTE,
    );
    assert_eq!(partition_only, "root-grown Failed: the root file system takes 2.8 GiB of the 5.0 GiB of `vda1`");
    let volume = grow(
        |facts| {
            facts.devices.insert(0, device(DeviceKind::Mapped, "dm-0", 3 * GIBIBYTE));
            facts.devices[1].bytes = 5 * GIBIBYTE;
            facts.devices[2].bytes = 5 * GIBIBYTE;
        },
        5 * GIBIBYTE,
    );
    assert_eq!(volume, "root-grown Failed: `dm-0` takes 3.0 GiB of the 5.0 GiB of `vda1`");
    let boot_beside = grow(
        |facts| {
            facts.devices[1].bytes = 4 * GIBIBYTE;
        },
        4 * GIBIBYTE,
    );
    assert_eq!(boot_beside, "", "a partition of its own for /boot is no room lost");
    assert!(grow(|facts| facts.devices.clear(), GIBIBYTE).starts_with("root-grown Skipped"));
}
