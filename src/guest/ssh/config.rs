//! Who logs in, where, and how both sides know each other.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use russh::{Preferred, cipher, client};

use super::auth::Auth;
use crate::guest::GuestError;

/// How to reach a guest.
#[derive(Clone, Debug)]
pub struct SshConfig {
    pub host: String,
    pub port: u16,
    /// Anyone but `root` must be allowed to `sudo -n`.
    pub user: String,
    pub auth: Auth,
    pub host_key: HostKey,
    pub ciphers: CipherOrder,
}

impl SshConfig {
    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Which host key the guest must show. There is no way to accept any at any time.
#[derive(Clone, Debug)]
pub enum HostKey {
    /// The public key line of the key that was put into the guest.
    Known(String),
    /// The public key lines that the guest announced over a trusted way, its console.
    OneOf(Vec<String>),
    /// The key that it shows first, which is then the only one: for a machine that makes its own keys, at an address where
    /// nobody else can answer, such as the port that our own QEMU forwards to its guest.
    First(Arc<OnceLock<PublicKey>>),
}

impl HostKey {
    /// None was shown yet.
    #[must_use]
    pub fn first() -> Self {
        Self::First(Arc::default())
    }

    /// The public key line of the one key that the guest has; none before it is known which.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Known(line) => Some(line.trim().to_owned()),
            Self::OneOf(lines) => lines.first().map(|line| line.trim().to_owned()),
            Self::First(first) => first.get()?.to_openssh().ok(),
        }
    }

    /// Whether a key that the guest shows is the expected one.
    pub(super) fn accepts(&self, expected: &[PublicKey], shown: &PublicKey) -> bool {
        let is_the_same = |expected: &PublicKey| expected.key_data() == shown.key_data();
        match self {
            Self::Known(_) | Self::OneOf(_) => expected.iter().any(is_the_same),
            Self::First(first) => is_the_same(first.get_or_init(|| shown.clone())),
        }
    }

    /// The keys, parsed.
    ///
    /// # Errors
    /// A line is no public key, or there is none.
    pub(super) fn keys(&self) -> Result<Vec<PublicKey>, GuestError> {
        let lines = match self {
            Self::Known(line) => std::slice::from_ref(line),
            Self::OneOf(lines) => lines.as_slice(),
            Self::First(first) => return Ok(first.get().cloned().into_iter().collect()),
        };
        if lines.is_empty() {
            return Err(GuestError::Connection("no host key is known to verify the guest by".to_owned()));
        }
        lines
            .iter()
            .map(|line| {
                PublicKey::from_openssh(line.trim()).map_err(|error| {
                    GuestError::Connection(format!("`{}` is no public host key: {error}", line.trim()))
                })
            })
            .collect()
    }
}

/// Which cipher is asked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherOrder {
    /// chacha20-poly1305: twice as fast as AES in a guest whose processor is emulated.
    Emulated,
    /// aes-gcm: the fastest where the processor has instructions for it.
    Native,
}

/// A fresh ed25519 key pair, for a user or a host.
#[derive(Clone)]
pub struct KeyPair {
    pub key: Arc<PrivateKey>,
    /// `ssh-ed25519 AAAA… ovenbird`.
    pub public_line: String,
}

impl KeyPair {
    /// Makes a key pair from the system's random numbers.
    ///
    /// # Errors
    /// The key can't be encoded, which does not happen to ed25519 keys.
    pub fn generate() -> Result<Self, GuestError> {
        let mut key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(key_error)?;
        key.set_comment("ovenbird");
        let public_line = key.public_key().to_openssh().map_err(key_error)?;
        Ok(Self { key: Arc::new(key), public_line })
    }

    /// The private key as OpenSSH keeps it in a file, to be put into a guest as its host key. A secret.
    ///
    /// # Errors
    /// As [`KeyPair::generate`].
    pub fn private_text(&self) -> Result<String, GuestError> {
        Ok(self.key.to_openssh(LineEnding::LF).map_err(key_error)?.to_string())
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeyPair").field(&self.public_line).finish()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn key_error(error: russh::keys::ssh_key::Error) -> GuestError {
    GuestError::Connection(format!("failed to make an SSH key: {error}"))
}

/// What russh is told.
pub(super) fn client_config(config: &SshConfig, host_keys: &[PublicKey]) -> client::Config {
    const AES: [cipher::Name; 2] = [cipher::AES_128_GCM, cipher::AES_256_GCM];
    const REST: [cipher::Name; 3] = [cipher::AES_256_CTR, cipher::AES_192_CTR, cipher::AES_128_CTR];
    let chacha = std::iter::once(cipher::CHACHA20_POLY1305);
    let ciphers: Vec<_> = match config.ciphers {
        CipherOrder::Emulated => chacha.chain(AES).chain(REST).collect(),
        CipherOrder::Native => AES.into_iter().chain(chacha).chain(REST).collect(),
    };
    client::Config {
        // Only the algorithms of the keys that we can verify, or the guest might show another of its keys.
        preferred: Preferred {
            cipher: Cow::Owned(ciphers),
            key: Cow::Owned(algorithms(host_keys)),
            ..Preferred::default()
        },
        // A busy emulated guest may be silent for half a minute and still be well.
        keepalive_interval: Some(Duration::from_secs(5)),
        keepalive_max: 6,
        // A quiet step is not a dead one.
        inactivity_timeout: None,
        nodelay: true,
        window_size: 8 * 1024 * 1024,
        maximum_packet_size: 64 * 1024 - 1,
        channel_buffer_size: 256,
        ..client::Config::default()
    }
}

fn algorithms(keys: &[PublicKey]) -> Vec<Algorithm> {
    if keys.is_empty() {
        // Whatever it has is its first.
        return Preferred::default().key.into_owned();
    }
    let mut algorithms = Vec::new();
    for key in keys {
        let of_key = match key.algorithm() {
            // One key, several ways to sign with it; SHA-1 is not one that we accept.
            Algorithm::Rsa { .. } => {
                vec![Algorithm::Rsa { hash: Some(HashAlg::Sha512) }, Algorithm::Rsa { hash: Some(HashAlg::Sha256) }]
            }
            other => vec![other],
        };
        algorithms.extend(of_key.into_iter().filter(|algorithm| !algorithms.contains(algorithm)).collect::<Vec<_>>());
    }
    algorithms
}
