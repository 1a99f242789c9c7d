//! From the text of a goss file to resources, with the place of each, and what is wrong with the file.

use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

use super::part::{Changes, Part};
use super::table::{self, Is, Setting, Type};
use super::{Assertion, File, Import, Kind, Resource};
use crate::diagnostic::Diagnostic;
use crate::event;
use crate::smoke::matcher::{self, Matcher, Syntax};
use crate::source::{FileId, Place, Route, Segment, Source, Sources};

/// The key that imports other files.
const GOSSFILE: &str = "gossfile";

/// Reads a goss file, YAML or JSON. What can't be read is left out, and a diagnostic says so.
#[must_use]
pub fn parse(name: &str, text: &str) -> (File, Sources, Vec<Diagnostic>) {
    let (sources, mut diagnostics) = Sources::parse(name, text);
    let file = Reader::read_file(sources.main(), &mut diagnostics);
    (file, sources, diagnostics)
}

/// [`parse`], for a file that is one of several.
pub fn parse_into(sources: &mut Sources, name: &str, text: &str) -> (File, FileId, Vec<Diagnostic>) {
    let (id, mut diagnostics) = sources.add(name, text);
    let file = Reader::read_file(sources.get(id), &mut diagnostics);
    (file, id, diagnostics)
}

/// [`parse`], for resources that are a part of another file.
#[must_use]
pub fn parse_part(part: &Part<'_>) -> (File, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut reader = Reader { source: part.source, changes: &part.changes, diagnostics: &mut diagnostics };
    let file = reader.read(&part.value, &part.route);
    (file, diagnostics)
}

