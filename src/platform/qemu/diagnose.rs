//! What a console's lines say is wrong with a guest. Pure.
//!
//! Some findings are *fatal*: the guest will not come up any more, so nobody waits for it. The others are *suspicions*:
//! a guest may say such a thing and still come up, so they only explain why it did not when its time is over. A fatal
//! finding is explained by an earlier suspicion that causes it: a missing root device, then an emergency shell.
//!
//! The guest is hostile: it can only make its own build fail, with one of the texts below and one of its own lines.

use std::collections::BTreeMap;

/// What can be wrong. The order is that of importance: the first one found is the one told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    // Fatal.
    KernelPanic,
    NoBootableDevice,
    NoBootOption,
    UefiShell,
    GrubRescue,
    GrubPrompt,
    InitramfsShell,
    EmergencyMode,
    RescueMode,
    // Suspicions.
    RootNotFound,
    GrubError,
    OutOfMemory,
    SshFailed,
    NetworkFailed,
    NetworkWaiting,
    JobWaiting,
    LoginPrompt,
    SilentDisk,
}

impl Kind {
    /// Whether the guest can't come up any more.
    pub(super) fn is_fatal(self) -> bool {
        self < Self::RootNotFound
    }

    /// What is wrong, to be followed by the line.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::KernelPanic => "the guest's kernel panicked",
            Self::NoBootableDevice => "the firmware found nothing to boot on the disk",
            Self::NoBootOption => "the UEFI firmware found nothing to boot on the disk",
            Self::UefiShell => "the UEFI firmware found nothing to boot and opened its shell",
            Self::GrubRescue => "GRUB can't find its own files and stopped in rescue mode",
            Self::GrubPrompt => "GRUB found no configuration and stopped at its prompt",
            Self::InitramfsShell => "the guest stopped in the shell of its initial root file system",
            Self::EmergencyMode => "the guest stopped in emergency mode",
            Self::RescueMode => "the guest stopped in rescue mode",
            Self::RootNotFound => "the guest did not find its root file system",
            Self::GrubError => "GRUB reported an error",
            Self::OutOfMemory => "the guest ran out of memory",
            Self::SshFailed => "the guest's SSH server did not start",
            Self::NetworkFailed => "the guest's network did not come up",
            Self::NetworkWaiting => "the guest was still waiting for its network",
            Self::JobWaiting => "the guest was still waiting for a unit of its boot",
            Self::LoginPrompt => "the guest came up to its login prompt, but does not let us in over SSH",
            Self::SilentDisk => "nothing came after the firmware started the disk's boot code",
        }
    }

    /// What to do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::KernelPanic => {
                "`console.txt` has what came before; more `memory:` helps when the kernel ran out of it"
            }
            Self::NoBootableDevice => {
                "does the image boot with BIOS? Set `firmware: uefi` for one that needs UEFI; one of another architecture boots with neither"
            }
            Self::NoBootOption | Self::UefiShell => {
                "does the image have an EFI system partition, for this architecture? Set `firmware: bios` for one that needs BIOS"
            }
            Self::GrubRescue | Self::GrubPrompt | Self::GrubError => {
                "the image's boot loader is not set up for this disk"
            }
            Self::InitramfsShell | Self::RootNotFound => {
                "the disk is a virtio block device (`/dev/vda`): the image must find its root file system by UUID or label, \
                 and its initrd needs `virtio_blk`"
            }
            Self::EmergencyMode | Self::RescueMode => {
                "a unit or a mount of the boot failed: look for `FAILED` and `DEPEND` in `console.txt`"
            }
            Self::OutOfMemory => "give the machine more `memory:`",
            Self::SshFailed => "look for the SSH server's own message in `console.txt`",
            Self::NetworkFailed | Self::NetworkWaiting => {
                "the machine has one virtio network card and a DHCP server: the image must configure the first network card, \
                 whatever its name is, by DHCP"
            }
            Self::JobWaiting => "disable the unit, or raise `connect: { timeout-minutes: … }`",
            Self::LoginPrompt => {
                "the image needs an SSH server, and cloud-init or systemd 252 or later to take the machine's key; is \
                 `connect: { user: … }` right?"
            }
            Self::SilentDisk => {
                "does the image boot with BIOS? Set `firmware: uefi` for one that needs UEFI; one of another architecture boots \
                 with neither. If it does, its kernel needs `console=ttyS0` to be heard"
            }
        }
    }

    /// Whether what says so waits for someone to type behind it.
    fn is_prompt(self) -> bool {
        matches!(self, Self::UefiShell | Self::GrubRescue | Self::GrubPrompt | Self::InitramfsShell | Self::LoginPrompt)
    }

    /// Whether an earlier `cause` tells more than this fatal finding.
    fn is_explained_by(self, cause: Self) -> bool {
        match cause {
            Self::RootNotFound => matches!(self, Self::KernelPanic | Self::InitramfsShell | Self::EmergencyMode),
            Self::GrubError => matches!(self, Self::GrubRescue | Self::GrubPrompt),
            Self::OutOfMemory => self == Self::KernelPanic,
            _ => false,
        }
    }
}

