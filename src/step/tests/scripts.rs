//! What reaches a script, and what nobody else gets to see.

use super::machine::{Bench, Told, env, run, step};
use crate::event::Outcome;
use crate::plan::job::{Action, EnvVar, Local, Part, Run, Script, Shell, Step, Text};

async fn told(step: Step) -> Told {
    let mut bench = Bench::new(vec![step]);
    let told = bench.run().await;
    assert_eq!(bench.leftovers(), [""; 0]);
    told
}

fn message(told: &Told) -> &str {
    &told.summary.failure.as_ref().unwrap().message
}

#[tokio::test]
async fn every_value_survives_the_way_into_the_environment() {
    let bytes: String = (1..=0x2ff).filter_map(char::from_u32).collect();
    let values = ["", " a=b ", "two\nlines\n\n", "it's \"$HOME\" `id` \\n \\\\ %s %%", "-n", &bytes];
    for shell in [Shell::Bash, Shell::Sh, Shell::Custom("busybox sh {0}".to_owned())] {
        for value in values {
            let mut step = run(shell.clone(), "printf %s \"$VALUE\" | od -An -v -tx1 | tr -d ' \\n'");
            step.env.push(env("VALUE", value));
            let told = told(step).await;
            let expected: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(told.lines().concat(), expected, "{shell:?} {value:?}");
        }
    }
}

#[tokio::test]
async fn a_script_arrives_byte_for_byte() {
    let script = "grep -v '^#' \"$0\" >/dev/null; od -An -v -tx1 \"$0\" | tr -d ' \\n'\nexit 0\n".to_owned();
    let mut content = script.into_bytes();
    content.extend((0..=255).chain([b'-', b'%', b'\\', b'\'']).cycle().take(9000));
    let action = Script { path: "-it's.sh".into(), args: Vec::new(), shell: Shell::Default, working_directory: None };
    let mut bench = Bench::new(vec![step(Action::Script(action))]);
    std::fs::write(bench.job.root.join("-it's.sh"), &content).unwrap();
    let told = bench.run().await;
    let expected: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told.lines().concat(), expected);
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[tokio::test]
async fn what_no_shell_can_set_is_refused() {
    for (name, value, expected) in [
        ("A-B", "x", "the environment variable `A-B` has a name that no shell can set"),
        ("1A", "x", "the environment variable `1A` has a name that no shell can set"),
        ("A", "x\0y", "the value of the environment variable `A` holds a NUL byte"),
    ] {
        let mut step = run(Shell::Default, "true");
        step.env.push(env(name, value));
        assert_eq!(message(&told(step).await), expected);
    }
}

#[tokio::test]
async fn the_environment_of_the_step_wins_over_the_jobs() {
    let mut step = run(
        Shell::Default,
        "echo \"$A $B\"; env | grep -i ^ovenbird | grep -v -e _OUTPUT= -e _TEST_ -e _VECTORS -e _KILL_ || true; umask; pwd",
    );
    step.env.push(env("A", "step"));
    let mut bench = Bench::new(vec![step]);
    bench.job.env = vec![env("A", "job"), env("B", "job")];
    let told = bench.run().await;
    // Nothing of ours is left in it but the name of the file for outputs.
    let home = std::process::Command::new("sh").args(["-c", "cd ~root 2>/dev/null || cd /; pwd"]).output().unwrap();
    assert_eq!(told.lines(), ["step job", "0022", String::from_utf8(home.stdout).unwrap().trim()]);
}

#[tokio::test]
async fn secrets_are_in_no_command_and_in_no_output_of_ours() {
    let secret = || Text(vec![Part::Secret("token".to_owned())]);
    let script = Text(vec![Part::Literal("true\nls /nowhere/".to_owned()), Part::Secret("token".to_owned())]);
    let action = Run { script, lines: vec![101, 102], shell: Shell::Default, working_directory: None };
    let mut step = step(Action::Run(action));
    step.env.push(EnvVar { name: "TOKEN".to_owned(), value: secret() });
    let mut bench = Bench::new(vec![step]);
    bench.secrets.insert("token", "hunter2");
    let told = bench.run().await;
    let failure = told.summary.failure.unwrap();
    assert_eq!(failure.command.as_deref(), Some("ls /nowhere/***"));
    assert_eq!(failure.place.as_ref().unwrap().line, 102);
    assert!(!format!("{failure:?}").contains("hunter2"));
    assert!(!bench.guest.asked.lock().unwrap().concat().contains("hunter2"));
}

