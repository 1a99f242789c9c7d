//! Files and trees to and from a guest: one tar stream over a command's input or output, packed and unpacked here.
//!
//! ```text
//! put: survey (what, how much) → prepare (owner's numbers, folders that are there) → pack ─▶ `tar -x`
//! get: `tar -c` ─▶ archive (headers, bounded) → unpack (nothing outside `to`)
//! ```
//!
//! The guest needs `sh` and `tar`; GNU tar and busybox both do. Files are streamed, never whole in memory. Holes travel as
//! holes when the guest has GNU tar, and as zeros when it has busybox (which knows no sparse members). What is copied
//! belongs to root, or to the owner that was asked for, never to whoever builds; folders that are there already keep their
//! owner and mode.
//!
//! The guest is hostile: [`unpack`] walks folders by descriptor without following a link, so that no name and no link leads
//! out of `to`, drops set-id bits, makes no devices, and gives headers a bounded size.

mod archive;
mod get;
mod pack;
mod put;
mod survey;
mod unpack;

pub(super) use get::get;
pub(super) use put::put;
