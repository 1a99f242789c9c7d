//! Which line of a script ended it, and which command stood there.
//!
//! Bash says it in the records of `trap.sh`; every other interpreter, and bash where no ERR trap runs (an unset variable,
//! a syntax error), in its own message. A line is given only when the evidence belongs to what ended the script: a wrong
//! line is worse than none.

use crate::guest::Exit;
use crate::step::bundle::FOLDER_PREFIX;
use crate::step::trap::{Frame, Kind, Record};

/// A command that is shown is cut to this.
const LONGEST_COMMAND: usize = 200;

/// Interpreters word their messages differently; the shells print some that end nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Shell,
    /// Its tracebacks are told from those that were caught by `recognize`.
    Python,
    Other,
}

/// What is known about a failed script.
pub(super) struct Evidence<'a> {
    /// Lines of the script as they may be shown, numbered as the interpreter does.
    pub(super) source: &'a [String],
    /// `FOLDER/NAME`, the end of the script's path.
    pub(super) path: &'a str,
    pub(super) records: &'a [Record],
    pub(super) stderr: &'a [String],
    pub(super) exit: &'a Exit,
    pub(super) manner: Manner,
}

/// What ended the script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blame {
    /// Line of the script, from 1.
    pub(super) line: Option<usize>,
    pub(super) command: Option<String>,
    /// File and line outside the script where the command stands, when it is not in the script itself.
    pub(super) elsewhere: Option<(String, u32)>,
    /// The interpreter's own words.
    pub(super) words: Option<String>,
}

/// Finds what ended the script.
pub(super) fn blame(evidence: &Evidence<'_>) -> Blame {
    let main = |record: &&Record| record.level == 0;
    let fatal = evidence.records.iter().position(|record| record.level == 0 && record.is_fatal());
    let message = message(evidence);
    let mut blame = if let Some(index) = fatal {
        of_record(evidence, index)
    } else if let Some((line, words)) = &message {
        let command = evidence.source.get(*line - 1).map(|line| line.trim().to_owned());
        Blame { line: Some(*line), command, words: Some(words.clone()), ..Blame::default() }
    } else if let Some(last) = evidence.records.iter().rfind(main).filter(|last| evidence.is_at_the_end(last)) {
        of_one(evidence, last, None)
    } else {
        Blame::default()
    };
    if blame.words.is_none() {
        // The message of the very command, such as `foo: command not found`.
        blame.words = message.filter(|(line, _)| Some(*line) == blame.line).map(|(_, words)| words);
    }
    blame.command = blame.command.as_deref().map(short).filter(|command| !command.is_empty());
    blame
}

/// The first line of a command, at a sane length.
pub(super) fn short(command: &str) -> String {
    let mut lines = command.trim().lines();
    let first = lines.next().unwrap_or_default().trim_end();
    let cut: String = first.chars().take(LONGEST_COMMAND).collect();
    if cut.len() < first.len() || lines.next().is_some() { format!("{cut} …") } else { cut }
}

/// What a record that ended the script says, or, better, that of the subshell in which its command failed.
fn of_record(evidence: &Evidence<'_>, index: usize) -> Blame {
    let (mut outer, mut inner) = (index, evidence.inside(index));
    let mut blame = of_one(evidence, &evidence.records[outer], None);
    while let Some(index) = inner {
        let end = evidence.records[outer].stack[0].line as usize;
        let found = of_one(evidence, &evidence.records[index], Some(end));
        if found.line.is_none() {
            break;
        }
        blame = found;
        (outer, inner) = (index, evidence.inside(index));
    }
    blame
}

