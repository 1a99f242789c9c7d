//! Reading the file systems of a raw disk without mounting them: everything on it is hostile and may be damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use anyhow::{Context, bail};
use camino::Utf8Path;
use ext4_view::{Ext4, Ext4Error, Ext4Read, Metadata};
use serde::Deserialize;
use tokio::process::Command;

use super::residue;
use crate::context::{JobCtx, clean_line};
use crate::program::{self, ProgramError};

/// Where ext2, ext3 and ext4 have their superblock.
const SUPERBLOCK: u64 = 1024;

/// Files of configuration are smaller; a larger one is not looked into.
pub(super) const TEXT_LIMIT: u64 = 4 * 1024 * 1024;

/// No path of Linux is longer, so a folder deeper than this is a damaged file system's loop.
const LONGEST_PATH: usize = 4096;

/// Entries of a folder, with all below, that are looked at. Two folders that each hold both are no long path and never end.
const MOST_ENTRIES: usize = 200_000;

/// A range of a disk that may hold a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    /// For people.
    pub name: String,
    /// Bytes.
    pub start: u64,
    pub len: u64,
}

/// What is in a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// ext4, or its predecessors, which are read the same way.
    Ext {
        needs_recovery: bool,
    },
    /// Something that is known but not read.
    Other(&'static str),
    Nothing,
}

/// What `sfdisk -J` prints.
#[derive(Deserialize)]
struct Sfdisk {
    partitiontable: Table,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default = "sector")]
    sectorsize: u64,
    #[serde(default)]
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    start: u64,
    size: u64,
}

fn sector() -> u64 {
    512
}

