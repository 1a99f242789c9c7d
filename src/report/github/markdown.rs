//! Text that others wrote, inside Markdown as GitHub renders it. Pure.
//!
//! It only ever stands in code, inline or fenced: there GitHub sees no HTML, no links, no mentions, no emoji, and what one
//! copies is what was there.

use crate::report::text;

/// A code span. `|` would end a table's cell, and no way to escape it works in every renderer.
pub(super) fn code(text: &str) -> String {
    let text = text::line(text).replace('|', "¦").replace('\t', " ");
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    // A blank on both sides is taken off again, and lets the text begin and end with a backtick.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A fenced block; `language` is ours.
pub(super) fn block<'a>(language: &str, lines: impl IntoIterator<Item = &'a String>) -> String {
    let text: String = lines.into_iter().flat_map(|line| text::lines(line)).map(|line| format!("{line}\n")).collect();
    let fence = "`".repeat((longest_run(&text) + 1).max(3));
    format!("{fence}{language}\n{text}{fence}\n")
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_any_text() {
        assert_eq!(code("a*b_<b>@me"), "`a*b_<b>@me`");
        assert_eq!(code("`x``y`"), "``` `x``y` ```");
        assert_eq!(code("a|b\nc"), "`a¦b c`");
        assert_eq!(code(" \n"), "");
    }

    #[test]
    fn a_block_is_longer_fenced_than_anything_inside() {
        let lines = ["```".to_owned(), "````\n# heading".to_owned()];
        assert_eq!(block("text", &lines), "`````text\n```\n````\n# heading\n`````\n");
    }
}