/// What one record says. `end`: the line where the command ends that its subshell belongs to.
fn of_one(evidence: &Evidence<'_>, record: &Record, end: Option<usize>) -> Blame {
    let Some(depth) = record.stack.iter().position(|frame| evidence.is_ours(frame)) else { return Blame::default() };
    let line = record.stack[depth].line as usize;
    if depth > 0 {
        if line == 0 || line > evidence.source.len() {
            return Blame::default();
        }
        let Frame { line: inside, file, .. } = record.stack[0].clone();
        let command = Some(record.command.clone());
        return Blame { line: Some(line), command, elsewhere: Some((file, inside)), words: None };
    }
    match evidence.refine(record, line, end) {
        Some((line, command)) => Blame { line: Some(line), command: Some(command), ..Blame::default() },
        None => Blame::default(),
    }
}

impl Evidence<'_> {
    fn is_ours(&self, frame: &Frame) -> bool {
        frame.file.ends_with(self.path)
    }

    fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|index| self.source.get(index)).map_or("", String::as_str)
    }

    /// A shell that goes on after failures ends with the status of its last command: only a record at the script's last
    /// line can be that one.
    fn is_at_the_end(&self, record: &Record) -> bool {
        let is_code = |line: &String| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let last = self.source.iter().rposition(is_code).map(|index| index + 1);
        let outermost = record.stack.last().map(|frame| frame.line as usize);
        last == outermost && record.status.is_some_and(|status| *self.exit == Exit::Code(status))
    }

    /// The nearest record of a subshell, or of a function in one, in which the command of record `index` failed.
    fn inside(&self, index: usize) -> Option<usize> {
        let outer = &self.records[index];
        let before = (0..index).rev().take_while(|before| self.records[*before].level >= outer.level.max(1));
        before.into_iter().find(|before| self.ran_inside(&self.records[*before], outer))
    }

    /// Whether subshell record `sub` was written while the command of `outer` ran. Unrelated subshells may have failed
    /// before, harmlessly, so it must stand where that command stands.
    fn ran_inside(&self, sub: &Record, outer: &Record) -> bool {
        let same_status = sub.status == outer.status || sub.status.is_some_and(|status| outer.pipe.contains(&status));
        let Some(deeper) = sub.stack.len().checked_sub(outer.stack.len()) else { return false };
        if !same_status || sub.stack[deeper + 1..] != outer.stack[1..] || sub.stack[deeper].file != outer.stack[0].file
        {
            return false;
        }
        let called = |text: &str| deeper > 0 && text.contains(&sub.stack[deeper - 1].function);
        let (line, end) = (sub.stack[deeper].line as usize, outer.stack[0].line as usize);
        let command = outer.command.trim_start();
        if sub.level == outer.level {
            // A substitution goes on after failures: the function that it called left a record, then its call did.
            called(self.line(end)) || sub.command == outer.command && deeper > 0
        } else if outer.pipe.len() > 1 {
            line >= self.group_start(self.statement_start(end))
        } else if command.starts_with('(') && !command.starts_with("((") {
            (self.group_start(end)..=end).contains(&line)
        } else if ["$(", "`", "<("].iter().any(|opening| command.contains(opening)) {
            // Bash numbers the lines of a substitution by where it ends, so lines prove nothing here.
            called(command) || deeper == 0 && command.contains(first_word(&sub.command))
        } else {
            false
        }
    }

    /// The line of a record whose failing command is in the script itself, with the command as people know it: bash gives
    /// the last line of a group, the last element of a pipeline, and after a function the last command inside it.
    fn refine(&self, record: &Record, line: usize, end: Option<usize>) -> Option<(usize, String)> {
        let word = first_word(&record.command);
        let has = |line: usize, text: &str| self.line(line).contains(text);
        if record.pipe.len() > 1 && record.pipe.iter().any(|status| *status != 0) {
            return (line <= self.source.len()).then(|| self.pipeline(record, line));
        }
        if self.is_in_exit_trap(record, line) {
            return None;
        }
        if has(line, word) {
            return Some((line, record.command.clone()));
        }
        if let Some(end) = end.filter(|_| record.stack.len() == 1 || line == 0 || line > self.source.len()) {
            // The line of a command in a substitution is off by the lines that it spans.
            let command = short(&record.command);
            let found = (self.group_start(end)..=end).rev().find(|line| has(*line, command.trim_end_matches(" …")))?;
            return Some((found, record.command.clone()));
        }
        if line == 0 || line > self.source.len() {
            return None;
        }
        if self.line(line).trim_start().starts_with([')', '}']) {
            return Some((self.group_start(line), record.command.clone()));
        }
        let start = self.statement_start(line);
        if (start..line).any(|line| has(line, word)) {
            return Some((start, record.command.clone()));
        }
        Some((line, self.line(line).trim().to_owned()))
    }

    /// The code of an EXIT trap counts its own lines: one before the script's first `trap` is not the script's.
    fn is_in_exit_trap(&self, record: &Record, line: usize) -> bool {
        let first = self.source.iter().position(|line| line.contains("trap")).map(|index| index + 1);
        record.kind == Kind::Error
            && record.traps_exit
            && record.stack.len() == 1
            && first.is_some_and(|first| line < first)
    }

    /// The element of a pipeline that failed.
    fn pipeline(&self, record: &Record, end: usize) -> (usize, String) {
        let start = self.statement_start(end);
        let mut elements = vec![(start, String::new())];
        for number in start..=end {
            for (index, piece) in split_at_pipes(self.line(number)).into_iter().enumerate() {
                if index > 0 {
                    elements.push((number, String::new()));
                }
                let Some(last) = elements.last_mut() else { continue };
                let piece = piece.trim().trim_end_matches('\\').trim_end();
                if last.1.is_empty() {
                    *last = (number, piece.to_owned());
                } else if !piece.is_empty() {
                    last.1 = format!("{} {piece}", last.1);
                }
            }
        }
        let failed = record.pipe.iter().rposition(|status| *status != 0).unwrap_or_default();
        if elements.len() == record.pipe.len() {
            return elements.swap_remove(failed);
        }
        (start, self.line(start).trim().to_owned())
    }

    /// The first line of the statement that reaches `line` by continuations.
    fn statement_start(&self, mut line: usize) -> usize {
        while line > 1 {
            let before = self.line(line - 1).trim_end();
            if before.ends_with(['\\', '|']) || before.ends_with("&&") {
                line -= 1;
            } else {
                break;
            }
        }
        line
    }

    /// The line in which the group or loop opens that closes in `end`; `end` itself where none is found.
    fn group_start(&self, end: usize) -> usize {
        let mut open = 0_i64;
        for number in (1..=end).rev() {
            for token in tokens(self.line(number)).into_iter().rev() {
                match token {
                    ")" | "}" | "done" | "fi" | "esac" => open += 1,
                    "(" | "{" | "do" | "if" | "case" => {
                        open -= 1;
                        if open == 0 {
                            return number;
                        }
                    }
                    _ => {}
                }
            }
            if open <= 0 {
                break;
            }
        }
        end
    }
}

