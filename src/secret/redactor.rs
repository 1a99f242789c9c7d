//! Takes secrets out of texts and of streams, with one pass of one automaton over their bytes.
//!
//! Line ends and other control characters are passed over, so a value is found that is wrapped over lines (`fold`,
//! `base64`), or that comes in pieces. What may be the beginning of a secret is held back until it is known:
//!
//! ```text
//! bytes ──▶ automaton ──▶ held: | may be a beginning |
//!               │ match            │ more bytes: no secret ──▶ shown
//!               └── marked ──▶ ***  │ the end, or silence ────▶ ***, when it is long
//! ```

use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};
use secrecy::{ExposeSecret, SecretString};

use super::encodings::{SHORTEST_ENCODED, forms};
use super::{MASK, Secrets};

/// So many bytes of a secret at the end of a line are shown rather than held back: nearly every line ends with a
/// character that some secret begins with.
const SHOWN_BEGINNING: usize = 3;

/// A stream that ends in so many bytes of a secret was cut inside of it.
const CUT_BEGINNING: usize = 8;

/// More control characters than this end whatever has begun, so that a flood of them can't be held back. A terminal
/// wraps with one or two.
const MOST_SKIPPED: usize = 8;

/// Everything that is looked for.
struct Matcher {
    automaton: NFA,
    start: StateID,
    /// By state: how many bytes of a needle it has seen.
    depths: Vec<usize>,
}

impl Matcher {
    /// None: there is nothing to look for, or more than an automaton can hold.
    fn new(values: &[SecretString]) -> Option<Self> {
        let mut needles = std::collections::BTreeSet::new();
        for form in values.iter().flat_map(|value| forms(value.expose_secret())) {
            // Without what is passed over, and as `clean_line` leaves it.
            let bare: Vec<u8> = form.bytes().filter(|byte| !is_skipped(*byte)).collect();
            // Joined, the lines of a value as short as `a\nb` stand in any text.
            if bare.len() == form.len() || bare.len() >= SHORTEST_ENCODED {
                needles.insert(visible(&form).into_bytes());
                needles.insert(bare);
            }
        }
        needles.retain(|needle| !needle.is_empty());
        if needles.is_empty() {
            return None;
        }
        let automaton = NFA::builder().match_kind(MatchKind::Standard).prefilter(false).build(&needles).ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        let mut depths = Vec::new();
        for needle in &needles {
            let mut state = start;
            for (index, byte) in needle.iter().enumerate() {
                state = automaton.next_state(Anchored::No, state, *byte);
                let at = state.as_usize();
                if depths.len() <= at {
                    depths.resize(at + 1, 0);
                }
                depths[at] = index + 1;
            }
        }
        Some(Self { automaton, start, depths })
    }

    fn depth(&self, state: StateID) -> usize {
        self.depths.get(state.as_usize()).copied().unwrap_or(0)
    }

    fn occurs_in(&self, text: &[u8]) -> bool {
        let mut state = self.start;
        text.iter().filter(|byte| !is_skipped(**byte)).any(|byte| {
            state = self.automaton.next_state(Anchored::No, state, *byte);
            self.automaton.is_match(state)
        })
    }
}

/// Control characters but the tab: line ends, and what a terminal does not show.
fn is_skipped(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// The text as it is left by who takes control characters and bidirectional overrides out.
fn visible(text: &str) -> String {
    let is_override = |char| matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|char| (*char == '\t' || !char.is_control()) && !is_override(*char)).collect()
}

/// Replaces every secret in a text by [`MASK`]. Clones share what they look for.
#[derive(Clone, Default)]
pub struct Redactor {
    shared: Arc<RwLock<Shared>>,
}

#[derive(Default)]
struct Shared {
    values: Vec<SecretString>,
    matcher: Option<Arc<Matcher>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.shared.read().unwrap_or_else(PoisonError::into_inner).values.len();
        write!(f, "Redactor({count} values)")
    }
}

impl Redactor {
    pub(super) fn new(values: Vec<SecretString>) -> Self {
        let matcher = Matcher::new(&values).map(Arc::new);
        Self { shared: Arc::new(RwLock::new(Shared { values, matcher })) }
    }

    /// Hides a value that came to be during the run, from now on, in this redactor and in all of its clones.
    pub fn register(&self, value: impl Into<String>) {
        let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        shared.values.push(SecretString::from(value.into()));
        shared.matcher = Matcher::new(&shared.values).map(Arc::new);
    }

