//! `http` and `addr`: connections that the machine opens for us; the protocols are spoken here.
//!
//! So a check sees the machine's own `localhost` without a client in it. Certificates are checked against the machine's
//! own trust, or the `ca-file` in it, as goss would from inside.

use std::time::Duration;

use base64::Engine;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::{Position, Url};

use super::ask::{LONGEST_FILE, Request};
use super::facts::{Facts, Property, unknown, value};
use super::udp::{self, Version};
use super::{files, settings, tls, unless_cancelled};
use crate::guest::{ByteStream, Guest, GuestError};
use crate::smoke::finding::Actual;
use crate::smoke::spec::Resource;

/// As Go's client has it.
const REDIRECTS: usize = 10;

/// A response.
pub(super) struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Result<String, String>,
}

/// Files of the machine that a request needs.
pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    let files = ["ca-file", "cert-file", "key-file"].into_iter().filter_map(|name| file(resource, name));
    let mut requests: Vec<Request> = files.collect();
    let plain = resource.object().starts_with("http://") && settings::switch(resource, "no-follow-redirects");
    if !plain && !settings::switch(resource, "allow-insecure") && settings::text(resource, "ca-file").is_none() {
        requests.push(tls::trusted());
    }
    requests
}

fn file(resource: &Resource, setting: &str) -> Option<Request> {
    let path = settings::text(resource, setting)?;
    Some(Request { flags: "c".to_owned(), ..Request::new("file", path) })
}

/// The contents of the file that a setting names.
pub(super) fn contents<'a>(resource: &Resource, setting: &str, facts: &'a Facts) -> Result<Option<&'a [u8]>, String> {
    let Some(request) = file(resource, setting) else { return Ok(None) };
    let answer = facts.of(&request)?;
    if answer.body("absent").is_some() {
        return Err(format!("open {}: no such file or directory", request.argument));
    }
    files::content(&request.argument, answer).map(Some)
}

impl Got {
    pub(super) fn property(&self, property: &str) -> Property {
        match property {
            "status" => value(self.status.as_u16()),
            "Headers" | "headers" => Ok(Actual::Reader(lines(&self.headers))),
            "Body" | "body" => self.body.clone().map(Actual::Reader),
            other => unknown(other),
        }
    }
}

/// Sorted lines `Key: value`. Go's client takes two headers away with the transfer's encoding.
fn lines(headers: &HeaderMap) -> String {
    let shown = headers.iter().filter(|(name, _)| !matches!(name.as_str(), "transfer-encoding" | "trailer"));
    let mut lines: Vec<String> = shown
        .map(|(name, value)| format!("{}: {}", canonical(name.as_str()), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines.join("\n")
}

/// `content-type` as `Content-Type`.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

/// Fetches what an `http` resource asks, redirects and all, within its timeout.
pub(super) async fn fetch(guest: &dyn Guest, resource: &Resource, facts: &Facts) -> Result<Got, String> {
    let method = settings::text(resource, "method").unwrap_or("GET");
    let url = resource.object();
    let timeout = settings::milliseconds(resource, "timeout", 5000);
    let got = tokio::time::timeout(timeout, follow(guest, resource, facts)).await;
    let late = || "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned();
    got.unwrap_or_else(|_| Err(late())).map_err(|error| format!("{} \"{url}\": {error}", operation(method)))
}

/// `GET` as `Get`, as Go's errors begin.
fn operation(method: &str) -> String {
    let lower = method.to_ascii_lowercase();
    canonical(&lower)
}

/// A request as it changes from redirect to redirect.
struct Ask {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    fn new(resource: &Resource) -> Result<Self, String> {
        let method = settings::text(resource, "method").unwrap_or("GET");
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|_| format!("net/http: invalid method \"{method}\""))?;
        let url = Url::parse(resource.object()).map_err(|error| error.to_string())?;
        let body = Bytes::from(settings::text(resource, "request-body").unwrap_or_default().to_owned());
        let mut headers = HeaderMap::new();
        for line in settings::list(resource, "request-headers") {
            let (name, text) = line.split_once(": ").ok_or_else(|| format!("`{line}` is no header `Name: value`"))?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("`{line}`: {error}"))?;
            let text = HeaderValue::from_str(text).map_err(|error| format!("`{line}`: {error}"))?;
            // Of several `Host`, the first is sent.
            if name != HOST || !headers.contains_key(HOST) {
                headers.append(name, text);
            }
        }
        let given = |name| settings::text(resource, name);
        let (user, password) = match (given("username"), given("password")) {
            (None, None) if headers.contains_key(AUTHORIZATION) => (None, None),
            (None, None) => (Some(url.username()).filter(|user| !user.is_empty()), url.password()),
            given => given,
        };
        if user.is_some() || password.is_some() {
            let text = format!("{}:{}", user.unwrap_or_default(), password.unwrap_or_default());
            let text = base64::engine::general_purpose::STANDARD.encode(text);
            let credentials = HeaderValue::from_str(&format!("Basic {text}")).map_err(|error| error.to_string())?;
            headers.insert(AUTHORIZATION, credentials);
        }
        Ok(Self { url, method, headers, body })
    }

    /// The request that a redirect asks for; none when the response is no redirect.
    fn redirected(mut self, status: StatusCode, headers: &HeaderMap) -> Result<Option<Self>, String> {
        let keeps = match status.as_u16() {
            301..=303 => false,
            307 | 308 => true,
            _ => return Ok(None),
        };
        let Some(location) = headers.get(LOCATION) else { return Ok(None) };
        let location = location.to_str().map_err(|_| "failed to parse Location header".to_owned())?;
        let next = self.url.join(location).map_err(|_| format!("failed to parse Location header \"{location}\""))?;
        if next.host_str() != self.url.host_str() {
            // Credentials are not another host's business.
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(hyper::header::COOKIE);
            self.headers.remove(HOST);
        }
        if !keeps {
            self.body = Bytes::new();
            if self.method != Method::HEAD {
                self.method = Method::GET;
            }
        }
        self.url = next;
        Ok(Some(self))
    }

    fn message(&self, absolute: bool) -> Result<HttpRequest<Full<Bytes>>, String> {
        let target = if absolute {
            &self.url[..Position::AfterQuery]
        } else {
            &self.url[Position::BeforePath..Position::AfterQuery]
        };
        let mut message = HttpRequest::new(Full::new(self.body.clone()));
        *message.method_mut() = self.method.clone();
        *message.uri_mut() = target.parse().map_err(|error| format!("{error}"))?;
        let headers = message.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("ovenbird/", env!("CARGO_PKG_VERSION"))));
        let authority = &self.url[Position::BeforeHost..Position::AfterPort];
        headers.insert(HOST, HeaderValue::from_str(authority).map_err(|error| error.to_string())?);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        for name in self.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        Ok(message)
    }
}

