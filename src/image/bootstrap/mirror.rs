//! Where packages come from while building: the definition's mirror, else the environment's, else the host's own, else
//! Debian's. Pure but for [`Host::read`].

use camino::Utf8Path;

use super::sources::{self, Entry};

/// Names a mirror for all builds of this machine.
pub(super) const VARIABLE: &str = "OVENBIRD_DEBIAN_MIRROR";

/// What Debian's own images use.
const MAIN: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";

/// The keys of the Debian archive, on a host and in every image.
pub(super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Who named the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Definition,
    Environment,
    Host,
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Definition => f.write_str("`source.mirror` in the definition"),
            Self::Environment => write!(f, "the environment variable `{VARIABLE}`"),
            Self::Host => f.write_str("this machine's apt sources"),
            Self::Default => f.write_str("Debian's default"),
        }
    }
}

/// A mirror of the Debian archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) main: String,
    /// The archive of security updates, where the mirror has one.
    pub(super) security: Option<String>,
    /// The file that holds the mirror's keys.
    pub(super) signed_by: String,
    pub(super) origin: Origin,
}

impl Mirror {
    fn debian() -> Self {
        Self {
            main: MAIN.to_owned(),
            security: Some(SECURITY.to_owned()),
            signed_by: KEYRING.to_owned(),
            origin: Origin::Default,
        }
    }

    /// A mirror as people write it: one address, or two separated by a blank, of which the second holds security updates.
    /// Without the second these come from Debian's own archive: a build never goes without them.
    fn given(text: &str, origin: Origin) -> Option<Self> {
        let mut addresses = text.split_whitespace().map(|address| address.trim_end_matches('/').to_owned());
        let main = addresses.next()?;
        let security = Some(addresses.next().unwrap_or_else(|| SECURITY.to_owned()));
        Some(Self { main, security, signed_by: KEYRING.to_owned(), origin })
    }
}

/// Picks the mirror of a build.
pub(super) fn choose(definition: Option<&str>, environment: Option<&str>, host: &Host) -> Mirror {
    definition
        .and_then(|text| Mirror::given(text, Origin::Definition))
        .or_else(|| environment.and_then(|text| Mirror::given(text, Origin::Environment)))
        .or_else(|| host.mirror())
        .unwrap_or_else(Mirror::debian)
}

/// What a host that is Debian says of its own package sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// Empty where the host is not Debian.
    pub(super) entries: Vec<Entry>,
}

impl Host {
    /// Reads the apt sources below `root`, which is `/` but in tests. What can't be read counts as absent.
    pub(super) fn read(root: &Utf8Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(root.join(path.trim_start_matches('/'))).ok();
        if !read("/etc/os-release").is_some_and(|text| is_debian(&text)) {
            return Self::default();
        }
        let mut entries = Vec::new();
        if let Some(text) = read("/etc/apt/sources.list") {
            entries.extend(sources::parse_list(&text));
        }
        let folder = root.join("etc/apt/sources.list.d").read_dir_utf8();
        let mut paths: Vec<_> = folder.into_iter().flatten().flatten().map(|entry| entry.into_path()).collect();
        paths.sort();
        for path in paths {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            match path.extension() {
                Some("list") => entries.extend(sources::parse_list(&text)),
                Some("sources") => entries.extend(sources::parse_deb822(&text)),
                _ => {}
            }
        }
        for entry in &mut entries {
            // Debian's cloud images name their mirror in a file.
            if let Some(path) = entry.uri.strip_prefix("mirror+file:")
                && let Some(uri) = read(path).as_deref().and_then(first_address)
            {
                entry.uri = uri;
            }
        }
        Self { entries }
    }

    fn mirror(&self) -> Option<Mirror> {
        let main = self.entries.iter().find(|entry| is_main(entry))?;
        let security = self.entries.iter().find(|entry| is_security(entry));
        Some(Mirror {
            main: main.uri.trim_end_matches('/').to_owned(),
            security: security.map(|entry| entry.uri.trim_end_matches('/').to_owned()),
            signed_by: main.signed_by.clone().unwrap_or_else(|| KEYRING.to_owned()),
            origin: Origin::Host,
        })
    }
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| matches!(line.trim(), "ID=debian" | "ID=\"debian\""))
}

fn first_address(list: &str) -> Option<String> {
    list.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        // Options may follow after a tab.
        line.split_whitespace().next().unwrap_or(line).to_owned()
    })
}

fn is_main(entry: &Entry) -> bool {
    is_debians(entry) && entry.suites.iter().any(|suite| !suite.contains(['-', '/']))
}

fn is_security(entry: &Entry) -> bool {
    is_debians(entry) && entry.suites.iter().any(|suite| suite.ends_with("-security") || suite.ends_with("/updates"))
}

/// Other vendors also name Debian's suites and a component `main`: the archive is known by its keys, or else by its path.
fn is_debians(entry: &Entry) -> bool {
    let reachable = ["http://", "https://", "file:", "copy:"].iter().any(|scheme| entry.uri.starts_with(scheme));
    let (_, path) = entry.uri.split_once("://").unwrap_or(("", &entry.uri));
    let path = path.split_once('/').map_or("", |(_, path)| path).trim_end_matches('/');
    let known = match &entry.signed_by {
        Some(keyring) => keyring.contains("debian-archive"),
        None => path.rsplit('/').next().is_some_and(|last| last.contains("debian")),
    };
    reachable && known && entry.components.iter().any(|component| component == "main")
}

