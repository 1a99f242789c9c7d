//! The file that bash reads before a script (`BASH_ENV`), and the records that it leaves.

/// Sets the ERR trap and writes the records.
const TRAP: &str = include_str!("trap.sh");

/// Fields of a record before its stack.
const FIELDS: usize = 7;

/// What a script does that the trap must live with. Found in its text; a sourced file that sets an ERR trap of its own
/// replaces ours, and then the line is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habits {
    /// It sets or lists traps that ours must live with.
    wraps: bool,
    /// It turns `set -E` on.
    errtrace: bool,
    /// It sets a DEBUG trap, which would see the commands of ours.
    debugs: bool,
}

impl Habits {
    pub(super) fn of(script: &str) -> Self {
        let code = || script.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
        let traps = |line: &str| {
            words(line).any(|word| word == "trap")
                && (words(line).any(|word| word.eq_ignore_ascii_case("err") || word.starts_with("-p"))
                    || words(line).next_back() == Some("trap")
                    || line.contains("$(trap)"))
        };
        let errtrace = |line: &str| {
            line.split([';', '&', '|']).any(|command| {
                let mut words = words(command);
                words.any(|word| word == "set")
                    && words.any(|word| word == "errtrace" || (word.starts_with('-') && word.contains('E')))
            })
        };
        // A trap's code may hold several lines, so its signals may stand on another line than its name.
        let last_is = |signal| {
            code().any(|line| words(line).any(|word| word == "trap"))
                && code().any(|line| words(line).next_back().is_some_and(|word| word.eq_ignore_ascii_case(signal)))
        };
        Self { wraps: last_is("err") || code().any(traps), errtrace: code().any(errtrace), debugs: last_is("debug") }
    }

    /// Whether our trap can be there without the script noticing.
    pub(super) fn allow_trap(self) -> bool {
        !self.debugs
    }
}

fn words(line: &str) -> impl DoubleEndedIterator<Item = &str> {
    line.split(|char: char| char.is_whitespace() || matches!(char, ';' | '&' | '|' | '(' | ')' | '\'' | '"' | '`'))
        .filter(|word| !word.is_empty())
}

/// The trap file, but for the lines that name this step's folder and script, and the user's own `BASH_ENV`.
pub(super) fn file(habits: Habits) -> String {
    let flag = |on| if on { "1" } else { "" };
    format!("__ovenbird_wrap={} __ovenbird_errtrace={}\n{TRAP}", flag(habits.wraps), flag(habits.errtrace))
}

/// Why a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command failed and the ERR trap ran.
    Error,
    /// The script called `exit`.
    Exit,
}

/// One thing that ended a shell or could have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// How deep in subshells; 0 is the script's own shell.
    pub(super) level: u32,
    pub(super) status: Option<u32>,
    /// `set -e` was on.
    pub(super) errexit: bool,
    /// An EXIT trap was set, and this may be in it.
    pub(super) traps_exit: bool,
    pub(super) pipe: Vec<u32>,
    pub(super) command: String,
    /// From the inside to the outside; not empty.
    pub(super) stack: Vec<Frame>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) line: u32,
    pub(super) file: String,
    /// The function that the line is in; `main` or `source` outside of functions.
    pub(super) function: String,
}

impl Record {
    /// Whether its shell ended with it.
    pub(super) fn is_fatal(&self) -> bool {
        self.kind == Kind::Exit || self.errexit
    }
}

/// Reads the records that are whole. The guest may have written anything.
pub(super) fn parse(bytes: &[u8]) -> Vec<Record> {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let mut fields = bytes.split(|byte| *byte == 0).map(text);
    std::iter::from_fn(|| {
        let head: Vec<_> = fields.by_ref().take(FIELDS).collect();
        let [kind, level, status, flags, pipe, command, count] = <[String; FIELDS]>::try_from(head).ok()?;
        let kind = match kind.as_str() {
            "err" => Kind::Error,
            "exit" => Kind::Exit,
            _ => return None,
        };
        let count = count.parse().ok().filter(|count| *count <= 150)?;
        let stack: Vec<_> = fields.by_ref().take(count).collect();
        let stack: Option<Vec<_>> = stack
            .chunks_exact(3)
            .map(|frame| {
                Some(Frame { line: frame[0].parse().ok()?, file: frame[1].clone(), function: frame[2].clone() })
            })
            .collect();
        let pipe = pipe.split_whitespace().filter_map(|status| status.parse().ok()).collect();
        let status = status.parse::<i64>().ok().and_then(|status| u32::try_from(status.rem_euclid(256)).ok());
        let (errexit, traps_exit) = (flags.contains('e'), flags.contains('X'));
        let stack = stack.filter(|stack| !stack.is_empty() && stack.len() * 3 == count)?;
        Some(Record { kind, level: level.parse().ok()?, status, errexit, traps_exit, pipe, command, stack })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_far_as_they_are_whole() {
        let records =
            parse(b"exit\x001\x00-1\x00hB\x00\x00exit -1\x003\x003\x00/s\x00main\x00err\x000\x001\x00ehB\x00");
        assert_eq!(
            records,
            [Record {
                kind: Kind::Exit,
                level: 1,
                status: Some(255),
                errexit: false,
                traps_exit: false,
                pipe: Vec::new(),
                command: "exit -1".to_owned(),
                stack: vec![Frame { line: 3, file: "/s".to_owned(), function: "main".to_owned() }],
            }]
        );
    }

    #[test]
    fn anything_else_is_no_record() {
        assert_eq!(parse(b""), []);
        assert_eq!(parse(b"err\x00a\x00b\x00c\x00d\x00e\x0099999999999\x00"), []);
        assert_eq!(parse(b"err\x000\x001\x00e\x00\x00f\x000\x00"), []);
    }

    #[test]
    fn only_scripts_that_touch_err_traps_get_the_trap_function() {
        let wraps = |script| Habits::of(script).wraps;
        assert!(wraps("trap 'echo \"$x\"' ERR"));
        assert!(wraps("trap '\n  echo no\n' EXIT ERR"));
        assert!(wraps("old=$(trap -p EXIT)"));
        assert!(wraps("trap"));
        assert!(!wraps("trap 'rm -rf \"$tmp\"' EXIT"));
        assert!(!wraps("# trap x ERR"));
    }

    #[test]
    fn errtrace_is_seen_in_its_two_spellings() {
        let errtrace = |script| Habits::of(script).errtrace;
        assert!(errtrace("set -Eeuo pipefail"));
        assert!(errtrace("true; set -o errtrace"));
        assert!(!errtrace("set -eu; echo -E"), "a flag of another command");
    }
}
