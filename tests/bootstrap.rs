//! Bootstraps real disks with mmdebstrap and looks at them from outside. Needs a package mirror; boots nothing.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ext4_view::{Ext4, Ext4Read};
use ovenbird::context::{Events, JobCtx, failure_of};
use ovenbird::event::{Failure, JobId};
use ovenbird::image::bootstrap;
use ovenbird::journal::Journal;
use ovenbird::plan::job::{Arch, Debian, Kernel};

const MIB: u64 = 1024 * 1024;

/// A folder with a job in it, whose events nobody reads.
struct Bench {
    folder: tempfile::TempDir,
    ctx: JobCtx,
    disk: Utf8PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        let work = path.join("a work folder");
        std::fs::create_dir(&work).unwrap();
        let (events, mut receiver) = Events::channel();
        tokio::spawn(async move { while receiver.recv().await.is_some() {} });
        let ctx = JobCtx {
            id: JobId("test".to_owned()),
            out: path.clone(),
            work,
            cache: path.clone(),
            events,
            journal: Journal::create(&path.join("journal"), "test").unwrap(),
            cancel: tokio_util::sync::CancellationToken::default(),
        };
        Self { folder, ctx, disk: path.join("disk.raw") }
    }

    async fn bootstrap(&self, debian: &Debian, disk_size: Option<u64>) -> Result<(), Failure> {
        let made = bootstrap::debian(&self.ctx, debian, Arch::Amd64, disk_size, &self.disk).await;
        made.map(drop).map_err(|error| failure_of(&error))
    }
}

fn small(suite: &str) -> Debian {
    Debian {
        suite: suite.to_owned(),
        packages: vec!["hello".to_owned()],
        kernel: Kernel::Cloud,
        cloud_init: false,
        mirror: None,
        apt_sources: None,
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("MTOOLSRC", "/dev/null").output().expect(program);
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct At(File, u64);

impl Ext4Read for At {
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.seek(SeekFrom::Start(self.1 + start))?;
        Ok(self.0.read_exact(to)?)
    }
}

#[tokio::test]
async fn a_disk_has_both_boot_loaders_a_clean_system_and_the_builds_list_for_seal() {
    let bench = Bench::new();
    let sources = "# the image's own sources\n";
    let debian = Debian { apt_sources: Some(sources.to_owned()), ..small("bookworm") };
    bench.bootstrap(&debian, Some(1500 * MIB)).await.unwrap();
    let disk = bench.disk.as_str();

    let table: serde_json::Value = serde_json::from_str(&output("sfdisk", &["--json", disk])).unwrap();
    let table = &table["partitiontable"];
    assert_eq!(table["label"], "gpt");
    let partition = |number: u64| {
        let node = format!("{disk}{number}");
        table["partitions"].as_array().unwrap().iter().find(|entry| entry["node"] == node).unwrap().clone()
    };
    assert_eq!(partition(14)["start"], 2048, "GRUB's core image");
    let root = partition(1);
    let (start, size) = (root["start"].as_u64().unwrap() * 512, root["size"].as_u64().unwrap() * 512);
    assert_eq!(start + size + MIB, 1500 * MIB, "the root file system is the last, up to the backup table");

    the_boot_code_leads_to_grub(&bench.disk);
    the_firmware_finds_shim_and_grub(disk, partition(15)["start"].as_u64().unwrap() * 512);
    output("e2fsck", &["-fn", &format!("{disk}?offset={start}")]);
    let system = Ext4::load(Box::new(At(File::open(&bench.disk).unwrap(), start))).unwrap();
    the_system_is_clean(&system);
    the_build_is_listed_for_seal(&system, sources);
    assert_eq!(std::fs::read_dir(&bench.ctx.work).unwrap().count(), 0, "nothing is left in the work folder");
}

fn the_boot_code_leads_to_grub(disk: &Utf8Path) {
    let mut start = vec![0; 1024 * 1024 + 512];
    File::open(disk).unwrap().read_exact(&mut start).unwrap();
    assert_eq!(start[0x5C..0x64], 2048u64.to_le_bytes(), "the boot sector loads the core image");
    assert_eq!(start[510..512], [0x55, 0xAA]);
    assert_eq!(start[450], 0xEE, "the protective partition is still there");
    let core = &start[1024 * 1024..];
    assert_eq!(core[0x1F4..0x1FC], 2049u64.to_le_bytes(), "the core image loads its rest");
}

fn the_firmware_finds_shim_and_grub(disk: &str, offset: u64) {
    let image = format!("{disk}@@{offset}");
    let listing = output("mdir", &["-b", "-/", "-i", &image, "::/"]);
    for file in ["BOOT/BOOTX64.EFI", "BOOT/grubx64.efi", "BOOT/mmx64.efi", "debian/shimx64.efi", "debian/grubx64.efi"] {
        assert!(listing.contains(&format!("::/EFI/{file}")), "{file} is not in:\n{listing}");
    }
    let config = output("mtype", &["-i", &image, "::/EFI/debian/grub.cfg"]);
    assert!(config.starts_with("search.fs_uuid "), "{config}");
}

fn the_system_is_clean(system: &Ext4) {
    let text = |path: &str| system.read_to_string(path).unwrap();
    assert_eq!(text("/etc/machine-id"), "");
    assert_eq!(text("/etc/hostname"), "localhost\n");
    assert!(text("/etc/shadow").lines().any(|line| line.starts_with("root:*:")), "root has a password");
    assert!(text("/etc/fstab").contains(" /boot/efi vfat umask=0077,nofail "));
    assert!(text("/boot/grub/grub.cfg").contains("linux /vmlinuz root=UUID="));
    assert!(system.exists("/usr/bin/hello").unwrap(), "`packages` are installed");
    for link in ["/vmlinuz", "/initrd.img", "/etc/systemd/system/multi-user.target.wants/ovenbird-host-keys.service"] {
        assert!(system.symlink_metadata(link).unwrap().is_symlink() && system.exists(link).unwrap(), "{link}");
    }
    let names = |path: &str| -> Vec<String> {
        let entries = system.read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().display().to_string());
        entries.filter(|name| name != "." && name != "..").collect()
    };
    for empty in ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/mnt", "/var/log/apt", "/boot/efi"] {
        assert_eq!(names(empty), [""; 0], "{empty}");
    }
    assert!(!names("/etc/ssh").iter().any(|name| name.starts_with("ssh_host_")), "host keys are in the image");
    for residue in ["/etc/apt/apt.conf.d/99mmdebstrap", "/etc/apt/apt.conf.d/00mmdebstrap", "/etc/apt/sources.list"] {
        assert!(!system.exists(residue).unwrap(), "{residue}");
    }
    assert_eq!(system.metadata("/usr/sbin/unix_chkpwd").unwrap().gid(), 42, "a file of group shadow");
}

