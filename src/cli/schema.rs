//! `ovenbird schema`: JSON Schemas, for editors and other programs.

use std::io::Write;

use anyhow::Context;
use clap::ValueEnum;

use super::exit::Exit;
use crate::definition;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to describe
    #[arg(value_enum, value_name = "DOCUMENT", default_value_t = Document::Definition)]
    document: Document,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// The definition of an image, ovenbird.yml
    Definition,
    /// A file of steps, which a definition names by `uses`
    Steps,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    match std::io::stdout().write_all(text(args.document).as_bytes()) {
        // `ovenbird schema | head` has what it wants.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("failed to write the schema")
        }
        _ => Ok(Exit::Done),
    }
}

fn text(document: Document) -> String {
    let schema = match document {
        Document::Definition => definition::schema(),
        Document::Steps => definition::steps_schema(),
    };
    format!("{schema:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_documentation_is_the_one_that_is_printed() {
        let there = include_str!("../../docs/ovenbird.schema.json");
        assert!(text(Document::Definition) == there, "cargo run -- schema > docs/ovenbird.schema.json");
        let there = include_str!("../../docs/steps.schema.json");
        assert!(text(Document::Steps) == there, "cargo run -- schema steps > docs/steps.schema.json");
    }
}
