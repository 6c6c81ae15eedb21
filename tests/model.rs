//! Power cuts on a modelled disk: whatever part of what was not synced reached it, and however often the way back is
//! cut again, the host is whole old or whole new.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

#[path = "common/tally.rs"]
mod tally;
#[path = "common/web.rs"]
mod web;

#[path = "model/choices.rs"]
mod choices;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/judge.rs"]
mod judge;
#[path = "model/story.rs"]
mod story;

use explore::{Exploration, explore};
use story::Story;
use tally::{Depth, Tally, depth};

/// How many distinct disks a story is tried with; the five together with more than two million.
fn goal() -> usize {
    match depth() {
        Depth::Fast => 400,
        Depth::Lab => 10_000,
        Depth::Full => 410_000,
    }
}

#[track_caller]
fn hold(row: &str, tried: &str, story: &Story) {
    let Exploration {
        disks,
        moments,
        whole,
        broken,
    } = explore(story, goal());
    if let Some(broken) = &broken {
        println!("{broken}");
    }
    let tally = Tally {
        row: format!("{row}-model"),
        section: "model",
        tried: format!(
            "distinct disks that power cuts left of {tried} and of its recoveries: at {whole} of {moments} moments all \
             that one cut may leave, at the others drawn"
        ),
        cases: disks as u64,
        not_reached: u64::from(disks < goal()),
        failures: u64::from(broken.is_some()),
    };
    tally.settle();
}

#[test]
fn a_rollout_whose_power_is_cut_is_recovered_whole() {
    hold("40", "a rollout", &Story::rollout());
}

#[test]
fn a_rollout_that_fails_and_whose_power_is_cut_is_recovered_whole() {
    hold("41", "a rollout that fails", &Story::failure());
}

#[test]
fn a_rollback_whose_power_is_cut_is_recovered_whole() {
    hold("42", "a rollback", &Story::rollback());
}

#[test]
fn a_recovery_whose_power_is_cut_is_recovered_whole() {
    hold("43", "the recovery of a killed run", &Story::recovery());
}

#[test]
fn a_second_recovery_whose_power_is_cut_is_recovered_whole() {
    hold(
        "44",
        "the recovery after a killed recovery",
        &Story::second_recovery(),
    );
}

/// Forgets each sync of a story in turn, which must be found out; those that are given nobody misses, each for its reason.
fn syncs(story: &Story, spare: &[(usize, &str)]) {
    let mut missed = Vec::new();
    for (n, of) in story.syncs().iter().enumerate() {
        if spare.iter().any(|(spare, _)| *spare == n) {
            continue;
        }
        let found = explore(&story.forgetting(n), 3_000).broken;
        println!("sync {n} of {of:?}: {found:?}");
        if found.is_none() {
            missed.push(n);
        }
    }
    assert_eq!(missed, [0; 0], "{}: syncs that nobody misses", story.name);
}

const NAME: &str = "the next sync is of the same directory";
const LINE: &str =
    "the next line is synced with it; what it says is for services, which a cut ends";
const WRITTEN_AGAIN: &str = "the next recovery writes it again";
const AFTER_A_KILL: &str = "the second recovery is what needs it";

#[test]
fn a_sync_that_a_rollout_forgets_is_found_out() {
    syncs(
        &Story::rollout(),
        &[(1, NAME), (8, LINE), (9, LINE), (10, LINE)],
    );
}

#[test]
fn a_sync_that_a_failed_rollout_forgets_is_found_out() {
    let lines = [8, 9, 10, 14, 15, 16].map(|n| (n, LINE));
    syncs(
        &Story::failure(),
        &[&lines[..], &[(1, NAME), (17, WRITTEN_AGAIN)]].concat(),
    );
}

#[test]
fn a_sync_that_a_rollback_forgets_is_found_out() {
    syncs(&Story::rollback(), &[4, 6, 7, 8].map(|n| (n, LINE)));
}

#[test]
fn a_sync_that_a_recovery_forgets_is_found_out() {
    let spare = [(2, LINE), (4, LINE), (5, WRITTEN_AGAIN)];
    syncs(
        &Story::recovery(),
        &[&spare[..], &[(0, AFTER_A_KILL)]].concat(),
    );
    syncs(&Story::second_recovery(), &spare);
}
