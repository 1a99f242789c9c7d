//! What true consoles say, and what no true console of a healthy boot may be taken for.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use super::*;

/// The check that a line fails or warns.
fn of(line: &str) -> Option<(Check, CheckVerdict)> {
    let found = judge_console(line).into_iter().filter(|result| result.verdict != CheckVerdict::Passed);
    let found: Vec<_> = found.map(|result| (result.check, result.verdict)).collect();
    match found.as_slice() {
        [] => None,
        [one] => Some(*one),
        more => panic!("{line}: {more:?}"),
    }
}

#[test]
fn every_pattern_is_a_regular_expression() {
    assert_eq!(COMPILED.len(), PATTERNS.len());
}

#[test]
fn a_healthy_debian_says_nothing_wrong() {
    // The console of a build's machine: Debian 12, cloud kernel, from power-on to power-off, with its shutdown's remounts.
    let results = judge_console(include_str!("corpus/debian-12.txt"));
    assert!(results.iter().all(|result| result.verdict == CheckVerdict::Passed), "{results:?}");
    assert_eq!(results.iter().map(|result| result.check).collect::<Vec<_>>(), CHECKS);
}

#[test]
fn what_healthy_boots_say_is_no_fault() {
    let healthy = "\
[    0.000000] Command line: BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro oops=panic panic=1 emergency_hint=x
[    0.000000] [Firmware Bug]: TSC doesn't count with P0 frequency!
[    0.250683] Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/html/latest/admin-guide/hw-vuln/srso.html
[    0.9] PCI: Using host bridge windows from ACPI; if necessary, use \"pci=nocrs\" and report a bug
[    0.9] ACPI BIOS Error (bug): Could not resolve symbol [\\_SB.PCI0], AE_NOT_FOUND (20220331/psargs-330)
[    0.9] ACPI Error: Aborting method \\_PR.CPU0._PDC due to previous error (AE_NOT_FOUND)
[    1.0] random: crng init done
[    1.1] Kernel panic timeout is 10 s; watchdog: NMI disabled
[    1.2] blk_update_request: I/O error, dev fd0, sector 0 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0
[    1.2] Buffer I/O error on dev fd0, logical block 0, async page read
[    1.2] I/O error, dev sr0, sector 0 op 0x0:(READ)
[    1.3] EXT4-fs (vda1): mounted filesystem 8b5c6a5e with ordered data mode. Quota mode: none.
[    1.3] EXT4-fs (vda1): re-mounted. Opts: errors=remount-ro. Quota mode: none.
[    1.3] EXT4-fs (vda1): mounted filesystem without journal. Opts: (null)
[    1.3] EXT4-fs (vda1): orphan cleanup on readonly fs
[    1.3] EXT4-fs (vda1): resizing filesystem from 261888 to 523775 blocks
[    1.3] XFS (vda4): Mounting V5 Filesystem
[    1.3] XFS (vda4): Ending clean mount
[    1.3] BTRFS info (device vda3): using crc32c (crc32c-intel) checksum algorithm
[    1.4] (sd-remount)[428]: Remounting '/' read-only with options 'errors=remount-ro'.
[  OK  ] Reached target local-fs.target - Local File Systems.
[  OK  ] Started systemd-oomd.service - Userspace Out-Of-Memory (OOM) Killer.
[  OK  ] Listening on systemd-oomd.socket - Userspace Out-Of-Memory (OOM) Killer Socket.
[  OK  ] Started emergency-calls.service - Takes emergency calls.
[  OK  ] Stopped target emergency-net.target.
[   10.1] systemd[1]: Mounting sys-kernel-debug.mount - Kernel Debug File System...
[   20.1] traps: app[812] general protection fault ip:7f1e sp:7ffd error:0 in libc.so.6[7f1e+155000]
[   21.0] app[813]: segfault at 0 ip 00007f sp 00007f error 4
[   22.0] oom_reaper: thread started
* Starting busybox crond ... [ ok ]
debian login: ";
    for line in healthy.lines() {
        assert_eq!(of(line), None, "{line}");
    }
}

