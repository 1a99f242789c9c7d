//! `ovenbird job`: one job, in the process that `build` started for it.

use super::exit::Exit;
use crate::event::Outcome;

/// What people see in a process list; the job itself comes on standard input.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run it belongs to
    #[arg(long)]
    run: String,
    /// The job's id
    id: String,
}

pub(super) async fn run() -> anyhow::Result<Exit> {
    let input = tokio::io::BufReader::new(tokio::io::stdin());
    let outcome = crate::runner::job::run(input, tokio::io::stdout()).await?;
    Ok(match outcome {
        Outcome::Success | Outcome::Skipped => Exit::Done,
        Outcome::Failure => Exit::Failed,
        Outcome::Cancelled => Exit::Cancelled(2),
    })
}
