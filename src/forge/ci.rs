//! The CI run, from the variables that its system sets.
//!
//! Sources: GitHub's "Variables reference", GitLab's "Predefined CI/CD variables reference", Buildkite's "Environment
//! variables", and Jenkins' list of global variables.

use std::collections::BTreeMap;

use super::text;
use crate::expression::Object;

/// What is known of the CI run; all of it null outside of CI. The words are GitHub's wherever it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ci {
    /// `github`, `gitlab`, `buildkite`, or `generic` for any other.
    pub name: Option<String>,
    /// Of the workflow run, pipeline or build: unique in the CI system.
    pub run_id: Option<String>,
    /// Counts the runs of one workflow or project.
    pub run_number: Option<String>,
    /// 1, and one more for each time that the run was started again.
    pub run_attempt: Option<String>,
    /// The run's page.
    pub url: Option<String>,
    /// `owner/name`.
    pub repository: Option<String>,
    /// The commit that the run is for. For a pull request it may be that of the merge.
    pub sha: Option<String>,
    /// In full, such as `refs/heads/main`.
    pub reference: Option<String>,
    /// The branch; for a pull request the one that it comes from.
    pub branch: Option<String>,
    /// The tag that the run was started for.
    pub tag: Option<String>,
    /// What started the run, in GitHub's words where they mean the same.
    pub event: Option<String>,
    /// The number of the pull or merge request.
    pub pull_request: Option<String>,
    /// The name of who started the run.
    pub actor: Option<String>,
    /// The job's name in the CI's configuration.
    pub job: Option<String>,
    /// Where the forge is, such as `https://github.com`.
    pub server_url: Option<String>,
}

/// Variables of the environment; an empty one counts as not set.
struct Variables<'a>(&'a BTreeMap<String, String>);

impl Variables<'_> {
    /// The first of several that is set.
    fn any(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.get(*name).filter(|value| !value.is_empty()).cloned())
    }

    /// The first of several that is set, an address, without a name and password in it.
    fn url(&self, names: &[&str]) -> Option<String> {
        let url = self.any(names)?;
        let Some((scheme, rest)) = url.split_once("://") else { return Some(url) };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit('@').next().unwrap_or(host);
        Some(format!("{scheme}://{host}{path}"))
    }

    fn get(&self, name: &str) -> Option<String> {
        self.any(&[name])
    }

    fn is_true(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl Ci {
    /// What the environment says.
    #[must_use]
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Self {
        let variables = &Variables(environment);
        if variables.is_true("GITHUB_ACTIONS") {
            github(variables)
        } else if variables.is_true("GITLAB_CI") {
            gitlab(variables)
        } else if variables.is_true("BUILDKITE") {
            buildkite(variables)
        } else if variables.get("CI").is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0") {
            generic(variables)
        } else {
            Self::default()
        }
    }

    /// As the context `ci`.
    #[must_use]
    pub fn context(&self) -> Object {
        let pairs = [
            ("name", &self.name),
            ("run-id", &self.run_id),
            ("run-number", &self.run_number),
            ("run-attempt", &self.run_attempt),
            ("url", &self.url),
            ("repository", &self.repository),
            ("sha", &self.sha),
            ("ref", &self.reference),
            ("branch", &self.branch),
            ("tag", &self.tag),
            ("event", &self.event),
            ("pull-request", &self.pull_request),
            ("actor", &self.actor),
            ("job", &self.job),
            ("server-url", &self.server_url),
        ];
        pairs.into_iter().map(|(key, value)| (key, text(value.as_ref()))).collect()
    }
}

