//! `process`, `mount` and `kernel-param`, from `/proc`.

use super::ask::Request;
use super::facts::{Facts, Property, malformed, unknown, value};
use crate::smoke::spec::{Kind, Resource};

pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    let name = resource.object();
    match resource.kind {
        Kind::Process => vec![Request::new("processes", "")],
        Kind::KernelParam => vec![parameter(name)],
        _ => {
            let usage = resource.assertions.iter().any(|assertion| assertion.property == "usage");
            let usage = usage.then(|| Request::new("usage", name));
            std::iter::once(Request::new("mounts", "")).chain(usage).collect()
        }
    }
}

pub(super) fn process(name: &str, property: &str, facts: &Facts) -> Property {
    let list = facts.text(&Request::new("processes", ""), "list")?;
    match property {
        "running" => value(list.lines().any(|comm| comm == name)),
        other => unknown(other),
    }
}

fn parameter(key: &str) -> Request {
    Request::new("kernel", key.replace('.', "/"))
}

pub(super) fn kernel_param(key: &str, property: &str, facts: &Facts) -> Property {
    let request = parameter(key);
    let said = facts.of(&request)?.text("value");
    match (property, said) {
        ("value", Some(said)) => value(said.trim()),
        ("value", None) => Err("could not find the given key".to_owned()),
        (other, _) => unknown(other),
    }
}

/// A line of `/proc/self/mountinfo` (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: String,
    options: String,
    filesystem: String,
    source: String,
    super_options: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.splitn(3, ' ');
        Some(Self {
            point: unescape(left.get(4)?),
            options: (*left.get(5)?).to_owned(),
            filesystem: unescape(right.next()?),
            source: unescape(right.next()?),
            super_options: right.next().unwrap_or_default().to_owned(),
        })
    }
}

/// `\040` and its like as the bytes that they stand for.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Options at their commas, but for those in quotes.
fn options(text: &str) -> Vec<String> {
    let mut quoted = false;
    let pieces = text.split(|letter| {
        quoted ^= letter == '"';
        !quoted && letter == ','
    });
    pieces.filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
}

pub(super) fn mount(point: &str, property: &str, facts: &Facts) -> Property {
    let list = facts.text(&Request::new("mounts", ""), "list")?;
    // The first of several on top of each other, as goss has it.
    let found = list.lines().filter_map(Mount::parse).find(|mount| mount.point == point);
    // That it is not there is an error of `exists`, too: `exists: false` never holds, as in goss.
    let mount = found.ok_or_else(|| "Mountpoint not found".to_owned())?;
    match property {
        "exists" => value(true),
        "opts" => {
            let mut seen = std::collections::BTreeSet::new();
            let unique = options(&mount.options).into_iter().filter(|option| seen.insert(option.clone()));
            value(unique.collect::<Vec<_>>())
        }
        "vfs-opts" => value(options(&mount.super_options)),
        "source" => value(mount.source),
        "filesystem" => value(mount.filesystem),
        "usage" => usage(&facts.text(&Request::new("usage", point), "usage")?),
        other => unknown(other),
    }
}

/// Percent in use, of blocks in all and free ones.
fn usage(text: &str) -> Property {
    let mut numbers = text.split_ascii_whitespace().map(str::parse::<f64>);
    let (Some(Ok(blocks)), Some(Ok(free))) = (numbers.next(), numbers.next()) else { return Err(malformed()) };
    if blocks == 0.0 {
        // What Go makes of 0/0 as an integer, on a file system without blocks such as `/proc`.
        return value(i64::MIN);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
    value(((1.0 - free / blocks) * 100.0).round() as i64)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::{Mount, options, unescape, usage};
    use crate::smoke::finding::Actual;

    #[test]
    fn a_mount_is_read_from_its_line() {
        let line = r"36 35 98:0 /mnt1 /a\040b rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((mount.point.as_str(), mount.options.as_str()), ("/a b", "rw,noatime"));
        assert_eq!((mount.filesystem.as_str(), mount.source.as_str()), ("ext3", "/dev/root"));
        assert_eq!(mount.super_options, "rw,errors=continue");
        assert_eq!(unescape(r"\\\04"), r"\\\04");
    }

    #[test]
    fn a_comma_in_quotes_separates_nothing() {
        assert_eq!(options(r#"rw,context="a,b",x"#), ["rw", r#"context="a,b""#, "x"]);
    }

    #[test]
    fn usage_is_rounded_and_counts_what_is_kept_for_root_as_free() {
        assert_eq!(usage("200 101\n"), Ok(Actual::Value(json!(50))));
        assert_eq!(usage("0 0"), Ok(Actual::Value(json!(i64::MIN))));
        assert!(usage("many 1").is_err());
    }

    proptest! {
        #[test]
        fn no_line_is_a_panic(line in r"[\\0-9 a-é,/-]{0,60}") {
            let _ = Mount::parse(&line);
            let _ = unescape(&line);
            let _ = usage(&line);
        }
    }
}
