//! `ovenbird cleanup`: removes what an interrupted run left behind.

use camino::{Utf8Path, Utf8PathBuf};

use super::exit::{Exit, Wrong};
use super::load::Folders;
use super::{boot, test};
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
    let places = places(args)?;
    if let Some(run) = &args.run {
        let of_run = places.iter().find(|places| places.journals.join(run).exists());
        return match of_run.or(places.first()) {
            Some(places) => tell(&cleanup(places, Some(run))?),
            None => Err(Wrong::new(format!("there is no folder `{}`", args.out)).hint("name it with --out").into()),
        };
    }
    let mut all = Cleaned::default();
    for places in &places {
        let Cleaned { busy, runs, processes, paths, failures } = cleanup(places, None)?;
        all.busy.extend(busy);
        all.runs.extend(runs);
        all.processes += processes;
        all.paths.extend(paths);
        all.failures.extend(failures);
    }
    tell(&all)
}

/// Where runs may have left something: the output folder, that of tests beside it, and the copies of `boot` in the cache.
fn places(args: &Args) -> anyhow::Result<Vec<Places>> {
    let cache = args.cache_dir.as_deref();
    let of_tests = args.out.with_file_name(test::OUT);
    let outs = [args.out.clone(), of_tests].map(|out| Folders::existing(&out, cache));
    let mut places = Vec::new();
    for folders in outs {
        places.extend(folders?.map(|folders| Places::new(&folders.out, &folders.cache)));
    }
    // The cache is found from a folder that is there.
    let here = Folders::existing(Utf8Path::new("."), cache)?;
    let copies =
        here.map(|folders| (boot::copies(&folders.cache), folders.cache)).filter(|(copies, _)| copies.is_dir());
    places.extend(copies.map(|(copies, cache)| Places::new(&copies, &cache)));
    Ok(places)
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
