//! The records of what was built: `manifest.json` of one job, `images.json` of all. `docs/manifest.md` describes every
//! field. The types are a wire contract: a field is added, never renamed or given another meaning, within one
//! [`VERSION`].

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::file;
use super::inspect::Inspection;
use crate::event::{Artifact, JobId, Outcome, Phase, TestsFinished, Verdict};
use crate::plan::job::{self, Firmware, Job};

/// The version of both documents.
pub const VERSION: u32 = 1;

const MIB: u64 = 1024 * 1024;

/// A document that is larger was not written by us: 256 jobs of some hundred steps have a few MiB.
const LARGEST: u64 = 64 * MIB;

/// `manifest.json`: how one job's files came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub job: JobId,
    /// The definition's `name`.
    pub name: String,
    /// The image's version, where one is known.
    #[serde(default, rename = "image-version", skip_serializing_if = "Option::is_none")]
    pub image_version: Option<String>,
    pub definition: Definition,
    /// The commit that was built, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The CI run that built it; none outside of CI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<Ci>,
    /// The builder, such as `qemu`.
    pub platform: String,
    /// Debian's name of the architecture.
    pub arch: String,
    /// The matrix cell; empty without a matrix.
    pub matrix: serde_json::Map<String, serde_json::Value>,
    pub source: Source,
    pub accelerator: Accelerator,
    /// The hypervisor's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    pub started: DateTime<Utc>,
    pub finished: DateTime<Utc>,
    /// In the order in which they ran.
    pub phases: Vec<PhaseTime>,
    pub steps: Vec<StepRecord>,
    pub artifacts: Vec<Artifact>,
    /// The machine that it was built on: who boots the image needs the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// What the tests of the finished image came to; none: it was not tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<Tests>,
    pub inspection: Inspection,
    pub tool: Tool,
}

/// Which definition was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Relative to its folder.
    pub path: Utf8PathBuf,
    /// Lowercase hexadecimal.
    pub sha256: String,
    /// The step files and the CI configuration that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DefinitionFile>,
}

impl Definition {
    /// That of a job.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let file = |file: &job::DefinitionFile| DefinitionFile { path: file.path.clone(), sha256: file.sha256.clone() };
        Self {
            path: job.definition.clone(),
            sha256: job.definition_digest.clone(),
            files: job.definition_files.iter().map(file).collect(),
        }
    }
}

/// A CI run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ci {
    /// `github`, `gitlab`, `buildkite` or `generic`.
    pub name: String,
    /// Of the workflow run or pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// How often it had been started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_attempt: Option<String>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Ci {
    /// That of a job.
    #[must_use]
    pub fn of(run: &job::CiRun) -> Self {
        let job::CiRun { name, run_id, run_attempt, url } = run.clone();
        Self { name, run_id, run_attempt, url }
    }
}

/// A file that a definition names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionFile {
    /// From the definition's folder; CI configuration from the repository's root.
    pub path: Utf8PathBuf,
    /// Lowercase hexadecimal.
    pub sha256: String,
}

/// What the machine started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// For people.
    pub description: String,
    /// `sha256:…`; none for what was bootstrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A machine's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub firmware: Firmware,
    /// Bytes.
    pub memory: u64,
    pub cpus: u32,
    /// Who logged in.
    pub user: String,
}

/// What tests of the image came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tests {
    #[serde(flatten)]
    pub finished: TestsFinished,
    /// Digest of the file that was booted, lowercase hexadecimal.
    pub sha256: String,
    /// When the verdict came.
    pub time: DateTime<Utc>,
    /// Names of what failed, was flaky, was warned of or waived.
    pub remarks: Vec<TestRemark>,
}

/// A test that did not simply pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRemark {
    /// `service nginx: running`, `check failed-units`.
    pub name: String,
    pub verdict: Verdict,
}

/// What ran the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accelerator {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How long a phase took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseTime {
    pub name: Phase,
    pub seconds: f64,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub name: String,
    /// Before `continue-on-error`.
    pub outcome: Outcome,
    pub seconds: f64,
    pub attempts: u32,
}

/// What wrote the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub version: String,
}

impl Tool {
    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// `images.json`: all jobs in one document, by job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Images {
    pub version: u32,
    /// The definition's `name`.
    pub name: String,
    /// Sorted by job.
    pub jobs: Vec<Manifest>,
}

