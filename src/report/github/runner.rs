//! A double of GitHub's runner: what would it do with these bytes? It follows `ActionCommand.cs`, `ActionCommandManager.cs`
//! and `FileCommandManager.cs` of actions/runner, limits included, so that tests ask what GitHub would show.

use std::collections::BTreeMap;

/// Commands that the runner knows; others are ordinary output.
const REGISTERED: [&str; 15] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// Annotations of a kind that are kept for a step.
const KEPT: usize = 10;

const LONGEST_MESSAGE: usize = 4096;

/// A command as it was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Command {
    pub(in crate::report) name: String,
    /// Keys in lower case, for the runner does not tell cases apart.
    pub(in crate::report) properties: BTreeMap<String, String>,
    pub(in crate::report) data: String,
}

/// What GitHub shows of an error, a warning or a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Annotation {
    pub(in crate::report) level: String,
    pub(in crate::report) file: Option<String>,
    pub(in crate::report) line: Option<String>,
    pub(in crate::report) end_line: Option<String>,
    pub(in crate::report) column: Option<String>,
    pub(in crate::report) title: Option<String>,
    pub(in crate::report) message: String,
}

#[derive(Default)]
pub(in crate::report) struct Runner {
    /// Every command that was obeyed, in order.
    pub(in crate::report) commands: Vec<Command>,
    pub(in crate::report) annotations: Vec<Annotation>,
    /// Annotations over the limit.
    pub(in crate::report) dropped: usize,
    pub(in crate::report) masks: Vec<String>,
    /// The log as it is shown: group marks, indented lines inside, masked.
    pub(in crate::report) log: Vec<String>,
    /// What fails the step, or is shown otherwise than meant.
    pub(in crate::report) complaints: Vec<String>,
    in_group: bool,
    stopped: Option<String>,
}

impl Runner {
    /// Reads a stream as the runner does: LF, CR and CRLF end a line.
    pub(in crate::report) fn read(bytes: &[u8]) -> Self {
        let mut runner = Self::default();
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
        text.split_terminator('\n').for_each(|line| runner.line(line));
        runner
    }

    fn line(&mut self, line: &str) {
        let stop_token = self.stopped.clone();
        let Some(command) = parse(line, stop_token.as_deref()) else { return self.show(line) };
        match &self.stopped {
            Some(token) if command.name.eq_ignore_ascii_case(token) => self.stopped = None,
            Some(_) => self.show(line),
            None => self.obey(command),
        }
    }

    fn show(&mut self, line: &str) {
        let mut shown = line.to_owned();
        self.masks.iter().for_each(|mask| shown = shown.replace(mask, "***"));
        let indent = if self.in_group { "    " } else { "" };
        self.log.push(format!("{indent}{shown}"));
    }

    fn obey(&mut self, command: Command) {
        match command.name.as_str() {
            "stop-commands" => self.stopped = Some(command.data.clone()),
            "add-mask" if command.data.trim().is_empty() => self.complaints.push("empty mask".to_owned()),
            "add-mask" => {
                let lines = command.data.split(['\r', '\n']).filter(|line| !line.trim().is_empty());
                self.masks.extend(lines.map(str::to_owned));
            }
            "group" => {
                if self.in_group {
                    self.complaints.push(format!("a group inside a group: {}", command.data));
                }
                self.show(&format!("▸ {}", command.data));
                self.in_group = true;
            }
            "endgroup" => {
                if !self.in_group {
                    self.complaints.push("no group to end".to_owned());
                }
                self.in_group = false;
            }
            "error" | "warning" | "notice" => self.annotate(&command),
            "set-env" | "add-path" => self.complaints.push(format!("{} fails the step", command.name)),
            _ => {}
        }
        self.commands.push(command);
    }

    /// `IssueCommandExtension`, with `ValidateLinesAndColumns`.
    fn annotate(&mut self, command: &Command) {
        let mut properties = command.properties.clone();
        let number = |properties: &BTreeMap<String, String>, key: &str| properties.get(key)?.parse::<i64>().ok();
        let (line, end) = (number(&properties, "line"), number(&properties, "endline"));
        let (column, end_column) = (number(&properties, "col"), number(&properties, "endcolumn"));
        if let (None, Some(end)) = (line, end) {
            properties.insert("line".to_owned(), end.to_string());
        }
        let has_line = number(&properties, "line").is_some();
        let spans = end.is_some() && properties.get("line") != properties.get("endline");
        if (!has_line || spans) && (column.is_some() || end_column.is_some()) {
            properties.remove("col");
            properties.remove("endcolumn");
        }
        if line.zip(end).is_some_and(|(line, end)| end < line) {
            properties.remove("line");
            properties.remove("endline");
        }
        let mut take = |key: &str| properties.remove(key);
        let annotation = Annotation {
            level: command.name.clone(),
            file: take("file"),
            line: take("line"),
            end_line: take("endline"),
            column: take("col"),
            title: take("title"),
            message: command.data.chars().take(LONGEST_MESSAGE).collect(),
        };
        let first = annotation.message.lines().next().unwrap_or_default().to_owned();
        self.show(&format!("{}: {first}", command.name));
        if self.annotations.iter().filter(|other| other.level == annotation.level).count() < KEPT {
            self.annotations.push(annotation);
        } else {
            self.dropped += 1;
        }
    }
}