/// The disk's partitions; the whole disk when a file system begins at its start.
pub(super) async fn volumes(ctx: &JobCtx, disk: &Utf8Path, len: u64) -> anyhow::Result<Vec<Volume>> {
    let whole = Volume { name: "the disk".to_owned(), start: 0, len };
    let file = File::open(disk).with_context(|| format!("failed to open `{disk}`"))?;
    if !matches!(content(&file, &whole)?, Content::Nothing) {
        return Ok(vec![whole]);
    }
    let mut command = Command::new("sfdisk");
    command.args(["--json", "--"]).arg(disk);
    let text = match program::run_with(ctx, command, |_| false).await {
        Ok(text) => text,
        // It refuses a disk without a table.
        Err(ProgramError::Failed { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read the partition table of `{disk}`")),
    };
    let table: Sfdisk = serde_json::from_str(&text).context("`sfdisk --json` printed something else")?;
    let Table { sectorsize, partitions } = table.partitiontable;
    let volumes = partitions.iter().enumerate().map(|(index, partition)| Volume {
        name: format!("partition {}", index + 1),
        start: partition.start.saturating_mul(sectorsize),
        len: partition.size.saturating_mul(sectorsize),
    });
    Ok(volumes.collect())
}

/// Tells what a volume holds, by magic numbers.
pub(super) fn content(disk: &File, volume: &Volume) -> io::Result<Content> {
    let superblock = peek::<1024>(disk, volume, SUPERBLOCK)?;
    // `s_magic` at 0x38; `INCOMPAT_RECOVER` of `s_feature_incompat` at 0x60.
    if superblock[0x38..0x3a] == [0x53, 0xef] {
        return Ok(Content::Ext { needs_recovery: superblock[0x60] & 0x4 != 0 });
    }
    if peek::<8>(disk, volume, 0x1_0040)? == *b"_BHRfS_M" {
        return Ok(Content::Other("btrfs"));
    }
    let head = peek::<1024>(disk, volume, 0)?;
    Ok(match &head {
        head if head.starts_with(b"XFSB") => Content::Other("xfs"),
        head if head.starts_with(b"LUKS\xba\xbe") => Content::Other("LUKS"),
        head if head[512..].starts_with(b"LABELONE") => Content::Other("LVM"),
        head if head[0x52..].starts_with(b"FAT32") || head[0x36..].starts_with(b"FAT") => Content::Other("vfat"),
        _ => Content::Nothing,
    })
}

/// Reads a few bytes; zeros where the volume or the disk is shorter.
fn peek<const N: usize>(disk: &File, volume: &Volume, offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let inside = offset.checked_add(N as u64).is_some_and(|end| end <= volume.len);
    let Some(at) = volume.start.checked_add(offset).filter(|_| inside) else { return Ok(bytes) };
    match disk.read_exact_at(&mut bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok([0; N]),
        result => result.map(|()| bytes),
    }
}

/// A volume as the file system reader wants it: nothing outside the volume can be reached.
struct Bounded {
    disk: File,
    start: u64,
    len: u64,
}

impl Ext4Read for Bounded {
    fn read(&mut self, start: u64, bytes: &mut [u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let end = start.checked_add(bytes.len() as u64).filter(|end| *end <= self.len);
        let at = self.start.checked_add(start).filter(|_| end.is_some());
        let at = at.ok_or("the file system reaches beyond its partition")?;
        Ok(self.disk.read_exact_at(bytes, at)?)
    }
}

/// Opens an ext volume.
pub(super) fn open(disk: &Utf8Path, volume: &Volume) -> Result<Ext4, Ext4Error> {
    let disk = File::open(disk).map_err(|error| Ext4Error::Io(Box::new(error)))?;
    Ext4::load(Box::new(Bounded { disk, start: volume.start, len: volume.len }))
}

/// The file systems of a machine, mounted in the mind only.
pub(super) struct View {
    root: Ext4,
    /// Absolute folders without a final `/`, and what is mounted there.
    mounts: Vec<(String, Ext4)>,
    /// Folders on file systems that can't be read.
    pub unread: Vec<String>,
}

/// A path as the file system has it; names need not be UTF-8.
pub(super) type RawPath = Vec<u8>;

impl View {
    /// Puts the other volumes where the root's `/etc/fstab` says.
    pub(super) fn new(root: Ext4, mut others: Vec<Ext4>) -> anyhow::Result<Self> {
        let mut view = Self { root, mounts: Vec::new(), unread: Vec::new() };
        let fstab = view.read(b"/etc/fstab")?.unwrap_or_default();
        for line in String::from_utf8_lossy(&fstab).lines().filter(|line| !line.trim_start().starts_with('#')) {
            let mut fields = line.split_ascii_whitespace();
            let (Some(source), Some(folder), Some(kind)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let folder = folder.trim_end_matches('/');
            if !folder.starts_with('/') || !source.starts_with(['/', 'U', 'L', 'P']) {
                continue;
            }
            let named = |ext4: &Ext4| {
                source.strip_prefix("UUID=").is_some_and(|uuid| uuid.eq_ignore_ascii_case(&ext4.uuid().to_string()))
                    || source.strip_prefix("LABEL=").is_some_and(|label| ext4.label().to_str() == Ok(label))
            };
            match others.iter().position(named) {
                Some(index) => view.mounts.push((folder.to_owned(), others.swap_remove(index))),
                // The ESP and memory hold nothing of ours.
                None if matches!(kind, "vfat" | "tmpfs" | "swap" | "proc" | "sysfs" | "none" | "iso9660" | "auto") => {}
                None => view.unread.push(folder.to_owned()),
            }
        }
        Ok(view)
    }

    /// The file system that a path is on, and its path there.
    fn locate<'a>(&'a self, path: &'a [u8]) -> (&'a Ext4, &'a [u8]) {
        let mut best = (&self.root, path);
        let mut longest = 0;
        for (folder, ext4) in &self.mounts {
            let Some(rest) = path.strip_prefix(folder.as_bytes()) else { continue };
            if folder.len() > longest && (rest.is_empty() || rest.starts_with(b"/")) {
                longest = folder.len();
                best = (ext4, if rest.is_empty() { b"/" } else { rest });
            }
        }
        best
    }

    /// What is at a path, links not followed; none when nothing is.
    pub(super) fn lookup(&self, path: &[u8]) -> anyhow::Result<Option<Metadata>> {
        let (ext4, inner) = self.locate(path);
        absent(ext4.symlink_metadata(inner), path)
    }

    /// Whether a path is there, links followed.
    pub(super) fn exists(&self, path: &[u8]) -> anyhow::Result<bool> {
        let (ext4, inner) = self.locate(path);
        Ok(absent(ext4.metadata(inner), path)?.is_some())
    }

    /// The names in a folder; none when it is no folder. A link to one is followed.
    pub(super) fn names(&self, path: &[u8]) -> anyhow::Result<Vec<RawPath>> {
        let (ext4, inner) = self.locate(path);
        let Some(entries) = absent(ext4.read_dir(inner), path)? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| broken(&error, path))?;
            let name = entry.file_name();
            let name = name.as_ref();
            // `lost+found` belongs to the file system.
            if name != b"." && name != b".." && name != b"lost+found" {
                names.push(name.to_vec());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The content of a file of at most [`TEXT_LIMIT`]; none when there is no such file.
    pub(super) fn read(&self, path: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let (ext4, inner) = self.locate(path);
        let Some(metadata) = absent(ext4.metadata(inner), path)? else { return Ok(None) };
        if !metadata.file_type().is_regular_file() || metadata.len() > TEXT_LIMIT {
            return Ok(None);
        }
        absent(ext4.read(inner), path)
    }

    /// Paths that a pattern of the residue table matches. A link above is not followed, as in the guest.
    pub(super) fn expand(&self, pattern: &str) -> anyhow::Result<Vec<RawPath>> {
        let mut found = vec![Vec::new()];
        for component in pattern.split('/').filter(|component| !component.is_empty()) {
            let mut next = Vec::new();
            for folder in found {
                let real = folder.is_empty() || self.lookup(&folder)?.is_some_and(|metadata| metadata.is_dir());
                if !real {
                    continue;
                }
                if !component.contains('*') {
                    next.push(join(&folder, component.as_bytes()));
                    continue;
                }
                let folder_path: &[u8] = if folder.is_empty() { b"/" } else { &folder };
                let names = self.names(folder_path)?;
                let hits = names.iter().filter(|name| residue::matches(component.as_bytes(), name));
                next.extend(hits.map(|name| join(&folder, name)));
            }
            found = next;
        }
        let mut there = Vec::new();
        for path in found {
            if self.lookup(&path)?.is_some() {
                there.push(path);
            }
        }
        Ok(there)
    }

    /// Calls `visit` for everything below a folder, links not followed.
    pub(super) fn walk(
        &self,
        top: &[u8],
        visit: &mut dyn FnMut(&[u8], &Metadata) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut folders = vec![top.to_vec()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            if folder.len() > LONGEST_PATH {
                bail!("the file system is damaged: folders are nested without end");
            }
            if !self.lookup(&folder)?.is_some_and(|metadata| metadata.is_dir()) {
                continue;
            }
            for name in self.names(&folder)? {
                seen += 1;
                if seen > MOST_ENTRIES {
                    bail!("the file system is damaged, or `{}` holds more than any machine's", clean_line(top));
                }
                let path = join(&folder, &name);
                let Some(metadata) = self.lookup(&path)? else { continue };
                visit(&path, &metadata)?;
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        Ok(())
    }
}

/// A path below a folder; the root is the empty path.
pub(super) fn join(folder: &[u8], name: &[u8]) -> RawPath {
    [folder, b"/", name].concat()
}

/// Tells absence from damage.
fn absent<T>(result: Result<T, Ext4Error>, path: &[u8]) -> anyhow::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(
            Ext4Error::NotFound
            | Ext4Error::NotADirectory
            | Ext4Error::IsADirectory
            | Ext4Error::IsASpecialFile
            | Ext4Error::TooManySymlinks
            | Ext4Error::MalformedPath
            | Ext4Error::NotAbsolute
            | Ext4Error::PathTooLong,
        ) => Ok(None),
        Err(error) => Err(broken(&error, path)),
    }
}

fn broken(error: &Ext4Error, path: &[u8]) -> anyhow::Error {
    anyhow::anyhow!("failed to read `{}` of the finished disk: {error}", crate::context::clean_line(path))
}
