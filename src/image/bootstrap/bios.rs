//! GRUB for BIOS on a GPT disk, written by hand. Pure.
//!
//! The firmware loads sector 0 (`boot.img`), which loads the first sector of the core image (`diskboot.img`), which loads
//! the rest. Each must know the sector of the next. `grub-install` writes the same, but for the Reed-Solomon code that it
//! appends to the core image to survive damage; the core image works without.

use anyhow::{bail, ensure};

const SECTOR: usize = 512;

/// Sector 0 up to here is boot code; behind it come the disk's signature and the protective partition table.
const BOOT_CODE: usize = 440;

/// In `boot.img`: the sector of the core image.
const KERNEL_SECTOR: usize = 0x5C;

/// In `boot.img`: a jump that `grub-install` replaces by no-operations on hard disks, for firmware that passes a wrong
/// drive number.
const DRIVE_CHECK: usize = 0x66;

/// In the core image's first sector: the first entry of the list of what to load, a sector (8 bytes), a length in
/// sectors (2), and a memory segment (2). The list grows downwards.
const BLOCK_LIST: usize = 0x1F4;

/// Where the list says that a core image is loaded.
const KERNEL_SEGMENT: u16 = 0x820;

/// What goes to the disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bios {
    /// For the start of sector 0; the rest of the sector stays.
    pub(super) boot: [u8; BOOT_CODE],
    /// For the BIOS partition.
    pub(super) core: Vec<u8>,
}

/// Fits GRUB's `boot.img` and `core.img` to a disk whose BIOS partition starts at `sector` and has `space` bytes.
///
/// # Errors
/// They are not what they should be, or don't fit.
pub(super) fn fit(boot: &[u8], core: &[u8], sector: u64, space: u64) -> anyhow::Result<Bios> {
    ensure!(boot.len() == SECTOR && boot.ends_with(&[0x55, 0xAA]), "GRUB's `boot.img` is not a boot sector");
    let mut code = [0; BOOT_CODE];
    code.copy_from_slice(&boot[..BOOT_CODE]);
    code[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&sector.to_le_bytes());
    code[DRIVE_CHECK..DRIVE_CHECK + 2].fill(0x90);

    let sectors = core.len().div_ceil(SECTOR);
    let Some(list) = core.get(BLOCK_LIST..BLOCK_LIST + 12) else { bail!("GRUB's `core.img` is too short") };
    let length = u16::from_le_bytes([list[8], list[9]]);
    let segment = u16::from_le_bytes([list[10], list[11]]);
    ensure!(
        segment == KERNEL_SEGMENT && usize::from(length) + 1 == sectors,
        "GRUB's `core.img` does not start with a list of its blocks"
    );
    let mut core = core.to_vec();
    core.resize(sectors * SECTOR, 0);
    ensure!(u64::try_from(core.len())? <= space, "GRUB's `core.img` does not fit into its partition");
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(sector + 1).to_le_bytes());
    Ok(Bios { boot: code, core })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn boot_img() -> Vec<u8> {
        let mut boot = vec![0xEE; SECTOR];
        boot[510..].copy_from_slice(&[0x55, 0xAA]);
        boot
    }

    /// A core image of `len` bytes whose block list says so.
    fn core_img(len: usize) -> Vec<u8> {
        let mut core = vec![0xCC; len];
        let rest = u16::try_from(len.div_ceil(SECTOR) - 1).unwrap();
        core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&1u64.to_le_bytes());
        core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&rest.to_le_bytes());
        core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&KERNEL_SEGMENT.to_le_bytes());
        core
    }

    #[test]
    fn each_part_knows_the_sector_of_the_next() {
        let bios = fit(&boot_img(), &core_img(3 * SECTOR + 1), 2048, 1 << 20).unwrap();
        assert_eq!(bios.boot[0x5C..0x64], 2048u64.to_le_bytes());
        assert_eq!(bios.boot[0x66..0x68], [0x90, 0x90]);
        assert_eq!(bios.core[0x1F4..0x1FC], 2049u64.to_le_bytes());
        assert_eq!(bios.core[0x1FC..0x200], core_img(3 * SECTOR + 1)[0x1FC..0x200]);
        assert_eq!(bios.core.len(), 4 * SECTOR);
    }

    #[test]
    fn what_is_no_grub_is_refused() {
        let core = core_img(4 * SECTOR);
        assert!(fit(&boot_img()[..500], &core, 2048, 1 << 20).is_err());
        assert!(fit(&[0; SECTOR], &core, 2048, 1 << 20).is_err());
        assert!(fit(&boot_img(), &core[..100], 2048, 1 << 20).is_err());
        assert!(fit(&boot_img(), &core[..3 * SECTOR], 2048, 1 << 20).is_err());
        assert!(fit(&boot_img(), &core, 2048, 1024).is_err());
    }
}
