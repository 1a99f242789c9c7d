//! Secrets through everything that a run writes: a script prints them in every form that programs make of them, and no
//! event, report or file shows one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::context::{Events, JobCtx};
use ovenbird::event::{Body, Event, JobFinished, JobId, Outcome};
use ovenbird::guest::local::Local;
use ovenbird::journal::Journal;
use ovenbird::plan::job::{Job, WIRE_VERSION};
use ovenbird::report::{Ci, ConsoleMode, GitHub, GitLab, Options, Reports, Setting};
use ovenbird::secret::Secrets;
use ovenbird::step::run_all;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// With everything that some program quotes.
const SECRET: &str = "s3cr3t/it's \"a\" <b>&$(c)!+é=~end-of-it";

/// Each line prints `$S` in some form. A long one wrapped, in pieces, and where a failure repeats it.
const FORMS: &str = r#"
echo "plain $S"
echo "error $S" >&2
printf '%s' "$S" | base64
printf 'x%s' "$S" | base64 -w 10
printf 'xy%s' "$S" | base64 -w 0; echo
printf '%s' "$S" | base64 | tr +/ -_
printf '%s' "$S" | od -An -v -tx1
printf '%s' "$S" | od -An -v -tx1 | tr -d ' \n'; echo
printf '%s' "$S" | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F | fold -w 15; echo
printf '%q\n' "$S"
echo "${S@Q}"
(set -x; : "$S")
python3 -c '
import html, json, os, shlex, urllib.parse as url
from xml.sax import saxutils
s = os.environ["S"]
for text in [json.dumps(s), json.dumps(json.dumps(s)), json.dumps(s, ensure_ascii=False), shlex.quote(s), repr(s),
             url.quote(s), url.quote(s, safe=""), url.quote_plus(s), html.escape(s), saxutils.escape(s),
             "".join("%%%02x" % b for b in s.encode()), s.encode().hex(":"), ascii(s).replace("\\xe9", "\\u00e9")]:
    print(text)
'
printf '%s' "$S" | fold -b -w 9; echo
for piece in "${S:0:7}" "${S:7:9}" "${S:16}"; do printf '%s' "$piece"; sleep 0.05; done; echo
printf '%s\n' "${S:0:12}"; sleep 0.6; printf '%s\n' "${S:12}"
mkdir -p "$PWD/work"; touch "work/${S//\//_}" 2>/dev/null; ls work | tr _ /
head -c 4090 /dev/zero | tr '\0' x; echo "$S"
ls "/nowhere/$S"
"#;

fn job(root: &Utf8Path) -> Job {
    let lines: Vec<usize> = (1..=FORMS.lines().count()).collect();
    let run = json!({ "script": [{ "literal": FORMS }], "lines": lines, "shell": "bash", "working-directory": null });
    let step = json!({
        "index": 0, "id": null, "name": "the step", "file": "ovenbird.yml", "line": 1, "condition": "success",
        "env": [{ "name": "S", "value": [{ "secret": "s" }] }], "timeout": null,
        "retry": { "attempts": 1, "delay": 0 }, "continue-on-error": false, "action": { "run": run },
    });
    let platform = json!({
        "builder": "qemu", "source": { "image": { "image": "/nowhere", "checksum": null } }, "arch": "amd64",
        "disk-size": null, "memory": 0, "cpus": 1, "firmware": "bios", "accelerator": "tcg",
        "connect": { "user": "root", "timeout": 1 },
    });
    serde_json::from_value(json!({
        "version": WIRE_VERSION, "id": "test", "name": "test", "definition": "ovenbird.yml", "definition-digest": "",
        "root": root, "matrix": {}, "platform": platform, "env": [], "steps": [step], "outputs": [], "secrets": ["s"],
    }))
    .unwrap()
}

/// Runs the step on this machine; returns its events.
async fn events(folder: &Utf8Path, secrets: &Secrets) -> Vec<Event> {
    let (sender, mut receiver) = Events::channel();
    let job = job(folder);
    let ctx = JobCtx {
        id: job.id.clone(),
        out: folder.join("out"),
        work: folder.join("work"),
        cache: folder.join("cache"),
        events: sender.hiding(secrets.redactor()),
        journal: Journal::create(&folder.join("journal.jsonl"), "test").unwrap(),
        cancel: CancellationToken::new(),
    };
    std::fs::create_dir(&ctx.work).unwrap();
    let id = job.id.clone();
    let steps = async move {
        let guest = Local::new(&ctx, &job.root, Vec::new());
        run_all(&ctx, &job, secrets, &guest, &guest).await
    };
    let collect = async {
        let mut events = Vec::new();
        while let Some(body) = receiver.recv().await {
            events.push(Event::now(Some(id.clone()), body));
        }
        events
    };
    let (summary, mut events) = tokio::join!(steps, collect);
    assert_eq!(summary.outcome, Outcome::Failure, "the last command fails");
    let reason = summary.failure.map(|failure| failure.message);
    let finished = JobFinished { outcome: Outcome::Failure, seconds: 1.0, reason, manifest: None, verdict: None };
    events.push(Event::now(Some(JobId("test".to_owned())), Body::JobFinished(Box::new(finished))));
    events
}

