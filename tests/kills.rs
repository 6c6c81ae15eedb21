//! Runs that are killed at every system call that changes something, on real file systems, and recovered.
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

use common::Scratch;
use matrix::{
    Counts, Judged, WORKERS,
    disks::{Kind, in_a_room_of_its_own},
    in_parallel,
    site::Site,
    trace::{self, Injected, Point},
};
use tally::Tally;

/// What is killed: a command line that starts from a state that was kept.
#[derive(Debug, Clone, Copy)]
struct Phase {
    from: &'static str,
    /// What is run there.
    verb: &'static str,
}

const PHASES: [Phase; 2] = [
    Phase {
        from: "fresh",
        verb: "apply",
    },
    Phase {
        from: "placed",
        verb: "rollback",
    },
];

#[derive(Debug)]
struct Case {
    phase: Phase,
    point: Point,
}

fn kill_and_recover(site: &mut Site<'_>, case: &Case) -> Judged {
    site.restore(case.phase.from);
    let line = site.does(case.phase.verb);
    match trace::kill(site.scratch, &site.name, &case.point, &line) {
        Injected::Done(_) => {}
        Injected::NotReached(why) => return Judged::NotReached(why),
    }
    let recovered = site.run(&site.line("recover"));
    if recovered.code != 0 {
        return Judged::Broken(format!("recover: {recovered:#?}"));
    }
    match site.loads_something_else() {
        Some(why) => Judged::Broken(why),
        None => site.judge(),
    }
}

fn matrix(kind: Kind, place: u8, every: usize) {
    if !in_a_room_of_its_own(&["strace", "setfattr", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"]) {
        return;
    }
    let scratch = Scratch::new();
    scratch.mint("old", "site.example.com");
    scratch.mint("new", "site.example.com");
    let mut sites: Vec<Site<'_>> = (0..WORKERS)
        .map(|n| Site::new(&scratch, kind, &format!("w{n}")))
        .collect();
    let mut counts = Counts::default();
    for phase in PHASES {
        let site = &sites[0];
        site.restore(phase.from);
        let (run, points) = trace::points(&scratch, &site.name, &site.does(phase.verb));
        run.exits(0);
        let cases: Vec<Case> = points
            .into_iter()
            .step_by(every)
            .map(|point| Case { phase, point })
            .collect();
        let results = in_parallel(&mut sites, &cases, kill_and_recover);
        counts.add(&cases, &results);
    }
    drop(sites);
    Tally {
        row: format!("{place}-kills-{}", kind.name()),
        section: "kills",
        tried: format!(
            "{}: apply, rollback and recover killed at each call",
            kind.name()
        ),
        cases: counts.cases,
        not_reached: counts.not_reached,
        failures: counts.failures,
    }
    .settle();
}

#[test]
fn a_run_killed_at_any_call_leaves_all_old_or_all_new_on_ext4() {
    matrix(Kind::Ext4, 10, 10);
}
