//! The time that all tests of an image have together.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What was asked to stop unwinds for so long, and keeps evidence meanwhile; then it is cut short.
const GRACE: Duration = Duration::from_secs(20);

/// Cancels the tests when their time is over, and when the job is cancelled.
pub(super) struct Deadline {
    /// What every wait of the tests listens to.
    pub(super) cancel: CancellationToken,
    job: CancellationToken,
    seconds: u64,
    timer: JoinHandle<()>,
}

impl Deadline {
    pub(super) fn start(job: &CancellationToken, seconds: u64) -> Self {
        let cancel = job.child_token();
        let fired = cancel.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            fired.cancel();
        });
        Self { cancel, job: job.clone(), seconds, timer }
    }

    /// Whether the time is over, with nobody having cancelled the job.
    pub(super) fn is_over(&self) -> bool {
        self.cancel.is_cancelled() && !self.job.is_cancelled()
    }

    /// Ends when what was asked to stop has not done so in time.
    pub(super) async fn overdue(&self) {
        self.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    /// What people read of it.
    pub(super) fn message(&self) -> String {
        let time = match self.seconds {
            seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        };
        format!("the tests did not end within {time}")
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.timer.abort();
    }
}
