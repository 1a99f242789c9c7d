//! A job to run steps in, and guests to run them on.

use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use camino::Utf8PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::context::{Events, JobCtx};
use crate::event::{Body, JobId, Stream};
use crate::guest::{Chunk, Command, Exit, Get, Guest, GuestError, Progress, Put, Transfer};
use crate::journal::Journal;
use crate::plan::job::{
    Accelerator, Action, Arch, Condition, Connect, EnvVar, Firmware, Image, Job, Origin, Platform, Qemu, Retry, Run,
    Shell, Source, Step, Text, WIRE_VERSION,
};
use crate::secret::Secrets;
use crate::step::{Summary, run_all};

/// This machine as a guest, and what it was asked for.
#[derive(Default)]
pub(super) struct Machine {
    /// Commands, with what they read.
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) puts: Mutex<Vec<Put>>,
    pub(super) gets: Mutex<Vec<Get>>,
    /// Answers instead of running a command, where the list is not empty.
    pub(super) answers: Mutex<Vec<Exit>>,
    /// Where it finds programs, instead of where the tests do.
    pub(super) programs: Option<Utf8PathBuf>,
}

#[async_trait]
impl Guest for Machine {
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        self.asked.lock().unwrap().push(command.script.clone());
        let answer = self.answers.lock().unwrap().pop();
        if let Some(exit) = answer {
            return Ok(exit);
        }
        let mut shell = match &self.programs {
            Some(programs) => tokio::process::Command::new(programs.join("sh")),
            None => tokio::process::Command::new("sh"),
        };
        if let Some(programs) = &self.programs {
            shell.env("PATH", programs);
        }
        let mut child = shell
            .args(["-c", &command.script])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let group = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = command.stdin.clone();
        let feed = async move {
            let _ = stdin.write_all(&input).await;
        };
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = async {
            tokio::join!(feed, forward(stdout, Stream::Stdout, &output), forward(stderr, Stream::Stderr, &output));
            child.wait().await.unwrap()
        };
        tokio::select! {
            status = read => {
                use std::os::unix::process::ExitStatusExt as _;
                Ok(match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code.cast_unsigned()),
                    (None, Some(9)) => Exit::Signal("KILL".to_owned()),
                    (None, other) => Exit::Signal(format!("{other:?}")),
                })
            }
            () = cancel.cancelled() => {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                Err(GuestError::Cancelled)
            }
        }
    }

    async fn put(&self, put: &Put, progress: Progress<'_>, _: &CancellationToken) -> Result<Transfer, GuestError> {
        progress(1536, Some(1536));
        self.puts.lock().unwrap().push(put.clone());
        Ok(Transfer { files: 2, bytes: 1536, ..Transfer::default() })
    }

    async fn get(&self, get: &Get, _: Progress<'_>, _: &CancellationToken) -> Result<Transfer, GuestError> {
        self.gets.lock().unwrap().push(get.clone());
        Ok(Transfer { files: 1, bytes: 7, ..Transfer::default() })
    }

    async fn reboot(&self, deadline: Duration, _: &CancellationToken) -> Result<(), GuestError> {
        match deadline.as_secs() {
            0 => Err(GuestError::Deadline { what: "come back".to_owned(), seconds: 0 }),
            _ => Ok(()),
        }
    }
}

async fn forward(mut from: impl AsyncReadExt + Unpin, stream: Stream, to: &mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let _ = to.send(Chunk { stream, bytes: buffer[..length].to_vec() }).await;
    }
}

/// A job in a folder of its own.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) ctx: JobCtx,
    pub(super) job: Job,
    pub(super) secrets: Secrets,
    pub(super) guest: Machine,
    pub(super) local: Machine,
    events: Option<mpsc::Receiver<Body>>,
}

/// How the steps went and everything that was told about it.
pub(super) struct Told {
    pub(super) summary: Summary,
    pub(super) events: Vec<Body>,
}

impl Told {
    /// Lines of output.
    pub(super) fn lines(&self) -> Vec<&str> {
        self.events.iter().filter_map(line_of).collect()
    }

