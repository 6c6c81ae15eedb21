//! What is kept of older generations, and for how long.

use std::collections::BTreeMap;

use super::undo::clear;
use crate::{
    error::Result,
    host::{Place, Writer},
    journal::{Entry, Rollouts, Store},
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
    for number in newest_first {
        let Ok(generation) = Store::generation(writer.host(), number) else {
            continue;
        };
        let intent = generation.intent;
        let in_force = rollouts
            .rollouts
            .get(&intent.rollout)
            .is_some_and(|r| r.identity == number);
        let kept = seen.entry(intent.rollout.clone()).or_default();
        kept.generations += 1;
        if kept.generations > KEPT && !in_force {
            Store::remove_all(writer, &Store::file(number, ""))?;
            continue;
        }
        let secret = |entry: &&(usize, &Entry)| entry.1.sensitivity == Sensitivity::Secret;
        let befores: Vec<usize> = intent
            .entries
            .iter()
            .enumerate()
            .filter(|e| secret(&e))
            .map(|(n, _)| n)
            .collect();
        if !befores.is_empty() {
            kept.befores += 1;
            for n in befores.into_iter().filter(|_| kept.befores > 1) {
                clear(
                    writer,
                    &Place::State(Store::file(number, &format!("before/{n}"))),
                )?;
            }
        }
        let key = Store::file(number, "identity/key.pem");
        if !in_force && writer.host().load(&key)? != State::Absent {
            kept.identities += 1;
            if kept.identities > 1 {
                clear(writer, &Place::State(key))?;
            }
        }
    }
    Ok(())
}

/// What of a rollout was kept so far, newest first.
#[derive(Default)]
struct Kept {
    generations: usize,
    /// Generations whose saved copies hold a private key: the newest holds the one before.
    befores: usize,
    /// Identities other than the one in force.
    identities: usize,
}
