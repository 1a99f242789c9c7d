//! The summary of a step: what a person reads first on the run's page. Pure.
//!
//! It is put together from pieces that each leave Markdown in order, the most useful first, so that it can be cut between
//! any two.

use super::markdown::{block, code};
use super::{mermaid, verdicts};
use crate::event::{Artifact, Failure, Outcome, Verdict};
use crate::report::ci::Setting;
use crate::report::run::{Job, Merged, Part, Run, Severity, What};
use crate::report::{failure, text};

/// The runner refuses summaries above 1 MiB, all that a step wrote together; so much is left for its own rounding.
pub(super) const LONGEST: usize = 1000 * 1024;

/// Room for the note that something was cut.
const NOTE: usize = 512;

/// Lines of an excerpt, and bytes of each. The log has all of them.
const EXCERPT: usize = 40;
const LONGEST_LINE: usize = 500;

/// Failures that are told in full; more of them are rarely more to know.
const FAILURES: usize = 50;

/// The summary, in at most `room` bytes.
pub(super) fn render(run: &Run, setting: &Setting, room: usize) -> String {
    let mut summary = String::new();
    for piece in pieces(run, setting) {
        if summary.len() + piece.len() + NOTE > room {
            let logs = code(&setting.output("*/log.txt"));
            summary
                .push_str(&format!("\n> [!NOTE]\n> The rest is cut: GitHub takes no more. All of it is in {logs}.\n"));
            break;
        }
        summary.push_str(&piece);
    }
    if summary.len() > room { String::new() } else { summary }
}

fn pieces(run: &Run, setting: &Setting) -> Vec<String> {
    let mut pieces = vec![headline(run)];
    pieces.extend(jobs(run));
    pieces.extend(verdicts::pieces(run, setting));
    pieces.extend(troubles(run, setting, Severity::Error));
    pieces.extend(cancelled(run));
    pieces.extend(kept(run, setting));
    pieces.extend(images(run, setting));
    pieces.extend(timeline(run));
    pieces.extend(troubles(run, setting, Severity::Warning));
    pieces.push(reproduce(run, setting));
    pieces
}

fn headline(run: &Run) -> String {
    let what = if run.is_test() { "Tests of machine images" } else { "Machine images" };
    let took = run.end.map(|(_, seconds)| format!(" in {}", text::duration(seconds))).unwrap_or_default();
    format!("## {what}: {}{took}\n\n", run.headline())
}

fn jobs(run: &Run) -> Vec<String> {
    let mut pieces =
        vec!["| Job | Result | Time | Slowest part | Files |\n| --- | --- | ---: | --- | ---: |\n".to_owned()];
    for job in &run.jobs {
        let time = job.end.as_ref().map(|end| text::duration(end.seconds)).unwrap_or_default();
        let files = if job.artifacts.is_empty() { String::new() } else { job.artifacts.len().to_string() };
        pieces.push(format!("| {} | {} | {time} | {} | {files} |\n", code(&job.id.0), result(job), slowest(job)));
    }
    // The table ends where it ends.
    if let Some(last) = pieces.last_mut() {
        last.push('\n');
    }
    pieces
}

fn result(job: &Job) -> &'static str {
    let has_red_tests = job.tested.as_ref().is_some_and(|end| end.verdict == Verdict::Failed);
    match job.outcome() {
        Some(Outcome::Failure) if has_red_tests => "❌ tests failed",
        Some(Outcome::Success) => "✅ success",
        Some(Outcome::Failure) => "❌ failure",
        Some(Outcome::Cancelled) => "🚫 cancelled",
        Some(Outcome::Skipped) => "⏭️ skipped",
        None => "❔ did not end",
    }
}

fn slowest(job: &Job) -> String {
    let leaves = job.parts.iter().filter(|part| part.what != What::Phase(crate::event::Phase::Steps));
    let timed = leaves.filter_map(|part| Some((part, part.seconds?)));
    let slowest = timed.max_by(|(_, a), (_, b)| a.total_cmp(b));
    slowest.map(|(part, took)| format!("{} {}", code(&part.what.title()), text::duration(took))).unwrap_or_default()
}

