//! Copying out of a guest.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::put::blocking;
use super::unpack::unpack;
use crate::event::Stream;
use crate::guest::shell::{self, Complaint, Process, Shell};
use crate::guest::{Exit, Get, GuestError, Progress, Transfer, script};

/// What [`SEND`] ends with when there is nothing at that path; tar itself ends with 0, 1 or 2.
const MISSING: u32 = 66;

/// A link to what is asked for is followed. GNU tar ends with 1 when a file changed while it was read, as logs do.
const SEND: &str = r#"
export LC_ALL=C
if [ -L "$f" ]; then f=$(readlink -f -- "$f"); fi
[ -e "$f" ] || exit 66
command -v tar >/dev/null || { echo "the guest has no \`tar\`" >&2; exit 69; }
g=
case $(tar --version 2>/dev/null) in *GNU*) g="--format=gnu --sparse -b 128";; esac
if [ -d "$f" ]; then tar $g -c -f - -C "$f" .; else d=${f%/*}; tar $g -c -f - -C "${d:-/}" "./${f##*/}"; fi
r=$?
[ "$g" ] && [ $r = 1 ] && r=0
exit $r
"#;

/// [`crate::guest::Guest::get`] of every guest with a shell.
pub(in crate::guest) async fn get(
    shell: &dyn Shell,
    get: &Get,
    progress: Progress<'_>,
    cancel: &CancellationToken,
) -> Result<Transfer, GuestError> {
    if !get.from.starts_with('/') || get.from.contains('\0') {
        return Err(GuestError::Refused(format!("`{}` is no absolute path", get.from)));
    }
    let from = match get.from.trim_end_matches('/') {
        "" => "/",
        from => from,
    };
    let mark = script::mark()?;
    let text = format!("f={}\n{SEND}", script::quote(from));
    let Process { stdin, mut output, exit } = shell::start(shell, &text, &mark, cancel).await?;
    drop(stdin);

    let (sender, receiver) = mpsc::channel(64);
    let done = Arc::new(AtomicU64::new(0));
    let (to, counter) = (get.to.clone(), done.clone());
    let mut unpacker = std::pin::pin!(blocking(move || {
        let input = Pieces { receiver, piece: Vec::new(), place: 0 };
        unpack(input, &to, &|bytes| {
            counter.fetch_add(bytes, Ordering::Relaxed);
        })
    }));
    let mut complaint = Complaint::default();
    let mut unpacked = None;
    let listen = async {
        let mut sender = Some(sender);
        loop {
            tokio::select! {
                chunk = output.recv() => match chunk {
                    Some(chunk) if chunk.stream == Stream::Stderr => complaint.add(&chunk.bytes),
                    Some(chunk) => {
                        if let Some(open) = &sender
                            // The archive was read to its end; the rest is padding, or does not matter.
                            && open.send(chunk.bytes).await.is_err()
                        {
                            sender = None;
                        }
                        progress(done.load(Ordering::Relaxed), None);
                    }
                    None => break,
                },
                result = &mut unpacker, if unpacked.is_none() => {
                    let failed = result.is_err();
                    unpacked = Some(result);
                    if failed {
                        return Some(output);
                    }
                }
            }
        }
        drop(sender);
        if unpacked.is_none() {
            unpacked = Some(unpacker.await);
        }
        None
    };
    tokio::select! {
        rest = listen => if let Some(output) = rest {
            // The command still runs, and nobody wants what it sends. What it said before may explain the failure.
            shell::give_up(shell, &mark, output).await;
        },
        () = cancel.cancelled() => {
            // The unpacker sees the end of its pieces and stops.
            shell::end(shell, &mark).await;
            return Err(GuestError::Cancelled);
        }
    }
    let exit = shell::exit_of(exit).await;
    progress(done.load(Ordering::Relaxed), None);
    match (unpacked, exit) {
        (_, Ok(Exit::Code(MISSING))) => Err(GuestError::Refused(format!("`{}` does not exist in the guest", get.from))),
        (Some(Err(error @ GuestError::Local { .. })), _) | (_, Err(error)) => Err(error),
        (Some(Ok(transfer)), Ok(Exit::Code(0))) => Ok(transfer),
        // A command that was ended because of this is no news.
        (Some(Err(error)), Ok(Exit::Code(0) | Exit::Signal(_))) => Err(error),
        (_, Ok(exit)) => {
            let reason = complaint.text(&exit);
            Err(GuestError::Refused(format!("failed to read `{}` in the guest: {reason}", get.from)))
        }
    }
}

/// The pieces that come from the guest, as a reader for a blocking thread.
struct Pieces {
    receiver: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    place: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.place == self.piece.len() {
            let Some(piece) = self.receiver.blocking_recv() else { return Ok(0) };
            (self.piece, self.place) = (piece, 0);
        }
        let read = buffer.len().min(self.piece.len() - self.place);
        buffer[..read].copy_from_slice(&self.piece[self.place..self.place + read]);
        self.place += read;
        Ok(read)
    }
}