/// Something wrong, and the line that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub kind: Kind,
    pub line: String,
}

/// Follows a console.
#[derive(Clone, Debug, Default)]
pub(super) struct Diagnosis {
    fatal: Option<Finding>,
    suspicions: BTreeMap<Kind, String>,
}

impl Diagnosis {
    /// Takes note of a line without control characters.
    pub(super) fn see(&mut self, line: &str) {
        if firmware_starts(line) {
            // Another boot: what was wrong with the last one may be mended.
            *self = Self::default();
        }
        if !line.trim().is_empty() {
            self.suspicions.remove(&Kind::SilentDisk);
        }
        if let Some(kind) = kind_of(line) {
            self.note(kind, line);
        }
    }

    /// Takes note of a line that has no end yet: only a prompt is whole without one.
    pub(super) fn see_unfinished(&mut self, line: &str) {
        if let Some(kind) = kind_of(line).filter(|kind| kind.is_prompt()) {
            self.note(kind, line);
        }
    }

    fn note(&mut self, kind: Kind, line: &str) {
        let line = line.trim().to_owned();
        if !kind.is_fatal() {
            self.suspicions.insert(kind, line);
        } else if self.fatal.is_none() {
            self.fatal = Some(Finding { kind, line });
        }
    }

    /// What keeps the guest from ever coming up.
    pub(super) fn fatal(&self) -> Option<Finding> {
        let fatal = self.fatal.as_ref()?;
        let cause = self.suspicions.iter().find(|(kind, _)| fatal.kind.is_explained_by(**kind));
        Some(cause.map_or_else(|| fatal.clone(), |(kind, line)| Finding { kind: *kind, line: line.clone() }))
    }

    /// The best explanation of a guest that did not come up in time.
    pub(super) fn best(&self) -> Option<Finding> {
        self.fatal().or_else(|| {
            self.suspicions.first_key_value().map(|(kind, line)| Finding { kind: *kind, line: line.clone() })
        })
    }
}

fn firmware_starts(line: &str) -> bool {
    line.contains("SeaBIOS (version") || line.contains("UEFI firmware (version")
}

/// What a line says is wrong, if anything.
fn kind_of(line: &str) -> Option<Kind> {
    let has = |needle: &str| line.contains(needle);
    let trimmed = line.trim();
    let kind = if has("Kernel panic - not syncing") || has("end Kernel panic") {
        Kind::KernelPanic
    } else if trimmed == "No bootable device." {
        Kind::NoBootableDevice
    } else if has("BdsDxe: No bootable option or device was found") {
        Kind::NoBootOption
    } else if has("UEFI Interactive Shell v") || trimmed.starts_with("Shell>") {
        Kind::UefiShell
    } else if trimmed.starts_with("grub rescue>") || has("Entering rescue mode...") {
        Kind::GrubRescue
    } else if trimmed.starts_with("grub>") {
        Kind::GrubPrompt
    } else if trimmed.starts_with("(initramfs)")
        || is_dracut_prompt(trimmed)
        || has("can't access tty; job control turned off")
    {
        Kind::InitramfsShell
    } else if has("You are in emergency mode")
        || has("Entering emergency mode")
        || has("emergency.target - Emergency Mode")
    {
        Kind::EmergencyMode
    } else if has("You are in rescue mode") || has("rescue.target - Rescue Mode") {
        Kind::RescueMode
    } else {
        return suspicion_of(line);
    };
    Some(kind)
}