#[tokio::test]
async fn a_secret_of_several_lines_does_not_move_the_lines_after_it() {
    let script = Text(vec![
        Part::Literal("x='".to_owned()),
        Part::Secret("key".to_owned()),
        Part::Literal("'\ntrue\nls /nowhere/x".to_owned()),
    ]);
    let lines = vec![101, 102, 103];
    let mut bench =
        Bench::new(vec![step(Action::Run(Run { script, lines, shell: Shell::Default, working_directory: None }))]);
    bench.secrets.insert("key", "BEGIN\nabc\nEND\n");
    let place = bench.run().await.summary.failure.unwrap().place.unwrap();
    assert_eq!((place.line, place.exact), (103, true));
}

#[tokio::test]
async fn a_secret_without_a_value_is_named() {
    let script = Text(vec![Part::Secret("token".to_owned())]);
    let action = Action::Run(Run { script, lines: vec![1], shell: Shell::Default, working_directory: None });
    assert_eq!(message(&told(step(action)).await), "no value was given for the sensitive variable `token`");
}

#[tokio::test]
async fn the_private_folder_is_the_owners_alone() {
    let script = "d=$(dirname \"$0\"); stat -c %a \"$d\" \"$0\" \"$d\"/.o*";
    assert_eq!(told(run(Shell::Default, script)).await.lines(), ["700", "600", "600", "600", "600"]);
}

#[tokio::test]
async fn each_shell_is_called_as_actions_calls_it() {
    for (shell, script, expected) in [
        (
            Shell::Default,
            "echo \"${BASH+bash} $-\" | tr -d E; shopt -qo pipefail && echo pipefail",
            vec!["bash ehB", "pipefail"],
        ),
        (Shell::Sh, "echo \"${BASH+bash} $-\"", vec![" e"]),
        (Shell::Python, "import sys; print(sys.version_info[0])", vec!["3"]),
        (Shell::Custom("perl -w {0}".to_owned()), "print \"$^W\\n\"", vec!["1"]),
        (
            Shell::Custom("sh -c 'echo \"[$1]\"; . \"$0\"' {0} 'a  b'".to_owned()),
            "echo sourced",
            vec!["[a  b]", "sourced"],
        ),
    ] {
        assert_eq!(told(run(shell.clone(), script)).await.lines(), expected, "{shell:?}");
    }
}

#[tokio::test]
async fn a_shell_that_is_not_there_is_named() {
    let told = told(run(Shell::Custom("nosuchshell {0}".to_owned()), "true")).await;
    assert_eq!(message(&told), "`nosuchshell` is not installed");
    assert_eq!(told.lines(), [""; 0], "what the machinery says is no output of the step");
}

#[tokio::test]
async fn a_custom_shell_must_say_where_the_script_goes() {
    let told = told(run(Shell::Custom("perl".to_owned()), "1")).await;
    assert_eq!(message(&told), "the shell `perl` does not say where the script goes: `{0}` is missing");
}

#[tokio::test]
async fn the_working_directory_must_be_there() {
    let in_directory = |directory: &str| {
        let (script, lines) = (Text::literal("pwd"), vec![101]);
        let working_directory = Some(directory.to_owned());
        step(Action::Run(Run { script, lines, shell: Shell::Default, working_directory }))
    };
    assert_eq!(told(in_directory("/usr/bin")).await.lines(), ["/usr/bin"]);
    let told = told(in_directory("/nowhere/it's")).await;
    assert_eq!(message(&told), "the working directory `/nowhere/it's` is not there");
}

#[tokio::test]
async fn a_step_reads_nothing_from_standard_input() {
    assert_eq!(told(run(Shell::Default, "cat; echo end")).await.lines(), ["end"]);
}

