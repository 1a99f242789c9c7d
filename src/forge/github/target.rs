//! What the environment of a workflow's step says of where check runs go.

use std::collections::BTreeMap;
use std::io::Read;

use secrecy::SecretString;
use serde::Deserialize;

use super::permission::{Feature, missing};

/// GitHub's own limit of an event's payload ("Webhook events and payloads").
const LONGEST_EVENT: u64 = 25 << 20;

/// Where check runs go, and what they have in common.
pub(super) struct Target {
    /// Such as `https://api.github.com`.
    pub(super) api: String,
    /// `owner/name`.
    pub(super) repository: String,
    /// The commit that people look at.
    pub(super) sha: String,
    /// Of the run and its attempt: no other has it.
    pub(super) run: String,
    /// The run's page.
    pub(super) url: Option<String>,
    /// Whether it is for a pull request from a fork, whose token can't write.
    pub(super) is_fork: bool,
}

/// The part of an event that is about a pull request. All of it is written by GitHub, but a repository that was deleted is
/// null, and other events have other parts.
#[derive(Default, Deserialize)]
struct Event {
    #[serde(default)]
    pull_request: Option<PullRequest>,
}

#[derive(Deserialize)]
struct PullRequest {
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

/// The target and the token for it.
///
/// # Errors
/// A variable is not set; the text is for people.
pub(super) fn of(environment: &BTreeMap<String, String>) -> Result<(Target, SecretString), String> {
    let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let need = |name: &str| get(name).ok_or_else(|| missing(Feature::CheckRuns, name));
    let token = get("OVENBIRD_GITHUB_TOKEN").map_or_else(|| need("GITHUB_TOKEN"), Ok)?;
    let event = get("GITHUB_EVENT_PATH").map(|path| read(&path)).unwrap_or_default();
    let pull_request = event.pull_request.filter(|_| get("GITHUB_EVENT_NAME").is_some_and(|name| is_of_head(&name)));
    let is_fork = pull_request.as_ref().is_some_and(PullRequest::is_from_fork);
    let head = pull_request.map(|it| it.head.sha).filter(|sha| is_sha(sha));
    let target = Target {
        api: get("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
        repository: need("GITHUB_REPOSITORY")?,
        sha: head.map_or_else(|| need("GITHUB_SHA"), Ok)?,
        run: format!("{}/{}", need("GITHUB_RUN_ID")?, get("GITHUB_RUN_ATTEMPT").as_deref().unwrap_or("1")),
        url: crate::forge::Ci::from_environment(environment).url,
        is_fork,
    };
    Ok((target, token.into()))
}

/// Whether `GITHUB_SHA` is a merge that nobody looks at. For `pull_request_target` it is the commit that was built.
fn is_of_head(event: &str) -> bool {
    matches!(event, "pull_request" | "pull_request_review" | "pull_request_review_comment")
}

impl PullRequest {
    /// A repository that is gone was none of ours.
    fn is_from_fork(&self) -> bool {
        let name = |side: &Side| side.repo.as_ref().map(|repository| repository.full_name.clone());
        name(&self.head) != name(&self.base)
    }
}

/// The event; one that can't be read says nothing.
fn read(path: &str) -> Event {
    let mut text = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST_EVENT).read_to_end(&mut text));
    read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const MERGE: &str = "1111111111111111111111111111111111111111";
    const HEAD: &str = "2222222222222222222222222222222222222222";

    fn with(name: &str, event: &str) -> (String, bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), event).unwrap();
        let path = file.path().display().to_string();
        let pairs = [
            ("GITHUB_TOKEN", "t"),
            ("GITHUB_REPOSITORY", "octo/web"),
            ("GITHUB_SHA", MERGE),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_EVENT_NAME", name),
            ("GITHUB_EVENT_PATH", &path),
        ];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (target, _) = of(&environment).unwrap();
        (target.sha, target.is_fork)
    }

    fn pull_request(head: &str) -> String {
        let base = r#"{"sha":"0","repo":{"full_name":"octo/web"}}"#;
        format!(r#"{{"pull_request":{{"head":{{"sha":"{HEAD}","repo":{head}}},"base":{base},"title":"`id`"}}}}"#)
    }

    #[test]
    fn a_pull_request_has_its_check_on_its_head_and_not_on_the_merge() {
        let own = pull_request(r#"{"full_name":"octo/web"}"#);
        assert_eq!(with("pull_request", &own), (HEAD.to_owned(), false));
        assert_eq!(with("pull_request", &pull_request(r#"{"full_name":"eve/web"}"#)), (HEAD.to_owned(), true));
        assert_eq!(with("pull_request", &pull_request("null")), (HEAD.to_owned(), true), "the fork was deleted");
        assert_eq!(with("pull_request_target", &own), (MERGE.to_owned(), false), "what was built is the base");
    }

    #[test]
    fn an_event_that_cannot_be_read_says_nothing() {
        for event in ["", "[]", r#"{"pull_request":null}"#, r#"{"pull_request":{"head":7}}"#, "\u{0}"] {
            assert_eq!(with("pull_request", event), (MERGE.to_owned(), false), "{event}");
        }
        let odd = pull_request(r#"{"full_name":"octo/web"}"#).replace(HEAD, "../../x");
        assert_eq!(with("pull_request", &odd).0, MERGE);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = of(&BTreeMap::new()).map(|_| ()).unwrap_err();
        assert!(error.contains("`GITHUB_TOKEN` is not set"), "{error}");
        let token = BTreeMap::from([("OVENBIRD_GITHUB_TOKEN".to_owned(), "t".to_owned())]);
        let error = of(&token).map(|_| ()).unwrap_err();
        assert!(error.contains("`GITHUB_REPOSITORY` is not set"), "{error}");
    }
}
