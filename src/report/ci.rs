//! Where a run takes place, as reports need to know it: plain values, for reports read no environment. `cli` fills them.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::text;
use crate::event::Place;
use crate::secret::Masks;

/// How reports name what belongs to a repository and to this run.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The definition's folder, relative to the root of the repository, with `/`. Empty: the root itself.
    pub folder: Utf8PathBuf,
    /// The output folder as CI services name it: relative to the folder that they check out into, where it is below it.
    pub out: Utf8PathBuf,
    /// The command that builds again what this run builds, without the jobs: quoted for a shell, in the repository's root.
    pub command: String,
}

/// The CI service that runs us.
#[derive(Clone, Debug)]
pub enum Ci {
    GitHub(GitHub),
    GitLab(GitLab),
}

/// What GitHub Actions gives a step.
#[derive(Clone, Debug, Default)]
pub struct GitHub {
    /// `GITHUB_STEP_SUMMARY`: Markdown for the run's page.
    pub summary: Option<Utf8PathBuf>,
    /// `GITHUB_OUTPUT`: the step's outputs.
    pub output: Option<Utf8PathBuf>,
    /// 128 random bits in hexadecimal, new in every run: ends values in the outputs' file, so nothing inside can.
    pub token: String,
    /// What the runner must hide, told before anything else.
    pub masks: Masks,
    /// Whether failures are shown on their lines by workflow commands, where no check run shows them.
    pub annotations: Annotations,
}

/// Whether GitHub is given annotations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Annotations {
    #[default]
    Shown,
    None,
}

/// What GitLab CI/CD gives a job.
#[derive(Clone, Debug, Default)]
pub struct GitLab {
    /// `CI_JOB_URL`: below it GitLab shows the job's artifacts.
    pub job_url: Option<String>,
}

impl Setting {
    /// A place's file relative to the root of the repository, with `/` and without `.` or `..`; none when it is outside.
    pub(super) fn file_of(&self, place: &Place) -> Option<String> {
        // Before it is taken apart: a control character may stand between two dots.
        let file = Utf8PathBuf::from(text::line(place.file.as_str()));
        let mut parts: Vec<&str> = Vec::new();
        for component in self.folder.components().chain(file.components()) {
            match component {
                Utf8Component::Normal(part) => parts.push(part),
                Utf8Component::ParentDir => {
                    parts.pop()?;
                }
                Utf8Component::CurDir => {}
                Utf8Component::RootDir | Utf8Component::Prefix(_) => return None,
            }
        }
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// The path of a file in the output folder, as CI services name it.
    pub(super) fn output(&self, file: impl AsRef<Utf8Path>) -> String {
        text::line(self.out.join(file).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_from_the_root_of_the_repository() {
        let file = |folder: &str, file: &str| {
            let setting = Setting { folder: folder.into(), ..Setting::default() };
            setting.file_of(&Place { file: file.into(), line: 1, column: None, exact: true })
        };
        assert_eq!(file("", "ovenbird.yml").as_deref(), Some("ovenbird.yml"));
        assert_eq!(file("images/web", "./scripts/a.sh").as_deref(), Some("images/web/scripts/a.sh"));
        assert_eq!(file("images/web", "../common/a.sh").as_deref(), Some("images/common/a.sh"));
        assert_eq!(file("images", "../../elsewhere.sh"), None, "outside the repository there is no line to show");
        assert_eq!(file("", ".\u{0}./elsewhere.sh"), None);
        assert_eq!(file("", "/etc/passwd"), None);
    }
}
