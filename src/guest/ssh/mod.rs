//! A guest over SSH (russh).
//!
//! ```text
//! config   who, where, which keys                    connect  probes until one logs in: not up yet / wrong host / refused
//! session  the trait's functions; the connection     channel  one command: its channel as a `Process`
//! auth     with a key that the guest was given, or the user's own      known_hosts  which keys a host may show
//! reboot   until another boot id answers
//! ```
//!
//! What a command is to the shell, and how files travel, is the same for every guest: `script`, `shell` and `transfer`
//! next door. Knows nothing of platforms. russh changes often and is named nowhere else.
//!
//! **Flow control.** russh opens a channel's window again as soon as data arrives, so a reader that stands still is noticed
//! only when the channel's buffer (a few mebibytes) is full; then the connection waits for that reader, with every other
//! command on it. It does not break: keep-alive counts only while it reads. A cancelled command is read to its end
//! and discarded, so it never holds up the one that ends it.

mod auth;
mod channel;
mod config;
mod connect;
mod known_hosts;
mod reboot;
mod session;

pub use auth::{Auth, Identity, KEY_REFUSED, KeyError};
pub use config::{CipherOrder, HostKey, KeyPair, SshConfig};
pub use connect::connect;
pub use known_hosts::{KnownKeys, known_as, known_keys};
pub use session::Ssh;
