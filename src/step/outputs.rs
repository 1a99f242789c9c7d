//! What a step writes to the file that `$OVENBIRD_OUTPUT` names, in the format of `GITHUB_OUTPUT`.
//!
//! A line is `NAME=VALUE`, or `NAME<<DELIMITER` followed by the lines of the value and a line that is the delimiter. The
//! rules are those of the runner's `FileCommandManager`: `=` counts if it comes before any `<<`; empty lines between
//! entries do not matter; a line ends with a line feed alone, so a carriage return is part of a value; nothing is escaped.
//! The guest may have written anything.

use crate::context::clean_line;
use crate::expression::{Object, Value};

/// The most that a step may write, in bytes.
pub(super) const LARGEST: usize = 1024 * 1024;

/// How much of a wrong line its message repeats, in characters.
const SHOWN: usize = 60;

/// Why the file can't be read, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Reads the outputs. Of two with the same name the later one counts.
pub(super) fn parse(bytes: &[u8]) -> Result<Object, Malformed> {
    if bytes.len() > LARGEST {
        return Err(Malformed {
            message: format!("the step wrote more than {} MiB of outputs", LARGEST >> 20),
            hint: "keep large data in a file of the guest, and fetch it with `download:`".to_owned(),
        });
    }
    let text = String::from_utf8_lossy(bytes);
    // What follows the last line end is a line only if there is something.
    let mut lines = text.strip_suffix('\n').unwrap_or(&text).split('\n').zip(1..);
    let mut outputs = Object::new();
    while let Some((line, number)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = match (line.split_once('='), line.split_once("<<")) {
            (Some((name, value)), here) if here.is_none_or(|(before, _)| name.len() < before.len()) => {
                (name, value.to_owned())
            }
            (_, Some((name, delimiter))) => (name, block(&mut lines, number, name, delimiter)?),
            (_, None) => return Err(malformed(number, &format!("is no output: {}", shown(line)), ENTRY)),
        };
        if name.is_empty() {
            return Err(malformed(number, &format!("has no name: {}", shown(line)), ENTRY));
        }
        outputs.insert(name, Value::from(value));
    }
    Ok(outputs)
}

const ENTRY: &str = "write `NAME=VALUE`; a value of several lines needs `NAME<<DELIMITER`, the lines, and `DELIMITER`";

/// The lines up to the delimiter.
fn block<'a>(
    lines: &mut impl Iterator<Item = (&'a str, usize)>,
    begin: usize,
    name: &str,
    delimiter: &str,
) -> Result<String, Malformed> {
    if delimiter.is_empty() {
        return Err(malformed(begin, &format!("has no delimiter: {}", shown(&format!("{name}<<"))), ENTRY));
    }
    let mut value = Vec::new();
    for (line, _) in lines {
        if line == delimiter {
            return Ok(value.join("\n"));
        }
        value.push(line);
    }
    let what = format!("begins the output {}, which has no end", shown(name));
    let help = format!("end the value with a line that is {} and nothing else", shown(delimiter));
    Err(malformed(begin, &what, &help))
}

fn malformed(line: usize, what: &str, hint: &str) -> Malformed {
    Malformed { message: format!("line {line} of the file `$OVENBIRD_OUTPUT` {what}"), hint: hint.to_owned() }
}

/// A piece of the guest's text in a message.
fn shown(text: &str) -> String {
    let clean = clean_line(text.as_bytes());
    match clean.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{} …`", clean.get(..end).unwrap_or_default()),
        None => format!("`{clean}`"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).unwrap().iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
    }

    fn one(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    fn refused(text: &str) -> String {
        let Malformed { message, hint } = parse(text.as_bytes()).unwrap_err();
        format!("{message}\n{hint}")
    }

    #[test]
    fn entries_are_read_by_githubs_rules() {
        assert_eq!(read(""), []);
        assert_eq!(read("a=1"), one("a", "1"));
        assert_eq!(read("\na = b=c \n\n"), one("a ", " b=c "));
        assert_eq!(read("a=\n"), one("a", ""));
        assert_eq!(read("a=x<<y\n"), one("a", "x<<y"));
        assert_eq!(read("a<<E\none\n\n two=2\nE\n"), one("a", "one\n\n two=2"));
        assert_eq!(read("a<<E\nE"), one("a", ""));
        assert_eq!(read("a<<x=y\n1\nx=y\n"), one("a", "1"), "`=` after `<<` is part of the delimiter");
        assert_eq!(read("a=1\r\n"), one("a", "1\r"), "a carriage return is part of the value");
        assert_eq!(read("a=1\nb=2\nA=3\n"), [("a".into(), "3".into()), ("b".into(), "2".into())]);
    }

    #[test]
    fn what_is_no_output_names_its_line_and_the_cure() {
        insta::assert_snapshot!(refused("a=1\n\nnonsense\u{1b}[31m\n"), @"
        line 3 of the file `$OVENBIRD_OUTPUT` is no output: `nonsense`
        write `NAME=VALUE`; a value of several lines needs `NAME<<DELIMITER`, the lines, and `DELIMITER`
        ");
        insta::assert_snapshot!(refused("a<<E\nE\n=1\n"), @"
        line 3 of the file `$OVENBIRD_OUTPUT` has no name: `=1`
        write `NAME=VALUE`; a value of several lines needs `NAME<<DELIMITER`, the lines, and `DELIMITER`
        ");
        insta::assert_snapshot!(refused("a<<\n1\n"), @"
        line 1 of the file `$OVENBIRD_OUTPUT` has no delimiter: `a<<`
        write `NAME=VALUE`; a value of several lines needs `NAME<<DELIMITER`, the lines, and `DELIMITER`
        ");
        insta::assert_snapshot!(refused("b=1\na<<END\none\n END\n"), @"
        line 2 of the file `$OVENBIRD_OUTPUT` begins the output `a`, which has no end
        end the value with a line that is `END` and nothing else
        ");
        insta::assert_snapshot!(refused(&format!("{}\n", "é".repeat(100))), @"
        line 1 of the file `$OVENBIRD_OUTPUT` is no output: `éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé …`
        write `NAME=VALUE`; a value of several lines needs `NAME<<DELIMITER`, the lines, and `DELIMITER`
        ");
    }

    #[test]
    fn a_mebibyte_is_the_limit() {
        let text = |length| format!("a={}", "x".repeat(length - 2));
        assert_eq!(read(&text(LARGEST))[0].1.len(), LARGEST - 2);
        insta::assert_snapshot!(refused(&text(LARGEST + 1)), @"
        the step wrote more than 1 MiB of outputs
        keep large data in a file of the guest, and fetch it with `download:`
        ");
    }

    proptest! {
        #[test]
        fn any_text_survives_between_delimiters(value in "(?s).{0,80}") {
            prop_assume!(!value.split('\n').any(|line| line == "a-delimiter"));
            prop_assert_eq!(read(&format!("name<<a-delimiter\n{value}\na-delimiter\n")), one("name", &value));
        }

        #[test]
        fn nothing_that_a_guest_writes_is_too_much(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
