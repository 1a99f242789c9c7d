//! Writing what a guest sends, and never outside `to`.
//!
//! Every name is walked by descriptor, one folder after another, without following a link; what is in the way is removed,
//! not written through. Set-id and sticky bits are dropped. Links that lead out of the tree, devices and pipes are left out
//! and counted: whoever reads the copy must not be led to this machine's own files.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use camino::Utf8Path;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::archive::{Archive, Kind, Member};
use super::survey::local;
use crate::guest::{GuestError, Transfer};

/// Zeros of this length become a hole.
const HOLE: usize = 64 * 1024;

/// Reads an archive whose first member is a folder as a tree at `to`, any other as the one file `to`.
pub(super) fn unpack(input: impl Read, to: &Utf8Path, on_bytes: &dyn Fn(u64)) -> Result<Transfer, GuestError> {
    let mut archive = Archive::new(input);
    let Some(first) = archive.next().map_err(stream)? else {
        return Err(GuestError::Refused("the guest sent nothing".to_owned()));
    };
    if first.kind == Kind::Directory {
        let is_new = !to.exists();
        std::fs::create_dir_all(to).map_err(GuestError::local("create", to))?;
        let root = open_folder(rustix::fs::CWD, to.as_os_str(), OFlags::empty())
            .map_err(|error| GuestError::local("open", to)(error.into()))?;
        if is_new {
            rustix::fs::fchmod(&root, mode(first.mode | 0o700))
                .map_err(|error| GuestError::local("write", to)(error.into()))?;
        }
        let mut tree = Tree { root, to, archive, on_bytes, transfer: Transfer::default() };
        while let Some(member) = tree.archive.next().map_err(stream)? {
            tree.member(&member)?;
        }
        return Ok(tree.transfer);
    }
    let transfer = single(&mut archive, &first, to, on_bytes)?;
    match archive.next().map_err(stream)? {
        None => Ok(transfer),
        Some(_) => Err(GuestError::Refused("the guest sent more than the one file that was asked for".to_owned())),
    }
}

/// One file: written beside `to` and then moved there, so that `to` is whole or as it was.
fn single<R: Read>(
    archive: &mut Archive<R>,
    member: &Member,
    to: &Utf8Path,
    on_bytes: &dyn Fn(u64),
) -> Result<Transfer, GuestError> {
    if member.kind != Kind::File {
        return Err(GuestError::Refused("what was asked for is neither a file nor a folder in the guest".to_owned()));
    }
    let folder = to.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(folder).map_err(GuestError::local("create", folder))?;
    let temporary = tempfile::NamedTempFile::new_in(folder).map_err(GuestError::local("create", to))?;
    write_file(archive, member, temporary.as_file(), to.as_std_path(), on_bytes)?;
    temporary.persist(to).map_err(|error| GuestError::local("create", to)(error.error))?;
    Ok(Transfer { files: 1, bytes: member.size, skipped: 0 })
}

struct Tree<'a, R> {
    root: OwnedFd,
    to: &'a Utf8Path,
    archive: Archive<R>,
    on_bytes: &'a dyn Fn(u64),
    transfer: Transfer,
}

impl<R: Read> Tree<'_, R> {
    fn member(&mut self, member: &Member) -> Result<(), GuestError> {
        let names = names(&member.path)?;
        let Some((name, folders)) = names.split_last() else { return Ok(()) };
        let path = self.to.as_std_path().join(names.iter().collect::<std::path::PathBuf>());
        let outside = match member.kind {
            Kind::Symlink => !stays_inside(folders.len(), &member.target),
            Kind::Other => true,
            _ => false,
        };
        if outside {
            self.transfer.skipped += 1;
            return Ok(());
        }
        let place = |error: Errno| local("write", &path)(error.into());
        let folder = self.folder(folders).map_err(place)?;
        match member.kind {
            Kind::Directory => make_folder(folder.as_fd(), name, mode(member.mode | 0o700)).map_err(place)?,
            Kind::Symlink => {
                clear(&folder, name).map_err(place)?;
                rustix::fs::symlinkat(OsStr::from_bytes(&member.target), &folder, *name).map_err(place)?;
                self.transfer.files += 1;
            }
            Kind::HardLink => {
                let target = self::names(&member.target)?;
                let Some((old, old_folders)) = target.split_last() else { return Ok(()) };
                let old_folder = self.folder(old_folders).map_err(place)?;
                if target != names {
                    clear(&folder, name).map_err(place)?;
                    rustix::fs::linkat(&old_folder, *old, &folder, *name, AtFlags::empty()).map_err(place)?;
                }
                self.transfer.files += 1;
            }
            Kind::File | Kind::Other => {
                clear(&folder, name).map_err(place)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&folder, *name, flags, mode(0o600)).map_err(place)?;
                write_file(&mut self.archive, member, &File::from(file), &path, self.on_bytes)?;
                self.transfer.files += 1;
                self.transfer.bytes += member.size;
            }
        }
        Ok(())
    }

    /// Opens a folder inside the tree, made where it is missing. A link on the way is an error, wherever it leads.
    fn folder(&self, names: &[&OsStr]) -> Result<OwnedFd, Errno> {
        let mut folder = self.root.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        for name in names {
            folder = match open_folder(&folder, name, OFlags::NOFOLLOW) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(&folder, *name, mode(0o755))?;
                    open_folder(&folder, name, OFlags::NOFOLLOW)?
                }
                opened => opened?,
            };
        }
        Ok(folder)
    }
}

