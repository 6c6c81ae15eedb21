//! Cuts the power at every step, recovers, cuts again, and judges what is there.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use certroll::{
    host::fake::{FakeHost, Fault, World},
    journal::Store,
    receipt::Outcome,
    rollback,
    state::State,
};
use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

use crate::{
    choices::{Given, Odometer},
    story::{Files, Story, recover},
};

/// Sequences of choices that are gone through for one step before chance takes over.
const IN_TURN: usize = 600;

/// Cuts and kills of one case at most.
const DEEPEST: usize = 4;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Exploration {
    /// Distinct disks that were recovered from.
    pub(crate) disks: usize,
    /// How the promise was broken, if it was.
    pub(crate) broken: Option<String>,
}

/// What is known of a story so far.
struct Explorer<'s> {
    story: &'s Story,
    deaths: Vec<FakeHost>,
    /// Distinct disks that were recovered from.
    disks: RefCell<HashSet<u64>>,
    /// Hosts that were judged whole, and which tree they had: many disks are recovered to the same one.
    whole: RefCell<HashMap<u64, usize>>,
}

/// Tries a story with a number of distinct disks, or until one breaks the promise.
pub(crate) fn explore(story: &Story, goal: usize) -> Exploration {
    let explorer = Explorer {
        story,
        deaths: story.deaths(),
        disks: RefCell::default(),
        whole: RefCell::default(),
    };
    let broken = explorer.in_turn(goal).or_else(|| explorer.by_chance(goal));
    Exploration {
        disks: explorer.disks.take().len(),
        broken,
    }
}

impl Explorer<'_> {
    /// The tree that the run itself has said to be there, where it came to its end.
    fn said(&self, step: usize) -> Option<usize> {
        (step == self.deaths.len() - 1).then_some(self.story.end)
    }

    /// Goes through the choices of each step, as far as it is let.
    fn in_turn(&self, goal: usize) -> Option<String> {
        for (step, death) in self.deaths.iter().enumerate() {
            let mut odometer = Odometer::default();
            for _ in 0..IN_TURN.min(goal / self.deaths.len()) {
                let host = death.after_power_cut(&mut |of| odometer.choose(of));
                self.note(&host);
                if let Err(broken) = self.settle(&host, self.said(step), &mut |of| 1 % of) {
                    return Some(format!("{}, step {step}: {broken}", self.story.name));
                }
                if !odometer.next() {
                    break;
                }
            }
        }
        None
    }

    /// Lets proptest choose, and shrink what it finds: choices of 0 are what running programs saw.
    fn by_chance(&self, goal: usize) -> Option<String> {
        let config = Config {
            cases: 1_000,
            failure_persistence: None,
            ..Config::default()
        };
        let cases = (0..self.deaths.len(), vec(any::<u16>(), 24));
        for round in 0..goal.div_ceil(200) as u64 {
            if self.disks.borrow().len() >= goal {
                break;
            }
            // The same choices every time: what fails once fails again.
            let seed = [round.to_le_bytes(); 4].concat();
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
            let mut runner = TestRunner::new_with_rng(config.clone(), rng);
            let found = runner.run(&cases, |(step, list)| {
                self.case(step, &mut Given::new(&list))
                    .map_err(TestCaseError::fail)
            });
            let name = self.story.name;
            match found {
                Ok(()) => {}
                Err(TestError::Fail(why, (step, given))) => {
                    return Some(format!("{name}, step {step}, choices {given:?}: {why}"));
                }
                Err(TestError::Abort(why)) => return Some(format!("{name}: {why}")),
            }
        }
        None
    }

    /// Cuts the power after a step, and again in recoveries.
    fn case(&self, step: usize, given: &mut Given<'_>) -> Result<(), String> {
        let mut choose = |of| given.choose(of);
        let mut host = self.deaths[step].fork(Fault::Never);
        let mut said = self.said(step);
        for _ in 0..choose(DEEPEST) {
            // Most often the power, sometimes only the run.
            host = match choose(4) {
                1 => host.fork(Fault::Never),
                _ => host.after_power_cut(&mut choose),
            };
            self.note(&host);
            host = host.fork(Fault::DieWithin(choose(60)));
            let recovered = recover(&mut host);
            // One that found nothing open has said nothing: a mark whose removal was not synced may come back.
            if let (false, Ok(Some(_))) = (host.died(), &recovered) {
                let why = |why| format!("{why}: {recovered:?}");
                said = Some(self.judge(&host).map_err(why)?);
            }
        }
        host = host.after_power_cut(&mut choose);
        self.note(&host);
        self.settle(&host, said, &mut choose)
    }

    fn note(&self, host: &FakeHost) {
        self.disks.borrow_mut().insert(host.look(digest));
    }

    /// Recovers, and judges what is there, then and after one more cut; `said` is the tree that a run or a recovery
    /// that ended left there.
    fn settle(
        &self,
        host: &FakeHost,
        said: Option<usize>,
        choose: &mut dyn FnMut(usize) -> usize,
    ) -> Result<(), String> {
        // What ended needs no recovery, and leaves none to the next boot.
        if said.is_some() {
            self.judge(host)?;
        }
        let mut host = host.fork(Fault::Never);
        match recover(&mut host) {
            Ok(Some(receipt)) if receipt.outcome == Outcome::Stuck => {
                return Err(format!("recovery is stuck: {:?}", receipt.causes));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("recovery fails: {error}")),
        }
        let which = self.judge(&host)?;
        if said.is_some_and(|said| said != which) {
            return Err("what was said to be there no longer is".to_owned());
        }
        let cut = host.after_power_cut(choose);
        let after = self
            .judge(&cut)
            .map_err(|e| format!("after recovery and a cut: {e}"))?;
        if after != which {
            return Err("after recovery and a cut: the other tree".to_owned());
        }
        Ok(())
    }

    /// Says which tree is there, from what is known of the same host where it was seen before.
    fn judge(&self, host: &FakeHost) -> Result<usize, String> {
        let seen = host.look(digest);
        let known = self.whole.borrow().get(&seen).copied();
        if let Some(which) = known {
            return Ok(which);
        }
        let which = judge(self.story, host)?;
        self.whole.borrow_mut().insert(seen, which);
        Ok(which)
    }
}

