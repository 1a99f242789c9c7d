//! A real OpenSSH server on loopback, with keys and a configuration of its own, stopped by its process id.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::guest::ssh::{self, Auth, CipherOrder, HostKey, KeyPair, Ssh, SshConfig};
use tokio_util::sync::CancellationToken;

pub(crate) struct Server {
    pub(crate) config: SshConfig,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) child: Child,
}

impl Server {
    /// A server whose commands find GNU tools first, as on Debian.
    pub(crate) fn debian() -> Self {
        Self::start(|_| String::new())
    }

    /// A server whose commands find busybox first, as in a tiny guest.
    pub(crate) fn busybox() -> Self {
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Utf8Path::new(path).exists());
        let busybox = busybox.expect("busybox is missing: `apt-get install busybox`");
        Self::start(|folder| {
            let applets = folder.join("applets");
            std::fs::create_dir(&applets).unwrap();
            for name in
                ["sh", "tar", "grep", "chown", "ls", "mktemp", "readlink", "mkdir", "mv", "rm", "sleep", "setsid"]
            {
                std::os::unix::fs::symlink(busybox, applets.join(name)).unwrap();
            }
            format!(" PATH={applets}:/usr/bin:/bin")
        })
    }

    fn start(environment: impl FnOnce(&Utf8Path) -> String) -> Self {
        assert!(Utf8Path::new("/usr/sbin/sshd").exists(), "sshd is missing: `apt-get install openssh-server`");
        // Where sshd separates its privileges; made by its unit when it runs as a service.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let (host, user) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let write = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(path.join(name), text).unwrap();
            std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("host", &host.private_text().unwrap());
        write("authorized", &user.public_line);
        write("user", &user.private_text().unwrap());
        let environment = environment(path);
        // `SHLVL`: a bash that sshd starts reads `.bashrc`, but not as an inner shell; whoever runs the tests may have
        // anything in there, which would be measured with each command. Only the first `SetEnv` counts.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        write(
            "config",
            &format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nAuthorizedKeysFile {path}/authorized\n\
                 StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nMaxStartups 100\n\
                 Subsystem sftp internal-sftp\nSetEnv SHLVL=2{environment}\n"
            ),
        );
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &format!("{path}/config")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let config = SshConfig {
            host: "127.0.0.1".to_owned(),
            port,
            user: "root".to_owned(),
            auth: Auth::Given(user.key),
            host_key: HostKey::Known(host.public_line),
            ciphers: CipherOrder::Native,
        };
        Self { config, folder, child }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    pub(crate) async fn connect(&self) -> Ssh {
        ssh::connect(self.config.clone(), Duration::from_secs(60), &CancellationToken::new()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
