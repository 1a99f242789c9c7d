//! Scripts are parsed by their own interpreters and never run.

use insta::assert_snapshot;

use crate::project::Project;

#[test]
fn a_mistake_in_a_script_is_found_on_its_line_of_the_definition() {
    let project = Project::with(
        "variables: { list: { default: \"a b\" } }
steps:
  - run: |
      for name in ${{ vars.list }}; do
        echo $name
      fi
  - run: echo (
    shell: sh
  - local: |
      import os
      print('a'
    shell: python
",
    );
    assert_snapshot!(project.validate(), @r#"
    error[script-syntax]: the script is not valid bash: syntax error near unexpected token `fi`
     --> ovenbird.yml:6:7
      |
    6 |       fi
      |       ^^
      |
      = note: in the job `qemu`

    error[script-syntax]: the script is not valid sh: end of file unexpected (expecting ")")
     --> ovenbird.yml:7:3
      |
    7 |   - run: echo (
      |   ^^^^^^^^^^^^^
      |
      = help: something above is not closed: an `if`, a loop, a bracket or a quote
      = note: in the job `qemu`

    error[script-syntax]: the script is not valid Python: '(' was never closed
      --> ovenbird.yml:11:7
       |
    11 |       print('a'
       |       ^^^^^^^^^
       |
       = help: something above is not closed: an `if`, a loop, a bracket or a quote
       = note: in the job `qemu`

    to read more: ovenbird explain script-syntax
    `ovenbird.yml` has 3 errors.
    "#);
}

#[test]
fn a_mistake_in_a_file_is_shown_there_and_where_the_file_is_named() {
    let project = Project::with("steps: [{ script: scripts/setup.sh }]\n")
        .file("scripts/setup.sh", "#!/bin/bash\nset -e\nif true; then\n  echo\n");
    assert_snapshot!(project.validate(), @"
    error[script-syntax]: the script is not valid bash: unexpected end of file
     --> scripts/setup.sh:4:3
      |
    4 |   echo
      |   ^^^^
      |
     ::: ovenbird.yml:1:19
      |
    1 | steps: [{ script: scripts/setup.sh }]
      |                   ---------------- run here
      |
      = help: something above is not closed: an `if`, a loop, a bracket or a quote
      = note: in the job `qemu`

    to read more: ovenbird explain script-syntax
    `ovenbird.yml` has 1 error.
    ");
}

#[test]
fn a_mistake_that_many_jobs_share_is_told_once() {
    let project = Project::with(
        "strategy: { matrix: { a: [1, 2, 3], b: [1, 2, 3] } }\nsteps: [{ run: \"fi # ${{ matrix.a }}\" }]\n",
    );
    assert_snapshot!(project.heads().join("\n"), @"
    error[script-syntax]: the script is not valid bash: syntax error near unexpected token `fi`
    --> ovenbird.yml:2:1
    ");
}

#[test]
fn a_script_is_not_run_and_a_secret_is_not_in_it() {
    let project = Project::with(
        "variables: { token: { env: TOKEN, sensitive: true } }
steps: [{ run: \"touch ran; fi ${{ vars.token }}\" }]
",
    );
    let told = project.run(&["validate", "--var", "token=hunter2"]).stderr;
    assert!(told.contains("not valid bash") && !told.contains("hunter2"), "{told}");
    assert!(!project.root().join("ran").exists());
}

#[test]
fn a_shell_of_the_users_own_and_a_step_that_never_runs_are_not_checked() {
    for step in ["shell: \"tool {0}\"", "if: vars.on"] {
        let project = Project::with(&format!(
            "variables: {{ on: false }}\nenv: {{ X: \"${{{{ vars.on }}}}\" }}\nsteps:\n  - run: fi\n    {step}\n"
        ));
        assert_eq!(project.validate(), "`ovenbird.yml` is valid: 1 job.\n", "{step}");
    }
}

#[test]
fn without_the_interpreter_a_note_says_that_nothing_was_checked() {
    let project = Project::with("steps: [{ run: fi }, { run: done }]\n").search_path("/nowhere");
    assert_snapshot!(project.validate(), @"
    note[script-syntax]: `bash` is not installed here, so 2 scripts were not checked
     --> ovenbird.yml:1:1
      |
    1 | steps: [{ run: fi }, { run: done }]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    to read more: ovenbird explain script-syntax
    `ovenbird.yml` is valid: 1 job.
    ");
}

#[test]
fn a_build_stops_at_a_wrong_script_before_anything_starts_and_a_plan_does_not_look() {
    let project = Project::with("steps: [{ run: fi }]\n");
    let ran = project.run(&["build"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("error[script-syntax]"), "{}", ran.stderr);
    assert!(!project.root().join("ovenbird-out").exists());
    assert_eq!(project.run(&["plan"]).status, 0);
}
