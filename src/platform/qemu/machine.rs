//! The [`Machine`] in front of a QEMU process.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use camino::Utf8PathBuf;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::arguments::{Accelerator, DiskFile};
use super::console::{Console, Pipe};
use super::diagnose::Kind;
use super::disk;
use super::life::{Life, Watcher, screenshot};
use super::qmp::{Qmp, QmpError, forwarded_port};
use super::seed::Keys;
use super::witness::{Witness, Witnessed, explained};
use crate::context::{Cancelled, Explained, JobCtx};
use crate::event::{Failure, Kept, KeptKind};
use crate::guest::ssh::{self, Auth, CipherOrder, HostKey, SshConfig};
use crate::guest::{self, Guest, GuestError};
use crate::image::seal::SealPlan;
use crate::plan::job::Connect;
use crate::platform::{Disk, Evidence, Facts, Login, Machine};
use crate::program::Running;

/// How long a clean shutdown may take. systemd gives a stubborn service 90 s before it kills it.
const SHUTDOWN_KVM: Duration = Duration::from_secs(120);
/// Without KVM everything else takes several times as long.
const SHUTDOWN_TCG: Duration = Duration::from_secs(300);
/// A process that was sent SIGKILL is gone within milliseconds, or hangs in the kernel.
const END_DEADLINE: Duration = Duration::from_secs(1);
/// A picture is worth no more than this.
const SCREENSHOT_DEADLINE: Duration = Duration::from_secs(3);
/// Where the guest's SSH is.
const LOOPBACK: &str = "127.0.0.1";
const SCREENSHOT: &str = "screenshot.png";
const CONSOLE: &str = "console.txt";

/// Asks the guest to switch itself off. systemd is asked without waiting, so that the command ends before the connection.
const POWER_OFF: &str = "if [ -d /run/systemd/system ]; then systemctl --no-block poweroff; else poweroff; fi";

/// Waits until cloud-init has done its work, where it has any: it rewrites apt's sources, users and network after the SSH
/// server is up, and a step that ran beside it would fail now and then.
const SETTLE: &str = "if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] && command -v cloud-init >/dev/null; \
                      then cloud-init status --wait >/dev/null 2>&1; fi; :";

/// What a machine is started with.
pub(super) struct Launched {
    pub program: &'static str,
    pub arguments: Vec<String>,
    pub accelerator: Accelerator,
    pub pipe: Pipe,
    pub console: Console,
    pub keys: Arc<Keys>,
    pub host_key: HostKey,
    pub connect: Connect,
    pub disk: DiskFile,
    /// Files that are of no use once the machine has ended.
    pub residue: Vec<Utf8PathBuf>,
    pub facts: Facts,
    /// See [`SealPlan`].
    pub traces: Vec<String>,
    pub power_on: Instant,
}

/// A machine in QEMU. Dropped, it is ended.
pub struct QemuMachine {
    accelerator: Accelerator,
    keys: Arc<Keys>,
    host_key: HostKey,
    connect: Connect,
    disk: DiskFile,
    residue: Vec<Utf8PathBuf>,
    facts: Facts,
    traces: Vec<String>,
    power_on: Instant,
    witness: Witness,
    watcher: Option<JoinHandle<()>>,
    /// Where the guest's SSH is on this machine's loopback.
    port: u16,
    guest: Option<Arc<dyn Guest>>,
    login_seconds: Option<f64>,
}

