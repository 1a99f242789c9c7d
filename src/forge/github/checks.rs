//! The check runs of a run: who may write when, what is tried again, and when it is enough.
//!
//! ```text
//!            Started                    Ended
//!   (queue) ────────▶ create, in progress ────▶ conclude, with 50 annotations ─▶ 50 more ─▶ … ─▶ carried
//!                        │ 5xx, limit, network       │
//!                        ▼                           ▼
//!                     look it up by its external id, or by how many annotations it has; then once more
//! ```
//!
//! Until the first write succeeds only one is under way, so that a token that can't write is refused once, and nothing is
//! tried after that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::check::{BATCH, Ended, Settled, Update};
use super::client::{Client, Request, Verdict};
use super::permission::{self, Feature};
use super::target::{self, Target};
use crate::event::JobId;

/// Requests at a time, once a write has succeeded; far below the hundred that GitHub allows.
const AT_A_TIME: usize = 8;

/// How often a request is sent before it is given up.
const ATTEMPTS: u32 = 4;

/// The first wait between two attempts when GitHub names none; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// Longer than this no limit is waited for: GitHub's hourly one may take an hour.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What the end of a run may wait for.
const CLOSING: Duration = Duration::from_secs(30);

/// The same when the run is cancelled: the runner kills us soon.
const CLOSING_IN_A_HURRY: Duration = Duration::from_secs(2);

/// The way to the check runs of a run.
pub struct Checks {
    messages: mpsc::Sender<Message>,
    settled: std::sync::mpsc::Receiver<Settled>,
}

enum Message {
    Update(Update),
    Close { hurry: bool },
}

impl Checks {
    /// Begins to take updates of `jobs` jobs of the image `image`, for the run that the environment tells of. Never fails:
    /// what is missing there is said by [`Checks::settle`]. Must be called inside of a Tokio runtime of several threads.
    #[must_use]
    pub fn start(environment: &BTreeMap<String, String>, image: &str, jobs: usize) -> Self {
        // A job has two updates, and the run an end: the queue is never full.
        let (messages, received) = mpsc::channel(2 * jobs + 1);
        let (sender, settled) = std::sync::mpsc::channel();
        let desk = Desk::new(environment, image);
        tokio::spawn(async move {
            let settled = match desk {
                Ok(desk) => drive(Arc::new(desk), received).await,
                Err(notice) => Settled { notice: Some(notice), ..Settled::default() },
            };
            // Whoever no longer waits for it needs it no more.
            let _ = sender.send(settled);
        });
        Self { messages, settled }
    }

    /// Takes an update, and returns at once.
    pub fn tell(&self, update: Update) {
        // Refused when nothing is written any more: `settle` says why.
        let _ = self.messages.try_send(Message::Update(update));
    }

    /// Waits until all is written, or it takes too long: 30 s, or 2 s in a hurry, and after a signal too. Blocks, so it may
    /// not be called in a task.
    #[must_use]
    pub fn settle(self, hurry: bool) -> Settled {
        let _ = self.messages.try_send(Message::Close { hurry });
        // The other side keeps the time; this is for the case that it does not.
        let patience = CLOSING + CLOSING_IN_A_HURRY;
        self.settled.recv_timeout(patience).unwrap_or_default()
    }
}

/// Owns all jobs' tasks.
async fn drive(desk: Arc<Desk>, mut messages: mpsc::Receiver<Message>) -> Settled {
    let mut ends: BTreeMap<JobId, oneshot::Sender<Ended>> = BTreeMap::new();
    let mut lives = JoinSet::new();
    let mut begin = |job: &JobId| {
        let (end, ended) = oneshot::channel();
        lives.spawn(life(Arc::clone(&desk), job.clone(), ended));
        end
    };
    let hurry = loop {
        match messages.recv().await {
            Some(Message::Update(Update::Started(job))) => {
                let end = begin(&job);
                ends.insert(job, end);
            }
            Some(Message::Update(Update::Ended(job, ended))) => {
                // A job that was never started, because others failed, has a check run too.
                let end = ends.remove(&job).unwrap_or_else(|| begin(&job));
                // Its task has given up then.
                let _ = end.send(*ended);
            }
            Some(Message::Close { hurry }) => break hurry,
            None => break true,
        }
    };
    drop(ends);
    let carried = close(lives, hurry).await;
    let notice = desk.notice();
    Settled { carried, notice }
}

