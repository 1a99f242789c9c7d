//! Matrices read from CI configuration: every workflow and GitLab file of `tests/ci_config`, and what becomes of it.
//!
//! The first line of a file names the job, `# job: build`. The result is beside it, in `NAME.snap`: a line a cell, or the
//! error as people read it. Files in `ci/` are what others include.

#![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

use std::fs;
use std::path::{Path, PathBuf};

use camino::Utf8Path;
use ovenbird::definition::{self, Base, Field, Setting, Unreadable, Wanted};
use ovenbird::matrix;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci_config")
}

/// The files that name a job, as paths in the folder.
fn cases() -> Vec<String> {
    let mut cases = Vec::new();
    for place in ["", ".github/workflows/"] {
        for entry in fs::read_dir(folder().join(place)).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".yml") {
                cases.push(format!("{place}{name}"));
            }
        }
    }
    cases.sort();
    cases
}

/// What `ovenbird` reads for a definition at the root of the folder.
fn read(wanted: &Wanted<'_>) -> Result<String, Unreadable> {
    if wanted.base == Base::Matching {
        let mut found = Vec::new();
        files(Utf8Path::new("ci"), &mut found);
        found.retain(|path| matrix::matches(wanted.path.as_str(), path));
        return Ok(found.join("\n"));
    }
    fs::read_to_string(folder().join(wanted.path)).map_err(|_| {
        let message = format!("the file `{}` is not there", wanted.path);
        Unreadable { message, help: None }
    })
}

fn files(below: &Utf8Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder().join(below)).unwrap().flatten() {
        let path = below.join(entry.file_name().into_string().unwrap());
        if entry.path().is_dir() { files(&path, found) } else { found.push(path.into_string()) }
    }
}

/// The cells with their ids, originals before a bar, or the errors.
fn result(case: &str) -> String {
    let text = fs::read_to_string(folder().join(case)).unwrap();
    let job = text.lines().next().and_then(|line| line.strip_prefix("# job: ")).unwrap().to_owned();
    let definition = format!(
        "name: web\nstrategy: {{ from: {case}, job: '{job}' }}\nplatforms: {{ qemu: {{ builder: qemu, source: {{ debian: bookworm }} }} }}\n"
    );
    let strategy = match definition::load("ovenbird.yml", &definition, &read) {
        Ok((definition, _)) => definition.strategy,
        Err(report) => return report.render(false),
    };
    let cells = strategy.cells.unwrap_or_default();
    let mut lines = Vec::new();
    for (id, cell) in matrix::job_ids(&cells).iter().zip(&cells) {
        let (originals, extras): (Vec<_>, Vec<_>) = cell.values.iter().partition(|(key, _)| cell.is_original(key));
        let show = |pairs: Vec<(&String, &serde_json::Value)>| {
            pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        lines.push(format!("{id}: {} | {}", show(originals), show(extras)).trim_end_matches([' ', '|']).to_owned());
    }
    lines.extend(known(strategy.fail_fast.as_ref()).map(|value| format!("fail-fast: {value}")));
    lines.extend(known(strategy.max_parallel.as_ref()).map(|value| format!("max-parallel: {value}")));
    lines.join("\n")
}

fn known<T: Copy>(field: Option<&Field<T>>) -> Option<T> {
    match field?.setting {
        Setting::Known(value) => Some(value),
        Setting::Template { .. } | Setting::Unread => None,
    }
}

#[test]
fn every_file_gives_the_cells_that_its_ci_would_make_or_says_why_not() {
    let cases = cases();
    assert!(cases.len() >= 30, "only {cases:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for case in cases {
        let path = Path::new(&case);
        settings.set_snapshot_path(folder().join(path.parent().unwrap()));
        settings.set_description(format!("{case}: its cells, originals before the bar"));
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        settings.bind(|| insta::assert_snapshot!(name, result(&case)));
    }
}
