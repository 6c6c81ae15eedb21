//! From a request to a plan: the first half of the one way through, which cannot change anything.

use crate::{
    apply::Keep,
    desired::{Desired, Probe},
    effective,
    error::{Error, Result},
    facts,
    host::Host,
    identity::{Checks, Form, Identity},
    journal::Remembered,
    plan::{self, Change, IdentityLine, Overlay, Plan, Promise},
    preflight::{self, Finding, Severity},
    probe::{self, Observation, Want},
    profile,
    rollouts::{self, Request, Resolved},
    service,
};

/// A plan, and what a rollout of it leaves behind.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// What is kept once it is final.
    pub keep: Keep,
}

/// Finds out what a request would do.
///
/// # Errors
/// Whatever keeps a plan from being made; fatal findings are in the plan. The host is unchanged.
pub fn prepare(host: &dyn Host, request: &Request) -> Result<Prepared> {
    let resolved = rollouts::resolve(host, request)?;
    let identity = &resolved.identity;
    let anchors = host.trust_anchors();
    let trust = identity.trust(&anchors, host.now());
    let mut profiles = Vec::new();
    for name in &resolved.remembered.profiles {
        let profile = profile::load(name, host, request.profiles_dir.as_deref())?;
        let facts = facts::discover(&profile, host)?;
        profiles.push((profile, facts));
    }
    let desired = profile::desired(&profiles, &context(identity, trust), &resolved.remembered.set, host)?;
    let checks = Checks { now: host.now(), warn_days: Checks::WARN_DAYS, anchors: &anchors, names: &[] };
    let mut findings = resolved.findings.clone();
    findings.extend(identity.findings(&checks));
    let keep = Keep {
        identity: kept(identity),
        rollout: Some(resolved.remembered.clone()),
        deferred: request.deferred,
        plan: Vec::new(),
    };
    let plan = assemble(host, &resolved, desired, findings, &profiles, request)?;
    Ok(Prepared { plan, keep })
}
