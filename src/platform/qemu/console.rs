//! The guest's serial console, as it happens.
//!
//! QEMU keeps everything that the guest says in `console.txt` by itself; the same bytes come here through a named pipe.
//! They become output events, a bounded tail for excerpts, and a [`Diagnosis`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use camino::Utf8Path;
use tokio::net::unix::pipe;

use super::diagnose::{Diagnosis, Finding};
use crate::context::{Events, clean_line};
use crate::event::Stream;

/// Lines that are remembered. An excerpt shows the last of them.
const TAIL_LINES: usize = 40;
/// A guest may write without ever ending a line; what is longer is cut into lines.
const LINE_LIMIT: usize = 4096;

/// What the console said so far. Clones look at the same one.
#[derive(Clone, Default)]
pub(super) struct Console {
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    tail: VecDeque<String>,
    /// The line that has no end yet, such as a prompt.
    partial: Vec<u8>,
    diagnosis: Diagnosis,
}

impl Console {
    /// The last lines.
    pub(super) fn tail(&self) -> Vec<String> {
        let heard = self.lock();
        let partial = clean_line(&heard.partial);
        heard.tail.iter().cloned().chain((!partial.trim().is_empty()).then_some(partial)).collect()
    }

    /// What keeps the guest from ever coming up.
    pub(super) fn fatal(&self) -> Option<Finding> {
        self.lock().diagnosis.fatal()
    }

    /// The best explanation of a guest that did not come up.
    pub(super) fn best(&self) -> Option<Finding> {
        self.lock().diagnosis.best()
    }

    /// Takes what the guest wrote; returns the lines that are whole now.
    fn hear(&self, bytes: &[u8]) -> Vec<String> {
        let mut heard = self.lock();
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                heard.partial.push(*byte);
            }
            if *byte == b'\n' || heard.partial.len() >= LINE_LIMIT {
                let line = clean_line(&std::mem::take(&mut heard.partial));
                heard.diagnosis.see(&line);
                if !line.trim().is_empty() {
                    if heard.tail.len() == TAIL_LINES {
                        heard.tail.pop_front();
                    }
                    heard.tail.push_back(line.clone());
                    lines.push(line);
                }
            }
        }
        let partial = clean_line(&heard.partial);
        heard.diagnosis.see_unfinished(&partial);
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our end of the named pipe that QEMU writes the console to.
pub(super) struct Pipe {
    receiver: pipe::Receiver,
}

impl Pipe {
    /// Makes the named pipe. It is opened before QEMU opens it, which else would wait for us.
    ///
    /// # Errors
    /// The file system knows no named pipes, or `path` is there.
    pub(super) fn create(path: &Utf8Path) -> anyhow::Result<Self> {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path.as_std_path(), rustix::fs::FileType::Fifo, mode, 0)
            .with_context(|| format!("failed to make the named pipe `{path}`"))?;
        // Open for writing too: it has a writer before QEMU opens it, and QEMU's end is told by the process.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path);
        Ok(Self { receiver: receiver.with_context(|| format!("failed to open the named pipe `{path}`"))? })
    }

    /// Waits for output, takes it, and reports its lines.
    ///
    /// # Errors
    /// The pipe can't be read.
    pub(super) async fn listen(&mut self, console: &Console, events: &Events) -> std::io::Result<()> {
        self.receiver.readable().await?;
        self.drain(console, events).await
    }

    /// Takes what is there without waiting for more.
    ///
    /// # Errors
    /// The pipe can't be read.
    pub(super) async fn drain(&mut self, console: &Console, events: &Events) -> std::io::Result<()> {
        let mut buffer = [0; 8192];
        loop {
            match self.receiver.try_read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    for line in console.hear(&buffer[..count]) {
                        events.output(None, Stream::Console, line.as_bytes()).await;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::qemu::diagnose::Kind;

    #[test]
    fn a_prompt_that_never_ends_its_line_is_seen() {
        let console = Console::default();
        assert_eq!(console.hear(b"error: unknown filesystem.\r\ngrub resc"), ["error: unknown filesystem."]);
        assert_eq!(console.fatal(), None);
        assert!(console.hear(b"ue> ").is_empty());
        assert_eq!(console.fatal().map(|finding| finding.kind), Some(Kind::GrubError));
        assert_eq!(console.tail(), ["error: unknown filesystem.", "grub rescue> "]);
    }

    #[test]
    fn a_line_is_told_whole_or_not_yet() {
        let console = Console::default();
        console.hear(b"[ 6.6] Kernel panic - not syncing");
        assert_eq!(console.fatal(), None);
        console.hear(b": sysrq triggered crash\r\n");
        let line = console.fatal().map(|finding| finding.line);
        assert_eq!(line.as_deref(), Some("[ 6.6] Kernel panic - not syncing: sysrq triggered crash"));
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_in_their_length() {
        let console = Console::default();
        console.hear(&vec![b'x'; 1024 * 1024]);
        console.hear("line\n".repeat(1000).as_bytes());
        let tail = console.tail();
        assert_eq!(tail.len(), TAIL_LINES);
        assert!(tail.iter().all(|line| line.len() <= LINE_LIMIT));
    }

    #[test]
    fn empty_lines_and_escape_sequences_of_the_firmware_are_left_out() {
        let console = Console::default();
        assert_eq!(console.hear(b"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1)\r\n\r\n"), ["SeaBIOS (version 1)"]);
    }
}
