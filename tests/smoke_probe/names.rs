//! Lookups with a `server`, and addresses over UDP: dnsmasq on this machine, asked by each way that a machine may have.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ovenbird::smoke::spec::{Kind, Resource};
use serde_json::json;

use crate::machine::{Found, Machine, resource, with};

/// The records of goss's own integration tests, and a few more.
const RECORDS: [&str; 17] = [
    "--host-record=a.dnstest.io,192.30.252.153",
    "--host-record=ip6.dnstest.io,2404:6800:4001:807::200e",
    "--host-record=both.dnstest.io,192.30.252.154,2001:db8::1",
    "--cname=c.dnstest.io,a.dnstest.io",
    "--mx-host=dnstest.io,b.dnstest.io,10",
    "--mx-host=dnstest.io,a.dnstest.io,5",
    "--dns-rr=dnstest.io,2,036e7331:07646e7374657374:02696f:00",
    "--dns-rr=dnstest.io,2,036e7332:07646e7374657374:02696f:00",
    "--srv-host=_https._tcp.dnstest.io,a.dnstest.io,443,0,5",
    "--srv-host=_https._tcp.dnstest.io,b.dnstest.io,443,10,10",
    "--txt-record=txt._test.dnstest.io,Hello DNS",
    "--txt-record=odd.dnstest.io,v=spf1 a=b -all,say \"x\"",
    "--caa-record=dnstest.io,0,issue,letsencrypt.org",
    "--caa-record=dnstest.io,0,issuewild,;",
    "--dns-rr=ssh.dnstest.io,44,0402:abcdef",
    "--ptr-record=1.154.243.54.in-addr.arpa,ec2-54-243-154-1.compute-1.amazonaws.com",
    "--local=/#/",
];

/// A DNS server on this machine, until it is dropped.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let long = "x".repeat(200);
        let child = Command::new("/usr/sbin/dnsmasq")
            .args(["--no-daemon", "--conf-file=/dev/null", "--pid-file=", "--no-resolv", "--no-hosts", "--user=root"])
            .args(["--bind-interfaces", "--listen-address=127.0.0.1", &format!("--port={port}")])
            .args(RECORDS)
            .arg(format!("--txt-record=long.dnstest.io,{long},{long},{long},{long}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|_| panic!("dnsmasq is missing: `apt-get install dnsmasq-base`"));
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "dnsmasq does not listen");
            std::thread::yield_now();
        }
        Self { port, child }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port of a server that speaks UDP only: it passes on what another is asked. It ends with the test's process.
fn only_udp(to: &str) -> u16 {
    let (front, back) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = front.local_addr().unwrap().port();
    back.connect(to).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = front.recv_from(&mut buffer) {
            back.send(&buffer[..length]).unwrap();
            let length = back.recv(&mut buffer).unwrap();
            front.send_to(&buffer[..length], from).unwrap();
        }
    });
    port
}

fn dns(id: &str, server: &str) -> Resource {
    with(resource(Kind::Dns, id, &["resolvable", "addrs"]), json!({ "server": server, "timeout": 5000 }))
}

/// A machine whose programs are only these, besides what the script needs.
fn bare(more: &[&str]) -> Machine {
    let machine = Machine::new();
    let folder = machine.path("bin");
    std::fs::create_dir(&folder).unwrap();
    for name in ["sh", "dd", "grep"].iter().chain(more) {
        let program = crate::machine::output("debianutils", "which", &[name]);
        std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
    }
    machine.with_shell(&format!("env PATH={folder} sh"))
}

const TYPES: [(&str, &[&str]); 13] = [
    ("A:a.dnstest.io", &["192.30.252.153"]),
    ("AAAA:ip6.dnstest.io", &["2404:6800:4001:807::200e"]),
    ("CAA:dnstest.io", &["0 issue letsencrypt.org", "0 issuewild ;"]),
    ("CNAME:c.dnstest.io", &["a.dnstest.io."]),
    ("MX:dnstest.io", &["10 b.dnstest.io.", "5 a.dnstest.io."]),
    ("NS:dnstest.io", &["ns1.dnstest.io.", "ns2.dnstest.io."]),
    ("PTR:54.243.154.1", &["ec2-54-243-154-1.compute-1.amazonaws.com."]),
    ("SRV:_https._tcp.dnstest.io", &["0 5 443 a.dnstest.io.", "10 10 443 b.dnstest.io."]),
    ("SSHFP:ssh.dnstest.io", &["4 2 abcdef"]),
    ("TXT:txt._test.dnstest.io", &["Hello DNS"]),
    ("TXT:odd.dnstest.io", &["say \\\"x\\\"", "v=spf1 a=b -all"]),
    ("c.dnstest.io", &["192.30.252.153"]),
    ("both.dnstest.io", &["192.30.252.154", "2001:db8::1"]),
];

