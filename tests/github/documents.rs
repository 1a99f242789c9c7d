//! The workflows of `docs/security.md`, judged by GitHub's schema and by zizmor, which looks for what is dangerous.

use std::path::PathBuf;
use std::process::Command;

/// A tool of Python's that `scripts/setup.sh test` installs.
fn tool(name: &str) -> Command {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let program = home.join(format!(".cache/ovenbird/tools/{name}/bin/{name}"));
    assert!(program.is_file(), "the PyPI package {name} is not installed: `scripts/setup.sh test` installs it");
    Command::new(program)
}

/// Every YAML block that opens with its path, as path and text.
fn workflows() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md")).unwrap();
    let blocks = text.split("```yaml\n# ").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.map(|block| block.split_once('\n').unwrap()).map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
}

#[track_caller]
fn expect_approval(mut command: Command) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

#[test]
fn the_workflows_of_the_security_page_are_valid_and_nothing_in_them_is_dangerous() {
    let folder = tempfile::tempdir().unwrap();
    let workflows = workflows();
    assert_eq!(workflows.len(), 2, "{workflows:?}");
    let mut schema = tool("check-jsonschema");
    schema.args(["--builtin-schema", "vendor.github-workflows"]);
    for (path, text) in &workflows {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        schema.arg(path);
    }
    expect_approval(schema);
    let mut zizmor = tool("zizmor");
    zizmor.args(["--offline", "--no-progress", "--collect=all"]).arg(folder.path());
    expect_approval(zizmor);
}
