//! Removing what an interrupted run left behind, from its journals alone.
//!
//! A journal may lie in a checked-out repository, so it is not believed blindly: a process is ended only when it carries
//! the journal's random token in its environment, a path is removed only inside the folders that runs write to.

use std::fs::{File, OpenOptions, TryLockError};
use std::time::{Duration, Instant};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{PidfdFlags, Signal};

use super::process::{Identity, with_token};
use super::record::{Entry, Resource, read};

/// How long a killed process may take to be gone: the kernel frees its memory first.
const DEATH: Duration = Duration::from_secs(10);

/// A child that is just being started holds its parent's files, and so the lock, for a moment: until it runs its program.
const FORK: Duration = Duration::from_millis(500);

/// How often the process table is searched again for children that were started while their parents were ended.
const ROUNDS: usize = 20;

/// What a cleanup did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Runs that still work; nothing of theirs was touched.
    pub busy: Vec<String>,
    /// Runs that were cleaned.
    pub runs: Vec<String>,
    /// Processes that were ended.
    pub processes: usize,
    /// Files and folders that were removed.
    pub paths: Vec<Utf8PathBuf>,
    /// What could not be removed, and why. Its journal stays.
    pub failures: Vec<String>,
}

/// The folders in which a cleanup may remove something.
#[derive(Clone, Debug)]
pub struct Places {
    /// `<out>/.journal`
    pub journals: Utf8PathBuf,
    /// `<out>/.work`
    pub work: Utf8PathBuf,
    pub cache: Utf8PathBuf,
}

impl Places {
    /// The places of runs that write to `out` and keep downloads in `cache`. Both must be real paths, without links.
    #[must_use]
    pub fn new(out: &Utf8Path, cache: &Utf8Path) -> Self {
        Self { journals: out.join(".journal"), work: out.join(".work"), cache: cache.to_owned() }
    }

    /// The supervisor's journal of a run.
    #[must_use]
    pub fn run_journal(&self, run: &str) -> Utf8PathBuf {
        self.journals.join(run).join("run.jsonl")
    }

    /// The journal of one job of a run.
    #[must_use]
    pub fn job_journal(&self, run: &str, job: &str) -> Utf8PathBuf {
        self.journals.join(run).join(format!("job-{job}.jsonl"))
    }

    /// The folder in which a job keeps its temporary files.
    #[must_use]
    pub fn job_work(&self, run: &str, job: &str) -> Utf8PathBuf {
        self.work.join(run).join(job)
    }

    fn may_remove(&self, path: &Utf8Path) -> bool {
        let plain = path.components().all(|part| !matches!(part.as_str(), ".." | "."));
        let inside = |folder: &Utf8Path| path.starts_with(folder) && path != folder;
        path.is_absolute()
            && plain
            && (inside(&self.work) || inside(&self.cache) || is_temporary(path))
            && !is_behind_link(path)
    }
}

/// Whether it is one of our own in the system's folder for temporary files.
fn is_temporary(path: &Utf8Path) -> bool {
    let ours = path.file_name().is_some_and(|name| name.starts_with("ovenbird-"));
    ours && path.parent().is_some_and(|parent| parent == std::env::temp_dir())
}

/// Whether a folder on the way to `path` is a link: it would lead the removal somewhere else. A folder that is not there
/// leads nowhere.
fn is_behind_link(path: &Utf8Path) -> bool {
    path.parent().is_some_and(|parent| parent.canonicalize_utf8().is_ok_and(|real| real != parent))
}

/// Removes what the runs under `places` left behind: all of them, or only the run called `only`.
///
/// # Errors
/// The journals can't be listed, or there is no run called `only`.
pub fn cleanup(places: &Places, only: Option<&str>) -> anyhow::Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let mut runs = runs(&places.journals)?;
    if let Some(only) = only {
        runs.retain(|run| run == only);
        anyhow::ensure!(!runs.is_empty(), "there is no run `{only}` to clean up in `{}`", places.journals);
    }
    for run in runs {
        clean_run(places, &run, &mut cleaned);
    }
    // Both folders stay only while a run needs them.
    let _ = std::fs::remove_dir(&places.journals);
    let _ = std::fs::remove_dir(&places.work);
    Ok(cleaned)
}

