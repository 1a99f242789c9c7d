//! `steps`, `env` and `defaults`: what is done in the machine.

use std::sync::LazyLock;

use super::decode::{Decoder, Keys, Node, Site, Table, syntax_error};
use super::language::{self, ACTIONS, BELONGS, LATER_ACTIONS};
use super::model::{Action, Condition, Defaults, EnvVar, Problem, Step};
use super::{scalar, uses, variable};
use crate::diagnostic::{Diagnostic, Label};
use crate::expression::template::{self, Part};
use crate::expression::{self, Expr, Value};
use crate::source::{Place, Route};

static STEP: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Step>);
static RETRY: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Retry>);
static REBOOT: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Reboot>);
static DEFAULTS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Defaults>);
static DEFAULTS_RUN: LazyLock<Keys> = LazyLock::new(Keys::of::<language::DefaultsRun>);

pub(super) fn defaults(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Defaults> {
    let table = decoder.table(node, &DEFAULTS)?;
    let run = decoder.table(&table.get("run")?, &DEFAULTS_RUN)?;
    let shell = decoder.optional(&run, "shell", Site::Plain, scalar::shell);
    let working_directory = decoder.optional(&run, "working-directory", Site::Plain, scalar::guest_path);
    Some(Defaults { shell, working_directory })
}

/// An `env`: of the definition, or of a step.
pub(super) fn env(decoder: &mut Decoder<'_>, node: &Node<'_>, site: Site) -> Vec<EnvVar> {
    let mut env = Vec::new();
    for (name, node) in decoder.entries(node, "`env`").unwrap_or_default() {
        if !variable::is_environment_name(name) {
            decoder.push(bad_environment_name(name, Place::Key(node.route.clone())));
        }
        if let Some(value) = decoder.text(&node, site) {
            env.push(EnvVar { name: name.to_owned(), value });
        }
    }
    env
}

pub(super) fn steps(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, node) in decoder.items(node, "`steps`").unwrap_or_default().iter().enumerate() {
        decoder.step = Some(index);
        if let Some(step) = step(decoder, node) {
            unique_id(decoder, &steps, &step);
            steps.push(step);
        }
    }
    decoder.step = None;
    steps
}

fn unique_id(decoder: &mut Decoder<'_>, before: &[Step], step: &Step) {
    let Some(id) = &step.id else { return };
    let same = |other: &&Step| other.id.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(id));
    if let Some(first) = before.iter().find(same) {
        let diagnostic = Diagnostic::error("conflict", format!("two steps have the id `{id}`"))
            .label(Label::new(Place::Value(step.route.key("id"))).text("here again"))
            .label(Label::new(Place::Value(first.route.key("id"))).text("first here"));
        decoder.push(diagnostic);
    }
}

