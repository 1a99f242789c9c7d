//! Base images from a server that does what servers do on bad days.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ovenbird::context::{failure_of, is_cancelled};
use ovenbird::event::Body;
use ovenbird::image::Fetched;
use ovenbird::image::fetch::{Limits, fetch_with};
use ovenbird::plan::job::{Checksum, Image};
use sha2::{Digest, Sha256, Sha512};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[path = "image_support/mod.rs"]
mod support;
use support::{Job, run};

/// One request as the server saw it.
#[derive(Clone, Debug, Default)]
struct Request {
    path: String,
    headers: HashMap<String, String>,
}

impl Request {
    /// The first byte that `Range` asks for.
    fn offset(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server sends: bytes, a pause before them, and whether it then holds the connection open.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    hang: bool,
}

fn answer(head: &str, body: &[u8]) -> Answer {
    let mut bytes = head.replace('\n', "\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend_from_slice(body);
    Answer { bytes, hang: false }
}

fn ok(body: &[u8], extra: &str) -> Answer {
    answer(&format!("HTTP/1.1 200 OK\nContent-Length: {}{extra}", body.len()), body)
}

/// A server on the loopback whose `script` answers each request, counted from 0; one request a connection.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    async fn start(script: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, requests) = (Arc::new(script), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&requests)));
            }
        });
        Self { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<impl Fn(usize, &Request) -> Answer>, seen: Arc<Mutex<Vec<Request>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let request = Request { path, headers };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let Answer { bytes, hang } = script(number, &request);
    let _ = stream.write_all(&bytes).await;
    if hang {
        // Until the client gives up.
        let _ = stream.read_u8().await;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A small raw disk that compresses neither to nothing nor badly.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; 3 * 1024 * 1024];
    for (index, byte) in disk.iter_mut().take(200_000).enumerate() {
        *byte = u8::try_from(index * index % 251).unwrap();
    }
    disk
}

fn image(place: String, content: &[u8]) -> Image {
    Image { image: place, checksum: Some(Checksum::Sha256(sha256(content))) }
}

/// Impatient enough for a test.
fn limits() -> Limits {
    Limits {
        stall: Duration::from_secs(2),
        pause: Duration::from_millis(10),
        silence: Duration::from_millis(500),
        ..Limits::default()
    }
}

async fn get(job: &Job, image: &Image) -> anyhow::Result<Fetched> {
    fetch_with(&job.ctx, image, &limits()).await
}

async fn message(job: &Job, image: &Image) -> String {
    failure_of(&get(job, image).await.unwrap_err()).message
}

#[track_caller]
fn assert_is(fetched: &Fetched, content: &[u8]) {
    assert!(std::fs::read(&fetched.path).unwrap() == content);
    assert_eq!((fetched.format.as_str(), fetched.virtual_size), ("raw", content.len() as u64));
}

/// Files of the cache, locks and records left out.
fn cached(job: &Job) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![job.ctx.cache.clone()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path().to_owned());
            } else if entry.path().extension() != Some("lock") && entry.file_name() != "record.json" {
                names.push(entry.file_name().to_owned());
            }
        }
    }
    names.sort();
    names
}

#[tokio::test]
async fn a_download_is_verified_and_not_repeated() {
    let server = Server::start(|_, _| ok(&disk(), "")).await;
    let mut job = Job::new();
    let image = image(server.url("/disk.img"), &disk());
    let fetched = get(&job, &image).await.unwrap();
    let total = disk().len() as u64;
    let complete = Body::Progress {
        what: "download disk.img".to_owned(),
        done: total,
        total: Some(total),
        unit: ovenbird::event::Unit::Bytes,
    };
    assert!(std::iter::from_fn(|| job.events.try_recv().ok()).any(|event| event == complete));
    assert_is(&fetched, &disk());
    assert_eq!(fetched.digest, format!("sha256:{}", sha256(&disk())));
    assert_eq!(get(&job, &image).await.unwrap(), fetched);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(cached(&job), ["image"]);
}

