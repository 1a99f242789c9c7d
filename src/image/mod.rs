//! Disks: what a machine starts from, and what it becomes.
//!
//! ```text
//! bootstrap, fetch ─▶ (a machine runs on it) ─▶ seal ─▶ (it is shut down, its disk captured) ─▶ inspect ─▶ convert ─▶ manifest
//! ```
//!
//! [`bootstrap`] makes a bootable Debian disk from a package mirror; [`mod@fetch`] brings a base image here, verified and
//! unpacked; [`mod@seal`] removes a build's residue inside the
//! guest and [`mod@inspect`] proves on the finished disk that it is gone, both from the one table in [`residue`];
//! [`mod@convert`] writes the output files; [`manifest`] records what was built. Nothing is ever mounted. Knows nothing
//! of platforms but [`Disk`](crate::platform::Disk).

pub mod bootstrap;
mod checksum;
pub mod collect;
mod compress;
pub mod convert;
mod decompress;
mod download;
pub mod fetch;
mod file;
mod filesystem;
pub mod inspect;
pub mod manifest;
mod probe;
pub mod residue;
pub mod seal;

pub use convert::convert;
pub use fetch::{Fetched, fetch};
pub use inspect::{Inspection, inspect};
pub use seal::{SealPlan, Sealed, seal};