async fn follow(guest: &dyn Guest, resource: &Resource, facts: &Facts) -> Result<Got, String> {
    let mut ask = Ask::new(resource)?;
    for _ in 0..REDIRECTS {
        let (response, _connection) = send(guest, resource, facts, &ask).await?;
        let (parts, body) = response.into_parts();
        let last = settings::switch(resource, "no-follow-redirects");
        ask = match if last { None } else { ask.redirected(parts.status, &parts.headers)? } {
            Some(next) => next,
            None => return Ok(Got { status: parts.status, headers: parts.headers, body: read(body).await }),
        };
    }
    Err(format!("stopped after {REDIRECTS} redirects"))
}

async fn read(mut body: Incoming) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > LONGEST_FILE {
            return Err(format!(
                "the body is larger than {} MiB, which is the most that is read",
                LONGEST_FILE / 1024 / 1024
            ));
        }
        bytes.extend_from_slice(data);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sends one request over a connection of its own, which lives as long as what is returned beside the response.
async fn send(
    guest: &dyn Guest,
    resource: &Resource,
    facts: &Facts,
    ask: &Ask,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), String> {
    let secure = match ask.url.scheme() {
        "http" => false,
        "https" => true,
        other => return Err(format!("unsupported protocol scheme \"{other}\"")),
    };
    let proxy = settings::text(resource, "proxy").map(Url::parse).transpose().map_err(|error| error.to_string())?;
    let mut stream = connect(guest, proxy.as_ref().unwrap_or(&ask.url)).await?;
    if secure {
        if proxy.is_some() {
            tunnel(&mut *stream, &ask.url).await?;
        }
        stream = tls::wrap(stream, host_of(&ask.url)?, resource, facts).await?;
    }
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        // Its failure is the request's too.
        let _ = connection.await;
    }));
    let message = ask.message(proxy.is_some() && !secure)?;
    let response = sender.send_request(message).await.map_err(|error| error_chain(&error))?;
    Ok((response, connection))
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The host of a URL without the brackets of an IPv6 address.
fn host_of(url: &Url) -> Result<&str, String> {
    let host = url.host_str().ok_or("http: no Host in request URL")?;
    Ok(host.trim_start_matches('[').trim_end_matches(']'))
}

async fn connect(guest: &dyn Guest, url: &Url) -> Result<Box<dyn ByteStream>, String> {
    let port = url.port_or_known_default().ok_or("no port in the URL")?;
    guest.dial(host_of(url)?, port).await.map_err(|error| error.to_string())
}

/// Asks a proxy for a connection to the URL's host.
async fn tunnel(stream: &mut dyn ByteStream, url: &Url) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the proxy: {error}");
    let authority = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > 16 * 1024 {
            return Err("the proxy: an answer without end".to_owned());
        }
        answer.push(stream.read_u8().await.map_err(failed)?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("the proxy: {}", status.chars().take(100).collect::<String>())),
    }
}

/// Whether somebody answers at the address of an `addr` resource, or by UDP might.
pub(super) async fn reachable(
    guest: &dyn Guest,
    resource: &Resource,
    cancel: &CancellationToken,
) -> Result<Result<bool, String>, GuestError> {
    let address = resource.object();
    let (network, address) = address.split_once("://").unwrap_or(("tcp", address));
    let Some((host, port)) = address.rsplit_once(':') else { return Ok(Ok(false)) };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(port) = port.parse() else { return Ok(Ok(false)) };
    // Without a host, Go dials this machine.
    let host = if host.is_empty() { "localhost" } else { host };
    let timeout = settings::milliseconds(resource, "timeout", 500);
    let version = match network {
        "tcp" | "tcp4" | "tcp6" => None,
        "udp" => Some(Version::Any),
        "udp4" => Some(Version::Four),
        "udp6" => Some(Version::Six),
        _ => return Ok(Ok(false)),
    };
    if settings::text(resource, "local-address").is_some() {
        return Ok(Err("`local-address` can't be chosen for a connection through the machine".to_owned()));
    }
    match version {
        Some(version) => udp::reachable(guest, host, version, timeout, cancel).await,
        None => unless_cancelled(answers(guest, host, port, timeout), cancel).await,
    }
}

async fn answers(guest: &dyn Guest, host: &str, port: u16, timeout: Duration) -> Result<bool, String> {
    match tokio::time::timeout(timeout, guest.dial(host, port)).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(GuestError::Unreachable(_))) | Err(_) => Ok(false),
        Ok(Err(error)) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{canonical, operation};

    #[test]
    fn names_are_written_as_go_does() {
        assert_eq!(canonical("x-content-type-options"), "X-Content-Type-Options");
        assert_eq!(operation("POST"), "Post");
    }
}