    fn matcher(&self) -> Option<Arc<Matcher>> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner).matcher.clone()
    }

    /// The text without secrets. Its line ends stay where they are.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let Some(matcher) = self.matcher().filter(|matcher| matcher.occurs_in(text.as_bytes())) else {
            return text.to_owned();
        };
        let (mut scan, mut shown) = (Scan::new(&matcher), Vec::with_capacity(text.len()));
        text.bytes().for_each(|byte| scan.feed(&matcher, byte));
        scan.release(scan.held.len(), &mut shown);
        // A needle of whole characters leaves whole characters; half of one is shown as such.
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// The lines without secrets, those that go on from one line to the next too. As many lines as there were.
    #[must_use]
    pub fn redact_lines(&self, lines: &[String]) -> Vec<String> {
        let single: Vec<String> = lines.iter().map(|line| line.replace('\n', " ")).collect();
        match lines {
            [] => Vec::new(),
            _ => self.redact(&single.join("\n")).split('\n').map(str::to_owned).collect(),
        }
    }

    /// Redacts every string inside a JSON value. Keys are left alone, and so are the values of the keys that `words` lists:
    /// they are our own vocabulary, which a short secret must not make unreadable.
    pub fn redact_json(&self, value: &mut serde_json::Value, words: &[&str]) {
        match value {
            serde_json::Value::String(text) => *text = self.redact(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json(item, words)),
            serde_json::Value::Object(map) => {
                let texts = map.iter_mut().filter(|(key, _)| !words.contains(&key.as_str()));
                texts.for_each(|(_, item)| self.redact_json(item, words));
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }

    /// A redactor of one stream of bytes.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream { redactor: self.clone(), scan: None, shown: Vec::new() }
    }

    /// A redactor of one stream of lines.
    #[must_use]
    pub fn lines(&self) -> Lines {
        Lines { stream: self.stream() }
    }
}

/// One byte that is held back.
#[derive(Clone, Copy)]
struct Held {
    byte: u8,
    mark: Mark,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Plain,
    /// It is passed over.
    Skipped,
    /// A secret begins with it.
    First,
    /// In the same secret as the byte before it.
    Inside,
}

/// Where a scan is, and what it holds back.
struct Scan {
    state: StateID,
    held: Vec<Held>,
    /// How many bytes were passed over since the last that was not.
    skipped: usize,
    /// The line ended inside of the secret that was shown last.
    wrapped: bool,
}

impl Scan {
    fn new(matcher: &Matcher) -> Self {
        Self { state: matcher.start, held: Vec::new(), skipped: 0, wrapped: false }
    }

    fn feed(&mut self, matcher: &Matcher, byte: u8) {
        if is_skipped(byte) {
            self.held.push(Held { byte, mark: Mark::Skipped });
            self.skipped += 1;
            if self.skipped > MOST_SKIPPED {
                self.state = matcher.start;
            }
            return;
        }
        self.skipped = 0;
        self.state = matcher.automaton.next_state(Anchored::No, self.state, byte);
        self.held.push(Held { byte, mark: Mark::Plain });
        if matcher.automaton.is_match(self.state) {
            for index in 0..matcher.automaton.match_len(self.state) {
                let pattern = matcher.automaton.match_pattern(self.state, index);
                self.cover(matcher.automaton.pattern_len(pattern));
            }
        }
    }

    /// Marks the last `length` bytes as one secret. A short one does not go on in the next line: its two halves stand in
    /// any text.
    fn cover(&mut self, length: usize) {
        let Some(begin) = self.begin_of_last(length, length >= SHORTEST_ENCODED) else { return };
        let mut first = true;
        for held in self.held[begin..].iter_mut().filter(|held| held.mark != Mark::Skipped) {
            held.mark = match (first, held.mark) {
                (true, Mark::Inside) | (false, _) => Mark::Inside,
                (true, _) => Mark::First,
            };
            first = false;
        }
    }

    /// Where the last `length` bytes begin that are not passed over, or as many of them as are held.
    fn begin_of_last(&self, length: usize, over_lines: bool) -> Option<usize> {
        let (mut begin, mut left) = (self.held.len(), length);
        for (index, held) in self.held.iter().enumerate().rev() {
            match held.mark {
                _ if left == 0 => break,
                Mark::Skipped if !over_lines => return None,
                Mark::Skipped => {}
                _ => (begin, left) = (index, left - 1),
            }
        }
        Some(begin)
    }

    /// How many bytes at the end may be the beginning of a secret.
    fn begun(&self, matcher: &Matcher) -> usize {
        matcher.depth(self.state)
    }

