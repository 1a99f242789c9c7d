//! The command line: one file a subcommand, each turning arguments into calls and results into an exit status.
//!
//! May know of everything. Standard output is data, standard error is talk.

mod boot;
mod build;
mod ci;
mod cleanup;
mod collect;
mod eval;
mod exit;
mod explain;
mod files;
mod goss;
mod hash_files;
mod init;
mod job;
mod load;
mod ownership;
mod plan;
mod repository;
mod run;
mod schema;
mod scripts;
mod target;
mod test;
mod validate;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand, ValueEnum};

use exit::Exit;

/// Builds machine images from ovenbird.yml, inside CI or here.
#[derive(Debug, Parser)]
#[command(name = "ovenbird", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colour; alone, always
    #[arg(long, global = true, value_enum, value_name = "WHEN", num_args = 0..=1, default_value_t = Colour::Auto)]
    #[arg(default_missing_value = "always")]
    color: Colour,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first definition and a CI file for this repository
    Init(init::Args),
    /// Check the definition without building
    Validate(validate::Args),
    /// Explain the rules that messages name in brackets
    Explain(explain::Args),
    /// Show the jobs that a build would run
    Plan(plan::Args),
    /// Build images: all jobs, or those named
    Build(build::Args),
    /// Test finished images by booting throw-away copies of them, or a machine that runs already
    Test(Box<test::Args>),
    /// Boot a throw-away copy of an image, and log in
    Boot(boot::Args),
    /// Put the records of a fan-out's jobs together
    Collect(collect::Args),
    /// Print the JSON Schema of the definition, for editors
    Schema(schema::Args),
    /// Evaluate an expression, or one a line, with the contexts of a job
    Eval(eval::Args),
    /// Test with goss files, as goss does
    Goss(goss::Args),
    /// Remove whatever an interrupted run left behind
    Cleanup(cleanup::Args),
    /// Run one job that standard input describes: how `build` starts its processes
    #[command(hide = true)]
    Job(job::Args),
}

impl Command {
    /// The folders of ours that a command writes to, besides what it may write elsewhere in the workspace; none for one
    /// that only reads. A job's process leaves this to the one that started it.
    fn writes(&self) -> Option<Vec<Utf8PathBuf>> {
        let folders = |out: &Utf8Path, cache: Option<&Utf8PathBuf>| [out.to_owned()].into_iter().chain(cache.cloned());
        match self {
            Self::Build(args) => Some(folders(&args.out, args.run.cache_dir.as_ref()).collect()),
            Self::Test(args) => {
                let cache = args.run.cache_dir.as_ref();
                Some(folders(&args.out, cache).chain([args.built.clone()]).collect())
            }
            Self::Boot(args) => Some(args.cache_dir.iter().cloned().collect()),
            Self::Cleanup(args) => Some(folders(&args.out, args.cache_dir.as_ref()).collect()),
            Self::Collect(args) => Some(vec![args.out.clone()]),
            Self::Init(_) => Some(Vec::new()),
            Self::Validate(_)
            | Self::Explain(_)
            | Self::Plan(_)
            | Self::Schema(_)
            | Self::Eval(_)
            | Self::Goss(_)
            | Self::Job(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

impl Colour {
    /// Whether to colour what goes to standard error.
    fn on_stderr(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                std::io::IsTerminal::is_terminal(&std::io::stderr())
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// Parses the command line, runs the command, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    if crate::pid1::is_first() {
        return crate::pid1::run().unwrap_or_else(|error| exit::report(&error, false));
    }
    // Before any client is made: with one provider in the tree it can't be the wrong one, but it must be chosen.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // What was wrong may hold what a workflow put there.
        Err(error) if error.use_stderr() && ci::is_github() => return exit::report(&misused(&error), false),
        Err(error) => error.exit(),
    };
    let is_job = matches!(cli.command, Command::Job(_));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::new(error).context("failed to start"), false),
    };
    let colour = cli.color.on_stderr();
    let handover = cli.command.writes().and_then(|folders| Some((ownership::Handover::new()?, folders)));
    let result = runtime.block_on(run(cli, colour));
    // A read of standard input that never ends must not hold the process.
    runtime.shutdown_background();
    if let Some((handover, folders)) = handover {
        handover.finish(&folders);
    }
    match result {
        Ok(exit) => exit.into(),
        Err(error) if is_job => exit::report_job(&error),
        Err(error) => exit::report(&error, colour),
    }
}

/// A command line that can't be understood.
fn misused(error: &clap::Error) -> anyhow::Error {
    let text = error.to_string();
    exit::Wrong::new(text.strip_prefix("error: ").unwrap_or(&text).trim_end()).into()
}

async fn run(cli: Cli, colour: bool) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Validate(args) => validate::run(&args, colour).await,
        Command::Explain(args) => explain::run(&args),
        Command::Plan(args) => plan::run(&args, colour),
        Command::Build(args) => build::run(&args, colour).await,
        Command::Test(args) => test::run(&args, colour).await,
        Command::Boot(args) => boot::run(&args).await,
        Command::Collect(args) => collect::run(&args, colour),
        Command::Schema(args) => schema::run(&args),
        Command::Eval(args) => eval::run(&args, colour),
        Command::Goss(args) => goss::run(&args, colour).await,
        Command::Cleanup(args) => cleanup::run(&args),
        Command::Job(_) => job::run().await,
    }
}
