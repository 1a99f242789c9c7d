//! What a person reads of wrong step files, and of what they are used with.

use insta::assert_snapshot;

use super::{PLATFORMS, check_with};
use crate::definition::{among, load};
use crate::source::dedent::dedent;

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
