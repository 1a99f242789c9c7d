//! `ovenbird eval`: the value of an expression, or of one a line.
//!
//! The contexts are those of a job of the definition, or what `--contexts` gives instead. An expression that names none
//! needs neither.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};

use super::exit::{Exit, Wrong};
use super::hash_files::HashFiles;
use super::load::{self, DEFINITION};
use crate::definition;
use crate::diagnostic::{self, Diagnostic};
use crate::expression::{
    Environment, EvalError, Expr, Object, SyntaxError, Template, Value, evaluate, parse, template,
};
use crate::source::{FileId, Place, Sources};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The expression, with or without ${{ }}; without one, each line of standard input is one
    #[arg(value_name = "EXPR", last = true)]
    expr: Option<String>,
    /// Contexts as a JSON object, or @FILE with one, instead of those of the definition
    #[arg(long, value_name = "JSON|@FILE", conflicts_with_all = ["file", "vars", "var_file", "job", "matrix", "cell"])]
    contexts: Option<String>,
    /// The definition whose contexts are loaded; ovenbird.yml if it is there
    #[arg(short, long, value_name = "FILE")]
    file: Option<Utf8PathBuf>,
    /// Give a variable a value; the last one wins
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = load::pair)]
    vars: Vec<(String, String)>,
    /// A YAML file of variables; --var wins over it
    #[arg(long, value_name = "FILE")]
    var_file: Vec<Utf8PathBuf>,
    /// The job whose contexts are loaded; the first of the plan when none is named
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    #[command(flatten)]
    matrix: load::MatrixArgs,
}

impl Args {
    /// Whether something is said of the contexts: it has to be right, whatever the expression needs.
    fn says_contexts(&self) -> bool {
        let of_definition = self.job.is_some() || !self.vars.is_empty() || !self.var_file.is_empty();
        self.contexts.is_some() || of_definition || self.matrix.is_given()
    }
}

pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    match &args.expr {
        Some(text) => {
            // What names no context has the same value with and without a definition, even with one that is wrong.
            let needs_contexts = args.says_contexts() || read(text).is_ok_and(|expression| expression.needs_contexts());
            let contexts = if needs_contexts { contexts(args, colour)? } else { Some(Object::new()) };
            let Some(contexts) = contexts else { return Ok(Exit::Wrong) };
            answer(text, &Situation::new(args, contexts)?, colour)
        }
        None => {
            let Some(contexts) = contexts(args, colour)? else { return Ok(Exit::Wrong) };
            prompt(&Situation::new(args, contexts)?, colour)
        }
    }
}

/// The contexts; none: what is wrong with the definition was told.
fn contexts(args: &Args, colour: bool) -> anyhow::Result<Option<Object>> {
    if let Some(given) = &args.contexts {
        return Ok(Some(given_contexts(given)?));
    }
    let is_named = args.file.is_some() || args.says_contexts();
    let file = args.file.clone().unwrap_or_else(|| DEFINITION.into());
    if !is_named && !file.exists() {
        return Ok(Some(Object::new()));
    }
    let (vars, var_file, matrix) = (args.vars.clone(), args.var_file.clone(), args.matrix.clone());
    let planning = load::Planning { file, vars, var_file, only: None, matrix };
    load::contexts(&planning, args.job.as_deref(), colour)
}

fn given_contexts(given: &str) -> Result<Object, Wrong> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(Utf8Path::new(file))
            .map_err(|error| Wrong::new(format!("failed to read the contexts `{file}`: {error}")))?,
        None => given.to_owned(),
    };
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Wrong::new(format!("`--contexts` is not JSON: {error}")))?;
    let wrong = || Wrong::new("`--contexts` is no JSON object").hint(r#"give names and values, such as {"matrix":{}}"#);
    json.as_object().map(Object::from).ok_or_else(wrong)
}

/// The contexts, and the status functions of a job in which all went well so far.
struct Situation {
    contexts: Object,
    files: HashFiles,
}

impl Situation {
    /// `hashFiles` begins at the folder of the definition, also where there is none.
    fn new(args: &Args, contexts: Object) -> anyhow::Result<Self> {
        let file = args.file.as_deref().unwrap_or(Utf8Path::new(DEFINITION));
        let folder = file.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
        let root = folder.canonicalize_utf8().with_context(|| format!("failed to find `{folder}`"))?;
        Ok(Self { contexts, files: HashFiles::new(&root) })
    }
}

impl Environment for Situation {
    fn context(&self, name: &str) -> Option<Value> {
        self.contexts.get(name).cloned()
    }

