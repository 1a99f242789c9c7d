//! Where things lie on the disk, and the partition table that says so.
//!
//! ```text
//! sector 0        BIOS boot code (GRUB's boot.img) and the protective MBR
//! 1 MiB           partition 14: bios_grub, 1 MiB, GRUB's core image          (not on arm64)
//! 2 MiB           partition 15: EFI system partition
//! …               partition 1: root file system, up to the end, so that it can grow
//! last MiB        the backup partition table
//! ```
//!
//! The numbers are those of Debian's own cloud images: the root file system is partition 1 although it comes last.

use crate::plan::job::Arch;

pub(super) const MIB: u64 = 1024 * 1024;
const SECTOR: u64 = 512;

/// Number of the root file system's partition.
pub(super) const ROOT_NUMBER: u32 = 1;

/// Room for two copies of shim and GRUB (8 MiB) and for firmware updates; the least that is a valid FAT32 is 33 MiB.
const ESP_SIZE: u64 = 64 * MIB;

/// Less than this is no disk for any Debian.
const SMALLEST_ROOT: u64 = 256 * MIB;

/// Part of a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: u64,
    pub(super) size: u64,
}

/// The partitions of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of the disk, whole MiB.
    pub(super) disk: u64,
    /// GRUB's core image for BIOS; none where there is no BIOS.
    pub(super) bios: Option<Extent>,
    pub(super) esp: Extent,
    pub(super) root: Extent,
}

impl Layout {
    /// The layout of a disk of at least `disk_size` bytes; none when that is too small for any system.
    pub(super) fn new(arch: Arch, disk_size: u64) -> Option<Self> {
        let disk = disk_size.checked_next_multiple_of(MIB)?;
        let bios = match arch {
            Arch::Amd64 => Some(Extent { start: MIB, size: MIB }),
            Arch::Arm64 => None,
        };
        let esp = Extent { start: bios.map_or(MIB, |bios| bios.start + bios.size), size: ESP_SIZE };
        let start = esp.start + esp.size;
        let size = disk.checked_sub(start + MIB).filter(|size| *size >= SMALLEST_ROOT)?;
        Some(Self { disk, bios, esp, root: Extent { start, size } })
    }

    /// The disk size that leaves `root` bytes for the root file system.
    pub(super) fn disk_size_for(arch: Arch, root: u64) -> u64 {
        let bios = match arch {
            Arch::Amd64 => MIB,
            Arch::Arm64 => 0,
        };
        (MIB + bios + ESP_SIZE + root.next_multiple_of(MIB) + MIB).next_multiple_of(MIB)
    }

    /// The partition table in sfdisk's words.
    pub(super) fn sfdisk_script(&self, arch: Arch) -> String {
        let root_type = match arch {
            // "Linux root", so that systemd's tools find it without being told.
            Arch::Amd64 => "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
            Arch::Arm64 => "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
        };
        let line = |number: u32, extent: Extent, kind: &str, name: &str| {
            let (start, size) = (extent.start / SECTOR, extent.size / SECTOR);
            format!("disk{number} : start={start}, size={size}, type={kind}, name=\"{name}\"\n")
        };
        let mut script = "label: gpt\nunit: sectors\nfirst-lba: 2048\n\n".to_owned();
        script += &line(ROOT_NUMBER, self.root, root_type, "root");
        if let Some(bios) = self.bios {
            script += &line(14, bios, "21686148-6449-6E6F-744E-656564454649", "bios");
        }
        script += &line(15, self.esp, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "esp");
        script
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_root_file_system_is_partition_1_and_comes_last() {
        let layout = Layout::new(Arch::Amd64, 4096 * MIB).unwrap();
        insta::assert_snapshot!(layout.sfdisk_script(Arch::Amd64), @r#"
        label: gpt
        unit: sectors
        first-lba: 2048

        disk1 : start=135168, size=8251392, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root"
        disk14 : start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name="bios"
        disk15 : start=4096, size=131072, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="esp"
        "#);
    }

    #[test]
    fn a_machine_without_bios_gets_no_partition_for_it() {
        let layout = Layout::new(Arch::Arm64, 4096 * MIB).unwrap();
        assert_eq!(layout.bios, None);
        assert_eq!(layout.esp.start, MIB);
    }

    #[test]
    fn a_size_that_is_no_whole_mib_is_rounded_up() {
        assert_eq!(Layout::new(Arch::Amd64, 1000 * MIB + 1).unwrap().disk, 1001 * MIB);
    }

    #[test]
    fn a_disk_that_holds_no_system_has_no_layout() {
        assert_eq!(Layout::new(Arch::Amd64, 100 * MIB), None);
        assert_eq!(Layout::new(Arch::Amd64, 0), None);
        assert_eq!(Layout::new(Arch::Amd64, u64::MAX), None);
    }

    #[test]
    fn the_size_that_is_asked_for_is_the_size_that_suffices() {
        for arch in [Arch::Amd64, Arch::Arm64] {
            let size = Layout::disk_size_for(arch, 900 * MIB + 1);
            assert_eq!(Layout::new(arch, size).unwrap().root.size, 901 * MIB);
        }
    }
}
