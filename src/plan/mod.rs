//! What will be built: a definition × a matrix → fully resolved, serializable jobs.
//!
//! Pure: no I/O, not async. Whatever planning needs from outside (variables' values, the definition's text) comes in as
//! a plain [`Inputs`] value that `cli` gathers once. May know of `definition`, `expression`, `matrix`, and the event
//! vocabulary's [`JobId`](crate::event::JobId).

pub mod job;
