//! One command's channel as a [`Process`].

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::connect::Connection;
use crate::event::Stream;
use crate::guest::shell::{Ends, IDLE_AFTER_EXIT, OPEN_AFTER_EXIT, Process};
use crate::guest::{ByteStream, Chunk, Exit, GuestError, script};

/// How long the guest may take to open a channel: an emulated one under load needs seconds.
const OPEN: Duration = Duration::from_secs(60);

/// Starts `script` on a channel of its own.
pub(super) async fn start(
    connection: Arc<Connection>,
    place: &str,
    sudo: bool,
    text: &str,
    mark: &str,
    slot: Option<OwnedSemaphorePermit>,
) -> Result<Process, GuestError> {
    let channel = match timeout(OPEN, connection.handle.channel_open_session()).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            return Err(GuestError::Connection(format!("the guest at {place} refused to open a channel ({reason:?})")));
        }
        Ok(Err(_)) => return Err(lost(&connection, place).await),
        Err(_) => {
            let what = "open an SSH channel".to_owned();
            return Err(GuestError::Deadline { what, seconds: OPEN.as_secs() });
        }
    };
    let (read, write) = channel.split();
    let write = Arc::new(write);
    if write.exec(true, script::start(mark, sudo)).await.is_err() {
        return Err(lost(&connection, place).await);
    }
    let (process, Ends { stdin, output, exit }) = Process::channels();
    let feed = AbortOnDropHandle::new(tokio::spawn(feed(write.clone(), script::line(text.as_bytes()), stdin)));
    let place = place.to_owned();
    tokio::spawn(async move {
        let end = listen(read, output).await;
        drop(feed);
        let result = match end {
            End::Closed(ended) => Ok(ended.unwrap_or(Exit::Missing)),
            End::Refused => Err(GuestError::Refused(format!("the guest at {place} refused to start a command"))),
            End::Left(ended) => {
                // Closing tells the server that nobody listens any more. The connection may be gone: as good.
                let _ = write.close().await;
                Ok(ended.unwrap_or(Exit::Missing))
            }
            End::Lost => Err(lost(&connection, &place).await),
        };
        drop(slot);
        // Nobody waits when the command was given up.
        let _ = exit.send(result);
    });
    Ok(process)
}

/// Opens a connection from the guest to `host` (`direct-tcpip`, RFC 4254, 7.2). It is no session and takes no slot.
pub(super) async fn dial(
    connection: &Connection,
    place: &str,
    host: &str,
    port: u16,
) -> Result<Box<dyn ByteStream>, GuestError> {
    let open = connection.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0);
    match timeout(OPEN, open).await {
        Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
        Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))) => {
            Err(GuestError::Unreachable(format!("dial tcp {host}:{port}: connect failed")))
        }
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            let why = "is `AllowTcpForwarding` off in its sshd_config?";
            Err(GuestError::Refused(format!("the guest at {place} forwards no connections ({reason:?}): {why}")))
        }
        Ok(Err(_)) => Err(lost(connection, place).await),
        Err(_) => {
            let what = format!("connect to {host}:{port}");
            Err(GuestError::Deadline { what, seconds: OPEN.as_secs() })
        }
    }
}

/// The error for a connection that broke.
async fn lost(connection: &Connection, place: &str) -> GuestError {
    let reason = connection.lost_reason().await;
    GuestError::Connection(format!("the SSH connection to {place} was lost: {reason}"))
}

/// Sends the script, then the input, then its end: a command that reads hangs until it is told that there is no more.
async fn feed(write: Arc<ChannelWriteHalf<Msg>>, script: Vec<u8>, mut stdin: mpsc::Receiver<Vec<u8>>) {
    let mut next = Some(script);
    while let Some(piece) = next {
        if write.data_bytes(piece).await.is_err() {
            return;
        }
        next = stdin.recv().await;
    }
    let _ = write.eof().await;
}

/// Why listening to a channel ended.
enum End {
    Closed(Option<Exit>),
    Refused,
    /// We left first: a background child holds the output open, or nobody reads it any more.
    Left(Option<Exit>),
    Lost,
}

/// Reads a channel until it closes. `Eof` and the exit status come in either order, and data may come after both.
async fn listen(mut read: ChannelReadHalf, output: mpsc::Sender<Chunk>) -> End {
    let mut ended: Option<Exit> = None;
    let mut waited = Duration::ZERO;
    loop {
        let message = if ended.is_some() {
            let since = Instant::now();
            let message = tokio::select! {
                message = timeout(IDLE_AFTER_EXIT.min(OPEN_AFTER_EXIT.saturating_sub(waited)), read.wait()) => message,
                () = output.closed() => return End::Left(ended),
            };
            waited += since.elapsed();
            match message {
                Ok(message) => message,
                Err(_) => return End::Left(ended),
            }
        } else {
            tokio::select! {
                message = read.wait() => message,
                () = output.closed() => return End::Left(ended),
            }
        };
        let (stream, data) = match message {
            Some(ChannelMsg::Data { data }) => (Stream::Stdout, data),
            // 1 is standard error, the only kind there is (RFC 4254, 5.2).
            Some(ChannelMsg::ExtendedData { data, .. }) => (Stream::Stderr, data),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                ended = Some(Exit::Code(exit_status));
                continue;
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                ended = Some(Exit::Signal(signal(&signal_name)));
                continue;
            }
            Some(ChannelMsg::Failure) => return End::Refused,
            Some(ChannelMsg::Close) => return End::Closed(ended),
            None if ended.is_some() => return End::Closed(ended),
            None => return End::Lost,
            Some(_) => continue,
        };
        if output.send(Chunk { stream, bytes: data.into() }).await.is_err() {
            return End::Left(ended);
        }
    }
}

/// A signal's name without `SIG`. The guest's own names are kept to what a name may hold.
fn signal(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.chars().filter(char::is_ascii_alphanumeric).take(16).collect(),
        known => format!("{known:?}"),
    }
}
