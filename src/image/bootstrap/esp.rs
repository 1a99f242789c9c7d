//! The boot loaders, taken out of the finished root file system: GRUB for BIOS in front of the partitions, shim and GRUB
//! on the EFI system partition. Nothing is mounted.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use anyhow::Context;
use camino::Utf8Path;
use ext4_view::{Ext4, Ext4Read};
use tokio::process::Command;

use super::bios;
use super::debian::path;
use super::layout::Layout;
use crate::context::JobCtx;
use crate::plan::job::Arch;
use crate::program;

const SECTOR: u64 = 512;

/// GRUB's name of the EFI platform.
pub(super) fn grub_platform(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "x86_64-efi",
        Arch::Arm64 => "arm64-efi",
    }
}

/// A file of the EFI system partition.
pub(super) struct EspFile {
    /// Below `EFI/`.
    name: String,
    content: Vec<u8>,
}

/// Writes GRUB for BIOS, where there is one, and reads what the EFI system partition gets.
///
/// # Errors
/// The disk can't be read or written, or a boot loader is not in the system.
pub(super) fn write_bios(
    disk: &Utf8Path,
    layout: &Layout,
    arch: Arch,
    root_uuid: &str,
) -> anyhow::Result<Vec<EspFile>> {
    let file = File::options().read(true).write(true).open(disk).with_context(|| format!("failed to open `{disk}`"))?;
    let root = Partition { file: file.try_clone()?, start: layout.root.start };
    let root = Ext4::load(Box::new(root)).context("failed to read the new root file system")?;
    let read = |path: &str| root.read(path).with_context(|| format!("failed to read `{path}` in the new system"));
    if let Some(extent) = layout.bios {
        let (boot, core) = (read("/boot/grub/i386-pc/boot.img")?, read("/boot/grub/i386-pc/core.img")?);
        let bios = bios::fit(&boot, &core, extent.start / SECTOR, extent.size)?;
        let failed = || format!("failed to write `{disk}`");
        file.write_all_at(&bios.boot, 0).with_context(failed)?;
        file.write_all_at(&bios.core, extent.start).with_context(failed)?;
    }
    let (short, firmware_name) = match arch {
        Arch::Amd64 => ("x64", "BOOTX64.EFI"),
        Arch::Arm64 => ("aa64", "BOOTAA64.EFI"),
    };
    let shim = read(&format!("/usr/lib/shim/shim{short}.efi.signed"))?;
    let manager = read(&format!("/usr/lib/shim/mm{short}.efi.signed"))?;
    let grub =
        read(&format!("/usr/lib/grub/{platform}-signed/grub{short}.efi.signed", platform = grub_platform(arch)))?;
    // Debian's signed GRUB looks for its configuration in `EFI/debian`, wherever it was started from.
    let config =
        format!("search.fs_uuid {root_uuid} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n");
    let file = |name: String, content: &[u8]| EspFile { name, content: content.to_owned() };
    // The removable path is found by firmware without a boot entry: every fresh machine. The other is where Debian's own
    // tools keep the boot loader up to date.
    Ok(vec![
        file(format!("BOOT/{firmware_name}"), &shim),
        file(format!("BOOT/grub{short}.efi"), &grub),
        file(format!("BOOT/mm{short}.efi"), &manager),
        file(format!("debian/shim{short}.efi"), &shim),
        file(format!("debian/grub{short}.efi"), &grub),
        file(format!("debian/mm{short}.efi"), &manager),
        file("debian/grub.cfg".to_owned(), config.as_bytes()),
    ])
}

/// Makes the EFI system partition's file system in a file of its own.
///
/// # Errors
/// A file can't be written, or a program is missing or fails.
pub(super) async fn make(
    ctx: &JobCtx,
    files: &[EspFile],
    image: &Utf8Path,
    size: u64,
    serial: &str,
) -> anyhow::Result<()> {
    let failed = "failed to make the EFI system partition";
    File::create(image).and_then(|file| file.set_len(size)).with_context(|| format!("failed to create `{image}`"))?;
    let mut format = Command::new("mkfs.vfat");
    // One sector a cluster: FAT32, which firmware must read, has at least 65525 clusters.
    format.args(["-F", "32", "-s", "1", "-n", "ESP", "-i", serial]).arg(image).env("PATH", path());
    program::run_with(ctx, format, |_| false).await.context(failed)?;
    program::run(ctx, mtools("mmd", image, &["::/EFI", "::/EFI/BOOT", "::/EFI/debian"])).await.context(failed)?;
    let source = ctx.work.join("esp-file");
    for file in files {
        tokio::fs::write(&source, &file.content).await.with_context(|| format!("failed to write `{source}`"))?;
        let target = format!("::/EFI/{}", file.name);
        program::run(ctx, mtools("mcopy", image, &[source.as_str(), &target])).await.context(failed)?;
    }
    tokio::fs::remove_file(&source).await.with_context(|| format!("failed to remove `{source}`"))
}

fn mtools(program: &str, image: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    // A person's own settings for drives must not matter.
    command.arg("-i").arg(image).args(arguments).env("PATH", path()).env("MTOOLSRC", "/dev/null");
    command
}

/// Copies a file into the disk, leaving out what is zero, and makes the disk durable.
///
/// # Errors
/// A file can't be read or written.
pub(super) fn copy(image: &Utf8Path, disk: &Utf8Path, start: u64) -> anyhow::Result<()> {
    const BLOCK: usize = 64 * 1024;
    let mut from = File::open(image).with_context(|| format!("failed to open `{image}`"))?;
    let to = File::options().write(true).open(disk).with_context(|| format!("failed to open `{disk}`"))?;
    let mut buffer = vec![0; BLOCK];
    let mut at = start;
    loop {
        let count = from.read(&mut buffer).with_context(|| format!("failed to read `{image}`"))?;
        if count == 0 {
            break;
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            to.write_all_at(&buffer[..count], at).with_context(|| format!("failed to write `{disk}`"))?;
        }
        at += u64::try_from(count)?;
    }
    std::fs::remove_file(image).with_context(|| format!("failed to remove `{image}`"))?;
    to.sync_all().with_context(|| format!("failed to write `{disk}`"))
}

/// The part of a disk that starts at an offset.
struct Partition {
    file: File,
    start: u64,
}

impl Ext4Read for Partition {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync + 'static>> {
        self.file.seek(SeekFrom::Start(self.start + start_byte))?;
        self.file.read_exact(dst)?;
        Ok(())
    }
}
