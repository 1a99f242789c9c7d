//! For tests alone: YAML written where it stands in the code.

/// The text without the indentation that the code gives it; one that does not begin with a line break stays as it is.
pub(crate) fn dedent(text: &str) -> String {
    let Some(text) = text.strip_prefix('\n') else { return text.to_owned() };
    let indented = text.lines().filter(|line| !line.trim().is_empty());
    let indent = indented.map(|line| line.len() - line.trim_start_matches(' ').len()).min().unwrap_or_default();
    let lines: Vec<&str> =
        text.trim_end_matches(' ').lines().map(|line| line.get(indent..).unwrap_or_default()).collect();
    lines.join("\n") + "\n"
}