    fn call(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "hashFiles" => {
                let patterns: Vec<String> = args.iter().map(Value::to_string).collect();
                Some(self.files.hash(&patterns).map(Value::String))
            }
            "success" | "always" => Some(Ok(Value::Bool(true))),
            "failure" | "cancelled" => Some(Ok(Value::Bool(false))),
            _ => None,
        }
    }
}

/// An expression alone, or a text with some in it.
enum Expression {
    Bare(Expr),
    Template(Template),
}

fn read(text: &str) -> Result<Expression, SyntaxError> {
    if text.contains("${{") {
        template::parse(text).map(Expression::Template)
    } else {
        parse(text).map(Expression::Bare)
    }
}

impl Expression {
    fn parts(&self) -> Vec<&Expr> {
        match self {
            Self::Bare(expr) => vec![expr],
            Self::Template(template) => template.expressions().collect(),
        }
    }

    fn needs_contexts(&self) -> bool {
        self.parts().iter().any(|expr| !expr.references().is_empty())
    }

    fn evaluate(&self, environment: &dyn Environment) -> Result<Value, EvalError> {
        match self {
            Self::Bare(expr) => evaluate(expr, environment),
            Self::Template(template) => template.evaluate(environment),
        }
    }
}

/// The value of a text, or what is wrong with it.
fn value(text: &str, situation: &Situation) -> Result<Value, Diagnostic> {
    let diagnostic =
        |message: String, span| Diagnostic::error("expression", message).at(Place::Bytes(FileId::default(), span));
    let expression = read(text).map_err(|error| {
        let help = definition::hint(&error);
        let wrong = diagnostic(error.message, error.span);
        match help {
            Some(help) => wrong.help(help),
            None => wrong,
        }
    })?;
    // GitHub refuses a name that it does not know also where it would not be evaluated.
    for reference in expression.parts().into_iter().flat_map(Expr::references) {
        if situation.context(&reference.context).is_none() {
            let start = reference.span.start;
            let span = start..(start + reference.context.len()).min(reference.span.end);
            let message = format!("unrecognized named-value `{}`", reference.context);
            let unknown = diagnostic(message, span);
            return Err(if is_late(&reference.context) {
                unknown.help("it is known only while a job runs, or in a step file: give values for it by `--contexts`")
            } else if situation.contexts.is_empty() {
                unknown.help(format!("there are no contexts here: give `--contexts`, or run it beside `{DEFINITION}`"))
            } else {
                unknown.nearest(&reference.context, "contexts", situation.contexts.keys())
            });
        }
    }
    expression.evaluate(situation).map_err(|error| diagnostic(error.message, error.span))
}

/// Whether a context is one of those that a definition can name, and that no plan holds.
fn is_late(context: &str) -> bool {
    ["steps", "runner", "inputs"].iter().any(|late| late.eq_ignore_ascii_case(context))
}

/// Prints the value, or what is wrong.
#[expect(clippy::print_stderr, reason = "diagnostics are talk")]
fn answer(text: &str, situation: &Situation, colour: bool) -> anyhow::Result<Exit> {
    match value(text, situation) {
        Ok(value) => match writeln!(std::io::stdout(), "{}", value.to_json()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(error).context("failed to write the value")
            }
            _ => Ok(Exit::Done),
        },
        Err(diagnostic) => {
            // Not to be read as YAML: whatever it is as such, it is a text that can be pointed into.
            let (sources, _) = Sources::parse("expression", text);
            eprintln!("{}", diagnostic::render(&[diagnostic], &sources, colour));
            Ok(Exit::Wrong)
        }
    }
}

/// Answers line by line. People see their mistakes and go on; a script's exit status is that of its worst line.
#[expect(clippy::print_stderr, reason = "a prompt is talk")]
fn prompt(situation: &Situation, colour: bool) -> anyhow::Result<Exit> {
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal {
        let names: Vec<&str> = situation.contexts.keys().collect();
        let contexts = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
        eprintln!("Contexts: {contexts}. An expression a line; Ctrl-D ends.");
    }
    let mut worst = Exit::Done;
    let mut lines = std::io::stdin().lock().lines();
    loop {
        if is_terminal {
            eprint!("> ");
        }
        let Some(line) = lines.next() else { break };
        let line = line.map_err(|error| Wrong::new(format!("failed to read standard input: {error}")))?;
        if !line.trim().is_empty() && answer(&line, situation, colour)? == Exit::Wrong && !is_terminal {
            worst = Exit::Wrong;
        }
    }
    if is_terminal {
        eprintln!();
    }
    Ok(worst)
}
