//! The sequence that makes a Debian disk: partition table, packages, root file system, boot loaders.

use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::process::Stdio;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::Command;

use super::apt::{self, Setting};
use super::files::{self, Access};
use super::layout::{Layout, MIB, ROOT_NUMBER};
use super::mirror::{self, Host, KEYRING, Mirror};
use super::progress::{self, Follower};
use super::{esp, packages, sources};
use crate::context::{Explained, JobCtx};
use crate::event::{Failure, Unit};
use crate::journal::Resource;
use crate::plan::job::{Arch, Debian};
use crate::program::{self, ProgramError};

/// Holds the default system several times, and is what a cloud's smallest disks hold.
const DEFAULT_DISK_SIZE: u64 = 4096 * MIB;

/// System programs are not on an ordinary user's `PATH`.
const SYSTEM_PATH: &str = "/usr/sbin:/sbin";

/// What mmdebstrap runs on the host. In the environment, because mmdebstrap repeats its arguments in its output, and
/// because the root of a name space may not be able to read a file of ours.
const SCRIPTS: [(&str, &str); 3] = [
    ("NO_INITRAMFS", include_str!("guest/no-initramfs.sh")),
    ("CLEAN_APT", include_str!("guest/clean-apt.sh")),
    ("FINISH", include_str!("guest/finish.sh")),
];

/// Makes a bootable raw disk of a Debian suite at `to`.
///
/// `disk_size` is in bytes; without it the disk has 4 GiB. The file is sparse. Returned is what no file of the finished
/// image's configuration may hold: the addresses of the build's mirror and proxies.
///
/// # Errors
/// A program, package or suite is missing, the mirror can't be reached or trusted, the disk is too small, or the job is
/// cancelled. Nothing is left at `to` then.
pub async fn debian(
    ctx: &JobCtx,
    debian: &Debian,
    arch: Arch,
    disk_size: Option<u64>,
    to: &Utf8Path,
) -> anyhow::Result<Vec<String>> {
    for program in ["mmdebstrap", "sfdisk", "mke2fs", "mkfs.vfat", "mmd", "mcopy"] {
        require(program)?;
    }
    let disk_size = disk_size.unwrap_or(DEFAULT_DISK_SIZE);
    let Some(layout) = Layout::new(arch, disk_size) else {
        return Err(too_small(disk_size, Layout::disk_size_for(arch, 1024 * MIB)).into());
    };
    let build = Build::new(ctx, debian, arch, layout).await?;
    let made = build.make(ctx, to).await;
    if made.is_err() {
        // What is half made helps nobody; it may also never have been made.
        let _ = tokio::fs::remove_file(to).await;
    }
    made.map(|()| files::traces(debian, &build.mirror, &build.access))
}

/// All decisions of one bootstrap.
struct Build<'a> {
    debian: &'a Debian,
    arch: Arch,
    layout: Layout,
    mirror: Mirror,
    access: Access,
    root_uuid: String,
    /// The serial number of the EFI system partition's file system.
    esp_serial: String,
    /// Ordinary users need a name space of their own, whose root can enter this folder.
    as_root: bool,
}

impl<'a> Build<'a> {
    async fn new(ctx: &JobCtx, debian: &'a Debian, arch: Arch, layout: Layout) -> anyhow::Result<Self> {
        let environment = std::env::var(mirror::VARIABLE).ok();
        let mirror = mirror::choose(debian.mirror.as_deref(), environment.as_deref(), &Host::read(Utf8Path::new("/")));
        if !Utf8Path::new(&mirror.signed_by).is_file() {
            return Err(no_keyring(&mirror.signed_by).into());
        }
        let settings = apt_settings().await;
        let access = Access {
            authorities: authorities(&settings),
            keyring: (mirror.signed_by != KEYRING).then(|| std::fs::read(&mirror.signed_by)).transpose()?,
            settings,
        };
        tell_mirror(ctx, debian, &mirror).await;
        let uuid = random_uuid()?;
        let serial = random_uuid()?.to_uppercase();
        Ok(Self {
            debian,
            arch,
            layout,
            mirror,
            access,
            root_uuid: uuid,
            esp_serial: serial[..8].to_owned(),
            as_root: rustix::process::geteuid().is_root(),
        })
    }

