//! Copying into a guest.

use std::collections::HashSet;
use std::io::Write;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::pack::{self, Options, SINGLE};
use super::survey::{Survey, survey};
use crate::event::Stream;
use crate::guest::shell::{self, Complaint, Process, Shell};
use crate::guest::{Command, Exit, GuestError, Progress, Put, Transfer, script};

/// Reads folder names (relative to `$t`), one a line, and says what the stream must know of the guest: its tar, the owner's
/// numbers as `ls -n` shows them, what is at `$t`, and which of the folders are there.
const PREPARE: &str = r#"
export LC_ALL=C
command -v tar >/dev/null || { echo "the guest has no \`tar\`" >&2; exit 69; }
case $(tar --version 2>/dev/null) in *GNU*) echo gnu;; *) echo other;; esac
if [ "$o" ]; then
  f=$(mktemp) || exit
  chown -h -- "$o" "$f" && ls -nd -- "$f"; r=$?; rm -f "$f"; [ $r = 0 ] || exit $r
else
  echo - - 0 0
fi
if [ -d "$t" ]; then if [ -L "$t" ]; then echo link; else echo directory; fi; elif [ -e "$t" ]; then echo file; else echo none; fi
n=0
while IFS= read -r l; do
  case $l in *\\*) l=$(printf "%bx" "$l"); l=${l%x};; esac
  [ -d "$t/$l" ] && echo $n
  n=$((n+1))
done
exit 0
"#;

const TREE: &str = r#"export LC_ALL=C; mkdir -p -- "$t" && exec tar $b -x -p -f - -C "$t""#;

/// A file goes to a folder of its own beside its place, and is then moved there: whole, or not at all.
const FILE: &str = r#"
export LC_ALL=C
umask 022
mkdir -p -- "$d" && mkdir -m 700 -- "$m" || exit
trap 'rm -rf -- "$m"' EXIT
trap 'exit 143' HUP INT TERM
tar $b -x -p -f - -C "$m" || exit
if [ -L "$t" ] && [ -d "$t" ]; then rm -f -- "$t" || exit; fi
mv -f -- "$m/$n" "$t"
"#;

/// [`crate::guest::Guest::put`] of every guest with a shell.
pub(in crate::guest) async fn put(
    shell: &dyn Shell,
    put: &Put,
    progress: Progress<'_>,
    cancel: &CancellationToken,
) -> Result<Transfer, GuestError> {
    let to = put.to.trim_end_matches('/');
    if !put.to.starts_with('/') || put.to.contains('\0') {
        return Err(GuestError::Refused(format!("`{}` is no absolute path", put.to)));
    }
    let from = put.from.clone();
    let survey = blocking(move || survey(&from)).await?;
    if put.contents && !survey.is_directory {
        return Err(GuestError::local("copy", &put.from)(std::io::Error::other("it is no folder")));
    }
    let options = prepare(shell, put, to, &survey, cancel).await?;
    let mark = script::mark()?;
    // GNU tar reads 10 KiB at a time unless told otherwise; busybox can't be told.
    let blocking = if options.sparse { "b='-b 128'" } else { "b=" };
    let text = if survey.is_directory {
        format!("{blocking} t={}\n{TREE}", script::quote(if to.is_empty() { "/" } else { to }))
    } else {
        let folder = to.rsplit_once('/').map_or("", |(folder, _)| folder);
        let temporary = format!("{folder}/.ovenbird-{mark}");
        let quoted = [to, if folder.is_empty() { "/" } else { folder }, &temporary, SINGLE].map(script::quote);
        format!("{blocking} t={} d={} m={} n={}\n{FILE}", quoted[0], quoted[1], quoted[2], quoted[3])
    };
    stream(shell, &text, &mark, survey, options, progress, cancel).await.map_err(|error| about(&put.to, error))
}

/// Names the place in what the guest said.
fn about(to: &str, error: GuestError) -> GuestError {
    match error {
        GuestError::Refused(reason) => GuestError::Refused(format!("failed to write `{to}` in the guest: {reason}")),
        other => other,
    }
}

