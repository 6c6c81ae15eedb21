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
#[path = "model/story.rs"]
mod story;

use explore::{Exploration, explore};
use story::Story;
use tally::{Depth, Tally, depth};

/// How many distinct disks a story is tried with.
fn goal() -> usize {
    match depth() {
        Depth::Fast => 1_500,
        Depth::Lab => 5_000,
        Depth::Full => 20_000,
    }
}

#[track_caller]
fn hold(row: &str, tried: &str, story: &Story) {
    let Exploration { disks, broken } = explore(story, goal());
    if let Some(broken) = &broken {
        println!("{broken}");
    }
    let tally = Tally {
        row: format!("{row}-model"),
        section: "model",
        tried: format!("power cuts on a modelled disk: {tried}, distinct disks"),
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

/// The check can fail: the syncs of a rollout's generation, mark, staged bytes, renames, end and memory.
#[test]
fn a_sync_that_a_rollout_forgets_is_found_out() {
    let story = Story::rollout();
    for n in [2, 3, 4, 5, 6, 7, 11, 12, 13, 14] {
        let found = explore(&story.forgetting(n), 3_000).broken;
        println!("sync {n}: {found:?}");
        assert!(found.is_some(), "sync {n} of a rollout is not missed");
    }
}