    /// What became of each step: outcome, and conclusion where it differs.
    pub(super) fn outcomes(&self) -> Vec<String> {
        let steps = self.summary.steps.iter().map(|step| {
            let (outcome, conclusion) = (format!("{:?}", step.outcome), format!("{:?}", step.conclusion));
            if outcome == conclusion { outcome } else { format!("{outcome} but {conclusion}") }
        });
        steps.collect()
    }
}

fn line_of(body: &Body) -> Option<&str> {
    match body {
        Body::Output { line, .. } => Some(line),
        _ => None,
    }
}

impl Bench {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        for name in ["root", "work"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        let (events, receiver) = Events::channel();
        let ctx = JobCtx {
            id: JobId("test".to_owned()),
            out: path.join("out"),
            work: path.join("work"),
            cache: path.join("cache"),
            events,
            journal: Journal::create(&path.join("journal"), "test").unwrap(),
            cancel: CancellationToken::new(),
        };
        let job = job(path.join("root"), steps);
        let (guest, local) = (Machine::default(), Machine::default());
        Self { folder, ctx, job, secrets: Secrets::default(), guest, local, events: Some(receiver) }
    }

    pub(super) async fn run(&mut self) -> Told {
        let mut receiver = self.events.take().unwrap();
        let (events, rest) = Events::channel();
        let redactor = self.secrets.redactor();
        // The sender that is left keeps nothing open: the receiver of these steps ends with its clone.
        let told = std::mem::replace(&mut self.ctx.events, events).hiding(redactor);
        let ctx = JobCtx { events: told, ..self.ctx.clone() };
        self.events = Some(rest);
        let (job, secrets, guest, local) = (&self.job, &self.secrets, &self.guest, &self.local);
        let steps = async move { run_all(&ctx, job, secrets, guest, local).await };
        let collect = async {
            let mut events = Vec::new();
            while let Some(event) = receiver.recv().await {
                events.push(event);
            }
            events
        };
        let (summary, events) = tokio::join!(steps, collect);
        Told { summary, events }
    }

    /// Private folders that a step left in any place.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let asked = self.guest.asked.lock().unwrap().concat() + &self.local.asked.lock().unwrap().concat();
        let ids = asked.split('\'').filter(|word| word.contains("/ovenbird-step."));
        ids.filter(|path| std::fs::symlink_metadata(path).is_ok()).map(str::to_owned).collect()
    }
}

fn job(root: Utf8PathBuf, steps: Vec<Step>) -> Job {
    let mut steps = steps;
    number(&mut steps, &mut 0);
    Job {
        version: WIRE_VERSION,
        id: JobId("test".to_owned()),
        name: "test".to_owned(),
        definition: "ovenbird.yml".into(),
        image_version: None,
        definition_digest: String::new(),
        origin: Origin::default(),
        definition_files: Vec::new(),
        root,
        matrix: serde_json::Map::new(),
        platform: Platform::Qemu(Qemu {
            source: Source::Image(Image { image: "/nowhere".to_owned(), checksum: None }),
            arch: Arch::Amd64,
            disk_size: None,
            memory: 0,
            cpus: 1,
            firmware: Firmware::Bios,
            accelerator: Accelerator::Auto,
            connect: Connect { user: "root".to_owned(), timeout: 1 },
        }),
        env: Vec::new(),
        steps,
        outputs: Vec::new(),
        tests: None,
        secrets: Vec::new(),
    }
}

/// Numbers steps as planning does: those of a file after the step that uses it.
fn number(steps: &mut [Step], next: &mut usize) {
    for step in steps {
        step.index = *next;
        *next += 1;
        if let Action::Uses(uses) = &mut step.action {
            number(&mut uses.steps, next);
        }
    }
}

/// A step of line 10.
pub(super) fn step(action: Action) -> Step {
    Step {
        index: 0,
        id: None,
        name: "the step".to_owned(),
        file: "ovenbird.yml".into(),
        line: 10,
        condition: Condition::Success,
        env: Vec::new(),
        timeout: None,
        retry: Retry::default(),
        continue_on_error: false,
        action,
    }
}

/// A `run:` step whose script begins at line 101 of the definition.
pub(super) fn run(shell: Shell, script: &str) -> Step {
    let lines = (101..).take(script.lines().count()).collect();
    step(Action::Run(Run { script: Text::literal(script), lines, shell, working_directory: None }))
}

pub(super) fn env(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Text::literal(value) }
}
