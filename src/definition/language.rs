//! The language as types: one type a mapping, one field a key. The one source of the keys that decoding knows (`Keys::of`)
//! and of the JSON Schema that editors get (`ovenbird schema`).
//!
//! **To add a key, add a field here**, named as the key (`-` is `_`), with a doc comment in Markdown that says what it is:
//! editors show it. `Option` is a key that may be left out, or stay empty; `#[schemars(default)]` without `Option` one that
//! may be left out but not stay empty; any other field is required. Its type is one of `value`, a mapping of this file, or
//! both in an enum. Then read it where the mapping is decoded, document it in `docs/definition.md`, put it into the
//! definition with every key in `tests.rs`, and renew the schema: `cargo run -- schema > docs/ovenbird.schema.json`. Each
//! of these is missed by a test.
//!
//! A key that a later version will have goes into `LATER` until then: it has its own message, and the schema is without it.

#![expect(dead_code, reason = "these types describe the language; a definition becomes the types of `model`")]

pub(super) mod value;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use value::{
    Accelerator, Addr, AptSources, Arch, Argument, Attempts, Boolean, Builder, CheckName, Checksum, Command,
    Compression, Condition, Cpus, Date, Delay, DiskFormat, DiskFormatOrExpression, Dns, EnvironmentName, File,
    Firmware, Group, GuestPath, GuestUser, Http, Identifier, ImageVersion, Interface, Jobs, Kernel, KernelParam, Line,
    LocalPath, LocalPaths, Matching, Matrix, Minutes, Mode, Mount, Name, Owner, Package, Packages, PathOrUrl,
    PlainBoolean, Port, Process, Scalar, Script, Service, Shell, Size, StepFilePath, Subformat, Suite, TestLevel, Url,
    User, Versions,
};

/// A mapping whose keys are the language's.
pub(super) trait Mapping: JsonSchema {
    /// What messages call it: `a step`.
    const WHAT: &'static str;
    /// Keys that a later version of Ovenbird will have.
    const LATER: &'static [&'static str] = &[];
}

/// A machine image, described for every platform that it is built on. `ovenbird build` makes it.
#[derive(JsonSchema)]
#[schemars(title = "Ovenbird image definition", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Definition {
    /// The image's name: lowercase letters, digits and `-`, at most 63. Files, host names and tags are called by it.
    #[schemars(example = &"web")]
    name: Name,
    /// The image's version. Default: the tag of this commit, else the short commit. Knows `vars`, `git` and `ci`.
    #[schemars(example = &"${{ vars.version }}")]
    version: Option<ImageVersion>,
    /// Versions of Ovenbird that understand this file, several with commas. In quotes, because YAML gives `>` a meaning.
    #[schemars(example = &">=0.1")]
    ovenbird: Option<Versions>,
    /// Values from outside, read as `${{ vars.NAME }}`. The last of these wins: `default`, `env`, `--var-file`, `--var`.
    variables: Option<BTreeMap<Identifier, VariableEntry>>,
    /// How many jobs there are, and how they run: as in a GitHub workflow.
    strategy: Option<Strategy>,
    /// Where machines come from, by name. `matrix.platform` picks one; without a matrix every platform is built once.
    #[schemars(extend("minProperties" = 1))]
    platforms: BTreeMap<Name, Platform>,
    /// Environment variables of every step that runs something in the guest.
    #[schemars(example = json!({ "DEBIAN_FRONTEND": "noninteractive" }))]
    env: Option<BTreeMap<EnvironmentName, Argument>>,
    /// What steps have if they don't say otherwise.
    defaults: Option<Defaults>,
    /// What is done in the machine, in order. The first step that fails ends the job, but for steps whose `if` says
    /// otherwise.
    steps: Option<Vec<Step>>,
    /// The files that the finished disk becomes. Default: one in the format `qcow2`.
    #[schemars(example = json!(["qcow2"]), extend("minItems" = 1))]
    outputs: Option<Vec<OutputEntry>>,
    /// How the finished image is tested: copies of it are booted. With nothing in it: what is always tested. Default: no
    /// tests.
    #[schemars(example = json!({ "goss": "tests/goss.yaml" }))]
    tests: Option<Tests>,
}

