//! The plan, put together: what is wanted, held against what is there and what endpoints serve.

use std::collections::HashSet;

use super::{
    defaults, far, fresh, managers, names, never,
    readers::{unreadable, unreadable_by_units},
};
use crate::{
    desired::{Desired, Probe, Service},
    error::{Error, Result},
    host::Host,
    identity::Identity,
    journal::{Intent, Store},
    pins::{self, Leaf, Move},
    plan::{self, Change, IdentityLine, Overlay, Plan, Promise},
    preflight::{self, Finding},
    probe::{self, Defaults, Observation, Says, Want},
    rollouts::Resolved,
    service,
    source::Files,
    state::{Bytes, HostPath},
};

/// What endpoints are to serve, and what a revert adds to a plan.
pub(super) struct Goal {
    pub(super) line: IdentityLine,
    pub(super) want: Want,
    /// The leaf among it, where it is known before.
    pub(super) leaf: Option<Leaf>,
    /// Removals, before all other changes.
    pub(super) changes: Vec<Change>,
    /// What a command of the plan makes, of which nothing can be said before.
    pub(super) made: Option<Service>,
    /// Whether services and proof are left to a later run.
    pub(super) deferred: bool,
    /// Whether it leads back to the platform's own default.
    pub(super) reverts: bool,
    /// Where the pair is that other machines have now, if it was given.
    pub(super) previous: Files,
    /// The pair that they are to have.
    pub(super) pair: Option<Identity>,
}

/// Puts a plan together, and returns with it what its requests to other machines carry.
pub(super) fn assemble(
    host: &dyn Host,
    resolved: &Resolved,
    mut desired: Desired,
    goal: Goal,
) -> Result<(Plan, Vec<(String, Bytes)>)> {
    let named = names::findings(host, &desired);
    let far = far::prepare(host, resolved, &mut desired, &goal)?;
    let mut observed = plan::observe(host, desired.targets, fresh(host))?;
    observed.changes.splice(0..0, goal.changes);
    let mut findings = desired.findings;
    findings.extend(observed.findings);
    let made = goal
        .made
        .as_ref()
        .map_or(&[][..], |service| &service.writes);
    let never = never::of_host(host)?;
    findings.extend(never::touched(
        &desired.never_touch,
        &never,
        &observed.changes,
    ));
    findings.extend(managers::named(host.tree(), &observed.changes));
    let overlay = Overlay::new(host.tree(), &observed.changes);
    findings.extend(unreadable(
        host,
        &overlay,
        &desired.probes,
        &observed.changes,
        made,
    )?);
    let live = host.is_live();
    let aim = (&goal.want, goal.pair.as_ref());
    let (mut promises, mut baseline) = looked(host, aim, desired.probes, desired.steady);
    promises.extend(far.promises);
    baseline.extend(far.baseline);
    findings.extend(far.findings);
    findings.extend(named);
    // With changes the services are told anyway, and a run that tells none leaves what is owed as it is.
    let asks = live && !goal.deferred;
    let owed = if asks && (observed.changes.is_empty() || !resolved.obligations.is_empty()) {
        owed(resolved, &promises, &baseline)
    } else {
        Vec::new()
    };
    // What an earlier run left owing can be of any phase.
    let own = desired.own.as_deref();
    let own = own.filter(|_| resolved.obligations.is_empty());
    let pins = moves(host, &promises, goal.leaf.as_ref(), asks, &mut findings)?;
    let known = Defaults::read(host, &desired.default_identities);
    findings.extend(defaults::served(&known, &promises, &baseline));
    let services = if live {
        let mut due = due(desired.services, &observed.changes, &owed, own);
        due.splice(0..0, goal.made.clone());
        service::learned(due, &resolved.restart)
    } else {
        Vec::new()
    };
    let units = service::observe(host, &services)?;
    let services = match placed(host, resolved)? {
        Some(last) if observed.changes.is_empty() && last.deferred => {
            service::not_started_since(services, &last.units, &units)
        }
        // They were told then, and nothing shows that they did not heed it: only the proof is owed.
        Some(_) if observed.changes.is_empty() && owed == resolved.obligations => Vec::new(),
        Some(_) | None => services,
    };
    findings.extend(service::findings(&services, &units));
    for reads in &desired.reads {
        findings.extend(unreadable_by_units(
            host,
            &overlay,
            reads,
            &units,
            &observed.changes,
        ));
    }
    let leaf = goal.leaf.as_ref().filter(|_| live);
    let says = leaf.map_or_else(Vec::new, |leaf| Says::all(desired.says, leaf));
    let mut commands = service::commands(&services, &units);
    commands.extend(says.iter().map(|says| says.command.clone()));
    let plan = Plan {
        rollout: resolved.name.clone(),
        profiles: desired.profiles,
        identity: goal.line,
        settings: desired.settings,
        commands,
        says,
        promises: if live { promises } else { Vec::new() },
        findings: preflight::allow(findings, &resolved.remembered.allow),
        consumers: desired.consumers,
        holders: plan::holders(host, &observed.changes),
        changes: observed.changes,
        shown: observed.shown,
        read_back: desired.read_back,
        steps: desired.steps,
        deadline: desired.deadline,
        services,
        units,
        baseline,
        owed,
        live,
        undoes: None,
        phase: None,
        reverts: desired.regenerate.is_some() || goal.reverts,
        far: far.far,
        pins,
    };
    Ok((plan, far.keep))
}

