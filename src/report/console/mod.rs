//! What a person sees while jobs run: [`live`] on a terminal, [`groups`] in the log of a CI service that can fold lines,
//! [`plain`] elsewhere. All write to standard error.
//!
//! May know of `event` and of the report room's text functions.

pub(super) mod groups;
pub(super) mod live;
pub(super) mod plain;
