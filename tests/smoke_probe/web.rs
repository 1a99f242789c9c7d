//! Connections through the machine, to servers of this test.

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ovenbird::smoke::spec::{Kind, Resource};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::machine::{Machine, output, resource, with};

/// A server on this machine, until it is dropped.
struct Server {
    port: u16,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, _task: AbortOnDropHandle::new(task) }
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let (first, _) = request.split_once("\r\n").unwrap();
    let path = first.split(' ').nth(1).unwrap();
    let reply = match path {
        "/ok" => {
            "HTTP/1.1 200 OK\r\nx-probe: yes\r\nCONTENT-TYPE: text/plain\r\nContent-Length: 12\r\n\r\nhello\nworld\n"
                .to_owned()
        }
        "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned(),
        "/redirect" => "HTTP/1.1 302 Found\r\nLocation: ok\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/loop" => "HTTP/1.1 301 Moved\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/silence" => return tokio::time::sleep(Duration::from_secs(60)).await,
        "/garbage" => "\0\0\0\0 no protocol at all\r\n\r\n".to_owned(),
        _ => format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{request}", request.len()),
    };
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn http(url: &str) -> Resource {
    resource(Kind::Http, url, &["status", "Headers", "Body"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_fetched_as_go_would() {
    let (machine, server) = (Machine::new(), Server::start(None).await);
    let url = |path: &str| format!("http://localhost:{}{path}", server.port);
    let (fine, chunked, redirect) = (url("/ok"), url("/chunked"), url("/redirect"));
    let post = url("/echo?a=b#c");
    let settings = json!({
        "method": "POST", "request-body": "sent", "username": "ann", "password": "secret",
        "request-headers": ["X-One: 1", "Host: other.test"],
    });
    let found = machine.find(vec![http(&fine), http(&chunked), http(&redirect), with(http(&post), settings)]).await;
    assert_eq!(found.value(&fine, "status"), 200);
    assert_eq!(found.text(&fine, "Headers"), "Content-Length: 12\nContent-Type: text/plain\nX-Probe: yes");
    assert_eq!(found.text(&fine, "Body"), "hello\nworld\n");
    assert_eq!((found.text(&chunked, "Headers"), found.text(&chunked, "Body")), (String::new(), "abc".to_owned()));
    assert_eq!(
        (found.value(&redirect, "status"), found.text(&redirect, "Body")),
        (json!(200), "hello\nworld\n".to_owned())
    );
    let sent = found.text(&post, "Body").to_lowercase();
    assert!(sent.starts_with("post /echo?a=b http/1.1\r\n"), "{sent}");
    for line in
        ["host: other.test\r\n", "x-one: 1\r\n", "authorization: basic yw5uonnly3jlda==\r\n", "connection: close\r\n"]
    {
        assert!(sent.contains(line), "{line} in {sent}");
    }
    assert_eq!(sent.matches("host:").count(), 1, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_page_is_told() {
    let (machine, server) = (Machine::new(), Server::start(None).await);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port);
    let (turns, silence, garbage, redirect) = (url("/loop"), url("/silence"), url("/garbage"), url("/redirect"));
    let found = machine
        .find(vec![
            http(&turns),
            with(http(&silence), json!({ "timeout": 300 })),
            http(&garbage),
            with(http(&redirect), json!({ "no-follow-redirects": true })),
            http("http://127.0.0.1:1/"),
            http("ftp://127.0.0.1/"),
            with(http("not a url"), json!({})),
        ])
        .await;
    assert_eq!(found.error(&turns, "status"), format!("Get \"{turns}\": stopped after 10 redirects"));
    let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    assert_eq!(found.error(&silence, "Body"), format!("Get \"{silence}\": {late}"));
    assert!(found.error(&garbage, "status").starts_with(&format!("Get \"{garbage}\": ")));
    assert_eq!(found.value(&redirect, "status"), 302);
    let refused = found.error("http://127.0.0.1:1/", "status");
    assert!(refused.starts_with("Get \"http://127.0.0.1:1/\": dial tcp 127.0.0.1:1: "), "{refused}");
    assert!(found.error("ftp://127.0.0.1/", "status").ends_with("unsupported protocol scheme \"ftp\""));
    assert!(found.error("not a url", "status").starts_with("Get \"not a url\": "));
}

/// A certificate for `localhost` and its key.
fn certificate(folder: &Utf8Path) -> (Utf8PathBuf, Utf8PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        key.as_str(),
        "-out",
        certificate.as_str(),
    ];
    output("openssl", "openssl", &words);
    (certificate, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_if_the_machine_trusts_it() {
    let machine = Machine::new();
    let (certificate, key) = certificate(&machine.path(""));
    let chain = CertificateDer::pem_file_iter(&certificate).unwrap().map(Result::unwrap).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        config.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap()).unwrap();
    let server = Server::start(Some(Arc::new(config).into())).await;
    let url = |host: &str, of: &str| format!("https://{host}:{}/ok?{of}", server.port).replace("/ok?", "/ok#");
    let [strange, known, any, other, missing] = ["strange", "known", "any", "other", "missing"]
        .map(|of| url(if of == "other" { "127.0.0.1" } else { "localhost" }, of));
    let trust = json!({ "ca-file": certificate });
    let found = machine
        .find(vec![
            http(&strange),
            with(http(&known), trust.clone()),
            with(http(&any), json!({ "allow-insecure": true })),
            with(http(&other), trust),
            with(http(&missing), json!({ "ca-file": "/no/such/file" })),
        ])
        .await;
    assert!(
        found.error(&strange, "status").contains("tls: invalid peer certificate: "),
        "{}",
        found.error(&strange, "status")
    );
    assert_eq!(found.value(&known, "status"), 200);
    assert_eq!(found.text(&any, "Body"), "hello\nworld\n");
    assert!(
        found.error(&other, "status").contains("certificate not valid for name"),
        "{}",
        found.error(&other, "status")
    );
    assert!(found.error(&missing, "status").ends_with("open /no/such/file: no such file or directory"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_reachable_or_not() {
    let (machine, server) = (Machine::new(), Server::start(None).await);
    let addr = |id: &str| resource(Kind::Addr, id, &["reachable"]);
    let here = format!("tcp://localhost:{}", server.port);
    let found = machine.find(vec![addr(&here), addr("127.0.0.1:1"), addr("tcp://nowhere.invalid:1")]).await;
    assert_eq!(found.value(&here, "reachable"), true);
    assert_eq!(found.value("127.0.0.1:1", "reachable"), false);
    assert_eq!(found.value("tcp://nowhere.invalid:1", "reachable"), false);
}
