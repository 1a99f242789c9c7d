//! Steps of one job, resolved.

use camino::{Utf8Path, Utf8PathBuf};

use super::job::{
    Action, Condition, Download, EnvVar, Local, Named, Reboot, Retry, Run, Script, Shell, Step, Text, Upload, Uses,
};
use super::model::{FileKind, NeededFile};
use super::scope::{Resolver, Scope};
use crate::definition::{self, Field, Unknown};
use crate::diagnostic::Diagnostic;
use crate::event::JobId;
use crate::expression::{self, Expr};
use crate::source::{Place, Route};

/// Without KVM, on a busy machine, a reboot takes minutes.
const DEFAULT_REBOOT_TIMEOUT: u64 = 10 * 60;
const LONGEST_DEFAULT_NAME: usize = 60;

/// What a file is needed for, its path as it is written, and where.
type NamedFile = (FileKind, String, Route);

/// The steps of one job, and the files that they use.
pub(super) fn steps(
    resolver: &mut Resolver<'_>,
    scope: &Scope,
    root: &Utf8Path,
    job: &JobId,
) -> (Vec<Step>, Vec<NeededFile>) {
    let definition = resolver.definition;
    let mut list = List { next: 0, around: String::new(), needs: true, files: Vec::new() };
    let steps = list.steps(resolver, &definition.steps, scope);
    let needed = list.files.into_iter().map(|(step, kind, written, place)| NeededFile {
        job: job.clone(),
        step: Some(step),
        kind,
        path: root.join(&written),
        written,
        used: definition.file(place.file()).map(|file| Place::Value(file.used.clone())),
        place,
    });
    (steps, needed.collect())
}

/// What is kept on the way through steps, and those of the files that they use.
struct List {
    /// The index of the next step.
    next: usize,
    /// The names of the steps whose files lead here, each with ` / ` behind.
    around: String,
    /// Whether files must be there: what a step that never runs would use need not.
    needs: bool,
    files: Vec<(usize, FileKind, String, Place)>,
}

impl List {
    fn steps(&mut self, resolver: &mut Resolver<'_>, steps: &[definition::Step], scope: &Scope) -> Vec<Step> {
        steps.iter().filter_map(|step| self.step(resolver, step, scope)).collect()
    }

    fn step(&mut self, resolver: &mut Resolver<'_>, step: &definition::Step, job_scope: &Scope) -> Option<Step> {
        let index = self.next;
        self.next += 1;
        let env = resolver.env(&step.env, &step.route.key("env"), job_scope);
        let scope = &job_scope.with_env(&env);
        let condition = condition(resolver, step, scope);
        let timeout = resolver.optional(step.timeout.as_ref(), scope);
        let retry = Retry {
            attempts: resolver.optional(step.attempts.as_ref(), scope).unwrap_or(1),
            delay: resolver.optional(step.delay.as_ref(), scope).unwrap_or(0),
        };
        let continue_on_error = resolver.optional(step.continue_on_error.as_ref(), scope).unwrap_or(false);
        let name = resolver.optional(step.name.as_ref(), scope);
        let needs = self.needs;
        // What a step that never runs would use need not be there.
        self.needs &= condition.as_ref().is_some_and(|condition| *condition != Condition::Never);
        let (name, action, file) = self.act(resolver, step, scope, timeout, name);
        if let Some((kind, path, route)) = file.filter(|_| self.needs) {
            self.files.push((index, kind, path, Place::Value(route)));
        }
        self.needs = needs;
        Some(Step {
            index,
            id: step.id.clone(),
            name: format!("{}{name}", self.around),
            file: resolver.file_name(step.route.file()),
            line: resolver.sources.line(&Place::Key(step.route.clone())),
            condition: condition?,
            env: env.0,
            timeout,
            retry,
            continue_on_error,
            action: action?,
        })
    }

    /// What people see of the step, what it does, none where that is wrong, and the file that it needs.
    fn act(
        &mut self,
        resolver: &mut Resolver<'_>,
        step: &definition::Step,
        scope: &Scope,
        timeout: Option<u64>,
        name: Option<String>,
    ) -> (String, Option<Action>, Option<NamedFile>) {
        let definition = resolver.definition;
        let definition::Action::Uses { file, with } = &step.action else {
            let (action, file) = action(resolver, step, scope, timeout);
            return (name.or_else(|| action.as_ref().map(default_name)).unwrap_or_default(), action, file);
        };
        // `load` refuses a definition that uses a file which is not there.
        let Some(file) = definition.file(*file) else { return (String::new(), None, None) };
        let path = Utf8PathBuf::from(resolver.sources.get(file.id).name());
        let name = name.or_else(|| file.name.clone()).unwrap_or_else(|| short(format!("Run {path}")));
        let uses = self.uses(resolver, file, path, with, scope, &name);
        (name, Some(Action::Uses(uses)), None)
    }

