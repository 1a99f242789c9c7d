//! What the user asks: goss's assertions, looked at until they hold or their time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::context::clean_line;
use crate::event::{Suite, Tested, Verdict};
use crate::guest::{Guest, GuestError};
use crate::smoke::evaluate::{evaluate, is_satisfied};
use crate::smoke::finding::Findings;
use crate::smoke::format;
use crate::smoke::probe::probe_until;
use crate::smoke::spec::{Kind, Resource, Spec};
use crate::smoke::verdict::{Outcome, TestResult};

/// As goss waits between two looks.
const SLEEP: Duration = Duration::from_secs(1);

/// Characters of a message: what a guest printed is quoted in it.
const LONGEST_MESSAGE: usize = 2000;

/// Looks at everything, and again as long as something fails and there is time for it.
///
/// # Errors
/// The connection failed, or `cancel` fired.
pub(super) async fn look(
    guest: &dyn Guest,
    resources: &[Resource],
    retry_timeout: u64,
    cancel: &CancellationToken,
) -> Result<Vec<Tested>, GuestError> {
    if resources.is_empty() {
        return Ok(Vec::new());
    }
    let spec = Spec::new(resources.to_vec());
    let end = Instant::now() + Duration::from_secs(retry_timeout);
    loop {
        let findings = probe_until(guest, &spec, &is_satisfied, cancel).await?;
        let results = evaluate(&spec, &findings, Utc::now());
        let holds = results.iter().all(|result| result.outcome != Outcome::Failure);
        if holds || Instant::now() + SLEEP > end {
            return Ok(results.iter().map(tested).collect());
        }
        tokio::select! {
            () = tokio::time::sleep(SLEEP) => {}
            () = cancel.cancelled() => return Err(GuestError::Cancelled),
        }
    }
}

/// All assertions, as what nobody could look at.
pub(super) fn skipped(resources: &[Resource]) -> Vec<Tested> {
    let resources = resources.iter().map(|resource| Resource { skip: true, ..resource.clone() });
    let spec = Spec::new(resources.collect());
    evaluate(&spec, &Findings::default(), Utc::now()).iter().map(tested).collect()
}

fn tested(result: &TestResult) -> Tested {
    let only_warns = result.meta.get("severity").and_then(Value::as_str) == Some("warn");
    Tested {
        suite: Suite::Goss,
        kind: result.kind.key().to_owned(),
        id: clean(&result.id),
        property: Some(result.property.clone()),
        title: result.title.clone().filter(|title| !title.is_empty()),
        verdict: match result.outcome {
            Outcome::Success => Verdict::Passed,
            Outcome::Skipped => Verdict::Skipped,
            Outcome::Failure if only_warns => Verdict::Warned,
            Outcome::Failure => Verdict::Failed,
        },
        message: clean(&format::reason(result)),
        place: Some(result.place.clone()),
        hint: None,
        excerpt: Vec::new(),
        seconds: result.took.as_secs_f64(),
    }
}

/// One line of bounded length.
fn clean(text: &str) -> String {
    let line = clean_line(text.replace('\n', " ").as_bytes());
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The ports that the user expects someone to listen at; 22 is always one.
pub(super) fn declared_ports(resources: &[Resource]) -> BTreeSet<u16> {
    resources.iter().filter_map(declared_port).chain([22]).collect()
}

fn declared_port(resource: &Resource) -> Option<u16> {
    let expects = |property| {
        resource
            .assertions
            .iter()
            .any(|asserted| asserted.property == property && asserted.expected == Value::Bool(true))
    };
    match resource.kind {
        Kind::Port if expects("listening") => {
            let (protocol, port) = resource.object().rsplit_once(':').unwrap_or(("tcp", resource.object()));
            if protocol.starts_with("udp") { None } else { port.parse().ok() }
        }
        Kind::Addr if expects("reachable") => local_port(resource.object()),
        Kind::Http => local_port(resource.object()),
        _ => None,
    }
}

/// The port of an address on the guest itself.
fn local_port(address: &str) -> Option<u16> {
    let url = Url::parse(address).ok()?;
    let is_local = matches!(url.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
    url.port_or_known_default().filter(|_| is_local)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::guest::local::Local;
    use crate::smoke::spec;

    fn resources(text: &str) -> Vec<Resource> {
        let (file, sources, diagnostics) = spec::parse("goss.yaml", text);
        assert!(!crate::diagnostic::has_errors(&diagnostics), "{diagnostics:?} {}", sources.main().text());
        file.resources
    }

    #[test]
    fn ports_that_an_assertion_expects_are_declared() {
        let resources = resources(
            "port:\n  tcp:80: { listening: true }\n  '8443': { listening: true }\n  tcp6:81: { listening: false }\n  udp:53: { listening: true }\n\
             http:\n  http://localhost:8080/x: { status: 200 }\n  https://127.0.0.1/: { status: 200 }\n  \
             http://example.org:99/: { status: 200 }\n\
             addr:\n  tcp://localhost:5432: { reachable: true }\n  tcp://127.0.0.1:1: { reachable: false }\n",
        );
        assert_eq!(declared_ports(&resources), BTreeSet::from([22, 80, 443, 5432, 8080, 8443]));
    }

    #[test]
    fn assertions_that_nobody_could_look_at_are_skipped_each() {
        let skipped = skipped(&resources("file: { /x: { exists: true, mode: '0644' } }"));
        let seen: Vec<_> = skipped.iter().map(|one| (one.name(), one.verdict)).collect();
        let expected = ["file /x: exists", "file /x: mode"].map(|name| (name.to_owned(), Verdict::Skipped));
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn what_fails_is_told_in_gosss_words_on_its_line_and_may_be_only_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = crate::runner::test::attempt::tests::room(folder.path());
        let guest = Local::new(&ctx, &ctx.work, vec![("PATH".to_owned(), std::env::var("PATH").unwrap())]);
        let resources = resources(
            "command:\n  echo one:\n    exit-status: 0\n    stdout: [two]\n\
             file:\n  /nowhere:\n    exists: true\n    meta: { severity: warn }\n    title: A file\n",
        );
        let results = look(&guest, &resources, 0, &CancellationToken::new()).await.unwrap();
        let told: Vec<_> = results
            .iter()
            .map(|one| {
                let line = one.place.as_ref().unwrap().line;
                format!("{line} {} {} {}", one.name(), one.verdict.as_str(), one.message)
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        3 command echo one: exit-status passed 
        4 command echo one: stdout failed Expected "one\n" to have patterns ["two"] the missing elements were ["two"]
        7 file /nowhere: exists warned Expected false to equal true
        "#);
    }

    #[tokio::test]
    async fn what_fails_is_looked_at_again_as_long_as_there_is_time() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = crate::runner::test::attempt::tests::room(folder.path());
        let guest = Local::new(&ctx, &ctx.work, vec![("PATH".to_owned(), std::env::var("PATH").unwrap())]);
        let tries = ctx.work.join("tries");
        let command = format!("echo x >>{tries}; test $(wc -l <{tries}) = 3");
        let resources = resources(&format!("command: {{ c: {{ exec: '{command}', exit-status: 0 }} }}"));
        let results = look(&guest, &resources, 30, &CancellationToken::new()).await.unwrap();
        assert_eq!(results[0].verdict, Verdict::Passed, "{results:?}");
        assert_eq!(std::fs::read_to_string(&tries).unwrap(), "x\nx\nx\n");
    }

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(clean("a\n::error::b\u{1b}[31m"), "a ::error::b");
        assert_eq!(clean(&"é".repeat(3000)).chars().count(), LONGEST_MESSAGE + 1);
    }
}
