//! `uses:` and the step files that it names: lists of steps kept in a file, as composite actions.
//!
//! A file is decoded once, however often it is used, so a mistake in it is reported once; what its steps find around them
//! ([`Surroundings`]) is what all of its uses together give it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use camino::Utf8PathBuf;

use super::decode::{Decoder, Keys, Node, Site};
use super::files::normal;
use super::language;
use super::model::{Action, Definition, EnvVar, Input, Problem, Step, StepFile, TextField, With};
use super::{check, context, scalar, step, variable};
use crate::diagnostic::{self, Diagnostic, Label};
use crate::expression::{Expr, Segment, Value};
use crate::source::{FileId, Place, Route};

static FILE: LazyLock<Keys> = LazyLock::new(Keys::of::<language::StepFile>);
static INPUT: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Input>);
static OUTPUT: LazyLock<Keys> = LazyLock::new(Keys::of::<language::StepFileOutput>);

/// How deep files may use files, as in Actions.
const DEEPEST: usize = 10;
/// The most steps that a job may have, those of step files counted each time: far more than anyone writes, and few enough
/// that files that use files can't fill the memory.
const MOST_STEPS: usize = 1000;

/// The path of a step file as `uses` has it: relative to the definition's folder, without `.` and `..`.
pub(super) fn path(text: &str) -> Result<Utf8PathBuf, Problem> {
    if text.contains("${{") {
        return Err(Problem::new("the file must be known before anything is evaluated"));
    }
    if !text.starts_with("./") {
        let problem = Problem::new(format!("`{text}` is no step file of this repository"));
        return Err(problem.help(instead(text)));
    }
    let path = normal(text).ok_or_else(|| {
        Problem::new(format!("`{text}` leads out of the folder of the definition")).help("keep step files inside it")
    })?;
    if !matches!(path.extension(), Some("yml" | "yaml")) {
        let message = format!("the name of a step file ends with `.yml` or `.yaml`, and `{text}` does not");
        let file = match path.extension() {
            Some(_) => path.with_extension("yml"),
            None => path.join("monitoring.yml"),
        };
        return Err(Problem::new(message).help(format!("name a file with steps, such as `uses: ./{file}`")));
    }
    Ok(path)
}

/// What to write for a `uses` that names no file of the repository.
fn instead(text: &str) -> String {
    let is_action = text.contains('@') || text.contains("://");
    match text.split('@').next() {
        Some("actions/checkout") => {
            "the files of the repository are there: copy them into the guest with `upload: PATH` and `to: PATH`"
                .to_owned()
        }
        _ if is_action => {
            "actions run on CI machines, not in an image: leave it in the workflow, before `ovenbird build`, \
                           or write a `run` step"
                .to_owned()
        }
        _ => format!("did you mean `./{text}`? a step file is named by its path from the folder of the definition"),
    }
}

