//! Sinks for events, one file each.
//!
//! A [`Sink`] turns events into what someone reads: a terminal, a log, JSON Lines. Only this room and `cli` print. May
//! know of `event` alone; reports never call platforms.