    async fn make(&self, ctx: &JobCtx, to: &Utf8Path) -> anyhow::Result<()> {
        self.partition(ctx, to).await?;
        self.install(ctx, to).await?;
        let esp_image = ctx.work.join("esp.img");
        let boot = {
            let (layout, to) = (self.layout, to.to_owned());
            let (arch, root_uuid) = (self.arch, self.root_uuid.clone());
            tokio::task::spawn_blocking(move || esp::write_bios(&to, &layout, arch, &root_uuid)).await??
        };
        esp::make(ctx, &boot, &esp_image, self.layout.esp.size, &self.esp_serial).await?;
        let (disk, start) = (to.to_owned(), self.layout.esp.start);
        tokio::task::spawn_blocking(move || esp::copy(&esp_image, &disk, start)).await??;
        std::fs::set_permissions(to, Permissions::from_mode(0o644)).with_context(|| format!("failed to close `{to}`"))
    }

    /// Creates the disk with its partition table.
    async fn partition(&self, ctx: &JobCtx, to: &Utf8Path) -> anyhow::Result<()> {
        // The root of an ordinary user's name space is somebody else: it gets at the open file only if anyone may.
        let mode = if self.as_root { 0o644 } else { 0o666 };
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(to);
        let file = file.with_context(|| format!("failed to create `{to}`"))?;
        file.set_len(self.layout.disk).with_context(|| format!("failed to resize `{to}`"))?;
        if !self.as_root {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        let script = ctx.work.join("partitions.sfdisk");
        std::fs::write(&script, self.layout.sfdisk_script(self.arch))?;
        let mut command = shell("exec sfdisk --quiet --no-reread --no-tell-kernel \"$1\" < \"$2\"");
        command.args([to, &script]);
        program::run(ctx, command).await.with_context(|| format!("failed to partition `{to}`"))?;
        std::fs::remove_file(&script).with_context(|| format!("failed to remove `{script}`"))
    }

    /// Installs the system and makes its file system on the disk.
    async fn install(&self, ctx: &JobCtx, to: &Utf8Path) -> anyhow::Result<()> {
        let scratch = Scratch::new(ctx, self.as_root)?;
        let command = self.mmdebstrap(&scratch.path, to)?;
        let mut follower = Follower::default();
        let events = ctx.events.clone();
        let result = program::run_with(ctx, command, |line| {
            if let Some(percent) = follower.line(line) {
                events.progress("install packages", percent, Some(100), Unit::Percent);
            }
            true
        })
        .await;
        let removed = scratch.remove(ctx).await;
        match result {
            Ok(_) => removed,
            Err(ProgramError::Failed { .. }) => Err(self.explain(&follower).into()),
            Err(error) => Err(error.into()),
        }
    }

    fn explain(&self, follower: &Follower) -> Explained {
        match follower.needs() {
            Some(mib) => too_small(self.layout.disk, Layout::disk_size_for(self.arch, mib * MIB)),
            None => Explained(follower.explain(&self.debian.suite, &self.mirror)),
        }
    }

    fn mmdebstrap(&self, scratch: &Utf8Path, to: &Utf8Path) -> anyhow::Result<Command> {
        let (early, late, conf) = (scratch.join("early.tar"), scratch.join("late.tar"), scratch.join("apt.conf"));
        let esp_id = format!("{}-{}", &self.esp_serial[..4], &self.esp_serial[4..]);
        write(&early, &files::archive(&files::early(&self.root_uuid, &esp_id, self.debian.cloud_init))?)?;
        write(&late, &files::archive(&files::apt(self.debian, &self.mirror, &self.access))?)?;

        // The disk goes in as an open file, because the root of a name space can't follow an ordinary user's paths.
        let mut command = shell("exec 3<>\"$1\"; shift; exec \"$@\" 2>&1");
        command.arg(to).arg("mmdebstrap");
        command.arg(if self.as_root { "--mode=root" } else { "--mode=unshare" });
        command.args(["--variant=minbase", "--format=null", "--verbose"]);
        command.arg(format!("--architectures={}", self.arch.debian()));
        command.arg(format!("--include={}", packages::included(self.debian, self.arch).join(",")));
        if !self.access.settings.is_empty() {
            // In a file, not an argument: a proxy's address may hold a password.
            write(&conf, apt::conf(&self.access.settings).as_bytes())?;
            command.arg(format!("--aptopt={conf}"));
        }
        for option in ["APT::Install-Recommends \"false\"", "Acquire::Languages \"none\"", "Acquire::Retries \"3\""] {
            command.arg(format!("--aptopt={option}"));
        }
        command.arg("--dpkgopt=force-unsafe-io");
        // The tree is thrown away once it is on the disk.
        command.arg("--skip=cleanup/apt,cleanup/mmdebstrap,cleanup/reproducible,cleanup/run,cleanup/tmp");
        command.arg(hook("essential", "NO_INITRAMFS"));
        command.arg(format!("--essential-hook=tar-in {} /", quoted(&early)));
        command.arg(hook("customize", "CLEAN_APT"));
        command.arg(format!("--customize-hook=tar-in {} /", quoted(&late)));
        command.arg(hook("customize", "FINISH"));
        command.arg(&self.debian.suite).arg("-");
        command.args(self.source_lines());

        command.env("TMPDIR", scratch).env_remove("APT_CONFIG");
        command.envs(SCRIPTS.map(|(name, script)| (format!("OVENBIRD_{name}"), script)));
        command.envs(self.finish_environment());
        Ok(command)
    }

    /// What `finish.sh` is told.
    fn finish_environment(&self) -> [(&'static str, String); 7] {
        [
            ("OVENBIRD_BIOS", if self.layout.bios.is_some() { "yes" } else { "no" }.to_owned()),
            ("OVENBIRD_GRUB_EFI", esp::grub_platform(self.arch).to_owned()),
            ("OVENBIRD_GRUB_PREFIX", format!("(,gpt{ROOT_NUMBER})/boot/grub")),
            ("OVENBIRD_ROOT_UUID", self.root_uuid.clone()),
            ("OVENBIRD_ROOT_OFFSET", self.layout.root.start.to_string()),
            ("OVENBIRD_ROOT_SIZE", (self.layout.root.size / 1024).to_string()),
            ("OVENBIRD_CMDLINE", files::CMDLINE.to_owned()),
        ]
    }

    /// apt's sources while the system is installed, one a line.
    fn source_lines(&self) -> Vec<String> {
        let (main, security) = sources::suites(&self.debian.suite);
        let line = |uri: &str, suite: &str| format!("deb [signed-by=\"{}\"] {uri} {suite} main", self.mirror.signed_by);
        let mut lines: Vec<String> = main.iter().map(|suite| line(&self.mirror.main, suite)).collect();
        if let (Some(suite), Some(uri)) = (security, &self.mirror.security) {
            lines.push(line(uri, &suite));
        }
        lines
    }
}

/// A folder for mmdebstrap's tree. In the job's work folder, or for an ordinary user in the system's: the root of his
/// name space must be able to enter it.
struct Scratch {
    path: Utf8PathBuf,
    pending: Option<crate::journal::record::Pending>,
}

impl Scratch {
    fn new(ctx: &JobCtx, as_root: bool) -> anyhow::Result<Self> {
        let name = format!("ovenbird-bootstrap-{}", random_uuid()?);
        let (path, pending, mode) = if as_root {
            (ctx.work.join(name), None, 0o755)
        } else {
            let folder = Utf8PathBuf::try_from(std::env::temp_dir()).context("the temporary folder's path")?;
            let path = folder.join(name);
            let pending = ctx.journal.intent(Resource::Path(path.clone()))?;
            (path, Some(pending), 0o777)
        };
        let failed = || format!("failed to create `{path}`");
        std::fs::DirBuilder::new().mode(mode).create(&path).with_context(failed)?;
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).with_context(failed)?;
        Ok(Self { path, pending })
    }

    /// Removes the folder with what an interrupted mmdebstrap has left in it.
    async fn remove(self, ctx: &JobCtx) -> anyhow::Result<()> {
        let path = self.path.clone();
        let removed = tokio::task::spawn_blocking(move || remove_tree(&path)).await?;
        removed.with_context(|| format!("failed to remove `{}`", self.path))?;
        self.pending.map_or(Ok(()), |pending| ctx.journal.done(pending))
    }
}

/// Removes a folder, also one in which mmdebstrap worked for an ordinary user: what is in it then belongs to users of a
/// name space, and only that name space's root may remove it.
///
/// # Errors
/// The file system refuses.
pub fn remove_tree(path: &Utf8Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
        result => return result,
    }
    let mut command = std::process::Command::new("mmdebstrap");
    command.args(["--unshare-helper", "rm", "-rf", "--one-file-system"]).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if path.exists() { std::fs::remove_dir_all(path) } else { Ok(()) }
}

