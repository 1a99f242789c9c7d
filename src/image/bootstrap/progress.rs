//! What mmdebstrap's lines tell: how far it is, and why it failed. Pure.

use super::mirror::{Mirror, Origin, VARIABLE};
use crate::event::Failure;

/// Lines of output that an explanation keeps.
const EXCERPT_LINES: usize = 12;

/// Follows mmdebstrap's output, line by line.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// Packages of the installation that runs; it unpacks and then sets up each.
    packages: u64,
    done: u64,
    /// Lines that say what went wrong.
    telling: Vec<String>,
    last: Vec<String>,
    /// MiB that the root file system must have, when it has not enough.
    needs: Option<u64>,
}

impl Follower {
    /// Takes a line; the percentage of packages that are installed, when it has changed.
    pub(super) fn line(&mut self, line: &str) -> Option<u64> {
        keep(&mut self.last, line);
        let telling = ["E: ", "Err:", "dpkg: error", "mke2fs: ", "tar: ", "chroot: "];
        // mmdebstrap's own last words only repeat that something failed, at length.
        let empty = ["E: setup failed", "E: mmdebstrap failed to run", "E: chroot failed"];
        let is_empty = empty.iter().any(|start| line.starts_with(start));
        if !is_empty && telling.iter().any(|start| line.starts_with(start)) || line.contains("No space left on device")
        {
            keep(&mut self.telling, line);
        }
        if let Some(mib) = line.strip_prefix("ovenbird-needs-mib ") {
            self.needs = mib.trim().parse().ok();
        }
        if let Some((_, rest)) = line.split_once(" upgraded, ")
            && let Some(count) = rest.split(' ').next().and_then(|count| count.parse().ok())
        {
            (self.packages, self.done) = (count, 0);
            return None;
        }
        if self.packages > 0 && (line.starts_with("Unpacking ") || line.starts_with("Setting up ")) {
            let before = self.percent();
            self.done = (self.done + 1).min(2 * self.packages);
            return Some(self.percent()).filter(|percent| *percent != before);
        }
        None
    }

    fn percent(&self) -> u64 {
        self.done * 50 / self.packages.max(1)
    }

    /// MiB that the root file system must have, when that is why it failed.
    pub(super) fn needs(&self) -> Option<u64> {
        self.needs
    }

    /// Why mmdebstrap failed.
    pub(super) fn explain(&self, suite: &str, mirror: &Mirror) -> Failure {
        let (message, hint) = self.diagnosis(suite, mirror);
        let excerpt = if self.telling.is_empty() { &self.last } else { &self.telling };
        Failure { hint, excerpt: excerpt.clone(), command: Some("mmdebstrap".to_owned()), ..Failure::new(message) }
    }