/// Words, and parentheses and braces on their own.
fn tokens(line: &str) -> Vec<&str> {
    let (mut tokens, mut start) = (Vec::new(), 0);
    for (index, char) in line.char_indices() {
        if "(){}; \t|&".contains(char) {
            tokens.extend([&line[start..index], &line[index..index + char.len_utf8()]]);
            start = index + char.len_utf8();
        }
    }
    tokens.push(&line[start..]);
    tokens
}

/// Splits a line at its unquoted `|`.
fn split_at_pipes(line: &str) -> Vec<String> {
    let (mut pieces, mut quote, mut chars) = (vec![String::new()], None, line.chars().peekable());
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            (None, '|') => {
                if chars.next_if_eq(&'|').is_some() {
                    pieces.iter_mut().rev().take(1).for_each(|piece| piece.push_str("||"));
                } else {
                    chars.next_if_eq(&'&');
                    pieces.push(String::new());
                }
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(char);
        }
    }
    pieces
}

fn first_word(command: &str) -> &str {
    let command = command.trim_start();
    let word = command.split([' ', '\t', '\n', ';']).next().unwrap_or_default();
    // `x=$(true` is how bash prints a substitution that may be spread over lines.
    ["$(", "`", "<("].iter().filter_map(|opening| word.find(opening)).min().map_or(word, |end| &word[..end])
}

