//! Cuts the power at every moment of a run, recovers, and cuts again at every moment of that.

use std::collections::HashSet;

use certroll::host::fake::{FakeHost, Fault};
use proptest::{
    prelude::Rng as _,
    test_runner::{RngAlgorithm, TestRng},
};

use crate::{
    choices::{Odometer, drawn},
    judge::Judge,
    story::{Story, recover},
};

/// Disks that are drawn at a moment of which not all are tried, each time that it has its turn.
const DRAWN: usize = 20;

/// A moment whose draws bring less than one new disk in this many is left.
const RARE: usize = 20;

/// Disks of a moment that wait for a recovery which is cut short; beyond them, one drawn has to go.
const WAITING: usize = 200;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Exploration {
    /// Distinct disks that were recovered from.
    pub(crate) disks: usize,
    /// Moments at which the power was cut.
    pub(crate) moments: usize,
    /// Those of them of which every disk that a single cut may leave was tried.
    pub(crate) whole: usize,
    /// How the promise was broken, if it was.
    pub(crate) broken: Option<String>,
}

/// A disk that a cut left, and how it came to that.
struct Left {
    host: FakeHost,
    how: String,
    /// Steps that the recovery from it takes.
    steps: usize,
}

/// What is known of a story so far.
struct Explorer<'s> {
    story: &'s Story,
    deaths: Vec<FakeHost>,
    judge: Judge<'s>,
    rng: TestRng,
    /// Disks that were judged, each by itself and by the tree that was said to be there before the cut.
    disks: HashSet<(u64, Option<usize>)>,
    /// By moment: disks whose recoveries were not cut short yet.
    waiting: Vec<Vec<Left>>,
}

/// Tries a story with a number of distinct disks, or until one breaks the promise, or nothing new is found.
pub(crate) fn explore(story: &Story, goal: usize) -> Exploration {
    let deaths = story.deaths();
    let moments = deaths.len();
    let mut explorer = Explorer {
        story,
        judge: Judge::new(story, &deaths[moments - 1]),
        // The same choices every time: what fails once fails again.
        rng: TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        disks: HashSet::new(),
        waiting: deaths.iter().map(|_| Vec::new()).collect(),
        deaths,
    };
    let whole = explorer.explore(goal);
    Exploration {
        disks: explorer.disks.len(),
        moments,
        whole: whole.as_ref().map_or(0, |whole| *whole),
        broken: whole.err().map(|why| format!("{}, {why}", story.name)),
    }
}

impl Explorer<'_> {
    /// Returns the number of moments of which every disk was tried that a single cut may leave.
    fn explore(&mut self, goal: usize) -> Result<usize, String> {
        let moments = self.deaths.len();
        // Moments of which not every disk was tried.
        let mut open = Vec::new();
        for moment in 0..moments {
            let death = self.deaths[moment].clone();
            let how = format!("moment {moment}");
            if !self.in_turn(moment, &death, &how, goal / moments / 4)? {
                open.push(moment);
            }
        }
        let whole = moments - open.len();
        while self.disks.len() < goal {
            let before = self.disks.len();
            let mut poor = Vec::new();
            for moment in &open {
                let death = self.deaths[*moment].clone();
                let new = self.draw(*moment, &death, &format!("moment {moment}"))?;
                if new * RARE < DRAWN {
                    poor.push(*moment);
                }
            }
            open.retain(|moment| !poor.contains(moment));
            for moment in 0..moments {
                self.cut_short(moment)?;
            }
            let waits = self.waiting.iter().any(|waiting| !waiting.is_empty());
            if self.disks.len() == before && open.is_empty() && !waits {
                break;
            }
        }
        Ok(whole)
    }

    /// Takes a disk of a moment that waits, and kills the recovery from it in each of its steps.
    fn cut_short(&mut self, moment: usize) -> Result<(), String> {
        let waiting = &mut self.waiting[moment];
        if waiting.is_empty() {
            return Ok(());
        }
        let one = self.rng.next_u32() as usize % waiting.len();
        let left = waiting.swap_remove(one);
        for step in 0..left.steps {
            let mut how = format!("{}, recovery killed in step {step}", left.how);
            let mut dead = killed(&left.host, step).map_err(|why| format!("{how}: {why}"))?;
            // Most often the power is cut then; sometimes the run was only killed, and the next recovery too.
            if self.rng.next_u32().is_multiple_of(8) {
                let said = self.said(moment);
                let steps = self.judge.recovery(&dead, said, &mut drawn(&mut self.rng));
                let steps = steps.map_err(|why| format!("{how}: {why}"))?;
                if steps > 0 {
                    let again = self.rng.next_u32() as usize % steps;
                    how = format!("{how}, the next in step {again}");
                    dead = killed(&dead, again).map_err(|why| format!("{how}: {why}"))?;
                }
            }
            if !self.in_turn(moment, &dead, &how, DRAWN)? {
                self.draw(moment, &dead, &how)?;
            }
        }
        Ok(())
    }

    /// Tries, one after the other, the disks that a cut may leave, as far as `limit`; true where those were all.
    fn in_turn(
        &mut self,
        moment: usize,
        dead: &FakeHost,
        how: &str,
        limit: usize,
    ) -> Result<bool, String> {
        let mut odometer = Odometer::default();
        for _ in 0..limit {
            let host = dead.after_power_cut(&mut |of| odometer.choose(of));
            self.visit(moment, host, || format!("{how}, {odometer:?}"))?;
            if !odometer.next() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tries some of the disks that a cut may leave, and returns how many were new.
    fn draw(&mut self, moment: usize, dead: &FakeHost, how: &str) -> Result<usize, String> {
        let before = self.disks.len();
        for n in 0..DRAWN {
            let host = dead.after_power_cut(&mut drawn(&mut self.rng));
            self.visit(moment, host, || format!("{how}, draw {n}"))?;
        }
        Ok(self.disks.len() - before)
    }

    /// The tree that the run itself has said to be there, where it came to its end.
    fn said(&self, moment: usize) -> Option<usize> {
        (moment == self.deaths.len() - 1).then_some(self.story.end)
    }

    /// Judges a disk that a cut left, if it is a new one.
    fn visit(
        &mut self,
        moment: usize,
        host: FakeHost,
        how: impl Fn() -> String,
    ) -> Result<(), String> {
        let said = self.said(moment);
        let seen = (Judge::digest(&host), said);
        if self.disks.contains(&seen) {
            return Ok(());
        }
        let mut judged = || {
            // What ended needs no recovery, and leaves none to the next boot.
            if said.is_some() {
                self.judge.ended(&host)?;
            }
            self.judge.recovery(&host, said, &mut drawn(&mut self.rng))
        };
        let steps = judged().map_err(|why| format!("{}: {why}", how()))?;
        self.disks.insert(seen);
        if steps > 0 {
            let waiting = &mut self.waiting[moment];
            if waiting.len() == WAITING {
                waiting.swap_remove(self.rng.next_u32() as usize % WAITING);
            }
            waiting.push(Left {
                host,
                how: how(),
                steps,
            });
        }
        Ok(())
    }
}

/// Recovers, and dies in a step of that.
fn killed(host: &FakeHost, step: usize) -> Result<FakeHost, String> {
    let mut host = host.fork(Fault::DieWithin(step));
    let recovered = recover(&mut host);
    if host.died() {
        Ok(host)
    } else {
        Err(format!("recovery went another way: {recovered:?}"))
    }
}
