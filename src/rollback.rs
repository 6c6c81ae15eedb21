//! The plan of a rollback: the states from before, out of the journals.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    apply,
    error::{Error, Result, backticked},
    far::Far,
    host::Host,
    identity::{Identity, Input, date},
    journal::{DigestKey, Entry, Generation, Intent, Record, Remembered, Status, Store},
    pins::{self, Move},
    plan::{self, Change, Plan, Promise},
    preflight::{Finding, Severity, allow, heard},
    probe::Want,
    rollouts::Request,
    service,
    state::{Bytes, HostPath, Sensitivity, State},
    trust,
};

mod far;

/// A rollback, ready to be applied.
#[derive(Debug)]
pub struct Back {
    /// The plan.
    pub plan: Plan,
    /// What is remembered of the rollout from then on; none: it is forgotten.
    pub remembered: Option<Remembered>,
    /// What its requests to other machines carry.
    pub far: Vec<(String, Bytes)>,
}

/// Plans to take back the newest generation of a rollout, or all after `to`; none where there is nothing to take back.
///
/// # Errors
/// [`Error::Usage`] where a later generation of another rollout touches the same resource; [`Error::Unknown`] where
/// there is no generation `to`; [`Error::Stored`] where a
/// journal or a saved copy is damaged. The host is unchanged.
pub fn plan(
    host: &dyn Host,
    rollout: &str,
    to: Option<u64>,
    allowed: &[String],
) -> Result<Option<Back>> {
    let Some(key) = Store::key(host)? else {
        return Ok(None);
    };
    let committed = committed(host)?;
    if let Some(to) = to
        && !committed.iter().any(|i| i.generation == to)
    {
        return Err(Error::Unknown {
            what: "generation",
            name: to.to_string(),
            known: committed.iter().map(|i| i.generation.to_string()).collect(),
        });
    }
    let undone = |generation: &Intent| is_undone(generation, &committed);
    let of_rollout = || committed.iter().filter(|i| i.rollout == rollout);
    let back: Vec<&Intent> = match to {
        Some(to) => of_rollout().filter(|i| i.generation > to).collect(),
        None => of_rollout()
            .rfind(|i| i.undoes.is_none() && !undone(i))
            .into_iter()
            .collect(),
    };
    let (Some(oldest), Some(newest)) = (back.first().copied(), back.last().copied()) else {
        return Ok(None);
    };
    let target = match to {
        // Numbers are global: the one given may be another rollout's.
        Some(to) => of_rollout().rfind(|i| i.generation <= to),
        None => of_rollout()
            .rfind(|i| i.generation < oldest.generation && i.undoes.is_none() && !undone(i)),
    };
    refuse_entangled(&committed, rollout, &back)?;
    let (mut changes, mut findings) = changes(host, &key, &back)?;
    findings.extend(plan::Settled::all(host, &mut changes)?);
    findings.extend(unreadable(host, oldest.generation)?);
    findings.extend(expired(host, &changes));
    let far = far::backwards(host, &back)?;
    findings.extend(far.findings);
    let remembered = target.and_then(|i| i.remembered.clone());
    let live = host.is_live() && newest.live;
    let services = if live {
        let known = Store::rollouts(host)?.rollouts.remove(rollout);
        let mut services = newest.services.clone();
        // What they wrote is written back.
        services.retain(|service| service.writes.is_empty());
        service::learned(services, &known.unwrap_or_default().restart)
    } else {
        Vec::new()
    };
    let units = service::observe(host, &services)?;
    findings.extend(service::findings(&services, &units));
    let promises = promises(&back, &far.far);
    let baseline = if live {
        promises
            .iter()
            .map(|p| crate::probe::observe(host, &p.probe))
            .collect()
    } else {
        Vec::new()
    };
    let steps = if rollout == trust::ROLLOUT {
        trust::steps(host, &changes)?
    } else {
        Vec::new()
    };
    let pins = pins::load(host)?;
    let mut earlier: Vec<Move> = back.iter().flat_map(|i| i.pins.iter().cloned()).collect();
    earlier.retain(|m| !far.left.contains(&m.peer));
    let moves = pins.back(&earlier);
    findings.extend(pins.left_behind(&promises, &earlier));
    let plan = Plan {
        rollout: rollout.to_owned(),
        profiles: newest.profiles.clone(),
        commands: service::commands(&services, &units),
        services,
        units,
        promises: if live { promises } else { Vec::new() },
        baseline,
        holders: plan::holders(host, &changes),
        changes,
        findings: heard(allow(findings, allowed), allowed),
        deadline: newest.deadline,
        live,
        far: far.far,
        pins: moves,
        steps,
        undoes: Some(oldest.generation),
        ..Plan::default()
    };
    Ok(Some(Back {
        plan,
        remembered,
        far: far.keep,
    }))
}