#[tokio::test]
async fn a_bash_env_of_the_users_own_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("env");
    std::fs::write(&file, "FROM_ENV=yes\n").unwrap();
    let mut step = run(Shell::Bash, "echo \"$FROM_ENV\"; bash -c 'echo $FROM_ENV'; echo \"$BASH_ENV\"\nfalse");
    step.env.push(env("BASH_ENV", file.to_str().unwrap()));
    let told = told(step).await;
    assert_eq!(told.lines(), ["yes", "yes", file.to_str().unwrap()]);
    assert_eq!(told.summary.failure.unwrap().place.unwrap().line, 102);
}

#[tokio::test]
async fn a_script_of_the_repository_runs_by_its_own_interpreter_with_its_arguments() {
    let path = "tools/show";
    let args = ["", "a b", "it's", "$HOME", "-x\ny"];
    for (shell, content) in [
        (Shell::Default, "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n"),
        (Shell::Python, "import sys\nprint(sys.argv[1:])\n"),
    ] {
        let args = args.map(Text::literal).to_vec();
        let action = Script { path: path.into(), args, shell, working_directory: None };
        let mut bench = Bench::new(vec![step(Action::Script(action))]);
        std::fs::create_dir(bench.job.root.join("tools")).unwrap();
        std::fs::write(bench.job.root.join(path), content).unwrap();
        assert_eq!(bench.run().await.lines(), ["['', 'a b', \"it's\", '$HOME', '-x\\ny']"]);
    }
}

#[tokio::test]
async fn a_file_that_can_be_no_script_is_refused_with_what_to_do() {
    let cases: [(&str, &[u8], &str); 4] = [
        (
            "crlf",
            b"#!/bin/sh\r\ntrue\r\n",
            "the `#!` line of the script ends with a carriage return: it has Windows line ends",
        ),
        ("elf", b"\x7fELF\x02", "the file is a program, not a script"),
        ("gone", b"#!/nowhere/sh\n", "the interpreter `/nowhere/sh` of the script is not there"),
        ("out", b"", "`out` leads out of the folder of the definition, to `/etc/hostname`"),
    ];
    for (name, content, expected) in cases {
        let action = Script { path: name.into(), args: Vec::new(), shell: Shell::Default, working_directory: None };
        let mut bench = Bench::new(vec![step(Action::Script(action))]);
        let path = bench.job.root.join(name);
        if name == "out" {
            std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
        } else {
            std::fs::write(path, content).unwrap();
        }
        let told = bench.run().await;
        assert_eq!(message(&told), expected);
        assert_eq!(told.summary.failure.unwrap().place.unwrap().line, 10);
    }
}

#[tokio::test]
async fn a_missing_script_is_named() {
    let action = Script { path: "no.sh".into(), args: Vec::new(), shell: Shell::Default, working_directory: None };
    assert_eq!(message(&told(step(Action::Script(action))).await), "the script `no.sh` does not exist");
}

#[tokio::test]
async fn a_local_step_runs_here_in_the_folder_of_the_definition_with_its_own_variables_only() {
    let script = "pwd; echo \"${JOB-none} $OWN\"; dirname \"$0\"\nls /nowhere/x";
    let action =
        Local { script: Text::literal(script), lines: vec![101, 102], shell: Shell::Default, working_directory: None };
    let mut step = step(Action::Local(action));
    step.env.push(env("OWN", "own"));
    let mut bench = Bench::new(vec![step]);
    bench.job.env.push(env("JOB", "job"));
    let told = bench.run().await;
    assert!(bench.guest.asked.lock().unwrap().is_empty());
    let lines = told.lines();
    assert_eq!(lines[..2], [bench.job.root.as_str(), "none own"]);
    assert!(lines[2].starts_with(bench.ctx.work.as_str()), "private files are where the journal knows them");
    assert_eq!(std::fs::read_dir(&bench.ctx.work).unwrap().count(), 0);
    assert_eq!(told.summary.failure.unwrap().place.unwrap().line, 102);
}

#[tokio::test]
async fn the_journal_sees_a_local_step_end_with_the_real_machine_too() {
    let action = Local {
        script: Text::literal("echo \"$(env | grep -c ^CARGO)\"; false"),
        lines: vec![101],
        shell: Shell::Default,
        working_directory: None,
    };
    let bench = Bench::new(vec![step(Action::Local(action))]);
    let local = crate::guest::local::Local::new(&bench.ctx, &bench.job.root, Vec::new());
    let steps = crate::step::run_all(&bench.ctx, &bench.job, &bench.secrets, &bench.guest, &local);
    let summary = steps.await;
    assert_eq!(summary.outcome, Outcome::Failure);
    let failure = summary.failure.unwrap();
    assert_eq!(failure.excerpt, ["0"], "nothing of our own environment gets there");
    assert_eq!(failure.place.unwrap().line, 101);
    assert_eq!(failure.command.as_deref(), Some("false"));
}

