//! Which phase of a rotation is due: the first that has something to do.

use std::collections::BTreeSet;

use super::{Goal, Prepared, Survey, assemble, kept, line, warn_days};
use crate::{
    apply::Keep,
    desired::{Desired, TrustDir},
    error::Result,
    host::Host,
    identity::Input,
    journal::Remembered,
    pins::Leaf,
    plan::{self, Change},
    probe,
    rollouts::{self, Request},
    rotation::{self, Phase, Rotation, is_label},
    state::{Bytes, Content, HostPath, Sensitivity, State},
    watch,
};

impl Survey {
    /// Returns how far the rotation of this rollout is; none where its profiles have no phases.
    ///
    /// # Errors
    /// As [`rotation::phases`].
    pub(super) fn rotation(&self) -> Result<Option<Rotation>> {
        let phases = rotation::phases(self.profiles.iter().map(|(profile, _)| profile))?;
        if phases.is_empty() {
            return Ok(None);
        }
        let leaf = self.identity.fingerprint();
        let known = self.resolved.remembered.rotation.clone();
        let is_same = known.as_ref().is_some_and(|known| known.leaf == leaf);
        let done = if self.resolved.goes_on {
            0
        } else {
            // What was applied before its profile had phases was applied whole.
            phases.len()
        };
        Ok(Some(match known {
            Some(known) if is_same => known.with(&phases),
            known => Rotation {
                leaf: leaf.to_owned(),
                phases,
                done,
                old: known.map(|known| known.old).unwrap_or_default(),
            },
        }))
    }

    /// Plans the first phase that has something to do; the last one where none has.
    ///
    /// # Errors
    /// As [`crate::prepare()`].
    pub(super) fn in_phases(
        mut self,
        host: &dyn Host,
        request: &Request,
        mut rotation: Rotation,
    ) -> Result<Prepared> {
        let whole = self.desired(host, request, &rotation.turn(rotation.phases.len()))?;
        self.age(host, &whole, &mut rotation)?;
        let until = request.until.as_deref().map(|name| rotation.until(name));
        let limit = match until.transpose()? {
            Some(until) => until,
            None if self.resolved.goes_on => rotation.phases.len(),
            None => rotation.done.max(1),
        };
        // What is not proved now must not be built upon.
        let limit = if request.deferred {
            limit.min(rotation.done.max(1))
        } else {
            limit
        };
        // Nobody calls another root.
        let first = if host.is_live() { 0 } else { limit - 1 };
        let mut at = first;
        loop {
            let last = at + 1 == limit;
            let phase = Phase {
                phases: rotation.phases.clone(),
                at,
                done: rotation.done,
                owed: last && limit > rotation.done,
            };
            let desired = self.desired(host, request, &rotation.turn(at))?;
            let done = Rotation {
                done: rotation.done.max(at + 1),
                ..rotation.clone()
            };
            let prepared = self.plan(host, request, desired, Some((phase, done)))?;
            if last || !prepared.plan.is_empty() || prepared.plan.is_blocked() {
                return Ok(prepared);
            }
            at += 1;
        }
    }

    /// Notes which leaves become old with the one that comes: what was in force, and what the files of the identity hold.
    fn age(&mut self, host: &dyn Host, whole: &Desired, rotation: &mut Rotation) -> Result<()> {
        if rotation.done > 0 {
            return Ok(());
        }
        let before = self.resolved.remembered.identity;
        if before > 0
            && let Ok((identity, _)) = rollouts::kept(host, before)
        {
            rotation.old.insert(identity.fingerprint().to_owned());
        }
        let leaf = self.identity.fingerprint().to_owned();
        for target in whole.targets.iter().filter(|target| target.identity) {
            let Content::File(wanted) = &target.wanted.content else {
                continue;
            };
            // Only what is to begin with the new leaf began with the old one: a chain's first is an issuer of many.
            let first = |name: &HostPath, bytes: &Bytes| {
                let input = Input {
                    name: name.to_string(),
                    bytes: bytes.clone(),
                };
                let all = input.certificates().unwrap_or_default();
                all.into_iter().next().map(|c| c.sha256)
            };
            if first(&target.path, wanted).as_ref() == Some(&leaf)
                && let Some(bytes) = host.read_followed(&target.path)?.1.bytes()
            {
                rotation.old.extend(first(&target.path, bytes));
            }
        }
        rotation.old.remove(&leaf);
        Ok(())
    }

    /// Puts the plan of one phase together, or of a rollout that has none.
    pub(super) fn plan(
        &self,
        host: &dyn Host,
        request: &Request,
        mut desired: Desired,
        phase: Option<(Phase, Rotation)>,
    ) -> Result<Prepared> {
        let identity = &self.identity;
        let (phase, rotation) = phase.unzip();
        let remembered = Remembered {
            rotation,
            ..self.resolved.remembered.clone()
        };
        let mut keep = Keep {
            identity: kept(identity),
            far: Vec::new(),
            rollout: Some(remembered),
            deferred: request.deferred,
            plan: Vec::new(),
            hook: None,
        };
        let mut changes = Vec::new();
        for trust in &desired.trusts {
            outdated(host, trust, &mut changes)?;
        }
        let standing = plan::Settled::all(host, &mut changes)?;
        desired.findings.extend(standing);
        let goal = Goal {
            line: line(identity, &self.resolved.source),
            want: probe::served(identity),
            leaf: Some(Leaf::from(&identity.leaf)),
            changes,
            made: None,
            deferred: request.deferred,
            reverts: false,
            previous: request.previous.clone(),
            pair: Some(identity.clone()),
        };
        let (held, warn_days) = (watch::held(&desired.targets), warn_days(&desired));
        let (mut plan, sent) = assemble(host, &self.resolved, desired, goal)?;
        plan.phase = phase;
        keep.far = sent;
        Ok(Prepared {
            plan,
            keep,
            held,
            warn_days,
        })
    }
}

/// Finds the files of old trust in a directory: those with our name and other digits, and those of an old leaf alone.
fn outdated(host: &dyn Host, trust: &TrustDir, changes: &mut Vec<Change>) -> Result<()> {
    for entry in host.list(&trust.directory)?.unwrap_or_default() {
        let path = trust.directory.join(&entry.name);
        if trust.stays.contains(&path) {
            continue;
        }
        let before = host.read(&path)?;
        let Some(bytes) = before.bytes() else {
            continue;
        };
        let stem = entry.name.strip_suffix(".pem");
        let labelled = stem.is_some_and(|stem| is_label(stem, &trust.name));
        if !labelled && !is_leaf(&path, bytes, &trust.gone) {
            continue;
        }
        changes.push(Change {
            staging: trust.directory.clone(),
            path,
            kind: "trust".into(),
            before,
            after: State::Absent,
            sensitivity: Sensitivity::Public,
            identity: false,
            in_place: false,
        });
    }
    Ok(())
}

/// Tells whether a file holds one of some leaves and nothing else.
fn is_leaf(path: &HostPath, bytes: &Bytes, leaves: &BTreeSet<String>) -> bool {
    let input = Input {
        name: path.to_string(),
        bytes: bytes.clone(),
    };
    let found = input.certificates().unwrap_or_default();
    matches!(found.as_slice(), [one] if leaves.contains(&one.sha256)) && !plan::holds_key(bytes)
}
