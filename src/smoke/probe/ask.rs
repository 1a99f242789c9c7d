//! Asks a machine: requests go in as lines, answers come back as frames, all in one round trip.
//!
//! A request that hangs (a dead network mount, a service script that waits) is given up after a time; the script is
//! ended and started again behind it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::frames::{Frame, Frames};
use crate::event::Stream;
use crate::guest::{Chunk, Command, Exit, Guest, GuestError};

const SCRIPT: &str = include_str!("probe.sh");

/// Of a file, goss's readers and our memory.
pub(super) const LONGEST_FILE: usize = 10 * 1024 * 1024;
/// How long one request may take: an emulated machine under load needs seconds for a `systemctl`.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the script is started again behind a request that hangs.
const RESTARTS: usize = 8;
/// Of all output of one run.
const LONGEST_OUTPUT: usize = 256 * 1024 * 1024;

/// A line for the script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Request {
    pub(super) kind: &'static str,
    /// Letters whose meaning is the kind's.
    pub(super) flags: String,
    pub(super) argument: String,
}

impl Request {
    pub(super) fn new(kind: &'static str, argument: impl Into<String>) -> Self {
        Self { kind, flags: String::new(), argument: argument.into() }
    }

    fn line(&self, number: usize) -> String {
        let flags = if self.flags.is_empty() { "-" } else { &self.flags };
        format!("{number} {} {} {flags} {}\n", LONGEST_FILE + 1, self.kind, escaped(&self.argument))
    }
}

/// A text without spaces and line breaks, of which `printf %b` makes the text again.
pub(super) fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\0{byte:03o}");
        }
    }
    escaped
}

/// What came back for one request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    frames: BTreeMap<String, Vec<u8>>,
    /// Why there is no answer, or only a part.
    pub(super) failure: Option<String>,
    pub(super) started: DateTime<Utc>,
    pub(super) took: Duration,
}

impl Answer {
    fn none(failure: Option<String>) -> Self {
        Self { frames: BTreeMap::new(), failure, started: Utc::now(), took: Duration::ZERO }
    }

    /// A frame's body; none when the script sent no such frame.
    pub(super) fn body(&self, name: &str) -> Option<&[u8]> {
        self.frames.get(name).map(Vec::as_slice)
    }

    /// A frame's body as text; what is no UTF-8 is replaced.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.body(name).map(|body| String::from_utf8_lossy(body).into_owned())
    }
}

/// Answers to `requests`, in their order.
///
/// # Errors
/// The connection failed, or `cancel` fired.
pub(super) async fn ask(
    guest: &dyn Guest,
    requests: &[Request],
    cancel: &CancellationToken,
) -> Result<Vec<Answer>, GuestError> {
    ask_patiently(guest, requests, PATIENCE, cancel).await
}

async fn ask_patiently(
    guest: &dyn Guest,
    requests: &[Request],
    patience: Duration,
    cancel: &CancellationToken,
) -> Result<Vec<Answer>, GuestError> {
    let mut answers: Vec<Answer> = Vec::new();
    for _ in 0..=RESTARTS {
        if answers.len() >= requests.len() {
            break;
        }
        run(guest, requests, &mut answers, patience, cancel).await?;
    }
    let rest = requests.len().saturating_sub(answers.len());
    let failure = "not looked at: too many others before it gave no answer".to_owned();
    answers.extend(std::iter::repeat_with(|| Answer::none(Some(failure.clone()))).take(rest));
    Ok(answers)
}

/// One run of the script, from the first request without an answer. At least one answer is added.
async fn run(
    guest: &dyn Guest,
    requests: &[Request],
    answers: &mut Vec<Answer>,
    patience: Duration,
    cancel: &CancellationToken,
) -> Result<(), GuestError> {
    let boundary = boundary()?;
    let lines = requests.iter().enumerate().skip(answers.len()).map(|(number, request)| request.line(number));
    let input: String = std::iter::once(format!("{boundary}\n")).chain(lines).collect();
    let command = Command::new(SCRIPT).stdin(input);
    let child = cancel.child_token();
    let (sender, receiver) = mpsc::channel(64);
    let (ended, stopped) = tokio::join!(
        guest.exec(&command, sender, &child),
        listen(receiver, &boundary, requests.len(), answers, patience, &child),
    );
    let why = match (ended, stopped) {
        (Err(GuestError::Cancelled), Some(why)) if !cancel.is_cancelled() => why,
        (Err(error), _) => return Err(error),
        (Ok(_), Some(why)) => why,
        (Ok(exit), None) => unfinished(&exit),
    };
    if answers.len() < requests.len() {
        answers.push(Answer::none(Some(why)));
    }
    Ok(())
}