impl Mapping for Definition {
    const WHAT: &'static str = "a definition";
    const LATER: &'static [&'static str] = &["publish", "release"];
}

/// A variable: its default alone, or a mapping.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum VariableEntry {
    Default(Scalar),
    Variable(Variable),
}

/// Where a variable's value comes from.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Variable {
    /// The environment variable that it is read from. An empty one counts as not set.
    #[schemars(example = &"GITHUB_REF_NAME")]
    env: Option<EnvironmentName>,
    /// The value if there is no other. It says of which type the variable is.
    default: Option<Scalar>,
    /// The value must be given from outside. Not together with `default`.
    #[schemars(extend("default" = false))]
    required: Option<PlainBoolean>,
    /// The value is masked everywhere, and can be used by itself only: in `env`, `run`, `args` and `local`.
    #[schemars(extend("default" = false))]
    sensitive: Option<PlainBoolean>,
}

impl Mapping for Variable {
    const WHAT: &'static str = "a variable";
}

/// How many jobs there are, and how they run.
#[derive(JsonSchema)]
#[schemars(
    rename_all = "kebab-case",
    deny_unknown_fields,
    extend("dependencies" = json!({ "from": ["job"] }))
)]
pub(super) struct Strategy {
    /// Keys with lists of values: every combination is a job, by GitHub's rules, 256 at most. `include` adds to
    /// combinations or adds some, `exclude` takes some away. The key `platform` names the job's platform.
    #[schemars(example = json!({ "suite": ["bookworm", "trixie"] }))]
    matrix: Option<Matrix>,
    /// CI configuration to read the matrix from instead, a workflow or `.gitlab-ci.yml`: a path from the repository's root.
    #[schemars(example = &".github/workflows/images.yml", example = &".gitlab-ci.yml")]
    from: Option<LocalPath>,
    /// The job there that has the matrix. Required with `from`.
    #[schemars(example = &"build")]
    job: Option<Line>,
    /// A failed job cancels the others.
    #[schemars(extend("default" = true))]
    fail_fast: Option<Boolean>,
    /// How many jobs run at once, 1 to 1024. Default: one for every two processors of the machine.
    max_parallel: Option<Jobs>,
}

impl Mapping for Strategy {
    const WHAT: &'static str = "`strategy`";
}

/// Where machines come from.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Platform {
    /// What makes the machine. `qemu`: a virtual machine here.
    builder: Builder,
    /// What the machine's disk starts from: a Debian suite, or an image.
    #[schemars(example = json!({ "debian": "bookworm" }))]
    source: Source,
    /// The processor's architecture, as Debian calls it.
    #[schemars(extend("default" = "amd64"))]
    arch: Option<Arch>,
    /// The disk's size: a number and `MiB`, `GiB` or `TiB`. Default: the source's own. A `debian` source needs 1GiB.
    #[schemars(example = &"4GiB")]
    disk_size: Option<Size>,
    /// The machine's memory while it is built, at least `64MiB`.
    #[schemars(extend("default" = "1GiB"), example = &"2GiB")]
    memory: Option<Size>,
    /// The machine's processors while it is built, 1 to 255.
    #[schemars(extend("default" = 2))]
    cpus: Option<Cpus>,
    /// What boots the machine.
    #[schemars(extend("default" = "bios"))]
    firmware: Option<Firmware>,
    /// What runs the guest's instructions. `auto`: a KVM that works, else TCG, which emulates.
    #[schemars(extend("default" = "auto"))]
    accelerator: Option<Accelerator>,
    /// How the machine is reached while it is built.
    connect: Option<Connect>,
}

