//! `ovenbird goss add`: writes checks into a goss file. Without a type, those that the definition itself suggests; with one,
//! goss's own form: what this machine is like now.

mod derive;
mod look;
mod merge;
mod shell;

use std::io::{ErrorKind, Read};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::disk;
use crate::cli::exit::{Exit, Wrong};
use crate::cli::load::{self, Planning, tell};
use crate::cli::repository;
use crate::plan::job::Host;
use crate::report;
use crate::smoke::spec::Kind;
use derive::{Entry, Repository};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a type: checks that the definition suggests, of the files, packages, services, users and \
                        groups of its steps.\nWith one, as goss: `add package nginx`, `add file /etc/motd`; types: addr \
                        command dns file group http interface kernel-param mount package port process service user."
)]
pub(super) struct Args {
    /// Jobs of the definition; or a type of resource and names, of which this machine is asked
    #[arg(value_name = "JOB | TYPE NAME")]
    words: Vec<String>,
    /// From the definition, although a job is called as a type
    #[arg(long)]
    from_definition: bool,
    /// Print what would be added, and write nothing
    #[arg(long)]
    print: bool,
    /// Attributes that are left out
    #[arg(long, value_name = "ATTRIBUTE", value_delimiter = ',')]
    exclude_attr: Vec<String>,
    #[command(flatten)]
    load: Planning,
}

/// A resource that a goss file could have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suggested {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// Where it comes from.
    pub(super) because: String,
}

impl Suggested {
    fn value(&self) -> Value {
        let attributes = self.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Value::Object(attributes.collect::<Map<_, _>>())
    }
}

pub(super) async fn run(args: &Args, gossfile: &Utf8Path, host: Option<&Host>, colour: bool) -> anyhow::Result<Exit> {
    let named = args.words.split_first().and_then(|(first, names)| {
        let kind = Kind::ALL.into_iter().find(|kind| kind.key() == first && *kind != Kind::Matching)?;
        (!names.is_empty() && !args.from_definition).then_some((kind, names))
    });
    let mut suggested = match named {
        Some((kind, names)) => match look::look(kind, names, host).await? {
            Ok(suggested) => suggested,
            Err(signal) => return Ok(Exit::Cancelled(signal)),
        },
        None => match from_definition(args, colour)? {
            Some(suggested) => suggested,
            None => return Ok(Exit::Wrong),
        },
    };
    for one in &mut suggested {
        one.attributes.retain(|(name, _)| !args.exclude_attr.iter().any(|excluded| excluded == name));
    }
    suggested.retain(|one| !one.attributes.is_empty());
    write(suggested, gossfile, args.print, &origin(args, named.map(|_| host)))
}

fn origin(args: &Args, looked_at: Option<Option<&Host>>) -> String {
    let from = looked_at.map_or_else(|| args.load.file.to_string(), look::looked_at);
    format!("# Begun by `ovenbird goss add` from {from}. Yours to edit: what is here is never changed by it.\n")
}

/// What the jobs suggest: all of them the same.
fn from_definition(args: &Args, colour: bool) -> anyhow::Result<Option<Vec<Suggested>>> {
    let Some(loaded) = load::check(&args.load)?.accept(&args.load, &args.words, colour)? else { return Ok(None) };
    let mut all = loaded.jobs.iter().map(|job| derive::derive(job, &Disk { root: job.root.clone() }));
    let mut common = all.next().unwrap_or_default();
    let mut differs = 0;
    for other in all {
        let before = common.len().max(other.len());
        common.retain(|one| {
            other.iter().any(|same| same.kind == one.kind && same.id == one.id && same.attributes == one.attributes)
        });
        differs += before - common.len();
    }
    if differs > 0 {
        tell("warning: what differs between jobs was left out; name a job for all of it\n");
    }
    Ok(Some(common))
}

fn write(suggested: Vec<Suggested>, gossfile: &Utf8Path, only_print: bool, origin: &str) -> anyhow::Result<Exit> {
    let is_stream = gossfile == "-";
    let (old, is_new) = if is_stream { (String::new(), true) } else { existing(gossfile)? };
    // A file that nothing can be added to can still be compared by eye with what would be.
    let merged = match merge::merge(gossfile.as_str(), &old, suggested.clone()) {
        Ok(merged) => merged,
        Err(_) if only_print => {
            super::print(&merge::whole(&suggested))?;
            return Ok(Exit::Done);
        }
        Err(error) => return super::refuse(&error),
    };
    if only_print || is_stream {
        super::print(&merge::whole(&merged.added))?;
        return Ok(Exit::Done);
    }
    if merged.added.is_empty() {
        tell(&format!("{gossfile}: nothing to add\n"));
        return Ok(Exit::Done);
    }
    let text = if is_new { format!("{origin}{}", merged.text) } else { merged.text };
    std::fs::write(gossfile, text).map_err(|error| Wrong::new(format!("failed to write `{gossfile}`: {error}")))?;
    for one in &merged.added {
        let line = format!("{gossfile}: added {} {} ({})", one.kind.key(), one.id, one.because);
        tell(&format!("{}\n", report::one_line(&line)));
    }
    Ok(Exit::Done)
}

/// A goss file's text, and whether there is none.
fn existing(gossfile: &Utf8Path) -> anyhow::Result<(String, bool)> {
    match std::fs::File::open(gossfile) {
        Ok(file) => {
            Ok((disk::text(file).map_err(|error| Wrong::new(format!("failed to read `{gossfile}`: {error}")))?, false))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((String::new(), true)),
        Err(error) => Err(Wrong::new(format!("failed to read `{gossfile}`: {error}")).into()),
    }
}

/// Of a folder, more is no list of checks that a person would read.
const MOST_FILES: usize = 200;

/// The repository on this machine's disk.
struct Disk {
    root: Utf8PathBuf,
}

impl Repository for Disk {
    fn entries(&self, path: &Utf8Path) -> Vec<Entry> {
        let mut found = Vec::new();
        let complete = collect(&self.root.join(path), Utf8Path::new(""), &mut found);
        if complete.is_err() || found.len() > MOST_FILES {
            found.truncate(1);
        }
        found
    }

    fn text(&self, path: &Utf8Path) -> Option<String> {
        let path = self.root.join(path);
        String::from_utf8(repository::read(load::repository_of(&self.root), &path).ok()?).ok()
    }
}

/// Files and folders, each before what is in it. Links and what is neither are left out.
fn collect(top: &Utf8Path, inner: &Utf8Path, found: &mut Vec<Entry>) -> std::io::Result<()> {
    let path = if inner.as_str().is_empty() { top.to_owned() } else { top.join(inner) };
    let metadata = path.symlink_metadata()?;
    let is_folder = metadata.is_dir();
    if found.len() > MOST_FILES || !is_folder && !metadata.is_file() {
        return Ok(());
    }
    let sha256 = if is_folder { None } else { Some(digest(&path)?) };
    found.push(Entry { path: inner.to_owned(), is_folder, sha256 });
    if is_folder {
        let mut names: Vec<String> = Vec::new();
        for entry in path.read_dir_utf8()? {
            names.push(entry?.file_name().to_owned());
        }
        names.sort();
        for name in names {
            collect(top, &inner.join(name), found)?;
        }
    }
    Ok(())
}

fn digest(path: &Utf8Path) -> std::io::Result<String> {
    let (mut file, mut digest) = (std::fs::File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