    /// The archive of security updates, when what failed is there and not on the mirror itself.
    fn failed_security<'a>(&self, mirror: &'a Mirror) -> Option<&'a str> {
        let security = mirror.security.as_deref()?;
        // apt leaves passwords out of what it says.
        let names = |line: &str, address: &str| {
            let address = without_password(address);
            line.match_indices(&address).any(|(at, _)| {
                let rest = &line[at + address.len()..];
                rest.is_empty() || rest.starts_with(['/', ' ', '\''])
            })
        };
        let named = |address| self.telling.iter().any(|line| names(line, address));
        (named(security) && !named(&mirror.main)).then_some(security)
    }

    fn diagnosis(&self, suite: &str, mirror: &Mirror) -> (String, Option<String>) {
        let all = || self.telling.iter().chain(&self.last);
        let any = |needles: &[&str]| all().any(|line| needles.iter().any(|needle| line.contains(needle)));
        let security = self.failed_security(mirror);
        let address = without_password(security.unwrap_or(&mirror.main));
        let named = format!("the mirror comes from {}", mirror.origin);
        let another = match mirror.origin {
            Origin::Definition | Origin::Environment if security.is_some() => {
                format!("{named}; name a mirror and, after a blank, its security archive in `{VARIABLE}`")
            }
            Origin::Definition => format!("{named}: check it"),
            Origin::Environment | Origin::Host | Origin::Default => {
                format!("{named}; name another one with `source.mirror`")
            }
        };
        if let Some(package) = all().find_map(|line| missing_package(line)) {
            let message = format!("package `{package}` is not in suite `{suite}` on `{address}`");
            return (message, Some("check its spelling in `packages`; only the component `main` is used".to_owned()));
        }
        if any(&["No space left on device", "Disk quota exceeded"]) {
            let message = "no space is left on this machine for the bootstrap".to_owned();
            return (message, Some("free some space: a system takes 1 to 2 GiB while it is made".to_owned()));
        }
        if any(&["can neither be executed natively nor via qemu", "install arch-test for foreign"]) {
            let message = "this machine can't run programs of the image's architecture".to_owned();
            return (message, Some("install `arch-test`, `qemu-user-static` and `binfmt-support`".to_owned()));
        }
        if any(&["NO_PUBKEY", "BADSIG", "EXPKEYSIG", "REVKEYSIG", "is not signed", "signatures were invalid"]) {
            let message = format!("the signature of suite `{suite}` on `{address}` can't be verified");
            let hint = format!("install a current `debian-archive-keyring` on this machine; {named}");
            return (message, Some(hint));
        }
        if any(&["is expired", "not valid yet", "is not yet valid"]) {
            let message = format!("the index of suite `{suite}` on `{address}` is out of date");
            return (message, Some(format!("check this machine's clock; {another}")));
        }
        if any(&[
            "Could not resolve",
            "Temporary failure resolving",
            "Could not connect",
            "Unable to connect",
            "Connection",
        ]) {
            let what = if security.is_some() { "archive of security updates" } else { "mirror" };
            return (format!("the {what} `{address}` can't be reached"), Some(another));
        }
        if any(&["does not have a Release file", "404  Not Found", "Failed to fetch"]) {
            let hint = format!("check the suite's name, such as `bookworm`; {another}");
            return (format!("suite `{suite}` is not on the mirror `{address}`"), Some(hint));
        }
        if any(&["newuidmap", "newgidmap", "/etc/subuid", "/etc/subgid", "unshare"]) {
            let message = "this user can't make a root file system: user namespaces don't work here".to_owned();
            let hint = "run as root, or install `uidmap` and give the user ranges in `/etc/subuid` and `/etc/subgid`";
            return (message, Some(hint.to_owned()));
        }
        (format!("mmdebstrap failed to install suite `{suite}`"), None)
    }
}

/// Says where packages come from. `has_security`: whether the suite has security updates at all.
pub(super) fn mirror_note(mirror: &Mirror, has_security: bool) -> String {
    let main = format!("packages come from `{}` ({})", without_password(&mirror.main), mirror.origin);
    match &mirror.security {
        _ if !has_security => main,
        Some(security) => format!("{main}, security updates from `{}`", without_password(security)),
        None => format!("{main}, which names no archive of security updates: the build does without them"),
    }
}

fn keep(lines: &mut Vec<String>, line: &str) {
    if lines.len() == EXCERPT_LINES {
        lines.remove(0);
    }
    lines.push(line.to_owned());
}

fn missing_package(line: &str) -> Option<&str> {
    if let Some(name) = line.strip_prefix("E: Unable to locate package ") {
        return Some(name.trim());
    }
    let rest = line.strip_prefix("E: Package '")?;
    rest.strip_suffix("' has no installation candidate")
}

