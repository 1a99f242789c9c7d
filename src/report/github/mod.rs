//! GitHub Actions: annotations on the lines that failed, check runs, the summary of the step, its outputs, and masks.
//!
//! Rules and limits of its runner are those of `docs/ci.md`; where each is from stands beside its constant. Masks,
//! groups, output and annotations go to one stream, standard error: the runner reads two pipes, and a mask that is sent
//! on one may come after the text that it should hide on the other.

pub(super) mod annotations;
mod checks;
pub(super) mod command;
mod markdown;
mod mermaid;
mod outputs;
pub(super) mod sink;
pub(super) mod step;
mod summary;
mod verdicts;

#[cfg(test)]
pub(super) mod runner;
