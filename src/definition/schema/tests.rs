//! The schema, the decoder and the documentation have the same keys. What the schema says of a definition is asked of
//! check-jsonschema, which `scripts/setup.sh test` installs.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{schema, steps_schema};
use crate::definition::tests::{EVERYTHING, FILES, FROM_CI, STEP_FILE};
use crate::definition::{among, language, load};
use crate::smoke::spec::Kind;

const DOCUMENTATION: &str = include_str!("../../../docs/definition.md");

/// Runs check-jsonschema, and gives its standard output and whether all was well.
fn check_jsonschema(arguments: &[&str]) -> (bool, String) {
    let installed = PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
        .join(".cache/ovenbird/tools/check-jsonschema/bin/check-jsonschema");
    let program = if installed.exists() { installed } else { "check-jsonschema".into() };
    let output = Command::new(&program).args(arguments).output().unwrap_or_else(|error| {
        panic!(
            "{}: {error}\nthe PyPI package `check-jsonschema` is missing: run `scripts/setup.sh test`",
            program.display()
        )
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{errors}");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A folder with the schema, for one run of check-jsonschema.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn the_schema_is_a_schema() {
    let folder = Folder::new();
    let paths =
        [folder.write("schema.json", &schema().to_string()), folder.write("steps.json", &steps_schema().to_string())];
    let (good, told) = check_jsonschema(&["--check-metaschema", &paths[0], &paths[1]]);
    assert!(good, "{told}");
}

/// The examples of the repository, and those of its documentation that are whole definitions.
fn examples() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut examples = Vec::new();
    for entry in std::fs::read_dir(root.join("examples")).unwrap().flatten() {
        let path = entry.path().join("ovenbird.yml");
        // `ci` holds workflows.
        if path.exists() {
            examples.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    // The rules have definitions with mistakes in them, and tests of their own.
    let documents = std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path());
    let documents = documents.filter(|path| !path.ends_with("rules.md"));
    for path in documents.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md"))
    {
        let text = std::fs::read_to_string(&path).unwrap();
        let snippets = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let whole = snippets.filter(|text| text.lines().any(|line| line.starts_with("platforms:")));
        examples.extend(whole.map(|text| (path.display().to_string(), text.to_owned())));
    }
    examples
}

#[test]
fn every_example_is_valid_under_the_schema() {
    let folder = Folder::new();
    let schema = folder.write("schema.json", &schema().to_string());
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    let write = |(index, (_, text)): (usize, &(String, String))| folder.write(&format!("{index}.yml"), text);
    let files: Vec<String> = examples.iter().enumerate().map(write).collect();
    let arguments: Vec<&str> = ["--schemafile", &schema].into_iter().chain(files.iter().map(String::as_str)).collect();
    let (good, told) = check_jsonschema(&arguments);
    assert!(good, "{told}\nof {:?}", examples.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

/// Which of the definitions the schema refuses, by index and with the reason.
fn refused(definitions: &[Value]) -> BTreeMap<usize, String> {
    // All in one file: what is slow is to begin.
    let mut all = schema();
    let draft = all["$schema"].take();
    let mut parts = all.as_object_mut().unwrap().shift_remove("definitions").unwrap();
    all.as_object_mut().unwrap().shift_remove("$schema");
    parts["Root"] = all;
    let items = json!({ "$ref": "#/definitions/Root" });
    let all = json!({ "$schema": draft, "definitions": parts, "type": "array", "items": items });
    let folder = Folder::new();
    let schema = folder.write("schema.json", &all.to_string());
    let file = folder.write("definitions.json", &Value::from(definitions).to_string());
    let (_, told) = check_jsonschema(&["--output-format", "json", "--schemafile", &schema, &file]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let errors = told["errors"].as_array().unwrap().iter().map(|error| {
        let path = error["path"].as_str().unwrap();
        let index = path.trim_start_matches("$[").split(']').next().unwrap().parse().unwrap();
        (index, format!("{path}: {}", error["message"].as_str().unwrap()))
    });
    errors.collect()
}

/// The rules by which the decoder refuses a definition.
fn rules(definition: &Value) -> Vec<String> {
    match load("ovenbird.yml", &definition.to_string(), &among(&FILES)) {
        Ok(_) => Vec::new(),
        Err(report) => report.diagnostics.iter().map(|diagnostic| diagnostic.rule.to_owned()).collect(),
    }
}

fn everything() -> Value {
    serde_yaml::from_str(EVERYTHING).unwrap()
}

/// A definition and what was done to the one with every key.
type Changed = (Value, String);

/// The definition with every key, changed in one place: in turn, every place in every way.
fn changed() -> Vec<Changed> {
    let whole = everything();
    let mut pointers = Vec::new();
    collect("", &whole, &mut pointers);
    let mut changed = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Value)| {
        let mut definition = whole.clone();
        change(&mut definition);
        changed.push((definition, what));
    };
    for pointer in &pointers {
        let put = |value: Value| move |whole: &mut Value| *whole.pointer_mut(pointer).unwrap() = value.clone();
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!([[1]]),
            json!({ "a": {} }),
            json!(""),
            json!("${{ vars.port }}"),
            json!(7),
            json!(true),
        ] {
            add(format!("{pointer} = {value}"), &put(value));
        }
        let Some((parent, key)) = pointer.rsplit_once('/') else { continue };
        add(format!("{pointer} removed"), &|whole| {
            let parent = whole.pointer_mut(parent).unwrap();
            if let Some(map) = parent.as_object_mut() {
                map.shift_remove(&key.replace("~1", "/"));
            }
        });
        if whole.pointer(pointer).unwrap().is_object() {
            add(format!("{pointer}/unknwon added"), &|whole| {
                whole.pointer_mut(pointer).unwrap()["unknwon"] = json!([])
            });
        }
    }
    changed
}

/// Pointers to every value.
fn collect(pointer: &str, value: &Value, pointers: &mut Vec<String>) {
    pointers.push(pointer.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| collect(&format!("{pointer}/{key}"), value, pointers)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| collect(&format!("{pointer}/{index}"), value, pointers));
        }
        _ => {}
    }
}

/// The schema wants quotes around a text that looks like these, because YAML makes 3.1 of `3.10`. The decoder takes both.
const TEXTS_TO_THE_DECODER: [&str; 2] = [" = 7", " = true"];

/// What goss's attributes take is goss's own: matchers, which the schema leaves alone.
fn is_of_goss(what: &str) -> bool {
    let (pointer, change) = what.split_once(' ').unwrap_or((what, ""));
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    // `/tests/TYPE/ID/ATTRIBUTE`; which attributes there are, the schema knows.
    let depth = if change == "added" { 5 } else { 4 };
    let is_type = |key: &&str| Kind::ALL.into_iter().any(|kind| kind.key() == *key);
    parts.first() == Some(&"tests") && parts.get(1).is_some_and(is_type) && parts.len() >= depth
}

/// The rules that are about keys and types alone.
const STRUCTURE: [&str; 3] = ["unknown-key", "missing-key", "wrong-type"];

#[test]
fn the_schema_and_the_decoder_agree_on_every_change_of_a_definition() {
    let mut changed = changed();
    changed.push((everything(), "as it is".to_owned()));
    let definitions: Vec<Value> = changed.iter().map(|(definition, _)| definition.clone()).collect();
    let refused = refused(&definitions);
    let mut differences = Vec::new();
    let mut accepted = 0;
    for (index, (definition, what)) in changed.iter().enumerate() {
        let rules = rules(definition);
        accepted += usize::from(rules.is_empty());
        match refused.get(&index) {
            Some(_) if TEXTS_TO_THE_DECODER.iter().any(|end| what.ends_with(end)) => {}
            Some(reason) if rules.is_empty() => {
                differences.push(format!("{what}: only the schema refuses it, {reason}"))
            }
            None if is_of_goss(what) => {}
            None if rules.iter().any(|rule| STRUCTURE.contains(&rule.as_str())) => {
                differences.push(format!("{what}: only the decoder refuses it, {rules:?}"));
            }
            _ => {}
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(accepted > 50 && changed.len() > 1000, "{accepted} of {} were accepted", changed.len());
}

/// Forms of values that both take, and forms that both refuse, at a place of the definition with every key.
const FORMS: [(&str, &[&str], &[&str]); 27] = [
    ("/name", &["a", "web-2", "0"], &["Web", "-a", "a-", "a b", "${{ vars.port }}"]),
    ("/ovenbird", &["0.1", ">= 0.0.1, <99", "=0.1.0"], &["~0.1", ">=", "0.1.2.3", "one"]),
    ("/strategy/fail-fast", &["true", "${{ vars.port == 8080 }}"], &["yes", "True", "1"]),
    ("/strategy/max-parallel", &["2", "${{ vars.port }}"], &["two", "-1", "1.5"]),
    ("/platforms/qemu/source/debian", &["sid", "bookworm-backports"], &["12", "Bookworm", "a b"]),
    ("/platforms/qemu/source/packages", &["${{ fromJSON('[]') }}"], &["nginx"]),
    ("/platforms/qemu/source/packages/0", &["g++", "libc6:amd64", "7zip"], &["a", "nginx curl", "Nginx", "-x"]),
    ("/platforms/qemu/source/mirror", &["http://x/debian", "https://x"], &["x/debian", "ftp://x/", "http://x y/"]),
    ("/platforms/qemu/memory", &["512MiB", "2 GiB", "1TiB"], &["1024", "4GB", "1.5GiB", "GiB"]),
    ("/platforms/qemu/firmware", &["bios", "${{ matrix.suite }}"], &["efi", "UEFI"]),
    ("/platforms/qemu/connect/user", &["root", "_a.b-c"], &["1a", "a b"]),
    ("/platforms/qemu/connect/timeout-minutes", &["0.5", "10"], &["10m", "ten"]),
    ("/platforms/base/source/checksum", &["file:SUMS"], &["SUMS", "md5:abc", "sha256:abc", "file:"]),
    ("/platforms/base/source/image", &["../x.qcow2", "/x y.qcow2", "http://x/y"], &["ftp://x/y"]),
    ("/steps/0/id", &["a", "_b-1"], &["1a", "a b", "a.b"]),
    ("/steps/0/retry/delay", &["10s", "1h"], &["10", "1d", "1.5m", "s"]),
    ("/steps/1/script", &["a/b.sh", "./a", "a..b"], &["/a", "../a", "a/../../b", "a\\b", ".."]),
    ("/steps/2/owner", &["root", "0:0", ":adm", "a:b"], &["", ":", "a:", "a:b:c", "a b"]),
    ("/steps/2/mode", &["644", "0755"], &["0999", "64", "rw-r--r--"]),
    ("/tests/goss", &["a/b.yaml", "${{ matrix.suite }}.yaml"], &["/a.yaml", "../a.yaml", "a\\b.yaml"]),
    ("/tests/level", &["standard", "${{ matrix.suite }}"], &["all", "Full"]),
    ("/tests/boot-budget", &["90s", "${{ vars.port }}s"], &["90", "1d"]),
    ("/tests/waive/0/check", &["boot-time", "root-grown"], &["boot", "boots", "${{ vars.port }}"]),
    ("/tests/waive/0/until", &["2027-12-31"], &["2027-1-1", "31.12.2027", "soon"]),
    ("/tests/service/nginx/enabled", &["true", "${{ vars.port }}"], &[]),
    ("/defaults/run/shell", &["sh", "perl {0}"], &["zsh", "perl"]),
    ("/defaults/run/working-directory", &["/", "${{ vars.port }}/x"], &["srv", "./srv"]),
];

#[test]
fn the_schema_and_the_decoder_agree_on_the_forms_of_values() {
    let put = |pointer: &str, text: &str| {
        let mut definition = everything();
        *definition.pointer_mut(pointer).unwrap() = json!(text);
        definition
    };
    let forms = FORMS.iter().flat_map(|(pointer, good, bad)| {
        let good = good.iter().map(move |text| (*pointer, *text, true));
        good.chain(bad.iter().map(move |text| (*pointer, *text, false)))
    });
    let forms: Vec<(&str, &str, bool)> = forms.collect();
    let definitions: Vec<Value> = forms.iter().map(|(pointer, text, _)| put(pointer, text)).collect();
    let refused = refused(&definitions);
    for (index, (pointer, text, good)) in forms.into_iter().enumerate() {
        let rules = rules(&definitions[index]);
        assert_eq!(rules.is_empty(), good, "the decoder, {pointer}: `{text}`, {rules:?}");
        let reason = refused.get(&index);
        assert_eq!(reason.is_none(), good, "the schema, {pointer}: `{text}`, {reason:?}");
    }
}

#[test]
fn the_definition_with_every_key_has_every_key() {
    let mut there = BTreeSet::new();
    let mut pointers = Vec::new();
    for text in [EVERYTHING, FROM_CI, STEP_FILE] {
        collect("", &serde_yaml::from_str(text).unwrap(), &mut pointers);
    }
    for pointer in &pointers {
        there.extend(pointer.split('/').map(str::to_owned));
    }
    let missing: Vec<String> = mappings().into_values().flatten().filter(|key| !there.contains(key)).collect();
    assert_eq!(missing, [""; 0]);
}

/// The keys of every mapping of the language, by the name of its type.
fn mappings() -> BTreeMap<String, Vec<String>> {
    let (schema, steps) = (schema(), steps_schema());
    let keys = |schema: &Value| schema["properties"].as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let definitions = [&schema, &steps].map(|schema| schema["definitions"].as_object().unwrap());
    let definitions = definitions.into_iter().flatten();
    let mut mappings: BTreeMap<_, _> =
        definitions.filter_map(|(name, schema)| Some((name.clone(), keys(schema)?))).collect();
    mappings.insert("Definition".to_owned(), keys(&schema).unwrap());
    mappings.insert("StepFile".to_owned(), keys(&steps).unwrap());
    mappings
}

/// Where `docs/definition.md` has the keys of a mapping: under which heading, and with what before each.
const DOCUMENTED: [(&str, &str, &str); 17] = [
    ("Definition", "## Top level", ""),
    ("Defaults", "## Top level", "defaults."),
    ("DefaultsRun", "## Top level", "defaults.run."),
    ("Variable", "## Variables", ""),
    ("Strategy", "## Strategy", ""),
    ("Platform", "## Platforms", ""),
    ("Connect", "## Platforms", "connect."),
    ("Debian", "### `source: { debian: … }`", ""),
    ("Image", "### `source: { image: … }`", ""),
    ("Step", "## Steps", ""),
    ("Retry", "## Steps", "retry."),
    ("Output", "## Outputs", ""),
    ("Tests", "## Tests", ""),
    ("Waiver", "## Tests", "waive."),
    ("StepFile", "### Step files", ""),
    ("Input", "### Step files", "inputs.NAME."),
    ("StepFileOutput", "### Step files", "outputs.NAME."),
];

/// Keys that are documented by those inside them.
const PARENTS: [&str; 7] = ["defaults", "defaults.run", "connect", "retry", "waive", "inputs", "outputs"];

#[test]
fn the_tables_of_the_documentation_have_the_keys_of_the_language() {
    let mappings = mappings();
    let sections: BTreeSet<&str> = DOCUMENTED.iter().map(|(_, heading, _)| *heading).collect();
    for heading in sections {
        let here = DOCUMENTED.iter().filter(|(_, other, _)| *other == heading);
        let keys = here.flat_map(|(name, _, prefix)| mappings[*name].iter().map(move |key| format!("{prefix}{key}")));
        let is_parent = |key: &String| PARENTS.contains(&key.as_str()) && !documented(heading).contains(key);
        let keys: BTreeSet<String> = keys.filter(|key| !is_parent(key)).collect();
        assert_eq!(documented(heading), keys, "`{heading}` in docs/definition.md");
    }
    let undocumented: Vec<_> =
        mappings.keys().filter(|name| !DOCUMENTED.iter().any(|(known, ..)| known == name)).collect();
    assert_eq!(undocumented, [""; 0], "a mapping of the language has no section in docs/definition.md");
}

/// The rows of the tables between a heading and the next, as cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = DOCUMENTATION.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no `{heading}`"));
    let lines = section.lines().take_while(|line| !line.starts_with("##")).filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Names in backticks.
fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The keys that the tables of a section document: in the first column, and for actions those that belong to them.
fn documented(heading: &str) -> BTreeSet<String> {
    let first = rows(heading).into_iter().flat_map(|row| names(&row[0]).collect::<Vec<_>>());
    let belonging = actions(heading).into_values().flatten();
    first.chain(belonging).collect()
}

/// What belongs to each action of a step, from the table's third column. Words in brackets are about values.
fn actions(heading: &str) -> BTreeMap<String, BTreeSet<String>> {
    let is_action = |row: &Vec<String>| names(&row[0]).any(|name| language::ACTIONS.contains(&name.as_str()));
    let keys = |cell: &str| {
        let outside = cell.split('(').map(|part| part.split_once(')').map_or(part, |(_, outside)| outside));
        outside.flat_map(|part| names(part).collect::<Vec<_>>()).collect()
    };
    rows(heading).iter().filter(|row| is_action(row)).map(|row| (names(&row[0]).collect(), keys(&row[2]))).collect()
}

#[test]
fn the_documentation_says_what_belongs_to_each_action() {
    // A key with a row of its own says there what it belongs to.
    let own: BTreeSet<String> = rows("## Steps")
        .iter()
        .flat_map(|row| names(&row[0]).collect::<Vec<_>>())
        .map(|key| key.split('.').next().unwrap_or_default().to_owned())
        .collect();
    let belonging = |action: &str| {
        let keys = language::BELONGS.iter().filter(|(key, actions)| actions.contains(&action) && !own.contains(*key));
        (action.to_owned(), keys.map(|(key, _)| (*key).to_owned()).collect())
    };
    let code: BTreeMap<String, BTreeSet<String>> = language::ACTIONS.into_iter().map(belonging).collect();
    assert_eq!(actions("## Steps"), code);
}
