//! The records of jobs that were built on machines of their own, put together: none missing, none twice, none of another
//! build.
//!
//! A record came from an artifact of a CI run: it is data from outside. Its size and the search for it are bounded, links
//! are not followed, and a name in it never leads out of its folder. Whether the files of a record that are there have its
//! size is looked at; their digests are for whoever publishes them.

use std::fmt;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

use super::manifest::{Ci, Definition, Images, Manifest, VERSION};
use crate::event::JobId;
use crate::plan::job::Job;

/// A record's file name.
const RECORD: &str = "manifest.json";

/// What happened in a job, for reports. Of failed jobs too, which have no record.
const STORY: &str = "events.jsonl";

/// How deep below a named folder records are searched: an artifact's folder, an output folder in it, a job's.
const DEEPEST: usize = 6;

/// How many files and folders are looked at: 256 jobs have some thousands.
const MOST: usize = 100_000;

/// A record and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub path: Utf8PathBuf,
    pub manifest: Manifest,
}

/// What is wrong with a record, or between two. Its words may hold what others wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It can't be read, or is none.
    Unreadable(String),
    /// It is of another build.
    Foreign { path: Utf8PathBuf, why: String },
    /// There is another of the same job.
    Duplicate { job: JobId, first: Utf8PathBuf, second: Utf8PathBuf },
    /// A file beside it is not what it says.
    File { path: Utf8PathBuf, why: String },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "unreadable: {error}"),
            Self::Foreign { path, why } => write!(f, "foreign: `{path}`: {why}"),
            Self::Duplicate { job, first, second } => {
                write!(f, "twice: the job `{job}` in `{first}` and in `{second}`")
            }
            Self::File { path, why } => write!(f, "wrong: `{path}`: {why}"),
        }
    }
}

/// What became of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// Of jobs that are expected, in their order.
    pub records: Vec<Found>,
    /// Jobs without any record.
    pub missing: Vec<JobId>,
    pub troubles: Vec<Trouble>,
    /// Older records of jobs that were built again.
    pub older: Vec<Found>,
    /// Events of jobs, as far as they were found. Not looked into.
    pub stories: Vec<Utf8PathBuf>,
}

/// What lies in the named places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    pub found: Vec<Found>,
    pub troubles: Vec<Trouble>,
    pub stories: Vec<Utf8PathBuf>,
}

impl Collected {
    /// `images.json` of what was collected.
    #[must_use]
    pub fn images(&self, name: &str) -> Images {
        let mut jobs: Vec<Manifest> = self.records.iter().map(|found| found.manifest.clone()).collect();
        jobs.sort_by(|a, b| a.job.cmp(&b.job));
        Images { version: VERSION, name: name.to_owned(), jobs }
    }
}

/// The records that `places` are, or have below them. A place that is not there has none.
#[must_use]
pub fn find(places: &[Utf8PathBuf]) -> Search {
    let (mut paths, mut troubles, mut room) = (Vec::new(), Vec::new(), MOST);
    for place in places {
        match fs::metadata(place) {
            Ok(data) if data.is_dir() => search(place, DEEPEST, &mut room, &mut paths, &mut troubles),
            Ok(data) if data.is_file() => paths.push(place.clone()),
            Ok(_) => troubles.push(Trouble::Unreadable(format!("`{place}` is neither a file nor a folder"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => troubles.push(Trouble::Unreadable(format!("`{place}`: {error}"))),
        }
    }
    // A file that is named, and found below a folder that is named too, is one.
    let mut real: Vec<Utf8PathBuf> = Vec::new();
    paths.retain(|path| match path.canonicalize_utf8() {
        Ok(path) if real.contains(&path) => false,
        Ok(path) => {
            real.push(path);
            true
        }
        Err(_) => true,
    });
    let (stories, paths): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.file_name() == Some(STORY));
    let mut found = Vec::new();
    for path in paths {
        match Manifest::read(&path) {
            Ok(manifest) => found.push(Found { path, manifest }),
            Err(error) => troubles.push(Trouble::Unreadable(format!("{error:#}"))),
        }
    }
    Search { found, troubles, stories }
}

fn search(
    folder: &Utf8Path,
    depth: usize,
    room: &mut usize,
    paths: &mut Vec<Utf8PathBuf>,
    troubles: &mut Vec<Trouble>,
) {
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries.flatten(),
        Err(error) => return troubles.push(Trouble::Unreadable(format!("`{folder}`: {error}"))),
    };
    let mut entries: Vec<_> = entries.take(*room).collect();
    *room -= entries.len();
    entries.sort_by(|a, b| a.file_name().cmp(b.file_name()));
    for entry in entries {
        // Of the entry itself: a link is neither.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            search(entry.path(), depth - 1, room, paths, troubles);
        } else if kind.is_file() && [RECORD, STORY].contains(&entry.file_name()) {
            paths.push(entry.into_path());
        }
    }
}

