//! Whole builds, as a person runs them: `ovenbird build` on real QEMU guests. Most use the tiny guest that the tests make
//! from Debian's packages; it boots in seconds.

#![expect(clippy::unwrap_used, reason = "tests")]

mod build;
mod debian;
mod kill;
mod support;
#[path = "../support/tiny_guest.rs"]
mod tiny_guest;
mod unhappy;
