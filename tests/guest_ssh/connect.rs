use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ovenbird::guest::ssh::{self, Auth, HostKey, KeyPair};
use ovenbird::guest::{Command, Guest, GuestError};
use tokio_util::sync::CancellationToken;

use super::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn another_host_key_than_the_known_one_is_fatal_at_once() {
    let server = Server::debian();
    let mut config = server.config.clone();
    config.host_key = HostKey::Known(KeyPair::generate().unwrap().public_line);
    let begin = Instant::now();
    let error = ssh::connect(config, Duration::from_secs(60), &CancellationToken::new()).await.err().unwrap();
    assert!(matches!(error, GuestError::HostKey { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_of_another_kind_than_the_known_one_is_fatal_at_once() {
    let server = Server::debian();
    let mut config = server.config.clone();
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7IXzDyPv7jzM0xGmiqJlQKLVQzD3cYEGSv2tSAzMZ0sHvZlSYPLoEhZ0rHZ4BdJmQxGmRfLQm1yZcHkpRJ8L3YV4bYV0yq1Q0V8y8m3Ck3m4Fq9nF1sO5xw3e5m7y0O0uXcZ9wFq0G2bN7uYy6pJrVq3o1z8Jc5a3y8h0z9w2VQ==";
    config.host_key = HostKey::OneOf(vec![rsa.to_owned()]);
    let error = ssh::connect(config, Duration::from_secs(60), &CancellationToken::new()).await.err().unwrap();
    assert!(matches!(&error, GuestError::HostKey { got, .. } if got.contains("ssh-ed25519")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_announced_host_keys_is_enough() {
    let server = Server::debian();
    let mut config = server.config.clone();
    let HostKey::Known(right) = config.host_key.clone() else { panic!() };
    config.host_key = HostKey::OneOf(vec![KeyPair::generate().unwrap().public_line, right]);
    ssh::connect(config, Duration::from_secs(60), &CancellationToken::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_tried_until_the_deadline_and_then_said_so() {
    let server = Server::debian();
    let mut config = server.config.clone();
    config.auth = Auth::Given(KeyPair::generate().unwrap().key);
    let error = ssh::connect(config, Duration::from_secs(4), &CancellationToken::new()).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, GuestError::Deadline { .. }), "{text}");
    assert!(text.contains("let `root` log in over SSH") && text.contains("the guest refused the key"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_installed_late_is_accepted_then() {
    let server = Server::debian();
    let late = KeyPair::generate().unwrap();
    let mut config = server.config.clone();
    config.auth = Auth::Given(late.key.clone());
    let authorized = server.path("authorized");
    let install = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        std::fs::write(authorized, &late.public_line).unwrap();
    };
    let cancel = CancellationToken::new();
    let (connected, ()) = tokio::join!(ssh::connect(config, Duration::from_secs(60), &cancel), install);
    let captured = connected.unwrap().capture(&Command::new("echo in"), &cancel).await.unwrap();
    assert_eq!(captured.stdout, b"in\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_accepts_and_says_nothing_is_probed_by_three_at_the_most() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mut config = Server::debian().config.clone();
    config.port = listener.local_addr().unwrap().port();
    let (now, highest) = (open.clone(), most.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The end of a connection given up for this one is seen first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let now = now.clone();
            tokio::spawn(async move {
                let mut stream = stream;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                now.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let error = ssh::connect(config, Duration::from_secs(7), &CancellationToken::new()).await.err().unwrap();
    assert!(error.to_string().contains("connected, but no SSH server answered"), "{error}");
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_can_be_cancelled() {
    let mut config = Server::debian().config.clone();
    config.port = 1;
    let cancel = CancellationToken::new();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    };
    let (connected, ()) = tokio::join!(ssh::connect(config, Duration::from_secs(60), &cancel), stop);
    assert!(matches!(connected.err().unwrap(), GuestError::Cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_an_error_that_says_so() {
    let server = Server::debian();
    let guest = server.connect().await;
    // The parent of the session's shell is the server process of this connection.
    let error =
        guest.capture(&Command::new("kill -KILL $PPID; sleep 60"), &CancellationToken::new()).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("was lost: the guest closed it"), "{text}");
    let error = guest.capture(&Command::new("true"), &CancellationToken::new()).await.err().unwrap();
    assert!(error.to_string().contains("was lost: the guest closed it"), "{error}");
}