/// The file that a `uses` names; none also where it could not be read, which was reported.
pub(super) fn named_file(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<FileId> {
    let path = decoder.literal(node, |value| path(&scalar::line(value)?))?;
    decoder.sources.find(path.as_str())
}

/// The values of `with`.
pub(super) fn with(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<With> {
    let entries = decoder.entries(node, "`with`").unwrap_or_default();
    let with = |(name, node): (&str, Node<'_>)| {
        let value = decoder.text(&node, Site::With)?;
        Some(With { name: name.to_owned(), route: node.route, value })
    };
    entries.into_iter().filter_map(with).collect()
}

/// Files that could not be parsed.
pub(super) fn unparsed(diagnostics: &[Diagnostic]) -> Vec<FileId> {
    let parsing = diagnostics.iter().filter(|one| one.rule != "missing-file");
    parsing.filter_map(|one| Some(one.labels.first()?.place.file())).collect()
}

/// Decodes every file that steps use, and that these use in turn.
pub(super) fn files(decoder: &mut Decoder<'_>, steps: &[Step]) -> Vec<StepFile> {
    let mut files: Vec<StepFile> = Vec::new();
    let mut wanted = used_by(steps);
    while !wanted.is_empty() {
        let mut next = Vec::new();
        for (id, used) in wanted {
            if files.iter().all(|file| file.id != id) {
                let file = file(decoder, id, used);
                next.extend(used_by(&file.steps));
                files.push(file);
            }
        }
        wanted = next;
    }
    files
}

/// The files that steps use, and where.
fn used_by(steps: &[Step]) -> Vec<(FileId, Route)> {
    let used = |step: &Step| match step.action {
        Action::Uses { file, .. } => Some((file, step.route.key("uses"))),
        _ => None,
    };
    steps.iter().filter_map(used).collect()
}

fn file(decoder: &mut Decoder<'_>, id: FileId, used: Route) -> StepFile {
    let sources = decoder.sources;
    let mut file =
        StepFile { id, used, readable: false, name: None, inputs: Vec::new(), steps: Vec::new(), outputs: Vec::new() };
    let node = Node { value: sources.get(id).value(), route: Route::of(id) };
    if decoder.unparsed.contains(&id) {
        return file;
    }
    if node.value.is_null() {
        let place = Place::Bytes(id, 0..0);
        let message = "the file is empty: it has to have `steps`";
        let help = "begin with `steps:`, and below it an item for each step";
        decoder.push(Diagnostic::error("empty", message).at(place).help(help));
        return file;
    }
    let Some(table) = decoder.table(&node, &FILE) else { return file };
    file.readable = true;
    for (key, into) in [("name", Some(&mut file.name)), ("description", None)] {
        let text = table.get(key).and_then(|node| decoder.literal(&node, scalar::text));
        if let Some(into) = into {
            *into = text;
        }
    }
    file.inputs = table.get("inputs").map(|node| inputs(decoder, &node)).unwrap_or_default();
    file.steps = decoder.require(&table, "steps", &FILE).map(|node| step::steps(decoder, &node)).unwrap_or_default();
    file.outputs = table.get("outputs").map(|node| outputs(decoder, &node)).unwrap_or_default();
    file
}

fn inputs(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for (name, node) in decoder.entries(node, "`inputs`").unwrap_or_default() {
        let place = Place::Key(node.route.clone());
        if !variable::is_name(name) {
            let diagnostic = Diagnostic::error("bad-name", format!("`{name}` is no name of an input")).at(place);
            let help = "a name begins with a letter or `_`, and has letters, digits, `_` and `-` only";
            decoder.push(diagnostic.help(help));
        } else if let Some(first) = inputs.iter().find(|input| check::same(&input.name, name)) {
            let label = Label::new(Place::Key(first.route.clone())).text("first here");
            let message = format!("two inputs have the name `{name}`");
            decoder.push(Diagnostic::error("conflict", message).at(place).label(label));
        }
        let (mut required, mut default) = (false, None);
        if let Some(table) = (!node.value.is_null()).then(|| decoder.table(&node, &INPUT)).flatten() {
            required = table.get("required").and_then(|node| decoder.literal(&node, scalar::boolean)).unwrap_or(false);
            default = table.get("default").and_then(|node| decoder.literal(&node, default_text));
            if let Some(node) = table.get("description") {
                decoder.literal(&node, scalar::text);
            }
        }
        inputs.push(Input { name: name.to_owned(), route: node.route, required, default });
    }
    inputs
}

/// Every input is a text, as in a composite action; unlike a text of the language it may be empty.
fn default_text(value: &Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        value => scalar::text(value),
    }
}

fn outputs(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<EnvVar> {
    let mut outputs = Vec::new();
    for (name, node) in decoder.entries(node, "`outputs`").unwrap_or_default() {
        let Some(table) = decoder.table(&node, &OUTPUT) else { continue };
        if let Some(node) = table.get("description") {
            decoder.literal(&node, scalar::text);
        }
        let value = decoder.require(&table, "value", &OUTPUT);
        if let Some(value) = value.and_then(|node| decoder.text(&node, Site::StepFileOutput)) {
            outputs.push(EnvVar { name: name.to_owned(), value });
        }
    }
    outputs
}

/// Where the step file is used, beside the place of a mistake in it.
pub(crate) fn name_both_files(diagnostic: Diagnostic, definition: &Definition) -> Diagnostic {
    let first = diagnostic.labels.first().map(|label| label.place.file());
    let Some(file) = first.and_then(|id| definition.file(id)) else { return diagnostic };
    let place = Place::Value(file.used.clone());
    if diagnostic.labels.iter().any(|label| label.place.file() == place.file()) {
        return diagnostic;
    }
    diagnostic.label(Label::new(place).text("used here"))
}

/// Checks how steps use files, and says whether all of them together have an end that is not too far.
#[must_use]
pub(super) fn check(decoder: &mut Decoder<'_>, definition: &Definition) -> bool {
    let around = surroundings(definition);
    let lists = std::iter::once(FileId::default()).chain(definition.files.iter().map(|file| file.id));
    for id in lists {
        for step in definition.steps_of(id) {
            let Action::Uses { file, with } = &step.action else { continue };
            if let Some(file) = definition.file(*file).filter(|file| file.readable) {
                check_with(decoder, step, file, with);
            }
            let around = around.get(&id).cloned().unwrap_or_default().of_step(&step.env, definition);
            decoder.diagnostics.extend(with.iter().filter_map(|one| mixed(one, definition, &around)));
        }
    }
    let mut nesting = Nesting { definition, chain: Vec::new(), heights: BTreeMap::new() };
    nesting.descend(decoder, &definition.steps).is_some()
        && count(decoder, definition, &definition.steps, &mut BTreeMap::new()) <= MOST_STEPS
}

fn check_with(decoder: &mut Decoder<'_>, step: &Step, file: &StepFile, with: &[With]) {
    let shown = decoder.sources.get(file.id).name().to_owned();
    for one in with {
        if file.inputs.iter().all(|input| !check::same(&input.name, &one.name)) {
            let message = format!("`{shown}` has no input `{}`", one.name);
            let diagnostic = Diagnostic::error("unknown-name", message).at(Place::Key(one.route.clone()));
            let names = file.inputs.iter().map(|input| input.name.as_str());
            let diagnostic = diagnostic.nearest(&one.name, "its inputs", names);
            decoder.push(match file.inputs.first() {
                Some(_) => {
                    let inputs = Place::Key(Route::of(file.id).key("inputs"));
                    diagnostic.label(Label::new(inputs).text("declared here"))
                }
                None => diagnostic.help("declare it in the file, under `inputs`"),
            });
        }
    }
    for input in &file.inputs {
        let given = with.iter().any(|one| check::same(&input.name, &one.name));
        // A slip in the name was reported already, with the name that was meant.
        let is_known = |name: &str| file.inputs.iter().any(|input| check::same(&input.name, name));
        let unknown = with.iter().map(|one| one.name.as_str()).filter(|name| !is_known(name));
        let slipped = diagnostic::nearest(&input.name, unknown).is_some();
        if input.required && input.default.is_none() && !given && !slipped {
            let message = format!("`{shown}` needs the input `{}`", input.name);
            let label = Label::new(Place::Key(input.route.clone())).text("required here");
            let diagnostic = Diagnostic::error("missing-key", message).at(Place::Value(step.route.key("uses")));
            decoder.push(diagnostic.label(label).help(format!("add `with: {{ {}: … }}` to the step", input.name)));
        }
    }
}

/// An input is evaluated when the file is entered, where a sensitive value must stay a name.
fn mixed(one: &With, definition: &Definition, around: &Surroundings) -> Option<Diagnostic> {
    let name = around.name("", &one.value, definition);
    (name.sensitive && name.late).then(|| {
        let message = "an input can't hold both a sensitive value and one that is known only while the job runs";
        let place = Place::Value(one.value.route.clone());
        Diagnostic::error("sensitive", message).at(place).help("pass them as two inputs")
    })
}

/// The way through files that use each other.
struct Nesting<'a> {
    definition: &'a Definition,
    /// How the steps in hand came to be used: each file, and the step that uses it.
    chain: Vec<(FileId, &'a Step)>,
    /// How deep the files go that were seen already. Each is entered once, or few files would take forever.
    heights: BTreeMap<FileId, usize>,
}

impl<'a> Nesting<'a> {
    /// Follows every use: how deep the steps go; none where that was reported as too deep or without end.
    fn descend(&mut self, decoder: &mut Decoder<'_>, steps: &'a [Step]) -> Option<usize> {
        let mut deepest = 0;
        for step in steps {
            let Action::Uses { file, .. } = step.action else { continue };
            if let Some(first) = self.chain.iter().position(|(id, _)| *id == file) {
                let circle = self.chain.get(first..).unwrap_or_default();
                decoder.push(cycle(decoder, circle, file, step));
                return None;
            }
            let known = self.heights.get(&file).copied();
            if self.chain.len() + known.unwrap_or(1) > DEEPEST {
                decoder.push(self.too_deep(step));
                return None;
            }
            let height = match known {
                Some(height) => height,
                None => {
                    self.chain.push((file, step));
                    let inner = self.definition.file(file).map_or(&[][..], |file| &file.steps);
                    let height = self.descend(decoder, inner)? + 1;
                    self.chain.pop();
                    self.heights.insert(file, height);
                    height
                }
            };
            deepest = deepest.max(height);
        }
        Some(deepest)
    }

    fn too_deep(&self, step: &Step) -> Diagnostic {
        let message = format!("step files use each other more than {DEEPEST} deep");
        let diagnostic = Diagnostic::error("conflict", message).at(Place::Value(step.route.key("uses")));
        let diagnostic = match self.chain.first() {
            Some((_, first)) => {
                let label = Label::new(Place::Value(first.route.key("uses")));
                diagnostic.label(label.text("the first of them is used here"))
            }
            None => diagnostic,
        };
        diagnostic.help("use the files beside each other, not inside each other")
    }
}

/// A file that uses itself. `chain`: how it came to be used.
fn cycle(decoder: &Decoder<'_>, chain: &[(FileId, &Step)], file: FileId, step: &Step) -> Diagnostic {
    let name = |id: FileId| format!("`{}`", decoder.sources.get(id).name());
    let names: Vec<String> = chain.iter().map(|(id, _)| name(*id)).chain([name(file)]).collect();
    let message = match chain.len() {
        1 => format!("the step file {} uses itself", name(file)),
        _ => format!("step files use each other in a circle: {}", names.join(" → ")),
    };
    let last = Place::Value(step.route.key("uses"));
    let mut diagnostic = Diagnostic::error("conflict", message).at(last);
    for (id, step) in chain.iter().rev() {
        let label = Label::new(Place::Value(step.route.key("uses"))).text(format!("{} is used here", name(*id)));
        diagnostic = diagnostic.label(label);
    }
    diagnostic.help("the steps would never end: take one of them out")
}

/// How many steps a list comes to; reported where it is too many.
fn count(
    decoder: &mut Decoder<'_>,
    definition: &Definition,
    steps: &[Step],
    counted: &mut BTreeMap<FileId, usize>,
) -> usize {
    let mut total = 0_usize;
    for step in steps {
        let before = total;
        total = total.saturating_add(1);
        if let Action::Uses { file, .. } = step.action {
            let inner = match counted.get(&file) {
                Some(inner) => *inner,
                None => count(decoder, definition, definition.file(file).map_or(&[], |file| &file.steps), counted),
            };
            counted.insert(file, inner);
            total = total.saturating_add(inner);
        }
        // Said once: where the limit is crossed by files that are not too much themselves.
        if total > MOST_STEPS && before <= MOST_STEPS && total - before <= MOST_STEPS {
            let message = format!("this comes to more than {MOST_STEPS} steps, those of step files counted");
            let diagnostic = Diagnostic::error("bad-value", message).at(Place::Key(step.route.clone()));
            decoder.push(diagnostic.help("put what belongs together into one script, which is faster too"));
        }
    }
    total
}

/// What the steps of a file can refer to besides each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    /// The environment that every one of them has.
    pub(super) env: Vec<Name>,
    /// None: not in a step file.
    pub(super) inputs: Option<Vec<Name>>,
}

/// An environment variable or an input.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) name: String,
    /// It may hold a sensitive value, where the file is used in one of the ways that it is.
    pub(super) sensitive: bool,
    /// Likewise, it may hold what is known only while the job runs.
    pub(super) late: bool,
}

