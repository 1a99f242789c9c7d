//! The invariants of `docs/architecture.md`, checked on the sources: who may know of whom, who does I/O, who prints, who
//! starts programs, who can show a secret.
//!
//! What only tests do is not looked at: a test may read a file in a room that is pure.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, and the other rooms that each may know of. `None`: all.
const MAY_KNOW: &[(&str, Option<&[&str]>)] = &[
    ("main", Some(&["cli"])),
    ("lib", None),
    ("cli", None),
    ("pid1", Some(&[])),
    ("event", Some(&[])),
    ("source", Some(&["diagnostic"])),
    ("diagnostic", Some(&["source"])),
    ("expression", Some(&[])),
    ("matrix", Some(&["diagnostic", "expression", "source"])),
    // The closed sets of a job's types (formats, shells, accelerators) are the definition's words too.
    ("definition", Some(&["source", "diagnostic", "event", "expression", "matrix", "plan", "smoke"])),
    // What it writes to GitHub is about jobs.
    ("forge", Some(&["event", "expression"])),
    // Of `smoke`, what goss files say: the types of `spec`, and the names of checks.
    ("plan", Some(&["definition", "diagnostic", "event", "expression", "matrix", "secret", "smoke", "source"])),
    ("init", Some(&["source"])),
    ("secret", Some(&["plan"])),
    // Of `source` and `diagnostic`, the places in goss files that messages and verdicts name.
    // Of `context`, how foreign lines are cleaned; of `image`, the table of what seal removes.
    ("smoke", Some(&["context", "diagnostic", "event", "guest", "image", "source"])),
    // Of `secret`, the masks that GitHub's runner is told; of `forge`, the check runs that it fills in.
    ("report", Some(&["event", "forge", "secret"])),
    ("journal", Some(&["platform"])),
    ("program", Some(&["context", "event", "journal"])),
    // Of `secret`, the redactor that the context brings to whoever shows what others wrote.
    ("context", Some(&["event", "guest", "journal", "program", "secret"])),
    ("guest", Some(&["context", "event", "journal", "program"])),
    ("step", Some(&["context", "event", "expression", "guest", "journal", "plan", "program", "secret"])),
    // `platform::Disk`, a captured disk, is all that an image knows of platforms.
    ("image", Some(&["context", "event", "guest", "journal", "plan", "platform", "program"])),
    // Of `secret`, the redactor: consoles are redacted as they are kept, and the keys that a machine gets are registered.
    ("platform", Some(&["context", "event", "guest", "image", "journal", "plan", "program", "secret"])),
    (
        "runner",
        Some(&[
            "context",
            "event",
            "expression",
            "guest",
            "image",
            "journal",
            "plan",
            "platform",
            "program",
            "secret",
            "smoke",
            "step",
        ]),
    ),
];

/// Rooms that a thousand unit tests can run through without a file, a clock or a machine.
const PURE: &[&str] = &["event", "source", "diagnostic", "expression", "matrix", "plan", "init", "secret"];

/// What a pure room has no use for.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::time",
    "tokio",
    "reqwest",
    "russh",
    "rustix",
    "tempfile",
    "async fn",
    "async move",
    ".await",
    "Utc::now",
    "Local::now",
];

/// One source file, without comments and tests.
struct Source {
    /// Relative to `src`.
    path: PathBuf,
    room: String,
    lines: Vec<(usize, String)>,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path.strip_prefix(root).unwrap_or(path).to_owned();
        let first = relative.iter().next().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let room = first.trim_end_matches(".rs").to_owned();
        Self { path: relative, room, lines: code_of(&text) }
    }

    /// Lines that contain any of `words`, as `path:line: text`.
    fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let lines = self.lines.iter().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        lines.map(|(number, line)| format!("src/{}:{number}: {}", self.path.display(), line.trim())).collect()
    }
}

/// Numbered lines of code, up to the test module, which this project keeps at the end of a file.
fn code_of(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |index: usize| {
        lines[index].trim() == "#[cfg(test)]"
            && lines[index + 1..]
                .iter()
                .find(|line| !line.starts_with("#["))
                .is_some_and(|line| line.starts_with("mod tests"))
    };
    let end = (0..lines.len()).find(|&index| is_tests(index)).unwrap_or(lines.len());
    let code = lines[..end].iter().enumerate().map(|(index, line)| (index + 1, *line));
    code.filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number, line.to_owned()))
        .collect()
}

/// Every source file that is in the binary: those of modules behind `#[cfg(test)]` are not.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let test_only: BTreeSet<PathBuf> = files.iter().flat_map(|file| test_modules(file)).collect();
    let is_tested = |file: &PathBuf| {
        test_only.iter().any(|module| file.starts_with(module) || *file == module.with_extension("rs"))
    };
    files.retain(|file| !is_tested(file));
    assert!(files.len() > 10, "found only {files:?}");
    files.iter().map(|file| Source::read(&root, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Paths, without ending, of modules that a file declares for tests alone: `#[cfg(test)] mod name;`.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let folder = match file.file_name().and_then(|name| name.to_str()) {
        Some("mod.rs" | "lib.rs" | "main.rs") => file.parent().map(Path::to_owned).unwrap_or_default(),
        _ => file.with_extension(""),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| {
        let (_, name) = pair[1].strip_suffix(';')?.rsplit_once("mod ")?;
        Some(folder.join(name))
    });
    declared.collect()
}

/// Rooms named in `crate::room` on a line of code.
fn rooms_in(line: &str) -> Vec<String> {
    let starts = line.match_indices("crate::").map(|(at, word)| &line[at + word.len()..]);
    starts
        .flat_map(|rest| match rest.strip_prefix('{') {
            // `use crate::{context::JobCtx, event::Body}`.
            Some(group) => group.split(',').map(str::trim).collect(),
            None => vec![rest],
        })
        .map(|path| path.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect())
        .collect()
}

#[track_caller]
fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what} (docs/architecture.md):\n{}", found.join("\n"));
}

