//! A machine that runs already, somewhere: it is reached as its owner reaches it, and never started nor ended.
//!
//! `ssh_config` is not read: what matters of it is in [`Host`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use camino::{Utf8Path, Utf8PathBuf};

use crate::context::{Cancelled, Explained, JobCtx};
use crate::event::Failure;
use crate::guest::ssh::{self, Auth, CipherOrder, HostKey, Identity, KeyError, SshConfig};
use crate::guest::{Guest, GuestError};
use crate::plan::job::Host;

/// Keys that OpenSSH's client looks for too.
const USUAL_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Logs in.
///
/// # Errors
/// The machine does not answer, shows a host key that is not known, or accepts none of the keys.
pub async fn connect(ctx: &JobCtx, host: &Host) -> anyhow::Result<Arc<dyn Guest>> {
    let config = SshConfig {
        host: host.host.clone(),
        port: host.port,
        user: host.user.clone(),
        host_key: host_key(host)?,
        auth: Auth::Own(identities(host, &Around::here())?),
        ciphers: CipherOrder::Native,
    };
    match ssh::connect(config, Duration::from_secs(host.timeout), &ctx.cancel).await {
        Ok(guest) => Ok(Arc::new(guest)),
        Err(GuestError::Cancelled) => bail!(Cancelled),
        Err(error) => bail!(Explained(explained(host, &error))),
    }
}

/// The keys that the files of known hosts have for it. One that nobody has looked at is never trusted.
fn host_key(host: &Host) -> anyhow::Result<HostKey> {
    let texts: Vec<String> = host.known_hosts.iter().filter_map(|path| text_of(path)).collect();
    let known = ssh::known_keys(&texts, &host.host, host.port);
    if !known.keys.is_empty() {
        return Ok(HostKey::OneOf(known.keys));
    }
    let (name, files) = (ssh::known_as(&host.host, host.port), listed(&host.known_hosts));
    if known.revoked > 0 {
        bail!(Explained(Failure {
            hint: Some(format!("give it a new key, and write that into {files}")),
            ..Failure::new(format!("every known host key of `{name}` is revoked"))
        }));
    }
    let file = host.known_hosts.first().map_or("~/.ssh/known_hosts", |path| path.as_str());
    bail!(Explained(Failure {
        hint: Some(format!(
            "add its key, and compare the key's fingerprint with the machine's own (`ssh-keygen -lf \
             /etc/ssh/ssh_host_ed25519_key.pub` there): `ssh-keyscan -p {} {} >> {file}`",
            host.port, host.host
        )),
        ..Failure::new(format!("the host key of `{name}` is not known: it is not in {files}"))
    }))
}

/// A file that is missing says nothing; lines that are no UTF-8 are passed over with the rest.
fn text_of(path: &Utf8Path) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn listed(files: &[Utf8PathBuf]) -> String {
    if files.is_empty() {
        return "any file".to_owned();
    }
    files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(" or ")
}

/// What the user has around.
struct Around {
    /// The agent's socket.
    agent: Option<Utf8PathBuf>,
    home: Option<Utf8PathBuf>,
}

impl Around {
    fn here() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Utf8PathBuf::from);
        Self { agent: variable("SSH_AUTH_SOCK"), home: variable("HOME") }
    }
}

/// The keys to offer: the one that was named, or the agent's and then those that lie where keys usually do.
fn identities(host: &Host, around: &Around) -> anyhow::Result<Vec<Identity>> {
    if let Some(path) = &host.identity {
        return Ok(vec![Identity::read(path).map_err(|error| unusable(&error))?]);
    }
    let mut identities: Vec<Identity> = around.agent.iter().cloned().map(Identity::Agent).collect();
    let mut encrypted = None;
    for name in USUAL_KEYS {
        let Some(path) = around.home.as_ref().map(|home| home.join(".ssh").join(name)) else { continue };
        match Identity::read(&path) {
            Ok(identity) => identities.push(identity),
            Err(error @ KeyError::Encrypted(_)) => encrypted = encrypted.or(Some(error)),
            // There is none, or it is of a kind that we don't know: others may do.
            Err(KeyError::Read { .. } | KeyError::Unusable { .. }) => {}
        }
    }
    match encrypted {
        Some(error) if identities.is_empty() => Err(unusable(&error)),
        _ if identities.is_empty() => bail!(Explained(Failure {
            hint: Some("start an agent (`eval $(ssh-agent); ssh-add`), or name a key with --identity".to_owned()),
            ..Failure::new(format!("there is no key to log in with at `{}`", host.host))
        })),
        _ => Ok(identities),
    }
}

fn unusable(error: &KeyError) -> anyhow::Error {
    let hint = match error {
        KeyError::Encrypted(path) => {
            Some(format!("give it to an agent, and name no --identity: `eval $(ssh-agent); ssh-add {path}`"))
        }
        KeyError::Unusable { .. } => Some("it takes the private half, as `ssh-keygen -t ed25519` writes it".to_owned()),
        KeyError::Read { .. } => None,
    };
    Explained(Failure { hint, ..Failure::new(error.to_string()) }).into()
}

fn explained(host: &Host, error: &GuestError) -> Failure {
    let name = ssh::known_as(&host.host, host.port);
    let hint = match error {
        GuestError::HostKey { .. } => Some(format!(
            "either the machine got a new key (then `ssh-keygen -R '{name}'`, and add the new one), or someone answers in \
             its place"
        )),
        GuestError::Refused(_) => {
            Some(format!("`ssh -p {} {}@{}` must work without a question", host.port, host.user, host.host))
        }
        _ => None,
    };
    Failure { hint, ..Failure::new(error.to_string()) }
}
