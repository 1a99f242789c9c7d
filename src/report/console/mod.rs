//! What a person sees while jobs run: [`live`] on a terminal, [`plain`] elsewhere. Both write to standard error.
//!
//! May know of `event` and of the report room's text functions.

pub(super) mod live;
pub(super) mod plain;
