//! What a script step sends to the guest on standard input: one shell text that makes the private folder, writes the
//! files, sets the environment, and becomes the script's shell.
//!
//! The text is read by the guest's `sh`, whatever that is, so it keeps to what POSIX says. Files are written by `printf`
//! with octal escapes, which carries any byte and needs neither `tar` nor `base64` in the guest.

use std::fmt::Write as _;

use crate::plan::job::Shell;
use crate::step::{outputs, trap};

/// Reads the text and becomes it. The text is never on a command line: those can be seen by everyone on the machine.
pub(super) const BOOTSTRAP: &str = r#"umask 077; eval "$(cat)""#;

/// The name in front of each step's private folder. `seal` removes what a lost connection leaves of them.
pub(super) const FOLDER_PREFIX: &str = "ovenbird-step.";

/// The file in the private folder that `$OVENBIRD_OUTPUT` names.
const OUTPUT_FILE: &str = ".ovenbird-output";

/// Where a script runs.
#[derive(Clone, Debug)]
pub(super) enum Site {
    Guest,
    Local {
        /// The job's private folder, which the journal knows.
        work: String,
        /// The folder that the script starts in.
        root: String,
    },
}

impl Site {
    /// Folders to make the private folder in, the best first: `/run` is memory, so that no secret of a script reaches
    /// the disk that becomes the image.
    fn bases(&self) -> Vec<&str> {
        match self {
            Self::Guest => vec!["/run", "/dev/shm", "/tmp"],
            Self::Local { work, .. } => vec![work],
        }
    }

    /// The command that removes the folder called `id` and prints what was written in it: the length of the step's
    /// outputs on a line, the outputs, and the records of the trap. Nothing where the folder is gone.
    pub(super) fn collect(&self, id: &str) -> String {
        // One byte more than there may be tells that it is too much.
        let most = outputs::LARGEST + 1;
        let mut text = String::new();
        for base in self.bases() {
            let folder = quote(&format!("{base}/{id}"));
            let _ = writeln!(
                text,
                "d={folder}; [ ! -d \"$d\" ] || {{ o=$d/{OUTPUT_FILE} n=0; \
                 [ ! -f \"$o\" ] || n=$(($(head -c {most} \"$o\" | wc -c))); echo $n; \
                 [ $n -eq 0 ] || head -c $n \"$o\"; tail -c 65536 \"$d\"/.ovenbird-record; rm -rf \"$d\"; }}"
            );
        }
        text
    }

    /// The command that removes folders of steps that have ended; nothing for none.
    pub(super) fn remove(&self, ids: &[String]) -> String {
        if ids.is_empty() {
            return String::new();
        }
        let paths = ids.iter().flat_map(|id| self.bases().into_iter().map(move |base| quote(&format!("{base}/{id}"))));
        format!("rm -rf {}\n", paths.collect::<Vec<_>>().join(" "))
    }
}

/// What [`Site::collect`] printed: the outputs of the step, and the records of the trap.
pub(super) fn collected(bytes: &[u8]) -> (&[u8], &[u8]) {
    let read = || {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let length: usize = std::str::from_utf8(bytes.get(..end)?).ok()?.parse().ok()?;
        bytes.get(end + 1..)?.split_at_checked(length)
    };
    read().unwrap_or((&[], &[]))
}

/// All that a bundle is made of. Holds secrets, so it has no `Debug`.
pub(super) struct Bundle<'a> {
    /// Name of the private folder.
    pub(super) id: &'a str,
    /// File name of the script in it.
    pub(super) name: &'a str,
    pub(super) content: &'a [u8],
    pub(super) shell: &'a Shell,
    pub(super) args: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) working_directory: Option<&'a str>,
    pub(super) site: &'a Site,
    /// Folders of steps before that are still to be removed.
    pub(super) stale: &'a [String],
    /// A file of the repository keeps its own `#!` line and is executable.
    pub(super) own_interpreter: bool,
}

