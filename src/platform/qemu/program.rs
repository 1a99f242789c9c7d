//! Which QEMU is here: its program for an architecture, its version, and its UEFI firmware.

use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::Command;

use crate::context::{Explained, JobCtx};
use crate::event::Failure;
use crate::plan::job::Arch;

/// An installed QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qemu {
    pub program: &'static str,
    /// As it tells it itself: `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`.
    pub version: String,
}

impl Qemu {
    /// Finds the QEMU for guests of `arch` by asking for its version.
    ///
    /// # Errors
    /// It is not installed or does not run, or machines of that architecture can't be made yet.
    pub(super) async fn find(ctx: &JobCtx, arch: Arch) -> anyhow::Result<Self> {
        let program = match arch {
            Arch::Amd64 => "qemu-system-x86_64",
            Arch::Arm64 => {
                return Err(Explained(Failure {
                    hint: Some("set `arch: amd64`".to_owned()),
                    ..Failure::new("machines of `arch: arm64` can't be built in QEMU yet")
                })
                .into());
            }
        };
        let mut command = Command::new(program);
        command.arg("--version");
        let printed = crate::program::run_with(ctx, command, |_| false).await?;
        Ok(Self { program, version: version(&printed).to_owned() })
    }
}

/// The version out of `QEMU emulator version 7.2.22 (Debian …)`.
fn version(printed: &str) -> &str {
    let line = printed.lines().next().unwrap_or_default();
    line.strip_prefix("QEMU emulator version ").unwrap_or(line)
}

/// Where distributions put the UEFI firmware for machines without Secure Boot, code and empty variables: Debian and Ubuntu
/// (the 4 MiB build before the old one), Fedora and its relatives, Arch, openSUSE.
const UEFI: [(&str, &str); 6] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
];

/// The installed UEFI firmware: its code, and the template of its variables.
///
/// # Errors
/// There is none at any place where distributions put it.
pub(super) fn uefi() -> anyhow::Result<(&'static Utf8Path, &'static Utf8Path)> {
    find_uefi(|path| path.is_file())
}

fn find_uefi(exists: impl Fn(&Utf8Path) -> bool) -> anyhow::Result<(&'static Utf8Path, &'static Utf8Path)> {
    UEFI.iter()
        .map(|(code, vars)| (Utf8Path::new(*code), Utf8Path::new(*vars)))
        .find(|(code, vars)| exists(code) && exists(vars))
        .ok_or_else(|| {
            Explained(Failure {
                hint: Some("install it: `apt-get install ovmf`, or `dnf install edk2-ovmf`".to_owned()),
                ..Failure::new("there is no UEFI firmware for QEMU on this machine")
            })
            .into()
        })
}

/// This machine's own copy of the firmware's variables.
///
/// # Errors
/// The template can't be copied.
pub(super) async fn copy_variables(ctx: &JobCtx, template: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    use anyhow::Context;
    let vars = ctx.work.join("uefi-variables.fd");
    // Read and written, not copied: the template's own mode may be read-only.
    let bytes = tokio::fs::read(template).await.with_context(|| format!("failed to read `{template}`"))?;
    tokio::fs::write(&vars, bytes).await.with_context(|| format!("failed to write `{vars}`"))?;
    Ok(vars)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_version_is_told_without_its_preamble() {
        let printed = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright (c) 2003-2022 Fabrice Bellard\n";
        assert_eq!(version(printed), "7.2.22 (Debian 1:7.2+dfsg-7)");
    }

    #[test]
    fn code_and_variables_of_the_firmware_belong_together() {
        // An old code file without its variables next to a whole pair of another place.
        let found =
            find_uefi(|path| path != "/usr/share/OVMF/OVMF_VARS_4M.fd" && path.as_str().starts_with("/usr/share/OVMF"));
        assert_eq!(found.unwrap().0, "/usr/share/OVMF/OVMF_CODE.fd");
    }

    #[test]
    fn missing_firmware_names_the_package() {
        let error = find_uefi(|_| false).unwrap_err();
        let failure = crate::context::failure_of(&error);
        assert_eq!(failure.message, "there is no UEFI firmware for QEMU on this machine");
        assert!(failure.hint.unwrap().contains("apt-get install ovmf"));
    }
}
