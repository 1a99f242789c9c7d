//! How the build's keys get into a guest, before anyone has logged in.
//!
//! Two ways, because no one way reaches every image:
//!
//! * **SMBIOS strings** that systemd (252 and later) takes as credentials. `ssh.authorized_keys.root` is root's key;
//!   `tmpfiles.extra` writes the host key, so that it is known in advance and nobody trusts what answers first.
//! * **A NoCloud seed**, a small vfat volume labelled `CIDATA`, for cloud-init. Only for images that were not made here:
//!   a bootstrapped Debian always has the first, and cloud-init that finds no seed leaves no state behind.
//!
//! Both write the same keys, so it does not matter which comes first, or whether both do. All of it is residue that `seal`
//! removes. The files hold a private host key, for one machine that lives as long as the build.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8PathBuf;
use tokio::process::Command;

use crate::context::JobCtx;
use crate::guest::ssh::KeyPair;
use crate::program;
use crate::secret::Redactor;

/// The keys of one machine.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Who may log in.
    pub user: String,
    pub login: KeyPair,
    pub host: KeyPair,
}

impl Keys {
    /// Makes fresh ones.
    ///
    /// # Errors
    /// The keys can't be encoded.
    pub(super) fn generate(user: &str) -> anyhow::Result<Self> {
        Ok(Self { user: user.to_owned(), login: KeyPair::generate()?, host: KeyPair::generate()? })
    }

    /// Registers the private keys, without the lines that all keys have.
    ///
    /// # Errors
    /// The keys can't be encoded.
    pub(super) fn hide(&self, redactor: &Redactor) -> anyhow::Result<()> {
        for key in [&self.login, &self.host] {
            let text = key.private_text()?;
            let body: Vec<&str> = text.lines().filter(|line| !line.starts_with("-----")).collect();
            redactor.register(body.join("\n"));
        }
        Ok(())
    }
}

/// Writes the SMBIOS strings, one file each; without a host key, the guest makes its own.
///
/// # Errors
/// A file can't be written.
pub(super) fn write_credentials(
    ctx: &JobCtx,
    keys: &Keys,
    host_key: Option<&KeyPair>,
) -> anyhow::Result<Vec<Utf8PathBuf>> {
    let mut strings = Vec::new();
    let is_root = keys.user == "root";
    if let Some(host) = host_key {
        strings.push(("host-key.credential", host_key_credential(&host.private_text()?, &host.public_line)));
        if is_root {
            strings.push(("login.credential", login_credential(&keys.login.public_line)));
        }
    } else if is_root {
        strings.push(("login.credential", added_login_credential(&keys.login.public_line)));
    }
    let mut files = Vec::new();
    for (name, text) in strings {
        let path = ctx.work.join(name);
        std::fs::write(&path, text).with_context(|| format!("failed to write `{path}`"))?;
        files.push(path);
    }
    Ok(files)
}

fn login_credential(public_line: &str) -> String {
    format!("io.systemd.credential:ssh.authorized_keys.root={}", public_line.trim())
}

/// The key, beside those that are there: `ssh.authorized_keys.root` is only taken where there are none, and an image may be
/// meant to have some, or have one that was forgotten in it. `w+` appends; `~` says that the content is Base64.
fn added_login_credential(public_line: &str) -> String {
    // A last line may have no end.
    let key = STANDARD.encode(format!("\n{}\n", public_line.trim()));
    let lines = format!(
        "d /root/.ssh 0700 root root -\n\
         f /root/.ssh/authorized_keys 0600 root root -\n\
         w+~ /root/.ssh/authorized_keys - - - - {key}\n"
    );
    format!("io.systemd.credential.binary:tmpfiles.extra={}", STANDARD.encode(lines))
}

