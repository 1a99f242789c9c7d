//! The supervisor with job processes that misbehave: each is a small script in place of `ovenbird job`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::event::{Body, Event, JobId, Outcome};
use ovenbird::journal::cleanup::Places;
use ovenbird::journal::process::{Identity, with_token};
use ovenbird::plan::job::{
    Accelerator, Arch, Connect, Debian, DiskFormat, Firmware, Job, Kernel, Origin, Output, Platform, Qemu, Source,
    WIRE_VERSION,
};
use ovenbird::runner::supervisor::{Config, Ending, run};
use ovenbird::secret::Secrets;

/// What a job process writes when all is well.
const FINISHED: &str = r#"echo '{"v":1,"time":"2026-01-01T00:00:00Z","job":"JOB","event":{"type":"job-finished","outcome":"success","seconds":1.0}}'"#;

struct Lab {
    folder: tempfile::TempDir,
    config: Config,
}

fn job(id: &str) -> Job {
    let debian = Debian {
        suite: "bookworm".to_owned(),
        packages: Vec::new(),
        kernel: Kernel::Cloud,
        cloud_init: false,
        mirror: None,
        apt_sources: None,
    };
    Job {
        version: WIRE_VERSION,
        id: JobId(id.to_owned()),
        name: "web".to_owned(),
        definition: "ovenbird.yml".into(),
        image_version: None,
        definition_digest: String::new(),
        origin: Origin::default(),
        definition_files: Vec::new(),
        root: "/".into(),
        matrix: serde_json::Map::new(),
        platform: Platform::Qemu(Qemu {
            source: Source::Debian(debian),
            arch: Arch::Amd64,
            disk_size: None,
            memory: 1 << 30,
            cpus: 1,
            firmware: Firmware::Bios,
            accelerator: Accelerator::Tcg,
            connect: Connect { user: "root".to_owned(), timeout: 60 },
        }),
        env: Vec::new(),
        steps: Vec::new(),
        outputs: vec![Output { format: DiskFormat::Qcow2, compress: None }],
        tests: None,
        secrets: Vec::new(),
    }
}

/// Jobs `ids`, each a process that runs `script`, in which `$JOB` is the job's id.
fn lab(script: &str, ids: &[&str]) -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let root: Utf8PathBuf = Utf8Path::from_path(folder.path()).unwrap().canonicalize_utf8().unwrap();
    let program = root.join("job.sh");
    let script = script.replace("FINISHED", &FINISHED.replace("JOB", "'$JOB'"));
    std::fs::write(&program, format!("#!/bin/bash\nJOB=$4\nread -r secrets; read -r start\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["out", "cache"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    let config = Config {
        program: program.into(),
        run: "r1".to_owned(),
        out: root.join("out"),
        cache: root.join("cache"),
        jobs: ids.iter().map(|id| job(id)).collect(),
        tasks: BTreeMap::new(),
        max_parallel: 2,
        fail_fast: false,
        secrets: Secrets::default(),
        hidden: Vec::new(),
        silence: Duration::from_secs(60),
        has_room: Box::new(|| true),
    };
    Lab { folder, config }
}

/// Runs the lab's jobs; each event in a few words.
async fn events(lab: Lab) -> (Ending, Vec<String>) {
    let mut seen = Vec::new();
    let places = Places::new(&lab.config.out, &lab.config.cache);
    let ending = run(lab.config, &mut |event| seen.extend(words(event))).await.unwrap();
    assert!(!places.journals.exists(), "a journal is left");
    drop(lab.folder);
    (ending, seen)
}

fn words(event: &Event) -> Option<String> {
    let job = event.job.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(match &event.event {
        Body::JobFinished(end) => format!("{job}: {:?} {}", end.outcome, end.reason.clone().unwrap_or_default()),
        Body::Failure(failure) => format!("{job}: ! {} {:?}", failure.message, failure.excerpt),
        Body::Note { text } => format!("{job}: {text}"),
        Body::RunFinished { outcome, .. } => format!("run: {outcome:?}"),
        _ => return None,
    })
}

#[tokio::test]
async fn a_job_that_ends_well_is_told_as_it_says() {
    let (ending, events) = events(lab("FINISHED", &["a"])).await;
    assert_eq!(ending, Ending::Success);
    assert_eq!(events, ["a: Success ", "run: Success"]);
}

