//! Exit statuses, as the README lists them for scripts to branch on.

use std::process::ExitCode;

use super::ci;
use crate::context::failure_of;
use crate::report;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: done.
    Done,
    /// 1: a build failed.
    Failed,
    /// 2: the definition or the command line is wrong.
    Wrong,
    /// 3: images were built, and tests of them failed.
    TestsFailed,
    /// What another program's status would be, where a command stands in for it.
    Status(u8),
    /// 128 and the signal's number: cancelled.
    Cancelled(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Wrong => Self::from(2),
            Exit::TestsFailed => Self::from(3),
            Exit::Status(status) => Self::from(status),
            // Signals end at 64, so the sum fits.
            Exit::Cancelled(signal) => Self::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        }
    }
}

/// The command line, a file that it names, or the definition is wrong: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Wrong {
    pub message: String,
    pub hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Tells an error on standard error, with what to do about it: as lines, or inside GitHub Actions as one annotation.
pub(super) fn report(error: &anyhow::Error, colour: bool) -> ExitCode {
    report_as(error, colour, ci::is_github())
}

/// [`report`] of a job's process, whose words are its supervisor's to tell.
pub(super) fn report_job(error: &anyhow::Error) -> ExitCode {
    report_as(error, false, false)
}

#[expect(clippy::print_stderr, reason = "the command line's last word")]
fn report_as(error: &anyhow::Error, colour: bool, is_github: bool) -> ExitCode {
    let wrong = error.downcast_ref::<Wrong>();
    let hint = wrong.map_or_else(|| failure_of(error).hint, |wrong| wrong.hint.clone());
    let message = format!("{error:#}");
    if is_github {
        eprint!("{}", report::last_word("ovenbird", &message, hint.as_deref()));
    } else {
        eprint!("{}", lines(&message, hint.as_deref(), colour));
    }
    if wrong.is_some() { Exit::Wrong.into() } else { Exit::Failed.into() }
}

/// Both may quote what others wrote, such as the name of a file.
fn lines(message: &str, hint: Option<&str>, colour: bool) -> String {
    let (start, end) = if colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    let clean = |text: &str| report::lines(text).collect::<Vec<_>>().join("\n");
    let hint = hint.map(|hint| format!("hint: {}\n", clean(hint))).unwrap_or_default();
    report::disarmed(&format!("{start}error{end}: {}\n{hint}", clean(message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_quotes_steers_neither_a_terminal_nor_a_runner() {
        assert_eq!(
            lines("no `a\n::error::x\u{1b}[2J##[error]y`", Some("b\n  c"), true),
            "\u{1b}[1;31merror\u{1b}[0m: no `a\n| ::error::x[2J## [error]y`\nhint: b\n  c\n"
        );
    }
}
