//! Files that a definition names, looked at and not run.

use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use crate::project::Project;

#[test]
fn a_folder_is_no_script() {
    let project = Project::with("steps: [{ script: scripts }]\n").file("scripts/setup.sh", "");
    assert_snapshot!(project.validate(), @"
    error[unreadable-file]: the script `scripts` is a folder
     --> ovenbird.yml:1:19
      |
    1 | steps: [{ script: scripts }]
      |                   ^^^^^^^
      |
      = help: name a file in it

    to read more: ovenbird explain unreadable-file
    `ovenbird.yml` has 1 error.
    ");
}

#[test]
fn a_link_out_of_the_repository_is_refused_and_one_inside_is_not() {
    let project = Project::with("steps: [{ upload: data, to: /srv }, { script: inside.sh }]\n").file("real.sh", "");
    symlink("real.sh", project.root().join("inside.sh")).unwrap();
    symlink("/usr/share", project.root().join("data")).unwrap();
    assert_snapshot!(project.validate(), @"
    error[unreadable-file]: the file or folder `data` is outside of the repository
     --> ovenbird.yml:1:19
      |
    1 | steps: [{ upload: data, to: /srv }, { script: inside.sh }]
      |                   ^^^^
      |
      = help: a link leads to `/usr/share`: copy what is needed into the repository

    to read more: ovenbird explain unreadable-file
    `ovenbird.yml` has 1 error.
    ");
}

#[test]
fn nothing_is_shown_of_a_file_outside_of_the_repository() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("key");
    std::fs::write(&secret, "very secret )\n").unwrap();
    let project = Project::with("steps: [{ script: key }]\n");
    symlink(&secret, project.root().join("key")).unwrap();
    let ran = project.run(&["validate", "--format", "json"]);
    assert!(ran.stdout.contains("is outside of the repository"), "{}", ran.stdout);
    assert!(!(ran.stdout + &project.validate()).contains("unexpected token"));
    assert!(!project.validate().contains("very secret"));
}

#[test]
fn a_definition_in_a_folder_may_link_to_the_rest_of_its_repository() {
    let project = Project::new("").file("shared/setup.sh", "").file(
        "images/ovenbird.yml",
        "name: web\nplatforms: { q: { builder: qemu, source: { debian: a } } }\nsteps: [{ script: setup.sh }]\n",
    );
    symlink("../shared/setup.sh", project.root().join("images/setup.sh")).unwrap();
    assert_snapshot!(project.run(&["validate", "images/ovenbird.yml"]).stderr, @"`images/ovenbird.yml` is valid: 1 job.");
}

#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let project = Project::with("steps: [{ upload: pipe, to: /srv }]\n");
    let made = std::process::Command::new("mkfifo").arg(project.root().join("pipe")).status().unwrap();
    assert!(made.success());
    assert_snapshot!(project.heads().join("\n"), @"
    error[unreadable-file]: the file or folder `pipe` can't be read: it is no regular file
    --> ovenbird.yml:1:19
    ");
}

#[test]
fn what_is_wrong_in_a_step_file_names_both_files_in_the_order_in_which_they_are_used() {
    let project = Project::with("steps:\n  - uses: ./b.yml\n  - uses: ./a.yml\n");
    let project = project.file("b.yml", "steps:\n  - run: if true\n").file("a.yml", "steps:\n  - script: x.sh\n");
    assert_snapshot!(project.validate(), @"
    error[script-syntax]: the script is not valid bash: unexpected end of file
     --> b.yml:2:3
      |
    2 |   - run: if true
      |   ^^^^^^^^^^^^^^
      |
     ::: ovenbird.yml:2:11
      |
    2 |   - uses: ./b.yml
      |           ------- used here
      |
      = help: something above is not closed: an `if`, a loop, a bracket or a quote
      = note: in the job `qemu`

    error[missing-file]: the script `x.sh` is not there
     --> a.yml:2:13
      |
    2 |   - script: x.sh
      |             ^^^^
      |
     ::: ovenbird.yml:3:11
      |
    3 |   - uses: ./a.yml
      |           ------- used here
      |
      = help: it was looked for at `ROOT/x.sh`

    to read more: ovenbird explain missing-file script-syntax
    `ovenbird.yml` has 2 errors.
    ");
}
