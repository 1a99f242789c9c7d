//! The guest's serial console, as it happens.
//!
//! What the guest says comes through a named pipe. Without secrets it is kept in `console.txt`, as it is said: QEMU's own
//! log would hold them until someone takes them out, or for good when we are killed. It also becomes output events, a
//! bounded tail for excerpts, and a [`Diagnosis`].

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use camino::Utf8Path;
use tokio::net::unix::pipe;

use super::diagnose::{Diagnosis, Finding};
use crate::context::{Events, clean_line};
use crate::event::Stream;
use crate::secret::{self, Redactor};

/// Lines that are remembered. An excerpt shows the last of them.
const TAIL_LINES: usize = 40;
/// A guest may write without ever ending a line; what is longer is cut into lines.
const LINE_LIMIT: usize = 4096;

/// Bytes of a console that `console.txt` keeps: a guest may write without end.
const KEPT_LIMIT: usize = 64 << 20;
/// Bytes of a console that become output events, which are kept several times.
const TOLD_LIMIT: usize = 16 << 20;
/// Reads after which whoever listens looks at what else has happened: a flood must not hold up the end of the machine.
const READS: usize = 64;

/// What the console said so far. Clones look at the same one.
#[derive(Clone)]
pub(super) struct Console {
    heard: Arc<Mutex<Heard>>,
}

struct Heard {
    redactor: Redactor,
    hidden: secret::Lines,
    tail: VecDeque<String>,
    /// The line that has no end yet, such as a prompt.
    partial: Vec<u8>,
    diagnosis: Diagnosis,
}

impl Console {
    pub(super) fn new(redactor: &Redactor) -> Self {
        let heard = Heard {
            redactor: redactor.clone(),
            hidden: redactor.lines(),
            tail: VecDeque::new(),
            partial: Vec::new(),
            diagnosis: Diagnosis::default(),
        };
        Self { heard: Arc::new(Mutex::new(heard)) }
    }

    /// The last lines.
    pub(super) fn tail(&self) -> Vec<String> {
        let heard = self.lock();
        let partial = heard.redactor.redact(&clean_line(&heard.partial));
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

    /// Takes what the guest wrote; returns the lines that are whole now, without secrets.
    fn hear(&self, bytes: &[u8]) -> Vec<String> {
        let mut guard = self.lock();
        let heard = &mut *guard;
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                heard.partial.push(*byte);
            }
            if *byte == b'\n' || heard.partial.len() >= LINE_LIMIT {
                let line = clean_line(&std::mem::take(&mut heard.partial));
                heard.diagnosis.see(&line);
                if !line.trim().is_empty() {
                    lines.extend(heard.hidden.push(&line));
                }
            }
        }
        // A machine may say nothing more: no line waits for the next.
        lines.extend(heard.hidden.flush());
        heard.tail.extend(lines.iter().cloned());
        heard.tail.drain(..heard.tail.len().saturating_sub(TAIL_LINES));
        let partial = clean_line(&heard.partial);
        heard.diagnosis.see_unfinished(&partial);
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our end of the named pipe that QEMU writes the console to, and the file that keeps what comes.
pub(super) struct Pipe {
    receiver: pipe::Receiver,
    log: File,
    hidden: secret::Stream,
    /// Bytes that `log` may still get.
    room: usize,
    /// Bytes that may still become events.
    tells: usize,
}

impl Pipe {
    /// Makes the named pipe. It is opened before QEMU opens it, which else would wait for us.
    ///
    /// # Errors
    /// The file system knows no named pipes, `path` is there, or `log` can't be written.
    pub(super) fn create(path: &Utf8Path, log: &Utf8Path, redactor: &Redactor) -> anyhow::Result<Self> {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path.as_std_path(), rustix::fs::FileType::Fifo, mode, 0)
            .with_context(|| format!("failed to make the named pipe `{path}`"))?;
        // Open for writing too: it has a writer before QEMU opens it, and QEMU's end is told by the process.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path);
        Ok(Self {
            receiver: receiver.with_context(|| format!("failed to open the named pipe `{path}`"))?,
            log: File::create(log).with_context(|| format!("failed to create `{log}`"))?,
            hidden: redactor.stream(),
            room: KEPT_LIMIT,
            tells: TOLD_LIMIT,
        })
    }

    /// Waits for output, takes it, and reports its lines.
    ///
    /// # Errors
    /// The pipe can't be read.
    pub(super) async fn listen(&mut self, console: &Console, events: &Events) -> std::io::Result<()> {
        self.receiver.readable().await?;
        self.read(console, events, READS).await
    }

    /// Takes what is there without waiting for more.
    ///
    /// # Errors
    /// The pipe can't be read.
    pub(super) async fn drain(&mut self, console: &Console, events: &Events) -> std::io::Result<()> {
        self.read(console, events, usize::MAX).await
    }