impl QemuMachine {
    /// Starts QEMU and asks it where the guest's SSH is.
    ///
    /// # Errors
    /// QEMU is missing or ends at once: its own words are in the error.
    pub(super) async fn start(ctx: &JobCtx, launched: Launched) -> anyhow::Result<Self> {
        let mut command = Command::new(launched.program);
        command.args(&launched.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::spawn(ctx, command)?;
        let streams = running.child.stdout.take().zip(running.child.stdin.take());
        let (from_qemu, to_qemu) = streams.context("QEMU was started without its standard streams")?;
        let (qmp, qmp_events) = Qmp::start(from_qemu, to_qemu);
        let (sender, life) = watch::channel(Life::default());
        let kill = CancellationToken::new();
        let watcher = Watcher {
            running,
            qmp: qmp.clone(),
            qmp_events,
            pipe: launched.pipe,
            console: launched.console.clone(),
            events: ctx.events.clone(),
            life: sender,
            kill: kill.clone(),
            screenshot: ctx.out.join(SCREENSHOT),
        };
        let (console, disk) = (launched.console, launched.disk.path.clone());
        let witness = Witness { life, console, qmp, kill, disk };
        let mut machine = Self {
            accelerator: launched.accelerator,
            keys: launched.keys,
            host_key: launched.host_key,
            connect: launched.connect,
            disk: launched.disk,
            residue: launched.residue,
            facts: launched.facts,
            traces: launched.traces,
            power_on: launched.power_on,
            witness,
            watcher: Some(tokio::spawn(watcher.watch())),
            port: 0,
            guest: None,
            login_seconds: None,
        };
        match machine.learn_port(ctx).await {
            Ok(port) => machine.port = port,
            Err(error) => {
                machine.destroy(ctx).await;
                return Err(error);
            }
        }
        Ok(machine)
    }

    async fn learn_port(&self, ctx: &JobCtx) -> anyhow::Result<u16> {
        let ask = self.witness.qmp.execute("human-monitor-command", json!({ "command-line": "info usernet" }));
        let answer = tokio::select! {
            () = ctx.cancel.cancelled() => bail!(Cancelled),
            answer = ask => answer,
        };
        match answer {
            Ok(table) => forwarded_port(table.as_str().unwrap_or_default())
                .context("QEMU did not say which port it forwards to the guest"),
            Err(QmpError::Closed) => {
                self.witness.wait_for_end().await;
                bail!(Explained(
                    self.witness.reason().unwrap_or_else(|| Failure::new("QEMU closed its monitor and stays"))
                ))
            }
            Err(error) => bail!(error),
        }
    }

    /// Why a guest that runs can't be reached.
    fn unreachable(&self, error: &GuestError) -> Failure {
        let failure = match error {
            GuestError::Deadline { .. } => match self.witness.console.best() {
                None if error.to_string().contains(ssh::KEY_REFUSED) => {
                    Failure { hint: Some(Kind::LoginPrompt.hint().to_owned()), ..Failure::new(error.to_string()) }
                }
                Some(finding) => {
                    let failure = explained(&finding);
                    Failure { message: format!("{}; {error}", failure.message), ..failure }
                }
                None if self.witness.console.tail().is_empty() => Failure {
                    hint: Some(
                        "the console said nothing: an image with `console=ttyS0` tells more; see `screenshot.png`"
                            .into(),
                    ),
                    ..Failure::new(error.to_string())
                },
                None => Failure {
                    hint: Some(
                        "raise `connect: { timeout-minutes: … }` if the guest was only slow: see `console.txt`".into(),
                    ),
                    ..Failure::new(error.to_string())
                },
            },
            GuestError::HostKey { .. } => Failure {
                hint: Some("the image did not take its host key: it needs cloud-init, or systemd 252 or later".into()),
                ..Failure::new(error.to_string())
            },
            _ => Failure::new(error.to_string()),
        };
        Failure { excerpt: self.witness.excerpt(), ..failure }
    }

    /// Asks the guest to switch itself off: in its own words, and by its power button when it does not listen.
    async fn ask_to_power_off(&self, cancel: &CancellationToken) {
        if let Some(guest) = &self.guest {
            let asked = guest.capture(&guest::Command::new(POWER_OFF), cancel).await;
            if asked.is_ok_and(|asked| asked.exit.is_success()) {
                return;
            }
        }
        // A machine that is gone needs no button.
        let _ = self.witness.qmp.execute("system_powerdown", json!({})).await;
    }

    /// See [`SETTLE`]. What does not settle in time is told, and the steps run beside it.
    async fn settle(&self, ctx: &JobCtx, guest: &dyn Guest) -> anyhow::Result<()> {
        let left = Duration::from_secs(self.connect.timeout).saturating_sub(self.power_on.elapsed());
        let mut life = self.witness.life.clone();
        let command = guest::Command::new(SETTLE);
        let settled = tokio::select! {
            biased;
            _ = life.wait_for(Life::is_over) => None,
            settled = timeout(left, guest.capture(&command, &ctx.cancel)) => Some(settled),
        };
        match settled {
            Some(Ok(Ok(_))) => Ok(()),
            Some(Ok(Err(GuestError::Cancelled))) => bail!(Cancelled),
            Some(Ok(Err(error))) => bail!(Explained(self.unreachable(&error))),
            Some(Err(_)) => {
                let seconds = self.connect.timeout;
                let text =
                    format!("cloud-init has not finished {seconds} s after power-on: nobody waits for it any longer");
                ctx.events.warn(Failure::new(text)).await;
                Ok(())
            }
            None => {
                let reason = self.witness.reason().unwrap_or_else(|| Failure::new("the machine was ended"));
                Err(Explained(reason)).context("the guest did not come up")
            }
        }
    }

    fn shutdown_deadline(&self) -> Duration {
        match self.accelerator {
            Accelerator::Kvm => SHUTDOWN_KVM,
            Accelerator::Tcg => SHUTDOWN_TCG,
        }
    }
}

#[async_trait]
impl Machine for QemuMachine {
    async fn connect(&mut self, ctx: &JobCtx) -> anyhow::Result<Arc<dyn Guest>> {
        let config = SshConfig {
            host: LOOPBACK.to_owned(),
            port: self.port,
            user: self.keys.user.clone(),
            auth: Auth::Given(Arc::clone(&self.keys.login.key)),
            host_key: self.host_key.clone(),
            ciphers: match self.accelerator {
                Accelerator::Kvm => CipherOrder::Native,
                Accelerator::Tcg => CipherOrder::Emulated,
            },
        };
        let left = Duration::from_secs(self.connect.timeout).saturating_sub(self.power_on.elapsed());
        let mut life = self.witness.life.clone();
        let connected = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => bail!(Cancelled),
            _ = life.wait_for(Life::is_over) => None,
            connected = ssh::connect(config, left, &ctx.cancel) => Some(connected),
        };
        match connected {
            Some(Ok(guest)) => {
                self.login_seconds = Some(self.power_on.elapsed().as_secs_f64());
                let guest: Arc<dyn Guest> =
                    Arc::new(Witnessed { guest: Arc::new(guest), witness: self.witness.clone() });
                self.guest = Some(Arc::clone(&guest));
                self.settle(ctx, guest.as_ref()).await?;
                Ok(guest)
            }
            Some(Err(GuestError::Cancelled)) => bail!(Cancelled),
            Some(Err(error)) => bail!(Explained(self.unreachable(&error))),
            None => {
                let reason = self.witness.reason().unwrap_or_else(|| Failure::new("the machine was ended"));
                Err(Explained(reason)).context("the guest did not come up")
            }
        }
    }

    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    fn login_seconds(&self) -> Option<f64> {
        self.login_seconds
    }

