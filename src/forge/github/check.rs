//! A check run as GitHub's API takes it: "Create a check run" and "Update a check run" of its REST API. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::event::JobId;

/// GitHub takes so many annotations in a request, and appends those of later ones.
pub(super) const BATCH: usize = 50;

/// What becomes of a job.
#[derive(Clone, Debug)]
pub enum Update {
    Started(JobId),
    Ended(JobId, Box<Ended>),
}

/// The end of a job. Limits of texts are its maker's to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub conclusion: Conclusion,
    /// One line.
    pub title: String,
    /// Markdown, at most 65,535 characters.
    pub summary: String,
    /// Any number.
    pub annotations: Vec<Annotation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    Success,
    Failure,
    Cancelled,
    Skipped,
}

/// A remark on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// From the root of the repository, with `/`.
    pub path: String,
    pub start_line: u32,
    pub end_line: u32,
    /// GitHub takes columns only where the remark is on one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
    pub annotation_level: Level,
    /// At most 64 KB.
    pub message: String,
    /// At most 255 characters.
    pub title: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Warning,
    Failure,
}

/// What GitHub has when the run is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Jobs whose check run is complete, with all of its annotations.
    pub carried: BTreeSet<JobId>,
    /// Why others are not, and what to do about it; for people.
    pub notice: Option<String>,
}
