//! A fully resolved job: everything that `ovenbird job` needs, and nothing that it must not hold.
//!
//! The types are a versioned wire contract ([`WIRE_VERSION`]): the supervisor writes one as JSON on a job process's
//! standard input, `ovenbird plan --format json` prints them, and other people's CI reads them. A [`Text`] *names*
//! sensitive values; the values travel apart (see [`crate::secret`]).

use std::fmt;

use camino::Utf8PathBuf;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::event::{JobId, Level, Place};
use crate::expression::{self, Environment, EvalError, Expr};
use crate::smoke::checks::Check;
use crate::smoke::spec::Resource;

/// The version of the wire form of [`Job`].
pub const WIRE_VERSION: u32 = 2;

/// One platform's build of one matrix cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Job {
    pub version: u32,
    pub id: JobId,
    /// The definition's `name`.
    pub name: String,
    /// The version of the image, safe in file names and tags; none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_version: Option<String>,
    /// The definition file's name, relative to `root`.
    pub definition: Utf8PathBuf,
    /// SHA-256 of the definition file, lowercase hexadecimal.
    pub definition_digest: String,
    /// The other files that the definition names: step files, and CI configuration that its matrix comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definition_files: Vec<DefinitionFile>,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// Absolute folder of the definition: relative paths of steps start here.
    pub root: Utf8PathBuf,
    /// The matrix cell, in key order; empty without a matrix.
    pub matrix: serde_json::Map<String, serde_json::Value>,
    pub platform: Platform,
    /// The definition's `env`, for every step, in order.
    pub env: Vec<EnvVar>,
    pub steps: Vec<Step>,
    /// At least one.
    pub outputs: Vec<Output>,
    /// How the finished image is tested; none: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<Tests>,
    /// Names of the sensitive variables that the job uses, sorted.
    pub secrets: Vec<String>,
}

/// How a finished image is tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tests {
    pub level: Level,
    /// Seconds that the machine may take from power-on to the login; none: as long as `connect` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_budget: Option<u64>,
    /// Seconds that everything may take, boots included.
    pub timeout: u64,
    /// Seconds for which goss's assertions are looked at again while one fails; 0: once.
    pub retry_timeout: u64,
    /// Whether what failed is tried once more with a fresh copy.
    #[serde(default = "always", skip_serializing_if = "is_always")]
    pub rerun: bool,
    /// What is accepted although it is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waiver>,
    /// What goss files and the definition ask, rendered and merged.
    pub resources: Vec<Resource>,
}

impl Tests {
    /// Twenty minutes: without KVM a boot takes one or two, and `full` has three.
    pub const TIMEOUT: u64 = 20 * 60;

    /// What is tested where nobody says anything: what is always tested, once.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self {
            level,
            boot_budget: None,
            timeout: Self::TIMEOUT,
            retry_timeout: 0,
            rerun: true,
            waivers: Vec::new(),
            resources: Vec::new(),
        }
    }
}

fn always() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_always(value: &bool) -> bool {
    *value
}

/// A check whose failure is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waiver {
    pub check: Check,
    pub reason: String,
    /// The last day on which it holds.
    pub until: NaiveDate,
    pub place: Place,
}

/// What a build belongs to, as far as it is known: its record says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Origin {
    /// The commit's name in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<CiRun>,
}

impl Origin {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A CI run, in the words of the context `ci`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CiRun {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_attempt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A file that a definition names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionFile {
    /// From the definition's folder; CI configuration from the repository's root.
    pub path: Utf8PathBuf,
    /// Lowercase hexadecimal.
    pub sha256: String,
}

/// An environment variable of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvVar {
    pub name: String,
    pub value: Text,
}

/// A resolved string: literal parts, names of sensitive variables, and what only the run can know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub Vec<Part>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Literal(String),
    /// The name of a sensitive variable.
    Secret(String),
    /// What is evaluated when the step begins; plan-time contexts are folded in. In the `env` and the inputs of steps
    /// and in the outputs of step files only: in a script it would be run.
    Expr(Expr),
}

impl Text {
    /// A text without secrets.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self(vec![Part::Literal(text.into())])
    }

    /// Names of the secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            Part::Literal(_) | Part::Expr(_) => None,
        })
    }

    /// Whether only the run can know it.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Expr(_)))
    }

    /// The text with what only the run can know put in; its secrets stay names.
    ///
    /// # Errors
    /// An expression has no value, or one that a text can't hold.
    pub fn settle(&self, run: &dyn Environment) -> Result<Self, Unresolved> {
        let settle = |part: &Part| match part {
            Part::Expr(expr) => match expression::evaluate(expr, run)? {
                value if value.is_primitive() => Ok(Part::Literal(value.to_string())),
                _ => Err(Unresolved::Collection(expr.to_string())),
            },
            part => Ok(part.clone()),
        };
        self.0.iter().map(settle).collect::<Result<_, _>>().map(Self)
    }

    /// The text with its secrets filled in. For a machine, never for a message.
    ///
    /// # Errors
    /// `secrets` does not hold a secret, or the text is not settled.
    pub fn expose(&self, secrets: &crate::secret::Secrets) -> Result<String, Unresolved> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Secret(name) => {
                    text.push_str(secrets.expose(name).ok_or_else(|| Unresolved::Secret(name.clone()))?);
                }
                Part::Expr(expr) => return Err(Unresolved::Late(expr.to_string())),
            }
        }
        Ok(text)
    }
}

