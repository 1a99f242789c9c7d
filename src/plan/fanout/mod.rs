//! A plan as a CI service runs it: each job on a machine of its own. What is written names the jobs, and each leg plans the
//! definition again and builds the one that it is given.
//!
//! Pure: text out of a plan. Job ids are safe wherever they are put (`a-z`, `0-9` and `-`); everything else is data that
//! JSON or YAML quotes.

mod github;
mod gitlab;

use std::collections::BTreeMap;

pub use github::{Matrix, matrix};
pub use gitlab::{Pipeline, TooLong, pipeline};

use super::job::{Arch, Job};

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
        job.platform.arch().and_then(|arch| self.0.get(arch.debian())).map_or(&[], Vec::as_slice)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use camino::Utf8Path;

    use super::*;
    use crate::definition::{self, among};
    use crate::plan::job::Platform;
    use crate::plan::{Given, Plan, resolve_variables};
    use crate::secret::Secrets;

    /// A plan with a job for each of these suites; `strategy` is more of it.
    pub(super) fn plan(suites: &str, strategy: &str) -> Plan {
        let text = format!(
            "name: web\nstrategy: {{ {strategy}matrix: {{ suite: {suites} }} }}\n\
             platforms: {{ qemu: {{ builder: qemu, source: {{ debian: bookworm }} }} }}\nsteps: [{{ run: 'true' }}]\n"
        );
        let (definition, sources) = definition::load("ovenbird.yml", &text, &among(&[])).unwrap();
        let (inputs, _) = resolve_variables(&definition, &Given::default()).unwrap();
        crate::plan::plan(&sources, &definition, &inputs, Utf8Path::new("/repo")).unwrap()
    }

    pub(super) fn jobs_of(plan: &Plan) -> Vec<Job> {
        plan.jobs.clone()
    }

    #[test]
    fn an_architecture_has_its_own_runner() {
        let plan = plan("[bookworm, trixie]", "");
        let mut jobs = jobs_of(&plan);
        let Platform::Qemu(qemu) = &mut jobs[1].platform else { panic!("it is built in QEMU") };
        qemu.arch = Arch::Arm64;
        let redactor = Secrets::default().redactor();
        let json = matrix(&plan, &jobs, &Runners::of_github(), &redactor).unwrap().json;
        insta::assert_snapshot!(json, @r#"{"include":[{"job":"bookworm","runs-on":"ubuntu-24.04","platform":"qemu","arch":"amd64","cell":{"suite":"bookworm"}},{"job":"trixie","runs-on":"ubuntu-24.04-arm","platform":"qemu","arch":"arm64","cell":{"suite":"trixie"}}]}"#);
    }
}