impl Manifest {
    /// Writes it to `path`, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, path: &Utf8Path) -> anyhow::Result<()> {
        replace(path, &json(self)?)
    }

    /// Reads a `manifest.json`.
    ///
    /// # Errors
    /// It can't be read or is of another version.
    pub fn read(path: &Utf8Path) -> anyhow::Result<Self> {
        read(path)
    }
}

impl Images {
    /// Writes it to `path`, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, path: &Utf8Path) -> anyhow::Result<()> {
        replace(path, &json(self)?)
    }

    /// Adds this run's jobs to what is there: a job that was built replaces its entry, one that was not keeps it as long
    /// as `is_there` says that its files are.
    #[must_use]
    pub fn merge(
        existing: Option<Self>,
        name: &str,
        built: Vec<Manifest>,
        is_there: impl Fn(&Manifest) -> bool,
    ) -> Self {
        // Another image's records have no place here.
        let kept = existing.filter(|images| images.name == name).map_or_else(Vec::new, |images| images.jobs);
        let kept = kept.into_iter().filter(|old| is_there(old) && built.iter().all(|new| new.job != old.job));
        let mut jobs: Vec<_> = kept.collect();
        jobs.extend(built);
        jobs.sort_by(|a, b| a.job.cmp(&b.job));
        Self { version: VERSION, name: name.to_owned(), jobs }
    }

    /// Brings `<out>/images.json` up to date with this run's jobs; see [`Images::merge`].
    ///
    /// # Errors
    /// The file can't be read or written, or is of another version.
    pub fn update(out: &Utf8Path, name: &str, built: Vec<Manifest>) -> anyhow::Result<Self> {
        // Runs of other jobs may write to the same folder. Some network file systems can't lock folders.
        let folder = File::open(out).with_context(|| format!("failed to open `{out}`"))?;
        let _ = folder.lock();
        let path = out.join("images.json");
        let existing = if path.exists() { Some(read(&path)?) } else { None };
        let images = Self::merge(existing, name, built, |manifest| {
            let folder = out.join(&manifest.job.0);
            manifest.artifacts.iter().all(|artifact| folder.join(&artifact.file).is_file())
        });
        images.write(&path)?;
        Ok(images)
    }
}

/// A document that says its version.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn read<T: for<'de> Deserialize<'de>>(path: &Utf8Path) -> anyhow::Result<T> {
    let mut text = Vec::new();
    let file = File::open(path).with_context(|| format!("failed to open `{path}`"))?;
    file.take(LARGEST + 1).read_to_end(&mut text).with_context(|| format!("failed to read `{path}`"))?;
    if u64::try_from(text.len()).is_ok_and(|size| size > LARGEST) {
        bail!("`{path}` is not a record of ours: it is larger than {} MiB", LARGEST / MIB);
    }
    let Versioned { version } =
        serde_json::from_slice(&text).with_context(|| format!("`{path}` is not a record of ours"))?;
    if version != VERSION {
        bail!(
            "`{path}` is of version {version}, and this program reads version {VERSION}: remove it, or use the program that wrote it"
        );
    }
    serde_json::from_slice(&text).with_context(|| format!("`{path}` is not a record of ours"))
}

fn json(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).context("failed to write JSON")?;
    text.push(b'\n');
    Ok(text)
}

/// A new file in the place of what an earlier write left, or of a link that someone brought along: it leads elsewhere.
pub(crate) fn part_file(path: &Utf8Path) -> std::io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create_new(path)
}

