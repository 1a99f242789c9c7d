//! The definition as types. A field points back at the file by [`Route`], never by position.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::broken::Broken;
use crate::event::Level;
use crate::expression::{Expr, Template, Value};
use crate::matrix::Cell;
use crate::plan::job::{Accelerator, Arch, Checksum, Firmware, Kernel, Output, Shell};
use crate::smoke::checks::Check;
use crate::source::{FileId, Route};

/// A whole `ovenbird.yml`.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: String,
    /// Of the image; none: planning finds one.
    pub version: Option<Field<String>>,
    pub variables: Vec<Variable>,
    pub strategy: Strategy,
    /// At least one, in the file's order.
    pub platforms: Vec<Platform>,
    pub env: Vec<EnvVar>,
    pub defaults: Defaults,
    pub steps: Vec<Step>,
    /// Every file that a step uses, also those that only another of them uses.
    pub files: Vec<StepFile>,
    /// Empty: the key is not there.
    pub outputs: Vec<Field<Output>>,
    /// None: the key is not there.
    pub tests: Option<Tests>,
    /// What could not be read; empty in a definition without errors.
    pub broken: Broken,
}

impl Definition {
    /// The step file with this id.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&StepFile> {
        self.files.iter().find(|file| file.id == id)
    }

    /// The steps of a file: the definition's own, or those of a step file.
    #[must_use]
    pub fn steps_of(&self, id: FileId) -> &[Step] {
        self.file(id).map_or(&self.steps, |file| &file.steps)
    }

    /// Names of the environment variables that variables take their values from.
    pub fn environment_names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter_map(|variable| variable.env.as_deref())
    }
}

/// A value that is there already, or one that planning reads from a template's result.
#[derive(Clone, Debug)]
pub struct Field<T> {
    pub route: Route,
    pub setting: Setting<T>,
}

/// See [`Field`].
#[derive(Clone, Debug)]
pub enum Setting<T> {
    Known(T),
    Template {
        template: Template,
        read: Read<T>,
    },
    /// It must be there and could not be read, which was reported.
    Unread,
}

/// Reads a typed value from what the file or an expression gives.
pub type Read<T> = fn(&Value) -> Result<T, Problem>;

/// Why a value can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub help: Option<String>,
}

/// A text that may name sensitive variables.
#[derive(Clone, Debug)]
pub struct TextField {
    pub route: Route,
    pub template: Template,
}

/// A list of texts: item by item, or whole from one expression.
#[derive(Clone, Debug)]
pub enum List {
    Items(Vec<Field<String>>),
    Whole(Field<Vec<String>>),
}

/// An entry of `variables`.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub route: Route,
    /// The environment variable that it is read from.
    pub env: Option<String>,
    /// Its type is the type that the variable's value must have.
    pub default: Option<Value>,
    pub required: bool,
    pub sensitive: bool,
}

/// How many jobs there are, and how they run.
#[derive(Clone, Debug, Default)]
pub struct Strategy {
    pub fail_fast: Option<Field<bool>>,
    pub max_parallel: Option<Field<u32>>,
    /// The expanded matrix; none: there is no matrix.
    pub cells: Option<Vec<Cell>>,
    /// Which of the cells is the only one to be planned; none: all of them.
    pub cell: Option<usize>,
    /// Every key that a cell has; none: there is no matrix, or only some of its cells are known.
    pub keys: Option<Vec<String>>,
    /// Something is wrong with the matrix, wherever it comes from, so nobody knows its cells.
    pub is_unknown: bool,
}

/// An entry of `platforms`: a machine in QEMU.
#[derive(Clone, Debug)]
pub struct Platform {
    pub name: String,
    pub route: Route,
    pub source: Source,
    pub arch: Option<Field<Arch>>,
    pub disk_size: Option<Field<u64>>,
    pub memory: Option<Field<u64>>,
    pub cpus: Option<Field<u32>>,
    pub firmware: Option<Field<Firmware>>,
    pub accelerator: Option<Field<Accelerator>>,
    pub user: Option<Field<String>>,
    /// Seconds.
    pub connect_timeout: Option<Field<u64>>,
}