/// Returns what proves that some generations are taken back: each of their probes sees what the oldest that has it saw
/// before, but for those of a request that is left alone.
fn promises(back: &[&Intent], far: &[Far]) -> Vec<Promise> {
    let mut promises: Vec<Promise> = Vec::new();
    let mut known = 0;
    for intent in back {
        for (promise, seen) in intent.promises.iter().zip(&intent.baseline) {
            let earlier = promises.iter().take(known);
            if earlier.into_iter().any(|p| p.probe.is_same(&promise.probe)) {
                continue;
            }
            if let Some(after) = far::after(promise, intent, far) {
                promises.push(Promise {
                    probe: promise.probe.clone(),
                    want: Want::Baseline(seen.clone()),
                    after,
                });
            }
        }
        known = promises.len();
    }
    promises
}

/// Returns the name of the rollout that is to be taken back: the one that is given, or the only one there is.
///
/// # Errors
/// [`Error::Unknown`] or [`Error::Usage`] where none or several could be.
pub fn name(host: &dyn Host, request: &Request) -> Result<Option<String>> {
    let known: BTreeSet<String> = committed(host)?
        .into_iter()
        // Hooks have no profile either, and are removed by their own command.
        .filter(|intent| !intent.profiles.is_empty() || intent.rollout == trust::ROLLOUT)
        .map(|intent| intent.rollout)
        .collect();
    let given = request
        .name
        .clone()
        .or_else(|| (!request.profiles.is_empty()).then(|| request.profiles.join("+")));
    // Anchors are meant where they are named.
    let mut names = known.iter().filter(|name| *name != trust::ROLLOUT);
    match (given, names.next(), names.next()) {
        (Some(name), ..) if known.contains(&name) => Ok(Some(name)),
        (Some(name), ..) => Err(Error::Unknown {
            what: "rollout",
            name,
            known: known.into_iter().collect(),
        }),
        (None, one, None) => Ok(one.cloned()),
        (None, ..) => {
            let known: Vec<String> = known.into_iter().collect();
            let hint = format!("name one of {} with `--rollout`", backticked(&known));
            Err(Error::Usage {
                message: "several rollouts were applied".to_owned(),
                hint,
            })
        }
    }
}

