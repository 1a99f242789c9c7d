//! What a repository holds that says how its machines are set up.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use serde_yaml::Value;

use super::packer::{self, Packer};
use crate::source::Sources;

/// The files of a folder, and how to read one.
pub struct Repository<'a> {
    /// The folder's own name.
    pub name: &'a str,
    /// Files below it, relative, without those of version control.
    pub paths: BTreeSet<Utf8PathBuf>,
    /// The way from the repository's root to this folder; empty when it is the root.
    pub folder: Utf8PathBuf,
    /// The branch that CI builds.
    pub branch: Option<String>,
    /// Reads a file below it; none for what is no text.
    pub read: &'a dyn Fn(&Utf8Path) -> Option<String>,
}

/// What was found, each thing at its best place only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// A name for the image.
    pub name: String,
    pub(super) folder: Utf8PathBuf,
    pub(super) branch: String,
    pub(super) packer: Option<Packer>,
    /// Packer templates that are not translated.
    pub(super) other_templates: Vec<String>,
    pub(super) ansible: Option<Ansible>,
    pub(super) puppet: Option<Puppet>,
    pub(super) chef: Option<Chef>,
    pub(super) scripts: Vec<String>,
    pub(super) goss: Option<String>,
    pub(super) dockerfile: Option<String>,
    /// The stages of the repository's own GitLab file.
    pub(super) gitlab_stages: Option<Vec<String>>,
    has_github: bool,
    pub(super) has_gitlab: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ansible {
    pub(super) uploads: Vec<String>,
    /// Relative to where the uploads go.
    pub(super) playbook: String,
    pub(super) requirements: Option<String>,
    /// Names that the playbook's `hosts` give to the machine.
    pub(super) groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Puppet {
    pub(super) uploads: Vec<String>,
    pub(super) manifest: String,
    pub(super) has_modules: bool,
    pub(super) has_puppetfile: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chef {
    pub(super) cookbooks: String,
    pub(super) run_list: Vec<String>,
}

impl Survey {
    /// Looks at a repository.
    #[must_use]
    pub fn of(repository: &Repository<'_>) -> Self {
        let has = |path: &str| repository.paths.contains(Utf8Path::new(path));
        let (packer, other_templates) = templates(repository);
        let gitlab = [".gitlab-ci.yml", ".gitlab-ci.yaml"].into_iter().find(|path| has(path));
        Self {
            name: name(repository.name),
            folder: repository.folder.clone(),
            branch: repository.branch.clone().unwrap_or_else(|| "main".to_owned()),
            packer,
            other_templates,
            ansible: ansible(repository),
            puppet: puppet(repository),
            chef: chef(repository),
            scripts: scripts(repository),
            goss: ["goss.yaml", "goss.yml", "tests/goss.yaml", "test/goss.yaml"]
                .into_iter()
                .find(|path| has(path))
                .map(str::to_owned),
            dockerfile: ["Dockerfile", "Containerfile"].into_iter().find(|path| has(path)).map(str::to_owned),
            gitlab_stages: gitlab.and_then(|path| stages(repository, path)),
            has_github: repository.paths.iter().any(|path| path.starts_with(".github")),
            has_gitlab: gitlab.is_some(),
        }
    }

    /// The same repository without what is translated from its files: what is left is valid whatever they say.
    #[must_use]
    pub fn without_findings(&self) -> Self {
        Self { packer: None, ansible: None, puppet: None, chef: None, ..self.clone() }
    }

    /// Whether the repository's CI is GitLab's, as far as its files tell.
    #[must_use]
    pub fn is_gitlab(&self) -> bool {
        self.has_gitlab && !self.has_github
    }

    /// What was found, for people: a thing a line.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(self.packer.iter().map(|packer| format!("the Packer template `{}`", packer.path)));
        found.extend(
            self.other_templates.iter().map(|path| format!("the Packer template `{path}`, which is not translated")),
        );
        found.extend(self.ansible.iter().map(|ansible| format!("Ansible's playbook `{}`", ansible.playbook)));
        found.extend(self.puppet.iter().map(|puppet| format!("Puppet's manifest `{}`", puppet.manifest)));
        found.extend(self.chef.iter().map(|chef| format!("Chef's cookbooks in `{}`", chef.cookbooks)));
        found.extend(
            self.goss.iter().map(|goss| format!("goss tests in `{goss}`, which this version does not run yet")),
        );
        found
    }
}

/// A folder's name as the name of an image.
fn name(folder: &str) -> String {
    let letter = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    let letters: String = folder.chars().map(letter).collect();
    let words: Vec<&str> = letters.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(63).collect();
    match name.trim_matches('-') {
        "" => "image".to_owned(),
        name => name.to_owned(),
    }
}

/// Whether a path can stand in a definition and in a shell's line as it is.
pub(super) fn is_plain(path: &str) -> bool {
    !path.starts_with(['-', '/'])
        && !path.split('/').any(|part| part == "..")
        && path.chars().all(|char| char.is_ascii_alphanumeric() || "_./-".contains(char))
}

fn value(repository: &Repository<'_>, path: &str) -> Option<Value> {
    let text = (repository.read)(Utf8Path::new(path))?;
    // Its own reader, because the file is a stranger's: aliases and size are bounded.
    let (sources, diagnostics) = Sources::parse(path, &text);
    diagnostics.is_empty().then(|| sources.main().value().clone())
}

fn stages(repository: &Repository<'_>, path: &str) -> Option<Vec<String>> {
    let value = value(repository, path)?;
    let stages = value.get("stages")?.as_sequence()?.iter();
    Some(stages.filter_map(Value::as_str).map(str::to_owned).collect())
}

fn scripts(repository: &Repository<'_>) -> Vec<String> {
    let scripts = repository.paths.iter().filter(|path| path.extension() == Some("sh"));
    let folders = ["scripts", "provision", "provisioners", "provisioning"];
    let near = scripts.filter(|path| path.components().next().is_some_and(|first| folders.contains(&first.as_str())));
    near.map(ToString::to_string).filter(|path| is_plain(path)).take(20).collect()
}

/// The first template that can be read, and the others.
fn templates(repository: &Repository<'_>) -> (Option<Packer>, Vec<String>) {
    let (mut packer, mut others) = (None, Vec::new());
    for path in &repository.paths {
        let is_hcl = path.as_str().ends_with(".pkr.hcl");
        let is_lock = path.components().any(|part| part.as_str() == "node_modules");
        if is_hcl {
            others.push(path.to_string());
        }
        if path.extension() != Some("json") || is_lock {
            continue;
        }
        let Some(template) = (repository.read)(path).and_then(|text| packer::parse(path, &text, &repository.paths))
        else {
            continue;
        };
        if packer.is_none() {
            packer = Some(template);
        } else {
            others.push(path.to_string());
        }
    }
    (packer, others)
}

/// The playbook that is most likely the machine's, by the names that people give it.
fn ansible(repository: &Repository<'_>) -> Option<Ansible> {
    let names = ["site", "playbook", "main", "provision", "local", "image"];
    let folders =
        ["ansible", "provision/ansible", "provisioning/ansible", "provisioning", "packer/ansible", "playbooks", ""];
    for folder in folders {
        let at = |name: &str| Utf8Path::new(folder).join(name);
        for file in names.iter().flat_map(|name| [format!("{name}.yml"), format!("{name}.yaml")]) {
            let path = at(&file);
            let Some(groups) = repository.paths.contains(&path).then(|| hosts(repository, path.as_str())).flatten()
            else {
                continue;
            };
            let requirements = ["requirements.yml", "requirements.yaml", "roles/requirements.yml"];
            let requirements = requirements.into_iter().find(|name| repository.paths.contains(&at(name)));
            let uploads = if folder.is_empty() {
                let parts = [
                    "ansible.cfg",
                    "collections/",
                    "files/",
                    "group_vars/",
                    "host_vars/",
                    "roles/",
                    "templates/",
                    "tasks/",
                    "vars/",
                ];
                let parts = parts.into_iter().filter(|part| is_there(repository, part));
                std::iter::once(file.as_str()).chain(requirements).chain(parts).map(str::to_owned).collect()
            } else {
                vec![format!("{folder}/")]
            };
            return Some(Ansible { uploads, playbook: file, requirements: requirements.map(str::to_owned), groups });
        }
    }
    None
}

fn is_there(repository: &Repository<'_>, path: &str) -> bool {
    match path.strip_suffix('/') {
        Some(folder) => repository.paths.iter().any(|path| path.starts_with(folder) && path != folder),
        None => repository.paths.contains(Utf8Path::new(path)),
    }
}

/// The names in the `hosts` of a playbook's plays; none when the file is no playbook.
fn hosts(repository: &Repository<'_>, path: &str) -> Option<Vec<String>> {
    let value = value(repository, path)?;
    let plays = value.as_sequence()?;
    let mut groups = BTreeSet::new();
    for play in plays {
        let hosts = match play.get("hosts") {
            Some(Value::String(hosts)) => hosts.split([',', ':']).map(str::trim).map(str::to_owned).collect(),
            Some(Value::Sequence(hosts)) => hosts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ if play.get("import_playbook").is_some() => Vec::new(),
            _ => return None,
        };
        groups.extend(hosts);
    }
    let is_name =
        |name: &String| !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    Some(groups.into_iter().filter(|name| is_name(name) && name != "all" && name != "localhost").collect())
}

fn puppet(repository: &Repository<'_>) -> Option<Puppet> {
    for folder in ["puppet", "provision/puppet", ""] {
        let at = |name: &str| Utf8Path::new(folder).join(name).to_string();
        let manifests = ["manifests/site.pp", "manifests/default.pp", "site.pp", "manifests/init.pp"];
        let Some(manifest) = manifests.into_iter().find(|manifest| is_there(repository, &at(manifest))) else {
            continue;
        };
        // A module's own `init.pp` declares a class and applies nothing.
        if manifest == "manifests/init.pp" && is_there(repository, &at("metadata.json")) {
            continue;
        }
        let has_modules = is_there(repository, &at("modules/"));
        let has_puppetfile = is_there(repository, &at("Puppetfile"));
        let uploads = if folder.is_empty() {
            let parts = ["manifests/", "site.pp", "modules/", "hiera.yaml", "data/", "Puppetfile"];
            parts.into_iter().filter(|part| is_there(repository, part)).map(str::to_owned).collect()
        } else {
            vec![format!("{folder}/")]
        };
        return Some(Puppet { uploads, manifest: manifest.to_owned(), has_modules, has_puppetfile });
    }
    None
}

fn chef(repository: &Repository<'_>) -> Option<Chef> {
    for folder in ["cookbooks", "chef/cookbooks", "site-cookbooks"] {
        let recipes = repository.paths.iter().filter_map(|path| {
            let rest = path.strip_prefix(folder).ok()?;
            rest.as_str().strip_suffix("/recipes/default.rb").filter(|name| !name.contains('/') && is_plain(name))
        });
        let run_list: Vec<String> = recipes.map(|name| format!("recipe[{name}]")).collect();
        if !run_list.is_empty() {
            return Some(Chef { cookbooks: folder.to_owned(), run_list });
        }
    }
    None
}
