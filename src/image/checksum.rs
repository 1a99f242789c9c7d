//! Checksum files, in the formats that projects publish.

use crate::plan::job::Checksum;

/// The digest that a checksum file gives for a file name. SHA-512 is preferred when it gives both.
///
/// Understood are GNU's `hash  name` and `hash *name`, BSD's `SHA256 (name) = hash`, and a file that holds one digest
/// alone. Names are compared by their last component, since lists are often made from a folder above.
pub(super) fn find(list: &str, name: &str) -> Option<Checksum> {
    let mut found = None;
    for line in list.lines().map(str::trim) {
        let Some((digest, listed)) = bsd(line).or_else(|| gnu(line)) else { continue };
        if base_name(listed) != name {
            continue;
        }
        match digest {
            Checksum::Sha512(_) => return Some(digest),
            digest => found = found.or(Some(digest)),
        }
    }
    found.or_else(|| alone(list))
}

/// The last component of a path or of a URL without its query.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `hash  name` or `hash *name`.
fn gnu(line: &str) -> Option<(Checksum, &str)> {
    let (hash, name) = line.strip_prefix('\\').unwrap_or(line).split_once(|char: char| char.is_ascii_whitespace())?;
    let name = name.trim_start();
    Some((literal(hash)?, name.strip_prefix('*').unwrap_or(name)))
}

/// `SHA256 (name) = hash`.
fn bsd(line: &str) -> Option<(Checksum, &str)> {
    let (algorithm, rest) = line.split_once(" (")?;
    // The name may hold parentheses itself.
    let (name, hash) = rest.rsplit_once(") = ")?;
    let digest = literal(hash.trim())?;
    let matches = match digest {
        Checksum::Sha256(_) => algorithm.eq_ignore_ascii_case("sha256"),
        Checksum::Sha512(_) => algorithm.eq_ignore_ascii_case("sha512"),
        Checksum::File(_) => false,
    };
    matches.then_some((digest, name))
}

/// The only word of a file such as `image.qcow2.sha256`.
fn alone(list: &str) -> Option<Checksum> {
    let mut words = list.split_ascii_whitespace();
    let digest = literal(words.next()?)?;
    words.next().is_none().then_some(digest)
}

/// A digest whose algorithm its length tells.
fn literal(hash: &str) -> Option<Checksum> {
    if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match hash.len() {
        64 => Some(Checksum::Sha256(hash.to_ascii_lowercase())),
        128 => Some(Checksum::Sha512(hash.to_ascii_lowercase())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a() -> String {
        "a".repeat(64)
    }

    fn check(list: &str, name: &str, expected: Option<Checksum>) {
        assert_eq!(find(list, name), expected, "{list}");
    }

    #[test]
    fn gnu_lists_are_read_in_text_and_binary_form() {
        let list = format!("{}  other.img\n{}  disk.img\n", "b".repeat(64), a());
        check(&list, "disk.img", Some(Checksum::Sha256(a())));
        check(&format!("{} *disk.img\n", a()), "disk.img", Some(Checksum::Sha256(a())));
        check(&format!("{}  ./images/disk.img\r\n", a()), "disk.img", Some(Checksum::Sha256(a())));
    }

    #[test]
    fn bsd_lists_are_read_and_the_algorithm_must_fit_the_length() {
        check(&format!("SHA256 (disk (1).img) = {}\n", a()), "disk (1).img", Some(Checksum::Sha256(a())));
        check(&format!("SHA512 (disk.img) = {}\n", a()), "disk.img", None);
    }

    #[test]
    fn the_stronger_digest_is_preferred() {
        let strong = "c".repeat(128);
        let list = format!("SHA256 (disk.img) = {}\nSHA512 (disk.img) = {strong}\n", a());
        check(&list, "disk.img", Some(Checksum::Sha512(strong)));
    }

    #[test]
    fn a_file_with_one_digest_alone_is_about_the_image() {
        check(&format!("{}\n", a().to_uppercase()), "disk.img", Some(Checksum::Sha256(a())));
    }

    #[test]
    fn a_list_without_the_name_gives_nothing() {
        check(&format!("{}  disk.img.xz\n# {}  disk.img\n", a(), a()), "disk.img", None);
        check("<html>not found</html>", "disk.img", None);
    }
}
