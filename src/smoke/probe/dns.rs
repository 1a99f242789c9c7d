//! `dns` with a `server`: the message is made and read here, and sent from the machine (goss `system/dns.go`).
//!
//! By UDP with what the machine has (bash, or an `nc` that knows `-u`); where it has neither, and for an answer that was
//! cut off, by TCP through a connection that the machine opens. Nothing is put into the machine for it. The time that
//! counts is the machine's own, between sending and receiving: neither its shell's start nor the way to it is the server's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::command::{START, run};
use super::settings;
use crate::guest::{Command, Exit, Guest, GuestError};

const SCRIPT: &str = include_str!("dns.sh");

/// Of a question that gets an error for an answer, as goss.
const ATTEMPTS: usize = 3;

/// SSHFP, which the library does not know by name.
const SSHFP: u16 = 44;

/// In front of the question.
const HEADER: usize = 12;

/// A kind of record that goss asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Known(TYPE),
    /// The name is an address, looked up in the reverse tree.
    Reverse,
}

impl Record {
    /// What `TYPE:name` asks for; addresses of both versions for any other type.
    fn of(name: Option<&str>) -> Vec<Self> {
        let known = match name.unwrap_or_default() {
            "A" => TYPE::A,
            "AAAA" => TYPE::AAAA,
            "CAA" => TYPE::CAA,
            "CNAME" => TYPE::CNAME,
            "MX" => TYPE::MX,
            "NS" => TYPE::NS,
            "SRV" => TYPE::SRV,
            "SSHFP" => TYPE::Unknown(SSHFP),
            "TXT" => TYPE::TXT,
            "PTR" => return vec![Self::Reverse],
            _ => return vec![Self::Known(TYPE::A), Self::Known(TYPE::AAAA)],
        };
        vec![Self::Known(known)]
    }

    fn code(self) -> TYPE {
        match self {
            Self::Known(known) => known,
            Self::Reverse => TYPE::PTR,
        }
    }
}

/// A DNS server as the machine sees it.
struct Server<'a> {
    host: &'a str,
    port: u16,
    timeout: Duration,
}

impl<'a> Server<'a> {
    /// `host`, `host:port` or `[host]:port`.
    fn parse(text: &'a str, timeout: Duration) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no DNS server: write an address, or an address and a port");
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if host.ends_with(']') || !host.contains(':') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (text, 53),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:%_-".contains(&byte);
        // It becomes an argument of a program in the machine.
        if host.is_empty() || host.starts_with('-') || !host.bytes().all(plain) {
            return Err(wrong());
        }
        Ok(Self { host, port, timeout })
    }

    fn late(&self) -> String {
        format!("DNS lookup timed out ({})", settings::go(self.timeout))
    }
}

