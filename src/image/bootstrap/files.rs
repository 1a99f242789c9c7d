//! The files that we put into an image, as archives that mmdebstrap unpacks: owned by root whoever builds. Pure.

use anyhow::Context;

use super::apt::{self, Setting};
use super::mirror::{self, KEYRING, Mirror};
use super::sources;
use crate::plan::job::Debian;

/// What only the build may see is listed here, for `seal` to take back.
pub(super) const BUILD_FOLDER: &str = "/var/lib/ovenbird-build";

const SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
const BUILD_SOURCES: &str = "/etc/apt/sources.list.d/ovenbird-build.sources";
const BUILD_CONF: &str = "/etc/apt/apt.conf.d/99ovenbird-build";
const BUILD_CA: &str = "/etc/apt/ovenbird-build-ca.pem";
const BUILD_KEYRING: &str = "/etc/apt/keyrings/ovenbird-build.gpg";

/// Console on the screen and on the serial port. The last one gets what programs write to `/dev/console`.
pub(super) const CMDLINE: &str = "console=tty0 console=ttyS0,115200 consoleblank=0";

/// A file of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Absolute.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

fn file(path: &str, content: impl Into<Vec<u8>>) -> File {
    File { path: path.to_owned(), mode: 0o644, content: content.into() }
}

fn program(path: &str, content: &str) -> File {
    File { mode: 0o755, ..file(path, content) }
}

/// Files that must be there before packages are configured: the initramfs looks into `/etc/fstab`.
pub(super) fn early(root_uuid: &str, esp_id: &str, cloud_init: bool) -> Vec<File> {
    let fstab =
        format!("UUID={root_uuid} / ext4 errors=remount-ro 0 1\nUUID={esp_id} /boot/efi vfat umask=0077,nofail 0 0\n");
    let grub = format!(
        "# Menu and console on the screen and on the serial port.\nGRUB_TIMEOUT=1\nGRUB_TERMINAL=\"console serial\"\n\
         GRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"\nGRUB_CMDLINE_LINUX=\"{CMDLINE}\"\n\
         GRUB_DISABLE_OS_PROBER=true\n"
    );
    let mut files = vec![
        file("/etc/fstab", fstab),
        file("/etc/hostname", "localhost\n"),
        file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"),
        file("/etc/default/grub.d/50-ovenbird.cfg", grub),
        file("/etc/systemd/network/90-dhcp.network", include_str!("guest/90-dhcp.network")),
        file(
            "/etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf",
            include_str!("guest/wait-online-any.conf"),
        ),
        file("/etc/systemd/resolved.conf.d/50-ovenbird.conf", include_str!("guest/resolved.conf")),
        program("/usr/lib/ovenbird/host-keys", include_str!("guest/host-keys.sh")),
        program("/usr/lib/ovenbird/grow-root", include_str!("guest/grow-root.sh")),
        file("/etc/systemd/system/ovenbird-host-keys.service", include_str!("guest/ovenbird-host-keys.service")),
        file("/etc/systemd/system/ovenbird-grow-root.service", include_str!("guest/ovenbird-grow-root.service")),
    ];
    if cloud_init {
        files.push(file("/etc/cloud/cloud.cfg.d/50_ovenbird.cfg", include_str!("guest/50_ovenbird.cfg")));
    }
    files
}

/// What the guest needs from this machine to reach the mirror.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub(super) settings: Vec<Setting>,
    /// This machine's certificate authorities, where it has a file of them.
    pub(super) authorities: Option<Vec<u8>>,
    /// The mirror's keys, when they are not Debian's own.
    pub(super) keyring: Option<Vec<u8>>,
}

/// apt's files: what the finished image has, what only the build has, and the list by which `seal` tells them apart.
pub(super) fn apt(debian: &Debian, mirror: &Mirror, access: &Access) -> Vec<File> {
    let finished = debian.apt_sources.clone().unwrap_or_else(|| default_sources(&debian.suite));
    let mut build_only = Vec::new();
    let mut files = Vec::new();
    match build_sources(&debian.suite, mirror, access) {
        Some(build) if build != finished => {
            build_only.push(file(BUILD_SOURCES, build));
            files.push(file(&format!("{BUILD_FOLDER}/restore{SOURCES}"), finished));
        }
        _ => files.push(file(SOURCES, finished)),
    }
    if let Some(keyring) = access.keyring.as_ref().filter(|_| !build_only.is_empty()) {
        build_only.push(file(BUILD_KEYRING, keyring.clone()));
    }
    build_only.extend(build_conf(mirror, access));
    if !build_only.is_empty() {
        let paths: String = build_only.iter().map(|file| format!("{}\n", file.path)).collect();
        files.push(file(&format!("{BUILD_FOLDER}/remove"), paths));
    }
    files.extend(build_only);
    files
}

