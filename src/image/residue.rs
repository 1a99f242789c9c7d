//! What a build leaves in a machine that must not be in its image: one table for the guest's script and for the offline
//! check of the finished disk.
//!
//! Patterns know `*` inside one path component, as the shell has it: it does not match a leading dot. A folder above a
//! match that is a symbolic link is left alone by both sides.

/// A kind of residue.
#[derive(Clone, Copy, Debug)]
pub struct Residue {
    /// Short and stable, for logs.
    pub id: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    pub action: Action,
    /// Absolute patterns.
    pub paths: &'static [&'static str],
    /// Only where this path is.
    pub when: Option<&'static str>,
    /// Why it must go, or who puts it there.
    pub reason: &'static str,
}

/// How a kind of residue is removed, and what the offline check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Files and folders that match are removed.
    Delete,
    /// Everything in matching folders is removed; the folders stay.
    Empty,
    /// Every file in matching folders, at any depth, is cut to nothing, so that owners and modes stay; rotated ones are
    /// removed.
    Truncate,
    /// A function of the script with the row's `id`, and a check of its own.
    Special(Special),
}

/// What needs more than a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Left as an empty file.
    MachineId,
    /// Removed unless it is a link to the machine id.
    DbusMachineId,
    /// Emptied when the build's network wrote it.
    ResolvConf,
    /// The build's own key, in whichever file it is.
    BuildKey,
}

const CLOUD_INIT: Option<&str> = Some("/usr/bin/cloud-init");

