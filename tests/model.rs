//! Power cuts on a modelled disk: whatever part of what was not synced reached it, and however often the way back is
//! cut again, the host is whole old or whole new.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
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
        Depth::Fast => 10_000,
        Depth::Lab => 40_000,
        Depth::Full => 560_000,
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

/// The check can fail: a program that forgets one of its syncs is found out.
#[test]
fn every_sync_that_is_forgotten_is_found_out() {
    for story in [
        Story::rollout(),
        Story::failure(),
        Story::rollback(),
        Story::recovery(),
    ] {
        let unfound: Vec<usize> = (0..story.syncs())
            .filter(|n| explore(&story.forgetting(*n), 3_000).broken.is_none())
            .collect();
        assert_eq!(unfound, story.spare, "{}", story.name);
    }
}
