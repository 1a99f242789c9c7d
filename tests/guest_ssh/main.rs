//! Guests over SSH: a real `sshd` for what works, a scripted server for what must not hurt.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it measured"
)]

mod command;
mod connect;
mod files;
mod host;
mod hostile;
mod liar;
mod probe;
mod server;
mod speed;
