//! What a container's first process owes the others: signals reach the one that works, and who dies is buried.
//!
//! The kernel hands every orphan of a container to process 1, and gives it no signal that it does not listen to. Rather
//! than mix that into the work, process 1 starts itself once more, as its only child, and does nothing else: tini's pattern
//! without a tini. So `ovenbird` is a fine entry point without `docker run --init`.
//!
//! Knows of no other room.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

/// What stops us, by its sender's choice. The child hears each as often as we do, so a second one means what it always does.
const FORWARDED: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Whether this is the first process of a container.
#[must_use]
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Runs this program again, with the same arguments, until it ends; its exit status, or 128 and the number of the signal
/// that killed it.
///
/// # Errors
/// It can't be started.
pub fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start")?;
    runtime.block_on(stand_by())
}

async fn stand_by() -> anyhow::Result<ExitCode> {
    // Before there is a child, so that no signal is lost.
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    for number in FORWARDED {
        let mut listener = signal(SignalKind::from_raw(number.as_raw())).context("failed to listen to signals")?;
        let sender = sender.clone();
        tokio::spawn(async move { while listener.recv().await.is_some() && sender.send(number).is_ok() {} });
    }
    let mut deaths = signal(SignalKind::child()).context("failed to listen to the end of processes")?;
    let child = start()?;
    loop {
        tokio::select! {
            Some(number) = signals.recv() => {
                // It may have ended just now: then its status is on the way.
                let _ = kill_process(child, number);
            }
            _ = deaths.recv() => {
                if let Some(status) = bury(child) {
                    return Ok(ExitCode::from(status));
                }
            }
        }
    }
}

fn start() -> anyhow::Result<Pid> {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| "ovenbird".into());
    let mut command = Command::new("/proc/self/exe");
    // A group of its own: a terminal's Ctrl-C must come once, and not from the terminal and from us.
    command.arg0(name).args(arguments).process_group(0);
    let child = command.spawn().context("failed to start `ovenbird` as a process of its own")?;
    let child = Pid::from_raw(child.id().cast_signed()).context("a process without an id")?;
    // The terminal is the child's now. Where there is none, there is nothing to hand over.
    let _ = rustix::termios::tcsetpgrp(std::io::stdin(), child);
    Ok(child)
}

/// Waits for all who have ended. The status to exit with, once the child is among them.
fn bury(child: Pid) -> Option<u8> {
    let mut ended = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            ended = Some(status);
        }
    }
    ended.map(exit_status)
}

fn exit_status(status: WaitStatus) -> u8 {
    let status = std::process::ExitStatus::from_raw(status.as_raw());
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
}