/// What the steps of each file find around them. Where a file is used more than once, a name is sensitive, or known only
/// while the job runs, if it is so in one use: what is refused then is refused in all.
pub(super) fn surroundings(definition: &Definition) -> BTreeMap<FileId, Surroundings> {
    let mut all = BTreeMap::new();
    let main = Surroundings::default().of_step(&definition.env, definition);
    all.insert(FileId::default(), main);
    for file in &definition.files {
        let name = |input: &Input| Name { name: input.name.clone(), sensitive: false, late: false };
        let inputs = Some(file.inputs.iter().map(name).collect());
        all.insert(file.id, Surroundings { env: Vec::new(), inputs });
    }
    // Names are only ever added and marked, so this ends, also where files use each other in a circle.
    loop {
        let before = all.clone();
        for (id, around) in &before {
            for step in definition.steps_of(*id) {
                let Action::Uses { file, with } = &step.action else { continue };
                let around = around.clone().of_step(&step.env, definition);
                if let Some(inner) = all.get_mut(file) {
                    inner.take(&around, with, definition);
                }
            }
        }
        if all == before {
            return all;
        }
    }
}

impl Surroundings {
    /// With the step's own environment.
    pub(super) fn of_step(self, own: &[EnvVar], definition: &Definition) -> Self {
        let own: Vec<Name> = own.iter().map(|var| self.name(&var.name, &var.value, definition)).collect();
        let mut with_own = self;
        for name in own {
            // What the step has itself hides what was there.
            with_own.env.retain(|other| other.name != name.name);
            with_own.env.push(name);
        }
        with_own
    }

