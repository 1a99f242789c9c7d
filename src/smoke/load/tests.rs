//! Loading from a folder that is a map: imports, globs, variables, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};

use super::super::template::Data;
use super::{Files, load, vars};

/// Files by path.
struct Disk(BTreeMap<String, String>);

impl Disk {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Files for Disk {
    fn read(&self, path: &Utf8Path) -> Result<String, String> {
        self.0.get(path.as_str()).cloned().ok_or_else(|| "no such file or directory".to_owned())
    }

    fn names(&self, folder: &Utf8Path) -> Vec<String> {
        let prefix = if folder == "." { String::new() } else { format!("{folder}/") };
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        let mut names: Vec<String> = inside.map(|path| path.split('/').next().unwrap().to_owned()).collect();
        names.dedup();
        names
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

fn data() -> Data {
    Data { vars: BTreeMap::new(), env: BTreeMap::new() }
}

/// The names of the files in the order of the merge, or what is wrong.
fn order(files: &[(&str, &str)]) -> String {
    match load(Utf8Path::new("t/goss.yaml"), &data(), &Disk::new(files)) {
        Ok(loaded) => loaded.files.iter().map(|file| file.file.clone()).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn imports_are_relative_sorted_and_may_be_globs() {
    let files = [
        (
            "t/goss.yaml",
            "gossfile:\n  z.yaml: {}\n  b/*.yaml: {}\n  a:\n    file: c.yaml\n  off.yaml:\n    skip: true\n",
        ),
        ("t/z.yaml", "file: {}\n"),
        ("t/c.yaml", ""),
        ("t/b/2.yaml", "gossfile: {../d.yaml: {}}"),
        ("t/b/1.yaml", "{}"),
        ("t/d.yaml", ""),
    ];
    assert_eq!(order(&files), "t/goss.yaml t/c.yaml t/b/1.yaml t/b/2.yaml t/d.yaml t/z.yaml");
}

#[test]
fn what_cannot_be_imported_names_file_and_line() {
    let missing = [("t/goss.yaml", "file: {}\ngossfile:\n  nope.yaml: {}\n")];
    assert_eq!(order(&missing), "t/goss.yaml:3: cannot read `t/nope.yaml`: no such file or directory");
    let unmatched = [("t/goss.yaml", "gossfile:\n  x*.yaml: {}\n")];
    assert_eq!(order(&unmatched), "t/goss.yaml:2: no matched files were found: \"t/x*.yaml\"");
    let circle = [("t/goss.yaml", "gossfile: {a.yaml: {}}"), ("t/a.yaml", "\ngossfile:\n  goss.yaml: {}")];
    assert_eq!(order(&circle), "t/a.yaml:3: `t/goss.yaml` imports itself (t/goss.yaml → t/a.yaml → t/goss.yaml)");
    assert_eq!(order(&[("t/goss.yaml", "gossfile: [a]")]), "t/goss.yaml:1: `gossfile` must be a map of files");
    assert_eq!(order(&[]), "cannot read `t/goss.yaml`: no such file or directory");
}

#[test]
fn imports_end() {
    let files: Vec<(String, String)> =
        (0..60).map(|index| (format!("t/{index}.yaml"), format!("gossfile: {{{}.yaml: {{}}}}", index + 1))).collect();
    let mut all: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    all.push(("t/goss.yaml", "gossfile: {0.yaml: {}}"));
    assert!(order(&all).contains("max depth of 50 reached"), "{}", order(&all));
}

#[test]
fn the_later_file_wins_whole_and_render_shows_it() {
    let files = [
        (
            "t/goss.yaml",
            "user:\n  u: {exists: true}\nfile:\n  /b: {exists: true, mode: '0644'}\ngossfile: {a.yaml: {}}\n",
        ),
        ("t/a.yaml", "file:\n  /b: {exists: false}\n  /a: {exists: {{ true }}}\nport: {}\n"),
    ];
    let loaded = load(Utf8Path::new("t/goss.yaml"), &data(), &Disk::new(&files)).unwrap();
    let expected = "file:\n  /a:\n    exists: true\n  /b:\n    exists: false\nuser:\n  u:\n    exists: true\n";
    assert_eq!(loaded.render().unwrap(), expected);
    assert!(loaded.debug().starts_with("DEBUG: file after text/template render\nuser:"));
}

/// The cases of goss's own rules: files deep, later values that are not empty; the text whole.
#[test]
fn variables_merge_as_gos() {
    let disk = Disk::new(&[
        ("1", "{a: a, vars: {a: a, k: 1}}"),
        ("2", "{b: b, a: '', vars: {b: b, k: 0}}"),
        ("3", "{\"a\": \"later\", \"n\": 1000000}"),
        ("list", "[a]"),
    ]);
    let merged = |paths: &[&str], inline: &str| {
        let paths: Vec<Utf8PathBuf> = paths.iter().map(Utf8PathBuf::from).collect();
        let data = Data { vars: vars(&paths, inline, &disk).unwrap(), env: BTreeMap::new() };
        super::template::render("f", "{{.Vars}}", &data, &super::Asked(&disk)).unwrap().text
    };
    assert_eq!(merged(&["1", "2"], ""), "map[a:a b:b vars:map[a:a b:b k:1]]");
    assert_eq!(merged(&["1", "3"], "{}"), "map[a:later n:1e+06 vars:map[a:a k:1]]");
    assert_eq!(merged(&["1"], "{vars: {c: c}}"), "map[a:a vars:map[c:c]]");
    let error = vars(&["list".into()], "", &disk).unwrap_err();
    assert_eq!(error.to_string(), "list:1: variables are a map of names and values, and this is a list");
    assert!(vars(&["nope".into()], "", &disk).unwrap_err().to_string().contains("no such file"));
}