fn troubles(run: &Run, setting: &Setting, severity: Severity) -> Vec<String> {
    let merged: Vec<Merged<'_>> = run.merged().into_iter().filter(|one| one.trouble.severity == severity).collect();
    let (title, label) = match severity {
        Severity::Error => ("Failures", "error"),
        Severity::Warning => ("Warnings", "warning"),
    };
    let mut pieces = Vec::new();
    for (index, one) in merged.iter().take(FAILURES).enumerate() {
        let heading = if index == 0 { format!("### {title}\n\n") } else { String::new() };
        pieces.push(format!("{heading}{}", trouble(one, setting, label)));
    }
    if merged.len() > FAILURES {
        pieces.push(format!("{} more are in the logs.\n\n", merged.len() - FAILURES));
    }
    pieces
}

fn trouble(merged: &Merged<'_>, setting: &Setting, label: &str) -> String {
    let what = merged.trouble.during.as_ref().map(|what| format!(" in {}", code(&what.title()))).unwrap_or_default();
    let jobs = code(&merged.jobs_title());
    let lines = failure::block(label, &shown(&merged.trouble.failure, setting));
    let mut piece = format!("**{jobs}**{what}\n\n{}\n", block("text", &lines));
    // An image whose tests failed was built: there is more to see in it than in another.
    if label == "error"
        && !merged.trouble.is_test
        && let Some(job) = merged.jobs.first()
    {
        piece.push_str(&format!("Build it again:\n\n{}\n", block("sh", &[command(setting, &job.0)])));
    }
    piece
}

/// The failure with its place as the repository names it, and the end of its excerpt.
fn shown(failure: &Failure, setting: &Setting) -> Failure {
    let mut shown = failure.clone();
    if let Some(place) = &mut shown.place
        && let Some(file) = setting.file_of(place)
    {
        place.file = file.into();
    }
    let cut = |line: &String| text::cut(line, LONGEST_LINE);
    shown.excerpt = failure.excerpt.iter().skip(failure.excerpt.len().saturating_sub(EXCERPT)).map(cut).collect();
    shown.command = failure.command.as_ref().map(|command| text::cut(command, LONGEST_LINE * 4));
    shown.message = text::cut(&failure.message, LONGEST_LINE * 4);
    shown
}

/// What was going on in each job when the run was stopped: nothing else says how much of it is lost.
fn cancelled(run: &Run) -> Vec<String> {
    let jobs = run.jobs.iter().filter(|job| job.outcome() == Some(Outcome::Cancelled));
    let mut pieces: Vec<String> = jobs.map(|job| format!("- {}\n", cancelled_in(job))).collect();
    if let Some(last) = pieces.last_mut() {
        last.push('\n');
        pieces.insert(0, "### Cancelled\n\n".to_owned());
    }
    pieces
}

fn cancelled_in(job: &Job) -> String {
    let id = code(&job.id.0);
    if job.begin.is_none() {
        return format!("{id} was not started");
    }
    let cut =
        |part: &&Part| part.step.as_ref().map_or(part.seconds.is_none(), |step| step.outcome == Outcome::Cancelled);
    let step = job.parts.iter().filter(|part| matches!(part.what, What::Step(..))).rfind(cut);
    // A phase that ended none of its steps was cut itself.
    let open = step.or_else(|| job.parts.iter().rfind(|part| job.was_cancelled_in(part)));
    let place = open.map(|part| format!(" in {}", code(&part.what.title()))).unwrap_or_default();
    let time = job.end.as_ref().map(|end| format!(" after {}", text::duration(end.seconds))).unwrap_or_default();
    format!("{id}{place}{time}")
}

/// Where to look on: of failed jobs, what only those keep.
fn kept(run: &Run, setting: &Setting) -> Vec<String> {
    let path = |job: &Job, file: &str| code(&setting.output(camino::Utf8Path::new(&job.id.0).join(file)));
    let row = |job: &Job| {
        let files: Vec<String> = job.kept.iter().map(|kept| path(job, &kept.file)).collect();
        format!("| {} | {} |\n", code(&job.id.0), files.join("<br>"))
    };
    // Tests keep the console of every boot; of those that passed nobody asks for it here.
    let is_asked = |job: &&Job| !job.kept.is_empty() && (job.outcome() != Some(Outcome::Success) || is_flaky(job));
    let mut rows: Vec<String> = run.jobs.iter().filter(is_asked).map(row).collect();
    let title = if run.jobs.iter().any(is_flaky) { "Kept of failed and flaky jobs" } else { "Kept of failed jobs" };
    if let Some(last) = rows.last_mut() {
        last.push_str("\nThey are on the runner, and in the artifact if the workflow uploads one:\n\n");
        last.push_str(&upload(setting));
        rows.insert(0, format!("### {title}\n\n| Job | Files |\n| --- | --- |\n"));
    }
    rows
}

