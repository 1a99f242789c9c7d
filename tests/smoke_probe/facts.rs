//! Facts of this machine that the script is asked for, held against what other programs say.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::atomic::Ordering;
use std::time::Instant;

use camino::Utf8Path;
use ovenbird::smoke::spec::{Kind, Resource};
use serde_json::{Value, json};

use crate::machine::{Machine, file, output, resource};

const ALL: &[&str] = &[
    "exists", "mode", "owner", "uid", "group", "gid", "linkedto", "filetype", "contents", "size", "md5", "sha256",
    "sha512",
];

/// Files of every type in a folder.
fn files(folder: &Utf8Path) -> Vec<Resource> {
    let path = |name: &str| folder.join(name);
    std::fs::write(path("plain"), "one\n\0\ntwo\n\n").unwrap();
    std::fs::set_permissions(path("plain"), PermissionsExt::from_mode(0o6751)).unwrap();
    std::fs::write(path("it's $HOME\n`odd` \\ é"), "odd").unwrap();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::create_dir_all(path("folder")).unwrap();
    std::fs::set_permissions(path("folder"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink("plain", path("link")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    output("coreutils", "mkfifo", &[path("pipe").as_str()]);
    drop(UnixListener::bind(path("socket")).unwrap());
    let names = ["plain", "it's $HOME\n`odd` \\ é", "empty", "folder", "link", "dangling", "pipe", "socket", "missing"];
    let mut files: Vec<Resource> = names.into_iter().map(|name| file(&path(name), ALL)).collect();
    files.push(file(Utf8Path::new("/dev/null"), &["exists", "mode", "filetype", "contents"]));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_found_as_it_is() {
    let machine = Machine::new();
    let found = machine.find(files(&machine.path(""))).await;
    let name = |name: &str| machine.path("").join(name).to_string();
    let plain = name("plain");
    assert_eq!(found.value(&plain, "exists"), true);
    assert_eq!(found.value(&plain, "mode"), "6751");
    assert_eq!(found.value(&plain, "filetype"), "file");
    assert_eq!(found.value(&plain, "size"), 11);
    assert_eq!(found.text(&plain, "contents"), "one\n\0\ntwo\n\n");
    for (property, program) in [("md5", "md5sum"), ("sha256", "sha256sum"), ("sha512", "sha512sum")] {
        let digest = output("coreutils", program, &[&plain]);
        assert_eq!(found.value(&plain, property), digest.split(' ').next().unwrap());
    }
    let ids = output("coreutils", "stat", &["-c", "%u %U %g %G", &plain]);
    let said = ["uid", "owner", "gid", "group"].map(|property| match found.value(&plain, property) {
        Value::String(name) => name,
        number => number.to_string(),
    });
    assert_eq!(said.join(" "), ids);
    assert_eq!(found.error(&plain, "linkedto"), format!("readlink {plain}: invalid argument"));

    assert_eq!(found.text(&name("it's $HOME\n`odd` \\ é"), "contents"), "odd");
    assert_eq!(found.text(&name("empty"), "contents"), "");
    assert_eq!(found.value(&name("folder"), "mode"), "1777");
    assert_eq!(found.value(&name("folder"), "filetype"), "directory");
    assert_eq!(found.error(&name("folder"), "contents"), format!("read {}: is a directory", name("folder")));
    assert_eq!(found.value(&name("link"), "filetype"), "symlink");
    assert_eq!(found.value(&name("link"), "linkedto"), "plain");
    assert_eq!(found.value(&name("link"), "size"), 5);
    assert_eq!(found.text(&name("link"), "contents"), "one\n\0\ntwo\n\n");
    assert_eq!(found.value(&name("dangling"), "exists"), true);
    assert_eq!(
        found.error(&name("dangling"), "sha256"),
        format!("open {}: no such file or directory", name("dangling"))
    );
    // Reading a pipe would wait for a writer.
    assert_eq!(found.value(&name("pipe"), "filetype"), "pipe");
    assert_eq!(found.error(&name("pipe"), "contents"), format!("read {}: not a regular file", name("pipe")));
    assert_eq!(found.value(&name("socket"), "filetype"), "socket");
    assert_eq!(found.value(&name("missing"), "exists"), false);
    assert_eq!(found.error(&name("missing"), "mode"), format!("lstat {}: no such file or directory", name("missing")));
    assert_eq!(found.value("/dev/null", "filetype"), "character-device");
    assert_eq!(machine.asked.load(Ordering::Relaxed), 1, "one round trip");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_be_read_is_an_error_and_its_digest_is_none() {
    let machine = Machine::new();
    let large = machine.path("large");
    std::fs::File::create(&large).unwrap().set_len(11 * 1024 * 1024).unwrap();
    let found = machine.find(vec![file(&large, &["size", "contents", "sha256"])]).await;
    let id = large.as_str();
    assert_eq!(found.error(id, "contents"), format!("{id} is larger than 10 MiB, which is the most that is read"));
    let digest = output("coreutils", "sha256sum", &[id]);
    assert_eq!(found.value(id, "sha256"), digest.split(' ').next().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_is_found_by_its_tilde() {
    let machine = Machine::new();
    let of = |id| resource(Kind::File, id, &["exists", "filetype"]);
    let found =
        machine.find(vec![of("~root"), of("~root/no such"), of("~"), of("~nobody-at-all/x"), of("relative")]).await;
    assert_eq!(found.value("~root", "filetype"), "directory");
    assert_eq!(found.value("~root/no such", "exists"), false);
    assert_eq!(found.value("~", "filetype"), "directory");
    assert_eq!(found.error("~nobody-at-all/x", "exists"), "user: unknown user nobody-at-all");
    assert_eq!(found.value("relative", "exists"), false);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found() {
    let machine = Machine::new();
    let user = |id| resource(Kind::User, id, &["exists", "uid", "gid", "home", "groups", "shell"]);
    let group = |id| resource(Kind::Group, id, &["exists", "gid"]);
    let found =
        machine.find(vec![user("root"), user("nobody"), user("-s x"), user("0"), group("root:"), group("adm")]).await;
    assert_eq!(found.value("root", "uid"), 0);
    assert_eq!(found.value("root", "home"), "/root");
    assert_eq!(found.value("root", "shell"), "/bin/bash");
    let mut groups: Vec<String> = output("coreutils", "id", &["-Gn", "root"]).split(' ').map(str::to_owned).collect();
    groups.sort();
    assert_eq!(found.value("root", "groups"), json!(groups));
    assert_eq!(found.value("nobody", "gid"), 65534);
    assert_eq!(found.value("-s x", "exists"), false);
    // `getent` would take a number for an id.
    assert_eq!(found.value("0", "exists"), false);
    assert_eq!(found.error("0", "uid"), "user: unknown user 0");
    assert_eq!(found.value("root:", "exists"), false);
    assert_eq!(found.value("adm", "gid"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_what_dpkg_says() {
    let machine = Machine::new();
    let package = |id| resource(Kind::Package, id, &["installed", "version"]);
    let found = machine.find(vec![package("dash"), package("libc6:amd64"), package("no-such-package")]).await;
    for name in ["dash", "libc6:amd64"] {
        let version = output("dpkg", "dpkg-query", &["-W", "-f", "${Version}", name]);
        assert_eq!((found.value(name, "installed"), found.value(name, "version")), (json!(true), json!([version])));
    }
    assert_eq!(found.value("no-such-package", "installed"), false);
    assert_eq!(found.error("no-such-package", "version"), "Package version not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_both_families_are_found_under_their_own_names() {
    let machine = Machine::new();
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::]:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports = [four.local_addr().unwrap().port(), six.local_addr().unwrap().port(), udp.local_addr().unwrap().port()];
    let ids = ["", "tcp:", "tcp6:", "udp:", "sctp:"].into_iter().zip([0, 1, 1, 2, 2]);
    let ids: Vec<String> = ids.map(|(table, index)| format!("{table}{}", ports[index])).collect();
    let port = |id: &String| resource(Kind::Port, id, &["listening", "ip"]);
    let found = machine.find(ids.iter().map(port).collect()).await;
    assert_eq!(found.value(&ids[0], "ip"), json!(["127.0.0.1"]));
    // goss#149: a socket for both families is version 6's alone.
    assert_eq!(found.value(&ids[1], "listening"), false);
    assert_eq!(found.value(&ids[2], "ip"), json!(["::"]));
    assert_eq!(found.value(&ids[3], "listening"), true);
    assert_eq!(found.value(&ids[4], "listening"), false);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_parameters_mounts_and_devices_are_found() {
    let machine = Machine::new();
    let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let found = machine
        .find(vec![
            resource(Kind::Process, "sleep", &["running"]),
            resource(Kind::Process, "no-such", &["running"]),
            resource(Kind::KernelParam, "kernel.ostype", &["value"]),
            resource(Kind::KernelParam, "no.such", &["value"]),
            resource(Kind::Mount, "/proc", &["exists", "opts", "vfs-opts", "source", "filesystem", "usage"]),
            resource(Kind::Mount, "/", &["exists", "usage", "filesystem"]),
            resource(Kind::Mount, "/no such", &["exists", "source"]),
            resource(Kind::Interface, "lo", &["exists", "addrs", "mtu"]),
            resource(Kind::Interface, "../lo", &["exists", "mtu"]),
        ])
        .await;
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(found.value("sleep", "running"), true);
    assert_eq!(found.value("no-such", "running"), false);
    assert_eq!(found.value("kernel.ostype", "value"), "Linux");
    assert_eq!(found.error("no.such", "value"), "could not find the given key");
    assert_eq!(found.value("/proc", "filesystem"), "proc");
    assert!(found.value("/proc", "opts").as_array().unwrap().contains(&json!("rw")));
    assert_eq!(found.value("/proc", "usage"), json!(i64::MIN));
    let usage = found.value("/", "usage").as_i64().unwrap();
    assert!((0..=100).contains(&usage), "{usage}");
    assert_eq!(
        found.value("/", "filesystem"),
        output("coreutils", "stat", &["-f", "-c", "%T", "/"]).replace("ext2/ext3", "ext4")
    );
    assert_eq!(found.error("/no such", "exists"), "Mountpoint not found");
    assert_eq!(found.error("/no such", "source"), "Mountpoint not found");
    assert!(found.value("lo", "addrs").as_array().unwrap().contains(&json!("127.0.0.1/8")));
    assert_eq!(
        found.value("lo", "mtu"),
        output("coreutils", "cat", &["/sys/class/net/lo/mtu"]).parse::<u32>().unwrap()
    );
    assert_eq!(found.value("../lo", "exists"), false);
}

/// Of everything that a machine can be asked in the script.
fn everything(machine: &Machine) -> Vec<Resource> {
    let mut resources = files(&machine.path(""));
    for (kind, id, properties) in [
        (Kind::User, "root", &["exists", "uid", "gid", "home", "groups", "shell"][..]),
        (Kind::User, "nobody-at-all", &["exists", "uid"]),
        (Kind::Group, "adm", &["exists", "gid"]),
        (Kind::Package, "dash", &["installed", "version"]),
        (Kind::Package, "no-such-package", &["installed"]),
        (Kind::Service, "cron", &["enabled", "running", "runlevels"]),
        (Kind::Service, "no-such", &["enabled", "running"]),
        (Kind::Service, "../x", &["enabled"]),
        (Kind::Port, "tcp:1", &["listening", "ip"]),
        (Kind::Process, "no-such", &["running"]),
        (Kind::KernelParam, "kernel.ostype", &["value"]),
        (Kind::Mount, "/proc", &["exists", "opts", "source", "usage"]),
        (Kind::Interface, "lo", &["exists", "addrs", "mtu"]),
        (Kind::Dns, "localhost", &["resolvable", "addrs"]),
        (Kind::Command, "echo \"it's\"; echo err >&2; exit 3", &["exit-status", "stdout", "stderr"]),
    ] {
        resources.push(resource(kind, id, properties));
    }
    resources
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shell_gives_the_same_answers() {
    let machine = Machine::new();
    let resources = everything(&machine);
    let expected = machine.find(resources.clone()).await.all();
    let errors: Vec<_> = expected.iter().filter(|(_, value)| value.to_string().contains("malformed")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for shell in ["dash", "busybox sh", "bash --posix"] {
        let other = Machine::by(shell);
        assert_eq!(other.find(resources.clone()).await.all(), expected, "{shell}");
    }
    // Applets before programs of the same name: `ls`, `stat`, `head`, `grep` … of busybox.
    let applets = machine.path("applets");
    std::fs::create_dir(&applets).unwrap();
    let busybox = output("busybox", "sh", &["-c", "command -v busybox"]);
    for applet in output("busybox", "busybox", &["--list"]).lines() {
        symlink(&busybox, applets.join(applet)).unwrap();
    }
    let small = Machine::by(&format!("env PATH={applets} sh"));
    let mut found = small.find(resources).await.all();
    let mut expected = expected;
    // busybox has no `systemctl`, and the name of the machine's init is not told by its files.
    for all in [&mut found, &mut expected] {
        all.retain(|id, _| !id.starts_with("cron "));
    }
    assert_eq!(found, expected, "applets of busybox");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_alpine_is_understood() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| Utf8Path::from_path(root.path()).unwrap().join(name);
    for folder in ["bin", "dev", "proc", "etc/runlevels/default", "etc/init.d", "lib/apk/db"] {
        std::fs::create_dir_all(path(folder)).unwrap();
    }
    let busybox = output("busybox", "sh", &["-c", "command -v busybox"]);
    std::fs::copy(&busybox, path("bin/busybox")).unwrap();
    for applet in output("busybox", "busybox", &["--list"]).lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", path("bin").join(applet)).unwrap();
    }
    let libraries = output("libc-bin", "sh", &["-c", &format!("ldd {busybox} 2>/dev/null || true")]);
    for library in libraries.split_ascii_whitespace().filter(|word| word.starts_with('/')) {
        let to = path(library.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(library, to).unwrap();
    }
    for (name, text) in [
        ("dev/null", ""),
        ("etc/alpine-release", "3.22.1\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/ash\n"),
        ("etc/group", "root:x:0:root\nwheel:x:10:root\n"),
        ("etc/hosts", "127.0.0.1 localhost here # there\n::1 localhost\n"),
        ("etc/init.d/up", "#!/bin/sh\nexit 0\n"),
        ("etc/init.d/down", "#!/bin/sh\nexit 3\n"),
        ("lib/apk/db/installed", "C:Q1\nP:musl\nV:1.2.5-r10\n\nC:Q1\nP:busybox\nV:1.37.0-r18\n"),
    ] {
        std::fs::write(path(name), text).unwrap();
    }
    for name in ["up", "down"] {
        std::fs::set_permissions(path("etc/init.d").join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    symlink("/etc/init.d/up", path("etc/runlevels/default/up")).unwrap();
    let enter = if rustix::process::geteuid().is_root() { "chroot" } else { "unshare --map-root-user chroot" };
    let machine = Machine::by(&format!("env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin {enter} {} /bin/sh", path("")));
    let service = |id| resource(Kind::Service, id, &["enabled", "running", "runlevels"]);
    let found = machine
        .find(vec![
            resource(Kind::Package, "musl", &["installed", "version"]),
            resource(Kind::Package, "bash", &["installed"]),
            service("up"),
            service("down"),
            resource(Kind::File, "/etc/alpine-release", &["owner", "contents", "sha512"]),
            resource(Kind::User, "root", &["groups", "shell"]),
            resource(Kind::Dns, "localhost", &["resolvable", "addrs"]),
            resource(Kind::Dns, "there", &["resolvable"]),
            resource(Kind::Command, "cat /etc/alpine-release", &["stdout"]),
        ])
        .await;
    assert_eq!(found.value("musl", "version"), json!(["1.2.5-r10"]));
    assert_eq!(found.value("bash", "installed"), false);
    let up = ["enabled", "running", "runlevels"].map(|property| found.value("up", property));
    assert_eq!(up, [json!(true), json!(true), json!(["default"])]);
    let down = ["enabled", "running", "runlevels"].map(|property| found.value("down", property));
    assert_eq!(down, [json!(false), json!(false), json!([])]);
    assert_eq!(found.text("/etc/alpine-release", "contents"), "3.22.1\n");
    assert_eq!(found.value("/etc/alpine-release", "owner"), "root");
    assert_eq!(found.value("root", "groups"), json!(["root", "wheel"]));
    assert_eq!(found.value("localhost", "addrs"), json!(["127.0.0.1", "::1"]));
    assert_eq!(found.value("there", "resolvable"), false);
    assert_eq!(found.text("cat /etc/alpine-release", "stdout"), "3.22.1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_checks_take_one_round_trip() {
    let machine = Machine::new();
    let mut resources = Vec::new();
    for number in 0..25 {
        let path = machine.path(&format!("file {number}"));
        std::fs::write(&path, "text").unwrap();
        resources.push(file(&path, &["exists", "mode", "owner", "contents"]));
    }
    let started = Instant::now();
    let found = machine.find(resources).await;
    let took = started.elapsed();
    assert_eq!(found.findings.found.len(), 100);
    assert_eq!(machine.asked.load(Ordering::Relaxed), 1);
    assert!(took.as_secs() < 10, "{took:?}");
    println!("100 checks of 25 files: {took:?}");
}
