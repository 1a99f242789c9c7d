//! Downloading one file over HTTP, whole or not at all.
//!
//! ```text
//! request (Range, If-Range) ─▶ 200: from the start ─┐
//!          ▲                   206: go on           ├─▶ body ─▶ complete ─▶ done
//!          │                   416: from the start ─┘     │
//!          └── back off ◀── 408 425 429 5xx, lost connection, cut body, no connection
//! ```
//!
//! A file is complete when the server ended the body and its length is what was announced; whether it is the *right*
//! file only its checksum tells, which is the caller's.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::file::{self, Meter};
use crate::context::{Cancelled, Explained, JobCtx};
use crate::event::Failure;

/// How patient a download is, and how large an image may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it may go without one new byte before it fails, retries included.
    pub stall: Duration,
    /// How long to try while no connection was ever made: a wrong host or port is not a server that is away.
    pub unreached: Duration,
    /// The pause before the first retry; it doubles up to 16 times this.
    pub pause: Duration,
    /// How long one response may stay silent before the connection is given up.
    pub silence: Duration,
    /// Bytes that an image may unpack to.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // A mirror that restarts or a network that reconnects is back within minutes; a person waits no longer.
        let (stall, pause, silence) = (Duration::from_mins(3), Duration::from_secs(1), Duration::from_secs(30));
        // Beyond any base image, and below what a small file can be made to unpack to.
        // A name server or a firewall that comes back, not a machine that starts.
        let unreached = Duration::from_secs(20);
        Self { stall, unreached, pause, silence, unpacked: 64 * 1024 * 1024 * 1024 }
    }
}

/// Redirects that a mirror network may need; more is a loop.
const REDIRECTS: usize = 10;

/// A list of checksums is a few kilobytes.
const TEXT_LIMIT: usize = 4 * 1024 * 1024;

/// What is known of a partial file: the next request asks for the rest of exactly this version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resume {
    /// A strong `ETag`, else `Last-Modified`.
    validator: Option<String>,
    total: Option<u64>,
}

/// Whether a finished download was put together from several responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    One,
    Several,
}

/// Why an attempt did not finish.
enum Trouble {
    /// Another attempt may help, not before this long.
    Passing(anyhow::Error, Option<Duration>),
    /// There was no connection: another attempt may help, but not often.
    Unreached(anyhow::Error),
    Lasting(anyhow::Error),
}

/// How long a download goes on trying.
struct Patience<'a> {
    limits: &'a Limits,
    /// Whether any attempt got a connection.
    reached: bool,
    since: Instant,
    pause: Duration,
}

impl<'a> Patience<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, reached: false, since: Instant::now(), pause: limits.pause }
    }

    /// There is something new: as patient as at the start.
    fn renew(&mut self) {
        (self.since, self.pause) = (Instant::now(), self.limits.pause);
    }

    /// What went wrong and how long to wait before the next attempt; the error alone when there is to be none.
    fn after(&mut self, trouble: Trouble) -> Result<(anyhow::Error, Duration), anyhow::Error> {
        let (error, wish) = match trouble {
            Trouble::Lasting(error) => return Err(error),
            Trouble::Passing(error, wish) => {
                self.reached = true;
                (error, wish)
            }
            Trouble::Unreached(error) => (error, None),
        };
        let Limits { stall, unreached, pause, .. } = *self.limits;
        let wait = wish.unwrap_or(self.pause);
        if self.since.elapsed() + wait > if self.reached { stall } else { unreached.min(stall) } {
            return Err(error);
        }
        self.pause = (self.pause * 2).min(pause * 16);
        Ok((error, wait))
    }
}

