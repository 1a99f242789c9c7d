//! `ovenbird.env`: variables for later jobs of a pipeline. Pure.
//!
//! GitLab takes `KEY=VALUE` lines without quotes, blanks at the ends, blank lines or comments; it expands `$` in values, and
//! refuses the whole file beyond its limits (`parse_dotenv_artifact_service.rb`). So what does not fit is left out.

use camino::Utf8Path;

use crate::event::Outcome;
use crate::report::ci::Setting;
use crate::report::run::{Job, Run};
use crate::report::text;

/// A file must be smaller.
const SIZE: usize = 5 * 1024;

/// The least number of variables of all of GitLab's plans.
const VARIABLES: usize = 20;

/// The file's text. Variables of files come in pairs, as many as there is room for.
pub(super) fn render(run: &Run, setting: &Setting) -> String {
    let built: Vec<&Job> = run.jobs.iter().filter(|job| job.outcome() == Some(Outcome::Success)).collect();
    let ids: Vec<&str> = built.iter().map(|job| job.id.0.as_str()).collect();
    let files: Vec<_> =
        built.iter().flat_map(|job| job.artifacts.iter().map(move |artifact| (job, artifact))).collect();
    let outcome = run.end.map(|(outcome, _)| text::outcome(outcome)).unwrap_or_default();
    let mut groups = vec![
        vec![("OVENBIRD_OUTCOME".to_owned(), outcome.to_owned())],
        vec![("OVENBIRD_FILES".to_owned(), files.len().to_string())],
    ];
    if !built.is_empty() {
        groups.push(vec![("OVENBIRD_MANIFEST".to_owned(), setting.output("images.json"))]);
        groups.push(vec![("OVENBIRD_JOB_IDS".to_owned(), ids.join(","))]);
    }
    groups.extend(files.iter().enumerate().map(|(index, (job, artifact))| {
        let path = setting.output(Utf8Path::new(&job.id.0).join(&artifact.file));
        let number = index + 1;
        vec![(format!("OVENBIRD_FILE_{number}"), path), (format!("OVENBIRD_SHA256_{number}"), artifact.sha256.clone())]
    }));
    fitting(&groups)
}

/// Groups of variables that belong together, while they are plain and there is room.
fn fitting(groups: &[Vec<(String, String)>]) -> String {
    let (mut text, mut count) = (String::new(), 0);
    for group in groups.iter().filter(|group| group.iter().all(|(_, value)| is_plain(value))) {
        let lines: String = group.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        if text.len() + lines.len() < SIZE && count + group.len() <= VARIABLES {
            text.push_str(&lines);
            count += group.len();
        }
    }
    text
}

fn is_plain(value: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || "_./:,+@%=~-".contains(char);
    !value.is_empty() && value.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_value_that_gitlab_would_read_otherwise_is_left_out_with_its_pair() {
        let groups = [
            group(&[("A", "web/a.qcow2"), ("B", "12")]),
            group(&[("C", "$HOME"), ("D", "34")]),
            group(&[("E", "two words")]),
            group(&[("F", "x\nG=1")]),
            group(&[("H", "")]),
            group(&[("I", "'quoted'")]),
        ];
        assert_eq!(fitting(&groups), "A=web/a.qcow2\nB=12\n");
    }

    #[test]
    fn the_file_stays_below_both_limits() {
        let many: Vec<_> = (0..30).map(|_| group(&[("A", "1"), ("B", "2")])).collect();
        assert_eq!(fitting(&many).lines().count(), VARIABLES);
        let long = "x".repeat(2000);
        let big: Vec<_> = (0..5).map(|_| group(&[("A", &long)])).collect();
        assert!(fitting(&big).len() < SIZE);
        assert_eq!(fitting(&big).lines().count(), 2);
    }
}
