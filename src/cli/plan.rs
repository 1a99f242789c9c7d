//! `ovenbird plan`: the jobs that a build would run.

use std::io::{BufWriter, Write};

use anyhow::Context;
use clap::ValueEnum;

use super::exit::Exit;
use super::load::{self, Loaded};
use crate::plan;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these jobs
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    #[command(flatten)]
    load: load::Planning,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let Some(Loaded { plan, jobs, .. }) = load::check(&args.load)?.accept(&args.load, &args.jobs, colour)? else {
        return Ok(Exit::Wrong);
    };
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let written = match args.format {
        Format::Table => stdout.write_all(plan::table(&plan, &jobs).as_bytes()),
        Format::Json => plan::json(&plan, &jobs, &mut stdout),
    };
    match written.and_then(|()| stdout.flush()) {
        // `ovenbird plan | head` has what it wants.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("failed to write the plan"),
        _ => Ok(Exit::Done),
    }
}
