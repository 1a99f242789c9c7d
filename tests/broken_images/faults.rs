//! The faults: what is done to the image's disk, and what is said of it.

/// A way in which an image is broken.
pub struct Fault {
    /// Faults of one image are tested together.
    pub image: &'static str,
    /// What of the disk is changed, while nothing runs.
    pub changes: &'static [Change],
    /// The names of what must fail.
    pub caught: &'static [&'static str],
    /// What must be told, for a person to see why.
    pub told: &'static [&'static str],
}

pub enum Change {
    /// Path, content, octal permissions.
    Write(&'static str, &'static str, &'static str),
    /// Path and what it leads to.
    Link(&'static str, &'static str),
    /// A host key as a builder forgets it.
    HostKey,
    /// The initial RAM file system lacks the driver of the disk.
    NoVirtioBlock,
}

use Change::{Link, Write};

/// A unit that runs a command as the system comes up: for the sake of a target, with more lines about the unit.
macro_rules! at_boot {
    ($name:literal, $target:literal, $unit:literal, $command:literal) => {
        &[
            Write(
                concat!("/etc/systemd/system/", $name, ".service"),
                concat!(
                    "[Unit]\nDescription=",
                    $name,
                    "\n",
                    $unit,
                    "[Service]\nType=oneshot\nExecStart=",
                    $command,
                    "\n"
                ),
                "0644",
            ),
            Link(
                concat!("/etc/systemd/system/", $target, ".wants/", $name, ".service"),
                concat!("/etc/systemd/system/", $name, ".service"),
            ),
            // Where the tests run, there may be a time server.
            Link("/etc/systemd/system/systemd-timesyncd.service", "/dev/null"),
        ]
    };
    ($name:literal, $command:literal) => {
        at_boot!($name, "multi-user.target", "", $command)
    };
}

const FOREIGN_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFUIcvkYGKFIXrEmQbh2rTsp6PrSDGK8KhUOyYRZ9Jzr packer_build\n";

pub const FAULTS: &[Fault] = &[
    Fault {
        image: "many",
        changes: &[Link("/etc/systemd/system/cron.service", "/dev/null")],
        caught: &["service cron: enabled", "service cron: running"],
        told: &["goss.yaml:3", "goss.yaml:4"],
    },
    Fault {
        image: "many",
        changes: at_boot!("payments", "/bin/false"),
        caught: &["check failed-units"],
        told: &["payments.service"],
    },
    Fault {
        image: "many",
        changes: &[Change::HostKey],
        caught: &["check baked-host-keys"],
        told: &["ssh_host_ed25519_key"],
    },
    Fault {
        image: "many",
        changes: &[Write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", "0444")],
        caught: &["check baked-machine-id"],
        told: &["0123456789abcdef"],
    },
    Fault {
        image: "many",
        changes: &[Write("/etc/app.conf", "token\n", "0666")],
        caught: &["file /etc/app.conf: mode"],
        told: &["0666", "goss.yaml:8"],
    },
    Fault {
        image: "many",
        changes: &[Link("/etc/systemd/system/nginx.service", "/dev/null")],
        caught: &["port tcp:80: listening"],
        told: &["goss.yaml:11"],
    },
    Fault {
        image: "many",
        changes: &[Write("/root/.ssh/authorized_keys", FOREIGN_KEY, "0600")],
        caught: &["check leftover-keys"],
        told: &["packer_build"],
    },
    Fault {
        image: "many",
        // All but 64 MiB. systemd reads `$$` as `$`.
        changes: at_boot!("hog", "/bin/sh -c 'fallocate -l $$(($$(df --output=avail / | tail -n 1) - 65536))KiB /hog'"),
        caught: &["check disk-full"],
        told: &["MiB"],
    },
    Fault {
        image: "many",
        // An hour later: the kernel refuses a time before its own start.
        changes: at_boot!("past", "/bin/date --set @3600"),
        caught: &["check clock"],
        told: &["1970"],
    },
    Fault {
        image: "panic",
        changes: at_boot!(
            "crash",
            "sysinit.target",
            "DefaultDependencies=no\nBefore=sysinit.target\n",
            "/bin/sh -c 'echo c >/proc/sysrq-trigger'"
        ),
        caught: &["check boots", "check kernel-panic"],
        told: &["Kernel panic - not syncing: sysrq triggered crash"],
    },
    Fault {
        image: "initrd",
        changes: &[Change::NoVirtioBlock],
        caught: &["check boots", "check emergency-shell"],
        told: &["does not exist"],
    },
];
