//! A scripted SSH server for what an honest one does not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ovenbird::guest::ssh::{CipherOrder, HostKey, KeyPair, SshConfig};
use russh::server::{Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};

/// What the server does once it has read a command's script, by the script's text and how many connections there were.
pub(crate) type Play = Arc<dyn Fn(&str, usize) -> Vec<Act> + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Act {
    Print(Vec<u8>),
    PrintForever(Vec<u8>),
    Exit(u32),
    Close,
    Hang,
    /// Ends the whole connection.
    Disconnect,
}

pub(crate) async fn serve(play: Play) -> SshConfig {
    let (host, user) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(russh::server::Config {
        keys: vec![(*host.key).clone()],
        auth_rejection_time: Duration::from_millis(10),
        ..Default::default()
    });
    tokio::spawn(async move {
        let count = AtomicUsize::new(0);
        while let Ok((stream, _)) = listener.accept().await {
            let liar =
                Liar { play: play.clone(), connection: count.fetch_add(1, Ordering::Relaxed), input: Vec::new() };
            let config = config.clone();
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, liar).await {
                    let _ = session.await;
                }
            });
        }
    });
    SshConfig {
        host: "127.0.0.1".to_owned(),
        port,
        user: "root".to_owned(),
        auth: ovenbird::guest::ssh::Auth::Given(user.key),
        host_key: HostKey::Known(host.public_line),
        ciphers: CipherOrder::Native,
    }
}

struct Liar {
    play: Play,
    connection: usize,
    input: Vec<u8>,
}

impl russh::server::Handler for Liar {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _user: &str, _key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, _data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        self.input.clear();
        session.channel_success(id)
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        let was_read = self.input.contains(&b'\n');
        self.input.extend_from_slice(data);
        if was_read || !self.input.contains(&b'\n') {
            return Ok(());
        }
        let script = String::from_utf8_lossy(&self.input).replace("\\n", "\n");
        let acts = (self.play)(&script, self.connection);
        tokio::spawn(act(session.handle(), id, acts));
        Ok(())
    }
}

async fn act(handle: Handle, id: ChannelId, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Print(bytes) => drop(handle.data(id, bytes).await),
            Act::PrintForever(bytes) => while handle.data(id, bytes.clone()).await.is_ok() {},
            Act::Exit(code) => drop(handle.exit_status_request(id, code).await),
            Act::Close => drop(handle.close(id).await),
            Act::Hang => std::future::pending().await,
            Act::Disconnect => {
                drop(handle.disconnect(russh::Disconnect::ByApplication, "bye".into(), String::new()).await);
            }
        }
    }
}
