//! The goss files that a definition names: read for each job, and put into it.
//!
//! Every mistake is told on the line of the file as it is written, whatever its templates made of it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use chrono::{DateTime, Utc};

use super::specs::{self, Parsed};
use crate::cli::{files, repository};
use crate::diagnostic::{Diagnostic, Label, TOO_MANY};
use crate::plan::job::{DefinitionFile, Job};
use crate::plan::{Attempt, Goss, NeededFile};
use crate::smoke::load::{self, Files, LoadError, Loaded};
use crate::smoke::spec::{Resource, Spec};
use crate::smoke::template::{Data, Rendered, Value, functions};
use crate::source::{FileId, Place, Source, Sources};

/// The most that goss files may be in all jobs together, rendered, in bytes.
const MOST_RENDERED: usize = 128 * 1024 * 1024;

/// Where goss files are, and what their templates see.
pub(in crate::cli) struct Surroundings<'a> {
    /// The definition's folder: absolute and real.
    pub(in crate::cli) root: &'a Utf8Path,
    /// What may be read.
    pub(in crate::cli) repository: &'a Utf8Path,
    /// `.Env`, without secrets.
    pub(in crate::cli) environment: &'a BTreeMap<String, String>,
}

/// Reads the goss files of every job, and gives each what they ask. The files are added to `sources`; what is wrong is
/// told. Of files that can't be used at all, it is told elsewhere.
pub(in crate::cli) fn load(
    attempt: &mut Attempt,
    surroundings: &Surroundings<'_>,
    sources: &mut Sources,
) -> Vec<Diagnostic> {
    let mut reader = Reader { surroundings, sources, diagnostics: Vec::new(), read: BTreeMap::new(), rendered: 0 };
    for goss in &attempt.goss {
        if goss.files.is_empty() {
            continue;
        }
        let Some(read) = reader.of_job(goss) else { break };
        if let Some(job) = attempt.plan.jobs.iter_mut().find(|job| job.id == goss.job) {
            read.give(job);
        }
    }
    reader.diagnostics
}

/// What the goss files of a job are.
#[derive(Clone, Default)]
struct Read {
    /// In the order of the merge.
    resources: Vec<Resource>,
    files: Vec<DefinitionFile>,
    /// Bytes of all rendered texts.
    rendered: usize,
}

impl Read {
    fn give(&self, job: &mut Job) {
        let new = self.files.iter().filter(|file| job.definition_files.iter().all(|known| known.path != file.path));
        let new: Vec<DefinitionFile> = new.cloned().collect();
        job.definition_files.extend(new);
        if let Some(tests) = &mut job.tests {
            // What the definition itself says comes last, and counts.
            let own = std::mem::take(&mut tests.resources);
            tests.resources = Spec::new(self.resources.iter().cloned().chain(own).collect()).resources;
        }
    }
}

struct Reader<'a> {
    surroundings: &'a Surroundings<'a>,
    sources: &'a mut Sources,
    diagnostics: Vec<Diagnostic>,
    /// By the files and what their templates see.
    read: BTreeMap<String, Read>,
    /// Bytes of what all jobs have so far.
    rendered: usize,
}