/// An address as a guest on QEMU's user network sees it: this machine is 10.0.2.2 there. None where no network leads to it.
pub(super) fn from_guest(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host_port) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let at = if user.is_empty() { "" } else { "@" };
    let port_at = match host_port.rfind(':') {
        Some(colon) if !host_port[colon..].contains(']') => colon,
        _ => host_port.len(),
    };
    let (host, port) = host_port.split_at(port_at);
    let host = if is_loopback(host) { "10.0.2.2" } else { host };
    Some(format!("{scheme}://{user}{at}{host}{port}{path}"))
}

/// Whether an address is one of Debian's own, which tells nothing of who used it.
pub(super) fn is_public(address: &str) -> bool {
    let authority = address.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(rest));
    let host = authority.split(':').next().unwrap_or(authority);
    host == "debian.org" || host.ends_with(".debian.org")
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(list: &str) -> Host {
        Host { entries: sources::parse_list(list) }
    }

    #[test]
    fn the_definition_wins_over_the_environment_and_that_over_the_host() {
        let debian = host("deb http://host.test/debian bookworm main\n");
        let chosen = |definition, environment, host: &Host| {
            let mirror = choose(definition, environment, host);
            (mirror.main, mirror.origin)
        };
        let expect = |main: &str, origin| (main.to_owned(), origin);
        assert_eq!(
            chosen(Some("http://a.test/d/"), Some("http://b.test/d"), &debian),
            expect("http://a.test/d", Origin::Definition)
        );
        assert_eq!(chosen(None, Some("http://b.test/d"), &debian), expect("http://b.test/d", Origin::Environment));
        assert_eq!(chosen(None, Some(" "), &debian), expect("http://host.test/debian", Origin::Host));
        assert_eq!(chosen(None, None, &Host::default()), expect(MAIN, Origin::Default));
    }

    #[test]
    fn a_second_address_is_that_of_security_updates() {
        let mirror = choose(Some("http://a.test/debian http://a.test/security/"), None, &Host::default());
        assert_eq!(mirror.security.as_deref(), Some("http://a.test/security"));
    }

    #[test]
    fn a_mirror_of_one_address_has_security_updates_from_debians_own_archive() {
        for (definition, environment) in [(Some("http://a.test/debian"), None), (None, Some("http://a.test/debian"))] {
            let mirror = choose(definition, environment, &Host::default());
            assert_eq!((mirror.main.as_str(), mirror.security.as_deref()), ("http://a.test/debian", Some(SECURITY)));
        }
    }

    #[test]
    fn sources_of_other_vendors_are_not_debians_mirror() {
        for list in [
            "deb http://apt.vendor.test bookworm main",
            "deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.test/debian bookworm main",
            "deb https://docker.test/linux/debian bookworm stable",
            "deb http://apt.postgresql.test/pub/repos/apt bookworm-pgdg main",
            "deb cdrom:[Debian]/ bookworm main",
            "deb-src http://host.test/debian bookworm main",
            "# deb http://host.test/debian bookworm main",
        ] {
            assert_eq!(host(list).mirror(), None, "{list}");
        }
    }

    #[test]
    fn a_hosts_archive_is_known_by_its_keys_or_its_path() {
        let found = host(
            "deb https://vendor.test/stuff bookworm main\n\
             deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://proxy.test/remote/ bookworm main\n\
             deb http://security.test/debian-security bookworm-security main\n",
        );
        assert_eq!(
            found.mirror(),
            Some(Mirror {
                main: "https://proxy.test/remote".to_owned(),
                security: Some("http://security.test/debian-security".to_owned()),
                signed_by: KEYRING.to_owned(),
                origin: Origin::Host,
            })
        );
    }

    #[test]
    fn loopback_is_10_0_2_2_for_a_guest() {
        for (here, there) in [
            ("http://127.0.0.1:3142/debian", Some("http://10.0.2.2:3142/debian")),
            ("http://localhost/debian", Some("http://10.0.2.2/debian")),
            ("http://user:word@LOCALHOST:8080", Some("http://user:word@10.0.2.2:8080")),
            ("http://[::1]:3142/", Some("http://10.0.2.2:3142/")),
            ("http://[fe80::1]/x", Some("http://[fe80::1]/x")),
            ("http://localhost.test/a:b", Some("http://localhost.test/a:b")),
            ("https://mirror.test/debian", Some("https://mirror.test/debian")),
            ("file:///srv/mirror", None),
            ("copy:/srv/mirror", None),
        ] {
            assert_eq!(from_guest(here).as_deref(), there, "{here}");
        }
    }

    #[test]
    fn a_host_is_read_in_both_formats_and_through_a_mirror_list() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let root = Utf8Path::from_path(folder.path()).ok_or_else(|| anyhow::anyhow!("a path that is no UTF-8"))?;
        std::fs::create_dir_all(root.join("etc/apt/sources.list.d"))?;
        std::fs::create_dir_all(root.join("etc/apt/mirrors"))?;
        std::fs::write(root.join("etc/os-release"), "NAME=x\nID=debian\n")?;
        std::fs::write(root.join("etc/apt/mirrors/debian.list"), "# list\nhttps://mirror.test/debian\n")?;
        std::fs::write(
            root.join("etc/apt/sources.list.d/debian.sources"),
            "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie trixie-updates\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        )?;
        std::fs::write(root.join("etc/apt/sources.list"), "deb http://s.test/debian-security trixie-security main\n")?;
        let mirror = Host::read(root).mirror();
        assert_eq!(mirror.as_ref().map(|mirror| mirror.main.as_str()), Some("https://mirror.test/debian"));
        assert_eq!(mirror.and_then(|mirror| mirror.security).as_deref(), Some("http://s.test/debian-security"));
        std::fs::write(root.join("etc/os-release"), "ID=ubuntu\nID_LIKE=debian\n")?;
        assert_eq!(Host::read(root), Host::default());
        Ok(())
    }
}
