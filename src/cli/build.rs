//! `ovenbird build`: runs the jobs of a plan, each as its own process.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use chrono::Utc;

use super::ci;
use super::exit::{Exit, Wrong};
use super::load::{self, Folders, Loaded};
use crate::context::Explained;
use crate::event::{Event, Failure, JobId};
use crate::forge::github::Checks;
use crate::image::manifest::{Images, Manifest};
use crate::report::{Annotations, Ci, ConsoleMode, Options, Reports};
use crate::runner::supervisor::{self, Config, Ending};
use crate::runner::wire::SILENCE;
use crate::secret::Secrets;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these jobs, as `ovenbird plan` names them
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    #[command(flatten)]
    load: load::Planning,
    /// How many jobs run at a time; otherwise strategy.max-parallel, or one for every two processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// Where images and logs go, each job in its own folder
    #[arg(long, value_name = "DIR", default_value = "ovenbird-out")]
    pub(super) out: Utf8PathBuf,
    /// Where downloads are kept between runs; otherwise ovenbird in the user's cache folder
    #[arg(long, value_name = "DIR", env = "OVENBIRD_CACHE_DIR")]
    pub(super) cache_dir: Option<Utf8PathBuf>,
    /// Write every event as JSON Lines
    #[arg(long, value_name = "FILE")]
    events: Option<Utf8PathBuf>,
    /// How GitHub is told of failures: on their lines by workflow commands, by a check run for each job (the token needs
    /// `checks: write`), or by log and summary only
    #[arg(long, value_name = "HOW", value_enum, default_value_t = AnnotationMode::Commands)]
    annotations: AnnotationMode,
    /// Show all output, the machines' consoles included
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// Show warnings, failures and the closing table only
    #[arg(short, long)]
    quiet: bool,
}

/// What `--annotations` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AnnotationMode {
    Commands,
    Checks,
    None,
}

pub(super) async fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let checked = load::check(&args.load)?.with_scripts().await;
    let Some(Loaded { plan, jobs, mut secrets, mut hidden }) = checked.accept(&args.load, &args.jobs, colour)? else {
        return Ok(Exit::Wrong);
    };
    let environment = load::environment();
    secrets.register_environment(&environment);
    // What jobs need of it comes to them on standard input; the programs that they start need none of it.
    hidden.extend(environment.into_keys().filter(|name| Secrets::is_named_by(name)));
    let folders = Folders::create(&args.out, args.cache_dir.as_deref())?;
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
    let _taken = take(&folders.out, &ids)?;
    let options = options(args, colour, &folders, &secrets)?;
    let checks = matches!((args.annotations, &options.ci), (AnnotationMode::Checks, Some(Ci::GitHub(_))))
        .then(|| Checks::start(&load::environment(), &plan.name, jobs.len()));
    let reports = Reports::with_checks(options, checks).map_err(|error| Wrong::new(format!("{error:#}")))?;
    let reporter = Reporter::start(reports);
    let max_parallel = args.max_parallel.or(plan.max_parallel);
    let config = Config {
        program: std::env::current_exe().context("failed to find this program's own file")?,
        run: run_id()?,
        out: folders.out.clone(),
        cache: folders.cache,
        jobs,
        tasks: BTreeMap::new(),
        max_parallel: max_parallel.map_or_else(default_parallel, |max| max as usize),
        fail_fast: plan.fail_fast,
        secrets,
        hidden,
        silence: SILENCE,
        has_room: reporter.has_room(),
    };
    let ending = supervisor::run(config, &mut |event| reporter.tell(event)).await;
    // The machine-readable sum of all jobs, before the table that people read. They get theirs in any case.
    let summed = Images::update(&folders.out, &plan.name, built(&folders.out, &ids));
    let reported = reporter.finish().context("failed to write a report");
    let ending = ending?;
    conclude(ending, reported.and(summed.map(|_| ())), colour)
}

/// How the command ends. A report that could not be written makes a run fail that built everything, for who reads it would
/// take it for complete; it never hides that a run was cancelled.
fn conclude(ending: Ending, reported: anyhow::Result<()>, colour: bool) -> anyhow::Result<Exit> {
    match (ending, reported) {
        (Ending::Success, reported) => reported.map(|()| Exit::Done),
        (Ending::Failure, Ok(())) => Ok(Exit::Failed),
        (Ending::TestsFailed, Ok(())) => Ok(Exit::TestsFailed),
        (Ending::Cancelled(signal), Ok(())) => Ok(Exit::Cancelled(signal)),
        (Ending::Failure | Ending::TestsFailed, Err(error)) => Err(error),
        (Ending::Cancelled(signal), Err(error)) => {
            super::exit::report(&error, colour);
            Ok(Exit::Cancelled(signal))
        }
    }
}

