//! Goss files that a definition names: what jobs get of them, and where mistakes are told.

use serde_json::Value;

use crate::project::Project;

/// The plan as JSON. What people read goes to the test's own output.
fn plan(project: &Project, environment: &[(&str, &str)]) -> Value {
    let ran = project.run_with(&["plan", "--format", "json"], environment);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Type, id, and what is expected first, of what the first job's image is tested for, with the place.
fn asked(plan: &Value) -> Vec<String> {
    let resources = plan["jobs"][0]["tests"]["resources"].as_array().unwrap();
    let show = |resource: &Value| {
        let (place, first) = (&resource["place"], &resource["assertions"][0]["expected"]);
        let place = format!("{}:{}", place["file"].as_str().unwrap(), place["line"]);
        format!("{} {} {first} {place}", resource["kind"].as_str().unwrap(), resource["id"].as_str().unwrap())
    };
    resources.iter().map(show).collect()
}

#[test]
fn goss_files_are_rendered_imported_and_merged_and_the_definition_counts_before_them() {
    let project = Project::with(
        "tests:\n  goss: [a.yaml, tests/b.yaml]\n  vars: { users: [root, web] }\n  port: { tcp:80: { listening: true } }\n",
    );
    let project = project.file("a.yaml", "port: { tcp:80: { listening: false }, tcp:81: { listening: false } }\n");
    let project = project.file(
        "tests/b.yaml",
        "gossfile: { more/*.yaml: {} }\nuser:\n{{- range .Vars.users }}\n  {{ . }}: { exists: true }\n{{- end }}\n",
    );
    let project = project.file("tests/more/c.yaml", "port: { tcp:81: { listening: true } }\n");
    let plan = plan(&project, &[]);
    assert_eq!(
        asked(&plan),
        [
            "port tcp:80 true ovenbird.yml:4",
            "port tcp:81 true tests/more/c.yaml:1",
            "user root true tests/b.yaml:4",
            "user web true tests/b.yaml:4",
        ]
    );
    let files = plan["jobs"][0]["definition-files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a.yaml", "tests/b.yaml", "tests/more/c.yaml"]);
    // `printf 'port: { tcp:81: { listening: true } }\n' | sha256sum`
    assert_eq!(files[2]["sha256"], "4da000498ee26f20079a550788de237ba2c37da0b2925741bb966b9953c01ae0");
}

#[test]
fn templates_see_the_environment_without_secrets() {
    let project = Project::with(
        "variables: { key: { env: SHOWN_ONCE, sensitive: true } }\nenv: { KEY: \"${{ vars.key }}\" }\ntests: { goss: a.yaml }\n",
    );
    let text = "user:\n{{- range $name, $value := .Env }}\n  {{ $name }}: { exists: true }\n{{- end }}\n";
    let project = project.file("a.yaml", text);
    let environment = [("SHOWN_ONCE", "x"), ("API_TOKEN", "x"), ("PLAIN", "x")];
    let names = asked(&plan(&project, &environment));
    assert!(names.iter().any(|name| name.contains(" PLAIN ")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("SHOWN_ONCE") || name.contains("API_TOKEN")), "{names:?}");
}

#[test]
fn each_job_has_its_own_and_a_mistake_in_all_of_them_is_told_once() {
    let text = "strategy: { matrix: { suite: [bookworm, trixie] } }\ntests:\n  goss: \"${{ matrix.suite }}.yaml\"\n  vars: { suite: \"${{ matrix.suite }}\" }\n";
    let project = Project::with(text).file("bookworm.yaml", "user: { \"{{ .Vars.suite }}\": { exists: true } }\n");
    let project = project.file("trixie.yaml", "gossfile: { bookworm.yaml: {} }\n");
    let plan = plan(&project, &[]);
    let ids: Vec<&Value> = (0..2).map(|job| &plan["jobs"][job]["tests"]["resources"][0]["id"]).collect();
    assert_eq!(ids, ["bookworm", "trixie"]);
    let project = project.file("bookworm.yaml", "user: { root: { exist: true } }\n");
    assert_eq!(project.validate().matches("error[unknown-key]").count(), 1);
}

#[test]
fn links_and_templates_do_not_lead_out_of_the_repository() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("goss.yaml"), "user: { root: { exists: true } }\n").unwrap();
    let project = Project::with("tests: { goss: [link.yaml, read.yaml, glob.yaml] }\n");
    std::os::unix::fs::symlink(outside.path().join("goss.yaml"), project.root().join("link.yaml")).unwrap();
    std::os::unix::fs::symlink(outside.path(), project.root().join("linked")).unwrap();
    let project = project.file("read.yaml", "user:\n  '{{ readFile \"/etc/hostname\" }}': { exists: true }\n");
    let project = project.file("glob.yaml", "gossfile:\n  'linked/*.yaml': {}\n");
    let told = project.validate();
    assert!(told.contains("error[unreadable-file]: the goss file `link.yaml` is outside of the repository"), "{told}");
    assert!(told.contains("it is outside of the repository\n --> read.yaml:2:3"), "{told}");
    assert!(told.contains("--> glob.yaml:2:3"), "{told}");
}

#[test]
fn programs_read_mistakes_in_goss_files_at_their_paths_from_the_repositorys_root() {
    let definition = "name: web\nplatforms: { qemu: { builder: qemu, source: { debian: bookworm } } }\ntests: { goss: tests/goss.yaml }\n";
    let project = Project::new("").file("images/ovenbird.yml", definition);
    let project = project.file("images/tests/goss.yaml", "\nuser: { root: { exist: true } }\n");
    let run = |format: &str| project.run(&["validate", "images/ovenbird.yml", "--format", format]).stdout;
    assert!(run("github").contains("file=images/tests/goss.yaml,line=2,"), "{}", run("github"));
    let sarif: Value = serde_json::from_str(&run("sarif")).unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "images/tests/goss.yaml");
    assert_eq!(place["region"]["startLine"], 2);
    assert!(run("json").contains("\"images/tests/goss.yaml\""), "{}", run("json"));
}
