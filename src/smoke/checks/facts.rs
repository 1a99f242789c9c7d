//! What one look at a machine found, read from the script's frames. What is malformed is as if it were not there: the
//! machine is hostile, and lies that it tells about itself only fail or pass its own image.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::clean_line;
use crate::smoke::probe::frames::Frame;

/// Of one list, such as failed units or listening ports: more is not shown to anybody.
const MOST: usize = 1000;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub(super) manager: Manager,
    /// As systemd has it: `running`, `degraded`, `starting`, `maintenance`.
    pub(super) state: String,
    /// What the machine boots for: a target, or a run level.
    pub(super) target: String,
    pub(super) target_active: bool,
    /// What it still starts.
    pub(super) jobs: Vec<String>,
    /// None: the service manager did not tell.
    pub(super) failed: Option<Vec<String>>,
    /// The last lines of some failed units' journals.
    pub(super) unit_logs: BTreeMap<String, Vec<String>>,
    /// Ordering cycles that the journal tells of.
    pub(super) cycles: Vec<String>,
    /// The kernel's log.
    pub(super) kernel: String,
    /// Whether files tell when they were changed, and whether they can be searched for.
    pub(super) has_stat: bool,
    pub(super) has_find: bool,
    pub(super) boot_id: String,
    /// Seconds of the guest's own clock since 1970, as all times here.
    pub(super) btime: Option<i64>,
    pub(super) now: Option<i64>,
    pub(super) machine_id: String,
    pub(super) machine_id_time: Option<i64>,
    /// Of D-Bus's copy, where it is a file of its own.
    pub(super) dbus_id_time: Option<i64>,
    pub(super) hostname: String,
    /// Private host keys, with the time of their last change.
    pub(super) host_key_times: BTreeMap<String, i64>,
    /// Public keys without comments, or digests of keys.
    pub(super) host_keys: BTreeSet<String>,
    /// Digests of random seeds, by file.
    pub(super) seeds: BTreeMap<String, String>,
    pub(super) keys: Vec<AuthorizedKey>,
    pub(super) root_password: Option<Password>,
    pub(super) sshd: Option<BTreeMap<String, String>>,
    /// The arguments of a dropbear that runs.
    pub(super) dropbear: Option<Vec<String>>,
    pub(super) listeners: Vec<Listener>,
    /// The port that we came in by.
    pub(super) ssh_port: Option<u16>,
    pub(super) root_type: String,
    pub(super) room: Option<Room>,
    /// From the root file system's device down to its disk.
    pub(super) devices: Vec<Device>,
    /// By kind of residue, files with the time of their inodes' last change.
    pub(super) residue: Vec<Left>,
}

/// What starts services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manager {
    Systemd,
    OpenRc,
    #[default]
    None,
}

/// A key that lets someone in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthorizedKey {
    pub(super) user: String,
    pub(super) file: String,
    /// The base64 part.
    pub(super) key: String,
    pub(super) comment: String,
}

/// What the account file says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Password {
    Usable,
    Empty,
    Locked,
}

/// A listening TCP port that is not on the loopback alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) process: Option<String>,
}

/// The root file system's room, in bytes. No inodes: it does not count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) total: u64,
    pub(super) free: u64,
    pub(super) inodes: Option<u64>,
}

/// A step from a file system to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) kind: DeviceKind,
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// What a [`Device`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceKind {
    Partition,
    /// All partitions of the disk together.
    Partitions,
    Disk,
    /// LVM, encryption: one device over another.
    Mapped,
    /// One over several: nothing is known of what is below.
    Several,
}

/// A file that fits a pattern of seal's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) id: String,
    pub(super) time: i64,
    pub(super) path: String,
}

impl Facts {
    pub(super) fn of(frames: &[Frame]) -> Self {
        let mut facts = Self::default();
        let (mut sockets, mut names, mut tcp) = (BTreeMap::new(), BTreeMap::new(), String::new());
        for frame in frames {
            let text = String::from_utf8_lossy(&frame.body);
            match frame.name.as_str() {
                "tcp" => tcp = text.into_owned(),
                "sockets" => sockets = sockets_of(&text),
                "processes" => names = processes_of(&text),
                name => facts.take(name, &text),
            }
        }
        facts.listeners = listeners_of(&tcp, &sockets, &names);
        facts
    }

