//! What must be here before a machine can start: QEMU, an accelerator, firmware, and the source on a disk.

use std::sync::Arc;

use anyhow::Context;
use tokio::time::Instant;

use super::accelerator::{self, Choice};
use super::arguments::{Accelerator, Cpu, DiskFile, Firmware, Hardware, Identity, arguments};
use super::console::{Console, Pipe};
use super::disk::{self, Base};
use super::machine::{Launched, QemuMachine};
use super::program::{self, Qemu};
use super::seed::{self, Keys};
use crate::context::JobCtx;
use crate::event::Body;
use crate::guest::ssh::HostKey;
use crate::image;
use crate::plan::job::{self, Source};
use crate::platform::{Copy, Facts};

/// A machine that can be started.
#[derive(Debug)]
pub struct Prepared {
    spec: job::Qemu,
    qemu: Qemu,
    choice: Choice,
    firmware: Firmware,
    disk: DiskFile,
    source: String,
    source_digest: Option<String>,
    /// See [`crate::image::seal::SealPlan`].
    traces: Vec<String>,
    /// That of a copy of a finished image, which makes its own host keys as it does for whoever launches it. None: the machine
    /// of a build.
    copy: Option<Identity>,
    forwards: Vec<(u16, u16)>,
}

/// What a machine needs beside its disk.
struct Equipment {
    qemu: Qemu,
    firmware: Firmware,
    choice: Choice,
}

/// Finds what the machine needs and brings its source. What can be missing is looked for before anything is downloaded.
///
/// # Errors
/// QEMU or the firmware is not installed, KVM was asked for and does not work, the source can't be had, or its disk is
/// larger than `disk-size`.
pub async fn prepare(ctx: &JobCtx, spec: &job::Qemu) -> anyhow::Result<Prepared> {
    let Equipment { qemu, firmware, choice } = equip(ctx, spec).await?;
    let (disk, source, source_digest, traces) = match &spec.source {
        Source::Debian(debian) => {
            let path = ctx.work.join("debian.raw");
            let traces = image::bootstrap::debian(ctx, debian, spec.arch, spec.disk_size, &path).await?;
            (DiskFile { path, format: "raw" }, format!("debian {}", debian.suite), None, traces)
        }
        Source::Image(image) => {
            let fetched = image::fetch::fetch(ctx, image).await?;
            let base = Base { path: &fetched.path, format: &fetched.format, virtual_size: fetched.virtual_size };
            let disk = disk::overlay(ctx, &base, spec.disk_size).await?;
            (disk, image::fetch::described(image), Some(fetched.digest), Vec::new())
        }
    };
    Ok(Prepared {
        spec: spec.clone(),
        qemu,
        choice,
        firmware,
        disk,
        source,
        source_digest,
        traces,
        copy: None,
        forwards: Vec::new(),
    })
}

async fn equip(ctx: &JobCtx, spec: &job::Qemu) -> anyhow::Result<Equipment> {
    let qemu = Qemu::find(ctx, spec.arch).await?;
    let firmware = match spec.firmware {
        job::Firmware::Bios => Firmware::Bios,
        job::Firmware::Uefi => {
            let (code, template) = program::uefi()?;
            Firmware::Uefi { code: code.to_owned(), vars: program::copy_variables(ctx, template).await? }
        }
    };
    let choice = accelerator::choose(ctx, spec.accelerator, spec.arch, &qemu).await?;
    let (accelerator, reason) = (choice.accelerator.as_str().to_owned(), choice.reason.clone());
    ctx.events.emit(Body::Accelerator { accelerator, reason }).await;
    Ok(Equipment { qemu, firmware, choice })
}