async fn all(machine: &Machine, server: &str) -> Found {
    machine.find(TYPES.iter().map(|(id, _)| dns(id, server)).collect()).await
}

#[track_caller]
fn assert_types(found: &Found) {
    for (id, addresses) in TYPES {
        assert_eq!(found.value(id, "addrs"), json!(addresses), "{id}");
        assert_eq!(found.value(id, "resolvable"), true, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_for_each_type_of_record() {
    let server = Server::start();
    assert_types(&all(&Machine::new(), &server.address()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_no_tcp_is_asked_with_bash_or_with_nc() {
    let server = Server::start();
    let udp = format!("127.0.0.1:{}", only_udp(&server.address()));
    for tool in ["bash", "nc"] {
        assert_types(&all(&bare(&[tool]), &udp).await);
    }
    // What was cut off and can't be had whole is taken as it is.
    let found = Machine::new().find(vec![dns("TXT:long.dnstest.io", &udp)]).await;
    assert_eq!(found.value("TXT:long.dnstest.io", "resolvable"), false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_can_send_no_datagram_asks_by_tcp() {
    let server = Server::start();
    assert_types(&all(&bare(&[]), &server.address()).await);
    let udp = format!("127.0.0.1:{}", only_udp(&server.address()));
    let found = bare(&[]).find(vec![dns("A:a.dnstest.io", &udp)]).await;
    let error = found.error("A:a.dnstest.io", "addrs");
    assert!(error.starts_with(&format!("dial tcp {udp}: ")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_a_datagram_comes_by_tcp() {
    let server = Server::start();
    let found = Machine::new().find(vec![dns("TXT:long.dnstest.io", &server.address())]).await;
    let long = "x".repeat(200);
    assert_eq!(found.value("TXT:long.dnstest.io", "addrs"), json!([&long, &long, &long, &long]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_answer_is_told() {
    let server = Server::start();
    let address = server.address();
    let found = Machine::new()
        .find(vec![
            dns("nowhere.dnstest.io", &address),
            dns("A:nowhere.dnstest.io", &address),
            dns("PTR:dnstest.io", &address),
            dns("A:refused", "127.0.0.1:1"),
            dns("A:wrong", "-u"),
        ])
        .await;
    for id in ["nowhere.dnstest.io", "A:nowhere.dnstest.io"] {
        assert_eq!((found.value(id, "resolvable"), found.value(id, "addrs")), (json!(false), json!([])), "{id}");
    }
    assert_eq!(found.error("PTR:dnstest.io", "resolvable"), "dns: unrecognized address: dnstest.io");
    assert_eq!(found.error("A:refused", "resolvable"), "read udp 127.0.0.1:1: read: connection refused");
    assert!(found.error("A:wrong", "resolvable").starts_with("`-u` is no DNS server"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_late() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap().to_string();
    for machine in [Machine::new(), bare(&["nc"])] {
        let late = with(resource(Kind::Dns, "A:late", &["resolvable"]), json!({ "server": server, "timeout": 100 }));
        let found = machine.find(vec![late]).await;
        assert_eq!(found.error("A:late", "resolvable"), "DNS lookup timed out (100ms)");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_over_udp_is_reachable_where_a_route_leads() {
    let addr = |id: &str| resource(Kind::Addr, id, &["reachable"]);
    let with_source = with(addr("udp://127.0.0.1:4"), json!({ "local-address": "127.0.0.1" }));
    let ids = [
        "udp://127.0.0.1:1",
        "udp://localhost:1",
        "udp4://127.0.0.1:2",
        "udp6://127.0.0.1:3",
        "udp://nowhere.invalid:1",
    ];
    let found = Machine::new().find(ids.iter().map(|id| addr(id)).chain([with_source]).collect()).await;
    let all: Vec<_> = ids.iter().map(|id| found.value(id, "reachable")).collect();
    assert_eq!(all, [true, true, true, false, false]);
    assert!(found.error("udp://127.0.0.1:4", "reachable").contains("`local-address`"));
}
