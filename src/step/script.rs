//! The life of one script on a machine: sent, run, watched, blamed when it fails, and its folder removed.

use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::context::clean_line;
use crate::event::{Failure, Place, Stream};
use crate::guest::{Chunk, Command, Exit, Guest, GuestError};
use crate::plan::job::Shell;
use crate::step::blame::{self, Blame, Evidence, Manner};
use crate::step::bundle::{self, BOOTSTRAP, Bundle, FOLDER_PREFIX, Site};
use crate::step::output::{Lines, Transcript};
use crate::step::outputs;
use crate::step::place::Map;
use crate::step::recognize::{self, Finding, Ran, Spot};
use crate::step::sequence::{Scene, Stop};
use crate::step::trap;

/// How long removing a step's folder may take. Seal looks for what is left.
const CLEANUP_LIMIT: Duration = Duration::from_secs(10);

/// How long a line may wait for the next one, because a secret may go on there: so short that nobody notices it in a
/// prompt.
const PATIENCE: Duration = Duration::from_millis(300);

/// A script with everything that it needs. Holds secrets, so it has no `Debug`.
pub(super) struct Prepared<'a> {
    /// File name on the machine.
    pub(super) name: String,
    /// What people know it as.
    pub(super) shown: String,
    pub(super) content: Vec<u8>,
    pub(super) source: Source,
    pub(super) shell: &'a Shell,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) working_directory: Option<&'a str>,
    pub(super) site: Site,
    pub(super) own_interpreter: bool,
}

/// The script's lines as they may be shown, and where each stands in the repository.
pub(super) struct Source {
    pub(super) lines: Vec<String>,
    /// One for each of `lines`.
    pub(super) places: Vec<Place>,
    /// Where a failure is put whose line is not known.
    pub(super) fallback: Place,
}

/// Runs a script to its end.
pub(super) async fn run(
    scene: &Scene<'_>,
    guest: &dyn Guest,
    script: &Prepared<'_>,
    cancel: &CancellationToken,
) -> Result<(), Stop> {
    let id = folder_name().map_err(|error| Stop::failed(format!("failed to read random bytes: {error}")))?;
    let stale = scene.stale.of(&script.site);
    let bundle = Bundle {
        id: &id,
        name: &script.name,
        content: &script.content,
        shell: script.shell,
        args: &script.args,
        env: &script.env,
        working_directory: script.working_directory,
        site: &script.site,
        stale: &stale,
        own_interpreter: script.own_interpreter,
    };
    let text = bundle.text().map_err(|error| {
        Stop::Failed(Box::new(Failure {
            place: Some(script.source.fallback.clone()),
            ..Failure::new(error.to_string())
        }))
    })?;
    let command = Command::new(BOOTSTRAP).stdin(text);
    let mut watch = Watch { id: &id, complaint: None, transcript: Transcript::default() };
    if matches!(script.site, Site::Guest) {
        // From now on it is there, whatever becomes of us.
        scene.stale.add(&id);
    }
    let exit = watch.exec(scene, guest, &command, cancel).await;
    let succeeded = matches!(&exit, Ok(exit) if exit.is_success());
    if succeeded && matches!(script.site, Site::Guest) {
        scene.stale.forget(&stale);
        // Outputs of a step without an id are nobody's. Not to ask for them saves a round trip: the next script of the
        // guest removes the folder on its way, or the end of the steps does.
        if scene.step.id.is_none() {
            return Ok(());
        }
    }
    let left = collect(guest, &script.site.collect(&id), CLEANUP_LIMIT).await;
    if left.is_some() {
        scene.stale.forget(std::slice::from_ref(&id));
    }
    let (written, records) = left.as_deref().map(bundle::collected).unwrap_or_default();
    if succeeded {
        return keep_outputs(scene, script, left.as_ref().map(|_| written));
    }
    // Also a step that failed has outputs, as in Actions. That they make no sense matters less than why it failed.
    if let (Some(_), Ok(outputs)) = (&scene.step.id, outputs::parse(written)) {
        scene.keep_outputs(outputs);
    }
    let records = trap::parse(records);
    let excerpt: Vec<_> = watch.transcript.excerpt();
    let excerpt = excerpt.iter().map(|line| blame::readable(line, &id, &script.name, &script.shown)).collect();
    match exit {
        Ok(exit) => {
            let ended = Ended { scene, script, id: &id, exit: &exit, records: &records, watch: &watch };
            Err(Stop::Failed(Box::new(Failure { excerpt, ..ended.failure() })))
        }
        Err(GuestError::Cancelled) => Err(Stop::Cancelled { excerpt }),
        Err(error) => {
            let place = Some(script.source.fallback.clone());
            Err(Stop::Failed(Box::new(Failure { place, excerpt, ..Failure::new(error.to_string()) })))
        }
    }
}