/// Has every report written; returns the files.
fn files(folder: &Utf8Path, events: &[Event], secrets: &Secrets) -> BTreeMap<Utf8PathBuf, String> {
    let github = GitHub {
        summary: Some(folder.join("summary.md")),
        output: Some(folder.join("output")),
        token: "0123456789abcdef".to_owned(),
        masks: Secrets::default().masks(),
        ..GitHub::default()
    };
    assert!(!secrets.masks().unmasked().iter().any(|name| name == "s"));
    let services = [Ci::GitHub(github), Ci::GitLab(GitLab::default())];
    let mut files = BTreeMap::new();
    for (index, ci) in services.into_iter().enumerate() {
        let out = folder.join(format!("reports-{index}"));
        std::fs::create_dir_all(out.join("test")).unwrap();
        let options = Options {
            console: ConsoleMode::Plain,
            colour: false,
            events: Some(out.join("events.jsonl")),
            out: out.clone(),
            verbose: true,
            setting: Setting::default(),
            ci: Some(ci),
        };
        let mut reports = Reports::new(options).unwrap();
        events.iter().for_each(|event| reports.on_event(event));
        reports.finish().unwrap();
        let names = ["events.jsonl", "junit.xml", "test/log.txt", "test/junit.xml", "gl-code-quality.json"];
        let paths = names.into_iter().map(|name| out.join(name)).chain([folder.join("summary.md")]);
        files.extend(paths.filter_map(|path| Some((path.clone(), std::fs::read_to_string(&path).ok()?))));
    }
    files
}

/// What the script prints without us, cut into pieces that a secret's form can be known by.
fn printed(folder: &Utf8Path) -> String {
    let run = Command::new("bash").arg("-c").arg(FORMS).env("S", SECRET).current_dir(folder).output().unwrap();
    String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_shows_a_secret_in_any_form_that_a_script_prints() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let mut secrets = Secrets::default();
    secrets.insert("s", SECRET);
    let events = events(folder, &secrets).await;
    let files = files(folder, &events, &secrets);
    assert_eq!(files.len(), 10, "{:?}", files.keys());
    // Two words of it, as plain text and as the forms show them.
    let pieces = [
        "s3cr3t/it",
        "of-it",
        "end-of",
        "czNjcjN0L2l0",
        "MzY3IzdC9pd",
        "zY3IzdC9pd",
        "b2YtaXQ",
        "733363723374",
        "2d6f662d6974",
        "73 33 63 72",
        "2d 69 74",
        "73:33:63:72",
        "73336372",
        "%73%33%63",
        "s3cr3t%2F",
        "s3cr3t%2f",
        "7333637233742F",
    ];
    let raw = printed(folder);
    for piece in ["s3cr3t/it", "czNjcjN0L2l0", "733363723374", "73 33 63 72", "73:33:63:72", "%73%33%63", "s3cr3t%2F"] {
        assert!(raw.contains(piece), "the script does not print {piece}: {raw}");
    }
    for (path, text) in &files {
        assert!(text.contains("***") || path.as_str().contains("gl-"), "{path} has nothing hidden: {text}");
        for piece in pieces {
            assert!(!text.contains(piece), "{path} shows {piece}: {text}");
        }
    }
    let log = files.iter().find(|(path, _)| path.ends_with("test/log.txt")).unwrap().1;
    assert!(log.contains("plain ***") && log.contains("error ***"), "{log}");
}

#[test]
fn the_programs_that_a_job_starts_get_no_token_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    let text = "name: web\nplatforms: { qemu: { builder: qemu, source: { debian: bookworm } } }\nsteps: []\n";
    std::fs::write(root.join("ovenbird.yml"), text).unwrap();
    // In the place of the first program that a build of Debian starts.
    let program = root.join("mmdebstrap");
    std::fs::write(&program, "#!/bin/sh\nenv > \"$DUMP\"\nexit 1\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let tokens = ["GITHUB_TOKEN", "OVENBIRD_GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "CI_JOB_TOKEN", "NPM_TOKEN"];
    let path = std::env::var("PATH").unwrap();
    let dump = root.join("dump");
    let status = Command::new(env!("CARGO_BIN_EXE_ovenbird"))
        .args(["build", "--cache-dir", "cache"])
        .current_dir(root)
        .env("PATH", format!("{root}:{path}"))
        .env("DUMP", &dump)
        .env("KEPT", "kept")
        .envs(tokens.map(|name| (name, "ghs_16C7e42F292c6912E7")))
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let given = std::fs::read_to_string(dump).unwrap();
    assert!(given.contains("KEPT=kept"), "{given}");
    assert!(!given.contains("TOKEN=ghs") && !given.contains("16C7e42F292c6912E7"), "{given}");
}
