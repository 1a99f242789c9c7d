//! How we prove to a server who we are: with a key that it was given for this, or with the user's own.

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::connect::{Miss, Verifier};
use crate::guest::GuestError;

/// What the error of a deadline says when the last thing that the guest did was to refuse the key.
pub const KEY_REFUSED: &str = "the guest refused the key";

/// An agent that asks a person, or a token that wants to be touched, may take its time; one that hangs has none.
const AGENT: Duration = Duration::from_secs(30);

/// A key's file is a few kilobytes.
const LARGEST_KEY: u64 = 1024 * 1024;

/// What is offered to the server.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A key that the guest is given while it boots: one that is refused may only not be there yet.
    Given(Arc<PrivateKey>),
    /// The user's own keys, in this order. If none is taken, waiting does not help.
    Own(Vec<Identity>),
}

/// Where keys of the user are.
#[derive(Clone, Debug)]
pub enum Identity {
    /// All keys of the agent that listens at this socket.
    Agent(Utf8PathBuf),
    /// The key of this file.
    File(Utf8PathBuf, Arc<PrivateKey>),
}

/// Why a file is no key that can be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("failed to read the key `{path}`: {error}")]
    Read { path: Utf8PathBuf, error: std::io::Error },
    #[error("the key `{0}` is encrypted")]
    Encrypted(Utf8PathBuf),
    #[error("`{path}` is no private key that can be used: {reason}")]
    Unusable { path: Utf8PathBuf, reason: String },
}

impl Identity {
    /// Reads a private key.
    ///
    /// # Errors
    /// The file can't be read, holds no private key, or one that is encrypted.
    pub fn read(path: &Utf8Path) -> Result<Self, KeyError> {
        use std::io::Read;
        let mut text = String::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST_KEY).read_to_string(&mut text));
        read.map_err(|error| KeyError::Read { path: path.to_owned(), error })?;
        let unusable = |reason: String| KeyError::Unusable { path: path.to_owned(), reason };
        match russh::keys::decode_secret_key(&text, None) {
            Ok(key) if key.is_encrypted() => Err(KeyError::Encrypted(path.to_owned())),
            Ok(key) => Ok(Self::File(path.to_owned(), Arc::new(key))),
            Err(russh::keys::Error::KeyIsEncrypted) => Err(KeyError::Encrypted(path.to_owned())),
            Err(_) if text.contains("ENCRYPTED") => Err(KeyError::Encrypted(path.to_owned())),
            Err(error) => Err(unusable(error.to_string())),
        }
    }
}

/// Logs in on a connection whose server is the right one.
pub(super) async fn authenticate(handle: &mut Handle<Verifier>, user: &str, auth: &Auth) -> Result<(), Miss> {
    match auth {
        Auth::Given(key) => match offer_key(handle, user, key).await? {
            true => Ok(()),
            false => Err(Miss::later(KEY_REFUSED)),
        },
        Auth::Own(identities) => offer_own(handle, user, identities).await,
    }
}

/// Offers one after the other until one is taken.
async fn offer_own(handle: &mut Handle<Verifier>, user: &str, identities: &[Identity]) -> Result<(), Miss> {
    let mut offered = Vec::new();
    for identity in identities {
        let is_taken = match identity {
            Identity::File(path, key) => {
                offered.push(format!("`{path}`"));
                offer_key(handle, user, key).await?
            }
            Identity::Agent(socket) => match offer_agent(handle, user, socket).await? {
                Ok(is_taken) => {
                    offered.push("the agent's keys".to_owned());
                    is_taken
                }
                Err(reason) => {
                    offered.push(format!("the agent at `{socket}`, {reason}"));
                    false
                }
            },
        };
        if is_taken {
            return Ok(());
        }
    }
    let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    Err(Miss::Fatal(GuestError::Refused(format!("no key of `{user}` was accepted (offered: {offered})"))))
}

async fn offer_key(handle: &mut Handle<Verifier>, user: &str, key: &Arc<PrivateKey>) -> Result<bool, Miss> {
    let hash = hash_for(handle, &key.algorithm()).await;
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
    taken(handle.authenticate_publickey(user, key).await)
}

/// Whether one of the agent's keys is taken; or why the agent is of no use, and other keys may be.
async fn offer_agent(
    handle: &mut Handle<Verifier>,
    user: &str,
    socket: &Utf8Path,
) -> Result<Result<bool, String>, Miss> {
    let (mut agent, keys) = match timeout(AGENT, keys_of(socket)).await {
        Ok(Ok(found)) => found,
        Ok(Err(reason)) => return Ok(Err(format!("which does not answer: {reason}"))),
        Err(_) => return Ok(Err("which hangs".to_owned())),
    };
    if keys.is_empty() {
        return Ok(Err("which holds no key".to_owned()));
    }
    for key in keys {
        let hash = hash_for(handle, &key.algorithm()).await;
        let offer = handle.authenticate_publickey_with(user, key, hash, &mut agent);
        match timeout(AGENT, offer).await {
            Ok(Ok(AuthResult::Success)) => return Ok(Ok(true)),
            Ok(Ok(AuthResult::Failure { .. })) => {}
            Ok(Err(error)) => return Err(Miss::later(format!("authentication failed: {error}"))),
            Err(_) => return Ok(Err("which did not sign in time".to_owned())),
        }
    }
    Ok(Ok(false))
}

async fn keys_of(socket: &Utf8Path) -> Result<(AgentClient<UnixStream>, Vec<PublicKey>), russh::keys::Error> {
    let mut agent = AgentClient::connect_uds(socket).await?;
    let identities = agent.request_identities().await?;
    let key = |identity| match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    };
    Ok((agent, identities.into_iter().filter_map(key).collect()))
}

/// RSA keys sign with what the server knows, never with SHA-1.
async fn hash_for(handle: &Handle<Verifier>, algorithm: &Algorithm) -> Option<HashAlg> {
    match algorithm {
        Algorithm::Rsa { .. } => handle.best_supported_rsa_hash().await.ok().flatten().flatten(),
        _ => None,
    }
}

fn taken(result: Result<AuthResult, russh::Error>) -> Result<bool, Miss> {
    match result {
        Ok(AuthResult::Success) => Ok(true),
        Ok(AuthResult::Failure { .. }) => Ok(false),
        Err(error) => Err(Miss::later(format!("authentication failed: {error}"))),
    }
}
