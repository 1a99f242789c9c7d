//! What expressions see while one job is planned, and the evaluation of fields in it.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::inputs::{Facts, Inputs};
use super::job::{EnvVar, Named, Part, Text};
use crate::definition::{self, Definition, Field, List, Read, Setting, TextField, Unknown};
use crate::diagnostic::Diagnostic;
use crate::event::JobId;
use crate::expression::{self, Environment, EvalError, Expr, Object, Reference, Segment, Template, Value, template};
use crate::source::{FileId, Place, Route, Sources};

/// The contexts of one job, or of one of its steps. A name that is not set is not known there.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) vars: Object,
    pub(super) facts: Facts,
    pub(super) image: Option<Object>,
    pub(super) matrix: Option<Object>,
    pub(super) strategy: Option<Object>,
    pub(super) job: Option<Object>,
    pub(super) platform: Option<Object>,
    pub(super) env: Option<Object>,
    pub(super) gaps: Gaps,
    /// In a step file: its inputs.
    pub(super) inputs: Option<Given>,
    /// Lowercase names of `env` that only the run can know.
    pub(super) late_env: BTreeSet<String>,
}

/// What of the contexts is not known, because its part of the definition is wrong.
#[derive(Clone, Default)]
pub(super) struct Gaps {
    pub(super) vars: Unknown,
    pub(super) matrix: bool,
    pub(super) strategy: bool,
    pub(super) image: bool,
    pub(super) platform: bool,
    pub(super) env: Unknown,
    /// In a step file: of its inputs.
    pub(super) inputs: Unknown,
}

impl Gaps {
    /// Whether there are any.
    fn any(&self) -> bool {
        let Self { vars, matrix, strategy, image, platform, env, inputs } = self;
        *matrix || *strategy || *image || *platform || [vars, env, inputs].iter().any(|names| **names != Unknown::None)
    }
}

/// The inputs of a step file where it is used.
#[derive(Clone, Default)]
pub(super) struct Given(Vec<Named>);

impl Given {
    fn find(&self, name: &str) -> Option<&Text> {
        let same = |input: &&Named| input.name.to_lowercase() == name.to_lowercase();
        self.0.iter().find(same).map(|input| &input.value)
    }

    /// What `inputs` holds for an expression.
    fn object(&self) -> Object {
        self.0.iter().map(|input| (input.name.clone(), readable(&input.value))).collect()
    }
}

/// A value as an expression may read it: `validate` refuses to read a sensitive one, and this keeps it so.
fn readable(text: &Text) -> Value {
    match text.secrets().next() {
        Some(_) => Value::Null,
        None => Value::String(text.to_string()),
    }
}

impl Scope {
    /// Whether everything is known that an expression reads.
    fn knows(&self, expr: &Expr) -> bool {
        let is_unknown = |reference: &Reference| {
            let key = match reference.path.first() {
                Some(Segment::Key(key)) => Some(key.as_str()),
                _ => None,
            };
            match reference.context.to_lowercase().as_str() {
                "vars" => self.gaps.vars.has(key),
                // A job is called by its cell.
                "matrix" | "job" => self.gaps.matrix,
                "strategy" => self.gaps.strategy,
                "image" => self.gaps.image,
                "platform" => self.gaps.platform,
                "env" => self.gaps.env.has(key),
                "inputs" => self.gaps.inputs.has(key),
                _ => false,
            }
        };
        !self.gaps.any() || !expr.references().iter().any(is_unknown)
    }

    /// What is known before there are jobs.
    pub(super) fn new(inputs: &Inputs) -> Self {
        let vars = inputs.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let gaps = Gaps { vars: inputs.unknown.clone(), ..Gaps::default() };
        Self { vars, facts: inputs.facts.clone(), gaps, ..Self::default() }
    }

    /// The same, with more environment variables, of which some may be unknown.
    pub(super) fn with_env(&self, (env, unknown): &(Vec<EnvVar>, Unknown)) -> Self {
        if env.is_empty() && *unknown == Unknown::None && self.env.is_some() {
            return self.clone();
        }
        let mut gaps = self.gaps.clone();
        gaps.env.extend(unknown);
        let mut object = self.env.clone().unwrap_or_default();
        let mut late_env = self.late_env.clone();
        for var in env {
            object.insert(&var.name, readable(&var.value));
            match var.value.is_late() {
                true => late_env.insert(var.name.to_lowercase()),
                false => late_env.remove(&var.name.to_lowercase()),
            };
        }
        Self { env: Some(object), late_env, gaps, ..self.clone() }
    }

