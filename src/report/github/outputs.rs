//! The outputs of a step: what later steps and jobs of a workflow read as `steps.ID.outputs.NAME`. Pure.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::event::Outcome;
use crate::report::ci::Setting;
use crate::report::run::{Job, Run};
use crate::report::{html, text};

/// A job's outputs have 1 MB together [GitHub's documentation]; beyond this ours would take it all.
const LONGEST: usize = 900 * 1024;

/// The outputs, and the names of those that are too long to be given.
pub(super) fn outputs(run: &Run, setting: &Setting) -> (Vec<(&'static str, String)>, Vec<&'static str>) {
    let built: Vec<&Job> = run.jobs.iter().filter(|job| job.outcome() == Some(Outcome::Success)).collect();
    let ids: Vec<&str> = built.iter().map(|job| job.id.0.as_str()).collect();
    let manifest = match (built.as_slice(), run.jobs.len()) {
        ([], _) => String::new(),
        ([job], 1) => setting.output(Utf8Path::new(&job.id.0).join("manifest.json")),
        _ => setting.output("images.json"),
    };
    let artifact = match (built.as_slice(), run.jobs.len()) {
        ([job], 1) => job.artifacts.first().map(|artifact| format!("sha256:{}", artifact.sha256)),
        _ => None,
    };
    let all = [
        ("images", images(&built, setting)),
        ("manifest", manifest),
        ("job-id", ids.join(" ")),
        ("artifact-id", text::line(&artifact.unwrap_or_default())),
        ("report", setting.output(html::FILE)),
    ];
    let (given, long): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, value)| value.len() <= LONGEST);
    (given, long.into_iter().map(|(name, _)| name).collect())
}

/// One line of JSON: every file of every job that was built.
fn images(built: &[&Job], setting: &Setting) -> String {
    let files = built.iter().flat_map(|job| job.artifacts.iter().map(move |artifact| (job, artifact)));
    let images = files.map(|(job, artifact)| {
        json!({
            "job": job.id,
            "path": setting.output(Utf8PathBuf::from(&job.id.0).join(&artifact.file)),
            "format": artifact.format,
            "compression": artifact.compression,
            "size": artifact.size,
            "virtual-size": artifact.virtual_size,
            "sha256": artifact.sha256,
        })
    });
    serde_json::Value::Array(images.collect()).to_string()
}

/// An output as the runner's file takes it. There is no escape: a delimiter that the value does not hold is all that keeps
/// a value from naming outputs of its own.
pub(super) fn entry(name: &str, value: &str, token: &str) -> String {
    let mut delimiter = format!("ovenbird_{token}");
    while value.contains(&delimiter) {
        delimiter.push('_');
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::report::github::runner;
    use crate::report::testing::scripted_run;

    fn outputs_of(events: &[Event]) -> Vec<(&'static str, String)> {
        let mut run = Run::default();
        events.iter().for_each(|event| run.take(event));
        outputs(&run, &Setting { out: "ovenbird-out".into(), ..Setting::default() }).0
    }

    #[test]
    fn the_files_of_jobs_that_were_built_are_given() {
        let outputs = outputs_of(&scripted_run());
        assert_eq!(
            outputs[1..],
            [
                ("manifest", "ovenbird-out/images.json"),
                ("job-id", "web-bookworm"),
                ("artifact-id", ""),
                ("report", "ovenbird-out/report.html"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
        );
        let sha256 = "a".repeat(64);
        let first = format!(
            r#"[{{"job":"web-bookworm","path":"ovenbird-out/web-bookworm/web.qcow2","format":"qcow2","compression":null,"size":168820736,"virtual-size":4294967296,"sha256":"{sha256}"}},"#
        );
        assert!(outputs[0].1.starts_with(&first), "{}", outputs[0].1);
    }

    #[test]
    fn a_run_of_one_job_gives_its_own_manifest() {
        let is_one = |event: &Event| event.job.as_ref().is_some_and(|job| job.0 == "web-bookworm");
        let events: Vec<Event> = scripted_run().into_iter().filter(is_one).collect();
        assert_eq!(outputs_of(&events)[1].1, "ovenbird-out/web-bookworm/manifest.json");
        assert_eq!(outputs_of(&events)[3], ("artifact-id", format!("sha256:{}", "a".repeat(64))));
    }

    #[test]
    fn a_value_cannot_end_itself() {
        let value = "ovenbird_t\nevil=1\novenbird_t_";
        let text = format!("{}{}", entry("a", value, "t"), entry("b", "", "t"));
        let entries = runner::entries(&text);
        assert_eq!(
            entries,
            Ok([("a", value), ("b", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into())
        );
    }
}
