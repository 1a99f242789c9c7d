//! The shell text that guests are given: what starts a command, what ends it, and how strings get into it.
//!
//! All of it runs on Debian's dash and on busybox, under any login shell that knows single quotes.

use std::io::Read;

/// `text` as one word of a POSIX shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Bytes as one line that `read -r` and `printf %b` turn back into them. NUL can't pass a shell and is dropped.
pub(super) fn line(bytes: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        match byte {
            b'\\' => line.extend_from_slice(br"\\"),
            b'\n' => line.extend_from_slice(br"\n"),
            0 => {}
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

/// The shell that waits for a script on the first line of its standard input and becomes it; the rest of the input is the
/// script's. So a script may be of any size and is in no argument list.
pub(super) const READ_AND_RUN: &str = r#"eval "$(IFS= read -r l; printf %b "$l")""#;

/// The environment variable by which [`END`] finds a command's processes.
pub(super) const MARK_VARIABLE: &str = "OVENBIRD_COMMAND";

/// What a login shell is asked to run: a shell in a session of its own that carries `mark`, and then runs the script that
/// comes on its input. Every step is an `exec`, so that exit status and signal are the command's own. OpenSSH starts a
/// command as the leader of a session already, where `setsid` would fork and lose the status; dropbear and sudo do not.
pub(super) fn start(mark: &str, sudo: bool) -> String {
    const LEAD: &str = concat!(
        r#"export OVENBIRD_COMMAND="$1"; "#,
        r#"export PATH="${PATH:-/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; "#,
        r#"read -r a b c d g e </proc/$$/stat; "#,
        r#"if [ "$g" = $$ ]; then exec sh -c "$2" sh; else exec setsid sh -c "$2" sh; fi"#,
    );
    let sudo = if sudo { "sudo -n " } else { "" };
    format!("exec {sudo}sh -c {} sh {} {}", quote(LEAD), quote(mark), quote(READ_AND_RUN))
}

/// Ends the command that carries the mark `$1`: SIGTERM, and SIGKILL to what is left a second later. Whom it ends: who has
/// the mark in the environment, all of their sessions, and all descendants, so that neither `env -i` nor `setsid` escapes.
pub(super) const END: &str = r#"
collect() {
  found=" "
  for p in $(grep -ls "OVENBIRD_COMMAND=$1" /proc/[0-9]*/environ); do p=${p#/proc/}; found="$found${p%/environ} "; done
  found="$found$known"
  more=1
  while [ "$more" ]; do
    more=
    for s in /proc/[0-9]*/stat; do
      p=${s#/proc/}; p=${p%/stat}
      case $found in *" $p "*) continue;; esac
      read -r l 2>/dev/null <"$s" || continue
      set -- ${l##*) }
      case $1 in Z|X) continue;; esac
      case $found in *" $2 "*|*" $4 "*) found="$found$p "; more=1;; esac
    done
  done
  alive=
  for p in $found; do
    read -r l 2>/dev/null <"/proc/$p/stat" || continue
    l=${l##*) }
    case $l in Z*|X*) ;; *) alive="$alive $p";; esac
  done
  known="$found"
}
known= seen=
for round in 0 1 2 3 4; do
  collect "$1"
  if [ "$alive" ]; then
    [ "$seen" ] || kill -TERM $alive 2>/dev/null
    seen=1
  elif [ "$seen" ]; then
    exit 0
  fi
  sleep 0.2 2>/dev/null || { sleep 1; break; }
done
collect "$1"
[ -z "$alive" ] || kill -KILL $alive 2>/dev/null
"#;

/// A random name of 64 bits.
pub(super) fn mark() -> Result<String, super::GuestError> {
    let mut bytes = [0u8; 8];
    let path = camino::Utf8Path::new("/dev/urandom");
    std::fs::File::open(path)
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(super::GuestError::local("read", path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::{line, quote, start};

    #[test]
    fn a_quote_in_a_word_is_the_only_thing_that_is_changed() {
        assert_eq!(quote("it's $HOME `x`"), r"'it'\''s $HOME `x`'");
    }

    #[test]
    fn who_is_not_root_becomes_root_before_anything_else() {
        assert!(start("m", true).starts_with("exec sudo -n sh -c '"));
        assert!(start("m", false).starts_with("exec sh -c '"));
        // Login shells other than POSIX ones take single quotes, on one line, without an exclamation mark.
        assert!(!start("m", true).contains(['\n', '!']));
    }

    #[test]
    fn a_script_becomes_one_line() {
        assert_eq!(line(b"a\\n\nb\0c"), b"a\\\\n\\nbc\n");
    }
}
