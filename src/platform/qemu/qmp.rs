//! A client for QMP, the QEMU Machine Protocol: JSON lines, replies matched by id, events in between.
//!
//! It speaks over QEMU's own standard input and output: no socket, so no path that is too long and no file to remove, and
//! the connection ends exactly when QEMU does.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

/// QEMU answers within milliseconds; only a process that hangs takes longer than this.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// Something that QEMU tells on its own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Event {
    pub event: String,
    #[serde(default)]
    pub data: Value,
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum QmpError {
    /// QEMU ended, or never spoke QMP.
    #[error("QEMU has gone away")]
    Closed,
    #[error("QEMU refused `{command}`: {reason}")]
    Refused { command: &'static str, reason: String },
    #[error("QEMU did not answer `{command}` within {} s", ANSWER_DEADLINE.as_secs())]
    Silent { command: &'static str },
}

/// One message of QEMU. Which field is there says what it is; others, such as time stamps, are of no use here.
#[derive(Deserialize)]
struct Message {
    id: Option<u64>,
    #[serde(rename = "return")]
    answer: Option<Value>,
    error: Option<Refusal>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Refusal {
    desc: String,
}

struct Request {
    command: &'static str,
    arguments: Value,
    reply: oneshot::Sender<Result<Value, QmpError>>,
}

/// A handle to send commands with. Clones share the connection.
#[derive(Clone, Debug)]
pub(super) struct Qmp {
    requests: mpsc::Sender<Request>,
}

impl Qmp {
    /// Starts to speak with a QEMU whose monitor is at the other end. The connection ends with the returned events: when
    /// the receiver is dropped or QEMU closes its side.
    pub(super) fn start<R, W>(from_qemu: R, to_qemu: W) -> (Self, mpsc::Receiver<Event>)
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, queue) = mpsc::channel(8);
        let (events, receiver) = mpsc::channel(64);
        tokio::spawn(serve(from_qemu, to_qemu, queue, events));
        (Self { requests }, receiver)
    }

    /// Runs a command and returns its answer.
    pub(super) async fn execute(&self, command: &'static str, arguments: Value) -> Result<Value, QmpError> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.requests.send(Request { command, arguments, reply }).await.map_err(|_| QmpError::Closed)?;
            answer.await.map_err(|_| QmpError::Closed)?
        };
        tokio::time::timeout(ANSWER_DEADLINE, exchange).await.unwrap_or(Err(QmpError::Silent { command }))
    }
}

/// The one task that owns the connection.
async fn serve<R, W>(from_qemu: R, mut to_qemu: W, mut queue: mpsc::Receiver<Request>, events: mpsc::Sender<Event>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut lines = BufReader::new(from_qemu).lines();
    let mut waiting = HashMap::new();
    let mut next_id = 1u64;
    let mut asked = true;
    // QEMU greets first, and takes nothing before the capabilities are agreed on.
    let Ok(Some(_greeting)) = lines.next_line().await else { return };
    if send(&mut to_qemu, &json!({ "execute": "qmp_capabilities", "id": 0 })).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
                if let Some(event) = message.event {
                    if events.send(Event { event, data: message.data }).await.is_err() {
                        return;
                    }
                } else if let Some((command, reply)) = message.id.and_then(|id| waiting.remove(&id)) {
                    settle(command, reply, message.answer, message.error);
                }
            }
            request = queue.recv(), if asked => {
                let Some(Request { command, arguments, reply }) = request else {
                    // Nobody is left to ask anything, but events are still wanted.
                    asked = false;
                    continue;
                };
                let id = next_id;
                next_id += 1;
                waiting.insert(id, (command, reply));
                if send(&mut to_qemu, &json!({ "execute": command, "arguments": arguments, "id": id })).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn settle(
    command: &'static str,
    reply: oneshot::Sender<Result<Value, QmpError>>,
    answer: Option<Value>,
    error: Option<Refusal>,
) {
    let result = match error {
        Some(Refusal { desc }) => Err(QmpError::Refused { command, reason: desc }),
        None => Ok(answer.unwrap_or_default()),
    };
    // Whoever asked may have stopped waiting.
    let _ = reply.send(result);
}

async fn send<W: AsyncWrite + Unpin>(to_qemu: &mut W, message: &Value) -> std::io::Result<()> {
    to_qemu.write_all(format!("{message}\n").as_bytes()).await?;
    to_qemu.flush().await
}

/// The host port that a user network forwards to the guest's SSH, out of what `info usernet` prints.
pub(super) fn forwarded_port(table: &str) -> Option<u16> {
    let rows = table.lines().filter(|line| line.trim_start().starts_with("TCP[HOST_FORWARD]"));
    // State, descriptor, source address, source port, destination address, destination port.
    let ports = rows.map(|row| (row.split_whitespace().nth(3), row.split_whitespace().nth(5)));
    let (port, _) = ports.into_iter().find(|(_, to)| *to == Some("22"))?;
    port?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{DuplexStream, duplex, split};

    use super::*;

    /// The other end, which plays QEMU.
    fn connected() -> (Qmp, mpsc::Receiver<Event>, BufReader<DuplexStream>) {
        let (ours, theirs) = duplex(4096);
        let (read, write) = split(ours);
        let (qmp, events) = Qmp::start(read, write);
        (qmp, events, BufReader::new(theirs))
    }

    async fn read(qemu: &mut BufReader<DuplexStream>) -> Value {
        let mut line = String::new();
        qemu.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn write(qemu: &mut BufReader<DuplexStream>, message: Value) {
        send(qemu.get_mut(), &message).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_finds_its_command_although_events_and_other_answers_come_first() {
        let (qmp, mut events, mut qemu) = connected();
        let play = async {
            write(&mut qemu, json!({ "QMP": {} })).await;
            assert_eq!(read(&mut qemu).await["execute"], "qmp_capabilities");
            let (first, second) = (read(&mut qemu).await, read(&mut qemu).await);
            write(&mut qemu, json!({ "return": {}, "id": 0 })).await;
            write(&mut qemu, json!({ "return": "two", "id": second["id"] })).await;
            write(&mut qemu, json!({ "event": "STOP", "timestamp": { "seconds": 1 } })).await;
            write(&mut qemu, json!({ "error": { "class": "GenericError", "desc": "no" }, "id": first["id"] })).await;
        };
        let (first, second, ()) = tokio::join!(qmp.execute("one", json!({})), qmp.execute("two", json!({})), play);
        assert_eq!(first.unwrap_err().to_string(), "QEMU refused `one`: no");
        assert_eq!(second.unwrap(), "two");
        assert_eq!(events.recv().await.unwrap().event, "STOP");
    }

    #[tokio::test]
    async fn a_command_fails_at_once_when_qemu_goes_away() {
        let (qmp, _events, mut qemu) = connected();
        let play = async {
            write(&mut qemu, json!({ "QMP": {} })).await;
            read(&mut qemu).await;
            read(&mut qemu).await;
            drop(qemu);
        };
        let (answer, ()) = tokio::join!(qmp.execute("stop", json!({})), play);
        assert_eq!(answer.unwrap_err().to_string(), "QEMU has gone away");
    }

    #[test]
    fn the_forwarded_port_is_read_from_the_table_of_the_user_network() {
        let table = "Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
                     TCP[HOST_FORWARD]  12       127.0.0.1  8080       10.0.2.15    80     0     0\r\n  \
                     TCP[HOST_FORWARD]  13       127.0.0.1 41999       10.0.2.15    22     0     0\r\n";
        assert_eq!(forwarded_port(table), Some(41999));
        assert_eq!(forwarded_port("nothing\n"), None);
    }
}
