//! Writes GitLab's reports into the output folder at the end of a run.

use std::io;

use camino::Utf8PathBuf;

use super::{dotenv, links, quality};
use crate::event::{Body, Event};
use crate::report::ci::{GitLab, Setting};
use crate::report::file;
use crate::report::run::Run;
use crate::report::sinks::Sink;
use crate::report::text;

/// The files' names in the output folder, as a pipeline's `artifacts:reports` names them.
const QUALITY: &str = "gl-code-quality.json";
const LINKS: &str = "gl-annotations.json";
const DOTENV: &str = "ovenbird.env";

/// Collects a run for its reports.
pub(in crate::report) struct Reports {
    out: Utf8PathBuf,
    setting: Setting,
    gitlab: GitLab,
    run: Run,
    result: io::Result<()>,
}

impl Reports {
    /// `out` is where they are written.
    pub(in crate::report) fn new(out: Utf8PathBuf, setting: Setting, gitlab: GitLab) -> Self {
        Self { out, setting, gitlab, run: Run::default(), result: Ok(()) }
    }

    fn write(&self) -> io::Result<()> {
        let quality = quality::report(&self.run, &self.setting).to_string();
        file::replace(&self.out.join(QUALITY), text::json(&quality).as_bytes())?;
        file::replace(&self.out.join(DOTENV), dotenv::render(&self.run, &self.setting).as_bytes())?;
        let Some(url) = &self.gitlab.job_url else { return Ok(()) };
        let links = links::report(&self.run, &self.setting, url).to_string();
        file::replace(&self.out.join(LINKS), text::json(&links).as_bytes())
    }
}

impl Sink for Reports {
    fn on_event(&mut self, event: &Event) {
        self.run.take(event);
        if let Body::RunStarted { .. } = event.event {
            // What an earlier run left must not be taken for this one's if it is killed.
            self.result = [QUALITY, LINKS, DOTENV].iter().try_for_each(|name| file::remove(&self.out.join(name)));
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let written = self.write();
        self.result.and(written)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8Path;

    use super::*;
    use crate::report::testing::{scripted_run, tested_run};

    fn files() -> (tempfile::TempDir, impl Fn(&str) -> String) {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        std::fs::write(out.join(DOTENV), "OLD=1\n").unwrap();
        let setting = Setting { folder: "images".into(), out: "ovenbird-out".into(), ..Setting::default() };
        let gitlab = GitLab { job_url: Some("https://gitlab.test/group/project/-/jobs/7".to_owned()) };
        let mut sink = Box::new(Reports::new(out.clone(), setting, gitlab));
        let events = scripted_run();
        sink.on_event(&events[0]);
        assert!(!out.join(DOTENV).exists(), "an earlier run's results are gone at the beginning");
        events[1..].iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        (folder, move |name| std::fs::read_to_string(out.join(name)).unwrap())
    }

    fn pretty(json: &str) -> String {
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap()
    }

    #[test]
    fn a_merge_request_shows_what_failed_on_its_line() {
        let (_folder, read) = files();
        insta::assert_snapshot!(pretty(&read(QUALITY)), @r#"
        [
          {
            "description": "web-trixie: step `Install nginx` failed (exit status 100)",
            "check_name": "ovenbird/failure",
            "fingerprint": "a11e784b478197e16959e37df0b1817e215ddc39fe43593063af85b93c115a71",
            "severity": "major",
            "location": {
              "path": "images/ovenbird.yml",
              "lines": {
                "begin": 21
              }
            }
          }
        ]
        "#);
    }

    #[test]
    fn a_later_job_gets_variables() {
        let (_folder, read) = files();
        insta::assert_snapshot!(read(DOTENV), @"
        OVENBIRD_OUTCOME=failure
        OVENBIRD_FILES=2
        OVENBIRD_MANIFEST=ovenbird-out/images.json
        OVENBIRD_JOB_IDS=web-bookworm
        OVENBIRD_FILE_1=ovenbird-out/web-bookworm/web.qcow2
        OVENBIRD_SHA256_1=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        OVENBIRD_FILE_2=ovenbird-out/web-bookworm/web.vmdk
        OVENBIRD_SHA256_2=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
        ");
    }

    #[test]
    fn a_jobs_page_links_to_logs_the_failed_ones_first() {
        let (_folder, read) = files();
        insta::assert_snapshot!(pretty(&read(LINKS)), @r#"
        {
          "ovenbird": [
            {
              "external_link": {
                "label": "web-trixie: log.txt",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/web-trixie/log.txt"
              }
            },
            {
              "external_link": {
                "label": "web-trixie: screenshot.png",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/web-trixie/screenshot.png"
              }
            },
            {
              "external_link": {
                "label": "web-trixie: console.txt",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/web-trixie/console.txt"
              }
            },
            {
              "external_link": {
                "label": "web-trixie: journal.txt",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/web-trixie/journal.txt"
              }
            },
            {
              "external_link": {
                "label": "crash: log.txt",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/crash/log.txt"
              }
            },
            {
              "external_link": {
                "label": "web-bookworm: log.txt",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/web-bookworm/log.txt"
              }
            },
            {
              "external_link": {
                "label": "late: log.txt",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/late/log.txt"
              }
            },
            {
              "external_link": {
                "label": "web-bookworm: manifest.json",
                "url": "https://gitlab.test/group/project/-/jobs/7/artifacts/file/ovenbird-out/web-bookworm/manifest.json"
              }
            }
          ]
        }
        "#);
    }

    #[test]
    fn a_failed_test_stands_on_its_line_of_the_goss_file() {
        let mut run = Run::default();
        tested_run().iter().for_each(|event| run.take(event));
        let setting = Setting { folder: "images".into(), ..Setting::default() };
        let report = quality::report(&run, &setting);
        let line = |one: &serde_json::Value| {
            let (place, check) = (&one["location"], one["check_name"].as_str().unwrap());
            format!("{check} {}:{} {}", place["path"].as_str().unwrap(), place["lines"]["begin"], one["description"])
        };
        let lines: Vec<String> = report.as_array().unwrap().iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        ovenbird/failure images/tests/goss.yaml:4 "red: service nginx: running: expected true, found false"
        ovenbird/warning images/tests/goss.yaml:14 "unsteady: flaky: http http://localhost/: status: expected 200, found 502"
        "#);
    }
}