/// Replaces a file, so that a reader sees the old content or the new, and a kill leaves one of them.
pub(super) fn replace(path: &Utf8Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let part = folder.join(format!(".{}.part", path.file_name().unwrap_or("file")));
    let write = || {
        let mut file = part_file(&part)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        file::sync_folder(folder)
    };
    write().map_err(|error| file::write_error(path, error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn manifest(job: &str, sha256: &str) -> Manifest {
        let time = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Manifest {
            version: VERSION,
            job: JobId(job.to_owned()),
            name: "web".to_owned(),
            image_version: Some("1.2.0".to_owned()),
            definition: Definition {
                path: "ovenbird.yml".into(),
                sha256: "d".repeat(8),
                files: vec![DefinitionFile { path: "steps/monitoring.yml".into(), sha256: "e".repeat(8) }],
            },
            commit: None,
            ci: None,
            platform: "qemu".to_owned(),
            arch: "amd64".to_owned(),
            matrix: serde_json::Map::new(),
            source: Source { description: "debian bookworm".to_owned(), digest: None },
            accelerator: Accelerator { name: Some("tcg".to_owned()), reason: Some("asked for".to_owned()) },
            hypervisor: Some("7.2.0".to_owned()),
            started: time,
            finished: time,
            phases: vec![PhaseTime { name: Phase::Boot, seconds: 1.5 }],
            steps: vec![StepRecord {
                name: "Install".to_owned(),
                outcome: Outcome::Success,
                seconds: 2.0,
                attempts: 1,
            }],
            artifacts: vec![Artifact {
                file: "web.qcow2".to_owned(),
                format: "qcow2".to_owned(),
                compression: None,
                size: 3,
                virtual_size: 4096,
                sha256: sha256.to_owned(),
            }],
            machine: Some(Machine { firmware: Firmware::Bios, memory: 1 << 30, cpus: 2, user: "root".to_owned() }),
            tests: None,
            inspection: Inspection { inspected: true, reason: None },
            tool: Tool { name: "ovenbird".to_owned(), version: "0.0.0".to_owned() },
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&manifest("qemu", "aa")).unwrap(), @r#"
        {
          "version": 1,
          "job": "qemu",
          "name": "web",
          "image-version": "1.2.0",
          "definition": {
            "path": "ovenbird.yml",
            "sha256": "dddddddd",
            "files": [
              {
                "path": "steps/monitoring.yml",
                "sha256": "eeeeeeee"
              }
            ]
          },
          "platform": "qemu",
          "arch": "amd64",
          "matrix": {},
          "source": {
            "description": "debian bookworm"
          },
          "accelerator": {
            "name": "tcg",
            "reason": "asked for"
          },
          "hypervisor": "7.2.0",
          "started": "2023-11-14T22:13:20Z",
          "finished": "2023-11-14T22:13:20Z",
          "phases": [
            {
              "name": "boot",
              "seconds": 1.5
            }
          ],
          "steps": [
            {
              "name": "Install",
              "outcome": "success",
              "seconds": 2.0,
              "attempts": 1
            }
          ],
          "artifacts": [
            {
              "file": "web.qcow2",
              "format": "qcow2",
              "size": 3,
              "virtual-size": 4096,
              "sha256": "aa"
            }
          ],
          "machine": {
            "firmware": "bios",
            "memory": 1073741824,
            "cpus": 2,
            "user": "root"
          },
          "inspection": {
            "inspected": true
          },
          "tool": {
            "name": "ovenbird",
            "version": "0.0.0"
          }
        }
        "#);
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("manifest.json");
        manifest("qemu", "aa").write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest("qemu", "aa"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn jobs_of_earlier_runs_keep_their_entries_while_their_files_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap();
        for job in ["a", "b"] {
            std::fs::create_dir(out.join(job)).unwrap();
            std::fs::write(out.join(job).join("web.qcow2"), "").unwrap();
        }
        Images::update(out, "web", vec![manifest("b", "old"), manifest("a", "old")]).unwrap();
        let images = Images::update(out, "web", vec![manifest("a", "new")]).unwrap();
        let entries = |images: &Images| {
            images.jobs.iter().map(|job| format!("{} {}", job.job, job.artifacts[0].sha256)).collect::<Vec<_>>()
        };
        assert_eq!(entries(&images), ["a new", "b old"]);
        std::fs::remove_file(out.join("b/web.qcow2")).unwrap();
        assert_eq!(entries(&Images::update(out, "web", vec![]).unwrap()), ["a new"]);
        assert_eq!(entries(&Images::update(out, "other", vec![manifest("c", "c")]).unwrap()), ["c c"]);
    }

    #[test]
    fn a_link_in_the_place_of_a_part_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let (elsewhere, path) = (folder.join("elsewhere"), folder.join("manifest.json"));
        std::fs::write(&elsewhere, "mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.join(".manifest.json.part")).unwrap();
        manifest("web", "a").write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "mine");
        assert!(!path.is_symlink() && Manifest::read(&path).is_ok());
    }

    #[test]
    fn a_document_of_another_version_is_refused_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("images.json");
        std::fs::write(&path, r#"{"version": 2, "pictures": []}"#).unwrap();
        let error = read::<Images>(&path).unwrap_err().to_string();
        assert!(error.contains("is of version 2, and this program reads version 1"), "{error}");
    }
}
