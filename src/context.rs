//! What every part of a job is handed first: who it is, where it may write, whom it tells, and when to stop.

use camino::Utf8PathBuf;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::event::{Body, Failure, JobId, Phase, Stream, Unit};
use crate::guest::GuestError;
use crate::journal::Journal;
use crate::program::ProgramError;
use crate::secret::Redactor;

/// The context of one job.
#[derive(Clone)]
pub struct JobCtx {
    pub id: JobId,
    /// The finished job's folder, `ovenbird-out/<job>`; absolute, there, and empty but for logs.
    pub out: Utf8PathBuf,
    /// A private folder for temporary files on the same file system as `out`; absolute, journaled, removed at the end.
    pub work: Utf8PathBuf,
    /// Where downloads and verdicts are kept between runs; absolute. Everything in it can be made again.
    pub cache: Utf8PathBuf,
    pub events: Events,
    pub journal: Journal,
    pub cancel: CancellationToken,
}

/// Where a job's events go. Clones write to the same place.
#[derive(Clone)]
pub struct Events {
    sender: mpsc::Sender<Body>,
    redactor: Redactor,
}

impl Events {
    /// A sender, and the end that the one writer reads.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Body>) {
        // Enough to absorb a burst; beyond it whoever produces waits, so that a chatty guest can't fill our memory.
        let (sender, receiver) = mpsc::channel(1024);
        (Self { sender, redactor: Redactor::default() }, receiver)
    }

    /// The same channel, with what is to be hidden from it.
    #[must_use]
    pub fn hiding(self, redactor: Redactor) -> Self {
        Self { redactor, ..self }
    }

    /// What hides the job's secrets. The writer hides them in each event; whoever cuts output into lines, or keeps only
    /// some of them, hides them before, while they are whole. Values that come to be during the job are registered here.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Sends an event; waits while the writer is behind. Without a writer it is dropped: the job is ending.
    pub async fn emit(&self, body: Body) {
        let _ = self.sender.send(body).await;
    }

    /// [`Events::emit`] for code that runs on a blocking thread.
    pub fn emit_blocking(&self, body: Body) {
        let _ = self.sender.blocking_send(body);
    }

    /// Progress may be lost when the writer is behind, so it can be sent from anywhere.
    pub fn progress(&self, what: &str, done: u64, total: Option<u64>, unit: Unit) {
        let _ = self.sender.try_send(Body::Progress { what: what.to_owned(), done, total, unit });
    }

    /// A remark for people.
    pub async fn note(&self, text: impl Into<String>) {
        self.emit(Body::Note { text: text.into() }).await;
    }

    /// Something is wrong, and the job goes on.
    pub async fn warn(&self, failure: Failure) {
        self.emit(Body::Warning(failure)).await;
    }

    /// A line of output; control characters are taken out here, secrets by the writer.
    pub async fn output(&self, step: Option<usize>, stream: Stream, line: &[u8]) {
        let line = crate::context::clean_line(line);
        self.emit(Body::Output { step, stream, line }).await;
    }

    /// Runs `work` as a phase, with its events around.
    ///
    /// # Errors
    /// As `work`.
    pub async fn phase<T, E>(&self, phase: Phase, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let begin = std::time::Instant::now();
        self.emit(Body::PhaseStarted { phase }).await;
        let result = work.await;
        self.emit(Body::PhaseFinished { phase, seconds: begin.elapsed().as_secs_f64() }).await;
        result
    }
}

/// An error that a person can act on: place, hint and excerpt included. Any room returns it through `anyhow`.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Explained(pub Failure);

/// Someone asked the job to stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// What a person should read of an error: the whole chain in the message, with the hint and the excerpt of the first
/// error in it that has them.
#[must_use]
pub fn failure_of(error: &anyhow::Error) -> Failure {
    let mut failure = Failure::new(format!("{error:#}"));
    for cause in error.chain() {
        if let Some(Explained(explained)) = cause.downcast_ref() {
            return Failure { message: failure.message, ..explained.clone() };
        }
        if let Some(program) = cause.downcast_ref::<ProgramError>() {
            failure.hint = program.hint();
            if let ProgramError::Failed { excerpt, .. } = program {
                failure.excerpt.clone_from(excerpt);
            }
            return failure;
        }
    }
    failure
}

/// Whether an error says no more than that the job was told to stop.
#[must_use]
pub fn is_cancelled(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Cancelled>()
            || matches!(cause.downcast_ref(), Some(ProgramError::Cancelled))
            || matches!(cause.downcast_ref(), Some(GuestError::Cancelled))
    })
}

/// A line of foreign output as text that can't move a cursor, end a line or forge a command: escape sequences and control
/// characters are dropped (a tab stays), bytes that are no UTF-8 become U+FFFD.
#[must_use]
pub fn clean_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => clean.push('\t'),
            char if char.is_control() => {}
            // Bidirectional overrides and line separators reorder or break what a person reads.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            char => clean.push(char),
        }
    }
    clean
}

/// Skips the rest of an escape sequence (ECMA-48): CSI up to its final byte, OSC and other strings up to BEL or ST, else
/// one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for char in chars.by_ref() {
                if ('@'..='~').contains(&char) {
                    break;
                }
            }
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(char) = chars.next() {
                if char == '\u{7}' || (char == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::clean_line;

    #[test]
    fn escape_sequences_and_control_characters_are_dropped() {
        assert_eq!(clean_line(b"\x1b[1;31mred\x1b[0m\x1b]0;title\x07 and \x08plain\ttab\r\n"), "red and plain\ttab");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(clean_line(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn an_unfinished_escape_sequence_eats_only_its_own_line() {
        assert_eq!(clean_line(b"a\x1b[12"), "a");
        assert_eq!(clean_line("a\u{202e}b".as_bytes()), "ab");
    }
}
