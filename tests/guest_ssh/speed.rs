//! Throughput beside OpenSSH's sftp, on the same link, in turns.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use ovenbird::guest::{Guest, Put};
use tokio_util::sync::CancellationToken;

use super::server::Server;

const SIZE: u64 = 256 * 1024 * 1024;

/// Runs that count: the best of each side, because whatever else the machine does only ever adds.
const ROUNDS: usize = 4;

/// Measured 1.1 to 1.6; a busy machine must not fail the test.
const LEAST: f64 = 0.7;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_to_a_guest_about_as_fast_as_by_sftp() {
    let server = Server::debian();
    let guest = server.connect().await;
    let (from, to) = (server.path("from"), server.path("to"));
    let random = std::fs::File::open("/dev/urandom").unwrap();
    std::io::copy(&mut std::io::Read::take(random, SIZE), &mut std::fs::File::create(&from).unwrap()).unwrap();
    let put = Put { from: from.clone(), contents: false, to: to.to_string(), owner: None, mode: None };
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        guest.put(&put, &|_, _| {}, &CancellationToken::new()).await.unwrap();
        ours = ours.min(begin.elapsed());
        std::fs::remove_file(&to).unwrap();
        let begin = Instant::now();
        sftp(&server, &from, &to);
        theirs = theirs.min(begin.elapsed());
        std::fs::remove_file(&to).unwrap();
    }
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    assert!(ratio >= LEAST, "put took {ours:?}, sftp {theirs:?}");
}

fn sftp(server: &Server, from: &Utf8Path, to: &Utf8Path) {
    let mut child = Command::new("sftp")
        .args(["-q", "-b", "-", "-c", "aes128-gcm@openssh.com", "-F", "none", "-i", server.path("user").as_str()])
        .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
        .args(["-P", &server.config.port.to_string(), "root@127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sftp is missing: `apt-get install openssh-client`");
    let mut commands = child.stdin.take().unwrap();
    writeln!(commands, "put {from} {to}").unwrap();
    drop(commands);
    assert!(child.wait().unwrap().success());
}
