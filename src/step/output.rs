//! Output of a guest as lines, and what is kept of them for a failure.

use std::collections::VecDeque;

use crate::context::clean_line;
use crate::event::Stream;
use crate::secret::Secrets;

/// A line that is longer is shown in pieces, so that a guest without line ends can't fill our memory.
const LONGEST_LINE: usize = 64 * 1024;

/// Lines of a step's output that its failure repeats.
const EXCERPT_LINES: usize = 20;

/// Lines in which messages of shells and tools are looked for: of both streams, and of standard error.
const KEPT_LINES: usize = 300;

/// How much of one line is kept for either.
const KEPT_LINE: usize = 4096;

/// Cuts one stream into lines.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// The last byte was a carriage return: what follows, unless a line feed, overwrites the line.
    returned: bool,
}

impl Lines {
    /// Takes the next bytes and returns the lines that they finish. Of a line that was drawn over and over, as progress
    /// bars are, only its last state is returned.
    pub(super) fn push(&mut self, bytes: &[u8], needles: &Needles) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => {
                    self.returned = false;
                    lines.push(std::mem::take(&mut self.buffer));
                }
                b'\r' => self.returned = true,
                byte => {
                    if std::mem::take(&mut self.returned) {
                        self.buffer.clear();
                    }
                    self.buffer.push(byte);
                    if self.buffer.len() >= LONGEST_LINE {
                        lines.push(self.piece(needles));
                    }
                }
            }
        }
        lines
    }

    /// What came after the last line end, if anything.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.buffer);
        (!rest.is_empty()).then_some(rest)
    }

    /// Cuts a piece off a line that is too long: not inside a character, and not inside what may become a secret.
    fn piece(&mut self, needles: &Needles) -> Vec<u8> {
        let held = needles.begun_at_the_end_of(&self.buffer).max(unfinished_character(&self.buffer));
        let rest = self.buffer.split_off(self.buffer.len() - held);
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished_character(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes.get(bytes.len().saturating_sub(4)..).unwrap_or_default()) {
        Err(error) if error.error_len().is_none() => bytes.len().min(4) - error.valid_up_to(),
        _ => 0,
    }
}

/// Secrets as they may stand in a line of output. The writer of events masks them, but only where a line holds them whole.
pub(super) struct Needles(Vec<String>);

impl Needles {
    pub(super) fn of(secrets: &Secrets) -> Self {
        let values = secrets.names().filter_map(|name| secrets.expose(name));
        let lines = values.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
        // Longer than a line is ever held: cut anyway.
        Self(lines.filter(|line| line.len() < LONGEST_LINE / 2).map(str::to_owned).collect())
    }

    fn begun_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let begun = |needle: &String| {
            let longest = needle.len().saturating_sub(1).min(bytes.len());
            (1..=longest).rev().find(|&length| bytes.ends_with(&needle.as_bytes()[..length])).unwrap_or(0)
        };
        self.0.iter().map(begun).max().unwrap_or(0)
    }
}

/// What is kept of a step's output.
#[derive(Default)]
pub(super) struct Transcript {
    last: VecDeque<String>,
    stderr: VecDeque<String>,
}

impl Transcript {
    pub(super) fn keep(&mut self, stream: Stream, line: &[u8], needles: &Needles) {
        let mut line = clean_line(line);
        if line.len() > KEPT_LINE {
            line.truncate(line.floor_char_boundary(KEPT_LINE));
            // Half a secret would not be masked.
            let held = needles.begun_at_the_end_of(line.as_bytes());
            line.truncate(line.len() - held);
        }
        if stream == Stream::Stderr {
            keep(&mut self.stderr, line.clone(), KEPT_LINES);
        }
        keep(&mut self.last, line, KEPT_LINES);
    }

    /// The last lines of either stream, as a failure repeats them.
    pub(super) fn excerpt(&self) -> Vec<String> {
        self.last.iter().skip(self.last.len().saturating_sub(EXCERPT_LINES)).cloned().collect()
    }

    /// More of the last lines of either stream.
    pub(super) fn both(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    /// The last lines of standard error.
    pub(super) fn stderr(&self) -> Vec<String> {
        self.stderr.iter().cloned().collect()
    }
}

fn keep(lines: &mut VecDeque<String>, line: String, most: usize) {
    if lines.len() == most {
        lines.pop_front();
    }
    lines.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, needles) = (Lines::default(), Needles(Vec::new()));
        let mut all: Vec<_> = pieces.iter().flat_map(|piece| lines.push(piece, &needles)).collect();
        all.extend(lines.finish());
        all.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    #[test]
    fn lines_are_whole_however_the_bytes_come() {
        assert_eq!(lines(&[b"on", b"e\ntw", b"o\n\nrest"]), ["one", "two", "", "rest"]);
    }

    #[test]
    fn a_progress_bar_leaves_its_last_state() {
        assert_eq!(lines(&[b" 1%\r 50", b"%\r100%\r\nnext\r", b"\n 7%\r"]), ["100%", "next", " 7%"]);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces_that_end_between_characters() {
        let mut long = vec![b'a'; LONGEST_LINE - 1];
        long.extend("éz".as_bytes());
        let pieces = lines(&[&long]);
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [LONGEST_LINE - 1, 3]);
        assert_eq!(pieces[1], "éz");
    }

    #[test]
    fn what_is_kept_of_a_long_line_does_not_end_in_half_a_secret() {
        let mut secrets = Secrets::default();
        secrets.insert("token", "hunter2-hunter2");
        let mut transcript = Transcript::default();
        let line = format!("{}hunter2-hunter2", "a".repeat(KEPT_LINE - 9));
        transcript.keep(Stream::Stderr, line.as_bytes(), &Needles::of(&secrets));
        let kept = "a".repeat(KEPT_LINE - 9);
        assert_eq!((transcript.excerpt(), transcript.stderr()), (vec![kept.clone()], vec![kept]));
    }

    #[test]
    fn a_secret_is_never_cut_in_two() {
        let mut secrets = Secrets::default();
        secrets.insert("token", "hunter2-hunter2");
        let needles = Needles::of(&secrets);
        let mut long = vec![b'a'; LONGEST_LINE - 9];
        long.extend(b"hunter2-hunter2 tail");
        let mut lines = Lines::default();
        let mut pieces = lines.push(&long, &needles);
        pieces.extend(lines.finish());
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[1], b"hunter2-hunter2 tail");
    }
}