/// [`prepare`] for a throw-away copy of an image: whatever the spec's own source is. Its host name, which it is told as
/// clouds tell theirs, is made of the name of the folder that its logs go to.
///
/// # Errors
/// As [`prepare`].
pub async fn prepare_copy(ctx: &JobCtx, spec: &job::Qemu, copy: &Copy) -> anyhow::Result<Prepared> {
    let Equipment { qemu, firmware, choice } = equip(ctx, spec).await?;
    let opened = image::fetch::open(ctx, &copy.image).await?;
    let base = Base { path: &opened.path, format: &opened.format, virtual_size: opened.virtual_size };
    let disk = disk::overlay(ctx, &base, Some(opened.virtual_size.saturating_add(copy.grow))).await?;
    let uuid = seed::uuid().context("failed to make a UUID")?;
    let identity = Identity { hostname: hostname(ctx.out.file_name().unwrap_or_default()), uuid };
    Ok(Prepared {
        spec: spec.clone(),
        qemu,
        choice,
        firmware,
        disk,
        source: copy.image.file_name().unwrap_or(copy.image.as_str()).to_owned(),
        source_digest: None,
        traces: Vec::new(),
        copy: Some(identity),
        forwards: Vec::new(),
    })
}

/// A host name (RFC 1123) for the machine whose logs go to a folder of this name.
fn hostname(folder: &str) -> String {
    const LONGEST: usize = 63;
    let safe = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' };
    let name: String = format!("ovenbird-{folder}").chars().map(safe).take(LONGEST).collect();
    name.trim_end_matches('-').to_owned()
}

impl Prepared {
    /// With ports of this machine's loopback that lead to ports of the guest.
    #[must_use]
    pub fn forwarding(self, forwards: Vec<(u16, u16)>) -> Self {
        Self { forwards, ..self }
    }

    /// Starts the machine, and returns when QEMU runs and has told where the guest's SSH is.
    ///
    /// # Errors
    /// QEMU is missing or refuses to start: its own words are in the error.
    pub async fn launch(self, ctx: &JobCtx) -> anyhow::Result<QemuMachine> {
        let keys = Keys::generate(&self.spec.connect.user)?;
        keys.hide(ctx.events.redactor())?;
        let host_key = self.copy.is_none().then_some(&keys.host);
        let smbios = seed::write_credentials(ctx, &keys, host_key)?;
        let hostname = self.copy.as_ref().map(|identity| identity.hostname.as_str());
        let seed = match (&self.spec.source, &self.copy) {
            (Source::Debian(_), None) => None,
            _ => Some(seed::write_seed(ctx, &keys, host_key, hostname).await?),
        };
        let hardware = Hardware {
            name: format!("ovenbird-{}", ctx.id),
            identity: self.copy.clone(),
            accelerator: self.choice.accelerator,
            cpu: self.cpu(),
            cpus: self.spec.cpus,
            memory: self.spec.memory,
            firmware: self.firmware.clone(),
            disk: self.disk.clone(),
            seed,
            smbios,
            console: ctx.work.join("console.pipe"),
            forwards: self.forwards.clone(),
        };
        let pipe = Pipe::create(&hardware.console, &ctx.out.join("console.txt"), ctx.events.redactor())?;
        let launched = Launched {
            arguments: arguments(&hardware),
            program: self.qemu.program,
            accelerator: self.choice.accelerator,
            pipe,
            console: Console::new(ctx.events.redactor()),
            host_key: match self.copy {
                Some(_) => HostKey::first(),
                None => HostKey::Known(keys.host.public_line.clone()),
            },
            keys: Arc::new(keys),
            connect: self.spec.connect.clone(),
            disk: self.disk.clone(),
            residue: hardware.smbios.iter().chain(&hardware.seed).chain([&hardware.console]).cloned().collect(),
            facts: self.facts(),
            traces: self.traces,
            power_on: Instant::now(),
        };
        QemuMachine::start(ctx, launched).await
    }

    /// See [`Cpu`] for why. A copy has that of the build.
    fn cpu(&self) -> Cpu {
        match (self.choice.accelerator, &self.spec.source) {
            (Accelerator::Kvm, _) => Cpu::Host,
            (Accelerator::Tcg, Source::Debian(_)) => Cpu::Qemu64,
            (Accelerator::Tcg, Source::Image(_)) => Cpu::Max,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            accelerator: Some(self.choice.accelerator.as_str().to_owned()),
            accelerator_reason: Some(self.choice.reason.clone()),
            source_digest: self.source_digest.clone(),
            source: self.source.clone(),
            hypervisor: Some(format!("QEMU {}", self.qemu.version)),
        }
    }
}
