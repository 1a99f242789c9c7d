//! What every `${{ }}` refers to: contexts, names in them, and sensitive values, before anything is evaluated.

use std::ops::Range;

use super::broken::{Broken, Unknown};
use super::context::{self, Names, STEP_KEYS};
use super::decode::{Decoder, Site, Use, shift};
use super::model::{Definition, EnvVar, TextField};
use super::unused;
use crate::diagnostic::{self, Diagnostic};
use crate::expression::{Expr, Reference, Segment};
use crate::source::{Place, Route, Source};

const STATUS_FUNCTIONS: [&str; 4] = ["success", "failure", "always", "cancelled"];

/// Whether a function, by its lowercase name, asks how the steps before ended.
pub(crate) fn is_status_function(name: &str) -> bool {
    STATUS_FUNCTIONS.contains(&name)
}

/// The sensitive variable that an expression is, and nothing else.
pub(crate) fn sensitive_alone<'a>(expr: &Expr, definition: &'a Definition) -> Option<&'a str> {
    let references = expr.references();
    let [Reference { context, path, span }] = references.as_slice() else { return None };
    match path.as_slice() {
        [Segment::Key(key)] if same(context, "vars") && *span == expr.span() => sensitive(definition, key),
        _ => None,
    }
}

/// The name in its context that a reference reads; none: it may read any.
fn key_of(reference: &Reference) -> Option<&str> {
    match reference.path.first() {
        Some(Segment::Key(key)) => Some(key),
        _ => None,
    }
}

/// Contexts find names whatever their case.
fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

fn sensitive<'a>(definition: &'a Definition, key: &str) -> Option<&'a str> {
    let variable = definition.variables.iter().find(|variable| same(&variable.name, key))?;
    variable.sensitive.then_some(variable.name.as_str())
}

/// Sensitive variables that a text names.
fn secrets_of<'a>(text: &TextField, definition: &'a Definition) -> Vec<&'a str> {
    text.template.expressions().filter_map(|expr| sensitive_alone(expr, definition)).collect()
}

/// Checks every expression that decoding met.
pub(super) fn check(decoder: &mut Decoder<'_>, definition: &Definition) {
    let source = decoder.sources.main();
    let uses = std::mem::take(&mut decoder.uses);
    // Names are known only where their part of the file could be read.
    let broken = Broken::of(&decoder.diagnostics);
    let names = |key: &str| broken.names(&Route::root().key(key));
    let (variables, env, strategy) = (names("variables"), names("env"), names("strategy"));
    for one in &uses {
        let mut env = env.clone();
        if let Some(step) = one.step {
            env.extend(&broken.names(&Route::root().key("steps").index(step).key("env")));
        }
        let checker = Checker {
            definition,
            one,
            variables: &variables,
            env,
            matrix: !strategy.has(None) && (definition.strategy.keys.is_some() || !has_matrix(source)),
            steps: source.value().get("steps").and_then(serde_yaml::Value::as_sequence).map(Vec::len)
                == Some(definition.steps.len()),
        };
        decoder.diagnostics.extend(checker.check());
    }
    if !diagnostic::has_errors(&decoder.diagnostics) {
        decoder.diagnostics.extend(unused::unused(definition, &uses));
    }
}

/// Whether the definition asks for a matrix, its own or that of another file.
fn has_matrix(source: &Source) -> bool {
    let strategy = source.value().get("strategy");
    strategy.is_some_and(|strategy| strategy.get("from").or_else(|| strategy.get("matrix")).is_some())
}

struct Checker<'a> {
    definition: &'a Definition,
    one: &'a Use,
    /// Variables that could not be read.
    variables: &'a Unknown,
    /// Variables of the definition's `env`, and of the step's, that could not be read.
    env: Unknown,
    /// Whether the keys of the matrix are known.
    matrix: bool,
    /// Whether the ids of all steps are known.
    steps: bool,
}

