//! Hands what a container's root has made in the workspace to the workspace's owner.
//!
//! In CI the container runs as root and the runner does not: without this it could not remove our files, nor the next
//! checkout its folder. Done at the end of a command, however it ends, and only in our own container (`OVENBIRD_CONTAINER`,
//! which the Dockerfile sets): a root user who builds in somebody's folder on a machine gets no owner changed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fstat, openat};

/// Set in our container.
const MARK: &str = "OVENBIRD_CONTAINER";
/// Where CI services say that the workspace is.
const WORKSPACES: [&str; 2] = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"];
/// How long may be looked for our files among those of the repository: a cancelled step has 7.5 s for everything.
const LIMIT: Duration = Duration::from_secs(1);
/// The kernel's time stamps lag behind its clock by a tick.
const TICK: Duration = Duration::from_millis(50);

/// Made when a command begins, used when it has ended.
pub(super) struct Handover {
    workspace: Utf8PathBuf,
    begin: Duration,
}

impl Handover {
    /// None where there is nobody to hand anything to: outside of our container, or not as root.
    pub(super) fn new() -> Option<Self> {
        let marked = std::env::var_os(MARK).is_some_and(|value| !value.is_empty());
        if !marked || !rustix::process::geteuid().is_root() {
            return None;
        }
        let named = WORKSPACES.iter().filter_map(|name| std::env::var(name).ok()).map(Utf8PathBuf::from);
        let workspace = named.filter(|path| path.is_dir()).find_map(|path| path.canonicalize_utf8().ok());
        let current = || Utf8PathBuf::try_from(std::env::current_dir().ok()?).ok();
        let begin = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.saturating_sub(TICK);
        Some(Self { workspace: workspace.or_else(current)?, begin })
    }

    /// Hands over everything of root's in `folders` that lie in the workspace, and elsewhere in the workspace what has
    /// changed since the command began: downloads, and what `local` steps have made. What can't be handed over stays
    /// as it is.
    pub(super) fn finish(&self, folders: &[Utf8PathBuf]) {
        let Ok(workspace) = open_folder(CWD, self.workspace.as_str()) else { return };
        let Ok(root) = fstat(&workspace) else { return };
        if root.st_uid == 0 {
            return;
        }
        let owner = (Uid::from_raw(root.st_uid), Gid::from_raw(root.st_gid));
        let all = Walk { owner, device: root.st_dev, since: Duration::ZERO, deadline: None };
        for folder in folders {
            let Ok(path) = folder.canonicalize_utf8() else { continue };
            let Ok(path) = path.strip_prefix(&self.workspace) else { continue };
            // An output folder that is the workspace is looked through below.
            if !path.as_str().is_empty()
                && let Some(folder) = descend(&workspace, path)
            {
                all.visit(folder.as_fd(), ".");
            }
        }
        let deadline = Some(Instant::now() + LIMIT);
        Walk { since: self.begin, deadline, ..all }.enter(workspace.as_fd());
    }
}

/// Opens a folder below another, a name at a time: none of them is a link.
fn descend(workspace: &OwnedFd, path: &Utf8Path) -> Option<OwnedFd> {
    let mut folder = open_folder(workspace.as_fd(), ".").ok()?;
    for name in path {
        folder = open_folder(folder.as_fd(), name).ok()?;
    }
    Some(folder)
}

fn open_folder(at: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// A way through folders that follows no link and leaves no file system.
#[derive(Clone, Copy)]
struct Walk {
    owner: (Uid, Gid),
    device: u64,
    /// Files that changed before are left alone; from 1970.
    since: Duration,
    deadline: Option<Instant>,
}

impl Walk {
    fn enter(&self, folder: BorrowedFd<'_>) {
        let Ok(entries) = Dir::read_from(folder) else { return };
        for entry in entries.flatten() {
            if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return;
            }
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                self.visit(folder, name);
            }
        }
    }

    fn visit(&self, folder: BorrowedFd<'_>, name: &str) {
        // What is looked at is what is changed, also when somebody puts another file in its place meanwhile.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(file) = openat(folder, name, flags, Mode::empty()) else { return };
        let Ok(status) = fstat(&file) else { return };
        if status.st_dev != self.device {
            return;
        }
        let is_folder = FileType::from_raw_mode(status.st_mode) == FileType::Directory;
        if is_folder && let Ok(folder) = open_folder(file.as_fd(), ".") {
            self.enter(folder.as_fd());
        }
        if self.is_ours(&status, is_folder) {
            let _ = chownat(&file, "", Some(self.owner.0), Some(self.owner.1), AtFlags::EMPTY_PATH);
        }
    }

    /// Another name of the same file may lie outside of the workspace.
    fn is_ours(&self, status: &Stat, is_folder: bool) -> bool {
        let changed = Duration::from_secs(u64::try_from(status.st_ctime).unwrap_or(0))
            + Duration::from_nanos(status.st_ctime_nsec);
        status.st_uid == 0 && (is_folder || status.st_nlink == 1) && changed >= self.since
    }
}
