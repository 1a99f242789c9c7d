//! The typed model of `ovenbird.yml`, and how text becomes one.
//!
//! [`load`] reads a file in three steps, each of which collects mistakes and goes on: `decode` and its siblings (one file
//! for each part of the language) turn the YAML value into the `model`, with the step files that it uses (`uses`); the matrix is expanded; `check` looks at every
//! `${{ }}` that decoding met. What is left for planning is to put values in: a [`Field`] is a value that is known, or a
//! template with the function that will read its result, so a setting is read by the same rules from the file and from a
//! matrix. The keys that there are come from the types of `language`, of which the JSON Schema ([`schema()`]) is made too.
//! `docs/definition.md` documents the language. Pure; may know of `source`, `diagnostic`, `expression`, `matrix`, of `plan::job` for the words that a setting can be (`Arch`, `Firmware` …), nothing else of it, and of `smoke` for what goss files say.

mod broken;
mod check;
mod context;
mod decode;
mod files;
mod foreign;
mod given;
mod hint;
mod injection;
mod language;
#[cfg(test)]
mod large;
mod load;
mod model;
mod numbers;
mod output;
mod platform;
mod scalar;
mod schema;
mod secrets;
mod step;
mod strategy;
mod testing;
#[cfg(test)]
mod tests;
mod unused;
mod uses;
mod variable;

pub use broken::{Broken, Unknown};
pub(crate) use check::{alone, is_status_function, sensitive_alone};
#[cfg(test)]
pub(crate) use context::{CI_KEYS, GIT_KEYS, IMAGE_KEYS, JOB_KEYS, PLATFORM_KEYS, STRATEGY_KEYS};
pub(crate) use decode::bad_value;
#[cfg(test)]
pub(crate) use files::among;
pub use files::{Base, ReadFile, Unreadable, Wanted};
pub use given::{GivenMatrix, GivenText};
pub(crate) use hint::hint;
pub use load::{Loaded, Report, load, read};
pub use model::{
    Action, Condition, Debian, Defaults, Definition, EnvVar, Field, Input, List, Platform, Problem, Read, Setting,
    Source, Step, StepFile, Strategy, Tests, TextField, Variable, Waiver, With,
};
pub(crate) use scalar::{as_version, is_url, is_user, parse_memory, parse_size, show_size};
pub use schema::{schema, steps_schema};
pub(crate) use strategy::platform_of;
pub(crate) use testing::{TESTS, VARS};
pub(crate) use uses::name_both_files;
