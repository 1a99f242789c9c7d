//! The double, started and asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The commit that checks are for.
pub(crate) const SHA: &str = "83a20ec058e2fb00e7fa4558c4c6e81e2dcf253d";

/// A server of its own for a test; ends with it.
pub(crate) struct GitHub {
    child: Child,
    port: u16,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl GitHub {
    pub(crate) fn start(config: &Value) -> Self {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let folder = home.join(".cache/ovenbird/test/github");
        assert!(
            folder.join("operations.json").is_file() && folder.join("node_modules/ajv").is_dir(),
            "the npm packages @octokit/openapi and ajv are not installed: `scripts/setup.sh test` installs them"
        );
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/github/server.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(&folder).arg(config.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("node does not start ({error}): it is the package nodejs, and `scripts/setup.sh test` installs it")
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                requests.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, seen }
    }

    /// What a step of a workflow finds in its environment.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let api = format!("http://127.0.0.1:{}", self.port);
        let pairs = [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", &api),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "octo/web"),
            ("GITHUB_RUN_ID", "1658821493"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_SHA", SHA),
            ("GITHUB_TOKEN", "ghs_0123456789"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// All check runs that there are, once every request was found to be as GitHub describes it.
    pub(crate) fn check_runs(&self) -> Vec<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /state HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        for request in self.requests() {
            assert_eq!(request["invalid"], Value::Null, "{request}");
        }
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests wanted to change something.
    pub(crate) fn writes(&self) -> usize {
        self.requests().iter().filter(|request| request["method"] != "GET").count()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        // It has nothing to clean up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of an answer to a request that Ovenbird would not make.
fn status(github: &GitHub, method: &str, path: &str, body: &Value) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", github.port)).unwrap();
    let body = body.to_string();
    let head = format!("{method} {path} HTTP/1.0\r\nAuthorization: Bearer t\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_double_takes_nothing_that_github_would_not() {
    let github = GitHub::start(&json!({}));
    let new = "/repos/octo/web/check-runs";
    let annotation =
        |level: &str| json!({ "path": "a", "start_line": 1, "end_line": 1, "annotation_level": level, "message": "m" });
    let output = |summary: usize, annotations: Vec<Value>| {
        let output = json!({ "title": "t", "summary": "x".repeat(summary), "annotations": annotations });
        json!({ "output": output })
    };
    assert_eq!(status(&github, "POST", new, &json!({ "name": "a", "head_sha": SHA })), 201);
    let changed = |body: &Value| status(&github, "PATCH", "/repos/octo/web/check-runs/1", body);
    assert_eq!(changed(&output(65_535, vec![annotation("failure"); 50])), 200);
    for wrong in [
        output(65_536, vec![]),
        output(1, vec![annotation("failure"); 51]),
        output(1, vec![annotation("error")]),
        json!({ "output": { "title": "t" } }),
        json!({ "status": "completed" }),
        json!({ "conclusion": "broken" }),
        json!({ "check_run_id": 1 }),
    ] {
        assert_eq!(changed(&wrong), 422, "{}", wrong.to_string().get(..80).unwrap_or_default());
    }
    assert_eq!(status(&github, "POST", new, &json!({ "name": "a" })), 422);
    assert_eq!(status(&github, "DELETE", new, &json!({})), 404);
}
