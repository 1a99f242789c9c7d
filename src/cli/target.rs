//! What `ovenbird test` and `ovenbird boot` are pointed at: an image's file, a job that was built, a record of one, or a host;
//! and the machine for it.

use std::io::Read;

use anyhow::Context;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sha2::{Digest, Sha256};

use super::exit::Wrong;
use crate::context::failure_of;
use crate::definition::{is_user, parse_memory, parse_size};
use crate::diagnostic::nearest;
use crate::event::{Artifact, JobId};
use crate::image::fetch;
use crate::image::manifest::{Machine, Manifest};
use crate::matrix;
use crate::plan::job::{self, Accelerator, Arch, Connect, Firmware, Host, Image, Job, Platform, Qemu, Source};

/// The record of a job.
const MANIFEST: &str = "manifest.json";

/// Endings by which a name that is not there is taken for an image's rather than for a job's.
const IMAGE_ENDINGS: [&str; 11] = ["qcow2", "raw", "img", "vmdk", "vdi", "vhd", "vhdx", "zst", "gz", "xz", "bz2"];

/// Memory of a machine of which nobody says anything, as in a definition.
const MEMORY: u64 = 1024 * 1024 * 1024;
const CPUS: u32 = 2;
/// Without KVM, on a busy machine, a guest needs minutes until its SSH server answers.
const CONNECT_TIMEOUT: u64 = 10 * 60;
/// A host runs already.
const HOST_TIMEOUT: u64 = 60;

/// The machine that an image is booted on; what is not given is as its record says.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct MachineArgs {
    /// The machine's firmware; otherwise as the image was built, or bios
    #[arg(long, value_name = "KIND", value_parser = firmware())]
    firmware: Option<Firmware>,
    /// The machine's memory, such as 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<u64>,
    /// How many processors the machine has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=255))]
    cpus: Option<u32>,
    /// Who logs in; another user than root must have sudo without a password
    #[arg(long, value_name = "NAME", value_parser = user)]
    user: Option<String>,
    /// What runs the machine: a working KVM, else TCG
    #[arg(long, value_name = "KIND", value_parser = accelerator())]
    accelerator: Option<Accelerator>,
    /// How long it may take until the login
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    pub connect_timeout_minutes: Option<u64>,
}

fn firmware() -> impl TypedValueParser<Value = Firmware> {
    PossibleValuesParser::new(["bios", "uefi"]).map(|text| if text == "uefi" { Firmware::Uefi } else { Firmware::Bios })
}

fn accelerator() -> impl TypedValueParser<Value = Accelerator> {
    PossibleValuesParser::new(["auto", "kvm", "tcg"]).map(|text| match text.as_str() {
        "kvm" => Accelerator::Kvm,
        "tcg" => Accelerator::Tcg,
        _ => Accelerator::Auto,
    })
}

fn user(text: &str) -> Result<String, String> {
    if is_user(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is no user name")) }
}

/// `+2GiB`: by how much a disk is larger.
pub(super) fn growth(text: &str) -> Result<u64, String> {
    parse_size(text.strip_prefix('+').unwrap_or(text))
}

impl MachineArgs {
    /// Changes what was given.
    pub(super) fn apply(&self, qemu: &mut Qemu) {
        qemu.firmware = self.firmware.unwrap_or(qemu.firmware);
        qemu.memory = self.memory.unwrap_or(qemu.memory);
        qemu.cpus = self.cpus.unwrap_or(qemu.cpus);
        qemu.accelerator = self.accelerator.unwrap_or(qemu.accelerator);
        qemu.connect.user = self.user.clone().unwrap_or_else(|| qemu.connect.user.clone());
        qemu.connect.timeout = self.connect_timeout_minutes.map_or(qemu.connect.timeout, |minutes| minutes * 60);
    }
}

/// An image that is there.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub id: JobId,
    /// What the image is called.
    pub name: String,
    /// Absolute and real.
    pub image: Utf8PathBuf,
    /// Where it was built and how, as far as that is known.
    machine: Option<Machine>,
    arch: Arch,
    /// None for an image that was named by itself.
    pub record: Option<Record>,
}

/// Where a job's record is.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Absolute.
    pub path: Utf8PathBuf,
    pub manifest: Manifest,
    /// That of the image.
    pub artifact: Artifact,
}

