//! What the tests of a finished image came to, in the words that every report uses. Pure.

use camino::Utf8Path;

use super::ci::Setting;
use super::run::{Job, Severity};
use super::text;
use crate::event::{Failure, Tested, TestsFinished, Verdict};

/// The test as something that people must know of; none of one that passed, was not looked at, or is accepted as it is.
pub(super) fn trouble(test: &Tested) -> Option<(Severity, Failure)> {
    let failure = test.failure();
    match test.verdict {
        Verdict::Failed => Some((Severity::Error, failure)),
        Verdict::Warned => Some((Severity::Warning, failure)),
        // Distinct in every report, also where there are but errors and warnings.
        Verdict::Flaky => {
            let message = format!("flaky: {}", failure.message);
            Some((Severity::Warning, Failure { message, ..failure }))
        }
        Verdict::Passed | Verdict::Skipped | Verdict::Waived => None,
    }
}

/// The test in one line: `waived: check failed-units: the mirror's timer is known to fail`.
pub(super) fn line(test: &Tested) -> String {
    text::line(&format!("{}: {}", test.verdict.as_str(), test.failure().message))
}

/// `2 failed, 41 passed, 1 waived`: what there is none of is left out, but what passed.
pub(super) fn counts(end: &TestsFinished) -> String {
    let counts = [
        (end.failed, "failed"),
        (end.passed, "passed"),
        (end.warned, "warned"),
        (end.waived, "waived"),
        (end.skipped, "skipped"),
    ];
    let told = counts.into_iter().filter(|(count, word)| *count > 0 || *word == "passed");
    told.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// All of it in a field of a table: `41 passed`, `2 failed of 44`, `flaky`.
pub(super) fn short(end: &TestsFinished) -> String {
    let all: u64 = [end.failed, end.passed, end.warned, end.waived, end.skipped].into_iter().map(u64::from).sum();
    match end.verdict {
        Verdict::Failed => format!("{} failed of {all}", end.failed),
        Verdict::Passed => format!("{} passed", end.passed),
        other => other.as_str().to_owned(),
    }
}

/// The verdict, and how it came about: `failed`, `flaky, passed at attempt 2 only`.
pub(super) fn word(end: &TestsFinished) -> String {
    match end.verdict {
        Verdict::Flaky => format!("flaky, passed at attempt {} only", end.attempts),
        other => other.as_str().to_owned(),
    }
}

/// How long the machine took to its login. Of a machine that was not booted for the tests nothing is known.
pub(super) fn login(end: &TestsFinished) -> Option<String> {
    match (end.boot_seconds, &end.image) {
        (Some(seconds), _) => Some(format!("login {} after power-on", text::duration(seconds))),
        (None, Some(_)) => Some("no login over SSH".to_owned()),
        (None, None) => None,
    }
}

/// All of it in a sentence.
pub(super) fn sentence(end: &TestsFinished) -> String {
    let login = login(end).map(|login| format!("; {login}")).unwrap_or_default();
    let (word, counts, seconds) = (word(end), counts(end), text::duration(end.seconds));
    format!("Tests {word}: {counts}{login}; verdict after {seconds} ({}).", end.level.as_str())
}

/// The command that boots a throw-away copy of the image, for a person who wants to look around in it.
pub(super) fn boot_command(job: &Job, setting: &Setting) -> Option<String> {
    let image = job.tested.as_ref()?.image.as_ref()?;
    // One that this job did not build lies where its name says.
    let path = match job.artifacts.iter().any(|artifact| artifact.file == *image) {
        true => setting.output(Utf8Path::new(&job.id.0).join(image)),
        false => text::line(image),
    };
    Some(format!("ovenbird boot {}", quoted(&path)))
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "_./:@%+,=-".contains(char);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Level;

    fn end(verdict: Verdict) -> TestsFinished {
        TestsFinished {
            verdict,
            level: Level::Standard,
            passed: 41,
            failed: u32::from(verdict == Verdict::Failed) * 2,
            warned: 0,
            waived: 1,
            skipped: 2,
            attempts: if verdict == Verdict::Passed { 1 } else { 2 },
            boot_seconds: Some(12.0),
            seconds: 34.0,
            image: Some("web.qcow2".into()),
        }
    }

    #[test]
    fn a_sentence_tells_verdict_counts_and_times() {
        let sentences = [Verdict::Passed, Verdict::Flaky, Verdict::Failed].map(|verdict| sentence(&end(verdict)));
        insta::assert_snapshot!(sentences.join("\n"), @r"
        Tests passed: 41 passed, 1 waived, 2 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        Tests flaky, passed at attempt 2 only: 41 passed, 1 waived, 2 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        Tests failed: 2 failed, 41 passed, 1 waived, 2 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        ");
    }

    #[test]
    fn a_machine_that_never_logged_in_is_told_from_one_that_was_not_booted() {
        let image = TestsFinished { boot_seconds: None, ..end(Verdict::Failed) };
        assert_eq!(login(&image).as_deref(), Some("no login over SSH"));
        assert_eq!(login(&TestsFinished { image: None, ..image }), None);
    }

    #[test]
    fn a_table_has_room_for_the_verdict_alone() {
        let short = [Verdict::Passed, Verdict::Flaky, Verdict::Failed].map(|verdict| short(&end(verdict)));
        assert_eq!(short, ["41 passed", "flaky", "2 failed of 46"]);
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted("out/web/web.qcow2"), "out/web/web.qcow2");
        assert_eq!(quoted("a b';rm"), r"'a b'\'';rm'");
        assert_eq!(quoted("-x"), "'-x'");
    }
}
