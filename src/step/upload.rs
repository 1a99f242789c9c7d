//! `upload:` a file or tree of the repository to the guest.

use camino::Utf8Path;
use tokio_util::sync::CancellationToken;

use crate::event::{Stream, Unit};
use crate::guest::{Put, Transfer};
use crate::plan::job::Upload;
use crate::step::run::inside_root;
use crate::step::sequence::{Scene, Stop};

/// Copies what the step says.
pub(super) async fn upload(scene: &Scene<'_>, upload: &Upload, cancel: &CancellationToken) -> Result<(), Stop> {
    let put = resolve(scene, upload)?;
    let what = format!("upload {}", upload.from);
    let progress = |done, total| scene.ctx.events.progress(&what, done, total, Unit::Bytes);
    let transfer = scene.guest.put(&put, &progress, cancel).await;
    let failed = format!("failed to upload `{}` to `{}`", upload.from, put.to);
    let transfer = transfer.map_err(|error| scene.stopped(&failed, error))?;
    tell(scene, "uploaded", transfer, &put.to).await;
    scene.uploads.add(&put.from, put.to.as_str().into());
    Ok(())
}

/// Final slashes mean what they mean to rsync: after `from` its content, after `to` a folder to put it in.
fn resolve(scene: &Scene<'_>, upload: &Upload) -> Result<Put, Stop> {
    let from = inside_root(scene, "file or folder", &upload.from)?;
    let contents = upload.from.as_str().ends_with('/') || upload.from.file_name().is_none();
    if contents && !from.is_dir() {
        return Err(scene.failed(format!("`{}` is not a folder: a final `/` asks for the content of one", upload.from)));
    }
    let to = match upload.to.trim_end_matches('/') {
        "" => "/".to_owned(),
        to => to.to_owned(),
    };
    let to = match Utf8Path::new(upload.from.as_str().trim_end_matches('/')).file_name() {
        Some(name) if upload.to.ends_with('/') && !contents => Utf8Path::new(&to).join(name).into_string(),
        _ => to,
    };
    Ok(Put { from, contents, to, owner: upload.owner.clone(), mode: upload.mode })
}

/// One line of the step's output that sums up a copy.
pub(super) async fn tell(scene: &Scene<'_>, did: &str, transfer: Transfer, to: &str) {
    let files = if transfer.files == 1 { "file" } else { "files" };
    let line = format!("{did} {} {files}, {}, to {to}", transfer.files, size(transfer.bytes));
    scene.ctx.events.output(Some(scene.step.index), Stream::Stdout, line.as_bytes()).await;
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (bytes.saturating_mul(10), "B");
    for next in UNITS {
        if tenths < 10240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        assert_eq!([0, 1023, 1024, 1_500_000, 1 << 40].map(size), ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "1.0 TiB"]);
    }
}
