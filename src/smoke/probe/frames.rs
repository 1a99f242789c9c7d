//! What the script prints, cut into frames.
//!
//! ```text
//! newline boundary space number space name newline body … (until the next newline boundary space)
//! ```
//!
//! The boundary is random and new for every run, so that no file's contents can look like a frame. A hostile guest can:
//! then it lies, as it can about anything; but whatever it prints, each frame is bounded.

/// Of one body, more than the 10 MiB of a file that are asked for.
pub(in crate::smoke) const LONGEST_BODY: usize = 16 * 1024 * 1024;
/// A number and a name.
const LONGEST_HEADER: usize = 64;

/// A whole frame. `end` frames have no body and come as soon as they are opened.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::smoke) struct Frame {
    pub(in crate::smoke) request: usize,
    pub(in crate::smoke) name: String,
    pub(in crate::smoke) body: Vec<u8>,
    /// There was more.
    pub(in crate::smoke) cut: bool,
}

/// Takes output in pieces and gives frames.
pub(in crate::smoke) struct Frames {
    boundary: Vec<u8>,
    pending: Vec<u8>,
    in_header: bool,
    open: Option<Frame>,
}

impl Frames {
    pub(in crate::smoke) fn new(boundary: &str) -> Self {
        let boundary = format!("\n{boundary} ").into_bytes();
        Self { boundary, pending: Vec::new(), in_header: false, open: None }
    }

    /// The frames that `bytes` complete.
    pub(in crate::smoke) fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.pending.extend_from_slice(bytes);
        let mut frames = Vec::new();
        while if self.in_header { self.header(&mut frames) } else { self.body(&mut frames) } {}
        frames
    }

    /// Reads a header; false when it is not whole yet.
    fn header(&mut self, frames: &mut Vec<Frame>) -> bool {
        let end = self.pending.iter().take(LONGEST_HEADER).position(|byte| *byte == b'\n');
        if end.is_none() && self.pending.len() < LONGEST_HEADER {
            return false;
        }
        self.in_header = false;
        let Some(end) = end else { return true };
        self.open = parse_header(&self.pending[..end]);
        // The newline that ends the header may be the one that opens the next boundary's: an empty body.
        self.pending.drain(..=end);
        if let Some(frame) = self.open.take_if(|frame| frame.name == "end") {
            frames.push(frame);
        }
        true
    }

    /// Reads up to the next boundary; false when it has not come yet.
    fn body(&mut self, frames: &mut Vec<Frame>) -> bool {
        let found = find(&self.pending, &self.boundary);
        let known = found.unwrap_or(self.pending.len().saturating_sub(self.boundary.len() - 1));
        if let Some(frame) = &mut self.open {
            let room = LONGEST_BODY - frame.body.len();
            frame.cut |= known > room;
            frame.body.extend_from_slice(&self.pending[..known.min(room)]);
        }
        self.pending.drain(..found.map_or(known, |at| at + self.boundary.len()));
        if found.is_none() {
            return false;
        }
        frames.extend(self.open.take());
        self.in_header = true;
        true
    }
}

fn parse_header(line: &[u8]) -> Option<Frame> {
    let (request, name) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let digits = !request.is_empty() && request.bytes().all(|byte| byte.is_ascii_digit());
    let known = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let request = request.parse().ok().filter(|_| digits && known)?;
    Some(Frame { request, name: name.to_owned(), body: Vec::new(), cut: false })
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == b'\n') {
        if text[from + at..].starts_with(word) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Frame, Frames, LONGEST_BODY};

    fn frame(request: usize, name: &str, body: &[u8]) -> Frame {
        Frame { request, name: name.to_owned(), body: body.to_vec(), cut: false }
    }

    fn all(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut frames = Frames::new("B");
        pieces.iter().flat_map(|piece| frames.push(piece)).collect()
    }

    #[test]
    fn a_body_is_what_stands_between_two_boundaries_to_the_byte() {
        let text = b"noise\nB 0 stat\n\0\xff\nB\n\nB 0 end\n\nB 1 content\n\nB 1 end\n";
        let expected =
            [frame(0, "stat", b"\0\xff\nB\n"), frame(0, "end", b""), frame(1, "content", b""), frame(1, "end", b"")];
        assert_eq!(all(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(all(&bytes), expected);
    }

    #[test]
    fn what_is_no_header_opens_nothing() {
        for header in
            ["", "x stat", "1", "+1 stat", "1 st at", "1 \u{7f}", "99999999999999999999999 stat", &"1".repeat(500)]
        {
            let text = format!("\nB {header}\nbody\nB 7 end\n");
            assert_eq!(all(&[text.as_bytes()]), [frame(7, "end", b"")], "{header:?}");
        }
    }

    #[test]
    fn a_body_without_end_is_cut() {
        let mut frames = Frames::new("B");
        frames.push(b"\nB 0 content\n");
        let piece = vec![b'x'; 1024 * 1024];
        for _ in 0..20 {
            assert!(frames.push(&piece).is_empty());
        }
        let frame = frames.push(b"\nB 0 end\n").remove(0);
        assert!(frame.cut && frame.body.len() == LONGEST_BODY);
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_how_output_is_cut(
            text in "(\nB |\n|B|[0-9] |stat|end|x| ){0,60}",
            cuts in proptest::collection::vec(1usize..9, 1..40),
        ) {
            let whole = all(&[text.as_bytes()]);
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle().take(text.len() + 1) {
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            prop_assert_eq!(whole, all(&pieces));
        }

        #[test]
        fn garbage_is_never_a_panic(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
        ) {
            all(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
