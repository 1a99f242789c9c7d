//! `kill -9` at any moment, then `ovenbird cleanup`: nothing is left.
//!
//! The moments are random but seeded (`OVENBIRD_KILL_SEED`, printed); `OVENBIRD_KILL_POINTS` says how many (10).

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Project;

/// Longer than a build of the tiny guest takes up to its conversion, so that every phase is hit.
const LATEST: u64 = 14_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

/// A small generator (xorshift64): the series of a seed is the same everywhere.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn nothing_is_left_after_kill_and_cleanup() {
    let seed = number("OVENBIRD_KILL_SEED", 0x5eed_0b1d);
    let points = number("OVENBIRD_KILL_POINTS", 10);
    println!("seed {seed}, {points} kill points");
    let mut state = seed;
    for point in 0..points {
        let moment = Duration::from_millis(next(&mut state) % LATEST);
        let victim = if point % 2 == 0 { Victim::Supervisor } else { Victim::Job };
        kill_and_clean(victim, moment);
    }
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    Supervisor,
    Job,
}

fn kill_and_clean(victim: Victim, moment: Duration) {
    let project = Project::tiny(
        "steps:
  - run: dd if=/dev/urandom of=/filler bs=1M count=20; sleep 2
  - local: sleep 2
outputs: [qcow2, { format: raw, compress: xz }]
",
    );
    let started = project.start(&mut project.command(&["build"]));
    let begin = Instant::now();
    while begin.elapsed() < moment {
        std::thread::sleep(Duration::from_millis(5));
    }
    match victim {
        Victim::Supervisor => started.signal(Signal::KILL),
        Victim::Job => kill_job(&project),
    }
    let ran = started.wait();
    match victim {
        Victim::Supervisor => assert!(matches!(ran.status, None | Some(0)), "{ran:?}"),
        // The supervisor tells of it and has cleaned up itself.
        Victim::Job => assert!(matches!(ran.status, Some(0 | 1)), "{ran:?}"),
    }
    project.run(&["cleanup"]).expect_status(0);
    project.assert_nothing_left();
    println!("{victim:?} killed after {moment:?}: status {:?}, nothing left", ran.status);
}

/// Kills the process of the project's job, if there is one at this moment.
fn kill_job(project: &Project) {
    let root = project.root();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let is_job = std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
            let mut words = line.split(|byte| *byte == 0);
            words.next().is_some_and(|program| program.ends_with(b"/ovenbird")) && words.next() == Some(b"job")
        });
        let is_ours = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == root.as_std_path());
        let pid = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        if let (true, true, Some(pid)) = (is_job, is_ours, pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
