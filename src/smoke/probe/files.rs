//! `file`: what `ls -ldn` says, which every machine has, and contents.

use sha2::{Digest, Sha256, Sha512};

use super::accounts;
use super::ask::{Answer, LONGEST_FILE, Request};
use super::facts::{Facts, Property, malformed, unknown, value};
use crate::smoke::finding::Actual;
use crate::smoke::spec::Resource;

/// Attributes that need more than `ls`, and the letters by which the script knows them.
const FLAGS: [(&str, char); 8] = [
    ("owner", 'o'),
    ("group", 'g'),
    ("linkedto", 'l'),
    ("contents", 'c'),
    ("contains", 'c'),
    ("md5", 'm'),
    ("sha256", 's'),
    ("sha512", 'S'),
];

fn request(resource: &Resource) -> Request {
    let asked = |name: &str| resource.assertions.iter().any(|assertion| assertion.property == name);
    let flags = FLAGS.iter().filter(|(name, _)| asked(name)).map(|(_, letter)| *letter).collect();
    Request { flags, ..Request::new("file", clean(resource.object())) }
}

pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    let request = request(resource);
    let accounts = [('o', "passwd"), ('g', "group")].into_iter().filter(|(letter, _)| request.flags.contains(*letter));
    let mut requests: Vec<Request> = accounts.map(|(_, kind)| Request::new(kind, "")).collect();
    requests.push(request);
    requests
}

/// An absolute path as Go's `filepath.Clean` writes it: a trailing slash would follow a symbolic link.
fn clean(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

pub(super) fn property(resource: &Resource, property: &str, facts: &Facts) -> Property {
    let request = request(resource);
    let (path, answer) = (&request.argument, facts.of(&request)?);
    if answer.body("no-user").is_some() {
        let user = path.trim_start_matches('~').split('/').next().unwrap_or_default();
        return Err(format!("user: unknown user {user}"));
    }
    if answer.body("below-file").is_some() {
        return Err(format!("lstat {path}: not a directory"));
    }
    if answer.body("absent").is_some() {
        return if property == "exists" {
            value(false)
        } else {
            Err(format!("lstat {path}: no such file or directory"))
        };
    }
    let stat = Stat::parse(&answer.text("stat").ok_or_else(malformed)?).ok_or_else(malformed)?;
    match property {
        "exists" => value(true),
        "mode" => value(format!("{:04o}", stat.mode)),
        "uid" => value(stat.uid),
        "gid" => value(stat.gid),
        "size" => value(stat.size),
        "filetype" => value(stat.filetype),
        "owner" => accounts::name_of(facts, "passwd", stat.uid, answer.text("owner")),
        "group" => accounts::name_of(facts, "group", stat.gid, answer.text("group")),
        "linkedto" => match answer.text("link") {
            Some(target) => value(target.strip_suffix('\n').unwrap_or(&target)),
            None => Err(format!("readlink {path}: invalid argument")),
        },
        "contents" | "contains" => Ok(Actual::Reader(String::from_utf8_lossy(content(path, answer)?).into_owned())),
        "md5" => digest(path, answer, "md5sum", |bytes| format!("{:x}", md5::compute(bytes))),
        "sha256" => digest(path, answer, "sha256sum", |bytes| hex(&Sha256::digest(bytes))),
        "sha512" => digest(path, answer, "sha512sum", |bytes| hex(&Sha512::digest(bytes))),
        other => unknown(other),
    }
}

/// What was read of a file, or why it can't be.
pub(super) fn content<'a>(path: &str, answer: &'a Answer) -> Result<&'a [u8], String> {
    readable(path, answer)?;
    let content = answer.body("content").ok_or_else(malformed)?;
    if content.len() > LONGEST_FILE {
        return Err(format!(
            "{path} is larger than {} MiB, which is the most that is read",
            LONGEST_FILE / 1024 / 1024
        ));
    }
    Ok(content)
}

fn readable(path: &str, answer: &Answer) -> Result<(), String> {
    let is = |name| answer.body(name).is_some();
    match () {
        () if is("directory") => Err(format!("read {path}: is a directory")),
        () if is("dangling") => Err(format!("open {path}: no such file or directory")),
        () if is("denied") => Err(format!("open {path}: permission denied")),
        () if is("special") => Err(format!("read {path}: not a regular file")),
        () => Ok(()),
    }
}

fn digest(path: &str, answer: &Answer, tool: &str, compute: impl Fn(&[u8]) -> String) -> Property {
    readable(path, answer)?;
    let Some(said) = answer.text(tool) else { return value(compute(content(path, answer)?)) };
    let digest = said.split_whitespace().next().unwrap_or_default();
    if digest.is_empty() || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    value(digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A line of `ls -ldn`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    filetype: &'static str,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let letters = words.next()?;
        let filetype = match letters.chars().next()? {
            '-' => "file",
            'd' => "directory",
            'l' => "symlink",
            's' => "socket",
            'p' => "pipe",
            'c' => "character-device",
            'b' => "block-device",
            _ => return None,
        };
        let mode = permissions(letters.get(1..10)?)?;
        let (_, uid, gid) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        // A device has two numbers there, `1, 3`, and no size.
        let size = if filetype.ends_with("device") { 0 } else { words.next()?.parse().ok()? };
        Some(Self { filetype, mode, uid, gid, size })
    }
}

/// `rwsr-xr-t` as bits.
fn permissions(letters: &str) -> Option<u32> {
    let mut mode = 0;
    for (index, letter) in letters.chars().enumerate() {
        let class = u32::try_from(index / 3).ok()?;
        let bit = 1 << (8 - index);
        let special = 0o4000 >> class;
        mode |= match (index % 3, letter) {
            (_, '-') => 0,
            (0, 'r') | (1, 'w') | (2, 'x') => bit,
            (2, 's') if class < 2 => bit | special,
            (2, 'S') if class < 2 => special,
            (2, 't') if class == 2 => bit | special,
            (2, 'T') if class == 2 => special,
            _ => return None,
        };
    }
    Some(mode)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::{Stat, clean, permissions};

    #[test]
    fn letters_are_bits() {
        for (letters, mode) in [
            ("rw-r--r--", 0o644),
            ("rwsr-xr-x", 0o4755),
            ("rwxr-sr-x", 0o2755),
            ("rwxrwxrwt", 0o1777),
            ("--S--S--T", 0o7000),
            ("---------", 0),
        ] {
            assert_eq!(permissions(letters), Some(mode), "{letters}");
        }
        for letters in ["rwxrwxrws", "x--------", "rwtr-xr-x", "rwxr-xr-?"] {
            assert_eq!(permissions(letters), None, "{letters}");
        }
    }

    #[test]
    fn a_device_has_no_size_and_a_file_with_a_label_has_one() {
        let device = Stat::parse("crw-rw-rw- 1 0 5 1, 3 Nov 22 19:27 /dev/null").unwrap();
        assert_eq!((device.filetype, device.mode, device.gid, device.size), ("character-device", 0o666, 5, 0));
        let file = Stat::parse("-rw-r--r--+ 1 0 0 12 Nov 22 19:27 /a b").unwrap();
        assert_eq!((file.filetype, file.size), ("file", 12));
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in
            [("/tmp/", "/tmp"), ("//a/./b/../c", "/a/c"), ("/../..", "/"), ("~/x/", "~/x/"), ("a", "a")]
        {
            assert_eq!(clean(path), cleaned);
        }
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line in "[-dlspcbrwxstST?é 0-9,]{0,40}") {
            let _ = Stat::parse(&line);
        }
    }
}
