//! What a person reads of a wrong definition: each snapshot is documentation of our errors.

mod expressions;
mod step_files;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{among, load};
use crate::source::dedent::dedent;

/// All that is wrong with a definition, as people read it.
fn check(text: &str) -> String {
    match load("ovenbird.yml", &dedent(text), &among(&FILES)) {
        Ok(_) => "valid".to_owned(),
        Err(report) => report.render(false),
    }
}

/// [`check`] of a definition that is whole but for what is given.
fn check_with(text: &str) -> String {
    let mut whole = dedent(text);
    for (key, value) in [("name:", "name: web\n"), ("platforms:", PLATFORMS)] {
        if !whole.lines().any(|line| line.starts_with(key)) {
            whole.push_str(value);
        }
    }
    check(&whole)
}

const PLATFORMS: &str = "platforms: { qemu: { builder: qemu, source: { debian: bookworm } } }\n";

pub(super) const EVERYTHING: &str = r#"
name: web
version: 1.2.3
ovenbird: ">=0.1, <1"
variables:
  version: { env: GITHUB_REF_NAME, default: dev }
  port: 8080
  admin_hash: { env: ADMIN_HASH, required: true, sensitive: true }
strategy:
  fail-fast: false
  max-parallel: 2
  matrix:
    platform: [qemu, base]
    suite: [bookworm, trixie]
    exclude: [{ platform: base, suite: trixie }]
    include: [{ platform: qemu, suite: bookworm, extra: yes }]
