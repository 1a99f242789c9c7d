//! The console on a terminal: one live line for each job that runs, and above them what stays: failures, and how each
//! job ended.
//!
//! The drawing is indicatif's, which never hides the cursor and rewrites only what changed. What a line says is the pure
//! [`Line`].

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::super::run::Severity;
use super::super::sinks::Sink;
use super::super::text::Paint;
use super::super::{failure, log, text, verdict};
use super::plain::{self, Detail};
use crate::event::{Body, Event, Failure, JobFinished, JobId, Stream, Tested, Unit};

/// Lines of a failed step that are shown again, for nobody saw them pass. More would scroll the failure out of reach;
/// the log has them all.
const TAIL_LINES: usize = 200;

/// The running time changes once a second; twice as often is enough for it to look even.
const TICK: Duration = Duration::from_millis(500);

/// Columns of a progress bar.
const BAR: usize = 20;

/// Draws live lines.
pub(in crate::report) struct Live {
    screen: MultiProgress,
    out: Utf8PathBuf,
    detail: Detail,
    paint: Paint,
    /// The last line: how many jobs are done.
    footer: Option<ProgressBar>,
    total: usize,
    done: usize,
    id_columns: usize,
    jobs: BTreeMap<JobId, Job>,
}

/// A job that runs.
struct Job {
    bar: ProgressBar,
    line: Line,
    tail: Tail,
}

impl Live {
    pub(in crate::report) fn new(target: ProgressDrawTarget, out: Utf8PathBuf, detail: Detail, paint: Paint) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let jobs = BTreeMap::new();
        Self { screen, out, detail, paint, footer: None, total: 0, done: 0, id_columns: 0, jobs }
    }

    fn run_started(&mut self, jobs: &[JobId]) {
        self.total = jobs.len();
        self.id_columns = jobs.iter().map(|job| text::width(&job.0)).max().unwrap_or(0);
        if self.total > 1 {
            let footer = self.screen.add(ProgressBar::no_length().with_style(style()));
            footer.enable_steady_tick(TICK);
            self.footer = Some(footer);
            self.count();
        }
    }

    /// Shows how far the run is.
    fn count(&self) {
        if let Some(footer) = &self.footer {
            let (done, running) = (self.done, self.jobs.len());
            footer.set_message(format!("{done} of {} done, {running} running", self.total));
        }
    }

    fn job_started(&mut self, id: &JobId) {
        let line = Line { id: text::pad(&text::line(&id.0), self.id_columns), ..Line::default() };
        let bar = ProgressBar::no_length().with_style(style());
        let from_back = usize::from(self.footer.is_some());
        let bar = self.screen.insert_from_back(from_back, bar);
        bar.set_message(line.text());
        bar.enable_steady_tick(TICK);
        self.jobs.insert(id.clone(), Job { bar, line, tail: Tail::default() });
        self.count();
    }

    fn job_finished(&mut self, id: &JobId, end: &JobFinished) {
        if let Some(job) = self.jobs.remove(id) {
            job.bar.finish_and_clear();
            self.screen.remove(&job.bar);
        }
        self.done += 1;
        self.count();
        let outcome = self.paint.outcome(text::outcome(end.outcome), end.outcome);
        let reason = end.reason.as_deref().map(|reason| format!(": {}", text::line(reason))).unwrap_or_default();
        let id_text = self.paint.job(&text::pad(&text::line(&id.0), self.id_columns));
        let mut lines = vec![format!("{id_text}  {outcome} after {}{reason}", text::duration(end.seconds))];
        if end.outcome == crate::event::Outcome::Failure {
            lines.push(format!("  log: {}", log::path(&self.out, id)));
        }
        self.print(&lines);
    }

    fn failure(&mut self, job: Option<&JobId>, error: &Failure) {
        let mut lines = Vec::new();
        let mut error = error.clone();
        if let Some(id) = job {
            let tail = self.jobs.get_mut(id).map(|job| std::mem::take(&mut job.tail)).unwrap_or_default();
            let heading = self.paint.job(&text::line(&id.0));
            if tail.lines.is_empty() {
                lines.push(heading);
            } else {
                lines.push(format!("{heading} printed:"));
                lines.extend(tail.text(&format!("the log ({})", log::path(&self.out, id))));
                // What was just shown is not shown twice.
                error.excerpt.retain(|line| !tail.lines.contains(line));
            }
        }
        lines.extend(failure::block(&self.paint.outcome("error", crate::event::Outcome::Failure), &error));
        self.print(&lines);
    }

    fn tested(&mut self, job: Option<&JobId>, test: &Tested) {
        match verdict::trouble(test) {
            Some((Severity::Error, error)) => self.failure(job, &error),
            _ => {
                let lines = plain::tested(test, self.detail);
                if !lines.is_empty() {
                    self.prefixed(job, &lines);
                }
            }
        }
    }

    fn output(&mut self, job: Option<&JobId>, stream: Stream, line: &str) {
        if stream != Stream::Console
            && let Some(job) = job.and_then(|id| self.jobs.get_mut(id))
        {
            job.tail.push(line);
        }
        if self.detail == Detail::Everything {
            self.prefixed(job, &text::lines(line).collect::<Vec<_>>());
        }
    }

    /// Prints lines above the live ones, with the job in front.
    fn prefixed(&self, job: Option<&JobId>, lines: &[String]) {
        let prefix = self.paint.job(&text::line(job.map_or("ovenbird", |job| &job.0)));
        let lines: Vec<String> = lines.iter().map(|line| format!("{prefix} | {line}")).collect();
        self.print(&lines);
    }

    fn print(&self, lines: &[String]) {
        // A terminal that is gone ends the talk, not the build.
        let _ = self.screen.println(lines.join("\n"));
    }
}

