//! What the matrices of kills, faults and power cuts share: file systems of their own, a host on each, runs under
//! strace, and the judgement of what is left.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    reason = "each matrix uses a part of this, works on the host, and says so where it cannot go on"
)]

pub(crate) mod disks;
pub(crate) mod phases;
pub(crate) mod site;
pub(crate) mod trace;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use crate::tally::Tally;

/// The programs that every matrix needs, beside those of its file systems.
pub(crate) const PROGRAMS: [&str; 6] = [
    "strace",
    "setfattr",
    "mkfs.ext4",
    "mkfs.xfs",
    "mkfs.btrfs",
    "xfs_io",
];

/// Cases run two at a time, each on a disk of its own.
pub(crate) const WORKERS: usize = 2;

/// How one case went.
#[derive(Debug, Clone)]
pub(crate) enum Judged {
    /// Whole, and as the first tree, or as the second.
    Whole { new: bool },
    /// The injection did not come about.
    NotReached(String),
    /// Not as promised.
    Broken(String),
}

impl Judged {
    /// Whether it is the new tree, where it is whole.
    fn end(&self) -> Option<bool> {
        match self {
            Self::Whole { new } => Some(*new),
            Self::NotReached(_) | Self::Broken(_) => None,
        }
    }
}

/// Runs every case on one of the workers; results are in the order of the cases.
pub(crate) fn in_parallel<W: Send, C: Sync>(
    workers: &mut [W],
    cases: &[C],
    run: impl Fn(&mut W, &C) -> Judged + Sync,
) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![None; cases.len()]);
    std::thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| {
                let worker = worker;
                while let Some((n, case)) = take(&next, cases) {
                    let judged = run(worker, case);
                    results.lock().unwrap()[n] = Some(judged);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    results.into_iter().map(Option::unwrap).collect()
}

fn take<'c, C>(next: &AtomicUsize, cases: &'c [C]) -> Option<(usize, &'c C)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    cases.get(n).map(|case| (n, case))
}

/// Counts of a matrix, with what did not go well printed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) cases: u64,
    pub(crate) not_reached: u64,
    pub(crate) failures: u64,
}

impl Counts {
    /// Adds the results of cases, and prints those that are not whole.
    pub(crate) fn add<C: std::fmt::Debug>(&mut self, cases: &[C], results: &[Judged]) {
        for (case, judged) in cases.iter().zip(results) {
            match judged {
                Judged::Whole { .. } => self.cases += 1,
                Judged::NotReached(why) => {
                    self.not_reached += 1;
                    println!("not reached: {case:?}: {why}");
                }
                Judged::Broken(why) => {
                    self.cases += 1;
                    self.failures += 1;
                    println!("BROKEN: {case:?}: {why}");
                }
            }
        }
    }

    /// Makes a row of them.
    pub(crate) fn tally(self, row: String, section: &'static str, tried: String) -> Tally {
        Tally {
            row,
            section,
            tried,
            cases: self.cases,
            not_reached: self.not_reached,
            failures: self.failures,
        }
    }
}
