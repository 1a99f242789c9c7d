//! Output of a guest as lines, and what is kept of them for a failure.

use std::collections::VecDeque;

use crate::context::clean_line;
use crate::event::Stream;
use crate::secret::{self, Redactor};

/// A line that is longer is shown in pieces, so that a guest without line ends can't fill our memory.
const LONGEST_LINE: usize = 64 * 1024;

/// Lines of a step's output that its failure repeats.
const EXCERPT_LINES: usize = 20;

/// Lines in which messages of shells and tools are looked for: of both streams, and of standard error.
const KEPT_LINES: usize = 300;

/// How much of one line is kept for either.
const KEPT_LINE: usize = 4096;

/// Cuts one stream into lines: clean, and without secrets.
pub(super) struct Lines {
    hidden: secret::Lines,
    buffer: Vec<u8>,
    /// The last byte was a carriage return: what follows, unless a line feed, overwrites the line.
    returned: bool,
}

impl Lines {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self { hidden: redactor.lines(), buffer: Vec::new(), returned: false }
    }

    /// Takes the next bytes and returns the lines that they finish. Of a line that was drawn over and over, as progress
    /// bars are, only its last state is returned.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => {
                    self.returned = false;
                    lines.extend(self.hidden.push(&clean_line(&std::mem::take(&mut self.buffer))));
                }
                b'\r' => self.returned = true,
                byte => {
                    if std::mem::take(&mut self.returned) {
                        self.buffer.clear();
                    }
                    self.buffer.push(byte);
                    if self.buffer.len() >= LONGEST_LINE {
                        let piece = self.piece();
                        lines.extend(self.hidden.push(&clean_line(&piece)));
                    }
                }
            }
        }
        lines
    }

    /// Whether a line waits for the next, because a secret may have begun in it.
    pub(super) fn is_waiting(&self) -> bool {
        self.hidden.is_waiting()
    }

    /// The lines that wait, with the possible beginning of a secret hidden.
    pub(super) fn flush(&mut self) -> Vec<String> {
        self.hidden.flush()
    }

    /// What is left at the end of the stream.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let rest = std::mem::take(&mut self.buffer);
        let mut lines = if rest.is_empty() { Vec::new() } else { self.hidden.push(&clean_line(&rest)) };
        lines.extend(self.hidden.finish());
        lines
    }

    /// Cuts a piece off a line that is too long, but not inside a character.
    fn piece(&mut self) -> Vec<u8> {
        let held = unfinished_character(&self.buffer);
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

/// What is kept of a step's output.
#[derive(Default)]
pub(super) struct Transcript {
    last: VecDeque<String>,
    stderr: VecDeque<String>,
}

impl Transcript {
    /// Keeps a line that holds no secrets any more: half of one would not be known.
    pub(super) fn keep(&mut self, stream: Stream, line: &str) {
        let line = line[..line.floor_char_boundary(KEPT_LINE)].to_owned();
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
    use crate::secret::Secrets;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        hidden(&Secrets::default(), pieces)
    }

    fn hidden(secrets: &Secrets, pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(&secrets.redactor());
        let mut all: Vec<_> = pieces.iter().flat_map(|piece| lines.push(piece)).collect();
        all.extend(lines.finish());
        all
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
    fn a_secret_is_hidden_where_a_line_is_cut_in_it() {
        let mut secrets = Secrets::default();
        secrets.insert("token", "hunter2-hunter2");
        let mut long = vec![b'a'; LONGEST_LINE - 9];
        long.extend(b"hunter2-hunter2 tail");
        let pieces = hidden(&secrets, &[&long]);
        assert_eq!(pieces, ["a".repeat(LONGEST_LINE - 9) + "***", "*** tail".to_owned()]);
    }

    #[test]
    fn a_secret_that_is_coloured_inside_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.insert("token", "hunter2-hunter2");
        assert_eq!(hidden(&secrets, &[b"a hunter2\x1b[1m-\x1b", b"[0mhun\nter2 b\n"]), ["a ***", "*** b"]);
    }
}