/// A `sh -c` that finds system programs. Its arguments follow.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).env("PATH", path());
    command
}

/// `PATH` with the system programs' folders.
pub(super) fn path() -> String {
    std::env::var("PATH")
        .map_or_else(|_| format!("/usr/bin:/bin:{SYSTEM_PATH}"), |path| format!("{path}:{SYSTEM_PATH}"))
}

/// Refuses before anything is done when a program is missing.
fn require(program: &str) -> Result<(), ProgramError> {
    let there = path().split(':').any(|folder| Utf8Path::new(folder).join(program).is_file());
    if there { Ok(()) } else { Err(ProgramError::NotFound { program: program.to_owned() }) }
}

/// An option that runs one of [`SCRIPTS`] on the new system.
fn hook(stage: &str, script: &str) -> String {
    format!("--{stage}-hook=sh -c \"$OVENBIRD_{script}\" hook \"$1\"")
}

/// A word of mmdebstrap's hook commands, which it splits as a shell does.
fn quoted(path: &Utf8Path) -> String {
    format!("'{}'", path.as_str().replace('\'', "'\\''"))
}

fn write(path: &Utf8Path, content: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("failed to write `{path}`"))
}

/// The host's apt settings; none where there is no apt.
async fn apt_settings() -> Vec<Setting> {
    let dump = Command::new("apt-config").arg("dump").kill_on_drop(true).output().await;
    let dump = dump.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    apt::settings(&dump, |name| std::env::var(name).ok())
}

