//! What decoding every part of the language needs: nodes with routes, tables of known keys, and a place for mistakes.

use std::ops::Range;

use serde_yaml::Value as Yaml;

use super::foreign;
use super::given::GivenFile;
use super::hint;
use super::language::{self, Mapping};
use super::model::{Field, List, Problem, Read, Setting, TextField};
use super::scalar::describe;
use super::schema;
use crate::diagnostic::{self, Diagnostic, Label};
use crate::expression::template::{self, Part};
use crate::expression::{Expr, SyntaxError, Template, Value};
use crate::source::{FileId, Place, Route, Sources};

/// The most entries of a list or a mapping of the user's own keys: far more than anyone writes, and few enough that all
/// of them can be compared with each other.
const MOST_ENTRIES: usize = 1000;

/// A value of the file, and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Yaml,
    pub(super) route: Route,
}

/// Where an expression stands, which decides what it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// `strategy` and `version`: before there are jobs.
    Strategy,
    /// A setting of a platform.
    Platform,
    /// A value of the definition's `env`.
    JobEnv,
    /// A value of a step's `env`.
    StepEnv,
    /// A value of `with`.
    With,
    /// A value of a step file's `outputs`.
    StepFileOutput,
    /// A text that is run in the guest.
    Script,
    /// A text that is run on this machine.
    Local,
    /// `if:`
    Condition,
    /// Any other text of a step, of `defaults` or of `outputs`.
    Plain,
}

/// An expression that was met, to be checked when the whole file is known.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) route: Route,
    pub(super) site: Site,
    /// The step that it belongs to.
    pub(super) step: Option<usize>,
    pub(super) expr: Expr,
    /// Where the expression's own text begins in the value.
    pub(super) offset: usize,
}

/// Collects mistakes and expressions while a file is decoded.
#[derive(Debug)]
pub(super) struct Decoder<'s> {
    /// The definition, and the files that it names and that could be read.
    pub(super) sources: &'s Sources,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) uses: Vec<Use>,
    /// The step that is being decoded.
    pub(super) step: Option<usize>,
    /// What the command line gives of the matrix.
    pub(super) given: GivenFile,
    /// Files that something is already known to be wrong with.
    pub(super) broken: Vec<FileId>,
    /// Those of them that are no YAML document.
    pub(super) unparsed: Vec<FileId>,
}

/// The keys that a mapping may have.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// What the mapping is, for messages: `a step`.
    pub(super) of: &'static str,
    pub(super) known: Vec<String>,
    /// Keys that a later version of Ovenbird will have.
    pub(super) later: &'static [&'static str],
}

impl Keys {
    /// The keys of a mapping of the language. Decoding keeps them in a `static`, because finding them takes a while.
    pub(super) fn of<T: Mapping>() -> Self {
        Self { of: T::WHAT, known: schema::keys::<T>(), later: T::LATER }
    }

    fn knows(&self, key: &str) -> bool {
        self.known.iter().any(|known| known == key)
    }
}

/// A mapping whose keys are all known.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) route: Route,
    entries: Vec<(&'a str, &'a Yaml)>,
}

impl<'a> Table<'a> {
    /// The value of a key; an empty one counts as not there.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.find(key).filter(|node| !node.value.is_null())
    }

    /// Whether an unknown key was probably meant as this one: a slip, or another tool's word. It was reported already,
    /// with the key that was meant.
    pub(super) fn means(&self, key: &str, keys: &Keys) -> bool {
        let is_slip = |name: &str| {
            diagnostic::nearest(name, [key]).or_else(|| diagnostic::nearest(key, [name])).is_some()
                || foreign::find(keys.of, name).is_some_and(|word| word.meant == Some(key))
        };
        self.entries.iter().any(|(name, _)| !keys.knows(name) && is_slip(name))
    }

    /// The value of a key, even an empty one.
    pub(super) fn find(&self, key: &str) -> Option<Node<'a>> {
        let (_, value) = self.entries.iter().find(|(name, _)| *name == key)?;
        Some(Node { value, route: self.route.key(key) })
    }
}

