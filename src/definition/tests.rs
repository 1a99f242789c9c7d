//! What a person reads of a wrong definition: each snapshot is documentation of our errors.

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
      = help: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`

    error[unknown-key]: a definition has no key `platfroms`
     --> ovenbird.yml:2:1
      |
    2 | platfroms: {}
      | ^^^^^^^^^
      |
      = help: did you mean `platforms`?
      = help: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`

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
    assert_snapshot!(check_with("tests: {}\nsteps:\n  - uses: ./x.yml\n  - puppet: {}\n    cache: {}\n"), @"
    error[not-yet]: this version of Ovenbird does not have `tests` yet
     --> ovenbird.yml:1:1
      |
    1 | tests: {}
      | ^^^^^

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
fn an_expression_names_what_exists() {
    assert_snapshot!(check_with(r"
        variables: { version: 1 }
        strategy: { matrix: { suite: [a] } }
        env: { A: b }
        steps:
          - run: |
              echo ${{ vars.verison }}
              echo ${{ matrix.siute }} ${{ evn.A }}
              echo ${{ env.B }} ${{ platform.nme }}
    "), @"
    error[unknown-name]: there is no variable `verison`
     --> ovenbird.yml:6:16
      |
    6 |       echo ${{ vars.verison }}
      |                ^^^^^^^^^^^^
      |
      = help: did you mean `version`?
      = help: known variables: `version`

    error[unknown-name]: the matrix has no key `siute`
     --> ovenbird.yml:7:16
      |
    7 |       echo ${{ matrix.siute }} ${{ evn.A }}
      |                ^^^^^^^^^^^^
      |
      = help: did you mean `suite`?
      = help: keys of the matrix: `suite`

    error[unknown-context]: there is no context `evn`
     --> ovenbird.yml:7:36
      |
    7 |       echo ${{ matrix.siute }} ${{ evn.A }}
      |                                    ^^^^^
      |
      = help: did you mean `env`?
      = help: known contexts: `vars`, `git`, `ci`, `matrix`, `strategy`, `image`, `job`, `platform`, `env`

    error[unknown-name]: `env` has no variable `B`
     --> ovenbird.yml:8:16
      |
    8 |       echo ${{ env.B }} ${{ platform.nme }}
      |                ^^^^^
      |
      = help: what `env` has: `A`

    error[unknown-name]: `platform` has no key `nme`
     --> ovenbird.yml:8:29
      |
    8 |       echo ${{ env.B }} ${{ platform.nme }}
      |                             ^^^^^^^^^^^^
      |
      = help: did you mean `name`?
      = help: known keys: `name`, `builder`, `arch`, `firmware`
    ");
    assert_snapshot!(check_with("steps:\n  - run: echo ${{ matrix.platform }} ${{ steps.a.outcome }} ${{ secrets.TOKEN }} ${{ github.sha }}\n"), @"
    error[unknown-name]: there is no matrix
     --> ovenbird.yml:2:19
      |
    2 |   - run: echo ${{ matrix.platform }} ${{ steps.a.outcome }} ${{ secrets.TOKEN }} ${{ github.sha }}
      |                   ^^^^^^^^^^^^^^^
      |
      = help: without a matrix, the platform's name is `platform.name`

    error[run-time]: `steps.a.outcome` is known only while the job runs
     --> ovenbird.yml:2:42
      |
    2 |   - run: echo ${{ matrix.platform }} ${{ steps.a.outcome }} ${{ secrets.TOKEN }} ${{ github.sha }}
      |                                          ^^^^^^^^^^^^^^^
      |
      = help: pass it by `env:`, as in `VALUE: ${{ steps.a.outcome }}`, and read `$VALUE` in the script

    error[unknown-context]: there is no context `secrets`
     --> ovenbird.yml:2:65
      |
    2 |   - run: echo ${{ matrix.platform }} ${{ steps.a.outcome }} ${{ secrets.TOKEN }} ${{ github.sha }}
      |                                                                 ^^^^^^^^^^^^^
      |
      = help: declare a variable, `NAME: { env: NAME, sensitive: true }`, and use `vars.NAME`

    error[unknown-context]: there is no context `github`
     --> ovenbird.yml:2:86
      |
    2 |   - run: echo ${{ matrix.platform }} ${{ steps.a.outcome }} ${{ secrets.TOKEN }} ${{ github.sha }}
      |                                                                                      ^^^^^^^^^^
      |
      = help: the run is `ci` and the commit `git`, such as `ci.ref` and `git.sha`, on every CI; for all else declare a variable with `env:`, and use `vars.NAME`
    ");
}

#[test]
fn a_condition_may_ask_how_an_earlier_step_ended() {
    assert_snapshot!(check_with(r#"
        steps:
          - { run: a, id: migrate, continue-on-error: true }
          - { run: b, if: steps.migrate.outcome == 'failure' && steps.MIGRATE.conclusion == 'success' }
          - { run: c, if: steps.migrat.outcome == 'failure' }
          - { run: d, if: steps.later.outcome == 'failure' }
          - { run: e, if: steps.migrate.result == 'failure' }
          - { run: f, if: toJSON(steps) != '' }
          - { run: g, id: later }
    "#), @"
    error[unknown-name]: no step has the id `migrat`
     --> ovenbird.yml:4:19
      |
    4 |   - { run: c, if: steps.migrat.outcome == 'failure' }
      |                   ^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `migrate`?
      = help: ids of the steps before: `migrate`

    error[unknown-name]: the step `later` does not come before this one
     --> ovenbird.yml:5:19
      |
    5 |   - { run: d, if: steps.later.outcome == 'failure' }
      |                   ^^^^^^^^^^^^^^^^^^^
      |
      = help: only what has run can be asked: move one of the two steps

    error[unknown-name]: a step has no result `result`
     --> ovenbird.yml:6:19
      |
    6 |   - { run: e, if: steps.migrate.result == 'failure' }
      |                   ^^^^^^^^^^^^^^^^^^^^
      |
      = help: known results: `outcome`, `conclusion`, `outputs`

    error[expression]: `steps` can be asked for one result of one step only
     --> ovenbird.yml:7:26
      |
    7 |   - { run: f, if: toJSON(steps) != '' }
      |                          ^^^^^
      |
      = help: write `steps.ID.outcome`, `steps.ID.conclusion` or `steps.ID.outputs.NAME`
    ");
}

#[test]
fn an_expression_is_allowed_where_what_it_names_is_known() {
    assert_snapshot!(check_with(r#"
        strategy: { fail-fast: "${{ matrix.x }}", matrix: { x: [a] } }
        env: { A: "${{ env.B }}" }
        steps:
          - run: a
            name: ${{ success() }}
          - run: a
            env: { A: x, B: "${{ env.C }}" }
    "#), @r#"
    error[unknown-context]: the context `matrix` is not known here
     --> ovenbird.yml:1:29
      |
    1 | strategy: { fail-fast: "${{ matrix.x }}", matrix: { x: [a] } }
      |                             ^^^^^^^^
      |
      = help: what is known: `vars`, `git`, `ci`

    error[unknown-context]: the context `env` is not known here
     --> ovenbird.yml:2:16
      |
    2 | env: { A: "${{ env.B }}" }
      |                ^^^^^
      |
      = help: `env` is known in steps: use a variable instead, `vars.NAME`

    error[expression]: `success()` can be asked in `if:` only
     --> ovenbird.yml:5:15
      |
    5 |     name: ${{ success() }}
      |               ^^^^^^^

    error[unknown-name]: `env` has no variable `C`
     --> ovenbird.yml:7:26
      |
    7 |     env: { A: x, B: "${{ env.C }}" }
      |                          ^^^^^
      |
      = help: what `env` has: `A`
    "#);
}

#[test]
fn a_syntax_error_is_shown_inside_the_expression() {
    assert_snapshot!(check_with(r"
        steps:
          - run: |
              one
              two ${{ 'a' == }} three
          - if: matrix.a = 1
            run: x
          - run: ${{ foo('x') }}
          - run: echo ${{ a
    "), @"
    error[expression]: not a valid expression: unexpected end of expression after `==`
     --> ovenbird.yml:4:19
      |
    4 |       two ${{ 'a' == }} three
      |                   ^^

    error[expression]: not a valid expression: unexpected symbol `=`
     --> ovenbird.yml:5:18
      |
    5 |   - if: matrix.a = 1
      |                  ^
      |
      = help: to compare, write `==`

    error[expression]: not a valid expression: unrecognized function `foo`
     --> ovenbird.yml:7:14
      |
    7 |   - run: ${{ foo('x') }}
      |              ^^^

    error[expression]: not a valid expression: the expression is not closed: `${{` was found, but not its `}}`
     --> ovenbird.yml:8:15
      |
    8 |   - run: echo ${{ a
      |               ^^^
    ");
}

#[test]
fn an_if_is_one_expression() {
    assert_snapshot!(check_with(r"
        steps:
          - if: ${{ true }} && false
            run: x
          - if:
            run: x
          - if: [a]
            run: x
          - if: ''
            run: x
    "), @r"
    error[bad-value]: `if` has text around its `${{ }}`, so it would always be true
     --> ovenbird.yml:2:9
      |
    2 |   - if: ${{ true }} && false
      |         ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the whole condition as one expression, without `${{ }}`

    error[bad-value]: expected an expression, found nothing
     --> ovenbird.yml:4:5
      |
    4 |   - if:
      |     ^^
      |
      = help: to run the step always, leave `if` out or write `if: always()`

    error[bad-value]: expected an expression, found a list
     --> ovenbird.yml:6:5
      |
    6 |   - if: [a]
      |     ^^
      |
      = help: to run the step always, leave `if` out or write `if: always()`

    error[bad-value]: expected an expression, found an empty text
     --> ovenbird.yml:8:9
      |
    8 |   - if: ''
      |         ^^
      |
      = help: leave `if` out to run the step whenever the ones before succeeded
    ");
}

#[test]
fn an_if_that_begins_with_an_exclamation_mark_needs_quotes() {
    assert_snapshot!(check_with("steps: [{ run: x, if: !vars.x }]\n"), @r"
    error[bad-value]: YAML tags have no meaning here
     --> ovenbird.yml:1:19
      |
    1 | steps: [{ run: x, if: !vars.x }]
      |                   ^^
      |
      = help: a value that begins with `!` is a tag in YAML: put it in quotes if it is meant as text
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
fn a_sensitive_variable_stays_apart() {
    assert_snapshot!(check_with(r#"
        variables: { token: { env: TOKEN, sensitive: true } }
        env: { T: "${{ vars.token }}" }
        steps:
          - name: With ${{ vars.token }}
            run: |
              login ${{ vars.TOKEN }}
              login ${{ format('x{0}', vars.token) }}
              login ${{ toJSON(vars) }} ${{ env.T }}
          - if: vars.token != ''
            local: login ${{ vars.token }}
          - local: login ${{ vars.token }}
            env: { T: "${{ vars.token }}" }
    "#), @"
    error[sensitive]: the sensitive variable `token` would be shown here
     --> ovenbird.yml:4:20
      |
    4 |   - name: With ${{ vars.token }}
      |                    ^^^^^^^^^^
      |
      = help: a sensitive variable can be used in values of `env` and `with`, in `run`, `args` and `local` only

    error[sensitive]: the sensitive variable `token` can't be part of a larger expression
     --> ovenbird.yml:7:32
      |
    7 |       login ${{ format('x{0}', vars.token) }}
      |                                ^^^^^^^^^^
      |
      = help: write `${{ }}` around the variable alone: its value is put in when it is used

    error[sensitive]: `vars` holds a sensitive value, so it can be used by name only
     --> ovenbird.yml:8:24
      |
    8 |       login ${{ toJSON(vars) }} ${{ env.T }}
      |                        ^^^^
      |
      = help: write `vars.NAME`

    error[sensitive]: `env.T` holds a sensitive value
     --> ovenbird.yml:8:37
      |
    8 |       login ${{ toJSON(vars) }} ${{ env.T }}
      |                                     ^^^^^
      |
      = help: a script reads it as `$T` when it runs; elsewhere it would be shown

    error[sensitive]: the sensitive variable `token` would be shown here
     --> ovenbird.yml:9:9
      |
    9 |   - if: vars.token != ''
      |         ^^^^^^^^^^
      |
      = help: a sensitive variable can be used in values of `env` and `with`, in `run`, `args` and `local` only

    error[sensitive]: a `local` step gets the sensitive variable `token` only if its `env` lists it
      --> ovenbird.yml:10:22
       |
    10 |     local: login ${{ vars.token }}
       |                      ^^^^^^^^^^
       |
       = help: give it to a step by `env:`, as in `TOKEN: ${{ vars.token }}`
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

#[test]
fn a_context_is_known_where_it_can_be() {
    assert_snapshot!(check_with(r#"
        version: ${{ matrix.suite }}
        strategy: { max-parallel: "${{ strategy.job-total }}", matrix: { suite: [bookworm], n: [1] } }
        platforms:
          qemu: { builder: qemu, source: { debian: "${{ matrix.suite }}" }, cpus: "${{ platform.cpus }}" }
    "#), @r#"
    error[unknown-context]: the context `matrix` is not known here
     --> ovenbird.yml:1:14
      |
    1 | version: ${{ matrix.suite }}
      |              ^^^^^^^^^^^^
      |
      = help: what is known: `vars`, `git`, `ci`

    error[unknown-context]: the context `strategy` is not known here
     --> ovenbird.yml:2:32
      |
    2 | strategy: { max-parallel: "${{ strategy.job-total }}", matrix: { suite: [bookworm], n: [1] } }
      |                                ^^^^^^^^^^^^^^^^^^
      |
      = help: what is known: `vars`, `git`, `ci`

    error[unknown-context]: the context `platform` is not known here
     --> ovenbird.yml:4:80
      |
    4 |   qemu: { builder: qemu, source: { debian: "${{ matrix.suite }}" }, cpus: "${{ platform.cpus }}" }
      |                                                                                ^^^^^^^^^^^^^
      |
      = help: what is known: `vars`, `git`, `ci`, `matrix`, `strategy`, `image`, `job`
    "#);
}

#[test]
fn a_key_that_a_context_does_not_have_is_an_error_with_the_nearest() {
    assert_snapshot!(check_with(r#"
        version: ${{ git.shortsha }}
        env:
          RUN: ${{ ci.runid }} ${{ strategy.jobs }} ${{ image.tag }}
          JOB: ${{ job.status }} ${{ toJSON(job) }} ${{ runner.os }}
    "#), @"
    error[unknown-name]: `git` has no key `shortsha`
     --> ovenbird.yml:1:14
      |
    1 | version: ${{ git.shortsha }}
      |              ^^^^^^^^^^^^
      |
      = help: did you mean `short-sha`?
      = help: known keys: `sha`, `short-sha`, `branch`, `tag`, `dirty`, `commit-time`

    error[unknown-name]: `ci` has no key `runid`
     --> ovenbird.yml:3:12
      |
    3 |   RUN: ${{ ci.runid }} ${{ strategy.jobs }} ${{ image.tag }}
      |            ^^^^^^^^
      |
      = help: did you mean `run-id`?
      = help: known keys: `name`, `run-id`, `run-number`, `run-attempt`, `url`, `repository`, `sha`, `ref`, `branch`, `tag`, `event`, `pull-request`, `actor`, `job`, `server-url`

    error[unknown-name]: `strategy` has no key `jobs`
     --> ovenbird.yml:3:28
      |
    3 |   RUN: ${{ ci.runid }} ${{ strategy.jobs }} ${{ image.tag }}
      |                            ^^^^^^^^^^^^^
      |
      = help: known keys: `fail-fast`, `max-parallel`, `job-index`, `job-total`

    error[unknown-name]: `image` has no key `tag`
     --> ovenbird.yml:3:49
      |
    3 |   RUN: ${{ ci.runid }} ${{ strategy.jobs }} ${{ image.tag }}
      |                                                 ^^^^^^^^^
      |
      = help: known keys: `name`, `version`

    error[run-time]: `job.status` is known only while the job runs
     --> ovenbird.yml:4:12
      |
    4 |   JOB: ${{ job.status }} ${{ toJSON(job) }} ${{ runner.os }}
      |            ^^^^^^^^^^
      |
      = help: it can be used in `if`, and in values of a step's `env` and of `with`

    error[expression]: `job` can be used by name only
     --> ovenbird.yml:4:37
      |
    4 |   JOB: ${{ job.status }} ${{ toJSON(job) }} ${{ runner.os }}
      |                                     ^^^
      |
      = help: write `job.id` or `job.status`

    error[run-time]: `runner.os` is known only while the job runs
     --> ovenbird.yml:4:49
      |
    4 |   JOB: ${{ job.status }} ${{ toJSON(job) }} ${{ runner.os }}
      |                                                 ^^^^^^^^^
      |
      = help: it can be used in `if`, and in values of a step's `env` and of `with`
    ");
}

#[test]
fn a_context_can_be_used_as_a_whole_and_its_keys_in_any_case() {
    let text = "env: { A: \"${{ toJSON(git) }} ${{ CI.Run-ID }} ${{ join(ci.*) }} ${{ hashFiles('a') }}\" }\n";
    assert_eq!(check_with(text), "valid");
}

/// All that is wrong with a definition that uses files.
fn check_files(text: &str, files: &[(&str, &str)]) -> String {
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, dedent(text))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    match load("ovenbird.yml", &format!("name: web\n{PLATFORMS}{}", dedent(text)), &among(&files)) {
        Ok(_) => "valid".to_owned(),
        Err(report) => report.render(false),
    }
}

const MONITORING: &str = r#"
    name: Monitoring
    description: Installs the agent.
    inputs:
      endpoint: { description: Where it reports to, required: true }
      token: {}
      interval: { default: 60 }
    steps:
      - id: agent
        run: install-agent ${{ inputs.endpoint }} ${{ inputs.INTERVAL }}
        env: { TOKEN: "${{ inputs.token }}" }
      - if: steps.agent.outputs.port == '80' && inputs.interval == '60' && env.MODE != ''
        run: echo "$TOKEN"
        env: { MODE: x, TOKEN: "${{ inputs.token }}" }
    outputs:
      port: { description: The port, value: "${{ steps.agent.outputs.port }}" }
"#;

#[test]
fn everything_that_a_step_file_can_say() {
    let text = r#"
        variables: { token: { env: TOKEN, sensitive: true } }
        steps:
          - id: find
            run: echo a=b >>"$OVENBIRD_OUTPUT"
          - id: monitoring
            name: Watch it
            if: steps.find.outputs.a == 'b'
            uses: ./steps/monitoring.yml
            with: { endpoint: "https://x", Token: "Bearer ${{ vars.token }}" }
            env: { A: "${{ steps.find.outputs.a }}" }
            timeout-minutes: 3
            continue-on-error: true
          - uses: ./steps/nested.yaml
          - run: echo "$PORT"
            env: { PORT: "${{ steps.monitoring.outputs.port }}", OS: "${{ runner.os }} ${{ job.status }}" }
            if: env.PORT != '' && runner.arch == 'X64'
    "#;
    let nested = "steps:\n  - uses: ./steps/monitoring.yml\n    with: { endpoint: b }\n";
    assert_eq!(check_files(text, &[("steps/monitoring.yml", MONITORING), ("steps/nested.yaml", nested)]), "valid");
}

#[test]
fn a_mistake_in_a_step_file_is_told_once_and_names_both_files() {
    let text = "
        steps:
          - uses: ./part.yml
          - uses: ./part.yml
    ";
    assert_snapshot!(check_files(text, &[("part.yml", "
        input: {}
        inputs: { a: { requird: true }, 2b: {}, A: {} }
        steps:
          - rnu: true
          - run: echo ${{ inputs.b }} ${{ vars.x }}
    ")]), @"
    error[unknown-key]: a step file has no key `input`
     --> part.yml:1:1
      |
    1 | input: {}
      | ^^^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: did you mean `inputs`?
      = help: known keys: `name`, `description`, `inputs`, `steps`, `outputs`

    error[unknown-key]: an input has no key `requird`
     --> part.yml:2:16
      |
    2 | inputs: { a: { requird: true }, 2b: {}, A: {} }
      |                ^^^^^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: did you mean `required`?
      = help: known keys: `description`, `required`, `default`

    error[bad-name]: `2b` is no name of an input
     --> part.yml:2:33
      |
    2 | inputs: { a: { requird: true }, 2b: {}, A: {} }
      |                                 ^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: a name begins with a letter or `_`, and has letters, digits, `_` and `-` only

    error[conflict]: two inputs have the name `A`
     --> part.yml:2:41
      |
    2 | inputs: { a: { requird: true }, 2b: {}, A: {} }
      |           - first here                  ^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here

    error[unknown-key]: a step has no key `rnu`
     --> part.yml:4:5
      |
    4 |   - rnu: true
      |     ^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: did you mean `run`?
      = help: known keys: `name`, `id`, `if`, `run`, `script`, `upload`, `download`, `reboot`, `local`, `uses`, `with`, `args`, `to`, `owner`, `mode`, `env`, `shell`, `working-directory`, `timeout-minutes`, `retry`, `continue-on-error`

    error[unknown-name]: the step file has no input `b`
     --> part.yml:5:19
      |
    5 |   - run: echo ${{ inputs.b }} ${{ vars.x }}
      |                   ^^^^^^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: its inputs: `a`, `2b`, `A`

    error[unknown-name]: there is no variable `x`
     --> part.yml:5:35
      |
    5 |   - run: echo ${{ inputs.b }} ${{ vars.x }}
      |                                   ^^^^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: declare it: `variables: { x: … }`
    ");
}

#[test]
fn a_step_file_that_can_not_be_read_is_named_where_it_is_used() {
    let text = "
        steps:
          - uses: ./gone.yml
          - uses: steps/a.yml
          - uses: ./../a.yml
          - uses: ./a.sh
          - uses: actions/checkout@v4
          - uses: ./empty.yml
          - uses: ./broken.yml
            with: { a: 1 }
          - uses: ./list.yml
    ";
    let files = [("empty.yml", "# nothing\n"), ("broken.yml", "steps: [\n"), ("list.yml", "- run: true\n")];
    assert_snapshot!(check_files(text, &files), @"
    error[missing-file]: the file `gone.yml` is not there
     --> ovenbird.yml:4:11
      |
    4 |   - uses: ./gone.yml
      |           ^^^^^^^^^^

    error[bad-value]: `steps/a.yml` is no step file of this repository
     --> ovenbird.yml:5:11
      |
    5 |   - uses: steps/a.yml
      |           ^^^^^^^^^^^
      |
      = help: did you mean `./steps/a.yml`? a step file is named by its path from the folder of the definition

    error[bad-value]: `./../a.yml` leads out of the folder of the definition
     --> ovenbird.yml:6:11
      |
    6 |   - uses: ./../a.yml
      |           ^^^^^^^^^^
      |
      = help: keep step files inside it

    error[bad-value]: the name of a step file ends with `.yml` or `.yaml`, and `./a.sh` does not
     --> ovenbird.yml:7:11
      |
    7 |   - uses: ./a.sh
      |           ^^^^^^
      |
      = help: name a file with steps, such as `uses: ./a.yml`

    error[bad-value]: `actions/checkout@v4` is no step file of this repository
     --> ovenbird.yml:8:11
      |
    8 |   - uses: actions/checkout@v4
      |           ^^^^^^^^^^^^^^^^^^^
      |
      = help: the files of the repository are there: copy them into the guest with `upload: PATH` and `to: PATH`

    error[empty]: the file is empty: it has to have `steps`
     --> empty.yml:1:1
      |
    1 | # nothing
      | ^
      |
     ::: ovenbird.yml:9:11
      |
    9 |   - uses: ./empty.yml
      |           ----------- used here
      |
      = help: begin with `steps:`, and below it an item for each step

    error[yaml]: not valid YAML: unclosed bracket '['
      --> broken.yml:1:8
       |
     1 | steps: [
       |        ^
       |
      ::: ovenbird.yml:10:11
       |
    10 |   - uses: ./broken.yml
       |           ------------ used here

    error[wrong-type]: expected a step file, a mapping, found a list
      --> list.yml:1:1
       |
     1 | - run: true
       | ^
       |
      ::: ovenbird.yml:12:11
       |
    12 |   - uses: ./list.yml
       |           ---------- used here
       |
       = help: its keys: `name`, `description`, `inputs`, `steps`, `outputs`
    ");
}

#[test]
fn inputs_are_declared_and_given() {
    let text = "
        steps:
          - uses: ./steps/monitoring.yml
            with: { endpont: x }
          - uses: ./none.yml
            with: { a: 1 }
          - uses: ./none.yml
            retry: { attempts: 2 }
            shell: bash
          - run: a
            with: { a: 1 }
    ";
    let files = [("steps/monitoring.yml", MONITORING), ("none.yml", "steps: [{ run: a }]\n")];
    assert_snapshot!(check_files(text, &files), @"
    error[unknown-name]: `steps/monitoring.yml` has no input `endpont`
     --> ovenbird.yml:5:13
      |
    5 |     with: { endpont: x }
      |             ^^^^^^^
      |
     ::: steps/monitoring.yml:3:1
      |
    3 | inputs:
      | ------ declared here
      |
      = help: did you mean `endpoint`?
      = help: its inputs: `endpoint`, `token`, `interval`

    error[unknown-name]: `none.yml` has no input `a`
     --> ovenbird.yml:7:13
      |
    7 |     with: { a: 1 }
      |             ^
      |
      = help: declare it in the file, under `inputs`

    error[conflict]: `retry` has no effect on `uses`
     --> ovenbird.yml:9:5
      |
    9 |     retry: { attempts: 2 }
      |     ^^^^^
      |
      = help: it belongs to `run`, `script`, `upload`, `download`, `reboot`, `local`

    error[conflict]: `shell` has no effect on `uses`
      --> ovenbird.yml:10:5
       |
    10 |     shell: bash
       |     ^^^^^
       |
       = help: it belongs to `run`, `script`, `local`

    error[conflict]: `with` has no effect on `run`
      --> ovenbird.yml:12:5
       |
    12 |     with: { a: 1 }
       |     ^^^^
       |
       = help: it belongs to `uses`
    ");
}

#[test]
fn step_files_do_not_use_each_other_in_a_circle() {
    let files = [
        ("a.yml", "steps:\n  - run: a\n  - uses: ./b.yml\n"),
        ("b.yml", "steps:\n  - uses: ./c.yml\n"),
        ("c.yml", "steps:\n  - uses: ./b.yml\n"),
        ("self.yml", "steps:\n  - uses: ./self.yml\n"),
    ];
    assert_snapshot!(check_files("steps:\n  - uses: ./a.yml\n", &files), @"
    error[conflict]: step files use each other in a circle: `b.yml` → `c.yml` → `b.yml`
     --> c.yml:2:11
      |
    2 |   - uses: ./b.yml
      |           ^^^^^^^
      |
     ::: b.yml:2:11
      |
    2 |   - uses: ./c.yml
      |           ------- `c.yml` is used here
      |
     ::: a.yml:3:11
      |
    3 |   - uses: ./b.yml
      |           ------- `b.yml` is used here
      |
      = help: the steps would never end: take one of them out
    ");
    assert_snapshot!(check_files("steps:\n  - uses: ./self.yml\n", &files), @"
    error[conflict]: the step file `self.yml` uses itself
     --> self.yml:2:11
      |
    2 |   - uses: ./self.yml
      |           ^^^^^^^^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./self.yml
      |           ---------- `self.yml` is used here
      |
      = help: the steps would never end: take one of them out
    ");
}

#[test]
fn step_files_are_nested_ten_deep_and_come_to_a_thousand_steps_at_most() {
    let chain: Vec<(String, String)> = (1..=11)
        .map(|depth| {
            let step = if depth == 11 { "run: a".to_owned() } else { format!("uses: ./{}.yml", depth + 1) };
            (format!("{depth}.yml"), format!("steps:\n  - {step}\n"))
        })
        .collect();
    let files: Vec<(&str, &str)> = chain.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(check_files("steps:\n  - uses: ./2.yml\n", &files), "valid");
    assert_snapshot!(check_files("steps:\n  - uses: ./1.yml\n", &files), @"
    error[conflict]: step files use each other more than 10 deep
     --> 10.yml:2:11
      |
    2 |   - uses: ./11.yml
      |           ^^^^^^^^
      |
     ::: ovenbird.yml:4:11
      |
    4 |   - uses: ./1.yml
      |           ------- the first of them is used here
      |
     ::: 9.yml:2:11
      |
    2 |   - uses: ./10.yml
      |           -------- used here
      |
      = help: use the files beside each other, not inside each other
    ");

    let twice = |step: &str| format!("steps:\n  - {step}\n  - {step}\n");
    let doubling: Vec<(String, String)> = (1..=10)
        .map(|depth| {
            let step = if depth == 10 { "run: a".to_owned() } else { format!("uses: ./{}.yml", depth + 1) };
            (format!("{depth}.yml"), twice(&step))
        })
        .collect();
    let files: Vec<(&str, &str)> = doubling.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(check_files("steps:\n  - uses: ./3.yml\n", &files), "valid");
    // So many that nobody could walk through them all.
    let wide = |step: &str| format!("steps:\n{}", format!("  - {step}\n").repeat(200));
    let widening: Vec<(String, String)> = (1..=10)
        .map(|depth| {
            let step = if depth == 10 { "run: a".to_owned() } else { format!("uses: ./{}.yml", depth + 1) };
            (format!("{depth}.yml"), wide(&step))
        })
        .collect();
    let many: Vec<(&str, &str)> = widening.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert!(check_files("steps:\n  - uses: ./1.yml\n", &many).contains("more than 1000 steps"));
    assert_snapshot!(check_files("steps:\n  - uses: ./1.yml\n", &files), @"
    error[bad-value]: this comes to more than 1000 steps, those of step files counted
     --> 2.yml:3:5
      |
    3 |   - uses: ./3.yml
      |     ^^^^
      |
     ::: 1.yml:2:11
      |
    2 |   - uses: ./2.yml
      |           ------- used here
      |
      = help: put what belongs together into one script, which is faster too
    ");
}

#[test]
fn what_a_step_wrote_is_never_part_of_a_script_or_of_a_step_on_this_machine() {
    assert_snapshot!(check_with(r#"
        steps:
          - { id: find, run: a }
          - run: echo ${{ steps.find.outputs.a }} ${{ env.LATE }}
            env: { LATE: "${{ steps.find.outputs.a }}" }
            name: At ${{ runner.name }}
          - script: a.sh
            args: ["${{ steps.find.outputs.a }}"]
          - local: echo ${{ steps.find.outputs.a }}
            env: { A: "${{ steps.find.outputs['a b'] }}", B: "${{ steps.find.outcome }}" }
            working-directory: ${{ env.B }}
          - local: echo ${{ env.B }}
            env: { B: "${{ job.status }}" }
            if: steps.find.outputs.a == 'b'
    "#), @r#"
    error[run-time]: `steps.find.outputs.a` is known only while the job runs
     --> ovenbird.yml:3:19
      |
    3 |   - run: echo ${{ steps.find.outputs.a }} ${{ env.LATE }}
      |                   ^^^^^^^^^^^^^^^^^^^^
      |
      = help: pass it by `env:`, as in `VALUE: ${{ steps.find.outputs.a }}`, and read `$VALUE` in the script

    error[run-time]: `env.LATE` is known only while the job runs
     --> ovenbird.yml:3:47
      |
    3 |   - run: echo ${{ steps.find.outputs.a }} ${{ env.LATE }}
      |                                               ^^^^^^^^
      |
      = help: read it as `$LATE` when the script runs

    error[run-time]: `runner.name` is known only while the job runs
     --> ovenbird.yml:5:18
      |
    5 |     name: At ${{ runner.name }}
      |                  ^^^^^^^^^^^
      |
      = help: it can be used in `if`, and in values of a step's `env` and of `with`

    error[run-time]: `steps.find.outputs.a` is known only while the job runs
     --> ovenbird.yml:7:17
      |
    7 |     args: ["${{ steps.find.outputs.a }}"]
      |                 ^^^^^^^^^^^^^^^^^^^^
      |
      = help: pass it by `env:`, as in `VALUE: ${{ steps.find.outputs.a }}`, and read `$VALUE` in the script

    error[run-time]: a `local` step can't have `steps.find.outputs.a`: a machine that is being built could have written it
     --> ovenbird.yml:8:21
      |
    8 |   - local: echo ${{ steps.find.outputs.a }}
      |                     ^^^^^^^^^^^^^^^^^^^^
      |
      = help: use it in `if`, or pass it by `env:` to a step that runs in the guest

    error[run-time]: a `local` step can't have `steps.find.outputs.a b`: a machine that is being built could have written it
     --> ovenbird.yml:9:20
      |
    9 |     env: { A: "${{ steps.find.outputs['a b'] }}", B: "${{ steps.find.outcome }}" }
      |                    ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: use it in `if`, or pass it by `env:` to a step that runs in the guest

    error[run-time]: `env.B` is known only while the job runs
      --> ovenbird.yml:10:28
       |
    10 |     working-directory: ${{ env.B }}
       |                            ^^^^^
       |
       = help: it can be used in `if`, and in values of a step's `env` and of `with`

    error[run-time]: `env.B` is known only while the job runs
      --> ovenbird.yml:11:21
       |
    11 |   - local: echo ${{ env.B }}
       |                     ^^^^^
       |
       = help: read it as `$B` when the script runs
    "#);
    let text = r#"
        steps:
          - { id: find, run: a }
          - uses: ./part.yml
            with: { late: "${{ steps.find.outputs.a }}", plain: x }
            env: { HOSTILE: "${{ steps.find.outputs.a }}" }
    "#;
    assert_snapshot!(check_files(text, &[("part.yml", r#"
        inputs: { late: {}, plain: {} }
        steps:
          - run: echo ${{ inputs.late }} ${{ inputs.plain }} ${{ toJSON(inputs) }}
          - run: echo "$A"
            if: inputs.late == 'x'
            env: { A: "${{ inputs.late }} ${{ env.HOSTILE }}" }
          - local: echo
            env: { A: "${{ inputs.late }}", B: "${{ env.HOSTILE }}", C: "${{ inputs.plain }}" }
    "#)]), @r#"
    error[run-time]: `inputs.late` is known only while the job runs
     --> part.yml:3:19
      |
    3 |   - run: echo ${{ inputs.late }} ${{ inputs.plain }} ${{ toJSON(inputs) }}
      |                   ^^^^^^^^^^^
      |
     ::: ovenbird.yml:5:11
      |
    5 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: pass it by `env:`, as in `VALUE: ${{ inputs.late }}`, and read `$VALUE` in the script

    error[run-time]: `inputs.late` is known only while the job runs
     --> part.yml:3:65
      |
    3 |   - run: echo ${{ inputs.late }} ${{ inputs.plain }} ${{ toJSON(inputs) }}
      |                                                                 ^^^^^^
      |
     ::: ovenbird.yml:5:11
      |
    5 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: pass it by `env:`, as in `VALUE: ${{ inputs.late }}`, and read `$VALUE` in the script

    error[run-time]: a `local` step can't have `inputs.late`: a machine that is being built could have written it
     --> part.yml:8:20
      |
    8 |     env: { A: "${{ inputs.late }}", B: "${{ env.HOSTILE }}", C: "${{ inputs.plain }}" }
      |                    ^^^^^^^^^^^
      |
     ::: ovenbird.yml:5:11
      |
    5 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: use it in `if`, or pass it by `env:` to a step that runs in the guest

    error[run-time]: a `local` step can't have `env.HOSTILE`: a machine that is being built could have written it
     --> part.yml:8:45
      |
    8 |     env: { A: "${{ inputs.late }}", B: "${{ env.HOSTILE }}", C: "${{ inputs.plain }}" }
      |                                             ^^^^^^^^^^^
      |
     ::: ovenbird.yml:5:11
      |
    5 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: use it in `if`, or pass it by `env:` to a step that runs in the guest
    "#);
}

#[test]
fn an_input_that_holds_a_sensitive_value_stays_apart() {
    let text = r#"
        variables: { token: { env: TOKEN, sensitive: true } }
        steps:
          - { id: find, run: a }
          - uses: ./part.yml
            with: { token: "Bearer ${{ vars.token }}" }
          - uses: ./part.yml
            with: { token: "${{ vars.token }}${{ steps.find.outputs.a }}" }
            if: vars.token != ''
    "#;
    assert_snapshot!(check_files(text, &[
        ("part.yml", r#"
            inputs: { token: {} }
            steps:
              - run: login ${{ inputs.token }}
              - name: With ${{ inputs.token }}
                if: inputs.token != ''
                run: login ${{ format('{0}', inputs.token) }} ${{ toJSON(inputs) }}
              - local: login ${{ inputs.token }}
              - local: login ${{ inputs.token }}
                env: { T: "${{ inputs.Token }}" }
              - uses: ./inner.yml
                with: { secret: "${{ inputs.token }}" }
            outputs:
              token: { value: "${{ inputs.token }}" }
        "#),
        ("inner.yml", "
            inputs: { secret: {} }
            steps:
              - run: echo
                name: ${{ inputs.secret }}
        "),
    ]), @r#"
    error[sensitive]: an input can't hold both a sensitive value and one that is known only while the job runs
     --> ovenbird.yml:9:20
      |
    9 |     with: { token: "${{ vars.token }}${{ steps.find.outputs.a }}" }
      |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: pass them as two inputs

    error[sensitive]: the sensitive variable `token` would be shown here
      --> ovenbird.yml:10:9
       |
    10 |     if: vars.token != ''
       |         ^^^^^^^^^^
       |
       = help: a sensitive variable can be used in values of `env` and `with`, in `run`, `args` and `local` only

    error[sensitive]: the sensitive input `token` would be shown here
     --> part.yml:4:20
      |
    4 |   - name: With ${{ inputs.token }}
      |                    ^^^^^^^^^^^^
      |
     ::: ovenbird.yml:6:11
      |
    6 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: a sensitive input can be used in values of `env` and `with`, in `run`, `args` and `local` only

    error[sensitive]: the sensitive input `token` would be shown here
     --> part.yml:5:9
      |
    5 |     if: inputs.token != ''
      |         ^^^^^^^^^^^^
      |
     ::: ovenbird.yml:6:11
      |
    6 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: a sensitive input can be used in values of `env` and `with`, in `run`, `args` and `local` only

    error[sensitive]: the sensitive input `token` can't be part of a larger expression
     --> part.yml:6:34
      |
    6 |     run: login ${{ format('{0}', inputs.token) }} ${{ toJSON(inputs) }}
      |                                  ^^^^^^^^^^^^
      |
     ::: ovenbird.yml:6:11
      |
    6 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: write `${{ }}` around the input alone: its value is put in when it is used

    error[sensitive]: `inputs` holds a sensitive value, so it can be used by name only
     --> part.yml:6:62
      |
    6 |     run: login ${{ format('{0}', inputs.token) }} ${{ toJSON(inputs) }}
      |                                                              ^^^^^^
      |
     ::: ovenbird.yml:6:11
      |
    6 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: write `inputs.NAME`

    error[sensitive]: a `local` step gets the sensitive input `token` only if its `env` lists it
     --> part.yml:7:22
      |
    7 |   - local: login ${{ inputs.token }}
      |                      ^^^^^^^^^^^^
      |
     ::: ovenbird.yml:6:11
      |
    6 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: give it to a step by `env:`, as in `TOKEN: ${{ inputs.token }}`

    error[sensitive]: the sensitive input `token` would be shown here
      --> part.yml:13:24
       |
    13 |   token: { value: "${{ inputs.token }}" }
       |                        ^^^^^^^^^^^^
       |
      ::: ovenbird.yml:6:11
       |
     6 |   - uses: ./part.yml
       |           ---------- used here
       |
       = help: a sensitive input can be used in values of `env` and `with`, in `run`, `args` and `local` only

    error[sensitive]: the sensitive input `secret` would be shown here
      --> inner.yml:4:15
       |
     4 |     name: ${{ inputs.secret }}
       |               ^^^^^^^^^^^^^
       |
      ::: part.yml:10:11
       |
    10 |   - uses: ./inner.yml
       |           ----------- used here
       |
       = help: a sensitive input can be used in values of `env` and `with`, in `run`, `args` and `local` only
    "#);
}

#[test]
fn a_step_file_knows_its_own_steps_only() {
    let text = r#"
        env: { BASE: x }
        steps:
          - { id: outside, run: a }
          - { id: part, uses: ./part.yml, env: { GIVEN: y } }
          - run: echo
            env: { A: "${{ steps.inside.outcome }}", B: "${{ steps.part.outputs.prot }}", C: "${{ inputs.x }}" }
    "#;
    assert_snapshot!(check_files(text, &[("part.yml", r#"
        steps:
          - { id: inside, run: "echo ${{ env.GIVEN }} ${{ env.BASE }} ${{ env.GIVN }}" }
          - { if: steps.outside.outcome == 'success', run: a }
        outputs:
          port: { value: "${{ steps.insid.outputs.port }}" }
          other: { description: nothing }
    "#)]), @r#"
    error[unknown-name]: no step has the id `inside`
     --> ovenbird.yml:8:20
      |
    8 |     env: { A: "${{ steps.inside.outcome }}", B: "${{ steps.part.outputs.prot }}", C: "${{ inputs.x }}" }
      |                    ^^^^^^^^^^^^^^^^^^^^
      |
      = help: ids of the steps before: `outside`, `part`

    error[unknown-name]: the step file has no output `prot`
     --> ovenbird.yml:8:54
      |
    8 |     env: { A: "${{ steps.inside.outcome }}", B: "${{ steps.part.outputs.prot }}", C: "${{ inputs.x }}" }
      |                                                      ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `port`?
      = help: its outputs: `port`

    error[unknown-context]: there is no context `inputs`
     --> ovenbird.yml:8:91
      |
    8 |     env: { A: "${{ steps.inside.outcome }}", B: "${{ steps.part.outputs.prot }}", C: "${{ inputs.x }}" }
      |                                                                                           ^^^^^^^^
      |
      = help: only a step file has inputs: in a definition, declare a variable with `env:`, and use `vars.NAME`

    error[unknown-name]: `env` has no variable `GIVN`
     --> part.yml:2:67
      |
    2 |   - { id: inside, run: "echo ${{ env.GIVEN }} ${{ env.BASE }} ${{ env.GIVN }}" }
      |                                                                   ^^^^^^^^
      |
     ::: ovenbird.yml:6:23
      |
    6 |   - { id: part, uses: ./part.yml, env: { GIVEN: y } }
      |                       ---------- used here
      |
      = help: did you mean `GIVEN`?
      = help: what `env` has: `BASE`, `GIVEN`

    error[unknown-name]: no step has the id `outside`
     --> part.yml:3:11
      |
    3 |   - { if: steps.outside.outcome == 'success', run: a }
      |           ^^^^^^^^^^^^^^^^^^^^^
      |
     ::: ovenbird.yml:6:23
      |
    6 |   - { id: part, uses: ./part.yml, env: { GIVEN: y } }
      |                       ---------- used here
      |
      = help: ids of the steps before: `inside`

    error[unknown-name]: no step has the id `insid`
     --> part.yml:5:23
      |
    5 |   port: { value: "${{ steps.insid.outputs.port }}" }
      |                       ^^^^^^^^^^^^^^^^^^^^^^^^
      |
     ::: ovenbird.yml:6:23
      |
    6 |   - { id: part, uses: ./part.yml, env: { GIVEN: y } }
      |                       ---------- used here
      |
      = help: did you mean `inside`?
      = help: ids of the steps before: `inside`

    error[missing-key]: an output needs the key `value`
     --> part.yml:6:3
      |
    6 |   other: { description: nothing }
      |   ^^^^^
      |
     ::: ovenbird.yml:6:23
      |
    6 |   - { id: part, uses: ./part.yml, env: { GIVEN: y } }
      |                       ---------- used here
    "#);
}
