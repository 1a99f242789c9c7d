//! `ovenbird plan`: the jobs that a build would run.

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

#[expect(clippy::print_stdout, reason = "the plan is the command's data")]
pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let Some(Loaded { plan, jobs, .. }) = load::load(&args.load, &args.jobs, colour)? else {
        return Ok(Exit::Wrong);
    };
    match args.format {
        Format::Table => print!("{}", plan::table(&plan, &jobs)),
        Format::Json => println!("{}", plan::json(&plan, &jobs)?),
    }
    Ok(Exit::Done)
}
