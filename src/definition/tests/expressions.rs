//! What a person reads of a wrong `${{ }}` or `if`: syntax, contexts and their keys, sensitive values.

use insta::assert_snapshot;

use super::check_with;

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
