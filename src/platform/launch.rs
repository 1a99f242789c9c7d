//! From a job to a started machine: the one `match` over the platforms.

use camino::Utf8PathBuf;

use super::Machine;
#[cfg(feature = "qemu")]
use super::qemu;
use crate::context::JobCtx;
use crate::plan::job::{Job, Platform};

/// A machine whose source is here and that can be started.
#[derive(Debug)]
pub enum Prepared {
    #[cfg(feature = "qemu")]
    Qemu(Box<qemu::Prepared>),
}

/// Brings what the job's machine starts from (phase `source`).
///
/// # Errors
/// The source can't be had, or this machine lacks what the platform needs.
pub async fn prepare(ctx: &JobCtx, job: &Job) -> anyhow::Result<Prepared> {
    match &job.platform {
        #[cfg(feature = "qemu")]
        Platform::Qemu(spec) => Ok(Prepared::Qemu(Box::new(qemu::prepare(ctx, spec).await?))),
        #[cfg(not(feature = "qemu"))]
        Platform::Qemu(_) => {
            let _ = ctx;
            anyhow::bail!("this ovenbird was built without the platform `qemu`")
        }
        Platform::Host(host) => anyhow::bail!("nothing can be built on `{}`, which is only tested", host.host),
    }
}

/// Makes a throw-away copy of an image that is there ready to be started, on a machine as the job's.
///
/// # Errors
/// As [`prepare`]; or the image is of an unknown format.
pub async fn prepare_copy(ctx: &JobCtx, job: &Job, copy: &Copy) -> anyhow::Result<Prepared> {
    match &job.platform {
        #[cfg(feature = "qemu")]
        Platform::Qemu(spec) => Ok(Prepared::Qemu(Box::new(qemu::prepare_copy(ctx, spec, copy).await?))),
        #[cfg(not(feature = "qemu"))]
        Platform::Qemu(_) => {
            let _ = (ctx, copy);
            anyhow::bail!("this ovenbird was built without the platform `qemu`")
        }
        Platform::Host(host) => anyhow::bail!("`{}` is a machine that runs already: it boots no image", host.host),
    }
}

/// A copy of an image, to be tested or looked at: the image's file is only read.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Absolute.
    pub image: Utf8PathBuf,
    /// Bytes by which its disk is larger than the image's.
    pub grow: u64,
}

impl Prepared {
    /// With ports of this machine's loopback that lead to ports of the guest, from and to.
    #[must_use]
    pub fn forwarding(self, forwards: Vec<(u16, u16)>) -> Self {
        match self {
            #[cfg(feature = "qemu")]
            Self::Qemu(prepared) => Self::Qemu(Box::new(prepared.forwarding(forwards))),
            #[cfg(not(feature = "qemu"))]
            _ => {
                let _ = forwards;
                self
            }
        }
    }

    /// Starts the machine (phase `boot`). It does not wait for the guest: [`Machine::connect`] does.
    ///
    /// # Errors
    /// The machine can't be started.
    #[cfg_attr(not(feature = "qemu"), expect(clippy::unused_async, reason = "there is no platform to wait for"))]
    pub async fn launch(self, ctx: &JobCtx) -> anyhow::Result<Box<dyn Machine>> {
        match self {
            #[cfg(feature = "qemu")]
            Self::Qemu(prepared) => Ok(Box::new(prepared.launch(ctx).await?)),
            #[cfg(not(feature = "qemu"))]
            _ => {
                let _ = ctx;
                anyhow::bail!("this ovenbird was built without any platform")
            }
        }
    }
}
