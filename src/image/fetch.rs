//! Bringing a base image here: local or from the web, verified, unpacked, and told what it is.
//!
//! ```text
//! <cache>/images/<key>.lock            held while one job works on the entry
//! <cache>/images/<key>/record.json     written last: which file is complete, and its digest
//! <cache>/images/<key>/image           as downloaded, or
//! <cache>/images/<key>/unpacked        what was in it
//! <cache>/images/<key>/<token>.part/   a download that is not complete; journaled while a job works on it
//! ```
//!
//! The key is made of the URL and the expected digest, so a project that replaces an image under the same URL gets
//! another entry.

use std::fs::{File, TryLockError};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::decompress::{self, Packing};
pub use super::download::Limits;
use super::download::{self, Download, Pieces};
use super::file::{self, Digests, Meter};
use super::{checksum, probe};
use crate::context::{Cancelled, Explained, JobCtx};
use crate::event::Failure;
use crate::journal::Resource;
use crate::plan::job::{Checksum, Image};

/// A base image that is ready to be used: read it, never write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub path: Utf8PathBuf,
    /// QEMU's name of the format: `qcow2`, `raw`, `vmdk`, `vdi`, `vpc`, `vhdx`. It names no other file.
    pub format: String,
    /// `sha256:…` of the file as it was downloaded.
    pub digest: String,
    /// Bytes of the disk inside.
    pub virtual_size: u64,
}

/// Brings `image` here.
///
/// # Errors
/// It can't be read or downloaded, is not what its checksum says, does not fit the disk, or would make QEMU open other
/// files.
pub async fn fetch(ctx: &JobCtx, image: &Image) -> anyhow::Result<Fetched> {
    fetch_with(ctx, image, &Limits::default()).await
}

/// Tells of a local file whether it can be an image at all, from what lies at its ends; what is in a packed one is only
/// known when it is fetched.
///
/// # Errors
/// It can't be read, is no disk image, or would make QEMU open other files.
pub fn look(path: &Utf8Path) -> anyhow::Result<()> {
    if Packing::of(path)?.is_some() { Ok(()) } else { probe::look(path) }
}

/// [`fetch`] with other limits.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_with(ctx: &JobCtx, image: &Image, limits: &Limits) -> anyhow::Result<Fetched> {
    let (path, sha256) = match web(&image.image)? {
        Some(url) => from_web(ctx, &url, image, limits).await?,
        None => local(ctx, Utf8Path::new(&image.image), image, limits).await?,
    };
    let probed = probe::probe(ctx, &path).await?;
    let (format, virtual_size) = (probed.format.to_owned(), probed.virtual_size);
    Ok(Fetched { path, format, digest: format!("sha256:{sha256}"), virtual_size })
}

/// An image of this machine that can be booted from: read it, never write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub path: Utf8PathBuf,
    /// As in [`Fetched`].
    pub format: String,
    /// Bytes of the disk inside.
    pub virtual_size: u64,
}

/// Finds out what an image of this machine is, and unpacks it into the cache if it is packed. Nobody says what its digest
/// must be, so that of one that is not packed is not taken.
///
/// # Errors
/// As [`fetch`].
pub async fn open(ctx: &JobCtx, path: &Utf8Path) -> anyhow::Result<Opened> {
    let metadata = std::fs::metadata(path).with_context(|| format!("failed to open the image `{path}`"))?;
    if !metadata.is_file() {
        bail!("the image `{path}` is not a file");
    }
    let path = if Packing::of(path)?.is_some() {
        let image = Image { image: path.to_string(), checksum: None };
        local(ctx, path, &image, &Limits::default()).await?.0
    } else {
        path.to_owned()
    };
    let probed = probe::probe(ctx, &path).await?;
    Ok(Opened { path, format: probed.format.to_owned(), virtual_size: probed.virtual_size })
}

/// The SHA-256 of a file, lowercase hexadecimal.
///
/// # Errors
/// It can't be read, or the job is cancelled.
pub async fn digest(ctx: &JobCtx, path: &Utf8Path) -> anyhow::Result<String> {
    let len = std::fs::metadata(path).with_context(|| format!("failed to open `{path}`"))?.len();
    let name = path.file_name().unwrap_or(path.as_str());
    let (path, meter) = (path.to_owned(), Meter::new(ctx, format!("verify {name}"), 0, Some(len)));
    file::blocking(ctx, move |stop| file::sha256(&path, meter, stop)).await
}