/// What a job process writes when its image was built and its tests failed.
const TESTS_FAILED: &str = r#"echo '{"v":1,"time":"2026-01-01T00:00:00Z","job":"'$JOB'","event":{"type":"job-finished","outcome":"failure","seconds":1.0,"reason":"1 of 9 tests failed","manifest":"/m.json","verdict":"failed"}}'"#;

#[tokio::test]
async fn a_run_fails_by_its_tests_when_no_job_failed_by_anything_else() {
    let (ending, told) =
        events(lab(&format!("if [ $JOB = a ]; then {TESTS_FAILED}; else FINISHED; fi"), &["a", "b"])).await;
    assert_eq!(ending, Ending::TestsFailed);
    assert!(told.contains(&"a: Failure 1 of 9 tests failed".to_owned()), "{told:?}");
    let (ending, _) = events(lab(&format!("if [ $JOB = a ]; then {TESTS_FAILED}; fi"), &["a", "b"])).await;
    assert_eq!(ending, Ending::Failure, "the other one ended without a word");
}

#[tokio::test]
async fn what_fail_fast_cancels_after_failed_tests_does_not_count_as_a_failure() {
    let mut lab = lab(TESTS_FAILED, &["a", "b"]);
    (lab.config.fail_fast, lab.config.max_parallel) = (true, 1);
    let (ending, told) = events(lab).await;
    assert_eq!(ending, Ending::TestsFailed);
    assert!(told.contains(&"b: Cancelled not started: the run was stopped".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_job_that_is_killed_is_told_with_its_last_lines_and_the_others_finish() {
    let script = r#"if [ "$JOB" = a ]; then
        echo '{"v":1,"time":"2026-01-01T00:00:00Z","job":"a","event":{"type":"output","stream":"tool","line":"nearly there"}}'
        echo "a word on standard error" >&2; kill -9 $$; fi; FINISHED"#;
    let (ending, mut events) = events(lab(script, &["a", "b"])).await;
    assert_eq!(ending, Ending::Failure);
    events.sort();
    let reason = "its process was killed by SIGKILL (by hand, or by the kernel for want of memory)";
    assert_eq!(
        events,
        [
            format!(r#"a: ! {reason} ["nearly there", "a word on standard error"]"#),
            format!("a: Failure {reason}"),
            "b: Success ".to_owned(),
            "run: Failure".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_job_that_ends_without_a_word_has_failed_whatever_its_status() {
    let (ending, events) = events(lab("exit 0", &["a"])).await;
    assert_eq!(ending, Ending::Failure);
    assert_eq!(events[1], "a: Failure its process ended with status 0 without saying why");
}

#[tokio::test]
async fn a_job_that_writes_something_else_than_events_is_ended() {
    let (_, events) = events(lab("echo hello; exec sleep 600", &["a"])).await;
    assert!(events[1].starts_with("a: Failure its process wrote something that is no event"), "{events:?}");
}

#[tokio::test]
async fn a_job_that_gives_no_sign_of_life_is_ended() {
    let mut lab = lab("echo '{}'; exec sleep 600", &["a"]);
    lab.config.silence = Duration::from_secs(1);
    let begin = Instant::now();
    let (_, events) = events(lab).await;
    assert_eq!(events[1], "a: Failure its process gave no sign of life for 1 s and was ended");
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_job_that_does_not_read_its_messages_can_still_be_ended() {
    let mut lab = lab("", &["a"]);
    // More than a pipe holds.
    lab.config.jobs[0].definition_digest = "x".repeat(1_000_000);
    std::fs::write(&lab.config.program, "#!/bin/sh\nexec sleep 600\n").unwrap();
    lab.config.silence = Duration::from_secs(1);
    let (_, events) = tokio::time::timeout(Duration::from_secs(60), events(lab)).await.unwrap();
    assert_eq!(events[1], "a: Failure its process gave no sign of life for 1 s and was ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_stands_still_for_a_while_costs_no_job() {
    // `a` ends meanwhile with more messages than we hold, `b` goes on.
    let script = r#"if [ "$JOB" = b ]; then
        echo '{"v":1,"time":"2026-01-01T00:00:00Z","job":"b","event":{"type":"note","text":"stand still"}}'
        for i in $(seq 30); do echo '{}'; sleep 0.2; done; else
        for i in $(seq 2000); do echo '{}'; done; fi; FINISHED"#;
    let mut lab = lab(script, &["b", "a"]);
    lab.config.silence = Duration::from_secs(2);
    let mut outcomes = Vec::new();
    let mut report = |event: &Event| match &event.event {
        Body::Note { .. } => std::thread::sleep(Duration::from_secs(4)),
        Body::JobFinished(end) => outcomes.push(format!("{:?} {:?}", end.outcome, end.reason)),
        _ => {}
    };
    let ending = run(lab.config, &mut report).await.unwrap();
    assert_eq!(ending, Ending::Success, "{outcomes:?}");
}

#[tokio::test]
async fn with_fail_fast_the_first_failure_stops_the_rest() {
    let mut lab = lab(r#"[ "$JOB" = a ] && exit 1; trap "exit 130" INT; read -r end"#, &["a", "b", "c"]);
    lab.config.fail_fast = true;
    let (ending, mut events) = events(lab).await;
    assert_eq!(ending, Ending::Failure);
    events.retain(|event| !event.contains('!'));
    events.sort();
    assert!(events[0].starts_with("a: Failure"), "{events:?}");
    assert!(events[1].starts_with("b: Cancelled"), "{events:?}");
    assert_eq!(events[2], "c: Cancelled not started: the run was stopped");
}

#[tokio::test]
async fn a_stray_child_ends_with_its_job_and_does_not_hold_the_run() {
    let begin = Instant::now();
    let note = tempfile::NamedTempFile::new().unwrap();
    let script = format!("sleep 600 & echo $! > '{}'; FINISHED", note.path().display());
    let (ending, _) = events(lab(&script, &["a"])).await;
    assert_eq!(ending, Ending::Success);
    assert!(begin.elapsed() < Duration::from_secs(30));
    let stray: u32 = std::fs::read_to_string(note.path()).unwrap().trim().parse().unwrap();
    // The kernel takes it down after the signal; whoever adopted it reaps it.
    while Identity::of(stray).is_some() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_secrets_of_a_job_reach_only_that_job_and_only_on_standard_input() {
    let note = r#"echo '{"v":1,"time":"2026-01-01T00:00:00Z","job":"a","event":{"type":"note","text":"'"$(echo "$secrets" | tr -d '"')"' args '"$*"'"}}'; FINISHED"#;
    let mut lab = lab(note, &["a"]);
    lab.config.secrets.insert("used", "hunter2");
    lab.config.secrets.insert("other", "hunter3");
    lab.config.jobs[0].secrets = vec!["used".to_owned()];
    let (_, events) = events(lab).await;
    assert_eq!(events[0], "a: {secrets:{used:hunter2},registered:[]} args job --run r1 a");
}

#[tokio::test]
async fn a_secret_in_the_panic_of_a_job_is_masked() {
    let mut lab = lab("echo panicked at hunter2 >&2; exit 101", &["a"]);
    lab.config.secrets.insert("used", "hunter2");
    let (_, events) = events(lab).await;
    assert_eq!(events[0], r#"a: ! its process ended with status 101 without saying why ["panicked at ***"]"#);
}

#[tokio::test]
async fn an_environment_variable_that_holds_a_sensitive_value_is_not_inherited() {
    let note = r#"echo '{"v":1,"time":"2026-01-01T00:00:00Z","job":"a","event":{"type":"note","text":"'"${CARGO_PKG_NAME:-nothing}"'"}}'; FINISHED"#;
    let mut lab = lab(note, &["a"]);
    lab.config.hidden = vec!["CARGO_PKG_NAME".to_owned()];
    let (_, events) = events(lab).await;
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "cargo sets it for tests");
    assert_eq!(events[0], "a: nothing");
}

#[tokio::test]
async fn a_program_that_can_not_be_started_fails_the_job_and_says_so() {
    let mut lab = lab("", &["a"]);
    lab.config.program = "/nonexistent/ovenbird".into();
    let (ending, events) = events(lab).await;
    assert_eq!(ending, Ending::Failure);
    assert!(events[0].contains("`/nonexistent/ovenbird`: No such file or directory"), "{events:?}");
}

#[test]
fn outcomes_have_the_words_of_actions() {
    assert_eq!(serde_json::to_string(&Outcome::Cancelled).unwrap(), r#""cancelled""#);
    assert!(with_token("a token that no process has").is_empty());
}