impl<'a> Node<'a> {
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "a boolean",
            Yaml::Number(_) => "a number",
            Yaml::String(_) => "a text",
            Yaml::Sequence(_) => "a list",
            Yaml::Mapping(_) => "a mapping",
            Yaml::Tagged(_) => "a value with a YAML tag",
        }
    }

    /// The text, if it holds an expression.
    pub(super) fn expression_text(&self) -> Option<&'a str> {
        self.value.as_str().filter(|text| text.contains("${{"))
    }
}

/// Turns a problem with a value into a diagnostic at it.
pub(crate) fn bad_value(problem: Problem, route: &Route) -> Diagnostic {
    let diagnostic = Diagnostic::error("bad-value", problem.message).at(Place::Value(route.clone()));
    match problem.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

impl<'s> Decoder<'s> {
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self {
            sources,
            diagnostics: Vec::new(),
            uses: Vec::new(),
            step: None,
            given: GivenFile::default(),
            broken: Vec::new(),
            unparsed: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn problem(&mut self, problem: Problem, route: &Route) {
        self.push(bad_value(problem, route));
    }

    /// The entries of a mapping with keys of the user's own.
    pub(super) fn entries<'a>(&mut self, node: &Node<'a>, what: &str) -> Option<Vec<(&'a str, Node<'a>)>> {
        let mut entries = self.pairs(node, what)?;
        self.at_most(&mut entries, node, what);
        Some(entries)
    }

    /// Leaves out what is beyond [`MOST_ENTRIES`], which is an error.
    fn at_most<T>(&mut self, entries: &mut Vec<T>, node: &Node<'_>, what: &str) {
        let count = entries.len();
        if count > MOST_ENTRIES {
            let message = format!("{what} has {count} entries, and {MOST_ENTRIES} is the most");
            self.push(Diagnostic::error(diagnostic::TOO_MANY, message).at(Place::Key(node.route.clone())));
            entries.truncate(MOST_ENTRIES);
        }
    }

    /// The entries of any mapping.
    fn pairs<'a>(&mut self, node: &Node<'a>, what: &str) -> Option<Vec<(&'a str, Node<'a>)>> {
        let Yaml::Mapping(mapping) = node.value else {
            let diagnostic = wrong_type(&format!("{what}, a mapping"), node);
            self.push(diagnostic.help("write it as lines of `name: value`, without a `-` before them"));
            return None;
        };
        let mut entries = Vec::new();
        for (key, value) in mapping {
            match key.as_str() {
                Some(key) => entries.push((key, Node { value, route: node.route.key(key) })),
                None => {
                    let key = serde_yaml::to_string(key).unwrap_or_default();
                    let message = format!("the key `{}` is not a text", key.trim_end());
                    let place = Place::Key(node.route.key(key.trim_end()));
                    self.push(Diagnostic::error("wrong-type", message).at(place).help("put it in quotes"));
                }
            }
        }
        Some(entries)
    }

    /// A mapping with keys of the language. Unknown ones are reported, and the others decoded all the same.
    pub(super) fn table<'a>(&mut self, node: &Node<'a>, keys: &Keys) -> Option<Table<'a>> {
        if !node.value.is_mapping() {
            self.push(no_table(node, keys));
            return None;
        }
        let entries = self.pairs(node, keys.of)?;
        for (key, node) in &entries {
            if !keys.knows(key) {
                self.unknown_key(key, node, keys);
            }
        }
        let entries = entries.into_iter().map(|(key, node)| (key, node.value)).collect();
        Some(Table { route: node.route.clone(), entries })
    }

    fn unknown_key(&mut self, key: &str, node: &Node<'_>, keys: &Keys) {
        let place = Place::Key(node.route.clone());
        self.push(if keys.later.contains(&key) {
            Diagnostic::error("not-yet", format!("this version of Ovenbird does not have `{key}` yet")).at(place)
        } else {
            let diagnostic = Diagnostic::error("unknown-key", format!("{} has no key `{key}`", keys.of)).at(place);
            match foreign::find(keys.of, key) {
                Some(word) => diagnostic.help(word.help),
                None => diagnostic.nearest(key, "known keys", keys.known.iter().map(String::as_str)),
            }
        });
    }

    /// A key that must be there.
    pub(super) fn require<'a>(&mut self, table: &Table<'a>, key: &str, keys: &Keys) -> Option<Node<'a>> {
        let node = table.get(key);
        if node.is_none() && !table.means(key, keys) {
            let message = format!("{} needs the key `{key}`", keys.of);
            let diagnostic = Diagnostic::error("missing-key", message).at(Place::Value(table.route.clone()));
            self.push(match language::EXAMPLES.iter().find(|(of, name, _)| *of == keys.of && *name == key) {
                Some((.., example)) => diagnostic.help(format!("such as `{example}`")),
                None => diagnostic,
            });
        }
        node
    }

    /// The items of a list.
    pub(super) fn items<'a>(&mut self, list: &Node<'a>, what: &str) -> Option<Vec<Node<'a>>> {
        let Yaml::Sequence(items) = list.value else {
            let diagnostic = wrong_type(&format!("{what}, a list"), list);
            self.push(diagnostic.help("begin every item with `- `, a dash and a space, or write `[ ]` around them"));
            return None;
        };
        let node = |(index, value)| Node { value, route: list.route.index(index) };
        let mut nodes = items.iter().enumerate().map(node).collect();
        self.at_most(&mut nodes, list, what);
        Some(nodes)
    }

    /// A scalar or a collection as a value of the expression language.
    pub(super) fn value(&mut self, node: &Node<'_>) -> Option<Value> {
        match to_json(node.value) {
            Some(json) => Some(Value::from(json)),
            None => {
                let problem = match node.value {
                    Yaml::Tagged(_) => Problem::new("YAML tags have no meaning here")
                        .help("a value that begins with `!` is a tag in YAML: put it in quotes if it is meant as text"),
                    Yaml::Number(_) => Problem::new("this number is not finite"),
                    _ => Problem::new("something inside has a YAML tag, or a key that is not a text"),
                };
                self.problem(problem, &node.route);
                None
            }
        }
    }

    /// A typed value without expressions.
    pub(super) fn literal<T>(&mut self, node: &Node<'_>, read: Read<T>) -> Option<T> {
        if node.expression_text().is_some() {
            let message = "an expression can't stand here: this must be known before anything is evaluated";
            let diagnostic = Diagnostic::error("expression", message).at(Place::Value(node.route.clone()));
            self.push(diagnostic.help("write the value itself"));
            return None;
        }
        let value = self.value(node)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(problem, &node.route);
                None
            }
        }
    }

    /// A typed value, or a template that will give one.
    pub(super) fn field<T>(&mut self, node: &Node<'_>, site: Site, read: Read<T>) -> Option<Field<T>> {
        let route = node.route.clone();
        let setting = match node.expression_text() {
            Some(text) => Setting::Template { template: self.template(text, &route, site)?, read },
            None => Setting::Known(self.literal(node, read)?),
        };
        Some(Field { route, setting })
    }

    /// [`Decoder::field`] of a key that must be there, and whose absence does not keep the rest from being looked at.
    pub(super) fn required<T>(&mut self, node: Option<Node<'_>>, place: &Route, site: Site, read: Read<T>) -> Field<T> {
        let field = node.and_then(|node| self.field(&node, site, read));
        field.unwrap_or_else(|| Field { route: place.clone(), setting: Setting::Unread })
    }

    /// [`Decoder::field`] of a key that may be absent.
    pub(super) fn optional<T>(&mut self, table: &Table<'_>, key: &str, site: Site, read: Read<T>) -> Option<Field<T>> {
        let node = table.get(key)?;
        self.field(&node, site, read)
    }

    /// A list of texts, item by item or from one expression.
    pub(super) fn list(
        &mut self,
        node: &Node<'_>,
        what: &str,
        site: Site,
        item: Read<String>,
        whole: Read<Vec<String>>,
    ) -> Option<List> {
        if node.value.is_string() && node.expression_text().is_some() {
            return self.field(node, site, whole).map(List::Whole);
        }
        let items = self.items(node, what)?;
        Some(List::Items(items.iter().filter_map(|node| self.field(node, site, item)).collect()))
    }

    /// A text that may name sensitive variables. Numbers and booleans are taken as text, nothing as an empty one.
    pub(super) fn text(&mut self, node: &Node<'_>, site: Site) -> Option<TextField> {
        let route = node.route.clone();
        let template = match self.value(node)? {
            Value::String(text) => self.template(&text, &route, site)?,
            value @ (Value::Array(_) | Value::Object(_)) => {
                self.problem(Problem::new(format!("expected a text, found {}", describe(&value))), &route);
                return None;
            }
            value => Template { parts: vec![Part::Literal(value.to_string())] },
        };
        Some(TextField { route, template })
    }

    /// Parses a text with `${{ }}` in it, and notes its expressions for the check.
    pub(super) fn template(&mut self, text: &str, route: &Route, site: Site) -> Option<Template> {
        let template = match template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                self.push(syntax_error(&error, route, 0));
                return None;
            }
        };
        for part in &template.parts {
            if let Part::Expression { expr, .. } = part {
                self.note(expr, route, site, 0);
            }
        }
        Some(template)
    }

    /// Notes an expression for the check.
    pub(super) fn note(&mut self, expr: &Expr, route: &Route, site: Site, offset: usize) {
        self.uses.push(Use { route: route.clone(), site, step: self.step, expr: expr.clone(), offset });
    }
}

