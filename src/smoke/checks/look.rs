//! Asks a machine for all that the checks need, by one script in one round trip.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use crate::guest::{Command, Guest, GuestError};
use crate::image::residue::{Action, TABLE};
use crate::smoke::probe::{ask, frames::Frames};

const SCRIPT: &str = include_str!("look.sh");
/// The script waits 90 s for the machine to settle; the rest takes seconds, on an emulated machine under load tens of them.
const DEADLINE: Duration = Duration::from_secs(240);

/// Looks at a machine, once it has settled: its service manager has started all, or 90 s are over.
///
/// # Errors
/// The connection failed, `cancel` fired, or the machine did not answer in time.
pub async fn look(guest: &dyn Guest, cancel: &CancellationToken) -> Result<Facts, GuestError> {
    look_within(guest, DEADLINE, cancel).await
}

async fn look_within(guest: &dyn Guest, deadline: Duration, cancel: &CancellationToken) -> Result<Facts, GuestError> {
    let boundary = ask::boundary()?;
    let command = Command::new(SCRIPT).stdin(format!("{boundary}\n{}", patterns()));
    let child = cancel.child_token();
    let capture = guest.capture(&command, &child);
    tokio::pin!(capture);
    let captured = tokio::select! {
        captured = &mut capture => captured,
        () = tokio::time::sleep(deadline) => {
            child.cancel();
            capture.await
        }
    };
    let late = || GuestError::Deadline { what: "answer what is checked of it".to_owned(), seconds: deadline.as_secs() };
    let captured = match captured {
        Err(GuestError::Cancelled) if !cancel.is_cancelled() => return Err(late()),
        other => other?,
    };
    let frames = Frames::new(&boundary).push(&captured.stdout);
    if frames.last().is_none_or(|frame| frame.name != "end") {
        let what =
            format!("the machine's shell ended before it had answered what is checked of it ({})", captured.exit);
        return Err(GuestError::Refused(what));
    }
    Ok(Facts::of(&frames))
}

/// What seal removes by pattern, as the script reads it. What needs more than a pattern has checks of its own, and so have
/// host keys.
fn patterns() -> String {
    let rows = TABLE.iter().filter(|row| !matches!(row.action, Action::Special(_)) && row.id != "host-keys");
    let lines = rows.flat_map(|row| {
        let condition = row.when.unwrap_or("-");
        row.paths.iter().map(move |path| format!("{} {condition} {path}\n", row.id))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::process::Command;

    use super::{SCRIPT, patterns};

    #[test]
    fn the_script_is_clean_to_shellcheck() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/smoke/checks/look.sh");
        let output = Command::new("shellcheck").args(["--shell=sh", "--severity=style", file]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(!SCRIPT.contains('\t'));
    }

    #[test]
    fn patterns_have_no_space_that_the_script_would_split_at() {
        assert!(patterns().lines().all(|line| line.split(' ').count() == 3));
        assert!(patterns().contains("cloud-init-network /usr/bin/cloud-init /etc/netplan/50-cloud-init.yaml\n"));
        assert!(!patterns().contains("machine-id"));
    }
}
