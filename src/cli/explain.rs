//! `ovenbird explain`: what a rule means, with a wrong and a right example.

use std::io::Write;

use anyhow::Context;

use super::exit::{Exit, Wrong};
use crate::diagnostic::{nearest, rules};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The rules, as messages name them in brackets; none: all, a line each
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let text = if args.rules.is_empty() {
        rules::all().map(|rule| format!("{:18} {}\n", rule.name, rule.title())).collect()
    } else {
        let sections = args.rules.iter().map(|name| section(name)).collect::<Result<Vec<_>, _>>()?;
        sections.join("\n")
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("failed to write the explanation")
        }
        _ => Ok(Exit::Done),
    }
}

fn section(name: &str) -> Result<String, Wrong> {
    // As it is copied from a message.
    let name = name.trim_matches(['[', ']']);
    let Some(rule) = rules::find(name) else {
        let wrong = Wrong::new(format!("there is no rule `{name}`"));
        let near = nearest(name, rules::all().map(|rule| rule.name));
        return Err(match near {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong.hint("`ovenbird explain` lists all rules"),
        });
    };
    Ok(format!("# {name}\n\n{}\n", rule.text))
}