platforms:
  qemu:
    builder: qemu
    source:
      debian: "${{ matrix.suite }}"
      packages: [nginx, "libc6:amd64"]
      kernel: cloud
      cloud-init: false
      mirror: http://mirror.example/debian
      apt-sources: |
        Types: deb
        URIs: http://mirror.example/debian
        Suites: bookworm
    arch: amd64
    disk-size: 4GiB
    memory: 1GiB
    cpus: 2
    firmware: uefi
    accelerator: auto
    connect: { user: admin, timeout-minutes: 5 }
  base:
    builder: qemu
    source: { image: https://images.example/base.qcow2, checksum: "file:https://images.example/SHA256SUMS" }
env: { DEBIAN_FRONTEND: noninteractive, ON: "${{ platform.name }}" }
defaults: { run: { shell: bash, working-directory: /root } }
steps:
  - name: Install ${{ matrix.suite }}
    id: install
    run: apt-get install -y nginx
    timeout-minutes: 10
    retry: { attempts: 3, delay: 10s }
  - script: scripts/harden.sh
    args: [--profile, server, 1]
    env: { HASH: "${{ vars.admin_hash }}" }
  - upload: site/
    to: /srv/www
    owner: www-data:www-data
    mode: "0644"
  - reboot: {}
  - reboot:
  - if: failure() || vars.port == 8080
    download: /var/log/
    to: logs/
    continue-on-error: true
  - if: ${{ matrix.platform == 'qemu' && env.ON != '' }}
    local: echo "$HASH"
    env: { HASH: "${{ vars.admin_hash }}" }
  - uses: ./steps/monitoring.yml
    with: { endpoint: "https://metrics.example" }
outputs:
  - qcow2
  - { format: raw, compress: zstd }
  - { format: vmdk, subformat: streamOptimized }
tests:
  goss: [tests/goss.yaml]
  vars: { port: "${{ vars.port }}", names: [web, "${{ matrix.suite }}"] }
  level: full
  boot-budget: 90s
  retry-timeout: 30s
  timeout-minutes: 20
  waive: [{ check: failed-units, reason: waits for a fixed package, until: 2027-01-31 }]
  addr: { "tcp:80": { reachable: true } }
  command: { version: { exec: nginx -v, exit-status: 0 } }
  dns: { localhost: { resolvable: true } }
  file: { hosts: { path: /etc/hosts, exists: true, mode: "0644" } }
  group: { www-data: { exists: true } }
  http: { web: { url: "http://localhost:${{ vars.port }}/", status: 200 } }
  interface: { lo: { exists: true } }
  kernel-param: { kernel.ostype: { value: Linux } }
  matching: { suite: { content: "${{ matrix.suite }}", matches: { have-len: 8 } } }
  mount: { root: { mountpoint: /, exists: true } }
  package: { nginx: { installed: true } }
  port: { "tcp:80": { listening: true } }
  process: { nginx: { running: true } }
  service: { nginx: { enabled: true, running: true } }
  user: { root: { exists: true, uid: 0 } }
"#;

/// What [`EVERYTHING`] and [`FROM_CI`] name.
pub(super) const FILES: [(&str, &str); 2] =
    [("steps/monitoring.yml", STEP_FILE), (".github/workflows/images.yml", WORKFLOW)];

pub(super) const STEP_FILE: &str = r#"
name: Monitoring
description: Installs the agent
inputs:
  endpoint: { description: Where it reports to, default: none }
  interval: { required: false }
steps:
  - id: agent
    run: install-agent "$ENDPOINT"
    env: { ENDPOINT: "${{ inputs.endpoint }}" }
outputs:
  port: { description: Where it listens, value: "${{ steps.agent.outputs.port }}" }
"#;

/// The keys that exclude some of [`EVERYTHING`].
pub(super) const FROM_CI: &str = r#"
name: web
strategy: { from: .github/workflows/images.yml, job: build }
platforms: { qemu: { builder: qemu, source: { debian: "${{ matrix.suite }}" } } }
"#;

const WORKFLOW: &str = "on: push\njobs: { build: { strategy: { matrix: { suite: [bookworm] } } } }\n";

#[test]
fn a_definition_with_every_key_is_valid() {
    assert_snapshot!(check(EVERYTHING), @"valid");
    assert_snapshot!(check(FROM_CI), @"valid");
}

#[test]
fn an_empty_file_says_how_to_begin() {
    assert_snapshot!(check("# nothing yet\n"), @r"
    error[empty]: the file is empty: it has to describe an image
     --> ovenbird.yml:1:1
      |
    1 | # nothing yet
      | ^
      |
      = help: begin with `name:` and `platforms:`
    ");
}

#[test]
fn all_errors_are_reported_at_once_and_in_the_order_of_the_file() {
    assert_snapshot!(check(r"
        nam: web
        platfroms: {}
        steps:
          - run: |
              echo ${{ vars.x }}
            timout-minutes: 3
          - upload: a
        env: 3
    "), @"
    error[unknown-key]: a definition has no key `nam`
     --> ovenbird.yml:1:1
      |
    1 | nam: web
      | ^^^
      |
      = help: did you mean `name`?
      = help: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`

    error[unknown-key]: a definition has no key `platfroms`
     --> ovenbird.yml:2:1
      |
    2 | platfroms: {}
      | ^^^^^^^^^
      |
      = help: did you mean `platforms`?
      = help: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`

    error[unknown-name]: there is no variable `x`
     --> ovenbird.yml:5:16
      |
    5 |       echo ${{ vars.x }}
      |                ^^^^^^
      |
      = help: declare it: `variables: { x: … }`

    error[unknown-key]: a step has no key `timout-minutes`
     --> ovenbird.yml:6:5
      |
    6 |     timout-minutes: 3
      |     ^^^^^^^^^^^^^^
      |
      = help: did you mean `timeout-minutes`?
      = help: known keys: `name`, `id`, `if`, `run`, `script`, `upload`, `download`, `reboot`, `local`, `uses`, `with`, `args`, `to`, `owner`, `mode`, `env`, `shell`, `working-directory`, `timeout-minutes`, `retry`, `continue-on-error`

    error[missing-key]: `upload` needs the key `to`
     --> ovenbird.yml:7:5
      |
    7 |   - upload: a
      |     ^^^^^^
      |
      = help: say where in the guest it goes, such as `to: /srv/www`

    error[wrong-type]: expected `env`, a mapping, found a number
     --> ovenbird.yml:8:6
      |
    8 | env: 3
      |      ^
      |
      = help: write it as lines of `name: value`, without a `-` before them
    ");
}

#[test]
fn keys_of_a_later_version_are_named_as_such() {
    assert_snapshot!(check_with("publish: {}\nsteps:\n  - uses: ./x.yml\n  - puppet: {}\n    cache: {}\n"), @"
    error[not-yet]: this version of Ovenbird does not have `publish` yet
     --> ovenbird.yml:1:1
      |
    1 | publish: {}
      | ^^^^^^^

    error[missing-file]: the file `x.yml` is not there
     --> ovenbird.yml:3:11
      |
    3 |   - uses: ./x.yml
      |           ^^^^^^^

    error[not-yet]: this version of Ovenbird does not have `puppet` yet
     --> ovenbird.yml:4:5
      |
    4 |   - puppet: {}
      |     ^^^^^^

    error[not-yet]: this version of Ovenbird does not have `cache` yet
     --> ovenbird.yml:5:5
      |
    5 |     cache: {}
      |     ^^^^^
    ");
    assert_snapshot!(check(r"
        name: a
        platforms:
          a: { builder: amazon-ebs, source: { ami: x } }
          b: { builder: qmu, source: { iso: x }, provision: tree, arch: arm64 }
    "), @r"
    error[bad-value]: this version of Ovenbird does not have the builder `amazon-ebs` yet
     --> ovenbird.yml:3:17
      |
    3 |   a: { builder: amazon-ebs, source: { ami: x } }
      |                 ^^^^^^^^^^
      |
      = help: it has `qemu`

    error[not-yet]: this version of Ovenbird does not have `ami` yet
     --> ovenbird.yml:3:39
      |
    3 |   a: { builder: amazon-ebs, source: { ami: x } }
      |                                       ^^^

    error[bad-value]: there is no builder `qmu`
     --> ovenbird.yml:4:17
      |
    4 |   b: { builder: qmu, source: { iso: x }, provision: tree, arch: arm64 }
      |                 ^^^
      |
      = help: this version of Ovenbird has `qemu`

    error[not-yet]: this version of Ovenbird does not have `iso` yet
     --> ovenbird.yml:4:32
      |
    4 |   b: { builder: qmu, source: { iso: x }, provision: tree, arch: arm64 }
      |                                ^^^

    error[not-yet]: this version of Ovenbird does not have `provision` yet
     --> ovenbird.yml:4:42
      |
    4 |   b: { builder: qmu, source: { iso: x }, provision: tree, arch: arm64 }
      |                                          ^^^^^^^^^

    error[bad-value]: this version of Ovenbird builds `amd64` only, `arm64` comes with a later one
     --> ovenbird.yml:4:65
      |
    4 |   b: { builder: qmu, source: { iso: x }, provision: tree, arch: arm64 }
      |                                                                 ^^^^^
    ");
}

#[test]
fn names_become_file_names() {
    assert_snapshot!(check(&format!("name: My Image\n{PLATFORMS}")), @"
    error[bad-value]: `My Image` is no name
     --> ovenbird.yml:1:7
      |
    1 | name: My Image
      |       ^^^^^^^^
      |
      = help: did you mean `my-image`? a name has lowercase letters, digits and `-` only, and no `-` at its ends
    ");
    assert_snapshot!(check(&format!("name: web-${{{{ matrix.suite }}}}\n{PLATFORMS}")), @"
    error[expression]: an expression can't stand here: this must be known before anything is evaluated
     --> ovenbird.yml:1:7
      |
    1 | name: web-${{ matrix.suite }}
      |       ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the value itself
    ");
    assert_snapshot!(check("name: web\nplatforms: { Qemu: { builder: qemu, source: { debian: bookworm } } }\n"), @"
    error[bad-name]: `Qemu` is no name
     --> ovenbird.yml:2:14
      |
    2 | platforms: { Qemu: { builder: qemu, source: { debian: bookworm } } }
      |              ^^^^
      |
      = help: did you mean `qemu`? a name has lowercase letters, digits and `-` only, and no `-` at its ends
    ");
}

#[test]
fn a_definition_can_ask_for_a_version_of_ovenbird() {
    assert_snapshot!(check_with("ovenbird: \">=99\"\n"), @r#"
    error[bad-value]: this is Ovenbird 0.1.0, and the definition asks for `>=99`
     --> ovenbird.yml:1:11
      |
    1 | ovenbird: ">=99"
      |           ^^^^^^
      |
      = help: install a version that fits, or change the range if the definition needs no more
    "#);
    assert_snapshot!(check_with("ovenbird: 0.1\n"), @r#"
    error[bad-value]: expected a range of versions, found the number `0.1`
     --> ovenbird.yml:1:11
      |
    1 | ovenbird: 0.1
      |           ^^^
      |
      = help: write it in quotes, as in `ovenbird: ">=0.1"`
    "#);
    assert_eq!(check_with("ovenbird: \">=0.1\"\n"), "valid");
}

#[test]
fn values_of_the_wrong_type_are_shown_as_they_are_written() {
    assert_snapshot!(check(r"
        name: web
        platforms:
          qemu:
            builder: qemu
            source: { debian: bookworm }
            memory: 1024
            disk-size: 4GB
            cpus: 0
            firmware: EFI
            arch: x86_64
            accelerator: [kvm]
            connect: root
    "), @"
    error[bad-value]: the size `1024` has no unit
     --> ovenbird.yml:6:13
      |
    6 |     memory: 1024
      |             ^^^^
      |
      = help: write a number and its unit, such as `512MiB` or `4GiB`

    error[bad-value]: `GB` is no unit of size
     --> ovenbird.yml:7:16
      |
    7 |     disk-size: 4GB
      |                ^^^
      |
      = help: did you mean `4GiB`?

    error[bad-value]: a number of CPUs must be from 1 to 255, not 0
     --> ovenbird.yml:8:11
      |
    8 |     cpus: 0
      |           ^

    error[bad-value]: expected one of `bios`, `uefi`, found `EFI`
     --> ovenbird.yml:9:15
      |
    9 |     firmware: EFI
      |               ^^^
      |
      = help: did you mean `uefi`?

    error[bad-value]: expected one of `amd64`, found `x86_64`
      --> ovenbird.yml:10:11
       |
    10 |     arch: x86_64
       |           ^^^^^^
       |
       = help: it is called `amd64` here, as in Debian

    error[bad-value]: expected one of `auto`, `kvm`, `tcg`, found a list
      --> ovenbird.yml:11:5
       |
    11 |     accelerator: [kvm]
       |     ^^^^^^^^^^^

    error[wrong-type]: expected `connect`, a mapping, found a text
      --> ovenbird.yml:12:14
       |
    12 |     connect: root
       |              ^^^^
       |
       = help: its keys: `user`, `timeout-minutes`
    ");
}

#[test]
fn a_source_is_one_of_its_kinds() {
    let source =
        |source: &str| check(&format!("name: a\nplatforms: {{ qemu: {{ builder: qemu, source: {source} }} }}\n"));
    assert_snapshot!(source("{}"), @r"
    error[missing-key]: a source needs one of the keys `debian` and `image`
     --> ovenbird.yml:2:37
      |
    2 | platforms: { qemu: { builder: qemu, source: {} } }
      |                                     ^^^^^^
    ");
    assert_snapshot!(source("{ debian: bookworm, image: x.qcow2 }"), @"
    error[conflict]: a source is either `debian` or `image`, not both
     --> ovenbird.yml:2:65
      |
    2 | platforms: { qemu: { builder: qemu, source: { debian: bookworm, image: x.qcow2 } } }
      |                                                                 ^^^^^
      |
      = help: keep one of them, or make two platforms of it
    ");
    assert_snapshot!(source("{ debin: bookworm }"), @"
    error[unknown-key]: a source has no key `debin`
     --> ovenbird.yml:2:47
      |
    2 | platforms: { qemu: { builder: qemu, source: { debin: bookworm } } }
      |                                               ^^^^^
      |
      = help: did you mean `debian`?
      = help: known keys: `debian`, `packages`, `kernel`, `cloud-init`, `mirror`, `apt-sources`, `image`, `checksum`
    ");
    assert_snapshot!(source("{ debian: 12, mirror: deb.example, packages: nginx, checksum: x }"), @"
    error[bad-value]: `12` is no suite
     --> ovenbird.yml:2:55
      |
    2 | platforms: { qemu: { builder: qemu, source: { debian: 12, mirror: deb.example, packages: nginx, checksum: x } } }
      |                                                       ^^
      |
      = help: a suite has a code name, such as `bookworm`

    error[bad-value]: `deb.example` is no URL
     --> ovenbird.yml:2:67
      |
    2 | platforms: { qemu: { builder: qemu, source: { debian: 12, mirror: deb.example, packages: nginx, checksum: x } } }
      |                                                                   ^^^^^^^^^^^
      |
      = help: it begins with `http://` or `https://`

    error[wrong-type]: expected `packages`, a list, found a text
     --> ovenbird.yml:2:90
      |
    2 | platforms: { qemu: { builder: qemu, source: { debian: 12, mirror: deb.example, packages: nginx, checksum: x } } }
      |                                                                                          ^^^^^
      |
      = help: begin every item with `- `, a dash and a space, or write `[ ]` around them

    error[unknown-key]: a `debian` source has no key `checksum`
     --> ovenbird.yml:2:97
      |
    2 | platforms: { qemu: { builder: qemu, source: { debian: 12, mirror: deb.example, packages: nginx, checksum: x } } }
      |                                                                                                 ^^^^^^^^
      |
      = help: known keys: `debian`, `packages`, `kernel`, `cloud-init`, `mirror`, `apt-sources`
    ");
    assert_snapshot!(source("{ image: \"ftp://x/y\", checksum: \"sha256:123\" }"), @r#"
    error[bad-value]: an image can't be fetched by `ftp:`
     --> ovenbird.yml:2:54
      |
    2 | platforms: { qemu: { builder: qemu, source: { image: "ftp://x/y", checksum: "sha256:123" } } }
      |                                                      ^^^^^^^^^^^
      |
      = help: use an `http://` or `https://` URL, or a local path

    error[bad-value]: a sha256 digest has 64 hexadecimal digits, this one has 3 characters
     --> ovenbird.yml:2:77
      |
    2 | platforms: { qemu: { builder: qemu, source: { image: "ftp://x/y", checksum: "sha256:123" } } }
      |                                                                             ^^^^^^^^^^^^
      |
      = help: copy the whole digest from the `SHA256SUMS` or `SHA512SUMS` file beside the image
    "#);
}

#[test]
fn a_step_does_exactly_one_thing() {
    assert_snapshot!(check_with(r"
        steps:
          - name: nothing
          - run: a
            script: b
          - echo hello
          - run:
          - upload: a
          - download: /a
            owner: root
            to: ../up
            shell: bash
          - reboot: now
    "), @"
    error[missing-key]: the step does nothing
     --> ovenbird.yml:2:5
      |
    2 |   - name: nothing
      |     ^^^^
      |
      = help: give it one of the keys `run`, `script`, `upload`, `download`, `reboot`, `local`, `uses`

    error[conflict]: a step can't have both `run` and `script`
     --> ovenbird.yml:4:5
      |
    3 |   - run: a
      |     ---
    4 |     script: b
      |     ^^^^^^
      |
      = help: make two steps of it

    error[wrong-type]: expected a step, a mapping, found a text
     --> ovenbird.yml:5:5
      |
    5 |   - echo hello
      |     ^^^^^^^^^^
      |
      = help: to run it in the guest, write `run: echo hello`

    error[bad-value]: there is nothing to run
     --> ovenbird.yml:6:5
      |
    6 |   - run:
      |     ^^^
      |
      = help: write a command, or `|` and a line below for each of several

    error[missing-key]: `upload` needs the key `to`
     --> ovenbird.yml:7:5
      |
    7 |   - upload: a
      |     ^^^^^^
      |
      = help: say where in the guest it goes, such as `to: /srv/www`

    error[conflict]: `owner` has no effect on `download`
     --> ovenbird.yml:9:5
      |
    9 |     owner: root
      |     ^^^^^
      |
      = help: it belongs to `upload`

    error[bad-value]: `../up` leads out of the folder of the definition
      --> ovenbird.yml:10:9
       |
    10 |     to: ../up
       |         ^^^^^
       |
       = help: a definition uses files of its own repository only: others have no history there

    error[conflict]: `shell` has no effect on `download`
      --> ovenbird.yml:11:5
       |
    11 |     shell: bash
       |     ^^^^^
       |
       = help: it belongs to `run`, `script`, `local`

    error[wrong-type]: expected `reboot`, a mapping, found a text
      --> ovenbird.yml:12:13
       |
    12 |   - reboot: now
       |             ^^^
    ");
}

#[test]
fn an_empty_item_of_steps_is_no_step() {
    assert_snapshot!(check_with("steps: [\"\"]\n"), @r#"
    error[wrong-type]: expected a step, a mapping, found a text
     --> ovenbird.yml:1:9
      |
    1 | steps: [""]
      |         ^^
      |
      = help: to run it in the guest, write `run: …`
    "#);
}

#[test]
fn details_of_a_step_are_checked() {
    assert_snapshot!(check_with(r"
        steps:
          - run: a
            id: 1st
            shell: zsh
            working-directory: srv
            timeout-minutes: 10m
            retry: { attempts: 0, delay: 10 }
            env: { 1A: x, B: [x] }
            continue-on-error: maybe
          - script: /etc/x
            id: a
          - run: b
            id: A
    "), @"
    error[bad-value]: `1st` is no id of a step
     --> ovenbird.yml:3:9
      |
    3 |     id: 1st
      |         ^^^
      |
      = help: an id begins with a letter or `_`, and has letters, digits, `_` and `-` only

    error[bad-value]: `zsh` is no shell that Ovenbird knows
     --> ovenbird.yml:4:12
      |
    4 |     shell: zsh
      |            ^^^
      |
      = help: use `bash`, `sh`, `python`, or a command line in which `{0}` stands for the script's file

    error[bad-value]: `srv` is not an absolute path
     --> ovenbird.yml:5:24
      |
    5 |     working-directory: srv
      |                        ^^^
      |
      = help: paths in the guest begin at its root: `/srv`

    error[bad-value]: expected a number of minutes, found `10m`
     --> ovenbird.yml:6:22
      |
    6 |     timeout-minutes: 10m
      |                      ^^^
      |
      = help: write it without a unit, such as `10`

    error[bad-value]: a number of attempts must be from 1 to 100, not 0
     --> ovenbird.yml:7:24
      |
    7 |     retry: { attempts: 0, delay: 10 }
      |                        ^

    error[bad-value]: the time `10` has no unit
     --> ovenbird.yml:7:34
      |
    7 |     retry: { attempts: 0, delay: 10 }
      |                                  ^^
      |
      = help: write a number and its unit, such as `10s` or `5m`

    error[bad-name]: `1A` is no name of an environment variable
     --> ovenbird.yml:8:12
      |
    8 |     env: { 1A: x, B: [x] }
      |            ^^
      |
      = help: a name has letters, digits and `_` only, and does not begin with a digit

    error[bad-value]: expected a text, found a list
     --> ovenbird.yml:8:19
      |
    8 |     env: { 1A: x, B: [x] }
      |                   ^

    error[bad-value]: expected `true` or `false`, found `maybe`
     --> ovenbird.yml:9:24
      |
    9 |     continue-on-error: maybe
      |                        ^^^^^

    error[bad-value]: `/etc/x` is an absolute path
      --> ovenbird.yml:10:13
       |
    10 |   - script: /etc/x
       |             ^^^^^^
       |
       = help: paths on this machine are relative to the folder of the definition, and inside it
    ");
}

#[test]
fn an_id_names_one_step() {
    assert_snapshot!(check_with("steps:\n  - { run: a, id: one }\n  - { run: b, id: One }\n"), @r"
    error[conflict]: two steps have the id `One`
     --> ovenbird.yml:3:19
      |
    2 |   - { run: a, id: one }
      |                   --- first here
    3 |   - { run: b, id: One }
      |                   ^^^ here again
    ");
}

#[test]
fn outputs_are_what_ovenbird_writes() {
    assert_snapshot!(check_with(r"
        outputs:
          - qcow3
          - ova
          - { format: qcow2, compress: zstd }
          - { format: vmdk, subformat: monolithicFlat }
          - { compress: bz2 }
    "), @"
    error[bad-value]: expected one of `qcow2`, `raw`, `vmdk`, `vdi`, `vhd`, `vhdx`, found `qcow3`
     --> ovenbird.yml:2:5
      |
    2 |   - qcow3
      |     ^^^^^
      |
      = help: did you mean `qcow2`?

    error[bad-value]: this version of Ovenbird does not have the format `ova` yet
     --> ovenbird.yml:3:5
      |
    3 |   - ova
      |     ^^^

    error[conflict]: `qcow2` can't be compressed as a file
     --> ovenbird.yml:4:22
      |
    4 |   - { format: qcow2, compress: zstd }
      |                      ^^^^^^^^
      |
      = help: only `raw` takes `compress`: the others are compressed inside, or not at all

    error[bad-value]: `vmdk` is written as `streamOptimized`, not as `monolithicFlat`
     --> ovenbird.yml:5:32
      |
    5 |   - { format: vmdk, subformat: monolithicFlat }
      |                                ^^^^^^^^^^^^^^

    error[missing-key]: an output needs the key `format`
     --> ovenbird.yml:6:5
      |
    6 |   - { compress: bz2 }
      |     ^
      |
      = help: such as `format: qcow2`

    error[bad-value]: expected one of `zstd`, `gzip`, `xz`, found `bz2`
     --> ovenbird.yml:6:17
      |
    6 |   - { compress: bz2 }
      |                 ^^^
    ");
    assert_snapshot!(check_with("outputs: []\n"), @r"
    error[bad-value]: `outputs` lists no output
     --> ovenbird.yml:1:1
      |
    1 | outputs: []
      | ^^^^^^^
      |
      = help: leave the key out for a `qcow2` file
    ");
}

#[test]
fn variables_are_checked_where_they_are_declared() {
    assert_snapshot!(check_with(r"
        variables:
          1x: a
          both: { required: true, default: x }
          Both: b
          list: [a]
          from: { env: MY-VAR, requird: true }
    "), @"
    error[bad-name]: `1x` is no name of a variable
     --> ovenbird.yml:2:3
      |
    2 |   1x: a
      |   ^^
      |
      = help: a name begins with a letter or `_`, and has letters, digits, `_` and `-` only

    error[conflict]: the variable `both` is required and has a default
     --> ovenbird.yml:3:11
      |
    3 |   both: { required: true, default: x }
      |           ^^^^^^^^
      |
      = help: with a default it never has to be given: leave out one of the two

    error[bad-name]: the variables `both` and `Both` differ in case only
     --> ovenbird.yml:4:3
      |
    4 |   Both: b
      |   ^^^^
      |
      = help: the case of a name makes no difference: call one of them otherwise

    error[bad-value]: a default is a text, a number or a boolean, not a list
     --> ovenbird.yml:5:3
      |
    5 |   list: [a]
      |   ^^^^
      |
      = help: write a list as a text in JSON, and read it by `fromJSON(vars.NAME)`

    error[bad-value]: `MY-VAR` is no name of an environment variable
     --> ovenbird.yml:6:16
      |
    6 |   from: { env: MY-VAR, requird: true }
      |                ^^^^^^
      |
      = help: write the name alone, without `$`: it has letters, digits and `_` only

    error[unknown-key]: a variable has no key `requird`
     --> ovenbird.yml:6:24
      |
    6 |   from: { env: MY-VAR, requird: true }
      |                        ^^^^^^^
      |
      = help: did you mean `required`?
      = help: known keys: `env`, `default`, `required`, `sensitive`
    ");
}

#[test]
fn a_matrix_from_another_file_is_one_error_not_many() {
    assert_snapshot!(check_with("strategy: { from: ci.yml, job: a }\nsteps: [{ run: \"${{ matrix.x }}\" }]\n"), @"
    error[missing-file]: the file `ci.yml` is not there
     --> ovenbird.yml:1:19
      |
    1 | strategy: { from: ci.yml, job: a }
      |                   ^^^^^^
    ");
}

#[test]
fn a_matrix_follows_githubs_rules() {
    assert_snapshot!(check_with("strategy:\n  matrix:\n    suite: bookworm\n    arch: []\n"), @r"
    error[bad-value]: expected a list of values, found a text
     --> ovenbird.yml:3:12
      |
    3 |     suite: bookworm
      |            ^^^^^^^^
      |
      = help: write `suite: [bookworm]`
    ");
    assert_snapshot!(check_with("strategy:\n  matrix:\n    suite: [a]\n    exclude: [{ siute: a }]\n"), @"
    error[matrix]: `exclude` names `siute`, which is no key of the matrix
     --> ovenbird.yml:4:17
      |
    4 |     exclude: [{ siute: a }]
      |                 ^^^^^
      |
      = help: did you mean `suite`?
      = help: keys of the matrix: `suite`
    ");
    assert_snapshot!(check_with("strategy:\n  matrix:\n    suite: [a]\n    exclude: [{ suite: a }]\n"), @r"
    error[matrix]: `exclude` leaves no cell of the matrix
     --> ovenbird.yml:4:5
      |
    4 |     exclude: [{ suite: a }]
      |     ^^^^^^^
      |
      = help: so there would be no job at all
    ");
    assert_snapshot!(check_with("strategy:\n  matrix: ${{ fromJSON(vars.m) }}\n"), @"
    error[matrix-context]: the matrix needs `vars`, which has no value yet when the jobs are decided
     --> ovenbird.yml:2:24
      |
    2 |   matrix: ${{ fromJSON(vars.m) }}
      |                        ^^^^^^
      |
      = help: give the matrix as `--matrix JSON`, or one cell of it as `--cell JSON`
    ");
    assert_snapshot!(check_with("strategy: { from: .gitlab-ci.yml, job: a, matrix: { suite: [\"${{ vars.s }}\"] } }\n"), @r#"
    error[conflict]: `matrix` and `from` exclude each other
     --> ovenbird.yml:1:13
      |
    1 | strategy: { from: .gitlab-ci.yml, job: a, matrix: { suite: ["${{ vars.s }}"] } }
      |             ^^^^
      |
      = help: a matrix is here, or read from there

    error[missing-file]: the file `.gitlab-ci.yml` is not there
     --> ovenbird.yml:1:19
      |
    1 | strategy: { from: .gitlab-ci.yml, job: a, matrix: { suite: ["${{ vars.s }}"] } }
      |                   ^^^^^^^^^^^^^^

    error[matrix-context]: the matrix needs `vars`, which has no value yet when the jobs are decided
     --> ovenbird.yml:1:66
      |
    1 | strategy: { from: .gitlab-ci.yml, job: a, matrix: { suite: ["${{ vars.s }}"] } }
      |                                                                  ^^^^^^
      |
      = help: give the matrix as `--matrix JSON`, or one cell of it as `--cell JSON`
    "#);
    let values = (0..257).map(|value| value.to_string()).collect::<Vec<_>>().join(",");
    assert!(
        check_with(&format!("strategy: {{ matrix: {{ a: [{values}] }} }}\n"))
            .contains("makes 257 jobs, and 256 is the most")
    );
}

#[test]
fn every_cell_knows_its_platform() {
    let two = dedent(
        r"
        platforms:
          one: &q { builder: qemu, source: { debian: bookworm } }
          two: *q
    ",
    );
    assert_snapshot!(check_with(&format!("strategy: {{ matrix: {{ suite: [a] }} }}\n{two}")), @r"
    error[matrix]: with more than one platform, every cell of the matrix must name one
     --> ovenbird.yml:1:13
      |
    1 | strategy: { matrix: { suite: [a] } }
      |             ^^^^^^
      |
      = help: add `platform: [one, two]` to the matrix
    ");
    assert_snapshot!(check_with(&format!("strategy: {{ matrix: {{ platform: [one, tow] }} }}\n{two}")), @r"
    error[unknown-name]: there is no platform `tow`
     --> ovenbird.yml:1:39
      |
    1 | strategy: { matrix: { platform: [one, tow] } }
      |                                       ^^^
      |
      = help: did you mean `two`?
      = help: known platforms: `one`, `two`
    ");
    assert_eq!(check_with(&format!("strategy: {{ matrix: {{ platform: [one, two] }} }}\n{two}")), "valid");
}

#[test]
fn a_value_with_a_tag_or_a_number_as_a_key_is_refused() {
    assert_snapshot!(check_with("env: { A: !x y, 1: z }\n"), @r"
    error[bad-value]: YAML tags have no meaning here
     --> ovenbird.yml:1:14
      |
    1 | env: { A: !x y, 1: z }
      |              ^
      |
      = help: a value that begins with `!` is a tag in YAML: put it in quotes if it is meant as text

    error[wrong-type]: the key `1` is not a text
     --> ovenbird.yml:1:17
      |
    1 | env: { A: !x y, 1: z }
      |                 ^
      |
      = help: put it in quotes
    ");
}

#[test]
fn the_same_text_is_one_mistake_however_often_it_is_merged() {
    assert_snapshot!(check_with(
        r"
        steps:
          - &step { run: a, shel: sh }
          - *step
        "
    ), @"
    error[unknown-key]: a step has no key `shel`
     --> ovenbird.yml:2:21
      |
    2 |   - &step { run: a, shel: sh }
      |                     ^^^^
      |
      = help: did you mean `shell`?
      = help: known keys: `name`, `id`, `if`, `run`, `script`, `upload`, `download`, `reboot`, `local`, `uses`, `with`, `args`, `to`, `owner`, `mode`, `env`, `shell`, `working-directory`, `timeout-minutes`, `retry`, `continue-on-error`
    ");
}

#[test]
fn an_error_in_one_part_does_not_make_up_errors_in_others() {
    assert_snapshot!(check_with(r"
        variables: [a]
        strategy: { matrix: { suite: [a], arch: [] } }
        steps:
          - run: echo ${{ vars.x }} ${{ matrix.suite }} ${{ matrix.arch }}
    "), @"
    error[wrong-type]: expected `variables`, a mapping, found a list
     --> ovenbird.yml:1:1
      |
    1 | variables: [a]
      | ^^^^^^^^^
      |
      = help: write it as lines of `name: value`, without a `-` before them

    error[matrix]: the matrix has no value for `arch`
     --> ovenbird.yml:2:35
      |
    2 | strategy: { matrix: { suite: [a], arch: [] } }
      |                                   ^^^^
      |
      = help: give `arch` a value, or leave it out
    ");
    assert_snapshot!(check_with("strategy: [a]\nenv: [b]\nsteps: [{ run: \"${{ matrix.x }} ${{ env.y }}\" }]\n"), @"
    error[wrong-type]: expected `strategy`, a mapping, found a list
     --> ovenbird.yml:1:1
      |
    1 | strategy: [a]
      | ^^^^^^^^
      |
      = help: its keys: `matrix`, `from`, `job`, `fail-fast`, `max-parallel`

    error[wrong-type]: expected `env`, a mapping, found a list
     --> ovenbird.yml:2:1
      |
    2 | env: [b]
      | ^^^
      |
      = help: write it as lines of `name: value`, without a `-` before them
    ");
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_the_loader(text in "\\PC{0,60}", position in 0..EVERYTHING.len()) {
        let _ = check(&text);
        // A whole definition with something foreign in it gets further than foreign text alone.
        if let (Some(before), Some(after)) = (EVERYTHING.get(..position), EVERYTHING.get(position..)) {
            let _ = check(&format!("{before}{text}{after}"));
        }
    }
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    for documentation in [include_str!("../../docs/definition.md"), include_str!("../../README.md")] {
        let example = documentation.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
        assert_eq!(example.map(check).as_deref(), Some("valid"));
    }
}
