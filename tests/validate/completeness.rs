//! All errors of all files at once, and none that another one made up.

use insta::assert_snapshot;

use crate::project::Project;

#[test]
fn a_mistake_hides_no_other_whatever_finds_it() {
    let project = Project::new(
        r#"name: web
variables:
  release: { required: true }
  cpus: many
strategy: { matrix: { suite: [bookworm, trixie] } }
platforms:
  qemu:
    builder: qemu
    source: { debian: "${{ matrix.suite }}" }
    memroy: 1GiB
    cpus: ${{ vars.cpus }}
steps:
  - script: scripts/setpu.sh
    timout-minutes: 3
  - upload: nothing/
  - run: |
      echo ${{ vars.release }}
      fi
  - run: |
      if true; then
"#,
    );
    assert_snapshot!(project.file("scripts/setup.sh", "").validate(), @"
    error[missing-variable]: the required variable `release` has no value
     --> ovenbird.yml:3:3
      |
    3 |   release: { required: true }
      |   ^^^^^^^
      |
      = help: give it as `--var release=…` or in a `--var-file`

    error[unknown-key]: a platform has no key `memroy`
      --> ovenbird.yml:10:5
       |
    10 |     memroy: 1GiB
       |     ^^^^^^
       |
       = help: did you mean `memory`?
       = help: known keys: `builder`, `source`, `arch`, `disk-size`, `memory`, `cpus`, `firmware`, `accelerator`, `connect`

    error[bad-value]: expected a number of CPUs, a whole number, found `many`
      --> ovenbird.yml:11:11
       |
    11 |     cpus: ${{ vars.cpus }}
       |           ^^^^^^^^^^^^^^^^
       |
       = note: in the job `bookworm`

    error[missing-file]: the script `scripts/setpu.sh` is not there
      --> ovenbird.yml:13:13
       |
    13 |   - script: scripts/setpu.sh
       |             ^^^^^^^^^^^^^^^^
       |
       = help: there is `setup.sh` in the same folder

    error[unknown-key]: a step has no key `timout-minutes`
      --> ovenbird.yml:14:5
       |
    14 |     timout-minutes: 3
       |     ^^^^^^^^^^^^^^
       |
       = help: did you mean `timeout-minutes`?
       = help: known keys: `name`, `id`, `if`, `run`, `script`, `upload`, `download`, `reboot`, `local`, `uses`, `with`, `args`, `to`, `owner`, `mode`, `env`, `shell`, `working-directory`, `timeout-minutes`, `retry`, `continue-on-error`

    error[missing-key]: `upload` needs the key `to`
      --> ovenbird.yml:15:5
       |
    15 |   - upload: nothing/
       |     ^^^^^^
       |
       = help: say where in the guest it goes, such as `to: /srv/www`

    error[missing-file]: the file or folder `nothing/` is not there
      --> ovenbird.yml:15:13
       |
    15 |   - upload: nothing/
       |             ^^^^^^^^
       |
       = help: it was looked for at `ROOT/nothing/`

    error[script-syntax]: the script is not valid bash: unexpected end of file
      --> ovenbird.yml:20:7
       |
    20 |       if true; then
       |       ^^^^^^^^^^^^^
       |
       = help: something above is not closed: an `if`, a loop, a bracket or a quote
       = note: in the job `bookworm`

    to read more: ovenbird explain bad-value missing-file missing-key missing-variable script-syntax unknown-key
    `ovenbird.yml` has 8 errors.
    ");
}

#[test]
fn what_could_not_be_read_makes_up_no_error() {
    let cases = [
        // A variable whose declaration is wrong: nobody knows what it would be.
        (
            "variables: { cpus: { defualt: 4 } }\nsteps: [{ run: a, timeout-minutes: \"${{ vars.cpus }}\" }]\n",
            "a variable has no key `defualt`",
        ),
        ("varaibles: { cpus: 4 }\nsteps: [{ run: \"${{ vars.cpus }}\" }]\n", "a definition has no key `varaibles`"),
        (
            "variables: [cpus]\nsteps: [{ run: \"${{ vars.cpus }}\" }]\n",
            "expected `variables`, a mapping, found a list",
        ),
        ("variables: { n: !x 4 }\nsteps: [{ run: \"${{ fromJSON(vars.n) }}\" }]\n", "YAML tags have no meaning here"),
        // A required one that is missing.
        (
            "variables: { n: { required: true } }\nsteps: [{ run: \"${{ fromJSON(vars.n) }}\" }]\n",
            "the required variable `n` has no value",
        ),
        // A matrix that does not expand.
        (
            "strategy: { matrix: { n: [] } }\nsteps: [{ run: a, timeout-minutes: \"${{ matrix.n }}\" }]\n",
            "the matrix has no value for `n`",
        ),
        (
            "strategy: { matirx: { n: [1] } }\nsteps: [{ run: \"${{ fromJSON(matrix.n) }}\" }]\n",
            "`strategy` has no key `matirx`",
        ),
        // A platform that is not as it was meant.
        (
            "platforms: { q: { builder: qemu, source: { debian: a }, firmwre: uefi } }\n\
             steps: [{ script: x, if: platform.firmware != 'uefi' }]\n",
            "a platform has no key `firmwre`",
        ),
        (
            "platforms: { q: { builder: qemu, source: { image: \"http://a/b\", checksum: sha256:0 } } }\n",
            "a sha256 digest has 64 hexadecimal digits",
        ),
        // An `env` that is not, in the definition and in a step.
        (
            "env: { N: [1] }\nsteps: [{ run: a, timeout-minutes: \"${{ fromJSON(env.N) }}\" }]\n",
            "expected a text, found a list",
        ),
        ("steps: [{ run: \"${{ fromJSON(env.N) }}\", env: { N: [1] } }]\n", "expected a text, found a list"),
        ("env: { N: \"${{ fromJSON('[') }}\" }\nsteps: [{ run: a, timeout-minutes: \"${{ env.N }}\" }]\n", ""),
        // A step that may never run needs no file.
        ("steps: [{ script: x, if: \"false &&\" }]\n", "not a valid expression: "),
        ("steps: [{ script: x, if: vars.x }]\n", "there is no variable `x`"),
        // A script is not parsed with a hole in it.
        ("steps: [{ run: \"if ${{ vars.x }} fi\" }]\n", "there is no variable `x`"),
    ];
    for (definition, message) in cases {
        let heads = Project::with(definition).heads();
        assert!(heads.len() == 2 && heads[0].contains(message), "{definition}\n{heads:#?}");
    }
}

#[test]
fn a_matrix_from_the_command_line_that_is_wrong_makes_up_no_error() {
    let workflow = "on: push\njobs: { build: { strategy: { matrix: \"${{ fromJSON(needs.a.outputs.b) }}\" } } }\n";
    let project = |strategy: &str| {
        let platforms = "platforms: { qemu: { builder: qemu, source: { debian: \"${{ matrix.suite }}\" } } }\n";
        let definition = format!("{strategy}{platforms}env: {{ S: \"${{{{ matrix.suite }}}}\" }}\n");
        Project::with(&definition).file(".github/workflows/x.yml", workflow)
    };
    let own = project("strategy: { matrix: { suite: [bookworm] } }\n");
    let dynamic = project("strategy: { from: .github/workflows/x.yml, job: build }\n");
    let none = project("");
    let cases = [
        (r#"{"suite": []}"#, "the matrix has no value for `suite`"),
        (r#"{"suite": ["a"], "exclude": [{"suite": "a"}]}"#, "`exclude` leaves no cell of the matrix"),
        (r#"{"suite": [}"#, "not valid YAML"),
        ("[]", ""),
    ];
    for (matrix, message) in cases {
        for project in [&own, &dynamic, &none] {
            let heads = project.heads_with(&["--matrix", matrix]);
            assert!(heads.len() == 2 && heads[0].contains(message), "{matrix}\n{heads:#?}");
        }
    }
    for (cell, message) in [(r#"{"suite": "#, "not valid YAML"), ("3", "expected a cell")] {
        for project in [&own, &none] {
            let heads = project.heads_with(&["--cell", cell]);
            assert!(heads.len() == 2 && heads[0].contains(message), "{cell}\n{heads:#?}");
        }
    }
}

#[test]
fn what_does_not_need_the_unknown_is_checked_all_the_same() {
    let missing = |definition: &str| {
        let heads = Project::with(definition).heads();
        assert!(heads.iter().any(|head| head.contains("the script `x` is not there")), "{definition}\n{heads:#?}");
    };
    missing("strategy: { matrix: { n: [] } }\nsteps: [{ script: x }]\n");
    missing("platforms: { q: { builder: qemu } }\nsteps: [{ script: x }]\n");
    missing("platforms: 3\nsteps: [{ script: x }]\n");
    missing("variables: 3\nsteps: [{ script: x, if: \"true\" }]\n");
    missing("steps: [{ script: x, retry: 3 }]\n");
    missing("env: 3\nsteps: [{ script: x }, { run: }]\n");
}
