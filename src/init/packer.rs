//! Packer's JSON templates, as far as they translate without guessing. HCL templates are only told of.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};

use super::survey::is_plain;

/// A template, in the words of a definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Packer {
    pub(super) path: String,
    pub(super) variables: Vec<Variable>,
    /// A disk image to start from: its address and checksum.
    pub(super) image: Option<(String, String)>,
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) steps: Vec<Step>,
    /// What was left out, for people.
    pub(super) left_out: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) env: Option<String>,
    pub(super) default: Option<String>,
    pub(super) sensitive: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Run { script: String, env: Vec<(String, String)> },
    Script { path: String, env: Vec<(String, String)> },
    Upload { from: String, to: String },
}

/// Reads a template; none when the text is something else.
pub(super) fn parse(path: &Utf8Path, text: &str, paths: &BTreeSet<Utf8PathBuf>) -> Option<Packer> {
    let template: Value = serde_json::from_str(text).ok()?;
    let builders = template.get("builders")?.as_array()?;
    builders.iter().any(|builder| builder.get("type").is_some()).then_some(())?;
    let mut packer = Packer { path: path.to_string(), ..Packer::default() };
    if let Some(variables) = template.get("variables").and_then(Value::as_object) {
        let sensitive = template.get("sensitive-variables").and_then(Value::as_array);
        let is_sensitive = |name: &str| sensitive.is_some_and(|names| names.iter().any(|other| other == name));
        let known = variables.iter().filter_map(|(name, value)| packer.variable(name, value, is_sensitive(name)));
        packer.variables = known.collect();
    }
    builders.iter().for_each(|builder| packer.builder(builder));
    let provisioners = template.get("provisioners").and_then(Value::as_array).into_iter().flatten();
    for (index, provisioner) in provisioners.enumerate() {
        let kind = provisioner.get("type").and_then(Value::as_str).unwrap_or("?").to_owned();
        match packer.provisioner(&kind, provisioner, paths) {
            Some(steps) => packer.steps.extend(steps),
            None => packer.left_out.push(format!("provisioner {}, `{kind}`", index + 1)),
        }
    }
    if template.get("post-processors").is_some() {
        packer.left_out.push("the post-processors".to_owned());
    }
    Some(packer)
}

