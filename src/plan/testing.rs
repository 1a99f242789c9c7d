//! The `tests` of a job.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

use super::inputs::Facts;
use super::job::{Tests, Waiver};
use super::model::{FileKind, NeededFile};
use super::scope::{Resolver, Scope};
use crate::definition::{self, Field, TESTS, VARS};
use crate::diagnostic::Severity;
use crate::event::{self, JobId, Level};
use crate::expression::Value;
use crate::smoke::spec::{self, Part, Resource, Spec};
use crate::source::{Place, Route};

/// What goss files are read with for a job, which planning can't do itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Goss {
    pub job: JobId,
    /// In the order in which they are merged.
    pub files: Vec<NeededFile>,
    /// `.Vars` of their templates.
    pub vars: BTreeMap<String, Json>,
}

/// How a job's image is tested, without what goss files ask, and those files. None: it is not.
pub(super) fn tests(resolver: &mut Resolver<'_>, scope: &Scope, root: &Utf8Path, job: &JobId) -> Option<(Tests, Goss)> {
    let wanted = resolver.definition.tests.as_ref()?;
    let level = resolver.optional(wanted.level.as_ref(), scope).unwrap_or_else(|| default_level(&scope.facts));
    let timeout = resolver.optional(wanted.timeout.as_ref(), scope).unwrap_or(Tests::TIMEOUT);
    let tests = Tests {
        boot_budget: resolver.optional(wanted.boot_budget.as_ref(), scope),
        timeout,
        retry_timeout: resolver.optional(wanted.retry_timeout.as_ref(), scope).unwrap_or_default(),
        waivers: wanted.waivers.iter().map(|waiver| self::waiver(resolver, waiver)).collect(),
        resources: resources(resolver, wanted, scope),
        ..Tests::new(level)
    };
    let mut needed = |field: &Field<String>| {
        let written = resolver.field(field, scope)?;
        let place = Place::Value(field.route.clone());
        let (job, path) = (job.clone(), root.join(&written));
        Some(NeededFile { job, step: None, kind: FileKind::Goss, path, written, place, used: None })
    };
    let files = wanted.goss.iter().filter_map(&mut needed).collect();
    let vars = vars(resolver, wanted, scope);
    Some((tests, Goss { job: job.clone(), files, vars }))
}

/// What is released is looked at more closely.
fn default_level(facts: &Facts) -> Level {
    if facts.ci.get("tag").is_some_and(Value::is_truthy) { Level::Full } else { Level::Standard }
}

fn waiver(resolver: &Resolver<'_>, waiver: &definition::Waiver) -> Waiver {
    let place = Place::Value(waiver.route.clone());
    let source = resolver.sources.get(waiver.route.file());
    let position = source.position(source.range(&place).start);
    let file = resolver.file_name(waiver.route.file());
    let place = event::Place { file, line: position.line, column: Some(position.column), exact: true };
    Waiver { check: waiver.check, reason: waiver.reason.clone(), until: waiver.until, place }
}

/// What stands in the definition as in a goss file.
fn resources(resolver: &mut Resolver<'_>, tests: &definition::Tests, scope: &Scope) -> Vec<Resource> {
    let source = resolver.sources.main();
    let Some(value) = source.value().get(TESTS) else { return Vec::new() };
    let mut fill = |text: &str, route: &Route| fill(resolver, tests, scope, text, route);
    let part = Part::new(source, Route::root().key(TESTS), value, &mut fill);
    let (mut file, found) = spec::parse_part(&part);
    // What is wrong without any expression was told when the definition was read, warnings too, and is kept once.
    found.into_iter().filter(|one| one.severity == Severity::Error).for_each(|one| resolver.push(one));
    let name = resolver.file_name(source.id());
    for resource in &mut file.resources {
        let places = resource.assertions.iter_mut().map(|assertion| &mut assertion.place);
        places.chain([&mut resource.place]).for_each(|place| place.file.clone_from(&name));
    }
    Spec::new(file.resources).resources
}

fn vars(resolver: &mut Resolver<'_>, tests: &definition::Tests, scope: &Scope) -> BTreeMap<String, Json> {
    let route = Route::root().key(TESTS).key(VARS);
    let value = resolver.sources.main().value().get(TESTS).and_then(|tests| tests.get(VARS));
    let mut vars = BTreeMap::new();
    for (name, value) in value.and_then(Yaml::as_mapping).into_iter().flatten() {
        let Some(name) = name.as_str() else { continue };
        let mut fill = |text: &str, route: &Route| fill(resolver, tests, scope, text, route);
        let value = spec::filled(value, &route.key(name), &mut fill);
        vars.extend(value.map(|value| (name.to_owned(), spec::json(&value))));
    }
    vars
}

/// What a text with expressions becomes; one that is nothing but an expression keeps its type.
fn fill(
    resolver: &mut Resolver<'_>,
    tests: &definition::Tests,
    scope: &Scope,
    text: &str,
    route: &Route,
) -> Option<Yaml> {
    let value = resolver.template(tests.templates.get(text)?, route, scope)?;
    serde_yaml::to_value(Json::from(value)).ok()
}