fn the_build_is_listed_for_seal(system: &Ext4, sources: &str) {
    let list = system.read_to_string("/var/lib/ovenbird-build/remove").unwrap();
    assert!(list.lines().any(|path| path == "/etc/apt/sources.list.d/ovenbird-build.sources"), "{list}");
    for path in list.lines() {
        assert!(system.exists(path).unwrap(), "{path}");
    }
    let kept = "/var/lib/ovenbird-build/restore/etc/apt/sources.list.d/debian.sources";
    assert_eq!(system.read_to_string(kept).unwrap(), sources);
    assert!(!system.exists("/etc/apt/sources.list.d/debian.sources").unwrap());
}

#[tokio::test]
async fn a_suite_that_the_mirror_does_not_have_is_named() {
    let bench = Bench::new();
    let failure = bench.bootstrap(&small("bookwurm"), None).await.unwrap_err();
    assert!(failure.message.starts_with("suite `bookwurm` is not on the mirror `"), "{failure:?}");
    assert!(failure.excerpt.iter().any(|line| line.contains("bookwurm")), "{failure:?}");
    assert!(!bench.disk.exists());
}

#[tokio::test]
async fn a_mirror_that_does_not_answer_is_named_without_its_password() {
    let bench = Bench::new();
    let debian = Debian { mirror: Some("http://user:word@127.0.0.1:1/debian".to_owned()), ..small("bookworm") };
    let failure = bench.bootstrap(&debian, None).await.unwrap_err();
    assert_eq!(failure.message, "the mirror `http://127.0.0.1:1/debian` can't be reached");
    assert!(!bench.disk.exists());
}

#[tokio::test]
async fn a_disk_too_small_for_any_system_is_refused_before_anything_is_installed() {
    let bench = Bench::new();
    let failure = bench.bootstrap(&small("bookworm"), Some(100 * MIB)).await.unwrap_err();
    assert!(failure.message.starts_with("a disk of 100 MiB is too small"), "{failure:?}");
}

#[tokio::test]
async fn a_cancelled_bootstrap_ends_and_leaves_no_disk() {
    let bench = Bench::new();
    let cancel = bench.ctx.cancel.clone();
    let disk = bench.disk.clone();
    // As soon as mmdebstrap works in the work folder.
    let watch = async {
        let work = bench.ctx.work.clone();
        while !std::fs::read_dir(&work).unwrap().any(|entry| {
            let name = entry.unwrap().file_name();
            name.to_string_lossy().starts_with("ovenbird-bootstrap-")
        }) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        cancel.cancel();
    };
    let debian = small("bookworm");
    let (made, ()) = tokio::join!(bootstrap::debian(&bench.ctx, &debian, Arch::Amd64, None, &bench.disk), watch);
    assert!(ovenbird::context::is_cancelled(&made.unwrap_err()));
    assert!(!disk.exists());
    drop(bench.folder);
}
