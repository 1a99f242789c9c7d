//! The workflows that people copy or call: `.github/workflows`, `templates`, `examples/ci`. What GitHub and GitLab would
//! refuse, and what their linters know to be dangerous, fails here.

#![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

mod lint;