    fn take(&mut self, frame: &str, text: &str) {
        match frame {
            "manager" | "target" | "jobs" | "failed" | "unit" | "cycles" | "kernel" => self.take_boot(frame, text),
            "host-key-times" => self.host_key_times = timed(text).map(|(time, path)| (path, time)).collect(),
            "host-keys" => self.host_keys = lines(text).map(|line| without_comment(&line)).collect(),
            "seeds" => {
                let split =
                    |line: String| line.split_once(' ').map(|(sum, path)| (path.trim().to_owned(), sum.to_owned()));
                self.seeds = lines(text).filter_map(split).collect();
            }
            "keys" => self.keys.extend(keys_of(text)),
            "root-password" => self.root_password = password_of(text.trim()),
            "sshd" | "sshd-files" => self.sshd = Some(settings_of(text)),
            "dropbear" => self.dropbear = Some(lines(text).collect()),
            "ssh-connection" => self.ssh_port = text.split_whitespace().nth(3).and_then(|port| port.parse().ok()),
            "root-mount" => self.root_type = text.split_whitespace().nth(2).map(clean).unwrap_or_default(),
            "room" => self.room = room_of(text),
            "room-df" => self.room = self.room.or_else(|| room_of_df(text)),
            "devices" => self.devices = lines(text).filter_map(|line| device_of(&line)).collect(),
            "tools" => {
                self.has_stat = lines(text).any(|line| line == "stat");
                self.has_find = lines(text).any(|line| line == "find");
            }
            "residue" => self.residue.extend(left_of(text)),
            _ => self.take_identity(frame, text),
        }
    }

    fn take_identity(&mut self, frame: &str, text: &str) {
        let number = || text.split_whitespace().next_back().and_then(|number| number.parse().ok());
        match frame {
            "boot-id" => self.boot_id = clean(text.trim()),
            "btime" => self.btime = number(),
            "now" => self.now = number(),
            "machine-id" => self.machine_id = clean(text.trim()),
            "machine-id-time" => self.machine_id_time = number(),
            "dbus-id-time" => self.dbus_id_time = number(),
            "hostname" => self.hostname = clean(text.trim()),
            _ => {}
        }
    }

    fn take_boot(&mut self, frame: &str, text: &str) {
        match frame {
            "manager" => {
                let mut lines = lines(text);
                self.manager = match lines.next().as_deref() {
                    Some("systemd") => Manager::Systemd,
                    Some("openrc") => Manager::OpenRc,
                    _ => Manager::None,
                };
                self.state = lines.next().unwrap_or_default();
            }
            "target" => {
                let mut lines = lines(text);
                self.target = lines.next().unwrap_or_default();
                self.target_active = lines.next().as_deref() == Some("active");
            }
            "jobs" => self.jobs = lines(text).collect(),
            "failed" => self.failed = Some(lines(text).filter_map(|line| unit_of(&line)).collect()),
            "unit" => {
                let mut lines = lines(text);
                if let Some(unit) = lines.next() {
                    self.unit_logs.insert(unit, lines.collect());
                }
            }
            "cycles" => self.cycles = lines(text).collect(),
            _ => self.kernel = text.to_owned(),
        }
    }
}

fn clean(text: &str) -> String {
    clean_line(text.as_bytes())
}

/// Lines that say something.
fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(clean).filter(|line| !line.trim().is_empty()).take(MOST)
}

/// A unit's name, from a line of `systemctl list-units` or of a list of names.
fn unit_of(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| *word != "●").map(str::to_owned)
}

/// Lines of a number and the rest.
fn timed(text: &str) -> impl Iterator<Item = (i64, String)> + '_ {
    let split = |line: &str| {
        let (time, rest) = line.split_once(' ')?;
        Some((time.parse().ok()?, clean(rest)))
    };
    text.lines().filter_map(split)
}

