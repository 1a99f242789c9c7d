//! Large files: digests, holes, free space, and work on a blocking thread that can be cancelled.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use camino::Utf8Path;
use rustix::fs::SeekFrom as SparseSeek;
use rustix::io::Errno;
use sha2::{Digest, Sha256, Sha512};

use crate::context::{Cancelled, Explained, JobCtx};
use crate::event::{Failure, Unit};

/// Bytes handled at once: large enough for a disk, small enough to notice a cancellation.
pub(super) const CHUNK: usize = 1024 * 1024;

/// What a disk that is being filled keeps free, so that we are not what stops everything else on the machine.
pub(super) const RESERVE: u64 = 64 * 1024 * 1024;

/// Tells blocking work that nobody wants its result any more.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Fails once the work was cancelled.
    pub(super) fn check(&self) -> Result<(), Cancelled> {
        if self.0.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }
}

/// Sets the flag when dropped, so that work whose caller went away ends too.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on a blocking thread. When the job is cancelled it is told to stop, and waited for.
pub(super) async fn blocking<T: Send + 'static>(
    ctx: &JobCtx,
    work: impl FnOnce(&Stop) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let stop = StopOnDrop(Stop::default());
    let flag = stop.0.clone();
    let mut task = tokio::task::spawn_blocking(move || work(&flag));
    tokio::select! {
        result = &mut task => result.context("a worker thread failed")?,
        () = ctx.cancel.cancelled() => {
            drop(stop);
            // Its half-written files are removed by the caller, so it must have let go of them.
            let _ = task.await;
            Err(Cancelled.into())
        }
    }
}

/// Reports progress at most once a step of the total, so that events stay few.
pub(super) struct Meter {
    ctx: JobCtx,
    what: String,
    done: u64,
    total: Option<u64>,
    next: u64,
}

impl Meter {
    pub(super) fn new(ctx: &JobCtx, what: impl Into<String>, done: u64, total: Option<u64>) -> Self {
        Self { ctx: ctx.clone(), what: what.into(), done, total, next: 0 }
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.done >= self.next {
            self.send();
        }
    }

    /// The last report, whatever the step.
    pub(super) fn finish(mut self) {
        self.total = self.total.or(Some(self.done));
        self.send();
    }

    fn send(&mut self) {
        self.ctx.events.progress(&self.what, self.done, self.total, Unit::Bytes);
        // A two-hundredth of the whole, or 4 MiB when the whole is not known.
        self.next = self.done + self.total.map_or(4 * CHUNK as u64, |total| (total / 200).max(1));
    }
}

/// Digests of one pass over a file, lowercase hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digests {
    pub sha256: String,
    pub sha512: String,
}

/// Reads a file once for both digests.
pub(super) fn digests(path: &Utf8Path, mut meter: Meter, stop: &Stop) -> anyhow::Result<Digests> {
    let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
    let file = File::open(path).with_context(|| format!("failed to open `{path}`"))?;
    each_chunk(file, |chunk| {
        stop.check()?;
        sha256.update(chunk);
        sha512.update(chunk);
        meter.add(chunk.len() as u64);
        Ok(())
    })
    .with_context(|| format!("failed to read `{path}`"))?;
    meter.finish();
    Ok(Digests { sha256: hex(&sha256.finalize()), sha512: hex(&sha512.finalize()) })
}

/// The SHA-256 of a file.
pub(super) fn sha256(path: &Utf8Path, mut meter: Meter, stop: &Stop) -> anyhow::Result<String> {
    let mut sha256 = Sha256::new();
    let file = File::open(path).with_context(|| format!("failed to open `{path}`"))?;
    each_chunk(file, |chunk| {
        stop.check()?;
        sha256.update(chunk);
        meter.add(chunk.len() as u64);
        Ok(())
    })
    .with_context(|| format!("failed to read `{path}`"))?;
    meter.finish();
    Ok(hex(&sha256.finalize()))
}

