//! The scripts of a plan, each different one once.

use std::collections::HashSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::interpreter::Language;
use crate::plan::Attempt;
use crate::plan::job::{Action, Part, Script as ScriptFile, Shell, Step, Text};
use crate::source::Place;

/// A larger file is hardly a script that a person wrote.
const LARGEST_SCRIPT: u64 = 1024 * 1024;
/// What stands where a secret will be: a word in every language.
const SECRET_WORD: &str = "secret";

/// A script to parse.
pub(super) struct Script {
    pub(super) language: Language,
    pub(super) text: String,
    pub(super) origin: Origin,
    /// The first job that runs it, if jobs are known.
    pub(super) job: Option<String>,
}

/// Where a script is written.
pub(super) enum Origin {
    /// In the definition, or in a step file: the line of the file for each line of the script.
    Definition { file: Utf8PathBuf, lines: Vec<u32> },
    /// In a file of its own.
    File {
        /// Relative to the definition's folder.
        name: String,
        /// Where the definition names it.
        named_at: Option<Place>,
    },
}

/// The scripts of all steps that may run. `root` is the folder of the definition, in `repository`; both are real.
pub(super) fn scripts(attempt: &Attempt, root: &Utf8Path, repository: &Utf8Path) -> Vec<Script> {
    let whole = attempt.plan.jobs.iter().map(|job| (Some(&job.id), &job.steps));
    let partial = attempt.steps.iter().map(|steps| (None, steps));
    let (mut scripts, mut seen) = (Vec::new(), HashSet::new());
    for (job, steps) in whole.chain(partial) {
        for step in steps.iter().flat_map(Step::that_may_run) {
            let Some(identity) = identity(step) else { continue };
            if seen.insert(identity)
                && let Some(script) = script(step, attempt, root, repository)
            {
                scripts.push(Script { job: job.map(ToString::to_string), ..script });
            }
        }
    }
    scripts
}

/// What makes a script another one than those before.
fn identity(step: &Step) -> Option<(Utf8PathBuf, u32, String, String)> {
    let (text, shell) = match &step.action {
        Action::Run(run) => (run.script.to_string(), &run.shell),
        Action::Local(local) => (local.script.to_string(), &local.shell),
        Action::Script(script) => (script.path.to_string(), &script.shell),
        _ => return None,
    };
    Some((step.file.clone(), step.line, text, format!("{shell:?}")))
}

fn script(step: &Step, attempt: &Attempt, root: &Utf8Path, repository: &Utf8Path) -> Option<Script> {
    match &step.action {
        Action::Run(run) => inline(step, &run.script, &run.lines, &run.shell),
        Action::Local(local) => inline(step, &local.script, &local.lines, &local.shell),
        Action::Script(script) => file(script, attempt, root, repository),
        _ => None,
    }
}

fn inline(step: &Step, text: &Text, lines: &[u32], shell: &Shell) -> Option<Script> {
    let language = language(shell).unwrap_or(Some(Language::Bash))?;
    let origin = Origin::Definition { file: step.file.clone(), lines: lines.to_vec() };
    Some(Script { language, text: harmless(text), origin, job: None })
}

/// A text without its secrets, which are given to no other program.
fn harmless(text: &Text) -> String {
    let part = |part: &Part| if let Part::Literal(text) = part { text.clone() } else { SECRET_WORD.to_owned() };
    text.0.iter().map(part).collect()
}

fn file(script: &ScriptFile, attempt: &Attempt, root: &Utf8Path, repository: &Utf8Path) -> Option<Script> {
    let path = root.join(&script.path);
    // What a mistake's excerpt shows goes to a log that strangers may read: nothing of this machine may be in it.
    let real = path.canonicalize_utf8().ok().filter(|real| real.starts_with(repository))?;
    if !real.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST_SCRIPT) {
        return None;
    }
    // What is no text is no script: a program may stand there too.
    let text = String::from_utf8(std::fs::read(&real).ok()?).ok().filter(|text| !text.contains('\0'))?;
    let language = language(&script.shell).unwrap_or_else(|| by_first_line(&text))?;
    let named_at = attempt.plan.files.iter().find(|file| file.path == path).map(|file| file.place.clone());
    let origin = Origin::File { name: script.path.to_string(), named_at };
    Some(Script { language, text, origin, job: None })
}

/// The language of a shell; none: nothing is said. A command line of the user's own has a language that is not known.
#[expect(clippy::option_option, reason = "what is not said and what is not known are two things")]
fn language(shell: &Shell) -> Option<Option<Language>> {
    match shell {
        Shell::Default => None,
        Shell::Bash => Some(Some(Language::Bash)),
        Shell::Sh => Some(Some(Language::Sh)),
        Shell::Python => Some(Some(Language::Python)),
        Shell::Custom(_) => Some(None),
    }
}

/// The language that the `#!` of a script asks for. Without one it runs as `run` does, by bash.
fn by_first_line(text: &str) -> Option<Language> {
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else { return Some(Language::Bash) };
    let mut words = line.split_ascii_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = match words.next()? {
        "env" => words.find(|word| !word.starts_with('-') && !word.contains('='))?,
        program => program,
    };
    match program {
        "bash" => Some(Language::Bash),
        "sh" | "dash" => Some(Language::Sh),
        _ if program == "python" || program.starts_with("python3") => Some(Language::Python),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_s_first_line_says_its_language() {
        for (line, language) in [
            ("#!/bin/bash -e", Some(Language::Bash)),
            ("#! /usr/bin/env bash", Some(Language::Bash)),
            ("#!/usr/bin/env -S LC_ALL=C bash -x", Some(Language::Bash)),
            ("#!/bin/sh", Some(Language::Sh)),
            ("#!/usr/bin/python3.11", Some(Language::Python)),
            ("#!/usr/bin/python2", None),
            ("#!/usr/bin/perl", None),
            ("echo without", Some(Language::Bash)),
        ] {
            assert_eq!(by_first_line(line), language, "{line}");
        }
    }
}
