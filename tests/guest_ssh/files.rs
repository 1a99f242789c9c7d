use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::guest::{Get, Guest, GuestError, Put};
use tokio_util::sync::CancellationToken;

use super::server::Server;

fn put(from: &Utf8Path, to: &Utf8Path) -> Put {
    Put { from: from.to_owned(), contents: false, to: to.to_string(), owner: None, mode: None }
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

async fn send(guest: &dyn Guest, put: &Put) -> Result<ovenbird::guest::Transfer, GuestError> {
    guest.put(put, &|_, _| {}, &CancellationToken::new()).await
}

async fn fetch(guest: &dyn Guest, from: &Utf8Path, to: &Utf8Path) -> Result<ovenbird::guest::Transfer, GuestError> {
    guest.get(&Get { from: from.to_string(), to: to.to_owned() }, &|_, _| {}, &CancellationToken::new()).await
}

/// Everything in a tree: name, mode, and contents or target.
fn listing(root: &Path) -> Vec<(Vec<u8>, u32, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let contents = if metadata.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            b"folder".to_vec()
        } else if metadata.is_symlink() {
            std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            std::fs::read(&path).unwrap()
        };
        let mode = if metadata.is_symlink() { 0 } else { metadata.mode() & 0o7777 };
        all.push((path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec(), mode, contents));
    }
    all.sort();
    all
}

