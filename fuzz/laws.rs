//! What must hold for every text, whoever wrote it. Shared by the fuzz targets and by `tests/fuzz_seeds.rs`, which holds
//! the seeds to it in every test run.
//!
//! A law that is broken panics.

use ovenbird::definition::{self, Wanted};
use ovenbird::expression::{Environment, Object, Value, evaluate, parse, template};

/// A definition is loaded, or every mistake in it can be shown.
pub(crate) fn definition(text: &str) {
    load("ovenbird.yml", text, "");
}

/// A workflow of GitHub gives a matrix, or every mistake in it can be shown.
pub(crate) fn github_workflow(text: &str) {
    load("ovenbird.yml", &with_matrix_from(".github/workflows/images.yml"), text);
}

/// A CI file of GitLab gives a matrix, or every mistake in it can be shown. Files that it includes are the file itself.
pub(crate) fn gitlab_ci(text: &str) {
    load("ovenbird.yml", &with_matrix_from(".gitlab-ci.yml"), text);
}

fn with_matrix_from(file: &str) -> String {
    format!(
        "name: web\nstrategy: {{ from: {file}, job: build }}\n\
         platforms: {{ qemu: {{ builder: qemu, source: {{ debian: trixie }} }} }}\nsteps: [{{ run: 'true' }}]\n"
    )
}

fn load(name: &str, text: &str, named: &str) {
    let read = |_: &Wanted<'_>| Ok(named.to_owned());
    if let Err(report) = definition::load(name, text, &read) {
        assert!(!report.diagnostics.is_empty(), "refused without a reason");
        assert!(!report.render(false).is_empty());
    }
}

/// An expression's canonical text is the same expression; its places are places in the text; it has a value or an error;
/// and what is known ahead of time does not change the value.
pub(crate) fn expression(text: &str) {
    if let Ok(template) = template::parse(text) {
        let _ = template.evaluate(&Contexts::new());
    }
    let expr = match parse(text) {
        Ok(expr) => expr,
        Err(error) => return assert!(text.get(error.span.clone()).is_some(), "{error:?}"),
    };
    let canonical = expr.to_string();
    // The canonical text may be the longer one, and too long to be read.
    match parse(&canonical) {
        Ok(again) => assert_eq!(again, expr, "{canonical}"),
        Err(error) => assert!(error.message.contains("length"), "{canonical}: {error}"),
    }
    for reference in expr.references() {
        assert!(text.get(reference.span).is_some());
    }
    let contexts = Contexts::new();
    let value = evaluate(&expr, &contexts);
    if let (Ok(value), Ok(folded)) = (value, expr.fold(&contexts)) {
        assert_eq!(folded.as_literal(), Some(value), "{canonical}");
    }
}

struct Contexts(Object);

impl Contexts {
    fn new() -> Self {
        let list: Value =
            vec![Value::Null, Value::from(2.5), Value::from("x"), Value::from(vec![Value::from(true)])].into();
        let inner: Object = [("b", list.clone()), ("C-d", Value::from("{0} é"))].into_iter().collect();
        let pairs = [("a", Value::Object(inner)), ("list", list), ("s", Value::from("text")), ("n", Value::from(-0.0))];
        Self(pairs.into_iter().collect())
    }
}

impl Environment for Contexts {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn call(&self, name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "hashFiles" => Some(Err("there are no files".to_owned())),
            _ => Some(Ok(Value::Bool(name == "success"))),
        }
    }
}
