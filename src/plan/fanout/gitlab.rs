//! A child pipeline of GitLab's: a job for each image job, then one that collects what they recorded.
//!
//! GitLab's rules that it follows: the file is at most 1 MiB (a pipeline's YAML may have 2 MB, an artifact that is included
//! 5 MB); a pipeline without a job fails, so there is always one; jobs without `rules` do not run in the child of a merge
//! request's pipeline; a job `needs` at most 50 others, so `collect` follows by its stage.

use serde_json::{Map, Value as Json, json};

use super::Runners;
use crate::plan::job::Job;
use crate::plan::model::Plan;

/// GitLab's own limit is 2 MB (`max_yaml_size_bytes`) where nobody has changed it.
const LONGEST: usize = 1024 * 1024;

/// How long GitLab keeps what the jobs upload.
const KEPT: &str = "1 week";

/// The output folder of every job, in the checkout.
const OUT: &str = "ovenbird-out";

/// What a child pipeline needs to know beyond its plan.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    /// The container image of every job, with `ovenbird` in it and no entry point.
    pub image: String,
    /// Tags of the runners; none: any runner.
    pub tags: Runners,
    /// Options of `build` and of `collect` that make them plan the same, quoted for a shell, each after a blank.
    pub options: String,
    /// Options that make `collect` expect the same jobs, quoted as well.
    pub choice: String,
}

/// Why there is no pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the child pipeline would have {bytes} bytes, and GitLab may refuse more than {LONGEST}")]
pub struct TooLong {
    pub bytes: usize,
}

/// The child pipeline of these jobs, as YAML.
///
/// # Errors
/// It is longer than GitLab takes.
pub fn pipeline(plan: &Plan, jobs: &[Job], pipeline: &Pipeline) -> Result<String, TooLong> {
    let mut document = head(plan, pipeline);
    if jobs.is_empty() {
        document.insert("nothing-to-build".to_owned(), nothing());
    }
    for (index, job) in jobs.iter().enumerate() {
        document.insert(job.id.to_string(), build(plan, job, index, pipeline));
    }
    if let Some(first) = jobs.first() {
        document.insert(free_name("collect", jobs), collect(first, pipeline));
    }
    // A mapping of strings always serializes.
    let yaml = serde_yaml::to_string(&document).unwrap_or_default();
    let text =
        format!("# Written by `ovenbird plan --format gitlab`: a child pipeline, one job for each image.\n{yaml}");
    if text.len() > LONGEST { Err(TooLong { bytes: text.len() }) } else { Ok(text) }
}

fn head(plan: &Plan, pipeline: &Pipeline) -> Map<String, Json> {
    let mut workflow = json!({ "rules": [{ "when": "always" }] });
    if plan.fail_fast {
        workflow["auto_cancel"] = json!({ "on_job_failure": "all" });
    }
    let default = json!({ "image": pipeline.image, "interruptible": true });
    let pairs = [("workflow", workflow), ("stages", json!(["build", "collect"])), ("default", default)];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn nothing() -> Json {
    json!({ "stage": "build", "rules": [{ "when": "on_success" }], "script": ["true"] })
}

fn build(plan: &Plan, job: &Job, index: usize, pipeline: &Pipeline) -> Json {
    let id = &job.id;
    let mut leg = json!({
        "stage": "build",
        "rules": [{ "when": "on_success" }],
        "script": [format!("ovenbird build {id}{}", pipeline.options)],
        "after_script": ["ovenbird cleanup"],
        "artifacts": {
            "when": "always",
            "expire_in": KEPT,
            // Its own folder alone: files of the same name in the artifacts of several jobs overwrite each other.
            "paths": [format!("{OUT}/{id}/")],
            "reports": {
                "junit": format!("{OUT}/{id}/junit.xml"),
                "codequality": format!("{OUT}/gl-code-quality.json"),
                "annotations": format!("{OUT}/gl-annotations.json"),
            },
        },
    });
    if let Some(most) = plan.max_parallel.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0) {
        // Jobs of one group run one after another; the groups side by side.
        leg["resource_group"] = json!(format!("ovenbird-$CI_PIPELINE_ID-{}", index % most));
    }
    with_tags(leg, job, pipeline)
}

/// It says what was built in any case, and so runs in any case.
fn collect(first: &Job, pipeline: &Pipeline) -> Json {
    let job = json!({
        "stage": "collect",
        "rules": [{ "when": "always" }],
        "script": [format!("ovenbird collect {OUT}{}{}", pipeline.options, pipeline.choice)],
        "artifacts": {
            "when": "always",
            "expire_in": KEPT,
            "paths": [format!("{OUT}/images.json"), format!("{OUT}/report.html")],
            "reports": {
                "annotations": format!("{OUT}/gl-annotations.json"),
                "dotenv": format!("{OUT}/ovenbird.env"),
            },
        },
    });
    with_tags(job, first, pipeline)
}

fn with_tags(mut job: Json, of: &Job, pipeline: &Pipeline) -> Json {
    let tags = pipeline.tags.of(of);
    if !tags.is_empty() {
        job["tags"] = json!(tags);
    }
    job
}

