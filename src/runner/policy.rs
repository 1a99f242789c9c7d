//! Which job runs when: max-parallel, fail-fast, the order of cancelling. Pure: messages in, decisions out.

use std::collections::{BTreeSet, VecDeque};

use crate::event::{JobId, Outcome};

/// What the supervisor does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Start(JobId),
    /// Ask a running job to stop.
    Cancel(JobId),
    /// It never starts; it counts as cancelled.
    Drop(JobId),
}

/// The state of a run.
#[derive(Debug)]
pub struct Policy {
    waiting: VecDeque<JobId>,
    running: BTreeSet<JobId>,
    max_parallel: usize,
    fail_fast: bool,
    stopping: bool,
}

impl Policy {
    /// Jobs start in the order given, at most `max_parallel` (at least one) at a time.
    #[must_use]
    pub fn new(jobs: impl IntoIterator<Item = JobId>, max_parallel: usize, fail_fast: bool) -> Self {
        Self {
            waiting: jobs.into_iter().collect(),
            running: BTreeSet::new(),
            max_parallel: max_parallel.max(1),
            fail_fast,
            stopping: false,
        }
    }

    /// The jobs to start now.
    pub fn start(&mut self) -> Vec<Decision> {
        let mut decisions = Vec::new();
        while !self.stopping && self.running.len() < self.max_parallel {
            let Some(job) = self.waiting.pop_front() else { break };
            self.running.insert(job.clone());
            decisions.push(Decision::Start(job));
        }
        decisions
    }

    /// A job has ended. With fail-fast the first failure stops all others, as in Actions.
    pub fn finished(&mut self, job: &JobId, outcome: Outcome) -> Vec<Decision> {
        self.running.remove(job);
        let stop = self.fail_fast && outcome == Outcome::Failure;
        if stop { self.stop() } else { self.start() }
    }

    /// Everything stops: what waits never starts, what runs is asked to end. Asked again, nothing more follows.
    pub fn stop(&mut self) -> Vec<Decision> {
        if std::mem::replace(&mut self.stopping, true) {
            return Vec::new();
        }
        let dropped = self.waiting.drain(..).map(Decision::Drop);
        dropped.chain(self.running.iter().cloned().map(Decision::Cancel)).collect()
    }

    /// Nothing runs and nothing waits.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> JobId {
        JobId(name.to_owned())
    }

    fn policy(max_parallel: usize, fail_fast: bool) -> Policy {
        Policy::new(["a", "b", "c", "d"].map(id), max_parallel, fail_fast)
    }

    fn show(decisions: Vec<Decision>) -> String {
        let words = decisions.into_iter().map(|decision| match decision {
            Decision::Start(job) => format!("+{job}"),
            Decision::Cancel(job) => format!("x{job}"),
            Decision::Drop(job) => format!("-{job}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn jobs_start_in_order_and_never_more_than_allowed() {
        let mut policy = policy(2, true);
        assert_eq!(show(policy.start()), "+a +b");
        assert_eq!(show(policy.finished(&id("b"), Outcome::Success)), "+c");
        assert_eq!(show(policy.finished(&id("a"), Outcome::Success)), "+d");
        assert_eq!(show(policy.finished(&id("c"), Outcome::Success)), "");
        assert!(!policy.is_over());
        policy.finished(&id("d"), Outcome::Success);
        assert!(policy.is_over());
    }

    #[test]
    fn with_fail_fast_the_first_failure_stops_the_others() {
        let mut policy = policy(2, true);
        policy.start();
        assert_eq!(show(policy.finished(&id("a"), Outcome::Failure)), "-c -d xb");
        assert_eq!(show(policy.finished(&id("b"), Outcome::Cancelled)), "");
        assert!(policy.is_over());
    }

    #[test]
    fn without_fail_fast_the_others_go_on() {
        let mut policy = policy(1, false);
        policy.start();
        assert_eq!(show(policy.finished(&id("a"), Outcome::Failure)), "+b");
    }

    #[test]
    fn a_second_stop_decides_nothing_more() {
        let mut policy = policy(2, false);
        policy.start();
        assert_eq!(show(policy.stop()), "-c -d xa xb");
        assert_eq!(show(policy.stop()), "");
        assert_eq!(show(policy.finished(&id("a"), Outcome::Cancelled)), "");
    }

    #[test]
    fn no_parallelism_still_means_one_at_a_time() {
        assert_eq!(show(policy(0, true).start()), "+a");
    }
}