/// `f+` replaces what is there; `~` says that the content is Base64.
fn host_key_credential(private: &str, public_line: &str) -> String {
    let (private, public) = (STANDARD.encode(private), STANDARD.encode(format!("{}\n", public_line.trim())));
    let lines = format!(
        "d /etc/ssh 0755 root root -\n\
         f+~ /etc/ssh/ssh_host_ed25519_key 0600 root root - {private}\n\
         f+~ /etc/ssh/ssh_host_ed25519_key.pub 0644 root root - {public}\n"
    );
    // Binary, because an SMBIOS string is one line.
    format!("io.systemd.credential.binary:tmpfiles.extra={}", STANDARD.encode(lines))
}

/// Makes the NoCloud volume; without a host key, the guest makes its own, and without a host name, it keeps its own.
///
/// # Errors
/// A file can't be written, or `mkfs.vfat` or `mcopy` is missing or fails.
pub(super) async fn write_seed(
    ctx: &JobCtx,
    keys: &Keys,
    host_key: Option<&KeyPair>,
    hostname: Option<&str>,
) -> anyhow::Result<Utf8PathBuf> {
    let (volume, folder) = (ctx.work.join("seed.img"), ctx.work.join("seed"));
    let host_key = host_key.map(|key| anyhow::Ok((key.private_text()?, key.public_line.as_str()))).transpose()?;
    let host_key = host_key.as_ref().map(|(private, public)| (private.as_str(), *public));
    let user_data = user_data(&keys.user, &keys.login.public_line, host_key);
    let write = || {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("user-data"), user_data)?;
        std::fs::write(folder.join("meta-data"), meta_data(&instance_id()?, hostname))?;
        std::fs::File::create(&volume)?.set_len(1024 * 1024)
    };
    write().with_context(|| format!("failed to write the seed in `{}`", ctx.work))?;
    let mut format = Command::new("mkfs.vfat");
    // Cloud-init takes the label in either case; the program remarks on lower case.
    format.args(["-n", "CIDATA", volume.as_str()]);
    program::run_with(ctx, format, |_| false).await?;
    let mut copy = Command::new("mcopy");
    copy.args(["-i", volume.as_str(), folder.join("user-data").as_str(), folder.join("meta-data").as_str(), "::"]);
    program::run(ctx, copy).await?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("failed to remove `{folder}`"))?;
    Ok(volume)
}

/// A new id each time: cloud-init takes a seed's keys once for each instance.
fn instance_id() -> std::io::Result<String> {
    Ok(format!("ovenbird-{}", uuid()?))
}

/// A random one.
pub(super) fn uuid() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

fn meta_data(instance: &str, hostname: Option<&str>) -> String {
    let hostname = hostname.map(|hostname| format!("local-hostname: {hostname}\n")).unwrap_or_default();
    format!("instance-id: {instance}\n{hostname}")
}

