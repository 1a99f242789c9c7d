//! The life of a QEMU process, watched by one task that owns the truth.
//!
//! The task waits for everything at once: the process, QMP events, the console, and the wish to end it. Others look at
//! [`Life`] through a watch channel; nobody asks twice and nobody polls.

use std::collections::VecDeque;
use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::console::{Console, Pipe};
use super::diagnose::Finding;
use super::qmp::{Event, Qmp};
use crate::context::{Events, clean_line};
use crate::program::Running;

/// Lines of QEMU's own standard error that are kept.
const STDERR_LINES: usize = 20;
/// What QEMU's children may still write after it ended; they are ended with it.
const STDERR_DEADLINE: Duration = Duration::from_secs(1);

/// What is known of a machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// Why the guest will not come up any more, or can't go on. The first reason stays.
    pub trouble: Option<Trouble>,
    /// The guest switched itself off, as a clean shutdown does.
    pub powered_off: bool,
    /// The process has ended.
    pub end: Option<End>,
}

/// Why a guest can't go on although QEMU runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The console says so.
    Console(Finding),
    /// The guest's kernel told the pvpanic device.
    Panicked,
    /// This machine's disk has no room for what the guest writes.
    DiskFull,
    /// QEMU can't read or write the disk.
    DiskFailed(String),
    /// The accelerator gave up on the guest.
    Stopped(String),
}

/// How the process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub status: String,
    /// QEMU's last words on its standard error.
    pub stderr: Vec<String>,
}

impl Life {
    /// Whether there is nothing to wait for any more.
    pub(super) fn is_over(&self) -> bool {
        self.trouble.is_some() || self.end.is_some()
    }
}

/// What the watching task works with.
pub(super) struct Watcher {
    pub running: Running,
    pub qmp: Qmp,
    pub qmp_events: mpsc::Receiver<Event>,
    pub pipe: Pipe,
    pub console: Console,
    pub events: Events,
    pub life: watch::Sender<Life>,
    /// Fires when the machine is to be ended at once.
    pub kill: CancellationToken,
    /// Where the screen of a panicked guest is kept.
    pub screenshot: Utf8PathBuf,
}

impl Watcher {
    /// Watches until the process has ended.
    pub(super) async fn watch(mut self) {
        let stderr = self.running.child.stderr.take();
        let last_words = tokio::spawn(last_lines(stderr));
        let status = self.until_the_end().await;
        // What the guest said last is still in the pipe.
        let _ = self.pipe.drain(&self.console, &self.events).await;
        self.pipe.close();
        self.heed_console();
        let stderr = tokio::time::timeout(STDERR_DEADLINE, last_words).await;
        let stderr = stderr.ok().and_then(Result::ok).unwrap_or_default();
        // QEMU tells on QMP that the guest switched itself off, and ends: the event may still be in the queue.
        while let Ok(event) = self.qmp_events.try_recv() {
            self.heed(&event).await;
        }
        self.life.send_modify(|life| life.end = Some(End { status, stderr }));
    }

    /// Handles everything that happens; returns how the process ended.
    async fn until_the_end(&mut self) -> String {
        let (mut speaks, mut listens, mut asked_to_end) = (true, true, false);
        loop {
            tokio::select! {
                status = self.running.wait() => {
                    return match status {
                        Ok(status) => status.to_string(),
                        Err(error) => error.to_string(),
                    };
                }
                () = self.kill.cancelled(), if !asked_to_end => {
                    asked_to_end = true;
                    self.running.kill_group();
                }
                event = self.qmp_events.recv(), if speaks => match event {
                    Some(event) => self.heed(&event).await,
                    None => speaks = false,
                },
                heard = self.pipe.listen(&self.console, &self.events), if listens => {
                    listens = heard.is_ok();
                    self.heed_console();
                }
            }
        }
    }

    /// The console's verdict becomes the machine's.
    fn heed_console(&self) {
        if let Some(finding) = self.console.fatal() {
            self.trouble(Trouble::Console(finding));
        }
    }

    /// What an event means. A guest that can't go on is ended, so that whoever speaks with it notices at once.
    async fn heed(&self, event: &Event) {
        match event.event.as_str() {
            "SHUTDOWN" if event.data["reason"] == "guest-shutdown" => {
                self.life.send_modify(|life| life.powered_off = true);
            }
            "GUEST_PANICKED" => {
                self.trouble(Trouble::Panicked);
                // Without a picture the console still tells.
                let _ = screenshot(&self.qmp, &self.screenshot).await;
                self.kill.cancel();
            }
            // Only a write that found no room stops the machine; other errors are the guest's to handle.
            "BLOCK_IO_ERROR" if event.data["action"] == "stop" => {
                let reason = event.data["reason"].as_str().unwrap_or("unknown reason").to_owned();
                let full = event.data["nospace"] == Value::Bool(true);
                self.trouble(if full { Trouble::DiskFull } else { Trouble::DiskFailed(reason) });
                self.kill.cancel();
            }
            "STOP" => self.heed_stop().await,
            _ => {}
        }
    }

    /// Nobody but QEMU stops our machines. A panic and a disk error have events of their own.
    async fn heed_stop(&self) {
        let Ok(answer) = self.qmp.execute("query-status", json!({})).await else { return };
        let status = answer["status"].as_str().unwrap_or_default();
        if status == "internal-error" {
            self.trouble(Trouble::Stopped(status.to_owned()));
            self.kill.cancel();
        }
    }

    fn trouble(&self, trouble: Trouble) {
        self.life.send_if_modified(|life| {
            // A panic is told twice, and its line on the console says more than the device.
            let better = matches!((&life.trouble, &trouble), (Some(Trouble::Panicked), Trouble::Console(_)));
            let news = life.trouble.is_none() || better;
            if news {
                life.trouble = Some(trouble);
            }
            news
        });
    }
}

/// Keeps the machine's display as a PNG.
pub(super) async fn screenshot(qmp: &Qmp, path: &Utf8PathBuf) -> Result<(), super::qmp::QmpError> {
    qmp.execute("screendump", json!({ "filename": path, "format": "png" })).await.map(|_| ())
}

async fn last_lines<R: AsyncRead + Unpin>(stream: Option<R>) -> Vec<String> {
    let Some(stream) = stream else { return Vec::new() };
    let mut reader = BufReader::new(stream);
    let (mut line, mut lines) = (Vec::new(), VecDeque::new());
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        if lines.len() == STDERR_LINES {
            lines.pop_front();
        }
        lines.push_back(clean_line(&line));
        line.clear();
    }
    lines.into()
}
