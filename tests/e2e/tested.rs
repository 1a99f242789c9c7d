//! Finished images that are booted and tested, through the messages that a job's process gets and writes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::event::{
    Body, Event, JobFinished, JobId, KeptKind, Level, Outcome, Stream, Tested, TestsFinished, Verdict,
};
use ovenbird::image::manifest::Manifest;
use ovenbird::plan::job::{self, Job, Tests};
use ovenbird::runner::wire::{Line, Start, Task, VERSION, read_line};
use ovenbird::secret::Secrets;
use ovenbird::smoke::spec;

use crate::shared::tiny_guest::{tiny_guest, tiny_guest_with};
use crate::support::{PATIENCE, tree};

/// A job and its folders.
struct Lab {
    folder: tempfile::TempDir,
    job: Job,
    task: Task,
}

impl Lab {
    /// A job that builds the tiny guest anew and tests it.
    fn new(goss: &str) -> Self {
        let (file, sources, diagnostics) = spec::parse("goss.yaml", goss);
        assert!(diagnostics.is_empty(), "{diagnostics:?} {}", sources.main().text());
        let job = Job {
            version: job::WIRE_VERSION,
            id: JobId("tiny".to_owned()),
            name: "tiny".to_owned(),
            definition: "ovenbird.yml".into(),
            image_version: None,
            definition_digest: String::new(),
            origin: job::Origin::default(),
            definition_files: Vec::new(),
            root: "/".into(),
            matrix: serde_json::Map::new(),
            platform: job::Platform::Qemu(job::Qemu {
                source: job::Source::Image(job::Image { image: tiny_guest().to_string(), checksum: None }),
                arch: job::Arch::Amd64,
                disk_size: None,
                memory: 256 * 1024 * 1024,
                cpus: 1,
                firmware: job::Firmware::Bios,
                accelerator: job::Accelerator::Tcg,
                connect: job::Connect { user: "root".to_owned(), timeout: 300 },
            }),
            env: Vec::new(),
            steps: Vec::new(),
            outputs: vec![
                job::Output { format: job::DiskFormat::Raw, compress: Some(job::Compression::Gzip) },
                job::Output { format: job::DiskFormat::Qcow2, compress: None },
            ],
            tests: Some(Tests { resources: file.resources, ..Tests::new(Level::Standard) }),
            secrets: Vec::new(),
        };
        Self { folder: tempfile::tempdir().unwrap(), job, task: Task::Build }
    }

    /// Only tests this image.
    fn of(mut self, image: &Utf8Path) -> Self {
        self.task = Task::Test { image: Some(image.to_owned()) };
        self
    }

    fn tests(mut self, change: impl FnOnce(&mut Tests)) -> Self {
        change(self.job.tests.as_mut().unwrap());
        self
    }

    fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().canonicalize_utf8().unwrap()
    }

    fn out(&self) -> Utf8PathBuf {
        self.root().join("out/tiny")
    }

    fn start(&self) -> Running {
        let (out, cache) = (self.root().join("out"), crate::shared::tiny_guest::cache().join("ovenbird"));
        for folder in [&out, &cache] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let start = Start {
            version: VERSION,
            run: "r1".to_owned(),
            out,
            cache,
            task: self.task.clone(),
            job: self.job.clone(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
        command.args(["job", "--run", "r1", "tiny"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = format!("{}\n{}\n", Secrets::default().to_wire().unwrap(), serde_json::to_string(&start).unwrap());
        stdin.write_all(text.as_bytes()).unwrap();
        let (sender, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Line::Event(event) = read_line(&line).unwrap() {
                    let _ = sender.send(*event);
                }
            }
        });
        Running { child, _stdin: Some(stdin), events, seen: Vec::new() }
    }

    fn run(&self) -> Ran {
        self.start().wait()
    }

    /// Nothing is left but what a job keeps, and nothing runs.
    #[track_caller]
    fn assert_nothing_left(&self) {
        for name in [".work", ".journal"] {
            let left = tree(&self.root().join("out").join(name));
            assert!(left.is_empty(), "{left:?}");
        }
        let root = self.root();
        let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
        });
        let commands: Vec<_> = commands.filter(|command| command.contains(root.as_str())).collect();
        assert!(commands.is_empty(), "processes are left: {commands:?}");
    }
}

struct Running {
    child: Child,
    /// Open: the supervisor lives.
    _stdin: Option<ChildStdin>,
    events: Receiver<Event>,
    seen: Vec<Body>,
}

impl Running {
    /// Waits for an event.
    fn until(&mut self, is_it: impl Fn(&Body) -> bool) {
        loop {
            let body = self.events.recv_timeout(PATIENCE).unwrap().event;
            let found = is_it(&body);
            self.seen.push(body);
            if found {
                return;
            }
        }
    }

    fn wait(mut self) -> Ran {
        self.until(|body| matches!(body, Body::JobFinished(_)));
        self.child.wait().unwrap();
        Ran { events: self.seen }
    }
}

struct Ran {
    events: Vec<Body>,
}