/// Everything that goes, in the order in which it goes.
pub const TABLE: &[Residue] = &[
    Residue {
        id: "build-key",
        what: "the build's SSH key",
        action: Action::Special(Special::BuildKey),
        paths: &["/root/.ssh", "/home/*/.ssh"],
        when: None,
        reason: "whoever has the build's key could log in to every machine of the image",
    },
    Residue {
        id: "host-keys",
        what: "SSH host keys",
        action: Action::Delete,
        paths: &["/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub", "/etc/dropbear/dropbear_*_host_key"],
        when: None,
        reason: "machines of one image would share them, and anyone with the image could pose as any of them",
    },
    Residue {
        id: "cloud-init",
        what: "cloud-init's state",
        action: Action::Delete,
        // Not `scripts`, `seed` and `handlers`: what a step puts there is meant for the image.
        paths: &["/var/lib/cloud/instance", "/var/lib/cloud/instances", "/var/lib/cloud/data", "/var/lib/cloud/sem"],
        when: None,
        reason: "cloud-init would take the first boot for one of the build's instance",
    },
    Residue {
        id: "cloud-init-network",
        what: "network configuration that cloud-init wrote",
        action: Action::Delete,
        paths: &[
            "/etc/netplan/50-cloud-init.yaml",
            "/etc/network/interfaces.d/50-cloud-init",
            "/etc/network/interfaces.d/50-cloud-init.cfg",
            "/etc/systemd/network/10-cloud-init-*",
            "/etc/NetworkManager/system-connections/cloud-init-*",
            "/etc/udev/rules.d/70-persistent-net.rules",
            "/etc/udev/rules.d/85-persistent-net-cloud-init.rules",
        ],
        // Without cloud-init nothing would write it again.
        when: CLOUD_INIT,
        reason: "it names the build machine's network card",
    },
    Residue {
        id: "cloud-init-users",
        what: "rights that cloud-init gave to the build's user",
        action: Action::Delete,
        paths: &["/etc/sudoers.d/90-cloud-init-users"],
        when: CLOUD_INIT,
        reason: "the next instance may have other users",
    },
    Residue {
        id: "random-seed",
        what: "random seeds and host secrets",
        action: Action::Delete,
        paths: &[
            "/var/lib/systemd/random-seed",
            "/var/lib/systemd/credential.secret",
            "/var/lib/urandom/random-seed",
            "/var/lib/misc/random-seed",
            "/var/lib/random-seed",
            "/var/lib/seedrng/*",
            "/boot/loader/random-seed",
            "/boot/efi/loader/random-seed",
            "/efi/loader/random-seed",
        ],
        when: None,
        reason: "machines of one image would start with the same randomness",
    },
    Residue {
        id: "leases",
        what: "DHCP leases and network identities",
        action: Action::Delete,
        paths: &[
            "/var/lib/dhcp/*",
            "/var/lib/dhclient/*",
            "/var/lib/dhcpcd/*",
            "/var/lib/dhcpcd5/*",
            "/var/lib/udhcpc/*",
            "/var/lib/NetworkManager/*.lease",
            "/var/lib/NetworkManager/*.leases",
            "/var/lib/NetworkManager/secret_key",
            "/var/lib/NetworkManager/seen-bssids",
            "/etc/dhcpcd.duid",
            "/etc/dhcpcd.secret",
        ],
        when: None,
        reason: "a machine would ask for the build machine's address",
    },
    Residue {
        id: "resolver",
        what: "name servers of the build's network",
        action: Action::Special(Special::ResolvConf),
        paths: &["/etc/resolv.conf"],
        when: None,
        reason: "they are not there where the image runs; the network's own configuration writes the file again",
    },
    Residue {
        id: "histories",
        what: "histories of shells and tools",
        action: Action::Delete,
        paths: &[
            "/root/.*_history",
            "/home/*/.*_history",
            "/root/.lesshst",
            "/home/*/.lesshst",
            "/root/.viminfo",
            "/home/*/.viminfo",
            "/root/.wget-hsts",
            "/home/*/.wget-hsts",
            "/root/.local/share/fish/fish_history",
            "/home/*/.local/share/fish/fish_history",
        ],
        when: None,
        reason: "they tell how the image was made, passwords on command lines included",
    },
    Residue {
        id: "journal",
        what: "the systemd journal",
        action: Action::Empty,
        paths: &["/var/log/journal"],
        when: None,
        reason: "it tells how the image was made; its folders are named after the build's machine id",
    },
    Residue {
        id: "installer-logs",
        what: "logs of an installer",
        action: Action::Delete,
        paths: &["/var/log/installer", "/var/log/anaconda", "/root/anaconda-ks.cfg", "/root/original-ks.cfg"],
        when: None,
        reason: "they hold the answers to the installer's questions",
    },
    Residue {
        id: "logs",
        what: "logs",
        action: Action::Truncate,
        paths: &["/var/log"],
        when: None,
        reason: "they tell of the build, not of the machine",
    },
    Residue {
        id: "login-records",
        what: "login records",
        action: Action::Delete,
        paths: &["/var/lib/wtmpdb/*", "/var/lib/lastlog/*", "/var/account/pacct"],
        when: None,
        reason: "they tell of the build's logins",
    },
    Residue {
        id: "package-caches",
        what: "caches of package managers",
        action: Action::Delete,
        paths: &[
            "/var/lib/apt/lists/*",
            "/var/cache/apt/*.bin",
            "/var/cache/apt/archives/*.deb",
            "/var/cache/apt/archives/partial/*",
            "/var/cache/dnf/*",
            "/var/cache/libdnf5/*",
            "/var/cache/yum/*",
            "/var/cache/zypp/*",
            "/var/cache/apk/*",
            "/var/cache/pacman/pkg/*",
        ],
        when: None,
        reason: "they are large, and stale on the day after; lists name the build's mirror",
    },
    Residue {
        id: "temporary",
        what: "temporary files",
        action: Action::Empty,
        paths: &["/tmp", "/var/tmp"],
        when: None,
        reason: "nobody expects them after a reboot",
    },
    Residue {
        id: "mail",
        what: "mail",
        action: Action::Empty,
        paths: &["/var/mail", "/var/spool/mail"],
        when: None,
        reason: "cron and others write to root about the build",
    },
    Residue {
        id: "account-backups",
        what: "backups of the account files",
        action: Action::Delete,
        paths: &["/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-"],
        when: None,
        reason: "they hold accounts and password hashes from before the last change",
    },
    Residue {
        id: "crashes",
        what: "crash dumps",
        action: Action::Empty,
        paths: &["/var/crash", "/var/lib/systemd/coredump", "/var/lib/systemd/pstore", "/var/spool/abrt"],
        when: None,
        reason: "they hold the memory of the build's processes",
    },
    Residue {
        id: "contract",
        what: "the build's own files",
        action: Action::Delete,
        paths: &["/var/lib/ovenbird-build"],
        when: None,
        reason: "the bootstrap lists in it what it changed for the build's sake",
    },
    Residue {
        id: "dbus-machine-id",
        what: "D-Bus's copy of the machine id",
        action: Action::Special(Special::DbusMachineId),
        paths: &["/var/lib/dbus/machine-id"],
        when: None,
        reason: "D-Bus would keep the build's id",
    },
    Residue {
        id: "machine-id",
        what: "the machine id",
        action: Action::Special(Special::MachineId),
        paths: &["/etc/machine-id"],
        when: None,
        reason: "machines of one image would share it. It is left as an empty file: a deleted one makes systemd apply \
                 presets, and a unit that a step disabled comes back",
    },
];

