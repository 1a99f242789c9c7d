//! The forms for programs, and where they go.

use insta::assert_snapshot;

use crate::project::Project;

const WRONG: &str = "name: web\nplatforms: { q: { builder: qemu, source: { debian: a } } }\nstep: [100%]\n";

/// A definition in a folder of a repository, as monorepos have them.
fn nested() -> Project {
    Project::new("").file("images/web/ovenbird.yml", WRONG)
}

#[test]
fn github_gets_commands_with_paths_from_the_repository_s_root() {
    let ran = nested().run(&["validate", "images/web/ovenbird.yml", "--format", "github"]);
    assert_snapshot!(ran.stdout, @"::error file=images/web/ovenbird.yml,line=3,col=1,endLine=3,endColumn=5,title=unknown-key::a definition has no key `step`%0Ahelp: did you mean `steps`?%0Ahelp: known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`%0Amore: ovenbird explain unknown-key");
    assert_snapshot!(ran.stderr, @"`images/web/ovenbird.yml` has 1 error.");
    assert_eq!(ran.status, 2);
}

#[test]
fn a_program_gets_a_document_with_a_version_also_when_nothing_is_wrong() {
    let ran = nested().run(&["validate", "images/web/ovenbird.yml", "--format", "json"]);
    assert_snapshot!(ran.stdout, @r#"
    {
      "version": 1,
      "valid": false,
      "diagnostics": [
        {
          "rule": "unknown-key",
          "severity": "error",
          "message": "a definition has no key `step`",
          "place": {
            "file": "images/web/ovenbird.yml",
            "line": 3,
            "column": 1,
            "end-line": 3,
            "end-column": 5,
            "route": "step"
          },
          "related": [],
          "help": [
            "did you mean `steps`?",
            "known keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`"
          ]
        }
      ]
    }
    "#);
    assert_eq!(ran.status, 2);
    let ran = Project::with("steps: []\n").run(&["validate", "--format", "json"]);
    assert_snapshot!(ran.stdout, @r#"
    {
      "version": 1,
      "valid": true,
      "diagnostics": []
    }
    "#);
    assert_eq!(ran.status, 0);
}

#[test]
fn code_scanning_gets_results_whose_rules_explain_themselves() {
    let ran = nested().run(&["validate", "images/web/ovenbird.yml", "--format", "sarif"]);
    let log: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let result = &log["runs"][0]["results"][0];
    assert_snapshot!(format!("{result:#}"), @r#"
    {
      "ruleId": "unknown-key",
      "level": "error",
      "message": {
        "text": "a definition has no key `step`\ndid you mean `steps`?\nknown keys: `name`, `version`, `ovenbird`, `variables`, `strategy`, `platforms`, `env`, `defaults`, `steps`, `outputs`, `tests`"
      },
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "images/web/ovenbird.yml"
            },
            "region": {
              "startLine": 3,
              "startColumn": 1,
              "endLine": 3,
              "endColumn": 5
            }
          }
        }
      ],
      "ruleIndex": 5
    }
    "#);
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    let rule = &log["runs"][0]["tool"]["driver"]["rules"][index];
    assert_eq!(rule["id"], result["ruleId"]);
    assert!(rule["help"]["markdown"].as_str().unwrap().contains("Wrong:"));
    assert_eq!(ran.status, 2);
}

#[test]
fn a_script_s_file_has_its_path_from_the_root_too() {
    let project = Project::new("").file("images/setup.sh", "fi\n").file(
        "images/ovenbird.yml",
        "name: web\nplatforms: { q: { builder: qemu, source: { debian: a } } }\nsteps: [{ script: setup.sh }]\n",
    );
    let ran = project.run(&["validate", "images/ovenbird.yml", "--format", "github"]);
    assert_snapshot!(ran.stdout, @"::error file=images/setup.sh,line=1,col=1,endLine=1,endColumn=3,title=script-syntax::the script is not valid bash: syntax error near unexpected token `fi`%0Arun here: images/ovenbird.yml:3:19%0Anote: in the job `q`%0Amore: ovenbird explain script-syntax");
}

#[test]
fn on_github_every_command_annotates_what_is_wrong_with_a_definition() {
    let project = nested();
    let file = "images/web/ovenbird.yml";
    let commands: [&[&str]; 5] = [
        &["validate", file],
        &["plan", "-f", file],
        &["build", "-f", file],
        &["collect", "-f", file],
        &["eval", "-f", file, "--", "matrix"],
    ];
    for arguments in commands {
        let ran = project.run_on_github(arguments);
        let told: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("::")).collect();
        assert_eq!(told.len(), 1, "{arguments:?}: {}", ran.stderr);
        assert!(told[0].starts_with("::error file=images/web/ovenbird.yml,line=3,"), "{arguments:?}: {}", told[0]);
        assert!(ran.stderr.contains("error[unknown-key]"), "people read on: {}", ran.stderr);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!project.run(arguments).stderr.contains("::error"), "elsewhere nobody obeys it");
    }
}

#[test]
fn on_github_an_error_that_ends_a_command_is_one_annotation() {
    let project = Project::with("steps: []\n");
    let hostile = "a\n::warning::b\r##[error]c";
    let ran = project.run_on_github(&["build", "--file", hostile]);
    assert_snapshot!(ran.stderr, @"::error title=ovenbird::failed to read the definition `a%0A::warning::b%0A## [error]c`: No such file or directory (os error 2)%0Ahint: run it in the folder of the definition, or name the file with --file");
    assert_eq!(ran.status, 2);
    let ran = project.run_on_github(&["build", "--max-parallel", hostile]);
    assert_eq!((ran.stderr.lines().count(), ran.status), (1, 2), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("::error title=ovenbird::invalid value 'a%0A"), "{}", ran.stderr);
}

#[test]
fn text_that_quotes_commands_to_a_runner_commands_nothing() {
    let ran = Project::with("steps: []\n\"##[error]x\": 1\n").run(&["validate"]);
    assert!(ran.stderr.contains("## [error]x") && !ran.stderr.contains("##["), "{}", ran.stderr);
    let ran = Project::new("").run(&["plan", "--file", "a\n::error::b##[error]c"]);
    assert!(ran.stderr.lines().all(|line| !line.starts_with("::")), "{}", ran.stderr);
    assert!(!ran.stderr.contains("##["), "{}", ran.stderr);
}
