//! `ovenbird boot`: a throw-away copy of an image, for a person who wants to look around in it.

mod house;
mod shell;

use std::io::IsTerminal;

use anyhow::Context;
use camino::Utf8PathBuf;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::load::tell;
use super::target::{self, MachineArgs, Target};
use crate::context::{Explained, JobCtx, is_cancelled};
use crate::event::{Body, Stream};
use crate::plan::job::Platform;
use crate::platform::{self, Copy, Machine};
use crate::report::one_line;
pub(super) use house::folder as copies;
use house::{House, Stop};
use shell::Way;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An image's file, a job that was built, or its manifest.json
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    machine: MachineArgs,
    /// Make the copy's disk larger than the image's, such as +2GiB
    #[arg(long, value_name = "+SIZE", value_parser = target::growth)]
    grow: Option<u64>,
    /// Lead a port of this machine's loopback to one of the guest, such as 8080:80; may be given several times
    #[arg(long, value_name = "PORT:PORT", value_parser = ports)]
    forward: Vec<(u16, u16)>,
    /// Show what the machine says on its serial console
    #[arg(short = 'v', long, visible_alias = "verbose")]
    console: bool,
    /// Print the command that logs in, and wait, instead of logging in
    #[arg(long)]
    no_shell: bool,
    /// Where `ovenbird build` put the images
    #[arg(long, value_name = "DIR", default_value = "ovenbird-out")]
    built: Utf8PathBuf,
    /// Where the copy is put while it runs; otherwise ovenbird in the user's cache folder
    #[arg(long, value_name = "DIR", env = "OVENBIRD_CACHE_DIR")]
    pub(super) cache_dir: Option<Utf8PathBuf>,
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let pair = text.split_once(':').and_then(|(from, to)| Some((port(from)?, port(to)?)));
    pair.ok_or_else(|| {
        format!("`{text}` is no pair of ports: write this machine's port and the guest's, such as `8080:80`")
    })
}

pub(super) async fn run(args: &Args) -> anyhow::Result<Exit> {
    let target = target::find(&args.target, &args.built)?;
    let cancel = CancellationToken::new();
    let stop = Stop::listen(&cancel)?;
    let (house, bodies) = House::open(&target.id, args.cache_dir.as_deref(), cancel)?;
    let talk = tokio::spawn(show(bodies, args.console));
    let booted = boot(args, &target, &house.ctx, &stop).await;
    house.close()?;
    // It ends with the last of those who speak.
    talk.await.context("the console's reader panicked")?;
    match (booted, stop.signal()) {
        (Ok(()), _) => Ok(Exit::Done),
        (Err(error), Some(signal)) if is_cancelled(&error) => Ok(Exit::Cancelled(signal)),
        (Err(error), _) => Err(error),
    }
}

/// Boots the copy and keeps it until whoever looks around has enough. An error: it did not come up, or broke.
async fn boot(args: &Args, target: &Target, ctx: &JobCtx, stop: &Stop) -> anyhow::Result<()> {
    let mut qemu = target.machine();
    args.machine.apply(&mut qemu);
    let mut job = target.job(&ctx.work);
    job.platform = Platform::Qemu(qemu);
    let copy = Copy { image: target.image.clone(), grow: args.grow.unwrap_or_default() };
    tell(&format!("booting a copy of `{}`\n", target.image));
    let prepared = platform::prepare_copy(ctx, &job, &copy).await?;
    let mut machine = prepared.forwarding(args.forward.clone()).launch(ctx).await?;
    let looked = match machine.connect(ctx).await {
        Ok(_) => look_around(args, ctx, machine.as_ref(), stop).await,
        Err(error) => Err(error),
    };
    machine.destroy(ctx).await;
    looked
}

/// Until the shell ends, someone asks us to end, or the machine is off.
async fn look_around(args: &Args, ctx: &JobCtx, machine: &dyn Machine, stop: &Stop) -> anyhow::Result<()> {
    let login = machine.login().context("nobody can log in on this machine")?;
    let way = Way::prepare(&login, &ctx.work)?;
    for (from, to) in &args.forward {
        tell(&format!("port {to} of the guest is 127.0.0.1:{from}\n"));
    }
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if is_terminal && !args.no_shell && shell::has_ssh() {
        tell("the machine and its copy of the disk go away with this shell\n");
        let _interrupts = stop.leave_interrupts();
        return way.shell(ctx).await;
    }
    tell(&format!(
        "console: {}\nending it: Ctrl-C, or SIGTERM to process {}\n",
        ctx.out.join("console.txt"),
        std::process::id()
    ));
    shell::print(&way.command())?;
    tokio::select! {
        () = ctx.cancel.cancelled() => Ok(()),
        why = machine.ended() => match why {
            None => {
                tell("the guest switched itself off\n");
                Ok(())
            }
            Some(failure) => Err(Explained(failure).into()),
        },
    }
}

/// Tells what happens until nobody speaks any more.
async fn show(mut bodies: mpsc::Receiver<Body>, with_console: bool) {
    while let Some(body) = bodies.recv().await {
        match body {
            Body::Output { stream: Stream::Console, line, .. } if with_console => {
                tell(&format!("| {}\n", one_line(&line)));
            }
            Body::Accelerator { accelerator, reason } => {
                tell(&format!("accelerator: {accelerator} ({})\n", one_line(&reason)))
            }
            Body::Note { text } => tell(&format!("{}\n", one_line(&text))),
            Body::Warning(failure) => tell(&format!("warning: {}\n", one_line(&failure.message))),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_are_this_machines_and_the_guests() {
        assert_eq!(ports("8080:80"), Ok((8080, 80)));
        for wrong in ["80", "0:80", "80:", "70000:80", "127.0.0.1:8080:80"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
        assert_eq!(target::growth("+2GiB"), Ok(2 << 30));
    }
}