/// A client with the system's CA certificates (or `SSL_CERT_FILE`) and the environment's proxies.
pub(super) fn client(limits: &Limits) -> anyhow::Result<Client> {
    Client::builder()
        .user_agent(concat!("ovenbird/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.silence)
        .read_timeout(limits.silence)
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
        .referer(false)
        .build()
        .context("failed to set up the HTTP client")
}

/// A URL as people may see it: credentials and query, which may hold a token, are left out.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// A download in progress.
pub(super) struct Download<'a> {
    pub ctx: &'a JobCtx,
    pub client: &'a Client,
    pub url: &'a Url,
    pub limits: &'a Limits,
    /// The partial file; what is there already is gone on with.
    pub part: &'a Utf8Path,
    /// What is known of the partial file.
    pub notes: Utf8PathBuf,
}

impl Download<'_> {
    /// Downloads, however many attempts it takes.
    pub(super) async fn run(&self) -> anyhow::Result<Pieces> {
        let mut resumed = length(self.part) > 0;
        let mut patience = Patience::new(self.limits);
        loop {
            let before = length(self.part);
            let attempt = tokio::select! {
                attempt = self.attempt() => attempt,
                () = self.ctx.cancel.cancelled() => bail!(Cancelled),
            };
            let Err(trouble) = attempt else { return Ok(if resumed { Pieces::Several } else { Pieces::One }) };
            let after = length(self.part);
            resumed = after > 0;
            if after > before {
                patience.renew();
            }
            let (error, wait) = patience.after(trouble).map_err(|error| self.explain(error))?;
            self.ctx.events.note(format!("{error:#}; trying again in {:.1} s", wait.as_secs_f64())).await;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.ctx.cancel.cancelled() => bail!(Cancelled),
            }
        }
    }

    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!("failed to download `{}`", shown(self.url)))
    }

    /// One request and its body.
    async fn attempt(&self) -> Result<(), Trouble> {
        let notes = self.read_notes();
        let have = length(self.part);
        // Without a validator the rest could be of another version.
        let offset = if notes.validator.is_some() { have } else { 0 };
        let mut request = self.client.get(self.url.clone()).header(header::ACCEPT_ENCODING, "identity");
        if let (Some(validator), 1..) = (&notes.validator, offset) {
            request = request.header(header::RANGE, format!("bytes={offset}-")).header(header::IF_RANGE, validator);
        }
        let response = request.send().await.map_err(|error| connection(&error))?;
        match response.status() {
            StatusCode::OK => self.body(response, 0).await,
            StatusCode::PARTIAL_CONTENT if continues(response.headers(), offset, notes.total) => {
                self.body(response, offset).await
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.forget().map_err(Trouble::Lasting)?;
                Err(Trouble::Passing(anyhow!("the server can't go on where the download stopped"), None))
            }
            status => Err(refusal(status, response.headers())),
        }
    }

    /// Writes a response's body behind the first `offset` bytes.
    async fn body(&self, mut response: Response, offset: u64) -> Result<(), Trouble> {
        let announced = response.content_length();
        let total = announced.map(|length| offset + length);
        let folder = self.part.parent().unwrap_or(self.part);
        file::ensure_space(folder, announced.unwrap_or(0)).map_err(Trouble::Lasting)?;
        let lasting = |error| Trouble::Lasting(file::write_error(self.part, error));
        let mut output = tokio::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(self.part)
            .await
            .map_err(lasting)?;
        // The old bytes go before the notes say that there are new ones.
        output.set_len(offset).await.map_err(lasting)?;
        self.write_notes(&Resume { validator: validator(response.headers()), total }).map_err(Trouble::Lasting)?;
        tokio::io::AsyncSeekExt::seek(&mut output, std::io::SeekFrom::Start(offset)).await.map_err(lasting)?;
        let mut meter = Meter::new(self.ctx, format!("download {}", self.name()), offset, total);
        let mut len = offset;
        let ended = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    output.write_all(&chunk).await.map_err(lasting)?;
                    len += chunk.len() as u64;
                    meter.add(chunk.len() as u64);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(connection(&error)),
            }
        };
        // What came before a cut is kept.
        output.flush().await.map_err(lasting)?;
        output.sync_all().await.map_err(lasting)?;
        ended?;
        match total {
            Some(total) if total != len => {
                Err(Trouble::Passing(anyhow!("the connection was cut after {len} of {total} bytes"), None))
            }
            _ => {
                meter.finish();
                Ok(())
            }
        }
    }

    fn name(&self) -> &str {
        self.url.path_segments().and_then(Iterator::last).filter(|name| !name.is_empty()).unwrap_or("file")
    }

    /// Starts over at the next attempt.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        for path in [self.part, &self.notes] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("failed to remove `{path}`"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_notes(&self) -> Resume {
        let text = std::fs::read(&self.notes).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn write_notes(&self, resume: &Resume) -> anyhow::Result<()> {
        let text = serde_json::to_vec(resume)?;
        std::fs::write(&self.notes, text).map_err(|error| file::write_error(&self.notes, error))
    }
}