/// Waits for the jobs' tasks until the time is over, and ends those that are left.
async fn close(mut lives: JoinSet<Option<JobId>>, hurry: bool) -> BTreeSet<JobId> {
    let mut carried = BTreeSet::new();
    let time = tokio::time::sleep(if hurry { CLOSING_IN_A_HURRY } else { CLOSING });
    let signalled = async {
        signalled().await;
        tokio::time::sleep(CLOSING_IN_A_HURRY).await;
    };
    tokio::pin!(time, signalled);
    loop {
        tokio::select! {
            life = lives.join_next() => match life {
                Some(life) => carried.extend(life.ok().flatten()),
                None => return carried,
            },
            () = &mut time => return carried,
            () = &mut signalled => return carried,
        }
    }
}

/// Ends when we are told to stop.
async fn signalled() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The check run of one job, from its creation to its conclusion. The job, when GitHub has all of it.
async fn life(desk: Arc<Desk>, job: JobId, ended: oneshot::Receiver<Ended>) -> Option<JobId> {
    let created = desk.create(&job).await;
    let ended = ended.await.ok()?;
    let id = match created {
        Some(id) => id,
        // What was down may be up again.
        None => desk.create(&job).await?,
    };
    desk.conclude(&job, id, &ended).await.then_some(job)
}

/// Where all tasks write: what they share.
struct Desk {
    client: Client,
    target: Target,
    image: String,
    /// One permit until a write has succeeded.
    gate: Semaphore,
    is_open: AtomicBool,
    /// The status with which GitHub refused; from then on nothing is sent.
    refused: OnceLock<u16>,
    /// The first of other troubles.
    trouble: Mutex<Option<String>>,
}