/// Either form of a command in a line.
pub(in crate::report) fn parse(line: &str, stop_token: Option<&str>) -> Option<Command> {
    new_form(line, stop_token).or_else(|| old_form(line, stop_token))
}

fn known(name: &str, stop_token: Option<&str>) -> Option<String> {
    let registered = REGISTERED.iter().copied().chain(stop_token);
    registered.into_iter().find(|known| known.eq_ignore_ascii_case(name)).map(str::to_owned)
}

/// `::name key=value,key=value::data` at the beginning of a line.
fn new_form(line: &str, stop_token: Option<&str>) -> Option<Command> {
    let (info, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    let unescape = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n");
    let value = |text: &str| unescape(text).replace("%3A", ":").replace("%2C", ",").replace("%25", "%");
    Some(Command {
        name: known(name, stop_token)?,
        properties: properties_of(properties.trim(), ',', value),
        data: unescape(data).replace("%25", "%"),
    })
}

/// `##[name key=value;key=value]data` anywhere in a line.
fn old_form(line: &str, stop_token: Option<&str>) -> Option<Command> {
    let (_, rest) = line.split_once("##[")?;
    let (info, data) = rest.split_once(']')?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    let value = |text: &str| {
        let text = text.replace("%3B", ";").replace("%0D", "\r").replace("%0A", "\n");
        text.replace("%5D", "]").replace("%25", "%")
    };
    Some(Command {
        name: known(name, stop_token)?,
        properties: properties_of(properties, ';', value),
        data: value(data),
    })
}

fn properties_of(text: &str, separator: char, value: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let pairs = text.split(separator).filter_map(|pair| pair.trim_start_matches('=').split_once('='));
    let pairs = pairs.filter(|(_, text)| !text.is_empty());
    pairs.map(|(key, text)| (key.to_lowercase(), value(text))).collect()
}

/// The entries of a file such as that of `GITHUB_OUTPUT`, as the runner reads it after the step.
pub(in crate::report) fn entries(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut entries = BTreeMap::new();
    let mut lines = text.split_terminator('\n');
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        match (line.find('='), line.find("<<")) {
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                entries.insert(line[..equals].to_owned(), line[equals + 1..].to_owned());
            }
            (_, Some(heredoc)) => {
                let (name, delimiter) = (&line[..heredoc], &line[heredoc + 2..]);
                let mut value = Vec::new();
                loop {
                    let line = lines.next().ok_or(format!("Matching delimiter not found '{delimiter}'"))?;
                    if line == delimiter {
                        break;
                    }
                    value.push(line);
                }
                entries.insert(name.to_owned(), value.join("\n"));
            }
            _ => return Err(format!("Invalid format '{line}'")),
        }
    }
    Ok(entries)
}

mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn both_forms_are_commands_and_what_looks_alike_is_not() {
        let name = |line: &str| parse(line, None).map(|command| command.name);
        for line in ["::error::x", " \t::ERROR file=a::x", "10 %##[error]x", "##[error file=a;line=1]x"] {
            assert_eq!(name(line).as_deref(), Some("error"), "{line}");
        }
        for line in ["| ::error::x", "::error:x", "::unknown::x", "## [error]x", "##[error", ": :error::x"] {
            assert_eq!(name(line), None, "{line}");
        }
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line() {
        assert_eq!(Runner::read(b"progress 10%\r::error::x\n").annotations.len(), 1);
    }

    #[test]
    fn only_the_token_starts_commands_again() {
        let runner = Runner::read(b"::stop-commands::t0ken\n::error::a\n##[error]b\n::T0KEN::\n::error::c\n");
        assert_eq!(runner.annotations.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn lines_and_columns_are_mended_as_the_runner_does() {
        let place = |properties: &str| {
            let runner = Runner::read(format!("::error {properties}::x\n").as_bytes());
            let one = runner.annotations.into_iter().next().unwrap();
            (one.line, one.end_line, one.column)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(place("line=3,endLine=3,col=4"), (some("3"), some("3"), some("4")));
        assert_eq!(place("endLine=5"), (some("5"), some("5"), None));
        assert_eq!(place("col=5"), (None, None, None));
        assert_eq!(place("line=3,endLine=4,col=5"), (some("3"), some("4"), None));
        assert_eq!(place("line=3,endLine=2"), (None, None, None));
    }

    #[test]
    fn a_files_entry_needs_its_delimiter() {
        assert_eq!(entries("a=1<<2\nb<<E\nx\n\ny=3\nE\n").unwrap(), [("a", "1<<2"), ("b", "x\n\ny=3")].map(own).into());
        assert!(entries("b<<E\nx\n").is_err());
        assert!(entries("rubbish\n").is_err());
    }

    fn own((key, value): (&str, &str)) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }
}
