//! Exit statuses, as the README lists them for scripts to branch on.

use std::process::ExitCode;

use crate::context::failure_of;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: done.
    Done,
    /// 1: a build failed.
    Failed,
    /// 2: the definition or the command line is wrong.
    Wrong,
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

/// Tells an error on standard error, with what to do about it.
#[expect(clippy::print_stderr, reason = "the command line's last word")]
pub(super) fn report(error: &anyhow::Error, colour: bool) -> ExitCode {
    let (start, end) = if colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    eprintln!("{start}error{end}: {error:#}");
    let wrong = error.downcast_ref::<Wrong>();
    let hint = wrong.map_or_else(|| failure_of(error).hint, |wrong| wrong.hint.clone());
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    if wrong.is_some() { Exit::Wrong.into() } else { Exit::Failed.into() }
}