struct Reader<'a> {
    source: &'a Source,
    changes: &'a Changes,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read_file(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> File {
        let changes = &Changes::default();
        Reader { source, changes, diagnostics }.read(source.value(), &Route::of(source.id()))
    }

    fn read(&mut self, value: &Yaml, root: &Route) -> File {
        let mut file = File::default();
        for (key, value, route) in self.entries(value, root, "a goss file") {
            if key == GOSSFILE {
                file.imports.extend(self.imports(value, &route));
            } else if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.key() == key) {
                let what = format!("`{key}`");
                let resources = self.entries(value, &route, &what).into_iter();
                file.resources.extend(resources.filter_map(|entry| self.resource(kind, entry)).collect::<Vec<_>>());
            } else {
                let known = Kind::ALL.map(Kind::key).into_iter().chain([GOSSFILE]);
                let message = format!("goss has no type of resources `{key}`");
                let unknown = Diagnostic::error("unknown-key", message).at(Place::Key(route));
                self.diagnostics.push(unknown.nearest(&key, "types", known));
            }
        }
        file.imports.sort_by(|left, right| left.path.cmp(&right.path));
        file
    }

    /// The entries of a mapping; nothing is an empty one.
    fn entries<'v>(&mut self, value: &'v Yaml, route: &Route, what: &str) -> Vec<(String, &'v Yaml, Route)> {
        let mapping = match value {
            Yaml::Mapping(mapping) => mapping,
            Yaml::Null => return Vec::new(),
            _ => {
                let found = match value {
                    Yaml::Sequence(_) => "a list",
                    _ => "a single value",
                };
                self.wrong(route, format!("expected a mapping for {what}, found {found}"));
                return Vec::new();
            }
        };
        let changes = self.changes;
        let entry = |(key, value): (&Yaml, &'v Yaml)| {
            let key = scalar(key)?;
            let route = changes.route(route, &key);
            Some((key, value, route))
        };
        mapping.iter().filter_map(entry).collect()
    }

    fn imports(&mut self, value: &Yaml, route: &Route) -> Vec<Import> {
        let mut imports = Vec::new();
        for (key, value, route) in self.entries(value, route, "`gossfile`") {
            let place = self.place(&Place::Key(route.clone()));
            let mut import = Import { path: key.clone(), skip: false, place };
            for (name, value, route) in self.entries(value, &route, &format!("the gossfile `{key}`")) {
                match name.as_str() {
                    "file" => import.path = self.text(value, &route).unwrap_or(import.path),
                    "skip" => import.skip = self.switch(value, &route),
                    "title" | "meta" => {}
                    _ => self.unknown("a gossfile", &name, &route, ["file", "skip", "title", "meta"].into_iter()),
                }
            }
            imports.push(import);
        }
        imports
    }

    fn resource(&mut self, kind: Kind, (id, value, route): (String, &Yaml, Route)) -> Option<Resource> {
        let fields = table::of(kind);
        if value.is_null() {
            self.wrong(&route, format!("the {} `{id}` has no attributes", fields.key));
            return None;
        }
        let mut resource = Resource {
            kind,
            id: id.clone(),
            name: None,
            title: None,
            meta: Map::new(),
            skip: false,
            settings: Map::new(),
            assertions: Vec::new(),
            place: self.place(&Place::Key(route.clone())),
        };
        let mut written = Vec::new();
        let before = self.diagnostics.len();
        for (key, value, route) in self.entries(value, &route, &format!("the {} `{id}`", fields.key)) {
            let asserted = fields.assertions.iter().any(|one| one.key == key || one.alias == Some(key.as_str()));
            if asserted {
                written.push((key, value, route));
            } else {
                self.attribute(&mut resource, fields, &key, value, &route);
            }
        }
        // What seems to be missing may only be misspelt, which was told.
        let is_understood = self.diagnostics.len() == before;
        resource.assertions = self.assertions(fields, &resource, is_understood.then_some(&route), &written);
        Some(resource)
    }

    /// An attribute that is not compared.
    fn attribute(&mut self, resource: &mut Resource, fields: &Type, key: &str, value: &Yaml, route: &Route) {
        match key {
            "title" => resource.title = self.text(value, route),
            "skip" => resource.skip = self.switch(value, route),
            "meta" => resource.meta = self.meta(value, route),
            _ if fields.name == Some(key) => {
                resource.name = self.text(value, route).filter(|name| !name.is_empty());
            }
            _ => match fields.settings.iter().find(|(name, _)| *name == key) {
                Some((_, setting)) => {
                    let value = self.setting(*setting, value, route);
                    resource.settings.extend(value.map(|value| (key.to_owned(), value)));
                }
                None => self.unknown(&article(fields.key), key, route, fields.keys()),
            },
        }
    }

    fn meta(&mut self, value: &Yaml, route: &Route) -> Map<String, Value> {
        let mut meta = Map::new();
        for (key, value, route) in self.entries(value, route, "`meta`") {
            let value = json(value);
            if key == "severity" && !["warn", "error"].contains(&value.as_str().unwrap_or_default()) {
                self.wrong(&route, "`severity` is `warn` or `error`".to_owned());
            }
            meta.insert(key, value);
        }
        meta
    }

    fn assertions(
        &mut self,
        fields: &Type,
        resource: &Resource,
        understood: Option<&Route>,
        written: &[(String, &Yaml, Route)],
    ) -> Vec<Assertion> {
        let mut assertions = Vec::new();
        for one in fields.assertions {
            // The present name counts when both are written.
            let find = |name: &str| written.iter().find(|(key, ..)| key == name);
            let entry = find(one.key).or_else(|| one.alias.and_then(find));
            let value = entry.map(|(_, value, route)| (self.expected(one.is, value, route), route));
            let is_set = value.as_ref().is_some_and(|(value, _)| is_set(value));
            match value {
                Some((expected, route)) if is_set || is_required(one.is) => {
                    self.check(resource, one.is, &expected, route);
                    let place = self.place(&Place::Key(route.clone()));
                    assertions.push(Assertion { property: one.property, expected, place });
                }
                // It has a result all the same, which says that the attribute is missing.
                None if is_required(one.is) => {
                    // An attribute whose expression is not known is there.
                    if let Some(route) = understood.filter(|route| !self.changes.has(&route.key(one.key))) {
                        self.missing(fields, resource, one.key, route);
                    }
                    let place = resource.place.clone();
                    assertions.push(Assertion { property: one.property, expected: Value::Null, place });
                }
                Some((Value::Array(_), route)) if one.is == Is::Reader => {
                    let message = format!("an empty list of `{}` expects nothing", one.key);
                    let remark = Diagnostic::remark("wrong-type", message).at(Place::Key(route.clone()));
                    self.diagnostics.push(remark.help("write `\"\"` to expect that there is no text"));
                }
                _ => {}
            }
        }
        assertions
    }

    /// What is expected, with the deprecated forms of numbers as numbers.
    fn expected(&mut self, is: Is, value: &Yaml, route: &Route) -> Value {
        let expected = json(value);
        match (is, &expected) {
            (Is::Number | Is::RequiredNumber, Value::String(text)) => match text.parse::<i64>() {
                Ok(number) if self.changes.has(route) => number.into(),
                Ok(number) => {
                    let message = "this should be a number and not a text";
                    let warning = Diagnostic::warning("wrong-type", message).at(Place::Value(route.clone()));
                    self.diagnostics.push(warning.help(format!("write it without quotes: `{number}`")));
                    number.into()
                }
                Err(_) => {
                    self.wrong(route, format!("`{text}` is no number"));
                    expected
                }
            },
            (Is::Digits, Value::Number(_)) => {
                // Go reads it as an octal number, which no mode is ever equal to.
                let text = self.source.text_of(route).unwrap_or_default().to_owned();
                if text.starts_with('0') && text.len() > 1 {
                    let wrong = Diagnostic::error("wrong-type", "a mode is a text, and this is a number");
                    let wrong = wrong.at(Place::Value(route.clone()));
                    self.diagnostics.push(wrong.help(format!("put it in quotes: `\"{text}\"`")));
                }
                expected
            }
            _ => expected,
        }
    }

    /// Says what is wrong with a matcher, where it stands.
    fn check(&mut self, resource: &Resource, is: Is, expected: &Value, route: &Route) {
        let as_reader = resource.settings.get("as-reader") == Some(&Value::Bool(true));
        let is_reader = is == Is::Reader || resource.kind == Kind::Matching && as_reader;
        let compiled = match expected {
            // An attribute that is missing fails when it is tested.
            Value::Null => return,
            Value::Array(_) if is_reader => Matcher::patterns(expected),
            _ => Matcher::compile(expected),
        };
        let Err(Syntax { message, path, unknown }) = compiled else { return };
        let place = path.into_iter().fold(route.clone(), |route, segment| match segment {
            Segment::Key(key) => self.changes.route(&route, &key),
            Segment::Index(index) => route.index(index),
        });
        let diagnostic = match unknown {
            Some(name) => Diagnostic::error("unknown-key", format!("there is no matcher `{name}`"))
                .at(Place::Key(place))
                .nearest(&name, "matchers", matcher::NAMES.iter().copied()),
            None => {
                let message = message.trim_start_matches("Syntax Error: ").replace('\n', " ");
                Diagnostic::error("wrong-type", message).at(Place::Value(place))
            }
        };
        self.diagnostics.push(diagnostic);
    }

    fn setting(&mut self, setting: Setting, value: &Yaml, route: &Route) -> Option<Value> {
        if value.is_null() {
            return None;
        }
        let json = json(value);
        let what = match (setting, &json) {
            (Setting::Any, _)
            | (Setting::Whole | Setting::Delay, Value::Number(_))
            | (Setting::Delay, Value::String(_)) => return Some(json),
            (Setting::Switch, _) => return Some(self.switch(value, route).into()),
            (Setting::Text, _) => return self.text(value, route).map(Value::from),
            (Setting::Texts, Value::Array(_)) => {
                let items = value.as_sequence().into_iter().flatten().enumerate();
                let texts = items.map(|(index, item)| {
                    // A line of digits is a text too.
                    let written = self.written(item, &route.index(index));
                    if item.is_sequence() || item.is_mapping() { None } else { written.map(Value::from) }
                });
                match texts.collect::<Option<Vec<_>>>() {
                    Some(texts) => return Some(texts.into()),
                    None => "a list of texts",
                }
            }
            (Setting::Whole, _) => "a number of milliseconds or attempts",
            (Setting::Delay, _) => "a number of milliseconds, or a duration such as `2s`",
            (Setting::Texts, _) => "a list of texts",
        };
        self.wrong(route, format!("this is {what}"));
        None
    }

    /// A text, which YAML may have taken for something else: `exec: true` runs `true`.
    fn text(&mut self, value: &Yaml, route: &Route) -> Option<String> {
        match value {
            Yaml::Null => None,
            Yaml::String(text) => Some(text.clone()),
            Yaml::Bool(_) | Yaml::Number(_) => self.written(value, route),
            _ => {
                self.wrong(route, "this is a text".to_owned());
                None
            }
        }
    }

    /// A value as it is written, if no expression gave it.
    fn written(&self, value: &Yaml, route: &Route) -> Option<String> {
        let text = self.source.text_of(route).filter(|_| !self.changes.has(route));
        text.map(str::to_owned).or_else(|| scalar(value))
    }

    fn switch(&mut self, value: &Yaml, route: &Route) -> bool {
        match value {
            Yaml::Bool(value) => *value,
            Yaml::Null => false,
            _ => {
                self.wrong(route, "this is `true` or `false`".to_owned());
                false
            }
        }
    }

    fn unknown(&mut self, what: &str, key: &str, route: &Route, known: impl Iterator<Item = &'static str>) {
        let unknown = Diagnostic::error("unknown-key", format!("{what} has no attribute `{key}`"));
        self.diagnostics.push(unknown.at(Place::Key(route.clone())).nearest(key, "attributes", known));
    }

    /// goss tells this when it runs; here it is known before an image is built for an hour.
    fn missing(&mut self, fields: &Type, resource: &Resource, key: &str, route: &Route) {
        if resource.skip {
            return;
        }
        let message = format!("the {} `{}` has no `{key}`, without which it always fails", fields.key, resource.id);
        let value = match key {
            "status" => "200",
            "exit-status" => "0",
            "value" | "matches" => "…",
            _ => "true",
        };
        let warning = Diagnostic::warning("missing-key", message).at(Place::Key(route.clone()));
        self.diagnostics.push(warning.help(format!("add `{key}: {value}`")));
    }

    fn wrong(&mut self, route: &Route, message: String) {
        self.diagnostics.push(Diagnostic::error("wrong-type", message).at(Place::Value(route.clone())));
    }

    fn place(&self, place: &Place) -> event::Place {
        let position = self.source.position(self.source.range(place).start);
        event::Place {
            file: self.source.name().into(),
            line: position.line,
            column: Some(position.column),
            exact: true,
        }
    }
}

fn is_required(is: Is) -> bool {
    matches!(is, Is::Required | Is::RequiredNumber)
}

/// Whether an attribute expects anything (goss's `isSet`).
fn is_set(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        value => !value.is_null(),
    }
}

/// A key or value that is no collection, as text: ports are numbers in YAML.
pub(super) fn scalar(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A value as Go's YAML would hold it.
#[must_use]
pub fn json(value: &Yaml) -> Value {
    match value {
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(mapping) => mapping.iter().filter_map(|(key, value)| Some((scalar(key)?, json(value)))).collect(),
        Yaml::Tagged(tagged) => json(&tagged.value),
        Yaml::Number(number) => json_number(number),
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => (*value).into(),
        Yaml::String(text) => text.as_str().into(),
    }
}

/// A whole number is one, however our reader of definitions holds it.
fn json_number(number: &serde_yaml::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return whole.into();
    }
    match number.as_f64() {
        // The largest float below which each whole number is exact.
        Some(float) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => (float as i64).into(),
        Some(float) => float.into(),
        None => number.as_u64().map_or(Value::Null, Value::from),
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'i']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}
