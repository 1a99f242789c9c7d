//! Interpreters that parse a script and do not run it, and what they say.

use std::io::ErrorKind;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Parsing takes milliseconds; what takes longer is stuck, and its script stays unchecked.
const LIMIT: Duration = Duration::from_secs(10);
/// Says the line and the message of a mistake as the shells do.
/// A script that is nested too deep for the parser is no mistake that it can name.
const PARSE_PYTHON: &str = "\
import ast, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    ast.parse(sys.stdin.buffer.read())
except SyntaxError as error:
    sys.exit('python3: line %d: %s' % (error.lineno or 1, error.msg))
except ValueError as error:
    sys.exit('python3: line 1: %s' % error)
except (MemoryError, RecursionError):
    pass
";

/// What a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    Bash,
    Sh,
    Python,
}

impl Language {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python => "Python",
        }
    }

    /// What parses it.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python => "python3",
        }
    }

    /// Programs and their arguments: a script is wrong if all say so, and those that are not installed say nothing.
    fn parsers(self) -> &'static [&'static [&'static str]] {
        match self {
            // A script may switch extended patterns on, which a parser that runs nothing does not see.
            Self::Bash => &[&["bash", "-n"], &["bash", "-O", "extglob", "-n"]],
            // Debian's `sh` is dash; another `sh` may take more than it.
            Self::Sh => &[&["dash", "-n"], &["sh", "-n"]],
            Self::Python => &[&["python3", "-I", "-W", "ignore", "-c", PARSE_PYTHON]],
        }
    }
}

/// What became of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Complaint(Complaint),
    NotInstalled,
}

/// What an interpreter does not like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Of the script, from 1.
    pub(super) line: Option<usize>,
    pub(super) message: String,
    pub(super) is_warning: bool,
}

impl Complaint {
    /// Whether the script ends where something was still to come.
    pub(super) fn is_open_end(&self) -> bool {
        let message = self.message.to_lowercase();
        ["end of file", "eof", "never closed", "unterminated"].iter().any(|words| message.contains(words))
    }
}

/// Has a script parsed.
pub(super) async fn ask(language: Language, script: &str) -> Verdict {
    let mut first = None;
    for parser in language.parsers() {
        match tokio::time::timeout(LIMIT, parse(parser, script)).await {
            // It fell over the script, which says nothing about the script.
            Ok(Ok(output)) if output.status.code().is_none() => return Verdict::Fine,
            Ok(Ok(output)) => match complaint(&output) {
                None => return Verdict::Fine,
                Some(complaint) if complaint.is_warning => return Verdict::Complaint(complaint),
                Some(complaint) => first = first.or(Some(complaint)),
            },
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {}
            // Nothing was found out.
            Ok(Err(_)) | Err(_) => return Verdict::Fine,
        }
    }
    first.map_or(Verdict::NotInstalled, Verdict::Complaint)
}