/// Reads to the end in chunks of [`CHUNK`].
fn each_chunk(mut reader: impl Read, mut on_chunk: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => on_chunk(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lowercase hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The end of the allocated range that `offset` is in, or the start of the next one when it is in a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Data until here.
    Data(u64),
    /// A hole until here.
    Hole(u64),
}

/// What is at `offset` of a file of `len` bytes. A file system that does not tell holes apart has data only.
pub(super) fn extent(file: &File, offset: u64, len: u64) -> io::Result<Extent> {
    match rustix::fs::seek(file, SparseSeek::Data(offset)) {
        Ok(data) if data > offset => Ok(Extent::Hole(data.min(len))),
        Ok(_) => match rustix::fs::seek(file, SparseSeek::Hole(offset)) {
            Ok(hole) => Ok(Extent::Data(hole.clamp(offset, len))),
            Err(error) => Err(error.into()),
        },
        Err(Errno::NXIO) => Ok(Extent::Hole(len)),
        Err(Errno::INVAL | Errno::NOTSUP) => Ok(Extent::Data(len)),
        Err(error) => Err(error.into()),
    }
}

/// Copies a sparse file: only what is allocated is read and written.
pub(super) fn copy_sparse(from: &File, to: &File, meter: &mut Meter, stop: &Stop) -> anyhow::Result<()> {
    let len = from.metadata()?.len();
    to.set_len(len)?;
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while offset < len {
        match extent(from, offset, len)? {
            Extent::Hole(end) => {
                meter.add(end - offset);
                offset = end;
            }
            Extent::Data(end) => {
                while offset < end {
                    stop.check()?;
                    let count = usize::try_from(end - offset).unwrap_or(CHUNK).min(CHUNK);
                    from.read_exact_at(&mut buffer[..count], offset)?;
                    to.write_all_at(&buffer[..count], offset)?;
                    offset += count as u64;
                    meter.add(count as u64);
                }
            }
        }
    }
    Ok(())
}

/// Writes a stream so that blocks of zeros become holes.
pub(super) struct SparseWriter {
    file: File,
    /// Bytes taken so far, holes included.
    len: u64,
}

/// The granularity of holes: what file systems allocate at once.
const BLOCK: usize = 4096;

impl SparseWriter {
    /// Begins at the start of an empty file.
    pub(super) fn new(file: File) -> Self {
        Self { file, len: 0 }
    }

    /// How much was taken so far, holes included.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Takes more bytes. Blocks count from the start of `chunk`, so hand over whole ones.
    pub(super) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        let mut blocks = chunk.chunks(BLOCK).peekable();
        let mut offset = 0;
        while let Some(block) = blocks.next() {
            let start = offset;
            offset += block.len();
            let zero = is_zero(block);
            while let Some(next) = blocks.next_if(|next| is_zero(next) == zero) {
                offset += next.len();
            }
            if zero {
                self.file.seek(SeekFrom::Current(i64::try_from(offset - start).unwrap_or(i64::MAX)))?;
            } else {
                self.file.write_all(&chunk[start..offset])?;
            }
        }
        self.len += chunk.len() as u64;
        Ok(())
    }

    /// Sets the length, so that a hole at the end counts, and brings everything to the disk.
    pub(super) fn finish(self) -> io::Result<u64> {
        self.file.set_len(self.len)?;
        self.file.sync_all()?;
        Ok(self.len)
    }
}

/// Whether all bytes are zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    // Whole words first: this runs over every byte of every disk.
    let words = bytes.chunks_exact(16);
    words.remainder().iter().all(|byte| *byte == 0)
        && words.map(|word| u128::from_ne_bytes(word.try_into().unwrap_or([1; 16]))).all(|word| word == 0)
}

/// Bytes that this user may still write where `path` is.
pub(super) fn free_space(path: &Utf8Path) -> anyhow::Result<u64> {
    let stat = rustix::fs::statvfs(path.as_std_path())
        .with_context(|| format!("failed to read the free space at `{path}`"))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Fails when fewer than `needed` bytes are free at `path`.
pub(super) fn ensure_space(path: &Utf8Path, needed: u64) -> anyhow::Result<()> {
    let free = free_space(path)?;
    if free < needed.saturating_add(RESERVE) {
        bail!(no_space(path, Some(needed)));
    }
    Ok(())
}

/// The error of a disk that is full or would be.
pub(super) fn no_space(path: &Utf8Path, needed: Option<u64>) -> Explained {
    let free = free_space(path).map_or_else(|_| "unknown".to_owned(), size);
    let need = needed.map(|needed| format!("{} more are needed, ", size(needed))).unwrap_or_default();
    Explained(Failure {
        hint: Some("free some space, or choose another folder for output and cache".to_owned()),
        ..Failure::new(format!("no space left on the disk of `{path}`: {need}{free} are free"))
    })
}

/// An I/O error at `path`, in which a full disk says so clearly.
pub(super) fn write_error(path: &Utf8Path, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let folder = path.parent().unwrap_or(path);
            anyhow::Error::new(no_space(folder, None)).context(format!("failed to write `{path}`"))
        }
        _ => anyhow::Error::new(error).context(format!("failed to write `{path}`")),
    }
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut unit = 0;
    let mut whole = bytes / 1024;
    let mut rest = bytes % 1024;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit])
}

/// A path as QEMU's programs take it literally: without the prefix, a name such as `a:b` would be a protocol.
pub(super) fn literal_path(path: &Utf8Path) -> String {
    format!("file:{path}")
}

/// Flushes a folder's entries, so that a rename survives a power cut.
pub(super) fn sync_folder(path: &Utf8Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn zero_blocks_become_holes_and_the_length_is_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = SparseWriter::new(file.reopen().unwrap());
        let mut data = vec![0; 3 * CHUNK];
        data[CHUNK + 5] = 7;
        for chunk in data.chunks(CHUNK) {
            writer.write(chunk).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), data.len() as u64);
        assert_eq!(std::fs::read(file.path()).unwrap(), data);
        let handle = file.reopen().unwrap();
        let end = data.len() as u64;
        assert_eq!(extent(&handle, 0, end).unwrap(), Extent::Hole(CHUNK as u64));
        assert_eq!(extent(&handle, 2 * CHUNK as u64, end).unwrap(), Extent::Hole(end));
    }

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        assert_eq!(size(512), "512 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(4 << 30), "4.0 GiB");
    }

    #[test]
    fn a_full_disk_says_how_much_is_needed_and_free() {
        let error = ensure_space(Utf8Path::new("/"), u64::MAX / 2).unwrap_err().to_string();
        assert!(error.starts_with("no space left on the disk of `/`: 8191.9 PiB more are needed, "), "{error}");
    }
}