fn wrong_type(expected: &str, node: &Node<'_>) -> Diagnostic {
    let message = format!("expected {expected}, found {}", node.kind());
    Diagnostic::error("wrong-type", message).at(Place::Value(node.route.clone()))
}

/// A value that should be a mapping with keys of the language.
fn no_table(node: &Node<'_>, keys: &Keys) -> Diagnostic {
    let diagnostic = wrong_type(&format!("{}, a mapping", keys.of), node);
    let list: Vec<String> = keys.known.iter().map(|key| format!("`{key}`")).collect();
    if list.is_empty() { diagnostic } else { diagnostic.help(format!("its keys: {}", list.join(", "))) }
}

/// An expression that can't be parsed, pointed at inside its value.
pub(super) fn syntax_error(error: &SyntaxError, route: &Route, offset: usize) -> Diagnostic {
    let place = Place::Inside(route.clone(), shift(&error.span, offset));
    let message = format!("not a valid expression: {}", error.message);
    let diagnostic = Diagnostic::error("expression", message).label(Label::new(place));
    match hint::hint(error) {
        Some(hint) => diagnostic.help(hint),
        None => diagnostic,
    }
}

/// A span in a value's text, from one in an expression that begins at `offset` of it.
pub(super) fn shift(span: &Range<usize>, offset: usize) -> Range<usize> {
    span.start + offset..span.end + offset
}

/// YAML as JSON; none for tags and for keys that are no text.
fn to_json(value: &Yaml) -> Option<serde_json::Value> {
    Some(match value {
        Yaml::Null => serde_json::Value::Null,
        Yaml::Bool(value) => (*value).into(),
        Yaml::Number(number) => number
            .as_i64()
            .map(Into::into)
            .or_else(|| number.as_u64().map(Into::into))
            // `.inf` and `.nan` are numbers in YAML only.
            .or_else(|| number.as_f64().and_then(serde_json::Number::from_f64).map(serde_json::Value::Number))?,
        Yaml::String(text) => text.as_str().into(),
        Yaml::Sequence(items) => items.iter().map(to_json).collect::<Option<Vec<_>>>()?.into(),
        Yaml::Mapping(mapping) => {
            let pairs = mapping.iter().map(|(key, value)| Some((key.as_str()?.to_owned(), to_json(value)?)));
            serde_json::Value::Object(pairs.collect::<Option<serde_json::Map<_, _>>>()?)
        }
        Yaml::Tagged(_) => return None,
    })
}
