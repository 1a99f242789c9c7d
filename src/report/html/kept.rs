//! What was kept of a failed job and of the boots of tests: a screen as a picture in the page, the rest as links beside it.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use maud::{Markup, html};

use super::parts::name;
use crate::event::{Kept, KeptKind, Outcome};
use crate::report::run::Job;
use crate::report::text;

/// Bytes of a picture that goes into the page; a larger one stays beside it.
const PICTURE: u64 = 300 << 10;

/// How a PNG begins (PNG specification, 5.2).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Where a job's files are.
pub(super) struct Files {
    /// The job's folder beside the page, and the same as a link.
    beside: Utf8PathBuf,
    link: String,
    /// Its folder, wherever that is.
    folder: Utf8PathBuf,
}

impl Files {
    /// `out` is the page's folder; `events` lies in the job's.
    pub(super) fn of(job: &Job, out: &Utf8Path, events: &Utf8Path) -> Self {
        let folder = events.parent().unwrap_or(out).to_owned();
        // A link that begins so is never taken for anything but a path, whatever the name.
        Self { beside: out.join(&job.id.0), link: format!("./{}", text::line(&job.id.0)), folder }
    }

    /// A link to a file of the job; none where the page does not lie beside it.
    pub(super) fn link(&self, file: &str) -> Option<String> {
        let is_there = is_inside(&self.beside, file);
        is_there.then(|| format!("{}/{}", self.link, text::line(file)))
    }

    /// A picture as an address that holds all of it.
    fn picture(&self, file: &str) -> Option<String> {
        if !is_inside(&self.folder, file) {
            return None;
        }
        let path = self.folder.join(file);
        let mut bytes = Vec::new();
        std::fs::File::open(&path).ok()?.take(PICTURE + 1).read_to_end(&mut bytes).ok()?;
        let fits = bytes.len() as u64 <= PICTURE && bytes.starts_with(PNG);
        fits.then(|| format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
    }
}

/// Whether it is a file of the job's folder, or of a folder in it. Events may come from another machine: nothing outside is
/// read.
fn is_inside(folder: &Utf8Path, file: &str) -> bool {
    let mut parts = Utf8Path::new(file).components();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Utf8Component::Normal(_)), None, None) => is_file(&folder.join(file)),
        (Some(Utf8Component::Normal(inner)), Some(Utf8Component::Normal(_)), None) => {
            is_folder(&folder.join(inner)) && is_file(&folder.join(file))
        }
        _ => false,
    }
}

fn is_folder(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok_and(|file| file.is_dir())
}

fn is_file(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok_and(|file| file.is_file())
}

/// What was kept, ready to be put into the page.
#[derive(Default)]
pub(super) struct Evidence {
    of_failure: bool,
    files: Vec<One>,
}

struct One {
    kind: KeptKind,
    file: String,
    link: Option<String>,
    picture: Option<String>,
}

impl Evidence {
    /// `room` is what pictures may take, and then what is left of it.
    pub(super) fn of(job: &Job, files: &Files, room: &mut usize) -> Self {
        let of_failure = job.outcome() != Some(Outcome::Success);
        Self { of_failure, files: job.kept.iter().map(|kept| One::of(kept, files, room)).collect() }
    }

    /// Bytes that its pictures take.
    pub(super) fn bytes(&self) -> usize {
        self.files.iter().filter_map(|one| one.picture.as_ref()).map(String::len).sum()
    }

    pub(super) fn markup(&self) -> Markup {
        html! {
            @if !self.files.is_empty() {
                h4 { (if self.of_failure { "Kept of the failure" } else { "Kept of the tests" }) }
                div.kept { @for one in &self.files { (one.markup()) } }
            }
        }
    }
}

impl One {
    fn of(kept: &Kept, files: &Files, room: &mut usize) -> Self {
        let picture = (kept.kind == KeptKind::Screenshot).then(|| files.picture(&kept.file)).flatten();
        let picture = picture.filter(|picture| picture.len() <= *room);
        *room -= picture.as_ref().map_or(0, String::len);
        Self { kind: kept.kind, file: name(&kept.file), link: files.link(&kept.file), picture }
    }

    fn markup(&self) -> Markup {
        let about = match self.kind {
            KeptKind::Screenshot => "the machine’s display",
            KeptKind::Console => "its serial console",
            KeptKind::Journal => "the guest’s own log",
        };
        html! {
            figure {
                @if let Some(picture) = &self.picture { img src=(picture) alt="The machine’s display when the job failed"; }
                figcaption {
                    @match &self.link {
                        Some(link) => { a href=(link) { (self.file) } }
                        None => { code { (self.file) } }
                    }
                    span.dim { " – " (about) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::event::{Body, JobId};
    use crate::report::run::Run;
    use crate::report::testing::at;

    /// What the page has of a screenshot of this name, which lies in the job's folder with these bytes.
    fn shown(file: &str, bytes: &[u8], mut room: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(folder.path()).unwrap();
        std::fs::create_dir(out.join("web")).unwrap();
        std::fs::write(out.join("web").join(file), bytes).unwrap();
        let mut run = Run::default();
        let kept = Kept { file: file.to_owned(), kind: KeptKind::Screenshot };
        run.take(&at(0.0, Some("web"), Body::Kept(kept)));
        let job = &run.jobs[0];
        assert_eq!(job.id, JobId("web".to_owned()));
        let files = Files::of(job, out, &out.join("web/events.jsonl"));
        Evidence::of(job, &files, &mut room).markup().into_string()
    }

    #[test]
    fn a_small_screenshot_is_in_the_page_and_a_large_one_is_beside_it() {
        let small = shown("screenshot.png", &[PNG, &[0; 100]].concat(), 1000);
        assert!(small.contains("<img src=\"data:image/png;base64,iVBOR"), "{small}");
        assert!(small.contains("<a href=\"./web/screenshot.png\">screenshot.png</a>"), "{small}");
        for (length, room) in [(400 << 10, 1 << 20), (1000, 1000)] {
            let large = shown("screenshot.png", &[PNG, &vec![0; length]].concat(), room);
            assert!(!large.contains("<img") && large.contains("href=\"./web/screenshot.png\""), "{large}");
        }
    }

    #[test]
    fn what_is_no_picture_or_lies_elsewhere_is_not_shown() {
        let text = shown("screenshot.png", b"<svg onload=alert(1)>", 1000);
        assert!(!text.contains("<img"), "{text}");
        let outside = shown("../screenshot.png", &[PNG, &[0; 100]].concat(), 1000);
        assert!(!outside.contains("<img") && !outside.contains("href"), "{outside}");
    }

    #[test]
    fn a_file_of_a_tests_boot_is_linked_and_what_a_link_leads_to_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let job = Utf8Path::from_path(folder.path()).unwrap();
        std::fs::create_dir(job.join("test-1")).unwrap();
        std::fs::write(job.join("test-1/console.txt"), "").unwrap();
        std::os::unix::fs::symlink(job.join("test-1"), job.join("link")).unwrap();
        assert!(is_inside(job, "test-1/console.txt"));
        for file in ["link/console.txt", "test-1/../test-1/console.txt", "test-1", "/etc/passwd"] {
            assert!(!is_inside(job, file), "{file}");
        }
    }
}