    /// The same inside a step file.
    pub(super) fn with_inputs(&self, (inputs, unknown): &(Vec<Named>, Unknown)) -> Self {
        let gaps = Gaps { inputs: unknown.clone(), ..self.gaps.clone() };
        Self { inputs: Some(Given(inputs.clone())), gaps, ..self.clone() }
    }

    /// Whether an expression may need what only the run can know.
    pub(super) fn may_be_late(&self, expr: &Expr) -> bool {
        expr.reads(&|context| match context.to_ascii_lowercase().as_str() {
            "steps" | "job" | "runner" => true,
            "env" => !self.late_env.is_empty(),
            "inputs" => self.inputs.is_some(),
            _ => false,
        })
    }

    /// What of it an expression may be folded with. A context in which the expression needs something that only the run
    /// can know is left to the run as a whole.
    pub(super) fn before_the_run(&self, expr: &Expr) -> Self {
        let mut known = self.clone();
        for reference in expr.references() {
            let is_late = |name: &str, late: &dyn Fn(&str) -> bool, any: bool| {
                reference.context.eq_ignore_ascii_case(name)
                    && match reference.path.first() {
                        Some(Segment::Key(key)) => late(key),
                        _ => any,
                    }
            };
            let inputs = self.inputs.as_ref();
            let late = |key: &str| inputs.and_then(|inputs| inputs.find(key)).is_some_and(Text::is_late);
            let any = inputs.is_some_and(|inputs| inputs.0.iter().any(|input| input.value.is_late()));
            if is_late("inputs", &late, any) {
                known.inputs = None;
            }
            if is_late("env", &|key| self.late_env.contains(&key.to_lowercase()), !self.late_env.is_empty()) {
                known.env = None;
            }
        }
        known
    }

    /// The contexts that are known here, by name.
    pub(super) fn known(&self) -> impl Iterator<Item = (&'static str, &Object)> {
        let always = [("vars", &self.vars), ("git", &self.facts.git), ("ci", &self.facts.ci)];
        let sometimes = [
            ("matrix", &self.matrix),
            ("strategy", &self.strategy),
            ("image", &self.image),
            ("job", &self.job),
            ("platform", &self.platform),
            ("env", &self.env),
        ];
        let known = sometimes.into_iter().filter_map(|(name, context)| Some((name, context.as_ref()?)));
        always.into_iter().chain(known)
    }
}

impl Environment for Scope {
    fn context(&self, name: &str) -> Option<Value> {
        let mut known = self.known();
        let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
        match (found, &self.inputs) {
            (Some((_, context)), _) => Some(Value::Object(context.clone())),
            (None, Some(inputs)) if name.eq_ignore_ascii_case("inputs") => Some(Value::Object(inputs.object())),
            (None, _) => None,
        }
    }

    /// How a job goes is known when it runs.
    fn grows(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("job")
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        // How the steps before ended is known when they have.
        if name == "hashFiles" { self.facts.hash_files.call(arguments) } else { None }
    }
}