/// The last message of the interpreter about a line of the script that can have ended it: the line and the words.
fn message(evidence: &Evidence<'_>) -> Option<(usize, String)> {
    let mut found = None;
    for (index, text) in evidence.stderr.iter().enumerate() {
        let Some((line, words)) = mention(text, evidence.path) else { continue };
        let line = line.clamp(1, evidence.source.len().max(1));
        let is_last = evidence.stderr[index + 1..].iter().all(|line| line.trim().is_empty());
        match evidence.manner {
            Manner::Shell if ends_a_shell(&words, evidence.exit, is_last) => found = Some((line, words)),
            Manner::Shell | Manner::Python => {}
            Manner::Other if words.is_empty() => {
                // What happened stands in the last line that is not indented.
                let rest = evidence.stderr[index + 1..].iter();
                let words = rest.rev().find(|line| line.starts_with(|char: char| !char.is_whitespace()));
                found = Some((line, words.cloned().unwrap_or_default()));
            }
            Manner::Other => found = Some((line, words)),
        }
    }
    found.map(|(line, words)| (line, short(&words)))
}

/// `PATH: line 3: words` (bash, busybox), `PATH: cd: line 3: words` (a builtin of busybox), `PATH: 3: words` (dash),
/// `words at PATH line 3.` (Perl), `PATH:3:in …: words` (Ruby).
fn mention(text: &str, path: &str) -> Option<(usize, String)> {
    let after = &text[text.find(path)? + path.len()..];
    let rest = after.trim_start_matches(['"', '\'', ',', ':', ' ']);
    let rest = rest.strip_prefix("line ").unwrap_or(rest);
    let builtin = rest.split_once(": line ").filter(|(builtin, _)| builtin.chars().all(char::is_alphabetic));
    let rest = builtin.map_or(rest, |(_, rest)| rest);
    let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let line = rest[..digits].parse().ok()?;
    let words = rest[digits..].strip_prefix(':').map_or("", str::trim);
    if words.is_empty() && after.starts_with(" line ") {
        let before = text.split(" at ").next().unwrap_or_default();
        return Some((line, before.to_owned()));
    }
    Some((line, builtin.map_or_else(|| words.to_owned(), |(builtin, _)| format!("{builtin}: {words}"))))
}

/// Whether a shell that prints this can have ended by it with this status.
fn ends_a_shell(words: &str, exit: &Exit, is_last: bool) -> bool {
    const ALWAYS: [&str; 9] = [
        "unbound variable",
        "parameter not set",
        "parameter null or not set",
        "yntax error",
        "unexpected EOF",
        "bad substitution",
        "Bad substitution",
        "readonly variable",
        "is read only",
    ];
    if ALWAYS.iter().any(|phrase| words.contains(phrase)) {
        return true;
    }
    match exit {
        Exit::Code(127) => is_last && (words.contains("not found") || words.contains("No such file")),
        Exit::Code(126) => {
            is_last && ["ermission denied", "s a directory", "xec format"].iter().any(|p| words.contains(p))
        }
        Exit::Code(_) => is_last && !words.contains("not found"),
        Exit::Signal(_) | Exit::Missing => false,
    }
}

/// The text with the paths of the private folder replaced by what people know the script as.
pub(super) fn readable(text: &str, id: &str, name: &str, shown: &str) -> String {
    let mut text = text.to_owned();
    for base in ["/run/", "/dev/shm/", "/tmp/"] {
        text = text.replace(&format!("{base}{id}/{name}"), shown);
    }
    debug_assert!(id.starts_with(FOLDER_PREFIX));
    if let Some(at) = text.find(&format!("/{id}/{name}")) {
        // A folder of this machine, for a `local` step.
        let start = text[..at].rfind([' ', '"', '\'', '(']).map_or(0, |blank| blank + 1);
        text.replace_range(start..at + id.len() + name.len() + 2, shown);
    }
    text
}
