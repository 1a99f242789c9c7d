//! Whether what ended a script can have run the tool whose words were found.

/// What is known of the command that ended the script.
pub(in crate::step) struct Ran<'a> {
    /// The command, where the shell told which.
    pub(in crate::step) command: Option<&'a str>,
    /// The line of the script where it stands.
    pub(in crate::step) line: Option<&'a str>,
    /// All lines of the script.
    pub(in crate::step) source: &'a [String],
    /// The script is itself a program of this interpreter, so that no other family can have ended it.
    pub(in crate::step) interpreter: Option<&'static str>,
}

/// Commands that run what they are given, or a file that may run anything.
const LAUNCHERS: [&str; 22] = [
    "sh", "bash", "dash", "env", "sudo", "doas", "su", "runuser", "eval", "source", ".", "exec", "command", "time",
    "timeout", "nice", "xargs", "nohup", "chroot", "make", "tox", "retry",
];

impl Ran<'_> {
    /// Whether it can have run one of the tools that go by `words`.
    pub(super) fn can_be(&self, words: &[&str], subject: Option<&str>) -> bool {
        if let Some(interpreter) = self.interpreter {
            return words.contains(&interpreter);
        }
        let Some(command) = self.command else { return self.only(words, subject).is_some() };
        names(command, words) || self.line.is_some_and(|line| names(line, words)) || is_opaque(command)
    }

    /// The line of the script, from 1, that must have run the tool: the only one that names it, or the only one of these
    /// that names the subject. None where a failure of any of them would not end the script.
    pub(in crate::step) fn only(&self, words: &[&str], subject: Option<&str>) -> Option<usize> {
        let is_code = |line: &str| !line.trim_start().starts_with('#');
        let lines = (1..).zip(self.source).map(|(number, line)| (number, line.as_str()));
        let named: Vec<_> = lines.filter(|(_, line)| is_code(line) && names(line, words)).collect();
        if named.iter().any(|(_, line)| is_guarded(line)) {
            return None;
        }
        match (named.as_slice(), subject) {
            ([(number, _)], _) => Some(*number),
            (several, Some(subject)) => {
                let mut several = several.iter().filter(|(_, line)| line.contains(subject));
                several.next().filter(|_| several.next().is_none()).map(|(number, _)| *number)
            }
            _ => None,
        }
    }
}

/// Whether a text names one of the words where a command can stand.
fn names(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        text.match_indices(word).any(|(at, _)| {
            let begins = word.starts_with('.')
                || text[..at].chars().next_back().is_none_or(|char| " \t/(;|&$`\"'!=".contains(char));
            let ends = |char: char| " \t);|&`\"'".contains(char) || (char.is_ascii_digit() || char == '.');
            begins && text[at + word.len()..].chars().next().is_none_or(ends)
        })
    })
}

/// Whether the script can go on when the command fails.
fn is_guarded(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    line.contains("||")
        || line.contains("&&")
        || ["if", "while", "until", "elif", "!"].contains(&first)
        || line.trim_end().ends_with('&')
}

/// Whether a command runs what can't be seen in it: a file, a variable, or what a launcher is given.
fn is_opaque(command: &str) -> bool {
    let first = command.split_whitespace().next().unwrap_or_default();
    first.contains(['/', '$']) || LAUNCHERS.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(command: &str) -> bool {
        Ran { command: Some(command), line: Some(command), source: &[], interpreter: None }
            .can_be(&["apt-get", "apt"], None)
    }

    #[test]
    fn a_command_that_names_the_tool_or_hides_what_it_runs_can_have_said_it() {
        assert!(known("apt-get install x"));
        assert!(known("sudo apt-get install x"));
        assert!(known("/srv/setup.sh"));
        assert!(known("$APT install x"));
        assert!(known("make packages"));
    }

    #[test]
    fn another_command_can_not() {
        assert!(!known("false"));
        assert!(!known("exit 1"));
        assert!(!known("grep -q x /etc/apt/sources.list"));
        assert!(!known("adapt-get x"));
    }

    #[test]
    fn what_stands_on_the_line_of_an_exit_can_have_said_it() {
        let ran =
            Ran { command: Some("exit 1"), line: Some("apt-get update || exit 1"), source: &[], interpreter: None };
        assert!(ran.can_be(&["apt-get"], None));
    }

    #[test]
    fn of_an_unknown_command_the_one_line_that_names_the_tool_is_taken() {
        let only = |script: &str, subject| {
            let source: Vec<_> = script.lines().map(str::to_owned).collect();
            Ran { command: None, line: None, source: &source, interpreter: None }.only(&["apt-get"], subject)
        };
        assert_eq!(only("true\napt-get install x\n# apt-get", None), Some(2));
        assert_eq!(only("apt-get update\napt-get install x", None), None, "which?");
        assert_eq!(only("apt-get update\napt-get install x", Some("x")), Some(2));
        assert_eq!(only("apt-get install x || true\nfalse", None), None, "its failure ends nothing");
        assert_eq!(only("if apt-get install x; then :; fi\nfalse", None), None);
        assert_eq!(only("./setup.sh", None), None);
    }
}
