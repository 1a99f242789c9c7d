//! Unpacking downloaded images: by their magic numbers, all members, into sparse files, within bounds.

use std::fs::File;
use std::io::{self, BufReader, Read};

use anyhow::{Context, bail};
use camino::Utf8Path;

use super::file::{self, CHUNK, Meter, SparseWriter, Stop};
use crate::context::Explained;
use crate::event::Failure;

/// How often the free space is looked at.
const SPACE_INTERVAL: u64 = 64 * 1024 * 1024;

/// A compression that images come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl Packing {
    /// Tells from a file's first bytes, since names lie.
    pub(super) fn of(path: &Utf8Path) -> anyhow::Result<Option<Self>> {
        let mut head = [0; 10];
        let mut file = File::open(path).with_context(|| format!("failed to open `{path}`"))?;
        let mut count = 0;
        while count < head.len() {
            match file.read(&mut head[count..]).with_context(|| format!("failed to read `{path}`"))? {
                0 => break,
                more => count += more,
            }
        }
        Ok(Self::of_head(&head[..count]))
    }

    fn of_head(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // A frame, or a skippable frame (RFC 8878, 3.1.2) in front of one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Some(Self::Bzip2),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }

    fn reader(self, file: File) -> io::Result<Box<dyn Read>> {
        let file = BufReader::with_capacity(CHUNK, file);
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Self::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        })
    }
}

/// Unpacks `from` into the new file `to`, at most `limit` bytes.
pub(super) fn unpack(
    from: &Utf8Path,
    to: &Utf8Path,
    packing: Packing,
    limit: u64,
    mut meter: Meter,
    stop: &Stop,
) -> anyhow::Result<u64> {
    let input = File::open(from).with_context(|| format!("failed to open `{from}`"))?;
    let damaged = || format!("failed to unpack `{from}`: its {} data is damaged or cut off", packing.as_str());
    let mut reader = packing.reader(input).with_context(damaged)?;
    let output = File::create(to).map_err(|error| file::write_error(to, error))?;
    let mut writer = SparseWriter::new(output);
    let mut buffer = vec![0; CHUNK];
    let mut next_look = 0;
    loop {
        stop.check()?;
        let count = fill(&mut reader, &mut buffer).with_context(damaged)?;
        if count == 0 {
            break;
        }
        if writer.len() + count as u64 > limit {
            bail!(bomb(from, limit));
        }
        if writer.len() >= next_look {
            file::ensure_space(to.parent().unwrap_or(to), 0)?;
            next_look = writer.len() + SPACE_INTERVAL;
        }
        writer.write(&buffer[..count]).map_err(|error| file::write_error(to, error))?;
        meter.add(count as u64);
    }
    meter.finish();
    writer.finish().map_err(|error| file::write_error(to, error))
}

/// Fills the buffer as far as the stream goes, so that holes are found on block boundaries.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn bomb(from: &Utf8Path, limit: u64) -> Explained {
    Explained(Failure {
        hint: Some("if this image really is that large, unpack it yourself and name the unpacked file".to_owned()),
        ..Failure::new(format!("`{from}` unpacks to more than {}", file::size(limit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_told_by_magic_number() {
        assert_eq!(Packing::of_head(b"\x1f\x8b\x08\x00rest"), Some(Packing::Gzip));
        assert_eq!(Packing::of_head(b"\xfd7zXZ\x00rest"), Some(Packing::Xz));
        assert_eq!(Packing::of_head(b"\x28\xb5\x2f\xfdrest"), Some(Packing::Zstd));
        assert_eq!(Packing::of_head(b"\x52\x2a\x4d\x18rest"), Some(Packing::Zstd));
        assert_eq!(Packing::of_head(b"BZh91AY&SYrest"), Some(Packing::Bzip2));
        assert_eq!(Packing::of_head(b"QFI\xfb\0\0\0\x03"), None);
        assert_eq!(Packing::of_head(b""), None);
    }
}
