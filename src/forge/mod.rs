//! Which commit and which CI run a build belongs to: what expressions read as `git` and `ci`.
//!
//! [`Git`] comes from the repository that the definition is in, by asking the `git` program; [`Ci`] from the variables
//! that a CI system sets. Neither ever fails: what can't be known is null, so that one definition works in every CI and on
//! a laptop. `docs/definition.md` documents each key and where it comes from. May know of `expression`, whose values
//! they become. [`github`] writes to GitHub what reports want to be seen there.

mod ci;
mod git;
pub mod github;

pub use ci::Ci;
pub use git::Git;

use crate::expression::Value;

/// A text, or null.
fn text(value: Option<&String>) -> Value {
    value.map_or(Value::Null, |text| Value::from(text.as_str()))
}
