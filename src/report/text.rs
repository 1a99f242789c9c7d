//! Text as reports write it: harmless, and the same everywhere.
//!
//! Events are cleaned where they are made, but a report does not rely on it: it is the last one before a terminal and a
//! CI runner. GitHub's runner obeys a line that starts with `::name::` and a `##[name]` *anywhere* in a line, also after a
//! lone carriage return; GitLab and terminals obey escape sequences. Pure.

use unicode_width::UnicodeWidthStr;

use crate::event::Outcome;

/// GitHub's old form of a workflow command, which its runner looks for in the whole line.
const COMMAND: &str = "##[";

/// The text as lines without control characters and without anything that a CI runner would obey. A caller puts
/// something in front of each line, so that none starts with `::`.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split(['\n', '\r']).filter(|line| !line.is_empty()).map(line)
}

/// The text as one such line.
pub fn line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\t' => clean.push(char),
            '\n' | '\r' => clean.push(' '),
            char if char.is_control() => {}
            // Line separators and bidirectional overrides break or reorder what a person reads.
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            char => clean.push(char),
        }
    }
    // Only now: a control character inside must not hide the mark. A blank is seen by people, unlike U+200B.
    if clean.contains(COMMAND) { clean.replace(COMMAND, "## [") } else { clean }
}

/// A clean line that has nothing of ours in front, so that a CI runner does not take it for a command.
pub(super) fn unforgeable(line: &str) -> String {
    match line.trim_start().starts_with("::") {
        true => format!("| {line}"),
        false => line.to_owned(),
    }
}

/// Lines of ours with their colours, which quote what others wrote, without anything that a CI runner would obey.
pub fn disarmed(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace('\r', " ").replace(COMMAND, "## [");
        // The mark of another file in an excerpt. No command's name begins with a colon.
        if line.trim_start().starts_with(":::") { line } else { unforgeable(&line) }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A JSON text that means the same and that no CI runner obeys when someone prints it. After `##`, a `[` is text inside a
/// string, where its escape means the same.
pub(super) fn json(json: &str) -> String {
    json.replace(COMMAND, "##\\u005b")
}

/// At most `bytes` of the text, cut between characters; what was cut is marked.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(MARK.len()));
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

/// Columns that the text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text, with blanks up to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// [`pad`], to the right edge.
pub(super) fn pad_left(text: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(text));
    format!("{}{text}", " ".repeat(blanks))
}

/// A size for people.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub(super) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["KiB", "MiB", "GiB", "TiB"] {
        value /= 1024.0;
        // What would be shown as 1024.0 belongs to the next unit.
        if value < 1023.95 || unit == "TiB" {
            return if bytes < 1024 { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
    }
    format!("{bytes} B")
}

/// A duration for people.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole seconds, not below zero")]
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    let whole = seconds.round() as u64;
    match whole / 3600 {
        0 => format!("{}m{:02}s", whole / 60, whole % 60),
        hours => format!("{hours}h{:02}m", whole % 3600 / 60),
    }
}

/// An outcome in the words of GitHub.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Cancelled => "cancelled",
        Outcome::Skipped => "skipped",
    }
}

/// Puts colour on words that say the same without it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) colour: bool,
}

impl Paint {
    pub(super) fn outcome(self, text: &str, outcome: Outcome) -> String {
        match outcome {
            Outcome::Success => self.wrap(text, "32"),
            Outcome::Failure => self.wrap(text, "1;31"),
            Outcome::Cancelled => self.wrap(text, "33"),
            Outcome::Skipped => self.wrap(text, "2"),
        }
    }

    pub(super) fn heading(self, text: &str) -> String {
        self.wrap(text, "1")
    }

    pub(super) fn job(self, text: &str) -> String {
        self.wrap(text, "36")
    }

    fn wrap(self, text: &str, code: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_command_in_the_old_form_is_broken_wherever_it_stands() {
        assert_eq!(line("see ##[error]x and ##[add-mask]y"), "see ## [error]x and ## [add-mask]y");
        assert_eq!(line("###[error]x"), "### [error]x");
    }

    #[test]
    fn a_control_character_cannot_hide_a_workflow_command() {
        assert_eq!(line("#\u{1b}#\u{0}[error]x"), "## [error]x");
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line() {
        assert_eq!(lines("10%\r::error::x\r\ny").collect::<Vec<_>>(), ["10%", "::error::x", "y"]);
    }

    #[test]
    fn a_line_with_nothing_in_front_never_starts_as_a_workflow_command() {
        assert_eq!(unforgeable(" ::error::x"), "|  ::error::x");
        assert_eq!(unforgeable("a::b"), "a::b");
    }

    #[test]
    fn lines_of_ours_keep_their_colours_and_break_the_commands_in_them() {
        assert_eq!(
            disarmed("\u{1b}[1merror\u{1b}[0m: a\r::b\n ::error::x\n ::: a.yml:1:2\n3 | ##[error]y\n"),
            "\u{1b}[1merror\u{1b}[0m: a ::b\n|  ::error::x\n ::: a.yml:1:2\n3 | ## [error]y\n"
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("grün", 5), "grün");
        assert_eq!(cut("grüner", 6), "gr…");
        assert_eq!(cut("abc", 0), "…");
    }

    #[test]
    fn sizes_and_durations_are_short() {
        let sizes = [0, 1023, 1024, 1_048_575, 1_048_576, 168_820_736, 4_294_967_296];
        assert_eq!(
            sizes.map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "161.0 MiB", "4.0 GiB"].map(str::to_owned)
        );
        let seconds = [0.0, 0.04, 59.94, 59.96, 102.4, 3599.6, 7261.0];
        assert_eq!(
            seconds.map(duration),
            ["0.0s", "0.0s", "59.9s", "1m00s", "1m42s", "1h00m", "2h01m"].map(str::to_owned)
        );
    }

    #[test]
    fn padding_counts_columns_not_characters() {
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad_left("é", 3), "  é");
    }
}