/// What is reported, and to whom: files and a console everywhere, and what the CI service around us understands.
fn options(args: &Args, colour: bool, folders: &Folders, secrets: &Secrets) -> anyhow::Result<Options> {
    let environment = load::environment();
    let root = load::root_of(&args.load.file)?;
    let real = ci::Real { root: &root, repository: load::repository_of(&root), out: &folders.out };
    let annotations = match args.annotations {
        AnnotationMode::Commands | AnnotationMode::Checks => Annotations::Shown,
        AnnotationMode::None => Annotations::None,
    };
    let given = ci::Given { planning: &args.load, out: &args.out, secrets };
    Ok(Options {
        console: if args.quiet { ConsoleMode::Quiet } else { ConsoleMode::Live },
        colour,
        out: args.out.clone(),
        events: args.events.clone(),
        verbose: args.verbose,
        setting: ci::setting(&environment, &real, &given),
        ci: ci::service(&environment, secrets, annotations)?,
    })
}

/// How many events may wait for whoever reads the reports. Beyond that the jobs wait too, so that they can't fill our
/// memory.
const BACKLOG: usize = 16_384;

/// Reports on a thread of their own: a terminal that stands still (`| less`) must not hold up signals and deadlines.
struct Reporter {
    events: Sender<Event>,
    backlog: Arc<AtomicUsize>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Reporter {
    fn start(mut reports: Reports) -> Self {
        let (events, received) = std::sync::mpsc::channel::<Event>();
        let backlog = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&backlog);
        let thread = std::thread::spawn(move || {
            for event in received {
                reports.on_event(&event);
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
            reports.finish()
        });
        Self { events, backlog, thread }
    }

    fn has_room(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        let backlog = Arc::clone(&self.backlog);
        Box::new(move || backlog.load(Ordering::Relaxed) < BACKLOG)
    }

    fn tell(&self, event: &Event) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        // The thread listens until this end is dropped.
        let _ = self.events.send(event.clone());
    }

    /// Waits until everything is written.
    fn finish(self) -> std::io::Result<()> {
        drop(self.events);
        self.thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a report panicked")))
    }
}

/// Makes the jobs' folders and keeps other runs away from them: two that write the same files leave a mixture of both.
/// A folder is free again when its file is closed, however this process ends.
fn take(out: &Utf8Path, jobs: &[JobId]) -> anyhow::Result<Vec<File>> {
    let take = |job: &JobId| {
        let folder = out.join(&job.0);
        // A repository may bring one along, and what it leads to is not ours to write.
        anyhow::ensure!(!folder.is_symlink(), "`{folder}` is a link: remove it, or give another folder with --out");
        std::fs::create_dir_all(&folder).map_err(|error| load::not_ours("create", &folder, &error))?;
        check_writable(&folder)?;
        let file = File::open(&folder).with_context(|| format!("failed to open `{folder}`"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => anyhow::bail!(Explained(Failure {
                hint: Some("wait until it has ended, or give one of them another folder with --out".to_owned()),
                ..Failure::new(format!("another run is building the job `{job}` into `{folder}`"))
            })),
            // Some network file systems can't lock folders.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    };
    jobs.iter().map(take).collect()
}

/// Finds out now what every report would tell at the end of a build.
fn check_writable(folder: &Utf8Path) -> anyhow::Result<()> {
    // Without a name where the file system can: none could be a link.
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(()),
        Err(error) => Err(load::not_ours("write to", folder, &error).into()),
    }
}

/// The manifests of the jobs that came to an image; a job that failed has none.
fn built(out: &Utf8Path, jobs: &[JobId]) -> Vec<Manifest> {
    let paths = jobs.iter().map(|job| out.join(&job.0).join("manifest.json"));
    paths.filter_map(|path| Manifest::read(&path).ok()).collect()
}

/// A machine keeps about two processors busy: its own, and what unpacks, converts and encrypts beside it.
fn default_parallel() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2)
}

/// A run's id: when it began, for people, and enough chance that two runs never share one.
fn run_id() -> anyhow::Result<String> {
    let mut random = [0u8; 3];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut random))
        .context("failed to read /dev/urandom")?;
    let [a, b, c] = random;
    Ok(format!("{}-{a:02x}{b:02x}{c:02x}", Utc::now().format("%Y%m%d-%H%M%S")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_report_that_was_not_written_fails_a_run_and_hides_no_cancel() {
        let unwritten = || Err(anyhow::anyhow!("failed to write `junit.xml`"));
        assert!(conclude(Ending::Success, unwritten(), false).is_err());
        assert_eq!(conclude(Ending::Success, Ok(()), false).unwrap(), Exit::Done);
        assert_eq!(conclude(Ending::TestsFailed, Ok(()), false).unwrap(), Exit::TestsFailed);
        assert!(conclude(Ending::TestsFailed, unwritten(), false).is_err());
        assert_eq!(conclude(Ending::Cancelled(15), unwritten(), false).unwrap(), Exit::Cancelled(15));
    }

    #[test]
    fn two_runs_never_build_the_same_job_into_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap();
        let (a, b) = (JobId("a".to_owned()), JobId("b".to_owned()));
        let first = take(out, std::slice::from_ref(&a)).unwrap();
        let other = take(out, std::slice::from_ref(&b)).unwrap();
        let error = take(out, &[b.clone(), a.clone()]).unwrap_err();
        assert!(error.to_string().contains("another run is building the job `b`"), "{error}");
        drop((first, other));
        take(out, &[a, b]).unwrap();
    }
}