/// Texts that only the build may hold: addresses of its mirror and proxies, as this machine and as the guest see them.
/// Not those that the finished image is meant to use, nor Debian's own, which other packages name too.
pub(super) fn traces(debian: &Debian, mirror: &Mirror, access: &Access) -> Vec<String> {
    let finished = debian.apt_sources.clone().unwrap_or_else(|| default_sources(&debian.suite));
    let proxies = access.settings.iter().filter(|(name, _)| name.to_ascii_lowercase().contains("::proxy"));
    let addresses = [Some(&mirror.main), mirror.security.as_ref()].into_iter().flatten();
    let mut traces: Vec<String> = addresses
        .chain(proxies.map(|(_, value)| value))
        .filter_map(|address| Some([address.clone(), mirror::from_guest(address)?]))
        .flatten()
        .map(|address| address.trim_end_matches('/').to_owned())
        .filter(|address| !mirror::is_public(address) && !finished.contains(address.as_str()))
        .collect();
    traces.sort();
    traces.dedup();
    traces
}

/// The finished image's sources: what Debian's own images have.
fn default_sources(suite: &str) -> String {
    sources_of(suite, &mirror::choose(None, None, &mirror::Host::default()))
}

fn sources_of(suite: &str, mirror: &Mirror) -> String {
    let (main, security) = sources::suites(suite);
    let mut text = sources::deb822(&mirror.main, &main, &mirror.signed_by);
    if let (Some(suite), Some(uri)) = (security, &mirror.security) {
        text.push('\n');
        text.push_str(&sources::deb822(uri, &[suite], &mirror.signed_by));
    }
    text
}

/// The sources that the guest uses during the build; none where it can't reach the mirror.
fn build_sources(suite: &str, mirror: &Mirror, access: &Access) -> Option<String> {
    let signed_by = if access.keyring.is_some() { BUILD_KEYRING } else { KEYRING };
    let seen = Mirror {
        main: mirror::from_guest(&mirror.main)?,
        security: mirror.security.as_deref().and_then(mirror::from_guest),
        signed_by: signed_by.to_owned(),
        origin: mirror.origin,
    };
    Some(sources_of(suite, &seen))
}

/// apt's configuration for the build: proxies as the guest sees them, and the authorities that this machine trusts.
fn build_conf(mirror: &Mirror, access: &Access) -> Vec<File> {
    let mut settings: Vec<Setting> = access
        .settings
        .iter()
        .filter(|(name, _)| !apt::is_tls_file(name))
        .map(|(name, value)| (name.clone(), mirror::from_guest(value).unwrap_or_else(|| value.clone())))
        .collect();
    let addresses = [Some(&mirror.main), mirror.security.as_ref()].into_iter().flatten();
    let is_https = addresses.chain(settings.iter().map(|(_, value)| value)).any(|value| value.starts_with("https:"));
    let mut files = Vec::new();
    if let Some(authorities) = access.authorities.as_ref().filter(|_| is_https) {
        settings.push(("Acquire::https::CaInfo".to_owned(), BUILD_CA.to_owned()));
        files.push(file(BUILD_CA, authorities.clone()));
    }
    if !settings.is_empty() {
        files.push(file(BUILD_CONF, apt::conf(&settings)));
    }
    files
}

