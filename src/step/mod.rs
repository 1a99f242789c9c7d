//! Provisioning: runs the steps of a job in order, as GitHub Actions would.
//!
//! [`sequence`] is the loop: conditions, `continue-on-error`, retries, time limits, cancelling. One file an action does
//! the work: `run` (also `script` and `local`, by the machinery in `script`), `upload`, `download`, `reboot`; `uses` is the
//! loop again, over the steps of a file. When a script fails, `blame` finds the line and the command that ended it, from
//! what `trap.sh` wrote down in bash or from the words of the shell itself; `recognize` finds what the tool said that
//! failed, and `place` the line of the repository that the tool means. May know of `guest`, `expression`,
//! `plan::job`, `context`, `secret`, `event`.
//!
//! A script step is one round trip. It carries the script, its environment and `trap.sh` on *standard input*, so that
//! nothing of it is in a process list, makes the private folder `ovenbird-step.*` (in `/run`, which is memory, where
//! possible), and becomes the script's shell. After a failure, and after a step with an `id`, a second one reads what
//! `trap.sh` and the script (`outputs`) wrote and removes the folder; else the next script does that on its way.
//! Arguments of a `script:` are in the guest's process list while it runs: there is no other way to hand a program its
//! arguments.

mod blame;
mod bundle;
mod condition;
mod download;
mod output;
mod outputs;
mod place;
mod reboot;
mod recognize;
mod run;
mod script;
mod sequence;
mod trap;
mod upload;
mod uses;

pub use sequence::{Summary, run_all};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests;