/// The user data. Its users are none but the one that is asked for, so that a build does not leave the image with a user
/// that only cloud-init's defaults wanted.
fn user_data(user: &str, login: &str, host_key: Option<(&str, &str)>) -> String {
    let login = login.trim();
    // A copy that is tested keeps those of its image: whether there are any is what the test asks.
    let delete_keys = host_key.is_some();
    let host_key = host_key.map(|(private, public)| {
        let private: String = private.lines().map(|line| format!("    {line}\n")).collect();
        format!("ssh_keys:\n  ed25519_private: |\n{private}  ed25519_public: \"{}\"\n", public.trim())
    });
    let host_key = host_key.unwrap_or_default();
    let users = if user == "root" {
        "users: []\n".to_owned()
    } else {
        // `default` brings the groups and the sudo rule when the user is the distribution's own.
        // JSON's strings are YAML's too.
        let user = serde_json::Value::from(user);
        format!("users:\n  - default\n  - name: {user}\n    ssh_authorized_keys:\n      - \"{login}\"\n")
    };
    format!(
        "#cloud-config\n\
         ssh_deletekeys: {delete_keys}\n\
         {host_key}\
         disable_root: false\n\
         {users}\
         ssh_authorized_keys:\n  - \"{login}\"\n\
         package_update: false\n\
         package_upgrade: false\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

    #[test]
    fn the_seed_of_root_makes_no_user() {
        insta::assert_snapshot!(user_data("root", "ssh-ed25519 LOGIN ovenbird\n", Some((PRIVATE, "ssh-ed25519 HOST ovenbird"))), @r#"
        #cloud-config
        ssh_deletekeys: true
        ssh_keys:
          ed25519_private: |
            -----BEGIN OPENSSH PRIVATE KEY-----
            AAAA
            -----END OPENSSH PRIVATE KEY-----
          ed25519_public: "ssh-ed25519 HOST ovenbird"
        disable_root: false
        users: []
        ssh_authorized_keys:
          - "ssh-ed25519 LOGIN ovenbird"
        package_update: false
        package_upgrade: false
        "#);
    }

    #[test]
    fn a_copy_keeps_the_host_keys_that_are_in_its_image() {
        let copy = user_data("root", "ssh-ed25519 LOGIN ovenbird", None);
        assert!(copy.contains("\nssh_deletekeys: false\n") && !copy.contains("ssh_keys:"), "{copy}");
    }

    #[test]
    fn another_user_gets_the_key_beside_the_defaults_of_the_image() {
        insta::assert_snapshot!(user_data("debian", "ssh-ed25519 LOGIN ovenbird", Some((PRIVATE, "ssh-ed25519 HOST ovenbird"))), @r#"
        #cloud-config
        ssh_deletekeys: true
        ssh_keys:
          ed25519_private: |
            -----BEGIN OPENSSH PRIVATE KEY-----
            AAAA
            -----END OPENSSH PRIVATE KEY-----
          ed25519_public: "ssh-ed25519 HOST ovenbird"
        disable_root: false
        users:
          - default
          - name: "debian"
            ssh_authorized_keys:
              - "ssh-ed25519 LOGIN ovenbird"
        ssh_authorized_keys:
          - "ssh-ed25519 LOGIN ovenbird"
        package_update: false
        package_upgrade: false
        "#);
    }

    #[test]
    fn a_host_name_is_told_as_clouds_tell_it() {
        assert_eq!(meta_data("i-1", None), "instance-id: i-1\n");
        assert_eq!(meta_data("i-1", Some("ovenbird-test-1")), "instance-id: i-1\nlocal-hostname: ovenbird-test-1\n");
    }

    #[test]
    fn the_login_credential_is_one_line() {
        insta::assert_snapshot!(login_credential("ssh-ed25519 LOGIN ovenbird\n"), @"io.systemd.credential:ssh.authorized_keys.root=ssh-ed25519 LOGIN ovenbird");
    }

    #[test]
    fn a_copys_key_comes_to_those_that_are_there() {
        let credential = added_login_credential("ssh-ed25519 LOGIN ovenbird\n");
        let (name, value) = credential.split_once('=').unwrap_or_default();
        assert_eq!(name, "io.systemd.credential.binary:tmpfiles.extra");
        let lines = STANDARD.decode(value).unwrap_or_default();
        insta::assert_snapshot!(String::from_utf8_lossy(&lines), @r"
        d /root/.ssh 0700 root root -
        f /root/.ssh/authorized_keys 0600 root root -
        w+~ /root/.ssh/authorized_keys - - - - CnNzaC1lZDI1NTE5IExPR0lOIG92ZW5iaXJkCg==
        ");
    }

    #[test]
    fn the_host_key_is_written_with_its_modes_before_the_server_starts() {
        let credential = host_key_credential(PRIVATE, "ssh-ed25519 HOST ovenbird");
        let (name, value) = credential.split_once('=').unwrap_or_default();
        assert_eq!(name, "io.systemd.credential.binary:tmpfiles.extra");
        let lines = STANDARD.decode(value).unwrap_or_default();
        insta::assert_snapshot!(String::from_utf8_lossy(&lines), @r"
        d /etc/ssh 0755 root root -
        f+~ /etc/ssh/ssh_host_ed25519_key 0600 root root - LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0KQUFBQQotLS0tLUVORCBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0K
        f+~ /etc/ssh/ssh_host_ed25519_key.pub 0644 root root - c3NoLWVkMjU1MTkgSE9TVCBvdmVuYmlyZAo=
        ");
    }
}
