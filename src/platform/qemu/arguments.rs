//! QEMU's argument vector. Pure: everything it depends on is in [`Hardware`].
//!
//! Nothing sensitive may stand here: every user of the machine can read a process's arguments. Keys travel in files.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

/// The machine to start.
#[derive(Clone, Debug)]
pub(super) struct Hardware {
    /// What `ps` shows, so that a person knows whose QEMU it is.
    pub name: String,
    /// None: the machine has no name and no UUID, as every build's.
    pub identity: Option<Identity>,
    pub accelerator: Accelerator,
    pub cpu: Cpu,
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    pub firmware: Firmware,
    pub disk: DiskFile,
    /// A volume that is only read, such as a NoCloud seed.
    pub seed: Option<Utf8PathBuf>,
    /// Files that hold one SMBIOS string (type 11) each.
    pub smbios: Vec<Utf8PathBuf>,
    /// The pipe that the guest's serial console is written to.
    pub console: Utf8PathBuf,
    /// Ports of this machine's loopback that lead to ports of the guest.
    pub forwards: Vec<(u16, u16)>,
}

/// What clouds tell each of their machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// By DHCP and in the seed.
    pub hostname: String,
    /// Of the hardware.
    pub uuid: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Tcg,
}

impl Accelerator {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// The processor that the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cpu {
    /// The baseline that Debian is built for. The cheapest to emulate: newer instruction sets make programs choose code
    /// that TCG runs slower.
    Qemu64,
    /// All that TCG can emulate: Red Hat's relatives need x86-64-v2 or more.
    Max,
    /// This machine's own.
    Host,
}

impl Cpu {
    fn as_str(self) -> &'static str {
        match self {
            Self::Qemu64 => "qemu64",
            Self::Max => "max",
            Self::Host => "host",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Firmware {
    Bios,
    /// `vars` is this machine's own copy: the guest writes to it.
    Uefi {
        code: Utf8PathBuf,
        vars: Utf8PathBuf,
    },
}

/// The disk, which the guest writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DiskFile {
    pub path: Utf8PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
}

/// The arguments for `qemu-system-x86_64`.
pub(super) fn arguments(hardware: &Hardware) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut add = |option: &str, value: String| arguments.extend([format!("-{option}"), value]);

    // `graphics=off` does not take the display away: it makes the firmware and the boot loader talk on the serial console
    // too, so that "No bootable device" is read and not only seen.
    let mut machine = "q35,graphics=off,vmport=off".to_owned();
    if let Firmware::Uefi { code, vars } = &hardware.firmware {
        machine.push_str(",pflash0=firmware-code,pflash1=firmware-vars");
        add("blockdev", raw_file("firmware-code", code, Access::ReadOnly));
        add("blockdev", raw_file("firmware-vars", vars, Access::ReadWrite));
    }
    add("name", escape(&hardware.name));
    if let Some(identity) = &hardware.identity {
        add("uuid", identity.uuid.clone());
    }
    add("machine", machine);
    add("accel", hardware.accelerator.as_str().to_owned());
    add("cpu", hardware.cpu.as_str().to_owned());
    add("smp", hardware.cpus.to_string());
    add("m", format!("{}M", hardware.memory.div_ceil(1024 * 1024)));
    // A panicked machine stands still, so that its screen can be kept; then we end it.
    add("action", "panic=pause".to_owned());
    add("display", "none".to_owned());
    add("device", "VGA".to_owned());
    add("chardev", "stdio,id=qmp".to_owned());
    add("mon", "chardev=qmp,mode=control".to_owned());
    add("chardev", format!("file,id=console,path={}", escape(hardware.console.as_str())));
    add("serial", "chardev:console".to_owned());
    add("blockdev", disk(&hardware.disk));
    add("device", "virtio-blk-pci,drive=disk,bootindex=0".to_owned());
    if let Some(seed) = &hardware.seed {
        add("blockdev", raw_file("seed", seed, Access::ReadOnly));
        add("device", "virtio-blk-pci,drive=seed".to_owned());
    }
    // Port 0: the kernel chooses a free one, and nobody can take it in between. No option ROM: nothing boots from here.
    let hostname = hardware.identity.as_ref().map(|identity| format!(",hostname={}", escape(&identity.hostname)));
    let forwards = hardware.forwards.iter().map(|(from, to)| format!(",hostfwd=tcp:127.0.0.1:{from}-:{to}"));
    let (hostname, forwards) = (hostname.unwrap_or_default(), forwards.collect::<String>());
    add("netdev", format!("user,id=net{hostname},hostfwd=tcp:127.0.0.1:0-:22{forwards}"));
    add("device", "virtio-net-pci,netdev=net,romfile=".to_owned());
    add("object", "rng-random,id=rng,filename=/dev/urandom".to_owned());
    add("device", "virtio-rng-pci,rng=rng".to_owned());
    add("device", "pvpanic-pci".to_owned());
    for file in &hardware.smbios {
        add("smbios", format!("type=11,path={}", escape(file.as_str())));
    }
    arguments.splice(0..0, ["-nodefaults".to_owned(), "-no-user-config".to_owned()]);
    arguments
}