/// Finds what a word of the command line names: a file, or a job of the output folder `built`.
///
/// # Errors
/// There is no such thing, or it is of no use.
pub(super) fn find(word: &str, built: &Utf8Path) -> anyhow::Result<Target> {
    let path = Utf8Path::new(word);
    let of_job = built.join(word).join(MANIFEST);
    if is_plain(path) && of_job.is_file() {
        return recorded(&of_job);
    }
    if path.is_dir() {
        let hint = if path.join(MANIFEST).is_file() {
            format!("name its record: `{}`", path.join(MANIFEST))
        } else {
            "name an image's file, a job, or a `manifest.json`".to_owned()
        };
        return Err(Wrong::new(format!("`{word}` is a folder, not an image")).hint(hint).into());
    }
    match path.extension() {
        Some("json") if path.is_file() => recorded(path),
        _ if path.exists() => image(path),
        Some(ending) if IMAGE_ENDINGS.contains(&ending) || ending == "json" => Err(no_file(path).into()),
        _ if !is_plain(path) => Err(no_file(path).into()),
        _ => Err(no_job(word, built).into()),
    }
}

/// The images of all jobs of the output folder.
pub(super) fn built_jobs(built: &Utf8Path) -> Vec<String> {
    let entries = built.read_dir_utf8().into_iter().flatten().flatten();
    let with_record = entries.filter(|entry| entry.path().join(MANIFEST).is_file());
    let mut names: Vec<String> = with_record.map(|entry| entry.file_name().to_owned()).collect();
    names.sort();
    names
}

/// Whether it is one name, and no way through folders.
fn is_plain(path: &Utf8Path) -> bool {
    let mut parts = path.components();
    matches!((parts.next(), parts.next()), (Some(Utf8Component::Normal(_)), None))
}

fn no_file(path: &Utf8Path) -> Wrong {
    let near = super::load::siblings(&Utf8Path::new(".").join(path));
    let near = nearest(path.file_name().unwrap_or_default(), near.iter().map(String::as_str));
    let wrong = Wrong::new(format!("there is no file `{path}`"));
    match near {
        Some(near) => wrong.hint(format!("did you mean `{}`?", path.with_file_name(near))),
        None => wrong,
    }
}

fn no_job(name: &str, built: &Utf8Path) -> Wrong {
    let jobs = built_jobs(built);
    let files = super::load::siblings(&Utf8Path::new(".").join(name));
    let near = [&jobs, &files].into_iter().find_map(|names| nearest(name, names.iter().map(String::as_str)));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if jobs.is_empty() => {
            "nothing was built there: `ovenbird build` does, and `ovenbird plan` lists the jobs".to_owned()
        }
        None => {
            format!("the jobs there are {}", jobs.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", "))
        }
    };
    Wrong::new(format!("there is no image of a job `{name}` in `{built}`, and no such file")).hint(hint)
}

/// An image that is named by itself. The record in its folder tells which machine it needs, if it lists it.
fn image(path: &Utf8Path) -> anyhow::Result<Target> {
    let real = path.canonicalize_utf8().map_err(|error| Wrong::new(format!("failed to open `{path}`: {error}")))?;
    fetch::look(&real).map_err(no_image)?;
    let stem = path.file_name().unwrap_or(path.as_str());
    let stem = stem.split_once('.').map_or(stem, |(stem, _)| stem);
    let name = path.file_name().unwrap_or_default();
    let beside = real.parent().map(|folder| folder.join(MANIFEST)).and_then(|path| Manifest::read(&path).ok());
    let beside = beside.filter(|manifest| trusted(manifest, path).is_ok());
    let beside = beside.filter(|manifest| manifest.artifacts.iter().any(|artifact| artifact.file == name));
    Ok(Target {
        id: JobId(matrix::slug([stem])),
        name: matrix::slug([stem]),
        image: real,
        arch: beside.as_ref().map_or(Ok(Arch::Amd64), arch_of)?,
        machine: beside.and_then(|manifest| manifest.machine),
        record: None,
    })
}

fn no_image(error: anyhow::Error) -> anyhow::Error {
    let failure = failure_of(&error);
    Wrong { message: failure.message, hint: failure.hint }.into()
}