fn is_flaky(job: &Job) -> bool {
    job.tested.as_ref().is_some_and(|end| end.verdict == Verdict::Flaky)
}

/// The lines of a workflow that upload the output folder.
fn upload(setting: &Setting) -> String {
    let path = serde_json::Value::from(text::line(setting.out.as_str())).to_string();
    let lines = [
        "- uses: actions/upload-artifact@v4".to_owned(),
        "  if: always()".to_owned(),
        format!("  with: {{ name: ovenbird, path: {path} }}"),
    ];
    format!("{}\n", block("yaml", &lines))
}

fn images(run: &Run, setting: &Setting) -> Vec<String> {
    let rows = run.jobs.iter().flat_map(|job| job.artifacts.iter().map(move |artifact| (job, artifact)));
    let row = |(job, artifact): (&Job, &Artifact)| {
        let path = setting.output(camino::Utf8Path::new(&job.id.0).join(&artifact.file));
        let (size, disk) = (text::bytes(artifact.size), text::bytes(artifact.virtual_size));
        format!("| {} | {size} | {disk} | {} |\n", code(&path), code(&artifact.sha256))
    };
    let mut rows: Vec<String> = rows.map(row).collect();
    if let Some(last) = rows.last_mut() {
        last.push('\n');
        rows.insert(0, "### Files\n\n| File | Size | Disk | SHA-256 |\n| --- | ---: | ---: | --- |\n".to_owned());
    }
    rows
}

fn timeline(run: &Run) -> Option<String> {
    let (chart, left) = mermaid::timeline(run)?;
    let left = if left > 0 { format!("{left} more jobs do not fit the chart.\n\n") } else { String::new() };
    Some(format!("### Timeline (UTC)\n\n{chart}\n{left}"))
}

fn reproduce(run: &Run, setting: &Setting) -> String {
    let job = run.jobs.first().map(|job| job.id.0.as_str()).unwrap_or_default();
    let verb = if run.is_test() { "Test" } else { "Build" };
    format!("### {verb} it on your machine\n\nIn the root of the repository, for each job its name:\n\n{}", {
        block("sh", &[command(setting, job)])
    })
}

