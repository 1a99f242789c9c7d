//! Goss files as people write them, and what is said of those that are wrong.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::diagnostic;
use crate::source::Route;

fn read(text: &str) -> File {
    let (file, sources, diagnostics) = parse("goss.yaml", text);
    assert!(!diagnostic::has_errors(&diagnostics), "{}", diagnostic::render(&diagnostics, &sources, false));
    file
}

fn told(text: &str) -> String {
    let (_, sources, diagnostics) = parse("goss.yaml", text);
    diagnostic::render(&diagnostics, &sources, false)
}

fn expected(resource: &Resource, property: &str) -> Option<Value> {
    resource.assertions.iter().find(|one| one.property == property).map(|one| one.expected.clone())
}

#[test]
fn attributes_become_assertions_in_the_order_of_goss() {
    let file = read(
        "file:\n  config:\n    path: /etc/x\n    sha256: ab\n    linked-to: /y\n    exists: true\n    mode: '0644'\n    title: T\n",
    );
    let [resource] = file.resources.as_slice() else { panic!("{file:?}") };
    assert_eq!(resource.shown_id(), "config: /etc/x");
    assert_eq!(resource.object(), "/etc/x");
    let lines: Vec<(&str, u32)> = resource.assertions.iter().map(|one| (one.property, one.place.line)).collect();
    assert_eq!(lines, [("exists", 6), ("mode", 7), ("linkedto", 5), ("sha256", 4)]);
    assert_eq!((resource.place.line, resource.title.as_deref()), (2, Some("T")));
}

#[test]
fn every_attribute_of_every_type_is_known() {
    for kind in Kind::ALL {
        let fields = table::of(kind);
        let known: Vec<&str> = fields.keys().collect();
        let mut unique = known.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), known.len(), "{}", fields.key);
        let gate = fields.assertions.first().is_some_and(|first| first.is == table::Is::Required);
        assert!(gate || !fields.gate, "{} has a gate that may be missing", fields.key);
    }
}

#[test]
fn keys_and_texts_may_look_like_numbers_and_truths() {
    let file = read("port: { 22: { listening: true } }\ncommand: { run: { exec: true, exit-status: 0 } }\n");
    assert_eq!(file.resources.iter().map(Resource::shown_id).collect::<Vec<_>>(), ["22", "run"]);
}