fn open_folder(at: impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Makes a folder with its mode; one that is there keeps its own.
fn make_folder(at: impl AsFd, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    let is_new = match rustix::fs::mkdirat(&at, name, mode) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error),
    };
    let folder = open_folder(at, name, OFlags::NOFOLLOW)?;
    if is_new { rustix::fs::fchmod(folder, mode) } else { Ok(()) }
}

/// Removes what is in the way of a file or a link; a folder is not removed, it then is an error of who makes the file.
fn clear(folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

/// The names of a path inside the tree. `.` and empty ones do not count; `..` and absolute paths are refused.
fn names(path: &[u8]) -> Result<Vec<&OsStr>, GuestError> {
    let refuse = || {
        let shown = crate::context::clean_line(path);
        GuestError::Refused(format!("the guest's archive names `{shown}`, which is outside of what was asked for"))
    };
    if path.starts_with(b"/") || path.contains(&0) {
        return Err(refuse());
    }
    let mut names = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err(refuse()),
            name => names.push(OsStr::from_bytes(name)),
        }
    }
    Ok(names)
}

/// Whether a link that is `depth` folders deep leads to a place in the tree. Purely by name, as links in it do the same.
fn stays_inside(depth: usize, target: &[u8]) -> bool {
    if target.is_empty() || target.starts_with(b"/") {
        return false;
    }
    let mut depth = depth;
    let mut went_down = false;
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            // Back out of a folder that may itself be a link leads anywhere.
            b".." if went_down || depth == 0 => return false,
            b".." => depth -= 1,
            _ => went_down = true,
        }
    }
    true
}

/// Writes the current member's contents, with holes for zeros, and its mode and time.
fn write_file<R: Read>(
    archive: &mut Archive<R>,
    member: &Member,
    file: &File,
    path: &Path,
    on_bytes: &dyn Fn(u64),
) -> Result<(), GuestError> {
    let mut buffer = vec![0; HOLE];
    let mut done = 0;
    for (start, length) in &member.segments {
        let (mut place, end) = (*start, start + length);
        while place < end {
            let most = usize::try_from(end - place).unwrap_or(HOLE).min(HOLE);
            // Whole pieces, or a slow stream would hide the holes.
            let mut filled = 0;
            while filled < most {
                match archive.read(&mut buffer[filled..most]).map_err(stream)? {
                    0 => return Err(stream(io::ErrorKind::UnexpectedEof.into())),
                    read => filled += read,
                }
            }
            let piece = &buffer[..filled];
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, place).map_err(local("write", path))?;
            }
            place += filled as u64;
            on_bytes(place - done);
            done = place;
        }
    }
    on_bytes(member.size.saturating_sub(done));
    let time = Timespec { tv_sec: i64::try_from(member.mtime).unwrap_or(0), tv_nsec: 0 };
    file.set_len(member.size)
        .and_then(|()| (&*file).flush())
        .and_then(|()| Ok(rustix::fs::fchmod(file, mode(member.mode))?))
        .and_then(|()| Ok(rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?))
        .map_err(local("write", path))
}

/// Permission bits alone.
fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits & 0o777)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn stream(error: io::Error) -> GuestError {
    GuestError::Refused(error.to_string())
}
