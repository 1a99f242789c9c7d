//! Which packages an image is made of. The table in [`super`]'s documentation says why.

use crate::plan::job::{Arch, Debian, Kernel};

const BASE: &[&str] = &[
    "systemd-sysv",
    "udev",
    "dbus",
    "libpam-systemd",
    "systemd-resolved",
    "systemd-timesyncd",
    "libnss-myhostname",
    "initramfs-tools",
    "zstd",
    "e2fsprogs",
    "fdisk",
    "kmod",
    "procps",
    "iproute2",
    "iputils-ping",
    "netbase",
    "openssh-server",
    "ca-certificates",
    "less",
    "nano",
];

const CLOUD_INIT: &[&str] = &["cloud-init", "cloud-guest-utils", "sudo"];

/// All packages to include, without repetition, in a stable order.
pub(super) fn included(debian: &Debian, arch: Arch) -> Vec<String> {
    let mut packages: Vec<String> = BASE.iter().map(|&name| name.to_owned()).collect();
    packages.push(kernel(debian.kernel, arch));
    packages.extend(boot_loader(arch).iter().map(|&name| name.to_owned()));
    if debian.cloud_init {
        packages.extend(CLOUD_INIT.iter().map(|&name| name.to_owned()));
    }
    for package in &debian.packages {
        if !packages.contains(package) {
            packages.push(package.clone());
        }
    }
    packages
}

fn kernel(kernel: Kernel, arch: Arch) -> String {
    match kernel {
        Kernel::Generic => format!("linux-image-{}", arch.debian()),
        Kernel::Cloud => format!("linux-image-cloud-{}", arch.debian()),
    }
}

fn boot_loader(arch: Arch) -> &'static [&'static str] {
    match arch {
        // Pulls in GRUB for BIOS and UEFI, its signed form, and shim.
        Arch::Amd64 => &["grub-cloud-amd64"],
        Arch::Arm64 => &["grub2-common", "grub-efi-arm64-bin", "grub-efi-arm64-signed", "shim-signed"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian(packages: &[&str]) -> Debian {
        Debian {
            suite: "bookworm".to_owned(),
            packages: packages.iter().map(|&name| name.to_owned()).collect(),
            kernel: Kernel::Cloud,
            cloud_init: false,
            mirror: None,
            apt_sources: None,
        }
    }

    #[test]
    fn a_package_that_is_there_anyway_is_not_named_twice() {
        let packages = included(&debian(&["nginx", "less", "nginx"]), Arch::Amd64);
        assert_eq!(packages.iter().filter(|name| *name == "less").count(), 1);
        assert_eq!(packages.iter().filter(|name| *name == "nginx").count(), 1);
    }

    #[test]
    fn kernel_and_cloud_init_are_as_asked_for() {
        let small = included(&debian(&[]), Arch::Amd64);
        assert!(small.contains(&"linux-image-cloud-amd64".to_owned()));
        assert!(!small.contains(&"cloud-init".to_owned()));
        let portable = included(&Debian { kernel: Kernel::Generic, cloud_init: true, ..debian(&[]) }, Arch::Arm64);
        assert!(portable.contains(&"linux-image-arm64".to_owned()));
        assert!(portable.contains(&"cloud-init".to_owned()));
        assert!(portable.contains(&"grub-efi-arm64-signed".to_owned()));
    }
}
