//! Definitions and the jobs that become of them.

use std::fmt::Write as _;

use camino::Utf8Path;
use insta::assert_snapshot;

use super::job::{Action, Condition, Job, Step};
use super::{Facts, Given, HashFiles, Plan, resolve_variables, select};
use crate::definition::{self, among};
use crate::diagnostic;
use crate::expression::{Object, Value};
use crate::source::dedent::dedent;

/// A plan, or all that is wrong.
fn plan_with(text: &str, given: &Given) -> Result<Plan, String> {
    let (definition, source) =
        definition::load("images/ovenbird.yml", &dedent(text), &among(&[])).map_err(|report| report.render(false))?;
    let render = |diagnostics: Vec<diagnostic::Diagnostic>| diagnostic::render(&diagnostics, &source, false);
    let (inputs, _) = resolve_variables(&definition, given).map_err(render)?;
    super::plan(&source, &definition, &inputs, Utf8Path::new("/repo/images")).map_err(render)
}

fn plan(text: &str) -> Result<Plan, String> {
    plan_with(text, &Given::default())
}

const HEAD: &str = "name: web\nplatforms: { qemu: { builder: qemu, source: { debian: bookworm } } }\n";

/// The steps of the first job, or all that is wrong.
fn steps(text: &str) -> String {
    match plan(&(HEAD.to_owned() + &dedent(text))) {
        Ok(plan) => plan.jobs.first().map(show_steps).unwrap_or_default(),
        Err(errors) => errors,
    }
}

fn show_steps(job: &Job) -> String {
    job.steps.iter().map(show_step).collect()
}

fn show_step(step: &Step) -> String {
    let mut text = format!("{} (line {}): {}", step.index, step.line, step.name);
    match &step.condition {
        Condition::Success => {}
        Condition::Never => text.push_str(", never"),
        Condition::When(expr) => {
            let _ = write!(text, ", if {expr}");
        }
    }
    if let Action::Run(run) = &step.action {
        let _ = write!(text, "\n   {:?} lines {:?} shell {:?}", run.script.to_string(), run.lines, run.shell);
    }
    text.push('\n');
    text
}

/// Errors of a definition, given variables.
fn errors(text: &str, given: &Given) -> String {
    plan_with(&(HEAD.to_owned() + &dedent(text)), given).map(|_| "planned".to_owned()).unwrap_or_else(|errors| errors)
}

