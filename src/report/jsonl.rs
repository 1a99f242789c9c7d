//! Every event as a line of JSON, for other programs.

use std::io::{self, Write};

use super::sinks::Sink;
use super::text;
use crate::event::Event;

/// Writes JSON Lines.
pub(super) struct JsonLines<W> {
    writer: W,
    result: io::Result<()>,
}

impl<W: Write + Send> JsonLines<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, result: Ok(()) }
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        // Someone will `cat` the file in CI.
        let line = text::json(&line);
        // One call a line, so that a reader never sees half of one and a killed run loses none.
        self.writer.write_all(line.as_bytes())
    }
}

impl<W: Write + Send> Sink for JsonLines<W> {
    fn on_event(&mut self, event: &Event) {
        if self.result.is_ok() {
            self.result = self.write(event);
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.result?;
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::{Body, Stream};
    use crate::report::testing::{Buffer, at, scripted_run};

    #[test]
    fn every_event_comes_back_as_it_was() {
        let buffer = Buffer::default();
        let mut sink = Box::new(JsonLines::new(buffer.clone()));
        let events = scripted_run();
        events.iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        let read: Vec<Event> = buffer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, events);
    }

    #[test]
    fn a_workflow_command_is_not_seen_by_who_prints_the_file_and_is_seen_by_who_parses_it() {
        let buffer = Buffer::default();
        let mut sink = Box::new(JsonLines::new(buffer.clone()));
        let event =
            at(0.0, Some("web"), Body::Output { step: None, stream: Stream::Stdout, line: "##[error]x".into() });
        sink.on_event(&event);
        sink.finish().unwrap();
        assert!(!buffer.text().contains("##["));
        assert_eq!(serde_json::from_str::<Event>(&buffer.text()).unwrap(), event);
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut sink = Box::new(JsonLines::new(full));
        scripted_run().iter().for_each(|event| sink.on_event(event));
        assert_eq!(sink.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