impl Sink for Live {
    fn on_event(&mut self, event: &Event) {
        let job = event.job.as_ref();
        match (&event.event, job) {
            (Body::RunStarted { jobs, .. }, _) => self.run_started(jobs),
            (Body::JobStarted { .. }, Some(id)) => self.job_started(id),
            (Body::JobFinished(end), Some(id)) => self.job_finished(id, end),
            (Body::Failure(error), _) => self.failure(job, error),
            (Body::Warning(warning), _) => self.prefixed(job, &failure::block("warning", warning)),
            (Body::Note { text }, _) => {
                self.prefixed(job, &text::lines(text).map(|line| format!("note: {line}")).collect::<Vec<_>>());
            }
            (Body::Tested(test), _) => self.tested(job, test),
            (Body::TestsFinished(end), _) => self.prefixed(job, &[verdict::sentence(end)]),
            (Body::Output { stream, line, .. }, _) => self.output(job, *stream, line),
            (body, Some(id)) => {
                if let Some(job) = self.jobs.get_mut(id) {
                    if matches!(body, Body::PhaseStarted { .. } | Body::StepStarted { .. }) {
                        job.tail = Tail::default();
                    }
                    job.line.on(body);
                    job.bar.set_message(job.line.text());
                }
            }
            (_, None) => {}
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let bars = self.jobs.values().map(|job| &job.bar).chain(self.footer.as_ref());
        bars.for_each(ProgressBar::finish_and_clear);
        self.jobs.clear();
        // Nothing is left to draw; a terminal that is gone is no failure.
        let _ = self.screen.clear();
        Ok(())
    }
}

/// Running time, then what [`Line`] says, cut at the terminal's edge by indicatif.
fn style() -> ProgressStyle {
    let time = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let seconds = state.elapsed().as_secs();
        let _ = write!(out, "{:>3}:{:02}", seconds / 60, seconds % 60);
    };
    // The template is constant and right, as the tests of this file show; the default style would do as well.
    ProgressStyle::with_template("{time}  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("time", time)
}

/// What a job's line says. Pure.
#[derive(Debug, Default)]
struct Line {
    id: String,
    activity: String,
    progress: String,
}

impl Line {
    /// Takes what an event says about what the job does now.
    fn on(&mut self, body: &Body) {
        match body {
            Body::PhaseStarted { phase } => self.now(plain::activity(*phase).trim_end_matches('.').to_owned()),
            Body::StepStarted { step, name } => self.now(format!("step {}: {}", step + 1, text::line(name))),
            Body::PhaseFinished { .. } | Body::StepFinished(_) | Body::Artifact(_) => self.progress.clear(),
            Body::Progress { what, done, total, unit } => self.progress = progress(what, *done, *total, *unit),
            _ => {}
        }
    }

