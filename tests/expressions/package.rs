//! GitHub's npm package `@actions/expressions`, in one node process that answers case by case.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use super::generator::Case;

/// The package, running. It ends when its standard input does.
pub(crate) struct Package {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Package {
    /// # Panics
    /// node or the package is missing: then there is nothing to compare with, which is no success.
    pub(crate) fn start() -> Self {
        let home = std::env::var("HOME").expect("HOME is set");
        let folder = PathBuf::from(home).join(".cache/ovenbird/test/expressions");
        let installed = folder.join("node_modules/@actions/expressions");
        assert!(
            installed.is_dir(),
            "`{}` is not there: run `scripts/setup.sh test`, which installs the npm package @actions/expressions",
            installed.display()
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expressions/evaluate.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`node` can be started: run `scripts/setup.sh test`, which installs nodejs");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        Self { child, input, output }
    }

    /// The encoded value, or the error's message.
    pub(crate) fn evaluate(&mut self, case: &Case) -> Result<Json, String> {
        let line = json!({ "expr": case.text, "contexts": case.contexts }).to_string();
        // node's reader takes these for ends of a line.
        let line = line.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
        let input = self.input.as_mut().expect("it is open until it is dropped");
        writeln!(input, "{line}").and_then(|()| input.flush()).expect("node reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("node answers");
        let mut answer: Json = serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("node ended or wrote no JSON ({error}) for {line}"));
        match answer.get("error").and_then(Json::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].take()),
        }
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