    /// The steps of a file, with its inputs put in.
    fn uses(
        &mut self,
        resolver: &mut Resolver<'_>,
        file: &definition::StepFile,
        path: Utf8PathBuf,
        with: &[definition::With],
        scope: &Scope,
        name: &str,
    ) -> Uses {
        let given = given(resolver, file, with, scope);
        let scope = scope.with_inputs(&given);
        let around = format!("{}{name} / ", self.around);
        let around = std::mem::replace(&mut self.around, around);
        let steps = self.steps(resolver, &file.steps, &scope);
        self.around = around;
        let (outputs, _) = resolver.env(&file.outputs, &Route::of(file.id).key("outputs"), &scope);
        let outputs = outputs.into_iter().map(|EnvVar { name, value }| Named { name, value }).collect();
        Uses { file: path, inputs: given.0, steps, outputs }
    }
}

/// The inputs of a step file where it is used, and those of them that are not known. An input holds what the step gives
/// it, else its default, else an empty text, as in a composite action.
fn given(
    resolver: &mut Resolver<'_>,
    file: &definition::StepFile,
    with: &[definition::With],
    scope: &Scope,
) -> (Vec<Named>, Unknown) {
    let (mut inputs, mut unknown) = (Vec::new(), resolver.definition.broken.names(&Route::of(file.id).key("inputs")));
    for input in &file.inputs {
        let given = with.iter().find(|one| one.name.to_lowercase() == input.name.to_lowercase());
        let value = match given {
            Some(one) => resolver.late_text(&one.value, scope),
            None => Some(Text::literal(input.default.clone().unwrap_or_default())),
        };
        match value {
            Some(value) => inputs.push(Named { name: input.name.clone(), value }),
            None => unknown.insert(&input.name),
        }
    }
    (inputs, unknown)
}

/// Whether the step runs, as far as planning can tell.
fn condition(resolver: &mut Resolver<'_>, step: &definition::Step, scope: &Scope) -> Option<Condition> {
    let Some(condition) = &step.condition else {
        // One that could not be read may be one that is never true.
        return (!resolver.definition.broken.has(&step.route.key("if"))).then_some(Condition::Success);
    };
    if !resolver.can_evaluate(&condition.expr, &condition.route, scope) {
        return None;
    }
    let calls = condition.expr.calls();
    if !scope.may_be_late(&condition.expr) && calls.iter().all(|call| !definition::is_status_function(&call.name)) {
        let value = expression::evaluate(&condition.expr, scope);
        let value = value.map_err(|error| resolver.eval_error(&error, &condition.route, condition.offset)).ok()?;
        return Some(if value.is_truthy() { Condition::Success } else { Condition::Never });
    }
    let asks = calls.iter().any(|call| definition::is_status_function(&call.name));
    let folded = match condition.expr.clone().fold(&scope.before_the_run(&condition.expr)) {
        Ok(folded) => folded,
        Err(error) => {
            resolver.eval_error(&error, &condition.route, condition.offset);
            return None;
        }
    };
    if folded.calls().iter().any(|call| call.name == "hashfiles") {
        let diagnostic = Diagnostic::error("expression", "`hashFiles` is called before the first step runs");
        let place = Place::Value(condition.route.clone());
        resolver.push(diagnostic.at(place).help("its patterns can't come from what a step before did"));
        return None;
    }
    Some(match folded.as_literal() {
        Some(value) if !value.is_truthy() => Condition::Never,
        // GitHub adds `success()` only where no status function is named.
        Some(_) if !asks => Condition::Success,
        _ if !asks => Condition::When(Expr::function("success").and(folded)),
        _ => Condition::When(folded),
    })
}