impl Ran {
    fn finished(&self) -> &JobFinished {
        match self.events.iter().find(|body| matches!(body, Body::JobFinished(_))) {
            Some(Body::JobFinished(finished)) => finished,
            _ => panic!("{:?}", self.events),
        }
    }

    fn tests(&self) -> &TestsFinished {
        match self.events.iter().find(|body| matches!(body, Body::TestsFinished(_))) {
            Some(Body::TestsFinished(finished)) => finished,
            _ => panic!("{:?}", self.events),
        }
    }

    fn tested(&self, name: &str) -> &Tested {
        let results = self.events.iter().filter_map(|body| if let Body::Tested(one) = body { Some(one) } else { None });
        let found: Vec<_> = results.filter(|one| one.name() == name).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", self.events);
        found[0]
    }

    fn kept(&self) -> Vec<(&str, KeptKind)> {
        let kept = self.events.iter().filter_map(|body| if let Body::Kept(kept) = body { Some(kept) } else { None });
        kept.map(|kept| (kept.file.as_str(), kept.kind)).collect()
    }

    fn says(&self, text: &str) -> bool {
        self.events.iter().any(|body| match body {
            Body::Warning(failure) | Body::Failure(failure) => failure.message.contains(text),
            Body::Note { text: note } => note.contains(text),
            _ => false,
        })
    }
}

#[test]
fn what_was_built_is_booted_and_what_its_definition_asks_is_looked_at() {
    let goss = "file: { /etc/machine-id: { exists: true, filetype: file } }\n\
                command: { hostname: { exit-status: 0, stdout: [/^ovenbird-test-1$/] } }\n";
    let lab = Lab::new(goss);
    let ran = lab.run();
    let (finished, tests) = (ran.finished(), ran.tests());
    assert_eq!((finished.outcome, finished.verdict), (Outcome::Success, Some(Verdict::Passed)), "{:?}", ran.events);
    assert_eq!((tests.attempts, tests.failed, tests.image.as_deref()), (1, 0, Some("tiny.qcow2")));
    assert!(tests.boot_seconds.unwrap() > 1.0 && tests.seconds > tests.boot_seconds.unwrap());
    assert_eq!(ran.tested("check image-unchanged").verdict, Verdict::Passed);
    assert_eq!(ran.tested("file /etc/machine-id: filetype").place.as_ref().unwrap().line, 1);
    let kept = [("test-1/console.txt", KeptKind::Console), ("test-1/journal.txt", KeptKind::Journal)];
    assert_eq!(ran.kept(), kept);

    let manifest = Manifest::read(finished.manifest.as_ref().unwrap()).unwrap();
    let recorded = manifest.tests.unwrap();
    assert_eq!(&recorded.finished, tests);
    assert_eq!(recorded.sha256, manifest.artifacts[1].sha256);
    assert_eq!(manifest.phases.last().unwrap().name, ovenbird::event::Phase::Test);
    lab.assert_nothing_left();
}

#[test]
fn images_whose_tests_fail_twice_stay_with_their_record() {
    let goss =
        "file:\n  /etc/nothing:\n    exists: true\n  /etc/less:\n    exists: true\n    meta: { severity: warn }\n";
    let lab = Lab::new(goss);
    let ran = lab.run();
    let finished = ran.finished();
    assert_eq!((finished.outcome, finished.verdict), (Outcome::Failure, Some(Verdict::Failed)));
    let reason = finished.reason.as_deref().unwrap();
    assert!(reason.starts_with("1 of ") && reason.ends_with(" tests failed"), "{reason}");
    assert!(!ran.events.iter().any(|body| matches!(body, Body::Failure(_))), "a failed test is told once");
    let failed = ran.tested("file /etc/nothing: exists");
    assert_eq!((failed.verdict, failed.message.as_str()), (Verdict::Failed, "Expected false to equal true"));
    assert_eq!(failed.place.as_ref().unwrap().line, 3);
    assert_eq!(ran.tested("file /etc/less: exists").verdict, Verdict::Warned);
    assert_eq!(ran.tests().attempts, 2);
    assert!(ran.says("trying once more with a fresh copy"));

    let manifest = Manifest::read(&lab.out().join("manifest.json")).unwrap();
    let remarks: Vec<_> = manifest.tests.unwrap().remarks.into_iter().map(|one| (one.name, one.verdict)).collect();
    let expected = [("less", Verdict::Warned), ("nothing", Verdict::Failed)];
    let expected = expected.map(|(name, verdict)| (format!("file /etc/{name}: exists"), verdict));
    assert!(expected.iter().all(|one| remarks.contains(one)), "{remarks:?}");
    let size = std::fs::metadata(lab.out().join("tiny.qcow2")).unwrap().len();
    assert_eq!(size, manifest.artifacts[1].size);
    lab.assert_nothing_left();
}