#[test]
fn every_room_knows_only_of_those_that_it_may() {
    let mut found = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(room, _)| *room == source.room) else {
            found.push(format!("src/{}: the room `{}` is not in this test", source.path.display(), source.room));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        for (number, line) in &source.lines {
            let strangers = rooms_in(line).into_iter().filter(|room| *room != source.room && is_room(room));
            let strangers = strangers.filter(|room| !allowed.contains(&room.as_str()));
            found.extend(strangers.map(|room| format!("src/{}:{number}: `{room}`", source.path.display())));
        }
    }
    assert_none("a room knows of another that it may not know of", &found);
}

fn is_room(name: &str) -> bool {
    MAY_KNOW.iter().any(|(room, _)| *room == name)
}

#[test]
fn pure_rooms_do_no_io_and_wait_for_nothing() {
    let pure = sources().into_iter().filter(|source| PURE.contains(&source.room.as_str()));
    // An event is stamped where it is made: the one clock in a pure room.
    let found: Vec<_> =
        pure.flat_map(|source| source.lines_with(IMPURE)).filter(|line| !is_event_stamp(line)).collect();
    assert_none("a pure room reaches outside", &found);
}

fn is_event_stamp(line: &str) -> bool {
    line.starts_with("src/event.rs:") && line.contains("Utc::now()")
}

#[test]
fn only_cli_and_report_print() {
    let words = ["println!", "print!(", "io::stdout", "io::stderr", "stdout()", "stderr()"];
    let rest = sources().into_iter().filter(|source| !["cli", "report", "main"].contains(&source.room.as_str()));
    // The job process writes its events to the supervisor's pipe, which happens to be its standard output.
    let rest = rest.filter(|source| source.path != Path::new("runner/wire.rs"));
    // A child's streams are not ours.
    let found: Vec<_> =
        rest.flat_map(|source| source.lines_with(&words)).filter(|line| !line.contains(".std")).collect();
    assert_none("only `cli` and `report` print", &found);
}

#[test]
fn only_rooms_that_drive_machines_start_programs() {
    let words = ["process::Command", "std::process::{", "tokio::process"];
    // The forge asks `git`, before there is a job whose journal could hold it. A container's first process starts the one
    // that works, and nothing else.
    let may = ["program", "forge", "pid1", "runner", "platform", "guest", "image", "step"];
    let rest = sources().into_iter().filter(|source| !may.contains(&source.room.as_str()));
    // What has a script parsed, and not run; and the user's SSH client on the user's terminal.
    let own = ["cli/scripts/interpreter.rs", "cli/boot/shell.rs"];
    let rest = rest.filter(|source| own.iter().all(|own| source.path != Path::new(own)));
    let found: Vec<_> = rest.flat_map(|source| source.lines_with(&words)).collect();
    assert_none("a room starts programs that may not", &found);
}

#[test]
fn only_one_file_can_show_a_secret() {
    let rest = sources().into_iter().filter(|source| source.room != "secret");
    let found: Vec<_> = rest.flat_map(|source| source.lines_with(&["ExposeSecret", "expose_secret"])).collect();
    assert_none("only `secret.rs` can show a secret", &found);
}

#[test]
fn only_the_forge_speaks_to_github() {
    let rest = sources().into_iter().filter(|source| source.room != "forge");
    let found: Vec<_> = rest.flat_map(|source| source.lines_with(&["octocrab"])).collect();
    assert_none("only `forge` speaks to GitHub", &found);
}

#[test]
fn reports_never_reach_out_and_platforms_never_report() {
    let mut found = Vec::new();
    for source in sources() {
        let words: &[&str] = match source.room.as_str() {
            "report" => &["tokio", "reqwest", "std::process", "std::net", ".await"],
            "platform" | "guest" | "step" | "image" | "runner" => &["crate::report", "indicatif"],
            _ => &[],
        };
        found.extend(source.lines_with(words));
    }
    assert_none("reports take events and nothing else", &found);
}

#[test]
fn every_room_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let silent = files.iter().filter(|file| !file.ends_with("main.rs"));
    let silent = silent.filter(|file| !fs::read_to_string(file).unwrap_or_default().starts_with("//! "));
    assert_none("a file does not open with `//!`", &silent.map(|file| file.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(rooms_in("use crate::{context::JobCtx, event::Body};"), ["context", "event"]);
    assert_eq!(rooms_in("    sender: crate::guest::Guest, crate::event::Body"), ["guest", "event"]);
    let text = "//! Doc.\nuse std::fs;\n// std::net\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use std::process;\n}\n";
    assert_eq!(code_of(text), [(2, "use std::fs;".to_owned()), (4, "fn f() {}".to_owned())]);
}
