//! `ovenbird goss`: goss's own commands, with its options, forms and exit statuses, for people who come with goss files.

mod add;
mod disk;
mod machine;
pub(super) mod named;
mod specs;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use chrono::Utc;
use clap::{Subcommand, ValueEnum};

use super::exit::{Exit, Wrong};
use super::load::{environment, tell};
use super::target::HostArgs;
use crate::diagnostic;
use crate::plan::job::Host;
use crate::report;
use crate::secret::Secrets;
use crate::smoke::evaluate::evaluate;
use crate::smoke::format;
use crate::smoke::load::{self, Loaded};
use crate::smoke::spec::{Resource, Spec};
use crate::smoke::template::Data;
use crate::smoke::verdict::{Outcome, TestResult};
use disk::Disk;
use machine::{Machine, Opened, Probed};
use specs::Parsed;

/// goss's status for a file that can't be used, and for one without tests.
const BAD_CONFIG: u8 = 78;

/// goss's status when the tests do not pass in time.
const RETRY_TIMEOUT: u8 = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The goss file, YAML or JSON; - reads standard input
    #[arg(short, long, global = true, value_name = "FILE", default_value = "./goss.yaml", env = "GOSS_FILE")]
    gossfile: Utf8PathBuf,
    /// A YAML or JSON file of variables for templates; of several, a later one's value counts unless it is empty
    #[arg(long, global = true, value_name = "FILE", env = "GOSS_VARS")]
    vars: Vec<Utf8PathBuf>,
    /// Variables as YAML or JSON, which replace those of files
    #[arg(long, global = true, value_name = "TEXT", default_value = "", env = "GOSS_VARS_INLINE")]
    vars_inline: String,
    /// Without effect, since there is no log: goss's scripts name it
    #[arg(short = 'L', short_alias = 'l', long, alias = "loglevel", global = true, value_name = "LEVEL", hide = true)]
    log_level: Option<String>,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Test this machine, or the one that --ssh names, with a goss file, and print the results as goss does
    #[command(visible_alias = "v")]
    Validate(Validate),
    /// Print a goss file with its templates rendered and its imports merged
    #[command(visible_alias = "r")]
    Render(Render),
    /// Add checks to a goss file: those that a definition suggests, or of what is on this machine
    #[command(visible_alias = "a")]
    Add(Box<add::Args>),
}

