//! Proving on the finished disk, offline, that the build left no residue: what the guest did and said is not believed.
//!
//! The table of [`residue`](super::residue) says what to look for. The disk is read as it is, without a mount and
//! without the guest's kernel; only ext4 can be read, and a disk with another root is reported as not inspected.

use std::fs::File;

use anyhow::{Context, bail};
use camino::Utf8Path;
use ext4_view::{Ext4, Ext4Error};
use serde::{Deserialize, Serialize};

use super::bootstrap::without_password;
use super::file;
use super::filesystem::{self, Content, View, Volume, join};
use super::residue::{Action, RESOLVER_MARKS, Residue, Special, TABLE};
use super::seal::Sealed;
use crate::context::{Explained, JobCtx, clean_line};
use crate::event::Failure;
use crate::platform::Disk;

/// Findings that an error shows; one is enough to fail, and thousands are of one kind.
const SHOWN: usize = 40;

/// What the inspection covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Whether the root file system was read.
    pub inspected: bool,
    /// Why not, or what of it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Inspection {
    fn skipped(reason: impl Into<String>) -> Self {
        Self { inspected: false, reason: Some(reason.into()) }
    }
}

/// Looks for residue on a disk whose machine was sealed and shut down.
///
/// # Errors
/// There is residue (every path is listed), the guest was not shut down cleanly, or the disk can't be read.
pub async fn inspect(ctx: &JobCtx, disk: &Disk, sealed: &Sealed) -> anyhow::Result<Inspection> {
    let volumes = filesystem::volumes(ctx, &disk.path, disk.virtual_size).await?;
    if volumes.is_empty() {
        return Ok(Inspection::skipped("the disk has no partition table and no known file system"));
    }
    let (path, sealed) = (disk.path.clone(), sealed.clone());
    // A damaged file system may make its reader panic, which then ends that thread alone.
    file::blocking(ctx, move |stop| {
        let view = match view(&path, &volumes)? {
            Ok(view) => view,
            Err(skipped) => return Ok(skipped),
        };
        let findings = Search { view: &view, sealed: &sealed, findings: Vec::new() }.run(stop)?;
        if !findings.is_empty() {
            bail!(residue_left(&findings));
        }
        let unread = view.unread.join("`, `");
        let reason = (!unread.is_empty()).then(|| format!("not inspected: `{unread}`, on file systems of their own"));
        Ok(Inspection { inspected: true, reason })
    })
    .await
}

/// Opens the machine's file systems; or why they can't be read.
fn view(disk: &Utf8Path, volumes: &[Volume]) -> anyhow::Result<Result<View, Inspection>> {
    let file = File::open(disk).with_context(|| format!("failed to open `{disk}`"))?;
    let (mut first, mut readable) = (None, Vec::new());
    let mut others = Vec::new();
    for volume in volumes {
        match filesystem::content(&file, volume).with_context(|| format!("failed to read `{disk}`"))? {
            Content::Ext { needs_recovery: true } => bail!(unclean(volume)),
            Content::Ext { needs_recovery: false } => match filesystem::open(disk, volume) {
                Ok(ext4) => {
                    let root =
                        is_root(&ext4).with_context(|| format!("the file system of {} is damaged", volume.name))?;
                    if root && first.is_none() {
                        first = Some(ext4);
                    } else {
                        readable.push(ext4);
                    }
                }
                Err(Ext4Error::Incompatible(why)) => {
                    others.push(format!("ext4 with features that can't be read ({why})"))
                }
                Err(error) => bail!("the file system of {} is damaged: {error}", volume.name),
            },
            Content::Other("vfat") | Content::Nothing => {}
            Content::Other(name) => others.push(name.to_owned()),
        }
    }
    let Some(root) = first else {
        let found = if others.is_empty() { "nothing that is known".to_owned() } else { others.join(", ") };
        let reason = format!("only a root file system of ext4 can be read offline, and the disk holds {found}");
        return Ok(Err(Inspection::skipped(reason)));
    };
    View::new(root, readable).map(Ok)
}

