//! The plan of a revert: the platform back at its own default, by the one way through.

use std::collections::HashSet;

use super::{Goal, Prepared, assemble, load, profiles};
use crate::{
    apply::Keep,
    desired::{Action, Desired, Like, Regenerate, Removal, Service, Step},
    error::{Error, Result},
    host::Host,
    identity::Checks,
    journal::{Entry, Record, Store},
    pins::Leaf,
    plan::{self, Change, IdentityLine},
    preflight::{Finding, Severity},
    probe::{self, Defaults, Observation, Want},
    profile::{self, IdentityContext, Profile},
    rollback,
    rollouts::{self, Request, Resolved},
    state::{Content, HostPath, Sensitivity, State},
};

/// Plans the way back to the platform's own default.
///
/// # Errors
/// [`Error::Usage`] where a profile has no section `revert`, or several profiles are named; else as
/// [`crate::prepare()`]. The host is unchanged.
pub(super) fn prepare(host: &dyn Host, request: &Request) -> Result<Prepared> {
    let mut resolved = rollouts::resolve_without(host, request)?;
    // Nothing of the rollout is owed any more.
    resolved.obligations.clear();
    let names = &resolved.remembered.profiles;
    let loaded = load(host, request, &resolved)?.into_iter();
    let loaded = loaded.map(Profile::reverted).collect::<Result<_>>()?;
    let profiles = profiles(host, loaded, &resolved)?;
    if names.len() > 1 {
        return Err(Error::Usage {
            message: format!(
                "one platform is taken back at a time, not {}",
                names.join(" and ")
            ),
            hint: "certroll revert --profile NAME".to_owned(),
        });
    }
    let set = &resolved.remembered.set;
    let own = IdentityContext::of_platform();
    let mut desired = profile::desired(&profiles, &own, set, &profile::HostIds(host))?;
    drop(profiles);
    let mut goal = Goal {
        line: IdentityLine::default(),
        want: Want::Readable,
        leaf: None,
        changes: Vec::new(),
        made: None,
        deferred: request.deferred,
        reverts: false,
        previous: request.previous.clone(),
        pair: None,
    };
    if let Some(regenerate) = desired.regenerate.clone() {
        default_pair(host, &regenerate, &mut desired, &mut goal)?;
    }
    if !desired.far.is_empty() {
        goal.want = Want::Other(custom(host, &resolved, &desired)?);
        goal.reverts = true;
    }
    removals(host, &mut desired, &mut goal.changes)?;
    let standing = plan::Settled::all(host, &mut goal.changes)?;
    desired.findings.extend(standing);
    desired.findings.extend(described(host, &resolved.name)?);
    let (plan, far) = assemble(host, &resolved, desired, goal)?;
    // The rollout is forgotten: what was taken back must not come again with the next hook.
    let keep = Keep {
        far,
        ..Keep::default()
    };
    Ok(Prepared {
        plan,
        keep,
        held: Vec::new(),
        warn_days: Checks::WARN_DAYS,
    })
}

/// Returns the leaf that another machine is to lose: the one that is remembered, else the one that it presents.
fn custom(host: &dyn Host, resolved: &Resolved, desired: &Desired) -> Result<String> {
    if resolved.remembered.identity > 0 {
        let (identity, _) = rollouts::kept(host, resolved.remembered.identity)?;
        return Ok(identity.fingerprint().to_owned());
    }
    let probes = desired.far.iter().flat_map(|far| &far.proves);
    let served = probes.filter_map(|probe| match probe::observe(host, probe) {
        Observation::Tls(ends) => ends.into_iter().find_map(|end| end.presented),
        _ => None,
    });
    Ok(served.map(|s| s.leaf).next().unwrap_or_default())
}

