//! `service`: systemd, OpenRC, upstart or System V; the script knows which.

use super::ask::Request;
use super::facts::{Facts, Property, malformed, unknown, value};
use crate::smoke::spec::Resource;

const FLAGS: [(&str, char); 3] = [("enabled", 'e'), ("running", 'r'), ("runlevels", 'l')];

/// None for a name that could be a path or an option: no service is called that.
fn request(resource: &Resource) -> Option<Request> {
    let name = resource.object();
    if name.is_empty() || name.contains('/') || name.starts_with('-') {
        return None;
    }
    let asked = |name: &str| resource.assertions.iter().any(|assertion| assertion.property == name);
    let flags = FLAGS.iter().filter(|(name, _)| asked(name)).map(|(_, letter)| *letter).collect();
    Some(Request { flags, ..Request::new("service", name) })
}

pub(super) fn requests(resource: &Resource) -> Vec<Request> {
    request(resource).into_iter().collect()
}

pub(super) fn property(resource: &Resource, property: &str, facts: &Facts) -> Property {
    let request = request(resource);
    let truth = || match &request {
        None => value(false),
        Some(request) => match facts.text(request, property)?.as_str() {
            "1" => value(true),
            "0" => value(false),
            "?" => Err("exec: \"service\": executable file not found in $PATH".to_owned()),
            _ => Err(malformed()),
        },
    };
    match (property, &request) {
        ("enabled" | "running", _) => truth(),
        ("runlevels", None) => value(Vec::<String>::new()),
        ("runlevels", Some(request)) => {
            let levels = facts.text(request, "levels")?;
            value(levels.lines().map(str::to_owned).collect::<Vec<_>>())
        }
        (other, _) => unknown(other),
    }
}