impl Checker<'_> {
    fn check(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for call in self.one.expr.calls() {
            diagnostics.extend(self.call(&call.name, &call.span));
        }
        for reference in self.one.expr.references() {
            diagnostics.extend(self.reference(&reference));
        }
        diagnostics
    }

    fn error(&self, rule: &'static str, message: String, span: &Range<usize>) -> Diagnostic {
        Diagnostic::error(rule, message).at(Place::Inside(self.one.route.clone(), shift(span, self.one.offset)))
    }

    fn call(&self, name: &str, span: &Range<usize>) -> Option<Diagnostic> {
        if is_status_function(name) && self.one.site != Site::Condition {
            let message = format!("`{name}()` can be asked in `if:` only");
            return Some(self.error("expression", message, span));
        }
        None
    }

    fn reference(&self, reference: &Reference) -> Option<Diagnostic> {
        let name = reference.context.to_lowercase();
        let context = context::find(&name).filter(|context| context.sites.contains(&self.one.site));
        let Some(context) = context else { return Some(self.wrong_context(&name, &reference.span)) };
        match context.names {
            Names::Variables => self.variable(reference),
            Names::Matrix => self.matrix(reference),
            Names::Env => self.env(reference),
            Names::Steps => self.earlier_step(reference),
            Names::Keys(keys) => self.named(reference, context.name, keys),
            Names::OneOf(keys) => self.one_of(reference, context.name, keys),
        }
    }

    fn wrong_context(&self, context: &str, span: &Range<usize>) -> Diagnostic {
        let allowed: Vec<&str> = context::known_at(self.one.site).collect();
        if context::find(context).is_some() {
            let list: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("the context `{context}` is not known here");
            let diagnostic = self.error("unknown-context", message, span);
            return match context {
                "env" => diagnostic.help("`env` is known in steps: use a variable instead, `vars.NAME`"),
                "steps" => diagnostic.help("how the steps before ended can be asked in `if:` only"),
                _ => diagnostic.help(format!("what is known: {}", list.join(", "))),
            };
        }
        if context::LATER.contains(&context) {
            let message = format!("this version of Ovenbird does not have the context `{context}` yet");
            return self.error("not-yet", message, span);
        }
        let diagnostic = self.error("unknown-context", format!("there is no context `{context}`"), span);
        match context {
            "secrets" => {
                diagnostic.help("declare a variable, `NAME: { env: NAME, sensitive: true }`, and use `vars.NAME`")
            }
            "github" => diagnostic.help(
                "the run is `ci` and the commit `git`, such as `ci.ref` and `git.sha`, on every CI; for all else declare \
                 a variable with `env:`, and use `vars.NAME`",
            ),
            status if is_status_function(status) => diagnostic.help(format!("did you mean `{status}()`?")),
            "inputs" | "needs" => diagnostic
                .help("a definition does not know its workflow: declare a variable with `env:`, and use `vars.NAME`"),
            _ => diagnostic.nearest(context, "known contexts", allowed.iter().copied()),
        }
    }

    fn variable(&self, reference: &Reference) -> Option<Diagnostic> {
        if self.variables.has(key_of(reference)) {
            return None;
        }
        let Some(Segment::Key(key)) = reference.path.first() else {
            return self.whole_context(reference, self.definition.variables.iter().any(|variable| variable.sensitive));
        };
        let names: Vec<&str> = self.definition.variables.iter().map(|variable| variable.name.as_str()).collect();
        if let Some(diagnostic) = self.unknown(reference, key, "there is no variable", "known variables", &names) {
            let declare = || diagnostic.clone().help(format!("declare it: `variables: {{ {key}: … }}`"));
            return Some(if names.is_empty() { declare() } else { diagnostic });
        }
        let name = sensitive(self.definition, key)?;
        self.sensitive(name, reference)
    }

    /// A sensitive variable may stand by itself only, and only where its value can be kept apart.
    fn sensitive(&self, name: &str, reference: &Reference) -> Option<Diagnostic> {
        let alone = sensitive_alone(&self.one.expr, self.definition).is_some();
        let in_env = format!("give it to a step by `env:`, as in `{}: ${{{{ vars.{name} }}}}`", name.to_uppercase());
        match self.one.site {
            Site::JobEnv | Site::StepEnv | Site::Script if alone => None,
            Site::Local if alone && self.step_env_has(name) => None,
            Site::Local if alone => {
                let message = format!("a `local` step gets the sensitive variable `{name}` only if its `env` lists it");
                Some(self.error("sensitive", message, &reference.span).help(in_env))
            }
            Site::JobEnv | Site::StepEnv | Site::Script | Site::Local => {
                let message = format!("the sensitive variable `{name}` can't be part of a larger expression");
                let help = "write `${{ }}` around the variable alone: its value is put in when it is used";
                Some(self.error("sensitive", message, &reference.span).help(help))
            }
            Site::Strategy | Site::Platform | Site::Condition | Site::Plain => {
                let message = format!("the sensitive variable `{name}` would be shown here");
                let help = "a sensitive variable can be used in `env` values, `run`, `args` and `local` only";
                Some(self.error("sensitive", message, &reference.span).help(help))
            }
        }
    }

    fn step_env_has(&self, name: &str) -> bool {
        let has = |var: &EnvVar| secrets_of(&var.value, self.definition).contains(&name);
        self.step().is_some_and(|step| step.env.iter().any(has))
    }

    /// The step that the expression belongs to; none also if it could not be decoded.
    fn step(&self) -> Option<&super::model::Step> {
        let route = Route::root().key("steps").index(self.one.step?);
        self.definition.steps.iter().find(|step| step.route == route)
    }

    fn matrix(&self, reference: &Reference) -> Option<Diagnostic> {
        let Some(Segment::Key(key)) = reference.path.first().filter(|_| self.matrix) else { return None };
        let Some(names) = &self.definition.strategy.keys else {
            let diagnostic = self.error("unknown-name", "there is no matrix".to_owned(), &reference.span);
            return Some(match key.as_str() {
                "platform" => diagnostic.help("without a matrix, the platform's name is `platform.name`"),
                _ => diagnostic.help(format!("add `strategy.matrix.{key}`, or declare a variable")),
            });
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.unknown(reference, key, "the matrix has no key", "keys of the matrix", &names)
    }

    fn env(&self, reference: &Reference) -> Option<Diagnostic> {
        if self.env.has(key_of(reference)) {
            return None;
        }
        // As on GitHub, a step's own `env` sees the job's, everything else of the step sees both.
        let own = self.step().filter(|_| self.one.site != Site::StepEnv).map_or(&[][..], |step| step.env.as_slice());
        let all = || self.definition.env.iter().chain(own);
        let Some(Segment::Key(key)) = reference.path.first() else {
            return self.whole_context(reference, all().any(|var| !secrets_of(&var.value, self.definition).is_empty()));
        };
        let names: Vec<&str> = all().map(|var| var.name.as_str()).collect();
        // A step that could not be decoded has an `env` that nobody knows.
        if self.one.step.is_some() && self.step().is_none() {
            return None;
        }
        if let Some(diagnostic) = self.unknown(reference, key, "`env` has no variable", "what `env` has", &names) {
            return Some(diagnostic);
        }
        let mut found = all().filter(|var| same(&var.name, key));
        let var = found.find(|var| !secrets_of(&var.value, self.definition).is_empty())?;
        let message = format!("`env.{}` holds a sensitive value", var.name);
        let help = format!("a script reads it as `${}` when it runs; elsewhere it would be shown", var.name);
        Some(self.error("sensitive", message, &reference.span).help(help))
    }

    /// How a step ended, by its id. Only the steps before have ended.
    fn earlier_step(&self, reference: &Reference) -> Option<Diagnostic> {
        let [Segment::Key(id), Segment::Key(key), rest @ ..] = reference.path.as_slice() else {
            let message = "`steps` can be asked for one result of one step only".to_owned();
            let help = "write `steps.ID.outcome` or `steps.ID.conclusion`";
            return Some(self.error("expression", message, &reference.span).help(help));
        };
        let key = if rest.is_empty() { key.clone() } else { format!("{key}.…") };
        if !STEP_KEYS.iter().any(|known| same(known, &key)) {
            return self.unknown(reference, &key, "a step has no result", "known results", STEP_KEYS);
        }
        let index = self.one.step.filter(|_| self.steps)?;
        let (before, others) = self.definition.steps.split_at_checked(index)?;
        if others.iter().filter_map(|step| step.id.as_deref()).any(|other| same(other, id)) {
            let message = format!("the step `{id}` does not come before this one");
            return Some(self.error("unknown-name", message, &reference.span));
        }
        let names: Vec<&str> = before.iter().filter_map(|step| step.id.as_deref()).collect();
        self.unknown(reference, id, "no step has the id", "ids of the steps before", &names)
    }

    fn named(&self, reference: &Reference, context: &str, names: &[&str]) -> Option<Diagnostic> {
        let Some(Segment::Key(key)) = reference.path.first() else { return None };
        self.unknown(reference, key, &format!("`{context}` has no key"), "known keys", names)
    }

    /// [`Checker::named`], of a context that is not all known when jobs are planned.
    fn one_of(&self, reference: &Reference, context: &str, names: &[&str]) -> Option<Diagnostic> {
        if matches!(reference.path.first(), Some(Segment::Key(_))) {
            return self.named(reference, context, names);
        }
        let message = format!("`{context}` can be used by name only");
        let list: Vec<String> = names.iter().map(|name| format!("`{context}.{name}`")).collect();
        Some(self.error("expression", message, &reference.span).help(format!("write {}", list.join(" or "))))
    }

    fn unknown(
        &self,
        reference: &Reference,
        key: &str,
        message: &str,
        kind: &str,
        names: &[&str],
    ) -> Option<Diagnostic> {
        if names.iter().any(|name| same(name, key)) {
            return None;
        }
        let diagnostic = self.error("unknown-name", format!("{message} `{key}`"), &reference.span);
        Some(diagnostic.nearest(key, kind, names.iter().copied()))
    }

    /// A use that might reach every value of a context, such as `toJSON(vars)`.
    fn whole_context(&self, reference: &Reference, has_secrets: bool) -> Option<Diagnostic> {
        let context = &reference.context;
        has_secrets.then(|| {
            let message = format!("`{context}` holds a sensitive value, so it can be used by name only");
            self.error("sensitive", message, &reference.span).help(format!("write `{context}.NAME`"))
        })
    }
}
