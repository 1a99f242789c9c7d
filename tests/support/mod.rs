//! What integration tests share. Each test binary uses a part of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "each test binary uses a part of it"
)]

pub mod act;
pub mod debian;
pub mod docker;
pub mod real_goss;
pub mod room;
pub mod tiny_guest;
