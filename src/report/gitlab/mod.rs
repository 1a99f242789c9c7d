//! GitLab CI/CD: what a job's `artifacts:reports` may name, in the output folder. Sections of the log are the console's
//! (`console/groups.rs`), test results are `junit.rs`.
//!
//! Rules and limits are in `docs/ci.md`; where each is from stands beside its constant.

mod dotenv;
mod links;
mod quality;
pub(super) mod sink;