/// What a step does, and the file of the repository that it needs, which is known also where the rest is not.
fn action(
    resolver: &mut Resolver<'_>,
    step: &definition::Step,
    scope: &Scope,
    timeout: Option<u64>,
) -> (Option<Action>, Option<NamedFile>) {
    match &step.action {
        definition::Action::Script { path, args } => {
            let script = script_file(resolver, step, path, args, scope);
            let file = script.as_ref().map(|script| (FileKind::Script, script.path.to_string(), path.route.clone()));
            (script.map(Action::Script), file)
        }
        definition::Action::Upload { from, to, owner, mode } => {
            let path = resolver.field(from, scope);
            let to = resolver.field(to, scope);
            let owner = resolver.optional(owner.as_ref(), scope);
            let mode = resolver.optional(mode.as_ref(), scope);
            let file = path.clone().map(|path| (FileKind::Upload, path, from.route.clone()));
            let upload = path.zip(to).map(|(from, to)| Upload { from: from.into(), to, owner, mode });
            (upload.map(Action::Upload), file)
        }
        _ => (without_file(resolver, step, scope, timeout), None),
    }
}

fn script_file(
    resolver: &mut Resolver<'_>,
    step: &definition::Step,
    path: &Field<String>,
    args: &[definition::TextField],
    scope: &Scope,
) -> Option<Script> {
    let shell = resolver.optional(step.shell.as_ref(), scope);
    let own_directory = resolver.optional(step.working_directory.as_ref(), scope);
    Some(Script {
        path: resolver.field(path, scope).map(Utf8PathBuf::from)?,
        args: args.iter().filter_map(|text| resolver.text(text, scope)).collect(),
        shell: shell.unwrap_or(Shell::Default),
        working_directory: own_directory.or_else(|| default_directory(resolver, scope)),
    })
}

/// What a step does that needs no file.
fn without_file(
    resolver: &mut Resolver<'_>,
    step: &definition::Step,
    scope: &Scope,
    timeout: Option<u64>,
) -> Option<Action> {
    let definition = resolver.definition;
    let own_shell = resolver.optional(step.shell.as_ref(), scope);
    let own_directory = resolver.optional(step.working_directory.as_ref(), scope);
    Some(match &step.action {
        definition::Action::Run(text) => {
            let (script, lines) = resolver.script(text, scope)?;
            let shell = own_shell.or_else(|| resolver.optional(definition.defaults.shell.as_ref(), scope));
            let working_directory = own_directory.or_else(|| default_directory(resolver, scope));
            Action::Run(Run { script, lines, shell: shell.unwrap_or(Shell::Default), working_directory })
        }
        definition::Action::Local(text) => {
            let (script, lines) = resolver.script(text, scope)?;
            let shell = own_shell.unwrap_or(Shell::Default);
            Action::Local(Local { script, lines, shell, working_directory: own_directory })
        }
        definition::Action::Download { from, to } => {
            let (from, to) = (resolver.field(from, scope), resolver.field(to, scope));
            Action::Download(Download { from: from?, to: to?.into() })
        }
        definition::Action::Reboot => Action::Reboot(Reboot { timeout: timeout.unwrap_or(DEFAULT_REBOOT_TIMEOUT) }),
        // Others resolve them.
        definition::Action::Script { .. } | definition::Action::Upload { .. } | definition::Action::Uses { .. } => {
            return None;
        }
    })
}

fn default_directory(resolver: &mut Resolver<'_>, scope: &Scope) -> Option<String> {
    let field: Option<&Field<String>> = resolver.definition.defaults.working_directory.as_ref();
    resolver.optional(field, scope)
}

/// What a step without a `name` is called, as in Actions: by what it does.
fn default_name(action: &Action) -> String {
    let first_line = |text: &Text| {
        let text = text.to_string();
        text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
    };
    let name = match action {
        Action::Run(run) => format!("Run {}", first_line(&run.script)),
        Action::Script(script) => format!("Run {}", script.path),
        Action::Upload(upload) => format!("Upload {} to {}", upload.from, upload.to),
        Action::Download(download) => format!("Download {}", download.from),
        Action::Reboot(_) => "Reboot".to_owned(),
        Action::Local(local) => format!("Run locally {}", first_line(&local.script)),
        Action::Uses(uses) => format!("Run {}", uses.file),
    };
    short(name)
}

/// A name at a length that fits a line.
fn short(name: String) -> String {
    if name.chars().count() <= LONGEST_DEFAULT_NAME {
        return name;
    }
    let mut short: String = name.chars().take(LONGEST_DEFAULT_NAME - 1).collect();
    short.push('…');
    short
}