fn suspicion_of(line: &str) -> Option<Kind> {
    let has = |needle: &str| line.contains(needle);
    let kind = if (has("ALERT!") && has("does not exist"))
        || has("Unable to mount root fs")
        || has("Gave up waiting for root file system device")
        || (has("dracut") && has("does not exist"))
    {
        Kind::RootNotFound
    } else if line.trim_start().starts_with("error: ") {
        Kind::GrubError
    } else if has("Out of memory: Kill") || has("invoked oom-killer") {
        Kind::OutOfMemory
    } else if is_ssh_failure(line) {
        Kind::SshFailed
    } else if is_network_failure(line) {
        Kind::NetworkFailed
    } else if has("A start job is running for") {
        let line = line.to_ascii_lowercase();
        if line.contains("network") { Kind::NetworkWaiting } else { Kind::JobWaiting }
    } else if line.trim_end().ends_with(" login:") {
        Kind::LoginPrompt
    } else if line.trim() == "Booting from Hard Disk..." {
        Kind::SilentDisk
    } else {
        return None;
    };
    Some(kind)
}

/// `dracut:/#`, `:/#` of dracut's shell.
fn is_dracut_prompt(trimmed: &str) -> bool {
    trimmed.starts_with("dracut:/#") || trimmed.starts_with("dracut:/ #")
}

fn is_ssh_failure(line: &str) -> bool {
    line.contains("no hostkeys available")
        || (line.contains("Failed to start") && (line.contains("ssh.service") || line.contains("sshd.service")))
        || (line.contains("Failed to start") && line.contains("OpenBSD Secure Shell server"))
        || (line.contains("dropbear") && line.contains("error while loading shared libraries"))
}

