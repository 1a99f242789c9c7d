//! What the tests share: machines, and specs in short.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::context::{Events, JobCtx};
use ovenbird::event::{JobId, Place};
use ovenbird::guest::local::Local;
use ovenbird::guest::{ByteStream, Chunk, Command, Exit, Get, Guest, GuestError, Progress, Put, Transfer};
use ovenbird::journal::Journal;
use ovenbird::smoke::finding::{Actual, Findings};
use ovenbird::smoke::probe;
use ovenbird::smoke::spec::{Assertion, Kind, Resource, Spec};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// This machine, or one that is reached by a program of this machine, such as `busybox sh` or `chroot`.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    local: Local,
    /// What comes before `-c script`; empty: the machine's own `sh`.
    shell: String,
    /// How many commands were run.
    pub(crate) asked: AtomicUsize,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::by("")
    }

    pub(crate) fn by(shell: &str) -> Self {
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
        let local = Local::new(&ctx, path, Vec::new());
        Self { folder, local, shell: shell.to_owned(), asked: AtomicUsize::new(0) }
    }

    /// The same, reached by another program.
    pub(crate) fn with_shell(self, shell: &str) -> Self {
        Self { shell: shell.to_owned(), ..self }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    pub(crate) async fn find(&self, resources: Vec<Resource>) -> Found {
        let spec = Spec { resources };
        let findings = probe::probe(self, &spec, &CancellationToken::new()).await.unwrap();
        Found { spec, findings }
    }
}

#[async_trait]
impl Guest for Machine {
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut command = command.clone();
        if !self.shell.is_empty() {
            let quoted = command.script.replace('\'', r"'\''");
            command.script = format!("exec {} -c '{quoted}'", self.shell);
        }
        self.local.exec(&command, output, cancel).await
    }

    async fn put(&self, put: &Put, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        self.local.put(put, progress, cancel).await
    }

    async fn get(&self, get: &Get, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        self.local.get(get, progress, cancel).await
    }

    async fn reboot(&self, deadline: Duration, cancel: &CancellationToken) -> Result<(), GuestError> {
        self.local.reboot(deadline, cancel).await
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn ByteStream>, GuestError> {
        self.local.dial(host, port).await
    }
}

/// A resource that asserts properties; what is expected is nothing to a probe.
pub(crate) fn resource(kind: Kind, id: &str, properties: &[&'static str]) -> Resource {
    let place = Place { file: "goss.yaml".into(), line: 1, column: None, exact: true };
    let assertion = |property: &&'static str| Assertion { property, expected: Value::Null, place: place.clone() };
    Resource {
        kind,
        id: id.to_owned(),
        name: None,
        title: None,
        meta: Map::new(),
        skip: false,
        settings: Map::new(),
        assertions: properties.iter().map(assertion).collect(),
        place: place.clone(),
    }
}

/// The same with settings.
pub(crate) fn with(mut resource: Resource, settings: Value) -> Resource {
    resource.settings = settings.as_object().unwrap().clone();
    resource
}

pub(crate) fn file(path: &Utf8Path, properties: &[&'static str]) -> Resource {
    resource(Kind::File, path.as_str(), properties)
}

/// What was found, by id and property.
pub(crate) struct Found {
    pub(crate) spec: Spec,
    pub(crate) findings: Findings,
}

impl Found {
    fn index(&self, id: &str) -> usize {
        self.spec.resources.iter().position(|resource| resource.id == id).unwrap()
    }

    pub(crate) fn actual(&self, id: &str, property: &'static str) -> Result<Actual, String> {
        self.findings.found[&(self.index(id), property)].actual.clone()
    }

    #[track_caller]
    pub(crate) fn value(&self, id: &str, property: &'static str) -> Value {
        match self.actual(id, property) {
            Ok(Actual::Value(value)) => value,
            other => panic!("{id} {property}: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn text(&self, id: &str, property: &'static str) -> String {
        match self.actual(id, property) {
            Ok(Actual::Reader(text)) => text,
            other => panic!("{id} {property}: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn error(&self, id: &str, property: &'static str) -> String {
        self.actual(id, property).unwrap_err()
    }

    /// All values, without times.
    pub(crate) fn all(&self) -> BTreeMap<String, Value> {
        let all = self.findings.found.iter().map(|((index, property), found)| {
            let value = match &found.actual {
                Ok(Actual::Value(value)) => value.clone(),
                Ok(Actual::Reader(text)) => json!({ "reader": text }),
                Err(error) => json!({ "error": error }),
            };
            (format!("{} {property}", self.spec.resources[*index].id), value)
        });
        all.collect()
    }
}

/// The output of a program, which must be there.
#[track_caller]
pub(crate) fn output(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|_| panic!("{program} is missing: `apt-get install {package}`"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
