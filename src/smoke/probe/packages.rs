//! `package`: the databases of dpkg, apk and pacman, read; rpm's, by `rpm -q`, since it is no text.

use super::ask::Request;
use super::facts::{Facts, Property, malformed, unknown, value};
use crate::smoke::spec::Resource;

fn list() -> Request {
    Request::new("packages", "")
}

fn by_rpm(name: &str) -> Request {
    Request::new("rpm", name)
}

pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    vec![list(), by_rpm(resource.object())]
}

pub(super) fn property(name: &str, property: &str, facts: &Facts) -> Property {
    let text = |frame| facts.text(&list(), frame);
    let versions = match text("manager")?.as_str() {
        "dpkg" => dpkg(&text("list")?, name),
        "apk" => apk(&text("list")?, name),
        "pacman" => pacman(&text("list")?, name),
        "rpm" => {
            let versions = facts.of(&by_rpm(name))?.text("versions").unwrap_or_default();
            versions.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
        _ => return Err(malformed()),
    };
    match property {
        "installed" => value(!versions.is_empty()),
        "version" | "versions" if versions.is_empty() => Err("Package version not found".to_owned()),
        "version" | "versions" => value(versions),
        other => unknown(other),
    }
}

/// Versions of what is installed or held under a name: `name`, `name:architecture`, or a pattern of `dpkg-query`.
fn dpkg(text: &str, asked: &str) -> Vec<String> {
    let (wanted, architecture) = asked.split_once(':').map_or((asked, None), |(name, of)| (name, Some(of)));
    let mut versions = Vec::new();
    let (mut name, mut of, mut status) = ("", "", "");
    for line in text.lines() {
        let Some((key, field)) = line.split_once(": ") else { continue };
        match key {
            "Package" => (name, of, status) = (field, "", ""),
            "Status" => status = field,
            "Architecture" => of = field,
            "Version" => {
                let installed = matches!(status, "install ok installed" | "hold ok installed");
                let right = matches(wanted, name) && architecture.is_none_or(|wanted| matches(wanted, of));
                if installed && right {
                    versions.push(field.to_owned());
                }
            }
            _ => {}
        }
    }
    versions
}

/// Whether a shell pattern of `*`, `?` and `[…]` matches.
fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['*', '?', '[']) {
        return pattern == name;
    }
    let pattern = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    // What `escape` did to classes and their ranges is taken back; `[!a]` is `[^a]`.
    let pattern = pattern.replace(r"\[", "[").replace(r"\]", "]").replace(r"\-", "-").replace("[!", "[^");
    regex::Regex::new(&format!("^(?s:{pattern})$")).is_ok_and(|pattern| pattern.is_match(name))
}

fn apk(text: &str, asked: &str) -> Vec<String> {
    let mut name = "";
    let mut versions = Vec::new();
    for line in text.lines() {
        match line.split_once(':') {
            Some(("P", found)) => name = found,
            Some(("V", version)) if name == asked => versions.push(version.to_owned()),
            _ => {}
        }
    }
    versions
}

/// Folders are named `name-version-release`.
fn pacman(text: &str, asked: &str) -> Vec<String> {
    let versions = text.lines().filter_map(|folder| {
        let version = folder.strip_prefix(asked)?.strip_prefix('-')?;
        (version.split('-').count() == 2).then(|| version.to_owned())
    });
    versions.collect()
}

#[cfg(test)]
mod tests {
    use super::{apk, dpkg, pacman};

    #[test]
    fn only_what_is_installed_or_held_counts() {
        let text = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n\
                    Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36-9\n\
                    Package: held\nStatus: hold ok installed\nArchitecture: all\nVersion: 1:2-3\n\
                    Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n";
        assert_eq!(dpkg(text, "libc6"), ["2.36-9", "2.36-9"]);
        assert_eq!(dpkg(text, "libc6:i386"), ["2.36-9"]);
        assert_eq!(dpkg(text, "held"), ["1:2-3"]);
        assert_eq!(dpkg(text, "?el*"), ["1:2-3"]);
        assert_eq!(dpkg(text, "[a-h]eld"), ["1:2-3"]);
        assert!(dpkg(text, "[!h]eld").is_empty() && dpkg(text, "[held").is_empty());
        assert!(dpkg(text, "gone").is_empty() && dpkg(text, "libc").is_empty() && dpkg(text, "").is_empty());
    }

    #[test]
    fn alpine_and_arch_say_it_shorter() {
        assert_eq!(apk("P:busybox\nV:1.37.0-r12\n\nP:busybox-binsh\nV:1.37.0-r13\n", "busybox"), ["1.37.0-r12"]);
        assert_eq!(pacman("bash-5.2.037-1\nbash-completion-2.16.0-1\n", "bash"), ["5.2.037-1"]);
    }
}
