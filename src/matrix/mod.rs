//! What a matrix expands to, by GitHub's rules, and what the cells are called.
//!
//! A [`Matrix`] of values that are already evaluated becomes [`Cell`]s ([`expand()`]), and these get stable, unique ids
//! ([`job_ids`]). Pure; knows of `expression` alone, for its loose equality.

mod expand;
mod slug;

pub use expand::{Cell, MAX_CELLS, Matrix, MatrixError, expand};
pub use slug::{job_ids, slug};
