//! What a generation is opened with: its permit, and everything that is kept beside its journal.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{Keep, edits};
use crate::{
    error::Result,
    far::{self, Back, Far, Over, Request},
    host::{Command, Permit, Place, Writer},
    journal::{Intent, Store},
    plan::Change,
    state::{Bytes, State},
};

/// What a generation may touch: its paths, its staging directories, its commands.
pub(super) fn permit(intent: &Intent, commands: &[Command]) -> Permit {
    let in_place = intent.entries.iter().filter(|e| e.in_place);
    Permit {
        generation: intent.generation,
        paths: intent.entries.iter().map(|e| e.path.clone()).collect(),
        in_place: in_place.map(|e| e.path.clone()).collect(),
        staging: intent.entries.iter().map(|e| e.staging.clone()).collect(),
        commands: commands.iter().map(|c| c.argv.clone()).collect(),
        requests: both_ways(intent, |far, request| match &request.over {
            Over::Https { method, path } => Some((far.peer.clone(), method.clone(), path.clone())),
            Over::Ssh { .. } => None,
        }),
        fed: both_ways(intent, |_, request| match &request.over {
            Over::Https { .. } => None,
            Over::Ssh { to, config, run } => Some(far::command(to, config, run).argv),
        }),
    }
}

/// Returns what is named of every request of a generation, and of the one that takes it back.
fn both_ways<T: Eq + Hash>(
    intent: &Intent,
    name: impl Fn(&Far, &Request) -> Option<T>,
) -> HashSet<T> {
    let mut named = HashSet::new();
    for far in &intent.far {
        named.extend(name(far, &far.ask));
        if let Back::By(back) = &far.back {
            named.extend(name(far, back));
        }
    }
    named
}

/// Returns the bytes of every file that changes bring, by number of the change.
pub(super) fn new_bytes(changes: &[Change]) -> HashMap<usize, Bytes> {
    let file = |(n, change): (usize, &Change)| Some((n, change.after.bytes()?.clone()));
    changes.iter().enumerate().filter_map(file).collect()
}

/// Writes what a generation keeps beside its journal, and returns where.
pub(super) fn save(
    writer: &mut Writer<'_>,
    number: u64,
    changes: &[Change],
    keep: Keep,
) -> Result<Vec<Place>> {
    let mut edits = Vec::new();
    if writer.host().load(&Store::generations())? == State::Absent {
        edits.push(crate::journal::create_dir(&Store::generations()));
    }
    for name in ["", "before", "found", "identity"] {
        edits.push(crate::journal::create_dir(&Store::file(number, name)));
    }
    for (n, change) in changes.iter().enumerate() {
        if let Some(bytes) = change.before.bytes() {
            edits.push(crate::journal::create(
                &Store::file(number, &format!("before/{n}")),
                bytes.clone(),
            ));
        }
    }
    for (name, bytes) in keep.identity {
        edits.push(crate::journal::create(
            &Store::file(number, &format!("identity/{name}")),
            bytes,
        ));
    }
    if !keep.far.is_empty() {
        edits.push(crate::journal::create_dir(&Store::file(number, "far")));
    }
    for (name, bytes) in keep.far {
        edits.push(crate::journal::create(
            &Store::file(number, &format!("far/{name}")),
            bytes,
        ));
    }
    let mut places = edits::places(&edits);
    for edit in edits {
        writer.edit(&edit)?;
    }
    let plan = Store::file(number, "plan.json");
    writer.edit(&crate::journal::create(&plan, keep.plan))?;
    places.push(Place::State(plan));
    Ok(places)
}