/// The certificate authorities that this machine trusts, as one file.
fn authorities(settings: &[Setting]) -> Option<Vec<u8>> {
    let usual = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
    apt::ca_info(settings).into_iter().chain(usual).find_map(|path| std::fs::read(path).ok())
}

async fn tell_mirror(ctx: &JobCtx, debian: &Debian, mirror: &Mirror) {
    let has_security = sources::suites(&debian.suite).1.is_some();
    ctx.events.note(progress::mirror_note(mirror, has_security)).await;
    if mirror::from_guest(&mirror.main).is_none() {
        ctx.events.note("the guest can't reach this mirror: steps see the finished image's sources").await;
    }
}

/// A random UUID of the kernel.
fn random_uuid() -> anyhow::Result<String> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").context("failed to read a random UUID")?;
    Ok(uuid.trim().to_owned())
}

fn too_small(size: u64, needed: u64) -> Explained {
    let (size, needed) = (size / MIB, needed / MIB);
    Explained(Failure {
        hint: Some(format!("set `disk-size` to at least {needed}MiB, and add what the steps need")),
        ..Failure::new(format!("a disk of {size} MiB is too small: the system needs {needed} MiB"))
    })
}

fn no_keyring(path: &str) -> Explained {
    Explained(Failure {
        hint: Some("install the package `debian-archive-keyring`".to_owned()),
        ..Failure::new(format!("the keys of the Debian archive, `{path}`, are not on this machine"))
    })
}
