//! Probing over SSH: what matters there is the number of round trips, and that connections go through the guest.

use std::time::Instant;

use ovenbird::event::Place;
use ovenbird::guest::{Guest, GuestError};
use ovenbird::smoke::finding::{Actual, Findings};
use ovenbird::smoke::probe::probe;
use ovenbird::smoke::spec::{Assertion, Kind, Resource, Spec};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::server::Server;

fn resource(kind: Kind, id: &str, properties: &[&'static str]) -> Resource {
    let place = Place { file: "goss.yaml".into(), line: 1, column: None, exact: true };
    let assertion = |property: &&'static str| Assertion { property, expected: Value::Null, place: place.clone() };
    Resource {
        kind,
        id: id.to_owned(),
        name: None,
        title: None,
        meta: Map::new(),
        skip: false,
        settings: Map::new(),
        assertions: properties.iter().map(assertion).collect(),
        place: place.clone(),
    }
}

fn value(findings: &Findings, index: usize, property: &'static str) -> Value {
    match &findings.found[&(index, property)].actual {
        Ok(Actual::Value(value)) => value.clone(),
        other => panic!("{index} {property}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_probed_over_its_one_connection() {
    for (name, server) in [("debian", Server::debian()), ("busybox", Server::busybox())] {
        let guest = server.connect().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut resources = vec![
            resource(Kind::File, "/etc/passwd", &["exists", "mode", "owner", "filetype", "contents"]),
            resource(Kind::Port, &port.to_string(), &["listening", "ip"]),
            resource(Kind::Addr, &format!("tcp://localhost:{port}"), &["reachable"]),
            resource(Kind::Addr, "tcp://127.0.0.1:1", &["reachable"]),
        ];
        resources.extend((0..10).map(|number| resource(Kind::Command, &format!("exit {number}"), &["exit-status"])));
        resources
            .extend((0..20).map(|number| resource(Kind::File, &format!("/etc/{number}"), &["exists", "mode", "size"])));
        resources.extend((0..20).map(|_| resource(Kind::User, "root", &["exists"])));
        let started = Instant::now();
        let findings = probe(&guest, &Spec { resources }, &CancellationToken::new()).await.unwrap();
        println!("{name}: {} checks over SSH in {:?}", findings.found.len(), started.elapsed());
        assert_eq!(value(&findings, 0, "owner"), "root");
        assert_eq!(value(&findings, 1, "ip"), json!(["127.0.0.1"]));
        assert_eq!(value(&findings, 2, "reachable"), true);
        assert_eq!(value(&findings, 3, "reachable"), false);
        for number in 0..10 {
            assert_eq!(value(&findings, 4 + number, "exit-status"), number);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_opened_by_the_guest() {
    let server = Server::debian();
    let guest = server.connect().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let echo = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    };
    let ask = async {
        let mut stream = guest.dial("localhost", listener.local_addr().unwrap().port()).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let ((), answer) = tokio::join!(echo, ask);
    assert_eq!(answer, b"ping");
    let Err(refused) = guest.dial("127.0.0.1", 1).await else { panic!("somebody listens on port 1") };
    assert!(matches!(refused, GuestError::Unreachable(_)), "{refused}");
}