impl Mapping for Platform {
    const WHAT: &'static str = "a platform";
    const LATER: &'static [&'static str] = &["provision", "instance-type", "region"];
}

/// What a machine's disk starts from.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Source {
    Debian(Debian),
    Image(Image),
}

/// Keys of a source that a later version of Ovenbird will have.
pub(super) const LATER_SOURCES: &[&str] = &["iso", "ami", "boot-command", "serve"];

/// What keys that must be there can be, for who forgot one: the mapping, the key, and an example.
pub(super) const EXAMPLES: [(&str, &str, &str); 10] = [
    (Definition::WHAT, "name", "name: web"),
    (Definition::WHAT, "platforms", "platforms: { qemu: { builder: qemu, source: { debian: bookworm } } }"),
    (Platform::WHAT, "builder", "builder: qemu"),
    (Platform::WHAT, "source", "source: { debian: bookworm }"),
    (Retry::WHAT, "attempts", "attempts: 3"),
    (Output::WHAT, "format", "format: qcow2"),
    (Waiver::WHAT, "check", "check: failed-units"),
    (Waiver::WHAT, "reason", "reason: waits for the fixed package"),
    (Waiver::WHAT, "until", "until: 2027-01-31"),
    (StepFile::WHAT, "steps", "steps: [{ run: apt-get update }]"),
];

/// A Debian suite, bootstrapped from a package mirror: no base image is needed.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Debian {
    /// The suite's code name.
    #[schemars(example = &"bookworm")]
    debian: Suite,
    /// Packages beyond what makes the image boot and reachable. One expression may give the whole list.
    #[schemars(example = json!(["nginx"]))]
    packages: Option<Packages>,
    /// `generic`, or `cloud`: smaller, for virtio and the big clouds only.
    #[schemars(extend("default" = "generic"))]
    kernel: Option<Kernel>,
    /// Whether the image has cloud-init.
    #[schemars(extend("default" = true))]
    cloud_init: Option<Boolean>,
    /// Where packages come from while the image is built. Default: `OVENBIRD_DEBIAN_MIRROR`, else what this machine's apt
    /// uses, else Debian's servers.
    #[schemars(example = &"http://mirror.example/debian")]
    mirror: Option<Url>,
    /// The finished image's sources of apt in the deb822 form: `Types:`, `URIs:`, `Suites:` … Default: the distribution's
    /// own.
    apt_sources: Option<AptSources>,
}

impl Mapping for Debian {
    const WHAT: &'static str = "a `debian` source";
}

/// A disk image that exists.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Image {
    /// A local path, which may lie anywhere, or an `http` or `https` URL.
    image: PathOrUrl,
    /// `sha256:DIGEST`, `sha512:DIGEST`, or `file:` and the path or URL of a `SHA256SUMS` or `SHA512SUMS` file that lists
    /// the image. Required for a URL.
    #[schemars(example = &"file:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS")]
    checksum: Option<Checksum>,
}

impl Mapping for Image {
    const WHAT: &'static str = "an `image` source";
}

/// How a machine is reached while it is built.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Connect {
    /// Who logs in. Another user than `root` needs `sudo` without a password.
    #[schemars(extend("default" = "root"))]
    user: Option<User>,
    /// Minutes from power-on to the login.
    #[schemars(extend("default" = 10))]
    timeout_minutes: Option<Minutes>,
}

impl Mapping for Connect {
    const WHAT: &'static str = "`connect`";
    const LATER: &'static [&'static str] = &["host", "port"];
}

/// What steps have if they don't say otherwise.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Defaults {
    /// What steps that run something in the guest have.
    run: Option<DefaultsRun>,
}

impl Mapping for Defaults {
    const WHAT: &'static str = "`defaults`";
}

/// What steps that run something in the guest have if they don't say otherwise.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DefaultsRun {
    /// The shell of `run` steps: `bash`, `sh`, `python`, or a command line in which `{0}` stands for the script's file.
    shell: Option<Shell>,
    /// Where `run` and `script` steps begin: an absolute path in the guest.
    #[schemars(example = &"/srv")]
    working_directory: Option<GuestPath>,
}

