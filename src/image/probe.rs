//! What a disk image is, found out without trusting it.
//!
//! A hostile image may name other files of this machine as its backing file, external data file or extents; QEMU would
//! open them, and even `qemu-img info` did for some (CVE-2024-4467). So the header is read here first, and QEMU is only
//! ever told the format, never asked for it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use anyhow::{Context, bail};
use camino::Utf8Path;
use tokio::process::Command;

use crate::context::{Explained, JobCtx};
use crate::event::Failure;
use crate::program;

/// `qemu-img info` reads one header; a header that keeps it longer is not one of a disk image.
const INFO_DEADLINE: Duration = Duration::from_secs(60);

/// An image's format, as QEMU names it, and the size of the disk inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    pub format: &'static str,
    pub virtual_size: u64,
}

/// Tells an image's format and size.
pub(super) async fn probe(ctx: &JobCtx, path: &Utf8Path) -> anyhow::Result<Probed> {
    match known(path)? {
        ("raw", len) => Ok(Probed { format: "raw", virtual_size: len.next_multiple_of(512) }),
        (format, _) => Ok(Probed { format, virtual_size: virtual_size(ctx, path, format).await? }),
    }
}

/// Fails for a file that is no image, or one that is refused.
pub(super) fn look(path: &Utf8Path) -> anyhow::Result<()> {
    known(path).map(|_| ())
}

/// An image's format and the file's length.
fn known(path: &Utf8Path) -> anyhow::Result<(&'static str, u64)> {
    let file = File::open(path).with_context(|| format!("failed to open `{path}`"))?;
    let len = file.metadata().with_context(|| format!("failed to read `{path}`"))?.len();
    if len == 0 {
        bail!(refused(path, "is empty"));
    }
    let format = format(path, &file, len)?;
    if format == "raw" && !may_be_a_disk(path, &file, len)? {
        return Err(no_disk_image(path).into());
    }
    Ok((format, len))
}

/// The format by magic number; refused when the image would make QEMU open other files.
fn format(path: &Utf8Path, file: &File, len: u64) -> anyhow::Result<&'static str> {
    let mut head = [0; 1024];
    let count = usize::try_from(len).unwrap_or(head.len()).min(head.len());
    file.read_exact_at(&mut head[..count], 0).with_context(|| format!("failed to read `{path}`"))?;
    match &head {
        [b'Q', b'F', b'I', 0xfb, ..] => qcow2(path, &head),
        [b'K', b'D', b'M', b'V', ..] => vmdk(path, file, &head),
        head if head.starts_with(b"COWD") || is_vmdk_descriptor(head) => {
            bail!(refused(path, "is a VMDK whose data is in other files"))
        }
        [b'Q', b'E', b'D', 0, ..] => bail!(refused(path, "is in the QED format, which is not supported")),
        head if head.starts_with(b"vhdxfile") => Ok("vhdx"),
        head if head[0x40..0x44] == 0xbeda_107f_u32.to_le_bytes() => Ok("vdi"),
        head if head.starts_with(b"conectix") => Ok("vpc"),
        head if head.starts_with(b"LUKS\xba\xbe") => bail!(refused(path, "is encrypted (LUKS)")),
        _ if has_vhd_footer(file, len) => Ok("vpc"),
        _ => Ok("raw"),
    }
}

/// Whether a file in no known format is perhaps a raw disk. A boot sector makes it one; else it must be as large as a
/// disk, made of sectors, and begin with something other than text.
fn may_be_a_disk(path: &Utf8Path, file: &File, len: u64) -> anyhow::Result<bool> {
    /// No file system that a machine starts from fits into less.
    const SMALLEST: u64 = 1024 * 1024;
    let mut sector = [0; 512];
    if len < 512 {
        return Ok(false);
    }
    file.read_exact_at(&mut sector, 0).with_context(|| format!("failed to read `{path}`"))?;
    let is_text = sector.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
    Ok(sector.ends_with(&[0x55, 0xaa]) || (len >= SMALLEST && len.is_multiple_of(512) && !is_text))
}

