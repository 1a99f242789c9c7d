//! `tests`: how the finished image is tested.
//!
//! The types of resources stand beside the keys that are ours, as in a goss file. They are read here once as far as they
//! hold no expression, so that what is wrong is told whatever the jobs are, and by planning once for each job.

use std::sync::LazyLock;

use serde_yaml::Value as Yaml;

use super::decode::{Decoder, Keys, Node, Site, Table};
use super::language;
use super::model::{Field, Problem, Tests, Waiver};
use super::scalar;
use crate::diagnostic::Diagnostic;
use crate::smoke::spec::{self, Part};
use crate::source::{Place, Route};

/// The key in a definition.
pub(crate) const TESTS: &str = "tests";

/// The key of the values that goss files' templates have.
pub(crate) const VARS: &str = "vars";

/// How deep `vars` may nest.
const DEEPEST: usize = 60;

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Tests>);
static WAIVER_KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Waiver>);

pub(super) fn tests(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Tests {
    if node.value.is_null() {
        return Tests::default();
    }
    let Some(table) = decoder.table(node, &KEYS) else { return Tests::default() };
    let goss = table.get("goss").map(|node| goss(decoder, &node)).unwrap_or_default();
    let level = decoder.optional(&table, "level", Site::Plain, scalar::level);
    let boot_budget = decoder.optional(&table, "boot-budget", Site::Plain, scalar::delay);
    let retry_timeout = decoder.optional(&table, "retry-timeout", Site::Plain, scalar::delay);
    let timeout = decoder.optional(&table, "timeout-minutes", Site::Plain, scalar::minutes);
    let waivers = table.get("waive").map(|node| waivers(decoder, &node)).unwrap_or_default();
    let mut tests = Tests { goss, level, boot_budget, retry_timeout, timeout, waivers, ..Tests::default() };
    vars(decoder, &table, &mut tests);
    resources(decoder, node, &mut tests);
    tests
}

/// A path, or a list of them.
fn goss(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Field<String>> {
    let nodes = match node.value {
        Yaml::Sequence(_) => decoder.items(node, "`goss`").unwrap_or_default(),
        _ => vec![node.clone()],
    };
    nodes.iter().filter_map(|node| decoder.field(node, Site::Plain, scalar::local_path)).collect()
}

fn waivers(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Waiver> {
    let items = decoder.items(node, "`waive`").unwrap_or_default();
    let mut waivers: Vec<Waiver> = Vec::new();
    for node in items {
        let Some(waiver) = waiver(decoder, &node) else { continue };
        if waivers.iter().any(|other| other.check == waiver.check) {
            let message = format!("the check `{}` is waived twice", waiver.check.as_str());
            let diagnostic = Diagnostic::error("conflict", message).at(Place::Value(node.route.key("check")));
            decoder.push(diagnostic.help("leave out one of the two"));
        }
        waivers.push(waiver);
    }
    waivers
}

fn waiver(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Waiver> {
    let table = decoder.table(node, &WAIVER_KEYS)?;
    let check = decoder.require(&table, "check", &WAIVER_KEYS);
    let check = check.and_then(|node| decoder.literal(&node, scalar::check));
    let reason = decoder.require(&table, "reason", &WAIVER_KEYS);
    let reason = reason.and_then(|node| decoder.literal(&node, scalar::line));
    let until = decoder.require(&table, "until", &WAIVER_KEYS);
    let until = until.and_then(|node| decoder.literal(&node, scalar::date));
    Some(Waiver { route: node.route.clone(), check: check?, reason: reason?, until: until? })
}

/// Looks at the values for templates, and keeps the templates in them.
fn vars(decoder: &mut Decoder<'_>, table: &Table<'_>, tests: &mut Tests) {
    let Some(node) = table.get(VARS) else { return };
    for (_, node) in decoder.entries(&node, "`vars`").unwrap_or_default() {
        if depth(node.value) > DEEPEST {
            let message = format!("this nests deeper than {DEEPEST} levels");
            decoder.problem(Problem::new(message), &node.route);
        } else if decoder.value(&node).is_some() {
            spec::filled(node.value, &node.route, &mut |text, route| keep(decoder, tests, text, route));
        }
    }
}

fn depth(value: &Yaml) -> usize {
    match value {
        Yaml::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Yaml::Mapping(mapping) => 1 + mapping.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Reads the resources without what expressions will give, and keeps the templates in them.
fn resources(decoder: &mut Decoder<'_>, node: &Node<'_>, tests: &mut Tests) {
    let source = decoder.sources.main();
    let mut keep = |text: &str, route: &Route| keep(decoder, tests, text, route);
    let part = Part::new(source, node.route.clone(), node.value, &mut keep);
    let (_, found) = spec::parse_part(&part);
    found.into_iter().for_each(|one| decoder.push(one));
}

/// Keeps a text with expressions. What they give is not known yet.
fn keep(decoder: &mut Decoder<'_>, tests: &mut Tests, text: &str, route: &Route) -> Option<Yaml> {
    let template = decoder.template(text, route, Site::Plain)?;
    tests.templates.insert(text.to_owned(), template);
    None
}