#[test]
fn an_image_that_never_boots_is_told_by_the_line_of_its_console() {
    let folder = tempfile::tempdir().unwrap();
    let panics = "#!/bin/sh\necho c >/proc/sysrq-trigger\n";
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let image = tiny_guest_with(folder, &[("/etc/rc.local", panics, "0755")]);
    let lab = Lab::new("file: { /etc/hostname: { exists: true, mode: '0644' } }").of(&image);
    let built = lab.out().join("manifest.json");
    std::fs::create_dir_all(lab.out()).unwrap();
    std::fs::write(&built, "of a build").unwrap();
    let ran = lab.run();
    assert_eq!(ran.finished().verdict, Some(Verdict::Failed));
    let boots = ran.tested("check boots");
    assert!(boots.message.contains("Kernel panic - not syncing: sysrq triggered crash"), "{boots:?}");
    assert!(!boots.excerpt.is_empty() && boots.hint.is_some());
    assert_eq!(ran.tested("file /etc/hostname: mode").verdict, Verdict::Skipped);
    assert_eq!((ran.tests().attempts, ran.tests().boot_seconds), (2, None));
    assert!(ran.kept().contains(&("test-2/screenshot.png", KeptKind::Screenshot)), "{:?}", ran.kept());
    assert_eq!(std::fs::read_to_string(&built).unwrap(), "of a build", "what was built is not touched");
    lab.assert_nothing_left();
}

#[test]
fn what_passes_only_with_a_second_copy_is_flaky() {
    // The guest asks someone outside, who answers only once the first copy has failed.
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let ask = format!("nc -w 5 10.0.2.2 {port} </dev/null");
    let lab = Lab::new(&format!("command: {{ {ask}: {{ exit-status: 0 }} }}")).of(&tiny_guest());
    let mut running = lab.start();
    running.until(|body| matches!(body, Body::Note { text } if text.contains("trying once more")));
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    // Ends with the test's process; each connection is closed at once.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let ran = running.wait();
    assert_eq!((ran.finished().outcome, ran.finished().verdict), (Outcome::Success, Some(Verdict::Flaky)));
    let name = format!("command {ask}: exit-status");
    let flaky = ran.tested(&name);
    assert_eq!(flaky.verdict, Verdict::Flaky);
    assert!(flaky.message.ends_with("at first: Expected 1 to be numerically eq 0"), "{flaky:?}");
    assert!(ran.says(&format!("tests passed only with a second copy of the image: `{name}`")));
}

#[test]
fn two_boots_and_two_copies_are_compared_at_the_full_level() {
    let lab = Lab::new("").of(&tiny_guest()).tests(|tests| tests.level = Level::Full);
    let ran = lab.run();
    for check in ["second-boot", "identity-kept", "unique-machine-id", "unique-hostname"] {
        let name = format!("check {check}");
        assert_eq!(ran.tested(&name).verdict, Verdict::Passed, "{:?}", ran.tested(&name));
    }
    let console = |folder: &str| std::fs::read_to_string(lab.out().join(folder).join("console.txt")).unwrap();
    assert_eq!(console("test-1").matches("tiny: up").count(), 2, "it was rebooted");
    assert_eq!(console("test-2").matches("tiny: up").count(), 1);
    lab.assert_nothing_left();
}

#[test]
fn tests_end_when_their_time_is_over() {
    let lab = Lab::new("").of(&tiny_guest()).tests(|tests| tests.timeout = 2);
    let ran = lab.run();
    assert_eq!(ran.finished().verdict, Some(Verdict::Failed));
    assert_eq!(ran.tested("check boots").message, "the tests did not end within 2 s");
    assert_eq!(ran.tests().attempts, 1);
    assert!(ran.tests().seconds < 60.0);
    lab.assert_nothing_left();
}

#[test]
fn tests_that_are_cancelled_leave_nothing() {
    let lab = Lab::new("").of(&tiny_guest());
    let mut running = lab.start();
    running.until(|body| matches!(body, Body::Output { stream: Stream::Console, .. }));
    let pid = rustix::process::Pid::from_raw(running.child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let begin = std::time::Instant::now();
    let ran = running.wait();
    assert_eq!((ran.finished().outcome, ran.finished().verdict), (Outcome::Cancelled, None));
    assert!(begin.elapsed() < Duration::from_secs(7), "{:?}", begin.elapsed());
    lab.assert_nothing_left();
}

#[test]
fn what_is_no_image_is_an_error_before_any_boot() {
    let folder = tempfile::tempdir().unwrap();
    let text = Utf8Path::from_path(folder.path()).unwrap().join("notes.qcow2");
    std::fs::write(&text, "no image\n".repeat(200_000)).unwrap();
    for (path, message) in
        [(text.clone(), "is no disk image"), (text.with_extension("gone"), "failed to open the image")]
    {
        let lab = Lab::new("").of(&path);
        let ran = lab.run();
        assert_eq!((ran.finished().outcome, ran.finished().verdict), (Outcome::Failure, None));
        assert!(ran.says(message), "{:?}", ran.finished());
        assert!(ran.kept().is_empty());
        lab.assert_nothing_left();
    }
}