/// A qcow2 header (docs/interop/qcow2.txt): bytes 8–15 backing file, 72–79 incompatible features.
fn qcow2(path: &Utf8Path, head: &[u8; 1024]) -> anyhow::Result<&'static str> {
    const EXTERNAL_DATA: u64 = 1 << 2;
    let version = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    if !(2..=3).contains(&version) {
        bail!(refused(path, &format!("is a QCOW of version {version}, which is not supported")));
    }
    if be64(head, 8) != 0 {
        bail!(refused(path, "names a backing file"));
    }
    if version == 3 && be64(head, 72) & EXTERNAL_DATA != 0 {
        bail!(refused(path, "names an external data file"));
    }
    Ok("qcow2")
}

/// A sparse VMDK: the capacity is at 12, and the embedded descriptor's place (in sectors) at 28 and 36.
fn vmdk(path: &Utf8Path, file: &File, head: &[u8; 1024]) -> anyhow::Result<&'static str> {
    /// QEMU reads no more of a descriptor either.
    const DESCRIPTOR_LIMIT: u64 = 1024 * 1024;
    let le64 = |at: usize| be64(head, at).swap_bytes();
    if le64(12) == 0 {
        bail!(refused(path, "is a VMDK whose data is in other files"));
    }
    let (offset, len) = (le64(28).saturating_mul(512), le64(36).saturating_mul(512).min(DESCRIPTOR_LIMIT));
    let mut descriptor = vec![0; usize::try_from(len)?];
    let mut filled = 0;
    while filled < descriptor.len() {
        match file.read_at(&mut descriptor[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) => return Err(error).with_context(|| format!("failed to read `{path}`")),
        }
    }
    if String::from_utf8_lossy(&descriptor).contains("parentFileNameHint") {
        bail!(refused(path, "names a parent image"));
    }
    Ok("vmdk")
}

/// A descriptor that is a file of its own begins with a comment line of this text; blank lines may precede it.
fn is_vmdk_descriptor(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).contains("# Disk DescriptorFile")
}

/// A fixed VHD is a raw disk with a footer.
fn has_vhd_footer(file: &File, len: u64) -> bool {
    let mut footer = [0; 8];
    len > 512 && file.read_exact_at(&mut footer, len - 512).is_ok() && footer == *b"conectix"
}

fn be64(head: &[u8; 1024], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_be_bytes(bytes)
}

/// Asks QEMU for the size of a disk whose format is known, and once more whether it names other files.
async fn virtual_size(ctx: &JobCtx, path: &Utf8Path, format: &str) -> anyhow::Result<u64> {
    let mut command = Command::new("qemu-img");
    command.args(["info", "--output=json", "-f", format]).arg(super::file::literal_path(path));
    let run = program::run_with(ctx, command, |_| false);
    let text = tokio::time::timeout(INFO_DEADLINE, run)
        .await
        .with_context(|| format!("`qemu-img info` did not end within {} s on `{path}`", INFO_DEADLINE.as_secs()))?
        .with_context(|| format!("failed to read the disk image `{path}`"))?;
    let info: serde_json::Value = serde_json::from_str(&text).context("`qemu-img info` printed no JSON")?;
    if info.get("backing-filename").is_some() || info.pointer("/format-specific/data/data-file").is_some() {
        bail!(refused(path, "names another file"));
    }
    info.get("virtual-size").and_then(serde_json::Value::as_u64).context("`qemu-img info` told no size")
}

fn no_disk_image(path: &Utf8Path) -> Explained {
    let formats = "known formats: qcow2, vmdk, vdi, vhd, vhdx and raw, also packed with gzip, xz, zstd or bzip2";
    Explained(Failure { hint: Some(formats.to_owned()), ..Failure::new(format!("`{path}` is no disk image")) })
}

fn refused(path: &Utf8Path, why: &str) -> Explained {
    Explained(Failure {
        hint: Some("a base image must be a single, self-contained disk image".to_owned()),
        ..Failure::new(format!("the base image `{path}` {why}"))
    })
}
