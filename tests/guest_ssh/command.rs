use std::time::{Duration, Instant};

use ovenbird::event::Stream;
use ovenbird::guest::{Chunk, Command, Exit, Guest, GuestError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_status_or_signal_is_reported_exactly() {
    for server in [Server::debian(), Server::busybox()] {
        let guest = server.connect().await;
        for code in [0, 1, 3, 126, 127, 255] {
            let captured =
                guest.capture(&Command::new(format!("exit {code}")), &CancellationToken::new()).await.unwrap();
            assert_eq!(captured.exit, Exit::Code(code));
        }
        for (script, name) in [("kill -KILL $$", "KILL"), ("kill -TERM $$", "TERM"), ("kill -SEGV $$", "SEGV")] {
            let captured = guest.capture(&Command::new(script), &CancellationToken::new()).await.unwrap();
            assert_eq!(captured.exit, Exit::Signal(name.to_owned()), "{script}");
        }
        let missing = guest.capture(&Command::new("no-such-command-at-all"), &CancellationToken::new()).await.unwrap();
        assert_eq!(missing.exit, Exit::Code(127));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reads_its_input_and_writes_two_streams() {
    let server = Server::debian();
    let guest = server.connect().await;
    let command =
        Command::new("cat; echo it\\'s \"an error\" >&2; printf '%s\\n' \"a\\nb\" '$HOME'").stdin("in\0put\n");
    let captured = guest.capture(&command, &CancellationToken::new()).await.unwrap();
    assert_eq!(captured.exit, Exit::Code(0));
    assert_eq!(captured.stderr, b"it's an error\n");
    // dash's printf leaves the argument of %s alone.
    assert_eq!(captured.stdout, b"in\0put\na\\nb\n$HOME\n");
    let empty = guest.capture(&Command::new("cat; echo done"), &CancellationToken::new()).await.unwrap();
    assert_eq!(empty.stdout, b"done\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_may_be_longer_than_an_argument_may_be() {
    let server = Server::debian();
    let guest = server.connect().await;
    let script = format!("x='{}'\necho ${{#x}}\nhere=$(cat <<'END'\ntext\nEND\n)\necho $here", "y".repeat(300_000));
    let captured = guest.capture(&Command::new(script).stdin("unread"), &CancellationToken::new()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&captured.stdout), "300000\ntext\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_input_and_output_pass_whole_and_in_order() {
    let server = Server::debian();
    let guest = server.connect().await;
    let input: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    let captured = guest.capture(&Command::new("cat").stdin(input.clone()), &CancellationToken::new()).await.unwrap();
    assert!(captured.stdout == input);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ignores_its_input_still_ends() {
    let server = Server::debian();
    let guest = server.connect().await;
    let command = Command::new("exit 4").stdin(vec![b'x'; 20_000_000]);
    let captured = guest.capture(&command, &CancellationToken::new()).await.unwrap();
    assert_eq!(captured.exit, Exit::Code(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_child_that_keeps_the_output_open_delays_the_end_only_shortly() {
    let server = Server::debian();
    let guest = server.connect().await;
    let begin = Instant::now();
    let command = Command::new("sleep 300 & echo started $!; exit 3");
    let captured = guest.capture(&command, &CancellationToken::new()).await.unwrap();
    assert_eq!(captured.exit, Exit::Code(3));
    assert!(begin.elapsed() < Duration::from_secs(10));
    let text = String::from_utf8(captured.stdout).unwrap();
    let pid = text.trim().strip_prefix("started ").unwrap();
    // A command that ended by itself may leave daemons behind.
    let kill = guest.capture(&Command::new(format!("kill {pid}")), &CancellationToken::new()).await.unwrap();
    assert_eq!(kill.exit, Exit::Code(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stands_still_does_not_keep_other_commands_from_ending() {
    let server = Server::debian();
    let guest = server.connect().await;
    let (sender, mut unread) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let noisy = async {
        let end = guest.exec(&Command::new("head -c 3000000 /dev/zero"), sender, &cancel).await.unwrap();
        assert_eq!(end, Exit::Code(0));
    };
    let other = async {
        let first = unread.recv().await.unwrap();
        assert_eq!(first.stream, Stream::Stdout);
        let mut bytes = first.bytes.len();
        let captured = guest.capture(&Command::new("echo hi"), &CancellationToken::new()).await.unwrap();
        assert_eq!(captured.stdout, b"hi\n");
        while let Some(chunk) = unread.recv().await {
            bytes += chunk.bytes.len();
        }
        assert_eq!(bytes, 3_000_000);
    };
    tokio::join!(noisy, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_command_and_all_of_its_descendants() {
    for server in [Server::debian(), Server::busybox()] {
        let guest = server.connect().await;
        let pids = server.path("pids");
        // A child, a grandchild in a session of its own, and one without any environment.
        let script = format!(
            "sleep 301 & echo $! >{pids}; (setsid sleep 302 & echo $! >>{pids}; wait) & \
             env -i /bin/sh -c 'sleep 303 & echo $! >>{pids}; wait' & sleep 1; echo ready; wait"
        );
        let cancel = CancellationToken::new();
        let (sender, mut output) = mpsc::channel::<Chunk>(8);
        let command = Command::new(script);
        let watch = async {
            while let Some(chunk) = output.recv().await {
                if chunk.bytes.ends_with(b"ready\n") {
                    cancel.cancel();
                    break;
                }
            }
            Instant::now()
        };
        let (result, since) = tokio::join!(guest.exec(&command, sender, &cancel), watch);
        assert!(matches!(result, Err(GuestError::Cancelled)), "{result:?}");
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        let pids = std::fs::read_to_string(pids).unwrap();
        assert_eq!(pids.lines().count(), 3);
        for pid in pids.lines() {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(stat.is_empty() || stat.contains(") Z "), "still there: {stat}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_command_that_ignores_the_request_and_floods_us() {
    let server = Server::debian();
    let guest = server.connect().await;
    let cancel = CancellationToken::new();
    let (sender, mut output) = mpsc::channel::<Chunk>(1);
    let flood = Command::new("trap '' TERM; echo $$; while :; do cat /dev/zero; done");
    let stop = async {
        let first = output.recv().await.unwrap();
        // Nobody reads on: by now the connection is full.
        tokio::time::sleep(Duration::from_secs(2)).await;
        cancel.cancel();
        (first.bytes, Instant::now())
    };
    let (result, (first, since)) = tokio::join!(guest.exec(&flood, sender, &cancel), stop);
    assert!(matches!(result, Err(GuestError::Cancelled)), "{result:?}");
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    let pid = String::from_utf8_lossy(&first).lines().next().unwrap().to_owned();
    let left = guest.capture(&Command::new(format!("kill -0 {pid}")), &CancellationToken::new()).await.unwrap();
    assert_eq!(left.exit, Exit::Code(1), "it is gone, and the connection still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_guest_of_these_tests_has_busybox_indeed() {
    let server = Server::busybox();
    let guest = server.connect().await;
    let captured =
        guest.capture(&Command::new("tar --version; readlink /proc/$$/exe"), &CancellationToken::new()).await;
    let text = String::from_utf8(captured.unwrap().stdout).unwrap();
    assert!(text.starts_with("tar (busybox)") && text.trim_end().ends_with("/busybox"), "{text}");
}
