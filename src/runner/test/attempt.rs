//! Everything that is tested, once: with a fresh copy of the image, or with a machine that runs already.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::boot::Boot;
use super::checks::{self, Facts, Outside};
use super::deadline::Deadline;
use super::{Image, Subject, goss};
use crate::context::{Cancelled, JobCtx, is_cancelled};
use crate::event::{Failure, Level, Suite, Tested};
use crate::guest::{Guest, GuestError};
use crate::image::fetch;
use crate::plan::job::{Host, Job, Tests};
use crate::platform::{self, Copy};
use crate::smoke::checks::{Check, CheckResult, CheckVerdict};

/// Bytes by which the disk of the other copy is larger.
const GROW: u64 = 1 << 30;

/// How often a machine that is rebooting is asked whether it is still there.
const PULSE: Duration = Duration::from_secs(2);

/// Where a reboot has no other limit, as with a host.
const REBOOT: Duration = Duration::from_secs(600);

/// What an attempt works with.
pub(super) struct Lab<'a> {
    pub(super) ctx: &'a JobCtx,
    pub(super) job: &'a Job,
    pub(super) tests: &'a Tests,
    pub(super) subject: &'a Subject,
    pub(super) deadline: &'a Deadline,
}

/// What an attempt found.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    pub(super) results: Vec<Tested>,
    pub(super) boot_seconds: Option<f64>,
    /// How many machines were booted, with those of earlier attempts.
    pub(super) boots: u32,
    stage: Stage,
    asked: bool,
}

/// What is going on, and so what fails when it can't go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Boot,
    Look,
    Goss,
    Reboot,
    OtherCopy,
}

/// Why an attempt ended early.
enum Stop {
    /// The machine can't go on: a result.
    Broken(Box<Failure>),
    /// It can't be tested here.
    Impossible(anyhow::Error),
}

impl Stop {
    fn broken(failure: Failure) -> Self {
        Self::Broken(Box::new(failure))
    }
}

impl Attempt {
    fn check(&mut self, check: Check, verdict: CheckVerdict, failure: Failure) {
        let Failure { message, hint, excerpt, .. } = failure;
        self.results.push(checks::tested(CheckResult { check, verdict, message, hint, excerpt }));
    }

    fn checks(&mut self, results: Vec<CheckResult>) {
        self.results.extend(results.into_iter().map(checks::tested));
    }

    fn passed(&mut self, check: Check) {
        self.check(check, CheckVerdict::Passed, Failure::default());
    }

    /// The login has come.
    fn booted(&mut self, seconds: Option<f64>, budget: Option<u64>) {
        self.passed(Check::Boots);
        if let (Some(boots), Some(seconds)) = (self.results.last_mut(), seconds) {
            boots.seconds = seconds;
        }
        self.boot_seconds = seconds;
        let Some((seconds, budget)) = seconds.zip(budget) else { return self.passed(Check::BootTime) };
        #[expect(clippy::cast_precision_loss, reason = "seconds of a boot")]
        if seconds <= budget as f64 {
            return self.passed(Check::BootTime);
        }
        let message = format!("the login came {seconds:.1} s after power-on, and the budget is {budget} s");
        let hint = Some("see what the boot waits for in its `console.txt` and `journal.txt`".to_owned());
        self.check(Check::BootTime, CheckVerdict::Failed, Failure { hint, ..Failure::new(message) });
    }

    /// The machine did not come back from its reboot; another copy may still be looked at.
    fn lost_in_reboot(&mut self, failure: Failure) {
        self.broken(failure);
        let why = Failure::new("the machine did not come back from its reboot");
        self.check(Check::IdentityKept, CheckVerdict::Skipped, why);
    }

    /// What was going on has failed.
    fn broken(&mut self, failure: Failure) {
        let check = match self.stage {
            // Nothing narrower: whoever waives a check accepts what it looks at, and not that nobody could look.
            Stage::Boot | Stage::Look | Stage::OtherCopy => Check::Boots,
            Stage::Reboot => Check::SecondBoot,
            Stage::Goss => {
                let Failure { message, hint, excerpt, .. } = failure;
                let result = CheckResult { check: Check::Boots, verdict: CheckVerdict::Failed, message, hint, excerpt };
                let (kind, id) = ("goss".to_owned(), "assertions".to_owned());
                self.results.push(Tested { suite: Suite::Goss, kind, id, ..checks::tested(result) });
                return;
            }
        };
        let message = match self.stage {
            Stage::OtherCopy => format!("a second copy of the image could not be looked at: {}", failure.message),
            _ => failure.message,
        };
        // A check that was judged already has another result now.
        self.results.retain(|result| result.suite != Suite::Checks || result.id != check.as_str());
        self.check(check, CheckVerdict::Failed, Failure { message, ..failure });
    }
}

