//! Compressing a raw disk: only what is allocated is read, on as many threads as there are processors.
//!
//! zstd has threads of its own and writes one frame. gzip and xz get one member (stream) a chunk, made by a small pool
//! and written in order: any decompressor reads them as one file, and a chunk that is all hole is compressed once.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::file::{self, CHUNK, Extent, Meter, Stop};
use crate::plan::job::Compression;

/// Beyond this more threads only cost memory.
const MOST_WORKERS: usize = 16;

/// zstd's own default: images are read more often than they shrink by another percent.
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;
const XZ_LEVEL: u32 = 6;

/// Members lose little at this size, and the pool holds few of them.
const GZIP_CHUNK: usize = 4 * 1024 * 1024;
/// Twice the dictionary of level 6.
const XZ_CHUNK: usize = 16 * 1024 * 1024;

/// Compresses `disk` (of `len` bytes, zeros behind its end) into `to`; returns the SHA-256 of what was written.
pub(super) fn compress(
    compression: Compression,
    disk: &File,
    len: u64,
    to: &File,
    meter: &mut Meter,
    stop: &Stop,
) -> anyhow::Result<String> {
    let mut output = Hashing { file: to, hash: Sha256::new() };
    match compression {
        Compression::Zstd => zstd(disk, len, &mut output, meter, stop)?,
        Compression::Gzip => members(disk, len, &mut output, GZIP_CHUNK, gzip_member, meter, stop)?,
        Compression::Xz => members(disk, len, &mut output, XZ_CHUNK, xz_member, meter, stop)?,
    }
    Ok(file::hex(&output.hash.finalize()))
}

/// A writer that digests what goes through.
struct Hashing<'a> {
    file: &'a File,
    hash: Sha256,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = (&mut &*self.file).write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Threads to compress with.
fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MOST_WORKERS)
}

fn zstd(disk: &File, len: u64, output: &mut Hashing<'_>, meter: &mut Meter, stop: &Stop) -> anyhow::Result<()> {
    let mut encoder = zstd::Encoder::new(output, ZSTD_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(len))?;
    encoder.multithread(u32::try_from(workers())?)?;
    let mut chunks = Chunks::new(disk, len, CHUNK);
    let zeros = vec![0; CHUNK];
    while let Some(chunk) = chunks.next()? {
        stop.check()?;
        let bytes = match &chunk {
            Chunk::Data(bytes) => bytes,
            Chunk::Zeros(count) => &zeros[..*count],
        };
        encoder.write_all(bytes)?;
        meter.add(bytes.len() as u64);
    }
    encoder.finish()?;
    Ok(())
}

/// A piece of a disk.
enum Chunk {
    Data(Vec<u8>),
    Zeros(usize),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Self::Data(bytes) => bytes.len(),
            Self::Zeros(count) => *count,
        }
    }
}

/// A disk in chunks; holes are not read.
struct Chunks<'a> {
    disk: &'a File,
    /// Bytes of the disk, and of the file, which may be shorter.
    len: u64,
    file_len: u64,
    size: usize,
    offset: u64,
    /// The hole or data that `offset` is in ends here.
    extent: Extent,
}

impl<'a> Chunks<'a> {
    fn new(disk: &'a File, len: u64, size: usize) -> Self {
        let file_len = disk.metadata().map_or(len, |metadata| metadata.len()).min(len);
        Self { disk, len, file_len, size, offset: 0, extent: Extent::Hole(0) }
    }

    fn next(&mut self) -> io::Result<Option<Chunk>> {
        if self.offset >= self.len {
            return Ok(None);
        }
        let count = usize::try_from(self.len - self.offset).unwrap_or(self.size).min(self.size);
        let end = self.offset + count as u64;
        let chunk = if self.is_hole(end)? {
            Chunk::Zeros(count)
        } else {
            let mut bytes = vec![0; count];
            let there = usize::try_from(self.file_len.min(end) - self.offset).unwrap_or(count);
            self.disk.read_exact_at(&mut bytes[..there], self.offset)?;
            if file::is_zero(&bytes) { Chunk::Zeros(count) } else { Chunk::Data(bytes) }
        };
        self.offset = end;
        Ok(Some(chunk))
    }

    /// Whether there is only hole from `offset` to `end`.
    fn is_hole(&mut self, end: u64) -> io::Result<bool> {
        if self.offset >= self.file_len {
            return Ok(true);
        }
        let until = match self.extent {
            Extent::Hole(until) | Extent::Data(until) => until,
        };
        if until <= self.offset {
            self.extent = file::extent(self.disk, self.offset, self.file_len)?;
        }
        Ok(matches!(self.extent, Extent::Hole(until) if until >= end.min(self.file_len)))
    }
}

/// Compresses one chunk to a whole member.
type Member = fn(&[u8]) -> io::Result<Vec<u8>>;

fn gzip_member(chunk: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
    encoder.write_all(chunk)?;
    encoder.finish()
}

fn xz_member(chunk: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), XZ_LEVEL);
    encoder.write_all(chunk)?;
    encoder.finish()
}

/// A member that a worker makes, or one that is there already.
enum Slot {
    Coming(mpsc::Receiver<io::Result<Vec<u8>>>),
    There(Arc<Vec<u8>>),
}

/// Compresses chunks to members in parallel and writes them in order.
fn members(
    disk: &File,
    len: u64,
    output: &mut Hashing<'_>,
    size: usize,
    member: Member,
    meter: &mut Meter,
    stop: &Stop,
) -> anyhow::Result<()> {
    let workers = workers();
    let mut chunks = Chunks::new(disk, len, size);
    let mut zeros: Option<Arc<Vec<u8>>> = None;
    thread::scope(|scope| {
        let mut waiting: VecDeque<(u64, Slot)> = VecDeque::new();
        loop {
            stop.check()?;
            let chunk = chunks.next().context("failed to read the disk")?;
            let ended = chunk.is_none();
            if let Some(chunk) = chunk {
                let count = chunk.len() as u64;
                let slot = match chunk {
                    Chunk::Zeros(count) if count == size => {
                        if zeros.is_none() {
                            zeros = Some(Arc::new(member(&vec![0; size])?));
                        }
                        Slot::There(zeros.clone().unwrap_or_default())
                    }
                    chunk => {
                        let (sender, receiver) = mpsc::sync_channel(1);
                        scope.spawn(move || {
                            let bytes = match chunk {
                                Chunk::Data(bytes) => bytes,
                                Chunk::Zeros(count) => vec![0; count],
                            };
                            // Nobody waits for it any more after an error elsewhere.
                            let _ = sender.send(member(&bytes));
                        });
                        Slot::Coming(receiver)
                    }
                };
                waiting.push_back((count, slot));
            }
            // Holes are cheap to keep waiting, members in the making are not.
            let coming = |(_, slot): &&(u64, Slot)| matches!(slot, Slot::Coming(_));
            while !waiting.is_empty()
                && (ended || waiting.iter().filter(coming).count() >= workers || waiting.len() > 256)
            {
                let Some((count, slot)) = waiting.pop_front() else { break };
                match slot {
                    Slot::There(bytes) => output.write_all(&bytes)?,
                    Slot::Coming(receiver) => {
                        output.write_all(&receiver.recv().context("a compressing thread failed")??)?
                    }
                }
                meter.add(count);
            }
            if ended {
                return Ok(());
            }
        }
    })
}
