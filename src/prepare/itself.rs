//! The plan where a platform gets its pair by itself: what has it do so, and no identity.

use super::{Goal, Prepared, assemble, load, profiles, warn_days, without_phases};
use crate::{
    apply::Keep,
    error::{Error, Result},
    facts::Facts,
    host::Host,
    journal::{Remembered, Store},
    plan::IdentityLine,
    probe::Want,
    profile::{self, HostIds, IdentityContext, Profile},
    rollouts::{self, Request, Resolved},
    source::Files,
};

/// Who gets the pair of a rollout.
pub(super) enum Maker {
    /// The platform, by itself.
    Platform(Box<Found>),
    /// The caller, who gives it; and the profiles as they were loaded to find that out, none where they could not be.
    Caller(Vec<Profile>),
}

/// A rollout whose platform gets its pair by itself.
pub(super) struct Found {
    pub(super) resolved: Resolved,
    profiles: Vec<(Profile, Facts)>,
}

/// Finds out who is meant. What keeps that from being told is said where the pair is the caller's.
///
/// # Errors
/// [`Error::Usage`] where an identity is given for it, or it is rolled out together with another platform.
pub(super) fn maker(host: &dyn Host, request: &Request) -> Result<Maker> {
    let Ok(resolved) = rollouts::resolve_without(host, request) else {
        return Ok(Maker::Caller(Vec::new()));
    };
    let loaded = load(host, request, &resolved).unwrap_or_default();
    if loaded.iter().all(|profile| profile.by_itself.is_none()) {
        return Ok(Maker::Caller(loaded));
    }
    let profiles = profiles(host, loaded, &resolved)?;
    let (names, set) = (&resolved.remembered.profiles, &resolved.remembered.set);
    let mut by_itself = None;
    for (profile, facts) in &profiles {
        if profile.is_by_itself(facts, set)? {
            by_itself = Some(profile.name.as_str());
        }
    }
    let Some(name) = by_itself else {
        let loaded = profiles.into_iter().map(|(profile, _)| profile);
        return Ok(Maker::Caller(loaded.collect()));
    };
    let usage = |message: String, hint: &str| Error::Usage {
        message,
        hint: hint.to_owned(),
    };
    if names.len() > 1 {
        let message =
            format!("`{name}` gets its pair by itself here, and shares it with no other profile");
        return Err(usage(message, "roll the others out on their own"));
    }
    if rollouts::is_given(request) {
        let message = format!("`{name}` gets its pair by itself here: no identity is taken");
        return Err(usage(
            message,
            "leave out `--cert`, `--key` and `--from`, or name another method",
        ));
    }
    Ok(Maker::Platform(Box::new(Found { resolved, profiles })))
}

/// Plans what has the platform get its pair.
///
/// # Errors
/// As [`crate::prepare()`]. The host is unchanged.
pub(super) fn prepare(host: &dyn Host, request: &Request, found: Box<Found>) -> Result<Prepared> {
    let Found {
        mut resolved,
        profiles,
    } = *found;
    without_phases(request)?;
    if request.profiles.is_empty()
        && let Some(before) = Store::rollouts(host)?.rollouts.remove(&resolved.name)
    {
        resolved.remembered.allow.extend(before.allow);
    }
    // What was rolled out before is not in force any more.
    resolved.remembered = Remembered {
        identity: 0,
        rotation: None,
        ..resolved.remembered
    };
    let set = &resolved.remembered.set;
    let desired = profile::desired(
        &profiles,
        &IdentityContext::of_platform(),
        set,
        &HostIds(host),
    )?;
    drop(profiles);
    let warn_days = warn_days(&desired);
    let goal = Goal {
        line: IdentityLine::default(),
        want: Want::Readable,
        leaf: None,
        changes: Vec::new(),
        made: None,
        deferred: request.deferred,
        reverts: false,
        previous: Files::default(),
        pair: None,
    };
    let (plan, far) = assemble(host, &resolved, desired, goal)?;
    let keep = Keep {
        far,
        rollout: Some(resolved.remembered),
        deferred: request.deferred,
        ..Keep::default()
    };
    Ok(Prepared {
        plan,
        keep,
        held: Vec::new(),
        warn_days,
    })
}