/// Removes what the process of one job left behind: for its supervisor, after the process has ended.
///
/// # Errors
/// Something can't be removed; the journal stays.
pub fn clean_job(places: &Places, run: &str, job: &str) -> anyhow::Result<()> {
    let journal = places.job_journal(run, job);
    let state = clean_journal(places, &journal, &mut Cleaned::default())?;
    anyhow::ensure!(!matches!(state, State::Busy), "`{journal}` is still held by a process");
    Ok(())
}

fn runs(journals: &Utf8Path) -> anyhow::Result<Vec<String>> {
    let entries = match journals.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("failed to read `{journals}`")),
    };
    let mut runs = Vec::new();
    for entry in entries {
        runs.push(entry.with_context(|| format!("failed to read `{journals}`"))?.file_name().to_owned());
    }
    runs.sort();
    Ok(runs)
}

fn clean_run(places: &Places, run: &str, cleaned: &mut Cleaned) {
    let folder = places.journals.join(run);
    let supervisor = places.run_journal(run);
    // The supervisor first: while it lives the run is busy, and without it no job process is started any more.
    match clean_journal(places, &supervisor, cleaned) {
        Ok(State::Busy) => {
            cleaned.busy.push(run.to_owned());
            return;
        }
        Ok(State::Clean | State::Missing) => {}
        Err(error) => cleaned.failures.push(format!("{error:#}")),
    }
    let jobs = folder.read_dir_utf8().into_iter().flatten().flatten().map(|entry| entry.into_path());
    for journal in jobs.filter(|path| path.extension() == Some("jsonl") && *path != supervisor) {
        match clean_journal(places, &journal, cleaned) {
            Ok(State::Clean | State::Missing) => {}
            Ok(State::Busy) => cleaned.failures.push(format!("`{journal}` is still held by a process")),
            Err(error) => cleaned.failures.push(format!("{error:#}")),
        }
    }
    let _ = std::fs::remove_dir(places.work.join(run));
    if std::fs::remove_dir(&folder).is_ok() || !folder.exists() {
        cleaned.runs.push(run.to_owned());
    }
}

enum State {
    Clean,
    Missing,
    Busy,
}

/// Cleans up after the owner of one journal, and removes the journal when nothing is left.
fn clean_journal(places: &Places, path: &Utf8Path, cleaned: &mut Cleaned) -> anyhow::Result<State> {
    let Some(mut file) = open(path)? else { return Ok(State::Missing) };
    let Some(entries) = lock_and_read(&mut file, path)? else { return Ok(State::Busy) };
    let Some(Entry::Start { token, .. }) = entries.first() else {
        // Its owner was killed before the first line was whole: it had made nothing.
        std::fs::remove_file(path).with_context(|| format!("failed to remove `{path}`"))?;
        return Ok(State::Clean);
    };
    cleaned.processes += end_processes(token)?;
    remove_paths(places, &entries, cleaned)?;
    std::fs::remove_file(path).with_context(|| format!("failed to remove `{path}`"))?;
    Ok(State::Clean)
}

fn open(path: &Utf8Path) -> anyhow::Result<Option<File>> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to open the journal `{path}`")),
    }
}

/// The entries of a journal whose owner is gone; none while it lives. An owner that was killed a moment ago may still
/// hold the lock while the kernel takes it down, so that is waited for.
fn lock_and_read(file: &mut File, path: &Utf8Path) -> anyhow::Result<Option<Vec<Entry>>> {
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let entries = read(file).with_context(|| format!("failed to read the journal `{path}`"))?;
                let alive = matches!(entries.first(), Some(Entry::Start { owner, .. }) if owner.is_alive());
                if begin.elapsed() > if alive { FORK } else { DEATH } {
                    return Ok(None);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock the journal `{path}`"));
            }
        }
    }
    read(file).map(Some).with_context(|| format!("failed to read the journal `{path}`"))
}

/// Ends every process that carries `token`, and waits until each is gone. Children that their parents started meanwhile
/// carry it too, so the search is repeated until it finds none.
fn end_processes(token: &str) -> anyhow::Result<usize> {
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let processes = with_token(token);
        if processes.is_empty() {
            return Ok(ended);
        }
        for process in &processes {
            ended += usize::from(end(process)?);
        }
    }
    anyhow::bail!("processes of the run come back as fast as they are ended")
}

