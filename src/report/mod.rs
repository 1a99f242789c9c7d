//! Sinks for events, one file each.
//!
//! A [`Sink`] turns events into what someone reads: a terminal ([`console`]), a job's log ([`log`]), JSON Lines
//! ([`jsonl`]), the closing table ([`table`]). [`Reports`] hands each event to all of them. Standard output is data (the
//! table), standard error is talk (the console).
//!
//! What a guest, a tool or a definition wrote is hostile: every sink that writes text takes it through [`text`], which
//! leaves nothing that a terminal or a CI runner would obey. Only this room and `cli` print. May know of `event` alone;
//! reports never call platforms.

mod console;
mod failure;
mod jsonl;
mod log;
mod sinks;
mod table;
#[cfg(test)]
mod testing;
mod text;

pub use sinks::{ConsoleMode, Options, Reports, Sink};