/// The URL of something on the web; none for a local path.
fn web(place: &str) -> anyhow::Result<Option<Url>> {
    if !place.starts_with("http://") && !place.starts_with("https://") {
        return Ok(None);
    }
    Url::parse(place).map(Some).with_context(|| format!("`{place}` is not a URL"))
}

/// An image as a record may name it: a file's name, or a URL without user and query, which may hold a token.
#[must_use]
pub fn described(image: &Image) -> String {
    match web(&image.image) {
        Ok(Some(url)) => download::shown(&url),
        _ => Utf8Path::new(&image.image).file_name().unwrap_or(&image.image).to_owned(),
    }
}

/// A file of this machine: used in place unless it is packed.
async fn local(ctx: &JobCtx, path: &Utf8Path, image: &Image, limits: &Limits) -> anyhow::Result<(Utf8PathBuf, String)> {
    let metadata = std::fs::metadata(path).with_context(|| format!("failed to open the base image `{path}`"))?;
    if !metadata.is_file() {
        bail!("the base image `{path}` is not a file");
    }
    let name = path.file_name().unwrap_or(path.as_str());
    let expected = expected(ctx, image, name, limits).await?;
    let digests = digests(ctx, path, metadata.len()).await?;
    verify(path.as_str(), expected.as_ref(), &digests)?;
    let Some(packing) = Packing::of(path)? else { return Ok((path.to_owned(), digests.sha256)) };
    let entry = Entry::open(ctx, &["content", &digests.sha256]).await?;
    if let Some(found) = entry.complete() {
        return Ok(found);
    }
    let unpacked = entry.unpack(ctx, path, packing, limits.unpacked).await?;
    entry.record(&unpacked, &digests.sha256)?;
    Ok((unpacked, digests.sha256))
}

/// A file of the web, through the cache.
async fn from_web(ctx: &JobCtx, url: &Url, image: &Image, limits: &Limits) -> anyhow::Result<(Utf8PathBuf, String)> {
    let name = checksum::base_name(url.path());
    let expected = expected(ctx, image, name, limits).await?;
    let digest = expected.as_ref().map_or(String::new(), literal);
    let entry = Entry::open(ctx, &[url.as_str(), &digest]).await?;
    if let Some(found) = entry.complete() {
        ctx.events.note(format!("using `{name}` from the cache")).await;
        return Ok(found);
    }
    let client = download::client(limits)?;
    let sha256 = entry.download(ctx, &client, url, expected.as_ref(), limits).await?;
    let downloaded = entry.folder.join(IMAGE);
    let path = match Packing::of(&downloaded)? {
        None => downloaded,
        Some(packing) => {
            let unpacked = entry.unpack(ctx, &downloaded, packing, limits.unpacked).await?;
            std::fs::remove_file(&downloaded).with_context(|| format!("failed to remove `{downloaded}`"))?;
            unpacked
        }
    };
    entry.record(&path, &sha256)?;
    Ok((path, sha256))
}

/// The digest that the image must have: as given, or looked up in a checksum file.
async fn expected(ctx: &JobCtx, image: &Image, name: &str, limits: &Limits) -> anyhow::Result<Option<Checksum>> {
    let Some(Checksum::File(place)) = &image.checksum else { return Ok(image.checksum.clone()) };
    let (list, shown) = match web(place)? {
        Some(url) => (download::text(ctx, &download::client(limits)?, &url, limits).await?, download::shown(&url)),
        None => {
            let text = std::fs::read(place).with_context(|| format!("failed to read the checksum file `{place}`"))?;
            (String::from_utf8_lossy(&text).into_owned(), place.clone())
        }
    };
    let found = checksum::find(&list, name).ok_or_else(|| {
        Explained(Failure {
            hint: Some("it must hold a SHA-256 or SHA-512 digest for that file name".to_owned()),
            ..Failure::new(format!("the checksum file `{shown}` does not list `{name}`"))
        })
    })?;
    Ok(Some(found))
}

fn literal(checksum: &Checksum) -> String {
    match checksum {
        Checksum::Sha256(digest) => format!("sha256:{digest}"),
        Checksum::Sha512(digest) => format!("sha512:{digest}"),
        Checksum::File(place) => place.clone(),
    }
}

