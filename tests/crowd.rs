//! Many runs at once, runs that are killed with their commands, and runs that are disturbed at random moments: one
//! outcome each, and never in the way of the next.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at processes and files, and fail by panicking"
)]

mod common;
#[path = "common/corner.rs"]
mod corner;
#[path = "crowd/disturbance.rs"]
mod disturbance;
#[path = "common/nginx.rs"]
mod nginx;
#[path = "crowd/site.rs"]
mod site;
#[path = "common/tally.rs"]
mod tally;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use common::{Run, Running, until};
use corner::{APPLY, WAITS, corner, generations, kill, nothing_is_left, run, start, tree};
use disturbance::Sort;
use tally::{Depth, Tally, depth};

/// Runs at once.
const CROWD: usize = 50;

fn settle(row: &str, tried: &str, cases: usize) {
    Tally {
        row: format!("70-crowd-{row}"),
        section: "crowd",
        tried: tried.to_owned(),
        cases: cases as u64,
        not_reached: 0,
        failures: 0,
    }
    .settle();
}

#[test]
fn of_fifty_runs_at_once_one_commits_and_the_others_are_locked_out() {
    let Some(scratch) = corner(WAITS) else { return };
    let mut runs: Vec<Running> = (0..CROWD).map(|_| start(&scratch, APPLY)).collect();
    until("all but one to end", || {
        let ended = runs.iter_mut().filter_map(|r| r.has_ended().then_some(()));
        ended.count() == CROWD - 1
    });
    scratch.file("go", "");
    let mut ended: Vec<Run> = runs.into_iter().map(Running::end).collect();
    ended.sort_by_key(|run| run.code);
    assert!(ended[0].last().starts_with("committed: "), "{ended:#?}");
    let others: Vec<i32> = ended[1..].iter().map(|run| run.code).collect();
    assert_eq!(others, [6; CROWD - 1]);
    assert_eq!(generations(&scratch), 1);
    nothing_is_left(&scratch);
    settle(
        "at-once",
        "runs at once, of which one commits and the others are locked out",
        CROWD,
    );
}

#[test]
fn of_fifty_runs_that_wait_one_commits_and_the_others_converge() {
    let Some(scratch) = corner("sleep 0.1") else {
        return;
    };
    let line = format!("{APPLY} --wait 50");
    let runs: Vec<Running> = (0..CROWD).map(|_| start(&scratch, &line)).collect();
    let ended: Vec<Run> = runs.into_iter().map(Running::end).collect();
    let count = |outcome: &str| {
        let good = |run: &&Run| run.code == 0 && run.last().starts_with(outcome);
        ended.iter().filter(good).count()
    };
    assert_eq!(
        (count("committed: "), count("converged: ")),
        (1, CROWD - 1),
        "{ended:#?}"
    );
    assert_eq!(generations(&scratch), 1);
    nothing_is_left(&scratch);
    settle(
        "wait",
        "runs at once that wait, of which one commits and the others converge",
        CROWD,
    );
}

/// Leaves a process behind at its first start, out of its session and group; a later start does nothing.
const LEAVES: &str = "[ -e left ] && exit 0; setsid sh -c 'echo $$ >left.new; mv left.new left; exec sleep 600' & \
                      while [ ! -e left ]; do sleep 0.02; done";

/// What the process that was left behind has open.
fn open_files(pid: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new("/proc").join(pid).join("fd")).unwrap();
    let links = entries.map(|entry| fs::read_link(entry.unwrap().path()).unwrap());
    links.collect()
}

fn is_running(pid: &str) -> bool {
    fs::read(Path::new("/proc").join(pid).join("cmdline")).is_ok_and(|line| !line.is_empty())
}

#[test]
fn a_killed_holder_and_the_command_it_left_behind_block_nobody() {
    for next in [APPLY, "recover"] {
        let Some(scratch) = corner(&format!("{LEAVES}; sleep 5")) else {
            return;
        };
        let before = tree(&scratch);
        let first = start(&scratch, APPLY);
        until("the process", || scratch.path("left").exists());
        kill(&scratch, first);
        let left = scratch.read("left").trim().to_owned();
        assert!(is_running(&left), "nothing was left behind");
        let open = open_files(&left);
        let lock = scratch.path("state/lock");
        assert!(!open.is_empty() && !open.contains(&lock), "{open:?}");
        scratch.sh("flock -n state/lock true");
        run(&scratch, next).exits(0);
        assert!(!is_running(&left), "it could still write");
        assert_eq!(tree(&scratch) == before, next == "recover");
        nothing_is_left(&scratch);
    }
    settle(
        "killed",
        "holders killed with a command of theirs left running",
        2,
    );
}

#[test]
fn a_command_that_leaves_a_daemon_behind_does_not_keep_the_lock() {
    let Some(scratch) = corner(LEAVES) else {
        return;
    };
    run(&scratch, APPLY).exits(0);
    let left = Left(scratch.read("left").trim().to_owned());
    // A service's script may start the service; whether it lives is the service's affair, the lock is not.
    scratch.sh("flock -n state/lock true");
    let started = Instant::now();
    run(&scratch, APPLY).exits(0).says("converged: ");
    assert!(started.elapsed() < Duration::from_secs(30));
    if is_running(&left.0) {
        let open = open_files(&left.0);
        assert!(!open.contains(&scratch.path("state/lock")), "{open:?}");
    }
}

/// A process that is ended with its test.
struct Left(String);

impl Drop for Left {
    fn drop(&mut self) {
        let killed = std::process::Command::new("kill").arg(&self.0).output();
        drop(killed);
    }
}

/// How many runs each sort of disturbance gets, so that all together are 60, 300 and 1,000.
fn runs() -> usize {
    match depth() {
        Depth::Fast => 20,
        Depth::Lab => 40,
        Depth::Full => 334,
    }
}

fn disturbed(sort: Sort, row: &str, tried: &str) {
    let Some(mut site) = site::Site::new() else {
        return;
    };
    let seed = disturbance::seed();
    for case in 0..runs() {
        site.disturbed(sort, seed, case);
    }
    settle(row, tried, runs());
}

#[test]
fn signals_at_random_moments_end_in_one_of_the_five_outcomes() {
    disturbed(
        Sort::Signal,
        "signals",
        "runs with SIGINT, SIGTERM or SIGHUP, one or two, at random moments",
    );
}

#[test]
fn streams_that_close_at_random_moments_change_no_outcome() {
    disturbed(
        Sort::Stream,
        "streams",
        "runs whose standard output or error is closed, full, or closes at random moments",
    );
}

#[test]
fn terminals_that_close_at_random_moments_end_in_one_of_the_five_outcomes() {
    disturbed(
        Sort::Terminal,
        "terminals",
        "runs whose terminal closes at random moments",
    );
}