/// The name, or one like it that no job of an image has.
fn free_name(name: &str, jobs: &[Job]) -> String {
    let mut free = name.to_owned();
    while jobs.iter().any(|job| job.id.0 == free) {
        free.push_str("-all");
    }
    free
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use insta::assert_snapshot;

    use super::super::tests::{jobs_of, plan};
    use super::*;
    use crate::plan::job::{Arch, Platform};

    fn shown(plan: &Plan, jobs: &[Job], tags: Runners) -> String {
        let given = Pipeline { image: "registry.example/ovenbird:1-gitlab".to_owned(), tags, ..Pipeline::default() };
        pipeline(plan, jobs, &given).unwrap()
    }

    #[test]
    fn a_pipeline_of_no_job_has_one_that_does_nothing() {
        assert_snapshot!(shown(&plan("[bookworm]", ""), &[], Runners::default()), @"
        # Written by `ovenbird plan --format gitlab`: a child pipeline, one job for each image.
        workflow:
          rules:
          - when: always
          auto_cancel:
            on_job_failure: all
        stages:
        - build
        - collect
        default:
          image: registry.example/ovenbird:1-gitlab
          interruptible: true
        nothing-to-build:
          stage: build
          rules:
          - when: on_success
          script:
          - 'true'
        ");
    }

    #[test]
    fn one_job_is_built_and_collected() {
        let plan = plan("[bookworm]", "fail-fast: false, ");
        assert_snapshot!(shown(&plan, &jobs_of(&plan), Runners::default()), @"
        # Written by `ovenbird plan --format gitlab`: a child pipeline, one job for each image.
        workflow:
          rules:
          - when: always
        stages:
        - build
        - collect
        default:
          image: registry.example/ovenbird:1-gitlab
          interruptible: true
        bookworm:
          stage: build
          rules:
          - when: on_success
          script:
          - ovenbird build bookworm
          after_script:
          - ovenbird cleanup
          artifacts:
            when: always
            expire_in: 1 week
            paths:
            - ovenbird-out/bookworm/
            reports:
              junit: ovenbird-out/bookworm/junit.xml
              codequality: ovenbird-out/gl-code-quality.json
              annotations: ovenbird-out/gl-annotations.json
        collect:
          stage: collect
          rules:
          - when: always
          script:
          - ovenbird collect ovenbird-out
          artifacts:
            when: always
            expire_in: 1 week
            paths:
            - ovenbird-out/images.json
            - ovenbird-out/report.html
            reports:
              annotations: ovenbird-out/gl-annotations.json
              dotenv: ovenbird-out/ovenbird.env
        ");
    }

    #[test]
    fn three_jobs_of_two_architectures_go_to_their_runners_two_at_a_time() {
        let plan = plan("[bookworm, collect, trixie]", "max-parallel: 2, ");
        let mut jobs = jobs_of(&plan);
        let Platform::Qemu(qemu) = &mut jobs[2].platform else { panic!("it is built in QEMU") };
        qemu.arch = Arch::Arm64;
        let mut tags = Runners::default();
        tags.set(Arch::Amd64, vec!["kvm".to_owned()]);
        tags.set(Arch::Arm64, vec!["kvm".to_owned(), "arm".to_owned()]);
        assert_snapshot!(shown(&plan, &jobs, tags), @"
        # Written by `ovenbird plan --format gitlab`: a child pipeline, one job for each image.
        workflow:
          rules:
          - when: always
          auto_cancel:
            on_job_failure: all
        stages:
        - build
        - collect
        default:
          image: registry.example/ovenbird:1-gitlab
          interruptible: true
        bookworm:
          stage: build
          rules:
          - when: on_success
          script:
          - ovenbird build bookworm
          after_script:
          - ovenbird cleanup
          artifacts:
            when: always
            expire_in: 1 week
            paths:
            - ovenbird-out/bookworm/
            reports:
              junit: ovenbird-out/bookworm/junit.xml
              codequality: ovenbird-out/gl-code-quality.json
              annotations: ovenbird-out/gl-annotations.json
          resource_group: ovenbird-$CI_PIPELINE_ID-0
          tags:
          - kvm
        collect:
          stage: build
          rules:
          - when: on_success
          script:
          - ovenbird build collect
          after_script:
          - ovenbird cleanup
          artifacts:
            when: always
            expire_in: 1 week
            paths:
            - ovenbird-out/collect/
            reports:
              junit: ovenbird-out/collect/junit.xml
              codequality: ovenbird-out/gl-code-quality.json
              annotations: ovenbird-out/gl-annotations.json
          resource_group: ovenbird-$CI_PIPELINE_ID-1
          tags:
          - kvm
        trixie:
          stage: build
          rules:
          - when: on_success
          script:
          - ovenbird build trixie
          after_script:
          - ovenbird cleanup
          artifacts:
            when: always
            expire_in: 1 week
            paths:
            - ovenbird-out/trixie/
            reports:
              junit: ovenbird-out/trixie/junit.xml
              codequality: ovenbird-out/gl-code-quality.json
              annotations: ovenbird-out/gl-annotations.json
          resource_group: ovenbird-$CI_PIPELINE_ID-0
          tags:
          - kvm
          - arm
        collect-all:
          stage: collect
          rules:
          - when: always
          script:
          - ovenbird collect ovenbird-out
          artifacts:
            when: always
            expire_in: 1 week
            paths:
            - ovenbird-out/images.json
            - ovenbird-out/report.html
            reports:
              annotations: ovenbird-out/gl-annotations.json
              dotenv: ovenbird-out/ovenbird.env
          tags:
          - kvm
        ");
    }

    #[test]
    fn options_that_are_too_long_for_gitlab_are_refused() {
        let plan = plan("[bookworm, trixie]", "");
        let given = Pipeline { options: format!(" --var x={}", "x".repeat(600 * 1024)), ..Pipeline::default() };
        let error = pipeline(&plan, &jobs_of(&plan), &given).unwrap_err();
        assert!(error.bytes > LONGEST);
    }
}