#[tokio::test]
async fn a_cached_file_that_was_touched_is_fetched_again() {
    let server = Server::start(|_, _| ok(&disk(), "")).await;
    let job = Job::new();
    let image = image(server.url("/disk.img"), &disk());
    let fetched = get(&job, &image).await.unwrap();
    std::fs::write(&fetched.path, "tampered").unwrap();
    assert_is(&get(&job, &image).await.unwrap(), &disk());
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_broke() {
    let server = Server::start(|_, request| {
        let disk = disk();
        match request.offset() {
            None => {
                let mut whole = ok(&disk, "\nETag: \"v1\"");
                whole.bytes.truncate(1_000_000);
                whole
            }
            Some(offset) => {
                assert_eq!(request.headers["if-range"], "\"v1\"");
                let (rest, end, len) = (&disk[offset..], disk.len() - 1, disk.len());
                let head = "HTTP/1.1 206 Partial Content\nETag: \"v1\"";
                let range =
                    format!("{head}\nContent-Length: {}\nContent-Range: bytes {offset}-{end}/{len}", rest.len());
                let mut part = answer(&range, rest);
                // Once more, to see that the second resumption starts further on.
                if offset < 1_500_000 {
                    part.bytes.truncate(1_000_000);
                }
                part
            }
        }
    })
    .await;
    let job = Job::new();
    assert_is(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap(), &disk());
    let offsets: Vec<_> = server.seen().iter().map(Request::offset).collect();
    assert_eq!(offsets.len(), 3, "{offsets:?}");
    assert!(offsets[1] > Some(900_000) && offsets[2] > Some(1_500_000), "{offsets:?}");
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let server = Server::start(|number, _| {
        let mut whole = ok(&disk(), "\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT");
        if number == 0 {
            whole.bytes.truncate(700_000);
        }
        whole
    })
    .await;
    let job = Job::new();
    assert_is(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap(), &disk());
    assert!(server.seen()[1].offset().is_some());
}

#[tokio::test]
async fn without_a_validator_nothing_is_resumed() {
    let server = Server::start(|number, _| {
        // A weak tag does not name bytes.
        let mut whole = ok(&disk(), "\nETag: W/\"v1\"");
        if number == 0 {
            whole.bytes.truncate(700_000);
        }
        whole
    })
    .await;
    let job = Job::new();
    assert_is(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap(), &disk());
    assert_eq!(server.seen()[1].offset(), None);
}

#[tokio::test]
async fn other_bytes_after_a_resumption_are_noticed_and_the_download_starts_over() {
    let server = Server::start(|number, request| match (number, request.offset()) {
        (0, _) => {
            let mut whole = ok(&disk(), "\nETag: \"v1\"");
            whole.bytes.truncate(500_000);
            whole
        }
        (1, Some(offset)) => {
            let (len, total) = (disk().len() - offset, disk().len());
            let head = format!(
                "HTTP/1.1 206 Partial Content\nContent-Length: {len}\nContent-Range: bytes {offset}-{}/{total}",
                total - 1
            );
            answer(&head, &vec![7; len])
        }
        _ => ok(&disk(), ""),
    })
    .await;
    let job = Job::new();
    assert_is(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap(), &disk());
    let offsets: Vec<_> = server.seen().iter().map(|request| request.offset().is_some()).collect();
    assert_eq!(offsets, [false, true, false]);
}

#[tokio::test]
async fn a_partial_answer_to_another_question_is_not_used() {
    for range in ["bytes 0-3145727/3145728", "bytes 5-9/*", "nonsense"] {
        let server = Server::start(move |number, request| match (number, request.offset()) {
            (0, _) => {
                let mut whole = ok(&disk(), "\nETag: \"v1\"");
                whole.bytes.truncate(500_000);
                whole
            }
            (_, Some(_)) => {
                answer(&format!("HTTP/1.1 206 Partial Content\nContent-Length: 4\nContent-Range: {range}"), b"oops")
            }
            _ => ok(&disk(), ""),
        })
        .await;
        let job = Job::new();
        assert_is(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap(), &disk());
    }
}

#[tokio::test]
async fn a_length_that_is_never_reached_fails_and_is_kept_for_the_next_run() {
    let server = Server::start(|_, _| {
        let mut whole = ok(&disk(), "\nETag: \"v1\"\nAccept-Ranges: none");
        whole.bytes.truncate(600_000);
        whole
    })
    .await;
    let mut job = Job::new();
    let image = image(server.url("/disk.img"), &disk());
    let failure = message(&job, &image).await;
    assert!(failure.starts_with(&format!("failed to download `{}`: the connection", image.image)), "{failure}");
    assert_eq!(cached(&job), ["data", "notes.json"]);
    // The next run of the same job takes up what is there.
    let before = server.seen().len();
    let journal = ovenbird::journal::Journal::create(&job.path("journal/next.jsonl"), "run").unwrap();
    job.ctx.journal = journal;
    let _ = get(&job, &image).await;
    assert!(server.seen()[before].offset().is_some());
    assert_eq!(cached(&job), ["data", "notes.json"], "adopted, not doubled");
}

#[tokio::test]
async fn a_part_is_in_the_journal_while_it_is_downloaded() {
    let job = Job::new();
    let (root, seen) = (job.path(""), Arc::new(Mutex::new(String::new())));
    let at_request = Arc::clone(&seen);
    let server = Server::start(move |_, _| {
        *at_request.lock().unwrap() = std::fs::read_to_string(root.join("journal/job.jsonl")).unwrap();
        ok(&disk(), "")
    })
    .await;
    get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap();
    let during = seen.lock().unwrap().clone();
    assert!(during.contains(".part"), "{during}");
    assert!(!during.contains("\"done\""), "{during}");
    let after = std::fs::read_to_string(job.path("journal/job.jsonl")).unwrap();
    assert_eq!(after.matches("\"done\"").count(), after.matches("\"intent\"").count(), "{after}");
}

#[tokio::test]
async fn busy_servers_are_asked_again_when_they_say() {
    let server = Server::start(|number, _| match number {
        0 => answer("HTTP/1.1 429 Too Many Requests\nContent-Length: 0\nRetry-After: 1", b""),
        1 => answer("HTTP/1.1 503 Service Unavailable\nContent-Length: 0", b""),
        _ => ok(&disk(), ""),
    })
    .await;
    let job = Job::new();
    let begin = Instant::now();
    assert_is(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap(), &disk());
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_server_that_asks_for_more_limits_than_there_is_fails_at_once() {
    let server =
        Server::start(|_, _| answer("HTTP/1.1 503 Service Unavailable\nContent-Length: 0\nRetry-After: 3600", b""))
            .await;
    let job = Job::new();
    let begin = Instant::now();
    let image = image(server.url("/disk.img?token=hunter2"), &disk());
    let shown = server.url("/disk.img");
    assert_eq!(
        message(&job, &image).await,
        format!("failed to download `{shown}`: the server answered 503 Service Unavailable")
    );
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_file_that_does_not_fit_the_disk_says_so_before_it_fills_it() {
    let server = Server::start(|_, _| answer("HTTP/1.1 200 OK\nContent-Length: 1152921504606846976", b"some")).await;
    let job = Job::new();
    let failure = failure_of(&get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap_err());
    assert!(failure.message.contains("1024.0 PiB more are needed"), "{failure:?}");
    assert!(failure.message.contains(" are free") && failure.hint.is_some(), "{failure:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_missing_file_is_not_asked_for_twice() {
    let server = Server::start(|_, _| answer("HTTP/1.1 404 Not Found\nContent-Length: 0", b"")).await;
    let job = Job::new();
    let error = get(&job, &image(server.url("/disk.img"), &disk())).await.unwrap_err();
    let failure = failure_of(&error);
    assert!(failure.message.ends_with("the server answered 404 Not Found"), "{failure:?}");
    assert_eq!(failure.hint.as_deref(), Some("check the URL: projects remove old images"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn redirects_are_followed_and_a_loop_of_them_ends() {
    let server = Server::start(|_, request| match request.path.as_str() {
        "/moved" => answer("HTTP/1.1 302 Found\nLocation: /disk.img\nContent-Length: 0", b""),
        "/loop" => answer("HTTP/1.1 302 Found\nLocation: /loop\nContent-Length: 0", b""),
        _ => ok(&disk(), ""),
    })
    .await;
    let job = Job::new();
    assert_is(&get(&job, &image(server.url("/moved"), &disk())).await.unwrap(), &disk());
    let failure = message(&job, &image(server.url("/loop"), &disk())).await;
    assert!(failure.ends_with("the server redirects more than 10 times"), "{failure}");
}

#[tokio::test]
async fn a_silent_server_and_a_closed_port_fail_within_the_deadline() {
    let server = Server::start(|_, _| Answer { bytes: Vec::new(), hang: true }).await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let job = Job::new();
    for url in [server.url("/disk.img"), format!("http://{closed}/disk.img")] {
        let begin = Instant::now();
        let failure = message(&job, &image(url, &disk())).await;
        assert!(
            failure.contains("the server does not answer") || failure.contains("the connection failed"),
            "{failure}"
        );
        assert!(begin.elapsed() < Duration::from_secs(10), "{failure}");
    }
}

#[tokio::test]
async fn a_host_that_was_never_reached_is_given_up_sooner_than_one_that_was() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let limits = Limits { stall: Duration::from_secs(60), unreached: Duration::from_millis(300), ..limits() };
    let job = Job::new();
    std::fs::write(job.path("disk.img"), disk()).unwrap();
    let sums = Some(Checksum::File(format!("http://{closed}/SHA256SUMS")));
    let listed = Image { image: job.path("disk.img").to_string(), checksum: sums };
    for image in [image(format!("http://{closed}/disk.img"), &disk()), listed] {
        let begin = Instant::now();
        let failure = failure_of(&fetch_with(&job.ctx, &image, &limits).await.unwrap_err()).message;
        assert!(failure.contains("the connection failed"), "{failure}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{failure}");
    }
    // The first answer is an error: the server is there, so it is waited for beyond the shorter limit.
    let server = Server::start(|number, _| match number {
        0..=7 => answer("HTTP/1.1 503 Later\nContent-Length: 0", b""),
        _ => ok(&disk(), ""),
    })
    .await;
    let image = image(server.url("/disk.img"), &disk());
    assert_is(&fetch_with(&job.ctx, &image, &limits).await.unwrap(), &disk());
}

#[tokio::test]
async fn cancelling_ends_a_download_at_once() {
    let server = Server::start(|_, _| {
        let mut whole = ok(&disk(), "");
        whole.bytes.truncate(100_000);
        Answer { hang: true, ..whole }
    })
    .await;
    let job = Job::new();
    let image = image(server.url("/disk.img"), &disk());
    let patient = Limits::default();
    let cancel = job.ctx.cancel.clone();
    let begin = Instant::now();
    let (result, ()) = tokio::join!(fetch_with(&job.ctx, &image, &patient), async {
        while server.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    });
    assert!(is_cancelled(&result.unwrap_err()));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_wrong_checksum_names_both_and_removes_the_file() {
    let server = Server::start(|_, _| ok(b"something else", "")).await;
    let job = Job::new();
    let image = image(server.url("/disk.img"), &disk());
    assert_eq!(
        message(&job, &image).await,
        format!(
            "the checksum of `{}` is wrong: got sha256:{}, expected sha256:{}",
            image.image,
            sha256(b"something else"),
            sha256(&disk())
        )
    );
    assert_eq!(cached(&job), [""; 0]);
    assert_eq!(server.seen().len(), 1, "a whole file that is wrong is not fetched again");
}

#[tokio::test]
async fn checksum_files_are_read_from_the_web_and_from_here() {
    let sums = format!("{}  other.img\n{} *disk.img\n", "0".repeat(64), sha256(&disk()));
    let text = sums.clone();
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/SHA256SUMS" => ok(text.as_bytes(), ""),
        _ => ok(&disk(), ""),
    })
    .await;
    let job = Job::new();
    let place = server.url("/pool/disk.img?x=1");
    let web = Image { image: place.clone(), checksum: Some(Checksum::File(server.url("/SHA256SUMS"))) };
    assert_is(&get(&job, &web).await.unwrap(), &disk());
    let file = job.path("SHA512SUMS");
    std::fs::write(&file, format!("SHA512 (disk.img) = {}\n", hex(&Sha512::digest(disk())))).unwrap();
    let local = Image { image: place, checksum: Some(Checksum::File(file.to_string())) };
    assert_is(&get(&job, &local).await.unwrap(), &disk());
    let unlisted = Image { image: server.url("/new.img"), ..local };
    assert_eq!(message(&job, &unlisted).await, format!("the checksum file `{file}` does not list `new.img`"));
}

#[tokio::test]
async fn packed_images_are_unpacked_by_their_magic_number_with_all_members() {
    let job = Job::new();
    let raw = job.path("part.raw");
    for (package, program) in [("gzip", "gzip"), ("xz-utils", "xz"), ("zstd", "zstd"), ("bzip2", "bzip2")] {
        // Two members, as parallel compressors write them.
        let mut packed = Vec::new();
        for half in disk().chunks(disk().len() / 2) {
            std::fs::write(&raw, half).unwrap();
            let output = std::process::Command::new(program).arg("-c").arg(&raw).output();
            packed.extend(output.unwrap_or_else(|error| panic!("`{program}` of `{package}`: {error}")).stdout);
        }
        let digest = format!("sha256:{}", sha256(&packed));
        let body = packed.clone();
        let server = Server::start(move |_, _| ok(&body, "")).await;
        // The name says nothing.
        let fetched = get(&job, &image(server.url("/disk.img"), &packed)).await.unwrap();
        assert_is(&fetched, &disk());
        assert_eq!(fetched.digest, digest, "of what was downloaded");
        let blocks = std::fs::metadata(&fetched.path).unwrap().blocks() * 512;
        assert!(blocks < 1024 * 1024, "{program}: {blocks} bytes allocated");
        assert_eq!(get(&job, &image(server.url("/disk.img"), &packed)).await.unwrap(), fetched);
        assert_eq!(server.seen().len(), 1, "{program}");
        // The same from a local file.
        let local = job.path("local.packed");
        std::fs::write(&local, &packed).unwrap();
        assert_is(&get(&job, &image(local.to_string(), &packed)).await.unwrap(), &disk());
    }
}

#[tokio::test]
async fn damaged_packed_data_is_an_error_and_leaves_no_half_file() {
    let job = Job::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&disk()).unwrap();
    let mut packed = encoder.finish().unwrap();
    packed.truncate(packed.len() / 2);
    let body = packed.clone();
    let server = Server::start(move |_, _| ok(&body, "")).await;
    let failure = message(&job, &image(server.url("/disk.img.gz"), &packed)).await;
    assert!(failure.contains("its gzip data is damaged or cut off"), "{failure}");
    assert!(!cached(&job).iter().any(|name| name.contains("unpack")), "{:?}", cached(&job));
}

#[tokio::test]
async fn a_decompression_bomb_hits_the_limit() {
    let job = Job::new();
    let mut bomb = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let zeros = vec![0; 16 * 1024 * 1024];
    for _ in 0..9 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let path = job.path("bomb.zst");
    std::fs::write(&path, &bomb).unwrap();
    let tight = Limits { unpacked: 128 * 1024 * 1024, ..limits() };
    let result = fetch_with(&job.ctx, &image(path.to_string(), &bomb), &tight).await;
    assert_eq!(failure_of(&result.unwrap_err()).message, format!("`{path}` unpacks to more than 128.0 MiB"));
    assert_eq!(cached(&job), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_that_want_the_same_image_download_it_once() {
    let server = Server::start(|_, _| ok(&disk(), "")).await;
    let first = Job::new();
    let mut second = Job::new();
    second.ctx.cache = first.ctx.cache.clone();
    let image = image(server.url("/disk.img"), &disk());
    let (a, b) = tokio::join!(get(&first, &image), get(&second, &image));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_local_image_is_used_in_place_and_verified() {
    let job = Job::new();
    let path = job.path("disk.img");
    std::fs::write(&path, disk()).unwrap();
    let fetched = get(&job, &Image { image: path.to_string(), checksum: None }).await.unwrap();
    assert_eq!(fetched.path, path);
    assert_is(&fetched, &disk());
    let failure = message(&job, &image(path.to_string(), b"other")).await;
    assert!(failure.starts_with(&format!("the checksum of `{path}` is wrong: got sha256:")), "{failure}");
    assert!(path.exists(), "it is not ours to remove");
    let failure = message(&job, &image(job.path("none.img").to_string(), b"")).await;
    assert!(failure.starts_with("failed to open the base image"), "{failure}");
}

#[tokio::test]
async fn images_of_every_format_are_told_with_their_size() {
    let job = Job::new();
    for format in ["qcow2", "vmdk", "vdi", "vpc", "vhdx"] {
        let path = job.path(format);
        let options: &[&str] = if format == "vpc" { &["-o", "force_size=on"] } else { &[] };
        let arguments = [&["create", "-f", format], options, &[path.as_str(), "64M"]].concat();
        run("qemu-utils", "qemu-img", &arguments);
        let fetched = get(&job, &Image { image: path.to_string(), checksum: None }).await.unwrap();
        assert_eq!((fetched.format.as_str(), fetched.virtual_size), (format, 64 * 1024 * 1024));
    }
}

#[tokio::test]
async fn a_file_that_can_not_be_a_disk_is_refused_with_the_formats_that_are_known() {
    let job = Job::new();
    let path = job.path("base.img");
    let local = Image { image: path.to_string(), checksum: None };
    let text = "<html>Sign in to download this image</html>\n";
    let odd = vec![0; 2 * 1024 * 1024 + 100];
    for content in [text.as_bytes(), &vec![0; 64 * 1024], &odd, &vec![b'a'; 2 * 1024 * 1024]] {
        std::fs::write(&path, content).unwrap();
        let failure = failure_of(&get(&job, &local).await.unwrap_err());
        assert_eq!(failure.message, format!("`{path}` is no disk image"));
        assert!(failure.hint.unwrap().contains("qcow2, vmdk, vdi, vhd, vhdx and raw"));
    }
    // An empty disk, and a small one with a boot sector.
    std::fs::File::create(&path).unwrap().set_len(64 * 1024 * 1024).unwrap();
    assert_eq!(get(&job, &local).await.unwrap().format, "raw");
    let mut floppy = vec![0; 64 * 1024];
    floppy[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(&path, &floppy).unwrap();
    assert_eq!(get(&job, &local).await.unwrap().format, "raw");
}

#[tokio::test]
async fn a_hostile_image_can_not_name_other_files() {
    let job = Job::new();
    let secret = job.path("secret");
    std::fs::write(&secret, vec![b's'; 65536]).unwrap();
    let secret = secret.as_str();
    let create = |name: &str, arguments: &[&str]| {
        let path = job.path(name).to_string();
        run("qemu-utils", "qemu-img", &[&["create"], arguments, &[&path, "1M"]].concat());
        path
    };
    let parent = create("parent.vmdk", &["-f", "vmdk"]);
    let cases = [
        (create("backing.qcow2", &["-f", "qcow2", "-b", secret, "-F", "raw"]), "names a backing file"),
        (
            create("data.qcow2", &["-f", "qcow2", "-o", &format!("data_file={secret}.data")]),
            "names an external data file",
        ),
        (create("child.vmdk", &["-f", "vmdk", "-b", &parent, "-F", "vmdk"]), "names a parent image"),
        (
            create("flat.vmdk", &["-f", "vmdk", "-o", "subformat=monolithicFlat"]),
            "is a VMDK whose data is in other files",
        ),
        (create("old.qed", &["-f", "qed"]), "is in the QED format, which is not supported"),
    ];
    for (path, why) in cases {
        let failure = message(&job, &Image { image: path.clone(), checksum: None }).await;
        assert_eq!(failure, format!("the base image `{path}` {why}"));
    }
}
