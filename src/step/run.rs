//! `run:`, `script:` and `local:`: where the text comes from, and which line of the repository each line of it is.

use camino::{Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

use crate::event::{Failure, Place};
use crate::plan::job::{EnvVar, Local, Part, Run, Script, Shell, Text};
use crate::secret::MASK;
use crate::step::bundle::Site;
use crate::step::script::{self, Prepared, Source};
use crate::step::sequence::{Scene, Stop};

/// The largest file that `script:` takes: it goes through memory. Anything larger is data, for `upload:`.
const LARGEST_SCRIPT: u64 = 16 * 1024 * 1024;

/// Runs a script text in the guest.
pub(super) async fn run(scene: &Scene<'_>, run: &Run, cancel: &CancellationToken) -> Result<(), Stop> {
    let env = environment(scene, &scene.env)?;
    let what = Inline { script: &run.script, lines: &run.lines, shell: &run.shell };
    let prepared = what.prepare(scene, env, run.working_directory.as_deref(), Site::Guest)?;
    script::run(scene, scene.guest, &prepared, cancel).await
}

/// Runs a script text on this machine, with no other variables than the step's own.
pub(super) async fn local(scene: &Scene<'_>, local: &Local, cancel: &CancellationToken) -> Result<(), Stop> {
    let env = environment(scene, &scene.own_env)?;
    let site = Site::Local { work: scene.ctx.work.to_string(), root: scene.job.root.to_string() };
    let what = Inline { script: &local.script, lines: &local.lines, shell: &local.shell };
    let prepared = what.prepare(scene, env, local.working_directory.as_deref(), site)?;
    script::run(scene, scene.local, &prepared, cancel).await
}

/// Runs a file of the repository in the guest.
pub(super) async fn file(scene: &Scene<'_>, script: &Script, cancel: &CancellationToken) -> Result<(), Stop> {
    let env = environment(scene, &scene.env)?;
    let args = script.args.iter().map(|arg| expose(scene, arg)).collect::<Result<_, _>>()?;
    let content = read(scene, &script.path).await?;
    let lines: Vec<_> = String::from_utf8_lossy(&content).lines().map(str::to_owned).collect();
    let place = |line| Place { file: script.path.clone(), line, column: None, exact: true };
    let places = (1..).take(lines.len()).map(place).collect();
    let prepared = Prepared {
        name: script.path.file_name().unwrap_or("script").to_owned(),
        shown: script.path.to_string(),
        content,
        source: Source { lines, places, fallback: scene.place() },
        shell: &script.shell,
        args,
        env,
        working_directory: script.working_directory.as_deref(),
        site: Site::Guest,
        own_interpreter: true,
    };
    script::run(scene, scene.guest, &prepared, cancel).await
}

/// A script that stands in the definition.
struct Inline<'a> {
    script: &'a Text,
    lines: &'a [u32],
    shell: &'a Shell,
}

impl<'a> Inline<'a> {
    fn prepare(
        &self,
        scene: &Scene<'_>,
        env: Vec<(String, String)>,
        working_directory: Option<&'a str>,
        site: Site,
    ) -> Result<Prepared<'a>, Stop> {
        let content = expose(scene, self.script)?;
        if content.contains('\0') {
            return Err(scene.failed("the script holds a NUL byte"));
        }
        Ok(Prepared {
            name: "run".to_owned(),
            shown: scene.step.name.clone(),
            content: content.into_bytes(),
            source: self.source(scene),
            shell: self.shell,
            args: Vec::new(),
            env,
            working_directory,
            site,
            own_interpreter: false,
        })
    }

    /// A secret of several lines moves the lines after it: the interpreter counts them, the definition has one.
    fn source(&self, scene: &Scene<'_>) -> Source {
        let (mut lines, mut numbers, mut number) = (vec![String::new()], vec![0], 0);
        for part in &self.script.0 {
            let (text, is_secret) = match part {
                Part::Literal(text) => (text.as_str(), false),
                Part::Secret(name) => (scene.secrets.expose(name).unwrap_or_default(), true),
                // No script has one: `expose` refused it.
                Part::Expr(_) => ("", false),
            };
            for (index, piece) in text.split('\n').enumerate() {
                if index > 0 {
                    number += usize::from(!is_secret);
                    lines.push(String::new());
                    numbers.push(number);
                }
                if let Some(line) = lines.last_mut() {
                    line.push_str(if is_secret { MASK } else { piece });
                }
            }
        }
        let place = |number: usize| match self.lines.get(number).or(self.lines.last()) {
            Some(line) => Place { line: *line, exact: true, ..scene.place() },
            None => scene.place(),
        };
        Source { places: numbers.into_iter().map(place).collect(), lines, fallback: scene.place() }
    }
}

fn expose(scene: &Scene<'_>, text: &Text) -> Result<String, Stop> {
    text.expose(scene.secrets).map_err(|error| scene.failed(error.to_string()))
}

/// The variables with their values, a later one of the same name in place of an earlier one.
fn environment(scene: &Scene<'_>, list: &[EnvVar]) -> Result<Vec<(String, String)>, Stop> {
    let mut env: Vec<(String, String)> = Vec::new();
    for EnvVar { name, value } in list {
        let value = expose(scene, value)?;
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value));
    }
    Ok(env)
}

/// Reads a script of the repository.
async fn read(scene: &Scene<'_>, path: &Utf8Path) -> Result<Vec<u8>, Stop> {
    let file = inside_root(scene, "script", path)?;
    let metadata = tokio::fs::metadata(&file).await.map_err(|error| scene.failed(missing("script", path, &error)))?;
    if !metadata.is_file() {
        return Err(scene.failed(format!("the script `{path}` is not a file")));
    }
    if metadata.len() > LARGEST_SCRIPT {
        let failure = Failure {
            place: Some(scene.place()),
            hint: Some("bring it into the guest with `upload:` and call it from `run:`".to_owned()),
            ..Failure::new(format!("the script `{path}` is larger than {} MiB", LARGEST_SCRIPT >> 20))
        };
        return Err(Stop::Failed(Box::new(failure)));
    }
    tokio::fs::read(&file).await.map_err(|error| scene.failed(missing("script", path, &error)))
}

/// The real path of something in the repository.
pub(super) fn inside_root(scene: &Scene<'_>, what: &str, path: &Utf8Path) -> Result<Utf8PathBuf, Stop> {
    let root =
        scene.job.root.canonicalize_utf8().map_err(|error| scene.failed(missing("folder", &scene.job.root, &error)))?;
    let real = root.join(path).canonicalize_utf8().map_err(|error| scene.failed(missing(what, path, &error)))?;
    if !real.starts_with(&root) {
        return Err(scene.failed(format!("`{path}` leads out of the folder of the definition, to `{real}`")));
    }
    Ok(real)
}

fn missing(what: &str, path: &Utf8Path, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("the {what} `{path}` does not exist"),
        _ => format!("failed to read the {what} `{path}`: {error}"),
    }
}
