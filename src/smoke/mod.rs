//! Smoke tests: what a finished image must be, asked of a machine that was booted from it.
//!
//! ```text
//! goss files ──▶ spec ──▶ probe (facts, over one connection) ──▶ evaluate (matchers) ──▶ TestResult ──▶ format, events
//! ```
//!
//! The format is goss's, unchanged (goss-org/goss, `docs/gossfile.md`). The work is split: a [`spec`] says what is
//! expected, a probe finds what is there ([`finding`]), and the evaluation compares both and writes [`verdict`]s, here and
//! not in the guest. [`load`] renders goss files ([`template`]) and follows their imports; [`format`] prints results as goss
//! does. Everything but probing is pure. May know of `guest`, and of `source` and `diagnostic`, which say where in a goss
//! file a mistake is; [`checks`], of what seal removes (`image::residue`); never of platforms.

pub mod checks;
pub mod evaluate;
pub mod finding;
pub mod format;
mod golang;
pub mod load;
pub mod matcher;
pub mod probe;
pub mod spec;
pub mod template;
pub mod verdict;
