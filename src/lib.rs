//! Ovenbird: a CI-native machine-image builder.
//!
//! Data runs one way: text becomes a typed [`definition`], a definition and a matrix become a [`plan`], a plan becomes
//! jobs, a job becomes artifacts and [`event`]s, events become reports. Nothing reaches back. `docs/architecture.md`
//! draws the rooms and says what each may know of.

pub mod cli;
pub mod context;
pub mod definition;
pub mod diagnostic;
pub mod event;
pub mod expression;
pub mod forge;
pub mod guest;
pub mod image;
pub mod init;
pub mod journal;
pub mod matrix;
pub mod pid1;
pub mod plan;
pub mod platform;
pub mod program;
pub mod report;
pub mod runner;
pub mod secret;
pub mod smoke;
pub mod source;
pub mod step;
