//! Races: somebody who owns a directory that root writes in swaps it, and what is in it, while rollouts run. Nothing
//! outside is ever touched, and every run ends in words that are true.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests lay traps and look whether they were sprung"
)]

mod common;
#[path = "races/mounts.rs"]
mod mounts;
#[path = "common/tally.rs"]
mod tally;
#[path = "races/thief.rs"]
mod thief;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
};

use common::{Run, Scratch, skip};
use tally::{Depth, Tally, depth};
use thief::Thief;

/// Everything about an object that a write, a chmod(2) there and back included, cannot hide.
type Trace = BTreeMap<PathBuf, (u64, u32, (u32, u32), (i64, i64), Option<Vec<u8>>)>;

fn trace(dir: &Path) -> Trace {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    let object = |entry: walkdir::DirEntry| {
        let about = entry.path().symlink_metadata().unwrap();
        let content = about.is_file().then(|| fs::read(entry.path()).unwrap());
        let changed = (about.ctime(), about.ctime_nsec());
        let owner = (about.uid(), about.gid());
        (
            entry.path().to_owned(),
            (about.ino(), about.mode(), owner, changed, content),
        )
    };
    entries.map(object).collect()
}

/// A root `R` with a directory of nobody's that root writes keys in, and two places that are not to be touched: one
/// outside the root, one inside.
fn scratch() -> Option<Scratch> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can be led to write where others could not");
        return None;
    }
    let scratch = Scratch::in_memory();
    for name in ["a", "b"] {
        scratch.mint(name, "wazo.example.com");
    }
    scratch.dir("R/var/lib");
    for keep in ["outside", "R/etc/keep"] {
        scratch.file(&format!("{keep}/server.key"), "not yours\n");
        scratch.file(&format!("{keep}/server.crt"), "not yours\n");
        scratch.file(&format!("{keep}/pki/server.key"), "not yours\n");
        scratch.mode(&format!("{keep}/server.key"), 0o604);
    }
    scratch.dir("R/opt/a/pki");
    scratch.profile(
        "own",
        "resources:\n  - {kind: pem, path: /opt/a/pki/server.key, form: key}\n  \
         - {kind: pem, path: /opt/a/pki/server.crt, form: fullchain}\n",
    );
    Some(scratch)
}

/// Asserts that a run ended as one of the five outcomes, or before anything was changed, and said so.
fn judged(run: &Run) -> Result<(), String> {
    let unchanged = run.err.ends_with("host: unchanged\n");
    let last = run.last();
    let ends = |words: &[&str]| words.iter().any(|word| last.starts_with(word));
    let good = match run.code {
        0 => ends(&["converged", "committed", "placed", "rolled back", "nothing"]),
        1 | 2 | 7 => unchanged,
        3 => ends(&["rolled back"]),
        4 => ends(&["stuck"]) || run.err.contains("is open"),
        _ => false,
    };
    if good {
        Ok(())
    } else {
        Err(format!("{run:#?}"))
    }
}

#[derive(Debug, Default)]
struct Count {
    /// Runs during which something was swapped; the others are no cases.
    runs: u64,
    undisturbed: u64,
    /// How often each exit code came.
    codes: BTreeMap<i32, u64>,
    faults: Vec<String>,
}

/// Rolls out again and again below a root in which somebody swaps things.
fn worker(runs: u64) -> Count {
    let mut count = Count::default();
    let Some(scratch) = scratch() else {
        return count;
    };
    let kept = [scratch.path("outside"), scratch.path("R/etc/keep")];
    let before = kept.each_ref().map(|dir| trace(dir));
    let thief = Thief::start(&scratch);
    while count.runs < runs && count.undisturbed < runs {
        let swaps = thief.swaps();
        let run = match (count.runs + count.undisturbed) % 5 {
            4 => scratch.on_root("rollback --yes"),
            n => {
                let pair = if n % 2 == 0 { "a" } else { "b" };
                scratch.on_root(&format!(
                    "--profiles P apply --yes --profile own --cert {pair}.pem --key {pair}.key"
                ))
            }
        };
        if thief.swaps() == swaps {
            count.undisturbed += 1;
        } else {
            count.runs += 1;
        }
        *count.codes.entry(run.code).or_default() += 1;
        if let Err(fault) = judged(&run) {
            count.faults.push(fault);
        }
        if kept.each_ref().map(|dir| trace(dir)) != before {
            count
                .faults
                .push(format!("what is outside was touched: {run:#?}"));
            return count;
        }
        if run.code == 4 {
            let given_up = scratch.on_root("recover --abandon");
            if given_up.code != 0 {
                count.faults.push(format!("{given_up:#?}"));
            }
        }
    }
    drop(thief);
    count
}

#[test]
fn nothing_outside_is_written_while_somebody_swaps_directories_links_and_files() {
    let runs = match depth() {
        Depth::Fast => 150,
        Depth::Lab => 1_500,
        Depth::Full => 10_000,
    };
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can be led to write where others could not");
    }
    let workers = [0, 1].map(|_| thread::spawn(move || worker(runs / 2)));
    let mut all = Count::default();
    for worker in workers {
        let count = worker.join().unwrap();
        all.runs += count.runs;
        for (code, times) in count.codes {
            *all.codes.entry(code).or_default() += times;
        }
        all.faults.extend(count.faults);
    }
    for fault in all.faults.iter().take(3) {
        println!("{fault}");
    }
    println!("exit codes: {:?}", all.codes);
    assert!(
        all.codes.contains_key(&0) && all.codes.len() > 2,
        "the traps were of no consequence, or nothing ever got done: {all:?}"
    );
    Tally {
        row: "60-races".to_owned(),
        section: "races",
        tried: "rollouts and rollbacks in a directory whose owner swaps it, and what is in it, all the while".to_owned(),
        cases: all.runs,
        not_reached: runs - all.runs,
        failures: all.faults.len() as u64,
    }
    .settle();
}
