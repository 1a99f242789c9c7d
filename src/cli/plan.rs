//! `ovenbird plan`: the jobs that a build would run, for people, for programs, and as a CI service fans them out.

use std::io::{BufWriter, Write};

use anyhow::Context;
use camino::Utf8Path;
use clap::ValueEnum;

use super::ci;
use super::exit::{Exit, Wrong};
use super::load::{self, Loaded};
use crate::plan::fanout::{self, Runners};
use crate::plan::job::Arch;
use crate::plan::{self, SelectError};
use crate::report;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these jobs
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    #[command(flatten)]
    load: load::Planning,
    /// For people, for programs, or for a CI service that runs each job on a machine of its own
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// With --format github: the labels of the runners that build for an architecture
    #[arg(long = "runner", value_name = "ARCH=LABEL[,LABEL]", value_parser = labels)]
    runners: Vec<(Arch, Vec<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Everything that is known of each job
    Json,
    /// The matrix of a workflow, for fromJSON
    Github,
}

/// `amd64=self-hosted,kvm`.
fn labels(text: &str) -> Result<(Arch, Vec<String>), String> {
    let (arch, labels) = text.split_once('=').ok_or("expected ARCH=LABEL, such as amd64=ubuntu-24.04")?;
    let arch = [Arch::Amd64, Arch::Arm64].into_iter().find(|known| known.debian() == arch);
    let arch = arch.ok_or("the architectures are amd64 and arm64")?;
    let labels: Vec<String> = labels.split(',').map(|label| label.trim().to_owned()).collect();
    match labels.iter().any(String::is_empty) {
        true => Err("a label is empty".to_owned()),
        false => Ok((arch, labels)),
    }
}

pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    if !args.runners.is_empty() && args.format != Format::Github {
        return Err(Wrong::new("`--runner` goes with `--format github`").into());
    }
    let checked = load::check(&args.load)?;
    let text = match args.format {
        Format::Table | Format::Json => {
            let Some(loaded) = checked.accept(&args.load, &args.jobs, colour)? else { return Ok(Exit::Wrong) };
            return show(args.format, &loaded);
        }
        Format::Github => {
            let Some((loaded, none)) = checked.accept_any(&args.load, &args.jobs, colour)? else {
                return Ok(Exit::Wrong);
            };
            tell_nothing(none.as_ref());
            github(args, &loaded)?
        }
    };
    print(|stdout| stdout.write_all(text.as_bytes()))
}

fn show(format: Format, Loaded { plan, jobs, .. }: &Loaded) -> anyhow::Result<Exit> {
    print(|stdout| match format {
        Format::Json => plan::json(plan, jobs, stdout),
        _ => stdout.write_all(plan::table(plan, jobs).as_bytes()),
    })
}

fn print(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<Exit> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        // `ovenbird plan | head` has what it wants.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("failed to write the plan"),
        _ => Ok(Exit::Done),
    }
}

/// A fan-out over no job is right, and worth a word.
fn tell_nothing(none: Option<&SelectError>) {
    if let Some(none) = none {
        load::tell(&format!("notice: {none}: there is nothing to build\n"));
    }
}

/// The matrix for a workflow, also as outputs of the step.
fn github(args: &Args, loaded: &Loaded) -> anyhow::Result<String> {
    let Loaded { plan, jobs, secrets, .. } = loaded;
    let mut runners = Runners::of_github();
    args.runners.iter().for_each(|(arch, labels)| runners.set(*arch, labels.clone()));
    let matrix = fanout::matrix(plan, jobs, &runners, &secrets.redactor()).map_err(too_many)?;
    for key in &matrix.hidden {
        load::tell(&format!(
            "notice: `{}` of a cell holds the value of a sensitive variable and is shown as ***\n",
            key.escape_debug()
        ));
    }
    if matrix.without_cells {
        load::tell("notice: `cell` is left out of the matrix: with it, it is more than GitHub takes as an output\n");
    }
    if let Some(path) = std::env::var("GITHUB_OUTPUT").ok().filter(|path| !path.is_empty()) {
        let count = jobs.len().to_string();
        report::give_outputs(Utf8Path::new(&path), &ci::token()?, &[("matrix", &matrix.json), ("jobs", &count)])?;
    }
    Ok(matrix.json + "\n")
}

fn too_many(error: fanout::TooMany) -> Wrong {
    Wrong::new(error.to_string()).hint("choose among the jobs with `--only`, in one workflow for each part")
}
