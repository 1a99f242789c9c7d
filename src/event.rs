//! The one vocabulary that everything reports in.
//!
//! A job process writes [`Event`]s as JSON Lines on its standard output; the supervisor hands them to every report.
//! This room knows nothing of who makes events or who reads them. The types are a wire contract: a field is added,
//! never renamed or given another meaning, within one [`WIRE_VERSION`].

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The version of the event vocabulary.
pub const WIRE_VERSION: u32 = 1;

/// Fields of events that hold words of our own. Redacted, they would be no events any more.
pub const WORDS: [&str; 10] =
    ["type", "phase", "stream", "unit", "outcome", "conclusion", "kind", "suite", "verdict", "level"];

/// A job's stable name: a slug of its matrix values, safe as file name, check name and GitLab job name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Something that happened, when, and in which job (none: in the run as a whole).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub v: u32,
    pub time: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    pub event: Body,
}

impl Event {
    /// An event that happens now.
    #[must_use]
    pub fn now(job: Option<JobId>, event: Body) -> Self {
        Self { v: WIRE_VERSION, time: Utc::now(), job, event }
    }
}

/// A job's values of the matrix, by key.
pub type Cell = serde_json::Map<String, serde_json::Value>;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Body {
    /// The run begins; `jobs` in plan order.
    RunStarted {
        run: String,
        version: String,
        jobs: Vec<JobId>,
        /// The matrix cells of the jobs, those that have one.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        cells: BTreeMap<JobId, Cell>,
    },
    /// A job's process was started.
    JobStarted {
        name: String,
        platform: String,
        /// Nothing is built: what is there already is tested.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        tests_only: bool,
    },
    /// A job's process has ended, whatever the reason.
    JobFinished(Box<JobFinished>),
    /// A phase of a job's life begins (`source`, `boot`, `connect`, `steps`, `seal`, `shutdown`, `inspect`, `convert` …).
    PhaseStarted {
        phase: Phase,
    },
    PhaseFinished {
        phase: Phase,
        seconds: f64,
    },
    /// Which accelerator runs the machine, and why that one.
    Accelerator {
        accelerator: String,
        reason: String,
    },
    StepStarted {
        step: usize,
        name: String,
    },
    StepFinished(StepFinished),
    /// One line of output of a step, a guest or a tool. Already redacted and stripped of control characters.
    Output {
        /// Index of the step that wrote it; none for the job's own tools.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<usize>,
        stream: Stream,
        line: String,
    },
    /// Progress of something long; `total` is none when unknown. Lossy: some may be dropped.
    Progress {
        what: String,
        done: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        unit: Unit,
    },
    /// A remark for people.
    Note {
        text: String,
    },
    /// Something is wrong, and the job goes on.
    Warning(Failure),
    /// What made the job (or a step) fail.
    Failure(Failure),
    /// Something about the finished image was tested. One that failed is told by this alone, with no [`Body::Failure`].
    Tested(Box<Tested>),
    /// The tests of the finished image have ended.
    TestsFinished(TestsFinished),
    /// A finished file.
    Artifact(Artifact),
    /// A file that helps to understand a failure is in the job's folder.
    Kept(Kept),
    RunFinished {
        outcome: Outcome,
        seconds: f64,
    },
}

/// The phases of a job, in the order of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Bootstrapping or downloading what the machine starts from.
    Source,
    /// Starting the machine until it answers over SSH.
    Boot,
    Steps,
    /// Removing residue in the guest, and shutting it down.
    Seal,
    /// Reading the finished disk offline.
    Inspect,
    /// Writing the output files and their digests.
    Convert,
    /// Booting a copy of the finished image, and testing it.
    Test,
}

impl Phase {
    /// The phase's name in events, reports and manifests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Boot => "boot",
            Self::Steps => "steps",
            Self::Seal => "seal",
            Self::Inspect => "inspect",
            Self::Convert => "convert",
            Self::Test => "test",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    Stdout,
    Stderr,
    /// The guest's serial console.
    Console,
    /// A program of the job's own, such as `mmdebstrap`.
    Tool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Bytes,
    Percent,
}

/// How something ended, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Success,
    Failure,
    Cancelled,
    Skipped,
}