/// Ends one process. A process file descriptor can't come to mean another process, as an id could between the look and
/// the signal.
fn end(process: &Identity) -> anyhow::Result<bool> {
    let Some(pid) = rustix::process::Pid::from_raw(process.pid.cast_signed()) else { return Ok(false) };
    let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return Ok(false) };
    if !process.is_alive() {
        return Ok(false);
    }
    match rustix::process::pidfd_send_signal(&pidfd, Signal::KILL) {
        Ok(()) => {}
        Err(rustix::io::Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("failed to end process {}", process.pid)),
    }
    let timeout = Timespec::try_from(DEATH).ok();
    let gone = rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], timeout.as_ref());
    anyhow::ensure!(matches!(gone, Ok(1..)), "process {} does not end after SIGKILL", process.pid);
    Ok(true)
}

fn remove_paths(places: &Places, entries: &[Entry], cleaned: &mut Cleaned) -> anyhow::Result<()> {
    for entry in entries {
        let Entry::Intent { id, resource: Resource::Path(path) } = entry else { continue };
        let is_gone = path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if is_gone || entries.contains(&Entry::Done { id: *id }) {
            continue;
        }
        anyhow::ensure!(places.may_remove(path), "the journal names `{path}`, which no run would create: not removed");
        if remove(path).with_context(|| format!("failed to remove `{path}`"))? {
            cleaned.paths.push(path.clone());
        }
    }
    Ok(())
}

