//! What every `${{ }}` refers to: contexts, names in them, and sensitive values, before anything is evaluated.

use std::ops::Range;

use super::broken::{Broken, Unknown};
use super::context::{self, Names, STEP_KEYS};
use super::decode::{Decoder, Site, Use, shift};
use super::model::{Action, Definition, EnvVar, Step};
use super::uses::{self, Name, Surroundings};
use super::{injection, unused};
use crate::diagnostic::{self, Diagnostic};
use crate::expression::{Expr, Reference, Segment};
use crate::source::{FileId, Place, Route, Source};

const STATUS_FUNCTIONS: [&str; 4] = ["success", "failure", "always", "cancelled"];

/// Whether a function, by its lowercase name, asks how the steps before ended.
pub(crate) fn is_status_function(name: &str) -> bool {
    STATUS_FUNCTIONS.contains(&name)
}

/// The sensitive variable that an expression is, and nothing else.
pub(crate) fn sensitive_alone<'a>(expr: &Expr, definition: &'a Definition) -> Option<&'a str> {
    sensitive(definition, alone(expr, "vars")?)
}

/// The key of a context that an expression is, and nothing else.
pub(crate) fn alone<'a>(expr: &'a Expr, context: &str) -> Option<&'a str> {
    expr.as_key().filter(|(found, _)| same(found, context)).map(|(_, key)| key)
}

/// The name in its context that a reference reads; none: it may read any.
fn key_of(reference: &Reference) -> Option<&str> {
    match reference.path.first() {
        Some(Segment::Key(key)) => Some(key),
        _ => None,
    }
}

/// Contexts find names whatever their case.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let lowercase = |text: &'_ str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    a == b
        || a.len() == b.len() && a.eq_ignore_ascii_case(b)
        || !(a.is_ascii() && b.is_ascii()) && lowercase(a) == lowercase(b)
}

fn sensitive<'a>(definition: &'a Definition, key: &str) -> Option<&'a str> {
    let variable = definition.variables.iter().find(|variable| same(&variable.name, key))?;
    variable.sensitive.then_some(variable.name.as_str())
}

