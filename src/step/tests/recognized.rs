//! What a tool said, in the failure of a step: by real tools of this machine, through a real step.

use super::machine::{Bench, run, step};
use crate::event::Failure;
use crate::plan::job::{Action, Script, Shell, Upload};

async fn failure(bench: &mut Bench) -> Failure {
    bench.run().await.summary.failure.unwrap()
}

fn place(failure: &Failure) -> String {
    let place = failure.place.as_ref().unwrap();
    format!("{}:{}{}", place.file, place.line, if place.exact { "" } else { " (the step)" })
}

#[tokio::test]
async fn apt_that_finds_no_package_is_quoted_with_its_cure() {
    // Nothing is changed by it, whoever runs it.
    let script = "true\napt-get install -s nosuchpackage";
    for shell in [Shell::Bash, Shell::Sh] {
        let failure = failure(&mut Bench::new(vec![run(shell.clone(), script)])).await;
        assert_eq!(
            failure.message, "apt: unable to locate package nosuchpackage (`the step` failed with exit status 100)",
            "{shell:?}"
        );
        assert_eq!(place(&failure), "ovenbird.yml:102", "{shell:?}");
        assert_eq!(failure.command.as_deref(), Some("apt-get install -s nosuchpackage"));
        assert!(failure.hint.unwrap().starts_with("run `apt-get update` before"));
    }
}

#[tokio::test]
async fn what_apt_said_before_the_script_went_on_is_not_blamed() {
    for (shell, script) in [
        (Shell::Bash, "apt-get install -s nosuchpackage || true\nfalse"),
        (Shell::Sh, "apt-get install -s nosuchpackage || true\nfalse"),
    ] {
        let failure = failure(&mut Bench::new(vec![run(shell, script)])).await;
        assert_eq!(failure.message, "`the step` failed with exit status 1");
    }
}

#[tokio::test]
async fn a_traceback_that_was_caught_is_not_blamed() {
    let script = "import traceback, sys\ntry:\n    {}['x']\nexcept KeyError:\n    traceback.print_exc()\nsys.exit(3)";
    let failure = failure(&mut Bench::new(vec![run(Shell::Python, script)])).await;
    assert_eq!(failure.message, "`the step` failed with exit status 3");
    assert_eq!(place(&failure), "ovenbird.yml:10 (the step)");
}

#[tokio::test]
async fn a_python_script_of_the_repository_shows_its_own_line() {
    let script =
        Script { path: "tools/setup.py".into(), args: Vec::new(), shell: Shell::Default, working_directory: None };
    let mut bench = Bench::new(vec![step(Action::Script(script))]);
    std::fs::create_dir(bench.job.root.join("tools")).unwrap();
    let text = "#!/usr/bin/env python3\nimport json\n\njson.loads('{')\n";
    std::fs::write(bench.job.root.join("tools/setup.py"), text).unwrap();
    let failure = failure(&mut bench).await;
    assert_eq!(place(&failure), "tools/setup.py:4");
    assert_eq!(failure.command.as_deref(), Some("json.loads('{')"));
    assert!(
        failure.message.starts_with("json.decoder.JSONDecodeError: Expecting property name"),
        "{}",
        failure.message
    );
}

/// A step that uploads `tools` to a folder of this machine, which plays the guest, and one that runs a script.
fn with_uploaded(name: &str, text: &str, script: impl Fn(&str) -> String) -> (Bench, tempfile::TempDir) {
    let guest = tempfile::tempdir().unwrap();
    let to = guest.path().to_str().unwrap().to_owned();
    std::fs::write(guest.path().join(name), text).unwrap();
    let upload = Upload { from: "tools/".into(), to: to.clone(), owner: None, mode: None };
    let bench = Bench::new(vec![step(Action::Upload(upload)), run(Shell::Bash, &script(&to))]);
    std::fs::create_dir(bench.job.root.join("tools")).unwrap();
    std::fs::write(bench.job.root.join("tools").join(name), text).unwrap();
    (bench, guest)
}

#[tokio::test]
async fn a_line_of_an_uploaded_python_program_is_the_repositorys() {
    let text = "def port():\n    return {}['port']\n\nport()\n";
    for script in [|to: &str| format!("python3 {to}/port.py"), |to: &str| format!("cd {to} && python3 port.py")] {
        let (mut bench, _guest) = with_uploaded("port.py", text, script);
        let failure = failure(&mut bench).await;
        assert_eq!(place(&failure), "tools/port.py:2");
        assert_eq!(failure.message, "KeyError: 'port' (`the step` failed with exit status 1)");
        assert!(failure.command.unwrap().contains("port.py"), "the command of the step is kept");
    }
}

#[tokio::test]
async fn a_missing_command_in_an_uploaded_dash_script_is_on_its_line() {
    let (mut bench, _guest) =
        with_uploaded("setup.sh", "set -e\ntrue\nnosuchcommand\n", |to| format!("dash {to}/setup.sh"));
    let failure = failure(&mut bench).await;
    assert_eq!(place(&failure), "tools/setup.sh:3");
    assert_eq!(failure.message, "nosuchcommand: not found (`the step` failed with exit status 127)");
}

#[tokio::test]
async fn a_line_of_an_uploaded_library_that_bash_reads_is_the_repositorys() {
    let (mut bench, _guest) = with_uploaded("lib.sh", "f() {\n  true\n  false\n}\n", |to| format!(". {to}/lib.sh\nf"));
    assert_eq!(place(&failure(&mut bench).await), "tools/lib.sh:3");
}

#[tokio::test]
async fn a_file_that_the_guest_changed_has_no_line_of_ours() {
    let text = "x = 1\n{}['port']\n";
    let (mut bench, guest) = with_uploaded("port.py", text, |to| format!("python3 {to}/port.py"));
    std::fs::write(guest.path().join("port.py"), "x = 1\n{}['other']\n").unwrap();
    assert_eq!(place(&failure(&mut bench).await), "ovenbird.yml:101", "the line that ran it");
}

#[tokio::test]
async fn a_secret_in_what_a_tool_said_is_hidden() {
    let mut bench = Bench::new(vec![run(Shell::Bash, "python3 -c 'raise ValueError(\"hunter2-hunter2\")'")]);
    bench.secrets.insert("token", "hunter2-hunter2");
    let failure = failure(&mut bench).await;
    assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    assert!(failure.message.starts_with("ValueError: "), "{failure:?}");
}