/// The text as people may see it.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(literal) => f.write_str(literal),
            Part::Secret(_) => f.write_str(crate::secret::MASK),
            Part::Expr(expr) => write!(f, "${{{{ {expr} }}}}"),
        })
    }
}

/// A text has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// A job names a secret whose value it was not given.
    #[error("no value was given for the sensitive variable `{0}`")]
    Secret(String),
    #[error("`{0}` is a list or a mapping, which can't be put into a text: use `join` or `toJSON`")]
    Collection(String),
    #[error("`{0}` is known only while the job runs, so it can't stand here")]
    Late(String),
    #[error(transparent)]
    Expression(#[from] EvalError),
}

/// Where the machine comes from: one variant a platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "builder", rename_all = "kebab-case")]
pub enum Platform {
    Qemu(Qemu),
    /// A machine that runs already: it can be tested, not built.
    Host(Host),
}

impl Platform {
    /// The builder's name, as in `builder: qemu`.
    #[must_use]
    pub fn builder(&self) -> &'static str {
        match self {
            Self::Qemu(_) => "qemu",
            Self::Host(_) => "host",
        }
    }

    /// The processor's architecture, where it is known before the machine is asked.
    #[must_use]
    pub fn arch(&self) -> Option<Arch> {
        self.qemu().map(|qemu| qemu.arch)
    }

    /// The machine in QEMU, if it is one.
    #[must_use]
    pub fn qemu(&self) -> Option<&Qemu> {
        match self {
            Self::Qemu(qemu) => Some(qemu),
            Self::Host(_) => None,
        }
    }
}

/// A machine that is reached over SSH with the user's own key or agent, and known by the user's `known_hosts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Host {
    pub host: String,
    pub port: u16,
    /// Another user than `root` must have `sudo` without a password.
    pub user: String,
    /// A private key's file; none: the agent's keys, then the usual files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Utf8PathBuf>,
    /// Files of known hosts' keys.
    pub known_hosts: Vec<Utf8PathBuf>,
    /// Seconds until the login must have come.
    pub timeout: u64,
}

/// A machine in QEMU on this computer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Qemu {
    pub source: Source,
    pub arch: Arch,
    /// Bytes. None: the source's own size (`image:`), or a default (`debian:`).
    pub disk_size: Option<u64>,
    /// Bytes.
    pub memory: u64,
    pub cpus: u32,
    pub firmware: Firmware,
    pub accelerator: Accelerator,
    pub connect: Connect,
}

/// What a machine's disk starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Debian(Debian),
    Image(Image),
}

/// A Debian suite, bootstrapped from a package mirror.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Debian {
    /// A suite's code name, such as `bookworm`.
    pub suite: String,
    /// Packages beyond what makes the image boot and reachable.
    pub packages: Vec<String>,
    pub kernel: Kernel,
    pub cloud_init: bool,
    /// Where packages come from while building; none: see `docs/definition.md`.
    pub mirror: Option<String>,
    /// The finished image's `/etc/apt/sources.list.d/debian.sources`; none: the distribution's own default.
    pub apt_sources: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Drives any hardware and hypervisor.
    Generic,
    /// Debian's `linux-image-cloud-*`: smaller, virtio and the big clouds only.
    Cloud,
}

/// A disk image, local or on the web.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// An absolute local path, or an `http://` or `https://` URL.
    pub image: String,
    /// None only for a local path.
    pub checksum: Option<Checksum>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// Lowercase hexadecimal.
    Sha256(String),
    /// Lowercase hexadecimal.
    Sha512(String),
    /// A local path or URL of a `SHA256SUMS` or `SHA512SUMS` file that lists the image by its file name.
    File(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// Debian's name of the architecture, which the definition uses too.
    #[must_use]
    pub fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    Bios,
    Uefi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// A working KVM, else TCG.
    Auto,
    Kvm,
    Tcg,
}

/// How the guest is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Connect {
    /// Another user than `root` must have `sudo` without a password: every command is run as root.
    pub user: String,
    /// How long the machine may take from power-on to a login, in seconds.
    pub timeout: u64,
}

/// One step of provisioning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Position among the steps of the job, from 0: a step of a step file counts after the step that uses the file.
    pub index: usize,
    pub id: Option<String>,
    /// What people see: the step's `name`, else what it does; in a step file after the names of the steps around it.
    pub name: String,
    /// The file that the step stands in, relative to the job's root: the definition, or a step file.
    pub file: Utf8PathBuf,
    /// 1-based line of the step in its file.
    pub line: u32,
    pub condition: Condition,
    pub env: Vec<EnvVar>,
    /// Seconds; none: no limit of its own.
    pub timeout: Option<u64>,
    pub retry: Retry,
    pub continue_on_error: bool,
    pub action: Action,
}

