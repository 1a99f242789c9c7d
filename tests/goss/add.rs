//! `ovenbird goss add`: from a definition, and of this machine.

use std::path::Path;

use assert_cmd::Command;
use insta::assert_snapshot;

const DEFINITION: &str = r#"name: demo
strategy:
  matrix:
    suite: [bookworm]
platforms:
  qemu:
    builder: qemu
    source: { debian: "${{ matrix.suite }}" }
steps:
  - upload: site/
    to: /srv/site
    owner: www-data:www-data
    mode: "0644"
  - upload: motd
    to: /etc/
  - upload: setup.conf
    to: /tmp/setup.conf
  - run: |
      apt-get update
      apt-get install -y nginx=1.22 jq
      systemctl enable --now nginx
      useradd --system --shell /usr/sbin/nologin ann
  - if: failure()
    run: apt-get install -y strace
  - run: rm /srv/site/draft.html
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ovenbird.yml", DEFINITION);
    write("motd", "hello\n");
    write("setup.conf", "");
    std::fs::create_dir(folder.path().join("site")).unwrap();
    write("site/index.html", "<p>\n");
    write("site/draft.html", "");
    folder
}

/// Exit status, standard output and standard error.
fn add(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("ovenbird").unwrap();
    let output = command.current_dir(folder).args(["goss", "add"]).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_definition_suggests_what_its_steps_leave_behind() {
    let folder = folder();
    let (status, _, told) = add(folder.path(), &[]);
    assert_eq!(status, 0, "{told}");
    assert_snapshot!(told, @"
    ./goss.yaml: added file /etc/motd (ovenbird.yml:14)
    ./goss.yaml: added file /srv/site (ovenbird.yml:10)
    ./goss.yaml: added file /srv/site/index.html (ovenbird.yml:10)
    ./goss.yaml: added package jq (ovenbird.yml:20)
    ./goss.yaml: added package nginx (ovenbird.yml:20)
    ./goss.yaml: added service nginx (ovenbird.yml:21)
    ./goss.yaml: added user ann (ovenbird.yml:22)
    ");
    let written = std::fs::read_to_string(folder.path().join("goss.yaml")).unwrap();
    assert_snapshot!(written, @r#"
    # Begun by `ovenbird goss add` from ovenbird.yml. Yours to edit: what is here is never changed by it.
    file:
      /etc/motd:
        exists: true
        filetype: file
        sha256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
      /srv/site:
        exists: true
        filetype: directory
      /srv/site/index.html:
        exists: true
        filetype: file
        group: www-data
        mode: "0644"
        owner: www-data
        sha256: f0a7bdc758e7fb65677be011d2768bc62a565abe96b96af63e19b0e13055bd10

    package:
      jq:
        installed: true
      nginx:
        installed: true

    service:
      nginx:
        enabled: true
        running: true

    user:
      ann:
        exists: true
        shell: /usr/sbin/nologin
    "#);
    // A second time there is nothing to add, and the file is not touched.
    let (status, _, told) = add(folder.path(), &[]);
    assert_eq!((status, told.as_str()), (0, "./goss.yaml: nothing to add\n"));
    assert_eq!(std::fs::read_to_string(folder.path().join("goss.yaml")).unwrap(), written);
}

#[test]
fn what_a_person_wrote_is_kept_and_printing_writes_nothing() {
    let folder = folder();
    let mine = "# mine\npackage:\n  jq: # not this one\n    installed: false\n";
    std::fs::write(folder.path().join("goss.yaml"), mine).unwrap();
    let (status, printed, _) = add(folder.path(), &["--print", "--exclude-attr", "sha256,mode"]);
    assert_eq!(status, 0);
    assert!(printed.contains("  nginx:\n    installed: true\n") && !printed.contains("jq"), "{printed}");
    assert!(!printed.contains("sha256") && !printed.contains("mode"), "{printed}");
    assert_eq!(std::fs::read_to_string(folder.path().join("goss.yaml")).unwrap(), mine);
    assert_eq!(add(folder.path(), &[]).0, 0);
    let written = std::fs::read_to_string(folder.path().join("goss.yaml")).unwrap();
    let start = "# mine\npackage:\n  jq: # not this one\n    installed: false\n  nginx:\n    installed: true\n";
    assert!(written.starts_with(start), "{written}");
}

#[test]
fn a_file_that_can_only_be_rewritten_is_left_alone() {
    let folder = folder();
    let flow = "package: {jq: {installed: true}}\n";
    std::fs::write(folder.path().join("goss.yaml"), flow).unwrap();
    let (status, _, told) = add(folder.path(), &[]);
    assert_eq!(status, 78);
    assert_snapshot!(told, @"error: ./goss.yaml:1: nothing can be added to `package`, which is not written with one resource below the other; take the lines of `--print`");
    assert_eq!(std::fs::read_to_string(folder.path().join("goss.yaml")).unwrap(), flow);
}

#[test]
fn this_machine_is_recorded_as_goss_does() {
    let folder = folder();
    let (status, _, told) = add(folder.path(), &["user", "root"]);
    assert_eq!((status, told.as_str()), (0, "./goss.yaml: added user root (this machine)\n"));
    for words in [
        &["command", "echo hi; exit 3"][..],
        &["file", "motd-link", "/no/such/file"],
        &["group", "root"],
        &["kernel-param", "kernel.ostype"],
        &["process", "no-such-process"],
    ] {
        if words[0] == "file" {
            std::os::unix::fs::symlink("/etc/passwd", folder.path().join("motd-link")).unwrap();
        }
        assert_eq!(add(folder.path(), words).0, 0);
    }
    let written = std::fs::read_to_string(folder.path().join("goss.yaml")).unwrap();
    let groups = regex::Regex::new("(?m)^    groups:\n(    - .*\n)+").unwrap();
    assert_snapshot!(groups.replace(&written, "    groups: …\n"), @r#"
    # Begun by `ovenbird goss add` from this machine. Yours to edit: what is here is never changed by it.
    user:
      root:
        exists: true
        uid: 0
        gid: 0
        groups: …
        home: /root
        shell: /bin/bash

    command:
      "echo hi; exit 3":
        exit-status: 3
        stdout:
        - hi
        stderr: []
        timeout: 10000

    file:
      motd-link:
        exists: true
        mode: "0777"
        owner: root
        group: root
        linked-to: /etc/passwd
        filetype: symlink
      /no/such/file:
        exists: false

    group:
      root:
        exists: true
        gid: 0

    kernel-param:
      kernel.ostype:
        value: Linux

    process:
      no-such-process:
        running: false
    "#);
    // What was recorded holds.
    let mut command = Command::cargo_bin("ovenbird").unwrap();
    let output = command.current_dir(folder.path()).args(["goss", "validate"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