/// Whether a file system is a machine's root.
fn is_root(ext4: &Ext4) -> anyhow::Result<bool> {
    for path in ["/etc/passwd", "/etc/os-release", "/etc/fstab", "/sbin/init", "/init"] {
        match ext4.symlink_metadata(path) {
            Ok(_) => return Ok(true),
            Err(Ext4Error::NotFound | Ext4Error::NotADirectory) => {}
            // Whether it is the root can't be told, and that must not look like another kind of disk.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Something that must not be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    what: String,
}

struct Search<'a> {
    view: &'a View,
    sealed: &'a Sealed,
    findings: Vec<Finding>,
}

impl Search<'_> {
    fn run(mut self, stop: &file::Stop) -> anyhow::Result<Vec<Finding>> {
        for row in TABLE {
            stop.check()?;
            if let Some(condition) = row.when
                && !self.view.exists(condition.as_bytes())?
            {
                continue;
            }
            self.row(row)?;
        }
        for path in &self.sealed.removed {
            if self.view.lookup(path.as_bytes())?.is_some() {
                self.findings.push(Finding { path: path.clone(), what: "put there for the build alone".to_owned() });
            }
        }
        self.traces()?;
        self.findings.sort();
        self.findings.dedup();
        Ok(self.findings)
    }

    fn found(&mut self, path: &[u8], what: &str) {
        self.findings.push(Finding { path: clean_line(path), what: what.to_owned() });
    }

    fn row(&mut self, row: &Residue) -> anyhow::Result<()> {
        match row.action {
            Action::Special(Special::MachineId) => return self.machine_id(row),
            Action::Special(Special::BuildKey) => return self.keys(row),
            _ => {}
        }
        for path in
            row.paths.iter().map(|pattern| self.view.expand(pattern)).collect::<anyhow::Result<Vec<_>>>()?.concat()
        {
            match row.action {
                Action::Delete => self.found(&path, row.what),
                Action::Empty => {
                    if self.view.lookup(&path)?.is_some_and(|metadata| metadata.is_dir()) {
                        for name in self.view.names(&path)? {
                            self.found(&join(&path, &name), row.what);
                        }
                    }
                }
                Action::Truncate => self.non_empty_files(&path, row.what)?,
                Action::Special(Special::DbusMachineId) => {
                    if self.view.lookup(&path)?.is_some_and(|metadata| !metadata.is_symlink()) {
                        self.found(&path, row.what);
                    }
                }
                Action::Special(_) => self.resolver(&path, row.what)?,
            }
        }
        Ok(())
    }

    fn non_empty_files(&mut self, folder: &[u8], what: &str) -> anyhow::Result<()> {
        let mut found = Vec::new();
        self.view.walk(folder, &mut |path, metadata| {
            if metadata.file_type().is_regular_file() && metadata.len() > 0 {
                found.push(path.to_vec());
            }
            Ok(())
        })?;
        for path in found {
            self.found(&path, what);
        }
        Ok(())
    }

    fn machine_id(&mut self, row: &Residue) -> anyhow::Result<()> {
        let path = b"/etc/machine-id";
        match self.view.lookup(path)? {
            Some(metadata) if metadata.file_type().is_regular_file() && metadata.len() == 0 => {}
            Some(_) => self.found(path, "the machine id, which must be left as an empty file"),
            None => {
                let systemd = [b"/usr/lib/systemd/systemd".as_slice(), b"/lib/systemd/systemd"];
                for program in systemd {
                    if self.view.exists(program)? {
                        let what = format!("{}: it is missing, and must be an empty file", row.what);
                        self.found(path, &what);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn resolver(&mut self, path: &[u8], what: &str) -> anyhow::Result<()> {
        let regular = self.view.lookup(path)?.is_some_and(|metadata| metadata.file_type().is_regular_file());
        let text = if regular { self.view.read(path)?.unwrap_or_default() } else { Vec::new() };
        if RESOLVER_MARKS.iter().any(|mark| contains(&text, mark)) {
            self.found(path, what);
        }
        Ok(())
    }

    /// The build's key in the `.ssh` of every home; `/etc` is searched with the other traces.
    fn keys(&mut self, row: &Residue) -> anyhow::Result<()> {
        let mut homes = self.view.expand("/home/*")?;
        homes.push(b"/root".to_vec());
        let passwd = self.view.read(b"/etc/passwd")?.unwrap_or_default();
        let fields = passwd.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b':').nth(5));
        homes.extend(fields.filter(|home| home.len() > 1 && home.starts_with(b"/")).map(<[u8]>::to_vec));
        homes.sort();
        homes.dedup();
        for home in homes {
            let folder = join(&home, b".ssh");
            for name in self.view.names(&folder)? {
                let path = join(&folder, &name);
                let text = self.view.read(&path)?.unwrap_or_default();
                if contains(&text, &self.sealed.key) {
                    self.found(&path, row.what);
                }
            }
        }
        Ok(())
    }

    /// The build's key, mirror and proxy in any file of configuration.
    fn traces(&mut self) -> anyhow::Result<()> {
        let key = (self.sealed.key.as_str(), "holds the build's SSH key".to_owned());
        let traces = self.sealed.traces.iter().filter(|trace| !trace.is_empty());
        // An address may hold a password.
        let named = |trace: &str| format!("names `{}`, the build's mirror or proxy", without_password(trace));
        let mut needles: Vec<_> = traces.map(|trace| (trace.as_str(), named(trace))).collect();
        needles.push(key);
        let mut files = Vec::new();
        self.view.walk(b"/etc", &mut |path, metadata| {
            if metadata.file_type().is_regular_file() {
                files.push(path.to_vec());
            }
            Ok(())
        })?;
        for path in files {
            let text = self.view.read(&path)?.unwrap_or_default();
            for (needle, what) in &needles {
                if contains(&text, needle) {
                    self.found(&path, what);
                }
            }
        }
        Ok(())
    }
}

fn contains(text: &[u8], needle: &str) -> bool {
    !needle.is_empty() && text.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn residue_left(findings: &[Finding]) -> Explained {
    let mut excerpt: Vec<_> =
        findings.iter().take(SHOWN).map(|finding| format!("{}: {}", finding.path, finding.what)).collect();
    if findings.len() > SHOWN {
        excerpt.push(format!("… and {} more", findings.len() - SHOWN));
    }
    let first = findings.first().map_or("", |finding| finding.path.as_str());
    let more = if findings.len() > 1 { format!(" and {} more", findings.len() - 1) } else { String::new() };
    Explained(Failure {
        hint: Some(
            "something in the guest wrote it again while it was shut down; stop and disable what does so in a step"
                .to_owned(),
        ),
        excerpt,
        ..Failure::new(format!("the finished disk holds residue of the build: `{first}`{more}"))
    })
}

fn unclean(volume: &Volume) -> Explained {
    Explained(Failure {
        hint: Some("see `console.txt` for what hung or crashed while the guest was shut down".to_owned()),
        ..Failure::new(format!(
            "the file system of {} was not unmounted cleanly: the guest did not shut down as it should",
            volume.name
        ))
    })
}
