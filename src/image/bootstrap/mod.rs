//! A Debian disk from a package mirror, bootable with BIOS and UEFI, without mounting it or attaching it to a device.
//!
//! mmdebstrap installs the packages into a folder; a hook in its name space, where owners are right also for an ordinary
//! user, makes the root file system in place on the disk (`mke2fs -d` at an offset); then the boot loaders are read out of
//! that file system and written where firmware looks for them. [`debian()`] is the sequence.
//!
//! ```text
//! debian.rs      the sequence, and mmdebstrap's command line
//! layout.rs      the partition table                      bios.rs, esp.rs   the boot loaders
//! mirror.rs      where packages come from                 sources.rs        apt's source files
//! apt.rs         the host's proxies and authorities       files.rs          what we put into the image
//! packages.rs    what is installed                        progress.rs       what mmdebstrap's lines tell
//! guest/         the image's own files, and the shell scripts that mmdebstrap runs
//! ```
//!
//! Knows of `context`, `program`, `journal` and the job's types; nothing of platforms.
//!
//! # What is in the image
//!
//! mmdebstrap's `minbase` (all of priority `required`, and apt), then, without recommended packages, also for `packages:`:
//!
//! | packages | because |
//! | --- | --- |
//! | `linux-image-ARCH` (`linux-image-cloud-ARCH`), `initramfs-tools`, `zstd` | generic kernel, initramfs with most drivers: it boots on any hypervisor; zstd packs it fast |
//! | `grub-cloud-amd64` (arm64: signed GRUB and shim) | as in Debian's cloud images: BIOS, UEFI and Secure Boot on one disk, kept up to date by upgrades |
//! | `systemd-sysv`, `udev`, `dbus`, `libpam-systemd`, `systemd-timesyncd` | init and logins; the clock |
//! | `systemd-resolved`, `libnss-myhostname`, `netbase`, `iproute2`, `iputils-ping` | systemd-networkd brings any card up by DHCP, with or without cloud-init, which writes its own files for networkd |
//! | `openssh-server`, `ca-certificates` | how it is reached, and reaches others |
//! | `e2fsprogs`, `fdisk`, `kmod`, `procps`, `less`, `nano` | growing the disk; looking around |
//! | `cloud-init`, `cloud-guest-utils`, `sudo` | unless `cloud-init: false`; cloud-init's user needs sudo |
//!
//! Not in it: `unattended-upgrades`, `apparmor`, guest agents of hypervisors, firmware: name them in `packages:`.
//!
//! # Decisions
//!
//! - **Boot entry.** `/boot/grub/grub.cfg` names `/vmlinuz`, `/initrd.img` and the file system's UUID, no version: a kernel
//!   installed later is booted even where `update-grub` can't run (a tree without devices). In a booted machine the kernel's
//!   own hook runs `update-grub`, which replaces the file from `/etc/default/grub` and our
//!   `/etc/default/grub.d/50-ovenbird.cfg`.
//! - **Boot loader upgrades.** `grub-cloud-amd64` runs `grub-install` only where `/etc/grub.d/enable_cloud` exists. It is
//!   made when the packages are installed, so that upgrades of GRUB and shim in a booted machine reach the disk. Who
//!   upgrades packages in a tree without devices must hold the file back.
//! - **First boot.** `ovenbird-grow-root.service` grows the last partition and its file system;
//!   `ovenbird-host-keys.service` makes SSH host keys after cloud-init had its chance, when there is *no* key at all, and
//!   shows them on the console as cloud-init does. Both also with cloud-init: without a data source it does nothing.
//! - **Access.** No password anywhere; root logs in by key only. systemd takes `ssh.authorized_keys.root` and
//!   `tmpfiles.extra` (for a known host key) as credentials from the hypervisor.
//! - **The build's own.** What only the build may see is listed for `seal`: `/var/lib/ovenbird-build/remove` holds absolute
//!   paths, one a line, to delete; `/var/lib/ovenbird-build/restore/` holds files to move over `/`; then the folder goes.

mod apt;
mod bios;
mod debian;
mod esp;
mod files;
mod layout;
mod mirror;
mod packages;
mod progress;
mod sources;

pub use debian::{debian, remove_tree};
pub(super) use progress::without_password;
