//! What GitHub is told of a run: masks at once, the rest at the end, when it is known what is most useful.

use std::io::{self, Write};

use super::checks::CheckRuns;
use super::{annotations, command, outputs, summary};
use crate::event::Event;
use crate::forge::github::{Checks, Settled};
use crate::report::ci::{Annotations, GitHub, Setting};
use crate::report::file;
use crate::report::run::Run;
use crate::report::sinks::{Sink, write_unless_closed};
use crate::report::text;

/// Writes commands to `writer`, and the runner's files.
pub(in crate::report) struct Actions<W> {
    writer: W,
    setting: Setting,
    github: GitHub,
    run: Run,
    checks: Option<CheckRuns>,
}

impl<W: Write + Send> Actions<W> {
    /// Tells the runner first of all what to hide.
    ///
    /// # Errors
    /// It can't be told.
    pub(in crate::report) fn new(mut writer: W, setting: Setting, github: GitHub) -> io::Result<Self> {
        github
            .masks
            .announce(|line| write_unless_closed(&mut writer, command::line("add-mask", &[], line).as_bytes()))?;
        writer.flush()?;
        Ok(Self { writer, setting, github, run: Run::default(), checks: None })
    }

    /// With check runs, which then show what failed.
    pub(in crate::report) fn with(mut self, checks: Option<Checks>) -> Self {
        self.checks = checks.map(|checks| CheckRuns::new(checks, self.setting.clone()));
        self
    }

    /// `own`: what is wrong with what we tell GitHub. It takes room from other warnings, or the runner would drop it.
    fn annotate(&mut self, own: &[String]) -> io::Result<()> {
        let Settled { carried, notice } = self.checks.take().map(|checks| checks.settle(&self.run)).unwrap_or_default();
        if self.github.annotations == Annotations::None {
            let lines: String = own.iter().map(|text| format!("ovenbird | warning: {}\n", text::line(text))).collect();
            return write_unless_closed(&mut self.writer, lines.as_bytes());
        }
        let unmasked = self.github.masks.unmasked();
        let (mut lines, left) = annotations::commands(&self.run, &self.setting, unmasked, &carried, own);
        lines.extend(notice.map(|notice| annotations::notice("Check runs", &notice)));
        if left > 0 {
            let place = if self.github.summary.is_some() { "the summary of this step" } else { "the logs" };
            lines.push_str(&format!("ovenbird | GitHub shows 10 annotations of a kind: {left} more are in {place}.\n"));
        }
        write_unless_closed(&mut self.writer, lines.as_bytes())
    }

    /// The page of the run is for people: what can't be written of it is a warning, and nothing fails.
    fn summarize(&self) -> Option<String> {
        let path = self.github.summary.as_ref()?;
        // Other commands of the same step may have written theirs.
        let taken = std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        let text = summary::render(&self.run, &self.setting, summary::LONGEST.saturating_sub(taken));
        let error = file::append(path, text.as_bytes()).err()?;
        Some(format!("there is no summary: {error} (`GITHUB_STEP_SUMMARY` must be a file that we can write)"))
    }

    /// Later steps read outputs: one that is missing without a word would be taken for an empty one. Returns what to warn of.
    fn output(&self) -> io::Result<Vec<String>> {
        let Some(path) = &self.github.output else { return Ok(Vec::new()) };
        let (given, long) = outputs::outputs(&self.run, &self.setting);
        let entries = given.iter().map(|(name, value)| outputs::entry(name, value, &self.github.token));
        file::append(path, entries.collect::<String>().as_bytes()).map_err(|error| {
            io::Error::new(error.kind(), format!("{error} (`GITHUB_OUTPUT` must be a file that we can write)"))
        })?;
        let left_out = |name| format!("the output `{name}` is left out: GitHub takes 1 MB; read `images.json` instead");
        Ok(long.into_iter().map(left_out).collect())
    }
}