    /// What is known of a text that gets this name.
    fn name(&self, name: &str, text: &TextField, definition: &Definition) -> Name {
        let sensitive =
            |expr| check::sensitive_alone(expr, definition).is_some() || self.sensitive_input(expr).is_some();
        Name {
            name: name.to_owned(),
            sensitive: text.template.expressions().any(sensitive),
            late: text.template.expressions().any(|expr| self.is_late(expr)),
        }
    }

    /// Whether an expression needs what is known only while the job runs.
    fn is_late(&self, expr: &Expr) -> bool {
        expr.references().iter().any(|reference| {
            let names = match reference.context.to_lowercase().as_str() {
                _ if context::is_late(reference) => return true,
                "env" => &self.env,
                "inputs" => self.inputs.as_ref().unwrap_or(&self.env),
                _ => return false,
            };
            let of = |name: &&Name| match reference.path.first() {
                Some(Segment::Key(key)) => check::same(&name.name, key),
                _ => true,
            };
            names.iter().filter(of).any(|name| name.late)
        })
    }

    /// The sensitive input that an expression is, and nothing else.
    pub(super) fn sensitive_input(&self, expr: &Expr) -> Option<&str> {
        let key = check::alone(expr, "inputs")?;
        let input = self.inputs.iter().flatten().find(|input| check::same(&input.name, key))?;
        input.sensitive.then_some(input.name.as_str())
    }

