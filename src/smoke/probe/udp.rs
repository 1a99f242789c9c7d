//! `addr` over UDP: as goss, that an address can be found and that a route leads to it. Nothing is sent, for nobody would
//! have to answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command::names;
use crate::guest::{Command, Guest, GuestError};

/// The kernel's tables of routes; where there is no version 6, its table is not there.
const ROUTES: &str = "exec 2>/dev/null; cat /proc/net/route; echo; cat /proc/net/ipv6_route; exit 0";

/// A route that says that there is none (`RTF_REJECT`), and one that is in use (`RTF_UP`).
const REJECT: u32 = 0x200;
const UP: u32 = 1;

/// Which addresses a network of Go means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Any,
    Four,
    Six,
}

impl Version {
    fn has(self, address: IpAddr) -> bool {
        self == Self::Any || (self == Self::Four) == address.is_ipv4()
    }
}

/// Whether the machine would send datagrams to a host.
pub(super) async fn reachable(
    guest: &dyn Guest,
    host: &str,
    version: Version,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Result<bool, String>, GuestError> {
    let addresses: Vec<IpAddr> = match host.split('%').next().unwrap_or_default().parse() {
        Ok(address) => vec![address],
        Err(_) => match names(guest, host, timeout, cancel).await? {
            Ok(addresses) => addresses.iter().filter_map(|address| address.parse().ok()).collect(),
            // As in goss, what can't be found can't be reached, for whatever reason.
            Err(_) => return Ok(Ok(false)),
        },
    };
    let tables = guest.capture(&Command::new(ROUTES), cancel).await?;
    let tables = String::from_utf8_lossy(&tables.stdout);
    Ok(Ok(addresses.into_iter().any(|address| version.has(address) && leads(&tables, address))))
}

/// Whether the most special route to an address is one.
fn leads(tables: &str, address: IpAddr) -> bool {
    let (four, six) = tables.split_once("\n\n").unwrap_or((tables, ""));
    let best = match address {
        // The loopback device has no route in the table of version 4.
        IpAddr::V4(address) if address.is_loopback() || address.is_unspecified() => return true,
        IpAddr::V4(address) => four.lines().filter_map(|line| route4(line, address)).max_by_key(|route| route.0),
        IpAddr::V6(address) if address.is_unspecified() => return true,
        IpAddr::V6(address) => six.lines().filter_map(|line| route6(line, address)).max_by_key(|route| route.0),
    };
    best.is_some_and(|(_, flags)| flags & UP != 0 && flags & REJECT == 0)
}

/// How special a route to an address is (its length, then its small metric), and its flags. None: it leads elsewhere.
type Route = ((u32, u32), u32);

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in the order of a little-endian machine.
fn route4(line: &str, address: Ipv4Addr) -> Option<Route> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |index: usize| u32::from_str_radix(words.get(index)?, 16).ok();
    let (destination, mask) = (number(1)?.swap_bytes(), number(7)?.swap_bytes());
    let metric: u32 = words.get(6)?.parse().ok()?;
    let covers = u32::from(address) & mask == destination;
    covers.then_some(((mask.count_ones(), u32::MAX - metric), number(3)?))
}

/// `destination length source length next-hop metric references use flags device`, all in hexadecimal.
fn route6(line: &str, address: Ipv6Addr) -> Option<Route> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |index: usize| u32::from_str_radix(words.get(index)?, 16).ok();
    let destination = u128::from_str_radix(words.first()?, 16).ok()?;
    let length = number(1).filter(|length| *length <= 128)?;
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    let covers = u128::from(address) & mask == destination & mask;
    covers.then_some(((length, u32::MAX - number(5)?), number(8)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::leads;

    const FOUR: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        *\t00640A0A\t00000000\t0200\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const DEFAULT: &str = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
    const SIX: &str = "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n\
        00000000000000000000000000000001 80 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n";

    #[test]
    fn an_address_is_reachable_where_the_best_route_is_one() {
        let (network, all) = (format!("{FOUR}\n{SIX}"), format!("{FOUR}{DEFAULT}\n{SIX}"));
        let leads =
            |tables: &str, address: &str| leads(tables, address.parse().unwrap_or_else(|_| panic!("{address}")));
        for (address, is) in [
            ("192.0.2.9", true),
            ("127.0.0.1", true),
            ("198.51.100.1", false),
            ("fe80::1", true),
            ("::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(leads(&network, address), is, "{address}");
        }
        assert!(leads(&all, "198.51.100.1"));
        assert!(!leads(&all, "10.10.100.1"), "a route that rejects");
    }

    proptest! {
        #[test]
        fn no_table_is_a_panic(tables in "([0-9a-fé]{0,33}|[ \n\t*-]){0,40}", address: u32, long: u128) {
            let _ = (leads(&tables, std::net::Ipv4Addr::from(address).into()), leads(&tables, std::net::Ipv6Addr::from(long).into()));
        }
    }
}
