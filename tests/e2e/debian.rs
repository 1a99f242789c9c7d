//! The real thing: a Debian bootstrapped from the package mirror, provisioned, sealed; then the *finished* image is booted
//! as a stranger would, on other firmware and a larger disk, and looked at from inside.

use std::process::Command;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use crate::support::{Project, tool};

const BAKE: &str = "
name: base
platforms:
  qemu:
    builder: qemu
    source: { debian: bookworm, packages: [cron] }
    memory: 1GiB
    cpus: 2
    accelerator: tcg
env: { DEBIAN_FRONTEND: noninteractive }
steps:
  - name: A unit that a step disables stays disabled
    run: systemctl disable cron
  - name: A step that installs another kernel leaves an image that boots
    run: |
      # Without KVM, making an initramfs with everything in it would take minutes.
      printf 'MODULES=dep\\nCOMPRESS=gzip\\n' > /etc/initramfs-tools/conf.d/small
      apt-get update
      apt-get install -y --no-install-recommends linux-image-cloud-amd64
  - name: Leave the traces that every session leaves
    run: |
      echo secret-command >> /root/.bash_history
      echo noise > /var/tmp/noise
      journalctl --flush || true
      cp /etc/machine-id /etc/build-machine-id
      cat /etc/ssh/ssh_host_ed25519_key.pub > /etc/build-host-key
outputs: [raw]
";

const LOOK: &str = "
name: look
platforms:
  qemu:
    builder: qemu
    source: { image: baked.raw }
    disk-size: 6GiB
    memory: 1GiB
    cpus: 2
    firmware: uefi
    accelerator: tcg
steps:
  - name: It booted with UEFI and the kernel that the step installed
    run: |
      test -d /sys/firmware/efi
      uname -r | grep cloud
  - name: The disabled unit did not come back
    run: |
      ! systemctl is-enabled cron
  - name: The machine has its own identity
    run: |
      test -s /etc/machine-id
      ! cmp -s /etc/machine-id /etc/build-machine-id
      ! grep -qF \"$(cut -d' ' -f2 /etc/build-host-key)\" /etc/ssh/ssh_host_*_key.pub
  - name: The root file system has grown
    run: |
      test \"$(df --output=size -BM / | tail -n 1 | tr -dc 0-9)\" -gt 5000
  - name: Packages come from the distribution's own archive, with updates and security
    run: |
      cat /etc/apt/sources.list.d/debian.sources
      grep -q bookworm-updates /etc/apt/sources.list.d/debian.sources
      grep -q bookworm-security /etc/apt/sources.list.d/debian.sources
      test \"$(ls /etc/apt/sources.list.d)\" = debian.sources
      test ! -e /etc/apt/apt.conf.d/99ovenbird-build
  - name: Nothing failed on the way up
    run: |
      systemctl --failed --no-legend | tee /tmp/failed
      test ! -s /tmp/failed
outputs: [qcow2]
";

#[test]
fn a_baked_debian_comes_up_whole_on_other_firmware_and_a_larger_disk() {
    let bake = Project::new(BAKE);
    bake.run(&["build"]).expect_status(0);
    bake.assert_nothing_left();
    let raw = bake.path("ovenbird-out/qemu/base.raw");
    let digest = |path: &str| tool(Command::new("sha256sum").arg(path));
    let before = digest(raw.as_str());

    let look = Project::new(LOOK);
    std::os::unix::fs::symlink(&raw, look.path("baked.raw")).unwrap();
    look.run(&["build"]).expect_status(0);
    look.assert_nothing_left();
    assert_eq!(digest(raw.as_str()), before, "a build changed the image that it started from");
    boots_with_secure_boot(&raw);
}

/// The firmware checks every link of the chain, and the kernel says that it did. OVMF's variables with Microsoft's keys.
fn boots_with_secure_boot(raw: &Utf8Path) {
    let folder = tempfile::tempdir().unwrap();
    let (vars, console) = (folder.path().join("vars.fd"), folder.path().join("console.txt"));
    let copied = std::fs::copy("/usr/share/OVMF/OVMF_VARS_4M.ms.fd", &vars);
    assert!(copied.is_ok(), "no firmware with Microsoft's keys: apt-get install ovmf");
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-machine", "q35,smm=on,accel=tcg", "-m", "512", "-nodefaults", "-display", "none", "-snapshot"]);
    qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
    qemu.args(["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"]);
    qemu.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,file={}", vars.display()));
    qemu.arg("-drive").arg(format!("if=virtio,format=raw,file={raw}"));
    qemu.arg("-serial").arg(format!("file:{}", console.display()));
    let mut qemu = qemu.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    let text = || String::from_utf8_lossy(&std::fs::read(&console).unwrap_or_default()).into_owned();
    while !text().contains("Secure boot enabled") && Instant::now() < deadline && qemu.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(200));
    }
    qemu.kill().unwrap();
    qemu.wait().unwrap();
    let text = text();
    assert!(text.contains("Secure boot enabled"), "{text}");
}