impl Mapping for DefaultsRun {
    const WHAT: &'static str = "`defaults.run`";
    const LATER: &'static [&'static str] = &["as"];
}

/// The keys that say what a step does: each step has exactly one.
pub(super) const ACTIONS: [&str; 7] = ["run", "script", "upload", "download", "reboot", "local", "uses"];
/// Actions that a later version of Ovenbird will have.
pub(super) const LATER_ACTIONS: [&str; 4] = ["puppet", "ansible", "chef", "salt"];
const SCRIPTS: &[&str] = &["run", "script", "local"];
/// The actions that a key of a step belongs to; all the others if it is not here.
pub(super) const BELONGS: [(&str, &[&str]); 9] = [
    ("args", &["script"]),
    ("to", &["upload", "download"]),
    ("owner", &["upload"]),
    ("mode", &["upload"]),
    ("env", &["run", "script", "local", "uses"]),
    ("with", &["uses"]),
    ("retry", &["run", "script", "upload", "download", "reboot", "local"]),
    ("shell", SCRIPTS),
    ("working-directory", SCRIPTS),
];
/// The actions that need `to`.
const TRANSFERS: [&str; 2] = ["upload", "download"];

/// One thing that is done: exactly one of `run`, `script`, `upload`, `download`, `reboot`, `local` and `uses`.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, transform = one_action)]
pub(super) struct Step {
    /// What logs and reports call the step. Default: what it does.
    #[schemars(example = &"Install nginx")]
    name: Option<Line>,
    /// What a later step's `if` names this one by: `steps.ID.outcome`. Unique.
    #[schemars(example = &"install")]
    id: Option<Identifier>,
    /// The step runs if this is true, with or without `${{ }}`. Without one of `success()`, `failure()`, `always()` and
    /// `cancelled()` it means `success() && (…)`. Default: `success()`.
    #[schemars(rename = "if", default, example = &"failure()", example = &"matrix.suite == 'bookworm'")]
    condition: Condition,
    /// A script text, run in the guest.
    #[schemars(default, example = &"apt-get update\napt-get install -y nginx\n")]
    run: Script,
    /// A file of the repository, run in the guest.
    #[schemars(default, example = &"scripts/harden.sh")]
    script: LocalPath,
    /// A file or folder of the repository, copied into the guest to the path `to`. With a final `/` the folder's content.
    #[schemars(default, example = &"site/")]
    upload: LocalPath,
    /// A path in the guest, copied to this machine to the path `to`.
    #[schemars(default, example = &"/var/log/installer/")]
    download: GuestPath,
    /// Reboots the guest and waits until it can be reached again.
    #[schemars(example = json!({}))]
    reboot: Option<Reboot>,
    /// A script text, run on this machine with only the environment that `env` lists.
    #[schemars(default, example = &"make site")]
    local: Script,
    /// A file of steps, run here as a composite action is: a path from the folder of the definition that begins with `./`.
    #[schemars(default, example = &"./steps/monitoring.yml")]
    uses: StepFilePath,
    /// What the inputs of the file that `uses` names are. Every input is a text.
    with: Option<BTreeMap<Identifier, Argument>>,
    /// Arguments of `script`.
    #[schemars(example = json!(["--profile", "server"]))]
    args: Option<Vec<Argument>>,
    /// Where `upload` or `download` copies to: a path in the guest, or on this machine.
    #[schemars(default, example = &"/srv/www", example = &"logs/")]
    to: Line,
    /// Whom an `upload` belongs to: `user`, `user:group` or `:group`.
    #[schemars(example = &"www-data:www-data")]
    owner: Option<Owner>,
    /// The permission bits of an `upload`, octal and in quotes.
    #[schemars(example = &"0644")]
    mode: Option<Mode>,
    /// Environment variables of `run`, `script`, `local`, or of the steps that `uses` names.
    env: Option<BTreeMap<EnvironmentName, Argument>>,
    /// `bash`, `sh`, `python`, or a command line in which `{0}` stands for the script's file. Default: for `run`, bash where
    /// the guest has one, else sh; for `script`, the file's own `#!` line.
    shell: Option<Shell>,
    /// Where the script begins: an absolute path in the guest, for `local` a folder of the repository.
    #[schemars(example = &"/srv")]
    working_directory: Option<Line>,
    /// Minutes until the step is given up, up to 10080. Default: none, `reboot` 10.
    #[schemars(example = 10)]
    timeout_minutes: Option<Minutes>,
    /// Tries a step again that fails.
    #[schemars(example = json!({ "attempts": 3, "delay": "10s" }))]
    retry: Option<Retry>,
    /// A failure of the step does not fail the job.
    #[schemars(extend("default" = false))]
    continue_on_error: Option<Boolean>,
}

