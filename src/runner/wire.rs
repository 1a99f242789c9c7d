//! What the supervisor and a job process say to each other: JSON Lines, versioned.
//!
//! ```text
//! supervisor ──▶ job (standard input)    1. secrets (secret.rs)   2. Start   …   open: the supervisor lives
//! supervisor ◀── job (standard output)   Events, and `{}` as a sign of life when there is nothing else to say
//! ```
//!
//! The end of standard input tells the job that its supervisor is gone: it stops as if it had been cancelled.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::plan::job::Job;

/// The version of [`Start`].
pub const VERSION: u32 = 1;

/// How often a job process gives a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// A job process that says nothing for so long hangs: many heartbeats, so that a busy machine is not taken for it.
pub const SILENCE: Duration = Duration::from_secs(90);

/// The second message on a job process's standard input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Start {
    pub version: u32,
    /// The run's id.
    pub run: String,
    /// The output folder of all jobs, absolute and real.
    pub out: Utf8PathBuf,
    /// The cache folder, absolute and real.
    pub cache: Utf8PathBuf,
    #[serde(default)]
    pub task: Task,
    pub job: Job,
}

/// What is to be done with a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Its image is built, and tested if it has tests.
    #[default]
    Build,
    /// Its tests are run with an image that is there (absolute), or with the machine that its platform names.
    Test { image: Option<Utf8PathBuf> },
}

/// A line of a job process's standard output.
#[derive(Debug, PartialEq)]
pub enum Line {
    Event(Box<Event>),
    Heartbeat,
}

/// What a job writes as a sign of life.
pub const HEARTBEAT_LINE: &str = "{}";

/// Reads a line of a job process's standard output.
///
/// # Errors
/// The line is neither: the job process is broken.
pub fn read_line(line: &str) -> serde_json::Result<Line> {
    if line.trim_end() == HEARTBEAT_LINE {
        return Ok(Line::Heartbeat);
    }
    serde_json::from_str(line).map(|event| Line::Event(Box::new(event)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, JobId};

    #[test]
    fn an_event_survives_the_wire() -> serde_json::Result<()> {
        let event = Event::now(Some(JobId("web".to_owned())), Body::Note { text: "line\nbreak".to_owned() });
        let line = serde_json::to_string(&event)?;
        assert!(!line.contains('\n'));
        assert_eq!(read_line(&line)?, Line::Event(Box::new(event)));
        assert_eq!(read_line("{}\n")?, Line::Heartbeat);
        assert!(read_line("Segmentation fault").is_err());
        Ok(())
    }
}
