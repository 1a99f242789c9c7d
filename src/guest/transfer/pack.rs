//! A local tree as a tar stream that GNU tar and busybox understand: GNU headers, long names as `L` and `K` members, sizes
//! beyond 8 GiB in base 256, files with holes as `S` members if the guest can read them.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::SeekFrom;
use tar::{EntryType, GnuExtSparseHeader, Header};

use super::survey::{Survey, local, walk};
use crate::guest::{GuestError, Transfer};

/// The name that a single file has in its stream.
pub(super) const SINGLE: &str = "f";

const BLOCK: usize = 512;
/// Segments that a sparse header holds itself; more follow in blocks of 21.
const IN_HEADER: usize = 4;
/// With more segments than this a file is sent whole: its map would cost more than its holes.
const MOST_SEGMENTS: usize = 100_000;

/// How a tree is sent.
pub(super) struct Options {
    pub(super) owner: (u64, u64),
    /// Permission bits for files.
    pub(super) mode: Option<u32>,
    /// The guest reads sparse members.
    pub(super) sparse: bool,
    /// Folders that are left out, because the guest has them.
    pub(super) existing: HashSet<Vec<u8>>,
}

/// Writes everything to `out`, counting file contents in what `on_bytes` is told.
pub(super) fn pack(
    survey: &Survey,
    options: &Options,
    out: &mut dyn Write,
    on_bytes: &dyn Fn(u64),
) -> Result<Transfer, GuestError> {
    let mut packer = Packer { options, out, on_bytes, transfer: Transfer::default() };
    if survey.is_directory {
        let metadata = std::fs::metadata(&survey.root).map_err(GuestError::local("read", &survey.root))?;
        packer.directory(b"", &metadata)?;
        walk(&survey.root, &mut |inside, metadata| packer.entry(survey, inside, metadata))?;
    } else {
        packer.file(survey.root.as_std_path(), SINGLE.as_bytes())?;
    }
    packer.write(&[0; 2 * BLOCK])?;
    Ok(packer.transfer)
}

struct Packer<'a> {
    options: &'a Options,
    out: &'a mut dyn Write,
    on_bytes: &'a dyn Fn(u64),
    transfer: Transfer,
}