/// Asks the guest what the stream must know.
async fn prepare(
    shell: &dyn Shell,
    put: &Put,
    to: &str,
    survey: &Survey,
    cancel: &CancellationToken,
) -> Result<Options, GuestError> {
    let owner = put.owner.as_deref().unwrap_or_default();
    let text = format!("t={}\no={}\n{PREPARE}", script::quote(to), script::quote(owner));
    // The root is asked for by `$t` itself.
    let lines: Vec<u8> = survey.directories.iter().flat_map(|name| script::line(name)).collect();
    let captured = shell.capture(&Command::new(text).stdin(lines), cancel).await?;
    let answer = String::from_utf8_lossy(&captured.stdout);
    let mut answer = answer.lines();
    let flavour = answer.next().unwrap_or_default();
    let numbers: Vec<&str> = answer.next().unwrap_or_default().split_whitespace().collect();
    let owner = numbers.get(2).zip(numbers.get(3)).and_then(|(uid, gid)| uid.parse().ok().zip(gid.parse().ok()));
    let (true, Some(owner)) = (captured.exit.is_success(), owner) else {
        let mut complaint = Complaint::default();
        complaint.add(&captured.stderr);
        return Err(about(&put.to, GuestError::Refused(complaint.text(&captured.exit))));
    };
    let there = answer.next().unwrap_or_default();
    if !survey.is_directory && (there == "directory" || to.is_empty()) {
        let reason = "it is a folder; give the path that the file gets".to_owned();
        return Err(about(&put.to, GuestError::Refused(reason)));
    }
    let mut existing: HashSet<Vec<u8>> =
        answer.filter_map(|number| survey.directories.get(number.parse::<usize>().ok()?)).cloned().collect();
    if put.contents {
        existing.insert(Vec::new());
    }
    Ok(Options { owner, mode: put.mode, sparse: flavour == "gnu", existing })
}

/// A piece of the stream, and how many bytes of files it brings.
struct Piece {
    bytes: Vec<u8>,
    contents: u64,
}

async fn stream(
    shell: &dyn Shell,
    text: &str,
    mark: &str,
    survey: Survey,
    options: Options,
    progress: Progress<'_>,
    cancel: &CancellationToken,
) -> Result<Transfer, GuestError> {
    let total = survey.bytes;
    let Process { stdin, mut output, exit } = shell::start(shell, text, mark, cancel).await?;
    let (sender, mut pieces) = mpsc::channel(16);
    let packer = blocking(move || {
        let contents = std::cell::Cell::new(0);
        let mut writer = Pieces { sender, buffer: Vec::new(), contents: &contents };
        let transfer = pack::pack(&survey, &options, &mut writer, &|bytes| contents.set(contents.get() + bytes))?;
        writer.flush().map_err(|_| GuestError::Connection("the guest stopped reading".to_owned()))?;
        Ok(transfer)
    });
    let mut complaint = Complaint::default();
    let feed = async move {
        let mut done = 0;
        while let Some(Piece { bytes, contents }) = pieces.recv().await {
            if stdin.send(bytes).await.is_err() {
                break;
            }
            done += contents;
            progress(done, Some(total));
        }
    };
    let listen = async {
        while let Some(chunk) = output.recv().await {
            if chunk.stream == Stream::Stderr {
                complaint.add(&chunk.bytes);
            }
        }
    };
    let packed = tokio::select! {
        ((), (), packed) = async { tokio::join!(feed, listen, packer) } => packed,
        () = cancel.cancelled() => {
            shell::give_up(shell, mark, output).await;
            return Err(GuestError::Cancelled);
        }
    };
    let exit = shell::exit_of(exit).await;
    match (packed, exit) {
        (Err(error @ GuestError::Local { .. }), _) | (_, Err(error)) => Err(error),
        (Ok(transfer), Ok(Exit::Code(0))) => Ok(transfer),
        (_, Ok(exit)) => Err(GuestError::Refused(complaint.text(&exit))),
    }
}

/// Collects what is written into pieces of a useful size.
struct Pieces<'a> {
    sender: mpsc::Sender<Piece>,
    buffer: Vec<u8>,
    contents: &'a std::cell::Cell<u64>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Four packets of SSH, and a divisor of what the packer reads at a time.
        const PIECE: usize = 128 * 1024;
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(PIECE);
        }
        let taken = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let piece = Piece { bytes: std::mem::take(&mut self.buffer), contents: self.contents.take() };
        self.sender.blocking_send(piece).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

/// Runs blocking work on its own thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GuestError> + Send + 'static,
) -> Result<T, GuestError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(GuestError::Connection(format!("a copy was given up: {error}"))),
    }
}
