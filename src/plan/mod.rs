//! What will be built: a definition × a matrix → fully resolved, serializable jobs.
//!
//! ```text
//! Given ── resolve_variables ──▶ Inputs ─┐
//! Definition + Sources ──────────────────┴─ plan ──▶ Plan ── select ──▶ jobs ──▶ render
//! ```
//!
//! Pure: no I/O, not async. Whatever planning needs from outside comes in as plain values that `cli` gathers once:
//! [`Given`], what is given from outside (values of variables, and the [`Facts`] of the commit and the CI run), and the
//! folder of the definition. What planning would have to look up
//! on disk goes out as a list ([`Plan::files`]) that `cli` checks, and the goss files of `tests` as [`Attempt::goss`], which it
//! reads. After planning every expression is evaluated but those of
//! `if:`, `env:` and `with:` that ask for what only the run can know. May know of `definition`, `expression`, `matrix`, of
//! `secret` (to put sensitive values there and nowhere else), and of the event vocabulary's
//! [`JobId`](crate::event::JobId).

mod contexts;
pub mod fanout;
mod inputs;
pub mod job;
mod lint;
mod machine;
mod model;
mod render;
mod resolve;
mod scope;
mod select;
mod steps;
mod testing;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

pub use contexts::contexts;
pub use inputs::{Facts, Given, HashFiles, Inputs, read_variables, resolve_variables};
pub use lint::lint;
pub use model::{FileKind, FileTrouble, NeededFile, Plan, missing_file, unusable_file};
pub use render::{PlanV1, json, table};
pub use resolve::{Attempt, attempt, plan};
pub use select::{SelectError, select};
pub use testing::Goss;
