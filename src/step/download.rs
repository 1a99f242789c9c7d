//! `download:` a file or tree of the guest to this machine.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

use crate::event::{Failure, Unit};
use crate::guest::Get;
use crate::plan::job::Download;
use crate::step::sequence::{Scene, Stop};
use crate::step::upload::tell;

/// Copies what the step says.
pub(super) async fn download(scene: &Scene<'_>, download: &Download, cancel: &CancellationToken) -> Result<(), Stop> {
    let get = resolve(scene, download)?;
    if let Some(parent) = get.to.parent() {
        let failed = |error| scene.failed(format!("failed to create the folder `{parent}`: {error}"));
        tokio::fs::create_dir_all(parent).await.map_err(failed)?;
    }
    let what = format!("download {}", download.from);
    let progress = |done, total| scene.ctx.events.progress(&what, done, total, Unit::Bytes);
    let transfer = scene.guest.get(&get, &progress, cancel).await;
    let failed = format!("failed to download `{}` to `{}`", download.from, download.to);
    let transfer = transfer.map_err(|error| scene.stopped(&failed, error))?;
    tell(scene, "downloaded", transfer, download.to.as_str()).await;
    if transfer.skipped > 0 {
        let (count, from) = (transfer.skipped, &download.from);
        let what = if count == 1 { "1 entry" } else { &format!("{count} entries") };
        let were = if count == 1 { "was" } else { "were" };
        let message = format!("{what} of `{from}` {were} left out");
        let hint = "links that lead out of the folder, devices and pipes are not downloaded".to_owned();
        let place = Some(scene.place());
        let step = Some(scene.step.index);
        scene.ctx.events.warn(Failure { step, place, hint: Some(hint), ..Failure::new(message) }).await;
    }
    Ok(())
}

/// As with uploads, a final `/` of `to` asks for a folder to put it in, unless `from` asks for a folder's content.
fn resolve(scene: &Scene<'_>, download: &Download) -> Result<Get, Stop> {
    let from = download.from.trim_end_matches('/');
    let contents = from.len() < download.from.len();
    let name = Utf8Path::new(from).file_name();
    let to = match name {
        Some(name) if download.to.as_str().ends_with('/') && !contents => download.to.join(name),
        _ => download.to.clone(),
    };
    let to = target(scene, &to)?;
    Ok(Get { from: if from.is_empty() { "/".to_owned() } else { from.to_owned() }, to })
}

/// The real path in the repository that something new gets. Links on the way must not lead out of it.
fn target(scene: &Scene<'_>, to: &Utf8Path) -> Result<Utf8PathBuf, Stop> {
    let out = || scene.failed(format!("`{to}` leads out of the folder of the definition"));
    let root = &scene.job.root;
    let root = root.canonicalize_utf8().map_err(|error| scene.failed(format!("failed to read `{root}`: {error}")))?;
    let mut path = root.clone();
    for component in to.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::Normal(name) => path.push(name),
            Utf8Component::ParentDir | Utf8Component::RootDir | Utf8Component::Prefix(_) => return Err(out()),
        }
    }
    // The deepest part that is there; a link that leads nowhere is there too.
    let there = path.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(&root);
    match there.canonicalize_utf8() {
        Ok(real) if real.starts_with(&root) => Ok(path),
        Ok(_) | Err(_) => Err(out()),
    }
}