fn command(setting: &Setting, job: &str) -> String {
    format!("{} {job}", setting.command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Event, Phase};
    use crate::report::testing::{at, finished, scripted_run, tested_run};

    fn run(events: &[Event]) -> Run {
        let mut run = Run::default();
        events.iter().for_each(|event| run.take(event));
        run
    }

    fn setting() -> Setting {
        let command = "ovenbird build --file images/ovenbird.yml".to_owned();
        Setting { folder: "images".into(), out: "ovenbird-out".into(), command }
    }

    #[test]
    fn a_summary_tells_the_whole_run() {
        insta::assert_snapshot!(render(&run(&scripted_run()), &setting(), LONGEST), @r#"
        ## Machine images: 1 of 5 jobs built, 2 failed, 2 cancelled in 1m15s

        | Job | Result | Time | Slowest part | Files |
        | --- | --- | ---: | --- | ---: |
        | `web-bookworm` | ✅ success | 1m14s | `1. Install nginx` 31.2s | 2 |
        | `web-trixie` | ❌ failure | 3.0s | `1. Install nginx` 2.0s |  |
        | `crash` | ❌ failure | 1.0s |  |  |
        | `late` | 🚫 cancelled | 5.0s |  |  |
        | `never` | 🚫 cancelled | 0.0s |  |  |

        ### Failures

        **`web-trixie`** in `1. Install nginx`

        ```text
        error: step `Install nginx` failed (exit status 100)
          at images/ovenbird.yml:21:7
          command: apt-get install -y ngnix
          | E: Unable to locate package ngnix
        ```

        Build it again:

        ```sh
        ovenbird build --file images/ovenbird.yml web-trixie
        ```

        **`crash`**

        ```text
        error: the job's process was killed by SIGKILL
          hint: the machine may have run out of memory
        ```

        Build it again:

        ```sh
        ovenbird build --file images/ovenbird.yml crash
        ```

        ### Cancelled

        - `late` in `source` after 5.0s
        - `never` was not started

        ### Kept of failed jobs

        | Job | Files |
        | --- | --- |
        | `web-trixie` | `ovenbird-out/web-trixie/screenshot.png`<br>`ovenbird-out/web-trixie/console.txt`<br>`ovenbird-out/web-trixie/journal.txt` |

        They are on the runner, and in the artifact if the workflow uploads one:

        ```yaml
        - uses: actions/upload-artifact@v4
          if: always()
          with: { name: ovenbird, path: "ovenbird-out" }
        ```

        ### Files

        | File | Size | Disk | SHA-256 |
        | --- | ---: | ---: | --- |
        | `ovenbird-out/web-bookworm/web.qcow2` | 161.0 MiB | 4.0 GiB | `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` |
        | `ovenbird-out/web-bookworm/web.vmdk` | 172.0 MiB | 4.0 GiB | `bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb` |

        ### Timeline (UTC)

        ```mermaid
        gantt
          dateFormat YYYY-MM-DDTHH:mm:ss.SSS
          axisFormat %H:%M:%S
          section web-bookworm
          source :done, 2026-11-21T12:00:00.100, 2026-11-21T12:00:14.100
          boot :done, 2026-11-21T12:00:14.100, 2026-11-21T12:00:40.100
          1. Install nginx :done, 2026-11-21T12:00:40.100, 2026-11-21T12:01:11.300
          2. Try something :done, 2026-11-21T12:01:11.300, 2026-11-21T12:01:12.300
          convert :done, 2026-11-21T12:01:11.500, 2026-11-21T12:01:14.000
          section web-trixie
          1. Install nginx :crit, 2026-11-21T12:00:00.300, 2026-11-21T12:00:02.300
          section late
          source :active, 2026-11-21T12:01:10.500, 2026-11-21T12:01:15.000
        ```

        ### Warnings

        **`web-bookworm`** in `source`

        ```text
        warning: the mirror is slow
          hint: name a mirror
        ```

        ### Build it on your machine

        In the root of the repository, for each job its name:

        ```sh
        ovenbird build --file images/ovenbird.yml web-bookworm
        ```
        "#);
    }

    #[test]
    fn a_cancelled_job_is_told_with_the_step_that_was_cut() {
        let (name, outcome) = ("Install nginx".to_owned(), Outcome::Cancelled);
        let end = crate::event::StepFinished { step: 1, name, outcome, conclusion: outcome, seconds: 2.0, attempts: 1 };
        let events = [
            Body::JobStarted { name: "web".to_owned(), platform: "qemu".to_owned(), tests_only: false },
            Body::PhaseStarted { phase: Phase::Steps },
            Body::StepStarted { step: 1, name: "Install nginx".to_owned() },
            Body::StepFinished(end),
            Body::PhaseFinished { phase: Phase::Steps, seconds: 2.0 },
            finished(Outcome::Cancelled, 65.0, Some("cancelled")),
        ];
        let run = run(&events.map(|body| at(0.0, Some("web"), body)));
        assert_eq!(cancelled(&run), ["### Cancelled\n\n", "- `web` in `2. Install nginx` after 1m05s\n\n"]);
    }

    #[test]
    fn a_long_summary_is_cut_between_pieces_and_says_so() {
        let excerpt: Vec<String> = (0..400).map(|line| format!("{line} {}", "`x".repeat(900))).collect();
        let mut events = Vec::new();
        for job in 0..300 {
            let id = format!("job-{job}");
            let failure = Failure { excerpt: excerpt.clone(), ..Failure::new(format!("failure of {job}")) };
            let bodies = [
                Body::PhaseStarted { phase: Phase::Boot },
                Body::PhaseFinished { phase: Phase::Boot, seconds: 1.0 },
                Body::Failure(failure),
                finished(Outcome::Failure, 1.0, None),
            ];
            events.extend(bodies.map(|body| at(0.0, Some(&id), body)));
        }
        let run = run(&events);
        let whole = render(&run, &setting(), LONGEST);
        assert!(whole.len() <= LONGEST, "{}", whole.len());
        for room in [whole.len() - 1, 500_000, 40_000, 20_000, 5000, 100, 0] {
            let cut = render(&run, &setting(), room);
            assert!(cut.len() <= room, "{} of {room}", cut.len());
            assert!(cut.is_empty() || cut.ends_with("All of it is in `ovenbird-out/*/log.txt`.\n"), "{room}");
            assert_eq!(cut.lines().filter(|line| line.starts_with("```")).count() % 2, 0, "a block is left open");
        }
        assert!(!render(&run, &setting(), 5000).is_empty());
    }

    #[test]
    fn a_summary_tells_what_tests_came_to() {
        insta::assert_snapshot!(render(&run(&tested_run()), &setting(), LONGEST), @r#"
        ## Machine images: 3 of 3 jobs built, 1 with failed tests in 50.0s

        | Job | Result | Time | Slowest part | Files |
        | --- | --- | ---: | --- | ---: |
        | `green` | ✅ success | 45.0s | `test` 34.0s | 1 |
        | `red` | ❌ tests failed | 45.0s | `test` 34.0s | 1 |
        | `unsteady` | ✅ success | 45.0s | `test` 34.0s | 1 |

        ### Tests of the images

        | Job | Tests | Counts | Level | Login after power-on | From start to verdict |
        | --- | --- | --- | --- | ---: | ---: |
        | `green` | ✅ passed | 2 passed, 1 warned, 1 waived, 1 skipped | standard | 12.0s | 44.0s |
        | `red` | ❌ failed | 2 failed, 1 passed | standard | 12.0s | 44.0s |
        | `unsteady` | ⚠️ flaky, passed at attempt 2 only | 2 passed | standard | 12.0s | 44.0s |

        - `waived: check grown: the disk is filled on purpose (until 2027-01-31)` in `green`

        Look around in a throw-away copy of an image, once its artifact is downloaded to this path:

        ```sh
        ovenbird boot ovenbird-out/green/green.qcow2
        ovenbird boot ovenbird-out/red/red.qcow2
        ovenbird boot ovenbird-out/unsteady/unsteady.qcow2
        ```

        ### Failures

        **`red`** in `test`

        ```text
        error: check failed-units: app.service has failed
          | app.service: Failed with result 'exit-code'.
          hint: `systemctl status app.service` in the image tells why
        ```

        **`red`** in `test`

        ```text
        error: service nginx: running: expected true, found false
          at images/tests/goss.yaml:4:5
        ```

        ### Kept of failed and flaky jobs

        | Job | Files |
        | --- | --- |
        | `red` | `ovenbird-out/red/test-1/console.txt`<br>`ovenbird-out/red/test-1/journal.txt` |
        | `unsteady` | `ovenbird-out/unsteady/test-1/console.txt`<br>`ovenbird-out/unsteady/test-1/journal.txt` |

        They are on the runner, and in the artifact if the workflow uploads one:

        ```yaml
        - uses: actions/upload-artifact@v4
          if: always()
          with: { name: ovenbird, path: "ovenbird-out" }
        ```

        ### Files

        | File | Size | Disk | SHA-256 |
        | --- | ---: | ---: | --- |
        | `ovenbird-out/green/green.qcow2` | 161.0 MiB | 4.0 GiB | `cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc` |
        | `ovenbird-out/red/red.qcow2` | 161.0 MiB | 4.0 GiB | `cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc` |
        | `ovenbird-out/unsteady/unsteady.qcow2` | 161.0 MiB | 4.0 GiB | `cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc` |

        ### Timeline (UTC)

        ```mermaid
        gantt
          dateFormat YYYY-MM-DDTHH:mm:ss.SSS
          axisFormat %H:%M:%S
          section green
          convert :done, 2026-11-21T12:00:00.000, 2026-11-21T12:00:10.000
          test :done, 2026-11-21T12:00:10.000, 2026-11-21T12:00:44.000
          section red
          convert :done, 2026-11-21T12:00:00.000, 2026-11-21T12:00:10.000
          test :crit, 2026-11-21T12:00:10.000, 2026-11-21T12:00:44.000
          section unsteady
          convert :done, 2026-11-21T12:00:00.000, 2026-11-21T12:00:10.000
          test :done, 2026-11-21T12:00:10.000, 2026-11-21T12:00:44.000
        ```

        ### Warnings

        **`green`** in `test`

        ```text
        warning: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        ```

        **`unsteady`** in `test`

        ```text
        warning: flaky: http http://localhost/: status: expected 200, found 502
          at images/tests/goss.yaml:14:5
        ```

        ### Build it on your machine

        In the root of the repository, for each job its name:

        ```sh
        ovenbird build --file images/ovenbird.yml green
        ```
        "#);
    }
}
