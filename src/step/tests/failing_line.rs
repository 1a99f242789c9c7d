//! Which line and command a failure shows, by the real shells of this machine.

use super::machine::{Bench, run, step};
use crate::event::Failure;
use crate::plan::job::{Action, Script, Shell};

/// Runs a script; shows where it failed as `LINE: COMMAND`, LINE being `-` when it is not known.
async fn failure(shell: Shell, script: &str) -> Failure {
    let mut bench = Bench::new(vec![run(shell, script)]);
    let told = bench.run().await;
    assert_eq!(bench.leftovers(), [""; 0]);
    told.summary.failure.unwrap_or_else(|| panic!("the script did not fail:\n{script}"))
}

fn shown(failure: &Failure) -> String {
    let place = failure.place.as_ref().unwrap();
    assert_eq!(place.file, "ovenbird.yml");
    let line = if place.exact {
        (place.line - 100).to_string()
    } else {
        assert_eq!(place.line, 10, "an unknown line is the step's own");
        "-".to_owned()
    };
    format!("{line}: {}", failure.command.as_deref().unwrap_or("-"))
}

async fn check(shell: Shell, table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (script, expected) in table {
        let failure = failure(shell.clone(), script).await;
        let found = shown(&failure);
        if found != *expected {
            wrong.push(format!("{script}\n    expected {expected}\n    found    {found}\n    {failure:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn bash_shows_the_command_that_ended_the_script() {
    let table = [
        ("true\nfalse\ntrue", "2: false"),
        // Functions, also called from functions.
        ("f() {\n  true\n  ls /nowhere/x\n}\nf", "3: ls /nowhere/x"),
        ("f() { g; }\ng() {\n  grep -q x /dev/null\n}\ntrue\nf", "3: grep -q x /dev/null"),
        ("f() {\n  return 5\n}\ntrue\nf", "5: f"),
        ("f() {\n  [[ a == b ]] && true\n}\ntrue\nf", "5: f"),
        // Subshells and groups.
        ("(\n  true\n  false\n)", "3: false"),
        ("true\n(\n  (\n    false\n  )\n)", "4: false"),
        ("(\n  true\n  exit 4\n)", "3: exit 4"),
        ("{\n  true\n  false\n} | cat", "3: false"),
        ("for i in 1 2; do\n  true\n  false\ndone | cat", "3: false"),
        // Substitutions.
        ("true\nx=$(false)", "2: false"),
        ("x=$(\n  true\n  grep -q y /dev/null\n)", "3: grep -q y /dev/null"),
        ("f() {\n  grep -q y /dev/null\n}\nx=$(f)", "2: grep -q y /dev/null"),
        ("x=`false`", "1: false"),
        // Pipelines.
        ("true | false", "1: false"),
        ("true\nfalse | true", "2: false"),
        ("true\necho a |\n  grep b |\n  cat", "3: grep b"),
        ("echo a | while read x; do\n  true\n  grep -q b <<<\"$x\"\ndone", "3: grep -q b <<< \"$x\""),
        ("echo 'a|b' | grep c | sort", "1: grep c"),
        // Continued lines and here-documents.
        ("true\ngrep \\\n  -q \\\n  x /dev/null", "2: grep -q x /dev/null"),
        ("true\ngrep x <<X\nhello\nX\ntrue", "2: grep x <<X …"),
        ("true\nfalse ||\n  false", "3: false"),
        ("false || false", "1: false"),
        // Conditions and loops.
        ("true\n((0))", "2: ((0))"),
        ("true\n[[ a == b ]]", "2: [[ a == b ]]"),
        ("[ 1 = 2 ]", "1: [ 1 = 2 ]"),
        ("for i in 1 2; do\n  true\n  test $i = 1\ndone", "3: test $i = 1"),
        ("i=0\nwhile [ $i -lt 2 ]; do\n  i=$((i+1))\n  ls /nowhere/x\ndone", "4: ls /nowhere/x"),
        ("if true; then\n  false\nfi", "2: false"),
        ("case x in\n  x)\n    false ;;\nesac", "3: false"),
        // Explicit exits.
        ("true\nexit 3", "2: exit 3"),
        ("die() {\n  echo no >&2\n  exit 7\n}\ntrue || die\nfalse || die", "3: exit 7"),
        ("false || exit", "1: exit"),
        ("( exit 7 ) || exit $?", "1: exit 7"),
        // What the shell itself says.
        ("true\nnosuchcommand", "2: nosuchcommand"),
        ("set -u\nf() {\n  echo $nope\n}\nf", "3: echo $nope"),
        ("echo ${nope?it is not set}", "1: echo ${nope?it is not set}"),
        ("readonly x=1\ntrue\nx=2", "3: x=2"),
        ("true\nif foo; then", "2: if foo; then"),
        ("true\n)", "2: )"),
        ("exec /nowhere/x", "1: exec /nowhere/x"),
        ("true\n. /nowhere/x", "2: . /nowhere/x"),
        // Written as people write.
        ("die() {\n  exit 7\n}\ntrue\nx=$(die)", "2: exit 7"),
        ("f() {\n  true\n  false\n}\ntrue\nf | cat", "3: false"),
        ("f() {\n  echo a |\n    grep b\n}\ntrue\nf", "3: grep b"),
        ("yes | head -1", "1: yes"),
        ("[[ -f /nowhere/x ]] || {\n  echo no\n  exit 2\n}", "3: exit 2"),
        ("if ! false; then\n  exit 2\nfi", "2: exit 2"),
        ("true && false", "1: false"),
        ("a=1 b=$(false)", "1: false"),
        ("for i in 1; do\n  x=$(ls /nowhere/x) && true\n  ls /nowhere/$i\ndone", "3: ls /nowhere/$i"),
        ("exec > >(cat)\nfalse", "2: false"),
        ("cat <<X\n$(exit 3)\nX\nls /nowhere/x", "4: ls /nowhere/x"),
        ("echo \"a\n  b\" \\\n  | grep c", "3: grep c"),
        ("  # comment\n\n\n  cd /nowhere/x", "4: cd /nowhere/x"),
        ("f() {\n  cd /nowhere/x\n}\n( f )", "2: cd /nowhere/x"),
        ("(\n  cd /nowhere/x && true\n) || true\n(\n  true\n  cd /nowhere/y\n)", "6: cd /nowhere/y"),
        ("( exit 1 ) || true\ntrue | ( exit 1 )", "2: exit 1"),
        ("sudo() { \"$@\"; }\ntrue\nsudo false", "1: \"$@\""),
        ("f() (\n  set -e\n  ls /nowhere/x\n)\nf", "3: ls /nowhere/x"),
        ("shopt -s inherit_errexit\nx=$(\n  false\n  true\n)", "3: false"),
        // Jobs.
        ("f() { sleep 0.01; return 4; }\nf &\ntrue\nwait $!", "4: wait $!"),
        // Children are not looked into.
        ("true\nbash -c 'true\ntrue\nexit 3'", "2: bash -c 'true …"),
        ("eval 'true; false'", "1: false"),
    ];
    check(Shell::Bash, &table).await;
}

#[tokio::test]
async fn failures_that_the_script_handles_are_not_shown() {
    let table = [
        ("false || true\nif false; then :; fi\n! true\nfalse", "4: false"),
        (
            "( exit 1 ) || true\nfor i in 1 2; do\n  if [ $i = 1 ]; then\n    x=$(exit 1) || true\n  else\n    false\n  fi\ndone",
            "6: false",
        ),
        ("for i in 2 1; do\n  [ $i = 2 ] ||\n    false\n  ( exit 1 ) || true\ndone", "3: false"),
        // After `set +e` a failing command ends nothing, unless it is the last.
        ("set +e\nfalse\ntrue\nfalse", "4: false"),
        ("set +e\nfalse\ntrue\n! true", "-: -"),
        ("set +e\nfalse\nset -e\nls /nowhere/x", "4: ls /nowhere/x"),
        ("set +e\nfalse\nexit 1", "3: exit 1"),
        // Without `set -E` bash tells no trap of what happens in a function.
        ("set +E\nf() { false; }\ntrue\nf", "-: -"),
        ("nosuchcommand || true\nexec 2>&1\n! true", "-: -"),
        ("nosuchcommand || true\n! true", "-: -"),
    ];
    check(Shell::Bash, &table).await;
}

#[tokio::test]
async fn traps_of_the_script_keep_their_place_and_do_not_take_ours() {
    let table = [
        ("trap 'echo handler' ERR\ntrue\nfalse", "3: false"),
        ("trap 'echo $?; exit 9' ERR\ntrue\nfalse", "3: false"),
        ("trap - ERR\nfalse", "2: false"),
        ("trap '' ERR\nfalse", "2: false"),
        ("trap 'true' EXIT\ntrue\nfalse", "3: false"),
        ("cleanup() {\n  ls /nowhere/x || true\n}\ntrap cleanup EXIT\nfalse", "5: false"),
        ("cleanup() {\n  false\n}\ntrap cleanup EXIT\ntrue", "2: false"),
        ("set -e\ntrap 'exit 5' EXIT\nfalse", "3: false"),
        // Code of an EXIT trap has no line of its own in bash.
        ("true\ntrue\ntrap 'ls /nowhere/x' EXIT\ntrue", "-: -"),
        // A DEBUG trap would see commands of ours, so there are none.
        ("trap 'x=1' DEBUG\ntrue\nfalse", "-: -"),
        ("trap 'x=1' DEBUG\ntrue\nnosuchcommand", "3: nosuchcommand"),
    ];
    check(Shell::Bash, &table).await;
}

#[tokio::test]
async fn a_script_with_traps_prints_the_same_with_and_without_ours() {
    let scripts = [
        "trap 'echo \"no: $? $LINENO $BASH_COMMAND\"' ERR\nf() {\n  false; true\n}\nset +e\nf\nfalse\n(exit 3)\necho end",
        "set -E\ntrap 'echo \"no: $?\"' ERR\nf() { false; true; }\nset +e\nf\n(false)\nx=$(false)\necho end",
        "trap 'echo \"it'\\''s $?\" # why' ERR\ntrap -p ERR\ntrap -p\ntrap\ntrap - ERR\ntrap -p\nset +e\nfalse\necho end",
        "trap 'echo bye $?' EXIT\nx=$(trap -p)\necho \"$x\"\n(trap -p; trap 'echo sub' EXIT; exit 4) || echo $?\nexit 6",
        "trap 'echo both $?' EXIT ERR\nset +e\nfalse\ntrap\ntrap -p INT ERR\ntrap INT\ntrap -- - EXIT",
        "trap '' ERR\ntrap -p ERR\nset +e\nfalse\necho \"$?\"",
        "trap 'echo debug $BASH_COMMAND' DEBUG\ntrue\nset +e\nfalse\nexit 3",
        "f() { local x=1; exit 5; }\ntrap 'echo \"$? ${x-gone}\"' EXIT\nf",
        "set -u; IFS=:; shopt -s failglob; set -f -o noclobber\nf() { false; }\nf || echo \"$?\"\nfalse",
        "echo \"$- ${BASH_ENV-unset}\" | tr -d E\nbash -c 'echo ${BASH_ENV-unset} $-'",
        "false || exit\necho never",
        "exit 300",
        "(exit); echo $?; set +e; (false; exit); echo $?; exit 1 2; echo $?; exit 0",
    ];
    for script in scripts {
        let mut bench = Bench::new(vec![run(Shell::Bash, script)]);
        let told = bench.run().await;
        let file = bench.folder.path().join("plain");
        std::fs::write(&file, script).unwrap();
        let plain = std::process::Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&file)
            .output()
            .unwrap();
        let expected = String::from_utf8(plain.stdout).unwrap();
        let output: Vec<_> = told
            .events
            .iter()
            .filter_map(|event| match event {
                crate::event::Body::Output { stream: crate::event::Stream::Stdout, line, .. } => Some(line.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(output, expected.lines().collect::<Vec<_>>(), "{script}");
        let status = told.summary.failure.map(|failure| failure.message);
        match plain.status.code() {
            Some(0) => assert_eq!(status, None, "{script}"),
            code => assert!(status.unwrap().contains(&format!("exit status {}", code.unwrap())), "{script}"),
        }
    }
}

#[tokio::test]
async fn dash_shows_what_the_shell_itself_says() {
    let table = [
        ("true\nnosuchcommand\ntrue", "2: nosuchcommand"),
        ("true\nset -u\necho $nope", "3: echo $nope"),
        ("true\nif true; then", "2: if true; then"),
        ("f() {\n  nosuchcommand\n}\nf", "2: nosuchcommand"),
        // Nothing says which.
        ("true\nfalse", "-: -"),
        ("nosuchcommand || true\nfalse", "-: -"),
        ("exit 3", "-: -"),
    ];
    check(Shell::Sh, &table).await;
}

#[tokio::test]
async fn busybox_shows_what_the_shell_itself_says() {
    if std::process::Command::new("busybox").arg("true").output().is_err() {
        return;
    }
    let table = [
        ("true\nnosuchcommand\ntrue", "2: nosuchcommand"),
        ("set -u\ntrue\necho $nope", "3: echo $nope"),
        ("true\ncd /nowhere/x", "2: cd /nowhere/x"),
    ];
    check(Shell::Custom("busybox sh -e {0}".to_owned()), &table).await;
}

#[tokio::test]
async fn python_shows_the_last_line_of_ours_in_the_traceback() {
    let table = [
        ("def f():\n    import json\n    json.loads('{')\n\nf()", "3: json.loads('{')"),
        ("x = 1\nif x\n  pass", "2: if x"),
        ("import sys\nsys.exit(3)", "-: -"),
    ];
    check(Shell::Python, &table).await;
    let failure = failure(Shell::Python, "raise ValueError('no')").await;
    assert_eq!(failure.message, "ValueError: no (`the step` failed with exit status 1)");
}

#[tokio::test]
async fn perl_shows_the_line_in_its_message() {
    check(Shell::Custom("perl {0}".to_owned()), &[("my $x = 1;\n\ndie 'no';", "3: die 'no';")]).await;
}

#[tokio::test]
async fn a_sourced_file_is_named_and_the_line_is_that_of_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("lib.sh");
    std::fs::write(&library, "f() {\n  true\n  false\n}\n").unwrap();
    let library = library.to_str().unwrap();
    let failure = failure(Shell::Bash, &format!("true\n. {library}\ntrue\nf")).await;
    assert_eq!(shown(&failure), "4: false");
    assert_eq!(failure.message, format!("`the step` failed with exit status 1 at line 3 of `{library}`"));
}

#[tokio::test]
async fn a_command_can_forge_nothing_in_a_failure() {
    let failure = failure(Shell::Bash, "eval $'false \\\'\\e[2J\\r::error::x\\\''").await;
    let text = format!("{} {}", failure.message, failure.command.unwrap());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[tokio::test]
async fn a_script_of_the_repository_shows_its_own_line() {
    for (first, command) in
        [("#!/bin/bash -e", "ls \"$1\""), ("#!/usr/bin/env -S bash -e", "ls \"$1\""), ("set -u", "ls \"$1\"")]
    {
        let action = Action::Script(Script {
            path: "scripts/a b.sh".into(),
            args: vec![crate::plan::job::Text::literal("/nowhere/it's")],
            shell: Shell::Default,
            working_directory: None,
        });
        let mut bench = Bench::new(vec![step(action)]);
        std::fs::create_dir(bench.job.root.join("scripts")).unwrap();
        std::fs::write(bench.job.root.join("scripts/a b.sh"), format!("{first}\ntrue\nls \"$1\"\n")).unwrap();
        let told = bench.run().await;
        let failure = told.summary.failure.unwrap();
        let place = failure.place.unwrap();
        assert_eq!((place.file.as_str(), place.line, place.exact), ("scripts/a b.sh", 3, true), "{first}");
        assert_eq!(failure.command.as_deref(), Some(command));
        assert_eq!(failure.message, "`scripts/a b.sh` failed with exit status 2");
        assert_eq!(failure.excerpt, ["ls: cannot access \"/nowhere/it's\": No such file or directory"]);
    }
}

#[tokio::test]
async fn words_of_the_shell_are_in_the_message_without_the_private_path() {
    let failure = failure(Shell::Default, "true\nnosuchcommand").await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&failure).unwrap(), @r#"
    {
      "message": "`the step` failed with exit status 127: nosuchcommand: command not found",
      "step": 0,
      "place": {
        "file": "ovenbird.yml",
        "line": 102,
        "exact": true
      },
      "command": "nosuchcommand",
      "hint": "a command was not found: install it in a step before, or give its full path",
      "excerpt": [
        "the step: line 2: nosuchcommand: command not found"
      ]
    }
    "#);
}
