//! What `ovenbird init` writes: a first definition and a CI file for a repository, as texts.
//!
//! ```text
//! paths, texts of files ── Survey::of ──▶ Survey ─┬─ definition() ──▶ ovenbird.yml
//!                                                 └─ ci_files() ────▶ .github/… or .gitlab/…
//! ```
//!
//! Pure: `cli` lists the files, reads those that are asked for, and writes. What the language does not have yet is never
//! written as a key: found Ansible, Puppet and Chef become `upload` and `run` steps, everything else a comment.

mod ci;
mod definition;
mod packer;
mod survey;
#[cfg(test)]
mod tests;
mod yaml;

pub use ci::{Ci, File, ci_files, include_hint};
pub use definition::definition;
pub use survey::{Repository, Survey};