fn step(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Step> {
    if let Some(text) = node.value.as_str() {
        let place = Place::Value(node.route.clone());
        let diagnostic = Diagnostic::error("wrong-type", "expected a step, a mapping, found a text").at(place);
        let line = text.lines().next().unwrap_or("…");
        decoder.push(match ACTIONS.iter().find_map(|key| Some((key, line.strip_prefix(key)?.strip_prefix(':')?))) {
            Some((key, rest)) => diagnostic.help(format!("write a space after the colon: `{key}: {rest}`")),
            None => diagnostic.help(format!("to run it in the guest, write `run: {line}`")),
        });
        return None;
    }
    let table = decoder.table(node, &STEP)?;
    let action = action_key(decoder, &table);
    check_belongs(decoder, &table, action);
    let action = action.and_then(|key| decode_action(decoder, &table, key));
    let id = table.get("id").and_then(|node| decoder.literal(&node, id));
    let name = decoder.optional(&table, "name", Site::Plain, scalar::line);
    let condition = table.find("if").and_then(|node| condition(decoder, &node));
    let env = table.get("env").map(|node| env(decoder, &node, Site::StepEnv)).unwrap_or_default();
    let shell = decoder.optional(&table, "shell", Site::Plain, scalar::shell);
    // On this machine a folder of the repository, in the guest an absolute path.
    let local = table.find("local").is_some();
    let directory = if local { scalar::local_path } else { scalar::guest_path };
    let working_directory = decoder.optional(&table, "working-directory", Site::Plain, directory);
    let timeout = decoder.optional(&table, "timeout-minutes", Site::Plain, scalar::minutes);
    let retry = table.get("retry").and_then(|node| decoder.table(&node, &RETRY));
    let attempts = retry.as_ref().and_then(|table| {
        let node = decoder.require(table, "attempts", &RETRY)?;
        decoder.field(&node, Site::Plain, scalar::attempts)
    });
    let delay = retry.as_ref().and_then(|table| decoder.optional(table, "delay", Site::Plain, scalar::delay));
    let continue_on_error = decoder.optional(&table, "continue-on-error", Site::Plain, scalar::boolean);
    Some(Step {
        route: node.route.clone(),
        id,
        name,
        condition,
        env,
        shell,
        working_directory,
        timeout,
        attempts,
        delay,
        continue_on_error,
        action: action?,
    })
}

fn id(value: &Value) -> Result<String, Problem> {
    let id = scalar::line(value)?;
    if !variable::is_name(&id) {
        return Err(Problem::new(format!("`{id}` is no id of a step"))
            .help("an id begins with a letter or `_`, and has letters, digits, `_` and `-` only"));
    }
    Ok(id)
}

/// The one key that says what the step does.
fn action_key(decoder: &mut Decoder<'_>, table: &Table<'_>) -> Option<&'static str> {
    let mut there = ACTIONS.into_iter().filter(|key| table.find(key).is_some());
    let Some(first) = there.next() else {
        // That a later version has it was said already, or which key was meant.
        let is_later = LATER_ACTIONS.iter().any(|key| table.find(key).is_some());
        if !is_later && !ACTIONS.iter().any(|key| table.means(key, &STEP)) {
            let list: Vec<String> = ACTIONS.iter().map(|key| format!("`{key}`")).collect();
            let place = Place::Value(table.route.clone());
            let diagnostic = Diagnostic::error("missing-key", "the step does nothing").at(place);
            decoder.push(diagnostic.help(format!("give it one of the keys {}", list.join(", "))));
        }
        return None;
    };
    for second in there {
        let message = format!("a step can't have both `{first}` and `{second}`");
        let diagnostic = Diagnostic::error("conflict", message)
            .at(Place::Key(table.route.key(second)))
            .label(Label::new(Place::Key(table.route.key(first))));
        decoder.push(diagnostic.help("make two steps of it"));
    }
    Some(first)
}

fn check_belongs(decoder: &mut Decoder<'_>, table: &Table<'_>, action: Option<&'static str>) {
    let Some(action) = action else { return };
    for (key, actions) in BELONGS {
        if !actions.contains(&action) && table.find(key).is_some() {
            let list: Vec<String> = actions.iter().map(|action| format!("`{action}`")).collect();
            let message = format!("`{key}` has no effect on `{action}`");
            let diagnostic = Diagnostic::error("conflict", message).at(Place::Key(table.route.key(key)));
            decoder.push(diagnostic.help(format!("it belongs to {}", list.join(", "))));
        }
    }
}

fn decode_action(decoder: &mut Decoder<'_>, table: &Table<'_>, key: &'static str) -> Option<Action> {
    let node = table.find(key)?;
    if matches!(node.value, serde_yaml::Value::Sequence(_)) {
        decoder.push(list_of_actions(key, &node));
        return None;
    }
    match key {
        "run" => script_text(decoder, &node, Site::Script).map(Action::Run),
        "local" => script_text(decoder, &node, Site::Local).map(Action::Local),
        "script" => {
            let path = decoder.field(&node, Site::Plain, scalar::local_path);
            let args = table.get("args").and_then(|node| decoder.items(&node, "`args`")).unwrap_or_default();
            let args = args.iter().filter_map(|node| decoder.text(node, Site::Script)).collect();
            Some(Action::Script { path: path?, args })
        }
        "upload" => {
            let from = decoder.field(&node, Site::Plain, scalar::local_path);
            let to = target(decoder, table, key);
            let to = decoder.required(to, &table.route.key("to"), Site::Plain, scalar::guest_path);
            let owner = decoder.optional(table, "owner", Site::Plain, scalar::owner);
            let mode = decoder.optional(table, "mode", Site::Plain, scalar::mode);
            Some(Action::Upload { from: from?, to, owner, mode })
        }
        "download" => {
            let from = decoder.field(&node, Site::Plain, scalar::guest_path);
            let to = target(decoder, table, key).and_then(|node| decoder.field(&node, Site::Plain, scalar::local_path));
            Some(Action::Download { from: from?, to: to? })
        }
        "uses" => {
            let with = table.get("with").map(|node| uses::with(decoder, &node)).unwrap_or_default();
            Some(Action::Uses { file: uses::named_file(decoder, &node)?, with })
        }
        _ => {
            if !node.value.is_null() {
                decoder.table(&node, &REBOOT)?;
            }
            Some(Action::Reboot)
        }
    }
}

