//! Residue is removed in the guest, and found on the disk when it was not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use ovenbird::context::failure_of;
use ovenbird::event::{Body, Failure};
use ovenbird::guest::{Chunk, Command, Exit, Get, Guest, GuestError, Progress, Put, Transfer};
use ovenbird::image::residue::{Action, Special, TABLE};
use ovenbird::image::{Inspection, SealPlan, Sealed, inspect, seal};
use ovenbird::platform::Disk;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[path = "image_support/mod.rs"]
mod support;
use support::{Job, run};

const MIB: u64 = 1024 * 1024;
const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIBuildKeyBuildKeyBuildKey";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOperatorsOwnKey operator";
const UUID: &str = "c0ffee00-1111-2222-3333-444455556666";

/// A machine's files, to be made into a disk.
struct Tree {
    root: Utf8PathBuf,
}

impl Tree {
    /// A sealed machine with systemd and cloud-init.
    fn clean(job: &Job) -> Self {
        let tree = Self { root: job.path("tree") };
        let _ = std::fs::remove_dir_all(&tree.root);
        tree.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nsvc:x:9:9::/srv/svc:/bin/sh\n");
        tree.write("/etc/machine-id", "");
        tree.write("/etc/fstab", "");
        tree.write("/usr/lib/systemd/systemd", "");
        tree.write("/usr/bin/cloud-init", "");
        tree.write("/var/log/dpkg.log", "");
        for folder in ["/tmp", "/var/tmp", "/var/mail", "/var/lib/dhcp", "/root", "/var/log/journal"] {
            std::fs::create_dir_all(tree.path(folder)).unwrap();
        }
        tree
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    fn link(&self, target: &str, path: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// A bare file system of these files.
    fn disk(&self, job: &Job, name: &str) -> Disk {
        let path = job.path(name);
        let _ = std::fs::remove_file(&path);
        let arguments = ["-q", "-F", "-t", "ext4", "-U", UUID, "-d", self.root.as_str(), path.as_str(), "24M"];
        run("e2fsprogs", "/sbin/mke2fs", &arguments);
        Disk { path, virtual_size: 24 * MIB }
    }
}

fn sealed() -> Sealed {
    Sealed {
        key: KEY.to_owned(),
        traces: vec!["http://mirror.build.test".to_owned()],
        removed: vec!["/etc/apt/apt.conf.d/99build".to_owned()],
    }
}

async fn check(job: &Job, disk: &Disk) -> Result<Inspection, Failure> {
    inspect(&job.ctx, disk, &sealed()).await.map_err(|error| failure_of(&error))
}

const CLEAN: Inspection = Inspection { inspected: true, reason: None };

#[tokio::test]
async fn a_clean_disk_passes() {
    let job = Job::new();
    assert_eq!(check(&job, &Tree::clean(&job).disk(&job, "disk")).await, Ok(CLEAN));
}

#[tokio::test]
async fn every_row_of_the_table_is_found_when_it_is_left() {
    let job = Job::new();
    for row in TABLE {
        for pattern in row.paths {
            let tree = Tree::clean(&job);
            let path = pattern.replace('*', "left");
            let residue = match row.action {
                Action::Delete => path.clone(),
                Action::Empty => format!("{path}/left"),
                Action::Truncate => format!("{path}/deep/left"),
                Action::Special(Special::BuildKey) => format!("{path}/authorized_keys"),
                Action::Special(_) => path.clone(),
            };
            // One content that is residue for every kind.
            tree.write(&residue, &format!("{OTHER}\nssh-ed25519 {KEY} build\nnameserver 10.0.2.3\n"));
            let failure = check(&job, &tree.disk(&job, "disk")).await.unwrap_err();
            let found = failure.excerpt.iter().any(|line| line.starts_with(&format!("{residue}: ")));
            assert!(found, "{}: {residue} was not found: {failure:#?}", row.id);
        }
    }
}

#[tokio::test]
async fn all_findings_are_listed_at_once() {
    let job = Job::new();
    let tree = Tree::clean(&job);
    tree.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    tree.write("/srv/svc/.ssh/authorized_keys", &format!("ssh-ed25519 {KEY} build\n"));
    tree.write("/etc/apt/sources.list", "deb http://mirror.build.test/debian bookworm main\n");
    tree.write("/etc/apt/apt.conf.d/99build", "");
    tree.write("/root/.bash_history", "");
    let failure = check(&job, &tree.disk(&job, "disk")).await.unwrap_err();
    insta::assert_snapshot!(format!("{}\n{}", failure.message, failure.excerpt.join("\n")), @"
    the finished disk holds residue of the build: `/etc/apt/apt.conf.d/99build` and 4 more
    /etc/apt/apt.conf.d/99build: put there for the build alone
    /etc/apt/sources.list: names `http://mirror.build.test`, the build's mirror or proxy
    /etc/machine-id: the machine id, which must be left as an empty file
    /root/.bash_history: histories of shells and tools
    /srv/svc/.ssh/authorized_keys: the build's SSH key
    ");
}

#[tokio::test]
async fn a_deleted_machine_id_is_refused_where_systemd_would_apply_presets() {
    let job = Job::new();
    let tree = Tree::clean(&job);
    std::fs::remove_file(tree.path("/etc/machine-id")).unwrap();
    let failure = check(&job, &tree.disk(&job, "disk")).await.unwrap_err();
    assert_eq!(failure.excerpt, ["/etc/machine-id: the machine id: it is missing, and must be an empty file"]);
    std::fs::remove_file(tree.path("/usr/lib/systemd/systemd")).unwrap();
    assert_eq!(check(&job, &tree.disk(&job, "disk")).await, Ok(CLEAN), "other init systems need none");
}

#[tokio::test]
async fn what_belongs_to_the_image_is_left_alone() {
    let job = Job::new();
    let tree = Tree::clean(&job);
    tree.link("/etc/machine-id", "/var/lib/dbus/machine-id");
    tree.link("/usr/share/doc/logs", "/var/log/README");
    tree.write("/root/.ssh/authorized_keys", &format!("{OTHER}\n"));
    tree.write("/etc/resolv.conf", "nameserver 192.0.2.1\n");
    tree.write("/var/lib/cloud/scripts/per-boot/grow.sh", "#!/bin/sh\n");
    // Behind a link that the pattern does not name: not the build's.
    tree.write("/srv/state/lease", "x");
    std::fs::remove_dir(tree.path("/var/lib/dhcp")).unwrap();
    tree.link("/srv/state", "/var/lib/dhcp");
    assert_eq!(check(&job, &tree.disk(&job, "disk")).await, Ok(CLEAN));
}

/// A GPT disk with file systems at their places.
fn partitioned(job: &Job, parts: &[&Disk]) -> Disk {
    let path = job.path("gpt");
    let _ = std::fs::remove_file(&path);
    let size = MIB + parts.iter().map(|part| part.virtual_size).sum::<u64>() + MIB;
    std::fs::File::create(&path).unwrap().set_len(size).unwrap();
    let lines: Vec<_> = parts.iter().map(|part| format!("size={}MiB\n", part.virtual_size / MIB)).collect();
    let script = job.path("script");
    std::fs::write(&script, format!("label: gpt\n{}", lines.concat())).unwrap();
    run("fdisk", "sh", &["-c", &format!("/sbin/sfdisk -q '{path}' <'{script}'")]);
    let mut offset = 1;
    for part in parts {
        let (from, to) = (format!("if={}", part.path), format!("of={path}"));
        run("coreutils", "dd", &[&from, &to, "bs=1M", &format!("seek={offset}"), "conv=notrunc", "status=none"]);
        offset += part.virtual_size / MIB;
    }
    Disk { path, virtual_size: size }
}

#[tokio::test]
async fn partitions_are_found_and_put_together_as_fstab_says() {
    let job = Job::new();
    let var = Tree { root: job.path("var") };
    var.write("/log/syslog", "it rained\n");
    let var = var.disk(&job, "var.disk");
    let tree = Tree::clean(&job);
    tree.write(
        "/etc/fstab",
        &format!("# a comment\nUUID={UUID} /var ext4 defaults 0 2\n/dev/vdb /srv xfs defaults 0 2\n"),
    );
    let root = tree.disk(&job, "root.disk");
    // Both have one UUID here; the root is never looked for in itself.
    let failure = check(&job, &partitioned(&job, &[&root, &var])).await.unwrap_err();
    assert_eq!(failure.excerpt, ["/var/log/syslog: logs"]);
    let partial = check(&job, &partitioned(&job, &[&root])).await.unwrap();
    assert_eq!(partial.reason.as_deref(), Some("not inspected: `/var`, `/srv`, on file systems of their own"));
}

#[tokio::test]
async fn an_unclean_file_system_is_an_error() {
    let job = Job::new();
    let disk = Tree::clean(&job).disk(&job, "disk");
    run("e2fsprogs", "/sbin/debugfs", &["-w", "-R", "feature needs_recovery", disk.path.as_str()]);
    let failure = check(&job, &disk).await.unwrap_err();
    assert_eq!(
        failure.message,
        "the file system of the disk was not unmounted cleanly: the guest did not shut down as it should"
    );
}

#[tokio::test]
async fn a_disk_that_can_not_be_read_offline_is_reported_as_not_inspected() {
    let job = Job::new();
    let path = job.path("xfs");
    let mut bytes = vec![0; 4 * 1024 * 1024];
    let disk = Disk { path: path.clone(), virtual_size: bytes.len() as u64 };
    std::fs::write(&path, &bytes).unwrap();
    let reason = check(&job, &disk).await.unwrap().reason.unwrap();
    assert_eq!(reason, "the disk has no partition table and no known file system");
    bytes[..4].copy_from_slice(b"XFSB");
    std::fs::write(&path, &bytes).unwrap();
    let inspection = check(&job, &disk).await.unwrap();
    let reason = "only a root file system of ext4 can be read offline, and the disk holds xfs";
    assert_eq!(inspection, Inspection { inspected: false, reason: Some(reason.to_owned()) });
}

#[tokio::test]
async fn a_damaged_file_system_is_an_error_and_no_crash() {
    let job = Job::new();
    let disk = Tree::clean(&job).disk(&job, "disk");
    let mut bytes = std::fs::read(&disk.path).unwrap();
    // Everything behind the superblock and the group descriptors.
    bytes[16 * 1024..].fill(0xa5);
    std::fs::write(&disk.path, bytes).unwrap();
    let failure = check(&job, &disk).await.unwrap_err();
    assert!(failure.message.starts_with("the file system of the disk is damaged: "), "{failure:?}");
}

/// A machine that is only a tree: commands run in it by chroot, with busybox and without a kernel's file systems, so that
/// the script finds no process and no mount of this machine.
struct Chroot {
    root: Utf8PathBuf,
}

impl Chroot {
    fn new(tree: &Tree) -> Self {
        let list = run("busybox", "busybox", &["--list"]);
        let busybox = run("coreutils", "sh", &["-c", "command -v busybox"]);
        let bin = tree.path("/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy(busybox.trim(), bin.join("busybox")).unwrap();
        for applet in list.lines().filter(|applet| !matches!(*applet, "busybox" | "mount" | "fstrim")) {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        // The libraries of a busybox that is not static.
        let libraries = run("libc-bin", "sh", &["-c", &format!("ldd {} 2>/dev/null || true", busybox.trim())]);
        for path in libraries.split_ascii_whitespace().filter(|word| word.starts_with('/')) {
            let to = tree.path(path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path, to).unwrap();
        }
        std::fs::create_dir_all(tree.path("/dev")).unwrap();
        tree.write("/dev/null", "");
        Self { root: tree.root.clone() }
    }
}

#[async_trait]
impl Guest for Chroot {
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        _: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        let mut child = tokio::process::Command::new("unshare");
        if rustix::process::geteuid().is_root() {
            child = tokio::process::Command::new("chroot");
        } else {
            child.args(["--map-root-user", "chroot"]);
        }
        child.arg(&self.root).args(["/bin/sh", "-c", &command.script]).stdin(Stdio::null());
        let ended = child.output().await.unwrap();
        for (stream, bytes) in
            [(ovenbird::event::Stream::Stdout, ended.stdout), (ovenbird::event::Stream::Stderr, ended.stderr)]
        {
            let _ = output.send(Chunk { stream, bytes }).await;
        }
        Ok(Exit::Code(ended.status.code().unwrap().cast_unsigned()))
    }

    async fn put(&self, _: &Put, _: Progress<'_>, _: &CancellationToken) -> Result<Transfer, GuestError> {
        Err(GuestError::Refused("not a part of sealing".to_owned()))
    }

    async fn get(&self, _: &Get, _: Progress<'_>, _: &CancellationToken) -> Result<Transfer, GuestError> {
        Err(GuestError::Refused("not a part of sealing".to_owned()))
    }

    async fn reboot(&self, _: Duration, _: &CancellationToken) -> Result<(), GuestError> {
        Err(GuestError::Refused("not a part of sealing".to_owned()))
    }
}

fn plan() -> SealPlan {
    SealPlan {
        public_key: format!("ssh-ed25519 {KEY} build"),
        user: "root".to_owned(),
        traces: vec!["http://mirror.build.test".to_owned()],
    }
}

/// A machine after a build: everything of the table, and the build's own changes.
fn lived_in(job: &Job) -> Tree {
    let tree = Tree::clean(job);
    for row in TABLE {
        for pattern in row.paths {
            let path = pattern.replace('*', "used");
            match row.action {
                Action::Delete if path == "/var/lib/ovenbird-build" => {}
                Action::Empty => tree.write(&format!("{path}/.hidden/deep"), "x"),
                Action::Truncate => {
                    tree.write(&format!("{path}/app/app.log"), "x");
                    tree.write(&format!("{path}/app/app.log.2.gz"), "x");
                }
                Action::Special(Special::BuildKey) => {
                    tree.write(&format!("{path}/authorized_keys"), &format!("ssh-ed25519 {KEY} build\n"));
                }
                Action::Delete | Action::Special(_) => tree.write(&path, "nameserver 10.0.2.3\n"),
            }
        }
    }
    std::fs::set_permissions(tree.path("/usr/bin/cloud-init"), std::fs::Permissions::from_mode(0o755)).unwrap();
    tree.write("/etc/systemd/system/cloud-init.target.wants/cloud-init.service", "");
    tree.write("/srv/svc/.ssh/authorized_keys", &format!("{OTHER}\nssh-ed25519 {KEY} build\n"));
    tree.write("/etc/apt/apt.conf.d/99build", "Acquire::http::Proxy \"http://mirror.build.test\";\n");
    tree.write("/etc/apt/sources.list", "deb http://mirror.build.test/debian bookworm main\n");
    tree.write(
        "/var/lib/ovenbird-build/remove",
        "/etc/apt/apt.conf.d/99build\n/etc/apt/sources.list\n/../x\nrelative\n",
    );
    tree.write("/var/lib/ovenbird-build/restore/etc/apt/sources.list", "deb http://deb.example/debian bookworm main\n");
    tree
}

#[tokio::test]
async fn a_sealed_machine_passes_the_inspection() {
    let mut job = Job::new();
    let tree = lived_in(&job);
    // Odd layouts: what is behind these links belongs to somebody else.
    tree.write("/srv/precious/file", "x");
    tree.link("/srv/precious", "/tmp/link");
    tree.link("/srv/precious", "/var/cache/libdnf5-old");
    std::fs::remove_dir_all(tree.path("/var/lib/dhclient")).unwrap();
    tree.link("/srv/precious", "/var/lib/dhclient");
    let guest = Chroot::new(&tree);
    let sealed = seal(&job.ctx, &guest, &plan()).await.unwrap();
    assert_eq!(sealed.removed, ["/etc/apt/apt.conf.d/99build"]);
    assert_eq!(sealed.key, KEY);
    let inspection = inspect(&job.ctx, &tree.disk(&job, "disk"), &sealed).await;
    let inspection = inspection.map_err(|error| failure_of(&error)).unwrap();
    assert_eq!(inspection, CLEAN);

    assert_eq!(tree.read("/etc/machine-id").as_deref(), Some(""), "an empty file, not a deleted one");
    assert_eq!(tree.read("/srv/svc/.ssh/authorized_keys"), Some(format!("{OTHER}\n")), "only the build's line goes");
    assert!(!tree.path("/root/.ssh").exists(), "made for the build's key alone");
    assert_eq!(tree.read("/etc/apt/sources.list").as_deref(), Some("deb http://deb.example/debian bookworm main\n"));
    assert_eq!(tree.read("/srv/precious/file").as_deref(), Some("x"));
    assert_eq!(tree.read("/var/log/app/app.log").as_deref(), Some(""), "owner and mode of a log stay");
    assert!(!tree.path("/var/log/app/app.log.2.gz").exists());
    assert_eq!(tree.read("/etc/resolv.conf").as_deref(), Some(""));

    let mut lines = Vec::new();
    while let Ok(event) = job.events.try_recv() {
        if let Body::Output { line, .. } = event {
            lines.push(line);
        }
    }
    for row in TABLE.iter().filter(|row| row.id != "contract") {
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("removed {} (", row.what))),
            "{}: {lines:#?}",
            row.id
        );
    }
    assert!(lines.iter().any(|line| line.contains("symbolic link: /var/lib/dhclient/file")), "{lines:#?}");
}

#[tokio::test]
async fn host_keys_stay_and_the_build_fails_when_nothing_would_make_new_ones() {
    let job = Job::new();
    let tree = lived_in(&job);
    std::fs::remove_file(tree.path("/usr/bin/cloud-init")).unwrap();
    let guest = Chroot::new(&tree);
    let failure = failure_of(&seal(&job.ctx, &guest, &plan()).await.unwrap_err());
    let expected = "nothing in the image makes new SSH host keys, so `/etc/ssh/ssh_host_used_key` can't be removed";
    assert_eq!(failure.message, expected);
    assert!(failure.hint.unwrap().contains("ssh-keygen -A"));
    assert!(tree.path("/etc/ssh/ssh_host_used_key").exists());
    assert!(
        tree.path("/root/.bash_history").exists() || tree.path("/tmp/.hidden/deep").exists(),
        "nothing was removed"
    );
}

#[tokio::test]
async fn whatever_makes_host_keys_before_the_server_starts_will_do() {
    let job = Job::new();
    for (path, content) in [
        ("/etc/systemd/system/multi-user.target.wants/keys.service", "[Service]\nExecStart=/usr/bin/ssh-keygen -A\n"),
        ("/usr/lib/systemd/system/sshd.service.d/keys.conf", "[Unit]\nWants=sshd-keygen.target\n"),
        ("/etc/runlevels/default/sshd", "#!/sbin/openrc-run\n\tssh-keygen -A\n"),
        ("/etc/inittab", "::respawn:/usr/sbin/dropbear -F -R\n"),
    ] {
        let tree = lived_in(&job);
        std::fs::remove_file(tree.path("/usr/bin/cloud-init")).unwrap();
        tree.write(path, content);
        let sealed = seal(&job.ctx, &Chroot::new(&tree), &plan()).await;
        assert!(sealed.is_ok(), "{path}: {sealed:?}");
        tree.write(path, &format!("# {}", content.replace('\n', "\n# ")));
        let tree_again = lived_in(&job);
        std::fs::remove_file(tree_again.path("/usr/bin/cloud-init")).unwrap();
        tree_again.write(path, &format!("# {}", content.replace('\n', "\n# ")));
        assert!(seal(&job.ctx, &Chroot::new(&tree_again), &plan()).await.is_err(), "{path}: a comment makes no keys");
    }
}
