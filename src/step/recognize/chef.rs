//! Chef and Cinc: the box that `error_descriptor.rb` and the inspectors beside it (chef/chef, `lib/chef/formatters`)
//! draw of a failure in a recipe.

use super::{Finding, Said, Spot};

pub(super) fn recognize(said: &Said<'_>) -> Option<Finding> {
    let lines: Vec<_> = said.tail.iter().map(|line| line.trim()).collect();
    let title =
        |line: &&str| line.starts_with("Recipe Compile Error in ") || line.starts_with("Error executing action `");
    let start = lines.iter().rposition(title)?;
    let closing = "Chef Infra Client failed.";
    let ended = lines[start..]
        .iter()
        .any(|line| line.contains(" FATAL: ") || line.starts_with(closing) || line.contains(" Client failed."));
    if !ended || !lines.get(start + 1)?.starts_with("====") {
        return None;
    }
    let inside = &lines[start + 2..];
    let (name, words) = section(inside)?;
    let what = lines[start].strip_prefix("Error executing action ").and_then(|rest| rest.split_once(" on resource "));
    let message = match what {
        Some((_, resource)) => format!("chef: {}: {name}: {words}", resource.trim_matches('\'')),
        None => format!("chef: {name}: {words}"),
    };
    Some(Finding { message, spots: spot(inside).into_iter().collect(), ..Finding::default() })
}

/// The first section: the class of the exception, underlined, and the first line of its message.
fn section<'a>(lines: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let underline = lines.iter().position(|line| line.len() > 2 && line.bytes().all(|byte| byte == b'-'))?;
    let name = *lines.get(underline.checked_sub(1)?)?;
    Some((name, lines.get(underline + 1).copied().unwrap_or_default()))
}

/// The first entry of the trace, else the declaration of the resource.
fn spot(lines: &[&str]) -> Option<Spot> {
    let after = |title: &str| lines.iter().position(|line| line.starts_with(title)).map(|index| &lines[index + 2..]);
    if let Some(entry) = after("Cookbook Trace:").and_then(|lines| lines.first()) {
        let (file, rest) = entry.split_once(':')?;
        let line = rest.split(':').next()?.parse().ok()?;
        return Some(Spot { file: file.to_owned(), line, column: None, text: marked(lines) });
    }
    let declaration = after("Resource Declaration:")?;
    let file = declaration.first()?.strip_prefix("# In ")?;
    let (line, text) = declaration.iter().skip(1).find(|line| !line.is_empty())?.split_once(": ")?;
    Some(Spot { file: file.to_owned(), line: line.parse().ok()?, column: None, text: Some(text.trim().to_owned()) })
}

/// The line that `>>` marks in the content of the file.
fn marked(lines: &[&str]) -> Option<String> {
    lines.iter().find_map(|line| {
        let (number, text) = line.split_once(">> ")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.trim().to_owned())
    })
}
