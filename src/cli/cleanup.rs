//! `ovenbird cleanup`: removes what an interrupted run left behind.

use camino::Utf8PathBuf;

use super::exit::{Exit, Wrong};
use super::load::Folders;
use crate::journal::cleanup::{Cleaned, Places, cleanup};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this run; without it, every run that is no longer at work
    run: Option<String>,
    /// The output folder that the run was given
    #[arg(long, value_name = "DIR", default_value = "ovenbird-out")]
    pub(super) out: Utf8PathBuf,
    /// The cache folder that the run was given
    #[arg(long, value_name = "DIR", env = "OVENBIRD_CACHE_DIR")]
    pub(super) cache_dir: Option<Utf8PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let places = match Folders::existing(&args.out, args.cache_dir.as_deref())? {
        Some(folders) => Places::new(&folders.out, &folders.cache),
        None if args.run.is_none() => return tell(&Cleaned::default()),
        None => return Err(Wrong::new(format!("there is no folder `{}`", args.out)).hint("name it with --out").into()),
    };
    let cleaned = cleanup(&places, args.run.as_deref())?;
    tell(&cleaned)
}

#[expect(clippy::print_stderr, reason = "the command's report to people")]
fn tell(cleaned: &Cleaned) -> anyhow::Result<Exit> {
    for run in &cleaned.busy {
        eprintln!("Run {run} is still at work: left alone.");
    }
    for run in &cleaned.runs {
        eprintln!("Cleaned up run {run}");
    }
    if cleaned.processes > 0 {
        eprintln!("Ended {} process(es).", cleaned.processes);
    }
    for path in &cleaned.paths {
        eprintln!("Removed {path}");
    }
    for failure in &cleaned.failures {
        eprintln!("error: {failure}");
    }
    if *cleaned == Cleaned::default() {
        eprintln!("Nothing to clean up.");
    }
    Ok(if cleaned.failures.is_empty() { Exit::Done } else { Exit::Failed })
}
