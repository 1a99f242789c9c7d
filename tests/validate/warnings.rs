//! What is probably not meant: told, and no reason not to build.

use insta::assert_snapshot;

use crate::project::Project;

#[test]
fn a_variable_that_nothing_reads_is_told() {
    let project = Project::with("variables: { port: 80, host: a }\nsteps: [{ run: \"${{ vars.HOST }}\" }]\n");
    assert_snapshot!(project.validate(), @"
    warning[unused-variable]: the variable `port` is never used
     --> ovenbird.yml:1:14
      |
    1 | variables: { port: 80, host: a }
      |              ^^^^
      |
      = help: read it as `${{ vars.port }}`, or remove it

    to read more: ovenbird explain unused-variable
    `ovenbird.yml` is valid: 1 job, 1 warning.
    ");
    assert_eq!(project.run(&["validate"]).status, 0);
    let all = Project::with("variables: { port: 80 }\nsteps: [{ run: \"echo '${{ toJSON(vars) }}'\" }]\n");
    assert_snapshot!(all.validate(), @"`ovenbird.yml` is valid: 1 job.");
}

#[test]
fn a_step_that_no_job_runs_is_told_unless_a_variable_decides() {
    let project = Project::with(
        "variables: { debug: false }
strategy: { matrix: { suite: [bookworm, trixie] } }
steps:
  - { run: a, if: matrix.suite == 'buster' }
  - { run: b, if: matrix.suite == 'trixie' }
  - { run: c, if: vars.debug }
  - { run: d, if: failure() }
  - { run: e, if: platform.firmware == 'uefi' && matrix.suite == 'trixie' }
",
    );
    assert_snapshot!(project.heads().join("\n"), @"
    warning[unreachable-step]: this is false in every job, so the step never runs
    --> ovenbird.yml:4:19
    warning[unreachable-step]: this is false in every job, so the step never runs
    --> ovenbird.yml:8:19
    ");
}

#[test]
fn a_secret_is_told_and_not_shown() {
    let token = format!("ghp_{}", "a1".repeat(18));
    let project = Project::with(&format!(
        "variables: {{ api_token: {{ default: hunter2, sensitive: true }} }}
steps:
  - run: curl -u {token} http://example.org
    env: {{ DB_PASSWORD: hunter3, T: \"${{{{ vars.api_token }}}}\" }}
"
    ));
    assert_snapshot!(project.validate(), @r#"
    warning[literal-secret]: the value of `api_token` stands here as text
     --> ovenbird.yml:1:36
      |
    1 | variables: { api_token: { default: *******, sensitive: true } }
      |                                    ^^^^^^^
      |
      = help: declare `api_token: { env: API_TOKEN, sensitive: true }` in `variables`, and use `${{ vars.api_token }}`
      = help: whoever can read the repository has it: replace the secret itself too

    warning[literal-secret]: a GitHub token stands here as text
     --> ovenbird.yml:3:18
      |
    3 |   - run: curl -u **************************************** http://example.org
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: declare `secret: { env: SECRET, sensitive: true }` in `variables`, and use `${{ vars.secret }}`
      = help: whoever can read the repository has it: replace the secret itself too

    warning[literal-secret]: the value of `DB_PASSWORD` stands here as text
     --> ovenbird.yml:4:25
      |
    4 |     env: { DB_PASSWORD: *******, T: "${{ vars.api_token }}" }
      |                         ^^^^^^^
      |
      = help: declare `db_password: { env: DB_PASSWORD, sensitive: true }` in `variables`, and use `${{ vars.db_password }}`
      = help: whoever can read the repository has it: replace the secret itself too

    to read more: ovenbird explain literal-secret
    `ovenbird.yml` is valid: 1 job, 3 warnings.
    "#);
    for format in ["json", "github", "sarif"] {
        let ran = project.run(&["validate", "--format", format]);
        assert!(ran.stdout.contains("literal-secret"), "{}", ran.stdout);
        assert!(!ran.stdout.contains("hunter") && !ran.stdout.contains(&token), "{}", ran.stdout);
    }
}

#[test]
fn a_file_that_can_not_be_read_shows_no_token_either() {
    let project = Project::new(&format!("name: \"ghp_{}\" x\n", "a1".repeat(18)));
    assert_snapshot!(project.validate(), @r#"
    warning[literal-secret]: a GitHub token stands here as text
     --> ovenbird.yml:1:8
      |
    1 | name: "****************************************" x
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: declare `secret: { env: SECRET, sensitive: true }` in `variables`, and use `${{ vars.secret }}`
      = help: whoever can read the repository has it: replace the secret itself too

    error[yaml]: not valid YAML: invalid trailing content after double-quoted scalar
     --> ovenbird.yml:1:50
      |
    1 | name: "****************************************" x
      |                                                  ^
      |
      = help: the text ended at its second quote: put other quotes around the whole value, or none

    to read more: ovenbird explain literal-secret yaml
    `ovenbird.yml` has 1 error and 1 warning.
    "#);
}

#[test]
fn a_setting_that_does_not_go_with_an_output_is_told() {
    let project = Project::with(
        "platforms:
  small: { builder: qemu, source: { debian: a, kernel: cloud } }
  large: { builder: qemu, source: { debian: a }, disk-size: 3TiB }
outputs: [vdi, vhd, qcow2]
",
    );
    assert_snapshot!(project.validate(), @"
    warning[platform-output]: the `cloud` kernel may not find its disk in VirtualBox, which `vdi` is for
     --> ovenbird.yml:2:56
      |
    2 |   small: { builder: qemu, source: { debian: a, kernel: cloud } }
      |                                                        ^^^^^
      |
      = help: it has drivers for virtio and the big clouds only: write `kernel: generic`
      = note: in the job `small`

    error[platform-output]: the disk is larger than a `vhd` can be
     --> ovenbird.yml:3:61
      |
    3 |   large: { builder: qemu, source: { debian: a }, disk-size: 3TiB }
      |                                                             ^^^^
      |
      = help: a `vhd` holds at most 2040GiB: make the disk smaller, or write `vhdx`
      = note: in the job `large`

    to read more: ovenbird explain platform-output
    `ovenbird.yml` has 1 error and 1 warning.
    ");
}

#[test]
fn what_others_choose_is_no_part_of_a_script() {
    let project = Project::with(
        "steps:
  - run: |
      echo one
      echo ${{ ci.branch == 'main' && 'main' || format('of {0}', ci['BRANCH']) }}
  - local: echo ${{ git.tag || 'none' }}
  - run: echo ${{ contains(ci.branch, 'a') }} ${{ ci.branch == 'main' && 'x' }} ${{ ci.sha }} \"$BRANCH\"
    env: { BRANCH: \"${{ ci.branch }}\" }
  - script: a.sh
    args: [\"${{ ci.branch }}\"]
    if: ci.branch == 'main'
",
    );
    let project = project.file("a.sh", "");
    assert_snapshot!(project.validate(), @r#"
    warning[script-injection]: `ci.branch` is run as part of the script, and others choose it
     --> ovenbird.yml:4:66
      |
    4 |       echo ${{ ci.branch == 'main' && 'main' || format('of {0}', ci['BRANCH']) }}
      |                                                                  ^^^^^^^^^^^^
      |
      = help: pass it by `env:`, as in `BRANCH: ${{ ci.branch }}`, and read `"$BRANCH"` in the script

    warning[script-injection]: `git.tag` is run as part of the script, and others choose it
     --> ovenbird.yml:5:21
      |
    5 |   - local: echo ${{ git.tag || 'none' }}
      |                     ^^^^^^^
      |
      = help: pass it by `env:`, as in `TAG: ${{ git.tag }}`, and read `"$TAG"` in the script

    to read more: ovenbird explain script-injection
    `ovenbird.yml` is valid: 1 job, 2 warnings.
    "#);
    assert_snapshot!(project.run(&["plan"]).stderr, @"
    warning: ovenbird.yml:4:66: `ci.branch` is run as part of the script, and others choose it [script-injection]
    warning: ovenbird.yml:5:21: `git.tag` is run as part of the script, and others choose it [script-injection]
    ");
}

#[test]
fn a_plan_and_a_build_tell_warnings_in_a_line_each() {
    let project = Project::with("variables: { port: 80 }\n");
    let ran = project.run(&["plan"]);
    assert_snapshot!(ran.stderr, @"warning: ovenbird.yml:1:14: the variable `port` is never used [unused-variable]");
    assert_eq!(ran.status, 0);
}