/// Why a script can't be brought to a guest as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BundleError {
    #[error("the environment variable `{0}` has a name that no shell can set")]
    EnvName(String),
    #[error("the value of the environment variable `{0}` holds a NUL byte")]
    EnvNul(String),
    #[error("an argument of the script holds a NUL byte")]
    ArgNul,
    #[error("the shell `{0}` does not say where the script goes: `{{0}}` is missing")]
    Template(String),
    #[error("the shell `{0}` has a quote that is not closed")]
    Quote(String),
    #[error("the `#!` line of the script ends with a carriage return: it has Windows line ends")]
    CarriageReturn,
    #[error("the file is a program, not a script")]
    Program,
}

impl Bundle<'_> {
    /// The shell text. It holds secrets in clear and may go nowhere but into a guest's standard input.
    pub(super) fn text(&self) -> Result<String, BundleError> {
        let mut text = self.site.remove(self.stale);
        self.folder(&mut text);
        let _ = writeln!(text, "ovenbird_p=$ovenbird_d/{}", quote(self.name));
        write_file(&mut text, "\"$ovenbird_p\"", self.content);
        let _ = writeln!(text, ": >\"$ovenbird_d/{OUTPUT_FILE}\"");
        if self.own_interpreter {
            text.push_str("chmod 700 \"$ovenbird_p\"\n");
        }
        // What is no ASCII matters to none of the habits, so a lossy look is enough.
        let habits = trap::Habits::of(&String::from_utf8_lossy(self.content));
        let bash = self.command(&mut text)? && habits.allow_trap();
        if bash {
            self.trap(&mut text, habits);
        }
        self.directory(&mut text);
        // The environment comes last: whatever it holds, nothing of ours runs by it but the `exec`.
        text.push_str("umask \"$ovenbird_u\"\n");
        self.environment(&mut text)?;
        if bash {
            text.push_str("export BASH_ENV=\"$ovenbird_b\"\n");
        }
        let _ = writeln!(text, "export OVENBIRD_OUTPUT=\"$ovenbird_d/{OUTPUT_FILE}\"");
        text.push_str("unset ovenbird_b ovenbird_d ovenbird_p ovenbird_u\nexec \"$@\" </dev/null\n");
        Ok(text)
    }

    fn folder(&self, text: &mut String) {
        // `umask` was set by the bootstrap; the script gets what is usual for root.
        let _ = writeln!(text, "ovenbird_fail() {{ printf '%s: %s\\n' {} \"$1\" >&2; exit 125; }}", self.id);
        text.push_str("ovenbird_u=022 ovenbird_b= ovenbird_d=\n");
        let bases: Vec<_> = self.site.bases().into_iter().map(quote).collect();
        let _ = writeln!(text, "for ovenbird_b in {}; do", bases.join(" "));
        let _ = writeln!(
            text,
            "mkdir -m 700 \"$ovenbird_b/{0}\" 2>/dev/null && ovenbird_d=$ovenbird_b/{0} && break",
            self.id
        );
        text.push_str("done\novenbird_b=\n");
        let listed = self.site.bases().join(", ");
        let _ = writeln!(
            text,
            "[ -n \"$ovenbird_d\" ] || ovenbird_fail {}",
            quote(&format!("failed to make a private folder in any of {listed}"))
        );
    }

    /// Sets the positional parameters to the command that runs the script. Whether that may be bash.
    fn command(&self, text: &mut String) -> Result<bool, BundleError> {
        let mut args = String::new();
        for arg in self.args {
            if arg.contains('\0') {
                return Err(BundleError::ArgNul);
            }
            let _ = write!(args, " {}", quote(arg));
        }
        let script = "\"$ovenbird_p\"";
        let bash = |program: &str| format!("set -- \"{program}\" --noprofile --norc -eo pipefail {script}{args}");
        match self.shell {
            Shell::Default if self.own_interpreter && self.content.starts_with(b"\x7fELF") => Err(BundleError::Program),
            Shell::Default if self.own_interpreter && self.content.starts_with(b"#!") => {
                let words = interpreter(self.content)?;
                let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
                let program = &quoted[0];
                let missing = quote(&format!("the interpreter `{}` of the script is not there", words[0]));
                let _ = writeln!(text, "[ -x {program} ] || ovenbird_fail {missing}");
                let _ = writeln!(text, "set -- {} {script}{args}", quoted.join(" "));
                Ok(words.iter().flat_map(|word| word.split_whitespace()).any(is_bash))
            }
            Shell::Default => {
                let (with, without) = (bash("$ovenbird_b"), format!("set -- \"$(command -v sh)\" -e {script}{args}"));
                let _ = writeln!(text, "if ovenbird_b=$(command -v bash); then {with}; else {without}; fi");
                Ok(true)
            }
            Shell::Bash => {
                find(text, &["bash"]);
                let _ = writeln!(text, "{}", bash("$ovenbird_b"));
                Ok(true)
            }
            Shell::Sh => {
                let _ = writeln!(text, "set -- \"$(command -v sh)\" -e {script}{args}");
                Ok(false)
            }
            Shell::Python => {
                find(text, &["python3", "python"]);
                let _ = writeln!(text, "set -- \"$ovenbird_b\" {script}{args}");
                Ok(false)
            }
            Shell::Custom(template) => {
                let words = template_words(template)?;
                let program = words.first().ok_or_else(|| BundleError::Template(template.clone()))?;
                if !program.contains("{0}") {
                    find(text, &[program]);
                }
                let quoted: Vec<_> = words.iter().map(|word| quote(word).replace("{0}", "'\"$ovenbird_p\"'")).collect();
                let _ = writeln!(text, "set -- {}{args}", quoted.join(" "));
                Ok(words.iter().any(|word| is_bash(word)))
            }
        }
    }

    fn trap(&self, text: &mut String, habits: trap::Habits) {
        let next = self.env.iter().rev().find(|(name, _)| name == "BASH_ENV").map_or("", |(_, value)| value);
        text.push_str("ovenbird_b=$ovenbird_d/.ovenbird-trap\n: >\"$ovenbird_d/.ovenbird-record\"\n");
        // The folder's path needs no quoting: it is a base of ours and an id.
        let _ = writeln!(
            text,
            "printf '__ovenbird_dir=\"%s\"\\n__ovenbird_script=\"%s\"/%s\\n' \"$ovenbird_d\" \"$ovenbird_d\" {} >\"$ovenbird_b\"",
            quote(&quote(self.name))
        );
        let file = format!("__ovenbird_next={}\n{}", quote(next), trap::file(habits));
        append_file(text, "\"$ovenbird_b\"", file.as_bytes());
    }

    fn directory(&self, text: &mut String) {
        text.push_str("unset CDPATH\n");
        text.push_str(&match self.site {
            Site::Guest => "cd ~root 2>/dev/null || cd /root 2>/dev/null || cd /\n".to_owned(),
            Site::Local { root, .. } => {
                format!("cd {} || ovenbird_fail 'failed to enter the folder of the definition'\n", quote(root))
            }
        });
        if let Some(directory) = self.working_directory {
            let path = if directory.starts_with('-') { format!("./{directory}") } else { directory.to_owned() };
            let missing = quote(&format!("the working directory `{directory}` is not there"));
            let closed = quote(&format!("the working directory `{directory}` can't be entered"));
            let path = quote(&path);
            let _ = writeln!(text, "[ -d {path} ] || ovenbird_fail {missing}\ncd {path} || ovenbird_fail {closed}");
        }
    }

    fn environment(&self, text: &mut String) -> Result<(), BundleError> {
        for (name, value) in self.env {
            let starts = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
            if !starts || !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
                return Err(BundleError::EnvName(name.clone()));
            }
            if value.contains('\0') {
                return Err(BundleError::EnvNul(name.clone()));
            }
            let _ = writeln!(text, "export {name}={}", quote(value));
        }
        Ok(())
    }
}

