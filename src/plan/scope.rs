//! What expressions see while one job is planned, and the evaluation of fields in it.

use std::collections::BTreeSet;

use super::inputs::{Facts, Inputs};
use super::job::{EnvVar, Part, Text};
use crate::definition::{self, Definition, Field, List, Read, Setting, TextField, Unknown};
use crate::diagnostic::Diagnostic;
use crate::event::JobId;
use crate::expression::{self, Environment, EvalError, Expr, Object, Reference, Segment, Template, Value, template};
use crate::source::{Place, Route, Sources};

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
}

impl Gaps {
    /// Whether there are any.
    fn any(&self) -> bool {
        let Self { vars, matrix, strategy, image, platform, env } = self;
        *matrix || *strategy || *image || *platform || *vars != Unknown::None || *env != Unknown::None
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
        for var in env {
            // A value with a secret in it can't be read by an expression: `validate` refuses it, and this keeps it so.
            let value = match var.value.secrets().next() {
                Some(_) => Value::Null,
                None => Value::String(var.value.to_string()),
            };
            object.insert(&var.name, value);
        }
        Self { env: Some(object), gaps, ..self.clone() }
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
        known.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, context)| Value::Object(context.clone()))
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

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
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
    fn template(&mut self, template: &Template, route: &Route, scope: &Scope) -> Option<Value> {
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
        self.pieces(field, scope).map(|pieces| Text(join(pieces.into_iter().map(|(part, _)| part))))
    }

    /// A script, and the line of the definition that each of its lines comes from.
    pub(super) fn script(&mut self, field: &TextField, scope: &Scope) -> Option<(Text, Vec<u32>)> {
        let pieces = self.pieces(field, scope)?;
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

    /// The parts of a text; for one that an expression gave, how many line breaks that expression itself has.
    fn pieces(&mut self, field: &TextField, scope: &Scope) -> Option<Vec<(Part, Option<usize>)>> {
        let written = self.sources.text_of(&field.route).unwrap_or_default();
        let mut pieces = Vec::new();
        for part in &field.template.parts {
            match part {
                template::Part::Literal(literal) => pieces.push((Part::Literal(literal.clone()), None)),
                template::Part::Expression { expr, span } => {
                    let newlines = written.get(span.clone()).unwrap_or_default().matches('\n').count();
                    let part = match definition::sensitive_alone(expr, self.definition) {
                        Some(name) => {
                            self.secrets.insert(name.to_owned());
                            Part::Secret(name.to_owned())
                        }
                        None => Part::Literal(self.evaluate_text(expr, &field.route, scope)?),
                    };
                    pieces.push((part, Some(newlines)));
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

    /// The variables of the `env` at `route`, and those of them that are not known.
    pub(super) fn env(&mut self, env: &[definition::EnvVar], route: &Route, scope: &Scope) -> (Vec<EnvVar>, Unknown) {
        let mut unknown = self.definition.broken.names(route);
        let mut resolved = Vec::new();
        for var in env {
            match self.text(&var.value, scope) {
                Some(value) => resolved.push(EnvVar { name: var.name.clone(), value }),
                None => unknown.insert(&var.name),
            }
        }
        (resolved, unknown)
    }
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