pub(crate) fn committed(host: &dyn Host) -> Result<Vec<Intent>> {
    let mut intents = Vec::new();
    for number in Store::numbers(host)? {
        match Store::generation(host, number) {
            Ok(Generation {
                intent,
                status: Status::Committed,
            }) => intents.push(intent),
            // What is damaged or was never opened is passed over, and named among the findings.
            Ok(_) | Err(Error::Stored { .. } | Error::Unknown { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(intents)
}

/// Names later generations whose journals are damaged or gone: what they did cannot be told, and is not taken back.
fn unreadable(host: &dyn Host, oldest: u64) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for number in Store::numbers(host)?.into_iter().filter(|n| *n > oldest) {
        if let Err(error) = Store::gist(host, number)
            && !Store::is_unopened(host, number)?
        {
            let message = format!("generation {number} is passed over: {error}");
            findings.push(Finding::host(Severity::Warning, "unreadable", message));
        }
    }
    Ok(findings)
}

/// Says that the leaf that comes back expired meanwhile.
fn expired(host: &dyn Host, changes: &[Change]) -> Option<Finding> {
    let part = |change: &Change| {
        Some(Input {
            name: change.path.to_string(),
            bytes: change.after.bytes()?.clone(),
        })
    };
    let identity = changes.iter().filter(|change| change.identity);
    let (old, _) = Identity::assemble(&identity.filter_map(part).collect::<Vec<_>>(), None).ok()?;
    (old.leaf.not_after < host.now()).then(|| {
        let message = format!(
            "the leaf that comes back, `{}`, expired on {}",
            old.leaf.title(),
            date(old.leaf.not_after)
        );
        Finding::host(Severity::Warning, "expired-since", message)
            .hinted("to go on with a valid one, roll out a new identity instead: `certroll apply`")
    })
}

/// Tells whether a later rollback of its own rollout took a generation back.
fn is_undone(generation: &Intent, committed: &[Intent]) -> bool {
    committed.iter().any(|later| {
        later.rollout == generation.rollout
            && later.generation > generation.generation
            && (later.undoes).is_some_and(|from| from <= generation.generation)
    })
}

fn refuse_entangled(committed: &[Intent], rollout: &str, back: &[&Intent]) -> Result<()> {
    let oldest = back.first().map_or(0, |i| i.generation);
    // What was done and taken back again since leaves the resources as they were.
    let in_force = |other: &&Intent| {
        other.rollout != rollout
            && other.generation > oldest
            && !is_undone(other, committed)
            && other.undoes.is_none_or(|from| from < oldest)
    };
    for other in committed.iter().filter(in_force) {
        let shared = other.entries.iter().find(|e| {
            back.iter()
                .any(|i| i.entries.iter().any(|b| b.path == e.path))
        });
        let peer = other.far.iter().find(|f| {
            back.iter()
                .any(|i| i.far.iter().any(|b| b.peer == f.peer && b.what == f.what))
        });
        let shared = shared.map(|entry| format!("`{}`", entry.path));
        let shared = shared.or_else(|| peer.map(|f| format!("the {} of {}", f.what, f.peer)));
        if let Some(what) = shared {
            return Err(Error::Usage {
                message: format!(
                    "generation {} of rollout `{}` changed {what} later",
                    other.generation, other.rollout
                ),
                hint: format!(
                    "take that one back first: `certroll rollback --rollout {}`",
                    other.rollout
                ),
            });
        }
    }
    Ok(())
}

/// Returns the changes that lead back, newest generation first, and what somebody else changed meanwhile.
fn changes(
    host: &dyn Host,
    key: &DigestKey,
    back: &[&Intent],
) -> Result<(Vec<Change>, Vec<Finding>)> {
    let mut expected: BTreeMap<&HostPath, &Record> = BTreeMap::new();
    let mut oldest: BTreeMap<&HostPath, (u64, usize)> = BTreeMap::new();
    let mut order = Vec::new();
    for intent in back.iter().rev() {
        for (n, entry) in intent.entries.iter().enumerate().rev() {
            if expected
                .insert(
                    &entry.path,
                    expected.get(&entry.path).copied().unwrap_or(&entry.after),
                )
                .is_none()
            {
                order.push(entry);
            }
            oldest.insert(&entry.path, (intent.generation, n));
        }
    }
    let (mut changes, mut findings) = (Vec::new(), Vec::new());
    // The identity first and adjacent, the rest in the reverse of the order in which it was made.
    order.sort_by_key(|entry| !entry.identity);
    for entry in order {
        let Some((generation, n)) = oldest.get(&entry.path).copied() else {
            continue;
        };
        let Some(first) = back
            .iter()
            .find(|i| i.generation == generation)
            .and_then(|i| i.entries.get(n))
        else {
            continue;
        };
        let found = host.read(&entry.path)?;
        if first.before.matches(&found, key) {
            continue;
        }
        let made_dir = matches!(entry.after, Record::Dir { .. });
        if made_dir
            && !host
                .list(&entry.path)?
                .unwrap_or_default()
                .iter()
                .all(|e| is_ours(&entry.path.join(&e.name), back))
        {
            continue;
        }
        if !made_dir
            && expected
                .get(&entry.path)
                .is_some_and(|after| !after.matches(&found, key))
        {
            let message = format!(
                "`{}` was edited since generation {generation} set it",
                entry.path
            );
            let hint = "keep a copy of the edit and run again with `--allow edited-since`, or leave the generation as it is";
            findings.push(Finding::host(Severity::Fatal, "edited-since", message).hinted(hint));
        }
        changes.push(Change {
            path: entry.path.clone(),
            kind: entry.kind.clone(),
            after: before(host, key, generation, n, first)?,
            before: found,
            sensitivity: entry.sensitivity,
            identity: entry.identity,
            staging: entry.staging.clone(),
            in_place: entry.in_place,
        });
    }
    Ok((changes, findings))
}

/// Returns the state that a generation found; a key that is no longer kept is no damage, but cannot come back.
fn before(
    host: &dyn Host,
    key: &DigestKey,
    generation: u64,
    n: usize,
    entry: &Entry,
) -> Result<State> {
    let copy = Store::file(generation, &format!("before/{n}"));
    let is_key = entry.sensitivity == Sensitivity::Secret;
    if is_key
        && matches!(entry.before, Record::File { .. })
        && matches!(host.load(&copy)?, State::Absent)
    {
        return Err(Error::Usage {
            message: format!(
                "the key that `{}` held before generation {generation} is no longer kept: keys of the identity in force and of the one before are",
                entry.path
            ),
            hint: "give that identity again: `certroll apply --cert FILE --key FILE`; the platform makes its own default one anew: `certroll revert`".to_owned(),
        });
    }
    apply::saved(host, Some(key), generation, n, &entry.before)
}

/// Tells whether what lies at a path goes away with the rollback.
fn is_ours(path: &HostPath, back: &[&Intent]) -> bool {
    back.iter().any(|intent| {
        intent
            .entries
            .iter()
            .any(|e| e.path == *path && e.before == Record::Absent)
    })
}

impl Back {
    /// Tells whether there is nothing to take back any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.changes.is_empty() && self.plan.far.is_empty()
    }
}