impl Step {
    /// The step, and those of the files that it uses, in the order of their indices.
    #[must_use]
    pub fn with_inner(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.inner().iter().flat_map(Self::with_inner)).collect()
    }

    /// [`Step::with_inner`], without what plan time decided that it never runs.
    #[must_use]
    pub fn that_may_run(&self) -> Vec<&Self> {
        if self.condition == Condition::Never {
            return Vec::new();
        }
        std::iter::once(self).chain(self.inner().iter().flat_map(Self::that_may_run)).collect()
    }

    /// The steps of the file that it uses.
    fn inner(&self) -> &[Self] {
        match &self.action {
            Action::Uses(uses) => &uses.steps,
            _ => &[],
        }
    }
}

/// Whether a step runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// All steps before succeeded: what a step without `if:`, or with one that plan time decided as true, asks for.
    Success,
    /// Plan time decided that it does not run.
    Never,
    /// What only the run can decide. Plan-time contexts are folded in; `success()` is already added where GitHub adds it.
    When(Expr),
}

/// How often a failing step is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retry {
    /// At least 1: no retry.
    pub attempts: u32,
    /// Seconds between them.
    pub delay: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, delay: 0 }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Run(Run),
    Script(Script),
    Upload(Upload),
    Download(Download),
    Reboot(Reboot),
    Local(Local),
    Uses(Uses),
}

/// `run:` a script text in the guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    pub script: Text,
    /// The line in the step's file of each line of `script`: `lines[0]` belongs to its first line.
    pub lines: Vec<u32>,
    pub shell: Shell,
    pub working_directory: Option<String>,
}

/// `script:` a file of the repository, run in the guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Script {
    /// Relative to the job's root; inside it.
    pub path: Utf8PathBuf,
    pub args: Vec<Text>,
    /// `Default`: the script's own `#!` line, else what `run` would use.
    pub shell: Shell,
    pub working_directory: Option<String>,
}

/// `upload:` a file or tree of the repository to the guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Upload {
    /// Relative to the job's root; inside it. With a final `/`: the content of the folder, as rsync has it.
    pub from: Utf8PathBuf,
    /// Absolute path in the guest. With a final `/`: a folder to put it in.
    pub to: String,
    /// `user`, `user:group` or `:group`, by name or number.
    pub owner: Option<String>,
    /// Octal permission bits for files (`0644`); none: as they are here.
    pub mode: Option<u32>,
}

/// `download:` a file or tree of the guest to this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Download {
    /// Absolute path in the guest.
    pub from: String,
    /// Relative to the job's root; inside it.
    pub to: Utf8PathBuf,
}

/// `reboot:` the guest and wait until it is back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reboot {
    /// Seconds until it must be back.
    pub timeout: u64,
}

/// `local:` a script text on this machine, in the job's root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Local {
    pub script: Text,
    pub lines: Vec<u32>,
    pub shell: Shell,
    pub working_directory: Option<String>,
}

/// `uses:` the steps of a file, as a composite action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Uses {
    /// Relative to the job's root; inside it.
    pub file: Utf8PathBuf,
    /// Every input that the file has, in its order.
    pub inputs: Vec<Named>,
    pub steps: Vec<Step>,
    /// What the step's `outputs` become when the last of `steps` has ended, by what is known inside.
    pub outputs: Vec<Named>,
}

/// An input or an output of a step file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub name: String,
    pub value: Text,
}

/// What runs a script, in the words of a workflow's `shell:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shell {
    /// `bash --noprofile --norc -eo pipefail {0}` where there is a bash, else `sh -e {0}`.
    Default,
    Bash,
    Sh,
    Python,
    /// A command line in which `{0}` stands for the script's path.
    Custom(String),
}

/// A file that the finished disk becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Output {
    pub format: DiskFormat,
    /// `raw` only; the other formats compress inside or not at all.
    pub compress: Option<Compression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFormat {
    /// With zstd inside.
    Qcow2,
    Raw,
    /// `streamOptimized`.
    Vmdk,
    Vdi,
    /// Fixed size, as Azure asks.
    Vhd,
    Vhdx,
}

impl DiskFormat {
    /// The format's name in the definition, and the file's ending.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    Zstd,
    Gzip,
    Xz,
}

impl Compression {
    /// The compression's name in the definition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
        }
    }

    /// The ending it adds to a file's name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "zst",
            Self::Gzip => "gz",
            Self::Xz => "xz",
        }
    }
}

impl Output {
    /// The output's file name for an image called `stem`.
    #[must_use]
    pub fn file_name(self, stem: &str) -> String {
        match self.compress {
            None => format!("{stem}.{}", self.format.as_str()),
            Some(compression) => format!("{stem}.{}.{}", self.format.as_str(), compression.extension()),
        }
    }
}
