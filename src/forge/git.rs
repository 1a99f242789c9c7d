//! The commit, from the repository that a folder is in.
//!
//! Three questions to the `git` program, asked at the same time, after one about programs that the repository would run. Planning has no job, so nothing of it is journaled: the
//! programs only read, and are ended with their children when they take too long.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::text;
use crate::expression::{Object, Value};

/// What is known of the commit; all of it null where there is no repository, or no `git` program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// The commit's full name.
    pub sha: Option<String>,
    /// None when the head is detached, as most CI systems leave it.
    pub branch: Option<String>,
    /// A tag of this very commit: one with a message before one without, then the newest.
    pub tag: Option<String>,
    /// Whether files that git knows are changed. Files that it does not know don't count, as for `git describe --dirty`.
    pub dirty: Option<bool>,
    /// When the commit was made, such as `2026-01-31T12:00:00Z`.
    pub commit_time: Option<String>,
}

/// The length of a short commit name: fixed, unlike git's own, which depends on how much of the history is there.
/// GitLab's `CI_COMMIT_SHORT_SHA` has as many.
const SHORT: usize = 8;

/// How long git may take. Looking for changes in a large tree on a network file system takes a while.
const DEADLINE: Duration = Duration::from_secs(20);

/// Variables by which git, when it runs us in a hook, names its own repository.
const LOCAL_VARIABLES: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
];

impl Git {
    /// What is known of the repository that `folder` is in.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let Some(top) = folder.ancestors().find(|folder| folder.join(".git").exists()) else {
            return Self::default();
        };
        let drivers = drivers(folder, top);
        let ask = |arguments: &[&str]| {
            let mut command = command(folder, top, arguments);
            drivers.iter().for_each(|driver| driver.silence(&mut command));
            output(command, DEADLINE)
        };
        let (status, commit, tag) = std::thread::scope(|scope| {
            let status = scope.spawn(|| {
                let mut arguments = vec!["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no"];
                // Submodules bring configurations of their own, which git would read with programs of theirs.
                arguments.extend(["--no-renames", "--ignore-submodules=dirty"]);
                ask(&arguments)
            });
            let commit = scope.spawn(|| {
                ask(&["log", "-1", "--no-show-signature", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])
            });
            let tag = ask(&[
                "for-each-ref",
                "--points-at=HEAD",
                "--count=1",
                "--format=%(refname:lstrip=2)",
                // The last one counts first: `tag` comes after `commit`.
                "--sort=-version:refname",
                "--sort=-creatordate",
                "--sort=-objecttype",
                "refs/tags",
            ]);
            (status.join().unwrap_or_default(), commit.join().unwrap_or_default(), tag)
        });
        let status = status.unwrap_or_default();
        let mut commit = commit.as_deref().unwrap_or_default().trim_end().split(' ').filter(|part| !part.is_empty());
        Self {
            sha: commit.next().map(str::to_owned),
            commit_time: commit.next().map(str::to_owned),
            branch: branch(&status),
            dirty: (!status.is_empty()).then(|| is_dirty(&status)),
            tag: tag.map(|tag| tag.trim_end().to_owned()).filter(|tag| !tag.is_empty()),
        }
    }

    /// The first characters of the commit's name.
    #[must_use]
    pub fn short_sha(&self) -> Option<String> {
        self.sha.as_ref().map(|sha| sha.chars().take(SHORT).collect())
    }

    /// As the context `git`.
    #[must_use]
    pub fn context(&self) -> Object {
        let pairs = [
            ("sha", text(self.sha.as_ref())),
            ("short-sha", text(self.short_sha().as_ref())),
            ("branch", text(self.branch.as_ref())),
            ("tag", text(self.tag.as_ref())),
            ("dirty", self.dirty.map_or(Value::Null, Value::from)),
            ("commit-time", text(self.commit_time.as_ref())),
        ];
        pairs.into_iter().collect()
    }
}

/// What `# branch.head` says; `(detached)` is no branch.
fn branch(status: &str) -> Option<String> {
    let head = status.split('\0').find_map(|line| line.strip_prefix("# branch.head "))?;
    (head != "(detached)").then(|| head.to_owned())
}

