//! Which values of an environment are secrets, though no definition names them.

use std::collections::BTreeMap;

/// Shorter values are switches and numbers rather than secrets.
const SHORTEST: usize = 6;

/// A longer value of letters or digits alone is a secret all the same.
const LONGEST_WORD: usize = 16;

/// Ends of names of which a plain word may be the secret, for people choose passwords.
const CHOSEN: [&str; 4] = ["PASSWORD", "PASSWD", "PASSPHRASE", "PASSCODE"];

/// Passwords that everyone knows, and that are words of each log of a machine: hiding them would hide the log.
const KNOWN_TO_ALL: [&str; 12] = [
    "admin", "builder", "changeme", "debian", "default", "docker", "fedora", "packer", "password", "secret", "ubuntu",
    "vagrant",
];

/// Folders that are named in most lines of a log, and never secret.
const FOLDERS: [&str; 5] = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "RUNNER_TEMP", "HOME", "PWD"];

/// Names, or ends of names after `_`, of variables that hold a secret. Among them are `GITHUB_TOKEN`, `GH_TOKEN`,
/// `ACTIONS_RUNTIME_TOKEN`, `ACTIONS_ID_TOKEN_REQUEST_TOKEN`, `CI_JOB_TOKEN`, `CI_REGISTRY_PASSWORD`,
/// `CI_DEPLOY_PASSWORD`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `OS_PASSWORD`.
const ENDS: [&str; 14] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASSCODE",
    "API_KEY",
    "APIKEY",
    "PRIVATE_KEY",
    "SECRET_KEY",
    "SECRET_ACCESS_KEY",
    "ENCRYPTION_KEY",
    "SIGNING_KEY",
    "JWT",
];

/// The values to hide: of variables whose names say so, and the passwords in URLs of any variable, such as those of
/// proxies and mirrors.
pub(super) fn secrets(environment: &BTreeMap<String, String>) -> Vec<String> {
    let named = environment.iter().filter(|(name, value)| is_sensitive(name) && !is_switch(name, value));
    let named = named.map(|(_, value)| value.clone());
    let passwords = environment.values().flat_map(|value| passwords(value));
    let folders: Vec<&String> = FOLDERS.iter().filter_map(|name| environment.get(*name)).collect();
    let is_secret = |value: &String| {
        let word = value.trim();
        word.len() >= SHORTEST
            && !KNOWN_TO_ALL.contains(&word.to_ascii_lowercase().as_str())
            && !folders.iter().any(|folder| folder.starts_with(word))
    };
    named.chain(passwords).filter(is_secret).collect()
}

/// Whether a value is a word or a number that switches something, as in `USE_TOKEN=enabled`: a machine made no token so.
fn is_switch(name: &str, value: &str) -> bool {
    let (name, word) = (name.to_ascii_uppercase(), value.trim());
    let is_plain = |is: fn(&u8) -> bool| word.as_bytes().iter().all(is);
    !CHOSEN.iter().any(|end| name.ends_with(end))
        && word.len() < LONGEST_WORD
        && (is_plain(u8::is_ascii_alphabetic) || is_plain(u8::is_ascii_digit))
}

/// Whether a variable of this name holds a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // GitLab's older tokens for other services: CI_JOB_JWT, CI_JOB_JWT_V1, CI_JOB_JWT_V2.
    name.starts_with("CI_JOB_JWT")
        || ENDS.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

/// Passwords of URLs (RFC 3986, section 3.2.1), as they stand there and decoded.
fn passwords(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, rest) in text.match_indices("://").map(|(at, mark)| text.split_at(at + mark.len())) {
        let authority = rest.split(['/', '?', '#', ' ', '\n', '"']).next().unwrap_or_default();
        let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        if let Some((_, password)) = password {
            found.extend([password.to_owned(), decoded(password)]);
        }
    }
    found.dedup();
    found
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, others @ ..] = rest {
        let byte = text_of(others).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%');
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The next two bytes as text.
fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.get(..2)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Vec<String> {
        secrets(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn names_that_end_like_a_secrets_are_known() {
        let names = [
            "GITHUB_TOKEN",
            "OVENBIRD_GITHUB_TOKEN",
            "GH_TOKEN",
            "INPUT_TOKEN",
            "ACTIONS_RUNTIME_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
            "CI_JOB_TOKEN",
            "CI_JOB_JWT_V2",
            "CI_REGISTRY_PASSWORD",
            "CI_DEPLOY_PASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "OS_PASSWORD",
            "npm_config_token",
            "MY_API_KEY",
        ];
        for name in names {
            assert_eq!(found(&[(name, "hunter2")]), ["hunter2"], "{name}");
        }
        for name in ["TOKENS", "PATH", "AWS_ACCESS_KEY_ID", "KEYTOKEN", "SSH_AUTH_SOCK", "GITHUB_TOKEN_FILE"] {
            assert_eq!(found(&[(name, "hunter2")]), [""; 0], "{name}");
        }
        assert_eq!(found(&[("A_TOKEN", "true")]), [""; 0], "too short to be one");
    }

    #[test]
    fn words_that_would_hide_a_whole_log_are_no_secrets() {
        let pairs = [("X_TOKEN", "production"), ("API_KEY", "disabled"), ("NEW_SECRET", "20261123")];
        for pair in pairs.into_iter().chain([("CI_REGISTRY_PASSWORD", "Vagrant"), ("URL", "db://app:password@db")]) {
            assert_eq!(found(&[pair]), [""; 0], "{pair:?}");
        }
        for pair in [("ROOT_PASSWORD", "swordfish"), ("X_TOKEN", "abcdefghijklmnop"), ("X_TOKEN", "a8sd7f")] {
            assert_eq!(found(&[pair]), [pair.1], "{pair:?}");
        }
        assert_eq!(found(&[("CACHE_KEY_TOKEN", "/home/runner"), ("GITHUB_WORKSPACE", "/home/runner/work")]), [""; 0]);
    }

    #[test]
    fn passwords_in_urls_are_found_as_written_and_decoded() {
        let proxy = "http://user:hun%74er2@proxy.test:3128/";
        assert_eq!(found(&[("https_proxy", proxy)]), ["hun%74er2", "hunter2"]);
        assert_eq!(found(&[("URL", "https://user@host/a:b@c"), ("X", "a://b"), ("Y", "://u:%zz%4@h")]), [""; 0]);
    }
}