impl Desk {
    fn new(environment: &BTreeMap<String, String>, image: &str) -> Result<Self, String> {
        let (target, token) = target::of(environment)?;
        let client = Client::new(&target.api, token);
        let client = client.map_err(|error| {
            format!("no check runs are written to `{}`: {:#}", target.api, anyhow::Error::from(error))
        })?;
        let (gate, is_open) = (Semaphore::new(1), AtomicBool::new(false));
        let (refused, trouble) = (OnceLock::new(), Mutex::new(None));
        Ok(Self { client, target, image: image.to_owned(), gate, is_open, refused, trouble })
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.target.repository)
    }

    fn name(&self, job: &JobId) -> String {
        format!("{} / {job}", self.image)
    }

    /// By which a check run is known again.
    fn external_id(&self, job: &JobId) -> String {
        format!("{}/{job}", self.target.run)
    }

    /// Creates the job's check run; its id.
    async fn create(&self, job: &JobId) -> Option<u64> {
        let mut body = json!({
            "name": self.name(job),
            "head_sha": self.target.sha,
            "status": "in_progress",
            "external_id": self.external_id(job),
        });
        if let Some(url) = &self.target.url {
            body["details_url"] = json!(url);
        }
        let request = Request::Post(self.path("check-runs"), body);
        let mut attempts = 0;
        loop {
            match self.send(&request).await {
                Verdict::Done(answer) => return answer["id"].as_u64(),
                verdict => self.wait(verdict, &mut attempts).await?,
            }
            // It may have been written before the answer was lost.
            if let Some(id) = self.find(job).await? {
                return Some(id);
            }
        }
    }

    /// The id of the job's check run, if there is one already.
    async fn find(&self, job: &JobId) -> Option<Option<u64>> {
        let query = format!("check_name={}&filter=all&per_page=100", encoded(&self.name(job)));
        let path = self.path(&format!("commits/{}/check-runs?{query}", self.target.sha));
        let answer = self.read(path).await?;
        let ours = json!(self.external_id(job));
        let mut runs = answer["check_runs"].as_array().into_iter().flatten();
        Some(runs.find(|run| run["external_id"] == ours).and_then(|run| run["id"].as_u64()))
    }

    /// Concludes a check run with all annotations. Whether GitHub has all of it.
    async fn conclude(&self, job: &JobId, id: u64, ended: &Ended) -> bool {
        let mut batches = ended.annotations.chunks(BATCH);
        let first = batches.next().unwrap_or_default();
        let output =
            |annotations: &[_]| json!({ "title": ended.title, "summary": ended.summary, "annotations": annotations });
        let conclusion = json!({
            "name": self.name(job),
            "status": "completed",
            "conclusion": ended.conclusion,
            "output": output(first),
        });
        let mut written = first.len();
        if self.update(id, conclusion, written).await.is_none() {
            return false;
        }
        for batch in batches {
            written += batch.len();
            if self.update(id, json!({ "output": output(batch) }), written).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Changes a check run, which then has so many annotations.
    async fn update(&self, id: u64, body: Value, annotations: usize) -> Option<()> {
        let path = self.path(&format!("check-runs/{id}"));
        let request = Request::Patch(path.clone(), body);
        let mut attempts = 0;
        loop {
            match self.send(&request).await {
                Verdict::Done(_) => return Some(()),
                verdict => self.wait(verdict, &mut attempts).await?,
            }
            // Sent twice, annotations would be there twice.
            let run = self.read(path.clone()).await?;
            let count = run["output"]["annotations_count"].as_u64().unwrap_or_default();
            if run["status"] == "completed" && count >= annotations as u64 {
                return Some(());
            }
        }
    }

    async fn read(&self, path: String) -> Option<Value> {
        let request = Request::Get(path);
        let mut attempts = 0;
        loop {
            match self.send(&request).await {
                Verdict::Done(answer) => return Some(answer),
                verdict => self.wait(verdict, &mut attempts).await?,
            }
        }
    }

    /// Sends a request when it is its turn, unless the token is known not to be allowed to.
    async fn send(&self, request: &Request) -> Verdict {
        let Ok(_permit) = self.gate.acquire().await else { return Verdict::Wrong("the gate is closed".to_owned()) };
        if let Some(status) = self.refused.get() {
            return Verdict::Refused(*status);
        }
        let verdict = self.client.send(request).await;
        match &verdict {
            Verdict::Refused(status) => {
                // Others may be under way; the first counts.
                let _ = self.refused.set(*status);
            }
            Verdict::Done(_) if !matches!(request, Request::Get(_)) && !self.is_open.swap(true, Ordering::Relaxed) => {
                self.gate.add_permits(AT_A_TIME - 1);
            }
            _ => {}
        }
        verdict
    }

    /// Waits before the next attempt; none when there shall be no other.
    async fn wait(&self, verdict: Verdict, attempts: &mut u32) -> Option<()> {
        *attempts += 1;
        let (wait, why) = match verdict {
            Verdict::Done(_) | Verdict::Refused(_) => return None,
            Verdict::Wrong(why) => (None, why),
            Verdict::Again { wait, why } => (Some(wait.unwrap_or(PAUSE * 2_u32.pow(*attempts - 1))), why),
        };
        match wait.filter(|wait| *wait <= LONGEST_WAIT && *attempts < ATTEMPTS) {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Some(())
            }
            None => {
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                None
            }
        }
    }

    fn notice(&self) -> Option<String> {
        if let Some(status) = self.refused.get() {
            return Some(permission::refused(Feature::CheckRuns, *status, self.target.is_fork));
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(format!("not all check runs could be written: {trouble}; what they would say is in annotations instead"))
    }
}

/// The text as a value in a URL's query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_stands_in_a_query() {
        assert_eq!(encoded("web / a&b=ü"), "web%20%2F%20a%26b%3D%C3%BC");
    }
}
