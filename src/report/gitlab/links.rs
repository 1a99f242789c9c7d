//! `gl-annotations.json`: links that GitLab shows beside a job. Pure.

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::report::ci::Setting;
use crate::report::run::Run;
use crate::report::text;

/// GitLab refuses a file above 80 KB (`ci_job_annotations_size`); the brackets around need a few bytes too.
const SIZE: usize = 79 * 1024;

const LOG: &str = "log.txt";

/// Links into the job's artifacts: logs and what was kept of failures, those of failed jobs first, then manifests.
pub(super) fn report(run: &Run, setting: &Setting, job_url: &str) -> Value {
    let begun = || run.jobs.iter().filter(|job| job.begin.is_some());
    let (failed, rest): (Vec<_>, Vec<_>) = begun().partition(|job| job.failures().next().is_some());
    // Of a failed job first what explains it: its screen, console and journal stand beside its log.
    let logs = failed.iter().chain(&rest).flat_map(|job| {
        let files = std::iter::once(LOG.to_owned()).chain(job.kept.iter().map(|kept| kept.file.clone()));
        files.map(|file| (&job.id, file))
    });
    let manifests =
        rest.iter().filter(|job| !job.artifacts.is_empty()).map(|job| (&job.id, "manifest.json".to_owned()));
    let links = logs.chain(manifests).map(|(id, file)| {
        let path = setting.output(Utf8Path::new(&id.0).join(&file));
        let label = text::cut(&text::line(&format!("{id}: {file}")), 255);
        json!({ "external_link": { "label": label, "url": format!("{job_url}/artifacts/file/{}", encoded(&path)) } })
    });
    let mut size = 0;
    let fitting = links.take_while(|link| {
        size += link.to_string().len() + 1;
        size <= SIZE
    });
    json!({ "ovenbird": fitting.collect::<Vec<_>>() })
}

/// The path as part of a URL.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Body;
    use crate::report::testing::at;

    #[test]
    fn links_stay_below_gitlabs_limit() {
        let mut run = Run::default();
        for job in 0..1000 {
            let started = Body::JobStarted { name: "web".to_owned(), platform: "qemu".to_owned(), tests_only: false };
            run.take(&at(0.0, Some(&format!("job-{job}")), started));
        }
        let text = report(&run, &Setting::default(), "https://gitlab.test/-/jobs/1").to_string();
        assert!(text.len() < 80 * 1024 && text.len() > 70 * 1024, "{}", text.len());
    }

    #[test]
    fn a_path_is_a_part_of_a_url() {
        assert_eq!(encoded("out dir/ü?#.txt"), "out%20dir/%C3%BC%3F%23.txt");
    }
}
