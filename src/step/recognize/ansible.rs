//! Ansible: `fatal:` and `failed:` lines of tasks, and errors that end a run before any task. Up to ansible-core 2.18
//! the place is in the message (`The error appears to be in '/x.yml': line 5, column 3`), since 2.19 in lines that
//! begin with `Origin: ` below `[ERROR]: `.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finding, Said, Spot, fragment};

static OLD_PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"The error appears to (?:be|have been) in '([^']+)': line ([0-9]{1,9}), column ([0-9]{1,9})").ok()
});

static ORIGIN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^Origin: (.+):([0-9]{1,9}):([0-9]{1,9})$").ok());

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    match said.all.iter().rposition(|line| line.starts_with("PLAY RECAP ")) {
        Some(recap) => task(said.all, recap),
        None => before_tasks(said.tail),
    }
}

/// The last task that failed on a host that the recap says failed.
fn task(lines: &[&str], recap: usize) -> Option<Finding> {
    let failed: Vec<_> = lines[recap + 1..].iter().filter_map(|line| line.split_once(" : ")).collect();
    let is_failed = |counts: &str| {
        let nonzero =
            |name: &str| counts.split_whitespace().any(|count| count.strip_prefix(name).is_some_and(|n| n != "0"));
        nonzero("failed=") || nonzero("unreachable=")
    };
    let failed: Vec<_> = failed.iter().filter(|(_, counts)| is_failed(counts)).map(|(host, _)| host.trim()).collect();
    let index = (0..recap).rev().find(|&index| {
        let ignored = lines.get(index + 1).is_some_and(|next| *next == "...ignoring");
        !ignored && host(lines[index]).is_some_and(|host| failed.contains(&host))
    })?;
    let words = words(lines[index])?;
    let name = lines[..index].iter().rev().find_map(|line| title(line)).unwrap_or("(no name)");
    let start = lines[..index].iter().rposition(|line| title(line).is_some()).unwrap_or(0);
    let mut spots: Vec<_> = old_place(&words).into_iter().collect();
    spots.extend(origins(&lines[start..index]));
    let said = words.split("\n\nThe error appears").next().unwrap_or_default().lines().next().unwrap_or_default();
    let detail = stderr(lines[index]).filter(|_| said == "non-zero return code");
    let said =
        said.strip_prefix("The task includes an option with an undefined variable. The error was: ").unwrap_or(said);
    let message = format!("ansible: task `{name}`: {}", detail.as_deref().unwrap_or(&fragment(said)));
    Some(Finding { message, spots, ..Finding::default() })
}

/// The host of a `fatal: [host]: FAILED! => …` or `failed: [host] (item=x) => …`.
fn host(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("fatal: [").or_else(|| line.strip_prefix("failed: ["))?;
    // `host -> delegate`.
    rest.split_once(']').map(|(host, _)| host.split(" -> ").next().unwrap_or(host))
}

/// The name of a task, from `TASK [web : Template the site] ****` or `RUNNING HANDLER [reload] ***`.
fn title(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("TASK [").or_else(|| line.strip_prefix("RUNNING HANDLER ["))?;
    rest.trim_end_matches('*').trim_end().strip_suffix(']')
}

fn words(line: &str) -> Option<String> {
    value(line, "\"msg\": ")
}

/// The last line of what a command wrote on standard error.
fn stderr(line: &str) -> Option<String> {
    let text = value(line, "\"stderr\": ")?;
    text.lines().next_back().map(str::to_owned).filter(|line| !line.is_empty())
}

/// A string of the JSON in the line, which may have been cut.
fn value(line: &str, name: &str) -> Option<String> {
    let rest = &line[line.find(name)? + name.len()..];
    serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()
}

fn old_place(text: &str) -> Option<Spot> {
    let found = OLD_PLACE.as_ref()?.captures(text)?;
    // The line below says where the text is, but it may be elsewhere in the task.
    Some(Spot { file: found[1].to_owned(), line: found[2].parse().ok()?, column: found[3].parse().ok(), text: None })
}

/// The places of an error and of its causes, the innermost first.
fn origins(lines: &[&str]) -> Vec<Spot> {
    let Some(origin) = ORIGIN.as_ref() else { return Vec::new() };
    let mut spots = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(found) = origin.captures(line) else { continue };
        let Ok(number) = found[2].parse() else { continue };
        let shown = |line: &&&str| line.split_once(' ').is_some_and(|(first, _)| first == &found[2]);
        let text = lines[index + 1..].iter().take(6).find(shown).and_then(|line| line.split_once(' '));
        let text = text.map(|(_, text)| text.trim().to_owned());
        spots.push(Spot { file: found[1].to_owned(), line: number, column: found[3].parse().ok(), text });
    }
    spots.reverse();
    spots
}

/// An error that ended the run before the first task, or between tasks.
fn before_tasks(lines: &[&str]) -> Option<Finding> {
    let prefix = |line: &str| ["ERROR! ", "[ERROR]: "].into_iter().find(|prefix| line.starts_with(prefix));
    let start = lines.iter().rposition(|line| prefix(line).is_some())?;
    let is_task = |line: &&str| title(line).is_some() || host(line).is_some();
    if lines[start..].iter().any(is_task) {
        return None;
    }
    let mut words = lines[start].strip_prefix(prefix(lines[start])?)?;
    if words.starts_with("We were unable to read either as JSON nor YAML") {
        let yaml = lines.iter().rposition(|line| line.starts_with("Syntax Error while loading YAML"))?;
        words = lines.get(yaml + 1)?.trim();
    }
    let text = lines[start..].join("\n");
    let mut spots: Vec<_> = old_place(&text).into_iter().collect();
    spots.extend(origins(&lines[start..]));
    let hint = words
        .contains("couldn't resolve module/action")
        .then_some("is the module's name right, and its collection installed (`ansible-galaxy collection install`)?");
    let words = words.split(". This often").next().unwrap_or(words);
    Some(Finding { message: format!("ansible: {}", fragment(words)), hint, spots, ..Finding::default() })
}
