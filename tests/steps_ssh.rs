//! Steps of a job over SSH, against a real OpenSSH server: what a guest sees, and what is left in it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "guest_ssh/server.rs"]
mod server;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::context::{Events, JobCtx};
use ovenbird::event::{Body, JobId, Outcome};
use ovenbird::guest::local::Local;
use ovenbird::journal::Journal;
use ovenbird::plan::job::{Job, WIRE_VERSION};
use ovenbird::secret::Secrets;
use ovenbird::step::{Summary, run_all};
use serde_json::{Value, json};
use server::Server;
use tokio_util::sync::CancellationToken;

struct Bench {
    folder: tempfile::TempDir,
    cancel: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), cancel: CancellationToken::new() };
        std::fs::create_dir(bench.path("root")).unwrap();
        std::fs::create_dir(bench.path("work")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// Runs steps on the server; returns how they went, and their output.
    async fn run(&self, server: &Server, secrets: &Secrets, steps: Vec<Value>) -> (Summary, Vec<String>) {
        let (events, mut receiver) = Events::channel();
        let ctx = JobCtx {
            id: JobId("test".to_owned()),
            out: self.path("out"),
            work: self.path("work"),
            cache: self.path("cache"),
            events,
            journal: Journal::create(&self.path("journal.jsonl"), "test").unwrap(),
            cancel: self.cancel.clone(),
        };
        let job = job(&self.path("root"), steps);
        let guest = server.connect().await;
        let steps = async move {
            let local = Local::new(&ctx, &job.root, Vec::new());
            run_all(&ctx, &job, secrets, &guest, &local).await
        };
        let collect = async {
            let mut lines = Vec::new();
            while let Some(event) = receiver.recv().await {
                if let Body::Output { line, .. } = event {
                    lines.push(line);
                }
            }
            lines
        };
        tokio::join!(steps, collect)
    }
}

fn job(root: &Utf8Path, steps: Vec<Value>) -> Job {
    let platform = json!({
        "builder": "qemu", "source": { "image": { "image": "/nowhere", "checksum": null } }, "arch": "amd64",
        "disk-size": null, "memory": 0, "cpus": 1, "firmware": "bios", "accelerator": "tcg",
        "connect": { "user": "root", "timeout": 1 },
    });
    serde_json::from_value(json!({
        "version": WIRE_VERSION, "id": "test", "name": "test", "definition": "ovenbird.yml", "definition-digest": "",
        "root": root, "matrix": {}, "platform": platform, "env": [], "steps": steps, "outputs": [], "secrets": [],
    }))
    .unwrap()
}

fn step(index: usize, action: &Value, more: &Value) -> Value {
    let mut step = json!({
        "index": index, "id": null, "name": format!("step {index}"), "file": "ovenbird.yml", "line": 10,
        "condition": "success", "env": [],
        "timeout": null, "retry": { "attempts": 1, "delay": 0 }, "continue-on-error": false, "action": action,
    });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn run(script: &str) -> Value {
    let lines: Vec<_> = (101..).take(script.lines().count()).collect();
    let script = json!([{ "literal": script }]);
    json!({ "run": { "script": script, "lines": lines, "shell": "default", "working-directory": null } })
}

/// Private folders of steps on this machine that hold `text`, in the places where a guest's are.
fn left_with(text: &str) -> Vec<String> {
    let folders = ["/run", "/dev/shm", "/tmp"].into_iter().filter_map(|base| std::fs::read_dir(base).ok()).flatten();
    let names = folders.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ovenbird-step."))
            && std::fs::read_to_string(path.join("run")).is_ok_and(|script| script.contains(text))
    });
    names.map(|path| path.display().to_string()).collect()
}

#[tokio::test]
async fn files_go_up_scripts_run_and_results_come_down() {
    let (bench, server) = (Bench::new(), Server::debian());
    let root = bench.path("root");
    std::fs::create_dir(root.join("site")).unwrap();
    std::fs::write(root.join("site/page"), "hello").unwrap();
    std::fs::write(root.join("check.sh"), "#!/bin/bash -e\ncd \"$1\"\ncat page >result\ncat page missing\n").unwrap();
    let target = server.path("target");
    let script = json!({ "script": {
        "path": "check.sh", "args": [[{ "literal": target }]], "shell": "default", "working-directory": null,
    }});
    let steps = vec![
        step(0, &json!({ "upload": { "from": "site/", "to": target, "owner": null, "mode": null } }), &json!({})),
        step(1, &script, &json!({})),
        step(2, &run("echo never"), &json!({})),
    ];
    let (summary, lines) = bench.run(&server, &Secrets::default(), steps).await;
    assert_eq!(lines[0], format!("uploaded 1 file, 5 B, to {target}"));
    assert_eq!(std::fs::read_to_string(target.join("result")).unwrap(), "hello");
    assert_eq!(summary.steps[2].outcome, Outcome::Skipped);
    let failure = summary.failure.unwrap();
    let place = failure.place.unwrap();
    assert_eq!(
        (place.file.as_str(), place.line, failure.command.as_deref()),
        ("check.sh", 4, Some("cat page missing"))
    );

    let bench = Bench::new();
    let download = json!({ "download": { "from": target.join("result"), "to": "logs/" } });
    let (summary, _) = bench.run(&server, &Secrets::default(), vec![step(0, &download, &json!({}))]).await;
    assert_eq!(summary.outcome, Outcome::Success, "{summary:?}");
    assert_eq!(std::fs::read_to_string(bench.path("root/logs/result")).unwrap(), "hello");
}