/// Folders in which services write while the machine goes down: wtmp, the random seed, leases, logs. When they are
/// clean, an empty file system is mounted over each, which takes such writes and vanishes with the machine.
pub const SHIELDED: &[&str] = &[
    "/var/log",
    "/var/lib/systemd",
    "/var/lib/urandom",
    "/var/lib/seedrng",
    "/var/lib/dhcp",
    "/var/lib/dhclient",
    "/var/lib/dhcpcd",
    "/var/lib/NetworkManager",
    "/var/lib/wtmpdb",
    "/var/lib/lastlog",
    "/var/mail",
    "/tmp",
    "/var/tmp",
];

/// Texts that show that the build's network wrote a resolver configuration: QEMU's own name server, and the tools that
/// say so.
pub const RESOLVER_MARKS: &[&str] = &[
    "nameserver 10.0.2.3",
    "Generated by NetworkManager",
    "Generated by dhcpcd",
    "generated by resolvconf",
    "Generated by resolvconf",
];

/// Whether a name fits one component of a pattern.
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() == Some(&b'*') {
        return false;
    }
    match_rest(pattern, name)
}

fn match_rest(pattern: &[u8], name: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return name.is_empty() };
    match first {
        b'*' => (0..=name.len()).any(|skip| match_rest(rest, &name[skip..])),
        literal => name.split_first().is_some_and(|(char, name)| char == literal && match_rest(rest, name)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_is_never_deleted_because_systemd_would_apply_presets() {
        for row in TABLE {
            for path in row.paths {
                let hits =
                    path.split('/').zip("/etc/machine-id".split('/')).all(|(a, b)| matches(a.as_bytes(), b.as_bytes()));
                assert!(
                    !hits || path.len() < "/etc".len() || row.action == Action::Special(Special::MachineId),
                    "{} touches the machine id with {:?}",
                    row.id,
                    row.action
                );
            }
        }
        let row = TABLE.iter().find(|row| row.id == "machine-id").unwrap();
        assert_eq!(row.action, Action::Special(Special::MachineId));
        assert_eq!(row.paths, ["/etc/machine-id"]);
        assert!(TABLE.last().unwrap().id == "machine-id", "what runs before may still need the id");
    }

    #[test]
    fn ids_are_unique_and_patterns_are_plain_absolute_paths() {
        let mut ids: Vec<_> = TABLE.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TABLE.len());
        let plain = |char: char| char.is_ascii_alphanumeric() || "/*._-".contains(char);
        for path in TABLE.iter().flat_map(|row| row.paths).chain(SHIELDED) {
            assert!(path.starts_with('/') && !path.contains("..") && path.chars().all(plain), "{path}");
        }
    }

    #[test]
    fn a_star_does_not_match_a_leading_dot() {
        assert!(matches(b"*.lease", b"internal-eth0.lease"));
        assert!(matches(b".*_history", b".bash_history"));
        assert!(!matches(b"*", b".hidden"));
        assert!(!matches(b"ssh_host_*_key", b"ssh_host_rsa_key.pub"));
    }
}
