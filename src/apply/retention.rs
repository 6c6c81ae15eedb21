//! What is kept of older generations, and for how long.

use std::collections::{BTreeMap, BTreeSet};

use super::{far, undo::clear};
use crate::{
    error::Result,
    host::{Place, Writer},
    journal::{Rollouts, Shown, Status, Store},
    state::{Sensitivity, State},
};

/// Generations kept of each rollout (design: the ten newest).
const KEPT: usize = 10;

/// Removes generations beyond the newest of each rollout, and private keys beyond the identity in force and the one
/// before.
pub(super) fn prune(writer: &mut Writer<'_>, rollouts: &Rollouts) -> Result<()> {
    let mut newest_first = Store::numbers(writer.host())?;
    newest_first.reverse();
    let mut seen: BTreeMap<String, Kept> = BTreeMap::new();
    for (rollout, remembered) in &rollouts.rollouts {
        if let Ok((gist, _)) = Store::gist(writer.host(), remembered.identity) {
            let kept = seen.entry(rollout.clone()).or_default();
            kept.in_force = gist.identity.fingerprint;
        }
    }
    let mut gone = Vec::new();
    for number in newest_first {
        let Ok((intent, status)) = Store::gist(writer.host(), number) else {
            continue;
        };
        let in_force = rollouts
            .rollouts
            .get(&intent.rollout)
            .is_some_and(|r| r.identity == number);
        let kept = seen.entry(intent.rollout.clone()).or_default();
        kept.generations += 1;
        let undone = kept.undone_from.is_some_and(|from| from <= number);
        let stands = status == Status::Committed && intent.undoes.is_none() && !undone;
        kept.standing += usize::from(stands);
        // Where the next rollback leads stays, however many runs came and went since.
        let needed = in_force || stands && kept.standing <= 2;
        if kept.generations > KEPT && !needed {
            let at = Store::file(number, "");
            Store::remove_all(writer, &at)?;
            gone.push(Place::State(at));
            continue;
        }
        let secret = |entry: &&(usize, &Shown)| entry.1.sensitivity == Sensitivity::Secret;
        let befores: Vec<usize> = intent
            .entries
            .iter()
            .enumerate()
            .filter(|e| secret(&e))
            .map(|(n, _)| n)
            .collect();
        if !befores.is_empty() {
            kept.befores += 1;
            let leaf = (intent.remembered.as_ref())
                .and_then(|remembered| remembered.rotation.as_ref())
                .map(|rotation| rotation.leaf.clone());
            if kept.befores == 1 {
                kept.rotation.clone_from(&leaf);
            }
            // Phases of one rotation each hold a part of the identity before, and each is taken back by itself.
            let stays = kept.befores == 1 || leaf.is_some() && leaf == kept.rotation;
            for n in befores.into_iter().filter(|_| !stays) {
                for name in ["before", "found"] {
                    let copy = Place::State(Store::file(number, &format!("{name}/{n}")));
                    if clear(writer, &copy)? {
                        gone.push(copy);
                    }
                }
            }
        }
        // What an appliance had before cannot be asked of it, and is kept as the copies of files are: the newest of each.
        let mut previous = Vec::new();
        if !intent.far.is_empty() {
            previous = far::keys(writer.host(), number, "old-")?;
        }
        if !previous.is_empty() {
            let peers = intent.far.into_iter().map(|asked| asked.peer);
            let first = peers.filter(|peer| kept.previous.insert(peer.clone()));
            if first.count() == 0 {
                for key in previous {
                    clear(writer, &key)?;
                    gone.push(key);
                }
            }
        }
        let key = Store::file(number, "identity/key.pem");
        if !in_force && writer.host().load(&key)? != State::Absent {
            // One that was taken back in its own run was never in force, and is not the one before either.
            let never = status == Status::RolledBack;
            if never || !kept.keeps(intent.identity.fingerprint, undone) {
                let sent = far::keys(writer.host(), number, "new-")?;
                for key in sent.into_iter().chain([Place::State(key)]) {
                    if clear(writer, &key)? {
                        gone.push(key);
                    }
                }
            }
        }
        if let (Status::Committed, Some(from)) = (status, intent.undoes) {
            kept.undone_from = Some(kept.undone_from.map_or(from, |lowest| lowest.min(from)));
        }
    }
    // A key that is gone must not come back with the next power cut.
    writer.sync(&gone)
}

/// What of a rollout was kept so far, newest first.
#[derive(Default)]
struct Kept {
    generations: usize,
    /// Those of them that no rollback took back: what is in force, and what was before it.
    standing: usize,
    /// Generations whose saved copies hold a private key: the newest holds the one before.
    befores: usize,
    /// The leaf to which the rotation leads that the newest of them is a phase of.
    rotation: Option<String>,
    /// Appliances of which a generation keeps the pair that they had before.
    previous: BTreeSet<String>,
    /// Fingerprint of the leaf in force.
    in_force: String,
    /// Fingerprint of the newest leaf but that one.
    before: Option<String>,
    /// The lowest generation that a later rollback took back.
    undone_from: Option<u64>,
}

impl Kept {
    /// Tells whether the key of a leaf is kept: several generations may stand for one identity, as settings change too,
    /// and each can be returned to.
    fn keeps(&mut self, leaf: String, undone: bool) -> bool {
        if leaf == self.in_force {
            return !undone;
        }
        match &self.before {
            None => {
                self.before = Some(leaf);
                true
            }
            Some(before) => *before == leaf && !undone,
        }
    }
}
