//! Running jobs, each as its own process: what `ovenbird build` and `ovenbird test` have in common.

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
use super::load::{self, Folders};
use crate::context::Explained;
use crate::event::{Event, Failure, JobId};
use crate::forge::github::Checks;
use crate::plan::job::Job;
use crate::report::{Annotations, Ci, ConsoleMode, Options, Reports, Setting};
use crate::runner::supervisor::{self, Config, Ending};
use crate::runner::wire::{SILENCE, Task};
use crate::secret::Secrets;

/// How jobs are run and shown.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// How many jobs run at a time; otherwise strategy.max-parallel, or one for every two processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
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

/// Jobs that are to be run.
pub(super) struct Work {
    /// The definition's `name`, or what people may call all of them.
    pub name: String,
    pub jobs: Vec<Job>,
    /// What is to be done with jobs that are not to be built.
    pub tasks: BTreeMap<JobId, Task>,
    /// What the definition says.
    pub max_parallel: Option<u32>,
    pub fail_fast: bool,
    pub secrets: Secrets,
    /// Environment variables that hold sensitive values.
    pub hidden: Vec<String>,
    pub folders: Folders,
    /// The output folder as it was given.
    pub out: Utf8PathBuf,
    pub setting: Setting,
}

/// Jobs that have run, whose reports are not complete yet.
pub(super) struct Ran {
    ending: anyhow::Result<Ending>,
    reporter: Reporter,
}

/// Runs jobs; `watch` sees every event too.
pub(super) async fn run(
    args: &RunArgs,
    work: Work,
    colour: bool,
    watch: &mut (dyn FnMut(&Event) + Send),
) -> anyhow::Result<Ran> {
    let options = options(args, &work, colour)?;
    let checks = matches!((args.annotations, &options.ci), (AnnotationMode::Checks, Some(Ci::GitHub(_))))
        .then(|| Checks::start(&load::environment(), &work.name, work.jobs.len()));
    let reports = Reports::with_checks(options, checks).map_err(|error| Wrong::new(format!("{error:#}")))?;
    let reporter = Reporter::start(reports);
    let max_parallel = args.max_parallel.or(work.max_parallel);
    let config = Config {
        program: std::env::current_exe().context("failed to find this program's own file")?,
        run: run_id()?,
        out: work.folders.out,
        cache: work.folders.cache,
        jobs: work.jobs,
        tasks: work.tasks,
        max_parallel: max_parallel.map_or_else(default_parallel, |max| max as usize),
        fail_fast: work.fail_fast,
        secrets: work.secrets,
        hidden: work.hidden,
        silence: SILENCE,
        has_room: reporter.has_room(),
    };
    let report = &mut |event: &Event| {
        watch(event);
        reporter.tell(event);
    };
    let ending = supervisor::run(config, report).await;
    Ok(Ran { ending, reporter })
}

impl Ran {
    /// Completes the reports, after `summed`: what was written besides.
    pub(super) fn finish(self, summed: anyhow::Result<()>, colour: bool) -> anyhow::Result<Exit> {
        let reported = self.reporter.finish().context("failed to write a report");
        conclude(self.ending?, reported.and(summed), colour)
    }
}

/// What is reported, and to whom: files and a console everywhere, and what the CI service around us understands.
fn options(args: &RunArgs, work: &Work, colour: bool) -> anyhow::Result<Options> {
    let annotations = match args.annotations {
        AnnotationMode::Commands | AnnotationMode::Checks => Annotations::Shown,
        AnnotationMode::None => Annotations::None,
    };
    Ok(Options {
        console: if args.quiet { ConsoleMode::Quiet } else { ConsoleMode::Live },
        colour,
        out: work.out.clone(),
        events: args.events.clone(),
        verbose: args.verbose,
        setting: work.setting.clone(),
        ci: ci::service(&load::environment(), &work.secrets, annotations)?,
    })
}

/// How the command ends. A report that could not be written makes a run fail that built everything, for who reads it would
/// take it for complete; it never hides that a run was cancelled.
fn conclude(ending: Ending, reported: anyhow::Result<()>, colour: bool) -> anyhow::Result<Exit> {
    match (ending, reported) {
        (Ending::Success, reported) => reported.map(|()| Exit::Done),
        (Ending::Failure, Ok(())) => Ok(Exit::Failed),
        (Ending::Cancelled(signal), Ok(())) => Ok(Exit::Cancelled(signal)),
        (Ending::TestsFailed, Ok(())) => Ok(Exit::TestsFailed),
        (Ending::Failure | Ending::TestsFailed, Err(error)) => Err(error),
        (Ending::Cancelled(signal), Err(error)) => {
            super::exit::report(&error, colour);
            Ok(Exit::Cancelled(signal))
        }
    }
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
pub(super) fn take(out: &Utf8Path, jobs: &[JobId]) -> anyhow::Result<Vec<File>> {
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
                ..Failure::new(format!("another run is at work on the job `{job}` in `{folder}`"))
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

/// A machine keeps about two processors busy: its own, and what unpacks, converts and encrypts beside it.
fn default_parallel() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2)
}

/// A run's id: when it began, for people, and enough chance that two runs never share one.
pub(super) fn run_id() -> anyhow::Result<String> {
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
        assert!(error.to_string().contains("another run is at work on the job `b`"), "{error}");
        drop((first, other));
        take(out, &[a, b]).unwrap();
    }
}
