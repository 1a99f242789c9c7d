//! `port` and `interface`, from the kernel's tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ask::Request;
use super::facts::{Facts, Property, malformed, unknown, value};
use crate::smoke::spec::{Kind, Resource};

pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    match resource.kind {
        Kind::Port => vec![Request::new("ports", "")],
        _ => std::iter::once(Request::new("addresses", "")).chain(device(resource.object())).collect(),
    }
}

/// None for what is no name of a device but a path.
fn device(name: &str) -> Option<Request> {
    let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    plain.then(|| Request::new("interface", name))
}

/// A key is `22`, `tcp:22`, `tcp6:22`, `udp:53` or `udp6:53`. A socket that listens for both families stands in the
/// table of version 6 alone, and so it is `tcp6` only (goss#149).
pub(super) fn port(key: &str, property: &str, facts: &Facts) -> Property {
    let (table, port) = key.split_once(':').unwrap_or(("tcp", key));
    let addresses = match table {
        "tcp" | "tcp6" | "udp" | "udp6" => {
            listening(&facts.text(&Request::new("ports", ""), table)?, port, table.starts_with("tcp"))
        }
        _ => Vec::new(),
    };
    match property {
        "listening" => value(!addresses.is_empty()),
        "ip" => value(addresses),
        other => unknown(other),
    }
}

/// Addresses that a table of `/proc/net` has for a port.
fn listening(table: &str, port: &str, only_listening: bool) -> Vec<String> {
    let lines = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        let (address, number) = local.split_once(':')?;
        let number = u16::from_str_radix(number, 16).ok()?;
        // 0A: TCP_LISTEN.
        let listens = !only_listening || state == "0A";
        (listens && number.to_string() == port).then(|| address_of(address))?
    });
    lines.map(|address| address.to_string().to_uppercase()).collect()
}

/// An address of words of 32 bits, each in the order of a little-endian machine.
fn address_of(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let words: Vec<[u8; 4]> = words.map(|word| Some(word?.to_le_bytes())).collect::<Option<_>>()?;
    match words[..] {
        [word] => Some(Ipv4Addr::from(word).into()),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(bytes.into()).to_canonical())
        }
        _ => None,
    }
}

pub(super) fn interface(name: &str, property: &str, facts: &Facts) -> Property {
    let mtu = match device(name) {
        Some(request) => facts.of(&request)?.text("mtu"),
        None => None,
    };
    if property == "exists" {
        return value(mtu.is_some());
    }
    let mtu = mtu.ok_or("route ip+net: no such network interface")?;
    match property {
        "mtu" => value(mtu.trim().parse::<u32>().map_err(|_| malformed())?),
        "addrs" => value(addresses(name, facts)?),
        other => unknown(other),
    }
}

/// All addresses of a device with their prefix lengths, those of version 4 first.
fn addresses(device: &str, facts: &Facts) -> Result<Vec<String>, String> {
    let answer = facts.of(&Request::new("addresses", ""))?;
    let four = match (answer.text("ip"), answer.text("trie"), answer.text("route")) {
        (Some(text), ..) => by_ip(&text, device),
        (None, Some(trie), Some(route)) => by_tables(&trie, &route, device),
        _ => return Err(malformed()),
    };
    let six = by_inet6(&answer.text("inet6").unwrap_or_default(), device);
    Ok(four.into_iter().chain(six).collect())
}

/// `2: eth0    inet 192.0.2.2/24 brd …` or `… inet 10.0.0.1 peer 10.0.0.2/32 …`.
fn by_ip(text: &str, device: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, name, "inet", address, rest @ ..] = &words[..] else { return None };
        if name.split('@').next() != Some(device) {
            return None;
        }
        match rest {
            ["peer", peer, ..] => Some(format!("{address}/{}", peer.split_once('/')?.1)),
            _ => Some((*address).to_owned()),
        }
    });
    lines.collect()
}

