//! `ovenbird goss`: goss's own commands, with its options, forms and exit statuses, for people who come with goss files.

use std::io::{IsTerminal, Read, Write};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use chrono::Utc;
use clap::{Subcommand, ValueEnum};

use super::exit::Exit;
use super::load;
use crate::diagnostic;
use crate::smoke::evaluate::evaluate;
use crate::smoke::finding::Findings;
use crate::smoke::format;
use crate::smoke::spec::{self, Kind, Spec};

/// goss's status for a file that can't be used, and for one without tests.
const BAD_CONFIG: u8 = 78;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the `matching` tests of a goss file, and print the results as goss does
    #[command(visible_alias = "v")]
    Validate(Validate),
}

#[derive(Debug, clap::Args)]
struct Validate {
    /// The goss file, YAML or JSON; - reads standard input
    #[arg(short, long, value_name = "FILE", default_value = "./goss.yaml")]
    gossfile: Utf8PathBuf,
    /// The form of the results
    #[arg(short, long, value_enum, default_value_t = Form::Rspecish)]
    format: Form,
    /// How the form is written; may be given several times
    #[arg(short = 'o', long = "format-options", value_enum, value_name = "OPTION", value_delimiter = ',')]
    options: Vec<Choice>,
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
pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let Command::Validate(args) = &args.command;
    validate(args, colour)
}

fn validate(args: &Validate, colour: bool) -> anyhow::Result<Exit> {
    let text = read(&args.gossfile)?;
    let (file, sources, mut diagnostics) = spec::parse(args.gossfile.as_str(), &text);
    diagnostic::sort(&mut diagnostics, &sources);
    load::tell(&diagnostic::report(&diagnostics, &sources, colour));
    if diagnostic::has_errors(&diagnostics) {
        return Ok(Exit::Status(BAD_CONFIG));
    }
    if let Some(import) = file.imports.iter().find(|import| !import.skip) {
        return refuse(&format!("{}:{}: other goss files can't be imported", args.gossfile, import.place.line));
    }
    let spec = Spec::new(file.resources);
    if let Some(other) = spec.resources.iter().find(|one| one.kind != Kind::Matching && !one.skip) {
        let what = format!("`{}` looks at a machine, and only `matching` is tested here", other.kind.key());
        return refuse(&format!("{}:{}: {what}", args.gossfile, other.place.line));
    }
    let results = evaluate(&spec, &Findings::default(), Utc::now());
    if results.is_empty() {
        return refuse(&format!("{}: found 0 tests", args.gossfile));
    }
    let chosen = |choice| args.options.contains(&choice);
    let options = format::Options {
        sort: chosen(Choice::Sort),
        pretty: chosen(Choice::Pretty),
        perfdata: chosen(Choice::Perfdata),
        verbose: chosen(Choice::Verbose),
        exclude_raw: chosen(Choice::ExcludeRaw),
        colour: colour && std::io::stdout().is_terminal(),
    };
    let output = format::render(&results, args.format.format(), options, Utc::now());
    std::io::stdout().write_all(output.text.as_bytes()).context("failed to write the results")?;
    Ok(Exit::Status(output.status))
}

fn refuse(message: &str) -> anyhow::Result<Exit> {
    load::tell(&format!("error: {message}\n"));
    Ok(Exit::Status(BAD_CONFIG))
}

fn read(path: &Utf8Path) -> anyhow::Result<String> {
    if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("failed to read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("failed to read `{path}`"))
}
