//! `ovenbird validate`: everything that can be known without building.

use camino::Utf8PathBuf;

use super::exit::Exit;
use super::load::{self, DEFINITION};

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
}

impl Args {
    fn definition(&self) -> Utf8PathBuf {
        self.file.clone().or_else(|| self.named.clone()).unwrap_or_else(|| DEFINITION.into())
    }
}

#[expect(clippy::print_stderr, reason = "a verdict is talk")]
pub(super) fn run(args: &Args, colour: bool) -> anyhow::Result<Exit> {
    let (vars, var_file) = (args.vars.clone(), args.var_file.clone());
    let args = load::Planning { file: args.definition(), vars, var_file, only: None, matrix: args.matrix.clone() };
    let Some(loaded) = load::load(&args, &[], colour)? else { return Ok(Exit::Wrong) };
    let jobs = loaded.jobs.len();
    eprintln!("`{}` is valid: {jobs} {}.", args.file, if jobs == 1 { "job" } else { "jobs" });
    Ok(Exit::Done)
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