#[test]
fn json_is_read_too() {
    let file = read(r#"{"user": {"root": {"exists": true, "uid": 0, "groups": ["root"]}}}"#);
    assert_eq!(expected(&file.resources[0], "groups"), Some(json!(["root"])));
}

#[test]
fn what_expects_nothing_is_left_out_but_for_what_is_required() {
    let text = "command: { a: { exit-status: 0, stdout: [], stderr: '' } }\nprocess: { b: {} }\nservice: { c: {} }\n";
    let file = read(text);
    let properties = file.resources.iter().map(|one| one.assertions.iter().map(|one| one.property).collect::<Vec<_>>());
    assert_eq!(properties.collect::<Vec<_>>(), [vec!["exit-status", "stderr"], vec!["running"], vec![]]);
    assert_snapshot!(told("command: { a: { exit-status: 0, stdout: [] } }\n"), @r#"
    note[wrong-type]: an empty list of `stdout` expects nothing
     --> goss.yaml:1:33
      |
    1 | command: { a: { exit-status: 0, stdout: [] } }
      |                                 ^^^^^^
      |
      = help: write `""` to expect that there is no text
    "#);
}

#[test]
fn older_names_and_forms_are_read() {
    let file = read("dns: { a: { resolveable: true } }\nuser: { b: { exists: true, uid: '5' } }\n");
    assert_eq!(expected(&file.resources[0], "resolvable"), Some(json!(true)));
    assert_eq!(expected(&file.resources[1], "uid"), Some(json!(5)));
    assert_snapshot!(told("command: { a: { exit-status: '0' } }\n"), @"
    warning[wrong-type]: this should be a number and not a text
     --> goss.yaml:1:30
      |
    1 | command: { a: { exit-status: '0' } }
      |                              ^^^
      |
      = help: write it without quotes: `0`
    ");
}

#[test]
fn resources_are_sorted_and_the_last_of_a_name_counts() {
    let mut resources =
        read("user: { b: { exists: true } }\nfile: { z: { exists: true }, a: { exists: true } }\n").resources;
    resources.extend(read("user: { b: { exists: false } }\n").resources);
    let spec = Spec::new(resources);
    let ids: Vec<&str> = spec.resources.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["a", "z", "b"]);
    assert_eq!(expected(&spec.resources[2], "exists"), Some(json!(false)));
}

#[test]
fn imports_are_told_with_their_paths_in_order() {
    let file = read("gossfile: { z.yaml: {}, all: { file: 'conf.d/*.yaml', skip: true } }\n");
    let imports: Vec<(&str, bool)> = file.imports.iter().map(|one| (one.path.as_str(), one.skip)).collect();
    assert_eq!(imports, [("conf.d/*.yaml", true), ("z.yaml", false)]);
}

#[test]
fn a_severity_of_ours_is_read_from_meta() {
    assert!(read("process: { a: { running: true, meta: { severity: warn } } }\n").resources[0].only_warns());
    assert!(!read("process: { a: { running: true } }\n").resources[0].only_warns());
    assert_snapshot!(told("process: { a: { running: true, meta: { severity: low } } }\n"), @"
    error[wrong-type]: `severity` is `warn` or `error`
     --> goss.yaml:1:50
      |
    1 | process: { a: { running: true, meta: { severity: low } } }
      |                                                  ^^^
    ");
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    assert_snapshot!(told("fil:\n  /x: { exists: true }\nfile:\n  /y: { exists: true, onwer: root }\n"), @"
    error[unknown-key]: goss has no type of resources `fil`
     --> goss.yaml:1:1
      |
    1 | fil:
      | ^^^
      |
      = help: did you mean `file`?
      = help: types: `addr`, `command`, `dns`, `file`, `group`, `http`, `interface`, `kernel-param`, `matching`, `mount`, `package`, `port`, `process`, `service`, `user`, `gossfile`

    error[unknown-key]: a file has no attribute `onwer`
     --> goss.yaml:4:23
      |
    4 |   /y: { exists: true, onwer: root }
      |                       ^^^^^
      |
      = help: did you mean `owner`?
      = help: attributes: `exists`, `mode`, `owner`, `uid`, `group`, `gid`, `linked-to`, `filetype`, `contains`, `contents`, `size`, `md5`, `sha256`, `sha512`, `path`, `title`, `meta`, `skip`
    ");
}

#[test]
fn a_matcher_that_is_wrong_is_shown_where_it_is() {
    let text = "file:\n  /x:\n    exists: true\n    size: { and: [{ gt: 5 }, { lessthan: 9 }] }\n    contents: [ok, 5]\n    \
                owner: { have-prefix: [a] }\n    mode: 0644\n";
    assert_snapshot!(told(text), @r#"
    error[wrong-type]: a mode is a text, and this is a number
     --> goss.yaml:7:11
      |
    7 |     mode: 0644
      |           ^^^^
      |
      = help: put it in quotes: `"0644"`

    error[wrong-type]: Invalid 'have-prefix' argument. Expected string value, but received: []interface {}: ["a"]
     --> goss.yaml:6:14
      |
    6 |     owner: { have-prefix: [a] }
      |              ^^^^^^^^^^^

    error[wrong-type]: a pattern is a text: write `"5"`, in quotes
     --> goss.yaml:5:20
      |
    5 |     contents: [ok, 5]
      |                    ^

    error[unknown-key]: there is no matcher `lessthan`
     --> goss.yaml:4:32
      |
    4 |     size: { and: [{ gt: 5 }, { lessthan: 9 }] }
      |                                ^^^^^^^^
      |
      = help: matchers: `equal`, `have-prefix`, `have-suffix`, `match-regexp`, `contain-substring`, `have-len`, `have-patterns`, `have-key`, `contain-element`, `contain-elements`, `consist-of`, `not`, `and`, `or`, `gt`, `ge`, `lt`, `le`, `semver-constraint`, `gjson`, `xml`
    "#);
}

#[test]
fn a_setting_of_the_wrong_type_is_refused() {
    assert_snapshot!(told("http:\n  u: { status: 200, timeout: soon, allow-insecure: 'yes', request-headers: a }\n"), @"
    error[wrong-type]: this is a number of milliseconds or attempts
     --> goss.yaml:2:30
      |
    2 |   u: { status: 200, timeout: soon, allow-insecure: 'yes', request-headers: a }
      |                              ^^^^

    error[wrong-type]: this is `true` or `false`
     --> goss.yaml:2:52
      |
    2 |   u: { status: 200, timeout: soon, allow-insecure: 'yes', request-headers: a }
      |                                                    ^^^^^

    error[wrong-type]: this is a list of texts
     --> goss.yaml:2:76
      |
    2 |   u: { status: 200, timeout: soon, allow-insecure: 'yes', request-headers: a }
      |                                                                            ^
    ");
}

#[test]
fn resources_in_another_file_are_read_with_what_its_expressions_give_on_its_own_lines() {
    let text = "a: 1\nport:\n  'tcp:${{ port }}': { listening: true, ip: ['${{ unknown }}'] }\nuser: { b: { exists: true, uid: '${{ port }}' } }\n";
    let (sources, _) = crate::source::Sources::parse("other.yml", text);
    let source = sources.main();
    let mut fill = |text: &str, _: &Route| match text {
        "tcp:${{ port }}" => Some("tcp:80".into()),
        "${{ port }}" => Some(80.into()),
        _ => None,
    };
    let part = Part::new(source, Route::root(), source.value(), &mut fill);
    let (file, diagnostics) = parse_part(&part);
    assert_eq!(diagnostics, []);
    let port = &file.resources[0];
    assert_eq!((port.id.as_str(), port.place.line, port.place.column), ("tcp:80", 3, Some(3)));
    // What is not known is left out.
    assert_eq!(port.assertions.iter().map(|one| one.property).collect::<Vec<_>>(), ["listening"]);
    assert_eq!(expected(&file.resources[1], "uid"), Some(json!(80)));
}

#[test]
fn what_always_fails_is_told_before_it_is_tried() {
    assert_snapshot!(told("file: { /a: { mode: '0644' }, /b: { mode: '0644', skip: true } }\n"), @"
    warning[missing-key]: the file `/a` has no `exists`, without which it always fails
     --> goss.yaml:1:9
      |
    1 | file: { /a: { mode: '0644' }, /b: { mode: '0644', skip: true } }
      |         ^^
      |
      = help: add `exists: true`
    ");
}
