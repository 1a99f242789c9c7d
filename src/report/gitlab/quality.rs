//! `gl-code-quality.json`: what went wrong on a line of the repository, for merge requests. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::report::ci::Setting;
use crate::report::run::{Job, Run, Severity, Trouble};
use crate::report::text;

/// A description is one line in the merge request.
const LONGEST: usize = 500;

/// One entry for each trouble that has a line, in every job: the same line may fail on one platform only.
pub(super) fn report(run: &Run, setting: &Setting) -> Value {
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let troubles = run.jobs.iter().flat_map(|job| job.troubles.iter().map(move |trouble| (job, trouble)));
    troubles.filter_map(|(job, trouble)| entry(job, trouble, setting, &mut told)).collect()
}

fn entry(job: &Job, trouble: &Trouble, setting: &Setting, told: &mut BTreeMap<String, usize>) -> Option<Value> {
    let place = trouble.failure.place.as_ref()?;
    let path = setting.file_of(place)?;
    let message = text::line(&trouble.failure.message);
    let what = trouble.during.as_ref().map(|what| text::line(&what.title())).unwrap_or_default();
    // Without the line: GitLab compares with the target branch, where the same trouble may stand some lines off.
    let key = [job.id.0.as_str(), &path, &what, &message].join("\0");
    let repeat = told.entry(key.clone()).or_insert(0);
    let fingerprint = hex(&Sha256::digest(format!("{key}\0{repeat}")));
    *repeat += 1;
    let (severity, check) = match trouble.severity {
        Severity::Error => ("major", "ovenbird/failure"),
        Severity::Warning => ("minor", "ovenbird/warning"),
    };
    Some(json!({
        "description": text::cut(&format!("{}: {message}", text::line(&job.id.0)), LONGEST),
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": { "path": path, "lines": { "begin": place.line } },
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Failure, Place};
    use crate::report::testing::at;

    fn fingerprints(failures: &[(&str, &str, u32)]) -> Vec<Value> {
        let mut run = Run::default();
        for (job, message, line) in failures {
            let place = Some(Place { file: "ovenbird.yml".into(), line: *line, column: None, exact: true });
            run.take(&at(0.0, Some(job), Body::Failure(Failure { place, ..Failure::new(*message) })));
        }
        let report = report(&run, &Setting::default());
        report.as_array().into_iter().flatten().map(|one| one["fingerprint"].clone()).collect()
    }

    #[test]
    fn a_fingerprint_tells_jobs_apart_and_not_lines() {
        let [a, b, again] = fingerprints(&[("a", "x", 3), ("b", "x", 3), ("a", "x", 9)]).try_into().unwrap_or_default();
        assert!(a != b && a != again && b != again, "each is unique in its report");
        assert_eq!(fingerprints(&[("a", "x", 7)]), [a], "the same trouble on a line that moved");
    }

    #[test]
    fn what_has_no_line_in_the_repository_is_no_matter_of_code() {
        let mut run = Run::default();
        let place = Some(Place { file: "../elsewhere".into(), line: 1, column: None, exact: true });
        for failure in [Failure::new("crashed"), Failure { place, ..Failure::new("x") }] {
            run.take(&at(0.0, Some("a"), Body::Failure(failure)));
        }
        assert_eq!(report(&run, &Setting::default()), json!([]));
    }
}