impl Lab<'_> {
    /// Tests once. `boots`: how many machines earlier attempts booted.
    ///
    /// # Errors
    /// It can't be tested here, or the job is cancelled.
    pub(super) async fn attempt(&self, boots: u32) -> anyhow::Result<Attempt> {
        let mut attempt = Attempt { boots, ..Attempt::default() };
        let done = tokio::select! {
            done = self.go(&mut attempt) => done,
            // What is dropped ends its machine.
            () = self.deadline.overdue() => Err(Stop::broken(Failure::new("it hangs"))),
        };
        if self.ctx.cancel.is_cancelled() {
            bail!(Cancelled);
        }
        match done {
            Ok(()) => {}
            Err(_) if self.deadline.is_over() => {
                let hint = Some("raise `timeout-minutes` of `tests:` if nothing hangs".to_owned());
                attempt.broken(Failure { hint, ..Failure::new(self.deadline.message()) });
            }
            Err(Stop::Broken(failure)) => attempt.broken(*failure),
            Err(Stop::Impossible(error)) => return Err(error),
        }
        if !attempt.asked {
            attempt.results.extend(goss::skipped(&self.tests.resources));
        }
        Ok(attempt)
    }

    async fn go(&self, attempt: &mut Attempt) -> Result<(), Stop> {
        match self.subject {
            Subject::Image(image) => self.image(image, attempt).await,
            Subject::Host(host) => self.host(host, attempt).await,
        }
    }

    fn cancel(&self) -> &CancellationToken {
        &self.deadline.cancel
    }

    /// A machine that runs already: it is neither rebooted nor compared, and its console is not ours.
    async fn host(&self, host: &Host, attempt: &mut Attempt) -> Result<(), Stop> {
        let ctx = JobCtx { cancel: self.cancel().clone(), ..self.ctx.clone() };
        let guest = platform::host::connect(&ctx, host).await.map_err(Stop::Impossible)?;
        attempt.passed(Check::Boots);
        let (facts, now) = self.ask(guest.as_ref(), attempt).await?;
        let declared_ports = &goss::declared_ports(&self.tests.resources);
        let outside = Outside { console: "", our_key: None, declared_ports, now, power_on: now };
        attempt.checks(checks::judge(&facts, &outside).into_iter().filter(checks::is_of_hosts).collect());
        Ok(())
    }

    async fn image(&self, image: &Image, attempt: &mut Attempt) -> Result<(), Stop> {
        attempt.stage = Stage::Boot;
        let mut boot = self.launch(image, 0, attempt).await?;
        let tested = self.first_copy(&mut boot, attempt).await;
        boot.end().await;
        let facts = tested?;
        if self.tests.level == Level::Full {
            self.other_copy(image, &facts, attempt).await?;
        }
        Ok(())
    }

    async fn launch(&self, image: &Image, grow: u64, attempt: &mut Attempt) -> Result<Boot, Stop> {
        attempt.boots += 1;
        let copy = Copy { image: image.path.clone(), grow };
        Boot::launch(self.ctx, self.cancel(), self.job, attempt.boots, &copy).await.map_err(Stop::Impossible)
    }

    async fn first_copy(&self, boot: &mut Boot, attempt: &mut Attempt) -> Result<Facts, Stop> {
        let guest = match self.connected(boot).await {
            Ok(guest) => guest,
            Err(stop) => {
                // Why it did not come up, by the names that the checks have.
                let said = checks::judge_console(&boot.console(0)).into_iter();
                attempt.checks(said.filter(|result| result.verdict == CheckVerdict::Failed).collect());
                return Err(stop);
            }
        };
        attempt.booted(boot.login_seconds(), self.tests.boot_budget);
        let (facts, now) = match self.ask(guest.as_ref(), attempt).await {
            Ok(looked) => looked,
            Err(stop) => {
                attempt.checks(checks::judge_console(&boot.console(0)));
                return Err(self.explained(boot, stop).await);
            }
        };
        attempt.checks(self.judge(boot, &facts, now, 0));
        if self.tests.level == Level::Full {
            match self.second_boot(boot, &guest, &facts, attempt).await {
                Err(Stop::Broken(failure)) if !self.cancel().is_cancelled() => attempt.lost_in_reboot(*failure),
                done => done?,
            }
        }
        Ok(facts)
    }

    async fn connected(&self, boot: &mut Boot) -> Result<Arc<dyn Guest>, Stop> {
        match boot.connect().await {
            Ok(guest) => Ok(guest),
            Err(error) if is_cancelled(&error) => Err(Stop::broken(Failure::new("cancelled"))),
            Err(error) => Err(Stop::broken(boot.explain(&error).await)),
        }
    }

    /// One look from inside, with the time at which it ended, and the user's assertions.
    async fn ask(&self, guest: &dyn Guest, attempt: &mut Attempt) -> Result<(Facts, DateTime<Utc>), Stop> {
        attempt.stage = Stage::Look;
        let facts = match checks::look(guest, self.cancel()).await {
            Ok(facts) => facts,
            Err(error) => return Err(lost(guest, &error).await),
        };
        // Assertions take their time, and the guest's clock is compared with ours.
        let now = Utc::now();
        attempt.stage = Stage::Goss;
        let (resources, retry_timeout) = (&self.tests.resources, self.tests.retry_timeout);
        match goss::look(guest, resources, retry_timeout, self.cancel()).await {
            Ok(results) => {
                attempt.asked = true;
                attempt.results.extend(results);
                Ok((facts, now))
            }
            Err(error) => Err(lost(guest, &error).await),
        }
    }

    fn judge(&self, boot: &Boot, facts: &Facts, now: DateTime<Utc>, from: u64) -> Vec<CheckResult> {
        let (console, our_key) = (boot.console(from), boot.our_key());
        let declared_ports = &goss::declared_ports(&self.tests.resources);
        let power_on = boot.power_on;
        checks::judge(facts, &Outside { console: &console, our_key: our_key.as_deref(), declared_ports, now, power_on })
    }

    /// The same machine once more, which knows itself again.
    async fn second_boot(
        &self,
        boot: &mut Boot,
        guest: &Arc<dyn Guest>,
        before: &Facts,
        attempt: &mut Attempt,
    ) -> Result<(), Stop> {
        attempt.stage = Stage::Reboot;
        let from = boot.console_length();
        let patience = self.job.platform.qemu().map_or(REBOOT, |qemu| Duration::from_secs(qemu.connect.timeout));
        let looked = async {
            self.reboot(guest.as_ref(), patience).await?;
            checks::look(guest.as_ref(), self.cancel()).await
        };
        let after = match looked.await {
            Ok(after) => after,
            Err(error) => {
                let stop = lost(guest.as_ref(), &error).await;
                return Err(self.explained(boot, stop).await);
            }
        };
        attempt.checks(vec![
            checks::second_boot(&self.judge(boot, &after, Utc::now(), from)),
            checks::same_after_reboot(before, &after),
        ]);
        Ok(())
    }

    /// Reboots; a machine that ends on the way is not waited for.
    async fn reboot(&self, guest: &dyn Guest, patience: Duration) -> Result<(), GuestError> {
        let gone = async {
            loop {
                tokio::time::sleep(PULSE).await;
                if let Some(failure) = guest.post_mortem().await {
                    return failure;
                }
            }
        };
        tokio::select! {
            rebooted = guest.reboot(patience, self.cancel()) => rebooted,
            failure = gone => Err(GuestError::Connection(failure.message)),
        }
    }

    /// What the machine's console says of why it was lost.
    async fn explained(&self, boot: &mut Boot, stop: Stop) -> Stop {
        match stop {
            Stop::Broken(failure) if !self.cancel().is_cancelled() => {
                Stop::broken(boot.explain(&crate::context::Explained(*failure).into()).await)
            }
            stop => stop,
        }
    }

    /// Another machine of the same image, with a larger disk.
    async fn other_copy(&self, image: &Image, first: &Facts, attempt: &mut Attempt) -> Result<(), Stop> {
        attempt.stage = Stage::OtherCopy;
        let opened = fetch::open(self.ctx, &image.path).await.map_err(Stop::Impossible)?;
        let mut boot = self.launch(image, GROW, attempt).await?;
        let looked = async {
            let guest = self.connected(&mut boot).await?;
            match checks::look(guest.as_ref(), self.cancel()).await {
                Ok(facts) => Ok(facts),
                Err(error) => Err(lost(guest.as_ref(), &error).await),
            }
        };
        let looked = looked.await;
        boot.end().await;
        let facts = looked?;
        attempt.checks(checks::differ(first, &facts));
        attempt.checks(vec![checks::grown(&facts, opened.virtual_size.saturating_add(GROW))]);
        Ok(())
    }
}