impl<W: Write + Send> Sink for Actions<W> {
    fn on_event(&mut self, event: &Event) {
        self.run.take(event);
        if let Some(checks) = &mut self.checks {
            checks.on_event(event);
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let output = self.output();
        let own: Vec<String> = output.iter().flatten().cloned().chain(self.summarize()).collect();
        // GitHub's API is waited for last: who is killed meanwhile loses annotations only.
        let annotated = self.annotate(&own);
        output.map(|_| ()).and(annotated)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8Path;

    use super::*;
    use crate::event::{Body, Failure};
    use crate::report::github::runner::{Runner, entries};
    use crate::report::testing::{Buffer, at, scripted_run};
    use crate::secret::Secrets;

    #[test]
    fn masks_come_first_and_nothing_that_a_step_wrote_before_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Utf8Path::from_path(folder.path()).unwrap().join(name);
        std::fs::write(path("summary"), "# Before\n").unwrap();
        std::fs::write(path("output"), "before=1\n").unwrap();
        let mut secrets = Secrets::default();
        secrets.insert("key", "line one\nline 100%\nx");
        let github = GitHub {
            summary: Some(path("summary")),
            output: Some(path("output")),
            token: "t".to_owned(),
            masks: secrets.masks(),
            ..GitHub::default()
        };
        let buffer = Buffer::default();
        let mut sink = Box::new(Actions::new(buffer.clone(), Setting::default(), github).unwrap());
        assert_eq!(buffer.text(), "::add-mask::line one\n::add-mask::line 100%25\n", "before any event");
        scripted_run().iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        let runner = Runner::read(buffer.text().as_bytes());
        assert_eq!(runner.masks, ["line one", "line 100%"]);
        assert!(runner.annotations.iter().any(|one| one.message.contains("the sensitive variable `key`")));
        assert!(std::fs::read_to_string(path("summary")).unwrap().starts_with("# Before\n## Machine images: 1 of 5"));
        let outputs = entries(&std::fs::read_to_string(path("output")).unwrap()).unwrap();
        assert_eq!(
            outputs.keys().collect::<Vec<_>>(),
            ["artifact-id", "before", "images", "job-id", "manifest", "report"]
        );
    }

    #[test]
    fn what_can_not_be_told_to_github_is_one_warning_and_only_outputs_fail() {
        let finished = |github: GitHub| {
            let buffer = Buffer::default();
            let mut sink = Box::new(Actions::new(buffer.clone(), Setting::default(), github).unwrap());
            let many = (0..20).map(|warning| Body::Warning(Failure::new(format!("warning {warning}"))));
            scripted_run().iter().for_each(|event| sink.on_event(event));
            many.for_each(|body| sink.on_event(&at(0.0, Some("web-trixie"), body)));
            (sink.finish(), Runner::read(buffer.text().as_bytes()))
        };
        let gone = Some(Utf8Path::new("/nowhere/file").to_owned());
        let (result, runner) = finished(GitHub { summary: gone.clone(), ..GitHub::default() });
        result.unwrap();
        let told = "there is no summary: failed to write `/nowhere/file`: ";
        assert_eq!(runner.annotations.iter().filter(|one| one.message.starts_with(told)).count(), 1);
        assert_eq!(runner.dropped, 0, "ours is among the ten that GitHub keeps");
        let (result, runner) = finished(GitHub { output: gone, ..GitHub::default() });
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with("(`GITHUB_OUTPUT` must be a file that we can write)"), "{error}");
        assert!(!runner.annotations.is_empty(), "the rest is told all the same");
    }

    #[test]
    fn a_summary_that_another_command_filled_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("summary");
        std::fs::write(&path, "x".repeat(summary::LONGEST)).unwrap();
        let github = GitHub { summary: Some(path.clone()), ..GitHub::default() };
        let mut sink = Box::new(Actions::new(Buffer::default(), Setting::default(), github).unwrap());
        scripted_run().iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), summary::LONGEST as u64);
    }
}