#[tokio::test]
async fn the_last_lines_explain_a_failure() {
    let told = told(run(Shell::Bash, "seq 1 30\nprintf 'at the end'\nexit 1")).await;
    let excerpt = told.summary.failure.unwrap().excerpt;
    assert_eq!(excerpt.len(), 20);
    assert_eq!((excerpt[0].as_str(), excerpt[19].as_str()), ("12", "at the end"));
}

#[tokio::test]
async fn a_killed_script_says_by_what_and_hints_at_memory() {
    let told = told(run(Shell::Bash, "kill -9 $$")).await;
    let failure = told.summary.failure.unwrap();
    assert_eq!(failure.message, "`the step` was killed by SIGKILL");
    assert_eq!(failure.hint.as_deref(), Some("the guest may be out of memory: give the platform more `memory`"));
}

#[tokio::test]
async fn what_a_step_prints_can_forge_nothing() {
    let told = told(run(Shell::Bash, r"printf 'a\033[2Jb\r::error::c\n'; printf 'x\000y\n'")).await;
    assert_eq!(told.lines(), ["::error::c", "xy"]);
}

#[tokio::test]
async fn a_script_step_that_succeeds_is_one_round_trip_and_its_folder_goes_with_the_next() {
    let first = run(Shell::Sh, "dirname \"$0\" >\"$LOG\"");
    let second = run(Shell::Sh, "[ ! -e \"$(cat \"$LOG\")\" ]");
    let mut bench = Bench::new(vec![first, second]);
    bench.job.env.push(env("LOG", bench.ctx.work.join("log").as_str()));
    assert_eq!(bench.run().await.summary.outcome, Outcome::Success);
    assert_eq!(bench.guest.asked.lock().unwrap().len(), 3, "two scripts, and one command that removes what is left");
    let folder = std::fs::read_to_string(bench.ctx.work.join("log")).unwrap();
    assert!(!std::path::Path::new(folder.trim()).exists());
    assert_eq!(bench.leftovers(), [""; 0]);
}

/// The programs of a tiny guest: busybox and nothing else.
fn tiny(bench: &Bench) -> camino::Utf8PathBuf {
    let programs = bench.ctx.cache.join("bin");
    std::fs::create_dir_all(&programs).unwrap();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::path::Path::new(path).exists());
    for name in ["sh", "cat", "mkdir", "chmod", "rm", "tail", "od", "tr", "ls", "true", "false"] {
        std::os::unix::fs::symlink(busybox.unwrap(), programs.join(name)).unwrap();
    }
    programs
}

#[tokio::test]
async fn a_guest_of_busybox_alone_runs_steps_too() {
    let text: String = (1..=0x2ff).filter_map(char::from_u32).collect();
    let script =
        "echo \"${BASH-no bash} $-\"\nprintf %s \"$TEXT\" | od -An -v -tx1 | tr -d ' \\n'; echo\nnosuchcommand";
    let mut step = run(Shell::Default, script);
    step.env.push(env("TEXT", &text));
    let mut bench = Bench::new(vec![run(Shell::Default, "true"), step]);
    bench.guest.programs = Some(tiny(&bench));
    let told = bench.run().await;
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    // The order of the two streams is not known.
    let lines: Vec<_> = told.lines().into_iter().filter(|line| !line.contains("not found")).collect();
    assert_eq!(lines, ["no bash e", &hex]);
    let failure = told.summary.failure.unwrap();
    assert_eq!(failure.message, "`the step` failed with exit status 127: nosuchcommand: not found");
    assert_eq!(failure.place.unwrap().line, 103);
    assert_eq!(bench.leftovers(), [""; 0]);

    let mut bench = Bench::new(vec![run(Shell::Bash, "true")]);
    bench.guest.programs = Some(tiny(&bench));
    assert_eq!(message(&bench.run().await), "`bash` is not installed");
}
