//! Reading a tar stream that a hostile guest may have written: old, ustar, GNU (long names, sparse members) and pax headers
//! (path, link, size), each of bounded size.

use std::collections::VecDeque;
use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, Header};

const BLOCK: u64 = 512;
/// Linux allows paths of 4 KiB to any one call; deeper trees reach further.
const LONGEST_NAME: u64 = 64 * 1024;
const LONGEST_PAX: u64 = 1024 * 1024;
const MOST_SEGMENTS: usize = 1024 * 1024;

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    /// Another name of a member before.
    HardLink,
    /// A device, a pipe, or something unknown.
    Other,
}

/// A member without its contents.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) kind: Kind,
    pub(super) path: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) mode: u32,
    pub(super) mtime: u64,
    /// Of the file as it will be.
    pub(super) size: u64,
    /// Where the contents belong: offset and length, ascending.
    pub(super) segments: VecDeque<(u64, u64)>,
}

/// The members of a stream, one after another.
pub(super) struct Archive<R> {
    input: R,
    /// Bytes of the current member that were not read, padding included.
    left: u64,
    padding: u64,
}

/// Long values that come before the header they belong to.
#[derive(Default)]
struct Long {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0 }
    }

    /// The next member; none at the end of the archive. What was not read of the one before is skipped.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        let mut long = Long::default();
        loop {
            self.skip(self.left.saturating_add(self.padding))?;
            (self.left, self.padding) = (0, 0);
            let Some(header) = self.header()? else { return Ok(None) };
            let stored = header.entry_size()?;
            match header.entry_type() {
                EntryType::GNULongName => long.path = Some(cut(self.value(stored, LONGEST_NAME)?)),
                EntryType::GNULongLink => long.target = Some(cut(self.value(stored, LONGEST_NAME)?)),
                EntryType::XHeader => pax(&self.value(stored, LONGEST_PAX)?, &mut long)?,
                EntryType::XGlobalHeader => {
                    self.value(stored, LONGEST_PAX)?;
                }
                _ => return self.member(&header, long).map(Some),
            }
        }
    }

    /// Reads contents of the current member; 0 at their end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(ended());
        }
        self.left -= read as u64;
        Ok(read)
    }

    fn member(&mut self, header: &Header, long: Long) -> io::Result<Member> {
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink,
            EntryType::Link => Kind::HardLink,
            _ => Kind::Other,
        };
        let path = long.path.unwrap_or_else(|| header.path_bytes().into_owned());
        // Before POSIX, a folder was a file whose name ends in a slash.
        let kind = if kind == Kind::File && path.ends_with(b"/") { Kind::Directory } else { kind };
        let stored = long.size.map_or_else(|| header.entry_size(), Ok)?;
        let mut member = Member {
            kind,
            path,
            target: long.target.or_else(|| header.link_name_bytes().map(|name| name.into_owned())).unwrap_or_default(),
            mode: header.mode().unwrap_or(0o644),
            mtime: header.mtime().unwrap_or(0),
            size: stored,
            segments: VecDeque::from([(0, stored)]),
        };
        if header.entry_type() == EntryType::GNUSparse {
            (member.size, member.segments) = self.sparse(header, stored)?;
        }
        // Links have no contents, whatever their size says: old archives repeat that of the file.
        if !matches!(member.kind, Kind::HardLink | Kind::Symlink) {
            self.left = stored;
            self.padding = stored.checked_next_multiple_of(BLOCK).ok_or_else(|| broken("a size"))? - stored;
        }
        Ok(member)
    }

    fn sparse(&mut self, header: &Header, stored: u64) -> io::Result<(u64, VecDeque<(u64, u64)>)> {
        let gnu = header.as_gnu().ok_or_else(|| broken("a sparse header"))?;
        let size = gnu.real_size()?;
        let (mut segments, mut end, mut sum) = (VecDeque::new(), 0u64, 0u64);
        let mut add = |slot: &tar::GnuSparseHeader| -> io::Result<()> {
            if slot.is_empty() {
                return Ok(());
            }
            let (start, length) = (slot.offset()?, slot.length()?);
            if start < end || segments.len() >= MOST_SEGMENTS {
                return Err(broken("a sparse map"));
            }
            end = start.checked_add(length).filter(|end| *end <= size).ok_or_else(|| broken("a sparse map"))?;
            sum += length;
            segments.push_back((start, length));
            Ok(())
        };
        for slot in &gnu.sparse {
            add(slot)?;
        }
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            self.input.read_exact(extension.as_mut_bytes())?;
            for slot in extension.sparse() {
                add(slot)?;
            }
            more = extension.is_extended();
        }
        if sum == stored { Ok((size, segments)) } else { Err(broken("a sparse map")) }
    }

    /// The next header; none at a block of zeros or the end of the stream.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(ended()),
                read => filled += read,
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        if header.cksum()? == sum { Ok(Some(header)) } else { Err(broken("a header")) }
    }

    /// The contents of a member that is a value, not a file.
    fn value(&mut self, stored: u64, most: u64) -> io::Result<Vec<u8>> {
        if stored > most {
            return Err(broken("a header: it is too long"));
        }
        let mut value = vec![0; usize::try_from(stored.next_multiple_of(BLOCK)).unwrap_or(0)];
        self.input.read_exact(&mut value)?;
        value.truncate(usize::try_from(stored).unwrap_or(0));
        Ok(value)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(ended()) }
    }
}

/// A long name ends at its NUL.
fn cut(mut value: Vec<u8>) -> Vec<u8> {
    if let Some(end) = value.iter().position(|byte| *byte == 0) {
        value.truncate(end);
    }
    value
}

/// `LENGTH KEY=VALUE\n` records (POSIX pax). Unknown keys do not matter, but a sparse file in pax form would be misread.
fn pax(records: &[u8], long: &mut Long) -> io::Result<()> {
    let mut rest = records;
    while !rest.is_empty() {
        let blank = rest.iter().position(|byte| *byte == b' ').ok_or_else(|| broken("a pax header"))?;
        let length: usize = number(&rest[..blank])?;
        if length <= blank + 1 || length > rest.len() {
            return Err(broken("a pax header"));
        }
        let record = rest[blank + 1..length].strip_suffix(b"\n").ok_or_else(|| broken("a pax header"))?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(|| broken("a pax header"))?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => long.path = Some(value.to_vec()),
            b"linkpath" => long.target = Some(value.to_vec()),
            b"size" => long.size = Some(number(value)?),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(broken("a sparse file in pax form, which is not read"));
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    Ok(())
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> io::Result<T> {
    let parsed = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    parsed.ok_or_else(|| broken("a number in a pax header"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the guest's archive is broken at {what}"))
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the guest's archive ends too early")
}
