//! Every output format holds the disk's bytes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

use camino::Utf8Path;
use ovenbird::context::{failure_of, is_cancelled};
use ovenbird::event::Body;
use ovenbird::image::convert;
use ovenbird::plan::job::{Compression, DiskFormat, Output};
use ovenbird::platform::Disk;

#[path = "image_support/mod.rs"]
mod support;
use support::{Job, run};

const MIB: u64 = 1024 * 1024;

/// Random-looking bytes, the same at every call.
fn noise(len: usize, mut seed: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        bytes.extend_from_slice(&seed.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A sparse disk with data at its start, in its middle, across a chunk's border, and at its very end.
fn disk(path: &Utf8Path, size: u64) -> Disk {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(&noise(70_000, 1), 0).unwrap();
    file.write_all_at(&b"text that compresses ".repeat(10_000), 16 * MIB - 100_000).unwrap();
    file.write_all_at(&noise(5 * 1024 * 1024, 2), 33 * MIB + 512).unwrap();
    file.write_all_at(&noise(512, 3), size - 512).unwrap();
    Disk { path: path.to_owned(), virtual_size: size }
}

fn output(format: DiskFormat) -> Output {
    Output { format, compress: None }
}

fn packed(compression: Compression) -> Output {
    Output { format: DiskFormat::Raw, compress: Some(compression) }
}

/// Unpacks an output by the format's own tool and returns its bytes.
fn read_back(job: &Job, file: &str) -> Vec<u8> {
    let path = job.ctx.out.join(file);
    let raw = job.path("back.raw");
    let _ = std::fs::remove_file(&raw);
    let unpack = |package: &str, program: &str| {
        let output = std::process::Command::new(program).arg("-dc").arg(&path).output();
        let output = output.unwrap_or_else(|error| panic!("`{program}` of `{package}`: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    match path.extension().unwrap() {
        "zst" => return unpack("zstd", "zstd"),
        "gz" => return unpack("gzip", "gzip"),
        "xz" => return unpack("xz-utils", "xz"),
        "raw" => return std::fs::read(&path).unwrap(),
        extension => {
            let format = if extension == "vhd" { "vpc" } else { extension };
            run("qemu-utils", "qemu-img", &["convert", "-f", format, "-O", "raw", path.as_str(), raw.as_str()]);
        }
    }
    std::fs::read(&raw).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_holds_the_same_bytes_and_the_sums_are_right() {
    let mut job = Job::new();
    // Neither whole MiB nor whole VMDK grains: rounding must be zeros at the end, and only where it is documented.
    let size = 64 * MIB + 3 * 512;
    let disk = disk(&job.ctx.work.join("disk.raw"), size);
    let source = std::fs::read(&disk.path).unwrap();
    let outputs = [
        output(DiskFormat::Qcow2),
        output(DiskFormat::Vmdk),
        output(DiskFormat::Vdi),
        output(DiskFormat::Vhd),
        output(DiskFormat::Vhdx),
        output(DiskFormat::Raw),
        packed(Compression::Zstd),
        packed(Compression::Gzip),
        packed(Compression::Xz),
    ];
    let artifacts = convert(&job.ctx, &disk, &outputs, "web").await.unwrap();
    let files: Vec<_> = artifacts.iter().map(|artifact| artifact.file.as_str()).collect();
    let expected = ["web.qcow2", "web.vmdk", "web.vdi", "web.vhd", "web.vhdx", "web.raw"];
    assert_eq!(files[..6], expected);
    assert_eq!(files[6..], ["web.raw.zst", "web.raw.gz", "web.raw.xz"]);
    for artifact in &artifacts {
        let mut bytes = read_back(&job, &artifact.file);
        assert_eq!(artifact.size, std::fs::metadata(job.ctx.out.join(&artifact.file)).unwrap().len());
        assert_eq!(bytes.len() as u64, artifact.virtual_size, "{}", artifact.file);
        let rounded = if artifact.format == "vhd" { 65 * MIB } else { size };
        assert_eq!(artifact.virtual_size, rounded, "{}", artifact.file);
        assert!(bytes.split_off(source.len()).iter().all(|byte| *byte == 0), "{}", artifact.file);
        assert!(bytes == source, "{} differs", artifact.file);
    }
    run("coreutils", "sh", &["-c", &format!("cd '{}' && sha256sum -c --strict SHA256SUMS", job.ctx.out)]);
    assert_eq!(std::fs::read_dir(&job.ctx.work).unwrap().count(), 1, "only the disk itself is left");
    let mut announced = 0;
    while let Ok(event) = job.events.try_recv() {
        announced += usize::from(matches!(event, Body::Artifact(_)));
    }
    assert_eq!(announced, artifacts.len());
}

#[tokio::test]
async fn holes_stay_holes_and_compress_to_nothing() {
    let job = Job::new();
    // Not in the work folder: the disk is somebody else's, so its data is copied.
    let path = job.path("foreign.raw");
    let mut file = File::create(&path).unwrap();
    file.write_all(&noise(4096, 9)).unwrap();
    file.set_len(2 * 1024 * MIB).unwrap();
    let disk = Disk { path, virtual_size: 2 * 1024 * MIB };
    let outputs = [output(DiskFormat::Raw), packed(Compression::Gzip)];
    let artifacts = convert(&job.ctx, &disk, &outputs, "big").await.unwrap();
    let raw = std::fs::metadata(job.ctx.out.join("big.raw")).unwrap();
    assert!(raw.blocks() * 512 < MIB, "{} blocks", raw.blocks());
    assert_eq!(raw.len(), 2 * 1024 * MIB);
    assert!(artifacts[1].size < 16 * MIB, "{}", artifacts[1].size);
    let info = run("qemu-utils", "qemu-img", &["info", "-f", "raw", job.ctx.out.join("big.raw").as_str()]);
    assert!(info.contains("2 GiB"), "{info}");
}

#[tokio::test]
async fn vmdk_and_vhd_are_what_their_hypervisors_ask_for() {
    let job = Job::new();
    let disk = disk(&job.ctx.work.join("disk.raw"), 64 * MIB);
    convert(&job.ctx, &disk, &[output(DiskFormat::Vmdk), output(DiskFormat::Vhd)], "web").await.unwrap();
    let vmdk = std::fs::read(job.ctx.out.join("web.vmdk")).unwrap();
    let descriptor = String::from_utf8_lossy(&vmdk[512..1536]).into_owned();
    for line in ["createType=\"streamOptimized\"", "ddb.adapterType = \"lsilogic\"", "ddb.virtualHWVersion = \"10\""] {
        assert!(descriptor.contains(line), "{descriptor}");
    }
    let vhd = std::fs::read(job.ctx.out.join("web.vhd")).unwrap();
    let footer = &vhd[vhd.len() - 512..];
    assert_eq!(&footer[..8], b"conectix");
    assert_eq!(footer[60..64], 2u32.to_be_bytes(), "fixed");
    assert_eq!(footer[48..56], (64 * MIB).to_be_bytes(), "exactly the size, not the nearest geometry");
}

#[tokio::test]
async fn a_disk_that_is_gone_is_an_error_with_the_tool_s_own_words_and_leaves_nothing() {
    let job = Job::new();
    let disk = Disk { path: job.ctx.work.join("none.raw"), virtual_size: MIB };
    let error = convert(&job.ctx, &disk, &[output(DiskFormat::Qcow2)], "web").await.unwrap_err();
    let failure = failure_of(&error);
    assert_eq!(failure.message, "failed to write `web.qcow2`: `qemu-img` failed (exit status: 1)");
    assert!(failure.excerpt.iter().any(|line| line.contains("No such file or directory")), "{failure:?}");
    assert_eq!(std::fs::read_dir(&job.ctx.out).unwrap().count(), 0);
}

#[tokio::test]
async fn a_cancelled_conversion_ends_at_once_and_leaves_nothing() {
    let job = Job::new();
    let disk = disk(&job.ctx.work.join("disk.raw"), 64 * MIB);
    job.ctx.cancel.cancel();
    let outputs = [output(DiskFormat::Qcow2), packed(Compression::Xz)];
    let error = convert(&job.ctx, &disk, &outputs, "web").await.unwrap_err();
    assert!(is_cancelled(&error), "{error:#}");
    assert_eq!(std::fs::read_dir(&job.ctx.out).unwrap().count(), 0);
}

#[tokio::test]
async fn a_conversion_that_fails_leaves_none_of_its_files() {
    let cases: [fn(&Job) -> camino::Utf8PathBuf; 2] = [
        // Where the last output is written, then where it gets its name.
        |job| job.ctx.work.join("web.vdi.part"),
        |job| job.ctx.out.join("web.vdi"),
    ];
    for in_the_way in cases {
        let job = Job::new();
        let disk = disk(&job.ctx.work.join("disk.raw"), 64 * MIB);
        let folder = in_the_way(&job);
        std::fs::create_dir(&folder).unwrap();
        let outputs = [output(DiskFormat::Raw), output(DiskFormat::Qcow2), output(DiskFormat::Vdi)];
        convert(&job.ctx, &disk, &outputs, "web").await.unwrap_err();
        let left = job.ctx.out.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
        assert_eq!(left.filter(|path| *path != folder).collect::<Vec<_>>(), Vec::<camino::Utf8PathBuf>::new());
    }
}