/// Takes the outputs of a script that succeeded. `written`: none where they could not be fetched.
fn keep_outputs(scene: &Scene<'_>, script: &Prepared<'_>, written: Option<&[u8]>) -> Result<(), Stop> {
    if scene.step.id.is_none() {
        return Ok(());
    }
    let failed = |message: String, hint: Option<String>| {
        // It is about the step as a whole: there is no better place to look for.
        let place = Some(Place { exact: true, ..script.source.fallback.clone() });
        Stop::Failed(Box::new(Failure { place, hint, ..Failure::new(message) }))
    };
    let Some(written) = written else {
        return Err(failed(format!("failed to fetch the outputs of `{}` from the machine", script.shown), None));
    };
    match outputs::parse(written) {
        Ok(outputs) => {
            scene.keep_outputs(outputs);
            Ok(())
        }
        Err(wrong) => Err(failed(format!("`{}` failed: {}", script.shown, wrong.message), Some(wrong.hint))),
    }
}

/// Private folders of steps that may still be in the guest.
#[derive(Default)]
pub(super) struct Stale(Mutex<Vec<String>>);

impl Stale {
    /// The folders on the machine where a script is to run.
    fn of(&self, site: &Site) -> Vec<String> {
        match site {
            Site::Guest => self.0.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Site::Local { .. } => Vec::new(),
        }
    }

    fn add(&self, folder: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(folder.to_owned());
    }

    fn forget(&self, gone: &[String]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|folder| !gone.contains(folder));
    }

    /// Removes what is left.
    pub(super) async fn remove(&self, guest: &dyn Guest, limit: Option<Duration>) {
        let command = Site::Guest.remove(&self.of(&Site::Guest));
        if !command.is_empty() {
            collect(guest, &command, limit.unwrap_or(CLEANUP_LIMIT)).await;
        }
    }
}

/// A name that nobody on the machine can know in advance.
fn folder_name() -> std::io::Result<String> {
    let mut bytes = [0_u8; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(FOLDER_PREFIX.to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    }))
}

/// What is seen of a running script.
struct Watch<'a> {
    id: &'a str,
    /// Why the bundle did not become the script.
    complaint: Option<String>,
    transcript: Transcript,
}

impl Watch<'_> {
    async fn exec(
        &mut self,
        scene: &Scene<'_>,
        guest: &dyn Guest,
        command: &Command,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        let (sender, mut receiver) = mpsc::channel(64);
        let redactor = scene.ctx.events.redactor();
        let show = async {
            let (mut stdout, mut stderr) = (Lines::new(redactor), Lines::new(redactor));
            loop {
                let waits = stdout.is_waiting() || stderr.is_waiting();
                let patience = if waits { PATIENCE } else { Duration::MAX };
                match tokio::time::timeout(patience, receiver.recv()).await {
                    Ok(Some(Chunk { stream: Stream::Stderr, bytes })) => {
                        self.show(scene, Stream::Stderr, stderr.push(&bytes)).await;
                    }
                    Ok(Some(Chunk { stream, bytes })) => self.show(scene, stream, stdout.push(&bytes)).await,
                    Ok(None) => break,
                    Err(_) => {
                        self.show(scene, Stream::Stdout, stdout.flush()).await;
                        self.show(scene, Stream::Stderr, stderr.flush()).await;
                    }
                }
            }
            self.show(scene, Stream::Stdout, stdout.finish()).await;
            self.show(scene, Stream::Stderr, stderr.finish()).await;
        };
        let (exit, ()) = tokio::join!(guest.exec(command, sender, cancel), show);
        exit
    }

    async fn show(&mut self, scene: &Scene<'_>, stream: Stream, lines: Vec<String>) {
        for line in lines {
            if let Some(complaint) = line.strip_prefix(self.id).and_then(|rest| rest.strip_prefix(": ")) {
                self.complaint = Some(complaint.to_owned());
                continue;
            }
            self.transcript.keep(stream, &line);
            scene.ctx.events.output(Some(scene.step.index), stream, line.as_bytes()).await;
        }
    }
}

