//! Templates, variables and imports: `goss render` and `ovenbird goss render`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::real_goss::real_goss;

/// Each a goss file whose `matching` hold what a template made.
const TEMPLATES: &[&str] = &[
    "{{ range mkSlice \"a\" \"b\" }}\n  {{ . | toUpper }}: { content: 1, matches: 1 }\n{{ end }}",
    "  x: { content: {{ .Vars.name }}, matches: {{ .Vars.name | quote }} }\n",
    "  x: { content: {{ index .Vars \"list\" 1 }}, matches: {{ .Vars.list | join \"-\" }} }\n",
    "{{ range $key, $value := .Vars.map }}\n  {{ $key }}: { content: {{ $value }}, matches: {{ $value }} }\n{{ end }}",
    "{{ if and .Vars.yes (not .Vars.no) }}  yes: { content: 1, matches: 1 }{{ else }}  no: { content: 1, matches: 1 }{{ end }}\n",
    "{{- with .Vars.map }}\n  x: { content: {{ .b }}, matches: {{ len . }} }\n{{- end }}\n",
    "{{ define \"part\" }}  {{ . }}: { content: 1, matches: 1 }\n{{ end }}{{ template \"part\" \"one\" }}{{ template \"part\" \"two\" }}",
    "  x: { content: {{ .Env.DIFF_WORD }}, matches: {{ getEnv \"DIFF_WORD\" }} }\n",
    "  x: { content: {{ getEnv \"DIFF_ABSENT\" \"otherwise\" }}, matches: 1 }\n",
    "  x: { content: {{ if regexMatch \"^[a-z]+$\" .Vars.name }}1{{ else }}2{{ end }}, matches: 1 }\n",
    "  x: { content: {{ index (findStringSubmatch \"(\\\\w)(\\\\w+)\" .Vars.name) \"2\" }}, matches: 1 }\n",
    "  x: { content: {{ printf \"%05d %-4s| %q %.2f %x\" 42 \"ab\" \"q\" 1.5 255 | quote }}, matches: 1 }\n",
    "  x: { content: {{ .Vars.map | toJson | quote }}, matches: {{ toJson .Vars.list }} }\n",
    "  x: { content: {{ \"hello!\" | upper | repeat 3 }}, matches: {{ trunc 3 \"abcdef\" }} }\n",
    "  x: { content: {{ splitList \",\" \"a,b\" | last }}, matches: {{ add 1 2 3 }} }\n",
    "  x: { content: {{ default \"d\" \"\" }}, matches: {{ ternary \"a\" \"b\" true }} }\n",
    "  x: { content: {{ \"a b c\" | replace \" \" \"-\" | title }}, matches: {{ b64enc \"x\" }} }\n",
    "  x: { content: {{ sha256sum \"x\" }}, matches: {{ list 3 1 2 | toStrings | sortAlpha | join \"\" }} }\n",
    "  x: { content: {{ dict \"a\" 1 \"b\" \"c\" | toJson | quote }}, matches: {{ has \"x\" (list \"x\" \"y\") }} }\n",
    "  x: { content: {{ semverCompare \">=1.2.0\" \"1.3.0\" }}, matches: {{ eq 1 1 | not }} }\n",
    "  x: { content: {{ readFile \"word.txt\" | trim }}, matches: {{ 7 | mod 3 }} }\n",
    "{{/* nothing */}}\n  x: { content: {{/* none */ -}}   1, matches: {{ `raw` }} }\n",
    "{{ range $i, $e := until 3 }}{{ if eq $i 1 }}{{ continue }}{{ end }}\n  x{{ $i }}: { content: {{ $e }}, matches: 1 }\n{{ end }}",
    "{{ $x := 1 }}{{ range .Vars.list }}{{ $x = add $x 1 }}{{ end }}\n  x: { content: {{ $x }}, matches: 1 }\n",
    "  x: { content: {{ .Vars.float }}, matches: {{ .Vars.big }} }\n  y: { content: {{ .Vars.yes }}, matches: {{ .Vars.text }} }\n",
];

const VARS: &str = "name: word\nlist: [a, b, c]\nmap: { b: 2, a: 1 }\nyes: true\nno: false\nfloat: 1.5\nbig: 12345678\ntext: \"it's\"\n";

/// Templates that must be refused.
const REFUSED: &[&str] = &[
    "  x: { content: {{ .Vars.absent }}, matches: 1 }\n",
    "  x: { content: {{ nothing }}, matches: 1 }\n",
    "{{ if }}\n",
    "{{ range .Vars.list }}\n",
    "  x: { content: {{ readFile \"absent\" }}, matches: 1 }\n",
];

struct Rendered {
    is_fine: bool,
    spec: Value,
    text: String,
}

fn render(program: &mut Command, folder: &Path) -> Rendered {
    program.args(["--gossfile", "goss.yaml", "--vars", "vars.yaml", "--vars-inline", "inline: given", "render"]);
    let output = program.current_dir(folder).env("DIFF_WORD", "fromenv").env_remove("DIFF_ABSENT").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let is_fine = output.status.success();
    let spec = if is_fine { without_nulls(serde_yaml::from_str(&text).unwrap()) } else { Value::Null };
    Rendered { is_fine, spec, text: text + &String::from_utf8_lossy(&output.stderr) }
}

/// goss writes some attributes that nobody asked for, as null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        other => other,
    }
}

/// What both make of a folder's `goss.yaml`.
fn both(folder: &Path) -> (Rendered, Rendered) {
    let mut ours = Command::new(env!("CARGO_BIN_EXE_ovenbird"));
    ours.arg("goss");
    (render(&mut Command::new(real_goss()), folder), render(&mut ours, folder))
}

#[test]
fn templates_render_as_goss_renders_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("vars.yaml", VARS);
    write("word.txt", "fromfile\n");
    let mut wrong = Vec::new();
    for (template, is_refused) in TEMPLATES.iter().map(|one| (one, false)).chain(REFUSED.iter().map(|one| (one, true)))
    {
        write("goss.yaml", &format!("matching:\n{template}"));
        let (theirs, ours) = both(folder.path());
        if theirs.is_fine == is_refused {
            wrong.push(format!("goss itself: {template}\n{}", theirs.text));
        } else if theirs.is_fine != ours.is_fine || theirs.spec != ours.spec {
            wrong.push(format!("{template}\n--- goss\n{}\n--- ours\n{}", theirs.text, ours.text));
        }
    }
    println!("{} templates compared", TEMPLATES.len() + REFUSED.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_merged_as_goss_merges_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    write("vars.yaml", VARS);
    write(
        "goss.yaml",
        "gossfile:\n  parts/*.yaml: {}\n  absent.yaml: { skip: true }\n  named: { file: other.yaml }\n\
         matching:\n  here: { content: here, matches: here }\n  same: { content: main, matches: main }\n",
    );
    write("parts/b.yaml", "matching:\n  b: { content: b, matches: b }\n  same: { content: b, matches: b }\n");
    write(
        "parts/a.yaml",
        "matching:\n  a: { content: a, matches: {{ .Vars.name }} }\n  same: { content: a, matches: a }\n",
    );
    write("other.yaml", "gossfile:\n  parts/a.yaml: {}\nfile:\n  /x: { exists: true, mode: \"0644\" }\n");
    let (theirs, ours) = both(folder.path());
    assert!(theirs.is_fine && ours.is_fine, "{}\n{}", theirs.text, ours.text);
    assert_eq!(theirs.spec, ours.spec);
}
