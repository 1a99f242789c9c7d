//! `user` and `group`: `/etc/passwd` and `/etc/group`, then `getent` for who is not in them.

use super::ask::Request;
use super::facts::{Facts, Property, malformed, unknown, value};
use crate::smoke::spec::{Kind, Resource};

pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    let (files, kind): (&[&str], _) = match resource.kind {
        Kind::User => (&["passwd", "group"], "user"),
        _ => (&["group"], "name"),
    };
    let mut requests: Vec<Request> = files.iter().map(|file| Request::new(file, "")).collect();
    requests.extend(lookup(kind, resource.object()));
    requests
}

/// What is no account name is no option of `getent` either.
fn lookup(kind: &'static str, name: &str) -> Option<Request> {
    let plain = !name.is_empty() && !name.starts_with('-') && !name.contains([':', '\n']);
    plain.then(|| Request::new(kind, name))
}

/// The text of `/etc/passwd` or `/etc/group`. An empty one was not read: no machine is without accounts.
fn listed(facts: &Facts, file: &'static str) -> Result<String, String> {
    let text = facts.text(&Request::new(file, ""), "list")?;
    if text.is_empty() { Err(format!("open /etc/{file}: it can't be read")) } else { Ok(text) }
}

/// The fields of the line whose first is `name`.
fn entry(facts: &Facts, file: &'static str, kind: &'static str, name: &str) -> Result<Option<Vec<String>>, String> {
    let of = |text: String| {
        let lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
        lines.into_iter().find(|fields| fields.len() >= 4 && fields[0] == name)
    };
    if let Some(fields) = of(listed(facts, file)?) {
        return Ok(Some(fields));
    }
    let Some(request) = lookup(kind, name) else { return Ok(None) };
    Ok(facts.of(&request)?.text("entry").and_then(of))
}

fn number(fields: &[String], index: usize) -> Result<u32, String> {
    fields.get(index).and_then(|field| field.parse().ok()).ok_or_else(malformed)
}

pub(super) fn user(name: &str, property: &str, facts: &Facts) -> Property {
    let entry = entry(facts, "passwd", "user", name)?;
    if property == "exists" {
        return value(entry.is_some());
    }
    let fields = entry.ok_or_else(|| format!("user: unknown user {name}"))?;
    let text = |index: usize| value(fields.get(index).ok_or_else(malformed)?.as_str());
    match property {
        "uid" => value(number(&fields, 2)?),
        "gid" => value(number(&fields, 3)?),
        "home" => text(5),
        "shell" => text(6),
        "groups" => value(groups(name, number(&fields, 3)?, &listed(facts, "group")?)),
        other => unknown(other),
    }
}

/// The groups of a user, sorted; the primary one is among them where `/etc/group` names it.
fn groups(user: &str, primary: u32, text: &str) -> Vec<String> {
    let mut groups = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, members] = fields[..] else { continue };
        if id.parse() == Ok(primary) {
            groups.push(name.to_owned());
        } else {
            // A user who is listed twice is in it twice, as goss has it.
            groups.extend(members.split(',').filter(|member| *member == user).map(|_| name.to_owned()));
        }
    }
    groups.sort();
    groups
}

pub(super) fn group(name: &str, property: &str, facts: &Facts) -> Property {
    let entry = entry(facts, "group", "name", name)?;
    match property {
        "exists" => value(entry.is_some()),
        "gid" => value(number(&entry.ok_or_else(|| format!("group: unknown group {name}"))?, 2)?),
        other => unknown(other),
    }
}

/// The name of an id: of the file, else what `getent` said.
pub(super) fn name_of(facts: &Facts, file: &'static str, id: u32, said: Option<String>) -> Property {
    let listed = listed(facts, file)?;
    let mut names = listed.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    let said = || said?.split_once(':').map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty());
    match names.next().or_else(said) {
        Some(name) => value(name),
        None => Err(format!("Error: no matching entries in passwd file. getent {file}: exit status 2")),
    }
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_are_sorted_and_hold_the_primary_one() {
        let text = "video:x:44:ann,bob\nann:x:1000:\nadm:x:4:ann\nbroken:x\nother:x:5:annie\n";
        assert_eq!(groups("ann", 1000, text), ["adm", "ann", "video"]);
    }
}