    async fn read(&mut self, console: &Console, events: &Events, times: usize) -> std::io::Result<()> {
        let mut buffer = [0; 8192];
        for _ in 0..times {
            match self.receiver.try_read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    let shown = self.hidden.push(&buffer[..count]);
                    self.keep(&shown);
                    for line in console.hear(&buffer[..count]) {
                        self.tell(&line, events).await;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn tell(&mut self, line: &str, events: &Events) {
        if self.tells == 0 {
            return;
        }
        self.tells = self.tells.saturating_sub(line.len());
        events.output(None, Stream::Console, line.as_bytes()).await;
        if self.tells == 0 {
            let text = format!("the console said {} MiB: the rest is only kept in its file", TOLD_LIMIT >> 20);
            events.note(text).await;
        }
    }

    /// The machine has ended: keeps what may have been the beginning of a secret.
    pub(super) fn close(&mut self) {
        let rest = self.hidden.finish();
        self.keep(&rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.room == 0 {
            return;
        }
        let kept = bytes.len().min(self.room);
        self.room -= kept;
        // As with QEMU's own log: a full disk must not silence the console, and is told by what needs it.
        let _ = self.log.write_all(&bytes[..kept]);
        if self.room == 0 {
            let _ = write!(self.log, "\n--- cut here: no more than {} MiB are kept ---\n", KEPT_LIMIT >> 20);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::Body;
    use crate::platform::qemu::diagnose::Kind;

    #[test]
    fn a_prompt_that_never_ends_its_line_is_seen() {
        let console = Console::new(&Redactor::default());
        assert_eq!(console.hear(b"error: unknown filesystem.\r\ngrub resc"), ["error: unknown filesystem."]);
        assert_eq!(console.fatal(), None);
        assert!(console.hear(b"ue> ").is_empty());
        assert_eq!(console.fatal().map(|finding| finding.kind), Some(Kind::GrubError));
        assert_eq!(console.tail(), ["error: unknown filesystem.", "grub rescue> "]);
    }

    #[test]
    fn a_line_is_told_whole_or_not_yet() {
        let console = Console::new(&Redactor::default());
        console.hear(b"[ 6.6] Kernel panic - not syncing");
        assert_eq!(console.fatal(), None);
        console.hear(b": sysrq triggered crash\r\n");
        let line = console.fatal().map(|finding| finding.line);
        assert_eq!(line.as_deref(), Some("[ 6.6] Kernel panic - not syncing: sysrq triggered crash"));
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_in_their_length() {
        let console = Console::new(&Redactor::default());
        console.hear(&vec![b'x'; 1024 * 1024]);
        console.hear("line\n".repeat(1000).as_bytes());
        let tail = console.tail();
        assert_eq!(tail.len(), TAIL_LINES);
        assert!(tail.iter().all(|line| line.len() <= LINE_LIMIT));
    }

    #[test]
    fn empty_lines_and_escape_sequences_of_the_firmware_are_left_out() {
        let console = Console::new(&Redactor::default());
        assert_eq!(console.hear(b"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1)\r\n\r\n"), ["SeaBIOS (version 1)"]);
    }

    #[test]
    fn a_secret_is_in_no_line_and_in_no_tail() {
        let mut secrets = secret::Secrets::default();
        secrets.insert("token", "hunter2-hunter2");
        let console = Console::new(&secrets.redactor());
        assert_eq!(console.hear(b"a hunter2-\r\n"), ["a ***"], "it can go on in the next line");
        assert_eq!(console.hear(b"hunter2 b\r\nhunter2-hunter2"), ["*** b"]);
        assert_eq!(console.tail(), ["a ***", "*** b", "***"]);
    }

    #[tokio::test]
    async fn a_guest_that_floods_its_console_fills_neither_the_disk_nor_the_logs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let log = folder.join("console.txt");
        let (events, mut told) = Events::channel();
        let mut pipe = Pipe::create(&folder.join("pipe"), &log, &Redactor::default()).unwrap();
        (pipe.room, pipe.tells) = (10, 6);
        pipe.keep(b"one two three");
        pipe.keep(b"four");
        for line in ["one", "two", "three"] {
            pipe.tell(line, &events).await;
        }
        drop((events, pipe));
        let kept = std::fs::read_to_string(&log).unwrap();
        assert_eq!(kept, "one two th\n--- cut here: no more than 64 MiB are kept ---\n");
        let mut bodies = Vec::new();
        while let Some(body) = told.recv().await {
            bodies.push(body);
        }
        assert!(
            matches!(bodies.as_slice(), [Body::Output { .. }, Body::Output { .. }, Body::Note { .. }]),
            "{bodies:?}"
        );
    }

    #[tokio::test]
    async fn the_file_never_holds_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let (path, log) = (folder.join("pipe"), folder.join("console.txt"));
        let mut secrets = secret::Secrets::default();
        secrets.insert("token", "hunter2-hunter2");
        let (redactor, (events, _events)) = (secrets.redactor(), Events::channel());
        let (mut pipe, console) = (Pipe::create(&path, &log, &redactor).unwrap(), Console::new(&redactor));
        let mut guest = File::options().write(true).open(&path).unwrap();
        let written = || std::fs::read_to_string(&log).unwrap();
        for (said, kept) in
            [("a\r\nb hunter2-hun", "a\r\nb "), ("ter2 c", "a\r\nb *** c"), (" hunter2-", "a\r\nb *** c ")]
        {
            guest.write_all(said.as_bytes()).unwrap();
            pipe.listen(&console, &events).await.unwrap();
            assert_eq!(written(), kept);
        }
        pipe.close();
        assert_eq!(written(), "a\r\nb *** c ***", "it was cut inside of a secret");
    }
}
