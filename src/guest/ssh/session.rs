//! The guest itself: a connection that may be replaced after a reboot.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::config::SshConfig;
use super::connect::Connection;
use crate::guest::shell::{self, Process, Shell};
use crate::guest::{
    ByteStream, Chunk, Command, Exit, Get, Guest, GuestError, Progress, Put, Transfer, script, transfer,
};

/// Commands at a time on one connection: OpenSSH allows ten sessions (`MaxSessions`), and ending a command needs one more.
const SLOTS: usize = 8;

/// A guest over SSH.
pub struct Ssh {
    pub(super) config: SshConfig,
    connection: RwLock<Arc<Connection>>,
    slots: Arc<Semaphore>,
}

impl Ssh {
    pub(super) fn new(config: SshConfig, connection: Connection) -> Self {
        Self { config, connection: RwLock::new(Arc::new(connection)), slots: Arc::new(Semaphore::new(SLOTS)) }
    }

    pub(super) fn connection(&self) -> Arc<Connection> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, connection: Connection) {
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(connection);
    }

    fn sudo(&self) -> bool {
        self.config.user != "root"
    }

    /// Says in time, and in words, that a user may not become root.
    pub(super) async fn check_root(&self, cancel: &CancellationToken) -> Result<(), GuestError> {
        if !self.sudo() {
            return Ok(());
        }
        let captured = self.capture(&Command::new("id -u"), cancel).await?;
        if captured.exit.is_success() && captured.stdout.trim_ascii() == b"0" {
            return Ok(());
        }
        let mut complaint = shell::Complaint::default();
        complaint.add(&captured.stderr);
        let (user, reason) = (&self.config.user, complaint.text(&captured.exit));
        Err(GuestError::Refused(format!("`{user}` can't become root by `sudo -n`: {reason}")))
    }
}

#[async_trait]
impl Shell for Ssh {
    async fn start(&self, text: &str, mark: &str) -> Result<Process, GuestError> {
        // The semaphore is never closed.
        let slot = self.slots.clone().acquire_owned().await.ok();
        super::channel::start(self.connection(), &self.config.place(), self.sudo(), text, mark, slot).await
    }

    async fn end(&self, mark: &str) {
        let text = format!("set -- {}\n{}", script::quote(mark), script::END);
        let Ok(own) = script::mark() else { return };
        let place = self.config.place();
        let Ok(process) = super::channel::start(self.connection(), &place, self.sudo(), &text, &own, None).await else {
            return;
        };
        drop(process.stdin);
        let mut output = process.output;
        while output.recv().await.is_some() {}
    }
}

#[async_trait]
impl Guest for Ssh {
    async fn exec(
        &self,
        command: &Command,
        output: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Exit, GuestError> {
        shell::exec(self, command, output, cancel).await
    }

    async fn put(&self, put: &Put, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        transfer::put(self, put, progress, cancel).await
    }

    async fn get(&self, get: &Get, progress: Progress<'_>, cancel: &CancellationToken) -> Result<Transfer, GuestError> {
        transfer::get(self, get, progress, cancel).await
    }

    async fn reboot(&self, deadline: Duration, cancel: &CancellationToken) -> Result<(), GuestError> {
        super::reboot::reboot(self, deadline, cancel).await
    }

    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn ByteStream>, GuestError> {
        super::channel::dial(&self.connection(), &self.config.place(), host, port).await
    }
}
