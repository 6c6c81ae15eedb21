//! Runs in which one system call fails, once or from then on: the exit code tells what is there.
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

use common::Run;
use matrix::{
    Counts, Judged,
    disks::{Kind, in_a_room_of_its_own},
    in_parallel,
    phases::{self, Phase},
    site::{self, Site},
    trace::{self, Injected, Point},
};
use root::Snapshot;
use tally::{Depth, depth};

const ERRORS: [&str; 7] = [
    "ENOSPC", "EIO", "EROFS", "EACCES", "EDQUOT", "EMFILE", "EINTR",
];

#[derive(Debug, Clone)]
struct Case {
    phase: Phase,
    point: Point,
    error: &'static str,
    /// Whether every later call of that name fails too.
    lasting: bool,
}

fn fail_and_compare(site: &mut Site<'_>, case: &Case) -> Judged {
    let Case {
        phase,
        point,
        error,
        lasting,
    } = case;
    site.restore(phase.from);
    let before = site.tree();
    let line = site.does(phase.verb);
    match trace::fail(site.scratch, &site.name, point, error, *lasting, &line) {
        Injected::NotReached(why) => Judged::NotReached(why),
        Injected::Done(run) => match judge(site, case, &before, &run) {
            Ok(judged) => judged,
            Err(why) => Judged::Broken(format!("{why}: {run:#?}")),
        },
    }
}

/// Compares what the run said with what is there.
fn judge(site: &Site<'_>, case: &Case, before: &Snapshot, run: &Run) -> Result<Judged, String> {
    let said = format!("{}{}", run.out, run.err);
    if said.contains("panicked") {
        return Err("it panicked".to_owned());
    }
    let way_out = said.contains("`certroll recover`") || said.contains("hint: certroll recover");
    // Where every later write fails, nothing can be said either.
    let mute = case.lasting && case.point.call == "write";
    let (recovers, new) = match case.phase.verb {
        "recover" => (true, &site.old),
        "apply" => (false, &site.new),
        _ => (false, &site.old),
    };
    let tree = site.tree();
    let complaint = match run.code {
        0 if !recovers && tree != *new => "done, and not all new",
        1 | 3 if tree != *before => "not as it was before the run",
        1 if !mute && !run.err.ends_with("host: unchanged\n") => "no word of the host",
        3 if !mute && !run.last().starts_with("rolled back: ") => "no word of what became of it",
        4 if !mute && !way_out => "no word of a way out",
        0 | 1 | 3 | 4 => "",
        _ => "an exit code that has no place here",
    };
    if !complaint.is_empty() {
        return Err(complaint.to_owned());
    }
    // What was open before a recovery that could not be done is open still.
    if way_out || run.code == 4 || recovers && run.code != 0 {
        recover(site)
    } else {
        settle(site)
    }
}

/// The fault is gone: what it left open is finished.
fn recover(site: &Site<'_>) -> Result<Judged, String> {
    let recovered = site.run(&site.line("recover"));
    match recovered.code {
        0 => settle(site),
        _ => Err(format!("recover: {recovered:#?}")),
    }
}

fn settle(site: &Site<'_>) -> Result<Judged, String> {
    match (site.loads_something_else(), site.judge()) {
        (Some(why), _) | (None, Judged::Broken(why)) => Err(why),
        (None, judged) => Ok(judged),
    }
}

/// The cases of a depth: every so manieth call fails with one of the errors, in turn; those of a rollout at full depth with each.
fn cases(site: &Site<'_>, sample: usize) -> Vec<Case> {
    let full = depth() == Depth::Full;
    let mut cases = Vec::new();
    for phase in Phase::all() {
        let every = if full || phase.verb == "apply" {
            sample
        } else {
            5 * sample
        };
        let points = phase.points(site).into_iter().step_by(every);
        for (n, point) in points.enumerate() {
            let turn = ERRORS[n % ERRORS.len()];
            let errors = if full && phase.verb == "apply" && sample == 1 {
                &ERRORS[..]
            } else {
                &[turn]
            };
            let case = |error, lasting| Case {
                phase,
                point: point.clone(),
                error,
                lasting,
            };
            cases.extend(errors.iter().map(|error| case(*error, false)));
            // What is interrupted again and again is tried again and again.
            if turn != "EINTR" && n % if full { 2 } else { 5 } == 0 {
                cases.push(case(turn, true));
            }
        }
    }
    cases
}

/// Lets calls fail, and settles the rows; `sample` is for each depth.
fn matrix(kind: Kind, place: u8, sample: [usize; 3], how: [&str; 2]) {
    if !in_a_room_of_its_own() {
        return;
    }
    let scratch = site::pairs();
    let mut sites = phases::sites(&scratch, kind);
    let cases = cases(&sites[0], sample[depth() as usize]);
    let ends = in_parallel(&mut sites, &cases, fail_and_compare);
    for (lasting, how) in [(false, how[0]), (true, how[1])] {
        let mut counts = Counts::default();
        let (cases, ends): (Vec<_>, Vec<_>) = cases
            .iter()
            .cloned()
            .zip(ends.iter().cloned())
            .filter(|(case, _)| case.lasting == lasting)
            .unzip();
        counts.add(&cases, &ends);
        let row = format!("{}-faults", place + u8::from(lasting));
        let tried = format!("{}: {how}: {}", kind.name(), ERRORS.join(", "));
        counts.tally(row, "faults", tried).settle();
    }
}

#[test]
fn a_call_that_fails_leaves_the_host_as_the_exit_code_says_on_ext4() {
    matrix(
        Kind::Ext4,
        20,
        [3, 1, 1],
        [
            "each call of `apply` fails once with each of these, each of `rollback` and `recover` with one in turn",
            "every other call of `apply`, `rollback` and `recover`, and all like it from then on, fail with one in turn of",
        ],
    );
}

#[test]
fn a_call_that_fails_leaves_the_host_as_the_exit_code_says_on_tmpfs() {
    matrix(
        Kind::Tmpfs,
        22,
        [7, 7, 4],
        [
            "every fourth call of `apply`, `rollback` and `recover` fails once with one in turn of",
            "every eighth call of `apply`, `rollback` and `recover`, and all like it from then on, fail with one in turn of",
        ],
    );
}
