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

use std::fs;

use common::{Running, moment, until};
use matrix::{
    Counts, Judged,
    disks::{Kind, in_a_room_of_its_own},
    in_parallel,
    phases::{self, Phase},
    site::{self, Site},
    trace::{self, Injected, Point},
};
use tally::{Depth, depth};

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

/// A service's command that leaves something behind, which waits for the end of certroll and 300 ms later, once it is let,
/// writes what it has in mind; only the first time, since the way back runs the command too.
const LEFTOVER: &str = "test -e LOADED && exit 0
certroll=$PPID
sh -c 'while kill -0 '$certroll'; do sleep 0.01; done; sleep 0.3; until test -e LET; do sleep 0.01; done; echo late > LEAF' \
    2>/dev/null &
echo $! > LOADED
sleep 20
";

/// Kills certroll itself some milliseconds into such a command, and recovers, or does not, to see that it comes to that.
fn kill_during_a_command(site: &mut Site<'_>, &(after, recovers): &(u64, bool)) -> Judged {
    site.restore("fresh");
    let script = format!("{}.sh", site.name);
    let leaf = site.at("host/usr/share/certs/server.crt");
    // However busy the machine is, recovery comes before what is left behind is let.
    let letting = format!("{}.let", site.name);
    let _ = fs::remove_file(site.scratch.path(&letting));
    let text = LEFTOVER
        .replace("LET", &site.scratch.text(&letting))
        .replace("LOADED", &site.at("loaded"))
        .replace("LEAF", &leaf);
    site.scratch.file(&script, text);
    site.serve(&format!("[sh, {}]", site.scratch.text(&script)));
    let running = Running::start(&mut site.command(&site.does("apply")));
    until("the command", || {
        site.scratch.path(&site.at("loaded")).exists()
    });
    moment(after);
    running.signal("KILL");
    running.end().exits(137);
    if !recovers {
        site.scratch.file(&letting, "");
        until("what the command left behind", || {
            site.scratch.read(&leaf) == "late\n"
        });
        return Judged::Whole { new: true };
    }
    let recovered = site.run(&site.line("recover"));
    if recovered.code != 0 {
        return Judged::Broken(format!("recover: {recovered:#?}"));
    }
    let at_once = site.judge();
    site.scratch.file(&letting, "");
    moment(1000);
    match (&at_once, site.judge()) {
        (Judged::Whole { new: false }, Judged::Whole { new: false }) => at_once,
        other => Judged::Broken(format!("at once, and a second later: {other:?}")),
    }
}

/// Kills what there is to kill on file systems of a kind, and settles the row. In the fast ring that is every so manieth
/// call.
fn matrix(kind: Kind, place: u8, fast: usize) {
    if !in_a_room_of_its_own() {
        return;
    }
    let every = if depth() == Depth::Fast { fast } else { 1 };
    let scratch = site::pairs();
    let mut sites = phases::sites(&scratch, kind);
    let mut counts = Counts::default();
    for phase in Phase::all() {
        let points = phase.points(&sites[0]).into_iter().step_by(every);
        let cases: Vec<Case> = points.map(|point| Case { phase, point }).collect();
        let ends = in_parallel(&mut sites, &cases, kill_and_recover);
        counts.add(&cases, &ends);
        assert!(
            phase.is_possible(&ends),
            "{phase:?} was final and then was not: {ends:?}"
        );
    }
    let (killed, mut counts) = (counts, Counts::default());
    let moments = [
        (0, true),
        (1, true),
        (10, true),
        (50, true),
        (150, true),
        (0, false),
    ];
    let moments = if every == 1 {
        &moments[..]
    } else {
        &moments[4..]
    };
    let ends = in_parallel(&mut sites, moments, kill_during_a_command);
    counts.add(moments, &ends);
    drop(sites);
    let name = kind.name();
    killed
        .tally(
            format!("{place}-kills-{name}"),
            "kills",
            format!("{name}: `apply`, `rollback` and `recover` killed at each call"),
        )
        .settle();
    counts
        .tally(
            format!("{place}-kills-{name}-command"),
            "kills",
            format!("{name}: killed during a command that leaves a writer behind"),
        )
        .settle();
}

#[test]
fn a_run_killed_at_any_call_leaves_all_old_or_all_new_on_ext4() {
    matrix(Kind::Ext4, 10, 1);
}

#[test]
fn a_run_killed_at_any_call_leaves_all_old_or_all_new_on_xfs() {
    matrix(Kind::Xfs, 11, 17);
}

#[test]
fn a_run_killed_at_any_call_leaves_all_old_or_all_new_on_btrfs() {
    matrix(Kind::Btrfs, 12, 19);
}

#[test]
fn a_run_killed_at_any_call_leaves_all_old_or_all_new_on_tmpfs() {
    matrix(Kind::Tmpfs, 13, 23);
}

#[test]
fn a_run_killed_at_any_call_leaves_all_old_or_all_new_on_overlayfs() {
    matrix(Kind::Overlayfs, 14, 29);
}