    fn seal_plan(&self) -> SealPlan {
        SealPlan {
            public_key: self.keys.login.public_line.clone(),
            user: self.connect.user.clone(),
            traces: self.traces.clone(),
        }
    }

    fn login(&self) -> Option<Login> {
        Some(Login {
            host: LOOPBACK.to_owned(),
            port: self.port,
            user: self.keys.user.clone(),
            key: self.keys.login.private_text().ok()?,
            host_key: self.host_key.line()?,
        })
    }

    async fn ended(&self) -> Option<Failure> {
        let mut life = self.witness.life.clone();
        // An error means that nobody watches any more: it has ended as well.
        let _ = life.wait_for(Life::is_over).await;
        let switched_off = life.borrow().powered_off && life.borrow().trouble.is_none();
        if switched_off { None } else { self.witness.reason() }
    }

    async fn shutdown(&mut self, ctx: &JobCtx) -> anyhow::Result<()> {
        let limit = self.shutdown_deadline();
        let mut life = self.witness.life.clone();
        let ask = async {
            self.ask_to_power_off(&ctx.cancel).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => bail!(Cancelled),
            _ = life.wait_for(Life::is_over) => {}
            () = tokio::time::sleep(limit) => bail!(Explained(Failure {
                hint: Some("a service of the guest does not stop: see the last lines of `console.txt`".to_owned()),
                excerpt: self.witness.excerpt(),
                ..Failure::new(format!("the guest did not shut down within {} s", limit.as_secs()))
            })),
            () = ask => {}
        }
        let life = self.witness.life.borrow().clone();
        match life.end {
            Some(end) if life.powered_off && life.trouble.is_none() && end.status == "exit status: 0" => Ok(()),
            _ => {
                let reason = self.witness.reason().unwrap_or_else(|| Failure::new("the machine was ended"));
                Err(Explained(reason)).context("the guest did not shut down cleanly")
            }
        }
    }

    async fn capture(&mut self, ctx: &JobCtx) -> anyhow::Result<Disk> {
        disk::capture(ctx, &self.disk).await
    }

    async fn evidence(&mut self, ctx: &JobCtx) -> Evidence {
        let picture = ctx.out.join(SCREENSHOT);
        // A guest that is gone has no screen; one that panicked had its picture taken.
        let answer = timeout(SCREENSHOT_DEADLINE, screenshot(&self.witness.qmp, &picture)).await;
        if matches!(answer, Ok(Err(QmpError::Closed))) {
            self.witness.wait_for_end().await;
        }
        let connected = self.guest.is_some();
        let told = || {
            let finding = self.witness.console.best()?;
            // A login prompt explains nothing once someone has logged in.
            (!connected || finding.kind.is_fatal() || finding.kind == Kind::OutOfMemory)
                .then(|| Failure { excerpt: self.witness.excerpt(), ..explained(&finding) })
        };
        let diagnosis = self.witness.reason().or_else(told);
        let is_there = |kept: &Kept| std::fs::metadata(ctx.out.join(&kept.file)).is_ok_and(|file| file.len() > 0);
        let files = [(CONSOLE, KeptKind::Console), (SCREENSHOT, KeptKind::Screenshot)];
        let files = files.map(|(file, kind)| Kept { file: file.to_owned(), kind });
        Evidence { diagnosis, files: files.into_iter().filter(is_there).collect() }
    }

    async fn destroy(&mut self, _ctx: &JobCtx) {
        self.witness.kill.cancel();
        self.guest = None;
        if let Some(watcher) = self.watcher.take() {
            // What hangs in the kernel stays in the journal, for `cleanup`.
            let _ = timeout(END_DEADLINE, watcher).await;
        }
        for path in self.residue.drain(..) {
            // It goes with the work folder at the latest.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for QemuMachine {
    fn drop(&mut self) {
        self.witness.kill.cancel();
    }
}
