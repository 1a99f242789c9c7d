//! A machine that runs already, somewhere: it is reached as its owner reaches it, and never started nor ended.

use std::sync::Arc;

use crate::context::JobCtx;
use crate::guest::Guest;
use crate::plan::job::Host;

/// Logs in.
///
/// # Errors
/// The machine does not answer, shows a host key that is not known, or accepts none of the keys.
#[expect(clippy::unused_async, reason = "issue 5 fills it in")]
pub async fn connect(ctx: &JobCtx, host: &Host) -> anyhow::Result<Arc<dyn Guest>> {
    let _ = ctx;
    anyhow::bail!("`{}` can't be reached yet", host.host)
}