async fn digests(ctx: &JobCtx, path: &Utf8Path, len: u64) -> anyhow::Result<Digests> {
    let name = path.file_name().unwrap_or(path.as_str());
    let (path, meter) = (path.to_owned(), Meter::new(ctx, format!("verify {name}"), 0, Some(len)));
    file::blocking(ctx, move |stop| file::digests(&path, meter, stop)).await
}

/// Fails when the file is not what it must be.
fn verify(shown: &str, expected: Option<&Checksum>, digests: &Digests) -> anyhow::Result<()> {
    let (algorithm, expected, got) = match expected {
        Some(Checksum::Sha256(digest)) => ("sha256", digest, &digests.sha256),
        Some(Checksum::Sha512(digest)) => ("sha512", digest, &digests.sha512),
        Some(Checksum::File(_)) | None => return Ok(()),
    };
    if expected.eq_ignore_ascii_case(got) {
        return Ok(());
    }
    bail!(Explained(Failure {
        hint: Some(
            "when the project has replaced the image, take the new checksum from a place that you trust".to_owned()
        ),
        ..Failure::new(format!(
            "the checksum of `{shown}` is wrong: got {algorithm}:{got}, expected {algorithm}:{expected}"
        ))
    }))
}

const IMAGE: &str = "image";
const UNPACKED: &str = "unpacked";

/// One image's folder in the cache, held by this job.
struct Entry {
    folder: Utf8PathBuf,
    /// Dropped last, which releases it.
    _lock: File,
}

/// Which file of an entry is complete. A torn record is none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Of the file as downloaded.
    sha256: String,
    file: String,
    /// Length and time of change of `file`: whoever changes it makes us fetch it again.
    len: u64,
    modified: u128,
}