fn github(variables: &Variables<'_>) -> Ci {
    let get = |name| variables.get(name);
    let reference = get("GITHUB_REF");
    let after = |prefix: &str| Some(reference.as_ref()?.strip_prefix(prefix)?.to_owned());
    let (server_url, repository, run_id) =
        (variables.url(&["GITHUB_SERVER_URL"]), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID"));
    let url = match (&server_url, &repository, &run_id) {
        (Some(server), Some(repository), Some(id)) => Some(format!("{server}/{repository}/actions/runs/{id}")),
        _ => None,
    };
    let number = after("refs/pull/").and_then(|rest| Some(rest.split_once('/')?.0.to_owned()));
    Ci {
        name: Some("github".to_owned()),
        run_number: get("GITHUB_RUN_NUMBER"),
        run_attempt: get("GITHUB_RUN_ATTEMPT"),
        url,
        sha: get("GITHUB_SHA"),
        // Set for pull requests only, whose ref is no branch, or the branch that they go to.
        branch: get("GITHUB_HEAD_REF").or_else(|| after("refs/heads/")),
        tag: after("refs/tags/"),
        event: get("GITHUB_EVENT_NAME"),
        pull_request: number,
        actor: get("GITHUB_ACTOR"),
        job: get("GITHUB_JOB"),
        run_id,
        repository,
        reference,
        server_url,
    }
}

fn gitlab(variables: &Variables<'_>) -> Ci {
    let get = |name| variables.get(name);
    let any = |names: &[&str]| variables.any(names);
    let (branch, tag) = (get("CI_COMMIT_BRANCH"), get("CI_COMMIT_TAG"));
    let full = |prefix: &str, name: &Option<String>| name.as_ref().map(|name| format!("{prefix}{name}"));
    let reference = get("CI_MERGE_REQUEST_REF_PATH")
        .or_else(|| full("refs/tags/", &tag))
        .or_else(|| full("refs/heads/", &branch))
        .or_else(|| get("CI_COMMIT_REF_NAME"));
    let source = any(&["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_NAME"]);
    let event = get("CI_PIPELINE_SOURCE").map(|source| match source.as_str() {
        "merge_request_event" | "external_pull_request_event" => "pull_request".to_owned(),
        "web" => "workflow_dispatch".to_owned(),
        _ => source,
    });
    Ci {
        name: Some("gitlab".to_owned()),
        run_id: get("CI_PIPELINE_ID"),
        run_number: get("CI_PIPELINE_IID"),
        // A pipeline that is run again has another id.
        run_attempt: None,
        url: variables.url(&["CI_PIPELINE_URL"]),
        repository: get("CI_PROJECT_PATH"),
        sha: get("CI_COMMIT_SHA"),
        reference,
        branch: source.or(branch),
        tag,
        event,
        pull_request: any(&["CI_MERGE_REQUEST_IID", "CI_EXTERNAL_PULL_REQUEST_IID"]),
        actor: get("GITLAB_USER_LOGIN"),
        job: get("CI_JOB_NAME"),
        server_url: variables.url(&["CI_SERVER_URL"]),
    }
}

fn buildkite(variables: &Variables<'_>) -> Ci {
    let get = |name| variables.get(name);
    let tag = get("BUILDKITE_TAG");
    // For a tag, the variable holds the tag's name.
    let branch = get("BUILDKITE_BRANCH").filter(|_| tag.is_none());
    let pull_request = get("BUILDKITE_PULL_REQUEST").filter(|number| number != "false");
    let event = get("BUILDKITE_SOURCE").map(|source| match source.as_str() {
        "webhook" if pull_request.is_some() => "pull_request".to_owned(),
        "webhook" => "push".to_owned(),
        "ui" => "workflow_dispatch".to_owned(),
        _ => source,
    });
    let retries = get("BUILDKITE_RETRY_COUNT").and_then(|count| count.parse::<u32>().ok());
    Ci {
        name: Some("buildkite".to_owned()),
        run_id: get("BUILDKITE_BUILD_ID"),
        run_number: get("BUILDKITE_BUILD_NUMBER"),
        run_attempt: retries.map(|count| count.saturating_add(1).to_string()),
        url: variables.url(&["BUILDKITE_BUILD_URL"]),
        repository: get("BUILDKITE_REPO").and_then(|url| repository_of(&url)),
        sha: get("BUILDKITE_COMMIT").filter(|commit| is_sha(commit)),
        reference: reference(tag.as_ref(), branch.as_ref()),
        branch,
        tag,
        event,
        pull_request,
        actor: get("BUILDKITE_BUILD_CREATOR"),
        job: variables.any(&["BUILDKITE_STEP_KEY", "BUILDKITE_LABEL"]),
        server_url: None,
    }
}

/// Any other CI that says `CI=true`: by the names that Jenkins, Woodpecker and others share.
fn generic(variables: &Variables<'_>) -> Ci {
    let any = |names: &[&str]| variables.any(names);
    let tag = any(&["CI_COMMIT_TAG", "TAG_NAME", "GIT_TAG"]);
    let pull_request = any(&["CHANGE_ID", "CI_COMMIT_PULL_REQUEST"]);
    // Jenkins names a pull request's own branch apart, and a remote branch after its remote.
    let branch = any(&["CHANGE_BRANCH", "CI_COMMIT_SOURCE_BRANCH", "CI_COMMIT_BRANCH", "BRANCH_NAME", "GIT_BRANCH"]);
    let branch = branch.map(|name| name.strip_prefix("origin/").map_or_else(|| name.clone(), str::to_owned));
    let branch = branch.filter(|_| tag.is_none());
    Ci {
        name: Some("generic".to_owned()),
        run_id: any(&["CI_PIPELINE_ID", "BUILD_ID"]),
        run_number: any(&["CI_PIPELINE_NUMBER", "BUILD_NUMBER"]),
        run_attempt: None,
        url: variables.url(&["CI_PIPELINE_URL", "BUILD_URL"]),
        repository: any(&["CI_REPO"]),
        sha: any(&["CI_COMMIT_SHA", "GIT_COMMIT"]).filter(|commit| is_sha(commit)),
        reference: any(&["CI_COMMIT_REF"]).or_else(|| reference(tag.as_ref(), branch.as_ref())),
        branch,
        tag,
        event: any(&["CI_PIPELINE_EVENT"]),
        pull_request,
        actor: any(&["CI_COMMIT_AUTHOR", "CHANGE_AUTHOR"]),
        job: any(&["CI_WORKFLOW_NAME", "JOB_NAME"]),
        server_url: variables.url(&["CI_FORGE_URL"]),
    }
}

fn reference(tag: Option<&String>, branch: Option<&String>) -> Option<String> {
    tag.map(|tag| format!("refs/tags/{tag}")).or_else(|| branch.map(|branch| format!("refs/heads/{branch}")))
}

/// `owner/name` of a repository's URL: `https://host/owner/name.git`, or `git@host:owner/name.git`. A name and password
/// in it stay behind.
fn repository_of(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once(':')?.1,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!path.is_empty()).then(|| path.to_owned())
}

