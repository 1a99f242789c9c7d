//! (being written)

pub mod bootstrap;