/// Fetches the records and removes folders, also when the job is being cancelled. None: the connection is gone or stuck;
/// then the line of the failure stays unknown, and seal removes the folder.
async fn collect(guest: &dyn Guest, command: &str, limit: Duration) -> Option<Vec<u8>> {
    let token = CancellationToken::new();
    let command = Command::new(command);
    let captured = tokio::time::timeout(limit, guest.capture(&command, &token)).await;
    captured.ok()?.ok().map(|captured| captured.stdout)
}

/// A script that ended badly.
struct Ended<'a> {
    scene: &'a Scene<'a>,
    script: &'a Prepared<'a>,
    id: &'a str,
    exit: &'a Exit,
    records: &'a [trap::Record],
    watch: &'a Watch<'a>,
}

impl Ended<'_> {
    fn failure(&self) -> Failure {
        let source = &self.script.source;
        if let Some(complaint) = &self.watch.complaint {
            return Failure { place: Some(source.fallback.clone()), ..Failure::new(complaint.clone()) };
        }
        let mut blame = self.blame();
        let finding = self.finding(&mut blame);
        let mut message = self.ending();
        if let Some((file, line)) = &blame.elsewhere {
            let _ = write!(message, " at line {line} of `{file}`");
        }
        if let Some(finding) = &finding {
            message = format!("{} ({message})", finding.message);
        } else if let Some(words) = &blame.words {
            let _ = write!(message, ": {words}");
        }
        let spots = finding.iter().flat_map(|finding| finding.spots.iter().cloned());
        let elsewhere =
            blame.elsewhere.iter().map(|(file, line)| Spot { file: file.clone(), line: *line, ..Spot::default() });
        let told = self.map().place(&spots.chain(elsewhere).collect::<Vec<_>>());
        let place = blame.line.and_then(|line| source.places.get(line - 1)).unwrap_or(&source.fallback);
        // The guest chose the words: they must not move a cursor either.
        let readable =
            |text: &str| clean_line(blame::readable(text, self.id, &self.script.name, &self.script.shown).as_bytes());
        let cure = finding.and_then(|finding| finding.hint).map(str::to_owned);
        Failure {
            place: Some(told.unwrap_or_else(|| place.clone())),
            command: blame.command.as_deref().map(readable),
            hint: cure.or_else(|| hint(self.exit, &self.watch.transcript.excerpt())),
            ..Failure::new(readable(&message))
        }
    }

    fn ending(&self) -> String {
        match self.exit {
            Exit::Code(code) => format!("`{}` failed with exit status {code}", self.script.shown),
            Exit::Signal(name) => format!("`{}` was killed by SIG{name}", self.script.shown),
            Exit::Missing => format!("the connection closed before `{}` ended", self.script.shown),
        }
    }

    /// What the tool said that ended the script. It may tell the line of the script too, where nothing else did.
    fn finding(&self, blame: &mut Blame) -> Option<Finding> {
        // Nobody says why it was killed from outside; and the shell's own words are about what ended it.
        let Exit::Code(status) = self.exit else { return None };
        if blame.words.is_some() {
            return None;
        }
        let source = &self.script.source.lines;
        let interpreter = (self.manner() == Manner::Python).then_some("python");
        let line = blame.line.and_then(|line| source.get(line - 1)).map(String::as_str);
        let ran = Ran { command: blame.command.as_deref(), line, source, interpreter };
        let transcript = &self.watch.transcript;
        let mut recognized = recognize::recognize(&transcript.stderr(), &transcript.both(), *status, &ran)?;
        let path = format!("/{}/{}", self.id, self.script.name);
        let ours = recognized.finding.spots.iter().position(|spot| spot.file.ends_with(&path));
        let line = ours.map(|index| recognized.finding.spots[index].line as usize).or(recognized.line);
        if blame.line.is_none()
            && let Some(line) = line.filter(|line| (1..=source.len()).contains(line))
        {
            blame.line = Some(line);
            blame.command = source.get(line - 1).map(|line| blame::short(line));
        }
        if let Some(index) = ours {
            // Frames outside of the script's own frame come after it.
            recognized.finding.spots.truncate(index);
        }
        Some(recognized.finding)
    }

    /// How paths of the machine lead into the repository.
    fn map(&self) -> Map<'_> {
        let root = &self.scene.job.root;
        let (uploads, home) = match self.script.site {
            Site::Guest => (Some(self.scene.uploads), "/root".into()),
            Site::Local { .. } => (None, root.clone()),
        };
        let directory = self.script.working_directory.map_or_else(|| home.clone(), |directory| home.join(directory));
        Map { root, uploads, directory }
    }

    fn manner(&self) -> Manner {
        match self.script.shell {
            Shell::Python => Manner::Python,
            Shell::Custom(template) if is_python(template) => Manner::Python,
            Shell::Custom(_) => Manner::Other,
            Shell::Default if self.script.own_interpreter => manner_of(self.script.source.lines.first()),
            Shell::Default | Shell::Bash | Shell::Sh => Manner::Shell,
        }
    }

    fn blame(&self) -> Blame {
        blame::blame(&Evidence {
            source: &self.script.source.lines,
            path: &format!("/{}/{}", self.id, self.script.name),
            records: self.records,
            stderr: &self.watch.transcript.stderr(),
            exit: self.exit,
            manner: self.manner(),
        })
    }
}

