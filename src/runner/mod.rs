//! Running a plan: one process a job, watched by one supervisor.
//!
//! `supervisor` owns the truth and is the only one that decides; job processes send it messages (`wire`). `policy` says
//! which job runs when, without waiting for anything. `job` is the life of one job, as phases, inside its own process:
//!
//! ```text
//! source ─▶ boot ─▶ steps ─▶ seal ─▶ inspect ─▶ convert ─▶ (test) ─▶ manifest
//!    └────────┴───────┴────────┴────────┴──────────┴─▶ (failed, cancelled) evidence ─▶ destroy ─▶ clean work folder
//! ```
//!
//! `test` boots throw-away copies of the finished image. Images whose tests fail stay, and so does their manifest.
//!
//! May know of every room but `cli` and `report`.

mod evidence;
pub mod job;
pub mod policy;
mod process;
mod record;
pub mod supervisor;
mod test;
pub mod wire;