fn is_network_failure(line: &str) -> bool {
    const UNITS: [&str; 7] = [
        "networking.service",
        "systemd-networkd.service",
        "wait-online.service",
        "NetworkManager.service",
        "Raise network interfaces",
        "Wait for Network to be Configured",
        "Network Configuration",
    ];
    (line.contains("Failed to start") && UNITS.iter().any(|unit| line.contains(unit)))
        || line.contains("No DHCPOFFERS received")
        || line.contains("no lease, failing")
        || line.contains("tiny: no network")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(console: &str, expected: Option<(Kind, &str)>) {
        let mut diagnosis = Diagnosis::default();
        console.lines().for_each(|line| diagnosis.see(line));
        let best = diagnosis.best();
        assert_eq!(best.as_ref().map(|finding| (finding.kind, finding.line.as_str())), expected, "{console}");
        // Only a guest that is lost for good is given up before its time.
        let lost = expected.is_some_and(|(kind, _)| kind.is_fatal() || console.contains("FATAL BELOW"));
        assert_eq!(diagnosis.fatal().is_some(), lost, "{console}");
    }

    #[test]
    fn a_quiet_boot_is_well() {
        check(
            "SeaBIOS (version 1.16.2-debian-1.16.2-1)\nBooting from Hard Disk...\nGRUB loading...\n\
             [    0.000000] Linux version 6.1.0-40-cloud-amd64\n[  OK  ] Started ssh.service - OpenBSD Secure Shell server.",
            None,
        );
    }

    #[test]
    fn a_disk_without_a_boot_loader() {
        check(
            "Booting from Hard Disk...\nBoot failed: not a bootable disk\n\nNo bootable device.",
            Some((Kind::NoBootableDevice, "No bootable device.")),
        );
        check(
            "BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x2,0x0): Not Found\n\
             BdsDxe: No bootable option or device was found.\nBdsDxe: Press any key to enter the Boot Manager Menu.",
            Some((Kind::NoBootOption, "BdsDxe: No bootable option or device was found.")),
        );
        check("UEFI Interactive Shell v2.2", Some((Kind::UefiShell, "UEFI Interactive Shell v2.2")));
    }

    #[test]
    fn a_disk_whose_boot_code_does_nothing() {
        let silent = "SeaBIOS (version 1.16.2-debian-1.16.2-1)\nBooting from Hard Disk...\n\n";
        check(silent, Some((Kind::SilentDisk, "Booting from Hard Disk...")));
        check(&format!("{silent}GRUB loading..."), None);
    }

    #[test]
    fn grub_in_rescue_mode_is_explained_by_its_error() {
        check(
            "GRUB loading.\nWelcome to GRUB!\n\nerror: no such partition. FATAL BELOW\nEntering rescue mode...\ngrub rescue> ",
            Some((Kind::GrubError, "error: no such partition. FATAL BELOW")),
        );
        check("grub> ", Some((Kind::GrubPrompt, "grub>")));
    }

    #[test]
    fn an_error_of_grub_alone_ends_nothing() {
        check(
            "error: no suitable video mode found.\nBooting in blind mode",
            Some((Kind::GrubError, "error: no suitable video mode found.")),
        );
    }

    #[test]
    fn a_panic_is_told_with_its_own_line() {
        check(
            "[    1.7] Run /init as init process\n[    1.8] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00\n\
             [    1.9] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
            Some((
                Kind::KernelPanic,
                "[    1.8] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00",
            )),
        );
    }

    #[test]
    fn a_missing_root_device_explains_the_panic_or_the_shell_that_follows() {
        check(
            "FATAL BELOW\n[ 1.2] VFS: Cannot open root device \"vda9\" or unknown-block(0,0): error -6\n\
             [ 1.3] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            Some((
                Kind::KernelPanic,
                "[ 1.3] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            )),
        );
        check(
            "Begin: Waiting for root file system ... done.\nGave up waiting for root file system device.  Common problems:\n\
             ALERT!  UUID=0b1ed0 does not exist.  Dropping to a shell!\n\n(initramfs) FATAL BELOW",
            Some((Kind::RootNotFound, "ALERT!  UUID=0b1ed0 does not exist.  Dropping to a shell!")),
        );
        check(
            "dracut-initqueue[312]: Warning: /dev/disk/by-uuid/1234 does not exist\n\
             Generating \"/run/initramfs/rdsosreport.txt\"\nEntering emergency mode. Exit the shell to continue. FATAL BELOW",
            Some((Kind::RootNotFound, "dracut-initqueue[312]: Warning: /dev/disk/by-uuid/1234 does not exist")),
        );
    }

    #[test]
    fn emergency_and_rescue_mode() {
        check(
            "[FAILED] Failed to mount srv.mount - /srv.\n[DEPEND] Dependency failed for local-fs.target - Local File Systems.\n\
             You are in emergency mode. After logging in, type \"journalctl -xb\" to view\n\
             Cannot open access to console, the root account is locked.",
            Some((Kind::EmergencyMode, "You are in emergency mode. After logging in, type \"journalctl -xb\" to view")),
        );
        check(
            "You are in rescue mode. After logging in, type \"journalctl -xb\" to view",
            Some((Kind::RescueMode, "You are in rescue mode. After logging in, type \"journalctl -xb\" to view")),
        );
    }

    #[test]
    fn a_network_that_never_comes_up() {
        check(
            "[**    ] A start job is running for Raise network interfaces (32s / 5min 2s)",
            Some((
                Kind::NetworkWaiting,
                "[**    ] A start job is running for Raise network interfaces (32s / 5min 2s)",
            )),
        );
        check(
            "[**    ] A start job is running for Wait for Network to be Configured (1min 59s / no limit)\n\
             [FAILED] Failed to start systemd-networkd-wait-online.service - Wait for Network to be Configured.\n\
             debian login: ",
            Some((
                Kind::NetworkFailed,
                "[FAILED] Failed to start systemd-networkd-wait-online.service - Wait for Network to be Configured.",
            )),
        );
    }

    #[test]
    fn memory_ssh_and_slow_units_are_suspicions_in_this_order() {
        let ssh = "[FAILED] Failed to start ssh.service - OpenBSD Secure Shell server.";
        let oom = "[  30.1] Out of memory: Killed process 512 (sshd) total-vm:15000kB";
        let unit = "[  *** ] A start job is running for /dev/disk/by-uuid/12 (10s / 1min 30s)";
        check(&format!("{unit}\n{ssh}"), Some((Kind::SshFailed, ssh)));
        check(&format!("{ssh}\n{oom}"), Some((Kind::OutOfMemory, oom)));
        check(unit, Some((Kind::JobWaiting, unit)));
        check("debian login: ", Some((Kind::LoginPrompt, "debian login:")));
    }

    #[test]
    fn a_reboot_forgets_what_was_wrong_before() {
        check("[    1.8] Kernel panic - not syncing: x\nSeaBIOS (version 1.16.2)", None);
    }
}
