//! What commands that run no job give to their step of a workflow.

use std::io;

use camino::Utf8Path;

use super::{command, outputs};
use crate::report::{file, text};

/// How much of a message the runner keeps, in characters (`ActionCommandManager.cs`); we count bytes, which are no fewer.
const LONGEST_MESSAGE: usize = 4096;

/// The error that ends a command, as one annotation of the step. What to do about it is never cut.
#[must_use]
pub fn last_word(title: &str, message: &str, hint: Option<&str>) -> String {
    let clean = |text: &str| text::lines(text).collect::<Vec<_>>().join("\n");
    let hint = hint.map(|hint| format!("\nhint: {}", clean(hint))).unwrap_or_default();
    let hint = text::cut(&hint, LONGEST_MESSAGE / 2);
    let message = text::cut(&clean(message), LONGEST_MESSAGE - hint.len());
    command::line("error", &[("title", text::line(title))], &(message + &hint))
}

/// Adds outputs to the file that `GITHUB_OUTPUT` names. `token` is new in every run, so that no value can end itself.
///
/// # Errors
/// The file can't be written.
pub fn give_outputs(path: &Utf8Path, token: &str, values: &[(&str, &str)]) -> io::Result<()> {
    let entries: String = values.iter().map(|(name, value)| outputs::entry(name, value, token)).collect();
    file::append(path, entries.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::github::runner::Runner;

    #[test]
    fn the_last_word_is_one_annotation_whatever_it_quotes() {
        let message = "no file `a\n::warning::forged\r##[error]b`";
        let runner = Runner::read(last_word("ovenbird", message, Some("name\nanother")).as_bytes());
        assert_eq!(runner.commands.len(), 1);
        let shown: Vec<_> = runner.annotations.iter().map(|one| (one.level.as_str(), one.message.as_str())).collect();
        assert_eq!(shown, [("error", "no file `a\n::warning::forged\n## [error]b`\nhint: name\nanother")]);
    }

    #[test]
    fn a_message_without_end_leaves_room_for_what_to_do() {
        let text = last_word("ovenbird", &"x".repeat(100_000), Some("do this"));
        let runner = Runner::read(text.as_bytes());
        assert!(runner.annotations.iter().all(|one| one.message.ends_with("…\nhint: do this")), "{text}");
        assert_eq!(runner.annotations.len(), 1);
    }
}