#[tokio::test]
async fn outputs_come_from_the_guest_and_go_into_a_step_file_and_out_of_it() {
    let (bench, server) = (Bench::new(), Server::debian());
    let late = |expr: &str| json!([{ "expr": expr }]);
    let env = |expr: &str| json!({ "env": [{ "name": "VALUE", "value": late(expr) }] });
    let mut inner = step(2, &run("echo \"port=${VALUE%%[!0-9]*}\" >>\"$OVENBIRD_OUTPUT\""), &env("inputs.given"));
    inner.as_object_mut().unwrap().insert("id".to_owned(), json!("one"));
    let uses = json!({ "uses": {
        "file": "part.yml", "steps": [inner],
        "inputs": [{ "name": "given", "value": late("steps.find.outputs.port") }],
        "outputs": [{ "name": "port", "value": late("steps.one.outputs.port") }],
    }});
    let steps = vec![
        step(0, &run("printf 'port<<E\\n80\\n\\n$(id)\\nE\\n' >>\"$OVENBIRD_OUTPUT\""), &json!({ "id": "find" })),
        step(1, &uses, &json!({ "id": "part" })),
        step(3, &run("printf '%s\\n' \"[$VALUE]\""), &env("toJSON(steps.find.outputs)")),
        step(4, &run("printf '%s\\n' \"[$VALUE]\""), &env("steps.part.outputs.port")),
    ];
    let (summary, lines) = bench.run(&server, &Secrets::default(), steps).await;
    assert_eq!(summary.failure, None);
    assert_eq!(lines, ["[{", r#"  "port": "80\n\n$(id)""#, "}]", "[80]"]);
}

#[tokio::test]
async fn no_process_on_the_machine_has_a_secret_in_its_arguments() {
    let script = "\
        found=0\n\
        for file in /proc/[0-9]*/cmdline; do\n\
          arguments=$(tr '\\0' ' ' <\"$file\" 2>/dev/null) || continue\n\
          if [[ $arguments == *\"$TOKEN\"* ]]; then echo \"in $file: $arguments\"; fi\n\
          found=$((found + 1))\n\
        done 2>/dev/null\n\
        echo \"${#TOKEN} $((found > 3))\"";
    let mut secrets = Secrets::default();
    secrets.insert("token", "only-in-the-environment-4711\nsecond line");
    let env = json!({ "env": [{ "name": "TOKEN", "value": [{ "secret": "token" }] }] });
    for server in [Server::debian(), Server::busybox()] {
        let (summary, lines) = Bench::new().run(&server, &secrets, vec![step(0, &run(script), &env)]).await;
        assert_eq!(summary.outcome, Outcome::Success, "{summary:?}");
        assert_eq!(lines, ["40 1"]);
    }
}

#[tokio::test]
async fn a_step_that_is_ended_leaves_neither_process_nor_folder() {
    let server = Server::debian();
    let pid = server.path("pid");
    let mark = format!("# {pid}");
    let script = format!("{mark}\nsleep 1000 &\necho $! >{pid}\nwait");
    let gone = || {
        let pid = std::fs::read_to_string(&pid).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
        assert_eq!(left_with(&mark), [""; 0]);
    };

    let timeout = json!({ "timeout": 2 });
    let (summary, _) = Bench::new().run(&server, &Secrets::default(), vec![step(0, &run(&script), &timeout)]).await;
    assert_eq!(summary.failure.unwrap().message, "`step 0` timed out after 2 s");
    gone();

    let bench = Bench::new();
    std::fs::remove_file(&pid).unwrap();
    let cancel = async {
        while std::fs::read_to_string(&pid).unwrap_or_default().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(left_with(&mark).len(), 1, "the folder is there while the step runs");
        bench.cancel.cancel();
        std::time::Instant::now()
    };
    let secrets = Secrets::default();
    let steps = bench.run(&server, &secrets, vec![step(0, &run(&script), &json!({}))]);
    let ((summary, _), begin) = tokio::join!(steps, cancel);
    assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    assert_eq!(summary.outcome, Outcome::Cancelled);
    gone();
}

#[tokio::test]
async fn exit_signals_and_failing_lines_come_over_ssh() {
    let server = Server::debian();
    let killed = step(0, &run("true\nkill -KILL $$"), &json!({ "continue-on-error": true }));
    let failed = step(1, &run("f() {\n  grep -q x /dev/null\n}\nf"), &json!({}));
    let (summary, _) = Bench::new().run(&server, &Secrets::default(), vec![killed, failed]).await;
    assert_eq!((summary.steps[0].outcome, summary.steps[0].conclusion), (Outcome::Failure, Outcome::Success));
    let failure = summary.failure.unwrap();
    assert_eq!((failure.place.unwrap().line, failure.command.as_deref()), (102, Some("grep -q x /dev/null")));
}
