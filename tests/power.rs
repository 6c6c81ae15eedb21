//! Power cuts: the file system is shut down at every call that changes something, with what was not brought to the disk
//! lost, mounted again and recovered.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test works on the host, and one that cannot go on says so"
)]

mod common;
mod matrix;
#[path = "common/root.rs"]
mod root;
#[path = "common/tally.rs"]
mod tally;

use std::{fs, path::Path};

use common::Scratch;
use matrix::{
    Counts, Judged,
    disks::{Disk, Kind, in_a_room_of_its_own},
    in_parallel,
    phases::{self, Phase},
    site::{self, Site},
    trace::{self, Injected, Point},
};
use root::{Snapshot, What};
use tally::{Depth, depth};

#[derive(Debug)]
struct Case {
    phase: Phase,
    /// Where the power is cut; none: as soon as the run has ended.
    point: Option<Point>,
}

fn cut_and_recover(site: &mut Site<'_>, case: &Case) -> Judged {
    site.restore(case.phase.from);
    site.disk.sync();
    let line = site.does(case.phase.verb);
    match &case.point {
        None => drop(site.run(&line).exits(0)),
        Some(point) => match trace::kill(site.scratch, &site.name, point, &line) {
            Injected::Done(_) => {}
            Injected::NotReached(why) => return Judged::NotReached(why),
        },
    }
    site.disk.cut();
    // As the machine does when it comes up: files before anything else, then what is owed to services.
    let mut at_boot = Snapshot::new();
    for line in ["recover --boot", "recover"] {
        let recovered = site.run(&site.line(line));
        if recovered.code != 0 {
            return Judged::Broken(format!("{line}: {recovered:#?}"));
        }
        if line == "recover --boot" {
            at_boot = site.tree();
        }
    }
    if at_boot != site.tree() {
        return Judged::Broken("not whole before the services start".to_owned());
    }
    match (maimed(&site.tree()), site.judge()) {
        (Some(why), _) => Judged::Broken(why),
        (None, Judged::Whole { new }) if case.point.is_none() && new != case.phase.ends_new() => {
            Judged::Broken("what the run had called done is gone".to_owned())
        }
        (None, judged) => judged,
    }
}

/// Says what in a tree no power cut may leave: a file without content, a link that leads nowhere.
fn maimed(tree: &Snapshot) -> Option<String> {
    let bad = |path: &str, what: &What| match what {
        What::File(content) => content.is_empty(),
        // The host's own, from before, leads nowhere.
        What::Link(_) if path.ends_with("/conf.d/other") => false,
        What::Link(target) => !Path::new(target).exists(),
        What::Dir => false,
    };
    let mut paths = tree.iter().filter(|(path, object)| bad(path, &object.what));
    paths
        .next()
        .map(|(path, object)| format!("{path}: {object:?}"))
}

/// Cuts the power at each call, or in the shallower rings at every so manieth, and settles the row.
fn matrix(kind: Kind, place: u8, sample: usize) {
    if !in_a_room_of_its_own() {
        return;
    }
    let every = if depth() == Depth::Full { 1 } else { sample };
    let scratch = site::pairs();
    let mut sites = phases::sites(&scratch, kind);
    let mut counts = Counts::default();
    for phase in Phase::all() {
        let points = phase.points(&sites[0]).into_iter().step_by(every).map(Some);
        let cases: Vec<Case> = points
            .chain([None])
            .map(|point| Case { phase, point })
            .collect();
        let ends = in_parallel(&mut sites, &cases, cut_and_recover);
        counts.add(&cases, &ends);
        assert!(
            phase.is_possible(&ends),
            "{phase:?} was final and then was not: {ends:?}"
        );
    }
    drop(sites);
    counts
        .tally(
            format!("{place}-power-{}", kind.name()),
            "power",
            format!(
                "{}: power cut at each call of `apply`, `rollback` and `recover`",
                kind.name()
            ),
        )
        .settle();
}

/// The cut is a cut: otherwise nothing here would show anything.
#[test]
fn what_was_not_brought_to_the_disk_is_lost_by_a_cut() {
    if !in_a_room_of_its_own() {
        return;
    }
    let scratch = Scratch::new();
    for kind in [Kind::Ext4, Kind::Xfs, Kind::Btrfs] {
        let disk = Disk::new(kind, &scratch.path(kind.name()));
        fs::write(disk.at.join("kept"), "kept").unwrap();
        disk.sync();
        fs::write(disk.at.join("lost"), "lost").unwrap();
        disk.cut();
        assert_eq!(fs::read(disk.at.join("kept")).unwrap(), b"kept");
        assert!(!disk.at.join("lost").exists(), "{}", kind.name());
    }
}

#[test]
fn a_power_cut_at_any_call_leaves_all_old_or_all_new_on_ext4() {
    matrix(Kind::Ext4, 30, 9);
}

#[test]
fn a_power_cut_at_any_call_leaves_all_old_or_all_new_on_xfs() {
    matrix(Kind::Xfs, 31, 11);
}

#[test]
fn a_power_cut_at_any_call_leaves_all_old_or_all_new_on_btrfs() {
    matrix(Kind::Btrfs, 32, 37);
}
