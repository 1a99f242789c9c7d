//! Where machines come from: one folder a platform, one interface.
//!
//! [`Machine`] is what a launched platform offers, whatever it is. A platform's own sequence is straight async code with
//! journal lines; there is no abstraction over clouds. May know of `guest`, `journal` and `image`; never of reports.
//! A platform creates nothing that is not in the journal first.

use std::sync::Arc;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};

use crate::context::JobCtx;
use crate::event::{Failure, Kept};
use crate::guest::Guest;
use crate::image::seal::SealPlan;

pub mod host;
mod launch;
#[cfg(feature = "qemu")]
pub mod qemu;

pub use launch::{Copy, Prepared, prepare, prepare_copy};

/// A machine that was launched for a build.
#[async_trait]
pub trait Machine: Send {
    /// Waits until the machine answers, and connects. Says from the console why it does not, if it does not.
    ///
    /// # Errors
    /// The machine died, is stuck, or was not reachable in time.
    async fn connect(&mut self, ctx: &JobCtx) -> anyhow::Result<Arc<dyn Guest>>;

    /// Which machine ran, for the manifest.
    fn facts(&self) -> Facts;

    /// Seconds from power-on to the login over SSH; none before it.
    fn login_seconds(&self) -> Option<f64>;

    /// What seal must remove of the way in that this machine was given, and of the build's other traces.
    fn seal_plan(&self) -> SealPlan;

    /// How a person logs in with a program of theirs, once the machine was reached.
    fn login(&self) -> Option<Login>;

    /// Waits until the machine is off or can't go on. Says why, unless the guest switched itself off.
    async fn ended(&self) -> Option<Failure>;

    /// Shuts the machine down cleanly and waits until it is off.
    ///
    /// # Errors
    /// It does not go down in time, or died on the way.
    async fn shutdown(&mut self, ctx: &JobCtx) -> anyhow::Result<()>;

    /// The disk of a machine that was shut down, as a raw file in the job's work folder.
    ///
    /// # Errors
    /// The disk can't be read or written.
    async fn capture(&mut self, ctx: &JobCtx) -> anyhow::Result<Disk>;

    /// What helps to understand a failure: files kept in the job's folder (a screenshot, the console), last console lines,
    /// and the machine's own reason when it died. Never fails.
    async fn evidence(&mut self, ctx: &JobCtx) -> Evidence;

    /// Ends the machine at once and removes what it used. Idempotent.
    async fn destroy(&mut self, ctx: &JobCtx);
}

/// Removes a folder that a platform's work left behind: the one thing that the journal asks of platforms.
///
/// # Errors
/// The file system refuses.
pub fn remove_folder(path: &Utf8Path) -> std::io::Result<()> {
    crate::image::bootstrap::remove_tree(path)
}

/// How to log in on a machine.
#[derive(Clone)]
pub struct Login {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The private key as OpenSSH keeps it in a file. A secret.
    pub key: String,
    /// The public key line that the machine shows.
    pub host_key: String,
}

/// A captured disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// A raw, sparse file.
    pub path: Utf8PathBuf,
    /// Bytes.
    pub virtual_size: u64,
}

/// Which machine ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `kvm` or `tcg`.
    pub accelerator: Option<String>,
    pub accelerator_reason: Option<String>,
    /// Digest of what the machine started from, `sha256:…`; none for a bootstrapped one.
    pub source_digest: Option<String>,
    /// What it is, for people: `debian bookworm`, a file name, a URL.
    pub source: String,
    /// Version of the hypervisor.
    pub hypervisor: Option<String>,
}

/// What helps to understand a failure.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The diagnosis, when the machine itself tells one: a panic, an emergency shell, QEMU's own error.
    pub diagnosis: Option<Failure>,
    /// Files kept in the job's folder.
    pub files: Vec<Kept>,
}
