//! Adds checks to a goss file as a person would: lines at the end of a type's mapping. All that is there stays as it is,
//! comments and order too; what can't be added so is refused.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use serde_yaml::Value as Yaml;

use super::Suggested;
use crate::smoke::spec::{self, Kind};

/// A file with more in it.
pub(super) struct Merged {
    pub(super) text: String,
    /// Those that were not there.
    pub(super) added: Vec<Suggested>,
}

/// The file's text with what it does not have yet.
pub(super) fn merge(name: &str, text: &str, suggested: Vec<Suggested>) -> Result<Merged, String> {
    let old = parse(name, text)?;
    let (file, ..) = spec::parse(name, text);
    let is_there = |one: &Suggested| {
        let written = old.get(one.kind.key()).and_then(|type_| type_.get(one.id.as_str())).is_some();
        let same = |resource: &spec::Resource| resource.kind == one.kind && resource.object() == one.id;
        written || file.resources.iter().any(same)
    };
    let added: Vec<Suggested> = suggested.into_iter().filter(|one| !is_there(one)).collect();
    let mut by_kind: BTreeMap<Kind, Vec<&Suggested>> = BTreeMap::new();
    for one in &added {
        by_kind.entry(one.kind).or_default().push(one);
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (kind, all) in by_kind {
        insert(name, &mut lines, kind, &all)?;
    }
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if added.is_empty() && text.trim().is_empty() {
        text.clear();
    }
    verify(name, &old, &parse(name, &text)?, &added)?;
    Ok(Merged { text, added })
}

fn parse(name: &str, text: &str) -> Result<Yaml, String> {
    let yaml: Yaml = serde_yaml::from_str(text).map_err(|error| {
        format!("{name}: nothing can be added to it, for it is no YAML as it is written (templates?): {error}; take the lines of `--print`")
    })?;
    match yaml {
        Yaml::Null => Ok(Yaml::Mapping(serde_yaml::Mapping::new())),
        mapping @ Yaml::Mapping(_) => Ok(mapping),
        _ => Err(format!("{name}: nothing can be added to it, for it is no mapping of resources")),
    }
}

/// Puts entries at the end of a type's mapping, or a mapping at the end of the file.
fn insert(name: &str, lines: &mut Vec<String>, kind: Kind, all: &[&Suggested]) -> Result<(), String> {
    let key = kind.key();
    let names_it = |line: &String| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
    let Some(at) = lines.iter().position(names_it) else {
        if lines.last().is_some_and(|last| !last.trim().is_empty()) {
            lines.push(String::new());
        }
        lines.push(format!("{key}:"));
        lines.extend(all.iter().flat_map(|one| entry(one, 2)));
        return Ok(());
    };
    let rest = lines[at][key.len()..].trim_start().trim_start_matches(':').trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        let line = at + 1;
        return Err(format!(
            "{name}:{line}: nothing can be added to `{key}`, which is not written with one resource below the other; take \
             the lines of `--print`"
        ));
    }
    let is_inside = |line: &&String| line.starts_with([' ', '\t']) || line.trim().is_empty() || line.starts_with('#');
    let block: Vec<&String> = lines[at + 1..].iter().take_while(is_inside).collect();
    let is_content = |line: &&&String| line.starts_with(' ') && !line.trim().is_empty();
    let indent = |line: &String| line.len() - line.trim_start().len();
    let first = block.iter().filter(is_content).find(|line| !line.trim_start().starts_with('#'));
    let depth = first.map_or(2, |line| indent(line));
    let end = block.iter().rposition(|line| is_content(&line)).map_or(0, |last| last + 1);
    let new: Vec<String> = all.iter().flat_map(|one| entry(one, depth)).collect();
    lines.splice(at + 1 + end..at + 1 + end, new);
    Ok(())
}

/// Everything old is as it was, and everything new is there.
fn verify(name: &str, old: &Yaml, new: &Yaml, added: &[Suggested]) -> Result<(), String> {
    let mut rest = new.clone();
    for one in added {
        let key = Yaml::from(one.kind.key());
        let type_ = rest.as_mapping_mut().and_then(|all| all.get_mut(&key)).and_then(Yaml::as_mapping_mut);
        let found = type_.and_then(|type_| type_.remove(one.id.as_str()));
        if found.is_none_or(|found| serde_json::to_value(found).ok() != Some(one.value())) {
            return Err(format!(
                "{name}: nothing can be added to it without rewriting it; take the lines of `--print`"
            ));
        }
        let is_new = old.get(one.kind.key()).is_none_or(Yaml::is_null);
        let is_empty = rest.get(one.kind.key()).and_then(Yaml::as_mapping).is_some_and(serde_yaml::Mapping::is_empty);
        if is_new && is_empty {
            let before = old.get(one.kind.key()).cloned();
            let all = rest.as_mapping_mut();
            all.map(|all| match before {
                Some(before) => all.insert(key, before),
                None => all.remove(&key),
            });
        }
    }
    if rest == *old {
        return Ok(());
    }
    Err(format!("{name}: nothing can be added to it without changing what is there; take the lines of `--print`"))
}