/// What a machine's disk starts from.
#[derive(Clone, Debug)]
pub enum Source {
    Debian(Box<Debian>),
    Image { image: Field<String>, checksum: Option<Field<Checksum>> },
}

/// A Debian suite, bootstrapped from a package mirror.
#[derive(Clone, Debug)]
pub struct Debian {
    pub suite: Field<String>,
    pub packages: Option<List>,
    pub kernel: Option<Field<Kernel>>,
    pub cloud_init: Option<Field<bool>>,
    pub mirror: Option<Field<String>>,
    pub apt_sources: Option<Field<String>>,
}

/// `defaults.run`: what steps that run something in the guest have if they don't say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    pub shell: Option<Field<Shell>>,
    pub working_directory: Option<Field<String>>,
}

/// `tests`: how the finished image is tested. Its resources and `vars` stay in the file until all of their expressions
/// have values.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// Goss files, in their order.
    pub goss: Vec<Field<String>>,
    pub level: Option<Field<Level>>,
    /// Seconds.
    pub boot_budget: Option<Field<u64>>,
    /// Seconds.
    pub retry_timeout: Option<Field<u64>>,
    /// Seconds.
    pub timeout: Option<Field<u64>>,
    pub waivers: Vec<Waiver>,
    /// The texts with expressions that `vars` and the resources have, parsed. One text means the same everywhere.
    pub templates: BTreeMap<String, Template>,
}

/// An entry of `tests.waive`.
#[derive(Clone, Debug)]
pub struct Waiver {
    pub route: Route,
    pub check: Check,
    pub reason: String,
    pub until: NaiveDate,
}

/// An entry of an `env`, or of a step file's `outputs`.
#[derive(Clone, Debug)]
pub struct EnvVar {
    pub name: String,
    pub value: TextField,
}

/// An entry of `steps`.
#[derive(Clone, Debug)]
pub struct Step {
    pub route: Route,
    pub id: Option<String>,
    pub name: Option<Field<String>>,
    pub condition: Option<Condition>,
    pub env: Vec<EnvVar>,
    pub shell: Option<Field<Shell>>,
    pub working_directory: Option<Field<String>>,
    /// Seconds.
    pub timeout: Option<Field<u64>>,
    pub attempts: Option<Field<u32>>,
    /// Seconds.
    pub delay: Option<Field<u64>>,
    pub continue_on_error: Option<Field<bool>>,
    pub action: Action,
}

/// A file of steps, as a composite action. It is decoded once, however often it is used.
#[derive(Clone, Debug)]
pub struct StepFile {
    pub id: FileId,
    /// Where it is used first.
    pub used: Route,
    /// Whether it could be decoded at all; if not, all else is empty.
    pub readable: bool,
    pub name: Option<String>,
    pub inputs: Vec<Input>,
    pub steps: Vec<Step>,
    pub outputs: Vec<EnvVar>,
}

/// An entry of a step file's `inputs`.
#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    pub route: Route,
    pub required: bool,
    /// A text, as every input is one.
    pub default: Option<String>,
}

/// A value of `with`.
#[derive(Clone, Debug)]
pub struct With {
    pub name: String,
    pub route: Route,
    pub value: TextField,
}

/// An `if:`.
#[derive(Clone, Debug)]
pub struct Condition {
    pub route: Route,
    pub expr: Expr,
    /// Where the expression begins in the value.
    pub offset: usize,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    Run(TextField),
    Script { path: Field<String>, args: Vec<TextField> },
    Upload { from: Field<String>, to: Field<String>, owner: Option<Field<String>>, mode: Option<Field<u32>> },
    Download { from: Field<String>, to: Field<String> },
    Reboot,
    Local(TextField),
    Uses { file: FileId, with: Vec<With> },
}
