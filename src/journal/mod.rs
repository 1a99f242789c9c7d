//! The write-ahead record of everything that is created outside the process, and what removes it again.
//!
//! Before a program is started or a file or folder is made outside the job's own output, its *intent* is on disk; after,
//! its *fact* (the process id); when it is gone again, that it is *done*. Killing any process of ours at any instant
//! leaves a journal from which [`cleanup`] removes everything. A journal is locked while its owner lives, so a cleanup
//! never touches a run that still works.
//!
//! ```text
//! <out>/.journal/<run>/run.jsonl      the supervisor's: job processes
//! <out>/.journal/<run>/job-<id>.jsonl a job's: QEMU and other programs, work folders, downloads
//! ```
//!
//! May know of `platform` through one function, once platforms create what is not on this machine.

pub mod cleanup;
pub mod process;
pub mod record;

pub use record::{Entry, Journal, Resource};