/// Whether any line is about a file.
fn is_dirty(status: &str) -> bool {
    status.split('\0').any(|line| !line.is_empty() && !line.starts_with("# "))
}

/// `top`: the folder in which the repository is that `folder` is in.
fn command(folder: &Path, top: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    // Git would take a folder for a repository that has `HEAD`, `objects` and `refs` among its files: a commit can bring
    // those along, with a configuration that names programs to run. No commit can have a `.git`.
    command.arg("-C").arg(top).args(["-c", "safe.bareRepository=explicit"]);
    // Neither a monitor nor a hook that the repository brings along is run for a look at it.
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]);
    if is_of_one_owner(folder, top) {
        // A container's user often is not the checkout's, and git would refuse to read it.
        command.args(["-c", "safe.directory=*"]);
    }
    command.args(arguments);
    for name in LOCAL_VARIABLES {
        command.env_remove(name);
    }
    // No lock that another git would wait for, no question, no fetch of what a partial clone left out.
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").env("GIT_NO_LAZY_FETCH", "1");
    // Versions before 2.45 don't know the last one: for them, no way of fetching is allowed.
    command.env("GIT_ALLOW_PROTOCOL", "none");
    command.env("LC_ALL", "C").env("TZ", "UTC0");
    command
}

/// A filter that the configuration of the repository itself names: `git status` would run its programs on files that may
/// have changed. No commit can bring one along, but whoever wrote into the checkout before us can.
struct Driver {
    name: String,
}

/// What `git lfs install --local` writes, as actions/checkout has it do: git-lfs is whatever the machine has.
const LFS: [&str; 6] = [
    "git-lfs clean -- %f",
    "git-lfs smudge -- %f",
    "git-lfs filter-process",
    "git-lfs smudge --skip -- %f",
    "git-lfs filter-process --skip",
    "true",
];