impl Packer<'_> {
    fn entry(&mut self, survey: &Survey, inside: &Path, metadata: &Metadata) -> Result<(), GuestError> {
        let path = survey.root.as_std_path().join(inside);
        let name = inside.as_os_str().as_bytes();
        if metadata.is_dir() {
            self.directory(name, metadata)
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(&path).map_err(local("read", &path))?;
            let mut header = self.header(EntryType::Symlink, metadata, 0o777);
            self.transfer.files += 1;
            self.member(&mut header, name, target.as_os_str().as_bytes())
        } else {
            self.file(&path, name)
        }
    }

    fn directory(&mut self, name: &[u8], metadata: &Metadata) -> Result<(), GuestError> {
        if self.options.existing.contains(name) {
            return Ok(());
        }
        let mut header = self.header(EntryType::Directory, metadata, metadata.mode() & 0o7777);
        let slash: &[u8] = if name.is_empty() { b"" } else { b"/" };
        self.member(&mut header, &[b"./", name, slash].concat(), b"")
    }

    fn file(&mut self, path: &Path, name: &[u8]) -> Result<(), GuestError> {
        let file = File::open(path).map_err(local("read", path))?;
        let metadata = file.metadata().map_err(local("read", path))?;
        let size = metadata.len();
        let mode = self.options.mode.unwrap_or(metadata.mode()) & 0o7777;
        self.transfer.files += 1;
        self.transfer.bytes += size;
        let segments = if self.options.sparse { segments(&file, size).map_err(local("read", path))? } else { None };
        let Some(segments) = segments else {
            let mut header = self.header(EntryType::Regular, &metadata, mode);
            header.set_size(size);
            self.member(&mut header, name, b"")?;
            return self.contents(&file, path, &[(0, size)], size);
        };
        self.sparse_header(name, &metadata, mode, &segments)?;
        self.contents(&file, path, &segments, size)
    }

    fn header(&self, kind: EntryType, metadata: &Metadata, mode: u32) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.options.owner.0);
        header.set_gid(self.options.owner.1);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        header.set_size(0);
        header
    }

    /// Writes a header, with its name and link target before it where they are too long for it.
    fn member(&mut self, header: &mut Header, name: &[u8], target: &[u8]) -> Result<(), GuestError> {
        self.long(EntryType::GNULongLink, target)?;
        self.long(EntryType::GNULongName, name)?;
        let old = header.as_old_mut();
        for (field, value) in [(&mut old.name, name), (&mut old.linkname, target)] {
            let kept = value.len().min(field.len());
            field[..kept].copy_from_slice(&value[..kept]);
        }
        header.set_cksum();
        self.write(header.as_bytes())
    }

    fn long(&mut self, kind: EntryType, value: &[u8]) -> Result<(), GuestError> {
        if value.len() <= 100 {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(value.len() as u64 + 1);
        header.set_cksum();
        self.write(header.as_bytes())?;
        let mut padded = value.to_vec();
        padded.resize((value.len() + 1).next_multiple_of(BLOCK), 0);
        self.write(&padded)
    }

    /// The header of a file with holes. A last segment of no length marks the end of the file.
    fn sparse_header(
        &mut self,
        name: &[u8],
        metadata: &Metadata,
        mode: u32,
        segments: &[(u64, u64)],
    ) -> Result<(), GuestError> {
        let mut map = segments.to_vec();
        if map.last().is_none_or(|(start, length)| start + length < metadata.len()) {
            map.push((metadata.len(), 0));
        }
        let (first, rest) = map.split_at(map.len().min(IN_HEADER));
        let mut header = self.header(EntryType::GNUSparse, metadata, mode);
        header.set_size(segments.iter().map(|(_, length)| length).sum());
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.set_real_size(metadata.len());
            gnu.set_is_extended(!rest.is_empty());
            for (slot, (start, length)) in gnu.sparse.iter_mut().zip(first) {
                slot.set_offset(*start);
                slot.set_length(*length);
            }
        }
        self.member(&mut header, name, b"")?;
        let blocks = rest.chunks(21);
        let count = blocks.len();
        for (number, block) in blocks.enumerate() {
            let mut extension = GnuExtSparseHeader::new();
            for (slot, (start, length)) in extension.sparse_mut().iter_mut().zip(block) {
                slot.set_offset(*start);
                slot.set_length(*length);
            }
            extension.set_is_extended(number + 1 < count);
            self.write(extension.as_bytes())?;
        }
        Ok(())
    }

    fn contents(&mut self, file: &File, path: &Path, segments: &[(u64, u64)], size: u64) -> Result<(), GuestError> {
        let mut buffer = vec![0; 128 * 1024];
        let (mut sent, mut place) = (0u64, 0);
        for (start, length) in segments {
            (self.on_bytes)(start - place);
            rustix::fs::seek(file, SeekFrom::Start(*start)).map_err(io::Error::from).map_err(local("read", path))?;
            let mut part = file.take(*length);
            let mut left = *length;
            while left > 0 {
                let read = part.read(&mut buffer).map_err(local("read", path))?;
                if read == 0 {
                    return Err(local("copy", path)(io::Error::other("it became shorter while it was copied")));
                }
                self.write(&buffer[..read])?;
                (self.on_bytes)(read as u64);
                left -= read as u64;
            }
            sent += length;
            place = start + length;
        }
        (self.on_bytes)(size - place);
        let padding = sent.next_multiple_of(BLOCK as u64) - sent;
        self.write(&[0; BLOCK][..usize::try_from(padding).unwrap_or(0)])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), GuestError> {
        self.out.write_all(bytes).map_err(|_| GuestError::Connection("the guest stopped reading".to_owned()))
    }
}

/// Where a file has data; none when it has no holes, or so many that they are not worth it.
fn segments(file: &File, size: u64) -> io::Result<Option<Vec<(u64, u64)>>> {
    let mut segments = Vec::new();
    let mut place = 0;
    while place < size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(place)) {
            Ok(start) => start,
            // No data after `place`: the rest is a hole.
            Err(rustix::io::Errno::NXIO) => break,
            // A file system without holes.
            Err(rustix::io::Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.min(size);
        if start >= size || segments.len() >= MOST_SEGMENTS {
            break;
        }
        segments.push((start, end - start));
        place = end;
    }
    let whole = segments.as_slice() == [(0, size)] || size == 0;
    Ok((!whole && segments.len() < MOST_SEGMENTS).then_some(segments))
}
