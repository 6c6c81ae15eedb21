//! What must be there after a power cut: one of the two trees, and in the state directory what agrees with it.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use certroll::{
    host::fake::{FakeHost, Fault, World},
    journal::Store,
    receipt::Outcome,
    rollback,
    state::{Bytes, HostPath, State},
};

use crate::story::{Files, Story, recover};

/// Of how many disks one is rolled out to once more after its recovery.
const NEXT: u64 = 100;

/// Judges hosts of a story.
pub(crate) struct Judge<'s> {
    story: &'s Story,
    /// What the state directory holds when the run has come to its end.
    kept: BTreeSet<HostPath>,
    /// Hosts that were judged whole, and which tree they had: many disks are recovered to the same one.
    known: HashMap<u64, usize>,
}

impl<'s> Judge<'s> {
    /// A judge of what a story leaves; `end` is the host that nothing interrupted.
    pub(crate) fn new(story: &'s Story, end: &FakeHost) -> Self {
        Self {
            story,
            kept: end.look(|world| world.state.keys().cloned().collect()),
            known: HashMap::new(),
        }
    }

    /// Returns what tells hosts apart: every object with its attributes.
    pub(crate) fn digest(host: &FakeHost) -> u64 {
        host.look(digest)
    }

    /// Recovers, and judges what is there, then and after one more cut; `said` is the tree that a run which ended left
    /// there. Returns the number of steps that it took.
    pub(crate) fn recovery(
        &mut self,
        host: &FakeHost,
        said: Option<usize>,
        choose: &mut dyn FnMut(usize) -> usize,
    ) -> Result<usize, String> {
        let mut host = host.fork(Fault::Never);
        let ended = match recover(&mut host) {
            Ok(Some(receipt)) if receipt.outcome == Outcome::Stuck => {
                return Err(format!("recovery is stuck: {:?}", receipt.causes));
            }
            Ok(receipt) => receipt.is_some(),
            Err(error) => return Err(format!("recovery fails: {error}")),
        };
        let steps = host.steps();
        let which = self.whole(&host)?;
        if said.is_some_and(|said| said != which) {
            return Err("what was said to be there no longer is".to_owned());
        }
        let cut = host.after_power_cut(choose);
        // One that found nothing open has said nothing: a mark whose removal was not synced may come back.
        if ended && self.whole(&cut).map_err(|why| after_cut(&why))? != which {
            return Err(after_cut("the other tree"));
        }
        if Self::digest(&cut).is_multiple_of(NEXT) {
            self.next(&cut, which)
                .map_err(|why| format!("the next run after recovery: {why}"))?;
        }
        Ok(steps)
    }

    /// Judges what a run left that came to its end: whole without any recovery, and what it removed stays removed.
    pub(crate) fn ended(&mut self, host: &FakeHost) -> Result<(), String> {
        self.whole(host)?;
        let back = |world: &World| {
            let mut paths = world.state.keys();
            paths.find(|path| !self.kept.contains(*path)).cloned()
        };
        match host.look(back) {
            Some(path) => Err(format!("{path} is back")),
            None => Ok(()),
        }
    }

    /// Carries out the next run, which must end as if nothing had happened.
    fn next(&mut self, host: &FakeHost, which: usize) -> Result<(), String> {
        let told = |error: certroll::error::Error| error.to_string();
        let back = rollback::plan(host, "test", None, &[]).map_err(told)?;
        if back.is_some() != (which == 1) {
            return Err("a rollback does not know what is there".to_owned());
        }
        let (host, wanted, said) = self.story.next(host, which);
        match said {
            Ok(receipt) if receipt.outcome != Outcome::Stuck => {}
            other => return Err(format!("{other:?}")),
        }
        if self.whole(&host)? == wanted {
            Ok(())
        } else {
            Err("the other tree".to_owned())
        }
    }

    /// Says which tree is there; an error where it is neither, or where what certroll keeps does not agree with it.
    pub(crate) fn whole(&mut self, host: &FakeHost) -> Result<usize, String> {
        let seen = Self::digest(host);
        if let Some(which) = self.known.get(&seen) {
            return Ok(*which);
        }
        let which = whole(self.story, host)?;
        self.known.insert(seen, which);
        Ok(which)
    }
}

fn after_cut(why: &str) -> String {
    format!("after recovery and a cut: {why}")
}

fn whole(story: &Story, host: &FakeHost) -> Result<usize, String> {
    let found = |world: &World| {
        let found = story.trees.iter().position(|tree| *tree == world.tree);
        found.ok_or_else(|| {
            let differ = |tree| differences(tree, &world.tree);
            let [old, new] = story.trees.each_ref().map(differ);
            format!("neither old nor new: {old:?} of the old, {new:?} of the new")
        })
    };
    let which = host.look(found)?;
    let told = |error: certroll::error::Error| error.to_string();
    if let Some(open) = Store::pending(host).map_err(told)? {
        return Err(format!("generation {open} is still open"));
    }
    if let Some(bad) = host.look(unfinished) {
        return Err(bad);
    }
    let remembered = Store::rollouts(host).map_err(told)?.rollouts;
    if remembered.contains_key("test") != (which == 1) {
        return Err("what is remembered is not what is there".to_owned());
    }
    Ok(which)
}

/// Says what is not whole in a state directory in which nothing is open.
fn unfinished(world: &World) -> Option<String> {
    let bad = |(path, state): (&HostPath, &State)| {
        let bytes = state.bytes().map(Bytes::reveal).unwrap_or_default();
        match path.name() {
            "digest.key" if bytes.len() != 32 => {
                Some("the key for digests is cut short".to_owned())
            }
            "receipt.json" => {
                let journal = world.state.get(&path.parent()?.join("journal.jsonl"));
                let lines = journal.and_then(State::bytes).map(Bytes::text);
                let lines = lines.unwrap_or_default();
                let last = lines.lines().last().unwrap_or_default();
                let ends = ["committed", "rolled-back"].map(|e| format!("{{\"event\":\"{e}\"}}"));
                (!ends.iter().any(|end| end == last))
                    .then(|| format!("{path}, and its journal ends {last}"))
            }
            _ => None,
        }
    };
    world.state.iter().find_map(bad)
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
        state.bytes().map(Bytes::reveal).hash(&mut hasher);
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