fn awkward_tree(root: &Utf8Path) {
    std::fs::create_dir_all(root.join("sub/empty folder")).unwrap();
    let names: [&[u8]; 9] = [
        b"plain",
        b"two words",
        b"-rf",
        b"new\nline",
        "gr\u{fc}\u{df}e \u{1f35e}".as_bytes(),
        b"back\\slash\\n",
        b"quote'\"$HOME`x`",
        b".hidden",
        b"tab\tand\x01control",
    ];
    for name in names {
        std::fs::write(root.as_std_path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    // Not UTF-8 at all.
    std::fs::write(root.as_std_path().join(OsStr::from_bytes(b"latin1-\xe9")), b"x").unwrap();
    std::fs::create_dir(root.as_std_path().join("folder\nwith line")).unwrap();
    std::fs::create_dir(root.as_std_path().join("folder\nwith line/back\\slash")).unwrap();
    let long = root.join("sub").join("l".repeat(120)).join("m".repeat(200));
    std::fs::create_dir_all(&long).unwrap();
    std::fs::write(long.join("n".repeat(250)), "deep").unwrap();
    symlink("t".repeat(300), root.join("long link")).unwrap();
    symlink("plain", root.join("link")).unwrap();
    symlink("missing", root.join("sub/dangling")).unwrap();
    std::fs::write(root.join("empty"), "").unwrap();
    for (name, mode) in [("plain", 0o600), ("two words", 0o755), ("empty", 0o444), ("sub/empty folder", 0o700)] {
        chmod(root.join(name), mode);
    }
    chmod(root, 0o751);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_arrives_as_it_was_and_comes_back_as_it_was() {
    for server in [Server::debian(), Server::busybox()] {
        let guest = server.connect().await;
        let (tree, there, back) = (server.path("tree"), server.path("a/b/there"), server.path("back"));
        awkward_tree(&tree);
        let sent = send(&guest, &put(&tree, &there)).await.unwrap();
        assert_eq!(sent.files, 15);
        pretty(&listing(there.as_std_path()), &listing(tree.as_std_path()));
        let got = fetch(&guest, &there, &back).await.unwrap();
        assert_eq!((got.files, got.bytes, got.skipped), (sent.files, sent.bytes, 0));
        pretty(&listing(back.as_std_path()), &listing(tree.as_std_path()));
        // And once more over what is there.
        assert_eq!(send(&guest, &put(&tree, &there)).await.unwrap(), sent);
        assert_eq!(fetch(&guest, &there, &back).await.unwrap(), got);
        pretty(&listing(back.as_std_path()), &listing(tree.as_std_path()));
    }
}

#[track_caller]
fn pretty(got: &[(Vec<u8>, u32, Vec<u8>)], expected: &[(Vec<u8>, u32, Vec<u8>)]) {
    let text = |all: &[(Vec<u8>, u32, Vec<u8>)]| -> Vec<String> {
        let line = |(name, mode, contents): &(Vec<u8>, u32, Vec<u8>)| {
            format!("{} {mode:o} {}", name.escape_ascii(), contents.escape_ascii())
        };
        all.iter().map(line).collect()
    };
    assert_eq!(text(got), text(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_go_into_a_folder_that_keeps_its_mode_and_its_links() {
    for server in [Server::debian(), Server::busybox()] {
        let guest = server.connect().await;
        let (tree, target) = (server.path("tree"), server.path("target"));
        std::fs::create_dir_all(tree.join("lib/new")).unwrap();
        std::fs::create_dir_all(tree.join("etc")).unwrap();
        std::fs::write(tree.join("lib/file"), "x").unwrap();
        std::fs::write(tree.join("etc/conf"), "y").unwrap();
        chmod(tree.join("etc"), 0o777);
        // As on a system with merged /usr.
        std::fs::create_dir_all(target.join("usr/lib")).unwrap();
        std::fs::create_dir_all(target.join("etc")).unwrap();
        symlink("usr/lib", target.join("lib")).unwrap();
        chmod(&target, 0o711);
        chmod(target.join("etc"), 0o750);
        let put =
            Put { contents: true, owner: Some("daemon:sys".to_owned()), mode: Some(0o640), ..put(&tree, &target) };
        send(&guest, &put).await.unwrap();
        assert!(std::fs::symlink_metadata(target.join("lib")).unwrap().is_symlink());
        let file = std::fs::metadata(target.join("usr/lib/file")).unwrap();
        assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o640, 1, 3));
        let new = std::fs::metadata(target.join("usr/lib/new")).unwrap();
        assert_eq!((new.uid(), new.gid()), (1, 3));
        let etc = std::fs::metadata(target.join("etc")).unwrap();
        assert_eq!((etc.mode() & 0o7777, etc.uid()), (0o750, 0));
        assert_eq!(std::fs::metadata(&target).unwrap().mode() & 0o7777, 0o711);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_replaces_another_whole_and_belongs_to_root() {
    for server in [Server::debian(), Server::busybox()] {
        let guest = server.connect().await;
        let (file, target) = (server.path("-file"), server.path("new folder/it's"));
        std::fs::write(&file, "new").unwrap();
        chmod(&file, 0o754);
        std::os::unix::fs::chown(&file, Some(12345), Some(12345)).unwrap();
        send(&guest, &put(&file, &target)).await.unwrap();
        let before = std::fs::metadata(&target).unwrap();
        assert_eq!((before.mode() & 0o7777, before.uid(), before.gid()), (0o754, 0, 0));
        std::fs::write(&file, "newer").unwrap();
        let mut held = std::fs::File::open(&target).unwrap();
        send(&guest, &put(&file, &target)).await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"newer");
        assert_eq!(std::io::read_to_string(&mut held).unwrap(), "new", "replaced, not written over");
        assert_eq!(std::fs::read_dir(target.parent().unwrap()).unwrap().count(), 1, "nothing temporary is left");
        // A link is replaced, even one to a folder.
        std::fs::remove_file(&target).unwrap();
        symlink(server.folder.path(), &target).unwrap();
        send(&guest, &put(&file, &target)).await.unwrap();
        assert!(std::fs::symlink_metadata(&target).unwrap().is_file());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_copied_is_refused_with_its_name() {
    let server = Server::debian();
    let guest = server.connect().await;
    let (tree, file) = (server.path("tree"), server.path("file"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(&file, "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.join("talk")).unwrap();
    let text = |error: GuestError| error.to_string().replace(server.folder.path().to_str().unwrap(), "[TMP]");
    let errors = [
        text(send(&guest, &put(&tree, &server.path("x"))).await.unwrap_err()),
        text(send(&guest, &put(&server.path("nothing"), &server.path("x"))).await.unwrap_err()),
        text(send(&guest, &put(&file, &server.path(""))).await.unwrap_err()),
        text(send(&guest, &put(&file, Utf8Path::new("relative"))).await.unwrap_err()),
        text(send(&guest, &Put { contents: true, ..put(&file, &server.path("x")) }).await.unwrap_err()),
        text(
            send(&guest, &Put { owner: Some("nobody-at-all".to_owned()), ..put(&file, &server.path("x")) })
                .await
                .unwrap_err(),
        ),
        text(send(&guest, &put(&file, &server.path("file/below"))).await.unwrap_err()),
        text(fetch(&guest, &server.path("missing"), &server.path("y")).await.unwrap_err()),
        text(fetch(&guest, &file, &server.path("tree")).await.unwrap_err()),
    ];
    insta::assert_snapshot!(errors.join("\n"), @"
    failed to copy `[TMP]/tree/talk`: it is a socket; only files, folders and symbolic links can be copied
    failed to read `[TMP]/nothing`: No such file or directory (os error 2)
    failed to write `[TMP]/` in the guest: it is a folder; give the path that the file gets
    `relative` is no absolute path
    failed to copy `[TMP]/file`: it is no folder
    failed to write `[TMP]/x` in the guest: chown: invalid user: 'nobody-at-all'
    failed to write `[TMP]/file/below` in the guest: mkdir: cannot create directory '[TMP]/file': File exists
    `[TMP]/missing` does not exist in the guest
    failed to create `[TMP]/tree`: Is a directory (os error 21)
    ");
    assert!(!server.path("x").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_stay_holes_and_sizes_beyond_eight_gibibytes_pass() {
    let server = Server::debian();
    let guest = server.connect().await;
    let (file, there, back) = (server.path("disk"), server.path("there"), server.path("back"));
    let disk = std::fs::File::create(&file).unwrap();
    let size = 9 * 1024 * 1024 * 1024 + 12345;
    disk.set_len(size).unwrap();
    for number in 0..40u64 {
        disk.write_all_at(format!("data {number}").as_bytes(), number * 200_000_000 + 7).unwrap();
    }
    let last = AtomicU64::new(0);
    let count = |done: u64, total: Option<u64>| {
        assert_eq!(total, Some(size));
        last.store(done, Ordering::Relaxed);
    };
    guest.put(&put(&file, &there), &count, &CancellationToken::new()).await.unwrap();
    assert_eq!(last.load(Ordering::Relaxed), size);
    fetch(&guest, &there, &back).await.unwrap();
    for copy in [&there, &back] {
        let metadata = std::fs::metadata(copy).unwrap();
        assert_eq!(metadata.len(), size);
        assert!(metadata.blocks() * 512 < 4_000_000, "{} bytes on disk", metadata.blocks() * 512);
        let disk = std::fs::File::open(copy).unwrap();
        for number in 0..40u64 {
            let expected = format!("data {number}");
            let mut buffer = vec![0; expected.len()];
            disk.read_exact_at(&mut buffer, number * 200_000_000 + 7).unwrap();
            assert_eq!(buffer, expected.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_sent_as_zeros_to_busybox_and_become_holes_again_here() {
    let server = Server::busybox();
    let guest = server.connect().await;
    let (file, there, back) = (server.path("disk"), server.path("there"), server.path("back"));
    let disk = std::fs::File::create(&file).unwrap();
    disk.set_len(20_000_000).unwrap();
    disk.write_all_at(b"in the middle", 10_000_000).unwrap();
    send(&guest, &put(&file, &there)).await.unwrap();
    assert!(std::fs::read(&there).unwrap() == std::fs::read(&file).unwrap());
    fetch(&guest, &there, &back).await.unwrap();
    assert!(std::fs::read(&back).unwrap() == std::fs::read(&file).unwrap());
    assert!(std::fs::metadata(&back).unwrap().blocks() * 512 < 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_copy_leaves_the_old_file_and_nothing_temporary() {
    let server = Server::debian();
    let guest = server.connect().await;
    let (file, target) = (server.path("big"), server.path("to/file"));
    std::fs::create_dir(target.parent().unwrap()).unwrap();
    std::fs::write(&target, "old").unwrap();
    let big = std::fs::File::create(&file).unwrap();
    for block in 0..400 {
        big.write_all_at(&vec![7; 1 << 20], block << 20).unwrap();
    }
    let cancel = CancellationToken::new();
    let progress = |done: u64, _: Option<u64>| {
        if done > 20_000_000 {
            cancel.cancel();
        }
    };
    let result = guest.put(&put(&file, &target), &progress, &cancel).await;
    assert!(matches!(result, Err(GuestError::Cancelled)), "{result:?}");
    assert_eq!(std::fs::read(&target).unwrap(), b"old");
    let left = || std::fs::read_dir(target.parent().unwrap()).unwrap().count();
    let gone = async {
        while left() > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the temporary folder goes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_what_is_asked_for_is_followed_and_a_file_may_have_any_name() {
    let server = Server::debian();
    let guest = server.connect().await;
    let (real, link) = (server.path("-real\nname"), server.path("link"));
    std::fs::write(&real, "text").unwrap();
    symlink(&real, &link).unwrap();
    for (from, to) in [(&link, "one"), (&real, "deep/er/two")] {
        let to: Utf8PathBuf = server.path(to);
        assert_eq!(fetch(&guest, from, &to).await.unwrap().bytes, 4);
        assert_eq!(std::fs::read(&to).unwrap(), b"text");
    }
}