/// The disk as a block node. It is thrown away or captured after a clean shutdown, so the guest's flushes need not reach
/// the hardware; what the guest discards or fills with zeroes is given back.
fn disk(disk: &DiskFile) -> String {
    json!({
        "node-name": "disk",
        "driver": disk.format,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "cache": { "direct": false, "no-flush": true },
        "file": {
            "driver": "file",
            "filename": disk.path,
            "discard": "unmap",
            "cache": { "direct": false, "no-flush": true },
        },
    })
    .to_string()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

fn raw_file(node: &str, path: &Utf8Path, access: Access) -> String {
    let read_only = access == Access::ReadOnly;
    json!({
        "node-name": node,
        "driver": "raw",
        "read-only": read_only,
        "file": { "driver": "file", "filename": path, "read-only": read_only },
    })
    .to_string()
}

/// A value inside a comma-separated list, as QEMU wants it: commas doubled.
fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware() -> Hardware {
        Hardware {
            name: "ovenbird-web-bookworm".to_owned(),
            identity: None,
            accelerator: Accelerator::Tcg,
            cpu: Cpu::Qemu64,
            cpus: 2,
            memory: 1 << 30,
            firmware: Firmware::Bios,
            disk: DiskFile { path: "/w/disk.raw".into(), format: "raw" },
            seed: None,
            smbios: vec!["/w/login.credential".into()],
            console: "/w/console.pipe".into(),
            forwards: Vec::new(),
        }
    }

    fn lines(hardware: &Hardware) -> String {
        let arguments = arguments(hardware);
        let mut text = String::new();
        for argument in arguments {
            text.push_str(if argument.starts_with('-') { "\n" } else { " " });
            text.push_str(&argument);
        }
        text.trim_start().to_owned()
    }

    #[test]
    fn a_bootstrapped_debian_on_bios_without_kvm() {
        insta::assert_snapshot!(lines(&hardware()), @r#"
        -nodefaults
        -no-user-config
        -name ovenbird-web-bookworm
        -machine q35,graphics=off,vmport=off
        -accel tcg
        -cpu qemu64
        -smp 2
        -m 1024M
        -action panic=pause
        -display none
        -device VGA
        -chardev stdio,id=qmp
        -mon chardev=qmp,mode=control
        -chardev file,id=console,path=/w/console.pipe
        -serial chardev:console
        -blockdev {"node-name":"disk","driver":"raw","discard":"unmap","detect-zeroes":"unmap","cache":{"direct":false,"no-flush":true},"file":{"driver":"file","filename":"/w/disk.raw","discard":"unmap","cache":{"direct":false,"no-flush":true}}}
        -device virtio-blk-pci,drive=disk,bootindex=0
        -netdev user,id=net,hostfwd=tcp:127.0.0.1:0-:22
        -device virtio-net-pci,netdev=net,romfile=
        -object rng-random,id=rng,filename=/dev/urandom
        -device virtio-rng-pci,rng=rng
        -device pvpanic-pci
        -smbios type=11,path=/w/login.credential
        "#);
    }

    #[test]
    fn an_image_with_a_seed_on_uefi_with_kvm() {
        let hardware = Hardware {
            accelerator: Accelerator::Kvm,
            cpu: Cpu::Host,
            firmware: Firmware::Uefi { code: "/f/CODE.fd".into(), vars: "/w/vars.fd".into() },
            disk: DiskFile { path: "/w/overlay.qcow2".into(), format: "qcow2" },
            seed: Some("/w/seed.img".into()),
            ..hardware()
        };
        insta::assert_snapshot!(lines(&hardware), @r#"
        -nodefaults
        -no-user-config
        -blockdev {"node-name":"firmware-code","driver":"raw","read-only":true,"file":{"driver":"file","filename":"/f/CODE.fd","read-only":true}}
        -blockdev {"node-name":"firmware-vars","driver":"raw","read-only":false,"file":{"driver":"file","filename":"/w/vars.fd","read-only":false}}
        -name ovenbird-web-bookworm
        -machine q35,graphics=off,vmport=off,pflash0=firmware-code,pflash1=firmware-vars
        -accel kvm
        -cpu host
        -smp 2
        -m 1024M
        -action panic=pause
        -display none
        -device VGA
        -chardev stdio,id=qmp
        -mon chardev=qmp,mode=control
        -chardev file,id=console,path=/w/console.pipe
        -serial chardev:console
        -blockdev {"node-name":"disk","driver":"qcow2","discard":"unmap","detect-zeroes":"unmap","cache":{"direct":false,"no-flush":true},"file":{"driver":"file","filename":"/w/overlay.qcow2","discard":"unmap","cache":{"direct":false,"no-flush":true}}}
        -device virtio-blk-pci,drive=disk,bootindex=0
        -blockdev {"node-name":"seed","driver":"raw","read-only":true,"file":{"driver":"file","filename":"/w/seed.img","read-only":true}}
        -device virtio-blk-pci,drive=seed
        -netdev user,id=net,hostfwd=tcp:127.0.0.1:0-:22
        -device virtio-net-pci,netdev=net,romfile=
        -object rng-random,id=rng,filename=/dev/urandom
        -device virtio-rng-pci,rng=rng
        -device pvpanic-pci
        -smbios type=11,path=/w/login.credential
        "#);
    }

    #[test]
    fn a_copy_has_a_name_and_a_uuid_of_its_own() {
        let identity = Identity { hostname: "ovenbird-test-1".to_owned(), uuid: "1-2".to_owned() };
        let text = lines(&Hardware { identity: Some(identity), ..hardware() });
        assert!(text.contains("\n-uuid 1-2\n"), "{text}");
        assert!(
            text.contains("\n-netdev user,id=net,hostname=ovenbird-test-1,hostfwd=tcp:127.0.0.1:0-:22\n"),
            "{text}"
        );
    }

    #[test]
    fn ports_are_forwarded_from_loopback_only() {
        let text = lines(&Hardware { forwards: vec![(8080, 80), (5353, 53)], ..hardware() });
        let forwards = "hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:5353-:53";
        assert!(text.contains(&format!("-netdev user,id=net,{forwards}\n")), "{text}");
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        let hardware = Hardware { console: "/a,b/pipe".into(), ..hardware() };
        let text = lines(&hardware);
        assert!(text.contains("path=/a,,b/pipe"), "{text}");
    }
}