/// Sets `ovenbird_b` to the first program of `names` that is there.
fn find(text: &mut String, names: &[&str]) {
    text.push_str("ovenbird_b=");
    for name in names {
        let _ = write!(text, "$(command -v {}) || ovenbird_b=", quote(name));
    }
    let missing = quote(&format!("`{}` is not installed", names.first().unwrap_or(&"sh")));
    // The last assignment is never empty-handed: it fails the step.
    text.truncate(text.len() - "ovenbird_b=".len());
    let _ = writeln!(text, "ovenbird_fail {missing}");
}

/// A word of a `#!` line or template that starts bash.
fn is_bash(word: &str) -> bool {
    word.rsplit('/').next() == Some("bash")
}

/// The words of a `#!` line as Linux reads it: a program, and everything else as one argument.
fn interpreter(content: &[u8]) -> Result<Vec<String>, BundleError> {
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.get(2..).unwrap_or_default()).into_owned();
    if line.ends_with('\r') {
        return Err(BundleError::CarriageReturn);
    }
    let line = line.trim_matches([' ', '\t']);
    let (program, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let mut words = vec![program.to_owned()];
    words.extend((!rest.is_empty()).then(|| rest.to_owned()));
    Ok(words)
}

/// Splits a custom shell at blanks, quotes respected; nothing in it is expanded, as in Actions.
fn template_words(template: &str) -> Result<Vec<String>, BundleError> {
    if !template.contains("{0}") {
        return Err(BundleError::Template(template.to_owned()));
    }
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for char in template.chars() {
        match (quote, char) {
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == char => quote = None,
            (None, ' ' | '\t' | '\n') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    if quote.is_some() {
        return Err(BundleError::Quote(template.to_owned()));
    }
    words.extend(word);
    Ok(words)
}

/// Any text as one word of a POSIX shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn write_file(text: &mut String, path: &str, content: &[u8]) {
    let _ = writeln!(text, ": >{path} || ovenbird_fail 'failed to write the script: is the disk full?'");
    append_file(text, path, content);
}

/// Appends by `printf` in pieces that any shell takes.
fn append_file(text: &mut String, path: &str, content: &[u8]) {
    if content.is_empty() {
        return;
    }
    text.push_str("{\n");
    for piece in content.chunks(4096) {
        text.push_str("printf '");
        for (index, &byte) in piece.iter().enumerate() {
            match byte {
                b'%' => text.push_str("%%"),
                b'\\' => text.push_str(r"\\"),
                // A format must not begin like an option.
                b'-' if index == 0 => text.push_str(r"\055"),
                b'\n' | b'\t' | b' '..=b'&' | b'('..=b'~' => text.push(char::from(byte)),
                _ => {
                    let _ = write!(text, "\\{byte:03o}");
                }
            }
        }
        text.push_str("' &&\n");
    }
    let _ = writeln!(text, ":; }} >>{path} || ovenbird_fail 'failed to write the script: is the disk full?'");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_split_as_actions_does() {
        let words = |template: &str| template_words(template);
        assert_eq!(words("perl -w {0}"), Ok(vec!["perl".into(), "-w".into(), "{0}".into()]));
        assert_eq!(
            words("sh -c '. \"{0}\"  x' ''"),
            Ok(vec!["sh".into(), "-c".into(), ". \"{0}\"  x".into(), "".into()])
        );
        assert_eq!(words("perl"), Err(BundleError::Template("perl".into())));
        assert_eq!(words("perl '{0}"), Err(BundleError::Quote("perl '{0}".into())));
    }

    #[test]
    fn an_interpreter_line_has_at_most_one_argument() {
        assert_eq!(
            interpreter(b"#! /usr/bin/env  -S bash -e\nx"),
            Ok(vec!["/usr/bin/env".into(), "-S bash -e".into()])
        );
        assert_eq!(interpreter(b"#!/bin/sh"), Ok(vec!["/bin/sh".into()]));
        assert_eq!(interpreter(b"#!/bin/sh\r\nx"), Err(BundleError::CarriageReturn));
    }

    #[test]
    fn a_quote_in_a_word_is_kept() {
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