impl Reader<'_> {
    /// None: it would be too much.
    fn of_job(&mut self, goss: &Goss) -> Option<Read> {
        let paths: Vec<&str> = goss.files.iter().map(|file| file.written.as_str()).collect();
        let key = serde_json::json!([paths, goss.vars]).to_string();
        let read = match self.read.get(&key) {
            Some(read) => read.clone(),
            None => self.files(goss),
        };
        self.rendered = self.rendered.saturating_add(read.rendered);
        if self.rendered > MOST_RENDERED {
            let message = format!("the goss files of all jobs have more than {} MiB together", MOST_RENDERED >> 20);
            let help = "let each job name only what it needs: an expression in the path may choose";
            let place = goss.files.first().map(|file| file.place.clone());
            let diagnostic = Diagnostic::error(TOO_MANY, message).help(help);
            self.diagnostics.push(place.into_iter().fold(diagnostic, Diagnostic::at));
            return None;
        }
        self.read.insert(key, read.clone());
        Some(read)
    }

    fn files(&mut self, goss: &Goss) -> Read {
        let vars = goss.vars.iter().map(|(name, value)| (name.clone(), Value::from_yaml(value))).collect();
        let data = Data { vars, env: self.surroundings.environment.clone() };
        let folder = Folder::new(self.surroundings);
        let mut read = Read::default();
        for file in &goss.files {
            if files::is_usable(file, self.surroundings.repository) {
                self.file(goss, file, &data, &folder, &mut read);
            }
        }
        for (path, text) in folder.texts.into_inner() {
            let source = self.source(&path, &text);
            let sha256 = self.sources.get(source).digest().to_owned();
            read.files.push(DefinitionFile { path, sha256 });
        }
        read
    }

    /// One file with all that it imports.
    fn file(&mut self, goss: &Goss, file: &NeededFile, data: &Data, folder: &Folder<'_>, read: &mut Read) {
        let path = Utf8PathBuf::from(functions::clean(&file.written));
        let loaded = match load::load(&path, data, folder) {
            Ok(loaded) => loaded,
            Err(error) => {
                let diagnostic = self.not_loaded(&error, goss, file, folder);
                self.diagnostics.push(diagnostic);
                return;
            }
        };
        read.rendered += loaded.files.iter().map(|rendered| rendered.text.len()).sum::<usize>();
        let Some(Parsed { mut resources, sources, diagnostics }) = specs::parse(&loaded) else { return };
        for diagnostic in diagnostics {
            let told = self.as_written(diagnostic, &sources, &loaded, folder, goss);
            self.diagnostics.push(told);
        }
        for resource in &mut resources {
            let places = resource.assertions.iter_mut().map(|assertion| &mut assertion.place);
            for place in places.chain([&mut resource.place]) {
                let rendered = loaded.files.iter().find(|rendered| rendered.file == place.file);
                if rendered.is_some_and(|rendered| !folder.has(rendered)) {
                    place.column = None;
                }
            }
        }
        read.resources.append(&mut resources);
    }

    fn not_loaded(&mut self, error: &LoadError, goss: &Goss, file: &NeededFile, folder: &Folder<'_>) -> Diagnostic {
        let (name, line) = error.place();
        let place = |reader: &mut Self| match folder.texts.borrow().get(Utf8Path::new(name)) {
            Some(text) => {
                let source = reader.source(Utf8Path::new(name), text);
                reader.sources.get(source).whole_line(line)
            }
            None => file.place.clone(),
        };
        match error {
            LoadError::Unreadable { file: path, reason } => {
                let message = format!("the goss file `{path}` can't be read: {reason}");
                Diagnostic::error("unreadable-file", message).at(file.place.clone())
            }
            LoadError::Template(error) => {
                let diagnostic = Diagnostic::error("goss-file", format!("the template fails: {}", error.message));
                in_job(diagnostic.at(place(self)), goss)
            }
            LoadError::Yaml { message, .. } => {
                // The place in the rendered text would be another one.
                let message = message.split(" at line ").next().unwrap_or_default();
                Diagnostic::error("yaml", format!("not valid YAML: {message}")).at(place(self))
            }
            LoadError::Import { message, .. } => Diagnostic::error("goss-file", message.clone()).at(place(self)),
        }
    }

    /// A diagnostic of rendered texts, at the places of the files as they are written.
    fn as_written(
        &mut self,
        mut diagnostic: Diagnostic,
        rendered: &Sources,
        loaded: &Loaded,
        folder: &Folder<'_>,
        goss: &Goss,
    ) -> Diagnostic {
        let mut lines = Vec::new();
        for label in &mut diagnostic.labels {
            let source = rendered.get(label.place.file());
            let Some(index) = rendered.iter().position(|other| other.id() == source.id()) else { continue };
            let Some(file) = loaded.files.get(index) else { continue };
            *label = self.label(label, source, file, folder, &mut lines);
        }
        // What a template wrote may be another in another job.
        let add = |diagnostic: Diagnostic, line| in_job(diagnostic.help(format!("rendered, it is `{line}`")), goss);
        lines.into_iter().fold(diagnostic, add)
    }

    fn label(
        &mut self,
        label: &Label,
        rendered: &Source,
        file: &Rendered,
        folder: &Folder<'_>,
        lines: &mut Vec<String>,
    ) -> Label {
        let range = rendered.range(&label.place);
        let texts = folder.texts.borrow();
        let text = texts.get(Utf8Path::new(&file.file)).map_or(file.text.as_str(), String::as_str);
        let written = self.source(Utf8Path::new(&file.file), text);
        let line = rendered.position(range.start).line;
        let whole = self.sources.get(written).whole_line(file.source_line(line));
        let (here, there) = (rendered.range(&rendered.whole_line(line)), self.sources.get(written).range(&whole));
        let shown = rendered.text().get(here.clone()).unwrap_or_default();
        let place = if self.sources.get(written).text().get(there.clone()) == Some(shown) {
            let shift = |offset: usize| (offset + there.start).saturating_sub(here.start);
            Place::Bytes(written, shift(range.start)..shift(range.end))
        } else {
            lines.push(shown.to_owned());
            whole
        };
        Label { place, text: label.text.clone() }
    }

    /// The file among the sources.
    fn source(&mut self, name: &Utf8Path, text: &str) -> FileId {
        self.sources.find(name.as_str()).unwrap_or_else(|| self.sources.add_text(name.as_str(), text))
    }
}

fn in_job(diagnostic: Diagnostic, goss: &Goss) -> Diagnostic {
    diagnostic.note(format!("in the job `{}`", goss.job))
}

/// The files of the repository, by their paths from the definition's folder.
struct Folder<'a> {
    surroundings: &'a Surroundings<'a>,
    now: DateTime<Utc>,
    /// What was read.
    texts: RefCell<BTreeMap<Utf8PathBuf, String>>,
}

impl<'a> Folder<'a> {
    fn new(surroundings: &'a Surroundings<'a>) -> Self {
        Self { surroundings, now: Utc::now(), texts: RefCell::default() }
    }

    /// Whether a rendered file is just as it is written.
    fn has(&self, rendered: &Rendered) -> bool {
        self.texts.borrow().get(Utf8Path::new(&rendered.file)).is_some_and(|text| *text == rendered.text)
    }
}

impl Files for Folder<'_> {
    fn read(&self, path: &Utf8Path) -> Result<String, String> {
        let bytes = repository::read(self.surroundings.repository, &self.surroundings.root.join(path));
        let bytes = bytes.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
                "it is outside of the repository".to_owned()
            }
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => error.to_string(),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        self.texts.borrow_mut().insert(path.to_owned(), text.clone());
        Ok(text)
    }

    fn names(&self, folder: &Utf8Path) -> Vec<String> {
        let folder = self.surroundings.root.join(folder).canonicalize_utf8();
        let inside = folder.ok().filter(|folder| folder.starts_with(self.surroundings.repository));
        let entries = inside.and_then(|folder| folder.read_dir_utf8().ok()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_owned()).collect()
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }
}