#[derive(Debug, clap::Args)]
struct Validate {
    /// The form of the results
    #[arg(short, long, value_enum, default_value_t = Form::Rspecish, env = "GOSS_FMT")]
    format: Form,
    /// How the form is written; may be given several times
    #[arg(short = 'o', long = "format-options", value_enum, value_name = "OPTION", value_delimiter = ',')]
    #[arg(env = "GOSS_FMT_OPTIONS")]
    options: Vec<Choice>,
    /// Test again until all pass, at the most for so long (such as 30s or 1m30s); only the last results are printed
    #[arg(short, long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    #[arg(env = "GOSS_RETRY_TIMEOUT")]
    retry_timeout: Duration,
    /// The time between two tries
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    #[arg(env = "GOSS_SLEEP")]
    sleep: Duration,
    /// Without colour
    #[arg(long)]
    no_color: bool,
    /// Without effect, since commands run six at a time: goss's scripts name it
    #[arg(long, value_name = "NUMBER", hide = true)]
    max_concurrent: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct Render {
    /// Print each file after its templates were rendered, too
    #[arg(short, long)]
    debug: bool,
}

/// A duration as Go writes it: numbers with `ms`, `s`, `m` or `h`. Nothing but `0` has no unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write one such as `500ms`, `10s` or `1m30s`");
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest == "0" {
        return Ok(total);
    }
    while !rest.is_empty() {
        let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let (unit, seconds) = units.into_iter().find(|(unit, _)| rest[end..].starts_with(unit)).ok_or_else(wrong)?;
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[end + unit.len()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Documentation,
    Json,
    Junit,
    Nagios,
    Prometheus,
    Rspecish,
    Silent,
    Structured,
    Tap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Nagios: performance data
    Perfdata,
    /// Nagios: each failure; Prometheus: each resource
    Verbose,
    /// JSON on several lines
    Pretty,
    /// Results in the order of their types and names
    Sort,
    /// Without the value from before transforms
    #[value(name = "exclude_raw")]
    ExcludeRaw,
}

impl Form {
    fn format(self) -> format::Format {
        match self {
            Self::Documentation => format::Format::Documentation,
            Self::Json => format::Format::Json,
            Self::Junit => format::Format::Junit,
            Self::Nagios => format::Format::Nagios,
            Self::Prometheus => format::Format::Prometheus,
            Self::Rspecish => format::Format::Rspecish,
            Self::Silent => format::Format::Silent,
            Self::Structured => format::Format::Structured,
            Self::Tap => format::Format::Tap,
        }
    }
}

/// `colour` is for standard error, and tells what the person chose for standard output: none there when it is no terminal.
pub(super) async fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let host = args.host.host(None)?;
    match &args.command {
        Command::Validate(validate) => match loaded(&args.gossfile, &args.vars, &args.vars_inline) {
            Ok(loaded) => self::validate(validate, &loaded, host.as_ref(), colour).await,
            Err(message) => refuse(&message),
        },
        Command::Render(render) => match loaded(&args.gossfile, &args.vars, &args.vars_inline) {
            Ok(loaded) => self::render(render, &loaded),
            Err(message) => refuse(&message),
        },
        Command::Add(add) => add::run(add, &args.gossfile, host.as_ref(), colour).await,
    }
}

fn render(args: &Render, loaded: &Loaded) -> anyhow::Result<Exit> {
    let text = match loaded.render() {
        Ok(text) => text,
        Err(error) => return refuse(&error.to_string()),
    };
    print(&if args.debug { loaded.debug() + &text } else { text })?;
    Ok(Exit::Done)
}

/// The goss file with all that it imports, templates rendered.
fn loaded(gossfile: &Utf8Path, vars: &[Utf8PathBuf], inline: &str) -> Result<Loaded, String> {
    loaded_with(environment().into_iter().collect(), gossfile, vars, inline)
}

fn loaded_with(
    env: BTreeMap<String, String>,
    gossfile: &Utf8Path,
    vars: &[Utf8PathBuf],
    inline: &str,
) -> Result<Loaded, String> {
    let disk = Disk::new();
    let vars = load::vars(vars, inline, &disk).map_err(|error| error.to_string())?;
    let data = Data { vars, env };
    if gossfile == "-" {
        let text = disk::standard_input()?;
        return load::load_text(gossfile, &text, &data, &disk).map_err(|error| error.to_string());
    }
    load::load(gossfile, &data, &disk).map_err(|error| error.to_string())
}

/// What goss files ask, all together; it becomes part of jobs, so templates see no variable that is named like a secret. None: what is wrong was told.
///
/// # Errors
/// A file can't be read or rendered.
pub(super) fn resources(
    files: &[Utf8PathBuf],
    vars: &[Utf8PathBuf],
    inline: &str,
    colour: bool,
) -> anyhow::Result<Option<Vec<Resource>>> {
    let mut resources = Vec::new();
    for file in files {
        let env = environment().into_iter().filter(|(name, _)| !Secrets::is_named_by(name)).collect();
        let loaded = loaded_with(env, file, vars, inline).map_err(Wrong::new)?;
        let Some(spec) = spec(&loaded, colour) else { return Ok(None) };
        resources.extend(spec.resources);
    }
    Ok(Some(Spec::new(resources).resources))
}

async fn validate(args: &Validate, loaded: &Loaded, host: Option<&Host>, colour: bool) -> anyhow::Result<Exit> {
    let Some(spec) = spec(loaded, colour) else { return Ok(Exit::Status(BAD_CONFIG)) };
    if spec.resources.iter().all(|resource| resource.assertions.is_empty()) {
        // The file that was named is merged first.
        return refuse(&format!("{}: found 0 tests", loaded.files.first().map_or("-", |file| &file.file)));
    }
    let (results, is_late) = match results_in_time(args, &spec, host).await? {
        Ok(results) => results,
        Err(Interrupted(signal)) => return Ok(Exit::Cancelled(signal)),
    };
    let chosen = |choice| args.options.contains(&choice);
    let options = format::Options {
        sort: chosen(Choice::Sort),
        pretty: chosen(Choice::Pretty),
        perfdata: chosen(Choice::Perfdata),
        verbose: chosen(Choice::Verbose),
        exclude_raw: chosen(Choice::ExcludeRaw),
        colour: colour && !args.no_color && std::io::stdout().is_terminal(),
    };
    let output = format::render(&results, args.format.format(), options, Utc::now());
    print(&output.text)?;
    if is_late {
        tell(&format!("error: the tests did not pass within {:?}\n", args.retry_timeout));
    }
    Ok(Exit::Status(if is_late { RETRY_TIMEOUT } else { output.status }))
}

/// Everything that the files ask, on the lines of the files. None: what is wrong was told.
fn spec(loaded: &Loaded, colour: bool) -> Option<Spec> {
    let Parsed { resources, sources, diagnostics } = specs::parse(loaded)?;
    tell(&diagnostic::report(&diagnostics, &sources, colour));
    (!diagnostic::has_errors(&diagnostics)).then(|| Spec::new(resources))
}

/// By the signal of this number.
struct Interrupted(i32);

/// The results of the last try, and whether it came too late.
async fn results_in_time(
    args: &Validate,
    spec: &Spec,
    host: Option<&Host>,
) -> anyhow::Result<Result<(Vec<TestResult>, bool), Interrupted>> {
    let begin = Instant::now();
    let mut machine = match Machine::open(host).await? {
        Opened::Machine(machine) => machine,
        Opened::Cancelled(signal) => return Ok(Err(Interrupted(signal))),
    };
    loop {
        let findings = match machine.probe(spec).await? {
            Probed::Found(findings) => findings,
            Probed::Cancelled(signal) => return Ok(Err(Interrupted(signal))),
        };
        let results = evaluate(spec, &findings, Utc::now());
        let passed = results.iter().all(|result| result.outcome != Outcome::Failure);
        if passed || args.retry_timeout.is_zero() {
            return Ok(Ok((results, false)));
        }
        if begin.elapsed() + args.sleep > args.retry_timeout {
            return Ok(Ok((results, true)));
        }
        tell(&format!("not all tests pass; again in {:?}\n", args.sleep));
        tokio::time::sleep(args.sleep).await;
    }
}

/// What a command of a test printed, or a file holds, is quoted in it: GitHub's runner would obey a line of that.
fn print(text: &str) -> anyhow::Result<()> {
    let is_obeyed = environment().get("GITHUB_ACTIONS").is_some_and(|value| value == "true");
    let text = &if is_obeyed { report::disarmed(text) } else { text.to_owned() };
    std::io::stdout().write_all(text.as_bytes()).context("failed to write to standard output")
}

fn refuse(message: &str) -> anyhow::Result<Exit> {
    tell(&format!("error: {}\n", report::one_line(message)));
    Ok(Exit::Status(BAD_CONFIG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, milliseconds) in [("0", 0), ("500ms", 500), ("10s", 10_000), ("1m30s", 90_000), ("1.5h", 5_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1x", "1e99h", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
