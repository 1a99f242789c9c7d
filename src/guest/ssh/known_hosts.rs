//! What `known_hosts` files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") say of a host. Pure.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::PublicKey;

/// The keys by which a host is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownKeys {
    /// Public key lines that it may show.
    pub keys: Vec<String>,
    /// How many of its keys are not in it because they are revoked.
    pub revoked: usize,
}

/// The host's name in such files.
#[must_use]
pub fn known_as(host: &str, port: u16) -> String {
    if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) }
}

/// Looks a host up in the texts of such files. Lines that make no sense are passed over, as OpenSSH does; so are those of
/// certificate authorities.
#[must_use]
pub fn known_keys(texts: &[String], host: &str, port: u16) -> KnownKeys {
    let name = known_as(host, port);
    let (mut keys, mut revoked) = (Vec::<PublicKey>::new(), Vec::<PublicKey>::new());
    for line in texts.iter().flat_map(|text| text.lines()) {
        match entry(line, &name) {
            Some((Marker::None, key)) if !keys.contains(&key) => keys.push(key),
            Some((Marker::Revoked, key)) => revoked.push(key),
            _ => {}
        }
    }
    let all = keys.len();
    keys.retain(|key| revoked.iter().all(|revoked| revoked.key_data() != key.key_data()));
    let revoked = all - keys.len();
    KnownKeys { keys: keys.iter().filter_map(|key| key.to_openssh().ok()).collect(), revoked }
}

enum Marker {
    None,
    Revoked,
}

/// The key of a line that is about the host.
fn entry(line: &str, name: &str) -> Option<(Marker, PublicKey)> {
    let line = line.trim();
    let (marker, line) = match line.split_once(char::is_whitespace)? {
        ("@revoked", rest) => (Marker::Revoked, rest.trim_start()),
        (first, _) if first.starts_with(['#', '@']) => return None,
        _ => (Marker::None, line),
    };
    let (patterns, key) = line.split_once(char::is_whitespace)?;
    let mut key = PublicKey::from_openssh(key.trim()).ok()?;
    key.set_comment("");
    is_named(patterns, name).then_some((marker, key))
}

/// Whether one of the patterns is the name's, and none excludes it.
fn is_named(patterns: &str, name: &str) -> bool {
    let fits = |pattern: &str| match pattern.strip_prefix("|1|") {
        Some(hashed) => is_hash_of(hashed, name),
        None => is_match(pattern.to_lowercase().as_bytes(), name.as_bytes()),
    };
    let excluded = patterns.split(',').filter_map(|pattern| pattern.strip_prefix('!')).any(fits);
    !excluded && patterns.split(',').filter(|pattern| !pattern.starts_with('!')).any(fits)
}

/// `salt|hash`: HMAC-SHA1 of the name, in Base64.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let Some((salt, hash)) = hashed.split_once('|') else { return false };
    let (Ok(salt), Ok(hash)) = (STANDARD.decode(salt), STANDARD.decode(hash)) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

/// `*` is any text, `?` any character. What follows the last star that was tried is tried again one character later.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(b'?') => (at, of) = (at + 1, of + 1),
            Some(byte) if *byte == name[of] => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (at, of) = (after + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA/NUsxYr6pvQyDGxTEMwXMg1nDBzKvbRGUHe0DSbSWc";

    fn known(text: &str, host: &str, port: u16) -> KnownKeys {
        known_keys(&[text.to_owned()], host, port)
    }

    fn keys(keys: &[&str]) -> KnownKeys {
        KnownKeys { keys: keys.iter().map(|key| (*key).to_owned()).collect(), revoked: 0 }
    }

    #[test]
    fn a_host_is_known_by_name_and_port() {
        let text = format!("# hosts\n\nweb,192.0.2.7 {A} comment\n[web]:2222 {B}\nother {B}\nbroken\n");
        assert_eq!(known(&text, "web", 22), keys(&[A]));
        assert_eq!(known(&text, "WEB", 22), keys(&[A]), "names have no case");
        assert_eq!(known(&text, "192.0.2.7", 22), keys(&[A]));
        assert_eq!(known(&text, "web", 2222), keys(&[B]));
        assert_eq!(known(&text, "web", 2223), KnownKeys::default());
    }

    #[test]
    fn patterns_match_and_exclude() {
        let text = format!("*.example.org,!bad.example.org {A}\nweb-?.test {B}\n");
        assert_eq!(known(&text, "a.b.example.org", 22), keys(&[A]));
        assert_eq!(known(&text, "bad.example.org", 22), KnownKeys::default());
        assert_eq!(known(&text, "example.org", 22), KnownKeys::default());
        assert_eq!(known(&text, "web-1.test", 22), keys(&[B]));
        assert_eq!(known(&text, "web-10.test", 22), KnownKeys::default());
    }

    #[test]
    fn a_revoked_key_is_no_key() {
        let text = format!("web {A}\nweb {B}\n@revoked * {A}\n@cert-authority web {B}\n");
        assert_eq!(known(&text, "web", 22), KnownKeys { keys: vec![B.to_owned()], revoked: 1 });
    }

    #[test]
    fn a_hashed_name_is_that_of_one_host() {
        // `ssh-keygen -H` made the line, of `[127.0.0.1]:2222`.
        let hash = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"01234567890123456789"),
            b"[127.0.0.1]:2222",
        );
        let text = format!("|1|{}|{} {A}\n", STANDARD.encode(b"01234567890123456789"), STANDARD.encode(hash));
        assert_eq!(known(&text, "127.0.0.1", 2222), keys(&[A]));
        assert_eq!(known(&text, "127.0.0.1", 22), KnownKeys::default());
    }
}
