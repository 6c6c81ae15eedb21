//! A real server on loopback whose identity goes to and fro while runs are disturbed.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says so, and how to come there again"
)]

use std::time::{Duration, Instant};

use crate::{
    common::{Scratch, Snapshot, skip},
    corner::left_running,
    disturbance::{self, Dice, Disturbed, Sort},
    nginx::{Nginx, cannot, live},
};

/// The two identities that take turns.
const PAIRS: [&str; 2] = ["one", "two"];

pub(crate) struct Site {
    scratch: Scratch,
    server: Nginx,
    /// The tree with each identity in force.
    trees: [Snapshot; 2],
    /// Which identity is in force.
    now: usize,
    /// Whether the newest generation is an apply, which a rollback takes back.
    applied: bool,
    /// How long a run takes that nobody disturbs.
    whole: Duration,
}

impl Site {
    /// A server whose every tree is known; none where these tests cannot run.
    pub(crate) fn new() -> Option<Self> {
        if let Some(reason) = cannot() {
            skip(reason);
            return None;
        }
        let scratch = Scratch::new();
        for pair in PAIRS {
            scratch.mint(pair, "site.example.com");
        }
        let server = Nginx::serving(&scratch, "site", PAIRS[0]);
        server.reloads(&scratch);
        let mut whole = Duration::ZERO;
        let trees = PAIRS.map(|pair| {
            let start = Instant::now();
            live(&scratch, &apply(pair)).exits(0);
            whole = start.elapsed();
            server.tree(&scratch)
        });
        assert_ne!(trees[0], trees[1]);
        Some(Self {
            scratch,
            server,
            trees,
            now: 1,
            applied: true,
            whole,
        })
    }

    /// Disturbs one run, and judges exit code, tree, endpoint and what is left behind.
    #[track_caller]
    pub(crate) fn disturbed(&mut self, sort: Sort, seed: u64, case: usize) {
        let mut dice = Dice::of(seed, case);
        let (before, next) = (self.now, 1 - self.now);
        let back = self.applied && dice.below(4) == 0;
        let line = if back {
            "rollback --yes".to_owned()
        } else {
            apply(PAIRS[next])
        };
        let line = format!("--state S --profiles P {line}");
        let done = disturbance::run(sort, &self.scratch, &line, self.whole, &mut dice);
        let again = format!(
            "CERTROLL_SEED={seed}, case {case}: `{line}`, {}: {:#?}",
            done.how, done.run
        );
        assert!(!done.run.err.contains("panicked"), "{again}");
        let recovered = self.judged(sort, before, next, &done, &again);
        self.nothing_is_left(&again);
        self.server.serves(&self.scratch, PAIRS[self.now]);
        self.applied = !recovered && !back && self.now == next;
        let plan = live(&self.scratch, "plan");
        assert!([0, 5].contains(&plan.code), "{again}\n{plan:#?}");
    }

    /// Finds out which identity is in force, holds it against the exit code, and returns whether it took a recovery.
    #[track_caller]
    fn judged(
        &mut self,
        sort: Sort,
        before: usize,
        next: usize,
        done: &Disturbed,
        again: &str,
    ) -> bool {
        let code = done.run.code;
        let is_open = self.scratch.path("S/pending").exists();
        let wanted = match code {
            0 => next,
            // Before it listens for signals, a run is simply ended; streams alone are no reason for any of these.
            1 | 3 | 129 | 130 | 143 if sort != Sort::Stream => before,
            4 if sort != Sort::Stream && is_open => {
                live(&self.scratch, "recover").exits(0);
                let tree = self.server.tree(&self.scratch);
                assert!(self.trees.contains(&tree), "neither old nor new: {again}");
                usize::from(tree == self.trees[1])
            }
            _ => panic!("not an outcome: {again}"),
        };
        assert_eq!(is_open, code == 4, "{again}");
        let differs = self
            .server
            .tree(&self.scratch)
            .differences(&self.trees[wanted]);
        assert!(differs.is_empty(), "{differs:#?}\n{again}");
        self.now = wanted;
        code == 4
    }

    /// But for the server.
    #[track_caller]
    fn nothing_is_left(&self, again: &str) {
        assert!(!self.scratch.path("S/pending").exists(), "{again}");
        let staged = self
            .scratch
            .sh("find site S -name '.certroll-*' -o -name '*.new'");
        assert_eq!(staged, "", "{again}");
        let running: Vec<String> = left_running(&self.scratch)
            .into_iter()
            .filter(|line| !line.contains("nginx: "))
            .collect();
        assert_eq!(running, Vec::<String>::new(), "{again}");
    }
}

fn apply(pair: &str) -> String {
    format!("apply --profile site --cert {pair}.pem --key {pair}.key --yes")
}