fn unfinished(exit: &Exit) -> String {
    format!("the machine's shell ended before it answered ({exit})")
}

/// Takes answers as they come; says why it gave the script up.
async fn listen(
    mut receiver: mpsc::Receiver<Chunk>,
    boundary: &str,
    count: usize,
    answers: &mut Vec<Answer>,
    patience: Duration,
    child: &CancellationToken,
) -> Option<String> {
    let mut frames = Frames::new(boundary);
    let mut open = BTreeMap::new();
    let (mut since, mut started, mut total) = (Instant::now(), Utc::now(), 0);
    let mut stopped = None;
    loop {
        let chunk = tokio::select! {
            chunk = receiver.recv() => chunk,
            () = tokio::time::sleep_until(since + patience), if stopped.is_none() => {
                stopped = Some(format!("no answer within {} s", patience.as_secs_f32()));
                child.cancel();
                continue;
            }
        };
        let Some(Chunk { stream, bytes }) = chunk else { return stopped };
        total += bytes.len();
        if stopped.is_none() && total > LONGEST_OUTPUT {
            stopped = Some(format!("the machine sent more than {} MiB", LONGEST_OUTPUT / 1024 / 1024));
            child.cancel();
        }
        if stopped.is_some() || stream == Stream::Stderr {
            continue;
        }
        for Frame { request, name, body, cut } in frames.push(&bytes) {
            // Answers come in order; a frame for another request than the next is a lie.
            if request != answers.len() || request >= count {
                continue;
            }
            if name == "end" {
                let took = since.elapsed();
                answers.push(Answer { frames: std::mem::take(&mut open), failure: None, started, took });
                (since, started) = (Instant::now(), Utc::now());
            } else if open.len() < 16 && !cut {
                open.entry(name).or_insert(body);
            }
        }
    }
}

/// 128 random bits.
pub(in crate::smoke) fn boundary() -> Result<String, GuestError> {
    use std::io::Read;
    let path = camino::Utf8Path::new("/dev/urandom");
    let mut bytes = [0u8; 16];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(GuestError::local("read", path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use camino::Utf8Path;
    use tokio_util::sync::CancellationToken;

    use super::{Request, ask_patiently};
    use crate::context::{Events, JobCtx};
    use crate::event::JobId;
    use crate::guest::local::Local;
    use crate::journal::Journal;

    #[test]
    fn an_argument_is_data() {
        let request = Request::new("file", "/a b\n\"$(id)\"\u{e9}");
        assert_eq!(request.line(3), "3 10485761 file - /a\\0040b\\0012\\0042\\0044\\0050id\\0051\\0042\\0303\\0251\n");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_hangs_costs_only_its_own_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let getent = path.join("getent");
        std::fs::write(&getent, "#!/bin/sh\n[ \"$2\" = slow ] && sleep 60\necho \"$2:x:7:7\"\n").unwrap();
        std::fs::set_permissions(&getent, PermissionsExt::from_mode(0o755)).unwrap();
        let ctx = JobCtx {
            id: JobId("probe".to_owned()),
            out: path.to_owned(),
            work: path.to_owned(),
            cache: path.to_owned(),
            events: Events::channel().0,
            journal: Journal::create(&path.join("journal.jsonl"), "run").unwrap(),
            cancel: CancellationToken::new(),
        };
        let guest = Local::new(&ctx, path, vec![("PATH".to_owned(), format!("{path}:/usr/bin:/bin"))]);
        let requests = ["fast", "slow", "last"].map(|name| Request::new("user", name));
        let patience = Duration::from_secs(2);
        let answers = ask_patiently(&guest, &requests, patience, &CancellationToken::new()).await.unwrap();
        assert_eq!(answers[0].text("entry").as_deref(), Some("fast:x:7:7\n"));
        assert_eq!(answers[1].failure.as_deref(), Some("no answer within 2 s"));
        assert_eq!(answers[2].text("entry").as_deref(), Some("last:x:7:7\n"));
    }
}
