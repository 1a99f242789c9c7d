//! The real goss 0.4.9 inside a guest, and ours from outside over SSH: the same specification, assertion by assertion.
//!
//! Two guests: Debian with systemd, and the tests' tiny one, which has no init system, package manager or `ip` that goss
//! knows. What differs on purpose is in [`machines::DIFFERENT`], each with its reason.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells what it compared")]
#![allow(clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod forms;
mod machines;
mod rendering;
