//! Scripts, parsed by their own interpreters and not run: `bash -n`, `sh -n`, Python's `ast`.
//!
//! ```text
//! Attempt ── collect ──▶ each different script ── interpreter ──▶ complaint ──▶ diagnostic at the line of its file
//! ```
//!
//! A script reaches its interpreter on standard input, with the values of expressions in their places and a harmless word
//! for each secret. A shell that is a command line of its own is not known, so its scripts are not checked.

mod collect;
mod interpreter;

use std::collections::BTreeMap;

use camino::Utf8Path;
use tokio::task::JoinSet;

use crate::diagnostic::{Diagnostic, Label};
use crate::plan::Attempt;
use crate::source::{Place, Source, Sources};

use collect::{Origin, Script};
use interpreter::{Complaint, Language, Verdict};

/// What is wrong with the scripts of a plan. Files of scripts with mistakes are added to `sources`.
pub(super) async fn check(
    attempt: &Attempt,
    root: &Utf8Path,
    repository: &Utf8Path,
    sources: &mut Sources,
) -> Vec<Diagnostic> {
    let scripts = collect::scripts(attempt, root, repository);
    let verdicts = ask(&scripts).await;
    let mut diagnostics = Vec::new();
    let mut unchecked: BTreeMap<Language, Vec<&Script>> = BTreeMap::new();
    for (script, verdict) in scripts.iter().zip(verdicts) {
        match verdict {
            Verdict::Fine => {}
            Verdict::Complaint(complaint) => diagnostics.push(diagnostic(script, &complaint, sources)),
            Verdict::NotInstalled => unchecked.entry(script.language).or_default().push(script),
        }
    }
    diagnostics.extend(unchecked.iter().filter_map(|(language, scripts)| not_checked(*language, scripts, sources)));
    diagnostics
}

/// The verdict on each script, in their order. As many are parsed at a time as there are processors.
async fn ask(scripts: &[Script]) -> Vec<Verdict> {
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    let mut verdicts = BTreeMap::new();
    let mut tasks = JoinSet::new();
    for (index, script) in scripts.iter().enumerate() {
        if tasks.len() >= most
            && let Some(Ok((index, verdict))) = tasks.join_next().await
        {
            verdicts.insert(index, verdict);
        }
        let (language, text) = (script.language, script.text.clone());
        tasks.spawn(async move { (index, interpreter::ask(language, &text).await) });
    }
    verdicts.extend(tasks.join_all().await);
    // One whose check broke off is not known to be wrong.
    (0..scripts.len()).map(|index| verdicts.remove(&index).unwrap_or(Verdict::Fine)).collect()
}

fn diagnostic(script: &Script, complaint: &Complaint, sources: &mut Sources) -> Diagnostic {
    let message = format!("the script is not valid {}: {}", script.language.name(), complaint.message);
    let diagnostic = if complaint.is_warning {
        Diagnostic::warning("script-syntax", format!("in the script: {}", complaint.message))
    } else {
        Diagnostic::error("script-syntax", message)
    };
    let diagnostic = match complaint.is_open_end() {
        true => diagnostic.help("something above is not closed: an `if`, a loop, a bracket or a quote"),
        false => diagnostic,
    };
    let diagnostic = match &script.origin {
        Origin::Definition { file, lines } => {
            let line = line_of(complaint, lines.len()).and_then(|line| lines.get(line - 1)).or(lines.first());
            diagnostic.at(source_of(file, sources).whole_line(line.copied().unwrap_or(1)))
        }
        Origin::File { name, named_at } => {
            let file = sources.find(name).unwrap_or_else(|| sources.add_text(name, &script.text));
            let line = line_of(complaint, script.text.lines().count()).unwrap_or(1);
            let place = sources.get(file).whole_line(u32::try_from(line).unwrap_or(u32::MAX));
            let diagnostic = diagnostic.at(place);
            named_at.iter().fold(diagnostic, |one, at| one.label(Label::new(at.clone()).text("run here")))
        }
    };
    match &script.job {
        Some(job) => diagnostic.note(format!("in the job `{job}`")),
        None => diagnostic,
    }
}

/// The file that a step is written in: a step file, else the definition.
fn source_of<'a>(file: &Utf8Path, sources: &'a Sources) -> &'a Source {
    sources.find(file.as_str()).map_or_else(|| sources.main(), |file| sources.get(file))
}

/// The line that a complaint is about, of a script with that many. An end that came too soon is after the last one.
fn line_of(complaint: &Complaint, lines: usize) -> Option<usize> {
    complaint.line.map(|line| line.clamp(1, lines.max(1)))
}

fn not_checked(language: Language, scripts: &[&Script], sources: &Sources) -> Option<Diagnostic> {
    let first = scripts.first()?;
    let place = match &first.origin {
        Origin::Definition { file, lines } => source_of(file, sources).whole_line(lines.first().copied().unwrap_or(1)),
        Origin::File { named_at, .. } => named_at.clone().unwrap_or(Place::Bytes(sources.main().id(), 0..0)),
    };
    let what =
        if scripts.len() == 1 { "this script was".to_owned() } else { format!("{} scripts were", scripts.len()) };
    let message = format!("`{}` is not installed here, so {what} not checked", language.program());
    Some(Diagnostic::remark("script-syntax", message).at(place))
}
