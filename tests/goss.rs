//! `ovenbird goss` prints what goss prints, and ends as goss ends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use insta::assert_snapshot;
use ovenbird::diagnostic::{has_errors, render};
use ovenbird::smoke::spec::{self, Kind};
use regex::Regex;

/// `out_<spec>.<exit status>.<format>`: goss's own golden files, from the folder that `OVENBIRD_GOSS_VECTORS` names; without
/// one, ours of the same form.
#[test]
fn golden_files_of_goss_are_met() {
    let folder = std::env::var_os("OVENBIRD_GOSS_VECTORS").map(PathBuf::from);
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goss"));
    let (mut count, mut failures) = (0, Vec::new());
    for folder in folder.into_iter().chain([own]) {
        let before = count;
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            let Some((spec, status, format)) = golden(&name) else { continue };
            count += 1;
            let expected = std::fs::read_to_string(folder.join(&name)).unwrap();
            let (actual_status, actual) = run(&folder.join(format!("{spec}.yaml")), format, &["sort", "pretty"]);
            if normal(&expected) != normal(&actual) || actual_status != status {
                failures.push(format!("{name}: ended with {actual_status}\n{actual}"));
            }
        }
        assert!(count > before, "there are no golden files in `{}`", folder.display());
    }
    #[expect(clippy::print_stdout, reason = "the number is what a run of the golden files reports")]
    {
        println!("{count} golden files compared, {} differ", failures.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The spec, exit status and format in the name of a golden file.
fn golden(name: &str) -> Option<(&str, i32, &str)> {
    let mut parts = name.strip_prefix("out_")?.split('.');
    Some((parts.next()?, parts.next()?.parse().ok()?, parts.next()?))
}

/// goss's harness takes durations out, and blanks at the ends of lines.
fn normal(text: &str) -> String {
    let text = Regex::new(r"\d\.\d{3}s").unwrap().replace_all(text, "");
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn run(spec: &Path, format: &str, options: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("ovenbird").unwrap();
    command.args(["goss", "validate", "-f", format, "-g"]).arg(spec);
    options.iter().for_each(|option| {
        command.args(["-o", option]);
    });
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// The exit status and standard error for a goss file on standard input.
fn told(text: &str) -> (i32, String) {
    let mut command = Command::cargo_bin("ovenbird").unwrap();
    let output = command.args(["goss", "validate", "-g", "-"]).write_stdin(text).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_that_is_wrong_ends_with_78_and_says_where() {
    let (status, message) = told("matching:\n  a:\n    content: 1\n    matchs: 1\n");
    assert_eq!(status, 78);
    assert_snapshot!(message, @"
    error[unknown-key]: a matching has no attribute `matchs`
     --> -:4:5
      |
    4 |     matchs: 1
      |     ^^^^^^
      |
      = help: did you mean `matches`?
      = help: attributes: `matches`, `content`, `as-reader`, `title`, `meta`, `skip`

    to read more: ovenbird explain unknown-key
    ");
}

#[test]
fn a_file_without_tests_ends_with_78() {
    assert_eq!(told("matching: {}\n"), (78, "error: -: found 0 tests\n".to_owned()));
}

/// goss's own file for its integration tests, with words where its templates are. Ours stands in for it where it is not.
#[test]
fn files_of_all_types_are_read() {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goss/all_types.yaml"));
    let shared = std::env::var_os("OVENBIRD_GOSS_VECTORS").map(|folder| Path::new(&folder).join("goss-shared.yaml"));
    let template = Regex::new(r"\{\{.*?\}\}").unwrap();
    for path in shared.into_iter().chain([own]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("{{") || line.contains("}}:"));
        let text: String = lines.map(|line| format!("{}\n", template.replace_all(line, "word"))).collect();
        let (file, sources, diagnostics) = spec::parse(path.to_str().unwrap(), &text);
        assert!(!has_errors(&diagnostics), "{}", render(&diagnostics, &sources, false));
        let missing: Vec<&str> = Kind::ALL
            .into_iter()
            .filter(|kind| file.resources.iter().all(|resource| resource.kind != *kind))
            .map(Kind::key)
            .collect();
        assert!(missing.is_empty(), "{} has no {missing:?}", path.display());
        assert_eq!(file.imports.len(), 2);
    }
}

/// Files in a folder, and `ovenbird goss` there.
struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        Self(folder)
    }

    fn goss(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("ovenbird").unwrap();
        let output = command.current_dir(self.0.path()).arg("goss").args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn this_machine_is_tested() {
    let folder = Folder::of(&[(
        "goss.yaml",
        r#"
file:
  /etc/passwd: { exists: true, owner: root, mode: "0644", filetype: file, contents: ["/^root:/"] }
  /nowhere: { exists: false }
command:
  echo out; echo err >&2: { exit-status: 0, stdout: [out], stderr: [err] }
package: { dpkg: { installed: true } }
user: { root: { exists: true, uid: 0, home: /root } }
group: { root: { exists: true, gid: 0 } }
kernel-param: { kernel.ostype: { value: Linux } }
mount: { /proc: { exists: true, filesystem: proc } }
interface: { lo: { exists: true, addrs: { contain-element: 127.0.0.1/8 } } }
port: { tcp:1: { listening: false } }
process: { no-such-process: { running: false } }
"#,
    )]);
    let (status, told, warned) = folder.goss(&["validate", "-f", "documentation", "-o", "sort"]);
    assert_eq!((status, warned.as_str()), (0, ""), "{told}");
    assert!(told.contains("Count: 22, Failed: 0, Skipped: 0"), "{told}");
}

#[test]
fn a_failure_says_what_was_expected_and_what_is_there() {
    let folder = Folder::of(&[("goss.yaml", "user:\n  root:\n    exists: true\n    uid: 7\n")]);
    let (status, told, _) = folder.goss(&["validate", "-f", "tap"]);
    assert_eq!(status, 1);
    assert_snapshot!(told, @"
    1..2
    ok 1 - User: root: exists: matches expectation: true
    not ok 2 - User: root: uid: Expected 0 to be numerically eq 7
    ");
}

#[test]
fn files_are_templates_with_variables_and_import_others() {
    let folder = Folder::of(&[
        ("goss.yaml", "gossfile:\n  parts-*.yaml: {}\n"),
        ("parts-a.yaml", "matching:\n{{ range .Vars.names }}\n  {{ . }}: { content: 1, matches: 1 }\n{{ end }}\n"),
        ("vars.yaml", "names: [one, two]\n"),
    ]);
    let (status, told, _) = folder.goss(&["--vars", "vars.yaml", "validate", "-f", "tap", "-o", "sort"]);
    assert_eq!((status, told.lines().next()), (0, Some("1..2")), "{told}");
    let (status, rendered, _) = folder.goss(&["--vars", "vars.yaml", "--vars-inline", "names: [three]", "render"]);
    assert_eq!(status, 0);
    assert_snapshot!(rendered, @"
    matching:
      three:
        content: 1
        matches: 1
    ");
    let (status, _, told) = folder.goss(&["validate"]);
    assert_eq!(status, 78);
    assert_snapshot!(told, @r#"error: template: parts-a.yaml:2:14: executing "parts-a.yaml" at <.Vars.names>: map has no entry for key "names""#);
}

#[test]
fn tests_are_tried_again_until_they_pass_or_time_is_up() {
    let folder =
        Folder::of(&[("goss.yaml", "command:\n  echo >> tries; test $(wc -l < tries) = 3:\n    exit-status: 0\n")]);
    let (status, told, _) = folder.goss(&["validate", "-r", "30s", "-s", "10ms", "-f", "tap"]);
    assert_eq!((status, told.lines().count()), (0, 2), "{told}");
    let (status, told, warned) = folder.goss(&["validate", "-r", "100ms", "-s", "50ms", "-f", "tap"]);
    assert_eq!(status, 3, "{told}");
    assert!(told.contains("not ok 1") && warned.contains("did not pass within 100ms"), "{told}{warned}");
}

#[test]
fn an_interrupt_ends_the_commands_of_tests() {
    let folder =
        Folder::of(&[("goss.yaml", "command:\n  echo > begun; sleep 600:\n    exit-status: 0\n    timeout: 600000\n")]);
    let program = assert_cmd::cargo::cargo_bin("ovenbird");
    let mut child =
        std::process::Command::new(program).current_dir(folder.0.path()).args(["goss", "validate"]).spawn().unwrap();
    let begin = std::time::Instant::now();
    while !folder.0.path().join("begun").exists() {
        assert!(begin.elapsed().as_secs() < 60, "the command did not begin");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed().as_secs() < 90);
}

#[test]
fn nothing_that_a_test_quotes_is_obeyed_by_githubs_runner() {
    let command = "printf '##[error]a\\n::error::b\\nsame\\n'";
    let goss = format!(
        "command:\n  x:\n    exec: {command}\n    exit-status: 0\n    stdout: \"##[error]a\\n::error::b\\nother\\n\"\n"
    );
    let folder = Folder::of(&[("goss.yaml", &goss)]);
    for form in ["rspecish", "documentation", "json", "junit", "structured", "tap"] {
        let mut command = Command::cargo_bin("ovenbird").unwrap();
        command.current_dir(folder.0.path()).env("GITHUB_ACTIONS", "true").args(["goss", "validate", "-f", form]);
        let told = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(told.contains("error::b"), "{form}: the test quotes what was printed:\n{told}");
        assert!(!told.contains("##["), "{form}:\n{told}");
        assert!(!told.lines().any(|line| line.trim_start().starts_with("::")), "{form}:\n{told}");
    }
}

#[path = "goss/add.rs"]
mod add;

/// What no person would write, but a file from outside may hold.
#[test]
fn a_file_that_would_be_endless_is_refused_at_once() {
    let deep = format!("matching:\n  a:\n    content: 1\n    matches: {}1{}\n", "{not: ".repeat(200), "}".repeat(200));
    let (status, message) = told(&deep);
    assert_eq!(status, 78);
    assert!(message.starts_with("error: -:4: recursion limit exceeded"), "{message}");
    let bomb: String = ('b'..='j')
        .map(|name| {
            let before = char::from(name as u8 - 1);
            format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", "))
        })
        .collect();
    let (status, message) = told(&format!("a: &a [{}]\n{bomb}", "xxxxxxxxxx, ".repeat(10)));
    assert_eq!(status, 78);
    assert!(message.starts_with("error: -:1: repetition limit exceeded"), "{message}");
    let (status, message) = told(&format!("# {}\n", "x".repeat(17 * 1024 * 1024)));
    assert_eq!(status, 78);
    assert!(message.contains("it has more than 16777216 bytes"), "{message}");
    let begin = std::time::Instant::now();
    let (status, message) = told("{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}");
    assert_eq!(status, 78);
    assert!(message.starts_with("error: template: -:1:19: templates and blocks nest deeper"), "{message}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_matcher_or_an_attribute_of_a_wrong_type_is_told_with_its_line() {
    for (text, line, says) in [
        ("file:\n  - /x\n", 1, "expected a mapping for `file`, found a list"),
        ("dns:\n  a.b:\n    resolvable: true\n    server: [1]\n", 4, "this is a text"),
        ("dns:\n  a.b:\n    resolvable: true\n    timeout: soon\n", 4, "this is a number of milliseconds or attempts"),
        ("matching:\n  a:\n    content: 1\n    matches: {xml: {xpath: 'count(//a'}}\n", 4, "character 10: `,` or `)`"),
        ("matching:\n  a:\n    content: 1\n    matches: {have-len: x}\n", 4, "have-len"),
        ("matching:\n  a:\n    content: 1\n    matches: {match-regexp: '('}\n", 4, "no regular expression"),
        ("matching:\n  a:\n    content: 1\n    matches: {equal: 1, not: 2}\n", 4, "only one matcher"),
    ] {
        let (status, message) = told(text);
        assert_eq!(status, 78, "{text}");
        assert!(message.contains(&format!(" --> -:{line}:")), "{text}{message}");
        assert!(message.contains(says), "{text}{message}");
    }
}