/// Downloads a short text.
pub(super) async fn text(ctx: &JobCtx, client: &Client, url: &Url, limits: &Limits) -> anyhow::Result<String> {
    let mut patience = Patience::new(limits);
    loop {
        let attempt = tokio::select! {
            attempt = text_attempt(client, url) => attempt,
            () = ctx.cancel.cancelled() => bail!(Cancelled),
        };
        let explain = |error: anyhow::Error| error.context(format!("failed to download `{}`", shown(url)));
        let trouble = match attempt {
            Ok(bytes) => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(trouble) => trouble,
        };
        let (_, wait) = patience.after(trouble).map_err(explain)?;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = ctx.cancel.cancelled() => bail!(Cancelled),
        }
    }
}

async fn text_attempt(client: &Client, url: &Url) -> Result<Vec<u8>, Trouble> {
    let mut response = client.get(url.clone()).send().await.map_err(|error| connection(&error))?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response.status(), response.headers()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| connection(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TEXT_LIMIT {
            return Err(Trouble::Lasting(anyhow!(
                "a checksum file of more than {} is none",
                file::size(TEXT_LIMIT as u64)
            )));
        }
    }
    Ok(bytes)
}

fn length(path: &Utf8Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Whether a partial response begins where we asked, and is of a file as long as before.
fn continues(headers: &HeaderMap, offset: u64, total: Option<u64>) -> bool {
    let Some((range, whole)) = headers
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("bytes "))
        .and_then(|value| value.split_once('/'))
    else {
        return false;
    };
    let start = range.split_once('-').and_then(|(start, _)| start.parse::<u64>().ok());
    let same = whole.parse().map_or(whole == "*", |whole: u64| total.is_none_or(|total| total == whole));
    offset > 0 && start == Some(offset) && same
}

/// What names exactly this version of the file: `If-Range` takes no weak validator.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok()).map(str::to_owned);
    text(header::ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(header::LAST_MODIFIED))
}

/// A response that brings no file.
fn refusal(status: StatusCode, headers: &HeaderMap) -> Trouble {
    let error = anyhow!("the server answered {status}");
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Trouble::Passing(error, retry_after(headers))
        }
        status if status.is_server_error() => Trouble::Passing(error, retry_after(headers)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Trouble::Lasting(explained(&error, "the URL needs access rights"))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Trouble::Lasting(explained(&error, "check the URL: projects remove old images"))
        }
        _ => Trouble::Lasting(error),
    }
}

fn explained(error: &anyhow::Error, hint: &str) -> anyhow::Error {
    Explained(Failure { hint: Some(hint.to_owned()), ..Failure::new(error.to_string()) }).into()
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default())
}

/// A request that got no answer, or an answer that broke off.
fn connection(error: &reqwest::Error) -> Trouble {
    // Its own text repeats the URL, with credentials; the causes say what happened.
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.dedup();
    let text = causes.join(": ");
    if error.is_redirect() {
        return Trouble::Lasting(anyhow!("the server redirects more than {REDIRECTS} times"));
    }
    if text.contains("certificate") {
        let hint = "when a proxy of your network signs connections, name its CA certificate in `SSL_CERT_FILE`";
        return Trouble::Lasting(explained(&anyhow!("the server's certificate is not trusted: {text}"), hint));
    }
    if error.is_builder() {
        return Trouble::Lasting(anyhow!("the request can't be made: {text}"));
    }
    let what = if error.is_timeout() { "the server does not answer" } else { "the connection failed" };
    let told = if text.is_empty() { anyhow!(what) } else { anyhow!("{what}: {text}") };
    if error.is_connect() { Trouble::Unreached(told) } else { Trouble::Passing(told, None) }
}