    /// Adds what one use of the file gives it. `around`: what the step that uses it sees.
    fn take(&mut self, around: &Self, with: &[With], definition: &Definition) {
        for name in &around.env {
            match self.env.iter_mut().find(|other| other.name == name.name) {
                Some(other) => other.mark(name),
                None => self.env.push(name.clone()),
            }
        }
        for one in with {
            let given = around.name(&one.name, &one.value, definition);
            // Both together are refused where they are given.
            let given = Name { late: given.late && !given.sensitive, ..given };
            let mut inputs = self.inputs.iter_mut().flatten();
            if let Some(input) = inputs.find(|input| check::same(&input.name, &one.name)) {
                input.mark(&given);
            }
        }
    }
}

impl Name {
    fn mark(&mut self, other: &Self) {
        self.sensitive |= other.sensitive;
        self.late |= other.late;
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_step_file_is_named_from_the_folder_of_the_definition() {
        let read = |text| path(text).map(|path| path.into_string()).map_err(|problem| problem.message);
        assert_eq!(read("./steps/a.yml").as_deref(), Ok("steps/a.yml"));
        assert_eq!(read("./steps/../a.yaml").as_deref(), Ok("a.yaml"));
        for wrong in ["steps/a.yml", "actions/checkout@v4", "docker://alpine", "/a.yml", "../a.yml"] {
            assert_eq!(read(wrong), Err(format!("`{wrong}` is no step file of this repository")));
        }
        assert_eq!(read("./../a.yml"), Err("`./../a.yml` leads out of the folder of the definition".to_owned()));
        assert!(read("./action").is_err());
    }
}