/// Returns the pins that move with the leaf, of endpoints that are the peers they pin.
///
/// # Errors
/// [`Error::WrongPeer`] where one is not: nobody knows then whose leaf would be taken over. Else as [`pins::load`].
fn moves(
    host: &dyn Host,
    promises: &[Promise],
    leaf: Option<&Leaf>,
    provable: bool,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Move>> {
    let pins = pins::load(host)?;
    let Some(leaf) = leaf else {
        findings.extend(pins.left_behind(promises, &[]));
        return Ok(Vec::new());
    };
    let moves = pins.moves(promises, leaf, provable);
    if host.is_live() && !moves.is_empty() {
        let peers: Vec<String> = moves.iter().map(|moved| moved.peer.clone()).collect();
        let looked = pins::check(host, &pins, &peers)?;
        let wrong: Vec<_> = looked.into_iter().filter_map(|one| one.mismatch).collect();
        if !wrong.is_empty() {
            return Err(Error::WrongPeer(wrong));
        }
    }
    Ok(moves)
}

/// Says what each probe must see, and looks where anything can be asked; what is `steady` must see what it sees now.
fn looked(
    host: &dyn Host,
    (served, hand): (&Want, Option<&Identity>),
    probes: Vec<Probe>,
    steady: Vec<Probe>,
) -> (Vec<Promise>, Vec<Observation>) {
    let promise = |probe: Probe, want: Want| Promise {
        want,
        probe,
        after: 0,
    };
    let mut promises: Vec<Promise> = probes
        .into_iter()
        .map(|probe| promise(probe.clone(), probe.want(served)))
        .collect();
    if !host.is_live() {
        return (promises, Vec::new());
    }
    let look = |promise: &Promise| probe::observe_with(host, &promise.probe, hand);
    let mut baseline: Vec<Observation> = promises.iter().map(look).collect();
    for probe in steady {
        let seen = probe::observe(host, &probe);
        promises.push(promise(probe, Want::Baseline(seen.clone())));
        baseline.push(seen);
    }
    (promises, baseline)
}

/// Says why services are told although no file changes: an earlier run owes it, or an endpoint serves another leaf.
fn owed(resolved: &Resolved, promises: &[Promise], baseline: &[Observation]) -> Vec<String> {
    let mut owed = resolved.obligations.clone();
    // What a request to another machine will set is nothing that a service could be told.
    let local = promises.iter().zip(baseline);
    for (promise, seen) in local.filter(|(promise, _)| promise.after == 0) {
        let verdict = probe::judge(&promise.probe, &promise.want, seen, seen);
        if verdict.judged && !verdict.good {
            owed.push(format!(
                "{}: {}, want {}",
                verdict.probe, verdict.found, verdict.want
            ));
        }
    }
    owed
}

/// Returns the generation that put in place what is still owed, if anything is.
fn placed(host: &dyn Host, resolved: &Resolved) -> Result<Option<Intent>> {
    if resolved.obligations.is_empty() || resolved.generation == 0 {
        return Ok(None);
    }
    Store::generation(host, resolved.generation).map(|last| Some(last.intent))
}

/// Keeps the services that a change or an obligation owes; of the latter, in a phase, those of its `own` files.
fn due(
    services: Vec<Service>,
    changes: &[Change],
    owed: &[String],
    own: Option<&[HostPath]>,
) -> Vec<Service> {
    let touched: HashSet<&HostPath> = changes.iter().map(|c| &c.path).collect();
    let is_due = |service: &Service| {
        let mut on = service.on.iter();
        let is_told =
            own.is_none_or(|own| service.on.is_empty() || on.any(|path| own.contains(path)));
        !owed.is_empty() && is_told
            || if service.on.is_empty() {
                !changes.is_empty()
            } else {
                service.on.iter().any(|p| touched.contains(p))
            }
    };
    services.into_iter().filter(is_due).collect()
}
