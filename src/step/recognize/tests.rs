//! Every sample through the whole table, and what must not be recognized.

use std::fmt::Write as _;

use super::*;

struct Sample {
    name: String,
    command: String,
    status: u32,
    stderr: Vec<String>,
    both: Vec<String>,
}

fn samples() -> Vec<Sample> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/step/recognize/samples");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &std::path::Path) -> Sample {
    let text = std::fs::read_to_string(path).unwrap();
    let of = |prefixes: &[&str]| {
        let lines = text.lines().filter_map(|line| prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)));
        lines.map(|line| crate::context::clean_line(line.as_bytes())).collect()
    };
    Sample {
        name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
        command: text.lines().find_map(|line| line.strip_prefix("# $ ")).unwrap().to_owned(),
        status: text.lines().find_map(|line| line.strip_prefix("# exit status ")).unwrap().parse().unwrap(),
        stderr: of(&["err| "]),
        both: of(&["err| ", "out| "]),
    }
}

fn by(command: &str, status: u32, stderr: &[String], both: &[String]) -> Option<Recognized> {
    recognize(
        stderr,
        both,
        status,
        &Ran { command: Some(command), line: Some(command), source: &[], interpreter: None },
    )
}

fn shown(found: Option<Recognized>) -> String {
    let Some(Recognized { finding, .. }) = found else { return "nothing\n".to_owned() };
    let mut text = format!("{}\n", finding.message);
    for Spot { file, line, column, text: words } in &finding.spots {
        let column = column.map_or(String::new(), |column| format!(":{column}"));
        let _ = writeln!(text, "  at {file}:{line}{column} {}", words.as_deref().unwrap_or_default());
    }
    for (name, value) in [("subject", finding.subject.as_deref()), ("hint", finding.hint)] {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    text
}

#[test]
fn every_sample_gives_the_words_and_the_places_of_its_tool() {
    let mut text = String::new();
    for sample in samples() {
        let found = by(&sample.command, sample.status, &sample.stderr, &sample.both);
        let _ = write!(text, "{}: {}", sample.name, shown(found));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_tool_whose_failure_ended_nothing_is_not_blamed() {
    for sample in samples() {
        // The script went on after it, and ended by something that says nothing.
        for silent in ["false", "grep -q x /dev/null", "[ -e x ]", "exit 3"] {
            assert_eq!(by(silent, 1, &sample.stderr, &sample.both), None, "{} by {silent}", sample.name);
        }
        // Something else spoke after it.
        let later = ["going on".to_owned(), "config: no such key".to_owned()];
        let (stderr, both) = ([&sample.stderr[..], &later].concat(), [&sample.both[..], &later].concat());
        let found = by(&sample.command, sample.status, &stderr, &both);
        assert!(
            found.is_none() || MAY_GO_ON.iter().any(|name| sample.name.starts_with(name)),
            "{}: {found:?}",
            sample.name
        );
    }
}

/// Tools that let what they ran have the last word.
const MAY_GO_ON: [&str; 4] = ["ansible", "puppet", "chef", "cloud-init-status"];

#[test]
fn only_lines_that_look_like_a_failure_of_ours_are_found_in_any_text() {
    let lines: Vec<_> =
        ["E:", "Error: ", "fatal: [", "npm error", "  File \"x\", line 1", "Job for ", "error: x", "  +---"]
            .iter()
            .map(|line| (*line).to_owned())
            .collect();
    for length in 0..=lines.len() {
        // It need not find anything, and must not stumble.
        let _ = by("./x", 1, &lines[..length], &lines[..length]);
        let _ = by("./x", 1, &[], &lines[length..]);
    }
}
