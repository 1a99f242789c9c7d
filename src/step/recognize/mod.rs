//! What a tool itself said about its failure: the message, the file and the line, and a cure where one is known.
//!
//! One file a family of tools, and [`TABLE`], which names them. Recognizers are pure functions over the last lines of
//! a failed step. What they read is hostile and out of order (two streams meet in it), and most of what looks like an
//! error ended nothing. So each asks for the *closing* words of its tool, and [`Ran`] asks whether the command that
//! ended the script can have said them: a wrong line is worse than none. May know nothing of guests, and of files
//! nothing but their names as the tool wrote them; `place` makes lines of the repository of them.

mod ansible;
mod apt;
mod chef;
mod cloud_init;
mod dnf;
mod npm;
mod pip;
mod puppet;
mod python;
mod ran;
mod shell;
mod systemd;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

pub(super) use ran::Ran;

/// A message is cut to this many characters.
const LONGEST_MESSAGE: usize = 300;

/// What a tool said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// The tool's own sentence, with the tool in front: `apt: unable to locate package nginxx`.
    pub(super) message: String,
    /// What cures it, where that is known.
    pub(super) hint: Option<&'static str>,
    /// Where the tool puts the cause: the best first.
    pub(super) spots: Vec<Spot>,
    /// What the failing line of a script holds, such as the name of a package.
    pub(super) subject: Option<String>,
}

/// A line of a file, in the tool's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    /// Path on the machine, as the tool wrote it.
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: Option<u32>,
    /// What the tool says stands there.
    pub(super) text: Option<String>,
}

/// The last lines of a failed step.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    /// The stream in which the closing words are looked for.
    pub(super) tail: &'a [&'a str],
    /// Both streams, as they arrived.
    pub(super) all: &'a [&'a str],
    /// Exit status of the script.
    pub(super) status: u32,
}

/// Tools that speak alike.
struct Family {
    /// What stands in a command that runs one of them.
    words: &'static [&'static str],
    recognize: fn(&Said<'_>) -> Option<Finding>,
}

/// Tools that run other tools come before those.
const TABLE: [Family; 11] = [
    Family { words: &["ansible-playbook", "ansible", "ansible-pull", "molecule"], recognize: ansible::recognize },
    Family { words: &["puppet"], recognize: puppet::recognize },
    Family {
        words: &["chef-client", "chef-solo", "chef-apply", "cinc-client", "cinc-solo", "chef", "cinc"],
        recognize: chef::recognize,
    },
    Family { words: &["cloud-init"], recognize: cloud_init::recognize },
    Family { words: &["pip", "pip3", "python3 -m pip", "python -m pip", "pipx"], recognize: pip::recognize },
    Family { words: &["npm", "npx"], recognize: npm::recognize },
    Family { words: &["dnf", "yum", "microdnf"], recognize: dnf::recognize },
    Family { words: &["apt-get", "apt", "aptitude", "dpkg", "apt-key"], recognize: apt::recognize },
    Family { words: &["systemctl", "service", "systemd-analyze"], recognize: systemd::recognize },
    Family { words: &["python", "python3", ".py"], recognize: python::recognize },
    Family { words: &["sh", "dash", "bash", "ash", "busybox", ".sh"], recognize: shell::recognize },
];

/// What was recognized.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recognized {
    pub(super) finding: Finding,
    /// The line of the script that ran the tool, where the shell did not tell and only one can have.
    pub(super) line: Option<usize>,
}

/// Finds what a tool said of its failure, where it is clear that its failure ended the step.
pub(super) fn recognize(stderr: &[String], both: &[String], status: u32, ran: &Ran<'_>) -> Option<Recognized> {
    let (stderr, both) = (last(stderr), last(both));
    TABLE.iter().find_map(|family| {
        let mut finding =
            [&stderr, &both].iter().find_map(|tail| (family.recognize)(&Said { tail, all: &both, status }))?;
        let subject = finding.subject.as_deref();
        if !ran.can_be(family.words, subject) {
            return None;
        }
        let line = ran.only(family.words, subject).filter(|_| ran.command.is_none() && ran.interpreter.is_none());
        finding.message = short(&finding.message);
        Some(Recognized { finding, line })
    })
}

/// The lines without blanks at their ends, and without blank ones at the end. `output` bounds how many and how long.
fn last(lines: &[String]) -> Vec<&str> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |index| index + 1);
    lines[..end].iter().map(|line| line.trim_end()).collect()
}

/// The text on one line, at a sane length.
fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// A sentence as the rest of a message: without its final period, and with a small letter in front if it begins with a
/// word (not with a name such as `EXEC` or `NoMethodError`).
fn fragment(sentence: &str) -> String {
    let sentence = sentence.trim().trim_end_matches(['.', ':']);
    let first = sentence.split_whitespace().next().unwrap_or_default();
    let mut chars = sentence.chars();
    match chars.next() {
        Some(initial) if first.chars().skip(1).all(|char| !char.is_uppercase()) => {
            initial.to_lowercase().chain(chars).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// The cure of the first phrase that is in the text.
fn cure(text: &str, cures: &[(&str, &'static str)]) -> Option<&'static str> {
    cures.iter().find(|(phrase, _)| text.contains(phrase)).map(|(_, cure)| *cure)
}
