//! What people and programs read of a definition that is wrong: `ovenbird validate`, run as they run it.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking")]

mod completeness;
mod files;
mod formats;
mod goss;
mod project;
mod rules;
mod scripts;
mod warnings;