impl Driver {
    /// Leaves the filter without programs, for one command. In the environment, for a name may hold anything.
    fn silence(&self, command: &mut Command) {
        let count = command.get_envs().find(|(name, _)| *name == "GIT_CONFIG_COUNT");
        let count = count.and_then(|(_, value)| value?.to_str()?.parse::<usize>().ok()).unwrap_or_default();
        let settings = [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")];
        for (index, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{}", count + index), format!("filter.{}.{key}", self.name));
            command.env(format!("GIT_CONFIG_VALUE_{}", count + index), value);
        }
        command.env("GIT_CONFIG_COUNT", (count + settings.len()).to_string());
    }
}

/// The filters that the repository's own configuration names. Those of the machine and of its user are trusted.
fn drivers(folder: &Path, top: &Path) -> Vec<Driver> {
    let arguments = ["config", "--show-scope", "--includes", "-z", "--get-regexp", "^filter\\."];
    let listed = output(command(folder, top, &arguments), DEADLINE).unwrap_or_default();
    let mut parts = listed.split('\0');
    let mut names = std::collections::BTreeSet::new();
    // Scope, then key and value with a line end between.
    while let (Some(scope), Some(entry)) = (parts.next(), parts.next()) {
        let (key, value) = entry.split_once('\n').unwrap_or((entry, ""));
        let name = key.strip_prefix("filter.").and_then(|rest| Some(rest.rsplit_once('.')?.0));
        let is_trusted = matches!(scope, "system" | "global") || name == Some("lfs") && LFS.contains(&value);
        names.extend(name.filter(|_| !is_trusted).map(str::to_owned));
    }
    names.into_iter().map(|name| Driver { name }).collect()
}

/// Whether the repository belongs to whom the folder in it belongs to. One that somebody else put into a folder above, such
/// as `/tmp/.git`, is left to git's own judgement.
fn is_of_one_owner(folder: &Path, top: &Path) -> bool {
    let owner = |path: &Path| path.metadata().ok().map(|metadata| metadata.uid());
    owner(&top.join(".git")) == owner(folder)
}

/// The standard output of a program that ends well and in time; none in all other cases.
fn output(mut command: Command, deadline: Duration) -> Option<String> {
    let streams = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = streams.process_group(0).spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = std::io::Read::read_to_end(&mut stdout, &mut text);
        // Nobody waits for it any more after the deadline.
        let _ = sender.send(read.map(|_| text));
    });
    let text = receiver.recv_timeout(deadline);
    if text.is_err()
        && let Some(group) = group
    {
        // Gone already is as good.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let status = child.wait().ok()?;
    String::from_utf8(text.ok()?.ok()?).ok().filter(|_| status.success())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::PathBuf;
    use std::time::Instant;

    use super::*;

    /// A repository in a folder of its own.
    struct Repository {
        folder: tempfile::TempDir,
    }

    impl Repository {
        /// With one commit, on `main`.
        fn new() -> Self {
            let repository = Self::empty();
            std::fs::write(repository.path().join("a"), "1").unwrap();
            repository.git(&["add", "."]);
            repository.git(&["commit", "-qm", "one"]);
            repository
        }

        fn empty() -> Self {
            let repository = Self { folder: tempfile::tempdir().unwrap() };
            repository.git(&["init", "-q", "-b", "main"]);
            repository
        }

        fn path(&self) -> PathBuf {
            self.folder.path().to_owned()
        }

        fn git(&self, arguments: &[&str]) -> String {
            git(self.folder.path(), arguments)
        }

        /// What may end badly.
        fn try_git(&self, arguments: &[&str]) -> bool {
            let mut command = Command::new("git");
            command.arg("-C").arg(self.folder.path()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap().success()
        }

        fn facts(&self) -> Git {
            Git::of(self.folder.path())
        }
    }

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(arguments);
        command.env("GIT_COMMITTER_DATE", "2026-01-31T13:00:00+01:00").env("GIT_CONFIG_GLOBAL", "/dev/null");
        for name in LOCAL_VARIABLES {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    #[test]
    fn a_commit_on_a_branch_is_known_with_its_time_in_utc() {
        let repository = Repository::new();
        let facts = repository.facts();
        let sha = repository.git(&["rev-parse", "HEAD"]);
        let expected = Git {
            sha: Some(sha.clone()),
            branch: Some("main".to_owned()),
            tag: None,
            dirty: Some(false),
            commit_time: Some("2026-01-31T12:00:00Z".to_owned()),
        };
        assert_eq!(facts, expected);
        assert_eq!(facts.short_sha().as_deref(), sha.get(..8));
    }

    #[test]
    fn a_folder_inside_of_the_repository_knows_as_much() {
        let repository = Repository::new();
        let inside = repository.path().join("images/web");
        std::fs::create_dir_all(&inside).unwrap();
        assert_eq!(Git::of(&inside), repository.facts());
    }

    #[test]
    fn without_a_repository_nothing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Git::of(folder.path()), Git::default());
    }

    #[test]
    fn before_the_first_commit_only_the_branch_is_known() {
        let facts = Repository::empty().facts();
        assert_eq!(facts, Git { branch: Some("main".to_owned()), dirty: Some(false), ..Git::default() });
    }

    #[test]
    fn a_detached_head_has_no_branch() {
        let repository = Repository::new();
        repository.git(&["checkout", "-q", "--detach"]);
        let facts = repository.facts();
        assert_eq!(facts.branch, None);
        assert_eq!(facts.sha, Some(repository.git(&["rev-parse", "HEAD"])));
    }

    #[test]
    fn of_several_tags_one_with_a_message_counts_then_the_newest() {
        let repository = Repository::new();
        repository.git(&["tag", "v1.9.0"]);
        repository.git(&["tag", "v1.10.0"]);
        assert_eq!(repository.facts().tag.as_deref(), Some("v1.10.0"));
        repository.git(&["tag", "-am", "release", "release/1"]);
        assert_eq!(repository.facts().tag.as_deref(), Some("release/1"));
        repository.git(&["commit", "-qm", "two", "--allow-empty"]);
        assert_eq!(repository.facts().tag, None);
    }

    #[test]
    fn a_changed_file_makes_it_dirty_and_a_new_one_does_not() {
        let repository = Repository::new();
        std::fs::write(repository.path().join("new\nname \u{1b}[31m"), "").unwrap();
        assert_eq!(repository.facts().dirty, Some(false));
        std::fs::write(repository.path().join("a"), "22").unwrap();
        assert_eq!(repository.facts().dirty, Some(true));
    }

    #[test]
    fn file_names_and_branches_can_say_nothing_that_is_not_so() {
        let repository = Repository::new();
        repository.git(&["checkout", "-q", "--detach"]);
        let name = "x\n# branch.head forged";
        std::fs::write(repository.path().join(name), "").unwrap();
        repository.git(&["add", "."]);
        let facts = repository.facts();
        assert_eq!((facts.branch, facts.dirty), (None, Some(true)));
        repository.git(&["checkout", "-q", "-b", "a;$(id)&'\u{e9}"]);
        assert_eq!(repository.facts().branch.as_deref(), Some("a;$(id)&'\u{e9}"));
    }

    #[test]
    fn shallow_clones_and_worktrees_are_repositories_too() {
        let repository = Repository::new();
        repository.git(&["commit", "-qm", "two", "--allow-empty"]);
        repository.git(&["tag", "v2"]);
        let elsewhere = tempfile::tempdir().unwrap();
        let clone = elsewhere.path().join("clone");
        let url = format!("file://{}", repository.path().display());
        git(elsewhere.path(), &["clone", "-q", "--depth", "1", &url, "clone"]);
        assert_eq!(Git::of(&clone), repository.facts());
        repository.git(&["worktree", "add", "-qb", "side", &elsewhere.path().join("tree").display().to_string()]);
        let expected = Git { branch: Some("side".to_owned()), ..repository.facts() };
        assert_eq!(Git::of(&elsewhere.path().join("tree")), expected);
    }

    #[test]
    fn a_checkout_of_another_user_is_read_and_a_foreign_repository_above_is_not() {
        if !rustix::process::geteuid().is_root() {
            // Only root can give files away.
            return;
        }
        let give = |path: &Path| std::os::unix::fs::chown(path, Some(1001), Some(1001)).unwrap();
        let repository = Repository::new();
        let inside = repository.path().join("images");
        std::fs::create_dir(&inside).unwrap();
        give(&repository.path());
        give(&repository.path().join(".git"));
        assert!(git_refuses(&repository.path()), "git has no objection that could be tested");
        assert_eq!(Git::of(&inside), Git::default(), "whoever owns `/tmp` must not decide for the folders in it");
        assert_eq!(repository.facts().branch.as_deref(), Some("main"));
    }

    fn git_refuses(folder: &Path) -> bool {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(["rev-parse", "HEAD"]).env("GIT_CONFIG_GLOBAL", "/dev/null");
        !command.output().unwrap().status.success()
    }

    #[test]
    fn a_repository_among_the_files_of_a_commit_runs_nothing() {
        let repository = Repository::new();
        let inside = repository.path().join("images");
        std::fs::create_dir_all(inside.join("tree")).unwrap();
        let trace = repository.path().join("ran");
        let program = format!("touch {}", trace.display());
        git(&inside, &["init", "-q", "--bare", "-b", "evil", "."]);
        for (key, value) in [("core.bare", "false"), ("core.worktree", "tree"), ("filter.x.clean", &program)] {
            git(&inside, &["--git-dir=.", "config", key, value]);
        }
        std::fs::write(inside.join("tree/.gitattributes"), "* filter=x\n").unwrap();
        std::fs::write(inside.join("tree/a"), "1").unwrap();
        git(&inside.join("tree"), &["--git-dir=..", "add", "."]);
        std::fs::write(inside.join("tree/a"), "2").unwrap();
        std::fs::remove_file(&trace).unwrap();
        assert_eq!(Git::of(&inside), repository.facts());
        assert!(!trace.exists(), "a program of the commit was run");
    }

    #[test]
    fn a_monitor_that_the_repository_brings_along_is_not_run() {
        let repository = Repository::new();
        let trace = repository.path().join("ran");
        repository.git(&["config", "core.fsmonitor", &format!("touch {}; false", trace.display())]);
        assert_eq!(repository.facts().branch.as_deref(), Some("main"));
        assert!(!trace.exists(), "the monitor was run");
    }

    #[test]
    fn a_filter_that_the_repository_brings_along_is_not_run() {
        let repository = Repository::new();
        let trace = repository.path().join("ran");
        std::fs::write(repository.path().join(".gitattributes"), "* filter=x=y.z\n").unwrap();
        repository.git(&["add", "."]);
        repository.git(&["commit", "-qm", "two"]);
        for key in ["clean", "smudge", "process"] {
            repository.git(&["config", &format!("filter.x=y.z.{key}"), &format!("touch {}", trace.display())]);
        }
        repository.git(&["config", "filter.x=y.z.required", "true"]);
        // As many bytes as before: only reading it tells that it has changed, which is when git filters.
        std::fs::write(repository.path().join("a"), "2").unwrap();
        assert_eq!(repository.facts().dirty, Some(true));
        assert!(!trace.exists(), "the filter was run");
        let _ = repository.try_git(&["status"]);
        assert!(trace.exists(), "git runs no filter that could be tested");
    }

    #[test]
    fn a_filter_of_git_lfs_is_run_as_its_installer_wrote_it_and_no_other_of_its_name() {
        let repository = Repository::new();
        let names = || drivers(&repository.path(), &repository.path()).into_iter().map(|driver| driver.name);
        repository.git(&["config", "filter.lfs.clean", "git-lfs clean -- %f"]);
        repository.git(&["config", "filter.lfs.required", "true"]);
        assert_eq!(names().collect::<Vec<_>>(), [""; 0]);
        repository.git(&["config", "filter.lfs.clean", "git-lfs clean -- %f; id"]);
        assert_eq!(names().collect::<Vec<_>>(), ["lfs"]);
    }

    #[test]
    fn a_submodules_own_configuration_runs_nothing() {
        let (repository, other) = (Repository::new(), Repository::new());
        let url = other.path().display().to_string();
        repository.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &url, "sub"]);
        repository.git(&["commit", "-qm", "sub"]);
        let (sub, trace) = (repository.path().join("sub"), repository.path().join("ran"));
        git(&sub, &["config", "core.fsmonitor", &format!("touch {}; false", trace.display())]);
        std::fs::write(sub.join("a"), "2").unwrap();
        assert_eq!(repository.facts().dirty, Some(false));
        assert!(!trace.exists(), "a program of the submodule was run");
        let _ = repository.try_git(&["status"]);
        assert!(trace.exists(), "git runs no program that could be tested");
    }

    #[test]
    fn nothing_that_a_partial_clone_left_out_is_fetched_by_a_program_of_the_repository() {
        let repository = Repository::new();
        let trace = repository.path().join("ran");
        repository.git(&["config", "core.repositoryFormatVersion", "1"]);
        repository.git(&["config", "extensions.partialClone", "origin"]);
        repository.git(&["config", "remote.origin.promisor", "true"]);
        repository.git(&["config", "remote.origin.url", "ssh://git@host.invalid/x"]);
        repository.git(&["config", "core.sshCommand", &format!("touch {}; false", trace.display())]);
        let tree = repository.git(&["rev-parse", "HEAD^{tree}"]);
        let (folder, file) = tree.split_at(2);
        std::fs::remove_file(repository.path().join(".git/objects").join(folder).join(file)).unwrap();
        let facts = repository.facts();
        assert_eq!(facts.commit_time.as_deref(), Some("2026-01-31T12:00:00Z"));
        assert!(!trace.exists(), "the command was run");
        let _ = repository.try_git(&["status"]);
        assert!(trace.exists(), "git runs no command that could be tested");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let begin = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & sleep 60"]);
        assert_eq!(output(command, Duration::from_millis(100)), None);
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert_eq!(output(Command::new("ovenbird-there-is-no-such-program"), DEADLINE), None);
    }
}
