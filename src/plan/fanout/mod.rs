//! A plan as a CI service runs it: each job on a machine of its own. What is written names the jobs, and each leg plans the
//! definition again and builds the one that it is given.
//!
//! Pure: text out of a plan. Job ids are safe wherever they are put (`a-z`, `0-9` and `-`); everything else is data that
//! JSON or YAML quotes.

mod github;

use std::collections::BTreeMap;

pub use github::{Matrix, matrix};

use super::job::{Arch, Job, Platform};

/// Where jobs run, by architecture: labels of GitHub's runners, or tags of GitLab's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runners(BTreeMap<&'static str, Vec<String>>);

impl Runners {
    /// The labels of GitHub's own machines that have the architecture.
    #[must_use]
    pub fn of_github() -> Self {
        let labels = [(Arch::Amd64, "ubuntu-24.04"), (Arch::Arm64, "ubuntu-24.04-arm")];
        Self(labels.into_iter().map(|(arch, label)| (arch.debian(), vec![label.to_owned()])).collect())
    }

    /// Replaces the labels of an architecture.
    pub fn set(&mut self, arch: Arch, labels: Vec<String>) {
        self.0.insert(arch.debian(), labels);
    }

    fn of(&self, job: &Job) -> &[String] {
        let Platform::Qemu(qemu) = &job.platform;
        self.0.get(qemu.arch.debian()).map_or(&[], Vec::as_slice)
    }
}

/// What a fan-out can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{jobs} jobs are more than {service} runs at once: it takes {most}")]
pub struct TooMany {
    pub service: &'static str,
    pub jobs: usize,
    pub most: usize,
}
