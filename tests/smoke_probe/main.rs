//! Probing machines: this one, as it is, under dash and under busybox; and a tree that has nothing but busybox.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells what it measured")]

mod commands;
mod facts;
mod machine;
mod names;
mod web;
