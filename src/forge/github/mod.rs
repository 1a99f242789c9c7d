//! What Ovenbird writes to GitHub: check runs, one for each job.
//!
//! ```text
//! report ── Update ──▶ Checks ──▶ task that owns the runs ──▶ one task a job ──▶ Client ──▶ GitHub
//!        ◀─ Settled ──                                         create … conclude
//! ```
//!
//! Nobody waits for GitHub while a build runs: updates go into a queue that has room for all of them, and only the end of
//! the run waits, for as long as [`checks`] says. Nothing here can fail a build: what can't be written is told by
//! [`Settled`], and the reports say it by the means that need no permission.

mod check;
mod checks;
mod client;
mod permission;
mod target;

pub use check::{Annotation, Conclusion, Ended, Level, Settled, Update};
pub use checks::Checks;
