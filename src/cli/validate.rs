//! `ovenbird validate`: everything that can be known without building.

use std::io::Write;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum;

use super::exit::Exit;
use super::load::{self, Checked, DEFINITION};
use crate::diagnostic::{self, Severity};
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The definition; ovenbird.yml when none is named
    #[arg(value_name = "FILE", conflicts_with = "named")]
    file: Option<Utf8PathBuf>,
    /// The definition, named as for plan and build
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    named: Option<Utf8PathBuf>,
    /// Give a variable a value; the last one wins
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = load::pair)]
    vars: Vec<(String, String)>,
    /// A YAML file of variables; --var wins over it
    #[arg(long, value_name = "FILE")]
    var_file: Vec<Utf8PathBuf>,
    #[command(flatten)]
    matrix: load::MatrixArgs,
    /// For people, or for programs; text goes to standard error, all else to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Who reads what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// People: with the lines of the files
    Text,
    /// Programs: a document with a version
    Json,
    /// GitHub: workflow commands, which become annotations
    Github,
    /// Code scanning services: SARIF 2.1.0
    Sarif,
}

impl Args {
    fn definition(&self) -> Utf8PathBuf {
        self.file.clone().or_else(|| self.named.clone()).unwrap_or_else(|| DEFINITION.into())
    }
}

pub(super) async fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let (vars, var_file) = (args.vars.clone(), args.var_file.clone());
    let planning = load::Planning { file: args.definition(), vars, var_file, only: None, matrix: args.matrix.clone() };
    let checked = load::check(&planning)?.with_scripts().await;
    let (diagnostics, sources) = (&checked.diagnostics, &checked.sources);
    let path_of = |source: &Source| load::path_of(source, &planning.file, &checked.root);
    match args.format {
        Format::Text => load::tell_all(diagnostics, sources, &path_of, colour),
        Format::Json => print(&diagnostic::json(diagnostics, sources, &path_of)?)?,
        Format::Github => print(&diagnostic::github(diagnostics, sources, &path_of))?,
        Format::Sarif => print(&diagnostic::sarif(diagnostics, sources, &path_of))?,
    }
    load::tell(&verdict(&planning.file, &checked));
    Ok(if diagnostic::has_errors(diagnostics) { Exit::Wrong } else { Exit::Done })
}

/// The closing line.
fn verdict(file: &Utf8Path, checked: &Checked) -> String {
    let count = |severity: Severity| checked.diagnostics.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let and_warnings = match warnings {
        0 => String::new(),
        _ => format!(" and {}", counted(warnings, "warning")),
    };
    match &checked.attempt {
        Some(attempt) if errors == 0 => {
            let jobs = counted(attempt.plan.jobs.len(), "job");
            format!("`{file}` is valid: {jobs}{}.\n", and_warnings.replace(" and", ","))
        }
        _ => format!("`{file}` has {}{and_warnings}.\n", counted(errors, "error")),
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("failed to write the report")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_definition_is_named_as_for_plan_and_build_or_as_an_argument_but_once() {
        let file = |arguments: &[&str]| {
            let parsed = Command::try_parse_from([&["validate"], arguments].concat());
            parsed.map(|command| command.args.definition()).map_err(|error| error.kind())
        };
        assert_eq!(file(&[]), Ok("ovenbird.yml".into()));
        for arguments in [&["a.yml"][..], &["-f", "a.yml"], &["--file", "a.yml"]] {
            assert_eq!(file(arguments), Ok("a.yml".into()));
        }
        assert_eq!(file(&["a.yml", "-f", "b.yml"]), Err(clap::error::ErrorKind::ArgumentConflict));
    }
}
