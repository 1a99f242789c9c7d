//! What GitHub is told of a run: masks at once, the rest at the end, when it is known what is most useful.

use std::io::{self, Write};

use super::{annotations, command, outputs, summary};
use crate::event::Event;
use crate::report::ci::{GitHub, Setting};
use crate::report::file;
use crate::report::run::Run;
use crate::report::sinks::{Sink, write_unless_closed};

/// Writes commands to `writer`, and the runner's files.
pub(in crate::report) struct Actions<W> {
    writer: W,
    setting: Setting,
    github: GitHub,
    run: Run,
}

impl<W: Write + Send> Actions<W> {
    /// Tells the runner first of all what to hide.
    ///
    /// # Errors
    /// It can't be told.
    pub(in crate::report) fn new(mut writer: W, setting: Setting, github: GitHub) -> io::Result<Self> {
        github.masks.announce(|line| writer.write_all(command::line("add-mask", &[], line).as_bytes()))?;
        writer.flush()?;
        Ok(Self { writer, setting, github, run: Run::default() })
    }

    fn annotate(&mut self) -> io::Result<()> {
        let (mut lines, left) = annotations::commands(&self.run, &self.setting, self.github.masks.unmasked());
        if left > 0 {
            let place = if self.github.summary.is_some() { "the summary of this step" } else { "the logs" };
            lines.push_str(&format!("ovenbird | GitHub shows 10 annotations of a kind: {left} more are in {place}.\n"));
        }
        write_unless_closed(&mut self.writer, lines.as_bytes())
    }

    fn summarize(&self) -> io::Result<()> {
        let Some(path) = &self.github.summary else { return Ok(()) };
        // Other commands of the same step may have written theirs.
        let taken = std::fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        let text = summary::render(&self.run, &self.setting, summary::LONGEST.saturating_sub(taken));
        file::append(path, text.as_bytes())
    }

    fn output(&mut self) -> io::Result<()> {
        let Some(path) = &self.github.output else { return Ok(()) };
        let (given, long) = outputs::outputs(&self.run, &self.setting);
        let entries = given.iter().map(|(name, value)| outputs::entry(name, value, &self.github.token));
        file::append(path, entries.collect::<String>().as_bytes())?;
        let warn = |name| command::line("warning", &[], &format!("the output `{name}` is left out: GitHub takes 1 MB"));
        let warnings: String = long.into_iter().map(warn).collect();
        write_unless_closed(&mut self.writer, warnings.as_bytes())
    }
}

impl<W: Write + Send> Sink for Actions<W> {
    fn on_event(&mut self, event: &Event) {
        self.run.take(event);
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let results = [self.annotate(), self.summarize(), self.output()];
        results.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8Path;

    use super::*;
    use crate::report::github::runner::{Runner, entries};
    use crate::report::testing::{Buffer, scripted_run};
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