/// Answers of a server, sorted, as goss writes them; none when it has none.
pub(super) async fn look_up(
    guest: &dyn Guest,
    (record, name): (Option<&str>, &str),
    server: &str,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Result<Vec<String>, String>, GuestError> {
    let server = match Server::parse(server, timeout) {
        Ok(server) => server,
        Err(error) => return Ok(Err(error)),
    };
    let (mut found, mut failed) = (Vec::new(), None);
    for record in Record::of(record) {
        match ask(guest, record, name, &server, cancel).await? {
            Ok(answers) => found.extend(answers),
            Err(error) => failed = Some(error),
        }
    }
    found.sort();
    Ok(match failed {
        // Of the two versions of addresses, one is enough.
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    })
}

async fn ask(
    guest: &dyn Guest,
    record: Record,
    name: &str,
    server: &Server<'_>,
    cancel: &CancellationToken,
) -> Result<Result<Vec<String>, String>, GuestError> {
    let id = match identity() {
        Ok(id) => id,
        Err(error) => return Ok(Err(error)),
    };
    let question = match question(id, record, name) {
        Ok(question) => question,
        Err(error) => return Ok(Err(error)),
    };
    let mut last = Err(server.late());
    for _ in 0..ATTEMPTS {
        let answer = match exchange(guest, &question, server, cancel).await? {
            Ok(answer) => read(&answer, id, record),
            Err(error) => Err(error),
        };
        if answer.is_ok() {
            return Ok(answer);
        }
        last = answer;
    }
    Ok(last)
}

/// A number that nobody can guess: an answer must bear it.
fn identity() -> Result<u16, String> {
    use std::io::Read;
    let mut bytes = [0; 2];
    let mut file = std::fs::File::open("/dev/urandom").map_err(|error| error.to_string())?;
    file.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(u16::from_be_bytes(bytes))
}

fn question(id: u16, record: Record, name: &str) -> Result<Vec<u8>, String> {
    let name = if record == Record::Reverse { reverse(name)? } else { name.to_owned() };
    let refused = |error: simple_dns::SimpleDnsError| format!("dns: `{name}` can't be asked for: {error}");
    let asked = Name::new(name.trim_end_matches('.')).map_err(refused)?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(asked, QTYPE::TYPE(record.code()), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(refused)
}

/// The name of an address in the reverse tree.
fn reverse(address: &str) -> Result<String, String> {
    use std::fmt::Write;
    let parsed: IpAddr = address.parse().map_err(|_| format!("dns: unrecognized address: {address}"))?;
    Ok(match parsed {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut name = String::new();
            for byte in address.octets().iter().rev() {
                // Writing to a string does not fail.
                let _ = write!(name, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name + "ip6.arpa"
        }
    })
}

/// One message there and one back.
async fn exchange(
    guest: &dyn Guest,
    question: &[u8],
    server: &Server<'_>,
    cancel: &CancellationToken,
) -> Result<Result<Vec<u8>, String>, GuestError> {
    match by_udp(guest, question, server, cancel).await? {
        None => by_tcp(guest, question, server).await,
        Some(Ok(answer)) if is_cut(&answer) => Ok(match by_tcp(guest, question, server).await? {
            Ok(whole) => Ok(whole),
            // A server may speak UDP only; what it said is an answer still.
            Err(_) => Ok(answer),
        }),
        Some(answer) => Ok(answer),
    }
}

/// The truncation bit of the header.
fn is_cut(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 2 != 0)
}

/// None where the machine has nothing to send a datagram with.
async fn by_udp(
    guest: &dyn Guest,
    question: &[u8],
    server: &Server<'_>,
    cancel: &CancellationToken,
) -> Result<Option<Result<Vec<u8>, String>>, GuestError> {
    let Server { host, port, timeout } = server;
    let message: String = question.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let seconds = timeout.as_secs() + 1;
    let command = Command::new(SCRIPT).stdin(format!("{host}\n{port}\n{seconds}\n{message}\n"));
    let Some(ended) = run(guest, &command, *timeout + START, cancel).await? else {
        return Ok(Some(Err(server.late())));
    };
    if ended.exit == Exit::Code(3) {
        return Ok(None);
    }
    let took = took(&String::from_utf8_lossy(&ended.stderr.bytes));
    Ok(Some(if took.is_none_or(|took| took > *timeout) {
        Err(server.late())
    } else if ended.stdout.bytes.is_empty() {
        Err(format!("read udp {}: read: connection refused", joined(host, *port)))
    } else {
        Ok(ended.stdout.bytes)
    }))
}

/// From the machine's clock before to its clock after.
fn took(clock: &str) -> Option<Duration> {
    let mut times = clock.lines().rev().map(|line| line.trim().parse::<f64>().ok());
    let (after, before) = (times.next()??, times.next()??);
    Duration::try_from_secs_f64((after - before).max(0.0)).ok()
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Each message with its length in front (RFC 7766).
async fn by_tcp(
    guest: &dyn Guest,
    question: &[u8],
    server: &Server<'_>,
) -> Result<Result<Vec<u8>, String>, GuestError> {
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes();
    let talk = async {
        let mut stream = guest.dial(server.host, server.port).await?;
        let talk = async {
            stream.write_all(&[&length, question].concat()).await?;
            let mut answer = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        let failed = |error: std::io::Error| format!("read tcp {}: {error}", joined(server.host, server.port));
        Ok(talk.await.map_err(failed))
    };
    match tokio::time::timeout(server.timeout + START, talk).await {
        Err(_) => Ok(Err(server.late())),
        Ok(Err(GuestError::Unreachable(error))) => Ok(Err(error)),
        Ok(other) => other,
    }
}

/// The answers of a kind in a message. What the name does not have is no error, whatever the server calls it.
fn read(message: &[u8], id: u16, record: Record) -> Result<Vec<String>, String> {
    let message = with_known_type(message, record);
    let packet = Packet::parse(&message).map_err(|error| format!("dns: {error}"))?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err("dns: id mismatch".to_owned());
    }
    let asked = record.code();
    let answers = packet.answers.iter().filter(|answer| answer.rdata.type_code() == asked);
    Ok(answers.flat_map(|answer| words(&answer.rdata)).collect())
}

/// A message whose question, which servers repeat, is one that the library can read: it knows answers of types without a
/// name, but no questions for them.
fn with_known_type(message: &[u8], record: Record) -> Vec<u8> {
    let mut message = message.to_vec();
    let has_question = message.get(4..6).is_some_and(|count| *count != [0, 0]);
    if let (TYPE::Unknown(code), true) = (record.code(), has_question) {
        let asked = [code.to_be_bytes(), 1u16.to_be_bytes()].concat();
        let at = message.windows(4).skip(HEADER).position(|bytes| *bytes == asked).map(|at| at + HEADER);
        if let Some(at) = at {
            message[at..at + 2].copy_from_slice(&u16::from(TYPE::A).to_be_bytes());
        }
    }
    message
}

/// A record as goss writes it: one text, but one for each text of `TXT`.
fn words(data: &RData<'_>) -> Vec<String> {
    vec![match data {
        RData::A(address) => Ipv4Addr::from(address.address).to_string(),
        // As Go has it: version 4 in version 6 is version 4.
        RData::AAAA(address) => Ipv6Addr::from(address.address).to_canonical().to_string(),
        RData::CAA(caa) => {
            let (tag, value) = (caa.tag.to_string(), String::from_utf8_lossy(&caa.value));
            format!("{} {tag} {value}", caa.flag)
        }
        RData::CNAME(name) => dotted(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, dotted(&mx.exchange)),
        RData::NS(name) => dotted(&name.0),
        RData::PTR(name) => dotted(&name.0),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, dotted(&srv.target)),
        RData::TXT(txt) => return txt.iter_raw().map(text).collect(),
        RData::NULL(SSHFP, data) => match data.get_data() {
            [algorithm, of, print @ ..] => {
                let print: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{algorithm} {of} {print}")
            }
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    }]
}

/// One text of `TXT`, which the library takes apart at its first `=`.
fn text((key, value): (&[u8], Option<&[u8]>)) -> String {
    let rest = value.map(|value| [b"=", value].concat()).unwrap_or_default();
    escaped(&[key, &rest].concat(), br#""\"#)
}

/// A name with a dot behind each label.
fn dotted(name: &Name<'_>) -> String {
    let labels: String = name.as_bytes().map(|label| escaped(label, br#". '@;()"\"#) + ".").collect();
    if labels.is_empty() { ".".to_owned() } else { labels }
}

/// Bytes as the master files of DNS write them.
fn escaped(bytes: &[u8], special: &[u8]) -> String {
    let each = bytes.iter().map(|byte| match byte {
        byte if special.contains(byte) => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\{byte:03}"),
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use proptest::prelude::*;
    use simple_dns::rdata::{NULL, RData};
    use simple_dns::{CLASS, Name, Packet, PacketFlag, ResourceRecord, TYPE};

    use super::{Record, SSHFP, Server, question, read, reverse, took};

    fn server(text: &str) -> Option<(String, u16)> {
        Server::parse(text, Duration::ZERO).ok().map(|server| (server.host.to_owned(), server.port))
    }

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        for (text, host, port) in [
            ("8.8.8.8", "8.8.8.8", 53),
            ("127.0.0.1:8053", "127.0.0.1", 8053),
            ("ns.example.org", "ns.example.org", 53),
            ("[::1]:5353", "::1", 5353),
            ("fe80::1", "fe80::1", 53),
            ("[::1]", "::1", 53),
        ] {
            assert_eq!(server(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in ["", ":53", "-u:53", "a b", "host:dns", "a;b", "$(x)"] {
            assert_eq!(server(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_of_an_address_is_in_the_reverse_tree() {
        assert_eq!(reverse("54.243.154.1").unwrap(), "1.154.243.54.in-addr.arpa");
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(reverse("2001:db8::1").unwrap(), six);
        assert_eq!(reverse("example.org").unwrap_err(), "dns: unrecognized address: example.org");
    }

    #[test]
    fn the_machines_clock_says_how_long_it_took() {
        assert_eq!(took("some noise\n10.25\n10.75\n"), Some(Duration::from_millis(500)));
        assert_eq!(took("10.25\n"), None);
        assert_eq!(took("10.25\nx\n"), None);
    }

    fn answer(id: u16, flags: PacketFlag, data: RData<'static>) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        packet.set_flags(flags);
        packet.answers.push(ResourceRecord::new(Name::new("example.org").unwrap(), CLASS::IN, 1, data));
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn a_fingerprint_is_written_in_hexadecimal() {
        let data = RData::NULL(SSHFP, NULL::new(&[4, 2, 0xab, 0x01]).unwrap());
        let message = answer(7, PacketFlag::RESPONSE, data);
        let sshfp = Record::Known(TYPE::Unknown(SSHFP));
        assert_eq!(Record::of(Some("SSHFP")), [sshfp]);
        assert_eq!(read(&message, 7, sshfp).unwrap(), ["4 2 ab01"]);
        assert_eq!(read(&message, 8, sshfp).unwrap_err(), "dns: id mismatch");
        assert!(read(&message, 7, Record::Known(TYPE::A)).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let long = format!("{}.org", "a".repeat(64));
        assert!(question(1, Record::Known(TYPE::A), &long).unwrap_err().starts_with("dns: "));
        assert!(question(1, Record::Reverse, "x").is_err());
        assert!(question(1, Record::Known(TYPE::A), "example.org.").is_ok());
    }

    proptest! {
        #[test]
        fn no_message_is_a_panic(message: Vec<u8>) {
            let _ = read(&message, 0, Record::Known(TYPE::TXT));
        }

        #[test]
        fn no_message_with_a_header_is_a_panic(rest: Vec<u8>) {
            let header = [0, 0, 0x80, 0, 0, 0, 0, 2, 0, 0, 0, 0];
            let _ = read(&[&header[..], &rest].concat(), 0, Record::Reverse);
        }
    }
}
