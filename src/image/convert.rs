//! Writing a finished disk in every format that was asked for, with digests.
//!
//! A file is written under another name in the job's work folder and brought to the disk. Only when all are there they
//! get their names: whoever finds one in the job's folder finds the others and their digests.
//! All formats hold the same bytes; where a format can't hold the disk's exact size it is longer by zeros:
//! `vhd` counts whole MiB, as Azure asks.

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::compress;
use super::file::{self, Meter};
use crate::context::{JobCtx, clean_line};
use crate::event::{Artifact, Body, Stream, Unit};
use crate::plan::job::{Compression, DiskFormat, Output};
use crate::platform::Disk;
use crate::program::{ProgramError, Running};

/// qemu-img compresses on one thread for most formats, so two at once fill a small machine, and more fight for its disk.
const AT_ONCE: usize = 2;

/// The virtual hardware that VMDK files name: ESXi 5.5 and everything since takes it.
const VMDK_HARDWARE: u32 = 10;

const MIB: u64 = 1024 * 1024;

/// The digests, for `sha256sum -c`.
const SUMS: &str = "SHA256SUMS";

/// Writes each of `outputs` and `SHA256SUMS` into the job's folder. `stem` is the files' name without its ending.
///
/// `disk` must not be written to afterwards: a plain raw output may share its data.
///
/// # Errors
/// `qemu-img` is missing or fails, the disk is full, or the job is cancelled. None of the files is there then.
pub async fn convert(ctx: &JobCtx, disk: &Disk, outputs: &[Output], stem: &str) -> anyhow::Result<Vec<Artifact>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (index, output) in outputs.iter().copied().enumerate() {
        let (ctx, disk, name, places) = (ctx.clone(), disk.clone(), output.file_name(stem), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire().await.context("the conversion was abandoned")?;
            let artifact = one(&ctx, &disk, output, &name).await;
            artifact.map(|artifact| (index, artifact)).with_context(|| format!("failed to write `{name}`"))
        });
    }
    let mut artifacts = Vec::new();
    // The first error abandons the rest: dropping the set ends their programs.
    while let Some(ended) = tasks.join_next().await {
        artifacts.push(ended.context("a conversion failed")??);
    }
    artifacts.sort_by_key(|(index, _)| *index);
    let artifacts: Vec<_> = artifacts.into_iter().map(|(_, artifact)| artifact).collect();
    // From here on nothing is awaited that a cancellation could end between two files.
    publish(ctx, &artifacts)?;
    for artifact in &artifacts {
        ctx.events.emit(Body::Artifact(artifact.clone())).await;
    }
    Ok(artifacts)
}

/// Gives the written files their names, and adds their digests: all or none.
fn publish(ctx: &JobCtx, artifacts: &[Artifact]) -> anyhow::Result<()> {
    let published = (|| {
        for artifact in artifacts {
            let target = ctx.out.join(&artifact.file);
            std::fs::rename(part(ctx, &artifact.file), &target).map_err(|error| file::write_error(&target, error))?;
        }
        file::sync_folder(&ctx.out).map_err(|error| file::write_error(&ctx.out, error))?;
        write_sums(ctx, artifacts)
    })();
    if published.is_err() {
        for name in artifacts.iter().map(|artifact| artifact.file.as_str()).chain([SUMS]) {
            // Those behind the failure are not there.
            let _ = std::fs::remove_file(ctx.out.join(name));
        }
    }
    published
}

/// Where a file is until all are written.
fn part(ctx: &JobCtx, name: &str) -> Utf8PathBuf {
    ctx.work.join(format!("{name}.part"))
}