/// What broke a connection, as the machine tells it if it can.
async fn lost(guest: &dyn Guest, error: &GuestError) -> Stop {
    if matches!(error, GuestError::Cancelled) {
        return Stop::broken(Failure::new("cancelled"));
    }
    let failure = match guest.post_mortem().await {
        Some(failure) => Failure { message: format!("the machine went down: {}", failure.message), ..failure },
        None => Failure::new(format!("the machine could not be asked: {error}")),
    };
    Stop::broken(failure)
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::path::Path;

    use camino::Utf8Path;

    use super::*;
    use crate::context::Events;
    use crate::event::{JobId, Verdict};
    use crate::journal::Journal;

    /// A job's context in a folder; its events go nowhere.
    pub(in crate::runner::test) fn room(folder: &Path) -> JobCtx {
        let root = Utf8Path::from_path(folder).unwrap();
        let (events, _) = Events::channel();
        let journal = Journal::create(&root.join("journal.jsonl"), "r1").unwrap();
        let (out, work, cache) = (root.join("out"), root.join("work"), root.join("cache"));
        for folder in [&out, &work, &cache] {
            std::fs::create_dir(folder).unwrap();
        }
        let cancel = CancellationToken::new();
        JobCtx { id: JobId("a".to_owned()), out, work, cache, events, journal, cancel }
    }

    fn told(attempt: &Attempt) -> Vec<String> {
        let line = |one: &Tested| format!("{} {}: {}", one.name(), one.verdict.as_str(), one.message);
        attempt.results.iter().map(line).collect()
    }

    #[test]
    fn a_boot_that_takes_longer_than_its_budget_fails_and_is_told_all_the_same() {
        for (seconds, budget, expected) in [
            (59.9, Some(60), "check boot-time passed: "),
            (93.21, None, "check boot-time passed: "),
            (93.21, Some(60), "check boot-time failed: the login came 93.2 s after power-on, and the budget is 60 s"),
        ] {
            let mut attempt = Attempt::default();
            attempt.booted(Some(seconds), budget);
            assert_eq!(told(&attempt), ["check boots passed: ", expected]);
            assert_eq!(attempt.boot_seconds, Some(seconds));
        }
    }

    #[test]
    fn what_can_t_go_on_fails_under_the_name_of_what_was_going_on() {
        for (stage, expected) in [
            (Stage::Boot, "check boots failed: late"),
            (Stage::Look, "check boots failed: late"),
            (Stage::Goss, "goss assertions failed: late"),
            (Stage::Reboot, "check second-boot failed: late"),
            (Stage::OtherCopy, "check boots failed: a second copy of the image could not be looked at: late"),
        ] {
            let mut attempt = Attempt { stage, ..Attempt::default() };
            attempt.broken(Failure::new("late"));
            assert_eq!(told(&attempt), [expected]);
            assert_eq!(attempt.results[0].verdict, Verdict::Failed);
        }
    }

    #[test]
    fn a_machine_that_does_not_come_back_leaves_no_check_out() {
        let mut attempt = Attempt { stage: Stage::Reboot, ..Attempt::default() };
        attempt.lost_in_reboot(Failure::new("late"));
        let expected = [
            "check second-boot failed: late",
            "check identity-kept skipped: the machine did not come back from its reboot",
        ];
        assert_eq!(told(&attempt), expected);
    }
}
