//! What a matrix expands to, by GitHub's rules, where it is read from, and what the cells are called.
//!
//! ```text
//! strategy.matrix of the definition ─┐
//! … of a job of a workflow (github) ─┴─ read ─▶ Matrix ── expand ──▶ Cells ── job_ids ──▶ ids
//! parallel.matrix of a job of GitLab's configuration (gitlab) ──────▶ Cells ┘
//! ```
//!
//! A [`Matrix`] of values that are already evaluated becomes [`Cell`]s ([`expand()`]), and these get stable, unique ids
//! ([`job_ids`]). Pure: whoever calls has read the files. Knows of `expression`, for its loose equality and for what
//! stands in `${{ }}`, and of `source` and `diagnostic`, to say where a matrix is wrong.

mod expand;
mod github;
mod gitlab;
mod origin;
mod read;
mod slug;

pub use expand::{Cell, MAX_CELLS, Matrix, MatrixError, expand};
pub use github::Setting;
pub use gitlab::{Include, includes, matches};
pub use origin::{Job, System, jobs_with_matrix, of_job, system};
pub use read::{Found, NEEDS_CONTEXTS, read, read_cell, read_given};
pub use slug::{job_ids, slug};
