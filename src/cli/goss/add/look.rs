//! goss's own `add`: what this machine is like now, by the probe that also tests it.

use serde_json::{Map, Value};

use super::super::machine::{Machine, Opened, Probed};
use super::Suggested;
use crate::cli::load::tell;
use crate::event::Place;
use crate::plan::job::Host;
use crate::smoke::finding::{Actual, Findings};
use crate::smoke::spec::{Assertion, Kind, Resource, Spec};

/// What goss records of a type: properties as results name them, the first of which decides about the others; and settings.
fn recorded(kind: Kind) -> (&'static [&'static str], Vec<(&'static str, Value)>) {
    match kind {
        Kind::Addr => (&["reachable"], vec![("timeout", 500.into())]),
        Kind::Command => (&["exit-status", "stdout", "stderr"], vec![("timeout", 10_000.into())]),
        Kind::Dns => (&["resolvable", "addrs"], vec![("timeout", 500.into())]),
        Kind::File => (&["exists", "mode", "owner", "group", "linkedto", "filetype"], Vec::new()),
        Kind::Group => (&["exists", "gid"], Vec::new()),
        Kind::Http => (
            &["status"],
            vec![("allow-insecure", false.into()), ("no-follow-redirects", false.into()), ("timeout", 5000.into())],
        ),
        Kind::Interface => (&["exists", "addrs", "mtu"], Vec::new()),
        Kind::KernelParam => (&["value"], Vec::new()),
        Kind::Matching => (&[], Vec::new()),
        Kind::Mount => (&["exists", "opts", "vfs-opts", "source", "filesystem"], Vec::new()),
        Kind::Package => (&["installed", "version"], Vec::new()),
        Kind::Port => (&["listening", "ip"], Vec::new()),
        Kind::Process => (&["running"], Vec::new()),
        Kind::Service => (&["enabled", "running"], Vec::new()),
        Kind::User => (&["exists", "uid", "gid", "groups", "home", "shell"], Vec::new()),
    }
}

/// The attribute of a property, which results name otherwise.
fn attribute(property: &'static str) -> &'static str {
    match property {
        "linkedto" => "linked-to",
        "version" => "versions",
        same => same,
    }
}

/// What there is of each name, on this machine or on `host`. Err: by the signal of this number it was ended.
pub(super) async fn look(
    kind: Kind,
    names: &[String],
    host: Option<&Host>,
) -> anyhow::Result<Result<Vec<Suggested>, i32>> {
    let (properties, settings) = recorded(kind);
    let spec = Spec { resources: names.iter().map(|name| resource(kind, name, properties, &settings)).collect() };
    let mut machine = match Machine::open(host).await? {
        Opened::Machine(machine) => machine,
        Opened::Cancelled(signal) => return Ok(Err(signal)),
    };
    let findings = match machine.probe(&spec).await? {
        Probed::Found(findings) => findings,
        Probed::Cancelled(signal) => return Ok(Err(signal)),
    };
    let all = spec.resources.iter().enumerate().map(|(index, resource)| {
        let mut attributes = known(index, resource, properties, &findings);
        if !attributes.is_empty() {
            attributes.extend(settings.clone());
        }
        Suggested { kind, id: resource.id.clone(), attributes, because: looked_at(host) }
    });
    Ok(Ok(all.collect()))
}

/// The machine, for people.
pub(super) fn looked_at(host: Option<&Host>) -> String {
    host.map_or_else(|| "this machine".to_owned(), |host| host.host.clone())
}

fn resource(kind: Kind, name: &str, properties: &[&'static str], settings: &[(&'static str, Value)]) -> Resource {
    let place = Place { file: "-".into(), line: 1, column: None, exact: false };
    let assertion = |property: &&'static str| Assertion { property, expected: Value::Null, place: place.clone() };
    Resource {
        kind,
        id: name.to_owned(),
        name: None,
        title: None,
        meta: Map::new(),
        skip: false,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        assertions: properties.iter().map(assertion).collect(),
        place: place.clone(),
    }
}

/// What was found of a resource; of what is not there, only that.
fn known(
    index: usize,
    resource: &Resource,
    properties: &[&'static str],
    findings: &Findings,
) -> Vec<(&'static str, Value)> {
    let mut attributes = Vec::new();
    for (position, property) in properties.iter().enumerate() {
        let value = match findings.found.get(&(index, *property)).map(|found| &found.actual) {
            Some(Ok(Actual::Value(value))) => value.clone(),
            Some(Ok(Actual::Reader(text))) => text.lines().map(Value::from).collect(),
            Some(Err(error)) if position == 0 => {
                tell(&format!("warning: {} {}: {error}\n", resource.kind.key(), crate::report::one_line(&resource.id)));
                return Vec::new();
            }
            _ => continue,
        };
        let is_absent = position == 0 && resource.kind.has_gate() && value == Value::Bool(false);
        // Only links lead somewhere.
        if !(*property == "linkedto" && value == "") {
            attributes.push((attribute(property), value));
        }
        if is_absent {
            break;
        }
    }
    attributes
}