/// The end of a step: `outcome` before `continue-on-error` is applied, `conclusion` after, as in Actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepFinished {
    pub step: usize,
    pub name: String,
    pub outcome: Outcome,
    pub conclusion: Outcome,
    pub seconds: f64,
    /// How many times it was tried.
    pub attempts: u32,
}

/// The end of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobFinished {
    pub outcome: Outcome,
    pub seconds: f64,
    /// Why, when the outcome is not success. One sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Path of the job's `manifest.json`, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Utf8PathBuf>,
    /// What the image's tests came to, when there were any. An image whose tests failed was built, and its job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// One thing about a finished image that was tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tested {
    pub suite: Suite,
    /// The type of the resource (`service`); `check` for what is always tested.
    pub kind: String,
    /// The resource's id as goss prints it; the check's name (`failed-units`).
    pub id: String,
    /// What of the resource (`running`); none for a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub verdict: Verdict,
    /// What was found, and what was expected; empty for what passed. Guests wrote some of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The line of the goss file, or of the waiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Lines of the console or the journal that tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpt: Vec<String>,
    pub seconds: f64,
}

impl Tested {
    /// What it is called: `service nginx: running`, `check failed-units`.
    #[must_use]
    pub fn name(&self) -> String {
        let property = self.property.as_ref().map(|property| format!(": {property}")).unwrap_or_default();
        format!("{} {}{property}", self.kind, self.id)
    }

    /// It as a failure (or a warning) that a person reads.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let name = self.name();
        let message = if self.message.is_empty() { name } else { format!("{name}: {}", self.message) };
        Failure {
            message,
            place: self.place.clone(),
            hint: self.hint.clone(),
            excerpt: self.excerpt.clone(),
            ..Failure::default()
        }
    }
}

/// Where a test comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Of the user: an assertion of a goss file.
    Goss,
    /// Of ours: what is always tested.
    Checks,
}

/// What a test came to; or all of them together: the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// Not looked at.
    Skipped,
    /// It does not hold, and the definition says why and until when that is accepted.
    Waived,
    /// It does not hold, which is only worth a warning.
    Warned,
    /// It passed when it was tried once more, with a fresh copy of the image.
    Flaky,
    Failed,
}

impl Verdict {
    /// The verdict's name in events, reports and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Waived => "waived",
            Self::Warned => "warned",
            Self::Flaky => "flaky",
            Self::Failed => "failed",
        }
    }
}

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// One boot, with everything that needs no second one.
    Standard,
    /// A second boot, another copy, and a larger disk besides.
    Full,
}

impl Level {
    /// The level's name in definitions, events and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

/// The tests of an image, together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestsFinished {
    /// Failed, flaky or passed.
    pub verdict: Verdict,
    pub level: Level,
    pub passed: u32,
    pub failed: u32,
    pub warned: u32,
    pub waived: u32,
    pub skipped: u32,
    /// How often all of it was tried.
    pub attempts: u32,
    /// From power-on to the login over SSH, in the first boot of the last attempt; none: it never came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_seconds: Option<f64>,
    /// From the start of the tests to the verdict.
    pub seconds: f64,
    /// The file that was booted, inside the job's folder or as it was named; none for a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// A failure as a person reads it: what, where, what to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// What went wrong: a lowercase fragment without a final period.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The place in the repository, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The command that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Last lines of the log, console or standard error that explain it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpt: Vec<String>,
}

impl Failure {
    /// A failure with a message and nothing else yet.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// A place in a file of the repository. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// Relative to the folder of the definition, with `/`.
    pub file: Utf8PathBuf,
    pub line: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// False when the line is the step's own because the failing line of its script is not known.
    #[serde(default = "yes")]
    pub exact: bool,
}

fn yes() -> bool {
    true
}

/// A file that was kept because the job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// File name inside the job's folder.
    pub file: String,
    pub kind: KeptKind,
}

/// What such a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptKind {
    /// The machine's display, a PNG.
    Screenshot,
    /// What the machine wrote to its serial console.
    Console,
    /// The guest's own log, as far as it was asked for it in time.
    Journal,
}

/// A finished file of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Artifact {
    /// File name inside the job's folder.
    pub file: String,
    /// Disk format (`qcow2`, `raw`, `vmdk`, `vdi`, `vhd`, `vhdx`).
    pub format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of the disk inside.
    pub virtual_size: u64,
    /// Digest of the file, lowercase hexadecimal.
    pub sha256: String,
}