/// An action with a list, as `script` has in GitLab.
fn list_of_actions(key: &str, node: &Node<'_>) -> Diagnostic {
    let help = match key {
        "run" | "local" => format!("write one text, with a line for each command after `{key}: |`"),
        "script" => "`script` names one file; to run commands, write `run: |` and a line for each".to_owned(),
        _ => "make a step of each".to_owned(),
    };
    let message = format!("expected one text in `{key}`, found a list");
    Diagnostic::error("wrong-type", message).at(Place::Value(node.route.clone())).help(help)
}

fn bad_environment_name(name: &str, place: Place) -> Diagnostic {
    let message = format!("`{name}` is no name of an environment variable");
    let help = "a name has letters, digits and `_` only, and does not begin with a digit";
    Diagnostic::error("bad-name", message).at(place).help(help)
}

/// The `to` of a transfer.
fn target<'a>(decoder: &mut Decoder<'_>, table: &Table<'a>, action: &str) -> Option<Node<'a>> {
    let node = table.get("to");
    if node.is_none() {
        let message = format!("`{action}` needs the key `to`");
        let help = match action {
            "upload" => "say where in the guest it goes, such as `to: /srv/www`",
            _ => "say where on this machine it goes, such as `to: logs/`",
        };
        let place = Place::Key(table.route.key(action));
        decoder.push(Diagnostic::error("missing-key", message).at(place).help(help));
    }
    node
}

fn script_text(decoder: &mut Decoder<'_>, node: &Node<'_>, site: Site) -> Option<super::model::TextField> {
    if node.value.is_null() || node.value.as_str().is_some_and(|text| text.trim().is_empty()) {
        let diagnostic = Diagnostic::error("bad-value", "there is nothing to run").at(Place::Value(node.route.clone()));
        decoder.push(diagnostic.help("write a command, or `|` and a line below for each of several"));
        return None;
    }
    decoder.text(node, site)
}

/// An `if:`: an expression, with or without `${{ }}` around.
fn condition(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Condition> {
    let route = node.route.clone();
    match decoder.value(node)? {
        Value::String(text) => {
            let (expr, offset) = condition_expression(decoder, &text, &route)?;
            decoder.note(&expr, &route, Site::Condition, offset);
            Some(Condition { route, expr, offset })
        }
        value @ (Value::Bool(_) | Value::Number(_)) => Some(Condition { route, expr: Expr::literal(value), offset: 0 }),
        value => {
            let problem = Problem::new(format!("expected an expression, found {}", scalar::describe(&value)));
            decoder.problem(problem.help("to run the step always, leave `if` out or write `if: always()`"), &route);
            None
        }
    }
}

fn condition_expression(decoder: &mut Decoder<'_>, text: &str, route: &Route) -> Option<(Expr, usize)> {
    let trimmed = text.trim();
    let offset = text.len() - text.trim_start().len();
    if trimmed.is_empty() {
        let problem = Problem::new("expected an expression, found an empty text");
        decoder.problem(problem.help("leave `if` out to run the step whenever the ones before succeeded"), route);
        return None;
    }
    if !trimmed.contains("${{") {
        return match expression::parse(trimmed) {
            Ok(expr) => Some((expr, offset)),
            Err(error) => {
                decoder.push(syntax_error(&error, route, offset));
                None
            }
        };
    }
    let template = template::parse(trimmed).map_err(|error| decoder.push(syntax_error(&error, route, offset))).ok()?;
    match template.parts.as_slice() {
        [Part::Expression { expr, .. }] => Some((expr.clone(), offset)),
        _ => {
            // GitHub makes a text of it, which is true whatever the expression says.
            let problem = Problem::new("`if` has text around its `${{ }}`, so it would always be true");
            decoder.problem(problem.help("write the whole condition as one expression, without `${{ }}`"), route);
            None
        }
    }
}
