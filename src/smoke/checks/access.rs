//! Who can get in: keys, root's password, listening ports.

use super::facts::{Facts, Password};
use super::{Check, CheckResult, Outside, some};

pub(super) fn leftover_keys(facts: &Facts, outside: &Outside<'_>) -> CheckResult {
    const CHECK: Check = Check::LeftoverKeys;
    let Some(ours) = outside.our_key else {
        return CheckResult::skipped(CHECK, "on a machine that was not booted for the test, keys are its owner's");
    };
    let others: Vec<_> = facts.keys.iter().filter(|key| key.key != ours).collect();
    let Some(first) = others.first() else {
        return match facts.keys.is_empty() {
            // We came in by one: sshd has it from elsewhere, and may have others from there.
            true => CheckResult::skipped(CHECK, "no key is where sshd's settings say, not even the test's own"),
            false => CheckResult::passed(CHECK),
        };
    };
    let name =
        |comment: &str| if comment.is_empty() { "a key without a comment".to_owned() } else { format!("`{comment}`") };
    let message = match others.len() {
        1 => format!("{} can log in as `{}`", name(&first.comment), first.user),
        count => {
            format!("{count} keys of others can log in, the first is {} as `{}`", name(&first.comment), first.user)
        }
    };
    let line = |key: &&super::facts::AuthorizedKey| {
        let end: String = key.key.chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect();
        format!("{} ({}): …{end} {}", key.file, key.user, key.comment)
    };
    CheckResult::failed(CHECK, message)
        .hint("remove the key in the image; let cloud-init or a systemd credential bring keys where the image boots")
        .quote(others.iter().map(line))
}

pub(super) fn root_password(facts: &Facts) -> CheckResult {
    const CHECK: Check = Check::RootPassword;
    if facts.sshd.is_none() && facts.dropbear.is_none() {
        return CheckResult::skipped(CHECK, "the guest has neither OpenSSH's settings nor a running dropbear");
    }
    let password = match facts.root_password {
        Some(Password::Locked) => return CheckResult::passed(CHECK),
        other => other,
    };
    let by_sshd = facts.sshd.as_ref().is_some_and(|settings| {
        let is = |name: &str, default: &str, value: &str| settings.get(name).map_or(default, String::as_str) == value;
        let asks = is("passwordauthentication", "yes", "yes")
            || is("kbdinteractiveauthentication", "yes", "yes")
            || is("challengeresponseauthentication", "no", "yes");
        let empty = password != Some(Password::Empty) || is("permitemptypasswords", "no", "yes");
        is("permitrootlogin", "prohibit-password", "yes") && asks && empty
    });
    // Without a settings file of OpenSSH's there is none; with both, whichever runs may answer.
    let by_dropbear = facts.dropbear.as_ref().is_some_and(|arguments| takes_root_password(arguments, password));
    if !by_sshd && !by_dropbear {
        return CheckResult::passed(CHECK);
    }
    let (what, hint) = if by_sshd {
        (
            "sshd",
            "set `PermitRootLogin prohibit-password` in `/etc/ssh/sshd_config.d/`, or lock the password: `passwd -l root`",
        )
    } else {
        ("dropbear", "start dropbear with `-s` or `-g`, or lock the password: `passwd -l root`")
    };
    let which = if password == Some(Password::Empty) { "root's password is empty" } else { "root has a password" };
    CheckResult::failed(CHECK, format!("{what} lets root in by password, and {which}")).hint(hint)
}

/// Whether a dropbear of these arguments does. `-s`: no passwords; `-g`: none for root; `-w`: no root; `-B`: empty ones too.
fn takes_root_password(arguments: &[String], password: Option<Password>) -> bool {
    let mut flags = String::new();
    let mut is_value = false;
    for argument in arguments.iter().skip(1) {
        if std::mem::take(&mut is_value) {
            continue;
        }
        let Some(letters) = argument.strip_prefix('-') else { continue };
        let valued = letters.find(|letter| "brpPWKIcDTlG".contains(letter));
        flags.push_str(&letters[..valued.unwrap_or(letters.len())]);
        is_value = valued == Some(letters.len().saturating_sub(1)) && valued.is_some();
    }
    let empty = password != Some(Password::Empty) || flags.contains('B');
    empty && !flags.contains(['s', 'g', 'w'])
}

pub(super) fn undeclared_ports(facts: &Facts, outside: &Outside<'_>) -> CheckResult {
    const CHECK: Check = Check::UndeclaredPorts;
    let way_in = facts.ssh_port.unwrap_or(22);
    let unknown = facts
        .listeners
        .iter()
        .filter(|listener| listener.port != way_in && !outside.declared_ports.contains(&listener.port));
    let names: Vec<String> = unknown
        .map(|listener| match &listener.process {
            Some(process) => format!("{} ({process})", listener.port),
            None => listener.port.to_string(),
        })
        .collect();
    if names.is_empty() {
        return CheckResult::passed(CHECK);
    }
    let what = if names.len() == 1 { "a port that no test declares is" } else { "ports that no test declares are" };
    CheckResult::warned(CHECK, format!("{what} open to the network: {}", some(&names)))
        .hint("declare it in a goss file (`port: { \"tcp:80\": { listening: true } }`), or stop what listens")
        .quote(names)
}