/// Evaluates fields of one job, and collects what goes wrong.
pub(super) struct Resolver<'a> {
    pub(super) definition: &'a Definition,
    pub(super) sources: &'a Sources,
    /// Named in errors, since the same text may be right in another job.
    pub(super) job: Option<JobId>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Names of the sensitive variables that were met.
    pub(super) secrets: BTreeSet<String>,
    /// How many values were left out because something that they need is not known.
    left_out: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(definition: &'a Definition, sources: &'a Sources, job: Option<JobId>) -> Self {
        Self { definition, sources, job, diagnostics: Vec::new(), secrets: BTreeSet::new(), left_out: 0 }
    }

    /// A file's name from the definition's folder.
    pub(super) fn file_name(&self, file: FileId) -> Utf8PathBuf {
        file_name(self.sources, file)
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        let diagnostic = definition::name_both_files(diagnostic, self.definition);
        self.diagnostics.push(match &self.job {
            Some(job) => diagnostic.note(format!("in the job `{job}`")),
            None => diagnostic,
        });
    }

    /// How many values there are not, for whatever reason.
    pub(super) fn missing(&self) -> usize {
        self.diagnostics.len() + self.left_out
    }

    /// Whether an expression can be evaluated: nothing is wrong where it stands, and all that it reads is known.
    pub(super) fn can_evaluate(&mut self, expr: &Expr, route: &Route, scope: &Scope) -> bool {
        let can = !self.definition.broken.has(route) && scope.knows(expr);
        self.left_out += usize::from(!can);
        can
    }

    pub(super) fn eval_error(&mut self, error: &EvalError, route: &Route, offset: usize) {
        let place = Place::Inside(route.clone(), error.span.start + offset..error.span.end + offset);
        self.push(Diagnostic::error("expression", error.message.clone()).at(place));
    }

    /// A field's value.
    pub(super) fn field<T: Clone>(&mut self, field: &Field<T>, scope: &Scope) -> Option<T> {
        match &field.setting {
            Setting::Known(value) => Some(value.clone()),
            Setting::Unread => {
                self.left_out += 1;
                None
            }
            Setting::Template { template, read } => {
                let value = self.template(template, &field.route, scope)?;
                self.read(&value, *read, &field.route)
            }
        }
    }

    /// A field that may be absent. One whose expression gives null counts as absent, so that a key that only some cells
    /// of the matrix have can be used as it is.
    pub(super) fn optional<T: Clone>(&mut self, field: Option<&Field<T>>, scope: &Scope) -> Option<T> {
        let field = field?;
        match &field.setting {
            Setting::Known(_) | Setting::Unread => self.field(field, scope),
            Setting::Template { template, read } => {
                let value = self.template(template, &field.route, scope)?;
                if value == Value::Null { None } else { self.read(&value, *read, &field.route) }
            }
        }
    }

    fn read<T>(&mut self, value: &Value, read: Read<T>, route: &Route) -> Option<T> {
        read(value).map_err(|problem| self.push(definition::bad_value(problem, route))).ok()
    }

    pub(super) fn list(&mut self, list: Option<&List>, scope: &Scope) -> Vec<String> {
        match list {
            None => Vec::new(),
            Some(List::Whole(field)) => self.optional(Some(field), scope).unwrap_or_default(),
            Some(List::Items(items)) => items.iter().filter_map(|item| self.field(item, scope)).collect(),
        }
    }

    /// A template's value: the expression's own where it is nothing but one, else a text.
    pub(super) fn template(&mut self, template: &Template, route: &Route, scope: &Scope) -> Option<Value> {
        if let Some(expr) = template.whole() {
            return self.evaluate(expr, route, scope);
        }
        let mut text = String::new();
        for part in &template.parts {
            match part {
                template::Part::Literal(literal) => text.push_str(literal),
                template::Part::Expression { expr, .. } => text.push_str(&self.evaluate_text(expr, route, scope)?),
            }
        }
        Some(Value::String(text))
    }

    fn evaluate(&mut self, expr: &Expr, route: &Route, scope: &Scope) -> Option<Value> {
        if !self.can_evaluate(expr, route, scope) {
            return None;
        }
        expression::evaluate(expr, scope).map_err(|error| self.eval_error(&error, route, 0)).ok()
    }

    /// An expression's value as a part of a text.
    fn evaluate_text(&mut self, expr: &Expr, route: &Route, scope: &Scope) -> Option<String> {
        let value = self.evaluate(expr, route, scope)?;
        if value.is_primitive() {
            return Some(value.to_string());
        }
        let kind = if matches!(value, Value::Array(_)) { "a list" } else { "a mapping" };
        let diagnostic = Diagnostic::error("expression", format!("{kind} can't be put into a text"));
        let place = Place::Inside(route.clone(), expr.span());
        self.push(diagnostic.at(place).help("use `join` or `toJSON`"));
        None
    }

    /// A text with its secrets named.
    pub(super) fn text(&mut self, field: &TextField, scope: &Scope) -> Option<Text> {
        self.pieces(field, scope, When::Now).map(|pieces| Text(join(pieces.into_iter().map(|(part, _)| part))))
    }

    /// The same where the run may still have its say.
    pub(super) fn late_text(&mut self, field: &TextField, scope: &Scope) -> Option<Text> {
        self.pieces(field, scope, When::Run).map(|pieces| Text(join(pieces.into_iter().map(|(part, _)| part))))
    }

    /// A script, and the line of the definition that each of its lines comes from.
    pub(super) fn script(&mut self, field: &TextField, scope: &Scope) -> Option<(Text, Vec<u32>)> {
        let pieces = self.pieces(field, scope, When::Now)?;
        let numbers = self.sources.lines_of(&field.route);
        let number = |line: usize| numbers.get(line).or(numbers.last()).copied().unwrap_or(1);
        // `line` counts in the definition's text, which a value of several lines leaves where it is.
        let (mut line, mut lines) = (0, vec![number(0)]);
        for (part, in_definition) in &pieces {
            let Part::Literal(text) = part else { continue };
            match in_definition {
                Some(newlines) => {
                    lines.extend(std::iter::repeat_n(number(line), text.matches('\n').count()));
                    line += newlines;
                }
                None => {
                    for _ in text.matches('\n') {
                        line += 1;
                        lines.push(number(line));
                    }
                }
            }
        }
        let text = Text(join(pieces.into_iter().map(|(part, _)| part)));
        if matches!(text.0.last(), Some(Part::Literal(last)) if last.ends_with('\n')) {
            lines.pop();
        }
        Some((text, lines))
    }

    /// The parts of a text; for those that an expression gave, how many line breaks that expression itself has.
    fn pieces(&mut self, field: &TextField, scope: &Scope, when: When) -> Option<Vec<(Part, Option<usize>)>> {
        let mut pieces = Vec::new();
        for part in &field.template.parts {
            match part {
                template::Part::Literal(literal) => pieces.push((Part::Literal(literal.clone()), None)),
                template::Part::Expression { expr, newlines, .. } => {
                    let mut newlines = *newlines;
                    for part in self.parts(expr, &field.route, scope, when)? {
                        // The first of them carries the expression's own line breaks.
                        pieces.push((part, Some(std::mem::take(&mut newlines))));
                    }
                }
            }
        }
        let nul = |(part, _): &(Part, Option<usize>)| matches!(part, Part::Literal(text) if text.contains('\0'));
        if pieces.iter().any(nul) {
            let diagnostic = Diagnostic::error("bad-value", "a NUL character can't be given to a program");
            self.push(diagnostic.at(Place::Value(field.route.clone())));
            return None;
        }
        Some(pieces)
    }

    /// What an expression in a text becomes.
    fn parts(&mut self, expr: &Expr, route: &Route, scope: &Scope, when: When) -> Option<Vec<Part>> {
        if let Some(name) = definition::sensitive_alone(expr, self.definition) {
            self.secrets.insert(name.to_owned());
            return Some(vec![Part::Secret(name.to_owned())]);
        }
        let input = definition::alone(expr, "inputs").and_then(|key| scope.inputs.as_ref()?.find(key));
        if let Some(input) = input.filter(|input| input.secrets().next().is_some()) {
            return Some(input.0.clone());
        }
        if when == When::Now {
            return self.evaluate_text(expr, route, scope).map(|text| vec![Part::Literal(text)]);
        }
        if !scope.may_be_late(expr) {
            return self.evaluate_text(expr, route, scope).map(|text| vec![Part::Literal(text)]);
        }
        if !self.can_evaluate(expr, route, scope) {
            return None;
        }
        let folded = expr.clone().fold(&scope.before_the_run(expr));
        let folded = folded.map_err(|error| self.eval_error(&error, route, 0)).ok()?;
        match folded.as_literal() {
            Some(_) => self.evaluate_text(&folded, route, scope).map(|text| vec![Part::Literal(text)]),
            None => Some(vec![Part::Expr(folded)]),
        }
    }

    /// The variables of the `env` at `route`, and those of them that are not known.
    pub(super) fn env(&mut self, env: &[definition::EnvVar], route: &Route, scope: &Scope) -> (Vec<EnvVar>, Unknown) {
        let mut unknown = self.definition.broken.names(route);
        let mut resolved = Vec::new();
        for var in env {
            match self.late_text(&var.value, scope) {
                Some(value) => resolved.push(EnvVar { name: var.name.clone(), value }),
                None => unknown.insert(&var.name),
            }
        }
        (resolved, unknown)
    }
}

/// A file's name from the definition's folder.
pub(super) fn file_name(sources: &Sources, file: FileId) -> Utf8PathBuf {
    let name = Utf8Path::new(sources.get(file).name());
    match file == FileId::default() {
        true => name.file_name().map(Utf8PathBuf::from).unwrap_or_default(),
        false => name.to_owned(),
    }
}

/// When a text has to have its value.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// When the job is planned.
    Now,
    /// When the job runs, if planning can't tell.
    Run,
}

/// Parts with neighbouring literals joined and empty ones left out.
fn join(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (_, Part::Literal(text)) if text.is_empty() => {}
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, part) => joined.push(part),
        }
    }
    joined
}
