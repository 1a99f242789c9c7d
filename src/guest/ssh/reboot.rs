//! Rebooting, proven by another boot id.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::connect::log_in;
use super::session::Ssh;
use crate::guest::shell::Complaint;
use crate::guest::{Command, Guest, GuestError};

const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";

/// An init that takes orders is asked, and gets its time; where the first process is no such init (a tiny guest's script),
/// nothing hears the request, and the kernel is told directly. The forced one waits in the background, so that this returns.
const REBOOT: &str = r#"
if [ -d /run/systemd/system ]; then
  systemctl reboot || systemctl reboot --force
else
  if [ -e /etc/inittab ] || [ -p /run/initctl ]; then patience=60; else patience=1; fi
  (trap "" HUP TERM; sleep $patience; sync; reboot -f) </dev/null >/dev/null 2>&1 &
  reboot || { sync; reboot -f; }
fi
"#;

/// How long the request itself may take, and how long a guest that has not gone yet is left alone.
const REQUEST: Duration = Duration::from_secs(15);
const RECHECK: Duration = Duration::from_secs(2);

pub(super) async fn reboot(ssh: &Ssh, deadline: Duration, cancel: &CancellationToken) -> Result<(), GuestError> {
    let end = Instant::now() + deadline;
    let before = boot_id(ssh, cancel).await?;
    let mut watched = ssh.connection();
    request(ssh, cancel).await?;
    let mut last = "it is still there".to_owned();
    loop {
        // Its end is the sign that the guest goes down; a guest cut off hard leaves it open until the keep-alive notices.
        tokio::select! {
            () = watched.gone() => {}
            () = tokio::time::sleep(RECHECK) => {}
            () = cancel.cancelled() => return Err(GuestError::Cancelled),
        }
        let left = end.saturating_duration_since(Instant::now());
        let late =
            || GuestError::Deadline { what: format!("come back from a reboot ({last})"), seconds: deadline.as_secs() };
        if left.is_zero() {
            return Err(late());
        }
        match log_in(&ssh.config, left, cancel).await {
            Ok(connection) => ssh.replace(connection),
            Err(GuestError::Deadline { what, .. }) => {
                let what = format!("come back from a reboot: it did not {what}");
                return Err(GuestError::Deadline { what, seconds: deadline.as_secs() });
            }
            Err(error) => return Err(error),
        }
        match timeout(end.saturating_duration_since(Instant::now()), boot_id(ssh, cancel)).await {
            Err(_) => return Err(late()),
            Ok(Ok(after)) if after != before => return Ok(()),
            Ok(Ok(_)) => "it answers, with the same boot id: it has not rebooted".clone_into(&mut last),
            Ok(Err(GuestError::Cancelled)) => return Err(GuestError::Cancelled),
            // It went down under the question.
            Ok(Err(error)) => last = error.to_string(),
        }
        watched = ssh.connection();
    }
}

/// Asks for the reboot. The connection may break at once; that is no error.
async fn request(ssh: &Ssh, cancel: &CancellationToken) -> Result<(), GuestError> {
    let command = Command::new(REBOOT);
    let answer = timeout(REQUEST, ssh.capture(&command, cancel)).await;
    match answer {
        Ok(Ok(captured)) => match captured.exit {
            crate::guest::Exit::Code(code) if code != 0 => {
                let mut complaint = Complaint::default();
                complaint.add(&captured.stderr);
                let reason = complaint.text(&captured.exit);
                Err(GuestError::Refused(format!("the guest refused to reboot: {reason}")))
            }
            _ => Ok(()),
        },
        Ok(Err(GuestError::Cancelled)) => Err(GuestError::Cancelled),
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

async fn boot_id(ssh: &Ssh, cancel: &CancellationToken) -> Result<String, GuestError> {
    let captured = ssh.capture(&Command::new(BOOT_ID), cancel).await?;
    let id = crate::context::clean_line(&captured.stdout);
    if captured.exit.is_success() && !id.is_empty() {
        return Ok(id);
    }
    Err(GuestError::Refused(format!("failed to read the guest's boot id: {}", captured.exit)))
}
