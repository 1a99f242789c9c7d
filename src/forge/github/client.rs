//! Requests to GitHub's REST API, and what their answers mean.
//!
//! octocrab speaks HTTP and keeps the token to GitHub's own host. Its typed calls are not used: they hide the headers of
//! an error, which say when to come again, and a check run's `external_id`, by which one is found again. Its feature
//! `retry` is off: a request that is repeated without a look would write twice what was written already.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use octocrab::Octocrab;
use secrecy::SecretString;
use serde_json::Value;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// GitHub's advice for a limit without a time ("Best practices for using the REST API").
const LIMITED: Duration = Duration::from_secs(60);

pub(super) struct Client {
    octocrab: Octocrab,
}

pub(super) enum Request {
    Get(String),
    Post(String, Value),
    Patch(String, Value),
}

/// What an answer means.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Done(Value),
    /// Not now, and maybe written all the same. With the time that GitHub asks for.
    Again {
        wait: Option<Duration>,
        why: String,
    },
    /// The token may not: it never will.
    Refused(u16),
    /// GitHub does not take this request.
    Wrong(String),
}

/// An answer's parts that matter.
struct Answer {
    status: u16,
    retry_after: Option<u64>,
    /// When the limit ends, in seconds since 1970; only when nothing is left of it.
    reset: Option<u64>,
    body: Value,
}

impl Client {
    /// For an API such as `https://api.github.com` or `https://github.example/api/v3`.
    ///
    /// # Errors
    /// The address is none, or this machine has no certificates.
    pub(super) fn new(api: &str, token: SecretString) -> octocrab::Result<Self> {
        Ok(Self { octocrab: Octocrab::builder().base_uri(api)?.personal_token(token).build()? })
    }

    /// Sends a request, once.
    pub(super) async fn send(&self, request: &Request) -> Verdict {
        let again = |why: String| Verdict::Again { wait: None, why };
        match tokio::time::timeout(DEADLINE, self.answer(request)).await {
            Ok(Ok(answer)) => answer.verdict(SystemTime::now()),
            // A client's error shows little more than its kind: its causes say what happened.
            Ok(Err(error)) => again(format!("{:#}", anyhow::Error::from(error))),
            Err(_) => again(format!("GitHub did not answer within {} s", DEADLINE.as_secs())),
        }
    }

    async fn answer(&self, request: &Request) -> octocrab::Result<Answer> {
        let response = match request {
            Request::Get(path) => self.octocrab._get(path.as_str()).await?,
            Request::Post(path, body) => self.octocrab._post(path.as_str(), Some(body)).await?,
            Request::Patch(path, body) => self.octocrab._patch(path.as_str(), Some(body)).await?,
        };
        let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
        let reset = number("x-ratelimit-reset").filter(|_| number("x-ratelimit-remaining") == Some(0));
        let (status, retry_after) = (response.status().as_u16(), number("retry-after"));
        let text = self.octocrab.body_to_string(response).await?;
        Ok(Answer { status, retry_after, reset, body: serde_json::from_str(&text).unwrap_or_default() })
    }
}

impl Answer {
    fn verdict(self, now: SystemTime) -> Verdict {
        let message = self.body["message"].as_str().unwrap_or_default().to_owned();
        let told = |status: u16| format!("GitHub answered {status} {message}").trim_end().to_owned();
        match self.status {
            200..=299 => Verdict::Done(self.body),
            403 | 429 if self.is_limit(&message) => {
                Verdict::Again { wait: Some(self.wait(now)), why: told(self.status) }
            }
            401 | 403 | 404 => Verdict::Refused(self.status),
            408 | 500..=599 => {
                Verdict::Again { wait: self.retry_after.map(Duration::from_secs), why: told(self.status) }
            }
            status => Verdict::Wrong(told(status)),
        }
    }

    /// GitHub answers 403 for a limit too.
    fn is_limit(&self, message: &str) -> bool {
        let told = self.retry_after.is_some() || self.reset.is_some();
        self.status == 429 || told || message.to_ascii_lowercase().contains("rate limit")
    }

    fn wait(&self, now: SystemTime) -> Duration {
        let until = |reset: u64| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            // A clock that is ahead, or an answer that took long.
            reset.saturating_sub(now).max(1)
        };
        self.retry_after.or_else(|| self.reset.map(until)).map_or(LIMITED, Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn verdict(status: u16, retry_after: Option<u64>, reset: Option<u64>, message: &str) -> Verdict {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        Answer { status, retry_after, reset, body: json!({ "message": message }) }.verdict(now)
    }

    fn wait(verdict: &Verdict) -> Option<u64> {
        match verdict {
            Verdict::Again { wait, .. } => wait.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_that_may_not_is_told_from_one_that_must_wait() {
        for status in [401, 403, 404] {
            assert_eq!(verdict(status, None, None, "Resource not accessible by integration"), Verdict::Refused(status));
        }
        assert_eq!(wait(&verdict(403, Some(7), None, "")), Some(7));
        assert_eq!(wait(&verdict(403, None, Some(1030), "")), Some(30));
        assert_eq!(wait(&verdict(403, None, None, "You have exceeded a secondary rate limit")), Some(60));
        assert_eq!(wait(&verdict(429, None, None, "")), Some(60));
        assert_eq!(wait(&verdict(429, Some(2), Some(5000), "")), Some(2));
        assert_eq!(wait(&verdict(429, None, Some(10), "")), Some(1), "the limit has ended already");
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_a_request_that_it_does_not_take_is_not() {
        assert_eq!(wait(&verdict(502, None, None, "")), None);
        assert_eq!(wait(&verdict(503, Some(3), None, "")), Some(3));
        assert_eq!(verdict(422, None, None, "Invalid"), Verdict::Wrong("GitHub answered 422 Invalid".to_owned()));
    }
}