/// Checks every expression that decoding met.
pub(super) fn check(decoder: &mut Decoder<'_>, definition: &Definition) {
    let source = decoder.sources.main();
    let met = std::mem::take(&mut decoder.uses);
    // Names are known only where their part of the file could be read.
    let broken = Broken::of(&decoder.diagnostics);
    let names = |key: &str| broken.names(&Route::root().key(key));
    let (variables, env, strategy) = (names("variables"), names("env"), names("strategy"));
    let around = uses::surroundings(definition);
    let whole = |file: FileId| {
        let steps = decoder.sources.get(file).value().get("steps");
        steps.and_then(serde_yaml::Value::as_sequence).map(Vec::len).unwrap_or_default()
            == definition.steps_of(file).len()
    };
    let all_whole = whole(FileId::default()) && definition.files.iter().all(|file| whole(file.id));
    let mut found = Vec::new();
    for one in &met {
        let file = one.route.file();
        let Some(around) = around.get(&file) else { continue };
        // What a step gives the files that it uses is not known where it could not be read.
        let mut env = if file == FileId::default() || all_whole { env.clone() } else { Unknown::All };
        if let Some(step) = one.step {
            env.extend(&broken.names(&Route::of(file).key("steps").index(step).key("env")));
        }
        let checker = Checker {
            definition,
            one,
            around,
            variables: &variables,
            env,
            matrix: !strategy.has(None)
                && !definition.strategy.is_unknown
                && (definition.strategy.keys.is_some() || !has_matrix(source)),
            steps: whole(file),
        };
        found.extend(checker.check());
    }
    decoder.diagnostics.append(&mut found);
    decoder.diagnostics.extend(injection::warnings(&met));
    if !diagnostic::has_errors(&decoder.diagnostics) {
        decoder.diagnostics.extend(unused::unused(definition, &met));
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
    /// What the steps of its file find around them.
    around: &'a Surroundings,
    /// Variables that could not be read.
    variables: &'a Unknown,
    /// Variables of the `env` around the step, and of its own, that could not be read.
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
        if let Some(wrong) = self.before_the_run(reference) {
            return Some(wrong);
        }
        let context = context::find(&name).filter(|context| context.sites.contains(&self.one.site));
        let context = context.filter(|context| self.around.inputs.is_some() || !matches!(context.names, Names::Inputs));
        let Some(context) = context else { return Some(self.wrong_context(&name, &reference.span)) };
        match context.names {
            Names::Variables => self.variable(reference),
            Names::Matrix => self.matrix(reference),
            Names::Env => self.env(reference),
            Names::Inputs => self.input(reference),
            Names::Steps => self.earlier_step(reference),
            Names::Keys(keys) => self.named(reference, context.name, keys),
            Names::OneOf(keys) => self.one_of(reference, context.name, keys),
        }
    }

    /// What is known only while the job runs, where that is too late.
    fn before_the_run(&self, reference: &Reference) -> Option<Diagnostic> {
        if context::BETWEEN_STEPS.contains(&self.one.site) || !context::is_late(reference) {
            return None;
        }
        let what = written(reference);
        Some(match reference.path.get(1) {
            Some(Segment::Key(key)) if self.is_local() && same(key, "outputs") => self.hostile(&what, &reference.span),
            _ => self.late(&what, &reference.span),
        })
    }

    fn wrong_context(&self, context: &str, span: &Range<usize>) -> Diagnostic {
        let inputs = self.around.inputs.is_some();
        let allowed: Vec<&str> = context::known_at(self.one.site).filter(|name| inputs || *name != "inputs").collect();
        if context::find(context).is_some() && context != "inputs" {
            let list: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("the context `{context}` is not known here");
            let diagnostic = self.error("unknown-context", message, span);
            return match context {
                "env" => diagnostic.help("`env` is known in steps: use a variable instead, `vars.NAME`"),
                _ => diagnostic.help(format!("what is known: {}", list.join(", "))),
            };
        }
        let diagnostic = self.error("unknown-context", format!("there is no context `{context}`"), span);
        match context {
            "secrets" => {
                diagnostic.help("declare a variable, `NAME: { env: NAME, sensitive: true }`, and use `vars.NAME`")
            }
            "inputs" => diagnostic.help(
                "only a step file has inputs: in a definition, declare a variable with `env:`, and use `vars.NAME`",
            ),
            "github" => diagnostic.help(
                "the run is `ci` and the commit `git`, such as `ci.ref` and `git.sha`, on every CI; for all else declare \
                 a variable with `env:`, and use `vars.NAME`",
            ),
            status if is_status_function(status) => diagnostic.help(format!("did you mean `{status}()`?")),
            "needs" => diagnostic
                .help("a definition does not know its workflow: declare a variable with `env:`, and use `vars.NAME`"),
            _ => diagnostic.nearest(context, "known contexts", allowed.iter().copied()),
        }
    }

    /// What is known only while the job runs, in a place that is decided before.
    fn late(&self, what: &str, span: &Range<usize>) -> Diagnostic {
        let diagnostic = self.error("run-time", format!("`{what}` is known only while the job runs"), span);
        match self.one.site {
            // In the text of a script it would be run.
            Site::Script | Site::Local => diagnostic
                .help(format!("pass it by `env:`, as in `VALUE: ${{{{ {what} }}}}`, and read `$VALUE` in the script")),
            _ => diagnostic.help("it can be used in `if`, and in values of a step's `env` and of `with`"),
        }
    }

    /// What the guest may have written, on its way into a step that runs on this machine.
    fn hostile(&self, what: &str, span: &Range<usize>) -> Diagnostic {
        let message =
            format!("a `local` step can't have `{what}`: a machine that is being built could have written it");
        let help = "use it in `if`, or pass it by `env:` to a step that runs in the guest";
        self.error("run-time", message, span).help(help)
    }

    /// Whether the expression reaches a step that runs on this machine.
    fn is_local(&self) -> bool {
        let own = || self.step().is_some_and(|step| matches!(step.action, Action::Local(_)));
        self.one.site == Site::Local || self.one.site == Site::StepEnv && own()
    }

    /// A name of `env` or `inputs` where what it may hold can't stand.
    fn too_late(&self, name: &Name, reference: &Reference) -> Option<Diagnostic> {
        let what = format!("{}.{}", reference.context, name.name);
        match self.one.site {
            _ if !name.late => None,
            Site::StepEnv if self.is_local() => Some(self.hostile(&what, &reference.span)),
            Site::Condition | Site::StepEnv | Site::With | Site::StepFileOutput => None,
            Site::Script | Site::Local if same(&reference.context, "env") => {
                let message = format!("`{what}` is known only while the job runs");
                let help = format!("read it as `${}` when the script runs", name.name);
                Some(self.error("run-time", message, &reference.span).help(help))
            }
            Site::Local => Some(self.hostile(&what, &reference.span)),
            _ => Some(self.late(&what, &reference.span)),
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
        self.sensitive("variable", name, reference)
    }

    fn input(&self, reference: &Reference) -> Option<Diagnostic> {
        let inputs = self.around.inputs.as_deref().unwrap_or_default();
        let Some(Segment::Key(key)) = reference.path.first() else { return self.every(reference, inputs) };
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        if let Some(diagnostic) = self.unknown(reference, key, "the step file has no input", "its inputs", &names) {
            return Some(diagnostic);
        }
        let input = inputs.iter().find(|input| same(&input.name, key))?;
        let sensitive = || self.sensitive("input", &input.name, reference);
        self.too_late(input, reference).or_else(|| input.sensitive.then(sensitive).flatten())
    }

    /// A use that might reach every name of a context, such as `toJSON(env)`.
    fn every(&self, reference: &Reference, names: &[Name]) -> Option<Diagnostic> {
        let late = names.iter().find_map(|name| self.too_late(name, reference));
        late.or_else(|| self.whole_context(reference, names.iter().any(|name| name.sensitive)))
    }

    /// A sensitive variable, or an input that holds one, may stand by itself only, and only where its value can be kept
    /// apart.
    fn sensitive(&self, kind: &str, name: &str, reference: &Reference) -> Option<Diagnostic> {
        let context = if kind == "input" { "inputs" } else { "vars" };
        let is_alone = alone(&self.one.expr, context).is_some();
        let in_env =
            format!("give it to a step by `env:`, as in `{}: ${{{{ {context}.{name} }}}}`", name.to_uppercase());
        match self.one.site {
            Site::JobEnv | Site::StepEnv | Site::With | Site::Script if is_alone => None,
            Site::Local if is_alone && self.step_env_has(context, name) => None,
            Site::Local if is_alone => {
                let message = format!("a `local` step gets the sensitive {kind} `{name}` only if its `env` lists it");
                Some(self.error("sensitive", message, &reference.span).help(in_env))
            }
            Site::JobEnv | Site::StepEnv | Site::With | Site::Script | Site::Local => {
                let message = format!("the sensitive {kind} `{name}` can't be part of a larger expression");
                let help = "write `${{ }}` around the variable alone: its value is put in when it is used";
                Some(self.error("sensitive", message, &reference.span).help(help.replace("variable", kind)))
            }
            Site::Strategy | Site::Platform | Site::Condition | Site::Plain | Site::StepFileOutput => {
                let message = format!("the sensitive {kind} `{name}` would be shown here");
                let help = format!(
                    "a sensitive {kind} can be used in values of `env` and `with`, in `run`, `args` and `local` only"
                );
                Some(self.error("sensitive", message, &reference.span).help(help))
            }
        }
    }

    fn step_env_has(&self, context: &str, name: &str) -> bool {
        let is = |expr: &Expr| alone(expr, context).is_some_and(|key| same(key, name));
        let has = |var: &EnvVar| var.value.template.expressions().any(is);
        self.step().is_some_and(|step| step.env.iter().any(has))
    }

    /// The step that the expression belongs to; none also if it could not be decoded.
    fn step(&self) -> Option<&Step> {
        let file = self.one.route.file();
        let route = Route::of(file).key("steps").index(self.one.step?);
        self.definition.steps_of(file).iter().find(|step| step.route == route)
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
        let all = self.around.clone().of_step(own, self.definition).env;
        let Some(Segment::Key(key)) = reference.path.first() else { return self.every(reference, &all) };
        let names: Vec<&str> = all.iter().map(|var| var.name.as_str()).collect();
        // A step that could not be decoded has an `env` that nobody knows.
        if self.one.step.is_some() && self.step().is_none() {
            return None;
        }
        if let Some(diagnostic) = self.unknown(reference, key, "`env` has no variable", "what `env` has", &names) {
            return Some(diagnostic);
        }
        let found = || all.iter().filter(|var| same(&var.name, key));
        if let Some(diagnostic) = found().find_map(|var| self.too_late(var, reference)) {
            return Some(diagnostic);
        }
        let var = found().find(|var| var.sensitive)?;
        let message = format!("`env.{}` holds a sensitive value", var.name);
        let help = format!("a script reads it as `${}` when it runs; elsewhere it would be shown", var.name);
        Some(self.error("sensitive", message, &reference.span).help(help))
    }

    /// How a step ended, by its id. Only the steps before have ended; before the outputs of a step file, all of its.
    fn earlier_step(&self, reference: &Reference) -> Option<Diagnostic> {
        let [Segment::Key(id), Segment::Key(key), rest @ ..] = reference.path.as_slice() else {
            let message = "`steps` can be asked for one result of one step only".to_owned();
            let help = "write `steps.ID.outcome`, `steps.ID.conclusion` or `steps.ID.outputs.NAME`";
            return Some(self.error("expression", message, &reference.span).help(help));
        };
        let is_outputs = same(key, "outputs");
        let key = if rest.is_empty() || is_outputs { key.clone() } else { format!("{key}.…") };
        if !STEP_KEYS.iter().any(|known| same(known, &key)) {
            return self.unknown(reference, &key, "a step has no result", "known results", STEP_KEYS);
        }
        if is_outputs && self.is_local() {
            return Some(self.hostile(&written(reference), &reference.span));
        }
        if !self.steps {
            return None;
        }
        let steps = self.definition.steps_of(self.one.route.file());
        let (before, others) = match self.one.site {
            Site::StepFileOutput => (steps, &[][..]),
            _ => steps.split_at_checked(self.one.step?)?,
        };
        let has = |step: &&Step| step.id.as_deref().is_some_and(|other| same(other, id));
        if others.iter().any(|step| has(&step)) {
            let message = format!("the step `{id}` does not come before this one");
            let diagnostic = self.error("unknown-name", message, &reference.span);
            return Some(diagnostic.help("only what has run can be asked: move one of the two steps"));
        }
        let names: Vec<&str> = before.iter().filter_map(|step| step.id.as_deref()).collect();
        let unknown = || self.unknown(reference, id, "no step has the id", "ids of the steps before", &names);
        match before.iter().find(has) {
            Some(step) if is_outputs => self.output(reference, step, rest),
            _ => unknown(),
        }
    }

    /// An output of an earlier step. Only of a step file it is known which there are.
    fn output(&self, reference: &Reference, step: &Step, path: &[Segment]) -> Option<Diagnostic> {
        let (Action::Uses { file, .. }, Some(Segment::Key(key))) = (&step.action, path.first()) else { return None };
        let file = self.definition.file(*file).filter(|file| file.readable)?;
        let names: Vec<&str> = file.outputs.iter().map(|output| output.name.as_str()).collect();
        self.unknown(reference, key, "the step file has no output", "its outputs", &names)
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

/// A reference as people write it.
fn written(reference: &Reference) -> String {
    reference.path.iter().fold(reference.context.clone(), |text, segment| match segment {
        Segment::Key(key) => format!("{text}.{key}"),
        Segment::Index => format!("{text}[…]"),
        Segment::Wildcard => format!("{text}.*"),
    })
}