#[test]
fn each_fault_is_told_by_its_own_check() {
    use CheckVerdict::{Failed, Warned};
    let faults = [
        (
            "[    1.8] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00",
            Check::KernelPanic,
            Failed,
        ),
        ("[    1.9] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---", Check::KernelPanic, Failed),
        ("[   12.1] BUG: kernel NULL pointer dereference, address: 0000000000000008", Check::KernelOops, Failed),
        ("[   12.1] BUG: unable to handle page fault for address: ffffa0", Check::KernelOops, Failed),
        ("[   12.1] Oops: 0002 [#1] PREEMPT SMP NOPTI", Check::KernelOops, Failed),
        ("[   12.1] Internal error: Oops: 0000000096000004 [#1] SMP", Check::KernelOops, Failed),
        ("[   12.1] kernel BUG at fs/ext4/inode.c:2714!", Check::KernelOops, Failed),
        (
            "[   12.1] general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
            Check::KernelOops,
            Failed,
        ),
        ("[   12.1] general protection fault: 0000 [#1] SMP", Check::KernelOops, Failed),
        ("[   12.1] WARNING: CPU: 0 PID: 1 at kernel/workqueue.c:1234 foo+0x1/0x2", Check::KernelOops, Warned),
        (
            "[  112.6] watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [systemd-sysv-ge:160]",
            Check::KernelOops,
            Warned,
        ),
        ("You are in emergency mode. After logging in, type \"journalctl -xb\" to view", Check::EmergencyShell, Failed),
        ("[  OK  ] Reached target emergency.target - Emergency Mode.", Check::EmergencyShell, Failed),
        ("(initramfs) ", Check::EmergencyShell, Failed),
        ("ALERT!  UUID=0b1ed0 does not exist.  Dropping to a shell!", Check::EmergencyShell, Failed),
        ("Cannot open access to console, the root account is locked.", Check::EmergencyShell, Failed),
        ("Generating \"/run/initramfs/rdsosreport.txt\"", Check::EmergencyShell, Failed),
        ("[    3.1] systemd[1]: Found ordering cycle on b.service/start", Check::OrderingCycle, Failed),
        ("[    3.1] systemd[1]: a.service: Found ordering cycle on b.service/start", Check::OrderingCycle, Failed),
        (
            "[    3.1] systemd[1]: a.service: Job b.service/start deleted to break ordering cycle starting with a.service/start",
            Check::OrderingCycle,
            Failed,
        ),
        ("[   30.1] apt-get invoked oom-killer: gfp_mask=0x140cca, order=0", Check::OutOfMemory, Failed),
        ("[   30.1] Out of memory: Killed process 512 (sshd) total-vm:15000kB", Check::OutOfMemory, Failed),
        ("[   30.1] Memory cgroup out of memory: Killed process 5 (a)", Check::OutOfMemory, Failed),
        ("[    5.1] EXT4-fs error (device vda1): ext4_lookup:1785: inode #2: comm ls", Check::FileSystemErrors, Failed),
        ("[    5.1] EXT4-fs (vda1): error count since last fsck: 4", Check::FileSystemErrors, Failed),
        ("[    5.1] EXT4-fs (vda1): Remounting filesystem read-only", Check::FileSystemErrors, Failed),
        ("[    5.1] XFS (vda4): Metadata corruption detected at xfs_agi_verify", Check::FileSystemErrors, Failed),
        (
            "[    5.1] XFS (vda4): Corruption of in-memory data detected.  Shutting down filesystem",
            Check::FileSystemErrors,
            Failed,
        ),
        ("[    5.1] BTRFS error (device vda3): bad tree block start", Check::FileSystemErrors, Failed),
        ("[    5.1] I/O error, dev vda, sector 2048 op 0x1:(WRITE)", Check::FileSystemErrors, Failed),
        (
            "[    5.1] Buffer I/O error on dev vda1, logical block 0, lost async page write",
            Check::FileSystemErrors,
            Failed,
        ),
        ("[    5.1] sd 0:0:0:0: rejecting I/O to offline device", Check::FileSystemErrors, Failed),
        ("/dev/vda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.", Check::FileSystemErrors, Failed),
    ];
    for (line, check, verdict) in faults {
        assert_eq!(of(line), Some((check, verdict)), "{line}");
        let journal = line.replacen("] ", "] debian kernel: ", 1);
        assert_eq!(of(&journal).map(|(check, _)| check), Some(check), "{journal}");
    }
}

#[test]
fn a_fault_is_quoted_once_without_its_control_characters() {
    let console = "\x1b[1m[    1.8] Kernel panic - not syncing: x\x1b[0m\r\nfine";
    let kernel = "[    1.900000] Kernel panic - not syncing: x\n[    2.0] ---[ end Kernel panic - not syncing: x ]---";
    let results = judge_logs(&[console, kernel], &[]);
    let panic = &results[0];
    assert_eq!(panic.message, "the kernel panicked: Kernel panic - not syncing: x");
    assert_eq!(
        panic.excerpt,
        ["[    1.8] Kernel panic - not syncing: x", "[    2.0] ---[ end Kernel panic - not syncing: x ]---"]
    );
    assert!(panic.hint.is_some());
}

#[test]
fn a_flood_of_faults_is_ten_lines() {
    let flood: String =
        (0..100_000).map(|number| format!("BUG: unable to handle {number} {}\n", "x".repeat(500))).collect();
    let oops = judge_console(&flood).swap_remove(1);
    assert_eq!((oops.verdict, oops.excerpt.len()), (CheckVerdict::Failed, 10));
    assert!(oops.excerpt.iter().all(|line| line.len() <= 400));
}
