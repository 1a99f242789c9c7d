//! Sinks for events, one file each.
//!
//! A [`Sink`] turns events into what someone reads: a terminal ([`console`]), a job's log ([`log`]), JSON Lines
//! ([`jsonl`], [`spool`]), the closing table ([`table`]), test results ([`junit`]), the run's page ([`html`]), and what CI
//! services show ([`github`], [`gitlab`]). [`Reports`] hands each event to all of them. Those that speak at the end collect a
//! [`run`] first; [`replay`] has them speak of jobs that ran elsewhere. Standard output is data (the table), standard error is
//! talk (the console, and every command to a CI runner).
//!
//! What a guest, a tool or a definition wrote is hostile: every sink that writes text takes it through [`text`], which
//! leaves nothing that a terminal or a CI runner would obey. Only this room and `cli` print. May know of `event`, of
//! `secret` the masks that a CI runner is told, and of `forge` the check runs that it fills in. Reports never call platforms,
//! and read no environment: [`ci`] holds what they need of it.

mod ci;
mod console;
mod failure;
mod file;
mod github;
mod gitlab;
#[cfg(test)]
mod hostile;
mod html;
mod jsonl;
mod junit;
mod log;
mod replay;
mod run;
mod sinks;
mod spool;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod verdict;

pub use ci::{Annotations, Ci, GitHub, GitLab, Setting};
pub use github::step::{give_outputs, last_word};
pub use replay::{ReplayOptions, is_story, replay};
pub use sinks::{ConsoleMode, Options, Reports, Sink};
pub use text::{disarmed, line as one_line, lines};