/// Says which tree is there; an error where it is neither, or where what certroll keeps does not agree with it.
fn judge(story: &Story, host: &FakeHost) -> Result<usize, String> {
    let world = host.world();
    let Some(which) = story.trees.iter().position(|tree| *tree == world.tree) else {
        let [old, new] = story
            .trees
            .each_ref()
            .map(|tree| differences(tree, &world.tree));
        return Err(format!(
            "neither old nor new: {old:?} of the old, {new:?} of the new"
        ));
    };
    let told = |error: certroll::error::Error| error.to_string();
    if let Some(open) = Store::pending(host).map_err(told)? {
        return Err(format!("generation {open} is still open"));
    }
    let key = world
        .state
        .iter()
        .find(|(path, _)| path.name() == "digest.key");
    if key.is_some_and(|(_, key)| key.bytes().is_none_or(|key| key.len() != 32)) {
        return Err("the key for digests is cut short".to_owned());
    }
    let remembered = Store::rollouts(host).map_err(told)?.rollouts;
    if remembered.contains_key("test") != (which == 1) {
        return Err("what is remembered is not what is there".to_owned());
    }
    let back = rollback::plan(host, "test", None, &[]).map_err(told)?;
    if back.is_some() != (which == 1) {
        return Err("a rollback does not know what is there".to_owned());
    }
    Ok(which)
}

fn differences(a: &Files, b: &Files) -> Vec<String> {
    let paths = a.keys().chain(b.keys());
    let mut differ: Vec<String> = paths
        .filter(|path| a.get(*path) != b.get(*path))
        .map(|path| format!("{path}: {}", b.get(path).map_or("nothing", State::noun)))
        .collect();
    differ.sort();
    differ.dedup();
    differ
}

fn digest(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (path, state) in world.tree.iter().chain(&world.state) {
        path.hash(&mut hasher);
        state.noun().hash(&mut hasher);
        state
            .bytes()
            .map(certroll::state::Bytes::reveal)
            .hash(&mut hasher);
        state.link().hash(&mut hasher);
        state
            .attrs()
            .map(|a| (a.uid, a.gid, a.mode))
            .hash(&mut hasher);
    }
    // What is served is asked for in the plan of a rollback.
    world.endpoints.len().hash(&mut hasher);
    hasher.finish()
}
