//! The workflows that people copy or call: `.github/workflows`, `templates`, `examples/ci`. What GitHub and GitLab would
//! refuse, and what their linters know to be dangerous, fails here.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells what it did")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

#[path = "../support/mod.rs"]
mod support;

mod github;
mod gitlab;
mod lint;

/// What `scripts/setup.sh test` installs.
fn installed(path: &str) -> PathBuf {
    let path = PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/ovenbird").join(path);
    assert!(path.exists(), "`{}` is missing: run scripts/setup.sh test", path.display());
    path
}

fn parsed(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
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

/// Makes a folder a repository of all that is in it.
fn commit(folder: &Path) {
    for arguments in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-qm", "Begin"]] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b.test"]).args(arguments);
        assert!(git.current_dir(folder).status().unwrap().success());
    }
}