    fn now(&mut self, activity: String) {
        self.activity = activity;
        self.progress.clear();
    }

    fn text(&self) -> String {
        // Progress takes the place of the activity: it says what is done itself, and narrow terminals show its start.
        let now = if self.progress.is_empty() { &self.activity } else { &self.progress };
        format!("{}  {now}", self.id)
    }
}

/// `[########------------]  40 % of 1.0 GiB  download`, or what is known of it.
fn progress(what: &str, done: u64, total: Option<u64>, unit: Unit) -> String {
    let whole = if unit == Unit::Percent { Some(100) } else { total };
    let filled = whole.map(|whole| {
        let share = u128::from(done.min(whole)) * BAR as u128 / u128::from(whole.max(1));
        usize::try_from(share).unwrap_or(BAR)
    });
    let bar = filled.map(|filled| format!("[{}{}] ", "#".repeat(filled), "-".repeat(BAR - filled))).unwrap_or_default();
    format!("{bar}{}  {}", plain::amount(done, total, unit), text::line(what))
}

/// The last lines of what runs now.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    dropped: usize,
}

impl Tail {
    fn push(&mut self, line: &str) {
        if self.lines.len() == TAIL_LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line.to_owned());
    }

    fn text(&self, log: &str) -> Vec<String> {
        let dropped = (self.dropped > 0).then(|| format!("  … {} more lines are in {log}", self.dropped));
        let lines = self.lines.iter().flat_map(|line| text::lines(line)).map(|line| format!("  | {line}"));
        dropped.into_iter().chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;
    use crate::event::{Outcome, Phase, StepFinished};
    use crate::report::testing::{at, finished, scripted_run, tested_run};

    /// A terminal that keeps what it shows, and everything that scrolled off its top.
    #[derive(Clone, Debug)]
    struct Screen {
        width: u16,
        state: Arc<Mutex<State>>,
    }

    #[derive(Debug, Default)]
    struct State {
        rows: Vec<Vec<char>>,
        row: usize,
        column: usize,
    }

    impl Screen {
        fn new(width: u16) -> Self {
            Self { width, state: Arc::default() }
        }

        fn text(&self) -> String {
            let state = self.state.lock().unwrap();
            let rows: Vec<String> = state.rows.iter().map(|row| row.iter().collect::<String>()).collect();
            rows.iter().map(|row| row.trim_end()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
        }

        fn put(&self, text: &str) {
            let mut state = self.state.lock().unwrap();
            for char in text.chars() {
                assert!(char == '\n' || char == '\r' || !char.is_control(), "an escape code in {text:?}");
                if char == '\r' {
                    state.column = 0;
                } else if char == '\n' {
                    (state.row, state.column) = (state.row + 1, 0);
                } else {
                    if state.column == usize::from(self.width) {
                        (state.row, state.column) = (state.row + 1, 0);
                    }
                    let (row, column) = (state.row, state.column);
                    let rows = state.rows.len().max(row + 1);
                    state.rows.resize(rows, Vec::new());
                    let columns = state.rows[row].len().max(column + 1);
                    state.rows[row].resize(columns, ' ');
                    state.rows[row][column] = char;
                    state.column += 1;
                }
            }
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            self.width
        }
        fn height(&self) -> u16 {
            30
        }
        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            let mut state = self.state.lock().unwrap();
            state.row = state.row.checked_sub(n).unwrap();
            Ok(())
        }
        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.state.lock().unwrap().row += n;
            Ok(())
        }
        fn move_cursor_right(&self, n: usize) -> io::Result<()> {
            self.state.lock().unwrap().column += n;
            Ok(())
        }
        fn move_cursor_left(&self, n: usize) -> io::Result<()> {
            let mut state = self.state.lock().unwrap();
            state.column = state.column.saturating_sub(n);
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.put(text);
            self.put("\n");
            Ok(())
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.put(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            let mut state = self.state.lock().unwrap();
            let row = state.row;
            if let Some(row) = state.rows.get_mut(row) {
                row.clear();
            }
            state.column = 0;
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn live(screen: &Screen, detail: Detail) -> Box<Live> {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        Box::new(Live::new(target, "ovenbird-out".into(), detail, Paint { colour: false }))
    }

    #[test]
    fn nothing_but_what_stays_is_left_after_the_run() {
        let screen = Screen::new(100);
        let mut sink = live(&screen, Detail::Steps);
        scripted_run().iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        insta::assert_snapshot!(screen.text(), @r"
        web-bookworm | warning: the mirror is slow
        web-bookworm |   hint: name a mirror
        web-bookworm  success after 1m14s
        web-trixie printed:
          | Reading package lists...
          | E: Unable to locate package ngnix
        error: step `Install nginx` failed (exit status 100)
          at ovenbird.yml:21:7
          command: apt-get install -y ngnix
        web-trixie    failure after 3.0s: step `Install nginx` failed (exit status 100)
          log: ovenbird-out/web-trixie/log.txt
        crash
        error: the job's process was killed by SIGKILL
          hint: the machine may have run out of memory
        crash         failure after 1.0s: the job's process was killed by SIGKILL
          log: ovenbird-out/crash/log.txt
        late          cancelled after 5.0s: cancelled
        never         cancelled after 0.0s: cancelled before it began
        ");
    }

    fn running(width: u16) -> String {
        let screen = Screen::new(width);
        let mut sink = live(&screen, Detail::Steps);
        let jobs = ["web", "database", "cache"].map(|job| JobId(job.into())).to_vec();
        sink.on_event(&at(
            0.0,
            None,
            Body::RunStarted { run: "r".into(), version: "0".into(), jobs, cells: [].into() },
        ));
        let started = || Body::JobStarted { name: "web".into(), platform: "qemu".into(), tests_only: false };
        let download = Body::Progress {
            what: "download `debian-13-generic-amd64.qcow2`".into(),
            done: 400 << 20,
            total: Some(1 << 30),
            unit: Unit::Bytes,
        };
        let events = [
            ("web", started()),
            ("database", started()),
            ("web", Body::StepStarted { step: 1, name: "Install nginx and all that it wants".into() }),
            ("database", Body::PhaseStarted { phase: Phase::Source }),
            ("database", download),
            // What stays is drawn at once, and with it the lines below.
            ("web", Body::Note { text: "a remark".into() }),
        ];
        events.into_iter().for_each(|(job, body)| sink.on_event(&at(1.0, Some(job), body)));
        let text = screen.text();
        sink.finish().unwrap();
        text
    }

    #[test]
    fn tests_leave_what_they_found_and_their_verdict() {
        let screen = Screen::new(160);
        let mut sink = live(&screen, Detail::Steps);
        tested_run().iter().for_each(|event| sink.on_event(event));
        sink.finish().unwrap();
        insta::assert_snapshot!(screen.text(), @"
        green | waived: check grown: the disk is filled on purpose (until 2027-01-31)
        green | warning: check listening-ports: tcp 0.0.0.0:8125 is open, and no test expects it
        green | Tests passed: 2 passed, 1 warned, 1 waived, 1 skipped; login 12.0s after power-on; verdict after 34.0s (standard).
        green     success after 45.0s
        red
        error: check failed-units: app.service has failed
          | app.service: Failed with result 'exit-code'.
          hint: `systemctl status app.service` in the image tells why
        red
        error: service nginx: running: expected true, found false
          at tests/goss.yaml:4:5
        red | Tests failed: 2 failed, 1 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        red       failure after 45.0s: 2 of 3 tests failed
          log: ovenbird-out/red/log.txt
        unsteady | warning: flaky: http http://localhost/: status: expected 200, found 502
        unsteady |   at tests/goss.yaml:14:5
        unsteady | Tests flaky, passed at attempt 2 only: 2 passed; login 12.0s after power-on; verdict after 34.0s (standard).
        unsteady  success after 45.0s
        ");
    }

    #[test]
    fn each_running_job_has_one_line() {
        insta::assert_snapshot!(running(100), @r"
        web | note: a remark
          0:00  web       step 2: Install nginx and all that it wants
          0:00  database  [#######-------------] 39 % of 1.0 GiB  download `debian-13-generic-amd64.qcow2`
          0:00  0 of 3 done, 2 running
        ");
    }

    #[test]
    fn a_narrow_terminal_cuts_lines_and_wraps_none() {
        insta::assert_snapshot!(running(40), @r"
        web | note: a remark
          0:00  web       step 2: Install nginx
          0:00  database  [#######-------------]
          0:00  0 of 3 done, 2 running
        ");
    }

    #[test]
    fn a_failed_step_shows_what_it_printed_up_to_a_limit() {
        let screen = Screen::new(100);
        let mut sink = live(&screen, Detail::Steps);
        let job = Some("web");
        sink.on_event(&at(
            0.0,
            job,
            Body::JobStarted { name: "web".into(), platform: "qemu".into(), tests_only: false },
        ));
        sink.on_event(&at(0.0, job, Body::StepStarted { step: 0, name: "Talk".into() }));
        for line in 0..TAIL_LINES + 2 {
            let line = format!("line {line}");
            sink.on_event(&at(1.0, job, Body::Output { step: Some(0), stream: Stream::Stdout, line }));
        }
        let excerpt = vec!["line 200".into(), "only here".into()];
        sink.on_event(&at(2.0, job, Body::Failure(Failure { excerpt, ..Failure::new("it failed") })));
        sink.finish().unwrap();
        let text = screen.text();
        let head: Vec<&str> = text.lines().take(3).collect();
        let log = "  … 2 more lines are in the log (ovenbird-out/web/log.txt)";
        assert_eq!(head, ["web printed:", log, "  | line 2"]);
        assert!(text.ends_with("  | line 201\nerror: it failed\n  | only here"), "{text}");
    }

    #[test]
    fn every_line_of_output_is_shown_when_asked_for() {
        let screen = Screen::new(100);
        let mut sink = live(&screen, Detail::Everything);
        let output = Body::Output { step: None, stream: Stream::Console, line: "login:".into() };
        sink.on_event(&at(0.0, Some("web"), output));
        sink.finish().unwrap();
        assert_eq!(screen.text(), "web | login:");
    }

    fn line_after(events: &[Body]) -> String {
        let mut line = Line { id: "web".into(), ..Line::default() };
        events.iter().for_each(|body| line.on(body));
        line.text()
    }

    #[test]
    fn a_line_says_what_the_job_does_now() {
        let phase = Body::PhaseStarted { phase: Phase::Convert };
        let progress = |total, unit| Body::Progress { what: "convert".into(), done: 45, total, unit };
        assert_eq!(line_after(std::slice::from_ref(&phase)), "web  Writing the output files");
        assert_eq!(
            line_after(&[phase.clone(), progress(None, Unit::Percent)]),
            "web  [#########-----------] 45 %  convert"
        );
        assert_eq!(line_after(&[phase.clone(), progress(None, Unit::Bytes)]), "web  45 B  convert");
        // More than the whole is shown as the whole.
        assert_eq!(
            line_after(&[phase, progress(Some(40), Unit::Bytes)]),
            "web  [####################] 112 % of 40 B  convert"
        );
    }

    #[test]
    fn a_finished_step_takes_its_progress_with_it() {
        let end = StepFinished {
            step: 0,
            name: "Upload".into(),
            outcome: Outcome::Success,
            conclusion: Outcome::Success,
            seconds: 1.0,
            attempts: 1,
        };
        let progress = Body::Progress { what: "upload".into(), done: 1, total: Some(2), unit: Unit::Bytes };
        let events = [Body::StepStarted { step: 0, name: "Upload".into() }, progress, Body::StepFinished(end)];
        assert_eq!(line_after(&events), "web  step 1: Upload");
    }

    #[test]
    fn a_job_that_never_began_has_an_end_all_the_same() {
        let screen = Screen::new(100);
        let mut sink = live(&screen, Detail::Steps);
        sink.on_event(&at(0.0, Some("web"), finished(Outcome::Skipped, 0.0, Some("fail-fast"))));
        sink.finish().unwrap();
        assert_eq!(screen.text(), "web  skipped after 0.0s: fail-fast");
    }
}