/// Not `HEAD`, which stands for a commit that is found out later.
fn is_sha(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_name_and_password_in_an_address_stay_behind() {
        for (address, shown) in [
            ("https://bot:s3cret@gitlab.example/g/p/-/pipelines/1", "https://gitlab.example/g/p/-/pipelines/1"),
            ("https://bot:s3@cret@gitlab.example", "https://gitlab.example"),
            ("https://gitlab.example/a@b", "https://gitlab.example/a@b"),
        ] {
            let variables = BTreeMap::from([("URL".to_owned(), address.to_owned())]);
            assert_eq!(Variables(&variables).url(&["URL"]).as_deref(), Some(shown));
        }
    }

    const SHA: &str = "83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d";

    /// Every key that is not null, one a line.
    fn shown(variables: &[(&str, &str)]) -> String {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let context = Ci::from_environment(&environment).context();
        let known = context.iter().filter(|(_, value)| value.is_truthy());
        known.map(|(key, value)| format!("{key}: {value}\n")).collect()
    }

    /// As the runner sets them for a push; `more` wins.
    fn github_with(more: &[(&str, &str)]) -> String {
        let common = [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "octo/web"),
            ("GITHUB_RUN_ID", "1658821493"),
            ("GITHUB_RUN_NUMBER", "3"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SHA", SHA),
            ("GITHUB_ACTOR", "octocat"),
            ("GITHUB_JOB", "build"),
            ("GITHUB_HEAD_REF", ""),
        ];
        shown(&[&common, more].concat())
    }

    #[test]
    fn on_github_a_push_has_a_branch() {
        assert_snapshot!(github_with(&[("GITHUB_REF", "refs/heads/feature/x"), ("GITHUB_EVENT_NAME", "push")]), @"
        name: github
        run-id: 1658821493
        run-number: 3
        run-attempt: 2
        url: https://github.com/octo/web/actions/runs/1658821493
        repository: octo/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/heads/feature/x
        branch: feature/x
        event: push
        actor: octocat
        job: build
        server-url: https://github.com
        ");
    }

    #[test]
    fn on_github_a_tag_is_no_branch() {
        assert_snapshot!(github_with(&[("GITHUB_REF", "refs/tags/v1.2.0"), ("GITHUB_EVENT_NAME", "push")]), @"
        name: github
        run-id: 1658821493
        run-number: 3
        run-attempt: 2
        url: https://github.com/octo/web/actions/runs/1658821493
        repository: octo/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/tags/v1.2.0
        tag: v1.2.0
        event: push
        actor: octocat
        job: build
        server-url: https://github.com
        ");
    }

    #[test]
    fn on_github_a_pull_request_has_the_branch_that_it_comes_from_and_its_number() {
        let pull_request = [
            ("GITHUB_REF", "refs/pull/17/merge"),
            ("GITHUB_HEAD_REF", "fix/typo"),
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_EVENT_NAME", "pull_request"),
        ];
        assert_snapshot!(github_with(&pull_request), @"
        name: github
        run-id: 1658821493
        run-number: 3
        run-attempt: 2
        url: https://github.com/octo/web/actions/runs/1658821493
        repository: octo/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/pull/17/merge
        branch: fix/typo
        event: pull_request
        pull-request: 17
        actor: octocat
        job: build
        server-url: https://github.com
        ");
    }

    fn gitlab_with(more: &[(&str, &str)]) -> String {
        let common = [
            ("CI", "true"),
            ("GITLAB_CI", "true"),
            ("CI_SERVER_URL", "https://gitlab.example"),
            ("CI_PROJECT_PATH", "group/sub/web"),
            ("CI_PIPELINE_ID", "5001"),
            ("CI_PIPELINE_IID", "12"),
            ("CI_PIPELINE_URL", "https://gitlab.example/group/sub/web/-/pipelines/5001"),
            ("CI_COMMIT_SHA", SHA),
            ("GITLAB_USER_LOGIN", "tanuki"),
            ("CI_JOB_NAME", "build image"),
        ];
        shown(&[&common, more].concat())
    }

    #[test]
    fn on_gitlab_a_branch_and_a_tag_are_told_apart() {
        let branch = [("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_REF_NAME", "main"), ("CI_PIPELINE_SOURCE", "schedule")];
        assert_snapshot!(gitlab_with(&branch), @"
        name: gitlab
        run-id: 5001
        run-number: 12
        url: https://gitlab.example/group/sub/web/-/pipelines/5001
        repository: group/sub/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/heads/main
        branch: main
        event: schedule
        actor: tanuki
        job: build image
        server-url: https://gitlab.example
        ");
        let tag = [("CI_COMMIT_TAG", "v2"), ("CI_COMMIT_REF_NAME", "v2"), ("CI_PIPELINE_SOURCE", "push")];
        assert_snapshot!(gitlab_with(&tag), @"
        name: gitlab
        run-id: 5001
        run-number: 12
        url: https://gitlab.example/group/sub/web/-/pipelines/5001
        repository: group/sub/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/tags/v2
        tag: v2
        event: push
        actor: tanuki
        job: build image
        server-url: https://gitlab.example
        ");
    }

    #[test]
    fn on_gitlab_a_merge_request_is_a_pull_request_in_githubs_words() {
        let merge_request = [
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_MERGE_REQUEST_IID", "1"),
            ("CI_MERGE_REQUEST_ID", "34"),
            ("CI_MERGE_REQUEST_REF_PATH", "refs/merge-requests/1/head"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "patch-1"),
            ("CI_COMMIT_REF_NAME", "patch-1"),
        ];
        assert_snapshot!(gitlab_with(&merge_request), @"
        name: gitlab
        run-id: 5001
        run-number: 12
        url: https://gitlab.example/group/sub/web/-/pipelines/5001
        repository: group/sub/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/merge-requests/1/head
        branch: patch-1
        event: pull_request
        pull-request: 1
        actor: tanuki
        job: build image
        server-url: https://gitlab.example
        ");
    }

    fn buildkite_with(more: &[(&str, &str)]) -> String {
        let common = [
            ("CI", "true"),
            ("BUILDKITE", "true"),
            ("BUILDKITE_BUILD_ID", "9e08ef3c-d6e6-4a86-91dd-577ce5205b8e"),
            ("BUILDKITE_BUILD_NUMBER", "1514"),
            ("BUILDKITE_BUILD_URL", "https://buildkite.com/acme-inc/web/builds/1514"),
            ("BUILDKITE_REPO", "git@github.com:acme-inc/web.git"),
            ("BUILDKITE_RETRY_COUNT", "0"),
            ("BUILDKITE_LABEL", ":hammer: Image"),
            ("BUILDKITE_BUILD_CREATOR", "Keith"),
        ];
        shown(&[&common, more].concat())
    }

    #[test]
    fn on_buildkite_a_build_has_a_branch_or_a_tag() {
        let branch = [
            ("BUILDKITE_BRANCH", "main"),
            ("BUILDKITE_COMMIT", "HEAD"),
            ("BUILDKITE_PULL_REQUEST", "false"),
            ("BUILDKITE_SOURCE", "webhook"),
        ];
        assert_snapshot!(buildkite_with(&branch), @"
        name: buildkite
        run-id: 9e08ef3c-d6e6-4a86-91dd-577ce5205b8e
        run-number: 1514
        run-attempt: 1
        url: https://buildkite.com/acme-inc/web/builds/1514
        repository: acme-inc/web
        ref: refs/heads/main
        branch: main
        event: push
        actor: Keith
        job: :hammer: Image
        ");
        let tag = [
            ("BUILDKITE_BRANCH", "v1"),
            ("BUILDKITE_TAG", "v1"),
            ("BUILDKITE_COMMIT", SHA),
            ("BUILDKITE_SOURCE", "ui"),
            ("BUILDKITE_STEP_KEY", "image"),
        ];
        assert_snapshot!(buildkite_with(&tag), @"
        name: buildkite
        run-id: 9e08ef3c-d6e6-4a86-91dd-577ce5205b8e
        run-number: 1514
        run-attempt: 1
        url: https://buildkite.com/acme-inc/web/builds/1514
        repository: acme-inc/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/tags/v1
        tag: v1
        event: workflow_dispatch
        actor: Keith
        job: image
        ");
    }

    #[test]
    fn on_buildkite_a_pull_request_has_its_number() {
        let pull_request = [
            ("BUILDKITE_BRANCH", "fix"),
            ("BUILDKITE_COMMIT", SHA),
            ("BUILDKITE_PULL_REQUEST", "123"),
            ("BUILDKITE_SOURCE", "webhook"),
        ];
        assert_snapshot!(buildkite_with(&pull_request), @"
        name: buildkite
        run-id: 9e08ef3c-d6e6-4a86-91dd-577ce5205b8e
        run-number: 1514
        run-attempt: 1
        url: https://buildkite.com/acme-inc/web/builds/1514
        repository: acme-inc/web
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/heads/fix
        branch: fix
        event: pull_request
        pull-request: 123
        actor: Keith
        job: :hammer: Image
        ");
    }

    #[test]
    fn another_ci_is_read_by_the_names_that_many_use() {
        let jenkins = [
            ("CI", "true"),
            ("BUILD_ID", "153"),
            ("BUILD_NUMBER", "153"),
            ("BUILD_URL", "http://jenkins.example/job/web/153/"),
            ("JOB_NAME", "web/PR-7"),
            ("BRANCH_NAME", "PR-7"),
            ("CHANGE_BRANCH", "fix"),
            ("CHANGE_ID", "7"),
            ("GIT_COMMIT", SHA),
        ];
        assert_snapshot!(shown(&jenkins), @"
        name: generic
        run-id: 153
        run-number: 153
        url: http://jenkins.example/job/web/153/
        sha: 83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d
        ref: refs/heads/fix
        branch: fix
        pull-request: 7
        job: web/PR-7
        ");
        assert_snapshot!(shown(&[("CI", "1"), ("GIT_BRANCH", "origin/main")]), @"
        name: generic
        ref: refs/heads/main
        branch: main
        ");
    }

    #[test]
    fn outside_of_ci_everything_is_null_whatever_else_is_set() {
        for outside in [&[][..], &[("CI", "")], &[("CI", "false")], &[("CI", "0")]] {
            let variables = [outside, &[("GITHUB_SHA", SHA), ("BRANCH_NAME", "main"), ("GITHUB_ACTIONS", "")]].concat();
            assert_eq!(shown(&variables), "");
        }
    }

    #[test]
    fn every_ci_gives_the_same_keys() {
        let keys = |name: &str| {
            let environment = [(name.to_owned(), "true".to_owned())].into();
            Ci::from_environment(&environment).context().keys().map(str::to_owned).collect::<Vec<_>>()
        };
        for name in ["GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CI"] {
            assert_eq!(keys(name), keys("NOT_IN_CI"), "{name}");
        }
    }

    #[test]
    fn a_repository_is_its_path_without_what_the_url_keeps_secret() {
        for (url, path) in [
            ("git@github.com:acme/web.git", Some("acme/web")),
            ("https://user:token@git.example/acme/web.git", Some("acme/web")),
            ("ssh://git@git.example:2222/group/sub/web", Some("group/sub/web")),
            ("https://git.example/", None),
            ("web", None),
        ] {
            assert_eq!(repository_of(url).as_deref(), path, "{url}");
        }
    }
}