/// An address as a message may show it.
pub(in crate::image) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::bootstrap::mirror::{self, Host};

    fn message(lines: &[&str]) -> String {
        let mut follower = Follower::default();
        for line in lines {
            follower.line(line);
        }
        let mirror = mirror::choose(Some("http://user:word@mirror.test/debian"), None, &Host::default());
        follower.explain("bookwurm", &mirror).message
    }

    #[test]
    fn the_percentage_counts_unpacked_and_set_up_packages_of_the_last_installation() {
        let mut follower = Follower::default();
        let lines = [
            "Setting up before (1) ...",
            "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
            "Unpacking a (1) ...",
            "Unpacking b (1) ...",
            "Processing triggers for c (1) ...",
            "Setting up a (1) ...",
            "Setting up b (1) ...",
        ];
        let seen: Vec<_> = lines.iter().filter_map(|line| follower.line(line)).collect();
        assert_eq!(seen, [25, 50, 75, 100]);
    }

    #[test]
    fn every_expected_failure_has_its_sentence() {
        for (line, expected) in [
            (
                "E: The repository 'http://mirror.test/debian bookwurm Release' does not have a Release file.",
                "suite `bookwurm` is not on the mirror `http://mirror.test/debian`",
            ),
            (
                "E: Unable to locate package ngnix",
                "package `ngnix` is not in suite `bookwurm` on `http://mirror.test/debian`",
            ),
            (
                "E: Package 'ngnix' has no installation candidate",
                "package `ngnix` is not in suite `bookwurm` on `http://mirror.test/debian`",
            ),
            (
                "E: Failed to fetch http://mirror.test/x  Could not connect to mirror.test:80 (192.0.2.1), connection timed out",
                "the mirror `http://mirror.test/debian` can't be reached",
            ),
            (
                "W: GPG error: … NO_PUBKEY 0E98404D386FA1D9",
                "the signature of suite `bookwurm` on `http://mirror.test/debian` can't be verified",
            ),
            (
                "E: Release file for http://mirror.test/debian/dists/x/InRelease is expired (invalid since 1d).",
                "the index of suite `bookwurm` on `http://mirror.test/debian` is out of date",
            ),
            ("tar: ./usr: Cannot write: No space left on device", "no space is left on this machine for the bootstrap"),
            (
                "E: install arch-test for foreign architecture support",
                "this machine can't run programs of the image's architecture",
            ),
            ("E: dpkg failed", "mmdebstrap failed to install suite `bookwurm`"),
        ] {
            assert_eq!(message(&[line, "E: mmdebstrap failed to run"]), expected, "{line}");
        }
    }

    #[test]
    fn a_security_archive_that_fails_is_named_instead_of_the_mirror() {
        let failure = |lines: &[&str]| {
            let mut follower = Follower::default();
            for line in lines {
                follower.line(line);
            }
            let mirror = mirror::choose(Some("http://deb.debian.org/debian"), None, &Host::default());
            follower.explain("bookworm", &mirror)
        };
        let refused = "Could not connect to deb.debian.org:80 (192.0.2.1)";
        let security = format!(
            "E: Failed to fetch http://deb.debian.org/debian-security/dists/bookworm-security/InRelease  {refused}"
        );
        let main = format!("E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  {refused}");
        let alone = failure(&[&security]);
        assert_eq!(
            alone.message,
            "the archive of security updates `http://deb.debian.org/debian-security` can't be reached"
        );
        assert_eq!(
            alone.hint.as_deref(),
            Some(
                "the mirror comes from `source.mirror` in the definition; \
                 name a mirror and, after a blank, its security archive in `OVENBIRD_DEBIAN_MIRROR`"
            )
        );
        let both = failure(&[&security, &main]);
        assert_eq!(both.message, "the mirror `http://deb.debian.org/debian` can't be reached");
    }

    #[test]
    fn the_note_on_the_mirror_tells_where_security_updates_come_from() {
        let given = mirror::choose(Some("http://user:word@mirror.test/debian"), None, &Host::default());
        insta::assert_snapshot!(mirror_note(&given, true), @"packages come from `http://mirror.test/debian` (`source.mirror` in the definition), security updates from `http://deb.debian.org/debian-security`");
        insta::assert_snapshot!(mirror_note(&given, false), @"packages come from `http://mirror.test/debian` (`source.mirror` in the definition)");
        let without = Mirror { security: None, origin: Origin::Host, ..given };
        insta::assert_snapshot!(mirror_note(&without, true), @"packages come from `http://mirror.test/debian` (this machine's apt sources), which names no archive of security updates: the build does without them");
    }

    #[test]
    fn the_excerpt_shows_the_telling_lines_though_others_follow() {
        let mut follower = Follower::default();
        follower.line("E: Unable to locate package x");
        follower.line("E: setup failed: E: apt-get --yes install x failed");
        for number in 0..50 {
            follower.line(&format!("I: noise {number}"));
        }
        let mirror = mirror::choose(None, None, &Host::default());
        assert_eq!(follower.explain("sid", &mirror).excerpt, ["E: Unable to locate package x"]);
    }
}
