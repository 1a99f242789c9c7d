//! From an address to a logged-in connection.
//!
//! QEMU's user network accepts at once and holds a connection until the guest answers, so a connection proves nothing and
//! may hang; and many at a time starve a slow guest's sshd. Hence a few probes, one after another, of which the first that
//! has logged in wins. A probe without a greeting is dropped after a time that grows, for a guest that is very slow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::auth;
use super::config::{HostKey, SshConfig, client_config};
use super::session::Ssh;
use crate::guest::GuestError;

const PROBES: usize = 3;
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// How long a probe first waits for the server's greeting, and at the most.
const GREETING: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(30));
/// How long key exchange and authentication may take: an emulated guest needs seconds.
const LOGIN: Duration = Duration::from_secs(60);

/// Connects and logs in; tries until `deadline` has passed.
///
/// # Errors
/// The guest shows another host key (at once), does not answer or refuses the key until the deadline, or `sudo` is not
/// allowed to a user who is not root.
pub async fn connect(config: SshConfig, deadline: Duration, cancel: &CancellationToken) -> Result<Ssh, GuestError> {
    let connection = log_in(&config, deadline, cancel).await?;
    let ssh = Ssh::new(config, connection);
    ssh.check_root(cancel).await?;
    Ok(ssh)
}

/// A logged-in connection.
pub(super) struct Connection {
    pub(super) handle: Handle<Verifier>,
    /// Why it is gone, once it is.
    pub(super) lost: watch::Receiver<Option<String>>,
}

impl Connection {
    /// Why the connection is gone; russh tells it a moment after the channels have closed.
    pub(super) async fn lost_reason(&self) -> String {
        let mut lost = self.lost.clone();
        let reason = timeout(Duration::from_secs(1), lost.wait_for(Option::is_some)).await;
        match reason {
            Ok(Ok(reason)) => reason.clone().unwrap_or_default(),
            _ => "it was closed".to_owned(),
        }
    }

    /// Waits until the connection is gone.
    pub(super) async fn gone(&self) {
        // An error means that russh's side was dropped: gone as well.
        let _ = self.lost.clone().wait_for(Option::is_some).await;
    }
}

/// Why a probe did not become the connection.
pub(super) enum Miss {
    /// Not up yet, or refused for now: try again.
    Later { reason: String, no_greeting: bool },
    /// Trying again can't help.
    Fatal(GuestError),
}

impl Miss {
    pub(super) fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), no_greeting: false }
    }
}

/// Probes until one is logged in.
pub(super) async fn log_in(
    config: &SshConfig,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<Connection, GuestError> {
    let expected: Arc<[PublicKey]> = config.host_key.keys()?.into();
    let client = Arc::new(client_config(config, &expected));
    let end = Instant::now() + deadline;
    let mut probes = JoinSet::new();
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut patience = GREETING.0;
    let mut last = "no answer".to_owned();
    loop {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(GuestError::Cancelled),
            Some(probed) = probes.join_next() => match probed {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(Miss::Fatal(error))) => return Err(error),
                Ok(Err(Miss::Later { reason, no_greeting })) => {
                    if no_greeting {
                        patience = (patience * 3 / 2).min(GREETING.1);
                    }
                    last = reason;
                }
                Err(error) => last = format!("a probe failed: {error}"),
            },
            () = tokio::time::sleep_until(end) => {
                let what = format!("let `{}` log in over SSH at {} (last: {last})", config.user, config.place());
                return Err(GuestError::Deadline { what, seconds: deadline.as_secs() });
            }
            _ = ticks.tick(), if probes.len() < PROBES => {
                let (config, client, expected) = (config.clone(), client.clone(), expected.clone());
                probes.spawn(async move { probe(&config, client, expected, patience).await });
            }
        }
    }
}

async fn probe(
    config: &SshConfig,
    client: Arc<client::Config>,
    expected: Arc<[PublicKey]>,
    patience: Duration,
) -> Result<Connection, Miss> {
    let silent = |what: &str| Miss::Later { reason: what.to_owned(), no_greeting: true };
    let greeting = async {
        let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
        stream.set_nodelay(true)?;
        let read = stream.peek(&mut [0]).await?;
        std::io::Result::Ok((stream, read))
    };
    let stream = match timeout(patience, greeting).await {
        Err(_) => return Err(silent("connected, but no SSH server answered")),
        Ok(Err(error)) => return Err(Miss::later(error.to_string())),
        Ok(Ok((_, 0))) => return Err(Miss::later("the connection was closed without a greeting")),
        Ok(Ok((stream, _))) => stream,
    };
    match timeout(LOGIN, login(config, client, expected, stream)).await {
        Ok(result) => result,
        Err(_) => Err(Miss::later("the login hung")),
    }
}

async fn login(
    config: &SshConfig,
    client: Arc<client::Config>,
    expected: Arc<[PublicKey]>,
    stream: TcpStream,
) -> Result<Connection, Miss> {
    let (lost_in, lost) = watch::channel(None);
    let refused = Arc::new(Mutex::new(None));
    let host_key = config.host_key.clone();
    let verifier = Verifier { host_key, expected: expected.clone(), refused: refused.clone(), lost: lost_in };
    let mut handle = match client::connect_stream(client, stream, verifier).await {
        Ok(handle) => handle,
        Err(russh::Error::NoCommonAlgo { kind: russh::AlgorithmKind::Key, theirs, .. }) => {
            let got = format!("one of {}", theirs.join(", "));
            return Err(Miss::Fatal(GuestError::HostKey { got, expected: names(&expected) }));
        }
        Err(error) => {
            return Err(match refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(got) => Miss::Fatal(GuestError::HostKey { got, expected: names(&expected) }),
                None => Miss::later(format!("the handshake failed: {error}")),
            });
        }
    };
    auth::authenticate(&mut handle, &config.user, &config.auth).await?;
    Ok(Connection { handle, lost })
}

/// Fingerprints, for an error.
fn names(keys: &[PublicKey]) -> String {
    keys.iter().map(name).collect::<Vec<_>>().join(" or ")
}

fn name(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(russh::keys::HashAlg::Sha256))
}

/// Checks the server's key, and remembers how the connection ended.
pub(super) struct Verifier {
    host_key: HostKey,
    expected: Arc<[PublicKey]>,
    refused: Arc<Mutex<Option<String>>>,
    lost: watch::Sender<Option<String>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let got = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                if self.host_key.accepts(&self.expected, key) {
                    return Ok(true);
                }
                name(key)
            }
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(got);
        Ok(false)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let reason = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                format!("the guest closed it: {}", crate::context::clean_line(info.message.as_bytes()))
            }
            DisconnectReason::Error(russh::Error::KeepaliveTimeout) => "the guest stopped answering".to_owned(),
            DisconnectReason::Error(russh::Error::Disconnect | russh::Error::HUP) => "the guest closed it".to_owned(),
            DisconnectReason::Error(russh::Error::IO(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "the guest closed it".to_owned()
            }
            DisconnectReason::Error(error) => error.to_string(),
        };
        self.lost.send_replace(Some(reason));
        Ok(())
    }
}
