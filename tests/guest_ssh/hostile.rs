use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use ovenbird::guest::ssh;
use ovenbird::guest::{Command, Exit, Get, Guest, GuestError, Transfer};
use tar::{EntryType, Header};
use tokio_util::sync::CancellationToken;

use super::liar::{Act, Play, serve};

async fn connect(play: Play) -> ssh::Ssh {
    ssh::connect(serve(play).await, Duration::from_secs(30), &CancellationToken::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_closes_without_a_status_is_no_success() {
    let guest = connect(Arc::new(|_, _| vec![Act::Print(b"fine".to_vec()), Act::Close])).await;
    let captured = guest.capture(&Command::new("true"), &CancellationToken::new()).await.unwrap();
    assert_eq!(captured.exit, Exit::Missing);
    assert!(!captured.exit.is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_fills_no_memory_and_ends_when_cancelled() {
    let play: Play = Arc::new(|script, _| {
        if script.contains("set --") {
            vec![Act::Exit(0), Act::Close]
        } else {
            vec![Act::PrintForever(vec![b'x'; 32768])]
        }
    });
    let guest = connect(play).await;
    let cancel = CancellationToken::new();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        cancel.cancel();
        Instant::now()
    };
    let command = Command::new("yes");
    let (result, since) = tokio::join!(guest.capture(&command, &cancel), stop);
    assert!(matches!(result, Err(GuestError::Cancelled)));
    assert!(since.elapsed() < Duration::from_secs(7), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_cannot_become_root_is_an_error_when_connecting() {
    let play: Play = Arc::new(|_, _| vec![Act::Exit(1), Act::Close]);
    let mut config = serve(play).await;
    config.user = "admin".to_owned();
    let error = ssh::connect(config, Duration::from_secs(30), &CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.to_string(), "`admin` can't become root by `sudo -n`: exit status 1");
}

fn boot_ids(honest: bool) -> Play {
    let asked = Arc::new(AtomicUsize::new(0));
    Arc::new(move |script, connection| {
        if script.contains("boot_id") {
            asked.fetch_add(1, Ordering::SeqCst);
            let id = if honest { connection } else { 0 };
            vec![Act::Print(format!("boot-{id}\n").into_bytes()), Act::Exit(0), Act::Close]
        } else if script.contains("reboot") {
            vec![Act::Disconnect]
        } else {
            vec![Act::Hang]
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_is_proven_by_another_boot_id() {
    let guest = connect(boot_ids(true)).await;
    guest.reboot(Duration::from_secs(30), &CancellationToken::new()).await.unwrap();
    let captured = guest.capture(&Command::new("cat boot_id"), &CancellationToken::new()).await.unwrap();
    assert_ne!(captured.stdout, b"boot-0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_comes_back_with_the_same_boot_id_has_not_rebooted() {
    let guest = connect(boot_ids(false)).await;
    let error = guest.reboot(Duration::from_secs(6), &CancellationToken::new()).await.err().unwrap();
    assert!(error.to_string().contains("with the same boot id: it has not rebooted"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_refuses_to_reboot_is_quoted() {
    let play: Play = Arc::new(|script, _| {
        let acts = if script.contains("boot_id") {
            vec![Act::Print(b"boot\n".to_vec()), Act::Exit(0)]
        } else {
            vec![Act::Exit(9)]
        };
        [acts, vec![Act::Close]].concat()
    });
    let error = connect(play).await.reboot(Duration::from_secs(6), &CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.to_string(), "the guest refused to reboot: exit status 9");
}

fn member(kind: EntryType, name: &str, target: &str, contents: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o6755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(contents.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(contents);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Fetches what a guest sends as `members`, into a fresh folder with a neighbour that must stay as it is.
async fn fetch(members: Vec<Vec<u8>>) -> (tempfile::TempDir, Result<Transfer, GuestError>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("neighbour")).unwrap();
    let stream = [members.concat(), vec![0; 1024]].concat();
    let play: Play = Arc::new(move |_, _| vec![Act::Print(stream.clone()), Act::Exit(0), Act::Close]);
    let to = Utf8PathBuf::from_path_buf(folder.path().join("to")).unwrap();
    let guest = connect(play).await;
    let get = Get { from: "/x".to_owned(), to };
    let result = guest.get(&get, &|_, _| {}, &CancellationToken::new()).await;
    assert_eq!(std::fs::read_dir(folder.path().join("neighbour")).unwrap().count(), 0, "something was written outside");
    (folder, result)
}

fn root() -> Vec<u8> {
    member(EntryType::Directory, "./", "", b"")
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_out_of_the_tree_are_refused() {
    for name in ["../neighbour/x", "/tmp/ovenbird-escape", "a/../../neighbour/x"] {
        let (_folder, result) = fetch(vec![root(), member(EntryType::Regular, name, "", b"bad")]).await;
        let error = result.err().unwrap().to_string();
        assert!(error.contains("which is outside of what was asked for"), "{error}");
        assert!(!std::path::Path::new("/tmp/ovenbird-escape").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_never_written_through_a_link() {
    // A link that stays inside by name, into which the guest then writes.
    let members = vec![
        root(),
        member(EntryType::Directory, "real/", "", b""),
        member(EntryType::Symlink, "link", "real", b""),
        member(EntryType::Regular, "link/x", "", b"bad"),
    ];
    let (folder, result) = fetch(members).await;
    assert!(matches!(result, Err(GuestError::Local { .. })), "{result:?}");
    assert_eq!(std::fs::read_dir(folder.path().join("to/real")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_out_of_the_tree_and_devices_are_left_out_and_counted() {
    let members = vec![
        root(),
        member(EntryType::Symlink, "absolute", "/etc/passwd", b""),
        member(EntryType::Symlink, "up", "../neighbour", b""),
        member(EntryType::Directory, "d/", "", b""),
        member(EntryType::Symlink, "d/fine", "../file", b""),
        member(EntryType::Symlink, "d/around", "x/../../../neighbour", b""),
        member(EntryType::Char, "device", "", b""),
        member(EntryType::Regular, "file", "", b"good"),
    ];
    let (folder, result) = fetch(members).await;
    assert_eq!(result.unwrap(), Transfer { files: 2, bytes: 4, skipped: 4 });
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path().join("to")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["d", "file"]);
    assert_eq!(std::fs::read(folder.path().join("to/d/fine")).unwrap(), b"good");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(folder.path().join("to/file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "set-id bits are dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_link_out_of_the_tree_is_refused() {
    for target in ["../neighbour", "/etc/passwd"] {
        let (_folder, result) = fetch(vec![root(), member(EntryType::Link, "x", target, b"")]).await;
        assert!(result.err().unwrap().to_string().contains("outside of what was asked for"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_absurd_size_is_refused_before_it_is_read() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    let (_folder, result) = fetch(vec![root(), header.as_bytes().to_vec()]).await;
    assert!(result.err().unwrap().to_string().contains("it is too long"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_comes_under_our_name_and_alone() {
    let (folder, result) = fetch(vec![member(EntryType::Regular, "../../etc/shadow", "", b"text")]).await;
    assert_eq!(result.unwrap(), Transfer { files: 1, bytes: 4, skipped: 0 });
    assert_eq!(std::fs::read(folder.path().join("to")).unwrap(), b"text");
    let two = vec![member(EntryType::Regular, "a", "", b"text"), member(EntryType::Regular, "b", "", b"text")];
    let (_folder, result) = fetch(two).await;
    assert!(result.err().unwrap().to_string().contains("more than the one file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_too_early_is_an_error() {
    let mut cut = member(EntryType::Regular, "file", "", &[b'x'; 4000]);
    cut.truncate(2000);
    let play: Play = Arc::new(move |_, _| vec![Act::Print([root(), cut.clone()].concat()), Act::Exit(0), Act::Close]);
    let folder = tempfile::tempdir().unwrap();
    let to = Utf8PathBuf::from_path_buf(folder.path().join("to")).unwrap();
    let get = Get { from: "/x".to_owned(), to };
    let error = connect(play).await.get(&get, &|_, _| {}, &CancellationToken::new()).await.err().unwrap();
    assert!(error.to_string().contains("ends too early"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_file_ends_when_cancelled() {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..4].copy_from_slice(b"file");
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(1 << 50);
    header.set_cksum();
    let header = header.as_bytes().to_vec();
    let play: Play = Arc::new(move |script, _| {
        if script.contains("tar") {
            vec![Act::Print(header.clone()), Act::PrintForever(vec![0; 32768])]
        } else {
            vec![Act::Exit(0), Act::Close]
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let get = Get { from: "/x".to_owned(), to: Utf8PathBuf::from_path_buf(folder.path().join("to")).unwrap() };
    let guest = connect(play).await;
    let cancel = CancellationToken::new();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
        Instant::now()
    };
    let (result, since) = tokio::join!(guest.get(&get, &|_, _| {}, &cancel), stop);
    assert!(matches!(result, Err(GuestError::Cancelled)), "{result:?}");
    assert!(since.elapsed() < Duration::from_secs(7));
}
