//! Check runs, against a double of GitHub's API that holds every request against GitHub's own description of it.
//!
//! `server.mjs` says what it does; `scripts/setup.sh test` installs what it needs. Jobs that fail at once need no machine:
//! the image that they start from is not the one that its checksum is of.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod documents;
mod double;
mod faults;
mod runs;