impl Entry {
    /// Makes and locks the entry for what `key` names; waits while another job has it.
    async fn open(ctx: &JobCtx, key: &[&str]) -> anyhow::Result<Self> {
        let mut hash = Sha256::new();
        for part in key {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let key = file::hex(&hash.finalize()[..16]);
        let images = ctx.cache.join("images");
        let folder = images.join(&key);
        std::fs::create_dir_all(&folder).with_context(|| format!("failed to create `{folder}`"))?;
        let lock = images.join(format!("{key}.lock"));
        let lock = File::create(&lock).with_context(|| format!("failed to create `{lock}`"))?;
        let mut told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder, _lock: lock }),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("failed to lock `{folder}`"));
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut told, true) {
                ctx.events.note("waiting for another job that fetches the same image").await;
            }
            // The kernel tells nobody when a lock is released, and a thread that waits for one can't be cancelled.
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
                () = ctx.cancel.cancelled() => bail!(Cancelled),
            }
        }
    }

    /// The complete file and the digest of what was downloaded, if the record is true.
    fn complete(&self) -> Option<(Utf8PathBuf, String)> {
        let record: Record = serde_json::from_slice(&std::fs::read(self.folder.join("record.json")).ok()?).ok()?;
        let path = match record.file.as_str() {
            IMAGE => self.folder.join(IMAGE),
            UNPACKED => self.folder.join(UNPACKED),
            _ => return None,
        };
        let (len, modified) = stamp(&path).ok()?;
        ((len, modified) == (record.len, record.modified)).then_some((path, record.sha256))
    }

    /// Notes that `path` is complete.
    fn record(&self, path: &Utf8Path, sha256: &str) -> anyhow::Result<()> {
        let (len, modified) = stamp(path).with_context(|| format!("failed to read `{path}`"))?;
        let file = path.file_name().unwrap_or(IMAGE).to_owned();
        let text = serde_json::to_vec(&Record { sha256: sha256.to_owned(), file, len, modified })?;
        let path = self.folder.join("record.json");
        std::fs::write(&path, text).map_err(|error| file::write_error(&path, error))
    }

    /// Downloads and verifies [`IMAGE`]; returns its SHA-256.
    async fn download(
        &self,
        ctx: &JobCtx,
        client: &reqwest::Client,
        url: &Url,
        expected: Option<&Checksum>,
        limits: &Limits,
    ) -> anyhow::Result<String> {
        let folder = self.folder.join(format!("{}.part", ctx.journal.token()));
        let pending = ctx.journal.intent(Resource::Path(folder.clone()))?;
        self.adopt(&folder)?;
        let part = folder.join("data");
        let download = Download { ctx, client, url, limits, part: &part, notes: folder.join("notes.json") };
        let result = complete(&download, expected).await;
        let result = match result {
            Ok(sha256) => {
                let image = self.folder.join(IMAGE);
                std::fs::rename(&part, &image)
                    .and_then(|()| std::fs::remove_dir_all(&folder))
                    .and_then(|()| file::sync_folder(&self.folder))
                    .with_context(|| format!("failed to keep `{image}`"))
                    .map(|()| sha256)
            }
            Err(error) => Err(error),
        };
        // From here on the part is the cache's, for the next run to go on with.
        ctx.journal.done(pending)?;
        result
    }

    /// Makes the folder of the part, with what an earlier run left. It gets this job's name first, so that a cleanup
    /// after that run doesn't take it away while we write.
    fn adopt(&self, folder: &Utf8Path) -> anyhow::Result<()> {
        let entries = self.folder.read_dir_utf8().with_context(|| format!("failed to read `{}`", self.folder))?;
        let parts = entries.flatten().map(camino::Utf8DirEntry::into_path);
        let mut parts: Vec<_> = parts.filter(|path| path.extension() == Some("part") && path != folder).collect();
        parts.sort_by_key(|path| std::fs::metadata(path.join("data")).map_or(0, |metadata| metadata.len()));
        let largest = parts.pop().filter(|_| !folder.exists());
        for path in parts {
            std::fs::remove_dir_all(&path).with_context(|| format!("failed to remove `{path}`"))?;
        }
        match largest {
            Some(largest) => std::fs::rename(&largest, folder),
            None => std::fs::create_dir_all(folder),
        }
        .with_context(|| format!("failed to create `{folder}`"))
    }

    /// Unpacks `from` to [`UNPACKED`].
    async fn unpack(&self, ctx: &JobCtx, from: &Utf8Path, packing: Packing, limit: u64) -> anyhow::Result<Utf8PathBuf> {
        let unpacked = self.folder.join(UNPACKED);
        let part = self.folder.join(format!("{}.unpacking", ctx.journal.token()));
        let pending = ctx.journal.intent(Resource::Path(part.clone()))?;
        let meter = Meter::new(ctx, "unpack", 0, None);
        let (source, target) = (from.to_owned(), part.clone());
        let result =
            file::blocking(ctx, move |stop| decompress::unpack(&source, &target, packing, limit, meter, stop)).await;
        let result = match result {
            Ok(_) => std::fs::rename(&part, &unpacked)
                .and_then(|()| file::sync_folder(&self.folder))
                .with_context(|| format!("failed to keep `{unpacked}`")),
            Err(error) => {
                // It may not have been created; what is left is the cache's next tenant's to see.
                let _ = std::fs::remove_file(&part);
                Err(error)
            }
        };
        ctx.journal.done(pending)?;
        result.map(|()| unpacked)
    }
}

/// Downloads until the digest fits. Bytes of several responses may be of several versions, so those get one more try
/// from the start; a whole response that is wrong does not.
async fn complete(download: &Download<'_>, expected: Option<&Checksum>) -> anyhow::Result<String> {
    loop {
        let pieces = download.run().await?;
        let len = std::fs::metadata(download.part).map_or(0, |metadata| metadata.len());
        let digests = digests(download.ctx, download.part, len).await?;
        let Err(error) = verify(&download::shown(download.url), expected, &digests) else { return Ok(digests.sha256) };
        download.forget()?;
        if pieces == Pieces::One {
            return Err(error);
        }
        let note = "the resumed download is not what its checksum says; starting over";
        download.ctx.events.note(note).await;
    }
}

/// Length and time of change.
fn stamp(path: &Utf8Path) -> std::io::Result<(u64, u128)> {
    let metadata = std::fs::metadata(path)?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), modified.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_described_without_its_folder_and_without_secrets() {
        for (image, description) in [
            ("/home/me/secret-project/base.qcow2", "base.qcow2"),
            ("base.qcow2", "base.qcow2"),
            ("https://me:word@images.test/a/base.qcow2?token=1#x", "https://images.test/a/base.qcow2"),
        ] {
            assert_eq!(described(&Image { image: image.to_owned(), checksum: None }), description);
        }
    }
}
