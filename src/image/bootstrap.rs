//! Bootstrapping a distribution into a bootable disk.

use anyhow::bail;
use camino::Utf8Path;

use crate::context::JobCtx;
use crate::plan::job::{Arch, Debian};

/// Makes a bootable raw disk of a Debian suite.
///
/// # Errors
/// Always: this comes with the branch `boot`.
#[expect(clippy::unused_async, reason = "it comes with the branch `boot`")]
pub async fn debian(_: &JobCtx, debian: &Debian, _: Arch, _: Option<u64>, _: &Utf8Path) -> anyhow::Result<()> {
    bail!("`source: {{ debian: {} }}` can't be bootstrapped yet", debian.suite)
}