impl Mapping for Step {
    const WHAT: &'static str = "a step";
    const LATER: &'static [&'static str] = &["puppet", "ansible", "chef", "salt", "cache", "as"];
}

/// Each step does one thing, and has only keys that belong to it.
fn one_action(schema: &mut Schema) {
    let required = |key: &str| json!({ "required": [key] });
    schema.insert("oneOf".to_owned(), ACTIONS.map(required).into());
    let belongs = BELONGS.iter().map(|(key, actions)| {
        let needed = match actions {
            [one] => json!([one]),
            several => json!({ "anyOf": several.iter().copied().map(required).collect::<Vec<Value>>() }),
        };
        ((*key).to_owned(), needed)
    });
    let needs = TRANSFERS.map(|action| (action.to_owned(), json!(["to"])));
    schema.insert("dependencies".to_owned(), belongs.chain(needs).collect::<serde_json::Map<_, _>>().into());
}

/// A reboot has no settings.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Reboot {}

impl Mapping for Reboot {
    const WHAT: &'static str = "`reboot`";
}

/// How often a step that fails is tried again.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Retry {
    /// All tries counted, 1 to 100.
    #[schemars(example = 3)]
    attempts: Attempts,
    /// The time between two tries: a number and `s`, `m` or `h`, at most `1h`. Default: none.
    #[schemars(example = &"10s")]
    delay: Option<Delay>,
}

impl Mapping for Retry {
    const WHAT: &'static str = "`retry`";
}

/// A format by its name alone, or a mapping.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum OutputEntry {
    Format(DiskFormatOrExpression),
    Output(Output),
}

/// A file that the finished disk becomes.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Output {
    /// The disk's format.
    format: DiskFormat,
    /// Compresses the file. For `raw` only: the other formats are compressed inside, or not at all.
    compress: Option<Compression>,
    /// The form that `vmdk` and `vhd` are written in: `streamOptimized` and `fixed`. There is no other.
    subformat: Option<Subformat>,
}

impl Mapping for Output {
    const WHAT: &'static str = "an output";
    const LATER: &'static [&'static str] = &["for"];
}

