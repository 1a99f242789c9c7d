//! Texts as YAML that reads as the same texts.

use serde_json::Value;

/// A scalar: plain where nobody could read it differently, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|char: char| char.is_ascii_alphabetic() || "./".contains(char))
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "_./-".contains(char))
        && text.chars().any(|char| char.is_ascii_alphabetic())
        && !["true", "false", "null", "yes", "no", "on", "off", ".inf", ".nan"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// Line breaks to one version of YAML and letters to the other, and the byte-order mark.
const AMBIGUOUS: [char; 4] = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];

/// A scalar in quotes: a string of JSON is one of YAML.
pub(super) fn quoted(text: &str) -> String {
    let escape = |text: String, char: char| text.replace(char, &format!("\\u{:04x}", u32::from(char)));
    AMBIGUOUS.into_iter().fold(Value::from(text).to_string(), escape)
}

/// A text of several lines as the value of a key that stands `indent` deep, with what follows the colon.
pub(super) fn block(text: &str, indent: usize) -> String {
    let is_hard = |char: char| char.is_control() && char != '\n' && char != '\t' || AMBIGUOUS.contains(&char);
    if text.starts_with([' ', '\n', '\t']) || text.chars().any(is_hard) || text.trim().is_empty() {
        return quoted(text);
    }
    let lines = text.trim_end().lines().map(|line| match line.trim_end() {
        "" => String::new(),
        line => format!("{}{line}", " ".repeat(indent + 2)),
    });
    format!("|\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// A text as the lines of a comment. No line of it can end the comment.
pub(super) fn comment(text: &str, indent: usize) -> String {
    let clean = |line: &str| line.replace(|char: char| char.is_control() || AMBIGUOUS.contains(&char), " ");
    let lines =
        text.lines().map(|line| format!("{}# {}", " ".repeat(indent), clean(line)).trim_end().to_owned() + "\n");
    lines.collect()
}