/// Compares what was found with the jobs that a plan has.
#[must_use]
pub fn collect(search: Search, jobs: &[Job]) -> Collected {
    let Search { found, mut troubles, stories } = search;
    let mut collected = Collected { stories, ..Collected::default() };
    let seen: Vec<JobId> = found.iter().map(|found| found.manifest.job.clone()).collect();
    let mut records: Vec<Found> = Vec::new();
    for found in found {
        if let Some(why) = foreign(&found.manifest, jobs) {
            troubles.push(Trouble::Foreign { path: found.path, why });
            continue;
        }
        troubles.extend(wrong_files(&found));
        let Some(other) = records.iter_mut().find(|other| other.manifest.job == found.manifest.job) else {
            records.push(found);
            continue;
        };
        match attempt(&found.manifest).cmp(&attempt(&other.manifest)) {
            // An artifact that was downloaded twice.
            _ if found.manifest == other.manifest => {}
            std::cmp::Ordering::Greater => collected.older.push(std::mem::replace(other, found)),
            std::cmp::Ordering::Less => collected.older.push(found),
            std::cmp::Ordering::Equal => {
                let (job, first) = (found.manifest.job, other.path.clone());
                troubles.push(Trouble::Duplicate { job, first, second: found.path });
            }
        }
    }
    for job in jobs {
        if let Some(index) = records.iter().position(|found| found.manifest.job == job.id) {
            collected.records.push(records.swap_remove(index));
        } else if !seen.contains(&job.id) {
            collected.missing.push(job.id.clone());
        }
    }
    collected.troubles = troubles;
    collected
}

/// How often the CI run had been started when the job was built: jobs that failed are run again without the others.
fn attempt(manifest: &Manifest) -> u64 {
    manifest.ci.as_ref().and_then(|ci| ci.run_attempt.as_ref()?.parse().ok()).unwrap_or(0)
}

/// In what a record differs from the build that these jobs are.
fn foreign(manifest: &Manifest, jobs: &[Job]) -> Option<String> {
    let name = jobs.first().map(|job| &job.name)?;
    if manifest.name != *name {
        return Some(format!("it is of the image `{}`, and this is `{name}`", manifest.name));
    }
    let Some(job) = jobs.iter().find(|job| job.id == manifest.job) else {
        return Some(format!("there is no job `{}` in this plan", manifest.job));
    };
    let definition = Definition::of(job);
    if manifest.definition != definition {
        let what = different_definition(&manifest.definition, &definition);
        return Some(format!("the job `{}` was built from another {what}", job.id));
    }
    if manifest.matrix != job.matrix {
        return Some(format!("the job `{}` was built with other values of the matrix", job.id));
    }
    let differs = |what: &str, theirs: Option<&str>, ours: Option<&str>| {
        let ours = ours.filter(|ours| theirs != Some(ours))?;
        let theirs = theirs.map_or_else(|| format!("of no {what}"), |theirs| format!("of the {what} {theirs}"));
        Some(format!("the job `{}` is {theirs}, and this is {ours}", job.id))
    };
    let ci = job.origin.ci.as_ref().map(Ci::of);
    let run = |ci: Option<&Ci>| ci.and_then(|ci| ci.run_id.clone());
    let (their_run, our_run) = (run(manifest.ci.as_ref()), run(ci.as_ref()));
    let service = |ci: Option<&Ci>| ci.map(|ci| ci.name.clone());
    let (their_service, our_service) = (service(manifest.ci.as_ref()), service(ci.as_ref()));
    differs("commit", manifest.commit.as_deref(), job.origin.commit.as_deref())
        .or_else(|| differs("CI service", their_service.as_deref(), our_service.as_deref()))
        .or_else(|| differs("CI run", their_run.as_deref(), our_run.as_deref()))
}

fn different_definition(theirs: &Definition, ours: &Definition) -> String {
    if (&theirs.path, &theirs.sha256) != (&ours.path, &ours.sha256) {
        return format!("`{}`", ours.path);
    }
    let other = ours.files.iter().find(|file| !theirs.files.contains(file));
    other.map_or_else(|| "set of step files".to_owned(), |file| format!("`{}`", file.path))
}

/// The files of a record that are not what it says. One that is not there was left where it was built.
fn wrong_files(found: &Found) -> Vec<Trouble> {
    let folder = found.path.parent().unwrap_or(Utf8Path::new(""));
    let trouble = |path: Utf8PathBuf, why: String| Some(Trouble::File { path, why });
    let artifacts = found.manifest.artifacts.iter().filter_map(|artifact| {
        let (name, path) = (artifact.file.as_str(), folder.join(&artifact.file));
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return trouble(found.path.clone(), format!("`{name}` is no name of a file in its folder"));
        }
        let data = fs::symlink_metadata(&path).ok()?;
        if !data.is_file() {
            return trouble(path, "it is not a file".to_owned());
        }
        let (size, recorded) = (data.len(), artifact.size);
        (size != recorded).then(|| trouble(path, format!("it has {size} bytes, and its record says {recorded}")))?
    });
    artifacts.collect()
}
