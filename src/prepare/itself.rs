//! The plan where a platform gets its pair by itself: what has it do so, and no identity.

use super::{Goal, Prepared, assemble, profiles, warn_days, without_phases};
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

/// A rollout whose platform gets its pair by itself.
pub(super) struct Found {
    pub(super) resolved: Resolved,
    profiles: Vec<(Profile, Facts)>,
}

/// Finds out whether that is meant; none where it is not, or where what is meant cannot be told, which the usual way says.
///
/// # Errors
/// [`Error::Usage`] where an identity is given for it, or it is rolled out together with another platform.
pub(super) fn found(host: &dyn Host, request: &Request) -> Result<Option<Found>> {
    let Ok(resolved) = rollouts::resolve_without(host, request) else {
        return Ok(None);
    };
    let dir = request.profiles_dir.as_deref();
    let may = |name: &String| profile::load(name, host, dir).is_ok_and(|p| p.by_itself.is_some());
    let names = &resolved.remembered.profiles;
    if !names.iter().any(may) {
        return Ok(None);
    }
    let profiles = profiles(host, request, &resolved, Ok)?;
    let set = &resolved.remembered.set;
    let mut by_itself = None;
    for (profile, facts) in &profiles {
        if profile.is_by_itself(facts, set)? {
            by_itself = Some(profile.name.as_str());
        }
    }
    let Some(name) = by_itself else {
        return Ok(None);
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
    Ok(Some(Found { resolved, profiles }))
}

/// Plans what has the platform get its pair.
///
/// # Errors
/// As [`crate::prepare()`]. The host is unchanged.
pub(super) fn prepare(host: &dyn Host, request: &Request, found: Found) -> Result<Prepared> {
    let Found {
        mut resolved,
        profiles,
    } = found;
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