/// Writes one output.
async fn one(ctx: &JobCtx, disk: &Disk, output: Output, name: &str) -> anyhow::Result<Artifact> {
    let part = part(ctx, name);
    let result = write(ctx, disk, output, name, &part).await;
    let written = match result {
        Ok(written) => written,
        Err(error) => {
            // It may not be there, and goes with the work folder at the latest.
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
    };
    let size = std::fs::metadata(&part).with_context(|| format!("failed to read `{part}`"))?.len();
    Ok(Artifact {
        file: name.to_owned(),
        format: output.format.as_str().to_owned(),
        compression: output.compress.map(|compression| compression.as_str().to_owned()),
        size,
        virtual_size: written.virtual_size,
        sha256: written.sha256,
    })
}

struct Written {
    virtual_size: u64,
    sha256: String,
}

async fn write(ctx: &JobCtx, disk: &Disk, output: Output, name: &str, part: &Utf8Path) -> anyhow::Result<Written> {
    // What an earlier attempt left would be linked or overwritten in place.
    let _ = std::fs::remove_file(part);
    let virtual_size = match (output.format, output.compress) {
        (DiskFormat::Raw, Some(compression)) => {
            let sha256 = compressed(ctx, disk, compression, name, part).await?;
            return Ok(Written { virtual_size: disk.virtual_size, sha256 });
        }
        (DiskFormat::Raw, None) => {
            raw(ctx, disk, name, part).await?;
            disk.virtual_size
        }
        (DiskFormat::Vhd, _) => vhd(ctx, disk, name, part).await?,
        (format, _) => {
            let mut command = Command::new("qemu-img");
            command.args(["convert", "-p", "-f", "raw"]).args(arguments(format));
            command.arg(file::literal_path(&disk.path)).arg(file::literal_path(part));
            qemu_img(ctx, command, name, part).await?;
            disk.virtual_size
        }
    };
    let (path, what) = (part.to_owned(), format!("digest {name}"));
    let total = std::fs::metadata(part).map(|metadata| metadata.len()).ok();
    let meter = Meter::new(ctx, what, 0, total);
    let sha256 = file::blocking(ctx, move |stop| {
        // qemu-img leaves its output in the page cache.
        File::open(&path).and_then(|file| file.sync_all()).map_err(|error| file::write_error(&path, error))?;
        file::sha256(&path, meter, stop)
    })
    .await?;
    Ok(Written { virtual_size, sha256 })
}

/// What makes `qemu-img convert` write a format. `vhd` and `raw` go other ways.
fn arguments(format: DiskFormat) -> Vec<String> {
    let list: &[&str] = match format {
        DiskFormat::Qcow2 => &["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
        DiskFormat::Vdi => &["-O", "vdi"],
        DiskFormat::Vhdx => &["-O", "vhdx", "-o", "subformat=dynamic"],
        DiskFormat::Vhd => &["-O", "vpc"],
        DiskFormat::Raw => &["-O", "raw"],
        DiskFormat::Vmdk => {
            let options = format!("subformat=streamOptimized,adapter_type=lsilogic,hwversion={VMDK_HARDWARE}");
            return vec!["-O".to_owned(), "vmdk".to_owned(), "-o".to_owned(), options];
        }
    };
    list.iter().map(|&argument| argument.to_owned()).collect()
}

/// Writes a fixed VHD of whole MiB; returns its virtual size.
async fn vhd(ctx: &JobCtx, disk: &Disk, name: &str, part: &Utf8Path) -> anyhow::Result<u64> {
    let virtual_size = disk.virtual_size.next_multiple_of(MIB);
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on"]);
    create.arg(file::literal_path(part)).arg(virtual_size.to_string());
    qemu_img(ctx, create, name, part).await?;
    // Into the file that has the right size already; `convert` alone would give it the disk's.
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-p", "-n", "--target-is-zero", "-f", "raw", "-O", "vpc"]);
    convert.arg(file::literal_path(&disk.path)).arg(file::literal_path(part));
    qemu_img(ctx, convert, name, part).await?;
    Ok(virtual_size)
}

/// Gives the disk a second name where that can be, else copies what is allocated.
async fn raw(ctx: &JobCtx, disk: &Disk, name: &str, part: &Utf8Path) -> anyhow::Result<()> {
    let (from, to, len) = (disk.path.clone(), part.to_owned(), disk.virtual_size);
    // The work folder goes at the end of the job, and its disk with it: then the output has the data alone.
    let ours = disk.path.starts_with(&ctx.work);
    let mut meter = Meter::new(ctx, format!("write {name}"), 0, Some(len));
    file::blocking(ctx, move |stop| {
        let disk = File::open(&from).with_context(|| format!("failed to open `{from}`"))?;
        let same_len = disk.metadata().with_context(|| format!("failed to read `{from}`"))?.len() == len;
        if ours && same_len && std::fs::hard_link(&from, &to).is_ok() {
            return Ok(());
        }
        let output = File::create_new(&to).map_err(|error| file::write_error(&to, error))?;
        if rustix::fs::ioctl_ficlone(&output, &disk).is_err() {
            file::copy_sparse(&disk, &output, &mut meter, stop).map_err(|error| full_disk(&to, error))?;
        }
        output.set_len(len).map_err(|error| file::write_error(&to, error))
    })
    .await
}

/// Writes the disk compressed; returns the file's digest.
async fn compressed(
    ctx: &JobCtx,
    disk: &Disk,
    compression: Compression,
    name: &str,
    part: &Utf8Path,
) -> anyhow::Result<String> {
    let (from, to, len) = (disk.path.clone(), part.to_owned(), disk.virtual_size);
    let mut meter = Meter::new(ctx, format!("write {name}"), 0, Some(len));
    file::blocking(ctx, move |stop| {
        let disk = File::open(&from).with_context(|| format!("failed to open `{from}`"))?;
        let output = File::create_new(&to).map_err(|error| file::write_error(&to, error))?;
        let sha256 = compress::compress(compression, &disk, len, &output, &mut meter, stop)
            .map_err(|error| full_disk(&to, error))?;
        output.sync_all().map_err(|error| file::write_error(&to, error))?;
        meter.finish();
        Ok(sha256)
    })
    .await
}

/// Explains an error that a full disk caused.
fn full_disk(path: &Utf8Path, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<std::io::Error>() {
        Ok(error) => file::write_error(path, error),
        Err(error) => error,
    }
}

/// Runs `qemu-img`, its progress as events.
async fn qemu_img(ctx: &JobCtx, mut command: Command, name: &str, part: &Utf8Path) -> anyhow::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::spawn(ctx, command)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let mut excerpt = Vec::new();
    let ended = {
        let work = async {
            tokio::join!(progress(ctx, stdout, name), errors(ctx, stderr, &mut excerpt));
            running.wait().await
        };
        tokio::select! {
            ended = work => Some(ended?),
            () = ctx.cancel.cancelled() => None,
        }
    };
    let Some(status) = ended else {
        running.kill_group();
        running.wait().await?;
        return Err(ProgramError::Cancelled.into());
    };
    if status.success() {
        return Ok(());
    }
    let full = excerpt.iter().any(|line| line.contains("No space left on device"));
    let error = ProgramError::Failed { program: "qemu-img".to_owned(), status, excerpt };
    Err(match full {
        true => anyhow::Error::new(file::no_space(part.parent().unwrap_or(part), None)).context(error.to_string()),
        false => error.into(),
    })
}

/// Reads `qemu-img -p`: `    (12.34/100%)` and a carriage return, again and again.
async fn progress(ctx: &JobCtx, stdout: Option<impl AsyncRead + Unpin>, name: &str) {
    let Some(stdout) = stdout else { return };
    let mut reader = BufReader::new(stdout);
    let mut piece = Vec::new();
    let mut last = None;
    // A pipe that breaks ends the progress; the exit status tells the rest.
    while let Ok(1..) = reader.read_until(b'\r', &mut piece).await {
        if let Some(percent) = percent(&String::from_utf8_lossy(&piece))
            && last.replace(percent) != Some(percent)
        {
            ctx.events.progress(&format!("write {name}"), percent, Some(100), Unit::Percent);
        }
        piece.clear();
    }
}

fn percent(piece: &str) -> Option<u64> {
    let (_, rest) = piece.rsplit_once('(')?;
    let (number, _) = rest.split_once('/')?;
    number.split('.').next()?.parse().ok()
}

/// The lines of standard error, shown and kept.
async fn errors(ctx: &JobCtx, stderr: Option<impl AsyncRead + Unpin>, excerpt: &mut Vec<String>) {
    /// `qemu-img` says one line; a flood of them helps nobody.
    const LIMIT: u64 = 64 * 1024;
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr.take(LIMIT)).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        ctx.events.output(None, Stream::Tool, &line).await;
        excerpt.push(clean_line(&line));
    }
}

/// Writes [`SUMS`].
fn write_sums(ctx: &JobCtx, artifacts: &[Artifact]) -> anyhow::Result<()> {
    let lines = artifacts.iter().map(|artifact| format!("{}  {}\n", artifact.sha256, artifact.file));
    let path = ctx.out.join(SUMS);
    super::manifest::replace(&path, lines.collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_of_qemu_img_is_read_from_its_last_report() {
        assert_eq!(percent("    (0.00/100%)\r"), Some(0));
        assert_eq!(percent("    (1.00/100%)\r    (57.99/100%)\r"), Some(57));
        assert_eq!(percent("\n"), None);
    }

    #[test]
    fn formats_are_written_with_the_options_that_clouds_ask_for() {
        assert_eq!(arguments(DiskFormat::Qcow2).join(" "), "-O qcow2 -c -o compression_type=zstd");
        assert_eq!(
            arguments(DiskFormat::Vmdk).join(" "),
            "-O vmdk -o subformat=streamOptimized,adapter_type=lsilogic,hwversion=10"
        );
    }
}