/// A tar archive of files. Folders that are not there yet come into being as they are needed.
///
/// # Errors
/// A path is too long for an archive.
pub(super) fn archive(files: &[File]) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let now = u64::try_from(chrono::Utc::now().timestamp()).unwrap_or_default();
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(now);
        header
    };
    if files.iter().any(|file| file.path.starts_with(BUILD_FOLDER)) {
        // A mirror's or proxy's address may hold a password.
        let path = format!("{}/", BUILD_FOLDER.trim_start_matches('/'));
        archive.append_data(&mut header(tar::EntryType::Directory, 0o700, 0), path, std::io::empty())?;
    }
    for file in files {
        let size = u64::try_from(file.content.len()).context("a file is too large")?;
        let path = file.path.trim_start_matches('/');
        let mut header = header(tar::EntryType::Regular, file.mode, size);
        archive.append_data(&mut header, path, file.content.as_slice()).with_context(|| format!("`{path}`"))?;
    }
    Ok(archive.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::job::Kernel;

    fn debian(apt_sources: Option<&str>) -> Debian {
        Debian {
            suite: "bookworm".to_owned(),
            packages: Vec::new(),
            kernel: Kernel::Generic,
            cloud_init: true,
            mirror: None,
            apt_sources: apt_sources.map(str::to_owned),
        }
    }

    fn shown(files: &[File]) -> String {
        files.iter().map(|file| format!("== {}\n{}", file.path, String::from_utf8_lossy(&file.content))).collect()
    }

    fn mirror(text: Option<&str>) -> Mirror {
        mirror::choose(text, None, &mirror::Host::default())
    }

    fn proxy() -> Access {
        let settings = vec![("Acquire::http::Proxy".to_owned(), "http://127.0.0.1:3142".to_owned())];
        Access { settings, authorities: Some(b"CA\n".to_vec()), keyring: None }
    }

    #[test]
    fn without_mirror_and_proxy_the_finished_sources_serve_the_build_too() {
        insta::assert_snapshot!(shown(&apt(&debian(None), &mirror(None), &Access::default())), @r"
        == /etc/apt/sources.list.d/debian.sources
        Types: deb
        URIs: http://deb.debian.org/debian
        Suites: bookworm bookworm-updates
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

        Types: deb
        URIs: http://deb.debian.org/debian-security
        Suites: bookworm-security
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        ");
    }

    #[test]
    fn a_mirror_and_a_proxy_are_the_builds_only_and_are_listed_for_seal() {
        let mirror = mirror(Some("http://localhost:8080/debian"));
        insta::assert_snapshot!(shown(&apt(&debian(Some("# mine\n")), &mirror, &proxy())), @r#"
        == /var/lib/ovenbird-build/restore/etc/apt/sources.list.d/debian.sources
        # mine
        == /var/lib/ovenbird-build/remove
        /etc/apt/sources.list.d/ovenbird-build.sources
        /etc/apt/apt.conf.d/99ovenbird-build
        == /etc/apt/sources.list.d/ovenbird-build.sources
        Types: deb
        URIs: http://10.0.2.2:8080/debian
        Suites: bookworm bookworm-updates
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

        Types: deb
        URIs: http://deb.debian.org/debian-security
        Suites: bookworm-security
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        == /etc/apt/apt.conf.d/99ovenbird-build
        Acquire::http::Proxy "http://10.0.2.2:3142";
        "#);
    }

    #[test]
    fn the_builds_mirror_and_proxy_are_traces_unless_the_image_is_meant_to_use_them() {
        let private = mirror(Some("http://localhost:8080/debian/"));
        let expected = [
            "http://10.0.2.2:3142",
            "http://10.0.2.2:8080/debian",
            "http://127.0.0.1:3142",
            "http://localhost:8080/debian",
        ];
        assert_eq!(traces(&debian(None), &private, &proxy()), expected);
        let company = mirror(Some("https://mirror.test/debian"));
        let meant = Some("Types: deb\nURIs: https://mirror.test/debian/\n");
        assert_eq!(traces(&debian(meant), &company, &Access::default()), [""; 0]);
        // cloud-init's own configuration names it.
        assert_eq!(traces(&debian(Some("# none\n")), &mirror(None), &Access::default()), [""; 0]);
        assert_eq!(traces(&debian(None), &mirror(Some("file:///srv/mirror")), &Access::default()), [""; 0]);
    }

    #[test]
    fn an_https_mirror_brings_the_hosts_authorities_along() {
        let files = apt(&debian(None), &mirror(Some("https://mirror.test/debian")), &proxy());
        let text = shown(&files);
        assert!(text.contains("Acquire::https::CaInfo \"/etc/apt/ovenbird-build-ca.pem\";"), "{text}");
        assert!(text.contains("== /etc/apt/ovenbird-build-ca.pem\nCA\n"), "{text}");
        let remove = files.iter().find(|file| file.path.ends_with("/remove")).map(|file| file.content.clone());
        assert!(remove.is_some_and(|list| String::from_utf8_lossy(&list).contains("/etc/apt/ovenbird-build-ca.pem\n")));
    }

    #[test]
    fn a_mirror_that_no_guest_can_reach_leaves_the_finished_sources_in_place() {
        let files = apt(&debian(None), &mirror(Some("file:///srv/mirror")), &Access::default());
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [SOURCES]);
    }

    #[test]
    fn a_mirror_with_keys_of_its_own_brings_them_for_the_build() {
        let access = Access { keyring: Some(b"KEYS".to_vec()), ..Access::default() };
        let text = shown(&apt(&debian(None), &mirror(Some("http://mirror.test/debian")), &access));
        assert!(text.contains("Signed-By: /etc/apt/keyrings/ovenbird-build.gpg"), "{text}");
        assert!(text.contains("== /etc/apt/keyrings/ovenbird-build.gpg\nKEYS"), "{text}");
    }

    #[test]
    fn sid_has_neither_updates_nor_security_updates() {
        assert!(!default_sources("sid").contains('-') || !default_sources("sid").contains("sid-"));
        assert_eq!(default_sources("sid").matches("Types: deb").count(), 1);
    }

    #[test]
    fn everything_in_an_archive_belongs_to_root() -> anyhow::Result<()> {
        let bytes = archive(&apt(&debian(None), &mirror(Some("http://m.test/debian")), &proxy()))?;
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut modes = Vec::new();
        for entry in archive.entries()? {
            let entry = entry?;
            assert_eq!((entry.header().uid()?, entry.header().gid()?), (0, 0));
            modes.push((entry.path()?.display().to_string(), entry.header().mode()?));
        }
        assert_eq!(modes[0], ("var/lib/ovenbird-build/".to_owned(), 0o700));
        Ok(())
    }
}