fn json(plan: &Plan) -> String {
    let mut json = Vec::new();
    super::json(plan, &plan.jobs, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

#[test]
fn a_job_is_fully_resolved() {
    let plan = plan(
        r#"
            name: web
            variables: { port: 8080, token: { env: TOKEN, sensitive: true } }
            strategy: { matrix: { suite: [bookworm], cpus: [4] } }
            platforms:
              qemu:
                builder: qemu
                source: { debian: "${{ matrix.suite }}", packages: [nginx] }
                cpus: ${{ matrix.cpus }}
                disk-size: 4GiB
            env: { PORT: "${{ vars.port }}", TOKEN: "${{ vars.token }}" }
            steps:
              - run: |
                  login ${{ vars.token }}
                  serve ${{ env.PORT }} ${{ platform.arch }}
        "#,
    );
    let json = plan.map(|plan| json(&plan));
    assert_snapshot!(json.unwrap_or_else(|errors| errors), @r#"
    {
      "version": 1,
      "name": "web",
      "fail-fast": true,
      "max-parallel": null,
      "jobs": [
        {
          "version": 2,
          "id": "bookworm-4",
          "name": "web",
          "definition": "ovenbird.yml",
          "definition-digest": "d3b24126c0b030d6a72ad2d62031c54324b14e3a2847ff94fa0679de19650243",
          "root": "/repo/images",
          "matrix": {
            "suite": "bookworm",
            "cpus": 4
          },
          "platform": {
            "builder": "qemu",
            "source": {
              "debian": {
                "suite": "bookworm",
                "packages": [
                  "nginx"
                ],
                "kernel": "generic",
                "cloud-init": true,
                "mirror": null,
                "apt-sources": null
              }
            },
            "arch": "amd64",
            "disk-size": 4294967296,
            "memory": 1073741824,
            "cpus": 4,
            "firmware": "bios",
            "accelerator": "auto",
            "connect": {
              "user": "root",
              "timeout": 600
            }
          },
          "env": [
            {
              "name": "PORT",
              "value": [
                {
                  "literal": "8080"
                }
              ]
            },
            {
              "name": "TOKEN",
              "value": [
                {
                  "secret": "token"
                }
              ]
            }
          ],
          "steps": [
            {
              "index": 0,
              "id": null,
              "name": "Run login ***",
              "file": "ovenbird.yml",
              "line": 12,
              "condition": "success",
              "env": [],
              "timeout": null,
              "retry": {
                "attempts": 1,
                "delay": 0
              },
              "continue-on-error": false,
              "action": {
                "run": {
                  "script": [
                    {
                      "literal": "login "
                    },
                    {
                      "secret": "token"
                    },
                    {
                      "literal": "\nserve 8080 amd64\n"
                    }
                  ],
                  "lines": [
                    13,
                    14
                  ],
                  "shell": "default",
                  "working-directory": null
                }
              }
            }
          ],
          "outputs": [
            {
              "format": "qcow2",
              "compress": null
            }
          ],
          "secrets": [
            "token"
          ]
        }
      ]
    }
    "#);
}

#[test]
fn without_a_matrix_every_platform_is_built_once() {
    let text = r"
        name: web
        platforms:
          one: &q { builder: qemu, source: { debian: bookworm } }
          two: { <<: *q, firmware: uefi, memory: 512MiB }
        outputs: [qcow2, { format: raw, compress: zstd }]
        steps: [{ run: a, if: platform.firmware == 'uefi' }]
    ";
    let table = plan(text).map(|plan| super::table(&plan, &plan.jobs));
    assert_snapshot!(table.unwrap_or_else(|errors| errors), @r"
    JOB  PLATFORM  SOURCE           ARCH   FIRMWARE  MACHINE        OUTPUTS        STEPS
    one  one       debian bookworm  amd64  bios      2 CPU, 1GiB    qcow2 raw.zst  1 (1 skipped)
    two  two       debian bookworm  amd64  uefi      2 CPU, 512MiB  qcow2 raw.zst  1

    2 jobs, as many at once as the machine holds; a failed one stops the others.
    ");
}

#[test]
fn each_cell_of_a_matrix_is_a_job_for_its_platform() {
    let text = r#"
        name: web
        strategy:
          max-parallel: 2
          fail-fast: false
          matrix:
            platform: [one, two]
            suite: [bookworm, trixie]
            exclude: [{ platform: two, suite: trixie }]
        platforms:
          one: { builder: qemu, source: { debian: "${{ matrix.suite }}" } }
          two: { builder: qemu, source: { image: base.qcow2 } }
    "#;
    let table = plan(text).map(|plan| super::table(&plan, &plan.jobs));
    assert_snapshot!(table.unwrap_or_else(|errors| errors), @r"
    JOB           PLATFORM  SOURCE           ARCH   FIRMWARE  MACHINE      OUTPUTS  STEPS
    one-bookworm  one       debian bookworm  amd64  bios      2 CPU, 1GiB  qcow2    0
    one-trixie    one       debian trixie    amd64  bios      2 CPU, 1GiB  qcow2    0
    two-bookworm  two       base.qcow2       amd64  bios      2 CPU, 1GiB  qcow2    0

    3 jobs, at most 2 at once; a failed one leaves the others running.
    ");
}

#[test]
fn an_if_is_decided_as_far_as_planning_can() {
    assert_snapshot!(steps(r#"
        variables: { on: true }
        steps:
          - { run: a, if: vars.on }
          - { run: b, if: "!vars.on" }
          - { run: c, if: always() }
          - { run: d, if: "${{ failure() && vars.on }}" }
          - { run: e, if: false }
          - { run: f, if: "false && failure()" }
          - { run: g, if: env.X == 'y', env: { X: y } }
          - { run: h, if: true }
    "#), @r#"
    0 (line 5): Run a
       "a" lines [5] shell Default
    1 (line 6): Run b, never
       "b" lines [6] shell Default
    2 (line 7): Run c, if always()
       "c" lines [7] shell Default
    3 (line 8): Run d, if failure() && true
       "d" lines [8] shell Default
    4 (line 9): Run e, never
       "e" lines [9] shell Default
    5 (line 10): Run f, never
       "f" lines [10] shell Default
    6 (line 11): Run g
       "g" lines [11] shell Default
    7 (line 12): Run h
       "h" lines [12] shell Default
    "#);
}

#[test]
fn each_line_of_a_script_knows_its_line_of_the_definition() {
    assert_snapshot!(steps(r#"
        variables: { two: "x\ny" }
        steps:
          - run: |
              one

              two ${{ vars.two }} ${{
                'z' }}
              three
          - run: one
          - run: >
              folded
              into one

              second
          - run: "${{ vars.two }}"
    "#), @r#"
    0 (line 5): Run one
       "one\n\ntwo x\ny z\nthree\n" lines [6, 7, 8, 8, 10] shell Default
    1 (line 11): Run one
       "one" lines [11] shell Default
    2 (line 12): Run folded into one
       "folded into one\nsecond\n" lines [13, 16] shell Default
    3 (line 17): Run x
       "x\ny" lines [17, 17] shell Default
    "#);
}

#[test]
fn defaults_apply_to_what_runs_in_the_guest() {
    assert_snapshot!(steps(r"
        defaults: { run: { shell: sh, working-directory: /srv } }
        steps:
          - run: a
          - { run: b, shell: bash }
          - { local: c }
          - { script: d.sh }
          - { upload: e, to: /e }
          - reboot: {}
          - run: a very long command line that goes on and on until nobody wants to read it as a name
    "), @r#"
    0 (line 5): Run a
       "a" lines [5] shell Sh
    1 (line 6): Run b
       "b" lines [6] shell Bash
    2 (line 7): Run locally c
    3 (line 8): Run d.sh
    4 (line 9): Upload e to /e
    5 (line 10): Reboot
    6 (line 11): Run a very long command line that goes on and on until nobo…
       "a very long command line that goes on and on until nobody wants to read it as a name" lines [11] shell Sh
    "#);
}

#[test]
fn a_setting_that_an_expression_gives_is_checked_like_one_that_is_written() {
    let text = r#"
        name: web
        strategy: { matrix: { memory: [1GiB, 1GB], cpus: [two], list: [[a, b]] } }
        platforms:
          qemu: { builder: qemu, source: { debian: bookworm }, memory: "${{ matrix.memory }}", cpus: "${{ matrix.cpus }}", disk-size: 64MiB }
        steps:
          - run: echo ${{ matrix.list }}
          - upload: ${{ matrix.cpus }}/../..
            to: /x
    "#;
    assert_snapshot!(plan(text).map(|_| String::new()).unwrap_or_else(|errors| errors), @r#"
    error[bad-value]: `GB` is no unit of size
     --> images/ovenbird.yml:4:64
      |
    4 |   qemu: { builder: qemu, source: { debian: bookworm }, memory: "${{ matrix.memory }}", cpus: "${{ matrix.cpus }}", disk-size: 64MiB }
      |                                                                ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `1GiB`?
      = note: in the job `1gb-two-a-b`

    error[bad-value]: expected a number of CPUs, a whole number, found `two`
     --> images/ovenbird.yml:4:94
      |
    4 |   qemu: { builder: qemu, source: { debian: bookworm }, memory: "${{ matrix.memory }}", cpus: "${{ matrix.cpus }}", disk-size: 64MiB }
      |                                                                                              ^^^^^^^^^^^^^^^^^^^^
      |
      = note: in the job `1gib-two-a-b`

    error[bad-value]: a Debian system does not fit on a disk of 64MiB
     --> images/ovenbird.yml:4:127
      |
    4 |   qemu: { builder: qemu, source: { debian: bookworm }, memory: "${{ matrix.memory }}", cpus: "${{ matrix.cpus }}", disk-size: 64MiB }
      |                                                                                                                               ^^^^^
      |
      = help: give at least 1GiB
      = note: in the job `1gib-two-a-b`

    error[expression]: a list can't be put into a text
     --> images/ovenbird.yml:6:19
      |
    6 |   - run: echo ${{ matrix.list }}
      |                   ^^^^^^^^^^^
      |
      = help: use `join` or `toJSON`
      = note: in the job `1gib-two-a-b`

    error[bad-value]: `two/../..` leads out of the folder of the definition
     --> images/ovenbird.yml:7:13
      |
    7 |   - upload: ${{ matrix.cpus }}/../..
      |             ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a definition uses files of its own repository only: others have no history there
      = note: in the job `1gib-two-a-b`
    "#);
}

#[test]
fn a_key_that_only_some_cells_have_leaves_the_default_in_the_others() {
    let text = r#"
        name: web
        strategy: { matrix: { suite: [a, b], include: [{ suite: b, cpus: 8 }] } }
        platforms:
          qemu: { builder: qemu, source: { debian: "${{ matrix.suite }}" }, cpus: "${{ matrix.cpus }}" }
    "#;
    let cpus = plan(text).map(|plan| {
        plan.jobs
            .iter()
            .map(|job| {
                let qemu = job.platform.qemu().unwrap();
                qemu.cpus
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(cpus, Ok(vec![2, 8]));
}

#[test]
fn a_list_can_come_whole_from_one_expression() {
    let text = r#"
        name: web
        strategy: { matrix: { packages: [[nginx, curl]] } }
        platforms:
          qemu: { builder: qemu, source: { debian: bookworm, packages: "${{ matrix.packages }}" } }
    "#;
    let source = plan(text).map(|plan| {
        plan.jobs.first().map(|job| {
            let qemu = job.platform.qemu().unwrap();
            format!("{:?}", qemu.source)
        })
    });
    assert_snapshot!(source.unwrap_or_else(Some).unwrap_or_default(), @r#"Debian(Debian { suite: "bookworm", packages: ["nginx", "curl"], kernel: Generic, cloud_init: true, mirror: None, apt_sources: None })"#);
}

#[test]
fn an_image_from_the_web_needs_a_checksum() {
    let text =
        "name: web\nplatforms: { qemu: { builder: qemu, source: { image: \"https://images.example/a.qcow2\" } } }\n";
    assert_snapshot!(plan(text).map(|_| String::new()).unwrap_or_else(|errors| errors), @r#"
    error[missing-key]: an image from the web needs a `checksum`
     --> images/ovenbird.yml:2:54
      |
    2 | platforms: { qemu: { builder: qemu, source: { image: "https://images.example/a.qcow2" } } }
      |                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: add `checksum: "sha256:…"`, or `file:` and the URL of the `SHA256SUMS` beside the image
      = note: in the job `qemu`
    "#);
}

#[test]
fn files_that_jobs_need_are_listed_once_and_never_for_steps_that_do_not_run() {
    let text = r#"
        name: web
        strategy: { matrix: { n: [1, 2] } }
        platforms: { qemu: { builder: qemu, source: { image: base.qcow2, checksum: "file:SHA256SUMS" } } }
        steps:
          - script: scripts/a.sh
          - { upload: site/, to: /srv }
          - { upload: nowhere, to: /srv, if: false }
    "#;
    let plan = plan(text);
    let files = plan.as_ref().map(|plan| {
        plan.files.iter().map(|file| format!("{:?} {} {}\n", file.kind, file.path, file.job)).collect::<String>()
    });
    assert_snapshot!(files.unwrap_or_else(Clone::clone), @r"
    Checksums /repo/images/SHA256SUMS 1
    Image /repo/images/base.qcow2 1
    Script /repo/images/scripts/a.sh 1
    Upload /repo/images/site/ 1
    ");
    let (_, source) = definition::load("ovenbird.yml", &dedent(text), &among(&[])).unwrap();
    let missing: Vec<_> = plan
        .iter()
        .flat_map(|plan| &plan.files)
        .filter(|file| file.step == Some(0))
        .map(|file| super::missing_file(file, &["b.sh".to_owned(), "lib.sh".to_owned()]))
        .collect();
    assert_snapshot!(diagnostic::render(&missing, &source, false), @r"
    error[missing-file]: the script `scripts/a.sh` is not there
     --> ovenbird.yml:5:13
      |
    5 |   - script: scripts/a.sh
      |             ^^^^^^^^^^^^
      |
      = help: there is `b.sh` in the same folder
    ");
}

#[test]
fn the_last_value_given_to_a_variable_wins() {
    let variables = "variables: { v: { env: V, default: default } }\nsteps: [{ run: \"${{ vars.v }}\" }]\n";
    let script = |given: &Given| match plan_with(&format!("{HEAD}{variables}"), given).unwrap().jobs[0].steps[0]
        .action
        .clone()
    {
        Action::Run(run) => run.script.to_string(),
        other => format!("{other:?}"),
    };
    let mut given = Given::default();
    assert_eq!(script(&given), "default");
    given.environment.insert("V".to_owned(), String::new());
    assert_eq!(script(&given), "default");
    given.environment.insert("V".to_owned(), "environment".to_owned());
    assert_eq!(script(&given), "environment");
    given.files.push(("vars.yml".to_owned(), serde_yaml::from_str("v: file").unwrap()));
    assert_eq!(script(&given), "file");
    given.flags.extend([("v".to_owned(), "flag".to_owned()), ("v".to_owned(), "last".to_owned())]);
    assert_eq!(script(&given), "last");
}

#[test]
fn what_is_wrong_with_given_values_says_where_it_comes_from() {
    let variables = r"
        variables:
          port: { env: PORT, default: 80 }
          debug: false
          token: { env: TOKEN, required: true, sensitive: true }
          other: { required: true }
    ";
    let given = Given {
        environment: [("PORT".to_owned(), "http".to_owned())].into(),
        files: vec![("vars.yml".to_owned(), serde_yaml::from_str("prot: 1\n").unwrap())],
        flags: vec![("debug".to_owned(), "yes".to_owned()), ("nothing-like-it".to_owned(), String::new())],
        ..Given::default()
    };
    assert_snapshot!(errors(variables, &given), @r"
    error[unknown-variable]: `vars.yml`: there is no variable `prot`
     |
     = help: did you mean `port`?
     = help: variables of the definition: `port`, `debug`, `token`, `other`

    error[unknown-variable]: `--var`: there is no variable `nothing-like-it`
     |
     = help: variables of the definition: `port`, `debug`, `token`, `other`

    error[variable-type]: the environment variable `PORT` gives `port` a value that is not a number
     --> images/ovenbird.yml:4:3
      |
    4 |   port: { env: PORT, default: 80 }
      |   ^^^^
      |
      = help: its default says of which type `port` is

    error[variable-type]: `--var debug=…` gives `debug` a value that is not `true` or `false`
     |
     = help: its default says of which type `debug` is

    error[missing-variable]: the required variable `token` has no value
     --> images/ovenbird.yml:6:3
      |
    6 |   token: { env: TOKEN, required: true, sensitive: true }
      |   ^^^^^
      |
      = help: set the environment variable `TOKEN`, or give `--var token=…`

    error[missing-variable]: the required variable `other` has no value
     --> images/ovenbird.yml:7:3
      |
    7 |   other: { required: true }
      |   ^^^^^
      |
      = help: give it as `--var other=…` or in a `--var-file`
    ");
}

#[test]
fn a_sensitive_value_never_enters_a_job() {
    let text = HEAD.to_owned()
        + &dedent(
            r#"
            variables: { token: { env: TOKEN, sensitive: true } }
            env: { T: "Bearer ${{ vars.token }}" }
            steps: [{ run: "use ${{ vars.token }}" }]
            "#,
        );
    let given = Given { environment: [("TOKEN".to_owned(), "hunter2".to_owned())].into(), ..Given::default() };
    let plan = plan_with(&text, &given).unwrap();
    let json = json(&plan);
    assert!(!json.contains("hunter2"), "{json}");
    assert_eq!(plan.jobs[0].secrets, ["token"]);
    assert_eq!(plan.jobs[0].steps[0].name, "Run use ***");
    let (definition, _) = definition::load("ovenbird.yml", &text, &among(&[])).unwrap();
    let (inputs, secrets) = resolve_variables(&definition, &given).unwrap();
    assert!(inputs.variables.is_empty());
    assert_eq!(plan.jobs[0].env[0].value.expose(&secrets).as_deref(), Ok("Bearer hunter2"));
}

#[test]
fn a_nul_character_is_refused_before_a_program_gets_it() {
    assert_snapshot!(steps("steps: [{ run: \"a\\0b\" }]\n"), @r#"
    error[bad-value]: a NUL character can't be given to a program
     --> images/ovenbird.yml:3:16
      |
    3 | steps: [{ run: "a\0b" }]
      |                ^^^^^^
      |
      = note: in the job `qemu`
    "#);
}

#[test]
fn two_hundred_and_fifty_six_cells_are_jobs_with_unique_ids() {
    let numbers = (0..16).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "{HEAD}strategy: {{ matrix: {{ a: [{numbers}], b: [{numbers}] }} }}\nsteps: [{{ run: \"${{{{ matrix.a }}}}\" }}]\n"
    );
    let plan = plan(&text).unwrap();
    let ids: std::collections::BTreeSet<_> = plan.jobs.iter().map(|job| &job.id).collect();
    assert_eq!((plan.jobs.len(), ids.len(), plan.platforms.len()), (256, 256, 256));
}

#[test]
fn a_job_survives_its_wire_form() {
    let plan = plan(&format!("{HEAD}steps: [{{ run: a, if: \"failure() && true\" }}]\n")).unwrap();
    let json = serde_json::to_string(&plan.jobs[0]).unwrap();
    assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), plan.jobs[0]);
}

#[test]
fn a_question_after_an_earlier_step_is_left_for_the_job_to_answer() {
    let steps = "steps: [{ run: a, id: one }, { run: b, if: steps.one.outcome == 'failure' && 1 == 1 }]";
    let plan = plan(&format!("{HEAD}{steps}\n")).unwrap();
    let json = serde_json::to_string(&plan.jobs[0]).unwrap();
    let job = serde_json::from_str::<Job>(&json).unwrap();
    assert_eq!(job, plan.jobs[0]);
    let Condition::When(condition) = &job.steps[1].condition else { panic!("{:?}", job.steps[1].condition) };
    assert_snapshot!(condition, @"success() && steps.one.outcome == 'failure' && true");
}

#[test]
fn jobs_are_chosen_by_name_and_by_expression() {
    let plan = plan(
        r"
        name: web
        strategy: { matrix: { suite: [bookworm, trixie], n: [1, 2] } }
        platforms: { qemu: { builder: qemu, source: { debian: bookworm } } }
    ",
    )
    .unwrap();
    let choose = |jobs: &[&str], only: Option<&str>| {
        let jobs: Vec<String> = jobs.iter().map(|&job| job.to_owned()).collect();
        match select(&mut plan.clone(), &jobs, only) {
            Ok(jobs) => jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>().join(" "),
            Err(error) => format!("{error} ({})", error.hint()),
        }
    };
    assert_snapshot!(choose(&[], None), @"bookworm-1 bookworm-2 trixie-1 trixie-2");
    assert_snapshot!(choose(&["trixie-2", "bookworm-1"], None), @"bookworm-1 trixie-2");
    assert_snapshot!(choose(&[], Some("matrix.suite == 'trixie'")), @"trixie-1 trixie-2");
    assert_snapshot!(choose(&["trixie-2"], Some("${{ matrix.n == 2 && platform.name == 'qemu' }}")), @"trixie-2");
    assert_snapshot!(choose(&["trixie2"], None), @"there is no job `trixie2` (did you mean `trixie-2`?)");
    assert_snapshot!(choose(&[], Some("matrix.n == 3")), @"`--only matrix.n == 3` chooses none of the 4 jobs (`ovenbird plan` lists the jobs)");
    assert_snapshot!(choose(&[], Some("matrix.SUITE == 'trixie'")), @"trixie-1 trixie-2");
    assert_snapshot!(choose(&[], Some("matrix.siute == 'trixie'")), @"`--only matrix.siute == 'trixie'`: `matrix` has no key `siute` (did you mean `suite`?)");
    assert_snapshot!(choose(&[], Some("platform.firmware == 'uefi'")), @"`--only platform.firmware == 'uefi'`: `platform` has no key `firmware` (the keys of `platform` are `name`, `builder`)");
    assert_snapshot!(choose(&[], Some("matrix.n ==")), @"`--only matrix.n ==`: unexpected end of expression after `==` (write an expression such as `matrix.suite == 'bookworm'`; it can use `matrix`, `platform`, `job`, `strategy`, `image`, `git` and `ci`)");
    assert_snapshot!(choose(&[], Some("vars.x")), @"`--only vars.x`: unrecognized named-value `vars` (write an expression such as `matrix.suite == 'bookworm'`; it can use `matrix`, `platform`, `job`, `strategy`, `image`, `git` and `ci`)");
}

/// The repository and the CI say this.
fn facts(git: &[(&str, &str)], ci: &[(&str, &str)]) -> Given {
    let object = |pairs: &[(&str, &str)]| -> Object {
        // `dirty` is the one that is no text.
        let value = |text: &str| if text == "true" { Value::Bool(true) } else { Value::from(text) };
        pairs.iter().map(|(key, text)| (*key, value(text))).collect()
    };
    let hash_files = HashFiles::new(|patterns| match patterns {
        [pattern] if pattern == "gone" => Err("`gone` is a link to nothing".to_owned()),
        _ => Ok(format!("<{}>", patterns.join("|"))),
    });
    Given { facts: Facts { git: object(git), ci: object(ci), hash_files }, ..Given::default() }
}

#[test]
fn what_git_and_ci_say_stands_wherever_an_expression_can() {
    let given = facts(&[("branch", "main"), ("sha", "0123456789")], &[("name", "gitlab"), ("pull-request", "7")]);
    let plan = plan_with(
        r#"
            name: web
            version: 1.0-${{ ci.pull-request }}
            strategy: { max-parallel: "${{ ci.name == 'gitlab' && 3 || 1 }}", matrix: { n: [1, 2] } }
            platforms:
              qemu: { builder: qemu, source: { debian: bookworm }, cpus: "${{ strategy.job-index == 1 && 4 || 2 }}" }
            env: { BRANCH: "${{ git.branch }}" }
            steps:
              - run: echo ${{ image.name }} ${{ image.version }} ${{ job.id }} ${{ strategy.job-total }}
              - run: echo ${{ hashFiles('a', 'b/**') }}
                if: git.branch == 'main' && hashFiles('x') != '' && ci.tag == null
              - run: never
                if: job.id == '1'
        "#,
        &given,
    )
    .unwrap();
    assert_eq!(plan.max_parallel, Some(3));
    assert_snapshot!(show_steps(&plan.jobs[1]), @r#"
    0 (line 8): Run echo web 1.0-7 2 2
       "echo web 1.0-7 2 2" lines [8] shell Default
    1 (line 9): Run echo <a|b/**>
       "echo <a|b/**>" lines [9] shell Default
    2 (line 11): Run never, never
       "never" lines [11] shell Default
    "#);
    let qemu = plan.jobs[1].platform.qemu().unwrap();
    assert_eq!((qemu.cpus, plan.jobs[1].env[0].value.to_string()), (4, "main".to_owned()));
}

#[test]
fn a_version_is_the_definitions_else_the_tag_else_the_commit() {
    let version = |key: &str, git: &[(&str, &str)], ci: &[(&str, &str)]| {
        let plan = plan_with(&format!("{HEAD}{key}"), &facts(git, ci))?;
        assert_eq!(plan.jobs[0].image_version, plan.version);
        Ok::<_, String>(plan.version.unwrap_or_else(|| "none".to_owned()))
    };
    let git = [("short-sha", "01234567"), ("tag", "v2")];
    let dirty = [("short-sha", "01234567"), ("dirty", "true")];
    let long = "v".repeat(100);
    for (key, git, ci, expected) in [
        ("version: '1.10'\n", &git[..], &[("tag", "v1")][..], "1.10"),
        ("", &git[..], &[("tag", "v1")], "v1"),
        ("", &git, &[("sha", "f")], "v2"),
        ("", &git[..1], &[("sha", "f")], "01234567"),
        ("", &dirty, &[], "01234567-dirty"),
        ("", &[], &[("sha", "fedcba9876543210")], "fedcba98"),
        ("", &[("tag", "release/1.0")], &[], "release-1.0"),
        ("", &[("tag", long.as_str()), ("dirty", "true")], &[], &format!("{}-dirty", &long[..58])),
        ("", &[("tag", "--")], &[], "none"),
        ("", &[], &[], "none"),
        ("version: \"${{ git.tag }}\"\n", &[], &[("tag", "v1")], "v1"),
    ] {
        assert_eq!(version(key, git, ci).as_deref(), Ok(expected), "{key} {git:?} {ci:?}");
    }
}

#[test]
fn a_version_that_is_not_safe_is_refused() {
    assert_snapshot!(errors("version: feature/x\n", &Given::default()), @"
    error[bad-value]: `feature/x` can't be a version
     --> images/ovenbird.yml:3:10
      |
    3 | version: feature/x
      |          ^^^^^^^^^
      |
      = help: a version has letters, digits, `.`, `_`, `+` and `-` only, and begins with a letter or digit
    ");
    assert_snapshot!(errors("version: 1.10\n", &Given::default()), @"
    error[bad-value]: expected the version as a text, found the number 1.1
     --> images/ovenbird.yml:3:10
      |
    3 | version: 1.10
      |          ^^^^
      |
      = help: put it in quotes: YAML reads 1.10 as the number 1.1
    ");
    assert_snapshot!(errors("version: v${{ ci.branch }}\n", &facts(&[], &[("branch", "$(id)")])), @"
    error[bad-value]: `v$(id)` can't be a version
     --> images/ovenbird.yml:3:10
      |
    3 | version: v${{ ci.branch }}
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: a version has letters, digits, `.`, `_`, `+` and `-` only, and begins with a letter or digit
    ");
    let long = format!("version: {}\n", "1".repeat(65).replacen('1', "v", 1));
    assert_snapshot!(errors(&long, &Given::default()), @"
    error[bad-value]: the version `v1111111111111111111111111111111111111111111111111111111111111111` is too long
     --> images/ovenbird.yml:3:10
      |
    3 | version: v1111111111111111111111111111111111111111111111111111111111111111
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a version has at most 64 characters
    ");
}

#[test]
fn hash_files_tells_what_it_can_not_read_and_what_it_can_not_know() {
    let steps = r"
        steps:
          - { id: one, run: echo }
          - { run: echo, if: hashFiles('gone') == '' }
          - { run: echo, if: hashFiles(steps.one.outcome) == '' }
    ";
    assert_snapshot!(errors(steps, &facts(&[], &[])), @"
    error[expression]: `gone` is a link to nothing
     --> images/ovenbird.yml:5:22
      |
    5 |   - { run: echo, if: hashFiles('gone') == '' }
      |                      ^^^^^^^^^^^^^^^^^
      |
      = note: in the job `qemu`

    error[expression]: `hashFiles` is called before the first step runs
     --> images/ovenbird.yml:6:22
      |
    6 |   - { run: echo, if: hashFiles(steps.one.outcome) == '' }
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: its patterns can't come from what a step before did
      = note: in the job `qemu`
    ");
}

#[test]
fn jobs_are_chosen_by_what_git_and_ci_say() {
    let given = facts(&[("branch", "main")], &[("event", "schedule")]);
    let matrix = "version: v1\nstrategy: { matrix: { n: [1, 2, 3] } }\n";
    let plan = plan_with(&format!("{HEAD}{matrix}"), &given).unwrap();
    let choose = |only: &str| match select(&mut plan.clone(), &[], Some(only)) {
        Ok(jobs) => jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{error} ({})", error.hint()),
    };
    assert_snapshot!(choose("git.branch == 'main' && strategy.job-index > 0"), @"2 3");
    assert_snapshot!(choose("ci.event != 'schedule' || matrix.n == 1 && image.version == 'v1'"), @"1");
    assert_snapshot!(choose("ci.evnt == 'schedule'"), @"`--only ci.evnt == 'schedule'`: `ci` has no key `evnt` (did you mean `event`?)");
}

#[test]
fn every_context_can_be_looked_at_and_no_secret_with_it() {
    let text = r#"
        name: web
        variables: { port: 80, token: { env: TOKEN, sensitive: true } }
        strategy: { matrix: { n: [1, 2] } }
        platforms: { qemu: { builder: qemu, source: { debian: bookworm } } }
        env: { TOKEN: "${{ vars.token }}", PORT: "${{ vars.port }}-${{ matrix.n }}" }
    "#;
    let (definition, sources) = definition::load("ovenbird.yml", &dedent(text), &among(&[])).unwrap();
    let mut given = facts(&[("branch", "main")], &[("name", "github")]);
    given.environment.insert("TOKEN".to_owned(), "hunter2".to_owned());
    let (inputs, _) = resolve_variables(&definition, &given).unwrap();
    let contexts = |job: Option<&str>| {
        let root = Utf8Path::new("/repo/images");
        match super::contexts(&sources, &definition, &inputs, root, job) {
            Ok(contexts) => Value::Object(contexts).to_json(),
            Err(diagnostics) => diagnostic::render(&diagnostics, &sources, false),
        }
    };
    assert_snapshot!(contexts(Some("2")), @r#"
    {
      "vars": {
        "port": 80,
        "token": "***"
      },
      "git": {
        "branch": "main"
      },
      "ci": {
        "name": "github"
      },
      "matrix": {
        "n": 2
      },
      "strategy": {
        "fail-fast": true,
        "max-parallel": 2,
        "job-index": 1,
        "job-total": 2
      },
      "image": {
        "name": "web",
        "version": null
      },
      "job": {
        "id": "2"
      },
      "platform": {
        "name": "qemu",
        "builder": "qemu",
        "arch": "amd64",
        "firmware": "bios"
      },
      "env": {
        "TOKEN": "***",
        "PORT": "80-2"
      }
    }
    "#);
    assert!(contexts(None).contains("80-1"));
    assert_snapshot!(contexts(Some("3")), @"
    error[unknown-job]: there is no job `3`
     |
     = help: jobs: `1`, `2`
    ");
}

#[test]
fn every_context_has_the_keys_that_the_check_knows_of() {
    let plan = plan(HEAD).unwrap();
    let (definition, sources) = definition::load("ovenbird.yml", HEAD, &among(&[])).unwrap();
    let (inputs, _) = resolve_variables(&definition, &Given::default()).unwrap();
    let contexts =
        super::contexts(&sources, &definition, &inputs, Utf8Path::new("/"), Some(&plan.jobs[0].id.0)).unwrap();
    for (name, keys) in [
        ("strategy", definition::STRATEGY_KEYS),
        ("image", definition::IMAGE_KEYS),
        ("job", definition::JOB_KEYS),
        ("platform", definition::PLATFORM_KEYS),
    ] {
        let Some(Value::Object(context)) = contexts.get(name) else { panic!("there is no context `{name}`") };
        assert_eq!(context.keys().collect::<Vec<_>>(), keys, "{name}");
    }
}

/// The steps of the first job of a definition that uses files, or all that is wrong.
fn steps_with(text: &str, files: &[(&str, &str)]) -> String {
    let text = HEAD.to_owned() + &dedent(text);
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, dedent(text))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let (definition, sources) = match definition::load("images/ovenbird.yml", &text, &among(&files)) {
        Ok(loaded) => loaded,
        Err(report) => return report.render(false),
    };
    let (inputs, _) = resolve_variables(&definition, &Given::default()).unwrap();
    match super::plan(&sources, &definition, &inputs, Utf8Path::new("/repo/images")) {
        Ok(plan) => show_nested(&plan.jobs.first().unwrap().steps),
        Err(errors) => diagnostic::render(&errors, &sources, false),
    }
}

fn show_nested(steps: &[Step]) -> String {
    let env =
        |step: &Step| -> String { step.env.iter().map(|var| format!("   {}={}\n", var.name, var.value)).collect() };
    let show = |step: &Step| {
        let mut text = format!("{}: {}{}", step.file, show_step(step), env(step));
        if let Action::Uses(uses) = &step.action {
            let list = |what: &str, list: &[super::job::Named]| -> String {
                list.iter().map(|one| format!("   {what} {}={}\n", one.name, one.value)).collect()
            };
            text.push_str(&list("input", &uses.inputs));
            text.push_str(&show_nested(&uses.steps));
            text.push_str(&list("output", &uses.outputs));
        }
        text
    };
    steps.iter().map(show).collect()
}

#[test]
fn what_only_the_run_can_know_is_left_to_it() {
    assert_snapshot!(steps_with(r#"
        variables: { mode: fast, token: { env: TOKEN, sensitive: true } }
        env: { BASE: b }
        steps:
          - { id: find, run: a }
          - run: echo "$A"
            env:
              A: "${{ vars.mode }}-${{ steps.find.outputs.port }}-${{ vars.token }}"
              B: "${{ vars.mode == 'slow' && steps.find.outputs.port || 'none' }}"
              C: ${{ format('{0} {1}', vars.mode, runner.os) }}
              D: ${{ format('{0} {1}', job.id, job.status) }}
            if: env.C == 'fast Linux' && env.B == 'none' && vars.mode == 'fast'
          - run: echo
            if: env.BASE == 'b' && steps.find.outputs.port == vars.mode
    "#, &[]), @r#"
    ovenbird.yml: 0 (line 6): Run a
       "a" lines [6] shell Default
    ovenbird.yml: 1 (line 7): Run echo "$A", if success() && env.C == 'fast Linux' && env.B == 'none' && true
       "echo \"$A\"" lines [7] shell Default
       A=fast-${{ steps.find.outputs.port }}-***
       B=none
       C=${{ format('{0} {1}', 'fast', runner.os) }}
       D=${{ format('{0} {1}', 'qemu', job.status) }}
    ovenbird.yml: 2 (line 14): Run echo, if success() && steps.find.outputs.port == 'fast'
       "echo" lines [14] shell Default
    "#);
}

#[test]
fn the_steps_of_a_file_are_resolved_where_they_are_used() {
    let part = r#"
        name: Part
        inputs: { mode: { required: true }, token: {}, late: {}, size: { default: 3 } }
        steps:
          - id: one
            run: |
              echo ${{ inputs.mode }} ${{ inputs.size }}
              login ${{ inputs.token }}
            if: inputs.mode == 'fast'
          - name: Two
            run: echo "$LATE"
            env: { LATE: "${{ inputs.late }}", MODE: "${{ inputs.MODE }} ${{ env.GIVEN }}" }
            if: inputs.late == inputs.mode
        outputs:
          port: { value: "${{ steps.one.outputs.port }}:${{ inputs.size }}" }
    "#;
    assert_snapshot!(steps_with(r#"
        variables: { token: { env: TOKEN, sensitive: true } }
        steps:
          - { id: find, run: a }
          - uses: ./steps/part.yml
            with: { mode: fast, token: "Bearer ${{ vars.token }}", late: "${{ steps.find.outputs.a }}" }
            env: { GIVEN: g }
          - { name: Slow, uses: ./steps/nested.yml }
          - run: last
    "#, &[
        ("steps/part.yml", part),
        ("steps/nested.yml", "steps:\n  - uses: ./steps/part.yml\n    with: { mode: slow }\n"),
    ]), @r#"
    ovenbird.yml: 0 (line 5): Run a
       "a" lines [5] shell Default
    ovenbird.yml: 1 (line 6): Part
       GIVEN=g
       input mode=fast
       input token=Bearer ***
       input late=${{ steps.find.outputs.a }}
       input size=3
    steps/part.yml: 2 (line 4): Part / Run echo fast 3
       "echo fast 3\nlogin Bearer ***\n" lines [6, 7] shell Default
    steps/part.yml: 3 (line 9): Part / Two, if success() && inputs.late == inputs.mode
       "echo \"$LATE\"" lines [10] shell Default
       LATE=${{ inputs.late }}
       MODE=fast g
       output port=${{ steps.one.outputs.port }}:3
    ovenbird.yml: 4 (line 9): Slow
    steps/nested.yml: 5 (line 2): Slow / Part
       input mode=slow
       input token=
       input late=
       input size=3
    steps/part.yml: 6 (line 4): Slow / Part / Run echo slow 3, never
       "echo slow 3\nlogin \n" lines [6, 7] shell Default
    steps/part.yml: 7 (line 9): Slow / Part / Two, never
       "echo \"$LATE\"" lines [10] shell Default
       LATE=
       MODE=slow 
       output port=${{ steps.one.outputs.port }}:3
    ovenbird.yml: 8 (line 10): Run last
       "last" lines [10] shell Default
    "#);
}

#[test]
fn an_error_in_a_step_file_that_only_planning_finds_names_both_files_once() {
    assert_snapshot!(steps_with(r#"
        strategy: { matrix: { size: [1, 2] } }
        steps:
          - uses: ./part.yml
          - uses: ./part.yml
    "#, &[("part.yml", r#"
        steps:
          - run: a
            timeout-minutes: ${{ matrix.size && 'x' }}
    "#)]), @"
    error[bad-value]: expected a number of minutes, found `x`
     --> part.yml:3:22
      |
    3 |     timeout-minutes: ${{ matrix.size && 'x' }}
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
     ::: images/ovenbird.yml:5:11
      |
    5 |   - uses: ./part.yml
      |           ---------- used here
      |
      = help: write it without a unit, such as `10`
      = note: in the job `1`
    ");
}

#[test]
fn a_file_that_a_step_file_needs_is_looked_for_from_the_folder_of_the_definition() {
    let text = HEAD.to_owned() + "steps:\n  - uses: ./steps/part.yml\n  - { if: false, uses: ./steps/never.yml }\n";
    let files = [
        ("steps/part.yml", "steps:\n  - script: scripts/a.sh\n"),
        ("steps/never.yml", "steps:\n  - script: scripts/b.sh\n"),
    ];
    let (definition, sources) = definition::load("images/ovenbird.yml", &text, &among(&files)).unwrap();
    let (inputs, _) = resolve_variables(&definition, &Given::default()).unwrap();
    let plan = super::plan(&sources, &definition, &inputs, Utf8Path::new("/repo/images")).unwrap();
    let paths: Vec<_> = plan.files.iter().map(|file| (file.step, file.path.as_str())).collect();
    assert_eq!(paths, [(Some(1), "/repo/images/scripts/a.sh")]);
    let missing = super::missing_file(&plan.files[0], &[]);
    assert_snapshot!(diagnostic::render(&[missing], &sources, false), @"
    error[missing-file]: the script `scripts/a.sh` is not there
     --> steps/part.yml:2:13
      |
    2 |   - script: scripts/a.sh
      |             ^^^^^^^^^^^^
      |
     ::: images/ovenbird.yml:4:11
      |
    4 |   - uses: ./steps/part.yml
      |           ---------------- used here
      |
      = help: it was looked for at `/repo/images/scripts/a.sh`
    ");
}

/// What is tested in each job, in one line each.
fn tests(text: &str, given: &Given) -> Vec<String> {
    let plan = plan_with(&(HEAD.to_owned() + &dedent(text)), given).unwrap();
    let show = |job: &Job| match &job.tests {
        None => "nothing".to_owned(),
        Some(tests) => {
            let resources = tests.resources.iter().map(|resource| {
                let expected = resource.assertions.iter().map(|one| format!("{} {}", one.property, one.expected));
                format!("{} ({}) {}", resource.id, resource.object(), expected.collect::<Vec<_>>().join(" "))
            });
            format!("{:?} {}", tests.level, resources.collect::<Vec<_>>().join(", "))
        }
    };
    plan.jobs.iter().map(show).collect()
}

#[test]
fn a_definition_without_tests_asks_for_none_and_an_empty_key_for_what_is_always_tested() {
    assert_eq!(tests("", &Given::default()), ["nothing"]);
    for empty in ["tests:", "tests: {}"] {
        assert_eq!(tests(empty, &Given::default()), ["Standard "]);
    }
}

#[test]
fn images_of_a_tag_are_tested_at_the_level_full_unless_the_definition_says_otherwise() {
    let ci: Object = [("tag", Value::from("v1"))].into_iter().collect();
    let given = Given { facts: Facts { ci, ..Facts::default() }, ..Given::default() };
    assert_eq!(tests("tests: {}", &given), ["Full "]);
    assert_eq!(tests("tests: { level: standard }", &given), ["Standard "]);
    assert_eq!(tests("tests: { level: \"${{ ci.tag && 'full' || 'standard' }}\" }", &Given::default()), ["Standard "]);
}

#[test]
fn expressions_in_resources_are_filled_in_for_each_job_and_keep_their_types() {
    let text = r#"
        strategy: { matrix: { port: [80, 8080] } }
        tests:
          service: { "web-${{ matrix.port }}": { running: true } }
          command:
            ask: { exec: "echo ${{ matrix.port }}", exit-status: "${{ matrix.port }}", stderr: "${{ null }}" }
    "#;
    let asked =
        |port: u16| format!("Standard ask (echo {port}) exit-status {port}, web-{port} (web-{port}) running true");
    assert_eq!(tests(text, &Given::default()), [asked(80), asked(8080)]);
}

#[test]
fn what_is_only_warned_of_in_resources_does_not_keep_a_definition_from_being_planned() {
    let text = "tests: { command: { ask: { exit-status: '0' } } }";
    assert_eq!(tests(text, &Given::default()), ["Standard ask (ask) exit-status 0"]);
}

#[test]
fn resources_of_a_definition_stand_on_its_own_lines() {
    let text = "tests:\n  port:\n    \"tcp:${{ 80 }}\":\n      listening: true\n";
    let plan = plan(&(HEAD.to_owned() + text)).unwrap();
    let resource = &plan.jobs[0].tests.as_ref().unwrap().resources[0];
    let at = |place: &crate::event::Place| format!("{}:{}:{}", place.file, place.line, place.column.unwrap());
    assert_eq!((resource.id.as_str(), at(&resource.place)), ("tcp:80", "ovenbird.yml:5:5".to_owned()));
    assert_eq!(at(&resource.assertions[0].place), "ovenbird.yml:6:7");
}