/// Plans that the platform makes its pair anew, unless what is there is a default identity and valid.
fn default_pair(
    host: &dyn Host,
    regenerate: &Regenerate,
    desired: &mut Desired,
    goal: &mut Goal,
) -> Result<()> {
    let Regenerate { key, leaf, command } = regenerate;
    let defaults = Defaults::read(host, &desired.default_identities);
    let there = probe::read(host, &[key, leaf]);
    let good =
        there.filter(|i| i.key.is_some() && i.leaf.not_after > host.now() && defaults.has(i));
    if let Some(identity) = good {
        goal.want = probe::served(&identity);
        goal.leaf = Some(Leaf::from(&identity.leaf));
        return Ok(());
    }
    goal.want = Want::Default {
        leaf: leaf.clone(),
        told: desired.default_identities.clone(),
    };
    for (path, sensitivity) in [(key, Sensitivity::Secret), (leaf, Sensitivity::Public)] {
        let found = host.read(path)?;
        if found == State::Absent && !host.is_live() {
            continue;
        }
        let holds_key = found.bytes().is_some_and(plan::holds_key);
        let mut change = Change::removal(path.clone(), "default", found);
        change.identity = true;
        change.sensitivity = if holds_key {
            Sensitivity::Secret
        } else {
            sensitivity
        };
        goal.changes.push(change);
    }
    if !host.is_live() {
        let text = format!(
            "No command runs on another root. There, before its services start: `{}`",
            command.line()
        );
        desired.steps.insert(0, Step { text, gone: None });
    }
    goal.made = Some(Service {
        writes: vec![key.clone(), leaf.clone()],
        ..Service::of(Action::Restart, command.clone())
    });
    Ok(())
}

/// Plans to take away what certroll or the document put there, and names what somebody else changed.
fn removals(host: &dyn Host, desired: &mut Desired, changes: &mut Vec<Change>) -> Result<()> {
    let key = Store::key(host)?;
    let committed = rollback::committed(host)?;
    let newest = |path: &HostPath| -> Option<(u64, &Entry)> {
        committed.iter().rev().find_map(|intent| {
            let entry = intent.entries.iter().find(|entry| entry.path == *path)?;
            Some((intent.generation, entry))
        })
    };
    let mut kept = HashSet::new();
    for Removal { path, like } in &desired.removals {
        let found = host.read(path)?;
        let State::Present { content, .. } = &found else {
            continue;
        };
        let ours = newest(path).filter(|(_, entry)| entry.after != Record::Absent);
        let why = match (ours, &key, like) {
            (Some((_, entry)), Some(key), _) if entry.after.matches(&found, key) => None,
            (Some((generation, _)), ..) => {
                Some(format!("was changed since generation {generation} set it"))
            }
            _ if !matches!(content, Content::File(_) | Content::Link(_)) => {
                Some(format!("is a {}", found.noun()))
            }
            (None, _, Like::Anything) => None,
            (None, _, Like::This(theirs)) if theirs == content => None,
            (None, ..) => Some("is not what the platform's document puts there".to_owned()),
        };
        let Some(why) = why else {
            changes.push(Change::removal(path.clone(), "default", found));
            continue;
        };
        let finding = Finding::host(
            Severity::Warning,
            "kept",
            format!("`{path}` {why}: it stays"),
        );
        desired
            .findings
            .push(finding.hinted(format!("if nobody needs it: rm {path}")));
        kept.insert(path.clone());
    }
    desired.targets.retain(|target| {
        target
            .unless
            .as_ref()
            .is_none_or(|path| !kept.contains(path))
    });
    Ok(())
}

/// Says that a file describes the rollout, so that it could come again.
fn described(host: &dyn Host, name: &str) -> Result<Option<Finding>> {
    let path = rollouts::file(name);
    if host.read(&path)? == State::Absent {
        return Ok(None);
    }
    let message = format!(
        "`{path}` still describes rollout `{name}`: `certroll apply {name}` would bring it again"
    );
    Ok(Some(
        Finding::host(Severity::Warning, "still-described", message).hinted(format!("rm {path}")),
    ))
}