/// Removes a file or a folder with all that is in it; false when it was gone already. Never follows a link.
///
/// # Errors
/// The file system refuses.
pub fn remove(path: &Utf8Path) -> std::io::Result<bool> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => crate::platform::remove_folder(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::super::process::{TOKEN_VARIABLE, boot_id};
    use super::super::record::{Journal, VERSION};
    use super::*;

    struct Lab {
        _folder: tempfile::TempDir,
        places: Places,
    }

    fn lab() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let places = Places::new(&root.join("out"), &root.join("cache"));
        std::fs::create_dir_all(&places.work).unwrap();
        std::fs::create_dir_all(&places.cache).unwrap();
        Lab { _folder: folder, places }
    }

    impl Lab {
        fn job_journal(&self) -> Journal {
            Journal::create(&self.places.job_journal("r1", "web"), "r1").unwrap()
        }

        fn cleanup(&self) -> Cleaned {
            cleanup(&self.places, None).unwrap()
        }
    }

    /// A process that runs until it is ended, with a child of its own.
    fn sleeper(token: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo up; wait"]).env(TOKEN_VARIABLE, token).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut up = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut up).unwrap();
        child
    }

    #[test]
    fn a_run_whose_owner_lives_is_left_alone() {
        let lab = lab();
        let journal = Journal::create(&lab.places.run_journal("r1"), "r1").unwrap();
        let folder = lab.places.work.join("r1");
        let pending = journal.intent(Resource::Path(folder.clone())).unwrap();
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(lab.cleanup(), Cleaned { busy: vec!["r1".to_owned()], ..Cleaned::default() });
        assert!(folder.exists());
        std::fs::remove_dir(&folder).unwrap();
        journal.done(pending).unwrap();
        journal.close().unwrap();
        assert!(!lab.places.journals.join("r1").exists());
    }

    #[test]
    fn processes_and_their_children_are_ended_and_paths_removed() {
        let lab = lab();
        let journal = lab.job_journal();
        let token = journal.token().to_owned();
        let folder = lab.places.work.join("r1");
        let _path = journal.intent(Resource::Path(folder.clone())).unwrap();
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        let _program = journal.intent(Resource::Program("sh".to_owned())).unwrap();
        // Killed before it recorded the process: the token alone must find it.
        let mut child = sleeper(&token);
        drop(journal);
        let cleaned = lab.cleanup();
        assert_eq!((cleaned.runs, cleaned.processes, cleaned.paths), (vec!["r1".to_owned()], 2, vec![folder.clone()]));
        assert_eq!(cleaned.failures, Vec::<String>::new());
        assert!(!child.wait().unwrap().success());
        assert!(with_token(&token).is_empty());
        assert!(!folder.exists() && !lab.places.journals.exists());
    }

    #[test]
    fn a_second_cleanup_finds_nothing_to_do() {
        let lab = lab();
        drop(lab.job_journal());
        lab.cleanup();
        assert_eq!(lab.cleanup(), Cleaned::default());
    }

    #[test]
    fn a_process_that_has_a_recorded_id_but_not_the_token_is_a_strangers() {
        let lab = lab();
        let journal = lab.job_journal();
        let mut stranger = sleeper("another-token");
        let pending = journal.intent(Resource::Program("sh".to_owned())).unwrap();
        // The id was used again: the start time is another.
        let reused = Identity { start_time: 1, ..Identity::of(stranger.id()).unwrap() };
        journal.started(&pending, reused.clone()).unwrap();
        assert!(!reused.is_alive());
        // And even a journal that names the very process, as a forged one might, does not end it.
        journal.started(&pending, Identity::of(stranger.id()).unwrap()).unwrap();
        drop(journal);
        assert_eq!(lab.cleanup().processes, 0);
        assert!(stranger.try_wait().unwrap().is_none());
        for process in with_token("another-token") {
            end(&process).unwrap();
        }
        stranger.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_boot_is_not_this_one() {
        let this = Identity::of(std::process::id()).unwrap();
        assert!(this.is_alive());
        assert_eq!(Some(&this.boot_id), boot_id().as_ref());
        assert!(!Identity { boot_id: "00000000-0000-0000-0000-000000000000".to_owned(), ..this }.is_alive());
    }

    #[test]
    fn a_forged_journal_can_not_have_strange_paths_removed() {
        let lab = lab();
        let victim = lab.places.cache.parent().unwrap().join("victim");
        std::fs::create_dir(&victim).unwrap();
        for path in [victim.clone(), lab.places.work.join("../../victim"), lab.places.cache.clone()] {
            // An earlier cleanup has removed it.
            std::fs::create_dir_all(&lab.places.work).unwrap();
            let journal = lab.job_journal();
            let _path = journal.intent(Resource::Path(path)).unwrap();
            drop(journal);
            let cleaned = lab.cleanup();
            assert!(cleaned.failures[0].contains("which no run would create"), "{cleaned:?}");
            std::fs::remove_dir_all(&lab.places.journals).unwrap();
        }
        assert!(victim.exists());
    }

    #[test]
    fn a_path_of_a_project_that_was_moved_is_gone() {
        let lab = lab();
        let journal = lab.job_journal();
        let _path = journal.intent(Resource::Path("/nonexistent/ovenbird-out/.work/r1/web".into())).unwrap();
        drop(journal);
        assert_eq!(lab.cleanup(), Cleaned { runs: vec!["r1".to_owned()], ..Cleaned::default() });
    }

    #[test]
    fn a_link_on_the_way_is_not_followed() {
        let lab = lab();
        let victim = lab.places.cache.parent().unwrap().join("victim");
        std::fs::create_dir_all(victim.join("inner")).unwrap();
        std::fs::remove_dir(&lab.places.work).unwrap();
        std::os::unix::fs::symlink(&victim, &lab.places.work).unwrap();
        let journal = lab.job_journal();
        let _path = journal.intent(Resource::Path(lab.places.work.join("inner"))).unwrap();
        drop(journal);
        assert_eq!(lab.cleanup().failures.len(), 1);
        assert!(victim.join("inner").exists());
    }

    #[test]
    fn what_is_done_is_not_done_again() {
        let lab = lab();
        let journal = lab.job_journal();
        let path = lab.places.work.join("kept");
        let pending = journal.intent(Resource::Path(path.clone())).unwrap();
        journal.done(pending).unwrap();
        std::fs::create_dir(&path).unwrap();
        drop(journal);
        assert_eq!(lab.cleanup().paths, Vec::<Utf8PathBuf>::new());
        assert!(path.exists());
    }

    #[test]
    fn a_line_that_was_being_written_when_the_owner_was_killed_is_not_read() {
        let lab = lab();
        let journal = lab.job_journal();
        let path = lab.places.job_journal("r1", "web");
        drop(journal);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"type\":\"intent\",\"id\":0,\"resour");
        std::fs::write(&path, text).unwrap();
        assert_eq!(lab.cleanup().failures, Vec::<String>::new());
        assert!(!path.exists());
    }

    #[test]
    fn a_journal_of_a_later_version_is_refused_and_kept() {
        let lab = lab();
        let path = lab.places.job_journal("r1", "web");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{{\"type\":\"begin\",\"version\":{}}}\n", VERSION + 1)).unwrap();
        let cleaned = lab.cleanup();
        assert!(cleaned.failures[0].contains("web.jsonl"), "{cleaned:?}");
        assert!(path.exists());
    }

    #[test]
    fn a_run_that_is_not_there_can_not_be_cleaned_up() {
        let lab = lab();
        let error = cleanup(&lab.places, Some("r9")).unwrap_err().to_string();
        assert!(error.starts_with("there is no run `r9` to clean up in "), "{error}");
    }
}
