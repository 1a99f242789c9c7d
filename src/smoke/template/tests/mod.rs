//! The language and its functions, as tables. What Go answers is from the documentation and the test tables of
//! `text/template` and `fmt`; what Sprig answers, from its documentation.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod errors;
mod functions;
mod language;
mod limits;
mod lines;
mod properties;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Data, Host, Rendered, TemplateError, Value};

/// A world with one file and one moment.
pub(super) struct World;

impl Host for World {
    fn read(&self, path: &str) -> Result<String, String> {
        if path == "motd" { Ok("  hello\n".to_owned()) } else { Err("no such file or directory".to_owned()) }
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_136_214_245, 0).unwrap()
    }
}

pub(super) fn data() -> Data {
    let vars = json!({
        "name": "web", "count": 3, "zero": 0, "ratio": 1.5, "on": true, "off": false, "empty": "", "none": null,
        "list": ["a", "b", "c"], "nothing": [],
        "map": {"b": 2, "a": 1}, "deep": {"er": {"still": "here"}},
        "OS": {"packages": {"nginx": "1.2", "apache2": "2.4"}},
        "users": [{"name": "root", "uid": 0}, {"name": "bin", "uid": 1}],
    });
    let vars = vars.as_object().unwrap().iter().map(|(name, value)| (name.clone(), Value::from_yaml(value)));
    let env = [("OS", "OS"), ("HOME", "/root"), ("EMPTY", "")];
    let env: BTreeMap<_, _> = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Data { vars: vars.collect(), env }
}

pub(super) fn render(source: &str) -> Result<Rendered, TemplateError> {
    super::render("goss.yaml", source, &data(), &World)
}

/// Templates and what they write.
fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        match render(source) {
            Ok(rendered) => assert_eq!(rendered.text, *expected, "{source}"),
            Err(error) => panic!("{source}: {error}"),
        }
    }
}

/// Templates and what is wrong with them.
fn refuse(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        match render(source) {
            Ok(rendered) => panic!("{source}: rendered as {:?}", rendered.text),
            Err(error) => assert_eq!(error.to_string(), *expected, "{source}"),
        }
    }
}