/// A public key's type and base64; comments name the machine.
fn without_comment(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// The keys of a file: its first line names the user and the file.
fn keys_of(text: &str) -> Vec<AuthorizedKey> {
    let mut lines = lines(text);
    let head = lines.next().unwrap_or_default();
    let Some((user, file)) = head.split_once(' ') else { return Vec::new() };
    let key = |line: String| {
        let (key, comment) = key_of(&line)?;
        Some(AuthorizedKey { user: user.to_owned(), file: file.to_owned(), key, comment })
    };
    lines.filter_map(key).collect()
}

/// A key and its comment. Options before it may have spaces in quotes; the base64 of every public key starts with a length
/// of less than 2^16.
fn key_of(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let mut words = line.split_whitespace();
    let key = words.by_ref().find(|word| word.starts_with("AAAA"))?;
    Some((key.to_owned(), words.collect::<Vec<_>>().join(" ")))
}

fn password_of(text: &str) -> Option<Password> {
    match text {
        "usable" => Some(Password::Usable),
        "empty" => Some(Password::Empty),
        "locked" => Some(Password::Locked),
        _ => None,
    }
}

/// sshd's settings for everybody, in small letters: the first of a name counts. What stands under `Match` is for some, up
/// to a `Match all`, by which the script ends each file.
fn settings_of(text: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut everybody = true;
    for line in lines(text) {
        let line = line.to_ascii_lowercase();
        let mut words = line.split(|char: char| char.is_whitespace() || char == '=').filter(|word| !word.is_empty());
        let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
        if name == "match" {
            everybody = value == "all";
        } else if everybody {
            settings.entry(name.to_owned()).or_insert_with(|| value.trim_matches('"').to_owned());
        }
    }
    settings
}

fn room_of(text: &str) -> Option<Room> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let (block, total, free, inodes, left) = (next()?, next()?, next()?, next()?, next()?);
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    Some(Room { total: bytes(total), free: bytes(free), inodes: (inodes > 0).then_some(left) })
}

/// `device blocks used free …`, in KiB.
fn room_of_df(text: &str) -> Option<Room> {
    let mut numbers = text.split_whitespace().skip(1).map(str::parse::<u64>);
    let (total, _, free) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Room { total: total.saturating_mul(1024), free: free.saturating_mul(1024), inodes: None })
}

fn device_of(line: &str) -> Option<Device> {
    let mut words = line.split(' ');
    let kind = match words.next()? {
        "partition" => DeviceKind::Partition,
        "partitions" => DeviceKind::Partitions,
        "disk" => DeviceKind::Disk,
        "mapped" => DeviceKind::Mapped,
        "several" => DeviceKind::Several,
        _ => return None,
    };
    let name = words.next()?.to_owned();
    let sectors: u64 = words.next()?.parse().ok()?;
    Some(Device { kind, name, bytes: sectors.saturating_mul(512) })
}

/// The first line is the kind's id.
fn left_of(text: &str) -> Vec<Left> {
    let (id, rest) = text.split_once('\n').unwrap_or((text, ""));
    timed(rest).map(|(time, path)| Left { id: clean(id), time, path }).collect()
}

/// Sockets by inode with their processes, from `ls -l /proc/…/fd`.
fn sockets_of(text: &str) -> BTreeMap<String, String> {
    let mut process = String::new();
    let mut sockets = BTreeMap::new();
    for line in text.lines() {
        if let Some(folder) = line.strip_prefix("/proc/") {
            process = folder.split('/').next().unwrap_or_default().to_owned();
        } else if let Some((_, socket)) = line.split_once("socket:[") {
            sockets.insert(socket.trim_end_matches(']').to_owned(), process.clone());
        }
    }
    sockets
}

/// Names by process.
fn processes_of(text: &str) -> BTreeMap<String, String> {
    let split = |line: &str| {
        let (process, name) = line.strip_prefix("/proc/")?.split_once("/comm:")?;
        Some((process.to_owned(), clean(name)))
    };
    text.lines().filter_map(split).collect()
}

/// Who listens, from `/proc/net/tcp` and `tcp6`.
fn listeners_of(tcp: &str, sockets: &BTreeMap<String, String>, names: &BTreeMap<String, String>) -> Vec<Listener> {
    let listener = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (address, port) = words.next()?.split_once(':')?;
        let state = words.nth(1)?;
        let inode = words.nth(5)?;
        let process = sockets.get(inode).and_then(|process| names.get(process)).cloned();
        let port = u16::from_str_radix(port, 16).ok()?;
        (state == "0A" && !is_loopback(address)).then_some(Listener { port, process })
    };
    // A service on IPv4 and IPv6 is one; whichever of its sockets has a known process names it.
    let mut ports: BTreeMap<u16, Option<String>> = BTreeMap::new();
    for listener in tcp.lines().filter_map(listener).take(MOST) {
        let process = ports.entry(listener.port).or_default();
        *process = process.take().or(listener.process);
    }
    ports.into_iter().map(|(port, process)| Listener { port, process }).collect()
}