/// Without `ip`: the machine's own addresses of `/proc/net/fib_trie`, each with the route to its network for the device
/// and the prefix length. Those of the loopback device have no route.
fn by_tables(trie: &str, route: &str, device: &str) -> Vec<String> {
    let routes: Vec<(&str, u32, u32)> = route.lines().skip(1).filter_map(route_of).collect();
    let mut addresses = Vec::new();
    let mut leaf = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if let (true, Some(address)) = (line == "/32 host LOCAL", leaf) {
            let bits = u32::from(address);
            let covers = |route: &&(&str, u32, u32)| bits & route.2 == route.1 && route.2 != 0;
            let found = routes.iter().filter(covers).max_by_key(|route| route.2);
            let (name, length) = match found {
                Some((name, _, mask)) => (*name, mask.count_ones()),
                None if address.is_loopback() => ("lo", 8),
                None => continue,
            };
            let address = format!("{address}/{length}");
            // The table of all and the table of the machine may both list it.
            if name == device && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

/// Device, network and mask of a line of `/proc/net/route` that leads to no gateway.
fn route_of(line: &str) -> Option<(&str, u32, u32)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |index: usize| u32::from_str_radix(words.get(index)?, 16).ok().map(u32::swap_bytes);
    (number(2)? == 0).then_some((words[0], number(1)?, number(7)?))
}

/// `/proc/net/if_inet6`: address, index, prefix length, scope and flags in hexadecimal, device.
fn by_inet6(text: &str, device: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [address, _, length, _, _, name] = words[..] else { return None };
        let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
        let length = u8::from_str_radix(length, 16).ok()?;
        (name == device).then(|| format!("{address}/{length}"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{address_of, by_inet6, by_ip, by_tables, listening};

    const TABLE: &str = "  sl  local_address rem_address   st\n\
        \x20  0: 0100007F:0016 00000000:0000 0A 00000000:00000000\n\
        \x20  1: 00000000:0016 00000000:0000 0A 00000000:00000000\n\
        \x20  2: 0100007F:0016 0100007F:9999 01 00000000:00000000\n";

    #[test]
    fn a_port_listens_where_the_table_says_so() {
        assert_eq!(listening(TABLE, "22", true), ["127.0.0.1", "0.0.0.0"]);
        assert_eq!(listening(TABLE, "22", false).len(), 3);
        assert!(listening(TABLE, "022", true).is_empty() && listening(TABLE, "", true).is_empty());
    }

    #[test]
    fn addresses_of_version_6_are_four_words() {
        let text = |hex| address_of(hex).map(|address| address.to_string());
        assert_eq!(text("00000000000000000000000001000000"), Some("::1".to_owned()));
        assert_eq!(text("0000000000000000FFFF00000100007F"), Some("127.0.0.1".to_owned()));
        assert_eq!(text("000000000000000001000000"), None);
        assert_eq!(text("é"), None);
    }

    #[test]
    fn addresses_are_found_with_and_without_ip() {
        let ip = "1: lo    inet 127.0.0.1/8 scope host lo\n\
                  2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\n\
                  3: ppp0    inet 10.0.0.1 peer 10.0.0.2/32 scope global ppp0\n";
        assert_eq!(by_ip(ip, "eth0"), ["192.0.2.2/24"]);
        assert_eq!(by_ip(ip, "ppp0"), ["10.0.0.1/32"]);
        let trie = "Main:\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 192.0.2.0\n     /24 link UNICAST\n\
                    \x20 |-- 192.0.2.2\n     \
                    /32 host LOCAL\nLocal:\n  |-- 192.0.2.2\n     /32 host LOCAL\n";
        let route = "Iface Destination Gateway Flags RefCnt Use Metric Mask\neth0 00000000 010200C0 3 0 0 0 00000000\n\
                     eth0 000200C0 00000000 1 0 0 0 00FFFFFF\n";
        assert_eq!(by_tables(trie, route, "eth0"), ["192.0.2.2/24"]);
        assert_eq!(by_tables(trie, route, "lo"), ["127.0.0.1/8"]);
        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(by_inet6(inet6, "lo"), ["::1/128"]);
    }

    proptest! {
        #[test]
        fn no_table_is_a_panic(text in "([0-9A-Fé]{0,9}|:|[ \n/.|-]|inet|peer|eth0|LOCAL|host){0,40}") {
            let _ = (listening(&text, "22", true), by_ip(&text, "eth0"), by_inet6(&text, "eth0"));
            let _ = (by_tables(&text, &text, "eth0"), address_of(&text));
        }
    }
}