/// How the finished image is tested. What goss knows of may stand here as in a goss file.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Tests {
    /// Goss files, a path or a list of paths. Of resources of one type and id, the last one's counts, and one that stands
    /// here before all.
    #[schemars(example = &"tests/goss.yaml")]
    goss: Option<LocalPaths>,
    /// What `.Vars` is in the templates of goss files: any values.
    #[schemars(example = json!({ "port": 8080 }))]
    vars: Option<BTreeMap<String, Value>>,
    /// `standard` is one boot; `full` adds a second one, and another copy on a larger disk. Default: `full` where CI runs
    /// for a tag, else `standard`.
    level: Option<TestLevel>,
    /// The time from power-on to the login: a number and `s`, `m` or `h`, at most `1h`. A boot that takes longer fails.
    /// Default: none.
    #[schemars(example = &"90s")]
    boot_budget: Option<Delay>,
    /// For so long what goss files ask is looked at again while anything fails: a number and `s`, `m` or `h`, at most `1h`.
    #[schemars(extend("default" = "0s"), example = &"30s")]
    retry_timeout: Option<Delay>,
    /// Minutes until the tests are given up, boots included.
    #[schemars(extend("default" = 20))]
    timeout_minutes: Option<Minutes>,
    /// Checks whose failure is accepted for a while.
    waive: Option<Vec<Waiver>>,
    /// Addresses that can be reached, by `tcp://HOST:PORT`.
    addr: Option<Addr>,
    /// Commands, and what they print.
    command: Option<Command>,
    /// Names that can be resolved.
    dns: Option<Dns>,
    /// Files and folders.
    #[schemars(example = json!({ "/etc/nginx/nginx.conf": { "exists": true, "mode": "0644" } }))]
    file: Option<File>,
    /// Groups of users.
    group: Option<Group>,
    /// URLs, asked from inside the machine.
    http: Option<Http>,
    /// Network interfaces.
    interface: Option<Interface>,
    /// What `sysctl` shows.
    kernel_param: Option<KernelParam>,
    /// Values to compare, without a look at the machine.
    matching: Option<Matching>,
    /// Mounted file systems.
    mount: Option<Mount>,
    /// Installed packages.
    package: Option<Package>,
    /// Ports that are listened on, by `tcp:PORT`.
    #[schemars(example = json!({ "tcp:80": { "listening": true } }))]
    port: Option<Port>,
    /// Running processes.
    process: Option<Process>,
    /// Services of systemd or OpenRC.
    #[schemars(example = json!({ "nginx": { "enabled": true, "running": true } }))]
    service: Option<Service>,
    /// Users.
    user: Option<GuestUser>,
}

impl Mapping for Tests {
    const WHAT: &'static str = "`tests`";
}

/// A check whose failure is accepted for a while.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Waiver {
    /// The check's name.
    #[schemars(example = &"failed-units")]
    check: CheckName,
    /// Why, for whoever reads the report.
    #[schemars(example = &"waits for the fixed package")]
    reason: Line,
    /// The last day on which it is accepted: `YEAR-MONTH-DAY`.
    #[schemars(example = &"2027-01-31")]
    until: Date,
}

impl Mapping for Waiver {
    const WHAT: &'static str = "a waiver";
}

/// A list of steps kept in a file, which `uses` names, as a composite action.
#[derive(JsonSchema)]
#[schemars(title = "Ovenbird step file", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct StepFile {
    /// The name of a step that uses the file and has none.
    #[schemars(example = &"Monitoring")]
    name: Option<Line>,
    /// What the file is for, for people.
    description: Option<Line>,
    /// What a step that uses the file gives it by `with`, read as `${{ inputs.NAME }}`. Their names know no case.
    inputs: Option<BTreeMap<Identifier, Option<Input>>>,
    /// What is done, in order.
    steps: Vec<Step>,
    /// What the step that uses the file has as `steps.ID.outputs.NAME`.
    outputs: Option<BTreeMap<Identifier, StepFileOutput>>,
}

impl Mapping for StepFile {
    const WHAT: &'static str = "a step file";
}

/// What a step that uses the file gives it.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Input {
    /// What the input is, for people.
    description: Option<Line>,
    /// The input must be given, unless it has a default.
    #[schemars(extend("default" = false))]
    required: Option<PlainBoolean>,
    /// The input if it is not given. Default: an empty text.
    default: Option<Scalar>,
}

impl Mapping for Input {
    const WHAT: &'static str = "an input";
}

/// What a step file gives to the step that uses it.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct StepFileOutput {
    /// What the output is, for people.
    description: Option<Line>,
    /// The value, from the outputs of the file's own steps.
    #[schemars(example = &"${{ steps.agent.outputs.port }}")]
    value: Scalar,
}

impl Mapping for StepFileOutput {
    const WHAT: &'static str = "an output";
}