/// Addresses are words of four bytes, each in the machine's order: those of all that we know are little-endian.
fn is_loopback(address: &str) -> bool {
    match address.len() {
        8 => address.ends_with("7F"),
        32 => {
            address == "00000000000000000000000001000000"
                || (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(name: &str, body: &str) -> Frame {
        Frame { request: 0, name: name.to_owned(), body: body.as_bytes().to_vec(), cut: false }
    }

    #[test]
    fn listeners_are_named_by_the_process_that_has_their_socket() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let tcp = format!(
            "{head}   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 901 1 0\n   \
             1: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 902 1 0\n   \
             2: 0F02000A:0016 0202000A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 903 1 0\n\
             {head}   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A \
             00000000:00000000 00:00000000 00000000     0        0 904 1 0\n   \
             1: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A \
             00000000:00000000 00:00000000 00000000     0        0 905 1 0\n   \
             2: 00000000000000000000000000000000:1388 00000000000000000000000000000000:0000 0A \
             00000000:00000000 00:00000000 00000000     0        0 906 1 0\n"
        );
        let sockets = "/proc/1/fd:\nlrwx------ 1 root root 64 Nov 23 04:00 3 -> socket:[1]\n\
                       /proc/412/fd:\nlrwx------ 1 root root 64 Nov 23 04:00 3 -> socket:[904]\n";
        let processes = "/proc/1/comm:systemd\n/proc/412/comm:sshd\n";
        let facts = Facts::of(&[frame("tcp", &tcp), frame("sockets", sockets), frame("processes", processes)]);
        let listener = |port, process: Option<&str>| Listener { port, process: process.map(str::to_owned) };
        assert_eq!(facts.listeners, [listener(22, Some("sshd")), listener(5000, None)]);
    }

    #[test]
    fn keys_are_found_behind_options_and_comments_are_kept() {
        let text = "debian /home/debian/.ssh/authorized_keys\n# a comment AAAA\n\n\
                    command=\"echo 'hello world'\",no-pty ssh-ed25519 AAAAC3one alice at home\nssh-rsa AAAAB3two\nrubbish\n";
        let keys = Facts::of(&[frame("keys", text)]).keys;
        let found: Vec<_> = keys.iter().map(|key| (key.key.as_str(), key.comment.as_str())).collect();
        assert_eq!(found, [("AAAAC3one", "alice at home"), ("AAAAB3two", "")]);
        assert!(keys.iter().all(|key| key.user == "debian" && key.file == "/home/debian/.ssh/authorized_keys"));
    }

    #[test]
    fn the_first_setting_for_everybody_counts() {
        let text = "PasswordAuthentication no\nMatch all\n#PermitRootLogin no\nPermitRootLogin = yes\n\
                    PasswordAuthentication yes\nMatch User git\nPermitEmptyPasswords yes\n";
        let settings = settings_of(text);
        assert_eq!(settings.get("passwordauthentication").map(String::as_str), Some("no"));
        assert_eq!(settings.get("permitrootlogin").map(String::as_str), Some("yes"));
        assert_eq!(settings.get("permitemptypasswords"), None);
    }

    #[test]
    fn what_is_malformed_is_not_there() {
        let names = [
            "manager",
            "target",
            "failed",
            "unit",
            "host-key-times",
            "host-keys",
            "seeds",
            "keys",
            "root-password",
            "dropbear",
            "ssh-connection",
            "room",
            "room-df",
            "devices",
            "residue",
            "now",
            "btime",
            "machine-id-time",
            "tcp",
            "sockets",
            "processes",
            "unheard-of",
        ];
        for body in ["", "\n\n", "x", "-1 -2 -3", "99999999999999999999999 a\n:::", "\u{1b}[2J \u{0} é"] {
            let frames: Vec<Frame> = names.iter().map(|name| frame(name, body)).collect();
            let facts = Facts::of(&frames);
            assert!(facts.room.is_none() && facts.devices.is_empty() && facts.listeners.is_empty(), "{body:?}");
        }
        assert_eq!(Facts::of(&[frame("hostname", "a\u{1b}[2Jb\n")]).hostname, "ab");
    }

    #[test]
    fn room_is_read_from_stat_or_from_df() {
        let stat = Facts::of(&[frame("room", "4096 1000 500 64 32\n"), frame("room-df", "/dev/vda1 8 4 4 50% /\n")]);
        assert_eq!(stat.room, Some(Room { total: 4_096_000, free: 2_048_000, inodes: Some(32) }));
        let df = Facts::of(&[frame("room", ""), frame("room-df", "/dev/vda1 8 4 4 50% /\n")]);
        assert_eq!(df.room, Some(Room { total: 8192, free: 4096, inodes: None }));
    }
}
