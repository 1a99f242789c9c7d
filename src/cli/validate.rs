//! `ovenbird validate`: everything that can be known without building.

use camino::Utf8PathBuf;

use super::exit::Exit;
use super::load;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The definition
    #[arg(value_name = "FILE", default_value = "ovenbird.yml")]
    file: Utf8PathBuf,
    /// Give a variable a value; the last one wins
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = load::pair)]
    vars: Vec<(String, String)>,
    /// A YAML file of variables; --var wins over it
    #[arg(long, value_name = "FILE")]
    var_file: Vec<Utf8PathBuf>,
}

#[expect(clippy::print_stderr, reason = "a verdict is talk")]
pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let (vars, var_file) = (args.vars.clone(), args.var_file.clone());
    let args = load::Planning { file: args.file.clone(), vars, var_file, only: None };
    let Some(loaded) = load::load(&args, &[], colour)? else { return Ok(Exit::Wrong) };
    let jobs = loaded.jobs.len();
    eprintln!("`{}` is valid: {jobs} {}.", args.file, if jobs == 1 { "job" } else { "jobs" });
    Ok(Exit::Done)
}