/// The image that a record tells of: the one that starts quickest, and is there as it was written.
fn recorded(path: &Utf8Path) -> anyhow::Result<Target> {
    let manifest = Manifest::read(path).map_err(|error| {
        Wrong::new(format!("{error:#}")).hint("`ovenbird build` writes a `manifest.json` beside each job's images")
    })?;
    trusted(&manifest, path)?;
    let real = path.canonicalize_utf8().with_context(|| format!("failed to find `{path}`"))?;
    let folder = real.parent().unwrap_or(Utf8Path::new("/"));
    let artifact = chosen(&manifest, folder)
        .with_context(|| format!("`{path}` tells of no image"))
        .map_err(|error| Wrong::new(format!("{error:#}")))?;
    let image = folder.join(&artifact.file);
    let again = format!("build it again (`ovenbird build {}`)", manifest.job);
    if !image.is_file() {
        return Err(Wrong::new(format!("the image `{}` is gone, of which `{path}` tells", artifact.file))
            .hint(again)
            .into());
    }
    let digest = sha256(&image)?;
    if digest != artifact.sha256 {
        let message = format!(
            "`{image}` is not the image of which `{path}` tells: sha256 {digest}, expected {}",
            artifact.sha256
        );
        return Err(Wrong::new(message).hint(format!("{again}, or name the image's file to take it as it is")).into());
    }
    Ok(Target {
        id: manifest.job.clone(),
        name: manifest.name.clone(),
        arch: arch_of(&manifest)?,
        machine: manifest.machine.clone(),
        image,
        record: Some(Record { path: real, manifest, artifact }),
    })
}

/// A record may come from anywhere: folders are called after its job, and its user becomes an argument of programs.
fn trusted(manifest: &Manifest, path: &Utf8Path) -> Result<(), Wrong> {
    let wrong = |what: &str| Wrong::new(format!("`{path}` is not a record of ours: {what}"));
    let job = manifest.job.0.as_str();
    if matrix::slug([job]) != job {
        return Err(wrong("its `job` is no name of a job"));
    }
    match &manifest.machine {
        Some(machine) if !is_user(&machine.user) => Err(wrong("the `user` of its `machine` is no user name")),
        _ => Ok(()),
    }
}

/// A record may come from anywhere: its files are in its folder, or are none.
fn chosen(manifest: &Manifest, folder: &Utf8Path) -> Option<Artifact> {
    let rank = |artifact: &Artifact| match (artifact.format.as_str(), &artifact.compression) {
        ("qcow2", _) => 0,
        ("raw", None) => 1,
        (_, None) => 2,
        _ => 3,
    };
    let mut artifacts: Vec<&Artifact> =
        manifest.artifacts.iter().filter(|artifact| is_plain(Utf8Path::new(&artifact.file))).collect();
    artifacts.sort_by_key(|artifact| (!folder.join(&artifact.file).is_file(), rank(artifact)));
    artifacts.first().copied().cloned()
}

fn arch_of(manifest: &Manifest) -> Result<Arch, Wrong> {
    let known = [Arch::Amd64, Arch::Arm64].into_iter().find(|arch| arch.debian() == manifest.arch);
    known.ok_or_else(|| Wrong::new(format!("`{}` is an architecture that no machine can be made of", manifest.arch)))
}

fn sha256(path: &Utf8Path) -> anyhow::Result<String> {
    let mut file = std::fs::File::open(path).with_context(|| format!("failed to open `{path}`"))?;
    let (mut digest, mut chunk) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk).with_context(|| format!("failed to read `{path}`"))? {
            0 => return Ok(format!("{:x}", digest.finalize())),
            count => digest.update(&chunk[..count]),
        }
    }
}

impl Target {
    /// The machine for it, as its record says.
    pub(super) fn machine(&self) -> Qemu {
        Qemu {
            source: Source::Image(Image { image: self.image.to_string(), checksum: None }),
            arch: self.arch,
            disk_size: None,
            memory: self.machine.as_ref().map_or(MEMORY, |machine| machine.memory),
            cpus: self.machine.as_ref().map_or(CPUS, |machine| machine.cpus),
            firmware: self.machine.as_ref().map_or(Firmware::Bios, |machine| machine.firmware),
            accelerator: Accelerator::Auto,
            connect: Connect {
                user: self.machine.as_ref().map_or_else(|| "root".to_owned(), |machine| machine.user.clone()),
                timeout: CONNECT_TIMEOUT,
            },
        }
    }

    /// A job of it alone, without a definition.
    pub(super) fn job(&self, root: &Utf8Path) -> Job {
        let definition = self.record.as_ref().map(|record| record.manifest.definition.clone());
        let (path, digest) = definition.map_or_else(
            || (self.image.file_name().unwrap_or_default().into(), String::new()),
            |definition| (definition.path, definition.sha256),
        );
        let matrix = self.record.as_ref().map(|record| record.manifest.matrix.clone()).unwrap_or_default();
        let job = bare_job(self.id.clone(), &self.name, Platform::Qemu(self.machine()), root);
        Job { definition: path, definition_digest: digest, matrix, ..job }
    }
}