    /// Shows the first `count` bytes of those that are held.
    fn release(&mut self, count: usize, shown: &mut Vec<u8>) {
        for held in self.held.drain(..count) {
            match held.mark {
                Mark::Skipped => {
                    shown.push(held.byte);
                    self.wrapped |= held.byte == b'\n';
                    continue;
                }
                Mark::Plain => shown.push(held.byte),
                Mark::Inside if !self.wrapped => {}
                Mark::First | Mark::Inside => shown.extend(MASK.bytes()),
            }
            self.wrapped = false;
        }
    }

    /// Shows what can't be part of a secret that has only begun.
    fn settle(&mut self, matcher: &Matcher, shown: &mut Vec<u8>) {
        let end = self.begin_of_last(self.begun(matcher), true).unwrap_or_default();
        self.release(end, shown);
    }

    /// Shows everything, a beginning of more than `most` bytes as [`MASK`].
    fn show_all(&mut self, matcher: &Matcher, most: usize, shown: &mut Vec<u8>) {
        let begun = self.begun(matcher);
        if begun > most {
            self.cover(begun);
        }
        self.release(self.held.len(), shown);
    }
}

/// Takes secrets out of a stream of bytes, however it is cut into pieces. It holds back no more than the longest form of
/// a secret.
pub struct Stream {
    redactor: Redactor,
    scan: Option<(Arc<Matcher>, Scan)>,
    shown: Vec<u8>,
}

impl Stream {
    /// Takes the next bytes; returns those that can be shown.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.feed(bytes);
        if let Some((matcher, scan)) = &mut self.scan {
            scan.settle(matcher, &mut self.shown);
        }
        std::mem::take(&mut self.shown)
    }

    /// The stream has ended: returns what was held back. A long beginning of a secret is hidden.
    pub fn finish(&mut self) -> Vec<u8> {
        if let Some((matcher, mut scan)) = self.scan.take() {
            scan.show_all(&matcher, CUT_BEGINNING - 1, &mut self.shown);
        }
        std::mem::take(&mut self.shown)
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.look_for_all();
        match &mut self.scan {
            None => self.shown.extend(bytes),
            Some((matcher, scan)) => {
                for byte in bytes {
                    scan.feed(matcher, *byte);
                }
            }
        }
    }

    /// What was registered meanwhile is looked for from here on.
    fn look_for_all(&mut self) {
        let now = self.redactor.matcher();
        let is_same = match (&now, &self.scan) {
            (Some(now), Some((matcher, _))) => Arc::ptr_eq(now, matcher),
            (now, scan) => now.is_none() && scan.is_none(),
        };
        if !is_same {
            if let Some((matcher, mut scan)) = self.scan.take() {
                scan.show_all(&matcher, CUT_BEGINNING - 1, &mut self.shown);
            }
            self.scan = now.map(|matcher| {
                let scan = Scan::new(&matcher);
                (matcher, scan)
            });
        }
    }
}

/// Takes secrets out of lines, those too that go on from one line to the next.
///
/// A line that ends in what may be the beginning of a secret (more than 3 bytes of it) waits for the next one, for
/// [`Lines::flush`] or for the end. Lines stay lines: as many come out as were put in.
pub struct Lines {
    stream: Stream,
}

impl Lines {
    /// Takes a line without its end; returns the lines that can be shown.
    pub fn push(&mut self, line: &str) -> Vec<String> {
        self.stream.feed(line.replace('\n', " ").as_bytes());
        self.stream.feed(b"\n");
        if let Some((matcher, scan)) = &mut self.stream.scan {
            if scan.begun(matcher) <= SHOWN_BEGINNING {
                scan.release(scan.held.len(), &mut self.stream.shown);
            } else {
                scan.settle(matcher, &mut self.stream.shown);
            }
        }
        self.whole_lines()
    }

    /// Whether a line waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.stream.shown.is_empty() || self.stream.scan.as_ref().is_some_and(|(_, scan)| !scan.held.is_empty())
    }

    /// Returns the lines that wait, the possible beginning of a secret hidden. Its rest will be too.
    pub fn flush(&mut self) -> Vec<String> {
        if let Some((matcher, scan)) = &mut self.stream.scan {
            scan.show_all(matcher, SHOWN_BEGINNING, &mut self.stream.shown);
        }
        self.whole_lines()
    }

    /// The stream has ended: returns the lines that wait. A long beginning of a secret is hidden.
    pub fn finish(&mut self) -> Vec<String> {
        self.stream.shown = self.stream.finish();
        self.whole_lines()
    }

    fn whole_lines(&mut self) -> Vec<String> {
        let shown = &mut self.stream.shown;
        let Some(end) = shown.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = shown.split_off(end + 1);
        let whole = std::mem::replace(shown, rest);
        whole[..end].split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }
}

impl Secrets {
    /// A redactor for these values.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.values.values().chain(&self.registered).cloned().collect())
    }
}