async fn parse(parser: &[&str], script: &str) -> std::io::Result<Output> {
    let (program, arguments) = parser.split_first().ok_or(ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    // Nothing of ours is needed, and some of it makes a shell run a file (BASH_ENV) or speak another language.
    command.env_clear().env("LC_ALL", "C").current_dir("/");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    let write = async {
        if let Some(stdin) = &mut stdin {
            // One that has seen enough closes its end.
            let _ = stdin.write_all(script.as_bytes()).await;
        }
        drop(stdin);
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    output
}

/// The first thing that an interpreter has to say, in the form `program: [line] N: message`.
fn complaint(output: &Output) -> Option<Complaint> {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(complaint_of);
    let first =
        if output.status.success() { lines.find(|one| one.is_warning) } else { lines.find(|one| !one.is_warning) };
    let nothing = || Complaint { line: None, message: "it does not say why".to_owned(), is_warning: false };
    first.or_else(|| (!output.status.success()).then(nothing))
}

fn complaint_of(line: &str) -> Complaint {
    let rest = line.split_once(": ").map_or(line, |(_, rest)| rest);
    let numbered = rest.strip_prefix("line ").unwrap_or(rest).split_once(": ");
    let numbered = numbered.and_then(|(number, message)| Some((number.parse().ok()?, message)));
    let (line, message) = numbered.map_or((None, rest), |(line, message)| (Some(line), message));
    let is_warning = message.starts_with("warning: ");
    let message = ["warning: ", "syntax error: ", "Syntax error: "]
        .iter()
        .fold(message, |text, word| text.strip_prefix(word).unwrap_or(text));
    // Where it began says more than where the script ends.
    let (message, began) = without_line(message);
    Complaint { line: began.or(line), message: quoted(&message), is_warning }
}

/// A message without the line in it on which something began, which counts in the script, and that line.
fn without_line(message: &str) -> (String, Option<usize>) {
    let words = [" on line ", " at line "];
    let found = words.iter().find_map(|words| message.split_once(words));
    let number = found.and_then(|(before, after)| {
        let digits = after.split(' ').next()?;
        Some((before, after.strip_prefix(digits)?, digits.parse().ok()?))
    });
    match number {
        Some((before, after, line)) => (format!("{before}{after}"), Some(line)),
        None => (message.to_owned(), None),
    }
}

/// The old quotes, `` `word' ``, as the ones of today.
fn quoted(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('`') {
        text.push_str(before);
        // The first character is quoted even if it is a quote.
        let from = after.chars().next().map_or(0, char::len_utf8);
        let Some(end) = after.get(from..).and_then(|after| after.find('\'')).map(|at| at + from) else {
            text.push('`');
            rest = after;
            continue;
        };
        text.push('`');
        text.push_str(after.get(..end).unwrap_or_default());
        text.push('`');
        rest = after.get(end + 1..).unwrap_or_default();
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_each_interpreter_are_understood() {
        let read = |line: &str| {
            let Complaint { line, message, is_warning } = complaint_of(line);
            (line, message, is_warning)
        };
        let cases = [
            (
                "bash: line 3: syntax error near unexpected token `fi'",
                Some(3),
                "syntax error near unexpected token `fi`",
            ),
            ("bash: line 4: syntax error: unexpected end of file", Some(4), "unexpected end of file"),
            (
                "bash: line 4: syntax error: unexpected end of file from `if' command on line 1",
                Some(1),
                "unexpected end of file from `if` command",
            ),
            (
                "bash: line 2: unexpected EOF while looking for matching `''",
                Some(2),
                "unexpected EOF while looking for matching `'`",
            ),
            ("dash: 2: Syntax error: \"fi\" unexpected", Some(2), "\"fi\" unexpected"),
            ("sh: syntax error: unexpected \"fi\"", None, "unexpected \"fi\""),
            ("python3: line 7: invalid syntax", Some(7), "invalid syntax"),
        ];
        for (said, line, message) in cases {
            assert_eq!(read(said), (line, message.to_owned(), false), "{said}");
        }
        let open = "bash: line 2: warning: here-document at line 1 delimited by end-of-file (wanted `EOF')";
        let message = "here-document delimited by end-of-file (wanted `EOF`)".to_owned();
        assert_eq!(read(open), (Some(1), message, true));
    }

    #[tokio::test]
    async fn a_script_is_parsed_and_not_run() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let trace = folder.path().join("ran");
        let touch = format!("touch {}\n", trace.display());
        for language in [Language::Bash, Language::Sh] {
            assert_eq!(ask(language, &touch).await, Verdict::Fine);
        }
        let python = format!("open({:?}, 'w')\n", trace.display().to_string());
        assert_eq!(ask(Language::Python, &python).await, Verdict::Fine);
        assert!(!trace.exists());
    }

    #[tokio::test]
    async fn what_a_script_switches_on_later_is_not_held_against_it() {
        assert_eq!(ask(Language::Bash, "shopt -s extglob\nrm -f !(keep)\n").await, Verdict::Fine);
        assert!(matches!(ask(Language::Bash, "for do\n").await, Verdict::Complaint(_)));
    }

    #[tokio::test]
    async fn a_script_that_its_parser_falls_over_is_not_called_wrong() {
        let deep = "-".repeat(200_000) + "1\n";
        assert_eq!(ask(Language::Python, &deep).await, Verdict::Fine);
        let lists = format!("x = {}{}\n", "[".repeat(150), "]".repeat(150));
        assert_eq!(ask(Language::Python, &lists).await, Verdict::Fine);
    }

    #[tokio::test]
    async fn a_script_larger_than_a_pipe_is_parsed_to_its_end() {
        let script = "echo 'a line of some length'\n".repeat(10_000) + "fi\n";
        let verdict = ask(Language::Bash, &script).await;
        let Verdict::Complaint(complaint) = verdict else { panic!("{verdict:?}") };
        assert_eq!(complaint.line, Some(10_001));
    }
}