fn is_python(words: &str) -> bool {
    words.split(['/', ' ']).any(|word| word.starts_with("python"))
}

fn manner_of(first: Option<&String>) -> Manner {
    match first.and_then(|line| line.strip_prefix("#!")) {
        Some(interpreter) if is_python(interpreter) => Manner::Python,
        Some(interpreter) if !interpreter.split(['/', ' ']).any(|word| word.trim_end().ends_with("sh")) => {
            Manner::Other
        }
        _ => Manner::Shell,
    }
}

/// What to do about failures that everyone meets.
fn hint(exit: &Exit, excerpt: &[String]) -> Option<String> {
    let says = |phrase: &str| excerpt.iter().any(|line| line.contains(phrase));
    let hint = match exit {
        _ if says("No space left on device") => "the guest's disk is full: give the platform a larger `disk-size`",
        _ if says("Could not get lock /var/lib/") || says("lock was locked by another process") => {
            "another package manager is at work in the guest, often `unattended-upgrades` or cloud-init just after boot: \
             wait for it in a step before, or use `retry`"
        }
        _ if says("Temporary failure resolving") => {
            "the guest has no name resolution: check the network of this machine"
        }
        Exit::Code(127) if says("$'\\r'") => "the script has Windows line ends: save it with LF",
        Exit::Code(127) => "a command was not found: install it in a step before, or give its full path",
        Exit::Code(126) if says("Argument list too long") => {
            "Linux takes at most 128 KiB in one environment variable: hand large data over in a file"
        }
        Exit::Code(126) => "a file was found but can't be executed: check its mode and its `#!` line",
        Exit::Signal(name) if name == "KILL" => "the guest may be out of memory: give the platform more `memory`",
        Exit::Code(137) => "a command was killed: the guest may be out of memory, give the platform more `memory`",
        Exit::Missing => "did the step end the SSH server or the network, or reboot? Use `reboot:` for that",
        Exit::Code(_) | Exit::Signal(_) => return None,
    };
    Some(hint.to_owned())
}
