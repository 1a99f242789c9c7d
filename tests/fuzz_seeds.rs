//! The seeds of the fuzz targets, and what fuzzing found, held to the laws of `fuzz/laws.rs` in every test run.

use std::fs;
use std::path::Path;

#[path = "../fuzz/laws.rs"]
mod laws;

type Law = fn(&str);

#[test]
fn every_seed_keeps_the_laws() {
    let targets: [(&str, Law); 4] = [
        ("definition", laws::definition),
        ("expression", laws::expression),
        ("github-workflow", laws::github_workflow),
        ("gitlab-ci", laws::gitlab_ci),
    ];
    for (target, law) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for seed in seeds.flatten() {
            let bytes = fs::read(seed.path()).unwrap_or_else(|error| panic!("{}: {error}", seed.path().display()));
            if let Ok(text) = str::from_utf8(&bytes) {
                law(text);
                count += 1;
            }
        }
        assert!(count > 0, "{target} has no seeds");
    }
}
