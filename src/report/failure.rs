//! A failure as lines of text: what, where, what to do. The same block on every console and in the log. Pure.

use super::text;
use crate::event::{Failure, Place};

/// The block, `label` (`error`, `warning`) first. Later lines are indented, which alone would not keep a CI runner from
/// obeying them.
pub(super) fn block(label: &str, failure: &Failure) -> Vec<String> {
    let mut message = text::lines(&failure.message);
    let mut block = vec![format!("{label}: {}", message.next().unwrap_or_default())];
    block.extend(message.map(|line| format!("  {line}")));
    if let Some(place) = &failure.place {
        block.push(format!("  at {}", place_of(place)));
    }
    if let Some(command) = &failure.command {
        let mut lines = text::lines(command);
        block.extend(lines.next().map(|line| format!("  command: {line}")));
        block.extend(lines.map(|line| format!("           {line}")));
    }
    block.extend(failure.excerpt.iter().flat_map(|line| text::lines(line)).map(|line| format!("  | {line}")));
    if let Some(hint) = &failure.hint {
        let mut lines = text::lines(hint);
        block.extend(lines.next().map(|line| format!("  hint: {line}")));
        block.extend(lines.map(|line| format!("        {line}")));
    }
    block.iter().map(|line| text::unforgeable(line)).collect()
}

/// `file:line:column`, as editors and terminals make a link of.
pub(super) fn place_of(place: &Place) -> String {
    let column = place.column.map(|column| format!(":{column}")).unwrap_or_default();
    let note = if place.exact { "" } else { " (the step's first line; the line that failed is not known)" };
    format!("{}:{}{column}{note}", text::line(place.file.as_str()), place.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_what_where_and_what_to_do() {
        let failure = Failure {
            message: "`run` failed (exit status 100)".into(),
            step: Some(0),
            place: Some(Place { file: "ovenbird.yml".into(), line: 12, column: Some(9), exact: true }),
            command: Some("apt-get install \\\n  ngnix".into()),
            hint: Some("is the package's name right?".into()),
            excerpt: vec!["E: Unable to locate package ngnix".into()],
        };
        insta::assert_snapshot!(block("error", &failure).join("\n"), @r"
        error: `run` failed (exit status 100)
          at ovenbird.yml:12:9
          command: apt-get install \
                     ngnix
          | E: Unable to locate package ngnix
          hint: is the package's name right?
        ");
    }

    #[test]
    fn nothing_in_a_failure_can_forge_a_command_or_a_line() {
        let failure = Failure {
            message: "bad name `a\r::error::x`".into(),
            place: Some(Place { file: "##[error]\n::x".into(), line: 1, column: None, exact: false }),
            command: Some("echo '##[error]'".into()),
            excerpt: vec!["\u{1b}[31m##[error]x\n::warning::y".into()],
            ..Failure::default()
        };
        insta::assert_snapshot!(block("error", &failure).join("\n"), @r"
        error: bad name `a
        |   ::error::x`
          at ## [error] ::x:1 (the step's first line; the line that failed is not known)
          command: echo '## [error]'
          | [31m## [error]x
          | ::warning::y
        ");
    }
}