/// The lines of a file that has nothing but these.
pub(super) fn whole(suggested: &[Suggested]) -> String {
    let mut text = String::new();
    let mut last = None;
    for one in suggested {
        if last != Some(one.kind) {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}:", one.kind.key());
            last = Some(one.kind);
        }
        text.extend(entry(one, 2).iter().map(|line| format!("{line}\n")));
    }
    text
}

fn entry(one: &Suggested, depth: usize) -> Vec<String> {
    let (outer, inner) = (" ".repeat(depth), " ".repeat(depth + 2));
    let mut lines = vec![format!("{outer}{}:", scalar(&one.id))];
    for (name, value) in &one.attributes {
        match value {
            Value::Array(items) if !items.is_empty() => {
                lines.push(format!("{inner}{name}:"));
                lines.extend(items.iter().map(|item| format!("{inner}- {}", plain(item))));
            }
            value => lines.push(format!("{inner}{name}: {}", plain(value))),
        }
    }
    lines
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text as YAML has it: in quotes where it could be taken for something else.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/' || first == '_');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.@+-".contains(&byte);
    let is_word =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    if starts && text.bytes().all(is_plain) && !is_word { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    fn suggested() -> Vec<Suggested> {
        let one = |kind, id: &str, attributes: Vec<(&'static str, Value)>| Suggested {
            kind,
            id: id.to_owned(),
            attributes,
            because: String::new(),
        };
        vec![
            one(Kind::File, "/etc/motd", vec![("exists", json!(true)), ("mode", json!("0644"))]),
            one(Kind::Package, "nginx", vec![("installed", json!(true)), ("versions", json!(["1.2", "x y"]))]),
            one(Kind::User, "no", vec![("exists", json!(true))]),
        ]
    }

    fn merged(text: &str) -> String {
        merge("goss.yaml", text, suggested()).unwrap_or_else(|error| panic!("{error}")).text
    }

    #[test]
    fn a_new_file_has_all() {
        insta::assert_snapshot!(merged(""), @r#"
        file:
          /etc/motd:
            exists: true
            mode: "0644"

        package:
          nginx:
            installed: true
            versions:
            - "1.2"
            - "x y"

        user:
          "no":
            exists: true
        "#);
        assert_eq!(merged("").replace("\n\n", "\n"), whole(&suggested()));
    }

    #[test]
    fn what_is_there_stays_with_its_comments_and_order() {
        let text = "# ours\npackage: # by hand\n    # the server\n    curl: {installed: true}   # why\n\n# mine\nfile:\n  /etc/motd:\n    exists: false\n";
        insta::assert_snapshot!(merged(text), @r#"
        # ours
        package: # by hand
            # the server
            curl: {installed: true}   # why
            nginx:
              installed: true
              versions:
              - "1.2"
              - "x y"

        # mine
        file:
          /etc/motd:
            exists: false

        user:
          "no":
            exists: true
        "#);
        // A second time there is nothing to add.
        let again = merge("goss.yaml", &merged(text), suggested()).unwrap();
        assert!(again.added.is_empty());
        assert_eq!(again.text, merged(text));
    }

    #[test]
    fn the_same_thing_under_another_name_is_there() {
        let text = "file:\n  motd:\n    path: /etc/motd\n    exists: true\npackage:\nuser:\n  # none yet\n";
        let merged = merge("goss.yaml", text, suggested()).unwrap();
        assert_eq!(merged.added.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["nginx", "no"]);
        assert!(merged.text.contains("package:\n  nginx:\n"), "{}", merged.text);
    }

    #[test]
    fn what_can_only_be_rewritten_is_refused() {
        for text in [
            "file: {/x: {exists: true}}\n",
            "{\"file\": {}}\n",
            "file:\n  {{ range .Vars.x }}\n",
            "- a\n",
            "file: &a\n  /x: {exists: true}\n",
            "a: [\n",
        ] {
            let refused = merge("goss.yaml", text, suggested()).err();
            assert!(
                refused.as_ref().is_some_and(|error| error.contains("nothing can be added to")),
                "{text}: {refused:?}"
            );
        }
        let refused = merge("goss.yaml", "# x\nfile: {/x: {exists: true}}\n", suggested()).err().unwrap();
        assert!(refused.starts_with("goss.yaml:2: nothing can be added to `file`"), "{refused}");
    }
}
