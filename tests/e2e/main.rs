//! Whole builds, as a person runs them: `ovenbird build` on real QEMU guests. Most use the tiny guest that the tests make
//! from Debian's packages; it boots in seconds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking, and tells what it did"
)]

mod build;
mod debian;
mod kill;
#[path = "../support/mod.rs"]
mod shared;
mod support;
mod tested;
mod told;
mod unhappy;