/// A job that builds nothing.
pub(super) fn bare_job(id: JobId, name: &str, platform: Platform, root: &Utf8Path) -> Job {
    Job {
        version: job::WIRE_VERSION,
        id,
        name: name.to_owned(),
        image_version: None,
        definition: super::load::DEFINITION.into(),
        definition_digest: String::new(),
        definition_files: Vec::new(),
        origin: job::Origin::default(),
        root: root.to_owned(),
        matrix: serde_json::Map::new(),
        platform,
        env: Vec::new(),
        steps: Vec::new(),
        outputs: Vec::new(),
        tests: None,
        secrets: Vec::new(),
    }
}

/// A machine that runs already.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct HostArgs {
    /// A machine that runs already, in the place of an image; without a user, root logs in
    #[arg(long, value_name = "[USER@]HOST[:PORT]")]
    ssh: Option<String>,
    /// The private key to log in with; otherwise the agent's keys, and then ~/.ssh/id_ed25519, id_ecdsa and id_rsa
    #[arg(long, value_name = "FILE", requires = "ssh")]
    identity: Option<Utf8PathBuf>,
}

impl HostArgs {
    /// The words that name the host again, quoted for a shell.
    pub(super) fn words(&self) -> Vec<String> {
        let option = |name: &str, value: &str| format!("{name} {}", super::ci::quoted(value));
        let host = self.ssh.iter().map(|host| option("--ssh", host));
        host.chain(self.identity.iter().map(|file| option("--identity", file.as_str()))).collect()
    }

    /// The host that was named, if one was.
    ///
    /// # Errors
    /// It is no address, or there is no such key.
    pub(super) fn host(&self, minutes: Option<u64>) -> anyhow::Result<Option<Host>> {
        let Some(text) = &self.ssh else { return Ok(None) };
        let (user, host, port) = address(text).ok_or_else(|| {
            Wrong::new(format!("`{text}` is no host")).hint("write `host`, `user@host`, `host:2222` or `[::1]:2222`")
        })?;
        if let Some(identity) = self.identity.as_ref().filter(|path| !path.is_file()) {
            return Err(Wrong::new(format!("there is no key `{identity}`")).into());
        }
        Ok(Some(Host {
            host,
            port,
            user,
            identity: self.identity.as_ref().map(|path| absolute(path)).transpose()?,
            known_hosts: known_hosts(),
            timeout: minutes.map_or(HOST_TIMEOUT, |minutes| minutes * 60),
        }))
    }
}

fn absolute(path: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    camino::absolute_utf8(path).with_context(|| format!("failed to find `{path}`"))
}

/// The files that OpenSSH's client reads.
fn known_hosts() -> Vec<Utf8PathBuf> {
    let home = std::env::var("HOME").ok().filter(|home| home.starts_with('/')).map(Utf8PathBuf::from);
    let own = home.map(|home| home.join(".ssh/known_hosts"));
    own.into_iter().chain(["/etc/ssh/ssh_known_hosts".into()]).collect()
}

/// User, host and port of `[user@]host[:port]`. An IPv6 address has brackets when a port follows.
fn address(text: &str) -> Option<(String, String, u16)> {
    let (user, place) = text.rsplit_once('@').unwrap_or(("root", text));
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => match place.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (place, None),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port: u16 = port.map_or(Some(22), |port| port.parse().ok()).filter(|port| *port > 0)?;
    let is_name = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
    (is_name(user) && is_name(host)).then(|| (user.to_owned(), host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_user_and_a_port_or_the_usual_ones() {
        let of = |text| address(text).map(|(user, host, port)| format!("{user} {host} {port}"));
        assert_eq!(of("web").as_deref(), Some("root web 22"));
        assert_eq!(of("debian@web.test:2222").as_deref(), Some("debian web.test 2222"));
        assert_eq!(of("a@b@192.0.2.7").as_deref(), Some("a@b 192.0.2.7 22"));
        assert_eq!(of("::1").as_deref(), Some("root ::1 22"));
        assert_eq!(of("me@[::1]:2222").as_deref(), Some("me ::1 2222"));
        for wrong in ["", "@web", "web:", "web:0", "web:70000", "web:ssh", "[::1]22", "a b", "-oProxyCommand=x"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
