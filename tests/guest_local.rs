//! This machine as a guest: the same contract as over SSH.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::context::{Events, JobCtx};
use ovenbird::event::JobId;
use ovenbird::guest::local::Local;
use ovenbird::guest::{Chunk, Command, Exit, Get, Guest, GuestError, Put};
use ovenbird::journal::{Entry, Journal, Resource};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Machine {
    folder: tempfile::TempDir,
    local: Local,
}

impl Machine {
    fn new(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let ctx = JobCtx {
            id: JobId("local".to_owned()),
            out: path.join("out"),
            work: path.join("work"),
            cache: path.join("cache"),
            events: Events::channel().0,
            journal: Journal::create(&path.join("journal.jsonl"), "run").unwrap(),
            cancel: CancellationToken::new(),
        };
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let local = Local::new(&ctx, path, environment);
        Self { folder, local }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn journal(&self) -> Vec<Entry> {
        ovenbird::journal::record::read(&mut std::fs::File::open(self.path("journal.jsonl")).unwrap()).unwrap()
    }

    async fn run(&self, script: &str) -> ovenbird::guest::Captured {
        self.local.capture(&Command::new(script), &CancellationToken::new()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_status_or_signal_is_reported_exactly() {
    let machine = Machine::new(&[]);
    for code in [0, 1, 3, 126, 127, 255] {
        assert_eq!(machine.run(&format!("exit {code}")).await.exit, Exit::Code(code));
    }
    assert_eq!(machine.run("kill -KILL $$").await.exit, Exit::Signal("KILL".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_folder_its_environment_and_nothing_else_of_ours() {
    let machine = Machine::new(&[("GIVEN", "a value")]);
    let captured = machine.run("pwd; echo $GIVEN; echo ${CARGO_MANIFEST_DIR-none}; echo oops >&2").await;
    let expected = format!("{}\na value\nnone\n", machine.path("").as_str().trim_end_matches('/'));
    assert_eq!(String::from_utf8(captured.stdout).unwrap(), expected);
    assert_eq!(captured.stderr, b"oops\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_input_and_output_pass_whole() {
    let machine = Machine::new(&[]);
    let input: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let command = Command::new("cat").stdin(input.clone());
    let captured = machine.local.capture(&command, &CancellationToken::new()).await.unwrap();
    assert!(captured.stdout == input);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_in_the_journal_and_done_when_it_has_ended() {
    let machine = Machine::new(&[]);
    machine.run("true").await;
    let entries = machine.journal();
    let intents = entries.iter().filter(|entry| matches!(entry, Entry::Intent { resource: Resource::Program(_), .. }));
    assert_eq!(intents.count(), 1);
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Started { .. })).count(), 1);
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Done { .. })).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_child_ends_with_its_command() {
    let machine = Machine::new(&[]);
    let begin = Instant::now();
    let captured = machine.run("sleep 304 & echo $!").await;
    assert_eq!(captured.exit, Exit::Code(0));
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(is_gone(String::from_utf8(captured.stdout).unwrap().trim()));
}

fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_the_command_and_all_of_its_descendants() {
    let machine = Machine::new(&[]);
    let script = "sleep 305 & echo $! >pids; (setsid sleep 306 & echo $! >>pids; wait) & sleep 1; echo ready; wait";
    let cancel = CancellationToken::new();
    let (sender, mut output) = mpsc::channel::<Chunk>(8);
    let command = Command::new(script);
    let watch = async {
        while let Some(chunk) = output.recv().await {
            if chunk.bytes.ends_with(b"ready\n") {
                cancel.cancel();
                break;
            }
        }
        Instant::now()
    };
    let (result, since) = tokio::join!(machine.local.exec(&command, sender, &cancel), watch);
    assert!(matches!(result, Err(GuestError::Cancelled)), "{result:?}");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let pids = std::fs::read_to_string(machine.path("pids")).unwrap();
    assert_eq!(pids.lines().count(), 2);
    assert!(pids.lines().all(is_gone), "{pids}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_trees_are_copied_as_over_ssh() {
    let machine = Machine::new(&[]);
    let (tree, copy, back) = (machine.path("tree"), machine.path("a/copy"), machine.path("back"));
    std::fs::create_dir_all(tree.join("sub folder")).unwrap();
    std::fs::write(tree.join("sub folder/-file"), "text").unwrap();
    std::fs::set_permissions(tree.join("sub folder/-file"), PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("sub folder", tree.join("link")).unwrap();
    let put = Put { from: tree, contents: false, to: copy.to_string(), owner: None, mode: Some(0o604) };
    let cancel = CancellationToken::new();
    let sent = machine.local.put(&put, &|_, _| {}, &cancel).await.unwrap();
    assert_eq!((sent.files, sent.bytes), (2, 4));
    assert_eq!(std::fs::metadata(copy.join("link/-file")).unwrap().mode() & 0o7777, 0o604);
    let get = Get { from: copy.to_string(), to: back.clone() };
    machine.local.get(&get, &|_, _| {}, &cancel).await.unwrap();
    assert_eq!(std::fs::read(back.join("link/-file")).unwrap(), b"text");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_that_builds_is_not_rebooted() {
    let machine = Machine::new(&[]);
    let error = machine.local.reboot(Duration::from_secs(1), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "this is the machine that builds; it is not rebooted");
}