impl Packer {
    fn variable(&mut self, name: &str, value: &Value, sensitive: bool) -> Option<Variable> {
        let named = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
            && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char));
        let text = literal(value);
        let variable = match &text {
            None if value.is_null() => Some(Variable { name: name.to_owned(), env: None, default: None, sensitive }),
            Some(text) if !text.contains("{{") => {
                Some(Variable { name: name.to_owned(), env: None, default: Some(text.clone()), sensitive })
            }
            Some(text) => environment(text).map(|env| Variable {
                name: name.to_owned(),
                env: Some(env.to_owned()),
                default: Some(String::new()),
                sensitive,
            }),
            None => None,
        };
        let variable = variable.filter(|_| named);
        if variable.is_none() {
            self.left_out.push(format!("the variable `{name}`"));
        }
        variable
    }

    fn builder(&mut self, builder: &Value) {
        let kind = builder.get("type").and_then(Value::as_str).unwrap_or("?");
        if kind != "qemu" || !self.settings.is_empty() || self.image.is_some() {
            self.left_out.push(format!("the builder `{kind}`"));
            return;
        }
        let text = |key: &str| builder.get(key).and_then(literal).filter(|text| !text.contains("{{"));
        let mebibytes = |key: &str| text(key).and_then(|text| megabytes(&text));
        if let Some(size) = mebibytes("disk_size").filter(|size| *size >= 1024) {
            self.settings.push(("disk-size", format!("{size}MiB")));
        }
        if let Some(memory) = mebibytes("memory").filter(|memory| *memory >= 512) {
            self.settings.push(("memory", format!("{memory}MiB")));
        }
        if let Some(cpus) = text("cpus").and_then(|cpus| cpus.parse::<u8>().ok()).filter(|cpus| *cpus > 0) {
            self.settings.push(("cpus", cpus.to_string()));
        }
        let is_disk = builder.get("disk_image").and_then(Value::as_bool).unwrap_or_default();
        let url = text("iso_url").filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        let checksum = text("iso_checksum").filter(|checksum| is_checksum(checksum));
        match (url, checksum) {
            (Some(url), Some(checksum)) if is_disk => self.image = Some((url, checksum)),
            (Some(url), _) => self.left_out.push(format!("the builder's source, {url}")),
            _ => self.left_out.push("the builder's source".to_owned()),
        }
    }

    fn provisioner(&self, kind: &str, provisioner: &Value, paths: &BTreeSet<Utf8PathBuf>) -> Option<Vec<Step>> {
        let map = provisioner.as_object()?;
        // `execute_command` is most often `sudo`: steps run as root anyway.
        let known =
            ["type", "inline", "script", "scripts", "environment_vars", "source", "destination", "execute_command"];
        if map.keys().any(|key| !known.contains(&key.as_str())) {
            return None;
        }
        match kind {
            "shell" => self.shell(map, paths),
            "file" => {
                let from = self.repository_path(map.get("source")?.as_str()?, paths)?;
                let to = self.text(map.get("destination")?.as_str()?)?;
                to.starts_with('/').then(|| vec![Step::Upload { from, to }])
            }
            _ => None,
        }
    }

    fn shell(&self, map: &Map<String, Value>, paths: &BTreeSet<Utf8PathBuf>) -> Option<Vec<Step>> {
        let texts = |key: &str| -> Option<Vec<&str>> {
            match map.get(key) {
                None => Some(Vec::new()),
                Some(Value::String(text)) => Some(vec![text]),
                Some(Value::Array(items)) => items.iter().map(Value::as_str).collect(),
                Some(_) => None,
            }
        };
        let pair = |text: &&str| {
            let (name, value) = text.split_once('=')?;
            let named = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
                && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
            named.then_some(())?;
            Some((name.to_owned(), self.text(value)?))
        };
        let env: Vec<(String, String)> = texts("environment_vars")?.iter().map(pair).collect::<Option<_>>()?;
        let inline = texts("inline")?;
        if !inline.is_empty() {
            let script = self.text(&inline.join("\n"))?;
            return Some(vec![Step::Run { script, env }]);
        }
        let scripts = [texts("script")?, texts("scripts")?].concat();
        let step = |path: &&str| Some(Step::Script { path: self.repository_path(path, paths)?, env: env.clone() });
        let steps: Vec<Step> = scripts.iter().map(step).collect::<Option<_>>()?;
        (!steps.is_empty()).then_some(steps)
    }

    /// A path of the template as one of the repository, if the file is there. Packer counts from where it is called, by
    /// habit the template's folder or the repository's root.
    fn repository_path(&self, path: &str, paths: &BTreeSet<Utf8PathBuf>) -> Option<String> {
        let path = path.trim_start_matches("{{template_dir}}/").trim_start_matches("./");
        let near = Utf8Path::new(&self.path).parent()?.join(path);
        let is_there = |path: &Utf8Path| {
            let folder = path.as_str().trim_end_matches('/');
            paths.iter().any(|other| other.starts_with(folder))
        };
        let found =
            [near, Utf8PathBuf::from(path)].into_iter().find(|path| is_plain(path.as_str()) && is_there(path))?;
        Some(found.to_string())
    }

    /// A text with Packer's variables as ours; none when it holds anything else of Packer's, or an expression of ours.
    fn text(&self, text: &str) -> Option<String> {
        if text.contains("${{") {
            return None;
        }
        let mut translated = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, behind) = after.split_once("}}")?;
            let name = inside.trim().strip_prefix("user")?.trim().trim_matches(['`', '"']);
            self.variables.iter().find(|variable| variable.name == name)?;
            translated.push_str(before);
            translated.push_str(&format!("${{{{ vars.{name} }}}}"));
            rest = behind;
        }
        translated.push_str(rest);
        Some(translated)
    }
}

fn literal(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The name in ``{{env `NAME`}}``.
fn environment(text: &str) -> Option<&str> {
    let inside = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let name = inside.strip_prefix("env")?.trim().trim_matches(['`', '"']);
    let named = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    named.then_some(name)
}

/// Packer's sizes: a bare number is MiB, a letter says otherwise.
fn megabytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match text.strip_prefix(digits)?.to_ascii_uppercase().as_str() {
        "" | "M" | "MB" => Some(number),
        "G" | "GB" => number.checked_mul(1024),
        _ => None,
    }
}

fn is_checksum(text: &str) -> bool {
    let hex =
        |digits: &str, length: usize| digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits, 64),
        Some(("sha512", digits)) => hex(digits, 128),
        Some(("file", url)) => url.starts_with("https://") || url.starts_with("http://"),
        _ => false,
    }
}
