//! `reboot:` the guest and wait until it is back.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::Stream;
use crate::plan::job::Reboot;
use crate::step::sequence::{Scene, Stop};

/// Reboots.
pub(super) async fn reboot(scene: &Scene<'_>, reboot: &Reboot, cancel: &CancellationToken) -> Result<(), Stop> {
    let begin = std::time::Instant::now();
    let rebooted = scene.guest.reboot(Duration::from_secs(reboot.timeout), cancel).await;
    rebooted.map_err(|error| scene.stopped("failed to reboot the guest", error))?;
    let line = format!("the guest is back after {:.1} s", begin.elapsed().as_secs_f64());
    scene.ctx.events.output(Some(scene.step.index), Stream::Stdout, line.as_bytes()).await;
    Ok(())
}
