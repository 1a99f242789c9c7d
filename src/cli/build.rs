//! `ovenbird build`: runs the jobs of a plan, each as its own process.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::ci;
use super::exit::Exit;
use super::load::{self, Folders, Loaded};
use super::run::{self, Work};
use crate::event::JobId;
use crate::image::manifest::{Images, Manifest};
use crate::secret::Secrets;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these jobs, as `ovenbird plan` names them
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    #[command(flatten)]
    load: load::Planning,
    /// Where images and logs go, each job in its own folder
    #[arg(long, value_name = "DIR", default_value = "ovenbird-out")]
    pub(super) out: Utf8PathBuf,
    #[command(flatten)]
    pub(super) run: run::RunArgs,
}

pub(super) async fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let checked = load::check(&args.load)?.with_scripts().await;
    let Some(Loaded { plan, jobs, mut secrets, mut hidden }) = checked.accept(&args.load, &args.jobs, colour)? else {
        return Ok(Exit::Wrong);
    };
    let environment = load::environment();
    secrets.register_environment(&environment);
    // What jobs need of it comes to them on standard input; the programs that they start need none of it.
    hidden.extend(environment.keys().filter(|name| Secrets::is_named_by(name)).cloned());
    let folders = Folders::create(&args.out, args.run.cache_dir.as_deref())?;
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
    let _taken = run::take(&folders.out, &ids)?;
    let root = load::root_of(&args.load.file)?;
    let real = ci::Real { root: &root, repository: load::repository_of(&root), out: &folders.out };
    let given = ci::Given { planning: &args.load, out: &args.out, secrets: &secrets };
    let setting = ci::setting(&environment, &real, &given);
    let work = Work {
        name: plan.name.clone(),
        jobs,
        tasks: BTreeMap::new(),
        max_parallel: plan.max_parallel,
        fail_fast: plan.fail_fast,
        secrets,
        hidden,
        folders: folders.clone(),
        out: args.out.clone(),
        setting,
    };
    let ran = run::run(&args.run, work, colour, &mut |_| {}).await?;
    // The machine-readable sum of all jobs, before the table that people read. They get theirs in any case.
    let summed = Images::update(&folders.out, &plan.name, built(&folders.out, &ids));
    ran.finish(summed.map(|_| ()), colour)
}

/// The manifests of the jobs that came to an image; a job that failed has none.
fn built(out: &Utf8Path, jobs: &[JobId]) -> Vec<Manifest> {
    let paths = jobs.iter().map(|job| out.join(&job.0).join("manifest.json"));
    paths.filter_map(|path| Manifest::read(&path).ok()).collect()
}
